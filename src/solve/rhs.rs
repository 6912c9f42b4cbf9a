//! The right-hand side of an initial-value problem, a tile at a time.

use super::real::Real;
use crate::backend::{Kernel, LANES};

/// Where the rows of a right-hand side's input block come from. The block is `[rows][LANES]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowMap {
    /// Rows of the block.
    pub rows: usize,
    /// For each state component, its row; `None` if the right-hand side does not read it.
    pub state: Vec<Option<usize>>,
    /// The row of time; `None` if the right-hand side does not read it.
    pub time: Option<usize>,
    /// For each capture, its row.
    pub captures: Vec<usize>,
}

impl RowMap {
    /// State first, then time, then captures: `dim + 1 + caps` rows.
    #[must_use]
    pub fn in_order(dim: usize, caps: usize) -> Self {
        RowMap {
            rows: dim + 1 + caps,
            state: (0..dim).map(Some).collect(),
            time: Some(dim),
            captures: (dim + 1..dim + 1 + caps).collect(),
        }
    }

    /// Whether rows are in range and none is bound twice.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let mut bound = vec![false; self.rows];
        let rows = self.state.iter().copied().flatten().chain(self.time).chain(self.captures.iter().copied());
        rows.into_iter().all(|row| row < self.rows && !std::mem::replace(&mut bound[row], true))
    }
}

/// `y' = f(t, y, captures)` on tiles of [`LANES`] samples.
///
/// The value of a lane must depend on its own column only, never on its place in the tile or on `panels`: then solutions
/// depend neither on compaction nor on the batch.
pub trait Rhs<T: Real>: Sync {
    /// State components.
    fn dim(&self) -> usize;
    /// Per-sample constants.
    fn caps(&self) -> usize;
    /// Where the rows of the input block come from.
    fn rows(&self) -> &RowMap;
    /// Scalars of scratch that a call needs.
    fn scratch_len(&self) -> usize;
    /// Evaluates the first `panels` panels: reads `inputs` (`[rows][LANES]`), writes `slopes` (`[dim][LANES]`); lanes
    /// after them may get values of no meaning. Returns 0, or a status to report.
    fn eval(&self, inputs: &[T], slopes: &mut [T], scratch: &mut [T], panels: usize) -> u32;
    /// Scalars of scratch that the Jacobian needs; `None`: there is none, and implicit methods cannot solve this.
    fn jacobian_scratch(&self) -> Option<usize> {
        None
    }
    /// Writes `df_i / dy_j`, `[i][j][LANES]`, under the contract of [`Rhs::eval`].
    fn jacobian(&self, _inputs: &[T], _matrix: &mut [T], _scratch: &mut [T], _panels: usize) -> u32 {
        u32::MAX
    }
}

/// Where the cotangents that a transpose writes belong. Its block is `[rows][LANES]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BarMap {
    /// Rows of the block.
    pub rows: usize,
    /// For each state component, its row; `None` if the slopes do not depend on it.
    pub state: Vec<Option<usize>>,
    /// For each capture, its row; `None` if its cotangent is not wanted, or zero.
    pub captures: Vec<Option<usize>>,
    /// The row of time, likewise.
    pub time: Option<usize>,
}

/// A right-hand side whose stages can be transposed: in two halves, so that the first may run long before the second.
///
/// As for values, what a lane gives depends on its own column only; a lane whose slope cotangents are zero gives zeros.
pub trait Transposed<T: Real>: Rhs<T> {
    /// Rows of a record: at first slopes, then residuals; there may be room behind them for [`Transposed::transpose`].
    fn record_rows(&self) -> usize;
    /// Where cotangents are written.
    fn bars(&self) -> &BarMap;
    /// Scalars of a slot.
    fn slot_len(&self) -> usize;
    /// As [`Rhs::eval`], with the same bits; writes `record` (`[record_rows][LANES]`).
    fn record(&self, inputs: &[T], record: &mut [T], scratch: &mut [T], panels: usize) -> u32;
    /// Reads a record whose slopes were replaced by their cotangents, and the times and captures of `inputs`; writes `bars`
    /// (`[bars().rows][LANES]`) and adds cotangents of parameters to `slot`.
    fn transpose(
        &self,
        inputs: &[T],
        record: &mut [T],
        bars: &mut [T],
        slot: &mut [T],
        scratch: &mut [T],
        panels: usize,
    ) -> u32;
}

/// A compiled unit as a right-hand side: its outputs are the derivatives of the state, component by component.
pub struct KernelRhs<'a, T: Real> {
    kernel: &'a dyn Kernel<T>,
    packed: &'a [T],
    rows: RowMap,
    jacobian: Option<(&'a dyn Kernel<T>, &'a [T])>,
}

impl<'a, T: Real> KernelRhs<'a, T> {
    /// A right-hand side from a kernel and its packed parameters. `None` if `rows` does not describe the kernel's input
    /// block, the kernel's outputs are not the state's derivatives in order, or it has sums over samples.
    #[must_use]
    pub fn new(kernel: &'a dyn Kernel<T>, packed: &'a [T], rows: RowMap) -> Option<Self> {
        let layout = kernel.layout();
        let contiguous = layout.output_row.windows(2).all(|w| w[0] < w[1]);
        let fits = rows.is_valid()
            && layout.input_rows == rows.rows
            && layout.output_rows == rows.state.len()
            && contiguous
            && layout.slot_len == 0
            && packed.len() >= layout.packed_len;
        fits.then_some(KernelRhs { kernel, packed, rows, jacobian: None })
    }

