//! Training: many steps of one objective inside one parallel section.
//!
//! A [`GradientPlan`], a back end and a [`TrainConfig`] -> a [`Trainer`], whose [`Trainer::run`] takes learning rates and makes
//! as many steps. A step is
//!
//! ```text
//! slots     draws, columns, tiles -> loss and partial sums of each slot, slot by slot      barrier
//! reduce    slots -> gradient and its squares, by shards                                   barrier
//! update    optimizer, average, parameters -> what tiles read, by shards                   barrier
//! ```
//!
//! Invariants: the samples of a slot and the elements of a shard depend on the batch size and the parameters only, a slot is
//! summed by one worker in the order of its samples, and everything else is elementwise or a fixed tree, so bits do not
//! depend on the number of threads; nothing is allocated or locked inside a step of one unit (but for a prologue that computes,
//! and columns from outside); parameters change only after loss and gradient were found finite. Deliberately absent: schedules,
//! what happens between sections.

use super::Real;
use super::buffer::Aligned;
use super::checkpoint::Checkpoint;
use super::data_cols::{ColumnSource, Columns};
use super::failure::Failed;
use super::feed::Feeds;
use super::init::initial;
use super::objective::Objective;
use super::optim::{Ema, Optimizer};
use super::params::ParamTable;
use super::parts::Part;
use super::pool::Pool;
use super::shares::{alone, chunk_size, shards, slots};
use super::solving::{Cost, Solving};
use super::step::{Bench, Broken, SHARDS, Section, Shared, Work, internal};
use super::theta::{GradientMap, ThetaMap};
use crate::backend::{Backend, LANES, SharedMut};
use crate::diag::{Code, Diagnostic};
use crate::ir::{InputDecl, Program};
use crate::rng::Key;
use crate::stage::{GradientPlan, ObjectivePlan, Prologue};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, PoisonError, RwLock};

/// What training is told besides its program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainConfig {
    /// Keys every random number.
    pub seed: u64,
    /// Samples of a step.
    pub batch: usize,
    /// How parameters follow the gradient.
    pub optimizer: Optimizer,
    /// Whether and how parameters are averaged.
    pub ema: Option<Ema>,
    /// The greatest norm of a gradient.
    pub clip: Option<f64>,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// Its number, from 1.
    pub step: u64,
    /// Mean loss of the batch, before the update.
    pub loss: f64,
    /// Euclidean norm of the gradient, before clipping.
    pub gradient_norm: f64,
}

/// A training run between sections.
pub struct Trainer<T: Real> {
    config: TrainConfig,
    pool: Pool,
    workers: usize,
    table: ParamTable,
    work: Work<T>,
    prologue: Prologue,
    gradient_map: GradientMap,
    inputs: Vec<InputDecl>,
    source: Option<Box<dyn ColumnSource<T>>>,
    slots: Vec<Range<usize>>,
    shards: Vec<usize>,
    key: Key,
    step: u64,
    theta: Aligned<T>,
    /// Elements that follow the gradient, ascending.
    moving: Vec<Range<usize>>,
    memory: Vec<Aligned<T>>,
    ema: Option<Aligned<T>>,
    buffers: Buffers<T>,
    benches: Vec<Mutex<Bench<T>>>,
}

/// What workers share within a step.
struct Buffers<T> {
    /// For each part of the work.
    parts: Vec<PartBuffers<T>>,
    sums: Aligned<T>,
    gradient: Aligned<T>,
    losses: Vec<f64>,
    squares: Vec<f64>,
    claims: Vec<AtomicU64>,
    joined: Vec<AtomicBool>,
    nothing: Aligned<T>,
    failures: Vec<Mutex<Option<Failed>>>,
    columns: Vec<RwLock<Columns<T>>>,
}

struct PartBuffers<T> {
    packed: Aligned<T>,
    gathered: Aligned<T>,
    slots: Aligned<T>,
    slot_len: usize,
    /// Elements of the sums.
    sums: Range<usize>,
}

/// What to train, from `stage`.
enum Plan<T: Real> {
    Unit(GradientPlan),
    Objective(Box<Objective<T>>, ObjectivePlan),
}

