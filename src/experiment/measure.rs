//! Metrics with their floors: numbers from samples, densities and solves.

use super::averages;
use super::programs::{Compiled, Draw, MetricPrograms, Programs};
use crate::diag::{Code, Diagnostic};
use crate::metrics::{self, Bandwidths, Estimate, MMD_BANDWIDTHS, MetricError, Samples};
use crate::numeric::stats::Summary;
use crate::plan::{Arm, GeneratePlan, METRICS, MetricKind, MetricPlan};
use crate::report::record::{Better, Cell, ClassValue, Metric};
use crate::rng::Stream;
use crate::run::Real;
use crate::run::forward::{Outcome, Output};
use ndarray::Array2;

/// Points of one exact assignment.
const EXACT: usize = 1_000;
/// Repetitions of an exact assignment, for value and floor alike.
const REPETITIONS: usize = 3;
/// Points at which densities are averaged.
const POINTS: usize = 10_000;
/// Projections of the sliced distance.
const DIRECTIONS: usize = 128;

/// Sample sets of a cell, row-major in f64.
#[derive(Clone)]
pub struct Sets {
    /// Components of a sample.
    pub dim: usize,
    /// Generated.
    pub x: Vec<f64>,
    /// Fresh from the target; empty if the target cannot be drawn from.
    pub target: Vec<f64>,
    /// True as well, beside the target: rows that trained, where the target is data.
    pub other: Vec<f64>,
    /// Fresh from the source.
    pub source: Vec<f64>,
    /// The class of each row of `x`, `target` and `other`; empty without labels.
    pub labels: [Vec<u32>; 3],
}

pub fn wide<T: Real>(out: &Output<T>) -> Vec<f64> {
    out.values.iter().map(|v| v.to_f64()).collect()
}

/// Draws and their labels; of data each row at most once.
fn draws<T: Real>(
    c: Option<&Compiled<T>>,
    seed: u64,
    purpose: &str,
    n: usize,
) -> Result<(Vec<f64>, Vec<u32>), Diagnostic> {
    let Some(c) = c else { return Ok((vec![], vec![])) };
    let n = c.rows(purpose).map_or(n, |rows| n.min(rows));
    let outcome = c.run(&[], Draw { seed, purpose, step: 0 }, n, &[])?;
    let labels = outcome.output("label").map(|o| o.values.iter().map(|v| v.to_f64() as u32).collect());
    Ok((outcome.output("x").map(wide).unwrap_or_default(), labels.unwrap_or_default()))
}

impl Sets {
    /// Draws target and source; as many as the largest metric needs.
    pub fn new<T: Real>(
        x: &Output<T>,
        labels: Vec<u32>,
        seed: u64,
        programs: &Programs<T>,
    ) -> Result<Sets, Diagnostic> {
        let n = POINTS.max(2 * EXACT * REPETITIONS);
        let (target, of_target) = draws(programs.target.as_ref(), seed, "evaluate", n)?;
        // Of data, rows that trained are another true set, unless there are no others.
        let split_off = programs.target.as_ref().is_some_and(|t| t.rows("evaluate") != t.rows("floor"));
        let (other, of_other) = match split_off {
            true => draws(programs.target.as_ref(), seed, "floor", n)?,
            false => (vec![], vec![]),
        };
        Ok(Sets {
            dim: x.shape.iter().product::<usize>().max(1),
            x: wide(x),
            target,
            other,
            source: draws(programs.source.as_ref(), seed, "evaluate", n)?.0,
            labels: [labels, of_target, of_other],
        })
    }
}

pub fn fault(name: &str, e: &MetricError) -> Diagnostic {
    Diagnostic::bare(Code::NonFiniteState, format!("`{name}` cannot be computed: {e}"))
        .help("look at samples.npy in the run folder; train longer, or with a smaller learning rate")
}

/// Rows `range` of a set.
fn rows(set: &[f64], dim: usize, range: std::ops::Range<usize>) -> Array2<f64> {
    let values = set[range.start * dim..range.end * dim].to_vec();
    Array2::from_shape_vec((range.len(), dim), values).expect("whole rows")
}

