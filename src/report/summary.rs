//! Statistics over seeds.
//!
//! Input: a [`RunRecord`]. Output: arms, and one [`Row`] per metric with mean and standard error per arm, the floor, and the
//! best arm where the data decide it. Invariants: with one seed nothing is claimed about arms; a value that is not finite is
//! counted, never averaged; no arm is best if its rival sits on the same floor. Deliberately absent: layout.

use super::number;
use super::record::{Better, Cell, Metric, RunRecord};

/// One arm of a comparison with its cells, one per seed that has begun.
#[derive(Clone, Debug)]
pub struct Arm<'a> {
    /// The labels of its axes joined by ` · `; the experiment's name if there is no axis.
    pub label: String,
    /// In the order of the record.
    pub cells: Vec<&'a Cell>,
}

impl<'a> Arm<'a> {
    /// How many of its cells failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.cells.iter().filter(|c| c.failed.is_some()).count()
    }

    /// `failed`, or how many seeds did; nothing if none did.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        match (self.failed(), self.cells.len()) {
            (0, _) => None,
            (n, all) if n == all => Some("failed".to_owned()),
            (n, all) => Some(format!("{n} of {all} failed")),
        }
    }

    /// The first cell that has what is asked for (pictures show one seed).
    pub fn first<T>(&self, get: impl Fn(&'a Cell) -> Option<T>) -> Option<(&'a Cell, T)> {
        self.cells.iter().find_map(|&c| get(c).map(|x| (c, x)))
    }
}

/// The arms in the order of the record.
#[must_use]
pub fn arms(record: &RunRecord) -> Vec<Arm<'_>> {
    let mut arms: Vec<(&[String], Arm<'_>)> = Vec::new();
    for cell in &record.cells {
        match arms.iter_mut().find(|(labels, _)| *labels == cell.labels.as_slice()) {
            Some((_, arm)) => arm.cells.push(cell),
            None => {
                let label = if cell.labels.is_empty() { record.name.clone() } else { cell.labels.join(" · ") };
                arms.push((&cell.labels, Arm { label, cells: vec![cell] }));
            }
        }
    }
    arms.into_iter().map(|(_, arm)| arm).collect()
}

/// Mean of one metric over the seeds of one arm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistic {
    /// Mean over the seeds with a finite value; if there is none, the infinity that all have, or NaN.
    pub mean: f64,
    /// With two seeds or more the standard error over seeds; with one, that of the estimator, if it has one.
    pub error: Option<f64>,
    /// Seeds with a finite value.
    pub seeds: usize,
    /// Seeds whose value is not finite.
    pub lost: usize,
    /// Mean of the floors.
    pub floor: Option<f64>,
    /// Standard deviation of the floor, mean over the seeds.
    pub floor_sd: Option<f64>,
    /// Standard error of one point's log-density, mean over the seeds, where it is an estimate.
    pub density_error: Option<f64>,
    /// Whether the mean cannot be told from the floor: within two standard deviations of it, or beyond.
    pub at_floor: bool,
    /// What a paper says, and its spread.
    pub published: Option<(f64, Option<f64>)>,
}

/// One metric across all arms.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// A representative entry, for its name, unit, direction and size.
    pub metric: &'a Metric,
    /// One per arm; `None` where the metric was not evaluated.
    pub arms: Vec<Option<Statistic>>,
    /// The arm that is better than every other at 95 %.
    pub best: Option<usize>,
}

/// A paired difference of two arms over the seeds that both have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Mean of first minus second.
    pub mean: f64,
    /// Its standard error.
    pub error: f64,
    /// Half width of the 95 % interval.
    pub half: f64,
    /// Pairs of seeds.
    pub seeds: usize,
}

impl Difference {
    /// Whether the interval excludes zero.
    #[must_use]
    pub fn decided(&self) -> bool {
        self.mean.abs() > self.half
    }
}

