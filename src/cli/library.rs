//! `flowc std`: the library, the language's own functions and the metrics, read and searched.
//!
//! Input: words; output: the categories, one category, one name with its documentation and definition, or what a search
//! finds, in 80 columns. Deliberately absent: parsing of documentation (`stdlib::docs`).

use super::{SPEC, complain};
use crate::diag::{Code, Diagnostic, suggest};
use crate::elaborate::builtin::Builtin;
use crate::plan::METRICS;
use crate::stdlib::docs::{self, Doc, Entry};
use crate::term;
use std::fmt::Write as _;
use std::process::ExitCode;

/// Columns of a page.
const WIDTH: usize = 80;
/// Columns before the text of a page.
const MARGIN: usize = 2;

/// A name that can be looked up.
struct Item {
    name: String,
    category: &'static str,
    kind: &'static str,
    place: String,
    doc: Doc,
    /// How it is called, or its definition.
    definition: String,
}

/// A shelf of the library.
struct Shelf {
    name: &'static str,
    about: String,
    items: Vec<Item>,
}

/// What is not written in the language, as documented in the compiler.
fn own(name: &str, category: &'static str, kind: &'static str, doc: &str, definition: &str) -> Item {
    Item {
        name: name.to_owned(),
        category,
        kind,
        place: String::new(),
        doc: Doc { text: vec![doc.to_owned()], ..Doc::default() },
        definition: definition.to_owned(),
    }
}

fn shelves() -> Vec<Shelf> {
    let mut all = Vec::new();
    for c in docs::categories() {
        let name: &'static str = c.name.leak();
        let item = |e: Entry| Item {
            name: e.name,
            category: name,
            kind: e.kind,
            place: e.file,
            doc: e.doc,
            definition: e.definition,
        };
        all.push(Shelf { name, about: c.about, items: c.entries.into_iter().map(item).collect() });
    }
    let mut items: Vec<Item> = Builtin::names()
        .filter_map(Builtin::by_name)
        .map(|b| own(b.name(), "builtins", "builtin", b.doc(), b.signature()))
        .collect();
    items.sort_by(|a, b| a.name.cmp(&b.name));
    all.push(Shelf { name: "builtins", about: "Of the language itself: what it cannot be told.".into(), items });
    // Some metrics are written in the language; the others stand beside them.
    let at = all.iter().position(|s| s.name == "metrics").unwrap_or_else(|| {
        all.push(Shelf { name: "metrics", about: "What `evaluate` lists.".into(), items: Vec::new() });
        all.len() - 1
    });
    for m in METRICS {
        if !all[at].items.iter().any(|i| i.name == m.name) {
            all[at].items.push(own(m.name, "metrics", "metric", m.doc, ""));
        }
    }
    all[at].items.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// Words in lines of at most `width` columns; quoted code is not broken if it fits on a line.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut open = false;
    for word in text.split_whitespace() {
        match pieces.last_mut().filter(|p| open && p.chars().count() + 1 + word.chars().count() <= width) {
            Some(last) => {
                last.push(' ');
                last.push_str(word);
            }
            None => pieces.push(word.to_owned()),
        }
        if word.matches('`').count() % 2 == 1 {
            open = !open;
        }
    }
    let mut lines: Vec<String> = Vec::new();
    for p in pieces {
        match lines.last_mut().filter(|l| l.chars().count() + 1 + p.chars().count() <= width) {
            Some(line) => {
                line.push(' ');
                line.push_str(&p);
            }
            None => lines.push(p),
        }
    }
    lines
}

/// How a terminal shows names and headings.
struct Ink {
    colours: bool,
}

impl Ink {
    fn paint(&self, code: &str, text: &str) -> String {
        if self.colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }
}

/// A column of names, or of labels, beside wrapped text.
fn beside(out: &mut String, label: &str, painted: &str, column: usize, text: &str) {
    let lines = wrap(text, WIDTH - MARGIN - column);
    let width = label.chars().count();
    let mut first = format!("{:MARGIN$}{painted}", "");
    if width >= column {
        out.push_str(&first);
        out.push('\n');
        first = format!("{:1$}", "", MARGIN + column);
    } else {
        let _ = write!(first, "{:1$}", "", column - width);
    }
    for (i, line) in lines.iter().enumerate() {
        let start = if i == 0 { first.clone() } else { format!("{:1$}", "", MARGIN + column) };
        let _ = writeln!(out, "{start}{line}");
    }
    if lines.is_empty() {
        let _ = writeln!(out, "{}", first.trim_end());
    }
}

/// All names, shelf by shelf.
fn overview(all: &[Shelf], ink: &Ink) -> String {
    let count: usize = all.iter().map(|s| s.items.len()).sum();
    let mut out = format!(
        "{count} names. `flowc std NAME` shows one as written, `flowc std CATEGORY` says\n\
         what each of a category is, any other words are searched for.\n\n"
    );
    for s in all {
        let names: Vec<&str> = s.items.iter().map(|i| i.name.as_str()).collect();
        beside(&mut out, s.name, &ink.bold(s.name), 14, &names.join(" "));
    }
    out
}

fn list(out: &mut String, items: &[&Item], ink: &Ink) {
    let names = items.iter().map(|i| i.name.chars().count() + 2).max().unwrap_or(0).clamp(12, 26);
    for i in items {
        beside(out, &i.name, &ink.bold(&i.name), names, i.doc.summary());
    }
}

