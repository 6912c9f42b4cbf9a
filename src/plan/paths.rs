//! The mathematics of a path: where it starts and ends, and whether its velocity is bounded.

use super::{errors, path_errors};
use crate::autodiff;
use crate::elaborate::value::{Callee, Fun, Law};
use crate::elaborate::{Elaborator, Reported, Res, Value, is_bound};
use crate::ir::{Deriv, NodeId, Op, Program};
use crate::source::Span;
use crate::syntax::ast::DefKind;

/// How far a coefficient may miss before it is an error.
const MISS: f64 = 0.02;

/// Checks every path in an objective's configuration.
pub fn check_all(elab: &mut Elaborator<'_>, objective: &Value, span: Span) -> Res<()> {
    let Value::Fun(f) = objective else { return Ok(()) };
    let paths: Vec<Value> =
        f.given.iter().map(|(_, v)| v.clone()).filter(|v| Elaborator::is_kind(v, DefKind::Path)).collect();
    let coupling = f.given.iter().map(|(_, v)| v).find(|v| is_coupling(v));
    let times = times(elab, f);
    for p in paths {
        if let Some(ends) = check(elab, &p, times, span)?
            && let Some(start) = elab.start_law(coupling, span)
            && !elab.is_centred_normal(&start)
        {
            let name = match &start {
                Value::Law(l) if l.def.name == "normal" => "a normal law of another mean".to_owned(),
                other => elab.describe(other),
            };
            elab.report(path_errors::source_not_gaussian(&ends, &name, span));
        }
    }
    Ok(())
}

/// Between which times the objective draws, as far as its option `time` says so.
fn times(elab: &mut Elaborator<'_>, objective: &Fun) -> (f64, f64) {
    match elab.configured(objective, "time") {
        Some(Value::Law(l)) if l.def.name == "uniform" => ends(elab, &l),
        _ => (0.0, 1.0),
    }
}

/// The bounds of a uniform law of numbers; what is not known is 0 and 1.
pub(super) fn ends(elab: &Elaborator<'_>, l: &Law) -> (f64, f64) {
    let end = |name: &str, otherwise: f64| match l.given.iter().find(|(n, _)| n == name) {
        Some((_, v)) => elab.number(v).unwrap_or(otherwise),
        None => otherwise,
    };
    (end("low", 0.0), end("high", 1.0))
}

fn is_coupling(v: &Value) -> bool {
    matches!(v, Value::Host(_) | Value::Builtin(_)) || Elaborator::is_kind(v, DefKind::Coupling)
}

/// A path that keeps a part of the other end at an end: of the data at the start, or of the source at the end.
#[derive(Clone, Debug)]
pub struct Leftover {
    /// Its name.
    pub path: String,
    /// Where it was configured, or where the objective is.
    pub span: Span,
    /// Coefficient of the source at t = 1.
    pub source: f64,
}

/// What a path is at a time: so much of its ends and of what it draws.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// The coefficient of the source.
    pub x0: f64,
    /// The coefficient of the data.
    pub x1: f64,
    /// How far it moves with its draws, for each deviation of theirs.
    pub noise: f64,
}

/// The value of the path and its derivative in t for fixed real endpoints, as programs of one input `t`, its draws at their means
/// or left open; `None` if it depends on parameters or is no function of reals.
fn coefficient(
    elab: &mut Elaborator<'_>,
    path: &Value,
    [x0, x1]: [f64; 2],
    drawn: bool,
    span: Span,
) -> Res<Option<Program>> {
    if is_bound(path) {
        return Ok(None);
    }
    let mut inner = Elaborator::new(elab.module, elab.sources, elab.sink, elab.arm.clone(), "path");
    if !drawn {
        inner.zero_draws();
    }
    let t = inner.input("t", vec![]);
    let v = inner.apply(path, &[Value::Real(x0), Value::Real(x1), Value::Node(t)], span)?;
    let n = inner.as_node(&v, span)?;
    if !inner.program.params.is_empty() || inner.program.dag.shape(n).iter().product::<usize>() != 1 {
        return Ok(None);
    }
    let n = inner.program.dag.reshape(n, &[]);
    let d: NodeId = inner.program.dag.deriv(Deriv::Jacobian, n, t, vec![]);
    inner.program.outputs.push(("value".into(), n));
    inner.program.outputs.push(("rate".into(), d));
    match autodiff::expand(&inner.program) {
        Ok(p) => Ok(Some(p)),
        Err(d) => Err(inner.report(d)),
    }
}

fn at(p: &Program, t: f64) -> (f64, f64) {
    with_draw(p, t, None, 0.5)
}

