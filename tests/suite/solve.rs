//! Laws of `solve`: orders, closed forms, independence of batch, compaction and threads, dense output, failures.

use crate::tableaux::{self, method};
use flowc::backend::{Kernel, LANES, Layout, SharedMut};
use flowc::solve::{
    Adaptive, Cause, ChunkOut, ConfigError, Controller, KernelRhs, Norm, Observe, Plan, Problem, Real, Rhs, RowMap,
    SampleCount, Solution, SolveError, SolverConfig, StepControl, Steps, SweepLog, Workspace, pack, solve_batch,
    unpack,
};
use proptest::prelude::*;

pub type Field<T> = fn(t: T, y: &[T], c: &[T], dy: &mut [T]);

/// A field in plain Rust, lane by lane.
pub struct Plain<T> {
    dim: usize,
    caps: usize,
    rows: RowMap,
    field: Field<T>,
}

impl<T> Plain<T> {
    pub fn new(dim: usize, caps: usize, field: Field<T>) -> Self {
        Plain { dim, caps, rows: RowMap::in_order(dim, caps), field }
    }
}

impl<T: Real> Rhs<T> for Plain<T> {
    fn dim(&self) -> usize {
        self.dim
    }
    fn caps(&self) -> usize {
        self.caps
    }
    fn rows(&self) -> &RowMap {
        &self.rows
    }
    fn scratch_len(&self) -> usize {
        self.dim * 2 + self.caps
    }
    fn eval(&self, inputs: &[T], slopes: &mut [T], scratch: &mut [T], panels: usize) -> u32 {
        let (y, rest) = scratch.split_at_mut(self.dim);
        let (dy, c) = rest.split_at_mut(self.dim);
        let zero = T::from_f64(0.0);
        for lane in 0..panels * flowc::backend::PANEL {
            let read = |row: usize| inputs[row * LANES + lane];
            y.iter_mut().zip(&self.rows.state).for_each(|(y, row)| *y = row.map_or(zero, read));
            c.iter_mut().zip(&self.rows.captures).for_each(|(c, &row)| *c = read(row));
            (self.field)(self.rows.time.map_or(zero, read), y, &c[..self.caps], dy);
            dy.iter().enumerate().for_each(|(row, &d)| slopes[row * LANES + lane] = d);
        }
        0
    }
}

pub fn config(tableau: &flowc::numeric::tableau::Tableau, steps: Steps) -> SolverConfig {
    SolverConfig { method: method(tableau), steps, max_steps: 100_000, chunk: None }
}

fn tolerance(tol: f64) -> Steps {
    Steps::Adaptive(Adaptive::new(tol, tol))
}

pub fn solve_one(
    dim: usize,
    field: Field<f64>,
    y0: &[f64],
    span: (f64, f64),
    config: &SolverConfig,
) -> (Vec<f64>, SampleCount) {
    let rhs = Plain::new(dim, 0, field);
    let (y0, t0, t1) = (pack(y0, dim), [span.0], [span.1]);
    let problem = Problem { samples: 1, y0: &y0, captures: &[], t0: &t0, t1: &t1, observe: Observe::Nothing };
    let solution = solve_batch(&rhs, config, &problem, 1).expect("solves");
    (unpack(&solution.ends, dim, 1), solution.counts[0])
}

fn growth(t: f64, y: &[f64], _: &[f64], dy: &mut [f64]) {
    dy[0] = y[0] * t.cos();
}

fn growth_error(tableau: &flowc::numeric::tableau::Tableau, steps: u32) -> f64 {
    let (y, _) = solve_one(1, growth, &[1.0], (0.0, 2.0), &config(tableau, Steps::Count(steps)));
    (y[0] - 2.0_f64.sin().exp()).abs()
}

/// The measured order on a field that depends on time is the claimed one.
#[test]
fn measured_orders() {
    for (t, steps) in [
        (tableaux::euler(), 160),
        (tableaux::midpoint(), 80),
        (tableaux::heun(), 40),
        (tableaux::rk4(), 20),
        (tableaux::rk4_38(), 40),
        (tableaux::bosh3(), 80),
        (tableaux::dopri5(), 20),
        (tableaux::tsit5(), 80),
    ] {
        let slope = (growth_error(&t, steps) / growth_error(&t, 2 * steps)).log2();
        assert!((slope - f64::from(t.order)).abs() < 0.2, "{}: {slope}", t.name);
    }
}

