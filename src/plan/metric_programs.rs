//! The programs of metrics: averages of objectives, importance weights, modes, coverage.
//!
//! A law or a field and the words of a metric -> programs to run. What can be said of one sample stands in `stdlib/metrics`;
//! here is what the language cannot ask: the field behind a sampler, the normal parts of a law. Deliberately absent: sums over
//! samples (`experiment::averages`).

use super::blocks;
use super::metrics::Fresh;
use super::{Forward, errors};
use crate::diag::Sink;
use crate::elaborate::value::Callee;
use crate::elaborate::{Args, Elaborator, Named, Reported, Res, Seq, Value};
use crate::ir::Program;
use crate::source::Span;
use crate::syntax::ast::{DefKind, Entry};

/// A law taken apart.
#[derive(Clone, Debug)]
pub struct Modes {
    /// Their weights, which sum to one.
    pub weights: Vec<f64>,
    /// Input `x`, output `posterior`: the probability of each mode at x.
    pub program: Program,
}

/// Where a metric is written, and what it is given.
pub struct Asked<'a> {
    /// Its name.
    pub name: &'static str,
    /// The whole entry.
    pub span: Span,
    /// The solver of its block.
    pub solver: Option<&'a Entry>,
}

impl Asked<'_> {
    fn forward(&self, mut elab: Elaborator<'_>) -> Res<Forward> {
        let default_solver = blocks::solver(&mut elab, self.solver, self.span)?;
        let solvers = elab.solvers.iter().map(|s| (**s).clone()).collect();
        Ok(Forward { program: elab.program, solvers, default_solver })
    }

    fn meaningless(&self, elab: &mut Elaborator<'_>, why: &str, help: &str) -> Reported {
        elab.report(errors::meaningless_metric(self.name, why, help, self.span))
    }
}

