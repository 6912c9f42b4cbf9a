//! What earlier sessions of a run have left: when it began, the time they took, and the record of a run that is at its end.
//!
//! A run folder -> [`Earlier`]. Time stands in lines of `metrics.jsonl`, so that it outlives a killed process as checkpoints do.
//! Deliberately absent: what cells keep.

use super::shared::Shared;
use crate::diag::Diagnostic;
use crate::folder::RunFolder;
use crate::report::record::RunRecord;
use serde_json::{Value, json};

/// The event of a line that tells the time.
const CLOCK: &str = "clock";

/// What is known of a run before this session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Earlier {
    /// When the first session began, as the record has it.
    pub started: Option<String>,
    /// Wall-clock seconds of all sessions.
    pub seconds: f64,
}

/// The line that tells the time of a run so far.
pub fn clock(started: &str, seconds: f64) -> Value {
    json!({ "event": CLOCK, "started": started, "seconds": seconds })
}

impl Earlier {
    /// From the lines of a run and the record of its last session, if it came to write one.
    pub fn of(lines: &[Value], record: Option<&RunRecord>) -> Earlier {
        let clocks = || lines.iter().filter(|v| v["event"] == CLOCK);
        let told = clocks().filter_map(|v| v["seconds"].as_f64());
        let first = clocks().find_map(|v| v["started"].as_str());
        Earlier {
            started: first.or(record.map(|r| r.started.as_str())).map(str::to_owned),
            seconds: told.chain(record.map(|r| r.seconds)).fold(0.0, f64::max),
        }
    }
}

/// The record of the last session.
pub fn record(folder: &RunFolder) -> Option<RunRecord> {
    let text = folder.resumed().then(|| std::fs::read_to_string(folder.file("record.json")).ok())??;
    RunRecord::from_json(&text).ok()
}

/// Whether everything in a record came to its end.
pub fn at_its_end(record: &RunRecord, cells: usize) -> bool {
    let ended = !record.interrupted && record.failed.is_none();
    ended && record.cells.len() == cells && record.cells.iter().all(|c| c.finished)
}

impl Shared<'_> {
    /// Keeps the time so far.
    ///
    /// # Errors
    /// `E0802`.
    pub fn keep_time(&self) -> Result<(), Diagnostic> {
        self.line(&clock(&self.started, self.seconds()))
    }

    /// Wall-clock seconds of the run, all sessions.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.earlier + self.began.elapsed().as_secs_f64()
    }
}
