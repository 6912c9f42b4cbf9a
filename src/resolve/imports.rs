//! `use "file.flow"`, `use std.paths (vp)`: definitions of other files.
//!
//! The user's tree and a way to read files -> the tree with the definitions of every file that it uses behind its own. A file
//! gives its definitions, as if they stood here; its experiment (settings, blocks, comparisons, expectations) stays with it, and
//! `source` and `target` come along only where they are named. A list of names brings those and what they are made of. The
//! library is in scope anyway: `use std...` is checked, and says what a reader should know. Invariants: a file is read once,
//! however often it is used; a cycle ends with a message. Deliberately absent: scopes of files.

use super::{ROLES, errors};
use crate::diag::Sink;
use crate::source::{SourceMap, Span};
use crate::stdlib;
use crate::syntax::{self, ast};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

/// Reads a file by its path.
pub type Loader<'a> = dyn Fn(&Path) -> std::io::Result<String> + Sync + 'a;

/// Appends what the file uses.
pub fn expand(file: ast::File, sources: &mut SourceMap, sink: &mut Sink, load: &Loader<'_>) -> ast::File {
    if !file.items.iter().any(|i| matches!(i.kind, ast::ItemKind::Use { .. })) {
        return file;
    }
    let path = PathBuf::from(&sources.file(file.id).name);
    let mut reader = Reader { sources, sink, load, open: vec![path], read: BTreeMap::new() };
    let mut names = Names::default();
    names.take(&file.items);
    let mut out = file;
    let wanted = reader.used_by(&out.items, Path::new(&reader.open[0].clone()));
    for item in wanted {
        names.add(item, &mut out.items, reader.sink);
    }
    out
}

/// The name that a definition gives.
fn defines(item: &ast::Item) -> Option<&ast::Ident> {
    match &item.kind {
        ast::ItemKind::Bind { name, .. } | ast::ItemKind::Tableau { name, .. } => Some(name),
        ast::ItemKind::Define(d) => Some(&d.name),
        ast::ItemKind::Param(p) => Some(&p.name),
        ast::ItemKind::Setting { .. }
        | ast::ItemKind::Block { .. }
        | ast::ItemKind::List { .. }
        | ast::ItemKind::Compare { .. }
        | ast::ItemKind::Expect { .. }
        | ast::ItemKind::Published { .. }
        | ast::ItemKind::Stage { .. }
        | ast::ItemKind::Use { .. } => None,
    }
}

/// Names that are taken, and by what.
#[derive(Default)]
struct Names {
    taken: BTreeMap<String, Vec<Span>>,
    items: HashSet<Span>,
}

impl Names {
    fn take(&mut self, items: &[ast::Item]) {
        for item in items {
            if let Some(name) = defines(item) {
                self.taken.entry(name.name.clone()).or_default().push(name.span);
            }
        }
    }

    /// Adds a definition of another file, unless it is there already.
    fn add(&mut self, item: ast::Item, into: &mut Vec<ast::Item>, sink: &mut Sink) {
        let Some(name) = defines(&item) else { return };
        if !self.items.insert(item.span) {
            return;
        }
        let spans = self.taken.entry(name.name.clone()).or_default();
        match spans.iter().find(|s| s.file != name.span.file) {
            Some(first) => sink.push(errors::import_clash(&name.name, *first, name.span)),
            None => {
                spans.push(name.span);
                into.push(item);
            }
        }
    }
}

struct Reader<'a, 's> {
    sources: &'s mut SourceMap,
    sink: &'s mut Sink,
    load: &'s Loader<'a>,
    /// Files that are being read, the user's first.
    open: Vec<PathBuf>,
    /// Definitions of files that were read.
    read: BTreeMap<PathBuf, Vec<ast::Item>>,
}

impl Reader<'_, '_> {
    /// The definitions that the `use` items among these bring.
    fn used_by(&mut self, items: &[ast::Item], from: &Path) -> Vec<ast::Item> {
        let mut out = Vec::new();
        for item in items {
            let ast::ItemKind::Use { target, names } = &item.kind else { continue };
            match target {
                ast::UseTarget::Module { parts, span } => self.library(parts, *span, names, items),
                ast::UseTarget::File { path, span } => {
                    let folder = from.parent().unwrap_or(Path::new(""));
                    if let Some(all) = self.file(&tidy(&folder.join(path)), path, *span) {
                        out.extend(self.chosen(all, path, names));
                    }
                }
            }
        }
        out
    }

