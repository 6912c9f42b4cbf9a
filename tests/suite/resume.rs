//! Run folders from the command line: killed and taken up again, listed, tested; and what is said when one is not as it
//! was left.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

pub const SPEC: &str = "
source = normal(dim: 2)
target = moons(noise: 0.1)
field v(x, t) = mlp(concat(x, t), hidden: [32, 32], out: dim(x))
compare p in [straight, trig]
stage first { train { objective: flow_matching(v, p), batch: 64, steps: 1_500, ema: 0.99, validate: 700 } }
stage second {
  train {
    objective: flow_matching(v, p, dataset(generated(first.v, solver: euler(steps: 4)), count: 300))
    optimizer: rmsprop(lr: 1e-3)
    batch: 64
    steps: 1_500
  }
}
generate { sampler: flow(v), solver: euler(steps: 5), count: 400 }
evaluate [wasserstein2]
expect wasserstein2[second, trig] < 100
";

pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new(spec: &str) -> Place {
        let place = Place(tempfile::tempdir().expect("a folder"));
        std::fs::write(place.path("spec.flow"), spec).expect("a spec");
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut c = Command::new(env!("CARGO_BIN_EXE_flowc"));
        c.args(arguments).current_dir(self.0.path()).env("COLUMNS", "80").env("NO_COLOR", "1");
        c
    }

    pub fn flowc(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("flowc can be started")
    }

    /// Runs until it has a checkpoint of this cell, then kills it.
    fn killed(&self, arguments: &[&str], wait_for: &str) {
        let mut child =
            self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("flowc can be started");
        let began = Instant::now();
        while !self.path(wait_for).exists() && began.elapsed() < Duration::from_secs(120) {
            assert!(child.try_wait().expect("a child").is_none(), "it ended before {wait_for} was there");
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
    }
}

pub fn text(o: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&o.stdout), String::from_utf8_lossy(&o.stderr))
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(path).expect("a record")).expect("JSON")
}

