//! One work unit of a forward pass: from draws to outputs, on one thread.
//!
//! A running request ([`Pass`]), a worker's buffers ([`Desk`]) and a unit ([`Job`]) -> the unit's outputs, or the failure of one
//! of its solves, left in the job. Column blocks are tile-major, `[tile][element][LANES]`. Deliberately absent: threads, and
//! what failures become.

use super::Real;
use super::blame::{Blame, blame};
use super::buffer::Aligned;
use super::failure::{Failed, Way};
use super::feed::{panels, transpose};
use super::forward::{Feed, Forward, From, Packed, Request, Role, Step};
use super::noise::Normals;
use super::pool::Stop;
use super::solving::Mode;
use super::step::internal;
use super::theta::Computed;
use crate::backend::LANES;
use crate::rng::Key;
use crate::solve::{
    Cause, ChunkOut, KernelRhs, LaneFailure, Observe, Plan, Problem, Rhs, SampleCount, SolveError, SolverConfig,
    Stochastic, StochasticOut, Workspace,
};
use crate::stage::{Source, Times};
use std::ops::Range;

/// One work unit: its samples, and where its results go.
pub(super) struct Job<'b, T> {
    pub samples: Range<usize>,
    pub outputs: Vec<&'b mut [T]>,
    pub counts: Vec<&'b mut [SampleCount]>,
    pub paid: Vec<u64>,
    pub failure: Option<Failed>,
}

/// Buffers of a worker; column blocks are tile-major, `[tile][element][LANES]`.
pub(super) struct Desk<T> {
    pub columns: Vec<Aligned<T>>,
    pub inputs: Aligned<T>,
    pub outputs: Aligned<T>,
    pub scratch: Aligned<T>,
    pub given: Given<T>,
    pub ends: Aligned<T>,
    pub observed: Aligned<T>,
    pub workspace: Workspace<T>,
}

/// What a solve is given.
#[derive(Default)]
pub(super) struct Given<T> {
    pub states: Aligned<T>,
    pub captures: Aligned<T>,
    /// Start and end times.
    pub times: (Vec<f64>, Vec<f64>),
    /// Observation times, `[sample][count]`.
    pub at: Vec<f64>,
}

impl<T: Real> Desk<T> {
    pub fn new(forward: &Forward<T>, unit: usize) -> Desk<T> {
        let most = |f: &dyn Fn(&Step<T>) -> usize| forward.steps.iter().map(f).max().unwrap_or(0);
        let state = most(&|s| match &s.role {
            Role::Map(_) => 0,
            Role::Solve { dim, .. } => *dim,
        });
        let captures = most(&|s| match &s.role {
            Role::Map(_) => 0,
            Role::Solve { rows, .. } => rows.captures.len(),
        });
        let observed = most(&|s| match &s.role {
            Role::Map(_) => 0,
            Role::Solve { dim, count, .. } => dim * count,
        });
        Desk {
            columns: forward.widths.iter().map(|width| Aligned::zeros(width * unit)).collect(),
            inputs: Aligned::zeros(most(&|s| s.layout.input_rows) * LANES),
            outputs: Aligned::zeros(most(&|s| s.layout.output_rows) * LANES),
            scratch: Aligned::zeros(most(&|s| s.layout.scratch_len)),
            given: Given {
                states: Aligned::zeros(state * unit),
                captures: Aligned::zeros(captures * unit),
                times: (vec![0.0; unit], vec![0.0; unit]),
                at: Vec::new(),
            },
            ends: Aligned::zeros(state * unit),
            observed: Aligned::zeros(observed * unit),
            workspace: Workspace::default(),
        }
    }
}

/// A running request, seen by every worker.
pub(super) struct Pass<'a, T: Real> {
    pub forward: &'a Forward<T>,
    pub request: &'a Request<'a, T>,
    pub packed: &'a [Packed<'a, T>],
    pub solvers: &'a [&'a SolverConfig],
    /// What the prologue gives; nothing within a training step.
    pub computed: Option<&'a Computed<T>>,
    /// How gradients pass, within a training step.
    pub training: Option<Mode>,
}

