//! One step of training, as every worker of a section makes it.
//!
//! What a [`super::train::Trainer`] lends for a section -> [`Section::step`], which changes the parameters or says why not. The
//! phases and their barriers are described in [`super::train`]. Each `SAFETY` comment names the barrier that keeps readers and
//! writers apart. Deliberately absent: what is kept between sections.

use super::Real;
use super::bench;
use super::buffer::Aligned;
use super::data_cols::{ColumnSource, Columns};
use super::failure::{Failed, worst};
use super::feed::{Feeds, panels, transpose};
use super::forward::Request;
use super::march::ChunkOf;
use super::objective::Objective;
use super::optim::{clip_scale, square_sum, tree_sum};
use super::params::ParamTable;
use super::parts::Part;
use super::pool::{Stop, Worker};
use super::shares::chunk_size;
use super::theta::{Computed, GradientMap, ThetaMap, prologue};
use super::train::{StepReport, TrainConfig};
use crate::backend::{Kernel, LANES, SharedMut};
use crate::diag::{Code, Diagnostic};
use crate::ir::InputId;
use crate::rng::Key;
use crate::stage::Prologue;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

/// Most slots of a step.
pub(super) const SLOTS: usize = 8;
/// Ranges of the gradient; a worker takes a run of them.
pub(super) const SHARDS: usize = 32;
/// What a worker has for itself.
pub(super) enum Bench<T> {
    /// For the tiles of one unit.
    Tile { inputs: Aligned<T>, outputs: Aligned<T>, scratch: Aligned<T> },
    /// For the chunks of an objective that solves.
    Chunk(Box<bench::Bench<T>>),
}

impl<T> Bench<T> {
    /// Elements of its buffers.
    pub fn len(&self) -> usize {
        match self {
            Bench::Tile { inputs, outputs, scratch } => inputs.len() + outputs.len() + scratch.len(),
            Bench::Chunk(bench) => bench.len(),
        }
    }
}

/// What a step evaluates.
pub(super) enum Work<T: Real> {
    /// One unit: loss and cotangents.
    Unit(Part<T>, Feeds),
    /// Segments between solves, and their transposes.
    Objective(Box<Objective<T>>),
}

impl<T: Real> Work<T> {
    /// Its kernels and their maps.
    pub fn parts(&self) -> Vec<(&dyn Kernel<T>, &ThetaMap)> {
        match self {
            Work::Unit(part, _) => vec![(&*part.kernel, &part.theta_map)],
            Work::Objective(objective) => objective.parts().collect(),
        }
    }

    /// Operations of a sample.
    pub fn flops(&self) -> u64 {
        match self {
            Work::Unit(part, _) => part.kernel.layout().flops,
            Work::Objective(objective) => objective.flops(),
        }
    }
}

/// A kernel with its buffers.
pub(super) struct Shared<'a, T: Real> {
    pub kernel: &'a dyn Kernel<T>,
    pub theta_map: &'a ThetaMap,
    pub packed: SharedMut<T>,
    pub gathered: SharedMut<T>,
    pub slots: SharedMut<T>,
    pub slot_len: usize,
    pub sums: SharedMut<T>,
}

/// Why a section ended before its last step: nothing was changed in the step it names.
pub(super) enum Broken {
    Loss(f64),
    Gradient,
    /// A solve failed.
    Solve(Box<Diagnostic>),
}

/// A running section, seen by every worker.
pub(super) struct Section<'a, T: Real> {
    pub config: &'a TrainConfig,
    pub first: u64,
    pub rates: &'a [f64],
    pub table: &'a ParamTable,
    pub work: &'a Work<T>,
    pub parts: Vec<Shared<'a, T>>,
    pub prologue: &'a Prologue,
    pub gradient_map: &'a GradientMap,
    pub failures: &'a [Mutex<Option<Failed>>],
    /// Ends of the shards of the parameter vector.
    pub shards: &'a [usize],
    pub source: Option<&'a dyn ColumnSource<T>>,
    pub slot_samples: &'a [Range<usize>],
    pub key: Key,
    pub moving: &'a [Range<usize>],
    pub theta: SharedMut<T>,
    pub memory: Vec<SharedMut<T>>,
    pub ema: Option<SharedMut<T>>,
    pub sums: SharedMut<T>,
    pub gradient: SharedMut<T>,
    pub losses: SharedMut<f64>,
    pub squares: SharedMut<f64>,
    pub claims: &'a [AtomicU64],
    /// Slots whose sums were added to those of the slot before.
    pub joined: &'a [AtomicBool],
    /// A slot of negative zeros, which change nothing that they are added to; empty if no slot can be joined.
    pub nothing: &'a [T],
    pub columns: &'a [RwLock<Columns<T>>],
    /// Inputs of the program.
    pub inputs: usize,
}

