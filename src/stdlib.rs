//! The standard library: `.flow` files embedded under virtual names `<std/...>`.
//!
//! Invariant: the list below is the list of files under `stdlib/` (a test holds it). Deliberately absent: anything that the
//! language can say.

use crate::diag::Sink;
use crate::source::SourceMap;
use crate::syntax::{self, ast};

macro_rules! files {
    ($($path:literal)*) => {
        /// Every library file: its path under `stdlib/` and its text.
        pub const FILES: &[(&str, &str)] = &[$(($path, include_str!(concat!("../stdlib/", $path)))),*];
    };
}

files! {
    "activations.flow"
    "facts.flow"
    "fields.flow"
    "laws.flow"
    "math.flow"
    "objectives.flow"
    "optimizers.flow"
    "paths.flow"
    "tableaux.flow"
    "toys.flow"
}

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
