//! Training through solves: gradients of whole objectives against central differences, in f64, and equal bits.

use flowc::backend::Backend;
use flowc::codegen::Jit;
use flowc::driver;
use flowc::interp::Interp;
use flowc::ir::Program;
use flowc::kernels::Isa;
use flowc::plan::TrainPlan;
use flowc::run::Real;
use flowc::run::optim::{Optimizer, Rule};
use flowc::run::pool::Pool;
use flowc::run::solving::{Cost, Mode, Solving};
use flowc::run::train::{StepReport, TrainConfig, Trainer};
use flowc::{autodiff, opt, stage};

/// The training of a text, whatever else the text wants.
struct Objective {
    plan: TrainPlan,
    program: Program,
}

fn objective(text: &str) -> Objective {
    let compiled = driver::compile("test.flow", &format!("{text}\n"));
    let words: Vec<String> = compiled.diagnostics.iter().map(|d| format!("{:?} {}", d.code, d.message)).collect();
    let plan = compiled.plan.unwrap_or_else(|| panic!("{text}: {words:?}"));
    let plan = plan.arms.into_iter().next().expect("an arm").train.expect("a training");
    let program = opt::optimize(&autodiff::expand(&plan.objective).expect("expands"));
    Objective { plan, program }
}

/// States kept, stages computed again.
const KEPT: Mode = Mode::Exact { budget: 0 };

const SGD: Optimizer = Optimizer { rule: Rule::Sgd { momentum: 0.0, nesterov: false }, weight_decay: 0.0 };

impl Objective {
    fn trainer<T: Real>(
        &self,
        backend: &dyn Backend<T>,
        threads: usize,
        mode: Mode,
        optimizer: Optimizer,
    ) -> Trainer<T> {
        let loss = self.program.output("loss").expect("a loss");
        let mut plan = stage::objective(&self.program, loss).expect("stages");
        let implicit = flowc::solve::implicit(&self.plan.solvers, Some(&self.plan.default_solver));
        plan.add_jacobians(implicit).expect("has a Jacobian");
        let solving =
            Solving { solvers: self.plan.solvers.clone(), default_solver: self.plan.default_solver.clone(), mode };
        let config = TrainConfig { seed: 3, batch: self.plan.batch, optimizer, ema: None, clip: None };
        let pool = Pool::new(Some(threads));
        Trainer::solving(&self.program, plan, solving, backend, pool, config, None).expect("compiles")
    }
}

fn jit() -> Jit {
    Jit::new(Isa::detect())
}

/// Loss and parameters after one step of gradient descent at rate 1.
fn step(trainer: &mut Trainer<f64>, theta: &[f64], rate: f64) -> (f64, Vec<f64>) {
    let mut state = trainer.checkpoint("");
    state.theta = theta.to_vec();
    state.step = 0;
    trainer.restore(&state).expect("its own");
    let mut reports: Vec<StepReport> = Vec::new();
    trainer.run(&[rate], &mut reports).expect("a step");
    (reports[0].loss, trainer.theta().to_vec())
}

/// The gradient at the first parameters.
fn gradient(trainer: &mut Trainer<f64>) -> Vec<f64> {
    let theta = trainer.theta().to_vec();
    let (_, after) = step(trainer, &theta, 1.0);
    theta.iter().zip(&after).map(|(a, b)| a - b).collect()
}

/// The gradient of `text` against central differences in a few parameters of each tensor.
fn differences(text: &str, within: f64) {
    differences_of(text, KEPT, within);
}

fn differences_of(text: &str, mode: Mode, within: f64) {
    let o = objective(text);
    let mut trainer = o.trainer::<f64>(&jit(), 2, mode, SGD);
    let theta = trainer.theta().to_vec();
    let found = gradient(&mut trainer);
    assert!(found.iter().any(|g| *g != 0.0), "{text}");
    let entries: Vec<_> = trainer.table().entries().iter().map(|e| (e.name.clone(), e.range.clone())).collect();
    for (name, range) in entries {
        for at in range.clone().step_by((range.len() / 3).max(1)) {
            let h = 1e-5 * (1.0 + theta[at].abs());
            let mut moved = |by: f64| {
                let mut theta = theta.clone();
                theta[at] += by;
                step(&mut trainer, &theta, 0.0).0
            };
            let expected = (moved(h) - moved(-h)) / (2.0 * h);
            let error = (found[at] - expected).abs() / (1.0 + expected.abs());
            assert!(error <= within, "{name}[{}]: {}, by differences {expected}\n{text}", at - range.start, found[at]);
        }
    }
}

