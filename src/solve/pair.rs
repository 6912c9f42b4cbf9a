//! Two states that march together so that a step can be undone: any explicit method, made reversible.
//!
//! `y1 = c y + (1 - c) z + Psi_h(t, z)`, `z1 = z - Psi_-h(t + h, y1)`, where `Psi_h(t, x)` is what a step of the method adds to x,
//! and c the coupling (McCallum and Foster, Efficient, accurate and stable gradients for neural ODEs, 2024, section 3). Both
//! begin as the initial state; the result is y. The order is that of the method. Undone, `z = z1 + Psi_-h(t + h, y1)` and
//! `y = (y1 - (1 - c) z - Psi_h(t, z)) / c`, with rounding errors that grow by `1 / c` a step.
//! The error of a step is that of `Psi_h(t, z)`, by the embedded method, in units of the tolerance at z and y1. Nothing is
//! shared between steps: they start from z and end at y, so a method whose last stage is the next first one gains nothing by
//! it here. Deliberately absent: the transpose ([`super::undo`]).

use super::batch::Plan;
use super::config::{ConfigError, Steps};
use super::dense::Dense;
use super::failure::SolveError;
use super::real::Real;
use super::stages::{Evaluate, Tile};
use super::tile::{self, Lanes, Slopes};
use crate::backend::{LANES, PANEL};

/// How two states march.
#[derive(Debug)]
pub(super) struct Pair<T> {
    /// `(c, 1 - c)`
    pub coupling: (T, T),
    /// Stages of the step from z, and of the step from y1. Slopes of the second stand behind those of `Method::stages` stages.
    pub stages: (usize, usize),
}

/// One step of the method from a state, on a tile: where it starts, its size, and what is evaluated there.
pub(super) struct Increment<'a, T, A> {
    /// `[dim][LANES]`
    pub from: &'a [T],
    /// Start time and step of a lane.
    pub at: A,
    pub h: &'a Lanes<T>,
    pub stages: usize,
    /// Whether the first slopes are known.
    pub first_slopes: bool,
    pub panels: usize,
}

