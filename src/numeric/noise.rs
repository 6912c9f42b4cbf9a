//! The coefficients of a stochastic Runge-Kutta method, and the proof of its strong order.
//!
//! The methods are those of Rößler, Runge-Kutta methods for the strong approximation of solutions of stochastic differential
//! equations (SIAM J. Numer. Anal. 48, 2010), for Itô equations `dx = f dt + g dW` whose noise is diagonal (each element has
//! a Brownian motion of its own, and its g depends on that element and time). With `I1 = ΔW`, `I11 = (ΔW² - h) / 2`,
//! `I111 = (ΔW³ - 3 h ΔW) / 6` and `I10 = ∫∫ dW dt` of a step (section 6.1):
//!
//! ```text
//! H_i  = y + h Σ_j a_ij f(t + c_j h, H_j) + (I10 / h) Σ_j noise.a_ij g(t + noise.c_j h, G_j)
//! G_i  = y + h Σ_j noise.drift_ij f(t + c_j h, H_j) + √h Σ_j noise.diffusion_ij g(t + noise.c_j h, G_j)
//! y1   = y + h Σ_i b_i f(t + c_i h, H_i)
//!          + Σ_i (b1_i I1 + b2_i I11 / √h + b3_i I10 / h + b4_i I111 / h) g(t + noise.c_i h, G_i)
//! ```
//!
//! [`NoiseTableau::check`] evaluates the order conditions (theorem 5.1, strong orders 1 and 1.5) exactly. Deliberately absent:
//! any method's constants.

use super::rational::{Rational, to_f64};
use super::tableau::Tableau;
use num_traits::{One, Zero};

/// What makes a tableau stochastic.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseTableau {
    /// Weights of diffusions in the drift's stages.
    pub a: Vec<Vec<Rational>>,
    /// Times of the diffusion's stages.
    pub c: Vec<Rational>,
    /// Weights of drifts in the diffusion's stages.
    pub drift: Vec<Vec<Rational>>,
    /// Weights of diffusions in the diffusion's stages.
    pub diffusion: Vec<Vec<Rational>>,
    /// Weights of I1, I11, I10 and I111 in the result.
    pub b: [Vec<Rational>; 4],
    /// The strong order claimed: 1/2, 1 or 3/2.
    pub order: Rational,
}

/// Ready to step with; rows without their zeros.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseMethod {
    /// [`NoiseTableau::a`]
    pub a: Vec<Vec<(usize, f64)>>,
    /// [`NoiseTableau::c`]
    pub c: Vec<f64>,
    /// [`NoiseTableau::drift`]
    pub drift: Vec<Vec<(usize, f64)>>,
    /// [`NoiseTableau::diffusion`]
    pub diffusion: Vec<Vec<(usize, f64)>>,
    /// [`NoiseTableau::b`], all entries.
    pub b: [Vec<f64>; 4],
    /// Strong order.
    pub order: f64,
}

/// What is wrong with the stochastic part of a tableau.
#[derive(Clone, Debug, PartialEq)]
pub enum NoiseFinding {
    /// A part has another number of stages than `b`.
    Shape {
        /// The key.
        key: &'static str,
        /// Its length.
        len: usize,
        /// What it must be.
        stages: usize,
    },
    /// An entry on or right of the diagonal.
    Implicit {
        /// The key.
        key: &'static str,
        /// The row.
        row: usize,
    },
    /// The order claimed is not 1/2, 1 or 3/2.
    OrderUnknown(Rational),
    /// A stage of the diffusion does not stand at the time that its drifts add up to.
    RowSum {
        /// The row.
        row: usize,
        /// The stage time as given.
        c: Rational,
        /// The sum of the row.
        sum: Rational,
    },
    /// A condition of the order fails.
    Order {
        /// The condition in symbols.
        condition: &'static str,
        /// What the left-hand side is.
        got: Rational,
        /// What it must be.
        want: Rational,
    },
}

impl NoiseFinding {
    /// The part of the record that is at fault.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            NoiseFinding::Shape { key, .. } | NoiseFinding::Implicit { key, .. } => key,
            NoiseFinding::OrderUnknown(_) | NoiseFinding::Order { .. } => "order",
            NoiseFinding::RowSum { .. } => "c",
        }
    }
}

impl NoiseTableau {
    /// What does not hold of the method that `of` and this make; empty if it keeps its claims.
    #[must_use]
    pub fn check(&self, of: &Tableau) -> Vec<NoiseFinding> {
        let stages = of.stages();
        let mut found = Vec::new();
        let lengths = [
            ("a", self.a.len()),
            ("c", self.c.len()),
            ("drift", self.drift.len()),
            ("diffusion", self.diffusion.len()),
            ("b", self.b.iter().map(Vec::len).find(|n| *n != stages).unwrap_or(stages)),
        ];
        found.extend(lengths.iter().filter(|(_, n)| *n != stages).map(|&(key, len)| NoiseFinding::Shape {
            key,
            len,
            stages,
        }));
        for (key, rows) in [("a", &self.a), ("drift", &self.drift), ("diffusion", &self.diffusion)] {
            let right = |(i, row): (usize, &Vec<Rational>)| row.iter().skip(i).any(|x| !x.is_zero());
            found.extend(rows.iter().enumerate().position(right).map(|row| NoiseFinding::Implicit { key, row }));
        }
        if !found.is_empty() {
            return found;
        }
        for (row, (c, weights)) in self.c.iter().zip(&self.drift).enumerate() {
            let sum: Rational = weights.iter().sum();
            if sum != *c {
                found.push(NoiseFinding::RowSum { row, c: c.clone(), sum });
            }
        }
        let conditions = self.conditions(of);
        let fails = conditions.into_iter().filter(|c| c.order <= self.order).find(|c| c.got != c.want);
        found.extend(fails.map(|c| NoiseFinding::Order { condition: c.name, got: c.got, want: c.want }));
        let half = Rational::one() / Rational::from_integer(2.into());
        let twice = &self.order / &half;
        if !(twice.is_integer() && twice >= Rational::one() && twice <= Rational::from_integer(3.into())) {
            found.push(NoiseFinding::OrderUnknown(self.order.clone()));
        }
        found
    }

