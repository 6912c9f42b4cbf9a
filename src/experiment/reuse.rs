//! What a trained run can do afterwards: draw more samples, tell log-densities; and what a run would cost before it is one.
//!
//! A plan + the checkpoints of a run folder -> numbers; a plan alone -> [`Prediction`]s. Deliberately absent: training on.

use super::cell::{Named, gather};
use super::measure::{labelled, labels_of};
use super::programs::{Compiled, Draw};
use super::schedule::fingerprint;
use super::sets::Store;
use super::train::trainer;
use super::{Engine, Options, cell_name};
use crate::backend::{Backend, Precision};
use crate::codegen::Jit;
use crate::data::Labels;
use crate::diag::{Code, Diagnostic};
use crate::folder;
use crate::interp::Interp;
use crate::plan::{Arm, MetricKind, RunPlan};
use crate::run::Real;
use crate::run::checkpoint;
use std::path::Path;
use std::time::{Duration, Instant};

/// What is asked of a trained law.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// Samples: how many (the spec's count without a number), and which: 0 are those of the run.
    Samples {
        /// How many.
        count: Option<usize>,
        /// Which.
        draw: u64,
    },
    /// Log-densities at points, row-major.
    Density {
        /// The points.
        points: &'a [f64],
        /// Coordinates of a point.
        width: usize,
        /// The classes of the points, where they stand apart; else behind the coordinates.
        labels: Option<&'a Labels>,
    },
}

/// A run whose law is asked.
#[derive(Clone, Copy, Debug)]
pub struct Finished<'a> {
    /// Its folder.
    pub path: &'a Path,
    /// The hash that its checkpoints bear.
    pub hash: &'a str,
}

/// Rows of numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// How many rows.
    pub rows: usize,
    /// Numbers of a row.
    pub width: usize,
    /// Row-major.
    pub values: Vec<f64>,
    /// Samples: the class of each row; empty if they were asked for none.
    pub classes: Vec<u32>,
    /// What classes are called, where the target names them.
    pub names: Vec<String>,
    /// Whether the target is a file whose numbers were standardised: values are in the units of the file.
    pub restored: bool,
}

/// Evaluates the law of an arm with the parameters that a seed ended with.
///
/// # Errors
/// `E0801`, `E0804` if its checkpoints are not there or damaged; `E0510` if the law has no density; whatever a solve reports.
pub fn evaluate(
    plan: &RunPlan,
    arm: usize,
    seed: u64,
    run: &Finished<'_>,
    options: Options,
    wanted: &Wanted<'_>,
) -> Result<Drawn, Diagnostic> {
    match (plan.precision, options.engine) {
        (Precision::F32, Engine::Jit(isa)) => evaluate_in::<f32>(plan, arm, seed, run, &Jit::new(isa), options, wanted),
        (Precision::F64, Engine::Jit(isa)) => evaluate_in::<f64>(plan, arm, seed, run, &Jit::new(isa), options, wanted),
        (Precision::F32, Engine::Interp) => evaluate_in::<f32>(plan, arm, seed, run, &Interp, options, wanted),
        (Precision::F64, Engine::Interp) => evaluate_in::<f64>(plan, arm, seed, run, &Interp, options, wanted),
    }
}

