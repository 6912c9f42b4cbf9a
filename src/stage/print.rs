//! Plans in print: prologue, units with their bindings, segments. Deterministic.

use super::{ForwardPlan, GradientPlan, ObjectivePlan, Prologue, Segment, ThetaSource, Times, Transpose, UnitSpec};
use crate::ir::{NodeId, print};
use std::fmt::Write;

fn prologue(p: &Prologue) -> String {
    let mut out = String::from("prologue (once a training step)\n");
    let roots: Vec<NodeId> = p
        .values
        .iter()
        .filter_map(|(s, _)| match s {
            ThetaSource::Computed(n) => Some(*n),
            ThetaSource::Param(_) => None,
        })
        .collect();
    out += &print::dag(&p.dag, &roots);
    for (i, (source, shape)) in p.values.iter().enumerate() {
        let what = match source {
            ThetaSource::Param(id) => format!("parameter {}", id.0),
            ThetaSource::Computed(n) => format!("{n:?}"),
        };
        let _ = writeln!(out, "  theta[{i}]: {shape:?} = {what}");
    }
    out
}

fn unit(name: &str, u: &UnitSpec) -> String {
    let mut out = format!("{name}\n");
    for (n, s) in u.inputs.iter().zip(&u.sources) {
        let _ = writeln!(out, "  in {n:?}: {:?} = {s:?}", u.dag.shape(*n));
    }
    for (n, v) in u.theta.iter().zip(&u.theta_values) {
        let _ = writeln!(out, "  in {n:?}: {:?} = theta[{v}]", u.dag.shape(*n));
    }
    let roots: Vec<NodeId> = u.outputs.iter().chain(&u.sums).copied().collect();
    out += &print::dag(&u.dag, &roots);
    let list = |ids: &[NodeId]| ids.iter().map(|n| format!("{n:?}")).collect::<Vec<_>>().join(" ");
    let _ = writeln!(out, "  out {}", list(&u.outputs));
    if !u.sums.is_empty() {
        let _ = writeln!(out, "  sums {}", list(&u.sums));
    }
    out
}

/// A loss with its gradient.
#[must_use]
pub fn gradient(g: &GradientPlan) -> String {
    let mut out = prologue(&g.prologue);
    out += &unit("unit loss and cotangents (each sample)", &g.unit);
    let _ = writeln!(out, "  sums are cotangents of theta {:?}", g.cotangents);
    if let Some((dag, roots)) = &g.epilogue {
        out += "epilogue (once a training step)\n";
        out += &print::dag(dag, roots);
    }
    out
}

/// A loss that solves, with its gradient.
#[must_use]
pub fn objective(o: &ObjectivePlan) -> String {
    let mut out = prologue(&o.prologue) + &segments(&o.segments);
    let _ = writeln!(out, "loss = column {}", o.loss);
    for (i, t) in o.transposes.iter().enumerate().rev() {
        match t {
            Transpose::Nothing => {}
            Transpose::Map { unit: u, bars, cotangents } => {
                out += &unit(&format!("transpose of segment {i} -> cotangents of columns {bars:?}"), u);
                let _ = writeln!(out, "  sums are cotangents of theta {cotangents:?}");
            }
            Transpose::Solve(stage) => {
                out += &unit(&format!("record of a stage of segment {i}: slopes, then residuals"), &stage.record);
                out += &unit(&format!("transpose of it -> cotangents of {:?}", stage.outputs), &stage.back);
                let _ = writeln!(out, "  sums are cotangents of theta {:?}", stage.cotangents);
            }
        }
    }
    if let Some((dag, roots)) = &o.epilogue {
        out += "epilogue (once a training step)\n";
        out += &print::dag(dag, roots);
    }
    out
}

/// A program to evaluate.
#[must_use]
pub fn forward(f: &ForwardPlan) -> String {
    let mut out = prologue(&f.prologue) + &segments(&f.segments);
    for (name, column) in &f.outputs {
        let _ = writeln!(out, "output {name} = column {column}");
    }
    out
}

fn segments(all: &[Segment]) -> String {
    let mut out = String::new();
    for s in all {
        match s {
            Segment::Map { unit: u, columns } => {
                out += &unit(&format!("map -> columns {columns:?}"), u);
            }
            Segment::Solve { rhs, components, span, inits, results, at, noise, jacobian, solver: _ } => {
                let names: Vec<&str> = components.iter().map(|(n, _)| n.as_str()).collect();
                let at = match at {
                    None => String::new(),
                    Some(Times::Common(times)) => format!(" at {} times", times.len()),
                    Some(Times::PerSample(column)) => format!(" at the times of column {column}"),
                };
                let head =
                    format!("solve {names:?} over columns {span:?}{at} from {inits:?} -> {results:?}; right-hand side");
                out += &unit(&head, rhs);
                if let Some(n) = noise {
                    out += &unit(&format!("  diffusion, by the noise of {}", n.site), &n.unit);
                }
                if let Some(jacobian) = jacobian {
                    out += &unit("  its Jacobian", jacobian);
                }
            }
        }
    }
    out
}