type Distance<'a> = dyn FnMut(Samples<'_>, Samples<'_>) -> Result<Estimate, MetricError> + 'a;

/// A distance on disjoint subsets, and between true sets for the floor.
fn distance(
    name: &str,
    sets: &Sets,
    size: usize,
    f: &mut Distance<'_>,
) -> Result<(Summary, Summary, usize), Diagnostic> {
    let d = sets.dim;
    let available = (sets.x.len() / d).min(sets.target.len() / d);
    let size = size.min(available);
    let repetitions = (available / size).clamp(1, REPETITIONS);
    let truths = sets.target.len() / d;
    let mut values = Vec::new();
    let mut floors = Vec::new();
    for r in 0..repetitions {
        let x = rows(&sets.x, d, r * size..(r + 1) * size);
        let y = rows(&sets.target, d, r * size..(r + 1) * size);
        values.push(f(x.view(), y.view()).map_err(|e| fault(name, &e))?.value);
        // Two true sets, neither of them used above where there are enough.
        let others = (sets.other.len() / d / repetitions).min(size);
        let (first, second) = if others > 0 {
            let (a, b) = (r * size, r * others);
            (rows(&sets.target, d, a..a + others), rows(&sets.other, d, b..b + others))
        } else {
            let b = size.min(truths / (2 * repetitions));
            let a = truths - (2 * r + 2) * b;
            (rows(&sets.target, d, a..a + b), rows(&sets.target, d, a + b..a + 2 * b))
        };
        floors.push(f(first.view(), second.view()).map_err(|e| fault(name, &e))?.value);
    }
    Ok((Summary::of(&values), Summary::of(&floors), size))
}

fn blank(m: &MetricPlan) -> Metric {
    let info = METRICS.iter().find(|i| i.name == m.name);
    let better = match info.and_then(|i| i.lower_is_better) {
        Some(true) => Better::Lower,
        Some(false) => Better::Higher,
        // An objective is minimized.
        None if info.is_none() => Better::Lower,
        None => Better::None,
    };
    Metric { name: m.label.clone(), better, ..Metric::default() }
}

/// A metric that needs no samples of `generate`; nothing if it needs them.
pub fn without_samples<T: Real>(
    m: &MetricPlan,
    program: &MetricPrograms<T>,
    seed: u64,
    theta_of: &dyn Fn(&Compiled<T>) -> Vec<T>,
    cell: &Cell,
) -> Result<Option<Metric>, Diagnostic> {
    let mut out = blank(m);
    match (&m.kind, program) {
        (MetricKind::Parameters, _) => out.value = cell.parameters as f64,
        (MetricKind::StepTime, _) => averages::step_time(&cell.step_times, &mut out),
        (MetricKind::Mean(_), MetricPrograms::Mean(program)) => {
            // Of data the rows that judge, each once; of laws fresh draws.
            let n = program.rows("evaluate").unwrap_or(POINTS);
            let o = program.run(&theta_of(program), Draw { seed, purpose: "evaluate", step: 0 }, n, &[])?;
            let s = Summary::of(&o.output("value").map(wide).unwrap_or_default());
            (out.value, out.standard_error) = (s.mean, (s.count > 1).then(|| s.error()));
            out.size = Some(n as u64);
            averages::floor(m.name, &mut out);
        }
        (
            MetricKind::Samples
            | MetricKind::Density { .. }
            | MetricKind::Energy(_)
            | MetricKind::Npe(_)
            | MetricKind::Mean(_)
            | MetricKind::Weights(_)
            | MetricKind::Coverage { .. }
            | MetricKind::Modes(_)
            | MetricKind::Evaluations,
            _,
        ) => return Ok(None),
    }
    Ok(Some(out))
}

/// The labels of a plan's samples, if its sampler is given them.
pub fn labels_of(plan: &GeneratePlan, n: usize) -> Vec<u32> {
    plan.labels.iter().flat_map(|l| l.iter().cycle().take(n)).copied().collect()
}

