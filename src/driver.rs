//! The compiler on one page: each stage, what it takes and gives, and where it can stop.
//!
//! text -> `ast::File` -> `resolve::Module` -> `plan::RunPlan` (programs of every arm) -> expanded, optimised, staged programs.

use crate::diag::{Code, Diagnostic, Sink};
use crate::plan::{self, RunPlan};
use crate::resolve;
use crate::resolve::imports::{self, Loader};
use crate::resolve::settings::{self, Setting};
use crate::source::SourceMap;
use crate::syntax;

/// Everything that compiling one file gives.
#[derive(Debug)]
pub struct Compiled {
    /// The user's file and the library's.
    pub sources: SourceMap,
    /// What is to be said, in source order.
    pub diagnostics: Vec<Diagnostic>,
    /// The plan, if there is no error.
    pub plan: Option<RunPlan>,
}

impl Compiled {
    /// Whether the file was refused.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.plan.is_none()
    }
}

/// Stack of the thread that compiles: deep nesting of calls and expressions is unrolled recursively.
const STACK: usize = 512 << 20;

/// Runs the front end on a text: parse, resolve, plan. Files that it uses are read beside it.
#[must_use]
pub fn compile(name: &str, text: &str) -> Compiled {
    compile_with(name, text, &Asked::default())
}

/// What is asked beside the text of a spec.
pub struct Asked<'a> {
    /// Reads a file that the spec uses.
    pub load: &'a Loader<'a>,
    /// Values that replace the spec's own.
    pub set: &'a [Setting],
}

impl Default for Asked<'_> {
    fn default() -> Self {
        Asked { load: &|path| std::fs::read_to_string(path), set: &[] }
    }
}

/// [`compile`], with files from elsewhere and values from the command line.
#[must_use]
pub fn compile_with(name: &str, text: &str, asked: &Asked<'_>) -> Compiled {
    std::thread::scope(|scope| {
        let work = || {
            let mut sources = SourceMap::default();
            let mut sink = Sink::default();
            let id = sources.add(name, text, false);
            let file = syntax::parse(id, text, &mut sink);
            let file = imports::expand(file, &mut sources, &mut sink, asked.load);
            let file = settings::apply(file, asked.set, &mut sources, &mut sink);
            let parsed = !sink.has_errors();
            let module = resolve::resolve(&file, &mut sources, &mut sink);
            // A file with missing declarations would only be found incomplete; missing names stay silent below.
            let plan = if parsed { plan::plan(&module, &sources, &mut sink) } else { None };
            let failed = sink.has_errors();
            let plan = plan.filter(|_| !failed);
            let mut diagnostics = sink.finish();
            // What a faulty line would have used seems unused.
            diagnostics.retain(|d| !(failed && d.code == Code::UnusedName));
            Compiled { sources, diagnostics, plan }
        };
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        match thread.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(c)) => c,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(e) => {
                let d = Diagnostic::bare(Code::Internal, format!("no thread to compile in: {e}"));
                Compiled { sources: SourceMap::default(), diagnostics: vec![d], plan: None }
            }
        }
    })
}

/// The diagnostics of a text: what `flowc check` would say.
#[must_use]
pub fn check_text(name: &str, text: &str) -> Vec<Diagnostic> {
    compile(name, text).diagnostics
}
