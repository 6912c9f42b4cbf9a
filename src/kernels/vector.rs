//! Vector registers: the few operations that products need, for each instruction set.
//!
//! Elementwise loops need none of this (the compiler vectorises them); products do, because which values stay in registers
//! decides their speed.

use super::Math;

/// A vector register of `LANES` scalars.
///
/// # Safety
/// Every function must be inlined into code compiled for the instruction set, on a processor that has it.
pub(super) trait Vector: Copy {
    /// The scalar.
    type T: Math;
    /// Scalars of a register; divides [`super::WIDEST`].
    const LANES: usize;
    /// Rows of a tile of accumulators that is `WIDTH` registers wide: 4 or 8.
    const ROWS: usize;
    /// Registers across a tile of accumulators of more than four rows.
    const WIDTH: usize;

    unsafe fn zero() -> Self;
    unsafe fn load(p: *const Self::T) -> Self;
    unsafe fn store(self, p: *mut Self::T);
    unsafe fn splat(x: Self::T) -> Self;
    /// `self * b + c`, rounded once.
    unsafe fn fma(self, b: Self, c: Self) -> Self;
    unsafe fn add(self, b: Self) -> Self;
    /// Transposes a square of `LANES` by `LANES` scalars in memory: row r of the source starts at `r * from_stride`. Source
    /// rows from `rows` on are not read and count as zero.
    unsafe fn transpose(from: *const Self::T, from_stride: usize, rows: usize, to: *mut Self::T, to_stride: usize);
}

/// Plain Rust, four scalars at a time.
#[derive(Clone, Copy)]
pub(super) struct Plain<T>([T; 4]);

impl<T: Math> Vector for Plain<T> {
    type T = T;
    const LANES: usize = 4;
    const ROWS: usize = 4;
    const WIDTH: usize = 2;

