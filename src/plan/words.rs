//! Values of a plan in the words of a spec.

use super::{Arm, GeneratePlan, Gradient, Optimizer, Rate, Rule, TrainPlan};
use crate::diag::short;
use crate::elaborate::HostKind;
use crate::ir::Op;
use crate::report::number::count as grouped;
use crate::solve::{Norm, SolverConfig, StepControl, Steps};
use std::fmt::Display;

pub(super) fn joined<T: Display>(all: &[T]) -> String {
    all.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

pub(super) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(n), if n == 1 { one } else { many })
}

pub(super) fn solver(s: &SolverConfig, whole: bool) -> String {
    let steps = match &s.steps {
        Steps::Count(n) => format!("steps: {n}"),
        Steps::Size(h) => format!("step: {h}"),
        Steps::Adaptive(a) => {
            let norm = match a.norm {
                Norm::Rms => "rms",
                Norm::Max => "max",
            };
            let control = match a.step_control {
                StepControl::PerSample => "per_sample",
                StepControl::Joint => "joint",
            };
            let more = format!(", norm: {norm}, step_control: {control}, max_steps: {}", s.max_steps);
            format!("rtol: {:e}, atol: {:e}{}", a.rtol, a.atol, if whole { &more } else { "" })
        }
    };
    format!("{}({steps})", s.method.name)
}

/// A few numbers, or one if they are all the same.
pub(super) fn numbers(all: &[f64]) -> String {
    const SHOWN: usize = 12;
    let few: Vec<String> = all.iter().take(SHOWN).map(|x| short(*x)).collect();
    match all {
        [first, rest @ ..] if rest.iter().all(|x| x == first) => few[0].clone(),
        _ if all.len() > SHOWN => format!("{}, ... ({} in all)", few.join(", "), all.len()),
        _ => few.join(", "),
    }
}

pub(super) fn optimizer(o: &Optimizer, rate: &Rate, whole: bool) -> String {
    let lr = match rate {
        Rate::Constant(x) => short(*x),
        Rate::Schedule(_) => "a schedule".into(),
    };
    let (name, constants) = match o.rule {
        Rule::Adam { beta1, beta2, eps } => ("adam", format!(", beta1: {beta1}, beta2: {beta2}, eps: {eps:e}")),
        Rule::AdamW { beta1, beta2, eps } => ("adamw", format!(", beta1: {beta1}, beta2: {beta2}, eps: {eps:e}")),
        Rule::RmsProp { alpha, eps } => ("rmsprop", format!(", alpha: {alpha}, eps: {eps:e}")),
        Rule::Sgd { momentum } => ("sgd", format!(", momentum: {momentum}")),
    };
    let decay = if whole || o.decay != 0.0 { format!(", decay: {}", short(o.decay)) } else { String::new() };
    format!("{name}(lr: {lr}{}{decay})", if whole { &constants } else { "" })
}

pub(super) fn gradient(g: &Gradient) -> String {
    match g {
        Gradient::Auto => "auto".into(),
        Gradient::Backprop => "backprop".into(),
        Gradient::Checkpoint(n) => format!("checkpoint({n})"),
        Gradient::Reversible(coupling) => format!("reversible(coupling: {coupling})"),
        Gradient::Adjoint { rtol, atol } => {
            let tolerance = |name: &str, t: &Option<f64>| t.map(|t| format!("{name}: {t:e}"));
            let own: Vec<String> = [tolerance("rtol", rtol), tolerance("atol", atol)].into_iter().flatten().collect();
            if own.is_empty() { "adjoint".into() } else { format!("adjoint({})", own.join(", ")) }
        }
    }
}

pub(super) fn coupling(kind: &HostKind) -> String {
    match kind {
        HostKind::Transport(t) => {
            let pairs = if t.resample { "resample" } else { "permute" };
            let condition = t.condition.map_or_else(String::new, |w| format!(", condition: {}", short(w)));
            match &t.entropic {
                Some(e) => format!("sinkhorn(batch: {}, epsilon: {}{condition})", t.batch, short(e.epsilon)),
                None => format!("optimal_transport(batch: {}, pairs: {pairs}{condition})", t.batch),
            }
        }
    }
}

/// How many samples, by what, of which classes.
pub(super) fn generation(g: &GeneratePlan, whole: bool) -> String {
    let count = counted(g.count as u64, "sample", "samples");
    let labels = g.labels.as_ref().map_or_else(String::new, |l| format!(", labels {} in turn", joined(l)));
    format!("{count} by {}{labels}", solver(&g.sampler.default_solver, whole))
}

/// `2,000 steps`, or the seconds that they may take.
pub(super) fn length(t: &TrainPlan) -> String {
    match t.seconds {
        Some(s) => format!("{} s", short(s)),
        None => counted(t.steps, "step", "steps"),
    }
}

/// Whether training goes through a solve.
pub(super) fn solves(t: &TrainPlan) -> bool {
    t.objective.dag.ids().any(|id| matches!(t.objective.dag.op(id), Op::Solve(_)))
}

pub(super) fn none_or(x: Option<f64>) -> String {
    x.map_or_else(|| "none".into(), short)
}

/// The labels of an arm.
pub(super) fn title(a: &Arm) -> String {
    if a.labels.is_empty() { "(only)".to_owned() } else { a.labels.join(", ") }
}
