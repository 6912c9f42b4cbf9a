//! A plan in brief, for a screen: what all arms share once, the rest under the arms that share it.

use super::show::{foot, head};
use super::words::{counted, coupling, generation, gradient, length, optimizer, solver, solves, title};
use super::{Arm, RunPlan};
use crate::diag::short;
use std::fmt::{Display, Formatter, Result};

/// A plan to be printed in brief.
#[derive(Clone, Copy, Debug)]
pub struct Brief<'a>(pub &'a RunPlan);

/// A word and what belongs to it.
type Deed = (&'static str, String);

/// What an arm does.
fn deeds(a: &Arm) -> Vec<Deed> {
    let mut all = vec![];
    if let Some(t) = &a.train {
        let samples = counted(t.batch as u64, "sample", "samples");
        let mut how = format!("{} of {samples}, {}", length(t), optimizer(&t.optimizer, &t.rate, false));
        for (word, x) in [("ema", t.ema), ("clip", t.clip)] {
            how += &x.map_or_else(String::new, |x| format!(", {word} {}", short(x)));
        }
        all.push(("train", how));
        if solves(t) {
            all.push(("through", format!("{}, gradient {}", solver(&t.default_solver, false), gradient(&t.gradient))));
        }
        all.extend(t.hosts.iter().map(|h| ("pairs", coupling(&h.kind))));
    }
    if let Some(g) = &a.generate {
        all.push(("generate", generation(g, false)));
    }
    let metrics: Vec<&str> = a.metrics.iter().map(|m| m.label.as_str()).collect();
    if !metrics.is_empty() {
        all.push(("evaluate", metrics.join(", ")));
    }
    all
}

/// A word, and what belongs to it in lines of 80 columns, broken behind `comma`.
fn entry(f: &mut Formatter<'_>, indent: usize, word: &str, rest: &str, comma: &str) -> Result {
    let head = if word.is_empty() { String::new() } else { format!("{:indent$}{word:<9} ", "") };
    let hang = head.len().max(2);
    let mut line = head;
    for (i, part) in rest.split_inclusive(comma).enumerate() {
        if i > 0 && line.chars().count() + part.trim_end().chars().count() > 80 {
            writeln!(f, "{}", line.trim_end())?;
            line = " ".repeat(hang);
        }
        line += part;
    }
    writeln!(f, "{}", line.trim_end())
}

impl Display for Brief<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        head(f, self.0)?;
        let arms: Vec<_> = self.0.arms.iter().map(deeds).collect();
        let shared = |d: &Deed| arms.iter().all(|a| a.contains(d));
        for (word, rest) in arms.first().into_iter().flatten().filter(|d| shared(d)) {
            entry(f, 0, word, rest, ", ")?;
        }
        let mut groups: Vec<(String, Vec<&Deed>)> = vec![];
        for (arm, deeds) in self.0.arms.iter().zip(&arms) {
            let own: Vec<&Deed> = deeds.iter().filter(|d| !shared(d)).collect();
            match groups.iter_mut().find(|g| g.1 == own) {
                Some((names, _)) => *names = format!("{names}; {}", title(arm)),
                None => groups.push((title(arm), own)),
            }
        }
        for (names, own) in groups.iter().filter(|g| !g.1.is_empty()) {
            entry(f, 0, "", names, "; ")?;
            for (word, rest) in own {
                entry(f, 2, word, rest, ", ")?;
            }
        }
        foot(f, self.0)
    }
}
