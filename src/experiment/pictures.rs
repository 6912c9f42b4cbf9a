//! What the report draws: samples, the velocity at five times, trajectories.

use super::measure::Sets;
use super::programs::{Compiled, Draw, Programs};
use crate::diag::Diagnostic;
use crate::report::record::{Cell, FieldSlice, Images, Points, Trajectories};
use crate::run::Real;

/// Points of a scatter plot.
const POINTS: usize = 2_000;
/// Arrows of a side of the velocity's grid.
const GRID: usize = 20;
/// Particles and instants of the trajectories.
const PARTICLES: usize = 64;
const INSTANTS: usize = 21;

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|v| *v as f32).collect()
}

/// Fills the cell's pictures.
pub fn draw<T: Real>(
    programs: &Programs<T>,
    sets: &Sets,
    seed: u64,
    theta_of: &dyn Fn(&Compiled<T>) -> Vec<T>,
    cell: &mut Cell,
) -> Result<(), Diagnostic> {
    cell.samples = Some(Points::subsample(&narrow(&sets.x), sets.dim, POINTS));
    if !sets.target.is_empty() {
        cell.target = Some(Points::subsample(&narrow(&sets.target), sets.dim, POINTS));
    }
    cell.images = images(sets);
    if let (Some(v), 2) = (&programs.velocity, sets.dim) {
        velocity(v, programs.horizon, sets, seed, &theta_of(v), cell)?;
    }
    if let (Some(step), false) = (&programs.advance, sets.source.is_empty()) {
        trajectories(step, programs.horizon, sets, seed, &theta_of(step), cell)?;
    }
    Ok(())
}

/// The least side of samples that are shown as pictures, and how many of them.
const SIDE: usize = 6;
const COLUMNS: usize = 8;

/// The first samples of every class, and of the target, if their components fill a square.
fn images(sets: &Sets) -> Option<Images> {
    let side = sets.dim.isqrt();
    if side < SIDE || side * side != sets.dim || sets.target.is_empty() {
        return None;
    }
    let mut classes: Vec<u32> = sets.labels[0].clone();
    classes.sort_unstable();
    classes.dedup();
    let labelled = !classes.is_empty() && !sets.labels[1].is_empty();
    let rows = |set: &[f64], labels: &[u32]| -> Vec<f32> {
        let all: Vec<&[f64]> = set.chunks_exact(sets.dim).collect();
        let pick = |want: Option<u32>, skip: usize| -> Vec<&[f64]> {
            let fits = |k: &usize| want.is_none_or(|w| labels.get(*k) == Some(&w));
            (0..all.len()).filter(fits).skip(skip).take(COLUMNS).map(|k| all[k]).collect()
        };
        let each: Vec<Vec<&[f64]>> = match labelled {
            true => classes.iter().map(|c| pick(Some(*c), 0)).collect(),
            false => (0..COLUMNS / 2).map(|r| pick(None, r * COLUMNS)).collect(),
        };
        let blank = vec![f64::NAN; sets.dim];
        let filled = each.iter().flat_map(|row| (0..COLUMNS).map(|k| row.get(k).copied().unwrap_or(&blank)));
        filled.flatten().map(|v| *v as f32).collect()
    };
    let names: Vec<String> = if labelled { classes.iter().map(u32::to_string).collect() } else { vec![] };
    let (samples, target) = (rows(&sets.x, &sets.labels[0]), rows(&sets.target, &sets.labels[1]));
    Some(Images { side, columns: COLUMNS, classes: names, samples, target })
}

/// The range of a component over all sets, with a margin.
fn range(sets: &Sets, k: usize) -> (f64, f64) {
    let values = || sets.x.iter().chain(&sets.target).skip(k).step_by(sets.dim).copied().filter(|v| v.is_finite());
    let (lo, hi) = values().fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(v), hi.max(v)));
    let margin = 0.05 * (hi - lo).max(1e-6);
    (lo - margin, hi + margin)
}

fn velocity<T: Real>(
    v: &Compiled<T>,
    horizon: f64,
    sets: &Sets,
    seed: u64,
    theta: &[T],
    cell: &mut Cell,
) -> Result<(), Diagnostic> {
    let (rx, ry) = (range(sets, 0), range(sets, 1));
    let at = |(lo, hi): (f64, f64), i: usize| lo + (hi - lo) * (i as f64 + 0.5) / GRID as f64;
    let points: Vec<T> = (0..GRID * GRID).flat_map(|i| [at(rx, i % GRID), at(ry, i / GRID)]).map(T::from_f64).collect();
    for k in 0..5 {
        let t = horizon * k as f64 / 4.0;
        let times = vec![T::from_f64(t); GRID * GRID];
        let o = v.run(theta, Draw { seed, purpose: "picture", step: 0 }, GRID * GRID, &[&points, &times])?;
        let values = o.outputs.first().map(|o| o.values.iter().map(|v| v.to_f64() as f32).collect());
        cell.field.push(FieldSlice { t, x: rx, y: ry, nx: GRID, ny: GRID, v: values.unwrap_or_default() });
    }
    Ok(())
}

fn trajectories<T: Real>(
    step: &Compiled<T>,
    horizon: f64,
    sets: &Sets,
    seed: u64,
    theta: &[T],
    cell: &mut Cell,
) -> Result<(), Diagnostic> {
    let d = sets.dim;
    let n = PARTICLES.min(sets.source.len() / d);
    let mut x: Vec<T> = sets.source[..n * d].iter().map(|v| T::from_f64(*v)).collect();
    let times: Vec<f64> = (0..INSTANTS).map(|k| horizon * k as f64 / (INSTANTS - 1) as f64).collect();
    let mut data = vec![0.0f32; n * INSTANTS * d];
    for k in 0..INSTANTS {
        for p in 0..n {
            for c in 0..d {
                data[(p * INSTANTS + k) * d + c] = x[p * d + c].to_f64() as f32;
            }
        }
        if k + 1 < INSTANTS {
            let (ta, tb) = (vec![T::from_f64(times[k]); n], vec![T::from_f64(times[k + 1]); n]);
            let o = step.run(theta, Draw { seed, purpose: "picture", step: 1 }, n, &[&x, &ta, &tb])?;
            x = o.outputs.into_iter().next().map(|o| o.values).unwrap_or_default();
        }
    }
    cell.trajectories = Some(Trajectories { dim: d, times, data });
    Ok(())
}
