//! What a diagnostic is.
//!
//! Stages build [`Diagnostic`]s through the constructors in their own `errors.rs` (all of a stage's prose stands there) and
//! push them into a [`Sink`]. Only `render` knows miette. Deliberately absent: source texts (a diagnostic holds spans).

mod code;
pub mod explain;
pub mod render;
pub mod suggest;

pub use code::Code;

use crate::source::Span;
use std::collections::{BTreeMap, HashSet};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The spec is refused.
    Error,
    /// The spec runs; the user should look.
    Warning,
    /// Worth knowing.
    Note,
}

/// A place with words.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there; understandable alone.
    pub text: String,
}

/// One message: the fault, its place, where the expectation came from, and the cure.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// The stable code; its severity comes with it.
    pub code: Code,
    /// The fault in one line, lower case, no full stop.
    pub message: String,
    /// The smallest place that is wrong.
    pub primary: Option<Label>,
    /// Where the expectation came from, and other places.
    pub secondary: Vec<Label>,
    /// What to write instead.
    pub help: Option<String>,
    /// Anything else worth saying.
    pub notes: Vec<String>,
}

impl Diagnostic {
    /// A diagnostic at a place.
    pub fn new(code: Code, message: impl Into<String>, span: Span, label: impl Into<String>) -> Self {
        Diagnostic {
            code,
            message: message.into(),
            primary: Some(Label { span, text: label.into() }),
            secondary: Vec::new(),
            help: None,
            notes: Vec::new(),
        }
    }

    /// A diagnostic without a place in a spec (files, run time).
    pub fn bare(code: Code, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            message: message.into(),
            primary: None,
            secondary: Vec::new(),
            help: None,
            notes: Vec::new(),
        }
    }

    /// Adds a second place.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// Says what to write instead.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// Adds a note.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }
}

/// Diagnostics of one severity that are kept: nobody reads more, and a file of megabytes can have a fault in every line.
const KEPT: usize = 200;

/// Collects diagnostics; equal ones (same code and place) are kept once, and of each severity the first `KEPT`.
#[derive(Debug, Default)]
pub struct Sink {
    items: Vec<Diagnostic>,
    known: HashSet<(Code, Option<Span>, String)>,
    /// How many there were, and the last one that was kept; by severity.
    counts: BTreeMap<Severity, (usize, usize)>,
}

impl Sink {
    /// Adds one, unless the same code at the same place is there already.
    pub fn push(&mut self, d: Diagnostic) {
        let (count, last) = self.counts.entry(d.code.severity()).or_default();
        let place = d.primary.as_ref().map(|l| l.span);
        let words = if place.is_some() { String::new() } else { d.message.clone() };
        if self.known.insert((d.code, place, words)) {
            *count += 1;
            if *count <= KEPT {
                *last = self.items.len();
                self.items.push(d);
            }
        }
    }

    /// Adds what another one has kept.
    pub fn take(&mut self, other: Sink) {
        other.items.into_iter().for_each(|d| self.push(d));
    }

    /// Whether a further error would be shown: what a message is made of need not be looked for if it is not.
    #[must_use]
    pub fn shows_errors(&self) -> bool {
        self.counts.get(&Severity::Error).is_none_or(|(count, _)| *count < KEPT)
    }

    /// Whether any error was reported.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.counts.contains_key(&Severity::Error)
    }

    /// All of them, in source order (errors without a place last); the last of a severity says how many are left out.
    #[must_use]
    pub fn finish(mut self) -> Vec<Diagnostic> {
        for (severity, (count, last)) in self.counts {
            if count > KEPT {
                let word = render::severity_name(severity);
                self.items[last].notes.push(format!("{} more {word}s are not shown", count - KEPT));
            }
        }
        self.items.sort_by_key(|d| d.primary.as_ref().map_or((1, None), |l| (0, Some((l.span.file, l.span.start)))));
        self.items
    }

    /// What was reported so far, as far as it is kept.
    #[must_use]
    pub fn items(&self) -> &[Diagnostic] {
        &self.items
    }
}

/// A number as messages show it: at most four digits, and an exponent where zeros would hide them.
#[must_use]
pub fn short(x: f64) -> String {
    if x == 0.0 || !x.is_finite() {
        return format!("{x}");
    }
    if x.abs() < 1e-4 {
        let s = format!("{x:.3e}");
        let (digits, exponent) = s.split_once('e').unwrap_or((&s, "0"));
        return format!("{}e{exponent}", digits.trim_end_matches('0').trim_end_matches('.'));
    }
    let digits = (3 - x.abs().log10().floor() as i32).clamp(0, 12) as usize;
    let s = format!("{x:.digits$}");
    if s.contains('.') { s.trim_end_matches('0').trim_end_matches('.').to_owned() } else { s }
}
