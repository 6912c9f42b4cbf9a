//! Where the numbers of a column lie: in memory, or in a file that is read row by row.
//!
//! A file is read by offset and never mapped into memory: one that is cut while a run is at work gives an error, where a
//! mapping would end the process. What has no fixed place for a row (text, packed archives) is written to a nameless
//! temporary file first, which the system removes with the process.

use super::kind::{Header, Kind};
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::sync::Arc;

/// Bytes that one pass over a file reads at once.
const BLOCK: usize = 1 << 20;

/// The numbers of some rows.
#[derive(Clone, Debug)]
pub enum Cells {
    /// `[row][element]`, row-major.
    Memory(Arc<[f64]>),
    /// In a file.
    Disk(Disk),
}

/// Rows of equal length in a file.
#[derive(Clone, Debug)]
pub struct Disk {
    file: Arc<File>,
    kind: Kind,
    offset: u64,
    /// Numbers that are stored for a row.
    stored: usize,
    /// Those of them that are read.
    picks: Arc<[usize]>,
}

impl Disk {
    /// Rows as a header describes them, of which `picks` are read. `None` if rows do not lie one behind the other.
    pub fn new(file: File, header: &Header, picks: &[usize]) -> Option<Disk> {
        let one = header.shape.len() == 1;
        let (file, kind, offset) = (Arc::new(file), header.kind, header.offset);
        (!header.fortran || one).then(|| Disk { file, kind, offset, stored: header.width(), picks: picks.into() })
    }

    /// Bytes from one row to the next.
    fn pitch(&self) -> usize {
        self.stored * self.kind.bytes
    }

    fn decode(&self, row: &[u8], out: &mut [f64]) {
        for (x, k) in out.iter_mut().zip(&*self.picks) {
            *x = self.kind.number(&row[k * self.kind.bytes..]);
        }
    }

    fn read(&self, row: usize, out: &mut [f64]) -> Result<()> {
        let mut bytes = vec![0; self.pitch()];
        read_at(&self.file, &mut bytes, self.offset + row as u64 * self.pitch() as u64)?;
        self.decode(&bytes, out);
        Ok(())
    }
}

/// Fills `bytes` from a place in a file, whatever others read meanwhile.
#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

/// Fills `bytes` from a place in a file, whatever others read meanwhile.
#[cfg(windows)]
fn read_at(file: &File, mut bytes: &mut [u8], mut at: u64) -> Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, at)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            n => (bytes, at) = (&mut bytes[n..], at + n as u64),
        }
    }
    Ok(())
}

impl Cells {
    /// Reads a row of so many numbers.
    ///
    /// # Errors
    /// What the system says of a file that was there before.
    pub fn read(&self, row: usize, out: &mut [f64]) -> Result<()> {
        match self {
            Cells::Memory(values) => {
                let width = out.len();
                out.copy_from_slice(&values[row * width..(row + 1) * width]);
                Ok(())
            }
            Cells::Disk(d) => d.read(row, out),
        }
    }

    /// Calls `f` with each of the first `rows` rows, `width` numbers each, in their order.
    ///
    /// # Errors
    /// What the system says of a file that was there before.
    pub fn each(&self, rows: usize, width: usize, mut f: impl FnMut(usize, &[f64])) -> Result<()> {
        match self {
            Cells::Memory(values) => values.chunks_exact(width).take(rows).enumerate().for_each(|(k, row)| f(k, row)),
            Cells::Disk(d) => {
                let many = (BLOCK / d.pitch()).max(1);
                let (mut bytes, mut values) = (vec![0; many * d.pitch()], vec![0.0; width]);
                for first in (0..rows).step_by(many) {
                    let block = &mut bytes[..many.min(rows - first) * d.pitch()];
                    read_at(&d.file, block, d.offset + first as u64 * d.pitch() as u64)?;
                    for (k, row) in block.chunks_exact(d.pitch()).enumerate() {
                        d.decode(row, &mut values);
                        f(first + k, &values);
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether they are in memory.
    #[must_use]
    pub fn in_memory(&self) -> bool {
        matches!(self, Cells::Memory(_))
    }
}

/// Keeps rows: in memory up to a bound, in a temporary file beyond it.
pub struct Keeper {
    bound: usize,
    width: usize,
    values: Vec<f64>,
    spilled: Option<std::io::BufWriter<File>>,
}

impl Keeper {
    /// Keeps rows of `width` numbers, `bound` bytes of them in memory.
    pub fn new(bound: usize, width: usize) -> Keeper {
        Keeper { bound, width, values: Vec::new(), spilled: None }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// What the system says of the temporary file.
    pub fn push(&mut self, row: &[f64]) -> Result<()> {
        self.values.extend_from_slice(row);
        if self.values.len() * size_of::<f64>() > self.bound {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> Result<()> {
        if self.spilled.is_none() {
            self.spilled = Some(std::io::BufWriter::with_capacity(BLOCK, tempfile::tempfile()?));
        }
        if let Some(to) = &mut self.spilled {
            self.values.drain(..).try_for_each(|x| to.write_all(&x.to_le_bytes()))?;
        }
        // From here on every row goes to the file.
        self.bound = 0;
        Ok(())
    }

    /// What was kept.
    ///
    /// # Errors
    /// What the system says of the temporary file.
    pub fn finish(self) -> Result<Cells> {
        let Some(writer) = self.spilled else { return Ok(Cells::Memory(self.values.into())) };
        let file = writer.into_inner().map_err(|e| Error::new(e.error().kind(), e.error().to_string()))?;
        let picks = (0..self.width).collect();
        Ok(Cells::Disk(Disk { file: Arc::new(file), kind: Kind::DOUBLE, offset: 0, stored: self.width, picks }))
    }
}

/// Reads on until the end, or until so many bytes are there.
pub(super) fn read_up_to(from: &mut dyn Read, bytes: &mut [u8]) -> Result<usize> {
    let mut n = 0;
    while n < bytes.len() {
        match from.read(&mut bytes[n..]) {
            Ok(0) => break,
            Ok(k) => n += k,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(n)
}
