//! A batch of samples: its layout, its chunks, and threads over them.
//!
//! Columns of samples are tile-major, `[tile][row][LANES]`, the last tile padded. Chunks depend on the batch size and the
//! configuration only; a chunk is run by one thread; so bits do not depend on the number of threads.

use super::chunk::{Sizes, SweepLog, Workspace};
use super::config::{CHUNK, ConfigError, SolverConfig, Steps};
use super::dense::Dense;
use super::failure::{LaneFailure, SolveError};
use super::forward::{ChunkRun, Keep, run_chunk};
use super::newton::Accuracy;
use super::pair::Pair;
use super::real::Real;
use super::rhs::{Rhs, Transposed};
use super::statistics::{SampleCount, Statistics};
use super::tape::{Shape, Tape};
use super::tile::Weights;
use crate::backend::LANES;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Initial-value problems, one for each sample.
#[derive(Clone, Copy, Debug)]
pub struct Problem<'a, T> {
    /// How many.
    pub samples: usize,
    /// Initial states, `[tile][dim][LANES]`.
    pub y0: &'a [T],
    /// Per-sample constants of the right-hand side, `[tile][caps][LANES]`.
    pub captures: &'a [T],
    /// Start times: one for each sample, or one for all.
    pub t0: &'a [f64],
    /// End times, likewise; either side of the start.
    pub t1: &'a [f64],
    /// Times at which states are wanted besides the end.
    pub observe: Observe<'a>,
}

/// Times at which states are wanted, in the order of integration, within each sample's span.
#[derive(Clone, Copy, Debug)]
pub enum Observe<'a> {
    /// None.
    Nothing,
    /// The same for every sample.
    Common(&'a [f64]),
    /// `[sample][count]`.
    PerSample {
        /// Times of each sample.
        count: usize,
        /// All of them.
        times: &'a [f64],
    },
}

impl<'a> Observe<'a> {
    /// Times of each sample.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Observe::Nothing => 0,
            Observe::Common(times) => times.len(),
            Observe::PerSample { count, .. } => *count,
        }
    }

    /// The times of one sample.
    #[must_use]
    pub fn times(&self, sample: usize) -> &'a [f64] {
        match *self {
            Observe::Nothing => &[],
            Observe::Common(times) => times,
            Observe::PerSample { count, times } => &times[sample * count..(sample + 1) * count],
        }
    }

    /// A time of one sample by its number, if there are so many.
    pub(super) fn time(&self, sample: usize, number: u32) -> Option<f64> {
        self.times(sample).get(number as usize).copied()
    }
}

impl<T> Problem<'_, T> {
    /// Start and end time of a sample.
    #[must_use]
    pub fn span(&self, sample: usize) -> (f64, f64) {
        let of = |times: &[f64]| if times.len() == 1 { times[0] } else { times[sample] };
        (of(self.t0), of(self.t1))
    }

    pub(super) fn validate(&self, dim: usize, caps: usize) -> Result<(), ConfigError> {
        let padded = tiles(self.samples) * LANES;
        let length =
            |name, len, want| if len == want { Ok(()) } else { Err(ConfigError::BadLength { name, len, want }) };
        length("y0", self.y0.len(), padded * dim)?;
        length("captures", self.captures.len(), padded * caps)?;
        for (name, times) in [("t0", self.t0), ("t1", self.t1)] {
            if times.len() != 1 {
                length(name, times.len(), self.samples)?;
            }
            if let Some(&value) = times.iter().find(|t| !t.is_finite()) {
                return Err(ConfigError::BadValue { name, value, must: "finite" });
            }
        }
        if let Observe::PerSample { count, times } = self.observe {
            length("observation times", times.len(), count * self.samples)?;
        }
        // Common times and spans need one look.
        let once = self.t0.len() == 1 && self.t1.len() == 1 && !matches!(self.observe, Observe::PerSample { .. });
        for sample in 0..if once { self.samples.min(1) } else { self.samples } {
            let (t0, t1) = self.span(sample);
            let forward = if t1 >= t0 { 1.0 } else { -1.0 };
            let mut before = t0;
            for &time in self.observe.times(sample) {
                // Not a number fails both.
                if !((time - before) * forward >= 0.0 && (t1 - time) * forward >= 0.0) {
                    return Err(ConfigError::BadObservation { sample, time });
                }
                before = time;
            }
        }
        Ok(())
    }
}

