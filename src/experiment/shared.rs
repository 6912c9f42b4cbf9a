//! What the cells of a run share: the folder, the file of lines, the terminal.
//!
//! Invariant: one line of progress whatever runs beside what; a finished cell is on disk before anything says so. Deliberately
//! absent: results that are still being made.

use super::cell::Place;
use super::sessions::{self, Earlier};
use crate::diag::Diagnostic;
use crate::folder::{JsonLines, RunFolder};
use crate::report::record::Cell;
use crate::term::{Phase, Progress};
use serde_json::Value;
use std::cell::Cell as Slot;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One run as its cells see it.
pub struct Shared<'a> {
    /// The run folder.
    pub folder: &'a RunFolder,
    /// The hash that checkpoints bear.
    pub hash: String,
    /// Whether checkpoints and finished cells are taken up.
    pub resume: bool,
    /// Time between checkpoints.
    pub checkpoint_every: Duration,
    /// When the run began, as the record has it.
    pub started: String,
    /// When this session began, and the seconds of those before.
    pub began: Instant,
    pub earlier: f64,
    lines: Mutex<JsonLines>,
    progress: Mutex<&'a mut Progress>,
    /// Steps done by all cells, while several run at once.
    together: Mutex<Option<u64>>,
    /// Which cells are at work.
    grid: Mutex<Grid>,
}