impl<T: Real> Plan<'_, T> {
    /// The same plan for the reversible scheme with this coupling. What its marches leave on a tape are step sizes and ends.
    ///
    /// # Errors
    /// A coupling that is not in (0, 1], or an implicit method: its step back from the end is not stable.
    pub fn reversible(mut self, coupling: f64) -> Result<Self, ConfigError> {
        if !(coupling > 0.0 && coupling <= 1.0) {
            return Err(ConfigError::BadValue { name: "coupling", value: coupling, must: "in (0, 1]" });
        }
        let method = &self.config.method;
        if method.implicit.is_some() {
            return Err(ConfigError::NotReversible { method: method.name.clone() });
        }
        let fewer = method.stages - usize::from(method.fsal);
        // The last stage of these methods stands at the end of the step, which here is elsewhere: it serves the error estimate
        // and, where the method has its own, the interpolant.
        let observed = self.problem.observe.count() > 0 && method.interpolant.is_some();
        let adaptive = matches!(self.config.steps, Steps::Adaptive(_));
        let stages = (if observed || adaptive { method.stages } else { fewer }, fewer);
        self.pair = Some(Pair { coupling: (T::from_f64(coupling), T::from_f64(1.0 - coupling)), stages });
        self.extra_stage = false;
        self.end_slot = method.stages;
        self.dense = Dense::new(method, self.end_slot);
        self.sizes.state = 2 * self.sizes.dim;
        self.sizes.slots = 2 * method.stages;
        Ok(self)
    }

    /// How much of `z - y` is in an observation at `theta`: an interpolant of the step from z, made to begin at y and to end at
    /// y1. Hermite interpolation goes from y to y1 by itself.
    pub(super) fn lean(&self, theta: f64) -> Option<T> {
        let pair = self.pair.as_ref()?;
        (!self.dense.is_hermite()).then(|| T::from_f64(theta) * pair.coupling.1)
    }

    /// The slopes of a step of the method.
    pub(super) fn increment(
        &self,
        step: Increment<'_, T, impl Fn(usize) -> (f64, f64)>,
        k: &mut [T],
        inputs: &mut [T],
        evaluate: Evaluate<'_, T>,
    ) -> Result<(), SolveError> {
        let (method, map, block) = (&self.config.method, self.rhs.rows(), self.sizes.dim * LANES);
        for stage in usize::from(step.first_slopes)..step.stages {
            let (before, here) = k.split_at_mut(stage * block);
            self.place_stage(inputs, stage, step.from, before, step.h, step.panels);
            tile::place_time(inputs, map, step.panels, |l| {
                let (t, h) = (step.at)(l);
                t + method.c[stage] * h
            });
            evaluate(stage, inputs, &mut here[..block])?;
        }
        Ok(())
    }

    /// Both steps of a tile, and its new states. Arguments as of [`Plan::stages`].
    #[allow(clippy::too_many_arguments)]
    pub(super) fn step_pair(
        &self,
        pair: &Pair<T>,
        tile: Tile<'_, T>,
        at: impl Fn(usize) -> (f64, f64),
        h: &Lanes<T>,
        first_slopes: bool,
        panels: usize,
        evaluate: Evaluate<'_, T>,
    ) -> Result<(), SolveError> {
        let (dim, block) = (self.sizes.dim, self.sizes.dim * LANES);
        let Tile { y, y_new, k, inputs, .. } = tile;
        let (k, k_back) = k.split_at_mut(self.config.method.stages * block);
        let (y, z) = y.split_at(block);
        let (y_new, z_new) = y_new.split_at_mut(block);
        let step = Increment { from: z, at: &at, h, stages: pair.stages.0, first_slopes, panels };
        self.increment(step, k, inputs, evaluate)?;
        // The place of the new second state is free until the first is known.
        blend(z_new, pair.coupling, y, z, dim, panels);
        tile::advance(y_new, Some, z_new, Slopes { k, dim }, &self.weights.b, h, panels);
        let back: Lanes<T> = h.map(|h| T::default() - h);
        let at = |l: usize| (at(l).0 + at(l).1, -at(l).1);
        let step = Increment { from: y_new, at, h: &back, stages: pair.stages.1, first_slopes: false, panels };
        self.increment(step, k_back, inputs, &mut |stage, inputs, slopes| {
            evaluate(self.config.method.stages + stage, inputs, slopes)
        })?;
        tile::advance(z_new, Some, z, Slopes { k: k_back, dim }, &self.weights.b, h, panels);
        Ok(())
    }

    /// Undoes the second step: `z` from the new states, and the slopes of that step.
    pub(super) fn undo_second(&self, z: &mut [T], z_new: &[T], k_back: &[T], h: &Lanes<T>, panels: usize) {
        let back: Lanes<T> = h.map(|h| T::default() - h);
        let slopes = Slopes { k: k_back, dim: self.sizes.dim };
        tile::advance(z, Some, z_new, slopes, &self.weights.b, &back, panels);
    }

    /// Undoes the first step: `y` from its new state, z, and the slopes of that step.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn undo_first(
        &self,
        pair: &Pair<T>,
        y: &mut [T],
        y_new: &[T],
        z: &[T],
        k: &[T],
        h: &Lanes<T>,
        panels: usize,
    ) {
        let (dim, (own, other)) = (self.sizes.dim, pair.coupling);
        let back: Lanes<T> = h.map(|h| T::default() - h);
        tile::advance(y, Some, y_new, Slopes { k, dim }, &self.weights.b, &back, panels);
        for row in 0..dim {
            let lanes = row * LANES..row * LANES + panels * PANEL;
            for (y, &z) in y[lanes.clone()].iter_mut().zip(&z[lanes]) {
                *y = (*y - other * z) / own;
            }
        }
    }
}

/// `to = c y + (1 - c) z`
fn blend<T: Real>(to: &mut [T], (own, other): (T, T), y: &[T], z: &[T], dim: usize, panels: usize) {
    for row in 0..dim {
        let lanes = row * LANES..row * LANES + panels * PANEL;
        for ((to, &y), &z) in to[lanes.clone()].iter_mut().zip(&y[lanes.clone()]).zip(&z[lanes]) {
            *to = own * y + other * z;
        }
    }
}
