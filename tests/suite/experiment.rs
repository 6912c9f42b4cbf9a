//! Whole runs: the same bits on any number of threads and on both back ends, failures that lose nothing, honest numbers.

use flowc::diag::Code;
use flowc::driver;
use flowc::experiment::{self, Ended, Engine, Header, Options};
use flowc::folder::{Place, RunFolder};
use flowc::kernels::Isa;
use flowc::report::record::Cell;
use flowc::run::pool::Pool;
use flowc::term::Progress;
use std::path::Path;

const SMALL: &str = "
source = normal(dim: 2)
target = moons(noise: 0.1)
field v(x, t) = mlp(concat(x, t), hidden: [24, 24], out: dim(x))
train { objective: flow_matching(v, straight), batch: 100, steps: 40, ema: 0.9, clip: 5 }
generate { sampler: flow(v), count: 700 }
evaluate [wasserstein2, kl, path_energy, npe, nfe, parameters]
expect kl < 100
";

fn run(text: &str, dir: &Path, engine: Engine, threads: usize) -> Ended {
    run_as("test.flow", text, dir, engine, threads)
}

/// Runs a spec that stands at `file`, from where it names its data.
pub fn run_as(file: &str, text: &str, dir: &Path, engine: Engine, threads: usize) -> Ended {
    let compiled = driver::compile(file, text);
    let plan = compiled.plan.as_ref().unwrap_or_else(|| panic!("refused: {:?}", compiled.diagnostics));
    let folder = RunFolder::create(&Place::Exactly(dir.to_owned()), "test", text).expect("a folder");
    let header = Header {
        name: "test".into(),
        file: "test.flow".into(),
        text: text.into(),
        reproduce: "flowc run test.flow".into(),
    };
    let options = Options { engine, pool: Pool::new(Some(threads)) };
    let words = |s| compiled.sources.text(s).to_owned();
    experiment::run(plan, &header, &folder, options, &mut Progress::lines(Box::new(std::io::sink())), &words)
}

