//! Finite sets of samples as values: rows of a file, draws that are kept.
//!
//! A draw from a [`Set`] becomes inputs of the program ([`crate::ir::RowsInput`]), filled by the host with one row a sample:
//! from the rows that train when it trains, from those that judge when it evaluates. Deliberately absent: reading files
//! (`data`), materialising and shuffling rows (`run`, `experiment`).

use super::value::{Class, Seq, Value};
use super::{Elaborator, Res};
use crate::data::{Split, Table};
use crate::ir::{Program, RowsInput};
use crate::solve::SolverConfig;
use crate::source::Span;
use std::rc::Rc;
use std::sync::Arc;

/// A finite set of samples.
#[derive(Clone, Debug)]
pub struct Set {
    /// Its index in [`SetTable`] and [`crate::plan::RunPlan::sets`].
    pub id: u32,
    /// What to call it: the file, or the law.
    pub name: String,
    /// What a row holds, in order: a draw gives one value for each.
    pub items: Vec<Item>,
    /// What the classes of its labels are called, if it has labels: a draw gives one as its condition.
    pub classes: Option<Vec<String>>,
    /// How many rows each split has, in the order of [`Split::ALL`].
    pub counts: [usize; 3],
    /// Where the rows come from.
    pub rows: Rows,
    /// Where it was written.
    pub span: Span,
}

/// One value of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// A name for dumps.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
}

/// Where the rows of a set come from.
#[derive(Clone, Debug)]
pub enum Rows {
    /// A file, read when the spec was compiled.
    Table(Arc<Table>),
    /// Drawn by the host once for each seed, before training: an output for each item, then `label` if there are classes.
    Drawn(Box<Drawn>),
    /// All runs of `length` neighbours along the first axis, of extent `times`, of the rows of another set.
    Windows {
        /// The other set.
        of: Arc<Set>,
        /// Extent of the axis.
        times: usize,
        /// Neighbours taken.
        length: usize,
    },
}

/// A law of which so many draws are kept.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// Draws one row.
    pub program: Program,
    /// What `Solve::solver` indexes.
    pub solvers: Vec<SolverConfig>,
    /// For solves without a solver of their own.
    pub default_solver: Option<SolverConfig>,
}

impl Set {
    /// Rows of a split.
    #[must_use]
    pub fn count(&self, split: Split) -> usize {
        self.counts[split as usize]
    }

    /// Rows that judge: those of the test split, or all where nothing was split off.
    #[must_use]
    pub fn judged(&self) -> Split {
        if self.count(Split::Test) > 0 { Split::Test } else { Split::Train }
    }
}

/// The sets of one compilation: kept by the module, since every program is elaborated by itself.
#[derive(Debug, Default)]
pub struct SetTable {
    known: Vec<(String, Arc<Set>)>,
}

impl SetTable {
    /// The set of that key, made at most once.
    pub fn get(&self, key: &str) -> Option<Arc<Set>> {
        self.known.iter().find(|(k, _)| k == key).map(|(_, s)| s.clone())
    }

    /// Adds a set; gives it its id.
    pub fn add(&mut self, key: String, mut set: Set) -> Arc<Set> {
        set.id = self.known.len() as u32;
        let set = Arc::new(set);
        self.known.push((key, set.clone()));
        set
    }

    /// All of them, in the order of their ids.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Set>> {
        self.known.iter().map(|(_, s)| s.clone()).collect()
    }
}

impl Elaborator<'_> {
    /// One row: an input for each item, and one for the label.
    pub(crate) fn draw_row(&mut self, set: &Arc<Set>) -> Res<Value> {
        let site = self.sites.last_mut().expect("a root site").next("row");
        let mut items = Vec::new();
        for (part, item) in set.items.iter().enumerate() {
            let from = RowsInput { set: set.id, part: part as u32, site: site.clone() };
            items.push((None, Value::Node(self.rows_input(&item.name, item.shape.clone(), from))));
        }
        let condition = set.classes.as_ref().map(|names| {
            let from = RowsInput { set: set.id, part: set.items.len() as u32, site };
            let node = self.rows_input("label", vec![], from);
            Value::Class(Class { node, count: names.len() })
        });
        // A row of one value is that value.
        if let ([(None, one)], None) = (items.as_slice(), &condition) {
            return Ok(one.clone());
        }
        Ok(Value::Tuple(Rc::new(Seq { items, condition })))
    }
}
