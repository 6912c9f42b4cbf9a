//! `published`: the number that a paper gives for a result.
//!
//! A line of the file -> [`Published`], whose metric and arm are known to exist. It is printed beside the result of every arm
//! that it names; whether the two must agree is for `expect` to say.

use super::arms::squeeze;
use super::{Arm, Axis, Published, errors, published_errors};
use crate::diag::Sink;
use crate::elaborate::{Elaborator, Res};
use crate::resolve::{Module, Origin};
use crate::source::{SourceMap, Span};
use crate::syntax::ast::{Expr, ExprKind};
use std::collections::HashMap;

/// One line, as it was read.
#[derive(Clone, Copy)]
pub struct Line<'m> {
    /// The metric, with labels or without.
    pub result: &'m Expr,
    /// The number.
    pub value: &'m Expr,
    /// Its spread.
    pub within: Option<&'m Expr>,
    /// Where it was published.
    pub origin: Option<&'m str>,
    /// All of it.
    pub span: Span,
}

/// Checks the lines; reports what names no result, and numbers that contradict each other.
pub fn plan(
    lines: &[Line<'_>],
    arms: &[Arm],
    axes: &[Axis],
    module: &Module,
    sources: &SourceMap,
    sink: &mut Sink,
) -> Vec<Published> {
    let mut out: Vec<Published> = Vec::new();
    for line in lines {
        let Some(found) = one(line, arms, axes, module, sources, sink) else { continue };
        let both = |o: &&Published| arms.iter().any(|a| covers(o, a) && covers(&found, a));
        match out.iter().find(|o| o.metric == found.metric && both(o)) {
            Some(first) => sink.push(published_errors::twice(&found.metric, found.span, first.span)),
            None => out.push(found),
        }
    }
    out
}

fn covers(p: &Published, arm: &Arm) -> bool {
    p.labels.iter().all(|l| arm.labels.contains(l))
}

fn one(
    line: &Line<'_>,
    arms: &[Arm],
    axes: &[Axis],
    module: &Module,
    sources: &SourceMap,
    sink: &mut Sink,
) -> Option<Published> {
    let text = |s: Span| squeeze(sources.text(s));
    let (metric, labels) = match &*line.result.kind {
        ExprKind::Index { base, indices } => (base, indices.as_slice()),
        ExprKind::Name(_) | ExprKind::Call { .. } => (line.result, &[][..]),
        _ => {
            sink.push(published_errors::not_a_result(line.result.span));
            return None;
        }
    };
    let number = number(line.value, "published", "a number", module, sources, sink);
    let within = line.within.map(|w| {
        let must = "a number that is not negative";
        let read = self::number(w, "within", must, module, sources, sink)?;
        if read < 0.0 {
            sink.push(errors::bad_value("within", &crate::diag::short(read), must, w.span));
        }
        Some(read)
    });
    // Where arms are at fault their messages come first.
    let mut known: Vec<String> = arms.iter().flat_map(|a| a.metrics.iter().map(|m| m.label.clone())).collect();
    known.dedup();
    let name = text(metric.span);
    if !arms.is_empty() && !known.contains(&name) {
        sink.push(errors::result_unknown(&name, metric.span, &known, "a published number stands beside a result"));
        return None;
    }
    let labels: Vec<String> = labels
        .iter()
        .map(|i| {
            let label = text(i.span);
            if !axes.iter().any(|a| a.labels.contains(&label)) {
                let all: Vec<String> = axes.iter().flat_map(|a| a.labels.clone()).collect();
                sink.push(errors::expect_arm(&label, i.span, &all));
            }
            label
        })
        .collect();
    let found = Published {
        metric: name,
        labels,
        value: number?,
        spread: within.unwrap_or_default(),
        origin: line.origin.map(str::to_owned),
        span: line.span,
    };
    // Where an arm was refused that is the fault to tell.
    let all = arms.len() == axes.iter().map(|a| a.labels.len()).product::<usize>();
    let known_labels = all && found.labels.iter().all(|l| axes.iter().any(|a| a.labels.contains(l)));
    if known_labels && !arms.iter().any(|a| covers(&found, a)) {
        sink.push(published_errors::no_arm(&found.labels.join(", "), line.result.span));
        return None;
    }
    Some(found)
}

/// A number known at compile time; names of nothing are reported as no number.
pub(super) fn number(
    e: &Expr,
    key: &str,
    must: &str,
    module: &Module,
    sources: &SourceMap,
    sink: &mut Sink,
) -> Option<f64> {
    let mut elab = Elaborator::new(module, sources, sink, HashMap::new(), "");
    let named = |n: &str| module.lookup(n, Origin::User).is_some();
    let read: Res<Option<f64>> = match &*e.kind {
        ExprKind::Name(n) if !named(n) => {
            let found = format!("`{}`", elab.sources.text(e.span));
            Err(elab.report(errors::bad_value(key, &found, must, e.span)))
        }
        _ => elab.top_expr(e).and_then(|v| match elab.number(&v) {
            Some(x) => Ok(Some(x)),
            None => {
                let found = elab.describe(&v);
                Err(elab.report(errors::bad_value(key, &found, must, e.span)))
            }
        }),
    };
    read.ok().flatten()
}

/// Whether a result has a published number in some arm with these labels.
pub(super) fn exists(all: &[Published], metric: &str, labels: &[String], arms: &[Arm]) -> bool {
    let asked = |a: &&Arm| labels.iter().all(|l| a.labels.contains(l));
    all.iter().any(|p| p.metric == metric && arms.iter().filter(asked).any(|a| covers(p, a)))
}

/// The number for a result of an arm with these labels.
#[must_use]
pub fn of<'p>(all: &'p [Published], metric: &str, labels: &[String]) -> Option<&'p Published> {
    all.iter().find(|p| p.metric == metric && p.labels.iter().all(|l| labels.contains(l)))
}
