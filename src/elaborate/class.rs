//! Classes: conditions that are one of so many, or none.
//!
//! At run time a class is its number and `none` is -1, so that `if keep then y else none` is a select, and `one_hot` of none
//! is all zeros. A class is no number to the language: only comparisons, `one_hot` and what is built on it read it.

use super::value::{Class, Value};
use super::{Ctx, Elaborator, Reported, Res, errors, set_errors};
use crate::ir::NodeId;
use crate::source::Span;
use crate::syntax::ast::{DefKind, Expr, Formal, TypeExpr};

/// What an objective has done so far with a net that is declared with `| y: class[k]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditioned {
    /// Its name.
    pub name: String,
    /// Where its condition is declared.
    pub declared: Span,
    /// How many classes it knows.
    pub count: usize,
    /// Whether any call gave it a class.
    pub given: bool,
}

impl Elaborator<'_> {
    /// `none` among `count` classes.
    pub fn no_class(&mut self, count: usize) -> Class {
        Class { node: self.program.dag.constant(-1.0), count }
    }

    /// A value where `class[k]` is written; `k` is the dimension.
    pub(crate) fn as_class(
        &mut self,
        v: Value,
        dim: &Expr,
        span: Span,
        because: Option<(Span, String)>,
        ctx: &Ctx,
    ) -> Res<Value> {
        let known = match self.known_dim(dim, ctx) {
            None => None,
            Some(n) => match usize::try_from(n?) {
                Ok(n) if (1..=1 << 16).contains(&n) => Some(n),
                Ok(_) | Err(_) => {
                    let d = errors::bad_count("classes", 0, 1, 1 << 16, dim.span);
                    return Err(self.report(d));
                }
            },
        };
        let found = match &v {
            Value::Class(c) if c.count > 0 => Some(c.count),
            _ => None,
        };
        let count = match (known, found) {
            (Some(k), Some(n)) if k != n => {
                return Err(self.report(set_errors::classes_differ(k, n, span, because)));
            }
            (Some(k), _) | (None, Some(k)) => k,
            (None, None) => {
                let found = self.describe(&v);
                return Err(self.report(set_errors::class_expected(&found, None, span, because)));
            }
        };
        if let (None, crate::syntax::ast::ExprKind::Name(name)) = (known, &*dim.kind) {
            ctx.env.bind(name, Value::Int(count as i64));
        }
        let node = match &v {
            Value::Poison => return Err(Reported),
            Value::Class(c) => c.node,
            Value::None => self.no_class(count).node,
            Value::Node(n) | Value::Truth(n) if self.program.dag.shape(*n).is_empty() => *n,
            _ => match self.integer(&v) {
                Some(k) if (0..count as i64).contains(&k) => self.program.dag.constant(k as f64),
                Some(k) => return Err(self.report(errors::out_of_range(k, count, span))),
                None => {
                    let found = self.describe(&v);
                    return Err(self.report(set_errors::class_expected(&found, Some(count), span, because)));
                }
            },
        };
        Ok(Value::Class(Class { node, count }))
    }

    /// The branches of a run-time `if` where one is a class or none; `None` if this is no choice between classes.
    pub(crate) fn class_if(&mut self, c: NodeId, a: &Value, b: &Value) -> Option<Value> {
        let side = |e: &mut Self, v: &Value, other: &Value| match (v, other) {
            (Value::Class(c), _) => Some(*c),
            (Value::None, _) => Some(e.no_class(0)),
            (_, Value::None | Value::Class(_)) => {
                let node = match (v, e.integer(v)) {
                    (Value::Node(n), _) if e.program.dag.shape(*n).is_empty() => *n,
                    (_, Some(k)) if k >= 0 => e.program.dag.constant(k as f64),
                    _ => return None,
                };
                Some(Class { node, count: 0 })
            }
            _ => None,
        };
        if !self.program.dag.shape(c).is_empty() {
            return None;
        }
        let (x, y) = (side(self, a, b)?, side(self, b, a)?);
        if x.count != y.count && x.count > 0 && y.count > 0 {
            return None;
        }
        let node = self.program.dag.select(c, x.node, y.node);
        Some(Value::Class(Class { node, count: x.count.max(y.count) }))
    }

    /// A class as its number where it is compared.
    pub(crate) fn class_number(v: Value, none: NodeId) -> Value {
        match v {
            Value::Class(c) => Value::Node(c.node),
            Value::None => Value::Node(none),
            other => other,
        }
    }

    /// The condition of a call as its callee receives it.
    pub(crate) fn condition_value(
        &mut self,
        kind: DefKind,
        name: &str,
        formal: &Formal,
        condition: Option<(Value, Span)>,
        span: Span,
        ctx: &Ctx,
    ) -> Res<Value> {
        let (v, at) = condition.unwrap_or((Value::None, span));
        let given = !matches!(v, Value::None);
        let is_class = matches!(&formal.ty, Some(TypeExpr::Name { name, .. }) if name.name == "class");
        if !given && !is_class {
            return Ok(Value::None);
        }
        self.condition_taken |= given && !self.sources.file(formal.name.span.file).is_std;
        let v = self.admit(v, formal, at, ctx)?;
        if let (Value::Class(c), DefKind::Field | DefKind::Net) = (&v, kind) {
            match self.conditioned.iter_mut().find(|o| o.name == name) {
                Some(o) => o.given |= given,
                None => self.conditioned.push(Conditioned {
                    name: name.to_owned(),
                    declared: formal.name.span,
                    count: c.count,
                    given,
                }),
            }
        }
        Ok(v)
    }

    /// The label that a draw came with, as its number.
    pub fn label_of(&self, drawn: &Value) -> Option<NodeId> {
        match drawn {
            Value::Tuple(s) => match &s.condition {
                Some(Value::Class(c)) => Some(c.node),
                Some(Value::Node(n) | Value::Truth(n)) if self.program.dag.shape(*n).is_empty() => Some(*n),
                _ => None,
            },
            _ => None,
        }
    }

    /// How many classes the labels of a draw have, if that is known.
    pub fn classes_of(&self, drawn: &Value) -> Option<usize> {
        match drawn {
            Value::Tuple(s) => match &s.condition {
                Some(Value::Class(c)) if c.count > 0 => Some(c.count),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether anything of the user's that declares a condition was given one.
    pub fn condition_taken(&self) -> bool {
        self.condition_taken
    }

    /// How many classes the nets know that were called so far.
    pub fn classes_known(&self) -> Option<usize> {
        self.conditioned.first().map(|c| c.count)
    }

    /// Reports nets of classes that never were given one: a law without labels teaches them nothing.
    pub fn labels_reach(&mut self, span: Span) -> Res<()> {
        match self.conditioned.iter().find(|c| !c.given).cloned() {
            None => Ok(()),
            Some(c) => Err(self.report(set_errors::no_labels_reach(&c.name, c.declared, span))),
        }
    }
}
