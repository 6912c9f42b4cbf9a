//! Zero cotangents that meet infinite values.
//!
//! `if a then b else c` promises that the branch that was not taken adds exactly nothing to a derivative, but 0 times an
//! infinity is NaN. So the sweep carries with each cotangent its *guard*, one real of a sample: 1 where some element of the
//! branch was taken. Where a guarded cotangent is multiplied by a value that may be infinite, the value is made zero as well
//! ("double where"). One real is enough: a contraction with an infinite operand has no finite element that could have been
//! taken. Invariant: nothing changes in a program in which nothing can be infinite. Deliberately absent: maxima and minima,
//! whose arguments count as taken.

use super::linearize::Linear;
use crate::ir::{Dag, Level, NodeId, Op, UnaryFn};
use std::collections::HashMap;

/// The guards of one sweep.
pub struct Guards {
    /// Whether anything need be done.
    active: bool,
    /// Whether each node may be infinite or NaN where leaves are finite; as far as looked at.
    risky: Vec<bool>,
    /// The guard of each cotangent; nodes without one are always taken.
    of: HashMap<NodeId, NodeId>,
    /// The guard of the cotangent that is taken apart.
    current: Option<NodeId>,
}

impl Guards {
    /// Looks at what moves.
    pub fn new(dag: &Dag, linear: &Linear) -> Guards {
        let chooses = |id: &NodeId| matches!(dag.op(*id), Op::Select(..));
        let mut guards = Guards { active: false, risky: Vec::new(), of: HashMap::new(), current: None };
        if linear.order.iter().any(chooses) {
            guards.look(dag);
            guards.active = linear.order.iter().any(|id| {
                let mut found = false;
                dag.op(*id).for_each_operand(|a| found |= guards.risky[a.0 as usize]);
                found
            });
        }
        guards
    }

    /// Sets the current guard to that of a node's cotangent.
    pub fn enter(&mut self, id: NodeId) {
        self.current = self.of.remove(&id);
    }

    /// A cotangent is handed on under the current guard; `again` says that the node has one already.
    pub fn give(&mut self, dag: &mut Dag, id: NodeId, again: bool) {
        if !self.active {
            return;
        }
        let sum = match (again, self.of.remove(&id), self.current) {
            (false, _, now) => now,
            (true, Some(a), Some(b)) if a == b => Some(a),
            (true, Some(a), Some(b)) => Some(dag.max(a, b)),
            (true, ..) => None,
        };
        if let Some(guard) = sum {
            self.of.insert(id, guard);
        }
    }

    /// What follows belongs to a branch that is taken where `c` is 1 (or, if not `taken`, where it is 0), or to no branch;
    /// gives the guard from before, for [`Guards::leave`].
    pub fn branch(&mut self, dag: &mut Dag, c: Option<NodeId>, taken: bool) -> Option<NodeId> {
        let before = self.current;
        if let Some(c) = c.filter(|_| self.active) {
            let c = if taken {
                c
            } else {
                let one = dag.filled(1.0, c);
                dag.sub(one, c)
            };
            let any = if dag.shape(c).is_empty() {
                c
            } else {
                let (zero, sum) = (dag.constant(0.0), dag.sum_all(c));
                dag.less(zero, sum)
            };
            self.current = Some(match before {
                Some(outer) => dag.mul(outer, any),
                None => any,
            });
        }
        before
    }

    /// A slope that is zero in one branch of a choice, or of choices within that, is a branch too; as [`Guards::branch`].
    pub fn masked(&mut self, dag: &mut Dag, slope: NodeId) -> Option<NodeId> {
        let (before, mut at) = (self.current, slope);
        loop {
            at = match *dag.op(at) {
                Op::Scale(_, a) => a,
                Op::Select(c, a, b) if dag.is_zero(a) != dag.is_zero(b) => {
                    let taken = dag.is_zero(b);
                    self.branch(dag, Some(c), taken);
                    if taken { a } else { b }
                }
                _ => return before,
            };
        }
    }

    /// Ends a branch.
    pub fn leave(&mut self, before: Option<NodeId>) {
        self.current = before;
    }

