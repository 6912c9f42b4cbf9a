//! Tile kernels equal plain loops in the contract's order, bit for bit, on every instruction set; functions keep their
//! error bounds and their limits.

use flowc::kernels::{
    self, Denormals, Isa, KernelTable, LANES, Map, Math, PANEL, PARTIALS, ROWS, Real, Start, grad_scratch_len,
    packed_len, scalar, scan, table, tree_sum,
};
use flowc::rng::Stream;
use rand::RngExt;
use std::fmt::Debug;

/// What the tests need of a scalar beyond its kernels.
trait Number: Real {
    fn of(x: f64) -> Self;
    fn bits(self) -> u64;
    fn from_word(word: u64) -> Self;
}
impl Number for f32 {
    fn of(x: f64) -> f32 {
        x as f32
    }
    fn bits(self) -> u64 {
        u64::from(self.to_bits())
    }
    fn from_word(word: u64) -> f32 {
        f32::from_bits(word as u32)
    }
}
impl Number for f64 {
    fn of(x: f64) -> f64 {
        x
    }
    fn bits(self) -> u64 {
        self.to_bits()
    }
    fn from_word(word: u64) -> f64 {
        f64::from_bits(word)
    }
}

/// Equal bits; every NaN counts as the same.
fn same<T: Number>(a: T, b: T) -> bool {
    a.bits() == b.bits() || (a.partial_cmp(&a).is_none() && b.partial_cmp(&b).is_none())
}

#[track_caller]
fn assert_same<T: Number>(got: &[T], want: &[T], what: &dyn Debug) {
    assert_eq!(got.len(), want.len());
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!(same(*g, *w), "element {i}: {g:?} instead of {w:?} in {what:?}");
    }
}

fn instruction_sets() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|isa| isa.is_available())
}

/// Numbers around 1; one in a hundred is special if `specials`.
fn numbers<T: Number>(rng: &mut Stream, n: usize, specials: bool) -> Vec<T> {
    const SPECIAL: [f64; 8] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1e-40, 3e38, -1e-310];
    (0..n)
        .map(|_| {
            if specials && rng.random_range(0..100) == 0 {
                T::of(SPECIAL[rng.random_range(0..SPECIAL.len())])
            } else {
                T::of(rng.random_range(-2.0..2.0))
            }
        })
        .collect()
}

#[derive(Clone, Copy, Debug)]
struct Shape {
    m: usize,
    k: usize,
    blocks: usize,
    panels: usize,
}

/// Small shapes at random, and those whose sides stand at the edges of the micro-kernels.
fn shapes(rng: &mut Stream) -> Vec<Shape> {
    let mut list: Vec<Shape> = (0..60)
        .map(|_| Shape {
            m: rng.random_range(1..40),
            k: rng.random_range(1..40),
            blocks: rng.random_range(1..6),
            panels: rng.random_range(1..9),
        })
        .collect();
    for m in [1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 65, 128] {
        for (k, blocks, panels) in [(1, 1, 8), (8, 3, 1), (9, 2, 8), (64, 1, 4), (130, 1, 5), (33, 2, 3)] {
            list.push(Shape { m, k, blocks, panels });
        }
    }
    list
}

fn packed<T: Number>(t: &KernelTable<T>, w: &[T], m: usize, k: usize) -> Vec<T> {
    let mut packed = vec![T::of(7.0); packed_len(m, k)];
    // SAFETY: sizes as the contract says.
    unsafe { (t.pack)(w.as_ptr(), packed.as_mut_ptr(), m, k, k, 1, k, 0, m.div_ceil(ROWS)) };
    packed
}

