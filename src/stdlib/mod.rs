//! The standard library: `.flow` files embedded under virtual names `<std/...>`.
//!
//! Input: the folder `stdlib/`, listed by `build.rs`; output: its files' texts and trees. Invariant: a file that stands in the
//! folder is in the library, so a new one touches no Rust. Deliberately absent: anything that the language can say.

pub mod docs;

use crate::diag::Sink;
use crate::source::SourceMap;
use crate::syntax::{self, ast};

/// Every library file, sorted: its path under `stdlib/` and its text.
pub const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/stdlib.rs"));

/// What the library is, folder by folder: `# folder` headings, a paragraph each.
pub const ABOUT: &str = include_str!("../../stdlib/README.md");

/// Parses every library file, adding each to the sources.
pub fn parse_all(sources: &mut SourceMap, sink: &mut Sink) -> Vec<ast::File> {
    FILES
        .iter()
        .map(|(path, text)| {
            let id = sources.add(format!("<std/{path}>"), *text, true);
            syntax::parse(id, text, sink)
        })
        .collect()
}
