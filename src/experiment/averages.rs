//! Metrics that are averages over samples: importance weights, shares of modes, coverage.

use super::measure::{Sets, fault, wide};
use super::probe::Probe;
use super::programs::{Compiled, Draw};
use crate::diag::Diagnostic;
use crate::elaborate::HostKind;
use crate::ir::InputId;
use crate::metrics;
use crate::numeric::stats::{Summary, quantile};
use crate::plan::MetricPlan;
use crate::plan::means::Mean;
use crate::plan::metric_programs::Modes;
use crate::report::number;
use crate::report::record::Metric;
use crate::rng::Stream;
use crate::run::Real;
use rand::RngExt;

/// Samples of an average.
pub const POINTS: usize = 10_000;
/// Samples of each side of a coverage.
const COVERED: usize = 5_000;
/// Resamples behind a standard error.
const RESAMPLES: usize = 50;

/// The mean of a number of each sample: of data the rows that judge, each once; of laws fresh draws; of couplings pairs of these.
pub fn mean<T: Real>(
    m: &MetricPlan,
    mean: &Mean,
    program: &Compiled<T>,
    seed: u64,
    theta: &[T],
    probe: &Probe<'_, T>,
    out: &mut Metric,
) -> Result<(), Diagnostic> {
    let rows = [program.rows("evaluate"), probe.rows(&mean.hosts)].into_iter().flatten().min();
    let n = match (rows, m.extent.count) {
        (Some(rows), Some(count)) => rows.min(count),
        (Some(rows), None) => rows,
        (None, count) => count.unwrap_or(POINTS),
    };
    let columns = probe.columns(program.program(), &mean.hosts, n)?;
    // Rows of data come by themselves.
    let own = program.program().inputs.iter().enumerate().filter(|(_, d)| d.rows.is_none());
    let inputs: Vec<&[T]> = columns.iter().flat_map(|c| own.clone().map(|(i, _)| c.block(InputId(i as u32)))).collect();
    let o = program.run(theta, Draw { seed, purpose: "evaluate", step: 0 }, n, &inputs)?;
    let values = o.output("value").map(wide).unwrap_or_default();
    let s = Summary::of(&values);
    // Pairs of one plan depend on each other; plans do not.
    let plan = mean.hosts.iter().map(|h| match h.kind {
        HostKind::Transport(t) => t.batch,
    });
    let whole =
        plan.max().map(|k| Summary::of(&values.chunks_exact(k).map(|p| Summary::of(p).mean).collect::<Vec<_>>()));
    let of = whole.unwrap_or(s);
    (out.value, out.standard_error, out.size) = (s.mean, (of.count > 1).then(|| of.error()), Some(n as u64));
    Ok(())
}

/// What a perfect model shows in an average, where that is a number.
pub fn floor(name: &str, out: &mut Metric) {
    out.floor = match name {
        "straightness" | "inverse_error" | "solver_error" | "continuity_residual" => Some(0.0),
        _ => None,
    };
    out.floor_name = out.floor.map(|_| "exact".into());
    out.unit = (name == "log_volume").then(|| "nats".into());
}

/// `effective_sample_size` and `log_normalizer`.
pub fn weights<T: Real>(
    m: &MetricPlan,
    c: &Compiled<T>,
    theta: &[T],
    seed: u64,
    out: &mut Metric,
) -> Result<(), Diagnostic> {
    let (name, n) = (m.name, m.extent.count.unwrap_or(POINTS));
    let o = c.run(theta, Draw { seed, purpose: "sample", step: 0 }, n, &[])?;
    let column = |name: &str| o.output(name).map(wide).unwrap_or_default();
    let w: Vec<f64> = column("log_energy").iter().zip(column("log_density")).map(|(e, q)| e - q).collect();
    let measured = if name == "log_normalizer" {
        out.unit = Some("nats".into());
        metrics::log_normalizer(&w)
    } else {
        // Of independent samples of the energy's own law all are worth one.
        (out.floor, out.floor_name) = (Some(1.0), Some("exact match".into()));
        metrics::effective_sample_size(&w)
    };
    let measured = measured.map_err(|e| fault(name, &e))?;
    (out.value, out.standard_error, out.size) = (measured.value, Some(measured.error), Some(w.len() as u64));
    Ok(())
}

/// Probabilities of the modes at each of some points, row-major.
fn posterior<T: Real>(c: &Compiled<T>, points: &[f64], dim: usize, seed: u64) -> Result<Vec<f64>, Diagnostic> {
    let x: Vec<T> = points.iter().map(|v| T::from_f64(*v)).collect();
    let o = c.run(&[], Draw { seed, purpose: "evaluate", step: 0 }, points.len() / dim, &[&x])?;
    Ok(o.outputs.first().map(wide).unwrap_or_default())
}

/// The distance of the modes' shares of `x` from their weights; its floor is that of as many points of the target.
pub fn mode_weights<T: Real>(
    modes: &Modes,
    c: &Compiled<T>,
    x: &[f64],
    sets: &Sets,
    seed: u64,
    out: &mut Metric,
) -> Result<(), Diagnostic> {
    let (d, k) = (sets.dim, modes.weights.len());
    let n = (x.len() / d).min(sets.target.len() / d).min(POINTS);
    let distance = |p: &[f64], rows: &mut dyn Iterator<Item = usize>| {
        let mut shares = vec![0.0; k];
        rows.for_each(|r| (0..k).for_each(|m| shares[m] += p[r * k + m] / n as f64));
        metrics::total_variation(&shares, &modes.weights)
    };
    let own = posterior(c, &x[..n * d], d, seed)?;
    if let Some(at) = own.iter().position(|v| !v.is_finite()) {
        return Err(fault("mode_weights", &metrics::MetricError::NotFinite { sample: at / k }));
    }
    out.value = distance(&own, &mut (0..n));
    let mut rng = Stream::new(seed, "metric resamples", 0);
    let again: Vec<f64> = (0..RESAMPLES).map(|_| distance(&own, &mut (0..n).map(|_| rng.random_range(0..n)))).collect();
    out.standard_error = Some(Summary::of(&again).deviation);
    let truth = posterior(c, &sets.target[..n * d], d, seed)?;
    out.floor = Some(distance(&truth, &mut (0..n)));
    (out.floor_name, out.size) = (Some("true samples".into()), Some(n as u64));
    Ok(())
}

