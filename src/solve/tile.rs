//! Vector operations on one tile: stage inputs, the end of a step, error norms, masked commits.
//!
//! Every operation works on whole panels and rounds lane by lane in a fixed order: slopes are summed in ascending stage
//! order, then scaled by the lane's step, then added to the state. So bits do not depend on a lane's place.

use super::config::Norm;
use super::real::Real;
use super::rhs::RowMap;
use crate::backend::{LANES, PANEL};
use crate::numeric::tableau::Method;

/// A value for each lane of a tile.
pub(super) type Lanes<T> = [T; LANES];

/// A method's coefficients in the scalar of the solve.
#[derive(Debug)]
pub(super) struct Weights<T> {
    pub a: Vec<Vec<(usize, T)>>,
    pub b: Vec<(usize, T)>,
    pub error: Vec<(usize, T)>,
    /// For each stage, what predicts its slope if it is implicit.
    pub predict: Vec<Vec<(usize, T)>>,
}

impl<T: Real> Weights<T> {
    pub fn new(method: &Method) -> Self {
        let row = |row: &Vec<(usize, f64)>| row.iter().map(|&(j, x)| (j, T::from_f64(x))).collect();
        let predict = method.implicit.iter().flat_map(|i| &i.predict).map(row).collect();
        Weights { a: method.a.iter().map(row).collect(), b: row(&method.b), error: row(&method.error), predict }
    }
}

/// The slopes of a tile, `[slot][dim][LANES]`.
#[derive(Clone, Copy)]
pub(super) struct Slopes<'a, T> {
    pub k: &'a [T],
    pub dim: usize,
}

impl<T: Real> Slopes<'_, T> {
    /// `sum_j w_j k_j` of one panel of a row.
    #[inline(always)]
    fn sum(self, weights: &[(usize, T)], row: usize, lane: usize) -> [T; PANEL] {
        let panel = |slot: usize| {
            let start = (slot * self.dim + row) * LANES + lane;
            &self.k[start..start + PANEL]
        };
        let mut sum = [T::default(); PANEL];
        let Some((&(first, weight), rest)) = weights.split_first() else { return sum };
        for (s, &k) in sum.iter_mut().zip(panel(first)) {
            *s = weight * k;
        }
        for &(slot, weight) in rest {
            for (s, &k) in sum.iter_mut().zip(panel(slot)) {
                *s = *s + weight * k;
            }
        }
        sum
    }
}

#[inline(always)]
fn panel_of<T>(block: &[T], row: usize, lane: usize) -> &[T] {
    &block[row * LANES + lane..row * LANES + lane + PANEL]
}

#[inline(always)]
fn panel_mut<T>(block: &mut [T], row: usize, lane: usize) -> &mut [T] {
    &mut block[row * LANES + lane..row * LANES + lane + PANEL]
}

/// `out[target] = y + h sum_j w_j k_j` for each state row that has a target row.
pub(super) fn advance<T: Real>(
    out: &mut [T],
    target: impl Fn(usize) -> Option<usize>,
    y: &[T],
    slopes: Slopes<'_, T>,
    weights: &[(usize, T)],
    h: &Lanes<T>,
    panels: usize,
) {
    for row in 0..slopes.dim {
        let Some(to) = target(row) else { continue };
        for lane in (0..panels * PANEL).step_by(PANEL) {
            let sum = slopes.sum(weights, row, lane);
            let (y, h) = (panel_of(y, row, lane), &h[lane..lane + PANEL]);
            for (((out, &y), &h), &s) in panel_mut(out, to, lane).iter_mut().zip(y).zip(h).zip(&sum) {
                *out = y + h * s;
            }
        }
    }
}

/// `out = sum_j w_j k_j`
pub(super) fn combine<T: Real>(out: &mut [T], slopes: Slopes<'_, T>, weights: &[(usize, T)], panels: usize) {
    for row in 0..slopes.dim {
        for lane in (0..panels * PANEL).step_by(PANEL) {
            panel_mut(out, row, lane).copy_from_slice(&slopes.sum(weights, row, lane));
        }
    }
}

/// Copies state rows into an input block.
pub(super) fn place_state<T: Real>(inputs: &mut [T], rows: &RowMap, y: &[T], panels: usize) {
    for (row, to) in rows.state.iter().enumerate() {
        if let &Some(to) = to {
            inputs[to * LANES..to * LANES + panels * PANEL]
                .copy_from_slice(&y[row * LANES..row * LANES + panels * PANEL]);
        }
    }
}

/// Writes the time row of an input block.
pub(super) fn place_time<T: Real>(inputs: &mut [T], rows: &RowMap, panels: usize, time: impl Fn(usize) -> f64) {
    if let Some(row) = rows.time {
        for (lane, x) in inputs[row * LANES..row * LANES + panels * PANEL].iter_mut().enumerate() {
            *x = T::from_f64(time(lane));
        }
    }
}

/// The larger; not a number if either is not.
#[inline(always)]
fn larger<T: Real>(x: T, y: T) -> T {
    // The difference of two numbers that are not finite carries the defect on.
    if x >= y {
        x
    } else if y > x {
        y
    } else {
        x - y
    }
}

