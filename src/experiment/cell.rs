//! One arm with one seed: train, generate, measure, draw pictures.

use super::measure::{self, Sets};
use super::programs::{Compiled, Draw, Programs, optimized};
use super::sets::Store;
use super::{coupling, pictures};
use crate::backend::Backend;
use crate::diag::{Diagnostic, Label};
use crate::folder::{JsonLines, RunFolder};
use crate::ir::Op;
use crate::plan::{Arm, Optimizer, Rate, Rule, TrainPlan};
use crate::report::record::{self, Cell};
use crate::run::Real;
use crate::run::checkpoint;
use crate::run::data_cols::ColumnSource;
use crate::run::init::initial;
use crate::run::optim;
use crate::run::pool::Pool;
use crate::run::train::{StepReport, TrainConfig, Trainer};
use crate::source::Span;
use crate::stage;
use crate::term::interrupt::stop_requested;
use crate::term::{Phase, Progress};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where a cell writes.
pub struct Place<'a> {
    /// The run folder.
    pub folder: &'a RunFolder,
    /// Part of file names, if there are several cells.
    pub name: Option<&'a str>,
    /// For progress: name, number, how many.
    pub label: Option<(String, usize, usize)>,
    /// The spec's text.
    pub spec: &'a str,
}

/// Points of the loss curve that are kept.
const CURVE: u64 = 400;
/// Time between checkpoints.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(20);
/// Time of one section of training between looks at the clock.
const SECTION: Duration = Duration::from_millis(60);

/// Says where in the spec a failure of the run belongs, unless it says so itself.
fn at(mut d: Diagnostic, span: Span, what: &str) -> Diagnostic {
    d.primary.get_or_insert_with(|| Label { span, text: what.to_owned() });
    d
}

/// Parameters by name.
type Named<T> = HashMap<String, Vec<T>>;

/// Runs a cell; `cell` holds whatever is known even if an error ends it.
#[allow(clippy::too_many_arguments)]
pub fn run<T: Real>(
    arm: &Arm,
    seed: u64,
    programs: &Programs<T>,
    backend: &dyn Backend<T>,
    pool: Pool,
    place: &Place<'_>,
    progress: &mut Progress,
    lines: &mut JsonLines,
    cell: &mut Cell,
) -> Result<(), Diagnostic> {
    let mut named = Named::new();
    let mut stopped = None;
    if let Some(plan) = &arm.train {
        let (params, outcome) = train(plan, seed, &programs.store, backend, pool, place, progress, lines, cell)?;
        named = params;
        stopped = outcome.err().map(|d| at(d, plan.span, "in this training"));
    }
    let began = Instant::now();
    let mut x = None;
    if let (Some(plan), Some(sampler)) = (&arm.generate, &programs.sampler) {
        let params = gather(sampler, &named, seed);
        progress.begin(Phase { what: "generate".into(), cell: place.label.clone(), from: 0, total: 1 });
        let outcome = sampler.run(&params, Draw { seed, purpose: "sample", step: 0 }, plan.count, &[]);
        progress.step(1, None);
        progress.end();
        // After a failed training the samples may fail too: the first fault is the one to tell.
        let outcome = match (outcome, stopped.take()) {
            (Ok(o), s) => {
                stopped = s;
                Some(o)
            }
            (Err(_), Some(first)) => return Err(first),
            (Err(e), None) => return Err(at(e, plan.span, "in this sampler")),
        };
        if let Some(outcome) = outcome {
            for s in &outcome.solves {
                cell.solver.push(statistics("generate", sampler, s));
            }
            if let Some(out) = outcome.output("x") {
                checkpoint::write_npy(
                    &place.folder.samples(place.name),
                    &[plan.count, out.shape.iter().product()],
                    &out.values,
                )
                .map_err(|d| *d)?;
                x = Some(out.clone());
            }
        }
    }
    cell.timings.generate = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let theta_of = |c: &Compiled<T>| gather(c, &named, seed);
    if let Some(x) = &x {
        let sets = Sets::new(x, seed, programs)?;
        progress.begin(Phase {
            what: "evaluate".into(),
            cell: place.label.clone(),
            from: 0,
            total: arm.metrics.len() as u64,
        });
        for (i, m) in arm.metrics.iter().enumerate() {
            let metric = measure::metric(arm, i, m, programs, &sets, seed, &theta_of, backend, cell)
                .map_err(|d| at(d, m.span, "in this metric"))?;
            lines.append(&json!({
                "event": "metric", "cell": place.name, "seed": seed, "name": metric.name, "value": metric.value,
                "standard_error": metric.standard_error, "floor": metric.floor,
            }))?;
            cell.metrics.push(metric);
            progress.step(i as u64 + 1, None);
        }
        progress.end();
        pictures::draw(programs, &sets, seed, &theta_of, cell)?;
    } else {
        for (m, p) in arm.metrics.iter().zip(&programs.metrics) {
            let metric = measure::without_samples(m, p, seed, &theta_of, backend, cell)
                .map_err(|d| at(d, m.span, "in this metric"))?;
            cell.metrics.extend(metric);
        }
    }
    cell.timings.evaluate = began.elapsed().as_secs_f64();
    cell.finished = stopped.is_none() && cell.steps_done == cell.steps_planned;
    match stopped {
        Some(d) => Err(d),
        None => Ok(()),
    }
}

