//! Training steps.

use super::programs::{Builder, moons_matching};
use super::reference::Reference;
use flowc::backend::Backend;
use flowc::codegen::Jit;
use flowc::diag::{Code, Diagnostic};
use flowc::interp::Interp;
use flowc::ir::eval::evaluate_batch;
use flowc::ir::{DrawKind, Init, InputId, NodeId, Op, Program, UnaryFn};
use flowc::kernels::Isa;
use flowc::rng;
use flowc::run::Real;
use flowc::run::checkpoint;
use flowc::run::data_cols::{ColumnSource, Columns, DataRows};
use flowc::run::init::initial;
use flowc::run::optim::{Ema, Optimizer, Rule};
use flowc::run::params::ParamTable;
use flowc::run::pool::Pool;
use flowc::run::shares::slots;
use flowc::run::theta::GradientMap;
use flowc::run::train::{StepReport, TrainConfig, Trainer};
use flowc::stage;

fn config(batch: usize) -> TrainConfig {
    TrainConfig { seed: 5, batch, optimizer: Optimizer::adam(), ema: None, clip: None }
}

fn trainer<T: Real>(
    (program, loss): &(Program, NodeId),
    backend: &dyn Backend<T>,
    threads: usize,
    config: TrainConfig,
) -> Trainer<T> {
    with_source(program, *loss, backend, threads, config, None)
}

fn with_source<T: Real>(
    program: &Program,
    loss: NodeId,
    backend: &dyn Backend<T>,
    threads: usize,
    config: TrainConfig,
    source: Option<Box<dyn ColumnSource<T>>>,
) -> Trainer<T> {
    let plan = stage::gradient(program, loss).unwrap();
    Trainer::new(program, plan, backend, Pool::new(Some(threads)), config, source).unwrap()
}

fn run<T: Real>(trainer: &mut Trainer<T>, steps: usize) -> Vec<StepReport> {
    let mut reports = Vec::new();
    trainer.run(&vec![1e-2; steps], &mut reports).unwrap();
    reports
}

fn bits<T: Real>(v: &[T]) -> Vec<u64> {
    v.iter().map(|x| x.to_f64().to_bits()).collect()
}

/// A draw of one sample as the runner must make it.
fn drawn(program: &Program, id: u32, config: &TrainConfig, step: u64, sample: usize) -> Vec<f64> {
    let d = &program.draws[id as usize];
    let rows: usize = d.shape.iter().product();
    let mut tile = vec![0.0_f64; rows * 64];
    let (key, site) = (rng::Key::new(config.seed, "train"), rng::site(&d.site));
    match d.kind {
        DrawKind::Uniform => rng::fill_uniform(&mut tile, rows, key, site, step, sample as u64, 1),
        DrawKind::Normal => rng::fill_normal(&mut tile, rows, key, site, step, sample as u64, 1),
    }
    (0..rows).map(|r| tile[r * 64]).collect()
}

#[test]
fn slots_are_whole_runs_of_chunks() {
    for batch in [1, 63, 64, 65, 256, 511, 512, 1000, 1024, 4096, 5000] {
        let chunk = if batch < 512 { 64 } else { 128 };
        let slots = slots(batch);
        assert!(slots.len() == batch.div_ceil(chunk).min(8));
        let mut at = 0;
        for s in &slots {
            assert!(s.start == at && s.end > at && (s.end % chunk == 0 || s.end == batch));
            at = s.end;
        }
        assert_eq!(at, batch);
    }
}

/// A loss whose parameters pass through a prologue: `|exp(s) W x - b|^2 + u^2 w`, with parameters declared in another order
/// than they are read, one that is read both as it is and through the prologue, and one that is not read at all.
fn hoisted() -> (Program, NodeId) {
    let mut b = Builder::default();
    b.param("unused", &[5], Init::Normal(0.0, 1.0));
    let shift = b.param("b", &[2], Init::Normal(0.0, 1.0));
    let s = b.param("s", &[], Init::Normal(0.0, 1.0));
    let w = b.param("W", &[2, 3], Init::Normal(0.0, 1.0));
    let x = b.draw("x", DrawKind::Normal, &[3]);
    let u = b.draw("u", DrawKind::Uniform, &[]);
    let dag = b.dag();
    let e = dag.unary(UnaryFn::Exp, s);
    let ew = dag.mul(e, w);
    let y = dag.matmul(ew, x);
    let y = dag.sub(y, shift);
    let square = dag.einsum(&[(y, &[0]), (y, &[0])], &[]);
    let u2 = dag.mul(u, u);
    let more = dag.mul(u2, s);
    let loss = dag.add(square, more);
    (b.finish(&[]), loss)
}

