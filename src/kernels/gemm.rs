//! `y = W x (+ bias)` for packed W over the lanes of a tile, and the tile of accumulators that every product shares.
//!
//! Order: each y\[i\]\[b\]\[l\] is one chain of fused multiply-adds over k from +0, then one addition of the bias.

use super::vector::Vector;
use super::{LANES, PANEL, ROWS};

/// Where the two operands of a tile of accumulators stand: `acc[r][v] += a[r] (splat) * b[v]`, step after step.
#[derive(Clone, Copy)]
pub(super) struct Operands<T> {
    /// Element of row 0, step 0.
    pub a: *const T,
    /// Distance of steps in `a`.
    pub a_step: usize,
    /// Distance of rows in `a`.
    pub a_row: usize,
    /// First lane of vector 0, step 0.
    pub b: *const T,
    /// Distance of steps in `b`.
    pub b_step: usize,
    /// Distance of vectors in `b`.
    pub b_vector: usize,
    /// How many steps.
    pub steps: usize,
}

/// Continues `R` by `W` chains over all steps, in registers.
///
/// # Safety
/// As [`Vector`]; the operands are readable as described.
#[inline(always)]
pub(super) unsafe fn accumulate<V: Vector, const R: usize, const W: usize>(o: &Operands<V::T>, acc: &mut [[V; W]; R]) {
    let (mut a, mut b) = (o.a, o.b);
    let mut sums = *acc;
    for _ in 0..o.steps {
        // SAFETY: the caller's promise.
        unsafe {
            let mut x = [V::zero(); W];
            for (v, x) in x.iter_mut().enumerate() {
                *x = V::load(b.add(v * o.b_vector));
            }
            for (r, row) in sums.iter_mut().enumerate() {
                let w = V::splat(*a.add(r * o.a_row));
                for v in 0..W {
                    row[v] = w.fma(x[v], row[v]);
                }
            }
        }
        a = a.wrapping_add(o.a_step);
        b = b.wrapping_add(o.b_step);
    }
    *acc = sums;
}

/// Vectors for the next tile of accumulators with `left` to go: 3, 2 or 1, up to 4 where rows are so few that registers hold it
/// and chains would wait for each other; never 1 at the end of a longer run if that can be helped.
#[inline(always)]
pub(super) fn next_width<V: Vector>(rows: usize, left: usize) -> usize {
    if rows <= V::ROWS / 2 {
        left.min(4)
    } else if V::WIDTH == 3 && left != 4 {
        left.min(3)
    } else {
        left.min(2)
    }
}

/// Calls `$go::<V, R, W>$args` for `$rows` (1 to 8) and `$width` (1 to 4). A width of 3 or 4 is asked for only where the
/// registers hold it, see [`next_width`].
macro_rules! by_shape {
    ($v:ty, $rows:expr, $width:expr, $go:ident $args:tt) => {
        match ($rows, $width) {
            (1, w) => by_shape!(@wide $v, 1, w, $go $args),
            (2, w) => by_shape!(@wide $v, 2, w, $go $args),
            (3, w) => by_shape!(@wide $v, 3, w, $go $args),
            (4, w) => by_shape!(@wide $v, 4, w, $go $args),
            (5, w) => by_shape!(@tall $v, 5, w, $go $args),
            (6, w) => by_shape!(@tall $v, 6, w, $go $args),
            (7, w) => by_shape!(@tall $v, 7, w, $go $args),
            (_, w) => by_shape!(@tall $v, 8, w, $go $args),
        }
    };
    (@wide $v:ty, $r:literal, $w:ident, $go:ident $args:tt) => {
        match $w {
            1 => $go::<$v, $r, 1> $args,
            2 => $go::<$v, $r, 2> $args,
            3 => $go::<$v, $r, 3> $args,
            _ => $go::<$v, $r, 4> $args,
        }
    };
    (@tall $v:ty, $r:literal, $w:ident, $go:ident $args:tt) => {
        match $w {
            1 => $go::<$v, $r, 1> $args,
            2 => $go::<$v, $r, 2> $args,
            _ => $go::<$v, $r, 3> $args,
        }
    };
}
pub(super) use by_shape;

/// See [`super::Gemm`].
///
/// # Safety
/// As [`super::Gemm`] and [`Vector`].
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) unsafe fn gemm<V: Vector>(
    packed: *const V::T,
    x: *const V::T,
    y: *mut V::T,
    bias: *const V::T,
    m: usize,
    k: usize,
    blocks: usize,
    panels: usize,
) {
    let stride = blocks * LANES;
    let per_block = (panels * PANEL).div_ceil(V::LANES);
    // Runs of equally distant vectors: the whole row, or one vector of each block, or one run a block.
    let (runs, run_len, distance) = if panels * PANEL == LANES {
        (1, blocks * per_block, V::LANES)
    } else if per_block == 1 {
        (1, blocks, LANES)
    } else {
        (blocks, per_block, V::LANES)
    };
    // One vector across: more rows, so that enough chains run side by side. Either divides the rows of a packed panel.
    let tall = if run_len == 1 { ROWS } else { V::ROWS };
    let mut i = 0;
    while i < m {
        let rows = (m - i).min(tall);
        for run in 0..runs {
            let mut done = 0;
            while done < run_len {
                let width = next_width::<V>(rows, run_len - done);
                let lane = run * LANES + done * distance;
                // SAFETY: rows i..i + rows and lanes of this run are within the caller's arrays.
                unsafe {
                    let o = Operands {
                        a: packed.add(i / ROWS * ROWS * k + i % ROWS),
                        a_step: ROWS,
                        a_row: 1,
                        b: x.add(lane),
                        b_step: stride,
                        b_vector: distance,
                        steps: k,
                    };
                    let bias = if bias.is_null() { bias } else { bias.add(i) };
                    by_shape!(V, rows, width, product(&o, y.add(i * stride + lane), stride, bias));
                }
                done += width;
            }
        }
        i += rows;
    }
}

/// One tile of accumulators from zero, with the bias, to `y`.
#[inline(always)]
unsafe fn product<V: Vector, const R: usize, const W: usize>(
    o: &Operands<V::T>,
    y: *mut V::T,
    stride: usize,
    bias: *const V::T,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut acc = [[V::zero(); W]; R];
        accumulate(o, &mut acc);
        for (r, row) in acc.iter().enumerate() {
            for (v, sum) in row.iter().enumerate() {
                let to = y.add(r * stride + v * o.b_vector);
                if bias.is_null() { sum.store(to) } else { sum.add(V::splat(*bias.add(r))).store(to) }
            }
        }
    }
}
