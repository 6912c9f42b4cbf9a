//! Laws of implicit methods, and of explicit ones that meet stiffness: in the language, by compiled Jacobians, in f64.

use crate::lang::Function;
use flowc::codegen::Jit;
use flowc::interp::Interp;
use flowc::kernels::Isa;
use flowc::run::Real;
use flowc::solve::Statistics;

const CROUZEIX: &str = "precision f64
tableau crouzeix {
  c: [0, 0.7886751345948128822545744, 0.2113248654051871177454256]
  a: [[], [0, 0.7886751345948128822545744], [0, -0.5773502691896257645091488, 0.7886751345948128822545744]]
  b: [0, 1/2, 1/2]
  order: 3
  residual: 1e-24
}
tableau trapezoid { c: [0, 1], a: [[], [1/2, 1/2]], b: [1/2, 1/2], order: 2 }
";

fn jit() -> Jit {
    Jit::new(Isa::detect())
}

/// The end of one sample of `f`, and what it cost.
fn one(text: &str, from: &[f64]) -> (Vec<f64>, Statistics) {
    let f = Function::new(&format!("{CROUZEIX}{text}"), &[&[from.len()]]);
    let out = f.outcome::<f64>(1, &[from.to_vec()], &jit(), 1).unwrap_or_else(|d| panic!("{}", d.message));
    (out.outputs[0].values.clone(), out.solves[0])
}

/// What a solve that fails says, with its help and notes.
fn failure(text: &str, from: &[f64]) -> String {
    let f = Function::new(&format!("precision f64\n{text}"), &[&[from.len()]]);
    let d = f.outcome::<f64>(1, &[from.to_vec()], &jit(), 1).expect_err("fails");
    format!("{d:?}")
}

#[test]
fn measured_orders() {
    // `y' = y cos t` and a partner that turns: the Jacobian changes with time and state.
    let error = |method: &str, steps: usize| {
        let text = format!(
            "fn f(a: vec[2]) = solve t: 0 -> 2 with {method}(steps: {steps}) {{ \
             y' = [y[0] * cos(t), (sin(2 * t) - y[1]) * y[0]^2] from a }}.y"
        );
        one(&text, &[1.0, 0.3]).0
    };
    for (method, order, steps) in [
        ("backward_euler", 1.0, 400),
        ("trapezoid", 2.0, 40),
        ("crouzeix", 3.0, 80),
        ("kvaerno3", 3.0, 80),
        ("kvaerno5", 5.0, 24),
    ] {
        let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
        let exact = error("kvaerno5", 1_500);
        let slope = (distance(&error(method, steps), &exact) / distance(&error(method, 2 * steps), &exact)).log2();
        assert!((slope - order).abs() < 0.2, "{method}: {slope}");
    }
}

/// Prothero and Robinson's problem: methods that are L-stable forget a wrong start in one step, A-stable ones do not, and explicit
/// ones explode.
#[test]
fn stability_far_out_on_the_real_axis() {
    let end = |solver: &str| {
        let text = format!("fn f(a: vec[1]) = solve t: 0 -> 2 with {solver} {{ y' = -1e6 * (y - cos(t)) from a }}.y");
        one(&text, &[3.0])
    };
    let exact = (1e12 * 2f64.cos() + 1e6 * 2f64.sin()) / (1e12 + 1.0);
    for method in ["backward_euler", "kvaerno3", "kvaerno5"] {
        let (y, _) = end(&format!("{method}(steps: 20)"));
        assert!((y[0] - exact).abs() < 1e-6, "{method}: {}", y[0] - exact);
    }
    let (y, _) = end("trapezoid(steps: 20)");
    assert!((y[0] - exact).abs() > 1.0 && (y[0] - exact).abs() < 3.0, "A-stable only: {}", y[0] - exact);
    let (y, cost) = end("kvaerno5(rtol: 1e-7, atol: 1e-7)");
    assert!((y[0] - exact).abs() < 1e-6 && cost.accepted < 100, "{cost:?} {}", y[0] - exact);
    assert_eq!(cost.factorisations, cost.accepted + cost.rejected);
    assert_eq!(cost.stiff, None);
}

/// One step of backward Euler in closed form, where rows of the matrix must be exchanged.
#[test]
fn a_matrix_with_a_small_diagonal_is_solved() {
    let (y, _) = one(
        "fn f(a: vec[3]) = solve t: 0 -> 1 with backward_euler(steps: 1) { \
         y' = [-1000 * y[1] + y[0], 1000 * y[2] + y[1], 3 * y[0] - y[1]] from a }.y",
        &[1.0, 2.0, 3.0],
    );
    // (I - A) y = a, with a diagonal of 0, 0 and 1.
    let residual = [1000.0 * y[1] - 1.0, -1000.0 * y[2] - 2.0, y[2] - 3.0 * y[0] + y[1] - 3.0];
    assert!(residual.iter().all(|r| r.abs() < 1e-12), "{residual:?}");
}

