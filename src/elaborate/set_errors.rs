//! Messages of classes, labels and sets.

use crate::diag::{Code, Diagnostic};
use crate::source::Span;

fn because_of(d: Diagnostic, because: Option<(Span, String)>) -> Diagnostic {
    match because {
        Some((span, why)) => d.label(span, why),
        None => d,
    }
}

/// `E0301`: classes of another number.
pub fn classes_differ(expected: usize, found: usize, span: Span, because: Option<(Span, String)>) -> Diagnostic {
    let d = Diagnostic::new(
        Code::ShapeMismatch,
        format!("expected class[{expected}], found one of {found} classes"),
        span,
        format!("there are {found} classes"),
    );
    because_of(d, because).help(format!("write `class[{found}]` where the condition is declared"))
}

/// `E0302`: something else where a class is asked for.
pub fn class_expected(found: &str, count: Option<usize>, span: Span, because: Option<(Span, String)>) -> Diagnostic {
    let expected = count.map_or("a class".to_owned(), |n| format!("one of {n} classes"));
    let d = Diagnostic::new(
        Code::TypeMismatch,
        format!("expected {expected}, found {found}"),
        span,
        format!("this is {found}"),
    );
    let cure = match (count, found) {
        (None, "`none`") => {
            "how many classes there are is not known here: declare the condition, e.g. `| y: class[10]`"
        }
        (None, _) => "declare how many classes there are, e.g. `| y: class[10]`",
        _ => "a class is a label of data, a whole number from 0 on, or `none`",
    };
    because_of(d, because).help(cure)
}

/// `E0630`: a pattern asks for a label that a law does not give.
pub fn no_label(law: &str, span: Span, pattern: Span) -> Diagnostic {
    Diagnostic::new(Code::NoLabels, format!("{law} gives no label"), span, "draws from it have no condition")
        .label(pattern, "a label is asked for here")
        .help(
            "data have labels with `label:`, e.g. `file(\"x.csv\", label: \"kind\")`; a sampler gives one as `(x | k)`",
        )
}

/// `E0630`: a net of classes that is never given one.
pub fn no_labels_reach(name: &str, declared: Span, objective: Span) -> Diagnostic {
    Diagnostic::new(
        Code::NoLabels,
        format!("`{name}` is conditioned on a class, and no label reaches it in training"),
        objective,
        "this objective gives it no class",
    )
    .label(declared, "the condition is declared here")
    .help(
        "draw from data with `label:`, hand the label on as in `draw (x0, x1 | y) ~ pairs`, or leave the condition out",
    )
}

/// `E0630`: labels for a law that takes none.
pub fn law_takes_no_condition(law: &str, span: Span, defined: Option<Span>) -> Diagnostic {
    let d = Diagnostic::new(Code::NoLabels, format!("`{law}` takes no condition"), span, "given a condition here");
    let d = because_of(d, defined.map(|s| (s, "declared without `| y`".to_owned())));
    d.help("a law takes a condition as in `sampler flow(v: field | y)`")
}