/// How far a path moves with its draws, each for itself: a normal draw moves it by its coefficient; of others the slope is near
/// that of their deviation.
fn noise(p: &Program, t: f64) -> f64 {
    let drawn = p.dag.ids().filter(|id| matches!(p.dag.op(*id), Op::Draw(_)));
    let slope = |id: NodeId| 2.0 * (with_draw(p, t, Some(id), 0.75).0 - with_draw(p, t, Some(id), 0.25).0);
    drawn.map(slope).fold(0.0, f64::hypot)
}

/// Value and rate where one raw draw is this number, and the others 1/2.
fn with_draw(p: &Program, t: f64, one: Option<NodeId>, value: f64) -> (f64, f64) {
    let roots: Vec<NodeId> = p.outputs.iter().map(|(_, n)| *n).collect();
    let leaf = |id: NodeId| match p.dag.op(id) {
        Op::Input(_) => Some(vec![t]),
        Op::Draw(_) => {
            let draw = if one == Some(id) { value } else { 0.5 };
            Some(vec![draw; p.dag.shape(id).iter().product()])
        }
        _ => None,
    };
    match crate::ir::eval::evaluate::<f64>(&p.dag, &roots, leaf) {
        Ok(out) => (out[0][0], out[1][0]),
        Err(_) => (f64::NAN, f64::NAN),
    }
}

/// Reports what is wrong with a path between these times; `Some` if it is exact for a Gaussian source only.
fn check(elab: &mut Elaborator<'_>, path: &Value, times: (f64, f64), span: Span) -> Res<Option<Leftover>> {
    // Where the path is named, e.g. in a `compare` list, says more than where the objective is.
    let span = match path {
        Value::Fun(f) if !elab.sources.file(f.span.file).is_std => f.span,
        _ => span,
    };
    let (name, defined) = match path {
        Value::Fun(f) => match &f.callee {
            Callee::Def(d) => (d.define.name.name.clone(), d.define.name.span),
            Callee::Lambda { .. } => return Ok(None),
        },
        _ => return Ok(None),
    };
    let defined = (!elab.sources.file(defined.file).is_std).then_some(defined);
    let mut of = |ends: [f64; 2], drawn: bool| coefficient(elab, path, ends, drawn, span);
    let (Some(of0), Some(of1), Some(of_draws)) =
        (of([1.0, 0.0], false)?, of([0.0, 1.0], false)?, of([0.0, 0.0], true)?)
    else {
        return Ok(None);
    };
    let mix = |t: f64| Mix { x0: at(&of0, t).0, x1: at(&of1, t).0, noise: noise(&of_draws, t) };
    let (at0, at1) = (mix(0.0), mix(1.0));
    let miss = [at0.x0 - 1.0, at0.x1, at0.noise, at1.x0, at1.x1 - 1.0, at1.noise]
        .into_iter()
        .fold(0.0_f64, |m, x| if x.is_nan() { f64::INFINITY } else { m.max(x.abs()) });
    // A stated width at the end (conditional optimal transport's sigma; Tong et al.'s, drawn along the whole path) is the user's own
    // choice up to a fifth.
    let chosen = (0.0..=0.2).contains(&at1.x0)
        && at0.noise.max(at1.noise) <= 0.2
        && [at0.x0 - 1.0, at0.x1, at1.x1 - 1.0].iter().all(|x| x.abs() <= 1e-9);
    if miss > MISS && !chosen {
        elab.report(errors::path_end(&name, span, defined, at0, at1));
        return Err(Reported);
    }
    if miss > 1e-9 {
        elab.report(errors::path_near_miss(&name, defined.unwrap_or(span), miss, at0, at1));
    }
    // |rate| ~ distance^-power close to an end; the mean square over t is finite below 1/2.
    for end in [0.0, 1.0] {
        let rate = |eps: f64| {
            let t = if end == 0.0 { eps } else { 1.0 - eps };
            at(&of0, t).1.abs().max(at(&of1, t).1.abs())
        };
        let (far, near) = (rate(1e-5), rate(1e-8));
        let power = if near.is_finite() && far > 0.0 { (near / far).log10() / 3.0 } else { 1.0 };
        // What is drawn away from the end does not meet what has a finite mean square up to it.
        let avoided = power <= 0.6 && if end == 0.0 { times.0 > 0.0 } else { times.1 < 1.0 };
        if power > 0.05 && (near > 10.0 || !near.is_finite()) && !avoided {
            elab.report(errors::unbounded(&name, span, defined, end, power));
            if power > 0.6 {
                return Err(Reported);
            }
        }
    }
    let leftover = at0.x1.abs() > 1e-9 || at1.x0.abs() > 1e-9;
    Ok(leftover.then_some(Leftover { path: name, span, source: at1.x0 }))
}
