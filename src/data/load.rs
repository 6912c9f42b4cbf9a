//! A file to a table.

use super::arrays::{self, Array};
use super::fault::{Fault, Place};
use super::grid::Grid;
use super::select::Pick;
use super::table::{Column, Labels, Scale, Table};
use crate::rng;
use std::io::Read;
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

/// Mean 0 and deviation 1 on the rows that train.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standardize {
    /// Each element by itself; one that is constant is only shifted.
    PerFeature,
    /// All elements together.
    Global,
}

/// Classes of a set at most.
const CLASSES: usize = 1 << 12;

enum Raw {
    Grid(Grid),
    Npy(Array),
    Npz(Vec<u8>),
    Idx(Array),
}

/// Reads a file.
///
/// # Errors
/// What is wrong with it, with its place.
pub fn load(path: &Path, options: &Options) -> Result<Table, Fault> {
    let raw = open(path, options)?;
    let (column, rows) = features(&raw, options)?;
    let labels = labels(&raw, path, options)?;
    if let Some(l) = &labels
        && l.of.len() != rows
    {
        return Err(Fault::Lengths { features: rows, labels: l.of.len() });
    }
    let splits = split(rows, options)?;
    let mut table = Table { rows, columns: vec![column], labels, splits, scale: None };
    if let Some(how) = options.standardize {
        standardize(&mut table, how);
    }
    Ok(table)
}

fn bytes(path: &Path) -> Result<Vec<u8>, Fault> {
    let read = std::fs::read(path).map_err(|e| {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let beside = path.parent().map(|p| if p.as_os_str().is_empty() { Path::new(".") } else { p });
        let names: Vec<String> = beside
            .and_then(|p| std::fs::read_dir(p).ok())
            .map(|all| all.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect())
            .unwrap_or_default();
        let same = |n: &&String| n.split('.').next() == name.split('.').next() || n.eq_ignore_ascii_case(&name);
        let mut near: Vec<&String> = names.iter().filter(same).collect();
        near.sort();
        let why = match e.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
            std::io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
            _ => e.to_string(),
        };
        Fault::Missing { file: path.display().to_string(), why, near: near.first().map(|n| (*n).clone()) }
    })?;
    if !read.starts_with(&[0x1f, 0x8b]) {
        return Ok(read);
    }
    let mut plain = Vec::new();
    match flate2::read::MultiGzDecoder::new(&read[..]).read_to_end(&mut plain) {
        Ok(_) => Ok(plain),
        Err(e) => Err(Fault::Format { why: format!("it cannot be unpacked: {e}") }),
    }
}

fn open(path: &Path, options: &Options) -> Result<Raw, Fault> {
    let bytes = bytes(path)?;
    if bytes.is_empty() {
        return Err(Fault::Empty);
    }
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    let stem = name.strip_suffix(".gz").unwrap_or(&name);
    let ending = stem.rsplit_once('.').map_or("", |(_, e)| e);
    let delimiter = |usual: u8| options.delimiter.unwrap_or(usual);
    match ending {
        "csv" => Ok(Raw::Grid(Grid::read(&bytes, delimiter(b','), options.header)?)),
        "tsv" | "tab" => Ok(Raw::Grid(Grid::read(&bytes, delimiter(b'\t'), options.header)?)),
        "npy" => Ok(Raw::Npy(arrays::npy(&bytes)?)),
        "npz" => Ok(Raw::Npz(bytes)),
        _ if bytes.starts_with(&[0, 0]) && (ending == "idx" || stem.contains("idx")) => {
            Ok(Raw::Idx(arrays::idx(&bytes)?))
        }
        _ if options.delimiter.is_some() => Ok(Raw::Grid(Grid::read(&bytes, delimiter(b','), options.header)?)),
        _ => Err(Fault::Format {
            why: "its name must end in .csv, .tsv, .npy, .npz or .idx, each perhaps with .gz behind it".into(),
        }),
    }
}

