//! What would only show when a plan runs, looked for before: derivatives that do not exist, solves inside right-hand sides,
//! fields without divergence, fields without time.
//!
//! Programs of a plan -> diagnostics. Deliberately absent: the cost of a run.

use super::errors;
use crate::autodiff;
use crate::diag::{Diagnostic, Label, Sink};
use crate::elaborate::value::Callee;
use crate::elaborate::{Elaborator, Value};
use crate::ir::{Deriv, NodeId, Op, Program, Trace};
use crate::resolve::Module;
use crate::source::{SourceMap, Span};
use crate::stage;
use crate::syntax::ast::{DefKind, ItemKind};
use std::cell::RefCell;

/// Programs that were looked at and found good: arms and metrics of a comparison share most of theirs.
#[derive(Default)]
pub struct Seen(RefCell<Vec<Program>>);

impl Seen {
    /// Whether an equal program was accepted.
    pub fn has(&self, program: &Program) -> bool {
        self.0.borrow().iter().any(|p| p.same(program))
    }

    /// Remembers a program.
    pub fn add(&self, program: &Program) {
        self.0.borrow_mut().push(program.clone());
    }
}

/// Expands and stages a program as a run does; faults within the library are shown at `at`.
pub fn check(program: &Program, at: Span, sources: &SourceMap, sink: &mut Sink, seen: &Seen) -> bool {
    let has = |f: fn(&Op) -> bool| program.dag.ids().any(|id| f(program.dag.op(id)));
    if !has(|op| matches!(op, Op::Deriv { .. } | Op::Solve(_))) {
        return true;
    }
    if seen.has(program) {
        return true;
    }
    let expanded = autodiff::expand(program);
    let staged = expanded.and_then(|p| match p.output("loss") {
        Some(loss) => stage::trainable(&p, loss),
        None => stage::forward(&p).map(|_| ()),
    });
    match staged {
        Ok(()) => {
            seen.add(program);
            true
        }
        Err(d) => {
            sink.push(blame(d, at, sources));
            false
        }
    }
}

/// Moves a place within the library to where the user asked for it.
pub fn blame(mut d: Diagnostic, at: Span, sources: &SourceMap) -> Diagnostic {
    let inside = d.primary.as_ref().is_none_or(|l| sources.file(l.span.file).is_std);
    if inside {
        let here = Label { span: at, text: "asked for here".to_owned() };
        d.secondary.retain(|l| l.span != at);
        d.secondary.extend(d.primary.replace(here));
    }
    d
}

/// Whether the file computes in single precision.
pub fn single_precision(module: &Module, sources: &SourceMap) -> bool {
    !module.items.iter().any(|i| match &i.kind {
        ItemKind::Setting { name, value } => name.name == "precision" && sources.text(value.span) == "f64",
        _ => false,
    })
}

/// Whether a log-density of something trained goes through a solve whose exact divergence vanishes identically. A flow that is
/// written down may keep volume on purpose: a rotation, a translation.
pub fn keeps_volume(program: &Program, density: NodeId) -> bool {
    if program.params.is_empty() {
        return false;
    }
    let seen = crate::ir::reachable(&program.dag, &[density], |_| false);
    let divergences = program.dag.ids().filter(|id| {
        seen[id.0 as usize] && matches!(program.dag.op(*id), Op::Deriv { kind: Deriv::Divergence(Trace::Exact), .. })
    });
    divergences.into_iter().any(|id| {
        let alone = Program { outputs: vec![("divergence".into(), id)], ..program.clone() };
        autodiff::expand(&alone).is_ok_and(|p| {
            let (_, out) = p.outputs[0];
            p.dag.as_constant(out) == Some(0.0)
        })
    })
}

/// Warns of a field that is trained along a path and does not depend on time.
pub fn time_is_used(elab: &mut Elaborator<'_>, objective: &Value, span: Span) {
    let Value::Fun(f) = objective else { return };
    if !f.given.iter().any(|(_, v)| Elaborator::is_kind(v, DefKind::Path)) {
        return;
    }
    for (_, v) in f.given.iter().filter(|(_, v)| Elaborator::is_kind(v, DefKind::Field)) {
        let Value::Fun(field) = v else { continue };
        let Callee::Def(def) = &field.callee else { continue };
        let (name, defined) = (def.define.name.name.clone(), def.define.name.span);
        if !elab.sources.file(defined.file).is_std && ignores_time(elab, v, span) == Some(true) {
            elab.report(errors::time_ignored(&name, defined, span));
        }
    }
}

/// `None` if the field cannot be built by itself; whatever is wrong is reported with the objective.
fn ignores_time(elab: &Elaborator<'_>, field: &Value, span: Span) -> Option<bool> {
    let mut quiet = Sink::default();
    let mut inner = elab.scratch(&mut quiet, "time");
    let shape = inner.shape_of_draws("source", span).ok()?;
    let x = inner.input("x", shape);
    let t = inner.input("t", vec![]);
    let v = inner.apply(field, &[Value::Node(x), Value::Node(t)], span).ok()?;
    let v = inner.as_vector(&v, span).ok()?;
    Some(!crate::ir::reachable(&inner.program.dag, &[v], |_| false)[t.0 as usize])
}
