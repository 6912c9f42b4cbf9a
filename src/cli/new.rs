//! `flowc new`: a first spec, commented, that runs as it is.
//!
//! Input: a name and a template; output: one new file, never over another. Invariant: every template is accepted without a
//! warning (a test runs them). Deliberately absent: questions.

use super::{SPEC, complain, put};
use crate::diag::{Code, Diagnostic};
use crate::folder;
use clap::{Args, ValueEnum};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What a new spec is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Template {
    /// Flow matching on two moons: every part of a spec, explained
    Moons,
    /// A path of one's own compared with the library's
    Compare,
    /// A continuous normalizing flow: its likelihood trained through the solver
    Cnf,
    /// A velocity in closed form: solvers and likelihood without training
    Exact,
    /// A score learned by denoising, sampled by its probability flow
    Score,
}

impl Template {
    /// The text and the name that the file has if none is given.
    fn text(self) -> (&'static str, &'static str) {
        match self {
            Template::Moons => (include_str!("templates/moons.flow"), "moons"),
            Template::Compare => (include_str!("templates/compare.flow"), "compare"),
            Template::Cnf => (include_str!("templates/cnf.flow"), "cnf"),
            Template::Exact => (include_str!("templates/exact.flow"), "exact"),
            Template::Score => (include_str!("templates/score.flow"), "score"),
        }
    }
}

/// Arguments of `flowc new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The new file, `.flow` is added [default: the template's name]
    name: Option<PathBuf>,
    /// What it is about
    #[arg(long, value_enum, default_value_t = Template::Moons)]
    template: Template,
}

/// What `flowc new --help` ends with.
pub const AFTER_HELP: &str = "\
Examples:
  flowc new                          moons.flow in this folder
  flowc new first                    first.flow
  flowc new mine --template compare  mine.flow, with a path of your own";

/// Where the file goes.
fn place(name: Option<&Path>, default: &str) -> PathBuf {
    let path = name.unwrap_or(Path::new(default));
    if path.extension().is_some_and(|e| e == "flow") {
        return path.to_owned();
    }
    let mut whole = path.as_os_str().to_owned();
    whole.push(".flow");
    whole.into()
}

/// Writes a file that is not there yet.
fn create(path: &Path, text: &str) -> Result<(), Diagnostic> {
    let shown = path.display();
    let fail = |why: String, help: String| Err(Diagnostic::bare(Code::CannotWrite, why).help(help));
    match OpenOptions::new().write(true).create_new(true).open(path).and_then(|mut f| f.write_all(text.as_bytes())) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            fail(format!("`{shown}` is there already"), "give another name: `flowc new NAME`".into())
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let parent = path.parent().unwrap_or(Path::new(".")).display();
            fail(
                format!("`{shown}` cannot be written: there is no folder `{parent}`"),
                format!("make `{parent}` first"),
            )
        }
        Err(e) => fail(format!("`{shown}` cannot be written: {}", folder::reason(&e)), "give another place".into()),
    }
}

/// `flowc new`.
pub fn new(args: &NewArgs) -> ExitCode {
    let (text, default) = args.template.text();
    let path = place(args.name.as_deref(), default);
    let shown = path.display().to_string();
    match create(&path, &text.replace("NAME.flow", &shown)) {
        Ok(()) => {
            let width = shown.chars().count();
            put(&format!(
                "{shown} is written. Next:\n\n  flowc run {shown}    train, sample, measure, write a report\n  \
                 flowc check {shown}  say everything that is wrong\n  flowc std{:1$}        what the library has\n",
                "",
                width.saturating_sub(3)
            ));
            ExitCode::SUCCESS
        }
        Err(d) => {
            complain(&d);
            ExitCode::from(SPEC)
        }
    }
}
