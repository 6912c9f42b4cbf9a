//! Buffers of a worker that runs chunks forward and back.
//!
//! Deliberately absent: the running ([`super::objective`]).

use super::Real;
use super::buffer::Aligned;
use super::solving::Cost;
use super::unit::Desk;
use crate::solve::{BackRun, Room, SampleCount, Tape};

/// What a worker has for itself.
pub(super) struct Bench<T> {
    pub desk: Desk<T>,
    pub bars: Vec<Aligned<T>>,
    pub inputs: Aligned<T>,
    pub outputs: Aligned<T>,
    /// Cotangents of a solve.
    pub states: Vec<T>,
    pub observed: Vec<T>,
    pub captures: Vec<T>,
    pub times: (Vec<f64>, Vec<f64>),
    pub tapes: Vec<Tape<T>>,
    /// End states and observed states of each solve, for the adjoint.
    pub results: Vec<(Vec<T>, Vec<T>)>,
    pub room: Room<T>,
    pub counts: Vec<SampleCount>,
    /// What each solve cost.
    pub costs: Vec<Cost>,
}

impl<T> Bench<T> {
    /// Elements of the buffers that every chunk needs.
    pub fn len(&self) -> usize {
        let desk = &self.desk;
        let columns = desk.columns.iter().chain(&self.bars).map(|c| c.len()).sum::<usize>();
        let own = desk.inputs.len() + desk.outputs.len() + desk.scratch.len() + desk.ends.len() + desk.observed.len();
        columns + own + self.inputs.len() + self.outputs.len() + self.states.len() + self.captures.len()
    }
}

impl<T: Real> Bench<T> {
    /// Adds the march of a chunk, whose counts are those in `counts`, to what a solve cost.
    pub fn marched(&mut self, solve: usize, samples: usize) {
        for c in &self.counts[..samples] {
            let steps = c.accepted + c.rejected;
            let cost = Cost {
                samples: 1,
                evaluations: u64::from(c.evaluations),
                accepted: u64::from(c.accepted),
                rejected: u64::from(c.rejected),
                factorisations: u64::from(c.factorisations),
                stiff: u64::from(c.stiff.is_some()),
                steps_range: (steps, steps),
                ..Cost::default()
            };
            self.costs[solve] = self.costs[solve].with(cost);
        }
    }

    /// Adds the pass back over the march of a chunk.
    pub fn returned(&mut self, solve: usize, run: &BackRun, bytes: (u64, u64)) {
        let cost = &mut self.costs[solve];
        cost.backward += run.evaluations + run.again;
        cost.factorisations += run.factorisations;
        cost.bytes = (cost.bytes.0.max(bytes.0), cost.bytes.1.max(bytes.1));
    }
}
