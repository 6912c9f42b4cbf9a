//! Distances between sets of samples, each beside the same distance between true sets.

use super::measure::{Sets, fault};
use crate::diag::{Code, Diagnostic};
use crate::metrics::{self, Bandwidths, Estimate, MMD_BANDWIDTHS, MetricError, Samples};
use crate::numeric::stats::Summary;
use crate::plan::Extent;
use crate::report::record::{ClassValue, Metric};
use crate::rng::Stream;
use ndarray::Array2;

/// Points of one exact assignment.
pub const EXACT: usize = 1_000;
/// Repetitions of a distance, for value and floor alike, unless the metric has a `count` of its own.
pub const REPETITIONS: usize = 3;
/// Projections of the sliced distance.
const DIRECTIONS: usize = 128;

/// Rows `range` of a set.
fn rows(set: &[f64], dim: usize, range: std::ops::Range<usize>) -> Array2<f64> {
    let values = set[range.start * dim..range.end * dim].to_vec();
    Array2::from_shape_vec((range.len(), dim), values).expect("whole rows")
}

type Distance<'a> = dyn FnMut(Samples<'_>, Samples<'_>) -> Result<Estimate, MetricError> + 'a;

/// How many disjoint subsets of `size` points are compared.
fn repetitions(available: usize, size: usize, extent: Extent) -> usize {
    (available / size).clamp(1, if extent.count.is_some() { usize::MAX } else { REPETITIONS })
}

/// A distance on disjoint subsets, and between true sets for the floor.
fn distance(
    name: &str,
    sets: &Sets,
    size: usize,
    extent: Extent,
    f: &mut Distance<'_>,
) -> Result<(Summary, Summary, usize), Diagnostic> {
    let d = sets.dim;
    let available = (sets.x.len() / d).min(sets.target.len() / d);
    let size = extent.points.unwrap_or(size).min(available);
    if size == 0 {
        return Err(fault(name, &MetricError::TooFew { samples: 0, needed: 1 }));
    }
    let repetitions = repetitions(available, size, extent);
    let truths = sets.target.len() / d;
    let mut between =
        |(x, y): (Array2<f64>, Array2<f64>)| f(x.view(), y.view()).map(|e| e.value).map_err(|e| fault(name, &e));
    let pair = |r: usize| {
        let range = || r * size..(r + 1) * size;
        (rows(&sets.x, d, range()), rows(&sets.target, d, range()))
    };
    // Two true sets, neither of them used above where there are enough. True draws cost little: a floor has its spread even
    // where one set was generated.
    let others = (sets.other.len() / d / repetitions).min(size);
    let most = if others > 0 { repetitions } else { repetitions.max(REPETITIONS) };
    let count = (truths.saturating_sub(repetitions * size) / (2 * size)).clamp(repetitions, most);
    let true_pair = |r: usize| {
        if others > 0 {
            let (a, b) = (r * size, r * others);
            return (rows(&sets.target, d, a..a + others), rows(&sets.other, d, b..b + others));
        }
        let b = size.min(truths / (2 * count));
        let a = truths - (2 * r + 2) * b;
        (rows(&sets.target, d, a..a + b), rows(&sets.target, d, a + b..a + 2 * b))
    };
    let values = (0..repetitions).map(|r| between(pair(r))).collect::<Result<Vec<f64>, Diagnostic>>()?;
    let floors = (0..count).map(|r| between(true_pair(r))).collect::<Result<Vec<f64>, Diagnostic>>()?;
    Ok((Summary::of(&values), Summary::of(&floors), size))
}

/// The squared distance of source and target.
pub struct TransportCost {
    /// Over disjoint subsets.
    pub of: Summary,
    /// How far the distance of finite sets may lie above that of their laws: half of what each is away from another set of its
    /// own law (Papp and Sherlock, Centered plug-in estimation of Wasserstein distances, 2022). It grows with the dimension.
    pub excess: f64,
    /// The size of the subsets.
    pub size: usize,
}

/// The squared distance of source and target, from samples of both.
pub fn transport_cost(name: &str, sets: &Sets, extent: Extent) -> Result<TransportCost, Diagnostic> {
    let d = sets.dim;
    let available = (sets.source.len() / d).min(sets.target.len() / d);
    let size = extent.points.unwrap_or(EXACT).min(available);
    let cost = |r: usize| {
        let (x, y) = (rows(&sets.source, d, r * size..(r + 1) * size), rows(&sets.target, d, r * size..(r + 1) * size));
        Ok(metrics::wasserstein2_squared(x.view(), y.view()).map_err(|e| fault(name, &e))?.value)
    };
    let all: Result<Vec<f64>, Diagnostic> = (0..repetitions(available, size, extent)).map(cost).collect();
    let own = |set: &[f64]| {
        let n = set.len() / d;
        let half = size.min(n / 2);
        let (x, y) = (rows(set, d, 0..half), rows(set, d, n - half..n));
        Ok(metrics::wasserstein2_squared(x.view(), y.view()).map_err(|e| fault(name, &e))?.value)
    };
    let excess = (own(&sets.source)? + own(&sets.target)?) / 2.0;
    Ok(TransportCost { of: Summary::of(&all?), excess, size })
}

