//! Arguments, exit codes, colours.
//!
//! Exit codes: 0 fine; 1 the spec is wrong, or an expectation failed; 2 the run failed; 70 an internal fault; 130 stopped
//! twice by Ctrl-C. Deliberately absent: anything that a library user would want.

mod draw;
mod emit;
mod format;
mod joined;
pub mod library;
mod new;
mod rows;
mod run;
mod runs;
mod started;
mod tests;

use crate::diag::{Code, Diagnostic, Severity, explain, render};
use crate::driver;
use crate::kernels::Isa;
use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "\
A first spec:
  source = normal(dim: 2)
  target = moons(noise: 0.05)
  field v(x, t) = mlp(concat(x, t), hidden: [64, 64], out: dim(x))
  train { objective: flow_matching(v, straight), steps: 2_000 }
  generate { sampler: flow(v) }
  evaluate [wasserstein2, nll]

Examples:
  flowc new first                        write first.flow, a spec to begin with
  flowc run specs/moons_fm.flow          train, sample, evaluate, write a report
  flowc check specs/moons_fm.flow        say everything that is wrong
  flowc std                              what the library has
  flowc std flow_matching                one of its definitions, as written
  flowc explain shape-mismatch           what a message means, with an example
  flowc emit ir-opt specs/moons_fm.flow  print a stage of the compiler";

const STD_HELP: &str = "\
Examples:
  flowc std                  all names, by category
  flowc std paths            what each path is
  flowc std flow_matching    a name: shapes, source, example, definition
  flowc std schroedinger     a word, looked for in names and documentation
  flowc std metrics          what `evaluate` knows";

/// Compile and run experiments in continuous-time generative modelling.
///
/// A .flow file declares a vector field, a probability path, a solver and a loss; flowc checks it, differentiates it,
/// compiles it to machine code, trains, samples and evaluates.
#[derive(Debug, Parser)]
#[command(name = "flowc", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a first spec, commented, that runs as it is
    #[command(after_help = new::AFTER_HELP)]
    New(new::NewArgs),
    /// Run an experiment: train, generate, evaluate, report
    #[command(after_help = run::AFTER_HELP)]
    Run(run::RunArgs),
    /// Run specs as tests: their `expect` lines must hold
    Test(tests::TestArgs),
    /// List, compare and clean earlier runs
    Runs {
        #[command(subcommand)]
        command: Option<runs::Runs>,
    },
    /// Write the report of a run again, or one report of several runs
    Report {
        /// Run folders, ids, or names of specs (their newest run)
        #[arg(required = true)]
        runs: Vec<PathBuf>,
        /// Where the page goes [default: report.html of the run, or here]
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Draw samples from a trained run
    Sample(draw::SampleArgs),
    /// Log-densities of points under a trained run
    Density(draw::DensityArgs),
    /// Say everything that is wrong with a spec; run nothing
    Check {
        /// The specs, .flow files
        #[arg(required = true)]
        specs: Vec<PathBuf>,
        /// How messages are written; json: one array a spec, one object a message
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Print a stage of the compiler
    Emit(emit::EmitArgs),
    /// Explain a message: why it is given, with an example and its cure
    Explain {
        /// A code (E0301) or its name (shape-mismatch); without one, all of them
        code: Option<String>,
    },
    /// Read and search the standard library
    #[command(after_help = STD_HELP)]
    Std {
        /// A name, a category, or words to search for; without any, all names
        words: Vec<String>,
    },
    /// Write specs in the canonical form
    Fmt {
        /// The specs, .flow files
        #[arg(required = true)]
        specs: Vec<PathBuf>,
        /// Change nothing; fail if something would change
        #[arg(long)]
        check: bool,
    },
    /// Print shell completions
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// An instruction set by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum IsaArg {
    /// The best of this machine
    Auto,
    /// 512-bit vectors
    Avx512,
    /// 256-bit vectors
    Avx2,
    /// Plain Rust
    Portable,
}

impl IsaArg {
    fn resolve(self) -> Result<Isa, Diagnostic> {
        let isa = match self {
            IsaArg::Auto => return Ok(Isa::detect()),
            IsaArg::Avx512 => Isa::Avx512,
            IsaArg::Avx2 => Isa::Avx2,
            IsaArg::Portable => Isa::Portable,
        };
        if isa.is_available() {
            Ok(isa)
        } else {
            Err(Diagnostic::bare(Code::BadValue, format!("this machine does not have {}", isa.name()))
                .help(format!("leave out `--isa`: it is {} then", Isa::detect().name())))
        }
    }
}

/// A value, or the message that says why there is none.
type Fault<T> = Result<T, Box<Diagnostic>>;

/// Spec refused.
const SPEC: u8 = 1;
/// Run failed.
const RUN: u8 = 2;
/// Internal fault.
const INTERNAL: u8 = 70;

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    // `flowc ... | head` closes the pipe when it has seen enough.
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str().is_some_and(|m| m.starts_with("failed printing to stdout")) {
            std::process::exit(0);
        }
        usual(panic);
    }));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let asked = !e.use_stderr();
            // A closed pipe is no reason to fail.
            let _ = e.print();
            return ExitCode::from(if asked { 0 } else { SPEC });
        }
    };
    match cli.command {
        Command::New(args) => new::new(&args),
        Command::Run(args) => run::run(&args),
        Command::Test(args) => tests::test(&args),
        Command::Runs { command } => runs::runs(command),
        Command::Report { runs, out } => runs::report(&runs, out.as_deref()),
        Command::Sample(args) => draw::sample(&args),
        Command::Density(args) => draw::density(&args),
        Command::Check { specs, format } => check(&specs, format),
        Command::Emit(args) => emit::emit(&args),
        Command::Explain { code } => explain_code(code.as_deref()),
        Command::Std { words } => library::show(&words),
        Command::Fmt { specs, check } => format::format(&specs, check),
        Command::Completions { shell } => {
            let mut command = <Cli as clap::CommandFactory>::command();
            clap_complete::generate(shell, &mut command, "flowc", &mut std::io::stdout());
            ExitCode::SUCCESS
        }
    }
}

