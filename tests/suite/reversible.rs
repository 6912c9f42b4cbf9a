//! Laws of the reversible scheme, on a field in plain Rust: its transpose against dual numbers, its order, its way back.

use crate::backward::{Case, DIM, adaptive, differences, pairs, run, samples_are_alone, weight};
use crate::solve::config;
use crate::tableaux;
use flowc::backend::LANES;
use flowc::numeric::tableau::Tableau;
use flowc::solve::{
    Adaptive, ChunkOut, ConfigError, Observe, Plan, Problem, SampleCount, StepControl, Steps, SweepLog, Workspace, pack,
};
use std::ops::{Add, Mul, Sub};

/// A number and its derivative.
#[derive(Clone, Copy, Debug, Default)]
struct Dual(f64, f64);

impl Add for Dual {
    type Output = Dual;
    fn add(self, o: Dual) -> Dual {
        Dual(self.0 + o.0, self.1 + o.1)
    }
}

impl Sub for Dual {
    type Output = Dual;
    fn sub(self, o: Dual) -> Dual {
        Dual(self.0 - o.0, self.1 - o.1)
    }
}

impl Mul for Dual {
    type Output = Dual;
    fn mul(self, o: Dual) -> Dual {
        Dual(self.0 * o.0, self.0 * o.1 + self.1 * o.0)
    }
}

fn number(x: f64) -> Dual {
    Dual(x, 0.0)
}

/// What a derivative may be taken in: the parameter, the capture, the initial state, both ends of time.
const INPUTS: usize = 6;

/// The loss of one sample as the paper writes the scheme, and its derivative in input `by`. Steps are shares of the span.
fn reference(case: &Case, sample: usize, steps: &[(f64, f64)], by: usize) -> Dual {
    let seed = |i: usize, x: f64| Dual(x, f64::from(u8::from(i == by)));
    let (p, c) = (seed(0, case.p), seed(1, case.captures[sample]));
    let (t0, t1) = (seed(4, case.t0[sample]), seed(5, case.t1[sample]));
    let y0 = [0, 1].map(|row| seed(2 + row, case.y0[sample * DIM + row]));
    let method = &case.config.method;
    let field = |t: Dual, y: [Dual; 2]| {
        let sine = Dual(t.0.sin(), t.0.cos() * t.1);
        [c * t * y[1] - p * y[0], y[0] * y[1] * number(0.25) - sine * y[1]]
    };
    let move_by = |y: [Dual; 2], h: Dual, weights: &[(usize, f64)], k: &[[Dual; 2]]| {
        [0, 1].map(|r| weights.iter().fold(y[r], |sum, &(j, w)| sum + h * number(w) * k[j][r]))
    };
    let psi = |t: Dual, h: Dual, y: [Dual; 2]| {
        let mut k = Vec::new();
        for i in 0..method.stages {
            k.push(field(t + number(method.c[i]) * h, move_by(y, h, &method.a[i], &k)));
        }
        move_by([Dual::default(); 2], h, &method.b, &k)
    };
    let own = case.coupling.expect("a coupling");
    let (mut y, mut z) = (y0, y0);
    for &(from, share) in steps {
        let (t, h) = (t0 + number(from) * (t1 - t0), number(share) * (t1 - t0));
        let step = psi(t, h, z);
        y = [0, 1].map(|r| number(own) * y[r] + number(1.0 - own) * z[r] + step[r]);
        let back = psi(t + h, number(0.0) - h, y);
        z = [0, 1].map(|r| z[r] - back[r]);
    }
    number(weight(sample * DIM)) * y[0] + number(weight(sample * DIM + 1)) * y[1]
}

