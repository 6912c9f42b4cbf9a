//! Messages about options that have no effect or are out of range.

use crate::diag::{Code, Diagnostic, short};
use crate::source::Span;
use crate::syntax::ast::Ident;

/// `W0605`: a key where nothing is solved; `of` is the objective or the sampler, `axis` what the key compares.
pub fn idle_key(key: &Ident, of: Span, trains: bool, axis: Option<&str>) -> Diagnostic {
    let what = if trains { "the objective" } else { "the sampler" };
    let d = Diagnostic::new(
        Code::IdleOption,
        format!("`{}` has no effect: {what} solves no equation", key.name),
        key.span,
        "nothing reads it",
    )
    .label(of, "there is no `solve` in this");
    let example = if trains { "max_likelihood(flow(v))" } else { "flow(v)" };
    match axis {
        Some(axis) => d.help(format!(
            "every arm of `{axis}` is the same experiment: compare something else, or take e.g. `{example}`, which solves"
        )),
        None => d.help(format!("leave it out; it is for what solves, e.g. `{example}`")),
    }
}

/// `W0605`: labels to leave out, for a field that takes none.
pub fn idle_drop(field: &Ident, span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::IdleOption,
        format!("`drop` has no effect: `{}` takes no condition", field.name),
        span,
        "leaves out labels that the field is not given",
    )
    .label(field.span, "declared without `| y`")
    .help(format!("declare one, `field {}(x, t | y: class[10])`, or leave `drop` out", field.name))
}

/// `E0610`: a law of times that leaves the path; its support.
pub fn times_outside(law: &str, (low, high): (f64, f64), span: Span) -> Diagnostic {
    let reach = if low.is_finite() && high.is_finite() {
        format!("these lie between {} and {}", short(low), short(high))
    } else {
        "these lie anywhere".to_owned()
    };
    Diagnostic::new(
        Code::BadValue,
        format!("`time` must draw times from 0 to 1, found the law `{law}` with times outside"),
        span,
        reach,
    )
    .help("a path runs from the source at 0 to the target at 1: e.g. `uniform(0, 1)` or `logit_normal()`")
}

/// `W0606`
pub fn untrained_times(until: f64, sampler: Span, objective: Span) -> Diagnostic {
    Diagnostic::new(
        Code::UntrainedTimes,
        format!("the flow is followed to t = {}, and trained up to t = 1", short(until)),
        sampler,
        "beyond t = 1 the field was never trained",
    )
    .label(objective, "trains along a path, from t = 0 to t = 1")
    .help("leave `until` out: the samples of a path are those at t = 1")
}