/// What a solve gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution<T> {
    /// States at the end times, `[tile][dim][LANES]`; padding is zero.
    pub ends: Vec<T>,
    /// States at the observation times, `[tile][count * dim][LANES]`.
    pub observed: Vec<T>,
    /// What each sample cost.
    pub counts: Vec<SampleCount>,
    /// What all of them cost.
    pub statistics: Statistics,
}

/// Blocks of a chunk's results: states at the ends and at observation times over the chunk's tiles, and its samples' counts.
#[derive(Debug)]
pub struct ChunkOut<'a, T> {
    /// `[tile][dim][LANES]`
    pub ends: &'a mut [T],
    /// `[tile][count * dim][LANES]`
    pub observed: &'a mut [T],
    /// One for each sample.
    pub counts: &'a mut [SampleCount],
}

/// A validated solve, split into chunks that may run in any order on any thread.
pub struct Plan<'a, T: Real> {
    pub(super) rhs: &'a dyn Rhs<T>,
    pub(super) config: &'a SolverConfig,
    pub(super) problem: &'a Problem<'a, T>,
    pub(super) weights: Weights<T>,
    pub(super) sizes: Sizes,
    pub(super) dense: Dense,
    /// Whether the slope at the end of every step is evaluated besides the stages.
    pub(super) extra_stage: bool,
    /// Whether steps end at observation times, since an interpolant would be worse than they are.
    pub(super) lands: bool,
    /// The slot with the slope at the end of the step, if there is one.
    pub(super) end_slot: usize,
    /// Components that the error norm looks at.
    pub(super) controlled: usize,
    /// A pair of states marches instead of one.
    pub(super) pair: Option<Pair<T>>,
    /// How far implicit stages are solved.
    pub(super) accuracy: Accuracy<T>,
    chunk: usize,
}

impl<'a, T: Real> Plan<'a, T> {
    /// Checks the configuration and the problem.
    ///
    /// # Errors
    /// What does not fit.
    pub fn new(
        rhs: &'a dyn Rhs<T>,
        config: &'a SolverConfig,
        problem: &'a Problem<'a, T>,
    ) -> Result<Self, ConfigError> {
        config.validate()?;
        problem.validate(rhs.dim(), rhs.caps())?;
        let rows = rhs.rows();
        if !rows.is_valid() || rows.state.len() != rhs.dim() || rows.captures.len() != rhs.caps() {
            return Err(ConfigError::BadRows);
        }
        let method = &config.method;
        if method.implicit.is_some() && rhs.jacobian_scratch().is_none() {
            return Err(ConfigError::NoJacobian { method: method.name.clone() });
        }
        let adaptive = matches!(config.steps, Steps::Adaptive(_));
        let observed = problem.observe.count() > 0;
        let lands = observed && adaptive && method.outruns_interpolant();
        let extra_stage = observed && !lands && !method.fsal && Dense::needs_end_slope(method);
        let end_slot = if extra_stage { method.stages } else { method.stages - 1 };
        // The first step's probe takes a second slot.
        let slots = (end_slot + 1).max(1 + usize::from(adaptive));
        let chunk = config.chunk.unwrap_or(CHUNK);
        Ok(Plan {
            rhs,
            config,
            problem,
            weights: Weights::new(method),
            sizes: Sizes { dim: rhs.dim(), state: rhs.dim(), rows: rows.rows, slots },
            dense: Dense::new(method, end_slot),
            extra_stage,
            lands,
            end_slot,
            controlled: rhs.dim(),
            pair: None,
            accuracy: Accuracy::new(config),
            chunk: chunk.next_multiple_of(LANES),
        })
    }

    /// Whether the slope at the end of a step serves as the next first stage.
    pub(super) fn reuses_end(&self) -> bool {
        self.pair.is_none() && (self.config.method.fsal || self.extra_stage)
    }

