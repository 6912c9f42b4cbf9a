//! Text to tree.
//!
//! A text -> [`ast::File`] and diagnostics with codes E0101 to E0109. A valid text is read by the grammar in one piece; a
//! text with a fault is read item by item, so that one broken item hides no other. Invariant: every error is reported at a
//! place in the text, every item that is whole is in the tree. Deliberately absent: names, types, and what blocks may hold.

pub mod ast;
mod build;
mod diagnose;
mod errors;
mod expected;
mod habits;
pub mod keys;
mod layout;
pub mod print;
mod scan;

use pest::Parser;
use pest::error::{Error, InputLocation};

use crate::diag::{Code, Diagnostic, Sink};
use crate::source::FileId;
use layout::{ItemRange, Layout, Tokens};

/// The generated parser: one function per rule.
mod generated {
    #![allow(missing_docs, clippy::all)]

    /// Reads `grammar/flow.pest`.
    #[derive(pest_derive::Parser)]
    #[grammar = "../grammar/flow.pest"]
    pub struct Grammar;
}

use generated::{Grammar, Rule};

pub use layout::{DECLARATIONS, MAX_CHAIN, MAX_NESTING};
pub use scan::RESERVED;

/// What messages call the rules of the grammar: each rule with its name.
pub fn rule_names() -> impl Iterator<Item = (String, &'static str)> {
    Rule::all_rules().iter().map(|rule| (format!("{rule:?}"), expected::name(*rule)))
}

/// The most syntax errors that are reported of one file.
pub const MAX_FAULTS: usize = 50;

/// Parses one file. What could be read is in the tree even if errors are reported.
pub fn parse(id: FileId, text: &str, sink: &mut Sink) -> ast::File {
    let scan = scan::scan(id, text);
    let layout = layout::layout(id, text, &scan);
    let tokens = Tokens { file: id, text, all: &scan.tokens };
    let mut faults: Vec<Diagnostic> = scan.faults.iter().chain(&layout.faults).cloned().collect();
    let mut items = Vec::new();
    let mut whole = false;
    if faults.is_empty()
        && let Ok(pairs) = Grammar::parse(Rule::file, &layout.text)
    {
        whole = true;
        let mut builder = build::Builder { file: id, base: 0, faults: Vec::new() };
        items = builder.items(pairs);
        faults = builder.faults;
    }
    if !whole {
        let mut reader = Reader { tokens, layout: &layout, known: &faults.clone(), items, faults, inside: None };
        for range in &layout.items {
            if reader.faults.len() >= MAX_FAULTS {
                break;
            }
            reader.read(*range);
        }
        (items, faults) = (reader.items, reader.faults);
    }
    faults.sort_by_key(|d| d.primary.as_ref().map_or(0, |l| l.span.start));
    if faults.len() >= MAX_FAULTS {
        faults.truncate(MAX_FAULTS);
        let last = faults.pop().expect("there are faults");
        faults.push(last.note(format!("only the first {MAX_FAULTS} syntax errors are shown")));
    }
    for d in faults {
        sink.push(d);
    }
    attach_docs(&mut items, text, &scan.comments);
    ast::File { id, items, comments: scan.comments }
}

/// Reads items one at a time.
struct Reader<'a> {
    tokens: Tokens<'a>,
    layout: &'a Layout,
    /// Faults that were known before any item was read.
    known: &'a [Diagnostic],
    items: Vec<ast::Item>,
    faults: Vec<Diagnostic>,
    /// Byte where the item that failed last began, while the lines that follow may belong to it.
    inside: Option<u32>,
}