fn gemm_case<T: Number>(isa: Isa, s: Shape, rng: &mut Stream, specials: bool) {
    let Shape { m, k, blocks, panels } = s;
    let t = table::<T>(isa);
    let (w, x) = (numbers::<T>(rng, m * k, specials), numbers::<T>(rng, k * blocks * LANES, specials));
    let bias = rng.random::<bool>().then(|| numbers::<T>(rng, m, specials));
    let untouched = T::of(1234.0);
    let mut want = vec![untouched; m * blocks * LANES];
    // Lanes after the last panel, as far as a register reaches, mean nothing.
    let reach = if isa == Isa::Avx512 { kernels::WIDEST } else { PANEL };
    let loose = panels * PANEL..(panels * PANEL).next_multiple_of(reach);
    for i in 0..m {
        for b in 0..blocks {
            for l in 0..panels * PANEL {
                let mut sum = T::ZERO;
                for kk in 0..k {
                    sum = scalar::fma(w[i * k + kk], x[(kk * blocks + b) * LANES + l], sum);
                }
                if let Some(bias) = &bias {
                    sum = sum + bias[i];
                }
                want[(i * blocks + b) * LANES + l] = sum;
            }
        }
    }
    let mut y = vec![untouched; m * blocks * LANES];
    let packed = packed(t, &w, m, k);
    let bias = bias.as_ref().map_or(std::ptr::null(), |b| b.as_ptr());
    // SAFETY: sizes as the contract says.
    unsafe { (t.gemm)(packed.as_ptr(), x.as_ptr(), y.as_mut_ptr(), bias, m, k, blocks, panels) };
    y.iter_mut().enumerate().filter(|(at, _)| loose.contains(&(at % LANES))).for_each(|(_, y)| *y = untouched);
    assert_same(&y, &want, &(isa, s));
}

#[test]
fn gemm_is_a_chain_over_k() {
    let mut rng = Stream::new(1, "gemm", 0);
    for isa in instruction_sets() {
        for s in shapes(&mut rng) {
            gemm_case::<f32>(isa, s, &mut rng, false);
            gemm_case::<f32>(isa, s, &mut rng, true);
            gemm_case::<f64>(isa, s, &mut rng, true);
        }
    }
}

/// The ways to start that a weight gradient of so many blocks has.
fn starts(blocks: usize) -> &'static [Start] {
    if blocks == 1 { &[Start::There, Start::Beside, Start::Zero] } else { &[Start::There, Start::Zero] }
}

fn grad_case<T: Number>(isa: Isa, s: Shape, rng: &mut Stream, specials: bool) {
    let Shape { m, k, blocks, panels } = s;
    let t = table::<T>(isa);
    let kp = k.next_multiple_of(kernels::WIDEST);
    let (d, x) = (numbers::<T>(rng, m * blocks * LANES, specials), numbers::<T>(rng, k * blocks * LANES, specials));
    let start = numbers::<T>(rng, m * kp, specials);
    let begin = starts(blocks)[k % starts(blocks).len()];
    let mut slot = start.clone();
    let mut scratch = vec![T::of(f64::NAN); grad_scratch_len(k)];
    // SAFETY: sizes as the contract says.
    unsafe {
        (t.grad)(slot.as_mut_ptr(), d.as_ptr(), x.as_ptr(), m, k, blocks, panels, scratch.as_mut_ptr(), begin);
    }
    for i in 0..m {
        for j in 0..k {
            let mut sum = if begin == Start::There { start[i * kp + j] } else { T::ZERO };
            for b in 0..blocks {
                for l in 0..panels * PANEL {
                    sum = scalar::fma(d[(i * blocks + b) * LANES + l], x[(j * blocks + b) * LANES + l], sum);
                }
            }
            if begin == Start::Beside {
                sum = start[i * kp + j] + sum;
            }
            assert!(same(slot[i * kp + j], sum), "({i}, {j}): {:?} instead of {sum:?}, {isa} {s:?}", slot[i * kp + j]);
        }
    }
}

#[test]
fn grad_continues_a_chain_over_lanes() {
    let mut rng = Stream::new(1, "grad", 0);
    for isa in instruction_sets() {
        for s in shapes(&mut rng) {
            grad_case::<f32>(isa, s, &mut rng, false);
            grad_case::<f32>(isa, s, &mut rng, true);
            grad_case::<f64>(isa, s, &mut rng, true);
        }
    }
}

fn sum_case<T: Number>(isa: Isa, s: Shape, rng: &mut Stream) {
    let Shape { m, blocks, panels, .. } = s;
    let d = numbers::<T>(rng, m * blocks * LANES, true);
    let mut slot = numbers::<T>(rng, m * PARTIALS, true);
    let begin = [Start::There, Start::Zero, Start::Beside][m % 3];
    let before = slot.clone();
    let mut want = if begin == Start::There { slot.clone() } else { vec![T::ZERO; slot.len()] };
    for i in 0..m {
        for b in 0..blocks {
            for l in 0..panels * PANEL {
                let p = &mut want[i * PARTIALS + l % PARTIALS];
                *p = *p + d[(i * blocks + b) * LANES + l];
            }
        }
    }
    // SAFETY: sizes as the contract says.
    unsafe { (table::<T>(isa).sum_lanes)(slot.as_mut_ptr(), d.as_ptr(), m, blocks, panels, begin) };
    if begin == Start::Beside {
        want.iter_mut().zip(before).for_each(|(sum, there)| *sum = there + *sum);
    }
    assert_same(&slot, &want, &(isa, s));
}

