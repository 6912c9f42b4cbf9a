//! Couplings over sets of samples: their settings, the programs of their sides, and what can be said of them beforehand.
//!
//! `optimal_transport(...)`, `sinkhorn(...)` -> a host law; drawn from -> inputs of the program that the host fills, and one
//! program for each side. A label that a side draws comes along with its pair. Deliberately absent: the plans themselves
//! (`experiment::coupling`); couplings written in the language, which are functions like others.

use super::builtin::Builtin;
use super::call::{Args, Named};
use super::coupling_errors;
use super::settled::is_bound;
use super::value::{Callee, Class, Entropic, Fun, HostKind, HostLaw, Seq, Transport, Value};
use super::{Elaborator, HostUse, Res, errors};
use crate::autodiff;
use crate::ir::{DrawKind, InputId, NodeId, Op, Program};
use crate::resolve::FunDef;
use crate::source::Span;
use crate::syntax::ast::DefKind;
use std::rc::Rc;

/// Columns miss at most this mass unless `tolerance` says otherwise.
const TOLERANCE: f64 = 1e-6;
/// Iterations unless `iterations` says otherwise.
const ITERATIONS: usize = 10_000;

impl Elaborator<'_> {
    /// `optimal_transport(a, b, ...)` and `sinkhorn(a, b, epsilon: ...)`.
    pub(crate) fn transport(&mut self, b: Builtin, args: &Args) -> Res<Value> {
        let entropic = b == Builtin::Sinkhorn;
        let options: &[&str] = if entropic {
            &["batch", "pairs", "condition", "epsilon", "tolerance", "iterations"]
        } else {
            &["batch", "pairs", "condition"]
        };
        self.only_options(b, args, options)?;
        let ctx = self.top();
        let laws = match args.positional.as_slice() {
            [] => (self.name("source", args.span, &ctx)?, self.name("target", args.span, &ctx)?),
            [(a, _), (c, _)] => (a.clone(), c.clone()),
            more => {
                let message = format!("`{}` couples two laws, {} given", b.name(), more.len());
                return Err(self.report(errors::wrong_arguments(b.name(), message, args.span, b.signature(), None)));
            }
        };
        let mut t = Transport { batch: 256, resample: false, entropic: None, condition: None };
        let mut e = Entropic { epsilon: 0.0, tolerance: TOLERANCE, iterations: ITERATIONS };
        for Named { name, value: v, at: span, .. } in &args.named {
            match name.as_str() {
                "batch" => t.batch = self.whole(v, "points of one plan", (2, 8192), *span)?,
                "iterations" => e.iterations = self.whole(v, "iterations", (1, 10_000_000), *span)?,
                "epsilon" => e.epsilon = self.positive(v, "epsilon", *span)?,
                "tolerance" => e.tolerance = self.positive(v, "tolerance", *span)?,
                "condition" => t.condition = self.condition_weight(v, *span)?,
                _ => {
                    t.resample = match v {
                        Value::Builtin(Builtin::Permute) => false,
                        Value::Builtin(Builtin::Resample) => true,
                        other => {
                            let found = self.describe(other);
                            let written = self.sources.text(*span);
                            return Err(self.report(coupling_errors::pairs(b.name(), &found, written, *span)));
                        }
                    };
                }
            }
        }
        if entropic {
            if e.epsilon <= 0.0 {
                let message = "`sinkhorn` needs `epsilon`, the weight of the entropy".to_owned();
                return Err(self.report(errors::wrong_arguments(b.name(), message, args.span, b.signature(), None)));
            }
            t.entropic = Some(e);
        }
        Ok(Value::Host(Rc::new(HostLaw { kind: HostKind::Transport(t), laws, span: args.span })))
    }

    fn whole(&mut self, v: &Value, what: &str, (min, max): (i64, i64), span: Span) -> Res<usize> {
        let n = self.need_int(v, what, span)?;
        match usize::try_from(n) {
            Ok(k) if (min..=max).contains(&n) => Ok(k),
            Ok(_) | Err(_) => Err(self.report(errors::bad_count(what, n, min, max, span))),
        }
    }

    fn positive(&mut self, v: &Value, what: &str, span: Span) -> Res<f64> {
        match self.number(v) {
            Some(x) if x > 0.0 && x.is_finite() => Ok(x),
            Some(_) => {
                let found = self.describe(v);
                Err(self.report(coupling_errors::not_positive(what, &found, span)))
            }
            None => Err(self.report(errors::not_compile_time(what, span))),
        }
    }

    fn condition_weight(&mut self, v: &Value, span: Span) -> Res<Option<f64>> {
        match (v, self.number(v)) {
            (Value::None, _) => Ok(None),
            (_, Some(x)) if x >= 0.0 && x.is_finite() => Ok(Some(x)),
            (_, Some(_)) => {
                let found = self.describe(v);
                Err(self.report(coupling_errors::not_positive("condition", &found, span)))
            }
            (_, None) => Err(self.report(errors::not_compile_time("condition", span))),
        }
    }

    /// Pairs from a coupling over a set of samples: inputs that the host fills, and the programs that it fills them from.
    pub(crate) fn draw_pairs(&mut self, h: &HostLaw, span: Span) -> Res<Value> {
        let (p0, c0) = self.side_program(&h.laws.0, "x0", span)?;
        let (p1, c1) = self.side_program(&h.laws.1, "x1", span)?;
        let shape = |p: &Program, name: &str| p.output(name).map(|n| p.dag.shape(n).to_vec());
        let (s0, s1) = (shape(&p0, "x").unwrap_or_default(), shape(&p1, "x").unwrap_or_default());
        if s0 != s1 {
            let (a, b) = (errors::shape_name(&s0), errors::shape_name(&s1));
            return Err(self.report(errors::shape_expected(
                &format!("{a} paired with {b}"),
                "two laws over one space",
                h.span,
                None,
            )));
        }
        let HostKind::Transport(t) = &h.kind;
        let labels = (shape(&p0, "y"), shape(&p1, "y"));
        let of_label = match (&labels.0, &labels.1) {
            (None, None) => None,
            (Some(a), Some(b)) if a != b => {
                let (a, b) = (errors::shape_name(a), errors::shape_name(b));
                return Err(self.report(errors::shape_expected(
                    &format!("labels {a} paired with labels {b}"),
                    "labels of one kind",
                    h.span,
                    None,
                )));
            }
            (Some(s), _) | (None, Some(s)) => Some(s.clone()),
        };
        if let (Some(a), Some(b)) = (c0, c1)
            && a != b
        {
            let d = errors::shape_expected(
                &format!("labels of {a} classes paired with labels of {b}"),
                "labels of one kind",
                h.span,
                None,
            );
            return Err(self.report(d));
        }
        if of_label.is_some() && t.condition.is_none() {
            return Err(self.report(coupling_errors::ignores_labels(t.entropic.is_some(), h.span)));
        }
        let first = self.program.inputs.len() as u32;
        let x0 = self.input("x0", s0);
        let x1 = self.input("x1", s1);
        let y = of_label.map(|s| self.input("y", s));
        self.hosts.push(HostUse {
            kind: h.kind.clone(),
            inputs: (InputId(first), InputId(first + 1)),
            label: y.map(|_| InputId(first + 2)),
            programs: (p0, p1),
            site: self.sites.last().expect("a root site").path.clone(),
            span: h.span,
        });
        let items = vec![(None, Value::Node(x0)), (None, Value::Node(x1))];
        let label = |node| match c0.or(c1) {
            Some(count) => Value::Class(Class { node, count }),
            None => Value::Node(node),
        };
        Ok(Value::Tuple(Rc::new(Seq { items, condition: y.map(label) })))
    }

    /// A program of its own that draws once from a law, with the sites that an independent coupling has here; and how many
    /// classes its label is of, if that is a class.
    fn side_program(&mut self, law: &Value, name: &str, span: Span) -> Res<(Program, Option<usize>)> {
        if is_bound(law) {
            return Err(self.report(errors::trained_side(span)));
        }
        let here = self.sites.last().expect("a root site").path.clone();
        let root = format!("{here}.independent.{name}");
        let mut inner = Elaborator::new(self.module, self.sources, self.sink, self.arm.clone(), &root);
        inner.calls.clone_from(&self.calls);
        let v = inner.draw_from(law, span)?;
        let (x, y) = match &v {
            Value::Tuple(s) if s.items.len() == 1 => (s.items[0].1.clone(), s.condition.clone()),
            _ => (v, None),
        };
        let n = inner.node(&x, span)?;
        inner.program.outputs.push(("x".into(), n));
        let mut classes = None;
        if let Some(y) = y.filter(|y| !matches!(y, Value::None)) {
            let n = match &y {
                Value::Class(c) => {
                    classes = Some(c.count);
                    c.node
                }
                _ => inner.node(&y, span)?,
            };
            inner.program.outputs.push(("y".into(), n));
        }
        if !inner.program.params.is_empty() || !inner.hosts.is_empty() {
            return Err(inner.report(errors::trained_side(span)));
        }
        Ok((inner.program, classes))
    }

    /// Warns where a Brownian bridge joins pairs of a Sinkhorn plan whose regularisation belongs to another bridge.
    pub(crate) fn bridge_fits(&mut self, d: &Rc<FunDef>, ends: &[(Value, Span)], given: &[(String, Value)]) {
        let [(Value::Node(x0), _), (Value::Node(x1), _), ..] = ends else { return };
        let input = |n: &NodeId| match self.program.dag.op(self.unnamed(*n)) {
            Op::Input(id) => Some(*id),
            _ => None,
        };
        let (Some(a), Some(b)) = (input(x0), input(x1)) else { return };
        let Some(h) = self.hosts.iter().find(|h| h.inputs == (a, b)) else { return };
        let HostKind::Transport(t) = &h.kind;
        let Some(entropic) = t.entropic else { return };
        let span = h.span;
        let Some(variance) = self.bridge_variance(d, given) else { return };
        let fits = 2.0 * variance;
        if (entropic.epsilon - fits).abs() > 1e-6 * fits {
            self.report(coupling_errors::bridge_epsilon(variance.sqrt(), entropic.epsilon, span));
        }
    }

    fn unnamed(&self, mut n: NodeId) -> NodeId {
        while let Op::Named(_, of) = self.program.dag.op(n) {
            n = *of;
        }
        n
    }

    /// sigma^2 of a path whose noise is that of a Brownian bridge: normal, with variance sigma^2 t (1 - t).
    fn bridge_variance(&self, d: &Rc<FunDef>, given: &[(String, Value)]) -> Option<f64> {
        let mut quiet = crate::diag::Sink::default();
        if given.iter().any(|(_, v)| is_bound(v)) {
            return None;
        }
        let mut inner = Elaborator::new(self.module, self.sources, &mut quiet, self.arm.clone(), "bridge");
        let t = inner.input("t", vec![]);
        let span = d.define.name.span;
        let path = Value::Fun(Rc::new(Fun { callee: Callee::Def(d.clone()), given: given.to_vec(), span }));
        let v = inner.apply(&path, &[Value::Real(0.0), Value::Real(0.0), Value::Node(t)], span).ok()?;
        let n = inner.node(&v, span).ok()?;
        if !inner.program.params.is_empty() || inner.program.dag.shape(n).iter().product::<usize>() != 1 {
            return None;
        }
        inner.program.outputs.push(("x".into(), n));
        let program = autodiff::expand(&inner.program).ok()?;
        let draws = &program.draws;
        if draws.is_empty() || draws.iter().any(|d| d.kind != DrawKind::Normal) {
            return None;
        }
        let mut all = Vec::new();
        for at in [0.2, 0.5, 0.9] {
            let value = |which: usize, z: f64| {
                let leaf = |id: NodeId| match program.dag.op(id) {
                    Op::Input(_) => Some(vec![at]),
                    Op::Draw(draw) => {
                        let size = draws[draw.0 as usize].shape.iter().product();
                        Some(vec![if draw.0 as usize == which { z } else { 0.0 }; size])
                    }
                    _ => None,
                };
                let roots = [program.outputs[0].1];
                crate::ir::eval::evaluate::<f64>(&program.dag, &roots, leaf).ok().map(|v| v[0][0])
            };
            let mut variance = 0.0;
            for k in 0..draws.len() {
                let (none, one, two) = (value(k, 0.0)?, value(k, 1.0)?, value(k, 2.0)?);
                if (two - none - 2.0 * (one - none)).abs() > 1e-9 * (1.0 + one.abs()) {
                    return None;
                }
                variance += (one - none) * (one - none);
            }
            all.push(variance / (at * (1.0 - at)));
        }
        let sigma2 = all[0];
        (sigma2 > 0.0 && all.iter().all(|v| (v - sigma2).abs() <= 1e-6 * sigma2)).then_some(sigma2)
    }

    /// Whether a value is a normal law around zero.
    pub fn is_centred_normal(&self, v: &Value) -> bool {
        let Value::Law(l) = v else { return false };
        let zero = |v: &Value| match v {
            Value::List(s) => s.items.iter().all(|(_, v)| self.number(v) == Some(0.0)),
            other => self.number(other) == Some(0.0),
        };
        let is_std = self.sources.file(l.def.span().file).is_std;
        is_std && l.def.name == "normal" && l.given.iter().all(|(n, v)| n != "mean" || zero(v))
    }

    /// The law at t = 0 of a coupling, if it is known: the source for a coupling of the library without laws of its own.
    pub fn start_law(&mut self, coupling: Option<&Value>, span: Span) -> Option<Value> {
        let own = match coupling {
            None => None,
            Some(Value::Host(h)) => Some(h.laws.0.clone()),
            Some(Value::Fun(f)) => match &f.callee {
                Callee::Def(d)
                    if d.define.kind == DefKind::Coupling && self.sources.file(d.define.name.span.file).is_std =>
                {
                    f.given.iter().find(|(n, _)| n == "a").map(|(_, v)| v.clone())
                }
                Callee::Def(_) | Callee::Lambda { .. } => return None,
            },
            Some(Value::Builtin(_)) => None,
            Some(_) => return None,
        };
        match own {
            Some(law) => Some(law),
            None if self.module.user.contains_key("source") => self.role("source", span).ok(),
            None => None,
        }
    }
}
