//! Initial-value problems for many samples: Runge-Kutta steps, explicit or singly diagonally implicit, each sample at its own
//! pace; stochastic ones by fixed steps.
//!
//! A right-hand side ([`Rhs`]), a [`SolverConfig`] and a batch of samples ([`Problem`]) -> a [`Solution`]. Samples march in
//! chunks; before each sweep the unfinished ones are packed to the front, and the right-hand side runs on whole panels of
//! 8. Bits depend on neither the number of threads nor (steps per sample) on which samples share a batch. Deliberately
//! absent: the language, random numbers.

mod adjoint;
mod backward;
mod batch;
mod binomial;
mod chunk;
mod config;
mod control;
mod dense;
mod failure;
mod forward;
mod judge;
mod lu;
mod newton;
mod observe;
mod observe_back;
mod pair;
mod pass;
mod real;
mod replay;
mod rhs;
mod room;
mod sde;
mod stages;
mod start;
mod statistics;
mod step_back;
mod stiffness;
mod tape;
mod tile;
mod undo;

pub use backward::{BackRun, Cotangents};
pub use batch::{ChunkOut, Observe, Plan, Problem, Solution, pack, solve_batch, tiles, unpack};
pub use chunk::{SweepLog, SweepRecord, Workspace};
pub use config::{
    Adaptive, CHUNK, ConfigError, Controller, MAX_CHUNK, Norm, SolverConfig, StepControl, Steps, implicit,
};
pub use failure::{Cause, LaneFailure, SolveError};
pub use forward::ChunkRun;
pub use real::Real;
pub use rhs::{BarMap, KernelRhs, KernelTransposed, Rhs, RowMap, Transposed};
pub use room::Room;
pub use sde::{Noise, Stochastic, StochasticOut};
pub use statistics::{SampleCount, Statistics, StiffSamples, StiffStep};
pub use tape::Tape;
