//! Buffers of the pass back: cotangents of every column, and places in blocks.
//!
//! Deliberately absent: what is done with them ([`super::backward`]).

use super::chunk::Sizes;
use super::real::Real;
use super::rhs::Transposed;
use crate::backend::{LANES, PANEL};

/// Values of every column: those of a march's sweep, or, between them, those of the samples in order.
#[derive(Debug, Default)]
pub(super) struct Columns<T> {
    /// Cotangent of the state after the step. `[tile][dim][LANES]`
    pub y: Vec<T>,
    /// Cotangent of the slope at that state. `[tile][dim][LANES]`
    pub held: Vec<T>,
    /// `[tile][caps][LANES]`
    pub captures: Vec<T>,
    /// Times.
    pub t0: Vec<f64>,
    pub t1: Vec<f64>,
    /// Whether the sample has taken a step, later than what has been passed.
    pub stepped: Vec<bool>,
}

/// Buffers of one thread, kept between chunks.
#[derive(Debug, Default)]
pub struct Room<T> {
    pub(super) home: Columns<T>,
    pub(super) here: Columns<T>,
    /// Input blocks; captures stay in place while the columns do. `[tile][rows][LANES]`
    pub(super) inputs: Vec<T>,
    /// The input block of a stage.
    pub(super) covered: Vec<T>,
    pub(super) record: Vec<T>,
    pub(super) bars: Vec<T>,
    /// What stages collect, not yet multiplied with the step. `[slot][dim][LANES]`
    pub(super) collected: Vec<T>,
    pub(super) slope: Vec<T>,
    pub(super) y_new: Vec<T>,
    pub(super) scratch: Vec<T>,
}

pub(super) fn fit<T: Clone + Default>(buffer: &mut Vec<T>, len: usize) {
    buffer.clear();
    buffer.resize(len, T::default());
}

impl<T: Real> Room<T> {
    /// Zeros of the sizes that a chunk of `tiles` tiles needs; `slots` of slopes.
    pub(super) fn fit_all(&mut self, tiles: usize, sizes: Sizes, slots: usize, rhs: &dyn Transposed<T>) {
        self.home.fit(tiles, sizes.dim, rhs.caps());
        self.here.fit(tiles, sizes.dim, rhs.caps());
        fit(&mut self.inputs, tiles * sizes.rows * LANES);
        fit(&mut self.covered, sizes.rows * LANES);
        fit(&mut self.record, rhs.record_rows() * LANES);
        fit(&mut self.bars, rhs.bars().rows * LANES);
        fit(&mut self.collected, slots * sizes.dim * LANES);
        fit(&mut self.slope, sizes.dim * LANES);
        fit(&mut self.y_new, sizes.dim * LANES);
        fit(&mut self.scratch, rhs.scratch_len());
    }
}

impl<T: Real> Columns<T> {
    pub fn fit(&mut self, tiles: usize, dim: usize, caps: usize) {
        fit(&mut self.y, tiles * dim * LANES);
        fit(&mut self.held, tiles * dim * LANES);
        fit(&mut self.captures, tiles * caps * LANES);
        fit(&mut self.t0, tiles * LANES);
        fit(&mut self.t1, tiles * LANES);
        fit(&mut self.stepped, tiles * LANES);
    }

    /// `self[to] = other[from]`
    pub fn copy(&mut self, to: usize, other: &Columns<T>, from: usize, dim: usize, caps: usize) {
        let rows = |to_block: &mut [T], from_block: &[T], rows: usize| {
            for row in 0..rows {
                to_block[place(to, row, rows)] = from_block[place(from, row, rows)];
            }
        };
        rows(&mut self.y, &other.y, dim);
        rows(&mut self.held, &other.held, dim);
        rows(&mut self.captures, &other.captures, caps);
        self.t0[to] = other.t0[from];
        self.t1[to] = other.t1[from];
        self.stepped[to] = other.stepped[from];
    }
}

/// Where a row of a column stands in blocks of `rows` rows.
pub(super) fn place(column: usize, row: usize, rows: usize) -> usize {
    (column / LANES * rows + row) * LANES + column % LANES
}

/// Copies of lane `first` in the lanes that `taken` does not hold for.
pub(super) fn cover<T: Copy>(block: &mut [T], taken: &[bool; LANES], first: usize, panels: usize) {
    if taken[..panels * PANEL].iter().all(|&t| t) {
        return;
    }
    for row in block.chunks_exact_mut(LANES) {
        let value = row[first];
        for (x, &taken) in row.iter_mut().zip(taken).take(panels * PANEL) {
            if !taken {
                *x = value;
            }
        }
    }
}
