//! Weight gradients: `slot += d x'` over the lanes of a tile.
//!
//! Order: slot\[i\]\[j\] continues one chain of fused multiply-adds over (block, lane), both ascending. A lane is a step of the
//! chain, so one side is transposed to have its rows as vector lanes: x if it is wide, d if x has a few rows only.

use super::gemm::{Operands, accumulate, by_shape, next_width};
use super::vector::Vector;
use super::{LANES, PANEL, Start, WIDEST};

/// Up to this many rows of x, d is transposed instead.
const NARROW: usize = 8;

/// Row stride of a slot: k rounded up to a register.
pub(super) fn padded(k: usize) -> usize {
    k.next_multiple_of(WIDEST)
}

/// Scalars of scratch that [`super::Grad`] needs.
#[must_use]
pub fn grad_scratch_len(k: usize) -> usize {
    // The transposed block; in the narrow case 64 transposed rows of d and their chains.
    if k <= NARROW { LANES * LANES + WIDEST * LANES } else { LANES * padded(k) }
}

/// See [`super::Grad`].
///
/// # Safety
/// As [`super::Grad`] and [`Vector`].
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) unsafe fn grad<V: Vector>(
    slot: *mut V::T,
    d: *const V::T,
    x: *const V::T,
    m: usize,
    k: usize,
    blocks: usize,
    panels: usize,
    scratch: *mut V::T,
    start: Start,
) {
    for block in 0..blocks {
        let start = if block == 0 { start } else { Start::There };
        // SAFETY: the caller's promise; each block is within the rows.
        unsafe {
            let (d, x) = (d.add(block * LANES), x.add(block * LANES));
            if k <= NARROW {
                narrow::<V>(slot, d, x, m, k, blocks * LANES, panels * PANEL, scratch, start);
            } else {
                wide::<V>(slot, d, x, m, k, blocks * LANES, panels * PANEL, scratch, start);
            }
        }
    }
}

/// Transposes rows of 8 to 64 lanes (more, up to a whole vector) to `[row / LANES][lane][row % LANES]`, with zeros in the rows
/// that are missing to a whole vector: each vector of rows is a compact run, so neither long rows nor powers of two thrash the
/// cache.
#[inline(always)]
unsafe fn transpose_rows<V: Vector>(from: *const V::T, stride: usize, rows: usize, lanes: usize, to: *mut V::T) {
    for r in (0..rows).step_by(V::LANES) {
        // SAFETY: the caller's promise; rows beyond `rows` are not read.
        unsafe {
            let (from, to) = (from.add(r * stride), to.add(r * LANES));
            if rows - r >= V::LANES {
                for l in (0..lanes).step_by(V::LANES) {
                    V::transpose(from.add(l), stride, V::LANES, to.add(l * V::LANES), V::LANES);
                }
            } else {
                for l in (0..lanes).step_by(V::LANES) {
                    V::transpose(from.add(l), stride, rows - r, to.add(l * V::LANES), V::LANES);
                }
            }
        }
    }
}

/// Columns of the slot are vector lanes: x transposed, d broadcast.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn wide<V: Vector>(
    slot: *mut V::T,
    d: *const V::T,
    x: *const V::T,
    m: usize,
    k: usize,
    stride: usize,
    lanes: usize,
    scratch: *mut V::T,
    start: Start,
) {
    let kp = padded(k);
    // SAFETY: the caller's promise.
    unsafe { transpose_rows::<V>(x, stride, k, lanes, scratch) };
    let vectors = k.div_ceil(V::LANES);
    let mut done = 0;
    while done < vectors {
        let width = next_width::<V>(m, vectors - done);
        let mut i = 0;
        while i < m {
            let rows = (m - i).min(V::ROWS);
            // SAFETY: the caller's promise.
            unsafe {
                let o = Operands {
                    a: d.add(i * stride),
                    a_step: 1,
                    a_row: stride,
                    b: scratch.add(done * V::LANES * LANES),
                    b_step: V::LANES,
                    b_vector: V::LANES * LANES,
                    steps: lanes,
                };
                by_shape!(V, rows, width, chain(&o, slot.add(i * kp + done * V::LANES), kp, start));
            }
            i += rows;
        }
        done += width;
    }
}

/// Rows of the slot are vector lanes: d transposed, x broadcast; 64 rows at a time.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn narrow<V: Vector>(
    slot: *mut V::T,
    d: *const V::T,
    x: *const V::T,
    m: usize,
    k: usize,
    stride: usize,
    lanes: usize,
    scratch: *mut V::T,
    start: Start,
) {
    let kp = padded(k);
    for first in (0..m).step_by(LANES) {
        let count = (m - first).min(LANES);
        // SAFETY: the caller's promise.
        unsafe {
            let slot = slot.add(first * kp);
            let chains = scratch.add(LANES * LANES);
            transpose_rows::<V>(d.add(first * stride), stride, count, lanes, scratch);
            // Sixteen columns or as many as whole vectors cover: the padding of the slot comes along.
            let columns = k.next_multiple_of(V::LANES);
            for i in (0..if start == Start::Zero { 0 } else { count }).step_by(V::LANES) {
                for j in (0..columns).step_by(V::LANES) {
                    V::transpose(slot.add(i * kp + j), kp, count - i, chains.add(j * LANES + i), LANES);
                }
            }
            let vectors = count.div_ceil(V::LANES);
            let mut j = 0;
            while j < k {
                let rows = (k - j).min(V::ROWS);
                let mut done = 0;
                while done < vectors {
                    let width = next_width::<V>(rows, vectors - done);
                    let o = Operands {
                        a: x.add(j * stride),
                        a_step: 1,
                        a_row: stride,
                        b: scratch.add(done * V::LANES * LANES),
                        b_step: V::LANES,
                        b_vector: V::LANES * LANES,
                        steps: lanes,
                    };
                    by_shape!(V, rows, width, chain(&o, chains.add(j * LANES + done * V::LANES), LANES, start));
                    done += width;
                }
                j += rows;
            }
            let whole = count / V::LANES * V::LANES;
            for i in (0..whole).step_by(V::LANES) {
                for j in (0..columns).step_by(V::LANES) {
                    V::transpose(chains.add(j * LANES + i), LANES, V::LANES, slot.add(i * kp + j), kp);
                }
            }
            for i in whole..count {
                for j in 0..k {
                    *slot.add(i * kp + j) = *chains.add(j * LANES + i);
                }
            }
        }
    }
}

/// Loads a tile of chains or begins it, continues them over all steps, stores them.
#[inline(always)]
unsafe fn chain<V: Vector, const R: usize, const W: usize>(
    o: &Operands<V::T>,
    sums: *mut V::T,
    stride: usize,
    start: Start,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut acc = [[V::zero(); W]; R];
        if start == Start::There {
            for (r, row) in acc.iter_mut().enumerate() {
                for (v, sum) in row.iter_mut().enumerate() {
                    *sum = V::load(sums.add(r * stride + v * V::LANES));
                }
            }
        }
        accumulate(o, &mut acc);
        for (r, row) in acc.iter().enumerate() {
            for (v, sum) in row.iter().enumerate() {
                let to = sums.add(r * stride + v * V::LANES);
                if start == Start::Beside { V::load(to).add(*sum).store(to) } else { sum.store(to) }
            }
        }
    }
}
