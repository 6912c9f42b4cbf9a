//! Laws of runs on labelled data: equal bits everywhere, the split that is measured, the class `none`.

use flowc::data::{self, Options, Pick, Split};
use flowc::experiment::{Ended, Engine};
use flowc::kernels::Isa;
use std::path::Path;

use crate::data::{named, values};
use crate::experiment::run_as;

fn run(text: &str, dir: &Path, engine: Engine, threads: usize) -> Ended {
    run_as("specs/test.flow", text, dir, engine, threads)
}

const DIGITS: &str = "
data = file(\"data/digits.npz\", features: \"x\", label: \"y\", standardize: global, split: [0.8, 0, 0.2])
source = normal(dim: 64)
target = data
field v(x, t | y: class[10]) = mlp(concat(x, fourier(t, 8), embed(y, 8)), hidden: [32], out: dim(x))
net logits(x: vec[64]) -> vec[10] = mlp(x, hidden: [16], out: 10)
fn guided(x, t | y; weight: real) = v(x, t) + weight * (v(x, t | y) - v(x, t))
objective both {
  draw (x | y) ~ data
  draw (x0, x1 | k) ~ independent
  draw t ~ uniform(0, 1)
  draw keep ~ bernoulli(0.8)
  let xt = (1 - t) * x0 + t * x1
  minimize cross_entropy(logits(x), y) + norm(v(xt, t | if keep then k else none) - diff(xt, t))^2
}
objective classify { draw (x | y) ~ data; minimize cross_entropy(logits(x), y) }
train { objective: both, batch: 128, epochs: 6, optimizer: adam(lr: 1e-2) }
generate { sampler: flow(guided(weight: 1)), labels: each, count: 200, solver: heun(steps: 4) }
evaluate [wasserstein2(by: label), accuracy(logits), classify, nfe]
";

#[test]
fn labelled_data_run_to_the_same_bits_everywhere() {
    let base = tempfile::tempdir().expect("a folder");
    let mut seen: Option<(Vec<f64>, Vec<u8>)> = None;
    for (i, (engine, threads)) in
        [(Engine::Jit(Isa::detect()), 1), (Engine::Jit(Isa::detect()), 2), (Engine::Interp, 2)].into_iter().enumerate()
    {
        let dir = base.path().join(i.to_string());
        let ended = run(DIGITS, &dir, engine, threads);
        assert!(ended.failure.is_none(), "{:?}", ended.failure);
        let cell = &ended.record.cells[0];
        // 1,438 rows train: six epochs of 128.
        assert_eq!(cell.steps_done, 68);
        let numbers: Vec<f64> = cell.metrics.iter().map(|m| m.value).collect();
        assert!(numbers.iter().all(|n| n.is_finite()), "{numbers:?}");
        let accuracy = &cell.metrics[1];
        assert!(accuracy.value > 0.5 && accuracy.size == Some(359), "{accuracy:?}");
        let p = accuracy.value;
        let error = accuracy.standard_error.expect("an error");
        assert!((error - (p * (1.0 - p) / 358.0).sqrt()).abs() < 1e-9, "{error}");
        let classes = &cell.metrics[0].classes;
        assert_eq!(classes.len(), 10);
        let mean = classes.iter().map(|c| c.value).sum::<f64>() / 10.0;
        assert!((mean - cell.metrics[0].value).abs() < 1e-12);
        assert!(cell.images.as_ref().is_some_and(|i| i.side == 8 && i.samples.len() == 10 * 8 * 64));
        let traces = (numbers, std::fs::read(dir.join("samples.npy")).expect("samples"));
        match &seen {
            None => seen = Some(traces),
            Some(first) => assert!(*first == traces, "{engine:?} on {threads} threads"),
        }
    }
}

/// What is measured are the rows that were split off, each once: the mean of the identity over them is their mean.
#[test]
fn objectives_are_evaluated_on_the_test_split() {
    let text = "
precision f64
data = file(\"data/cancer.csv\", features: [\"radius\"], label: \"diagnosis\", split: [0.5, 0.25, 0.25])
param shift: real = 0
objective radius { draw (x | y) ~ data; minimize x[0] + shift }
objective share { draw (x | y) ~ data; minimize (if y == 1 then 1 else 0) + shift }
train { objective: radius, optimizer: adam(lr: 0), batch: 16, steps: 2 }
evaluate [radius, share]
";
    let dir = tempfile::tempdir().expect("a folder");
    let ended = run(text, &dir.path().join("run"), Engine::Jit(Isa::detect()), 2);
    assert!(ended.failure.is_none(), "{:?}", ended.failure);
    let options = Options {
        features: named(&["radius"]),
        label: Some(Pick::Name("diagnosis".into())),
        split: Some([0.5, 0.25, 0.25]),
        ..Options::default()
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("specs/data/cancer.csv");
    let t = data::load(&path, &options).expect("it is sound");
    let test = t.split(Split::Test);
    let mean = |f: &dyn Fn(usize) -> f64| test.iter().map(|r| f(*r as usize)).sum::<f64>() / test.len() as f64;
    let metrics = &ended.record.cells[0].metrics;
    let radius = mean(&|r| values(&t)[r]);
    assert!((metrics[0].value - radius).abs() < 1e-9, "{} {radius}", metrics[0].value);
    let labels = t.labels.as_ref().expect("labelled");
    assert!((metrics[1].value - mean(&|r| f64::from(labels.of[r]))).abs() < 1e-12);
    assert_eq!(metrics[0].size, Some(test.len() as u64));
}

/// `none` is a class of its own to a select, and zero to an embedding.
#[test]
fn none_is_no_class() {
    let text = "
precision f64
source = normal(dim: 3)
target = normal(dim: 3)
fn shown(y: class[3]) -> vec[3] = one_hot(y, 3)
fn kept(x | y: class[3]) -> vec[3] = if y == none then 0 * x - 7 else shown(y)
objective o { draw x ~ source; minimize sum(kept(x)) + dot(w, x) }
objective p { draw x ~ source; minimize dot([1, 10, 100], kept(x | 2)) + dot(w, x) }
objective q {
  draw x ~ source
  draw keep ~ bernoulli(1)
  minimize dot([1, 10, 100], kept(x | if keep then 1 else none)) + dot(w, x)
}
objective r {
  draw x ~ source
  draw keep ~ bernoulli(0)
  minimize sum(shown(if keep then 1 else none)) + dot(w, x)
}
param w: vec[3] = 0
train { objective: o, optimizer: adam(lr: 0), steps: 1 }
evaluate [o, p, q, r]
";
    let dir = tempfile::tempdir().expect("a folder");
    let ended = run(text, &dir.path().join("run"), Engine::Jit(Isa::detect()), 1);
    assert!(ended.failure.is_none(), "{:?}", ended.failure);
    let values: Vec<f64> = ended.record.cells[0].metrics.iter().map(|m| m.value).collect();
    assert_eq!(values, [-21.0, 100.0, 10.0, 0.0]);
}
