//! One arm with one seed: train, generate, measure, draw pictures.

use super::measure::{self, Sets};
use super::pictures;
use super::probe::Probe;
use super::programs::{Compiled, Draw, Programs};
use super::shared::Shared;
use super::train::{Trained, train};
use crate::backend::Backend;
use crate::diag::{Diagnostic, Label};
use crate::folder::RunFolder;
use crate::ir::ParamDecl;
use crate::plan::Arm;
use crate::report::record::{self, Cell};
use crate::run::Real;
use crate::run::checkpoint;
use crate::run::init::initial;
use crate::run::pool::Pool;
use crate::source::Span;
use serde_json::json;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// Where a cell writes.
pub struct Place<'a> {
    /// The run folder.
    pub folder: &'a RunFolder,
    /// Part of file names, if there are several cells.
    pub name: Option<&'a str>,
    /// For progress: name, number, how many.
    pub label: Option<(String, usize, usize)>,
    /// Whether this is the first seed, the one that pages show.
    pub first: bool,
    /// Every stage of the spec.
    pub stages: &'a [String],
    /// Which of them this is.
    pub stage: usize,
}

/// Says where in the spec a failure of the run belongs, unless it says so itself.
fn at(mut d: Diagnostic, span: Span, what: &str) -> Diagnostic {
    d.primary.get_or_insert_with(|| Label { span, text: what.to_owned() });
    d
}

/// Parameters by name; those of ended stages stand under `stage.name`.
pub type Named<T> = HashMap<String, Vec<T>>;

/// The stage in front of a parameter's name, and the rest.
pub fn stage_of<'n>(name: &'n str, stages: &[String]) -> Option<(usize, &'n str)> {
    let of = |(i, s): (usize, &String)| Some((i, name.strip_prefix(s.as_str())?.strip_prefix('.')?));
    stages.iter().enumerate().find_map(of)
}

/// The parameters of a program at the beginning: known ones by name, others as they are drawn. What a stage did not train is
/// as it began.
pub fn begin<T: Real>(params: &[ParamDecl], named: &Named<T>, seed: u64, stages: &[String]) -> Vec<T> {
    let plain = |d: &ParamDecl| ParamDecl {
        name: stage_of(&d.name, stages).map_or_else(|| d.name.clone(), |(_, rest)| rest.to_owned()),
        ..d.clone()
    };
    let drawn: Vec<ParamDecl> = params.iter().map(plain).collect();
    let mut theta = initial::<T>(&drawn, seed);
    let mut at = 0;
    for d in params {
        let n = d.shape.iter().product::<usize>();
        if let Some(values) = named.get(&d.name) {
            theta[at..at + n].copy_from_slice(values);
        }
        at += n;
    }
    theta
}

/// The parameters of a compiled program.
pub fn gather<T: Real>(c: &Compiled<T>, named: &Named<T>, seed: u64, stages: &[String]) -> Vec<T> {
    begin(&c.program().params, named, seed, stages)
}

/// Trainings that are known: by what is trained, from what, and the seed.
pub type Known<T> = HashMap<String, Arc<Trained<T>>>;

/// What a cell hands to the next stage.
pub struct After<T> {
    /// Its parameters.
    pub named: Named<T>,
    /// What was trained on the way there.
    pub key: String,
}

/// Runs a cell; `cell` holds whatever is known even if an error ends it.
#[allow(clippy::too_many_arguments)]
pub fn run<T: Real>(
    arm: &Arm,
    seed: u64,
    programs: &Programs<T>,
    backend: &dyn Backend<T>,
    pool: Pool,
    place: &Place<'_>,
    shared: &Shared<'_>,
    before: &After<T>,
    known: &mut Known<T>,
    cell: &mut Cell,
) -> Result<After<T>, Diagnostic> {
    let mut after = After { named: before.named.clone(), key: before.key.clone() };
    if let Some(plan) = &arm.train {
        after.key = format!("{}/{}", before.key, super::schedule::fingerprint(plan));
        let trained = match known.get(&after.key) {
            Some(t) => t.clone(),
            None => {
                let t = train(plan, seed, &before.named, &programs.store, backend, pool, place, shared)?;
                let t = Arc::new(t);
                known.insert(after.key.clone(), t.clone());
                t
            }
        };
        after.named.clone_from(&trained.named);
        cell.parameters = trained.parameters;
        (cell.steps_done, cell.steps_planned) = trained.steps;
        cell.objective.clone_from(&plan.name);
        cell.loss.clone_from(&trained.history.loss);
        cell.step_times.clone_from(&trained.history.step_times);
        cell.validation.clone_from(&trained.history.validation);
        cell.solver.extend(trained.solver.iter().cloned());
        (cell.timings.compile, cell.timings.train) = (trained.compile, trained.history.seconds);
        // What is learned half-way is no result: the curves are all that there is to see.
        if let Some(d) = trained.stopped.clone() {
            return Err(at(d, plan.span, "in this training"));
        }
    }
    if let Some(stage) = arm.stage {
        // What later stages call `first.v`.
        let own: Vec<(String, Vec<T>)> = after
            .named
            .iter()
            .filter(|(n, _)| stage_of(n, place.stages).is_none())
            .map(|(n, v)| (format!("{}.{n}", place.stages[stage]), v.clone()))
            .collect();
        after.named.extend(own);
    }
    if let Some(done) = shared.finished(place) {
        *cell = done;
        return Ok(after);
    }
    let theta_of = |c: &Compiled<T>| gather(c, &after.named, seed, place.stages);
    let probe = Probe {
        plan: arm.train.as_ref(),
        seed,
        named: &after.named,
        store: &programs.store,
        stages: place.stages,
        stage: place.stage,
        backend,
        own: OnceCell::new(),
    };
    evaluate(arm, seed, programs, place, shared, &theta_of, &probe, cell)?;
    cell.finished = cell.steps_done == cell.steps_planned;
    Ok(after)
}

