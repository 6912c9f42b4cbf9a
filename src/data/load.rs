//! A file to a table.
//!
//! The ending of the name says the format. What is larger than [`MEMORY`] is read from the disk row by row: in place where
//! rows have a fixed place in the file, from a temporary file otherwise.

use super::archive;
use super::arrays::{self, Rows};
use super::cells::{Cells, Disk};
use super::fault::{Fault, Place};
use super::grid::Grid;
use super::kind::Header;
use super::scale::{self, Standardize};
use super::select::Pick;
use super::source::Source;
use super::stream::{Collected, collect, look_at};
use super::table::{Column, Labels, Table};
use crate::rng;
use std::path::Path;

/// How a table is made of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// The columns of a sample, in order; without them all but the label.
    pub features: Option<Vec<Pick>>,
    /// The column of the label; of a file that names no columns, another file beside it.
    pub label: Option<Pick>,
    /// Whether and how values are standardised.
    pub standardize: Option<Standardize>,
    /// Fractions that train, validate and test.
    pub split: Option<[f64; 3]>,
    /// Keys the shuffle of the split.
    pub seed: u64,
    /// Whether a text has names in its first line, if that is said.
    pub header: Option<bool>,
    /// What separates cells, if that is said.
    pub delimiter: Option<u8>,
}

/// Bytes of values that are kept in memory.
pub const MEMORY: usize = 256 << 20;

/// Reads a file.
///
/// # Errors
/// What is wrong with it, with its place.
pub fn load(path: &Path, options: &Options) -> Result<Table, Fault> {
    load_within(path, options, MEMORY)
}

/// [`load`] with another bound on the bytes of values in memory; the table is the same.
///
/// # Errors
/// As [`load`].
pub fn load_within(path: &Path, options: &Options, memory: usize) -> Result<Table, Fault> {
    let source = Source::new(path)?;
    let mut fingerprint = source.fingerprint()?;
    let read = match Format::of(&source, options)? {
        Format::Text(delimiter) => {
            let mut grid = Grid::open(&source, delimiter, options.header)?;
            grid.select(options.features.as_deref(), options.label.as_ref())?;
            collect(&mut grid, memory)?
        }
        Format::Array(head) => {
            let mut read = array(&source, head, options, memory)?;
            if let Some(Pick::Name(file)) = &options.label {
                let beside = Source::new(&path.with_file_name(file))?;
                fingerprint += &beside.fingerprint()?;
                read.labels = Some(labels_of(&beside, file)?);
            }
            read
        }
        Format::Archive => archive::read(&source, options, memory)?,
        Format::Parquet => parquet(&source, options, memory)?,
    };
    let Collected { rows, cells, width, labels, greatest } = read;
    if let Some(l) = labels.as_ref().filter(|l| l.of.len() != rows) {
        return Err(Fault::Lengths { features: rows, labels: l.of.len() });
    }
    let splits = split(rows, options)?;
    let mut column = Column { name: "x".into(), shape: vec![width], cells, scale: None };
    if let Some(how) = options.standardize {
        column.scale = Some(scale::of(&column, rows, &splits[0], how).map_err(|e| Fault::reading(&e))?);
    }
    Ok(Table { rows, columns: vec![column], labels, splits, greatest, fingerprint })
}

type Head = fn(&mut dyn std::io::Read) -> Result<Header, Fault>;

/// What a file is, by the ending of its name.
enum Format {
    Text(u8),
    Array(Head),
    Archive,
    Parquet,
}

