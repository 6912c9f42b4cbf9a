//! The elementwise functions, each written once.
//!
//! Straight-line code without branches or tables, so that a loop over lanes compiled for an instruction set becomes vector
//! code; where a function has pieces, all are computed and one is selected. Only IEEE operations that round once
//! (`+ - * /`, square root, `mul_add`) and integer operations on the bits occur, hence equal bits everywhere.
//!
//! Polynomials are minimax fits of the named function in the named interval (Remez exchange in 40-digit arithmetic, weighted
//! by the relative error of the whole function; then rounded to f32).

mod double;
mod single;

use std::fmt::Debug;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// Pieces of the f32 functions that the random numbers share.
pub(crate) mod polynomial {
    pub(crate) use super::single::{log_of_scaled, sin_cos_small, split_log};
}

/// A scalar with the functions of the language.
///
/// Errors in units of the last place of the result, against f64: the bound that a test holds, and the largest found in 2^26
/// points of each range.
///
/// | f32 | bound | found | where |
/// |---|---|---|---|
/// | exp | 1.5 | 1.02 | -87.3 to 88.72283; below, zero; above, +inf |
/// | log | 1.5 | 0.84 | every positive number, denormals too |
/// | tanh | 3 | 2.52 | everywhere |
/// | logistic | 3 | 2.41 | from -87.3 up; below, zero |
/// | softplus | 2.5 | 1.76 | from -87.3 up; below, zero |
/// | sin, cos | 2 | 1.56 | everywhere (beyond 1e5 in magnitude, one lane at a time) |
/// | erf | 3 | 1.02 | everywhere |
/// | sqrt, recip | 0.5 | 0.5 | everywhere |
///
/// In f64 the transcendentals are those of the `libm` crate (errors around 1), logistic and softplus built on them.
pub trait Math:
    Copy
    + Default
    + Debug
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + 'static
{
    /// +0
    const ZERO: Self;
    /// 1
    const ONE: Self;
    /// `self * a + b`, rounded once.
    #[must_use]
    fn fma(self, a: Self, b: Self) -> Self;
    /// e^x
    #[must_use]
    fn exp(self) -> Self;
    /// Natural logarithm.
    #[must_use]
    fn log(self) -> Self;
    /// Square root.
    #[must_use]
    fn sqrt(self) -> Self;
    /// Sine.
    #[must_use]
    fn sin(self) -> Self;
    /// Cosine.
    #[must_use]
    fn cos(self) -> Self;
    /// Hyperbolic tangent.
    #[must_use]
    fn tanh(self) -> Self;
    /// 1 / (1 + e^-x)
    #[must_use]
    fn logistic(self) -> Self;
    /// log(1 + e^x)
    #[must_use]
    fn softplus(self) -> Self;
    /// Error function.
    #[must_use]
    fn erf(self) -> Self;
    /// 1 / x
    #[must_use]
    fn recip(self) -> Self;
    /// |x|
    #[must_use]
    fn abs(self) -> Self;
    /// -1, 0 or 1; NaN of NaN.
    #[must_use]
    fn sign(self) -> Self;
    /// Greatest integer not above x.
    #[must_use]
    fn floor(self) -> Self;

    /// Whether sine and cosine of x need the slow range reduction.
    #[must_use]
    fn is_far(self) -> bool;
    /// [`Math::sin`] for x that is not far, without a branch.
    #[must_use]
    fn near_sin(self) -> Self;
    /// [`Math::cos`] for x that is not far, without a branch.
    #[must_use]
    fn near_cos(self) -> Self;
}
