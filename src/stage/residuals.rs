//! Which values of a stage are kept for its transpose.
//!
//! Whatever a cotangent is multiplied with must be kept, or computed again from what is kept. A value whose operation is
//! cheap (no contraction, no transcendental function) and whose operands are kept is computed again; a value is kept in
//! place of several if they follow from it cheaply and take more room.

use crate::ir::{Dag, Level, NodeId, Op, UnaryFn, reachable};
use std::collections::BTreeSet;

/// What a node is to the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// A cotangent: what depends on it belongs to the transpose.
    Bar,
    /// A leaf that the transpose can read without keeping it.
    Free,
    /// A leaf that must be kept if the transpose needs it.
    Keep,
    /// An operation, or a constant.
    Inner,
}

/// The values to keep for `roots`, in the order of their ids.
pub fn cut(dag: &Dag, roots: &[NodeId], kind: impl Fn(NodeId) -> Cut) -> Vec<NodeId> {
    let seen = reachable(dag, roots, |_| false);
    let mut backward = vec![false; dag.len()];
    for id in dag.ids() {
        let mut any = kind(id) == Cut::Bar;
        dag.op(id).for_each_operand(|a| any |= backward[a.0 as usize]);
        backward[id.0 as usize] = any;
    }
    // Sums may read a value that no cotangent reaches, as a root.
    let mut needed: BTreeSet<NodeId> = BTreeSet::new();
    let mut need = |id: NodeId| {
        if !backward[id.0 as usize] && kind(id) != Cut::Free && dag.level(id) > Level::Theta {
            needed.insert(id);
        }
    };
    roots.iter().for_each(|&r| need(r));
    for id in dag.ids().filter(|id| seen[id.0 as usize] && backward[id.0 as usize]) {
        dag.op(id).for_each_operand(&mut need);
    }
    let size = |set: &BTreeSet<NodeId>| set.iter().map(|&id| elements(dag, id)).sum::<usize>();
    let mut kept = drop_derived(dag, &kind, needed.clone());
    let below = reachable(dag, &needed.iter().copied().collect::<Vec<_>>(), |_| false);
    let candidates: Vec<NodeId> = dag
        .ids()
        .filter(|&id| {
            below[id.0 as usize] && dag.level(id) > Level::Theta && matches!(kind(id), Cut::Inner | Cut::Keep)
        })
        .collect();
    loop {
        let best = candidates
            .iter()
            .filter(|id| !kept.contains(id))
            .map(|&id| {
                let with: BTreeSet<NodeId> = kept.iter().copied().chain([id]).collect();
                drop_derived(dag, &kind, with)
            })
            .min_by_key(size);
        match best {
            Some(better) if size(&better) < size(&kept) => kept = better,
            _ => return kept.into_iter().collect(),
        }
    }
}

fn elements(dag: &Dag, id: NodeId) -> usize {
    dag.shape(id).iter().product()
}

/// Without what follows cheaply from the rest, greatest id first.
fn drop_derived(dag: &Dag, kind: &impl Fn(NodeId) -> Cut, mut kept: BTreeSet<NodeId>) -> BTreeSet<NodeId> {
    let ids: Vec<NodeId> = kept.iter().rev().copied().collect();
    for id in ids {
        kept.remove(&id);
        if !derived(dag, kind, &kept, id) {
            kept.insert(id);
        }
    }
    kept
}

fn derived(dag: &Dag, kind: &impl Fn(NodeId) -> Cut, kept: &BTreeSet<NodeId>, id: NodeId) -> bool {
    if kept.contains(&id) || dag.level(id) <= Level::Theta {
        return true;
    }
    match kind(id) {
        Cut::Free => true,
        Cut::Bar | Cut::Keep => false,
        Cut::Inner => {
            let mut all = cheap(dag.op(id));
            if all {
                dag.op(id).for_each_operand(|a| all = all && derived(dag, kind, kept, a));
            }
            all
        }
    }
}

/// Whether an operation costs about as much as reading its result.
fn cheap(op: &Op) -> bool {
    match op {
        Op::Einsum(e) => !e.contracts(),
        Op::Unary(f, _) => match f {
            UnaryFn::Abs | UnaryFn::Sign | UnaryFn::Floor => true,
            UnaryFn::Exp
            | UnaryFn::Log
            | UnaryFn::Sqrt
            | UnaryFn::Sin
            | UnaryFn::Cos
            | UnaryFn::Tanh
            | UnaryFn::Logistic
            | UnaryFn::Softplus
            | UnaryFn::Erf
            | UnaryFn::Recip => false,
        },
        Op::Const(_)
        | Op::Tensor(_)
        | Op::Eye(_)
        | Op::Add(..)
        | Op::Sub(..)
        | Op::Scale(..)
        | Op::Slice(..)
        | Op::Pad(..)
        | Op::Concat(..)
        | Op::Reshape(..)
        | Op::Max(..)
        | Op::Min(..)
        | Op::Less(..)
        | Op::LessEq(..)
        | Op::Equal(..)
        | Op::Select(..)
        | Op::Stop(_) => true,
        Op::Param(_)
        | Op::Theta(_)
        | Op::Input(_)
        | Op::Draw(_)
        | Op::State(..)
        | Op::Time(_)
        | Op::Named(..)
        | Op::Deriv { .. }
        | Op::Solve(_)
        | Op::Component(..)
        | Op::SumSamples(_) => false,
    }
}
