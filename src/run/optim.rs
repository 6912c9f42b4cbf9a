//! Update rules of parameters.
//!
//! Gradient, learning rate, number of the step -> parameters, moments and averaged parameters, changed in place. Every rule
//! is elementwise, so any split of the vector into ranges gives the same bits; the one reduction, the norm of the gradient,
//! goes over fixed blocks and a fixed tree. Constants are computed in f64 and rounded once. Deliberately absent: schedules
//! (a learning rate arrives as a number) and threads.

use super::Real;
use crate::kernels::wide;

/// How parameters follow their gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Kingma & Ba, "Adam", 2015, algorithm 1; weight decay is added to the gradient.
    Adam {
        /// Decay of the mean of gradients.
        beta1: f64,
        /// Decay of the mean of squared gradients.
        beta2: f64,
        /// Added to the root of the latter.
        eps: f64,
    },
    /// Loshchilov & Hutter, "Decoupled weight decay regularization", 2019, algorithm 2: the decay acts on the parameters,
    /// times the learning rate, before the step.
    AdamW {
        /// Decay of the mean of gradients.
        beta1: f64,
        /// Decay of the mean of squared gradients.
        beta2: f64,
        /// Added to the root of the latter.
        eps: f64,
    },
    /// Tieleman & Hinton, lecture 6.5, 2012, not centred; as PyTorch's `RMSprop`: eps outside of the root.
    RmsProp {
        /// Decay of the mean of squared gradients.
        alpha: f64,
        /// Added to its root.
        eps: f64,
        /// Heavy-ball momentum on the scaled gradient; 0 is none.
        momentum: f64,
    },
    /// Sutskever et al., 2013, in PyTorch's form: `b = momentum b + g`, then `-lr b`, or `-lr (g + momentum b)` with
    /// Nesterov's correction.
    Sgd {
        /// 0 is none.
        momentum: f64,
        /// Looks ahead.
        nesterov: bool,
    },
}

/// A rule with its weight decay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Optimizer {
    /// The rule.
    pub rule: Rule,
    /// The coefficient of the decay, 0 for none; what it acts on depends on the rule.
    pub weight_decay: f64,
}

impl Optimizer {
    /// Adam with its authors' constants.
    #[must_use]
    pub fn adam() -> Optimizer {
        Optimizer { rule: Rule::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8 }, weight_decay: 0.0 }
    }

    /// Names of the vectors, long as the parameters and zero at first, that the rule keeps between steps: at most two.
    #[must_use]
    pub fn memory(&self) -> &'static [&'static str] {
        match self.rule {
            Rule::Adam { .. } | Rule::AdamW { .. } => &["mean", "mean_square"],
            Rule::RmsProp { momentum, .. } if momentum != 0.0 => &["mean_square", "momentum"],
            Rule::RmsProp { .. } => &["mean_square"],
            Rule::Sgd { momentum, .. } if momentum != 0.0 => &["momentum"],
            Rule::Sgd { .. } => &[],
        }
    }

    /// The rule at a step, counted from 1, with its learning rate; `scale` multiplies the gradient first (clipping).
    #[must_use]
    pub fn at<T: Real>(&self, step: u64, rate: f64, scale: f64) -> Update<T> {
        let r = T::from_f64;
        let (s, decay) = (r(scale), r(self.weight_decay));
        match self.rule {
            Rule::Adam { beta1, beta2, eps } | Rule::AdamW { beta1, beta2, eps } => {
                let coupled = matches!(self.rule, Rule::Adam { .. });
                let (added, kept) =
                    if coupled { (self.weight_decay, 1.0) } else { (0.0, 1.0 - rate * self.weight_decay) };
                let size = rate / (1.0 - power(beta1, step));
                let root = 1.0 / (1.0 - power(beta2, step)).sqrt();
                let constants = [scale, added, kept, beta1, 1.0 - beta1, beta2, 1.0 - beta2, size, root, eps];
                Update::Adam(constants.map(r))
            }
            Rule::RmsProp { alpha, eps, momentum: 0.0 } => {
                Update::RmsProp([s, decay, r(alpha), r(1.0 - alpha), r(eps), r(rate)])
            }
            Rule::RmsProp { alpha, eps, momentum } => {
                Update::RmsPropMomentum([s, decay, r(alpha), r(1.0 - alpha), r(eps), r(rate), r(momentum)])
            }
            Rule::Sgd { momentum: 0.0, .. } => Update::Descent([s, decay, r(rate)]),
            Rule::Sgd { momentum, nesterov } => {
                // g + momentum b, or b: one formula with the weights of both.
                let (of_g, of_b) = if nesterov { (1.0, momentum) } else { (0.0, 1.0) };
                Update::DescentMomentum([s, decay, r(rate), r(momentum), r(of_g), r(of_b)])
            }
        }
    }
}

