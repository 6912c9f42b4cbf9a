//! Laws of the metrics of a training step: evaluations forward and back, bytes kept, distances between gradients.

use crate::lang::experiment;
use flowc::report::record::{Cell, RunRecord};

fn value(cell: &Cell, name: &str) -> f64 {
    cell.metrics.iter().find(|m| m.name == name).unwrap_or_else(|| panic!("{name}: {:?}", cell.metrics)).value
}

fn cell<'a>(record: &'a RunRecord, labels: &[&str]) -> &'a Cell {
    record.cells.iter().find(|c| c.labels == labels).expect("an arm")
}

/// A field that is solved in training; f64, so that gradients of one march agree to the last digits.
const SOLVED: &str = "precision f64
field f(h: vec[2], t: real) = mlp(concat(h, t), hidden: [8], out: 2, activation: tanh)
objective fit {
  draw x ~ normal(dim: 2)
  minimize norm(solve t: 0 -> 1 { h' = f(h, t) from x }.h - [1, 0])^2
}
";

#[test]
fn a_step_of_training_is_counted_and_compared() {
    let r = experiment(&format!(
        "{SOLVED}compare mode in [backprop, checkpoint(2), adjoint]
        compare n in [5, 10]
        train {{ objective: fit, batch: 100, steps: 3, solver: rk4(steps: n), gradient: mode }}
        evaluate [nfe, nfe_backward, peak_memory, gradient_gap(against: backprop), nfe(solver: rk4(steps: 7))]"
    ));
    let of = |mode: &str, n: &str, metric: &str| value(cell(&r, &[mode, n]), metric);
    for mode in ["backprop", "checkpoint(2)", "adjoint"] {
        for (n, stages, again) in [("5", 20.0, 4.0), ("10", 40.0, 24.0)] {
            // Four stages a step forward, as many transposed; without records each is made again once, and one step of five, or
            // six of ten, once more to reach the others from three states. The adjoint evaluates the field at each transpose.
            assert_eq!(of(mode, n, "nfe"), stages, "{mode}");
            assert_eq!(of(mode, n, "nfe(solver: rk4(steps: 7))"), 28.0, "{mode}");
            let back = of(mode, n, "nfe_backward");
            let expected = match mode {
                "backprop" => stages,
                "adjoint" => 2.0 * stages,
                _ => 2.0 * stages + again,
            };
            assert_eq!(back, expected, "{mode}");
        }
        let grows = of(mode, "10", "peak_memory") / of(mode, "5", "peak_memory");
        match mode {
            "backprop" => assert!((grows - 2.0).abs() < 0.2, "{grows}"),
            "adjoint" => assert_eq!(grows, 1.0),
            _ => assert!(of(mode, "10", "peak_memory") < 0.9 * of("backprop", "10", "peak_memory"), "{grows}"),
        }
    }
    for n in ["5", "10"] {
        let gap = |mode| of(mode, n, "gradient_gap(against: backprop)");
        assert_eq!((gap("backprop"), gap("checkpoint(2)")), (0.0, 0.0), "the exact modes have the same bits");
        assert!(gap("adjoint") > 1e-12 && gap("adjoint") < 1e-2, "{}", gap("adjoint"));
        assert!(of("adjoint", n, "peak_memory") < 0.2 * of("backprop", n, "peak_memory"));
    }
    // Of two solves of the same order the adjoint's error falls with the steps.
    let gap = |n| of("adjoint", n, "gradient_gap(against: backprop)");
    assert!(gap("10") < 0.2 * gap("5"), "{} {}", gap("10"), gap("5"));
    let m = &cell(&r, &["adjoint", "5"]).metrics;
    assert_eq!(m.iter().find(|m| m.name == "peak_memory").and_then(|m| m.unit.as_deref()), Some("bytes"));
}

/// Against a gradient of the exact solution the gap is the discretisation's, whose order is the solver's.
#[test]
fn the_gap_to_another_solver_has_the_order_of_the_solver() {
    let r = experiment(&format!(
        "{SOLVED}compare n in [4, 8]
        train {{ objective: fit, batch: 32, steps: 2, solver: heun(steps: n) }}
        evaluate [gradient_gap(against: backprop, solver: dopri5(rtol: 1e-11, atol: 1e-11))]"
    ));
    let name = "gradient_gap(against: backprop, solver: dopri5(rtol: 1e-11, atol: 1e-11))";
    let order = (value(cell(&r, &["4"]), name) / value(cell(&r, &["8"]), name)).log2();
    assert!((order - 2.0).abs() < 0.4, "{order}");
}

/// With samples `nfe` is the sampler's; beside it training is counted as ever.
#[test]
fn samples_are_what_nfe_is_of_where_there_are_some() {
    let r = experiment(
        "source = normal(dim: 2)
        target = moons(noise: 0.05)
        field v(x, t) = mlp(concat(x, t), hidden: [8], out: dim(x))
        train { objective: max_likelihood(flow(v)), batch: 64, steps: 2, solver: rk4(steps: 3) }
        generate { sampler: flow(v), solver: euler(steps: 5), count: 100 }
        evaluate [nfe, nfe_backward]",
    );
    assert_eq!(value(&r.cells[0], "nfe"), 5.0);
    assert_eq!(value(&r.cells[0], "nfe_backward"), 12.0);
}

/// `plot` reaches the record; what it says of pictures changes no number.
#[test]
fn a_record_has_the_pictures_of_its_spec() {
    let spec = |plot: &str| {
        let head = "source = normal(dim: 2); fn u(x, t) = [x[1], -x[0]]\ntarget = normal(dim: 2)";
        experiment(&format!(
            "{head}\ngenerate {{ sampler: flow(u), solver: euler(steps: 5), count: 64 }}\nevaluate [nfe]\n{plot}"
        ))
    };
    let names = |r: &RunRecord| r.pictures.clone();
    assert_eq!(names(&spec("")), None);
    assert_eq!(names(&spec("plot []")), Some(vec![]));
    assert_eq!(
        names(&spec("plot [samples,\n field]\nplot [paths]")),
        Some(["samples", "field", "paths"].map(String::from).to_vec())
    );
}

/// A constant jacobian A and one probe a trajectory: the estimate of log p varies as e'Ae does, 4 S_01^2 for signs, over k.
#[test]
fn an_estimated_density_says_how_much_it_varies() {
    let r = experiment(
        "precision f64
        source = normal(dim: 2)
        target = normal(dim: 2)
        fn u(x, t) = [[0.1, 0.7], [0.3, -0.2]] @ x
        compare k in [1, 4, 16]
        generate { sampler: flow(u, trace: hutchinson(rademacher, probes: k)), solver: rk4(steps: 4), count: 100 }
        evaluate [nll, nll(sampler: flow(u))]",
    );
    let exact = value(&r.cells[0], "nll(sampler: flow(u))");
    for (cell, k) in r.cells.iter().zip([1.0_f64, 4.0, 16.0]) {
        let m = cell.metrics.iter().find(|m| m.name == "nll").expect("nll");
        let error = m.density_error.expect("an estimate");
        assert!((error * k.sqrt() - 1.0).abs() < 0.12, "{k}: {error}");
        // The points are the same: what differs are the probes.
        assert!((m.value - exact).abs() < 4.0 * error / 100.0, "{k}: {} for {exact}", m.value);
        assert!(
            cell.metrics.iter().all(|m| m.name == "nll" || m.density_error.is_none()),
            "an exact trace has no error"
        );
    }
}

/// An objective is measured with a solver and a count of its own, which its own parameters of these names hide. One Euler step of
/// `x' = x` gives 2 x, two give 2.25 x.
#[test]
fn an_objective_is_measured_with_a_solver_of_its_own() {
    let r = experiment(
        "precision f64
        source = normal()
        target = normal()
        field v(x, t) = x + 0 * t
        objective growth(v: field) { draw x0 ~ source; minimize solve t: 0 -> 1 { x' = v(x, t) from x0 }.x / x0 }
        objective named(v: field, count: real) { draw x0 ~ source; minimize count + 0 * v(x0, 0) }
        generate { sampler: flow(v), solver: euler(steps: 4), count: 200 }
        evaluate [
          growth(v), growth(v, solver: euler(steps: 1)), growth(v, solver: euler(steps: 2), count: 37), named(v, count: 3),
        ]",
    );
    let of = |k: usize| (r.cells[0].metrics[k].value, r.cells[0].metrics[k].size);
    let near = |(value, n): (f64, Option<u64>), want: f64, size: u64| {
        assert!((value - want).abs() < 1e-12 && n == Some(size), "{value} of {n:?} for {want} of {size}");
    };
    near(of(0), 1.25_f64.powi(4), 10_000);
    near(of(1), 2.0, 10_000);
    near(of(2), 2.25, 37);
    near(of(3), 3.0, 10_000);
}

/// Objectives over pairs of a coupling are measured on fresh pairs. On the line, a plan of k pairs is the sorted one, whose cost
/// falls towards zero for equal laws; either coupling keeps both marginals.
#[test]
fn an_objective_over_a_coupling_is_measured() {
    let r = experiment(
        "precision f64
        source = normal()
        target = normal()
        objective cost(pairs) { draw (x0, x1) ~ pairs; minimize (x1 - x0)^2 }
        objective spread(pairs) { draw (x0, x1) ~ pairs; minimize x0^2 + x1^2 }
        evaluate [
          cost(independent), cost(optimal_transport(batch: 64)), cost(optimal_transport(batch: 256)),
          spread(optimal_transport(batch: 256)),
        ]",
    );
    let of = |name: &str| r.cells[0].metrics.iter().find(|m| m.name == name).expect("a metric");
    let near = |name: &str, want: f64| {
        let (m, e) = (of(name), of(name).standard_error.expect("an error"));
        assert!((m.value - want).abs() < 4.0 * e && e < 0.1, "{name}: {} ± {e} for {want}", m.value);
    };
    near("cost(independent)", 2.0);
    near("spread(optimal_transport(batch: 256))", 2.0);
    let cost = |k| of(&format!("cost(optimal_transport(batch: {k}))")).value;
    assert!(cost(64) < 0.15 && cost(256) < 0.5 * cost(64), "{} {}", cost(64), cost(256));
}
