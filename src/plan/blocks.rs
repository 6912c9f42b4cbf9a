//! `train`, `generate`: keys to plans.

use super::{Forward, GeneratePlan, Optimizer, Rate, Rule, TrainPlan, budget, errors, habits, labels};
use crate::diag::suggest;
use crate::elaborate::{Elaborator, Reported, Res, Value};
use crate::ir::{NodeId, Op};
use crate::resolve::Origin;
use crate::solve::SolverConfig;
use crate::source::Span;
use crate::syntax::ast::{Entry, ExprKind, Ident};
pub use crate::syntax::keys::{GENERATE, TRAIN};

/// A block: its keyword and its entries.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// `train` or `generate`.
    pub keyword: &'a Ident,
    /// In order.
    pub entries: &'a [Entry],
}

impl<'a> Block<'a> {
    /// The entry of that key.
    pub fn get(&self, key: &str) -> Option<&'a Entry> {
        self.entries.iter().find(|e| e.key.name == key)
    }

    /// Whether a key that is not known here was probably meant as `key`: it was reported, and `key` is not missing.
    fn meant(&self, key: &str, known: &[&str]) -> bool {
        self.entries.iter().map(|e| e.key.name.as_str()).filter(|k| !known.contains(k)).any(|k| {
            suggest::nearest(k, known.iter().copied()) == Some(key)
                || habits::key(&self.keyword.name, k)
                    .is_some_and(|h| h.contains(&format!("`{key}`")) || h.contains(&format!("`{key}:")))
        })
    }

    /// Reports that `key` is missing, unless it is there under another name.
    pub(super) fn missing(&self, elab: &mut Elaborator<'_>, key: &str, example: &str, known: &[&str]) -> Reported {
        if self.meant(key, known) {
            return Reported;
        }
        elab.report(errors::missing_key(&self.keyword.name, key, example, self.keyword.span))
    }

    /// Reports unknown and repeated keys.
    pub fn check_keys(&self, elab: &mut Elaborator<'_>, known: &[&str]) {
        for (i, e) in self.entries.iter().enumerate() {
            if !known.contains(&e.key.name.as_str()) {
                elab.report(errors::unknown_key(&self.keyword.name, &e.key, known));
            } else if let Some(first) = self.entries[..i].iter().find(|o| o.key.name == e.key.name) {
                elab.report(errors::repeated_key(&e.key, first.key.span));
            }
        }
    }
}

/// A whole number in a range, or the default.
pub fn whole(elab: &mut Elaborator<'_>, e: Option<&Entry>, default: u64, min: u64, max: u64) -> Res<u64> {
    let Some(e) = e else { return Ok(default) };
    let v = elab.top_expr(&e.value)?;
    match elab.integer(&v).and_then(|i| u64::try_from(i).ok()) {
        Some(n) if (min..=max).contains(&n) => Ok(n),
        _ => {
            let found = elab.describe(&v);
            let must = if max > 1 << 30 {
                format!("a whole number, at least {min}")
            } else {
                format!("a whole number from {min} to {}", crate::report::number::count(max))
            };
            Err(elab.report(errors::bad_value(&e.key.name, &found, &must, e.value.span)))
        }
    }
}

/// A real above `min` and below `max`.
pub(super) fn real(elab: &mut Elaborator<'_>, e: Option<&Entry>, min: f64, max: f64) -> Res<Option<f64>> {
    let Some(e) = e else { return Ok(None) };
    let v = elab.top_expr(&e.value)?;
    if matches!(v, Value::None) {
        return Ok(None);
    }
    match elab.number(&v) {
        Some(x) if x > min && x < max => Ok(Some(x)),
        _ => {
            let found = elab.describe(&v);
            let must =
                if max.is_finite() { format!("a real between {min} and {max}") } else { format!("a real above {min}") };
            Err(elab.report(errors::bad_value(&e.key.name, &found, &must, e.value.span)))
        }
    }
}

