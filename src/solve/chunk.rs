//! The samples that march together: their storage, and how the unfinished ones are packed to the front.
//!
//! Storage is tile-major, `[tile][row][LANES]`, so that what one tile needs lies together. A column is a place in the
//! chunk; which sample stands there changes only by packing, which keeps the order.

use super::control::Clock;
use super::dense::Inside;
use super::newton::Newton;
use super::real::Real;
use super::rhs::Rhs;
use super::statistics::SampleCount;
use super::stiffness::Suspicion;
use crate::backend::{LANES, PANEL};

/// What stands in a column besides its state.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lane {
    /// Sample of the chunk.
    pub id: u16,
    pub t0: f64,
    pub t1: f64,
    /// Time and step of this sweep; the step of a finished lane is 0.
    pub t: f64,
    pub h: f64,
    pub clock: Clock,
    /// Equal steps in all.
    pub fixed: u32,
    /// Next observation.
    pub next: u32,
    /// Whether it has reached its end, or is padding.
    pub done: bool,
    /// Whether this sweep's step was accepted.
    pub accepted: bool,
    /// Whether an implicit stage of this sweep did not converge, and the evaluations that such stages took.
    pub stalled: bool,
    pub iterations: u32,
    pub suspicion: Suspicion,
    pub count: SampleCount,
}

/// The step sizes of a run, sweep by sweep: what a backward pass or a replay needs besides states.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SweepLog {
    /// One for each sweep.
    pub sweeps: Vec<SweepRecord>,
    /// For each column of each sweep, its sample of the chunk.
    pub id: Vec<u16>,
    /// Whether its step was accepted.
    pub accepted: Vec<bool>,
    /// Time at the start of the step.
    pub t: Vec<f64>,
    /// The step; 0 for a sample that has finished and is not yet packed away.
    pub h: Vec<f64>,
}

/// A sweep's part of a [`SweepLog`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepRecord {
    /// Entries of the log.
    pub columns: std::ops::Range<usize>,
    /// Whether the first stage was evaluated anew in this sweep.
    pub first_stage: bool,
}

impl SweepLog {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.sweeps.clear();
        self.id.clear();
        self.accepted.clear();
        self.t.clear();
        self.h.clear();
    }

    /// Bytes that are in use.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.sweeps.len() * size_of::<SweepRecord>() + self.id.len() * (2 + 1 + 8 + 8)
    }

    /// The steps of a tile in a sweep; nothing if none was taken.
    pub(super) fn tile(&self, sweep: usize, tile: usize) -> Option<TileSteps<'_>> {
        let columns = &self.sweeps[sweep].columns;
        let first = columns.start + tile * LANES;
        let logged = first..columns.end.min(first + LANES);
        let count = logged.len();
        let mut steps = TileSteps {
            ids: &self.id[logged.clone()],
            taken: [false; LANES],
            first: 0,
            t: [0.0; LANES],
            h: [0.0; LANES],
        };
        steps.taken[..count].copy_from_slice(&self.accepted[logged.clone()]);
        steps.t[..count].copy_from_slice(&self.t[logged.clone()]);
        steps.h[..count].copy_from_slice(&self.h[logged]);
        steps.first = steps.taken.iter().position(|&taken| taken)?;
        Some(steps)
    }

    pub(super) fn record(&mut self, lanes: &[Lane], first_stage: bool) {
        let start = self.id.len();
        for lane in lanes {
            self.id.push(lane.id);
            self.accepted.push(lane.accepted);
            self.t.push(lane.t);
            self.h.push(lane.h);
        }
        self.sweeps.push(SweepRecord { columns: start..self.id.len(), first_stage });
    }
}

/// The steps that one tile tried in a sweep.
pub(super) struct TileSteps<'a> {
    /// Samples of the chunk.
    pub ids: &'a [u16],
    /// Lanes whose step was taken, and the first of them.
    pub taken: [bool; LANES],
    pub first: usize,
    pub t: [f64; LANES],
    pub h: [f64; LANES],
}

impl TileSteps<'_> {
    /// Lanes whose step was taken.
    pub fn lanes(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.ids.len()).filter(|&l| self.taken[l])
    }

    /// Whether a lane tried a step in vain.
    pub fn in_vain(&self) -> bool {
        self.taken.iter().zip(&self.h).any(|(&taken, &h)| !taken && h != 0.0)
    }

    /// Steps in the scalar of the solve; none where none was taken.
    pub fn sizes<T: Real>(&self) -> [T; LANES] {
        std::array::from_fn(|l| if self.taken[l] { T::from_f64(self.h[l]) } else { T::default() })
    }
}

