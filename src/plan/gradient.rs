//! `gradient: auto`, `backprop`, `checkpoint(10)`, `reversible`, `adjoint(rtol: 1e-4)`: how training takes gradients through
//! `solve`.
//!
//! A record of the library (`stdlib/gradients/`) -> a [`Gradient`].

use super::{errors, gradient_errors};
use crate::elaborate::value::Value;
use crate::elaborate::{Elaborator, Res};
use crate::ir::{Op, reachable};
use crate::solve::SolverConfig;
use crate::source::Span;
use crate::syntax::ast::Entry;

/// How gradients pass through solves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gradient {
    /// Exact; keeps what fits a budget and computes the rest again.
    Auto,
    /// Exact; keeps everything.
    Backprop,
    /// Exact; keeps this many states of each march, and makes the steps between them again (binomial places for equal steps).
    Checkpoint(usize),
    /// Exact gradients of a reversible scheme, with this coupling.
    Reversible(f64),
    /// The continuous adjoint, with tolerances of its own.
    Adjoint {
        /// Relative; `None`: the solver's.
        rtol: Option<f64>,
        /// Absolute.
        atol: Option<f64>,
    },
}

/// Most snapshots of a march.
const MOST: f64 = 1e6;

/// The key `gradient` of `train`.
pub fn read(elab: &mut Elaborator<'_>, e: Option<&Entry>) -> Res<Gradient> {
    let Some(e) = e else { return Ok(Gradient::Auto) };
    let (value, span) = (elab.top_expr(&e.value)?, e.value.span);
    let value = match &value {
        Value::Fun(_) => elab.call_with_defaults(&value, span)?,
        _ => value,
    };
    let record = match &value {
        Value::Tuple(s) => Some(s.clone()),
        _ => None,
    };
    let mode = record.as_ref().and_then(|s| match s.get("gradient") {
        Some(Value::Str(mode)) => Some(mode.to_string()),
        _ => None,
    });
    let (Some(record), Some(mode)) = (record, mode) else {
        let (found, written) = (elab.describe(&value), elab.sources.text(span));
        let d = match (&value, written) {
            (Value::Fun(_), "checkpoint") => gradient_errors::no_number(span),
            _ => errors::bad_word("train", "gradient", (&found, written), span),
        };
        return Err(elab.report(d));
    };
    let mut number = |key: &str, fits: &dyn Fn(f64) -> bool, must: &str| {
        let value = record.get(key).cloned().unwrap_or(Value::None);
        match elab.number(&value) {
            _ if matches!(value, Value::None) => Ok(None),
            Some(x) if fits(x) => Ok(Some(x)),
            _ => {
                let found = elab.describe(&value);
                let d = errors::bad_value(key, &found, must, span);
                Err(elab.report(d.help(match key {
                    "coupling" => "for example `gradient: reversible(coupling: 0.999)`",
                    _ => "for example `gradient: checkpoint(4)` or `gradient: adjoint(rtol: 1e-5, atol: 1e-5)`",
                })))
            }
        }
    };
    let tolerance = |x: f64| x > 0.0 && x < 1.0;
    match mode.as_str() {
        "backprop" => Ok(Gradient::Backprop),
        "checkpoint" => {
            let whole = |x: f64| x.fract() == 0.0 && (1.0..=MOST).contains(&x);
            let n = number("snapshots", &whole, "a whole number from 1 to 1,000,000")?;
            Ok(Gradient::Checkpoint(n.unwrap_or(1.0) as usize))
        }
        "reversible" => {
            let share = |x: f64| x > 0.0 && x <= 1.0;
            let must = "a number above 0, at most 1";
            let coupling = number("coupling", &share, must)?;
            match coupling {
                Some(coupling) => Ok(Gradient::Reversible(coupling)),
                None => Err(elab.report(errors::bad_value("coupling", "none", must, span))),
            }
        }
        "adjoint" => Ok(Gradient::Adjoint {
            rtol: number("rtol", &tolerance, "a tolerance between 0 and 1")?,
            atol: number("atol", &tolerance, "a tolerance between 0 and 1")?,
        }),
        _ => Ok(Gradient::Auto),
    }
}

/// Refuses the adjoint and the reversible scheme of an implicit method: both go back in time, where what decayed grows.
pub fn refuse_unstable(
    elab: &mut Elaborator<'_>,
    gradient: Gradient,
    default: &SolverConfig,
    entry: Option<&Entry>,
    block: Span,
) -> Res<()> {
    let mode = match gradient {
        Gradient::Auto | Gradient::Backprop | Gradient::Checkpoint(_) => return Ok(()),
        Gradient::Reversible(_) => "the reversible scheme",
        Gradient::Adjoint { .. } => "the adjoint",
    };
    let dag = &elab.program.dag;
    let roots: Vec<_> = elab.program.outputs.iter().map(|(_, id)| *id).collect();
    let seen = reachable(dag, &roots, |id| matches!(dag.op(id), Op::Stop(_)));
    let found = dag.ids().filter(|id| seen[id.0 as usize]).find_map(|id| {
        let Op::Solve(s) = dag.op(id) else { return None };
        let own = elab.solvers.get(s.solver as usize).map(|c| &**c);
        let method = &own.unwrap_or(default).method;
        method.implicit.as_ref().map(|_| (method.name.clone(), dag.node(id).span))
    });
    let Some((method, place)) = found else { return Ok(()) };
    let place = place.filter(|s| !elab.sources.file(s.file).is_std);
    Err(elab.report(gradient_errors::adjoint_of_implicit(mode, &method, entry.map_or(block, |e| e.value.span), place)))
}
