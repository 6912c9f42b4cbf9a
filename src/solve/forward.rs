//! The forward march of one chunk.

use super::batch::{ChunkOut, Plan};
use super::chunk::{Lane, Sizes, SweepLog, Workspace, panels, tile_panels};
use super::config::{StepControl, Steps};
use super::control::{Clock, Law};
use super::failure::SolveError;
use super::real::Real;
use super::rhs::Transposed;
use super::room::place;
use super::stages::Tile;
use super::tape::Tape;
use super::tile::{self, Lanes, Slopes, Tolerance};
use crate::backend::{LANES, PANEL};
use std::ops::Range;

/// What running a chunk cost beyond the counts of its samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChunkRun {
    /// Lane evaluations computed, padding included.
    pub paid: u64,
    /// Sweeps over the chunk.
    pub sweeps: u32,
}

/// Error control of a run.
#[derive(Clone, Copy)]
pub(super) struct Control<T> {
    pub(super) law: Law,
    pub(super) tolerance: Tolerance<T>,
    pub(super) joint: bool,
}

/// What a march leaves behind.
pub(super) struct Keep<'a, T: Real> {
    /// Step sizes alone.
    pub log: Option<&'a mut SweepLog>,
    /// What a pass back needs; stages are evaluated by the right-hand side that records.
    pub tape: Option<(&'a mut Tape<T>, &'a dyn Transposed<T>)>,
    /// Called after each sweep was judged, before its steps are committed.
    pub each: Option<Each<'a, T>>,
    /// Evaluates the stages of steps in place of the right-hand side; gives its status.
    pub stage: Option<InPlace<'a, T>>,
}

/// A stage that is evaluated.
pub(super) struct StageOf<'a, T> {
    pub stage: usize,
    /// The step of each lane; zero if it is finished or padding.
    pub h: &'a Lanes<T>,
    pub inputs: &'a [T],
    pub slopes: &'a mut [T],
    pub scratch: &'a mut [T],
    pub panels: usize,
}

pub(super) type InPlace<'a, T> = &'a mut dyn FnMut(StageOf<'_, T>) -> u32;

/// Looks at a march.
pub(super) type Each<'a, T> = &'a mut dyn FnMut(&March<'_, '_, T>) -> Result<(), SolveError>;

/// A chunk on its way; `start` holds its beginnings.
pub(super) struct March<'a, 'p, T: Real> {
    pub(super) plan: &'a Plan<'p, T>,
    pub(super) ws: &'a mut Workspace<T>,
    pub(super) out: ChunkOut<'a, T>,
    /// First sample of the chunk in the batch.
    pub(super) base: usize,
    /// Columns in use; unfinished ones among them.
    pub(super) columns: usize,
    pub(super) control: Option<Control<T>>,
    /// The clock of the chunk under joint control, in fractions of spans.
    pub(super) shared: Clock,
    /// Whether slot 0 holds the slopes at the states.
    pub(super) first_slopes: bool,
    pub(super) run: ChunkRun,
    pub(super) keep: Keep<'a, T>,
}

/// Brings the samples of `chunk` to their end times. Blocks of `out` cover the chunk's tiles.
pub(super) fn run_chunk<'a, T: Real>(
    plan: &'a Plan<'_, T>,
    samples: Range<usize>,
    ws: &'a mut Workspace<T>,
    out: ChunkOut<'a, T>,
    keep: Keep<'a, T>,
) -> Result<ChunkRun, SolveError> {
    let control = match &plan.config.steps {
        Steps::Count(_) | Steps::Size(_) => None,
        Steps::Adaptive(a) => Some(Control {
            law: Law::new(a, &plan.config.method),
            tolerance: Tolerance { rtol: T::from_f64(a.rtol), atol: T::from_f64(a.atol), norm: a.norm },
            joint: a.step_control == StepControl::Joint,
        }),
    };
    let base = samples.start;
    let columns = samples.len();
    let mut march = March {
        plan,
        ws,
        out,
        base,
        columns,
        control,
        shared: Clock::default(),
        first_slopes: false,
        run: ChunkRun::default(),
        keep,
    };
    march.load();
    if let Some((tape, _)) = &mut march.keep.tape {
        tape.seen_until.push(tape.seen.len());
        let steps = march.ws.lanes.iter().filter(|lane| !lane.done).map(|lane| lane.fixed as usize);
        tape.end = if march.control.is_none() { steps.max() } else { None };
    }
    march.march()?;
    Ok(march.run)
}

