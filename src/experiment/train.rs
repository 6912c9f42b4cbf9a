//! Training of one cell, from the first step or from a checkpoint.
//!
//! A [`TrainPlan`] and the parameters that the stage before ended with -> [`Trained`]: parameters by name and the history of the
//! loss. The checkpoint of a cell holds both, so a training that was killed goes on with the bits that it would have had.
//! Deliberately absent: sampling and metrics.

use super::cell::{Named, Place, gather};
use super::programs::{Compiled, Draw, optimized};
use super::sets::Store;
use super::shared::Shared;
use super::state::History;
use super::{coupling, mixed, rows};
use crate::backend::Backend;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Op, Program};
use crate::plan::{Gradient, Optimizer, Rate, Rule, TrainPlan, Validation};
use crate::report::record;
use crate::run::Real;
use crate::run::checkpoint;
use crate::run::data_cols::{ColumnSource, Columns};
use crate::run::optim;
use crate::run::pool::Pool;
use crate::run::solving::{Mode, Solving};
use crate::run::train::{StepReport, TrainConfig, Trainer};
use crate::term::interrupt::stop_requested;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes that a step may keep of the stages of its solves, if the spec leaves the choice.
const BUDGET: usize = 256 << 20;
/// Points of the loss curve that are kept.
const CURVE: u64 = 400;
/// Steps of a point where their number is not known.
const CURVE_STEPS: u64 = 50;
/// Time of one section of training between looks at the clock.
const SECTION: Duration = Duration::from_millis(60);

/// What a training came to.
#[derive(Clone, Debug)]
pub struct Trained<T> {
    /// The parameters to evaluate and to begin the next stage with.
    pub named: Named<T>,
    /// Trained numbers.
    pub parameters: u64,
    /// Steps done, and asked for.
    pub steps: (u64, u64),
    /// Curves.
    pub history: History,
    /// What its solves cost since it was begun or resumed.
    pub solver: Vec<record::SolverStatistics>,
    /// Seconds of compilation.
    pub compile: f64,
    /// What stopped it early, if something did.
    pub stopped: Option<Diagnostic>,
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

/// The value of a schedule at a step, counted from 0.
fn at_step(p: &Program, step: u64) -> Result<f64, Diagnostic> {
    let roots = [p.outputs[0].1];
    let leaf = |id| matches!(p.dag.op(id), Op::Input(_)).then(|| vec![step as f64]);
    Ok(crate::ir::eval::evaluate::<f64>(&p.dag, &roots, leaf)?[0][0])
}

/// The learning rate of a step.
fn rate(plan: &TrainPlan, step: u64) -> Result<f64, Diagnostic> {
    let rate = match &plan.rate {
        Rate::Constant(x) => *x,
        Rate::Schedule(p) => at_step(p, step)?,
    };
    Ok(rate * plan.factor.as_ref().map_or(Ok(1.0), |p| at_step(p, step))?)
}

/// The loss at draws that are never trained on.
struct Look<T: Real> {
    program: Compiled<T>,
    columns: Columns<T>,
    every: u64,
    samples: usize,
    seed: u64,
}

impl<T: Real> Look<T> {
    fn new(
        v: &Validation,
        seed: u64,
        store: &Arc<Store<T>>,
        backend: &dyn Backend<T>,
        pool: Pool,
    ) -> Result<Look<T>, Diagnostic> {
        let program = Compiled::solving(&v.objective, backend, pool)?.reading(store);
        let seed = mixed(seed, "validate");
        let mut columns = Columns::zeros(&v.objective.program.inputs, v.samples);
        if let Some(source) = coupling::source(&v.hosts, seed, "validate", store, backend)? {
            source.fill(0, &mut columns).map_err(|d| *d)?;
        }
        Ok(Look { program, columns, every: v.every, samples: v.samples, seed })
    }

