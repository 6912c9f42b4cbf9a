//! The pass back on its way: samples at their columns, and the transpose of one stage.
//!
//! What steps of one state ([`super::step_back`]) and of two ([`super::undo`]) have in common. Deliberately absent: the order of
//! stages, and what a step adds up.

use super::backward::BackRun;
use super::batch::Plan;
use super::chunk::TileSteps;
use super::failure::SolveError;
use super::forward::status;
use super::real::Real;
use super::rhs::Transposed;
use super::room::{Room, cover, place};
use super::tile::{self, Lanes};
use crate::backend::{LANES, PANEL};

/// A pass on its way.
pub(super) struct Pass<'a, 'p, T: Real> {
    pub plan: &'a Plan<'p, T>,
    pub rhs: &'a dyn Transposed<T>,
    pub room: &'a mut Room<T>,
    pub slot: &'a mut [T],
    /// First sample of the chunk in the batch.
    pub base: usize,
    /// Whether times have cotangents.
    pub times: bool,
    pub run: BackRun,
}

/// Whose cotangent is spread over slopes.
#[derive(Clone, Copy)]
pub(super) enum Of {
    /// The state after the step: the one that marches, or of a pair the first or second.
    State(usize),
    /// The state of the stage that was just transposed.
    Stage,
}

/// One tile of a sweep.
pub(super) struct Site<'a> {
    pub tile: usize,
    pub panels: usize,
    /// Lanes whose step was taken, and the first of them.
    pub taken: &'a [bool; LANES],
    pub first: usize,
}

/// The record of a stage.
pub(super) enum Record<'a, T> {
    /// On the tape, and whether it is sound in every lane.
    Kept(&'a mut [T], bool),
    /// To be made.
    Again,
    /// Made, of that number in the room.
    Made(usize),
}

/// Records a stage from its inputs, with copies of a lane that took its step where none was taken: whatever such lanes hold may not
/// be finite.
pub(super) fn record_stage<T: Real>(
    rhs: &dyn Transposed<T>,
    (inputs, covered): (&[T], &mut [T]),
    site: &Site<'_>,
    (record, slopes): (&mut [T], &mut [T]),
    scratch: &mut [T],
) -> Result<(), SolveError> {
    let covered = &mut covered[..inputs.len()];
    covered.copy_from_slice(inputs);
    cover(covered, site.taken, site.first, site.panels);
    status(rhs.record(covered, record, scratch, site.panels))?;
    slopes.copy_from_slice(&record[..slopes.len()]);
    Ok(())
}

impl<T: Real> Pass<'_, '_, T> {
    /// The first row of a state of a tile: of the one that marches, or of a pair.
    pub(super) fn rows_of(&self, tile: usize, which: usize) -> usize {
        tile * self.plan.sizes.state + which * self.plan.sizes.dim
    }

    /// Start and end times of a tile's samples.
    pub(super) fn spans(&self, steps: &TileSteps<'_>) -> Vec<(f64, f64)> {
        steps.ids.iter().map(|&id| self.plan.problem.span(self.base + usize::from(id))).collect()
    }

    /// Adds the cotangents `by` of where a column's step begins and of its size: both are shares of the span.
    pub(super) fn pull_span(&mut self, column: usize, (t0, t1): (f64, f64), (t, h): (f64, f64), by: (f64, f64)) {
        let (from, share) = ((t - t0) / (t1 - t0), h / (t1 - t0));
        let here = &mut self.room.here;
        here.t0[column] += by.0 * (1.0 - from) - by.1 * share;
        here.t1[column] += by.0 * from + by.1 * share;
    }

    /// Brings what columns hold back to the samples.
    pub(super) fn leave(&mut self, ids: &[u16]) {
        let (sizes, caps) = (self.plan.sizes, self.rhs.caps());
        let Room { home, here, .. } = &mut *self.room;
        for (column, &id) in ids.iter().enumerate() {
            home.copy(usize::from(id), here, column, sizes, caps);
        }
    }

    /// Brings samples to their columns, with their captures.
    pub(super) fn enter(&mut self, ids: &[u16]) {
        let (sizes, caps) = (self.plan.sizes, self.rhs.caps());
        let Room { home, here, inputs, .. } = &mut *self.room;
        let values = self.plan.problem.captures;
        for (column, &id) in ids.iter().enumerate() {
            here.copy(column, home, usize::from(id), sizes, caps);
            for (capture, &row) in self.rhs.rows().captures.iter().enumerate() {
                inputs[place(column, row, sizes.rows)] = values[place(self.base + usize::from(id), capture, caps)];
            }
        }
    }