impl Reader<'_> {
    fn read(&mut self, range: ItemRange) {
        let (start, end) = (self.tokens.span(range.start).start, self.tokens.span(range.end - 1).end);
        // After a failed item, what is indented below it belongs to it: Python's blocks are one fault, not one per line.
        if let Some(head) = self.inside
            && self.column(start) > self.column(head)
            && self.tokens.all[range.start].first
            && !self.tokens.starts_declaration(range.start)
        {
            return;
        }
        self.inside = None;
        let within = |d: &&Diagnostic| d.primary.as_ref().is_some_and(|l| (start..end).contains(&l.span.start));
        let foreign = || self.tokens.all[range.start..range.end].iter().any(|t| t.kind == scan::Kind::Foreign);
        if range.faulty || foreign() || self.known.iter().any(|d| within(&d)) {
            self.inside = Some(start);
            return;
        }
        let slice = &self.layout.text[start as usize..end as usize];
        match Grammar::parse(Rule::lone_item, slice) {
            Ok(pairs) => {
                let mut builder = build::Builder { file: self.tokens.file, base: start, faults: Vec::new() };
                self.items.append(&mut builder.items(pairs));
                self.faults.append(&mut builder.faults);
            }
            Err(e) => {
                self.inside = Some(start);
                let failure = failure(&e, start);
                let fault = diagnose::diagnose(self.tokens, &self.layout.text, range, &failure);
                if fault.code == Code::UnknownKeyword && self.read_as_meant(range) {
                    self.inside = None;
                }
                self.faults.push(fault);
            }
        }
    }

    /// Reads an item whose keyword is misspelt as if it were not, so that what it defines is known to the rest.
    fn read_as_meant(&mut self, range: ItemRange) -> bool {
        let (word, span) = (self.tokens.word(range.start), self.tokens.span(range.start));
        let Some(meant) = diagnose::keyword_meant(word) else { return false };
        let end = self.tokens.span(range.end - 1).end;
        // Places stay those of the file: a keyword that is longer than the word reaches back over the line before it.
        let Some(base) = (span.end as usize).checked_sub(meant.len()) else { return false };
        let slice = format!("{meant}{}", &self.layout.text[span.end as usize..end as usize]);
        let Ok(pairs) = Grammar::parse(Rule::lone_item, &slice) else { return false };
        let mut builder = build::Builder { file: self.tokens.file, base: base as u32, faults: Vec::new() };
        let mut items = builder.items(pairs);
        for item in &mut items {
            item.span.start = item.span.start.max(span.start);
        }
        self.items.append(&mut items);
        self.faults.append(&mut builder.faults);
        true
    }

    /// Bytes between the start of the line and `at`.
    fn column(&self, at: u32) -> usize {
        let before = &self.tokens.text.as_bytes()[..at as usize];
        before.iter().rev().take_while(|b| **b != b'\n').count()
    }
}

/// Where the grammar stopped, and what it would have taken there.
pub(crate) struct Failure {
    at: u32,
    expected: Vec<Rule>,
}

fn failure(e: &Error<Rule>, base: u32) -> Failure {
    let at = match e.location {
        InputLocation::Pos(p) | InputLocation::Span((p, _)) => base + p as u32,
    };
    let expected = match &e.variant {
        pest::error::ErrorVariant::ParsingError { positives, .. } => positives.clone(),
        pest::error::ErrorVariant::CustomError { .. } => Vec::new(),
    };
    Failure { at, expected }
}

/// Gives every item the `///` lines that stand directly above it.
fn attach_docs(items: &mut [ast::Item], text: &str, comments: &[ast::Comment]) {
    for item in items {
        let mut lines = Vec::new();
        let mut below = item.span.start;
        let mut n = comments.partition_point(|c| c.span.start < item.span.start);
        while n > 0 {
            let c = &comments[n - 1];
            let gap = &text[c.span.end as usize..below as usize];
            let touches = gap.trim().is_empty() && gap.matches('\n').count() == 1;
            let Some(line) = c.text.strip_prefix("///").filter(|_| c.own_line && touches) else { break };
            lines.push(line.strip_prefix(' ').unwrap_or(line).trim_end());
            below = c.span.start;
            n -= 1;
        }
        lines.reverse();
        item.doc = lines.join("\n");
        if let ast::ItemKind::Stage { items, .. } = &mut item.kind {
            attach_docs(items, text, comments);
        }
    }
}
