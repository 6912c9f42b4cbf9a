//! `flowc run`.

use super::started::{self, Started};
use super::{Format, INTERNAL, IsaArg, RUN, SPEC, complain, print_all, put, read};
use crate::diag::{Code, Diagnostic, render};
use crate::driver::{self, Asked, Compiled};
use crate::experiment::{self, Engine, Header, Keeping, Options};
use crate::folder;
use crate::folder::{Place, RunFolder};
use crate::plan::RunPlan;
use crate::report::record::{Expectation, RunRecord};
use crate::report::{html, result};
use crate::run::pool::Pool;
use crate::source::{SourceMap, Span};
use crate::term::{self, Progress, interrupt};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of `flowc run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The experiment, a .flow file
    #[arg(required_unless_present = "resume")]
    spec: Option<PathBuf>,
    /// Folder to keep the run in [default: runs/SPEC/TIME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Give a name of the spec another value, e.g. train.steps=100
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Run the arms with this label only; a,b means both labels
    #[arg(long, value_name = "LABEL")]
    only: Vec<String>,
    /// Print the plan and what it will cost; train nothing
    #[arg(long)]
    dry_run: bool,
    /// Go on with a run that was stopped: its folder, its id, or its spec's name
    /// [default: the newest run]
    #[arg(long, value_name = "RUN", num_args = 0..=1, default_missing_value = "", value_parser = any_path,
          conflicts_with_all = ["spec", "out", "set", "only", "dry_run", "interpret"])]
    resume: Option<PathBuf>,
    /// Seconds between checkpoints
    #[arg(long, value_name = "SECONDS", default_value_t = experiment::CHECKPOINT_EVERY.as_secs_f64())]
    checkpoint_every: f64,
    #[command(flatten)]
    machine: Machine,
    /// Print the summary and messages only
    #[arg(short, long)]
    quiet: bool,
    /// How the result is written; json: one object on stdout, with the messages in it
    #[arg(long, value_enum, default_value_t = Format::Text, conflicts_with = "dry_run")]
    format: Format,
}

/// A path, or nothing: clap's own paths are never empty.
#[allow(clippy::unnecessary_wraps, reason = "clap asks for a result")]
fn any_path(word: &str) -> Result<PathBuf, std::convert::Infallible> {
    Ok(PathBuf::from(word))
}

/// What the numbers do not depend on.
#[derive(Clone, Debug, Args)]
pub struct Machine {
    /// Threads to use [default: all cores]; the numbers do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Vector instructions to compile for; the numbers do not depend on it where the machine has FMA
    #[arg(long, value_enum, default_value_t = IsaArg::Auto)]
    isa: IsaArg,
    /// Interpret instead of compiling: slow, the same bits
    #[arg(long)]
    interpret: bool,
}

impl Machine {
    /// Back end and threads.
    pub fn options(&self, interpret: bool) -> Result<Options, Diagnostic> {
        let isa = self.isa.resolve()?;
        let engine = if interpret || self.interpret { Engine::Interp } else { Engine::Jit(isa) };
        Ok(Options { engine, pool: Pool::new(self.threads.map(usize::from)) })
    }
}

/// What `flowc run --help` ends with.
pub const AFTER_HELP: &str = "\
What happens:
  The spec is checked, compiled to machine code, trained, sampled and evaluated,
  once for every seed and every arm of a `compare`. Small cells run side by side,
  and arms that differ in sampling alone train once. Ctrl-C stops at the next
  step and still writes the report; `--resume` goes on with the same bits.

What is written:
  report.html       numbers, curves, samples; one file, no network
  record.json       the same for programs
  plan.txt          the experiment with every default filled in
  spec.flow         the spec as it was run
  run.json          how it was started

Exit codes:
  0  done, expectations hold
  1  the spec is refused, or an expectation failed
  2  the run or one of its cells failed (a state became infinite, a file
     could not be written)
  70 a fault of flowc itself

Examples:
  flowc run specs/moons_fm.flow
  flowc run specs/paths.flow --out runs/paths --threads 2
  flowc run specs/paths.flow --only straight --set seeds=0..5
  flowc run specs/moons_fm.flow --dry-run
  flowc run --resume moons_fm";

/// A run that is about to begin, or to go on.
struct Ready {
    compiled: Compiled,
    plan: RunPlan,
    folder: RunFolder,
    header: Header,
    keeping: Keeping,
    interpret: bool,
}

/// Runs a spec; the exit code.
pub fn run(args: &RunArgs) -> ExitCode {
    match begin(args) {
        Ok(Some(ready)) => go(args, ready),
        Ok(None) => ExitCode::SUCCESS,
        Err(code) => ExitCode::from(code),
    }
}

/// Says what is wrong; the exit code.
fn refuse(args: &RunArgs, d: &Diagnostic, code: u8) -> u8 {
    match args.format {
        Format::Text => complain(d),
        Format::Json => refused(std::slice::from_ref(d), &SourceMap::default()),
    }
    code
}

/// The object of a run that did not begin.
fn refused(messages: &[Diagnostic], sources: &SourceMap) {
    put(&format!("{:#}\n", json!({ "state": "refused", "messages": render::values(messages, sources) })));
}

/// Says what is wrong with a spec, or what to think about.
fn messages(args: &RunArgs, compiled: &Compiled) {
    match (args.format, &compiled.plan) {
        (Format::Text, _) => print_all(compiled, Format::Text),
        (Format::Json, None) => refused(&compiled.diagnostics, &compiled.sources),
        // They stand in the object at the end.
        (Format::Json, Some(_)) => {}
    }
}

fn begin(args: &RunArgs) -> Result<Option<Ready>, u8> {
    match (&args.resume, &args.spec) {
        (Some(word), _) => resume(args, word).map(Some),
        (None, Some(spec)) => start(args, spec),
        (None, None) => Err(SPEC),
    }
}

fn every(args: &RunArgs) -> Result<Duration, u8> {
    Duration::try_from_secs_f64(args.checkpoint_every).map_err(|_| {
        let d = Diagnostic::bare(Code::BadValue, "`--checkpoint-every` takes seconds");
        refuse(args, &d.help("e.g. `--checkpoint-every 60`"), SPEC)
    })
}

fn start(args: &RunArgs, spec: &Path) -> Result<Option<Ready>, u8> {
    let text = read(spec).map_err(|d| refuse(args, &d, SPEC))?;
    let checkpoint_every = every(args)?;
    let set = Started::settings(&args.set).map_err(|d| refuse(args, &d, SPEC))?;
    let file = spec.display().to_string();
    let compiled = driver::compile_with(&file, &text, &Asked { set: &set, ..Asked::default() });
    messages(args, &compiled);
    let Some(plan) = compiled.plan.clone() else { return Err(SPEC) };
    let plan = plan.only(&args.only).map_err(|d| refuse(args, &d, SPEC))?;
    if args.dry_run {
        let options = args.machine.options(false).map_err(|d| refuse(args, &d, SPEC))?;
        print!("{}", crate::plan::Brief(&plan));
        let predicted = experiment::predict(&plan, options).map_err(|d| refuse(args, &d, RUN))?;
        let cost = |p: &experiment::Prediction| term::Cost {
            name: p.labels.join(" · "),
            parameters: p.parameters,
            flops: p.flops,
            bytes: p.bytes,
            steps: p.budget.is_none().then_some(p.steps),
            step: (!p.shared).then_some(p.step),
            total: p.budget.unwrap_or(p.steps as f64 * p.step),
        };
        let costs: Vec<term::Cost> = predicted.iter().map(cost).collect();
        print!("\n{}", term::prediction(&costs, plan.seeds.len()));
        return Ok(None);
    }
    args.machine.options(false).map_err(|d| refuse(args, &d, SPEC))?;
    let name = spec.file_stem().map_or_else(|| "run".into(), |s| s.to_string_lossy().into_owned());
    let place = args.out.clone().map_or_else(|| Place::Under("runs".into()), Place::Exactly);
    let folder = RunFolder::create(&place, &name, &text).map_err(|d| refuse(args, &d, RUN))?;
    let started = Started::new(spec, &text, &args.set, &args.only, args.machine.interpret, &compiled);
    started::keep(&folder, &started).map_err(|d| refuse(args, &d, RUN))?;
    folder.write("plan.txt", crate::plan::Shown(&plan).to_string().as_bytes()).map_err(|d| refuse(args, &d, RUN))?;
    let header = Header { name, file: file.clone(), text, reproduce: reproduce(&started) };
    let keeping = Keeping { checkpoint_every, settings: started.set.join("\n") };
    Ok(Some(Ready { compiled, plan, folder, header, keeping, interpret: started.interpret }))
}

fn resume(args: &RunArgs, word: &Path) -> Result<Ready, u8> {
    let checkpoint_every = every(args)?;
    let path = started::find(Some(word)).map_err(|d| refuse(args, &d, SPEC))?;
    let started = Started::read(&path).map_err(|d| refuse(args, &d, SPEC))?;
    started.same_version(&path).map_err(|d| refuse(args, &d, SPEC))?;
    let (compiled, text, plan) = started.compile(&path, "").map_err(|d| refuse(args, &d, SPEC))?;
    messages(args, &compiled);
    let Some(plan) = plan else { return Err(SPEC) };
    let folder = RunFolder::open(&path).map_err(|d| refuse(args, &d, RUN))?;
    let spec = Path::new(&started.spec);
    let name = spec.file_stem().map_or_else(|| "run".into(), |s| s.to_string_lossy().into_owned());
    let header = Header { name, file: started.spec.clone(), text, reproduce: reproduce(&started) };
    let keeping = Keeping { checkpoint_every, settings: started.set.join("\n") };
    Ok(Ready { compiled, plan, folder, header, keeping, interpret: started.interpret })
}

fn go(args: &RunArgs, ready: Ready) -> ExitCode {
    let options = match args.machine.options(ready.interpret) {
        Ok(o) => o,
        Err(d) => return ExitCode::from(refuse(args, &d, SPEC)),
    };
    interrupt::install();
    let mut progress = Progress::stderr(args.quiet);
    let Ready { compiled, plan, folder, header, keeping, .. } = &ready;
    let words = |s| compiled.sources.text(s).split_whitespace().collect::<Vec<_>>().join(" ");
    let ended = experiment::run_keeping(plan, header, folder, options, keeping, &mut progress, &words);
    let written = write(folder, &ended.record);
    let report = folder.file("report.html");
    let of_run = ended.failure.iter().chain(&ended.others);
    let mut faults: Vec<Diagnostic> = of_run.chain(written.as_ref().err()).cloned().collect();
    let mut code = match faults.iter().any(|d| d.code == Code::Internal) {
        true => INTERNAL,
        false if faults.is_empty() => 0,
        false => RUN,
    };
    // Where cells failed, what the others show is judged.
    if written.is_ok() && ended.record.failed.is_none() && !ended.record.interrupted {
        let claims = failed(&ended.record, plan);
        if !claims.is_empty() && code == 0 {
            code = SPEC;
        }
        faults.extend(claims.iter().map(|(e, span)| expect_failed(e, *span)));
    }
    let report = written.is_ok().then_some(&*report);
    match args.format {
        Format::Text => {
            print!("{}", term::summary(&ended.record, report, term::colours()));
            let differences = term::differences(&ended.record);
            if !differences.is_empty() {
                print!("\n{differences}");
            }
            faults.iter().for_each(|d| complain_in(d, &compiled.sources));
        }
        Format::Json => {
            let all: Vec<Diagnostic> = compiled.diagnostics.iter().chain(&faults).cloned().collect();
            let shown = report.map(|p| p.display().to_string());
            let mut object = result::object(&ended.record, &folder.path().display().to_string(), shown.as_deref());
            object["exit"] = json!(code);
            object["messages"] = render::values(&all, &compiled.sources);
            put(&format!("{object:#}\n"));
        }
    }
    ExitCode::from(code)
}

/// Expectations that do not hold, with their places. Where arms were left out, what cannot be judged is no failure.
pub fn failed<'r>(record: &'r RunRecord, plan: &RunPlan) -> Vec<(&'r Expectation, Span)> {
    let spans = plan.expects.iter().map(|e| e.span);
    record.expectations.iter().zip(spans).filter(|(e, _)| e.holds == Some(false)).collect()
}

/// `E0803`
fn expect_failed(e: &Expectation, span: Span) -> Diagnostic {
    let number = |x: Option<f64>| x.map_or_else(|| "unknown".to_owned(), crate::diag::short);
    let claim = e.text.trim_start_matches("expect").trim();
    let message = format!("`{claim}` does not hold");
    let label = format!("{} against {}", number(e.left), number(e.right));
    let known = [e.left, e.right].iter().flatten().all(|x| !x.is_nan());
    Diagnostic::new(Code::ExpectFailed, message, span, label).help(match known {
        true => "a result has an error of its own: see it in the report before training longer or moving the bound",
        false => "one of the results is not finite, or has no floor or no standard error: see the table",
    })
}

pub fn complain_in(d: &Diagnostic, sources: &crate::source::SourceMap) {
    eprint!("{}", crate::diag::render::graphical(d, sources, super::terminal_width(), term::colours()));
}

/// Writes what a run has shown.
pub fn write(folder: &folder::RunFolder, record: &RunRecord) -> Result<(), Diagnostic> {
    let json =
        record.to_json().map_err(|e| Diagnostic::bare(Code::Internal, format!("the record cannot be written: {e}")))?;
    folder.write("record.json", json.as_bytes())?;
    folder.write_json("environment.json", &record.environment)?;
    folder.write("report.html", html::page(record).as_bytes())
}

fn reproduce(started: &Started) -> String {
    let quoted = |s: &String| if s.contains([' ', '(', '[', '*']) { format!("'{s}'") } else { s.clone() };
    let mut s = format!("flowc run {}", started.spec);
    s += &started.set.iter().map(|v| format!(" --set {}", quoted(v))).collect::<String>();
    s += &started.only.iter().map(|v| format!(" --only {}", quoted(v))).collect::<String>();
    if started.interpret {
        s += " --interpret";
    }
    s
}