/// `train { ... }`; `elab` is fresh and becomes the objective's program.
pub fn train(mut elab: Elaborator<'_>, block: Block<'_>) -> Res<TrainPlan> {
    elab.train_on_rows();
    block.check_keys(&mut elab, &TRAIN);
    let span = block.keyword.span;
    let batch = whole(&mut elab, block.get("batch"), 256, 1, 1 << 22);
    let budget = budget::asked(&mut elab, block);
    let factor = budget::factor(&mut elab, block);
    let fresh = budget::fresh(&mut elab, block);
    let ema = real(&mut elab, block.get("ema"), 0.0, 1.0);
    let clip = real(&mut elab, block.get("clip"), 0.0, f64::INFINITY);
    let optimizer = optimizer(&mut elab, block.get("optimizer"), span);
    let default_solver = solver(&mut elab, block.get("solver"), span);
    let gradient = super::gradient::read(&mut elab, block.get("gradient"));
    let objective = match block.get("objective") {
        None => {
            let example = "objective: flow_matching(v, straight)";
            Err(block.missing(&mut elab, "objective", example, &TRAIN))
        }
        Some(e) => elab.top_expr(&e.value).and_then(|v| {
            super::options::check(&mut elab, &v, e)?;
            super::paths::check_all(&mut elab, &v, e.value.span)?;
            let loss = elab.objective(&v, e.value.span)?;
            super::feasible::time_is_used(&mut elab, &v, e.value.span);
            elab.labels_reach(e.value.span)?;
            let reached = reaches_param(&elab, loss);
            elab.program.outputs.push(("loss".into(), loss));
            if super::feasible::keeps_volume(&elab.program, loss) {
                return Err(elab.report(errors::volume_kept(e.value.span, None)));
            }
            super::noise::refuse_in_loss(&mut elab, loss, e.value.span)?;
            if !reached {
                return Err(elab.report(errors::no_parameter(e.value.span)));
            }
            let mut warnings = super::lint::objective(&elab.program, e.value.span);
            if let (Ok(super::Gradient::Adjoint { .. }), Some(g)) = (&gradient, block.get("gradient")) {
                warnings.extend(super::adjoint_lint::warnings(&elab.program, e.value.span, g.value.span));
            }
            for d in warnings {
                elab.report(super::feasible::blame(d, e.value.span, elab.sources));
            }
            Ok(match &v {
                Value::Fun(f) => f.name().to_owned(),
                _ => String::new(),
            })
        }),
    };
    let name = objective?;
    if let (Ok(gradient), Ok(default)) = (&gradient, &default_solver) {
        super::gradient::refuse_unstable(&mut elab, *gradient, default, block.get("gradient"), span)?;
    }
    let (optimizer, rate) = optimizer?;
    let solvers = elab.solvers.iter().map(|s| (**s).clone()).collect();
    let batch = batch? as usize;
    let default_solver = default_solver?;
    let (steps, seconds) = budget::steps(&mut elab, block, &budget?, batch, &default_solver)?;
    if let Some(e) = block.get("optimizer")
        && let Some(d) = super::lint::rate_is_zero(&rate, steps, argument(Some(e), "lr").unwrap_or(e.value.span))
    {
        elab.report(d);
    }
    if let (Ok(Some(factor)), Some(e)) = (&factor, block.get("schedule"))
        && let Some(d) = super::lint::factor_is_a_rate(factor, steps, e.value.span)
    {
        elab.report(d);
    }
    Ok(TrainPlan {
        name,
        objective: elab.program,
        solvers,
        default_solver,
        gradient: gradient?,
        hosts: elab.hosts,
        datasets: elab.datasets,
        optimizer,
        rate,
        factor: factor?,
        batch,
        steps,
        seconds,
        fresh: fresh?,
        validation: None,
        ema: ema?,
        clip: clip?,
        span,
    })
}

fn reaches_param(elab: &Elaborator<'_>, loss: NodeId) -> bool {
    let dag = &elab.program.dag;
    reachable_ids(dag, loss, &|op| !constant_to_derivatives(op))
        .into_iter()
        .any(|id| matches!(dag.op(id), Op::Param(_)))
}

/// Operations whose derivative is zero wherever it exists.
fn constant_to_derivatives(op: &Op) -> bool {
    matches!(
        op,
        Op::Stop(_)
            | Op::Less(..)
            | Op::LessEq(..)
            | Op::Equal(..)
            | Op::Unary(crate::ir::UnaryFn::Floor | crate::ir::UnaryFn::Sign, _)
    )
}

/// Nodes below a root, not looking below those that `enter` refuses.
fn reachable_ids(dag: &crate::ir::Dag, root: NodeId, enter: &dyn Fn(&Op) -> bool) -> Vec<NodeId> {
    let mut seen = vec![false; dag.len()];
    let mut todo = vec![root];
    let mut out = Vec::new();
    while let Some(n) = todo.pop() {
        if std::mem::replace(&mut seen[n.0 as usize], true) {
            continue;
        }
        out.push(n);
        if enter(dag.op(n)) {
            dag.op(n).for_each_operand(|a| todo.push(a));
        }
    }
    out
}

/// Where an argument of that name stands in the call that an entry is.
pub(super) fn argument(e: Option<&Entry>, key: &str) -> Option<Span> {
    match &*e?.value.kind {
        ExprKind::Call { args, .. } => {
            args.iter().find(|a| a.label.as_ref().is_some_and(|l| l.name == key)).map(|a| a.value.span)
        }
        _ => None,
    }
}

