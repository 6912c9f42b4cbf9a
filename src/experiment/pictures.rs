//! What the report draws: samples, densities, the velocity at five times, trajectories, the coefficients of the path.
//!
//! Programs and sets of a cell -> the pictures of its record. Invariant: a picture is small, and one that cannot be made does not
//! fail a run. Deliberately absent: colours and axes (`report`).

use super::measure::{Sets, labelled};
use super::programs::{Compiled, Draw, Programs};
use crate::diag::Diagnostic;
use crate::report::record::{Cell, Density, FieldSlice, Images, PathCoefficients, Points, Trajectories};
use crate::run::Real;

/// Points of a scatter plot.
const POINTS: usize = 2_000;
/// Arrows of a side of the velocity's grid.
const GRID: usize = 20;
/// Cells of a side of the densities' grid, and of densities on the line.
const CELLS: usize = 64;
const LINE: usize = 240;
/// Times of the path's coefficients, and draws of its noise at each.
const TIMES: usize = 41;
const NOISES: usize = 2_048;
/// Particles and instants of the trajectories.
const PARTICLES: usize = 96;
const INSTANTS: usize = 21;

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|v| *v as f32).collect()
}

/// Fills the cell's pictures.
pub fn draw<T: Real>(
    programs: &Programs<T>,
    sets: &Sets,
    seed: u64,
    first: bool,
    theta_of: &dyn Fn(&Compiled<T>) -> Vec<T>,
    cell: &mut Cell,
) -> Result<(), Diagnostic> {
    let samples = Points::subsample(&narrow(&sets.x), sets.dim, POINTS);
    cell.samples = Some(samples.labelled(&sets.labels[0], |c| sets.class_name(c)));
    if !sets.target.is_empty() {
        cell.target = Some(Points::subsample(&narrow(&sets.target), sets.dim, POINTS));
    }
    cell.images = images(sets);
    if first && sets.dim <= 2 {
        cell.density = density(programs, sets, seed, theta_of);
    }
    cell.path = programs.path.as_ref().and_then(|p| path(p, sets, seed));
    let horizon = horizon(programs, seed, theta_of)?;
    if let (Some(v), 2) = (&programs.velocity, sets.dim) {
        velocity(v, horizon, sets, seed, &theta_of(v), cell)?;
    }
    if let (Some(step), false) = (&programs.advance, sets.source.is_empty()) {
        trajectories(step, horizon, sets, seed, &theta_of(step), cell)?;
    }
    Ok(())
}

/// When the flow ends.
fn horizon<T: Real>(
    programs: &Programs<T>,
    seed: u64,
    theta_of: &dyn Fn(&Compiled<T>) -> Vec<T>,
) -> Result<f64, Diagnostic> {
    let Some(end) = &programs.horizon else { return Ok(1.0) };
    let o = end.run(&theta_of(end), Draw { seed, purpose: "picture", step: 4 }, 1, &[])?;
    Ok(o.output("t").and_then(|t| t.values.first()).map_or(1.0, |t| t.to_f64()))
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
    let names: Vec<String> = if labelled { classes.iter().map(|c| sets.class_name(*c)).collect() } else { vec![] };
    let (samples, target) = (rows(&sets.x, &sets.labels[0]), rows(&sets.target, &sets.labels[1]));
    Some(Images { side, columns: COLUMNS, classes: names, samples, target })
}

/// All of the target's component `k` and the middle 99 % of the samples'.
fn extent(sets: &Sets, k: usize) -> (f64, f64) {
    let range = |set: &[f64], k: usize, cut: f64| {
        let mut v: Vec<f64> = set.iter().skip(k).step_by(sets.dim).copied().filter(|v| v.is_finite()).collect();
        v.sort_by(f64::total_cmp);
        let at = |q: f64| v.get(((v.len().saturating_sub(1)) as f64 * q).round() as usize).copied();
        at(cut).zip(at(1.0 - cut))
    };
    let (x, target) = (range(&sets.x, k, 0.005), range(&sets.target, k, 0.0));
    let join = |a: (f64, f64), b: (f64, f64)| (a.0.min(b.0), a.1.max(b.1));
    x.into_iter().chain(target).reduce(join).unwrap_or((-1.0, 1.0))
}

/// A square of the plane, or a piece of the line, that holds them with a margin of a twentieth.
fn square<const N: usize>(sets: &Sets) -> [(f64, f64); N] {
    let both = std::array::from_fn(|k| extent(sets, k));
    let half = both.iter().map(|(lo, hi)| (hi - lo) / 2.0).fold(1e-6, f64::max) * 1.1;
    both.map(|(lo, hi)| (lo / 2.0 + hi / 2.0 - half, lo / 2.0 + hi / 2.0 + half))
}