    #[inline(always)]
    unsafe fn zero() -> Self {
        Plain([T::ZERO; 4])
    }
    #[inline(always)]
    unsafe fn load(p: *const T) -> Self {
        // SAFETY: the caller gives four readable scalars.
        Plain(unsafe { p.cast::<[T; 4]>().read() })
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut T) {
        // SAFETY: the caller gives four writable scalars.
        unsafe { p.cast::<[T; 4]>().write(self.0) }
    }
    #[inline(always)]
    unsafe fn splat(x: T) -> Self {
        Plain([x; 4])
    }
    #[inline(always)]
    unsafe fn fma(self, b: Self, c: Self) -> Self {
        Plain(std::array::from_fn(|i| self.0[i].fma(b.0[i], c.0[i])))
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        Plain(std::array::from_fn(|i| self.0[i] + b.0[i]))
    }
    #[inline(always)]
    unsafe fn transpose(from: *const T, from_stride: usize, rows: usize, to: *mut T, to_stride: usize) {
        for r in 0..4 {
            for c in 0..4 {
                // SAFETY: within the squares the caller gives; rows beyond `rows` are not read.
                unsafe { *to.add(c * to_stride + r) = if r < rows { *from.add(r * from_stride + c) } else { T::ZERO } };
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{F32x8, F32x16, F64x4, F64x8};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Vector;
    use std::arch::x86_64::*;

    /// Implements everything but the transpose with the intrinsics of one register type.
    macro_rules! register {
        ($name:ident, $reg:ty, $t:ty, $lanes:literal, $rows:literal, $width:literal,
         $zero:ident, $load:ident, $store:ident, $splat:ident, $fma:ident, $add:ident, $transpose:ident) => {
            #[derive(Clone, Copy)]
            pub(in super::super) struct $name($reg);

            // SAFETY of every block: the caller runs on a processor with the instruction set and gives `LANES` scalars
            // that may be read or written.
            impl Vector for $name {
                type T = $t;
                const LANES: usize = $lanes;
                const ROWS: usize = $rows;
                const WIDTH: usize = $width;

                #[inline(always)]
                unsafe fn zero() -> Self {
                    // SAFETY: as above.
                    $name(unsafe { $zero() })
                }
                #[inline(always)]
                unsafe fn load(p: *const $t) -> Self {
                    // SAFETY: as above.
                    $name(unsafe { $load(p) })
                }
                #[inline(always)]
                unsafe fn store(self, p: *mut $t) {
                    // SAFETY: as above.
                    unsafe { $store(p, self.0) }
                }
                #[inline(always)]
                unsafe fn splat(x: $t) -> Self {
                    // SAFETY: as above.
                    $name(unsafe { $splat(x) })
                }
                #[inline(always)]
                unsafe fn fma(self, b: Self, c: Self) -> Self {
                    // SAFETY: as above.
                    $name(unsafe { $fma(self.0, b.0, c.0) })
                }
                #[inline(always)]
                unsafe fn add(self, b: Self) -> Self {
                    // SAFETY: as above.
                    $name(unsafe { $add(self.0, b.0) })
                }
                #[inline(always)]
                unsafe fn transpose(from: *const $t, from_stride: usize, rows: usize, to: *mut $t, to_stride: usize) {
                    // SAFETY: as above, for each row of the square.
                    unsafe {
                        // Loops, not closures: a closure that stays a function has no instruction set.
                        let mut square = [$zero(); $lanes];
                        for (r, row) in square.iter_mut().enumerate() {
                            if r < rows {
                                *row = $load(from.add(r * from_stride));
                            }
                        }
                        for (c, column) in $transpose(square).into_iter().enumerate() {
                            $store(to.add(c * to_stride), column);
                        }
                    }
                }
            }
        };
    }
    register!(
        F32x16,
        __m512,
        f32,
        16,
        8,
        3,
        _mm512_setzero_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_set1_ps,
        _mm512_fmadd_ps,
        _mm512_add_ps,
        transpose_16
    );
    register!(
        F64x8,
        __m512d,
        f64,
        8,
        8,
        3,
        _mm512_setzero_pd,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        _mm512_set1_pd,
        _mm512_fmadd_pd,
        _mm512_add_pd,
        transpose_8_wide
    );
    register!(
        F32x8,
        __m256,
        f32,
        8,
        4,
        2,
        _mm256_setzero_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_set1_ps,
        _mm256_fmadd_ps,
        _mm256_add_ps,
        transpose_8
    );
    register!(
        F64x4,
        __m256d,
        f64,
        4,
        4,
        2,
        _mm256_setzero_pd,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_set1_pd,
        _mm256_fmadd_pd,
        _mm256_add_pd,
        transpose_4
    );

    /// 4x4 transposes of the 128-bit quarters (in place of a register's lanes), then of the quarters themselves.
    #[inline(always)]
    unsafe fn transpose_16(r: [__m512; 16]) -> [__m512; 16] {
        // SAFETY: the caller runs with AVX-512.
        unsafe {
            let zero = _mm512_setzero_ps();
            // q[g][c]: quarter h holds column 4h + c of rows 4g..4g + 4.
            let mut q = [[zero; 4]; 4];
            for g in 0..4 {
                let (a, b, c, d) = (r[4 * g], r[4 * g + 1], r[4 * g + 2], r[4 * g + 3]);
                let ab_lo = _mm512_castps_pd(_mm512_unpacklo_ps(a, b));
                let ab_hi = _mm512_castps_pd(_mm512_unpackhi_ps(a, b));
                let cd_lo = _mm512_castps_pd(_mm512_unpacklo_ps(c, d));
                let cd_hi = _mm512_castps_pd(_mm512_unpackhi_ps(c, d));
                q[g] = [
                    _mm512_castpd_ps(_mm512_unpacklo_pd(ab_lo, cd_lo)),
                    _mm512_castpd_ps(_mm512_unpackhi_pd(ab_lo, cd_lo)),
                    _mm512_castpd_ps(_mm512_unpacklo_pd(ab_hi, cd_hi)),
                    _mm512_castpd_ps(_mm512_unpackhi_pd(ab_hi, cd_hi)),
                ];
            }
            let mut out = [zero; 16];
            for c in 0..4 {
                let lo01 = _mm512_shuffle_f32x4::<0x44>(q[0][c], q[1][c]); // quarters 0, 1 of rows 0..8
                let hi01 = _mm512_shuffle_f32x4::<0xee>(q[0][c], q[1][c]); // quarters 2, 3
                let lo23 = _mm512_shuffle_f32x4::<0x44>(q[2][c], q[3][c]);
                let hi23 = _mm512_shuffle_f32x4::<0xee>(q[2][c], q[3][c]);
                out[c] = _mm512_shuffle_f32x4::<0x88>(lo01, lo23);
                out[4 + c] = _mm512_shuffle_f32x4::<0xdd>(lo01, lo23);
                out[8 + c] = _mm512_shuffle_f32x4::<0x88>(hi01, hi23);
                out[12 + c] = _mm512_shuffle_f32x4::<0xdd>(hi01, hi23);
            }
            out
        }
    }

    /// As [`transpose_16`] with 2x2 squares of doubles in a quarter.
    #[inline(always)]
    unsafe fn transpose_8_wide(r: [__m512d; 8]) -> [__m512d; 8] {
        // SAFETY: the caller runs with AVX-512.
        unsafe {
            let zero = _mm512_setzero_pd();
            let mut q = [[zero; 2]; 4];
            for g in 0..4 {
                q[g] = [_mm512_unpacklo_pd(r[2 * g], r[2 * g + 1]), _mm512_unpackhi_pd(r[2 * g], r[2 * g + 1])];
            }
            let mut out = [zero; 8];
            for c in 0..2 {
                let lo01 = _mm512_shuffle_f64x2::<0x44>(q[0][c], q[1][c]);
                let hi01 = _mm512_shuffle_f64x2::<0xee>(q[0][c], q[1][c]);
                let lo23 = _mm512_shuffle_f64x2::<0x44>(q[2][c], q[3][c]);
                let hi23 = _mm512_shuffle_f64x2::<0xee>(q[2][c], q[3][c]);
                out[c] = _mm512_shuffle_f64x2::<0x88>(lo01, lo23);
                out[2 + c] = _mm512_shuffle_f64x2::<0xdd>(lo01, lo23);
                out[4 + c] = _mm512_shuffle_f64x2::<0x88>(hi01, hi23);
                out[6 + c] = _mm512_shuffle_f64x2::<0xdd>(hi01, hi23);
            }
            out
        }
    }

    #[inline(always)]
    unsafe fn transpose_8(r: [__m256; 8]) -> [__m256; 8] {
        // SAFETY: the caller runs with AVX2.
        unsafe {
            let zero = _mm256_setzero_ps();
            let mut q = [[zero; 4]; 2];
            for g in 0..2 {
                let (a, b, c, d) = (r[4 * g], r[4 * g + 1], r[4 * g + 2], r[4 * g + 3]);
                let ab_lo = _mm256_castps_pd(_mm256_unpacklo_ps(a, b));
                let ab_hi = _mm256_castps_pd(_mm256_unpackhi_ps(a, b));
                let cd_lo = _mm256_castps_pd(_mm256_unpacklo_ps(c, d));
                let cd_hi = _mm256_castps_pd(_mm256_unpackhi_ps(c, d));
                q[g] = [
                    _mm256_castpd_ps(_mm256_unpacklo_pd(ab_lo, cd_lo)),
                    _mm256_castpd_ps(_mm256_unpackhi_pd(ab_lo, cd_lo)),
                    _mm256_castpd_ps(_mm256_unpacklo_pd(ab_hi, cd_hi)),
                    _mm256_castpd_ps(_mm256_unpackhi_pd(ab_hi, cd_hi)),
                ];
            }
            let mut out = [zero; 8];
            for c in 0..4 {
                out[c] = _mm256_permute2f128_ps::<0x20>(q[0][c], q[1][c]);
                out[4 + c] = _mm256_permute2f128_ps::<0x31>(q[0][c], q[1][c]);
            }
            out
        }
    }

    #[inline(always)]
    unsafe fn transpose_4(r: [__m256d; 4]) -> [__m256d; 4] {
        // SAFETY: the caller runs with AVX2.
        unsafe {
            let lo01 = _mm256_unpacklo_pd(r[0], r[1]);
            let hi01 = _mm256_unpackhi_pd(r[0], r[1]);
            let lo23 = _mm256_unpacklo_pd(r[2], r[3]);
            let hi23 = _mm256_unpackhi_pd(r[2], r[3]);
            [
                _mm256_permute2f128_pd::<0x20>(lo01, lo23),
                _mm256_permute2f128_pd::<0x20>(hi01, hi23),
                _mm256_permute2f128_pd::<0x31>(lo01, lo23),
                _mm256_permute2f128_pd::<0x31>(hi01, hi23),
            ]
        }
    }
}
