//! Messages of metrics of a step of training.

use crate::diag::{Code, Diagnostic};
use crate::source::Span;

/// `E0601`: a metric of training without training.
pub fn no_training(name: &str, span: Span) -> Diagnostic {
    let message = format!("`{name}` looks at a step of training, and there is no `train` block");
    Diagnostic::new(Code::MissingBlock, message, span, "measures training")
        .help("add `train { objective: max_likelihood(flow(v)), steps: 1_000 }`, or leave the metric out")
}

/// `E0604`: a metric of solves in training, where nothing is solved.
pub fn solves_nothing(name: &str, span: Span, objective: Span) -> Diagnostic {
    let d = super::errors::meaningless_metric(
        name,
        "training solves no differential equation",
        if name == "nfe" {
            "add `generate { sampler: flow(v) }` to count the evaluations of a sampler"
        } else {
            "it measures the solves of an objective, e.g. of `max_likelihood(flow(v))`; leave it out here"
        },
        span,
    );
    d.label(objective, "there is no `solve` in this objective")
}

/// `E0604`: a gap to nothing.
pub fn gap_against_nothing(span: Span) -> Diagnostic {
    super::errors::meaningless_metric(
        "gradient_gap",
        "it does not say which other gradient is meant",
        "name a mode, e.g. `gradient_gap(against: backprop)`",
        span,
    )
}