fn evaluate_in<T: Real>(
    plan: &RunPlan,
    arm: usize,
    seed: u64,
    run: &Finished<'_>,
    backend: &dyn Backend<T>,
    options: Options,
    wanted: &Wanted<'_>,
) -> Result<Drawn, Diagnostic> {
    let named = learned::<T>(plan, arm, seed, run)?;
    let arm = &plan.arms[arm];
    let store = Store::new(&plan.sets, backend, options.pool)?;
    let nothing = |what: &str, help: &str| Diagnostic::bare(Code::MissingBlock, what.to_owned()).help(help.to_owned());
    match wanted {
        Wanted::Samples { count, draw } => {
            let g = arm.generate.as_ref().ok_or_else(|| {
                nothing("the spec of this run generates nothing", "add `generate { sampler: flow(v) }` and run it")
            })?;
            let c = Compiled::solving(&g.sampler, backend, options.pool)?.reading(&store);
            let theta = gather(&c, &named, seed, &plan.stages);
            let n = count.unwrap_or(g.count);
            let classes = labels_of(g, n);
            let out = labelled(&c, &theta, Draw { seed, purpose: "sample", step: *draw }, n, &[], &classes)?;
            let x = out.output("x").ok_or_else(|| Diagnostic::bare(Code::Internal, "a sampler without samples"))?;
            let width = x.values.len() / n.max(1);
            let mut values: Vec<f64> = x.values.iter().map(|v| v.to_f64()).collect();
            let scale = arm.target.as_ref().and_then(|t| store.scale(t)).filter(|s| s.mean.len() == width);
            if let Some(s) = scale {
                s.restore(&mut values);
            }
            Ok(Drawn {
                rows: n,
                width,
                values,
                restored: scale.is_some(),
                classes,
                names: arm.target.as_ref().and_then(|t| store.names(t)).unwrap_or_default().to_vec(),
            })
        }
        Wanted::Density { points, width, labels } => {
            let density = arm.metrics.iter().find_map(|m| match &m.kind {
                MetricKind::Density { density, .. } => Some(density),
                _ => None,
            });
            let help = "its sampler needs a `log_density`, and the spec a `generate` block";
            let f = density.ok_or_else(|| nothing("the law of this run has no log-density", help))?;
            let given = || f.program.inputs.iter().filter(|d| d.rows.is_none());
            let conditional = given().any(|d| d.name == "label");
            let coordinates = given().filter(|d| d.name != "label");
            let dim: usize = coordinates.map(|d| d.shape.iter().product::<usize>()).sum();
            if dim + usize::from(conditional && labels.is_none()) != *width {
                let d = Diagnostic::bare(
                    Code::ShapeMismatch,
                    format!("the rows have {width} numbers, a point of the law has {dim} coordinates"),
                );
                return Err(d.help(match conditional {
                    true => "the density is that given a class: its number, from 0, stands behind the coordinates, or the class in a column `label`",
                    false => "one row a point",
                }));
            }
            let names = arm.target.as_ref().and_then(|t| store.names(t)).unwrap_or_default();
            let (mut points, labels) = match (conditional, labels) {
                (false, _) => (points.to_vec(), vec![]),
                (true, None) => split(points, *width, arm)?,
                (true, Some(l)) => (points.to_vec(), classes(l, names, arm)?),
            };
            let scale = arm.target.as_ref().and_then(|t| store.scale(t)).filter(|s| s.mean.len() == dim);
            if let Some(s) = scale {
                s.standardise(&mut points);
            }
            let c = Compiled::solving(f, backend, options.pool)?.reading(&store);
            let theta = gather(&c, &named, seed, &plan.stages);
            let x: Vec<T> = points.iter().map(|v| T::from_f64(*v)).collect();
            let rows = points.len() / dim.max(1);
            let out = labelled(&c, &theta, Draw { seed, purpose: "density", step: 0 }, rows, &[&x], &labels)?;
            // The density of x is that of (x - m) / d, divided by the product of all d.
            let stretch: f64 = scale.map_or(0.0, |s| s.deviation.iter().map(|d| d.ln()).sum());
            let of = |o: &crate::run::forward::Output<T>| o.values.iter().map(|v| v.to_f64() - stretch).collect();
            let values = out.outputs.first().map(of).unwrap_or_default();
            Ok(Drawn { rows, width: 1, values, classes: vec![], names: vec![], restored: scale.is_some() })
        }
    }
}

/// The classes that an arm generates.
fn generated(arm: &Arm) -> Vec<u32> {
    arm.generate.as_ref().and_then(|g| g.labels.clone()).unwrap_or_default()
}

/// `E0610`: a row of a class that the arm does not generate.
fn other_class(row: usize, class: &str, known: &[String]) -> Diagnostic {
    let d = format!("row {row} (counted from 0) has class {class}, which this run does not generate");
    Diagnostic::bare(Code::BadValue, d).help(format!("its classes are {}", known.join(", ")))
}

/// Points and their classes, which stand last in each row and are among those that the arm generates.
fn split(rows: &[f64], width: usize, arm: &Arm) -> Result<(Vec<f64>, Vec<u32>), Diagnostic> {
    let known = generated(arm);
    let (mut points, mut labels) = (Vec::new(), Vec::new());
    for (i, row) in rows.chunks_exact(width).enumerate() {
        let (x, class) = row.split_at(width - 1);
        let Some(label) = known.iter().find(|k| f64::from(**k) == class[0]) else {
            let all: Vec<String> = known.iter().map(u32::to_string).collect();
            return Err(other_class(i, &class[0].to_string(), &all));
        };
        points.extend(x);
        labels.push(*label);
    }
    Ok((points, labels))
}

/// The classes of rows by what they are called, in arrays by their numbers.
fn classes(labels: &Labels, names: &[String], arm: &Arm) -> Result<Vec<u32>, Diagnostic> {
    let known = generated(arm);
    let called = |k: u32| names.get(k as usize).cloned().unwrap_or_else(|| k.to_string());
    let class = |(row, own): (usize, &u32)| {
        let own = &labels.names[*own as usize];
        let all = || known.iter().map(|k| called(*k)).collect::<Vec<_>>();
        let found = known.iter().find(|k| called(**k) == *own).or_else(|| known.iter().find(|k| k.to_string() == *own));
        found.copied().ok_or_else(|| other_class(row, own, &all()))
    };
    labels.of.iter().enumerate().map(class).collect()
}

