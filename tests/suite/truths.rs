//! Flows whose ends, densities and energies are known in closed form, through the language, its solvers and native code.

use crate::lang::{Function, experiment};
use flowc::numeric::linalg::{Matrix, bures, expm};
use flowc::numeric::stats::Summary;

const TIGHT: &str = "with dopri5(rtol: 1e-10, atol: 1e-10)";

fn near(found: &[f64], expected: &[f64], within: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= within * (1.0 + b.abs()), "{what}: {a}, not {b}");
    }
}

/// Every `of` of rows of `n`.
fn column(rows: &[f64], n: usize, of: usize) -> Summary {
    Summary::of(&rows.iter().skip(of).step_by(n).copied().collect::<Vec<_>>())
}

/// Scattered points of the plane and times inside (0, 1).
fn places(n: u32) -> (Vec<f64>, Vec<f64>) {
    let x = (0..2 * n).map(|k| 2.5 * (1.7 * f64::from(k) + 0.4).sin()).collect();
    let t = (0..n).map(|k| 0.05 + 0.9 * (f64::from(k) + 0.5) / f64::from(n)).collect();
    (x, t)
}

const WEIGHTS: [f64; 3] = [0.5, 0.3, 0.2];

/// The marginals of the path `p` from N(0, I) to an anisotropic mixture: log-density `log_p`, posterior means `data` of x1 and
/// `noise` of x0, velocity `u` and score (Albergo and Vanden-Eijnden 2023, appendix A).
fn mixture(p: &str) -> String {
    format!(
        "modes = [(w: 0.5, m: [2, 0], C: [[0.30, 0.20], [0.20, 0.30]]),\n\
                  (w: 0.3, m: [-2, 1], C: [[0.50, 0.00], [0.00, 0.05]]),\n\
                  (w: 0.2, m: [0, -2], C: [[0.10, -0.05], [-0.05, 0.20]])]\n\
         source = normal(dim: 2)\n\
         target = mixture(map(modes, k => (weight: k.w, of: normal(mean: k.m, cov: k.C))))\n\
         fn a(t) = {p}(0, 1, t)\n\
         fn b(t) = {p}(1, 0, t)\n\
         fn wide(t) = map(modes, k => a(t)^2 * k.C + b(t)^2 * identity(2))\n\
         fn logs(x, t) = map(0..3, i => log(modes[i].w) + log_density(normal(mean: a(t) * modes[i].m, cov: wide(t)[i]), x))\n\
         fn log_p(x, t) = logsumexp(logs(x, t))\n\
         fn share(x, t) = softmax(logs(x, t))\n\
         fn pull(x, t) = map(0..3, i => share(x, t)[i] * inverse(wide(t)[i]) @ (x - a(t) * modes[i].m))\n\
         fn data(x, t) = sum(map(0..3, i => share(x, t)[i] * modes[i].m + a(t) * modes[i].C @ pull(x, t)[i]))\n\
         fn noise(x, t) = b(t) * sum(pull(x, t))\n\
         fn score(x, t) = -sum(pull(x, t))\n\
         field u(x, t) = diff(a(t), t) * data(x, t) + diff(b(t), t) * noise(x, t)\n"
    )
}

#[test]
fn marginals_of_mixtures_agree_in_every_form() {
    let (x, t) = places(24);
    for p in ["straight", "trig", "vp"] {
        let text = mixture(p)
            + &format!(
                "fn f(x: vec[2], t: real) {{\n\
                   let v = u(x, t)\n\
                   let s = grad(log_p(x, t), x)\n\
                   let rate = partial(log_p(x, t), t)\n\
                   concat(score(x, t) - s,\n\
                     velocity_of_score(x, t, score: score, p: {p}) - v,\n\
                     velocity_of_data(x, t, d: data, p: {p}) - v,\n\
                     velocity_of_noise(x, t, e: noise, p: {p}) - v,\n\
                     (rate + div(u(x, t), x) + dot(v, s)) / (1 + abs(rate))) }}"
            );
        let gaps = Function::new(&text, &[&[2], &[]]).run(24, &[x.clone(), t.clone()]);
        // A velocity is divided by a or b on the way there: near an end that costs digits.
        for row in gaps.chunks(9) {
            assert!(row.iter().all(|g| g.abs() <= 1e-9), "{p}: {row:?}");
        }
    }
}

