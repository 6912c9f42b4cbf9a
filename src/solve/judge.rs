//! Which steps of a sweep are taken, and what cannot go on.

use super::chunk::Lane;
use super::control::{Clock, Verdict};
use super::failure::{Cause, LaneFailure, SolveError};
use super::forward::{Control, March};
use super::real::Real;

impl<T: Real> March<'_, '_, T> {
    /// Decides which steps are accepted; returns an error if a lane cannot go on.
    pub(super) fn judge(&mut self) -> Option<SolveError> {
        let columns = self.columns;
        let adaptive = self.control.is_some();
        let max_steps = self.plan.config.max_steps;
        let dim = self.plan.controlled;
        // Of implicit stages, lanes have counted the evaluations themselves.
        let implicit = self.plan.config.method.implicit.as_ref();
        let counted = implicit.map_or(0, |i| i.stages.iter().filter(|&&implicit| implicit).count());
        let stages = (self.plan.stages_of_step() - 1 - counted) as u32;
        let factorisations = u32::from(implicit.is_some());
        let new_first_stage = !self.first_slopes;
        let shared = self.control.filter(|c| c.joint).map(|c| {
            if self.ws.lanes[..columns].iter().any(|lane| !lane.done && lane.stalled) {
                return (self.shared.stall(), false);
            }
            let mut all = (0.0, 0);
            for (lane, &error) in self.ws.lanes[..columns].iter().zip(&self.ws.errors) {
                if !lane.done {
                    all = (c.tolerance.join(all.0, error), all.1 + 1);
                }
            }
            let error = c.tolerance.finish(all.0, dim, all.1);
            (self.shared.judge(error, &c.law), error.is_finite())
        });
        let mut worst: Option<LaneFailure> = None;
        let mut count = 0;
        for (lane, &gathered) in self.ws.lanes[..columns].iter_mut().zip(&self.ws.errors) {
            if lane.done {
                continue;
            }
            // As if alone: a rejected step's first slopes would have been kept.
            lane.count.evaluations +=
                stages + u32::from(new_first_stage && !lane.clock.after_rejection) + lane.iterations;
            lane.count.factorisations += factorisations;
            let (verdict, finite) = match (&self.control, shared) {
                (None, _) if lane.stalled => (Verdict::TooSmall, false),
                (Some(_), None) if lane.stalled => (lane.clock.stall(), false),
                (None, _) if gathered == 0.0 => (Verdict::Accepted, true),
                (None, _) => (Verdict::TooSmall, false),
                (Some(_), Some((verdict, finite))) => {
                    lane.clock.after_rejection = verdict != Verdict::Accepted;
                    (verdict, finite)
                }
                (Some(c), None) => {
                    let error = c.tolerance.finish(gathered, dim, 1);
                    (lane.clock.judge(error, &c.law), error.is_finite())
                }
            };
            lane.accepted = verdict == Verdict::Accepted;
            lane.count.accepted += u32::from(lane.accepted);
            lane.count.rejected += u32::from(!lane.accepted);
            let tries = lane.count.accepted + lane.count.rejected;
            let finished = lane.accepted && Self::reached_end(&self.control, &self.shared, lane);
            let cause = match verdict {
                Verdict::TooSmall if lane.stalled => Some(Cause::NoConvergence),
                Verdict::TooSmall if finite => Some(Cause::StepTooSmall),
                Verdict::TooSmall => Some(Cause::NonFinite),
                Verdict::Accepted | Verdict::Rejected if adaptive && tries >= max_steps && !finished => {
                    Some(Cause::TooManySteps)
                }
                Verdict::Accepted | Verdict::Rejected => None,
            };
            if let Some(cause) = cause {
                count += 1;
                let progress = ((lane.t - lane.t0) / (lane.t1 - lane.t0)).clamp(0.0, 1.0);
                let sample = self.base + usize::from(lane.id);
                let (span, stiff) = ((lane.t0, lane.t1), lane.count.stiff);
                let failure = LaneFailure { sample, t: lane.t, h: lane.h, span, progress, cause, stiff };
                if worst.as_ref().is_none_or(|w| failure.comes_before(w)) {
                    worst = Some(failure);
                }
            }
        }
        worst.map(|worst| SolveError::Failed { worst, count })
    }

    pub(super) fn reached_end(control: &Option<Control<T>>, shared: &Clock, lane: &Lane) -> bool {
        match control {
            None => lane.count.accepted == lane.fixed,
            Some(c) if c.joint => shared.last,
            Some(_) => lane.clock.last,
        }
    }
}
