//! How long training goes on, what scales its learning rate, when it is looked at.
//!
//! Keys of `train` -> numbers and programs. Invariant: exactly one budget is given. Deliberately absent: clocks.

use super::blocks::{self, Block, TRAIN};
use super::{Forward, Validation, budget_errors, errors};
use crate::elaborate::{Elaborator, Res, Value};
use crate::ir::Program;
use crate::solve::SolverConfig;
use crate::source::Span;
use crate::syntax::ast::Entry;

/// The keys that say how long.
const BUDGETS: [&str; 4] = ["steps", "epochs", "seconds", "field_evaluations"];
/// Samples of a look at validation draws, unless it says otherwise.
const LOOK: usize = 4_096;
/// Steps that a budget of seconds may take at most.
const ENDLESS: u64 = 1 << 40;

/// What a block asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Budget {
    Steps(u64),
    Epochs(f64),
    Seconds(f64),
    Evaluations(u64),
}

/// The budget of a block.
pub(super) fn asked(elab: &mut Elaborator<'_>, block: Block<'_>) -> Res<Budget> {
    let given: Vec<&Entry> = BUDGETS.iter().filter_map(|k| block.get(k)).collect();
    let e = match given.as_slice() {
        [] => return Err(block.missing(elab, "steps", "steps: 5_000", &TRAIN)),
        [e] => *e,
        [a, b, ..] => return Err(elab.report(budget_errors::two_budgets(&a.key, &b.key))),
    };
    match e.key.name.as_str() {
        "steps" => blocks::whole(elab, Some(e), 0, 1, 1 << 40).map(Budget::Steps),
        "field_evaluations" => blocks::whole(elab, Some(e), 0, 1, 1 << 60).map(Budget::Evaluations),
        word => {
            let x = blocks::real(elab, Some(e), 0.0, f64::INFINITY)?;
            match x {
                Some(x) if word == "epochs" => Ok(Budget::Epochs(x)),
                Some(x) => Ok(Budget::Seconds(x)),
                None => Err(elab.report(errors::bad_value(word, "`none`", "a real above 0", e.value.span))),
            }
        }
    }
}

/// Steps, and seconds if those are the budget; the objective stands in `elab`.
pub(super) fn steps(
    elab: &mut Elaborator<'_>,
    block: Block<'_>,
    budget: &Budget,
    batch: usize,
    default_solver: &SolverConfig,
) -> Res<(u64, Option<f64>)> {
    let mut counts: Vec<(usize, Span)> = elab.datasets.iter().map(|d| (d.count, d.span)).collect();
    counts.extend(elab.sets_read(&elab.program).iter().map(|s| (s.count(crate::data::Split::Train), s.span)));
    if let Some(&(rows, span)) = counts.iter().min_by_key(|(n, _)| *n)
        && batch > rows
    {
        let at = block.get("batch").map_or(block.keyword.span, |b| b.value.span);
        return Err(elab.report(budget_errors::batch_exceeds_data(batch, rows, at, span)));
    }
    match budget {
        Budget::Steps(n) => Ok((*n, None)),
        Budget::Seconds(s) => Ok((ENDLESS, Some(*s))),
        Budget::Epochs(n) => {
            let key = block.get("epochs").map_or(block.keyword.span, |e| e.key.span);
            let mut counts: Vec<usize> = counts.iter().map(|(n, _)| *n).collect();
            counts.dedup();
            match counts.as_slice() {
                [rows] => Ok(((n * *rows as f64 / batch as f64).ceil().max(1.0) as u64, None)),
                [] => Err(elab.report(budget_errors::epochs_without_data(key))),
                [..] => Err(elab.report(budget_errors::epochs_of_several(&counts, key))),
            }
        }
        Budget::Evaluations(n) => {
            let at = block.get("field_evaluations").map_or(block.keyword.span, |e| e.value.span);
            match elab.field_calls(default_solver) {
                Some(calls) if calls > 0 => Ok((n.div_ceil(calls * batch as u64).max(1), None)),
                Some(_) | None => Err(elab.report(budget_errors::evaluations_unknown(at))),
            }
        }
    }
}

/// `schedule`: a factor on the learning rate.
pub(super) fn factor(elab: &mut Elaborator<'_>, block: Block<'_>) -> Res<Option<Program>> {
    let Some(e) = block.get("schedule") else { return Ok(None) };
    let v = elab.top_expr(&e.value)?;
    match &v {
        Value::None => Ok(None),
        Value::Fun(_) => elab.schedule(&v, e.value.span).map(Some),
        _ => {
            let found = elab.describe(&v);
            let must = "a function of the step that the learning rate is multiplied with";
            Err(elab.report(errors::bad_value("schedule", &found, must, e.value.span)))
        }
    }
}

/// `fresh`: parameters begin anew.
pub(super) fn fresh(elab: &mut Elaborator<'_>, block: Block<'_>) -> Res<bool> {
    let Some(e) = block.get("fresh") else { return Ok(false) };
    match elab.top_expr(&e.value)? {
        Value::Bool(b) => Ok(b),
        other => {
            let found = elab.describe(&other);
            let written = elab.sources.text(e.value.span);
            Err(elab.report(errors::bad_word("train", "fresh", (&found, written), e.value.span)))
        }
    }
}

/// `validate: 500`, `validate: (every: 500, samples: 10_000)`; `elab` is fresh and becomes the objective's program, whose
/// draws from datasets are draws from their laws.
pub(super) fn validation(mut elab: Elaborator<'_>, block: Block<'_>) -> Res<Option<Validation>> {
    let (Some(e), Some(o)) = (block.get("validate"), block.get("objective")) else { return Ok(None) };
    let span = e.value.span;
    let v = elab.top_expr(&e.value)?;
    let positive = |elab: &mut Elaborator<'_>, v: &Value| match elab.integer(v).and_then(|n| u64::try_from(n).ok()) {
        Some(n) if n > 0 => Ok(n),
        _ => {
            let found = elab.describe(v);
            let must = "a number of steps, or a record `(every: 500, samples: 10_000)`";
            Err(elab.report(errors::bad_value("validate", &found, must, span)))
        }
    };
    let (every, samples) = match &v {
        Value::None => return Ok(None),
        Value::Tuple(s) => {
            let known = |l: &Option<std::rc::Rc<str>>| matches!(l.as_deref(), Some("every" | "samples"));
            if !s.items.iter().all(|(l, _)| known(l)) {
                positive(&mut elab, &Value::Tuple(s.clone()))?;
            }
            let every = s.get("every").cloned().unwrap_or(Value::None);
            let samples = s.get("samples").cloned().unwrap_or(Value::Int(LOOK as i64));
            (positive(&mut elab, &every)?, positive(&mut elab, &samples)? as usize)
        }
        v => (positive(&mut elab, v)?, LOOK),
    };
    let objective = elab.top_expr(&o.value)?;
    let loss = elab.objective(&objective, o.value.span)?;
    elab.program.outputs.push(("loss".into(), loss));
    let default_solver = blocks::solver(&mut elab, block.get("solver"), span)?;
    let solvers = elab.solvers.iter().map(|s| (**s).clone()).collect();
    let objective = Forward { program: elab.program, solvers, default_solver };
    Ok(Some(Validation { objective, hosts: elab.hosts, every, samples }))
}