/// One row per metric, in the order in which the metrics first appear.
#[must_use]
pub fn rows<'a>(arms: &[Arm<'a>]) -> Vec<Row<'a>> {
    let mut metrics: Vec<&'a Metric> = Vec::new();
    for m in arms.iter().flat_map(|a| &a.cells).flat_map(|c| &c.metrics) {
        if !metrics.iter().any(|known| known.name == m.name) {
            metrics.push(m);
        }
    }
    let row = |metric: &'a Metric| {
        let statistics: Vec<_> = arms.iter().map(|a| statistic(a, metric)).collect();
        let best = best(arms, metric, &statistics);
        Row { metric, arms: statistics, best }
    };
    metrics.into_iter().map(row).collect()
}

fn entries<'a>(arm: &Arm<'a>, name: &str) -> impl Iterator<Item = (u64, &'a Metric)> {
    arm.cells.iter().filter_map(move |c| c.metrics.iter().find(|m| m.name == name).map(|m| (c.seed, m)))
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Standard error of the mean, with Bessel's correction; `None` for fewer than two values.
#[must_use]
pub fn standard_error(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let m = mean(values).filter(|_| values.len() > 1)?;
    Some((values.iter().map(|v| (v - m).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt())
}

fn statistic(arm: &Arm<'_>, metric: &Metric) -> Option<Statistic> {
    let all: Vec<&Metric> = entries(arm, &metric.name).map(|(_, m)| m).collect();
    if all.is_empty() {
        return None;
    }
    let finite: Vec<&Metric> = all.iter().copied().filter(|m| m.value.is_finite()).collect();
    let values: Vec<f64> = finite.iter().map(|m| m.value).collect();
    let collect = |get: fn(&Metric) -> Option<f64>| mean(&all.iter().filter_map(|m| get(m)).collect::<Vec<_>>());
    let (floor, floor_sd) = (collect(|m| m.floor), collect(|m| m.floor_sd));
    // Where no seed has a finite value, the infinity that all of them have.
    let alike = all.iter().all(|m| m.value == all[0].value).then_some(all[0].value);
    let average = mean(&values).or(alike).unwrap_or(f64::NAN);
    let at_floor = floor.is_some_and(|f| {
        let slack = 2.0 * floor_sd.unwrap_or(0.0);
        match metric.better {
            // No flow that reaches the target has less energy than the distance.
            Better::Lower if metric.name.starts_with("path_energy") => (average - f).abs() <= slack,
            Better::Lower => average <= f + slack,
            Better::Higher => average >= f - slack,
            Better::None => false,
        }
    });
    let error = match finite.as_slice() {
        [only] => only.standard_error,
        _ => standard_error(&values),
    };
    Some(Statistic {
        mean: average,
        error,
        seeds: finite.len(),
        lost: all.len() - finite.len(),
        floor,
        floor_sd,
        density_error: collect(|m| m.density_error),
        at_floor,
        published: all.iter().find_map(|m| m.published.as_ref()).map(|p| (p.value, p.spread)),
    })
}

/// First minus second, paired by seed: arms share data, noise and initial weights, so most of the spread over seeds cancels.
/// `None` with fewer than two common seeds.
#[must_use]
pub fn difference(first: &Arm<'_>, second: &Arm<'_>, metric: &str) -> Option<Difference> {
    let pairs: Vec<f64> = entries(first, metric)
        .filter_map(|(seed, a)| {
            let (_, b) = entries(second, metric).find(|(s, _)| *s == seed)?;
            (a.value.is_finite() && b.value.is_finite()).then_some(a.value - b.value)
        })
        .collect();
    let error = standard_error(&pairs)?;
    Some(Difference { mean: mean(&pairs)?, error, half: student(pairs.len() - 1) * error, seeds: pairs.len() })
}

/// The arm with the best mean, if its paired difference to every other arm excludes zero at 95 % and it is not at its floor
/// together with a rival. Beating all rivals at once is an intersection-union test (Berger 1982), so 5 % holds without a
/// correction for the number of arms.
fn best(arms: &[Arm<'_>], metric: &Metric, statistics: &[Option<Statistic>]) -> Option<usize> {
    let sign = match metric.better {
        Better::Lower => 1.0,
        Better::Higher => -1.0,
        Better::None => return None,
    };
    let key = |i: usize| statistics[i].map(|s| sign * s.mean).filter(|m| m.is_finite());
    let rivals: Vec<usize> = (0..arms.len()).filter(|&i| statistics[i].is_some()).collect();
    let winner = rivals
        .iter()
        .copied()
        .filter(|&i| key(i).is_some())
        .min_by(|&a, &b| key(a).partial_cmp(&key(b)).unwrap_or(std::cmp::Ordering::Equal))?;
    let own = statistics[winner]?;
    let beats = |other: usize| {
        let Some(s) = statistics[other] else { return true };
        let decided = difference(&arms[winner], &arms[other], &metric.name).is_some_and(|d| d.decided());
        decided && !(own.at_floor && s.at_floor)
    };
    (own.lost == 0 && arms[winner].failed() == 0 && rivals.len() > 1 && rivals.iter().all(|&o| o == winner || beats(o)))
        .then_some(winner)
}

/// The 97.5 % quantile of Student's t. Exact to the digits shown up to 30 degrees of freedom, then the expansion
/// z + (z³ + z) / (4 ν) + (5 z⁵ + 16 z³ + 3 z) / (96 ν²) (Abramowitz & Stegun 26.7.5), which is within 0.0001 there.
#[must_use]
pub fn student(degrees: usize) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
        2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
    ];
    const Z: f64 = 1.959_963_985;
    match degrees {
        0 => f64::INFINITY,
        1..=30 => TABLE[degrees - 1],
        _ => {
            let n = degrees as f64;
            Z + (Z.powi(3) + Z) / (4.0 * n) + (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / (96.0 * n * n)
        }
    }
}

/// Steps that arms train for: `625`, or `40 to 625`; nothing where nothing trains.
#[must_use]
pub fn steps(record: &RunRecord) -> Option<String> {
    let planned = || record.cells.iter().map(|c| c.steps_planned).filter(|s| *s > 0);
    let (least, most) = (planned().min()?, planned().max()?);
    let both = format!("{} to {}", number::count(least), number::count(most));
    Some(if least == most { number::count(most) } else { both })
}

/// Where published numbers come from, once each; empty if none says so.
#[must_use]
pub fn origins(record: &RunRecord) -> Vec<&str> {
    let mut out: Vec<&str> = Vec::new();
    let all = record.cells.iter().flat_map(|c| &c.metrics).filter_map(|m| m.published.as_ref()?.origin.as_deref());
    for origin in all {
        if !out.contains(&origin) {
            out.push(origin);
        }
    }
    out
}

/// What the error bars of a table mean, in words.
#[must_use]
pub fn error_note(rows: &[Row<'_>]) -> String {
    let estimates: Vec<String> = rows.iter().filter_map(density_note).collect();
    std::iter::once(spread_note(rows)).chain(estimates).collect::<Vec<_>>().join("; ")
}

/// That the log-densities of a metric are estimates, and how good each is.
fn density_note(row: &Row<'_>) -> Option<String> {
    let errors: Vec<f64> = row.arms.iter().flatten().filter_map(|s| s.density_error).collect();
    let (low, high) = errors.iter().fold((f64::INFINITY, 0.0_f64), |(a, b), e| (a.min(*e), b.max(*e)));
    let shown = match errors.as_slice() {
        [] => return None,
        [one] => number::plain(*one),
        _ => format!("{} to {}", number::plain(low), number::plain(high)),
    };
    Some(format!("{}: log-densities are estimates, each with a standard error of {shown} nats", row.metric.name))
}

fn spread_note(rows: &[Row<'_>]) -> String {
    let seeds = || rows.iter().flat_map(|r| &r.arms).flatten().map(|s| s.seeds).filter(|n| *n > 0);
    match (seeds().min(), seeds().max()) {
        (Some(1) | None, Some(1) | None) => {
            "± is the standard error of the estimate; one seed says nothing about the spread over trainings".into()
        }
        (Some(1), Some(n)) => {
            format!("mean ± standard error over up to {n} seeds; with one seed, standard error of the estimate")
        }
        (Some(a), Some(b)) if a < b => format!("mean ± standard error over {a} to {b} seeds"),
        (_, Some(n)) | (Some(n), None) => format!("mean ± standard error over {n} seeds"),
    }
}