const HEAD: &str = "precision f64\nsource = normal(dim: 2)\ntarget = moons(noise: 0.1)\n";
const FIELD: &str = "field v(x, t) = mlp(concat(x, t), hidden: [8, 8], out: dim(x), activation: tanh)\n";

fn likelihood(flow: &str, keys: &str) -> String {
    format!("{HEAD}{FIELD}train {{ objective: max_likelihood({flow}), batch: 70, steps: 1, {keys} }}")
}

#[test]
fn gradients_of_likelihoods_are_central_differences() {
    for (flow, keys, within) in [
        ("flow(v)", "solver: rk4(steps: 3)", 1e-8),
        ("flow(v)", "solver: dopri5(steps: 2)", 1e-8),
        ("flow(v)", "solver: dopri5(rtol: 1e-11, atol: 1e-11)", 1e-6),
        ("flow(v, trace: hutchinson(rademacher))", "solver: rk4(steps: 3)", 1e-8),
        ("flow(v, trace: hutchinson(normal))", "solver: tsit5(steps: 2)", 1e-8),
        ("flow(v)", "solver: kvaerno5(steps: 2)", 1e-8),
        ("flow(v)", "solver: kvaerno3(rtol: 1e-9, atol: 1e-9)", 1e-6),
    ] {
        differences(&likelihood(flow, keys), within);
    }
}

#[test]
fn a_trained_end_time_has_its_gradient() {
    for (solver, within) in [
        ("rk4(steps: 3)", 1e-8),
        ("bosh3(steps: 4)", 1e-8),
        ("kvaerno3(steps: 3)", 1e-8),
        ("dopri5(rtol: 1e-11, atol: 1e-11)", 1e-6),
    ] {
        let text = format!(
            "{HEAD}param T: real = 0.5\n{FIELD}train {{ objective: max_likelihood(flow(v, until: T^2 + 0.3)), batch: 70, \
             steps: 1, solver: {solver} }}"
        );
        differences(&text, within);
    }
}

/// The ways of a gradient through a solve, and how near to differences of a scheme with so small an error each comes.
fn modes() -> [(Mode, f64); 4] {
    [(KEPT, 1e-8), (Mode::Snapshots(2), 1e-8), (REVERSIBLE, 1e-8), (Mode::Adjoint { rtol: None, atol: None }, 1e-5)]
}

/// Each observed state moves with its own time alone: with all that follow where the first one moves.
#[test]
fn trained_observation_times_have_their_gradients() {
    for times in ["[0, T]", "[0, T, 2]", "[0, 0.4, T]", "[0, T / 2, T]", "[T, T + 0.5, T + 1]", "[T, 2]", "[2, T, 0.1]"]
    {
        for (mode, within) in modes() {
            let rows = times.split(',').count();
            let weights = &["0.7", "-1.1", "0.6"][..rows].join(", ");
            let text = format!(
                "{HEAD}param T: real = 0.9\nparam a: real = 0.3\nobjective seen {{\n  draw z ~ source\n  let q = solve t: {times} \
                 {{ x' = a * x + sin(3 * t) from 1 + z[0] }}\n  minimize dot([{weights}], q.x)\n}}\n\
                 train {{ objective: seen, batch: 5, steps: 1, solver: rk4(steps: 40) }}"
            );
            differences_of(&text, mode, within);
        }
    }
}

/// A solve over no time at all takes no step, and yet its end moves with either time.
#[test]
fn an_end_time_that_begins_at_the_start_moves() {
    for (mode, _) in modes() {
        for span in ["0 -> T", "T -> 0", "0.5 -> 0.5 + T"] {
            for solver in ["rk4(steps: 4)", "dopri5(rtol: 1e-9, atol: 1e-9)"] {
                let text = format!(
                    "{HEAD}param T: real = 0\nobjective o {{\n  draw z ~ source\n  let q = solve t: {span} {{ x' = x + 2 * z[0] + t \
                     from 1 }}\n  minimize q.x + 0 * z[0]\n}}\ntrain {{ objective: o, batch: 70, steps: 1, solver: {solver} }}"
                );
                let o = objective(&text);
                let mut trainer = o.trainer::<f64>(&jit(), 1, mode, SGD);
                let found = gradient(&mut trainer)[0];
                let mut at = |t: f64| step(&mut trainer, &[t], 0.0).0;
                let expected = (at(1e-5) - at(-1e-5)) / 2e-5;
                assert!((found - expected).abs() < 1e-5, "{span} {solver} {mode:?}: {found}, not {expected}");
            }
        }
    }
}

