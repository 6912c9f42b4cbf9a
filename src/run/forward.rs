//! Evaluation of a program for many samples: sampling, densities, metrics.
//!
//! A [`ForwardPlan`], a back end and solvers -> a [`Forward`], whose [`Forward::run`] takes parameters and a [`Request`] and
//! gives the program's outputs, row-major `[sample][element]`. The work unit is a run of 512 samples, taken by one thread from
//! its draws to its outputs. Invariants: what a sample gives depends on its number, the seed, the purpose and the step, not on
//! threads, on the batch or on its place in it (but for solvers that step jointly, whose chunks are the batch's); a failure
//! reported is the worst of all. Deliberately absent: gradients; what outputs mean.

use super::Real;
use super::buffer::Aligned;
use super::failure::worst;
use super::feed::DrawFeed;
use super::params::ParamTable;
use super::pole::{Divisors, Pole};
use super::pool::Pool;
use super::step::internal;
use super::theta::{ThetaMap, prologue};
use super::unit::{Desk, Job, Pass};
use crate::backend::{Backend, Kernel, LANES, Layout, SharedMut, Unit};
use crate::diag::Diagnostic;
use crate::ir::{InputDecl, InputId, Program, Shape};
use crate::rng;
use crate::solve::{RowMap, SampleCount, SolveError, SolverConfig, Statistics};
use crate::stage::{ForwardPlan, Prologue, Segment, Source, Times, UnitSpec};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Samples of a work unit, unless a solver's chunk is larger.
const UNIT: usize = 512;

/// What to evaluate.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a, T> {
    /// The parameters, flat, as [`ParamTable`] has them.
    pub theta: &'a [T],
    /// Keys the draws, with `purpose` and `step`.
    pub seed: u64,
    /// What the samples are for, e.g. "sample", "validate".
    pub purpose: &'a str,
    /// Counts repetitions.
    pub step: u64,
    /// Number of the first sample.
    pub first_sample: u64,
    /// How many samples.
    pub samples: usize,
    /// For each input of the program, row-major `[sample][element]`.
    pub inputs: &'a [&'a [T]],
    /// For each solver of the plan; those that a plan leaves open take `default_solver`.
    pub solvers: &'a [SolverConfig],
    /// The solver of the enclosing block.
    pub default_solver: Option<&'a SolverConfig>,
}

/// What came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome<T> {
    /// The program's outputs, in its order.
    pub outputs: Vec<Output<T>>,
    /// What each solve cost, in the order of the plan.
    pub solves: Vec<Statistics>,
}

/// One output of a program.
#[derive(Clone, Debug, PartialEq)]
pub struct Output<T> {
    /// Its name.
    pub name: String,
    /// Its shape for one sample.
    pub shape: Shape,
    /// Row-major `[sample][element]`.
    pub values: Vec<T>,
}

impl<T> Outcome<T> {
    /// The output of that name.
    #[must_use]
    pub fn output(&self, name: &str) -> Option<&Output<T>> {
        self.outputs.iter().find(|o| o.name == name)
    }
}

/// A compiled program.
pub struct Forward<T: Real> {
    pool: Pool,
    table: ParamTable,
    inputs: Vec<InputDecl>,
    prologue: Prologue,
    pub(super) steps: Vec<Step<T>>,
    /// Elements of each column block.
    pub(super) widths: Vec<usize>,
    pub(super) outputs: Vec<(String, Shape, usize)>,
}

/// Parameters of a step as its kernels read them.
#[derive(Clone, Copy)]
pub(super) struct Packed<'a, T> {
    pub unit: &'a [T],
    pub companion: Option<&'a [T]>,
}

/// A segment with its kernel.
pub(super) struct Step<T: Real> {
    pub kernel: Box<dyn Kernel<T>>,
    pub layout: Layout,
    pub theta_map: ThetaMap,
    pub feeds: Vec<Feed>,
    pub role: Role<T>,
}

/// Rows of an input block that do not change within a solve.
pub(super) struct Feed {
    pub source: Source,
    pub row: usize,
    pub rows: usize,
    pub from: From,
}

pub(super) enum From {
    Draw(DrawFeed),
    Input(InputId),
    Column(usize),
}

/// The diffusion of a solve.
pub(super) struct Diffusion<T: Real> {
    pub step: Step<T>,
    pub rows: RowMap,
    pub site: u32,
}

