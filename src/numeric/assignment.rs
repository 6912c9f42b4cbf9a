//! Exact linear assignment on a dense square cost matrix.
//!
//! Costs -> the permutation of least total cost, with the dual solution that proves it. The shortest augmenting path
//! algorithm of Jonker and Volgenant ("A shortest augmenting path algorithm for dense and sparse linear assignment
//! problems", Computing 38, 1987), started from the prices of an auction with falling bids (Bertsekas, "The auction
//! algorithm", Annals of Operations Research 14, 1988): the auction finds nearly optimal duals fast, one Dijkstra search for
//! each row left over makes them exact. O(n^3), deterministic. Deliberately absent: rectangular and sparse problems,
//! approximations.

use crate::kernels::{Math, wide};

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
const FIRST_STEP: f64 = 0.05;
/// The last round's step is about this share of range / n.
const LAST_STEP: f64 = 0.03;
/// Steps fall by this factor.
const STEP_FALL: f64 = 7.0;
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

wide! {
    /// The least and second least of `row - v`, infinite if there are not as many.
    fn best_two<T: Math>(row: &[T], v: &[T], infinity: T) -> (T, T) {
        let (mut best, mut second) = ([infinity; WIDE], [infinity; WIDE]);
        let ((rows, row_rest), (vs, v_rest)) = (row.as_chunks::<WIDE>(), v[..row.len()].as_chunks::<WIDE>());
        for (row, v) in rows.iter().zip(vs) {
            for l in 0..WIDE {
                let d = row[l] - v[l];
                let rest = if d < best[l] { best[l] } else { d };
                best[l] = if d < best[l] { d } else { best[l] };
                second[l] = if rest < second[l] { rest } else { second[l] };
            }
        }
        for (l, (&c, &v)) in row_rest.iter().zip(v_rest).enumerate() {
            let d = c - v;
            let rest = if d < best[l] { best[l] } else { d };
            best[l] = if d < best[l] { d } else { best[l] };
            second[l] = if rest < second[l] { rest } else { second[l] };
        }
        let mut n = WIDE;
        while n > 1 {
            n /= 2;
            for l in 0..n {
                let (a, b) = (best[l], best[l + n]);
                let rest = if b < a { a } else { b };
                best[l] = if b < a { b } else { a };
                let least = if second[l + n] < second[l] { second[l + n] } else { second[l] };
                second[l] = if rest < least { rest } else { least };
            }
        }
        (best[0], second[0])
    }
}

wide! {
    /// The first column where `row - v` is `least`.
    fn first_at<T: Math>(row: &[T], v: &[T], least: T) -> Option<usize> {
        let ((rows, _), (vs, _)) = (row.as_chunks::<WIDE>(), v.as_chunks::<WIDE>());
        let chunk = rows.iter().zip(vs).position(|(row, v)| {
            let mut any = false;
            for l in 0..WIDE {
                any |= row[l] - v[l] == least;
            }
            any
        });
        let from = chunk.unwrap_or(rows.len()) * WIDE;
        row[from..].iter().zip(&v[from..]).position(|(&c, &v)| c - v == least).map(|l| from + l)
    }
}

wide! {
    /// Paths through row `number` to every column: `d = row - v - offset`, where that is shorter.
    fn relax<T: Math>(row: &[T], v: &[T], offset: T, number: T, distance: &mut [T], before: &mut [T]) {
        let n = row.len();
        let (v, distance, before) = (&v[..n], &mut distance[..n], &mut before[..n]);
        for j in 0..n {
            let d = row[j] - v[j] - offset;
            let less = d < distance[j];
            before[j] = if less { number } else { before[j] };
            distance[j] = if less { d } else { distance[j] };
        }
    }
}

wide! {
    /// The least of some numbers.
    fn least_of<T: Math>(numbers: &[T], infinity: T) -> T {
        let mut least = [infinity; WIDE];
        let (chunks, rest) = numbers.as_chunks::<WIDE>();
        for chunk in chunks {
            for l in 0..WIDE {
                least[l] = if chunk[l] < least[l] { chunk[l] } else { least[l] };
            }
        }
        for (l, &x) in rest.iter().enumerate() {
            least[l] = if x < least[l] { x } else { least[l] };
        }
        let mut n = WIDE;
        while n > 1 {
            n /= 2;
            for l in 0..n {
                least[l] = if least[l + n] < least[l] { least[l + n] } else { least[l] };
            }
        }
        least[0]
    }
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
    let mut search = Search { cost, n, column_of: vec![NONE; n], row_of: vec![NONE; n], v: vec![0.0; n] };
    search.auction(high - low);
    let free = search.take_best();
    search.augment(&free);
    let rows = (0..n).map(|i| search.reduced(i, search.column_of[i])).collect();
    let total = (0..n).map(|i| cost[i * n + search.column_of[i]]).sum();
    Ok(Assignment { column_of: search.column_of, cost: total, rows, columns: search.v })
}

struct Search<'a> {
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
    /// from round to round. Any duals are a valid start for the exact part, so a round may be cut short.
    fn auction(&mut self, range: f64) {
        let n = self.n;
        let least = range / n as f64 * LAST_STEP;
        let mut step = range * FIRST_STEP;
        let mut waiting = Vec::with_capacity(n);
        while n > 1 && step > least && step > 0.0 {
            self.row_of.fill(NONE);
            waiting.extend((0..n).rev());
            let mut bids = BIDS * n;
            while let Some(i) = waiting.pop() {
                let row = &self.cost[i * n..(i + 1) * n];
                let (best, second) = best_two(row, &self.v, f64::INFINITY);
                let column = first_at(row, &self.v, best).expect("the least is one of them");
                self.v[column] -= second - best + step;
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
    }

    /// Each row takes its best column if that is free; returns the rows that got none. Pairs are tight, so duals are feasible.
    fn take_best(&mut self) -> Vec<usize> {
        let mut left = Vec::new();
        for i in 0..self.n {
            let row = self.row(i);
            let best = best_two(row, &self.v, f64::INFINITY).0;
            let column = first_at(row, &self.v, best).expect("the least is one of them");
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
        let zeros = vec![0.0; n];
        // Infinite where a row holds the column, so that it is not found among the free ones.
        let held = |row: &usize| if *row == NONE { 0.0 } else { f64::INFINITY };
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
                relax(row, &self.v, offset, i as f64, &mut distance, &mut before);
                let least = least_of(&distance, f64::INFINITY);
                // Of equally near columns a free one ends the search.
                if let Some(column) = first_at(&distance, &held, least) {
                    break (column, least);
                }
                let column = first_at(&distance, &zeros, least).expect("the least is one of them");
                i = self.row_of[column];
                offset = self.reduced(i, column) - least;
                settled.push((column, least, std::mem::replace(&mut self.v[column], f64::NEG_INFINITY)));
                distance[column] = f64::INFINITY;
            };
            for (column, distance, v) in settled.drain(..) {
                self.v[column] = v + (distance - least);
            }
            held[end] = f64::INFINITY;
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
