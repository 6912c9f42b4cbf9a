//! `file(...)`: the call that makes a set of a file.
//!
//! Options are checked one by one, each where it stands. A file is read once a compilation; its path is taken from where the
//! spec lies. Deliberately absent: formats (`data`), the order of rows (`run::data_cols`).

use super::builtin::Builtin;
use super::call::{Args, Named};
use super::set_errors::{self, FileSpans};
use super::sets::{Item, Rows, Set};
use super::value::Value;
use super::{Elaborator, Res};
use crate::data::{self, Options, Pick, Standardize};
use crate::source::Span;
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Elaborator<'_> {
    /// `file("x.csv", ...)`
    pub(crate) fn file(&mut self, args: &Args) -> Res<Value> {
        let b = Builtin::File;
        let known = ["features", "label", "standardize", "split", "seed", "header", "delimiter"];
        self.only_options(b, args, &known)?;
        let [(Value::Str(name), at)] = args.positional.as_slice() else {
            return Err(self.report(set_errors::file_arguments(args.span, b.signature())));
        };
        let mut spans = FileSpans { path: *at, features: args.span, label: args.span, split: args.span, picks: vec![] };
        let mut options = Options::default();
        for n in &args.named {
            self.file_option(n, &mut options, &mut spans)?;
        }
        let path = self.beside_spec(name, *at);
        let key = format!("file {} {options:?}", path.display());
        let known = self.module.sets.borrow().get(&key);
        if let Some(set) = known {
            return Ok(Value::Data(set));
        }
        let table = match data::load(&path, &options) {
            Ok(t) => t,
            Err(fault) => return Err(self.report(set_errors::file(&fault, name, &spans))),
        };
        let items = table.columns.iter().map(|c| Item { name: c.name.clone(), shape: c.shape.clone() }).collect();
        let set = Set {
            id: 0,
            name: format!("\"{name}\""),
            items,
            classes: table.labels.as_ref().map(|l| l.names.clone()),
            counts: [0, 1, 2].map(|k| table.splits[k].len()),
            rows: Rows::Table(Arc::new(table)),
            span: args.span,
        };
        Ok(Value::Data(self.module.sets.borrow_mut().add(key, set)))
    }

    /// A path as written, taken from the folder of the file that names it.
    fn beside_spec(&self, name: &str, at: Span) -> PathBuf {
        let spec = Path::new(&self.sources.file(at.file).name);
        spec.parent().map_or_else(|| PathBuf::from(name), |folder| folder.join(name))
    }

    fn file_option(&mut self, n: &Named, options: &mut Options, spans: &mut FileSpans) -> Res<()> {
        let wrong = |e: &mut Self, must: &str| {
            let found = e.describe(&n.value);
            Err(e.report(set_errors::option(&n.name, &found, must, n.at)))
        };
        match (n.name.as_str(), &n.value) {
            ("standardize", Value::Builtin(Builtin::PerFeature)) => options.standardize = Some(Standardize::PerFeature),
            ("standardize", Value::Builtin(Builtin::Global)) => options.standardize = Some(Standardize::Global),
            ("standardize" | "split" | "label", Value::None) => {}
            ("header", Value::Bool(b)) => options.header = Some(*b),
            ("standardize" | "header", _) => {
                let (found, written) = (self.describe(&n.value), self.sources.text(n.at));
                return Err(self.report(set_errors::option_word(&n.name, &found, written, n.at)));
            }
            ("delimiter", Value::Str(s)) if s.len() == 1 => options.delimiter = s.bytes().next(),
            ("delimiter", _) => return wrong(self, "one character, e.g. \";\""),
            ("seed", v) => match self.integer(v).and_then(|i| u64::try_from(i).ok()) {
                Some(s) => options.seed = s,
                None => return wrong(self, "a whole number that is not negative"),
            },
            ("split", v) => {
                spans.split = n.at;
                options.split = Some(self.fractions(&v.clone(), n.at)?);
            }
            ("label", v) => {
                spans.label = n.at;
                match self.pick(v) {
                    Some(p) => {
                        spans.picks.push((p.to_string(), n.at));
                        options.label = Some(p);
                    }
                    None => return wrong(self, "a column: its name, or its number from 0"),
                }
            }
            (_, v) => {
                spans.features = n.at;
                let items = match v {
                    Value::List(_) | Value::Range(..) => self.items(v, n.at)?.into_iter().map(|(_, v)| v).collect(),
                    one => vec![one.clone()],
                };
                let picks: Option<Vec<Pick>> = items.iter().map(|v| self.pick(v)).collect();
                match picks {
                    Some(p) if !p.is_empty() => {
                        spans.picks.extend(p.iter().map(|p| (p.to_string(), n.at)));
                        options.features = Some(p);
                    }
                    _ => return wrong(self, "columns: names, numbers from 0, or a range, e.g. [\"a\", \"b\"] or 0..4"),
                }
            }
        }
        Ok(())
    }

    fn pick(&self, v: &Value) -> Option<Pick> {
        match v {
            Value::Str(s) => Some(Pick::Name(s.to_string())),
            _ => self.integer(v).and_then(|i| usize::try_from(i).ok()).map(Pick::Index),
        }
    }

    /// `[train, validation, test]`, or `[train, test]`.
    fn fractions(&mut self, v: &Value, at: Span) -> Res<[f64; 3]> {
        let parts: Option<Vec<f64>> = match v {
            Value::List(s) => s.items.iter().map(|(_, v)| self.number(v)).collect(),
            _ => None,
        };
        let three = match parts.as_deref() {
            Some([a, b, c]) => Some([*a, *b, *c]),
            Some([a, c]) => Some([*a, 0.0, *c]),
            _ => None,
        };
        let sound = |f: &[f64; 3]| {
            f.iter().all(|x| (0.0..=1.0).contains(x)) && f[0] > 0.0 && (f.iter().sum::<f64>() - 1.0).abs() < 1e-9
        };
        match three.filter(sound) {
            Some(f) => Ok(f),
            None => {
                let found = self.describe(v);
                let parts = parts.filter(|p| matches!(p.len(), 2 | 3));
                Err(self.report(set_errors::bad_split(&found, parts.as_deref(), at)))
            }
        }
    }
}

impl Elaborator<'_> {
    /// The sets that a program's inputs read.
    pub fn sets_read(&self, program: &crate::ir::Program) -> Vec<Arc<Set>> {
        let all = self.module.sets.borrow().all();
        let mut found: Vec<Arc<Set>> = Vec::new();
        for rows in program.inputs.iter().filter_map(|d| d.rows.as_ref()) {
            if !found.iter().any(|s| s.id == rows.set) {
                found.push(all[rows.set as usize].clone());
            }
        }
        found
    }
}
