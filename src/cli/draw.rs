//! `flowc sample`, `flowc density`: a trained law, used.
//!
//! A run folder -> samples or log-densities as .npy, with the parameters of its checkpoint. Deliberately absent: training.

use super::run::Machine;
use super::started::{self, Started};
use super::{Format, RUN, SPEC, complain, print_all};
use crate::data;
use crate::diag::{Code, Diagnostic};
use crate::elaborate::set_errors;
use crate::experiment::{self, Drawn, Wanted};
use crate::folder;
use crate::numeric::stats::Summary;
use crate::report::number;
use crate::run::checkpoint;
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Which law of a run.
#[derive(Debug, Args)]
pub struct Which {
    /// The run: its folder, its id, or its spec's name (the newest run)
    run: PathBuf,
    /// The arm of a comparison; a,b means both labels [default: the first]
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
    /// Where they go: float64 rows (.npy), or a table (.csv, .tsv)
    #[arg(short, long, value_name = "FILE", default_value = "samples.npy")]
    out: PathBuf,
}

/// Arguments of `flowc density`.
#[derive(Debug, Args)]
pub struct DensityArgs {
    #[command(flatten)]
    which: Which,
    /// Points: a .npy array, or any file of data that a spec may read; one row a point, behind its coordinates
    /// the number of its class where the density is that given a class
    points: PathBuf,
    /// Where log-densities go, in nats: .npy, .csv or .tsv
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
    let arm = match &which.arm {
        None => 0,
        Some(label) => {
            let only = plan.clone().only(std::slice::from_ref(label)).map_err(|d| refuse(&d, SPEC))?;
            let last = only.arms.iter().rfind(|a| label.split(',').all(|l| a.labels.iter().any(|o| o == l.trim())));
            plan.arms.iter().position(|a| last.is_some_and(|l| l.labels == a.labels)).unwrap_or(0)
        }
    };
    // Of stages without a word about them the last.
    let arm = if which.arm.is_none() && !plan.stages.is_empty() { plan.stages.len() - 1 } else { arm };
    let seed = which.seed.unwrap_or(plan.seeds[0]);
    if !plan.seeds.contains(&seed) {
        let known: Vec<String> = plan.seeds.iter().map(u64::to_string).collect();
        let d = Diagnostic::bare(Code::BadValue, format!("the run has no seed {seed}"));
        return Err(refuse(&d.help(format!("its seeds are {}", known.join(", "))), SPEC));
    }
    let options = which.machine.options(started.interpret).map_err(|d| refuse(&d, SPEC))?;
    let run = experiment::Finished { path: &path, hash: &started.hash };
    experiment::evaluate(&plan, arm, seed, &run, options, wanted).map_err(|d| {
        super::run::complain_in(&d, &compiled.sources);
        RUN
    })
}

/// How rows are written.
#[derive(Clone, Copy)]
enum Layout {
    /// An array of numpy.
    Npy,
    /// A table with this between its cells.
    Table(u8),
}

/// What the ending of a file's name asks for; looked at before anything is computed.
fn layout(out: &Path) -> Result<Layout, u8> {
    let ending = out.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "npy" => Ok(Layout::Npy),
        "csv" => Ok(Layout::Table(b',')),
        "tsv" => Ok(Layout::Table(b'\t')),
        _ => {
            let d = Diagnostic::bare(Code::CannotWrite, format!("`{}` does not say what to write", out.display()));
            complain(&d.help("name a file that ends in .npy, .csv or .tsv"));
            Err(SPEC)
        }
    }
}

/// Writes rows; a table has these names over its columns.
fn write(
    out: &Path,
    layout: Layout,
    shape: &[usize],
    values: &[f64],
    names: &dyn Fn(usize) -> String,
) -> Result<(), u8> {
    let width = shape.get(1).copied().unwrap_or(1);
    let written = match layout {
        Layout::Npy => checkpoint::write_npy(out, shape, values),
        Layout::Table(delimiter) => checkpoint::replace(out, |w| {
            let mut table = csv::WriterBuilder::new().delimiter(delimiter).from_writer(w);
            table.write_record((0..width).map(names))?;
            values.chunks(width).try_for_each(|row| table.write_record(row.iter().map(f64::to_string)))?;
            table.flush()
        }),
    };
    written.map_err(|d| {
        complain(&d.help("name another place with `-o FILE`"));
        RUN
    })
}

/// `flowc sample`
pub fn sample(args: &SampleArgs) -> ExitCode {
    let wanted = Wanted::Samples { count: args.n.map(|n| n as usize), draw: args.draw };
    let outcome = layout(&args.out).and_then(|layout| {
        let d = evaluate(&args.which, "", &wanted)?;
        write(&args.out, layout, &[d.rows, d.width], &d.values, &|k| format!("x{k}"))?;
        println!("{} samples of {} numbers in {}", number::count(d.rows as u64), d.width, args.out.display());
        if let [first, rest @ ..] = d.classes.as_slice() {
            let all = rest.iter().fold(first.to_string(), |all, c| format!("{all}, {c}"));
            println!("classes of the rows, in turn: {all}");
        }
        Ok(())
    });
    ExitCode::from(outcome.err().unwrap_or(0))
}

/// `flowc density`
pub fn density(args: &DensityArgs) -> ExitCode {
    let points = match points(&args.points) {
        Ok(p) => p,
        Err(d) => {
            complain(&d);
            return ExitCode::from(SPEC);
        }
    };
    let (values, width) = points;
    let n = values.len() / width;
    let wanted = Wanted::Density { points: &values, width };
    // A run that evaluates no likelihood is asked for one.
    let outcome = layout(&args.out).and_then(|layout| {
        let d = evaluate(&args.which, "\nevaluate [nll(count: 1)]\n", &wanted)?;
        write(&args.out, layout, &[n], &d.values, &|_| "log_density".to_owned())?;
        let s = Summary::of(&d.values);
        let mean = if n > 1 { number::with_error(s.mean, s.error()) } else { number::plain(s.mean) };
        println!("mean log-density {mean} nats at {} points, in {}", number::count(n as u64), args.out.display());
        Ok(())
    });
    ExitCode::from(outcome.err().unwrap_or(0))
}

/// The rows of a file and how many numbers each has.
fn points(path: &Path) -> Result<(Vec<f64>, usize), Diagnostic> {
    let fault = |f: &data::Fault| set_errors::bare(f, &format!("`{}`", path.display()));
    let table = data::load(path, &data::Options::default()).map_err(|f| fault(&f))?;
    let column = &table.columns[0];
    let mut values = vec![0.0; table.rows * column.width()];
    for (row, out) in values.chunks_exact_mut(column.width()).enumerate() {
        column.read(row, out).map_err(|e| fault(&data::Fault::Format { why: folder::reason(&e) }))?;
    }
    Ok((values, column.width()))
}
