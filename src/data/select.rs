//! Which columns.

use std::fmt;

/// A column by its name or number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// By name.
    Name(String),
    /// By number, from 0.
    Index(usize),
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pick::Name(n) => write!(f, "`{n}`"),
            Pick::Index(i) => write!(f, "{i}"),
        }
    }
}