/// The average of an objective; `make` gives its value.
pub fn mean(
    fresh: &mut Fresh<'_>,
    asked: &Asked<'_>,
    make: &mut dyn FnMut(&mut Elaborator<'_>) -> Res<Value>,
) -> Res<Forward> {
    let mut out = None;
    fresh(&mut |mut elab| {
        let objective = make(&mut elab)?;
        let loss = elab.objective(&objective, asked.span)?;
        elab.program.outputs.push(("value".into(), loss));
        out = Some(asked.forward(elab)?);
        Ok(())
    })?;
    out.ok_or(Reported)
}

/// The field that a law was configured with, and its end time.
pub fn field_of(law: &Value) -> Option<(Value, Option<Value>)> {
    let Value::Law(law) = law else { return None };
    let is_field = |v: &Value| match v {
        Value::Fun(f) => {
            matches!(&f.callee, Callee::Def(d) if matches!(d.define.kind, DefKind::Field | DefKind::Fn | DefKind::Net))
        }
        _ => false,
    };
    let field = law.given.iter().map(|(_, v)| v).find(|v| is_field(v))?.clone();
    Some((field, law.given.iter().find(|(n, _)| n == "until").map(|(_, v)| v.clone())))
}

/// An objective of the library on the field behind a sampler.
pub fn of_field(elab: &mut Elaborator<'_>, asked: &Asked<'_>, law: &Value, path: Option<&Entry>) -> Res<Value> {
    let Some((field, until)) = field_of(law) else {
        return Err(asked.meaningless(
            elab,
            "the sampler has no field",
            "it measures the field behind a sampler, e.g. that of `flow(v)`",
        ));
    };
    let objective = elab.library_value(asked.name, asked.span)?;
    let named = |name: &str, value: Value| Named { name: name.into(), value, label: asked.span, at: asked.span };
    let mut args = Args { positional: vec![], named: vec![named("v", field)], condition: None, span: asked.span };
    if asked.name == "continuity_residual" {
        let path = match path {
            Some(e) => elab.top_expr(&e.value)?,
            None => elab.library_value("straight", asked.span)?,
        };
        if !Elaborator::is_kind(&path, DefKind::Path) {
            let found = elab.describe(&path);
            return Err(asked.meaningless(elab, &format!("`path` is {found}"), "e.g. `path: trig`"));
        }
        if draws(elab, &path, asked.span)? {
            return Err(asked.meaningless(
                elab,
                "the path adds noise of its own",
                "its marginals are taken in closed form: use a path of its ends alone, e.g. `straight` or `trig`",
            ));
        }
        args.named.push(named("p", path));
        for (role, word) in [("source", "starts"), ("target", "ends")] {
            let law = elab.role(role, asked.span)?;
            let n = elab.shape_of_draws(role, asked.span)?.iter().product::<usize>();
            let parts = normal_parts(elab, &law, n, 1.0, asked.span)?;
            let Some(parts) = parts else {
                let found = elab.describe(&law);
                return Err(asked.meaningless(
                    elab,
                    &format!("the {role} is {found}, which is no mixture of normal laws"),
                    "the marginals of a path are a closed form between such mixtures only",
                ));
            };
            args.named.push(named(word, Value::List(Seq::plain(parts))));
        }
    } else if let Some(until) = until {
        args.named.push(named("until", until));
    }
    elab.call(objective, args, asked.span)
}

/// Whether a path draws.
fn draws(elab: &mut Elaborator<'_>, path: &Value, span: Span) -> Res<bool> {
    let mut sink = Sink::default();
    let mut inner = elab.scratch(&mut sink, "path");
    let before = inner.program.draws.len();
    let t = inner.input("t", vec![]);
    let applied = inner.apply(path, &[Value::Real(0.0), Value::Real(1.0), Value::Node(t)], span);
    let draws = inner.program.draws.len() > before;
    elab.sink.take(sink);
    applied.map(|_| draws)
}

/// The parts (weight, mean, cov) of a law that is a mixture of normal laws.
fn normal_parts(elab: &mut Elaborator<'_>, law: &Value, n: usize, weight: f64, span: Span) -> Res<Option<Vec<Value>>> {
    let Value::Law(l) = law else { return Ok(None) };
    let library = elab.sources.file(l.def.span().file).is_std;
    let get = |name: &str| l.given.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let call = |elab: &mut Elaborator<'_>, f: &str, inputs: Vec<Value>, weight: Option<f64>| {
        let f = elab.library_value(f, span)?;
        let named = |name: &str, value| Named { name: name.into(), value, label: span, at: span };
        let mut all = vec![named("n", Value::Int(n as i64))];
        all.extend(weight.map(|w| named("weight", Value::Real(w))));
        let positional = inputs.into_iter().map(|v| (v, span)).collect();
        elab.call(f, Args { positional, named: all, condition: None, span }, span)
    };
    if library && l.def.name == "normal" {
        let or = |name: &str, default: i64| get(name).unwrap_or(Value::Int(default));
        let inputs = vec![or("mean", 0), or("std", 1), get("cov").unwrap_or(Value::None)];
        return Ok(Some(vec![call(elab, "normal_part", inputs, Some(weight))?]));
    }
    if library && l.def.name == "affine" {
        let Some(of) = get("of") else { return Ok(None) };
        let (scale, shift) = (get("scale").unwrap_or(Value::Int(1)), get("shift").unwrap_or(Value::Int(0)));
        let Some(parts) = normal_parts(elab, &of, n, weight, span)? else { return Ok(None) };
        let moved = parts.into_iter().map(|p| call(elab, "affine_part", vec![p, scale.clone(), shift.clone()], None));
        return moved.collect::<Res<Vec<_>>>().map(Some);
    }
    let Some(modes) = modes_of(elab, law, span)? else { return Ok(None) };
    let mut all = Vec::new();
    for (share, of) in modes {
        match normal_parts(elab, &of, n, weight * share, span)? {
            Some(parts) => all.extend(parts),
            None => return Ok(None),
        }
    }
    Ok(Some(all))
}

