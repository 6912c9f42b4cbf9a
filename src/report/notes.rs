//! What the reader of a run should know besides its numbers.
//!
//! Input: a [`RunRecord`]. Output: sentences, each once: of metrics, and of stiff equations.

use super::record::RunRecord;
use super::stiffness;

/// All of them.
#[must_use]
pub fn notes(record: &RunRecord) -> Vec<String> {
    let mut all = of_metrics(record);
    all.extend(stiffness::notes(record));
    all
}

/// Those of metrics.
#[must_use]
pub fn of_metrics(record: &RunRecord) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for note in record.cells.iter().flat_map(|c| &c.metrics).filter_map(|m| m.note.as_ref()) {
        if !all.contains(note) {
            all.push(note.clone());
        }
    }
    all
}
