//! Numbers from weighted samples and from log-densities: effective sample size, normalizer, coverage.

use super::MetricError;
use crate::numeric::stats::Summary;

/// A number with its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The number.
    pub value: f64,
    /// Its standard error.
    pub error: f64,
}

/// Weights over their greatest, from logarithms. A weight of zero (minus infinity) is one.
fn scaled(log_weights: &[f64]) -> Result<(Vec<f64>, f64), MetricError> {
    if log_weights.len() < 2 {
        return Err(MetricError::TooFew { samples: log_weights.len(), needed: 2 });
    }
    if let Some(sample) = log_weights.iter().position(|w| w.is_nan() || *w == f64::INFINITY) {
        return Err(MetricError::NotFinite { sample });
    }
    let top = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        return Err(MetricError::BadValue("no sample has any weight"));
    }
    Ok((log_weights.iter().map(|w| libm::exp(w - top)).collect(), top))
}

/// The share of samples that weighted ones are worth: `(sum w)^2 / (n sum w^2)`, in (0, 1] (Kong 1992). The error is that of the
/// delta method for a ratio of means.
///
/// # Errors
/// Fewer than two samples, weights that are not numbers, or none that counts.
pub fn effective_sample_size(log_weights: &[f64]) -> Result<Measured, MetricError> {
    let (w, _) = scaled(log_weights)?;
    let n = w.len() as f64;
    let (m1, m2) = (w.iter().sum::<f64>() / n, w.iter().map(|w| w * w).sum::<f64>() / n);
    let value = m1 * m1 / m2;
    // d value = (2 m1 / m2) dm1 - (m1^2 / m2^2) dm2
    let influence: Vec<f64> = w.iter().map(|w| 2.0 * m1 / m2 * (w - m1) - m1 * m1 / (m2 * m2) * (w * w - m2)).collect();
    Ok(Measured { value, error: Summary::of(&influence).error() })
}

/// The logarithm of the mean weight: of samples of q weighted by `exp(E) / q` the log of the integral of `exp(E)`, on average from
/// below (Jensen). The error is that of the delta method.
///
/// # Errors
/// As [`effective_sample_size`].
pub fn log_normalizer(log_weights: &[f64]) -> Result<Measured, MetricError> {
    let (w, top) = scaled(log_weights)?;
    let s = Summary::of(&w);
    Ok(Measured { value: top + libm::log(s.mean), error: s.error() / s.mean })
}

/// The largest gap between the distribution functions of two sets of numbers (the statistic of Kolmogorov and Smirnov).
///
/// # Errors
/// An empty set, or one with a number that is not finite.
pub fn kolmogorov_smirnov(x: &[f64], y: &[f64]) -> Result<f64, MetricError> {
    for set in [x, y] {
        if set.is_empty() {
            return Err(MetricError::TooFew { samples: 0, needed: 1 });
        }
        if let Some(sample) = set.iter().position(|v| v.is_nan()) {
            return Err(MetricError::NotFinite { sample });
        }
    }
    let sorted = |set: &[f64]| {
        let mut all = set.to_vec();
        all.sort_by(f64::total_cmp);
        all
    };
    let (x, y) = (sorted(x), sorted(y));
    let (mut i, mut j, mut gap) = (0, 0, 0.0_f64);
    while i < x.len() && j < y.len() {
        let at = x[i].min(y[j]);
        while i < x.len() && x[i] <= at {
            i += 1;
        }
        while j < y.len() && y[j] <= at {
            j += 1;
        }
        gap = gap.max((i as f64 / x.len() as f64 - j as f64 / y.len() as f64).abs());
    }
    Ok(gap)
}

/// Mean and deviation of [`kolmogorov_smirnov`] between sets of n and m numbers of one law: those of Kolmogorov's law,
/// `sqrt(pi / 2) log 2` and `sqrt(pi^2 / 12 - mean^2)`, times `sqrt(1 / n + 1 / m)` (for large sets).
#[must_use]
pub fn kolmogorov_floor(n: usize, m: usize) -> (f64, f64) {
    let pi = std::f64::consts::PI;
    let mean = (pi / 2.0).sqrt() * std::f64::consts::LN_2;
    let scale = (1.0 / n as f64 + 1.0 / m as f64).sqrt();
    (scale * mean, scale * (pi * pi / 12.0 - mean * mean).sqrt())
}

/// Half the sum of the differences of two lists of shares: the total variation distance of laws on a finite set.
#[must_use]
pub fn total_variation(p: &[f64], q: &[f64]) -> f64 {
    p.iter().zip(q).map(|(p, q)| (p - q).abs()).sum::<f64>() / 2.0
}