#[test]
fn a_mixture_comes_out_of_its_velocity_with_its_weights_and_its_density() {
    let text = mixture("straight")
        + "fn f() {\n\
             draw x0 ~ source\n\
             let end = solve t: 0 -> 1 with dopri5(rtol: 1e-9, atol: 1e-9) { x' = u(x, t) from x0; l' = div(u(x, t), x) from 0 }\n\
             concat(share(end.x, 1), log_density(source, x0) - end.l - log_density(target, end.x)) }";
    let rows = Function::new(&text, &[]).run(1_500, &[]);
    // Probabilities of a mode at samples of the mixture have its weight as their mean.
    for (k, w) in WEIGHTS.iter().enumerate() {
        let share = column(&rows, 4, k);
        assert!((share.mean - w).abs() < 4.0 * share.error(), "mode {k}: {} +- {}", share.mean, share.error());
    }
    assert!(rows.iter().skip(3).step_by(4).all(|gap| gap.abs() < 1e-6), "the density rides along");
}

/// Covariances of two normal laws, a shift, and the optimal map between them (Bures).
const S0: [f64; 4] = [1.0, 0.5, 0.5, 2.0];
const S1: [f64; 4] = [2.0, -0.3, -0.3, 0.5];
const SHIFT: [f64; 2] = [1.0, -1.0];
const MAP: [f64; 4] =
    [1.506_058_518_996_181_7, -0.289_009_572_211_928_1, -0.289_009_572_211_928_1, 0.534_266_615_655_297_4];
const DISTANCE: f64 = 2.928_835_643_810_304;

fn product(a: &[f64; 4], b: &[f64; 4]) -> [f64; 4] {
    std::array::from_fn(|k| a[k / 2 * 2] * b[k % 2] + a[k / 2 * 2 + 1] * b[2 + k % 2])
}

#[test]
fn the_optimal_map_of_normal_laws_costs_their_distance() {
    near(&product(&product(&MAP, &S0), &MAP), &S1, 1e-14, "A S0 A = S1");
    // E|T(x) - x|^2 = |m|^2 + tr (A - I) S0 (A - I).
    let less: [f64; 4] = std::array::from_fn(|k| MAP[k] - if k % 3 == 0 { 1.0 } else { 0.0 });
    let moved = product(&product(&less, &S0), &less);
    let cost = SHIFT.iter().map(|m| m * m).sum::<f64>() + moved[0] + moved[3];
    let exact = bures(&[0.0; 2], &Matrix::new(2, 2, S0.to_vec()), &SHIFT, &Matrix::new(2, 2, S1.to_vec()));
    near(&[cost, exact.expect("positive")], &[DISTANCE; 2], 1e-12, "the cost of the map");
}

/// Benamou and Brenier (2000): along straight lines to their images, energy is distance.
#[test]
fn the_flow_of_the_optimal_map_has_its_energy_and_its_density() {
    let of = |m: &[f64; 4]| format!("[[{}, {}], [{}, {}]]", m[0], m[1], m[2], m[3]);
    let text = format!(
        "A = {}\nm = [1, -1]\nsource = normal(mean: [0, 0], cov: {})\ntarget = normal(mean: m, cov: {})\n\
         field v(x, t) {{ let back = inverse((1 - t) * identity(2) + t * A) @ (x - t * m); (A - identity(2)) @ back + m }}\n\
         fn f() {{\n\
           draw x0 ~ source\n\
           let end = solve t: 0 -> 1 {TIGHT} {{\n\
             x' = v(x, t) from x0; e' = norm(v(x, t))^2 from 0; l' = div(v(x, t), x) from 0 }}\n\
           let image = A @ x0 + m\n\
           concat(end.x - image, end.e - norm(image - x0)^2,\n\
             log_density(source, x0) - end.l - log_density(target, end.x), end.e) }}",
        of(&MAP),
        of(&S0),
        of(&S1)
    );
    let rows = Function::new(&text, &[]).run(4_000, &[]);
    for row in rows.chunks(5) {
        assert!(row[..4].iter().all(|gap| gap.abs() < 1e-8 * (1.0 + row[4])), "{row:?}");
    }
    let energy = column(&rows, 5, 4);
    assert!((energy.mean - DISTANCE).abs() < 4.0 * energy.error(), "{} +- {}", energy.mean, energy.error());
}