impl<T: Real> Pass<'_, T> {
    /// From draws to outputs. A solve that fails ends the unit, and is left in the job.
    pub fn chunk(&self, job: &mut Job<'_, T>, desk: &mut Desk<T>) -> Result<(), Stop> {
        let mut solve = 0;
        for (step, packed) in self.forward.steps.iter().zip(self.packed) {
            match &step.role {
                Role::Map(results) => self.map(step, packed.unit, results, &job.samples, desk)?,
                Role::Solve { .. } => {
                    match self.solve(step, packed, self.solvers[solve], &job.samples, desk, job.counts[solve])? {
                        Ok(paid) => job.paid[solve] = paid,
                        Err(failure) => {
                            job.failure = Some(failure);
                            return Ok(());
                        }
                    }
                    solve += 1;
                }
            }
        }
        for ((_, _, column), out) in self.forward.outputs.iter().zip(&mut job.outputs) {
            let width = self.forward.widths[*column];
            let block = &desk.columns[*column];
            for (sample, row) in out.chunks_exact_mut(width.max(1)).enumerate() {
                for (element, x) in row.iter_mut().enumerate() {
                    *x = block[(sample / LANES * width + element) * LANES + sample % LANES];
                }
            }
        }
        Ok(())
    }

    pub fn map(
        &self,
        step: &Step<T>,
        packed: &[T],
        results: &[(usize, usize, usize)],
        samples: &Range<usize>,
        desk: &mut Desk<T>,
    ) -> Result<(), Stop> {
        for (tile, first) in samples.clone().step_by(LANES).enumerate() {
            let lanes = (samples.end - first).min(LANES);
            for feed in &step.feeds {
                let Desk { columns, inputs, .. } = desk;
                self.fill(feed, columns, tile, first, lanes, &mut inputs[feed.row * LANES..]);
            }
            let Desk { columns, inputs, outputs, scratch, .. } = desk;
            let inputs = &inputs[..step.layout.input_rows * LANES];
            let outputs = &mut outputs[..step.layout.output_rows * LANES];
            let status = step.kernel.tile(packed, inputs, outputs, &mut [], scratch, panels(lanes));
            if status != 0 {
                return Err(internal(&format!("a tile reports status {status}")).into());
            }
            for &(row, rows, column) in results {
                let len = rows * LANES;
                columns[column][tile * len..(tile + 1) * len].copy_from_slice(&outputs[row * LANES..][..len]);
            }
        }
        Ok(())
    }

    /// Fills `out`, `[rows][LANES]`, for one tile whose first sample (of the request) is `first`.
    pub fn fill(&self, feed: &Feed, columns: &[Aligned<T>], tile: usize, first: usize, lanes: usize, out: &mut [T]) {
        let (request, len) = (self.request, feed.rows * LANES);
        match &feed.from {
            From::Draw(draw) => {
                let key = Key::new(request.seed, request.purpose);
                draw.fill(key, request.step, request.first_sample + first as u64, panels(lanes), out);
            }
            From::Input(id) => {
                let block = request.inputs[id.0 as usize];
                transpose(&block[first * feed.rows..(first + lanes) * feed.rows], feed.rows, &mut out[..len]);
            }
            From::Column(column) => out[..len].copy_from_slice(&columns[*column][tile * len..(tile + 1) * len]),
        }
    }

    /// Brings what a right-hand side reads of each sample into `out`, `[tile][caps][LANES]`.
    fn capture(&self, step: &Step<T>, caps: usize, samples: &Range<usize>, columns: &[Aligned<T>], out: &mut [T]) {
        let mut capture = 0;
        for feed in &step.feeds {
            for (tile, first) in samples.clone().step_by(LANES).enumerate() {
                let lanes = (samples.end - first).min(LANES);
                self.fill(feed, columns, tile, first, lanes, &mut out[(tile * caps + capture) * LANES..]);
            }
            capture += feed.rows;
        }
    }

    /// Evaluations paid for, or why the solve failed, with samples counted in the work unit.
    pub fn solve(
        &self,
        step: &Step<T>,
        packed: &Packed<'_, T>,
        config: &SolverConfig,
        samples: &Range<usize>,
        desk: &mut Desk<T>,
        counts: &mut [SampleCount],
    ) -> Result<Result<u64, Failed>, Stop> {
        self.prepare(step, samples, desk)?;
        let rhs = right_hand_side(step, packed)?;
        let given = std::mem::take(&mut desk.given);
        let problem = problem(step, &rhs, samples.len(), &given);
        let solved = if let (Role::Solve { noise: Some(n), .. }, Some(packed)) = (&step.role, packed.companion) {
            let caps = n.rows.captures.len();
            let mut captures = Aligned::zeros(caps * samples.len().next_multiple_of(LANES));
            self.capture(&n.step, caps, samples, &desk.columns, &mut captures);
            let diffusion = KernelRhs::new(&*n.step.kernel, packed, n.rows.clone())
                .ok_or_else(|| internal("a diffusion does not have the rows of its solve"))?;
            let normals = Normals::new(self.request, n.site, samples.start);
            let (drift, noise, problem) = (&rhs, &normals, &problem);
            let solve = Stochastic { drift, diffusion: &diffusion, captures: &captures, noise, config, problem };
            let (ends, observed) = (&mut desk.ends[..], &mut desk.observed[..]);
            let solved = solve.run(&mut StochasticOut { ends, observed, counts: &mut *counts });
            solved.map(|_| counts.iter().map(|c| u64::from(c.evaluations)).sum())
        } else {
            match Plan::new(&rhs, config, &problem) {
                Ok(plan) => run(&plan, desk, counts),
                Err(error) => Err(error.into()),
            }
        };
        desk.given = given;
        let error = match solved {
            Ok(paid) => {
                self.finish(step, samples, desk)?;
                return Ok(Ok(paid));
            }
            Err(error) => error,
        };
        Ok(Err(self.lost(step, config, error, &desk.given)))
    }

    /// A failure with what is known of its solve.
    pub fn lost(&self, step: &Step<T>, config: &SolverConfig, error: SolveError, given: &Given<T>) -> Failed {
        let noise = matches!(&step.role, Role::Solve { noise: Some(_), .. });
        let way = Way::new(config, noise, !step.theta_map.is_empty(), self.training);
        let blame = match &error {
            SolveError::Failed { worst, .. } if worst.cause == Cause::NonFinite && worst.progress == 0.0 => {
                self.blame(step, worst, given)
            }
            SolveError::Failed { .. } | SolveError::Config(_) | SolveError::Rhs { .. } => None,
        };
        Failed { pole: step.pole(&error), error, way, blame }
    }

    /// What of a right-hand side is not finite where a sample begins.
    fn blame(&self, step: &Step<T>, worst: &LaneFailure, given: &Given<T>) -> Option<Blame> {
        let Role::Solve { rows, dim, firsts, rhs, .. } = &step.role else { return None };
        let theta = match self.computed {
            Some(computed) => step.theta_map.collect(self.request.theta, computed),
            None => Vec::new(),
        };
        let (tile, lane) = (worst.sample / LANES, worst.sample % LANES);
        let caps = rows.captures.len();
        let column = |block: &[T], width: usize, first: usize, len: usize| -> Option<Vec<T>> {
            (0..len).map(|k| block.get((tile * width + first + k) * LANES + lane).copied()).collect()
        };
        blame(rhs, |id| {
            let len = rhs.dag.shape(id).iter().product::<usize>();
            if let Some(k) = rhs.theta.iter().position(|t| *t == id) {
                let first: usize = rhs.theta[..k].iter().map(|t| rhs.dag.shape(*t).iter().product::<usize>()).sum();
                return theta.get(first..first + len).map(<[T]>::to_vec);
            }
            match rhs.sources[rhs.inputs.iter().position(|i| *i == id)?] {
                Source::State(c) => column(&given.states, *dim, firsts[c as usize], len),
                Source::Time => Some(vec![T::from_f64(worst.t)]),
                source @ (Source::Draw(_) | Source::Input(_) | Source::Column(_)) => {
                    let feed = step.feed(source)?;
                    let first = step.feeds[..feed].iter().map(|f| f.rows).sum();
                    column(&given.captures, caps, first, len)
                }
                Source::Bar(_) | Source::Residual(_) => None,
            }
        })
    }

    /// Initial states, captures and times of a solve, from columns.
    pub fn prepare(&self, step: &Step<T>, samples: &Range<usize>, desk: &mut Desk<T>) -> Result<(), Stop> {
        let Role::Solve { rows, dim, span, inits, at, count, .. } = &step.role else {
            return Err(internal("a map is not a solve").into());
        };
        let (n, tiles, dim) = (samples.len(), samples.len().div_ceil(LANES), *dim);
        let widths = &self.forward.widths;
        let caps = rows.captures.len();
        self.capture(step, caps, samples, &desk.columns, &mut desk.given.captures);
        for &(component, from) in inits {
            let width = widths[from];
            for tile in 0..tiles {
                desk.given.states[state(dim, component, tile, width)]
                    .copy_from_slice(&desk.columns[from][column(tile, width)]);
            }
        }
        let (t0, t1) = (&mut desk.given.times.0[..n], &mut desk.given.times.1[..n]);
        for (times, column) in [(&mut *t0, span.0), (&mut *t1, span.1)] {
            times.iter_mut().zip(&*desk.columns[column]).for_each(|(t, x)| *t = x.to_f64());
        }
        if let Some(Times::PerSample(column)) = at {
            let block = &desk.columns[*column];
            desk.given.at.clear();
            desk.given.at.extend((0..n * count).map(|k| {
                let (sample, time) = (k / count, k % count);
                block[(sample / LANES * count + time) * LANES + sample % LANES].to_f64()
            }));
        }
        Ok(())
    }

    /// Columns of a solve's results, from end states or observed states.
    pub fn finish(&self, step: &Step<T>, samples: &Range<usize>, desk: &mut Desk<T>) -> Result<(), Stop> {
        let Role::Solve { dim, results, at, count, .. } = &step.role else {
            return Err(internal("a map is not a solve").into());
        };
        for &(component, to) in results {
            let width = self.forward.widths[to];
            for tile in 0..samples.len().div_ceil(LANES) {
                let out = &mut desk.columns[to][column(tile, width)];
                if at.is_none() {
                    out.copy_from_slice(&desk.ends[state(*dim, component, tile, width)]);
                    continue;
                }
                let width = width / count;
                for (row, out) in out.chunks_exact_mut((width * LANES).max(1)).enumerate() {
                    out.copy_from_slice(&desk.observed[state(*dim, component, tile * count + row, width)]);
                }
            }
        }
        Ok(())
    }
}

