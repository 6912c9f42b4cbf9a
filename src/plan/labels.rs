//! Labels of generated samples, and which rows judge.
//!
//! `labels: each | k | [..]` -> the class of every sample, and the condition that the sampler is given. Deliberately absent: what a
//! condition does to a law (`elaborate::class`), metrics.

use super::label_errors;
use super::{MetricKind, MetricPlan};
use crate::data::Split;
use crate::diag::{Diagnostic, Sink};
use crate::elaborate::builtin::Builtin;
use crate::elaborate::{Class, Elaborator, Res, Set, Value};
use crate::ir::{NodeId, Program};
use crate::resolve::Module;
use crate::source::Span;
use crate::syntax::ast::Entry;
use std::sync::Arc;

/// A law under the labels of a block.
pub struct Labelled {
    /// Sample `i` has class `classes[i % len]`.
    pub classes: Vec<u32>,
    /// What the law is given.
    pub condition: (Value, Span),
    /// The input that carries it.
    node: NodeId,
}

/// The classes of a law's draws, with their names where there are any.
fn classes_of_target(elab: &mut Elaborator<'_>) -> Option<(usize, Vec<String>)> {
    let mut quiet = Sink::default();
    let mut inner = Elaborator::new(elab.module, elab.sources, &mut quiet, elab.arm.clone(), "labels");
    let span = inner.module.user.get("target")?.span();
    let target = inner.role("target", span).ok()?;
    let drawn = inner.draw_from(&target, span).ok()?;
    let count = inner.classes_of(&drawn)?;
    let names = inner.sets_read(&inner.program).iter().find_map(|s| s.classes.clone()).unwrap_or_default();
    Some((count, names))
}

/// Whether draws of the target have labels.
pub fn target_has_labels(elab: &mut Elaborator<'_>) -> bool {
    let mut quiet = Sink::default();
    let mut inner = Elaborator::new(elab.module, elab.sources, &mut quiet, elab.arm.clone(), "labels");
    let Some(span) = inner.module.user.get("target").map(crate::resolve::Def::span) else { return false };
    let drawn = inner.role("target", span).and_then(|t| inner.draw_from(&t, span));
    drawn.is_ok_and(|d| inner.label_of(&d).is_some())
}

/// How many classes a law knows when it is given none.
fn classes_of_law(elab: &Elaborator<'_>, law: &Value, span: Span) -> Option<usize> {
    let mut quiet = Sink::default();
    let mut inner = elab.scratch(&mut quiet, "labels");
    inner.draw_from(law, span).ok()?;
    inner.classes_known()
}

/// The labels of an entry, and the condition that they are.
pub fn of_entry(elab: &mut Elaborator<'_>, e: &Entry, law: &Value) -> Res<Labelled> {
    let span = e.value.span;
    let v = elab.top_expr(&e.value)?;
    let known = classes_of_target(elab);
    let names = known.as_ref().map(|(_, n)| n.clone()).unwrap_or_default();
    let Some(count) = known.map(|(n, _)| n).or_else(|| classes_of_law(elab, law, span)) else {
        return Err(elab.report(label_errors::no_classes(span)));
    };
    let classes: Vec<u32> = match &v {
        Value::Builtin(Builtin::Each) => (0..count as u32).collect(),
        Value::List(_) | Value::Range(..) => {
            let items = elab.items_of(&v, span)?;
            items.iter().map(|(_, v)| class(elab, v, count, &names, span)).collect::<Res<_>>()?
        }
        one => vec![class(elab, one, count, &names, span)?],
    };
    if classes.is_empty() {
        return Err(elab.report(label_errors::bad_label("an empty list", count, &names, span)));
    }
    let node = elab.input("label", vec![]);
    Ok(Labelled { classes, condition: (Value::Class(Class { node, count }), span), node })
}

fn class(elab: &mut Elaborator<'_>, v: &Value, count: usize, names: &[String], span: Span) -> Res<u32> {
    let found = match v {
        Value::Str(s) => names.iter().position(|n| **n == **s),
        _ => elab.integer(v).and_then(|i| usize::try_from(i).ok()).filter(|i| *i < count),
    };
    match found {
        Some(k) => Ok(k as u32),
        None => {
            let found = elab.describe(v);
            Err(elab.report(label_errors::bad_label(&found, count, names, span)))
        }
    }
}

impl Labelled {
    /// Reports labels that nothing takes. What takes them may have a weight of zero.
    pub fn reaches(&self, elab: &mut Elaborator<'_>, value: NodeId, law: Span) -> Res<()> {
        if elab.condition_taken() || crate::ir::reachable(&elab.program.dag, &[value], |_| false)[self.node.0 as usize]
        {
            return Ok(());
        }
        let span = self.condition.1;
        Err(elab.report(label_errors::labels_unused(span, law)))
    }
}

/// Whether metrics see rows that did not train: a likelihood must, distances are warned of.
pub fn judged_by_test(module: &Module, target: &Program, metrics: &[MetricPlan], sink: &mut Sink) -> bool {
    let all = module.sets.borrow().all();
    let reads = |s: &&Arc<Set>| target.inputs.iter().any(|d| d.rows.as_ref().is_some_and(|r| r.set == s.id));
    let Some(set) = all.iter().filter(reads).find(|s| s.count(Split::Test) == 0) else { return true };
    let mut sound = true;
    let mut first = true;
    for m in metrics {
        let d: Option<Diagnostic> = match m.kind {
            MetricKind::Density { .. } | MetricKind::Coverage { .. } => {
                sound = false;
                Some(label_errors::judged_by_training(&m.label, m.span, set.span))
            }
            MetricKind::Samples if std::mem::take(&mut first) => {
                Some(label_errors::no_test_rows(&m.label, m.span, set.span))
            }
            MetricKind::Samples
            | MetricKind::Mean(_)
            | MetricKind::Weights(_)
            | MetricKind::Modes(_)
            | MetricKind::StepTime
            | MetricKind::Energy(_)
            | MetricKind::Npe(_)
            | MetricKind::Evaluations
            | MetricKind::Training(_)
            | MetricKind::Parameters => None,
        };
        d.into_iter().for_each(|d| sink.push(d));
    }
    sound
}
