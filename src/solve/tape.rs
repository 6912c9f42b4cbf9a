//! What a forward march leaves behind for the pass back over it.
//!
//! Step sizes and outcomes ([`SweepLog`]), and for each sweep the states and slopes of its tiles, as the march had them; the
//! records of its stages too, while they fit a budget. Whatever is missing is computed again from what is there, with the
//! same bits.

use super::chunk::{Sizes, SweepLog, tile_panels};
use super::real::Real;
use super::rhs::Transposed;
use crate::backend::LANES;
use std::ops::Range;

/// An observation that the march wrote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Seen {
    /// The column; before the first sweep, the sample of the chunk.
    pub column: usize,
    /// Which of the sample's observations.
    pub index: usize,
    /// The place inside the step; `None`: at its end (before the first sweep: at the start).
    pub theta: Option<f64>,
}

/// A chunk's forward march, kept. One for each thread is enough: it is cleared before each march.
#[derive(Debug, Default)]
pub struct Tape<T> {
    pub(super) log: SweepLog,
    /// For each sweep, its tiles and the first of them among all that were kept.
    pub(super) tiles: Vec<Range<usize>>,
    /// `[kept tile][dim][LANES]`
    pub(super) y: Vec<T>,
    /// `[kept tile][slot][dim][LANES]`
    pub(super) k: Vec<T>,
    /// `[kept tile][stage][record row][LANES]` for the first `recorded` kept tiles.
    pub(super) records: Vec<T>,
    pub(super) recorded: usize,
    /// Observations written in each sweep: the end of each sweep's part. The first part is before any sweep.
    pub(super) seen: Vec<Seen>,
    pub(super) seen_until: Vec<usize>,
    /// Slopes that are kept of each tile.
    slots: usize,
    /// Stages that are recorded in each sweep, and the length of a record; no records if 0.
    pub(super) stages: usize,
    pub(super) record_len: usize,
    /// Scalars that records may take.
    pub(super) budget: usize,
    /// The first of the sweeps in `tiles`.
    pub(super) from: usize,
    /// States of the march now and then, if not every sweep is kept; how many at most, and how far apart they are.
    pub(super) snapshots: Vec<Snapshot<T>>,
    pub(super) most: Option<usize>,
    pub(super) stride: usize,
    /// Most bytes that were in use.
    peak: usize,
}

/// A march at the beginning of a sweep.
#[derive(Debug)]
pub(super) struct Snapshot<T> {
    pub sweep: usize,
    /// `[tile][dim][LANES]`
    pub y: Vec<T>,
    /// Slopes at these states, likewise.
    pub slopes: Vec<T>,
}

impl<T: Real> Tape<T> {
    /// A tape whose records take at most `bytes`.
    #[must_use]
    pub fn new(bytes: usize) -> Tape<T> {
        Tape { budget: bytes / size_of::<T>(), ..Tape::default() }
    }

    /// A tape that keeps at most `snapshots` states of the march, at equal distances that double when there is no more room;
    /// what lies between two of them is marched again.
    #[must_use]
    pub fn of_snapshots(snapshots: usize) -> Tape<T> {
        Tape { most: Some(snapshots.max(1)), ..Tape::default() }
    }

    /// Forgets everything.
    pub(super) fn begin(&mut self, slots: usize, stages: usize, record_len: usize) {
        self.log.clear();
        self.tiles.clear();
        self.y.clear();
        self.k.clear();
        self.recorded = 0;
        self.seen.clear();
        self.seen_until.clear();
        self.snapshots.clear();
        (self.from, self.stride, self.peak) = (0, 1, 0);
        (self.slots, self.stages, self.record_len) = (slots, stages, record_len);
    }

    /// Tiles kept so far.
    pub(super) fn kept(&self) -> usize {
        self.tiles.last().map_or(0, |t| t.end)
    }

    /// Room for the records of a tile of this sweep, if the budget allows it and no tile before it went without.
    pub(super) fn room(&mut self, tile: usize) -> Option<&mut [T]> {
        let number = self.kept() + tile;
        let len = self.stages * self.record_len;
        if len == 0 || number != self.recorded || (number + 1) * len > self.budget {
            return None;
        }
        if self.records.len() < (number + 1) * len {
            self.records.resize((number + 1) * len, T::default());
        }
        self.recorded += 1;
        Some(&mut self.records[number * len..(number + 1) * len])
    }

    /// Keeps the sweep that was just logged.
    pub(super) fn keep(&mut self, y: &[T], k: &[T], columns: usize, sizes: Sizes) {
        let Some(most) = self.most else { return self.keep_sweep(y, k, columns, sizes) };
        let sweep = self.log.sweeps.len() - 1;
        if !sweep.is_multiple_of(self.stride) {
            return;
        }
        if self.snapshots.len() == most {
            self.stride *= 2;
            let stride = self.stride;
            self.snapshots.retain(|s| s.sweep.is_multiple_of(stride));
            if !sweep.is_multiple_of(stride) {
                return;
            }
        }
        let block = sizes.dim * LANES;
        let tiles = tile_panels(columns).count();
        let slopes = (0..tiles).flat_map(|tile| &k[tile * sizes.slots * block..][..block]).copied().collect();
        self.snapshots.push(Snapshot { sweep, y: y[..tiles * block].to_vec(), slopes });
    }

    /// Forgets the sweeps that are kept, to keep those from `from` on.
    pub(super) fn restart(&mut self, from: usize) {
        self.from = from;
        self.tiles.clear();
        self.y.clear();
        self.k.clear();
        self.recorded = 0;
    }

    /// Keeps states and slopes of a sweep over `columns` columns.
    pub(super) fn keep_sweep(&mut self, y: &[T], k: &[T], columns: usize, sizes: Sizes) {
        let block = sizes.dim * LANES;
        let count = tile_panels(columns).count();
        let first = self.kept();
        self.tiles.push(first..first + count);
        self.y.extend_from_slice(&y[..count * block]);
        self.k.extend_from_slice(&k[..count * sizes.slots * block]);
        self.peak = self.peak.max(self.in_use());
    }

    /// The records of a stage of a kept tile.
    pub(super) fn record(&mut self, tile: usize, stage: usize) -> Option<&mut [T]> {
        if tile >= self.recorded {
            return None;
        }
        let at = (tile * self.stages + stage) * self.record_len;
        Some(&mut self.records[at..at + self.record_len])
    }

    /// Bytes that would be in use with every stage of every sweep recorded.
    #[must_use]
    pub fn all_bytes(&self, rhs: &dyn Transposed<T>) -> usize {
        let tiles: usize = self.log.sweeps.iter().map(|s| tile_panels(s.columns.len()).count()).sum();
        let rows = rhs.dim() * (1 + self.slots) + self.stages * rhs.record_rows();
        tiles * rows * LANES * size_of::<T>() + self.steps_bytes()
    }

    fn in_use(&self) -> usize {
        let snapshots: usize = self.snapshots.iter().map(|s| s.y.len() + s.slopes.len()).sum();
        let records = self.recorded * self.stages * self.record_len;
        (self.y.len() + self.k.len() + records + snapshots) * size_of::<T>() + self.steps_bytes()
    }

    /// Bytes of the steps and of what was observed in them, which every way of keeping a march needs.
    fn steps_bytes(&self) -> usize {
        self.log.bytes() + size_of_val(&self.seen[..]) + size_of_val(&self.seen_until[..])
    }

    /// The most bytes that were in use.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.peak.max(self.in_use())
    }
}
