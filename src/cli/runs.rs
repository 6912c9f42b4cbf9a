//! `flowc runs`, `flowc report`: what earlier runs have shown.
//!
//! Run folders -> lists, tables, pages. Invariants: a run at work is never touched; nothing is removed without `--yes`.
//! Deliberately absent: anything that trains or samples.

use super::joined::joined;
use super::started;
use super::{RUN, SPEC, complain, put, terminal_width};
use crate::diag::{Code, Diagnostic};
use crate::folder;
use crate::report::html;
use crate::report::number;
use crate::report::record::RunRecord;
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
    } else if record.failures().next().is_some() {
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
    let mut rows = vec![["spec", "run", "state", "time", "expectations", "set"].map(str::to_owned)];
    for run in &all {
        let (state, expects, time) = state(run);
        rows.push([run.spec.clone(), run.id.clone(), state, time, expects, started::told(&run.path).join(" ")]);
    }
    put(&table(&rows));
    Ok(())
}

/// Columns below each other; the last cell of a row goes onto a line of its own where the terminal is too narrow.
fn table(rows: &[[String; 6]]) -> String {
    let count = |s: &String| s.chars().count();
    let width = |k: usize| rows.iter().map(|r| count(&r[k])).max().unwrap_or(0);
    let w: Vec<usize> = (0..5).map(width).collect();
    let mut out = String::new();
    for [spec, run, state, time, expects, set] in rows {
        let line = format!("{spec:0$}  {run:1$}  {state:2$}  {time:>3$}  {expects:4$}", w[0], w[1], w[2], w[3], w[4]);
        let fits = line.chars().count() + 2 + count(set) <= terminal_width();
        let under = format!("{}\n{}{set}", line.trim_end(), " ".repeat(w[0] + 2));
        let line = if fits { format!("{line}  {set}") } else { under };
        out += line.trim_end();
        out.push('\n');
    }
    out
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
