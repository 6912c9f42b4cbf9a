//! What runs, but hardly as meant: exact traces that cost too much, parameters that no gradient reaches, learning rates that are
//! zero or multiplied with another.
//!
//! Programs of a plan -> warnings. Numbers are probed with fixed points, so the same spec always says the same. Deliberately
//! absent: what is certainly wrong (`feasible`).

use super::{Rate, corners, lint_errors as errors};
use crate::autodiff;
use crate::diag::Diagnostic;
use crate::elaborate::is_step;
use crate::ir::{Dag, Deriv, DrawDecl, DrawId, DrawKind, NodeId, Op, Program, Trace, eval, flops, reachable};
use crate::source::Span;
use std::collections::HashMap;

/// All warnings about an objective; `at` is where it is written.
pub fn objective(program: &Program, at: Span) -> Vec<Diagnostic> {
    lost_parameter(program, at)
        .into_iter()
        .chain(corners::corner(program, at))
        .chain(costly_trace(program, at))
        .collect()
}

/// `W0401`: a parameter that the loss depends on only through steps, which have no slope.
fn lost_parameter(program: &Program, at: Span) -> Option<Diagnostic> {
    let dag = &program.dag;
    let loss = program.output("loss")?;
    let stopped = reachable(dag, &[loss], |id| matches!(dag.op(id), Op::Stop(_)));
    let smooth = reachable(dag, &[loss], |id| is_step(dag.op(id)) || matches!(dag.op(id), Op::Stop(_)));
    let behind = |seen: &[bool], id: NodeId| seen[id.0 as usize];
    // What `reachable` takes for a leaf is itself marked; its operands are not entered.
    let lost =
        dag.ids().find(|&id| matches!(dag.op(id), Op::Param(_)) && behind(&stopped, id) && !behind(&smooth, id))?;
    let Op::Param(p) = dag.op(lost) else { return None };
    let decl = &program.params[p.0 as usize];
    Some(errors::lost_parameter(&decl.name, decl.span, at))
}

/// How many times cheaper an estimator must be for the exact trace to be worth a word.
const TOO_COSTLY: u64 = 10;

/// `W0603`: an exact trace in an objective, where an estimate costs a tenth.
fn costly_trace(program: &Program, at: Span) -> Option<Diagnostic> {
    let exact = |op: &Op| matches!(op, Op::Deriv { kind: Deriv::Divergence(Trace::Exact), .. });
    let place = program.dag.ids().find(|id| exact(program.dag.op(*id)))?;
    let mut estimated = program.clone();
    let roots: Vec<NodeId> = program.outputs.iter().map(|(_, n)| *n).collect();
    let (mut dag, mut map) = (Dag::default(), HashMap::<NodeId, NodeId>::new());
    let seen = reachable(&program.dag, &roots, |_| false);
    for id in program.dag.ids().filter(|id| seen[id.0 as usize]) {
        let new = match program.dag.op(id) {
            Op::Deriv { kind: Deriv::Divergence(Trace::Exact), of, wrt, hold } => {
                let shape = program.dag.shape(*wrt).to_vec();
                let draw = DrawId(estimated.draws.len() as u32);
                let site = format!("trace{}", draw.0);
                estimated.draws.push(DrawDecl { site, kind: DrawKind::Normal, shape: shape.clone() });
                let probe = dag.draw(draw, shape);
                let hold = hold.iter().map(|h| map[h]).collect();
                dag.deriv(Deriv::Divergence(Trace::Probe(probe)), map[of], map[wrt], hold)
            }
            _ => dag.copy_op(&program.dag, id, |n| map[&n]),
        };
        map.insert(id, new);
    }
    estimated.dag = dag;
    estimated.outputs.iter_mut().for_each(|(_, n)| *n = map[n]);
    let operations = |p: &Program| {
        let p = crate::opt::optimize(&autodiff::expand(p).ok()?);
        let outputs: Vec<NodeId> = p.outputs.iter().map(|(_, n)| *n).collect();
        let f = flops(&p.dag, &outputs);
        Some(f.sample + f.stage)
    };
    // Without a dimension that is worth an estimate the answer is known.
    let widest = program.dag.ids().filter_map(|id| match program.dag.op(id) {
        Op::Deriv { kind: Deriv::Divergence(Trace::Exact), wrt, .. } => program.dag.shape(*wrt).first().copied(),
        _ => None,
    });
    if widest.max().unwrap_or(1) < TOO_COSTLY as usize {
        return None;
    }
    let (dear, cheap) = (operations(program)?, operations(&estimated)?);
    (dear >= TOO_COSTLY * cheap.max(1))
        .then(|| errors::costly_trace(program.dag.node(place).span.unwrap_or(at), at, dear, cheap))
}

/// `W0604`: a learning rate that is zero for a good part of training.
pub fn rate_is_zero(rate: &Rate, steps: u64, at: Span) -> Option<Diagnostic> {
    let Rate::Schedule(program) = rate else { return None };
    let tenths = tenths(program, steps)?;
    let most = tenths.iter().map(|t| t.1.abs()).fold(0.0, f64::max);
    let small = |x: f64| x.abs() <= 1e-9 * most;
    let last = tenths.iter().rposition(|t| !small(t.1))?;
    (last < 8).then(|| errors::rate_is_zero(tenths[last + 1].0, steps, at))
}

/// A schedule at the beginning of each tenth of training: step and value.
fn tenths(program: &Program, steps: u64) -> Option<Vec<(u64, f64)>> {
    let root = program.output("rate")?;
    let value = |step: u64| {
        let leaf = |id: NodeId| matches!(program.dag.op(id), Op::Input(_)).then(|| vec![step as f64]);
        eval::evaluate::<f64>(&program.dag, &[root], leaf).ok().map(|v| v[0][0])
    };
    Some((0..10).filter_map(|k| Some((steps * k / 10, value(steps * k / 10)?))).collect())
}

/// A factor on the learning rate that never comes above this is a rate itself: factors begin or end near 1.
const LEAST_FACTOR: f64 = 0.02;

/// `W0604`: a `schedule` that is no factor but a learning rate, which the optimizer has already.
pub fn factor_is_a_rate(factor: &Program, steps: u64, at: Span) -> Option<Diagnostic> {
    let most = tenths(factor, steps)?.iter().map(|t| t.1.abs()).fold(0.0, f64::max);
    (most > 0.0 && most < LEAST_FACTOR).then(|| errors::factor_is_a_rate(most, at))
}
