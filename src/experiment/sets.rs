//! The rows of sets at run time: what fills the inputs of programs that draw from data.
//!
//! `RowsInput` (set, part, site) + seed, purpose and position -> rows. Sets of draws are made once a seed. Which rows: those that
//! train while training (and where a metric needs a second true set), those that judge otherwise. Invariant: what a sample reads
//! depends on seed, purpose, site and its position alone. Deliberately absent: formats of files.

use super::programs::{Compiled, Draw};
use crate::backend::Backend;
use crate::data::{Scale, Split, Table};
use crate::diag::{Code, Diagnostic};
use crate::elaborate::Set;
use crate::elaborate::sets::Rows as Source;
use crate::ir::{InputId, Op, Program, RowsInput};
use crate::plan;
use crate::run::Real;
use crate::run::data_cols::{Block, ColumnSource, DataRows, Part, RowOrder, Rows};
use crate::run::pool::Pool;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The rows of one split: each part of a row.
struct SplitRows<T> {
    count: usize,
    parts: Vec<Arc<dyn Rows<T>>>,
}

/// Rows of a file that is read while the run is at work.
#[derive(Debug)]
struct Stored {
    set: Arc<Set>,
    table: Arc<Table>,
    column: usize,
    split: Split,
}

impl<T: Real> Rows<T> for Stored {
    fn count(&self) -> usize {
        self.table.split(self.split).len()
    }

    fn width(&self) -> usize {
        self.table.columns[self.column].width()
    }

    fn read(&self, row: usize, out: &mut [T]) -> Result<(), Box<Diagnostic>> {
        let mut values = vec![0.0; out.len()];
        let row = self.table.split(self.split)[row];
        self.table.columns[self.column].read(row as usize, &mut values).map_err(|e| unreadable(&self.set, row, &e))?;
        out.iter_mut().zip(values).for_each(|(x, v)| *x = T::from_f64(v));
        Ok(())
    }
}

/// Runs of neighbours along the first axis of rows.
#[derive(Debug)]
struct Neighbours<T> {
    of: Arc<dyn Rows<T>>,
    /// Extent of the axis, and how much of it is taken.
    times: usize,
    length: usize,
}

impl<T: Real> Rows<T> for Neighbours<T> {
    fn count(&self) -> usize {
        self.of.count() * (self.times - self.length + 1)
    }

    fn width(&self) -> usize {
        self.of.width() / self.times * self.length
    }

    fn read(&self, row: usize, out: &mut [T]) -> Result<(), Box<Diagnostic>> {
        let (each, inner) = (self.times - self.length + 1, self.of.width() / self.times);
        self.of.read_part(row / each, row % each * inner, out)
    }
}

