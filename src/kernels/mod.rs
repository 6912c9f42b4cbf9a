//! Tile kernels and math functions: the only place that knows an instruction set.
//!
//! Input: tiles, `[row][64]` scalars (f32 or f64) with one sample a lane; a value with a trailing tangent axis N is
//! `[feature][N][64]`, N *blocks* of 64 lanes a feature. Output: products, weight gradients, lane sums and elementwise
//! functions of tiles, through one [`KernelTable`] for each instruction set and scalar.
//!
//! Invariant: a kernel fixes the order of operations of every output element, never the width. Each element of a product
//! is one chain of fused multiply-adds in ascending order, each function is one fixed sequence of IEEE operations, so
//! the bits are equal on AVX-512, AVX2 and portable code, in every lane, for every number of rows, blocks and panels, and
//! equal to [`scalar`]. Only the sign and payload of a NaN are unspecified. [`Denormals`] changes results, so whoever
//! compares bits runs both sides in one mode.
//!
//! Absent on purpose: approximate reciprocals, split sums over k, threads, allocation.

mod denormals;
mod gemm;
mod grad;
mod isa;
mod maps;
mod math;
mod pack;
pub mod scalar;
pub mod scan;
mod sum;
mod table;
mod vector;
mod wide;

pub use denormals::Denormals;
pub use grad::grad_scratch_len;
pub use isa::Isa;
pub use math::Math;
pub(crate) use math::polynomial;
pub use pack::packed_len;
pub use sum::tree_sum;
pub use table::{Gemm, Grad, KernelTable, Map, Pack, Real, Start, SumLanes, table};
pub(crate) use wide::wide;

/// Samples of a tile.
pub const LANES: usize = 64;
/// Samples of a panel; kernels compute 1 to 8 panels of each block. As few as pay: the last samples of a march that still have
/// steps to take are few, and lanes beyond them are computed for nothing.
pub const PANEL: usize = 8;
/// Partial sums of a sum over lanes.
pub const PARTIALS: usize = 16;
/// Scalars of the widest register (AVX-512, f32): rows of slots and packed weights are padded to it, and lanes that follow the
/// panels asked for, up to a multiple of it, may get values of no meaning.
pub const WIDEST: usize = 16;
/// Rows of a panel of packed weights.
pub const ROWS: usize = 8;
