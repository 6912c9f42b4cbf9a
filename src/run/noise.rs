//! Solves with noise in a forward pass: the normals of Brownian increments, keyed like draws.
//!
//! Invariant: an increment depends on (seed, purpose, step, solver step, sample, site, element) only. Two solvers that take
//! equal steps see the same Brownian motion; other arms of a comparison do, too. Deliberately absent: the method.

use super::Real;
use super::forward::Request;
use crate::rng::{self, Key};
use crate::solve::Noise;

/// The noise of one solve in one work unit.
pub(super) struct Normals<'a> {
    seed: u64,
    purpose: &'a str,
    step: u64,
    first: u64,
    site: u32,
}

impl<'a> Normals<'a> {
    /// Of a solve's `site`, for a work unit whose first sample (of the request) is `start`.
    pub fn new<T>(request: &Request<'a, T>, site: u32, start: usize) -> Self {
        let first = request.first_sample + start as u64;
        Normals { seed: request.seed, purpose: request.purpose, step: request.step, first, site }
    }
}

impl<T: Real> Noise<T> for Normals<'_> {
    fn fill(&self, step: u64, first: usize, panels: usize, rows: usize, out: &mut [T]) {
        // Solver steps have keys of their own: they do not end where rows of a draw do.
        let key = Key::new(self.seed, &format!("{}.noise.{step}", self.purpose));
        rng::fill_normal(out, rows, key, self.site, self.step, self.first + first as u64, panels);
    }
}
