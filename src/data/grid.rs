//! Delimited text: lines of cells, perhaps with names above.
//!
//! A file -> a [`Stream`]; a number is read where its column is taken, so that a column of words that nobody asks for is no
//! fault. Invariant: a place is that of the line in the file, blank lines and lines in quotes counted.

use super::fault::{Fault, Place};
use super::labels::EXACT;
use super::select::Pick;
use super::source::Source;
use super::stream::{Mark, Stream};
use std::borrow::Cow;
use std::io::{BufReader, Read};

/// Words that say that there is no value.
const NOTHING: [&str; 7] = ["", "na", "n/a", "null", "none", "?", "-"];
/// The mark at the start of some texts in UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Lines of cells.
pub struct Grid {
    source: Source,
    reader: csv::Reader<Box<dyn Read>>,
    names: Option<Vec<String>>,
    record: csv::ByteRecord,
    /// The record is read, and not yet given.
    waiting: bool,
    width: usize,
    picks: Vec<usize>,
    label: Option<usize>,
}

fn cell(record: &csv::ByteRecord, k: usize) -> Cow<'_, str> {
    String::from_utf8_lossy(record.get(k).unwrap_or_default())
}

/// The content behind the mark, if there is one.
fn content(source: &Source) -> Result<Box<dyn Read>, Fault> {
    let mut from = source.open()?;
    let mut start = [0; 3];
    let n = super::cells::read_up_to(&mut from, &mut start).map_err(|e| Fault::reading(&e))?;
    let start = &start[..n];
    if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
        return Err(Fault::format("it is text in UTF-16; save it in UTF-8"));
    }
    let start = start.strip_prefix(BOM).unwrap_or(start).to_vec();
    Ok(Box::new(BufReader::new(std::io::Cursor::new(start).chain(from))))
}

impl Grid {
    /// Reads the first line: it is taken for names if none of its cells is a number, or as `header` says.
    ///
    /// # Errors
    /// If there is none.
    pub fn open(source: &Source, delimiter: u8, header: Option<bool>) -> Result<Grid, Fault> {
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .trim(csv::Trim::All)
            .from_reader(content(source)?);
        let record = csv::ByteRecord::new();
        let source = source.clone();
        let (picks, label) = (vec![], None);
        let mut grid = Grid { source, reader, names: None, record, waiting: false, width: 0, picks, label };
        if !grid.advance()? {
            return Err(Fault::Empty);
        }
        grid.width = grid.record.len();
        let words = (0..grid.width).all(|k| cell(&grid.record, k).parse::<f64>().is_err());
        if header.unwrap_or(words) {
            grid.names = Some((0..grid.width).map(|k| cell(&grid.record, k).into_owned()).collect());
        } else {
            grid.waiting = true;
        }
        Ok(grid)
    }

    /// Says which columns are numbers of a row; without a word all but the label.
    ///
    /// # Errors
    /// If there is no such column.
    pub fn select(&mut self, features: Option<&[Pick]>, label: Option<&Pick>) -> Result<(), Fault> {
        self.label = label.map(|p| self.find(p)).transpose()?;
        self.picks = match features {
            Some(picks) => picks.iter().map(|p| self.find(p)).collect::<Result<_, _>>()?,
            None => {
                let all: Vec<usize> = (0..self.width).filter(|k| Some(*k) != self.label).collect();
                all.iter().try_for_each(|k| self.once(*k))?;
                all
            }
        };
        if self.picks.is_empty() { Err(Fault::Empty) } else { Ok(()) }
    }

    fn find(&self, pick: &Pick) -> Result<usize, Fault> {
        let found = match pick {
            Pick::Index(i) => (*i < self.width).then_some(*i),
            Pick::Name(n) => self.names.as_ref().and_then(|all| all.iter().position(|o| o == n)),
        };
        if let (Pick::Name(_), Some(k)) = (pick, found) {
            self.once(k)?;
        }
        let known = || match &self.names {
            Some(n) => n.clone(),
            None => (0..self.width).map(|k| k.to_string()).collect(),
        };
        found.ok_or_else(|| Fault::NoColumn { asked: pick.clone(), known: known() })
    }

