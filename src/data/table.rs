//! What a file comes to.

use super::cells::Cells;
use std::io::Result;

/// What the rows of a set are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// Rows that training sees.
    Train,
    /// Rows to look at meanwhile.
    Validation,
    /// Rows that judge.
    Test,
}

impl Split {
    /// All of them, in the order of `split: [train, validation, test]`.
    pub const ALL: [Split; 3] = [Split::Train, Split::Validation, Split::Test];
}

/// Equally long columns.
#[derive(Clone, Debug)]
pub struct Table {
    /// Rows of every column.
    pub rows: usize,
    /// What a row holds, in order.
    pub columns: Vec<Column>,
    /// A class for each row.
    pub labels: Option<Labels>,
    /// The rows of each split, in the order of [`Split::ALL`].
    pub splits: [Vec<u32>; 3],
    /// The greatest absolute value that a row gives.
    pub greatest: f64,
    /// What tells whether the files behind it are still the same.
    pub fingerprint: String,
}

impl Table {
    /// The rows of a split.
    #[must_use]
    pub fn split(&self, split: Split) -> &[u32] {
        &self.splits[split as usize]
    }
}

/// One column: a tensor in each row.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Shape of what a row holds.
    pub shape: Vec<usize>,
    /// The numbers as the file has them.
    pub cells: Cells,
    /// What is subtracted from them and what they are divided by.
    pub scale: Option<Scale>,
}

impl Column {
    /// Elements of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.shape.iter().product()
    }

    /// Reads a row: [`Column::width`] numbers, standardised if that was asked for.
    ///
    /// # Errors
    /// What the system says of a file that was there when it was looked at.
    pub fn read(&self, row: usize, out: &mut [f64]) -> Result<()> {
        self.cells.read(row, out)?;
        if let Some(s) = &self.scale {
            s.standardise(out);
        }
        Ok(())
    }
}

/// Classes of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// What the classes are called, in the order of their numbers.
    pub names: Vec<String>,
    /// The class of each row.
    pub of: Vec<u32>,
}

/// `given = (stored - mean) / deviation`, elementwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// Of each element of a row.
    pub mean: Vec<f64>,
    /// Of each element of a row, positive.
    pub deviation: Vec<f64>,
}

impl Scale {
    /// Rows of the file, one behind the other, to mean 0 and deviation 1.
    pub fn standardise(&self, rows: &mut [f64]) {
        self.each(rows, |x, mean, deviation| (x - mean) / deviation);
    }

    /// Back to the units of the file.
    pub fn restore(&self, rows: &mut [f64]) {
        self.each(rows, |x, mean, deviation| x * deviation + mean);
    }

    fn each(&self, rows: &mut [f64], f: impl Fn(f64, f64, f64) -> f64) {
        for row in rows.chunks_exact_mut(self.mean.len().max(1)) {
            for (x, (m, d)) in row.iter_mut().zip(self.mean.iter().zip(&self.deviation)) {
                *x = f(*x, *m, *d);
            }
        }
    }
}