/// The steps that each sample took.
fn shares(case: &Case) -> Vec<Vec<(f64, f64)>> {
    let field = crate::backward::Field::<f64>::new(case.p);
    let n = case.samples();
    let (y0, captures) = (pack(&case.y0, DIM), pack(&case.captures, 1));
    let observe = Observe::Nothing;
    let problem = Problem { samples: n, y0: &y0, captures: &captures, t0: &case.t0, t1: &case.t1, observe };
    let plan = Plan::new(&field, &case.config, &problem).expect("a sound problem");
    let plan = plan.reversible(case.coupling.expect("a coupling")).expect("a sound coupling");
    let lanes = n.next_multiple_of(LANES);
    let (mut ends, mut counts) = (vec![0.0; lanes * DIM], vec![SampleCount::default(); n]);
    let mut log = SweepLog::default();
    let out = ChunkOut { ends: &mut ends, observed: &mut [], counts: &mut counts };
    plan.run(0, &mut Workspace::default(), out, Some(&mut log)).expect("solves");
    let log = &log;
    let taken = |i: usize| (0..log.id.len()).filter(move |&e| log.accepted[e] && usize::from(log.id[e]) == i);
    let span = |i: usize| case.t1[i] - case.t0[i];
    (0..n).map(|i| taken(i).map(|e| ((log.t[e] - case.t0[i]) / span(i), log.h[e] / span(i))).collect()).collect()
}

fn reversible(samples: usize, tableau: &Tableau, steps: Steps) -> Case {
    Case { coupling: Some(0.99), ..Case::new(samples, config(tableau, steps)) }
}

fn all() -> Vec<Tableau> {
    let fixed = [tableaux::euler(), tableaux::midpoint(), tableaux::rk4(), tableaux::rk4_38()];
    fixed.into_iter().chain(pairs()).collect()
}

/// Every kind of derivative against dual numbers through the same steps, all states kept.
fn is_backprop_through_its_own_scheme(case: &Case) {
    let found = run::<f64>(case, 0, true);
    let steps = shares(case);
    let mut by_p = 0.0;
    let mut loss = 0.0;
    for (i, steps) in steps.iter().enumerate() {
        let expected: Vec<Dual> = (0..INPUTS).map(|by| reference(case, i, steps, by)).collect();
        loss += expected[0].0;
        by_p += expected[0].1;
        let found = [found.captures[i], found.y0[2 * i], found.y0[2 * i + 1], found.t0[i], found.t1[i]];
        for (by, (found, expected)) in found.iter().zip(&expected[1..]).enumerate() {
            let error = (found - expected.1).abs() / (1.0 + expected.1.abs());
            assert!(error < 1e-10, "{} sample {i}, input {by}: {found}, {}", case.config.method.name, expected.1);
        }
    }
    assert!((found.loss - loss).abs() < 1e-10 * (1.0 + loss.abs()), "{} {loss}", found.loss);
    assert!((found.p - by_p).abs() < 1e-10 * (1.0 + by_p.abs()), "{} {by_p}", found.p);
}

#[test]
fn the_gradient_is_that_of_backprop_through_the_scheme() {
    for tableau in all() {
        is_backprop_through_its_own_scheme(&reversible(20, &tableau, Steps::Count(6)));
    }
    for tableau in pairs() {
        is_backprop_through_its_own_scheme(&reversible(20, &tableau, adaptive(1e-5)));
        let joint = Adaptive { step_control: StepControl::Joint, ..Adaptive::new(1e-5, 1e-5) };
        is_backprop_through_its_own_scheme(&reversible(20, &tableau, Steps::Adaptive(joint)));
    }
}

#[test]
fn observations_pull_on_both_states() {
    let shares = vec![0.0, 0.21, 0.22, 0.5, 0.77, 1.0];
    for tableau in [tableaux::rk4(), tableaux::bosh3(), tableaux::dopri5(), tableaux::dopri5_dense()] {
        let case = Case { shares: shares.clone(), ..reversible(3, &tableau, Steps::Count(4)) };
        differences(&case, 1e-8, false);
    }
    let case = Case { shares, ..reversible(3, &tableaux::dopri5(), adaptive(1e-11)) };
    differences(&case, 3e-6, false);
}

