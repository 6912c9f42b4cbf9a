//! Rows of a file, one after the other, and what is kept of them.
//!
//! Every format is a [`Stream`]. [`collect`] reads it once: values into memory or onto the disk, labels as classes, and every
//! number looked at. Deliberately absent: formats.

use super::cells::{Cells, Keeper};
use super::fault::{Fault, Place};
use super::labels::Classes;
use super::table::Labels;

/// Where a row begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The number of the row, or of the line that comes at or before it.
    pub number: u64,
    /// Bytes before it, in a text.
    pub byte: u64,
}

/// Rows of a file.
pub trait Stream {
    /// How many numbers a row has.
    fn width(&self) -> usize;

    /// Reads the next row into `out`; `false` if there is none.
    ///
    /// # Errors
    /// What is wrong with it, with its place. Numbers may be infinite or NaN.
    fn next(&mut self, out: &mut [f64]) -> Result<bool, Fault>;

    /// The label of the row that was read last, if rows have labels.
    fn label(&self) -> Option<String>;

    /// Where the row that was read last begins.
    fn mark(&self) -> Mark;

    /// `line 18`, `row 17`
    fn row(&self, mark: Mark) -> String;

    /// What a number of a row is called.
    fn column(&self, k: usize) -> String;

    /// What the label is called.
    fn label_column(&self) -> String;
}

/// What a stream comes to.
pub struct Collected {
    /// How many rows.
    pub rows: usize,
    /// Numbers of a row.
    pub width: usize,
    /// All of them.
    pub cells: Cells,
    /// Their labels.
    pub labels: Option<Labels>,
    /// The greatest absolute value.
    pub greatest: f64,
}

/// Reads all rows; keeps so many bytes of their values in memory, and the others in a temporary file.
///
/// # Errors
/// The first fault of the file.
pub fn collect(stream: &mut dyn Stream, memory: usize) -> Result<Collected, Fault> {
    let spill = |e: std::io::Error| Fault::Spill { why: e.to_string() };
    let mut keeper = Keeper::new(memory, stream.width());
    let looked = look(stream, &mut |row| keeper.push(row).map_err(spill))?;
    Ok(Collected { cells: keeper.finish().map_err(spill)?, ..looked })
}

/// Reads all rows and keeps none of their values.
///
/// # Errors
/// The first fault of the file.
pub fn look_at(stream: &mut dyn Stream) -> Result<Collected, Fault> {
    look(stream, &mut |_| Ok(()))
}

fn look(stream: &mut dyn Stream, keep: &mut dyn FnMut(&[f64]) -> Result<(), Fault>) -> Result<Collected, Fault> {
    let mut row = vec![0.0; stream.width()];
    let (mut rows, mut greatest, mut classes) = (0, 0.0f64, None::<Classes>);
    while stream.next(&mut row)? {
        if let Some(k) = row.iter().position(|x| !x.is_finite()) {
            let at = Place { row: stream.row(stream.mark()), column: stream.column(k) };
            return Err(Fault::NotFinite { at, text: row[k].to_string() });
        }
        greatest = row.iter().fold(greatest, |m, x| m.max(x.abs()));
        keep(&row)?;
        if let Some(label) = stream.label() {
            classes.get_or_insert_default().push(label, stream.mark())?;
        }
        rows += 1;
    }
    if rows == 0 {
        return Err(Fault::Empty);
    }
    if u32::try_from(rows).is_err() {
        return Err(Fault::Rows);
    }
    let place = |mark| Place { row: stream.row(mark), column: stream.label_column() };
    let labels = classes.map(|c| c.finish(&place)).transpose()?;
    Ok(Collected { rows, width: row.len(), cells: Cells::Memory([].into()), labels, greatest })
}

/// Rows of several columns beside each other.
pub struct Beside<'a> {
    /// Cells with their widths.
    pub parts: &'a [(Cells, usize)],
    /// How many rows.
    pub rows: usize,
    /// Which comes next.
    pub at: usize,
}

impl Stream for Beside<'_> {
    fn width(&self) -> usize {
        self.parts.iter().map(|(_, w)| w).sum()
    }

    fn next(&mut self, mut out: &mut [f64]) -> Result<bool, Fault> {
        if self.at == self.rows {
            return Ok(false);
        }
        for (cells, width) in self.parts {
            let (own, rest) = out.split_at_mut(*width);
            cells.read(self.at, own).map_err(|e| Fault::reading(&e))?;
            out = rest;
        }
        self.at += 1;
        Ok(true)
    }

    fn label(&self) -> Option<String> {
        None
    }

    fn mark(&self) -> Mark {
        Mark { number: self.at as u64 - 1, byte: 0 }
    }

    fn row(&self, mark: Mark) -> String {
        format!("row {}", mark.number)
    }

    fn column(&self, k: usize) -> String {
        k.to_string()
    }

    fn label_column(&self) -> String {
        String::new()
    }
}
