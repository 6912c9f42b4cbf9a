//! States of a run on disk, and arrays for other programs.
//!
//! A [`Checkpoint`] <-> a safetensors file: parameters under their own names, the averaged parameters under `ema/<name>`, the
//! optimizer's vectors under `<vector>/<name>`; the rest is metadata. Invariant: a file under the final name is complete, since
//! it is written under another name, flushed and renamed. Deliberately absent: when to write one.

use super::Real;
use super::params::ParamTable;
use crate::backend::Precision;
use crate::diag::{Code, Diagnostic};
use crate::folder;
use ndarray_npy::WriteNpyExt;
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Changes when the meaning of a file changes; other versions are refused.
pub const FORMAT: &str = "flowc-3";
/// Key of the metadata.
const METADATA: &str = "flowc";
/// Key in it of what tells whether a file is whole.
const SUM: &str = "sum";

/// What to do about a checkpoint that cannot be used. There is one for each training, the last.
pub const CURE: &str = "delete this file, and `flowc run --resume RUN` trains what it belongs to anew, to the same bits; or begin \
                        again with `flowc run SPEC`";

/// Everything that a training run needs to go on with the same bits.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint<T> {
    /// [`spec_hash`] of the text that was run.
    pub spec: String,
    /// The seed of the run.
    pub seed: u64,
    /// Steps done.
    pub step: u64,
    /// The parameters, flat.
    pub theta: Vec<T>,
    /// The averaged parameters, flat.
    pub ema: Option<Vec<T>>,
    /// The vectors that the optimizer keeps, each with its name.
    pub memory: Vec<(String, Vec<T>)>,
    /// What the runner wants back: curves, time spent. Text of its own.
    pub notes: String,
}

/// The hash of a spec's text, by which a checkpoint knows its spec.
#[must_use]
pub fn spec_hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// Writes a checkpoint.
///
/// # Errors
/// `E0802` if the file cannot be written.
pub fn save<T: Real>(path: &Path, table: &ParamTable, state: &Checkpoint<T>) -> Result<(), Box<Diagnostic>> {
    let mut vectors: Vec<(String, &[T])> = vec![(String::new(), &state.theta)];
    vectors.extend(state.ema.iter().map(|v| ("ema/".to_owned(), v.as_slice())));
    vectors.extend(state.memory.iter().map(|(name, v)| (format!("{name}/"), v.as_slice())));
    let bytes: Vec<(String, &[usize], Vec<u8>)> = vectors
        .iter()
        .flat_map(|(prefix, v)| {
            table
                .entries()
                .iter()
                .map(move |e| (format!("{prefix}{}", e.name), &*e.shape, to_bytes(&v[e.range.clone()])))
        })
        .collect();
    let views = bytes
        .iter()
        .map(|(name, shape, bytes)| {
            let view = TensorView::new(dtype::<T>(), shape.to_vec(), bytes).map_err(|e| cannot_write(path, &e))?;
            Ok((name.as_str(), view))
        })
        .collect::<Result<Vec<_>, Box<Diagnostic>>>()?;
    let memory: Vec<&str> = state.memory.iter().map(|(name, _)| name.as_str()).collect();
    // One entry: several would be written in the order of a hash map, which differs from process to process.
    let metadata: BTreeMap<&str, String> = BTreeMap::from([
        ("format", FORMAT.to_owned()),
        ("spec", state.spec.clone()),
        ("seed", state.seed.to_string()),
        ("step", state.step.to_string()),
        ("ema", state.ema.is_some().to_string()),
        ("memory", memory.join(",")),
        ("notes", state.notes.clone()),
    ]);
    let sum = checksum(&metadata, bytes.iter().map(|(name, _, bytes)| (name.as_str(), bytes.as_slice())));
    let metadata: BTreeMap<&str, String> = metadata.into_iter().chain([(SUM, sum)]).collect();
    let text = serde_json::to_string(&metadata).map_err(|e| cannot_write(path, &e))?;
    let metadata = HashMap::from([(METADATA.to_owned(), text)]);
    let file = serialize(views, Some(metadata)).map_err(|e| cannot_write(path, &e))?;
    replace(path, |w| w.write_all(&file))
}

