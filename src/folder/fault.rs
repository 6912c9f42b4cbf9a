//! What to say when the disk refuses.

use crate::diag::{Code, Diagnostic};
use std::io::{Error, ErrorKind};
use std::path::Path;

/// The message for a failed file operation: what was tried, on which path, the system's reason, and what to do about it.
#[must_use]
pub fn cannot_write(doing: &str, path: &Path, error: &Error) -> Diagnostic {
    let help = match error.kind() {
        ErrorKind::PermissionDenied => "write elsewhere with `--out DIR`, or change the permissions of the folder",
        ErrorKind::ReadOnlyFilesystem => "this file system cannot be written to: write elsewhere with `--out DIR`",
        ErrorKind::StorageFull => {
            "free some space or write elsewhere with `--out DIR`; what was written before is complete, and the run can be resumed"
        }
        ErrorKind::QuotaExceeded => "your quota is used up: free some space or write elsewhere with `--out DIR`",
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            "a part of this path is a file, not a folder: move it away, or name another folder with `--out DIR`"
        }
        ErrorKind::IsADirectory => "there is a folder where the file should go: move it away",
        ErrorKind::NotFound => {
            "the file or its folder has gone, or never was: create the folder, or name another with `--out DIR`"
        }
        ErrorKind::InvalidFilename => "this name is too long or not allowed here: name another folder with `--out DIR`",
        _ => "write elsewhere with `--out DIR`",
    };
    Diagnostic::bare(Code::CannotWrite, format!("cannot {doing} `{}`: {}", path.display(), reason(error))).help(help)
}

/// The system's words without its error number.
#[must_use]
pub fn reason(error: &Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |c| c.to_lowercase().chain(letters).collect())
}
