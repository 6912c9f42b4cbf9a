//! Which cells run when: in the order of the plan, or several at once on a thread each.
//!
//! A plan -> tasks. A task is a seed with all arms that share a training, its stages in order: what is equal is trained once.
//! Tasks share nothing, so they run side by side wherever there are enough of them; a cell's bits depend on neither. Deliberately
//! absent: what a cell does.

use super::cell::{self, After, Known, Place};
use super::cell_name;
use super::programs::Programs;
use super::sets::Store;
use super::shared::Shared;
use crate::backend::Backend;
use crate::diag::{Code, Diagnostic};
use crate::folder::RunFolder;
use crate::plan::{Arm, RunPlan, TrainPlan};
use crate::report::record::{Cell, Failure};
use crate::run::Real;
use crate::run::pool::Pool;
use crate::term::interrupt::stop_requested;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Everything that decides what a training comes to, but for seed and stage.
pub fn fingerprint(plan: &TrainPlan) -> String {
    let program = |p: &crate::ir::Program| {
        let inits: Vec<String> = p.params.iter().map(|d| format!("{:?}", d.init)).collect();
        format!("{}{}{:?}", crate::ir::print::program(p), inits.join(","), p.inputs)
    };
    let mut text = program(&plan.objective);
    for h in &plan.hosts {
        text += &format!("{:?} {} {}", h.kind, program(&h.programs.0), program(&h.programs.1));
    }
    for d in &plan.datasets {
        text += &format!("{} {} {} {:?} {:?}", d.site, d.count, program(&d.program), d.solvers, d.default_solver);
    }
    let rate = match &plan.rate {
        crate::plan::Rate::Constant(x) => format!("{x:?}"),
        crate::plan::Rate::Schedule(p) => program(p),
    };
    let factor = plan.factor.as_ref().map(program);
    let validation = plan.validation.as_ref().map(|v| (program(&v.objective.program), v.every, v.samples));
    text += &format!(
        "{rate} {factor:?} {validation:?} {:?} {} {} {:?}",
        plan.optimizer, plan.batch, plan.steps, plan.seconds
    );
    text += &format!("{} {:?} {:?}", plan.fresh, plan.ema, plan.clip);
    text += &format!("{:?} {:?} {:?}", plan.solvers, plan.default_solver, plan.gradient);
    blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
}

/// A seed with arms (indices into the plan, ascending) that share trainings.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Task {
    seed: u64,
    arms: Vec<usize>,
}

/// The tasks of a plan, in the order of their first cell.
fn tasks(plan: &RunPlan) -> Vec<Task> {
    // Chains of stages, grouped by the first training.
    let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
    let starts: Vec<usize> = (0..plan.arms.len()).filter(|&i| plan.arms[i].stage.is_none_or(|s| s == 0)).collect();
    for (k, &i) in starts.iter().enumerate() {
        let arms = i..starts.get(k + 1).copied().unwrap_or(plan.arms.len());
        // Without training there is nothing to share.
        let key = plan.arms[i].train.as_ref().map_or_else(|| format!("arm {i}"), fingerprint);
        match groups.iter_mut().find(|(k, _)| *k == key) {
            Some((_, all)) => all.extend(arms),
            None => groups.push((key, arms.collect())),
        }
    }
    groups
        .into_iter()
        .flat_map(|(_, arms)| plan.seeds.iter().map(move |&seed| Task { seed, arms: arms.clone() }))
        .collect()
}

/// Whether everything that a run at its end has written of its cells is there.
pub fn all_kept(plan: &RunPlan, folder: &RunFolder) -> bool {
    let name = |t: &Task, i: usize| cell_name(plan, &plan.arms[i], t.seed);
    let shown = |t: &Task| t.arms.iter().all(|&i| folder.file(&folder.cell(name(t, i).as_deref())).is_file());
    tasks(plan).iter().all(|t| shown(t) && kept(plan, folder, t))
}

/// Whether the trainings of a task have their checkpoints: arms that share one have the first one's.
fn kept(plan: &RunPlan, folder: &RunFolder, task: &Task) -> bool {
    let mut seen: Vec<String> = Vec::new();
    let mut chain = String::new();
    task.arms.iter().all(|&i| {
        let arm = &plan.arms[i];
        if arm.stage.is_none_or(|s| s == 0) {
            chain.clear();
        }
        let Some(train) = &arm.train else { return true };
        chain = format!("{chain}/{}", fingerprint(train));
        if seen.contains(&chain) {
            return true;
        }
        seen.push(chain.clone());
        folder.checkpoint(cell_name(plan, arm, task.seed).as_deref()).exists()
    })
}

