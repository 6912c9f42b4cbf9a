//! Exact linear assignment on a dense square cost matrix.
//!
//! Costs -> the permutation of least total cost, with the dual solution that proves it. The shortest augmenting path
//! algorithm of Jonker and Volgenant ("A shortest augmenting path algorithm for dense and sparse linear assignment
//! problems", Computing 38, 1987), started from the prices of an auction with falling bids (Bertsekas, "The auction
//! algorithm", Annals of Operations Research 14, 1988): the auction finds nearly optimal duals fast, one Dijkstra search for
//! each row left over makes them exact. O(n^3), deterministic. Deliberately absent: rectangular and sparse problems,
//! approximations.

use crate::kernels::Isa;
use crate::kernels::Math;
use crate::kernels::scan;
use crate::kernels::wide;

/// An optimal assignment and its proof.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// For each row, its column.
    pub column_of: Vec<usize>,
    /// The sum of the chosen costs.
    pub cost: f64,
    /// Row duals: `cost_ij >= rows_i + columns_j`, with equality on chosen pairs (up to rounding).
    pub rows: Vec<f64>,
    /// Column duals.
    pub columns: Vec<f64>,
}

/// A problem that has no assignment to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssignmentError {
    /// The number of costs is not `n * n`.
    NotSquare {
        /// Costs given.
        len: usize,
        /// Rows asked for.
        n: usize,
    },
    /// A cost is infinite or not a number.
    NotFinite {
        /// Its row.
        row: usize,
        /// Its column.
        column: usize,
    },
}

impl std::fmt::Display for AssignmentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AssignmentError::NotSquare { len, n } => write!(f, "{len} costs are not a square of {n} rows"),
            AssignmentError::NotFinite { row, column } => {
                write!(f, "the cost of row {row}, column {column} is not finite")
            }
        }
    }
}

impl std::error::Error for AssignmentError {}

const NONE: usize = usize::MAX;

/// The first round's step, as a share of the range of costs.
const FIRST_STEP: f32 = 0.05;
/// The last round's step is about this share of range / n.
const LAST_STEP: f32 = 0.03;
/// Steps fall by this factor.
const STEP_FALL: f32 = 7.0;
/// Most bids of a round, times n.
const BIDS: usize = 64;

/// Partial results of a loop over columns.
const WIDE: usize = 16;

wide! {
    /// Least and greatest of some numbers, and a NaN instead of 0 if one of them is not finite.
    fn range<T: Math>(numbers: &[T]) -> (T, T, T) {
        let Some(&first) = numbers.first() else { return (T::ZERO, T::ZERO, T::ZERO) };
        let (mut low, mut high, mut odd) = ([first; WIDE], [first; WIDE], [T::ZERO; WIDE]);
        let (chunks, rest) = numbers.as_chunks::<WIDE>();
        for chunk in chunks {
            for l in 0..WIDE {
                let x = chunk[l];
                low[l] = if x < low[l] { x } else { low[l] };
                high[l] = if x > high[l] { x } else { high[l] };
                odd[l] = odd[l] + x * T::ZERO;
            }
        }
        for (l, &x) in rest.iter().enumerate() {
            low[l] = if x < low[l] { x } else { low[l] };
            high[l] = if x > high[l] { x } else { high[l] };
            odd[l] = odd[l] + x * T::ZERO;
        }
        for l in 1..WIDE {
            low[0] = if low[l] < low[0] { low[l] } else { low[0] };
            high[0] = if high[l] > high[0] { high[l] } else { high[0] };
            odd[0] = odd[0] + odd[l];
        }
        (low[0], high[0], odd[0])
    }
}

/// `(cost - low) * scale`, rounded to f32.
fn scaled(cost: &[f64], low: f64, scale: f64) -> Vec<f32> {
    cost.iter().map(|c| ((c - low) * scale) as f32).collect()
}

/// The assignment of least total cost; `cost` is row-major, n by n.
///
/// # Errors
/// A matrix that is not square, or a cost that is not finite.
pub fn assign(cost: &[f64], n: usize) -> Result<Assignment, AssignmentError> {
    if cost.len() != n * n {
        return Err(AssignmentError::NotSquare { len: cost.len(), n });
    }
    let (low, high, odd) = range(cost);
    if odd.is_nan() {
        let at = cost.iter().position(|c| !c.is_finite()).unwrap_or(0);
        return Err(AssignmentError::NotFinite { row: at / n, column: at % n });
    }
    let isa = Isa::detect();
    let mut search = Search { isa, cost, n, column_of: vec![NONE; n], row_of: vec![NONE; n], v: vec![0.0; n] };
    search.auction(low, high);
    let free = search.take_best();
    search.augment(&free);
    let rows = (0..n).map(|i| search.reduced(i, search.column_of[i])).collect();
    let total = (0..n).map(|i| cost[i * n + search.column_of[i]]).sum();
    Ok(Assignment { column_of: search.column_of, cost: total, rows, columns: search.v })
}

