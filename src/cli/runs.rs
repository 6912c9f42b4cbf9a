//! `flowc runs`, `flowc report`: what earlier runs have shown.
//!
//! Run folders -> lists, tables, pages. Invariants: a run at work is never touched; nothing is removed without `--yes`.
//! Deliberately absent: anything that trains or samples.

use super::started;
use super::{RUN, SPEC, complain};
use crate::diag::{Code, Diagnostic};
use crate::folder;
use crate::report::number;
use crate::report::record::{Axis, RunRecord};
use crate::report::{html, summary};
use crate::term;
use clap::Subcommand;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What to do with runs.
#[derive(Debug, Subcommand)]
pub enum Runs {
    /// Every run under a folder, the newest last
    List {
        /// Where runs are kept
        #[arg(default_value = "runs")]
        base: PathBuf,
    },
    /// The metrics of several runs side by side
    Compare {
        /// Run folders, ids, or names of specs (their newest run)
        #[arg(required = true, num_args = 2..)]
        runs: Vec<PathBuf>,
    },
    /// Remove all but the newest runs of each spec
    Clean {
        /// Where runs are kept
        #[arg(default_value = "runs")]
        base: PathBuf,
        /// How many runs of a spec stay
        #[arg(long, value_name = "N", default_value_t = 3)]
        keep: usize,
        /// Remove them; without it they are only listed
        #[arg(long)]
        yes: bool,
    },
}

/// `flowc runs`
pub fn runs(command: Option<Runs>) -> ExitCode {
    let outcome = match command.unwrap_or(Runs::List { base: "runs".into() }) {
        Runs::List { base } => list(&base),
        Runs::Compare { runs } => joined(&runs).map(|r| {
            print!("{}", term::summary(&r, None, term::colours()));
            let differences = term::differences(&r);
            if !differences.is_empty() {
                print!("\n{differences}");
            }
        }),
        Runs::Clean { base, keep, yes } => clean(&base, keep, yes),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(d) => {
            complain(&d);
            ExitCode::from(SPEC)
        }
    }
}

/// `flowc report`: writes the page of a run again, or one page of several runs.
pub fn report(runs: &[PathBuf], out: Option<&Path>) -> ExitCode {
    let made = match runs {
        [one] => started::find(Some(one)).and_then(|p| Ok((read(&p)?, p.join("report.html")))),
        several => joined(several).map(|r| (r, PathBuf::from("report.html"))),
    };
    let (record, place) = match made {
        Ok(m) => m,
        Err(d) => {
            complain(&d);
            return ExitCode::from(SPEC);
        }
    };
    let place = out.map_or(place, Path::to_path_buf);
    if let Err(d) = folder::write_atomic(&place, html::page(&record).as_bytes()) {
        complain(&d);
        return ExitCode::from(RUN);
    }
    print!("{}", term::summary(&record, Some(&place), term::colours()));
    ExitCode::SUCCESS
}

/// The record of a run folder.
pub fn read(path: &Path) -> super::Fault<RunRecord> {
    let file = path.join("record.json");
    let bad = |why: String, help: &str| {
        Box::new(Diagnostic::bare(Code::FileNotFound, format!("`{}` {why}", file.display())).help(help.to_owned()))
    };
    let text = std::fs::read_to_string(&file).map_err(|e| {
        let help = "the run is still going on, or was killed: `flowc run --resume RUN` brings it to its end";
        bad(format!("cannot be read: {}", folder::reason(&e)), help)
    })?;
    RunRecord::from_json(&text).map_err(|e| bad(format!("is no record: {e}"), "run the spec again"))
}

/// Several runs as arms of one comparison.
fn joined(runs: &[PathBuf]) -> super::Fault<RunRecord> {
    let mut out = RunRecord::default();
    let mut paths: Vec<PathBuf> = Vec::new();
    let mut records: Vec<RunRecord> = Vec::new();
    for word in runs {
        let path = started::find(Some(word))?;
        let place = path.canonicalize().unwrap_or_else(|_| path.clone());
        if paths.contains(&place) {
            let message = format!("`{}` is named twice: it is {}", word.display(), path.display());
            let help = "the name of a spec means its newest run; `flowc runs list` shows the ids of all";
            return Err(Box::new(Diagnostic::bare(Code::BadValue, message).help(help)));
        }
        paths.push(place);
        records.push(read(&path)?);
    }
    let names: Vec<String> = records.iter().map(|r| r.name.clone()).collect();
    let labels = called(&names, &paths);
    for (record, label) in records.iter_mut().zip(labels) {
        for mut cell in std::mem::take(&mut record.cells) {
            let own = std::mem::take(&mut cell.labels);
            cell.labels = vec![[vec![label.clone()], own].concat().join(", ")];
            out.cells.push(cell);
        }
        out.seeds.extend(record.seeds.iter().filter(|s| !out.seeds.contains(s)).copied().collect::<Vec<_>>());
        out.seconds += record.seconds;
        out.spec += &format!("// {label}\n{}\n", record.spec);
    }
    if let Some(first) = records.into_iter().next() {
        (out.schema, out.flowc, out.started) = (first.schema, first.flowc, first.started);
        (out.precision, out.environment) = (first.precision, first.environment);
    }
    out.name = "comparison".into();
    out.reproduce =
        format!("flowc runs compare {}", runs.iter().map(|r| r.display().to_string()).collect::<Vec<_>>().join(" "));
    let arms = summary::arms(&out).into_iter().map(|a| a.label).collect();
    out.axes = vec![Axis { name: "run".into(), labels: arms }];
    Ok(out)
}

