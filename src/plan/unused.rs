//! Definitions that nothing uses: looked at by themselves, as far as their headers say what they take.
//!
//! A module whose experiment is sound -> diagnostics of what is faulty in the rest. A name that nothing reads is a warning, a
//! fault in it is a fault. Deliberately absent: headers that leave open what arrives; these are templates.

use crate::diag::Sink;
use crate::elaborate::{Elaborator, Value};
use crate::resolve::{Def, FunDef, Module};
use crate::source::{SourceMap, Span};
use crate::syntax::ast::{DefKind, Expr, ExprKind, Formal, TypeExpr};
use std::collections::HashMap;

/// Reports what is wrong in the definitions of the file that nothing reads; `arm` is the value of every axis and of every stage.
pub fn check(module: &Module, sources: &SourceMap, sink: &mut Sink, arm: &HashMap<String, Value>) {
    for (name, def) in &module.user {
        // A stage is no value: what it trains is looked at with its arm.
        let stage = matches!(def, Def::Stage(_));
        if stage || module.used.contains(name) || sources.file(def.span().file).is_std {
            continue;
        }
        let mut elab = Elaborator::new(module, sources, sink, arm.clone(), "unused");
        let span = module.declared.get(name).copied().unwrap_or(def.span());
        let value = elab.top_expr(&Expr { kind: Box::new(ExprKind::Name(name.clone())), span });
        // Whatever is wrong has been reported; there is nothing to go on with.
        let Ok(value) = value else { continue };
        match def {
            Def::Fun(f) => {
                let state = state(module, sources, arm, span);
                drop(call(&mut elab, f, &value, state.as_deref(), span));
            }
            Def::Law(l) if l.sampler.as_ref().is_some_and(|s| needs_nothing(s)) => {
                drop(elab.draw_from(&value, span));
            }
            Def::Law(_) | Def::Bind(..) | Def::Param(_) | Def::Tableau(..) | Def::Axis(..) | Def::Stage(_) => {}
        }
    }
}

/// The shape of the source's draws, if there is one.
fn state(module: &Module, sources: &SourceMap, arm: &HashMap<String, Value>, span: Span) -> Option<Vec<usize>> {
    let mut quiet = Sink::default();
    Elaborator::new(module, sources, &mut quiet, arm.clone(), "unused").shape_of_draws("source", span).ok()
}

/// Whether every parameter has a default.
fn needs_nothing(f: &FunDef) -> bool {
    let h = &f.define.header;
    h.inputs.iter().chain(&h.config).all(|p| p.default.is_some())
}

/// Calls a function with inputs of the shapes that its header says; nothing if it leaves one open.
fn call(elab: &mut Elaborator<'_>, f: &FunDef, value: &Value, state: Option<&[usize]>, span: Span) -> Option<Value> {
    let h = &f.define.header;
    if h.config.iter().any(|c| c.default.is_none()) {
        return None;
    }
    match f.define.kind {
        DefKind::Objective if needs_nothing(f) => return elab.objective(value, span).ok().map(Value::Node),
        DefKind::Objective
        | DefKind::Coupling
        | DefKind::Sampler
        | DefKind::LogDensity
        | DefKind::Entropy
        | DefKind::Modes => return None,
        DefKind::Fn | DefKind::Net | DefKind::Field | DefKind::Path => {}
    }
    let mut inputs = Vec::new();
    for (i, input) in h.inputs.iter().enumerate() {
        let shape = match (written(input), f.define.kind) {
            (Some(shape), _) => shape,
            (None, DefKind::Field) if i == 0 && input.ty.is_none() => state?.to_vec(),
            (None, DefKind::Path) if i < 2 && input.ty.is_none() => state?.to_vec(),
            (None, DefKind::Field) if i == 1 && input.ty.is_none() => vec![],
            (None, DefKind::Path) if i == 2 && input.ty.is_none() => vec![],
            (None, _) => return None,
        };
        inputs.push(Value::Node(elab.input(&input.name.name, shape)));
    }
    if f.define.kind == DefKind::Fn {
        // A template: whoever calls it would own its parameters.
        elab.own_parameters(&f.define.name.name);
    }
    elab.apply(value, &inputs, span).ok()
}

/// The shape that a parameter's type says in numbers.
fn written(f: &Formal) -> Option<Vec<usize>> {
    let Some(TypeExpr::Name { name, dims, .. }) = &f.ty else { return None };
    let extents = dims.iter().map(|d| match &*d.kind {
        ExprKind::Number { value, is_int: true, .. } if (1.0..1e6).contains(value) => Some(*value as usize),
        _ => None,
    });
    let extents: Option<Vec<usize>> = extents.collect();
    match (name.name.as_str(), extents?) {
        ("real", d) if d.is_empty() => Some(d),
        ("vec", d) if d.len() == 1 => Some(d),
        ("mat", d) if d.len() == 2 => Some(d),
        _ => None,
    }
}
