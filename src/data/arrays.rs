//! Arrays of numbers, their first axis rows.
//!
//! Bytes behind a header (npy, idx, an entry of an npz) -> a [`Stream`].

use super::fault::{Fault, Place};
use super::kind::Header;
use super::labels::EXACT;
use super::select::Pick;
use super::stream::{Mark, Stream};
use std::io::{Cursor, Read};

/// Rows of an array.
pub struct Rows<'a> {
    from: Box<dyn Read + 'a>,
    header: Header,
    /// What the array is called, if its file names it.
    name: String,
    picks: Vec<usize>,
    label: Option<usize>,
    /// The bytes of the row that was read last, and how many were read.
    bytes: Vec<u8>,
    done: usize,
}

impl<'a> Rows<'a> {
    /// Rows behind a header: all numbers of a row, and no label.
    ///
    /// # Errors
    /// If rows do not lie one behind the other, and cannot be brought there.
    pub fn new(header: &Header, name: &str, mut from: Box<dyn Read + 'a>) -> Result<Rows<'a>, Fault> {
        let mut header = header.clone();
        narrow(&header)?;
        if header.fortran {
            from = Box::new(Cursor::new(by_rows(&header, &mut *from)?));
            header.fortran = false;
        }
        let bytes = vec![0; header.width() * header.kind.bytes];
        let picks = (0..header.width()).collect();
        Ok(Rows { from, header, name: name.to_owned(), picks, label: None, bytes, done: 0 })
    }

    /// Says which numbers of a row are read; without a word all but the label.
    ///
    /// # Errors
    /// If there is no such number, or none is left.
    pub fn select(&mut self, features: Option<&[Pick]>, label: Option<usize>) -> Result<(), Fault> {
        self.picks = picks(&self.header, features, label)?;
        self.label = label;
        Ok(())
    }

    /// Reads a label of each row and nothing else.
    #[must_use]
    pub fn labels_at(mut self, k: usize) -> Self {
        (self.picks, self.label) = (vec![], Some(k));
        self
    }

    fn number(&self, k: usize) -> f64 {
        self.header.kind.number(&self.bytes[k * self.header.kind.bytes..])
    }

    fn called(&self, k: usize) -> String {
        if self.name.is_empty() { k.to_string() } else { format!("{k} of `{}`", self.name) }
    }
}

/// Most numbers of a row: more than any data has, and so few that a damaged header asks for no memory that is not there.
const WIDEST: usize = 1 << 22;

/// Refuses rows that cannot be meant.
fn narrow(header: &Header) -> Result<(), Fault> {
    let width = header.width();
    if width > WIDEST {
        Err(Fault::format(format!("its rows have {width} numbers, {WIDEST} at most are read")))
    } else {
        Ok(())
    }
}

/// The numbers of a row that are asked for.
///
/// # Errors
/// If there is no such number, or none is left.
pub fn picks(header: &Header, features: Option<&[Pick]>, label: Option<usize>) -> Result<Vec<usize>, Fault> {
    narrow(header)?;
    let picks: Vec<usize> = match features {
        Some(all) => all.iter().map(|p| element(header, p)).collect::<Result<_, _>>()?,
        None => (0..header.width()).filter(|k| Some(*k) != label).collect(),
    };
    if picks.is_empty() { Err(Fault::Empty) } else { Ok(picks) }
}

/// The place of a number in its row.
///
/// # Errors
/// If there is no such number.
pub fn element(header: &Header, pick: &Pick) -> Result<usize, Fault> {
    match pick {
        Pick::Index(k) if *k < header.width() => Ok(*k),
        Pick::Index(_) | Pick::Name(_) => {
            Err(Fault::NoColumn { asked: pick.clone(), known: vec![format!("0..{}", header.width())] })
        }
    }
}

/// The bytes of an array whose first index runs fastest, in the order of the last.
fn by_rows(header: &Header, from: &mut dyn Read) -> Result<Vec<u8>, Fault> {
    let (size, count) = (header.kind.bytes, header.rows() * header.width());
    let mut stored = Vec::new();
    from.take((count * size) as u64).read_to_end(&mut stored).map_err(|e| Fault::reading(&e))?;
    if stored.len() < count * size {
        return Err(Fault::format("it ends before its numbers do"));
    }
    let mut out = Vec::with_capacity(stored.len());
    let mut index = vec![0; header.shape.len()];
    for _ in 0..count {
        let at = index.iter().zip(&header.shape).rev().fold(0, |at, (i, n)| at * n + i);
        out.extend_from_slice(&stored[at * size..(at + 1) * size]);
        for (i, n) in index.iter_mut().zip(&header.shape).rev() {
            *i += 1;
            if *i < *n {
                break;
            }
            *i = 0;
        }
    }
    Ok(out)
}

impl Stream for Rows<'_> {
    fn width(&self) -> usize {
        self.picks.len()
    }

    fn next(&mut self, out: &mut [f64]) -> Result<bool, Fault> {
        if self.done == self.header.rows() {
            return Ok(false);
        }
        self.from.read_exact(&mut self.bytes).map_err(|e| Fault::reading(&e))?;
        self.done += 1;
        for (j, (x, &k)) in out.iter_mut().zip(&self.picks).enumerate() {
            *x = self.header.kind.number(&self.bytes[k * self.header.kind.bytes..]);
            if x.abs() >= EXACT && self.header.kind.may_be_huge() {
                let at = Place { row: self.row(self.mark()), column: self.column(j) };
                return Err(Fault::Huge { at, text: x.to_string() });
            }
        }
        Ok(true)
    }

    fn label(&self) -> Option<String> {
        let x = self.number(self.label?);
        // A whole number without its point.
        Some(if x.fract() == 0.0 && x.abs() < EXACT { format!("{x:.0}") } else { x.to_string() })
    }

    fn mark(&self) -> Mark {
        Mark { number: self.done as u64 - 1, byte: 0 }
    }

    fn row(&self, mark: Mark) -> String {
        format!("row {}", mark.number)
    }

    fn column(&self, k: usize) -> String {
        self.called(self.picks[k])
    }

    fn label_column(&self) -> String {
        self.label.map_or_else(String::new, |k| self.called(k))
    }
}
