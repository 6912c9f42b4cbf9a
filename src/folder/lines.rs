//! A file of JSON lines that survives a kill.

use super::atomic::write_atomic;
use super::fault::cannot_write;
use crate::diag::Diagnostic;
use serde::Serialize;
use serde_json::Value;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// An append-only file of JSON values, one per line. Each line goes to the system in one write, so a killed process leaves at
/// most one torn line, at the end; opening drops it.
#[derive(Debug)]
pub struct JsonLines {
    path: PathBuf,
    file: File,
}

impl JsonLines {
    /// Opens or creates; the end of the file is put in order first.
    ///
    /// # Errors
    /// [`crate::diag::Code::CannotWrite`].
    pub fn open(path: &Path) -> Result<Self, Diagnostic> {
        let fault = |e: &std::io::Error| cannot_write("write", path, e);
        let file = File::options().create(true).append(true).open(path).map_err(|e| fault(&e))?;
        if file.metadata().is_ok_and(|m| m.is_file()) {
            let text = fs::read(path).map_err(|e| fault(&e))?;
            let whole = text.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
            if whole < text.len() {
                file.set_len(whole as u64).map_err(|e| fault(&e))?;
            }
        }
        Ok(JsonLines { path: path.to_path_buf(), file })
    }

    /// Appends one line.
    ///
    /// # Errors
    /// [`crate::diag::Code::CannotWrite`].
    pub fn append(&mut self, value: &impl Serialize) -> Result<(), Diagnostic> {
        let fault = |e: std::io::Error| cannot_write("append to", &self.path, &e);
        // An open file that was removed takes every line, and nobody sees them again.
        if !self.path.exists() {
            return Err(fault(std::io::ErrorKind::NotFound.into()));
        }
        let mut line = serde_json::to_vec(value).map_err(|e| fault(std::io::Error::other(e)))?;
        line.push(b'\n');
        (&self.file).write_all(&line).map_err(fault)
    }

    /// Every line so far.
    ///
    /// # Errors
    /// [`crate::diag::Code::CannotWrite`] if the file cannot be read or a line in it is not JSON.
    pub fn read(&self) -> Result<Vec<Value>, Diagnostic> {
        let fault = |e: std::io::Error| cannot_write("read", &self.path, &e);
        let text = fs::read_to_string(&self.path).map_err(fault)?;
        let parse = |(i, line): (usize, &str)| {
            serde_json::from_str(line)
                .map_err(|e| fault(std::io::Error::other(format!("line {} is not JSON: {e}", i + 1))))
        };
        text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()).map(parse).collect()
    }

    /// Keeps the lines that `keep` accepts: a resumed run drops what lies after its checkpoint, so that no step stands
    /// twice. The file is replaced as a whole.
    ///
    /// # Errors
    /// [`crate::diag::Code::CannotWrite`].
    pub fn retain(&mut self, keep: impl Fn(&Value) -> bool) -> Result<(), Diagnostic> {
        let lines = self.read()?;
        let kept: Vec<String> = lines.iter().filter(|v| keep(v)).map(|v| format!("{v}\n")).collect();
        if kept.len() < lines.len() {
            write_atomic(&self.path, kept.concat().as_bytes())?;
            *self = JsonLines::open(&self.path)?;
        }
        Ok(())
    }
}
