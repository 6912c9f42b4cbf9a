//! Entropic optimal transport between two uniform sets of equal size.
//!
//! Costs and a regularisation -> the plan, with a stated bound on what its marginals miss. Sinkhorn's iteration on scalings
//! of a kernel that absorbs the duals: every regularisation begins with two updates in the log domain, which leaves every
//! row and column of the kernel a term that does not underflow, and scalings that grow too large go back into the duals
//! (Schmitzer, "Stabilized sparse scaling algorithms for entropy regularized transport problems", 2019, algorithm 2; the
//! regularisation falls from that of a blurred problem as in his section 3.3). Overrelaxation speeds up what
//! converges slowly (Lehmann, von Renesse, Sambale, Uschmajew, "A note on overrelaxation in the Sinkhorn algorithm", 2022, eq.
//! 11: the best factor is 2 / (1 + sqrt(1 - rate))). Sums run in a fixed order, so bits depend
//! on costs and settings only. Deliberately absent: unequal sizes, weights, unbalanced transport.

/// How to solve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SinkhornSettings {
    /// The weight of the entropy: the plan minimizes `sum p c + epsilon sum p log p` (natural logarithm, units of the cost).
    pub epsilon: f64,
    /// Largest `sum_j |sum_i p_ij - 1/n|`; rows sum to 1/n up to rounding.
    pub tolerance: f64,
    /// Most iterations at the final epsilon.
    pub iterations: usize,
}

/// The plan of least regularised cost.
#[derive(Clone, Debug, PartialEq)]
pub struct SinkhornPlan {
    /// Masses, row-major, n by n, summing to one.
    pub plan: Vec<f64>,
    /// `sum p c`, without the entropy.
    pub cost: f64,
    /// What the columns miss: `sum_j |sum_i p_ij - 1/n|`.
    pub residual: f64,
    /// Iterations at the final epsilon.
    pub iterations: usize,
}

/// A problem without a plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SinkhornError {
    /// The number of costs is not `n * n`, or there are none.
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
    /// The regularisation or the tolerance is not a positive number.
    BadSettings,
    /// The columns missed more than the tolerance after the last iteration.
    NotConverged {
        /// What they missed.
        residual: f64,
        /// Iterations made.
        iterations: usize,
    },
}

impl std::fmt::Display for SinkhornError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SinkhornError::NotSquare { len, n } => write!(f, "{len} costs are not a square of {n} rows"),
            SinkhornError::NotFinite { row, column } => {
                write!(f, "the cost of row {row}, column {column} is not finite")
            }
            SinkhornError::BadSettings => write!(f, "epsilon and tolerance must be positive"),
            SinkhornError::NotConverged { residual, iterations } => {
                write!(f, "after {iterations} iterations the columns of the plan miss their mass by {residual:.1e}")
            }
        }
    }
}

impl std::error::Error for SinkhornError {}

/// Scalings outside of `[1 / ABSORB, ABSORB]` go into the duals.
const ABSORB: f64 = 1e40;
/// The first regularisation is this share of the range of costs, if that is above the one asked for.
const FIRST: f64 = 0.25;
/// Regularisations fall by this factor.
const FALL: f64 = 4.0;
/// A regularisation that only leads to the next is left at this residual, or after this many iterations.
const ROUGH: f64 = 1e-2;
const ROUGH_ITERATIONS: usize = 40;
/// Plain iterations between overrelaxed ones, and those at their end over which the rate is measured.
const PLAIN: usize = 24;
const RATE_OVER: usize = 8;
/// The overrelaxed error falls by e for each 1 / (2 - omega) iterations; a phase lasts this many times as long.
const FOLDS: f64 = 6.0;
/// Largest factor of overrelaxation.
const GREATEST: f64 = 1.998;
/// A residual that grows by this factor gives a phase up.
const LOST: f64 = 1e3;

