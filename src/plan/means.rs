//! Metrics that are the mean of a number of each sample: `accuracy(logits)`, and every objective.
//!
//! An entry of `evaluate` -> a program with the output `value`. Of data the rows that judge are taken, each once; of laws fresh
//! draws; of a coupling pairs of these. Deliberately absent: running it.

use super::blocks::{self, Block};
use super::{Extent, Forward, MetricKind, MetricPlan, errors, extent, idle, label_errors, noise};
use crate::elaborate::HostUse;
use crate::elaborate::{Elaborator, Res, Value};
use crate::ir::NodeId;
use crate::resolve::{Def, FunDef, Origin};
use crate::source::Span;
use crate::syntax::ast::{Arg, DefKind, Entry, Expr, ExprKind};
use std::rc::Rc;

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
    name == "accuracy" || objective_called(elab, name).is_some()
}

fn objective_called(elab: &Elaborator<'_>, name: &str) -> Option<Rc<FunDef>> {
    match elab.module.lookup(name, Origin::User)? {
        Def::Fun(f) if f.define.kind == DefKind::Objective => Some(f.clone()),
        _ => None,
    }
}

/// Keys of `generate` that an objective is measured with, by label; where it has a parameter of that name they are its own.
const KEYS: [&str; 2] = ["solver", "count"];

/// The entry without these keys, and the keys.
fn apart(elab: &Elaborator<'_>, e: &Expr) -> (Expr, Vec<Entry>) {
    let ExprKind::Call { callee, args, condition } = &*e.kind else { return (e.clone(), vec![]) };
    let ExprKind::Name(name) = &*callee.kind else { return (e.clone(), vec![]) };
    let Some(f) = objective_called(elab, name) else { return (e.clone(), vec![]) };
    let h = &f.define.header;
    let own = |key: &str| h.inputs.iter().chain(&h.condition).chain(&h.config).any(|p| p.name.name == key);
    let over = |a: &&Arg| a.label.as_ref().is_some_and(|l| KEYS.contains(&l.name.as_str()) && !own(&l.name));
    let (keys, rest): (Vec<&Arg>, Vec<&Arg>) = args.iter().partition(over);
    if keys.is_empty() {
        return (e.clone(), vec![]);
    }
    let entry = |a: &Arg| Some(Entry { key: a.label.clone()?, value: a.value.clone() });
    let over = keys.into_iter().filter_map(entry).collect();
    let args: Vec<Arg> = rest.into_iter().cloned().collect();
    // An objective without arguments is measured by its name.
    let kind = match args.is_empty() {
        true => (*callee.kind).clone(),
        false => ExprKind::Call { callee: callee.clone(), args, condition: condition.clone() },
    };
    (Expr { kind: Box::new(kind), ..e.clone() }, over)
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
    let (bare, over) = apart(&elab, e);
    let value = match accuracy {
        Some(args) => self::accuracy(&mut elab, args, e.span)?,
        None => {
            let objective = elab.top_expr(&bare)?;
            elab.objective(&objective, e.span)?
        }
    };
    elab.program.outputs.push(("value".into(), value));
    let name = if accuracy.is_some() { "accuracy" } else { "objective" };
    let given = |key: &str| over.iter().find(|o| o.key.name == key);
    // The solver of training, where that is what is looked at.
    let inherited = || train.and_then(|b| b.get("solver")).or_else(|| generate.and_then(|b| b.get("solver")));
    let own = given("solver");
    let mut default_solver = blocks::solver(&mut elab, own.or_else(inherited), e.span)?;
    if let Some(own) = own {
        let hosts = elab.hosts.iter().flat_map(|h| [&h.programs.0, &h.programs.1]);
        if !hosts.chain([&elab.program]).any(|p| idle::solves(p, true)) {
            let (why, cure) = ("it solves nothing that leaves the solver open", "leave it out");
            return Err(elab.report(errors::idle_argument(name, &own.key, why, cure)));
        }
        default_solver = noise::fit_solver(&mut elab, default_solver, Some(own), false, e.span)?;
    }
    let extent = if over.is_empty() { Extent::default() } else { extent::of(&mut elab, name, &over, e.span)? };
    let solvers = elab.solvers.iter().map(|s| (**s).clone()).collect();
    let hosts = std::mem::take(&mut elab.hosts);
    let forward = Forward { program: elab.program, solvers, default_solver };
    Ok(MetricPlan {
        label: text.to_owned(),
        name,
        kind: MetricKind::Mean(Box::new(Mean { forward, hosts })),
        generate: None,
        extent,
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
