//! `flowc fmt`: specs in canonical form, written back or only compared.

use super::{Format, SPEC, complain, print_all, read};
use crate::diag::Sink;
use crate::driver::Compiled;
use crate::source::SourceMap;
use crate::syntax;
use std::path::PathBuf;
use std::process::ExitCode;

/// `flowc fmt`.
pub fn format(specs: &[PathBuf], check: bool) -> ExitCode {
    let mut failed = false;
    for path in specs {
        let text = match read(path) {
            Ok(t) => t,
            Err(d) => {
                complain(&d);
                failed = true;
                continue;
            }
        };
        let mut sink = Sink::default();
        let mut sources = SourceMap::default();
        let id = sources.add(path.display().to_string(), text.as_str(), false);
        let tree = syntax::parse(id, &text, &mut sink);
        if sink.has_errors() {
            print_all(&Compiled { sources, diagnostics: sink.finish(), plan: None }, Format::Text);
            failed = true;
            continue;
        }
        let new = syntax::print::print(&tree, Some(&text));
        if new == text {
            continue;
        }
        if check {
            println!("{}: not in canonical form", path.display());
            failed = true;
        } else if let Err(d) = crate::folder::write_atomic(path, new.as_bytes()) {
            complain(&d);
            failed = true;
        } else {
            println!("{}: written", path.display());
        }
    }
    ExitCode::from(if failed { SPEC } else { 0 })
}
