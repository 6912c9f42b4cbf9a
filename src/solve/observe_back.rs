//! Cotangents of observed states, spread over what they were made of: the transpose of [`super::observe`].

use super::dense::Bars;
use super::pass::Pass;
use super::real::Real;
use super::room::{Room, place};
use super::tape::Seen;
use crate::backend::{LANES, PANEL};

/// What observations of a step have pulled.
#[derive(Clone, Copy, Default)]
pub(super) struct Pulled {
    /// Anything.
    pub any: bool,
    /// Slopes, by an interpolant; they are collected, not yet multiplied with the step.
    pub inside: bool,
}

impl<T: Real> Pass<'_, '_, T> {
    /// Of one tile's step: `seen` has the observations of its sweep as the march wrote them, `ids` the samples of the sweep's
    /// columns. What does not come through the step's stages is added to `before`.
    pub(super) fn pull_observed(
        &mut self,
        seen: &[Seen],
        ids: &[u16],
        tile: usize,
        before: &mut [T],
        observed: &[T],
    ) -> Pulled {
        let (plan, dim) = (self.plan, self.plan.sizes.dim);
        let (block, first) = (dim * LANES, self.rows_of(tile, 0) * LANES);
        let rows = plan.problem.observe.count() * dim;
        let mut pulled = Pulled::default();
        // The lanes of a panel whose places stand in `inside`: ascending, as the march took them.
        let mut waiting: Option<usize> = None;
        for seen in seen.iter().filter(|s| s.column / LANES == tile) {
            pulled.any = true;
            let lane = seen.column % LANES;
            let bar = |row| observed[place(usize::from(ids[seen.column]), seen.index * dim + row, rows)];
            let Some(theta) = seen.theta else {
                for row in 0..dim {
                    let after = &mut self.room.here.y[first + row * LANES + lane];
                    *after = *after + bar(row);
                }
                continue;
            };
            pulled.inside = true;
            if let Some(last) = waiting
                && (last >= lane || last / PANEL != lane / PANEL)
            {
                self.pull_inside(first, last / PANEL * PANEL, before);
                waiting = None;
            }
            let inside = &mut self.room.inside;
            if waiting.is_none() {
                inside.theta = [0.0; PANEL];
                inside.values.clear();
                inside.values.resize(dim, [T::default(); PANEL]);
            }
            waiting = Some(lane);
            inside.theta[lane % PANEL] = theta;
            for (row, values) in inside.values.iter_mut().enumerate() {
                values[lane % PANEL] = bar(row);
            }
            if let Some(lean) = plan.lean(theta) {
                for row in 0..dim {
                    let (at, part) = (row * LANES + lane, lean * bar(row));
                    before[at] = before[at] - part;
                    before[block + at] = before[block + at] + part;
                }
            }
        }
        if let Some(last) = waiting {
            self.pull_inside(first, last / PANEL * PANEL, before);
        }
        pulled
    }

    /// Of the places of one panel.
    fn pull_inside(&mut self, first: usize, lane: usize, before: &mut [T]) {
        let block = self.plan.sizes.dim * LANES;
        let Room { here, collected, inside, .. } = &mut *self.room;
        let after = &mut here.y[first..first + block];
        self.plan.dense.pull(inside, Bars { lane, before, after, slopes: collected });
    }
}
