//! Messages of labels, of the rows that judge, and of metrics that average.

use crate::diag::{Code, Diagnostic};
use crate::source::Span;

/// `E0630`: nothing says how many classes there are.
pub fn no_classes(span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::NoLabels,
        "the target has no labels, and the sampler knows no classes",
        span,
        "labels of what?",
    )
    .help("give the data a `label:`, and the field a condition `| y: class[k]`")
}

/// `E0630`: the samples are the same whatever the label.
pub fn labels_unused(span: Span, law: Span) -> Diagnostic {
    Diagnostic::new(Code::NoLabels, "the samples do not depend on their labels", span, "given here")
        .label(law, "nothing in this law reads its condition")
        .help("declare it where it is used: `field v(x, t | y: class[10]) = ...`, or leave `labels` out")
}

/// `E0610`: no such class.
pub fn bad_label(found: &str, count: usize, names: &[String], span: Span) -> Diagnostic {
    let must = match names.first() {
        Some(n) if n.parse::<u32>().is_err() => format!("`each`, a class such as \"{n}\", or a list of classes"),
        _ => format!("`each`, a class from 0 to {}, or a list of classes", count.saturating_sub(1)),
    };
    Diagnostic::new(Code::BadValue, format!("`labels` is {found}"), span, "this value")
        .help(format!("it must be {must}"))
}

/// `E0631`
pub fn judged_by_training(metric: &str, span: Span, data: Span) -> Diagnostic {
    Diagnostic::new(
        Code::JudgedByTraining,
        format!("`{metric}` would be the likelihood of the rows that were trained on"),
        span,
        "there are no other rows",
    )
    .label(data, "all of these train")
    .help("split some off: `split: [0.8, 0, 0.2]`")
}

/// `W0810`
pub fn no_test_rows(metric: &str, span: Span, data: Span) -> Diagnostic {
    Diagnostic::new(
        Code::NoTestRows,
        format!("`{metric}` compares with the rows that were trained on"),
        span,
        "there are no other rows",
    )
    .label(data, "all of these train")
    .help("split some off: `split: [0.8, 0, 0.2]`")
}

/// `E0604`: `by: label` without labels on one side.
pub fn by_label(metric: &str, why: &str, cure: &str, span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::MeaninglessMetric,
        format!("`{metric}` has no meaning by label: {why}"),
        span,
        "asked for here",
    )
    .help(cure)
}

/// `E0604`: an average that has nothing to average.
pub fn no_labelled_data(span: Span) -> Diagnostic {
    let message = "`accuracy` needs data with labels, and there are none, or several";
    Diagnostic::new(Code::MeaninglessMetric, message, span, "of which data?")
        .help("say it: `accuracy(logits, on: data)`, with `data = file(..., label: \"y\")`")
}

/// `E0604`: what `accuracy` is of.
pub fn accuracy_of(found: &str, span: Span) -> Diagnostic {
    let message = format!("`accuracy` is of a net that gives a logit for each class, found {found}");
    Diagnostic::new(Code::MeaninglessMetric, message, span, "not such a net")
        .help("e.g. `accuracy(logits)` with `net logits(x: vec[64]) -> vec[10] = mlp(x, out: 10)`")
}