    fn loss(&self, named: &Named<T>, seed: u64, stages: &[String]) -> Result<f64, Diagnostic> {
        // Rows of data come by themselves.
        let own = self.program.program().inputs.iter().enumerate().filter(|(_, d)| d.rows.is_none());
        let inputs: Vec<&[T]> = own.map(|(i, _)| self.columns.block(crate::ir::InputId(i as u32))).collect();
        let theta = gather(&self.program, named, seed, stages);
        let draw = Draw { seed: self.seed, purpose: "validate", step: 0 };
        let out = self.program.run(&theta, draw, self.samples, &inputs)?;
        let values = out.outputs.first().map(|o| o.values.as_slice()).unwrap_or_default();
        Ok(values.iter().map(|v| v.to_f64()).sum::<f64>() / self.samples as f64)
    }
}

/// How the solves of a training are made.
fn solving(plan: &TrainPlan) -> Solving {
    Solving {
        solvers: plan.solvers.clone(),
        default_solver: plan.default_solver.clone(),
        mode: match plan.gradient {
            Gradient::Auto => Mode::Exact { budget: BUDGET },
            Gradient::Backprop => Mode::Exact { budget: usize::MAX / 2 },
            Gradient::Checkpoint(n) => Mode::Snapshots(n),
            Gradient::Reversible(coupling) => Mode::Reversible { coupling },
            Gradient::Adjoint { rtol, atol } => Mode::Adjoint { rtol, atol },
        },
    }
}

/// What the solves of a training cost, for the record.
fn statistics<T: Real>(trainer: &Trainer<T>) -> Vec<record::SolverStatistics> {
    let costs = trainer.costs().into_iter();
    costs
        .map(|(method, cost)| record::SolverStatistics {
            phase: "train".to_owned(),
            solver: method,
            evaluations: cost.evaluations,
            evaluations_backward: cost.backward,
            accepted: cost.accepted,
            rejected: cost.rejected,
            per_sample: Some(record::Spread {
                min: f64::from(cost.steps_range.0),
                mean: (cost.accepted + cost.rejected) as f64 / cost.samples.max(1) as f64,
                max: f64::from(cost.steps_range.1),
            }),
            bytes: Some(cost.bytes),
            factorisations: cost.factorisations,
            stiff: (cost.stiff > 0).then_some(record::Stiff { samples: cost.stiff, first: None }),
        })
        .collect()
}

/// The trainer of a plan, with its parameters as the stage begins.
#[allow(clippy::too_many_arguments)]
pub fn trainer<T: Real>(
    plan: &TrainPlan,
    seed: u64,
    start: &Named<T>,
    store: &Arc<Store<T>>,
    stages: &[String],
    stage: usize,
    backend: &dyn Backend<T>,
    pool: Pool,
) -> Result<Trainer<T>, Diagnostic> {
    let program = optimized(&plan.objective)?;
    let loss = program.output("loss").expect("an objective's program has a loss");
    // Every stage has random numbers of its own.
    let own = if stage == 0 { seed } else { mixed(seed, &stages[stage]) };
    let begin = |c: &[crate::ir::ParamDecl]| super::cell::begin(c, start, seed, stages);
    let theta_of = |c: &Compiled<T>| begin(&c.program().params);
    let mut sources = store.sources(&program, own)?;
    sources.extend(coupling::source(&plan.hosts, own, "train", store, backend)?);
    sources.extend(rows::sources(&plan.datasets, own, backend, pool, &theta_of)?);
    let source: Option<Box<dyn ColumnSource<T>>> = if sources.is_empty() { None } else { Some(Box::new(sources)) };
    let config = TrainConfig {
        seed: own,
        batch: plan.batch,
        optimizer: rule(&plan.optimizer),
        ema: plan.ema.map(|decay| optim::Ema { decay }),
        clip: plan.clip,
    };
    let mut trainer = if crate::stage::solves(&program, loss) {
        let mut objective = crate::stage::objective(&program, loss)?;
        objective.add_jacobians(crate::solve::implicit(&plan.solvers, Some(&plan.default_solver)))?;
        Trainer::solving(&program, objective, solving(plan), backend, pool, config, source).map_err(|d| *d)?
    } else {
        let gradient = crate::stage::gradient(&program, loss)?;
        Trainer::new(&program, gradient, backend, pool, config, source).map_err(|d| *d)?
    };
    let theta = begin(&program.params);
    trainer.begin(&theta, |name| super::cell::stage_of(name, stages).is_some());
    Ok(trainer)
}

/// Trains; whatever was learned before a failure is in the result.
#[allow(clippy::too_many_arguments)]
pub fn train<T: Real>(
    plan: &TrainPlan,
    seed: u64,
    before: &Named<T>,
    store: &Arc<Store<T>>,
    backend: &dyn Backend<T>,
    pool: Pool,
    place: &Place<'_>,
    shared: &Shared<'_>,
) -> Result<Trained<T>, Diagnostic> {
    let compile = Instant::now();
    let mut start = before.clone();
    if plan.fresh {
        start.retain(|name, _| super::cell::stage_of(name, place.stages).is_some());
    }
    let mut trainer = trainer(plan, seed, &start, store, place.stages, place.stage, backend, pool)?;
    let look = plan.validation.as_ref().map(|v| Look::new(v, seed, store, backend, pool)).transpose()?;
    let compile = compile.elapsed().as_secs_f64();
    let path = place.folder.checkpoint(place.name);
    let mut history = History { timed: plan.seconds.is_some(), ..History::default() };
    if shared.resume && path.exists() {
        history = restore(&mut trainer, &path, shared)?;
        let (spent, _) = shared.forget(place, seed, trainer.steps())?;
        history.seconds = history.seconds.max(spent);
    } else if shared.resume {
        let (_, last) = shared.forget(place, seed, 0)?;
        if last > 0 {
            let name = place.name.map_or_else(String::new, |n| format!("{n}: "));
            shared.note(&format!("{name}its checkpoint is not there; trained anew from step 0"));
        }
    }
    let save = |trainer: &Trainer<T>, history: &History| {
        let state = checkpoint::Checkpoint { notes: history.to_text(), ..trainer.checkpoint(&shared.hash) };
        checkpoint::save(&path, trainer.table(), &state).map_err(|d| *d)
    };
    let named_now = |trainer: &Trainer<T>| {
        let mut named = before.clone();
        let averaged = trainer.averaged();
        let own = trainer.table().entries().iter().filter(|e| super::cell::stage_of(&e.name, place.stages).is_none());
        named.extend(own.map(|e| (e.name.clone(), averaged[e.range.clone()].to_vec())));
        named
    };
    let progress = shared.phase("train", place, trainer.steps(), plan.steps, plan.seconds);
    let (began, spent_before) = (Instant::now(), history.seconds);
    let mut saved = Instant::now();
    let mut section: u64 = 8;
    let window = if plan.seconds.is_some() { CURVE_STEPS } else { plan.steps.div_ceil(CURVE).max(1) };
    let mut reports: Vec<StepReport> = Vec::new();
    let mut stopped = None;
    let in_time = |history: &History| plan.seconds.is_none_or(|s| history.seconds < s);
    while trainer.steps() < plan.steps && in_time(&history) && !stop_requested() {
        let first = trainer.steps();
        let mut n = section.min(plan.steps - first);
        if let Some(look) = &look {
            n = n.min(look.every - first % look.every);
        }
        let rates = (first..first + n).map(|s| rate(plan, s)).collect::<Result<Vec<_>, _>>()?;
        let clock = Instant::now();
        reports.clear();
        let result = trainer.run(&rates, &mut reports);
        history.step_times.push(clock.elapsed().as_secs_f64() / n as f64);
        history.seconds = spent_before + began.elapsed().as_secs_f64();
        for r in &reports {
            history.open = (history.open.0 + r.loss, history.open.1 + 1);
            progress.step(if plan.seconds.is_some() { history.seconds as u64 } else { r.step }, r.loss);
            if r.step % window == 0 || r.step == plan.steps {
                let mean = history.open.0 / history.open.1 as f64;
                history.loss.push((r.step, mean));
                shared.line(&json!({
                    "event": "loss", "cell": place.name, "seed": seed, "step": r.step, "loss": mean,
                    "gradient_norm": r.gradient_norm, "seconds": history.seconds,
                }))?;
                history.open = (0.0, 0);
            }
        }
        if let Err(d) = result {
            stopped = Some(*d);
            break;
        }
        if let Some(look) = look.as_ref().filter(|l| trainer.steps() % l.every == 0 || trainer.steps() == plan.steps) {
            let loss = look.loss(&named_now(&trainer), seed, place.stages)?;
            history.validation.push((trainer.steps(), loss));
            shared.line(&json!({
                "event": "validation", "cell": place.name, "seed": seed, "step": trainer.steps(), "loss": loss,
            }))?;
        }
        // Sections long enough to cost nothing, short enough for progress and Ctrl-C.
        let spent = clock.elapsed().max(Duration::from_micros(50));
        let ideal = (n as f64 * SECTION.as_secs_f64() / spent.as_secs_f64()) as u64;
        section = ideal.clamp(1, 4096).min(section * 4);
        if saved.elapsed() > shared.checkpoint_every {
            save(&trainer, &history)?;
            shared.keep_time()?;
            saved = Instant::now();
        }
    }
    drop(progress);
    save(&trainer, &history)?;
    let in_full = stopped.is_none() && !in_time(&history);
    let planned = if in_full || plan.seconds.is_some() { trainer.steps() } else { plan.steps };
    Ok(Trained {
        named: named_now(&trainer),
        parameters: trained_numbers(&trainer, place.stages),
        steps: (trainer.steps(), planned),
        history,
        solver: statistics(&trainer),
        compile,
        stopped,
    })
}

fn trained_numbers<T: Real>(trainer: &Trainer<T>, stages: &[String]) -> u64 {
    let own = trainer.table().entries().iter().filter(|e| super::cell::stage_of(&e.name, stages).is_none());
    own.map(|e| e.range.len() as u64).sum()
}

/// Takes up a checkpoint; its history.
fn restore<T: Real>(
    trainer: &mut Trainer<T>,
    path: &std::path::Path,
    shared: &Shared<'_>,
) -> Result<History, Diagnostic> {
    let state = checkpoint::load::<T>(path, trainer.table()).map_err(|d| *d)?;
    if state.spec != shared.hash {
        let message = format!("the spec was changed since the checkpoint `{}` was written", path.display());
        return Err(Diagnostic::bare(Code::BadCheckpoint, message)
            .help("put the old text back into spec.flow of the run folder, or run the new one from its start"));
    }
    trainer.restore(&state).map_err(|d| *d)?;
    History::from_text(&state.notes).ok_or_else(|| {
        let message = format!("the checkpoint `{}` has a history that cannot be read", path.display());
        Diagnostic::bare(Code::BadCheckpoint, message).help(checkpoint::CURE)
    })
}
