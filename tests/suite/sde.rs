//! Laws of equations with noise: strong and weak orders, exact moments of the methods, bits, and what is refused.

use crate::lang::{Function, experiment, faults, refused};
use crate::solve::Plain;
use flowc::backend::{LANES, PANEL};
use flowc::codegen::Jit;
use flowc::diag::Code;
use flowc::kernels::Isa;
use flowc::numeric::noise::NoiseTableau;
use flowc::numeric::rational::{Rational, fraction, integer};
use flowc::numeric::tableau::Tableau;
use flowc::rng::{self, Key};
use flowc::run::forward::{Forward, Request};
use flowc::run::pool::Pool;
use flowc::solve::{
    Cause, Noise, Observe, Problem, SampleCount, SolveError, SolverConfig, Steps, Stochastic, StochasticOut, pack,
    unpack,
};
use flowc::{autodiff, opt, stage};
use std::sync::Arc;

// Methods as exact numbers

fn rows(rows: &[&[(i64, i64)]]) -> Vec<Vec<Rational>> {
    rows.iter().map(|r| r.iter().map(|&(a, b)| fraction(a, b).expect("a quotient")).collect()).collect()
}

fn named(name: &str) -> Tableau {
    let q = |a, b| fraction(a, b).expect("a quotient");
    let one = integer(1);
    let (c, a, b, order, noise) = match name {
        "euler_maruyama" => {
            let b = [vec![one.clone()], vec![integer(0)], vec![integer(0)], vec![integer(0)]];
            let noise = NoiseTableau {
                a: rows(&[&[]]),
                c: vec![integer(0)],
                drift: rows(&[&[]]),
                diffusion: rows(&[&[]]),
                b,
                order: q(1, 2),
            };
            (vec![integer(0)], rows(&[&[]]), vec![one], 1, noise)
        }
        "platen" => {
            let noise = NoiseTableau {
                a: rows(&[&[], &[(0, 1)]]),
                c: vec![integer(0), integer(1)],
                drift: rows(&[&[], &[(1, 1)]]),
                diffusion: rows(&[&[], &[(1, 1)]]),
                b: rows(&[&[(1, 1), (0, 1)], &[(-1, 1), (1, 1)], &[(0, 1); 2], &[(0, 1); 2]]).try_into().expect("four"),
                order: one.clone(),
            };
            (vec![integer(0); 2], rows(&[&[], &[(0, 1)]]), vec![one, integer(0)], 1, noise)
        }
        "sriw1" => {
            let z = (0, 1);
            let noise = NoiseTableau {
                a: rows(&[&[], &[(3, 2)], &[z, z], &[z, z, z]]),
                c: vec![integer(0), q(1, 4), integer(1), q(1, 4)],
                drift: rows(&[&[], &[(1, 4)], &[(1, 1), z], &[z, z, (1, 4)]]),
                diffusion: rows(&[&[], &[(1, 2)], &[(-1, 1), z], &[(-5, 1), (3, 1), (1, 2)]]),
                b: rows(&[
                    &[(-1, 1), (4, 3), (2, 3), z],
                    &[(-1, 1), (4, 3), (-1, 3), z],
                    &[(2, 1), (-4, 3), (-2, 3), z],
                    &[(-2, 1), (5, 3), (-2, 3), (1, 1)],
                ])
                .try_into()
                .expect("four"),
                order: q(3, 2),
            };
            let c = vec![integer(0), q(3, 4), integer(0), integer(0)];
            (c, rows(&[&[], &[(3, 4)], &[z, z], &[z, z, z]]), vec![q(1, 3), q(2, 3), integer(0), integer(0)], 2, noise)
        }
        other => panic!("no method {other}"),
    };
    Tableau {
        name: name.into(),
        c,
        a,
        b,
        embedded: None,
        order,
        residual: integer(0),
        interpolant: None,
        noise: Some(noise),
    }
}

const METHODS: [&str; 3] = ["euler_maruyama", "platen", "sriw1"];

