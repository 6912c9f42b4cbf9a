//! The programs of an arm, compiled once and used with every seed.

use crate::backend::Backend;
use crate::diag::Diagnostic;
use crate::ir::Program;
use crate::plan::{self, Arm, MetricKind};
use crate::run::Real;
use crate::run::forward::{Forward, Outcome, Request};
use crate::run::params::ParamTable;
use crate::run::pool::Pool;
use crate::solve::SolverConfig;
use crate::{autodiff, opt, stage};

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
}

impl<T: Real> Compiled<T> {
    /// Compiles a program without solves.
    pub fn plain(program: &Program, backend: &dyn Backend<T>, pool: Pool) -> Result<Self, Diagnostic> {
        let program = optimized(program)?;
        let forward = Forward::new(&program, stage::forward(&program)?, backend, pool).map_err(|d| *d)?;
        Ok(Compiled { program, forward, solvers: vec![], default_solver: None })
    }

    /// Compiles a program with solves.
    pub fn solving(f: &plan::Forward, backend: &dyn Backend<T>, pool: Pool) -> Result<Self, Diagnostic> {
        let mut compiled = Self::plain(&f.program, backend, pool)?;
        compiled.solvers.clone_from(&f.solvers);
        compiled.default_solver = Some(f.default_solver.clone());
        Ok(compiled)
    }

    /// The program's parameters.
    pub fn table(&self) -> &ParamTable {
        self.forward.table()
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
        self.run_from(theta, draw, 0, samples, inputs)
    }

    /// Evaluates samples from number `first` on.
    pub fn run_from(
        &self,
        theta: &[T],
        draw: Draw<'_>,
        first: u64,
        samples: usize,
        inputs: &[&[T]],
    ) -> Result<Outcome<T>, Diagnostic> {
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
}

/// Everything that an arm evaluates after training.
pub struct Programs<T: Real> {
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
}

impl<T: Real> Programs<T> {
    /// Compiles all of them.
    pub fn new(arm: &Arm, backend: &dyn Backend<T>, pool: Pool) -> Result<Self, Diagnostic> {
        let plain = |p: &Option<Program>| p.as_ref().map(|p| Compiled::plain(p, backend, pool)).transpose();
        let solving = |f: &plan::Forward| Compiled::solving(f, backend, pool);
        let mut metrics = Vec::new();
        let mut samplers = Vec::new();
        for m in &arm.metrics {
            metrics.push(match &m.kind {
                MetricKind::Samples | MetricKind::Evaluations | MetricKind::Parameters => MetricPrograms::None,
                MetricKind::Density { density, own } => {
                    let own = own.as_ref().map(|p| Compiled::plain(p, backend, pool)).transpose()?;
                    MetricPrograms::Density(solving(density)?, own)
                }
                MetricKind::Energy(f) | MetricKind::Npe(f) => MetricPrograms::Energy(solving(f)?),
            });
            samplers.push(m.generate.as_ref().map(|g| solving(&g.sampler)).transpose()?);
        }
        Ok(Programs {
            sampler: arm.generate.as_ref().map(|g| solving(&g.sampler)).transpose()?,
            metrics,
            samplers,
            target: plain(&arm.target)?,
            source: plain(&arm.source)?,
            velocity: plain(&arm.velocity)?,
            advance: arm.advance.as_ref().map(solving).transpose()?,
        })
    }
}
