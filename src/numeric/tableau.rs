//! The coefficients of a Runge-Kutta method: exact ([`Tableau`]) and ready to step with ([`Method`]).
//!
//! `Tableau` (from a `tableau` declaration) -> `check` -> findings; `Tableau` -> `method` -> f64 coefficients without
//! their zeros. A method is explicit, or singly diagonally implicit with an explicit first stage. [`crate::numeric::order`]
//! holds the proof, [`crate::numeric::stability`] what follows from coefficients. Deliberately absent: any method's constants.

use super::noise::{NoiseMethod, NoiseTableau};
use super::rational::{Rational, to_f64};
use super::stability::{Implicit, StiffnessTest};
use num_traits::{One, Zero};

/// A Runge-Kutta method of `s` stages in exact numbers:
/// `k_i = f(t + c_i h, y + h sum_j a_ij k_j)`, `y1 = y + h sum_i b_i k_i` (Kutta 1901; HNW I, II.1).
#[derive(Clone, Debug, PartialEq)]
pub struct Tableau {
    /// For messages and reports.
    pub name: String,
    /// Stage times, length s.
    pub c: Vec<Rational>,
    /// Stage weights, s rows; row i holds its i entries left of the diagonal, those with the diagonal, or all s of them.
    pub a: Vec<Vec<Rational>>,
    /// Weights of the solution that is propagated, length s.
    pub b: Vec<Rational>,
    /// The second solution, for error estimates.
    pub embedded: Option<Embedded>,
    /// The order that `b` claims.
    pub order: u32,
    /// How far a condition may miss: zero for exact rationals, the stated residual for rounded decimals.
    pub residual: Rational,
    /// Continuous weights for values inside a step; without them values are cubic Hermite.
    pub interpolant: Option<Interpolant>,
    /// What makes it a method for stochastic equations.
    pub noise: Option<NoiseTableau>,
}

/// The second solution of a pair; the step's error is estimated by `h sum_i (b_i - weights_i) k_i`.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedded {
    /// Weights of the second solution, length s. A pair given by error weights `e`: see [`Embedded::from_error_weights`].
    pub weights: Vec<Rational>,
    /// The order it claims; `None` takes what the conditions find.
    pub order: Option<u32>,
}

impl Embedded {
    /// The second solution of a pair that is given by its error weights `e = b - weights`. Entries that one of the two
    /// lacks count as zero; [`Tableau::check`] reports the length.
    #[must_use]
    pub fn from_error_weights(b: &[Rational], e: &[Rational], order: Option<u32>) -> Self {
        let zero = Rational::zero();
        let weights = e.iter().enumerate().map(|(i, e)| b.get(i).unwrap_or(&zero) - e).collect();
        Embedded { weights, order }
    }
}

/// Weights inside a step: `y(t + theta h) = y + h sum_i b_i(theta) k_i` with `b_i(theta) = sum_j powers[i][j] theta^(j+1)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Interpolant {
    /// For each stage, coefficients of theta, theta^2, ... (rows of one length).
    pub powers: Vec<Vec<Rational>>,
    /// The order claimed for every theta.
    pub order: u32,
}

impl Tableau {
    /// Number of stages.
    #[must_use]
    pub fn stages(&self) -> usize {
        self.b.len()
    }

    /// Entry (i, j) of the stage weights; entries that a short row leaves out are zero.
    #[must_use]
    pub fn stage_weight(&self, i: usize, j: usize) -> Rational {
        self.a.get(i).and_then(|row| row.get(j)).cloned().unwrap_or_else(Rational::zero)
    }

    /// First same as last: the last stage is the slope at the end of the step, so that it serves as the next first stage.
    #[must_use]
    pub fn is_fsal(&self) -> bool {
        let Some(last) = self.stages().checked_sub(1) else { return false };
        last > 0
            && self.c.get(last).is_some_and(One::is_one)
            && self.c.first().is_some_and(Zero::is_zero)
            && self.stage_weight(0, 0).is_zero()
            && (0..=last).all(|j| self.stage_weight(last, j) == self.b[j])
    }

    /// The entry that implicit stages have on the diagonal; `None`: the method is explicit.
    #[must_use]
    pub fn gamma(&self) -> Option<Rational> {
        (0..self.stages()).map(|i| self.stage_weight(i, i)).find(|x| !x.is_zero())
    }

