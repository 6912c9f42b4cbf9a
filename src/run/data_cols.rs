//! Columns that come from outside of the program: rows of a file, pairs of a coupling.
//!
//! A step -> for each `Input`, one row a sample. A source is asked for steps ahead of time and by any worker, so what it gives
//! depends on the step only. [`DataRows`] gives minibatches of [`Rows`], each epoch in an order of its own. Deliberately
//! absent: files, couplings.

use super::Real;
use crate::diag::Diagnostic;
use crate::ir::{InputDecl, InputId};
use crate::rng;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The columns of one step: for each input, row-major `[sample][element]`.
#[derive(Clone, Debug)]
pub struct Columns<T> {
    samples: usize,
    blocks: Vec<Vec<T>>,
}

impl<T: Real> Columns<T> {
    /// Zeros for `samples` samples of every input.
    #[must_use]
    pub fn zeros(inputs: &[InputDecl], samples: usize) -> Columns<T> {
        let width = |d: &InputDecl| d.shape.iter().product::<usize>();
        Columns { samples, blocks: inputs.iter().map(|d| vec![T::default(); samples * width(d)]).collect() }
    }

    /// How many samples there are.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The block of an input.
    #[must_use]
    pub fn block(&self, input: InputId) -> &[T] {
        &self.blocks[input.0 as usize]
    }

    /// The block of an input, to be filled.
    pub fn block_mut(&mut self, input: InputId) -> &mut [T] {
        &mut self.blocks[input.0 as usize]
    }
}

/// Gives the columns of steps.
///
/// Steps are asked for ahead of time, by several workers at once, each step once; after an interruption, again from any
/// step. So what is given may depend on `step` only.
pub trait ColumnSource<T>: Send + Sync {
    /// Fills the blocks that this source is in charge of. `step` counts from 0.
    ///
    /// # Errors
    /// Whatever keeps the source from giving columns; the run ends with it.
    fn fill(&self, step: u64, columns: &mut Columns<T>) -> Result<(), Box<Diagnostic>>;
}

/// Several sources, each in charge of other inputs.
impl<T: Real> ColumnSource<T> for Vec<Box<dyn ColumnSource<T>>> {
    fn fill(&self, step: u64, columns: &mut Columns<T>) -> Result<(), Box<Diagnostic>> {
        self.iter().try_for_each(|source| source.fill(step, columns))
    }
}

/// Orders of the epochs of `n` rows: what is asked for at position `p` is row `p mod n` of epoch `p div n`, and every epoch
/// permutes the rows by (seed, purpose, epoch).
#[derive(Debug)]
pub struct RowOrder {
    rows: usize,
    seed: u64,
    purpose: String,
    /// Orders of the epochs that were asked for last.
    orders: Mutex<Vec<(u64, Arc<[u32]>)>>,
}

/// Orders that are remembered: workers ask for steps on both sides of an epoch's end.
const REMEMBERED: usize = 4;

impl RowOrder {
    /// `None` unless there are 1 to 2^32 rows.
    #[must_use]
    pub fn new(rows: usize, seed: u64, purpose: impl Into<String>) -> Option<RowOrder> {
        let fits = rows > 0 && u32::try_from(rows).is_ok();
        fits.then(|| RowOrder { rows, seed, purpose: purpose.into(), orders: Mutex::default() })
    }

    /// The rows of an epoch in its order.
    fn order(&self, epoch: u64) -> Arc<[u32]> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, order)) = orders.iter().find(|(e, _)| *e == epoch) {
            return order.clone();
        }
        let order: Arc<[u32]> =
            rng::permutation(self.rows, self.seed, &self.purpose, epoch).into_iter().map(|row| row as u32).collect();
        if orders.len() == REMEMBERED {
            orders.remove(0);
        }
        orders.push((epoch, order.clone()));
        order
    }

    /// The rows at `count` positions from `first` on.
    #[must_use]
    pub fn rows(&self, first: u64, count: usize) -> Vec<u32> {
        let n = self.rows as u64;
        let mut epoch = first / n;
        let mut order = self.order(epoch);
        (first..first + count as u64)
            .map(|at| {
                if at / n != epoch {
                    epoch = at / n;
                    order = self.order(epoch);
                }
                order[(at % n) as usize]
            })
            .collect()
    }
}

