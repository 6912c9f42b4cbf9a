//! Laws of the metrics that are averages: closed forms of Gaussian flows, importance weights, shares of modes, entropies.

use crate::lang::experiment;
use flowc::metrics::{
    MetricError, effective_sample_size, entropy, kolmogorov_floor, kolmogorov_smirnov, log_normalizer, total_variation,
};
use flowc::report::record::{Metric, RunRecord};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::f64::consts::{LN_2, PI};

fn metric<'a>(record: &'a RunRecord, name: &str) -> &'a Metric {
    let all = &record.cells[0].metrics;
    all.iter().find(|m| m.name == name).unwrap_or_else(|| panic!("{name}: {:?}", all.iter().map(|m| &m.name)))
}

/// The exact field from N(0, I) to N((2, 0), I/4) along straight lines, whose flow is x1 = m + s x0.
const GAUSSIANS: &str = "precision f64
m = [2, 0]
s = 0.5
source = normal(dim: 2)
target = normal(mean: m, std: s)
field u(x, t) {
  let w = t^2 * s^2 + (1 - t)^2
  m + (t * s^2 - (1 - t)) / w * (x - t * m)
}
generate { sampler: flow(u), solver: dopri5(rtol: 1e-8, atol: 1e-8), count: 4_000 }
";

#[test]
fn closed_forms_of_a_gaussian_flow() {
    let list = "[nll, bits_per_dim, kl, straightness, inverse_error, log_volume, continuity_residual, calibration, solver_error]";
    let r = experiment(&format!("{GAUSSIANS}evaluate {list}"));
    let s = 0.5_f64;
    let of = |name: &str| metric(&r, name);
    let near = |name: &str, want: f64| {
        let m = of(name);
        let slack = 4.0 * m.standard_error.expect("an error") + 1e-6;
        assert!((m.value - want).abs() < slack, "{name}: {} ± {slack} for {want}", m.value);
    };
    let h = 1.0 + (2.0 * PI).ln() + 2.0 * s.ln();
    near("nll", h);
    assert!((of("nll").floor.expect("exact") - h).abs() < 1e-12 && of("nll").floor_sd == Some(0.0));
    near("bits_per_dim", h / (2.0 * LN_2));
    assert!((of("bits_per_dim").floor.expect("exact") - h / (2.0 * LN_2)).abs() < 1e-12);
    assert!(of("kl").value.abs() < 1e-6);
    // Path energy less squared distance: d s (2 - pi / 2).
    near("straightness", 2.0 * s * (2.0 - PI / 2.0));
    assert!((of("log_volume").value - 2.0 * s.ln()).abs() < 1e-6, "{}", of("log_volume").value);
    assert!(of("inverse_error").value < 1e-6 && of("solver_error").value < 1e-4);
    assert!(of("continuity_residual").value < 1e-12);
    let c = of("calibration");
    assert!(c.value < c.floor.expect("a floor") + 5.0 * c.floor_sd.expect("its spread"), "{c:?}");
    assert!(r.cells[0].metrics.iter().all(|m| m.size.is_some() && m.standard_error.is_some()));
}

