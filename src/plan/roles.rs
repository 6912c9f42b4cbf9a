//! Whether source and target lie in one space, before an objective joins them.

use super::blocks::Block;
use super::errors;
use crate::diag::Sink;
use crate::elaborate::{Elaborator, Value, shape_name};
use crate::resolve::Module;
use crate::source::SourceMap;
use crate::syntax::ast::ExprKind;
use std::collections::HashMap;

/// Reports a flow-matching objective between laws of different spaces; both are silent afterwards.
pub fn differ(
    module: &Module,
    sources: &SourceMap,
    sink: &mut Sink,
    train: Option<Block<'_>>,
    values: &HashMap<String, Value>,
) -> bool {
    let Some(objective) = train.and_then(|b| b.get("objective")) else { return false };
    let plain = match &*objective.value.kind {
        ExprKind::Call { callee, args, .. } => {
            matches!(&*callee.kind, ExprKind::Name(n) if n == "flow_matching")
                && args.iter().all(|a| a.label.as_ref().is_none_or(|l| l.name != "pairs"))
        }
        _ => false,
    };
    if !plain || module.user.contains_key("flow_matching") {
        return false;
    }
    let mut quiet = Sink::default();
    let mut shape = |role: &str| {
        let span = module.user.get(role)?.span();
        let mut elab = Elaborator::new(module, sources, &mut quiet, values.clone(), role);
        let law = elab.role(role, span).ok()?;
        let drawn = elab.draw_from(&law, span).ok()?;
        let n = elab.as_node(&drawn, span).ok()?;
        Some((elab.program.dag.shape(n).to_vec(), span))
    };
    match (shape("source"), shape("target")) {
        (Some((a, sa)), Some((b, sb))) if a != b => {
            let cure = match b.as_slice() {
                [] => Some("normal()".to_owned()),
                [n] => Some(format!("normal(dim: {n})")),
                _ => None,
            };
            let file = sources.text(sb).starts_with("file(");
            let (a, b) = ((&*shape_name(&a), sa), (&*shape_name(&b), sb));
            sink.push(errors::roles_differ(a, b, objective.value.span, cure.as_deref(), file));
            true
        }
        _ => false,
    }
}
