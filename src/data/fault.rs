//! What can be wrong with a file.

use super::select::Pick;
use std::fmt;

/// A value's place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `line 18` of a text, `row 17` of an array (counted from 0).
    pub row: String,
    /// The column's name, or its number counted from 0.
    pub column: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Lines count from 1, as editors do; columns as `features: [0, 1]` does.
        let number = self.column.bytes().all(|b| b.is_ascii_digit());
        write!(f, "{}, column {}{}", self.row, self.column, if number { " (counted from 0)" } else { "" })
    }
}

/// Why a file gives no table.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The file cannot be opened; a file beside it that may be meant.
    Missing { file: String, why: String, near: Option<String> },
    /// The ending of the name says nothing, or the content is not what it says.
    Format { why: String },
    /// The format is read by a build with a feature of the crate.
    Feature { feature: &'static str },
    /// Numbers of a kind that is not read.
    Kind { kind: String },
    /// There is no row.
    Empty,
    /// An array of this shape, which has a zero in it.
    NoNumbers { shape: Vec<usize> },
    /// Two columns, by number, have the name that one is asked for by.
    Twice { name: String, first: usize, second: usize },
    /// There is no such column; what there is.
    NoColumn { asked: Pick, known: Vec<String> },
    /// Several arrays could be the features.
    Ambiguous { known: Vec<String> },
    /// A text where a number is needed; whether it is all of its line.
    Text { at: Place, text: String, alone: bool },
    /// No value, NaN or infinity.
    NotFinite { at: Place, text: String },
    /// An integer that no real of 64 bits tells from its neighbours.
    Huge { at: Place, text: String },
    /// A line with another number of cells.
    Ragged { line: u64, found: usize, expected: usize },
    /// Arrays of another number of rows.
    Lengths { features: usize, labels: usize },
    /// A label that is no class: fractional, or too many of them.
    Label { at: Place, text: String },
    /// More classes than rows can teach.
    Classes { count: usize, rows: usize },
    /// More rows than an order of rows can number.
    Rows,
    /// A split that asks for rows and gets none.
    Split { rows: usize, which: &'static str },
    /// What does not fit into memory found no place on the disk.
    Spill { why: String },
}

impl Fault {
    /// A content that is not what the name says.
    pub(super) fn format(why: impl fmt::Display) -> Fault {
        Fault::Format { why: why.to_string() }
    }

    /// A file that ends or fails while it is read.
    pub(super) fn reading(e: &std::io::Error) -> Fault {
        match e.kind() {
            std::io::ErrorKind::UnexpectedEof => Fault::format("it ends before its numbers do"),
            std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData => {
                Fault::format(format!("it cannot be unpacked: {e}"))
            }
            _ => Fault::format(e),
        }
    }
}
