//! What a field divides by that vanishes at an end of its span: the likely cause where a solve fails just there.
//!
//! The unit of a right-hand side -> its divisors that are functions of time alone; a failure -> the one that is zero at the end
//! that the sample came to. Seen in the operations themselves, whatever they were written as. Deliberately absent: divisors that
//! depend on states, samples or parameters, and words (see `failure`).

use crate::ir::{Dag, NodeId, Op, UnaryFn, eval, prune};
use crate::solve::LaneFailure;
use crate::source::Span;
use crate::stage::UnitSpec;

/// Divisors of a right-hand side, in the order in which they are computed.
#[derive(Clone, Debug)]
pub(super) struct Divisors {
    dag: Dag,
    operands: Vec<NodeId>,
    /// The rounding of the run's scalar: what vanishes but for it is zero.
    epsilon: f64,
}

/// A divisor that is zero at an end of a span.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pole {
    /// The end.
    pub t: f64,
    /// The other end.
    pub other: f64,
    /// Where the divisor is written.
    pub span: Option<Span>,
}

/// How near an end a sample must have come, as a share of its span, or within two of its steps: a failure elsewhere has another cause.
const NEAR: f64 = 0.01;

impl Divisors {
    /// Those of a unit for a scalar with this rounding.
    pub fn of(unit: &UnitSpec, epsilon: f64) -> Divisors {
        let dag = &unit.dag;
        // Whether a node is known once time is, and whether it changes with time.
        let mut known = vec![(false, false); dag.len()];
        let mut operands = Vec::new();
        for id in dag.ids() {
            let op = dag.op(id);
            let (mut all, mut any) = (true, false);
            op.for_each_operand(|a| {
                let (k, timed) = known[a.0 as usize];
                all &= k;
                any |= timed;
            });
            known[id.0 as usize] = match op {
                Op::Time(_) => (true, true),
                Op::Const(_) | Op::Tensor(_) | Op::Eye(_) => (true, false),
                Op::Param(_) | Op::Theta(_) | Op::Input(_) | Op::Draw(_) | Op::State(..) => (false, false),
                Op::Deriv { .. } | Op::Solve(_) | Op::Component(..) | Op::SumSamples(_) => (false, false),
                Op::Named(..)
                | Op::Einsum(_)
                | Op::Add(..)
                | Op::Sub(..)
                | Op::Scale(..)
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
                | Op::Select(..)
                | Op::Stop(_) => (all, all && any),
            };
            if let Op::Unary(UnaryFn::Recip | UnaryFn::Log, a) = op
                && known[a.0 as usize] == (true, true)
            {
                operands.push(*a);
            }
        }
        let (dag, map) = prune(dag, &operands);
        Divisors { dag, operands: operands.iter().map(|o| map[o]).collect(), epsilon }
    }

    /// The divisor that is zero at the end where a sample failed.
    pub fn pole(&self, failure: &LaneFailure) -> Option<Pole> {
        let (start, end) = failure.span;
        let reach = (2.0 * failure.h.abs()).max(NEAR * (end - start).abs());
        let near = |t: f64| (failure.t - t).abs() <= reach;
        let middle = self.values(f64::midpoint(start, end))?;
        [(end, start), (start, end)].into_iter().filter(|(t, _)| near(*t)).find_map(|(t, other)| {
            let there = self.values(t)?;
            let zero = |k: usize| {
                let large = |v: &[f64]| v.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
                there[k].iter().any(|x| x.abs() <= self.epsilon * large(&middle[k]))
            };
            let k = (0..self.operands.len()).find(|k| zero(*k))?;
            Some(Pole { t, other, span: self.dag.node(self.operands[k]).span })
        })
    }

    fn values(&self, t: f64) -> Option<Vec<Vec<f64>>> {
        let leaf = |id: NodeId| matches!(self.dag.op(id), Op::Time(_)).then(|| vec![t]);
        eval::evaluate(&self.dag, &self.operands, leaf).ok()
    }
}