/// Reads a checkpoint; the file must hold exactly the parameters of `table`, in this precision.
///
/// # Errors
/// `E0801` if there is no file, `E0804` if it is damaged or belongs to other parameters; the message says which.
pub fn load<T: Real>(path: &Path, table: &ParamTable) -> Result<Checkpoint<T>, Box<Diagnostic>> {
    let bytes = read_bytes(path)?;
    let (metadata, tensors) = read_file(path, &bytes)?;
    let entry = |key: &str| {
        metadata
            .get(key)
            .map(String::as_str)
            .ok_or_else(|| bad(path, format!("it was not written by flowc: no `{key}` in its metadata")))
    };
    let number = |key: &str| {
        entry(key)?.parse::<u64>().map_err(|_| bad(path, format!("`{key}` in its metadata is not a whole number")))
    };
    let vector = |prefix: &str| -> Result<Vec<T>, Box<Diagnostic>> {
        let mut flat = vec![T::default(); table.len()];
        for e in table.entries() {
            let name = format!("{prefix}{}", e.name);
            let view = tensors.tensor(&name).map_err(|_| bad(path, format!("it has no tensor `{name}`")))?;
            if view.dtype() != dtype::<T>() {
                let (is, want) = (view.dtype(), dtype::<T>());
                return Err(bad(path, format!("`{name}` is stored as {is:?}, this run computes in {want:?}")));
            }
            if view.shape() != e.shape.as_slice() {
                let (is, want) = (view.shape(), &e.shape);
                return Err(bad(path, format!("`{name}` has shape {is:?}, the spec declares {want:?}")));
            }
            from_bytes(view.data(), &mut flat[e.range.clone()]);
        }
        Ok(flat)
    };
    let theta = vector("")?;
    let ema = if entry("ema")? == "true" { Some(vector("ema/")?) } else { None };
    let memory = entry("memory")?
        .split(',')
        .filter(|name| !name.is_empty())
        .map(|name| Ok((name.to_owned(), vector(&format!("{name}/"))?)))
        .collect::<Result<Vec<_>, Box<Diagnostic>>>()?;
    let known = table.entries().len() * (1 + usize::from(ema.is_some()) + memory.len());
    if tensors.len() != known {
        return Err(bad(path, format!("it has {} tensors, the spec's parameters make {known}", tensors.len())));
    }
    let (spec, notes) = (entry("spec")?.to_owned(), entry("notes")?.to_owned());
    Ok(Checkpoint { spec, seed: number("seed")?, step: number("step")?, theta, ema, memory, notes })
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, Box<Diagnostic>> {
    std::fs::read(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => {
            let message = format!("there is no checkpoint `{}`", path.display());
            Box::new(Diagnostic::bare(Code::FileNotFound, message).help("it is written while a run trains"))
        }
        _ => bad(path, format!("it cannot be read: {e}")),
    })
}

/// The metadata and tensors of a file of this format.
fn read_file<'b>(path: &Path, bytes: &'b [u8]) -> Result<(BTreeMap<String, String>, SafeTensors<'b>), Box<Diagnostic>> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| bad(path, format!("it is damaged: {e}")))?;
    let tensors = SafeTensors::deserialize(bytes).map_err(|e| bad(path, format!("it is damaged: {e}")))?;
    let text = header.metadata().as_ref().and_then(|m| m.get(METADATA)).map_or("{}", String::as_str);
    let metadata: BTreeMap<String, String> =
        serde_json::from_str(text).map_err(|e| bad(path, format!("its metadata is damaged: {e}")))?;
    match metadata.get("format").map(String::as_str) {
        Some(FORMAT) => {
            let rest = metadata.iter().filter(|(k, _)| *k != SUM).map(|(k, v)| (k.as_str(), v.clone())).collect();
            let views = tensors.tensors();
            let sum = checksum(&rest, views.iter().map(|(name, view)| (name.as_str(), view.data())));
            if metadata.get(SUM) != Some(&sum) {
                return Err(bad(path, "it is damaged: its numbers are not those that were written".to_owned()));
            }
            Ok((metadata, tensors))
        }
        Some(other) => Err(bad(path, format!("its format is `{other}`, this flowc reads `{FORMAT}`"))),
        None => Err(bad(path, "it was not written by flowc: no `format` in its metadata".to_owned())),
    }
}

/// What tells whether everything in a file is as it was written: metadata, and tensors in the order of their names.
fn checksum<'a>(metadata: &BTreeMap<&str, String>, tensors: impl Iterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut hash = blake3::Hasher::new();
    let mut add = |part: &[u8]| {
        hash.update(&(part.len() as u64).to_le_bytes()).update(part);
    };
    metadata.iter().for_each(|(k, v)| [k.as_bytes(), v.as_bytes()].into_iter().for_each(&mut add));
    let sorted: BTreeMap<&str, &[u8]> = tensors.collect();
    sorted.iter().for_each(|(k, v)| [k.as_bytes(), v].into_iter().for_each(&mut add));
    hash.finalize().to_hex().to_string()
}

/// Parameters by name.
pub type ByName<T> = HashMap<String, Vec<T>>;

