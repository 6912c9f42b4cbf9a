//! Values inside a step.

use super::real::Real;
use crate::backend::LANES;
use crate::numeric::tableau::Method;

/// How values inside a step are found.
#[derive(Debug)]
pub(super) enum Dense {
    /// Cubic Hermite from states and slopes at both ends; error of order 4 in the step.
    Hermite {
        /// The slot that holds the slope at the end of the step.
        end: usize,
    },
    /// The method's own weights.
    Polynomial(Vec<(usize, Vec<f64>)>),
}

/// What an interpolated value is made of.
#[derive(Clone, Copy)]
pub(super) enum Pull {
    /// The state before the step.
    Before,
    /// The state after it.
    After,
    /// The slope of a slot, times the step.
    Slope(usize),
}

/// One lane of a step: blocks of its tile, and the step's size.
pub(super) struct Step<'a, T> {
    pub lane: usize,
    pub dim: usize,
    pub h: f64,
    pub y: &'a [T],
    pub y_new: &'a [T],
    /// `[slot][dim][LANES]`
    pub k: &'a [T],
}

impl Dense {
    /// Whether the slope at the end of the step is needed.
    pub fn needs_end_slope(method: &Method) -> bool {
        method.interpolant.is_none()
    }

    pub fn new(method: &Method, end: usize) -> Self {
        match &method.interpolant {
            Some(weights) => Dense::Polynomial(weights.clone()),
            None => Dense::Hermite { end },
        }
    }

    /// The weights of slopes at `theta`; none for Hermite interpolation.
    pub fn weights(&self, theta: f64) -> Vec<(usize, f64)> {
        let horner = |powers: &Vec<f64>| theta * powers.iter().rev().fold(0.0, |sum, &p| sum * theta + p);
        match self {
            Dense::Hermite { .. } => Vec::new(),
            Dense::Polynomial(weights) => weights.iter().map(|(slot, powers)| (*slot, horner(powers))).collect(),
        }
    }

    /// The transpose of [`Dense::value`] in one component, whose cotangent is `bar`: what it leaves where.
    pub fn pull<T: Real>(&self, theta: f64, bar: T, mut put: impl FnMut(Pull, T)) {
        match self {
            Dense::Hermite { end } => {
                let bend = theta * (theta - 1.0);
                let chord = bar * T::from_f64(theta + bend * (1.0 - 2.0 * theta));
                put(Pull::After, chord);
                put(Pull::Before, bar - chord);
                put(Pull::Slope(0), bar * T::from_f64(bend * (theta - 1.0)));
                put(Pull::Slope(*end), bar * T::from_f64(bend * theta));
            }
            Dense::Polynomial(_) => {
                put(Pull::Before, bar);
                for (slot, weight) in self.weights(theta) {
                    put(Pull::Slope(slot), bar * T::from_f64(weight));
                }
            }
        }
    }

    /// Calls `put(component, value)` with the state at `theta` of the step, theta in (0, 1). Hermite: HNW I, II.6.7.
    pub fn value<T: Real>(&self, step: &Step<'_, T>, theta: f64, mut put: impl FnMut(usize, T)) {
        let at = |row: usize| row * LANES + step.lane;
        let slope = |slot: usize, row: usize| step.k[slot * step.dim * LANES + at(row)];
        let h = T::from_f64(step.h);
        match self {
            Dense::Hermite { end } => {
                let blend = T::from_f64(theta);
                let bend = T::from_f64(theta * (theta - 1.0));
                let (of_chord, of_start, of_end) =
                    (T::from_f64(1.0 - 2.0 * theta), T::from_f64(theta - 1.0), T::from_f64(theta));
                for row in 0..step.dim {
                    let (y, chord) = (step.y[at(row)], step.y_new[at(row)] - step.y[at(row)]);
                    let bow = of_chord * chord + h * (of_start * slope(0, row) + of_end * slope(*end, row));
                    put(row, y + blend * chord + bend * bow);
                }
            }
            Dense::Polynomial(_) => {
                let weights: Vec<(usize, T)> =
                    self.weights(theta).into_iter().map(|(slot, w)| (slot, T::from_f64(w))).collect();
                for row in 0..step.dim {
                    let sum = weights.iter().fold(T::default(), |sum, &(slot, w)| sum + w * slope(slot, row));
                    put(row, step.y[at(row)] + h * sum);
                }
            }
        }
    }
}
