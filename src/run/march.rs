//! One chunk of a training step whose objective solves: forward over the segments, and back.
//!
//! An [`Objective`], a chunk's samples and a worker's [`Bench`] -> their losses, and sums of cotangents in slots. A chunk is
//! marched, kept and transposed by one worker; what a lane gives depends on its sample only. Deliberately absent: threads, the
//! reduction of slots.

use super::Real;
use super::bench::Bench;
use super::failure::{Failed, Way};
use super::forward::{From, Request, Role};
use super::lanes::{add_lanes, lanes_of, pad};
use super::objective::{Back, BackFeed, Fed, Given, Objective};
use super::pool::Stop;
use super::solving::Mode;
use super::step::internal;
use super::unit::{Desk, Pass, column, problem, right_hand_side, state};
use crate::backend::LANES;
use crate::solve::{ChunkOut, Cotangents, KernelTransposed, Plan, Problem, SolveError, SolverConfig, Transposed};
use std::ops::Range;

/// A segment that is a solve, in a chunk.
struct SolveOf<'a, T: Real> {
    pass: &'a Pass<'a, T>,
    /// Of each part.
    packed: &'a [&'a [T]],
    segment: usize,
    /// Its number among solves.
    solve: usize,
    samples: &'a Range<usize>,
}

/// What a chunk of a step is made of.
pub(super) struct ChunkOf<'a, T> {
    pub request: &'a Request<'a, T>,
    pub samples: Range<usize>,
    /// For each part, its packed parameters and its slot.
    pub packed: &'a [&'a [T]],
    pub weight: T,
}

impl<T: Real> Objective<T> {
    /// A chunk, forward and back; adds to `slots`, one for each part. The sum of its losses, or why a solve failed.
    pub fn chunk(
        &self,
        of: &ChunkOf<'_, T>,
        slots: &mut [&mut [T]],
        bench: &mut Bench<T>,
    ) -> Result<Result<f64, Failed>, Stop> {
        let packed = self.packed(of.packed);
        let pass = Pass {
            forward: &self.forward,
            request: of.request,
            packed: &packed,
            solvers: &[],
            computed: None,
            training: Some(self.mode),
        };
        let samples = &of.samples;
        let mut solve = 0;
        for (i, step) in self.forward.steps.iter().enumerate() {
            match &step.role {
                Role::Map(results) => pass.map(step, of.packed[i], results, samples, &mut bench.desk)?,
                Role::Solve { results, .. } => {
                    let here = SolveOf { pass: &pass, packed: of.packed, segment: i, solve, samples };
                    if let Err(failure) = self.march(&here, bench)? {
                        return Ok(Err(failure));
                    }
                    // Lanes without a sample hold sound numbers.
                    for &(_, c) in results {
                        pad(&mut bench.desk.columns[c], self.forward.widths[c], samples.len());
                    }
                    solve += 1;
                }
            }
        }
        let n = samples.len();
        let loss = bench.desk.columns[self.loss][..n].iter().fold(0.0, |sum, x| sum + x.to_f64());
        bench.bars.iter_mut().for_each(|bars| bars.fill(T::default()));
        bench.bars[self.loss][..n].fill(of.weight);
        for (i, back) in self.backs.iter().enumerate().rev() {
            if let Role::Solve { .. } = self.forward.steps[i].role {
                solve -= 1;
            }
            match back {
                Back::Nothing => {}
                Back::Map { part, feeds, results } => {
                    let packed = of.packed[self.number(*part)];
                    let slot = &mut *slots[self.number(*part)];
                    self.map_back(&pass, (i, *part), (feeds, results), packed, samples, bench, slot)?;
                }
                Back::Solve { back, .. } => {
                    let slot = &mut *slots[self.number(*back)];
                    let here = SolveOf { pass: &pass, packed: of.packed, segment: i, solve, samples };
                    if let Err(failure) = self.solve_back(&here, bench, slot)? {
                        return Ok(Err(failure));
                    }
                }
            }
        }
        Ok(Ok(loss))
    }

    fn transposed<'a>(&'a self, of: &SolveOf<'a, T>) -> Result<Option<KernelTransposed<'a, T>>, Stop> {
        let Back::Solve { record, back, shared, bars, .. } = &self.backs[of.segment] else { return Ok(None) };
        let value = right_hand_side(&self.forward.steps[of.segment], &of.pass.packed[of.segment])?;
        let part = |part: usize| (&*self.parts[part].kernel, of.packed[self.number(part)]);
        let made = KernelTransposed::new(value, part(*record), part(*back), shared, bars);
        Ok(Some(made.ok_or_else(|| internal("a right-hand side and its transpose do not fit"))?))
    }

