//! `flowc test`: specs as tests, their `expect` lines as assertions.
//!
//! Specs and folders of specs -> each is run, in `runs/test/`, and its expectations are told in one line. Deliberately absent:
//! anything that `flowc run` would do otherwise.

use super::run::{Machine, failed, write};
use super::started::{self, Started};
use super::{Format, RUN, SPEC, complain, print_all, read};
use crate::diag::{Code, Diagnostic};
use crate::driver::{self, Asked};
use crate::experiment::{self, Header, Keeping};
use crate::folder::{Place, RunFolder};
use crate::report::number;
use crate::term::{Progress, interrupt};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `flowc test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Specs, and folders of specs
    #[arg(required = true)]
    specs: Vec<PathBuf>,
    /// Give a name of every spec another value, e.g. train.steps=100
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Where runs are kept
    #[arg(long, value_name = "DIR", default_value = "runs/test")]
    out: PathBuf,
    #[command(flatten)]
    machine: Machine,
}

/// How a spec came out.
enum Verdict {
    /// So many expectations hold.
    Holds(usize),
    /// These do not.
    Fails(Vec<String>),
    /// It did not come to its end.
    Broken(String),
}

/// Runs specs; fails if one of them fails.
pub fn test(args: &TestArgs) -> ExitCode {
    let specs = match collect(&args.specs) {
        Ok(s) => s,
        Err(d) => {
            complain(&d);
            return ExitCode::from(SPEC);
        }
    };
    interrupt::install();
    let (mut passed, mut bad) = (0, 0);
    for spec in &specs {
        if interrupt::stop_requested() {
            break;
        }
        let began = std::time::Instant::now();
        let verdict = one(args, spec);
        let time = number::duration(began.elapsed().as_secs_f64());
        let name = spec.display();
        match verdict {
            Verdict::Holds(n) => {
                passed += 1;
                let what = match n {
                    0 => "runs; expects nothing".to_owned(),
                    1 => "1 expectation holds".to_owned(),
                    n => format!("{n} expectations hold"),
                };
                println!("ok      {name}   {what}   {time}");
            }
            Verdict::Fails(lines) => {
                bad += 1;
                println!("FAILED  {name}   {time}");
                lines.iter().for_each(|l| println!("        {l}"));
            }
            Verdict::Broken(why) => {
                bad += 1;
                println!("BROKEN  {name}   {time}\n        {why}");
            }
        }
    }
    let rest = specs.len() - passed - bad;
    let left = left_out(&args.specs);
    let stopped = if rest > 0 { format!(", {rest} not run") } else { String::new() };
    println!("\n{passed} passed, {bad} failed{stopped}");
    if !left.is_empty() {
        const SHOWN: usize = 4;
        let names: Vec<String> = left.iter().take(SHOWN).map(|p| p.display().to_string()).collect();
        let more = if left.len() > SHOWN { format!(" and {} more", left.len() - SHOWN) } else { String::new() };
        println!("folders inside are not looked into: `flowc test {}`{more}", names.join(" "));
    }
    ExitCode::from(if bad > 0 {
        SPEC
    } else if rest > 0 {
        RUN
    } else {
        0
    })
}

/// Every .flow file, folders in the order of names.
fn collect(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Diagnostic> {
    let mut out = Vec::new();
    for p in paths {
        if p.is_dir() {
            let entries = std::fs::read_dir(p).map_err(|e| {
                let why = crate::folder::reason(&e);
                Diagnostic::bare(Code::FileNotFound, format!("`{}` cannot be read: {why}", p.display()))
            })?;
            let mut all: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
            all.retain(|p| p.extension().is_some_and(|e| e == "flow"));
            all.sort();
            if all.is_empty() {
                let d = Diagnostic::bare(Code::FileNotFound, format!("there is no spec in `{}`", p.display()));
                return Err(match left_out(std::slice::from_ref(p)).first() {
                    Some(inner) => d.help(format!("folders inside are run by name: `flowc test {}`", inner.display())),
                    None => d.help("a spec is a file that ends in .flow"),
                });
            }
            out.extend(all);
        } else {
            out.push(p.clone());
        }
    }
    Ok(out)
}

/// The folders with specs inside of these folders that are not named themselves.
fn left_out(paths: &[PathBuf]) -> Vec<PathBuf> {
    let entries = |p: &Path| -> Vec<PathBuf> {
        let read = std::fs::read_dir(p).into_iter().flatten().flatten();
        let mut all: Vec<PathBuf> = read.map(|e| e.path()).collect();
        all.sort();
        all
    };
    let spec = |p: &PathBuf| p.extension().is_some_and(|e| e == "flow") && p.is_file();
    let named = |p: &Path| paths.iter().any(|o| o.canonicalize().ok() == p.canonicalize().ok());
    // Deep enough for any tree of specs, and an end where links make a circle.
    const DEEPEST: usize = 8;
    let mut out = Vec::new();
    let mut level: Vec<PathBuf> = paths.iter().filter(|p| p.is_dir()).cloned().collect();
    for _ in 0..DEEPEST {
        let inner = level.iter().flat_map(|p| entries(p)).filter(|p| p.is_dir());
        // A run keeps a copy of its spec, which is no other one.
        let run = |p: &PathBuf| p.join("run.json").is_file();
        let hidden = |p: &PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
        level = inner.filter(|p| !run(p) && !hidden(p)).collect();
        out.extend(level.iter().filter(|p| entries(p).iter().any(spec) && !named(p)).cloned());
    }
    out
}

fn one(args: &TestArgs, spec: &Path) -> Verdict {
    let broken = |d: &Diagnostic| Verdict::Broken(format!("{} {}", d.code.number(), d.message));
    let text = match read(spec) {
        Ok(t) => t,
        Err(d) => return broken(&d),
    };
    let set = match Started::settings(&args.set) {
        Ok(s) => s,
        Err(d) => return broken(&d),
    };
    let file = spec.display().to_string();
    let compiled = driver::compile_with(&file, &text, &Asked { set: &set, ..Asked::default() });
    let Some(plan) = &compiled.plan else {
        print_all(&compiled, Format::Text);
        return Verdict::Broken("the spec is refused".to_owned());
    };
    let name = spec.file_stem().map_or_else(|| "run".into(), |s| s.to_string_lossy().into_owned());
    let begun = (|| {
        let options = args.machine.options(false)?;
        let folder = RunFolder::create(&Place::Under(args.out.clone()), &name, &text)?;
        let started = Started::new(spec, &text, &args.set, &[], false, &compiled);
        started::keep(&folder, &started).map_err(|d| *d)?;
        Ok((options, folder))
    })();
    let (options, folder) = match begun {
        Ok(b) => b,
        Err(d) => return broken(&d),
    };
    let header = Header { name, file, text, reproduce: format!("flowc run {}", spec.display()) };
    let keeping = Keeping { settings: args.set.join("\n"), ..Keeping::default() };
    let words = |s| compiled.sources.text(s).split_whitespace().collect::<Vec<_>>().join(" ");
    let mut progress = Progress::stderr(false);
    let ended = experiment::run_keeping(plan, &header, &folder, options, &keeping, &mut progress, &words);
    drop(progress);
    if let Some(d) = ended.failure.or_else(|| write(&folder, &ended.record).err()) {
        return broken(&d);
    }
    if ended.record.interrupted {
        return Verdict::Broken(format!("stopped; go on with `flowc run --resume {}`", folder.path().display()));
    }
    let side = |x: Option<f64>| x.map_or_else(|| "?".to_owned(), number::plain);
    let lines: Vec<String> = failed(&ended.record, plan)
        .iter()
        .map(|(e, _)| format!("{}   ({} against {})", e.text, side(e.left), side(e.right)))
        .collect();
    if lines.is_empty() { Verdict::Holds(ended.record.expectations.len()) } else { Verdict::Fails(lines) }
}
