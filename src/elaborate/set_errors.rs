//! Messages of classes, labels and sets.

use crate::data::Fault;
use crate::diag::{Code, Diagnostic, short, suggest};
use crate::source::{FileId, Span};
use crate::syntax::keys;

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
            "how many classes there are is not known here: declare them, e.g. `field v(x, t | y: class[10])`"
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

/// `E0510`: rows have no density.
pub fn data_density(name: &str, span: Span, written: Span) -> Diagnostic {
    let d =
        Diagnostic::new(Code::NoDensity, format!("the data {name} have no log-density"), span, "one is needed here");
    let d = if written == span { d } else { d.label(written, "these are rows, not a law") };
    d.help(
        "a log-density of data is learned: `max_likelihood(flow(v))` trains one, `nll` measures it on the test split",
    )
}

/// What is wrong with a file, at the place of the spec that asked for it.
pub fn file(fault: &Fault, file: &str, at: &FileSpans) -> Diagnostic {
    let d = |code: Code, message: String, span: Span, label: &str| Diagnostic::new(code, message, span, label);
    match fault {
        Fault::Missing { file, why, near } => {
            let d = d(Code::FileNotFound, format!("{file} cannot be read: {why}"), at.path, "asked for here");
            match near {
                Some(n) => d.help(format!("beside it is {n}; a path is taken from where the spec lies")),
                None => d.help("a path is taken from where the spec lies"),
            }
        }
        Fault::Format { why } => {
            d(Code::DataFormat, format!("{file} cannot be read: {why}"), at.path, "asked for here")
                .help("files are .csv, .tsv, .npy, .npz, .idx or .parquet; text, npy and idx also packed as .gz")
        }
        Fault::Feature { feature } => d(
            Code::DataFormat,
            format!("{file} cannot be read: this flowc was built without {feature}"),
            at.path,
            "asked for here",
        )
        .help(format!(
            "build it with `cargo build --release --features {feature}`, or save the file as .npy or .csv"
        )),
        Fault::Kind { kind } => d(
            Code::DataFormat,
            format!("{file} holds numbers of kind {kind}, which is not read"),
            at.path,
            "asked for here",
        )
        .help(
            "f32, f64, integers of at most 64 bits and truth values are read; save it as one of them: `x.astype(\"float32\")`",
        ),
        Fault::Empty => d(Code::DataEmpty, format!("{file} has no rows"), at.path, "asked for here")
            .help("look at the file: behind a line of names there must be a row of values"),
        Fault::NoNumbers { shape } => {
            let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
            let message = format!("{file} holds no number: its shape is [{}]", shape.join(", "));
            d(Code::DataEmpty, message, at.path, "asked for here")
                .help("an array has a row for each sample, and a number or more in each row: `x.shape` is `(n, d)`")
        }
        Fault::Twice { name, first, second } => {
            let message = format!("{file} has two columns called `{}`", clipped(name));
            d(Code::NoColumn, message, at.asking(&format!("`{name}`")), "which of them?").help(format!(
                "name them apart in the file, or take columns by number, from 0: these are {first} and {second}"
            ))
        }
        Fault::NoColumn { asked, known } => {
            let span = at.asking(&asked.to_string());
            let message = format!("{file} has no column {asked}");
            let d = d(Code::NoColumn, message, span, "asked for here");
            let words: Vec<&str> = known.iter().map(String::as_str).collect();
            let bare = asked.to_string().trim_matches('`').to_owned();
            match suggest::nearest(&bare, words.iter().copied()) {
                Some(n) => d.help(format!("did you mean `{n}`?")),
                None if known.is_empty() => d.help("it names no columns; take them by number, from 0"),
                None => d.help(format!("it has {}", listed(&words))),
            }
        }
        Fault::Ambiguous { known } => {
            let words: Vec<&str> = known.iter().map(String::as_str).collect();
            d(Code::NoColumn, format!("{file} holds several arrays"), at.path, "which are the features?").help(format!(
                "say it, e.g. `features: \"{}\"`; it has {}",
                known.first().map_or("x", |n| n),
                listed(&words)
            ))
        }
        Fault::Text { at: place, text, alone } => {
            let message = format!("{file}, {place}: `{}` is no number", clipped(text));
            let d = d(Code::NotANumber, message, at.features, "taken as a feature");
            let number = |p: &str| p.trim().parse::<f64>().is_ok();
            match [";", "\t", "|", " "].into_iter().find(|s| text.split(s).all(number)) {
                None if *alone && text.split(',').all(number) => d.help(
                    "cells seem to be separated by `,`: say `delimiter: \",\"`; if it is a decimal comma, save the file with points",
                ),
                Some("\t") => d.help("cells seem to be separated by tabs: call the file .tsv, or say `delimiter`"),
                None if decimal_comma(text) => d.help(
                    "a decimal comma, it seems: numbers have a point, `1.5`; save the file with points, in pandas `df.to_csv(decimal=\".\")`",
                ),
                None if thousands(text) => d.help(
                    "a comma between thousands, it seems (or a decimal comma): save numbers without marks and with a point, `1000` or `1.000`",
                ),
                Some(sign) => d.help(format!("cells seem to be separated by `{sign}`: say `delimiter: \"{sign}\"`")),
                None => d.help(
                    "leave the column out with `features: [...]`; a column of words may be the label: `label: \"name\"`",
                ),
            }
        }
        Fault::NotFinite { at: place, text } => {
            // Digits make a number: one that no real reaches.
            if text.bytes().any(|b| b.is_ascii_digit()) {
                let message = format!("{file}, {place}: `{}` is beyond all reals", clipped(text));
                return d(Code::NotANumber, message, at.features, "taken as a feature")
                    .help("f64 ends at 1.8e308: look at the file, or bring the column to another unit");
            }
            let what = if text.is_empty() {
                "there is no value".to_owned()
            } else {
                format!("`{}` is no value", clipped(text))
            };
            d(Code::MissingValue, format!("{file}, {place}: {what}"), at.features, "read here")
                .help("fill it or take the row out: flowc does not guess")
        }
        Fault::Huge { at: place, text } => {
            let message = format!("{file}, {place}: no real is exactly the integer {}", clipped(text));
            d(Code::NotANumber, message, at.features, "taken as a feature")
                .help("a number that names something is no feature: leave its column out; or save it as a real")
        }
        Fault::Ragged { line, found, expected } => {
            let message = format!("{file}, line {line}: {found} cells, but {expected} in the first line");
            d(Code::Ragged, message, at.path, "asked for here")
                .help("every line has as many cells; `delimiter: \";\"` says what separates them")
        }
        Fault::Lengths { features, labels } => {
            let message = format!("{file}: {features} rows of features, but {labels} of labels");
            d(Code::Ragged, message, at.label, "asked for here").help("each row needs its label")
        }
        Fault::Label { at: place, text } => {
            let message = format!("{file}, {place}: `{}` is no label", clipped(text));
            d(Code::BadLabel, message, at.label, "taken as the label")
                .help("labels are words or whole numbers, one a row; a real may be a feature")
        }
        Fault::Classes { count, rows } => {
            let message = format!("{file}: {count} different labels in {rows} rows");
            d(Code::BadLabel, message, at.label, "taken as the label")
                .help("a label is one of a few classes; a column that numbers the rows, or measures, is none")
        }
        Fault::Rows => d(Code::DataFormat, format!("{file} has more than 4,294,967,295 rows"), at.path, "asked for here")
            .help("split it into several files"),
        Fault::Spill { why } => d(
            Code::CannotWrite,
            format!("{file} is larger than memory may be, and no temporary file can hold it: {why}"),
            at.path,
            "asked for here",
        )
        .help("free space there, or name a roomier folder in the environment: `TMPDIR=DIR flowc ...`; an .npy file is read where it lies"),
        Fault::Split { rows, which } => {
            let message = format!("{file} has {rows} row{}, too few for this split", if *rows == 1 { "" } else { "s" });
            d(Code::BadValue, message, at.split, "split here")
                .help(format!("no row is left for `{which}`: give it more, or none"))
        }
    }
}