/// The cells of a comparison.
#[derive(Default)]
struct Grid {
    done: usize,
    at_work: Vec<(String, Instant)>,
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Shared<'a> {
    /// Opens `metrics.jsonl`.
    pub fn new(
        folder: &'a RunFolder,
        hash: String,
        checkpoint_every: Duration,
        progress: &'a mut Progress,
    ) -> Result<Shared<'a>, Diagnostic> {
        let lines = folder.metrics()?;
        let before = if folder.resumed() { lines.read()? } else { Vec::new() };
        let earlier = Earlier::of(&before, sessions::record(folder).as_ref());
        Ok(Shared {
            began: Instant::now(),
            started: earlier.started.unwrap_or_else(|| crate::folder::utc(std::time::SystemTime::now())),
            earlier: earlier.seconds,
            folder,
            hash,
            resume: folder.resumed(),
            checkpoint_every,
            lines: Mutex::new(lines),
            progress: Mutex::new(progress),
            together: Mutex::new(None),
            grid: Mutex::default(),
        })
    }

    /// Appends to `metrics.jsonl`.
    pub fn line(&self, value: &Value) -> Result<(), Diagnostic> {
        lock(&self.lines).append(value)
    }

    /// Drops lines of `metrics.jsonl` that will be written again: those of this cell behind a step. The seconds of training
    /// that the others tell of, and the last step that any told of.
    pub fn forget(&self, place: &Place<'_>, seed: u64, behind: u64) -> Result<(f64, u64), Diagnostic> {
        let own = |v: &Value| v["cell"].as_str() == place.name && v["seed"].as_u64() == Some(seed);
        let early = |v: &Value| v["step"].as_u64().is_some_and(|s| s <= behind);
        let mut lines = lock(&self.lines);
        let last = lines.read()?.iter().filter(|v| own(v)).filter_map(|v| v["step"].as_u64()).max().unwrap_or(0);
        lines.retain(|v| !own(v) || early(v))?;
        let seconds = lines.read()?.iter().filter(|v| own(v)).filter_map(|v| v["seconds"].as_f64()).fold(0.0, f64::max);
        Ok((seconds, last))
    }

    /// A line for whoever looks on.
    pub fn note(&self, text: &str) {
        lock(&self.progress).note(text);
    }

    /// Keeps a finished cell.
    pub fn finish(&self, place: &Place<'_>, cell: &Cell) -> Result<(), Diagnostic> {
        if cell.finished {
            self.folder.write_json(&self.folder.cell(place.name), cell)?;
        }
        self.keep_time()
    }

    /// A cell that was finished before the run was stopped.
    pub fn finished(&self, place: &Place<'_>) -> Option<Cell> {
        if !self.resume {
            return None;
        }
        let text = std::fs::read_to_string(self.folder.file(&self.folder.cell(place.name))).ok()?;
        // What cannot be read is made again.
        serde_json::from_str(&text).ok().filter(|c: &Cell| c.finished)
    }

    /// From here on cells run side by side: one line counts the steps of all, or the cells if nothing is trained.
    pub fn side_by_side(&self, steps: u64, cells: usize) {
        let (what, total) = if steps == 0 { ("cells", cells as u64) } else { ("train", steps) };
        lock(&self.progress).begin(Phase { what: what.into(), grid: true, total, ..Phase::default() });
        *lock(&self.together) = Some(0);
    }

    /// Says that a cell begins.
    pub fn begin(&self, place: &Place<'_>) {
        let Some((name, _, total)) = &place.label else { return };
        let mut grid = lock(&self.grid);
        grid.at_work.push((name.clone(), Instant::now()));
        self.tell(&grid, *total);
    }

    /// Says that a cell has ended.
    pub fn end(&self, place: &Place<'_>, cell: &Cell) {
        let Some((name, _, total)) = &place.label else { return };
        let mut grid = lock(&self.grid);
        let at = grid.at_work.iter().position(|(n, _)| n == name);
        let began = at.map(|k| grid.at_work.remove(k).1);
        grid.done += 1;
        // What a resumed run finds finished is only counted.
        if let Some(began) = began.filter(|_| cell.finished) {
            let first = cell.metrics.first().map(|m| (m.name.as_str(), m.value));
            lock(&self.progress).cell_done(name, (grid.done, *total), began.elapsed().as_secs_f64(), first);
        }
        if let Some(f) = &cell.failed {
            lock(&self.progress).cell_failed(name, (grid.done, *total), &f.what);
        }
        self.tell(&grid, *total);
    }

    fn tell(&self, grid: &Grid, total: usize) {
        let names: Vec<String> = grid.at_work.iter().map(|(n, _)| n.clone()).collect();
        let mut progress = lock(&self.progress);
        progress.cells(grid.done, total, &names);
        if progress.counts_cells() {
            progress.step(grid.done as u64, None);
        }
    }

    /// Cells run one after the other again.
    pub fn one_by_one(&self) {
        *lock(&self.together) = None;
        lock(&self.progress).end();
    }

    /// Begins to count; `seconds` if those are the budget.
    pub fn phase(&self, what: &str, place: &Place<'_>, from: u64, total: u64, seconds: Option<f64>) -> Counter<'_, 'a> {
        let together = lock(&self.together).is_some();
        if !together {
            let total = seconds.map_or(total, |s| s.ceil() as u64);
            let from = if seconds.is_some() { 0 } else { from };
            lock(&self.progress).begin(Phase {
                what: what.into(),
                cell: place.label.clone(),
                grid: false,
                from,
                total,
            });
        }
        Counter { shared: self, together, training: what == "train" && seconds.is_none(), last: Slot::new(from) }
    }
}

/// Counts the steps of a phase; ends it when it goes.
pub struct Counter<'a, 's> {
    shared: &'a Shared<'s>,
    together: bool,
    training: bool,
    last: Slot<u64>,
}

impl Counter<'_, '_> {
    /// A step of training with its loss.
    pub fn step(&self, step: u64, loss: f64) {
        self.count(step, Some(loss));
    }

    /// So many are done.
    pub fn done(&self, step: u64) {
        self.count(step, None);
    }

    fn count(&self, step: u64, loss: Option<f64>) {
        if !self.together {
            lock(&self.shared.progress).step(step, loss);
        } else if self.training {
            let new = step.saturating_sub(self.last.replace(step));
            let mut together = lock(&self.shared.together);
            let done = together.unwrap_or(0) + new;
            *together = Some(done);
            lock(&self.shared.progress).step(done, None);
        }
    }
}

impl Drop for Counter<'_, '_> {
    fn drop(&mut self) {
        if !self.together {
            lock(&self.shared.progress).end();
        }
    }
}