/// Steps of training in a task, as far as they are known.
fn steps(plan: &RunPlan, task: &Task) -> u64 {
    let mut seen: Vec<(Option<usize>, String)> = Vec::new();
    let mut total = 0;
    for &i in &task.arms {
        let Some(t) = plan.arms[i].train.as_ref().filter(|t| t.seconds.is_none()) else { continue };
        let key = (plan.arms[i].stage, fingerprint(t));
        if !seen.contains(&key) {
            seen.push(key);
            total += t.steps;
        }
    }
    total
}

/// What all workers see.
struct Work<'a, 's, T: Real> {
    plan: &'a RunPlan,
    backend: &'a dyn Backend<T>,
    shared: &'a Shared<'s>,
    /// The rows of data.
    store: Arc<Store<T>>,
    /// For each arm and seed in the order of the record.
    cells: Mutex<Vec<Option<Cell>>>,
    /// What ended the run, and where.
    failure: Mutex<Option<(usize, Diagnostic)>>,
    /// What ended single cells.
    lost: Mutex<Vec<(usize, Diagnostic)>>,
}

/// What became of the cells.
#[derive(Debug, Default)]
pub struct Done {
    /// Those that began, in order.
    pub cells: Vec<Cell>,
    /// What ended the run before its end.
    pub failure: Option<Diagnostic>,
    /// What ended single cells, in their order, each named.
    pub lost: Vec<Diagnostic>,
}

/// Whether a fault is a cell's own: the others do not share it and go on. Faults of the machine, of files and of flowc itself
/// would meet every cell.
fn of_cell(d: &Diagnostic) -> bool {
    let elsewhere = d.code.number().starts_with("E08") && d.code != Code::BadCheckpoint;
    !elsewhere && d.code != Code::Internal
}

/// A fault as the record has it.
pub fn failure(d: &Diagnostic) -> Failure {
    let what = format!("{} {}", d.code.number(), d.message);
    Failure { what, notes: d.notes.clone(), help: d.help.clone() }
}

/// Runs every cell.
pub fn run<T: Real>(plan: &RunPlan, backend: &dyn Backend<T>, pool: Pool, shared: &Shared<'_>) -> Done {
    let tasks = tasks(plan);
    let cells = vec![None; plan.arms.len() * plan.seeds.len()];
    let store = match Store::new(&plan.sets, backend, pool) {
        Ok(s) => s,
        Err(d) => return Done { failure: Some(d), ..Done::default() },
    };
    let work = Work {
        plan,
        backend,
        shared,
        store,
        cells: Mutex::new(cells),
        failure: Mutex::default(),
        lost: Mutex::default(),
    };
    let threads = pool.threads();
    // A rest that would leave more than half of the threads idle gets all of them, one task after the other.
    let rest = tasks.len() % threads;
    let beside = if threads == 1 || tasks.len() < threads {
        0
    } else if rest * 2 > threads {
        tasks.len()
    } else {
        tasks.len() - rest
    };
    let programs: Compiled<T> = HashMap::new().into();
    let next = AtomicUsize::new(0);
    if beside > 0 {
        let side = &tasks[..beside];
        shared.side_by_side(side.iter().map(|t| steps(plan, t)).sum(), side.iter().map(|t| t.arms.len()).sum());
    }
    std::thread::scope(|scope| {
        for _ in 0..threads.min(beside) {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= beside || work.ended() {
                        return;
                    }
                    work.task(&tasks[i], Pool::new(Some(1)), &programs);
                }
            });
        }
    });
    if beside > 0 {
        shared.one_by_one();
    }
    let programs: Compiled<T> = HashMap::new().into();
    for task in &tasks[beside..] {
        if work.ended() {
            break;
        }
        work.task(task, pool, &programs);
    }
    let cells = work.cells.into_inner().unwrap_or_else(PoisonError::into_inner);
    let failure = work.failure.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut lost = work.lost.into_inner().unwrap_or_else(PoisonError::into_inner);
    lost.sort_by_key(|(number, _)| *number);
    Done {
        cells: cells.into_iter().flatten().collect(),
        failure: failure.map(|(_, d)| d),
        lost: lost.into_iter().map(|(_, d)| d).collect(),
    }
}

/// Programs of arms that are compiled already.
type Compiled<T> = Mutex<HashMap<usize, Arc<Programs<T>>>>;

