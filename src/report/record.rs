//! Everything a finished or interrupted run knows.
//!
//! Plain data, independent of every other module: the runner fills it, `record.json` keeps it, the page and the terminal
//! summary read it. Units: seconds for times, counts for evaluations; coordinates are those of the target. Invariant: what
//! is unknown is `None` or empty, never a made-up number. Deliberately absent: statistics over seeds (see
//! [`super::summary`]) and full sample sets (they are in `samples*.npy`; here is what a picture needs).

pub use super::pictures::{Density, FieldSlice, Images, PathCoefficients, Points, Trajectories};
use super::real;
use serde::{Deserialize, Serialize};

/// The version of this format; a reader refuses a newer one.
pub const SCHEMA: u32 = 1;

/// One run: an experiment with all its arms and seeds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// [`SCHEMA`] at the time of writing.
    pub schema: u32,
    /// Name of the experiment: the spec's file stem.
    pub name: String,
    /// The spec as the user named it on the command line.
    pub spec_file: String,
    /// The text of the spec, exactly as read.
    pub spec: String,
    /// Version of the compiler that ran it.
    pub flowc: String,
    /// Id of the run folder.
    pub id: String,
    /// When the run began, UTC, `2026-01-31T12:00:00Z`.
    pub started: String,
    /// `f32` or `f64`.
    pub precision: String,
    /// The seeds, in the order of the spec.
    pub seeds: Vec<u64>,
    /// The axes of the comparison, outermost first; a `stage` is an axis too. Empty: one arm.
    pub axes: Vec<Axis>,
    /// One entry per arm and seed that has begun; arms in the order of the axes, the last axis fastest.
    pub cells: Vec<Cell>,
    /// The spec's `expect` lines.
    pub expectations: Vec<Expectation>,
    /// The sections of pictures that the page shows (`html::PICTURES`); `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pictures: Option<Vec<String>>,
    /// Where it ran.
    pub environment: Environment,
    /// The command that gives the same bits again.
    pub reproduce: String,
    /// The command that goes on where an interrupted run stopped.
    pub resume: Option<String>,
    /// Whether the run was stopped before its end.
    pub interrupted: bool,
    /// What ended the run before its end, if it was not the user. What ended single cells stands in those.
    #[serde(default)]
    pub failed: Option<Failure>,
    /// Wall-clock seconds from start to end, all cells.
    #[serde(with = "real")]
    pub seconds: f64,
}

impl RunRecord {
    /// Every failure, with the cell that it ended; the run's own first.
    pub fn failures(&self) -> impl Iterator<Item = (Option<&Cell>, &Failure)> {
        let own = self.failed.iter().map(|f| (None, f));
        own.chain(self.cells.iter().filter_map(|c| Some((Some(c), c.failed.as_ref()?))))
    }

    /// The name of a cell among those of the record: `bad, seed 0`; nothing if it is the only one.
    #[must_use]
    pub fn cell_name(&self, cell: &Cell) -> Option<String> {
        let mut parts = cell.labels.clone();
        if self.seeds.len() > 1 {
            parts.push(format!("seed {}", cell.seed));
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// As JSON, one record per file.
    ///
    /// # Errors
    /// Never for a record made of these types; the error is serde's.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// Reads back what [`RunRecord::to_json`] wrote.
    ///
    /// # Errors
    /// If the text is not a record, or is one of a newer format.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let record: RunRecord = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if record.schema > SCHEMA {
            return Err(format!("the record has format {}, this flowc reads up to {SCHEMA}", record.schema));
        }
        Ok(record)
    }
}

/// Why a run, or one of its cells, did not come to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Failure {
    /// The code and the fault: `E0701 the loss of step 2 is inf`.
    pub what: String,
    /// What else is known.
    pub notes: Vec<String>,
    /// What to do about it.
    pub help: Option<String>,
}

/// A failure as it is written: whole, or the fault alone, as records once had it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    What(String),
    Whole {
        what: String,
        #[serde(default)]
        notes: Vec<String>,
        #[serde(default)]
        help: Option<String>,
    },
}

impl From<Written> for Failure {
    fn from(written: Written) -> Failure {
        match written {
            Written::What(what) => Failure { what, ..Failure::default() },
            Written::Whole { what, notes, help } => Failure { what, notes, help },
        }
    }
}

/// One `compare NAME in [...]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    /// The name that the axis introduces.
    pub name: String,
    /// The labels of its items.
    pub labels: Vec<String>,
}

/// One arm with one seed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// One label per axis; empty if there is no axis.
    pub labels: Vec<String>,
    /// The seed.
    pub seed: u64,
    /// Whether training, sampling and evaluation all came to their end.
    pub finished: bool,
    /// What ended it, if something of its own did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Failure>,
    /// Training steps done.
    pub steps_done: u64,
    /// Training steps that the spec asks for; 0 if nothing is trained.
    pub steps_planned: u64,
    /// What the objective is called; losses of different objectives are no comparison. Empty in older records.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub objective: String,
    /// (step, training loss).
    #[serde(with = "real::curve")]
    pub loss: Vec<(u64, f64)>,
    /// (step, loss at draws that are not trained on).
    #[serde(with = "real::curve", default)]
    pub validation: Vec<(u64, f64)>,
    /// The least value that the loss can take, if computable (e.g. the conditional variance of flow matching).
    #[serde(with = "real::option", default)]
    pub loss_floor: Option<f64>,
    /// Metrics in the order of the spec's `evaluate`.
    pub metrics: Vec<Metric>,
    /// Number of trained numbers.
    pub parameters: u64,
    /// Seconds of a training step, one for each section of training.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub step_times: Vec<f64>,
    /// Where the time went.
    pub timings: Timings,
    /// One entry per phase that solved something.
    pub solver: Vec<SolverStatistics>,
    /// Generated samples, subsampled.
    pub samples: Option<Points>,
    /// Samples of the target, subsampled.
    pub target: Option<Points>,
    /// Samples as pictures, if their components fill a square.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<Images>,
    /// The density of what is learned beside the true one (one or two dimensions, the first seed).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub density: Option<Density>,
    /// The velocity on a grid at t = 0, 1/4, 1/2, 3/4, 1 (two dimensions only).
    pub field: Vec<FieldSlice>,
    /// The class whose velocity it is, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field_class: Option<String>,
    /// Some particles on their way from source to target.
    pub trajectories: Option<Trajectories>,
    /// The coefficients of the path, if it has the form a(t) x0 + b(t) x1.
    pub path: Option<PathCoefficients>,
}

