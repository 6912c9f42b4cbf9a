//! Laws of `solve` over a vector of times, and of functions over its rows.

use crate::lang::{Function, experiment, refused};
use flowc::diag::Code;
use flowc::ir::Op;

const TIGHT: &str = "with dopri5(rtol: 1e-12, atol: 1e-12)";

fn near(found: &[f64], expected: &[f64], within: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= within * (1.0 + b.abs()), "{what}: {found:?}, not {expected:?}");
    }
}

/// Rotation at rate 2 with decay 0.1 has a closed form.
fn spiral(from: f64, t: f64) -> [f64; 2] {
    let (r, a) = ((-0.1 * (t - from)).exp(), 2.0 * (t - from));
    [2.0 * r * a.cos(), 2.0 * r * a.sin()]
}

const SPIRAL: &str = "fn truth(y: vec[2], t: real) = [-0.1 * y[0] - 2 * y[1], 2 * y[0] - 0.1 * y[1]]";

#[test]
fn a_row_for_each_time_in_either_direction() {
    for (times, from) in
        [("[0, 0.3, 0.31, 2, 5]", 0.0), ("[5, 2, 0.31, 0.3, 0]", 5.0), ("[1, 1, 1]", 1.0), ("[3]", 3.0)]
    {
        let text = format!("{SPIRAL}\nfn f(y0: vec[2]) = (solve t: {times} {TIGHT} {{ y' = truth(y, t) from y0 }}).y");
        let all: Vec<f64> = times.trim_matches(['[', ']']).split(", ").map(|t| t.parse().expect("a time")).collect();
        let expected: Vec<f64> = all.iter().flat_map(|&t| spiral(from, t)).collect();
        near(&Function::new(&text, &[&[2]]).run(1, &[vec![2.0, 0.0]]), &expected, 1e-7, times);
    }
}

#[test]
fn the_last_row_is_the_solve_to_the_end() {
    let of = |what: &str| {
        let text = format!("{SPIRAL}\nfn f(y0: vec[2]) = {what}");
        Function::new(&text, &[&[2]]).run(3, &[vec![2.0, 0.0, 1.0, 1.0, -0.5, 0.7]])
    };
    for solver in ["dopri5(rtol: 1e-6, atol: 1e-6)", "rk4(steps: 9)", "heun(step: 0.05)"] {
        let end = of(&format!("solve t: 1 -> 2 with {solver} {{ y' = truth(y, t) from y0 }}.y"));
        let row = of(&format!("(solve t: [1, 1.25, 2] with {solver} {{ y' = truth(y, t) from y0 }}.y)[2]"));
        assert_eq!(end, row, "{solver}: observing changes no step");
    }
}

#[test]
fn reals_vectors_and_several_components_have_their_rows() {
    let text = format!(
        "fn f(a: real) {{ let s = solve t: [0, 0.5, 1] {TIGHT} {{ x' = -x from a; q' = [1, t] from [a, 0] }};\n\
         concat(s.x, s.q[0], s.q[1], s.q[2]) }}"
    );
    let e = |t: f64| 3.0 * (-t).exp();
    let expected = [e(0.0), e(0.5), e(1.0), 3.0, 0.0, 3.5, 0.125, 4.0, 0.5];
    near(&Function::new(&text, &[&[]]).run(1, &[vec![3.0]]), &expected, 1e-9, &text);
}

#[test]
fn drawn_times_are_each_samples_own() {
    let text = format!("fn f(ts: vec[3], a: real) = (solve t: ts {TIGHT} {{ x' = -x from a }}).x");
    let f = Function::new(&text, &[&[3], &[]]);
    let times = [[0.0, 0.5, 1.0], [2.0, 1.0, 0.0], [1.0, 1.5, 4.0]];
    let starts = [1.0, 2.0, 3.0];
    let found = f.run(3, &[times.concat(), starts.to_vec()]);
    for (i, row) in found.chunks(3).enumerate() {
        let expected = times[i].map(|t| starts[i] * (times[i][0] - t).exp());
        near(row, &expected, 1e-9, &text);
        // A sample alone gives the same bits.
        assert_eq!(f.run(1, &[times[i].to_vec(), vec![starts[i]]]), row, "sample {i}");
    }
}

#[test]
fn a_thousand_times_do_not_unroll() {
    let nodes = |n: usize| {
        let text = format!(
            "{SPIRAL}\nfn f(y0: vec[2]) {{ let ys = solve t: linspace(0, 2, {n}) {TIGHT} {{ y' = truth(y, t) from y0 }}.y\n\
             mean(map(ys, y => norm(y - [1, 0])^2)) + mean(abs(ys)) }}"
        );
        let f = Function::new(&text, &[&[2]]);
        let seen = flowc::ir::reachable(&f.program.dag, &[f.program.outputs[0].1], |_| false);
        (seen.iter().filter(|s| **s).count(), f.run(1, &[vec![2.0, 0.0]])[0])
    };
    let (few, _) = nodes(10);
    let (many, value) = nodes(1_000);
    assert_eq!(few, many, "nodes do not grow with the number of times");
    let rows = (0..1_000).map(|i| spiral(0.0, 2.0 * f64::from(i) / 999.0));
    let expected: f64 = rows.map(|[x, y]| (x - 1.0).powi(2) + y * y + (x.abs() + y.abs()) / 2.0).sum::<f64>() / 1_000.0;
    near(&[value], &[expected], 1e-7, "mean over rows");
}

