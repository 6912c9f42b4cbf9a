//! What a solve that failed becomes: a diagnostic that names the sample, its time and step, the cause, and what to do.

use super::pole::Pole;
use super::step::internal;
use crate::diag::{Code, Diagnostic, short};
use crate::solve::{Cause, ConfigError, SolveError};

/// A solve that failed.
#[derive(Clone, Debug)]
pub(super) struct Failed {
    /// How.
    pub error: SolveError,
    /// What its equations divide by that is zero where it failed.
    pub pole: Option<Pole>,
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
    for (start, Failed { error, pole }) in failures {
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
                        Cause::NonFinite => (
                            Code::NonFiniteState,
                            "its state is not finite",
                            "the field drives it to infinity: train longer or with a smaller learning rate, or take smaller steps",
                        ),
                    };
                    let sample = first_sample + (start + worst.sample) as u64;
                    let (t, h) = (short(worst.t), short(worst.h));
                    let share = (100.0 * worst.progress).floor();
                    let words = format!(
                        "sample {sample} cannot be solved: {why} at t = {t} with step {h}, {share} % of the way"
                    );
                    let diagnostic = Diagnostic::bare(code, words);
                    let diagnostic = match pole {
                        None => diagnostic.help(cure),
                        Some(pole) => {
                            let d = diagnostic.help(end_before(pole));
                            let at = format!("zero at t = {}, and divided by", short(pole.t));
                            pole.span.into_iter().fold(d, |d, span| d.label(span, at.clone()))
                        }
                    };
                    let diagnostic = match worst.stiff {
                        Some(at) => diagnostic.note(format!(
                            "from t = {} on, steps of {} and less were held down by stability, not by the error",
                            short(at.t),
                            short(at.h)
                        )),
                        None => diagnostic,
                    };
                    found = Some((worst.progress, Box::new(diagnostic)));
                }
            }
        }
    }
    let (_, diagnostic) = found?;
    let more = failed - 1;
    Some(if more == 0 { diagnostic } else { Box::new(diagnostic.note(format!("at least {more} more samples failed"))) })
}