/// Prints text; a closed pipe is no reason to fail.
fn put(text: &str) {
    use std::io::Write as _;
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Reads a spec.
fn read(path: &std::path::Path) -> Result<String, Diagnostic> {
    let fail = |why: String, help: &str| Err(Diagnostic::bare(Code::FileNotFound, why).help(help.to_owned()));
    match std::fs::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(text),
            Err(e) => fail(
                format!(
                    "`{}` is not UTF-8 text: line {} is not",
                    path.display(),
                    e.as_bytes()[..e.utf8_error().valid_up_to()].split(|b| *b == b'\n').count()
                ),
                "save it as UTF-8; a spec is a text file",
            ),
        },
        Err(e) => {
            let near = path
                .parent()
                .and_then(|p| std::fs::read_dir(if p.as_os_str().is_empty() { ".".as_ref() } else { p }).ok());
            let names: Vec<String> = near
                .into_iter()
                .flatten()
                .filter_map(|e| e.ok()?.file_name().into_string().ok())
                .filter(|n| n.ends_with(".flow"))
                .collect();
            let own = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let help = match crate::diag::suggest::nearest(&own, names.iter().map(String::as_str)) {
                Some(n) => format!("did you mean `{}`?", path.with_file_name(n).display()),
                None => "give the path of a .flow file".to_owned(),
            };
            fail(format!("`{}` cannot be read: {}", path.display(), crate::folder::reason(&e)), &help)
        }
    }
}

/// Prints a diagnostic that has no place in a spec.
fn complain(d: &Diagnostic) {
    let sources = crate::source::SourceMap::default();
    eprint!("{}", render::graphical(d, &sources, terminal_width(), crate::term::colours()));
}

fn terminal_width() -> usize {
    // Messages are written for 80 columns; a narrower terminal gets its own width.
    let columns = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    columns.unwrap_or(80usize).clamp(40, 100)
}

/// Prints all diagnostics of a compilation.
fn print_all(c: &driver::Compiled, format: Format) {
    let colours = crate::term::colours();
    match format {
        Format::Json => println!("{}", render::json(&c.diagnostics, &c.sources)),
        Format::Text => {
            for d in &c.diagnostics {
                eprintln!("{}", render::graphical(d, &c.sources, terminal_width(), colours));
            }
            let count = |s| c.diagnostics.iter().filter(|d| d.code.severity() == s).count();
            let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
            let plural = |n: usize| if n == 1 { "" } else { "s" };
            if errors + warnings > 0 {
                eprintln!("{errors} error{}, {warnings} warning{}", plural(errors), plural(warnings));
            }
        }
    }
}

fn check(specs: &[PathBuf], format: Format) -> ExitCode {
    let mut failed = false;
    for path in specs {
        match read(path) {
            Err(d) => {
                complain(&d);
                failed = true;
            }
            Ok(text) => {
                let c = driver::compile(&path.display().to_string(), &text);
                print_all(&c, format);
                failed |= c.failed();
                if !c.failed() && format == Format::Text {
                    println!("{}: fine", path.display());
                }
            }
        }
    }
    ExitCode::from(if failed { SPEC } else { 0 })
}

fn explain_code(code: Option<&str>) -> ExitCode {
    let Some(code) = code else {
        for c in Code::ALL {
            println!("{}  {}", c.number(), c.slug());
        }
        return ExitCode::SUCCESS;
    };
    match explain::page(code) {
        Some(page) => {
            println!("{page}");
            ExitCode::SUCCESS
        }
        None => {
            let words: Vec<&str> = Code::ALL.iter().flat_map(|c| [c.number(), c.slug()]).collect();
            let d = Diagnostic::bare(Code::UnknownName, format!("no message has the code `{code}`"));
            complain(&match crate::diag::suggest::nearest(code, words) {
                Some(n) => d.help(format!("did you mean `{n}`?")),
                None => d.help("`flowc explain` lists all codes"),
            });
            ExitCode::from(SPEC)
        }
    }
}
