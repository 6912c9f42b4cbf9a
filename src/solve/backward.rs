//! The pass back over one chunk: the transpose of the steps that were taken.
//!
//! A [`Tape`] and cotangents of a chunk's results -> cotangents of initial states, captures and times, and sums of cotangents
//! of parameters. Step sizes count as constant shares of a sample's span, so the gradient is exactly that of the scheme as it
//! ran. Sweeps run in reverse, tiles and lanes ascending, and samples stand where the march had them: bits depend neither on
//! threads nor on what the tape kept. Deliberately absent: the transpose of a step, of one state ([`super::step_back`]) or of a
//! pair that is made again from its ends ([`super::undo`]).

use super::batch::Plan;
use super::chunk::tile_panels;
use super::failure::SolveError;
use super::pass::Pass;
use super::real::Real;
use super::rhs::Transposed;
use super::room::{Room, place};
use super::tape::Tape;
use crate::backend::LANES;
use std::ops::Range;

/// Cotangents of a chunk. Blocks cover the chunk's tiles, `[tile][row][LANES]`, samples in order.
#[derive(Debug)]
pub struct Cotangents<'a, T> {
    /// Of the end states; afterwards, of the initial states. `[tile][dim][LANES]`
    pub states: &'a mut [T],
    /// Of the observed states. `[tile][count * dim][LANES]`
    pub observed: &'a [T],
    /// Of the captures, added to. `[tile][caps][LANES]`
    pub captures: &'a mut [T],
    /// Of start and end times, one for each sample, added to; empty if they are not wanted.
    pub t0: &'a mut [f64],
    /// See `t0`.
    pub t1: &'a mut [f64],
    /// Of parameters, added to.
    pub slot: &'a mut [T],
}

/// What a pass back cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackRun {
    /// Transposes of stages, samples added up; padding is not counted.
    pub evaluations: u64,
    /// Evaluations of the field: of stages that were computed again for want of a record, and of every stage of an adjoint.
    pub again: u64,
    /// Jacobians of implicit stages, each factorised once.
    pub factorisations: u64,
}

impl<T: Real> Plan<'_, T> {
    /// The pass back over the march of `chunk` that is on `tape`. `rhs` is the one that it was recorded with.
    ///
    /// # Errors
    /// A status of the right-hand side.
    pub fn backward(
        &self,
        chunk: usize,
        rhs: &dyn Transposed<T>,
        tape: &mut Tape<T>,
        bars: Cotangents<'_, T>,
        room: &mut Room<T>,
    ) -> Result<BackRun, SolveError> {
        let samples = self.samples(chunk);
        let (count, dim, state) = (samples.len(), self.sizes.dim, self.sizes.state);
        let (tiles, block) = (count.div_ceil(LANES), dim * LANES);
        let (slots, stages) = match &self.pair {
            None => (self.end_slot + 1, self.recorded_stages().len()),
            Some(_) => (self.sizes.slots, self.config.method.stages),
        };
        room.fit_all(tiles, self.sizes, slots, stages, self.pair.is_some(), rhs);
        let ends = room.home.y.chunks_exact_mut((state * LANES).max(1));
        for (to, from) in ends.zip(bars.states.chunks_exact(block.max(1))) {
            to[..block].copy_from_slice(from);
        }
        room.home.pair.copy_from_slice(&tape.ends);
        let times = !bars.t0.is_empty();
        let mut pass =
            Pass { plan: self, rhs, room, slot: bars.slot, base: samples.start, times, run: BackRun::default() };
        let mut ids: Vec<u16> = Vec::new();
        for sweep in (0..tape.log.sweeps.len()).rev() {
            if self.pair.is_none() && !tape.has(sweep) {
                // What lies behind a snapshot is marched again.
                let scratch = pass.room.scratch.as_mut_slice();
                self.replay(rhs, tape, sweep + 1, samples.start, scratch, &mut pass.run)?;
            }
            let columns = tape.log.sweeps[sweep].columns.clone();
            let now = &tape.log.id[columns];
            if ids != now {
                pass.leave(&ids);
                ids.clear();
                ids.extend_from_slice(now);
                pass.enter(&ids);
            }
            for (tile, panels) in tile_panels(ids.len()) {
                match &self.pair {
                    None => pass.step(tape, sweep, tile, panels, bars.observed)?,
                    Some(pair) => pass.undo(pair, tape, (sweep, tile), panels, bars.observed)?,
                }
            }
        }
        pass.leave(&ids);
        let all: Vec<u16> = (0..count).map(|id| id as u16).collect();
        pass.enter(&all);
        if self.reuses_end() {
            for (tile, panels) in tile_panels(count) {
                pass.start(tape, tile, panels)?;
            }
        }
        pass.leave(&all);
        let run = pass.run;
        for (to, from) in bars.states.chunks_exact_mut(block.max(1)).zip(room.home.y.chunks_exact(state.max(1) * LANES))
        {
            to.copy_from_slice(&from[..block]);
            // Both states of a pair begin as the initial state.
            for (to, &second) in to.iter_mut().zip(&from[block..]) {
                *to = *to + second;
            }
        }
        if times {
            self.empty_spans(rhs, samples.clone(), &bars)?.for_each(|(sample, moved)| {
                room.home.t0[sample] -= moved;
                room.home.t1[sample] += moved;
            });
        }
        // Observations before the first step are the initial state.
        let rows = self.problem.observe.count() * dim;
        for seen in &tape.seen[..tape.seen_until.first().copied().unwrap_or(0)] {
            for row in 0..dim {
                let bar = bars.observed[place(seen.column, seen.index * dim + row, rows)];
                let y = &mut bars.states[place(seen.column, row, dim)];
                *y = *y + bar;
            }
        }
        for (to, from) in bars.captures.iter_mut().zip(&room.home.captures) {
            *to = *to + *from;
        }
        for (to, from) in [(bars.t0, &room.home.t0), (bars.t1, &room.home.t1)] {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        }
        Ok(run)
    }

    /// For each sample that took no step since its span is empty, by how much its end moves along its cotangent when its end time
    /// does: what steps of any scheme come to as they shrink.
    fn empty_spans(
        &self,
        rhs: &dyn Transposed<T>,
        samples: Range<usize>,
        bars: &Cotangents<'_, T>,
    ) -> Result<impl Iterator<Item = (usize, f64)>, SolveError> {
        let span = |sample: usize| self.problem.span(samples.start + sample);
        let empty: Vec<usize> = (0..samples.len()).filter(|&s| span(s).0 == span(s).1).collect();
        let mut moved = Vec::new();
        if !empty.is_empty() {
            let (block, caps, first) = (rhs.dim() * LANES, rhs.caps() * LANES, samples.start / LANES);
            let tiles = samples.len().div_ceil(LANES);
            let y0 = self.problem.y0[first * block..(first + tiles) * block].chunks_exact(block.max(1));
            let both: Vec<T> =
                y0.zip(bars.states.chunks_exact(block.max(1))).flat_map(|(y, a)| [y, a].concat()).collect();
            let captures = &self.problem.captures[first * caps..(first + tiles) * caps];
            moved =
                self.along(rhs, captures, samples.start, &both, 2 * rhs.dim(), |sample| self.problem.span(sample).1)?;
        }
        Ok(empty.into_iter().map(move |sample| (sample, moved[sample])))
    }
}