impl<T: Real> Section<'_, T> {
    /// What the first step needs, up to the barrier before it.
    pub fn begin(&self, w: &Worker<'_>) -> Result<(), Stop> {
        self.prepare_columns(w, 0)?;
        self.pack(w)?;
        w.barrier()
    }

    /// What step `i` needs after the one before it, up to the barrier between them.
    pub fn go_on(&self, w: &Worker<'_>, i: usize) -> Result<(), Stop> {
        self.prepare_columns(w, i)?;
        if !self.packs_updates() {
            w.barrier()?;
            self.pack(w)?;
        }
        w.barrier()
    }

    /// Whether parameters are packed as they are updated.
    fn packs_updates(&self) -> bool {
        self.parts.len() == 1 && self.parts.iter().all(|p| p.theta_map.is_identity() && p.kernel.packs_ranges())
    }

    /// The `i`-th step of the section. All workers return the same. Nothing may be read of parameters before the next barrier.
    pub fn step(&self, w: &Worker<'_>, i: usize, bench: &mut Bench<T>) -> Result<Result<StepReport, Broken>, Stop> {
        let step = self.first + i as u64;
        self.fill_slots(w, i, bench)?;
        w.barrier()?;
        if let Some(failure) = self.failure(step) {
            return Ok(Err(Broken::Solve(failure)));
        }
        // SAFETY: written before the barrier; the next write comes after the next one.
        let loss = tree_sum(unsafe { self.losses.slice(0..self.slot_samples.len()) }) / self.config.batch as f64;
        if !loss.is_finite() {
            return Ok(Err(Broken::Loss(loss)));
        }
        self.reduce(w)?;
        w.barrier()?;
        // SAFETY: as for the losses.
        let norm = tree_sum(unsafe { self.squares.slice(0..SHARDS) }).sqrt();
        if !norm.is_finite() {
            return Ok(Err(Broken::Gradient));
        }
        self.update(w, i, clip_scale(norm, self.config.clip));
        Ok(Ok(StepReport { step: step + 1, loss, gradient_norm: norm }))
    }

    /// Columns of as many steps as there are workers, one worker a step, once for all of those steps.
    fn prepare_columns(&self, w: &Worker<'_>, i: usize) -> Result<(), Stop> {
        let Some(source) = self.source else { return Ok(()) };
        if i.is_multiple_of(w.count()) {
            let ahead = i + w.index();
            if ahead < self.rates.len() {
                let mut columns = self.columns[w.index()].write().unwrap_or_else(PoisonError::into_inner);
                source.fill(self.first + ahead as u64, &mut columns)?;
            }
            // Barriers separate this from the reading of the columns before, and of these.
        }
        Ok(())
    }

    fn pack(&self, w: &Worker<'_>) -> Result<(), Stop> {
        // SAFETY: parameters change in `update` only, a barrier away on both sides.
        let theta = unsafe { self.theta.slice(0..self.theta.len()) };
        let gathers = || self.parts.iter().filter(|p| !p.theta_map.is_identity());
        if gathers().any(|p| p.theta_map.needs_prologue()) {
            if w.index() == 0 {
                let computed = prologue(self.prologue, self.table, theta)?;
                for part in gathers() {
                    // SAFETY: the other workers wait at the barrier below.
                    let all = unsafe { part.gathered.slice_mut(0..part.gathered.len()) };
                    part.theta_map.gather(theta, &computed, 0..all.len(), all);
                }
            }
        } else {
            for part in gathers() {
                let range = w.share(part.gathered.len(), 64);
                // SAFETY: shares are disjoint.
                let own = unsafe { part.gathered.slice_mut(range.clone()) };
                part.theta_map.gather(theta, &Computed::new(), range, own);
            }
        }
        if gathers().next().is_some() {
            w.barrier()?;
        }
        for part in &self.parts {
            if part.theta_map.is_identity() {
                part.kernel.pack(theta, &part.packed, w.index(), w.count());
            } else {
                // SAFETY: written before the barrier, next in the next step.
                let gathered = unsafe { part.gathered.slice(0..part.gathered.len()) };
                part.kernel.pack(gathered, &part.packed, w.index(), w.count());
            }
        }
        Ok(())
    }

    /// The failure of the sample that came least far, if any solve of the step failed.
    fn failure(&self, step: u64) -> Option<Box<Diagnostic>> {
        let Work::Objective(_) = self.work else { return None };
        let failures: Vec<(usize, Failed)> = self
            .failures
            .iter()
            .filter_map(|f| f.lock().unwrap_or_else(PoisonError::into_inner).clone())
            .map(|failure| (0, failure))
            .collect();
        let failure = worst(failures, 0)?;
        let notes = format!("in step {}; the parameters are kept as they were after step {step}", step + 1);
        Some(Box::new(failure.note(notes)))
    }

    /// Takes slots until none is left, its own share first.
    fn fill_slots(&self, w: &Worker<'_>, i: usize, bench: &mut Bench<T>) -> Result<(), Stop> {
        let count = self.slot_samples.len();
        let own = w.share(count, 1).start;
        let turn = self.first + i as u64 + 1;
        let mut filled = None;
        for slot in (own..count).chain(0..own) {
            // A slot is free until it bears this step's number; numbers grow within a section, which begins with zeros.
            if self.claims[slot].swap(turn, Ordering::Relaxed) != turn {
                // The first addition of the tree over slots, where nobody else has to wait for it.
                let samples = self.slot_samples[slot].len();
                let joins = !self.nothing.is_empty() && samples <= LANES && slot % 2 == 1 && filled == Some(slot - 1);
                self.fill_slot(slot, joins, i, w.count(), bench)?;
                self.joined[slot].store(joins, Ordering::Relaxed);
                filled = Some(slot);
            }
        }
        Ok(())
    }

    fn fill_slot(&self, slot: usize, joins: bool, i: usize, depth: usize, bench: &mut Bench<T>) -> Result<(), Stop> {
        let columns = self.columns.get(i % depth).map(|c| c.read().unwrap_or_else(PoisonError::into_inner));
        let mut slots: Vec<&mut [T]> = Vec::new();
        let mut packed: Vec<&[T]> = Vec::new();
        let place = if joins { slot - 1 } else { slot };
        for part in &self.parts {
            // SAFETY: the slot, and the one before if it is joined to that, was claimed by this worker for this step.
            let sums = unsafe { part.slots.slice_mut(place * part.slot_len..(place + 1) * part.slot_len) };
            if let Work::Objective(_) = self.work {
                sums.fill(T::default());
            }
            slots.push(sums);
            // SAFETY: packed before the barrier, next in the next step.
            packed.push(unsafe { part.packed.slice(0..part.packed.len()) });
        }
        let samples = self.slot_samples[slot].clone();
        let step = self.first + i as u64;
        let loss = match (self.work, bench) {
            (Work::Unit(part, feeds), Bench::Tile { inputs, outputs, scratch }) => {
                let tile = (&mut **inputs, &mut **outputs, &mut **scratch);
                self.fill_unit(part, feeds, step, samples, joins, packed[0], slots[0], columns.as_deref(), tile)?
            }
            (Work::Objective(objective), Bench::Chunk(bench)) => {
                match self.fill_chunks(objective, step, samples, &packed, &mut slots, columns.as_deref(), bench)? {
                    Ok(loss) => loss,
                    Err(failure) => {
                        *self.failures[slot].lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
                        0.0
                    }
                }
            }
            _ => return Err(internal("a worker's bench is not for its work").into()),
        };
        // SAFETY: as for the slot.
        unsafe { self.losses.slice_mut(slot..slot + 1)[0] = loss };
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn fill_unit(
        &self,
        part: &Part<T>,
        feeds: &Feeds,
        step: u64,
        samples: Range<usize>,
        joins: bool,
        packed: &[T],
        sums: &mut [T],
        columns: Option<&Columns<T>>,
        (inputs, outputs, scratch): (&mut [T], &mut [T], &mut [T]),
    ) -> Result<f64, Stop> {
        let weight = T::from_f64(1.0 / self.config.batch as f64);
        let mut loss = 0.0;
        for first in samples.clone().step_by(LANES) {
            let lanes = (samples.end - first).min(LANES);
            let panels = panels(lanes);
            for draw in &feeds.draws {
                draw.fill(self.key, step, first as u64, panels, inputs);
            }
            for &(input, row, width) in &feeds.columns {
                let Some(columns) = &columns else { continue };
                let block = &columns.block(input)[first * width..(first + lanes) * width];
                transpose(block, width, &mut inputs[row * LANES..(row + width) * LANES]);
            }
            if let Some(row) = feeds.weight {
                let weights = &mut inputs[row * LANES..(row + 1) * LANES];
                weights[..lanes].fill(weight);
                weights[lanes..].fill(T::default());
            }
            let status = if joins {
                part.kernel.joining_tile(packed, inputs, outputs, sums, scratch, panels)
            } else if first == samples.start {
                part.kernel.first_tile(packed, inputs, outputs, sums, scratch, panels)
            } else {
                part.kernel.tile(packed, inputs, outputs, sums, scratch, panels)
            };
            if status != 0 {
                return Err(internal(&format!("a tile of step {} reports status {status}", step + 1)).into());
            }
            loss += outputs[feeds.loss_row * LANES..][..lanes].iter().fold(0.0, |sum, x| sum + x.to_f64());
        }
        Ok(loss)
    }

    #[allow(clippy::too_many_arguments)]
    fn fill_chunks(
        &self,
        objective: &Objective<T>,
        step: u64,
        samples: Range<usize>,
        packed: &[&[T]],
        slots: &mut [&mut [T]],
        columns: Option<&Columns<T>>,
        bench: &mut bench::Bench<T>,
    ) -> Result<Result<f64, Failed>, Stop> {
        let blocks: Vec<&[T]> = match columns {
            Some(columns) => (0..self.inputs).map(|id| columns.block(InputId(id as u32))).collect(),
            None => Vec::new(),
        };
        let request = Request {
            theta: &[],
            seed: self.config.seed,
            purpose: "train",
            step,
            first_sample: 0,
            samples: self.config.batch,
            inputs: &blocks,
            solvers: &[],
            default_solver: None,
        };
        let chunk = chunk_size(self.config.batch);
        let weight = T::from_f64(1.0 / self.config.batch as f64);
        let mut loss = 0.0;
        for first in samples.clone().step_by(chunk) {
            let samples = first..(first + chunk).min(samples.end);
            let of = ChunkOf { request: &request, samples, packed, weight };
            match objective.chunk(&of, slots, bench)? {
                Ok(part) => loss += part,
                Err(failure) => return Ok(Err(failure.of_batch(first))),
            }
        }
        Ok(Ok(loss))
    }

    /// Elements of a shard.
    fn shard(&self, shard: usize) -> Range<usize> {
        (if shard == 0 { 0 } else { self.shards[shard - 1] })..self.shards[shard]
    }

    fn gradient(&self) -> &SharedMut<T> {
        match self.gradient_map {
            GradientMap::Identity => &self.sums,
            GradientMap::Pieces(_) | GradientMap::Epilogue { .. } => &self.gradient,
        }
    }

    fn reduce(&self, w: &Worker<'_>) -> Result<(), Stop> {
        let own = w.share(SHARDS, 1);
        let add = |part: &Shared<'_, T>, share: Range<usize>| {
            let mut slots: [&[T]; SLOTS] = [&[]; SLOTS];
            let count = self.slot_samples.len();
            let joined = |g: usize| self.joined[g].load(Ordering::Relaxed);
            // If every pair is one slot already, the tree goes on from there.
            let all = count > 1 && (1..count).step_by(2).all(joined);
            let slots = &mut slots[..if all { count.div_ceil(2) } else { count }];
            for (at, slot) in slots.iter_mut().enumerate() {
                let g = if all { 2 * at } else { at };
                *slot = if joined(g) {
                    self.nothing
                } else {
                    // SAFETY: written before the barrier, next in the next step.
                    unsafe { part.slots.slice(g * part.slot_len..(g + 1) * part.slot_len) }
                };
            }
            // SAFETY: shares are disjoint, and so are the parts' sums.
            part.kernel.reduce(slots, share.start, unsafe { part.sums.slice_mut(share) });
        };
        let parts = || self.parts.iter().filter(|p| !p.sums.is_empty());
        match self.gradient_map {
            GradientMap::Identity => {
                for shard in own.clone().map(|s| self.shard(s)) {
                    parts().for_each(|part| add(part, shard.clone()));
                }
            }
            GradientMap::Pieces(_) | GradientMap::Epilogue { .. } => {
                parts().for_each(|part| add(part, w.share(part.sums.len(), 64)));
                w.barrier()?;
                // SAFETY: written before the barrier, next in the next step.
                let sums = unsafe { self.sums.slice(0..self.sums.len()) };
                if let GradientMap::Epilogue { .. } = self.gradient_map {
                    if w.index() == 0 {
                        // SAFETY: the parameters are not written in this phase; the other workers wait below.
                        let (theta, gradient) = unsafe {
                            (self.theta.slice(0..self.theta.len()), self.gradient.slice_mut(0..self.gradient.len()))
                        };
                        self.gradient_map.evaluate(self.table, theta, sums, gradient)?;
                    }
                    w.barrier()?;
                } else {
                    let range = self.shard(own.start).start..self.shard(own.end.max(1) - 1).end;
                    if !own.is_empty() {
                        // SAFETY: workers own disjoint shards.
                        let gradient = unsafe { self.gradient.slice_mut(range.clone()) };
                        self.gradient_map.gather(sums, range, gradient);
                    }
                }
            }
        }
        for shard in own {
            // SAFETY: this worker made these elements, or they were made before a barrier; squares are one a shard.
            unsafe {
                self.squares.slice_mut(shard..shard + 1)[0] = square_sum(self.gradient().slice(self.shard(shard)));
            }
        }
        Ok(())
    }

    fn update(&self, w: &Worker<'_>, i: usize, scale: f64) {
        let own = w.share(SHARDS, 1);
        let step = self.first + i as u64 + 1;
        let update = self.config.optimizer.at(step, self.rates[i], scale);
        let packs = self.packs_updates();
        // One after another, so that what is updated is packed from the nearest cache.
        let moving = |shard: Range<usize>| {
            self.moving.iter().map(move |m| m.start.max(shard.start)..m.end.min(shard.end)).filter(|r| !r.is_empty())
        };
        for range in own.flat_map(|s| moving(self.shard(s))) {
            // SAFETY: workers own disjoint shards, and nobody reads parameters in this phase, packed or not.
            unsafe {
                let theta = self.theta.slice_mut(range.clone());
                let gradient = self.gradient().slice(range.clone());
                match self.memory.as_slice() {
                    [] => update.apply(theta, gradient, &mut []),
                    [a] => update.apply(theta, gradient, &mut [a.slice_mut(range.clone())]),
                    [a, b] => {
                        let memory = &mut [a.slice_mut(range.clone()), b.slice_mut(range.clone())];
                        update.apply(theta, gradient, memory);
                    }
                    more => unreachable!("an optimizer keeps at most two vectors, not {}", more.len()),
                }
                if let (Some(ema), Some(average)) = (self.config.ema, &self.ema) {
                    ema.update(step, average.slice_mut(range.clone()), theta);
                }
                if packs {
                    self.parts.iter().for_each(|p| p.kernel.pack_range(theta, range.start, &p.packed));
                }
            }
        }
    }
}

pub(super) fn internal(why: &str) -> Box<Diagnostic> {
    Box::new(Diagnostic::bare(Code::Internal, why))
}
