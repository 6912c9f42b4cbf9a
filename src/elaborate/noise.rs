//! `x' = f + g * dW`: a right-hand side that is affine in its noise, split into drift and diffusion.
//!
//! A node that reads the placeholder of `dW` -> the node without it, and the factor of each element of `dW`. The noise is
//! diagonal: element i of the state is moved by element i of `dW` alone. Deliberately absent: what `dW` is drawn from.

use crate::ir::{Dag, NodeId, Op};
use std::collections::HashMap;

/// Drift and diffusion; the diffusion is `None` where there is no noise.
pub type Parts = (NodeId, Option<NodeId>);

/// Splits a right-hand side. `Err` with the node whose noise is neither a sum nor an elementwise product by a factor.
pub fn split(dag: &mut Dag, rhs: NodeId, noise: NodeId) -> Result<Parts, NodeId> {
    let seen = crate::ir::reachable(dag, &[rhs], |id| id <= noise);
    let mut parts: HashMap<NodeId, Parts> = HashMap::new();
    let shape = dag.shape(noise).to_vec();
    let (zero, one) = (dag.zeros(&shape), dag.constant(1.0));
    let ones = dag.broadcast(one, &shape);
    parts.insert(noise, (zero, Some(ones)));
    for id in (noise.0 + 1..=rhs.0).map(NodeId).filter(|id| seen.get(id.0 as usize).copied().unwrap_or(false)) {
        let mut reads = false;
        dag.op(id).for_each_operand(|a| reads |= parts.contains_key(&a));
        if reads {
            let found = affine(dag, id, &parts).ok_or(id)?;
            parts.insert(id, found);
        }
    }
    Ok(parts.get(&rhs).copied().unwrap_or((rhs, None)))
}

fn affine(dag: &mut Dag, id: NodeId, parts: &HashMap<NodeId, Parts>) -> Option<Parts> {
    let of = |a: NodeId| parts.get(&a).copied().unwrap_or((a, None));
    let both = |dag: &mut Dag, a: Option<NodeId>, b: Option<NodeId>, f: fn(&mut Dag, NodeId, NodeId) -> NodeId| {
        if a.is_none() && b.is_none() {
            return None;
        }
        let shape = dag.shape(id).to_vec();
        let zero = dag.zeros(&shape);
        Some(f(dag, a.unwrap_or(zero), b.unwrap_or(zero)))
    };
    match dag.op(id).clone() {
        Op::Add(a, b) => {
            let ((da, ga), (db, gb)) = (of(a), of(b));
            let drift = dag.add(da, db);
            Some((drift, both(dag, ga, gb, Dag::add)))
        }
        Op::Sub(a, b) => {
            let ((da, ga), (db, gb)) = (of(a), of(b));
            let drift = dag.sub(da, db);
            Some((drift, both(dag, ga, gb, Dag::sub)))
        }
        Op::Scale(c, a) => {
            let (d, g) = of(a);
            let c = f64::from_bits(c);
            Some((dag.scale(c, d), g.map(|g| dag.scale(c, g))))
        }
        Op::Stop(a) => {
            let (d, g) = of(a);
            Some((dag.stop(d), g.map(|g| dag.stop(g))))
        }
        // A choice that does not read the noise.
        Op::Select(c, a, b) if !parts.contains_key(&c) => {
            let ((da, ga), (db, gb)) = (of(a), of(b));
            let drift = dag.select(c, da, db);
            let shape = dag.shape(id).to_vec();
            let zero = dag.zeros(&shape);
            Some((drift, Some(dag.select(c, ga.unwrap_or(zero), gb.unwrap_or(zero)))))
        }
        Op::Einsum(e) if !e.contracts() => {
            let noisy: Vec<usize> = (0..e.operands.len()).filter(|&k| parts.contains_key(&e.operands[k].0)).collect();
            let [k] = noisy[..] else { return None };
            // Elements stay in place: no transposition, no diagonal, no repetition.
            let straight = e.operands[k].1.iter().map(|&i| usize::from(i)).eq(0..usize::from(e.output_rank));
            if !straight {
                return None;
            }
            let (d, g) = of(e.operands[k].0);
            let with = |dag: &mut Dag, x: NodeId| {
                let operands: Vec<(NodeId, Vec<u32>)> = e
                    .operands
                    .iter()
                    .enumerate()
                    .map(|(i, (a, axes))| (if i == k { x } else { *a }, axes.iter().map(|&i| u32::from(i)).collect()))
                    .collect();
                let borrowed: Vec<(NodeId, &[u32])> = operands.iter().map(|(a, axes)| (*a, axes.as_slice())).collect();
                let output: Vec<u32> = (0..u32::from(e.output_rank)).collect();
                dag.einsum_with(&borrowed, &output, &|i| e.extents.get(i as usize).copied())
            };
            let drift = with(dag, d);
            Some((drift, g.map(|g| with(dag, g))))
        }
        Op::Einsum(_)
        | Op::Select(..)
        | Op::Named(..)
        | Op::Slice(..)
        | Op::Pad(..)
        | Op::Concat(..)
        | Op::Reshape(..)
        | Op::Unary(..)
        | Op::Max(..)
        | Op::Min(..)
        | Op::Less(..)
        | Op::LessEq(..)
        | Op::Equal(..)
        | Op::Deriv { .. }
        | Op::Solve(_)
        | Op::Component(..)
        | Op::SumSamples(_) => None,
        Op::Const(_)
        | Op::Tensor(_)
        | Op::Eye(_)
        | Op::Param(_)
        | Op::Theta(_)
        | Op::Input(_)
        | Op::Draw(_)
        | Op::State(..)
        | Op::Time(_) => unreachable!("a leaf reads nothing"),
    }
}