/// Reads the step of a checkpoint and its parameters by name: averaged ones where they are averaged. `spec` is the hash of the
/// text that was run.
///
/// # Errors
/// `E0801` if there is no file, `E0804` if it is damaged, of another spec, or of another precision.
pub fn load_named<T: Real>(path: &Path, spec: &str) -> Result<(u64, ByName<T>), Box<Diagnostic>> {
    let bytes = read_bytes(path)?;
    let (metadata, tensors) = read_file(path, &bytes)?;
    let entry = |key: &str| metadata.get(key).map_or("", String::as_str);
    if entry("spec") != spec {
        return Err(bad(path, "it is of another spec, or of other settings".to_owned()));
    }
    let step =
        entry("step").parse().map_err(|_| bad(path, "`step` in its metadata is not a whole number".to_owned()))?;
    let prefixes: Vec<String> = entry("memory").split(',').map(|m| format!("{m}/")).collect();
    let averaged = entry("ema") == "true";
    let mut named = HashMap::new();
    for (name, view) in tensors.iter() {
        if prefixes.iter().any(|p| p.len() > 1 && name.starts_with(p.as_str())) {
            continue;
        }
        let own = match (averaged, name.strip_prefix("ema/")) {
            (true, Some(own)) => own,
            (false, None) => name,
            (true, None) | (false, Some(_)) => continue,
        };
        if view.dtype() != dtype::<T>() {
            let (is, want) = (view.dtype(), dtype::<T>());
            return Err(bad(path, format!("`{name}` is stored as {is:?}, this run computes in {want:?}")));
        }
        let mut values = vec![T::default(); view.shape().iter().product()];
        from_bytes(view.data(), &mut values);
        named.insert(own.to_owned(), values);
    }
    Ok((step, named))
}

/// Writes an array, row-major, in NumPy's format; `values` has as many elements as `shape` says.
///
/// # Errors
/// `E0802` if the file cannot be written.
pub fn write_npy<T: Real>(path: &Path, shape: &[usize], values: &[T]) -> Result<(), Box<Diagnostic>> {
    let array = ndarray::ArrayViewD::from_shape(shape, values).map_err(|e| cannot_write(path, &e))?;
    replace(path, |w| array.write_npy(w).map_err(std::io::Error::other))
}

/// Writes a file under a temporary name beside `path`, flushes it to the disk and renames it.
///
/// # Errors
/// `E0802` if any of this fails; `path` is then as it was.
pub fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&File>) -> std::io::Result<()>,
) -> Result<(), Box<Diagnostic>> {
    let mut name = path.file_name().ok_or_else(|| cannot_write(path, &"it is not the name of a file"))?.to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let attempt = || {
        let file = File::create(&temporary)?;
        let mut buffered = BufWriter::new(&file);
        write(&mut buffered)?;
        buffered.flush()?;
        drop(buffered);
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    attempt().map_err(|e| {
        // The file may not exist; either way the first error is the one to report.
        let _ = std::fs::remove_file(&temporary);
        Box::new(folder::cannot_write("write", path, &e))
    })
}

fn bad(path: &Path, why: String) -> Box<Diagnostic> {
    let message = format!("checkpoint `{}` cannot be used: {why}", path.display());
    Box::new(Diagnostic::bare(Code::BadCheckpoint, message).help(CURE))
}

fn cannot_write(path: &Path, why: &dyn std::fmt::Display) -> Box<Diagnostic> {
    let message = format!("cannot write `{}`: {why}", path.display());
    Box::new(
        Diagnostic::bare(Code::CannotWrite, message).help("free space there, or choose another place with `--out DIR`"),
    )
}

fn dtype<T: Real>() -> Dtype {
    match T::PRECISION {
        Precision::F32 => Dtype::F32,
        Precision::F64 => Dtype::F64,
    }
}

/// Little-endian bytes. Widening to f64 and back is exact.
fn to_bytes<T: Real>(values: &[T]) -> Vec<u8> {
    match T::PRECISION {
        Precision::F32 => values.iter().flat_map(|x| (x.to_f64() as f32).to_le_bytes()).collect(),
        Precision::F64 => values.iter().flat_map(|x| x.to_f64().to_le_bytes()).collect(),
    }
}

fn from_bytes<T: Real>(bytes: &[u8], values: &mut [T]) {
    match T::PRECISION {
        Precision::F32 => {
            for (x, b) in values.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *x = T::from_f64(f64::from(f32::from_le_bytes(*b)));
            }
        }
        Precision::F64 => {
            for (x, b) in values.iter_mut().zip(bytes.as_chunks::<8>().0) {
                *x = T::from_f64(f64::from_le_bytes(*b));
            }
        }
    }
}