/// The two fourth-order methods that share a name elsewhere are told apart by their error constants.
#[test]
fn errors_on_growth_to_six_digits() {
    let near = |tableau: &flowc::numeric::tableau::Tableau, steps, want: f64| {
        let error = growth_error(tableau, steps);
        assert!((error / want - 1.0).abs() < 5e-6, "{} {steps}: {error:e}", tableau.name);
    };
    near(&tableaux::rk4(), 20, 1.057063e-6);
    near(&tableaux::rk4(), 40, 6.510307e-8);
    near(&tableaux::rk4_38(), 20, 4.198306e-7);
    near(&tableaux::rk4_38(), 40, 3.030754e-8);
    near(&tableaux::dopri5(), 20, 2.901025e-9);
    let error = growth_error(&tableaux::dopri5(), 40);
    assert!((error / 8.112133e-11 - 1.0).abs() < 1e-4, "{error:e}");
}

fn spiral(_: f64, y: &[f64], _: &[f64], dy: &mut [f64]) {
    dy[0] = -0.1 * y[0] - 2.0 * y[1];
    dy[1] = 2.0 * y[0] - 0.1 * y[1];
}

fn spiral_at(t: f64) -> [f64; 2] {
    let r = 2.0 * (-0.1 * t).exp();
    [r * (2.0 * t).cos(), r * (2.0 * t).sin()]
}

fn distance(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).fold(0.0, |most, (x, y)| most.max((x - y).abs()))
}

#[test]
fn linear_flow_against_its_closed_form() {
    for t in [tableaux::bosh3(), tableaux::dopri5(), tableaux::tsit5(), tableaux::dopri8()] {
        for end in [1.0, 10.0, 25.0, -3.0] {
            let (y, _) = solve_one(2, spiral, &[2.0, 0.0], (0.0, end), &config(&t, tolerance(1e-9)));
            assert!(distance(&y, &spiral_at(end)) < 3e-7, "{} at {end}: {y:?}", t.name);
        }
    }
}

fn kepler(_: f64, y: &[f64], _: &[f64], dy: &mut [f64]) {
    let r3 = (y[0] * y[0] + y[1] * y[1]).powf(1.5);
    dy.copy_from_slice(&[y[2], y[3], -y[0] / r3, -y[1] / r3]);
}

fn van_der_pol(_: f64, y: &[f64], _: &[f64], dy: &mut [f64]) {
    dy.copy_from_slice(&[y[1], (1.0 - y[0] * y[0]) * y[1] - y[0]]);
}

fn lorenz(_: f64, y: &[f64], _: &[f64], dy: &mut [f64]) {
    dy.copy_from_slice(&[10.0 * (y[1] - y[0]), y[0] * (28.0 - y[2]) - y[1], y[0] * y[1] - 8.0 / 3.0 * y[2]]);
}

fn arenstorf(_: f64, y: &[f64], _: &[f64], dy: &mut [f64]) {
    let mu = 0.012277471;
    let (d1, d2) =
        (((y[0] + mu).powi(2) + y[1] * y[1]).powf(1.5), ((y[0] - (1.0 - mu)).powi(2) + y[1] * y[1]).powf(1.5));
    dy[0] = y[2];
    dy[1] = y[3];
    dy[2] = y[0] + 2.0 * y[3] - (1.0 - mu) * (y[0] + mu) / d1 - mu * (y[0] - (1.0 - mu)) / d2;
    dy[3] = y[1] - 2.0 * y[2] - (1.0 - mu) * y[1] / d1 - mu * y[1] / d2;
}

#[test]
#[allow(clippy::excessive_precision)] // as published
fn classical_problems_against_exact_values() {
    let c = config(&tableaux::dopri5(), tolerance(1e-12));
    for (e, want) in [
        (0.1, [0.21988353520083966, 0.94270768463418131]),
        (0.5, [-0.57804329530353612, 0.86338400091941928]),
        (0.9, [-1.2952662509875744, 0.40039389637923215]),
    ] {
        let y0 = [1.0 - e, 0.0, 0.0, f64::sqrt((1.0 + e) / (1.0 - e))];
        let (y, _) = solve_one(4, kepler, &y0, (0.0, 20.0), &c);
        assert!(distance(&y[..2], &want) < 2e-8, "e = {e}: {y:?}");
        let energy = |y: &[f64]| 0.5 * (y[2] * y[2] + y[3] * y[3]) - 1.0 / y[0].hypot(y[1]);
        assert!((energy(&y) - energy(&y0)).abs() < 1e-9, "e = {e}");
    }
    let (y, _) = solve_one(2, van_der_pol, &[2.0, 0.0], (0.0, 20.0), &c);
    assert!(distance(&y, &[2.0081497621749486, -0.042508875273202147]) < 1e-9, "{y:?}");
    let (y, _) = solve_one(3, lorenz, &[1.0; 3], (0.0, 5.0), &c);
    assert!(distance(&y, &[-6.512113699419599, -6.9740427884170761, 23.92412957210337]) < 1e-6, "{y:?}");
    let y0 = [0.994, 0.0, 0.0, -2.001_585_106_379_082_5];
    let (y, count) = solve_one(4, arenstorf, &y0, (0.0, 17.065_216_560_157_962), &c);
    assert!(distance(&y, &y0) < 2e-7, "{y:?}");
    assert!(count.evaluations < 16_000, "{count:?}");
}