/// What a run left behind, byte for byte.
fn traces(dir: &Path) -> (Vec<u8>, Vec<u8>) {
    let read = |name: &str| std::fs::read(dir.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    (read("checkpoint.safetensors"), read("samples.npy"))
}

#[test]
fn bits_depend_on_neither_threads_nor_the_back_end() {
    let base = tempfile::tempdir().expect("a folder");
    let mut seen = None;
    let engines = [
        (Engine::Jit(Isa::detect()), 1),
        (Engine::Jit(Isa::detect()), 2),
        (Engine::Jit(Isa::detect()), 3),
        (Engine::Interp, 2),
    ];
    for (i, (engine, threads)) in engines.into_iter().enumerate() {
        let dir = base.path().join(i.to_string());
        let ended = run(SMALL, &dir, engine, threads);
        assert!(ended.failure.is_none(), "{:?}", ended.failure);
        let numbers: Vec<f64> = ended.record.cells[0].metrics.iter().map(|m| m.value).collect();
        assert!(numbers.iter().all(|n| n.is_finite()), "{numbers:?}");
        let all = (traces(&dir), numbers);
        match &seen {
            None => seen = Some(all),
            Some(first) => {
                let what = format!("{engine:?} on {threads} threads");
                assert_eq!(first.1, all.1, "metrics: {what}");
                assert!(first.0.1 == all.0.1, "samples: {what}");
                assert!(first.0.0 == all.0.0, "checkpoint: {what}");
            }
        }
    }
}

#[test]
fn seeds_and_arms_share_what_they_should() {
    let text =
        SMALL.replace("straight", "p").replace("train {", "seeds [3, 4]\ncompare p in [straight, trig]\ntrain {");
    let dir = tempfile::tempdir().expect("a folder");
    let ended = run(&text, &dir.path().join("run"), Engine::Jit(Isa::detect()), 2);
    let record = ended.record;
    assert_eq!(record.cells.len(), 4);
    let labels: Vec<(String, u64)> = record.cells.iter().map(|c| (c.labels[0].clone(), c.seed)).collect();
    assert_eq!(
        labels,
        [("straight".into(), 3), ("straight".into(), 4), ("trig".into(), 3), ("trig".into(), 4)] as [(String, u64); 4]
    );
    // One target, drawn alike in both arms of a seed; other draws with another seed.
    let target = |i: usize| record.cells[i].target.clone().expect("drawn").data;
    assert_eq!(target(0), target(2));
    assert_ne!(target(0), target(1));
    // The first loss is of equal weights on equal draws, but of other paths.
    assert!(record.cells[0].loss[0].1 != record.cells[2].loss[0].1);
}

#[test]
fn a_run_that_turns_infinite_keeps_what_it_has() {
    let text = SMALL.replace("batch: 100", "batch: 100, optimizer: sgd(lr: 1e30)").replace(", clip: 5", "");
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("run");
    let ended = run(&text, &path, Engine::Jit(Isa::detect()), 1);
    let failure = ended.failure.expect("it fails");
    assert_eq!(failure.code.number(), "E0701", "{failure:?}");
    assert!(failure.message.contains("step"), "{failure:?}");
    assert!(failure.help.is_some(), "no remedy: {failure:?}");
    assert!(!ended.record.interrupted, "nobody stopped it");
    let cell = &ended.record.cells[0];
    assert!(cell.failed.as_ref().is_some_and(|f| f.what.contains("E0701")), "{:?}", cell.failed);
    assert!(cell.steps_done < cell.steps_planned);
    assert!(path.join("checkpoint.safetensors").exists(), "the last finite parameters are kept");
}

#[test]
fn training_reaches_the_closed_form_of_two_gaussians() {
    // N(0, 1) to N(2, 1/4) on straight lines (results of the Gaussian case: the least loss is pi s / 2 for s = 1/2).
    let text = "
source = normal(dim: 1)
target = affine(normal(dim: 1), scale: 0.5, shift: 2)
field v(x, t) = mlp(concat(x, t), hidden: [32, 32], out: dim(x))
train { objective: flow_matching(v, straight), optimizer: adam(lr: cosine(5e-3, steps: 3_000)), batch: 512, steps: 3_000, ema: 0.99 }
generate { sampler: flow(v), count: 4_000 }
evaluate [kl]
";
    let dir = tempfile::tempdir().expect("a folder");
    let ended = run(text, &dir.path().join("run"), Engine::Jit(Isa::detect()), 2);
    assert!(ended.failure.is_none(), "{:?}", ended.failure);
    let cell = &ended.record.cells[0];
    let last: Vec<f64> = cell.loss.iter().rev().take(200).map(|(_, l)| *l).collect();
    let mean = last.iter().sum::<f64>() / last.len() as f64;
    let floor = std::f64::consts::PI * 0.5 / 2.0;
    // The last half: 1,500 steps of 512 draws of a loss with variance about 1: 5 standard errors are 0.006.
    assert!(mean > floor - 0.01, "below the floor: {mean} < {floor}");
    assert!(mean < floor * 1.05, "far above the floor: {mean} > {floor}");
    let kl = cell.metrics[0].value;
    assert!(kl.abs() < 0.01, "kl {kl}");
}

#[test]
fn a_papers_number_stands_beside_the_result_of_its_arm_and_decides_nothing() {
    let text = SMALL.replace("straight", "p").replace("train {", "compare p in [straight, trig]\ntrain {").replace(
        "expect kl < 100",
        "published kl[trig] = 0.5 within 0.25 from \"A paper (2024)\"\npublished nfe = 7\nexpect kl[trig] == kl[trig].published within 1e9",
    );
    let dir = tempfile::tempdir().expect("a folder");
    let record = run(&text, &dir.path().join("run"), Engine::Jit(Isa::detect()), 1).record;
    let said = |arm: usize, name: &str| {
        let metric = record.cells[arm].metrics.iter().find(|m| m.name == name).expect("evaluated");
        metric.published.as_ref().map(|p| (p.value, p.spread, p.origin.as_deref()))
    };
    assert_eq!(said(0, "kl"), None);
    assert_eq!(said(1, "kl"), Some((0.5, Some(0.25), Some("A paper (2024)"))));
    assert_eq!((said(0, "nfe"), said(1, "nfe")), (Some((7.0, None, None)), Some((7.0, None, None))));
    assert_eq!(record.expectations.len(), 1, "only `expect` judges");
    assert_eq!((record.expectations[0].holds, record.expectations[0].right), (Some(true), Some(0.5)));
    let back = flowc::report::record::RunRecord::from_json(&record.to_json().expect("json")).expect("a record");
    assert_eq!(back.cells[1].metrics, record.cells[1].metrics);
    let table = flowc::term::summary(&record, None, false);
    assert!(table.contains("0.5 ± 0.25") && table.contains("published: A paper (2024)"), "{table}");
    assert!(table.lines().all(|l| l.chars().count() <= 80), "{table}");
    let page = flowc::report::html::page(&record);
    assert!(page.contains("published 0.5 ± 0.25") && page.contains("A paper (2024)"));
}

/// A closed-form flow: more samples of a metric's own make its error smaller as the root of their number, and nothing else differs.
#[test]
fn a_metric_looks_at_as_many_samples_as_it_says() {
    let text = "
precision f64
source = normal(dim: 2)
target = normal(mean: [2, 0], std: 0.5, dim: 2)
field u(x, t) {
  let w = t^2 / 4 + (1 - t)^2
  [2, 0] + (t / 4 - (1 - t)) / w * (x - t * [2, 0])
}
generate { sampler: flow(u), solver: rk4(steps: 8), count: 500 }
expect energy == path_energy within 1
evaluate [path_energy, energy: path_energy(count: 8_000, points: 200), npe(count: 8_000, points: 200), kl(count: 700),
  wasserstein2(count: 4_000, points: 100), nfe(count: 20)]
";
    let dir = tempfile::tempdir().expect("a folder");
    let ended = run(text, &dir.path().join("run"), Engine::Jit(Isa::detect()), 1);
    assert!(ended.failure.is_none(), "{:?}", ended.failure);
    let m = &ended.record.cells[0].metrics;
    assert_eq!(m[1].name, "energy");
    assert_eq!(ended.record.expectations[0].left, Some(m[1].value));
    let error = |i: usize| m[i].standard_error.expect("an error");
    assert_eq!(m.iter().map(|m| m.size).collect::<Vec<_>>(), [500, 8_000, 200, 700, 100, 20].map(Some));
    assert!((error(0) / error(1) - 4.0).abs() < 0.6, "{} {}", error(0), error(1));
    // E |v|^2 and the squared distance are closed forms: 4.9292 and 4.5 (specs/gaussians.flow).
    assert!((m[1].value - 4.9292).abs() < 4.0 * error(1), "{:?}", m[1]);
    assert!((m[2].value - 0.0954).abs() < 0.05 && error(2) < 0.02, "{:?}", m[2]);
}

/// The law of source and target is the same and the field stands still, so every density is that of a normal law.
#[test]
fn pictures_show_the_densities() {
    let text = "
source = normal(dim: 2)
target = normal(dim: 2)
field v(x, t) = 1e-9 * mlp(concat(x, t), hidden: [4], out: dim(x))
train { objective: flow_matching(v, straight), batch: 64, steps: 2 }
generate { sampler: flow(v), solver: rk4(steps: 2), count: 200 }
seeds [5, 6]
";
    let dir = tempfile::tempdir().expect("a folder");
    let record = run(text, &dir.path().join("run"), Engine::Jit(Isa::detect()), 1).record;
    let density = record.cells[0].density.as_ref().expect("both densities are known");
    assert!(record.cells[1].density.is_none(), "one seed is shown");
    assert_eq!((density.learned.len(), density.target.len()), (density.nx * density.ny, density.nx * density.ny));
    let at = |(lo, hi): (f64, f64), i: usize, n: usize| lo + (hi - lo) * (i as f64 + 0.5) / n as f64;
    for (i, (q, p)) in density.learned.iter().zip(&density.target).enumerate() {
        let (x, y) = (at(density.x, i % density.nx, density.nx), at(density.y, i / density.nx, density.ny));
        let exact = -(x * x + y * y) / 2.0 - std::f64::consts::TAU.ln();
        assert!((f64::from(*q) - exact).abs() < 1e-3 && (f64::from(*p) - exact).abs() < 1e-3, "{x} {y}: {q} {p}");
    }
}

/// The profile of a path says its formula: of the straight line, of the noise of a bridge between its ends, and of none that is
/// not linear in its ends.
#[test]
fn pictures_show_the_path() {
    let profile = |path: &str| {
        let text = format!(
            "
source = normal(dim: 2)
target = normal(dim: 2, mean: 3)
field v(x, t) = mlp(concat(x, t), hidden: [4], out: dim(x))
path bent(x0, x1, t) = (1 - t) * x0 + t * x1 + t * (1 - t) * x0 * x1
train {{ objective: flow_matching(v, {path}), batch: 64, steps: 2 }}
generate {{ sampler: flow(v), solver: rk4(steps: 2), count: 200 }}
"
        );
        let dir = tempfile::tempdir().expect("a folder");
        run(&text, &dir.path().join("run"), Engine::Jit(Isa::detect()), 1).record.cells[0].path.clone()
    };
    let line = profile("straight").expect("it is linear");
    for (t, (a, b)) in line.t.iter().zip(line.a.iter().zip(&line.b)) {
        assert!((a - (1.0 - t)).abs() < 1e-6 && (b - t).abs() < 1e-6, "{t}: {a} {b}");
    }
    assert!(line.noise.is_empty());
    let bridge = profile("bridge(sigma: 0.5)").expect("it is linear");
    assert!(bridge.a.iter().zip(&line.a).all(|(a, b)| (a - b).abs() < 1e-6));
    for (t, noise) in bridge.t.iter().zip(&bridge.noise) {
        let exact = 0.5 * (t * (1.0 - t)).sqrt();
        assert!((noise - exact).abs() <= 0.1 * exact + 1e-6, "{t}: {noise} {exact}");
    }
    assert!(profile("bent").is_none());
}

/// Rows of classes are called what the data call them.
#[test]
fn classes_have_the_names_of_the_data() {
    let dir = tempfile::tempdir().expect("a folder");
    let rows: String = (0..80).map(|i| format!("{},{},{}\n", i % 7, (i * i) % 11, ["left", "right"][i % 2])).collect();
    let file = dir.path().join("rows.csv");
    std::fs::write(&file, format!("a,b,side\n{rows}")).expect("a file");
    let text = format!(
        "
data = file(\"{}\", features: 0..2, label: \"side\", standardize: per_feature, split: [0.5, 0, 0.5])
source = normal(dim: 2)
target = data
field v(x, t | y: class[2]) = mlp(concat(x, t, embed(y, 4)), hidden: [4], out: dim(x))
train {{ objective: flow_matching(v, straight), batch: 16, steps: 2 }}
generate {{ sampler: flow(v), labels: each, solver: euler(steps: 2), count: 40 }}
evaluate [wasserstein2(by: label)]
",
        file.display()
    );
    let record = run(&text, &dir.path().join("run"), Engine::Jit(Isa::detect()), 1).record;
    let names: Vec<Option<&str>> = record.cells[0].metrics[0].classes.iter().map(|c| c.name.as_deref()).collect();
    assert_eq!(names, [Some("left"), Some("right")]);
}

#[test]
fn pictures_end_when_the_flow_does() {
    let text = "
        source = normal(dim: 2)
        target = moons(noise: 0.1)
        param T: real = 0.5
        field v(x, t) = mlp(concat(x, t), hidden: [8], out: dim(x))
        objective end_time { minimize T }
        train { objective: max_likelihood(flow(v, until: T)), solver: rk4(steps: 4), batch: 64, steps: 20 }
        generate { sampler: flow(v, until: T), solver: rk4(steps: 4), count: 200 }
        evaluate [end_time]";
    let dir = tempfile::tempdir().expect("a folder");
    let ended = run(text, &dir.path().join("run"), Engine::Jit(Isa::detect()), 1);
    let cell = &ended.record.cells[0];
    let end = cell.metrics[0].value;
    assert!((end - 0.5).abs() > 1e-4 && end < 0.9, "it was not trained: {end}");
    assert_eq!(cell.trajectories.as_ref().and_then(|t| t.times.last().copied()), Some(end));
    assert_eq!(cell.field.last().map(|f| f.t), Some(end));
}

#[test]
fn an_expectation_names_arm_and_part_in_either_order_and_its_tolerance_may_be_results() {
    let arms = "compare p in [straight, trig]\ntrain {";
    let text = SMALL.replace("straight", "p").replace("train {", arms).replace(
        "expect kl < 100",
        "
        expect wasserstein2[trig].floor == wasserstein2.floor[trig]
        expect wasserstein2.floor[trig] > 0
        expect wasserstein2[straight] == wasserstein2[trig] within 0 * wasserstein2[trig].error
        expect wasserstein2[straight] == wasserstein2[trig] within 1e3 * wasserstein2.floor[trig]",
    );
    let text = format!("{text}\nseeds 0..2\nexpect kl[trig].error == 0 within 1e9");
    let dir = tempfile::tempdir().expect("a folder");
    let ended = run(&text, &dir.path().join("run"), Engine::Jit(Isa::detect()), 2);
    let verdicts: Vec<Option<bool>> = ended.record.expectations.iter().map(|e| e.holds).collect();
    assert_eq!(verdicts, [Some(true), Some(true), Some(false), Some(true), Some(true)]);
    // Of two seeds the error is half their distance, whatever each estimate's own error.
    let kl = |c: &&Cell| c.metrics.iter().find(|m| m.name == "kl").expect("measured").value;
    let of: Vec<f64> = ended.record.cells.iter().filter(|c| c.labels == ["trig"]).map(|c| kl(&c)).collect();
    let error = ended.record.expectations[4].left.expect("a number");
    assert!((error - (of[0] - of[1]).abs() / 2.0).abs() < 1e-12 * error.abs(), "{error}: {of:?}");
}

#[test]
fn times_away_from_an_end_are_not_warned_of() {
    let codes = |objective: &str| {
        let text = SMALL.replace("flow_matching(v, straight)", objective).replace("kl, ", "").replace("kl <", "nfe <");
        let mut codes: Vec<Code> = driver::compile("test.flow", &text).diagnostics.iter().map(|d| d.code).collect();
        codes.retain(|c| *c == Code::WeaklyUnboundedVelocity);
        codes.len()
    };
    assert_eq!(codes("flow_matching(v, vp)"), 1);
    assert_eq!(codes("flow_matching(v, vp, time: uniform(0, 0.999))"), 0);
    assert_eq!(codes("flow_matching(v, vp, time: uniform(0.001, 1))"), 1);
    assert_eq!(codes("score_matching(v, vp)"), 0);
}
