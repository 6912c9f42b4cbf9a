//! What each metric needs from the program: an entry of `evaluate` -> a [`MetricPlan`].

use super::blocks::{self, Block};
use super::extent;
use super::metric_programs::{self as programs, Asked, Modes};
use super::registry::{METRICS, info};
use super::training::{self, Training};
use super::{Extent, Forward, MetricPlan, errors, label_errors, labels, means, training_errors};
use crate::elaborate::builtin::Builtin;
use crate::elaborate::{Elaborator, Reported, Res, Value};
use crate::ir::Program;
use crate::resolve::Def;
use crate::syntax::ast::{Arg, Entry, Expr, ExprKind, Ident};

/// What a metric needs beside the samples.
#[derive(Clone, Debug)]
pub enum MetricKind {
    /// Generated samples and fresh ones of the target.
    Samples,
    /// The log-density of the sampled law (input `x`, output `log_density`) at fresh points of the target, and the
    /// target's own log-density where it is known.
    Density {
        /// Of the sampled law.
        density: Box<Forward>,
        /// Of the target.
        own: Option<Box<Program>>,
        /// The target's entropy, where the law says it.
        entropy: Option<f64>,
    },
    /// The sampler with the kinetic energy of its solve (outputs `x`, `energy`).
    Energy(Box<Forward>),
    /// As `Energy`, beside the exact cost between source and target.
    Npe(Box<Forward>),
    /// Draws of the sampler with their log-densities under it and under an energy.
    Weights(Box<Forward>),
    /// Draws of the sampler with their log-density, and that of points of the target (input `x`).
    Coverage {
        /// Outputs `log_density`.
        sampler: Box<Forward>,
        /// Input `x`, output `log_density`.
        density: Box<Forward>,
    },
    /// The modes of the target.
    Modes(Box<Modes>),
    /// Time of a training step.
    StepTime,
    /// Evaluations of the field by the sampler.
    Evaluations,
    /// A step of training at the trained parameters.
    Training(Training),
    /// Trainable numbers.
    Parameters,
    /// The mean of the output `value` of each sample.
    Mean(Box<means::Mean>),
}

/// Gives a fresh elaborator of the arm to what it is called with.
pub type Fresh<'a> = dyn FnMut(&mut dyn FnMut(Elaborator<'_>) -> Res<()>) -> Res<()> + 'a;

impl MetricPlan {
    /// The programs that only this metric runs.
    pub fn programs(&self) -> impl Iterator<Item = &Program> {
        let own = self.generate.iter().map(|g| &g.sampler.program);
        let (forward, target): (Option<&Forward>, Option<&Program>) = match &self.kind {
            MetricKind::Density { density, own, .. } => (Some(&**density), own.as_deref()),
            MetricKind::Energy(f) | MetricKind::Npe(f) | MetricKind::Weights(f) => (Some(&**f), None),
            MetricKind::Mean(m) => (Some(&m.forward), None),
            MetricKind::Coverage { sampler, density } => (Some(&**density), Some(&sampler.program)),
            MetricKind::Modes(m) => (None, Some(&m.program)),
            MetricKind::Samples
            | MetricKind::StepTime
            | MetricKind::Evaluations
            | MetricKind::Training(_)
            | MetricKind::Parameters => (None, None),
        };
        own.chain(forward.map(|f| &f.program)).chain(target)
    }
}

/// Why a metric has no use for a key that metrics know, and what to write instead.
fn idle(metric: &str, key: &str) -> Option<(&'static str, &'static str)> {
    if matches!(metric, "parameters" | "step_time") {
        return Some(("it tells of training, which no argument here changes", "write it without arguments"));
    }
    let follows = extent::DISTANCES.contains(&metric) || matches!(metric, "nfe" | "path_energy" | "npe");
    (key == "labels" && !follows).then_some((
        "it judges at points of the target, each under its own label",
        "say in `generate` which labels are asked for, or use `by: label` of a distance",
    ))
}

