//! Velocities that grow faster than the state, whose flows can reach infinity in finite time.
//!
//! A velocity -> `W0505`. Most networks grow at most like the state by their form alone; what the form leaves open is probed at
//! fixed points far out, so the same spec always says the same. Deliberately absent: what else runs hardly as meant (`lint`).

use super::lint_errors as errors;
use crate::autodiff;
use crate::diag::Diagnostic;
use crate::ir::{Dag, InputId, NodeId, Op, Program, UnaryFn, eval, flops, reachable};
use crate::run::init;
use crate::source::Span;

/// Parameters, or products of one value, beyond which a field is not probed: checking a spec should take no longer than
/// reading it.
pub(super) const LARGEST_PROBED: usize = 1 << 19;

/// `W0505`: a velocity (inputs `x` and `t`, output `v`) that grows faster than the state.
pub fn growth(velocity: &Program, at: Span, own: impl Fn(Span) -> bool) -> Option<Diagnostic> {
    let v = velocity.output("v")?;
    let expanded = autodiff::expand(velocity).ok()?;
    let root = expanded.output("v")?;
    if degree(&expanded.dag, root) <= 1.0 {
        return None;
    }
    let shape = velocity.inputs.first()?.shape.clone();
    let mut offsets = Vec::new();
    let mut next = 0;
    for p in &velocity.params {
        let n: usize = p.shape.iter().product();
        offsets.push(next..next + n);
        next += n;
    }
    let n: usize = shape.iter().product();
    let work = flops(&expanded.dag, &[root]);
    if next > LARGEST_PROBED || work.sample + work.stage > 2 * LARGEST_PROBED as u64 {
        return None;
    }
    let theta = init::initial::<f64>(&velocity.params, 0);
    let dag = &expanded.dag;
    let size = |direction: u32, radius: f64| {
        let x: Vec<f64> = (0..n).map(|i| radius * (1.3 * f64::from(direction) + 0.7 * i as f64 + 0.4).sin()).collect();
        let leaf = |id: NodeId| match dag.op(id) {
            Op::Input(InputId(0)) => Some(x.clone()),
            Op::Input(_) => Some(vec![0.4]),
            Op::Param(p) => theta.get(offsets[p.0 as usize].clone()).map(<[f64]>::to_vec),
            Op::Draw(_) => Some(vec![0.5; dag.shape(id).iter().product()]),
            _ => None,
        };
        let out = eval::evaluate::<f64>(dag, &[root], leaf).ok()?;
        Some(out[0].iter().map(|y| y * y).sum::<f64>().sqrt())
    };
    // Far out, |v| of a field that a Lipschitz constant bounds grows at most like |x|. The greatest over directions, since what
    // swings can be near zero in one.
    let most = |radius: f64| {
        let sizes = (0..4).filter_map(|d| size(d, radius)).filter(|s| !s.is_nan());
        sizes.fold(0.0, f64::max)
    };
    let near = most(1e4);
    if near == 0.0 {
        return None;
    }
    let power = if near.is_infinite() { f64::INFINITY } else { (most(1e6) / near).log10() / 2.0 };
    (power > 1.2).then(|| errors::growth(velocity.dag.node(v).span.filter(|s| own(*s)), at, power))
}

/// A power of |x| that the value at `root` does not outgrow, by its form alone: infinite where the form does not tell.
fn degree(dag: &Dag, root: NodeId) -> f64 {
    let seen = reachable(dag, &[root], |_| false);
    let mut known = vec![0.0_f64; dag.len()];
    let mut moves = vec![false; dag.len()];
    for id in dag.ids().filter(|id| seen[id.0 as usize]) {
        let of = |a: &NodeId| known[a.0 as usize];
        let mut moving = matches!(dag.op(id), Op::Input(InputId(0)));
        dag.op(id).for_each_operand(|a| moving |= moves[a.0 as usize]);
        moves[id.0 as usize] = moving;
        let bounded_above = |a: &NodeId| {
            let constant = |n: &NodeId| dag.as_constant(*n).is_some();
            matches!(dag.op(*a), Op::Min(l, r) if constant(l) || constant(r))
        };
        known[id.0 as usize] = match dag.op(id) {
            Op::Input(InputId(0)) => 1.0,
            _ if !moving => 0.0,
            Op::Unary(UnaryFn::Exp, a) if of(a) == 0.0 || bounded_above(a) => 0.0,
            // Near a zero of their argument the others have no bound, however small it is.
            Op::Unary(UnaryFn::Exp | UnaryFn::Log | UnaryFn::Recip, _) => f64::INFINITY,
            Op::Unary(UnaryFn::Sqrt, a) => of(a) / 2.0,
            Op::Unary(UnaryFn::Abs | UnaryFn::Softplus | UnaryFn::Floor, a) => of(a),
            Op::Unary(
                UnaryFn::Sin | UnaryFn::Cos | UnaryFn::Tanh | UnaryFn::Logistic | UnaryFn::Erf | UnaryFn::Sign,
                _,
            )
            | Op::Less(..)
            | Op::LessEq(..)
            | Op::Equal(..)
            | Op::Const(_)
            | Op::Tensor(_)
            | Op::Eye(_)
            | Op::Param(_)
            | Op::Theta(_)
            | Op::Input(_)
            | Op::Draw(_)
            | Op::State(..)
            | Op::Time(_) => 0.0,
            Op::Einsum(e) => e.operands.iter().map(|(a, _)| of(a)).sum(),
            Op::Select(_, a, b) | Op::Add(a, b) | Op::Sub(a, b) | Op::Max(a, b) | Op::Min(a, b) => of(a).max(of(b)),
            Op::Scale(_, a)
            | Op::Slice(_, a)
            | Op::Pad(_, a)
            | Op::Reshape(_, a)
            | Op::Stop(a)
            | Op::SumSamples(a)
            | Op::Named(_, a) => of(a),
            Op::Concat(..) => {
                let mut most = 0.0_f64;
                dag.op(id).for_each_operand(|a| most = most.max(of(&a)));
                most
            }
            Op::Deriv { .. } | Op::Solve(_) | Op::Component(..) => f64::INFINITY,
        };
    }
    known[root.0 as usize]
}