#[test]
fn lane_sums_keep_sixteen_partial_sums() {
    let mut rng = Stream::new(1, "sum", 0);
    for isa in instruction_sets() {
        for s in shapes(&mut rng) {
            sum_case::<f32>(isa, s, &mut rng);
            sum_case::<f64>(isa, s, &mut rng);
        }
    }
    // By halves, written out.
    let p: [f32; PARTIALS] = std::array::from_fn(|i| 1.0 / (i as f32 + 3.0));
    let four = |i: usize| (p[i] + p[i + 8]) + (p[i + 4] + p[i + 12]);
    assert_eq!(tree_sum(p), (four(0) + four(2)) + (four(1) + four(3)));
}

fn pack_case<T: Number>(isa: Isa, m: usize, k: usize, rng: &mut Stream) {
    let t = table::<T>(isa);
    let w = numbers::<T>(rng, m * k, false);
    let panels = m.div_ceil(ROWS);
    assert!(packed_len(m, k) >= panels * ROWS * k && packed_len(m, k).is_multiple_of(16));
    // Row-major W, and W as the transpose of a row-major matrix.
    for (row_stride, col_stride) in [(k, 1), (1, m)] {
        let untouched = T::of(99.0);
        let mut whole = vec![untouched; packed_len(m, k)];
        // Each part alone, to see what it writes.
        let cut = rng.random_range(0..=panels);
        for (first, count) in [(0, cut), (cut, panels - cut)] {
            let mut part = vec![untouched; packed_len(m, k)];
            // SAFETY: sizes as the contract says.
            unsafe { (t.pack)(w.as_ptr(), part.as_mut_ptr(), m, k, row_stride, col_stride, k, first, count) };
            for (at, value) in part.into_iter().enumerate() {
                let mine = (first * ROWS * k..(first + count) * ROWS * k).contains(&at);
                assert_eq!(mine, value != untouched, "{isa} {m}x{k}: part {first}+{count} at {at}");
                if mine {
                    whole[at] = value;
                }
            }
        }
        for (at, &value) in whole.iter().enumerate().take(panels * ROWS * k) {
            let (i, kk) = (at / (ROWS * k) * ROWS + at % ROWS, at / ROWS % k);
            let want = if i < m { w[i * row_stride + kk * col_stride] } else { T::ZERO };
            assert!(same(value, want), "{isa} {m}x{k}: W[{i}][{kk}]");
        }
    }
}

#[test]
fn pack_parts_are_disjoint_and_complete() {
    let mut rng = Stream::new(1, "pack", 0);
    for isa in instruction_sets() {
        for _ in 0..60 {
            let (m, k) = (rng.random_range(1..50), rng.random_range(1..50));
            pack_case::<f32>(isa, m, k, &mut rng);
            pack_case::<f64>(isa, m, k, &mut rng);
        }
    }
}

