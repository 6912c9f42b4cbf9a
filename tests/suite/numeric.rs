//! Laws of `numeric`: rationals, trees, the proof of tableaux.

use crate::tableaux::{self, numbers, tableau};
use flowc::numeric::assignment::{AssignmentError, assign};
use flowc::numeric::linalg::{LinalgError, Matrix, bures, cholesky, eigh, expm, inverse, log_det, sqrtm};
use flowc::numeric::order::{EmbeddedFault, Finding, InterpolantFault, ShapeFault};
use flowc::numeric::rational::{from_f64, integer, parse, to_f64};
use flowc::numeric::special::{
    beta_inc, normal_cdf, normal_density, normal_quantile, student_quantile, student_two_sided,
};
use flowc::numeric::stats::{Summary, mean, median, paired, quantile, variance};
use flowc::numeric::tableau::Embedded;
use flowc::numeric::trees::Forest;
use proptest::prelude::*;

#[test]
fn numbers_are_read_without_rounding() {
    assert_eq!(parse("0.1"), parse("1/10"));
    assert_eq!(parse("-2.5e-1"), parse("-1/4"));
    assert_eq!(parse("5_000"), Some(integer(5000)));
    assert_eq!(parse("1.5e3"), Some(integer(1500)));
    for wrong in ["", "-", "1/0", "x", "1e", "1.2.3", "1e9999", "--1", "1/-", "."] {
        assert_eq!(parse(wrong), None, "{wrong}");
    }
}

proptest! {
    #[test]
    fn conversion_to_f64_is_exact_on_f64(x in any::<f64>().prop_filter("finite", |x| x.is_finite())) {
        let exact = from_f64(x).expect("finite");
        prop_assert_eq!(to_f64(&exact).to_bits(), (x + 0.0).to_bits());
        // Reading the shortest decimal and rounding gives the number back.
        prop_assert_eq!(to_f64(&parse(&format!("{x:e}")).expect("a number")), x);
    }
}

#[test]
fn trees_have_known_counts_and_densities() {
    // OEIS A000081, summed; the densities' defining property: sum over trees of order n of alpha(t) = (n-1)!, where
    // alpha = n! / (gamma symmetry).
    for (order, count) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 17), (6, 37), (7, 85), (8, 200)] {
        assert_eq!(Forest::up_to(order).trees.len(), count);
    }
    let forest = Forest::up_to(8);
    let mut symmetry: Vec<f64> = Vec::new();
    for tree in &forest.trees {
        let mut s = 1.0;
        for group in tree.children.chunk_by(|a, b| a == b) {
            s *= symmetry[group[0]].powi(group.len() as i32) * (1..=group.len()).product::<usize>() as f64;
        }
        symmetry.push(s);
    }
    for n in 1..=8_u32 {
        let factorial = |n: u32| (1..=n).product::<u32>() as f64;
        let trees = forest.trees.iter().zip(&symmetry).filter(|(t, _)| t.order == n);
        let alpha: f64 = trees.map(|(t, s)| factorial(n) / (t.gamma as f64 * s)).sum();
        assert!((alpha - factorial(n - 1)).abs() < 1e-6, "order {n}: {alpha}");
    }
    let at = |text: &str| (0..forest.trees.len()).find(|&i| forest.brackets(i) == text).expect("there");
    assert_eq!(forest.condition(at("[.[.]]"), "b"), "sum b_i c_i a_ij c_j = 1/8");
    assert_eq!(forest.condition(at("[..]"), "b"), "sum b_i c_i^2 = 1/3");
    assert_eq!(forest.condition(at("[[[.]]]"), "b"), "sum b_i a_ij a_jk c_k = 1/24");
}

#[test]
fn sound_tableaux_pass_and_have_exactly_their_order() {
    for t in tableaux::all() {
        assert_eq!(t.check(), [], "{}", t.name);
        assert_eq!(t.reached_order(), Some(t.order), "{}", t.name);
        if let Some(e) = &t.embedded {
            let mut swapped = t.clone();
            swapped.b.clone_from(&e.weights);
            assert_eq!(swapped.reached_order(), e.order, "{}: embedded", t.name);
            assert_eq!(t.embedded_order(), e.order);
        }
    }
    let fsal: Vec<_> = tableaux::all().into_iter().filter(|t| t.is_fsal()).map(|t| t.name).collect();
    assert_eq!(fsal, ["bosh3", "dopri5", "dopri5", "tsit5"]);
}

