//! Kinds of stored numbers, and the headers that name them.
//!
//! Bytes -> f64. Every integer, real and truth value of at most 64 bits, in either order of bytes.

use super::fault::Fault;
use std::io::Read;

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Real,
    Signed,
    Unsigned,
}

/// A kind of number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    class: Class,
    /// Bytes of a number: 1, 2, 4 or 8.
    pub bytes: usize,
    big_endian: bool,
}

impl Kind {
    /// f64, least byte first: what spilled values are.
    pub const DOUBLE: Kind = Kind { class: Class::Real, bytes: 8, big_endian: false };

    /// NumPy's name of a kind: order of bytes, letter, bytes.
    ///
    /// Source: NumPy reference, "The array interface protocol", `typestr`.
    fn numpy(text: &str) -> Option<Kind> {
        let mut letters = text.chars();
        let big_endian = match letters.next()? {
            '<' | '|' => false,
            '>' => true,
            '=' => cfg!(target_endian = "big"),
            _ => return None,
        };
        let class = match letters.next()? {
            'f' => Class::Real,
            'i' => Class::Signed,
            'u' | 'b' => Class::Unsigned,
            _ => return None,
        };
        let bytes: usize = letters.as_str().parse().ok()?;
        let known = matches!((class, bytes), (Class::Real, 4 | 8) | (Class::Signed | Class::Unsigned, 1 | 2 | 4 | 8));
        known.then_some(Kind { class, bytes, big_endian })
    }

    /// The third byte of an idx file.
    fn idx(byte: u8) -> Option<Kind> {
        let (class, bytes) = match byte {
            0x08 => (Class::Unsigned, 1),
            0x09 => (Class::Signed, 1),
            0x0b => (Class::Signed, 2),
            0x0c => (Class::Signed, 4),
            0x0d => (Class::Real, 4),
            0x0e => (Class::Real, 8),
            _ => return None,
        };
        Some(Kind { class, bytes, big_endian: true })
    }

    /// The number that so many bytes hold.
    #[must_use]
    pub fn number(self, stored: &[u8]) -> f64 {
        let mut word = [0; 8];
        let bytes = &mut word[..self.bytes];
        bytes.copy_from_slice(&stored[..self.bytes]);
        if self.big_endian {
            bytes.reverse();
        }
        let word = u64::from_le_bytes(word);
        match (self.class, self.bytes) {
            (Class::Real, 8) => f64::from_bits(word),
            (Class::Real, _) => f64::from(f32::from_bits(word as u32)),
            (Class::Unsigned, _) => word as f64,
            (Class::Signed, n) => {
                let unused = 64 - 8 * n as u32;
                ((word << unused).cast_signed() >> unused) as f64
            }
        }
    }

    /// Whether numbers are integers that a real may not tell from their neighbours.
    #[must_use]
    pub fn may_be_huge(self) -> bool {
        self.class != Class::Real && self.bytes == 8
    }
}

/// How an array is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Of its numbers.
    pub kind: Kind,
    /// Extents, rows first.
    pub shape: Vec<usize>,
    /// Whether the first index runs fastest.
    pub fortran: bool,
    /// Bytes before the numbers.
    pub offset: u64,
}

impl Header {
    /// Extent of the first axis.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }

    /// Numbers of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.shape.iter().skip(1).product()
    }

    fn sound(self) -> Result<Header, Fault> {
        let bytes = self.shape.iter().try_fold(self.kind.bytes, |n, d| n.checked_mul(*d));
        match (self.shape.is_empty(), bytes.filter(|n| isize::try_from(*n).is_ok())) {
            (false, Some(n)) if n > 0 => Ok(self),
            (false, None) => Err(Fault::format("its header promises more numbers than a machine can hold")),
            (true, _) | (false, Some(_)) => Err(Fault::NoNumbers { shape: self.shape }),
        }
    }

    /// Reads the head of an npy file.
    ///
    /// Source: NumPy reference, "`numpy.lib.format`", versions 1.0 to 3.0.
    pub fn npy(from: &mut dyn Read) -> Result<Header, Fault> {
        let mut start = [0; 8];
        from.read_exact(&mut start).map_err(|e| Fault::reading(&e))?;
        let [b'\x93', b'N', b'U', b'M', b'P', b'Y', version, _] = start else {
            return Err(Fault::format("it does not begin as an npy file does"));
        };
        let mut length = [0; 4];
        let bytes = if version == 1 { 2 } else { 4 };
        from.read_exact(&mut length[..bytes]).map_err(|e| Fault::reading(&e))?;
        let length = u64::from(u32::from_le_bytes(length));
        let mut text = Vec::new();
        from.take(length.min(1 << 20)).read_to_end(&mut text).map_err(|e| Fault::reading(&e))?;
        if text.len() as u64 != length {
            return Err(Fault::format("it ends before its numbers do"));
        }
        let text = String::from_utf8_lossy(&text);
        let damaged = || Fault::format("its header is damaged");
        let entry = |key: &str| {
            let (_, rest) = text.split_once(&format!("'{key}':"))?;
            Some(rest.trim_start())
        };
        let descr = entry("descr").ok_or_else(damaged)?;
        let kind = match descr.strip_prefix('\'').and_then(|d| d.split_once('\'')) {
            Some((name, _)) => Kind::numpy(name).ok_or_else(|| Fault::Kind { kind: name.to_owned() })?,
            // A list: fields of a record.
            None => return Err(Fault::Kind { kind: "record".to_owned() }),
        };
        let fortran = entry("fortran_order").ok_or_else(damaged)?.starts_with("True");
        let shape = entry("shape").and_then(|s| s.strip_prefix('(')?.split_once(')')).ok_or_else(damaged)?.0;
        let extents = shape.split(',').map(str::trim).filter(|s| !s.is_empty());
        let shape =
            extents.map(|s| s.trim_end_matches('L').parse()).collect::<Result<_, _>>().map_err(|_| damaged())?;
        Header { kind, shape, fortran, offset: 8 + bytes as u64 + length }.sound()
    }

    /// Reads the head of a file as MNIST has them: two zero bytes, a kind, a rank, big-endian extents.
    ///
    /// Source: Y. LeCun, C. Cortes and C. Burges, The MNIST database, "The IDX file format".
    pub fn idx(from: &mut dyn Read) -> Result<Header, Fault> {
        let mut start = [0; 4];
        from.read_exact(&mut start).map_err(|e| Fault::reading(&e))?;
        let [0, 0, kind, rank @ 1..=8] = start else {
            return Err(Fault::format("it does not begin as an idx file does"));
        };
        let mut shape = Vec::new();
        for _ in 0..rank {
            let mut extent = [0; 4];
            from.read_exact(&mut extent).map_err(|e| Fault::reading(&e))?;
            shape.push(u32::from_be_bytes(extent) as usize);
        }
        let kind = Kind::idx(kind).ok_or_else(|| Fault::Kind { kind: format!("0x{kind:02x}") })?;
        Header { kind, shape, fortran: false, offset: 4 + 4 * u64::from(rank) }.sound()
    }
}