fn van_der_pol(solver: &str) -> String {
    format!(
        "fn f(a: vec[2]) = solve t: 0 -> 2 with {solver} {{ \
         y' = [y[1], 1e6 * ((1 - y[0]^2) * y[1] - y[0])] from a }}.y"
    )
}

/// Van der Pol's equation, mu = 1000 in scaled time, through its jumps: the reference of Hairer and Wanner's test set at t = 2.
#[test]
fn van_der_pol_jumps() {
    let want = [1.706167732170469, -0.892809701024795];
    let mut before = f64::INFINITY;
    for (method, tolerance, error, steps) in
        [("kvaerno5", 1e-6, 1e-4, 600), ("kvaerno5", 1e-9, 1e-7, 3_000), ("kvaerno3", 1e-5, 1e-2, 3_000)]
    {
        let (y, cost) = one(&van_der_pol(&format!("{method}(rtol: {tolerance:e}, atol: {tolerance:e})")), &[2.0, 0.0]);
        let found = (y[0] - want[0]).abs().max((y[1] - want[1]).abs());
        assert!(found < error, "{method} at {tolerance:e}: {y:?}");
        assert!(cost.accepted + cost.rejected < steps, "{method} at {tolerance:e}: {cost:?}");
        if method == "kvaerno5" {
            assert!(found < before);
            before = found;
        }
    }
}

/// Robertson's reaction: mass is conserved, and the values at t = 40 are those of LSODE's example.
#[test]
fn robertson_conserves_mass() {
    let text = |end: &str, solver: &str| {
        format!(
            "fn f(a: vec[3]) = solve t: 0 -> {end} with {solver} {{
  y' = [-0.04 * y[0] + 1e4 * y[1] * y[2], 0.04 * y[0] - 1e4 * y[1] * y[2] - 3e7 * y[1]^2, 3e7 * y[1]^2] from a
}}.y"
        )
    };
    let (y, _) = one(&text("40", "kvaerno5(rtol: 1e-8, atol: 1e-12)"), &[1.0, 0.0, 0.0]);
    for (y, want) in y.iter().zip([0.715_827_068_7, 9.185_534e-6, 0.284_163_745_7]) {
        assert!((y / want - 1.0).abs() < 1e-6, "{y}, not {want}");
    }
    let (y, cost) = one(&text("1e11", "kvaerno5(rtol: 1e-6, atol: 1e-12)"), &[1.0, 0.0, 0.0]);
    assert!((y[0] + y[1] + y[2] - 1.0).abs() < 1e-9, "{y:?}");
    assert!((y[0] / 2.083_340_149_7e-8 - 1.0).abs() < 1e-2, "{y:?}");
    assert!(cost.accepted < 700, "{cost:?}");
}

/// Observation times inside steps, as if a solve ended there.
#[test]
fn observations_lie_on_the_solution() {
    let text = |times: &str| {
        format!(
            "fn f(a: vec[1]) = solve t: {times} with kvaerno5(rtol: 1e-9, atol: 1e-9) {{ \
             y' = -1e3 * (y - cos(t)) from a }}.y"
        )
    };
    let (y, _) = one(&text("[0, 0.5, 1.25, 2]"), &[1.0]);
    for (t, y) in [0.0, 0.5, 1.25, 2.0f64].iter().zip(&y).skip(1) {
        let exact = (1e6 * t.cos() + 1e3 * t.sin()) / (1e6 + 1.0);
        assert!((y - exact).abs() < 1e-6, "t = {t}: {}", y - exact);
    }
}