/// One step of plain descent with rate 1 is the gradient; it must be that of the mean loss of the program itself, by central
/// differences along it, for any batch.
fn a_step_follows_the_gradient((program, loss): &(Program, NodeId), backend: &dyn Backend<f64>) {
    for batch in [1, 16, 50, 200] {
        let descent = Optimizer { rule: Rule::Sgd { momentum: 0.0, nesterov: false }, weight_decay: 0.0 };
        let config = TrainConfig { optimizer: descent, ..config(batch) };
        let mut t = with_source::<f64>(program, *loss, backend, 2, config, None);
        let before = t.theta().to_vec();
        assert_eq!(before, initial::<f64>(&program.params, config.seed));
        let mut reports = Vec::new();
        t.run(&[1.0], &mut reports).unwrap();
        let mean = |theta: &[f64]| {
            let value = |sample: usize| {
                let leaf = |_, id: NodeId| match program.dag.op(id) {
                    Op::Param(p) => Some(theta[t.table().entry(*p).range.clone()].to_vec()),
                    Op::Draw(d) => Some(drawn(program, d.0, &config, 0, sample)),
                    _ => None,
                };
                evaluate_batch::<f64>(&program.dag, &[*loss], 1, leaf).unwrap()[0][0]
            };
            (0..batch).map(value).sum::<f64>() / batch as f64
        };
        assert!((reports[0].loss - mean(&before)).abs() < 1e-12 * (1.0 + mean(&before).abs()));
        let gradient: Vec<f64> = before.iter().zip(t.theta()).map(|(b, a)| b - a).collect();
        let norm2: f64 = gradient.iter().map(|g| g * g).sum();
        assert!((norm2.sqrt() - reports[0].gradient_norm).abs() < 1e-9 * (1.0 + norm2));
        // Along the gradient, and along each parameter's part of it.
        let along = |range: &std::ops::Range<usize>| {
            let part = |h: f64| {
                let moved = |(i, b): (usize, &f64)| if range.contains(&i) { b + h * gradient[i] } else { *b };
                mean(&before.iter().enumerate().map(moved).collect::<Vec<_>>())
            };
            let h = 1e-5;
            ((part(h) - part(-h)) / (2.0 * h), gradient[range.clone()].iter().map(|g| g * g).sum::<f64>())
        };
        let parts = t.table().entries().iter().map(|e| e.range.clone());
        for range in parts.chain(std::iter::once(0..before.len())) {
            let (slope, want) = along(&range);
            assert!((slope - want).abs() < 1e-6 * (1.0 + want), "batch {batch}, {range:?}: {slope} against {want}");
        }
    }
}

/// Least squares without a prologue, with parameters declared in another order than they are read, and one never read.
fn reordered() -> (Program, NodeId) {
    let mut b = Builder::default();
    let id = |i: u32| flowc::ir::ParamId(i);
    for (name, shape) in [("shift", vec![2]), ("unused", vec![3]), ("W", vec![2, 3])] {
        let init = Init::Normal(0.0, 1.0);
        b.program.params.push(flowc::ir::ParamDecl {
            name: name.to_owned(),
            shape,
            init,
            span: super::programs::NOWHERE,
        });
    }
    let x = b.draw("x", DrawKind::Normal, &[3]);
    let dag = b.dag();
    let w = dag.param(id(2), vec![2, 3]);
    let shift = dag.param(id(0), vec![2]);
    let y = dag.matmul(w, x);
    let y = dag.sub(y, shift);
    let loss = dag.einsum(&[(y, &[0]), (y, &[0])], &[]);
    (b.finish(&[]), loss)
}

