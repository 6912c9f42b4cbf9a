//! LU factorisation of one small dense matrix for each lane of a tile, all lanes at once.
//!
//! Gaussian elimination with partial pivoting (Golub and Van Loan, Matrix computations, algorithm 3.4.1), in place, `[n][n][LANES]`.
//! Each lane has its own rows exchanged; of equal pivots the first is taken. Operations of a lane are the same whatever the
//! other lanes hold, and round one by one: bits depend neither on the place of a lane nor on the width of vectors. A matrix
//! without an inverse gives what is not finite; nothing is refused here.

use super::real::Real;
use crate::backend::LANES;
use crate::kernels::wide;

/// Factorised matrices of a tile, and room for them. Kept between steps.
#[derive(Debug)]
pub(super) struct Lu<T> {
    /// Below the diagonal the multipliers, from it on the upper triangle. `[n][n][LANES]`
    pub matrix: Vec<T>,
    /// The row that was exchanged with row k in step k. `[n][LANES]`
    pivots: Vec<u32>,
    n: usize,
}

impl<T> Default for Lu<T> {
    fn default() -> Self {
        Lu { matrix: vec![], pivots: vec![], n: 0 }
    }
}

impl<T: Real> Lu<T> {
    /// Room for matrices of `n` rows.
    pub fn fit(&mut self, n: usize) {
        self.n = n;
        self.matrix.resize(n * n * LANES, T::default());
        self.pivots.resize(n * LANES, 0);
    }

    /// Factorises what stands in `matrix`, of the first `lanes` lanes.
    pub fn factorise(&mut self, lanes: usize) {
        for k in 0..self.n {
            self.exchange(k, lanes);
            eliminate(&mut self.matrix, self.n, k, lanes);
        }
    }

    /// Brings the largest entry of column k, from row k on, into row k.
    fn exchange(&mut self, k: usize, lanes: usize) {
        let n = self.n;
        for lane in 0..lanes {
            let size = |row: usize| self.matrix[(row * n + k) * LANES + lane].abs();
            let mut best = k;
            for row in k + 1..n {
                if size(row) > size(best) {
                    best = row;
                }
            }
            self.pivots[k * LANES + lane] = best as u32;
            if best != k {
                for column in 0..n {
                    self.matrix.swap((k * n + column) * LANES + lane, (best * n + column) * LANES + lane);
                }
            }
        }
    }

    /// Solves with the matrices, in place of the right-hand sides `x`, `[n][LANES]`.
    pub fn solve(&self, x: &mut [T], lanes: usize) {
        for k in 0..self.n {
            for lane in 0..lanes {
                x.swap(k * LANES + lane, self.pivots[k * LANES + lane] as usize * LANES + lane);
            }
        }
        substitute(&self.matrix, x, self.n, lanes);
    }

    /// Solves with the transposed matrices.
    pub fn solve_transposed(&self, x: &mut [T], lanes: usize) {
        substitute_transposed(&self.matrix, x, self.n, lanes);
        for k in (0..self.n).rev() {
            for lane in 0..lanes {
                x.swap(k * LANES + lane, self.pivots[k * LANES + lane] as usize * LANES + lane);
            }
        }
    }
}

/// `y -= m x`, lane by lane.
#[inline(always)]
fn subtract<T: Real>(y: &mut [T], m: &[T], x: &[T]) {
    for ((y, &m), &x) in y.iter_mut().zip(m).zip(x) {
        *y = *y - m * x;
    }
}

#[inline(always)]
fn divide<T: Real>(y: &mut [T], by: &[T]) {
    for (y, &by) in y.iter_mut().zip(by) {
        *y = *y / by;
    }
}

wide! {
    /// Step k of the elimination.
    fn eliminate<T: Real>(matrix: &mut [T], n: usize, k: usize, lanes: usize) {
        let (above, below) = matrix.split_at_mut((k + 1) * n * LANES);
        let pivot = &above[k * n * LANES..];
        for row in below.chunks_exact_mut(n * LANES) {
            divide(&mut row[k * LANES..k * LANES + lanes], &pivot[k * LANES..]);
            let (left, right) = row.split_at_mut((k + 1) * LANES);
            let multiplier = &left[k * LANES..k * LANES + lanes];
            for (entry, above) in right.chunks_exact_mut(LANES).zip(pivot[(k + 1) * LANES..].chunks_exact(LANES)) {
                subtract(&mut entry[..lanes], multiplier, above);
            }
        }
    }
}

wide! {
    /// Rows are exchanged: forward, then back.
    fn substitute<T: Real>(matrix: &[T], x: &mut [T], n: usize, lanes: usize) {
        let entry = |row: usize, column: usize| &matrix[(row * n + column) * LANES..][..lanes];
        for row in 0..n {
            let (known, rest) = x.split_at_mut(row * LANES);
            for (column, known) in known.chunks_exact(LANES).enumerate() {
                subtract(&mut rest[..lanes], entry(row, column), known);
            }
        }
        for row in (0..n).rev() {
            let (here, known) = x[row * LANES..n * LANES].split_at_mut(LANES);
            for (column, known) in known.chunks_exact(LANES).enumerate() {
                subtract(&mut here[..lanes], entry(row, row + 1 + column), known);
            }
            divide(&mut here[..lanes], entry(row, row));
        }
    }
}

wide! {
    /// `(L U)' = U' L'`; rows are exchanged afterwards.
    fn substitute_transposed<T: Real>(matrix: &[T], x: &mut [T], n: usize, lanes: usize) {
        let entry = |row: usize, column: usize| &matrix[(row * n + column) * LANES..][..lanes];
        for row in 0..n {
            let (known, rest) = x.split_at_mut(row * LANES);
            for (column, known) in known.chunks_exact(LANES).enumerate() {
                subtract(&mut rest[..lanes], entry(column, row), known);
            }
            divide(&mut rest[..lanes], entry(row, row));
        }
        for row in (0..n).rev() {
            let (here, known) = x[row * LANES..n * LANES].split_at_mut(LANES);
            for (column, known) in known.chunks_exact(LANES).enumerate() {
                subtract(&mut here[..lanes], entry(row + 1 + column, row), known);
            }
        }
    }
}
