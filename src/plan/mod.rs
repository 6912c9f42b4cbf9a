//! The experiment with every default filled in.
//!
//! `resolve::Module` -> [`RunPlan`]: one [`Arm`] for each choice of the comparison's axes, each with its programs, and the
//! seeds that every arm runs with. Invariant: a plan without errors can be run; nothing in a block was ignored.
//! Deliberately absent: execution, files, clocks.

mod adjoint_lint;
mod arms;
mod blocks;
mod brief;
mod budget;
mod budget_errors;
mod corners;
pub mod errors;
pub mod expect;
mod extent;
mod feasible;
mod gradient;
mod gradient_errors;
mod growth;
mod habits;
mod idle;
mod label_errors;
mod labels;
mod lint;
mod lint_errors;
pub mod means;
pub mod metric_programs;
mod metrics;
mod noise;
mod only;
mod option_errors;
mod options;
mod path_errors;
mod paths;
mod picture_errors;
mod pictures;
pub mod published;
mod published_errors;
mod registry;
mod roles;
mod show;
pub(crate) mod solver;
mod solver_errors;
mod stages;
mod tableau_errors;
pub(crate) mod tableaux;
mod training;
mod training_errors;
mod unused;
mod words;

pub use arms::plan;
pub use brief::Brief;
pub use gradient::Gradient;
pub use metrics::MetricKind;
pub use registry::{METRICS, MetricInfo};
pub use show::Shown;
pub use training::Training;

use crate::backend::Precision;
use crate::elaborate::{DatasetUse, HostUse, Set};
use crate::ir::Program;
use crate::solve::SolverConfig;
use crate::source::Span;
use std::sync::Arc;

/// Everything that a run does.
#[derive(Clone, Debug)]
pub struct RunPlan {
    /// Every arm runs once with each.
    pub seeds: Vec<u64>,
    /// The scalar of all programs.
    pub precision: Precision,
    /// The axes of the comparison, in the order of the file.
    pub axes: Vec<Axis>,
    /// The stages in order; they are also the last axis. Empty if the file has none.
    pub stages: Vec<String>,
    /// One for each combination of labels; one without labels if there are no axes. The stages of an arm are neighbours.
    pub arms: Vec<Arm>,
    /// What `RowsInput::set` indexes.
    pub sets: Vec<Arc<Set>>,
    /// What papers say of its results.
    pub published: Vec<Published>,
    /// What must hold at the end.
    pub expects: Vec<expect::Expect>,
    /// The pictures that the report shows; `None`: all.
    pub pictures: Option<Vec<String>>,
}

/// The number that a paper gives for a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// The metric as written in `evaluate`.
    pub metric: String,
    /// Labels of its arms; without any it stands in all.
    pub labels: Vec<String>,
    /// The number.
    pub value: f64,
    /// Its spread, as published.
    pub spread: Option<f64>,
    /// Where it was published.
    pub origin: Option<String>,
    /// The line.
    pub span: Span,
}

/// An axis of the comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Its name.
    pub name: String,
    /// What its items are called.
    pub labels: Vec<String>,
}

/// One experiment of the comparison.
#[derive(Clone, Debug)]
pub struct Arm {
    /// A label for each axis.
    pub labels: Vec<String>,
    /// Which of the stages it is; it begins where the one before it ended.
    pub stage: Option<usize>,
    /// How parameters are trained, if they are.
    pub train: Option<TrainPlan>,
    /// How samples are made, if they are.
    pub generate: Option<GeneratePlan>,
    /// What is measured.
    pub metrics: Vec<MetricPlan>,
    /// Draws from the target, output `x`.
    pub target: Option<Program>,
    /// Draws from the source, output `x`.
    pub source: Option<Program>,
    /// What its pictures are made of.
    pub pictures: Pictures,
}

/// The programs behind the pictures of an arm; none where there is nothing to see.
#[derive(Clone, Debug)]
pub struct Pictures {
    /// The velocity: inputs `x` and `t`, output `v`.
    pub velocity: Option<Program>,
    /// A step along the flow: inputs `x`, `ta`, `tb`, output `x`.
    pub advance: Option<Forward>,
    /// The time at which the flow ends, output `t`; none if that is 1.
    pub horizon: Option<Program>,
    /// The log-density of the sampler: input `x`, output `log_density`.
    pub density: Option<Forward>,
    /// That of the target.
    pub true_density: Option<Program>,
    /// The path of the objective between two numbers: inputs `x0`, `x1`, `t`, outputs `x` and its derivative `v`.
    pub path: Option<Program>,
}