/// A rule at one step: its constants, rounded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Update<T> {
    /// [`Rule::Adam`] and [`Rule::AdamW`].
    Adam([T; 10]),
    /// [`Rule::RmsProp`] without momentum.
    RmsProp([T; 6]),
    /// [`Rule::RmsProp`] with momentum.
    RmsPropMomentum([T; 7]),
    /// [`Rule::Sgd`] without momentum.
    Descent([T; 3]),
    /// [`Rule::Sgd`] with momentum.
    DescentMomentum([T; 6]),
}

impl<T: Real> Update<T> {
    /// Changes a range of the parameters; `memory` holds the same range of each vector of [`Optimizer::memory`], in that
    /// order.
    ///
    /// # Panics
    /// If these are not as many.
    pub fn apply(&self, theta: &mut [T], gradient: &[T], memory: &mut [&mut [T]]) {
        match (*self, memory) {
            (Update::Adam(constants), [m, v]) => adam(theta, gradient, m, v, constants),
            (Update::RmsProp(constants), [v]) => rms_prop(theta, gradient, v, constants),
            (Update::RmsPropMomentum(constants), [v, b]) => rms_prop_momentum(theta, gradient, v, b, constants),
            (Update::Descent(constants), []) => descent(theta, gradient, constants),
            (Update::DescentMomentum(constants), [b]) => descent_momentum(theta, gradient, b, constants),
            (rule, memory) => panic!("{rule:?} does not keep {} vectors", memory.len()),
        }
    }
}

wide! {
    fn adam<T: Real>(theta: &mut [T], gradient: &[T], m: &mut [T], v: &mut [T], constants: [T; 10]) {
        let [s, added, kept, b1, c1, b2, c2, size, root, eps] = constants;
        let n = theta.len();
        let (gradient, m, v) = (&gradient[..n], &mut m[..n], &mut v[..n]);
        for i in 0..n {
            let g = gradient[i] * s + added * theta[i];
            m[i] = b1 * m[i] + c1 * g;
            v[i] = b2 * v[i] + c2 * (g * g);
            theta[i] = kept * theta[i] - size * m[i] / (v[i].sqrt() * root + eps);
        }
    }
}

wide! {
    fn rms_prop<T: Real>(theta: &mut [T], gradient: &[T], v: &mut [T], constants: [T; 6]) {
        let [s, decay, a, c, eps, rate] = constants;
        let n = theta.len();
        let (gradient, v) = (&gradient[..n], &mut v[..n]);
        for i in 0..n {
            let g = gradient[i] * s + decay * theta[i];
            v[i] = a * v[i] + c * (g * g);
            theta[i] = theta[i] - rate * (g / (v[i].sqrt() + eps));
        }
    }
}

wide! {
    fn rms_prop_momentum<T: Real>(theta: &mut [T], gradient: &[T], v: &mut [T], b: &mut [T], constants: [T; 7]) {
        let [s, decay, a, c, eps, rate, momentum] = constants;
        let n = theta.len();
        let (gradient, v, b) = (&gradient[..n], &mut v[..n], &mut b[..n]);
        for i in 0..n {
            let g = gradient[i] * s + decay * theta[i];
            v[i] = a * v[i] + c * (g * g);
            b[i] = momentum * b[i] + g / (v[i].sqrt() + eps);
            theta[i] = theta[i] - rate * b[i];
        }
    }
}

