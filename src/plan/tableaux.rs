//! A `tableau` declaration as exact numbers, and its proof when it is the user's.

use super::{errors, tableau_errors};
use crate::elaborate::{Elaborator, Reported, Res};
use crate::numeric::noise::NoiseTableau;
use crate::numeric::order::{Finding, ShapeFault};
use crate::numeric::rational::{self, Rational};
use crate::numeric::tableau::{Embedded, Interpolant, Tableau};
use crate::source::Span;
use crate::syntax::ast::{self, BinaryOp, Entry, Expr, ExprKind, UnaryOp};
use num_traits::{ToPrimitive, Zero};

const KEYS: [&str; 9] = ["c", "a", "b", "b_err", "order", "b_err_order", "residual", "dense", "noise"];

/// The exact value of an entry: a number, a quotient, a sum.
fn exact(e: &Expr) -> Option<Rational> {
    match &*e.kind {
        ExprKind::Number { text, .. } => rational::parse(text),
        ExprKind::Unary { op: UnaryOp::Neg, arg } => Some(-exact(arg)?),
        ExprKind::Binary { op, lhs, rhs, .. } => {
            let (a, b) = (exact(lhs)?, exact(rhs)?);
            match op {
                BinaryOp::Add => Some(a + b),
                BinaryOp::Sub => Some(a - b),
                BinaryOp::Mul => Some(a * b),
                BinaryOp::Div if !b.is_zero() => Some(a / b),
                _ => None,
            }
        }
        _ => None,
    }
}

fn row(elab: &mut Elaborator<'_>, e: &Expr) -> Res<Vec<Rational>> {
    let ExprKind::List(items) = &*e.kind else {
        return Err(elab.report(tableau_errors::tableau_entry(e.span, "a list of numbers")));
    };
    let mut out = Vec::new();
    for i in items {
        match exact(&i.value) {
            Some(r) => out.push(r),
            None => {
                return Err(
                    elab.report(tableau_errors::tableau_entry(i.value.span, "a number or a quotient of numbers"))
                );
            }
        }
    }
    Ok(out)
}

fn rows(elab: &mut Elaborator<'_>, e: &Expr) -> Res<Vec<Vec<Rational>>> {
    let ExprKind::List(items) = &*e.kind else {
        return Err(elab.report(tableau_errors::tableau_entry(e.span, "a list of rows")));
    };
    items.iter().map(|i| row(elab, &i.value)).collect()
}

/// Reads and, outside the library, proves a tableau.
pub(crate) fn from_entries(elab: &mut Elaborator<'_>, name: &ast::Ident, entries: &[Entry]) -> Res<Tableau> {
    for e in entries {
        if !KEYS.contains(&e.key.name.as_str()) {
            return Err(elab.report(errors::unknown_key("tableau", &e.key, &KEYS)));
        }
    }
    let find = |k: &str| entries.iter().find(|e| e.key.name == k);
    let need = |elab: &mut Elaborator<'_>, k: &str| match find(k) {
        Some(e) => Ok(e),
        None => Err(elab.report(tableau_errors::tableau_missing(&name.name, k, name.span))),
    };
    let c_entry = need(elab, "c")?;
    let a_entry = need(elab, "a")?;
    let b_entry = need(elab, "b")?;
    let order_entry = need(elab, "order")?;
    let whole = |elab: &mut Elaborator<'_>, e: &Entry| match exact(&e.value)
        .filter(Rational::is_integer)
        .and_then(|r| r.to_integer().to_u32())
    {
        Some(n) => Ok(n),
        None => Err(elab.report(tableau_errors::tableau_entry(e.value.span, "a whole number"))),
    };
    let order = whole(elab, order_entry)?;
    let embedded = match find("b_err") {
        None => None,
        Some(e) => {
            let order = match find("b_err_order") {
                Some(o) => Some(whole(elab, o)?),
                None => None,
            };
            Some(Embedded { weights: row(elab, &e.value)?, order })
        }
    };
    let residual = match find("residual") {
        None => Rational::zero(),
        Some(e) => match exact(&e.value) {
            Some(r) => r,
            None => return Err(elab.report(tableau_errors::tableau_entry(e.value.span, "a number"))),
        },
    };
    let interpolant = match find("dense") {
        None => None,
        Some(e) => Some(Interpolant { powers: rows(elab, &e.value)?, order: order.saturating_sub(1).max(1) }),
    };
    let noise = match find("noise") {
        None => None,
        Some(e) => Some(noise_tableau(elab, &name.name, &e.value)?),
    };
    let t = Tableau {
        name: name.name.clone(),
        c: row(elab, &c_entry.value)?,
        a: rows(elab, &a_entry.value)?,
        b: row(elab, &b_entry.value)?,
        embedded,
        order,
        residual,
        interpolant,
        noise,
    };
    if !elab.sources.file(name.span.file).is_std {
        let findings = t.check();
        let at = |k: &str, i: Option<usize>, j: Option<usize>| place(find(k).map(|e| &e.value), i, j, name.span);
        let mut failed = false;
        for f in &findings {
            let span = match f {
                Finding::Shape(s) => match s {
                    ShapeFault::Empty => at("b", None, None),
                    ShapeFault::OrderOutOfRange(_) => at("order", None, None),
                    ShapeFault::Times { .. } => at("c", None, None),
                    ShapeFault::Rows { .. } => at("a", None, None),
                    ShapeFault::Row { row, .. } => at("a", Some(*row), None),
                    ShapeFault::Embedded { .. } => at("b_err", None, None),
                    ShapeFault::Interpolant { .. } => at("dense", None, None),
                },
                Finding::Implicit { row, column, .. } => at("a", Some(*row), Some(*column)),
                Finding::RowSum { row, .. } => at("a", Some(*row), None),
                Finding::Order(_) => at("order", None, None),
                Finding::Embedded(_) => at("b_err", None, None),
                Finding::Interpolant(_) => at("dense", None, None),
            };
            let second = match f {
                Finding::RowSum { row, .. } => Some(at("c", Some(*row), None)),
                Finding::Order(_) => Some(at("b", None, None)),
                _ => None,
            };
            elab.report(tableau_errors::tableau_finding(&name.name, f, order, span, second));
            failed = true;
        }
        if let (Some(n), Some(e), false) = (&t.noise, find("noise"), failed) {
            for f in n.check(&t) {
                elab.report(tableau_errors::noise_finding(
                    &name.name,
                    &f,
                    part(&e.value, f.key()).unwrap_or(e.value.span),
                ));
                failed = true;
            }
        }
        if failed {
            return Err(Reported);
        }
    }
    Ok(t)
}