    /// State components.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.sizes.dim
    }

    /// Rows of a sample's observations.
    #[must_use]
    pub fn observed_rows(&self) -> usize {
        self.problem.observe.count() * self.sizes.dim
    }

    /// How many chunks there are.
    #[must_use]
    pub fn chunks(&self) -> usize {
        self.problem.samples.div_ceil(self.chunk)
    }

    /// The samples of a chunk.
    #[must_use]
    pub fn samples(&self, chunk: usize) -> Range<usize> {
        chunk * self.chunk..((chunk + 1) * self.chunk).min(self.problem.samples)
    }

    /// Runs one chunk; `log` receives its step sizes.
    ///
    /// # Errors
    /// The chunk's worst failure, or a status of the right-hand side.
    pub fn run(
        &self,
        chunk: usize,
        workspace: &mut Workspace<T>,
        out: ChunkOut<'_, T>,
        log: Option<&mut SweepLog>,
    ) -> Result<ChunkRun, SolveError> {
        run_chunk(self, self.samples(chunk), workspace, out, Keep { log, tape: None, each: None, stage: None })
    }

    /// Runs one chunk and keeps on `tape` what the pass back over it ([`Plan::backward`]) needs. `rhs` is the right-hand side
    /// of the plan.
    ///
    /// # Errors
    /// As [`Plan::run`].
    pub fn record(
        &self,
        chunk: usize,
        workspace: &mut Workspace<T>,
        out: ChunkOut<'_, T>,
        rhs: &dyn Transposed<T>,
        tape: &mut Tape<T>,
    ) -> Result<ChunkRun, SolveError> {
        let (block, reuses_end) = (self.sizes.dim * LANES, self.reuses_end());
        match &self.pair {
            None => {
                // An implicit stage is recorded at its solution, which the march does not evaluate.
                let stages = if self.config.method.implicit.is_some() { 0 } else { self.recorded_stages().len() };
                let record = rhs.record_rows() * LANES;
                tape.begin(Shape { block, slots: self.sizes.slots, stages, record, reuses_end });
            }
            Some(pair) => {
                // Beside what the method by itself would keep.
                let (slots, stages) = (self.config.method.stages, pair.stages.1);
                tape.begin(Shape { block, slots, stages, record: 0, reuses_end });
                tape.ends_of(tiles(self.samples(chunk).len()), self.sizes.state);
            }
        }
        let keep = Keep { log: None, tape: Some((tape, rhs)), each: None, stage: None };
        run_chunk(self, self.samples(chunk), workspace, out, keep)
    }

    /// Evaluations of a step whose first slopes are not known.
    pub(super) fn stages_of_step(&self) -> usize {
        match &self.pair {
            None => self.config.method.stages + usize::from(self.extra_stage),
            Some(pair) => pair.stages.0 + pair.stages.1,
        }
    }

    /// The same plan, whose error norm looks at the first `rows` components only.
    pub(super) fn controlling(mut self, rows: usize) -> Self {
        self.controlled = rows;
        self
    }

    /// Runs one chunk and leaves what `keep` asks for.
    pub(super) fn march<'b>(
        &'b self,
        chunk: usize,
        workspace: &'b mut Workspace<T>,
        out: ChunkOut<'b, T>,
        keep: Keep<'b, T>,
    ) -> Result<ChunkRun, SolveError> {
        run_chunk(self, self.samples(chunk), workspace, out, keep)
    }

    /// The stages that a step owns in the pass back: all but the first, if that is the end of the step before.
    pub(super) fn recorded_stages(&self) -> Range<usize> {
        if self.reuses_end() { 1..self.end_slot + 1 } else { 0..self.config.method.stages }
    }
}

/// Tiles that hold this many samples.
#[must_use]
pub fn tiles(samples: usize) -> usize {
    samples.div_ceil(LANES)
}

/// `[sample][row]` to `[tile][row][LANES]`; padding is zero.
#[must_use]
pub fn pack<T: Real>(samples: &[T], rows: usize) -> Vec<T> {
    let count = samples.len().checked_div(rows).unwrap_or(0);
    let mut packed = vec![T::default(); tiles(count) * rows * LANES];
    for (sample, values) in samples.chunks_exact(rows.max(1)).enumerate() {
        for (row, &x) in values.iter().enumerate() {
            packed[(sample / LANES * rows + row) * LANES + sample % LANES] = x;
        }
    }
    packed
}