fn features(raw: &Raw, options: &Options) -> Result<(Column, usize), Fault> {
    match raw {
        Raw::Grid(g) => {
            let columns: Vec<usize> = match (&options.features, &options.label) {
                (Some(picks), _) => picks.iter().map(|p| g.find(p)).collect::<Result<_, _>>()?,
                (None, None) => (0..g.width()).collect(),
                (None, Some(label)) => {
                    let label = g.find(label)?;
                    (0..g.width()).filter(|k| *k != label).collect()
                }
            };
            if columns.is_empty() {
                return Err(Fault::Empty);
            }
            let mut values = Vec::with_capacity(g.rows() * columns.len());
            for row in 0..g.rows() {
                for &k in &columns {
                    values.push(g.number(row, k)?);
                }
            }
            Ok((Column { name: "x".into(), shape: vec![columns.len()], values }, g.rows()))
        }
        Raw::Npy(a) => {
            let label = match &options.label {
                Some(Pick::Index(k)) => Some(*k),
                Some(Pick::Name(_)) | None => None,
            };
            let picks: Vec<usize> = match &options.features {
                Some(picks) => picks.iter().map(|p| element(a, p)).collect::<Result<_, _>>()?,
                None => (0..a.width()).filter(|k| Some(*k) != label).collect(),
            };
            taken(a, &picks)
        }
        Raw::Idx(a) => match &options.features {
            None => taken(a, &(0..a.width()).collect::<Vec<_>>()),
            Some(picks) => taken(a, &picks.iter().map(|p| element(a, p)).collect::<Result<Vec<_>, _>>()?),
        },
        Raw::Npz(bytes) => {
            let known = arrays::npz_names(bytes)?;
            let names: Vec<String> = match &options.features {
                Some(picks) => picks
                    .iter()
                    .map(|p| match p {
                        Pick::Name(n) if known.contains(n) => Ok(n.clone()),
                        Pick::Name(_) | Pick::Index(_) => {
                            Err(Fault::NoColumn { asked: p.clone(), known: known.clone() })
                        }
                    })
                    .collect::<Result<_, _>>()?,
                None => {
                    let label = options.label.as_ref().map(ToString::to_string);
                    let rest: Vec<String> = known.iter().filter(|n| Some(format!("`{n}`")) != label).cloned().collect();
                    match rest.as_slice() {
                        [one] => vec![one.clone()],
                        _ => return Err(Fault::Ambiguous { known }),
                    }
                }
            };
            let parts = names.iter().map(|n| arrays::npz(bytes, n)).collect::<Result<Vec<_>, _>>()?;
            joined(&parts)
        }
    }
}

/// The number of an element of a row.
fn element(a: &Array, pick: &Pick) -> Result<usize, Fault> {
    match pick {
        Pick::Index(k) if *k < a.width() => Ok(*k),
        Pick::Index(_) | Pick::Name(_) => {
            Err(Fault::NoColumn { asked: pick.clone(), known: vec![format!("0..{}", a.width())] })
        }
    }
}

fn finite(a: &Array, row: usize, k: usize) -> Result<f64, Fault> {
    let x = a.values[row * a.width() + k];
    if x.is_finite() {
        return Ok(x);
    }
    let column = if a.name.is_empty() { k.to_string() } else { format!("{k} of `{}`", a.name) };
    Err(Fault::NotFinite { at: Place { row: format!("row {row}"), column }, text: x.to_string() })
}

fn taken(a: &Array, picks: &[usize]) -> Result<(Column, usize), Fault> {
    let mut values = Vec::with_capacity(a.rows * picks.len());
    for row in 0..a.rows {
        for &k in picks {
            values.push(finite(a, row, k)?);
        }
    }
    if values.is_empty() {
        return Err(Fault::Empty);
    }
    Ok((Column { name: "x".into(), shape: vec![picks.len()], values }, a.rows))
}

/// Arrays beside each other.
fn joined(parts: &[Array]) -> Result<(Column, usize), Fault> {
    let rows = parts.first().ok_or(Fault::Empty)?.rows;
    if let Some(other) = parts.iter().find(|p| p.rows != rows) {
        return Err(Fault::Lengths { features: rows, labels: other.rows });
    }
    let width = parts.iter().map(Array::width).sum();
    let mut values = Vec::with_capacity(rows * width);
    for row in 0..rows {
        for a in parts {
            for k in 0..a.width() {
                values.push(finite(a, row, k)?);
            }
        }
    }
    Ok((Column { name: "x".into(), shape: vec![width], values }, rows))
}