/// The rows of a class.
fn of_class(set: &[f64], labels: &[u32], dim: usize, class: u32) -> Vec<f64> {
    let rows = set.chunks_exact(dim).zip(labels).filter(|(_, l)| **l == class);
    rows.flat_map(|(row, _)| row).copied().collect()
}

/// Rows of the target that a class is judged by at least.
pub const LEAST_ROWS: usize = 4;

/// `who` has, or have, fewer.
pub fn few_rows(who: &str) -> Diagnostic {
    let cure = "leave it out with `labels: [...]`, or split off more rows for the test";
    Diagnostic::bare(Code::MeaninglessMetric, format!("{who} fewer than {LEAST_ROWS} rows to judge by")).help(cure)
}

/// A distance for each class by itself, and their mean.
pub fn by_label(name: &str, sets: &Sets, seed: u64, extent: Extent, out: &mut Metric) -> Result<(), Diagnostic> {
    let [of_x, of_target, of_other] = &sets.labels;
    let mut classes: Vec<u32> = of_x.clone();
    classes.sort_unstable();
    classes.dedup();
    for class in classes {
        let own = Sets {
            x: of_class(&sets.x, of_x, sets.dim, class),
            target: of_class(&sets.target, of_target, sets.dim, class),
            other: of_class(&sets.other, of_other, sets.dim, class),
            ..sets.clone()
        };
        if own.target.len() < LEAST_ROWS * sets.dim || own.x.is_empty() {
            return Err(few_rows(&format!("`{name}` by label: class {class} has")));
        }
        let mut part = Metric::default();
        of_samples(name, &own, seed, extent, &mut part)?;
        out.classes.push(ClassValue {
            class,
            name: sets.classes.get(class as usize).cloned(),
            value: part.value,
            floor: part.floor,
            size: part.size.unwrap_or(0),
        });
    }
    let n = out.classes.len() as f64;
    let mean = |f: &dyn Fn(&ClassValue) -> f64| out.classes.iter().map(f).sum::<f64>() / n;
    let (value, floor) = (mean(&|c| c.value), mean(&|c| c.floor.unwrap_or(f64::NAN)));
    let size = out.classes.iter().map(|c| c.size).min();
    (out.value, out.floor, out.size) = (value, Some(floor), size);
    out.floor_name = Some("true against true".into());
    Ok(())
}

/// A distance between generated samples and the target.
pub fn of_samples(name: &str, sets: &Sets, seed: u64, extent: Extent, out: &mut Metric) -> Result<(), Diagnostic> {
    // Half of the true set is for the floor, unless there is another.
    let halves = if sets.other.is_empty() { 2 } else { 1 };
    let all = (sets.x.len() / sets.dim).min(sets.target.len() / sets.dim / halves);
    let mut rng = Stream::new(seed, "metric directions", 0);
    let measure = |size: usize, f: &mut Distance<'_>| distance(name, sets, size, extent, f);
    let share = (all / REPETITIONS).max(1);
    let (value, floor, size) = match name {
        "wasserstein2" => measure(EXACT, &mut |a, b| metrics::wasserstein2(a, b))?,
        "wasserstein1" => measure(EXACT, &mut |a, b| metrics::wasserstein1(a, b))?,
        "sliced_wasserstein2" => {
            let directions = metrics::directions(sets.dim, DIRECTIONS, &mut rng);
            measure(share, &mut |a, b| metrics::sliced_wasserstein2(a, b, directions.view()))?
        }
        "energy_distance" => measure(EXACT, &mut |a, b| metrics::energy_distance(a, b))?,
        "mmd" => {
            let widths = Bandwidths::Fixed(MMD_BANDWIDTHS.to_vec());
            measure(EXACT, &mut |a, b| metrics::mmd(a, b, &widths))?
        }
        "frechet" => measure(share, &mut |a, b| metrics::frechet(a, b))?,
        other => return Err(Diagnostic::bare(Code::Internal, format!("`{other}` is no distance between samples"))),
    };
    out.value = value.mean;
    out.standard_error = (value.count > 1).then(|| value.error());
    (out.floor, out.floor_sd) = (Some(floor.mean), (floor.count > 1).then_some(floor.deviation));
    out.floor_name = Some("true against true".into());
    out.size = Some(size as u64);
    Ok(())
}