#[inline(always)]
fn gather<T: Real>(norm: Norm, so_far: T, ratio: T) -> T {
    match norm {
        Norm::Rms => so_far + ratio * ratio,
        Norm::Max => larger(so_far, ratio.abs()),
    }
}

/// For each lane, the gathered error of the step in its first `rows` components, in units of the tolerance: a sum of
/// squares, or the largest. Not finite if the error or the new state is not.
#[allow(clippy::too_many_arguments)]
pub(super) fn error<T: Real>(
    y: &[T],
    y_new: &[T],
    slopes: Slopes<'_, T>,
    rows: usize,
    weights: &[(usize, T)],
    h: &Lanes<T>,
    tolerance: Tolerance<T>,
    panels: usize,
) -> Lanes<T> {
    let mut gathered = [T::default(); LANES];
    let nothing = T::default(); // times infinity, or what is not a number, is not a number
    for row in 0..rows {
        for lane in (0..panels * PANEL).step_by(PANEL) {
            let sum = slopes.sum(weights, row, lane);
            let (y, y_new) = (panel_of(y, row, lane), panel_of(y_new, row, lane));
            let gathered = &mut gathered[lane..lane + PANEL];
            for (l, g) in gathered.iter_mut().enumerate() {
                let ratio = (h[lane + l] * sum[l]) / tolerance.unit(larger(y[l].abs(), y_new[l].abs()));
                *g = gather(tolerance.norm, *g, ratio) + nothing * y_new[l];
            }
        }
    }
    gathered
}

/// For each lane, zero if the state is finite, else not a number.
pub(super) fn defect<T: Real>(y: &[T], dim: usize, panels: usize) -> Lanes<T> {
    let mut defect = [T::default(); LANES];
    let nothing = T::default();
    for row in 0..dim {
        let lanes = panels * PANEL;
        for (d, &y) in defect[..lanes].iter_mut().zip(&y[row * LANES..row * LANES + lanes]) {
            *d = *d + nothing * y;
        }
    }
    defect
}

/// For each lane, the gathered size of `x - base` in units of the tolerance at `y`.
pub(super) fn size<T: Real>(
    x: &[T],
    base: Option<&[T]>,
    y: &[T],
    dim: usize,
    tolerance: Tolerance<T>,
    panels: usize,
) -> Lanes<T> {
    measure(|_, at| base.map_or(x[at], |b| x[at] - b[at]), y, dim, tolerance, panels)
}

/// For each lane, the gathered size of `h factor x` in units of the tolerance at `y`.
pub(super) fn scaled_size<T: Real>(
    x: &[T],
    h: &Lanes<T>,
    factor: T,
    y: &[T],
    dim: usize,
    tolerance: Tolerance<T>,
    panels: usize,
) -> Lanes<T> {
    measure(|lane, at| h[lane] * factor * x[at], y, dim, tolerance, panels)
}

/// For each lane, the gathered size of `value(lane, place in the block)` in units of the tolerance at `y`.
fn measure<T: Real>(
    value: impl Fn(usize, usize) -> T,
    y: &[T],
    dim: usize,
    tolerance: Tolerance<T>,
    panels: usize,
) -> Lanes<T> {
    let mut gathered = [T::default(); LANES];
    for row in 0..dim {
        for (lane, g) in gathered.iter_mut().enumerate().take(panels * PANEL) {
            let at = row * LANES + lane;
            *g = gather(tolerance.norm, *g, value(lane, at) / tolerance.unit(y[at].abs()));
        }
    }
    gathered
}

/// Tolerances in the scalar of the solve.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tolerance<T> {
    pub rtol: T,
    pub atol: T,
    pub norm: Norm,
}

impl<T: Real> Tolerance<T> {
    #[inline(always)]
    fn unit(self, size: T) -> T {
        self.atol + self.rtol * size
    }

    /// The norm, from what `lanes` lanes of `dim` components gathered.
    pub fn finish(self, gathered: f64, dim: usize, lanes: usize) -> f64 {
        match self.norm {
            Norm::Rms => (gathered / ((dim * lanes).max(1) as f64)).sqrt(),
            Norm::Max => gathered,
        }
    }

    /// What two lanes gathered, together.
    pub fn join(self, x: f64, y: f64) -> f64 {
        match self.norm {
            Norm::Rms => x + y,
            Norm::Max => larger(x, y),
        }
    }
}

/// `to = from` in the lanes that `mask` holds for.
pub(super) fn commit<T: Real>(to: &mut [T], from: &[T], mask: &[bool; LANES], dim: usize, panels: usize) {
    let lanes = panels * PANEL;
    let all = mask[..lanes].iter().all(|&m| m);
    for row in 0..dim {
        let (to, from) = (&mut to[row * LANES..row * LANES + lanes], &from[row * LANES..row * LANES + lanes]);
        if all {
            to.copy_from_slice(from);
        } else {
            for ((to, &from), &mask) in to.iter_mut().zip(from).zip(mask) {
                *to = if mask { from } else { *to };
            }
        }
    }
}
