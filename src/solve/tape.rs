//! What a forward march leaves behind for the pass back over it.
//!
//! Step sizes and outcomes ([`SweepLog`]), and for each sweep the states of its tiles; while they fit a budget, whole steps too:
//! their slopes, and the records of their stages. Whatever is missing is computed again from what is there, with the same bits.

use super::binomial;
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
    y: Vec<T>,
    /// Slopes at these states, if a step's first stage is the end of the one before: of the tiles that are not whole.
    first_slopes: Vec<T>,
    /// Of the first kept tiles, which are whole, `[tile][slot][dim][LANES]` and `[tile][stage][record row][LANES]`.
    k: Vec<T>,
    records: Vec<T>,
    whole: usize,
    /// Records of the slopes at the initial states, `[tile][record row][LANES]`, samples in order: tiles that have such slopes,
    /// and those that have a record.
    first: Vec<T>,
    starts: usize,
    starts_kept: usize,
    /// Observations written in each sweep: the end of each sweep's part. The first part is before any sweep.
    pub(super) seen: Vec<Seen>,
    pub(super) seen_until: Vec<usize>,
    /// What steps are made of.
    pub(super) shape: Shape,
    /// Scalars that whole steps may take.
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

/// What a tile's step is made of, in scalars.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shape {
    /// Slopes of a slot; slots.
    pub block: usize,
    pub slots: usize,
    /// Stages that are recorded, and the length of a record.
    pub stages: usize,
    pub record: usize,
    /// Whether the slopes at a state are those of the step before it.
    pub reuses_end: bool,
}

/// A march at the beginning of a sweep.
#[derive(Clone, Debug)]
pub(super) struct Snapshot<T> {
    pub sweep: usize,
    /// `[tile][dim][LANES]`
    pub y: Vec<T>,
    /// Slopes at these states, likewise, if a step's first stage is the end of the one before.
    pub slopes: Vec<T>,
}

impl<T: Real> Tape<T> {
    /// A tape that keeps every state, and whole steps of at most `bytes`.
    #[must_use]
    pub fn new(bytes: usize) -> Tape<T> {
        Tape { budget: bytes / size_of::<T>(), ..Tape::default() }
    }

    /// A tape that keeps at most `snapshots` states of the march, besides its first; what lies between two of them is marched
    /// again. Where the number of steps is known they stand where the fewest are (`binomial`), else at equal distances that
    /// double when there is no more room.
    #[must_use]
    pub fn of_snapshots(snapshots: usize) -> Tape<T> {
        Tape { most: Some(snapshots.max(1)), ..Tape::default() }
    }

    /// Forgets everything.
    pub(super) fn begin(&mut self, shape: Shape) {
        self.log.clear();
        self.restart(0);
        (self.starts, self.starts_kept) = (0, 0);
        self.seen.clear();
        self.seen_until.clear();
        self.snapshots.clear();
        self.ends.clear();
        (self.stride, self.peak) = (1, 0);
        (self.end, self.next) = (None, Some(0));
        self.shape = shape;
    }

    /// Keeps the pairs of states at the ends of a march over so many tiles, and nothing between.
    pub(super) fn ends_of(&mut self, tiles: usize, rows: usize) {
        self.ends.resize(tiles * rows * LANES, T::default());
    }

    /// Tiles kept so far.
    pub(super) fn kept(&self) -> usize {
        self.tiles.last().map_or(0, |t| t.end)
    }

    /// Room for the records of a tile of this sweep, if the budget allows a whole step and no tile before it went without.
    pub(super) fn room(&mut self, tile: usize) -> Option<&mut [T]> {
        let number = self.kept() + tile;
        let len = self.shape.stages * self.shape.record;
        let all = self.starts_kept * self.shape.record + (number + 1) * (len + self.shape.slots * self.shape.block);
        if number != self.whole || all > self.budget {
            return None;
        }
        if self.records.len() < (number + 1) * len {
            self.records.resize((number + 1) * len, T::default());
        }
        self.whole += 1;
        Some(&mut self.records[number * len..(number + 1) * len])
    }

    /// Room for the record of the slopes at a tile's initial states; tiles are asked for in order.
    pub(super) fn room_before(&mut self, tile: usize) -> Option<&mut [T]> {
        let (from, to) = (tile * self.shape.record, (tile + 1) * self.shape.record);
        self.starts = tile + 1;
        if from == to || self.starts_kept != tile || to > self.budget {
            return None;
        }
        self.starts_kept += 1;
        if self.first.len() < to {
            self.first.resize(to, T::default());
        }
        Some(&mut self.first[from..to])
    }

    /// The record of the slopes at a tile's initial states.
    pub(super) fn record_before(&mut self, tile: usize) -> Option<&mut [T]> {
        let (from, to) = (tile * self.shape.record, (tile + 1) * self.shape.record);
        if tile < self.starts_kept { self.first.get_mut(from..to) } else { None }
    }