pub(super) enum Role<T: Real> {
    /// First row, rows and column of each output.
    Map(Vec<(usize, usize, usize)>),
    Solve {
        rows: RowMap,
        dim: usize,
        /// First row of each component.
        firsts: Vec<usize>,
        span: (usize, usize),
        /// First state component and column of each initial value, and of each result.
        inits: Vec<(usize, usize)>,
        results: Vec<(usize, usize)>,
        solver: u32,
        /// Times at which states are wanted instead of the end, and how many.
        at: Option<Times>,
        count: usize,
        noise: Option<Box<Diffusion<T>>>,
        /// For an implicit solver.
        jacobian: Option<Box<Step<T>>>,
        /// Of the right-hand side, and of the diffusion.
        divisors: Vec<Divisors>,
        /// What the kernel evaluates, for messages.
        rhs: Box<UnitSpec>,
    },
}

impl<T: Real> Forward<T> {
    /// Compiles every segment.
    ///
    /// # Errors
    /// `E9999` if the plan does not fit the program or breaks an invariant of the back end.
    pub fn new(
        program: &Program,
        plan: ForwardPlan,
        backend: &dyn Backend<T>,
        pool: Pool,
    ) -> Result<Forward<T>, Box<Diagnostic>> {
        let table = ParamTable::new(&program.params);
        let widths: Vec<usize> = plan.columns.iter().map(|shape| shape.iter().product()).collect();
        let steps = plan
            .segments
            .iter()
            .map(|segment| Step::new(segment, program, &plan.prologue, &table, &widths, backend))
            .collect::<Result<Vec<_>, _>>()?;
        let outputs = plan.outputs.into_iter().map(|(name, c)| (name, plan.columns[c].clone(), c)).collect();
        let inputs = program.inputs.clone();
        Ok(Forward { pool, table, inputs, prologue: plan.prologue, steps, widths, outputs })
    }

    /// Where parameters lie in the flat vector.
    #[must_use]
    pub fn table(&self) -> &ParamTable {
        &self.table
    }

