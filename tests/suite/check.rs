//! The one place where tests turn a text into diagnostics.

use flowc::diag::{Code, Diagnostic};
use flowc::driver;
use flowc::source::SourceMap;

/// Every diagnostic that flowc gives for a text, in order, and the sources that they point into.
pub fn check_text(name: &str, text: &str) -> (Vec<Diagnostic>, SourceMap) {
    let c = driver::compile(name, text);
    (c.diagnostics, c.sources)
}

/// Codes that no text can raise: they tell of a run or of flowc itself.
pub const RUN_TIME: &[Code] = &[
    Code::NonFiniteLoss,
    Code::NonFiniteState,
    Code::StepTooSmall,
    Code::TooManySteps,
    Code::NoConvergence,
    Code::BadTimes,
    Code::CannotWrite,
    Code::ExpectFailed,
    Code::SinkhornNotConverged,
    Code::BadCheckpoint,
    Code::OtherVersion,
    Code::FolderInUse,
    Code::Internal,
];

/// Codes of files that lie beside a text: it has cases, with such files, and its page shows the file.
pub const OF_FILES: &[Code] =
    &[Code::FileNotFound, Code::MissingValue, Code::Ragged, Code::DataEmpty, Code::DataFormat];

/// Whether [`check_text`] can give this code.
pub fn has_cases(code: Code) -> bool {
    !RUN_TIME.contains(&code)
}

/// Whether it can for a text alone.
pub fn is_checked(code: Code) -> bool {
    has_cases(code) && !OF_FILES.contains(&code)
}