/// Runs a program with its caller's inputs, and behind them the labels if it reads them.
pub fn labelled<T: Real>(
    c: &Compiled<T>,
    theta: &[T],
    draw: Draw<'_>,
    n: usize,
    inputs: &[&[T]],
    labels: &[u32],
) -> Result<Outcome<T>, Diagnostic> {
    let reads = c.program().inputs.iter().any(|d| d.rows.is_none() && d.name == "label");
    let column: Vec<T> = labels.iter().take(n).map(|k| T::from_f64(f64::from(*k))).collect();
    let mut all = inputs.to_vec();
    if reads {
        all.push(&column);
    }
    c.run(theta, draw, n, &all)
}

/// Computes one metric.
#[allow(clippy::too_many_arguments)]
pub fn metric<T: Real>(
    arm: &Arm,
    index: usize,
    m: &MetricPlan,
    programs: &Programs<T>,
    sets: &Sets,
    seed: u64,
    theta_of: &dyn Fn(&Compiled<T>) -> Vec<T>,
    cell: &Cell,
) -> Result<Metric, Diagnostic> {
    let mut out = blank(m);
    match (&m.kind, &programs.metrics[index]) {
        (MetricKind::Parameters | MetricKind::StepTime | MetricKind::Mean(_), program) => {
            return without_samples(m, program, seed, theta_of, cell).map(|m| m.unwrap_or(out));
        }
        (MetricKind::Weights(_), MetricPrograms::Weighed(c, _)) => {
            averages::weights(m.name, c, &theta_of(c), seed, &mut out)?;
        }
        (MetricKind::Coverage { .. }, MetricPrograms::Weighed(sampler, Some(density))) => {
            averages::calibration(sampler, density, theta_of, sets, seed, &mut out)?;
        }
        (MetricKind::Modes(modes), MetricPrograms::Modes(c)) => {
            let own = match (&programs.samplers[index], &m.generate) {
                (Some(s), Some(g)) => {
                    let o = s.run(&theta_of(s), Draw { seed, purpose: "sample", step: 0 }, g.count, &[])?;
                    Some(o.outputs.first().map(wide).unwrap_or_default())
                }
                _ => None,
            };
            averages::mode_weights(modes, c, own.as_deref().unwrap_or(&sets.x), sets, seed, &mut out)?;
        }
        (MetricKind::Evaluations, _) => {
            let (sampler, plan) = match (&programs.samplers[index], &m.generate) {
                (Some(s), Some(g)) => (Some(s), g),
                _ => match &arm.generate {
                    Some(g) => (programs.sampler.as_ref(), g),
                    None => return Ok(out),
                },
            };
            let Some(sampler) = sampler else { return Ok(out) };
            let n = plan.count.min(POINTS);
            let draw = Draw { seed, purpose: "sample", step: 0 };
            let o = labelled(sampler, &theta_of(sampler), draw, n, &[], &labels_of(plan, n))?;
            out.value = o.solves.iter().map(crate::solve::Statistics::mean_evaluations).sum();
            out.size = Some(n as u64);
        }
        (MetricKind::Samples, _) => {
            let own;
            let sets = match (&programs.samplers[index], &m.generate) {
                (Some(s), Some(g)) => {
                    let labels = labels_of(g, g.count);
                    let draw = Draw { seed, purpose: "sample", step: 0 };
                    let o = labelled(s, &theta_of(s), draw, g.count, &[], &labels)?;
                    let x = o.outputs.first().map(wide).unwrap_or_default();
                    own = Sets { x, labels: [labels, sets.labels[1].clone(), sets.labels[2].clone()], ..sets.clone() };
                    &own
                }
                _ => sets,
            };
            if m.by_label {
                by_label(m.name, sets, seed, &mut out)?;
            } else {
                sample_metric(m.name, sets, seed, &mut out)?;
            }
        }
        (MetricKind::Density { entropy, .. }, MetricPrograms::Density(density, own)) => {
            let n = (sets.target.len() / sets.dim).min(POINTS);
            let x: Vec<T> = sets.target[..n * sets.dim].iter().map(|v| T::from_f64(*v)).collect();
            let draw = Draw { seed, purpose: "density", step: 0 };
            let log = |c: &Compiled<T>| -> Result<Vec<f64>, Diagnostic> {
                let o = labelled(c, &theta_of(c), draw, n, &[&x], &sets.labels[1])?;
                Ok(o.outputs.first().map(wide).unwrap_or_default())
            };
            let q = log(density)?;
            let p = own.as_ref().map(log).transpose()?;
            out.size = Some(n as u64);
            // bits for each component, or nats.
            let unit = if m.name == "bits_per_dim" { sets.dim as f64 * std::f64::consts::LN_2 } else { 1.0 };
            out.unit = Some(if m.name == "bits_per_dim" { "bits" } else { "nats" }.into());
            if m.name == "kl" {
                // Points where both densities are known give the difference with less noise than the means do.
                let s = match (&p, entropy) {
                    (Some(p), _) => Summary::of(&p.iter().zip(&q).map(|(p, q)| p - q).collect::<Vec<_>>()),
                    (None, h) => Summary::of(&q.iter().map(|q| -q - h.unwrap_or(f64::NAN)).collect::<Vec<_>>()),
                };
                (out.value, out.standard_error) = (s.mean, Some(s.error()));
                (out.floor, out.floor_name) = (Some(0.0), Some("exact match".into()));
            } else {
                let s = Summary::of(&q.iter().map(|q| -q / unit).collect::<Vec<_>>());
                (out.value, out.standard_error) = (s.mean, Some(s.error()));
                let exact = match (entropy, own) {
                    (Some(h), _) => Some(*h),
                    (None, Some(own)) => averages::entropy(own, sets, seed)?,
                    (None, None) => None,
                };
                if let Some(h) = exact {
                    (out.floor, out.floor_sd) = (Some(h / unit), Some(0.0));
                    out.floor_name = Some("entropy of the target".into());
                } else if let Some(p) = p {
                    let own = Summary::of(&p.iter().map(|p| -p / unit).collect::<Vec<_>>());
                    (out.floor, out.floor_sd) = (Some(own.mean), Some(own.error()));
                    out.floor_name = Some("target's own at these points".into());
                }
            }
        }
        (MetricKind::Energy(_) | MetricKind::Npe(_), MetricPrograms::Energy(sampler)) => {
            let n = POINTS.min(arm.generate.as_ref().map_or(POINTS, |g| g.count));
            let labels = arm.generate.as_ref().map(|g| labels_of(g, n)).unwrap_or_default();
            let draw = Draw { seed, purpose: "sample", step: 0 };
            let o = labelled(sampler, &theta_of(sampler), draw, n, &[], &labels)?;
            let energy = o.output("energy").map(wide).unwrap_or_default();
            let s = Summary::of(&energy);
            out.size = Some(n as u64);
            (out.value, out.standard_error) = (s.mean, Some(s.error()));
            let pairs = Sets { x: sets.source.clone(), ..sets.clone() };
            if pairs.x.is_empty() || pairs.target.is_empty() {
                return Ok(out);
            }
            let (cost, _, size) = distance(m.name, &pairs, EXACT, &mut |a, b| metrics::wasserstein2_squared(a, b))?;
            if m.name == "npe" {
                out.size = Some(size as u64);
                match metrics::npe(s.mean, cost.mean) {
                    Some(npe) => {
                        out.value = npe;
                        // First-order propagation of both means.
                        let (e, c) = (s.error() / cost.mean, s.mean * cost.error() / (cost.mean * cost.mean));
                        out.standard_error = Some((e * e + c * c).sqrt());
                    }
                    None => {
                        return Err(Diagnostic::bare(
                            Code::NonFiniteState,
                            "`npe` cannot be computed: the energy is not finite, or source and target are the same",
                        )
                        .help("it relates the energy to the distance from source to target: they must differ"));
                    }
                }
            } else {
                (out.floor, out.floor_sd) = (Some(cost.mean), Some(cost.deviation));
                out.floor_name = Some("W2^2 of source and target".into());
            }
        }
        (
            MetricKind::Density { .. }
            | MetricKind::Energy(_)
            | MetricKind::Npe(_)
            | MetricKind::Weights(_)
            | MetricKind::Coverage { .. }
            | MetricKind::Modes(_),
            _,
        ) => {
            return Err(Diagnostic::bare(Code::Internal, format!("`{}` was compiled as something else", m.label)));
        }
    }
    Ok(out)
}

