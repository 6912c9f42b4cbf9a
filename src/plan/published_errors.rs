//! Messages of `published`.

use crate::diag::{Code, Diagnostic};
use crate::source::Span;

/// `E0610`
pub fn not_a_result(span: Span) -> Diagnostic {
    Diagnostic::new(Code::BadValue, "a published number stands beside a result", span, "no metric of an arm")
        .help("write e.g. `published npe[ot] = 0.018 from \"Tong et al. (2024), table 3\"`")
}

/// `E0609`
pub fn twice(metric: &str, span: Span, first: Span) -> Diagnostic {
    let message = format!("`{metric}` has two published numbers in the same arm");
    Diagnostic::new(Code::DuplicateBlock, message, span, "given again here")
        .label(first, "first given here")
        .help("name the arm of each in brackets, or keep one of them")
}

/// `E0603`
pub fn no_arm(labels: &str, span: Span) -> Diagnostic {
    Diagnostic::new(Code::UnknownMetric, format!("no arm is `{labels}`"), span, "these labels do not meet")
        .help("name one item of each `compare` at most")
}

/// `E0603`, in an `expect`.
pub fn none(metric: &str, span: Span) -> Diagnostic {
    let message = format!("`{metric}` has no published number");
    Diagnostic::new(Code::UnknownMetric, message, span, "nothing to compare with")
        .help(format!("give one: `published {metric} = 0.5`"))
}
