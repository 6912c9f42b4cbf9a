//! The standard library: `.flow` files embedded under virtual names `<std/...>`.
//!
//! Input: the folder `stdlib/`, listed by `build.rs`; output: its files' texts and trees. Invariant: a file that stands in the
//! folder is in the library, so a new one touches no Rust. Deliberately absent: anything that the language can say.

pub mod docs;

use crate::diag::Sink;
use crate::source::{FileId, SourceMap};
use crate::syntax::{self, ast};

/// Every library file, sorted: its path under `stdlib/` and its text.
pub const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/stdlib.rs"));

/// What the library is, folder by folder: `# folder` headings, a paragraph each.
pub const ABOUT: &str = include_str!("../../stdlib/README.md");

/// Adds every library file to the sources, in the order of [`FILES`].
pub fn add_all(sources: &mut SourceMap) -> Vec<FileId> {
    FILES.iter().map(|(path, text)| sources.add(format!("<std/{path}>"), *text, true)).collect()
}

/// Parses every library file, adding each to the sources.
pub fn parse_all(sources: &mut SourceMap, sink: &mut Sink) -> Vec<ast::File> {
    let ids = add_all(sources);
    ids.into_iter().zip(FILES).map(|(id, (_, text))| syntax::parse(id, text, sink)).collect()
}

/// The names that a library file declares, in its order: its lines at the margin begin with a keyword and a name, or with a
/// name and `=`. Nothing is parsed; that the parser finds the same names is a test of the library. A law is named once for
/// each of its facets.
pub fn names(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let margin = line.starts_with(|c: char| c.is_ascii_alphabetic());
        let mut words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|w| !w.is_empty());
        let first = words.next().filter(|_| margin)?;
        if line[first.len()..].trim_start().starts_with('=') { Some(first) } else { words.next() }
    })
}
