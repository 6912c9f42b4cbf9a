//! Mean 0 and deviation 1 on the rows that train.

use super::table::{Column, Scale};
use std::io::Result;

/// How values are standardised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standardize {
    /// Each element by itself; one that is constant is only shifted.
    PerFeature,
    /// All elements together.
    Global,
}

/// Mean and sum of squared distances from it, value by value.
///
/// Source: B. P. Welford, Note on a method for calculating corrected sums of squares and products, Technometrics 4 (1962).
#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, x: f64) {
        self.count += 1.0;
        let before = x - self.mean;
        self.mean += before / self.count;
        self.squares += before * (x - self.mean);
    }

    fn deviation(&self) -> f64 {
        let variance = self.squares / self.count;
        if variance > 0.0 { variance.sqrt() } else { 1.0 }
    }
}

/// One pass over the `rows` rows of a column, of which those in `train` count.
///
/// # Errors
/// What the system says of a file that was there when it was looked at.
pub fn of(column: &Column, rows: usize, train: &[u32], how: Standardize) -> Result<Scale> {
    let width = column.width();
    let mut counts = vec![false; rows];
    train.iter().for_each(|r| counts[*r as usize] = true);
    let mut all = vec![Moments::default(); if how == Standardize::PerFeature { width } else { 1 }];
    column.cells.each(rows, width, |row, values| {
        if counts[row] {
            let last = all.len() - 1;
            values.iter().enumerate().for_each(|(k, x)| all[k.min(last)].add(*x));
        }
    })?;
    let of = |k: usize| &all[k.min(all.len() - 1)];
    let mean = (0..width).map(|k| of(k).mean).collect();
    Ok(Scale { mean, deviation: (0..width).map(|k| of(k).deviation()).collect() })
}
