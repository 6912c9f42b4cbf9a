//! The library as something to read: names with their documentation, in categories.
//!
//! Input: the trees of the library's files and `stdlib/README.md`; output: [`Category`]s of [`Entry`]s. Invariant: every
//! documented name is in exactly one category, that of its folder; the two facets of a law are one entry. Items without
//! documentation serve their file and appear with its entries only. Deliberately absent: columns, colours, searching.

use super::{ABOUT, parse_all};
use crate::diag::Sink;
use crate::source::SourceMap;
use crate::syntax;
use crate::syntax::ast::{DefKind, File, Item, ItemKind};
use crate::syntax::print;

/// The most columns of a definition: where a line has no place to break it may be a little longer.
const WIDTH: usize = 72;

/// A folder of the library.
#[derive(Clone, Debug)]
pub struct Category {
    /// The folder's name.
    pub name: String,
    /// What stands in it.
    pub about: String,
    /// Its names, sorted.
    pub entries: Vec<Entry>,
}

/// A documented name.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The name.
    pub name: String,
    /// `law`, `path`, `fn`, `tableau`, ...
    pub kind: &'static str,
    /// The file, `<std/...>`.
    pub file: String,
    /// What it is.
    pub doc: Doc,
    /// Its definition in short lines, with what else serves its file.
    pub definition: String,
}

/// A documentation comment in its parts; a part that is missing is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Doc {
    /// What it is, as one paragraph; further facets add theirs.
    pub text: Vec<String>,
    /// Shapes of what goes in and comes out.
    pub shapes: String,
    /// Paper, section, equation.
    pub source: String,
    /// Lines of the language.
    pub example: String,
}

impl Doc {
    /// Takes a comment, without slashes, apart.
    #[must_use]
    pub fn parse(comment: &str) -> Doc {
        let mut doc = Doc::default();
        let mut text = String::new();
        let mut section = "";
        for line in comment.lines().map(|l| l.strip_prefix(' ').unwrap_or(l)) {
            if let Some(name) = line.strip_prefix("# ") {
                section = name.trim();
                continue;
            }
            let (part, join) = match section {
                "Shapes" => (&mut doc.shapes, " "),
                "Source" => (&mut doc.source, " "),
                "Example" => (&mut doc.example, "\n"),
                _ => (&mut text, " "),
            };
            if !part.is_empty() {
                part.push_str(join);
            }
            part.push_str(line.trim_end());
        }
        doc.text.extend((!text.is_empty()).then_some(text));
        doc
    }

    /// The first sentence.
    #[must_use]
    pub fn summary(&self) -> &str {
        let first = self.text.first().map_or("", String::as_str);
        // A full stop behind an abbreviation, a single sign, or inside brackets or code ends none.
        let ends = |&(at, _): &(usize, &str)| {
            let before = &first[..at];
            let word = before.rsplit([' ', '(']).next().unwrap_or(before);
            let open = before.matches('(').count() > before.matches(')').count();
            let short =
                ["al", "eq", "def", "sec", "fig", "cf", "e.g", "i.e"].contains(&word) || word.chars().count() < 2;
            !open && !short && before.matches('`').count().is_multiple_of(2)
        };
        first.match_indices(". ").find(ends).map_or(first, |(end, _)| &first[..=end]).trim_end_matches('.')
    }

    fn add(&mut self, other: Doc) {
        self.text.extend(other.text);
        for (mine, theirs) in
            [(&mut self.shapes, other.shapes), (&mut self.source, other.source), (&mut self.example, other.example)]
        {
            if mine.is_empty() {
                *mine = theirs;
            }
        }
    }
}