/// What runs are called beside each other: their specs; if two have one spec, it and what tells their folders apart.
fn called(names: &[String], paths: &[PathBuf]) -> Vec<String> {
    let distinct = |all: &[String]| all.iter().enumerate().all(|(i, a)| !a.is_empty() && !all[..i].contains(a));
    if distinct(names) {
        return names.to_vec();
    }
    let folder = |p: &PathBuf| p.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let folders: Vec<String> = paths.iter().map(folder).collect();
    let parts: Vec<Vec<&str>> = folders.iter().map(|f| f.split('-').collect()).collect();
    let shared = |k: usize| parts.iter().all(|p| p.get(k) == parts[0].get(k));
    let own: Vec<String> = parts
        .iter()
        .map(|p| p.iter().enumerate().filter(|(k, _)| !shared(*k)).map(|(_, s)| *s).collect::<Vec<_>>().join("-"))
        .collect();
    let alike = names.iter().all(|n| n == &names[0]);
    let label = |own: &[String]| -> Vec<String> {
        names.iter().zip(own).map(|(n, o)| if alike { o.clone() } else { format!("{n} {o}") }).collect()
    };
    [label(&own), label(&folders)]
        .into_iter()
        .find(|l| distinct(l))
        .unwrap_or_else(|| paths.iter().map(|p| p.display().to_string()).collect())
}

/// A run folder and what is known of it.
struct Run {
    spec: String,
    id: String,
    path: PathBuf,
}

/// Every run below a folder, in the order of their times.
fn every(base: &Path) -> super::Fault<Vec<Run>> {
    let entries = std::fs::read_dir(base).map_err(|e| {
        let why = folder::reason(&e);
        let d = Diagnostic::bare(Code::FileNotFound, format!("`{}` cannot be read: {why}", base.display()));
        Box::new(d.help("runs are kept below `runs/` where flowc was started; name another folder"))
    })?;
    let mut all = Vec::new();
    for spec in entries.flatten().map(|e| e.path()).filter(|p| p.is_dir()) {
        for path in std::fs::read_dir(&spec).into_iter().flatten().flatten().map(|e| e.path()) {
            if path.join("spec.flow").is_file() {
                let name = |p: &Path| p.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
                all.push(Run { spec: name(&spec), id: name(&path), path });
            }
        }
    }
    all.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(all)
}

/// What became of a run.
fn state(run: &Run) -> (String, String, String) {
    let Ok(record) = read(&run.path) else {
        let word = if folder::in_use(&run.path) { "at work" } else { "killed" };
        return (word.into(), String::new(), String::new());
    };
    let word = if folder::in_use(&run.path) {
        "at work"
    } else if record.failed.is_some() {
        "failed"
    } else if record.interrupted {
        "stopped"
    } else {
        "done"
    };
    let holds = record.expectations.iter().filter(|e| e.holds == Some(true)).count();
    let open = record.expectations.iter().filter(|e| e.holds.is_none()).count();
    let expects = match (record.expectations.len(), open) {
        (0, _) => String::new(),
        (n, 0) => format!("{holds} of {n} hold"),
        (n, open) => format!("{holds} of {n} hold, {open} open"),
    };
    (word.into(), expects, number::duration(record.seconds))
}

fn list(base: &Path) -> super::Fault<()> {
    let all = every(base)?;
    if all.is_empty() {
        println!("no run in `{}`", base.display());
        return Ok(());
    }
    let width = all.iter().map(|r| r.spec.chars().count()).max().unwrap_or(4).max(4);
    println!("{:width$}  {:26}  {:8}  {:>8}  expectations", "spec", "run", "state", "time");
    for run in &all {
        let (state, expects, time) = state(run);
        println!("{}", format!("{:width$}  {:26}  {state:8}  {time:>8}  {expects}", run.spec, run.id).trim_end());
    }
    Ok(())
}

fn clean(base: &Path, keep: usize, yes: bool) -> super::Fault<()> {
    let all = every(base)?;
    let mut removed = 0;
    for (i, run) in all.iter().enumerate() {
        let newer = all[i + 1..].iter().filter(|r| r.spec == run.spec).count();
        if newer < keep || folder::in_use(&run.path) {
            continue;
        }
        if yes {
            std::fs::remove_dir_all(&run.path).map_err(|e| Box::new(folder::cannot_write("remove", &run.path, &e)))?;
        }
        println!("{} {}", if yes { "removed" } else { "would remove" }, run.path.display());
        removed += 1;
    }
    match (removed, yes) {
        (0, _) => println!("nothing to remove: no spec has more than {keep} runs"),
        (_, false) => println!("nothing was removed; say `--yes` to remove"),
        (_, true) => {}
    }
    Ok(())
}
