//! Brings weights into row panels: `packed[(i / 8) * k * 8 + kk * 8 + i % 8] = W[i][kk]`, rows beyond m zero.

use super::vector::Vector;
use super::{Math, ROWS, WIDEST};

/// Scalars of a packed m x k matrix: whole row panels, rounded up to 16.
#[must_use]
pub fn packed_len(m: usize, k: usize) -> usize {
    (m.div_ceil(ROWS) * ROWS * k).next_multiple_of(WIDEST)
}

/// See [`super::Pack`].
///
/// # Safety
/// As [`super::Pack`].
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) unsafe fn pack<V: Vector>(
    w: *const V::T,
    packed: *mut V::T,
    m: usize,
    k: usize,
    row_stride: usize,
    col_stride: usize,
    pitch: usize,
    first_panel: usize,
    panels: usize,
) {
    for panel in first_panel..first_panel + panels {
        let first = panel * ROWS;
        // SAFETY: elements (i, kk) of W with i < m, kk < k, and whole panels of `packed`, as the caller promises.
        unsafe {
            let to = packed.add(first * pitch).cast::<[V::T; ROWS]>();
            if first + ROWS <= m && row_stride == 1 {
                let from = w.add(first);
                for kk in 0..k {
                    to.add(kk).write(from.add(kk * col_stride).cast::<[V::T; ROWS]>().read());
                }
            } else if first + ROWS <= m {
                let from = w.add(first * row_stride);
                let squares = if col_stride == 1 { k / V::LANES * V::LANES } else { 0 };
                for kk in (0..squares).step_by(V::LANES) {
                    for r in (0..ROWS).step_by(V::LANES) {
                        let to = to.add(kk).cast::<V::T>().add(r);
                        V::transpose(from.add(r * row_stride + kk), row_stride, V::LANES, to, ROWS);
                    }
                }
                for kk in squares..k {
                    to.add(kk).write(std::array::from_fn(|r| *from.add(r * row_stride + kk * col_stride)));
                }
            } else {
                let element =
                    |i: usize, kk: usize| if i < m { *w.add(i * row_stride + kk * col_stride) } else { V::T::ZERO };
                for kk in 0..k {
                    to.add(kk).write(std::array::from_fn(|r| element(first + r, kk)));
                }
            }
        }
    }
}
