//! Metrics of a step of training: `nfe` without samples, `nfe_backward`, `peak_memory`, `gradient_gap(against: backprop)`.
//!
//! An entry of `evaluate` and the `train` block -> a [`Training`]. The step is one at the trained parameters, on the first batch
//! of training: what solves cost changes as a field is trained, and a number that a resumed run can repeat is of its end.
//! Deliberately absent: running it.

use super::blocks::{self, Block};
use super::{Gradient, MetricKind, MetricPlan, TrainPlan, errors, gradient, training_errors};
use crate::diag::Sink;
use crate::elaborate::{Elaborator, Res};
use crate::solve::SolverConfig;
use crate::source::Span;
use crate::syntax::ast::Entry;

/// What is looked at in a step of training.
#[derive(Clone, Debug)]
pub enum Training {
    /// Evaluations of fields on the way forward, for one sample.
    Forward(Option<SolverConfig>),
    /// Evaluations of fields and of their transposes on the way back, for one sample.
    Backward(Option<SolverConfig>),
    /// Bytes that are kept from the way forward for the way back.
    Memory(Option<SolverConfig>),
    /// How far the gradient is from that of another mode.
    Gap {
        /// The other mode.
        against: Gradient,
        /// The solver of the other gradient; `None`: that of training.
        solver: Option<SolverConfig>,
    },
}

/// Whether a metric is one of these, whatever else there is.
pub fn is_of_training(name: &str) -> bool {
    matches!(name, "nfe_backward" | "peak_memory" | "gradient_gap")
}

/// The plan of an entry called `name` with the arguments `over`.
pub fn plan(
    elab: &mut Elaborator<'_>,
    name: &str,
    span: Span,
    over: &[Entry],
    train: Option<Block<'_>>,
) -> Res<MetricKind> {
    let known: &[&str] = if name == "gradient_gap" { &["against", "solver"] } else { &["solver"] };
    if let Some(o) = over.iter().find(|o| !known.contains(&o.key.name.as_str())) {
        return Err(elab.report(errors::unknown_key(name, &o.key, known)));
    }
    if train.is_none() {
        return Err(elab.report(training_errors::no_training(name, span)));
    }
    let given = |key: &str| over.iter().find(|o| o.key.name == key);
    let solver = given("solver").map(|e| blocks::solver(elab, Some(e), span)).transpose()?;
    Ok(MetricKind::Training(match name {
        "nfe_backward" => Training::Backward(solver),
        "peak_memory" => Training::Memory(solver),
        "gradient_gap" => {
            let Some(against) = given("against") else {
                return Err(elab.report(training_errors::gap_against_nothing(span)));
            };
            Training::Gap { against: gradient::read(elab, Some(against))?, solver }
        }
        _ => Training::Forward(solver),
    }))
}

/// Reports metrics of a training that solves nothing.
pub fn check(metrics: &[MetricPlan], train: &TrainPlan, objective: Span, sink: &mut Sink) -> bool {
    let loss = train.objective.output("loss");
    let of_training = metrics.iter().filter(|m| matches!(m.kind, MetricKind::Training(_)));
    let mut all = true;
    if loss.is_some_and(|l| !crate::stage::solves(&train.objective, l)) {
        for m in of_training {
            all = false;
            sink.push(training_errors::solves_nothing(m.name, m.span, objective));
        }
    }
    all
}