/// Any change of one entry of a sound tableau is found.
#[test]
fn every_misprint_is_found() {
    for sound in [tableaux::rk4(), tableaux::bosh3(), tableaux::dopri5_dense()] {
        let nudge = parse("1/1000").expect("a number");
        let stages = sound.stages();
        for i in 0..stages {
            let mut t = sound.clone();
            t.b[i] += &nudge;
            assert!(!t.check().is_empty(), "{} b[{i}]", t.name);
            let mut t = sound.clone();
            t.c[i] += &nudge;
            assert!(
                matches!(t.check().as_slice(), [Finding::RowSum { row, gap, .. }] if *row == i && (gap + 1e-3).abs() < 1e-12)
            );
            for j in 0..i {
                let mut t = sound.clone();
                t.a[i][j] += &nudge;
                assert!(!t.check().is_empty(), "{} a[{i}][{j}]", t.name);
                // With the stage time moved along, row sums hold and only the trees can tell.
                t.c[i] += &nudge;
                let findings = t.check();
                let weighted =
                    sound.b[i] != integer(0) || sound.embedded.as_ref().is_some_and(|e| e.weights[i] != integer(0));
                assert!(!weighted || !findings.is_empty(), "{} a[{i}][{j}] and c", t.name);
            }
            if let Some(p) = &sound.interpolant {
                for j in 0..p.powers[0].len() {
                    let mut t = sound.clone();
                    t.interpolant.as_mut().expect("has one").powers[i][j] += &nudge;
                    let findings = t.check();
                    assert!(findings.iter().all(|f| matches!(f, Finding::Interpolant(_))) && !findings.is_empty());
                }
            }
        }
    }
}

#[test]
fn a_miss_names_its_tree_and_by_how_much() {
    // The last stage of the classical method taken from the mean of two slopes: every condition but one holds.
    let t = tableau("x", "0 1/2 1/2 1", "1/2; 0 1/2; 0 1/2 1/2", "1/6 1/3 1/3 1/6", 4);
    let [Finding::Order(miss)] = &t.check()[..] else { panic!("{:?}", t.check()) };
    assert_eq!((miss.order, miss.tree.as_str(), miss.reached), (4, "[[[.]]]", 3));
    assert_eq!(miss.condition, "sum b_i a_ij a_jk c_k = 1/24");
    assert_eq!((&miss.got, &miss.want), (&numbers("1/48")[0], &numbers("1/24")[0]));
    assert!((miss.gap + 1.0 / 48.0).abs() < 1e-15);
}

/// Defects that published libraries have shipped.
#[test]
fn known_defects_are_found() {
    // The embedded row of tsit5 propagated as if it were of order 5.
    let mut t = tableaux::tsit5();
    t.b.clone_from(&t.embedded.as_ref().expect("a pair").weights);
    t.embedded = None;
    assert!(matches!(&t.check()[..], [Finding::Order(m), ..] if m.order == 5 && m.reached == 4));
    // Stage times of rk4 shifted by one place: right for autonomous fields only.
    let mut t = tableaux::rk4();
    t.c = numbers("0 0 1/2 1/2");
    let rows: Vec<usize> =
        t.check().iter().map(|f| if let Finding::RowSum { row, .. } = f { *row } else { panic!("{f:?}") }).collect();
    assert_eq!(rows, [1, 3]);
    // A Gauss method is not explicit, and both its nodes the same breaks a row sum.
    let t = tableau("gl4", "0.2113 0.2113", "1/4 0.0387", "1/2 1/2", 4);
    let mut t = t;
    t.a[0] = numbers("1/4 -0.0387");
    let findings = t.check();
    assert!(findings.iter().any(|f| matches!(f, Finding::Implicit { row: 0, column: 0, .. })));
    assert!(findings.iter().any(|f| matches!(f, Finding::Implicit { row: 0, column: 1, .. })));
    assert!(findings.iter().any(|f| matches!(f, Finding::RowSum { row: 1, .. })));
}

