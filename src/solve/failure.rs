//! Why a solve fails: values, never panics.

use super::config::ConfigError;
use super::statistics::StiffStep;

/// A sample that cannot be brought to its end time.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneFailure {
    /// The sample, counted in the batch.
    pub sample: usize,
    /// The time it reached.
    pub t: f64,
    /// The step it tried.
    pub h: f64,
    /// From where to where it was to go.
    pub span: (f64, f64),
    /// The share of its span it covered, in [0, 1].
    pub progress: f64,
    /// Why.
    pub cause: Cause,
    /// Where an explicit method found the equation stiff.
    pub stiff: Option<StiffStep>,
}

impl LaneFailure {
    /// Less of the span covered is worse; of equals, the lower sample comes first.
    pub(super) fn comes_before(&self, other: &LaneFailure) -> bool {
        (self.progress, self.sample) < (other.progress, other.sample)
    }
}

/// Why a sample cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The tolerance asks for a step that time cannot resolve.
    StepTooSmall,
    /// `max_steps` attempts were not enough.
    TooManySteps,
    /// The state, its slope or the error estimate is infinite or not a number, however small the step.
    NonFinite,
    /// Implicit stages do not converge, however small the step.
    NoConvergence,
}

/// What a solve reports instead of a solution.
#[derive(Clone, Debug, PartialEq)]
pub enum SolveError {
    /// It could not begin.
    Config(ConfigError),
    /// Samples failed.
    Failed {
        /// The one that covered the least of its span (the first of equals).
        worst: LaneFailure,
        /// How many failed. A chunk stops at its first sweep with a failure, so later ones are not counted.
        count: usize,
    },
    /// The right-hand side reported a status.
    Rhs {
        /// The status.
        status: u32,
    },
}

impl SolveError {
    /// The same, of a solve whose first sample is sample `first` of a batch.
    #[must_use]
    pub fn of_batch(mut self, first: usize) -> SolveError {
        if let SolveError::Failed { worst, .. } = &mut self {
            worst.sample += first;
        }
        self
    }
}

impl From<ConfigError> for SolveError {
    fn from(error: ConfigError) -> Self {
        SolveError::Config(error)
    }
}

impl std::fmt::Display for SolveError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SolveError::Config(error) => error.fmt(f),
            SolveError::Failed { worst, count } => {
                let LaneFailure { sample, t, h, cause, .. } = worst;
                let why = match cause {
                    Cause::StepTooSmall => "the step became too small",
                    Cause::TooManySteps => "too many steps",
                    Cause::NonFinite => "the state is not finite",
                    Cause::NoConvergence => "implicit stages do not converge",
                };
                write!(f, "{why} at t = {t}, h = {h:e}, in sample {sample}")?;
                if *count > 1 { write!(f, " ({count} samples failed)") } else { Ok(()) }
            }
            SolveError::Rhs { status } => write!(f, "the right-hand side reported status {status}"),
        }
    }
}

impl std::error::Error for SolveError {}
