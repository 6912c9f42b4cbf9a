//! Messages about derivatives and densities.

use crate::diag::{Code, Diagnostic};
use crate::source::Span;

/// `E0401`
pub fn independent(operator: &str, target: &str, span: Span, of: Span) -> Diagnostic {
    Diagnostic::new(
        Code::IndependentTarget,
        format!("`{operator}` with respect to `{target}`, on which the expression does not depend"),
        span,
        "the derivative would be zero",
    )
    .label(of, format!("does not depend on `{target}`"))
    .help("differentiate with respect to a name that the expression uses; behind `stop` everything is constant")
}

/// `E0403`
pub fn bad_target(operator: &str, span: Span, found: &str, what: Target) -> Diagnostic {
    let d = Diagnostic::new(
        Code::BadDerivativeTarget,
        format!("`{operator}` needs the name of a run-time value, found {found}"),
        span,
        "not a name",
    );
    match what {
        Target::Number => d.help(format!("`{operator}` is a function of a name; substitute the number afterwards")),
        Target::Element(x) => d.help(format!("take the whole gradient, `grad(e, {x})`, and then its element")),
        Target::Expression => d.help(format!("name it first: `let s = ...`, use `s` in e, then `{operator}(e, s)`")),
    }
}

/// What stood in the place of a name.
pub enum Target {
    /// A literal.
    Number,
    /// An element of this vector.
    Element(String),
    /// Anything else.
    Expression,
}

/// `E0403`: a name, but of a constant.
pub fn constant_target(operator: &str, name: &str, span: Span, found: &str) -> Diagnostic {
    Diagnostic::new(
        Code::BadDerivativeTarget,
        format!("`{operator}` needs the name of a run-time value, found {found}"),
        span,
        format!("`{name}` is {found}"),
    )
    .help("differentiate with respect to a draw, a parameter of the function, a state, or a `let` of these")
}

/// `E0510`
pub fn no_density(law: &str, span: Span, defined: Option<Span>) -> Diagnostic {
    let d =
        Diagnostic::new(Code::NoDensity, format!("`{law}` has no log-density"), span, "a log-density is asked here");
    let d = match defined {
        Some(s) => d.label(s, "only its sampler is defined"),
        None => d,
    };
    d.help(format!("define one, `log_density {law}(x) = ...`, or use what reads samples alone, e.g. `wasserstein2`"))
}

/// `E0511`
pub fn no_sampler(law: &str, span: Span, defined: Option<Span>) -> Diagnostic {
    let d = Diagnostic::new(Code::NoSampler, format!("`{law}` cannot be drawn from"), span, "a draw is asked here");
    let d = match defined {
        Some(s) => d.label(s, "only its log-density is defined"),
        None => d,
    };
    d.help(format!("define how: `sampler {law} {{ draw z ~ normal(dim: 2); ... }}`"))
}

/// `E0512`
pub fn zero_divergence(span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::ZeroDivergence,
        "the divergence of this field is zero everywhere",
        span,
        "asks for the log-density of its flow",
    )
    .help("a flow without divergence keeps volume (Liouville): it moves the values of the density about and changes none of them; let every component of the field depend on its own coordinate")
}

/// `E0403`: `diff` in a vector.
pub fn diff_of_vector(operator: &str, (target, shape): (&str, &str), span: Span, of: &str) -> Diagnostic {
    let e = if of.len() <= 30 { of } else { "e" };
    Diagnostic::new(
        Code::BadDerivativeTarget,
        format!("`{operator}` differentiates in a real, but `{target}` is {shape}"),
        span,
        format!("this is {shape}"),
    )
    .help(format!(
        "`jacobian({e}, {target})` is the matrix of derivatives, `jvp({e}, {target}, w)` one in a direction; a velocity is `diff({e}, t)`"
    ))
}

/// `E0404`
pub fn through_steps(operator: &str, target: &str, span: Span, of: Span) -> Diagnostic {
    Diagnostic::new(
        Code::DerivativeOfSteps,
        format!("`{operator}` in `{target}`, which only decides comparisons, `floor` or `sign`"),
        span,
        "the derivative would be zero wherever it exists",
    )
    .label(of, format!("between its jumps this does not move with `{target}`"))
    .help("a discrete draw is constant to derivatives; smooth the step, e.g. `sigmoid((a - b) / 0.1)` for `a > b`")
}