#[test]
fn orders_are_proved_and_one_wrong_entry_is_found() {
    for name in METHODS {
        let t = named(name);
        let noise = t.noise.clone().expect("stochastic");
        assert_eq!(noise.check(&t), [], "{name}");
        // The next order is not reached.
        let more = NoiseTableau { order: &noise.order + fraction(1, 2).expect("a half"), ..noise.clone() };
        assert!(!more.check(&t).is_empty(), "{name} claims too much");
        for row in 0..4 {
            for column in 0..noise.b[row].len() {
                let mut wrong = noise.clone();
                wrong.b[row][column] += fraction(1, 7).expect("a seventh");
                assert!(!wrong.check(&t).is_empty(), "{name}: b[{row}][{column}]");
            }
        }
        for i in 1..noise.c.len() {
            let mut wrong = noise.clone();
            wrong.c[i] += integer(1);
            assert!(!wrong.check(&t).is_empty(), "{name}: c[{i}]");
        }
    }
}

// Measured orders

struct Keyed(u64);

impl Noise<f64> for Keyed {
    fn fill(&self, step: u64, first: usize, panels: usize, rows: usize, out: &mut [f64]) {
        rng::fill_normal(out, rows, Key::new(self.0, &format!("test {step}")), 5, 0, first as u64, panels);
    }
}

type Field = fn(t: f64, y: &[f64], c: &[f64], dy: &mut [f64]);

/// States at time 1 from `y0`, and the Brownian motion there, `[sample]` of one element.
fn run(name: &str, fields: (Field, Field), y0: f64, steps: u32, samples: usize) -> (Vec<f64>, Vec<f64>) {
    let (drift, diffusion) = (Plain::new(1, 0, fields.0), Plain::new(1, 0, fields.1));
    let config =
        SolverConfig { method: Arc::new(named(name).method()), steps: Steps::Count(steps), max_steps: 1, chunk: None };
    let y0 = pack(&vec![y0; samples], 1);
    let problem = Problem { samples, y0: &y0, captures: &[], t0: &[0.0], t1: &[1.0], observe: Observe::Nothing };
    let noise = Keyed(u64::from(steps));
    let solve = Stochastic {
        drift: &drift,
        diffusion: &diffusion,
        captures: &[],
        noise: &noise,
        config: &config,
        problem: &problem,
    };
    let (mut ends, mut counts) = (y0.clone(), vec![SampleCount::default(); samples]);
    solve.run(&mut StochasticOut { ends: &mut ends, observed: &mut [], counts: &mut counts }).expect("solves");
    assert!(counts.iter().all(|c| c.accepted == steps));
    let mut motion = vec![0.0; samples];
    let mut block = vec![0.0; 2 * LANES];
    for step in 0..u64::from(steps) {
        for (tile, motion) in motion.chunks_mut(LANES).enumerate() {
            noise.fill(step, tile * LANES, LANES / PANEL, 2, &mut block);
            let root = 1.0 / f64::from(steps).sqrt();
            motion.iter_mut().zip(&block[..LANES]).for_each(|(w, z)| *w += root * z);
        }
    }
    (unpack(&ends, 1, samples), motion)
}

fn mean(x: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = x.len() as f64;
    x.sum::<f64>() / n
}

/// Geometric Brownian motion dx = 0.5 x dt + 0.8 x dW has x(1) = x(0) exp(0.5 - 0.32 + 0.8 W(1)).
fn geometric_error(name: &str, steps: u32) -> f64 {
    let fields: (Field, Field) = (|_, y, _, dy| dy[0] = 0.5 * y[0], |_, y, _, dy| dy[0] = 0.8 * y[0]);
    let (ends, motion) = run(name, fields, 1.0, steps, 4_096);
    mean(ends.iter().zip(&motion).map(|(x, w)| (x - (0.18 + 0.8 * w).exp()).abs()))
}

