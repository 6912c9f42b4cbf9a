//! The programs of an arm, compiled once and used with every seed.

use super::sets::Store;
use crate::backend::Backend;
use crate::diag::{Code, Diagnostic};
use crate::ir::Program;
use crate::plan::{self, Arm, MetricKind};
use crate::run::Real;
use crate::run::forward::{Forward, Outcome, Request};
use crate::run::pool::Pool;
use crate::solve::{self, SolverConfig};
use crate::{autodiff, opt, stage};
use std::borrow::Cow;
use std::sync::Arc;

/// Derivatives expanded, contractions ordered.
pub fn optimized(program: &Program) -> Result<Program, Diagnostic> {
    Ok(opt::optimize(&autodiff::expand(program)?))
}

/// A compiled program with its solvers.
pub struct Compiled<T: Real> {
    program: Program,
    forward: Forward<T>,
    solvers: Vec<SolverConfig>,
    default_solver: Option<SolverConfig>,
    store: Option<Arc<Store<T>>>,
}

impl<T: Real> Compiled<T> {
    /// Compiles a program without solves.
    pub fn plain(program: &Program, backend: &dyn Backend<T>, pool: Pool) -> Result<Self, Diagnostic> {
        Self::new(program, vec![], None, backend, pool)
    }

    /// Compiles a program with solves.
    pub fn solving(f: &plan::Forward, backend: &dyn Backend<T>, pool: Pool) -> Result<Self, Diagnostic> {
        Self::new(&f.program, f.solvers.clone(), Some(f.default_solver.clone()), backend, pool)
    }

    fn new(
        program: &Program,
        solvers: Vec<SolverConfig>,
        default_solver: Option<SolverConfig>,
        backend: &dyn Backend<T>,
        pool: Pool,
    ) -> Result<Self, Diagnostic> {
        let program = optimized(program)?;
        let mut stages = stage::forward(&program)?;
        stages.add_jacobians(solve::implicit(&solvers, default_solver.as_ref()))?;
        let forward = Forward::new(&program, stages, backend, pool).map_err(|d| *d)?;
        Ok(Compiled { program, forward, solvers, default_solver, store: None })
    }

    /// The sets that its inputs read.
    #[must_use]
    pub fn reading(mut self, store: &Arc<Store<T>>) -> Self {
        self.store = Some(store.clone());
        self
    }

    /// How many different rows it can read for a purpose, if it draws from data.
    pub fn rows(&self, purpose: &str) -> Option<usize> {
        let store = self.store.as_ref()?;
        self.program.inputs.iter().filter_map(|d| d.rows.as_ref()).map(|r| store.count(r, purpose)).min()
    }

    /// What the classes of its draws are called, if it draws from data with named classes.
    pub fn classes(&self) -> &[String] {
        self.store.as_ref().and_then(|s| s.names(&self.program)).unwrap_or_default()
    }

    /// The declarations behind them.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The solver of solves that name none.
    pub fn default_solver(&self) -> Option<&SolverConfig> {
        self.default_solver.as_ref()
    }

    /// Evaluates.
    pub fn run(&self, theta: &[T], draw: Draw<'_>, samples: usize, inputs: &[&[T]]) -> Result<Outcome<T>, Diagnostic> {
        self.run_from(theta, draw, 0, draw.step * samples as u64, samples, inputs)
    }

    /// Evaluates samples from number `first` on; `position` is that of the first among the rows of sets.
    pub fn run_from(
        &self,
        theta: &[T],
        draw: Draw<'_>,
        first: u64,
        position: u64,
        samples: usize,
        inputs: &[&[T]],
    ) -> Result<Outcome<T>, Diagnostic> {
        // Inputs that rows fill stand between those of the caller.
        let mut given = inputs.iter();
        let mut blocks: Vec<Cow<'_, [T]>> = Vec::with_capacity(self.program.inputs.len());
        for d in &self.program.inputs {
            match (&d.rows, &self.store) {
                (Some(rows), Some(store)) => {
                    blocks.push(Cow::Owned(store.block(rows, draw, position, samples)?));
                }
                (Some(_), None) => return Err(Diagnostic::bare(Code::Internal, "a program reads rows, and has none")),
                (None, _) => blocks.extend(given.next().map(|b| Cow::Borrowed(*b))),
            }
        }
        let inputs: Vec<&[T]> = blocks.iter().map(|b| &**b).collect();
        let inputs = inputs.as_slice();
        let request = Request {
            theta,
            seed: draw.seed,
            purpose: draw.purpose,
            step: draw.step,
            first_sample: first,
            samples,
            inputs,
            solvers: &self.solvers,
            default_solver: self.default_solver.as_ref(),
        };
        self.forward.run(&request).map_err(|d| *d)
    }
}

