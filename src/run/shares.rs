//! How a batch and the parameters are divided: chunks, slots, shards.
//!
//! Invariant: by the batch size and the parameters alone, never by threads.

use super::params::{Entry, ParamTable};
use super::step::{SHARDS, SLOTS};
use crate::kernels::ROWS;
use std::ops::Range;

/// Below this many seconds of work, a step is made by one thread.
const ALONE_BELOW: f64 = 40e-6;
/// Operations a second of one thread, for that estimate: about a third of the peak of a machine with 512-bit vectors.
const RATE: f64 = 40e9;

/// Whether a step of so many operations a sample is made by one thread.
pub(super) fn alone(flops: u64, batch: usize) -> bool {
    flops as f64 * batch as f64 / RATE < ALONE_BELOW
}

/// Samples of a chunk: 64 below 512 samples, else 128. Depends on the batch only.
#[must_use]
pub fn chunk_size(batch: usize) -> usize {
    if batch < 512 { 64 } else { 128 }
}

/// The samples of each slot: at most 8 runs of whole chunks.
#[must_use]
pub fn slots(batch: usize) -> Vec<Range<usize>> {
    let chunk = chunk_size(batch);
    let chunks = batch.div_ceil(chunk);
    let count = chunks.min(SLOTS);
    (0..count).map(|g| chunks * g / count * chunk..(chunks * (g + 1) / count * chunk).min(batch)).collect()
}

/// Ends of [`SHARDS`] ranges of the parameter vector of about equal lengths: between whole row panels where a parameter has
/// short rows, so that a panel is packed at once.
pub(super) fn shards(table: &ParamTable) -> Vec<usize> {
    let n = table.len();
    let end = |shard: usize| {
        let at = n * shard / SHARDS;
        if at == n {
            return n;
        }
        let Entry { shape, range, .. } = table.owner(at);
        let panel = range.len() / shape.first().map_or(1, |rows| *rows) * ROWS;
        let cut = (at - range.start) / panel * panel;
        if panel <= n / SHARDS { range.start + cut } else { at }
    };
    (1..=SHARDS).map(end).collect()
}