/// What an arm has learned with a seed, stages before it included: from checkpoints.
fn learned<T: Real>(plan: &RunPlan, arm: usize, seed: u64, run: &Finished<'_>) -> Result<Named<T>, Diagnostic> {
    let first = (0..=arm).rev().find(|&i| plan.arms[i].stage.is_none_or(|s| s == 0)).unwrap_or(arm);
    let mut named = Named::new();
    let mut key = String::new();
    for i in first..=arm {
        let a = &plan.arms[i];
        if let Some(t) = &a.train {
            key = format!("{key}/{}", fingerprint(t));
            // Arms that train alike have one checkpoint: that of the first.
            let owner = (0..=i).find(|&j| chain_key(plan, j) == key).unwrap_or(i);
            let name = cell_name(plan, &plan.arms[owner], seed);
            let file = folder::checkpoint_in(run.path, name.as_deref());
            let (_, own) = checkpoint::load_named::<T>(&file, run.hash).map_err(|d| *d)?;
            named.extend(own.into_iter().filter(|(n, _)| super::cell::stage_of(n, &plan.stages).is_none()));
        }
        if let Some(s) = a.stage {
            let kept: Vec<_> = named
                .iter()
                .filter(|(n, _)| super::cell::stage_of(n, &plan.stages).is_none())
                .map(|(n, v)| (format!("{}.{n}", plan.stages[s]), v.clone()))
                .collect();
            named.extend(kept);
        }
    }
    Ok(named)
}

/// What was trained up to an arm.
fn chain_key(plan: &RunPlan, arm: usize) -> String {
    let first = (0..=arm).rev().find(|&i| plan.arms[i].stage.is_none_or(|s| s == 0)).unwrap_or(arm);
    (first..=arm).filter_map(|i| plan.arms[i].train.as_ref()).map(|t| format!("/{}", fingerprint(t))).collect()
}

/// What the training of an arm will cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The arm.
    pub labels: Vec<String>,
    /// Finished numbers.
    pub parameters: u64,
    /// Floating-point operations of a step, by the back end's count.
    pub flops: u64,
    /// Bytes of the trainer.
    pub bytes: u64,
    /// Steps.
    pub steps: u64,
    /// Seconds, if those are the budget.
    pub budget: Option<f64>,
    /// Seconds of a step, measured over a few that are thrown away.
    pub step: f64,
    /// An earlier arm that trains alike: this one costs nothing.
    pub shared: bool,
}

/// Time of the steps that are measured.
const PROBE: Duration = Duration::from_millis(60);

/// Compiles every training of a plan and measures a few steps of each.
///
/// # Errors
/// Whatever would end the run before its first steps.
pub fn predict(plan: &RunPlan, options: Options) -> Result<Vec<Prediction>, Diagnostic> {
    match (plan.precision, options.engine) {
        (Precision::F32, Engine::Jit(isa)) => predict_in::<f32>(plan, &Jit::new(isa), options),
        (Precision::F64, Engine::Jit(isa)) => predict_in::<f64>(plan, &Jit::new(isa), options),
        (Precision::F32, Engine::Interp) => predict_in::<f32>(plan, &Interp, options),
        (Precision::F64, Engine::Interp) => predict_in::<f64>(plan, &Interp, options),
    }
}

fn predict_in<T: Real>(
    plan: &RunPlan,
    backend: &dyn Backend<T>,
    options: Options,
) -> Result<Vec<Prediction>, Diagnostic> {
    let store = Store::new(&plan.sets, backend, options.pool)?;
    let mut known: Vec<String> = Vec::new();
    let mut out = Vec::new();
    for (i, arm) in plan.arms.iter().enumerate() {
        let Arm { labels, train: Some(t), .. } = arm else { continue };
        let key = chain_key(plan, i);
        let shared = known.contains(&key);
        known.push(key);
        let stage = arm.stage.unwrap_or(0);
        let mut trainer = trainer(t, plan.seeds[0], &Named::new(), &store, &plan.stages, stage, backend, options.pool)?;
        let (mut steps, mut reports) = (0, Vec::new());
        // The first steps warm up.
        trainer.run(&[0.0; 2], &mut reports).map_err(|d| *d)?;
        let began = Instant::now();
        while !shared && began.elapsed() < PROBE {
            trainer.run(&[0.0; 4], &mut reports).map_err(|d| *d)?;
            steps += 4;
        }
        let step = if steps > 0 { began.elapsed().as_secs_f64() / f64::from(steps) } else { 0.0 };
        let trained =
            trainer.table().entries().iter().filter(|e| super::cell::stage_of(&e.name, &plan.stages).is_none());
        out.push(Prediction {
            labels: labels.clone(),
            parameters: trained.map(|e| e.range.len() as u64).sum(),
            flops: trainer.flops(),
            bytes: trainer.bytes(),
            steps: t.steps,
            budget: t.seconds,
            step,
            shared,
        });
    }
    Ok(out)
}
