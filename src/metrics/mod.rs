//! Distances between sets of samples, and other numbers made of them.
//!
//! Two sets (`[sample][component]`, f64) -> a number with the size of its estimator. A distance between finite sets is
//! never zero for equal laws, so [`floor`] measures it between independent true sets, and [`subsets`] and [`bootstrap`]
//! give standard errors. Deliberately absent: sampling, reports, anything that depends on a model.

mod entropy;
mod kernel;
mod transport;
mod uncertainty;
mod weights;

pub use entropy::{entropy, mass};
pub use kernel::{Bandwidths, MMD_BANDWIDTHS, energy_distance, mmd};
pub use transport::{
    EXACT_LIMIT, directions, frechet, npe, sliced_wasserstein2, wasserstein1, wasserstein2, wasserstein2_squared,
};
pub use uncertainty::{Floor, bootstrap, floor, subsets};
pub use weights::{
    Measured, effective_sample_size, kolmogorov_floor, kolmogorov_smirnov, log_normalizer, total_variation,
};

use crate::numeric::assignment::AssignmentError;
use crate::numeric::linalg::LinalgError;
use ndarray::ArrayView2;

/// A set of samples, `[sample][component]`.
pub type Samples<'a> = ArrayView2<'a, f64>;

/// A number and what it was estimated from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Samples in the smaller set.
    pub samples: usize,
}

/// Two sets that cannot be compared.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricError {
    /// They have different numbers of components.
    Dimensions(usize, usize),
    /// The metric needs equally many samples in both.
    Sizes(usize, usize),
    /// One has fewer samples than the metric needs.
    TooFew {
        /// Samples given.
        samples: usize,
        /// Samples needed.
        needed: usize,
    },
    /// More than the exact metric takes (its cost matrix is quadratic): compare subsets.
    TooMany {
        /// Samples given.
        samples: usize,
        /// Most it takes.
        limit: usize,
    },
    /// A value is infinite or not a number.
    NotFinite {
        /// The sample.
        sample: usize,
    },
    /// A number outside its range.
    BadValue(&'static str),
    /// A covariance has no root.
    Linalg(LinalgError),
    /// The assignment failed.
    Assignment(AssignmentError),
}

impl std::fmt::Display for MetricError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            MetricError::Dimensions(a, b) => write!(f, "samples of {a} components against samples of {b}"),
            MetricError::Sizes(a, b) => write!(f, "{a} samples against {b}; this metric needs equally many"),
            MetricError::TooFew { samples, needed } => write!(f, "{samples} samples; this metric needs {needed}"),
            MetricError::TooMany { samples, limit } => {
                write!(f, "{samples} samples; this metric takes at most {limit}")
            }
            MetricError::NotFinite { sample } => write!(f, "sample {sample} is not finite"),
            MetricError::BadValue(what) => write!(f, "{what}"),
            MetricError::Linalg(error) => error.fmt(f),
            MetricError::Assignment(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for MetricError {}

impl From<LinalgError> for MetricError {
    fn from(error: LinalgError) -> Self {
        MetricError::Linalg(error)
    }
}

impl From<AssignmentError> for MetricError {
    fn from(error: AssignmentError) -> Self {
        MetricError::Assignment(error)
    }
}

/// Both sets have the same components, at least `needed` samples, and finite values.
fn comparable(x: Samples<'_>, y: Samples<'_>, needed: usize) -> Result<(), MetricError> {
    if x.ncols() != y.ncols() {
        return Err(MetricError::Dimensions(x.ncols(), y.ncols()));
    }
    for set in [x, y] {
        if set.nrows() < needed {
            return Err(MetricError::TooFew { samples: set.nrows(), needed });
        }
        if let Some(sample) = set.rows().into_iter().position(|row| row.iter().any(|v| !v.is_finite())) {
            return Err(MetricError::NotFinite { sample });
        }
    }
    Ok(())
}

fn equal_sizes(x: Samples<'_>, y: Samples<'_>) -> Result<usize, MetricError> {
    if x.nrows() == y.nrows() { Ok(x.nrows()) } else { Err(MetricError::Sizes(x.nrows(), y.nrows())) }
}

/// Squared Euclidean distance of two samples.
fn squared_distance(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Samples as contiguous rows.
fn rows(x: Samples<'_>) -> Vec<f64> {
    x.iter().copied().collect()
}