/// What a law says it is a mixture of, with weights that sum to one.
fn modes_of(elab: &mut Elaborator<'_>, law: &Value, span: Span) -> Res<Option<Vec<(f64, Value)>>> {
    let Value::List(items) = elab.fact(law, true, span)? else { return Ok(None) };
    let part = |v: &Value| match v {
        Value::Tuple(t) => Some((elab.number(t.get("weight")?)?, t.get("of")?.clone())),
        _ => None,
    };
    let parts: Option<Vec<(f64, Value)>> = items.items.iter().map(|(_, v)| part(v)).collect();
    let Some(parts) = parts.filter(|p| !p.is_empty()) else { return Ok(None) };
    let total: f64 = parts.iter().map(|(w, _)| w).sum();
    Ok((total > 0.0).then(|| parts.into_iter().map(|(w, of)| (w / total, of)).collect()))
}

/// The modes of the target and their probabilities at a point.
pub fn modes(fresh: &mut Fresh<'_>, asked: &Asked<'_>) -> Res<Modes> {
    let mut out = None;
    fresh(&mut |mut elab| {
        let target = elab.role("target", asked.span)?;
        let Some(modes) = modes_of(&mut elab, &target, asked.span)? else {
            let found = elab.describe(&target);
            return Err(asked.meaningless(
                &mut elab,
                &format!("the target is {found}, which says of no modes"),
                "it needs a mixture, or a law with `modes name(...) = [(weight: 1, of: law), ...]`",
            ));
        };
        let shape = elab.shape_of_draws("target", asked.span)?;
        let x = elab.input("x", shape);
        let mut terms = Vec::new();
        for (weight, of) in &modes {
            let l = elab.log_density(of, &Value::Node(x), None, asked.span)?;
            let l = elab.as_scalar(&l, asked.span)?;
            let dag = &mut elab.program.dag;
            let share = dag.constant(libm::log(*weight));
            let sum = dag.add(l, share);
            terms.push(dag.reshape(sum, &[1]));
        }
        let all = elab.program.dag.concat(0, &terms);
        let softmax = elab.library_value("softmax", asked.span)?;
        let p = elab.apply(&softmax, &[Value::Node(all)], asked.span)?;
        let p = elab.as_vector(&p, asked.span)?;
        elab.program.outputs.push(("posterior".into(), p));
        let weights = modes.iter().map(|(w, _)| *w).collect();
        out = Some(Modes { weights, program: elab.program });
        Ok(())
    })?;
    out.ok_or(Reported)
}

/// Evaluates an expression of the spec in a fresh program.
type Given<'a> = &'a mut dyn FnMut(&mut Elaborator<'_>) -> Res<Value>;

/// Draws of a law with their log-density under it (`log_density`), and under an energy, if one is given (`log_energy`).
pub fn weighed(fresh: &mut Fresh<'_>, asked: &Asked<'_>, law: Given<'_>, energy: Option<Given<'_>>) -> Res<Forward> {
    let mut out = None;
    let mut energy = energy;
    fresh(&mut |mut elab| {
        let law = law(&mut elab)?;
        let drawn = elab.draw_from(&law, asked.span)?;
        let x = Value::Node(elab.as_node(&drawn, asked.span)?);
        let log = |elab: &mut Elaborator<'_>, law: &Value| {
            let l = elab.log_density(law, &x, None, asked.span)?;
            elab.as_scalar(&l, asked.span)
        };
        let q = log(&mut elab, &law)?;
        if super::feasible::keeps_volume(&elab.program, q) {
            return Err(elab.report(errors::volume_kept(asked.span, None)));
        }
        elab.program.outputs.push(("log_density".into(), q));
        if let Some(energy) = &mut energy {
            let energy = energy(&mut elab)?;
            let e = log(&mut elab, &energy)?;
            elab.program.outputs.push(("log_energy".into(), e));
        }
        out = Some(asked.forward(elab)?);
        Ok(())
    })?;
    out.ok_or(Reported)
}