#[test]
fn a_step_follows_the_gradient_of_the_mean_loss() {
    for backend in [&Reference as &dyn Backend<f64>, &Interp, &Jit::new(Isa::detect())] {
        a_step_follows_the_gradient(&moons_matching(&[7, 5]), backend);
        a_step_follows_the_gradient(&hoisted(), backend);
        a_step_follows_the_gradient(&reordered(), backend);
    }
}

#[test]
fn the_programs_above_take_the_ways_they_are_meant_to_take() {
    let map = |(program, loss): (Program, NodeId)| {
        let plan = stage::gradient(&program, loss).unwrap();
        GradientMap::new(&plan.prologue, &plan.cotangents, plan.epilogue, &ParamTable::new(&program.params)).unwrap()
    };
    assert!(matches!(map(moons_matching(&[7, 5])), GradientMap::Identity));
    assert!(matches!(map(hoisted()), GradientMap::Epilogue { .. }));
    assert!(matches!(map(reordered()), GradientMap::Pieces(_)));
}

/// Everything that a run leaves: reports and the checkpoint's vectors, by their bits.
fn trace<T: Real>(mut t: Trainer<T>, steps: usize) -> (Vec<[u64; 2]>, Vec<Vec<u64>>) {
    let reports = run(&mut t, steps);
    let c = t.checkpoint("");
    let vectors = [&c.theta].into_iter().chain(&c.ema).chain(c.memory.iter().map(|(_, v)| v));
    (
        reports.iter().map(|r| [r.loss.to_bits(), r.gradient_norm.to_bits()]).collect(),
        vectors.map(|v| bits(v)).collect(),
    )
}

fn threads_change_no_bit<T: Real>(
    backend: &dyn Backend<T>,
    program: &(Program, NodeId),
    batches: &[usize],
    steps: usize,
) {
    for &batch in batches {
        let config = TrainConfig { ema: Some(Ema { decay: 0.99 }), clip: Some(0.5), ..config(batch) };
        let one = trainer::<T>(program, backend, 1, config);
        let alone_by_size = (one.flops() as f64) < 1.6e6;
        let alone = trace(one, steps);
        for threads in [2, 3] {
            let t = trainer::<T>(program, backend, threads, config);
            assert_eq!(t.workers(), if alone_by_size { 1 } else { threads.min(slots(batch).len()) });
            assert_eq!(alone, trace(t, steps), "batch {batch}, {threads} threads");
        }
    }
}

#[test]
fn threads_change_no_bit_of_a_run() {
    threads_change_no_bit::<f64>(&Reference, &moons_matching(&[4]), &[70, 130, 520], 3);
    threads_change_no_bit::<f64>(&Reference, &hoisted(), &[130], 5);
    threads_change_no_bit::<f64>(&Reference, &reordered(), &[130], 5);
}

#[test]
fn threads_change_no_bit_of_generated_code() {
    let jit = Jit::new(Isa::detect());
    threads_change_no_bit::<f32>(&jit, &moons_matching(&[64, 64]), &[130, 256, 1000, 1024], 20);
    threads_change_no_bit::<f64>(&jit, &moons_matching(&[64, 64]), &[600], 5);
    // Wide enough to be shared in spite of a prologue.
    threads_change_no_bit::<f32>(&jit, &hoisted(), &[100_000], 3);
    threads_change_no_bit::<f32>(&jit, &reordered(), &[200_000], 3);
}

#[test]
fn back_ends_and_instruction_sets_train_to_the_same_bits() {
    let program = moons_matching(&[16, 16]);
    let config = TrainConfig { ema: Some(Ema { decay: 0.9 }), ..config(150) };
    let want = trace(trainer::<f32>(&program, &Interp, 1, config), 6);
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        assert_eq!(want, trace(trainer::<f32>(&program, &Jit::new(isa), 2, config), 6), "{isa}");
    }
}

