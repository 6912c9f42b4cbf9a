//! Diagnostics as text for a terminal, as plain text for goldens, and as JSON for tools.
//!
//! Diagnostics and the sources they point into -> a string. The only user of miette. Invariant: the output depends on its
//! arguments alone (no terminal is asked), and a long source line is cut around its labels instead of flooding the screen.
//! Deliberately absent: where the string goes.

use std::fmt;
use std::ops::Range;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteSpanContents};
use serde_json::{Value, json};

use super::{Diagnostic, Label, Severity};
use crate::source::{FileId, SourceMap, Span};

/// The width of plain text, in columns.
pub const PLAIN_WIDTH: usize = 80;
/// A source line longer than this many bytes is cut around its labels.
const LONG_LINE: usize = 400;
/// Bytes that are shown on either side of a label in a cut line.
const WINDOW: usize = 60;

/// One diagnostic in the graphical layout, at a width in columns, with or without colour.
#[must_use]
pub fn graphical(d: &Diagnostic, sources: &SourceMap, width: usize, colour: bool) -> String {
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(width).with_links(false).with_break_words(false);
    let mut out = String::new();
    for page in pages(d, sources) {
        handler.render_report(&mut out, &page).expect("writing to a string succeeds");
    }
    for label in d.secondary.iter().filter(|l| is_aside(l, d, sources)) {
        wrap(&mut out, "  see:  ", "        ", &aside(label, sources), width);
    }
    for note in &d.notes {
        wrap(&mut out, "  note: ", "        ", note, width);
    }
    let footer = format!("for more, run `flowc explain {}`", d.code.number());
    let (dim, plain) = if colour { ("\u{1b}[2m", "\u{1b}[0m") } else { ("", "") };
    out.push_str(&format!("  {dim}{footer}{plain}\n"));
    // Miette pads some lines with blanks.
    out.lines().map(str::trim_end).fold(String::new(), |all, line| all + line + "\n")
}

/// All diagnostics without colour at [`PLAIN_WIDTH`] columns, a blank line between two.
#[must_use]
pub fn plain(all: &[Diagnostic], sources: &SourceMap) -> String {
    let parts: Vec<String> = all.iter().map(|d| graphical(d, sources, PLAIN_WIDTH, false)).collect();
    parts.join("\n")
}

/// All diagnostics as a JSON array, as text.
#[must_use]
pub fn json(all: &[Diagnostic], sources: &SourceMap) -> String {
    serde_json::to_string_pretty(&values(all, sources)).expect("strings and numbers are always JSON")
}

/// All diagnostics as a JSON array. Lines and columns count from 1, columns in characters; `start` and `end` are bytes.
#[must_use]
pub fn values(all: &[Diagnostic], sources: &SourceMap) -> Value {
    let label = |l: &Label| {
        let (line, column) = position(sources, l.span.file, l.span.start);
        let (end_line, end_column) = position(sources, l.span.file, l.span.end);
        json!({
            "file": sources.file(l.span.file).name,
            "start": l.span.start, "end": l.span.end,
            "line": line, "column": column, "end_line": end_line, "end_column": end_column,
            "text": l.text,
        })
    };
    let one = |d: &Diagnostic| {
        json!({
            "code": d.code.number(),
            "slug": d.code.slug(),
            "severity": severity_name(d.code.severity()),
            "message": d.message,
            "primary": d.primary.as_ref().map(label),
            "secondary": d.secondary.iter().map(label).collect::<Vec<Value>>(),
            "help": d.help,
            "notes": d.notes,
        })
    };
    Value::Array(all.iter().map(one).collect())
}