/// Buffers of one thread, kept between chunks.
#[derive(Debug, Default)]
pub struct Workspace<T> {
    pub(super) y: Vec<T>,
    pub(super) y_new: Vec<T>,
    /// `[tile][slot][dim][LANES]`
    pub(super) k: Vec<T>,
    /// `[tile][rows][LANES]`; captures stay in place for the whole run.
    pub(super) inputs: Vec<T>,
    pub(super) scratch: Vec<T>,
    pub(super) lanes: Vec<Lane>,
    /// Gathered error of each column.
    pub(super) errors: Vec<f64>,
    pub(super) newton: Newton<T>,
    pub(super) inside: Inside<T>,
}

/// Sizes of the blocks of a tile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub dim: usize,
    /// Rows that march: the state, or a pair of states, one behind the other.
    pub state: usize,
    pub rows: usize,
    pub slots: usize,
}

impl<T: Real> Workspace<T> {
    pub(super) fn fit(&mut self, tiles: usize, sizes: Sizes, rhs: &dyn Rhs<T>) {
        let fit = |buffer: &mut Vec<T>, len: usize| {
            if buffer.len() < len {
                buffer.resize(len, T::default());
            }
        };
        fit(&mut self.y, tiles * sizes.state * LANES);
        fit(&mut self.y_new, tiles * sizes.state * LANES);
        fit(&mut self.k, tiles * sizes.slots * sizes.dim * LANES);
        fit(&mut self.inputs, tiles * sizes.rows * LANES);
        fit(&mut self.scratch, rhs.scratch_len());
        self.lanes.clear();
        self.lanes.resize(tiles * LANES, Lane { done: true, ..Lane::default() });
        self.errors.clear();
        self.errors.resize(tiles * LANES, 0.0);
    }

    /// For each lane of a tile the lane that it stands for: itself, or the first unfinished one if it is finished or padding.
    /// Copies that one's state, first slopes if `slopes`, and captures, so that what the right-hand side makes of such lanes is
    /// as sound as what it makes of samples.
    pub(super) fn stand_in(
        &mut self,
        (tile, panels): (usize, usize),
        sizes: Sizes,
        slopes: bool,
        captures: &[usize],
    ) -> [u8; LANES] {
        let lanes = &self.lanes[tile * LANES..tile * LANES + panels * PANEL];
        let first = lanes.iter().position(|l| !l.done).unwrap_or(0);
        let stand = std::array::from_fn(|l| if lanes.get(l).is_none_or(|l| l.done) { first } else { l } as u8);
        for to in (0..panels * PANEL).filter(|&l| lanes[l].done) {
            let (from, to) = (tile * LANES + first, tile * LANES + to);
            move_column(&mut self.y, sizes.state * LANES, 0..sizes.state, from, to);
            if slopes {
                move_column(&mut self.k, sizes.slots * sizes.dim * LANES, 0..sizes.dim, from, to);
            }
            move_column(&mut self.inputs, sizes.rows * LANES, captures.iter().copied(), from, to);
        }
        stand
    }

    /// Packs unfinished columns to the front, in order; returns how many there are. Moves states, first slopes if
    /// `slopes`, and the capture rows of input blocks.
    pub(super) fn pack(&mut self, columns: usize, sizes: Sizes, slopes: bool, captures: &[usize]) -> usize {
        let mut to = 0;
        for from in 0..columns {
            if self.lanes[from].done {
                continue;
            }
            if from != to {
                move_column(&mut self.y, sizes.state * LANES, 0..sizes.state, from, to);
                if slopes {
                    move_column(&mut self.k, sizes.slots * sizes.dim * LANES, 0..sizes.dim, from, to);
                }
                move_column(&mut self.inputs, sizes.rows * LANES, captures.iter().copied(), from, to);
                self.lanes.swap(from, to);
            }
            to += 1;
        }
        to
    }
}

fn move_column<T: Copy>(blocks: &mut [T], tile_len: usize, rows: impl Iterator<Item = usize>, from: usize, to: usize) {
    let place = |column: usize| column / LANES * tile_len + column % LANES;
    for row in rows {
        blocks[place(to) + row * LANES] = blocks[place(from) + row * LANES];
    }
}

/// Whole panels that hold `columns` columns.
pub(super) fn panels(columns: usize) -> usize {
    columns.div_ceil(PANEL)
}

/// Panels of each tile that hold the first `columns` columns.
pub(super) fn tile_panels(columns: usize) -> impl Iterator<Item = (usize, usize)> {
    let all = panels(columns);
    let per_tile = LANES / PANEL;
    (0..all.div_ceil(per_tile)).map(move |tile| (tile, (all - tile * per_tile).min(per_tile)))
}
