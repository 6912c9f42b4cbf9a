//! `file(...)` and `dataset(...)`: calls that make sets.
//!
//! Options are checked one by one, each where it stands. A file is read once a compilation; its path is taken from where the
//! spec lies. Deliberately absent: formats (`data`), the order of rows (`run::data_cols`).

use super::builtin::Builtin;
use super::call::{Args, Named};
use super::set_errors::{self, FileSpans};
use super::sets::{Drawn, Item, Rows, Set};
use super::value::Value;
use super::{Elaborator, Res, errors};
use crate::data::{self, Options, Pick, Standardize};
use crate::resolve::Origin;
use crate::source::Span;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Draws that a set keeps at most.
const MOST: i64 = 1 << 24;

impl Elaborator<'_> {
    /// `file("x.csv", ...)`
    pub(crate) fn file(&mut self, args: &Args) -> Res<Value> {
        let b = Builtin::File;
        let known = ["features", "label", "standardize", "split", "seed", "header", "delimiter"];
        self.only_options(b, args, &known)?;
        let [(Value::Str(name), at)] = args.positional.as_slice() else {
            return Err(self.report(set_errors::file_arguments(args.span, b.signature())));
        };
        let mut spans =
            FileSpans { path: *at, features: args.span, label: args.span, split: args.span, picks: vec![] };
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
            ("standardize", _) => return wrong(self, "`per_feature` or `global`"),
            ("header", Value::Bool(b)) => options.header = Some(*b),
            ("header", _) => return wrong(self, "`true` or `false`"),
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
                    Value::List(_) | Value::Range(..) => {
                        self.items(v, n.at)?.into_iter().map(|(_, v)| v).collect()
                    }
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
                let must = "fractions that train, validate and test, together 1: `[0.8, 0, 0.2]`";
                Err(self.report(set_errors::option("split", &found, must, at)))
            }
        }
    }

    /// `dataset(law, count: n)`: draws that are kept.
    pub(crate) fn dataset(&mut self, args: &Args) -> Res<Value> {
        let b = Builtin::Dataset;
        self.only_options(b, args, &["count", "split"])?;
        let [(law, at)] = args.positional.as_slice() else {
            let message = format!("`dataset` keeps draws of one law, {} given", args.positional.len());
            return Err(self.report(errors::wrong_arguments(b.name(), message, args.span, b.signature(), None)));
        };
        let mut count = None;
        let mut fractions = [1.0, 0.0, 0.0];
        for n in &args.named {
            if n.name == "count" {
                let k = self.need_int(&n.value, "how many draws", n.at)?;
                if !(1..=MOST).contains(&k) {
                    return Err(self.report(errors::bad_count("draws", k, 1, MOST, n.at)));
                }
                count = Some(k as usize);
            } else {
                fractions = self.fractions(&n.value.clone(), n.at)?;
            }
        }
        let Some(count) = count else {
            let message = "`dataset` needs to know how many draws it keeps".to_owned();
            return Err(self.report(errors::wrong_arguments(b.name(), message, args.span, b.signature(), None)));
        };
        let mut inner = Elaborator::new(self.module, self.sources, self.sink, self.arm.clone(), "dataset");
        inner.calls.clone_from(&self.calls);
        let drawn = inner.draw_from(law, *at)?;
        let (values, condition) = match &drawn {
            Value::Tuple(s) => (s.items.iter().map(|(_, v)| v.clone()).collect(), s.condition.clone()),
            one => (vec![one.clone()], None),
        };
        let mut items = Vec::new();
        for (k, v) in values.iter().enumerate() {
            let node = inner.node(v, *at)?;
            let name = if values.len() == 1 { "x".to_owned() } else { format!("x{k}") };
            items.push(Item { name: name.clone(), shape: inner.program.dag.shape(node).to_vec() });
            inner.program.outputs.push((name, node));
        }
        let classes = match condition {
            Some(Value::Class(c)) if c.count > 0 => {
                inner.program.outputs.push(("label".into(), c.node));
                Some((0..c.count).map(|k| k.to_string()).collect())
            }
            _ => None,
        };
        if !inner.program.params.is_empty() || !inner.hosts.is_empty() {
            return Err(inner.report(set_errors::trained_dataset(*at)));
        }
        let default = inner.global("dopri5", args.span, Origin::Std)?.unwrap_or(Value::Poison);
        let default_solver = inner.solver_value(&default, args.span)?;
        let (a, b) = ((fractions[0] * count as f64).round() as usize, (fractions[1] * count as f64).round() as usize);
        let name = match law {
            Value::Law(l) => l.def.name.clone(),
            other => inner.describe(other),
        };
        let solvers = inner.solvers.iter().map(|s| (**s).clone()).collect();
        let program = inner.program;
        let key = format!("drawn {count} {fractions:?} {}", crate::ir::print::program(&program));
        let known = self.module.sets.borrow().get(&key);
        if let Some(set) = known {
            return Ok(Value::Data(set));
        }
        let drawn = Drawn { program, solvers, default_solver: Some((*default_solver).clone()) };
        let set = Set {
            id: 0,
            name: format!("of `{name}`"),
            items,
            classes,
            counts: [a.min(count), b.min(count - a.min(count)), count - (a + b).min(count)],
            rows: Rows::Drawn(Box::new(drawn)),
            span: args.span,
        };
        Ok(Value::Data(self.module.sets.borrow_mut().add(key, set)))
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