impl<T: Real> Trainer<T> {
    /// Compiles the objective and draws the initial parameters. `source` gives the columns of the program's inputs (all but
    /// the sample weight of the plan); it may be `None` if there are none.
    ///
    /// # Errors
    /// `E9999` if the plan does not fit the program or breaks an invariant of the back end.
    pub fn new(
        program: &Program,
        plan: GradientPlan,
        backend: &dyn Backend<T>,
        pool: Pool,
        config: TrainConfig,
        source: Option<Box<dyn ColumnSource<T>>>,
    ) -> Result<Trainer<T>, Box<Diagnostic>> {
        Self::build(program, Plan::Unit(plan), backend, pool, config, source)
    }

    /// As [`Trainer::new`], of an objective that solves.
    ///
    /// # Errors
    /// As there.
    pub fn solving(
        program: &Program,
        mut plan: ObjectivePlan,
        solving: Solving,
        backend: &dyn Backend<T>,
        pool: Pool,
        config: TrainConfig,
        source: Option<Box<dyn ColumnSource<T>>>,
    ) -> Result<Trainer<T>, Box<Diagnostic>> {
        let chunk = chunk_size(config.batch);
        let objective = Objective::new(program, &mut plan, solving, chunk, backend, pool)?;
        Self::build(program, Plan::Objective(Box::new(objective), plan), backend, pool, config, source)
    }

    fn build(
        program: &Program,
        plan: Plan<T>,
        backend: &dyn Backend<T>,
        pool: Pool,
        config: TrainConfig,
        source: Option<Box<dyn ColumnSource<T>>>,
    ) -> Result<Trainer<T>, Box<Diagnostic>> {
        let table = ParamTable::new(&program.params);
        if config.batch == 0 || (source.is_none() && !program.inputs.is_empty()) {
            return Err(internal("training needs samples, and a source for every column it reads"));
        }
        let (work, prologue, cotangents, epilogue) = match plan {
            Plan::Unit(plan) => {
                let part = Part::new("train", &plan.unit, ThetaMap::new(&plan.unit, &plan.prologue, &table), backend)?;
                let layout = part.kernel.layout();
                let feeds = Feeds::new(program, &plan, &layout.input_row, &layout.output_row)?;
                (Work::Unit(part, feeds), plan.prologue, plan.cotangents, plan.epilogue)
            }
            Plan::Objective(objective, plan) => {
                // Sums stand in the order of parts; the parts of a forward pass have none.
                let cotangents = plan.transposes.iter().flat_map(|t| t.cotangents().to_vec()).collect();
                (Work::Objective(objective), plan.prologue, cotangents, plan.epilogue)
            }
        };
        let gradient_map = GradientMap::new(&prologue, &cotangents, epilogue, &table)?;
        let (slots, shards) = (slots(config.batch), shards(&table));
        let workers = if alone(work.flops(), config.batch) { 1 } else { pool.threads().min(slots.len()) };
        let theta = Aligned::of(&initial::<T>(&program.params, config.seed));
        let mut at = 0;
        let parts: Vec<PartBuffers<T>> = work
            .parts()
            .into_iter()
            .map(|(kernel, theta_map)| {
                let layout = kernel.layout();
                // Whole cache lines, so that slots of two workers share none.
                let slot_len = layout.slot_len.next_multiple_of(64 / size_of::<T>());
                at += layout.sums_len;
                PartBuffers {
                    packed: Aligned::zeros(layout.packed_len),
                    gathered: Aligned::zeros(if theta_map.is_identity() { 0 } else { layout.theta_len }),
                    slots: Aligned::zeros(slot_len * slots.len()),
                    slot_len,
                    sums: at - layout.sums_len..at,
                }
            })
            .collect();
        let gradient_map = match parts.iter().filter(|p| !p.sums.is_empty()).count() {
            0 | 1 => gradient_map,
            _ => gradient_map.in_pieces(table.len()),
        };
        let joined_len = match &work {
            Work::Unit(part, _) if part.kernel.joins_slots() && slots.len() > 1 => {
                if slots.iter().all(|s| s.len() <= LANES) { parts[0].slot_len } else { 0 }
            }
            Work::Unit(..) | Work::Objective(_) => 0,
        };
        let is_identity = matches!(gradient_map, GradientMap::Identity);
        let buffers = Buffers {
            parts,
            sums: Aligned::zeros(at),
            gradient: Aligned::zeros(if is_identity { 0 } else { table.len() }),
            losses: vec![0.0; slots.len()],
            squares: vec![0.0; SHARDS],
            claims: slots.iter().map(|_| AtomicU64::new(0)).collect(),
            joined: slots.iter().map(|_| AtomicBool::new(false)).collect(),
            nothing: Aligned::of(&vec![T::from_f64(-0.0); joined_len]),
            failures: slots.iter().map(|_| Mutex::new(None)).collect(),
            columns: match source {
                Some(_) => (0..workers).map(|_| RwLock::new(Columns::zeros(&program.inputs, config.batch))).collect(),
                None => Vec::new(),
            },
        };
        let chunk = chunk_size(config.batch).min(config.batch.next_multiple_of(LANES));
        let bench = || match &work {
            Work::Unit(part, _) => {
                let layout = part.kernel.layout();
                Bench::Tile {
                    inputs: Aligned::zeros(layout.input_rows * LANES),
                    outputs: Aligned::zeros(layout.output_rows * LANES),
                    scratch: Aligned::zeros(layout.scratch_len),
                }
            }
            Work::Objective(objective) => Bench::Chunk(Box::new(objective.bench(chunk, workers))),
        };
        Ok(Trainer {
            config,
            pool,
            workers,
            memory: config.optimizer.memory().iter().map(|_| Aligned::zeros(table.len())).collect(),
            ema: config.ema.map(|_| Aligned::of(&theta)),
            moving: std::iter::once(0..table.len()).collect(),
            table,
            prologue,
            gradient_map,
            inputs: program.inputs.clone(),
            source,
            slots,
            shards,
            key: Key::new(config.seed, "train"),
            step: 0,
            theta,
            buffers,
            benches: (0..workers).map(|_| Mutex::new(bench())).collect(),
            work,
        })
    }

