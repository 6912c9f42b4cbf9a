//! Delimited text: lines of cells, perhaps with names above.
//!
//! Bytes -> cells as text; numbers are read where a column is taken, so that a column of words that nobody asks for is no fault.

use super::fault::{Fault, Place};
use super::select::Pick;
use std::borrow::Cow;

/// Cells of a text.
pub struct Grid {
    names: Option<Vec<String>>,
    records: Vec<csv::ByteRecord>,
    lines: Vec<u64>,
    width: usize,
}

fn cell(record: &csv::ByteRecord, k: usize) -> Cow<'_, str> {
    String::from_utf8_lossy(record.get(k).unwrap_or_default())
}

impl Grid {
    /// Reads all lines. The first is taken for names if none of its cells is a number, or as `header` says.
    pub fn read(bytes: &[u8], delimiter: u8, header: Option<bool>) -> Result<Grid, Fault> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .trim(csv::Trim::All)
            .from_reader(bytes);
        let mut records = Vec::new();
        let mut lines = Vec::new();
        for record in reader.byte_records() {
            let record = record.map_err(|e| Fault::Format { why: e.to_string() })?;
            // A blank line between or behind rows is no row.
            if record.len() == 1 && record.get(0).is_some_and(<[u8]>::is_empty) {
                continue;
            }
            // A position stands before the blank lines that the reader skips.
            let at = record.position().map_or((0, 0), |p| (p.line(), p.byte() as usize));
            let blank = bytes[at.1..].iter().take_while(|b| matches!(b, b'\n' | b'\r')).filter(|b| **b == b'\n');
            lines.push(at.0 + blank.count() as u64);
            records.push(record);
        }
        let first = records.first().ok_or(Fault::Empty)?;
        let width = first.len();
        let words = (0..width).all(|k| cell(first, k).parse::<f64>().is_err());
        let names = header.unwrap_or(words).then(|| (0..width).map(|k| cell(first, k).into_owned()).collect());
        if names.is_some() {
            records.remove(0);
            lines.remove(0);
        }
        if records.is_empty() {
            return Err(Fault::Empty);
        }
        for (record, &line) in records.iter().zip(&lines) {
            if record.len() != width {
                return Err(Fault::Ragged { line, found: record.len(), expected: width });
            }
        }
        Ok(Grid { names, records, lines, width })
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.records.len()
    }

    /// How many columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// What columns are called.
    pub fn known(&self) -> Vec<String> {
        match &self.names {
            Some(n) => n.clone(),
            None => (0..self.width).map(|k| k.to_string()).collect(),
        }
    }

    /// The number of a column.
    pub fn find(&self, pick: &Pick) -> Result<usize, Fault> {
        let found = match pick {
            Pick::Index(i) => (*i < self.width).then_some(*i),
            Pick::Name(n) => self.names.as_ref().and_then(|all| all.iter().position(|o| o == n)),
        };
        found.ok_or_else(|| Fault::NoColumn { asked: pick.clone(), known: self.known() })
    }

    fn place(&self, row: usize, column: usize) -> Place {
        let column = self.names.as_ref().map_or(column.to_string(), |n| format!("`{}`", n[column]));
        Place { row: format!("line {}", self.lines[row]), column }
    }

    /// The number in a cell.
    pub fn number(&self, row: usize, column: usize) -> Result<f64, Fault> {
        let text = cell(&self.records[row], column);
        match text.parse::<f64>() {
            Ok(x) if x.is_finite() => Ok(x),
            Ok(_) => Err(Fault::NotFinite { at: self.place(row, column), text: text.into_owned() }),
            Err(_) if ["", "na", "n/a", "null", "none", "?", "-"].contains(&text.to_lowercase().as_str()) => {
                Err(Fault::NotFinite { at: self.place(row, column), text: text.into_owned() })
            }
            Err(_) => Err(Fault::Text { at: self.place(row, column), text: text.into_owned() }),
        }
    }

    /// The text of a cell of labels, and its place.
    pub fn label(&self, row: usize, column: usize) -> (String, Place) {
        (cell(&self.records[row], column).into_owned(), self.place(row, column))
    }
}
