//! The IR as text, one node a line, reachable nodes only.
//!
//! `%12: [128] theta = einsum(ij,j->i) %3 %7  # 32768`: shape, level, operation, and the number of floating-point operations
//! where there are any. Deterministic: ids are the DAG's, floats print with the digits that identify them.

use super::{Dag, Deriv, DrawKind, Level, NodeId, Op, Program, Trace, UnaryFn, node_flops, reachable};
use std::fmt::Write;

/// A program: declarations, nodes, outputs.
#[must_use]
pub fn program(p: &Program) -> String {
    let mut out = String::new();
    for (i, d) in p.params.iter().enumerate() {
        let _ = writeln!(out, "param {i} {} {:?}", d.name, d.shape);
    }
    for (i, d) in p.draws.iter().enumerate() {
        let kind = match d.kind {
            DrawKind::Uniform => "uniform",
            DrawKind::Normal => "normal",
        };
        let _ = writeln!(out, "draw {i} {} {:?} {kind}", d.site, d.shape);
    }
    for (i, d) in p.inputs.iter().enumerate() {
        let _ = writeln!(out, "input {i} {} {:?}", d.name, d.shape);
    }
    let roots: Vec<NodeId> = p.outputs.iter().map(|(_, id)| *id).collect();
    out += &dag(&p.dag, &roots);
    for (name, id) in &p.outputs {
        let _ = writeln!(out, "output {name} = {id:?}");
    }
    out
}

/// The nodes that `roots` reach.
#[must_use]
pub fn dag(dag: &Dag, roots: &[NodeId]) -> String {
    let seen = reachable(dag, roots, |_| false);
    let mut out = String::new();
    for id in dag.ids().filter(|id| seen[id.0 as usize]) {
        out += &node(dag, id);
        out.push('\n');
    }
    out
}

/// One node.
#[must_use]
pub fn node(dag: &Dag, id: NodeId) -> String {
    let level = match dag.level(id) {
        Level::Const => "const",
        Level::Theta => "theta",
        Level::Sample => "sample",
        Level::Stage => "stage",
    };
    let mut text = format!("{id:?}: {:?} {level} = {}", dag.shape(id), operation(dag.op(id)));
    let count = node_flops(dag, id);
    if count > 0 {
        let _ = write!(text, "  # {count}");
    }
    text
}

/// The spelling of an elementwise function.
#[must_use]
pub fn function(f: UnaryFn) -> &'static str {
    match f {
        UnaryFn::Exp => "exp",
        UnaryFn::Log => "log",
        UnaryFn::Sqrt => "sqrt",
        UnaryFn::Sin => "sin",
        UnaryFn::Cos => "cos",
        UnaryFn::Tanh => "tanh",
        UnaryFn::Logistic => "logistic",
        UnaryFn::Softplus => "softplus",
        UnaryFn::Erf => "erf",
        UnaryFn::Recip => "recip",
        UnaryFn::Abs => "abs",
        UnaryFn::Sign => "sign",
        UnaryFn::Floor => "floor",
    }
}

fn list(ids: &[NodeId]) -> String {
    ids.iter().map(|id| format!("{id:?}")).collect::<Vec<_>>().join(" ")
}

fn operation(op: &Op) -> String {
    match op {
        Op::Const(bits) => format!("{:?}", f64::from_bits(*bits)),
        Op::Tensor(bits) => {
            let shown: Vec<String> = bits.iter().take(8).map(|b| format!("{:?}", f64::from_bits(*b))).collect();
            format!("tensor {}{}", shown.join(" "), if bits.len() > 8 { " ..." } else { "" })
        }
        Op::Eye(n) => format!("eye({n})"),
        Op::Param(p) => format!("param {}", p.0),
        Op::Theta(i) => format!("theta {i}"),
        Op::Input(i) => format!("input {}", i.0),
        Op::Draw(i) => format!("draw {}", i.0),
        Op::State(r, i) => format!("state {}.{i}", r.0),
        Op::Time(r) => format!("time {}", r.0),
        Op::Named(n, a) => format!("named({n}) {a:?}"),
        Op::Einsum(e) => {
            let letters = |axes: &[u8]| axes.iter().map(|&i| letter(i)).collect::<String>();
            let inputs: Vec<String> = e.operands.iter().map(|(_, axes)| letters(axes)).collect();
            let output: Vec<u8> = (0..e.output_rank).collect();
            let ids: Vec<NodeId> = e.operands.iter().map(|(id, _)| *id).collect();
            format!("einsum({}->{}) {}", inputs.join(","), letters(&output), list(&ids))
        }
        Op::Add(a, b) => format!("add {a:?} {b:?}"),
        Op::Sub(a, b) => format!("sub {a:?} {b:?}"),
        Op::Scale(c, a) => format!("scale({:?}) {a:?}", f64::from_bits(*c)),
        Op::Slice(w, a) => format!("slice(axis {} from {} len {}) {a:?}", w.axis, w.start, w.len),
        Op::Pad(w, a) => format!("pad(axis {} from {} to {}) {a:?}", w.axis, w.start, w.len),
        Op::Concat(axis, parts) => format!("concat({axis}) {}", list(parts)),
        Op::Reshape(_, a) => format!("reshape {a:?}"),
        Op::Unary(f, a) => format!("{} {a:?}", function(*f)),
        Op::Max(a, b) => format!("max {a:?} {b:?}"),
        Op::Min(a, b) => format!("min {a:?} {b:?}"),
        Op::Less(a, b) => format!("less {a:?} {b:?}"),
        Op::LessEq(a, b) => format!("less_eq {a:?} {b:?}"),
        Op::Equal(a, b) => format!("equal {a:?} {b:?}"),
        Op::Select(c, a, b) => format!("select {c:?} {a:?} {b:?}"),
        Op::Stop(a) => format!("stop {a:?}"),
        Op::Deriv { kind, of, wrt, hold } => {
            let (name, vector) = match kind {
                Deriv::Jacobian => ("jacobian", None),
                Deriv::Gradient => ("gradient", None),
                Deriv::Divergence(Trace::Exact) => ("divergence", None),
                Deriv::Divergence(Trace::Probe(w)) => ("divergence", Some(*w)),
                Deriv::Jvp(w) => ("jvp", Some(*w)),
                Deriv::Vjp(w) => ("vjp", Some(*w)),
            };
            let mut text = format!("{name} {of:?} in {wrt:?}");
            if let Some(w) = vector {
                let _ = write!(text, " by {w:?}");
            }
            if !hold.is_empty() {
                let _ = write!(text, " hold {}", list(hold));
            }
            text
        }
        Op::Solve(s) => {
            let at = s.at.map_or(String::new(), |at| format!(" at {at:?}"));
            let noise =
                s.noise.as_ref().map_or(String::new(), |n| format!(" noise {} by {}", n.site, list(&n.diffusions)));
            format!(
                "solve {} ({}) {:?} -> {:?}{at} from {} by {}{noise}",
                s.region.0,
                s.names.join(" "),
                s.t0,
                s.t1,
                list(&s.inits),
                list(&s.derivs)
            )
        }
        Op::Component(s, i) => format!("component({i}) {s:?}"),
        Op::SumSamples(a) => format!("sum_samples {a:?}"),
    }
}

/// `i j k ...` for the first indices, so that a matrix product reads `ij,jk`.
fn letter(i: u8) -> char {
    char::from(b'a' + (8 + i) % 26)
}
