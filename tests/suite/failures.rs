//! Cells that fail beside cells that do not, what failures are said to come from, and runs that are taken up where they stopped.

use std::path::Path;
use std::process::{Command, Output};

use flowc::diag::Diagnostic;
use flowc::driver;
use flowc::experiment::{self, Ended, Engine, Header, Options};
use flowc::folder::{Place, RunFolder};
use flowc::kernels::Isa;
use flowc::report::record::RunRecord;
use flowc::report::{html, result};
use flowc::run::pool::Pool;
use flowc::term::{self, Progress};

use crate::experiment::run_as;

/// One arm's learning rate throws its parameters beyond all numbers.
const GRID: &str = "
seeds 0..2
source = normal(dim: 2)
target = moons(noise: 0.05)
field v(x, t) = mlp(concat(x, t), hidden: [8], out: dim(x))
compare lr in [bad: 1e12, ok: 1e-3]
train { objective: flow_matching(v, straight), batch: 64, optimizer: sgd(lr: lr), steps: 60 }
generate { sampler: flow(v), solver: euler(steps: 4), count: 64 }
evaluate [energy_distance]
expect energy_distance[ok] < 100
expect energy_distance[bad] < 100
expect energy_distance < 100
";

fn run(text: &str, threads: usize) -> Ended {
    let dir = tempfile::tempdir().expect("a folder");
    run_as("test.flow", text, &dir.path().join("run"), Engine::Jit(Isa::detect()), threads)
}

fn flowc(folder: &Path, arguments: &[&str]) -> Output {
    let mut c = Command::new(env!("CARGO_BIN_EXE_flowc"));
    c.args(arguments).current_dir(folder).env("COLUMNS", "80").env("NO_COLOR", "1");
    c.output().expect("flowc can be started")
}

/// On one line, whatever the breaks.
fn said(o: &Output) -> String {
    let text = format!("{}{}", String::from_utf8_lossy(&o.stdout), String::from_utf8_lossy(&o.stderr));
    text.split_whitespace().filter(|w| *w != "│").collect::<Vec<_>>().join(" ")
}

fn record(run: &Path) -> RunRecord {
    RunRecord::from_json(&std::fs::read_to_string(run.join("record.json")).expect("a record")).expect("a record")
}

#[test]
fn a_cell_that_fails_is_named_and_the_others_go_on() {
    for threads in [1, 2] {
        let ended = run(GRID, threads);
        let record = &ended.record;
        let fate: Vec<(bool, bool)> = record.cells.iter().map(|c| (c.failed.is_some(), c.finished)).collect();
        assert_eq!(fate, [(true, false), (true, false), (false, true), (false, true)], "{threads} threads");
        assert!(record.failed.is_none() && !record.interrupted && record.resume.is_none());
        assert!(record.cells[0].metrics.is_empty(), "what was learned half-way is no result");
        assert!(record.cells[0].failed.as_ref().is_some_and(|f| f.what.starts_with("E0701") && f.help.is_some()));
        let judged: Vec<Option<bool>> = record.expectations.iter().map(|e| e.holds).collect();
        assert_eq!(judged, [Some(true), None, None]);
        // Both cells failed alike: one message, which names both.
        let first = ended.failure.as_ref().expect("something failed");
        assert!(first.message.starts_with("bad, seed 0: ") && ended.others.is_empty(), "{first:?}");
        assert!(first.notes.iter().any(|n| n.contains("bad, seed 1: ")), "{first:?}");
        let summary = term::summary(record, None, false);
        assert!(summary.lines().all(|l| l.chars().count() <= 80), "{summary}");
        for part in [
            "failed, 2 of 4 cells finished\n",
            "  bad, seed 0: E0701 ",
            "  bad, seed 1: E0701 ",
            "   bad              failed\n",
        ] {
            assert!(summary.contains(part), "no `{part}` in\n{summary}");
        }
        assert!(!summary.contains("resume"), "the same bits fail again: {summary}");
        let page = html::page(record);
        assert!(page.contains("What failed") && page.contains("<b>bad, seed 1</b>: E0701"), "the page says why");
        let object = result::object(record, "run", None);
        assert_eq!(
            (object["state"].as_str(), object["arms"][0]["cells"][0]["finished"].as_bool()),
            (Some("failed"), Some(false))
        );
        let back = RunRecord::from_json(&record.to_json().expect("json")).expect("a record");
        assert_eq!(&back, record);
    }
}

