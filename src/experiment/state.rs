//! What training knows beside its parameters: curves and the time spent. It travels in the notes of a checkpoint, so that both
//! are of one moment.
//!
//! Numbers <-> lines of text, exactly: a float is printed with the digits that identify it. Deliberately absent: parameters.

use std::fmt::Write;

/// The history of one training.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// (step, mean training loss since the point before).
    pub loss: Vec<(u64, f64)>,
    /// (step, loss at validation draws).
    pub validation: Vec<(u64, f64)>,
    /// Sum of the losses since the last point, and how many.
    pub open: (f64, u64),
    /// Wall-clock seconds of training.
    pub seconds: f64,
    /// Whether the seconds are the budget: only then do they belong to the state of a run.
    pub timed: bool,
    /// Seconds of a step, one for each section since the run was taken up.
    pub step_times: Vec<f64>,
}

impl History {
    /// One line an entry.
    pub fn to_text(&self) -> String {
        let mut out = format!("open {:?} {}\n", self.open.0, self.open.1);
        if self.timed {
            let _ = writeln!(out, "seconds {:?}", self.seconds);
        }
        for (word, curve) in [("loss", &self.loss), ("validation", &self.validation)] {
            for (step, value) in curve {
                let _ = writeln!(out, "{word} {step} {value:?}");
            }
        }
        out
    }

    /// Reads [`History::to_text`]; `None` if it is anything else.
    pub fn from_text(text: &str) -> Option<History> {
        let mut out = History::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["seconds", s] => (out.seconds, out.timed) = (s.parse().ok()?, true),
                ["open", sum, n] => out.open = (sum.parse().ok()?, n.parse().ok()?),
                ["loss", step, v] => out.loss.push((step.parse().ok()?, v.parse().ok()?)),
                ["validation", step, v] => out.validation.push((step.parse().ok()?, v.parse().ok()?)),
                _ => return None,
            }
        }
        Some(out)
    }
}
