//! The continuous adjoint: cotangents as a differential equation of their own, solved back in time.
//!
//! End states and cotangents of a chunk -> cotangents as [`Plan::backward`] gives them, but those of the exact solution, up to
//! the tolerance of the equation `(y, a, q)' = (f, -a df/dy, -a df/dc)` (Pontryagin; Chen et al. 2018, section 2 and appendix B).
//! Nothing of the forward march is kept. The integrals `q` over captures are no part of the error norm (Kidger et al. 2021,
//! "Hey, that's not an ODE"). The integral over parameters is summed up by the method's weights: of equal steps with the stages
//! themselves, else once a step is accepted.
//! Between observations the equation is solved piece by piece: there `a` jumps, and `y` is what was observed.

use super::backward::{BackRun, Cotangents};
use super::batch::{ChunkOut, Plan, Problem};
use super::chunk::{Workspace, tile_panels};
use super::config::{SolverConfig, Steps};
use super::failure::SolveError;
use super::forward::{Keep, March, StageOf, status};
use super::real::Real;
use super::rhs::{Rhs, RowMap, Transposed};
use super::room::{cover, place};
use super::statistics::SampleCount;
use super::tile::{self, Lanes, Slopes};
use super::{Observe, batch::tiles};
use crate::backend::{LANES, PANEL};
use crate::numeric::tableau::Method;
use std::sync::Arc;

/// State, cotangent and integrals over captures as one right-hand side.
struct Augmented<'a, T: Real> {
    rhs: &'a dyn Transposed<T>,
    rows: RowMap,
    /// Captures whose cotangents are wanted.
    wanted: Vec<usize>,
}

impl<'a, T: Real> Augmented<'a, T> {
    fn new(rhs: &'a dyn Transposed<T>) -> Self {
        let (dim, caps) = (rhs.dim(), rhs.caps());
        let wanted: Vec<usize> = (0..caps).filter(|&c| rhs.bars().captures[c].is_some()).collect();
        let mut rows = RowMap::in_order(2 * dim, caps);
        rows.state.extend(std::iter::repeat_n(None, wanted.len()));
        Augmented { rhs, rows, wanted }
    }

    /// The inputs of the right-hand side itself, from `state`, `[at least dim rows]`, and time and captures of `inputs`.
    fn inner(&self, state: &[T], inputs: &[T], out: &mut [T]) {
        let (map, dim) = (self.rhs.rows(), self.rhs.dim());
        let mut copy = |from: &[T], row: usize, to: usize| {
            out[to * LANES..(to + 1) * LANES].copy_from_slice(&from[row * LANES..(row + 1) * LANES]);
        };
        for (row, to) in map.state.iter().enumerate() {
            if let Some(to) = to {
                copy(state, row, *to);
            }
        }
        if let Some(to) = map.time {
            copy(inputs, 2 * dim, to);
        }
        for (capture, to) in map.captures.iter().enumerate() {
            copy(inputs, 2 * dim + 1 + capture, *to);
        }
    }
}

impl<T: Real> Rhs<T> for Augmented<'_, T> {
    fn dim(&self) -> usize {
        2 * self.rhs.dim() + self.wanted.len()
    }
    fn caps(&self) -> usize {
        self.rhs.caps()
    }
    fn rows(&self) -> &RowMap {
        &self.rows
    }
    fn scratch_len(&self) -> usize {
        let blocks = self.rhs.rows().rows + self.rhs.record_rows() + self.rhs.bars().rows;
        blocks * LANES + self.rhs.slot_len() + self.rhs.scratch_len()
    }
    fn eval(&self, inputs: &[T], slopes: &mut [T], scratch: &mut [T], panels: usize) -> u32 {
        self.pulled(inputs, slopes, scratch, panels, None)
    }
}

