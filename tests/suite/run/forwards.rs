//! Forward passes.

use super::programs::linear_field;
use super::reference::Reference;
use flowc::backend::Backend;
use flowc::codegen::Jit;
use flowc::diag::Code;
use flowc::interp::Interp;
use flowc::kernels::Isa;
use flowc::numeric::tableau::Method;
use flowc::run::Real;
use flowc::run::forward::{Forward, Outcome, Request};
use flowc::run::init::initial;
use flowc::run::pool::Pool;
use flowc::solve::{Adaptive, SolverConfig, StepControl, Steps};
use flowc::stage;
use std::sync::Arc;

/// Shrinks by 0.3 and turns by 2 radians a unit of `t + t^2 / 2`.
const A: [f64; 4] = [-0.3, -2.0, 2.0, -0.3];

/// Bogacki and Shampine, "A 3(2) pair of Runge-Kutta formulas", 1989.
fn bogacki_shampine() -> Method {
    Method {
        name: "bs32".to_owned(),
        stages: 4,
        order: 3,
        embedded_order: Some(2),
        c: vec![0.0, 0.5, 0.75, 1.0],
        a: vec![vec![], vec![(0, 0.5)], vec![(1, 0.75)], vec![(0, 2.0 / 9.0), (1, 1.0 / 3.0), (2, 4.0 / 9.0)]],
        b: vec![(0, 2.0 / 9.0), (1, 1.0 / 3.0), (2, 4.0 / 9.0)],
        error: vec![(0, -5.0 / 72.0), (1, 1.0 / 12.0), (2, 1.0 / 9.0), (3, -0.125)],
        fsal: true,
        interpolant: None,
        interpolant_order: 3,
        noise: None,
        implicit: None,
        stiffness: None,
    }
}

fn solver(steps: Steps) -> SolverConfig {
    let method = Arc::new(bogacki_shampine());
    SolverConfig { method, steps, max_steps: 10_000, chunk: None }
}

fn forward<T: Real>(backend: &dyn Backend<T>, threads: usize) -> (Forward<T>, Vec<T>) {
    let program = linear_field(A);
    let plan = stage::forward(&program).unwrap();
    let theta = initial(&program.params, 0);
    (Forward::new(&program, plan, backend, Pool::new(Some(threads))).unwrap(), theta)
}

fn evaluate<T: Real>(
    (forward, theta): &(Forward<T>, Vec<T>),
    solver: &SolverConfig,
    first_sample: u64,
    samples: usize,
) -> Outcome<T> {
    let shift: Vec<T> = (0..samples).flat_map(|i| [(first_sample as f64 + i as f64), -1.0]).map(T::from_f64).collect();
    let request = Request {
        theta,
        seed: 3,
        purpose: "sample",
        step: 0,
        first_sample,
        samples,
        inputs: &[&shift],
        solvers: &[],
        default_solver: Some(solver),
    };
    forward.run(&request).unwrap()
}

#[test]
fn a_linear_field_reaches_its_closed_form() {
    let f = forward::<f64>(&Reference, 2);
    let solver = solver(Steps::Adaptive(Adaptive::new(1e-7, 1e-7)));
    let n = 700;
    let out = evaluate(&f, &solver, 0, n);
    let (start, end) = (out.output("start").unwrap(), out.output("end").unwrap());
    assert_eq!((start.shape.as_slice(), end.values.len()), (&[2][..], 2 * n));
    // The integral of t + 1 over [0, 1] is 3/2.
    let (shrink, angle) = ((-0.45_f64).exp(), 3.0_f64);
    for i in 0..n {
        let (x, y) = (start.values[2 * i], start.values[2 * i + 1]);
        let want = [
            shrink * (angle.cos() * x - angle.sin() * y) + i as f64,
            shrink * (angle.sin() * x + angle.cos() * y) - 1.0,
        ];
        for (got, want) in end.values[2 * i..2 * i + 2].iter().zip(want) {
            assert!((got - want).abs() < 1e-5, "sample {i}: {got} against {want}");
        }
    }
    let mean = start.values.iter().sum::<f64>() / (2 * n) as f64;
    assert!(mean.abs() < 0.15, "{mean}");
    assert_eq!(out.solves.len(), 1);
    assert_eq!(out.solves[0].samples, n as u64);
    assert!(out.solves[0].accepted > 5 * n as u64);
}

fn samples_depend_on_their_number_alone<T: Real>(backend: &dyn Backend<T>) -> Outcome<T> {
    let solver = solver(Steps::Adaptive(Adaptive::new(1e-4, 1e-4)));
    let whole = evaluate(&forward::<T>(backend, 1), &solver, 0, 1100);
    for threads in [2, 3] {
        let other = evaluate(&forward::<T>(backend, threads), &solver, 0, 1100);
        assert_eq!(whole, other, "{threads} threads");
    }
    let f = forward::<T>(backend, 2);
    for (first, n) in [(0, 1), (5, 70), (513, 200), (1099, 1)] {
        let part = evaluate(&f, &solver, first as u64, n);
        for (a, b) in whole.outputs.iter().zip(&part.outputs) {
            let bits = |v: &[T]| v.iter().map(|x| x.to_f64().to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&a.values[2 * first..2 * (first + n)]), bits(&b.values), "{} from {first}", a.name);
        }
    }
    whole
}

#[test]
fn samples_depend_on_their_number_alone_in_every_back_end() {
    samples_depend_on_their_number_alone::<f64>(&Reference);
    let f32s = samples_depend_on_their_number_alone::<f32>(&Interp);
    let f64s = samples_depend_on_their_number_alone::<f64>(&Interp);
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        assert_eq!(f32s, samples_depend_on_their_number_alone::<f32>(&Jit::new(isa)), "{isa}");
        assert_eq!(f64s, samples_depend_on_their_number_alone::<f64>(&Jit::new(isa)), "{isa}");
    }
}

#[test]
fn a_failure_names_the_worst_sample_on_any_number_of_threads() {
    let messages: Vec<String> = [1, 2, 3]
        .into_iter()
        .map(|threads| {
            let (f, theta) = forward::<f64>(&Reference, threads);
            let shift = vec![0.0; 2 * 1200];
            let solver = SolverConfig { max_steps: 3, ..solver(Steps::Adaptive(Adaptive::new(1e-8, 1e-8))) };
            let request = Request {
                theta: &theta,
                seed: 3,
                purpose: "sample",
                step: 0,
                first_sample: 0,
                samples: 1200,
                inputs: &[&shift],
                solvers: &[],
                default_solver: Some(&solver),
            };
            let e = f.run(&request).unwrap_err();
            assert_eq!(e.code, Code::TooManySteps);
            format!("{} {:?}", e.message, e.notes)
        })
        .collect();
    assert!(messages[0].starts_with("sample ") && messages[0].contains("more samples failed"), "{}", messages[0]);
    assert!(messages[0] == messages[1] && messages[0] == messages[2]);
}

#[test]
fn a_joint_step_is_shared_by_the_chunk_that_was_asked_for() {
    let joint = Adaptive { step_control: StepControl::Joint, ..Adaptive::new(1e-5, 1e-5) };
    let config = SolverConfig { chunk: Some(1024), ..solver(Steps::Adaptive(joint)) };
    let out = evaluate(&forward::<f64>(&Reference, 2), &config, 0, 1000);
    let (least, most) = out.solves[0].steps_range;
    assert!(least == most && least > 3, "{least} to {most}");
}