fn shelf(s: &Shelf, ink: &Ink) -> String {
    let mut out = format!("{}\n\n", ink.bold(s.name));
    for line in wrap(&s.about, WIDTH - MARGIN) {
        let _ = writeln!(out, "{:MARGIN$}{line}", "");
    }
    out.push('\n');
    list(&mut out, &s.items.iter().collect::<Vec<_>>(), ink);
    out
}

/// One name.
fn page(i: &Item, ink: &Ink) -> String {
    let what = if i.place.is_empty() { i.kind.to_owned() } else { format!("{}, of {}", i.kind, i.category) };
    let taken = i.name.chars().count() + 2 + what.chars().count() + i.place.chars().count();
    let gap = WIDTH.checked_sub(taken).filter(|g| *g > 0);
    let mut out = format!("{}  {what}", ink.bold(&i.name));
    match gap {
        _ if i.place.is_empty() => {}
        Some(gap) => out.push_str(&format!("{:gap$}{}", "", ink.dim(&i.place))),
        None => out.push_str(&format!("\n{:1$}{2}", "", WIDTH - i.place.chars().count(), ink.dim(&i.place))),
    }
    out.push_str("\n\n");
    for paragraph in &i.doc.text {
        for line in wrap(paragraph, WIDTH - MARGIN) {
            let _ = writeln!(out, "{:MARGIN$}{line}", "");
        }
        out.push('\n');
    }
    for (label, text) in [("shapes", &i.doc.shapes), ("source", &i.doc.source)] {
        if !text.is_empty() {
            beside(&mut out, label, &ink.dim(label), 9, text);
        }
    }
    for (label, text) in [("example", &i.doc.example), ("definition", &i.definition)] {
        if text.is_empty() {
            continue;
        }
        let label = if i.place.is_empty() { "call" } else { label };
        if !out.ends_with("\n\n") {
            out.push('\n');
        }
        let _ = writeln!(out, "{:MARGIN$}{}", "", ink.dim(label));
        // A call is one line, however long: it has no lines of its own to keep.
        let lines =
            if i.place.is_empty() { wrap(text, WIDTH - 4 * MARGIN) } else { text.lines().map(str::to_owned).collect() };
        for (k, line) in lines.iter().enumerate() {
            let margin = if i.place.is_empty() && k > 0 { 4 * MARGIN } else { 2 * MARGIN };
            let _ = writeln!(out, "{}", format!("{:margin$}{line}", "").trim_end());
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// How well an item answers words: all of them must occur; names count most, then summaries.
fn rank(i: &Item, words: &[String]) -> Option<usize> {
    let name = i.name.to_lowercase();
    let summary = i.doc.summary().to_lowercase();
    let rest = [i.kind, i.category, &i.doc.text.join(" "), &i.doc.shapes, &i.doc.source].join(" ").to_lowercase();
    let one = |w: &String| {
        if name.starts_with(w.as_str()) {
            Some(0)
        } else if name.contains(w.as_str()) {
            Some(1)
        } else if summary.contains(w.as_str()) {
            Some(2)
        } else {
            rest.contains(w.as_str()).then_some(3)
        }
    };
    words.iter().map(one).sum()
}

/// What `flowc std` prints for these words; an error if nothing answers them.
fn answer(words: &[String], ink: &Ink) -> Result<String, Diagnostic> {
    let all = shelves();
    if words.is_empty() {
        return Ok(overview(&all, ink));
    }
    if let [word] = words {
        if let Some(s) = all.iter().find(|s| s.name == word) {
            return Ok(shelf(s, ink));
        }
        let pages: Vec<String> =
            all.iter().flat_map(|s| &s.items).filter(|i| i.name == *word).map(|i| page(i, ink)).collect();
        if !pages.is_empty() {
            return Ok(pages.join("\n"));
        }
    }
    let lower: Vec<String> = words.iter().flat_map(|w| w.split_whitespace()).map(str::to_lowercase).collect();
    let items = || all.iter().flat_map(|s| &s.items);
    let mut found: Vec<(usize, &Item)> = items().filter_map(|i| Some((rank(i, &lower)?, i))).collect();
    found.sort_by_key(|(r, _)| *r);
    if found.is_empty() {
        let words = words.join(" ");
        let names = all.iter().map(|s| s.name).chain(items().map(|i| i.name.as_str()));
        let d = Diagnostic::bare(Code::UnknownName, format!("the library has nothing called `{words}`"));
        return Err(match suggest::nearest(&words, names) {
            Some(n) => d.help(format!("did you mean `{n}`?")),
            None => d.help("no name and no documentation has these words; `flowc std` lists all names"),
        });
    }
    let mut out = String::new();
    list(&mut out, &found.iter().map(|(_, i)| *i).collect::<Vec<_>>(), ink);
    Ok(out)
}

/// `flowc std [WORDS]`.
pub fn show(words: &[String]) -> ExitCode {
    match answer(words, &Ink { colours: term::colours() }) {
        Ok(text) => {
            super::put(&text);
            ExitCode::SUCCESS
        }
        Err(d) => {
            complain(&d);
            ExitCode::from(SPEC)
        }
    }
}