/// A field that is off by a constant breaks the continuity equation by `|delta . score|`, whose mean is a closed form; a law that is
/// too wide is found by its coverage; Euler's error falls with its steps.
#[test]
fn what_is_wrong_is_seen() {
    let wrong = GAUSSIANS.replace("(x - t * m)\n", "(x - t * m) + [0, 0.25]\n");
    let list = "[continuity_residual, calibration, inverse_error(solver: euler(steps: 4)), solver_error(solver: euler(steps: 8)), \
                solver_error(solver: euler(steps: 16))]";
    let r = experiment(&format!("{wrong}evaluate {list}"));
    // E |z| / sqrt(w(t)) over t, by a fine sum.
    let mean: f64 = (0..100_000)
        .map(|k| (f64::from(k) + 0.5) / 1e5)
        .map(|t| 1.0 / (t * t * 0.25 + (1.0 - t) * (1.0 - t)).sqrt())
        .sum::<f64>()
        / 1e5;
    let want = 0.25 * (2.0 / PI).sqrt() * mean;
    let m = metric(&r, "continuity_residual");
    assert!((m.value - want).abs() < 4.0 * m.standard_error.expect("an error"), "{} for {want}", m.value);
    assert!(metric(&r, "inverse_error(solver: euler(steps: 4))").value > 0.01);
    let (coarse, fine) =
        (metric(&r, "solver_error(solver: euler(steps: 8))"), metric(&r, "solver_error(solver: euler(steps: 16))"));
    assert!((coarse.value / fine.value - 2.0).abs() < 0.4, "{} {}", coarse.value, fine.value);
    let wide = "source = normal(dim: 2)\ntarget = normal(dim: 2)\nfield u(x, t) = 0.4 * x\n\
        generate { sampler: flow(u), count: 500 }\nevaluate [calibration]";
    let c = experiment(wide);
    let c = metric(&c, "calibration");
    assert!(c.value > c.floor.expect("a floor") + 8.0 * c.floor_sd.expect("its spread"), "{c:?}");
}

#[test]
fn residuals_know_other_paths_and_mixtures() {
    // On the quarter circle N(0, I) goes to itself by rest: p does not change.
    let rest = "precision f64\nsource = normal(dim: 2)\ntarget = affine(normal(dim: 2), scale: 1, shift: 0)\n\
        field u(x, t) = 0 * x\ngenerate { sampler: flow(u), count: 300 }\nevaluate [continuity_residual(path: trig)]";
    assert!(metric(&experiment(rest), "continuity_residual(path: trig)").value < 1e-12);
    // A translated mixture keeps its shape; both ends are mixtures, by their modes.
    let r = experiment(&rest.replace("path: trig", "path: straight"));
    assert!(metric(&r, "continuity_residual(path: straight)").value > 0.3, "straight lines pass through less variance");
}

#[test]
fn importance_weights_have_their_closed_forms() {
    // q = N(0, 1), p proportional to N(mu, 1): ESS exp(-mu^2), log Z as given.
    let text = "precision f64\nsource = normal(dim: 1)\ntarget = normal(dim: 1)\n\
        log_density energy(x: vec[1]) = 2.5 + log_density(normal(mean: [0.5], std: 1), x)\n\
        generate { sampler: normal(dim: 1), count: 300 }\nevaluate [effective_sample_size(energy), log_normalizer(energy)]";
    let r = experiment(text);
    for (name, want) in [("effective_sample_size(energy)", (-0.25_f64).exp()), ("log_normalizer(energy)", 2.5)] {
        let m = metric(&r, name);
        let e = m.standard_error.expect("an error");
        assert!(e > 0.0 && (m.value - want).abs() < 4.0 * e, "{name}: {} ± {e} for {want}", m.value);
    }
    let w = [0.0, f64::NEG_INFINITY, 0.0, f64::NEG_INFINITY];
    assert!((effective_sample_size(&w).expect("weights").value - 0.5).abs() < 1e-15);
    assert!((log_normalizer(&w).expect("weights").value - 0.5_f64.ln()).abs() < 1e-15);
    // Weights are known up to a factor: only the normalizer moves, and neither overflows.
    let shifted: Vec<f64> = [1.0, 0.5, -2.0].iter().map(|l| l + 1e4).collect();
    let plain = effective_sample_size(&[1.0, 0.5, -2.0]).expect("weights").value;
    assert!((effective_sample_size(&shifted).expect("weights").value - plain).abs() < 1e-12);
    assert!(
        (log_normalizer(&shifted).expect("weights").value
            - 1e4
            - log_normalizer(&[1.0, 0.5, -2.0]).expect("weights").value)
            .abs()
            < 1e-9
    );
    assert!(matches!(effective_sample_size(&[0.0]), Err(MetricError::TooFew { .. })));
    assert!(matches!(log_normalizer(&[0.0, f64::NAN]), Err(MetricError::NotFinite { sample: 1 })));
    assert!(matches!(log_normalizer(&[f64::NEG_INFINITY; 3]), Err(MetricError::BadValue(_))));
}

