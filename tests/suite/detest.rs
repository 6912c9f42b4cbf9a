//! The 24 problems of Hull, Enright, Fellen and Sedgwick 1972 (C5 left out) on [0, 20]: cost and error of dopri5.

use crate::solve::{Field, config, solve_one};
use crate::tableaux;
use flowc::solve::{Adaptive, Controller, Steps};

fn chain(y: &[f64], dy: &mut [f64], of: impl Fn(usize) -> (f64, f64, f64)) {
    for i in 0..y.len() {
        let (left, here, right) = of(i);
        let at = |j: usize| y.get(j).copied().unwrap_or(0.0);
        dy[i] = left * if i == 0 { 0.0 } else { at(i - 1) } + here * y[i] + right * at(i + 1);
    }
}

fn orbit(_: f64, y: &[f64], _: &[f64], dy: &mut [f64]) {
    let r3 = (y[0] * y[0] + y[1] * y[1]).powf(1.5);
    dy.copy_from_slice(&[y[2], y[3], -y[0] / r3, -y[1] / r3]);
}

fn problems() -> Vec<(Vec<f64>, Field<f64>)> {
    let first = |n: usize| (0..n).map(|i| if i == 0 { 1.0 } else { 0.0 }).collect::<Vec<f64>>();
    let mut all: Vec<(Vec<f64>, Field<f64>)> = vec![
        (vec![1.0], |_, y, _, dy| dy[0] = -y[0]),
        (vec![1.0], |_, y, _, dy| dy[0] = -y[0].powi(3) / 2.0),
        (vec![1.0], |t, y, _, dy| dy[0] = y[0] * t.cos()),
        (vec![1.0], |_, y, _, dy| dy[0] = y[0] / 4.0 * (1.0 - y[0] / 20.0)),
        (vec![4.0], |t, y, _, dy| dy[0] = (y[0] - t) / (y[0] + t)),
        (vec![1.0, 3.0], |_, y, _, dy| {
            dy.copy_from_slice(&[2.0 * (y[0] - y[0] * y[1]), -(y[1] - y[0] * y[1])]);
        }),
        (vec![2.0, 0.0, 1.0], |_, y, _, dy| {
            dy.copy_from_slice(&[-y[0] + y[1], y[0] - 2.0 * y[1] + y[2], y[1] - y[2]]);
        }),
        (vec![1.0, 0.0, 0.0], |_, y, _, dy| dy.copy_from_slice(&[-y[0], y[0] - y[1] * y[1], y[1] * y[1]])),
        (vec![3.0, 0.0, 0.0], |_, y, _, dy| {
            let a = y[0].hypot(y[1]);
            dy.copy_from_slice(&[-y[1] - y[0] * y[2] / a, y[0] - y[1] * y[2] / a, y[0] / a]);
        }),
        (vec![0.0, 1.0, 1.0], |_, y, _, dy| {
            dy.copy_from_slice(&[y[1] * y[2], -y[0] * y[2], -0.51 * y[0] * y[1]]);
        }),
        (first(10), |_, y, _, dy| chain(y, dy, |i| (1.0, if i < 9 { -1.0 } else { 0.0 }, 0.0))),
        (first(10), |_, y, _, dy| {
            chain(y, dy, |i| (i as f64, if i < 9 { -(i as f64 + 1.0) } else { 0.0 }, 0.0));
        }),
        (first(10), |_, y, _, dy| chain(y, dy, |_| (1.0, -2.0, 1.0))),
        (first(51), |_, y, _, dy| chain(y, dy, |_| (1.0, -2.0, 1.0))),
        (vec![0.671396707141803, 0.0954005144474744], |t, y, _, dy| {
            dy.copy_from_slice(&[y[1], -(y[1] / (t + 1.0) + (1.0 - 0.25 / (t + 1.0).powi(2)) * y[0])]);
        }),
        (vec![2.0, 0.0], |_, y, _, dy| dy.copy_from_slice(&[y[1], (1.0 - y[0] * y[0]) * y[1] - y[0]])),
        (vec![0.0, 0.0], |t, y, _, dy| {
            dy.copy_from_slice(&[y[1], y[0].powi(3) / 6.0 - y[0] + 2.0 * (2.78535 * t).sin()]);
        }),
        (vec![30.0, 0.0], |_, y, _, dy| dy.copy_from_slice(&[y[1], 0.32 - 0.4 * y[1] * y[1]])),
        (vec![0.0, 0.0], |t, y, _, dy| dy.copy_from_slice(&[y[1], (1.0 + y[1] * y[1]).sqrt() / (25.0 - t)])),
    ];
    for e in [0.1, 0.3, 0.5, 0.7, 0.9_f64] {
        all.push((vec![1.0 - e, 0.0, 0.0, ((1.0 + e) / (1.0 - e)).sqrt()], orbit));
    }
    all
}

/// Evaluations over all problems, and the geometric mean of root-mean-square errors.
fn cost_and_error(tol: f64, controller: Controller) -> (u32, f64) {
    let reference = config(&tableaux::dopri8(), Steps::Adaptive(Adaptive::new(1e-13, 1e-13)));
    let tested = config(&tableaux::dopri5(), Steps::Adaptive(Adaptive { controller, ..Adaptive::new(tol, tol) }));
    let (mut cost, mut log_error) = (0, 0.0);
    let all = problems();
    for (y0, field) in &all {
        let (exact, _) = solve_one(y0.len(), *field, y0, (0.0, 20.0), &reference);
        let (y, count) = solve_one(y0.len(), *field, y0, (0.0, 20.0), &tested);
        let square: f64 = y.iter().zip(&exact).map(|(a, b)| (a - b).powi(2)).sum();
        log_error += (square / y.len() as f64).sqrt().ln();
        cost += count.evaluations;
    }
    (cost, (log_error / all.len() as f64).exp())
}

#[test]
fn cost_and_error_of_dopri5() {
    // scipy's RK45 (integral control): 10,902 evaluations, error 4.8e-6.
    let (cost, error) = cost_and_error(1e-6, Controller::i());
    assert!((9_812..11_992).contains(&cost) && error < 1e-5, "integral: {cost}, {error:e}");
    // Work-precision: at the tolerance where it spends as much, proportional-integral control errs less.
    let (cost_pi, error_pi) = cost_and_error(1e-6, Controller::pi());
    // Error falls as cost^-5.
    let equal_cost = error * (f64::from(cost) / f64::from(cost_pi)).powi(5);
    eprintln!("integral {cost} {error:e}, proportional-integral {cost_pi} {error_pi:e}, at equal cost {equal_cost:e}");
    assert!(error_pi < equal_cost, "integral {cost} {error:e}, proportional-integral {cost_pi} {error_pi:e}");
    // At equal error: the tolerance at which it errs as much as integral control does at 1e-6 costs it less.
    let looser = 1e-6 * error / error_pi;
    let (cost_equal, error_equal) = cost_and_error(looser, Controller::pi());
    eprintln!("at tolerance {looser:e}: {cost_equal} evaluations, error {error_equal:e}");
    assert!(cost_equal <= cost && error_equal < 1.2 * error, "{cost_equal} {error_equal:e} at {looser:e}");
    // With the derivative term: within the same bounds.
    let (cost_pid, error_pid) = cost_and_error(1e-6, Controller::pid());
    eprintln!("proportional-integral-derivative {cost_pid} {error_pid:e}");
    assert!(cost_pid < 13_000 && error_pid < 1e-5, "{cost_pid} {error_pid:e}");
}
