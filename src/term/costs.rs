//! What a run will cost, and how arms differ, as tables of 80 columns.
//!
//! Numbers -> text. Deliberately absent: measuring.

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
    let width = costs.iter().map(|c| c.name.chars().count()).max().unwrap_or(0).clamp(3, 24);
    let mut out = format!(
        "{:width$}  {:>10}  {:>12}  {:>9}  {:>9}  {:>9}  {:>8}\n",
        "arm", "parameters", "flops a step", "memory", "steps", "a step", "training"
    );
    for c in costs {
        let name: String = c.name.chars().take(width).collect();
        let steps = c.steps.map_or_else(|| "by time".to_owned(), number::count);
        let (step, total) = match c.step {
            Some(s) => (number::duration(s), number::duration(c.total)),
            None => ("shared".to_owned(), String::new()),
        };
        let _ = writeln!(
            out,
            "{}",
            format!(
                "{name:width$}  {:>10}  {:>12}  {:>9}  {steps:>9}  {step:>9}  {total:>8}",
                number::count(c.parameters),
                number::plain(c.flops as f64),
                number::bytes(c.bytes),
            )
            .trim_end()
        );
    }
    let total: f64 = costs.iter().filter(|c| c.step.is_some()).map(|c| c.total).sum::<f64>() * seeds as f64;
    let of_seeds = if seeds > 1 { format!(", {seeds} seeds") } else { String::new() };
    let _ = writeln!(
        out,
        "\nabout {} of training{of_seeds}; a step was measured over 60 ms, sampling and metrics\nare not in it",
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
        let mut lines = String::new();
        for other in (0..arms.len()).filter(|&o| o != top) {
            let Some(d) = statistics::difference(&arms[other], &arms[top], &row.metric.name) else { continue };
            let verdict = if d.decided() { "decided" } else { "open" };
            let shown = number::with_error(d.mean, d.error);
            let _ = writeln!(lines, "   {} - {}   {shown}   {verdict}", arms[other].label, arms[top].label);
        }
        if !lines.is_empty() {
            let _ = write!(out, " {}\n{lines}", row.metric.name);
        }
    }
    if out.is_empty() { out } else { format!("paired differences over seeds, t test at 95 %\n{out}") }
}
