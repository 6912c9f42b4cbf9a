//! The arms of a comparison: every combination of the axes, elaborated anew.

use super::blocks::{self, Block};
use super::expect::{self, Expect};
use super::stages::{self, Merged, Stage};
use super::{
    Arm, Axis, RunPlan, budget, errors, feasible, growth, idle, metrics, options, pictures, published, roles, unused,
};
use crate::backend::Precision;
use crate::diag::{Code, Sink};
use crate::elaborate::sets::Rows;
use crate::elaborate::{Elaborator, Reported, Res, Value, set_errors};
use crate::resolve::Module;
use crate::source::{SourceMap, Span};
use crate::syntax::ast::{Arg, Expr, Ident, ItemKind};
use std::collections::HashMap;

/// Most arms of one comparison.
const MAX_ARMS: usize = 512;

#[derive(Clone)]
struct Parts<'m> {
    /// The stage that these parts belong to, and those before it.
    stage: Option<Stage<'m>>,
    train: Option<Block<'m>>,
    generate: Option<Block<'m>>,
    evaluate: Vec<&'m Arg>,
    plot: Option<Vec<&'m Arg>>,
    expects: Vec<(&'m Expr, Option<&'m Expr>, Span)>,
    published: Vec<published::Line<'m>>,
    axes: Vec<(&'m Ident, &'m Expr)>,
    settings: Vec<(&'m Ident, &'m Expr)>,
}

