//! What `solve` and `run` ask of a back end, and the layout of a tile.
//!
//! A *unit* is a per-sample program without solves: leaves in, outputs and sums over samples out. A back end turns it into
//! a [`Kernel`] that evaluates one tile of 64 samples; Rust owns every loop over tiles, stages and steps. The JIT and the
//! interpreter give equal bits (`src/ir/einsum.rs` states the order of operations).

pub mod sums;
pub mod unit;

pub use crate::numeric::scalar::{Precision, Scalar};

use crate::diag::Diagnostic;
use crate::ir::{Dag, NodeId};

/// Every Sample-level value is `[features...][LANES]`; a call computes a whole number of panels.
pub use crate::kernels::{LANES, PANEL};

/// A per-sample program to compile. All leaves reachable from the results are in `inputs` or `theta`.
#[derive(Clone, Copy, Debug)]
pub struct Unit<'a> {
    /// For dumps and symbols.
    pub name: &'a str,
    /// The DAG, derivatives expanded.
    pub dag: &'a Dag,
    /// Sample- or Stage-level leaves (`Input`, `Draw`, `State`, `Time`, or *any* node cut as a capture), in the row order of
    /// the input block. A node listed here is a leaf of this unit, whatever its operation.
    pub inputs: &'a [NodeId],
    /// Theta-level leaves, in the order of the flat parameter vector: each row-major, one after another.
    pub theta: &'a [NodeId],
    /// Results, in the row order of the output block.
    pub outputs: &'a [NodeId],
    /// [`crate::ir::Op::SumSamples`] nodes, in the order of the flat sum vector.
    pub sums: &'a [NodeId],
}

/// Sizes of a kernel's buffers, in scalars.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Rows of the input block (block length = rows * LANES).
    pub input_rows: usize,
    /// Rows of the output block.
    pub output_rows: usize,
    /// First row of each input.
    pub input_row: Vec<usize>,
    /// First row of each output.
    pub output_row: Vec<usize>,
    /// Length of the flat parameter vector.
    pub theta_len: usize,
    /// Length of the packed parameters that tiles read.
    pub packed_len: usize,
    /// Length of a slot: partial sums over samples in the kernel's own layout.
    pub slot_len: usize,
    /// Length of the flat sum vector.
    pub sums_len: usize,
    /// Length of scratch a thread needs.
    pub scratch_len: usize,
    /// Floating-point operations of one sample (2 for each multiply-add), for reports and laws.
    pub flops: u64,
}

/// A compiled unit.
pub trait Kernel<T: Scalar>: Send + Sync {
    /// Sizes of the buffers.
    fn layout(&self) -> &Layout;

    /// Brings parameters into the form that tiles read. `part` of `parts` does its share of the work, so that threads can
    /// pack together; all parts together fill `packed` (each element is written by exactly one part).
    ///
    /// # Safety contract
    /// `packed` is shared between the parts; implementations write disjoint elements.
    fn pack(&self, theta: &[T], packed: &SharedMut<T>, part: usize, parts: usize);

    /// Whether every packed element that depends on parameters is a parameter, so that [`Kernel::pack_range`] serves.
    fn packs_ranges(&self) -> bool {
        false
    }

    /// Brings `theta`, the elements of the flat parameter vector from `first` on, to every place that they have in `packed`,
    /// which [`Kernel::pack`] has filled before. Only where [`Kernel::packs_ranges`].
    ///
    /// # Safety contract
    /// `packed` is shared between disjoint ranges; implementations write the places of these elements only.
    fn pack_range(&self, _theta: &[T], _first: usize, _packed: &SharedMut<T>) {
        unreachable!("a kernel that does not pack ranges")
    }

    /// Evaluates `panels` panels (1 to 8) of one tile: reads `inputs` rows, writes `outputs` rows, adds to `slot`.
    /// Lanes of outputs after the last panel, as far as a register reaches ([`crate::kernels::WIDEST`]), get values of no
    /// meaning. `slot` may be empty if the unit has no sums. Returns 0, or a status to report.
    fn tile(
        &self,
        packed: &[T],
        inputs: &[T],
        outputs: &mut [T],
        slot: &mut [T],
        scratch: &mut [T],
        panels: usize,
    ) -> u32;

