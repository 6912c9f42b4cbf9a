//! The command line as a user meets it: help that teaches, exit codes, files that are not what they should be.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn flowc(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flowc"))
        .args(arguments)
        .env("COLUMNS", "80")
        .env("NO_COLOR", "1")
        .output()
        .expect("flowc can be started")
}

fn out(o: &Output) -> String {
    String::from_utf8_lossy(&o.stdout).into_owned()
}

fn err(o: &Output) -> String {
    String::from_utf8_lossy(&o.stderr).into_owned()
}

/// A file of that content, in a folder of its own.
fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("the file can be written");
    (folder, path)
}

fn check(path: &Path) -> Output {
    flowc(&["check", path.to_str().expect("a path in UTF-8")])
}

#[test]
fn help_fits_a_terminal_and_its_first_spec_is_fine() {
    for arguments in [
        &["--help"][..],
        &["new", "--help"],
        &["std", "--help"],
        &["run", "--help"],
        &["check", "--help"],
        &["emit", "--help"],
        &["explain", "--help"],
    ] {
        let o = flowc(arguments);
        assert!(o.status.success());
        let long = out(&o).lines().find(|l| l.chars().count() > 80).map(str::to_owned);
        assert_eq!(long, None, "{arguments:?}");
    }
    let help = out(&flowc(&["--help"]));
    let spec = help.split("A first spec:\n").nth(1).and_then(|s| s.split("\n\n").next()).expect("a spec in the help");
    let (_folder, path) = file("first.flow", spec.as_bytes());
    let o = check(&path);
    assert_eq!(o.status.code(), Some(0), "{}", err(&o));
}

#[test]
fn a_new_spec_is_fine_and_writes_over_nothing() {
    let help = out(&flowc(&["new", "--help"]));
    let names =
        help.lines().skip_while(|l| !l.contains("Possible values")).skip(1).take_while(|l| !l.trim().is_empty());
    let names: Vec<String> =
        names.filter_map(|l| l.trim().strip_prefix("- ")?.split(':').next().map(str::to_owned)).collect();
    assert!(names.len() >= 4, "{help}");
    for name in names {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let make = |args: &[&str]| {
            let mut c = Command::new(env!("CARGO_BIN_EXE_flowc"));
            c.args(args).current_dir(&folder).env("COLUMNS", "80").env("NO_COLOR", "1").output().expect("flowc starts")
        };
        let o = make(&["new", "mine", "--template", &name]);
        assert!(o.status.success(), "{name}: {}", err(&o));
        assert!(
            out(&o).contains("flowc run mine.flow") && out(&o).lines().all(|l| l.chars().count() <= 80),
            "{}",
            out(&o)
        );
        let o = make(&["check", "mine.flow"]);
        let complaints = err(&o).lines().any(|l| l.contains(" error") || l.contains(" warning"));
        assert!(o.status.success() && !complaints, "{name}: {}", err(&o));
        assert!(make(&["fmt", "--check", "mine.flow"]).status.success(), "{name}: canonical");
        let before = std::fs::read(folder.path().join("mine.flow")).expect("the file");
        let o = make(&["new", "mine.flow"]);
        assert_eq!(o.status.code(), Some(1));
        assert!(err(&o).contains("`mine.flow` is there already"), "{}", err(&o));
        assert_eq!(std::fs::read(folder.path().join("mine.flow")).expect("the file"), before);
        assert!(make(&["new", "no/such/folder"]).status.code() == Some(1));
    }
}

#[test]
fn every_code_is_listed_and_explained() {
    let o = flowc(&["explain"]);
    assert!(o.status.success());
    for line in out(&o).lines() {
        let code = line.split_whitespace().next().expect("a code on every line");
        assert!(flowc(&["explain", code]).status.success(), "{code}");
    }
    let o = flowc(&["explain", "shape-mismach"]);
    assert_eq!(o.status.code(), Some(1));
    assert!(err(&o).contains("shape-mismatch"), "{}", err(&o));
}

#[test]
fn files_that_cannot_be_read_are_explained() {
    let (folder, path) = file("moons.flow", b"x = \xff\n");
    let o = check(&path);
    assert_eq!(o.status.code(), Some(1));
    assert!(err(&o).contains("E0801") && err(&o).contains("UTF-8"), "{}", err(&o));
    // A slip in the name is answered with the file beside it.
    let o = check(&folder.path().join("mons.flow"));
    assert_eq!(o.status.code(), Some(1));
    assert!(err(&o).contains("E0801") && err(&o).contains("moons.flow"), "{}", err(&o));
    let o = check(folder.path());
    assert_eq!(o.status.code(), Some(1));
    assert!(err(&o).contains("E0801"), "{}", err(&o));
}

#[test]
fn refused_specs_exit_with_one_and_are_not_run() {
    for text in ["", "\n\n", "// nothing\n", "source = normal(dim: 2\n", "train { steps: 1 }\n"] {
        let (folder, path) = file("a.flow", text.as_bytes());
        let o = check(&path);
        assert_eq!(o.status.code(), Some(1), "{text:?}");
        assert!(err(&o).contains("error"), "{text:?}: {}", err(&o));
        let kept = folder.path().join("run");
        let o = flowc(&["run", path.to_str().expect("UTF-8"), "--out", kept.to_str().expect("UTF-8")]);
        assert_eq!(o.status.code(), Some(1), "{text:?}");
        assert!(!kept.exists(), "{text:?}");
    }
}

/// As `flowc std | head`: nobody reads on, and that is no fault.
#[test]
fn a_closed_pipe_ends_it_quietly() {
    use std::process::Stdio;
    let mut child = Command::new(env!("CARGO_BIN_EXE_flowc"))
        .arg("explain")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("flowc can be started");
    drop(child.stdout.take());
    let o = child.wait_with_output().expect("it ends");
    assert!(o.status.success() && err(&o).is_empty(), "{:?} {}", o.status, err(&o));
}

#[test]
fn machines_get_json() {
    let (_folder, path) = file("a.flow", b"train { stepz: 1 }\n");
    let o = flowc(&["check", "--format", "json", path.to_str().expect("UTF-8")]);
    assert_eq!(o.status.code(), Some(1));
    let all: serde_json::Value = serde_json::from_slice(&o.stdout).expect("JSON on the standard output");
    assert!(
        all.as_array().is_some_and(|a| a.iter().any(|d| d["code"] == "E0602" && d["primary"]["line"] == 1)),
        "{all}"
    );
}
