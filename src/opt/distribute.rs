//! Contractions move over sums where that is cheaper.
//!
//! `sum_k w_k (a_k + b_k)` with `a` itself a product: taken apart, each product may have a better order. The trace of a sum of
//! products is the case that matters: no term needs its full matrix. Decided by what the best orders cost.

use super::flatten::{MAX_OPERANDS, Operand, Tree, WORK, pairs};
use super::order::{cost, weight};
use super::{pruned, uses};
use crate::ir::{Dag, NodeId, Op, rebuild};
use std::cell::Cell;

/// Most rounds; each takes one sum of every product apart.
const MAX_ROUNDS: usize = 16;

/// Takes sums below contractions apart while that is cheaper.
pub fn distribute(mut dag: Dag, mut roots: Vec<NodeId>) -> (Dag, Vec<NodeId>) {
    let left = Cell::new(WORK);
    for _ in 0..MAX_ROUNDS {
        let (next, moved, changed) = round(&dag, &roots, &left);
        (dag, roots) = (next, moved);
        if !changed {
            break;
        }
    }
    (dag, roots)
}

fn round(from: &Dag, roots: &[NodeId], left: &Cell<u64>) -> (Dag, Vec<NodeId>, bool) {
    let uses = uses(from, roots);
    let mut changed = false;
    let mut into = Dag::default();
    let map = rebuild(from, &mut into, roots, |dag, map, id| {
        let (rank, [(a, first), (b, second)]) = apart(from, id, &uses, left)?;
        changed = true;
        let output: Vec<u32> = (0..rank as u32).collect();
        let mut make = |factor: f64, tree: &Tree| {
            let operands: Vec<(NodeId, &[u32])> =
                tree.operands.iter().map(|o| (map[&o.id], o.axes.as_slice())).collect();
            let term = dag.einsum_with(&operands, &output, &|i| tree.extents.get(i as usize).copied());
            dag.scale(factor * tree.scale, term)
        };
        let (x, y) = (make(a, &first), make(b, &second));
        Some(dag.add(x, y))
    });
    let (dag, roots) = pruned(&into, roots.iter().map(|r| map[r]).collect());
    (dag, roots, changed)
}

type Term = (f64, Tree);

/// Rank and the two terms of an einsum over a sum that nobody else uses, if the terms are cheaper.
fn apart(dag: &Dag, id: NodeId, uses: &[u32], left: &Cell<u64>) -> Option<(usize, [Term; 2])> {
    let Op::Einsum(e) = dag.op(id) else { return None };
    if !e.contracts() {
        return None;
    }
    let rank = usize::from(e.output_rank);
    let mut tree = Tree::new(e);
    tree.grown(dag, uses, MAX_OPERANDS);
    let size = |id: NodeId| dag.shape(id).iter().product::<usize>();
    for k in 0..tree.operands.len() {
        let Some((factor, sum)) = alone(dag, &tree.operands[k], uses) else { continue };
        let (a, b, sign) = match *dag.op(sum) {
            Op::Add(a, b) => (a, b, 1.0),
            Op::Sub(a, b) => (a, b, -1.0),
            _ => continue,
        };
        // Only a term that is a contraction itself can gain much; for elementwise terms a difference is better taken first
        // (1 - y^2 close to 0).
        if size(id) >= size(sum) || !(contraction(dag, a, uses) || contraction(dag, b, uses)) {
            continue;
        }
        let with = |x: NodeId| {
            let mut term = tree.clone();
            term.operands[k].id = x;
            term.grown(dag, uses, MAX_OPERANDS);
            term
        };
        let (first, second) = (with(a), with(b));
        let price = |t: &Tree| {
            within(left, t)?;
            let operands = t.operands.iter().map(|o| (o.id, o.axes.clone())).collect();
            cost(dag, operands, (0..rank as u32).collect(), t.extents.clone())
        };
        let together = price(&tree)?
            + size(sum) as f64 * weight(dag.level(sum), dag.level(id))
            + own(dag, a, uses, left)?
            + own(dag, b, uses, left)?;
        let separate = price(&first)? + price(&second)? + size(id) as f64 * weight(dag.level(id), dag.level(id));
        if separate < together {
            return Some((rank, [(factor, first), (factor * sign, second)]));
        }
    }
    None
}

/// Takes the price of a tree from what is left of the work; `None` if that is not enough: sums then stay where they are.
fn within(left: &Cell<u64>, tree: &Tree) -> Option<()> {
    left.set(left.get().checked_sub(pairs(tree.operands.len()))?);
    Some(())
}

/// What an operand is below constant factors, if nobody else uses it.
fn alone(dag: &Dag, operand: &Operand, uses: &[u32]) -> Option<(f64, NodeId)> {
    let (mut id, mut factor) = (operand.id, 1.0);
    if operand.shared || uses[id.0 as usize] != 1 {
        return None;
    }
    while let Op::Scale(c, a) = *dag.op(id) {
        (id, factor) = (a, factor * f64::from_bits(c));
        if uses[id.0 as usize] != 1 {
            return None;
        }
    }
    Some((factor, id))
}

/// Whether a term, or a factor of it, is a contraction that nobody else uses.
fn contraction(dag: &Dag, id: NodeId, uses: &[u32]) -> bool {
    let Some((_, id)) = alone(dag, &Operand { id, axes: vec![], shared: false }, uses) else { return false };
    let Op::Einsum(e) = dag.op(id) else { return false };
    let mut tree = Tree::new(e);
    tree.grown(dag, uses, MAX_OPERANDS);
    tree.extents.len() > usize::from(e.output_rank)
}

/// What a term costs by itself: nothing that taking apart could save if others use it or it is no product.
fn own(dag: &Dag, id: NodeId, uses: &[u32], left: &Cell<u64>) -> Option<f64> {
    let operand = Operand { id, axes: vec![], shared: false };
    let Some((_, id)) = alone(dag, &operand, uses) else { return Some(0.0) };
    let Op::Einsum(e) = dag.op(id) else { return Some(0.0) };
    let mut tree = Tree::new(e);
    tree.grown(dag, uses, MAX_OPERANDS);
    within(left, &tree)?;
    let operands = tree.operands.iter().map(|o| (o.id, o.axes.clone())).collect();
    cost(dag, operands, (0..u32::from(e.output_rank)).collect(), tree.extents)
}
