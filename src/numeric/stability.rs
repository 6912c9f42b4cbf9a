//! What follows from a method's coefficients about stiff equations: how implicit stages begin, how an explicit method notices
//! that its steps are held down by stability.
//!
//! Rows of stage weights with their diagonals -> [`Implicit`] or [`StiffnessTest`]. Deliberately absent: the solving.

/// Stages that stand in their own slope, `k_i = f(t + c_i h, y + h sum_(j < i) a_ij k_j + h gamma k_i)`, with one gamma for all:
/// one matrix `I - h gamma J` serves all of a step (Kvaerno 2004; Hairer and Wanner II, IV.6).
#[derive(Clone, Debug, PartialEq)]
pub struct Implicit {
    /// The diagonal.
    pub gamma: f64,
    /// Which stages are implicit.
    pub stages: Vec<bool>,
    /// For each stage, the weights of earlier slopes that predict its own: the polynomial in time through as many as three of
    /// them, the nearest, at different times; a slope at the same time is taken as it is.
    pub predict: Vec<Vec<(usize, f64)>>,
}

/// Most slopes of a predictor: with three, stages of Kvaerno's methods are predicted to the order that they have.
const PREDICTORS: usize = 3;

impl Implicit {
    /// From rows of stage weights, diagonals included, and stage times. `None`: the method is explicit.
    pub(super) fn new(a: &[Vec<f64>], c: &[f64]) -> Option<Implicit> {
        let stages: Vec<bool> = a.iter().enumerate().map(|(i, row)| row[i] != 0.0).collect();
        let first = stages.iter().position(|&implicit| implicit)?;
        let predict = (0..a.len()).map(|i| if i < c.len() { predictor(&c[..i], c[i]) } else { vec![] }).collect();
        Some(Implicit { gamma: a[first][first], stages, predict })
    }
}

/// Lagrange weights at `at` of the nearest of `times`.
fn predictor(times: &[f64], at: f64) -> Vec<(usize, f64)> {
    let mut order: Vec<usize> = (0..times.len()).rev().collect();
    order.sort_by(|&i, &j| (times[i] - at).abs().total_cmp(&(times[j] - at).abs()));
    let mut taken: Vec<usize> = Vec::new();
    for i in order {
        if taken.len() < PREDICTORS && taken.iter().all(|&j| times[j] != times[i]) {
            taken.push(i);
        }
    }
    taken.sort_unstable();
    let weight = |i: usize| {
        let others = taken.iter().filter(|&&j| j != i);
        others.map(|&j| (at - times[j]) / (times[i] - times[j])).product()
    };
    taken.iter().map(|&i| (i, weight(i))).filter(|(_, w)| *w != 0.0).collect()
}

/// Two stages at one time tell the size of the Jacobian: `h |k_j - k_i| / |Y_j - Y_i|` estimates `|h lambda|` of its dominant
/// eigenvalue. Steps that error control holds at the boundary of stability have it there (Hairer and Wanner II, IV.2, "automatic
/// stiffness detection"; the test `HLAMB` of `dopri5.f`).
#[derive(Clone, Debug, PartialEq)]
pub struct StiffnessTest {
    /// The two stages.
    pub stages: (usize, usize),
    /// The weights of slopes that make `(Y_j - Y_i) / h`.
    pub difference: Vec<(usize, f64)>,
    /// From here on the step is at the boundary.
    pub bound: f64,
}

/// The share of the negative real axis inside the region of stability from which a step counts as at its boundary: 3.25 of
/// 3.3066, as `dopri5.f` has it.
const NEAR_BOUNDARY: f64 = 3.25 / 3.3066;

impl StiffnessTest {
    /// The last pair of stages at the same time with different arguments; `None` without one, or for an implicit method.
    pub(super) fn new(a: &[Vec<f64>], b: &[f64], c: &[f64]) -> Option<StiffnessTest> {
        if a.iter().enumerate().any(|(i, row)| row[i] != 0.0) {
            return None;
        }
        let entry = |i: usize, j: usize| a[i].get(j).copied().unwrap_or(0.0);
        let difference = |i: usize, j: usize| -> Vec<(usize, f64)> {
            (0..j).map(|k| (k, entry(j, k) - entry(i, k))).filter(|(_, w)| *w != 0.0).collect()
        };
        let pairs = (1..a.len().min(c.len())).rev().flat_map(|j| (1..j).rev().map(move |i| (i, j)));
        let (i, j) = pairs.into_iter().find(|&(i, j)| c[i] == c[j] && !difference(i, j).is_empty())?;
        let bound = NEAR_BOUNDARY * real_boundary(a, b)?;
        Some(StiffnessTest { stages: (i, j), difference: difference(i, j), bound })
    }
}

/// The length of the negative real axis, from 0, on which the stability function `R(z) = 1 + z b' (I - z A)^-1 1` of an explicit
/// method is at most 1 in size (Hairer and Wanner II, IV.2).
#[must_use]
pub fn real_boundary(a: &[Vec<f64>], b: &[f64]) -> Option<f64> {
    // Coefficients of R: 1, then b' A^(k - 1) 1.
    let mut powers = vec![1.0; a.len()];
    let mut coefficients = vec![1.0];
    for _ in 0..a.len() {
        coefficients.push(b.iter().zip(&powers).map(|(b, p)| b * p).sum());
        powers = a.iter().map(|row| row.iter().zip(&powers).map(|(a, p)| a * p).sum()).collect();
    }
    let stable = |x: f64| coefficients.iter().rev().fold(0.0, |sum, c| sum * -x + c).abs() <= 1.0 + 1e-12;
    // No explicit method of s stages is stable beyond 2 s^2 (the same place, on Chebyshev polynomials).
    let most = 2.0 * (a.len() * a.len()) as f64;
    let step = 0.01;
    let mut inside = 0.0;
    while inside < most && stable(inside + step) {
        inside += step;
    }
    let (mut low, mut high) = (inside, inside + step);
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        if stable(middle) { low = middle } else { high = middle }
    }
    (low > 2.0 * step).then_some(low)
}