#[test]
fn a_stage_behind_one_that_failed_is_not_run() {
    let text = GRID.replace(
        "train { objective: flow_matching(v, straight), batch: 64, optimizer: sgd(lr: lr), steps: 60 }",
        "stage first { train { objective: flow_matching(v, straight), batch: 64, optimizer: sgd(lr: lr), steps: 60 } }\n\
         stage second { train { objective: flow_matching(v, straight), batch: 64, steps: 20 } }",
    );
    let record = run(&text, 1).record;
    let fate: Vec<(&str, bool)> = record
        .cells
        .iter()
        .filter(|c| c.seed == 1)
        .map(|c| (c.failed.as_ref().map_or("", |f| f.what.split(' ').next().unwrap_or("")), c.finished))
        .collect();
    assert_eq!(fate, [("E0701", false), ("not", false), ("", true), ("", true)]);
}

#[test]
fn a_run_with_failed_cells_ends_with_2_and_tries_them_again() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("g.flow"), GRID).expect("a spec");
    let o = flowc(dir.path(), &["run", "g.flow", "--threads", "2"]);
    assert_eq!(o.status.code(), Some(2), "{}", said(&o));
    for part in ["failed bad, seed 0 (", "done ok, seed 0 (", "in this training"] {
        assert!(said(&o).contains(part), "no `{part}` in {}", said(&o));
    }
    let id = std::fs::read_to_string(dir.path().join("runs/g/latest")).expect("the newest");
    let run = dir.path().join("runs/g").join(id.trim());
    let before = record(&run);
    let o = flowc(dir.path(), &["run", "--resume", "g"]);
    assert_eq!(o.status.code(), Some(2), "{}", said(&o));
    assert!(said(&o).contains("failed bad, seed 1 (") && !said(&o).contains("done ok"), "{}", said(&o));
    let after = record(&run);
    assert!(after.seconds > before.seconds && after.started == before.started, "sessions add up");
    let o = flowc(dir.path(), &["runs", "list"]);
    assert!(said(&o).contains(&format!("{} failed", id.trim())), "{}", said(&o));
}

/// Specs with words of the message and of the cure.
#[test]
fn a_state_that_is_not_finite_has_its_own_cause() {
    let ends = "source = normal(dim: 1)\ntarget = normal(dim: 1)\n";
    let relax = |gradient: &str, rate: &str| {
        format!(
            "source = normal(dim: 1)\nparam a: real = {rate}\nobjective o {{ draw z ~ source\n\
             let q = solve t: 0 -> 1 {{ x' = -a*(x - cos(t)) from z }}\n minimize norm(q.x - 0.5)^2 }}\n\
             train {{ objective: o, steps: 3, batch: 8, optimizer: sgd(lr: 1), \
             solver: dopri5(rtol: 1e-4, atol: 1e-4), gradient: {gradient} }}\nevaluate [parameters]\n"
        )
    };
    let cases = [
        (
            format!(
                "precision f64\n{ends}field f(x, t) = log(x - 0.5 + 0*t)\ngenerate {{ sampler: flow(f), count: 10 }}\nevaluate [nfe]\n"
            ),
            "where it begins, at t = 0, the logarithm of -",
            "above 0",
        ),
        (
            format!(
                "{ends}param s: real = -1\nfield f(x, t) = sqrt(s + 0*x + 0*t)\ngenerate {{ sampler: flow(f), solver: euler(steps: 4), count: 10 }}\nevaluate [nfe]\n"
            ),
            "what the parameters make is NaN",
            "a root of a negative number",
        ),
        (
            format!(
                "{ends}sampler s {{ draw x0 ~ source\n solve t: 0 -> 1 {{ x' = -2000*x + dW from x0 }}.x }}\ngenerate {{ sampler: s, solver: euler_maruyama(steps: 100), count: 10 }}\nevaluate [energy_distance]\n"
            ),
            "its state is not finite",
            "take more steps, e.g. 1000 instead of 100",
        ),
        (
            format!(
                "{ends}field f(x, t) = -2000*x + 0*t\ngenerate {{ sampler: flow(f), solver: euler(steps: 100), count: 10 }}\nevaluate [nfe]\n"
            ),
            "its state is not finite",
            "1000 instead of 100",
        ),
        (relax("adjoint", "300"), "solved back, for the gradient", "`gradient: backprop`"),
        (
            relax("reversible(coupling: 0.9)", "300"),
            "its state is not finite",
            "`gradient: backprop`: a reversible solve",
        ),
    ];
    for (text, message, cure) in cases {
        let ended = run(&text, 1);
        let d: Diagnostic = ended.failure.unwrap_or_else(|| panic!("it does not fail:\n{text}"));
        let help = d.help.clone().unwrap_or_default();
        assert!(d.message.contains(message), "no `{message}` in {}\n{text}", d.message);
        assert!(help.contains(cure), "no `{cure}` in {help}\n{text}");
        assert!(!help.contains("train longer"), "{help}\n{text}");
        assert!(d.primary.is_some(), "{d:?}");
    }
}

