//! Laws of `metrics`: closed forms, invariances, floors.

use flowc::metrics::{
    Bandwidths, Estimate, MMD_BANDWIDTHS, MetricError, Samples, bootstrap, directions, energy_distance, floor, frechet,
    mmd, npe, sliced_wasserstein2, subsets, wasserstein1, wasserstein2, wasserstein2_squared,
};
use flowc::numeric::linalg::{Matrix, bures, cholesky};
use ndarray::{Array2, arr2, s};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};

fn normal(n: usize, d: usize, seed: u64) -> Array2<f64> {
    let mut rng = StdRng::seed_from_u64(seed);
    Array2::from_shape_simple_fn((n, d), || StandardNormal.sample(&mut rng))
}

/// Normal samples with this mean and covariance.
fn gaussian(n: usize, mean: [f64; 2], covariance: &Matrix, seed: u64) -> Array2<f64> {
    let l = cholesky(covariance).expect("positive").data;
    let l = arr2(&[[l[0], l[1]], [l[2], l[3]]]);
    normal(n, 2, seed).dot(&l.t()) + &arr2(&[mean])
}

fn pair() -> (Matrix, Matrix) {
    (Matrix::new(2, 2, vec![1.0, 0.5, 0.5, 2.0]), Matrix::new(2, 2, vec![2.0, -0.3, -0.3, 0.5]))
}

fn fixed() -> Bandwidths {
    Bandwidths::Fixed(MMD_BANDWIDTHS.to_vec())
}

type Metric = Box<dyn Fn(Samples<'_>, Samples<'_>) -> Result<Estimate, MetricError>>;

fn all(d: usize) -> Vec<(&'static str, Metric)> {
    let along = directions(d, 50, &mut StdRng::seed_from_u64(1));
    vec![
        ("w2", Box::new(wasserstein2)),
        ("w2 squared", Box::new(wasserstein2_squared)),
        ("w1", Box::new(wasserstein1)),
        ("sliced", Box::new(move |x, y| sliced_wasserstein2(x, y, along.view()))),
        ("energy", Box::new(energy_distance)),
        ("mmd", Box::new(|x, y| mmd(x, y, &fixed()))),
        ("mmd, median", Box::new(|x, y| mmd(x, y, &Bandwidths::Median))),
        ("frechet", Box::new(frechet)),
    ]
}

#[test]
fn distances_of_normal_laws() {
    let (s0, s1) = pair();
    let want = bures(&[0.0, 0.0], &s0, &[1.0, -1.0], &s1).expect("positive");
    let (x, y) = (gaussian(1000, [0.0, 0.0], &s0, 1), gaussian(1000, [1.0, -1.0], &s1, 2));
    let exact = wasserstein2_squared(x.view(), y.view()).expect("comparable");
    assert!((exact.value / want - 1.0).abs() < 0.1, "{} for {want}", exact.value);
    assert_eq!(exact.samples, 1000);
    let root = wasserstein2(x.view(), y.view()).expect("comparable").value;
    assert!((root * root - exact.value).abs() < 1e-12);
    let (x, y) = (gaussian(20_000, [0.0, 0.0], &s0, 3), gaussian(20_000, [1.0, -1.0], &s1, 4));
    let fitted = frechet(x.view(), y.view()).expect("comparable").value;
    assert!((fitted / want - 1.0).abs() < 0.03, "{fitted} for {want}");
}

#[test]
fn equal_sets_have_no_distance_and_order_does_not_matter() {
    for d in [1, 2, 3] {
        let (x, y) = (normal(150, d, 1), normal(150, d, 2));
        let reversed = x.slice(s![..;-1, ..]);
        for (name, metric) in all(d) {
            let of = |x: Samples<'_>, y: Samples<'_>| metric(x, y).expect("comparable").value;
            assert!(of(x.view(), reversed).abs() < 1e-7, "{name} in {d}: {}", of(x.view(), reversed));
            let (there, back) = (of(x.view(), y.view()), of(y.view(), x.view()));
            assert!(there > 0.0 && (there - back).abs() < 1e-9 * there.max(1.0), "{name} in {d}");
            assert!((of(reversed, y.view()) - there).abs() < 1e-9 * there.max(1.0), "{name} in {d}");
        }
    }
}

