//! Rows of numbers to files, in forms that `file(...)` of a spec reads.
//!
//! Rows and perhaps the class of each -> .npy (classes in an array beside it), .npz (an array `label`) or .csv and .tsv (a column
//! `label`). Invariant: a file is there whole or as it was. Deliberately absent: where rows come from.

use super::Fault;
use crate::diag::{Code, Diagnostic};
use crate::run::checkpoint;
use ndarray_npy::{NpzWriter, WriteNpyExt as _};
use std::path::{Path, PathBuf};

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// An array of numpy.
    Npy,
    /// Arrays of numpy, compressed.
    Npz,
    /// A table with this between its cells.
    Table(u8),
}

/// What the classes are called in a table and an archive.
const LABEL: &str = "label";

impl Layout {
    /// What the ending of a file's name asks for; to be looked at before anything is computed.
    ///
    /// # Errors
    /// `E0802` for an ending that says nothing.
    pub fn of(out: &Path) -> Fault<Layout> {
        let ending = out.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        match ending.as_str() {
            "npy" => Ok(Layout::Npy),
            "npz" => Ok(Layout::Npz),
            "csv" => Ok(Layout::Table(b',')),
            "tsv" => Ok(Layout::Table(b'\t')),
            _ => {
                let message = format!("`{}` does not say what to write", out.display());
                let d = Diagnostic::bare(Code::CannotWrite, message);
                Err(Box::new(d.help("name a file that ends in .npy, .npz, .csv or .tsv")))
            }
        }
    }
}

/// What is written.
#[derive(Clone, Debug)]
pub struct Rows<'a> {
    /// What the numbers are called: an array by it, columns by it and their number, a single column by it alone.
    pub name: &'a str,
    /// Rows, and numbers of a row where they are more than one array element.
    pub shape: &'a [usize],
    /// Row-major.
    pub values: &'a [f64],
    /// The class of each row; empty without classes.
    pub classes: &'a [u32],
    /// What the classes are called; empty if they have numbers only.
    pub names: &'a [String],
}

impl Rows<'_> {
    /// Writes them; what reads them back in a spec.
    ///
    /// # Errors
    /// `E0802`.
    pub fn write(&self, out: &Path, layout: Layout) -> Fault<String> {
        let written = match layout {
            Layout::Npy => self.npy(out),
            Layout::Npz => checkpoint::replace(out, |w| self.npz(w).map_err(std::io::Error::other)),
            Layout::Table(delimiter) => checkpoint::replace(out, |w| self.table(delimiter, w)),
        };
        written.map_err(|d| Box::new(d.help("name another place with `-o FILE`")))?;
        let name = out.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let label = label_of(out).filter(|_| !self.classes.is_empty());
        let label = label.map_or_else(String::new, |l| format!(", label: \"{l}\""));
        Ok(format!("file(\"{name}\"{label})"))
    }

    fn npy(&self, out: &Path) -> Fault<()> {
        checkpoint::write_npy(out, self.shape, self.values)?;
        match self.classes {
            [] => Ok(()),
            classes => checkpoint::replace(&beside(out), |w| {
                ndarray::ArrayView1::from(classes).write_npy(w).map_err(std::io::Error::other)
            }),
        }
    }

    fn npz(&self, w: impl std::io::Write + std::io::Seek) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut archive = NpzWriter::new_compressed(w);
        archive.add_array(self.name, &ndarray::ArrayViewD::from_shape(self.shape, self.values)?)?;
        if !self.classes.is_empty() {
            archive.add_array(LABEL, &ndarray::ArrayView1::from(self.classes))?;
        }
        archive.finish()?;
        Ok(())
    }

    fn table(&self, delimiter: u8, w: impl std::io::Write) -> std::io::Result<()> {
        let mut table = csv::WriterBuilder::new().delimiter(delimiter).from_writer(w);
        let labelled = !self.classes.is_empty();
        let columns: Vec<String> = match self.shape {
            [_, width] => (0..*width).map(|k| format!("{}{k}", self.name)).collect(),
            _ => vec![self.name.to_owned()],
        };
        table.write_record(columns.iter().map(String::as_str).chain(labelled.then_some(LABEL)))?;
        for (i, row) in self.values.chunks(columns.len().max(1)).enumerate() {
            let class = self.classes.get(i).map(|k| self.class_name(*k));
            table.write_record(row.iter().map(f64::to_string).chain(class))?;
        }
        table.flush()
    }

    fn class_name(&self, class: u32) -> String {
        self.names.get(class as usize).cloned().unwrap_or_else(|| class.to_string())
    }
}

/// What a spec calls the labels of a file of a form that is written here: the array beside an array, if there is one, else a column.
pub fn label_of(path: &Path) -> Option<String> {
    match Layout::of(path).ok()? {
        Layout::Npy => {
            let file = Some(beside(path)).filter(|p| p.exists())?;
            file.file_name().map(|n| n.to_string_lossy().into_owned())
        }
        Layout::Npz | Layout::Table(_) => Some(LABEL.to_owned()),
    }
}

/// Where the classes of an array are: `samples.label.npy` beside `samples.npy`.
fn beside(out: &Path) -> PathBuf {
    out.with_extension(format!("{LABEL}.npy"))
}