impl<T: Real> Augmented<'_, T> {
    /// The slopes; with weights, one for each lane, sums over parameters of the cotangents times them. A lane whose weight is
    /// zero has slopes of no meaning.
    fn pulled(
        &self,
        inputs: &[T],
        slopes: &mut [T],
        scratch: &mut [T],
        panels: usize,
        sums: Option<(&Lanes<T>, &mut [T])>,
    ) -> u32 {
        let (dim, map) = (self.rhs.dim(), self.rhs.bars());
        let (inner, scratch) = scratch.split_at_mut(self.rhs.rows().rows * LANES);
        let (record, scratch) = scratch.split_at_mut(self.rhs.record_rows() * LANES);
        let (bars, scratch) = scratch.split_at_mut(map.rows * LANES);
        // Sums of a step that may yet be rejected: they are not looked at.
        let (unread, scratch) = scratch.split_at_mut(self.rhs.slot_len());
        // A transpose is linear in its cotangents: weighed for the sums, they are weighed back for the slopes.
        let zero = T::default();
        let one = T::from_f64(1.0);
        let (weights, slot) = match sums {
            Some((weights, slot)) => (*weights, slot),
            None => ([one; LANES], unread),
        };
        let back = weights.map(|w| if w == zero { zero } else { zero - one / w });
        self.inner(inputs, inputs, inner);
        let result = self.rhs.record(inner, record, scratch, panels);
        if result != 0 {
            return result;
        }
        slopes[..dim * LANES].copy_from_slice(&record[..dim * LANES]);
        let bars_of = inputs[dim * LANES..2 * dim * LANES].chunks_exact(LANES);
        for (to, from) in record.chunks_exact_mut(LANES).zip(bars_of) {
            to.iter_mut().zip(from).zip(&weights).for_each(|((to, &a), &w)| *to = w * a);
        }
        let result = self.rhs.transpose(inner, record, bars, slot, scratch, panels);
        let wanted = self.wanted.iter().map(|&c| map.captures[c]);
        for (row, from) in map.state.iter().copied().chain(wanted).enumerate() {
            let out = &mut slopes[(dim + row) * LANES..(dim + row + 1) * LANES];
            match from {
                Some(from) => {
                    let bars = &bars[from * LANES..(from + 1) * LANES];
                    out.iter_mut().zip(bars).zip(&back).for_each(|((o, &b), &w)| *o = w * b);
                }
                None => out.fill(T::default()),
            }
        }
        result
    }
}

/// Adds up the integral over parameters, sweep by sweep.
struct Quadrature<'a, 'b, T: Real> {
    augmented: &'b Augmented<'a, T>,
    slot: &'b mut [T],
    state: Vec<T>,
    inputs: Vec<T>,
    record: Vec<T>,
    bars: Vec<T>,
    scratch: Vec<T>,
    evaluations: u64,
}

impl<T: Real> Quadrature<'_, '_, T> {
    fn sweep(&mut self, march: &March<'_, '_, T>) -> Result<(), SolveError> {
        let (plan, rhs) = (march.plan, self.augmented.rhs);
        let (sizes, method) = (plan.sizes, &plan.config.method);
        let block = sizes.dim * LANES;
        for (tile, panels) in tile_panels(march.columns) {
            let lanes = &march.ws.lanes[tile * LANES..(tile + 1) * LANES];
            let taken: [bool; LANES] =
                std::array::from_fn(|l| tile * LANES + l < march.columns && lanes[l].accepted && !lanes[l].done);
            let Some(first) = taken.iter().position(|&t| t) else { continue };
            let h: Lanes<T> = std::array::from_fn(|l| if taken[l] { T::from_f64(lanes[l].h) } else { T::default() });
            let y = &march.ws.y[tile * block..(tile + 1) * block];
            let k = &march.ws.k[tile * sizes.slots * block..(tile + 1) * sizes.slots * block];
            let outer = &march.ws.inputs[tile * sizes.rows * LANES..(tile + 1) * sizes.rows * LANES];
            for &(stage, weight) in &plan.weights.b {
                if stage == 0 {
                    self.state[..block].copy_from_slice(y);
                } else {
                    let slopes = Slopes { k, dim: sizes.dim };
                    tile::advance(&mut self.state, Some, y, slopes, &plan.weights.a[stage], &h, panels);
                }
                let dim = rhs.dim();
                self.augmented.inner(&self.state, outer, &mut self.inputs);
                tile::place_time(&mut self.inputs, rhs.rows(), panels, |l| lanes[l].t + method.c[stage] * lanes[l].h);
                cover(&mut self.inputs, &taken, first, panels);
                status(rhs.record(&self.inputs, &mut self.record, &mut self.scratch, panels))?;
                for row in 0..dim {
                    for lane in 0..panels * PANEL {
                        let a = self.state[(dim + row) * LANES + lane];
                        let bar = if taken[lane] { T::default() - h[lane] * (weight * a) } else { T::default() };
                        self.record[row * LANES + lane] = bar;
                    }
                }
                status(rhs.transpose(
                    &self.inputs,
                    &mut self.record,
                    &mut self.bars,
                    self.slot,
                    &mut self.scratch,
                    panels,
                ))?;
                self.evaluations += taken.iter().filter(|&&t| t).count() as u64;
            }
        }
        Ok(())
    }
}