#[test]
fn translation_costs_its_length() {
    let x = normal(200, 3, 5);
    let shift = arr2(&[[1.0, -2.0, 2.0]]);
    let y = &x + &shift;
    let value = |e: Result<Estimate, MetricError>| e.expect("comparable").value;
    assert!((value(wasserstein2(x.view(), y.view())) - 3.0).abs() < 1e-9);
    assert!((value(wasserstein1(x.view(), y.view())) - 3.0).abs() < 1e-9);
    assert!((value(frechet(x.view(), y.view())) - 9.0).abs() < 1e-9);
    // Over the sphere the mean squared projection of a vector is its squared length over the dimension.
    let axes = Array2::eye(3);
    assert!((value(sliced_wasserstein2(x.view(), y.view(), axes.view())) - 3.0_f64.sqrt()).abs() < 1e-9);
    let flat = x.slice(s![.., ..2]);
    let moved = &flat + &arr2(&[[3.0, 4.0]]);
    let half_turn = directions(2, 8, &mut StdRng::seed_from_u64(3));
    assert!((value(sliced_wasserstein2(flat, moved.view(), half_turn.view())) - 5.0 / 2.0_f64.sqrt()).abs() < 1e-9);
}

/// A line in the plane goes through the assignment, its coordinate through sorting.
#[test]
fn sorting_is_the_assignment_on_a_line() {
    let (x, y) = (normal(300, 1, 6), normal(300, 1, 7));
    let embed = |x: &Array2<f64>| x.dot(&arr2(&[[0.6, 0.8]]));
    let (a, b) = (embed(&x), embed(&y));
    for metric in [wasserstein2, wasserstein1, wasserstein2_squared] {
        let line = metric(x.view(), y.view()).expect("comparable").value;
        let plane = metric(a.view(), b.view()).expect("comparable").value;
        assert!((line - plane).abs() < 1e-10, "{line} {plane}");
    }
    // And one projection of the sliced distance.
    let sliced = sliced_wasserstein2(x.view(), y.view(), arr2(&[[1.0]]).view()).expect("comparable").value;
    assert!((sliced - wasserstein2(x.view(), y.view()).expect("comparable").value).abs() < 1e-12);
}

#[test]
fn distances_are_in_order() {
    let (x, y) = (normal(400, 2, 8), &normal(400, 2, 9) * 1.5 + 0.5);
    let value = |e: Result<Estimate, MetricError>| e.expect("comparable").value;
    let (w1, w2) = (value(wasserstein1(x.view(), y.view())), value(wasserstein2(x.view(), y.view())));
    let along = directions(2, 64, &mut StdRng::seed_from_u64(2));
    let sliced = value(sliced_wasserstein2(x.view(), y.view(), along.view()));
    // Jensen; each projection shortens; Gelbrich's bound by the moments (biased by one part in n).
    assert!(w1 <= w2 && sliced * 2.0_f64.sqrt() <= w2 + 1e-12);
    assert!(value(frechet(x.view(), y.view())).sqrt() <= w2 * 1.01);
}

/// Expectations under normal laws in one dimension: E|x - y| and E exp(-(x - y)^2 / 2 s^2) are closed forms.
#[test]
fn kernel_distances_of_normal_laws() {
    let n = 3000;
    let (x, y) = (normal(n, 1, 10), normal(n, 1, 11) + 1.0);
    let folded = |m: f64| {
        // E|z + m| for z of variance 2.
        let s = 2.0_f64.sqrt();
        s * (2.0 / std::f64::consts::PI).sqrt() * (-m * m / 4.0).exp()
            + m * (1.0 - 2.0 * flowc::numeric::special::normal_cdf(-m / s))
    };
    let want = 2.0 * (folded(1.0) - folded(0.0));
    let got = energy_distance(x.view(), y.view()).expect("comparable").value.powi(2);
    assert!((got / want - 1.0).abs() < 0.12, "{got} for {want}");
    let kernel = |s: f64, m: f64| (s * s / (s * s + 2.0)).sqrt() * (-m * m / (2.0 * (s * s + 2.0))).exp();
    for s in [0.5, 1.0, 3.0] {
        let want = 2.0 * (kernel(s, 0.0) - kernel(s, 1.0));
        let got = mmd(x.view(), y.view(), &Bandwidths::Fixed(vec![s])).expect("comparable").value;
        assert!((got / want - 1.0).abs() < 0.15, "{s}: {got} for {want}");
    }
    let each: f64 = [0.5, 3.0]
        .map(|s| mmd(x.view(), y.view(), &Bandwidths::Fixed(vec![s])).expect("comparable").value)
        .iter()
        .sum();
    let both = mmd(x.view(), y.view(), &Bandwidths::Fixed(vec![0.5, 3.0])).expect("comparable").value;
    assert!((both - each).abs() < 1e-12);
}