/// One entry of `evaluate`; `faulty` says that the samples it reads cannot be made, which was reported.
pub fn metric_plan<'e>(
    fresh: &mut Fresh<'_>,
    arg: &Arg,
    text: &str,
    generate: Option<Block<'e>>,
    train: Option<Block<'e>>,
    faulty: bool,
) -> Res<MetricPlan> {
    let e = &arg.value;
    let mut mean = None;
    fresh(&mut |elab| {
        if !measured(&elab, e) && means::is_mean(&elab, e) {
            mean = Some(means::plan(elab, arg, text, generate, train)?);
        }
        Ok(())
    })?;
    if let Some(plan) = mean {
        return Ok(plan);
    }
    let (name, over) = match &*e.kind {
        ExprKind::Name(n) => (n.clone(), vec![]),
        ExprKind::Call { callee, args, condition: None } => match &*callee.kind {
            ExprKind::Name(n) => {
                let mut over = Vec::new();
                let energy = takes_energy(n);
                // What an unknown metric takes is not the question.
                for a in args.iter().filter(|a| info(n).is_some() && !(energy && a.label.is_none())) {
                    match &a.label {
                        Some(l) => over.push(Entry { key: l.clone(), value: a.value.clone() }),
                        None => {
                            return fresh(&mut |mut elab| {
                                let d = errors::meaningless_metric(
                                    n,
                                    "it takes no arguments by position",
                                    "name them, e.g. `wasserstein2(solver: euler(steps: 1))`",
                                    a.value.span,
                                );
                                Err(elab.report(d))
                            })
                            .and(Err(Reported));
                        }
                    }
                }
                (n.clone(), over)
            }
            _ => (String::new(), vec![]),
        },
        _ => (String::new(), vec![]),
    };
    let mut out = None;
    fresh(&mut |mut elab| {
        let Some(info) = info(&name) else {
            let known: Vec<&str> = METRICS.iter().map(|m| m.name).collect();
            // A value of the file is no metric by itself, but an objective of one's own is.
            let value = |n: &str| matches!(elab.module.user.get(n), Some(Def::Bind(..) | Def::Param(_)));
            let own = if name.is_empty() { !matches!(&*e.kind, ExprKind::Number { .. }) } else { value(&name) };
            let shown = if name.is_empty() { text } else { &name };
            return Err(elab.report(errors::unknown_metric(shown, e.span, &known, own)));
        };
        let of_training = training::is_of_training(&name) || (name == "nfe" && generate.is_none() && train.is_some());
        if of_training && !(name == "nfe" && faulty) {
            out = Some(MetricPlan {
                label: text.to_owned(),
                name: info.name,
                kind: training::plan(&mut elab, &name, e.span, &over, train)?,
                generate: None,
                extent: Extent::default(),
                by_label: false,
                span: e.span,
            });
            return Ok(());
        }
        for o in &over {
            if o.key.name == "by" {
                by_label(&mut elab, &name, o, generate)?;
                continue;
            }
            let own = name == "continuity_residual" && o.key.name == "path" || o.key.name == "points";
            if !own && !blocks::GENERATE.contains(&o.key.name.as_str()) {
                let known = [&blocks::GENERATE[..], &["points"]].concat();
                return Err(elab.report(errors::unknown_key("metric", &o.key, &known)));
            }
            if let Some((why, cure)) = idle(&name, &o.key.name) {
                return Err(elab.report(errors::idle_argument(&name, &o.key, why, cure)));
            }
        }
        let extent = extent::of(&mut elab, &name, &over, e.span)?;
        if faulty {
            // The samples cannot be made; what this metric says itself can still be looked at.
            if let Some(own) = over.iter().find(|o| o.key.name == "solver") {
                blocks::solver(&mut elab, Some(own), e.span)?;
            }
            return Err(Reported);
        }
        if generate.is_none() && !matches!(name.as_str(), "parameters" | "step_time") {
            // One block is missing, however many metrics need it.
            let d = errors::no_samples(e.span);
            if elab.sink.items().iter().any(|o| o.code == d.code && o.message == d.message) {
                return Err(Reported);
            }
            return Err(elab.report(d));
        }
        if name == "step_time" && train.is_none() {
            return Err(elab.report(training_errors::no_training(&name, e.span)));
        }
        out = Some(MetricPlan {
            label: text.to_owned(),
            name: info.name,
            kind: if name == "step_time" { MetricKind::StepTime } else { MetricKind::Parameters },
            generate: None,
            extent,
            by_label: over.iter().any(|o| o.key.name == "by"),
            span: e.span,
        });
        Ok(())
    })?;
    let mut plan = out.ok_or(Reported)?;
    let over: Vec<Entry> = over.into_iter().filter(|o| !matches!(o.key.name.as_str(), "by" | "points")).collect();
    let (Some(block), false) = (generate, matches!(plan.kind, MetricKind::Training(_))) else { return Ok(plan) };
    let given = |key: &str| over.iter().find(|o| o.key.name == key).or_else(|| block.get(key));
    let (sampler, solver) = (given("sampler"), given("solver"));
    let inherited = over.iter().all(|o| o.key.name != "solver");
    let span = e.span;
    let law = |elab: &mut Elaborator<'_>| -> Res<(Value, &Expr)> {
        let s = sampler.ok_or(Reported)?;
        Ok((elab.top_expr(&s.value)?, &s.value))
    };
    plan.kind = match plan.name {
        "nfe" => MetricKind::Evaluations,
        "parameters" => MetricKind::Parameters,
        "step_time" => MetricKind::StepTime,
        "straightness" | "inverse_error" | "log_volume" | "solver_error" | "continuity_residual" => {
            let asked = Asked { name: plan.name, span, solver };
            let path = over.iter().find(|o| o.key.name == "path");
            let mean = programs::mean(fresh, &asked, &mut |elab| {
                let (law, _) = law(elab)?;
                programs::of_field(elab, &asked, &law, path)
            })?;
            MetricKind::Mean(Box::new(means::Mean { forward: mean, hosts: vec![] }))
        }
        "mode_weights" => {
            MetricKind::Modes(Box::new(programs::modes(fresh, &Asked { name: plan.name, span, solver })?))
        }
        "effective_sample_size" | "log_normalizer" => {
            let asked = Asked { name: plan.name, span, solver };
            let args = match &*e.kind {
                ExprKind::Call { args, .. } => args.iter().filter(|a| a.label.is_none()).collect(),
                _ => vec![],
            };
            let [of] = args.as_slice() else {
                return fresh(&mut |mut elab| {
                    let help = format!("name a law with a log-density, e.g. `{}(ring)`", plan.name);
                    let d = errors::meaningless_metric(plan.name, "it takes one energy", &help, span);
                    Err(elab.report(d))
                })
                .and(Err(Reported));
            };
            let mut energy = |elab: &mut Elaborator<'_>| elab.top_expr(&of.value);
            let f = programs::weighed(fresh, &asked, &mut |elab| law(elab).map(|(l, _)| l), Some(&mut energy))?;
            MetricKind::Weights(Box::new(f))
        }
        "calibration" => {
            let asked = Asked { name: plan.name, span, solver };
            let drawn = programs::weighed(fresh, &asked, &mut |elab| law(elab).map(|(l, _)| l), None)?;
            let mut density = None;
            fresh(&mut |mut elab| {
                let (law, at) = law(&mut elab)?;
                let shape = elab.shape_of_draws("target", span)?;
                let x = elab.input("x", shape);
                let l = elab.log_density(&law, &Value::Node(x), None, at.span)?;
                let n = elab.as_scalar(&l, at.span)?;
                elab.program.outputs.push(("log_density".into(), n));
                let default_solver = blocks::solver(&mut elab, solver, span)?;
                let solvers = elab.solvers.iter().map(|s| (**s).clone()).collect();
                density = Some(Forward { program: elab.program, solvers, default_solver });
                Ok(())
            })?;
            MetricKind::Coverage { sampler: Box::new(drawn), density: Box::new(density.ok_or(Reported)?) }
        }
        "nll" | "kl" | "bits_per_dim" => {
            let mut density = None;
            let mut own = None;
            let mut entropy = None;
            fresh(&mut |mut elab| {
                let (law, at) = law(&mut elab)?;
                let shape = elab.shape_of_draws("target", span)?;
                let x = elab.input("x", shape);
                // Where samples have labels, the density is that given the label of the point.
                let asked = given("labels").filter(|_| labels::target_has_labels(&mut elab));
                let labelled = asked.map(|l| labels::of_entry(&mut elab, l, &law)).transpose()?;
                let condition = labelled.map(|l| l.condition);
                let l = elab.log_density(&law, &Value::Node(x), condition, at.span)?;
                let n = elab.as_scalar(&l, at.span)?;
                if super::feasible::keeps_volume(&elab.program, n) {
                    return Err(elab.report(errors::volume_kept(at.span, Some((plan.name, e.span)))));
                }
                elab.program.outputs.push(("log_density".into(), n));
                if let Some(d) = super::corners::corner(&elab.program, at.span) {
                    elab.report(super::feasible::blame(d, at.span, elab.sources));
                }
                let default_solver = blocks::solver(&mut elab, solver, span)?;
                let default_solver = super::noise::fit_solver(&mut elab, default_solver, solver, inherited, span)?;
                let solvers = elab.solvers.iter().map(|s| (**s).clone()).collect();
                density = Some(Forward { program: elab.program, solvers, default_solver });
                Ok(())
            })?;
            // `kl` needs the target's own density; `nll` is printed beside it where it is known.
            fresh(&mut |mut elab| {
                let target = elab.role("target", span)?;
                let stated = elab.fact(&target, false, span)?;
                entropy = elab.number(&stated);
                if (plan.name != "kl" || entropy.is_some()) && !elab.has_density(&target) {
                    return Ok(());
                }
                let shape = elab.shape_of_draws("target", span)?;
                let x = elab.input("x", shape);
                let l = elab.log_density(&target, &Value::Node(x), None, span)?;
                let n = elab.as_scalar(&l, span)?;
                elab.program.outputs.push(("log_density".into(), n));
                own = Some(Box::new(elab.program));
                Ok(())
            })?;
            MetricKind::Density { density: Box::new(density.ok_or(Reported)?), own, entropy }
        }
        "path_energy" | "npe" => {
            let mut energy = None;
            fresh(&mut |mut elab| {
                let (law, at) = law(&mut elab)?;
                elab.with_energy();
                let labelled = given("labels").map(|l| labels::of_entry(&mut elab, l, &law)).transpose()?;
                let drawn = elab.draw_given(&law, labelled.map(|l| l.condition), at.span)?;
                let x = elab.as_vector(&drawn, at.span)?;
                let Some(e) = elab.energy() else {
                    let d = errors::meaningless_metric(
                        plan.name,
                        "the sampler solves nothing",
                        "it measures the velocity along a solve, e.g. of `flow(v)`",
                        span,
                    );
                    return Err(elab.report(d));
                };
                elab.program.outputs.push(("x".into(), x));
                elab.program.outputs.push(("energy".into(), e));
                let default_solver = blocks::solver(&mut elab, solver, span)?;
                let default_solver = super::noise::fit_solver(&mut elab, default_solver, solver, inherited, span)?;
                let solvers = elab.solvers.iter().map(|s| (**s).clone()).collect();
                energy = Some(Forward { program: elab.program, solvers, default_solver });
                Ok(())
            })?;
            let energy = Box::new(energy.ok_or(Reported)?);
            if plan.name == "npe" { MetricKind::Npe(energy) } else { MetricKind::Energy(energy) }
        }
        _ => MetricKind::Samples,
    };
    if !over.is_empty() && matches!(plan.kind, MetricKind::Samples | MetricKind::Modes(_) | MetricKind::Evaluations) {
        let mut own = None;
        fresh(&mut |elab| {
            own = Some(blocks::generate(elab, block, &over, arms_default())?);
            Ok(())
        })?;
        plan.generate = own;
    }
    Ok(plan)
}

