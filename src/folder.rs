//! The folder of one run.
//!
//! Input: where, the spec's name and text. Output: a folder that is created first, locked against a second process, and left
//! usable whenever the process dies. Layout:
//! ```text
//! runs/<spec name>/latest                      the id of the newest run, one line
//! runs/<spec name>/<UTC time>-<hash of spec>/  spec.flow plan.txt environment.json metrics.jsonl record.json
//!                                              run.json cell*.json checkpoint*.safetensors samples*.npy report.html lock
//! ```
//! Invariants: a file under its final name is complete (temporary name, then rename); `metrics.jsonl` grows by whole lines,
//! and a torn last line, left by a crash, is dropped at the next opening; nothing that exists is ever overwritten by a new
//! run. Deliberately absent: what the files mean.

#![allow(clippy::result_large_err, reason = "a refused write ends the run: the size of its message costs nothing")]

mod atomic;
mod fault;
mod lines;
mod stamp;

pub use atomic::write_atomic;
pub use fault::{cannot_write, reason};
pub use lines::JsonLines;
pub use stamp::{run_id, utc};

use crate::diag::{Code, Diagnostic};
use serde::Serialize;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where a new run goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A new folder `<base>/<spec name>/<id>`; `runs` is the usual base.
    Under(PathBuf),
    /// This folder itself (`--out DIR`): absent or empty.
    Exactly(PathBuf),
}

/// An open, locked run folder. The lock is the operating system's: it goes with the process, however that ends.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    id: String,
    resumed: bool,
    _lock: File,
}

impl RunFolder {
    /// Makes the folder, locks it, writes `spec.flow` and points `latest` at it.
    ///
    /// # Errors
    /// [`Code::CannotWrite`] with the path, the reason and the way out.
    pub fn create(place: &Place, spec_name: &str, spec_text: &str) -> Result<Self, Diagnostic> {
        let id = run_id(SystemTime::now(), spec_text);
        let (path, id) = match place {
            Place::Under(base) => fresh(&base.join(file_safe(spec_name)), &id)?,
            Place::Exactly(dir) => {
                fs::create_dir_all(dir).map_err(|e| cannot_write("create the run folder", dir, &e))?;
                let mut entries = fs::read_dir(dir).map_err(|e| cannot_write("look into", dir, &e))?;
                if entries.next().is_some() {
                    return Err(Diagnostic::bare(
                        Code::CannotWrite,
                        format!("the folder `{}` is not empty", dir.display()),
                    )
                    .help("a run never overwrites files: name a new folder, or resume the run in this one"));
                }
                (dir.clone(), id)
            }
        };
        let folder = RunFolder { _lock: lock(&path)?, path, id, resumed: false };
        folder.write("spec.flow", spec_text.as_bytes())?;
        if let (Place::Under(_), Some(parent)) = (place, folder.path.parent()) {
            write_atomic(&parent.join("latest"), format!("{}\n", folder.id).as_bytes())?;
        }
        Ok(folder)
    }

    /// Opens the folder of an earlier run to go on with it. `path` may be the run folder or the folder above it, whose
    /// `latest` is then followed.
    ///
    /// # Errors
    /// [`Code::FileNotFound`] if there is no run, [`Code::CannotWrite`] if it cannot be locked.
    pub fn open(path: &Path) -> Result<Self, Diagnostic> {
        let path = resolve(path)?;
        let lock = lock(&path)?;
        let id = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        Ok(RunFolder { path, id, resumed: true, _lock: lock })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The id of the run: the name of the folder, or of the one it would have had under `runs/`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether it is the folder of an earlier run, to go on with.
    #[must_use]
    pub fn resumed(&self) -> bool {
        self.resumed
    }

    /// `cell.json`, or `cell-<cell>.json`: what a finished cell has shown.
    #[must_use]
    pub fn cell(&self, cell: Option<&str>) -> String {
        cell.map_or_else(|| "cell.json".to_owned(), |c| format!("cell-{}.json", file_safe(c)))
    }

    /// The path of a file in the folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// `checkpoint.safetensors`, or `checkpoint-<cell>.safetensors` for a cell of a comparison.
    #[must_use]
    pub fn checkpoint(&self, cell: Option<&str>) -> PathBuf {
        checkpoint_in(&self.path, cell)
    }

    /// `samples.npy`, or `samples-<cell>.npy`.
    #[must_use]
    pub fn samples(&self, cell: Option<&str>) -> PathBuf {
        self.named("samples", cell, "npy")
    }

    fn named(&self, stem: &str, cell: Option<&str>, extension: &str) -> PathBuf {
        self.path.join(file_of(stem, cell, extension))
    }

    /// Writes a whole file: it is there complete, or as it was before.
    ///
    /// # Errors
    /// [`Code::CannotWrite`].
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Diagnostic> {
        write_atomic(&self.file(name), bytes)
    }

    /// Writes a value as indented JSON, e.g. `environment.json`.
    ///
    /// # Errors
    /// [`Code::CannotWrite`].
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), Diagnostic> {
        let mut text = serde_json::to_string_pretty(value)
            .map_err(|e| cannot_write("write", &self.file(name), &std::io::Error::other(e)))?;
        text.push('\n');
        self.write(name, text.as_bytes())
    }

