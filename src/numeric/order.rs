//! The proof of a tableau: shape, what may be implicit, row sums, order conditions, embedded solution, interpolant.
//!
//! [`Tableau`] -> [`Finding`]s, empty if it keeps its claims. Conditions are evaluated in integers over one common
//! denominator, so they are exact and fast (200 trees at order 8). The stages after this one turn findings into
//! diagnostics: `Shape` E0509, `Implicit` E0508, `RowSum` E0505, `Order` and `Interpolant` E0506, `Embedded` E0507.

use super::rational::{Rational, to_f64};
use super::tableau::Tableau;
use super::trees::Forest;
use num_bigint::BigInt;
use num_traits::{One, Signed, Zero};

/// Conditions are known up to this order.
pub const MAX_ORDER: u32 = 8;

/// What is wrong with a tableau. Rows, columns and stages count from 0.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// Lengths do not fit.
    Shape(ShapeFault),
    /// An entry that makes the method more than singly diagonally implicit with an explicit first stage.
    Implicit {
        /// Row of `a`.
        row: usize,
        /// Column of `a`.
        column: usize,
        /// The entry.
        value: Rational,
        /// What it must not be.
        fault: ImplicitFault,
    },
    /// `c_i` is not the sum of its row, so stages sit at wrong times.
    RowSum {
        /// Row of `a`.
        row: usize,
        /// The stage time as given.
        c: Rational,
        /// The sum of the row.
        sum: Rational,
        /// `sum - c`.
        gap: f64,
    },
    /// The weights `b` miss an order condition.
    Order(Miss),
    /// The embedded solution is at fault.
    Embedded(EmbeddedFault),
    /// The interpolant is at fault.
    Interpolant(InterpolantFault),
}

/// What an implicit entry must not be.
#[derive(Clone, Debug, PartialEq)]
pub enum ImplicitFault {
    /// Above the diagonal: stages depend on each other in a circle.
    Above,
    /// In the first stage, whose slope is that at the start of the step.
    First,
    /// Not the entry of the diagonal above it: a step has one matrix.
    NotConstant(Rational),
    /// In a method for equations with noise.
    Noise,
}

/// An order condition that fails.
#[derive(Clone, Debug, PartialEq)]
pub struct Miss {
    /// Order of the condition (nodes of its tree).
    pub order: u32,
    /// The tree in brackets.
    pub tree: String,
    /// The condition in symbols.
    pub condition: String,
    /// What the left-hand side is.
    pub got: Rational,
    /// What it must be.
    pub want: Rational,
    /// `got - want`.
    pub gap: f64,
    /// The highest order whose conditions all hold.
    pub reached: u32,
}

/// Lengths that do not fit the number of stages `s = len(b)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShapeFault {
    /// No stages.
    Empty,
    /// The claimed order is 0 or above [`MAX_ORDER`].
    OrderOutOfRange(u32),
    /// `c` has another length.
    Times {
        /// Its length.
        len: usize,
        /// s.
        stages: usize,
    },
    /// `a` has another number of rows.
    Rows {
        /// Its rows.
        len: usize,
        /// s.
        stages: usize,
    },
    /// A row of `a` has neither `row`, nor `row + 1`, nor s entries.
    Row {
        /// The row.
        row: usize,
        /// Its length.
        len: usize,
        /// s.
        stages: usize,
    },
    /// The embedded weights have another length.
    Embedded {
        /// Its length.
        len: usize,
        /// s.
        stages: usize,
    },
    /// The interpolant has another number of rows, or rows of different lengths.
    Interpolant {
        /// Its rows.
        len: usize,
        /// s.
        stages: usize,
    },
}

/// What is wrong with the embedded solution.
#[derive(Clone, Debug, PartialEq)]
pub enum EmbeddedFault {
    /// It equals `b`: the error estimate is always zero.
    SameWeights,
    /// It has the order of `b`: the difference does not measure the error.
    SameOrder(u32),
    /// It misses a condition of the order it claims; of order 1 if it claims none.
    Order(Miss),
}

/// What is wrong with the interpolant.
#[derive(Clone, Debug, PartialEq)]
pub enum InterpolantFault {
    /// At theta = 1 the weight of this stage is not `b_i`: values jump at the ends of steps.
    End {
        /// The stage.
        stage: usize,
        /// `sum_j powers[stage][j]`.
        got: Rational,
        /// `b_stage`.
        want: Rational,
    },
    /// A condition `sum_i b_i(theta) Phi_i = theta^order / gamma` fails at this power of theta.
    Order {
        /// The power of theta whose coefficient is wrong.
        power: u32,
        /// The condition at theta = 1; `got` and `want` are the coefficients at that power.
        miss: Miss,
    },
}