/// Samples byte for byte, and what the record holds of training and metrics.
fn traces(folder: &Path) -> (Vec<(String, Vec<u8>)>, Vec<String>) {
    let mut samples: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .expect("the run folder")
        .map(|e| e.expect("an entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "npy"))
        .map(|p| (p.file_name().expect("a name").to_string_lossy().into_owned(), std::fs::read(&p).expect("samples")))
        .collect();
    samples.sort();
    let record = json(&folder.join("record.json"));
    let cells = record["cells"].as_array().expect("cells");
    let of = |c: &serde_json::Value| format!("{} {} {} {}", c["labels"], c["loss"], c["validation"], c["metrics"]);
    (samples, cells.iter().map(of).collect())
}

#[test]
fn a_run_killed_at_any_moment_ends_as_if_it_had_not_been() {
    let place = Place::new(SPEC);
    let whole = place.flowc(&["run", "spec.flow", "--out", "whole", "--quiet", "--threads", "1"]);
    assert!(whole.status.success(), "{}", text(&whole));
    let wanted = traces(&place.path("whole"));
    assert_eq!(wanted.0.len(), 4);
    // In the first training; while the second stage trains; after the first arm is done.
    for (i, moment) in
        ["checkpoint-straight__first", "checkpoint-straight__second", "checkpoint-trig__first"].iter().enumerate()
    {
        let out = format!("killed{i}");
        let file = format!("{out}/{moment}.safetensors");
        place.killed(
            &["run", "spec.flow", "--out", &out, "--quiet", "--threads", "1", "--checkpoint-every", "0.02"],
            &file,
        );
        let again = place.flowc(&["run", "--resume", &out, "--quiet", "--threads", "2"]);
        assert!(again.status.success(), "{}", text(&again));
        assert!(traces(&place.path(&out)) == wanted, "killed at {moment}");
        // No step stands twice.
        let lines = std::fs::read_to_string(place.path(&out).join("metrics.jsonl")).expect("lines");
        let mut steps: Vec<String> = lines
            .lines()
            .map(|l| serde_json::from_str::<serde_json::Value>(l).expect("a line of JSON"))
            .filter(|v| v["event"] == "loss")
            .map(|v| format!("{} {}", v["cell"], v["step"]))
            .collect();
        let all = steps.len();
        steps.sort();
        steps.dedup();
        assert_eq!(all, steps.len());
    }
    // What is done is not done again.
    let began = Instant::now();
    let again = place.flowc(&["run", "--resume", "whole"]);
    assert!(again.status.success() && began.elapsed() < Duration::from_secs(5), "{}", text(&again));
}

#[test]
fn a_run_that_is_not_as_it_was_left_is_refused_with_the_cause() {
    let spec = SPEC.replace("1_500", "200");
    let place = Place::new(&spec);
    let o = place.flowc(&["run", "spec.flow", "--out", "run", "--quiet", "--set", "train.batch=32"]);
    assert!(o.status.success(), "{}", text(&o));
    let refused = |what: &str, code: i32, words: &[&str]| {
        let o = place.flowc(&["run", "--resume", "run", "--quiet"]);
        assert_eq!(o.status.code(), Some(code), "{what}: {}", text(&o));
        for w in words {
            let said = text(&o).split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(said.contains(w), "{what}: no `{w}` in\n{said}");
        }
    };
    let file = |name: &str| place.path("run").join(name);
    let read = |name: &str| std::fs::read(file(name)).expect("a file of the run");
    let with = |name: &str, bytes: &[u8], check: &dyn Fn()| {
        let old = read(name);
        std::fs::write(file(name), bytes).expect("it can be written");
        check();
        std::fs::write(file(name), old).expect("it can be written");
    };
    let fine = || {
        let o = place.flowc(&["run", "--resume", "run", "--quiet"]);
        assert!(o.status.success(), "{}", text(&o));
    };
    fine();
    with("spec.flow", spec.replace("400", "500").as_bytes(), &|| {
        refused("spec", 1, &["E0804", "was changed since the run began"])
    });
    let other = String::from_utf8(read("run.json")).expect("text").replace(env!("CARGO_PKG_VERSION"), "9.9.9");
    with("run.json", other.as_bytes(), &|| refused("version", 1, &["E0805", "9.9.9"]));
    with("run.json", b"{", &|| refused("run.json", 1, &["E0805", "damaged"]));
    // A damaged checkpoint of a cell that is not done.
    std::fs::remove_file(file("cell-trig__second.json")).expect("a finished cell");
    let name = "checkpoint-trig__second.safetensors";
    let half = read(name);
    with(name, &half[..half.len() / 2], &|| refused("checkpoint", 2, &["E0804", "damaged", name]));
    // Without it the cell is trained again, to the same end.
    let samples = read("samples-trig__second.npy");
    std::fs::remove_file(file(name)).expect("a checkpoint");
    fine();
    assert!(samples == read("samples-trig__second.npy"));
    // Two at once.
    let lock = std::fs::File::options().write(true).open(file("lock")).expect("the lock");
    lock.lock().expect("it is free");
    refused("lock", 2, &["E0806", "another flowc"]);
    drop(lock);
    let o = place.flowc(&["run", "--resume", "nowhere"]);
    assert_eq!(o.status.code(), Some(1));
    assert!(text(&o).contains("E0801"), "{}", text(&o));
}

/// True draws cost little: a floor has its spread even where samples are too few for a second set.
#[test]
fn a_floor_has_its_spread_whatever_the_count() {
    let place = Place::new(
        "source = normal(dim: 2)\ntarget = moons\ngenerate { sampler: source, count: 300 }\nevaluate [wasserstein2, mmd]\n",
    );
    let o = place.flowc(&["run", "spec.flow", "--quiet", "--out", "run"]);
    assert!(o.status.success(), "{}", text(&o));
    let json = std::fs::read_to_string(place.path("run/record.json")).expect("a record");
    let json: serde_json::Value = serde_json::from_str(&json).expect("a record");
    for m in json["cells"][0]["metrics"].as_array().expect("metrics") {
        assert!(m["size"] == 300 && m["floor_sd"].as_f64().is_some_and(|sd| sd > 0.0), "{m}");
    }
}

/// Too few samples, or too few rows of a class to judge by, end a metric in a message.
#[test]
fn metrics_of_few_samples_end_in_numbers_or_in_a_message() {
    let told = |place: &Place, what: &str| {
        let o = place.flowc(&["run", "spec.flow", "--out", what, "--quiet"]);
        let said = text(&o);
        match o.status.code() {
            Some(0) => {}
            Some(2) => assert!(said.contains("E0604") && said.contains("cannot be computed"), "{what}: {said}"),
            other => panic!("{what} ends with {other:?}: {said}"),
        }
        o.status.code()
    };
    for metric in ["frechet", "sliced_wasserstein2", "wasserstein2", "energy_distance", "mmd"] {
        for n in [1, 2, 3, 6] {
            let place = Place::new(&format!(
                "source = normal(dim: 2)\ntarget = moons\ngenerate {{ sampler: source, count: {n} }}\nevaluate [{metric}]\n"
            ));
            let code = told(&place, &format!("{metric}-{n}"));
            assert_eq!(code, Some(if metric == "frechet" && n < 6 { 2 } else { 0 }), "{metric} of {n}");
        }
    }
    let place = Place::new(
        "data = file(\"x.csv\", label: \"k\", split: [0.8, 0, 0.2])\nsource = normal(dim: 2)\ntarget = data\n\
         field v(x, t | y: class[3]) = mlp(concat(x, t, embed(y, 4)), hidden: [8], out: dim(x))\n\
         train { objective: flow_matching(v, straight), steps: 5, batch: 8 }\n\
         generate { sampler: flow(v), labels: \"c\", count: 20 }\nevaluate [wasserstein2]\n",
    );
    let row = |k: usize| format!("{k},1,{}\n", if k == 0 { "c" } else { ["a", "b"][k % 2] });
    std::fs::write(place.path("x.csv"), format!("u,v,k\n{}", (0..60).map(row).collect::<String>())).expect("data");
    let o = place.flowc(&["run", "spec.flow", "--quiet"]);
    assert!(o.status.code() == Some(2) && text(&o).contains("fewer than 4 rows"), "{}", text(&o));
}

/// Data that lie on the disk, changed, cut or removed.
#[test]
fn a_run_knows_its_data() {
    let spec = "
source = normal(dim: 2)
target = file(\"x.npy\")
field v(x, t) = mlp(concat(x, t), hidden: [16], out: dim(x))
train { objective: flow_matching(v, straight), batch: 32, steps: 40 }
generate { sampler: flow(v), solver: euler(steps: 2), count: 50 }
evaluate [wasserstein2]
";
    let place = Place::new(spec);
    let x = ndarray::Array2::from_shape_fn((64, 2), |(i, j)| (i * 7 % 11 + j) as f32);
    ndarray_npy::write_npy(place.path("x.npy"), &x).expect("data");
    let o = place.flowc(&["run", "spec.flow", "--out", "run", "--quiet"]);
    assert!(o.status.success(), "{}", text(&o));
    let fine = place.flowc(&["run", "--resume", "run", "--quiet"]);
    assert!(fine.status.success(), "{}", text(&fine));
    ndarray_npy::write_npy(place.path("x.npy"), &(x + 1.0)).expect("data");
    let o = place.flowc(&["run", "--resume", "run", "--quiet"]);
    let said = text(&o).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(o.status.code() == Some(1) && said.contains("were changed since the run began"), "{said}");
    std::fs::remove_file(place.path("x.npy")).expect("data");
    let o = place.flowc(&["run", "--resume", "run", "--quiet"]);
    assert!(o.status.code() == Some(1) && text(&o).contains("there is no such file"), "{}", text(&o));
}

#[test]
fn arms_are_chosen_and_costs_told_beforehand() {
    let place = Place::new(&SPEC.replace("1_500", "100"));
    let o = place.flowc(&["run", "spec.flow", "--dry-run", "--set", "seeds=0..2"]);
    assert!(o.status.success(), "{}", text(&o));
    let said = text(&o);
    assert!(said.contains("parameters") && said.contains("flops") && said.contains("trig · second"), "{said}");
    assert!(said.lines().all(|l| l.chars().count() <= 80), "{said}");
    for shared in ["generate  400 samples", "rmsprop(lr: 0.001)"] {
        assert_eq!(said.matches(shared).count(), 1, "what arms share stands once: {said}");
    }
    assert!(!place.path("runs").exists(), "nothing is written");
    let o = place.flowc(&["run", "spec.flow", "--only", "trig", "--out", "one", "--quiet"]);
    assert!(o.status.success(), "{}", text(&o));
    let cells = json(&place.path("one/record.json"))["cells"].as_array().expect("cells").len();
    assert_eq!(cells, 2);
    let o = place.flowc(&["run", "spec.flow", "--only", "trif"]);
    assert!(o.status.code() == Some(1) && text(&o).contains("`trig`"), "{}", text(&o));
    let o = place.flowc(&["run", "spec.flow", "--set", "steps"]);
    assert!(o.status.code() == Some(1) && text(&o).contains("E0610"), "{}", text(&o));
}

#[test]
fn runs_are_listed_compared_and_cleaned() {
    let place = Place::new(&SPEC.replace("1_500", "20"));
    for batch in ["16", "17", "18"] {
        let o = place.flowc(&[
            "run",
            "spec.flow",
            "--quiet",
            "--only",
            "trig,first",
            "--set",
            &format!("train.batch={batch}"),
        ]);
        assert!(o.status.success(), "{}", text(&o));
    }
    let list = text(&place.flowc(&["runs"]));
    assert_eq!(list.lines().filter(|l| l.starts_with("spec ") && l.contains("done")).count(), 3, "{list}");
    assert!(list.lines().all(|l| l.chars().count() <= 80), "{list}");
    let runs = list.lines().filter(|l| l.starts_with("spec ")).skip(1);
    let ids: Vec<String> = runs.filter_map(|l| l.split_whitespace().nth(1)).map(str::to_owned).collect();
    for (id, batch) in ids.iter().zip(["16", "17", "18"]) {
        let said = list.split(id.as_str()).nth(1).and_then(|l| l.split("\nspec ").next()).unwrap_or_default();
        assert!(said.contains(&format!("train.batch={batch} only trig,first")), "{list}");
    }
    let o = place.flowc(&["runs", "compare", &ids[0], &ids[2]]);
    // What tells one from the other is what they are called: what was set, not what was set alike.
    assert!(o.status.success() && text(&o).contains("wasserstein2"), "{}", text(&o));
    assert!(["train.batch=16, trig", "train.batch=18, trig"].iter().all(|l| text(&o).contains(l)), "{}", text(&o));
    assert!(!text(&o).contains("only trig"), "{}", text(&o));
    // A folder that does not say how it was started is one of the spec as written; two alike have their times.
    let folder = |id: &String| place.path(&format!("runs/spec/{id}"));
    std::fs::rename(folder(&ids[0]).join("run.json"), place.path("kept.json")).expect("the file");
    let o = place.flowc(&["runs", "compare", &ids[0], &ids[2]]);
    assert!(text(&o).contains("as written, trig"), "{}", text(&o));
    std::fs::copy(folder(&ids[1]).join("run.json"), folder(&ids[0]).join("run.json")).expect("a copy");
    let own = ids[1].split('-').filter(|part| ids[0].split('-').all(|p| p != *part)).collect::<Vec<_>>().join("-");
    let o = place.flowc(&["runs", "compare", &ids[0], &ids[1]]);
    assert!(!own.is_empty() && text(&o).contains(&format!("{own}, trig")), "{own}: {}", text(&o));
    std::fs::rename(place.path("kept.json"), folder(&ids[0]).join("run.json")).expect("the file");
    let o = place.flowc(&["runs", "compare", &ids[2], "spec"]);
    assert!(o.status.code() == Some(1) && text(&o).contains("named twice"), "{}", text(&o));
    let o = place.flowc(&["report", &ids[0], &ids[1], "-o", "both.html"]);
    assert!(o.status.success() && place.path("both.html").exists(), "{}", text(&o));
    let o = place.flowc(&["report", &ids[0]]);
    assert!(o.status.success(), "{}", text(&o));
    let o = place.flowc(&["runs", "clean", "--keep", "1"]);
    assert!(o.status.success() && text(&o).matches("would remove").count() == 2, "{}", text(&o));
    assert_eq!(text(&place.flowc(&["runs"])).lines().filter(|l| l.contains("  done  ")).count(), 3);
    let o = place.flowc(&["runs", "clean", "--keep", "1", "--yes"]);
    assert!(o.status.success(), "{}", text(&o));
    let left = text(&place.flowc(&["runs"]));
    assert!(left.matches("  done  ").count() == 1 && left.contains(&ids[2]), "{left}");
}

#[test]
fn specs_are_tests() {
    let place = Place::new(&SPEC.replace("1_500", "5"));
    std::fs::create_dir(place.path("specs")).expect("a folder");
    let good = SPEC.replace("1_500", "5");
    std::fs::write(place.path("specs/a_good.flow"), &good).expect("a spec");
    std::fs::write(place.path("specs/b_bad.flow"), good.replace("< 100", "< 1e-9")).expect("a spec");
    std::fs::write(place.path("specs/c_refused.flow"), "train { steps: 3 }").expect("a spec");
    let o = place.flowc(&["test", "specs"]);
    let said = text(&o);
    assert_eq!(o.status.code(), Some(1), "{said}");
    assert!(said.contains("ok      specs/a_good.flow   1 expectation holds"), "{said}");
    assert!(said.contains("FAILED  specs/b_bad.flow") && said.contains("1e-9"), "{said}");
    assert!(said.contains("BROKEN  specs/c_refused.flow") && said.contains("1 passed, 2 failed"), "{said}");
    assert!(!said.contains("folders inside"), "{said}");
    // Folders inside are told, hidden ones and copies that runs keep are not.
    for inner in ["published", ".hidden", "kept"] {
        std::fs::create_dir(place.path(&format!("specs/{inner}"))).expect("a folder");
        std::fs::write(place.path(&format!("specs/{inner}/d.flow")), &good).expect("a spec");
    }
    std::fs::write(place.path("specs/kept/run.json"), "{}").expect("a file");
    let said = text(&place.flowc(&["test", "specs"]));
    assert!(said.contains("folders inside are not looked into: `flowc test specs/published`\n"), "{said}");
    let said = text(&place.flowc(&["test", "specs", "specs/published"]));
    assert!(said.contains("2 passed, 2 failed") && !said.contains("folders inside"), "{said}");
    let o = place.flowc(&["test", "specs/a_good.flow"]);
    assert_eq!(o.status.code(), Some(0), "{}", text(&o));
}
