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
    Polynomial(Polynomial),
}

/// Weights of slopes as polynomials in theta without constant term, all evaluated at once.
#[derive(Debug)]
pub(super) struct Polynomial {
    slots: Vec<usize>,
    /// `[block of slots][power][slot]`, the highest power first.
    powers: Vec<Vec<[f64; BLOCK]>>,
}

/// Slots whose weights are evaluated together.
const BLOCK: usize = 8;

impl Polynomial {
    fn new(weights: &[(usize, Vec<f64>)]) -> Self {
        let degree = weights.iter().map(|(_, powers)| powers.len()).max().unwrap_or(0);
        let of = |slots: &[(usize, Vec<f64>)], power: usize| {
            std::array::from_fn(|j| slots.get(j).and_then(|(_, p)| p.get(power)).copied().unwrap_or(0.0))
        };
        let block = |slots: &[(usize, Vec<f64>)]| (0..degree).rev().map(|power| of(slots, power)).collect();
        Polynomial { slots: weights.iter().map(|w| w.0).collect(), powers: weights.chunks(BLOCK).map(block).collect() }
    }

    /// As many weights as there are slots, and zeros behind them.
    fn at<T: Real>(&self, theta: f64, weights: &mut Vec<T>) {
        for powers in &self.powers {
            let mut sums = [0.0; BLOCK];
            for power in powers {
                for (sum, p) in sums.iter_mut().zip(power) {
                    *sum = *sum * theta + p;
                }
            }
            weights.extend_from_slice(&sums.map(|sum| T::from_f64(theta * sum)));
        }
    }
}

/// An interpolant at a place inside a step.
#[derive(Clone, Copy)]
pub(super) enum Inside<'w, T> {
    /// See [`Dense::Hermite`].
    Hermite { end: usize, theta: f64 },
    /// Slots, and the weights of their slopes; there may be more weights.
    Weights(&'w [usize], &'w [T]),
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
            Some(weights) => Dense::Polynomial(Polynomial::new(weights)),
            None => Dense::Hermite { end },
        }
    }

    /// The interpolant at `theta` of the step, theta in (0, 1). Its weights stand in the buffer.
    pub fn at<'w, T: Real>(&'w self, theta: f64, buffer: &'w mut Vec<T>) -> Inside<'w, T> {
        match self {
            Dense::Hermite { end } => Inside::Hermite { end: *end, theta },
            Dense::Polynomial(polynomial) => {
                buffer.clear();
                polynomial.at(theta, buffer);
                Inside::Weights(&polynomial.slots, buffer)
            }
        }
    }
}

impl<T: Real> Inside<'_, T> {
    /// The transpose of [`Inside::value`] in one component, whose cotangent is `bar`: what it leaves where.
    pub fn pull(self, bar: T, mut put: impl FnMut(Pull, T)) {
        match self {
            Inside::Hermite { end, theta } => {
                let bend = theta * (theta - 1.0);
                let chord = bar * T::from_f64(theta + bend * (1.0 - 2.0 * theta));
                put(Pull::After, chord);
                put(Pull::Before, bar - chord);
                put(Pull::Slope(0), bar * T::from_f64(bend * (theta - 1.0)));
                put(Pull::Slope(end), bar * T::from_f64(bend * theta));
            }
            Inside::Weights(slots, weights) => {
                put(Pull::Before, bar);
                for (&slot, &weight) in slots.iter().zip(weights) {
                    put(Pull::Slope(slot), bar * weight);
                }
            }
        }
    }

    /// Calls `put(component, value)` with the state. Hermite: HNW I, II.6.7.
    pub fn value(self, step: &Step<'_, T>, mut put: impl FnMut(usize, T)) {
        let at = |row: usize| row * LANES + step.lane;
        let stride = step.dim * LANES;
        let slope = |slot: usize, row: usize| step.k[slot * stride + at(row)];
        let h = T::from_f64(step.h);
        match self {
            Inside::Hermite { end, theta } => {
                let blend = T::from_f64(theta);
                let bend = T::from_f64(theta * (theta - 1.0));
                let (of_chord, of_start, of_end) =
                    (T::from_f64(1.0 - 2.0 * theta), T::from_f64(theta - 1.0), T::from_f64(theta));
                for row in 0..step.dim {
                    let (y, chord) = (step.y[at(row)], step.y_new[at(row)] - step.y[at(row)]);
                    let bow = of_chord * chord + h * (of_start * slope(0, row) + of_end * slope(end, row));
                    put(row, y + blend * chord + bend * bow);
                }
            }
            Inside::Weights(slots, weights) => {
                for row in 0..step.dim {
                    let k = &step.k[at(row)..];
                    let terms = slots.iter().zip(weights).map(|(&slot, &w)| w * k[slot * stride]);
                    let sum = terms.fold(T::default(), |sum, term| sum + term);
                    put(row, step.y[at(row)] + h * sum);
                }
            }
        }
    }
}