#[test]
fn strong_orders_on_geometric_brownian_motion() {
    for (name, order) in [("euler_maruyama", 0.5), ("platen", 1.0), ("sriw1", 1.5)] {
        let slope = (geometric_error(name, 32) / geometric_error(name, 256)).log2() / 3.0;
        assert!((slope - order).abs() < 0.15, "{name}: strong order {slope}, not {order}");
    }
    assert!(geometric_error("sriw1", 32) < geometric_error("platen", 32) / 3.0);
    assert!(geometric_error("platen", 32) < geometric_error("euler_maruyama", 32) / 2.0);
}

/// x = atan(W + tan x0) solves dx = -sin x cos^3 x dt + cos^2 x dW, by Ito's formula (Kloeden and Platen 1992, 4.4).
#[test]
fn strong_orders_on_an_equation_that_is_not_linear() {
    let fields: (Field, Field) =
        (|_, y, _, dy| dy[0] = -y[0].sin() * y[0].cos().powi(3), |_, y, _, dy| dy[0] = y[0].cos().powi(2));
    for (name, order) in [("euler_maruyama", 0.5), ("platen", 1.0), ("sriw1", 1.5)] {
        let error = |steps| {
            let (ends, motion) = run(name, fields, 0.3, steps, 4_096);
            mean(ends.iter().zip(&motion).map(|(x, w)| (x - (w + 0.3_f64.tan()).atan()).abs()))
        };
        let slope = (error(32) / error(256)).log2() / 3.0;
        assert!((slope - order).abs() < 0.2, "{name}: strong order {slope}, not {order}");
    }
}

/// Noise that does not depend on the state gives Euler and Maruyama's method order 1; time in it counts.
#[test]
fn additive_noise_raises_the_order() {
    // dx = -x dt + dW: x(1) is not a function of W(1), so a fine solution of the same noise would be needed; with drift 0.4 t
    // and noise of constant size the law is exact in W: x(1) = x(0) + 0.2 + 0.7 W(1).
    let fields: (Field, Field) = (|t, _, _, dy| dy[0] = 0.4 * t, |_, _, _, dy| dy[0] = 0.7);
    for (name, order) in [("euler_maruyama", 1.0), ("platen", 1.0)] {
        let error = |steps| {
            let (ends, motion) = run(name, fields, 0.0, steps, 64);
            mean(ends.iter().zip(&motion).map(|(x, w)| (x - 0.2 - 0.7 * w).abs()))
        };
        let slope = (error(16) / error(64)).log2() / 2.0;
        assert!((slope - order).abs() < 0.05, "{name}: {slope}");
    }
}

#[test]
fn weak_order_and_exact_moments_of_the_methods() {
    // On dx = x dt + 0.05 x dW the mean of a method is the power of its drift part: no more error than of sampling.
    let fields: (Field, Field) = (|_, y, _, dy| dy[0] = y[0], |_, y, _, dy| dy[0] = 0.05 * y[0]);
    let samples = 1 << 15;
    let measured = |name, steps| mean(run(name, fields, 1.0, steps, samples).0.into_iter());
    let tolerance = 4.0 * 2.72 * 0.05 / f64::from(1 << 15).sqrt();
    for n in [16_u32, 32] {
        let h = 1.0 / f64::from(n);
        for (name, factor) in [("euler_maruyama", 1.0 + h), ("platen", 1.0 + h), ("sriw1", 1.0 + h + h * h / 2.0)] {
            let found = measured(name, n);
            assert!((found - factor.powi(n as i32)).abs() < tolerance, "{name} {n}: {found}");
        }
    }
    let error = |steps| 1.0_f64.exp() - measured("euler_maruyama", steps);
    let slope = (error(16) / error(32)).log2();
    assert!((slope - 1.0).abs() < 0.1, "weak order {slope}");
    // Ornstein and Uhlenbeck: the variance of Euler and Maruyama's chain satisfies v' = (1 - h)^2 v + s^2 h.
    let fields: (Field, Field) = (|_, y, _, dy| dy[0] = -y[0], |_, _, _, dy| dy[0] = 0.6);
    let (ends, _) = run("euler_maruyama", fields, 0.0, 10, samples);
    let (found, mut want) = (mean(ends.iter().map(|x| x * x)), 0.0);
    (0..10).for_each(|_| want = 0.81 * want + 0.36 * 0.1);
    assert!((found / want - 1.0).abs() < 4.0 * (2.0 / samples as f64).sqrt(), "{found} {want}");
    // The higher-order method meets the variance of the equation itself.
    let (ends, _) = run("sriw1", fields, 0.0, 10, samples);
    let (found, want) = (mean(ends.iter().map(|x| x * x)), 0.18 * (1.0 - (-2.0_f64).exp()));
    assert!((found / want - 1.0).abs() < 4.0 * (2.0 / samples as f64).sqrt(), "{found} {want}");
}

