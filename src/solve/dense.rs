//! Values inside a step, in the lanes of a panel at once.
//!
//! A value is `y + c (y_new - y) + h sum_j w_j k_j`: of a method with an interpolant of its own c is zero, and every slope has a
//! polynomial in theta; cubic Hermite interpolation has a chord and the slopes at both ends.

use super::real::Real;
use crate::backend::{LANES, PANEL};
use crate::kernels::wide;
use crate::numeric::tableau::Method;

/// How values inside a step are found.
#[derive(Debug)]
pub(super) struct Dense {
    /// Slots whose slopes are read.
    pub slots: Vec<usize>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Cubic Hermite from states and slopes at both ends (HNW I, II.6.7); error of order 4 in the step.
    Hermite,
    /// For each slot the coefficients of its weight, a polynomial in theta without constant term, the highest power first.
    Polynomial(Vec<Vec<f64>>),
}

/// Places inside the steps of a panel's lanes, and what an interpolant makes of them.
#[derive(Debug, Default)]
pub(super) struct Inside<T> {
    /// The place in each lane; zero in a lane that wants none.
    pub theta: [f64; PANEL],
    /// The part of the chord.
    chord: [T; PANEL],
    /// Of the slope of each slot.
    weights: Vec<[T; PANEL]>,
    /// `[dim][PANEL]`: values, or their cotangents.
    pub values: Vec<[T; PANEL]>,
}

/// One panel of a step: blocks of its tile and its first lane.
pub(super) struct Step<'a, T> {
    pub lane: usize,
    pub h: [T; PANEL],
    pub y: &'a [T],
    pub y_new: &'a [T],
    /// `[slot][dim][LANES]`
    pub k: &'a [T],
}

/// Cotangents of one panel of a step, likewise.
pub(super) struct Bars<'a, T> {
    pub lane: usize,
    pub before: &'a mut [T],
    pub after: &'a mut [T],
    /// Of slopes, over the step's size: `[slot][dim][LANES]`.
    pub slopes: &'a mut [T],
}

impl Dense {
    /// Whether the slope at the end of the step is needed.
    pub fn needs_end_slope(method: &Method) -> bool {
        method.interpolant.is_none()
    }

    pub fn new(method: &Method, end: usize) -> Self {
        match &method.interpolant {
            Some(weights) => {
                let powers = weights.iter().map(|(_, powers)| powers.iter().rev().copied().collect()).collect();
                Dense { slots: weights.iter().map(|w| w.0).collect(), kind: Kind::Polynomial(powers) }
            }
            None => Dense { slots: vec![0, end], kind: Kind::Hermite },
        }
    }

    /// Whether a step is interpolated by its states and slopes alone.
    pub fn is_hermite(&self) -> bool {
        matches!(self.kind, Kind::Hermite)
    }

    /// The weights at `inside.theta`.
    fn weigh<T: Real>(&self, inside: &mut Inside<T>) {
        inside.weights.resize(self.slots.len(), [T::default(); PANEL]);
        match &self.kind {
            Kind::Polynomial(powers) => polynomials(powers, &inside.theta, &mut inside.weights),
            Kind::Hermite => hermite(&inside.theta, &mut inside.chord, &mut inside.weights),
        }
    }

    /// The states at `inside.theta`, of `dim` components.
    pub fn values<T: Real>(&self, inside: &mut Inside<T>, dim: usize, step: &Step<'_, T>) {
        self.weigh(inside);
        inside.values.resize(dim, [T::default(); PANEL]);
        let Inside { chord, weights, values, .. } = inside;
        blend(values, step, &self.slots, weights, self.is_hermite().then_some(&*chord));
    }

    /// The transpose of [`Dense::values`] of states whose cotangents stand in `inside.values`.
    pub fn pull<T: Real>(&self, inside: &mut Inside<T>, bars: Bars<'_, T>) {
        self.weigh(inside);
        let Inside { chord, weights, values, .. } = inside;
        spread(values, bars, &self.slots, weights, self.is_hermite().then_some(&*chord));
    }
}

wide! {
    fn polynomials<T: Real>(powers: &[Vec<f64>], theta: &[f64; PANEL], weights: &mut [[T; PANEL]]) {
        for (powers, weights) in powers.iter().zip(weights) {
            let mut sums = [0.0; PANEL];
            for &power in powers {
                for l in 0..PANEL {
                    sums[l] = sums[l] * theta[l] + power;
                }
            }
            for l in 0..PANEL {
                weights[l] = T::from_f64(theta[l] * sums[l]);
            }
        }
    }
}

fn hermite<T: Real>(theta: &[f64; PANEL], chord: &mut [T; PANEL], weights: &mut [[T; PANEL]]) {
    for (l, &theta) in theta.iter().enumerate() {
        let bend = theta * (theta - 1.0);
        chord[l] = T::from_f64(theta + bend * (1.0 - 2.0 * theta));
        weights[0][l] = T::from_f64(bend * (theta - 1.0));
        weights[1][l] = T::from_f64(bend * theta);
    }
}

#[inline(always)]
fn panel<T>(block: &[T], at: usize) -> &[T; PANEL] {
    block[at..].first_chunk().expect("a panel of a block")
}

#[inline(always)]
fn panel_mut<T>(block: &mut [T], at: usize) -> &mut [T; PANEL] {
    block[at..].first_chunk_mut().expect("a panel of a block")
}

wide! {
    fn blend<T: Real>(
        values: &mut [[T; PANEL]],
        step: &Step<'_, T>,
        slots: &[usize],
        weights: &[[T; PANEL]],
        chord: Option<&[T; PANEL]>,
    ) {
        let (dim, h) = (values.len(), &step.h);
        for (row, value) in values.iter_mut().enumerate() {
            let at = row * LANES + step.lane;
            let mut sum = [T::default(); PANEL];
            for (&slot, w) in slots.iter().zip(weights) {
                let k = panel(step.k, slot * dim * LANES + at);
                for l in 0..PANEL {
                    sum[l] = sum[l] + w[l] * k[l];
                }
            }
            let y = panel(step.y, at);
            for l in 0..PANEL {
                value[l] = y[l] + h[l] * sum[l];
            }
            if let Some(chord) = chord {
                let y_new = panel(step.y_new, at);
                for l in 0..PANEL {
                    value[l] = value[l] + chord[l] * (y_new[l] - y[l]);
                }
            }
        }
    }
}

wide! {
    fn spread<T: Real>(
        values: &[[T; PANEL]],
        bars: Bars<'_, T>,
        slots: &[usize],
        weights: &[[T; PANEL]],
        chord: Option<&[T; PANEL]>,
    ) {
        let Bars { lane, before, after, slopes } = bars;
        let dim = values.len();
        for (row, bar) in values.iter().enumerate() {
            let at = row * LANES + lane;
            for (&slot, w) in slots.iter().zip(weights) {
                let to = panel_mut(slopes, slot * dim * LANES + at);
                for l in 0..PANEL {
                    to[l] = to[l] + bar[l] * w[l];
                }
            }
            let before = panel_mut(before, at);
            for l in 0..PANEL {
                before[l] = before[l] + bar[l];
            }
            if let Some(chord) = chord {
                let after = panel_mut(after, at);
                for l in 0..PANEL {
                    after[l] = after[l] + bar[l] * chord[l];
                    before[l] = before[l] - bar[l] * chord[l];
                }
            }
        }
    }
}