#[test]
fn shares_of_modes() {
    let text = |first: f64| {
        format!(
            "source = normal(dim: 2)\ntarget = mixture(of: [(weight: 1, of: normal(mean: [3, 0], std: 1)), (weight: 1, of: \
             normal(mean: [-3, 0], std: 1))])\nmine = mixture(of: [(weight: {first}, of: normal(mean: [3, 0], std: 1)), (weight: 1, \
             of: normal(mean: [-3, 0], std: 1))])\ngenerate {{ sampler: mine, count: 6_000 }}\nevaluate [mode_weights]"
        )
    };
    let (right, wrong) = (experiment(&text(1.0)), experiment(&text(3.0)));
    let (right, wrong) = (metric(&right, "mode_weights"), metric(&wrong, "mode_weights"));
    assert!(right.value < 0.03 && right.floor.expect("a floor") < 0.03, "{right:?}");
    assert!((wrong.value - 0.25).abs() < 4.0 * wrong.standard_error.expect("an error"), "{wrong:?}");
    let moons = "source = normal(dim: 2)\ntarget = moons(noise: 0.1)\nsampler one_arc {\n  draw a ~ uniform(0, pi)\n  draw z ~ \
        normal(dim: 2)\n  [cos(a), sin(a)] + 0.1 * z\n}\ngenerate { sampler: one_arc, count: 1_000 }\nevaluate [mode_weights]";
    assert!((metric(&experiment(moons), "mode_weights").value - 0.5).abs() < 0.02, "one arc of two");
    assert!((total_variation(&[0.5, 0.5], &[0.9, 0.1]) - 0.4).abs() < 1e-15);
}

/// Entropies of results that others computed by quadrature, in nats.
#[test]
fn entropies_of_targets_are_exact() {
    for (target, want) in [
        ("moons(noise: 0.05)", 0.28923),
        ("moons(noise: 0.1)", 1.00758),
        ("moons(noise: 0.2)", 1.67748),
        ("eight_gaussians(radius: 5, std: 1)", 4.77073),
        ("affine(moons(noise: 0.1), scale: 2, shift: [-1, -0.2])", 2.39387),
        ("checkerboard()", 3.46574),
        ("normal(std: 2, dim: 2)", 1.0 + (2.0 * PI).ln() + 2.0 * LN_2),
    ] {
        let text = format!(
            "source = normal(dim: 2)\ntarget = {target}\nfield u(x, t) = 0.1 * x\n\
             generate {{ sampler: flow(u), solver: euler(steps: 1), count: 100 }}\nevaluate [nll]"
        );
        let r = experiment(&text);
        let m = metric(&r, "nll");
        let (floor, sd) = (m.floor.expect("a floor"), m.floor_sd.expect("exact"));
        assert!((floor - want).abs() < 3e-5 && sd == 0.0, "{target}: {floor} for {want}");
    }
    // A density that the box cuts, and one that is not smooth, are refused rather than guessed.
    let normal = |x: &[f64]| Ok::<_, ()>(x.iter().map(|x| -x * x / 2.0 - (2.0 * PI).ln() / 2.0).collect());
    let h = entropy(&[-9.0], &[9.0], normal).expect("no error").expect("smooth");
    assert!((h - 0.5 * (1.0 + (2.0 * PI).ln())).abs() < 1e-9);
    assert_eq!(entropy(&[-1.0], &[9.0], normal), Ok(None));
    let edge = |x: &[f64]| Ok::<_, ()>(x.iter().map(|x| if *x < 0.3137 { 0.0 } else { f64::NEG_INFINITY }).collect());
    assert_eq!(entropy(&[-0.6863], &[1.5], edge), Ok(None));
    assert_eq!(entropy(&[0.0; 3], &[1.0; 3], normal), Ok(None));
}