/// The update rule and the learning rate of an optimizer record.
fn optimizer(elab: &mut Elaborator<'_>, e: Option<&Entry>, span: Span) -> Res<(Optimizer, Rate)> {
    let (value, at) = match e {
        Some(e) => (elab.top_expr(&e.value)?, e.value.span),
        None => (elab.library_call("adam", span)?, span),
    };
    // `optimizer: adam` without settings.
    let value = match &value {
        Value::Fun(_) => elab.call_with_defaults(&value, at)?,
        _ => value,
    };
    let wrong = |elab: &mut Elaborator<'_>| {
        let found = elab.describe(&value);
        Err(elab.report(errors::not_an_optimizer(&found, at)))
    };
    let Value::Tuple(s) = &value else { return wrong(elab) };
    let Some(Value::Str(rule)) = s.get("rule") else { return wrong(elab) };
    let get = |elab: &mut Elaborator<'_>, key: &str| match s.get(key).and_then(|v| elab.number(v)) {
        Some(x) if x.is_finite() && x >= 0.0 => Ok(x),
        _ => {
            let found = s.get(key).map_or("nothing".into(), |v| elab.describe(v));
            Err(elab.report(errors::bad_value(
                key,
                &found,
                "a real that is not negative",
                argument(e, key).unwrap_or(at),
            )))
        }
    };
    let rule = match &**rule {
        "adam" => Rule::Adam { beta1: get(elab, "beta1")?, beta2: get(elab, "beta2")?, eps: get(elab, "eps")? },
        "adamw" => Rule::AdamW { beta1: get(elab, "beta1")?, beta2: get(elab, "beta2")?, eps: get(elab, "eps")? },
        "rmsprop" => Rule::RmsProp { alpha: get(elab, "alpha")?, eps: get(elab, "eps")? },
        "sgd" => Rule::Sgd { momentum: get(elab, "momentum")? },
        _ => return wrong(elab),
    };
    let decay = get(elab, "decay")?;
    let rate = match s.get("lr") {
        Some(f @ Value::Fun(_)) => Rate::Schedule(elab.schedule(&f.clone(), at)?),
        _ => Rate::Constant(get(elab, "lr")?),
    };
    Ok((Optimizer { rule, decay }, rate))
}

/// The solver of a `generate` block or of a metric, or the default.
pub fn solver(elab: &mut Elaborator<'_>, e: Option<&Entry>, span: Span) -> Res<SolverConfig> {
    let (v, at) = match e {
        Some(e) => (elab.top_expr(&e.value)?, e.value.span),
        None => (elab.library_value("dopri5", span)?, span),
    };
    elab.as_solver(&v, at).map(|s| (*s).clone())
}

/// `generate { ... }`, with some keys replaced; `elab` is fresh and becomes the sampler's program.
pub fn generate(mut elab: Elaborator<'_>, block: Block<'_>, over: &[Entry], default: usize) -> Res<GeneratePlan> {
    let get = |key: &str| over.iter().find(|e| e.key.name == key).or_else(|| block.get(key));
    let span = block.keyword.span;
    if over.is_empty() {
        block.check_keys(&mut elab, &GENERATE);
    }
    let count = whole(&mut elab, get("count"), default as u64, 1, 1 << 26);
    let default_solver = solver(&mut elab, get("solver"), span);
    let Some(e) = get("sampler") else {
        return Err(block.missing(&mut elab, "sampler", "sampler: flow(v)", &GENERATE));
    };
    let law = elab.top_expr(&e.value)?;
    let labelled = get("labels").map(|l| labels::of_entry(&mut elab, l, &law)).transpose()?;
    let drawn = elab.draw_given(&law, labelled.as_ref().map(|l| l.condition.clone()), e.value.span)?;
    let x = elab.as_vector(&drawn, e.value.span)?;
    if let Some(l) = &labelled {
        l.reaches(&mut elab, x, e.value.span)?;
    }
    elab.program.outputs.push(("x".into(), x));
    if !elab.hosts.is_empty() {
        return Err(elab.report(errors::host_in_sampler(e.value.span)));
    }
    let inherited = !over.is_empty() && over.iter().all(|e| e.key.name != "solver");
    let default_solver = super::noise::fit_solver(&mut elab, default_solver?, get("solver"), inherited, e.value.span)?;
    let solvers = elab.solvers.iter().map(|s| (**s).clone()).collect();
    Ok(GeneratePlan {
        sampler: Forward { program: elab.program, solvers, default_solver },
        count: count? as usize,
        labels: labelled.map(|l| l.classes),
        span: e.value.span,
    })
}

impl Elaborator<'_> {
    /// A value of the library by name.
    pub(crate) fn library_value(&mut self, name: &str, span: Span) -> Res<Value> {
        self.global(name, span, Origin::Std)?.ok_or(Reported)
    }

    fn library_call(&mut self, name: &str, span: Span) -> Res<Value> {
        let f = self.library_value(name, span)?;
        self.call_with_defaults(&f, span)
    }
}