#[test]
fn sections_and_resuming_change_no_bit() {
    let program = moons_matching(&[4]);
    let rules = [
        Optimizer::adam(),
        Optimizer { rule: Rule::RmsProp { alpha: 0.9, eps: 1e-8, momentum: 0.5 }, weight_decay: 1e-3 },
        Optimizer { rule: Rule::Sgd { momentum: 0.0, nesterov: false }, weight_decay: 0.0 },
    ];
    for optimizer in rules {
        let config = TrainConfig { optimizer, ema: Some(Ema { decay: 0.9 }), ..config(40) };
        let new = || trainer::<f32>(&program, &Reference, 2, config);
        let mut whole = new();
        let reports = run(&mut whole, 9);

        let mut first = new();
        let mut parts = run(&mut first, 4);
        parts.extend(run(&mut first, 1));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.safetensors");
        checkpoint::save(&path, first.table(), &first.checkpoint("spec")).unwrap();

        // A trainer that has been elsewhere before.
        let mut second = new();
        run(&mut second, 7);
        second.restore(&checkpoint::load(&path, second.table()).unwrap()).unwrap();
        assert_eq!(second.steps(), 5);
        parts.extend(run(&mut second, 4));
        assert_eq!(parts, reports);
        assert_eq!(second.checkpoint("spec"), whole.checkpoint("spec"));
    }
}

#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let program = moons_matching(&[4]);
    let own = trainer::<f32>(&program, &Reference, 1, config(8)).checkpoint("");
    let refuse = |config: TrainConfig, words: &str| {
        let mut t = trainer::<f32>(&program, &Reference, 1, config);
        let before = t.checkpoint("");
        let e = t.restore(&own).unwrap_err();
        assert_eq!(e.code, Code::BadCheckpoint);
        assert!(e.message.contains(words), "{}", e.message);
        assert_eq!(t.checkpoint(""), before);
    };
    refuse(TrainConfig { seed: 6, ..config(8) }, "seed");
    refuse(TrainConfig { ema: Some(Ema { decay: 0.9 }), ..config(8) }, "averages");
    let descent = Optimizer { rule: Rule::Sgd { momentum: 0.9, nesterov: true }, weight_decay: 0.0 };
    refuse(TrainConfig { optimizer: descent, ..config(8) }, "optimizer");
}

/// The loss `(w - 3)^2` of samples, whatever they are, times `exp(s)` where a parameter is to break.
fn bowl(b: &mut Builder, start: f64) -> NodeId {
    let w = b.param("w", &[], Init::Constant(start));
    let z = b.draw("z", DrawKind::Normal, &[]);
    let dag = b.dag();
    let three = dag.constant(3.0);
    let e = dag.sub(w, three);
    let small = dag.scale(1e-3, z);
    let e = dag.add(e, small);
    dag.mul(e, e)
}

#[test]
fn the_loss_falls_to_its_floor() {
    let mut b = Builder::default();
    let loss = bowl(&mut b, -2.0);
    let program = (b.finish(&[]), loss);
    let mut t = trainer::<f64>(&program, &Reference, 2, config(32));
    let mut reports = Vec::new();
    t.run(&[0.1; 300], &mut reports).unwrap();
    assert!(reports[0].loss > 20.0 && reports[299].loss < 1e-3, "{:?}", reports[299]);
    assert!((t.theta()[0] - 3.0).abs() < 1e-2);
}

#[test]
fn a_loss_that_is_not_finite_stops_with_the_parameters_of_the_step_before() {
    // w grows by the rate at each step of plain descent on -w, and exp(w) overflows f32 beyond 88.7.
    let mut b = Builder::default();
    let w = b.param("w", &[], Init::Constant(80.0));
    let z = b.draw("z", DrawKind::Uniform, &[]);
    let dag = b.dag();
    let w = dag.add(w, z);
    let e = dag.unary(UnaryFn::Exp, w);
    let e = dag.stop(e);
    let loss = dag.sub(e, w);
    let program = (b.finish(&[]), loss);
    let descent = Optimizer { rule: Rule::Sgd { momentum: 0.0, nesterov: false }, weight_decay: 0.0 };
    for threads in [1, 2] {
        let mut t = trainer::<f32>(&program, &Reference, threads, TrainConfig { optimizer: descent, ..config(128) });
        let mut reports = Vec::new();
        let e = t.run(&[1.0; 20], &mut reports).unwrap_err();
        assert_eq!(e.code, Code::NonFiniteLoss);
        let steps = reports.len() as u64;
        assert!(e.message.contains(&format!("step {}", steps + 1)), "{}", e.message);
        assert!(steps > 3 && t.steps() == steps && reports.iter().all(|r| r.loss.is_finite()));
        assert_eq!(t.theta(), [80.0 + steps as f32]);
        // Again, from the same place: the same step fails.
        let again = t.run(&[1.0], &mut reports).unwrap_err();
        assert_eq!((again.message, t.steps()), (e.message, steps));
    }
}

