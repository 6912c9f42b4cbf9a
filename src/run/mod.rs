//! Runs staged programs: training steps and forward passes over many samples, on several threads.
//!
//! Plans of `stage` + kernels of a back end -> trained parameters, columns of results, checkpoints. Invariant: bits depend on
//! the program, the seed and the batch size, never on the number of threads, nor on where a run was interrupted.
//! Deliberately absent: the language, schedules, reports.

mod bench;
mod blame;
pub mod buffer;
pub mod checkpoint;
pub mod data_cols;
mod failure;
mod feed;
pub mod forward;
pub mod init;
mod lanes;
mod march;
mod noise;
mod objective;
pub mod optim;
pub mod params;
mod parts;
mod pole;
pub mod pool;
pub mod shares;
pub mod solving;
mod step;
pub mod theta;
pub mod train;
mod unit;

use crate::backend::Scalar;
use ndarray_npy::WritableElement;

/// A scalar that runs compute with: everything that the parts below ask of one.
pub trait Real: Scalar + crate::ir::eval::Real + crate::rng::Variate + crate::solve::Real + WritableElement {}

impl Real for f32 {}
impl Real for f64 {}
