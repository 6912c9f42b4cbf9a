//! Names to definitions.
//!
//! `ast::File` of the user, plus the library files that it reaches -> [`Module`]: every top-level name with its definition,
//! and for every body the set of names that a derivative operator differentiates in. Reports unknown, duplicate and unused
//! names. Invariant: a name that elaboration looks up and that was not reported here exists. Deliberately absent: values.

mod errors;
mod foreign;
pub mod imports;
mod library;
mod names;
mod places;
pub mod settings;
mod walk;

pub use names::{Def, FunDef, LawDef, Module, Origin};
pub use walk::{derivative_targets, free_names};

use crate::diag::Sink;
use crate::source::SourceMap;
use crate::syntax::ast;
use std::collections::HashSet;

/// Names with a role that the library may read from the user's file.
pub const ROLES: [&str; 2] = ["source", "target"];

/// Indexes the user's file and the library, and checks every name of the user's file.
///
/// A declaration that did not parse is missing from the tree: its name is not reported as unknown.
pub fn resolve(file: &ast::File, sources: &mut SourceMap, sink: &mut Sink) -> Module {
    let broken = sink.has_errors();
    let mut module = names::index(file, sources, sink);
    let lost = if broken { walk::words_declared(&sources.file(file.id).text) } else { HashSet::new() };
    walk::check_names(file, &mut module, lost, sink);
    module
}