    /// That no other column has this one's name; columns without a name are known by their place.
    fn once(&self, column: usize) -> Result<(), Fault> {
        let Some(names) = &self.names else { return Ok(()) };
        let name = &names[column];
        let mut all = (0..names.len()).filter(|k| names[*k] == *name && !name.is_empty());
        match (all.next(), all.next()) {
            (Some(first), Some(second)) => Err(Fault::Twice { name: name.clone(), first, second }),
            _ => Ok(()),
        }
    }

    /// Reads a line that is not blank.
    fn advance(&mut self) -> Result<bool, Fault> {
        let fault = |e: csv::Error| match e.into_kind() {
            csv::ErrorKind::Io(e) => Fault::reading(&e),
            other => Fault::format(format!("{other:?}")),
        };
        while self.reader.read_byte_record(&mut self.record).map_err(fault)? {
            if self.record.len() > 1 || self.record.get(0).is_some_and(|c| !c.is_empty()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The line of a record: its mark stands before the blank lines that the reader has skipped.
    fn line(&self, mark: Mark) -> u64 {
        let blank = || {
            let mut from = content(&self.source).ok()?;
            std::io::copy(&mut from.by_ref().take(mark.byte), &mut std::io::sink()).ok()?;
            let blank =
                std::io::BufReader::new(from).bytes().map_while(Result::ok).take_while(|b| matches!(b, b'\n' | b'\r'));
            Some(blank.filter(|b| *b == b'\n').count() as u64)
        };
        mark.number + blank().unwrap_or(0)
    }

    fn name(&self, column: usize) -> String {
        self.names.as_ref().map_or(column.to_string(), |n| format!("`{}`", n[column]))
    }

    fn number(&self, column: usize) -> Result<f64, Fault> {
        let text = cell(&self.record, column);
        let at = || Place { row: self.row(self.mark()), column: self.name(column) };
        match text.parse::<f64>() {
            Ok(x) if !x.is_finite() => Err(Fault::NotFinite { at: at(), text: text.into_owned() }),
            Ok(x) if x.abs() >= EXACT && text.bytes().all(|b| b.is_ascii_digit() || b == b'-') => {
                Err(Fault::Huge { at: at(), text: text.into_owned() })
            }
            Ok(x) => Ok(x),
            Err(_) if NOTHING.contains(&text.to_lowercase().as_str()) => {
                Err(Fault::NotFinite { at: at(), text: text.into_owned() })
            }
            Err(_) => Err(Fault::Text { at: at(), text: text.into_owned(), alone: self.width == 1 }),
        }
    }
}

impl Stream for Grid {
    fn width(&self) -> usize {
        self.picks.len()
    }

    fn next(&mut self, out: &mut [f64]) -> Result<bool, Fault> {
        if !std::mem::take(&mut self.waiting) && !self.advance()? {
            return Ok(false);
        }
        if self.record.len() != self.width {
            let line = self.line(self.mark());
            return Err(Fault::Ragged { line, found: self.record.len(), expected: self.width });
        }
        for (x, k) in out.iter_mut().zip(&self.picks) {
            *x = self.number(*k)?;
        }
        Ok(true)
    }

    fn label(&self) -> Option<String> {
        self.label.map(|k| cell(&self.record, k).into_owned())
    }

    fn mark(&self) -> Mark {
        self.record.position().map_or(Mark::default(), |p| Mark { number: p.line(), byte: p.byte() })
    }

    fn row(&self, mark: Mark) -> String {
        format!("line {}", self.line(mark))
    }

    fn column(&self, k: usize) -> String {
        self.name(self.picks[k])
    }

    fn label_column(&self) -> String {
        self.label.map_or_else(String::new, |k| self.name(k))
    }
}
