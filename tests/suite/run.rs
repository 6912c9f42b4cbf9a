//! The runner: pool, optimizers, training steps, forward passes, checkpoints.

mod checkpoints;
mod forwards;
mod optimizers;
mod pools;
mod programs;
mod reference;
mod solving;
mod training;
