//! Stages, datasets, budgets, imports and settings: what a spec of several trainings promises.

use flowc::diag::Diagnostic;
use flowc::driver::{self, Asked};
use flowc::experiment::{self, Ended, Engine, Header, Options};
use flowc::folder::{Place, RunFolder};
use flowc::kernels::Isa;
use flowc::report::record::Cell;
use flowc::resolve::settings::Setting;
use flowc::run::pool::Pool;
use flowc::term::Progress;
use std::path::Path;

const BASE: &str = "
source = normal(dim: 2)
target = moons(noise: 0.1)
field v(x, t) = mlp(concat(x, t), hidden: [16], out: dim(x))
";

fn run_in(text: &str, dir: &Path, threads: usize) -> Ended {
    let compiled = driver::compile("test.flow", text);
    let plan = compiled.plan.as_ref().unwrap_or_else(|| panic!("refused: {:?}", compiled.diagnostics));
    let folder = RunFolder::create(&Place::Exactly(dir.to_owned()), "test", text).expect("a folder");
    let header = Header { name: "test".into(), file: "test.flow".into(), text: text.into(), reproduce: String::new() };
    let options = Options { engine: Engine::Jit(Isa::detect()), pool: Pool::new(Some(threads)) };
    let words = |s| compiled.sources.text(s).split_whitespace().collect::<Vec<_>>().join(" ");
    let ended = experiment::run(plan, &header, &folder, options, &mut Progress::stderr(true), &words);
    assert!(ended.failure.is_none(), "{:?}", ended.failure);
    ended
}

fn cells(text: &str) -> Vec<Cell> {
    let dir = tempfile::tempdir().expect("a folder");
    run_in(text, &dir.path().join("run"), 2).record.cells
}

fn metric(cell: &Cell, name: &str) -> f64 {
    cell.metrics.iter().find(|m| m.name == name).unwrap_or_else(|| panic!("no {name} in {:?}", cell.labels)).value
}

const TWO_STAGES: &str = "
stage first { train { objective: flow_matching(v, straight), batch: 64, steps: 30 } }
stage second {
  train {
    objective: flow_matching(v, straight, dataset(generated(first.v, solver: euler(steps: 4)), count: 200))
    batch: 64
    epochs: 7
  }
}
generate { sampler: flow(v), solver: euler(steps: 4), count: 500 }
evaluate [wasserstein2, wasserstein2(sampler: flow(first.v)), parameters]
expect wasserstein2[second] < 100 * wasserstein2[first]
";

#[test]
fn a_stage_keeps_what_it_learned_while_the_next_goes_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let ended = run_in(&format!("{BASE}{TWO_STAGES}"), &dir.path().join("run"), 2);
    let record = ended.record;
    assert_eq!(record.axes.last().map(|a| a.labels.clone()), Some(vec!["first".to_owned(), "second".to_owned()]));
    let [first, second] = record.cells.as_slice() else { panic!("{} cells", record.cells.len()) };
    let kept = "wasserstein2(sampler: flow(first.v))";
    assert_eq!(metric(first, "wasserstein2"), metric(first, kept));
    assert_eq!(metric(first, kept), metric(second, kept), "`first.v` is what it was");
    assert_ne!(metric(first, "wasserstein2"), metric(second, "wasserstein2"), "the second stage trains v again");
    assert_eq!(metric(first, "parameters"), metric(second, "parameters"), "frozen numbers are not trained");
    // 7 epochs of 200 rows in batches of 64.
    assert_eq!(second.steps_planned, (7 * 200_u64).div_ceil(64));
    assert_eq!(record.expectations[0].holds, Some(true));
}

#[test]
fn nothing_moves_a_frozen_field() {
    // Weight decay acts on parameters without any gradient: frozen ones must not feel it.
    let text = format!(
        "{BASE}
objective follow {{
  draw x ~ source
  draw t ~ uniform(0, 1)
  minimize norm(v(x, t) - first.v(x, t) - [1, 0])^2
}}
stage first {{ train {{ objective: flow_matching(v, straight), steps: 10 }} }}
stage second {{ train {{ objective: follow, optimizer: adamw(lr: 1e-2, decay: 0.5), steps: 20, ema: 0.5, clip: 1 }} }}
generate {{ sampler: flow(v), solver: euler(steps: 4), count: 300 }}
evaluate [wasserstein2, wasserstein2(sampler: flow(first.v))]
"
    );
    let all = cells(&text);
    let kept = "wasserstein2(sampler: flow(first.v))";
    assert_eq!(metric(&all[0], kept), metric(&all[1], kept));
    assert_ne!(metric(&all[1], "wasserstein2"), metric(&all[1], kept));
}

