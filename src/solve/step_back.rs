//! The transpose of one tile's step, of one state.
//!
//! Of a method whose last stage is the next step's first, a step owns its last stage: it gets what the next step's first stage
//! would have got, `held` until then. An implicit stage is differentiated at its solution (implicit function theorem), whatever the
//! iteration that found it.

use super::dense::Pull;
use super::failure::SolveError;
use super::newton::factorise;
use super::pass::{Of, Pass, Record, Site};
use super::real::Real;
use super::room::{Room, cover, place};
use super::tape::{Seen, Tape};
use super::tile::{self, Lanes, Slopes};
use crate::backend::{LANES, PANEL};

/// The record of a stage of a kept tile, if it has one.
fn recorded<T: Real>(tape: &mut Tape<T>, kept: usize, stage: Option<usize>) -> Record<'_, T> {
    stage.and_then(|stage| tape.record(kept, stage)).map_or(Record::Again, Record::Kept)
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
        let site = Site { tile, panels, taken: &taken, first: steps.first, in_vain: steps.in_vain() };
        let h: Lanes<T> = steps.sizes();
        let kept = tape.tiles[sweep - tape.from].start + tile;
        let first_stage = tape.log.sweeps[sweep].first_stage;
        let seen = tape.seen_in(sweep, tile, &steps);
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
        for (seen, id) in &seen {
            end_wanted |= self.observe(tile, *seen, *id, step[seen.column % LANES], &mut before, observed);
        }

        // Sums over stages of time's cotangents, and of them times where the stage stands in the step.
        let mut moved = [[0.0; LANES]; 2];
        let stages = plan.recorded_stages();
        if end_wanted || ends_implicit {
            self.end_inputs(tape, kept, &site, &h);
            self.place_time(tile, panels, |l| t[l] + step[l]);
            if ends_implicit {
                let y = &self.room.here.y[tile * block..(tile + 1) * block];
                let gamma = T::from_f64(method.implicit.as_ref().map_or(0.0, |i| i.gamma));
                for (at, slope) in self.room.slope.iter_mut().enumerate() {
                    *slope = *slope + h[at % LANES] * (gamma * y[at]);
                }
                self.implicit(&site, &h)?;
            }
            let record = stages.end - 1 - stages.start;
            self.transpose(recorded(tape, kept, Some(record)), &site, 1.0, &mut moved)?;
            self.gather(tile, 0, panels);
        }
        // The new state is a sum over stages.
        let weights = if method.fsal { &plan.weights.a[last] } else { &plan.weights.b };
        self.collect(tile, panels, 0, weights, Of::State(0));
        let owned = if plan.reuses_end() { 1..last + usize::from(!method.fsal) } else { 0..method.stages };
        for stage in owned.rev() {
            self.slope_of(stage, panels, &h);
            let k = &tape.k[kept * sizes.slots * block..(kept + 1) * sizes.slots * block];
            let y = &tape.y[kept * block..(kept + 1) * block];
            let inputs = &mut self.room.inputs[tile * sizes.rows * LANES..(tile + 1) * sizes.rows * LANES];
            let rows = self.rhs.rows();
            if stage == 0 {
                tile::place_state(inputs, rows, y, panels);
            } else {
                let slopes = Slopes { k, dim };
                tile::advance(inputs, |row| rows.state[row], y, slopes, &plan.weights.a[stage], &h, panels);
            }
            self.place_time(tile, panels, |l| t[l] + method.c[stage] * step[l]);
            if method.is_implicit(stage) {
                self.implicit(&site, &h)?;
            }
            let record = (stage > 0 || first_stage).then(|| stage - stages.start);
            self.transpose(recorded(tape, kept, record), &site, method.c[stage], &mut moved)?;
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
        if !seen.is_empty() {
            let y = &mut self.room.here.y[tile * block..(tile + 1) * block];
            y.iter_mut().zip(&before).for_each(|(y, b)| *y = *y + *b);
        }
        self.room.before = before;
        if self.times {
            for lane in lanes() {
                let mut by_step = moved[1][lane];
                for (slot, k) in
                    tape.k[kept * sizes.slots * block..].chunks_exact(block).take(plan.end_slot + 1).enumerate()
                {
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

    /// Spreads the cotangent of an observation; whether the slope at the end of the step got a part.
    fn observe(&mut self, tile: usize, seen: Seen, id: usize, h: f64, before: &mut [T], observed: &[T]) -> bool {
        let (plan, dim) = (self.plan, self.plan.sizes.dim);
        let (block, lane) = (dim * LANES, seen.column % LANES);
        let rows = plan.problem.observe.count() * dim;
        let mut end = false;
        let mut buffer = std::mem::take(&mut self.room.weights);
        let inside = seen.theta.map(|theta| plan.dense.at(theta, &mut buffer));
        for row in 0..dim {
            let bar = observed[place(id, seen.index * dim + row, rows)];
            let at = row * LANES + lane;
            let Room { here, collected, slope, .. } = &mut *self.room;
            let after = &mut here.y[tile * block + at];
            let Some(inside) = inside else {
                *after = *after + bar;
                continue;
            };
            inside.pull(bar, |what, part| match what {
                Pull::After => *after = *after + part,
                Pull::Before => before[at] = before[at] + part,
                Pull::Slope(slot) if slot == plan.end_slot && plan.reuses_end() => {
                    slope[at] = slope[at] + part * T::from_f64(h);
                    end = true;
                }
                Pull::Slope(slot) => collected[slot * block + at] = collected[slot * block + at] + part,
            });
        }
        self.room.weights = buffer;
        end
    }

    /// The first slopes of samples that have taken a step.
    pub(super) fn start(&mut self, tile: usize, panels: usize) -> Result<(), SolveError> {
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
        let site = Site { tile, panels, taken: &taken, first, in_vain: false };
        self.transpose(Record::Again, &site, 0.0, &mut moved)?;
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
    fn end_inputs(&mut self, tape: &Tape<T>, kept: usize, site: &Site<'_>, h: &Lanes<T>) {
        let plan = self.plan;
        let (sizes, method) = (plan.sizes, &plan.config.method);
        let block = sizes.dim * LANES;
        let k = &tape.k[kept * sizes.slots * block..(kept + 1) * sizes.slots * block];
        let y = &tape.y[kept * block..(kept + 1) * block];
        let weights = if method.fsal { &plan.weights.a[method.stages - 1] } else { &plan.weights.b };
        let y_new = &mut self.room.y_new;
        tile::advance(y_new, Some, y, Slopes { k, dim: sizes.dim }, weights, h, site.panels);
        let inputs = &mut self.room.inputs[site.tile * sizes.rows * LANES..(site.tile + 1) * sizes.rows * LANES];
        tile::place_state(inputs, self.rhs.rows(), y_new, site.panels);
    }
}