#[test]
fn a_state_that_explodes_is_reported_with_its_sample() {
    let fields: (Field, Field) =
        (|t, y, _, dy| dy[0] = if t > 0.45 { f64::NAN } else { y[0] }, |_, _, _, dy| dy[0] = 1.0);
    let (drift, diffusion) = (Plain::new(1, 0, fields.0), Plain::new(1, 0, fields.1));
    let config = SolverConfig {
        method: Arc::new(named("euler_maruyama").method()),
        steps: Steps::Count(10),
        max_steps: 1,
        chunk: None,
    };
    let y0 = pack(&[1.0; 70], 1);
    // Sample 3 ends before.
    let mut t1 = [1.0; 70];
    t1[3] = 0.4;
    let problem = Problem { samples: 70, y0: &y0, captures: &[], t0: &[0.0], t1: &t1, observe: Observe::Nothing };
    let noise = Keyed(1);
    let solve = Stochastic {
        drift: &drift,
        diffusion: &diffusion,
        captures: &[],
        noise: &noise,
        config: &config,
        problem: &problem,
    };
    let (mut ends, mut counts) = (y0.clone(), vec![SampleCount::default(); 70]);
    match solve.run(&mut StochasticOut { ends: &mut ends, observed: &mut [], counts: &mut counts }) {
        Err(SolveError::Failed { worst, count }) => {
            assert_eq!((worst.sample, worst.cause, count), (0, Cause::NonFinite, 69));
            assert!((worst.t - 0.5).abs() < 1e-12 && (worst.h - 0.1).abs() < 1e-12, "{worst:?}");
        }
        other => panic!("{other:?}"),
    }
}

// In the language

fn compiled(text: &str, threads: usize, interp: bool) -> impl Fn(u64, usize, &[f64], u64) -> Vec<f64> {
    let f = Function::new(text, &[&[2]]);
    let p = opt::optimize(&autodiff::expand(&f.program).expect("expands"));
    let plan = stage::forward(&p).expect("stages");
    let pool = Pool::new(Some(threads));
    let program = if interp {
        Forward::<f64>::new(&p, plan, &flowc::interp::Interp, pool).expect("compiles")
    } else {
        Forward::<f64>::new(&p, plan, &Jit::new(Isa::detect()), pool).expect("compiles")
    };
    move |first_sample, samples, x, seed| {
        let request = Request {
            theta: &[],
            seed,
            purpose: "law",
            step: 0,
            first_sample,
            samples,
            inputs: &[x],
            solvers: &f.solvers,
            default_solver: None,
        };
        program.run(&request).unwrap_or_else(|d| panic!("{}", d.message)).outputs[0].values.clone()
    }
}