impl<'m> Parts<'m> {
    /// The parts of each stage.
    fn by_stage(&self, merged: &'m [Merged]) -> Vec<Parts<'m>> {
        let parts = |(i, m): (usize, &'m Merged)| Parts {
            stage: Some(Stage { all: merged, index: i }),
            train: m.train.as_ref().map(|(keyword, entries)| Block { keyword, entries }),
            generate: m.generate.as_ref().map(|(keyword, entries)| Block { keyword, entries }),
            evaluate: if m.evaluate.is_empty() { self.evaluate.clone() } else { m.evaluate.iter().collect() },
            ..self.clone()
        };
        merged.iter().enumerate().map(parts).collect()
    }
}

/// Makes the plan; reports everything that is wrong with the experiment.
pub fn plan(module: &Module, sources: &SourceMap, sink: &mut Sink) -> Option<RunPlan> {
    let parts = collect(module, sources, sink);
    let staged = module.items.iter().any(|i| matches!(i.kind, ItemKind::Stage { .. }));
    if let (None, None, true, false) = (&parts.train, &parts.generate, parts.evaluate.is_empty(), staged) {
        sink.push(errors::empty_experiment(module.items.last().map(|i| i.span)));
    }
    let settings = settings(module, sources, sink, &parts);
    let axes = axes(module, sources, sink, &parts)?;
    let merged = stages::merged(module, parts.train, parts.generate, sink);
    let views: Vec<Parts<'_>> = if merged.is_empty() { vec![parts.clone()] } else { parts.by_stage(&merged) };
    let mut arms = Vec::new();
    let mut failed = false;
    let seen = feasible::Seen::default();
    let names: Vec<&str> = axes.iter().map(|(a, _)| a.name.as_str()).collect();
    for choice in choices(&axes) {
        let labels: Vec<String> = choice.iter().zip(&axes).map(|(&i, (a, _))| a.labels[i].clone()).collect();
        let values: HashMap<String, Value> =
            choice.iter().zip(&axes).zip(&names).map(|((&i, (_, vs)), n)| ((*n).to_owned(), vs[i].clone())).collect();
        // Every arm would run into it, and slowly.
        if sink.items().iter().any(|d| d.code == Code::BudgetExceeded) {
            return None;
        }
        for view in &views {
            match arm(module, sources, sink, view, labels.clone(), values.clone(), &seen) {
                Ok(a) => arms.push(a),
                Err(Reported) => failed = true,
            }
        }
    }
    if !sink.has_errors() {
        growing(&arms, &views, sources, sink);
        let blocks: Vec<_> = views.iter().map(|v| (v.train, v.generate)).collect();
        idle::check(&arms, &blocks, &names, sink);
    }
    if !failed && !sink.has_errors() {
        let mut first = axes.iter().map(|(a, vs)| (a.name.clone(), vs[0].clone())).collect();
        if let Some(index) = merged.len().checked_sub(1) {
            Stage { all: &merged, index }.know(&mut first, true);
        }
        unused::check(module, sources, sink, &first);
    }
    let mut axes: Vec<Axis> = axes.into_iter().map(|(a, _)| a).collect();
    let stages: Vec<String> = merged.iter().map(|m| m.name.name.clone()).collect();
    if !stages.is_empty() {
        axes.push(Axis { name: "stage".into(), labels: stages.clone() });
    }
    let text = |s: Span| squeeze(sources.text(s));
    let published = published::plan(&parts.published, &arms, &axes, module, sources, sink);
    let mut expects = Vec::new();
    for (condition, within, span) in &parts.expects {
        let must = "a number that is not negative";
        let within = within.and_then(|w| {
            if expect::of_results(w, &arms, &text) {
                return Some(expect::Within::Results(w.clone()));
            }
            let x = published::number(w, "within", must, module, sources, sink)?;
            if x < 0.0 {
                sink.push(errors::bad_value("within", &crate::diag::short(x), must, w.span));
            }
            Some(expect::Within::Number(x))
        });
        let e = Expect { text: text(*span), condition: (*condition).clone(), within, span: *span };
        if !arms.is_empty() {
            let seeds = settings.as_ref().map_or(1, |s| s.0.len());
            expect::check(&e, &arms, &axes, seeds, sink, &text);
            expect::check_published(&e, &published, &arms, sink, &text);
        }
        expects.push(e);
    }
    let (seeds, precision) = settings?;
    let sets = module.sets.borrow().all();
    for set in &sets {
        if let (Precision::F32, Rows::Table(t)) = (precision, &set.rows)
            && t.greatest > f64::from(f32::MAX)
            && t.columns.iter().any(|c| c.scale.is_none())
        {
            sink.push(set_errors::too_large(&set.name, t.greatest, set.span));
        }
    }
    if failed || sink.has_errors() {
        return None;
    }
    let pictures = parts.plot.map(|p| p.iter().map(|a| squeeze(sources.text(a.value.span))).collect());
    Some(RunPlan { seeds, precision, axes, stages, arms, sets, published, expects, pictures })
}

/// Warns of velocities that grow too fast, each different one once.
fn growing(arms: &[Arm], views: &[Parts<'_>], sources: &SourceMap, sink: &mut Sink) {
    let seen = feasible::Seen::default();
    for arm in arms {
        let Some(v) = &arm.pictures.velocity else { continue };
        let generate = views.get(arm.stage.unwrap_or(0)).and_then(|p| p.generate);
        if !seen.has(v)
            && let Some(e) = generate.and_then(|b| b.get("sampler"))
            && let Some(d) = growth::growth(v, e.value.span, |s| !sources.file(s.file).is_std)
        {
            sink.push(d);
        }
        seen.add(v);
    }
}

/// Text on one line.
pub(super) fn squeeze(s: &str) -> String {
    s.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn collect<'m>(module: &'m Module, sources: &SourceMap, sink: &mut Sink) -> Parts<'m> {
    let mut parts = Parts {
        stage: None,
        train: None,
        generate: None,
        evaluate: vec![],
        plot: None,
        expects: vec![],
        published: vec![],
        axes: vec![],
        settings: vec![],
    };
    for item in &module.items {
        match &item.kind {
            ItemKind::Block { keyword, entries } => {
                let slot = if keyword.name == "train" { &mut parts.train } else { &mut parts.generate };
                match slot {
                    Some(first) => sink.push(errors::repeated_block(keyword, first.keyword.span)),
                    None => *slot = Some(Block { keyword, entries }),
                }
            }
            ItemKind::List { keyword, items } if keyword.name == "evaluate" => {
                stages::metrics(&mut parts.evaluate, items, sources, sink);
            }
            ItemKind::List { items, .. } => pictures::named(parts.plot.get_or_insert_default(), items, sources, sink),
            ItemKind::Expect { condition, within } => {
                parts.expects.push((condition, within.as_ref(), item.span));
            }
            ItemKind::Published { result, value, within, origin } => parts.published.push(published::Line {
                result,
                value,
                within: within.as_ref(),
                origin: origin.as_deref(),
                span: item.span,
            }),
            ItemKind::Compare { name, list } => parts.axes.push((name, list)),
            ItemKind::Setting { name, value } => {
                // `seed 1` and `seeds 0..3` set the same thing.
                let what = |n: &str| n.trim_end_matches('s').to_owned();
                match parts.settings.iter().find(|(o, _)| what(&o.name) == what(&name.name)) {
                    Some((first, _)) => sink.push(errors::repeated_key(name, first.span)),
                    None => parts.settings.push((name, value)),
                }
            }
            // Taken apart by `stages::merged` and `resolve::imports`.
            ItemKind::Stage { .. } | ItemKind::Use { .. } => {}
            ItemKind::Bind { .. } | ItemKind::Define(_) | ItemKind::Param(_) | ItemKind::Tableau { .. } => {}
        }
    }
    parts
}

/// The items of every axis, with what they are called.
fn axes(module: &Module, sources: &SourceMap, sink: &mut Sink, parts: &Parts<'_>) -> Option<Vec<(Axis, Vec<Value>)>> {
    let mut out = Vec::new();
    for (name, list) in &parts.axes {
        let mut elab = Elaborator::new(module, sources, sink, HashMap::new(), "");
        let read = elab.top_expr(list).and_then(|v| elab.items_of(&v, list.span));
        let Ok(items) = read else {
            // The rest of the file is looked at with this name silent.
            out.push((Axis { name: name.name.clone(), labels: vec![String::new()] }, vec![Value::Poison]));
            continue;
        };
        let written: Vec<String> = match &*list.kind {
            crate::syntax::ast::ExprKind::List(args) => {
                args.iter().map(|a| squeeze(sources.text(a.value.span))).collect()
            }
            _ => items.iter().map(|(_, v)| elab.describe(v)).collect(),
        };
        let labels: Vec<String> = items
            .iter()
            .zip(written)
            .map(|((l, v), w)| {
                l.as_ref().map_or_else(|| elab.number(v).map_or(w, crate::diag::short), |l| l.to_string())
            })
            .collect();
        if items.is_empty() {
            elab.report(errors::empty_axis(&name.name, list.span));
            out.push((Axis { name: name.name.clone(), labels: vec![String::new()] }, vec![Value::Poison]));
            continue;
        }
        if let Some(twice) = labels.iter().enumerate().find(|(i, l)| labels[..*i].contains(l)) {
            elab.report(errors::repeated_arm(twice.1, list.span));
        }
        out.push((Axis { name: name.name.clone(), labels }, items.into_iter().map(|(_, v)| v).collect()));
    }
    let count: usize = out.iter().map(|(a, _): &(Axis, Vec<Value>)| a.labels.len()).product();
    if count > MAX_ARMS {
        sink.push(errors::too_many_arms(count, MAX_ARMS, parts.axes[0].1.span));
        return None;
    }
    Some(out)
}

/// Every combination, the last axis fastest.
fn choices(axes: &[(Axis, Vec<Value>)]) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for (a, _) in axes {
        all = all.into_iter().flat_map(|c| (0..a.labels.len()).map(move |i| [c.clone(), vec![i]].concat())).collect();
    }
    all
}

