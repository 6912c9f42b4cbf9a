//! Whether source and target lie in one space, before an objective joins them.

use super::blocks::Block;
use super::errors;
use crate::diag::Sink;
use crate::elaborate::value::Callee;
use crate::elaborate::{Elaborator, Value};
use crate::resolve::Module;
use crate::source::SourceMap;
use crate::syntax::ast::DefKind;
use std::collections::HashMap;

/// Reports an objective that joins laws of different spaces by a path; both are silent afterwards.
pub fn differ(
    module: &Module,
    sources: &SourceMap,
    sink: &mut Sink,
    train: Option<Block<'_>>,
    values: &HashMap<String, Value>,
) -> bool {
    let Some(objective) = train.and_then(|b| b.get("objective")) else { return false };
    let mut quiet = Sink::default();
    let mut elab = Elaborator::new(module, sources, &mut quiet, values.clone(), "objective");
    let joins = elab.top_expr(&objective.value).is_ok_and(|v| joins_by_a_path(&mut elab, &v));
    if !joins {
        return false;
    }
    let mut shape = |role: &str| {
        let span = module.user.get(role)?.span();
        let mut elab = Elaborator::new(module, sources, &mut quiet, values.clone(), role);
        let law = elab.role(role, span).ok()?;
        let drawn = elab.draw_from(&law, span).ok()?;
        let n = elab.as_node(&drawn, span).ok()?;
        Some((elab.program.dag.shape(n).to_vec(), span, matches!(law, Value::Data(_))))
    };
    match (shape("source"), shape("target")) {
        (Some((a, sa, _)), Some((b, sb, of_data))) if a != b => {
            let d = errors::roles_differ((&a, sa), (&b, sb), objective.value.span, of_data);
            sink.push(d);
            true
        }
        _ => false,
    }
}

/// Whether an objective has a path, and pairs that it was not given: those of source and target.
fn joins_by_a_path(elab: &mut Elaborator<'_>, objective: &Value) -> bool {
    let Value::Fun(f) = objective else { return false };
    let Callee::Def(d) = &f.callee else { return false };
    let path = f.given.iter().any(|(_, v)| Elaborator::is_kind(v, DefKind::Path));
    let left_out = d.define.header.inputs.iter().chain(&d.define.header.config);
    let left_out: Vec<&str> =
        left_out.map(|p| p.name.name.as_str()).filter(|n| f.given.iter().all(|(g, _)| g != n)).collect();
    let mut coupled = |name: &str| elab.configured(f, name).is_some_and(|v| Elaborator::is_kind(&v, DefKind::Coupling));
    path && left_out.into_iter().any(&mut coupled)
}
