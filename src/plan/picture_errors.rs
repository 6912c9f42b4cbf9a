//! Messages about `plot`.

use super::errors::list;
use crate::diag::{Code, Diagnostic, suggest};
use crate::source::Span;

/// `E0603`, in `plot`.
pub fn unknown_picture(name: &str, span: Span, known: &[&str]) -> Diagnostic {
    let message = format!("no picture of the report is called `{name}`");
    let d = Diagnostic::new(Code::UnknownMetric, message, span, "unknown picture");
    match suggest::nearest(name, known.iter().copied()) {
        Some(near) => d.help(format!("did you mean `{near}`?")),
        None => d.help(format!("pictures are {}", list(known))),
    }
}

/// `E0609`, in `plot`.
pub fn repeated_picture(name: &str, span: Span, first: Span) -> Diagnostic {
    Diagnostic::new(Code::DuplicateBlock, format!("the picture `{name}` is named twice"), span, "named again here")
        .label(first, "first named here")
        .help("keep one of them")
}