/// `by: label`: a distance between sets, whose two sides have labels.
fn by_label(elab: &mut Elaborator<'_>, name: &str, o: &Entry, generate: Option<Block<'_>>) -> Res<()> {
    let span = o.value.span;
    let v = elab.top_expr(&o.value)?;
    if !matches!(v, Value::Builtin(Builtin::ByLabel)) {
        let found = elab.describe(&v);
        return Err(elab.report(errors::bad_value("by", &found, "`label`", span)));
    }
    let wrong = |elab: &mut Elaborator<'_>, why: &str, cure: &str| {
        Err(elab.report(label_errors::by_label(name, why, cure, span)))
    };
    if !extent::DISTANCES.contains(&name) {
        return wrong(elab, "it compares no two sets of samples", "distances are, e.g. `wasserstein2(by: label)`");
    }
    if generate.is_some_and(|b| b.get("labels").is_none()) {
        return wrong(elab, "the samples have no labels", "say which: `generate { ..., labels: each }`");
    }
    if !labels::target_has_labels(elab) {
        return wrong(elab, "the target has no labels", "give the data a `label:`");
    }
    Ok(())
}

/// Whether an entry is a metric of the registry, which the library may write as an objective; an objective of that name in the
/// file comes first.
fn measured(elab: &Elaborator<'_>, e: &Expr) -> bool {
    let name = match &*e.kind {
        ExprKind::Call { callee, .. } => &*callee.kind,
        other => other,
    };
    matches!(name, ExprKind::Name(n) if n != "accuracy" && info(n).is_some() && !elab.module.user.contains_key(n))
}

