//! Runs a plan: every arm with every seed, from training to the record of results.
//!
//! `plan::RunPlan` + a back end + a run folder -> `report::RunRecord`. The folder is usable at every moment: what is done is
//! in `metrics.jsonl`, checkpoints are written as training goes on, and an interrupted or failed run still gets its report.
//! Deliberately absent: the language, HTML, argument parsing.

mod averages;
mod cell;
mod coupling;
mod distances;
mod measure;
mod pictures;
mod probe;
mod programs;
mod reuse;
mod rows;
mod schedule;
mod sessions;
mod sets;
mod shared;
mod state;
mod train;

pub use coupling::source as pairs;
pub use sets::Store;
pub use state::History;

use crate::backend::{Backend, Precision};
use crate::codegen::Jit;
use crate::diag::{Code, Diagnostic};
use crate::folder::RunFolder;
use crate::interp::Interp;
use crate::kernels::Isa;
use crate::plan::expect::Part;
use crate::plan::{Arm, RunPlan, published};
use crate::report::record::{self, RunRecord};
use crate::report::summary;
use crate::run::Real;
use crate::run::checkpoint::spec_hash;
use crate::run::pool::Pool;
use crate::source::Span;
use crate::term::Progress;
use crate::term::interrupt::stop_requested;
use std::time::{Duration, Instant};

pub use reuse::{Drawn, Finished, Prediction, Wanted, evaluate, predict};
use shared::Shared;

/// Time between checkpoints, unless a run says otherwise.
pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(20);

/// A seed for something of its own: keyed by name, so that it does not depend on what else there is.
fn mixed(seed: u64, name: &str) -> u64 {
    let hash = blake3::hash(format!("{seed} {name}").as_bytes());
    u64::from_le_bytes(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes"))
}

/// Which back end evaluates programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Native code for an instruction set.
    Jit(Isa),
    /// The plain interpreter.
    Interp,
}

/// How to run, whatever the plan.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The back end.
    pub engine: Engine,
    /// Threads.
    pub pool: Pool,
}

/// What is known before the first step, for the record.
#[derive(Clone, Debug)]
pub struct Header {
    /// The spec's name without ending.
    pub name: String,
    /// The spec's path as given.
    pub file: String,
    /// The spec's text.
    pub text: String,
    /// The command that repeats the run.
    pub reproduce: String,
}

/// What a run does beside its plan.
#[derive(Clone, Debug)]
pub struct Keeping {
    /// Time between checkpoints.
    pub checkpoint_every: Duration,
    /// What was set on the command line, one line each: a checkpoint belongs to a spec with its settings.
    pub settings: String,
}