/// Rows that can be read in any order, by several threads at once.
pub trait Rows<T>: fmt::Debug + Send + Sync {
    /// How many rows there are.
    fn count(&self) -> usize;

    /// Elements of a row.
    fn width(&self) -> usize;

    /// Writes a row to `out`.
    ///
    /// # Errors
    /// Whatever keeps the row from being read; the run ends with it.
    fn read(&self, row: usize, out: &mut [T]) -> Result<(), Box<Diagnostic>>;

    /// Writes as many elements of a row as `out` takes, from element `first` on.
    ///
    /// # Errors
    /// As [`Rows::read`].
    fn read_part(&self, row: usize, first: usize, out: &mut [T]) -> Result<(), Box<Diagnostic>>
    where
        T: Real,
    {
        let mut whole = vec![T::default(); self.width()];
        self.read(row, &mut whole)?;
        out.copy_from_slice(&whole[first..first + out.len()]);
        Ok(())
    }
}

/// Rows in memory.
#[derive(Clone, Debug)]
pub struct Block<T> {
    /// Row-major.
    pub values: Arc<[T]>,
    /// Elements of a row, at least one.
    pub width: usize,
}

impl<T: Real> Rows<T> for Block<T> {
    fn count(&self) -> usize {
        self.values.len() / self.width
    }

    fn width(&self) -> usize {
        self.width
    }

    fn read(&self, row: usize, out: &mut [T]) -> Result<(), Box<Diagnostic>> {
        self.read_part(row, 0, &mut out[..self.width])
    }

    fn read_part(&self, row: usize, first: usize, out: &mut [T]) -> Result<(), Box<Diagnostic>> {
        let at = row * self.width + first;
        out.copy_from_slice(&self.values[at..at + out.len()]);
        Ok(())
    }
}

/// Minibatches of rows, without replacement: sample `i` of step `s` of batch size `b` is what [`RowOrder`] has at position
/// `s b + i`. All parts of a sample are of one row.
#[derive(Debug)]
pub struct DataRows<T> {
    parts: Vec<Part<T>>,
    order: RowOrder,
}

/// What one input receives of a row.
#[derive(Clone, Debug)]
pub struct Part<T> {
    /// The input.
    pub input: InputId,
    /// Where it comes from.
    pub rows: Arc<dyn Rows<T>>,
}

impl<T: Real> DataRows<T> {
    /// Gives `values`, row-major, `width` elements each, to `input`. `None` if there is not a whole, positive number of rows
    /// (at most 2^32).
    #[must_use]
    pub fn new(input: InputId, values: Arc<[T]>, width: usize, seed: u64) -> Option<DataRows<T>> {
        let whole = values.len().checked_rem(width) == Some(0);
        let rows = Arc::new(Block { values, width });
        whole.then(|| DataRows::of(vec![Part { input, rows }], seed, "epoch"))?
    }

    /// Gives several parts of a row to as many inputs; `purpose` keys the order. `None` if parts differ in their rows.
    #[must_use]
    pub fn of(parts: Vec<Part<T>>, seed: u64, purpose: impl Into<String>) -> Option<DataRows<T>> {
        let count = parts.first()?.rows.count();
        let fits = parts.iter().all(|p| p.rows.count() == count);
        let order = RowOrder::new(count, seed, purpose).filter(|_| fits)?;
        Some(DataRows { parts, order })
    }

    /// How many rows there are: the samples of an epoch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.rows
    }

    /// Never: there is at least one row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }
}

impl<T: Real> ColumnSource<T> for DataRows<T> {
    fn fill(&self, step: u64, columns: &mut Columns<T>) -> Result<(), Box<Diagnostic>> {
        let rows = self.order.rows(step * columns.samples() as u64, columns.samples());
        for part in &self.parts {
            let width = part.rows.width().max(1);
            for (row, out) in rows.iter().zip(columns.block_mut(part.input).chunks_exact_mut(width)) {
                part.rows.read(*row as usize, out)?;
            }
        }
        Ok(())
    }
}
