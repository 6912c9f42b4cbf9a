//! Messages about `solve`.

use crate::diag::{Code, Diagnostic, short};
use crate::source::Span;

/// `E0613`
pub fn stochastic(span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::NotAvailable,
        "this version does not run stochastic equations, `dW`",
        span,
        "not available yet",
    )
    .help("leave the noise out: the flow of a field is the deterministic equation `x' = v(x, t)`")
}

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
