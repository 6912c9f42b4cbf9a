//! The functions in f32. Each is a range reduction, a polynomial and a reconstruction; see the module above for the style.

use super::Math;

/// 1.5 * 2^23: adding it to |x| < 2^22 rounds x to an integer (ties to even), which then stands in the low bits.
const ROUND: f32 = 12_582_912.0;
const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 in two parts; n * `LN2_HI` is taken off exactly by a fused multiply-add for |n| < 2^8.
const LN2_HI: f32 = std::f32::consts::LN_2;
const LN2_LO: f32 = -1.904_654_3e-9;
/// Below it `exp` gives zero: the least normal number is e^-87.33.
const EXP_LO: f32 = -87.3;
/// The greatest number whose `exp` is finite.
const EXP_HI: f32 = 88.722_83;
/// Beyond it the reduction by [`PIO2_1`] is not exact.
const TRIG_LIMIT: f32 = 1e5;
/// pi/2 in three positive parts, each rounded down (positive, so that -0 stays -0 in the reduction).
const PIO2_1: f32 = 1.570_796_2;
const PIO2_2: f32 = 7.549_789_4e-8;
const PIO2_3: f32 = 5.390_302_5e-15;

/// The integer n nearest to x / ln 2 and the rest: `x = n ln 2 + r`, and `e^r`. Gives `(e^r, n)` with n in the low bits of the
/// second (it is `ROUND + n`). (e^r - 1 - r) / r^2 on |r| <= 0.3473: error 2^-27.8 of e^r.
#[inline(always)]
fn exp_parts(x: f32) -> (f32, u32) {
    let shifted = x.mul_add(LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN2_LO, n.mul_add(-LN2_HI, x));
    let q = r.mul_add(0.001_381_430_9, 0.008_368_851);
    let q = r.mul_add(q, 0.041_668_4);
    let q = r.mul_add(q, 0.166_665_2);
    let q = r.mul_add(q, 0.499_999_94);
    let p = (r * r).mul_add(q, r) + 1.0;
    (p, shifted.to_bits())
}

/// e^x for x in [-87.3, 88]; a NaN stays one. Elsewhere of no meaning.
#[inline(always)]
fn exp_in_range(x: f32) -> f32 {
    let (p, n) = exp_parts(x);
    p * f32::from_bits((n << 23).wrapping_add(0x3f80_0000))
}

/// e^-|x|, zero below e^-87.3.
#[inline(always)]
fn exp_of_minus_abs(x: f32) -> f32 {
    let t = -f32::abs(x);
    let e = exp_in_range(t);
    if t < EXP_LO { 0.0 } else { e }
}

#[inline(always)]
fn exp(x: f32) -> f32 {
    let (p, n) = exp_parts(x);
    // n = 128 occurs, so the power of two is added to the exponent.
    let e = f32::from_bits(p.to_bits().wrapping_add(n << 23));
    let e = if x <= EXP_HI { e } else { x + f32::INFINITY };
    if x < EXP_LO { 0.0 } else { e }
}

/// A positive normal number as 2^e (1 + f), 1 + f in [sqrt(1/2), sqrt(2)): takes off the bits of sqrt(1/2), splits, puts them
/// back.
#[inline(always)]
pub(crate) fn split_log(x: f32) -> (f32, f32) {
    const SQRT_HALF: u32 = 0x3f35_04f3;
    let bits = x.to_bits().wrapping_sub(SQRT_HALF);
    (((bits as i32) >> 23) as f32, f32::from_bits((bits & 0x007f_ffff) + SQRT_HALF) - 1.0)
}

/// log(2^e (1 + f)) for `f` in [sqrt(1/2) - 1, sqrt(2) - 1].
/// (log(1 + f) - f + f^2/2) / f^3: error 2^-28.2 of log(1 + f).
#[inline(always)]
pub(crate) fn log_of_scaled(e: f32, f: f32) -> f32 {
    let s = f * f;
    let q = f.mul_add(0.067_466_26, -0.116_756_31);
    let q = f.mul_add(q, 0.118_881_53);
    let q = f.mul_add(q, -0.124_055_9);
    let q = f.mul_add(q, 0.142_195_54);
    let q = f.mul_add(q, -0.166_679_96);
    let q = f.mul_add(q, 0.200_021_19);
    let q = f.mul_add(q, -0.250_000_1);
    let q = f.mul_add(q, 0.333_333_14);
    // The smallest terms first: f + (f^3 q + e ln2_lo - f^2/2), then e ln2_hi.
    let tail = (f * s).mul_add(q, e * LN2_LO);
    let tail = s.mul_add(-0.5, tail);
    e.mul_add(LN2_HI, f + tail)
}

