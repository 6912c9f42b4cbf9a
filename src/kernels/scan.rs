//! Scans of rows of costs, for assignments: the two least of a row, and a step of Dijkstra's search.
//!
//! Slices of one length -> least values and where they stand. Differences round once and the first of equal columns counts, so
//! AVX-512 and portable code give equal results. Deliberately absent: NaN (costs are finite), and algorithms.

use super::{Isa, wide};

/// The least and second least of `row - v` (infinite if there are not as many), and the first column that has the least.
#[must_use]
pub fn best_two(row: &[f32], v: &[f32]) -> (f32, f32, usize) {
    let v = &v[..row.len()];
    match Isa::detect() {
        // SAFETY: the processor has it, as detected; the slices are of one length.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { x86::best_two(row, v) },
        _ => plain_best_two(row, v),
    }
}

/// Paths through row `number` to every column: `d = row - v - offset`, where that is shorter, with `number` in `before`. Gives
/// the least distance of all.
pub fn relax(row: &[f64], v: &[f64], offset: f64, number: f64, distance: &mut [f64], before: &mut [f64]) -> f64 {
    let n = row.len();
    let (v, distance, before) = (&v[..n], &mut distance[..n], &mut before[..n]);
    match Isa::detect() {
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { x86::relax(row, v, offset, number, distance, before) },
        _ => {
            shorten(row, v, offset, number, distance, before);
            distance.iter().fold(f64::INFINITY, |least, &d| if d < least { d } else { least })
        }
    }
}

/// The first column at distance `x` that is free (0 in `held`), or else the first at that distance, which is there.
#[must_use]
pub fn nearest(distance: &[f64], held: &[f64], x: f64) -> usize {
    let held = &held[..distance.len()];
    match Isa::detect() {
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { x86::nearest(distance, held, x) },
        _ => {
            let at = |free: bool| distance.iter().zip(held).position(|(&d, &h)| d == x && !(free && h != 0.0));
            at(true).or_else(|| at(false)).unwrap_or(0)
        }
    }
}

fn plain_best_two(row: &[f32], v: &[f32]) -> (f32, f32, usize) {
    let (mut best, mut second, mut column) = (f32::INFINITY, f32::INFINITY, 0);
    for (j, (&c, &v)) in row.iter().zip(v).enumerate() {
        let d = c - v;
        if d < best {
            (second, best, column) = (best, d, j);
        } else if d < second {
            second = d;
        }
    }
    (best, second, column)
}

wide! {
    fn shorten<T: super::Math>(row: &[T], v: &[T], offset: T, number: T, distance: &mut [T], before: &mut [T]) {
        for j in 0..row.len() {
            let d = row[j] - v[j] - offset;
            let less = d < distance[j];
            before[j] = if less { number } else { before[j] };
            distance[j] = if less { d } else { distance[j] };
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    /// Vectors of `n` scalars, `lanes` at a time: first scalar and the mask of those there are.
    fn vectors(n: usize, lanes: usize) -> impl Iterator<Item = (usize, u16)> {
        (0..n).step_by(lanes).map(move |at| {
            let left = (n - at).min(lanes);
            (at, ((1_u32 << left) - 1) as u16)
        })
    }

    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn best_two(row: &[f32], v: &[f32]) -> (f32, f32, usize) {
        let infinity = _mm512_set1_ps(f32::INFINITY);
        let (mut best, mut second) = (infinity, infinity);
        let mut at = _mm512_setzero_si512();
        for (j, mask) in vectors(row.len(), 16) {
            // SAFETY: the mask keeps to the slices.
            let (c, v) = unsafe {
                (
                    _mm512_mask_loadu_ps(infinity, mask, row.as_ptr().add(j)),
                    _mm512_maskz_loadu_ps(mask, v.as_ptr().add(j)),
                )
            };
            let d = _mm512_sub_ps(c, v);
            let less = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(d, best);
            second = _mm512_min_ps(second, _mm512_max_ps(d, best));
            best = _mm512_min_ps(d, best);
            at = _mm512_mask_mov_epi32(at, less, _mm512_set1_epi32(j as i32));
        }
        let least = _mm512_reduce_min_ps(best);
        let there = _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(best, _mm512_set1_ps(least));
        let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        let column = _mm512_mask_reduce_min_epu32(there, _mm512_add_epi32(at, lanes)) as usize;
        let rest = _mm512_mask_mov_ps(best, 1 << (column % 16), infinity);
        (least, _mm512_reduce_min_ps(_mm512_min_ps(rest, second)), column)
    }

    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn relax(
        row: &[f64],
        v: &[f64],
        offset: f64,
        number: f64,
        distance: &mut [f64],
        before: &mut [f64],
    ) -> f64 {
        let infinity = _mm512_set1_pd(f64::INFINITY);
        let (offset, number) = (_mm512_set1_pd(offset), _mm512_set1_pd(number));
        let mut least = infinity;
        for (j, mask) in vectors(row.len(), 8) {
            let mask = mask as u8;
            // SAFETY: the mask keeps to the slices.
            unsafe {
                let (c, v) =
                    (_mm512_maskz_loadu_pd(mask, row.as_ptr().add(j)), _mm512_maskz_loadu_pd(mask, v.as_ptr().add(j)));
                let old = _mm512_mask_loadu_pd(infinity, mask, distance.as_ptr().add(j));
                let d = _mm512_sub_pd(_mm512_sub_pd(c, v), offset);
                let less = _mm512_mask_cmp_pd_mask::<_CMP_LT_OQ>(mask, d, old);
                let new = _mm512_mask_mov_pd(old, less, d);
                _mm512_mask_storeu_pd(distance.as_mut_ptr().add(j), less, d);
                _mm512_mask_storeu_pd(before.as_mut_ptr().add(j), less, number);
                least = _mm512_min_pd(least, new);
            }
        }
        _mm512_reduce_min_pd(least)
    }

    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn nearest(distance: &[f64], held: &[f64], x: f64) -> usize {
        let (x, zero) = (_mm512_set1_pd(x), _mm512_setzero_pd());
        let mut first = None;
        for (j, mask) in vectors(distance.len(), 8) {
            let mask = mask as u8;
            // SAFETY: the mask keeps to the slices.
            let (d, h) = unsafe {
                (
                    _mm512_maskz_loadu_pd(mask, distance.as_ptr().add(j)),
                    _mm512_maskz_loadu_pd(mask, held.as_ptr().add(j)),
                )
            };
            let there = _mm512_mask_cmp_pd_mask::<_CMP_EQ_OQ>(mask, d, x);
            if there != 0 {
                let free = _mm512_mask_cmp_pd_mask::<_CMP_EQ_OQ>(there, h, zero);
                if free != 0 {
                    return j + free.trailing_zeros() as usize;
                }
                first = first.or(Some(j + there.trailing_zeros() as usize));
            }
        }
        first.unwrap_or(0)
    }
}