type Named<T> = (&'static str, Map<T>, fn(T) -> T);

fn maps<T: Real>(isa: Isa) -> Vec<Named<T>> {
    let t = table::<T>(isa);
    vec![
        ("exp", t.map_exp, scalar::exp),
        ("log", t.map_log, scalar::log),
        ("sqrt", t.map_sqrt, scalar::sqrt),
        ("sin", t.map_sin, scalar::sin),
        ("cos", t.map_cos, scalar::cos),
        ("tanh", t.map_tanh, scalar::tanh),
        ("logistic", t.map_logistic, scalar::logistic),
        ("softplus", t.map_softplus, scalar::softplus),
        ("erf", t.map_erf, scalar::erf),
        ("recip", t.map_recip, scalar::recip),
        ("abs", t.map_abs, scalar::abs),
        ("sign", t.map_sign, scalar::sign),
        ("floor", t.map_floor, scalar::floor),
    ]
}

fn map_case<T: Number>(isa: Isa, rng: &mut Stream) {
    for (name, map, reference) in maps::<T>(isa) {
        for _ in 0..40 {
            let (rows, panels) = (rng.random_range(1..6), rng.random_range(1..9));
            // Any bit pattern, or a number of ordinary size.
            let x: Vec<T> = (0..rows * LANES)
                .map(|_| match rng.random_range(0..3) {
                    0 => T::from_word(rng.random()),
                    1 => T::of(rng.random_range(-100.0..100.0)),
                    _ => T::of(rng.random_range(-2.0..2.0)),
                })
                .collect();
            let want = |x: &[T], rest: &[T]| -> Vec<T> {
                let value = |i: usize| if i % LANES < panels * PANEL { reference(x[i]) } else { rest[i] };
                (0..x.len()).map(value).collect()
            };
            let mut y = vec![T::of(55.0); x.len()];
            let expected = want(&x, &y);
            // SAFETY: sizes as the contract says.
            unsafe { map(x.as_ptr(), y.as_mut_ptr(), rows, panels) };
            assert_same(&y, &expected, &(name, isa, rows, panels));
            // In place.
            let mut y = x.clone();
            let expected = want(&x, &x);
            // SAFETY: as above; x and y are the same.
            unsafe { map(y.as_ptr(), y.as_mut_ptr(), rows, panels) };
            assert_same(&y, &expected, &(name, isa, "in place"));
        }
    }
}

#[test]
fn maps_equal_the_scalar_functions() {
    let mut rng = Stream::new(1, "maps", 0);
    for isa in instruction_sets() {
        map_case::<f32>(isa, &mut rng);
        map_case::<f64>(isa, &mut rng);
    }
}

#[test]
fn bits_agree_where_denormals_are_flushed() {
    let mut rng = Stream::new(1, "flushed", 0);
    let _flush = Denormals::flush();
    for isa in instruction_sets() {
        map_case::<f32>(isa, &mut rng);
        for s in shapes(&mut rng).into_iter().take(30) {
            gemm_case::<f32>(isa, s, &mut rng, true);
            grad_case::<f32>(isa, s, &mut rng, true);
        }
    }
}

#[test]
fn the_guard_flushes_and_restores() {
    let halved = |x: f32| std::hint::black_box(x) * std::hint::black_box(0.5);
    let tiny = f32::MIN_POSITIVE;
    assert_ne!(halved(tiny), 0.0);
    {
        let _outer = Denormals::flush();
        if Denormals::are_flushed() {
            assert_eq!(halved(tiny), 0.0);
        }
        drop(Denormals::flush());
        assert_eq!(Denormals::are_flushed(), cfg!(any(target_arch = "x86_64", target_arch = "aarch64")));
    }
    assert!(!Denormals::are_flushed());
    assert_ne!(halved(tiny), 0.0);
}

/// Largest error of an f32 function over about a million numbers of a range, in units of the last place of the result.
fn worst(f: Map<f32>, exact: fn(f64) -> f64, from: f32, to: f32) -> (f64, f32) {
    // Half of the points evenly spaced as numbers, half as bit patterns (so that small ones occur).
    const N: usize = 1 << 19;
    let even = (0..N).map(|i| from + (to - from) * (i as f32 / N as f32));
    // Order-preserving integers of floats.
    let key = |x: f32| if x < 0.0 { -i64::from(x.to_bits() & 0x7fff_ffff) } else { i64::from(x.to_bits()) };
    let float = |k: i64| if k < 0 { -f32::from_bits((-k) as u32) } else { f32::from_bits(k as u32) };
    let (a, b) = (key(from), key(to));
    let patterns = (0..N as i64).map(|i| float(a + ((b - a) as i128 * i128::from(i) / N as i128) as i64));
    let x: Vec<f32> = even.chain(patterns).collect();
    let mut y = vec![0.0; x.len()];
    // SAFETY: whole rows.
    unsafe { f(x.as_ptr(), y.as_mut_ptr(), x.len() / LANES, 8) };
    let mut worst = (0.0, 0.0);
    for (&x, &y) in x.iter().zip(&y) {
        let want = exact(f64::from(x));
        let place = want.abs().max(f64::from(f32::MIN_POSITIVE)).log2().floor() - 23.0;
        let error = (f64::from(y) - want).abs() / place.exp2();
        let error = if error.is_nan() { f64::INFINITY } else { error };
        if error > worst.0 {
            worst = (error, x);
        }
    }
    worst
}

#[test]
fn errors_of_the_single_precision_functions() {
    let t = table::<f32>(Isa::detect());
    let logistic = |x: f64| 1.0 / (1.0 + libm::exp(-x));
    let softplus = |x: f64| x.max(0.0) + libm::log1p(libm::exp(-x.abs()));
    type Row = (&'static str, Map<f32>, fn(f64) -> f64, f32, f32, f64);
    let rows: [Row; 20] = [
        ("exp", t.map_exp, libm::exp, -87.3, 88.7228, 1.5),
        ("exp", t.map_exp, libm::exp, -1.0, 1.0, 1.5),
        ("log", t.map_log, libm::log, 1e-45, f32::MAX, 1.5),
        ("log", t.map_log, libm::log, 0.4, 2.5, 1.5),
        ("tanh", t.map_tanh, libm::tanh, -12.0, 12.0, 3.0),
        ("tanh", t.map_tanh, libm::tanh, -1e-3, 1e-3, 3.0),
        ("tanh", t.map_tanh, libm::tanh, 0.02, 0.2, 3.0),
        ("logistic", t.map_logistic, logistic, -87.3, 30.0, 3.0),
        ("softplus", t.map_softplus, softplus, -87.3, 88.0, 2.5),
        ("softplus", t.map_softplus, softplus, -2.0, 2.0, 2.5),
        ("sin", t.map_sin, libm::sin, -100.0, 100.0, 2.0),
        ("cos", t.map_cos, libm::cos, -100.0, 100.0, 2.0),
        ("sin", t.map_sin, libm::sin, -1e5, 1e5, 2.0),
        ("cos", t.map_cos, libm::cos, -1e5, 1e5, 2.0),
        ("sin, far", t.map_sin, libm::sin, 9e4, f32::MAX, 2.0),
        ("cos, far", t.map_cos, libm::cos, 9e4, f32::MAX, 2.0),
        ("erf", t.map_erf, libm::erf, -6.0, 6.0, 3.0),
        ("erf", t.map_erf, libm::erf, 0.5, 1.5, 3.0),
        ("sqrt", t.map_sqrt, libm::sqrt, 0.0, f32::MAX, 0.5),
        ("recip", t.map_recip, |x| 1.0 / x, 1e-37, 1e37, 0.5),
    ];
    let mut broken = Vec::new();
    for (name, f, exact, from, to, bound) in rows {
        let (error, x) = worst(f, exact, from, to);
        println!("{name:9} [{from:e}, {to:e}]  {error:.3} ulp at {x:e}, bound {bound}");
        if error > bound {
            broken.push((name, error, x));
        }
    }
    assert!(broken.is_empty(), "{broken:?}");
}

type Limits<T> = (&'static str, fn(T) -> T, [T; 4]);

fn limits<T: Number>(lowest_exp: f64) {
    let (inf, nan) = (T::of(f64::INFINITY), T::of(f64::NAN));
    let (zero, minus) = (T::ZERO, -T::ZERO);
    let (one, half) = (T::ONE, T::of(0.5));
    let table: Vec<Limits<T>> = vec![
        // at +0, -0, +inf, -inf
        ("exp", scalar::exp, [one, one, inf, zero]),
        ("log", scalar::log, [-inf, -inf, inf, nan]),
        ("sqrt", scalar::sqrt, [zero, minus, inf, nan]),
        ("sin", scalar::sin, [zero, minus, nan, nan]),
        ("cos", scalar::cos, [one, one, nan, nan]),
        ("tanh", scalar::tanh, [zero, minus, one, -one]),
        ("logistic", scalar::logistic, [half, half, one, zero]),
        ("softplus", scalar::softplus, [scalar::softplus(zero), scalar::softplus(zero), inf, zero]),
        ("erf", scalar::erf, [zero, minus, one, -one]),
        ("recip", scalar::recip, [inf, -inf, zero, minus]),
        ("abs", scalar::abs, [zero, zero, inf, inf]),
        ("sign", scalar::sign, [zero, zero, one, -one]),
        ("floor", scalar::floor, [zero, minus, inf, -inf]),
    ];
    for (name, f, want) in table {
        assert_same(&[zero, minus, inf, -inf].map(f), &want, &name);
        // NaN of any payload stays one.
        for word in [0x7fc0_0000, 0xffc0_0000, 0x7fc0_0001, 0x7fff_ffff, 0x7f80_0001] {
            let x = f64::from(f32::from_bits(word));
            let y = f(T::of(x));
            assert!(y.partial_cmp(&y).is_none(), "{name}(NaN) = {y:?}");
        }
    }
    assert!(same(scalar::log(-one), nan) && same(scalar::sqrt(-one), nan));
    assert!(scalar::exp(T::of(lowest_exp)) == zero && scalar::exp(T::of(800.0)) == inf);
    for (x, floor) in [(0.7, 0.0), (-0.3, -1.0), (-1.0, -1.0), (1e30, 1e30), (-2.5, -3.0), (8_388_607.5, 8_388_607.0)] {
        assert_eq!(scalar::floor(T::of(x)), T::of(floor), "floor({x})");
    }
}

#[test]
fn limits_of_the_functions() {
    limits::<f32>(-87.5);
    limits::<f64>(-750.0);
    // Denormal arguments: f(x) = x to first order, log far below.
    let tiny = 1e-42_f32;
    for f in [scalar::sin::<f32>, scalar::tanh] {
        assert_eq!(f(tiny), tiny);
    }
    assert_eq!(scalar::erf(tiny), (f64::from(tiny) * std::f64::consts::FRAC_2_SQRT_PI) as f32);
    assert!((scalar::log(tiny) - (f64::from(tiny).ln() as f32)).abs() < 1e-5);
}

/// Monotone where the function is, across the seams of its pieces.
#[test]
fn seams_do_not_go_back() {
    type Seam = (&'static str, fn(f32) -> f32, f32);
    let cases: [Seam; 7] = [
        ("tanh", Math::tanh, 0.173_286_8),
        ("tanh", Math::tanh, 0.519_860_4),
        ("erf", Math::erf, 1.0),
        ("exp", Math::exp, -87.3),
        ("exp", Math::exp, 88.722_83),
        ("logistic", Math::logistic, 0.0),
        ("softplus", Math::softplus, 0.0),
    ];
    for (name, f, seam) in cases {
        let place = (seam.abs().max(1e-6)) * f32::EPSILON;
        let below: Vec<f32> = (1..200).map(|i| f(seam - i as f32 * place)).collect();
        let above: Vec<f32> = (0..200).map(|i| f(seam + i as f32 * place)).collect();
        let (top, bottom) =
            (below.iter().copied().fold(f32::MIN, f32::max), above.iter().copied().fold(f32::MAX, f32::min));
        // A unit or two in the last place are the functions' error.
        assert!(top <= bottom * (1.0 + 2.5 * f32::EPSILON), "{name} at {seam}: {top} then {bottom}");
    }
}

#[test]
fn names_of_instruction_sets() {
    for isa in Isa::ALL {
        assert_eq!(isa.name().parse::<Isa>(), Ok(isa));
    }
    assert!("sse9".parse::<Isa>().is_err());
    assert!(Isa::detect().is_available());
}

/// Small whole numbers, so that there are ties.
fn coarse(rng: &mut Stream, n: usize) -> Vec<f64> {
    numbers::<f64>(rng, n, false).iter().map(|x| (x * 3.0).round()).collect()
}

#[test]
fn scans_of_costs_agree_with_sorting() {
    let mut rng = Stream::new(1, "scan", 0);
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        for n in 1..70 {
            let at = format!("{isa:?}, {n} columns");
            let (row, v) = (coarse(&mut rng, n), coarse(&mut rng, n));
            let mut d: Vec<(f64, usize)> = (0..n).map(|j| (row[j] - v[j], j)).collect();
            d.sort_by(|a, b| a.partial_cmp(b).expect("numbers"));
            let narrow = |x: &[f64]| x.iter().map(|x| *x as f32).collect::<Vec<f32>>();
            let (best, second, column) = scan::best_two(isa, &narrow(&row), &narrow(&v));
            let next = d.get(1).map_or(f64::INFINITY, |d| d.0);
            assert_eq!((f64::from(best), f64::from(second), column), (d[0].0, next, d[0].1), "{at}");

            let (mut distance, mut before) = (coarse(&mut rng, n), vec![7.0; n]);
            let old = distance.clone();
            let least = scan::relax(isa, &row, &v, 1.0, 3.0, &mut distance, &mut before);
            for j in 0..n {
                let new = row[j] - v[j] - 1.0;
                let want = if new < old[j] { (new, 3.0) } else { (old[j], 7.0) };
                assert_eq!((distance[j], before[j]), want, "{at}: column {j}");
            }
            assert_eq!(least, distance.iter().copied().fold(f64::INFINITY, f64::min), "{at}");
            let held: Vec<f64> = coarse(&mut rng, n).iter().map(|x| x.abs().min(1.0)).collect();
            let found = |free: bool| (0..n).find(|&j| distance[j] == least && !(free && held[j] != 0.0));
            assert_eq!(Some(scan::nearest(isa, &distance, &held, least)), found(true).or(found(false)), "{at}");
        }
    }
}