#[inline(always)]
fn log(x: f32) -> f32 {
    // Denormals are brought up by 2^24 (where the thread flushes them, they stay zero).
    let small = x < f32::MIN_POSITIVE;
    let y = if small { x * 16_777_216.0 } else { x };
    let shift = if small { -24.0 } else { 0.0 };
    let (e, f) = split_log(y);
    let v = log_of_scaled(e + shift, f);
    let v = if y == 0.0 { f32::NEG_INFINITY } else { v };
    let v = if y < f32::INFINITY { v } else { y };
    if y < 0.0 { f32::NAN } else { v }
}

/// Sine and cosine of |r| <= 0.793. (sin r / r - 1) / r^2 and (cos r - 1 + r^2/2) / r^4: errors 2^-27.8 and 2^-32.7.
#[inline(always)]
pub(crate) fn sin_cos_small(r: f32) -> (f32, f32) {
    let z = r * r;
    let s = z.mul_add(-1.950_788_3e-4, 0.008_332_106);
    let s = z.mul_add(s, -0.166_666_54);
    let c = z.mul_add(2.443_008_4e-5, -0.001_388_729_8);
    let c = z.mul_add(c, 0.041_666_646);
    let a = f32::abs(r); // so that the sine of -0 is -0
    ((a * z).mul_add(s, a).copysign(r), (z * z).mul_add(c, z.mul_add(-0.5, 1.0)))
}

/// sin(x + quarter * pi/2) for |x| <= 1e5. Cody and Waite's reduction with fused multiply-adds: x and n * `PIO2_1` are both
/// multiples of 2^-24 or more and their difference is below 1, so the first step is exact.
#[inline(always)]
fn sin_quarter(x: f32, quarter: u32) -> f32 {
    let shifted = x.mul_add(std::f32::consts::FRAC_2_PI, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-PIO2_3, n.mul_add(-PIO2_2, n.mul_add(-PIO2_1, x)));
    let (s, c) = sin_cos_small(r);
    let q = shifted.to_bits().wrapping_add(quarter);
    let v = if q & 1 == 0 { s } else { c };
    f32::from_bits(v.to_bits() ^ ((q & 2) << 30))
}

/// t / (t + 2) with t = e^2|x| - 1 = 2^n e^2r - 1, |x| = n ln 2 / 2 + r: 2^n (e^2r - 1) + (2^n - 1) cancels nothing, and for small
/// x it is e^2r - 1 itself. (e^2r - 1 - 2r) / r^2 on |r| <= 0.1734: error 2^-25.7 of e^2r - 1. One from 9.02 on.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    let size = f32::abs(x);
    let size = if size > 9.1 { 9.1 } else { size }; // a NaN stays one
    let shifted = size.mul_add(2.0 * LOG2_E, ROUND);
    let n = shifted - ROUND;
    // The rest of ln 2 would matter where the function is 1 already.
    let r = n.mul_add(-0.5 * LN2_HI, size);
    let q = r.mul_add(0.088_848, 0.267_732_3);
    let q = r.mul_add(q, 0.666_675_27);
    let q = r.mul_add(q, 1.333_323_5);
    let q = r.mul_add(q, 1.999_999_9);
    let p = (r * r).mul_add(q, r + r);
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    let t = p.mul_add(power, power - 1.0);
    (t / (t + 2.0)).copysign(x)
}

#[inline(always)]
fn logistic(x: f32) -> f32 {
    let z = exp_of_minus_abs(x);
    let top = if x >= 0.0 { 1.0 } else { z };
    top / (1.0 + z)
}