/// `error`, `warning`, `note`
#[must_use]
pub fn severity_name(s: Severity) -> &'static str {
    match s {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// Line and column of a byte, both from 1; the column counts characters.
#[must_use]
pub fn position(sources: &SourceMap, file: FileId, at: u32) -> (usize, usize) {
    let before = &sources.file(file).text[..at as usize];
    let line_start = before.rfind('\n').map_or(0, |n| n + 1);
    let column = before[line_start..].chars().filter(|c| *c != '\u{feff}').count() + 1;
    (lines_in(before) + 1, column)
}

/// Ends of lines in a text. Counting bytes is several times faster than searching a pattern.
fn lines_in(text: &str) -> usize {
    text.bytes().filter(|b| *b == b'\n').count()
}

/// Some lines of a file: miette looks through all of a text that it is given, for every message.
#[derive(Debug)]
struct Lines {
    name: String,
    text: String,
    /// How many lines stand before.
    before: usize,
}

impl miette::SourceCode for Lines {
    fn read_span<'a>(
        &'a self,
        span: &miette::SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn miette::SpanContents<'a> + 'a>, miette::MietteError> {
        let c = self.text.read_span(span, before, after)?;
        let (line, name) = (c.line() + self.before, self.name.clone());
        let moved = MietteSpanContents::new_named(name, c.data(), *c.span(), line, c.column(), c.line_count());
        Ok(Box::new(moved))
    }
}

/// What miette draws in one go: one source.
#[derive(Debug)]
struct Page {
    code: Option<String>,
    severity: Severity,
    message: String,
    source: Option<Lines>,
    labels: Vec<LabeledSpan>,
    help: Option<String>,
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Page {}

impl miette::Diagnostic for Page {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.code.as_ref().map(|c| Box::new(c) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Note => miette::Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|h| Box::new(h) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.source.as_ref().map(|s| s as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}

/// A place in the library beside a place in the user's file: the reader did not write it, so a line says where it is.
fn is_aside(label: &Label, d: &Diagnostic, sources: &SourceMap) -> bool {
    let is_std = |l: &Label| sources.file(l.span.file).is_std;
    is_std(label) && d.primary.as_ref().is_some_and(|p| !is_std(p))
}

/// `` `out` has no default: `out: int`, <std/fields.flow>:17:44 ``
fn aside(label: &Label, sources: &SourceMap) -> String {
    let (line, column) = position(sources, label.span.file, label.span.start);
    let place = format!("{}:{line}:{column}", sources.file(label.span.file).name);
    match sources.text(label.span) {
        text if text.len() <= 40 && !text.contains(['\n', '`']) && !label.text.contains(&format!("`{text}`")) => {
            format!("{}: `{text}`, {place}", label.text)
        }
        _ => format!("{}, {place}", label.text),
    }
}

/// Miette allows one source in a report, so labels in other files become pages of their own behind the first.
fn pages(d: &Diagnostic, sources: &SourceMap) -> Vec<Page> {
    let head = format!("{} ({})", d.code.number(), d.code.slug());
    let home = d.primary.as_ref().map(|l| l.span.file);
    let shown = d.secondary.iter().filter(|l| !is_aside(l, d, sources));
    let (near, far): (Vec<&Label>, Vec<&Label>) = shown.partition(|l| Some(l.span.file) == home);
    let mut all = vec![page(Some(head), d.code.severity(), &d.message, d.primary.as_ref(), &near, sources)];
    for label in far {
        let bare = Label { span: label.span, text: "here".to_string() };
        all.push(page(None, Severity::Note, &label.text, Some(&bare), &[], sources));
    }
    if let Some(last) = all.last_mut() {
        last.help.clone_from(&d.help);
    }
    all
}

fn page(
    code: Option<String>,
    severity: Severity,
    message: &str,
    primary: Option<&Label>,
    near: &[&Label],
    sources: &SourceMap,
) -> Page {
    let (mut source, mut labels) = (None, Vec::new());
    if let Some(primary) = primary {
        let file = sources.file(primary.span.file);
        let all: Vec<&Label> = std::iter::once(primary).chain(near.iter().copied()).collect();
        let spans: Vec<Span> = all.iter().map(|l| l.span).collect();
        let around = surroundings(&file.text, &spans);
        let (text, places) = excerpt(&file.text[around.clone()], around.start, &spans);
        for (i, (label, (start, end))) in all.iter().zip(places).enumerate() {
            let (words, place) = (Some(label.text.clone()), (start, end - start));
            labels.push(if i == 0 {
                LabeledSpan::new_primary_with_span(words, place)
            } else {
                LabeledSpan::new_with_span(words, place)
            });
        }
        source = Some(Lines { name: file.name.clone(), text, before: lines_in(&file.text[..around.start]) });
    }
    Page { code, severity, message: message.to_string(), source, labels, help: None }
}

/// Lines that hold the spans, and as many on either side as may be shown.
fn surroundings(text: &str, spans: &[Span]) -> Range<usize> {
    const CONTEXT: usize = 3;
    let clamp = |at: u32| (at as usize).min(text.len());
    let start = spans.iter().map(|s| clamp(s.start)).min().unwrap_or(0);
    let end = spans.iter().map(|s| clamp(s.end)).max().unwrap_or(text.len());
    let before = text[..start].rmatch_indices('\n').nth(CONTEXT).map_or(0, |(n, _)| n + 1);
    let after = text[end..].match_indices('\n').nth(CONTEXT).map_or(text.len(), |(n, _)| end + n + 1);
    before..after
}

/// The text to show and the places of the spans in it: lines as they are, or long ones cut around the spans, which count from
/// `origin`.
fn excerpt(text: &str, origin: usize, spans: &[Span]) -> (String, Vec<(usize, usize)>) {
    let clamp = |at: u32| (at as usize).saturating_sub(origin).min(text.len());
    let mut places: Vec<(usize, usize)> = spans.iter().map(|s| (clamp(s.start), clamp(s.end))).collect();
    let line_of = |at: usize| {
        let start = text[..at].rfind('\n').map_or(0, |n| n + 1);
        (start, text[at..].find('\n').map_or(text.len(), |n| at + n))
    };
    if places.iter().map(|p| line_of(p.0)).all(|(start, end)| end - start <= LONG_LINE) {
        return (text.to_string(), places);
    }
    let (mut out, mut start) = (String::new(), 0);
    let mut moved = places.clone();
    for line in text.split_inclusive('\n') {
        let end = start + line.len();
        let body = line.trim_end_matches(['\n', '\r']);
        let inside: Vec<usize> =
            (0..places.len()).filter(|i| (start..=start + body.len()).contains(&places[*i].0)).collect();
        if body.len() <= LONG_LINE {
            for i in inside {
                let shift = |at: usize| at - start + out.len();
                moved[i] = (shift(places[i].0), shift(places[i].1.min(end)));
            }
            out.push_str(line);
        } else {
            // Only what surrounds the first place is shown; places that begin beyond it are drawn at its edge.
            let centre = inside.first().map_or(start, |i| places[*i].0);
            let from = floor(text, centre.saturating_sub(WINDOW).max(start));
            let to = floor(text, (centre + WINDOW).min(start + body.len()));
            let lead = if from > start { "… " } else { "" };
            let base = out.len() + lead.len();
            for i in inside {
                let shift = |at: usize| at.clamp(from, to) - from + base;
                moved[i] = (shift(places[i].0), shift(places[i].1));
            }
            out.push_str(lead);
            out.push_str(&text[from..to]);
            out.push_str(if to < start + body.len() { " …\n" } else { "\n" });
        }
        start = end;
    }
    places = moved.into_iter().map(|(a, b)| (a.min(out.len()), b.clamp(a.min(out.len()), out.len()))).collect();
    (out, places)
}

/// The nearest character boundary at or below.
fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Appends words, broken between blanks at `width` columns.
fn wrap(out: &mut String, first: &str, rest: &str, text: &str, width: usize) {
    let mut line = first.to_string();
    let mut empty = true;
    for word in text.split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > width {
            out.push_str(line.trim_end());
            out.push('\n');
            line = rest.to_string();
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    out.push_str(line.trim_end());
    out.push('\n');
}
