//! States at observation times, as a march passes them.
//!
//! Deliberately absent: how values inside a step are found ([`super::dense`]).

use super::chunk::{Lane, Sizes, Workspace, tile_panels};
use super::dense::Step;
use super::forward::March;
use super::real::Real;
use super::room::place;
use super::tape::Seen;
use crate::backend::{LANES, PANEL};

/// Observations are met by a shared step if they are this near to its end, in units of the larger end of the span.
const NEAR: f64 = 8.0 * f64::EPSILON;

impl<T: Real> March<'_, '_, T> {
    /// Writes the observations that accepted steps pass.
    pub(super) fn observe(&mut self) {
        if self.plan.problem.observe.count() == 0 {
            return;
        }
        for (tile, panels) in tile_panels(self.columns) {
            for panel in 0..panels {
                while self.observe_panel(tile, panel * PANEL) {}
            }
        }
    }

    /// Writes the next observation of each lane of a panel that its step passes; whether there was one.
    fn observe_panel(&mut self, tile: usize, first: usize) -> bool {
        let (mut any, mut inside) = (false, [false; PANEL]);
        self.ws.inside.theta = [0.0; PANEL];
        let columns = tile * LANES + first..(tile * LANES + first + PANEL).min(self.columns);
        for (l, column) in columns.enumerate() {
            let lane = &self.ws.lanes[column];
            if lane.done || !lane.accepted {
                continue;
            }
            let Some(time) = self.observation(column) else { continue };
            let end = self.step_end(lane);
            // The end of a shared step that was cut for an observation is that only up to rounding.
            let rounding = if self.plan.lands { NEAR * lane.t0.abs().max(lane.t1.abs()) } else { 0.0 };
            if (time - end) * lane.h.signum() > rounding {
                continue;
            }
            any = true;
            inside[l] = (time - end).abs() > rounding;
            if inside[l] {
                self.ws.inside.theta[l] = (time - lane.t) / lane.h;
            } else {
                self.emit_state(column);
            }
        }
        if inside.contains(&true) {
            self.emit_inside(tile, first, inside);
        }
        any
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

    /// Writes a column's state as its next observation: that at the end of its step, or the initial state before any.
    pub(super) fn emit_state(&mut self, column: usize) {
        let Sizes { dim, state, .. } = self.plan.sizes;
        let from = if self.ws.lanes[column].h == 0.0 { &self.ws.y } else { &self.ws.y_new };
        let at = column / LANES * state * LANES + column % LANES;
        let to = self.observed_at(column);
        for row in 0..dim {
            self.out.observed[to + row * LANES] = from[at + row * LANES];
        }
        self.has_emitted(column, None);
    }

    /// Writes what an interpolant gives at the places of a panel as next observations, in the lanes that `wanted` holds for.
    fn emit_inside(&mut self, tile: usize, first: usize, wanted: [bool; PANEL]) {
        let plan = self.plan;
        let Sizes { dim, state, slots, .. } = plan.sizes;
        let (block, state) = (dim * LANES, state * LANES);
        let Workspace { y, y_new, k, inside, lanes, .. } = &mut *self.ws;
        let h = std::array::from_fn(|l| T::from_f64(lanes[tile * LANES + first + l].h));
        let y = &y[tile * state..(tile + 1) * state];
        let y_new = &y_new[tile * state..(tile + 1) * state];
        let k = &k[tile * slots * block..(tile + 1) * slots * block];
        plan.dense.values(inside, dim, &Step { lane: first, h, y, y_new, k });
        for l in (0..PANEL).filter(|&l| wanted[l]) {
            let (column, theta) = (tile * LANES + first + l, self.ws.inside.theta[l]);
            let lean = plan.lean(theta);
            let to = self.observed_at(column);
            for (row, values) in self.ws.inside.values.iter().enumerate() {
                let at = tile * state + row * LANES + first + l;
                let value = lean.map_or(values[l], |lean| values[l] + lean * (self.ws.y[block + at] - self.ws.y[at]));
                self.out.observed[to + row * LANES] = value;
            }
            self.has_emitted(column, Some(theta));
        }
    }

    /// Where the next observation of a column stands among all of them.
    fn observed_at(&self, column: usize) -> usize {
        let (dim, lane) = (self.plan.sizes.dim, &self.ws.lanes[column]);
        place(usize::from(lane.id), lane.next as usize * dim, self.plan.problem.observe.count() * dim)
    }

    fn has_emitted(&mut self, column: usize, theta: Option<f64>) {
        let lane = &mut self.ws.lanes[column];
        if let Some((tape, _)) = &mut self.keep.tape {
            tape.seen.push(Seen { column, index: lane.next as usize, theta });
        }
        lane.next += 1;
    }
}