fn settings(module: &Module, sources: &SourceMap, sink: &mut Sink, parts: &Parts<'_>) -> Option<(Vec<u64>, Precision)> {
    let mut elab = Elaborator::new(module, sources, sink, HashMap::new(), "");
    let mut seeds = vec![0];
    let mut precision = Precision::F32;
    for (name, value) in &parts.settings {
        let bad = |elab: &mut Elaborator<'_>, v: &Value, must: &str| {
            let found = elab.describe(v);
            elab.report(errors::bad_value(&name.name, &found, must, value.span));
        };
        if name.name == "precision" {
            match sources.text(value.span).trim() {
                "f32" => precision = Precision::F32,
                "f64" => precision = Precision::F64,
                other => {
                    let d = errors::bad_value("precision", &format!("`{other}`"), "`f32` or `f64`", value.span);
                    elab.report(d);
                    return None;
                }
            }
            continue;
        }
        let v = elab.top_expr(value).ok()?;
        let one = elab.integer(&v).and_then(|i| u64::try_from(i).ok());
        match (name.name.as_str(), one) {
            ("seed", Some(s)) => seeds = vec![s],
            ("seed", None) => {
                bad(&mut elab, &v, "a whole number that is not negative");
                return None;
            }
            _ => {
                let all: Option<Vec<u64>> = match &v {
                    Value::List(_) | Value::Range(..) => {
                        let items = elab.items_of(&v, value.span).ok()?;
                        items.iter().map(|(_, v)| elab.integer(v).and_then(|i| u64::try_from(i).ok())).collect()
                    }
                    _ => None,
                };
                match all {
                    Some(s) if !s.is_empty() && s.len() <= 1000 => seeds = s,
                    _ => {
                        bad(&mut elab, &v, "a list or range of 1 to 1000 whole numbers");
                        return None;
                    }
                }
            }
        }
    }
    Some((seeds, precision))
}