/// Halving the step divides the distance to the solution by two to the order: at the end, and inside steps.
#[test]
fn the_scheme_has_the_order_of_its_method() {
    for tableau in all() {
        for times in [vec![], vec![0.13, 0.57]] {
            let of = |tableau: &Tableau, steps| Case {
                shares: times.clone(),
                ..reversible(6, tableau, Steps::Count(steps))
            };
            let exact = Case { coupling: None, ..of(&tableaux::dopri5_dense(), 1000) };
            let exact = run::<f64>(&exact, 0, false).loss;
            let errors = [8, 16, 32, 64].map(|steps| (run::<f64>(&of(&tableau, steps), 0, false).loss - exact).abs());
            let order = f64::from(tableau.order).min(if times.is_empty() { 9.0 } else { 4.0 });
            let measured = errors.windows(2).filter(|e| e[1] > 1e-11).map(|e| (e[0] / e[1]).log2());
            let best = measured.fold(f64::MIN, f64::max);
            assert!(best > order - 0.4 || errors[1] < 1e-10, "{} {times:?}: {errors:?}", tableau.name);
        }
    }
}

/// Forward and then back is where it began.
#[test]
fn undone_steps_arrive_at_the_initial_state() {
    for tableau in all() {
        for case in [reversible(70, &tableau, Steps::Count(50)), reversible(70, &tableau, adaptive(1e-6))] {
            if tableau.embedded.is_none() && matches!(case.config.steps, Steps::Adaptive(_)) {
                continue;
            }
            let found = run::<f64>(&case, 0, false);
            for (i, pair) in found.undone.chunks_exact(2 * DIM).enumerate() {
                for (row, &x) in pair.iter().enumerate() {
                    let start = case.y0[i * DIM + row % DIM];
                    assert!((x - start).abs() < 1e-12 * (1.0 + start.abs()), "{} {i} {x} {start}", tableau.name);
                }
            }
        }
    }
}

/// Bytes: the pair of each sample, and 19 bytes a sample and step with 24 a sweep; nothing else grows. Evaluations: two
/// increments a step forward, and two to undo them.
#[test]
fn memory_does_not_grow_but_for_the_sizes_of_steps() {
    for steps in [10, 100, 1000] {
        let found = run::<f64>(&reversible(64, &tableaux::rk4(), Steps::Count(steps)), 0, false);
        let steps = steps as usize;
        let log = steps * (64 * 19 + 32);
        assert_eq!(found.bytes - log, 64 * 2 * DIM * 8 + 8, "{steps} steps");
        assert_eq!((found.forward, found.again), (64 * 8 * steps as u64, 64 * 8 * steps as u64));
    }
}

/// A sample's cotangents do not depend on its batch, nor on where it stands in it.
#[test]
fn a_sample_is_undone_the_same_alone() {
    let case = reversible(150, &tableaux::dopri5(), adaptive(1e-7));
    samples_are_alone(&case);
}

/// A span without length is no step; a coupling that cannot be undone is refused.
#[test]
fn what_is_no_step_passes_on_and_what_is_no_coupling_is_refused() {
    let mut case = reversible(40, &tableaux::dopri5(), adaptive(1e-7));
    case.t1[5] = case.t0[5];
    let found = run::<f64>(&case, 0, true);
    assert_eq!(found.y0[10..12], [weight(10), weight(11)]);
    let rhs = crate::backward::Field::<f64>::new(0.5);
    let problem = Problem { samples: 0, y0: &[], captures: &[], t0: &[0.0], t1: &[1.0], observe: Observe::Nothing };
    for coupling in [0.0, -0.5, 1.5, f64::NAN] {
        let plan = Plan::new(&rhs, &case.config, &problem).expect("a sound problem");
        assert!(matches!(plan.reversible(coupling), Err(ConfigError::BadValue { name: "coupling", .. })));
    }
}