#[test]
fn cells_side_by_side_have_the_bits_of_cells_one_by_one() {
    let text = format!(
        "{BASE}
seeds 0..3
compare p in [straight, trig]
train {{ objective: flow_matching(v, p), batch: 70, steps: 20 }}
generate {{ sampler: flow(v), solver: euler(steps: 4), count: 300 }}
evaluate [wasserstein2, kl]
"
    );
    let dir = tempfile::tempdir().expect("a folder");
    let of = |threads: usize| {
        let cells = run_in(&text, &dir.path().join(threads.to_string()), threads).record.cells;
        let numbers = |c: &Cell| (c.labels.clone(), c.seed, c.loss.clone(), metric(c, "wasserstein2"), metric(c, "kl"));
        cells.iter().map(numbers).collect::<Vec<_>>()
    };
    let alone = of(1);
    assert_eq!(alone.len(), 6);
    for threads in [2, 4, 5] {
        assert_eq!(alone, of(threads), "{threads} threads");
    }
}

#[test]
fn arms_that_differ_in_sampling_alone_train_once() {
    let text = format!(
        "{BASE}
compare n in [2, 8]
train {{ objective: flow_matching(v, straight), batch: 64, steps: 20 }}
generate {{ sampler: flow(v), solver: euler(steps: n), count: 300 }}
evaluate [wasserstein2, nfe]
"
    );
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("run");
    let record = run_in(&text, &path, 2).record;
    let checkpoints = std::fs::read_dir(&path)
        .expect("the folder")
        .filter(|e| e.as_ref().is_ok_and(|e| e.file_name().to_string_lossy().ends_with(".safetensors")));
    assert_eq!(checkpoints.count(), 1);
    assert_eq!(record.cells[0].loss, record.cells[1].loss);
    assert_eq!((metric(&record.cells[0], "nfe"), metric(&record.cells[1], "nfe")), (2.0, 8.0));
}

#[test]
fn a_record_is_an_arm() {
    let text = format!(
        "{BASE}
compare how in [few: (solver: euler(steps: 2), width: 1), many: (solver: heun(steps: 4), width: 2)]
train {{ objective: flow_matching(v, straight), batch: 64, steps: 5 }}
generate {{ sampler: flow(v), solver: how.solver, count: 100 * how.width }}
evaluate [nfe]
expect nfe[few] == 2
expect nfe[many] - 2 * nfe[few] == 4 within 1e-9
"
    );
    let dir = tempfile::tempdir().expect("a folder");
    let record = run_in(&text, &dir.path().join("run"), 2).record;
    assert!(record.expectations.iter().all(|e| e.holds == Some(true)), "{:?}", record.expectations);
}

#[test]
fn a_schedule_scales_the_learning_rate() {
    let of =
        |train: &str| cells(&format!("{BASE}train {{ objective: flow_matching(v, straight), steps: 30, {train} }}"));
    let scaled = of("optimizer: adam(lr: 2e-3), schedule: k => 0.5");
    assert_eq!(scaled[0].loss, of("optimizer: adam(lr: 1e-3)")[0].loss);
    assert_ne!(scaled[0].loss, of("optimizer: adam(lr: 2e-3)")[0].loss);
}

#[test]
fn budgets_end_a_training() {
    let of =
        |budget: &str| cells(&format!("{BASE}train {{ objective: flow_matching(v, straight), batch: 100, {budget} }}"));
    // One call of the field a sample.
    assert_eq!(of("field_evaluations: 1_950")[0].steps_done, 20);
    // Twelve stages a sample in a solve, which calls the field in two equations at the same point.
    let solved =
        "train { objective: max_likelihood(flow(v)), solver: rk4(steps: 3), batch: 50, field_evaluations: 2_400 }";
    assert_eq!(cells(&format!("{BASE}{solved}"))[0].steps_done, 4);
    let timed = of("seconds: 0.2");
    assert!(timed[0].finished && timed[0].steps_done > 1 && timed[0].timings.train < 5.0, "{:?}", timed[0].timings);
}

#[test]
fn validation_sees_other_draws_at_its_steps() {
    let all = cells(&format!(
        "{BASE}train {{ objective: flow_matching(v, straight), steps: 30, validate: (every: 12, samples: 500) }}"
    ));
    let steps: Vec<u64> = all[0].validation.iter().map(|(s, _)| *s).collect();
    assert_eq!(steps, [12, 24, 30]);
    assert!(all[0].validation.iter().all(|(_, l)| l.is_finite() && *l > 0.0));
    // A look changes nothing.
    let without = cells(&format!("{BASE}train {{ objective: flow_matching(v, straight), steps: 30 }}"));
    assert_eq!(all[0].loss, without[0].loss);
}

