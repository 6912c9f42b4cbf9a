//! Scans of rows of costs, for assignments: the two least of a row, and a step of Dijkstra's search.
//!
//! Slices of one length -> least values and where they stand. Differences round once and the first of equal columns counts, so
//! AVX-512, AVX2 and portable code give equal results. Deliberately absent: NaN (costs are finite), and algorithms.

use super::Isa;

/// The least and second least of `row - v` (infinite if there are not as many), and the first column that has the least.
#[must_use]
pub fn best_two(isa: Isa, row: &[f32], v: &[f32]) -> (f32, f32, usize) {
    let v = &v[..row.len()];
    match isa {
        // SAFETY: the processor has it, as the caller found; the slices are of one length.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { avx512::best_two(row, v) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { avx2::best_two(row, v) },
        _ => two_least(row.iter().zip(v).map(|(c, v)| c - v).enumerate(), (f32::INFINITY, f32::INFINITY, 0)),
    }
}

/// Paths through row `number` to every column: `d = row - v - offset`, where that is shorter, with `number` in `before`. Gives
/// the least distance of all.
pub fn relax(
    isa: Isa,
    row: &[f64],
    v: &[f64],
    offset: f64,
    number: f64,
    distance: &mut [f64],
    before: &mut [f64],
) -> f64 {
    let n = row.len();
    let (v, distance, before) = (&v[..n], &mut distance[..n], &mut before[..n]);
    match isa {
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { avx512::relax(row, v, offset, number, distance, before) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { avx2::relax(row, v, offset, number, distance, before) },
        _ => shorten(row, v, offset, number, distance, before),
    }
}

/// The first column at distance `x` that is free (0 in `held`), or else the first at that distance, which is there.
#[must_use]
pub fn nearest(isa: Isa, distance: &[f64], held: &[f64], x: f64) -> usize {
    let held = &held[..distance.len()];
    match isa {
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { avx512::nearest(distance, held, x) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { avx2::nearest(distance, held, x) },
        _ => {
            let at = |free: bool| distance.iter().zip(held).position(|(&d, &h)| d == x && !(free && h != 0.0));
            at(true).or_else(|| at(false)).unwrap_or(0)
        }
    }
}

/// The two least of numbered values and the number of the least, begun with those of the values before.
fn two_least(values: impl Iterator<Item = (usize, f32)>, before: (f32, f32, usize)) -> (f32, f32, usize) {
    values.fold(
        before,
        |(best, second, column), (j, d)| {
            if d < best { (d, best, j) } else { (best, if d < second { d } else { second }, column) }
        },
    )
}

fn shorten(row: &[f64], v: &[f64], offset: f64, number: f64, distance: &mut [f64], before: &mut [f64]) -> f64 {
    let mut least = f64::INFINITY;
    for j in 0..row.len() {
        let d = row[j] - v[j] - offset;
        let less = d < distance[j];
        before[j] = if less { number } else { before[j] };
        distance[j] = if less { d } else { distance[j] };
        least = if distance[j] < least { distance[j] } else { least };
    }
    least
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    /// Two vectors at a time, since a minimum waits for the one before.
    const STEP: usize = 16;

    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn best_two(row: &[f32], v: &[f32]) -> (f32, f32, usize) {
        let infinity = _mm256_set1_ps(f32::INFINITY);
        let (mut best, mut second, mut at) = ([infinity; 2], [infinity; 2], [_mm256_setzero_ps(); 2]);
        let whole = row.len() / STEP * STEP;
        for j in (0..whole).step_by(STEP) {
            // A number of a column stands in a lane as it is.
            let here = _mm256_castsi256_ps(_mm256_set1_epi32(j as i32));
            for half in 0..2 {
                let from = j + 8 * half;
                // SAFETY: `from + 8` is at most `whole`.
                let (c, v) =
                    unsafe { (_mm256_loadu_ps(row.as_ptr().add(from)), _mm256_loadu_ps(v.as_ptr().add(from))) };
                let d = _mm256_sub_ps(c, v);
                let less = _mm256_cmp_ps::<_CMP_LT_OQ>(d, best[half]);
                at[half] = _mm256_blendv_ps(at[half], here, less);
                second[half] = _mm256_min_ps(second[half], _mm256_max_ps(d, best[half]));
                best[half] = _mm256_min_ps(best[half], d);
            }
        }
        let (mut bests, mut seconds, mut columns) = ([0.0_f32; STEP], [0.0_f32; STEP], [0_u32; STEP]);
        for half in 0..2 {
            // SAFETY: eight lanes from 0 or from 8 on.
            unsafe {
                _mm256_storeu_ps(bests.as_mut_ptr().add(8 * half), best[half]);
                _mm256_storeu_ps(seconds.as_mut_ptr().add(8 * half), second[half]);
                _mm256_storeu_si256(columns.as_mut_ptr().add(8 * half).cast(), _mm256_castps_si256(at[half]));
            }
        }
        let (mut least, mut next, mut column) = (f32::INFINITY, f32::INFINITY, usize::MAX);
        for l in 0..STEP {
            let here = columns[l] as usize + l;
            let first = bests[l] < least || (bests[l] == least && here < column);
            let other = if first { least } else { bests[l] };
            (least, column) = if first { (bests[l], here) } else { (least, column) };
            next = [other, seconds[l]].into_iter().fold(next, |a, b| if b < a { b } else { a });
        }
        let before = if whole == 0 { (f32::INFINITY, f32::INFINITY, 0) } else { (least, next, column) };
        let rest = row[whole..].iter().zip(&v[whole..]).map(|(c, v)| c - v);
        super::two_least((whole..).zip(rest), before)
    }

    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn relax(
        row: &[f64],
        v: &[f64],
        offset: f64,
        number: f64,
        distance: &mut [f64],
        before: &mut [f64],
    ) -> f64 {
        let (offsets, numbers) = (_mm256_set1_pd(offset), _mm256_set1_pd(number));
        let mut least = [_mm256_set1_pd(f64::INFINITY); 2];
        let whole = row.len() / 8 * 8;
        for j in (0..whole).step_by(8) {
            for (half, least) in least.iter_mut().enumerate() {
                let from = j + 4 * half;
                // SAFETY: `from + 4` is at most `whole`, and the slices are of one length.
                unsafe {
                    let (c, v) = (_mm256_loadu_pd(row.as_ptr().add(from)), _mm256_loadu_pd(v.as_ptr().add(from)));
                    let old = _mm256_loadu_pd(distance.as_ptr().add(from));
                    let d = _mm256_sub_pd(_mm256_sub_pd(c, v), offsets);
                    let less = _mm256_cmp_pd::<_CMP_LT_OQ>(d, old);
                    let new = _mm256_blendv_pd(old, d, less);
                    *least = _mm256_min_pd(*least, new);
                    // Few columns come nearer: most often there is nothing to write.
                    if _mm256_movemask_pd(less) != 0 {
                        let ways = _mm256_loadu_pd(before.as_ptr().add(from));
                        _mm256_storeu_pd(distance.as_mut_ptr().add(from), new);
                        _mm256_storeu_pd(before.as_mut_ptr().add(from), _mm256_blendv_pd(ways, numbers, less));
                    }
                }
            }
        }
        let mut lanes = [0.0; 4];
        // SAFETY: four lanes.
        unsafe { _mm256_storeu_pd(lanes.as_mut_ptr(), _mm256_min_pd(least[0], least[1])) };
        let (distance, before) = (&mut distance[whole..], &mut before[whole..]);
        let rest = super::shorten(&row[whole..], &v[whole..], offset, number, distance, before);
        lanes.into_iter().fold(rest, |a, b| if b < a { b } else { a })
    }

    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn nearest(distance: &[f64], held: &[f64], x: f64) -> usize {
        let wanted = _mm256_set1_pd(x);
        let mut first = None;
        let whole = distance.len() / 4 * 4;
        for j in (0..whole).step_by(4) {
            // SAFETY: `j + 4` is at most `whole`.
            let d = unsafe { _mm256_loadu_pd(distance.as_ptr().add(j)) };
            let mut there = _mm256_movemask_pd(_mm256_cmp_pd::<_CMP_EQ_OQ>(d, wanted));
            while there != 0 {
                let at = j + there.trailing_zeros() as usize;
                if held[at] == 0.0 {
                    return at;
                }
                first = first.or(Some(at));
                there &= there - 1;
            }
        }
        let rest = |free: bool| (whole..distance.len()).find(|&j| distance[j] == x && !(free && held[j] != 0.0));
        rest(true).or(first).or_else(|| rest(false)).unwrap_or(0)
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
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
