//! How to solve: method, steps, error control.

use crate::numeric::tableau::Method;
use std::sync::Arc;

/// Largest chunk: whole tiles whose samples a u16 counts.
pub const MAX_CHUNK: usize = 65_472;

/// Samples of a chunk where values only are wanted: so many that compaction wastes little. Training says its own.
pub const CHUNK: usize = 512;

/// A solver with everything decided.
#[derive(Clone, Debug, PartialEq)]
pub struct SolverConfig {
    /// The coefficients.
    pub method: Arc<Method>,
    /// How steps are chosen.
    pub steps: Steps,
    /// Most attempted steps (accepted and rejected) of one sample under error control.
    pub max_steps: u32,
    /// Samples that march together, at most [`MAX_CHUNK`]; `None`: [`CHUNK`]. Rounded up to whole tiles.
    pub chunk: Option<usize>,
}

/// Evaluations that a solve under error control is taken for, before any has been made: two steps of six.
const UNKNOWN_EVALUATIONS: u64 = 12;

impl SolverConfig {
    /// Evaluations of the right-hand side by a solve over a span of length 1; under error control a guess.
    #[must_use]
    pub fn expected_evaluations(&self) -> u64 {
        let stages = (self.method.stages - usize::from(self.method.fsal)) as u64;
        match self.steps {
            Steps::Count(n) => u64::from(n) * stages,
            Steps::Size(size) => (1.0 / size).ceil().clamp(1.0, 1e9) as u64 * stages,
            Steps::Adaptive(_) => UNKNOWN_EVALUATIONS,
        }
    }
}

/// Which solvers of a plan are implicit, by their index; `u32::MAX` is the one of the enclosing block.
pub fn implicit<'a>(solvers: &'a [SolverConfig], default: Option<&'a SolverConfig>) -> impl Fn(u32) -> bool + 'a {
    move |index| {
        let config = if index == u32::MAX { default } else { solvers.get(index as usize) };
        config.is_some_and(|c| c.method.implicit.is_some())
    }
}

/// How steps are chosen.
#[derive(Clone, Debug, PartialEq)]
pub enum Steps {
    /// This many equal steps.
    Count(u32),
    /// Equal steps of at most this size (in time, positive): `ceil(|t1 - t0| / size)` of them.
    Size(f64),
    /// Steps by error estimate.
    Adaptive(Adaptive),
}

/// Error control. The error of a component is measured in units of `atol + rtol max(|y|, |y_new|)` (HNW I, II.4.10).
#[derive(Clone, Debug, PartialEq)]
pub struct Adaptive {
    /// Relative tolerance.
    pub rtol: f64,
    /// Absolute tolerance.
    pub atol: f64,
    /// How components make one number.
    pub norm: Norm,
    /// How the number makes the next step.
    pub controller: Controller,
    /// Who shares a step size.
    pub step_control: StepControl,
    /// The size of the first step (in time, positive); `None`: estimated (HNW I, II.4).
    pub first_step: Option<f64>,
}

impl Adaptive {
    /// Tolerances with the defaults: root mean square, PI controller, steps per sample, estimated first step.
    #[must_use]
    pub fn new(rtol: f64, atol: f64) -> Self {
        Adaptive {
            rtol,
            atol,
            norm: Norm::Rms,
            controller: Controller::pi(),
            step_control: StepControl::PerSample,
            first_step: None,
        }
    }
}

/// How components make one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// Root mean square.
    Rms,
    /// Largest.
    Max,
}

/// Who shares a step size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepControl {
    /// Every sample steps by its own error; results do not depend on the batch.
    PerSample,
    /// The samples of a chunk share one step, as a fraction of their spans, chosen by the norm over all of the chunk. The
    /// first step is the smallest of the samples' estimates. With a chunk as large as the batch this is what libraries
    /// without per-sample steps do.
    Joint,
}

/// `h_new = h clamp(safety err^(-alpha / q) err_1^(beta / q) err_2^(-gamma / q), min, max)`, q the order of the error estimate + 1,
/// err_1 and err_2 the errors of the two accepted steps before; no
/// growth on the step after a rejection; after a rejection `h_new = h clamp(safety err^(-1 / q), min, 1)`
/// (Gustafsson 1991; HNW II, IV.2; the constants of [`Controller::pi`] at q = 5 are Dormand and Prince's 0.7/5 and 0.4/5).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Controller {
    /// Factor against rejections.
    pub safety: f64,
    /// Weight of the error of this step.
    pub alpha: f64,
    /// Weight of the error of the step before.
    pub beta: f64,
    /// Weight of the error of the step before that.
    pub gamma: f64,
    /// Least factor.
    pub min_factor: f64,
    /// Greatest factor.
    pub max_factor: f64,
}

impl Controller {
    /// Proportional-integral: steps settle instead of oscillating at the tolerance.
    #[must_use]
    pub fn pi() -> Self {
        Controller { safety: 0.9, alpha: 0.7, beta: 0.4, gamma: 0.0, min_factor: 0.2, max_factor: 10.0 }
    }