    /// Opens `metrics.jsonl` for appending; a torn last line is dropped.
    ///
    /// # Errors
    /// [`Code::CannotWrite`].
    pub fn metrics(&self) -> Result<JsonLines, Diagnostic> {
        JsonLines::open(&self.file("metrics.jsonl"))
    }
}

fn file_of(stem: &str, cell: Option<&str>, extension: &str) -> String {
    match cell {
        None => format!("{stem}.{extension}"),
        Some(cell) => format!("{stem}-{}.{extension}", file_safe(cell)),
    }
}

/// The checkpoint of a cell of the run in a folder.
#[must_use]
pub fn checkpoint_in(path: &Path, cell: Option<&str>) -> PathBuf {
    path.join(file_of("checkpoint", cell, "safetensors"))
}

/// Whether a process is working in a run folder.
#[must_use]
pub fn in_use(path: &Path) -> bool {
    let lock = File::options().write(true).open(path.join("lock"));
    lock.is_ok_and(|f| matches!(f.try_lock(), Err(fs::TryLockError::WouldBlock)))
}

/// The run folder that a path means: itself, or the one its `latest` names.
///
/// # Errors
/// [`Code::FileNotFound`].
pub fn resolve(path: &Path) -> Result<PathBuf, Diagnostic> {
    if path.join("spec.flow").is_file() {
        return Ok(path.to_path_buf());
    }
    if let Ok(id) = fs::read_to_string(path.join("latest")) {
        let run = path.join(id.trim());
        if run.join("spec.flow").is_file() {
            return Ok(run);
        }
    }
    Err(Diagnostic::bare(Code::FileNotFound, format!("there is no run in `{}`", path.display()))
        .help("name a run folder (it holds spec.flow), or the folder of a spec under runs/, whose latest run is taken"))
}

/// A name that is one plain path component on every system: letters, digits, `-`, `_`, `.`; anything else becomes `_`.
#[must_use]
pub fn file_safe(name: &str) -> String {
    let keep = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let safe: String = name.chars().map(keep).collect();
    let safe = safe.trim_start_matches('.');
    // A file name has at most 255 bytes on common systems, and a letter at most four.
    if safe.is_empty() { "run".into() } else { safe.chars().take(50).collect() }
}

/// Makes `<parent>/<id>`, with `-2`, `-3`, ... where that exists; `create_dir` fails on what exists, so two processes that
/// start in the same second get two folders.
fn fresh(parent: &Path, id: &str) -> Result<(PathBuf, String), Diagnostic> {
    fs::create_dir_all(parent).map_err(|e| cannot_write("create the folder", parent, &e))?;
    let mut n = 1u32;
    loop {
        let name = if n == 1 { id.to_string() } else { format!("{id}-{n}") };
        let path = parent.join(&name);
        match fs::create_dir(&path) {
            Ok(()) => return Ok((path, name)),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && n < 10_000 => n += 1,
            Err(e) => return Err(cannot_write("create the run folder", &path, &e)),
        }
    }
}

fn lock(dir: &Path) -> Result<File, Diagnostic> {
    let path = dir.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|e| cannot_write("create", &path, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            Err(Diagnostic::bare(Code::FolderInUse, format!("another flowc is working in `{}`", dir.display()))
                .help("wait until it ends, or start a run of its own in a new folder"))
        }
        Err(fs::TryLockError::Error(e)) => Err(cannot_write("lock", &path, &e)),
    }
}
