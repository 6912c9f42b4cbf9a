//! Derivative operators become plain operations.
//!
//! `Program` with [`Op::Deriv`] nodes -> `Program` without. Operators expand innermost first (operands precede users), each
//! by [`jvp`] with extra trailing axes or by [`vjp`]; then [`Op::Named`] nodes are erased. A derivative is the total
//! derivative along the graph down to its target and not below: what reaches the target's operands around the target counts
//! as constant. Invariant: every rule builds differentiable operations, so operators nest freely. Deliberately absent: levels,
//! cost, derivatives through solves.

mod errors;
mod guard;
mod jvp;
mod linearize;
mod vjp;

pub use jvp::jvp;
pub use vjp::vjp;

use crate::diag::Diagnostic;
use crate::ir::verify::MAX_RANK;
use crate::ir::{Dag, Deriv, NodeId, Op, Program, Shape, Trace, reachable, rebuild};
use std::collections::HashMap;

/// Nodes, beyond four times those of the program, at which nested derivatives are given up: each level multiplies what is
/// there.
const NODE_BUDGET: usize = 100_000;

/// Expands every derivative operator and erases named nodes.
///
/// # Errors
/// `E0309` where derivatives of derivatives grow beyond 100,000 operations;
/// `E0402` where a derivative passes through the result of a solve or needs more than four axes.
pub fn expand(program: &Program) -> Result<Program, Diagnostic> {
    let from = &program.dag;
    let roots: Vec<NodeId> = program.outputs.iter().map(|(_, id)| *id).collect();
    let seen = reachable(from, &roots, |_| false);
    let mut dag = Dag::default();
    let mut map: HashMap<NodeId, NodeId> = HashMap::new();
    for id in from.ids().filter(|id| seen[id.0 as usize]) {
        dag.set_span(from.node(id).span);
        let copy = match from.op(id) {
            Op::Deriv { kind, of, wrt, hold } => {
                let hold: Vec<NodeId> = hold.iter().map(|a| map[a]).collect();
                let known = dag.len();
                let value = derivative(&mut dag, *kind, map[of], map[wrt], &hold, &|a| map[&a])?;
                if dag.len() > 4 * from.len() + NODE_BUDGET {
                    return Err(errors::too_many_nodes(from.node(id).span, NODE_BUDGET));
                }
                let widest = (known..dag.len()).map(|k| NodeId(k as u32)).find(|&n| dag.shape(n).len() > MAX_RANK);
                if let Some(n) = widest {
                    return Err(errors::rank(from, id, dag.shape(n).len()));
                }
                value
            }
            _ => dag.copy_op(from, id, |a| map[&a]),
        };
        map.insert(id, copy);
    }
    let outputs: Vec<(String, NodeId)> = program.outputs.iter().map(|(n, id)| (n.clone(), map[id])).collect();
    Ok(erase_names(program, &dag, &outputs))
}

/// Replaces named nodes by what they name.
fn erase_names(program: &Program, dag: &Dag, outputs: &[(String, NodeId)]) -> Program {
    let mut plain = Dag::default();
    let roots: Vec<NodeId> = outputs.iter().map(|(_, id)| *id).collect();
    let map = rebuild(dag, &mut plain, &roots, |_, map, id| match dag.op(id) {
        Op::Named(_, a) => Some(map[a]),
        _ => None,
    });
    Program {
        dag: plain,
        params: program.params.clone(),
        draws: program.draws.clone(),
        inputs: program.inputs.clone(),
        outputs: outputs.iter().map(|(n, id)| (n.clone(), map[id])).collect(),
    }
}

/// One operator. `map` brings the vectors inside `kind` into this DAG.
fn derivative(
    dag: &mut Dag,
    kind: Deriv,
    of: NodeId,
    wrt: NodeId,
    hold: &[NodeId],
    map: &dyn Fn(NodeId) -> NodeId,
) -> Result<NodeId, Diagnostic> {
    let (of_shape, wrt_shape) = (dag.shape(of).to_vec(), dag.shape(wrt).to_vec());
    match kind {
        Deriv::Jacobian => jacobian(dag, of, wrt, hold),
        Deriv::Gradient => {
            let one = dag.constant(1.0);
            let bar = vjp(dag, &[(of, one)], &[wrt], &[], hold)?[0];
            Ok(bar.unwrap_or_else(|| dag.zeros(&wrt_shape)))
        }
        Deriv::Divergence(Trace::Exact) => {
            let j = forward(dag, of, wrt, hold)?;
            Ok(trace(dag, j))
        }
        Deriv::Divergence(Trace::Probe(w)) => {
            let w = map(w);
            let probes = dag.shape(w)[wrt_shape.len()..].to_vec();
            let Some(bar) = vjp(dag, &[(of, w)], &[wrt], &probes, hold)?[0] else { return Ok(dag.constant(0.0)) };
            let all: Vec<u32> = (0..dag.shape(w).len() as u32).collect();
            let sum = dag.einsum(&[(bar, &all), (w, &all)], &[]);
            let k: usize = probes.iter().product();
            Ok(if k == 1 { sum } else { dag.scale(1.0 / k as f64, sum) })
        }
        Deriv::Jvp(w) => {
            let t = jvp(dag, &[of], &[(wrt, map(w))], &[], hold)?[0];
            Ok(t.unwrap_or_else(|| dag.zeros(&of_shape)))
        }
        Deriv::Vjp(w) => {
            let bar = vjp(dag, &[(of, map(w))], &[wrt], &[], hold)?[0];
            Ok(bar.unwrap_or_else(|| dag.zeros(&wrt_shape)))
        }
    }
}