    /// Makes one step for each learning rate and appends what each did to `reports`.
    ///
    /// # Errors
    /// `E0701` if a loss or a gradient is not finite: the parameters are those before that step, which is not reported.
    /// Whatever the source of columns reports.
    pub fn run(&mut self, rates: &[f64], reports: &mut Vec<StepReport>) -> Result<(), Box<Diagnostic>> {
        let (first, before) = (self.step, reports.len());
        self.buffers.claims.iter_mut().for_each(|c| *c.get_mut() = 0);
        self.buffers.failures.iter_mut().for_each(|f| *f = Mutex::new(None));
        let sums = SharedMut::new(&mut self.buffers.sums);
        let parts = self.work.parts().into_iter().zip(&mut self.buffers.parts);
        let parts = parts
            .map(|((kernel, theta_map), buffers)| Shared {
                kernel,
                theta_map,
                packed: SharedMut::new(&mut buffers.packed),
                gathered: SharedMut::new(&mut buffers.gathered),
                slots: SharedMut::new(&mut buffers.slots),
                slot_len: buffers.slot_len,
                sums: sums.part(buffers.sums.clone()),
            })
            .collect();
        let section = Section {
            config: &self.config,
            first,
            rates,
            table: &self.table,
            work: &self.work,
            parts,
            prologue: &self.prologue,
            gradient_map: &self.gradient_map,
            failures: &self.buffers.failures,
            shards: &self.shards,
            source: self.source.as_deref(),
            slot_samples: &self.slots,
            key: self.key,
            moving: &self.moving,
            theta: SharedMut::new(&mut self.theta),
            memory: self.memory.iter_mut().map(|m| SharedMut::new(m)).collect(),
            ema: self.ema.as_mut().map(|e| SharedMut::new(e)),
            sums,
            gradient: SharedMut::new(&mut self.buffers.gradient),
            losses: SharedMut::new(&mut self.buffers.losses),
            squares: SharedMut::new(&mut self.buffers.squares),
            claims: &self.buffers.claims,
            joined: &self.buffers.joined,
            nothing: &self.buffers.nothing,
            columns: &self.buffers.columns,
            inputs: self.inputs.len(),
        };
        reports.reserve(rates.len());
        let sink = Mutex::new(reports);
        let benches = &self.benches;
        let ended = self.pool.run(self.workers, |worker| {
            let mut bench = benches[worker.index()].lock().unwrap_or_else(PoisonError::into_inner);
            let mut reports = (worker.index() == 0).then(|| sink.lock().unwrap_or_else(PoisonError::into_inner));
            section.begin(worker)?;
            for i in 0..rates.len() {
                match section.step(worker, i, &mut bench)? {
                    Ok(report) => reports.iter_mut().for_each(|r| r.push(report)),
                    Err(broken) => return Ok(Some(broken)),
                }
                if i + 1 < rates.len() {
                    section.go_on(worker, i + 1)?;
                }
            }
            Ok(None)
        });
        let reports = sink.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.step = first + (reports.len() - before) as u64;
        match ended?.swap_remove(0) {
            None => Ok(()),
            Some(Broken::Loss(loss)) => Err(self.not_finite(format!("the loss of step {} is {loss}", self.step + 1))),
            Some(Broken::Solve(failure)) => Err(failure),
            Some(Broken::Gradient) => Err(self.not_finite(self.name_gradient())),
        }
    }