/// The plan between two sets of n points of mass 1/n each; `cost` is row-major, n by n.
///
/// # Errors
/// Costs that are not square or not finite, settings that are not positive, no convergence within the iterations.
pub fn sinkhorn(cost: &[f64], n: usize, settings: SinkhornSettings) -> Result<SinkhornPlan, SinkhornError> {
    if n == 0 || cost.len() != n * n {
        return Err(SinkhornError::NotSquare { len: cost.len(), n });
    }
    if let Some(at) = cost.iter().position(|c| !c.is_finite()) {
        return Err(SinkhornError::NotFinite { row: at / n, column: at % n });
    }
    let positive = |x: f64| x > 0.0 && x.is_finite();
    if !positive(settings.epsilon) || !positive(settings.tolerance) {
        return Err(SinkhornError::BadSettings);
    }
    let (low, high) = cost.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), c| (l.min(*c), h.max(*c)));
    let mut s = State::new(cost, n);
    let mut epsilon = FIRST * (high - low);
    while epsilon > FALL * settings.epsilon {
        s.start(epsilon);
        s.iterate(ROUGH, ROUGH_ITERATIONS);
        s.absorb();
        epsilon /= FALL;
    }
    s.start(settings.epsilon);
    let (residual, iterations) = s.iterate(settings.tolerance, settings.iterations);
    if residual > settings.tolerance || residual.is_nan() {
        return Err(SinkhornError::NotConverged { residual, iterations });
    }
    Ok(s.plan(residual, iterations))
}

struct State<'a> {
    cost: &'a [f64],
    n: usize,
    epsilon: f64,
    /// Duals.
    f: Vec<f64>,
    g: Vec<f64>,
    /// `exp((f_i + g_j - c_ij) / epsilon)`
    kernel: Vec<f64>,
    /// Scalings: the plan is `a_i kernel_ij b_j`.
    a: Vec<f64>,
    b: Vec<f64>,
    /// `sum_i a_i kernel_ij`
    columns: Vec<f64>,
}