    /// The same with its Jacobian: a kernel that reads the same inputs. `None` if it does not fit.
    #[must_use]
    pub fn with_jacobian(mut self, kernel: &'a dyn Kernel<T>, packed: &'a [T]) -> Option<Self> {
        let (layout, own) = (kernel.layout(), self.kernel.layout());
        let fits = layout.input_row == own.input_row
            && layout.input_rows == own.input_rows
            && layout.output_rows == self.dim() * self.dim()
            && layout.slot_len == 0
            && packed.len() >= layout.packed_len;
        self.jacobian = Some((kernel, packed));
        fits.then_some(self)
    }
}

impl<T: Real> Rhs<T> for KernelRhs<'_, T> {
    fn dim(&self) -> usize {
        self.rows.state.len()
    }
    fn caps(&self) -> usize {
        self.rows.captures.len()
    }
    fn rows(&self) -> &RowMap {
        &self.rows
    }
    fn scratch_len(&self) -> usize {
        self.kernel.layout().scratch_len
    }
    fn eval(&self, inputs: &[T], slopes: &mut [T], scratch: &mut [T], panels: usize) -> u32 {
        debug_assert_eq!(inputs.len(), self.rows.rows * LANES);
        self.kernel.tile(self.packed, inputs, slopes, &mut [], scratch, panels)
    }
    fn jacobian_scratch(&self) -> Option<usize> {
        self.jacobian.map(|(kernel, _)| kernel.layout().scratch_len)
    }
    fn jacobian(&self, inputs: &[T], matrix: &mut [T], scratch: &mut [T], panels: usize) -> u32 {
        self.jacobian.map_or(u32::MAX, |(kernel, packed)| kernel.tile(packed, inputs, matrix, &mut [], scratch, panels))
    }
}

/// Compiled units as a right-hand side with its transpose.
pub struct KernelTransposed<'a, T: Real> {
    value: KernelRhs<'a, T>,
    record: (&'a dyn Kernel<T>, &'a [T]),
    back: (&'a dyn Kernel<T>, &'a [T]),
    /// Rows of the input block and of the record that hold the same captures or time.
    shared: &'a [(usize, usize)],
    bars: &'a BarMap,
}

impl<'a, T: Real> KernelTransposed<'a, T> {
    /// `record` gives slopes and residuals of the inputs that `value` reads; `back` begins with rows as `record` writes them.
    /// `None` if the kernels do not fit each other.
    #[must_use]
    pub fn new(
        value: KernelRhs<'a, T>,
        record: (&'a dyn Kernel<T>, &'a [T]),
        back: (&'a dyn Kernel<T>, &'a [T]),
        shared: &'a [(usize, usize)],
        bars: &'a BarMap,
    ) -> Option<Self> {
        let (first, second) = (record.0.layout(), back.0.layout());
        let fits = first.input_rows == value.rows.rows
            && first.output_rows + shared.len() == second.input_rows
            && first.output_rows >= value.dim()
            && second.output_rows == bars.rows
            && bars.state.len() == value.dim()
            && bars.captures.len() == value.caps();
        fits.then_some(KernelTransposed { value, record, back, shared, bars })
    }
}

impl<T: Real> Rhs<T> for KernelTransposed<'_, T> {
    fn dim(&self) -> usize {
        self.value.dim()
    }
    fn caps(&self) -> usize {
        self.value.caps()
    }
    fn rows(&self) -> &RowMap {
        self.value.rows()
    }
    fn scratch_len(&self) -> usize {
        let others = self.record.0.layout().scratch_len.max(self.back.0.layout().scratch_len);
        self.value.scratch_len().max(others)
    }
    fn eval(&self, inputs: &[T], slopes: &mut [T], scratch: &mut [T], panels: usize) -> u32 {
        self.value.eval(inputs, slopes, scratch, panels)
    }
    fn jacobian_scratch(&self) -> Option<usize> {
        self.value.jacobian_scratch()
    }
    fn jacobian(&self, inputs: &[T], matrix: &mut [T], scratch: &mut [T], panels: usize) -> u32 {
        self.value.jacobian(inputs, matrix, scratch, panels)
    }
}

impl<T: Real> Transposed<T> for KernelTransposed<'_, T> {
    fn record_rows(&self) -> usize {
        self.back.0.layout().input_rows
    }
    fn bars(&self) -> &BarMap {
        self.bars
    }
    fn slot_len(&self) -> usize {
        self.back.0.layout().slot_len
    }
    fn record(&self, inputs: &[T], record: &mut [T], scratch: &mut [T], panels: usize) -> u32 {
        self.record.0.tile(self.record.1, inputs, record, &mut [], scratch, panels)
    }
    fn transpose(
        &self,
        inputs: &[T],
        record: &mut [T],
        bars: &mut [T],
        slot: &mut [T],
        scratch: &mut [T],
        panels: usize,
    ) -> u32 {
        for &(from, to) in self.shared {
            record[to * LANES..(to + 1) * LANES].copy_from_slice(&inputs[from * LANES..(from + 1) * LANES]);
        }
        self.back.0.tile(self.back.1, record, bars, slot, scratch, panels)
    }
}