#[test]
fn embedded_faults() {
    let with = |weights: &str, order| {
        let mut t = tableaux::heun();
        t.embedded = Some(Embedded { weights: numbers(weights), order });
        t.check()
    };
    assert_eq!(with("1/2 1/2", None), [Finding::Embedded(EmbeddedFault::SameWeights)]);
    assert_eq!(with("1 0", None), []);
    assert!(matches!(&with("1 1", Some(1))[..], [Finding::Embedded(EmbeddedFault::Order(m))] if m.order == 1));
    assert!(matches!(&with("1 0", Some(2))[..], [Finding::Embedded(EmbeddedFault::Order(m))] if m.order == 2));
    assert!(matches!(&with("1", Some(1))[..], [Finding::Shape(ShapeFault::Embedded { len: 1, stages: 2 })]));
    // Another second-order solution of three stages: its difference says nothing about the error.
    let mut t = tableau("x", "0 1/2 1", "1/2; 0 1", "0 1 0", 2);
    t.embedded = Some(Embedded { weights: numbers("1/2 0 1/2"), order: None });
    assert_eq!(t.check(), [Finding::Embedded(EmbeddedFault::SameOrder(2))]);
    // Error weights say the same as embedded weights.
    let t = tableaux::dopri5();
    let e = numbers("71/57600 0 -71/16695 71/1920 -17253/339200 22/525 -1/40");
    assert_eq!(Some(Embedded::from_error_weights(&t.b, &e, Some(4))), t.embedded);
}

#[test]
fn shapes_are_checked_before_anything_else() {
    let mut t = tableaux::rk4();
    t.c.pop();
    t.a[2].pop();
    assert_eq!(
        t.check(),
        [
            Finding::Shape(ShapeFault::Times { len: 3, stages: 4 }),
            Finding::Shape(ShapeFault::Row { row: 2, len: 1, stages: 4 })
        ]
    );
    let mut t = tableaux::rk4();
    t.order = 9;
    assert_eq!(t.check(), [Finding::Shape(ShapeFault::OrderOutOfRange(9))]);
    t.b.clear();
    assert_eq!(t.check(), [Finding::Shape(ShapeFault::Empty)]);
    let mut t = tableaux::rk4();
    t.a.pop();
    assert_eq!(t.check(), [Finding::Shape(ShapeFault::Rows { len: 3, stages: 4 })]);
    // Full rows are allowed.
    let mut t = tableaux::rk4();
    for row in &mut t.a {
        row.resize(4, integer(0));
    }
    assert_eq!(t.check(), []);
}

#[test]
fn interpolant_faults() {
    let mut t = tableaux::dopri5_dense();
    t.interpolant.as_mut().expect("has one").order = 5;
    assert!(t.check().iter().all(|f| {
        matches!(f, Finding::Interpolant(InterpolantFault::Order { miss, .. }) if miss.order == 5 && miss.reached == 4)
    }));
    assert!(!t.check().is_empty());
}

#[test]
fn sparse_coefficients_are_the_tableau() {
    for t in tableaux::all() {
        let m = t.method();
        for i in 0..m.stages {
            let sum: f64 = m.a[i].iter().map(|x| x.1).sum();
            assert!((sum - m.c[i]).abs() < 1e-14 && m.a[i].iter().all(|&(j, w)| j < i && w != 0.0));
        }
        assert!((m.b.iter().map(|x| x.1).sum::<f64>() - 1.0).abs() < 1e-14);
        assert!(m.error.iter().map(|x| x.1).sum::<f64>().abs() < 1e-14);
        assert_eq!(m.is_adaptive(), t.embedded.is_some());
    }
}

/// Duals are feasible, tight on the chosen pairs, and add up to the cost: then no assignment is cheaper.
fn prove(cost: &[f64], n: usize) -> f64 {
    let a = assign(cost, n).expect("a sound problem");
    let mut taken = a.column_of.clone();
    taken.sort_unstable();
    assert!(taken.iter().copied().eq(0..n), "a permutation");
    let size = cost.iter().fold(1.0_f64, |m, c| m.max(c.abs()));
    for i in 0..n {
        for j in 0..n {
            let slack = cost[i * n + j] - a.rows[i] - a.columns[j];
            assert!(slack >= -1e-11 * size, "infeasible at {i}, {j}: {slack:e}");
            assert!(a.column_of[i] != j || slack.abs() <= 1e-11 * size, "not tight at {i}, {j}: {slack:e}");
        }
    }
    let dual: f64 = a.rows.iter().chain(&a.columns).sum();
    assert!((dual - a.cost).abs() <= 1e-10 * size * n as f64);
    a.cost
}

