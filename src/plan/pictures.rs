//! The report's pictures: which ones `plot` asks for, and their programs: velocity, steps along trajectories, densities, the path of
//! the objective.
//!
//! The blocks of an arm -> [`Pictures`]. Deliberately absent: messages; whatever is wrong was reported with the block itself, so a
//! picture that cannot be made is left out.

use super::blocks::{self, Block};
use super::metric_programs::field_of;
use super::{Forward, Pictures, feasible, labels, noise, picture_errors};
use crate::diag::Sink;
use crate::elaborate::{Args, Elaborator, Named, Value};
use crate::ir::{NodeId, Program};
use crate::report::html::PICTURES;
use crate::resolve::Module;
use crate::source::{SourceMap, Span};
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

/// The programs of an arm; `asked` says whether a picture will be shown.
pub(super) fn pictures(
    module: &Module,
    sources: &SourceMap,
    generate: Option<Block<'_>>,
    train: Option<Block<'_>>,
    values: &HashMap<String, Value>,
    asked: &dyn Fn(&str) -> bool,
    seen: &feasible::Seen,
) -> Pictures {
    let spec = Spec { module, sources, values, seen };
    let flow = generate.and_then(|b| Some((spec.along(b, false)?, spec.along(b, true)?)));
    let (velocity, advance) = flow.map(|(v, step)| (v.program, step)).unzip();
    Pictures {
        velocity,
        advance,
        horizon: generate.and_then(|b| spec.horizon(b)),
        density: generate.filter(|_| asked("density")).and_then(|b| spec.density(b)),
        true_density: generate.filter(|_| asked("density")).and_then(|b| spec.true_density(b)),
        path: train.filter(|_| asked("paths")).and_then(|b| spec.path(b)),
    }
}

/// An arm of a spec.
struct Spec<'a> {
    module: &'a Module,
    sources: &'a SourceMap,
    values: &'a HashMap<String, Value>,
    seen: &'a feasible::Seen,
}

fn program(elab: Elaborator<'_>, default_solver: crate::solve::SolverConfig) -> Forward {
    let solvers = elab.solvers.iter().map(|s| (**s).clone()).collect();
    Forward { program: elab.program, solvers, default_solver }
}

/// The input `x`, if samples lie in the plane.
fn drawable(elab: &mut Elaborator<'_>, role: &str, span: Span) -> Option<NodeId> {
    let shape = elab.shape_of_draws(role, span).ok()?;
    (shape.iter().product::<usize>() <= 2).then(|| elab.input("x", shape))
}

