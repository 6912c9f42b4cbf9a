//! States at observation times, as a march passes them.
//!
//! Deliberately absent: how values inside a step are found ([`super::dense`]).

use super::chunk::Lane;
use super::dense::Step;
use super::forward::March;
use super::real::Real;
use super::tape::Seen;
use crate::backend::LANES;

/// Observations are met by a shared step if they are this near to its end, in units of the larger end of the span.
const NEAR: f64 = 8.0 * f64::EPSILON;

impl<T: Real> March<'_, '_, T> {
    /// Writes the observations that accepted steps pass.
    pub(super) fn observe(&mut self) {
        if self.plan.problem.observe.count() == 0 {
            return;
        }
        for column in 0..self.columns {
            let lane = self.ws.lanes[column];
            if lane.done || !lane.accepted {
                continue;
            }
            let end = self.step_end(&lane);
            // The end of a shared step that was cut for an observation is that only up to rounding.
            let rounding = if self.plan.lands { NEAR * lane.t0.abs().max(lane.t1.abs()) } else { 0.0 };
            while let Some(time) = self.observation(column) {
                if (time - end) * lane.h.signum() > rounding {
                    break;
                }
                let theta = (time - lane.t) / lane.h;
                self.emit_observation(column, ((time - end).abs() > rounding).then_some(theta), lane.h);
            }
        }
    }

    /// Where the shared step is cut, as a fraction of spans: at the first observation of any sample, or at the end.
    pub(super) fn shared_stop(&self) -> f64 {
        let columns = if self.plan.lands { 0..self.columns } else { 0..0 };
        let fractions = columns.filter_map(|column| {
            let lane = &self.ws.lanes[column];
            let time = if lane.done { None } else { self.observation(column) };
            time.map(|time| (time - lane.t0) / (lane.t1 - lane.t0))
        });
        fractions.fold(self.shared.end, f64::min)
    }

    /// Where the accepted step of a lane ends; exactly `t1` if it is the last.
    fn step_end(&self, lane: &Lane) -> f64 {
        if Self::reached_end(&self.control, &self.shared, lane) {
            return lane.t1;
        }
        match &self.control {
            None => lane.t0 + f64::from(lane.count.accepted) * (lane.t1 - lane.t0) / f64::from(lane.fixed),
            Some(c) if c.joint => lane.t0 + self.shared.t * (lane.t1 - lane.t0),
            Some(_) => lane.clock.t,
        }
    }

    /// The next observation time of a column.
    pub(super) fn observation(&self, column: usize) -> Option<f64> {
        let lane = &self.ws.lanes[column];
        self.plan.problem.observe.time(self.base + usize::from(lane.id), lane.next)
    }

    /// Writes the next observation of a column: inside the step, or the state at its end (the initial state before any).
    pub(super) fn emit_observation(&mut self, column: usize, theta: Option<f64>, h: f64) {
        let plan = self.plan;
        let (sizes, dim) = (plan.sizes, plan.sizes.dim);
        let (tile, lane) = (column / LANES, column % LANES);
        let id = usize::from(self.ws.lanes[column].id);
        let rows = plan.problem.observe.count() * dim;
        let first = self.ws.lanes[column].next as usize * dim;
        let observed = &mut *self.out.observed;
        let mut put = |row: usize, value: T| {
            observed[(id / LANES * rows + first + row) * LANES + id % LANES] = value;
        };
        let (block, state) = (dim * LANES, sizes.state * LANES);
        let y = &self.ws.y[tile * state..(tile + 1) * state];
        let y_new = &self.ws.y_new[tile * state..(tile + 1) * state];
        match theta {
            Some(theta) => {
                let k = &self.ws.k[tile * sizes.slots * block..(tile + 1) * sizes.slots * block];
                let lean = plan.lean(theta);
                let inside = plan.dense.at(theta, &mut self.ws.weights);
                inside.value(&Step { lane, dim, h, y, y_new, k }, |row, value| {
                    let at = row * LANES + lane;
                    put(row, lean.map_or(value, |lean| value + lean * (y[block + at] - y[at])));
                });
            }
            None => {
                let from = if h == 0.0 { y } else { y_new };
                (0..dim).for_each(|row| put(row, from[row * LANES + lane]));
            }
        }
        if let Some((tape, _)) = &mut self.keep.tape {
            tape.seen.push(Seen { column, index: self.ws.lanes[column].next as usize, theta });
        }
        self.ws.lanes[column].next += 1;
    }
}
