//! What a run says on a terminal, and how it is stopped.
//!
//! Owns the live line and its plain form in a pipe ([`Progress`]), the tables and the closing words at 80 columns
//! ([`summary`]), and Ctrl-C ([`interrupt`]). Input: numbers from the runner. Output: text, to be sent to stdout (results) or
//! stderr (progress). Invariant: results are the same text with and without a terminal, colours aside. Deliberately absent:
//! diagnostics (`diag::render`) and anything a program would parse (`report::result`, `record.json`).

mod costs;
pub mod interrupt;
mod progress;
mod summary;

pub use costs::{Cost, differences, prediction};
pub use progress::{Phase, Progress};
pub use summary::{metric_table, summary};

use std::io::IsTerminal;

/// Columns that every table fits into.
pub const WIDTH: u16 = 80;

/// Whether results on stdout may be coloured: a terminal, and no `NO_COLOR` (any non-empty value, <https://no-color.org>).
#[must_use]
pub fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}