/// What holds of a matrix as a whole, and what of its rows.
#[test]
fn functions_see_all_elements_and_map_goes_by_rows() {
    let rows: [[f64; 2]; 3] = [[3.0, 4.0], [0.0, -1.0], [0.5, 0.0]];
    let norms: Vec<f64> = rows.iter().map(|r| r[0].hypot(r[1])).collect();
    let all: Vec<f64> = rows.concat();
    let whole = all.iter().map(|x| x * x).sum::<f64>().sqrt();
    for (what, expected) in [
        ("norm(A)", vec![whole]),
        ("mean(abs(A))", vec![all.iter().map(|x| x.abs()).sum::<f64>() / 6.0]),
        ("map(A, r => norm(r))", norms.clone()),
        ("map(A, r => norm(r)^2)", norms.iter().map(|n| n * n).collect()),
        ("map(A, r => norm(r))^2", norms.iter().map(|n| n * n).collect()),
        ("mean(map(A, r => norm(r)))", vec![norms.iter().sum::<f64>() / 3.0]),
        ("map(A, r => max(r[0], 2 * r[1]) + dot(r, [1, 2]))", vec![19.0, -2.0, 1.0]),
        ("map(A, r => if r[0] > 1 then r[1] else 7)", vec![4.0, 7.0, 7.0]),
        // Rows that are vectors stay a list: their sum is a vector.
        ("sum(map(A, r => 2 * r))", vec![7.0, 6.0]),
        ("norm(map(A, r => [[1, 1], [0, 2]] @ r))", vec![(49.0_f64 + 64.0 + 1.0 + 4.0 + 0.25).sqrt()]),
        ("map(A, r => concat(r, r[0]^2)[1..3])[0]", vec![4.0, 9.0]),
        ("map(A, r => 5)", vec![5.0, 5.0, 5.0]),
        // A derivative in the row has no form over rows: row by row.
        ("map(A, r => norm(grad(r[0]^3 + r[1], r)))", rows.map(|r| (9.0 * r[0].powi(4) + 1.0).sqrt()).to_vec()),
        ("map(transpose(A)[0], x => x^2)", vec![9.0, 0.0, 0.25]),
    ] {
        let text = format!("fn f(A: mat[3, 2]) = {what}");
        let f = Function::new(&text, &[&[3, 2]]);
        near(&f.at(&[&all]), &expected, 1e-12, what);
        near(&f.run(1, std::slice::from_ref(&all)), &expected, 1e-12, what);
    }
}

#[test]
fn what_is_new_for_each_row_stays_so() {
    // A draw inside is a draw for each row; a net inside is one net; a layer inside is a layer for each row.
    for (what, draws, params) in [
        ("draw x ~ normal(dim: 3)\nmap(x, e => e + draw_of(normal()))", 4, 0),
        ("draw x ~ normal(dim: 3)\nmap(x, e => u([e]))", 1, 2),
    ] {
        let text = format!("net u(a: vec[1]) = dense(a, out: 1)[0]\nfn f(y: real) {{ {what} }}");
        let f = Function::new(&text, &[&[]]);
        assert_eq!((f.program.draws.len(), f.params().len()), (draws, params), "{what}");
    }
    let text =
        "net u(a: vec[3]) = map(a, e => dense([e], out: 1)[0])\nfn f(y: real) = sum(u([y, y, y])) + sum(u([1, y, y]))";
    let f = Function::new(text, &[&[]]);
    assert_eq!(f.params().len(), 6, "a layer for each element, shared by both calls");
    let used = f.program.dag.ids().filter(|id| matches!(f.program.dag.op(*id), Op::Param(_))).count();
    assert_eq!(used, 6);
}

#[test]
fn what_is_no_vector_of_times_is_refused() {
    for (text, code) in [
        ("fn f(x: real) = solve t: 1 { y' = y from x }.y", Code::TypeMismatch),
        ("fn f(x: real) = solve t: [[0, 1], [1, 2]] { y' = y from x }.y", Code::TypeMismatch),
        ("fn f(x: real) = solve t: [0, 1, 0.5] { y' = y from x }.y", Code::TimesOutOfOrder),
        ("fn f(x: real) = solve t: [1, 0, 0.5] { y' = y from x }.y", Code::TimesOutOfOrder),
        ("fn f(x: real) = solve t: [0, 1 / 0] { y' = y from x }.y", Code::TimesOutOfOrder),
    ] {
        assert_eq!(refused(text, &[&[]])[0].code, code, "{text}");
    }
}

#[test]
fn a_sampler_may_end_at_a_row() {
    let text = "
        source = normal(dim: 2)
        target = normal(mean: [1, 0], std: 0.5, dim: 2)
        field u(x, t) { let s = 1 - 0.5 * t; (x - t * [1, 0]) * (-0.5) / s + [1, 0] }
        sampler half(v: field) { draw x0 ~ source; (solve t: [0, 0.5, 1] { x' = v(x, t) from x0 }.x)[2] }
        generate { sampler: half(u), solver: dopri5(rtol: 1e-6, atol: 1e-6), count: 1_000 }
        evaluate [wasserstein2, nfe, path_energy]";
    let record = experiment(text);
    let of = |name: &str| record.cells[0].metrics.iter().find(|m| m.name == name).expect("measured").value;
    // Straight paths between two Gaussians: the kinetic energy is the squared distance |m|^2 + 2 (1 - s)^2.
    assert!((of("path_energy") - 1.5).abs() < 0.1, "{}", of("path_energy"));
    assert!(of("wasserstein2") < 0.2 && of("nfe") > 6.0);
}
