//! Distances by kernels: maximum mean discrepancy, energy distance.
//!
//! Both are V-statistics (pairs of a sample with itself count): never negative, zero for equal sets, biased upward by
//! O(1/n), which the floor shows.

use super::{Estimate, MetricError, Samples, comparable, rows, squared_distance};
use crate::numeric::stats::median;

/// The bandwidths of torchcfm's `mix_rbf_mmd2`.
pub const MMD_BANDWIDTHS: [f64; 5] = [0.01, 0.1, 1.0, 10.0, 100.0];

/// Widths of the kernels of [`mmd`].
#[derive(Clone, Debug, PartialEq)]
pub enum Bandwidths {
    /// The sum of one kernel for each.
    Fixed(Vec<f64>),
    /// One kernel, as wide as the median distance between different samples of the two sets together (Gretton et al. 2012).
    Median,
}

/// The squared maximum mean discrepancy with kernels `exp(-|x - y|^2 / (2 s^2))` summed over the bandwidths s.
///
/// # Errors
/// Sets that differ in components, are empty or not finite; bandwidths that are not positive.
pub fn mmd(x: Samples<'_>, y: Samples<'_>, bandwidths: &Bandwidths) -> Result<Estimate, MetricError> {
    comparable(x, y, 1)?;
    let d = x.ncols();
    let widths = match bandwidths {
        Bandwidths::Fixed(widths) => widths.clone(),
        Bandwidths::Median => vec![median_distance(x, y).filter(|m| *m > 0.0).unwrap_or(1.0)],
    };
    if widths.is_empty() || !widths.iter().all(|s| *s > 0.0 && s.is_finite()) {
        return Err(MetricError::BadValue("bandwidths must be positive and finite"));
    }
    let rates: Vec<f64> = widths.iter().map(|s| 0.5 / (s * s)).collect();
    let kernel = |d2: f64| rates.iter().map(|r| libm::exp(-r * d2)).sum::<f64>();
    let (xs, ys) = (rows(x), rows(y));
    let value =
        mean_over_own(&xs, d, kernel) + mean_over_own(&ys, d, kernel) - 2.0 * mean_over_pairs(&xs, &ys, d, kernel);
    Ok(Estimate { value: value.max(0.0), samples: x.nrows().min(y.nrows()) })
}

/// The energy distance, the root of `2 E|x - y| - E|x - x'| - E|y - y'|` (Szekely and Rizzo 2013, eq. 1.2), which is a metric.
///
/// # Errors
/// Sets that differ in components, are empty or not finite.
pub fn energy_distance(x: Samples<'_>, y: Samples<'_>) -> Result<Estimate, MetricError> {
    comparable(x, y, 1)?;
    let (d, xs, ys) = (x.ncols(), rows(x), rows(y));
    let own = mean_over_own(&xs, d, f64::sqrt) + mean_over_own(&ys, d, f64::sqrt);
    let value = 2.0 * mean_over_pairs(&xs, &ys, d, f64::sqrt) - own;
    Ok(Estimate { value: value.max(0.0).sqrt(), samples: x.nrows().min(y.nrows()) })
}

fn samples_of(x: &[f64], d: usize) -> std::slice::ChunksExact<'_, f64> {
    x.chunks_exact(d.max(1))
}

/// Mean of `f` of the squared distance over all pairs between the sets.
fn mean_over_pairs(x: &[f64], y: &[f64], d: usize, f: impl Fn(f64) -> f64) -> f64 {
    // Row sums first, so that rounding grows with the root of the number of pairs.
    let total: f64 = samples_of(x, d).map(|a| samples_of(y, d).map(|b| f(squared_distance(a, b))).sum::<f64>()).sum();
    total / (samples_of(x, d).len() as f64 * samples_of(y, d).len() as f64)
}

/// The same over all ordered pairs within a set, a sample with itself included.
fn mean_over_own(x: &[f64], d: usize, f: impl Fn(f64) -> f64) -> f64 {
    let n = samples_of(x, d).len();
    let above: f64 = samples_of(x, d)
        .enumerate()
        .map(|(i, a)| samples_of(x, d).skip(i + 1).map(|b| f(squared_distance(a, b))).sum::<f64>())
        .sum();
    (2.0 * above + n as f64 * f(0.0)) / (n as f64 * n as f64)
}

/// Over at most 1,000 samples of each set, evenly spread, so that it costs little beside the metric.
fn median_distance(x: Samples<'_>, y: Samples<'_>) -> Option<f64> {
    let d = x.ncols().max(1);
    let mut all = Vec::new();
    for set in [x, y] {
        let stride = set.nrows().div_ceil(1_000);
        set.rows().into_iter().step_by(stride).for_each(|row| all.extend(row.iter().copied()));
    }
    let n = all.len() / d;
    let sample = |i: usize| &all[i * d..(i + 1) * d];
    let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
    median(&pairs.map(|(i, j)| squared_distance(sample(i), sample(j)).sqrt()).collect::<Vec<_>>())
}
