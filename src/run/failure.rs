//! What a solve that failed becomes: a diagnostic that names the sample, its time and step, the cause, and what to do.

use super::blame::Blame;
use super::pole::Pole;
use super::solving::Mode;
use super::step::internal;
use crate::diag::{Code, Diagnostic, Label, short};
use crate::solve::{Cause, ConfigError, LaneFailure, SolveError, SolverConfig, Steps};

/// What was solved, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// Whether steps are equal: no tolerance decides.
    pub equal: bool,
    /// How many, if that is written.
    pub count: Option<u32>,
    /// Whether it has noise.
    pub noise: bool,
    /// Whether its right-hand side has parameters.
    pub learned: bool,
    /// How gradients pass, if it is part of a training step.
    pub training: Option<Mode>,
    /// Whether it is the pass back.
    pub back: bool,
}

impl Way {
    pub fn new(config: &SolverConfig, noise: bool, learned: bool, training: Option<Mode>) -> Way {
        let (equal, count) = match config.steps {
            Steps::Count(n) => (true, Some(n)),
            Steps::Size(_) => (true, None),
            Steps::Adaptive(_) => (false, None),
        };
        Way { equal, count, noise, learned, training, back: false }
    }
}

/// A solve that failed.
#[derive(Clone, Debug)]
pub(super) struct Failed {
    /// How.
    pub error: SolveError,
    /// What its equations divide by that is zero where it failed.
    pub pole: Option<Pole>,
    pub way: Way,
    /// What of the field has no finite value where the sample begins.
    pub blame: Option<Blame>,
}

impl Failed {
    /// The same, of a solve whose first sample is sample `first` of a batch.
    pub fn of_batch(self, first: usize) -> Failed {
        Failed { error: self.error.of_batch(first), ..self }
    }
}

/// How far before an end where a path has a zero a solve may well stop, as a share of its span: the library's objectives draw times
/// up to there (`stdlib/objectives/score_matching.flow`).
const SHORT_OF: f64 = 1e-3;

/// The cure where a coefficient of time has a zero at an end of the span.
fn end_before(pole: Pole) -> String {
    let (zero, stop) = (short(pole.t), short(pole.t + SHORT_OF * (pole.other - pole.t)));
    let why = format!("the field divides by a coefficient that is zero at t = {zero}, so training does not help");
    if pole.t > pole.other {
        format!("{why}: end before it, `until: {stop}` in the sampler, or `solve t: {} -> {stop}`", short(pole.other))
    } else {
        format!(
            "{why}: begin behind it, `solve t: {stop} -> {}`, or take a path that has none there",
            short(pole.other)
        )
    }
}

/// The failure to report: of samples, the one that covered the least of its span; `failures` are in the order of samples.
pub(super) fn worst(failures: Vec<(usize, Failed)>, first_sample: u64) -> Option<Box<Diagnostic>> {
    let mut found: Option<(f64, Box<Diagnostic>)> = None;
    let mut failed = 0;
    for (start, Failed { error, pole, way, blame }) in failures {
        let diagnostic = |code: Code, words: String| Box::new(Diagnostic::bare(code, words));
        match error {
            SolveError::Config(ConfigError::BadObservation { sample, time }) => {
                let sample = first_sample + (start + sample) as u64;
                let words = format!("the observation times of sample {sample} are out of order at {}", short(time));
                let cure = "a solve goes from the first of its times to the last; list them in that order";
                return Some(Box::new(diagnostic(Code::BadTimes, words).help(cure)));
            }
            SolveError::Config(error) => {
                return Some(diagnostic(Code::BadValue, format!("the solver cannot run: {error}")));
            }
            SolveError::Rhs { status } => {
                return Some(internal(&format!("a right-hand side reports status {status}")));
            }
            SolveError::Failed { worst, count } => {
                failed += count;
                if found.as_ref().is_none_or(|(progress, _)| worst.progress < *progress) {
                    let sample = first_sample + (start + worst.sample) as u64;
                    found = Some((worst.progress, Box::new(told(&worst, sample, way, pole, blame))));
                }
            }
        }
    }
    let (_, diagnostic) = found?;
    let more = failed - 1;
    Some(if more == 0 { diagnostic } else { Box::new(diagnostic.note(format!("at least {more} more samples failed"))) })
}

fn told(worst: &LaneFailure, sample: u64, way: Way, pole: Option<Pole>, blame: Option<Blame>) -> Diagnostic {
    let (t, h) = (short(worst.t), short(worst.h));
    if let (Cause::NonFinite, None, Some(blame)) = (worst.cause, pole, blame) {
        let words = format!("sample {sample} cannot be solved: where it begins, at t = {t}, {}", blame.words);
        let mut d = Diagnostic::bare(Code::NonFiniteState, words).help(blame.cure);
        d.primary = blame.span.map(|span| Label { span, text: blame.words });
        return d;
    }
    let (code, why, cure) = cause(worst, way);
    let share = (100.0 * worst.progress).floor();
    let (solved, pass) = match way.back {
        false => ("solved", ""),
        true => ("solved back, for the gradient", " back"),
    };
    let words =
        format!("sample {sample} cannot be {solved}: {why} at t = {t} with step {h}, {share} % of the way{pass}");
    let d = Diagnostic::bare(code, words);
    let d = match pole {
        None => d.help(cure),
        Some(pole) => {
            let at = format!("zero at t = {}, and divided by", short(pole.t));
            pole.span.into_iter().fold(d.help(end_before(pole)), |d, span| d.label(span, at.clone()))
        }
    };
    match worst.stiff {
        Some(at) => d.note(format!(
            "from t = {} on, steps of {} and less were held down by stability, not by the error",
            short(at.t),
            short(at.h)
        )),
        None => d,
    }
}