    /// Every condition that is known, with the order it belongs to (Rößler 2010, theorem 5.1; conditions of one half are those
    /// that Euler's method keeps).
    fn conditions(&self, of: &Tableau) -> Vec<Condition> {
        let n = of.stages();
        let q = |a: i64, b: i64| Rational::new(a.into(), b.into());
        let ones = vec![q(1, 1); n];
        let apply = |rows: &[Vec<Rational>], x: &[Rational]| -> Vec<Rational> {
            rows.iter().map(|row| row.iter().zip(x).map(|(w, x)| w * x).sum()).collect()
        };
        let dot = |w: &[Rational], x: &[Rational]| -> Rational { w.iter().zip(x).map(|(w, x)| w * x).sum() };
        let square = |x: &[Rational]| -> Vec<Rational> { x.iter().map(|x| x * x).collect() };
        let [b1, b2, b3, b4] = &self.b;
        let a_e = apply(&of.a, &ones);
        let na_e = apply(&self.a, &ones);
        let drift_e = apply(&self.drift, &ones);
        let g_e = apply(&self.diffusion, &ones);
        let (g2, gg) = (square(&g_e), apply(&self.diffusion, &g_e));
        let mixed = apply(&self.drift, &na_e);
        let (half, one, most) = (q(1, 2), q(1, 1), q(3, 2));
        let c = |order: &Rational, name, got, want| Condition { order: order.clone(), name, got, want };
        vec![
            c(&half, "Σ b = 1", dot(&of.b, &ones), q(1, 1)),
            c(&half, "Σ b1 = 1", dot(b1, &ones), q(1, 1)),
            c(&half, "Σ b2 = 0", dot(b2, &ones), q(0, 1)),
            c(&half, "Σ b3 = 0", dot(b3, &ones), q(0, 1)),
            c(&half, "Σ b4 = 0", dot(b4, &ones), q(0, 1)),
            c(&one, "Σ b1 B e = 0", dot(b1, &g_e), q(0, 1)),
            c(&one, "Σ b2 B e = 1", dot(b2, &g_e), q(1, 1)),
            c(&one, "Σ b3 B e = 0", dot(b3, &g_e), q(0, 1)),
            c(&one, "Σ b4 B e = 0", dot(b4, &g_e), q(0, 1)),
            c(&most, "Σ b a e = 1/2", dot(&of.b, &a_e), q(1, 2)),
            c(&most, "Σ b A e = 1", dot(&of.b, &na_e), q(1, 1)),
            c(&most, "Σ b (A e)² = 3/2", dot(&of.b, &square(&na_e)), q(3, 2)),
            c(&most, "Σ b1 D e = 1", dot(b1, &drift_e), q(1, 1)),
            c(&most, "Σ b2 D e = 0", dot(b2, &drift_e), q(0, 1)),
            c(&most, "Σ b3 D e = -1", dot(b3, &drift_e), q(-1, 1)),
            c(&most, "Σ b4 D e = 0", dot(b4, &drift_e), q(0, 1)),
            c(&most, "Σ b1 (B e)² = 1", dot(b1, &g2), q(1, 1)),
            c(&most, "Σ b2 (B e)² = 0", dot(b2, &g2), q(0, 1)),
            c(&most, "Σ b3 (B e)² = -1", dot(b3, &g2), q(-1, 1)),
            c(&most, "Σ b4 (B e)² = 2", dot(b4, &g2), q(2, 1)),
            c(&most, "Σ b1 B B e = 0", dot(b1, &gg), q(0, 1)),
            c(&most, "Σ b2 B B e = 0", dot(b2, &gg), q(0, 1)),
            c(&most, "Σ b3 B B e = 0", dot(b3, &gg), q(0, 1)),
            c(&most, "Σ b4 B B e = 1", dot(b4, &gg), q(1, 1)),
            c(&most, "Σ (b1 / 2 + b3 / 3) D A e = 0", dot(b1, &mixed) / q(2, 1) + dot(b3, &mixed) / q(3, 1), q(0, 1)),
        ]
    }

    /// As numbers to step with.
    #[must_use]
    pub fn method(&self) -> NoiseMethod {
        let sparse = |rows: &[Vec<Rational>]| {
            let row = |row: &Vec<Rational>| {
                row.iter().enumerate().filter(|(_, x)| !x.is_zero()).map(|(j, x)| (j, to_f64(x))).collect()
            };
            rows.iter().map(row).collect()
        };
        let dense = |row: &Vec<Rational>| row.iter().map(to_f64).collect();
        NoiseMethod {
            a: sparse(&self.a),
            c: dense(&self.c),
            drift: sparse(&self.drift),
            diffusion: sparse(&self.diffusion),
            b: self.b.each_ref().map(dense),
            order: to_f64(&self.order),
        }
    }
}

struct Condition {
    order: Rational,
    name: &'static str,
    got: Rational,
    want: Rational,
}
