//! How far a run is.
//!
//! A live line on a terminal, plain lines in a pipe, nothing if quiet. Invariant: progress never fails a run (a closed pipe
//! is ignored) and costs a clock reading per step. Deliberately absent: results.

use crate::report::number;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Steps over which the shown loss is smoothed, roughly.
const SMOOTHING: f64 = 50.0;
/// Between two updates of the live line.
const LIVE: Duration = Duration::from_millis(80);
/// Until the first plain line that does not stand at a tenth; doubles up to [`LONGEST`], so that long runs stay readable.
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(60);

/// What is being counted.
#[derive(Clone, Debug, Default)]
pub struct Phase {
    /// `train`, `generate`, ...
    pub what: String,
    /// Which cell of a comparison: label, its number from 1, number of cells.
    pub cell: Option<(String, usize, usize)>,
    /// Whether cells run side by side, so that [`Progress::cells`] says which.
    pub grid: bool,
    /// Steps already done (a resumed run).
    pub from: u64,
    /// Steps in all.
    pub total: u64,
}

enum Mode {
    Live,
    Lines(Box<dyn Write + Send>),
    Quiet,
}

struct Task {
    phase: Phase,
    began: Instant,
    step: u64,
    /// Sum of weights and of weighted losses: an exponential mean without a bias at the start.
    weight: f64,
    loss: f64,
    shown: Instant,
    tenth: u64,
    wait: Duration,
    bar: Option<ProgressBar>,
}

/// The progress of a run; one phase at a time.
pub struct Progress {
    mode: Mode,
    task: Option<Task>,
}

impl Progress {
    /// For this process: live if stderr is a terminal, lines to stderr if not, nothing if `quiet`.
    #[must_use]
    pub fn stderr(quiet: bool) -> Self {
        let mode = if quiet {
            Mode::Quiet
        } else if std::io::stderr().is_terminal() {
            Mode::Live
        } else {
            Mode::Lines(Box::new(std::io::stderr()))
        };
        Progress { mode, task: None }
    }

    /// Plain lines into `out`.
    #[must_use]
    pub fn lines(out: Box<dyn Write + Send>) -> Self {
        Progress { mode: Mode::Lines(out), task: None }
    }

    /// Begins a phase; an open one ends.
    pub fn begin(&mut self, phase: Phase) {
        self.end();
        if matches!(self.mode, Mode::Quiet) {
            return;
        }
        let bar = matches!(self.mode, Mode::Live).then(|| bar(&phase));
        let now = Instant::now();
        let tenth = tenth(phase.from, phase.total);
        self.task = Some(Task {
            step: phase.from,
            phase,
            began: now,
            weight: 0.0,
            loss: 0.0,
            shown: now,
            tenth,
            wait: FIRST,
            bar,
        });
    }

    /// Says that `step` steps are done, and the loss of the last one, if there is one.
    pub fn step(&mut self, step: u64, loss: Option<f64>) {
        let Some(task) = &mut self.task else { return };
        task.step = step;
        if let Some(loss) = loss {
            let keep = 1.0 - 1.0 / SMOOTHING;
            task.weight = task.weight * keep + 1.0;
            task.loss = task.loss * keep + loss;
        }
        let now = Instant::now();
        match &mut self.mode {
            Mode::Quiet => {}
            Mode::Live => {
                if let Some(bar) = task.bar.as_ref().filter(|_| now - task.shown >= LIVE) {
                    bar.set_message(task.figures(now));
                    bar.set_position(step);
                    task.shown = now;
                }
            }
            Mode::Lines(out) => {
                let tenth = tenth(step, task.phase.total);
                let late = now - task.shown >= task.wait;
                if tenth > task.tenth || late {
                    if late {
                        task.wait = (task.wait * 2).min(LONGEST);
                    }
                    (task.tenth, task.shown) = (tenth, now);
                    // A reader that has gone away is no reason to stop a training.
                    let figures = task.figures(now);
                    let room = usize::from(super::WIDTH).saturating_sub(figures.chars().count() + 1);
                    let _ = writeln!(out, "{} {figures}", task.phase.name(room));
                }
            }
        }
    }

    /// How many cells of a grid are done, and which are at work.
    pub fn cells(&mut self, done: usize, total: usize, at_work: &[String]) {
        if let Some(bar) = self.task.as_ref().filter(|t| t.phase.grid).and_then(|t| t.bar.as_ref()) {
            let text = [vec![format!("{done} of {total} cells done")], at_work.to_vec()].concat().join(" · ");
            bar.set_prefix(shortened(&text, usize::from(super::WIDTH) - 1));
        }
    }