    /// Coefficients as f64, zeros left out. Meaningful if [`Tableau::check`] finds nothing.
    #[must_use]
    pub fn method(&self) -> Method {
        let sparse = |row: &mut dyn Iterator<Item = Rational>| -> Vec<(usize, f64)> {
            row.enumerate().filter(|(_, x)| !x.is_zero()).map(|(j, x)| (j, to_f64(&x))).collect()
        };
        let stages = self.stages();
        let dense: Vec<Vec<f64>> =
            (0..stages).map(|i| (0..=i).map(|j| to_f64(&self.stage_weight(i, j))).collect()).collect();
        let c: Vec<f64> = self.c.iter().map(to_f64).collect();
        let weights: Vec<f64> = self.b.iter().map(to_f64).collect();
        Method {
            name: self.name.clone(),
            stages,
            order: self.order,
            embedded_order: self.embedded_order(),
            a: (0..stages).map(|i| sparse(&mut (0..=i).map(|j| self.stage_weight(i, j)))).collect(),
            b: sparse(&mut self.b.iter().cloned()),
            error: self
                .embedded
                .as_ref()
                .map(|e| sparse(&mut self.b.iter().zip(&e.weights).map(|(b, w)| b - w)))
                .unwrap_or_default(),
            fsal: self.is_fsal(),
            interpolant: self.interpolant.as_ref().map(|p| {
                let rows = p.powers.iter().enumerate().filter(|(_, row)| row.iter().any(|x| !x.is_zero()));
                rows.map(|(i, row)| (i, row.iter().map(to_f64).collect())).collect()
            }),
            interpolant_order: self.interpolant.as_ref().map_or(HERMITE_ORDER, |p| p.order),
            noise: self.noise.as_ref().map(NoiseTableau::method),
            implicit: Implicit::new(&dense, &c),
            stiffness: StiffnessTest::new(&dense, &weights, &c),
            c,
        }
    }
}

/// Order of cubic Hermite interpolation (HNW I, II.6).
const HERMITE_ORDER: u32 = 3;

/// The coefficients of a method, ready to step with.
#[derive(Clone, Debug, PartialEq)]
pub struct Method {
    /// For messages and reports.
    pub name: String,
    /// Number of stages.
    pub stages: usize,
    /// Order of the propagated solution.
    pub order: u32,
    /// Order of the embedded solution, if there is one.
    pub embedded_order: Option<u32>,
    /// Stage times.
    pub c: Vec<f64>,
    /// Row i: the non-zero `(j, a_ij)`, ascending in j; the diagonal is the last.
    pub a: Vec<Vec<(usize, f64)>>,
    /// The non-zero `(i, b_i)`.
    pub b: Vec<(usize, f64)>,
    /// The non-zero `(i, b_i - weights_i)`; empty without an embedded solution.
    pub error: Vec<(usize, f64)>,
    /// Whether the last stage serves as the next first one.
    pub fsal: bool,
    /// For each stage that takes part, the coefficients of theta, theta^2, ...; `None`: cubic Hermite.
    pub interpolant: Option<Vec<(usize, Vec<f64>)>>,
    /// Order of the interpolant: inside a step of size h its error is `O(h^(order + 1))`.
    pub interpolant_order: u32,
    /// What it does with noise; `None`: it solves ordinary equations only.
    pub noise: Option<NoiseMethod>,
    /// How its implicit stages are solved; `None`: all are explicit.
    pub implicit: Option<Implicit>,
    /// How an explicit method notices stiffness; `None`: it cannot.
    pub stiffness: Option<StiffnessTest>,
}

impl Method {
    /// Whether its interpolant is worse than its steps: their error is `O(h^order)` once they are added up, and what stands
    /// inside of one should not be more.
    #[must_use]
    pub fn outruns_interpolant(&self) -> bool {
        self.interpolant_order + 1 < self.order
    }

    /// Whether steps can be chosen by an error estimate.
    #[must_use]
    pub fn is_adaptive(&self) -> bool {
        !self.error.is_empty()
    }

    /// Whether a stage stands in its own slope.
    #[must_use]
    pub fn is_implicit(&self, stage: usize) -> bool {
        self.implicit.as_ref().is_some_and(|i| i.stages[stage])
    }
}
