//! Corners under a divergence or a second derivative, which an estimate of a trace does not see and a solver stumbles over.
//!
//! A program -> `W0504`: an elementwise function whose slope jumps, and where. Functions are probed at fixed numbers, so the same
//! spec always says the same. Deliberately absent: what else runs hardly as meant (`lint`).

use super::lint_errors as errors;
use crate::diag::Diagnostic;
use crate::ir::{Dag, Deriv, NodeId, Op, Program, UnaryFn, reachable};
use crate::source::Span;
use std::collections::{HashMap, HashSet};

/// `W0504`: a function with a corner under a divergence or a second derivative.
pub fn corner(program: &Program, at: Span) -> Option<Diagnostic> {
    let dag = &program.dag;
    let roots: Vec<NodeId> = program.outputs.iter().map(|(_, n)| *n).collect();
    let seen = reachable(dag, &roots, |_| false);
    for id in dag.ids().filter(|id| seen[id.0 as usize]) {
        let Op::Deriv { kind: Deriv::Divergence(_), of, wrt, .. } = dag.op(id) else { continue };
        if let Some((c, z)) = corner_among(dag, &[*of], &[*wrt]) {
            let place = dag.node(c).span.unwrap_or(at);
            return Some(errors::corner(place, dag.node(id).span.unwrap_or(at), at, z));
        }
    }
    None
}

/// A function with a corner on the way from `wrt` to `of`, and where its slope jumps.
pub(super) fn corner_among(dag: &Dag, of: &[NodeId], wrt: &[NodeId]) -> Option<(NodeId, f64)> {
    let field = reachable(dag, of, |n| wrt.contains(&n));
    let moves = moving(dag, wrt, &field);
    dag.ids().filter(|c| moves[c.0 as usize]).find_map(|c| {
        let top = pointwise_top(dag, c, &moves)?;
        Some((c, corner_of(dag, top, c, &moves)?))
    })
}

/// Which of `inside` depend on one of `wrt`.
fn moving(dag: &Dag, wrt: &[NodeId], inside: &[bool]) -> Vec<bool> {
    let mut moves = vec![false; dag.len()];
    for id in dag.ids().filter(|id| inside[id.0 as usize]) {
        let mut any = wrt.contains(&id);
        dag.op(id).for_each_operand(|a| any |= moves[a.0 as usize]);
        moves[id.0 as usize] = any;
    }
    moves
}

/// For a maximum, minimum, choice or absolute value of one moving value: the last elementwise function of that value.
fn pointwise_top(dag: &Dag, c: NodeId, moves: &[bool]) -> Option<NodeId> {
    let cornered = matches!(dag.op(c), Op::Max(..) | Op::Min(..) | Op::Select(..) | Op::Unary(UnaryFn::Abs, _));
    let base = argument(dag, c, moves).filter(|_| cornered)?;
    let mut inside = HashSet::from([base]);
    let mut top = None;
    for id in dag.ids().filter(|id| *id > base && moves[id.0 as usize] && is_pointwise(dag, *id)) {
        let (mut all, mut any) = (true, false);
        dag.op(id).for_each_operand(|a| {
            any |= inside.contains(&a);
            all &= inside.contains(&a) || dag.as_constant(a).is_some();
        });
        if any && all {
            inside.insert(id);
            if id >= c {
                top = Some(id);
            }
        }
    }
    top
}

/// The one moving value below a corner that is no elementwise function of a single moving value itself.
fn argument(dag: &Dag, c: NodeId, moves: &[bool]) -> Option<NodeId> {
    let mut base = None;
    let mut one = true;
    dag.op(c).for_each_operand(|a| {
        let mut a = a;
        // Down through functions of one value.
        while is_pointwise(dag, a) && moves[a.0 as usize] {
            let mut moving = Vec::new();
            dag.op(a).for_each_operand(|b| {
                if dag.as_constant(b).is_none() && !moving.contains(&b) {
                    moving.push(b);
                }
            });
            let [b] = moving[..] else { break };
            a = b;
        }
        if dag.as_constant(a).is_none() {
            one &= base.is_none_or(|b| b == a);
            base = Some(a);
        }
    });
    base.filter(|_| one)
}

fn is_pointwise(dag: &Dag, id: NodeId) -> bool {
    match dag.op(id) {
        Op::Unary(..)
        | Op::Scale(..)
        | Op::Add(..)
        | Op::Sub(..)
        | Op::Max(..)
        | Op::Min(..)
        | Op::Less(..)
        | Op::LessEq(..)
        | Op::Equal(..)
        | Op::Select(..) => true,
        Op::Einsum(e) => !e.contracts() && e.operands.iter().all(|(_, axes)| axes.len() == usize::from(e.output_rank)),
        Op::Const(_)
        | Op::Tensor(_)
        | Op::Eye(_)
        | Op::Param(_)
        | Op::Theta(_)
        | Op::Input(_)
        | Op::Draw(_)
        | Op::State(..)
        | Op::Time(_)
        | Op::Named(..)
        | Op::Slice(..)
        | Op::Pad(..)
        | Op::Concat(..)
        | Op::Reshape(..)
        | Op::Stop(_)
        | Op::SumSamples(_)
        | Op::Deriv { .. }
        | Op::Solve(_)
        | Op::Component(..) => false,
    }
}