impl Default for Keeping {
    fn default() -> Keeping {
        Keeping { checkpoint_every: CHECKPOINT_EVERY, settings: String::new() }
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// Everything that is known.
    pub record: RunRecord,
    /// What stopped it, if it did not come to its end; of cells that failed, the first.
    pub failure: Option<Diagnostic>,
    /// Of cells that failed, the others; those that failed alike are one.
    pub others: Vec<Diagnostic>,
}

/// Runs every cell of the plan, then judges the expectations.
pub fn run(
    plan: &RunPlan,
    header: &Header,
    folder: &RunFolder,
    options: Options,
    progress: &mut Progress,
    text: &dyn Fn(Span) -> String,
) -> Ended {
    run_keeping(plan, header, folder, options, &Keeping::default(), progress, text)
}

/// [`run`], with a say in what is kept. A folder that was opened again goes on where it was stopped.
pub fn run_keeping(
    plan: &RunPlan,
    header: &Header,
    folder: &RunFolder,
    options: Options,
    keeping: &Keeping,
    progress: &mut Progress,
    text: &dyn Fn(Span) -> String,
) -> Ended {
    match plan.precision {
        Precision::F32 => run_in::<f32>(plan, header, folder, options, keeping, progress, text),
        Precision::F64 => run_in::<f64>(plan, header, folder, options, keeping, progress, text),
    }
}

fn run_in<T: Real>(
    plan: &RunPlan,
    header: &Header,
    folder: &RunFolder,
    options: Options,
    keeping: &Keeping,
    progress: &mut Progress,
    text: &dyn Fn(Span) -> String,
) -> Ended
where
    Jit: Backend<T>,
    Interp: Backend<T>,
{
    let began = Instant::now();
    // A run that is at its end stays as it is.
    let cells = plan.arms.len() * plan.seeds.len();
    let last = sessions::record(folder).filter(|r| sessions::at_its_end(r, cells));
    if let Some(record) = last.filter(|_| schedule::all_kept(plan, folder)) {
        return Ended { record, failure: None, others: vec![] };
    }
    let mut record = RunRecord {
        schema: record::SCHEMA,
        name: header.name.clone(),
        spec_file: header.file.clone(),
        spec: header.text.clone(),
        flowc: env!("CARGO_PKG_VERSION").to_owned(),
        id: folder.id().to_owned(),
        started: crate::folder::utc(std::time::SystemTime::now()),
        precision: match plan.precision {
            Precision::F32 => "f32",
            Precision::F64 => "f64",
        }
        .to_owned(),
        seeds: plan.seeds.clone(),
        axes: plan.axes.iter().map(|a| record::Axis { name: a.name.clone(), labels: a.labels.clone() }).collect(),
        environment: environment(options),
        reproduce: header.reproduce.clone(),
        pictures: plan.pictures.clone(),
        ..RunRecord::default()
    };
    let hash = spec_hash(&format!("{}\n{}", header.text, keeping.settings));
    let (mut lost, mut seconds) = (Vec::new(), None);
    let failure = match Shared::new(folder, hash, keeping.checkpoint_every, progress) {
        Err(e) => Some(e),
        Ok(shared) => {
            let jit;
            let interp;
            let backend: &dyn Backend<T> = match options.engine {
                Engine::Jit(isa) => {
                    jit = Jit::new(isa);
                    &jit
                }
                Engine::Interp => {
                    interp = Interp;
                    &interp
                }
            };
            let done = schedule::run(plan, backend, options.pool, &shared);
            record.cells = done.cells;
            lost = together(done.lost);
            publish(plan, &mut record);
            record.started.clone_from(&shared.started);
            seconds = Some(shared.seconds());
            done.failure.or_else(|| shared.keep_time().err())
        }
    };
    record.interrupted = stop_requested() && failure.is_none();
    record.failed = failure.as_ref().map(schedule::failure);
    // The same spec has the same bits: what a cell failed of, it fails of again, unless a file was at fault.
    let again = lost.iter().any(|d| d.code == Code::BadCheckpoint);
    let open = record.interrupted || failure.is_some() || again;
    // Nobody goes on in a folder that was removed.
    let there = folder.file("spec.flow").is_file();
    record.resume = (open && there).then(|| format!("flowc run --resume {}", folder.path().display()));
    record.expectations = expectations(plan, &record, text);
    record.seconds = seconds.unwrap_or_else(|| began.elapsed().as_secs_f64());
    let mut faults = failure.into_iter().chain(lost);
    Ended { record, failure: faults.next(), others: faults.collect() }
}

/// Faults of cells, those that differ in cell and numbers alone told once.
fn together(lost: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut all: Vec<(Diagnostic, Vec<String>)> = Vec::new();
    for d in lost {
        let like = |o: &Diagnostic| (o.code, &o.primary, &o.help) == (d.code, &d.primary, &d.help);
        match all.iter_mut().find(|(o, _)| like(o)) {
            Some((_, more)) => more.push(d.message),
            None => all.push((d, vec![])),
        }
    }
    let told = |(d, more): (Diagnostic, Vec<String>)| match more.as_slice() {
        [] => d,
        [one] => d.note(format!("and {one}")),
        [one, rest @ ..] => d.note(format!("and {one}; {} more cells failed so", rest.len())),
    };
    all.into_iter().map(told).collect()
}

/// A name for a cell's files and progress; nothing if there is only one cell.
fn cell_name(plan: &RunPlan, arm: &Arm, seed: u64) -> Option<String> {
    let mut parts = arm.labels.clone();
    if plan.seeds.len() > 1 {
        parts.push(format!("seed {seed}"));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Puts what papers say beside the results.
fn publish(plan: &RunPlan, record: &mut RunRecord) {
    for cell in &mut record.cells {
        for m in &mut cell.metrics {
            m.published = published::of(&plan.published, &m.name, &cell.labels).map(|p| record::Published {
                value: p.value,
                spread: p.spread,
                origin: p.origin.clone(),
            });
        }
    }
}

fn expectations(plan: &RunPlan, record: &RunRecord, text: &dyn Fn(Span) -> String) -> Vec<record::Expectation> {
    let arms = summary::arms(record);
    let rows = summary::rows(&arms);
    // The standard error that is printed: over seeds, if there are several.
    let error = |metric: &str, labels: &[String]| {
        let of = &rows.iter().find(|r| r.metric.name == metric)?.arms;
        let chosen = arms.iter().zip(of).filter(|(a, _)| labels.iter().all(|l| a.cells[0].labels.contains(l)));
        let errors: Option<Vec<f64>> = chosen.map(|(_, s)| s.map(|s| s.error.unwrap_or(f64::NAN))).collect();
        errors.filter(|e| !e.is_empty()).map(|e| e.iter().sum::<f64>() / e.len() as f64)
    };
    // What some cell that is meant does not have is open.
    let planned = |labels: &[String]| {
        let arms = plan.arms.iter().filter(|a| labels.iter().all(|l| a.labels.contains(l)));
        arms.count() * plan.seeds.len()
    };
    let value = |metric: &str, labels: &[String], part: Part| {
        let measured = |c: &&record::Cell| c.metrics.iter().any(|m| m.name == metric);
        let meant = record.cells.iter().filter(|c| labels.iter().all(|l| c.labels.contains(l)));
        if meant.filter(measured).count() < planned(labels) {
            return None;
        }
        let cells = record.cells.iter().filter(|c| labels.iter().all(|l| c.labels.contains(l)));
        let one = |m: &record::Metric| match part {
            Part::Value => Some(m.value),
            // What a finished arm does not have is no number: the comparison fails.
            Part::Floor => Some(m.floor.unwrap_or(f64::NAN)),
            Part::Error => None,
            Part::Published => m.published.as_ref().map(|p| p.value),
        };
        let values: Option<Vec<f64>> =
            cells.map(|c| c.metrics.iter().find(|m| m.name == metric).and_then(one)).collect();
        match part {
            Part::Error => error(metric, labels),
            _ => values.filter(|v| !v.is_empty()).map(|v| v.iter().sum::<f64>() / v.len() as f64),
        }
    };
    plan.expects
        .iter()
        .map(|e| match e.evaluate(&value, text) {
            Some(o) => {
                record::Expectation { text: o.text, holds: Some(o.holds), left: Some(o.left), right: Some(o.right) }
            }
            None => record::Expectation { text: e.text.clone(), holds: None, left: None, right: None },
        })
        .collect()
}

fn environment(options: Options) -> record::Environment {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|t| {
        t.lines().find_map(|l| l.strip_prefix("model name").map(|r| r.trim_start_matches([' ', '\t', ':']).to_owned()))
    });
    record::Environment {
        cpu: cpu.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        isa: match options.engine {
            Engine::Jit(isa) => isa.name().to_owned(),
            Engine::Interp => "interpreter".to_owned(),
        },
        threads: options.pool.threads(),
        os: std::env::consts::OS.to_owned(),
    }
}