/// The whole numbers between the commas of a cell, without its sign.
fn comma_parts(text: &str) -> Option<Vec<&str>> {
    let text = text.trim().trim_start_matches(['-', '+']);
    let parts: Vec<&str> = text.split(',').collect();
    let whole = |p: &&str| !p.is_empty() && p.chars().all(|c| c.is_ascii_digit());
    (parts.len() > 1 && parts[..parts.len() - 1].iter().all(whole)).then_some(parts)
}

/// `1,5`, `0,25`, `3,1e-5`: what a comma cannot group.
fn decimal_comma(text: &str) -> bool {
    let Some(parts) = comma_parts(text) else { return false };
    let [whole, rest] = parts.as_slice() else { return false };
    !thousands(text) && format!("{whole}.{rest}").parse::<f64>().is_ok()
}

/// `1,000`, `12,345.6`: groups of three digits.
fn thousands(text: &str) -> bool {
    let Some(parts) = comma_parts(text) else { return false };
    let last = parts[parts.len() - 1].split('.').next().unwrap_or_default();
    let three = |p: &&str| p.len() == 3 && p.chars().all(|c| c.is_ascii_digit());
    (1..=3).contains(&parts[0].len()) && parts[0] != "0" && parts[1..parts.len() - 1].iter().all(three) && three(&last)
}

