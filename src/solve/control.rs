//! Step sizes: clocks, the controller, the first step.
//!
//! Error of a step -> accept or not, and the next step. Logarithm and exponential come from `libm`, so step sizes are the
//! same on every machine.

use super::config::{Adaptive, Controller};
use crate::numeric::tableau::Method;

/// Where a sample (or, under joint control, a chunk in fractions of its span) is, and the step it tries.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    /// Now.
    pub t: f64,
    /// Where it ends.
    pub end: f64,
    /// The step of this sweep, signed.
    pub h: f64,
    /// What the controller wants next, signed, before it is cut.
    pub wanted: f64,
    /// Where this sweep's step is cut, if the controller wants to go that far: an observation, or the end.
    pub cut: Option<f64>,
    /// Whether this sweep's step reaches the end.
    pub last: bool,
    /// Whether the step before this was rejected.
    pub after_rejection: bool,
    /// Logarithm of the last accepted step's error.
    pub log_error: f64,
    /// Logarithm of the error of the accepted step before that.
    pub log_error_before: f64,
    /// Length of the whole span.
    pub span: f64,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Accepted,
    Rejected,
    /// Rejected, and the next step would be too small for time to resolve.
    TooSmall,
}

/// A next step longer than this share of what is left takes all of it.
const NEARLY: f64 = 0.99;
/// The error that the controller remembers is at least this (HNW II, `dopri5.f`: `FACOLD = MAX(ERR, 1.0D-4)`).
const LEAST_REMEMBERED: f64 = 1e-4;
/// Errors below this count as this.
const LEAST_ERROR: f64 = 1e-10;

impl Clock {
    pub fn new(t0: f64, t1: f64) -> Self {
        Clock { t: t0, end: t1, span: (t1 - t0).abs(), ..Clock::default() }
    }

    /// Chooses the step of the next sweep: what the controller wants, but not beyond `stop`, which lies ahead.
    pub fn begin(&mut self, stop: f64) {
        let left = stop - self.t;
        self.cut = (self.wanted.abs() >= NEARLY * left.abs()).then_some(stop);
        self.h = if self.cut.is_some() { left } else { self.wanted };
        self.last = self.cut == Some(self.end);
    }

    /// Where an accepted step ends: exactly where it is cut.
    pub fn after(&self) -> f64 {
        self.cut.unwrap_or(self.t + self.h)
    }

    /// Judges the step by its error (in units of the tolerance) and sets the next one.
    pub fn judge(&mut self, error: f64, law: &Law) -> Verdict {
        let c = law.controller;
        if error <= 1.0 {
            if self.last {
                self.t = self.after();
                return Verdict::Accepted;
            }
            let log_error = libm::log(error.max(LEAST_ERROR));
            let trend = c.beta / law.q * self.log_error - c.gamma / law.q * self.log_error_before;
            let exponent = -c.alpha / law.q * log_error + trend;
            let factor = (c.safety * libm::exp(exponent)).clamp(c.min_factor, c.max_factor);
            let factor = if self.after_rejection { factor.min(1.0) } else { factor };
            self.t = self.after();
            let next = self.h * factor;
            self.after_rejection = false;
            if self.cut.is_some() && next.abs() < self.wanted.abs() {
                // The error of a step that was cut says nothing against what the controller wanted before, nor of a trend.
                return Verdict::Accepted;
            }
            self.wanted = next;
            self.log_error_before = self.log_error;
            self.log_error = log_error.max(law.least_remembered);
            return Verdict::Accepted;
        }
        let factor = if error.is_finite() {
            (c.safety * libm::exp(-libm::log(error) / law.q)).clamp(c.min_factor, 1.0)
        } else {
            c.min_factor
        };
        self.retry(factor)
    }

    /// Judges a step whose implicit stages did not converge: their iteration converges if the step is short enough
    /// (`radau5.f` halves it).
    pub fn stall(&mut self) -> Verdict {
        self.retry(0.5)
    }

    fn retry(&mut self, factor: f64) -> Verdict {
        self.wanted = self.h * factor;
        self.after_rejection = true;
        let reach = 16.0 * f64::EPSILON * self.t.abs().max(self.span * 1e-6);
        if self.wanted.abs() < reach { Verdict::TooSmall } else { Verdict::Rejected }
    }
}

/// The controller with the order of the error estimate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Law {
    pub controller: Controller,
    /// Order of the error estimate + 1: the error of one step grows with `h^q`.
    pub q: f64,
    /// Logarithm of the least error that is remembered.
    pub least_remembered: f64,
}

impl Law {
    pub fn new(adaptive: &Adaptive, method: &Method) -> Self {
        let lower = method.order.min(method.embedded_order.unwrap_or(method.order));
        let least_remembered = libm::log(LEAST_REMEMBERED);
        Law { controller: adaptive.controller, q: f64::from(lower + 1), least_remembered }
    }
}

/// The size of the first, explicit Euler, step that probes the second derivative: from the norms of the state and of its
/// slope (HNW I, II.4, algorithm "starting step size", a and b).
pub(super) fn probe_step(state: f64, slope: f64, span: f64) -> f64 {
    let h = if state < 1e-5 || slope < 1e-5 { 1e-6 } else { 0.01 * state / slope };
    if h.is_finite() && h > 0.0 { h.min(span) } else { (1e-6_f64).min(span) }
}

/// The first step, from the probe and the norm of the slope's change over it (same place, e and f).
pub(super) fn first_step(probe: f64, slope: f64, change: f64, q: f64, span: f64) -> f64 {
    let curvature = change / probe;
    let most = slope.max(curvature);
    let h = if most <= 1e-15 { (1e-6_f64).max(probe * 1e-3) } else { libm::exp(libm::log(0.01 / most) / q) };
    let h = (100.0 * probe).min(h);
    if h.is_finite() && h > 0.0 { h.min(span) } else { probe }
}