/// Samples, measures and draws pictures.
#[allow(clippy::too_many_arguments)]
fn evaluate<T: Real>(
    arm: &Arm,
    seed: u64,
    programs: &Programs<T>,
    place: &Place<'_>,
    shared: &Shared<'_>,
    theta_of: &dyn Fn(&Compiled<T>) -> Vec<T>,
    probe: &Probe<'_, T>,
    cell: &mut Cell,
) -> Result<(), Diagnostic> {
    let began = Instant::now();
    let mut x = None;
    if let (Some(plan), Some(sampler)) = (&arm.generate, &programs.sampler) {
        let progress = shared.phase("generate", place, 0, 1, None);
        let draw = Draw { seed, purpose: "sample", step: 0 };
        let labels = measure::labels_of(plan, plan.count);
        let outcome = measure::labelled(sampler, &theta_of(sampler), draw, plan.count, &[], &labels);
        drop(progress);
        let outcome = outcome.map_err(|d| at(d, plan.span, "in this sampler"))?;
        for s in &outcome.solves {
            cell.solver.push(statistics("generate", sampler, s));
        }
        if let Some(out) = outcome.output("x") {
            let shape = [plan.count, out.shape.iter().product()];
            checkpoint::write_npy(&place.folder.samples(place.name), &shape, &out.values).map_err(|d| *d)?;
            x = Some(out.clone());
        }
    }
    if x.is_some() {
        cell.timings.generate = began.elapsed().as_secs_f64();
    }
    let began = Instant::now();
    let labels = arm.generate.as_ref().map(|g| measure::labels_of(g, g.count)).unwrap_or_default();
    let sets = x.as_ref().map(|x| Sets::new(x, labels, seed, programs)).transpose()?;
    let progress = shared.phase("evaluate", place, 0, arm.metrics.len() as u64, None);
    for (i, m) in arm.metrics.iter().enumerate() {
        let metric = match &sets {
            Some(sets) => measure::metric(arm, i, m, programs, sets, seed, theta_of, probe, cell).map(Some),
            None => measure::without_samples(m, &programs.metrics[i], seed, theta_of, probe, cell),
        };
        if let Some(metric) = metric.map_err(|d| at(d, m.span, "in this metric"))? {
            shared.line(&json!({
                "event": "metric", "cell": place.name, "seed": seed, "name": metric.name, "value": metric.value,
                "standard_error": metric.standard_error, "floor": metric.floor,
            }))?;
            cell.metrics.push(metric);
        }
        progress.done(i as u64 + 1);
    }
    drop(progress);
    if let Some(sets) = &sets {
        pictures::draw(programs, sets, seed, place.first, theta_of, cell)?;
    }
    cell.timings.evaluate = began.elapsed().as_secs_f64();
    Ok(())
}

fn statistics<T: Real>(phase: &str, c: &Compiled<T>, s: &crate::solve::Statistics) -> record::SolverStatistics {
    record::SolverStatistics {
        phase: phase.to_owned(),
        solver: c.default_solver().map_or_else(String::new, |s| s.method.name.clone()),
        evaluations: s.evaluations,
        evaluations_backward: 0,
        accepted: s.accepted,
        rejected: s.rejected,
        per_sample: Some(record::Spread {
            min: f64::from(s.steps_range.0),
            mean: s.mean_steps(),
            max: f64::from(s.steps_range.1),
        }),
        bytes: None,
        factorisations: s.factorisations,
        stiff: s.stiff.map(|s| record::Stiff { samples: s.samples, first: Some((s.first, s.step.t, s.step.h)) }),
    }
}
