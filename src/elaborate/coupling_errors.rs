//! Messages about couplings.

use crate::diag::{Code, Diagnostic, short};
use crate::source::Span;
use crate::syntax::keys;

/// `E0610`
pub fn not_positive(what: &str, found: &str, span: Span) -> Diagnostic {
    let must = if what == "condition" { "a number that is not negative, or `none`" } else { "a positive number" };
    let d = Diagnostic::new(
        Code::BadValue,
        format!("`{what}` must be {must}, found {found}"),
        span,
        format!("this is {found}"),
    );
    match what {
        "epsilon" => d.help("the weight of the entropy in units of squared distance, e.g. `epsilon: 2 * sigma^2`"),
        "tolerance" => d.help("the mass that the columns of the plan may miss, e.g. `tolerance: 1e-6`"),
        _ => d.help("what the cost of a pair adds where its labels differ, e.g. `condition: 100`"),
    }
}

/// `E0520`
pub fn ignores_labels(entropic: bool, span: Span) -> Diagnostic {
    let name = if entropic { "sinkhorn" } else { "optimal_transport" };
    Diagnostic::new(
        Code::TransportIgnoresLabels,
        "transport between laws with labels, and labels have no part in its cost",
        span,
        "pairs points whatever their labels",
    )
    .note("each label would then be trained from its own part of the source, while sampling starts from all of it")
    .help(format!(
        "let labels count, e.g. `{name}(condition: 100)`: the cost adds this where labels differ; where nothing reads \
         labels, say so by `condition: 0`"
    ))
}

/// `W0520`
pub fn bridge_epsilon(sigma: f64, epsilon: f64, span: Span) -> Diagnostic {
    let fits = 2.0 * sigma * sigma;
    Diagnostic::new(
        Code::BridgeEpsilon,
        format!(
            "a bridge of sigma {} over pairs of epsilon {}: together they are no Schroedinger bridge",
            short(sigma),
            short(epsilon)
        ),
        span,
        format!("sigma {} belongs to epsilon {}", short(sigma), short(fits)),
    )
    .note("the static plan of the bridge between two laws is the entropic plan with epsilon = 2 sigma^2 (Tong et al. 2024, on Schroedinger bridge CFM)")
    .help(format!("write `epsilon: {}`, or a bridge with `sigma: {}`", short(fits), short((epsilon / 2.0).sqrt())))
}

/// `E0302`: `pairs` of a coupling over sets, which is `coupling`; `written` is what stands there.
pub fn pairs(coupling: &str, found: &str, written: &str, span: Span) -> Diagnostic {
    let words = keys::words_of(coupling, "pairs");
    let list = words.map_or_else(String::new, |w| w.list());
    let message = format!("expected {list}, found {found}");
    Diagnostic::new(Code::TypeMismatch, message, span, format!("this is {found}"))
        .help(words.map_or_else(String::new, |w| w.cure(written)))
}
