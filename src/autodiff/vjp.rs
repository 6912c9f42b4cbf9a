//! Cotangents, backward.
//!
//! The cotangent of a node has its shape followed by the extra axes. The sweep runs the linear program of `linearize` in
//! reverse; each rule is the transpose of the one in `jvp`. A branch that was not taken gets a cotangent of zero; where that
//! meets a value that may be infinite, `guard` makes the value zero as well.

use super::guard::Guards;
use super::jvp::along;
use super::linearize::{Form, Linear, choice, einsum_of};
use crate::diag::Diagnostic;
use crate::ir::{Dag, Einsum, NodeId, Op};
use std::collections::HashMap;

/// Cotangents of `wrt`, given cotangents of roots, each of shape `root.shape ++ extra`. `None`: no root depends on it.
///
/// # Errors
/// `E0402` where the cotangent would pass through a solve.
pub fn vjp(
    dag: &mut Dag,
    roots: &[(NodeId, NodeId)],
    wrt: &[NodeId],
    extra: &[usize],
    hold: &[NodeId],
) -> Result<Vec<Option<NodeId>>, Diagnostic> {
    let of: Vec<NodeId> = roots.iter().map(|(r, _)| *r).collect();
    let linear = Linear::new(dag, &of, wrt, hold)?;
    let guards = Guards::new(dag, &linear);
    let mut sweep = Cotangents { extra, linear: &linear, bars: HashMap::new(), guards };
    for &(root, bar) in roots {
        assert_eq!(dag.shape(bar), [dag.shape(root), extra].concat(), "cotangent of a root");
        sweep.give(dag, root, bar);
    }
    for &id in linear.order.iter().rev() {
        let form = linear.form(id).expect("in the order");
        if form == Form::Seed {
            continue;
        }
        let Some(bar) = sweep.bars.remove(&id) else { continue };
        sweep.guards.enter(id);
        match form {
            Form::Seed => unreachable!("left alone above"),
            Form::Alias { base, coeff } => {
                let all: Vec<u32> = (0..dag.shape(bar).len() as u32).collect();
                let own = dag.shape(coeff).len();
                let coeff = sweep.guards.apply(dag, coeff);
                let before = sweep.guards.masked(dag, coeff);
                let part = dag.einsum(&[(coeff, &all[..own]), (bar, &all)], &all);
                sweep.give(dag, base, part);
                sweep.guards.leave(before);
            }
            Form::Base => sweep.rule(dag, id, bar),
        }
    }
    Ok(wrt.iter().map(|id| sweep.bars.get(id).copied()).collect())
}

struct Cotangents<'a> {
    extra: &'a [usize],
    linear: &'a Linear,
    bars: HashMap<NodeId, NodeId>,
    guards: Guards,
}

impl Cotangents<'_> {
    /// Adds to the cotangent of a node, if it moves.
    fn give(&mut self, dag: &mut Dag, id: NodeId, part: NodeId) {
        if self.linear.form(id).is_none() || dag.is_zero(part) {
            return;
        }
        self.guards.give(dag, id, self.bars.contains_key(&id));
        let sum = match self.bars.get(&id) {
            Some(&bar) => dag.add(bar, part),
            None => part,
        };
        self.bars.insert(id, sum);
    }

    fn rule(&mut self, dag: &mut Dag, id: NodeId, bar: NodeId) {
        let op = dag.op(id).clone();
        match &op {
            Op::Einsum(e) => {
                let mut guarded = e.clone();
                guarded.operands.iter_mut().for_each(|(x, _)| *x = self.guards.apply(dag, *x));
                for k in 0..e.operands.len() {
                    if self.linear.form(e.operands[k].0).is_some() {
                        let part = operand(dag, &guarded, k, bar, self.extra);
                        self.give(dag, e.operands[k].0, part);
                    }
                }
            }
            Op::Add(a, b) => {
                self.give(dag, *a, bar);
                self.give(dag, *b, bar);
            }
            Op::Sub(a, b) => {
                self.give(dag, *a, bar);
                let minus = dag.neg(bar);
                self.give(dag, *b, minus);
            }
            Op::Select(..) | Op::Max(..) | Op::Min(..) => {
                let (c, a, b) = choice(dag, &op).expect("a choice");
                let (wide, zero) = (along(dag, c, self.extra), dag.filled(0.0, bar));
                let (to_a, to_b) = (dag.select(wide, bar, zero), dag.select(wide, zero, bar));
                for (branch, part, taken) in [(a, to_a, true), (b, to_b, false)] {
                    let before = self.guards.branch(dag, matches!(op, Op::Select(..)).then_some(c), taken);
                    self.give(dag, branch, part);
                    self.guards.leave(before);
                }
            }
            Op::Slice(w, a) => {
                let part = dag.pad(bar, w.axis, w.start, dag.shape(*a)[w.axis]);
                self.give(dag, *a, part);
            }
            Op::Pad(w, a) => {
                let part = dag.slice(bar, w.axis, w.start, dag.shape(*a)[w.axis]);
                self.give(dag, *a, part);
            }
            Op::Concat(axis, parts) => {
                let mut at = 0;
                for &p in parts {
                    let n = dag.shape(p)[*axis];
                    if self.linear.form(p).is_some() {
                        let part = dag.slice(bar, *axis, at, n);
                        self.give(dag, p, part);
                    }
                    at += n;
                }
            }
            Op::Reshape(_, a) => {
                let shape = [dag.shape(*a), self.extra].concat();
                let part = dag.reshape(bar, &shape);
                self.give(dag, *a, part);
            }
            // Each sample moves the sum alike.
            Op::SumSamples(a) => self.give(dag, *a, bar),
            // Only components give a cotangent to a solve, and those are refused.
            Op::Solve(_) => {}
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
            | Op::Scale(..)
            | Op::Unary(..)
            | Op::Less(..)
            | Op::LessEq(..)
            | Op::Equal(..)
            | Op::Stop(_)
            | Op::Deriv { .. }
            | Op::Component(..) => unreachable!("never a base: {op:?}"),
        }
    }
}

/// What operand `k` of an einsum gets: the einsum of the cotangent with the other operands. An index that the operand
/// repeats (a diagonal) gets a new name for each repetition, tied by an identity matrix.
fn operand(dag: &mut Dag, e: &Einsum, k: usize, bar: NodeId, extra: &[usize]) -> NodeId {
    let mut extents = e.extents.clone();
    let mut output: Vec<u32> = Vec::new();
    let mut operands: Vec<(NodeId, Vec<u32>)> = Vec::new();
    for (o, (x, axes)) in e.operands.iter().enumerate() {
        if o != k {
            operands.push((*x, axes.iter().map(|&i| u32::from(i)).collect()));
        }
    }
    for &i in &e.operands[k].1 {
        let i = u32::from(i);
        if output.contains(&i) {
            let fresh = extents.len() as u32;
            let n = extents[i as usize];
            extents.push(n);
            let eye = dag.eye(n);
            operands.push((eye, vec![i, fresh]));
            output.push(fresh);
        } else {
            output.push(i);
        }
    }
    let trailing: Vec<u32> = (0..extra.len() as u32).map(|j| extents.len() as u32 + j).collect();
    extents.extend(extra);
    operands.push((bar, (0..u32::from(e.output_rank)).chain(trailing.iter().copied()).collect()));
    output.extend(trailing);
    einsum_of(dag, &operands, &output, &extents)
}