struct Search<'a> {
    isa: Isa,
    cost: &'a [f64],
    n: usize,
    column_of: Vec<usize>,
    row_of: Vec<usize>,
    /// Column duals.
    v: Vec<f64>,
}

impl Search<'_> {
    fn row(&self, i: usize) -> &[f64] {
        &self.cost[i * self.n..(i + 1) * self.n]
    }

    fn reduced(&self, i: usize, j: usize) -> f64 {
        self.cost[i * self.n + j] - self.v[j]
    }

    /// Leaves nearly optimal column duals. In each round rows bid until all have a column: a row takes its best column and
    /// lowers that column's dual below the second best by the round's `step`, putting out the row that held it. Steps fall
    /// from round to round. Any duals are a valid start for the exact part, so a round may be cut short, and f32 on costs that
    /// are brought to [0, 1] will do.
    fn auction(&mut self, low: f64, high: f64) {
        let (n, range) = (self.n, high - low);
        if n < 2 || range <= 0.0 || !range.is_finite() {
            return;
        }
        let cost = scaled(self.cost, low, 1.0 / range);
        let mut v = vec![0.0_f32; n];
        let (mut step, least) = (FIRST_STEP, LAST_STEP / n as f32);
        let mut waiting = Vec::with_capacity(n);
        while step > least {
            self.row_of.fill(NONE);
            waiting.extend((0..n).rev());
            let mut bids = BIDS * n;
            while let Some(i) = waiting.pop() {
                let (best, second, column) = scan::best_two(self.isa, &cost[i * n..(i + 1) * n], &v);
                v[column] -= second - best + step;
                let put_out = std::mem::replace(&mut self.row_of[column], i);
                if put_out != NONE {
                    waiting.push(put_out);
                }
                bids -= 1;
                if bids == 0 {
                    waiting.clear();
                }
            }
            step /= STEP_FALL;
        }
        self.row_of.fill(NONE);
        self.v.iter_mut().zip(v).for_each(|(v, x)| *v = f64::from(x) * range);
    }

    /// Each row takes its best column if that is free; returns the rows that got none. Pairs are tight, so duals are feasible.
    fn take_best(&mut self) -> Vec<usize> {
        let n = self.n;
        let mut left = Vec::new();
        let (mut distance, mut before, zeros) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
        for i in 0..n {
            distance.fill(f64::INFINITY);
            let least = scan::relax(self.isa, self.row(i), &self.v, 0.0, 0.0, &mut distance, &mut before);
            let column = scan::nearest(self.isa, &distance, &zeros, least);
            if self.row_of[column] == NONE {
                (self.column_of[i], self.row_of[column]) = (column, i);
            } else {
                left.push(i);
            }
        }
        left
    }

    /// One shortest augmenting path for each free row: Dijkstra's search over columns, with reduced costs as lengths.
    fn augment(&mut self, free: &[usize]) {
        let n = self.n;
        // 0 where no row holds the column.
        let held = |row: &usize| if *row == NONE { 0.0 } else { 1.0 };
        let mut held: Vec<f64> = self.row_of.iter().map(held).collect();
        let mut distance = vec![0.0; n];
        let mut before = vec![0.0; n];
        // Column, its distance, its dual: that is minus infinity meanwhile, so that no path leads there again.
        let mut settled: Vec<(usize, f64, f64)> = Vec::new();
        for &start in free {
            distance.fill(f64::INFINITY);
            let (mut i, mut offset) = (start, 0.0);
            let (end, least) = loop {
                let row = &self.cost[i * n..(i + 1) * n];
                let least = scan::relax(self.isa, row, &self.v, offset, i as f64, &mut distance, &mut before);
                // Of equally near columns a free one ends the search.
                let column = scan::nearest(self.isa, &distance, &held, least);
                if self.row_of[column] == NONE {
                    break (column, least);
                }
                i = self.row_of[column];
                offset = self.reduced(i, column) - least;
                settled.push((column, least, std::mem::replace(&mut self.v[column], f64::NEG_INFINITY)));
                distance[column] = f64::INFINITY;
            };
            for (column, distance, v) in settled.drain(..) {
                self.v[column] = v + (distance - least);
            }
            held[end] = 1.0;
            let mut j = end;
            loop {
                let i = before[j] as usize;
                self.row_of[j] = i;
                j = std::mem::replace(&mut self.column_of[i], j);
                if i == start {
                    break;
                }
            }
        }
    }
}
