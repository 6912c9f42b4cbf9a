//! Laws of the numbers in a report: what may be called best, how numbers are written, quantiles of Student.

use flowc::report::number;
use flowc::report::record::{Better, Cell, Metric, RunRecord};
use flowc::report::summary::{arms, rows, student};

/// A record with two arms of one metric.
pub fn two_arms(a: &[f64], b: &[f64], floor: Option<f64>) -> RunRecord {
    let cell = |label: &str, seed: usize, value: f64| Cell {
        labels: vec![label.into()],
        seed: seed as u64,
        metrics: vec![Metric {
            name: "m".into(),
            value,
            floor,
            floor_sd: floor.map(|_| 0.1),
            standard_error: Some(1e-9),
            better: Better::Lower,
            ..Metric::default()
        }],
        ..Cell::default()
    };
    let cells =
        a.iter().enumerate().map(|(s, v)| cell("a", s, *v)).chain(b.iter().enumerate().map(|(s, v)| cell("b", s, *v)));
    RunRecord { cells: cells.collect(), ..RunRecord::default() }
}

fn best(record: &RunRecord) -> Option<usize> {
    rows(&arms(record))[0].best
}

#[test]
fn bold_needs_seeds_a_decided_difference_and_a_value_above_the_floor() {
    assert_eq!(best(&two_arms(&[1.0, 1.1, 0.9], &[2.0, 2.1, 1.9], None)), Some(0));
    assert_eq!(best(&two_arms(&[2.0, 2.1, 1.9], &[1.0, 1.1, 0.9], None)), Some(1));
    assert_eq!(best(&two_arms(&[1.0], &[2.0], None)), None, "one seed decides nothing");
    assert_eq!(best(&two_arms(&[1.0, 1.4], &[1.2, 1.1], None)), None, "not decided");
    assert_eq!(best(&two_arms(&[1.0, 1.1, 0.9], &[1.05, 1.15, 0.95], Some(1.0))), None, "both at the floor");
    assert_eq!(best(&two_arms(&[1.0, 1.1, 0.9], &[2.0, 2.1, 1.9], Some(1.0))), Some(0), "one at the floor");
    assert_eq!(best(&two_arms(&[1.0, 1.1, f64::NAN], &[2.0, 2.1, 1.9], None)), None, "a lost seed");
    assert_eq!(best(&two_arms(&[1.0, 1.0], &[1.0, 1.0], None)), None, "equal");
}

#[test]
fn numbers_as_people_write_them() {
    let cases = [
        (0.0931, 0.0020, "0.0931 ± 0.0020"),
        (17.33, 0.74, "17.33 ± 0.74"),
        (115.4, 3.0, "115.4 ± 3.0"),
        (2374.0, 448.0, "2374 ± 448"),
        (0.954, 2e-6, "0.954 ± 2e-6"),
        (1.2e-6, 3.1e-7, "(1.20 ± 0.31)e-6"),
        (62.0, 0.0, "62 ± 0"),
        (-0.001, 0.02, "-0.001 ± 0.020"),
    ];
    for (x, e, text) in cases {
        assert_eq!(number::with_error(x, e), text);
    }
    assert_eq!(number::plain(9.99996), "10");
    assert_eq!(number::plain(123_456.0), "1.235e5");
    assert_eq!(number::count(1_234_567), "1,234,567");
    assert_eq!(
        [3e-5, 9.96e-4, 0.0042, 0.099, 0.0996].map(number::duration),
        ["30 µs", "1 ms", "4.2 ms", "99 ms", "0.1 s"]
    );
    assert_eq!(number::duration(0.0), "0 s");
    assert_eq!(number::duration(252.0), "4 min 12 s");
    assert_eq!(number::duration(7_380.0), "2 h 03 min");
    assert_eq!(number::bytes(2_200_000), "2.2 MB");
    assert_eq!(number::interval(0.0033, 0.0015), "0.0018 … 0.0048");
}

/// The distribution function of Student's t by Simpson's rule on its density, scaled by its own integral.
fn student_share(t: f64, degrees: f64) -> f64 {
    // x = tan(u) makes the range finite; the integrand is smooth up to the ends for one degree of freedom or more.
    let integral = |to: f64| {
        let n = 4_000;
        let h = to.atan() / n as f64;
        let f = |u: f64| (1.0 + u.tan().powi(2) / degrees).powf(-(degrees + 1.0) / 2.0) / u.cos().powi(2);
        let inner: f64 = (1..n).map(|i| f(i as f64 * h) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum();
        (f(0.0) + inner + f(n as f64 * h)) * h / 3.0
    };
    0.5 + 0.5 * integral(t) / integral(1e6)
}

#[test]
fn student_quantiles_hold_95_percent() {
    for degrees in 1..80 {
        let share = student_share(student(degrees), degrees as f64);
        assert!((share - 0.975).abs() < 6e-5, "{degrees}: {share}");
    }
}
