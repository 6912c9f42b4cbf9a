//! Messages about paths and the laws they start from.

use super::paths::Leftover;
use crate::diag::{Code, Diagnostic, short};
use crate::source::Span;

/// `W0521`
pub fn source_not_gaussian(path: &Leftover, law: &str, objective: Span) -> Diagnostic {
    let what = if path.source.abs() > 1e-9 {
        format!("at t = 1 it adds {} of the source to the data", short(path.source))
    } else {
        "it takes a normal source for granted: at t = 0 the data is lost in noise of variance one".to_owned()
    };
    let d = Diagnostic::new(
        Code::SourceNotGaussian,
        format!("the path `{}` is made for a normal source of mean zero, and starts from {law}", path.path),
        path.span,
        what,
    );
    let d = if path.span == objective { d } else { d.label(objective, "trained along it here") };
    d.help("use a path that is exact at both ends, e.g. `straight`, `trig` or `bridge(sigma: 0.5)`; or start from `normal(dim: 2)`")
}