impl<T: Real> Work<'_, '_, T> {
    fn ended(&self) -> bool {
        stop_requested() || self.failure.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn programs(&self, arm: usize, pool: Pool, all: &Compiled<T>) -> Result<Arc<Programs<T>>, Diagnostic> {
        let known = || all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(p) = known().get(&arm) {
            return Ok(p.clone());
        }
        let p = Arc::new(Programs::new(&self.plan.arms[arm], &self.store, self.backend, pool)?);
        known().insert(arm, p.clone());
        Ok(p)
    }

    /// Runs the cells of a task, until something fails that is no cell's own.
    fn task(&self, task: &Task, pool: Pool, all: &Compiled<T>) {
        let done: Vec<Option<Cell>> = task.arms.iter().map(|&i| self.finished(i, task.seed)).collect();
        if done.iter().all(Option::is_some) && kept(self.plan, self.shared.folder, task) {
            for (&i, cell) in task.arms.iter().zip(done) {
                self.at(i, task.seed, |place| cell.iter().for_each(|c| self.shared.end(place, c)));
                self.cells.lock().unwrap_or_else(PoisonError::into_inner)[self.number(i, task.seed)] = cell;
            }
            return;
        }
        let mut known = Known::new();
        let begin = || After { named: HashMap::new(), key: String::new() };
        let mut before = Some(begin());
        for &i in &task.arms {
            let arm = &self.plan.arms[i];
            if self.ended() {
                return;
            }
            if arm.stage.is_none_or(|s| s == 0) {
                before = Some(begin());
            }
            let Some(start) = &before else {
                self.skip(i, task.seed);
                continue;
            };
            match self.cell(i, task.seed, pool, all, start, &mut known) {
                Ok(after) => before = after,
                Err((number, d)) => {
                    let mut first = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
                    // The same failure is told whatever runs beside it: that of the first cell.
                    if first.as_ref().is_none_or(|(n, _)| *n > number) {
                        *first = Some((number, d));
                    }
                    return;
                }
            }
        }
    }

    /// A stage whose start was never reached.
    fn skip(&self, arm: usize, seed: u64) {
        let what = "not run: the stage before it failed".to_owned();
        let failed = Some(Failure { what, ..Failure::default() });
        let cell = Cell { labels: self.plan.arms[arm].labels.clone(), seed, failed, ..Cell::default() };
        self.at(arm, seed, |place| self.shared.end(place, &cell));
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)[self.number(arm, seed)] = Some(cell);
    }

    /// The place of a cell in the record.
    fn number(&self, arm: usize, seed: u64) -> usize {
        let of_seed = self.plan.seeds.iter().position(|s| *s == seed).unwrap_or(0);
        arm * self.plan.seeds.len() + of_seed
    }

    /// Calls `f` with the place of a cell.
    fn at<R>(&self, arm: usize, seed: u64, f: impl FnOnce(&Place<'_>) -> R) -> R {
        let (plan, number) = (self.plan, self.number(arm, seed));
        let name = cell_name(plan, &plan.arms[arm], seed);
        let total = plan.arms.len() * plan.seeds.len();
        f(&Place {
            folder: self.shared.folder,
            name: name.as_deref(),
            label: name.clone().map(|n| (n, number + 1, total)),
            first: plan.seeds.first() == Some(&seed),
            stages: &plan.stages,
            stage: plan.arms[arm].stage.unwrap_or(0),
        })
    }

    fn finished(&self, arm: usize, seed: u64) -> Option<Cell> {
        self.at(arm, seed, |place| self.shared.finished(place))
    }

    /// Runs a cell. What the next stage begins with; nothing if the cell failed by itself.
    fn cell(
        &self,
        index: usize,
        seed: u64,
        pool: Pool,
        all: &Compiled<T>,
        before: &After<T>,
        known: &mut Known<T>,
    ) -> Result<Option<After<T>>, (usize, Diagnostic)> {
        let arm: &Arm = &self.plan.arms[index];
        let number = self.number(index, seed);
        let mut cell = Cell { labels: arm.labels.clone(), seed, ..Cell::default() };
        let (outcome, finished) = self.at(index, seed, |place| {
            self.shared.begin(place);
            let outcome = self.programs(index, pool, all).and_then(|programs| {
                cell::run(arm, seed, &programs, self.backend, pool, place, self.shared, before, known, &mut cell)
            });
            let outcome = match outcome {
                Err(d) if of_cell(&d) => {
                    cell.failed = Some(failure(&d));
                    let named = |name: &str| format!("{name}: {}", d.message);
                    let message = place.name.map_or_else(|| d.message.clone(), named);
                    let d = Diagnostic { message, ..d };
                    self.lost.lock().unwrap_or_else(PoisonError::into_inner).push((number, d));
                    Ok(None)
                }
                other => other.map(Some),
            };
            let finished = self.shared.finish(place, &cell);
            self.shared.end(place, &cell);
            (outcome, finished)
        });
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)[number] = Some(cell);
        match (outcome, finished) {
            (Err(d), _) | (Ok(_), Err(d)) => Err((number, d)),
            (Ok(after), Ok(())) => Ok(after),
        }
    }
}
