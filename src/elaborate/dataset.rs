//! `dataset(law, count: n)`: draws of a law or coupling that are made once.
//!
//! A law and a count -> in training, inputs of the program that the host fills from `n` rows, each epoch in an order of its
//! own; anywhere else (sampling, metrics) the law itself, so that what is measured was not trained on. Deliberately absent:
//! making the rows.

use super::builtin::Builtin;
use super::call::{Args, Named};
use super::settled::is_bound;
use super::value::{Class, Dataset, Seq, Value};
use super::{Elaborator, Reported, Res, errors};
use crate::ir::{InputId, Program};
use crate::resolve::Origin;
use crate::solve::SolverConfig;
use crate::source::Span;
use std::rc::Rc;

/// Rows that the host makes for a program.
#[derive(Clone, Debug)]
pub struct DatasetUse {
    /// Keys the rows and their order: the qualified name of the draw.
    pub site: String,
    /// How many rows.
    pub count: usize,
    /// Draws one row: an output for each input.
    pub program: Program,
    /// What its solves index.
    pub solvers: Vec<SolverConfig>,
    /// For solves without a solver of their own.
    pub default_solver: SolverConfig,
    /// The inputs that receive a row.
    pub inputs: Vec<InputId>,
    /// Where it was written.
    pub span: Span,
}

impl Elaborator<'_> {
    /// From here on draws from a dataset are its rows.
    pub fn train_on_rows(&mut self) {
        self.rows = true;
    }

    /// `dataset(law, count: n)`
    pub(super) fn dataset(&mut self, args: &Args) -> Res<Value> {
        let b = Builtin::Dataset;
        let a = self.arity(b, args, 1, &["count"])?;
        let (law, span) = a[0].clone();
        let Some(Named { value, at, .. }) = args.named.iter().find(|n| n.name == "count") else {
            let message = "`dataset` needs `count`, the number of its rows".to_owned();
            return Err(self.report(errors::wrong_arguments(b.name(), message, args.span, b.signature(), None)));
        };
        let n = self.need_int(value, "rows of a dataset", *at)?;
        let count = match usize::try_from(n) {
            Ok(n) if (1..=1 << 26).contains(&n) => n,
            Ok(_) | Err(_) => return Err(self.report(errors::bad_count("rows", n, 1, 1 << 26, *at))),
        };
        Ok(Value::Dataset(Rc::new(Dataset { law, count, span })))
    }

    /// A row in training, a fresh draw elsewhere.
    pub(super) fn draw_kept(&mut self, d: &Dataset, span: Span) -> Res<Value> {
        if !self.rows {
            return self.draw_from(&d.law, span);
        }
        if is_bound(&d.law) {
            return Err(self.report(errors::trained_rows(d.span)));
        }
        let here = self.sites.last().expect("a root site").path.clone();
        let site = format!("{here}.dataset");
        let mut inner = Elaborator::new(self.module, self.sources, self.sink, self.arm.clone(), &site);
        inner.calls.clone_from(&self.calls);
        let drawn = inner.draw_from(&d.law, span)?;
        let (mut parts, class) = match &drawn {
            Value::Tuple(s) => {
                let items = s.items.iter().map(|(_, v)| v.clone()).collect();
                let class = match &s.condition {
                    Some(Value::Class(c)) => Some(*c),
                    Some(_) | None => None,
                };
                (items, class)
            }
            v => (vec![v.clone()], None),
        };
        parts.extend(class.map(|c| Value::Node(c.node)));
        for (i, v) in parts.iter().enumerate() {
            let n = inner.node(v, span)?;
            inner.program.outputs.push((format!("x{i}"), n));
        }
        let trained = inner.program.params.iter().any(|p| !inner.is_frozen(&p.name));
        if trained || !inner.hosts.is_empty() || !inner.datasets.is_empty() {
            return Err(inner.report(errors::trained_rows(d.span)));
        }
        let default = inner.global("dopri5", span, Origin::Std)?.ok_or(Reported)?;
        let default_solver = (*inner.solver_value(&default, span)?).clone();
        let solvers = inner.solvers.iter().map(|s| (**s).clone()).collect();
        let program = inner.program;
        let shapes: Vec<Vec<usize>> = program.outputs.iter().map(|(_, n)| program.dag.shape(*n).to_vec()).collect();
        let mut nodes: Vec<Value> =
            shapes.into_iter().enumerate().map(|(i, s)| Value::Node(self.input(&format!("x{i}"), s))).collect();
        let first = self.program.inputs.len() - nodes.len();
        let inputs = (first..first + nodes.len()).map(|i| InputId(i as u32)).collect();
        let count = d.count;
        self.datasets.push(DatasetUse { site, count, program, solvers, default_solver, inputs, span: d.span });
        let condition = match (class, &drawn) {
            (Some(c), _) => match nodes.pop() {
                Some(Value::Node(node)) => Some(Value::Class(Class { node, ..c })),
                _ => None,
            },
            (None, Value::Tuple(s)) => s.condition.as_ref().map(|_| Value::None),
            (None, _) => return nodes.pop().ok_or(Reported),
        };
        let items = nodes.into_iter().map(|v| (None, v)).collect();
        Ok(Value::Tuple(Rc::new(Seq { items, condition })))
    }
}
