//! Messages about values of the wrong kind.

use super::{because_of, s};
use crate::diag::{Code, Diagnostic, suggest};
use crate::elaborate::hints;
use crate::source::Span;

/// `E0302`
pub fn type_expected(expected: &str, found: &str, span: Span, because: Option<(Span, String)>) -> Diagnostic {
    let d = Diagnostic::new(
        Code::TypeMismatch,
        format!("expected {expected}, found {found}"),
        span,
        format!("this is {found}"),
    );
    let d = because_of(d, because);
    match hints::of_type(expected, found) {
        Some(help) => d.help(help),
        None => d,
    }
}

/// The cure where `name / divisor` is not whole and must be.
pub fn not_whole(d: Diagnostic, name: &str, divisor: i64) -> Diagnostic {
    let number = if divisor == 2 { "an even number".to_owned() } else { format!("a multiple of {divisor}") };
    d.help(format!("`{name} / {divisor}` must be whole: give {number} for `{name}`"))
}

/// `E0302`
pub fn not_indexable(found: &str, span: Span) -> Diagnostic {
    Diagnostic::new(Code::TypeMismatch, format!("{found} has no elements"), span, format!("this is {found}"))
        .help("`e[i]` takes an element of a vector, matrix, list or tuple; `f(x)` is a call")
}

/// `E0302`
pub fn not_a_tuple(names: usize, found: &str, span: Span, pattern: Span) -> Diagnostic {
    Diagnostic::new(
        Code::TypeMismatch,
        format!("expected a tuple of {names}, found {found}"),
        span,
        format!("this is {found}"),
    )
    .label(pattern, format!("taken apart into {names} name{}", s(names)))
    .help("give as many names as there are values; a coupling, e.g. `independent`, draws two")
}

/// `E0307`
pub fn not_a_function(found: &str, span: Span) -> Diagnostic {
    let d = Diagnostic::new(Code::NotAFunction, format!("{found} cannot be called"), span, "not a function");
    if found.starts_with("vec[") || found.starts_with("mat[") || found.starts_with("a list") {
        d.help("an element is taken with brackets, `x[0]`; a product is written `x * (...)`")
    } else if found.starts_with("the real") || found.starts_with("the integer") || found == "real" {
        d.help("a product is written with `*`, e.g. `2 * (t + 1)`")
    } else {
        d
    }
}

/// `E0302`: a word that is no type.
pub fn unknown_type(name: &str, span: Span, known: &[&str]) -> Diagnostic {
    let d = Diagnostic::new(Code::TypeMismatch, format!("`{name}` is not a type"), span, "not a type");
    match (hints::type_word(name), suggest::nearest(name, known.iter().copied())) {
        (Some(word), _) => d.help(format!("here it is called `{word}`")),
        (None, Some(near)) => d.help(format!("did you mean `{near}`?")),
        (None, None) => d.help(format!("types are {}", known.join(", "))),
    }
}

/// `E0302`: a known type with another number of dimensions.
pub fn type_dimensions(written: &str, span: Span) -> Diagnostic {
    Diagnostic::new(Code::TypeMismatch, format!("`{written}` is not a type"), span, "not these dimensions")
        .help("types of numbers are `real`, `int`, `vec[n]` and `mat[m, n]`")
}

/// `E0302`
pub fn no_value(name: &str, span: Span) -> Diagnostic {
    Diagnostic::new(Code::TypeMismatch, format!("`{name}` has no value"), span, "its last statement is not a value")
        .help("end the block with an expression on a line of its own")
}

/// `E0302`
pub fn trained_side(span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::TypeMismatch,
        "a minibatch coupling of a law that is being trained",
        span,
        "its laws must not depend on trainable parameters",
    )
    .help("couple laws without parameters, e.g. the source and the target")
}

/// `E0302`: a law stands where one of its draws is meant.
///
/// `bound` is the name that stands there, if it was bound to the law; `of` the law as written.
pub fn law_as_number(law: &str, span: Span, bound: Option<&str>, of: &str) -> Diagnostic {
    let d = Diagnostic::new(
        Code::TypeMismatch,
        format!("expected a number, vector or matrix, found the law `{law}`"),
        span,
        format!("this is the law `{law}`"),
    );
    match bound {
        Some(name) => d.help(format!("a law is drawn from: write `draw {name} ~ {of}` instead of `let {name} = {of}`")),
        None => d.help(format!("draw from it first, `draw z ~ {of}`, and use `z` here")),
    }
}
