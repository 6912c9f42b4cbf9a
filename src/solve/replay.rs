//! A march again, from a snapshot: the steps are those of its log.
//!
//! Invariant: states and slopes have the bits that they had (of samples whose step was taken; others may differ, and are not
//! looked at). Deliberately absent: error control; it has spoken.

use super::backward::BackRun;
use super::batch::Plan;
use super::chunk::tile_panels;
use super::failure::SolveError;
use super::forward::status;
use super::newton::Newton;
use super::real::Real;
use super::rhs::Transposed;
use super::room::place;
use super::stages::Tile;
use super::tape::Tape;
use super::tile::{self, Lanes};
use crate::backend::LANES;

impl<T: Real> Plan<'_, T> {
    /// Marches from the last snapshot before sweep `upto` to the last sweep before it, and keeps on the tape what it is to keep,
    /// the state before that sweep at least.
    pub(super) fn replay(
        &self,
        rhs: &dyn Transposed<T>,
        tape: &mut Tape<T>,
        upto: usize,
        base: usize,
        scratch: &mut [T],
        run: &mut BackRun,
    ) -> Result<(), SolveError> {
        let Some(snapshot) = tape.rewind(upto) else { return Ok(()) };
        let (sizes, caps) = (self.sizes, rhs.caps());
        let block = sizes.dim * LANES;
        let from = snapshot.sweep;
        let tiles = snapshot.y.len() / block;
        let (mut y, mut y_new) = (snapshot.y, vec![T::default(); tiles * block]);
        let mut k = vec![T::default(); tiles * sizes.slots * block];
        for (tile, slopes) in snapshot.slopes.chunks_exact(block).enumerate() {
            k[tile * sizes.slots * block..][..block].copy_from_slice(slopes);
        }
        let mut inputs = vec![T::default(); tiles * sizes.rows * LANES];
        let mut ids: Vec<u16> = tape.log.id[tape.log.sweeps[from].columns.clone()].to_vec();
        let mut captured = false;
        let mut newton = Newton::default();
        for sweep in from..upto {
            let columns = tape.log.sweeps[sweep].columns.clone();
            let now = &tape.log.id[columns.clone()];
            if ids != now {
                // Packing kept the order.
                let mut old = 0;
                for (column, id) in now.iter().enumerate() {
                    while ids[old] != *id {
                        old += 1;
                    }
                    for row in 0..sizes.dim {
                        y[place(column, row, sizes.dim)] = y[place(old, row, sizes.dim)];
                        let slopes = sizes.slots * sizes.dim;
                        k[place(column, row, slopes)] = k[place(old, row, slopes)];
                    }
                }
                ids = now.to_vec();
                captured = false;
            }
            if !captured {
                for (column, &id) in ids.iter().enumerate() {
                    for (capture, &row) in rhs.rows().captures.iter().enumerate() {
                        inputs[place(column, row, sizes.rows)] =
                            self.problem.captures[place(base + usize::from(id), capture, caps)];
                    }
                }
                captured = true;
            }
            tape.keep_again(sweep, &y, &k, ids.len(), sizes);
            if sweep + 1 == upto {
                break;
            }
            for (tile, panels) in tile_panels(ids.len()) {
                let first = columns.start + tile * LANES;
                let used = (columns.end - first).min(LANES);
                let at = |l: usize| {
                    let l = l.min(used - 1);
                    (tape.log.t[first + l], tape.log.h[first + l])
                };
                let h: Lanes<T> = std::array::from_fn(|l| T::from_f64(at(l).1));
                let blocks = Tile {
                    y: &y[tile * block..(tile + 1) * block],
                    y_new: &mut y_new[tile * block..(tile + 1) * block],
                    k: &mut k[tile * sizes.slots * block..(tile + 1) * sizes.slots * block],
                    inputs: &mut inputs[tile * sizes.rows * LANES..(tile + 1) * sizes.rows * LANES],
                    newton: &mut newton,
                };
                let mut stages = 0;
                let mut evaluate = |_: usize, inputs: &[T], slopes: &mut [T]| {
                    stages += 1;
                    status(rhs.eval(inputs, slopes, scratch, panels))
                };
                self.stages(blocks, at, &h, self.reuses_end(), panels, &mut evaluate)?;
                run.again += stages * used as u64;
            }
            for (tile, panels) in tile_panels(ids.len()) {
                let first = columns.start + tile * LANES;
                let mask: [bool; LANES] =
                    std::array::from_fn(|l| first + l < columns.end && tape.log.accepted[first + l]);
                let y = &mut y[tile * block..(tile + 1) * block];
                tile::commit(y, &y_new[tile * block..(tile + 1) * block], &mask, sizes.dim, panels);
                if self.reuses_end() {
                    let k = &mut k[tile * sizes.slots * block..(tile + 1) * sizes.slots * block];
                    let (first, rest) = k.split_at_mut(self.end_slot * block);
                    tile::commit(first, &rest[..block], &mask, sizes.dim, panels);
                }
            }
        }
        Ok(())
    }
}
