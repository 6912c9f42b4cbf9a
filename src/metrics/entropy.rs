//! Entropies by quadrature: exact to rounding for smooth densities of one or two components.
//!
//! A log-density, evaluated on regular grids over a box -> its entropy. The trapezoid rule converges faster than any power of the
//! spacing for smooth densities that vanish at the box's edge (Trefethen and Weideman, The exponentially convergent trapezoidal
//! rule, 2014), so one refinement shows the error. Deliberately absent: more components, where sampling is the better rule.

use std::cmp::Ordering;

/// Largest change of mass and entropy by a refinement, and distance of the mass from one, at which a value counts.
const AGREE: f64 = 1e-5;
/// Points along an axis of the first grid, and of the last.
const FIRST: usize = 64;
const LAST: usize = 512;

/// The entropy in nats of a law over the box of `low` and `high` (one or two components). `log_density` gives values at points,
/// row-major. `None` if the box misses mass, or the density is too rough for the finest grid (512 points along an axis).
///
/// # Errors
/// What `log_density` reports.
pub fn entropy<E>(
    low: &[f64],
    high: &[f64],
    mut log_density: impl FnMut(&[f64]) -> Result<Vec<f64>, E>,
) -> Result<Option<f64>, E> {
    if !is_box(low, high) {
        return Ok(None);
    }
    let mut before: Option<f64> = None;
    let mut n = FIRST;
    while n <= LAST {
        let (mass, h) = sums(low, high, n, &mut log_density)?;
        let close = |other: f64| (h - other).abs() <= AGREE;
        if (mass - 1.0).abs() <= AGREE && before.is_some_and(close) {
            return Ok(Some(h));
        }
        before = Some(h);
        n *= 2;
    }
    Ok(None)
}

/// The mass of a law over the box, on two grids of at most 128 points along an axis. `None` if they differ by more than a
/// thousandth, or the box has another number of components than one or two.
///
/// # Errors
/// What `log_density` reports.
pub fn mass<E>(
    low: &[f64],
    high: &[f64],
    mut log_density: impl FnMut(&[f64]) -> Result<Vec<f64>, E>,
) -> Result<Option<f64>, E> {
    if !is_box(low, high) {
        return Ok(None);
    }
    let coarse = sums(low, high, FIRST, &mut log_density)?.0;
    let fine = sums(low, high, 2 * FIRST, &mut log_density)?.0;
    Ok((fine.is_finite() && (fine - coarse).abs() <= 1e-3 * fine).then_some(fine))
}

fn is_box(low: &[f64], high: &[f64]) -> bool {
    let d = low.len();
    let wide = |(l, h): (&f64, &f64)| l.partial_cmp(h) == Some(Ordering::Less);
    (d == 1 || d == 2) && high.len() == d && low.iter().zip(high).all(wide)
}

/// Mass and entropy by `n` midpoints along an axis.
fn sums<E>(
    low: &[f64],
    high: &[f64],
    n: usize,
    log_density: &mut impl FnMut(&[f64]) -> Result<Vec<f64>, E>,
) -> Result<(f64, f64), E> {
    let d = low.len();
    let at = |k: usize, i: usize| low[k] + (high[k] - low[k]) * (i as f64 + 0.5) / n as f64;
    let points: Vec<f64> = (0..n.pow(d as u32))
        .flat_map(|p| (0..d).map(move |k| (k, if k == 0 { p % n } else { p / n })))
        .map(|(k, i)| at(k, i))
        .collect();
    let cell: f64 = low.iter().zip(high).map(|(l, h)| (h - l) / n as f64).product();
    let (mut mass, mut h) = (0.0, 0.0);
    for l in log_density(&points)?.iter().filter(|l| **l > f64::NEG_INFINITY) {
        let p = libm::exp(*l);
        mass += p;
        h -= p * l;
    }
    Ok((mass * cell, h * cell))
}