#[test]
fn a_fresh_stage_begins_anew() {
    let of = |fresh: bool| {
        cells(&format!(
            "{BASE}
stage first {{ train {{ objective: flow_matching(v, straight), optimizer: adam(lr: 1e-2), steps: 200 }} }}
stage second {{ train {{ objective: flow_matching(v, straight), steps: 1, fresh: {fresh} }} }}"
        ))
    };
    let (kept, fresh) = (of(false), of(true));
    assert_eq!(kept[0].loss, fresh[0].loss);
    assert!(fresh[1].loss[0].1 > kept[1].loss[0].1 + 0.1, "{:?} against {:?}", fresh[1].loss, kept[1].loss);
}

fn compiled(text: &str, files: &[(&str, &str)], set: &[&str]) -> (Vec<Diagnostic>, Option<flowc::plan::RunPlan>) {
    let load = |path: &Path| {
        let found = files.iter().find(|(p, _)| Path::new(p) == path);
        found.map(|(_, t)| (*t).to_owned()).ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound))
    };
    let set: Vec<Setting> = set.iter().map(|s| Setting::parse(s).expect("a setting")).collect();
    let c = driver::compile_with("specs/test.flow", text, &Asked { load: &load, set: &set });
    (c.diagnostics, c.plan)
}

#[test]
fn definitions_come_from_other_files() {
    let net = "use \"../lib/deep.flow\"\nwidth = 8\nfn body(x: vec[n]) -> vec[n] = mlp(x, hidden: [width], out: n)\nfn unused(x) = x\ntarget = checkerboard()\ntrain { steps: 1 }\n";
    let deep = "fn twice(x) = 2 * x\n";
    let text = "use \"nets.flow\" (body)\nsource = normal(dim: 2)\ntarget = moons()\n\
        fn twice(x) = 3 * x\nfield v(x, t) = body(twice(x)) + t\ntrain { objective: flow_matching(v, straight), steps: 1 }\n";
    let files = [("specs/nets.flow", net), ("lib/deep.flow", deep)];
    let (said, plan) = compiled(text, &files, &[]);
    assert!(said.is_empty(), "{said:?}");
    let plan = plan.expect("accepted");
    assert!(plan.arms[0].train.as_ref().is_some_and(|t| t.objective.params.iter().any(|p| p.shape == [8, 2])));
    // All of it: `twice` of the other file meets ours.
    let (said, _) = compiled(&text.replace(" (body)", ""), &files, &[]);
    assert_eq!(said.iter().map(|d| d.code.number()).collect::<Vec<_>>(), ["E0204"], "{said:?}");
    // Around in a circle.
    let around = [
        ("specs/nets.flow", "use \"../lib/deep.flow\"\nfn body(x) = x\n"),
        ("lib/deep.flow", "use \"../specs/nets.flow\"\n"),
    ];
    let (said, _) = compiled(text, &around, &[]);
    assert!(said.iter().any(|d| d.code.number() == "E0204" && d.message.contains("itself")), "{said:?}");
    // Used on two ways, read once.
    let diamond = "use \"a.flow\"\nuse \"b.flow\"\nsource = normal(dim: 2)\ntarget = moons()\n\
        field v(x, t) = f(x) + g(x) + t * mlp(x, out: 2)\ntrain { objective: flow_matching(v, straight), steps: 1 }\n";
    let files = [
        ("specs/a.flow", "use \"c.flow\"\nfn f(x) = h(x)\n"),
        ("specs/b.flow", "use \"c.flow\"\nfn g(x) = h(x)\n"),
        ("specs/c.flow", "fn h(x) = 2 * x\n"),
    ];
    let (said, _) = compiled(diamond, &files, &[]);
    assert!(said.is_empty(), "{said:?}");
}

#[test]
fn settings_replace_what_the_spec_says() {
    let text = format!(
        "{BASE}width = 4\nfield u(x, t) = mlp(concat(x, t), hidden: [width], out: 2)\n\
        train {{ objective: flow_matching(u, straight), steps: 100 }}\ngenerate {{ sampler: flow(u) }}\n"
    )
    .replace("field v(x, t) = mlp(concat(x, t), hidden: [16], out: dim(x))\n", "");
    let set = ["width=32", "train.steps=7", "train.batch=33", "seeds=2..5", "generate.solver=euler(steps: 3)"];
    let (said, plan) = compiled(&text, &[], &set);
    assert!(said.is_empty(), "{said:?}");
    let plan = plan.expect("accepted");
    let train = plan.arms[0].train.as_ref().expect("trains");
    assert_eq!((train.steps, train.batch, plan.seeds.as_slice()), (7, 33, [2, 3, 4].as_slice()));
    assert!(train.objective.params.iter().any(|p| p.shape == [32, 3]));
    let (said, _) = compiled(&text, &[], &["widht=32"]);
    assert!(
        said.iter().any(|d| d.code.number() == "E0201" && d.help.as_ref().is_some_and(|h| h.contains("width"))),
        "{said:?}"
    );
    let (said, _) = compiled(&text, &[], &["train.steps=many("]);
    assert!(!said.is_empty(), "a fault in a value is told");
}
