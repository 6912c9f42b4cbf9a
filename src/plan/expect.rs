//! `expect`: a comparison of results.

use super::{Arm, Axis, Published, errors, published, published_errors};
use crate::diag::Sink;
use crate::source::Span;
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, UnaryOp};

/// What must hold at the end.
#[derive(Clone, Debug)]
pub struct Expect {
    /// As written.
    pub text: String,
    /// The comparison.
    pub condition: Expr,
    /// The tolerance of `==`.
    pub within: Option<f64>,
    /// Where.
    pub span: Span,
}

/// Which number of a result is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `kl`: the value.
    Value,
    /// `kl.floor`: what a perfect model would show.
    Floor,
    /// `kl.error`: the standard error of the estimate.
    Error,
    /// `npe[ot].published`: what a paper says.
    Published,
}

impl Part {
    fn of(member: &str) -> Option<Part> {
        match member {
            "floor" => Some(Part::Floor),
            "error" => Some(Part::Error),
            "published" => Some(Part::Published),
            _ => None,
        }
    }
}

/// Looks a result up: metric, labels of the arm, which number.
pub type Lookup<'a> = dyn Fn(&str, &[String], Part) -> Option<f64> + 'a;

/// How an expectation came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// As written.
    pub text: String,
    /// Whether it holds.
    pub holds: bool,
    /// The left side.
    pub left: f64,
    /// The right side.
    pub right: f64,
}

/// Checks the form and the names of an expectation.
pub fn check(e: &Expect, known: &[String], axes: &[Axis], sink: &mut Sink, text: &dyn Fn(Span) -> String) {
    let ok = matches!(&*e.condition.kind, ExprKind::Binary { op, .. }
        if matches!(op, BinaryOp::Eq | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge));
    if !ok {
        sink.push(errors::expect_form(e.condition.span));
        return;
    }
    if constant(&e.condition) {
        sink.push(errors::expect_form(e.condition.span));
        return;
    }
    let mut todo = vec![&e.condition];
    while let Some(x) = todo.pop() {
        match &*x.kind {
            ExprKind::Number { .. } => {}
            ExprKind::Binary { lhs, rhs, .. } => todo.extend([lhs, rhs]),
            ExprKind::Unary { arg, .. } => todo.push(arg),
            ExprKind::Member { base, name } => match Part::of(&name.name) {
                Some(_) => todo.push(base),
                None => {
                    sink.push(errors::expect_part(&name.name, name.span, &["floor", "error", "published"]));
                }
            },
            ExprKind::Index { base, indices } => {
                todo.push(base);
                for i in indices {
                    let label = text(i.span);
                    if !axes.iter().any(|a| a.labels.contains(&label)) {
                        let labels: Vec<String> = axes.iter().flat_map(|a| a.labels.clone()).collect();
                        sink.push(errors::expect_arm(&label, i.span, &labels));
                    }
                }
            }
            _ => {
                let name = text(x.span);
                if !known.contains(&name) {
                    sink.push(errors::expect_unknown(&name, x.span, known));
                }
            }
        }
    }
}

/// Checks that what `.published` asks for was given.
pub fn check_published(e: &Expect, all: &[Published], arms: &[Arm], sink: &mut Sink, text: &dyn Fn(Span) -> String) {
    let mut todo = vec![&e.condition];
    while let Some(x) = todo.pop() {
        match &*x.kind {
            ExprKind::Binary { lhs, rhs, .. } => todo.extend([lhs, rhs]),
            ExprKind::Unary { arg, .. } => todo.push(arg),
            ExprKind::Member { base, name } if Part::of(&name.name) == Some(Part::Published) => {
                let (metric, labels) = match &*base.kind {
                    ExprKind::Index { base, indices } => (base, indices.iter().map(|i| text(i.span)).collect()),
                    _ => (base, vec![]),
                };
                if !published::exists(all, &text(metric.span), &labels, arms) {
                    sink.push(published_errors::none(&text(base.span), x.span));
                }
            }
            _ => {}
        }
    }
}

/// Whether an expression names no result.
fn constant(e: &Expr) -> bool {
    match &*e.kind {
        ExprKind::Number { .. } => true,
        ExprKind::Unary { arg, .. } => constant(arg),
        ExprKind::Binary { lhs, rhs, .. } => constant(lhs) && constant(rhs),
        _ => false,
    }
}

impl Expect {
    /// Evaluates it: `value` gives the mean over seeds of a result in the arms that have all of these labels.
    #[must_use]
    pub fn evaluate(&self, value: &Lookup<'_>, text: &dyn Fn(Span) -> String) -> Option<Outcome> {
        let ExprKind::Binary { op, lhs, rhs, .. } = &*self.condition.kind else { return None };
        let (left, right) = (number(lhs, value, text)?, number(rhs, value, text)?);
        let holds = match op {
            BinaryOp::Eq => (left - right).abs() <= self.within.unwrap_or(0.0),
            BinaryOp::Lt => left < right + self.within.unwrap_or(0.0),
            BinaryOp::Le => left <= right + self.within.unwrap_or(0.0),
            BinaryOp::Gt => left > right - self.within.unwrap_or(0.0),
            BinaryOp::Ge => left >= right - self.within.unwrap_or(0.0),
            _ => return None,
        };
        Some(Outcome { text: self.text.clone(), holds, left, right })
    }
}

fn number(e: &Expr, value: &Lookup<'_>, text: &dyn Fn(Span) -> String) -> Option<f64> {
    match &*e.kind {
        ExprKind::Number { value, .. } => Some(*value),
        ExprKind::Unary { op: UnaryOp::Neg, arg } => Some(-number(arg, value, text)?),
        ExprKind::Binary { op, lhs, rhs, .. } => {
            let (a, b) = (number(lhs, value, text)?, number(rhs, value, text)?);
            match op {
                BinaryOp::Add => Some(a + b),
                BinaryOp::Sub => Some(a - b),
                BinaryOp::Mul => Some(a * b),
                BinaryOp::Div => Some(a / b),
                BinaryOp::Pow => Some(libm::pow(a, b)),
                _ => None,
            }
        }
        ExprKind::Member { base, name } => result(base, Part::of(&name.name)?, value, text),
        _ => result(e, Part::Value, value, text),
    }
}

/// A metric, with the labels of an arm or without.
fn result(e: &Expr, part: Part, value: &Lookup<'_>, text: &dyn Fn(Span) -> String) -> Option<f64> {
    match &*e.kind {
        ExprKind::Index { base, indices } => {
            let labels: Vec<String> = indices.iter().map(|i| text(i.span)).collect();
            value(&text(base.span), &labels, part)
        }
        _ => value(&text(e.span), &[], part),
    }
}
