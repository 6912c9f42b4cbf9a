//! A function of one row, over all rows at once: a new leading axis instead of a copy for each.
//!
//! What was built of one row of a matrix (an opaque synonym of it) -> the same of every row, as one value with the rows as its
//! first axis. Element by element the operations and their order are those of the single rows. Deliberately absent: whatever
//! has no such form (derivatives in the row, solves), which is `None`.

use super::{Dag, NodeId, Op, verify::MAX_RANK};
use std::collections::HashMap;

/// `of` with every use of `row` replaced by `rows` of shape `[n] ++ row`: shape `[n] ++ of`. Also what became of each node
/// between. `None` if a part that depends on the row has no form over rows.
pub fn over_rows(dag: &mut Dag, of: NodeId, row: NodeId, rows: NodeId) -> Option<(NodeId, HashMap<NodeId, NodeId>)> {
    let n = dag.shape(rows)[0];
    let between = dependent(dag, of, row);
    let mut map = HashMap::from([(row, rows)]);
    for id in between {
        if dag.shape(id).len() + 1 > MAX_RANK {
            return None;
        }
        let lifted = lift(dag, id, n, &map)?;
        map.insert(id, lifted);
    }
    let whole = every(dag, of, n, &map);
    Some((whole, map))
}

/// Nodes that `of` reaches and that reach `row`, operands first.
fn dependent(dag: &Dag, of: NodeId, row: NodeId) -> Vec<NodeId> {
    let seen = super::reachable(dag, &[of], |id| id <= row);
    let mut depends = vec![false; dag.len()];
    depends[row.0 as usize] = true;
    let mut found = Vec::new();
    for id in (row.0 + 1..=of.0).map(NodeId).filter(|id| seen[id.0 as usize]) {
        dag.op(id).for_each_operand(|a| depends[id.0 as usize] |= depends[a.0 as usize]);
        if depends[id.0 as usize] {
            found.push(id);
        }
    }
    found
}

/// The value for every row: its form over rows, or itself repeated.
fn every(dag: &mut Dag, id: NodeId, n: usize, map: &HashMap<NodeId, NodeId>) -> NodeId {
    match map.get(&id) {
        Some(&lifted) => lifted,
        None => {
            let shape = [&[n], dag.shape(id)].concat();
            dag.broadcast(id, &shape)
        }
    }
}

fn lift(dag: &mut Dag, id: NodeId, n: usize, map: &HashMap<NodeId, NodeId>) -> Option<NodeId> {
    let op = dag.op(id).clone();
    let mut whole = |a: &NodeId| every(dag, *a, n, map);
    Some(match &op {
        Op::Einsum(e) => {
            // Index 0 runs over rows; the others move up.
            let operands: Vec<(NodeId, Vec<u32>)> = e
                .operands
                .iter()
                .map(|(a, axes)| {
                    let own = axes.iter().map(|&i| u32::from(i) + 1);
                    match map.get(a) {
                        Some(&lifted) => (lifted, std::iter::once(0).chain(own).collect()),
                        None => (*a, own.collect()),
                    }
                })
                .collect();
            let borrowed: Vec<(NodeId, &[u32])> = operands.iter().map(|(a, axes)| (*a, axes.as_slice())).collect();
            let output: Vec<u32> = (0..=u32::from(e.output_rank)).collect();
            let extent = |i: u32| if i == 0 { Some(n) } else { e.extents.get(i as usize - 1).copied() };
            dag.einsum_with(&borrowed, &output, &extent)
        }
        Op::Add(a, b) => {
            let (a, b) = (whole(a), whole(b));
            dag.add(a, b)
        }
        Op::Sub(a, b) => {
            let (a, b) = (whole(a), whole(b));
            dag.sub(a, b)
        }
        Op::Max(a, b) => {
            let (a, b) = (whole(a), whole(b));
            dag.max(a, b)
        }
        Op::Min(a, b) => {
            let (a, b) = (whole(a), whole(b));
            dag.min(a, b)
        }
        Op::Less(a, b) => {
            let (a, b) = (whole(a), whole(b));
            dag.less(a, b)
        }
        Op::LessEq(a, b) => {
            let (a, b) = (whole(a), whole(b));
            dag.less_eq(a, b)
        }
        Op::Equal(a, b) => {
            let (a, b) = (whole(a), whole(b));
            dag.equal(a, b)
        }
        Op::Select(c, a, b) => {
            let (c, a, b) = (whole(c), whole(a), whole(b));
            dag.select(c, a, b)
        }
        Op::Scale(c, a) => {
            let a = whole(a);
            dag.scale(f64::from_bits(*c), a)
        }
        Op::Unary(f, a) => {
            let a = whole(a);
            dag.unary(*f, a)
        }
        Op::Stop(a) => {
            let a = whole(a);
            dag.stop(a)
        }
        Op::Slice(w, a) => {
            let a = whole(a);
            dag.slice(a, w.axis + 1, w.start, w.len)
        }
        Op::Pad(w, a) => {
            let a = whole(a);
            dag.pad(a, w.axis + 1, w.start, w.len)
        }
        Op::Reshape(shape, a) => {
            let a = whole(a);
            dag.reshape(a, &[&[n], &shape[..]].concat())
        }
        Op::Concat(axis, parts) => {
            let parts: Vec<NodeId> = parts.iter().map(whole).collect();
            dag.concat(axis + 1, &parts)
        }
        Op::Named(..) | Op::Deriv { .. } | Op::Solve(_) | Op::Component(..) | Op::SumSamples(_) => return None,
        Op::Const(_)
        | Op::Tensor(_)
        | Op::Eye(_)
        | Op::Param(_)
        | Op::Theta(_)
        | Op::Input(_)
        | Op::Draw(_)
        | Op::State(..)
        | Op::Time(_) => unreachable!("a leaf depends on nothing"),
    })
}