#[test]
fn bits_depend_on_neither_threads_nor_batch_nor_back_end() {
    fn law<T: Real + flowc::kernels::Real>(solver: &str) {
        let text = format!(
            "{CROUZEIX}net g(x: vec[2], s: real) -> vec[2] = dense(tanh(dense(concat(x, s), out: 5)), out: 2)
fn f(a: vec[2]) {{
  draw s ~ uniform(0.1, 1)
  let e = solve t: 0 -> s with {solver} {{
    x' = g(x, t) - 300 * a[0] * x from a
    l' = div(g(x, t), x) - l * s from 0
    n' = 1 from 0
  }}
  concat(e.x, e.l, e.n)
}}"
        );
        let f = Function::new(&text, &[&[2]]);
        let samples = 700;
        let x: Vec<T> = (0..2 * samples).map(|i| T::from_f64(1.5 + (i as f64 * 0.37).sin())).collect();
        let run = |threads: usize, interp: bool| {
            let backend: &dyn flowc::backend::Backend<T> = if interp { &Interp } else { &jit() };
            let out = f
                .outcome(samples, std::slice::from_ref(&x), backend, threads)
                .unwrap_or_else(|d| panic!("{}", d.message));
            (out.outputs[0].values.clone(), out.solves)
        };
        let whole = run(1, false);
        assert_eq!(whole, run(3, false), "threads: {solver}");
        assert_eq!(whole, run(2, true), "back ends: {solver}");
        assert!(whole.1[0].factorisations > 0);
        let alone = f.outcome(70, &[x[..140].to_vec()], &jit(), 1).unwrap_or_else(|d| panic!("{}", d.message));
        assert_eq!(whole.0[..280], alone.outputs[0].values[..], "company: {solver}");
    }
    law::<f64>("kvaerno5(rtol: 1e-6, atol: 1e-6)");
    law::<f32>("kvaerno3(rtol: 1e-3, atol: 1e-4)");
    law::<f64>("crouzeix(steps: 7)");
}

/// A field without a state, and one that is linear with trained coefficients: Jacobians that are constants or parameters.
#[test]
fn jacobians_may_be_constant() {
    let (y, _) = one("fn f(a: vec[2]) = solve t: 0 -> 1 with kvaerno5(steps: 2) { y' = [t, 3] from a }.y", &[1.0, 2.0]);
    assert!((y[0] - 1.5).abs() < 1e-12 && (y[1] - 5.0).abs() < 1e-12, "{y:?}");
    let (y, _) = one(
        "param w: real = 3
fn f(a: vec[2]) = solve t: 0 -> 1 with kvaerno5(rtol: 1e-10, atol: 1e-10) { y' = w * [-y[1], y[0]] from a }.y",
        &[1.0, 0.0],
    );
    assert!((y[0] - 3f64.cos()).abs() < 1e-8 && (y[1] - 3f64.sin()).abs() < 1e-8, "{y:?}");
}

/// An explicit method says that an equation is stiff, with place and cure, and is silent on one that is not.
#[test]
fn explicit_methods_notice_stiffness() {
    for method in ["dopri5", "tsit5", "dopri8"] {
        let words = failure(&van_der_pol(&format!("{method}(rtol: 1e-5, atol: 1e-5, max_steps: 3_000)")), &[2.0, 0.0]);
        for part in ["sample 0", "too many steps", "the equation is stiff", "kvaerno5", "held down by stability"] {
            assert!(words.contains(part), "{method}: {words}");
        }
    }
    // A march that arrives says where it began.
    let stiff =
        "fn f(a: vec[1]) = solve t: 0 -> 2 with dopri5(rtol: 1e-5, atol: 1e-5) { y' = -2e3 * (y - cos(t)) from a }.y";
    let (y, cost) = one(stiff, &[1.0]);
    let found = cost.stiff.expect("is stiff");
    assert!((y[0] - 2f64.cos()).abs() < 1e-3 && found.samples == 1 && found.first == 0);
    assert!(found.step.t > 0.0 && found.step.t < 1.0 && (1e-3..3e-3).contains(&found.step.h), "{found:?}");
    // Arenstorf's orbit has long and short steps, and is not stiff.
    let orbit = "mu = 0.012277471
fn pull(y: vec[4]) {
  let d1 = ((y[0] + mu)^2 + y[1]^2)^1.5
  let d2 = ((y[0] - 1 + mu)^2 + y[1]^2)^1.5
  [y[2], y[3],
    y[0] + 2 * y[3] - (1 - mu) * (y[0] + mu) / d1 - mu * (y[0] - 1 + mu) / d2,
    y[1] - 2 * y[2] - (1 - mu) * y[1] / d1 - mu * y[1] / d2]
}
fn f(a: vec[4]) = solve t: 0 -> 17.065216560157962 with dopri5(rtol: 1e-7, atol: 1e-7) { y' = pull(y) from a }.y";
    let (_, cost) = one(orbit, &[0.994, 0.0, 0.0, -2.001_585_106_379_082_5]);
    assert!(cost.accepted > 150 && cost.stiff.is_none(), "{cost:?}");
}

/// Stages without a solution: an error with a cause, by equal steps and by a tolerance.
#[test]
fn stages_that_do_not_converge_are_said_to() {
    for solver in ["kvaerno5(steps: 1)", "backward_euler(steps: 3)"] {
        let words =
            failure(&format!("fn f(a: vec[1]) = solve t: 0 -> 50 with {solver} {{ y' = y^2 + 1 from a }}.y"), &[1.0]);
        assert!(words.contains("implicit stages") && words.contains("kvaerno5(rtol"), "{words}");
    }
}
