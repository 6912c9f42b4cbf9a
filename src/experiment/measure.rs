//! Metrics with their floors: numbers from samples, densities and solves.

use super::averages;
use super::distances::{self, EXACT, REPETITIONS};
use super::probe::Probe;
use super::programs::{Compiled, Draw, MetricPrograms, Programs};
use crate::diag::{Code, Diagnostic};
use crate::metrics::{self, MetricError};
use crate::numeric::stats::Summary;
use crate::plan::{Arm, Extent, GeneratePlan, METRICS, MetricKind, MetricPlan};
use crate::report::record::{Better, Cell, Metric};
use crate::run::Real;
use crate::run::forward::{Outcome, Output};
use std::collections::BTreeSet;

/// Points at which densities are averaged.
const POINTS: usize = 10_000;
/// Points at which an estimated log-density is taken a second time, to see how much it varies.
const TWICE: usize = 2_000;

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
    /// What the classes are called; empty if they have no names.
    pub classes: Vec<String>,
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
            classes: programs.target.as_ref().map_or_else(Vec::new, |t| t.classes().to_vec()),
        })
    }

    /// What a class is called.
    pub fn class_name(&self, class: u32) -> String {
        self.classes.get(class as usize).cloned().unwrap_or_else(|| class.to_string())
    }

    /// The same with true points of the generated classes only, if those are not all classes.
    fn of_same_classes(&self) -> Option<Sets> {
        let [of_x, of_target, of_other] = &self.labels;
        let made: BTreeSet<u32> = of_x.iter().copied().collect();
        if made.is_empty() || of_target.iter().all(|l| made.contains(l)) {
            return None;
        }
        let keep = |set: &[f64], labels: &[u32]| -> (Vec<f64>, Vec<u32>) {
            let kept = set.chunks_exact(self.dim).zip(labels).filter(|(_, l)| made.contains(l));
            let (rows, labels): (Vec<&[f64]>, Vec<u32>) = kept.map(|(row, l)| (row, *l)).unzip();
            (rows.concat(), labels)
        };
        let (target, of_target) = keep(&self.target, of_target);
        let (other, of_other) = keep(&self.other, of_other);
        Some(Sets { target, other, labels: [of_x.clone(), of_target, of_other], ..self.clone() })
    }

    /// As many true points as a metric with an extent of its own needs: its samples once, and twice as many for the floor.
    fn extended<T: Real>(&self, extent: Extent, seed: u64, programs: &Programs<T>) -> Result<Option<Sets>, Diagnostic> {
        let size = extent.points.unwrap_or(EXACT);
        let n = 3 * extent.count.unwrap_or(REPETITIONS * size).max(size);
        let known = POINTS.max(2 * EXACT * REPETITIONS);
        if n <= known {
            return Ok(None);
        }
        let (target, of_target) = draws(programs.target.as_ref(), seed, "evaluate", n)?;
        let source = draws(programs.source.as_ref(), seed, "evaluate", n)?.0;
        let [of_x, _, of_other] = self.labels.clone();
        Ok(Some(Sets { target, source, labels: [of_x, of_target, of_other], ..self.clone() }))
    }
}