#[test]
fn a_gradient_that_is_not_finite_is_named() {
    // sqrt has an infinite slope at zero.
    let mut b = Builder::default();
    let fine = b.param("fine", &[3], Init::Constant(1.0));
    let bad = b.param("bad", &[2], Init::Constant(0.0));
    let z = b.draw("z", DrawKind::Uniform, &[3]);
    let dag = b.dag();
    let root = dag.unary(UnaryFn::Sqrt, bad);
    let (a, c) = (dag.sum_all(root), dag.matmul(fine, z));
    let loss = dag.add(a, c);
    let program = (b.finish(&[]), loss);
    let mut t = trainer::<f64>(&program, &Reference, 1, config(4));
    let e = t.run(&[0.1], &mut Vec::new()).unwrap_err();
    assert_eq!(e.code, Code::NonFiniteLoss);
    assert!(e.message.contains("`bad`"), "{}", e.message);
    assert_eq!(t.theta(), [1.0, 1.0, 1.0, 0.0, 0.0]);
}

#[test]
fn clipping_bounds_the_step() {
    let mut b = Builder::default();
    let loss = bowl(&mut b, 100.0);
    let program = (b.finish(&[]), loss);
    let descent = Optimizer { rule: Rule::Sgd { momentum: 0.0, nesterov: false }, weight_decay: 0.0 };
    let config = TrainConfig { optimizer: descent, clip: Some(2.0), ..config(16) };
    let mut t = trainer::<f64>(&program, &Reference, 1, config);
    let mut reports = Vec::new();
    t.run(&[1.0], &mut reports).unwrap();
    assert!(reports[0].gradient_norm > 190.0);
    assert!((t.theta()[0] - 98.0).abs() < 1e-9);
}

/// Least squares `|W x - y|^2` on rows (x, y).
fn regression() -> (Program, NodeId) {
    let mut b = Builder::default();
    let (x, y) = (b.input("x", &[3]), b.input("y", &[]));
    let w = b.param("w", &[3], Init::Constant(0.0));
    let dag = b.dag();
    let p = dag.matmul(w, x);
    let e = dag.sub(p, y);
    let loss = dag.mul(e, e);
    (b.finish(&[]), loss)
}

/// Gives x and y = 2 x0 - x1 + 0.5 x2 from the number of the sample.
struct Given;

impl<T: Real> ColumnSource<T> for Given {
    fn fill(&self, step: u64, columns: &mut Columns<T>) -> Result<(), Box<Diagnostic>> {
        for i in 0..columns.samples() {
            let k = (step * 1000 + i as u64) as f64;
            let x = [(k * 0.7).sin(), (k * 1.3).cos(), (k * 2.1).sin()];
            let y = 2.0 * x[0] - x[1] + 0.5 * x[2];
            for (to, x) in columns.block_mut(InputId(0))[3 * i..3 * i + 3].iter_mut().zip(x) {
                *to = T::from_f64(x);
            }
            columns.block_mut(InputId(1))[i] = T::from_f64(y);
        }
        Ok(())
    }
}

#[test]
fn columns_reach_their_samples_on_any_number_of_threads() {
    let (program, loss) = regression();
    let make = |threads| with_source::<f64>(&program, loss, &Reference, threads, config(150), Some(Box::new(Given)));
    let mut t = make(1);
    let mut reports = Vec::new();
    t.run(&[0.05; 400], &mut reports).unwrap();
    for (w, want) in t.theta().iter().zip([2.0, -1.0, 0.5]) {
        assert!((w - want).abs() < 1e-3, "{w} against {want}");
    }
    let alone = trace(make(1), 7);
    assert_eq!(alone, trace(make(2), 7));
    assert_eq!(alone, trace(make(3), 7));
}

