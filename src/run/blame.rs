//! Which value of a right-hand side is not finite, and by what operation.
//!
//! A [`UnitSpec`] with the values of its leaves for one sample -> the operation whose operands are finite and whose result is not,
//! in words, with its place in the spec. Asked for once a solve has failed; deliberately absent: lanes, speed.

use super::Real;
use crate::diag::short;
use crate::ir::eval::evaluate;
use crate::ir::{NodeId, Op, UnaryFn, reachable};
use crate::source::Span;
use crate::stage::UnitSpec;

/// An operation that has no finite result.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Blame {
    /// `the logarithm of -0.31 is NaN`
    pub words: String,
    /// What to write instead.
    pub cure: &'static str,
    /// Where it stands.
    pub span: Option<Span>,
}

/// Looks for it; nothing if all results are finite, or a leaf has no value.
pub(super) fn blame<T: Real>(unit: &UnitSpec, leaf: impl FnMut(NodeId) -> Option<Vec<T>>) -> Option<Blame> {
    let dag = &unit.dag;
    let seen = reachable(dag, &unit.outputs, |_| false);
    let ids: Vec<NodeId> = dag.ids().filter(|id| seen[id.0 as usize]).collect();
    let values = evaluate(dag, &ids, leaf).ok()?;
    let of = |id: NodeId| ids.binary_search(&id).map_or(&[][..], |at| values[at].as_slice());
    let bad = |id: NodeId| of(id).iter().position(|x| !x.to_f64().is_finite());
    let mut at = unit.outputs.iter().copied().find(|id| bad(*id).is_some())?;
    // Towards the leaves, as long as an operand is not finite either.
    loop {
        let mut next = None;
        dag.op(at).for_each_operand(|a| next = next.or(bad(a).map(|_| a)));
        match next {
            Some(a) => at = a,
            None => break,
        }
    }
    let element = bad(at)?;
    let result = of(at)[element].to_f64();
    let argument = |a: NodeId| short(of(a).get(element).map_or(f64::NAN, |x| x.to_f64()));
    let (words, cure) = match dag.op(at) {
        Op::Unary(UnaryFn::Log, a) => (
            format!("the logarithm of {} is {result}", argument(*a)),
            "keep what a logarithm is taken of above 0, e.g. `log(max(u, 1e-6))`, or let the source begin where it is",
        ),
        Op::Unary(UnaryFn::Sqrt, a) => (
            format!("the square root of {} is {result}", argument(*a)),
            "keep what a root is taken of at 0 or above, e.g. `sqrt(max(u, 0))`, or let the source begin where it is",
        ),
        Op::Unary(UnaryFn::Recip, a) => (
            format!("1 divided by {} is {result}", argument(*a)),
            "keep the divisor away from 0, e.g. `u / (r^2 + 1e-6)`, or let the solve begin and end where it is not 0",
        ),
        Op::Unary(UnaryFn::Exp, a) => {
            (format!("the exponential of {} is {result}", argument(*a)), "bound what the exponential is taken of")
        }
        Op::Param(_) | Op::Theta(_) => {
            let cure = "look for a logarithm or a root of a negative number, or a division by 0, in what reads no state and no time";
            (format!("what the parameters make is {result}"), cure)
        }
        Op::Input(_) | Op::Draw(_) | Op::State(..) | Op::Time(_) => {
            (format!("what it is given is {result}"), "look at what the solve begins from, and at what the field reads")
        }
        Op::Unary(..)
        | Op::Const(_)
        | Op::Tensor(_)
        | Op::Eye(_)
        | Op::Named(..)
        | Op::Einsum(_)
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
        | Op::Stop(_)
        | Op::Deriv { .. }
        | Op::Solve(_)
        | Op::Component(..)
        | Op::SumSamples(_) => {
            (format!("a value here is {result}"), "keep what is computed here within the numbers of the precision")
        }
    };
    Some(Blame { words, cure, span: dag.node(at).span })
}