impl<T: Real> March<'_, '_, T> {
    fn march(&mut self) -> Result<(), SolveError> {
        let active = |lanes: &[Lane]| lanes.iter().filter(|l| !l.done).count();
        if active(&self.ws.lanes) == 0 {
            return Ok(());
        }
        self.start()?;
        loop {
            let left = active(&self.ws.lanes[..self.columns]);
            if left == 0 {
                return Ok(());
            }
            if panels(left) < panels(self.columns) {
                let captures = &self.plan.rhs.rows().captures;
                self.columns = self.ws.pack(self.columns, self.plan.sizes, self.first_slopes, captures);
            }
            self.begin_sweep();
            let first_stage = !self.first_slopes;
            for (tile, panels) in tile_panels(self.columns) {
                self.step_tile(tile, panels)?;
            }
            self.run.sweeps += 1;
            let failures = self.judge();
            if let Some(log) = self.keep.log.as_deref_mut() {
                log.record(&self.ws.lanes[..self.columns], first_stage);
            }
            if let Some((tape, _)) = &mut self.keep.tape {
                tape.log.record(&self.ws.lanes[..self.columns], first_stage);
                tape.keep(tape.log.sweeps.len() - 1, &self.ws.y, &self.ws.k, self.columns, self.plan.sizes);
            }
            if let Some(error) = failures {
                return Err(error);
            }
            self.look_for_stiffness();
            if let Some(each) = self.keep.each.take() {
                each(self)?;
                self.keep.each = Some(each);
            }
            self.observe();
            if let Some((tape, _)) = &mut self.keep.tape {
                tape.seen_until.push(tape.seen.len());
            }
            self.commit();
        }
    }

    /// Sets time and step of every lane for this sweep.
    fn begin_sweep(&mut self) {
        let joint = self.control.is_some_and(|c| c.joint);
        if joint {
            let stop = self.shared_stop();
            self.shared.begin(stop);
        }
        let (observe, base, lands) = (&self.plan.problem.observe, self.base, self.plan.lands);
        for lane in &mut self.ws.lanes[..self.columns.next_multiple_of(PANEL)] {
            lane.accepted = false;
            if lane.done {
                lane.h = 0.0;
                continue;
            }
            let span = lane.t1 - lane.t0;
            match &self.control {
                None => {
                    lane.t = lane.t0 + f64::from(lane.count.accepted) * span / f64::from(lane.fixed);
                    lane.h = span / f64::from(lane.fixed);
                }
                Some(_) if joint => {
                    lane.t = lane.t0 + self.shared.t * span;
                    lane.h = self.shared.h * span;
                }
                Some(_) => {
                    let observed = if lands { observe.time(base + usize::from(lane.id), lane.next) } else { None };
                    lane.clock.begin(observed.unwrap_or(lane.clock.end));
                    lane.t = lane.clock.t;
                    lane.h = lane.clock.h;
                }
            }
        }
    }

    /// Evaluates the slopes at the states into slot 0.
    pub(super) fn first_stage(
        &mut self,
        tile: usize,
        panels: usize,
        time: impl Fn(&Lane) -> f64,
    ) -> Result<(), SolveError> {
        let (sizes, rhs) = (self.plan.sizes, self.plan.rhs);
        let block = sizes.dim * LANES;
        let inputs = &mut self.ws.inputs[tile * sizes.rows * LANES..(tile + 1) * sizes.rows * LANES];
        let lanes = &self.ws.lanes[tile * LANES..(tile + 1) * LANES];
        tile::place_state(inputs, rhs.rows(), &self.ws.y[tile * sizes.state * LANES..][..block], panels);
        tile::place_time(inputs, rhs.rows(), panels, |l| time(&lanes[l]));
        let slopes = &mut self.ws.k[tile * sizes.slots * block..][..block];
        self.run.paid += (panels * PANEL) as u64;
        if let Some((tape, rhs)) = &mut self.keep.tape
            && let Some(record) = tape.room_before(tile)
        {
            let result = rhs.record(inputs, record, &mut self.ws.scratch, panels);
            slopes.copy_from_slice(&record[..block]);
            return status(result);
        }
        status(rhs.eval(inputs, slopes, &mut self.ws.scratch, panels))
    }