fn arm(
    module: &Module,
    sources: &SourceMap,
    sink: &mut Sink,
    parts: &Parts<'_>,
    mut labels: Vec<String>,
    mut values: HashMap<String, Value>,
    seen: &feasible::Seen,
) -> Res<Arm> {
    if let Some(stage) = &parts.stage {
        stage.know(&mut values, false);
        labels.push(stage.name().to_owned());
    }
    if roles::differ(module, sources, sink, parts.train, &values) {
        return Err(Reported);
    }
    let mut failed = false;
    let source = side(module, sources, sink, "source", &mut values);
    let target = side(module, sources, sink, "target", &mut values);
    let mut note = |r: Result<(), Reported>| failed |= r.is_err();
    let train = match parts.train {
        Some(b) => {
            let elab = Elaborator::new(module, sources, sink, values.clone(), "");
            blocks::train(elab, b).and_then(|mut t| {
                let elab = Elaborator::new(module, sources, sink, values.clone(), "");
                t.validation = budget::validation(elab, b)?;
                Ok(Some(t))
            })
        }
        None => Ok(None),
    };
    note(train.as_ref().map(|_| ()).map_err(|e| *e));
    if let Some(stage) = &parts.stage {
        stage.know(&mut values, true);
    }
    let generate = match parts.generate {
        Some(b) => {
            let elab = Elaborator::new(module, sources, sink, values.clone(), "generate");
            blocks::generate(elab, b, &[], metrics::arms_default()).map(Some)
        }
        None => Ok(None),
    };
    note(generate.as_ref().map(|_| ()).map_err(|e| *e));
    if let (Some(t), Some(g), Ok(Some(_)), Ok(Some(_))) = (parts.train, parts.generate, &train, &generate) {
        options::times_reach(Elaborator::new(module, sources, sink, values.clone(), ""), t, g);
    }
    let mut plans = Vec::new();
    // A faulty sampler makes every metric faulty in the same way: one report.
    let sampled = if generate.is_ok() { parts.generate } else { None };
    let entries = metrics::entries(&parts.evaluate, &|s| squeeze(sources.text(s)));
    for (arg, text) in &entries {
        let mut fresh = |f: &mut dyn FnMut(Elaborator<'_>) -> Res<()>| {
            f(Elaborator::new(module, sources, sink, values.clone(), "generate"))
        };
        match metrics::metric_plan(&mut fresh, arg, text, sampled, parts.train, generate.is_err()) {
            Ok(m) => plans.push(m),
            Err(e) => note(Err(e)),
        }
    }
    let first = plans.iter().find(|m| {
        !matches!(
            m.kind,
            metrics::MetricKind::Evaluations
                | metrics::MetricKind::Parameters
                | metrics::MetricKind::Energy(_)
                | metrics::MetricKind::Mean(_)
                | metrics::MetricKind::StepTime
                | metrics::MetricKind::Training(_)
                | metrics::MetricKind::Weights(_)
        )
    });
    if let (Some(m), false) = (first, module.user.contains_key("target")) {
        let mut elab = Elaborator::new(module, sources, sink, values.clone(), "target");
        note(elab.role("target", m.span).map(|_| ()));
    }
    note(target.as_ref().map(|_| ()).map_err(|e| *e));
    note(source.as_ref().map(|_| ()).map_err(|e| *e));
    if let Ok(Some(t)) = &target {
        failed |= !super::labels::judged_by_test(module, t, &plans, sink);
    }
    if let Ok(Some(t)) = &train
        && let Some(e) = parts.train.and_then(|b| b.get("objective"))
        && (!feasible::check(&t.objective, e.value.span, sources, sink, seen)
            || !super::training::check(&plans, t, e.value.span, sink))
    {
        failed = true;
    }
    if let Ok(Some(g)) = &generate
        && let Some(e) = parts.generate.and_then(|b| b.get("sampler"))
        && !feasible::check(&g.sampler.program, e.value.span, sources, sink, seen)
    {
        failed = true;
    } else {
        if let (Ok(train), Ok(Some(g)), Some(e)) = (&train, &generate, parts.generate.and_then(|b| b.get("sampler"))) {
            let trained =
                |name: &str| train.as_ref().is_some_and(|t| t.objective.params.iter().any(|p| p.name == name));
            if !sink.has_errors()
                && let Some(p) = g.sampler.program.params.iter().find(|p| !trained(&p.name))
            {
                let objective = parts.train.and_then(|b| b.get("objective")).map(|e| e.value.span);
                sink.push(errors::untrained(&p.name, e.value.span, objective));
            }
        }
        for m in &plans {
            failed |= m.programs().any(|p| !feasible::check(p, m.span, sources, sink, seen));
        }
    }
    let sampled = if generate.is_ok() { parts.generate } else { None };
    let asked = |name: &str| parts.plot.as_ref().is_none_or(|p| p.iter().any(|a| sources.text(a.value.span) == name));
    let pictures = pictures::pictures(module, sources, sampled, parts.train, &values, &asked, seen);
    if failed {
        return Err(Reported);
    }
    Ok(Arm {
        labels,
        stage: parts.stage.as_ref().map(|s| s.index),
        train: train?,
        generate: generate?,
        metrics: plans,
        target: target?,
        source: source?,
        pictures,
    })
}

/// Draws from `source` or `target`, if the file has it and it can be drawn from. A faulty one is silent afterwards.
fn side(
    module: &Module,
    sources: &SourceMap,
    sink: &mut Sink,
    role: &str,
    values: &mut HashMap<String, Value>,
) -> Res<Option<crate::ir::Program>> {
    let Some(def) = module.user.get(role) else { return Ok(None) };
    let span = def.span();
    let mut elab = Elaborator::new(module, sources, sink, values.clone(), role);
    let drawn = elab.role(role, span).and_then(|law| {
        if matches!(law, Value::Law(_)) && !elab.can_draw(&law) {
            return Ok(None);
        }
        let drawn = elab.draw_from(&law, span)?;
        let x = elab.as_vector(&drawn, span)?;
        Ok(Some((x, elab.label_of(&drawn))))
    });
    match drawn {
        Ok(None) => Ok(None),
        Ok(Some((n, label))) => {
            elab.program.outputs.push(("x".into(), n));
            elab.program.outputs.extend(label.map(|l| ("label".into(), l)));
            Ok(Some(elab.program))
        }
        Err(Reported) => {
            values.insert(role.to_owned(), Value::Poison);
            Err(Reported)
        }
    }
}
