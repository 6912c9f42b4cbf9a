//! The transpose of one tile's step, of one state.
//!
//! Of a method whose last stage is the next step's first, a step owns its last stage: it gets what the next step's first stage
//! would have got, `held` until then. An implicit stage is differentiated at its solution (implicit function theorem), whatever the
//! iteration that found it.

use super::chunk::TileSteps;
use super::failure::SolveError;
use super::forward::status;
use super::newton::factorise;
use super::pass::{Of, Pass, Record, Site, record_stage};
use super::real::Real;
use super::room::{Room, cover};
use super::stages::Tile;
use super::tape::Tape;
use super::tile::{self, Lanes, Slopes};
use crate::backend::{LANES, PANEL};

/// Where a step stands on the tape.
#[derive(Clone, Copy)]
struct Kept {
    tile: usize,
    /// Whether its slopes and records are there; else they are in the room.
    whole: bool,
    /// Whether records are sound in every lane: no step was tried in vain.
    sound: bool,
}

impl Kept {
    /// The record of a stage, of that number among those that are recorded.
    fn record<T: Real>(self, tape: &mut Tape<T>, stage: usize) -> Record<'_, T> {
        if tape.shape.stages == 0 {
            return Record::Again;
        }
        if !self.whole {
            return Record::Made(stage);
        }
        tape.record(self.tile, stage).map_or(Record::Again, |record| Record::Kept(record, self.sound))
    }
}

impl<T: Real> Pass<'_, '_, T> {
    /// The transpose of one tile's step.
    pub(super) fn step(
        &mut self,
        tape: &mut Tape<T>,
        sweep: usize,
        tile: usize,
        panels: usize,
        observed: &[T],
    ) -> Result<(), SolveError> {
        let plan = self.plan;
        let (sizes, method) = (plan.sizes, &plan.config.method);
        let (dim, block) = (sizes.dim, sizes.dim * LANES);
        let Some(steps) = tape.log.tile(sweep, tile) else { return Ok(()) };
        let (taken, t, step) = (steps.taken, steps.t, steps.h);
        let lanes = || (0..LANES).filter(|&l| taken[l]);
        let spans = if self.times { self.spans(&steps) } else { Vec::new() };
        let site = Site { tile, panels, taken: &taken, first: steps.first };
        let h: Lanes<T> = steps.sizes();
        let number = tape.tiles[sweep - tape.from].start + tile;
        let kept = Kept { tile: number, whole: tape.is_whole(number), sound: !steps.in_vain() };
        if !kept.whole {
            self.remake(tape, number, &site, &steps)?;
        }
        // A first stage that was evaluated before the first sweep, and whether samples stand now as they stood then.
        let early = kept.whole && !plan.reuses_end() && !tape.log.sweeps[sweep].first_stage;
        let in_order =
            early && tape.log.id[tape.log.sweeps[sweep].columns.clone()].iter().zip(0..).all(|(&a, b)| a == b);
        let ids = tape.log.sweeps[sweep].columns.start;
        self.room.collected.fill(T::default());
        let mut before = std::mem::take(&mut self.room.before);
        before.fill(T::default());
        self.room.slope.fill(T::default());
        let mut end_wanted = false;
        let last = method.stages - 1;
        // The new state is the argument of a last stage that stands in its own slope.
        let ends_implicit = method.fsal && method.is_implicit(last);
        if plan.reuses_end() {
            for lane in lanes() {
                if self.room.here.stepped[tile * LANES + lane] {
                    end_wanted = true;
                    for row in 0..dim {
                        self.room.slope[row * LANES + lane] = self.room.here.held[tile * block + row * LANES + lane];
                    }
                }
            }
        }
        let seen = &tape.seen[tape.seen_in(sweep)];
        let pulled = self.pull_observed(seen, &tape.log.id[ids..], tile, &mut before, observed);
        if pulled.inside && plan.reuses_end() && plan.dense.slots.contains(&plan.end_slot) {
            end_wanted = true;
            let of_end = &self.room.collected[plan.end_slot * block..(plan.end_slot + 1) * block];
            for (at, (slope, &part)) in self.room.slope.iter_mut().zip(of_end).enumerate() {
                *slope = *slope + h[at % LANES] * part;
            }
        }

        // Sums over stages of time's cotangents, and of them times where the stage stands in the step.
        let mut moved = [[0.0; LANES]; 2];
        let stages = plan.recorded_stages();
        let implicit = method.implicit.is_some();
        if end_wanted || ends_implicit {
            self.place_time(tile, panels, |l| t[l] + step[l]);
            if implicit {
                self.end_inputs(tape, kept, &site, &h);
            }
            if ends_implicit {
                let y = &self.room.here.y[tile * block..(tile + 1) * block];
                let gamma = T::from_f64(method.implicit.as_ref().map_or(0.0, |i| i.gamma));
                for (at, slope) in self.room.slope.iter_mut().enumerate() {
                    *slope = *slope + h[at % LANES] * (gamma * y[at]);
                }
                self.implicit(&site, &h)?;
            }
            let record = kept.record(tape, stages.len() - 1);
            self.transpose(record, &site, 1.0, &mut moved)?;
            self.gather(tile, 0, panels);
        }
        // The new state is a sum over stages.
        let weights = if method.fsal { &plan.weights.a[last] } else { &plan.weights.b };
        self.collect(tile, panels, 0, weights, Of::State(0));
        let owned = if plan.reuses_end() { 1..last + usize::from(!method.fsal) } else { 0..method.stages };
        for stage in owned.rev() {
            self.slope_of(stage, panels, &h);
            self.place_time(tile, panels, |l| t[l] + method.c[stage] * step[l]);
            // A record is all that a transpose reads of a state.
            if implicit || (stage == 0 && early) {
                self.stage_inputs(tape, kept, stage, &site, &h);
            }
            if method.is_implicit(stage) {
                self.implicit(&site, &h)?;
            }
            let record = match (stage == 0 && early, in_order) {
                (true, true) => tape.record_before(tile).map_or(Record::Again, |record| Record::Kept(record, false)),
                (true, false) => Record::Again,
                (false, _) => kept.record(tape, stage - stages.start),
            };
            self.transpose(record, &site, method.c[stage], &mut moved)?;
            self.gather(tile, 0, panels);
            self.collect(tile, panels, 0, &plan.weights.a[stage], Of::Stage);
        }
        if plan.reuses_end() {
            self.slope_of(0, panels, &h);
            for lane in lanes() {
                for row in 0..dim {
                    self.room.here.held[tile * block + row * LANES + lane] = self.room.slope[row * LANES + lane];
                }
            }
        }
        for lane in lanes() {
            self.room.here.stepped[tile * LANES + lane] = true;
        }
        if pulled.any {
            let y = &mut self.room.here.y[tile * block..(tile + 1) * block];
            y.iter_mut().zip(&before).for_each(|(y, b)| *y = *y + *b);
        }
        self.room.before = before;
        if self.times {
            for lane in lanes() {
                let mut by_step = moved[1][lane];
                let k = if kept.whole { tape.slopes(number) } else { &self.room.k[..] };
                for (slot, k) in k.chunks_exact(block).take(plan.end_slot + 1).enumerate() {
                    for row in 0..dim {
                        let at = row * LANES + lane;
                        by_step += k[at].to_f64() * self.room.collected[slot * block + at].to_f64();
                    }
                }
                self.pull_span(tile * LANES + lane, spans[lane], (t[lane], step[lane]), (moved[0][lane], by_step));
            }
        }
        Ok(())
    }