/// The rows of a class.
fn of_class(set: &[f64], labels: &[u32], dim: usize, class: u32) -> Vec<f64> {
    let rows = set.chunks_exact(dim).zip(labels).filter(|(_, l)| **l == class);
    rows.flat_map(|(row, _)| row).copied().collect()
}

/// A distance for each class by itself, and their mean.
fn by_label(name: &str, sets: &Sets, seed: u64, out: &mut Metric) -> Result<(), Diagnostic> {
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
        if own.target.len() < 4 * sets.dim || own.x.is_empty() {
            let message = format!("`{name}` by label: class {class} has fewer than 4 rows to judge by");
            let cure = "leave it out with `labels: [...]`, or split off more rows for the test";
            return Err(Diagnostic::bare(Code::MeaninglessMetric, message).help(cure));
        }
        let mut part = Metric::default();
        sample_metric(name, &own, seed, &mut part)?;
        out.classes.push(ClassValue { class, value: part.value, floor: part.floor, size: part.size.unwrap_or(0) });
    }
    let n = out.classes.len() as f64;
    let mean = |f: &dyn Fn(&ClassValue) -> f64| out.classes.iter().map(f).sum::<f64>() / n;
    let (value, floor) = (mean(&|c| c.value), mean(&|c| c.floor.unwrap_or(f64::NAN)));
    let size = out.classes.iter().map(|c| c.size).min();
    (out.value, out.floor, out.size) = (value, Some(floor), size);
    out.floor_name = Some("true against true".into());
    Ok(())
}

