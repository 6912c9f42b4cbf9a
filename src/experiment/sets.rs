//! The rows of sets at run time: what fills the inputs of programs that draw from data.
//!
//! `RowsInput` (set, part, site) + seed, purpose and position -> rows. Sets of draws are made once a seed. Which rows: those that
//! train while training (and where a metric needs a second true set), those that judge otherwise. Invariant: what a sample reads
//! depends on seed, purpose, site and its position alone. Deliberately absent: files.

use super::programs::{Compiled, Draw};
use crate::backend::Backend;
use crate::data::Split;
use crate::diag::{Code, Diagnostic};
use crate::elaborate::Set;
use crate::elaborate::sets::Rows;
use crate::ir::{InputId, Program, RowsInput};
use crate::plan;
use crate::run::Real;
use crate::run::data_cols::{ColumnSource, DataRows, Part, RowOrder};
use crate::run::pool::Pool;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The rows of one split: a block for each part of a row, with the elements of a row.
struct SplitRows<T> {
    count: usize,
    parts: Vec<(Arc<[T]>, usize)>,
}

/// The splits of a set.
type Made<T> = Arc<[SplitRows<T>; 3]>;

/// The sets of a run.
pub struct Store<T: Real> {
    sets: Vec<Arc<Set>>,
    drawers: Vec<Option<Compiled<T>>>,
    made: Mutex<HashMap<(u32, u64), Made<T>>>,
}

/// Which rows a purpose reads; training reads `Train` whatever else there is.
fn split(set: &Set, purpose: &str) -> Split {
    match purpose {
        "train" | "dataset" | "floor" => Split::Train,
        "validate" if set.count(Split::Validation) > 0 => Split::Validation,
        _ => set.judged(),
    }
}

fn missing(what: &str) -> Diagnostic {
    Diagnostic::bare(Code::Internal, format!("a program reads {what}"))
}

impl<T: Real> Store<T> {
    /// Compiles what draws sets.
    pub fn new(sets: &[Arc<Set>], backend: &dyn Backend<T>, pool: Pool) -> Result<Arc<Store<T>>, Diagnostic> {
        let mut store = Store { sets: sets.to_vec(), drawers: vec![], made: Mutex::default() };
        for set in sets {
            let drawer = match &set.rows {
                Rows::Table(_) | Rows::Windows { .. } => None,
                Rows::Drawn(d) => {
                    let default_solver = d.default_solver.clone();
                    let Some(default_solver) = default_solver else { return Err(missing("a set without a solver")) };
                    let f = plan::Forward { program: d.program.clone(), solvers: d.solvers.clone(), default_solver };
                    Some(Compiled::solving(&f, backend, pool)?)
                }
            };
            store.drawers.push(drawer);
        }
        Ok(Arc::new(store))
    }

    /// How many rows a split of a set has.
    pub fn count(&self, rows: &RowsInput, purpose: &str) -> usize {
        self.sets.get(rows.set as usize).map_or(0, |s| s.count(split(s, purpose)))
    }