/// d of / d wrt of shape `of.shape ++ wrt.shape`: forward unless `wrt` is larger.
fn jacobian(dag: &mut Dag, of: NodeId, wrt: NodeId, hold: &[NodeId]) -> Result<NodeId, Diagnostic> {
    let (of_shape, wrt_shape) = (dag.shape(of).to_vec(), dag.shape(wrt).to_vec());
    let size = |s: &Shape| s.iter().product::<usize>();
    if size(&wrt_shape) <= size(&of_shape) {
        return forward(dag, of, wrt, hold);
    }
    let unit = identity(dag, &of_shape);
    match vjp(dag, &[(of, unit)], &[wrt], &of_shape, hold)?[0] {
        None => Ok(dag.zeros(&[of_shape, wrt_shape].concat())),
        Some(bar) => {
            let all: Vec<u32> = (0..(of_shape.len() + wrt_shape.len()) as u32).collect();
            let (wrt_axes, of_axes) = all.split_at(wrt_shape.len());
            Ok(dag.einsum(&[(bar, &all)], &[of_axes, wrt_axes].concat()))
        }
    }
}

fn forward(dag: &mut Dag, of: NodeId, wrt: NodeId, hold: &[NodeId]) -> Result<NodeId, Diagnostic> {
    let (of_shape, wrt_shape) = (dag.shape(of).to_vec(), dag.shape(wrt).to_vec());
    let unit = identity(dag, &wrt_shape);
    let t = jvp(dag, &[of], &[(wrt, unit)], &wrt_shape, hold)?[0];
    Ok(t.unwrap_or_else(|| dag.zeros(&[of_shape, wrt_shape].concat())))
}

/// The identity map on a shape, as an array of shape `shape ++ shape`.
fn identity(dag: &mut Dag, shape: &[usize]) -> NodeId {
    let rank = shape.len() as u32;
    let eyes: Vec<(NodeId, [u32; 2])> =
        shape.iter().enumerate().map(|(k, &n)| (dag.eye(n), [k as u32, k as u32 + rank])).collect();
    let operands: Vec<(NodeId, &[u32])> = eyes.iter().map(|(e, ix)| (*e, ix.as_slice())).collect();
    if operands.is_empty() {
        return dag.constant(1.0);
    }
    dag.einsum(&operands, &(0..2 * rank).collect::<Vec<_>>())
}

/// The trace of a square jacobian of shape `s ++ s`. Taken apart along sums and joins, so that each term is a contraction of
/// its own and no full jacobian is needed for it.
fn trace(dag: &mut Dag, j: NodeId) -> NodeId {
    let rank = dag.shape(j).len() / 2;
    match dag.op(j).clone() {
        Op::Add(a, b) => {
            let (a, b) = (trace(dag, a), trace(dag, b));
            dag.add(a, b)
        }
        Op::Sub(a, b) => {
            let (a, b) = (trace(dag, a), trace(dag, b));
            dag.sub(a, b)
        }
        Op::Scale(c, a) => {
            let a = trace(dag, a);
            dag.scale(f64::from_bits(c), a)
        }
        Op::Concat(axis, parts) => {
            // Each part meets its own window of the paired axis.
            let paired = (axis + rank) % (2 * rank);
            let mut at = 0;
            let mut sum = dag.constant(0.0);
            for p in parts {
                let n = dag.shape(p)[axis];
                let block = dag.slice(p, paired, at, n);
                let t = trace(dag, block);
                sum = dag.add(sum, t);
                at += n;
            }
            sum
        }
        Op::Pad(w, a) => {
            let paired = (w.axis + rank) % (2 * rank);
            let n = dag.shape(a)[w.axis];
            let block = dag.slice(a, paired, w.start, n);
            trace(dag, block)
        }
        _ => {
            let half: Vec<u32> = (0..rank as u32).collect();
            dag.einsum(&[(j, &[&half[..], &half].concat())], &[])
        }
    }
}
