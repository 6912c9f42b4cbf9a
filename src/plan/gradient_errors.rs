//! The message of gradients that a solver cannot give.

use crate::diag::{Code, Diagnostic};
use crate::source::Span;

/// `E0610`: `checkpoint` by itself.
pub fn no_number(span: Span) -> Diagnostic {
    Diagnostic::new(Code::BadValue, "`checkpoint` needs to know how many states it keeps", span, "keeps how many?")
        .help("write a number of states, e.g. `gradient: checkpoint(8)`; `auto` chooses one that fits into memory")
}

/// `E0620`
pub fn adjoint_of_implicit(mode: &str, method: &str, span: Span, solve: Option<Span>) -> Diagnostic {
    let d = Diagnostic::new(
        Code::AdjointOfStiff,
        format!("{mode} of a solve with `{method}` is unstable"),
        span,
        "goes back in time",
    );
    let d = match solve {
        Some(s) if s != span => d.label(s, "the solve"),
        _ => d,
    };
    d.help("what a stiff equation damps on its way forward grows on its way back; `gradient: auto` or `checkpoint(10)` is exact and stable")
}