/// Whether a metric is of the sampler against an energy, its one argument by position.
fn takes_energy(name: &str) -> bool {
    matches!(name, "effective_sample_size" | "log_normalizer")
}

/// The entries of `evaluate` with their texts; `quality_by_steps` stands for several.
pub fn entries(evaluate: &[&Arg], text: &dyn Fn(crate::source::Span) -> String) -> Vec<(Arg, String)> {
    let mut out: Vec<(Arg, String)> = Vec::new();
    for arg in evaluate {
        let Some(keys) = quality_keys(&arg.value) else {
            out.push(((*arg).clone(), called(arg, text)));
            continue;
        };
        let more: String = keys.iter().map(|key| format!(", {}", text(key_span(key)))).collect();
        for steps in EULER_STEPS {
            let label = format!("wasserstein2(solver: euler(steps: {steps}){more})");
            if !evaluate.iter().any(|a| text(a.value.span) == label) {
                out.push((by_steps(arg.value.span, steps, keys), label));
            }
        }
    }
    out
}

/// The keys of `quality_by_steps`, if it is that.
fn quality_keys(e: &Expr) -> Option<&[Arg]> {
    let is_it = |e: &Expr| matches!(&*e.kind, ExprKind::Name(n) if n == "quality_by_steps");
    match &*e.kind {
        _ if is_it(e) => Some(&[]),
        ExprKind::Call { callee, args, condition: None } if is_it(callee) => Some(args),
        _ => None,
    }
}