    /// How a solve through which gradients pass is made.
    fn plan<'a>(
        &'a self,
        rhs: &'a dyn Transposed<T>,
        solve: usize,
        problem: &'a Problem<'a, T>,
    ) -> Result<Plan<'a, T>, SolveError> {
        let config: &SolverConfig = &self.solvers[solve];
        let plan = Plan::new(rhs, config, problem)?;
        Ok(match self.mode {
            Mode::Exact { .. } | Mode::Snapshots(_) | Mode::Adjoint { .. } => plan,
            Mode::Reversible { coupling } => plan.reversible(coupling)?,
        })
    }

    fn march(&self, of: &SolveOf<'_, T>, bench: &mut Bench<T>) -> Result<Result<(), Failed>, Stop> {
        let &SolveOf { pass, segment, solve, samples, .. } = of;
        let step = &self.forward.steps[segment];
        let Some(rhs) = self.transposed(of)? else {
            let (packed, counts) = (&pass.packed[segment], &mut bench.counts[..samples.len()]);
            let solved = pass.solve(step, packed, &self.solvers[solve], samples, &mut bench.desk, counts)?.map(|_| ());
            bench.marched(solve, samples.len());
            return Ok(solved);
        };
        pass.prepare(step, samples, &mut bench.desk)?;
        let Bench { desk, tapes, results, counts, .. } = bench;
        let tape = &mut tapes[solve];
        let Desk { given, ends, observed, workspace, .. } = &mut *desk;
        let problem = problem(step, &rhs, samples.len(), given);
        let plan = match self.plan(&rhs, solve, &problem) {
            Ok(plan) => plan,
            Err(error) => return Ok(Err(pass.lost(step, &self.solvers[solve], error, &desk.given))),
        };
        let lanes = samples.len().next_multiple_of(LANES);
        let (ends, observed) = (&mut ends[..lanes * plan.dim()], &mut observed[..lanes * plan.observed_rows()]);
        let out = ChunkOut { ends, observed, counts: &mut counts[..samples.len()] };
        let marched = match self.mode {
            Mode::Exact { .. } | Mode::Snapshots(_) | Mode::Reversible { .. } => {
                plan.record(0, workspace, out, &rhs, tape)
            }
            Mode::Adjoint { .. } => plan.run(0, workspace, out, None),
        };
        if let Err(error) = marched {
            return Ok(Err(pass.lost(step, &self.solvers[solve], error, &desk.given)));
        }
        if let Mode::Adjoint { .. } = self.mode {
            results[solve] = (ends.to_vec(), observed.to_vec());
        }
        pass.finish(step, samples, desk)?;
        bench.marched(solve, samples.len());
        Ok(Ok(()))
    }

    /// The transpose of a map: part `part`, of segment `i`.
    #[allow(clippy::too_many_arguments)]
    fn map_back(
        &self,
        pass: &Pass<'_, T>,
        (i, part): (usize, usize),
        (feeds, results): (&[Fed], &[Given]),
        packed: &[T],
        samples: &Range<usize>,
        bench: &mut Bench<T>,
        slot: &mut [T],
    ) -> Result<(), Stop> {
        let kernel = &*self.parts[part].kernel;
        for (tile, first) in samples.clone().step_by(LANES).enumerate() {
            let lanes = (samples.end - first).min(LANES);
            for (row, rows, feed) in feeds {
                let out = &mut bench.inputs[row * LANES..(row + rows) * LANES];
                match feed {
                    BackFeed::Value(feed) => {
                        pass.fill(&self.forward.steps[i].feeds[*feed], &bench.desk.columns, tile, first, lanes, out);
                    }
                    BackFeed::Bar(c) => out.copy_from_slice(&bench.bars[*c][column(tile, *rows)]),
                }
            }
            let Bench { inputs, outputs, desk, .. } = bench;
            let panels = super::feed::panels(lanes);
            let status = kernel.tile(packed, inputs, outputs, slot, &mut desk.scratch, panels);
            if status != 0 {
                return Err(internal(&format!("the transpose of a map reports status {status}")).into());
            }
            for &(row, rows, c) in results {
                let to = &mut bench.bars[c][column(tile, rows)];
                add_lanes(to, &bench.outputs[row * LANES..(row + rows) * LANES], lanes);
            }
        }
        Ok(())
    }

    fn solve_back(
        &self,
        of: &SolveOf<'_, T>,
        bench: &mut Bench<T>,
        slot: &mut [T],
    ) -> Result<Result<(), Failed>, Stop> {
        let &SolveOf { pass, segment, solve, samples, .. } = of;
        let step = &self.forward.steps[segment];
        let (Some(rhs), Back::Solve { span: moving, bars: map, .. }) = (self.transposed(of)?, &self.backs[segment])
        else {
            return Err(internal("a solve without a transpose").into());
        };
        let Role::Solve { rows, dim, span, inits, results, at, count, .. } = &step.role else {
            return Err(internal("a map is not a solve").into());
        };
        let (n, tiles, widths) = (samples.len(), samples.len().div_ceil(LANES), &self.forward.widths);
        let caps = rows.captures.len();
        pass.prepare(step, samples, &mut bench.desk)?;
        let Bench { desk, bars, states, observed, captures, times, tapes, results: kept, room, .. } = bench;
        let states = &mut states[..tiles * dim * LANES];
        let observed = &mut observed[..tiles * dim * count * LANES];
        states.fill(T::default());
        observed.fill(T::default());
        let captures = &mut captures[..tiles * caps * LANES];
        captures.fill(T::default());
        for &(component, c) in results {
            for tile in 0..tiles {
                let from = &bars[c][column(tile, widths[c])];
                if at.is_none() {
                    states[state(*dim, component, tile, widths[c])].copy_from_slice(from);
                    continue;
                }
                let width = widths[c] / count;
                for (row, from) in from.chunks_exact((width * LANES).max(1)).enumerate() {
                    observed[state(*dim, component, tile * count + row, width)].copy_from_slice(from);
                }
            }
        }
        let timed = if moving.0 || moving.1 { n } else { 0 };
        let (t0, t1) = (&mut times.0[..timed], &mut times.1[..timed]);
        t0.fill(0.0);
        t1.fill(0.0);
        let Desk { given, workspace, .. } = desk;
        let problem = problem(step, &rhs, n, given);
        let plan = self.plan(&rhs, solve, &problem).map_err(|e| internal(&e.to_string()))?;
        let cotangents = Cotangents { states, observed, captures, t0, t1, slot };
        let tape = &mut tapes[solve];
        let (run, bytes) = match self.mode {
            Mode::Exact { .. } | Mode::Snapshots(_) | Mode::Reversible { .. } => {
                let run = plan.backward(0, &rhs, tape, cotangents, room);
                let all = tape.all_bytes(&rhs);
                (run, Some((tape.bytes() as u64, all as u64)))
            }
            Mode::Adjoint { .. } => {
                let solver = self.mode.backward(&self.solvers[solve]);
                let results = (&kept[solve].0[..], &kept[solve].1[..]);
                (plan.adjoint(0, &rhs, &solver, results, cotangents, workspace), None)
            }
        };
        let run = match run {
            Ok(run) => run,
            Err(error) => {
                // It begins where the solve ended, so nothing is to blame at its start.
                let way = Way { back: true, ..Way::new(&self.solvers[solve], false, true, Some(self.mode)) };
                return Ok(Err(Failed { pole: step.pole(&error), error, way, blame: None }));
            }
        };
        let stored = (kept[solve].0.len() + kept[solve].1.len()) * size_of::<T>();
        let bytes = bytes.unwrap_or((stored as u64, 0));
        for &(component, c) in inits {
            for tile in 0..tiles {
                let from = &states[state(*dim, component, tile, widths[c])];
                add_lanes(&mut bars[c][column(tile, widths[c])], from, lanes_of(n, tile));
            }
        }
        let mut capture = 0;
        for feed in &step.feeds {
            if let (From::Column(c), true) = (&feed.from, map.captures[capture..].first().is_some_and(Option::is_some))
            {
                for tile in 0..tiles {
                    let from = &captures[(tile * caps + capture) * LANES..][..feed.rows * LANES];
                    add_lanes(&mut bars[*c][column(tile, feed.rows)], from, lanes_of(n, tile));
                }
            }
            capture += feed.rows;
        }
        for (wanted, c, times) in [(moving.0, span.0, &*t0), (moving.1, span.1, &*t1)] {
            if wanted {
                for (bar, &time) in bars[c].iter_mut().zip(times) {
                    *bar = *bar + T::from_f64(time);
                }
            }
        }
        bench.returned(solve, &run, bytes);
        Ok(Ok(()))
    }
}