/// Running costs, a potential whose second derivatives train, a time derivative inside the right-hand side.
#[test]
fn gradients_of_ot_flow_are_central_differences() {
    let text = format!(
        "{HEAD}
fn log_cosh(a: vec[n]) -> vec[n] = abs(a) + log(1 + exp(-2 * abs(a)))
net phi(x: vec[2], t: real) -> real {{
  param A: mat[3, 3] ~ normal(0, 0.1); param w: vec[6] = 1
  let s = concat(x, t)
  let h = log_cosh(dense(s, out: 6))
  dot(w, h + log_cosh(dense(h, out: 6))) + norm(A @ s)^2 / 2 + dense(s, out: 1)[0]
}}
field v(x, t) = -grad(phi(x, t), x)
objective ot_flow(likelihood: real, hjb: real) {{
  draw x1 ~ target
  let back = solve t: 1 -> 0 {{
    x' = v(x, t)                                          from x1
    l' = div(v(x, t), x)                                  from 0
    c' = norm(v(x, t))^2 / 2                              from 0
    r' = abs(partial(phi(x, t), t) - norm(v(x, t))^2 / 2) from 0
  }}
  minimize -back.c - hjb * back.r - likelihood * (log_density(source, back.x) + back.l)
}}
train {{ objective: ot_flow(likelihood: 8, hjb: 1), batch: 64, steps: 1, solver: rk4(steps: 2) }}"
    );
    differences(&text, 1e-6);
}