pub fn fault(name: &str, e: &MetricError) -> Diagnostic {
    let (code, help) = match e {
        MetricError::NotFinite { .. } => (
            Code::NonFiniteState,
            "look at samples.npy in the run folder; train longer, or with a smaller learning rate",
        ),
        MetricError::TooFew { .. } => (Code::MeaninglessMetric, "give it more samples: `count`, here or in `generate`"),
        MetricError::TooMany { .. } => (Code::MeaninglessMetric, "give it fewer samples: `points`"),
        MetricError::Dimensions(..) | MetricError::Sizes(..) => {
            (Code::MeaninglessMetric, "samples and target must have the same shape")
        }
        MetricError::BadValue(_) | MetricError::Linalg(_) | MetricError::Assignment(_) => {
            (Code::NonFiniteState, "look at samples.npy in the run folder: they may all be alike, or far out")
        }
    };
    Diagnostic::bare(code, format!("`{name}` cannot be computed: {e}")).help(help)
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
    probe: &Probe<'_, T>,
    cell: &Cell,
) -> Result<Option<Metric>, Diagnostic> {
    let mut out = blank(m);
    match (&m.kind, program) {
        (MetricKind::Parameters, _) => out.value = cell.parameters as f64,
        (MetricKind::StepTime, _) => averages::step_time(&cell.step_times, &mut out),
        (MetricKind::Training(what), _) => probe.measure(what, &mut out)?,
        (MetricKind::Mean(mean), MetricPrograms::Mean(program)) => {
            averages::mean(m, mean, program, seed, &theta_of(program), probe, &mut out)?;
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

/// Runs a program with its caller's inputs, and behind them the labels, again and again, if it reads them.
pub fn labelled<T: Real>(
    c: &Compiled<T>,
    theta: &[T],
    draw: Draw<'_>,
    n: usize,
    inputs: &[&[T]],
    labels: &[u32],
) -> Result<Outcome<T>, Diagnostic> {
    let reads = c.program().inputs.iter().any(|d| d.rows.is_none() && d.name == "label");
    let column: Vec<T> = labels.iter().cycle().take(n).map(|k| T::from_f64(f64::from(*k))).collect();
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
    probe: &Probe<'_, T>,
    cell: &Cell,
) -> Result<Metric, Diagnostic> {
    let mut out = blank(m);
    let extended = if m.extent == Extent::default() { None } else { sets.extended(m.extent, seed, programs)? };
    let sets = extended.as_ref().unwrap_or(sets);
    match (&m.kind, &programs.metrics[index]) {
        (MetricKind::Parameters | MetricKind::StepTime | MetricKind::Training(_) | MetricKind::Mean(_), program) => {
            return without_samples(m, program, seed, theta_of, probe, cell).map(|m| m.unwrap_or(out));
        }
        (MetricKind::Weights(_), MetricPrograms::Weighed(c, _)) => {
            averages::weights(m, c, &theta_of(c), seed, &mut out)?;
        }
        (MetricKind::Coverage { .. }, MetricPrograms::Weighed(sampler, Some(density))) => {
            averages::calibration(m, sampler, density, theta_of, sets, seed, &mut out)?;
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
            let n = plan.count.min(m.extent.count.unwrap_or(POINTS));
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
            let some;
            let sets = match sets.of_same_classes() {
                Some(s) if s.target.len() < distances::LEAST_ROWS * s.dim => {
                    return Err(distances::few_rows(&format!("`{}`: the classes that are generated have", m.name)));
                }
                Some(s) => {
                    some = s;
                    &some
                }
                None => sets,
            };
            if m.by_label {
                distances::by_label(m.name, sets, seed, m.extent, &mut out)?;
            } else {
                distances::of_samples(m.name, sets, seed, m.extent, &mut out)?;
            }
        }
        (MetricKind::Density { entropy, .. }, MetricPrograms::Density(density, own)) => {
            let n = (sets.target.len() / sets.dim).min(m.extent.count.unwrap_or(POINTS));
            let x: Vec<T> = sets.target[..n * sets.dim].iter().map(|v| T::from_f64(*v)).collect();
            let log = |c: &Compiled<T>, n: usize, step: u64| -> Result<Vec<f64>, Diagnostic> {
                let draw = Draw { seed, purpose: "density", step };
                let o = labelled(c, &theta_of(c), draw, n, &[&x[..n * sets.dim]], &sets.labels[1])?;
                Ok(o.outputs.first().map(wide).unwrap_or_default())
            };
            let q = log(density, n, 0)?;
            let p = own.as_ref().map(|c| log(c, n, 0)).transpose()?;
            if !density.program().draws.is_empty() {
                // The same points with other probes: half the mean square of the difference is the variance of one estimate.
                let again = log(density, n.min(TWICE), 1)?;
                let squares: Vec<f64> = again.iter().zip(&q).map(|(a, b)| (a - b).powi(2)).collect();
                out.density_error = Some((Summary::of(&squares).mean / 2.0).sqrt());
            }
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
                out.note = own.as_ref().map(|c| averages::mass(c, sets, seed)).transpose()?.flatten();
            } else {
                let s = Summary::of(&q.iter().map(|q| -q / unit).collect::<Vec<_>>());
                (out.value, out.standard_error) = (s.mean, Some(s.error()));
                let exact = match (entropy, own) {
                    (Some(h), _) => Some(*h),
                    (None, Some(own)) => averages::entropy(own, sets, seed)?,
                    (None, None) => None,
                };
                // The quadrature gives an entropy only where the mass is one.
                if let (None, Some(own)) = (exact, own) {
                    out.note = averages::mass(own, sets, seed)?;
                }
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
            let n = m.extent.count.unwrap_or(POINTS.min(arm.generate.as_ref().map_or(POINTS, |g| g.count)));
            let labels = arm.generate.as_ref().map(|g| labels_of(g, n)).unwrap_or_default();
            let draw = Draw { seed, purpose: "sample", step: 0 };
            let o = labelled(sampler, &theta_of(sampler), draw, n, &[], &labels)?;
            let energy = o.output("energy").map(wide).unwrap_or_default();
            let s = Summary::of(&energy);
            out.size = Some(n as u64);
            (out.value, out.standard_error) = (s.mean, Some(s.error()));
            if sets.source.is_empty() || sets.target.is_empty() {
                return Ok(out);
            }
            let distances::TransportCost { of: cost, excess, size } =
                distances::transport_cost(m.name, sets, m.extent)?;
            if m.name == "npe" {
                out.size = Some(size as u64);
                match metrics::npe(s.mean, cost.mean) {
                    Some(npe) => {
                        out.value = npe;
                        // First-order propagation of both means, and of what the distance may be too large.
                        let of_cost = cost.error().hypot(excess);
                        let (e, c) = (s.error() / cost.mean, s.mean * of_cost / (cost.mean * cost.mean));
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
                (out.floor, out.floor_sd) = (Some(cost.mean), Some(cost.deviation.hypot(excess)));
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