/// max(x, 0) + log(1 + z), z = e^-|x| in [0, 1]; log(1 + z) = 2 atanh(s), s = z / (2 + z) in [0, 1/3].
/// Since 2 s = z - s z, the leading term is z itself and the rounding of s hardly counts.
/// (2 atanh(s) / s - 2) / s^2: error 2^-27.7.
#[inline(always)]
fn softplus(x: f32) -> f32 {
    let z = exp_of_minus_abs(x);
    let s = z / (2.0 + z);
    let w = s * s;
    let q = w.mul_add(0.280_099_96, 0.280_025_3);
    let q = w.mul_add(q, 0.400_214_55);
    let q = w.mul_add(q, 0.666_664_2);
    let log1p = s.mul_add(w.mul_add(q, -z), z);
    (if x > 0.0 { x } else { 0.0 }) + log1p
}

/// |x| up to 1: x + x P(x^2), (erf x / x - 1) with error 2^-29.4; above: 1 - e^-(t + t Q(t)), t = |x|, at most 4,
/// (-log(erfc t) / t - 1) with error 2^-31.2 of erf; 1 from 3.92 on.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let size = f32::abs(x);
    let z = x * x;
    let p = z.mul_add(7.806_903e-5, -7.997_853e-4);
    let p = z.mul_add(p, 0.005_187_162);
    let p = z.mul_add(p, -0.026_853_347);
    let p = z.mul_add(p, 0.112_835_79);
    let p = z.mul_add(p, -0.376_126_26);
    let p = z.mul_add(p, 0.128_379_17);
    let near = size.mul_add(p, size);
    let t = if size < 4.0 { size } else { 4.0 };
    let q = t.mul_add(1.390_372_6e-5, -3.499_813_3e-4);
    let q = t.mul_add(q, 0.003_754_889_8);
    let q = t.mul_add(q, -0.024_004_353);
    let q = t.mul_add(q, 0.106_523_916);
    let q = t.mul_add(q, 0.634_973_94);
    let q = t.mul_add(q, 0.128_693_2);
    let far = 1.0 - exp_in_range(-t.mul_add(q, t));
    (if size > 1.0 { far } else { near }).copysign(x)
}

impl Math for f32 {
    const ZERO: f32 = 0.0;
    const ONE: f32 = 1.0;

    #[inline(always)]
    fn fma(self, a: f32, b: f32) -> f32 {
        self.mul_add(a, b)
    }
    #[inline(always)]
    fn exp(self) -> f32 {
        exp(self)
    }
    #[inline(always)]
    fn log(self) -> f32 {
        log(self)
    }
    #[inline(always)]
    fn sqrt(self) -> f32 {
        f32::sqrt(self)
    }
    #[inline(always)]
    fn sin(self) -> f32 {
        if Math::is_far(self) { libm::sin(f64::from(self)) as f32 } else { Math::near_sin(self) }
    }
    #[inline(always)]
    fn cos(self) -> f32 {
        if Math::is_far(self) { libm::cos(f64::from(self)) as f32 } else { Math::near_cos(self) }
    }
    #[inline(always)]
    fn tanh(self) -> f32 {
        tanh(self)
    }
    #[inline(always)]
    fn logistic(self) -> f32 {
        logistic(self)
    }
    #[inline(always)]
    fn softplus(self) -> f32 {
        softplus(self)
    }
    #[inline(always)]
    fn erf(self) -> f32 {
        erf(self)
    }
    #[inline(always)]
    fn recip(self) -> f32 {
        1.0 / self
    }
    #[inline(always)]
    fn abs(self) -> f32 {
        f32::abs(self)
    }
    #[inline(always)]
    fn sign(self) -> f32 {
        let one = if self < 0.0 { -1.0 } else { self };
        let one = if self > 0.0 { 1.0 } else { one };
        if self == 0.0 { 0.0 } else { one }
    }
    /// Rounds |x| by adding and taking away 2^23, then one less where that went up.
    #[inline(always)]
    fn floor(self) -> f32 {
        const BIG: f32 = 8_388_608.0; // 2^23
        let size = f32::abs(self);
        let near = ((size + BIG) - BIG).copysign(self);
        let below = near - if near > self { 1.0 } else { 0.0 };
        if size < BIG { below } else { self }
    }
    #[inline(always)]
    fn is_far(self) -> bool {
        f32::abs(self) > TRIG_LIMIT
    }
    #[inline(always)]
    fn near_sin(self) -> f32 {
        sin_quarter(self, 0)
    }
    #[inline(always)]
    fn near_cos(self) -> f32 {
        sin_quarter(self, 1)
    }
}
