//! The report's pictures: which ones `plot` asks for, and programs for the velocity on a grid and steps along trajectories.
//!
//! The sampler of `generate` -> two programs, if a field stands behind it. Deliberately absent: messages about these; whatever is
//! wrong was reported with the sampler itself.

use super::blocks::{self, Block};
use super::{Forward, picture_errors};
use crate::diag::Sink;
use crate::elaborate::value::Callee;
use crate::elaborate::{Elaborator, Value};
use crate::report::html::PICTURES;
use crate::resolve::Module;
use crate::source::SourceMap;
use crate::syntax::ast::{Arg, DefKind, ExprKind};
use std::collections::HashMap;

/// Takes the entries of a `plot`; reports names that no picture has.
pub(super) fn named<'m>(into: &mut Vec<&'m Arg>, items: &'m [Arg], sources: &SourceMap, sink: &mut Sink) {
    let text = |a: &Arg| super::arms::squeeze(sources.text(a.value.span));
    for a in items {
        let known = matches!(&*a.value.kind, ExprKind::Name(n) if a.label.is_none() && PICTURES.contains(&n.as_str()));
        match into.iter().find(|o| text(o) == text(a)) {
            _ if !known => sink.push(picture_errors::unknown_picture(&text(a), a.value.span, &PICTURES)),
            Some(first) => sink.push(picture_errors::repeated_picture(&text(a), a.value.span, first.value.span)),
            None => into.push(a),
        }
    }
}

/// The field behind the sampler, if the sampler is configured with one: for pictures of its velocity and trajectories.
pub(super) fn pictures(
    module: &Module,
    sources: &SourceMap,
    block: Block<'_>,
    values: &HashMap<String, Value>,
) -> Option<(crate::ir::Program, Forward, f64)> {
    let entry = block.get("sampler")?;
    let span = entry.value.span;
    // Failures here are silent: whatever is wrong was reported with the sampler itself.
    let mut quiet = Sink::default();
    let mut horizon = 1.0;
    let mut build = |quiet: &mut Sink, solve: bool| -> Option<(crate::ir::Program, Forward)> {
        let mut elab = Elaborator::new(module, sources, quiet, values.clone(), "picture");
        let Value::Law(law) = elab.top_expr(&entry.value).ok()? else { return None };
        let field = law.given.iter().map(|(_, v)| v).find(|v| match v {
            Value::Fun(f) => matches!(&f.callee, Callee::Def(d) if matches!(d.define.kind, DefKind::Field | DefKind::Fn | DefKind::Net)),
            _ => false,
        })?;
        // A flow that ends before 1 may have no velocity there.
        let until = law.given.iter().find(|(name, _)| &**name == "until");
        horizon = match until {
            Some((_, Value::Real(end))) => *end,
            _ => 1.0,
        };
        let shape = elab.shape_of_draws("source", span).ok()?;
        let x = elab.input("x", shape);
        // A picture follows the field, without noise.
        let default_solver = match blocks::solver(&mut elab, block.get("solver"), span).ok()? {
            s if s.method.noise.is_some() => blocks::solver(&mut elab, None, span).ok()?,
            s => s,
        };
        if solve {
            let ta = elab.input("ta", vec![]);
            let tb = elab.input("tb", vec![]);
            let end = elab.advance(field, x, ta, tb, span).ok()?;
            elab.program.outputs.push(("x".into(), end));
        } else {
            let t = elab.input("t", vec![]);
            let v = elab.apply(field, &[Value::Node(x), Value::Node(t)], span).ok()?;
            let v = elab.as_vector(&v, span).ok()?;
            elab.program.outputs.push(("v".into(), v));
        }
        let solvers = elab.solvers.iter().map(|s| (**s).clone()).collect();
        let program = elab.program;
        Some((program.clone(), Forward { program, solvers, default_solver }))
    };
    let (velocity, _) = build(&mut quiet, false)?;
    let (_, advance) = build(&mut quiet, true)?;
    Some((velocity, advance, horizon))
}
