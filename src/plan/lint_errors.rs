//! Messages of `lint`.

use crate::diag::{Code, Diagnostic, short};
use crate::report::number::count as grouped;
use crate::source::Span;

/// `W0401`
pub fn lost_parameter(name: &str, declared: Span, objective: Span) -> Diagnostic {
    Diagnostic::new(
        Code::LostParameter,
        format!("no gradient reaches the parameter `{name}`"),
        objective,
        "trains the other parameters",
    )
    .label(declared, format!("`{name}` only decides comparisons, `floor` or `sign`"))
    .help(
        "a step has no slope: let it enter smoothly, e.g. `sigmoid((p - u) / 0.1)` for `u < p`, or make it a constant",
    )
}

/// `W0504`
pub fn corner(at: Span, divergence: Span, asked: Span, z: f64) -> Diagnostic {
    let mut d = Diagnostic::new(
        Code::CornerUnderDivergence,
        "a function with a corner stands under a divergence",
        at,
        format!("its slope jumps at {}", short(z)),
    );
    for place in [divergence, asked] {
        let known = d.primary.iter().chain(&d.secondary).any(|l| l.span == place);
        if !known {
            d = d.label(place, if place == asked { "asked for here" } else { "the divergence" });
        }
    }
    d.help("the divergence jumps with the slope, and its own derivative is lost: take a smooth activation, e.g. `activation: silu`")
}

/// `W0504`, with `gradient: adjoint`.
pub fn corner_under_adjoint(at: Span, solve: Span, gradient: Span, z: f64) -> Diagnostic {
    Diagnostic::new(
        Code::CornerUnderDivergence,
        "a function with a corner stands in a field whose gradient is the continuous adjoint",
        at,
        format!("its slope jumps at {}", short(z)),
    )
    .label(solve, "solved here, and back for the gradient")
    .label(gradient, "the adjoint is asked for here")
    .help("the equation of the adjoint jumps with the slope, which costs its solver the order: take a smooth activation, e.g. `activation: silu`, or `gradient: auto`")
}

/// `W0506`
pub fn contraction(solve: Span, gradient: Span, spread: f64) -> Diagnostic {
    let power = (spread / std::f64::consts::LN_10).round();
    Diagnostic::new(
        Code::ContractionUnderAdjoint,
        format!("the adjoint solves a contracting field back, and errors can grow by a factor of 1e{power}"),
        gradient,
        "solves the equation backwards",
    )
    .label(solve, "forwards, states come as much closer to each other")
    .help("keep the states instead of solving back for them: `gradient: auto`, or `checkpoint(10)`")
    .note("of the field as training begins: the mean rate at which neighbours approach, times the span")
}

/// `W0505`
pub fn growth(body: Option<Span>, at: Span, power: f64) -> Diagnostic {
    let how = if power.is_finite() && power < 40.0 {
        format!("like |x|^{}", short((power * 10.0).round() / 10.0))
    } else {
        "exponentially".into()
    };
    let d = Diagnostic::new(
        Code::SuperlinearGrowth,
        format!("the velocity grows {how}"),
        body.unwrap_or(at),
        "no Lipschitz constant bounds this",
    );
    let d = if body.is_some_and(|b| b != at) { d.label(at, "followed here") } else { d };
    d.help("such a flow can reach infinity in finite time, and steps shrink far out: bound it, e.g. with `tanh`, or let it grow like x")
}

/// `W0603`
pub fn costly_trace(at: Span, objective: Span, exact: u64, estimate: u64) -> Diagnostic {
    let d = Diagnostic::new(
        Code::CostlyTrace,
        format!("the exact trace costs {} times what an estimate costs", grouped(exact / estimate.max(1))),
        at,
        format!("{} operations a sample, {} with one probe", grouped(exact), grouped(estimate)),
    );
    let d = if objective == at { d } else { d.label(objective, "in this objective") };
    d.help("estimate it while training: `div(e, x, hutchinson(rademacher))`, or `trace: hutchinson(rademacher)` for `flow`")
}

/// `W0604`
pub fn rate_is_zero(from: u64, steps: u64, at: Span) -> Diagnostic {
    Diagnostic::new(
        Code::RateIsZero,
        format!("the learning rate is zero from step {} on", grouped(from)),
        at,
        format!("training runs for {} steps", grouped(steps)),
    )
    .help(format!(
        "nothing is learned after that: give the schedule `steps: {}`, or a `last` above zero",
        grouped(steps).replace(',', "_")
    ))
}

/// `W0604`: a learning rate where a factor on it belongs.
pub fn factor_is_a_rate(most: f64, at: Span) -> Diagnostic {
    Diagnostic::new(
        Code::RateIsZero,
        format!("the learning rate is multiplied with at most {}: this `schedule` looks like a rate itself", short(most)),
        at,
        "a factor on the learning rate of the optimizer",
    )
    .help("begin at 1, e.g. `schedule: cosine(1, steps: 5_000)`, or give the optimizer the schedule: `adam(lr: cosine(1e-3, steps: 5_000))`")
}
