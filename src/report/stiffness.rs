//! What a run says about stiff equations.
//!
//! Input: a [`RunRecord`]. Output: sentences, one for each arm, phase and solver that met one; none if no solver did.

use super::number;
use super::record::RunRecord;
use super::summary::arms;

/// Sentences that name where explicit steps were held down by stability, and the cure.
#[must_use]
pub fn notes(record: &RunRecord) -> Vec<String> {
    let all = arms(record);
    let several = all.len() > 1;
    let mut notes: Vec<String> = Vec::new();
    for arm in &all {
        let mut told: Vec<(&str, &str)> = Vec::new();
        for s in arm.cells.iter().flat_map(|c| &c.solver) {
            let Some(stiff) = s.stiff.filter(|_| !told.contains(&(&s.phase, &s.solver))) else { continue };
            told.push((&s.phase, &s.solver));
            let samples = if stiff.samples == 1 { "sample" } else { "samples" };
            let place = stiff.first.map_or_else(String::new, |(sample, t, h)| {
                format!(
                    ", first in sample {sample} from t = {} on with steps of {}",
                    number::plain(t),
                    number::plain(h.abs())
                )
            });
            let of = if several { format!(" of {}", arm.label) } else { String::new() };
            notes.push(format!(
                "in {}{of} the equation is stiff for {} {samples}{place}: stability, not the error, held the steps of {} down; \
                 an implicit solver takes longer ones, e.g. kvaerno5(rtol: 1e-5, atol: 1e-5)",
                s.phase,
                number::count(stiff.samples),
                s.solver,
            ));
        }
    }
    notes
}
