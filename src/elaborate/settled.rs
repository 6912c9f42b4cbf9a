//! Values that outlive their program.
//!
//! A law, a function or an arm that is configured in one program is used in others, where nodes of the first mean nothing. So
//! what is known at compile time becomes numbers where it is handed over. Deliberately absent: values that depend on parameters
//! or draws, which stay nodes of their program.

use super::Elaborator;
use super::value::{Callee, Seq, Value};
use crate::diag::Sink;
use crate::ir::{Level, NodeId, eval};
use std::rc::Rc;

/// Whether a value holds nodes, so that it means something in one program only.
pub(crate) fn is_bound(v: &Value) -> bool {
    let seq = |s: &Seq| s.items.iter().any(|(_, v)| is_bound(v)) || s.condition.as_ref().is_some_and(is_bound);
    let given = |g: &[(String, Value)]| g.iter().any(|(_, v)| is_bound(v));
    match v {
        Value::Node(_) | Value::Truth(_) | Value::Class(_) => true,
        Value::List(s) | Value::Tuple(s) => seq(s),
        Value::Fun(f) => {
            let caught = match &f.callee {
                Callee::Def(_) => false,
                Callee::Lambda { env, .. } => env.any(&is_bound),
            };
            caught || given(&f.given)
        }
        Value::Law(l) => given(&l.given) || l.condition.as_ref().is_some_and(|(c, _)| is_bound(c)),
        Value::Dataset(d) => is_bound(&d.law),
        Value::Host(h) => is_bound(&h.laws.0) || is_bound(&h.laws.1),
        Value::Poison
        | Value::Int(_)
        | Value::Real(_)
        | Value::Bool(_)
        | Value::Str(_)
        | Value::None
        | Value::Range(..)
        | Value::Builtin(_)
        | Value::Tableau(_)
        | Value::Solver(_)
        | Value::Data(_)
        | Value::Stage(_) => false,
    }
}

impl<'a> Elaborator<'a> {
    /// An elaborator to try things in: it knows the program made so far, lest its own draws be taken for that program's, and what it
    /// makes is thrown away.
    pub(crate) fn scratch<'s>(&'s self, sink: &'s mut Sink, root: &str) -> Elaborator<'s>
    where
        'a: 's,
    {
        let mut inner = Elaborator::new(self.module, self.sources, sink, self.arm.clone(), root);
        inner.program = self.program.clone();
        inner
    }

    /// The value with its constant parts as numbers and lists of numbers.
    pub(crate) fn settled(&self, v: &Value) -> Value {
        match v {
            Value::Node(n) => self.constant(*n).unwrap_or_else(|| v.clone()),
            Value::List(s) => Value::List(self.settled_seq(s)),
            Value::Tuple(s) => Value::Tuple(self.settled_seq(s)),
            Value::Poison
            | Value::Int(_)
            | Value::Real(_)
            | Value::Bool(_)
            | Value::Str(_)
            | Value::None
            | Value::Truth(_)
            | Value::Range(..)
            | Value::Fun(_)
            | Value::Law(_)
            | Value::Builtin(_)
            | Value::Tableau(_)
            | Value::Solver(_)
            | Value::Class(_)
            | Value::Data(_)
            | Value::Host(_)
            | Value::Dataset(_)
            | Value::Stage(_) => v.clone(),
        }
    }

    fn settled_seq(&self, s: &Rc<Seq>) -> Rc<Seq> {
        let items = s.items.iter().map(|(label, v)| (label.clone(), self.settled(v))).collect();
        Rc::new(Seq { items, condition: s.condition.as_ref().map(|c| self.settled(c)) })
    }

    /// A node of constants: a number, a list of numbers, or a list of rows.
    fn constant(&self, n: NodeId) -> Option<Value> {
        let dag = &self.program.dag;
        if dag.level(n) > Level::Const {
            return None;
        }
        let values = eval::evaluate::<f64>(dag, &[n], |_| None).ok()?.remove(0);
        let list = |items: Vec<Value>| Value::List(Seq::plain(items));
        let reals = |row: &[f64]| row.iter().copied().map(Value::Real).collect::<Vec<_>>();
        match dag.shape(n) {
            [] => values.first().copied().map(Value::Real),
            [_] => Some(list(reals(&values))),
            [_, columns] if *columns > 0 => Some(list(values.chunks(*columns).map(|row| list(reals(row))).collect())),
            _ => None,
        }
    }
}
