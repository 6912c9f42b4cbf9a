//! `dopri5(rtol: 1e-5, atol: 1e-5)`, `rk4(steps: 8)` as solver configurations.

use super::{errors, solver_errors};
use crate::elaborate::value::Value;
use crate::elaborate::{Args, Elaborator, Named, Res};
use crate::numeric::tableau::Method;
use crate::solve::{Adaptive, Controller, Norm, SolverConfig, StepControl, Steps};
use std::sync::Arc;

const KEYS: [&str; 9] =
    ["steps", "step", "rtol", "atol", "max_steps", "controller", "norm", "step_control", "first_step"];

/// Most attempted steps of one sample unless `max_steps` says otherwise: a field that needs more is stiff, or wrong.
const MAX_STEPS: u32 = 10_000;

/// A method with settings; what is not given comes from `old` or from the defaults.
pub(crate) fn configure(
    elab: &mut Elaborator<'_>,
    method: &Arc<Method>,
    old: Option<&SolverConfig>,
    args: &Args,
) -> Res<SolverConfig> {
    if let Some((_, span)) = args.positional.first() {
        return Err(elab.report(solver_errors::solver_positional(&method.name, *span, method.is_adaptive())));
    }
    let mut adaptive = match old.map(|o| &o.steps) {
        Some(Steps::Adaptive(a)) => a.clone(),
        _ => Adaptive::new(1e-5, 1e-5),
    };
    let mut fixed = match old.map(|o| &o.steps) {
        Some(s @ (Steps::Count(_) | Steps::Size(_))) => Some(s.clone()),
        _ => None,
    };
    let mut max_steps = old.map_or(MAX_STEPS, |o| o.max_steps);
    let mut asked_adaptive = None;
    let mut asked_fixed = None;
    let (mut asked_count, mut asked_size) = (None, None);
    let mut tolerance = None;
    let unknown = args.named.iter().filter(|n| !KEYS.contains(&n.name.as_str()));
    let told =
        unknown.map(|n| elab.report(solver_errors::unknown_setting(&method.name, &n.name, n.label, &KEYS))).last();
    if let Some(reported) = told {
        return Err(reported);
    }
    for Named { name, value: v, label, at: span } in &args.named {
        let number = elab.number(v);
        let word = match v {
            Value::Str(s) => Some(s.to_string()),
            _ => None,
        };
        let bad = |elab: &mut Elaborator<'_>, must: &str| {
            let found = elab.describe(v);
            Err(elab.report(solver_errors::bad_setting(&method.name, name, (&found, must), *span)))
        };
        let bad_word = |elab: &mut Elaborator<'_>| {
            let (found, written) = (elab.describe(v), elab.sources.text(*span));
            Err(elab.report(errors::bad_word("solver", name, (&found, written), *span)))
        };
        match (name.as_str(), number) {
            ("steps", Some(n)) if n.fract() == 0.0 && (1.0..=1e9).contains(&n) => {
                fixed = Some(Steps::Count(n as u32));
                asked_fixed = Some(*label);
                asked_count = Some(*label);
            }
            ("steps", _) => return bad(elab, "a whole number, at least 1"),
            ("step", Some(h)) if h > 0.0 && h.is_finite() => {
                fixed = Some(Steps::Size(h));
                asked_fixed = Some(*label);
                asked_size = Some(*label);
            }
            ("step", _) => return bad(elab, "a positive real"),
            ("rtol" | "atol", Some(x)) if x >= 0.0 && x.is_finite() => {
                if name == "rtol" {
                    adaptive.rtol = x;
                    tolerance = Some(*span);
                } else {
                    adaptive.atol = x;
                }
                asked_adaptive = Some(*label);
            }
            ("rtol" | "atol", _) => return bad(elab, "a real that is not negative"),
            ("max_steps", Some(n)) if n.fract() == 0.0 && (1.0..=4e9).contains(&n) => {
                // Equal steps are as many as they are.
                max_steps = n as u32;
                asked_adaptive = Some(*label);
            }
            ("max_steps", _) => return bad(elab, "a whole number, at least 1"),
            ("first_step", Some(h)) if h > 0.0 && h.is_finite() => {
                adaptive.first_step = Some(h);
                asked_adaptive = Some(*label);
            }
            ("first_step", _) => return bad(elab, "a positive real"),
            (key, _) => {
                asked_adaptive = Some(*label);
                match (key, word.as_deref()) {
                    ("controller", Some("pi")) => adaptive.controller = Controller::pi(),
                    ("controller", Some("i")) => adaptive.controller = Controller::i(),
                    ("controller", Some("pid")) => adaptive.controller = Controller::pid(),
                    ("norm", Some("rms")) => adaptive.norm = Norm::Rms,
                    ("norm", Some("max")) => adaptive.norm = Norm::Max,
                    ("step_control", Some("per_sample")) => adaptive.step_control = StepControl::PerSample,
                    ("step_control", Some("joint")) => adaptive.step_control = StepControl::Joint,
                    _ => return bad_word(elab),
                }
            }
        }
    }
    if let (Some(a), Some(f)) = (asked_adaptive, asked_fixed) {
        return Err(elab.report(solver_errors::fixed_and_adaptive(&method.name, f, a)));
    }
    if let (Some(n), Some(h)) = (asked_count, asked_size) {
        return Err(elab.report(solver_errors::steps_and_step(&method.name, n, h)));
    }
    if let Some(span) = tolerance {
        let single = super::feasible::single_precision(elab.module, elab.sources);
        let least = if single { 1e-6 } else { 1e-14 };
        if adaptive.rtol < least && adaptive.atol < least {
            elab.report(solver_errors::tolerance_below_precision(adaptive.rtol, least, single, span));
        }
    }
    let steps = match (asked_adaptive, fixed) {
        (None, Some(f)) => f,
        _ if method.is_adaptive() => Steps::Adaptive(adaptive),
        _ => return Err(elab.report(solver_errors::missing_steps(&method.name, args.span, asked_adaptive))),
    };
    let config = SolverConfig { method: method.clone(), steps, max_steps, chunk: None };
    if let Err(e) = config.validate() {
        return Err(elab.report(solver_errors::bad_solver(&method.name, &e.to_string(), args.span)));
    }
    Ok(config)
}