#[test]
fn a_run_at_its_end_stays_as_it_is_and_the_times_of_sessions_add_up() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("g.flow"), GRID.replace("bad: 1e12", "bad: 1e-2")).expect("a spec");
    let o = flowc(dir.path(), &["run", "g.flow", "--out", "run", "--quiet"]);
    assert!(o.status.success(), "{}", said(&o));
    let run = dir.path().join("run");
    let files = |names: [&str; 3]| names.map(|n| std::fs::read(run.join(n)).expect("a file of the run"));
    let before = files(["record.json", "report.html", "metrics.jsonl"]);
    let o = flowc(dir.path(), &["run", "--resume", "run", "--quiet", "--threads", "1"]);
    assert!(o.status.success(), "{}", said(&o));
    assert!(before == files(["record.json", "report.html", "metrics.jsonl"]), "a run at its end was changed");
    // A process that was killed after an hour, with one cell left to do.
    let lines = String::from_utf8(before[2].clone()).expect("text");
    std::fs::write(run.join("metrics.jsonl"), format!("{lines}{{\"event\":\"clock\",\"seconds\":3600}}\n"))
        .expect("lines");
    std::fs::remove_file(run.join("record.json")).expect("a record");
    std::fs::remove_file(run.join("cell-ok__seed_1.json")).expect("a cell");
    let o = flowc(dir.path(), &["run", "--resume", "run", "--quiet"]);
    assert!(o.status.success() && said(&o).contains("1 h"), "{}", said(&o));
    let record = record(&run);
    assert!(record.seconds > 3600.0 && record.seconds < 3700.0, "{}", record.seconds);
}

#[test]
fn a_run_is_taken_up_and_sampled_from_any_folder() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| dir.path().join(name);
    std::fs::create_dir_all(at("a/specs")).expect("a folder");
    std::fs::create_dir_all(at("b")).expect("a folder");
    let rows: String = (0..40).map(|i| format!("{},{}\n", i % 7, i % 5)).collect();
    std::fs::write(at("a/x.csv"), format!("u,v\n{rows}")).expect("data");
    std::fs::write(at("a/net.flow"), "field v(x, t) = mlp(concat(x, t), hidden: [8], out: dim(x))\n").expect("a file");
    let spec = "use \"../net.flow\"\nsource = normal(dim: 2)\ntarget = file(\"../x.csv\")\n\
                train { objective: flow_matching(v, straight), batch: 16, steps: 20 }\n\
                generate { sampler: flow(v), solver: euler(steps: 2), count: 20 }\nevaluate [energy_distance]\n";
    std::fs::write(at("a/specs/s.flow"), spec).expect("a spec");
    let o = flowc(&at("a"), &["run", "specs/s.flow", "--out", "run", "--quiet"]);
    assert!(o.status.success(), "{}", said(&o));
    std::fs::remove_file(at("a/run/cell.json")).expect("a finished cell");
    let o = flowc(&at("b"), &["run", "--resume", "../a/run", "--quiet"]);
    assert!(o.status.success(), "{}", said(&o));
    let o = flowc(&at("b"), &["sample", "../a/run", "-n", "5"]);
    assert!(o.status.success(), "{}", said(&o));
    // As folders of runs were before: only from where they were started.
    let text = std::fs::read_to_string(at("a/run/run.json")).expect("how it was started");
    let mut value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    value.as_object_mut().expect("an object").remove("from").expect("where it was started");
    std::fs::write(at("a/run/run.json"), value.to_string()).expect("it can be written");
    let o = flowc(&at("b"), &["sample", "../a/run", "-n", "5"]);
    assert_eq!(o.status.code(), Some(1), "{}", said(&o));
    let o = flowc(&at("a"), &["sample", "run", "-n", "5"]);
    assert!(o.status.success(), "{}", said(&o));
}