/// Code, what happened, what to do.
fn cause(worst: &LaneFailure, way: Way) -> (Code, &'static str, String) {
    let (code, why, cure) = match worst.cause {
        Cause::StepTooSmall => (
            Code::StepTooSmall,
            "its step became too small",
            "the field changes too fast there, or its state runs to infinity in finite time: bound the field, loosen `rtol` and `atol`, or end before that time",
        ),
        Cause::TooManySteps if worst.stiff.is_some() => (
            Code::TooManySteps,
            "it took too many steps",
            "the equation is stiff there: steps of an explicit method stay small whatever the tolerance; take an implicit one, e.g. `solver: kvaerno5(rtol: 1e-5, atol: 1e-5)`",
        ),
        Cause::TooManySteps => (
            Code::TooManySteps,
            "it took too many steps",
            "loosen `rtol` and `atol`, allow more with `max_steps`, or train a smoother field; where something decays much faster than the span is long (a stiff equation), take an implicit method: `kvaerno5`",
        ),
        Cause::NoConvergence => (
            Code::NoConvergence,
            "the equations of its implicit stages have no solution that Newton's iteration finds,",
            "take smaller steps, or steps by a tolerance, e.g. `kvaerno5(rtol: 1e-5, atol: 1e-5)`; where the field jumps or has a pole, no step is small enough",
        ),
        Cause::NonFinite => (Code::NonFiniteState, "its state is not finite", ""),
    };
    let cure = match (way, worst.cause) {
        (Way { back: true, training: Some(mode), .. }, _) => back(mode).to_owned(),
        (_, Cause::NonFinite) => infinite(way),
        (Way { learned: true, training: Some(mode), .. }, _) => format!("{cure}{}", run_away(mode)),
        _ => cure.to_owned(),
    };
    (code, why, cure)
}

/// What to do where the pass back fails.
fn back(mode: Mode) -> &'static str {
    match mode {
        Mode::Adjoint { .. } => {
            "the adjoint solves for the state once more, backwards, and what decays forwards grows without bound then: `gradient: backprop` goes back over the steps that were taken; where growth is moderate tighter tolerances do, e.g. `adjoint(rtol: 1e-8, atol: 1e-8)`"
        }
        Mode::Reversible { .. } => {
            "a reversible solve undoes its steps, and where the solution decays fast undoing makes rounding errors grow: `gradient: backprop` keeps the steps instead; more steps or tighter `rtol` and `atol` help where growth is moderate"
        }
        Mode::Exact { .. } | Mode::Snapshots(_) => {
            "the loss is finite but its derivative along the solve is not: the field is too steep there; bound it, or lower the learning rate"
        }
    }
}

/// What to do where training may have brought the field there.
fn run_away(mode: Mode) -> &'static str {
    match mode {
        Mode::Adjoint { .. } => {
            "; if it is training that drove the field there, lower the learning rate, or take `gradient: backprop`: gradients that come of solving back are wrong where a solution decays fast"
        }
        Mode::Reversible { .. } => {
            "; or take `gradient: backprop`: a reversible solve marches a pair of states, which is less stable than its method alone where a solution decays fast, and its gradients are wrong there"
        }
        Mode::Exact { .. } | Mode::Snapshots(_) => {
            "; if it is training that drove the field there, lower the learning rate, or bound gradients with `clip: 1`"
        }
    }
}

/// What to do about a state that is not finite, by what made it so.
fn infinite(way: Way) -> String {
    let more = || way.count.map_or_else(String::new, |n| format!(", e.g. {} instead of {n}", 10 * u64::from(n)));
    match way {
        Way { equal: true, noise: true, learned: false, .. } => format!(
            "the steps are too large for how fast the drift pulls (step times rate must stay below 2), or the field grows without bound: take more steps{}",
            more()
        ),
        Way { equal: true, learned: false, .. } => format!(
            "the steps are too large for how fast the field changes, or its state runs to infinity in finite time: take more steps{}, or steps by a tolerance, e.g. `dopri5(rtol: 1e-5, atol: 1e-5)`; end before that time if that fails too",
            more()
        ),
        Way { learned: false, .. } => {
            "the field has no finite value there, or its state runs to infinity in finite time: keep its logarithms, roots and divisions away from where they are not defined, or end before that time".to_owned()
        }
        Way { equal, training, .. } => {
            let train = match training {
                Some(_) => "bound it, e.g. by `tanh`",
                None => "train longer or with a smaller learning rate, bound it, e.g. by `tanh`",
            };
            let more = if equal { ", or take more steps" } else { "" };
            let away = training.map_or("", run_away);
            format!("the learned field drives it to infinity: {train}{more}{away}")
        }
    }
}