/// Which random numbers an evaluation reads.
#[derive(Clone, Copy, Debug)]
pub struct Draw<'a> {
    /// The seed of the cell.
    pub seed: u64,
    /// What for.
    pub purpose: &'a str,
    /// Which repetition.
    pub step: u64,
}

/// What a metric evaluates.
pub enum MetricPrograms<T: Real> {
    /// Samples and what there is already.
    None,
    /// Log-density, and the target's own.
    Density(Compiled<T>, Option<Compiled<T>>),
    /// Sampler with its energy.
    Energy(Compiled<T>),
    /// A number of each sample.
    Mean(Compiled<T>),
    /// Draws with their log-density; and, for coverage, the log-density of points.
    Weighed(Compiled<T>, Option<Compiled<T>>),
    /// Probabilities of modes at a point.
    Modes(Compiled<T>),
}

/// Everything that an arm evaluates after training.
pub struct Programs<T: Real> {
    /// The rows of data.
    pub store: Arc<Store<T>>,
    /// The sampler of `generate`.
    pub sampler: Option<Compiled<T>>,
    /// For each metric.
    pub metrics: Vec<MetricPrograms<T>>,
    /// For each metric, a sampler of its own.
    pub samplers: Vec<Option<Compiled<T>>>,
    /// Draws of the target.
    pub target: Option<Compiled<T>>,
    /// Draws of the source.
    pub source: Option<Compiled<T>>,
    /// The velocity at a point and time.
    pub velocity: Option<Compiled<T>>,
    /// A step along the flow.
    pub advance: Option<Compiled<T>>,
    /// When the flow ends, if not at 1.
    pub horizon: Option<Compiled<T>>,
    /// The log-density of the sampler.
    pub density: Option<Compiled<T>>,
    /// That of the target.
    pub true_density: Option<Compiled<T>>,
    /// The path of the objective between two numbers.
    pub path: Option<Compiled<T>>,
}

impl<T: Real> Programs<T> {
    /// Compiles all of them.
    pub fn new(arm: &Arm, store: &Arc<Store<T>>, backend: &dyn Backend<T>, pool: Pool) -> Result<Self, Diagnostic> {
        let plain =
            |p: &Option<Program>| p.as_ref().map(|p| Ok(Compiled::plain(p, backend, pool)?.reading(store))).transpose();
        let solving = |f: &plan::Forward| Ok::<_, Diagnostic>(Compiled::solving(f, backend, pool)?.reading(store));
        let mut metrics = Vec::new();
        let mut samplers = Vec::new();
        for m in &arm.metrics {
            metrics.push(match &m.kind {
                MetricKind::Samples
                | MetricKind::Evaluations
                | MetricKind::Training(_)
                | MetricKind::Parameters
                | MetricKind::StepTime => MetricPrograms::None,
                MetricKind::Weights(f) => MetricPrograms::Weighed(solving(f)?, None),
                MetricKind::Coverage { sampler, density } => {
                    MetricPrograms::Weighed(solving(sampler)?, Some(solving(density)?))
                }
                MetricKind::Modes(m) => MetricPrograms::Modes(Compiled::plain(&m.program, backend, pool)?),
                MetricKind::Density { density, own, .. } => {
                    let own = own.as_ref().map(|p| Compiled::plain(p, backend, pool)).transpose()?;
                    MetricPrograms::Density(solving(density)?, own)
                }
                MetricKind::Energy(f) | MetricKind::Npe(f) => MetricPrograms::Energy(solving(f)?),
                MetricKind::Mean(m) => MetricPrograms::Mean(solving(&m.forward)?),
            });
            samplers.push(m.generate.as_ref().map(|g| solving(&g.sampler)).transpose()?);
        }
        Ok(Programs {
            store: store.clone(),
            sampler: arm.generate.as_ref().map(|g| solving(&g.sampler)).transpose()?,
            metrics,
            samplers,
            target: plain(&arm.target)?,
            source: plain(&arm.source)?,
            velocity: plain(&arm.pictures.velocity)?,
            advance: arm.pictures.advance.as_ref().map(solving).transpose()?,
            horizon: plain(&arm.pictures.horizon)?,
            density: arm.pictures.density.as_ref().map(solving).transpose()?,
            true_density: plain(&arm.pictures.true_density)?,
            path: plain(&arm.pictures.path)?,
        })
    }
}
