//! The table of a scalar's kernels for each instruction set, and the contract of every kernel.

use super::vector::{Plain, Vector};
use super::{Isa, Math};

/// `y = W x (+ bias)`: `(packed, x, y, bias, m, k, blocks, panels)`.
///
/// `packed` as [`Pack`] leaves it, `x` is `[k][blocks][64]`, `y` `[m][blocks][64]`, `bias` `[m]` or null. Each element is
/// one chain `acc = fma(W[i][kk], x[kk][b][l], acc)` over kk ascending from +0, then one addition of `bias[i]`.
///
/// # Safety
/// The arrays have these sizes, `y` overlaps none of the others, 1 <= panels <= 8. Lanes from `8 * panels` on of a block are
/// not written, but for those up to a multiple of [`super::WIDEST`]: these get values of no meaning.
pub type Gemm<T> = unsafe extern "C" fn(*const T, *const T, *mut T, *const T, usize, usize, usize, usize);

/// Brings `W[i][kk] = w[i * row_stride + kk * col_stride]` into row panels of 8, rows from m on zero:
/// `(w, packed, m, k, row_stride, col_stride, pitch, first_panel, panels)`. A panel has `pitch` columns, of which the first k
/// are written: with `w` and `packed` moved along, any run of columns.
///
/// # Safety
/// `w` holds the m x k elements, `packed` [`super::packed_len`] scalars of m x pitch (less what it was moved by), row panels
/// `first_panel..first_panel + panels` exist, k <= pitch. Only these columns of these panels are written, so threads may share
/// the work.
pub type Pack<T> = unsafe extern "C" fn(*const T, *mut T, usize, usize, usize, usize, usize, usize, usize);

/// What sums over samples start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Start {
    /// From what is in the slot.
    There = 0,
    /// From +0; the slot is not read.
    Zero = 1,
    /// From +0, and at the end they are added to what is in the slot: the sum of two slots.
    Beside = 2,
}

/// `slot += d x'` over lanes: `(slot, d, x, m, k, blocks, panels, scratch, start)`.
///
/// `slot` is `[m][kp]` with kp = k rounded up to [`super::WIDEST`], `d` `[m][blocks][64]`, `x` `[k][blocks][64]`. Each
/// `slot[i][j]`, j < k,
/// continues the chain `fma(d[i][b][l], x[j][b][l], slot[i][j])` over b, then l, ascending, l < 8 * panels. The chain starts
/// as [`Start`] says. Columns from k on get values of no meaning.
///
/// # Safety
/// The arrays have these sizes and do not overlap, `scratch` holds [`super::grad_scratch_len`] scalars, 1 <= panels <= 8, and
/// blocks >= 1; blocks = 1 for [`Start::Beside`].
pub type Grad<T> = unsafe extern "C" fn(*mut T, *const T, *const T, usize, usize, usize, usize, *mut T, Start);

/// `slot[i][l % 16] += d[i][b][l]`, b, then l, ascending: `(slot, d, m, blocks, panels, start)`; `slot` is `[m][16]`, `d`
/// `[m][blocks][64]`. The sums start as [`Start`] says; [`super::tree_sum`] gives a row's total.
///
/// # Safety
/// The arrays have these sizes and do not overlap, 1 <= panels <= 8.
pub type SumLanes<T> = unsafe extern "C" fn(*mut T, *const T, usize, usize, usize, Start);

/// `y[r][l] = f(x[r][l])` for l < 8 * panels: `(x, y, rows, panels)`; both `[rows][64]`.
///
/// # Safety
/// The arrays have these sizes, they are the same or do not overlap, 1 <= panels <= 8.
pub type Map<T> = unsafe extern "C" fn(*const T, *mut T, usize, usize);

/// The kernels of one scalar for one instruction set. Pointers need the alignment of a scalar only; 64 bytes is faster.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct KernelTable<T> {
    pub isa: Isa,
    pub gemm: Gemm<T>,
    pub pack: Pack<T>,
    pub grad: Grad<T>,
    pub sum_lanes: SumLanes<T>,
    pub map_exp: Map<T>,
    pub map_log: Map<T>,
    pub map_sqrt: Map<T>,
    pub map_sin: Map<T>,
    pub map_cos: Map<T>,
    pub map_tanh: Map<T>,
    pub map_logistic: Map<T>,
    pub map_softplus: Map<T>,
    pub map_erf: Map<T>,
    pub map_recip: Map<T>,
    pub map_abs: Map<T>,
    pub map_sign: Map<T>,
    pub map_floor: Map<T>,
}

/// A scalar with kernels: f32 and f64.
pub trait Real: Math {
    /// The table for an instruction set that the processor has.
    #[doc(hidden)]
    fn table_unchecked(isa: Isa) -> &'static KernelTable<Self>;
}

