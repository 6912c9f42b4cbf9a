//! Apache Parquet.
//!
//! A file -> a [`Stream`] of the columns that are asked for; the others are not unpacked. Columns of numbers, truth values and
//! text at the top of the schema are read; pages packed by Snappy or LZ4, or not at all.

use super::fault::{Fault, Place};
use super::labels::EXACT;
use super::select::Pick;
use super::source::Source;
use super::stream::{Mark, Stream};
use parquet::basic::Type as Physical;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use parquet::schema::types::Type;
use std::sync::Arc;

/// Rows of a file.
pub struct Rows {
    source: Source,
    /// Columns at the top of the schema.
    columns: Vec<Arc<Type>>,
    rows: Option<RowIter<'static>>,
    /// For each feature its column, then that of the label.
    picks: Vec<usize>,
    label: Option<usize>,
    /// Where each column stands in a row; columns that are not asked for stand nowhere.
    places: Vec<Option<usize>>,
    row: Row,
    done: u64,
}

fn reader(source: &Source) -> Result<SerializedFileReader<std::fs::File>, Fault> {
    SerializedFileReader::new(source.file()?).map_err(Fault::format)
}

impl Rows {
    /// Reads the schema.
    ///
    /// # Errors
    /// If it is no such file.
    pub fn open(source: &Source) -> Result<Rows, Fault> {
        let schema = reader(source)?.metadata().file_metadata().schema_descr().root_schema_ptr();
        let columns = schema.get_fields().to_vec();
        let places = vec![None; columns.len()];
        let (picks, row) = (vec![], Row::new(vec![]));
        Ok(Rows { source: source.clone(), columns, rows: None, picks, label: None, places, row, done: 0 })
    }

    /// Says which columns are read; without a word all are numbers of a row but the label.
    ///
    /// # Errors
    /// If there is no such column, or it holds neither numbers nor text.
    pub fn select(&mut self, features: Option<&[Pick]>, label: Option<&Pick>) -> Result<(), Fault> {
        self.label = label.map(|p| self.find(p)).transpose()?;
        self.picks = match features {
            Some(picks) => picks.iter().map(|p| self.find(p)).collect::<Result<_, _>>()?,
            None => (0..self.columns.len()).filter(|k| Some(*k) != self.label).collect(),
        };
        if self.picks.is_empty() {
            return Err(Fault::Empty);
        }
        let mut asked: Vec<usize> = self.picks.iter().chain(&self.label).copied().collect();
        asked.sort_unstable();
        asked.dedup();
        for (place, k) in asked.iter().enumerate() {
            self.places[*k] = Some(place);
            sound(&self.columns[*k])?;
        }
        let fields = asked.iter().map(|k| self.columns[*k].clone()).collect();
        let file = reader(&self.source)?;
        let root = file.metadata().file_metadata().schema_descr().root_schema().name().to_owned();
        let projection = Type::group_type_builder(&root).with_fields(fields).build().map_err(Fault::format)?;
        let rows = RowIter::from_file_into(Box::new(file)).project(Some(projection)).map_err(Fault::format)?;
        self.rows = Some(rows);
        Ok(())
    }

    fn find(&self, pick: &Pick) -> Result<usize, Fault> {
        let found = match pick {
            Pick::Index(i) => (*i < self.columns.len()).then_some(*i),
            Pick::Name(n) => self.columns.iter().position(|c| c.name() == n),
        };
        let known = || self.columns.iter().map(|c| c.name().to_owned()).collect();
        found.ok_or_else(|| Fault::NoColumn { asked: pick.clone(), known: known() })
    }

    fn field(&self, column: usize) -> Option<&Field> {
        self.row.get_column_iter().nth(self.places[column]?).map(|(_, f)| f)
    }
}

/// That a column holds single values of a kind that is read.
fn sound(column: &Type) -> Result<(), Fault> {
    let kind = |what: String| Err(Fault::Kind { kind: format!("{what} (column `{}`)", column.name()) });
    if !column.is_primitive() || column.get_basic_info().repetition() == parquet::basic::Repetition::REPEATED {
        return kind("list or struct".to_owned());
    }
    match column.get_physical_type() {
        Physical::BOOLEAN
        | Physical::INT32
        | Physical::INT64
        | Physical::FLOAT
        | Physical::DOUBLE
        | Physical::BYTE_ARRAY => Ok(()),
        other @ (Physical::INT96 | Physical::FIXED_LEN_BYTE_ARRAY) => kind(other.to_string()),
    }
}

/// The number that a field is.
fn number(field: &Field) -> Option<f64> {
    Some(match field {
        Field::Bool(b) => f64::from(u8::from(*b)),
        Field::Byte(x) => f64::from(*x),
        Field::Short(x) => f64::from(*x),
        Field::Int(x) => f64::from(*x),
        Field::Long(x) => *x as f64,
        Field::UByte(x) => f64::from(*x),
        Field::UShort(x) => f64::from(*x),
        Field::UInt(x) => f64::from(*x),
        Field::ULong(x) => *x as f64,
        Field::Float(x) => f64::from(*x),
        Field::Double(x) => *x,
        _ => return None,
    })
}

impl Stream for Rows {
    fn width(&self) -> usize {
        self.picks.len()
    }

    fn next(&mut self, out: &mut [f64]) -> Result<bool, Fault> {
        match self.rows.as_mut().and_then(Iterator::next) {
            None => return Ok(false),
            Some(row) => self.row = row.map_err(Fault::format)?,
        }
        self.done += 1;
        for (j, (x, &k)) in out.iter_mut().zip(&self.picks).enumerate() {
            let at = || Place { row: self.row(self.mark()), column: self.column(j) };
            let field = self.field(k).unwrap_or(&Field::Null);
            *x = match number(field) {
                Some(x) if x.abs() >= EXACT && matches!(field, Field::Long(_) | Field::ULong(_)) => {
                    return Err(Fault::Huge { at: at(), text: field.to_string() });
                }
                Some(x) => x,
                None if *field == Field::Null => return Err(Fault::NotFinite { at: at(), text: String::new() }),
                None => return Err(Fault::Text { at: at(), text: plain(field), alone: false }),
            };
        }
        Ok(true)
    }

    fn label(&self) -> Option<String> {
        let field = self.field(self.label?)?;
        Some(match number(field) {
            Some(x) if x.fract() == 0.0 && x.abs() < EXACT => format!("{x:.0}"),
            Some(x) => x.to_string(),
            None if *field == Field::Null => String::new(),
            None => plain(field),
        })
    }

    fn mark(&self) -> Mark {
        Mark { number: self.done - 1, byte: 0 }
    }

    fn row(&self, mark: Mark) -> String {
        format!("row {}", mark.number)
    }

    fn column(&self, k: usize) -> String {
        format!("`{}`", self.columns[self.picks[k]].name())
    }

    fn label_column(&self) -> String {
        self.label.map_or_else(String::new, |k| format!("`{}`", self.columns[k].name()))
    }
}

/// A field as text.
fn plain(field: &Field) -> String {
    match field {
        Field::Str(s) => s.clone(),
        Field::Bytes(b) => String::from_utf8_lossy(b.data()).into_owned(),
        other => other.to_string(),
    }
}
