//! Every message of elaboration. Constructors take data; call sites hold no prose.
//!
//! Deliberately absent here: shapes, kinds of values, calls, derivatives, solves, which have files of their own.

mod calls;
mod derivatives;
mod shapes;
mod solves;
mod types;

pub use calls::*;
pub use derivatives::*;
pub use shapes::*;
pub use solves::*;
pub use types::*;

use crate::diag::{Code, Diagnostic, suggest};
use crate::report::number::count as grouped;
use crate::source::Span;

/// A second place, if there is one.
fn because_of(d: Diagnostic, because: Option<(Span, String)>) -> Diagnostic {
    match because {
        Some((span, why)) => d.label(span, why),
        None => d,
    }
}

/// `real`, `vec[2]`, `mat[2, 3]`
pub fn shape_name(shape: &[usize]) -> String {
    match shape {
        [] => "real".to_owned(),
        [n] => format!("vec[{n}]"),
        [m, n] => format!("mat[{m}, {n}]"),
        more => format!("an array of shape {more:?}"),
    }
}

/// The plural's letter.
fn s(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// `E0305`
pub fn not_compile_time(what: &str, span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::NotCompileTime,
        format!("{what} must be known before the program runs"),
        span,
        "this depends on a draw, a parameter or a state",
    )
    .help("shapes and ranges are fixed when the spec is compiled: use a number, a binding of numbers, or `dim(x)`")
}

/// `E0309`: nodes or expressions.
pub fn budget(span: Span, limit: u64, first: Option<Span>) -> Diagnostic {
    let d = Diagnostic::new(
        Code::BudgetExceeded,
        format!("this unrolls to more than {} operations", grouped(limit)),
        span,
        "stopped here",
    );
    let d = match first {
        Some(s) if s != span => d.label(s, "reached from here"),
        _ => d,
    };
    d.help("`fold`, `map` and calls are unrolled at compile time: make ranges shorter, or work on whole vectors")
}

/// `E0309`: a range.
pub fn long_range(a: i64, b: i64, limit: i64, span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::BudgetExceeded,
        format!("the range has {} items; at most {} are unrolled", grouped(b.saturating_sub(a)), grouped(limit)),
        span,
        "every item is unrolled at compile time",
    )
    .help("make the range shorter, or work on whole vectors")
}

/// `E0309`: a value.
pub fn too_large(shape: &str, numbers: u128, limit: u128, span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::BudgetExceeded,
        format!("{shape} holds {} numbers; at most {} are possible", grouped(numbers), grouped(limit)),
        span,
        "this large",
    )
    .help("values are those of one sample: the batch is never part of a shape")
}

/// `E0205`
pub fn unknown_member(member: &str, span: Span, found: &str, known: &[&str]) -> Diagnostic {
    let d = Diagnostic::new(Code::UnknownMember, format!("{found} has no member `{member}`"), span, "not a member");
    match suggest::nearest(member, known.iter().copied()) {
        Some(near) => d.help(format!("did you mean `{near}`?")),
        None if member == "weight" => {
            d.help("an item of a mixture is a record, e.g. `(weight: 1, of: normal(dim: 2))`")
        }
        None if found.starts_with("vec[") => d.help("elements of a vector are taken by index, e.g. `x[0]`"),
        None if known.is_empty() => d.help("only records have members, e.g. `(width: 32, depth: 2)` or a `solve`"),
        None => {
            let names: Vec<String> = known.iter().map(|k| format!("`{k}`")).collect();
            d.help(format!("it has {}", suggest::join(&names, "and")))
        }
    }
}

/// `E0605`
pub fn nothing_to_minimize(name: &str, span: Span, last: Option<Span>) -> Diagnostic {
    let message = format!("the objective `{name}` minimizes nothing");
    match last {
        Some(at) => Diagnostic::new(Code::NothingToMinimize, message, at, "only a value")
            .label(span, "an objective ends in `minimize`")
            .help("write `minimize` before it"),
        None => Diagnostic::new(Code::NothingToMinimize, message, span, "its body has no `minimize`")
            .help("end it with `minimize e`, where e is a real"),
    }
}

/// `E0605`: two things to minimize, each with its text.
pub fn minimized_twice(second: (Span, &str), first: (Span, &str)) -> Diagnostic {
    let d = Diagnostic::new(Code::NothingToMinimize, "an objective minimizes one number", second.0, "the second")
        .label(first.0, "the first");
    let sum = format!("minimize {} + {}", first.1, second.1);
    match sum.len() <= 70 && !sum.contains('\n') {
        true => d.help(format!("add them, each with its weight: `{sum}`")),
        false => d.help("add them, each with its weight: `minimize a + 0.1 * b`"),
    }
}

