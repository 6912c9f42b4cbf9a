//! Messages about solvers and their settings.

use super::errors::{bad_value, list};
use super::habits;
use crate::diag::{Code, Diagnostic, suggest};
use crate::source::Span;

/// `E0602`, in a solver's call.
pub fn unknown_setting(solver: &str, name: &str, span: Span, known: &[&str]) -> Diagnostic {
    let d = Diagnostic::new(
        Code::UnknownKey,
        format!("the solver `{solver}` has no setting `{name}`"),
        span,
        "unknown setting",
    );
    match (habits::key("solver", name), suggest::nearest(name, known.iter().copied())) {
        (Some(habit), _) => d.help(habit),
        (None, Some(near)) => d.help(format!("did you mean `{near}`?")),
        (None, None) => d.help(format!("settings are {}", list(known))),
    }
}

/// `E0610`: a setting of a solver's call; `found` and what it must be.
pub fn bad_setting(solver: &str, key: &str, (found, must): (&str, &str), span: Span) -> Diagnostic {
    let d = bad_value(key, found, must, span);
    match key {
        "steps" => d.help(format!("e.g. `{solver}(steps: 100)`")),
        "step" => d.help(format!("e.g. `{solver}(step: 0.01)`")),
        "max_steps" => d.help(format!("the most steps of one sample, e.g. `{solver}(max_steps: 10_000)`")),
        "first_step" => d.help(format!("e.g. `{solver}(first_step: 1e-3)`; without it one is estimated")),
        _ => d,
    }
}

/// `E0610`
pub fn bad_solver(name: &str, why: &str, span: Span) -> Diagnostic {
    Diagnostic::new(Code::BadValue, format!("`{name}` cannot be used like this: {why}"), span, "this solver")
        .help("write e.g. `dopri5(rtol: 1e-5, atol: 1e-5)` or `rk4(steps: 100)`")
}

/// `E0303`
pub fn solver_positional(name: &str, span: Span, adaptive: bool) -> Diagnostic {
    let example = if adaptive { format!("{name}(rtol: 1e-5, atol: 1e-5)") } else { format!("{name}(steps: 100)") };
    Diagnostic::new(
        Code::WrongArguments,
        format!("settings of the solver `{name}` have names"),
        span,
        "which setting is this?",
    )
    .help(format!("write e.g. `{example}`"))
}

/// `E0607`
pub fn missing_steps(name: &str, span: Span, tolerance: Option<Span>) -> Diagnostic {
    let label = if tolerance.is_some() { "there is no error to hold against this" } else { "no `steps` given" };
    Diagnostic::new(
        Code::MissingSteps,
        format!("`{name}` has no error estimate, so it needs a number of steps"),
        tolerance.unwrap_or(span),
        label,
    )
    .help(format!("write `{name}(steps: 100)`, or choose an adaptive method such as `dopri5(rtol: 1e-5, atol: 1e-5)`"))
}

/// `E0608`
pub fn fixed_and_adaptive(name: &str, fixed: Span, adaptive: Span) -> Diagnostic {
    Diagnostic::new(
        Code::ContradictoryBudgets,
        format!("`{name}` is given both fixed steps and settings of adaptive steps"),
        adaptive,
        "this asks for steps by error estimate",
    )
    .label(fixed, "this asks for equal steps")
    .help("keep one of them")
}

/// `E0608`
pub fn steps_and_step(name: &str, steps: Span, step: Span) -> Diagnostic {
    Diagnostic::new(
        Code::ContradictoryBudgets,
        format!("`{name}` is given both a number and a size of steps"),
        step,
        "this asks for steps of a size",
    )
    .label(steps, "this asks for a number of steps")
    .help("keep one of them")
}

/// `W0601`
pub fn tolerance_below_precision(rtol: f64, least: f64, single: bool, span: Span) -> Diagnostic {
    let (word, digits) = if single { ("f32", 7) } else { ("f64", 16) };
    let d = Diagnostic::new(
        Code::ToleranceBelowPrecision,
        format!("a tolerance of {rtol:e} is below what `{word}` can hold"),
        span,
        format!("{digits} digits are carried: errors below {least:e} of the state are rounding"),
    );
    if single {
        d.help(format!("write `rtol: {least:e}`, or compute in double with `precision f64`"))
    } else {
        d.help(format!("write `rtol: {least:e}`"))
    }
}