impl<'a> State<'a> {
    fn new(cost: &'a [f64], n: usize) -> State<'a> {
        let (zeros, ones) = (vec![0.0; n], vec![1.0; n]);
        State {
            cost,
            n,
            epsilon: 1.0,
            f: zeros.clone(),
            g: zeros.clone(),
            kernel: vec![0.0; n * n],
            a: ones.clone(),
            b: ones,
            columns: zeros,
        }
    }

    /// Duals that give every row, then every column its mass at a new regularisation, in the log domain; and their kernel.
    fn start(&mut self, epsilon: f64) {
        self.epsilon = epsilon;
        let n = self.n;
        let mass = -libm::log(n as f64);
        for i in 0..n {
            let row = &self.cost[i * n..(i + 1) * n];
            let terms = || row.iter().zip(&self.g).map(|(c, g)| (g - c) / epsilon);
            let top = terms().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = terms().map(|x| libm::exp(x - top)).sum();
            self.f[i] = epsilon * (mass - top - libm::log(sum));
        }
        let mut top = vec![f64::NEG_INFINITY; n];
        for (row, f) in self.cost.chunks_exact(n).zip(&self.f) {
            top.iter_mut().zip(row).for_each(|(t, c)| *t = t.max((f - c) / epsilon));
        }
        let mut sum = vec![0.0; n];
        for (row, f) in self.cost.chunks_exact(n).zip(&self.f) {
            for ((s, c), t) in sum.iter_mut().zip(row).zip(&top) {
                *s += libm::exp((f - c) / epsilon - t);
            }
        }
        for ((g, s), t) in self.g.iter_mut().zip(&sum).zip(&top) {
            *g = epsilon * (mass - t - libm::log(*s));
        }
        self.fill();
    }

    fn fill(&mut self) {
        let n = self.n;
        for ((row, c), f) in self.kernel.chunks_exact_mut(n).zip(self.cost.chunks_exact(n)).zip(&self.f) {
            for ((k, c), g) in row.iter_mut().zip(c).zip(&self.g) {
                *k = libm::exp((f + g - c) / self.epsilon);
            }
        }
        self.a.fill(1.0);
        self.b.fill(1.0);
    }

    /// Scalings into the duals; the kernel is out of date afterwards.
    fn absorb(&mut self) {
        (self.f, self.g) = self.duals();
    }

    /// Rows in order: their scaling, and what they add to the columns, in one pass over the kernel. With `omega` 1 rows have
    /// their mass afterwards; above, they move that much further (in logarithms). What rows missed before, and columns after.
    fn sweep(&mut self, omega: f64) -> f64 {
        let n = self.n;
        let mass = 1.0 / n as f64;
        self.columns.fill(0.0);
        let mut missed = 0.0;
        for (row, a) in self.kernel.chunks_exact(n).zip(&mut self.a) {
            let sum = dot(row, &self.b);
            if omega == 1.0 {
                *a = mass / sum;
            } else {
                missed += (*a * sum - mass).abs();
                *a *= libm::pow(mass / (*a * sum), omega);
            }
            add(&mut self.columns, *a, row);
        }
        missed + self.columns.iter().zip(&self.b).map(|(c, b)| (b * c - mass).abs()).sum::<f64>()
    }

    /// Columns to their mass, or `omega` times as far.
    fn scale_columns(&mut self, omega: f64) {
        let mass = 1.0 / self.n as f64;
        for (b, c) in self.b.iter_mut().zip(&self.columns) {
            *b = if omega == 1.0 { mass / c } else { *b * libm::pow(mass / (*b * c), omega) };
        }
        let outside = |x: &f64| !(1.0 / ABSORB..=ABSORB).contains(x);
        if self.a.iter().chain(&self.b).any(outside) {
            self.absorb();
            self.fill();
        }
    }

    /// Iterates until the columns miss at most `tolerance`; what they miss, and how many iterations it took. Rows have their
    /// mass at the end. Plain iterations, whose residual shows the rate, take turns with overrelaxed ones, whose factor is
    /// the best for that rate.
    fn iterate(&mut self, tolerance: f64, most: usize) -> (f64, usize) {
        let mut done = 0;
        let mut plain = PLAIN;
        loop {
            let mut before = f64::INFINITY;
            let mut residual = f64::INFINITY;
            for k in 0..plain {
                residual = self.sweep(1.0);
                done += 1;
                if residual <= tolerance || done >= most || residual.is_nan() {
                    return (residual, done);
                }
                if k + 1 + RATE_OVER == plain {
                    before = residual;
                }
                self.scale_columns(1.0);
            }
            let rate = libm::pow(residual / before, 1.0 / RATE_OVER as f64);
            if !(0.5..1.0).contains(&rate) {
                continue;
            }
            let omega = (2.0 / (1.0 + (1.0 - rate).sqrt())).min(GREATEST);
            let length = ((FOLDS / (2.0 - omega)) as usize).min(most - done);
            let (f, g) = self.duals();
            let mut fine = true;
            for _ in 0..length {
                let now = self.sweep(omega);
                done += 1;
                fine = now < LOST * residual;
                if !fine || now < 0.1 * tolerance {
                    break;
                }
                self.scale_columns(omega);
            }
            if fine {
                plain = PLAIN;
            } else {
                // Too far from the solution for its linear theory: back, and nearer to it by plain iterations.
                (self.f, self.g) = (f, g);
                self.fill();
                plain *= 4;
            }
        }
    }

    /// The duals with the scalings in them.
    fn duals(&self) -> (Vec<f64>, Vec<f64>) {
        let join = |d: &[f64], s: &[f64]| d.iter().zip(s).map(|(d, s)| d + self.epsilon * libm::log(*s)).collect();
        (join(&self.f, &self.a), join(&self.g, &self.b))
    }

    fn plan(mut self, residual: f64, iterations: usize) -> SinkhornPlan {
        for (row, a) in self.kernel.chunks_exact_mut(self.n).zip(&self.a) {
            row.iter_mut().zip(&self.b).for_each(|(k, b)| *k *= a * b);
        }
        let cost = self.kernel.iter().zip(self.cost).map(|(p, c)| p * c).sum();
        SinkhornPlan { plan: self.kernel, cost, residual, iterations }
    }
}

/// Partial sums of [`dot`].
const LANES: usize = 8;

/// Eight partial sums, then their sum in order.
fn dot(x: &[f64], y: &[f64]) -> f64 {
    let mut partial = [0.0; LANES];
    let (xs, ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let rest: f64 = xs.remainder().iter().zip(ys.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in xs.zip(ys) {
        for l in 0..LANES {
            partial[l] += a[l] * b[l];
        }
    }
    partial.iter().sum::<f64>() + rest
}

/// `y += a x`
fn add(y: &mut [f64], a: f64, x: &[f64]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += a * x);
}
