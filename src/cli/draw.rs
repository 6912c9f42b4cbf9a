//! `flowc sample`, `flowc density`: a trained law, used.
//!
//! A run folder -> samples or log-densities, with the parameters of its checkpoint; which arm, stage and seed they are of is said
//! on stderr. Deliberately absent: training; the forms of files (see `rows`).

use super::rows::{self, Layout, Rows};
use super::run::Machine;
use super::started::{self, Started};
use super::{Fault, Format, RUN, SPEC, complain, print_all};
use crate::data;
use crate::diag::{Code, Diagnostic};
use crate::elaborate::set_errors;
use crate::experiment::{self, Drawn, Wanted};
use crate::folder;
use crate::numeric::stats::Summary;
use crate::plan::RunPlan;
use crate::report::number;
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Which law of a run.
#[derive(Debug, Args)]
pub struct Which {
    /// The run: its folder, its id, or its spec's name (the newest run)
    run: PathBuf,
    /// The arm of a comparison, or a stage; a,b means both labels [default: the first arm, its last stage]
    #[arg(long, value_name = "LABEL")]
    arm: Option<String>,
    /// The seed of the training [default: the first]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    #[command(flatten)]
    machine: Machine,
}

/// Samples at once: as many as `generate` may ask for.
const MOST: i64 = 1 << 26;

/// Arguments of `flowc sample`.
#[derive(Debug, Args)]
pub struct SampleArgs {
    #[command(flatten)]
    which: Which,
    /// How many samples [default: the spec's count]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST))]
    n: Option<u32>,
    /// Which samples: 0 are those of the run itself, 1, 2, ... are others
    #[arg(long, value_name = "K", default_value_t = 0)]
    draw: u64,
    /// Where they go: float64 rows (.npy, .npz), or a table (.csv, .tsv); classes go into a column or array `label`
    /// (.npy: a file FILE.label.npy beside it)
    #[arg(short, long, value_name = "FILE", default_value = "samples.npy")]
    out: PathBuf,
}

/// Arguments of `flowc density`.
#[derive(Debug, Args)]
pub struct DensityArgs {
    #[command(flatten)]
    which: Which,
    /// Points: a .npy array, or any file of data that a spec may read; one row a point. Where the density is that
    /// given a class, its number stands behind the coordinates, or classes stand where `flowc sample` puts them
    points: PathBuf,
    /// Where log-densities go, in nats: .npy, .npz, .csv or .tsv
    #[arg(short, long, value_name = "FILE", default_value = "density.npy")]
    out: PathBuf,
}

/// Opens a run and evaluates.
fn evaluate(which: &Which, more: &str, wanted: &Wanted<'_>) -> Result<Drawn, u8> {
    let refuse = |d: &Diagnostic, code: u8| {
        complain(d);
        code
    };
    let path = started::find(Some(&which.run)).map_err(|d| refuse(&d, SPEC))?;
    let started = Started::read(&path).map_err(|d| refuse(&d, SPEC))?;
    started.same_version(&path).map_err(|d| refuse(&d, SPEC))?;
    let (compiled, _, plan) = started.compile(&path, more).map_err(|d| refuse(&d, SPEC))?;
    let Some(plan) = plan else {
        print_all(&compiled, Format::Text);
        return Err(SPEC);
    };
    let law = Law::of(&plan, which).map_err(|d| refuse(&d, SPEC))?;
    eprintln!("{}", law.said(&plan));
    let options = which.machine.options(started.interpret).map_err(|d| refuse(&d, SPEC))?;
    let run = experiment::Finished { path: &path, hash: &started.hash };
    experiment::evaluate(&plan, law.arm, law.seed, &run, options, wanted).map_err(|d| {
        super::run::complain_in(&d, &compiled.sources);
        RUN
    })
}

/// The law of a run that is meant.
struct Law {
    /// Of the plan's arms.
    arm: usize,
    seed: u64,
    /// How many arms the words fit, stages of one counted once.
    arms: usize,
}

impl Law {
    /// What `--arm` and `--seed` name: of several arms the first, of stages the last.
    fn of(plan: &RunPlan, which: &Which) -> Fault<Law> {
        let fits = plan.bearing(which.arm.as_slice(), "--arm")?;
        let first = fits.iter().position(|f| *f).unwrap_or(0);
        let next = |i: usize| (i + 1 < plan.arms.len() && follows(plan, i + 1)).then_some(i + 1);
        let stages = std::iter::successors(Some(first), |i| next(*i));
        let arm = stages.filter(|i| fits[*i]).last().unwrap_or(first);
        let group = |i: usize| (0..=i).filter(|j| !follows(plan, *j)).count();
        let mut groups: Vec<usize> = (0..fits.len()).filter(|i| fits[*i]).map(group).collect();
        groups.dedup();
        let seed = which.seed.unwrap_or(plan.seeds[0]);
        if !plan.seeds.contains(&seed) {
            let known: Vec<String> = plan.seeds.iter().map(u64::to_string).collect();
            let d = Diagnostic::bare(Code::BadValue, format!("the run has no seed {seed}"));
            return Err(Box::new(d.help(format!("its seeds are {}", known.join(", ")))));
        }
        Ok(Law { arm, seed, arms: groups.len() })
    }

