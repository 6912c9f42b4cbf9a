//! Files as they lie on the disk.
//!
//! A path -> bytes, unpacked if they are packed by gzip, from the start as often as is asked. Deliberately absent: formats.

use super::fault::Fault;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, Error, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Blocks of a large file that its fingerprint looks at, and their bytes.
const BLOCKS: u64 = 64;
const BLOCK: u64 = 1 << 16;

/// A file that is there and holds something.
#[derive(Clone, Debug)]
pub struct Source {
    path: PathBuf,
    bytes: u64,
    packed: bool,
}

impl Source {
    /// Looks at a file.
    ///
    /// # Errors
    /// If it cannot be opened, or is empty.
    pub fn new(path: &Path) -> Result<Source, Fault> {
        let look = || {
            let file = File::open(path)?;
            let meta = file.metadata()?;
            if meta.is_dir() {
                return Err(Error::from(ErrorKind::IsADirectory));
            }
            let mut start = Vec::new();
            file.take(2).read_to_end(&mut start)?;
            Ok(Source { path: path.to_owned(), bytes: meta.len(), packed: start == [0x1f, 0x8b] })
        };
        let source = look().map_err(|e| missing(path, &e))?;
        if source.bytes == 0 { Err(Fault::Empty) } else { Ok(source) }
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is packed by gzip.
    #[must_use]
    pub fn packed(&self) -> bool {
        self.packed
    }

    /// The file itself.
    ///
    /// # Errors
    /// If it has gone meanwhile.
    pub fn file(&self) -> Result<File, Fault> {
        File::open(&self.path).map_err(|e| missing(&self.path, &e))
    }

    /// Its content from the start, unpacked.
    ///
    /// # Errors
    /// If it has gone meanwhile.
    pub fn open(&self) -> Result<Box<dyn Read>, Fault> {
        let file = BufReader::with_capacity(1 << 18, self.file()?);
        if self.packed { Ok(Box::new(BufReader::new(MultiGzDecoder::new(file)))) } else { Ok(Box::new(file)) }
    }

    /// What tells whether it is still the same: its length and its content, of a large file that of blocks all over it.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn fingerprint(&self) -> Result<String, Fault> {
        let mut hash = blake3::Hasher::new();
        hash.update(&self.bytes.to_le_bytes());
        let mut file = self.file()?;
        let mut read = |at: u64, bytes: u64| {
            let mut block = Vec::new();
            file.seek(SeekFrom::Start(at))?;
            file.by_ref().take(bytes).read_to_end(&mut block)?;
            hash.update(&block);
            Ok(())
        };
        let mut all = || match self.bytes {
            n if n <= BLOCKS * BLOCK => read(0, n),
            n => (0..BLOCKS).try_for_each(|k| read((n - BLOCK) / (BLOCKS - 1) * k, BLOCK)),
        };
        all().map_err(|e| Fault::reading(&e))?;
        Ok(hash.finalize().to_hex()[..16].to_owned())
    }
}

fn missing(path: &Path, e: &Error) -> Fault {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = path.parent().map(|p| if p.as_os_str().is_empty() { Path::new(".") } else { p });
    let names: Vec<String> = beside
        .and_then(|p| std::fs::read_dir(p).ok())
        .map(|all| all.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    let same = |n: &&String| n.split('.').next() == name.split('.').next() || n.eq_ignore_ascii_case(&name);
    let mut near: Vec<&String> = names.iter().filter(same).filter(|n| **n != name).collect();
    near.sort();
    let why = match e.kind() {
        ErrorKind::NotFound => "there is no such file".to_owned(),
        ErrorKind::IsADirectory => "it is a folder".to_owned(),
        ErrorKind::PermissionDenied => "you may not read it".to_owned(),
        _ => e.to_string(),
    };
    Fault::Missing { file: path.display().to_string(), why, near: near.first().map(|n| (*n).clone()) }
}