/// The densities of sampler and target, as far as they are known.
fn density<T: Real>(
    programs: &Programs<T>,
    sets: &Sets,
    seed: u64,
    theta_of: &dyn Fn(&Compiled<T>) -> Vec<T>,
) -> Option<Density> {
    let at = |(lo, hi): (f64, f64), i: usize, n: usize| lo + (hi - lo) * (i as f64 + 0.5) / n as f64;
    let (x, y, nx, ny) = if sets.dim == 1 {
        let [x] = square(sets);
        (x, (0.0, 0.0), LINE, 1)
    } else {
        let [x, y] = square(sets);
        (x, y, CELLS, CELLS)
    };
    let n = nx * ny;
    let points = (0..n).flat_map(|i| [at(x, i % nx, nx), at(y, i / nx, ny)].into_iter().take(sets.dim));
    let points: Vec<T> = points.map(T::from_f64).collect();
    let log = |c: &Option<Compiled<T>>| -> Vec<f32> {
        let Some(c) = c else { return vec![] };
        let draw = Draw { seed, purpose: "picture", step: 2 };
        // Far from the data a solve may fail: then there is no picture.
        let Ok(o) = c.run(&theta_of(c), draw, n, &[&points]) else { return vec![] };
        // A thousandth of a nat is less than a shade.
        let short = |v: &T| ((v.to_f64() * 1e3).round() / 1e3) as f32;
        o.output("log_density").map(|l| l.values.iter().map(short).collect()).unwrap_or_default()
    };
    let (learned, target) = (log(&programs.density), log(&programs.true_density));
    let known = !(learned.is_empty() && target.is_empty());
    known.then_some(Density { x, y, nx, ny, learned, target })
}

/// The coefficients of a path that is linear in its ends, and how fast it moves them; `None` of any other.
fn path<T: Real>(p: &Compiled<T>, sets: &Sets, seed: u64) -> Option<PathCoefficients> {
    let t: Vec<f64> = (0..TIMES).map(|k| k as f64 / (TIMES - 1) as f64).collect();
    // Equal sample numbers draw equal noise, so that it cancels in differences.
    let run = |x0: f64, x1: f64, n: usize| -> Option<[Vec<f64>; 2]> {
        let times: Vec<T> = (0..n * TIMES).map(|k| T::from_f64(t[k % TIMES])).collect();
        let ends = [x0, x1].map(|v| vec![T::from_f64(v); n * TIMES]);
        let draw = Draw { seed, purpose: "picture", step: 3 };
        let o = p.run(&[], draw, n * TIMES, &[&ends[0], &ends[1], &times]).ok()?;
        let column = |name: &str| o.output(name).map(|c| c.values.iter().map(|v| v.to_f64()).collect::<Vec<f64>>());
        Some([column("x")?, column("v")?])
    };
    let zero = run(0.0, 0.0, 1)?;
    let less = |[x, v]: [Vec<f64>; 2]| -> [Vec<f64>; 2] {
        let minus = |a: Vec<f64>, b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect();
        [minus(x, &zero[0]), minus(v, &zero[1])]
    };
    let ([a, da], [b, db]) = (less(run(1.0, 0.0, 1)?), less(run(0.0, 1.0, 1)?));
    let [both, _] = less(run(2.0, -3.0, 1)?);
    let linear = both.iter().zip(a.iter().zip(&b)).all(|(x, (a, b))| (x - 2.0 * a + 3.0 * b).abs() < 1e-4);
    let finite = a.iter().chain(&b).all(|v| v.is_finite());
    if !linear || !finite {
        return None;
    }
    let mut noise = vec![];
    if !p.program().draws.is_empty() {
        let [x, _] = run(0.0, 0.0, NOISES)?;
        let power = |k: usize| x.iter().skip(k).step_by(TIMES).map(|v| v * v).sum::<f64>() / NOISES as f64;
        noise = (0..TIMES).map(|k| power(k).sqrt()).collect();
    }
    let pairs: Vec<(f64, f64)> = sets.source.iter().copied().zip(sets.target.iter().copied()).collect();
    let n = (pairs.len() / sets.dim).max(1) as f64;
    let of = |(da, db): (&f64, &f64)| (pairs.iter().map(|(x, y)| (da * x + db * y).powi(2)).sum::<f64>() / n).sqrt();
    let speed = if pairs.is_empty() { vec![] } else { da.iter().zip(&db).map(of).collect() };
    Some(PathCoefficients { t, a, b, noise, speed })
}

fn velocity<T: Real>(
    v: &Compiled<T>,
    horizon: f64,
    sets: &Sets,
    seed: u64,
    theta: &[T],
    cell: &mut Cell,
) -> Result<(), Diagnostic> {
    let [rx, ry] = square(sets);
    let at = |(lo, hi): (f64, f64), i: usize| lo + (hi - lo) * i as f64 / (GRID - 1) as f64;
    let points: Vec<T> = (0..GRID * GRID).flat_map(|i| [at(rx, i % GRID), at(ry, i / GRID)]).map(T::from_f64).collect();
    // Of several classes the first.
    let class: Vec<u32> = sets.labels[0].first().copied().into_iter().collect();
    cell.field_class = class.first().map(|c| sets.class_name(*c));
    for k in 0..5 {
        let t = horizon * k as f64 / 4.0;
        let times = vec![T::from_f64(t); GRID * GRID];
        let draw = Draw { seed, purpose: "picture", step: 0 };
        let o = labelled(v, theta, draw, GRID * GRID, &[&points, &times], &class)?;
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
            let draw = Draw { seed, purpose: "picture", step: 1 };
            let o = labelled(step, theta, draw, n, &[&x, &ta, &tb], &sets.labels[0])?;
            x = o.outputs.into_iter().next().map(|o| o.values).unwrap_or_default();
        }
    }
    cell.trajectories = Some(Trajectories { dim: d, times, data });
    Ok(())
}
