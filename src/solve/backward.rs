//! The pass back over one chunk: the transpose of the steps that were taken.
//!
//! A [`Tape`] and cotangents of a chunk's results -> cotangents of initial states, captures and times, and sums of cotangents
//! of parameters. Step sizes count as constant shares of a sample's span, so the gradient is exactly that of the scheme as it
//! ran. Sweeps run in reverse, tiles and lanes ascending, and samples stand where the march had them: bits depend neither on
//! threads nor on what the tape kept. Of a method whose last stage is the next step's first, a step owns its last stage: it
//! gets what the next step's first stage would have got, `held` until then.

use super::batch::Plan;
use super::chunk::tile_panels;
use super::dense::Dense;
use super::failure::SolveError;
use super::forward::status;
use super::real::Real;
use super::rhs::Transposed;
use super::room::{Room, cover, place};
use super::tape::{Seen, Tape};
use super::tile::{self, Lanes, Slopes};
use crate::backend::{LANES, PANEL};

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
    /// Stages that were computed again for want of a record.
    pub again: u64,
}

/// A pass on its way.
struct Pass<'a, 'p, T: Real> {
    plan: &'a Plan<'p, T>,
    rhs: &'a dyn Transposed<T>,
    room: &'a mut Room<T>,
    slot: &'a mut [T],
    /// First sample of the chunk in the batch.
    base: usize,
    /// Whether times have cotangents.
    times: bool,
    run: BackRun,
}

/// Whose cotangent is spread over slopes.
#[derive(Clone, Copy)]
enum Of {
    /// The state after the step.
    NewState,
    /// The state of the stage that was just transposed.
    Stage,
}

/// One tile of a sweep.
struct Site<'a> {
    tile: usize,
    panels: usize,
    /// Lanes whose step was taken, and the first of them.
    taken: &'a [bool; LANES],
    first: usize,
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
        let (count, dim) = (samples.len(), self.sizes.dim);
        let tiles = count.div_ceil(LANES);
        room.fit_all(tiles, self.sizes, self.end_slot + 1, rhs);
        room.home.y.copy_from_slice(&bars.states[..tiles * dim * LANES]);
        let times = !bars.t0.is_empty();
        let mut pass =
            Pass { plan: self, rhs, room, slot: bars.slot, base: samples.start, times, run: BackRun::default() };
        let mut ids: Vec<u16> = Vec::new();
        let mut upto = tape.log.sweeps.len();
        for sweep in (0..upto).rev() {
            if sweep + 1 == upto && tape.most.is_some() {
                // What lies behind a snapshot is marched again.
                upto = self.replay(rhs, tape, upto, samples.start, pass.room.scratch.as_mut_slice(), &mut pass.run)?;
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
                pass.step(tape, sweep, tile, panels, bars.observed)?;
            }
        }
        pass.leave(&ids);
        let all: Vec<u16> = (0..count).map(|id| id as u16).collect();
        pass.enter(&all);
        if self.reuses_end() {
            for (tile, panels) in tile_panels(count) {
                pass.start(tile, panels)?;
            }
        }
        pass.leave(&all);
        let run = pass.run;
        // Observations before the first step are the initial state.
        let rows = self.problem.observe.count() * dim;
        for seen in &tape.seen[..tape.seen_until.first().copied().unwrap_or(0)] {
            for row in 0..dim {
                let bar = bars.observed[place(seen.column, seen.index * dim + row, rows)];
                let y = &mut room.home.y[place(seen.column, row, dim)];
                *y = *y + bar;
            }
        }
        bars.states[..tiles * dim * LANES].copy_from_slice(&room.home.y);
        for (to, from) in bars.captures.iter_mut().zip(&room.home.captures) {
            *to = *to + *from;
        }
        for (to, from) in [(bars.t0, &room.home.t0), (bars.t1, &room.home.t1)] {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        }
        Ok(run)
    }
}

impl<T: Real> Pass<'_, '_, T> {
    /// Brings what columns hold back to the samples.
    fn leave(&mut self, ids: &[u16]) {
        let (dim, caps) = (self.plan.sizes.dim, self.rhs.caps());
        let Room { home, here, .. } = &mut *self.room;
        for (column, &id) in ids.iter().enumerate() {
            home.copy(usize::from(id), here, column, dim, caps);
        }
    }

    /// Brings samples to their columns, with their captures.
    fn enter(&mut self, ids: &[u16]) {
        let (sizes, caps) = (self.plan.sizes, self.rhs.caps());
        let Room { home, here, inputs, .. } = &mut *self.room;
        let values = self.plan.problem.captures;
        for (column, &id) in ids.iter().enumerate() {
            here.copy(column, home, usize::from(id), sizes.dim, caps);
            for (capture, &row) in self.rhs.rows().captures.iter().enumerate() {
                inputs[place(column, row, sizes.rows)] = values[place(self.base + usize::from(id), capture, caps)];
            }
        }
    }