    /// Proportional-integral-derivative: the trend of errors counts (Kennedy and Carpenter, Additive Runge-Kutta schemes for
    /// convection-diffusion-reaction equations, 2003; the constants of SUNDIALS' ARKODE: 0.58, 0.21, 0.1).
    #[must_use]
    pub fn pid() -> Self {
        Controller { safety: 0.9, alpha: 0.58, beta: 0.21, gamma: 0.1, min_factor: 0.2, max_factor: 10.0 }
    }

    /// Integral: the error of this step alone.
    #[must_use]
    pub fn i() -> Self {
        Controller { safety: 0.9, alpha: 1.0, beta: 0.0, gamma: 0.0, min_factor: 0.2, max_factor: 10.0 }
    }
}

/// A configuration or problem that cannot be solved.
#[derive(Clone, Debug, PartialEq)]
pub enum ConfigError {
    /// Adaptive steps with a method that has no error estimate.
    NoErrorEstimate {
        /// The method.
        method: String,
    },
    /// An implicit method, and a right-hand side without a Jacobian.
    NoJacobian {
        /// The method.
        method: String,
    },
    /// An implicit method, and the reversible scheme.
    NotReversible {
        /// The method.
        method: String,
    },
    /// An equation with noise, and a method that does not know what to do with it.
    NotStochastic {
        /// The method.
        method: String,
    },
    /// A number outside its range.
    BadValue {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What it must be.
        must: &'static str,
    },
    /// A buffer of the problem has the wrong length.
    BadLength {
        /// Which.
        name: &'static str,
        /// Its length.
        len: usize,
        /// What it must be.
        want: usize,
    },
    /// An observation time outside a sample's span, or not in the order of integration.
    BadObservation {
        /// The sample.
        sample: usize,
        /// The time.
        time: f64,
    },
    /// The row map of the right-hand side is not valid.
    BadRows,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ConfigError::NoErrorEstimate { method } => {
                write!(f, "`{method}` has no error estimate, so it cannot choose its steps by a tolerance")
            }
            ConfigError::NoJacobian { method } => {
                write!(f, "`{method}` is implicit, and the right-hand side has no Jacobian")
            }
            ConfigError::NotReversible { method } => write!(f, "`{method}` is implicit, and has no reversible scheme"),
            ConfigError::NotStochastic { method } => write!(f, "`{method}` cannot solve equations with noise"),
            ConfigError::BadValue { name, value, must } => write!(f, "{name} is {value}, but must be {must}"),
            ConfigError::BadLength { name, len, want } => write!(f, "{name} has {len} numbers instead of {want}"),
            ConfigError::BadObservation { sample, time } => {
                write!(f, "observation time {time} of sample {sample} is out of its span or out of order")
            }
            ConfigError::BadRows => write!(f, "the rows of the right-hand side overlap or are out of range"),
        }
    }
}

impl std::error::Error for ConfigError {}

impl SolverConfig {
    /// Whether the numbers are in range.
    ///
    /// # Errors
    /// The first value that is not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let bad = |name, value, must| Err(ConfigError::BadValue { name, value, must });
        if self.max_steps == 0 {
            return bad("max_steps", 0.0, "at least 1");
        }
        if self.chunk == Some(0) {
            return bad("chunk", 0.0, "at least 1");
        }
        if let Some(chunk) = self.chunk.filter(|c| *c > MAX_CHUNK) {
            return bad("chunk", chunk as f64, "at most 65,472");
        }
        match &self.steps {
            Steps::Count(0) => bad("steps", 0.0, "at least 1"),
            Steps::Count(_) => Ok(()),
            Steps::Size(size) if !(*size > 0.0 && size.is_finite()) => bad("step", *size, "positive and finite"),
            Steps::Size(_) => Ok(()),
            Steps::Adaptive(a) => {
                let c = a.controller;
                if !self.method.is_adaptive() {
                    return Err(ConfigError::NoErrorEstimate { method: self.method.name.clone() });
                }
                let tolerance = |x: f64| x >= 0.0 && x.is_finite();
                if !tolerance(a.rtol) {
                    return bad("rtol", a.rtol, "not negative and finite");
                }
                if !(tolerance(a.atol) && a.rtol + a.atol > 0.0) {
                    return bad("atol", a.atol, "not negative and finite, and not zero with rtol");
                }
                if let Some(h) = a.first_step.filter(|h| !(*h > 0.0 && h.is_finite())) {
                    return bad("first_step", h, "positive and finite");
                }
                if !(c.safety > 0.0 && c.safety <= 1.0) {
                    return bad("safety", c.safety, "in (0, 1]");
                }
                if !(c.alpha > 0.0 && c.alpha.is_finite()) {
                    return bad("alpha", c.alpha, "positive and finite");
                }
                if !(c.beta >= 0.0 && c.beta.is_finite()) {
                    return bad("beta", c.beta, "not negative and finite");
                }
                if !(c.gamma >= 0.0 && c.gamma.is_finite()) {
                    return bad("gamma", c.gamma, "not negative and finite");
                }
                if !(c.min_factor > 0.0 && c.min_factor < 1.0) {
                    return bad("min_factor", c.min_factor, "in (0, 1)");
                }
                if !(c.max_factor > 1.0 && c.max_factor.is_finite()) {
                    return bad("max_factor", c.max_factor, "greater than 1 and finite");
                }
                Ok(())
            }
        }
    }
}