/// `noise: (a: ..., c: ..., drift: ..., diffusion: ..., b: [...], order: 3 / 2)`
fn noise_tableau(elab: &mut Elaborator<'_>, name: &str, e: &Expr) -> Res<NoiseTableau> {
    const PARTS: [&str; 6] = ["a", "c", "drift", "diffusion", "b", "order"];
    let ExprKind::Tuple { items, condition: None } = &*e.kind else {
        return Err(elab.report(tableau_errors::tableau_entry(e.span, "a record `(a: ..., c: ..., ...)`")));
    };
    for i in items {
        match &i.label {
            Some(l) if PARTS.contains(&l.name.as_str()) => {}
            Some(l) => return Err(elab.report(errors::unknown_key("noise", l, &PARTS))),
            None => return Err(elab.report(tableau_errors::tableau_entry(i.value.span, "labelled"))),
        }
    }
    let mut find = |k: &str| match items.iter().find(|i| i.label.as_ref().is_some_and(|l| l.name == k)) {
        Some(i) => Ok(&i.value),
        None => Err(elab.report(tableau_errors::tableau_missing(name, &format!("noise.{k}"), e.span))),
    };
    let (a, c, drift, diffusion, b, order) =
        (find("a")?, find("c")?, find("drift")?, find("diffusion")?, find("b")?, find("order")?);
    let Ok(weights) = <[_; 4]>::try_from(rows(elab, b)?) else {
        return Err(elab.report(tableau_errors::tableau_entry(b.span, "four rows: weights of I1, I11, I10 and I111")));
    };
    let Some(claimed) = exact(order) else {
        return Err(elab.report(tableau_errors::tableau_entry(order.span, "a number or a quotient of numbers")));
    };
    Ok(NoiseTableau {
        a: rows(elab, a)?,
        c: row(elab, c)?,
        drift: rows(elab, drift)?,
        diffusion: rows(elab, diffusion)?,
        b: weights,
        order: claimed,
    })
}

/// The place of a part of a record.
fn part(e: &Expr, key: &str) -> Option<Span> {
    let ExprKind::Tuple { items, .. } = &*e.kind else { return None };
    items.iter().find(|i| i.label.as_ref().is_some_and(|l| l.name == key)).map(|i| i.value.span)
}

/// The place of an entry of a list of lists.
fn place(e: Option<&Expr>, i: Option<usize>, j: Option<usize>, default: Span) -> Span {
    let Some(e) = e else { return default };
    let step = |e: &Expr, k: usize| match &*e.kind {
        ExprKind::List(items) => items.get(k).map(|a| a.value.clone()),
        _ => None,
    };
    let Some(row) = i.and_then(|i| step(e, i)) else { return e.span };
    j.and_then(|j| step(&row, j)).map_or(row.span, |x| x.span)
}
