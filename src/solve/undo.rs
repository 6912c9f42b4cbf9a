//! The transpose of one tile's step of a pair of states, which is undone on the way.
//!
//! The states after the step and their cotangents -> those before it. The slopes that undo a step are those that its transpose
//! reads, so every stage is recorded once and transposed once (McCallum and Foster 2024, algorithm 2). States come back to
//! rounding. Of the second step everything is in units of `-h`: its stages start at the end and go back.

use super::failure::SolveError;
use super::pair::{Increment, Pair};
use super::pass::{Of, Pass, Record, Site, record_stage};
use super::real::Real;
use super::room::Room;
use super::tape::Tape;
use super::tile::{self, Lanes};
use crate::backend::LANES;

/// One of the two steps: which state its stages start from, its size, its stages, and its first slot.
struct Half<'a, T, A> {
    which: usize,
    at: A,
    h: &'a Lanes<T>,
    stages: usize,
    first: usize,
}

impl<T: Real> Pass<'_, '_, T> {
    /// Undoes and transposes the step of a sweep in a tile.
    pub(super) fn undo(
        &mut self,
        pair: &Pair<T>,
        tape: &Tape<T>,
        (sweep, tile): (usize, usize),
        panels: usize,
        observed: &[T],
    ) -> Result<(), SolveError> {
        let Some(steps) = tape.log.tile(sweep, tile) else { return Ok(()) };
        let (plan, block) = (self.plan, self.plan.sizes.dim * LANES);
        let method = &plan.config.method;
        let site = Site { tile, panels, taken: &steps.taken, first: steps.first };
        let spans = if self.times { self.spans(&steps) } else { Vec::new() };
        let ids = tape.log.sweeps[sweep].columns.start;
        let state = self.rows_of(tile, 0) * LANES..self.rows_of(tile, 2) * LANES;
        let h: Lanes<T> = steps.sizes();
        let back: Lanes<T> = h.map(|h| T::default() - h);
        self.room.collected.fill(T::default());
        let mut before = std::mem::take(&mut self.room.before);
        before.fill(T::default());
        let seen = &tape.seen[tape.seen_in(sweep)];
        let pulled = self.pull_observed(seen, &tape.log.id[ids..], tile, &mut before, observed);
        let read = plan.dense.slots.iter().filter(|_| pulled.inside);
        // The slope at the end of the step is the first of the step back from there.
        for &slot in read.clone().filter(|&&slot| slot >= method.stages) {
            let part = &mut self.room.collected[slot * block..(slot + 1) * block];
            part.iter_mut().for_each(|part| *part = T::default() - *part);
        }

        let (t, step) = (steps.t, steps.h);
        let behind = Half {
            which: 0,
            at: |l: usize| (t[l] + step[l], -step[l]),
            h: &back,
            stages: pair.stages.1,
            first: method.stages,
        };
        let from: Vec<T> = self.room.here.pair[state.start..state.start + block].to_vec();
        self.record_half(&behind, &from, &site)?;
        {
            let Room { here, k, undone, .. } = &mut *self.room;
            let z_new = &here.pair[state.start + block..state.end];
            plan.undo_second(&mut undone[block..], z_new, &k[method.stages * block..], &h, panels);
        }
        let minus: Vec<(usize, T)> = plan.weights.b.iter().map(|&(j, w)| (j, T::default() - w)).collect();
        self.collect(tile, panels, method.stages, &minus, Of::State(1));
        let of_second = self.pull_half(&behind, &site)?;

        let stages = read.filter(|&&slot| slot < method.stages).map(|slot| slot + 1).max();
        let stages = stages.unwrap_or(0).max(pair.stages.1);
        let ahead = Half { which: 1, at: |l: usize| (t[l], step[l]), h: &h, stages, first: 0 };
        let from: Vec<T> = self.room.undone[block..].to_vec();
        self.record_half(&ahead, &from, &site)?;
        {
            let Room { here, k, undone, .. } = &mut *self.room;
            let (y, z) = undone.split_at_mut(block);
            plan.undo_first(pair, y, &here.pair[state.start..state.start + block], z, k, &h, panels);
        }
        self.collect(tile, panels, 0, &plan.weights.b, Of::State(0));
        let (own, other) = pair.coupling;
        for lane in steps.lanes() {
            for at in (state.start + lane..state.start + block).step_by(LANES) {
                let bars = &mut self.room.here.y;
                let bar = bars[at];
                bars[at + block] = bars[at + block] + other * bar;
                bars[at] = own * bar;
            }
        }
        let of_first = self.pull_half(&ahead, &site)?;

        let Room { here, undone, .. } = &mut *self.room;
        if pulled.any {
            here.y[state.clone()].iter_mut().zip(&before).for_each(|(bar, &part)| *bar = *bar + part);
        }
        tile::commit(&mut here.pair[state], undone, site.taken, plan.sizes.state, panels);
        self.room.before = before;
        if self.times {
            for lane in steps.lanes() {
                let ((by_end, by_back), (by_start, by_step)) = (of_second[lane], of_first[lane]);
                let by = (by_start + by_end, by_step + by_end - by_back);
                self.pull_span(tile * LANES + lane, spans[lane], (t[lane], step[lane]), by);
            }
        }
        Ok(())
    }

