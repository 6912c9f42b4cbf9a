//! Messages about stages, budgets and data of training.

use crate::diag::{Code, Diagnostic, suggest};
use crate::report::number::count as grouped;
use crate::source::Span;
use crate::syntax::ast::Ident;

/// `E0614`
pub fn misplaced_in_stage(what: &str, stage: &Ident, span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::MisplacedInStage,
        format!("{} cannot stand in a stage", if what.contains(' ') { what.to_owned() } else { format!("`{what}`") }),
        span,
        "belongs to the whole file",
    )
    .label(stage.span, "this stage")
    .help("a stage holds `train`, `generate` and `evaluate`; everything else stands at top level")
}

/// `E0608`
pub fn two_budgets(a: &Ident, b: &Ident) -> Diagnostic {
    let message = format!("training is given two budgets: `{}` and `{}`", a.name, b.name);
    Diagnostic::new(Code::ContradictoryBudgets, message, b.span, "the second budget")
        .label(a.span, "the first budget")
        .help("keep one of them")
}

/// `E0616`
pub fn batch_exceeds_data(batch: usize, rows: usize, span: Span, data: Span) -> Diagnostic {
    let message =
        format!("a batch of {} is larger than the dataset of {} rows", grouped(batch as u64), grouped(rows as u64));
    Diagnostic::new(Code::BatchExceedsData, message, span, "rows would stand twice in one step")
        .label(data, "the dataset")
        .help(format!("write at most `batch: {rows}`, or make the dataset larger"))
}

/// `E0617`
pub fn epochs_without_data(span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::BudgetWithoutMeaning,
        "there are no epochs: the objective draws from laws, which have no end",
        span,
        "counts passes over data",
    )
    .help("give `steps`, or draw from data, e.g. `target = dataset(moons(), count: 10_000)`")
}

/// `E0617`
pub fn epochs_of_several(rows: &[usize], span: Span) -> Diagnostic {
    let counts: Vec<String> = rows.iter().map(|n| grouped(*n as u64)).collect();
    Diagnostic::new(
        Code::BudgetWithoutMeaning,
        format!("which epochs? the objective draws from datasets of {} rows", suggest::join(&counts, "and")),
        span,
        "counts passes over data",
    )
    .help("give `steps`")
}

/// `E0617`
pub fn evaluations_unknown(span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::BudgetWithoutMeaning,
        "how often this objective evaluates a field is not known before it runs",
        span,
        "counts evaluations of a `field`",
    )
    .help("solves of the objective need a number of steps, e.g. `solver: rk4(steps: 10)`, or give `steps`")
}