/// Rows of a component in a block of states.
pub(super) fn state(dim: usize, component: usize, tile: usize, width: usize) -> Range<usize> {
    (tile * dim + component) * LANES..(tile * dim + component + width) * LANES
}

/// A tile of a column.
pub(super) fn column(tile: usize, width: usize) -> Range<usize> {
    tile * width * LANES..(tile + 1) * width * LANES
}

/// The right-hand side of a solve.
pub(super) fn right_hand_side<'a, T: Real>(
    step: &'a Step<T>,
    packed: &Packed<'a, T>,
) -> Result<KernelRhs<'a, T>, Stop> {
    let Role::Solve { rows, jacobian, .. } = &step.role else {
        return Err(internal("a map is not a solve").into());
    };
    let rhs = KernelRhs::new(&*step.kernel, packed.unit, rows.clone());
    let rhs = match (jacobian, packed.companion) {
        (Some(jacobian), Some(packed)) => rhs.and_then(|rhs| rhs.with_jacobian(&*jacobian.kernel, packed)),
        _ => rhs,
    };
    rhs.ok_or_else(|| internal("a right-hand side does not have the rows of its solve").into())
}

/// The problem of a solve that is given all it needs.
pub(super) fn problem<'a, T: Real>(
    step: &'a Step<T>,
    rhs: &dyn Rhs<T>,
    samples: usize,
    given: &'a Given<T>,
) -> Problem<'a, T> {
    let lanes = samples.next_multiple_of(LANES);
    let (mut t0, mut t1) = (&given.times.0[..samples], &given.times.1[..samples]);
    let observe = match &step.role {
        Role::Map(_) | Role::Solve { at: None, .. } => Observe::Nothing,
        // Known times are exact, whatever the precision of the columns.
        Role::Solve { at: Some(Times::Common(times)), .. } => {
            (t0, t1) = (&times[..1], &times[times.len() - 1..]);
            Observe::Common(times)
        }
        Role::Solve { at: Some(Times::PerSample(_)), count, .. } => {
            Observe::PerSample { count: *count, times: &given.at }
        }
    };
    Problem {
        samples,
        y0: &given.states[..lanes * rhs.dim()],
        captures: &given.captures[..lanes * rhs.caps()],
        t0,
        t1,
        observe,
    }
}

/// Evaluations paid for.
fn run<T: Real>(plan: &Plan<'_, T>, desk: &mut Desk<T>, counts: &mut [SampleCount]) -> Result<u64, SolveError> {
    let mut paid = 0;
    for chunk in 0..plan.chunks() {
        let own = plan.samples(chunk);
        let lanes = own.start / LANES * LANES..own.end.next_multiple_of(LANES);
        let ends = &mut desk.ends[lanes.start * plan.dim()..lanes.end * plan.dim()];
        let rows = plan.observed_rows();
        let observed = &mut desk.observed[lanes.start * rows..lanes.end * rows];
        let out = ChunkOut { ends, observed, counts: &mut counts[own] };
        paid += plan.run(chunk, &mut desk.workspace, out, None)?.paid;
    }
    Ok(paid)
}
