//! The stages of one tile's step, and its new states.
//!
//! States, times and steps -> slopes and states after the step, through whatever evaluates a stage. Deliberately absent: where
//! step sizes come from, and whether the step is taken.

use super::batch::Plan;
use super::failure::SolveError;
use super::newton::Newton;
use super::real::Real;
use super::tile::{self, Lanes, Slopes};
use crate::backend::LANES;

/// Evaluates a stage: its number, its inputs, where its slopes go.
pub(super) type Evaluate<'a, T> = &'a mut dyn FnMut(usize, &[T], &mut [T]) -> Result<(), SolveError>;

/// The blocks of one tile: states before and after the step, `[dim][LANES]`, slopes, `[slot][dim][LANES]`, inputs, in which
/// captures stand, and room for implicit stages.
pub(super) struct Tile<'a, T> {
    pub y: &'a [T],
    pub y_new: &'a mut [T],
    pub k: &'a mut [T],
    pub inputs: &'a mut [T],
    pub newton: &'a mut Newton<T>,
}

impl<T: Real> Plan<'_, T> {
    /// Brings the state of an explicit stage into an input block: `y + h sum_j a_j k_j`.
    pub(super) fn place_stage(&self, inputs: &mut [T], stage: usize, y: &[T], k: &[T], h: &Lanes<T>, panels: usize) {
        let (map, slopes) = (self.rhs.rows(), Slopes { k, dim: self.sizes.dim });
        if stage == 0 {
            tile::place_state(inputs, map, y, panels);
        } else {
            tile::advance(inputs, |row| map.state[row], y, slopes, &self.weights.a[stage], h, panels);
        }
    }

    /// All stages of one tile and its new states. `at` gives time and step of a lane, `h` the step again; `first_slopes`:
    /// whether slot 0 holds the slopes already. Slopes come from `evaluate(stage, inputs, slopes)`.
    pub(super) fn stages(
        &self,
        mut tile: Tile<'_, T>,
        at: impl Fn(usize) -> (f64, f64),
        h: &Lanes<T>,
        first_slopes: bool,
        panels: usize,
        evaluate: Evaluate<'_, T>,
    ) -> Result<(), SolveError> {
        let (method, map) = (&self.config.method, self.rhs.rows());
        let (dim, block) = (self.sizes.dim, self.sizes.dim * LANES);
        let last = method.stages - 1;
        tile::place_time(tile.inputs, map, panels, |l| at(l).0);
        self.begin_implicit(&mut tile, h, panels)?;
        if !first_slopes {
            self.place_stage(tile.inputs, 0, tile.y, tile.k, h, panels);
            evaluate(0, tile.inputs, &mut tile.k[..block])?;
        }
        for stage in 1..method.stages {
            let weights = &self.weights.a[stage];
            tile::place_time(tile.inputs, map, panels, |l| at(l).0 + method.c[stage] * at(l).1);
            // The last stage of these methods stands at the new state.
            let ends = method.fsal && stage == last;
            if method.is_implicit(stage) {
                self.implicit_stage(&mut tile, stage, h, panels, evaluate)?;
                if ends {
                    tile::advance(tile.y_new, Some, tile.y, Slopes { k: tile.k, dim }, weights, h, panels);
                }
                continue;
            }
            let (before, here) = tile.k.split_at_mut(stage * block);
            if ends {
                tile::advance(tile.y_new, Some, tile.y, Slopes { k: before, dim }, weights, h, panels);
                tile::place_state(tile.inputs, map, tile.y_new, panels);
            } else {
                self.place_stage(tile.inputs, stage, tile.y, before, h, panels);
            }
            evaluate(stage, tile.inputs, &mut here[..block])?;
        }
        let Tile { y, y_new, k, inputs, .. } = tile;
        if !method.fsal {
            tile::advance(y_new, Some, y, Slopes { k, dim }, &self.weights.b, h, panels);
        }
        if self.extra_stage {
            tile::place_state(inputs, map, y_new, panels);
            tile::place_time(inputs, map, panels, |l| at(l).0 + at(l).1);
            evaluate(self.end_slot, inputs, &mut k[self.end_slot * block..(self.end_slot + 1) * block])?;
        }
        Ok(())
    }
}