#[test]
fn forward_then_backward_returns() {
    let c = config(&tableaux::dopri5(), tolerance(1e-10));
    let start = [1.5, -0.3];
    let (there, _) = solve_one(2, van_der_pol, &start, (0.0, 2.0), &c);
    let (back, _) = solve_one(2, van_der_pol, &there, (2.0, 0.0), &c);
    assert!(distance(&back, &start) < 1e-8, "{back:?}");
}

/// A field whose samples need very different steps: frequency and damping are captures.
fn mixed<T: Real>(t: T, y: &[T], c: &[T], dy: &mut [T]) {
    let drive = T::from_f64((t.to_f64() * c[0].to_f64()).sin());
    dy[0] = c[0] * y[1] + drive;
    dy[1] = T::from_f64(0.0) - c[0] * y[0] - c[1] * y[1] / (T::from_f64(1.0) + y[1] * y[1]);
}

struct Batch<T> {
    samples: usize,
    y0: Vec<T>,
    captures: Vec<T>,
    t0: Vec<f64>,
    t1: Vec<f64>,
}

/// `samples` problems that depend on their index only, from `first` on.
fn batch<T: Real>(first: usize, samples: usize) -> Batch<T> {
    let scatter = |i: usize, k: u64| {
        let mut x =
            (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(k.wrapping_mul(0xD1B5_4A32_D192_ED03));
        x = (x ^ (x >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        ((x ^ (x >> 29)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    let all = first..first + samples;
    let pairs = |a: f64, b: f64, k: u64| -> Vec<T> {
        let pairs = all.clone().flat_map(|i| [a * (scatter(i, k) + 0.05), b * scatter(i, k + 1)]);
        pack(&pairs.map(T::from_f64).collect::<Vec<_>>(), 2)
    };
    Batch {
        samples,
        y0: pairs(2.0, -1.0, 1),
        captures: pairs(12.0, 0.5, 3),
        t0: all.clone().map(|i| scatter(i, 5)).collect(),
        // Either direction, and one span of length zero in seven.
        t1: all.clone().map(|i| if i % 7 == 3 { scatter(i, 5) } else { 3.0 * scatter(i, 6) - 1.0 }).collect(),
    }
}

impl<T: Real> Batch<T> {
    fn solve(&self, config: &SolverConfig, threads: usize) -> Solution<T> {
        let rhs = Plain::new(2, 2, mixed);
        let Batch { samples, y0, captures, t0, t1 } = self;
        let problem = Problem { samples: *samples, y0, captures, t0, t1, observe: Observe::Nothing };
        solve_batch(&rhs, config, &problem, threads).expect("solves")
    }
}

/// Two solutions are equal bit for bit, costs included, but for evaluations spent on padding.
fn same<T: Real>(a: &Solution<T>, b: &Solution<T>) -> bool {
    let bits = |x: &[T]| x.iter().map(|x| x.to_f64().to_bits()).collect::<Vec<_>>();
    bits(&a.ends) == bits(&b.ends) && bits(&a.observed) == bits(&b.observed) && a.counts == b.counts
}

fn independence<T: Real>(steps: &Steps, tableau: &flowc::numeric::tableau::Tableau) {
    let with = |chunk| SolverConfig { chunk, ..config(tableau, steps.clone()) };
    let whole = batch::<T>(0, 333).solve(&with(Some(64)), 1);
    for threads in [2, 3] {
        assert!(same(&whole, &batch::<T>(0, 333).solve(&with(Some(64)), threads)), "{threads} threads");
    }
    for chunk in [128, 192, 512] {
        assert!(same(&whole, &batch::<T>(0, 333).solve(&with(Some(chunk)), 1)), "chunks of {chunk}");
    }
    // Each sample alone: never compacted, in lane 0, one panel.
    let all = unpack(&whole.ends, 2, 333);
    for i in (0..333).step_by(11) {
        let alone = batch::<T>(i, 1).solve(&with(None), 1);
        let (x, y) = (unpack(&alone.ends, 2, 1), &all[2 * i..2 * i + 2]);
        assert!(x.iter().zip(y).all(|(x, y)| x.to_f64().to_bits() == y.to_f64().to_bits()), "sample {i}");
        assert_eq!(alone.counts[0], whole.counts[i]);
    }
}

#[test]
fn bits_depend_on_neither_threads_nor_chunks_nor_company() {
    independence::<f64>(&tolerance(1e-7), &tableaux::dopri5());
    independence::<f32>(&tolerance(1e-4), &tableaux::dopri5());
    independence::<f64>(&tolerance(1e-5), &tableaux::heun());
    independence::<f64>(&tolerance(1e-7), &tableaux::dopri8());
    independence::<f64>(&Steps::Size(0.03), &tableaux::rk4());
    independence::<f64>(&Steps::Count(9), &tableaux::bosh3());
}

/// Packing saves work: without it every lane pays for the slowest of its chunk.
#[test]
fn compaction_pays() {
    let b = batch::<f64>(0, 512);
    let s = b.solve(&config(&tableaux::dopri5(), tolerance(1e-7)), 1).statistics;
    let slowest = u64::from(s.evaluations_range.1) * 512;
    assert!(s.paid < slowest / 2, "paid {} of {slowest}", s.paid);
    assert!(s.paid as f64 * 0.85 < s.evaluations as f64, "useful {} of {}", s.evaluations, s.paid);
    assert_eq!(s.samples, 512);
    assert!(s.evaluations_range.0 == 0 && s.mean_evaluations() < f64::from(s.evaluations_range.1));
}

#[test]
fn joint_control_shares_steps_and_meets_the_tolerance() {
    let joint = |tol, norm| {
        let adaptive = Adaptive { step_control: StepControl::Joint, norm, ..Adaptive::new(tol, tol) };
        config(&tableaux::dopri5(), Steps::Adaptive(adaptive))
    };
    let b = batch::<f64>(0, 200);
    let reference = unpack(&b.solve(&config(&tableaux::dopri5(), tolerance(1e-12)), 1).ends, 2, 200);
    for norm in [Norm::Rms, Norm::Max] {
        let s = b.solve(&joint(1e-7, norm), 1);
        assert!(distance(&unpack(&s.ends, 2, 200), &reference) < 1e-4);
        let moving: Vec<_> = s.counts.iter().filter(|c| c.evaluations > 0).collect();
        assert!(moving.len() > 150 && moving.iter().all(|c| *c == moving[0]));
        assert!(same(&s, &b.solve(&joint(1e-7, norm), 3)));
    }
}

/// One sample under joint control is that sample under its own.
#[test]
fn joint_control_of_one_sample_on_the_unit_span_is_per_sample_control() {
    let adaptive = Adaptive { step_control: StepControl::Joint, ..Adaptive::new(1e-8, 1e-8) };
    let joint = config(&tableaux::dopri5(), Steps::Adaptive(adaptive));
    let (own, a) = solve_one(2, spiral, &[2.0, 0.0], (0.0, 1.0), &config(&tableaux::dopri5(), tolerance(1e-8)));
    let (shared, b) = solve_one(2, spiral, &[2.0, 0.0], (0.0, 1.0), &joint);
    assert_eq!((own, a), (shared, b));
}

#[test]
fn the_pi_controller_rejects_less() {
    let with = |controller| {
        let steps = Steps::Adaptive(Adaptive { controller, ..Adaptive::new(1e-6, 1e-6) });
        batch::<f64>(0, 256).solve(&config(&tableaux::dopri5(), steps), 1).statistics
    };
    let (pi, i) = (with(Controller::pi()), with(Controller::i()));
    assert!(pi.rejected * 2 < i.rejected, "{pi:?} {i:?}");
}

#[test]
fn fixed_steps_count_exactly_and_land_exactly() {
    // y' = 1 and y' = t: Euler sums the left end points, which shows every stage time.
    fn clock(t: f64, _: &[f64], _: &[f64], dy: &mut [f64]) {
        dy.copy_from_slice(&[1.0, t]);
    }
    let (y, count) = solve_one(2, clock, &[0.0, 0.0], (0.0, 1.0), &config(&tableaux::euler(), Steps::Count(10)));
    assert!((y[0] - 1.0).abs() < 1e-15 && (y[1] - 0.45).abs() < 1e-15, "{y:?}");
    assert_eq!((count.evaluations, count.accepted, count.rejected), (10, 10, 0));
    for (t, evaluations) in [(tableaux::rk4(), 40), (tableaux::dopri5(), 61), (tableaux::bosh3(), 31)] {
        let (_, count) = solve_one(2, clock, &[0.0, 0.0], (0.0, 1.0), &config(&t, Steps::Count(10)));
        assert_eq!(count.evaluations, evaluations, "{}", t.name);
    }
    for (size, steps) in [(0.1, 10), (0.3, 4), (2.0, 1), (0.5, 2)] {
        let (y, count) = solve_one(2, clock, &[0.0, 0.0], (3.0, 2.0), &config(&tableaux::rk4(), Steps::Size(size)));
        assert_eq!(count.accepted, steps);
        assert!((y[1] - (4.0 - 9.0) / 2.0).abs() < 1e-14);
    }
}

fn observe(tableau: &flowc::numeric::tableau::Tableau, steps: Steps, times: &[f64], end: f64) -> Vec<f64> {
    let rhs = Plain::new(2, 0, spiral);
    let y0 = pack(&[2.0, 0.0], 2);
    let problem =
        Problem { samples: 1, y0: &y0, captures: &[], t0: &[0.0], t1: &[end], observe: Observe::Common(times) };
    let s = solve_batch(&rhs, &config(tableau, steps), &problem, 1).expect("solves");
    unpack(&s.observed, 2 * times.len(), 1)
}

/// Errors inside steps fall with the order of the interpolant: 4 in the step for Hermite, 5 for the fourth-order one
/// (the error of one step), measured against the closed form with a method of higher order underneath.
#[test]
fn dense_output_has_its_order() {
    for (t, order) in [
        (tableaux::dopri5(), 4.0),
        (tableaux::tsit5(), 4.0),
        (tableaux::dopri8(), 4.0),
        (tableaux::dopri5_dense(), 5.0),
    ] {
        let error = |n: u32| {
            // Away from the ends of steps, where interpolation errors stand.
            let times: Vec<f64> = (0..n).map(|i| (f64::from(i) + 0.37) / f64::from(n)).collect();
            let values = observe(&t, Steps::Count(n), &times, 1.0);
            times.iter().zip(values.chunks(2)).fold(0.0_f64, |m, (&t, y)| m.max(distance(y, &spiral_at(t))))
        };
        let slope = (error(16) / error(32)).log2();
        assert!((slope - order).abs() < 0.3, "{}: {slope}", t.name);
    }
}

#[test]
fn observations_at_ends_are_the_states_there() {
    for t in [tableaux::rk4(), tableaux::dopri5(), tableaux::dopri5_dense()] {
        for end in [2.0, -2.0] {
            let times = [0.0, 0.0, end / 4.0, end / 3.0, end / 2.0, end, end];
            let adaptive = t.embedded.is_some();
            let steps = if adaptive { tolerance(1e-10) } else { Steps::Count(128) };
            let values = observe(&t, steps.clone(), &times, end);
            for (time, y) in times.iter().zip(values.chunks(2)) {
                assert!(distance(y, &spiral_at(*time)) < 1e-6, "{} at {time}: {y:?}", t.name);
            }
            let (y, _) = solve_one(2, spiral, &[2.0, 0.0], (0.0, end), &config(&t, steps));
            assert_eq!(values[..4], [2.0, 0.0, 2.0, 0.0]);
            assert_eq!(values[10..12], values[12..14]);
            if adaptive && t.method().outruns_interpolant() {
                assert!(distance(&values[12..14], &y) < 1e-9);
            } else {
                assert_eq!(&values[12..14], &y[..]);
            }
        }
    }
}

/// Where an interpolant would be worse than the steps are, steps end at the observations: what is seen is as exact as an end, under
/// joint control too, and the steps between grow as if none had been cut.
#[test]
fn steps_end_at_observations_where_an_interpolant_would_be_worse() {
    for t in [tableaux::dopri8(), tableaux::tsit5(), tableaux::dopri5()] {
        assert!(t.method().outruns_interpolant());
        for end in [4.0, -4.0] {
            let times: Vec<f64> = [0.0, 0.01, 0.2, 0.2, 0.7, 0.701, 1.0].iter().map(|share| share * end).collect();
            let tight = |step_control| Steps::Adaptive(Adaptive { step_control, ..Adaptive::new(1e-12, 1e-12) });
            let (_, free) = solve_one(2, spiral, &[2.0, 0.0], (0.0, end), &config(&t, tolerance(1e-12)));
            for steps in [tight(StepControl::PerSample), tight(StepControl::Joint)] {
                let rhs = Plain::new(2, 0, spiral);
                let y0 = pack(&[2.0, 0.0, 2.0, 0.0], 2);
                // Under joint control, times of the second sample are other fractions of another span.
                let ends = [end, 1.7 * end];
                let each: Vec<f64> = times.iter().copied().chain(times.iter().map(|t| 1.3 * t)).collect();
                let observe = Observe::PerSample { count: times.len(), times: &each };
                let problem = Problem { samples: 2, y0: &y0, captures: &[], t0: &[0.0], t1: &ends, observe };
                let s = solve_batch(&rhs, &config(&t, steps.clone()), &problem, 1).expect("solves");
                let seen = unpack(&s.observed, 2 * times.len(), 2);
                for (time, y) in each.iter().zip(seen.chunks(2)) {
                    assert!(distance(y, &spiral_at(*time)) < 1e-10, "{} at {time}: {y:?} {steps:?}", t.name);
                }
                if let Steps::Adaptive(Adaptive { step_control: StepControl::PerSample, .. }) = steps {
                    let most = free.accepted + times.len() as u32;
                    assert!(s.counts[0].accepted <= most, "{}: {} of {most}", t.name, s.counts[0].accepted);
                }
            }
        }
    }
    assert!(
        !tableaux::dopri5_dense().method().outruns_interpolant() && !tableaux::rk4().method().outruns_interpolant()
    );
}

/// Observing by an interpolant changes no step, and what is seen does not depend on company, whatever the spans.
#[test]
fn observations_of_each_sample_do_not_depend_on_the_batch() {
    for t in [tableaux::bosh3(), tableaux::dopri5_dense(), tableaux::heun(), tableaux::dopri8()] {
        let rhs = Plain::new(2, 2, mixed::<f64>);
        let c = config(&t, tolerance(1e-6));
        let seen = |first, samples, threads| {
            let b = batch::<f64>(first, samples);
            let at = |i: usize, share: f64| b.t0[i] + share * (b.t1[i] - b.t0[i]);
            let times: Vec<f64> =
                (0..samples).flat_map(|i| [at(i, 0.0), at(i, 0.3), at(i, 0.31), at(i, 1.0)]).collect();
            let times: Vec<f64> =
                times.iter().enumerate().map(|(k, &t)| if k % 4 == 3 { b.t1[k / 4] } else { t }).collect();
            let observe = Observe::PerSample { count: 4, times: &times };
            let problem = Problem { samples, y0: &b.y0, captures: &b.captures, t0: &b.t0, t1: &b.t1, observe };
            let s =
                solve_batch(&rhs, &SolverConfig { chunk: Some(64), ..c.clone() }, &problem, threads).expect("solves");
            if !t.method().outruns_interpolant() {
                assert_eq!(s.ends, b.solve(&c, 1).ends);
            }
            unpack(&s.observed, 8, samples)
        };
        let all = seen(0, 150, 1);
        assert_eq!(all, seen(0, 150, 2));
        assert_eq!(all[8 * 140..8 * 141], seen(140, 1, 1));
    }
}

#[test]
fn failures_name_the_worst_sample() {
    // y' = y^2 from y0 > 0 blows up at t = 1 / y0.
    fn blow_up(_: f64, y: &[f64], _: &[f64], dy: &mut [f64]) {
        dy[0] = y[0] * y[0];
    }
    fn broken(t: f64, _: &[f64], _: &[f64], dy: &mut [f64]) {
        dy[0] = if t > 0.5 { f64::NAN } else { 1.0 };
    }
    let run = |field: Field<f64>, y0: &[f64], config: &SolverConfig| {
        let rhs = Plain::new(1, 0, field);
        let y0s = pack(y0, 1);
        let problem =
            Problem { samples: y0.len(), y0: &y0s, captures: &[], t0: &[0.0], t1: &[1.0], observe: Observe::Nothing };
        match solve_batch(&rhs, config, &problem, 2) {
            Err(SolveError::Failed { worst, count }) => (worst, count),
            other => panic!("{other:?}"),
        }
    };
    let adaptive = config(&tableaux::dopri5(), tolerance(1e-6));
    let mut y0 = vec![0.5; 200];
    (y0[70], y0[150]) = (2.0, 4.0);
    let (worst, _) = run(blow_up, &y0, &SolverConfig { chunk: Some(64), ..adaptive.clone() });
    assert_eq!(worst.sample, 150);
    assert!(worst.cause == Cause::StepTooSmall || worst.cause == Cause::NonFinite, "{worst:?}");
    assert!((worst.t - 0.25).abs() < 1e-3 && worst.h < 1e-9, "{worst:?}");
    let (worst, count) = run(broken, &[0.0; 3], &adaptive);
    assert_eq!((worst.sample, worst.cause, count), (0, Cause::NonFinite, 3));
    assert!((worst.t - 0.5).abs() < 1e-3, "{worst:?}");
    let (worst, _) = run(broken, &[0.0], &config(&tableaux::euler(), Steps::Count(8)));
    assert_eq!((worst.cause, worst.t, worst.h), (Cause::NonFinite, 0.625, 0.125));
    let (worst, _) =
        run(growth, &[1.0], &SolverConfig { max_steps: 3, ..config(&tableaux::dopri5(), tolerance(1e-12)) });
    assert_eq!(worst.cause, Cause::TooManySteps);
}

#[test]
fn what_cannot_run_is_refused() {
    let rhs = Plain::new(1, 0, growth);
    let y0 = pack(&[1.0], 1);
    let problem = Problem { samples: 1, y0: &y0, captures: &[], t0: &[0.0], t1: &[1.0], observe: Observe::Nothing };
    let refused = |config: &SolverConfig, problem: &Problem<'_, f64>| match solve_batch(&rhs, config, problem, 1) {
        Err(SolveError::Config(error)) => error,
        other => panic!("{other:?}"),
    };
    let no_estimate = refused(&config(&tableaux::rk4(), tolerance(1e-5)), &problem);
    assert_eq!(no_estimate, ConfigError::NoErrorEstimate { method: "rk4".to_owned() });
    let good = config(&tableaux::dopri5(), tolerance(1e-5));
    for steps in [Steps::Count(0), Steps::Size(-1.0), Steps::Size(f64::NAN), tolerance(-1.0), tolerance(0.0)] {
        assert!(matches!(refused(&config(&tableaux::dopri5(), steps), &problem), ConfigError::BadValue { .. }));
    }
    for times in [&[2.0][..], &[-0.1], &[0.5, 0.4], &[f64::NAN]] {
        let problem = Problem { observe: Observe::Common(times), ..problem };
        assert!(matches!(refused(&good, &problem), ConfigError::BadObservation { sample: 0, .. }));
    }
    let large = SolverConfig { chunk: Some(65_473), ..good.clone() };
    assert!(matches!(refused(&large, &problem), ConfigError::BadValue { name: "chunk", .. }));
    assert!(matches!(refused(&good, &Problem { y0: &[1.0], ..problem }), ConfigError::BadLength { .. }));
    assert!(matches!(refused(&good, &Problem { t1: &[f64::INFINITY], ..problem }), ConfigError::BadValue { .. }));
}

/// The log holds every step: accepted ones of a sample tile its span, and sweeps hold each unfinished sample once.
#[test]
fn the_log_tells_every_step() {
    let b = batch::<f64>(0, 100);
    let rhs = Plain::new(2, 2, mixed::<f64>);
    let c = SolverConfig { chunk: Some(128), ..config(&tableaux::dopri5(), tolerance(1e-7)) };
    let problem =
        Problem { samples: 100, y0: &b.y0, captures: &b.captures, t0: &b.t0, t1: &b.t1, observe: Observe::Nothing };
    let plan = Plan::new(&rhs, &c, &problem).expect("sound");
    let (mut ends, mut counts, mut log) = (vec![0.0; 256], vec![SampleCount::default(); 100], SweepLog::default());
    let out = ChunkOut { ends: &mut ends, observed: &mut [], counts: &mut counts };
    let run = plan.run(0, &mut Workspace::default(), out, Some(&mut log)).expect("solves");
    assert_eq!(run.sweeps as usize, log.sweeps.len());
    for (i, count) in counts.iter().enumerate() {
        let entries = (0..log.id.len()).filter(|&e| usize::from(log.id[e]) == i && log.h[e] != 0.0);
        let (kept, lost): (Vec<usize>, Vec<usize>) = entries.partition(|&e| log.accepted[e]);
        assert_eq!((kept.len(), lost.len()), (count.accepted as usize, count.rejected as usize));
        let (t, h): (Vec<f64>, f64) = (kept.iter().map(|&e| log.t[e]).collect(), kept.iter().map(|&e| log.h[e]).sum());
        assert!((h - (b.t1[i] - b.t0[i])).abs() < 1e-12);
        assert!(kept.windows(2).zip(&t[..t.len().saturating_sub(1)]).all(|(w, t)| log.t[w[1]] == t + log.h[w[0]]));
    }
    for sweep in &log.sweeps {
        assert!(log.id[sweep.columns.clone()].windows(2).all(|w| w[0] < w[1]), "order is kept");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// A linear scalar field: the solution is within the tolerance's reach of the exponential, for any rate and span.
    #[test]
    fn exponentials(rate in -6.0..3.0_f64, t0 in -2.0..2.0_f64, span in -2.0..2.0_f64) {
        fn scaled(_: f64, y: &[f64], _: &[f64], dy: &mut [f64]) {
            dy[0] = y[0] * y[1];
            dy[1] = 0.0;
        }
        let (y, _) = solve_one(2, scaled, &[1.0, rate], (t0, t0 + span), &config(&tableaux::tsit5(), tolerance(1e-9)));
        let want = (rate * ((t0 + span) - t0)).exp();
        prop_assert!((y[0] - want).abs() < 1e-6 * want.max(1.0));
        prop_assert_eq!(y[1], rate);
    }
}

/// `x' = -c x p, l' = c t` with the rows of a compiled unit: capture, time, x; nothing reads l. The rate p is a parameter.
struct Unit(Layout);

impl Kernel<f64> for Unit {
    fn layout(&self) -> &Layout {
        &self.0
    }
    fn pack(&self, theta: &[f64], packed: &SharedMut<f64>, part: usize, _: usize) {
        if part == 0 {
            // SAFETY: one part writes all of it.
            unsafe { packed.slice_mut(0..1) }.copy_from_slice(theta);
        }
    }
    fn tile(
        &self,
        packed: &[f64],
        inputs: &[f64],
        outputs: &mut [f64],
        _: &mut [f64],
        _: &mut [f64],
        panels: usize,
    ) -> u32 {
        for l in 0..panels * flowc::backend::PANEL {
            let (c, t, x) = (inputs[l], inputs[LANES + l], inputs[2 * LANES + l]);
            outputs[l] = -c * x * packed[0];
            outputs[LANES + l] = c * t;
        }
        u32::from(packed[0] < 0.0)
    }
    fn reduce(&self, _: &[&[f64]], _: usize, _: &mut [f64]) {}
}

#[test]
fn a_kernel_is_a_right_hand_side() {
    let layout = Layout {
        input_rows: 3,
        output_rows: 2,
        input_row: vec![0, 1, 2],
        output_row: vec![0, 1],
        theta_len: 1,
        packed_len: 1,
        ..Layout::default()
    };
    let kernel = Unit(layout);
    let rows = RowMap { rows: 3, state: vec![Some(2), None], time: Some(1), captures: vec![0] };
    let rates: Vec<f64> = (0..100).map(|i| 0.1 * f64::from(i)).collect();
    let (captures, y0) = (pack(&rates, 1), pack(&[1.0, 0.0].repeat(100), 2));
    let problem =
        Problem { samples: 100, y0: &y0, captures: &captures, t0: &[0.0], t1: &[2.0], observe: Observe::Nothing };
    let c = config(&tableaux::tsit5(), tolerance(1e-9));
    let rhs = KernelRhs::new(&kernel, &[0.5], rows.clone()).expect("fits");
    let s = solve_batch(&rhs, &c, &problem, 1).expect("solves");
    for (y, rate) in unpack(&s.ends, 2, 100).chunks(2).zip(&rates) {
        assert!((y[0] - (-rate).exp()).abs() < 1e-8 && (y[1] - 2.0 * rate).abs() < 1e-8, "{rate}: {y:?}");
    }
    // The status of the kernel comes out; rows that do not fit are refused.
    let broken = KernelRhs::new(&kernel, &[-1.0], rows.clone()).expect("fits");
    assert_eq!(solve_batch(&broken, &c, &problem, 2), Err(SolveError::Rhs { status: 1 }));
    assert!(KernelRhs::new(&kernel, &[0.5], RowMap { time: Some(2), ..rows.clone() }).is_none(), "a row bound twice");
    assert!(KernelRhs::new(&kernel, &[0.5], RowMap { rows: 4, ..rows.clone() }).is_none());
    assert!(KernelRhs::new(&kernel, &[], rows).is_none(), "no parameters");
}