impl Tableau {
    /// Everything that is wrong; empty if the tableau keeps its claims. Order conditions are checked only on a tableau of
    /// the right shape, at most diagonally implicit, with right row sums; of the conditions that fail, all of the lowest order are given.
    #[must_use]
    pub fn check(&self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self.shape_faults().into_iter().map(Finding::Shape).collect();
        if !findings.is_empty() {
            return findings;
        }
        let stages = self.stages();
        let gamma = self.gamma();
        for row in 0..stages {
            for column in row..stages {
                let value = self.stage_weight(row, column);
                let fault = match &gamma {
                    _ if value.is_zero() => continue,
                    _ if column > row => ImplicitFault::Above,
                    _ if self.noise.is_some() => ImplicitFault::Noise,
                    _ if row == 0 => ImplicitFault::First,
                    Some(gamma) if value != *gamma => ImplicitFault::NotConstant(gamma.clone()),
                    _ => continue,
                };
                findings.push(Finding::Implicit { row, column, value, fault });
            }
        }
        for row in 0..stages {
            let sum: Rational = (0..stages).map(|j| self.stage_weight(row, j)).sum();
            let gap = &sum - &self.c[row];
            if gap.abs() > self.residual {
                findings.push(Finding::RowSum { row, c: self.c[row].clone(), gap: to_f64(&gap), sum });
            }
        }
        if !findings.is_empty() {
            return findings;
        }
        let proof = Proof::new(self);
        findings.extend(proof.misses(&self.b, self.order, "b").into_iter().map(Finding::Order));
        findings.extend(self.embedded_faults(&proof).into_iter().map(Finding::Embedded));
        findings.extend(self.interpolant_faults(&proof).into_iter().map(Finding::Interpolant));
        findings
    }

    /// The order of the embedded solution: as claimed, or the highest whose conditions hold (at most order + 1).
    #[must_use]
    pub fn embedded_order(&self) -> Option<u32> {
        let embedded = self.embedded.as_ref()?;
        let right_shape = || self.shape_faults().is_empty();
        embedded.order.or_else(|| right_shape().then(|| Proof::new(self).reached(&embedded.weights)))
    }

    /// The highest order (at most [`MAX_ORDER`]) whose conditions `b` satisfies; `None` if lengths do not fit. Stage times
    /// enter through the row sums of `a` only.
    #[must_use]
    pub fn reached_order(&self) -> Option<u32> {
        self.shape_faults().is_empty().then(|| Proof::up_to(self, MAX_ORDER).reached(&self.b))
    }

    fn shape_faults(&self) -> Vec<ShapeFault> {
        let stages = self.stages();
        let mut faults = Vec::new();
        if stages == 0 {
            return vec![ShapeFault::Empty];
        }
        if !(1..=MAX_ORDER).contains(&self.order) {
            faults.push(ShapeFault::OrderOutOfRange(self.order));
        }
        if self.c.len() != stages {
            faults.push(ShapeFault::Times { len: self.c.len(), stages });
        }
        if self.a.len() != stages {
            faults.push(ShapeFault::Rows { len: self.a.len(), stages });
        }
        for (row, entries) in self.a.iter().enumerate().take(stages) {
            let len = entries.len();
            if len != row && len != row + 1 && len != stages {
                faults.push(ShapeFault::Row { row, len, stages });
            }
        }
        if let Some(embedded) = self.embedded.as_ref().filter(|e| e.weights.len() != stages) {
            faults.push(ShapeFault::Embedded { len: embedded.weights.len(), stages });
        }
        if let Some(p) = &self.interpolant {
            let width = p.powers.first().map_or(0, Vec::len);
            if p.powers.len() != stages || width == 0 || p.powers.iter().any(|row| row.len() != width) {
                faults.push(ShapeFault::Interpolant { len: p.powers.len(), stages });
            }
            if !(1..=MAX_ORDER).contains(&p.order) {
                faults.push(ShapeFault::OrderOutOfRange(p.order));
            }
        }
        faults
    }

    fn embedded_faults(&self, proof: &Proof) -> Vec<EmbeddedFault> {
        let Some(embedded) = &self.embedded else { return Vec::new() };
        if embedded.weights == self.b {
            return vec![EmbeddedFault::SameWeights];
        }
        // Weights that do not sum to one estimate nothing, whatever is claimed.
        let order = embedded.order.unwrap_or(1);
        let misses = proof.misses(&embedded.weights, order.min(MAX_ORDER), "b_err");
        if !misses.is_empty() {
            return misses.into_iter().map(EmbeddedFault::Order).collect();
        }
        let reached = proof.reached(&embedded.weights);
        if reached == self.order || embedded.order == Some(self.order) {
            return vec![EmbeddedFault::SameOrder(self.order)];
        }
        Vec::new()
    }

    fn interpolant_faults(&self, proof: &Proof) -> Vec<InterpolantFault> {
        let Some(interpolant) = &self.interpolant else { return Vec::new() };
        let mut faults = Vec::new();
        for (stage, row) in interpolant.powers.iter().enumerate() {
            let got: Rational = row.iter().sum();
            if (&got - &self.b[stage]).abs() > self.residual {
                faults.push(InterpolantFault::End { stage, got, want: self.b[stage].clone() });
            }
        }
        let width = interpolant.powers.first().map_or(0, Vec::len);
        for power in 1..=width {
            let weights: Vec<Rational> = interpolant.powers.iter().map(|row| row[power - 1].clone()).collect();
            let power = u32::try_from(power).unwrap_or(u32::MAX);
            let misses = proof.misses_at(&weights, interpolant.order, "b", |tree_order| tree_order == power);
            faults.extend(misses.into_iter().map(|miss| InterpolantFault::Order { power, miss }));
        }
        faults
    }
}