    /// One line: whose law it is, and how many others the same words could mean.
    fn said(&self, plan: &RunPlan) -> String {
        let a = &plan.arms[self.arm];
        let (own, stage) = a.labels.split_at(a.labels.len() - usize::from(a.stage.is_some()));
        let own = (!own.is_empty()).then(|| format!("arm {}", own.join(", ")));
        let stage = stage.first().map(|s| format!("stage {s}"));
        let seed = format!("seed {}", self.seed);
        let parts: Vec<String> = own.into_iter().chain(stage).chain([seed]).collect();
        let others = match self.arms {
            0 | 1 => String::new(),
            n => format!(" (the first of {n} arms: `--arm` names another)"),
        };
        format!("of {}{others}", parts.join(", "))
    }
}

/// Whether an arm is a later stage of the one before it.
fn follows(plan: &RunPlan, arm: usize) -> bool {
    plan.arms[arm].stage.is_some_and(|s| s > 0)
}

/// Evaluates and writes; the exit code.
fn go(which: &Which, out: &Path, more: &str, wanted: &Wanted<'_>, say: impl FnOnce(&Drawn, &str)) -> ExitCode {
    let refuse = |d: &Diagnostic, code: u8| {
        complain(d);
        code
    };
    let outcome = Layout::of(out).map_err(|d| refuse(&d, SPEC)).and_then(|layout| {
        let d = evaluate(which, more, wanted)?;
        let (name, shape) = match wanted {
            Wanted::Samples { .. } => ("x", vec![d.rows, d.width]),
            Wanted::Density { .. } => ("log_density", vec![d.rows]),
        };
        let rows = Rows { name, shape: &shape, values: &d.values, classes: &d.classes, names: &d.names };
        let read = rows.write(out, layout).map_err(|d| refuse(&d, RUN))?;
        say(&d, &read);
        Ok(())
    });
    ExitCode::from(outcome.err().unwrap_or(0))
}

/// `flowc sample`
pub fn sample(args: &SampleArgs) -> ExitCode {
    let wanted = Wanted::Samples { count: args.n.map(|n| n as usize), draw: args.draw };
    go(&args.which, &args.out, "", &wanted, |d, read| {
        println!("{} samples of {} numbers in {}", number::count(d.rows as u64), d.width, args.out.display());
        if d.restored {
            println!("in the units of the data file, not standardised");
        }
        if !d.classes.is_empty() {
            println!("with their classes; a spec reads both by {read}");
        }
    })
}

/// `flowc density`
pub fn density(args: &DensityArgs) -> ExitCode {
    let (values, width, labels) = match points(&args.points) {
        Ok(p) => p,
        Err(d) => {
            complain(&d);
            return ExitCode::from(SPEC);
        }
    };
    let wanted = Wanted::Density { points: &values, width, labels: labels.as_ref() };
    // A run that evaluates no likelihood is asked for one.
    go(&args.which, &args.out, "\nevaluate [nll(count: 1)]\n", &wanted, |d, _| {
        let s = Summary::of(&d.values);
        let mean = if d.rows > 1 { number::with_error(s.mean, s.error()) } else { number::plain(s.mean) };
        println!("mean log-density {mean} nats at {} points, in {}", number::count(d.rows as u64), args.out.display());
        if d.restored {
            println!("of points in the units of the data file, not standardised as for `nll`");
        }
    })
}

/// The rows of a file, how many numbers each has, and its labels, if it has some where `flowc sample` writes them.
fn points(path: &Path) -> Result<(Vec<f64>, usize, Option<data::Labels>), Diagnostic> {
    let fault = |f: &data::Fault| set_errors::bare(f, &format!("`{}`", path.display()));
    let labelled = data::Options { label: rows::label_of(path).map(data::Pick::Name), ..data::Options::default() };
    let table = data::load(path, &labelled).or_else(|f| match f {
        // No such column, numbers that are no classes, or an array left there by other samples: the rows are what the file has.
        data::Fault::NoColumn { .. } | data::Fault::Classes { .. } | data::Fault::Lengths { .. } => {
            data::load(path, &data::Options::default())
        }
        other => Err(other),
    });
    let table = table.map_err(|f| fault(&f))?;
    let column = &table.columns[0];
    let mut values = vec![0.0; table.rows * column.width()];
    for (row, out) in values.chunks_exact_mut(column.width()).enumerate() {
        column.read(row, out).map_err(|e| fault(&data::Fault::Format { why: folder::reason(&e) }))?;
    }
    Ok((values, column.width(), table.labels.clone()))
}