/// `[tile][row][LANES]` to `[sample][row]`.
#[must_use]
pub fn unpack<T: Real>(packed: &[T], rows: usize, samples: usize) -> Vec<T> {
    let place = |sample: usize, row: usize| (sample / LANES * rows + row) * LANES + sample % LANES;
    (0..samples).flat_map(|sample| (0..rows).map(move |row| place(sample, row))).map(|at| packed[at]).collect()
}

/// Solves every sample, on up to `threads` threads.
///
/// # Errors
/// A configuration that cannot run, a status of the right-hand side, or the sample that failed worst.
pub fn solve_batch<T: Real>(
    rhs: &dyn Rhs<T>,
    config: &SolverConfig,
    problem: &Problem<'_, T>,
    threads: usize,
) -> Result<Solution<T>, SolveError> {
    let plan = Plan::new(rhs, config, problem)?;
    let all = tiles(problem.samples) * LANES;
    let rows = problem.observe.count() * rhs.dim();
    let mut ends = vec![T::default(); all * rhs.dim()];
    let mut observed = vec![T::default(); all * rows];
    let mut counts = vec![SampleCount::default(); problem.samples];
    let jobs: Vec<Mutex<Job<'_, T>>> = split(&plan, rows, &mut ends, &mut observed, &mut counts);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut workspace = Workspace::default();
        loop {
            let chunk = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(chunk) else { break };
            // Each job is locked by the one thread that drew its number.
            let mut job = job.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some(out) = job.out.take() {
                job.result = Some(plan.run(chunk, &mut workspace, out, None));
            }
        }
    };
    let threads = threads.min(jobs.len()).max(1);
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let results = jobs.into_iter().filter_map(|job| job.into_inner().unwrap_or_else(|e| e.into_inner()).result);
    let paid = join(results)?;
    let statistics = Statistics::of(&counts, paid);
    Ok(Solution { ends, observed, counts, statistics })
}

struct Job<'a, T> {
    out: Option<ChunkOut<'a, T>>,
    result: Option<Result<ChunkRun, SolveError>>,
}

fn split<'b, T: Real>(
    plan: &Plan<'_, T>,
    rows: usize,
    mut ends: &'b mut [T],
    mut observed: &'b mut [T],
    mut counts: &'b mut [SampleCount],
) -> Vec<Mutex<Job<'b, T>>> {
    (0..plan.chunks())
        .map(|chunk| {
            let samples = plan.samples(chunk).len();
            let lanes = tiles(samples) * LANES;
            let (ends_here, ends_left) = std::mem::take(&mut ends).split_at_mut(lanes * plan.sizes.dim);
            let (observed_here, observed_left) = std::mem::take(&mut observed).split_at_mut(lanes * rows);
            let (counts_here, counts_left) = std::mem::take(&mut counts).split_at_mut(samples);
            (ends, observed, counts) = (ends_left, observed_left, counts_left);
            let out = ChunkOut { ends: ends_here, observed: observed_here, counts: counts_here };
            Mutex::new(Job { out: Some(out), result: None })
        })
        .collect()
}

/// Total of paid evaluations, or the worst failure of all chunks.
fn join(results: impl Iterator<Item = Result<ChunkRun, SolveError>>) -> Result<u64, SolveError> {
    let mut paid = 0;
    let mut failed: Option<(LaneFailure, usize)> = None;
    for result in results {
        match result {
            Ok(run) => paid += run.paid,
            Err(SolveError::Failed { worst, count }) => {
                failed = Some(match failed {
                    None => (worst, count),
                    Some((before, n)) => (if worst.comes_before(&before) { worst } else { before }, n + count),
                });
            }
            Err(error @ (SolveError::Config(_) | SolveError::Rhs { .. })) => return Err(error),
        }
    }
    match failed {
        Some((worst, count)) => Err(SolveError::Failed { worst, count }),
        None => Ok(paid),
    }
}