fn labels(raw: &Raw, path: &Path, options: &Options) -> Result<Option<Labels>, Fault> {
    let Some(pick) = &options.label else { return Ok(None) };
    let numbers = |a: &Array, k: usize| -> Result<Labels, Fault> {
        let at = |row: usize| Place { row: format!("row {row}"), column: k.to_string() };
        (0..a.rows).map(|row| Ok((short(finite(a, row, k)?), at(row)))).collect::<Result<Vec<_>, _>>().and_then(classes)
    };
    // An array of the label's own: one number a row.
    let whole = |a: &Array| {
        if a.width() == 1 {
            return numbers(a, 0);
        }
        let column = if a.name.is_empty() { "0".to_owned() } else { format!("`{}`", a.name) };
        let text = format!("{} numbers", a.width());
        Err(Fault::Label { at: Place { row: "row 0".into(), column }, text })
    };
    match (raw, pick) {
        (Raw::Grid(g), _) => {
            let k = g.find(pick)?;
            classes((0..g.rows()).map(|row| g.label(row, k)).collect()).map(Some)
        }
        (Raw::Npy(a), Pick::Index(_)) => numbers(a, element(a, pick)?).map(Some),
        (Raw::Npz(bytes), Pick::Name(n)) => {
            let known = arrays::npz_names(bytes)?;
            if !known.contains(n) {
                return Err(Fault::NoColumn { asked: pick.clone(), known });
            }
            whole(&arrays::npz(bytes, n)?).map(Some)
        }
        (Raw::Npy(_) | Raw::Idx(_), Pick::Name(file)) => match open(&path.with_file_name(file), &Options::default())? {
            Raw::Npy(a) | Raw::Idx(a) => whole(&a).map(Some),
            Raw::Grid(_) | Raw::Npz(_) => {
                Err(Fault::Format { why: format!("the labels in {file} must be an npy or idx file as well") })
            }
        },
        (Raw::Npz(bytes), Pick::Index(_)) => {
            Err(Fault::NoColumn { asked: pick.clone(), known: arrays::npz_names(bytes)? })
        }
        (Raw::Idx(_), Pick::Index(_)) => Err(Fault::NoColumn { asked: pick.clone(), known: vec![] }),
    }
}

/// A whole number without its point.
fn short(x: f64) -> String {
    if x.fract() == 0.0 && x.abs() < 1e15 { format!("{x:.0}") } else { x.to_string() }
}

/// Words or whole numbers to classes: numbers from 0 on are themselves, anything else is counted in order (numbers by value,
/// words by the alphabet).
fn classes(texts: Vec<(String, Place)>) -> Result<Labels, Fault> {
    let rows = texts.len();
    let mut numeric = true;
    for (text, at) in &texts {
        if text.is_empty() || text.eq_ignore_ascii_case("nan") {
            return Err(Fault::NotFinite { at: at.clone(), text: text.clone() });
        }
        match text.parse::<f64>() {
            Ok(x) if x.fract() != 0.0 || !x.is_finite() => {
                return Err(Fault::Label { at: at.clone(), text: text.clone() });
            }
            Ok(_) => {}
            Err(_) => numeric = false,
        }
    }
    let mut names: Vec<String> = texts.into_iter().map(|(t, _)| t).collect();
    let all = names.clone();
    if numeric {
        let value = |t: &String| t.parse::<f64>().unwrap_or(0.0);
        names.sort_by(|a, b| value(a).total_cmp(&value(b)));
        names.dedup_by(|a, b| value(a) == value(b));
        let (least, greatest) = (value(&names[0]), value(&names[names.len() - 1]));
        if least >= 0.0 && greatest < CLASSES as f64 {
            let count = greatest as usize + 1;
            let of = all.iter().map(|t| value(t) as u32).collect();
            return checked(Labels { names: (0..count).map(|k| k.to_string()).collect(), of }, rows);
        }
        let of = all.iter().map(|t| names.iter().position(|n| value(n) == value(t)).unwrap_or(0) as u32).collect();
        return checked(Labels { names, of }, rows);
    }
    names.sort();
    names.dedup();
    let of = all.iter().map(|t| names.binary_search(t).unwrap_or(0) as u32).collect();
    checked(Labels { names, of }, rows)
}

/// A label for every row of its own is an identity, not a class.
fn checked(labels: Labels, rows: usize) -> Result<Labels, Fault> {
    let count = labels.names.len();
    if count > CLASSES || (count > 2 && 2 * count > rows.max(8)) {
        return Err(Fault::Classes { count, rows });
    }
    Ok(labels)
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

fn standardize(table: &mut Table, how: Standardize) {
    let width = table.columns[0].width();
    let values = &table.columns[0].values;
    let train = &table.splits[0];
    let of = |k: usize| train.iter().map(move |&r| values[r as usize * width + k]);
    let moments = |all: &mut dyn Iterator<Item = f64>| {
        let all: Vec<f64> = all.collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let square = all.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / all.len() as f64;
        (mean, if square > 0.0 { square.sqrt() } else { 1.0 })
    };
    let pairs: Vec<(f64, f64)> = match how {
        Standardize::PerFeature => (0..width).map(|k| moments(&mut of(k))).collect(),
        Standardize::Global => vec![moments(&mut (0..width).flat_map(of)); width],
    };
    let (mean, deviation): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    for row in table.columns[0].values.chunks_exact_mut(width) {
        for (x, (m, d)) in row.iter_mut().zip(mean.iter().zip(&deviation)) {
            *x = (*x - m) / d;
        }
    }
    table.scale = Some(Scale { mean, deviation });
}
