//! Buffers of the pass back: cotangents of every column, and places in blocks.
//!
//! Deliberately absent: what is done with them ([`super::pass`]).

use super::chunk::Sizes;
use super::dense::Inside;
use super::lu::Lu;
use super::newton::Newton;
use super::real::Real;
use super::rhs::Transposed;
use crate::backend::{LANES, PANEL};

/// Values of every column: those of a march's sweep, or, between them, those of the samples in order.
#[derive(Debug, Default)]
pub(super) struct Columns<T> {
    /// Cotangent of the state, or of the pair of states, after the step. `[tile][state][LANES]`
    pub y: Vec<T>,
    /// The pair itself, if steps are undone. `[tile][state][LANES]`
    pub pair: Vec<T>,
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
    /// Records of the stages of a step, one behind the other.
    pub(super) record: Vec<T>,
    pub(super) bars: Vec<T>,
    /// What stages collect, not yet multiplied with the step. `[slot][dim][LANES]`
    pub(super) collected: Vec<T>,
    pub(super) slope: Vec<T>,
    pub(super) y_new: Vec<T>,
    /// Slopes of a step that is made again or undone, and the states before one that is undone.
    pub(super) k: Vec<T>,
    pub(super) undone: Vec<T>,
    /// Cotangents of the states before a step that do not come through stages. `[state][LANES]`
    pub(super) before: Vec<T>,
    pub(super) inside: Inside<T>,
    pub(super) scratch: Vec<T>,
    pub(super) newton: Newton<T>,
    /// Matrices of an implicit stage, and scratch of their Jacobian.
    pub(super) lu: Lu<T>,
    pub(super) jacobian: Vec<T>,
}

fn zeros<T: Clone + Default>(buffer: &mut Vec<T>, len: usize) {
    buffer.clear();
    buffer.resize(len, T::default());
}

/// The length, with whatever stands there.
fn fit<T: Clone + Default>(buffer: &mut Vec<T>, len: usize) {
    buffer.resize(len, T::default());
}

impl<T: Real> Room<T> {
    /// The pairs of states at which the last pass back arrived, if it undid the steps: the initial state twice, to rounding.
    /// `[tile][2 dim][LANES]`, samples in order
    #[must_use]
    pub fn undone(&self) -> &[T] {
        &self.home.pair
    }

    /// The sizes that a chunk of `tiles` tiles needs; `slots` of slopes, records of `stages` stages; columns begin with zeros.
    /// `undone`: whether steps are undone.
    pub(super) fn fit_all(
        &mut self,
        tiles: usize,
        sizes: Sizes,
        slots: usize,
        stages: usize,
        undone: bool,
        rhs: &dyn Transposed<T>,
    ) {
        self.home.fit(tiles, sizes, undone, rhs.caps());
        self.here.fit(tiles, sizes, undone, rhs.caps());
        fit(&mut self.k, sizes.slots * sizes.dim * LANES);
        fit(&mut self.undone, if undone { sizes.state * LANES } else { 0 });
        fit(&mut self.before, sizes.state * LANES);
        fit(&mut self.inputs, tiles * sizes.rows * LANES);
        fit(&mut self.covered, sizes.rows * LANES);
        fit(&mut self.record, stages * rhs.record_rows() * LANES);
        fit(&mut self.bars, rhs.bars().rows * LANES);
        fit(&mut self.collected, slots * sizes.dim * LANES);
        fit(&mut self.slope, sizes.dim * LANES);
        fit(&mut self.y_new, sizes.dim * LANES);
        fit(&mut self.scratch, rhs.scratch_len());
    }
}

impl<T: Real> Columns<T> {
    fn fit(&mut self, tiles: usize, sizes: Sizes, undone: bool, caps: usize) {
        zeros(&mut self.y, tiles * sizes.state * LANES);
        zeros(&mut self.pair, if undone { tiles * sizes.state * LANES } else { 0 });
        zeros(&mut self.held, tiles * sizes.dim * LANES);
        zeros(&mut self.captures, tiles * caps * LANES);
        zeros(&mut self.t0, tiles * LANES);
        zeros(&mut self.t1, tiles * LANES);
        zeros(&mut self.stepped, tiles * LANES);
    }

    /// `self[to] = other[from]`
    pub fn copy(&mut self, to: usize, other: &Columns<T>, from: usize, sizes: Sizes, caps: usize) {
        let rows = |to_block: &mut [T], from_block: &[T], rows: usize| {
            for row in 0..rows {
                to_block[place(to, row, rows)] = from_block[place(from, row, rows)];
            }
        };
        rows(&mut self.y, &other.y, sizes.state);
        if !self.pair.is_empty() {
            rows(&mut self.pair, &other.pair, sizes.state);
        }
        rows(&mut self.held, &other.held, sizes.dim);
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