/// The kernels for `isa`.
///
/// # Panics
/// If this processor lacks the instruction set ([`Isa::is_available`]): the kernels would not run.
#[must_use]
pub fn table<T: Real>(isa: Isa) -> &'static KernelTable<T> {
    assert!(isa.is_available(), "this processor has no {isa}");
    T::table_unchecked(isa)
}

/// One module of entry points for each instruction set: the same generic code, compiled with its features.
macro_rules! entry_points {
    ($module:ident, $isa:expr $(, $features:literal)?) => {
        mod $module {
            use super::super::{gemm, grad, maps, maps::Function, pack, sum};
            use super::*;

            $(#[target_feature(enable = $features)])?
            unsafe extern "C" fn gemm<V: Vector>(
                packed: *const V::T, x: *const V::T, y: *mut V::T, bias: *const V::T,
                m: usize, k: usize, blocks: usize, panels: usize,
            ) {
                // SAFETY: the contract of `Gemm`, on a processor with these features.
                unsafe { gemm::gemm::<V>(packed, x, y, bias, m, k, blocks, panels) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe extern "C" fn pack<V: Vector>(
                w: *const V::T, packed: *mut V::T, m: usize, k: usize,
                row_stride: usize, col_stride: usize, pitch: usize, first_panel: usize, panels: usize,
            ) {
                // SAFETY: the contract of `Pack`, on a processor with these features.
                unsafe { pack::pack::<V>(w, packed, m, k, row_stride, col_stride, pitch, first_panel, panels) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe extern "C" fn grad<V: Vector>(
                slot: *mut V::T, d: *const V::T, x: *const V::T,
                m: usize, k: usize, blocks: usize, panels: usize, scratch: *mut V::T, start: Start,
            ) {
                // SAFETY: the contract of `Grad`, on a processor with these features.
                unsafe { grad::grad::<V>(slot, d, x, m, k, blocks, panels, scratch, start) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe extern "C" fn sum_lanes<T: Math>(
                slot: *mut T, d: *const T, m: usize, blocks: usize, panels: usize, start: Start,
            ) {
                // SAFETY: the contract of `SumLanes`.
                unsafe { sum::sum_lanes(slot, d, m, blocks, panels, start) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe extern "C" fn map<T: Math, F: Function<T>>(x: *const T, y: *mut T, rows: usize, panels: usize) {
                // SAFETY: the contract of `Map`.
                unsafe { maps::map::<T, F>(x, y, rows, panels) }
            }

            /// `P` is a vector of at most [`super::super::ROWS`] lanes.
            pub(super) const fn table<V: Vector, P: Vector<T = V::T>>() -> KernelTable<V::T> {
                KernelTable {
                    isa: $isa,
                    gemm: gemm::<V>,
                    pack: pack::<P>,
                    grad: grad::<V>,
                    sum_lanes: sum_lanes::<V::T>,
                    map_exp: map::<V::T, maps::Exp>,
                    map_log: map::<V::T, maps::Log>,
                    map_sqrt: map::<V::T, maps::Sqrt>,
                    map_sin: map::<V::T, maps::Sin>,
                    map_cos: map::<V::T, maps::Cos>,
                    map_tanh: map::<V::T, maps::Tanh>,
                    map_logistic: map::<V::T, maps::Logistic>,
                    map_softplus: map::<V::T, maps::Softplus>,
                    map_erf: map::<V::T, maps::Erf>,
                    map_recip: map::<V::T, maps::Recip>,
                    map_abs: map::<V::T, maps::Abs>,
                    map_sign: map::<V::T, maps::Sign>,
                    map_floor: map::<V::T, maps::Floor>,
                }
            }
        }
    };
}
entry_points!(portable, Isa::Portable);
#[cfg(target_arch = "x86_64")]
entry_points!(avx2, Isa::Avx2, "avx2,fma");
#[cfg(target_arch = "x86_64")]
entry_points!(avx512, Isa::Avx512, "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma");

macro_rules! real {
    ($t:ty, $ymm:ident, $zmm:ident, $pack:ident) => {
        impl Real for $t {
            fn table_unchecked(isa: Isa) -> &'static KernelTable<$t> {
                match isa {
                    Isa::Portable => const { &portable::table::<Plain<$t>, Plain<$t>>() },
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 => const { &avx2::table::<super::vector::$ymm, super::vector::$ymm>() },
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 => const { &avx512::table::<super::vector::$zmm, super::vector::$pack>() },
                    #[cfg(not(target_arch = "x86_64"))]
                    Isa::Avx2 | Isa::Avx512 => unreachable!("`table` refused it"),
                }
            }
        }
    };
}
real!(f32, F32x8, F32x16, F32x8);
real!(f64, F64x4, F64x8, F64x8);