    /// Begins with these parameters instead of the drawn ones; those whose name `held` accepts stay as they are.
    ///
    /// # Panics
    /// If there are not as many as the program has.
    pub fn begin(&mut self, theta: &[T], held: impl Fn(&str) -> bool) {
        self.theta.copy_from_slice(theta);
        if let Some(ema) = &mut self.ema {
            ema.copy_from_slice(theta);
        }
        let free = self.table.entries().iter().filter(|e| !held(&e.name)).map(|e| e.range.clone());
        self.moving = free.fold(Vec::new(), |mut all: Vec<Range<usize>>, r| {
            match all.last_mut() {
                Some(last) if last.end == r.start => last.end = r.end,
                _ => all.push(r),
            }
            all
        });
    }

    fn not_finite(&self, what: String) -> Box<Diagnostic> {
        let note = format!("the parameters are kept as they were after step {}", self.step);
        let d = Diagnostic::bare(Code::NonFiniteLoss, what).note(note);
        Box::new(d.help("lower the learning rate, e.g. `adam(lr: 1e-4)`, or bound gradients with `clip: 1` in `train`"))
    }

    /// Which gradient is not finite.
    fn name_gradient(&self) -> String {
        let (gradient, step) = (self.gradient(), self.step + 1);
        match gradient.iter().position(|g| !g.to_f64().is_finite()) {
            Some(at) => {
                let value = gradient[at].to_f64();
                format!("the gradient of `{}` at step {step} is {value}", self.table.owner(at).name)
            }
            None => format!("the norm of the gradient at step {step} overflows"),
        }
    }

    /// Steps done.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Threads that a step uses.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Where parameters lie in the flat vectors.
    #[must_use]
    pub fn table(&self) -> &ParamTable {
        &self.table
    }

    /// What each solve of the objective cost since the run began, under the name of its method, in the order of the plan.
    /// Bytes are those of all threads together.
    #[must_use]
    pub fn costs(&self) -> Vec<(String, Cost)> {
        let Work::Objective(objective) = &self.work else { return Vec::new() };
        let mut total = objective.methods().map(|name| (name.to_owned(), Cost::default())).collect::<Vec<_>>();
        for bench in &self.benches {
            if let Bench::Chunk(bench) = &*bench.lock().unwrap_or_else(PoisonError::into_inner) {
                total.iter_mut().zip(&bench.costs).for_each(|((_, t), c)| *t = t.with(*c));
            }
        }
        let threads = self.workers as u64;
        for (_, cost) in &mut total {
            cost.bytes = (cost.bytes.0 * threads, cost.bytes.1 * threads);
        }
        total
    }

    /// Floating-point operations of a step, by the back end's count, without the update. Spans of solves count as of
    /// length 1, and steps under error control are a guess.
    #[must_use]
    pub fn flops(&self) -> u64 {
        self.work.flops() * self.config.batch as u64
    }