impl Format {
    fn of(source: &Source, options: &Options) -> Result<Format, Fault> {
        let name = source.path().file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
        let stem = name.strip_suffix(".gz").unwrap_or(&name);
        let ending = stem.rsplit_once('.').map_or("", |(_, e)| e);
        Ok(match ending {
            "csv" => Format::Text(options.delimiter.unwrap_or(b',')),
            "tsv" | "tab" => Format::Text(options.delimiter.unwrap_or(b'\t')),
            "npy" => Format::Array(Header::npy),
            "npz" => Format::Archive,
            "parquet" => Format::Parquet,
            _ if ending == "idx" || stem.contains("-idx") || stem.contains(".idx") => Format::Array(Header::idx),
            _ => match options.delimiter {
                Some(d) => Format::Text(d),
                None => {
                    return Err(Fault::format(
                        "its name must end in .csv, .tsv, .npy, .npz, .idx or .parquet, each perhaps with .gz behind it",
                    ));
                }
            },
        })
    }
}

fn array(source: &Source, head: Head, options: &Options, memory: usize) -> Result<Collected, Fault> {
    let mut from = source.open()?;
    let header = head(&mut *from)?;
    let features = options.features.as_deref();
    let label = match &options.label {
        Some(pick @ Pick::Index(_)) => Some(arrays::element(&header, pick)?),
        Some(Pick::Name(_)) | None => None,
    };
    let mut rows = Rows::new(&header, "", from)?;
    rows.select(features, label)?;
    let picks = arrays::picks(&header, features, label)?;
    let large = header.rows() * picks.len() * size_of::<f64>() > memory;
    let in_place = if large && !source.packed() { Disk::new(source.file()?, &header, &picks) } else { None };
    match in_place {
        Some(disk) => Ok(Collected { cells: Cells::Disk(disk), ..look_at(&mut rows)? }),
        None => collect(&mut rows, memory),
    }
}

/// An array of the labels' own: one number a row.
fn labels_of(source: &Source, file: &str) -> Result<Labels, Fault> {
    let Format::Array(head) = Format::of(source, &Options::default())? else {
        return Err(Fault::format(format!("the labels in {file} must be an npy or idx file as well")));
    };
    let mut from = source.open()?;
    let header = head(&mut *from)?;
    one_a_row(&header, "0")?;
    look_at(&mut Rows::new(&header, "", from)?.labels_at(0))?.labels.ok_or(Fault::Empty)
}

/// That an array of labels has one number a row.
///
/// # Errors
/// If it has several.
pub(super) fn one_a_row(header: &Header, column: &str) -> Result<(), Fault> {
    if header.width() == 1 {
        return Ok(());
    }
    let at = Place { row: "row 0".into(), column: column.to_owned() };
    Err(Fault::Label { at, text: format!("{} numbers", header.width()) })
}

#[cfg(feature = "parquet")]
fn parquet(source: &Source, options: &Options, memory: usize) -> Result<Collected, Fault> {
    let mut rows = super::parquet::Rows::open(source)?;
    rows.select(options.features.as_deref(), options.label.as_ref())?;
    collect(&mut rows, memory)
}

#[cfg(not(feature = "parquet"))]
fn parquet(_: &Source, _: &Options, _: usize) -> Result<Collected, Fault> {
    Err(Fault::Feature { feature: "parquet" })
}

/// Rows of each split: a shuffle keyed by the seed, cut by the fractions; without a split all rows train, in their order.
fn split(rows: usize, options: &Options) -> Result<[Vec<u32>; 3], Fault> {
    let Some(fractions) = options.split else {
        return Ok([(0..rows as u32).collect(), vec![], vec![]]);
    };
    let order: Vec<u32> = rng::permutation(rows, options.seed, "split", 0).into_iter().map(|r| r as u32).collect();
    let cut = |sum: f64| ((sum * rows as f64).round() as usize).min(rows);
    let (a, b) = (cut(fractions[0]), cut(fractions[0] + fractions[1]));
    let parts = [order[..a].to_vec(), order[a..b].to_vec(), order[b..].to_vec()];
    let names = ["train", "validation", "test"];
    for ((part, f), which) in parts.iter().zip(fractions).zip(names) {
        if f > 0.0 && part.is_empty() {
            return Err(Fault::Split { rows, which });
        }
    }
    Ok(parts)
}