/// `E0816`: a file that was sound when the run began.
fn unreadable(set: &Set, row: u32, e: &std::io::Error) -> Box<Diagnostic> {
    let why = match e.kind() {
        std::io::ErrorKind::UnexpectedEof => "the file has become shorter".to_owned(),
        _ => crate::folder::reason(e),
    };
    let message = format!("row {row} of {} cannot be read any more: {why}", set.name);
    let d = Diagnostic::new(Code::DataFormat, message, set.span, "these data");
    Box::new(d.help("put the file back as it was, and go on with `flowc run --resume`"))
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
                Source::Table(_) | Source::Windows { .. } => None,
                Source::Drawn(d) => {
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

    /// What the classes of a program's draws are called, if it draws from data with named classes.
    pub fn names(&self, program: &Program) -> Option<&[String]> {
        let sets = program.inputs.iter().filter_map(|d| d.rows.as_ref()).filter_map(|r| self.sets.get(r.set as usize));
        sets.filter_map(|s| s.classes.as_deref()).next()
    }

    /// How the rows of a file that are a program's draws were standardised; nothing if its draws are something else.
    pub fn scale(&self, program: &Program) -> Option<&Scale> {
        let Op::Input(id) = program.dag.op(program.output("x")?) else { return None };
        let rows = program.inputs[id.0 as usize].rows.as_ref()?;
        match &self.sets.get(rows.set as usize)?.rows {
            Source::Table(table) => table.columns.get(rows.part as usize)?.scale.as_ref(),
            Source::Windows { .. } | Source::Drawn(_) => None,
        }
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
            Source::Table(table) => {
                let mut splits = Vec::new();
                for split in Split::ALL {
                    splits.push(self.split_of(of, table, split)?);
                }
                splits.try_into().map_err(|_| missing("a set without its splits"))?
            }
            Source::Windows { of: whole, times, length } => {
                let rows = self.made(whole.id, seed)?;
                let windows = |rows: &SplitRows<T>| {
                    let part = |of: &Arc<dyn Rows<T>>| -> Arc<dyn Rows<T>> {
                        Arc::new(Neighbours { of: of.clone(), times: *times, length: *length })
                    };
                    SplitRows { count: rows.count * (times - length + 1), parts: rows.parts.iter().map(part).collect() }
                };
                [windows(&rows[0]), windows(&rows[1]), windows(&rows[2])]
            }
            Source::Drawn(_) => {
                let drawer = self.drawers[set as usize].as_ref().ok_or_else(|| missing("a set that nothing draws"))?;
                let n: usize = of.counts.iter().sum();
                let drawn = drawer.run(&[], Draw { seed, purpose: "dataset", step: 0 }, n, &[])?;
                let mut first = 0;
                Split::ALL.map(|split| {
                    let range = first..first + of.count(split);
                    first = range.end;
                    let part = |o: &crate::run::forward::Output<T>| -> Arc<dyn Rows<T>> {
                        let width = o.shape.iter().product::<usize>().max(1);
                        Arc::new(Block { values: o.values[range.start * width..range.end * width].into(), width })
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
        let (Some(order), Some(part)) = (order, of.parts.get(rows.part as usize)) else {
            return Err(missing("rows that are not there"));
        };
        let width = part.width();
        let mut out = vec![T::default(); n * width];
        for (k, row) in order.rows(first, n).into_iter().enumerate() {
            part.read(row as usize, &mut out[k * width..(k + 1) * width]).map_err(|d| *d)?;
        }
        Ok(out)
    }

    /// The rows of a split of a table: in memory what the table has there.
    fn split_of(&self, set: &Arc<Set>, table: &Arc<Table>, split: Split) -> Result<SplitRows<T>, Diagnostic> {
        let rows = table.split(split);
        let mut parts: Vec<Arc<dyn Rows<T>>> = Vec::new();
        for (column, c) in table.columns.iter().enumerate() {
            let stored = Stored { set: set.clone(), table: table.clone(), column, split };
            if !c.cells.in_memory() {
                parts.push(Arc::new(stored));
                continue;
            }
            let width = c.width();
            let mut values = vec![T::default(); rows.len() * width];
            for (row, out) in values.chunks_exact_mut(width).enumerate() {
                stored.read(row, out).map_err(|d| *d)?;
            }
            parts.push(Arc::new(Block { values: values.into(), width }));
        }
        if let Some(l) = &table.labels {
            let values = rows.iter().map(|&r| T::from_f64(f64::from(l.of[r as usize]))).collect();
            parts.push(Arc::new(Block { values, width: 1 }));
        }
        Ok(SplitRows { count: rows.len(), parts })
    }

    /// The sources of the rows that a training program reads: all parts of one draw are of one row.
    pub fn sources(&self, program: &Program, seed: u64) -> Result<Vec<Box<dyn ColumnSource<T>>>, Diagnostic> {
        let mut draws: Vec<(&RowsInput, Vec<Part<T>>)> = Vec::new();
        for (k, rows) in program.inputs.iter().enumerate().filter_map(|(k, d)| Some((k, d.rows.as_ref()?))) {
            let made = self.made(rows.set, seed)?;
            let of = &made[Split::Train as usize];
            let from = of.parts.get(rows.part as usize).ok_or_else(|| missing("rows that are not there"))?;
            let part = Part { input: InputId(k as u32), rows: from.clone() };
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