    /// The first slopes of samples that have taken a step.
    pub(super) fn start(&mut self, tape: &mut Tape<T>, tile: usize, panels: usize) -> Result<(), SolveError> {
        let plan = self.plan;
        let (sizes, block) = (plan.sizes, plan.sizes.dim * LANES);
        let taken: [bool; LANES] =
            std::array::from_fn(|l| self.room.here.stepped.get(tile * LANES + l).copied().unwrap_or(false));
        let Some(first) = taken.iter().position(|&a| a) else { return Ok(()) };
        for at in 0..block {
            let held = self.room.here.held[tile * block + at];
            self.room.slope[at] = if taken[at % LANES] { held } else { T::default() };
        }
        let number = self.base / LANES + tile;
        let y = &plan.problem.y0[number * block..(number + 1) * block];
        let inputs = &mut self.room.inputs[tile * sizes.rows * LANES..(tile + 1) * sizes.rows * LANES];
        tile::place_state(inputs, self.rhs.rows(), y, panels);
        let last = plan.problem.samples - 1;
        let base = self.base;
        self.place_time(tile, panels, |l| plan.problem.span((base + tile * LANES + l).min(last)).0);
        let mut moved = [[0.0; LANES]; 2];
        let site = Site { tile, panels, taken: &taken, first };
        let record = tape.record_before(tile).map_or(Record::Again, |record| Record::Kept(record, false));
        self.transpose(record, &site, 0.0, &mut moved)?;
        self.gather(tile, 0, panels);
        if self.times {
            for lane in (0..LANES).filter(|&l| taken[l]) {
                self.room.here.t0[tile * LANES + lane] += moved[0][lane];
            }
        }
        Ok(())
    }