    /// Evaluates the program.
    ///
    /// # Errors
    /// `E0702`, `E0703` or `E0704` with the sample that failed worst; `E0610` for a solver that cannot run; `E9999` for a
    /// request of wrong lengths.
    pub fn run(&self, request: &Request<'_, T>) -> Result<Outcome<T>, Box<Diagnostic>> {
        self.validate(request)?;
        let n = request.samples;
        let solvers = self.solvers(request)?;
        let computed = prologue(&self.prologue, &self.table, request.theta)?;
        let pack = |step: &Step<T>| {
            let theta = step.theta_map.collect(request.theta, &computed);
            let mut packed = Aligned::zeros(step.layout.packed_len);
            step.kernel.pack(&theta, &SharedMut::new(&mut packed), 0, 1);
            packed
        };
        let packed: Vec<(Aligned<T>, Option<Aligned<T>>)> =
            self.steps.iter().map(|step| (pack(step), step.companion().map(pack))).collect();
        let packed: Vec<Packed<'_, T>> =
            packed.iter().map(|(unit, c)| Packed { unit, companion: c.as_deref() }).collect();
        let chunk = solvers.iter().filter_map(|s| s.chunk).max().unwrap_or(0);
        let unit = UNIT.max(chunk.next_multiple_of(LANES));
        let mut values: Vec<Vec<T>> =
            self.outputs.iter().map(|(_, _, column)| vec![T::default(); n * self.widths[*column]]).collect();
        let mut counts: Vec<Vec<SampleCount>> = solvers.iter().map(|_| vec![SampleCount::default(); n]).collect();
        let jobs = self.split(n, unit, &mut values, &mut counts);
        let pass = Pass {
            forward: self,
            request,
            packed: &packed,
            solvers: &solvers,
            computed: Some(&computed),
            training: None,
        };
        let next = AtomicUsize::new(0);
        self.pool.run(jobs.len().max(1), |_| {
            let mut desk = Desk::new(self, unit.min(n.next_multiple_of(LANES)));
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(job) = jobs.get(number) else { return Ok(()) };
                // Each job is locked once, by the worker that drew its number.
                pass.chunk(&mut job.lock().unwrap_or_else(PoisonError::into_inner), &mut desk)?;
            }
        })?;
        let mut paid = vec![0_u64; solvers.len()];
        let mut failures = Vec::new();
        for job in jobs {
            let job = job.into_inner().unwrap_or_else(PoisonError::into_inner);
            paid.iter_mut().zip(&job.paid).for_each(|(sum, p)| *sum += p);
            failures.extend(job.failure.map(|f| (job.samples.start, f)));
        }
        if let Some(failure) = worst(failures, request.first_sample) {
            return Err(failure);
        }
        let solves = counts.iter().zip(paid).map(|(c, paid)| Statistics::of(c, paid)).collect();
        let outputs = self.outputs.iter().zip(values);
        let outputs =
            outputs.map(|((name, shape, _), values)| Output { name: name.clone(), shape: shape.clone(), values });
        Ok(Outcome { outputs: outputs.collect(), solves })
    }

    fn validate(&self, request: &Request<'_, T>) -> Result<(), Box<Diagnostic>> {
        let width = |d: &InputDecl| d.shape.iter().product::<usize>();
        let fits = request.theta.len() == self.table.len()
            && request.inputs.len() == self.inputs.len()
            && self.inputs.iter().zip(request.inputs).all(|(d, block)| block.len() == request.samples * width(d));
        if fits { Ok(()) } else { Err(internal("parameters or inputs of a forward pass have the wrong length")) }
    }

    /// The solver of each solve, in the order of the plan.
    fn solvers<'a>(&self, request: &Request<'a, T>) -> Result<Vec<&'a SolverConfig>, Box<Diagnostic>> {
        self.steps
            .iter()
            .filter_map(|step| match &step.role {
                Role::Map(_) => None,
                Role::Solve { solver, .. } => Some(*solver),
            })
            .map(|index| match index {
                u32::MAX => request.default_solver.ok_or_else(|| internal("a solve has no solver")),
                _ => request.solvers.get(index as usize).ok_or_else(|| internal("a solve names a solver out of range")),
            })
            .collect()
    }

    fn split<'b>(
        &self,
        n: usize,
        unit: usize,
        values: &'b mut [Vec<T>],
        counts: &'b mut [Vec<SampleCount>],
    ) -> Vec<Mutex<Job<'b, T>>> {
        let mut values: Vec<_> = values
            .iter_mut()
            .zip(&self.outputs)
            .map(|(v, (_, _, column))| v.chunks_mut((unit * self.widths[*column]).max(1)))
            .collect();
        let mut counts: Vec<_> = counts.iter_mut().map(|c| c.chunks_mut(unit)).collect();
        (0..n.div_ceil(unit))
            .map(|chunk| {
                Mutex::new(Job {
                    samples: chunk * unit..((chunk + 1) * unit).min(n),
                    outputs: values.iter_mut().map(|v| v.next().unwrap_or_default()).collect(),
                    paid: vec![0; counts.len()],
                    counts: counts.iter_mut().map(|c| c.next().unwrap_or_default()).collect(),
                    failure: None,
                })
            })
            .collect()
    }
}

impl<T: Real> Step<T> {
    fn new(
        segment: &Segment,
        program: &Program,
        prologue: &Prologue,
        table: &ParamTable,
        widths: &[usize],
        backend: &dyn Backend<T>,
    ) -> Result<Step<T>, Box<Diagnostic>> {
        let (name, spec) = match segment {
            Segment::Map { unit, .. } => ("map", unit),
            Segment::Solve { rhs, .. } => ("rhs", rhs),
        };
        let mut step = Step::of(name, spec, program, prologue, table, widths, backend)?;
        let layout = &step.layout;
        step.role = match segment {
            Segment::Map { columns, .. } => {
                Role::Map(layout.output_row.iter().zip(columns).map(|(&row, &c)| (row, widths[c], c)).collect())
            }
            Segment::Solve { components, span, inits, results, solver, at, noise, jacobian, rhs: spec } => {
                let mut firsts = Vec::new();
                let mut dim = 0;
                for (_, shape) in components {
                    firsts.push(dim);
                    dim += shape.iter().product::<usize>();
                }
                let rows = row_map(spec, layout, &step.feeds, &firsts, dim);
                let places = |columns: &[usize]| firsts.iter().copied().zip(columns.iter().copied()).collect();
                let count = match at {
                    None => 0,
                    Some(Times::Common(times)) => times.len(),
                    Some(Times::PerSample(column)) => widths[*column],
                };
                let (span, inits, results) = (*span, places(inits), places(results));
                let diffusion = noise.as_ref().map(|n| &n.unit);
                let noise = match noise {
                    None => None,
                    Some(n) => {
                        let step = Step::of("diffusion", &n.unit, program, prologue, table, widths, backend)?;
                        let rows = row_map(&n.unit, &step.layout, &step.feeds, &firsts, dim);
                        Some(Box::new(Diffusion { step, rows, site: rng::site(&n.site) }))
                    }
                };
                let jacobian = match jacobian {
                    None => None,
                    Some(unit) => {
                        Some(Box::new(Step::of("jacobian", unit, program, prologue, table, widths, backend)?))
                    }
                };
                let (solver, at, rhs) = (*solver, at.clone(), Box::new(spec.clone()));
                let units = std::iter::once(spec).chain(diffusion);
                let divisors = units.map(|u| Divisors::of(u, T::EPSILON)).collect();
                Role::Solve {
                    rows,
                    dim,
                    span,
                    inits,
                    results,
                    solver,
                    at,
                    count,
                    noise,
                    jacobian,
                    firsts,
                    divisors,
                    rhs,
                }
            }
        };
        Ok(step)
    }

