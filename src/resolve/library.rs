//! The library's names, each file read when one of its names is first looked up.
//!
//! `stdlib::FILES` -> [`Library`]: which file declares a name, and that file's definitions once somebody asks. A spec reaches a
//! tenth of the library, and `flowc check` should answer between two keystrokes. Invariant: the places of all files are known
//! from the start, so that the order of questions changes no span. Deliberately absent: what a definition means.

use super::names::{self, Def, Origin};
use crate::diag::Sink;
use crate::source::{FileId, SourceMap};
use crate::stdlib;
use crate::syntax;
use std::cell::OnceCell;
use std::collections::BTreeMap;

/// Definitions of the library by name.
#[derive(Debug, Default)]
pub struct Library {
    /// Where each of `stdlib::FILES` stands among the sources, and its definitions.
    files: Vec<(FileId, OnceCell<BTreeMap<String, Def>>)>,
    /// The file that declares a name.
    names: BTreeMap<&'static str, usize>,
}

impl Library {
    /// Adds every file to the sources and reads none.
    pub(super) fn new(sources: &mut SourceMap) -> Library {
        let ids = stdlib::add_all(sources);
        let names = stdlib::FILES.iter().enumerate();
        Library {
            files: ids.into_iter().map(|id| (id, OnceCell::new())).collect(),
            names: names.flat_map(|(i, (_, text))| stdlib::names(text).map(move |n| (n, i))).collect(),
        }
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.names.keys().copied()
    }

    /// What a name means. A file that does not parse defines nothing: that each one does is a test of the library.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Def> {
        let file = *self.names.get(name)?;
        let (id, read) = &self.files[file];
        read.get_or_init(|| {
            let tree = syntax::parse(*id, stdlib::FILES[file].1, &mut Sink::default());
            let mut found = BTreeMap::new();
            names::add_items(&tree.items, Origin::Std, &mut found, &mut BTreeMap::new(), &mut Sink::default());
            found
        })
        .get(name)
    }
}