/// Which direction is good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Smaller is better.
    Lower,
    /// Larger is better.
    Higher,
    /// Neither: a description.
    #[default]
    None,
}

/// One number of `evaluate`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// As written in the spec, e.g. `wasserstein2(solver: euler(steps: 1))`.
    pub name: String,
    /// The estimate.
    #[serde(with = "real")]
    pub value: f64,
    /// Standard error of the estimate itself (over samples, not over seeds).
    #[serde(with = "real::option", default)]
    pub standard_error: Option<f64>,
    /// Standard error of the log-density of one point, where a trace in it is estimated. That of their mean has a share of it.
    #[serde(with = "real::option", default, skip_serializing_if = "Option::is_none")]
    pub density_error: Option<f64>,
    /// What a perfect model would show with this estimator.
    #[serde(with = "real::option", default)]
    pub floor: Option<f64>,
    /// Standard deviation of the floor over repetitions; `Some(0.0)` for an exact one.
    #[serde(with = "real::option", default)]
    pub floor_sd: Option<f64>,
    /// What the floor is, e.g. `two sets of true samples` or `entropy of the target`.
    #[serde(default)]
    pub floor_name: Option<String>,
    /// Number of samples in the estimate.
    #[serde(default)]
    pub size: Option<u64>,
    /// Unit, e.g. `nats`, `s`, `MB`.
    #[serde(default)]
    pub unit: Option<String>,
    /// Direction.
    #[serde(default)]
    pub better: Better,
    /// What a paper says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
    /// The value for each class, if it is computed by label: `value` is their mean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassValue>,
    /// What its reader should know, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The number that a paper gives for a result.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// The number.
    #[serde(with = "real")]
    pub value: f64,
    /// Its spread, as published.
    #[serde(with = "real::option", default)]
    pub spread: Option<f64>,
    /// Where it was published.
    #[serde(default)]
    pub origin: Option<String>,
}

/// A metric's value for one class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassValue {
    /// The class.
    pub class: u32,
    /// What the data call it, if they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The estimate.
    #[serde(with = "real")]
    pub value: f64,
    /// What a perfect model would show.
    #[serde(with = "real::option", default)]
    pub floor: Option<f64>,
    /// Number of samples in the estimate.
    #[serde(default)]
    pub size: u64,
}

/// Seconds of one cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// From the checked spec to machine code.
    #[serde(with = "real")]
    pub compile: f64,
    /// Training.
    #[serde(with = "real")]
    pub train: f64,
    /// Sampling; 0 where nothing is sampled.
    #[serde(with = "real")]
    pub generate: f64,
    /// Metrics.
    #[serde(with = "real")]
    pub evaluate: f64,
}

/// What the solver did in one phase. Counts are totals over all samples of the phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SolverStatistics {
    /// `train`, `generate`, or the metric that asked.
    pub phase: String,
    /// The solver as resolved, e.g. `dopri5(rtol: 1e-5, atol: 1e-5)`.
    pub solver: String,
    /// Evaluations of the right-hand side, forward.
    pub evaluations: u64,
    /// Evaluations of its transpose, backward; 0 without a gradient.
    pub evaluations_backward: u64,
    /// Accepted steps.
    pub accepted: u64,
    /// Rejected steps.
    pub rejected: u64,
    /// Steps per sample, taken or rejected.
    pub per_sample: Option<Spread>,
    /// Bytes kept for the gradient, and what storing everything would have kept.
    pub bytes: Option<(u64, u64)>,
    /// Jacobians of implicit stages, each factorised once; 0 for an explicit method.
    #[serde(default)]
    pub factorisations: u64,
    /// Where an explicit method found the equations stiff.
    #[serde(default)]
    pub stiff: Option<Stiff>,
}

/// Samples whose steps stability held down, not the error (Hairer and Wanner II, IV.2).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stiff {
    /// How many; in training, over all steps.
    pub samples: u64,
    /// The first of them, with time and step, where it is known.
    pub first: Option<(u64, f64, f64)>,
}

/// Least, mean and greatest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Least.
    #[serde(with = "real")]
    pub min: f64,
    /// Mean.
    #[serde(with = "real")]
    pub mean: f64,
    /// Greatest.
    #[serde(with = "real")]
    pub max: f64,
}

/// One `expect` line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// As written, without the keyword.
    pub text: String,
    /// Whether it holds; `None` if the run stopped before it could be judged.
    pub holds: Option<bool>,
    /// Value of the left side.
    #[serde(with = "real::option", default)]
    pub left: Option<f64>,
    /// Value of the right side.
    #[serde(with = "real::option", default)]
    pub right: Option<f64>,
}

/// Where it ran.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Name of the processor.
    pub cpu: String,
    /// Instruction set of the kernels: `avx512`, `avx2`, `portable`.
    pub isa: String,
    /// Worker threads.
    pub threads: usize,
    /// Operating system and architecture.
    pub os: String,
}