/// Two sets of 1,000 from a standard normal law in the plane lie 0.189 +- 0.015 apart.
#[test]
fn floors_and_standard_errors() {
    let draw = |i: usize| (normal(1000, 2, 100 + 2 * i as u64), normal(1000, 2, 101 + 2 * i as u64));
    let f = floor(6, draw, wasserstein2).expect("comparable");
    assert!((f.summary.mean - 0.189).abs() < 0.02, "{:?}", f.summary);
    assert!(f.summary.deviation > 0.0 && f.summary.deviation < 0.04);
    assert_eq!((f.samples, f.summary.count), (1000, 6));
    // Subsets of 250: four values, larger than at 1,000.
    let (x, y) = draw(50);
    let parts = subsets(x.view(), y.view(), 250, wasserstein2).expect("comparable");
    assert!(parts.count == 4 && parts.min > f.summary.mean);
    // The mean of n normals has standard error 1 / sqrt(n): a metric that is a difference of means.
    let difference = |x: Samples<'_>, y: Samples<'_>| {
        let mean = |x: Samples<'_>| x.column(0).mean().unwrap_or(f64::NAN);
        Ok(Estimate { value: mean(x) - mean(y), samples: x.nrows() })
    };
    let s = bootstrap(x.view(), y.view(), 400, &mut StdRng::seed_from_u64(4), difference).expect("comparable");
    assert!((s.deviation / (2.0_f64 / 1000.0).sqrt() - 1.0).abs() < 0.15, "{s:?}");
    assert!(matches!(floor(1, draw, wasserstein2), Err(MetricError::TooFew { .. })));
    assert!(matches!(subsets(x.view(), y.view(), 900, wasserstein2), Err(MetricError::TooFew { .. })));
    assert!(matches!(subsets(x.view(), y.view(), 0, wasserstein2), Err(MetricError::TooFew { .. })));
}

/// N(0, 1) to N(2, 1/4): the independent path's energy and distance are closed forms (mean m, deviation s).
#[test]
fn path_energy_of_a_normal_pair() {
    let (m, s) = (2.0_f64, 0.5_f64);
    let energy = m * m + 1.0 + s * s - std::f64::consts::PI * s / 2.0;
    let w2 = m * m + (1.0 - s) * (1.0 - s);
    let value = npe(energy, w2).expect("defined");
    assert!((value - s * (2.0 - std::f64::consts::FRAC_PI_2) / w2).abs() < 1e-15);
    assert!((value - 0.050495).abs() < 1e-6);
    assert_eq!(npe(w2, w2), Some(0.0));
    assert_eq!((npe(1.0, 0.0), npe(f64::NAN, 1.0)), (None, None));
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let (x, y) = (normal(10, 2, 1), normal(11, 2, 2));
    let narrow = normal(10, 1, 3);
    for (name, metric) in all(2) {
        assert_eq!(metric(x.view(), narrow.view()), Err(MetricError::Dimensions(2, 1)), "{name}");
        let mut broken = x.clone();
        broken[[4, 1]] = f64::NAN;
        assert_eq!(metric(x.view(), broken.view()), Err(MetricError::NotFinite { sample: 4 }), "{name}");
        let none = Array2::zeros((0, 2));
        assert!(matches!(metric(none.view(), none.view()), Err(MetricError::TooFew { samples: 0, .. })), "{name}");
    }
    assert_eq!(wasserstein2(x.view(), y.view()), Err(MetricError::Sizes(10, 11)));
    assert!(energy_distance(x.view(), y.view()).is_ok_and(|e| e.samples == 10));
    let many = Array2::zeros((flowc::metrics::EXACT_LIMIT + 1, 2));
    assert!(matches!(wasserstein2(many.view(), many.view()), Err(MetricError::TooMany { .. })));
    assert!(matches!(mmd(x.view(), y.view(), &Bandwidths::Fixed(vec![0.0])), Err(MetricError::BadValue(_))));
}