fn sample_metric(name: &str, sets: &Sets, seed: u64, out: &mut Metric) -> Result<(), Diagnostic> {
    // Half of the true set is for the floor, unless there is another.
    let halves = if sets.other.is_empty() { 2 } else { 1 };
    let all = (sets.x.len() / sets.dim).min(sets.target.len() / sets.dim / halves);
    let mut rng = Stream::new(seed, "metric directions", 0);
    let (value, floor, size) = match name {
        "wasserstein2" => distance(name, sets, EXACT, &mut |a, b| metrics::wasserstein2(a, b))?,
        "wasserstein1" => distance(name, sets, EXACT, &mut |a, b| metrics::wasserstein1(a, b))?,
        "sliced_wasserstein2" => {
            let directions = metrics::directions(sets.dim, DIRECTIONS, &mut rng);
            distance(name, sets, all / REPETITIONS, &mut |a, b| metrics::sliced_wasserstein2(a, b, directions.view()))?
        }
        "energy_distance" => distance(name, sets, EXACT, &mut |a, b| metrics::energy_distance(a, b))?,
        "mmd" => {
            let widths = Bandwidths::Fixed(MMD_BANDWIDTHS.to_vec());
            distance(name, sets, EXACT, &mut |a, b| metrics::mmd(a, b, &widths))?
        }
        _ => distance(name, sets, all / REPETITIONS, &mut |a, b| metrics::frechet(a, b))?,
    };
    out.value = value.mean;
    out.standard_error = (value.count > 1).then(|| value.error());
    (out.floor, out.floor_sd) = (Some(floor.mean), (floor.count > 1).then_some(floor.deviation));
    out.floor_name = Some("true against true".into());
    out.size = Some(size as u64);
    Ok(())
}
