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
    // A row is a few instructions: neither how many panels it has nor how it starts must be asked in each.
    macro_rules! by_panels {
        ($($n:literal)*) => {
            // SAFETY: the caller's promise.
            unsafe {
                match (panels, start) {
                    $(($n, Start::There) => rows::<T, $n, true, false>(slot, d, m, blocks),
                    ($n, Start::Zero) => rows::<T, $n, false, false>(slot, d, m, blocks),
                    ($n, Start::Beside) => rows::<T, $n, false, true>(slot, d, m, blocks),)*
                    _ => debug_assert!(false, "1 to 8 panels"),
                }
            }
        };
    }
    by_panels!(1 2 3 4 5 6 7 8);
}

/// All rows of `PANELS` panels, from what is in the slot or from +0, in its place or added to it.
#[inline(always)]
unsafe fn rows<T: Math, const PANELS: usize, const THERE: bool, const BESIDE: bool>(
    slot: *mut T,
    d: *const T,
    m: usize,
    blocks: usize,
) {
    for i in 0..m {
        // SAFETY: row i of the slot and of d, as the caller promises.
        unsafe {
            let partial = slot.add(i * PARTIALS).cast::<[T; PARTIALS]>();
            let mut sums = if THERE { partial.read() } else { [T::ZERO; PARTIALS] };
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
            if BESIDE {
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
