//! Metrics that are the mean of a number of each sample: `accuracy(logits)`, and every objective.
//!
//! An entry of `evaluate` -> a program with the output `value`. Of data the rows that judge are taken, each once; of laws fresh
//! draws; of a coupling pairs of these. Deliberately absent: running it.

use super::blocks::{self, Block};
use super::{Forward, MetricKind, MetricPlan, label_errors};
use crate::elaborate::HostUse;
use crate::elaborate::{Elaborator, Res, Value};
use crate::ir::NodeId;
use crate::source::Span;
use crate::syntax::ast::{Arg, DefKind, Expr, ExprKind};

/// A number of each sample.
#[derive(Clone, Debug)]
pub struct Mean {
    /// Output `value`.
    pub forward: Forward,
    /// Columns that the host makes.
    pub hosts: Vec<HostUse>,
}

/// Whether an entry is one of these: `accuracy`, or what an objective is called.
pub fn is_mean(elab: &Elaborator<'_>, e: &Expr) -> bool {
    let name = match &*e.kind {
        ExprKind::Name(n) => n,
        ExprKind::Call { callee, .. } => match &*callee.kind {
            ExprKind::Name(n) => n,
            _ => return false,
        },
        _ => return false,
    };
    let objective = |d: &crate::resolve::Def| match d {
        crate::resolve::Def::Fun(f) => f.define.kind == DefKind::Objective,
        _ => false,
    };
    name == "accuracy" || elab.module.lookup(name, crate::resolve::Origin::User).is_some_and(objective)
}

/// The plan of such an entry; `elab` is fresh and becomes its program.
pub fn plan(
    mut elab: Elaborator<'_>,
    arg: &Arg,
    text: &str,
    generate: Option<Block<'_>>,
    train: Option<Block<'_>>,
) -> Res<MetricPlan> {
    let e = &arg.value;
    let accuracy = match &*e.kind {
        ExprKind::Name(n) if n == "accuracy" => Some(&[][..]),
        ExprKind::Call { callee, args, .. } if matches!(&*callee.kind, ExprKind::Name(n) if n == "accuracy") => {
            Some(&args[..])
        }
        _ => None,
    };
    let value = match accuracy {
        Some(args) => self::accuracy(&mut elab, args, e.span)?,
        None => {
            let objective = elab.top_expr(e)?;
            elab.objective(&objective, e.span)?
        }
    };
    elab.program.outputs.push(("value".into(), value));
    // The solver of training, where that is what is looked at.
    let solver = train.and_then(|b| b.get("solver")).or_else(|| generate.and_then(|b| b.get("solver")));
    let default_solver = blocks::solver(&mut elab, solver, e.span)?;
    let solvers = elab.solvers.iter().map(|s| (**s).clone()).collect();
    let hosts = std::mem::take(&mut elab.hosts);
    let forward = Forward { program: elab.program, solvers, default_solver };
    Ok(MetricPlan {
        label: text.to_owned(),
        name: if accuracy.is_some() { "accuracy" } else { "objective" },
        kind: MetricKind::Mean(Box::new(Mean { forward, hosts })),
        generate: None,
        extent: super::Extent::default(),
        by_label: false,
        span: e.span,
    })
}

/// 1 where the net's greatest logit is that of the label.
fn accuracy(elab: &mut Elaborator<'_>, args: &[Arg], span: Span) -> Res<NodeId> {
    let mut net = None;
    let mut on = None;
    for a in args {
        match &a.label {
            None if net.is_none() => net = Some((elab.top_expr(&a.value)?, a.value.span)),
            Some(l) if l.name == "on" => on = Some(elab.top_expr(&a.value)?),
            None => return Err(elab.report(label_errors::accuracy_of("several", a.value.span))),
            Some(l) => return Err(elab.report(super::errors::unknown_key("accuracy", l, &["on"]))),
        }
    }
    let Some((net, at)) = net else { return Err(elab.report(label_errors::accuracy_of("nothing", span))) };
    let data = match on {
        Some(v) => v,
        None => {
            let labelled: Vec<_> =
                elab.module.sets.borrow().all().into_iter().filter(|s| s.classes.is_some()).collect();
            match labelled.as_slice() {
                [one] => Value::Data(one.clone()),
                _ => return Err(elab.report(label_errors::no_labelled_data(span))),
            }
        }
    };
    let drawn = elab.draw_from(&data, span)?;
    let Value::Tuple(row) = &drawn else { return Err(elab.report(label_errors::no_labelled_data(span))) };
    let Some(label @ Value::Class(_)) = &row.condition else {
        return Err(elab.report(label_errors::no_labelled_data(span)));
    };
    let inputs: Vec<Value> = row.items.iter().map(|(_, v)| v.clone()).collect();
    if !matches!(net, Value::Fun(_)) {
        let found = elab.describe(&net);
        return Err(elab.report(label_errors::accuracy_of(&found, at)));
    }
    let logits = elab.apply(&net, &inputs, at)?;
    let hit = elab.library_value("hit", span)?;
    let value = elab.apply(&hit, &[logits, label.clone()], at)?;
    elab.as_scalar(&value, span)
}