fn clipped(s: &str) -> String {
    if s.chars().count() > 24 { s.chars().take(23).chain(['…']).collect() } else { s.to_owned() }
}

fn listed(words: &[&str]) -> String {
    const SHOWN: usize = 6;
    let shown: Vec<String> = words.iter().take(SHOWN).map(|w| format!("`{w}`")).collect();
    let more = words.len().saturating_sub(SHOWN);
    if more > 0 { format!("{}, and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

/// Where the parts of a call of `file` stand.
#[derive(Clone, Debug)]
pub struct FileSpans {
    /// The name of the file.
    pub path: Span,
    /// `features`, or the whole call.
    pub features: Span,
    /// `label`, or the whole call.
    pub label: Span,
    /// `split`, or the whole call.
    pub split: Span,
    /// Columns as written, and where.
    pub picks: Vec<(String, Span)>,
}

impl FileSpans {
    fn asking(&self, pick: &str) -> Span {
        self.picks.iter().find(|(p, _)| p == pick).map_or(self.features, |(_, s)| *s)
    }
}

/// What is wrong with a file that no spec asked for.
pub fn bare(fault: &Fault, file: &str) -> Diagnostic {
    let nowhere = Span { file: FileId(0), start: 0, end: 0 };
    let spans = FileSpans { path: nowhere, features: nowhere, label: nowhere, split: nowhere, picks: vec![] };
    Diagnostic { primary: None, secondary: vec![], ..self::file(fault, file, &spans) }
}

/// `E0812`: a value that single precision does not have.
pub fn too_large(name: &str, greatest: f64, span: Span) -> Diagnostic {
    let message = format!("{name} has values up to {greatest:e}, and f32 ends at 3.4e38");
    Diagnostic::new(Code::NotANumber, message, span, "these data")
        .help("say `precision f64`, or bring them to scale with `standardize: per_feature`")
}

/// `E0303`: not one file name.
pub fn file_arguments(span: Span, signature: &str) -> Diagnostic {
    Diagnostic::new(Code::WrongArguments, "`file` takes the name of one file", span, "in this call")
        .help(format!("write it as `{signature}`"))
}

/// `E0610`: an option of `file` that takes words; `written` is what stands there.
pub fn option_word(name: &str, found: &str, written: &str, span: Span) -> Diagnostic {
    match keys::words_of("file", name) {
        Some(words) => {
            let message = format!("`{name}` must be {}, found {found}", words.list());
            Diagnostic::new(Code::BadValue, message, span, "this value").help(words.cure(written))
        }
        None => option(name, found, "another value", span),
    }
}

/// `E0610`: a split; `parts` are its two or three numbers, if these are what it is.
pub fn bad_split(found: &str, parts: Option<&[f64]>, span: Span) -> Diagnostic {
    let sum: f64 = parts.unwrap_or_default().iter().sum();
    let message = match parts {
        None => format!("`split` is {found}"),
        Some(p) if p.iter().any(|x| !(0.0..=1.0).contains(x)) => "a part of `split` is no fraction".to_owned(),
        Some(p) if p[0] <= 0.0 => "this `split` leaves no rows to train on".to_owned(),
        Some(_) => format!("the parts of `split` are {} together, not 1", short(sum)),
    };
    Diagnostic::new(Code::BadValue, message, span, "this value")
        .help("write fractions whose sum is 1: `[train, test]`, e.g. `[0.8, 0.2]`, or `[train, validation, test]`")
}

/// `E0610`: an option of `file`.
pub fn option(name: &str, found: &str, must: &str, span: Span) -> Diagnostic {
    Diagnostic::new(Code::BadValue, format!("`{name}` is {found}"), span, "this value")
        .help(format!("it must be {must}"))
}