/// A program that is evaluated with solves.
#[derive(Clone, Debug)]
pub struct Forward {
    /// The program.
    pub program: Program,
    /// What `Solve::solver` indexes.
    pub solvers: Vec<SolverConfig>,
    /// For solves without a solver of their own.
    pub default_solver: SolverConfig,
}

/// How parameters are trained.
#[derive(Clone, Debug)]
pub struct TrainPlan {
    /// What the objective is called: losses of one name have one scale.
    pub name: String,
    /// Output `loss`.
    pub objective: Program,
    /// Columns that the host makes.
    pub hosts: Vec<HostUse>,
    /// What `Solve::solver` indexes.
    pub solvers: Vec<SolverConfig>,
    /// For solves without a solver of their own.
    pub default_solver: SolverConfig,
    /// How gradients pass through solves.
    pub gradient: Gradient,
    /// Rows that the host makes once.
    pub datasets: Vec<DatasetUse>,
    /// The update rule.
    pub optimizer: Optimizer,
    /// The learning rate.
    pub rate: Rate,
    /// What the learning rate is multiplied with: input `step`, output `rate`.
    pub factor: Option<Program>,
    /// Samples a step.
    pub batch: usize,
    /// Training steps; with `seconds` the most that are possible.
    pub steps: u64,
    /// Wall-clock seconds of training, if they are the budget.
    pub seconds: Option<f64>,
    /// Whether parameters begin anew, whatever the stage before has learned.
    pub fresh: bool,
    /// A look at draws that are not trained on.
    pub validation: Option<Validation>,
    /// Decay of the moving average of the parameters, if one is kept: it is what is evaluated.
    pub ema: Option<f64>,
    /// Largest norm of the gradient.
    pub clip: Option<f64>,
    /// The block.
    pub span: Span,
}

/// The objective at draws that training does not see.
#[derive(Clone, Debug)]
pub struct Validation {
    /// Output `loss`.
    pub objective: Forward,
    /// Columns that the host makes.
    pub hosts: Vec<HostUse>,
    /// Steps between two looks.
    pub every: u64,
    /// Samples of a look.
    pub samples: usize,
}

/// An update rule with its constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Optimizer {
    /// Which.
    pub rule: Rule,
    /// Weight decay.
    pub decay: f64,
}

/// Update rules.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Kingma and Ba 2015.
    Adam { beta1: f64, beta2: f64, eps: f64 },
    /// With decoupled decay (Loshchilov and Hutter 2019).
    AdamW { beta1: f64, beta2: f64, eps: f64 },
    /// Tieleman and Hinton 2012.
    RmsProp { alpha: f64, eps: f64 },
    /// With momentum.
    Sgd { momentum: f64 },
}

/// A learning rate.
#[derive(Clone, Debug)]
pub enum Rate {
    /// One number.
    Constant(f64),
    /// Input `step`, output `rate`.
    Schedule(Program),
}

/// How samples are made.
#[derive(Clone, Debug)]
pub struct GeneratePlan {
    /// Output `x`.
    pub sampler: Forward,
    /// How many.
    pub count: usize,
    /// Classes that samples are conditioned on, in turn: what the input `label` receives.
    pub labels: Option<Vec<u32>>,
    /// The sampler as written.
    pub span: Span,
}

/// How much a metric looks at, where it says so itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Samples in all: of a distance as many disjoint subsets as fit are compared.
    pub count: Option<usize>,
    /// Points of each of the subsets that a distance compares.
    pub points: Option<usize>,
}

/// One entry of `evaluate`.
#[derive(Clone, Debug)]
pub struct MetricPlan {
    /// As written: `wasserstein2(solver: euler(steps: 1))`.
    pub label: String,
    /// The metric's name.
    pub name: &'static str,
    /// What it needs.
    pub kind: MetricKind,
    /// Samples made for this metric alone.
    pub generate: Option<GeneratePlan>,
    /// From how many points it is computed.
    pub extent: Extent,
    /// Computed for each class by itself, then averaged.
    pub by_label: bool,
    /// Where it is written.
    pub span: Span,
}