/// Makes every stage belong to one step: a last stage that serves the next step, and an error estimate, is left out.
fn own_stages(method: &mut Method) {
    if method.fsal {
        method.stages -= 1;
        method.a.truncate(method.stages);
        method.c.truncate(method.stages);
        method.fsal = false;
    }
    (method.error, method.embedded_order) = (Vec::new(), None);
    (method.interpolant, method.stiffness) = (None, None);
}

impl<T: Real> Plan<'_, T> {
    /// The continuous adjoint over `chunk`, solved with `config`. `ends` and `observed` are the chunk's results.
    ///
    /// # Errors
    /// The sample that failed worst, on its way back.
    pub fn adjoint(
        &self,
        chunk: usize,
        rhs: &dyn Transposed<T>,
        config: &SolverConfig,
        (ends, observed): (&[T], &[T]),
        bars: Cotangents<'_, T>,
        workspace: &mut Workspace<T>,
    ) -> Result<BackRun, SolveError> {
        let samples = self.samples(chunk);
        let (n, dim, caps) = (samples.len(), rhs.dim(), rhs.caps());
        let augmented = Augmented::new(rhs);
        let (all, tiles) = (augmented.dim(), tiles(n));
        let first_tile = samples.start / LANES;
        let captures = &self.problem.captures[first_tile * caps * LANES..(first_tile + tiles) * caps * LANES];
        let mut state = vec![T::default(); tiles * all * LANES];
        let mut ended = state.clone();
        let mut counts = vec![SampleCount::default(); n];
        let mut run = BackRun::default();
        let set = |state: &mut [T], sample: usize, row: usize, value: T| state[place(sample, row, all)] = value;
        for sample in 0..n {
            for row in 0..dim {
                set(&mut state, sample, row, ends[place(sample, row, dim)]);
                set(&mut state, sample, dim + row, bars.states[place(sample, row, dim)]);
            }
        }
        let mut config = SolverConfig { chunk: Some(n), ..config.clone() };
        let with_stages = matches!(config.steps, Steps::Count(_) | Steps::Size(_));
        if with_stages {
            own_stages(Arc::make_mut(&mut config.method));
        }
        let mut weights = vec![T::default(); config.method.stages];
        for &(stage, weight) in &config.method.b {
            weights[stage] = T::from_f64(weight);
        }
        let mut quadrature = Quadrature {
            slot: bars.slot,
            state: vec![T::default(); all * LANES],
            inputs: vec![T::default(); rhs.rows().rows * LANES],
            record: vec![T::default(); rhs.record_rows() * LANES],
            bars: vec![T::default(); rhs.bars().rows * LANES],
            scratch: vec![T::default(); rhs.scratch_len()],
            evaluations: 0,
            augmented: &augmented,
        };
        if !bars.t1.is_empty() {
            let moved = self.along(rhs, captures, samples.start, &state, all, |sample| self.problem.span(sample).1)?;
            bars.t1.iter_mut().zip(moved).for_each(|(t, m)| *t += m);
        }
        let count = self.problem.observe.count();
        let time = |sample: usize, j: usize| match j {
            0 => self.problem.span(samples.start + sample).0,
            j if j == count + 1 => self.problem.span(samples.start + sample).1,
            j => self.problem.observe.times(samples.start + sample)[j - 1],
        };
        for piece in (0..=count).rev() {
            let (from, to): (Vec<f64>, Vec<f64>) = (0..n).map(|s| (time(s, piece + 1), time(s, piece))).unzip();
            let problem = Problem { samples: n, y0: &state, captures, t0: &from, t1: &to, observe: Observe::Nothing };
            let plan = Plan::new(&augmented, &config, &problem)?.controlling(2 * dim);
            let out = ChunkOut { ends: &mut ended, observed: &mut [], counts: &mut counts };
            let keep = Keep { log: None, tape: None, each: None, stage: None };
            let marched = if with_stages {
                let mut stage = |of: StageOf<'_, T>| {
                    let weight = weights[of.stage];
                    let own = of.h.map(|h| T::default() - h * weight);
                    let sums = (weight != T::default()).then_some((&own, &mut *quadrature.slot));
                    augmented.pulled(of.inputs, of.slopes, of.scratch, of.panels, sums)
                };
                plan.march(0, workspace, out, Keep { stage: Some(&mut stage), ..keep })
            } else {
                let mut each = |march: &March<'_, '_, T>| quadrature.sweep(march);
                plan.march(0, workspace, out, Keep { each: Some(&mut each), ..keep })
            };
            marched.map_err(|e| e.of_batch(samples.start))?;
            // An evaluation of the augmented equation is one of the field and one of its transpose.
            run.evaluations += counts.iter().map(|c| u64::from(c.evaluations)).sum::<u64>();
            state.copy_from_slice(&ended);
            if piece > 0 {
                for sample in 0..n {
                    for row in 0..dim {
                        let at = place(sample, (piece - 1) * dim + row, count * dim);
                        set(&mut state, sample, row, observed[at]);
                        let a = &mut state[place(sample, dim + row, all)];
                        *a = *a + bars.observed[at];
                    }
                }
            }
        }
        run.evaluations += quadrature.evaluations;
        run.again = run.evaluations;
        if !bars.t0.is_empty() {
            let moved = self.along(rhs, captures, samples.start, &state, all, |sample| self.problem.span(sample).0)?;
            bars.t0.iter_mut().zip(moved).for_each(|(t, m)| *t -= m);
        }
        for sample in 0..n {
            for row in 0..dim {
                bars.states[place(sample, row, dim)] = state[place(sample, dim + row, all)];
            }
            for (q, &capture) in augmented.wanted.iter().enumerate() {
                let to = &mut bars.captures[place(sample, capture, caps)];
                *to = *to + state[place(sample, 2 * dim + q, all)];
            }
        }
        Ok(run)
    }

    /// `a f(t, y)` of each sample, from blocks of states and cotangents.
    pub(super) fn along(
        &self,
        rhs: &dyn Transposed<T>,
        captures: &[T],
        base: usize,
        state: &[T],
        all: usize,
        time: impl Fn(usize) -> f64,
    ) -> Result<Vec<f64>, SolveError> {
        let (dim, caps) = (rhs.dim(), rhs.caps());
        let mut inputs = vec![T::default(); rhs.rows().rows * LANES];
        let mut slopes = vec![T::default(); dim * LANES];
        let mut scratch = vec![T::default(); rhs.scratch_len()];
        let mut out = Vec::new();
        let n = self.problem.samples - base;
        for (tile, block) in state.chunks_exact(all * LANES).enumerate() {
            let lanes = (n - (tile * LANES).min(n)).min(LANES);
            if lanes == 0 {
                break;
            }
            tile::place_state(&mut inputs, rhs.rows(), &block[..dim * LANES], LANES / PANEL);
            for (capture, &row) in rhs.rows().captures.iter().enumerate() {
                let from = &captures[(tile * caps + capture) * LANES..][..LANES];
                inputs[row * LANES..(row + 1) * LANES].copy_from_slice(from);
            }
            let last = self.problem.samples - 1;
            tile::place_time(&mut inputs, rhs.rows(), LANES / PANEL, |l| time((base + tile * LANES + l).min(last)));
            let taken: [bool; LANES] = std::array::from_fn(|l| l < lanes);
            cover(&mut inputs, &taken, 0, LANES / PANEL);
            status(rhs.eval(&inputs, &mut slopes, &mut scratch, LANES / PANEL))?;
            for lane in 0..lanes {
                let term =
                    |row: usize| block[(dim + row) * LANES + lane].to_f64() * slopes[row * LANES + lane].to_f64();
                out.push((0..dim).map(term).sum());
            }
        }
        Ok(out)
    }
}