#[test]
fn an_error_of_a_source_ends_the_run_between_steps() {
    struct Ends;
    impl ColumnSource<f64> for Ends {
        fn fill(&self, step: u64, columns: &mut Columns<f64>) -> Result<(), Box<Diagnostic>> {
            if step == 5 {
                return Err(Box::new(Diagnostic::bare(Code::FileNotFound, "no more rows")));
            }
            Given.fill(step, columns)
        }
    }
    let (program, loss) = regression();
    for threads in [1, 2] {
        let make = |source| with_source::<f64>(&program, loss, &Reference, threads, config(150), Some(source));
        let mut t = make(Box::new(Ends));
        let mut reports = Vec::new();
        let e = t.run(&[0.1; 10], &mut reports).unwrap_err();
        assert_eq!(e.code, Code::FileNotFound);
        // Columns are prepared ahead, so the run may end before the step that lacks them, but not within a step.
        assert_eq!(t.steps(), reports.len() as u64);
        let mut same = make(Box::new(Given));
        if !reports.is_empty() {
            same.run(&vec![0.1; reports.len()], &mut Vec::new()).unwrap();
        }
        assert_eq!(t.checkpoint(""), same.checkpoint(""));
    }
}

#[test]
fn every_row_comes_once_an_epoch_and_in_another_order_the_next() {
    let rows: Vec<f32> = (0..37).flat_map(|i| [i as f32, -(i as f32)]).collect();
    let (program, _) = {
        let mut b = Builder::default();
        let x = b.input("x", &[2]);
        (b.finish(&[]), x)
    };
    let source = DataRows::new(InputId(0), rows.into(), 2, 9).unwrap();
    let mut seen = Vec::new();
    for step in 0..37 {
        let mut columns = Columns::<f32>::zeros(&program.inputs, 8);
        source.fill(step, &mut columns).unwrap();
        for row in columns.block(InputId(0)).chunks(2) {
            assert!(row[1].to_bits() == (-row[0]).to_bits());
            seen.push(row[0] as usize);
        }
    }
    let epochs: Vec<Vec<usize>> = seen.chunks(37).map(<[usize]>::to_vec).collect();
    assert_eq!(epochs.len(), 8);
    for (i, epoch) in epochs.iter().enumerate() {
        let mut sorted = epoch.clone();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..37));
        assert!(epochs[..i].iter().all(|other| other != epoch));
    }
    // Any step, asked alone.
    let alone = DataRows::new(InputId(0), source_rows(), 2, 9).unwrap();
    let mut columns = Columns::<f32>::zeros(&program.inputs, 8);
    alone.fill(20, &mut columns).unwrap();
    assert!(columns.block(InputId(0)).chunks(2).map(|r| r[0] as usize).eq(seen[160..168].iter().copied()));
    assert!(DataRows::new(InputId(0), vec![1.0_f32; 5].into(), 2, 9).is_none());
}

fn source_rows() -> std::sync::Arc<[f32]> {
    (0..37).flat_map(|i| [i as f32, -(i as f32)]).collect()
}

#[test]
fn initial_values_depend_on_the_name_alone() {
    let uniform = |b: &mut Builder, name: &str| b.param(name, &[200], Init::Uniform(-2.0, 3.0));
    let (mut one, mut two) = (Builder::default(), Builder::default());
    uniform(&mut one, "a");
    one.param("n", &[2000], Init::Normal(1.0, 0.1));
    two.param("first", &[3], Init::Constant(7.0));
    uniform(&mut two, "b");
    uniform(&mut two, "a");
    let (one, two) = (initial::<f64>(&one.program.params, 1), initial::<f64>(&two.program.params, 1));
    assert_eq!(one[..200], two[203..403]);
    assert_ne!(two[3..203], two[203..403]);
    assert_eq!(two[..3], [7.0; 3]);
    assert!(one[..200].iter().all(|x| (-2.0..3.0).contains(x)));
    let mean = one[200..].iter().sum::<f64>() / 2000.0;
    assert!((mean - 1.0).abs() < 0.01, "{mean}");
}
