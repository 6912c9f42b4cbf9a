//! Archives of arrays: npz.
//!
//! A zip file of npy files -> the rows of one array, or of several beside each other, and the labels of another.

use super::arrays::Rows;
use super::fault::Fault;
use super::kind::Header;
use super::load::{Options, one_a_row};
use super::select::Pick;
use super::source::Source;
use super::stream::{Beside, Collected, collect, look_at};
use std::fs::File;
use std::io::BufReader;
use zip::ZipArchive;

/// The arrays of an archive by name.
struct Archive {
    zip: ZipArchive<BufReader<File>>,
    names: Vec<String>,
}

impl Archive {
    fn open(source: &Source) -> Result<Archive, Fault> {
        let zip = ZipArchive::new(BufReader::new(source.file()?)).map_err(Fault::format)?;
        let names = zip.file_names().filter_map(|n| n.strip_suffix(".npy")).map(str::to_owned).collect();
        Ok(Archive { zip, names })
    }

    /// The name of an array.
    fn find(&self, pick: &Pick) -> Result<String, Fault> {
        match pick {
            Pick::Name(n) if self.names.contains(n) => Ok(n.clone()),
            Pick::Name(_) | Pick::Index(_) => Err(Fault::NoColumn { asked: pick.clone(), known: self.names.clone() }),
        }
    }

    /// The rows of an array, handed on.
    fn with<R>(&mut self, name: &str, f: impl FnOnce(&Header, Rows<'_>) -> Result<R, Fault>) -> Result<R, Fault> {
        let mut entry = self.zip.by_name(&format!("{name}.npy")).map_err(Fault::format)?;
        let header = Header::npy(&mut entry)?;
        f(&header, Rows::new(&header, name, Box::new(BufReader::new(entry)))?)
    }
}

/// Reads what is asked for.
///
/// # Errors
/// What is wrong with it, with its place.
pub fn read(source: &Source, options: &Options, memory: usize) -> Result<Collected, Fault> {
    let mut archive = Archive::open(source)?;
    let label = options.label.as_ref().map(|l| archive.find(l)).transpose()?;
    let names: Vec<String> = match &options.features {
        Some(picks) => picks.iter().map(|p| archive.find(p)).collect::<Result<_, _>>()?,
        None => archive.names.iter().filter(|n| Some(*n) != label.as_ref()).cloned().collect(),
    };
    if options.features.is_none() && names.len() != 1 {
        return Err(Fault::Ambiguous { known: archive.names });
    }
    let mut parts: Vec<Collected> = Vec::new();
    for name in &names {
        let part = archive.with(name, |_, mut rows| collect(&mut rows, memory))?;
        if let Some(first) = parts.first().filter(|f| f.rows != part.rows) {
            return Err(Fault::Lengths { features: first.rows, labels: part.rows });
        }
        parts.push(part);
    }
    let mut read = match parts.pop() {
        Some(one) if parts.is_empty() => one,
        last => {
            parts.extend(last);
            let rows = parts.first().ok_or(Fault::Empty)?.rows;
            let cells: Vec<_> = parts.into_iter().map(|p| (p.cells, p.width)).collect();
            collect(&mut Beside { parts: &cells, rows, at: 0 }, memory)?
        }
    };
    if let Some(label) = &label {
        let labels = archive.with(label, |header, rows| {
            one_a_row(header, &format!("`{label}`"))?;
            look_at(&mut rows.labels_at(0))
        })?;
        read.labels = labels.labels;
    }
    Ok(read)
}