    /// From cotangents w of an implicit slope to those of the field at its stage, `(I - h gamma J)^-T w`, with the Jacobian at the
    /// stage itself. Its inputs stand in the input block.
    fn implicit(&mut self, site: &Site<'_>, h: &Lanes<T>) -> Result<(), SolveError> {
        let Some(implicit) = &self.plan.config.method.implicit else { return Ok(()) };
        let rows = self.plan.sizes.rows;
        let Room { inputs, covered, slope, lu, jacobian, .. } = &mut *self.room;
        let inputs = &inputs[site.tile * rows * LANES..(site.tile + 1) * rows * LANES];
        covered[..inputs.len()].copy_from_slice(inputs);
        cover(&mut covered[..inputs.len()], site.taken, site.first, site.panels);
        factorise(lu, self.rhs, (&covered[..inputs.len()], jacobian), (implicit.gamma, h), site.panels)?;
        lu.solve_transposed(slope, site.panels * PANEL);
        self.run.factorisations += site.taken[..site.panels * PANEL].iter().filter(|&&t| t).count() as u64;
        Ok(())
    }

    /// The inputs of the slope at the end of the step.
    fn end_inputs(&mut self, tape: &Tape<T>, kept: Kept, site: &Site<'_>, h: &Lanes<T>) {
        let (plan, sizes) = (self.plan, self.plan.sizes);
        let method = &plan.config.method;
        let Room { y_new, inputs, k, .. } = &mut *self.room;
        let k = if kept.whole { tape.slopes(kept.tile) } else { k };
        let weights = if method.fsal { &plan.weights.a[method.stages - 1] } else { &plan.weights.b };
        tile::advance(y_new, Some, tape.states(kept.tile), Slopes { k, dim: sizes.dim }, weights, h, site.panels);
        let inputs = &mut inputs[site.tile * sizes.rows * LANES..(site.tile + 1) * sizes.rows * LANES];
        tile::place_state(inputs, self.rhs.rows(), y_new, site.panels);
    }

    /// The inputs of a stage, but for its time.
    fn stage_inputs(&mut self, tape: &Tape<T>, kept: Kept, stage: usize, site: &Site<'_>, h: &Lanes<T>) {
        let rows = self.plan.sizes.rows;
        let Room { inputs, k, .. } = &mut *self.room;
        let k = if kept.whole { tape.slopes(kept.tile) } else { k };
        let inputs = &mut inputs[site.tile * rows * LANES..(site.tile + 1) * rows * LANES];
        self.plan.place_stage(inputs, stage, tape.states(kept.tile), k, h, site.panels);
    }

    /// Makes the step of a kept tile again: slopes, and records of explicit methods.
    fn remake(
        &mut self,
        tape: &Tape<T>,
        kept: usize,
        site: &Site<'_>,
        steps: &TileSteps<'_>,
    ) -> Result<(), SolveError> {
        let (plan, rhs, panels) = (self.plan, self.rhs, site.panels);
        let (sizes, block, len) = (plan.sizes, plan.sizes.dim * LANES, rhs.record_rows() * LANES);
        let (first, implicit) = (plan.recorded_stages().start, plan.config.method.implicit.is_some());
        let Room { inputs, covered, record, k, y_new, scratch, newton, .. } = &mut *self.room;
        let inputs = &mut inputs[site.tile * sizes.rows * LANES..(site.tile + 1) * sizes.rows * LANES];
        if let Some(slopes) = tape.slopes_before(kept) {
            k[..block].copy_from_slice(slopes);
        }
        let mut again = 0;
        let mut evaluate = |stage: usize, inputs: &[T], slopes: &mut [T]| {
            again += 1;
            if implicit {
                return status(rhs.eval(inputs, slopes, scratch, panels));
            }
            let record = &mut record[(stage - first) * len..(stage - first + 1) * len];
            record_stage(rhs, (inputs, covered), site, (record, slopes), scratch)
        };
        let at = |l: usize| {
            let l = if site.taken[l] { l } else { site.first };
            (steps.t[l], steps.h[l])
        };
        let h: Lanes<T> = std::array::from_fn(|l| T::from_f64(at(l).1));
        let tile = Tile { y: tape.states(kept), y_new, k, inputs, newton };
        plan.stages(tile, at, &h, plan.reuses_end(), panels, &mut evaluate)?;
        self.run.again += again * steps.lanes().count() as u64;
        Ok(())
    }
}
