//! Messages about `solve`.

use crate::diag::{Code, Diagnostic, short};
use crate::source::Span;

/// `E0302`
pub fn solve_over_times(found: &str, span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::TypeMismatch,
        "`solve` runs from a time to a time, or over a vector of times",
        span,
        format!("this is {found}"),
    )
    .help("write `solve t: 0 -> 1 { ... }`, or `solve t: linspace(0, 1, 11) { ... }` for a row at each of 11 times")
}

/// `E0550`
pub fn times_out_of_order(before: f64, after: f64, times: &[f64], span: Span) -> Diagnostic {
    let (first, last) = (times.first().copied().unwrap_or(before), times.last().copied().unwrap_or(after));
    let (before, after, first, last) = (short(before), short(after), short(first), short(last));
    Diagnostic::new(
        Code::TimesOutOfOrder,
        format!("observation times go from {first} to {last}, but {after} follows {before}"),
        span,
        "these times",
    )
    .help("list the times in the order in which they are reached; the initial values hold at the first of them")
}

/// `E0309`: so many observation times that depend on parameters.
pub fn many_moving_times(count: usize, most: usize, span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::BudgetExceeded,
        format!("{count} observation times depend on parameters; at most {most} can"),
        span,
        "a solve for each of these",
    )
    .help(
        "let the equation carry what is learned: over fixed times, `solve t: linspace(0, 1, n) { y' = T * f(y, T * t) from y0 }` \
         is the solve to a trained `T`",
    )
}

/// `E0551`
///
/// `solver` is where the solver is written, or what would be solved by the default one.
pub fn noise_needs_solver(name: &str, solver: Span, equation: Option<Span>) -> Diagnostic {
    let d = Diagnostic::new(
        Code::NoiseNeedsSolver,
        format!("`{name}` solves ordinary equations, and this one has noise"),
        solver,
        format!("by `{name}`"),
    )
    .help("write a solver for noise and its number of steps: `euler_maruyama(steps: 100)`, or `sriw1(steps: 100)` of higher order");
    match equation {
        Some(span) => d.label(span, "this equation has `dW`"),
        None => d,
    }
}

/// `E0552`
pub fn solver_needs_noise(name: &str, solver: Span, equation: Option<Span>) -> Diagnostic {
    let d = Diagnostic::new(
        Code::SolverNeedsNoise,
        format!("`{name}` is for equations with noise, and this one has none"),
        solver,
        format!("by `{name}`"),
    )
    .help(
        "write `dopri5(rtol: 1e-5, atol: 1e-5)`, or `euler(steps: 100)` for equal steps; noise is written `+ g * dW`",
    );
    match equation {
        Some(span) => d.label(span, "no `dW` in these equations"),
        None => d,
    }
}

/// `W0650`
pub fn deterministic_metric(name: &str, span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::DeterministicMetric,
        format!("this metric solves an equation without noise: by `dopri5`, not by the `{name}` of `generate`"),
        span,
        "without noise",
    )
    .help("to choose its solver, write it: `wasserstein2(sampler: flow(v), solver: rk4(steps: 20))`")
}

/// `E0553`
pub fn noise_not_linear(span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::NoiseNotLinear,
        "the noise of an equation is added to it, element by element: `f + g * dW`",
        span,
        "`dW` enters in another way",
    )
    .help("`dW` has the shape of the state: bring the right-hand side to the form `f + g * dW`, where neither `f` nor `g` reads `dW`")
}