/// The name that an item defines, and what kind of thing it is.
fn named(item: &Item) -> Option<(&str, &'static str)> {
    match &item.kind {
        ItemKind::Bind { name, .. } => Some((&name.name, "value")),
        ItemKind::Tableau { name, .. } => Some((&name.name, "tableau")),
        ItemKind::Param(p) => Some((&p.name.name, "param")),
        ItemKind::Define(d) => Some((
            &d.name.name,
            match d.kind {
                DefKind::Fn => "fn",
                DefKind::Net => "net",
                DefKind::Field => "field",
                DefKind::Path => "path",
                DefKind::Objective => "objective",
                DefKind::Coupling => "coupling",
                DefKind::Sampler | DefKind::LogDensity | DefKind::Entropy | DefKind::Modes => "law",
            },
        )),
        ItemKind::Setting { .. }
        | ItemKind::Block { .. }
        | ItemKind::List { .. }
        | ItemKind::Compare { .. }
        | ItemKind::Expect { .. }
        | ItemKind::Published { .. }
        | ItemKind::Stage { .. }
        | ItemKind::Use { .. } => None,
    }
}

/// Items as text, without their documentation.
fn shown(file: &File, items: Vec<Item>, text: &str) -> String {
    let inside = |at: u32| items.iter().any(|i| i.span.start <= at && at < i.span.end);
    let comments = file.comments.iter().filter(|c| inside(c.span.start)).cloned().collect();
    print::print_within(&File { id: file.id, items, comments }, Some(text), WIDTH)
}

/// An example in short lines; as it stands if it is statements, not items.
fn in_lines(example: &str) -> String {
    let mut sources = SourceMap::default();
    let mut sink = Sink::default();
    let id = sources.add("example.flow", example, false);
    let file = syntax::parse(id, example, &mut sink);
    if sink.has_errors() {
        return example.to_owned();
    }
    print::print_within(&file, Some(example), WIDTH).trim_end().to_owned()
}

/// The entries of one file.
fn entries_of(file: &File, path: &str, text: &str) -> Vec<Entry> {
    let mut documented: Vec<&str> = Vec::new();
    for (name, _) in file.items.iter().filter(|i| !i.doc.is_empty()).filter_map(named) {
        if !documented.contains(&name) {
            documented.push(name);
        }
    }
    let is = |i: &Item, name: &str| named(i).is_some_and(|n| n.0 == name);
    let serves = |i: &Item| named(i).is_some_and(|n| !documented.contains(&n.0));
    let entry = |name: &&str| {
        let facets: Vec<&Item> = file.items.iter().filter(|i| is(i, name)).collect();
        let mut doc = Doc::default();
        facets.iter().for_each(|i| doc.add(Doc::parse(&i.doc)));
        doc.example = in_lines(&doc.example);
        let items = file.items.iter().filter(|i| is(i, name) || serves(i)).cloned().collect();
        Entry {
            name: (*name).to_owned(),
            kind: facets.iter().find_map(|i| Some(named(i)?.1)).unwrap_or("value"),
            file: format!("<std/{path}>"),
            doc,
            definition: shown(file, items, text).trim_end().to_owned(),
        }
    };
    documented.iter().map(entry).collect()
}

/// The library's categories in the order of its README.
#[must_use]
pub fn categories() -> Vec<Category> {
    let mut categories: Vec<Category> = Vec::new();
    for line in ABOUT.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            categories.push(Category { name: name.trim().to_owned(), about: String::new(), entries: Vec::new() });
        } else if let Some(c) = categories.last_mut().filter(|_| !line.trim().is_empty()) {
            if !c.about.is_empty() {
                c.about.push(' ');
            }
            c.about.push_str(line.trim());
        }
    }
    let mut sources = SourceMap::default();
    let mut sink = Sink::default();
    for (file, (path, text)) in parse_all(&mut sources, &mut sink).iter().zip(super::FILES) {
        let folder = path.split('/').next().unwrap_or(path);
        let Some(c) = categories.iter_mut().find(|c| c.name == folder) else { continue };
        c.entries.extend(entries_of(file, path, text));
    }
    for c in &mut categories {
        c.entries.sort_by(|a, b| a.name.cmp(&b.name));
    }
    categories
}