fn brute_force(cost: &[f64], n: usize, row: usize, taken: &mut [bool]) -> f64 {
    if row == n {
        return 0.0;
    }
    let mut least = f64::INFINITY;
    for j in 0..n {
        if !taken[j] {
            taken[j] = true;
            least = least.min(cost[row * n + j] + brute_force(cost, n, row + 1, taken));
            taken[j] = false;
        }
    }
    least
}

proptest! {
    #[test]
    fn assignment_is_the_least_of_all_permutations(
        n in 1..=7_usize,
        reals in prop::collection::vec(-10.0..10.0_f64, 49),
        coarse in any::<bool>(),
    ) {
        // Coarse costs have many ties.
        let cost: Vec<f64> = reals[..n * n].iter().map(|x| if coarse { (x / 4.0).round() } else { *x }).collect();
        let least = brute_force(&cost, n, 0, &mut vec![false; n]);
        prop_assert!((prove(&cost, n) - least).abs() < 1e-10);
    }
}

fn scattered(n: usize, seed: u64) -> Vec<f64> {
    let mut x = seed;
    let mut next = || {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (x >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..n).map(|_| next()).collect()
}

#[test]
fn assignment_proves_itself_on_large_problems() {
    assert_eq!(assign(&[], 0).expect("empty").cost, 0.0);
    for n in [50, 300] {
        prove(&scattered(n * n, n as u64), n);
        // Squared distances in the plane, and a matrix of ties only.
        let p = scattered(4 * n, 7);
        let costs: Vec<f64> = (0..n * n)
            .map(|k| {
                (p[2 * (k / n)] - p[2 * n + 2 * (k % n)]).powi(2)
                    + (p[2 * (k / n) + 1] - p[2 * n + 2 * (k % n) + 1]).powi(2)
            })
            .collect();
        prove(&costs, n);
        prove(&vec![1.0; n * n], n);
        // Far from zero, differences are close to rounding.
        prove(&costs.iter().map(|c| c + 1e6).collect::<Vec<_>>(), n);
    }
}

#[test]
fn assignment_refuses_what_it_cannot_solve() {
    assert_eq!(assign(&[1.0, 2.0], 2), Err(AssignmentError::NotSquare { len: 2, n: 2 }));
    assert_eq!(assign(&[1.0, 2.0, f64::NAN, 3.0], 2), Err(AssignmentError::NotFinite { row: 1, column: 0 }));
}

proptest! {
    #[test]
    fn normal_quantile_inverts_the_distribution(log_p in -600.0..-1e-3_f64) {
        let p = log_p.exp();
        let x = normal_quantile(p);
        // The condition of the problem: an error of x by an ulp moves ln p by x times that.
        prop_assert!((normal_cdf(x) / p - 1.0).abs() < 1e-13 * (1.0 + x * x));
        prop_assert_eq!(normal_quantile(0.5 + p / 4.0), -normal_quantile(1.0 - (0.5 + p / 4.0)));
    }
}

#[test]
fn distribution_functions_keep_their_laws() {
    assert_eq!((normal_cdf(0.0), normal_quantile(0.5)), (0.5, 0.0));
    assert_eq!((normal_quantile(0.0), normal_quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
    assert!(normal_quantile(-0.1).is_nan() && normal_quantile(f64::NAN).is_nan());
    for x in [-5.0, -1.0, 0.3, 2.0] {
        let h = 1e-5;
        let slope = (normal_cdf(x + h) - normal_cdf(x - h)) / (2.0 * h);
        assert!((slope / normal_density(x) - 1.0).abs() < 1e-5);
    }
    // Student's t: Cauchy with one degree of freedom, a closed form with two, the normal law with many.
    for t in [0.1, 1.0, 3.0, 40.0_f64] {
        let cauchy = 1.0 - 2.0 / std::f64::consts::PI * t.atan();
        assert!((student_two_sided(t, 1.0) / cauchy - 1.0).abs() < 1e-12);
        assert!((student_two_sided(t, 2.0) / (1.0 - t / (2.0 + t * t).sqrt()) - 1.0).abs() < 1e-10);
    }
    assert!((student_two_sided(1.5, 1e7) - 2.0 * normal_cdf(-1.5)).abs() < 1e-6);
    for (p, freedom) in [(0.05, 4.0), (0.5, 1.0), (1e-6, 2.5)] {
        assert!((student_two_sided(student_quantile(p, freedom), freedom) / p - 1.0).abs() < 1e-9);
    }
    // I_x(a, 1) = x^a, and the reflection.
    assert!((beta_inc(2.5, 1.0, 0.3) - 0.3_f64.powf(2.5)).abs() < 1e-14);
    assert!((beta_inc(3.0, 7.0, 0.4) + beta_inc(7.0, 3.0, 0.6) - 1.0).abs() < 1e-14);
}

#[test]
fn statistics_keep_their_laws() {
    let x = [1.0, 2.0, 4.0, 9.0];
    let s = Summary::of(&x);
    assert_eq!((s.count, s.mean, s.min, s.max), (4, 4.0, 1.0, 9.0));
    assert!((variance(&x) - 38.0 / 3.0).abs() < 1e-12 && (s.error() - (38.0_f64 / 12.0).sqrt()).abs() < 1e-12);
    // A large offset costs no digits of the spread.
    let far: Vec<f64> = x.iter().map(|x| x + 1e9).collect();
    assert!((variance(&far) - variance(&x)).abs() < 1e-6 && mean(&far) == 1e9 + 4.0);
    assert_eq!((quantile(&x, 0.0), median(&x), quantile(&x, 1.0)), (Some(1.0), Some(3.0), Some(9.0)));
    assert_eq!((quantile(&x, 1.5), median(&[]), median(&[f64::NAN])), (None, None, None));
    let shifted: Vec<f64> = x.iter().map(|x| x + 1.0).collect();
    let same = paired(&x, &x).expect("pairs");
    assert_eq!((same.t, same.p), (0.0, 1.0));
    assert_eq!(paired(&shifted, &x).expect("pairs").p, 0.0);
    let p = paired(&[1.1, 2.0, 4.3, 9.1, 5.0], &[1.0, 2.2, 4.0, 8.7, 5.0]).expect("pairs");
    assert!((p.t - p.difference.mean / p.difference.error()).abs() < 1e-12 && p.p > 0.1 && p.p < 1.0);
    assert!(paired(&x, &x[..3]).is_none());
    // The half-width of a t interval at n = 5, 95 %: the textbook 2.776 standard errors.
    let five = Summary::of(&[1.0, 2.0, 3.0, 4.0, 5.0]);
    assert!((five.half_width(0.05) / five.error() - 2.776_445_105).abs() < 1e-8);
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    let entry =
        |i: usize, j: usize| (0..a.columns).map(|k| a.data[i * a.columns + k] * b.data[k * b.columns + j]).sum();
    let data = (0..a.rows * b.columns).map(|at| entry(at / b.columns, at % b.columns)).collect();
    Matrix::new(a.rows, b.columns, data)
}

fn transposed(a: &Matrix) -> Matrix {
    let data = (0..a.data.len()).map(|at| a.data[at % a.rows * a.columns + at / a.rows]).collect();
    Matrix::new(a.columns, a.rows, data)
}

fn gap(a: &Matrix, b: &Matrix) -> f64 {
    a.data.iter().zip(&b.data).fold(0.0, |m, (x, y)| m.max((x - y).abs()))
}

fn eye(n: usize) -> Matrix {
    Matrix::new(n, n, (0..n * n).map(|at| f64::from(u8::from(at % n == at / n))).collect())
}

#[test]
fn linear_algebra_keeps_its_laws() {
    for n in 1..=6 {
        let a = Matrix::new(n, n, scattered(n * n, 3 * n as u64).iter().map(|x| x - 0.5).collect());
        let mut spd = product(&a, &transposed(&a));
        (0..n).for_each(|i| spd.data[i * n + i] += 0.1);
        assert!(gap(&product(&a, &inverse(&a).expect("regular")), &eye(n)) < 1e-9);
        let l = cholesky(&spd).expect("positive");
        assert!(gap(&product(&l, &transposed(&l)), &spd) < 1e-13);
        assert!((0..n).all(|i| (i + 1..n).all(|j| l.data[i * n + j] == 0.0)));
        let by_factor: f64 = (0..n).map(|i| 2.0 * l.data[i * n + i].ln()).sum();
        let d = log_det(&spd).expect("regular");
        assert!((d.log_abs - by_factor).abs() < 1e-12 && d.sign == 1.0);
        let root = sqrtm(&spd).expect("positive");
        assert!(gap(&product(&root, &root), &spd) < 1e-13 && gap(&root, &transposed(&root)) == 0.0);
        let e = eigh(&spd).expect("symmetric");
        assert!(e.values.windows(2).all(|w| w[0] <= w[1]));
        let mut scaled = e.vectors.clone();
        (0..n * n).for_each(|at| scaled.data[at] *= e.values[at % n]);
        assert!(gap(&product(&scaled, &transposed(&e.vectors)), &spd) < 1e-13);
        assert!(gap(&product(&transposed(&e.vectors), &e.vectors), &eye(n)) < 1e-13);
        // det exp(a) = exp(tr a), and exp(a) exp(-a) = 1.
        let trace: f64 = (0..n).map(|i| a.data[i * n + i]).sum();
        let up = expm(&a).expect("finite");
        let down = expm(&Matrix::new(n, n, a.data.iter().map(|x| -x).collect())).expect("finite");
        assert!((log_det(&up).expect("regular").log_abs - trace).abs() < 1e-12);
        assert!(gap(&product(&up, &down), &eye(n)) < 1e-13);
    }
    // The spiral's flow.
    let (t, b) = (1.0_f64, [-0.1, -2.0, 2.0, -0.1]);
    let r = expm(&Matrix::new(2, 2, b.to_vec())).expect("finite").data;
    let s = (-0.1 * t).exp();
    let want = [s * 2.0_f64.cos(), -s * 2.0_f64.sin(), s * 2.0_f64.sin(), s * 2.0_f64.cos()];
    assert!(r.iter().zip(want).all(|(x, y)| (x - y).abs() < 1e-14), "{r:?}");
    let flip = log_det(&Matrix::new(2, 2, vec![0.0, 1.0, 1.0, 0.0])).expect("regular");
    assert_eq!((flip.sign, flip.log_abs), (-1.0, 0.0));
}

#[test]
fn linear_algebra_refuses_what_has_no_answer() {
    let m = |n: usize, data: &[f64]| Matrix::new(n, n, data.to_vec());
    assert_eq!(inverse(&m(2, &[1.0, 2.0, 2.0, 4.0])), Err(LinalgError::Singular));
    assert_eq!(log_det(&m(2, &[1.0, 2.0, 2.0, 4.0])), Err(LinalgError::Singular));
    assert!(
        matches!(cholesky(&m(2, &[1.0, 2.0, 2.0, 1.0])), Err(LinalgError::NotPositive(x)) if (x + 1.0).abs() < 1e-12)
    );
    assert!(matches!(sqrtm(&m(2, &[1.0, 2.0, 2.0, 1.0])), Err(LinalgError::NotPositive(_))));
    assert!(matches!(eigh(&m(2, &[1.0, 2.0, 0.0, 1.0])), Err(LinalgError::NotSymmetric(_))));
    assert_eq!(inverse(&m(1, &[f64::NAN])), Err(LinalgError::NotFinite));
    assert_eq!(expm(&m(1, &[1e4])), Err(LinalgError::NotFinite));
    assert!(matches!(inverse(&Matrix::new(1, 2, vec![1.0, 2.0])), Err(LinalgError::NotSquare { .. })));
    // Semi-definite is enough for a root.
    assert!(gap(&sqrtm(&m(2, &[1.0, 1.0, 1.0, 1.0])).expect("semi-definite"), &m(2, &[0.5_f64.sqrt(); 4])) < 1e-14);
}

#[test]
fn bures_distance_has_its_closed_forms() {
    let s0 = Matrix::new(2, 2, vec![1.0, 0.5, 0.5, 2.0]);
    let s1 = Matrix::new(2, 2, vec![2.0, -0.3, -0.3, 0.5]);
    let d = bures(&[0.0, 0.0], &s0, &[1.0, -1.0], &s1).expect("positive");
    assert!((d - 2.928_835_643_810_304).abs() < 1e-12, "{d}");
    assert!(bures(&[1.0, 2.0], &s0, &[1.0, 2.0], &s0).expect("positive") < 1e-14);
    // Commuting covariances: the distance of the roots.
    let d = bures(&[0.0; 2], &Matrix::new(2, 2, vec![4.0, 0.0, 0.0, 9.0]), &[0.0; 2], &eye(2)).expect("positive");
    assert!((d - 5.0).abs() < 1e-13);
}