/// The largest gap between stated and found mass of the regions of highest density.
pub fn calibration<T: Real>(
    m: &MetricPlan,
    sampler: &Compiled<T>,
    density: &Compiled<T>,
    theta_of: &dyn Fn(&Compiled<T>) -> Vec<T>,
    sets: &Sets,
    seed: u64,
    out: &mut Metric,
) -> Result<(), Diagnostic> {
    let n = (sets.target.len() / sets.dim).min(m.extent.count.unwrap_or(COVERED));
    let drawn = sampler.run(&theta_of(sampler), Draw { seed, purpose: "calibration", step: 0 }, n, &[])?;
    let own = drawn.output("log_density").map(wide).unwrap_or_default();
    let x: Vec<T> = sets.target[..n * sets.dim].iter().map(|v| T::from_f64(*v)).collect();
    let draw = Draw { seed, purpose: "density", step: 0 };
    let o = density.run(&theta_of(density), draw, n, &[&x])?;
    let truth = o.outputs.first().map(wide).unwrap_or_default();
    out.value = metrics::kolmogorov_smirnov(&own, &truth).map_err(|e| fault("calibration", &e))?;
    let mut rng = Stream::new(seed, "metric resamples", 1);
    let mut pick = |set: &[f64]| (0..n).map(|_| set[rng.random_range(0..n)]).collect::<Vec<f64>>();
    let again: Result<Vec<f64>, _> =
        (0..RESAMPLES).map(|_| metrics::kolmogorov_smirnov(&pick(&own), &pick(&truth))).collect();
    let again = again.map_err(|e| fault("calibration", &e))?;
    out.standard_error = Some(Summary::of(&again).deviation);
    let (floor, deviation) = metrics::kolmogorov_floor(n, n);
    (out.floor, out.floor_sd, out.size) = (Some(floor), Some(deviation), Some(n as u64));
    out.floor_name = Some("equal laws".into());
    Ok(())
}

/// The target's entropy by quadrature, if it has one or two components and a smooth density.
pub fn entropy<T: Real>(own: &Compiled<T>, sets: &Sets, seed: u64) -> Result<Option<f64>, Diagnostic> {
    let Some((low, high)) = around(sets) else { return Ok(None) };
    metrics::entropy(&low, &high, |points| log_densities(own, points, sets.dim, seed))
}

/// How far the mass of a density may be from one: a heavy tail may reach beyond the box, and a corner blur a grid.
const MASS_SLACK: f64 = 0.02;

/// What is to be said of a target whose density, of one or two components, does not integrate to one.
pub fn mass<T: Real>(own: &Compiled<T>, sets: &Sets, seed: u64) -> Result<Option<String>, Diagnostic> {
    let Some((low, high)) = around(sets) else { return Ok(None) };
    let mass = metrics::mass(&low, &high, |points| log_densities(own, points, sets.dim, seed))?;
    Ok(mass.filter(|m| (m - 1.0).abs() > MASS_SLACK).map(|m| {
        format!(
            "the log-density of the target integrates to {}, not 1: what is measured with it is off by {} nats; subtract the \
             logarithm of the integral in its `log_density`",
            number::plain(m),
            number::plain(m.ln().abs())
        )
    }))
}

fn log_densities<T: Real>(own: &Compiled<T>, points: &[f64], dim: usize, seed: u64) -> Result<Vec<f64>, Diagnostic> {
    let x: Vec<T> = points.iter().map(|v| T::from_f64(*v)).collect();
    let o = own.run(&[], Draw { seed, purpose: "density", step: 0 }, points.len() / dim, &[&x])?;
    Ok(o.outputs.first().map(wide).unwrap_or_default())
}

/// A box with the target's samples and a quarter of their range on every side.
fn around(sets: &Sets) -> Option<(Vec<f64>, Vec<f64>)> {
    let d = sets.dim;
    if d > 2 || sets.target.is_empty() {
        return None;
    }
    let range = |k: usize| {
        let column: Vec<f64> = sets.target.iter().skip(k).step_by(d).copied().collect();
        let (low, high) = (quantile(&column, 0.0)?, quantile(&column, 1.0)?);
        let margin = 0.25 * (high - low);
        Some((low - margin, high + margin))
    };
    Some((0..d).map(range).collect::<Option<Vec<_>>>()?.into_iter().unzip())
}

/// Seconds of a training step: the median over sections, and how far the middle half of them spreads.
pub fn step_time(times: &[f64], out: &mut Metric) {
    let Some(median) = quantile(times, 0.5) else { return };
    out.value = median;
    out.unit = Some("s".into());
    out.size = Some(times.len() as u64);
    if let (Some(a), Some(b)) = (quantile(times, 0.25), quantile(times, 0.75)) {
        // The standard error of a median of n values of that spread: 1.2533 deviations over sqrt(n); a deviation is 0.7413 of it.
        out.standard_error = Some(1.2533 * 0.7413 * (b - a) / (times.len() as f64).sqrt());
    }
}
