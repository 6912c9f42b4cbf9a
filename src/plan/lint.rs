//! What runs, but hardly as meant: corners under a divergence, growth that no solver follows, exact traces that cost too much,
//! parameters that no gradient reaches, learning rates that are zero.
//!
//! Programs of a plan -> warnings. Numbers are probed with fixed points, so the same spec always says the same. Deliberately
//! absent: what is certainly wrong (`feasible`).

use super::{Rate, lint_errors as errors};
use crate::autodiff;
use crate::diag::Diagnostic;
use crate::elaborate::is_step;
use crate::ir::{
    Dag, Deriv, DrawDecl, DrawId, DrawKind, InputId, NodeId, Op, Program, Trace, UnaryFn, eval, flops, reachable,
};
use crate::run::init;
use crate::source::Span;
use std::collections::HashMap;

/// All warnings about an objective; `at` is where it is written.
pub fn objective(program: &Program, at: Span) -> Vec<Diagnostic> {
    lost_parameter(program, at).into_iter().chain(corner(program, at)).chain(costly_trace(program, at)).collect()
}

/// `W0401`: a parameter that the loss depends on only through steps, which have no slope.
fn lost_parameter(program: &Program, at: Span) -> Option<Diagnostic> {
    let dag = &program.dag;
    let loss = program.output("loss")?;
    let stopped = reachable(dag, &[loss], |id| matches!(dag.op(id), Op::Stop(_)));
    let smooth = reachable(dag, &[loss], |id| is_step(dag.op(id)) || matches!(dag.op(id), Op::Stop(_)));
    let behind = |seen: &[bool], id: NodeId| seen[id.0 as usize];
    // What `reachable` takes for a leaf is itself marked; its operands are not entered.
    let lost =
        dag.ids().find(|&id| matches!(dag.op(id), Op::Param(_)) && behind(&stopped, id) && !behind(&smooth, id))?;
    let Op::Param(p) = dag.op(lost) else { return None };
    let decl = &program.params[p.0 as usize];
    Some(errors::lost_parameter(&decl.name, decl.span, at))
}

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
    let mut inside: HashMap<NodeId, ()> = HashMap::from([(base, ())]);
    let mut top = None;
    for id in dag.ids().filter(|id| *id > base && moves[id.0 as usize] && is_pointwise(dag, *id)) {
        let (mut all, mut any) = (true, false);
        dag.op(id).for_each_operand(|a| {
            any |= inside.contains_key(&a);
            all &= inside.contains_key(&a) || dag.as_constant(a).is_some();
        });
        if any && all {
            inside.insert(id, ());
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
    let f = |z: f64| elementwise(dag, top, base, z).filter(|y| y.is_finite());
    // The jump of the slope over four neighbours: a corner between them shows whole, a curvature as 3 h f''.
    let jump = |z: f64, h: f64| Some(((f(z + 2.0 * h)? - f(z + h)?) - (f(z - h)? - f(z - 2.0 * h)?)) / h);
    let worst = |from: f64, n: u32, h: f64| {
        let points = (0..n).map(|k| from + f64::from(k) * h);
        let jumps = points.filter_map(|z| jump(z, h).map(|j| (z, j.abs())));
        jumps.max_by(|a, b| a.1.total_cmp(&b.1))
    };
    let (z, coarse) = worst(-6.0, 1201, 1e-2)?;
    let (z, fine) = worst(z - 2e-2, 401, 1e-4)?;
    (coarse > 0.05 && fine > 0.7 * coarse).then_some((z * 1e3).round() / 1e3 + 0.0)
}

/// An elementwise function at one number.
fn elementwise(dag: &Dag, of: NodeId, base: NodeId, z: f64) -> Option<f64> {
    if of == base {
        return Some(z);
    }
    if let Some(c) = dag.as_constant(of) {
        return Some(c);
    }
    let at = |n: NodeId| elementwise(dag, n, base, z);
    let truth = |b: bool| f64::from(u8::from(b));
    Some(match dag.op(of) {
        Op::Unary(f, a) => crate::ir::fold_unary(*f, at(*a)?),
        Op::Scale(c, a) => f64::from_bits(*c) * at(*a)?,
        Op::Add(a, b) => at(*a)? + at(*b)?,
        Op::Sub(a, b) => at(*a)? - at(*b)?,
        Op::Max(a, b) => at(*a)?.max(at(*b)?),
        Op::Min(a, b) => at(*a)?.min(at(*b)?),
        Op::Less(a, b) => truth(at(*a)? < at(*b)?),
        Op::LessEq(a, b) => truth(at(*a)? <= at(*b)?),
        Op::Equal(a, b) => truth(at(*a)? == at(*b)?),
        Op::Select(c, a, b) => at(if at(*c)? == 0.0 { *b } else { *a })?,
        Op::Einsum(e) if !e.contracts() => {
            let mut product = 1.0;
            for (x, _) in &e.operands {
                product *= at(*x)?;
            }
            product
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

/// How many times cheaper an estimator must be for the exact trace to be worth a word.
const TOO_COSTLY: u64 = 10;

/// `W0603`: an exact trace in an objective, where an estimate costs a tenth.
fn costly_trace(program: &Program, at: Span) -> Option<Diagnostic> {
    let exact = |op: &Op| matches!(op, Op::Deriv { kind: Deriv::Divergence(Trace::Exact), .. });
    let place = program.dag.ids().find(|id| exact(program.dag.op(*id)))?;
    let mut estimated = program.clone();
    let roots: Vec<NodeId> = program.outputs.iter().map(|(_, n)| *n).collect();
    let (mut dag, mut map) = (Dag::default(), HashMap::<NodeId, NodeId>::new());
    let seen = reachable(&program.dag, &roots, |_| false);
    for id in program.dag.ids().filter(|id| seen[id.0 as usize]) {
        let new = match program.dag.op(id) {
            Op::Deriv { kind: Deriv::Divergence(Trace::Exact), of, wrt, hold } => {
                let shape = program.dag.shape(*wrt).to_vec();
                let draw = DrawId(estimated.draws.len() as u32);
                let site = format!("trace{}", draw.0);
                estimated.draws.push(DrawDecl { site, kind: DrawKind::Normal, shape: shape.clone() });
                let probe = dag.draw(draw, shape);
                let hold = hold.iter().map(|h| map[h]).collect();
                dag.deriv(Deriv::Divergence(Trace::Probe(probe)), map[of], map[wrt], hold)
            }
            _ => dag.copy_op(&program.dag, id, |n| map[&n]),
        };
        map.insert(id, new);
    }
    estimated.dag = dag;
    estimated.outputs.iter_mut().for_each(|(_, n)| *n = map[n]);
    let operations = |p: &Program| {
        let p = crate::opt::optimize(&autodiff::expand(p).ok()?);
        let outputs: Vec<NodeId> = p.outputs.iter().map(|(_, n)| *n).collect();
        let f = flops(&p.dag, &outputs);
        Some(f.sample + f.stage)
    };
    // Without a dimension that is worth an estimate the answer is known.
    let widest = program.dag.ids().filter_map(|id| match program.dag.op(id) {
        Op::Deriv { kind: Deriv::Divergence(Trace::Exact), wrt, .. } => program.dag.shape(*wrt).first().copied(),
        _ => None,
    });
    if widest.max().unwrap_or(1) < TOO_COSTLY as usize {
        return None;
    }
    let (dear, cheap) = (operations(program)?, operations(&estimated)?);
    (dear >= TOO_COSTLY * cheap.max(1))
        .then(|| errors::costly_trace(program.dag.node(place).span.unwrap_or(at), at, dear, cheap))
}

/// Parameters, or products of one value, beyond which a field is not probed: checking a spec should take no longer than
/// reading it.
pub(super) const LARGEST_PROBED: usize = 1 << 19;

/// `W0505`: a velocity (inputs `x` and `t`, output `v`) that grows faster than the state.
pub fn growth(velocity: &Program, at: Span, own: impl Fn(Span) -> bool) -> Option<Diagnostic> {
    let v = velocity.output("v")?;
    let expanded = autodiff::expand(velocity).ok()?;
    let root = expanded.output("v")?;
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
    // Far out, |v| of a field that a Lipschitz constant bounds grows at most like |x|.
    let powers: Vec<f64> = (0..4)
        .filter_map(|d| {
            let (near, far) = (size(d, 1e4)?, size(d, 1e6)?);
            if near.is_infinite() {
                return Some(f64::INFINITY);
            }
            (near > 0.0 && !near.is_nan() && !far.is_nan()).then(|| (far / near).log10() / 2.0)
        })
        .collect();
    let power = powers.iter().copied().fold(0.0, f64::max);
    (power > 1.2).then(|| errors::growth(velocity.dag.node(v).span.filter(|s| own(*s)), at, power))
}

/// `W0604`: a learning rate that is zero for a good part of training.
pub fn rate_is_zero(rate: &Rate, steps: u64, at: Span) -> Option<Diagnostic> {
    let Rate::Schedule(program) = rate else { return None };
    let root = program.output("rate")?;
    let value = |step: u64| {
        let leaf = |id: NodeId| matches!(program.dag.op(id), Op::Input(_)).then(|| vec![step as f64]);
        eval::evaluate::<f64>(&program.dag, &[root], leaf).ok().map(|v| v[0][0])
    };
    let tenths: Vec<(u64, f64)> = (0..10).filter_map(|k| Some((steps * k / 10, value(steps * k / 10)?))).collect();
    let most = tenths.iter().map(|t| t.1.abs()).fold(0.0, f64::max);
    let small = |x: f64| x.abs() <= 1e-9 * most;
    let last = tenths.iter().rposition(|t| !small(t.1))?;
    (last < 8).then(|| errors::rate_is_zero(tenths[last + 1].0, steps, at))
}
