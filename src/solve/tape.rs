//! What a forward march leaves behind for the pass back over it.
//!
//! Step sizes and outcomes ([`SweepLog`]), and for each sweep the states and slopes of its tiles, as the march had them; the
//! records of its stages too, while they fit a budget. Whatever is missing is computed again from what is there, with the
//! same bits.

use super::binomial;
use super::chunk::{Sizes, SweepLog, TileSteps, tile_panels};
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
    most: Option<usize>,
    stride: usize,
    /// Behind the last sweep that is marched, if that is known: then snapshots stand at `next`, and that sweep is kept.
    pub(super) end: Option<usize>,
    next: Option<usize>,
    /// Of a march that can be undone: the pairs of states that it ended with, `[tile][state][LANES]`, samples in order.
    pub(super) ends: Vec<T>,
    /// Most bytes that were in use.
    peak: usize,
}

/// A march at the beginning of a sweep.
#[derive(Clone, Debug)]
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

    /// A tape that keeps at most `snapshots` states of the march; what lies between two of them is marched again. Where the
    /// number of steps is known they stand where the fewest are (`binomial`), else at equal distances that double
    /// when there is no more room.
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
        self.ends.clear();
        (self.from, self.stride, self.peak) = (0, 1, 0);
        (self.end, self.next) = (None, Some(0));
        (self.slots, self.stages, self.record_len) = (slots, stages, record_len);
    }

    /// Keeps the pairs of states at the ends of a march over so many tiles, and nothing between.
    pub(super) fn ends_of(&mut self, tiles: usize, rows: usize) {
        self.ends.resize(tiles * rows * LANES, T::default());
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

    /// Whether states and slopes of a sweep are kept.
    pub(super) fn has(&self, sweep: usize) -> bool {
        sweep >= self.from && sweep - self.from < self.tiles.len()
    }

    /// The last snapshot, to march again up to sweep `upto`. It is taken off if it is not needed any more.
    pub(super) fn rewind(&mut self, upto: usize) -> Option<Snapshot<T>> {
        let snapshot = self.snapshots.pop()?;
        self.restart(snapshot.sweep);
        if self.end.is_some() {
            let left = upto - snapshot.sweep;
            (self.end, self.next) = (Some(upto), None);
            if left > 1 {
                self.snapshots.push(snapshot.clone());
                self.next = self.after(snapshot.sweep, left);
            }
        }
        Some(snapshot)
    }

    /// Where the next snapshot stands, if the last one is at `sweep`, with `left` sweeps to come.
    fn after(&self, sweep: usize, left: usize) -> Option<usize> {
        let free = (self.most.unwrap_or(1) + 1).saturating_sub(self.snapshots.len());
        binomial::place(left, free).map(|by| sweep + by)
    }

    /// Keeps a sweep that is marched again.
    pub(super) fn keep_again(&mut self, sweep: usize, y: &[T], k: &[T], columns: usize, sizes: Sizes) {
        match self.end {
            Some(_) => self.keep(sweep, y, k, columns, sizes),
            None => self.keep_sweep(y, k, columns, sizes),
        }
    }

    /// Keeps a sweep that was logged, or its state, as it is to be.
    pub(super) fn keep(&mut self, sweep: usize, y: &[T], k: &[T], columns: usize, sizes: Sizes) {
        if !self.ends.is_empty() {
            return;
        }
        let Some(most) = self.most else { return self.keep_sweep(y, k, columns, sizes) };
        if let Some(end) = self.end {
            if sweep + 1 == end {
                self.restart(sweep);
                self.keep_sweep(y, k, columns, sizes);
            } else if self.next == Some(sweep) && self.snapshots.last().is_none_or(|s| s.sweep != sweep) {
                self.snap(sweep, y, k, columns, sizes);
                self.next = self.after(sweep, end - sweep);
            }
            return;
        }
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
        self.snap(sweep, y, k, columns, sizes);
    }

    fn snap(&mut self, sweep: usize, y: &[T], k: &[T], columns: usize, sizes: Sizes) {
        let block = sizes.dim * LANES;
        let tiles = tile_panels(columns).count();
        let slopes = (0..tiles).flat_map(|tile| &k[tile * sizes.slots * block..][..block]).copied().collect();
        self.snapshots.push(Snapshot { sweep, y: y[..tiles * block].to_vec(), slopes });
    }

    /// Forgets the sweeps that are kept, to keep those from `from` on.
    fn restart(&mut self, from: usize) {
        self.from = from;
        self.tiles.clear();
        self.y.clear();
        self.k.clear();
        self.recorded = 0;
    }

    /// Keeps states and slopes of a sweep over `columns` columns.
    fn keep_sweep(&mut self, y: &[T], k: &[T], columns: usize, sizes: Sizes) {
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

    /// Observations of a sweep in a tile, with their samples.
    pub(super) fn seen_in(&self, sweep: usize, tile: usize, steps: &TileSteps<'_>) -> Vec<(Seen, usize)> {
        let seen = &self.seen[self.seen_until[sweep]..self.seen_until[sweep + 1]];
        let here = seen.iter().filter(|s| s.column / LANES == tile);
        here.map(|s| (*s, usize::from(steps.ids[s.column % LANES]))).collect()
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
        (self.y.len() + self.k.len() + records + snapshots + self.ends.len()) * size_of::<T>() + self.steps_bytes()
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
