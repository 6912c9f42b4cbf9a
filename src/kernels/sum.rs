//! Sums over the lanes of a tile, kept as 16 partial sums a row.

use super::{LANES, Math, PANEL, Start};

/// See [`super::SumLanes`].
///
/// # Safety
/// As [`super::SumLanes`].
#[inline(always)]
pub(super) unsafe fn sum_lanes<T: Math>(
    slot: *mut T,
    d: *const T,
    m: usize,
    blocks: usize,
    panels: usize,
    start: Start,
) {
    for i in 0..m {
        // SAFETY: row i of the slot and of d, as the caller promises.
        unsafe {
            let partial = slot.add(i * PANEL).cast::<[T; PANEL]>();
            let mut sums = if start == Start::There { partial.read() } else { [T::ZERO; PANEL] };
            for block in 0..blocks {
                let from = d.add((i * blocks + block) * LANES).cast::<[T; PANEL]>();
                for panel in 0..panels {
                    let x = from.add(panel).read();
                    for l in 0..PANEL {
                        sums[l] = sums[l] + x[l];
                    }
                }
            }
            if start == Start::Beside {
                let there = partial.read();
                for l in 0..PANEL {
                    sums[l] = there[l] + sums[l];
                }
            }
            partial.write(sums);
        }
    }
}

/// The sum of 16 partial sums by halves: `p[j] += p[j + n / 2]` for n = 16, 8, 4, 2.
#[must_use]
pub fn tree_sum<T: Math>(mut partial: [T; PANEL]) -> T {
    let mut half = PANEL / 2;
    while half > 0 {
        for j in 0..half {
            partial[j] = partial[j] + partial[j + half];
        }
        half /= 2;
    }
    partial[0]
}