/// A density that forgets its constant makes every excess over it wrong by a number that quadrature knows.
#[test]
fn a_density_that_does_not_integrate_to_one_is_told() {
    let spec = |density: &str, target: &str, metric: &str| {
        format!(
            "sampler two {{ draw z ~ normal(dim: 2); 2 * z }}\nlog_density two(x: vec[2]) = {density}\n\
             source = normal(dim: 2, std: 2)\ntarget = {target}\nfield u(x, t) = 0 * x\n\
             generate {{ sampler: flow(u), solver: euler(steps: 1), count: 100 }}\nevaluate [{metric}]"
        )
    };
    for name in ["kl", "nll"] {
        let r = experiment(&spec("-norm(x)^2 / 8", "two", name));
        let note = metric(&r, name).note.clone().expect("it misses log(8 pi)");
        assert!(note.contains("integrates to 25.1"), "{note}");
    }
    let right = "-norm(x)^2 / 8 - log(8 * pi)";
    for target in ["two", "laplace(dim: 2)", "uniform(-1, 1, dim: 2)", "checkerboard()", "moons(noise: 0.05)"] {
        let r = experiment(&spec(right, target, "nll"));
        assert_eq!(metric(&r, "nll").note, None, "{target}");
    }
}

#[test]
fn gaps_of_distribution_functions() {
    assert_eq!(kolmogorov_smirnov(&[1.0, 2.0], &[3.0, 4.0]), Ok(1.0));
    assert_eq!(kolmogorov_smirnov(&[1.0, 2.0, 2.0], &[2.0, 1.0, 2.0]), Ok(0.0));
    assert_eq!(kolmogorov_smirnov(&[0.0, 1.0, 2.0, 3.0], &[1.5]), Ok(0.5));
    assert!(kolmogorov_smirnov(&[], &[1.0]).is_err() && kolmogorov_smirnov(&[f64::NAN], &[1.0]).is_err());
    let mut rng = StdRng::seed_from_u64(1);
    let mut draw = |n: usize| (0..n).map(|_| rng.random::<f64>()).collect::<Vec<_>>();
    let all: Vec<f64> = (0..300).map(|_| kolmogorov_smirnov(&draw(400), &draw(600)).expect("numbers")).collect();
    let s = flowc::numeric::stats::Summary::of(&all);
    let (mean, deviation) = kolmogorov_floor(400, 600);
    assert!((s.mean / mean - 1.0).abs() < 0.06 && (s.deviation / deviation - 1.0).abs() < 0.2, "{s:?}");
}

/// An objective of the user's is averaged like any other, `quality_by_steps` is six lines, and training is timed.
#[test]
fn lists_of_metrics_say_what_they_stand_for() {
    let text = "source = normal(dim: 2)\ntarget = normal(mean: [3, 0], dim: 2)\n\
        field v(x, t) = mlp(concat(x, t), hidden: [8], out: dim(x))\n\
        objective square(k: real) { draw x ~ target; minimize k * dot(x, x) }\n\
        train { objective: flow_matching(v, straight), steps: 30 }\n\
        generate { sampler: flow(v), count: 300 }\n\
        evaluate [square(2), wasserstein2(solver: euler(steps: 5)), quality_by_steps, step_time]";
    let r = experiment(text);
    let m = metric(&r, "square(2)");
    assert!((m.value - 22.0).abs() < 4.0 * m.standard_error.expect("an error"), "{m:?}");
    let names: Vec<&str> = r.cells[0].metrics.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names.len(), 8, "{names:?}");
    for steps in [1, 2, 5, 10, 20, 100] {
        assert!(names.contains(&format!("wasserstein2(solver: euler(steps: {steps}))").as_str()), "{names:?}");
    }
    let t = metric(&r, "step_time");
    assert!(t.value > 0.0 && t.value < 1.0 && t.unit.as_deref() == Some("s"), "{t:?}");
}