    /// The rows of a set with a seed.
    fn made(&self, set: u32, seed: u64) -> Result<Made<T>, Diagnostic> {
        let known = |s: &Self| s.made.lock().unwrap_or_else(PoisonError::into_inner).get(&(set, seed)).cloned();
        if let Some(m) = known(self) {
            return Ok(m);
        }
        let of = self.sets.get(set as usize).ok_or_else(|| missing("a set that is not there"))?;
        let made: Made<T> = Arc::new(match &of.rows {
            Rows::Table(table) => Split::ALL.map(|split| {
                let rows = table.split(split);
                let column = |c: &crate::data::Column| {
                    let w = c.width();
                    let values = rows.iter().flat_map(|&r| &c.values[r as usize * w..(r as usize + 1) * w]);
                    (values.map(|v| T::from_f64(*v)).collect(), w)
                };
                let mut parts: Vec<(Arc<[T]>, usize)> = table.columns.iter().map(column).collect();
                if let Some(l) = &table.labels {
                    parts.push((rows.iter().map(|&r| T::from_f64(f64::from(l.of[r as usize]))).collect(), 1));
                }
                SplitRows { count: rows.len(), parts }
            }),
            Rows::Windows { of: whole, times, length } => {
                let rows = self.made(whole.id, seed)?;
                let windows = |rows: &SplitRows<T>| {
                    let part = |(values, width): &(Arc<[T]>, usize)| {
                        let inner = width / times;
                        let runs = values
                            .chunks_exact((*width).max(1))
                            .flat_map(|row| row.windows(length * inner).step_by(inner));
                        (runs.flatten().copied().collect(), length * inner)
                    };
                    SplitRows { count: rows.count * (times - length + 1), parts: rows.parts.iter().map(part).collect() }
                };
                [windows(&rows[0]), windows(&rows[1]), windows(&rows[2])]
            }
            Rows::Drawn(_) => {
                let drawer = self.drawers[set as usize].as_ref().ok_or_else(|| missing("a set that nothing draws"))?;
                let n: usize = of.counts.iter().sum();
                let drawn = drawer.run(&[], Draw { seed, purpose: "dataset", step: 0 }, n, &[])?;
                let mut first = 0;
                Split::ALL.map(|split| {
                    let range = first..first + of.count(split);
                    first = range.end;
                    let part = |o: &crate::run::forward::Output<T>| {
                        let w = o.shape.iter().product::<usize>().max(1);
                        (o.values[range.start * w..range.end * w].into(), w)
                    };
                    SplitRows { count: range.len(), parts: drawn.outputs.iter().map(part).collect() }
                })
            }
        });
        self.made.lock().unwrap_or_else(PoisonError::into_inner).insert((set, seed), made.clone());
        Ok(made)
    }

    /// What `n` samples of a pass read, from position `first` on.
    pub fn block(&self, rows: &RowsInput, draw: Draw<'_>, first: u64, n: usize) -> Result<Vec<T>, Diagnostic> {
        let set = self.sets.get(rows.set as usize).ok_or_else(|| missing("a set that is not there"))?;
        let made = self.made(rows.set, draw.seed)?;
        let of = &made[split(set, draw.purpose) as usize];
        let order = RowOrder::new(of.count, draw.seed, format!("{} {}", draw.purpose, rows.site));
        let (Some(order), Some((values, width))) = (order, of.parts.get(rows.part as usize)) else {
            return Err(missing("rows that are not there"));
        };
        let picked = order.rows(first, n);
        Ok(picked.iter().flat_map(|&r| &values[r as usize * width..(r as usize + 1) * width]).copied().collect())
    }

    /// The sources of the rows that a training program reads: all parts of one draw are of one row.
    pub fn sources(&self, program: &Program, seed: u64) -> Result<Vec<Box<dyn ColumnSource<T>>>, Diagnostic> {
        let mut draws: Vec<(&RowsInput, Vec<Part<T>>)> = Vec::new();
        for (k, rows) in program.inputs.iter().enumerate().filter_map(|(k, d)| Some((k, d.rows.as_ref()?))) {
            let made = self.made(rows.set, seed)?;
            let of = &made[Split::Train as usize];
            let (values, width) = of.parts.get(rows.part as usize).ok_or_else(|| missing("rows that are not there"))?;
            let part = Part { input: InputId(k as u32), rows: values.clone(), width: *width };
            match draws.iter_mut().find(|(o, _)| (o.set, &o.site) == (rows.set, &rows.site)) {
                Some((_, parts)) => parts.push(part),
                None => draws.push((rows, vec![part])),
            }
        }
        let mut sources: Vec<Box<dyn ColumnSource<T>>> = Vec::new();
        for (rows, parts) in draws {
            let source = DataRows::of(parts, seed, format!("train {}", rows.site));
            sources.push(Box::new(source.ok_or_else(|| missing("a set without rows"))?));
        }
        Ok(sources)
    }
}