    /// A factor of the current cotangent: zero where the guard is, if it may be infinite.
    pub fn apply(&mut self, dag: &mut Dag, x: NodeId) -> NodeId {
        let Some(guard) = self.current.filter(|_| self.active) else { return x };
        self.look(dag);
        if !self.risky[x.0 as usize] {
            return x;
        }
        let shape = dag.shape(x).to_vec();
        let (guard, zero) = (dag.broadcast(guard, &shape), dag.zeros(&shape));
        dag.select(guard, x, zero)
    }

    /// Looks at the nodes that are new.
    fn look(&mut self, dag: &Dag) {
        for k in self.risky.len()..dag.len() {
            let id = NodeId(k as u32);
            let mut operand = false;
            dag.op(id).for_each_operand(|a| operand |= self.risky[a.0 as usize]);
            let risky = dag.level(id) > Level::Const && (makes(dag, id) || operand && passes(dag.op(id)));
            self.risky.push(risky);
        }
    }
}

/// Whether a node can be infinite or NaN although its operands are finite.
fn makes(dag: &Dag, id: NodeId) -> bool {
    let Op::Unary(f, a) = dag.op(id) else { return false };
    match f {
        UnaryFn::Log | UnaryFn::Sqrt | UnaryFn::Recip => !is_positive(dag, *a),
        // In single precision e^89 is infinite; e^-x^2 and e^min(x, 0) are not.
        UnaryFn::Exp => !is_bounded_above(dag, *a),
        UnaryFn::Sin
        | UnaryFn::Cos
        | UnaryFn::Tanh
        | UnaryFn::Logistic
        | UnaryFn::Softplus
        | UnaryFn::Erf
        | UnaryFn::Abs
        | UnaryFn::Sign
        | UnaryFn::Floor => false,
    }
}

/// Whether an infinite operand shows in the value. A choice is how a program keeps infinities out.
fn passes(op: &Op) -> bool {
    match op {
        Op::Select(..) | Op::Less(..) | Op::LessEq(..) | Op::Equal(..) => false,
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
        | Op::Add(..)
        | Op::Sub(..)
        | Op::Scale(..)
        | Op::Einsum(_)
        | Op::Unary(..)
        | Op::Max(..)
        | Op::Min(..)
        | Op::Slice(..)
        | Op::Pad(..)
        | Op::Concat(..)
        | Op::Reshape(..)
        | Op::Stop(_)
        | Op::SumSamples(_)
        | Op::Deriv { .. }
        | Op::Solve(_)
        | Op::Component(..) => true,
    }
}

/// Certainly above zero.
fn is_positive(dag: &Dag, id: NodeId) -> bool {
    let constant = |id: NodeId| dag.as_constant(id).is_some_and(|c| c > 0.0);
    match dag.op(id) {
        Op::Max(a, b) => constant(*a) || constant(*b),
        Op::Add(a, b) => {
            let above = |x: NodeId| constant(x) || is_positive(dag, x);
            above(*a) && is_not_negative(dag, *b) || above(*b) && is_not_negative(dag, *a)
        }
        _ => constant(id),
    }
}

/// Zero or more; functions that are positive may still underflow.
fn is_not_negative(dag: &Dag, id: NodeId) -> bool {
    match dag.op(id) {
        Op::Unary(UnaryFn::Exp | UnaryFn::Logistic | UnaryFn::Softplus | UnaryFn::Abs, _) => true,
        Op::Einsum(e) => e.operands.len() == 2 && e.operands[0] == e.operands[1],
        Op::Scale(c, a) => f64::from_bits(*c) > 0.0 && is_not_negative(dag, *a),
        _ => is_positive(dag, id),
    }
}

/// Not above some number that is far from overflow.
fn is_bounded_above(dag: &Dag, id: NodeId) -> bool {
    let constant = |id: NodeId| dag.as_constant(id).is_some_and(|c| c < 80.0);
    match dag.op(id) {
        Op::Min(a, b) => constant(*a) || constant(*b),
        Op::Scale(c, a) => f64::from_bits(*c) < 0.0 && is_not_negative(dag, *a),
        _ => constant(id),
    }
}