    /// All stages of one tile, its new states and its errors.
    fn step_tile(&mut self, tile: usize, panels: usize) -> Result<(), SolveError> {
        let plan = self.plan;
        let (sizes, rhs) = (plan.sizes, plan.rhs);
        let (dim, block, state) = (sizes.dim, sizes.dim * LANES, sizes.state * LANES);
        let stand = self.ws.stand_in((tile, panels), sizes, self.first_slopes, &rhs.rows().captures);
        let y = &self.ws.y[tile * state..(tile + 1) * state];
        let y_new = &mut self.ws.y_new[tile * state..(tile + 1) * state];
        let k = &mut self.ws.k[tile * sizes.slots * block..(tile + 1) * sizes.slots * block];
        let inputs = &mut self.ws.inputs[tile * sizes.rows * LANES..(tile + 1) * sizes.rows * LANES];
        let lanes = &self.ws.lanes[tile * LANES..tile * LANES + panels * PANEL];
        let at = |l: usize| {
            let lane = &lanes[usize::from(stand[l])];
            (lane.t, lane.h)
        };
        let h: Lanes<T> = std::array::from_fn(|l| T::from_f64(at(l).1));
        let own: Lanes<T> = std::array::from_fn(|l| lanes.get(l).map_or(T::default(), |lane| T::from_f64(lane.h)));
        let mut records = match &mut self.keep.tape {
            Some((tape, rhs)) => tape.room(tile).map(|room| (room, *rhs)),
            None => None,
        };
        let mut in_place = self.keep.stage.as_deref_mut();
        let first_recorded = plan.recorded_stages().start;
        let (scratch, paid) = (&mut self.ws.scratch, &mut self.run.paid);
        // Every way to evaluate a stage gives the same bits.
        let mut evaluate = |stage: usize, inputs: &[T], slopes: &mut [T]| {
            *paid += (panels * PANEL) as u64;
            if let Some(evaluate) = &mut in_place {
                return status(evaluate(StageOf { stage, h: &own, inputs, slopes, scratch, panels }));
            }
            match &mut records {
                Some((room, rhs)) if !room.is_empty() => {
                    let len = rhs.record_rows() * LANES;
                    let record = &mut room[(stage - first_recorded) * len..(stage - first_recorded + 1) * len];
                    let result = rhs.record(inputs, record, scratch, panels);
                    slopes.copy_from_slice(&record[..block]);
                    status(result)
                }
                _ => status(rhs.eval(inputs, slopes, scratch, panels)),
            }
        };
        let newton = &mut self.ws.newton;
        let blocks = Tile { y, y_new: &mut *y_new, k: &mut *k, inputs, newton };
        match &plan.pair {
            None => plan.stages(blocks, at, &h, self.first_slopes, panels, &mut evaluate)?,
            Some(pair) => plan.step_pair(pair, blocks, at, &h, self.first_slopes, panels, &mut evaluate)?,
        }
        let gathered = match &self.control {
            Some(c) => {
                // Of a pair, that of the step from the second state; the new second state must be finite too.
                let (slopes, rows, from) = (Slopes { k, dim }, plan.controlled, &y[state - block..]);
                let mut error = tile::error(from, y_new, slopes, rows, &plan.weights.error, &h, c.tolerance, panels);
                if plan.pair.is_some() {
                    let defect = tile::defect(&y_new[block..], dim, panels);
                    error.iter_mut().zip(defect).for_each(|(error, defect)| *error = *error + defect);
                }
                error
            }
            None => tile::defect(y_new, sizes.state, panels),
        };
        for (error, gathered) in self.ws.errors[tile * LANES..].iter_mut().zip(&gathered[..panels * PANEL]) {
            *error = gathered.to_f64();
        }
        if plan.config.method.implicit.is_some() {
            for (l, lane) in self.ws.lanes[tile * LANES..(tile + 1) * LANES].iter_mut().enumerate() {
                (lane.stalled, lane.iterations) = (self.ws.newton.failed[l], self.ws.newton.evaluations[l]);
            }
        }
        Ok(())
    }

    /// Makes accepted steps the new states, and writes out what has reached its end.
    fn commit(&mut self) {
        let plan = self.plan;
        let (sizes, block) = (plan.sizes, plan.sizes.dim * LANES);
        for (tile, panels) in tile_panels(self.columns) {
            let lanes = &self.ws.lanes[tile * LANES..tile * LANES + panels * PANEL];
            // A finished lane may be overwritten: its state has been written out.
            let mask: [bool; LANES] = std::array::from_fn(|l| lanes.get(l).is_none_or(|l| l.accepted || l.done));
            let state = tile * sizes.state * LANES..(tile + 1) * sizes.state * LANES;
            tile::commit(&mut self.ws.y[state.clone()], &self.ws.y_new[state], &mask, sizes.state, panels);
            if plan.reuses_end() {
                let k = &mut self.ws.k[tile * sizes.slots * block..(tile + 1) * sizes.slots * block];
                let (first, rest) = k.split_at_mut(plan.end_slot * block);
                tile::commit(first, &rest[..block], &mask, sizes.dim, panels);
            }
        }
        self.first_slopes = plan.reuses_end();
        for column in 0..self.columns {
            let lane = &self.ws.lanes[column];
            if !lane.done && lane.accepted && Self::reached_end(&self.control, &self.shared, lane) {
                self.finish(column);
            }
        }
    }

    /// Writes the state of a column out and marks it finished.
    pub(super) fn finish(&mut self, column: usize) {
        let Sizes { dim, state, .. } = self.plan.sizes;
        let lane = &mut self.ws.lanes[column];
        let id = usize::from(lane.id);
        lane.done = true;
        lane.h = 0.0;
        lane.t = lane.t1;
        self.out.counts[id] = lane.count;
        for row in 0..dim {
            self.out.ends[place(id, row, dim)] = self.ws.y[place(column, row, state)];
        }
        if let (Some((tape, _)), Some(_)) = (&mut self.keep.tape, &self.plan.pair) {
            for row in 0..state {
                tape.ends[place(id, row, state)] = self.ws.y[place(column, row, state)];
            }
        }
    }

    pub(super) fn each_active(&mut self, f: impl FnMut(&mut Lane)) {
        self.ws.lanes[..self.columns].iter_mut().filter(|l| !l.done).for_each(f);
    }
}

pub(super) fn status(status: u32) -> Result<(), SolveError> {
    if status == 0 { Ok(()) } else { Err(SolveError::Rhs { status }) }
}