#[test]
fn a_damaged_checkpoint_fails_its_cell_alone_and_one_that_is_gone_is_said_to_be() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("g.flow"), GRID.replace("bad: 1e12", "bad: 1e-2")).expect("a spec");
    let o = flowc(dir.path(), &["run", "g.flow", "--out", "run", "--quiet"]);
    assert!(o.status.success(), "{}", said(&o));
    let file = |name: &str| dir.path().join("run").join(name);
    let samples = ["samples-bad__seed_0.npy", "samples-ok__seed_0.npy"];
    let before = samples.map(|n| std::fs::read(file(n)).expect("samples"));
    for name in ["bad", "ok"] {
        std::fs::remove_file(file(&format!("cell-{name}__seed_0.json"))).expect("a cell");
    }
    let broken = file("checkpoint-bad__seed_0.safetensors");
    std::fs::write(&broken, b"not a checkpoint").expect("it can be written");
    let o = flowc(dir.path(), &["run", "--resume", "run"]);
    assert_eq!(o.status.code(), Some(2), "{}", said(&o));
    for part in [
        "E0804",
        "bad, seed 0: checkpoint",
        "delete this file",
        "failed, 3 of 4 cells finished",
        "flowc run --resume run",
    ] {
        assert!(said(&o).contains(part), "no `{part}` in {}", said(&o));
    }
    assert!(!said(&o).contains("older checkpoint"), "there is none: {}", said(&o));
    // What the message says to do.
    std::fs::remove_file(&broken).expect("it is there");
    let o = flowc(dir.path(), &["run", "--resume", "run"]);
    assert!(o.status.success(), "{}", said(&o));
    assert!(said(&o).contains("bad, seed 0: its checkpoint is not there; trained anew from step 0"));
    assert!(before == samples.map(|n| std::fs::read(file(n)).expect("samples")), "other bits");
    // The same of a run at its end: its law is asked for, and cannot be told without it.
    std::fs::remove_file(&broken).expect("it is there");
    let o = flowc(dir.path(), &["run", "--resume", "run"]);
    assert!(o.status.success() && said(&o).contains("trained anew"), "{}", said(&o));
    assert!(broken.exists());
}

#[test]
fn nobody_is_sent_back_to_a_folder_that_is_gone() {
    let dir = tempfile::tempdir().expect("a folder");
    let compiled = driver::compile("test.flow", GRID);
    let plan = compiled.plan.as_ref().expect("a plan");
    let folder = RunFolder::create(&Place::Exactly(dir.path().join("run")), "test", GRID).expect("a folder");
    std::fs::remove_dir_all(folder.path()).expect("it can be removed");
    let (name, text) = ("test".to_owned(), GRID.to_owned());
    let header = Header { name, file: "test.flow".into(), text, reproduce: "flowc run test.flow".into() };
    let options = Options { engine: Engine::Jit(Isa::detect()), pool: Pool::new(Some(1)) };
    let words = |s| compiled.sources.text(s).to_owned();
    let mut progress = Progress::lines(Box::new(std::io::sink()));
    let ended = experiment::run(plan, &header, &folder, options, &mut progress, &words);
    assert!(ended.failure.is_some_and(|d| d.code.number() == "E0802"));
    assert!(ended.record.failed.is_some() && ended.record.resume.is_none());
}