/// Where the slope of `top`, seen as a function of the argument of `c`, jumps.
fn corner_of(dag: &Dag, top: NodeId, c: NodeId, moves: &[bool]) -> Option<f64> {
    let base = argument(dag, c, moves)?;
    // The jump of the slope over four neighbours: a corner between them shows whole, a curvature as 3 h f''.
    let worst = |from: f64, n: u32, h: f64| {
        let z: Vec<f64> = (0..n + 4).map(|k| from + (f64::from(k) - 2.0) * h).collect();
        let y = curve(dag, top, base, &z)?;
        let jumps = y.windows(5).zip(&z[2..]).filter(|(y, _)| y.iter().all(|y| y.is_finite()));
        let jumps = jumps.map(|(y, z)| (*z, (((y[4] - y[3]) - (y[1] - y[0])) / h).abs()));
        jumps.max_by(|a, b| a.1.total_cmp(&b.1))
    };
    let (z, coarse) = worst(-6.0, 1201, 1e-2)?;
    let (z, fine) = worst(z - 2e-2, 401, 1e-4)?;
    (coarse > 0.05 && fine > 0.7 * coarse).then_some((z * 1e3).round() / 1e3 + 0.0)
}

/// An elementwise function of one value, at many numbers: node by node, as a spec is checked while somebody waits.
fn curve(dag: &Dag, of: NodeId, base: NodeId, at: &[f64]) -> Option<Vec<f64>> {
    let ends = |n: NodeId| n == base || dag.as_constant(n).is_some();
    let seen = reachable(dag, &[of], ends);
    let mut known: HashMap<NodeId, Vec<f64>> = HashMap::new();
    for id in dag.ids().take_while(|id| *id <= of).filter(|id| seen[id.0 as usize]) {
        let values = match dag.as_constant(id) {
            _ if id == base => at.to_vec(),
            Some(c) => vec![c; at.len()],
            None => pointwise(dag, id, &known)?,
        };
        known.insert(id, values);
    }
    known.remove(&of)
}

/// One elementwise operation on the values of its operands.
fn pointwise(dag: &Dag, id: NodeId, known: &HashMap<NodeId, Vec<f64>>) -> Option<Vec<f64>> {
    let one = |a: &NodeId, f: &dyn Fn(f64) -> f64| known[a].iter().map(|a| f(*a)).collect();
    let two = |a: &NodeId, b: &NodeId, f: &dyn Fn(f64, f64) -> f64| {
        known[a].iter().zip(&known[b]).map(|(a, b)| f(*a, *b)).collect()
    };
    let truth = |b: bool| f64::from(u8::from(b));
    Some(match dag.op(id) {
        Op::Unary(f, a) => one(a, &|x| crate::ir::fold_unary(*f, x)),
        Op::Scale(c, a) => one(a, &|x| f64::from_bits(*c) * x),
        Op::Add(a, b) => two(a, b, &|x, y| x + y),
        Op::Sub(a, b) => two(a, b, &|x, y| x - y),
        Op::Max(a, b) => two(a, b, &f64::max),
        Op::Min(a, b) => two(a, b, &f64::min),
        Op::Less(a, b) => two(a, b, &|x, y| truth(x < y)),
        Op::LessEq(a, b) => two(a, b, &|x, y| truth(x <= y)),
        Op::Equal(a, b) => two(a, b, &|x, y| truth(x == y)),
        Op::Select(c, a, b) => {
            let chosen = known[c].iter().zip(known[a].iter().zip(&known[b]));
            chosen.map(|(c, (a, b))| if *c == 0.0 { *b } else { *a }).collect()
        }
        Op::Einsum(e) if !e.contracts() => {
            let mut factors = e.operands.iter().map(|(x, _)| &known[x]);
            let first = factors.next()?.clone();
            factors.fold(first, |p, f| p.iter().zip(f).map(|(p, f)| p * f).collect())
        }
        Op::Einsum(_)
        | Op::Const(_)
        | Op::Tensor(_)
        | Op::Eye(_)
        | Op::Param(_)
        | Op::Theta(_)
        | Op::Input(_)
        | Op::Draw(_)
        | Op::State(..)
        | Op::Time(_)
        | Op::Named(..)
        | Op::Slice(..)
        | Op::Pad(..)
        | Op::Concat(..)
        | Op::Reshape(..)
        | Op::Stop(_)
        | Op::SumSamples(_)
        | Op::Deriv { .. }
        | Op::Solve(_)
        | Op::Component(..) => return None,
    })
}