/// `E0605`: a value behind `minimize`.
pub fn value_after_minimize(span: Span, minimized: Span) -> Diagnostic {
    Diagnostic::new(Code::NothingToMinimize, "an objective ends in `minimize`", span, "a value that nothing reads")
        .label(minimized, "what is minimized")
        .help("take the last line out, or add it to what is minimized")
}

/// `E0610`
pub fn bad_dimension(n: i64, written: &str, span: Span) -> Diagnostic {
    let message = match written.parse::<f64>() {
        Ok(_) => format!("a dimension of {}", grouped(n)),
        Err(_) => format!("the dimension `{written}` is {}", grouped(n)),
    };
    Diagnostic::new(Code::BadValue, message, span, "not a dimension")
        .help("a dimension is at least 1 and at most 16,777,216")
}

/// `E0201`, found while a program is built; the walk over names has seen everything else.
pub fn missing_name(name: &str, span: Span) -> Diagnostic {
    Diagnostic::new(Code::UnknownName, format!("nothing is called `{name}`"), span, "not defined")
}

/// `E0601`: the experiment has no source, or no target.
///
/// `near` is a binding of the file that probably should be it.
pub fn missing_role(name: &str, span: Span, near: Option<(String, Span)>) -> Diagnostic {
    let (example, what) = match name {
        "source" => ("source = normal(dim: 2)", "the law at t = 0, to be carried to the target"),
        _ => ("target = moons(noise: 0.05)", "the law at t = 1, to be learned"),
    };
    let d = Diagnostic::new(
        Code::MissingBlock,
        format!("the experiment has no `{name}`"),
        span,
        format!("reads the `{name}`"),
    );
    match near {
        Some((other, at)) => {
            d.label(at, format!("is this meant to be `{name}`?")).help(format!("did you mean `{name}` for `{other}`?"))
        }
        None => d.help(format!("add a line such as `{example}`: {what}")),
    }
}

/// `E0610`
pub fn bad_count(what: &str, n: i64, min: i64, max: i64, span: Span) -> Diagnostic {
    let most = grouped(max);
    let must = if min == max { format!("only {min} is possible") } else { format!("{min} to {most} are possible") };
    Diagnostic::new(Code::BadValue, format!("{} {what}: {must}", grouped(n)), span, "out of range")
        .help("choose a number in this range")
}

/// `E0615`
pub fn stage_not_ended(name: &str, span: Span, declared: Span) -> Diagnostic {
    Diagnostic::new(
        Code::StageNotEnded,
        format!("the stage `{name}` has not ended here"),
        span,
        "what it will have learned is not known yet",
    )
    .label(declared, "this stage")
    .help("stages run in the order of the file: training reads earlier stages, sampling and metrics also the stage itself")
}

/// `E0205`, of a stage.
pub fn no_such_stage_member(stage: &str, name: &str, span: Span, known: &[String]) -> Diagnostic {
    let d = Diagnostic::new(
        Code::UnknownMember,
        format!("`{stage}.{name}`: there is nothing of that name to keep from the stage `{stage}`"),
        span,
        "not a field, net, law or parameter of this file",
    );
    match suggest::nearest(name, known.iter().map(String::as_str)) {
        Some(near) => d.help(format!("did you mean `{stage}.{near}`?")),
        None => d.help(format!("a field keeps its parameters: with `field v(x, t) = ...`, write `{stage}.v`")),
    }
}

/// `E0302`, of a dataset whose rows would change while it trains.
pub fn trained_rows(span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::TypeMismatch,
        "a dataset is made once, but its law changes with training",
        span,
        "reads parameters that are being trained, or pairs of a set",
    )
    .help("make it from an earlier stage, e.g. `dataset(generated(first.v), count: 10_000)` with `stage first { ... }`")
}

/// `E0310`
pub fn undefined(written: &str, span: Span) -> Diagnostic {
    let what = if written.len() <= 40 && !written.contains('\n') { format!("`{written}`") } else { "this".into() };
    Diagnostic::new(Code::UndefinedNumber, format!("{what} is not a number"), span, "has no value").help(
        "logarithms and fractional powers need a positive base, `sqrt` one that is not negative; 0 / 0 has no value",
    )
}