/// Where a key and its value stand.
fn key_span(key: &Arg) -> crate::source::Span {
    key.label.as_ref().map_or(key.value.span, |label| label.span.to(key.value.span))
}

/// The name of a result: its label, or the metric as written.
pub fn called(arg: &Arg, text: &dyn Fn(crate::source::Span) -> String) -> String {
    arg.label.as_ref().map_or_else(|| text(arg.value.span), |l| l.name.clone())
}

/// Steps of Euler at which `quality_by_steps` looks.
const EULER_STEPS: [u32; 6] = [1, 2, 5, 10, 20, 100];

/// `wasserstein2(solver: euler(steps: n), keys)` at the place of a shorter word.
fn by_steps(span: crate::source::Span, steps: u32, keys: &[Arg]) -> Arg {
    let expr = |kind| Expr { kind: Box::new(kind), span };
    let name = |n: &str| expr(ExprKind::Name(n.to_owned()));
    let given = |label: &str, value| Arg { label: Some(Ident { name: label.to_owned(), span }), value };
    let call = |f: &str, args| expr(ExprKind::Call { callee: name(f), args, condition: None });
    let number = expr(ExprKind::Number { value: f64::from(steps), is_int: true, text: steps.to_string() });
    let solver = given("solver", call("euler", vec![given("steps", number)]));
    Arg { label: None, value: call("wasserstein2", [&[solver], keys].concat()) }
}

/// Samples that are made unless `count` says otherwise.
pub fn arms_default() -> usize {
    10_000
}