    /// The transpose of one tile's step.
    fn step(
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
        let log = &tape.log;
        let columns = log.sweeps[sweep].columns.clone();
        let first_column = columns.start + tile * LANES;
        let in_use = (columns.end - first_column).min(LANES);
        let mut taken = [false; LANES];
        let mut t = [0.0; LANES];
        let mut step = [0.0; LANES];
        let logged = first_column..first_column + in_use;
        taken[..in_use].copy_from_slice(&log.accepted[logged.clone()]);
        t[..in_use].copy_from_slice(&log.t[logged.clone()]);
        step[..in_use].copy_from_slice(&log.h[logged]);
        let Some(first) = taken.iter().position(|&a| a) else { return Ok(()) };
        let ids = &log.id[first_column..first_column + in_use];
        let spans: Vec<(f64, f64)> = ids.iter().map(|&id| plan.problem.span(self.base + usize::from(id))).collect();
        let site = Site { tile, panels, taken: &taken, first };
        let h: Lanes<T> = std::array::from_fn(|l| if taken[l] { T::from_f64(step[l]) } else { T::default() });
        let kept = tape.tiles[sweep - tape.from].start + tile;
        let first_stage = log.sweeps[sweep].first_stage;
        let seen = tape.seen_until[sweep]..tape.seen_until[sweep + 1];
        let seen: Vec<(Seen, usize)> = tape.seen[seen]
            .iter()
            .filter(|s| s.column / LANES == tile)
            .map(|s| (*s, usize::from(ids[s.column % LANES])))
            .collect();
        self.room.collected.fill(T::default());
        // Cotangents of the state before the step that do not come through stages.
        let mut before: Vec<T> = if seen.is_empty() { Vec::new() } else { vec![T::default(); block] };
        self.room.slope.fill(T::default());
        let mut end_wanted = false;
        if plan.reuses_end() {
            for lane in (0..in_use).filter(|&l| taken[l]) {
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
        if end_wanted {
            self.end_inputs(tape, kept, &site, &h);
            self.place_time(tile, panels, |l| t[l] + step[l]);
            let record = stages.end - 1 - stages.start;
            self.transpose(tape, kept, Some(record), &site, 1.0, &mut moved)?;
            self.gather(tile, panels);
        }
        // The new state is a sum over stages.
        let last = method.stages - 1;
        let weights = if method.fsal { &plan.weights.a[last] } else { &plan.weights.b };
        self.collect(tile, panels, weights, Of::NewState);
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
            let record = (stage > 0 || first_stage).then(|| stage - stages.start);
            self.transpose(tape, kept, record, &site, method.c[stage], &mut moved)?;
            self.gather(tile, panels);
            self.collect(tile, panels, &plan.weights.a[stage], Of::Stage);
        }
        if plan.reuses_end() {
            self.slope_of(0, panels, &h);
            for lane in (0..in_use).filter(|&l| taken[l]) {
                for row in 0..dim {
                    self.room.here.held[tile * block + row * LANES + lane] = self.room.slope[row * LANES + lane];
                }
            }
        }
        for lane in (0..in_use).filter(|&l| taken[l]) {
            self.room.here.stepped[tile * LANES + lane] = true;
        }
        if !before.is_empty() {
            let y = &mut self.room.here.y[tile * block..(tile + 1) * block];
            y.iter_mut().zip(&before).for_each(|(y, b)| *y = *y + *b);
        }
        if self.times {
            // The step is a share of the span, and so is where it begins.
            for lane in (0..in_use).filter(|&l| taken[l]) {
                let mut by_step = moved[1][lane];
                for (slot, k) in
                    tape.k[kept * sizes.slots * block..].chunks_exact(block).take(plan.end_slot + 1).enumerate()
                {
                    for row in 0..dim {
                        let at = row * LANES + lane;
                        by_step += k[at].to_f64() * self.room.collected[slot * block + at].to_f64();
                    }
                }
                let (t0, t1) = spans[lane];
                let (from, share) = ((t[lane] - t0) / (t1 - t0), step[lane] / (t1 - t0));
                let here = &mut self.room.here;
                here.t0[tile * LANES + lane] += moved[0][lane] * (1.0 - from) - by_step * share;
                here.t1[tile * LANES + lane] += moved[0][lane] * from + by_step * share;
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
        for row in 0..dim {
            let bar = observed[place(id, seen.index * dim + row, rows)];
            let at = row * LANES + lane;
            let after = &mut self.room.here.y[tile * block + at];
            let Some(theta) = seen.theta else {
                *after = *after + bar;
                continue;
            };
            let collected = &mut self.room.collected;
            let mut collect = |slot: usize, part: T| {
                collected[slot * block + at] = collected[slot * block + at] + part;
            };
            match &plan.dense {
                Dense::Hermite { .. } => {
                    // The transpose of `Dense::value`.
                    let bend = theta * (theta - 1.0);
                    let chord = T::from_f64(theta + bend * (1.0 - 2.0 * theta));
                    *after = *after + bar * chord;
                    before[at] = before[at] + (bar - bar * chord);
                    collect(0, bar * T::from_f64(bend * (theta - 1.0)));
                    let part = bar * T::from_f64(bend * theta) * T::from_f64(h);
                    self.room.slope[at] = self.room.slope[at] + part;
                    end = true;
                }
                Dense::Polynomial(_) => {
                    before[at] = before[at] + bar;
                    for (slot, weight) in plan.dense.weights(theta) {
                        let weight = T::from_f64(weight);
                        if slot == plan.end_slot && plan.reuses_end() {
                            let part = bar * weight * T::from_f64(h);
                            self.room.slope[at] = self.room.slope[at] + part;
                            end = true;
                        } else {
                            collect(slot, bar * weight);
                        }
                    }
                }
            }
        }
        end
    }

    /// The first slopes of samples that have taken a step.
    fn start(&mut self, tile: usize, panels: usize) -> Result<(), SolveError> {
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
        let mut nothing = Tape::default();
        let site = Site { tile, panels, taken: &taken, first };
        self.transpose(&mut nothing, 0, None, &site, 0.0, &mut moved)?;
        self.gather(tile, panels);
        if self.times {
            for lane in (0..LANES).filter(|&l| taken[l]) {
                self.room.here.t0[tile * LANES + lane] += moved[0][lane];
            }
        }
        Ok(())
    }

    fn place_time(&mut self, tile: usize, panels: usize, time: impl Fn(usize) -> f64) {
        let rows = self.plan.sizes.rows;
        let inputs = &mut self.room.inputs[tile * rows * LANES..(tile + 1) * rows * LANES];
        tile::place_time(inputs, self.rhs.rows(), panels, time);
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

    /// `slope = h collected[stage]`
    fn slope_of(&mut self, stage: usize, panels: usize, h: &Lanes<T>) {
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
    fn transpose(
        &mut self,
        tape: &mut Tape<T>,
        kept: usize,
        record: Option<usize>,
        site: &Site<'_>,
        c: f64,
        moved: &mut [[f64; LANES]; 2],
    ) -> Result<(), SolveError> {
        let &Site { tile, panels, taken, first } = site;
        let (rows, caps) = (self.plan.sizes.rows, self.rhs.caps());
        let Room { inputs, covered, record: own, bars, slope, scratch, here, .. } = &mut *self.room;
        let inputs = &inputs[tile * rows * LANES..(tile + 1) * rows * LANES];
        let active = taken[..panels * PANEL].iter().filter(|&&t| t).count() as u64;
        // Lanes without a step are replaced by copies of one that took it: whatever they tried may not be finite.
        covered[..inputs.len()].copy_from_slice(inputs);
        let inputs = &mut covered[..inputs.len()];
        cover(inputs, taken, first, panels);
        let record = match record.and_then(|stage| tape.record(kept, stage)) {
            Some(record) => {
                cover(record, taken, first, panels);
                record
            }
            None => {
                self.run.again += active;
                status(self.rhs.record(inputs, own, scratch, panels))?;
                own
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

    /// Adds the stage's state cotangents to those of the step's state.
    fn gather(&mut self, tile: usize, panels: usize) {
        let dim = self.plan.sizes.dim;
        for (row, from) in self.rhs.bars().state.iter().enumerate() {
            let Some(from) = from else { continue };
            let to = &mut self.room.here.y[(tile * dim + row) * LANES..][..panels * PANEL];
            for (to, &from) in to.iter_mut().zip(&self.room.bars[from * LANES..]) {
                *to = *to + from;
            }
        }
    }

    /// `collected[j] += w_j bar` with the cotangents of the new state, or of a stage's.
    fn collect(&mut self, tile: usize, panels: usize, weights: &[(usize, T)], of: Of) {
        let dim = self.plan.sizes.dim;
        let Room { here, bars, collected, .. } = &mut *self.room;
        for &(slot, weight) in weights {
            for row in 0..dim {
                let from = match of {
                    Of::NewState => &here.y[(tile * dim + row) * LANES..][..panels * PANEL],
                    Of::Stage => match self.rhs.bars().state[row] {
                        Some(row) => &bars[row * LANES..][..panels * PANEL],
                        None => continue,
                    },
                };
                let to = &mut collected[(slot * dim + row) * LANES..][..panels * PANEL];
                for (to, &from) in to.iter_mut().zip(from) {
                    *to = *to + weight * from;
                }
            }
        }
    }
}