    /// Whether what is counted is cells, because nothing is trained.
    #[must_use]
    pub fn counts_cells(&self) -> bool {
        self.task.as_ref().is_some_and(|t| t.phase.grid && t.phase.what == "cells")
    }

    /// Says that a cell of a grid is done, with what it came to.
    pub fn cell_done(&mut self, label: &str, place: (usize, usize), seconds: f64, result: Option<(&str, f64)>) {
        let mut rest = format!(" ({} of {})  {}", place.0, place.1, number::duration(seconds));
        if let Some((name, value)) = result {
            rest += &format!("  {} {}", shortened(name, 24), number::plain(value));
        }
        let room = usize::from(super::WIDTH).saturating_sub(rest.chars().count() + "done ".len());
        self.note(&format!("done {}{rest}", shortened(label, room)));
    }

    /// Says that a cell of a grid failed.
    pub fn cell_failed(&mut self, label: &str, place: (usize, usize), what: &str) {
        let room = usize::from(super::WIDTH);
        let rest = format!(" ({} of {})  {what}", place.0, place.1);
        let label = shortened(label, room.saturating_sub(rest.chars().count() + "failed ".len()).max(24));
        self.note(&shortened(&format!("failed {label}{rest}"), room));
    }

    /// Prints a line above the live one.
    pub fn note(&mut self, text: &str) {
        let bar = self.task.as_ref().and_then(|t| t.bar.as_ref());
        // As in `step`: a closed stderr or pipe is no reason to stop.
        let _ = match (&mut self.mode, bar) {
            (Mode::Quiet, _) => Ok(()),
            (Mode::Live, Some(bar)) => bar.suspend(|| writeln!(std::io::stderr(), "{text}")),
            (Mode::Live, None) => writeln!(std::io::stderr(), "{text}"),
            (Mode::Lines(out), _) => writeln!(out, "{text}"),
        };
    }

    /// Ends the phase; the live line goes away.
    pub fn end(&mut self) {
        if let Some(bar) = self.task.take().and_then(|t| t.bar) {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

fn tenth(step: u64, total: u64) -> u64 {
    if total == 0 { 0 } else { (u128::from(step) * 10 / u128::from(total)) as u64 }
}

impl Phase {
    /// `train straight · seed 0 (2 of 9)`, in so many columns.
    fn name(&self, most: usize) -> String {
        match &self.cell {
            None => self.what.clone(),
            Some((label, i, n)) => {
                let place = format!(" ({i} of {n})");
                let room = most.saturating_sub(self.what.chars().count() + 1 + place.chars().count());
                format!("{} {}{place}", self.what, shortened(label, room.clamp(8, 50)))
            }
        }
    }
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_string();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

impl Task {
    /// `3,120/20,000  loss 0.6234  512 steps/s  33 s left`
    fn figures(&self, now: Instant) -> String {
        let done = self.step - self.phase.from.min(self.step);
        let rate = done as f64 / (now - self.began).as_secs_f64().max(1e-9);
        let mut text = format!("{}/{}", number::count(self.step), number::count(self.phase.total));
        if self.weight > 0.0 {
            text += &format!("  loss {}", number::plain(self.loss / self.weight));
        }
        if done > 0 && self.phase.what != "train" {
            // What is counted otherwise is few and unequal: a rate would say nothing.
            return text;
        }
        if done > 0 {
            let rate_text = if rate >= 10.0 { number::count(rate.round() as u64) } else { number::plain(rate) };
            text += &format!("  {rate_text} steps/s");
            if self.step < self.phase.total {
                text += &format!("  {} left", number::duration(((self.phase.total - self.step) as f64 / rate).ceil()));
            }
        }
        text
    }
}

fn bar(phase: &Phase) -> ProgressBar {
    // A cell's name takes a line of its own, so that bar and figures fit into 80 columns.
    let template =
        if phase.cell.is_some() || phase.grid { "{prefix}\n{wide_bar} {msg}" } else { "{prefix} {wide_bar} {msg}" };
    let style = ProgressStyle::with_template(template)
        .expect("both templates are constant and well formed")
        .progress_chars("━╸─");
    ProgressBar::with_draw_target(Some(phase.total), ProgressDrawTarget::stderr_with_hz(12))
        .with_style(style)
        .with_prefix(phase.name(usize::from(super::WIDTH) - 1))
        .with_position(phase.from)
}
