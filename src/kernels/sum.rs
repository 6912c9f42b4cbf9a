//! Sums over the lanes of a tile, kept as 16 partial sums a row.

use super::{LANES, Math, PANEL, PARTIALS, Start};

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
    // A row is a few instructions: how many panels it has must not be asked in each.
    // SAFETY: the caller's promise.
    unsafe {
        match panels {
            1 => rows::<T, 1>(slot, d, m, blocks, start),
            2 => rows::<T, 2>(slot, d, m, blocks, start),
            3 => rows::<T, 3>(slot, d, m, blocks, start),
            4 => rows::<T, 4>(slot, d, m, blocks, start),
            5 => rows::<T, 5>(slot, d, m, blocks, start),
            6 => rows::<T, 6>(slot, d, m, blocks, start),
            7 => rows::<T, 7>(slot, d, m, blocks, start),
            _ => rows::<T, 8>(slot, d, m, blocks, start),
        }
    }
}

/// All rows of `PANELS` panels.
#[inline(always)]
unsafe fn rows<T: Math, const PANELS: usize>(slot: *mut T, d: *const T, m: usize, blocks: usize, start: Start) {
    for i in 0..m {
        // SAFETY: row i of the slot and of d, as the caller promises.
        unsafe {
            let partial = slot.add(i * PARTIALS).cast::<[T; PARTIALS]>();
            let mut sums = if start == Start::There { partial.read() } else { [T::ZERO; PARTIALS] };
            for block in 0..blocks {
                let from = d.add((i * blocks + block) * LANES).cast::<[T; PANEL]>();
                for panel in 0..PANELS {
                    let x = from.add(panel).read();
                    let half = panel * PANEL % PARTIALS;
                    for l in 0..PANEL {
                        sums[half + l] = sums[half + l] + x[l];
                    }
                }
            }
            if start == Start::Beside {
                let there = partial.read();
                for l in 0..PARTIALS {
                    sums[l] = there[l] + sums[l];
                }
            }
            partial.write(sums);
        }
    }
}

/// The sum of 16 partial sums by halves: `p[j] += p[j + n / 2]` for n = 16, 8, 4, 2.
#[must_use]
pub fn tree_sum<T: Math>(mut partial: [T; PARTIALS]) -> T {
    let mut half = PARTIALS / 2;
    while half > 0 {
        for j in 0..half {
            partial[j] = partial[j] + partial[j + half];
        }
        half /= 2;
    }
    partial[0]
}