wide! {
    fn descent<T: Real>(theta: &mut [T], gradient: &[T], constants: [T; 3]) {
        let [s, decay, rate] = constants;
        for (x, &g) in theta.iter_mut().zip(gradient) {
            let g = g * s + decay * *x;
            *x = *x - rate * g;
        }
    }
}

wide! {
    fn descent_momentum<T: Real>(theta: &mut [T], gradient: &[T], b: &mut [T], constants: [T; 6]) {
        let [s, decay, rate, momentum, of_g, of_b] = constants;
        let n = theta.len();
        let (gradient, b) = (&gradient[..n], &mut b[..n]);
        for i in 0..n {
            let g = gradient[i] * s + decay * theta[i];
            b[i] = momentum * b[i] + g;
            theta[i] = theta[i] - rate * (of_g * g + of_b * b[i]);
        }
    }
}

/// b^n by repeated squaring: `powi` promises no bits.
fn power(mut b: f64, mut n: u64) -> f64 {
    let mut product = 1.0;
    while n > 0 {
        if n & 1 == 1 {
            product *= b;
        }
        b *= b;
        n >>= 1;
    }
    product
}

/// An exponential moving average of parameters.
///
/// It begins at the initial parameters, and the decay of step t (from 1) is `min(decay, (1 + t) / (10 + t))`: the initial
/// point, which is no estimate of anything, is forgotten within the first tens of steps whatever the decay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ema {
    /// The decay once warm.
    pub decay: f64,
}

impl Ema {
    /// The decay of a step, counted from 1.
    #[must_use]
    pub fn decay_at(self, step: u64) -> f64 {
        let t = step as f64;
        self.decay.min((1.0 + t) / (10.0 + t))
    }

    /// Moves a range of the average.
    pub fn update<T: Real>(self, step: u64, average: &mut [T], theta: &[T]) {
        let d = self.decay_at(step);
        blend(average, theta, T::from_f64(d), T::from_f64(1.0 - d));
    }
}

wide! {
    fn blend<T: Real>(average: &mut [T], theta: &[T], kept: T, new: T) {
        for (a, &x) in average.iter_mut().zip(theta) {
            *a = kept * *a + new * x;
        }
    }
}

/// Partial sums of [`square_sum`].
const SUMS: usize = 32;

/// Sum of squares, in f64: 32 interleaved sums, then halves onto halves. Finite exactly if every element is (an f64 beyond
/// 1e154 counts as infinite).
#[must_use]
pub fn square_sum<T: Real>(values: &[T]) -> f64 {
    let (whole, rest) = values.as_chunks::<SUMS>();
    let mut sums = squares(whole);
    for (sum, x) in sums.iter_mut().zip(rest) {
        let x = x.to_f64();
        *sum += x * x;
    }
    let mut n = SUMS;
    while n > 1 {
        n /= 2;
        for j in 0..n {
            sums[j] += sums[j + n];
        }
    }
    sums[0]
}

wide! {
    fn squares<T: Real>(chunks: &[[T; SUMS]]) -> [f64; SUMS] {
        let mut sums = [0.0_f64; SUMS];
        for chunk in chunks {
            for j in 0..SUMS {
                let x = chunk[j].to_f64();
                sums[j] += x * x;
            }
        }
        sums
    }
}

/// Sum by halves: the order depends on the number of terms only.
#[must_use]
pub fn tree_sum(terms: &[f64]) -> f64 {
    match terms {
        [] => 0.0,
        [x] => *x,
        _ => {
            let (a, b) = terms.split_at(terms.len().div_ceil(2));
            tree_sum(a) + tree_sum(b)
        }
    }
}

/// What the gradient is multiplied with so that its Euclidean norm is at most `bound`
/// (Pascanu, Mikolov & Bengio, 2013, algorithm 1).
#[must_use]
pub fn clip_scale(norm: f64, bound: Option<f64>) -> f64 {
    match bound {
        Some(bound) if norm > bound => bound / norm,
        Some(_) | None => 1.0,
    }
}