    /// All definitions of a file, those that it uses included.
    fn file(&mut self, path: &Path, written: &str, span: Span) -> Option<Vec<ast::Item>> {
        if self.open.iter().any(|o| tidy(o) == path) {
            let way: Vec<String> = self.open.iter().map(|p| p.display().to_string()).collect();
            self.sink.push(errors::import_cycle(written, &way, span));
            return None;
        }
        if let Some(known) = self.read.get(path) {
            return Some(known.clone());
        }
        let text = match (self.load)(path) {
            Ok(t) => t,
            Err(e) => {
                self.sink.push(errors::import_missing(written, &e, span));
                return None;
            }
        };
        let id = self.sources.add(path.display().to_string(), text.as_str(), false);
        let tree = syntax::parse(id, &text, self.sink);
        self.open.push(path.to_path_buf());
        let mut all = self.used_by(&tree.items, path);
        self.open.pop();
        all.extend(tree.items.into_iter().filter(|i| defines(i).is_some()));
        self.read.insert(path.to_path_buf(), all.clone());
        Some(all)
    }

    /// The named definitions and what they read; without names all but the roles.
    fn chosen(&mut self, all: Vec<ast::Item>, path: &str, names: &[ast::Ident]) -> Vec<ast::Item> {
        let is_role = |i: &ast::Item| defines(i).is_some_and(|n| ROLES.contains(&n.name.as_str()));
        if names.is_empty() {
            return all.into_iter().filter(|i| !is_role(i)).collect();
        }
        let known: Vec<&str> = all.iter().filter_map(|i| defines(i)).map(|n| n.name.as_str()).collect();
        let mut wanted: BTreeSet<String> = BTreeSet::new();
        let mut todo = Vec::new();
        for n in names {
            if known.contains(&n.name.as_str()) {
                todo.push(n.name.clone());
            } else {
                self.sink.push(errors::import_unknown(&n.name, path, n.span, &known));
            }
        }
        while let Some(name) = todo.pop() {
            if wanted.insert(name.clone()) {
                let own = all.iter().filter(|i| defines(i).is_some_and(|n| n.name == name));
                // Words of the text: at worst a definition too many comes along.
                for word in own.flat_map(|i| words(self.sources.text(i.span))) {
                    if known.contains(&word) && !ROLES.contains(&word) {
                        todo.push(word.to_owned());
                    }
                }
            }
        }
        all.into_iter().filter(|i| defines(i).is_some_and(|n| wanted.contains(&n.name))).collect()
    }

    /// `use std.paths (vp)`: the names exist, and the file does not give them another meaning.
    fn library(&mut self, parts: &[ast::Ident], span: Span, names: &[ast::Ident], items: &[ast::Item]) {
        let module: Vec<&str> = parts.iter().map(|p| p.name.as_str()).collect();
        let inside = module.split_first().filter(|(std, _)| **std == "std").map(|(_, rest)| rest.join("/"));
        let belongs = |path: &str| {
            inside.as_ref().is_some_and(|m| {
                m.is_empty() || path.strip_prefix(m.as_str()).is_some_and(|r| r.starts_with('/') || r == ".flow")
            })
        };
        let texts: Vec<&str> = stdlib::FILES.iter().filter(|(p, _)| belongs(p)).map(|(_, t)| *t).collect();
        if texts.is_empty() {
            let mut known: Vec<String> = stdlib::FILES.iter().map(|(p, _)| format!("std.{}", first(p))).collect();
            known.dedup();
            self.sink.push(errors::no_such_module(&module.join("."), span, &known));
            return;
        }
        let known: BTreeSet<&str> = texts.iter().flat_map(|t| stdlib::names(t)).collect();
        let known: Vec<&str> = known.into_iter().collect();
        for n in names {
            if !known.contains(&n.name.as_str()) {
                self.sink.push(errors::import_unknown(&n.name, &module.join("."), n.span, &known));
            } else if let Some(own) = items.iter().filter_map(defines).find(|o| o.name == n.name) {
                self.sink.push(errors::import_clash(&n.name, own.span, n.span));
            }
        }
    }
}

/// The first folder or file of a library path.
fn first(path: &str) -> &str {
    path.split('/').next().unwrap_or(path).trim_end_matches(".flow")
}

/// Names in a text.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|w| !w.is_empty())
}

/// `a/./b/../c` as `a/c`, without asking the file system.
#[must_use]
pub fn tidy(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut out = PathBuf::new();
    for c in path.components() {
        match c {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}