impl Spec<'_> {
    fn elaborator<'s>(&'s self, quiet: &'s mut Sink) -> Elaborator<'s> {
        Elaborator::new(self.module, self.sources, quiet, self.values.clone(), "picture")
    }

    /// The field behind the sampler, if it is configured with one: its velocity, or a step along it.
    fn along(&self, block: Block<'_>, step: bool) -> Option<Forward> {
        let entry = block.get("sampler")?;
        let span = entry.value.span;
        let mut quiet = Sink::default();
        let mut elab = self.elaborator(&mut quiet);
        let law = elab.top_expr(&entry.value).ok()?;
        let (field, _) = field_of(&law)?;
        let shape = elab.shape_of_draws("source", span).ok()?;
        let x = elab.input("x", shape);
        // A picture follows the field, without noise.
        let default_solver = match blocks::solver(&mut elab, block.get("solver"), span).ok()? {
            s if s.method.noise.is_some() => blocks::solver(&mut elab, None, span).ok()?,
            s => s,
        };
        let times: Vec<NodeId> =
            if step { &["ta", "tb"][..] } else { &["t"] }.iter().map(|t| elab.input(t, vec![])).collect();
        let condition = match block.get("labels") {
            Some(l) => Some(labels::of_entry(&mut elab, l, &law).ok()?.condition),
            None => None,
        };
        if let [ta, tb] = times[..] {
            let end = elab.advance(&field, x, [ta, tb], condition, span).ok()?;
            elab.program.outputs.push(("x".into(), end));
        } else {
            let v = elab.apply_given(&field, &[Value::Node(x), Value::Node(times[0])], condition, span).ok()?;
            let v = elab.as_vector(&v, span).ok()?;
            elab.program.outputs.push(("v".into(), v));
        }
        Some(program(elab, default_solver))
    }

    /// When the flow ends, if the sampler says so: before 1 where it has no velocity there, or at a time that is trained.
    fn horizon(&self, block: Block<'_>) -> Option<Program> {
        let entry = block.get("sampler")?;
        let mut quiet = Sink::default();
        let mut elab = self.elaborator(&mut quiet);
        let law = elab.top_expr(&entry.value).ok()?;
        let end = elab.as_scalar(&field_of(&law)?.1?, entry.value.span).ok()?;
        elab.program.outputs.push(("t".into(), end));
        Some(elab.program)
    }

    /// The log-density of the sampler; none where classes are asked for, since each has its own.
    fn density(&self, block: Block<'_>) -> Option<Forward> {
        let entry = block.get("sampler").filter(|_| block.get("labels").is_none())?;
        let span = entry.value.span;
        let mut quiet = Sink::default();
        let mut elab = self.elaborator(&mut quiet);
        let law = elab.top_expr(&entry.value).ok()?;
        let x = drawable(&mut elab, "target", span)?;
        let l = elab.log_density(&law, &Value::Node(x), None, span).ok()?;
        let l = elab.as_scalar(&l, span).ok()?;
        elab.program.outputs.push(("log_density".into(), l));
        if feasible::keeps_volume(&elab.program, l) {
            return None;
        }
        let solver = block.get("solver");
        let default_solver = blocks::solver(&mut elab, solver, span).ok()?;
        let default_solver = noise::fit_solver(&mut elab, default_solver, solver, true, span).ok()?;
        let made = program(elab, default_solver);
        feasible::check(&made.program, span, self.sources, &mut quiet, self.seen).then_some(made)
    }

    /// The log-density of the target.
    fn true_density(&self, block: Block<'_>) -> Option<Program> {
        let span = block.get("sampler")?.value.span;
        if !self.module.user.contains_key("target") {
            return None;
        }
        let mut quiet = Sink::default();
        let mut elab = self.elaborator(&mut quiet);
        let target = elab.role("target", span).ok()?;
        if !elab.has_density(&target) {
            return None;
        }
        let x = drawable(&mut elab, "target", span)?;
        let l = elab.log_density(&target, &Value::Node(x), None, span).ok()?;
        let l = elab.as_scalar(&l, span).ok()?;
        elab.program.outputs.push(("log_density".into(), l));
        Some(elab.program)
    }

    /// The path that the objective was configured with, along one component: of vectors, since a path may draw noise of the
    /// dimension of its ends, or between numbers, if it is declared so.
    fn path(&self, block: Block<'_>) -> Option<Program> {
        self.path_between(block, &[1]).or_else(|| self.path_between(block, &[]))
    }

    fn path_between(&self, block: Block<'_>, shape: &[usize]) -> Option<Program> {
        let entry = block.get("objective")?;
        let span = entry.value.span;
        let mut quiet = Sink::default();
        let mut elab = self.elaborator(&mut quiet);
        let Value::Fun(objective) = elab.top_expr(&entry.value).ok()? else { return None };
        let path = objective.given.iter().map(|(_, v)| v).find(|v| Elaborator::is_kind(v, DefKind::Path))?.clone();
        let ends = [("x0", shape), ("x1", shape), ("t", &[])];
        let ends = ends.map(|(name, shape)| Value::Node(elab.input(name, shape.to_vec())));
        let motion = elab.library_value("motion", span).ok()?;
        let p = Named { name: "p".into(), value: path, label: span, at: span };
        let positional = ends.into_iter().map(|v| (v, span)).collect();
        let args = Args { positional, named: vec![p], condition: None, span };
        let Value::Tuple(made) = elab.call(motion, args, span).ok()? else { return None };
        for name in ["x", "v"] {
            let value = made.get(name)?.clone();
            let node = if shape.is_empty() { elab.as_scalar(&value, span) } else { elab.as_vector(&value, span) };
            elab.program.outputs.push((name.into(), node.ok()?));
        }
        Some(elab.program)
    }
}
