//! What a run will cost, and how arms differ, as tables of 80 columns.
//!
//! Numbers -> text. Deliberately absent: measuring.

use super::WIDTH;
use crate::report::names::wrapped;
use crate::report::number;
use crate::report::record::{Better, RunRecord};
use crate::report::summary as statistics;
use std::fmt::Write;

/// What the training of one arm costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// The arm; empty if there is only one.
    pub name: String,
    /// Trained numbers.
    pub parameters: u64,
    /// Floating-point operations of a step.
    pub flops: u64,
    /// Bytes of the trainer.
    pub bytes: u64,
    /// Steps, where they are the budget.
    pub steps: Option<u64>,
    /// Seconds of a step; `None` where another arm trains alike.
    pub step: Option<f64>,
    /// Seconds of the training.
    pub total: f64,
}

/// The table of a dry run, with the time of all seeds.
#[must_use]
pub fn prediction(costs: &[Cost], seeds: usize) -> String {
    if costs.is_empty() {
        return "nothing is trained\n".to_owned();
    }
    // A longer name has a line of its own.
    const NAME: usize = 15;
    let width = costs.iter().map(|c| c.name.chars().count()).filter(|n| *n <= NAME).max().unwrap_or(0).max(3);
    let mut out = format!(
        "{:width$}  {:>10}  {:>10}  {:>8}  {:>9}  {:>7}  {:>8}\n",
        "arm", "parameters", "flops/step", "memory", "steps", "a step", "training"
    );
    for c in costs {
        let steps = c.steps.map_or_else(|| "by time".to_owned(), number::count);
        let (step, total) = match c.step {
            Some(s) => (number::duration(s), number::duration(c.total)),
            None => ("shared".to_owned(), String::new()),
        };
        let name = if c.name.chars().count() > NAME {
            let _ = writeln!(out, "{}", c.name);
            ""
        } else {
            &c.name
        };
        let (parameters, flops) = (number::count(c.parameters), number::plain(c.flops as f64));
        let bytes = number::bytes(c.bytes);
        let line =
            format!("{name:width$}  {parameters:>10}  {flops:>10}  {bytes:>8}  {steps:>9}  {step:>7}  {total:>8}");
        let _ = writeln!(out, "{}", line.trim_end());
    }
    let total: f64 = costs.iter().filter(|c| c.step.is_some()).map(|c| c.total).sum::<f64>() * seeds as f64;
    let of_seeds = if seeds > 1 { format!(", {seeds} seeds") } else { String::new() };
    let _ = writeln!(
        out,
        "\nabout {} of training{of_seeds}; a step was measured over 60 ms,\nsampling and metrics are not in it",
        number::duration(total)
    );
    out
}

/// For each metric with a direction, the best arm against every other, paired over seeds; empty with one arm or one seed.
#[must_use]
pub fn differences(record: &RunRecord) -> String {
    let arms = statistics::arms(record);
    let mut out = String::new();
    for row in statistics::rows(&arms) {
        let sign = match row.metric.better {
            Better::Lower => 1.0,
            Better::Higher => -1.0,
            Better::None => continue,
        };
        let means = row.arms.iter().enumerate().filter_map(|(i, s)| s.map(|s| (i, sign * s.mean)));
        let Some((top, _)) = means.filter(|m| m.1.is_finite()).min_by(|a, b| a.1.total_cmp(&b.1)) else { continue };
        let mut lines: Vec<[String; 3]> = vec![];
        for other in (0..arms.len()).filter(|&o| o != top) {
            let Some(d) = statistics::difference(&arms[other], &arms[top], &row.metric.name) else { continue };
            // Counts that are equal by design are no finding.
            if d.mean == 0.0 && d.error == 0.0 {
                continue;
            }
            let verdict = if d.decided() { "decided" } else { "open" };
            let pair = format!("{} - {}", arms[other].label, arms[top].label);
            lines.push([pair, number::with_error(d.mean, d.error), verdict.into()]);
        }
        let wide = |k: usize| lines.iter().map(|l| l[k].chars().count()).max().unwrap_or(0);
        let (names, numbers) = (wide(0), wide(1));
        if !lines.is_empty() {
            let _ = writeln!(out, " {}", row.metric.name);
        }
        // A longer pair goes on in another line, which has its numbers.
        let names = names.min(usize::from(WIDTH).saturating_sub(numbers + wide(2) + 9).max(16));
        for [pair, shown, verdict] in &lines {
            let fits = pair.chars().count() <= names;
            let mut pair = wrapped(pair, if fits { names } else { names - 2 });
            let last = pair.pop().unwrap_or_default();
            for (k, words) in pair.iter().enumerate() {
                let _ = writeln!(out, "   {}{words}", if k > 0 { "  " } else { "" });
            }
            let last = if pair.is_empty() { last } else { format!("  {last}") };
            let _ = writeln!(out, "   {last:names$}   {shown:numbers$}   {verdict}");
        }
    }
    if out.is_empty() { out } else { format!("paired differences over seeds, t test at 95 %\n{out}") }
}