    /// The gradient of the last step, before clipping; flat as the parameters.
    #[must_use]
    pub fn gradient(&self) -> &[T] {
        match self.gradient_map {
            GradientMap::Identity => &self.buffers.sums,
            GradientMap::Pieces(_) | GradientMap::Epilogue { .. } => &self.buffers.gradient,
        }
    }

    /// Bytes of parameters, their companions and buffers, and the most that tapes of solves kept so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let b = &self.buffers;
        let kept = self.memory.iter().chain(&self.ema).map(|v| v.len()).sum::<usize>() + self.theta.len();
        let parts = b.parts.iter().map(|p| p.packed.len() + p.gathered.len() + p.slots.len()).sum::<usize>();
        let step = parts + b.sums.len() + b.gradient.len();
        let bench = |m: &Mutex<Bench<T>>| m.lock().unwrap_or_else(PoisonError::into_inner).len();
        let width = |d: &InputDecl| d.shape.iter().product::<usize>();
        let columns = b.columns.len() * self.config.batch * self.inputs.iter().map(width).sum::<usize>();
        let numbers = kept + step + columns + self.benches.iter().map(bench).sum::<usize>();
        let tapes: u64 = self.costs().iter().map(|(_, c)| c.bytes.0).sum();
        (numbers * size_of::<T>()) as u64 + tapes
    }

    /// Inputs of the program, for sources of columns.
    #[must_use]
    pub fn inputs(&self) -> &[InputDecl] {
        &self.inputs
    }

    /// The parameters, flat.
    #[must_use]
    pub fn theta(&self) -> &[T] {
        &self.theta
    }

    /// The averaged parameters; the parameters themselves if they are not averaged.
    #[must_use]
    pub fn averaged(&self) -> &[T] {
        self.ema.as_deref().unwrap_or(&self.theta)
    }

    /// Everything needed to go on later, under the hash of the spec's text.
    #[must_use]
    pub fn checkpoint(&self, spec: &str) -> Checkpoint<T> {
        let names = self.config.optimizer.memory().iter();
        Checkpoint {
            spec: spec.to_owned(),
            seed: self.config.seed,
            step: self.step,
            theta: self.theta.to_vec(),
            ema: self.ema.as_ref().map(|e| e.to_vec()),
            memory: names.zip(&self.memory).map(|(name, m)| ((*name).to_owned(), m.to_vec())).collect(),
            notes: String::new(),
        }
    }

    /// Goes on from a checkpoint; the steps that follow have the bits they would have had without the interruption.
    ///
    /// # Errors
    /// `E0804` if the checkpoint is of another seed, optimizer or layout; nothing has changed then.
    pub fn restore(&mut self, checkpoint: &Checkpoint<T>) -> Result<(), Box<Diagnostic>> {
        let bad = |why: String| {
            let message = format!("the checkpoint does not belong to this run: {why}");
            let d = Diagnostic::bare(Code::BadCheckpoint, message);
            Err(Box::new(d.help("resume with the spec and the seed that made it, or start a new run")))
        };
        if checkpoint.seed != self.config.seed {
            return bad(format!("its seed is {}, the run's is {}", checkpoint.seed, self.config.seed));
        }
        let own = self.config.optimizer.memory();
        let theirs: Vec<&str> = checkpoint.memory.iter().map(|(name, _)| name.as_str()).collect();
        if own != theirs.as_slice() {
            return bad(format!("its optimizer keeps {theirs:?}, the run's keeps {own:?}"));
        }
        if checkpoint.ema.is_some() != self.ema.is_some() {
            return bad("only one of the two averages its parameters".to_owned());
        }
        let n = self.table.len();
        let vectors = || checkpoint.memory.iter().map(|(_, v)| v).chain(&checkpoint.ema);
        if checkpoint.theta.len() != n || vectors().any(|v| v.len() != n) {
            return bad(format!("it has not {n} parameters"));
        }
        self.theta.copy_from_slice(&checkpoint.theta);
        for (own, (_, v)) in self.memory.iter_mut().zip(&checkpoint.memory) {
            own.copy_from_slice(v);
        }
        if let (Some(own), Some(v)) = (&mut self.ema, &checkpoint.ema) {
            own.copy_from_slice(v);
        }
        self.step = checkpoint.step;
        Ok(())
    }
}
