//! Arrays of numbers: npy, npz, idx.
//!
//! Bytes -> arrays of f64 whose first axis counts rows. Every integer and real of at most 64 bits is read; another kind is a
//! fault that names it.

use super::fault::Fault;
use ndarray::{ArrayD, IxDyn, OwnedRepr};
use ndarray_npy::{NpzReader, ReadNpyError, ReadNpyExt, ReadNpzError};
use std::io::Cursor;

/// An array, its first axis rows.
pub struct Array {
    /// Its name, if its file names it.
    pub name: String,
    /// `[row][element]`, row-major.
    pub values: Vec<f64>,
    /// How many rows.
    pub rows: usize,
}

impl Array {
    fn new(name: &str, shape: &[usize], values: Vec<f64>) -> Result<Array, Fault> {
        match shape.first() {
            Some(&rows) if !values.is_empty() => Ok(Array { name: name.to_owned(), values, rows }),
            Some(_) | None => Err(Fault::Empty),
        }
    }

    /// Elements of a row.
    pub fn width(&self) -> usize {
        self.values.len() / self.rows
    }
}

/// Reads as each kind of number until one fits; `$read` is a macro from a type to a result.
macro_rules! any_kind {
    ($name:expr, $read:ident) => { any_kind!($name, $read, f64 f32 i64 i32 i16 i8 u64 u32 u16 u8) };
    ($name:expr, $read:ident, $($t:ident)*) => {{
        $(
            match $read!($t) {
                Ok(a) => return Array::new($name, a.shape(), a.iter().map(|x| *x as f64).collect()),
                Err(ReadNpyError::WrongDescriptor(_)) => {}
                Err(e) => return Err(Fault::Format { why: e.to_string() }),
            }
        )*
        match $read!(bool) {
            Ok(a) => Array::new($name, a.shape(), a.iter().map(|x| f64::from(u8::from(*x))).collect()),
            Err(ReadNpyError::WrongDescriptor(found)) => Err(Fault::Kind { kind: found.to_string() }),
            Err(e) => Err(Fault::Format { why: e.to_string() }),
        }
    }};
}

/// One array.
pub fn npy(bytes: &[u8]) -> Result<Array, Fault> {
    macro_rules! read {
        ($t:ty) => {
            ArrayD::<$t>::read_npy(Cursor::new(bytes))
        };
    }
    any_kind!("", read)
}

/// What an archive has, by name, without reading it.
pub fn npz_names(bytes: &[u8]) -> Result<Vec<String>, Fault> {
    let mut archive = open(bytes)?;
    archive.names().map_err(|e| Fault::Format { why: e.to_string() })
}

/// One array of an archive.
pub fn npz(bytes: &[u8], name: &str) -> Result<Array, Fault> {
    let mut archive = open(bytes)?;
    macro_rules! read {
        ($t:ty) => {
            match archive.by_name::<OwnedRepr<$t>, IxDyn>(name) {
                Err(ReadNpzError::Npy(e)) => Err(e),
                Err(ReadNpzError::Zip(e)) => return Err(Fault::Format { why: e.to_string() }),
                Ok(a) => Ok(a),
            }
        };
    }
    any_kind!(name, read)
}

fn open(bytes: &[u8]) -> Result<NpzReader<Cursor<&[u8]>>, Fault> {
    NpzReader::new(Cursor::new(bytes)).map_err(|e| Fault::Format { why: e.to_string() })
}

/// The format of MNIST: two zero bytes, a kind, a rank, big-endian extents, big-endian numbers.
///
/// Source: Y. LeCun, C. Cortes and C. Burges, The MNIST database, "The IDX file format".
pub fn idx(bytes: &[u8]) -> Result<Array, Fault> {
    let wrong = || Fault::Format { why: "it does not begin as an idx file does".into() };
    let cut = || Fault::Format { why: "it ends before its numbers do".into() };
    let [0, 0, kind, rank, rest @ ..] = bytes else { return Err(wrong()) };
    let rank = usize::from(*rank);
    if rank == 0 || rank > 8 {
        return Err(wrong());
    }
    let (extents, body) = rest.split_at_checked(4 * rank).ok_or_else(cut)?;
    let extent = |c: &[u8]| c.iter().fold(0usize, |n, b| (n << 8) | usize::from(*b));
    let shape: Vec<usize> = extents.chunks_exact(4).map(extent).collect();
    let count = shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d)).ok_or_else(cut)?;
    let width = match kind {
        0x08 | 0x09 => 1,
        0x0b => 2,
        0x0c | 0x0d => 4,
        0x0e => 8,
        other => return Err(Fault::Kind { kind: format!("0x{other:02x}") }),
    };
    let body = count.checked_mul(width).and_then(|n| body.get(..n)).ok_or_else(cut)?;
    let number = |c: &[u8]| match (kind, c) {
        (0x08, [b]) => f64::from(*b),
        (0x09, [b]) => f64::from(b.cast_signed()),
        (0x0b, [a, b]) => f64::from(i16::from_be_bytes([*a, *b])),
        (0x0c, [a, b, c, d]) => f64::from(i32::from_be_bytes([*a, *b, *c, *d])),
        (0x0d, [a, b, c, d]) => f64::from(f32::from_be_bytes([*a, *b, *c, *d])),
        (_, [a, b, c, d, e, f, g, h]) => f64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]),
        _ => 0.0,
    };
    Array::new("", &shape, body.chunks_exact(width).map(number).collect())
}