    /// Records the stages of a step from `from`; their slopes stand behind its first slot.
    fn record_half(
        &mut self,
        half: &Half<'_, T, impl Fn(usize) -> (f64, f64)>,
        from: &[T],
        site: &Site<'_>,
    ) -> Result<(), SolveError> {
        let (plan, rhs) = (self.plan, self.rhs);
        let (rows, block, len) = (plan.sizes.rows, plan.sizes.dim * LANES, rhs.record_rows() * LANES);
        let Room { inputs, covered, record, k, scratch, .. } = &mut *self.room;
        let inputs = &mut inputs[site.tile * rows * LANES..(site.tile + 1) * rows * LANES];
        let step =
            Increment { from, at: &half.at, h: half.h, stages: half.stages, first_slopes: false, panels: site.panels };
        plan.increment(step, &mut k[half.first * block..], inputs, &mut |stage, inputs, slopes| {
            let record = &mut record[stage * len..(stage + 1) * len];
            record_stage(rhs, (inputs, covered), site, (record, slopes), scratch)
        })?;
        self.run.again += (half.stages * site.taken.iter().filter(|&&t| t).count()) as u64;
        Ok(())
    }

    /// Transposes the recorded stages of a step, whose slopes have collected what comes from its end. For each lane, the
    /// cotangents of where it starts in time, and of its size.
    fn pull_half(
        &mut self,
        half: &Half<'_, T, impl Fn(usize) -> (f64, f64)>,
        site: &Site<'_>,
    ) -> Result<[(f64, f64); LANES], SolveError> {
        let (plan, dim) = (self.plan, self.plan.sizes.dim);
        let mut moved = [[0.0; LANES]; 2];
        for stage in (0..half.stages).rev() {
            let c = plan.config.method.c[stage];
            self.slope_of(half.first + stage, site.panels, half.h);
            self.place_time(site.tile, site.panels, |l| {
                let (t, h) = (half.at)(l);
                t + c * h
            });
            self.transpose(Record::Made(stage), site, c, &mut moved)?;
            self.gather(site.tile, half.which, site.panels);
            self.collect(site.tile, site.panels, half.first, &plan.weights.a[stage], Of::Stage);
        }
        let slots = half.first * dim * LANES..(half.first + half.stages) * dim * LANES;
        let (k, collected) = (&self.room.k[slots.clone()], &self.room.collected[slots]);
        Ok(std::array::from_fn(|lane| {
            let rows = (lane..k.len()).step_by(LANES);
            let by_step = rows.map(|at| k[at].to_f64() * collected[at].to_f64()).sum::<f64>();
            (moved[0][lane], moved[1][lane] + by_step)
        }))
    }
}