    /// Whether the states of a sweep are kept.
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
        // The last one has a place already, and the first state is not counted.
        let free = (self.most.unwrap_or(1) + 2).saturating_sub(self.snapshots.len());
        binomial::place(left, free).map(|by| sweep + by)
    }

    /// Keeps the states of a sweep that is marched again, before it is.
    pub(super) fn keep_again(&mut self, sweep: usize, y: &[T], k: &[T], columns: usize, sizes: Sizes) {
        match self.end {
            Some(_) => self.keep(sweep, y, k, columns, sizes),
            None => self.keep_sweep(y, k, columns, sizes),
        }
    }

    /// Keeps a sweep that was logged, if it is to be kept.
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
        if self.snapshots.len() > most {
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
        let mut slopes = Vec::new();
        self.slopes_at(0..tiles, k, sizes, &mut slopes);
        self.snapshots.push(Snapshot { sweep, y: y[..tiles * block].to_vec(), slopes });
    }

    /// Forgets the sweeps that are kept, to keep those from `from` on.
    fn restart(&mut self, from: usize) {
        self.from = from;
        self.tiles.clear();
        self.y.clear();
        self.first_slopes.clear();
        self.k.clear();
        self.whole = 0;
    }

    /// Adds the slopes at the states of these tiles, if the next step needs them.
    fn slopes_at(&self, tiles: Range<usize>, k: &[T], sizes: Sizes, to: &mut Vec<T>) {
        if self.shape.reuses_end {
            let block = sizes.dim * LANES;
            tiles.for_each(|tile| to.extend_from_slice(&k[tile * sizes.slots * block..][..block]));
        }
    }

    /// Keeps the states of a sweep over `columns` columns, and the slopes of the steps that are whole.
    fn keep_sweep(&mut self, y: &[T], k: &[T], columns: usize, sizes: Sizes) {
        let block = sizes.dim * LANES;
        let count = tile_panels(columns).count();
        let first = self.kept();
        self.tiles.push(first..first + count);
        self.y.extend_from_slice(&y[..count * block]);
        let whole = self.whole.clamp(first, first + count) - first;
        self.k.extend_from_slice(&k[..whole * sizes.slots * block]);
        let mut slopes = std::mem::take(&mut self.first_slopes);
        self.slopes_at(whole..count, k, sizes, &mut slopes);
        self.first_slopes = slopes;
        self.peak = self.peak.max(self.in_use());
    }

    /// Whether the whole step of a kept tile is there.
    pub(super) fn is_whole(&self, tile: usize) -> bool {
        tile < self.whole
    }

    /// The states of a kept tile before its step.
    pub(super) fn states(&self, tile: usize) -> &[T] {
        &self.y[tile * self.shape.block..(tile + 1) * self.shape.block]
    }

    /// The slopes at these states, if the tile is not whole and a step's first stage is the end of the one before.
    pub(super) fn slopes_before(&self, tile: usize) -> Option<&[T]> {
        let at = (tile - self.whole) * self.shape.block;
        self.first_slopes.get(at..at + self.shape.block).filter(|_| self.shape.reuses_end)
    }

    /// The slopes of a whole step.
    pub(super) fn slopes(&self, tile: usize) -> &[T] {
        let len = self.shape.slots * self.shape.block;
        &self.k[tile * len..(tile + 1) * len]
    }

    /// The record of a stage of a whole step, if stages are recorded.
    pub(super) fn record(&mut self, tile: usize, stage: usize) -> Option<&mut [T]> {
        let Shape { stages, record, .. } = self.shape;
        let at = (tile * stages + stage) * record;
        if stages * record == 0 { None } else { Some(&mut self.records[at..at + record]) }
    }

    /// The observations of a sweep.
    pub(super) fn seen_in(&self, sweep: usize) -> Range<usize> {
        self.seen_until[sweep]..self.seen_until[sweep + 1]
    }

    /// Bytes that would be in use with every stage of every sweep recorded.
    #[must_use]
    pub fn all_bytes(&self, rhs: &dyn Transposed<T>) -> usize {
        let tiles: usize = self.log.sweeps.iter().map(|s| tile_panels(s.columns.len()).count()).sum();
        let rows = rhs.dim() * (1 + self.shape.slots) + self.shape.stages * rhs.record_rows();
        let before = if self.shape.record == 0 { 0 } else { self.starts * rhs.record_rows() };
        (tiles * rows + before) * LANES * size_of::<T>() + self.steps_bytes()
    }

    fn in_use(&self) -> usize {
        let snapshots: usize = self.snapshots.iter().map(|s| s.y.len() + s.slopes.len()).sum();
        let records = self.whole * self.shape.stages * self.shape.record;
        let slopes = self.first_slopes.len() + self.k.len();
        let scalars =
            self.y.len() + slopes + records + self.starts_kept * self.shape.record + snapshots + self.ends.len();
        scalars * size_of::<T>() + self.steps_bytes()
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