/// The parameters of a program: trained ones by name, others as they begin.
fn gather<T: Real>(c: &Compiled<T>, named: &Named<T>, seed: u64) -> Vec<T> {
    let mut theta = initial::<T>(&c.program().params, seed);
    for entry in c.table().entries() {
        if let Some(values) = named.get(&entry.name) {
            theta[entry.range.clone()].copy_from_slice(values);
        }
    }
    theta
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
    }
}

fn rule(o: &Optimizer) -> optim::Optimizer {
    let rule = match o.rule {
        Rule::Adam { beta1, beta2, eps } => optim::Rule::Adam { beta1, beta2, eps },
        Rule::AdamW { beta1, beta2, eps } => optim::Rule::AdamW { beta1, beta2, eps },
        Rule::RmsProp { alpha, eps } => optim::Rule::RmsProp { alpha, eps, momentum: 0.0 },
        Rule::Sgd { momentum } => optim::Rule::Sgd { momentum, nesterov: false },
    };
    optim::Optimizer { rule, weight_decay: o.decay }
}

/// The learning rate of a step, counted from 0.
fn rate(r: &Rate, step: u64) -> Result<f64, Diagnostic> {
    match r {
        Rate::Constant(x) => Ok(*x),
        Rate::Schedule(p) => {
            let roots = [p.outputs[0].1];
            let leaf = |id| matches!(p.dag.op(id), Op::Input(_)).then(|| vec![step as f64]);
            Ok(crate::ir::eval::evaluate::<f64>(&p.dag, &roots, leaf)?[0][0])
        }
    }
}

/// Trains; the parameters to evaluate by name, and what stopped training if something did.
#[allow(clippy::too_many_arguments)]
fn train<T: Real>(
    plan: &TrainPlan,
    seed: u64,
    store: &Arc<Store<T>>,
    backend: &dyn Backend<T>,
    pool: Pool,
    place: &Place<'_>,
    progress: &mut Progress,
    lines: &mut JsonLines,
    cell: &mut Cell,
) -> Result<(Named<T>, Result<(), Diagnostic>), Diagnostic> {
    let compile = Instant::now();
    let program = optimized(&plan.objective)?;
    let loss = program.output("loss").expect("an objective's program has a loss");
    let gradient = stage::gradient(&program, loss)?;
    let mut sources = store.sources(&program, seed)?;
    sources.extend(coupling::source(&plan.hosts, seed, "train", store, backend)?);
    let source: Option<Box<dyn ColumnSource<T>>> = if sources.is_empty() { None } else { Some(Box::new(sources)) };
    let config = TrainConfig {
        seed,
        batch: plan.batch,
        optimizer: rule(&plan.optimizer),
        ema: plan.ema.map(|decay| optim::Ema { decay }),
        clip: plan.clip,
    };
    let mut trainer = Trainer::new(&program, gradient, backend, pool, config, source).map_err(|d| *d)?;
    cell.timings.compile = compile.elapsed().as_secs_f64();
    cell.parameters = trainer.theta().len() as u64;
    cell.steps_planned = plan.steps;
    let hash = checkpoint::spec_hash(place.spec);
    let save = |trainer: &Trainer<T>| {
        let path = place.folder.checkpoint(place.name);
        checkpoint::save(&path, trainer.table(), &trainer.checkpoint(&hash)).map_err(|d| *d)
    };
    progress.begin(Phase { what: "train".into(), cell: place.label.clone(), from: 0, total: plan.steps });
    let began = Instant::now();
    let mut saved = Instant::now();
    let mut section: u64 = 8;
    let window = plan.steps.div_ceil(CURVE).max(1);
    let (mut sum, mut count) = (0.0, 0u64);
    let mut reports: Vec<StepReport> = Vec::new();
    let mut outcome = Ok(());
    while trainer.steps() < plan.steps && !stop_requested() {
        let first = trainer.steps();
        let n = section.min(plan.steps - first);
        let rates = (first..first + n).map(|s| rate(&plan.rate, s)).collect::<Result<Vec<_>, _>>()?;
        let clock = Instant::now();
        reports.clear();
        let result = trainer.run(&rates, &mut reports);
        for r in &reports {
            sum += r.loss;
            count += 1;
            progress.step(r.step, Some(r.loss));
            if r.step % window == 0 || r.step == plan.steps {
                let mean = sum / count as f64;
                cell.loss.push((r.step, mean));
                lines.append(&json!({
                    "event": "loss", "cell": place.name, "seed": seed, "step": r.step, "loss": mean,
                    "gradient_norm": r.gradient_norm, "seconds": began.elapsed().as_secs_f64(),
                }))?;
                (sum, count) = (0.0, 0);
            }
        }
        if let Err(d) = result {
            outcome = Err(*d);
            break;
        }
        cell.step_times.push(clock.elapsed().as_secs_f64() / n as f64);
        // Sections long enough to cost nothing, short enough for progress and Ctrl-C.
        let spent = clock.elapsed().max(Duration::from_micros(50));
        let ideal = (n as f64 * SECTION.as_secs_f64() / spent.as_secs_f64()) as u64;
        section = ideal.clamp(1, 4096).min(section * 4);
        if saved.elapsed() > CHECKPOINT_EVERY {
            save(&trainer)?;
            saved = Instant::now();
        }
    }
    progress.end();
    cell.steps_done = trainer.steps();
    cell.timings.train = began.elapsed().as_secs_f64();
    save(&trainer)?;
    let averaged = trainer.averaged();
    let named =
        trainer.table().entries().iter().map(|e| (e.name.clone(), averaged[e.range.clone()].to_vec())).collect();
    Ok((named, outcome))
}