#[test]
fn bits_depend_on_neither_threads_nor_batch_nor_back_end() {
    for solver in ["euler_maruyama(steps: 7)", "platen(step: 0.2)", "sriw1(steps: 5)"] {
        let text = format!(
            "fn f(a: vec[2]) {{ draw s ~ uniform(0.1, 1)\n\
             let e = solve t: 0 -> s with {solver} {{ x' = -x * t + (0.3 + a) * x * dW from a; y' = x[0] from 1 }}\n\
             concat(e.x, e.y) }}"
        );
        let samples = 1_100;
        let x: Vec<f64> = (0..2 * samples).map(|i| (i as f64 * 0.37).sin()).collect();
        let whole = compiled(&text, 1, false)(0, samples, &x, 3);
        assert_eq!(whole, compiled(&text, 3, false)(0, samples, &x, 3), "threads: {solver}");
        assert_eq!(whole, compiled(&text, 2, true)(0, samples, &x, 3), "back ends: {solver}");
        // Samples 130 to 139 alone: another tile, another lane.
        let part = compiled(&text, 1, false)(130, 10, &x[260..280], 3);
        assert_eq!(&whole[390..420], &part[..], "company: {solver}");
        assert_ne!(whole, compiled(&text, 1, false)(0, samples, &x, 4), "another seed, other noise");
    }
}

#[test]
fn noise_is_split_from_any_affine_form() {
    // With no noise left the methods are ordinary ones: what stands before dW is what counts.
    let value = |body: &str| {
        let text = format!(
            "fn g(x: vec[2]) = 0.2 * x\nfn f(a: vec[2]) = solve t: 0 -> 1 with euler_maruyama(steps: 3) {{ x' = {body} from a }}.x"
        );
        compiled(&text, 1, false)(0, 5, &[0.3, -0.2, 1.0, 2.0, 0.1, 0.2, 0.3, 0.4, -1.0, 1.0], 0)
    };
    let plain = value("-x + 0.2 * x * dW");
    for same in [
        "0.2 * x * dW - x",
        "-(x - g(x) * dW)",
        "g(x) * dW + (0 * dW - x)",
        "if t > -1 then g(x) * dW - x else 5 * dW",
        "-x + dW * x / 5",
        "-x + (x * dW + 4 * x * dW) / 25",
    ] {
        let found = value(same);
        assert!(found.iter().zip(&plain).all(|(a, b)| (a - b).abs() < 1e-14), "{same}: {found:?} {plain:?}");
    }
    for body in ["dW^2", "x + dW * dW", "exp(dW)", "[[1, 1], [0, 1]] @ dW", "sum(dW) + x", "dW[0] + x", "x / dW"] {
        let text =
            format!("fn f(a: vec[2]) = solve t: 0 -> 1 with euler_maruyama(steps: 3) {{ x' = {body} from a }}.x");
        assert_eq!(refused(&text, &[&[2]])[0].code, Code::NoiseNotLinear, "{body}");
    }
}

#[test]
fn each_element_has_a_motion_of_its_own_and_rows_are_those_of_the_path() {
    // Brownian motion itself, at times: independent increments of the right variance, and the last row is the end.
    let text = "fn f(a: vec[2]) {\n\
        let s = solve t: [0, 0.5, 0.75, 2] with euler_maruyama(step: 0.25) { x' = dW from a; y' = 2 * dW from 0 }\n\
        concat(s.x[0], s.x[1], s.x[2], s.x[3], s.y) }";
    let n = 20_000;
    let all = compiled(text, 2, false)(0, n, &vec![0.0; 2 * n], 1);
    let of = |i: usize| all.chunks(12).map(move |r| r[i]);
    let product = |i, j| mean(all.chunks(12).map(|r| r[i] * r[j]).collect::<Vec<f64>>().into_iter());
    assert!(of(0).chain(of(1)).chain(of(8)).all(|x| x == 0.0), "the first row is the start");
    let within = |found: f64, want: f64, scale: f64| {
        assert!((found - want).abs() < 5.0 * scale / (n as f64).sqrt(), "{found}, not {want}");
    };
    // x at 0.5, 0.75, 2: variance is the time, covariance the lesser time; elements and components are independent.
    for (i, t) in [(2, 0.5), (4, 0.75), (6, 2.0)] {
        within(product(i, i), t, 1.5 * t);
        within(product(i, i + 1), 0.0, t);
    }
    within(product(2, 6), 0.5, 1.5);
    within(product(11, 11), 8.0, 12.0);
    within(product(6, 11), 0.0, 4.0);
    // Backward in time the noise is that of the way.
    let back = "fn f(a: vec[2]) = solve t: 1 -> 0 with sriw1(steps: 4) { x' = -x + 0.5 * dW from a }.x";
    let all = compiled(back, 2, false)(0, n, &vec![1.0; 2 * n], 1);
    within(mean(all.iter().copied()), 1.0_f64.exp(), 1.0);
    let e = 1.0_f64.exp();
    let spread = mean(all.iter().map(|x| (x - e).powi(2)));
    within(spread, 0.125 * (2.0_f64.exp() - 1.0), 1.2);
}