    /// As [`Kernel::tile`] on a slot of zeros, whatever it holds.
    fn first_tile(
        &self,
        packed: &[T],
        inputs: &[T],
        outputs: &mut [T],
        slot: &mut [T],
        scratch: &mut [T],
        panels: usize,
    ) -> u32 {
        slot.fill(T::default());
        self.tile(packed, inputs, outputs, slot, scratch, panels)
    }

    /// Whether [`Kernel::joining_tile`] serves.
    fn joins_slots(&self) -> bool {
        false
    }

    /// As [`Kernel::first_tile`] on another slot, and then the sum of both, element by element, in `slot`. Only where
    /// [`Kernel::joins_slots`].
    fn joining_tile(
        &self,
        _packed: &[T],
        _inputs: &[T],
        _outputs: &mut [T],
        _slot: &mut [T],
        _scratch: &mut [T],
        _panels: usize,
    ) -> u32 {
        unreachable!("a kernel that does not join slots")
    }

    /// Adds up slots (in a fixed pairwise tree, so bits depend on their number only) and brings the sums into row-major
    /// order: `out` gets the elements from `first` on of the flat sum vector.
    fn reduce(&self, slots: &[&[T]], first: usize, out: &mut [T]);
}

/// A buffer that several threads write at disjoint places.
#[derive(Debug)]
pub struct SharedMut<T> {
    ptr: *mut T,
    len: usize,
}

// SAFETY: access goes through `slice_mut`, whose callers promise disjoint ranges.
unsafe impl<T: Send> Sync for SharedMut<T> {}
// SAFETY: as above; the pointer's owner outlives the parallel section.
unsafe impl<T: Send> Send for SharedMut<T> {}

impl<T> SharedMut<T> {
    /// Shares a buffer; the borrow must outlive every use.
    pub fn new(buffer: &mut [T]) -> Self {
        SharedMut { ptr: buffer.as_mut_ptr(), len: buffer.len() }
    }

    /// Its length.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its first element, for writers that share it by other shapes than ranges.
    #[must_use]
    pub fn as_mut_ptr(&self) -> *mut T {
        self.ptr
    }

    /// A part of the buffer as a buffer, under the same promises.
    #[must_use]
    pub fn part(&self, range: std::ops::Range<usize>) -> SharedMut<T> {
        assert!(range.start <= range.end && range.end <= self.len, "within the buffer");
        SharedMut { ptr: self.ptr.wrapping_add(range.start), len: range.len() }
    }

    /// A part of the buffer, to be read.
    ///
    /// # Safety
    /// No live mutable slice overlaps it, and the buffer given to [`SharedMut::new`] is still borrowed.
    #[must_use]
    pub unsafe fn slice(&self, range: std::ops::Range<usize>) -> &[T] {
        assert!(range.start <= range.end && range.end <= self.len, "within the buffer");
        // SAFETY: in bounds by the assertion; absence of writers is the caller's promise.
        unsafe { std::slice::from_raw_parts(self.ptr.add(range.start), range.len()) }
    }

    /// A part of the buffer.
    ///
    /// # Safety
    /// No two live slices overlap, and the buffer given to [`SharedMut::new`] is still borrowed.
    #[must_use]
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn slice_mut(&self, range: std::ops::Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.len, "within the buffer");
        // SAFETY: in bounds by the assertion; disjointness is the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.add(range.start), range.len()) }
    }
}

/// Turns units into kernels.
pub trait Backend<T: Scalar>: Sync {
    /// Compiles one unit.
    ///
    /// # Errors
    /// `E9999` if the unit breaks an invariant of the IR.
    fn compile(&self, unit: &Unit<'_>) -> Result<Box<dyn Kernel<T>>, Diagnostic>;
}
