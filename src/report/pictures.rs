//! What a record keeps to be looked at: samples, fields, densities, particles, paths.
//!
//! Deliberately absent: how they are drawn.

use super::real;
use serde::{Deserialize, Serialize};

/// Points, row after row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Points {
    /// Coordinates per point.
    pub dim: usize,
    /// How many points there were before subsampling.
    pub total: u64,
    /// `[point][coordinate]`, length a multiple of `dim`.
    #[serde(with = "real::list")]
    pub data: Vec<f32>,
    /// The class of each point; empty without classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<u32>,
    /// What the classes are called, by their number; empty without classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
}

impl Points {
    /// Keeps at most `most` of the rows of `data` (`[point][coordinate]`), evenly spread, in order.
    ///
    /// # Panics
    /// If `dim` is zero or does not divide the length.
    #[must_use]
    pub fn subsample(data: &[f32], dim: usize, most: usize) -> Self {
        assert!(dim > 0 && data.len().is_multiple_of(dim), "rows of {dim} numbers in {}", data.len());
        let n = data.len() / dim;
        let kept = n.min(most);
        let rows = (0..kept).flat_map(|i| {
            let row = i * n / kept;
            data[row * dim..(row + 1) * dim].iter().copied()
        });
        Points { dim, total: n as u64, data: rows.collect(), ..Points::default() }
    }

    /// The same with the classes of all points before subsampling, called so; unchanged without classes.
    #[must_use]
    pub fn labelled(mut self, labels: &[u32], name: impl Fn(u32) -> String) -> Self {
        let (n, kept) = (labels.len(), self.len());
        if let Some(most) = labels.iter().max().filter(|_| n as u64 == self.total) {
            self.labels = (0..kept).map(|i| labels[i * n / kept]).collect();
            self.classes = (0..=*most).map(name).collect();
        }
        self
    }

    /// The rows.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.data.chunks_exact(self.dim.max(1))
    }

    /// Number of rows kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len().checked_div(self.dim).unwrap_or(0)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Square samples: as many of each class, or rows of any.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Images {
    /// Pixels of a side.
    pub side: usize,
    /// Pictures of a row.
    pub columns: usize,
    /// What the rows are called; empty names without classes.
    pub classes: Vec<String>,
    /// `[row][column][pixel]` of generated samples.
    #[serde(with = "real::list")]
    pub samples: Vec<f32>,
    /// The same of the target.
    #[serde(with = "real::list")]
    pub target: Vec<f32>,
}

/// The velocity at one time on a regular grid of the plane; both ends of each range are grid points.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FieldSlice {
    /// Time, 0 at the source, 1 at the target.
    #[serde(with = "real")]
    pub t: f64,
    /// First and last x.
    pub x: (f64, f64),
    /// First and last y.
    pub y: (f64, f64),
    /// Grid points along x.
    pub nx: usize,
    /// Grid points along y.
    pub ny: usize,
    /// `[iy][ix][2]`.
    #[serde(with = "real::list")]
    pub v: Vec<f32>,
}

/// Log-densities at the centres of the cells of a regular grid of the plane, from the least y upwards, or of the line; not finite
/// where a density is zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Density {
    /// Edges of the grid along x.
    pub x: (f64, f64),
    /// Edges of the grid along y; both zero on the line.
    pub y: (f64, f64),
    /// Cells along x.
    pub nx: usize,
    /// Cells along y; 1 on the line.
    pub ny: usize,
    /// Of the sampler, `[iy][ix]`, nats; empty if it has no density.
    #[serde(with = "real::list")]
    pub learned: Vec<f32>,
    /// Of the target; empty if that is not known.
    #[serde(with = "real::list")]
    pub target: Vec<f32>,
}

/// Particles over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trajectories {
    /// Coordinates per particle.
    pub dim: usize,
    /// The times, rising from source to target.
    pub times: Vec<f64>,
    /// `[particle][time][coordinate]`.
    #[serde(with = "real::list")]
    pub data: Vec<f32>,
}

impl Trajectories {
    /// One slice `[time][coordinate]` per particle.
    pub fn particles(&self) -> impl Iterator<Item = &[f32]> {
        self.data.chunks_exact((self.dim * self.times.len()).max(1))
    }
}

/// a(t) and b(t) of a path a(t) x0 + b(t) x1, and of the noise it adds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PathCoefficients {
    /// Times.
    pub t: Vec<f64>,
    /// Coefficient of the source.
    pub a: Vec<f64>,
    /// Coefficient of the target.
    pub b: Vec<f64>,
    /// Standard deviation of the noise that the path adds to a component; empty if it adds none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub noise: Vec<f64>,
    /// Root mean square of |a'(t) x0 + b'(t) x1| over independent ends; empty if the ends are not known.
    #[serde(with = "real::wide", default, skip_serializing_if = "Vec::is_empty")]
    pub speed: Vec<f64>,
}