#[test]
fn linear_flows_are_exponentials_of_their_matrix() {
    for (b, end) in [([-0.1, -2.0, 2.0, -0.1], 1.0), ([-0.1, -2.0, 2.0, -0.1], 10.0), ([0.3, 1.2, -0.4, -0.7], 2.5)] {
        let power = expm(&Matrix::new(2, 2, b.iter().map(|e| e * end).collect())).expect("finite").data;
        let text = format!(
            "B = [[{}, {}], [{}, {}]]\nsource = normal(mean: [0.5, 0], cov: [[1, 0.5], [0.5, 2]])\n\
             fn f(y0: vec[2]) {{\n\
               let end = solve t: 0 -> {end} {TIGHT} {{ y' = B @ y from y0; l' = div(B @ y, y) from 0 }}\n\
               concat(end.y, end.l) }}",
            b[0], b[1], b[2], b[3]
        );
        let starts = [2.0, 0.0, -0.3, 1.7];
        let expected = starts
            .chunks(2)
            .flat_map(|y| [power[0] * y[0] + power[1] * y[1], power[2] * y[0] + power[3] * y[1], end * (b[0] + b[3])]);
        let found = Function::new(&text, &[&[2]]).run(2, &[starts.to_vec()]);
        near(&found, &expected.collect::<Vec<_>>(), 1e-8, "e^(BT) y0 and T tr B");
    }
}

/// A linear flow of a normal law is normal: mean e^(BT) m, covariance e^(BT) S e^(BT)', both as a density and as samples.
#[test]
fn linear_flows_push_normal_laws_to_normal_laws() {
    let b = [0.3, 1.2, -0.4, -0.7];
    let power: [f64; 4] = expm(&Matrix::new(2, 2, b.to_vec())).expect("finite").data.try_into().expect("four");
    let turned = [power[0], power[2], power[1], power[3]];
    let cov = product(&product(&power, &S0), &turned);
    let text = format!(
        "B = [[{}, {}], [{}, {}]]\nsource = normal(mean: [0, 0], cov: [[1, 0.5], [0.5, 2]])\n\
         target = normal(mean: [0, 0], cov: [[{}, {}], [{}, {}]])\n\
         field v(x, t) = B @ x\n\
         fn f() {{\n\
           draw x0 ~ source\n\
           let x = solve t: 0 -> 1 {TIGHT} {{ x' = v(x, t) from x0 }}.x\n\
           let back = solve t: 1 -> 0 {TIGHT} {{ z' = v(z, t) from x; l' = div(v(z, t), z) from 0 }}\n\
           concat(x[0] * x, x[1]^2, log_density(source, back.z) + back.l - log_density(target, x)) }}",
        b[0], b[1], b[2], b[3], cov[0], cov[1], cov[2], cov[3]
    );
    let rows = Function::new(&text, &[]).run(8_000, &[]);
    for (k, expected) in [cov[0], cov[1], cov[3]].iter().enumerate() {
        let found = column(&rows, 4, k);
        assert!((found.mean - expected).abs() < 4.0 * found.error(), "{k}: {} for {expected}", found.mean);
    }
    assert!(rows.iter().skip(3).step_by(4).all(|gap| gap.abs() < 1e-8), "its density");
}

/// Solutions on a line do not cross: whatever the field, -1 stays below 1, and the error of carrying each to the other's place
/// is at least 1 (Dupont et al. 2019, proposition 1).
#[test]
fn no_field_on_the_line_exchanges_two_points() {
    let text = "field v(h, t) = 40 * mlp(concat(h, t), hidden: [16, 16], out: dim(h), activation: tanh)\n\
                fn end(h0: vec[1], s: real) = solve t: 0 -> 1 with dopri5(rtol: 1e-9, atol: 1e-9) { h' = v(s * h, t) from h0 }.h[0]\n\
                fn f(s: real) { let a = end([-1], s); let b = end([1], s); [b - a, ((a - 1)^2 + (b + 1)^2) / 2] }";
    let rows = Function::new(text, &[&[]]).run(32, &[(0..32).map(|k| f64::from(k) / 8.0 - 2.0).collect()]);
    for row in rows.chunks(2) {
        assert!(row[0] > 0.0 && row[1] >= 1.0, "{row:?}");
    }
}

/// The shipped spec of that: trained whole, its two expectations are the theorem and its cure.
#[test]
fn a_second_dimension_exchanges_them() {
    let record = experiment(include_str!("../../specs/anode.flow"));
    assert_eq!(record.expectations.len(), 2);
    for e in &record.expectations {
        assert_eq!(e.holds, Some(true), "{} (left {:?}, right {:?})", e.text, e.left, e.right);
    }
}