const DIFFUSION: &str = "
    source = normal(dim: 2)
    target = two_spirals(noise: 0.1)
    field score(x, t) = mlp(concat(x, fourier(t, 16)), hidden: [32, 32], out: dim(x))
    fn a(t: real) -> real = vp(0, 1, t)
    fn b(t: real) -> real = vp(1, 0, t)
    objective denoising {
      draw t ~ uniform(1e-3, 1 - 1e-3)
      draw (x0, x1) ~ independent
      minimize norm(b(t) * score(vp(x0, x1, t), t) + x0)^2
    }
    field u(x, t) {
      let rate = diff(a(t), t) / a(t)
      rate * x + b(t) * (rate * b(t) - diff(b(t), t)) * score(x, t)
    }
    sampler sde(churn: real = 1) {
      draw x0 ~ source
      solve t: 1e-3 -> 1 - 1e-3 { x' = u(x, t) + churn^2 / 2 * score(x, t) + churn * dW from x0 }.x
    }
    sampler ode { draw x0 ~ source; solve t: 1e-3 -> 1 - 1e-3 { x' = u(x, t) from x0 }.x }
    compare how in [ode: (sampler: ode, solver: dopri5(rtol: 1e-4, atol: 1e-4)), sde: (sampler: sde(), solver: euler_maruyama(steps: 100))]
    train { objective: denoising, batch: 128, steps: 300 }
    generate { sampler: how.sampler, solver: how.solver, count: 500 }
    evaluate [wasserstein2, nfe]";

#[test]
fn a_diffusion_trains_and_samples_by_both_equations() {
    let record = experiment(DIFFUSION);
    assert_eq!(record.cells.len(), 2);
    for cell in &record.cells {
        let of = |name: &str| cell.metrics.iter().find(|m| m.name == name).expect("measured").value;
        assert!(of("wasserstein2") < 2.0, "{}", of("wasserstein2"));
        assert!(of("nfe") > 20.0);
    }
    let nfe = record.cells[1].metrics.iter().find(|m| m.name == "nfe").expect("measured").value;
    assert!((nfe - 100.0).abs() < 1e-9, "one evaluation a step: {nfe}");
}

#[test]
fn a_bridge_of_noise_is_sampled_with_and_without_it() {
    // The closed form of a Schroedinger bridge between a point mass and a Gaussian: dx = (m - x) / (1 - t) dt + s dW pinned at m.
    let text = "
        source = normal(mean: [0, 0], std: 0.1, dim: 2)
        target = normal(mean: [1, 2], std: 0.1, dim: 2)
        field v(x, t) = ([1, 2] - x) / (1.001 - t)
        sampler bridge { draw x0 ~ source; solve t: 0 -> 1 { x' = v(x, t) + 0.5 * dW from x0 }.x }
        generate { sampler: bridge, solver: euler_maruyama(steps: 200), count: 1_000 }
        evaluate [wasserstein2, wasserstein2(sampler: flow(v)), nfe]";
    let record = experiment(text);
    for m in &record.cells[0].metrics[..2] {
        assert!(m.value < 0.2, "{}: {}", m.name, m.value);
    }
    // The flow of the second metric is solved by the default solver, and that is said.
    let found = flowc::driver::compile("test.flow", text).diagnostics;
    assert!(found.iter().any(|d| d.code == Code::DeterministicMetric), "{found:?}");
    assert!(faults(text).is_empty());
}