    pub(super) fn place_time(&mut self, tile: usize, panels: usize, time: impl Fn(usize) -> f64) {
        let rows = self.plan.sizes.rows;
        let inputs = &mut self.room.inputs[tile * rows * LANES..(tile + 1) * rows * LANES];
        tile::place_time(inputs, self.rhs.rows(), panels, time);
    }

    /// `slope = h collected[stage]`
    pub(super) fn slope_of(&mut self, stage: usize, panels: usize, h: &Lanes<T>) {
        let dim = self.plan.sizes.dim;
        for row in 0..dim {
            let from = &self.room.collected[(stage * dim + row) * LANES..][..panels * PANEL];
            let to = &mut self.room.slope[row * LANES..][..panels * PANEL];
            for ((to, &from), &h) in to.iter_mut().zip(from).zip(h) {
                *to = h * from;
            }
        }
    }

    /// Transposes one stage: its inputs stand in the input block, the cotangents of its slopes in `slope`. Leaves cotangents
    /// in `bars`; captures' and time's are added where they belong.
    pub(super) fn transpose(
        &mut self,
        record: Record<'_, T>,
        site: &Site<'_>,
        c: f64,
        moved: &mut [[f64; LANES]; 2],
    ) -> Result<(), SolveError> {
        let &Site { tile, panels, taken, first } = site;
        let (rows, caps) = (self.plan.sizes.rows, self.rhs.caps());
        let Room { inputs, covered, record: own, bars, slope, scratch, here, .. } = &mut *self.room;
        let inputs = &inputs[tile * rows * LANES..(tile + 1) * rows * LANES];
        let active = taken[..panels * PANEL].iter().filter(|&&t| t).count() as u64;
        // Lanes without a step are replaced by copies of one that took it.
        covered[..inputs.len()].copy_from_slice(inputs);
        let inputs = &mut covered[..inputs.len()];
        cover(inputs, taken, first, panels);
        let record = match record {
            Record::Kept(record, sound) => {
                if !sound {
                    cover(record, taken, first, panels);
                }
                record
            }
            Record::Again => {
                self.run.again += active;
                let own = &mut own[..self.rhs.record_rows() * LANES];
                status(self.rhs.record(inputs, own, scratch, panels))?;
                own
            }
            Record::Made(number) => {
                let len = self.rhs.record_rows() * LANES;
                &mut own[number * len..(number + 1) * len]
            }
        };
        record[..slope.len()].copy_from_slice(slope);
        status(self.rhs.transpose(inputs, record, bars, self.slot, scratch, panels))?;
        self.run.evaluations += active;
        let map = self.rhs.bars();
        for (capture, row) in map.captures.iter().enumerate() {
            if let Some(row) = row {
                let to = &mut here.captures[(tile * caps + capture) * LANES..][..panels * PANEL];
                for (to, &from) in to.iter_mut().zip(&bars[row * LANES..]) {
                    *to = *to + from;
                }
            }
        }
        if let (true, Some(row)) = (self.times, map.time) {
            for (lane, bar) in bars[row * LANES..][..panels * PANEL].iter().enumerate() {
                moved[0][lane] += bar.to_f64();
                moved[1][lane] += c * bar.to_f64();
            }
        }
        Ok(())
    }

    /// Adds the stage's state cotangents to those of the step's state, or of one of a pair.
    pub(super) fn gather(&mut self, tile: usize, which: usize, panels: usize) {
        let first = self.rows_of(tile, which);
        for (row, from) in self.rhs.bars().state.iter().enumerate() {
            let Some(from) = from else { continue };
            let to = &mut self.room.here.y[(first + row) * LANES..][..panels * PANEL];
            for (to, &from) in to.iter_mut().zip(&self.room.bars[from * LANES..]) {
                *to = *to + from;
            }
        }
    }

    /// `collected[first + j] += w_j bar` with the cotangents of a state, or of the stage that was just transposed.
    pub(super) fn collect(&mut self, tile: usize, panels: usize, first: usize, weights: &[(usize, T)], of: Of) {
        let dim = self.plan.sizes.dim;
        let start = match of {
            Of::State(which) => self.rows_of(tile, which),
            Of::Stage => 0,
        };
        let Room { here, bars, collected, .. } = &mut *self.room;
        for &(slot, weight) in weights {
            for row in 0..dim {
                let from = match of {
                    Of::State(_) => &here.y[(start + row) * LANES..][..panels * PANEL],
                    Of::Stage => match self.rhs.bars().state[row] {
                        Some(row) => &bars[row * LANES..][..panels * PANEL],
                        None => continue,
                    },
                };
                let to = &mut collected[((first + slot) * dim + row) * LANES..][..panels * PANEL];
                for (to, &from) in to.iter_mut().zip(from) {
                    *to = *to + weight * from;
                }
            }
        }
    }
}