    /// The other unit of a solve: the diffusion of one with noise, the Jacobian of one that is solved implicitly.
    pub fn companion(&self) -> Option<&Step<T>> {
        match &self.role {
            Role::Solve { noise, jacobian, .. } => noise.as_ref().map(|n| &n.step).or(jacobian.as_deref()),
            Role::Map(_) => None,
        }
    }

    /// What the equations of its solve divide by where it failed.
    pub fn pole(&self, error: &SolveError) -> Option<Pole> {
        match (&self.role, error) {
            (Role::Solve { divisors, .. }, SolveError::Failed { worst, .. }) => {
                divisors.iter().find_map(|d| d.pole(worst))
            }
            _ => None,
        }
    }

    /// The feed of a source.
    pub fn feed(&self, source: Source) -> Option<usize> {
        self.feeds.iter().position(|f| f.source == source)
    }

    /// A unit with its kernel, without results.
    fn of(
        name: &'static str,
        spec: &UnitSpec,
        program: &Program,
        prologue: &Prologue,
        table: &ParamTable,
        widths: &[usize],
        backend: &dyn Backend<T>,
    ) -> Result<Step<T>, Box<Diagnostic>> {
        let kernel = backend.compile(&Unit {
            name,
            dag: &spec.dag,
            inputs: &spec.inputs,
            theta: &spec.theta,
            outputs: &spec.outputs,
            sums: &spec.sums,
        })?;
        let layout = kernel.layout().clone();
        let feeds = feeds(spec, &layout, program, widths);
        let theta_map = ThetaMap::new(spec, prologue, table);
        Ok(Step { layout, theta_map, feeds, role: Role::Map(vec![]), kernel })
    }
}

fn feeds(spec: &UnitSpec, layout: &Layout, program: &Program, widths: &[usize]) -> Vec<Feed> {
    let feed = |(&source, &row): (&Source, &usize)| match source {
        Source::Draw(id) => {
            // Rows are counted from the place that the feed is filled at.
            let draw = DrawFeed::new(&program.draws[id.0 as usize], 0);
            Some(Feed { source, row, rows: draw.rows, from: From::Draw(draw) })
        }
        Source::Input(id) => {
            let rows = program.inputs[id.0 as usize].shape.iter().product();
            Some(Feed { source, row, rows, from: From::Input(id) })
        }
        Source::Column(column) => Some(Feed { source, row, rows: widths[column], from: From::Column(column) }),
        Source::State(_) | Source::Time | Source::Bar(_) | Source::Residual(_) => None,
    };
    spec.sources.iter().zip(&layout.input_row).filter_map(feed).collect()
}

fn row_map(spec: &UnitSpec, layout: &Layout, feeds: &[Feed], firsts: &[usize], dim: usize) -> RowMap {
    let mut rows = RowMap { rows: layout.input_rows, state: vec![None; dim], ..RowMap::default() };
    let ends = firsts.iter().skip(1).copied().chain([dim]);
    let components: Vec<Range<usize>> = firsts.iter().copied().zip(ends).map(|(a, b)| a..b).collect();
    for (&source, &row) in spec.sources.iter().zip(&layout.input_row) {
        match source {
            Source::State(c) => {
                for (k, i) in components[c as usize].clone().enumerate() {
                    rows.state[i] = Some(row + k);
                }
            }
            Source::Time => rows.time = Some(row),
            Source::Draw(_) | Source::Input(_) | Source::Column(_) | Source::Bar(_) | Source::Residual(_) => {}
        }
    }
    rows.captures = feeds.iter().flat_map(|f| f.row..f.row + f.rows).collect();
    rows
}