/// Parameters before, inside and after two solves, of which one reads what the other gave; a draw inside the second.
#[test]
fn solves_in_a_row_pass_their_cotangents_on() {
    let text = format!(
        "{HEAD}
net enter(x: vec[2]) -> vec[3] = dense(x, out: 3)
net leave(h: vec[3]) -> vec[2] = dense(h, out: 2)
net pulled(x: vec[2]) -> vec[3] = dense(x, out: 3)
field f(h: vec[3], t: real) = mlp(concat(h, t), hidden: [6], out: 3, activation: tanh)
field g(h: vec[3], t: real) = mlp(h, hidden: [6], out: 3, activation: softplus)
objective chain {{
  draw x ~ target
  let begin = enter(x)
  let a = solve t: 0 -> 1 with rk4(steps: 2) {{ h' = f(h, t) from begin }}.h
  let pull = pulled(x)
  let b = solve t: 0 -> 0.7 {{
    h' = g(h, t) + pull * t - a from a
    s' = norm(h)^2              from sum(begin)
  }}
  minimize norm(leave(b.h) - x)^2 + b.s * MORE
}}
train {{ objective: chain, batch: 130, steps: 1, solver: dopri5(steps: 2) }}"
    );
    differences(&text.replace("* MORE", ""), 1e-7);
    // What is constant to derivatives adds nothing, also across a solve.
    let plain = gradient(&mut objective(&text.replace("* MORE", "")).trainer(&jit(), 1, KEPT, SGD));
    let stopped =
        gradient(&mut objective(&text.replace("* MORE", "+ stop(sum(a) * b.s)")).trainer(&jit(), 1, KEPT, SGD));
    assert_eq!(plain, stopped);
}

#[test]
fn observed_states_pull_on_parameters() {
    for (solver, within) in
        [("rk4(steps: 3)", 1e-8), ("dopri5(steps: 2)", 1e-8), ("tsit5(rtol: 1e-11, atol: 1e-11)", 1e-6)]
    {
        let text = format!(
            "{HEAD}net enter(x: vec[2]) -> vec[2] = dense(x, out: 2)
field f(y: vec[2], t: real) = mlp(y, hidden: [6], out: 2, activation: tanh)
objective follow {{
  draw x ~ target
  let y = solve t: linspace(0, 1, 6) {{ y' = f(y, t) from enter(x) }}.y
  minimize sum(y * y) + norm(y[5] - x)^2
}}
train {{ objective: follow, batch: 70, steps: 1, solver: {solver} }}"
        );
        differences(&text, within);
    }
}

fn after<T: Real>(o: &Objective, backend: &dyn Backend<T>, threads: usize, mode: Mode) -> (Vec<u64>, Vec<Cost>) {
    let mut trainer = o.trainer::<T>(backend, threads, mode, Optimizer::adam());
    let mut reports = Vec::new();
    trainer.run(&[1e-2; 3], &mut reports).expect("trains");
    let bits = |x: f64| x.to_bits();
    let losses = reports.iter().map(|r| bits(r.loss));
    let theta = trainer.theta().iter().map(|x| bits(x.to_f64())).chain(losses).collect();
    // Of one thread: each has a tape.
    let workers = trainer.workers() as u64;
    let one = |(_, c): (String, Cost)| Cost { bytes: (c.bytes.0 / workers, c.bytes.1 / workers), ..c };
    (theta, trainer.costs().into_iter().map(one).collect())
}

/// What any number of threads, and the interpreter, find alike.
fn shared<T: Real>(o: &Objective, mode: Mode) -> (Vec<u64>, Vec<Cost>)
where
    Jit: Backend<T>,
    Interp: Backend<T>,
{
    let (bits, costs) = after::<T>(o, &jit(), 1, mode);
    for threads in 2..=3 {
        let (other, others) = after::<T>(o, &jit(), threads, mode);
        assert_eq!(bits, other, "{threads} threads");
        assert_eq!(costs, others);
    }
    assert_eq!(bits, after::<T>(o, &Interp, 2, mode).0, "by the interpreter");
    (bits, costs)
}

/// Neither threads, nor the back end, nor what the tape keeps change a bit.
#[test]
fn bits_do_not_depend_on_threads_budget_or_back_end() {
    fn law<T: Real>(text: &str)
    where
        Jit: Backend<T>,
        Interp: Backend<T>,
    {
        let o = objective(text);
        let (bits, costs) = shared::<T>(&o, KEPT);
        let (kept, kept_costs) = after::<T>(&o, &jit(), 1, Mode::Exact { budget: 1 << 30 });
        assert_eq!(bits, kept, "records kept\n{text}");
        assert!(kept_costs[0].bytes.0 > costs[0].bytes.0 && kept_costs[0].bytes.0 == kept_costs[0].bytes.1);
        assert!(kept_costs[0].backward < costs[0].backward);
        assert_eq!(bits, after::<T>(&o, &jit(), 2, Mode::Exact { budget: 300_000 }).0, "some records kept\n{text}");
        for n in [1, 2, 5] {
            let (marched, marched_costs) = after::<T>(&o, &jit(), 2, Mode::Snapshots(n));
            assert_eq!(bits, marched, "{n} snapshots\n{text}");
            assert!(marched_costs[0].backward >= costs[0].backward);
        }
    }
    let adaptive = likelihood("flow(v, until: 0.8)", "solver: dopri5(rtol: 1e-4, atol: 1e-4)");
    law::<f64>(&adaptive);
    law::<f32>(&adaptive);
    law::<f32>(&likelihood("flow(v, trace: hutchinson(rademacher))", "solver: rk4(steps: 5)"));
}

const REVERSIBLE: Mode = Mode::Reversible { coupling: 0.99 };

/// Parameters before, inside and after solves, probes, trained end times, observations: all through the reversible scheme.
#[test]
fn gradients_of_the_reversible_scheme_are_central_differences() {
    for (flow, keys, within) in [
        ("flow(v)", "solver: rk4(steps: 3)", 1e-8),
        ("flow(v)", "solver: dopri5(steps: 2)", 1e-8),
        ("flow(v)", "solver: dopri5(rtol: 1e-11, atol: 1e-11)", 1e-6),
        ("flow(v, trace: hutchinson(rademacher))", "solver: rk4(steps: 3)", 1e-8),
    ] {
        differences_of(&likelihood(flow, keys), REVERSIBLE, within);
    }
    let text = format!(
        "{HEAD}net enter(x: vec[2]) -> vec[2] = dense(x, out: 2)
param T: real = 0.5
field f(y: vec[2], t: real) = mlp(concat(y, t), hidden: [6], out: 2, activation: tanh)
objective follow {{
  draw x ~ target
  let y = solve t: linspace(0, 1, 6) {{ y' = f(y, t) from enter(x) }}.y
  let z = solve t: T / 3 -> T {{ z' = f(z, t) + x * t from y[5] }}.z
  minimize sum(y * y) + norm(z - x)^2
}}
train {{ objective: follow, batch: 70, steps: 1, solver: rk4(steps: 4) }}"
    );
    differences_of(&text, REVERSIBLE, 1e-7);
}

#[test]
fn bits_of_the_reversible_scheme_do_not_depend_on_threads_or_back_end() {
    fn law<T: Real>(text: &str)
    where
        Jit: Backend<T>,
        Interp: Backend<T>,
    {
        let o = objective(text);
        let (bits, _) = shared::<T>(&o, REVERSIBLE);
        assert_ne!(bits, after::<T>(&o, &jit(), 1, KEPT).0, "another scheme\n{text}");
    }
    let adaptive = likelihood("flow(v, until: 0.8)", "solver: dopri5(rtol: 1e-4, atol: 1e-4)");
    law::<f64>(&adaptive);
    law::<f32>(&adaptive);
    law::<f32>(&likelihood("flow(v, trace: hutchinson(rademacher))", "solver: rk4(steps: 3)"));
}

/// A solve inside a right-hand side is hoisted where nothing of the outer system moves it, and refused where something does.
#[test]
fn solves_inside_right_hand_sides_are_right_or_refused() {
    let text = |inner: &str| {
        format!(
            "{HEAD}field f(y: vec[2], t: real) = mlp(y, hidden: [6], out: 2, activation: tanh)
objective follow {{
  draw x ~ target
  let z = solve t: 0 -> 1 {{
    z' = f(z, t) + (solve s: 0 -> 1 {{ y' = f(y, s) from {inner} }}).y from x
  }}.z
  minimize norm(z - x)^2
}}
train {{ objective: follow, batch: 64, steps: 1, solver: rk4(steps: 2) }}"
        )
    };
    for mode in [KEPT, REVERSIBLE, Mode::Snapshots(1)] {
        differences_of(&text("x"), mode, 1e-7);
    }
    for inner in ["z", "x * t"] {
        let compiled = driver::compile("test.flow", &format!("{}\n", text(inner)));
        let words: Vec<&str> = compiled.diagnostics.iter().map(|d| d.message.as_str()).collect();
        let refused = "a right-hand side may not contain a solve that depends on its own state or time";
        assert_eq!(words, [refused], "{inner}");
    }
}

/// y' = B y from (2, 0), L = |y(2)|^2 / 2 with B = [[-0.1, -2], [2, -0.1]]: the gradients of e^(2B) y0 in closed form, by the
/// steps and by the adjoint. Of B the derivative of the exponential (Higham, Functions of matrices, 2008, eq. 10.15).
#[test]
fn gradients_through_a_linear_flow_are_those_of_the_exponential() {
    let text = |tolerance: f64| {
        format!(
            "precision f64
param a: real = -0.1
param b: real = -2
param c: real = 2
param d: real = -0.1
param p: real = 2
param q: real = 0
objective energy {{
  let y = solve t: 0 -> 2 {{ y' = [a * y[0] + b * y[1], c * y[0] + d * y[1]] from [p, q] }}.y
  minimize norm(y)^2 / 2
}}
train {{ objective: energy, batch: 64, steps: 1, solver: dopri5(rtol: {tolerance}, atol: {tolerance}) }}"
        )
    };
    let expected = [
        ("a", 3.012_873_516_853_843),
        ("b", 0.383_925_817_698_167_5),
        ("c", 0.383_925_817_698_298_2),
        ("d", 2.349_686_851_431_508),
        ("p", 1.340_640_092_071_396_6),
        ("q", 0.0),
    ];
    let adjoint = Mode::Adjoint { rtol: Some(1e-8), atol: Some(1e-8) };
    for (tolerance, mode, within) in [(1e-10, KEPT, 1e-8), (1e-8, adjoint, 1e-6)] {
        let mut trainer = objective(&text(tolerance)).trainer(&jit(), 1, mode, SGD);
        let found = gradient(&mut trainer);
        for (name, expected) in expected {
            let entry = trainer.table().entries().iter().find(|e| e.name == name).expect("a parameter");
            let found = found[entry.range.start];
            assert!((found - expected).abs() <= within * 10.0, "{name}: {found}, not {expected} ({mode:?})");
        }
    }
}

/// The same of implicit steps, whose stages are never recorded; a step that is made again iterates as it did.
#[test]
fn bits_of_implicit_steps_depend_on_nothing_either() {
    let stiff = likelihood("flow(v, until: 0.8)", "solver: kvaerno5(rtol: 1e-4, atol: 1e-4)")
        .replace("activation: tanh)", "activation: tanh) - 40 * x");
    let o = objective(&stiff);
    let (bits, costs) = after::<f64>(&o, &jit(), 1, KEPT);
    assert!(costs[0].factorisations > costs[0].accepted, "forward and back: {:?}", costs[0]);
    for (threads, mode) in
        [(3, KEPT), (1, Mode::Exact { budget: 1 << 30 }), (2, Mode::Snapshots(1)), (1, Mode::Snapshots(3))]
    {
        assert_eq!(bits, after::<f64>(&o, &jit(), threads, mode).0, "{threads} threads, {mode:?}");
    }
    assert_eq!(bits, after::<f64>(&o, &Interp, 2, KEPT).0, "by the interpreter");
}

/// The adjoint comes nearer to the gradient of the steps as its tolerance falls, where those are exact enough.
#[test]
fn the_adjoint_converges_to_the_gradient_of_the_steps() {
    let observed = format!(
        "{HEAD}net enter(x: vec[2]) -> vec[2] = dense(x, out: 2)
param T: real = 0.5
field f(y: vec[2], t: real) = mlp(concat(y, t), hidden: [6], out: 2, activation: tanh)
objective follow {{
  draw x ~ target
  let y = solve t: linspace(0, 1, 6) {{ y' = f(y, t) from enter(x) }}.y
  let z = solve t: T / 3 -> T {{ z' = f(z, t) + x * t from y[5] }}.z
  minimize sum(y * y) + norm(z - x)^2
}}
train {{ objective: follow, batch: 70, steps: 1, solver: dopri5(rtol: 1e-10, atol: 1e-10) }}"
    );
    for text in [likelihood("flow(v, until: 0.8)", "solver: dopri5(rtol: 1e-10, atol: 1e-10)"), observed] {
        let o = objective(&text);
        let exact = gradient(&mut o.trainer(&jit(), 1, KEPT, SGD));
        let size = exact.iter().map(|g| g * g).sum::<f64>().sqrt();
        let distance = |tolerance: f64| {
            let mode = Mode::Adjoint { rtol: Some(tolerance), atol: Some(tolerance) };
            let found = gradient(&mut o.trainer(&jit(), 1, mode, SGD));
            exact.iter().zip(&found).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt() / size
        };
        let curve = [1e-3, 1e-6, 1e-9].map(distance);
        assert!(curve[0] < 2e-2 && curve[1] < 1e-4 && curve[2] < 1e-6, "{curve:?}\n{text}");
    }
}

/// Memory of the tape: as many states as steps, at most so many, or none.
#[test]
fn memory_grows_with_the_steps_where_it_is_said_to() {
    let bytes = |steps: u32, mode: Mode| {
        let o = objective(&likelihood("flow(v)", &format!("solver: rk4(steps: {steps})")));
        after::<f64>(&o, &jit(), 1, mode).1[0].bytes
    };
    let all = Mode::Exact { budget: 1 << 30 };
    let (few, many) = (bytes(10, all).0 as f64, bytes(40, all).0 as f64);
    assert!((many / few - 4.0).abs() < 0.01, "{few} {many}");
    assert_eq!(bytes(40, all).0, bytes(40, KEPT).1);
    let adjoint = Mode::Adjoint { rtol: None, atol: None };
    assert_eq!(bytes(10, adjoint), bytes(40, adjoint));
    let (few, many) = (bytes(10, REVERSIBLE).0, bytes(40, REVERSIBLE).0);
    assert_eq!(many - few, 30 * (64 * 19 + 32), "only the log of steps grows");
    assert!(many < bytes(40, all).0 / 20, "{many}");
    // Only the log of steps grows: 19 bytes a sample and step, beside 4 snapshots of at most 64 steps between them.
    let log = |steps: f64| 70.0 * 24.0 * steps;
    let (few, many) = (bytes(16, Mode::Snapshots(8)).0 as f64, bytes(64, Mode::Snapshots(8)).0 as f64);
    assert!(many - few < log(64.0) + 0.3 * (bytes(64, KEPT).0 - bytes(16, KEPT).0) as f64, "{few} {many}");
}