/// `Phi_i(tree)` of every tree, as integers over powers of one denominator.
struct Proof {
    forest: Forest,
    /// For each tree, for each stage, the numerator of `Phi_i` over `denominator^(order - 1)`.
    phi: Vec<Vec<BigInt>>,
    denominator: BigInt,
    residual: Rational,
}

impl Proof {
    fn new(tableau: &Tableau) -> Self {
        let embedded = tableau.embedded.as_ref().and_then(|e| e.order).unwrap_or(0);
        let interpolant = tableau.interpolant.as_ref().map_or(0, |p| p.order);
        Proof::up_to(tableau, (tableau.order + 1).max(embedded).max(interpolant).min(MAX_ORDER))
    }

    fn up_to(tableau: &Tableau, order: u32) -> Self {
        let forest = Forest::up_to(order);
        let stages = tableau.stages();
        let entries: Vec<Vec<Rational>> =
            (0..stages).map(|i| (0..stages).map(|j| tableau.stage_weight(i, j)).collect()).collect();
        let denominator = entries.iter().flatten().fold(BigInt::one(), |d, x| lcm(&d, x.denom()));
        let a: Vec<Vec<BigInt>> =
            entries.iter().map(|row| row.iter().map(|x| x.numer() * (&denominator / x.denom())).collect()).collect();
        let mut phi: Vec<Vec<BigInt>> = Vec::with_capacity(forest.trees.len());
        let mut below: Vec<Vec<BigInt>> = Vec::with_capacity(forest.trees.len()); // sum_j a_ij Phi_j, over denominator^order
        for tree in &forest.trees {
            let here: Vec<BigInt> =
                (0..stages).map(|i| tree.children.iter().map(|&c| &below[c][i]).product()).collect();
            below.push(
                a.iter()
                    .map(|row| row.iter().zip(&here).filter(|(x, _)| !x.is_zero()).map(|(x, y)| x * y).sum())
                    .collect(),
            );
            phi.push(here);
        }
        Proof { forest, phi, denominator, residual: tableau.residual.clone() }
    }

    /// `sum_i weights_i Phi_i(tree)`.
    fn left_side(&self, weights: &[Rational], tree: usize) -> Rational {
        let common = weights.iter().fold(BigInt::one(), |d, w| lcm(&d, w.denom()));
        let sum: BigInt =
            weights.iter().zip(&self.phi[tree]).map(|(w, phi)| w.numer() * (&common / w.denom()) * phi).sum();
        Rational::new(sum, common * self.denominator.pow(self.forest.trees[tree].order - 1))
    }

    fn want(&self, tree: usize) -> Rational {
        Rational::new(BigInt::one(), self.forest.trees[tree].gamma.into())
    }

    fn holds(&self, weights: &[Rational], tree: usize) -> bool {
        (self.left_side(weights, tree) - self.want(tree)).abs() <= self.residual
    }

    /// The highest order of this proof's trees up to which all conditions hold.
    fn reached(&self, weights: &[Rational]) -> u32 {
        let first_miss = (0..self.forest.trees.len()).find(|&tree| !self.holds(weights, tree));
        let last = self.forest.trees.last().map_or(0, |t| t.order);
        first_miss.map_or(last, |tree| self.forest.trees[tree].order - 1)
    }

    fn misses(&self, weights: &[Rational], order: u32, letter: &str) -> Vec<Miss> {
        self.misses_at(weights, order, letter, |_| true)
    }

    /// Conditions up to `order` that fail, those of the lowest failing order only. Trees whose order `counts` does not
    /// hold for want zero on the right-hand side.
    fn misses_at(&self, weights: &[Rational], order: u32, letter: &str, counts: impl Fn(u32) -> bool) -> Vec<Miss> {
        let mut misses: Vec<Miss> = Vec::new();
        for (index, tree) in self.forest.trees.iter().enumerate().take_while(|(_, t)| t.order <= order) {
            if misses.first().is_some_and(|m| m.order < tree.order) {
                break;
            }
            let want = if counts(tree.order) { self.want(index) } else { Rational::zero() };
            let got = self.left_side(weights, index);
            let gap = &got - &want;
            if gap.abs() > self.residual {
                misses.push(Miss {
                    order: tree.order,
                    tree: self.forest.brackets(index),
                    condition: self.forest.condition(index, letter),
                    gap: to_f64(&gap),
                    got,
                    want,
                    reached: tree.order - 1,
                });
            }
        }
        misses
    }
}

/// Least common multiple of two positive integers (reducing `x / y` finds their greatest common divisor).
fn lcm(x: &BigInt, y: &BigInt) -> BigInt {
    x * Rational::new(x.clone(), y.clone()).denom()
}
