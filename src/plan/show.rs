//! A plan in print: every default, every arm.

use super::{Arm, Rate, RunPlan};
use crate::elaborate::sets::Rows;
use crate::solve::{SolverConfig, Steps};
use std::fmt::{Display, Formatter, Result};

/// A plan to be printed.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a RunPlan);

fn solver(s: &SolverConfig) -> String {
    let steps = match &s.steps {
        Steps::Count(n) => format!("steps: {n}"),
        Steps::Size(h) => format!("step: {h}"),
        Steps::Adaptive(a) => format!(
            "rtol: {:e}, atol: {:e}, {:?}, {:?}, max_steps: {}",
            a.rtol, a.atol, a.norm, a.step_control, s.max_steps
        ),
    };
    format!("{}({steps})", s.method.name)
}

/// A few numbers, or one if they are all the same.
fn numbers(all: &[f64]) -> String {
    const SHOWN: usize = 12;
    let short: Vec<String> = all.iter().take(SHOWN).map(|x| crate::diag::short(*x)).collect();
    match all {
        [first, rest @ ..] if rest.iter().all(|x| x == first) => short[0].clone(),
        _ if all.len() > SHOWN => format!("{}, ... ({} in all)", short.join(", "), all.len()),
        _ => short.join(", "),
    }
}

fn arm(f: &mut Formatter<'_>, a: &Arm) -> Result {
    if let Some(t) = &a.train {
        let numbers: usize = t.objective.params.iter().map(|p| p.shape.iter().product::<usize>()).sum();
        writeln!(f, "  train")?;
        writeln!(f, "    batch {}, steps {}, {:?}, decay {}", t.batch, t.steps, t.optimizer.rule, t.optimizer.decay)?;
        match &t.rate {
            Rate::Constant(x) => writeln!(f, "    learning rate {x}")?,
            Rate::Schedule(_) => writeln!(f, "    learning rate by schedule")?,
        }
        writeln!(f, "    ema {:?}, clip {:?}", t.ema, t.clip)?;
        writeln!(f, "    {numbers} trainable numbers")?;
        for p in &t.objective.params {
            writeln!(f, "      {} {:?} {:?}", p.name, p.shape, p.init)?;
        }
        for d in &t.objective.draws {
            writeln!(f, "    draw {} {:?} {:?}", d.site, d.kind, d.shape)?;
        }
        for h in &t.hosts {
            writeln!(f, "    coupling {:?}", h.kind)?;
        }
    }
    if let Some(g) = &a.generate {
        write!(f, "  generate {} samples by {}", g.count, solver(&g.sampler.default_solver))?;
        match &g.labels {
            Some(l) => writeln!(f, ", labels {} in turn", l.iter().map(u32::to_string).collect::<Vec<_>>().join(", "))?,
            None => writeln!(f)?,
        }
    }
    for m in &a.metrics {
        writeln!(f, "  evaluate {}", m.label)?;
    }
    Ok(())
}

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let plan = self.0;
        writeln!(f, "seeds {:?}, {:?}", plan.seeds, plan.precision)?;
        for axis in &plan.axes {
            writeln!(f, "compare {} in {}", axis.name, axis.labels.join(", "))?;
        }
        for s in &plan.sets {
            let [train, validation, test] = s.counts;
            write!(f, "data {}: {train} rows train, {validation} validate, {test} test", s.name)?;
            for i in &s.items {
                write!(f, "; {} {:?}", i.name, i.shape)?;
            }
            match &s.classes {
                Some(c) => writeln!(f, "; {} classes {}", c.len(), c.join(", "))?,
                None => writeln!(f)?,
            }
            if let Rows::Table(t) = &s.rows
                && let Some(scale) = t.columns.iter().find_map(|c| c.scale.as_ref())
            {
                writeln!(f, "  subtracted {}", numbers(&scale.mean))?;
                writeln!(f, "  divided by {}", numbers(&scale.deviation))?;
            }
        }
        for a in &plan.arms {
            writeln!(f, "arm {}", if a.labels.is_empty() { "(only)".to_owned() } else { a.labels.join(", ") })?;
            arm(f, a)?;
        }
        for p in &plan.published {
            let arm = if p.labels.is_empty() { String::new() } else { format!("[{}]", p.labels.join(", ")) };
            let spread = p.spread.map_or_else(String::new, |s| format!(" within {}", crate::diag::short(s)));
            let origin = p.origin.as_ref().map_or_else(String::new, |o| format!(" from \"{o}\""));
            writeln!(f, "published {}{arm} = {}{spread}{origin}", p.metric, crate::diag::short(p.value))?;
        }
        for e in &plan.expects {
            writeln!(f, "{}", e.text)?;
        }
        Ok(())
    }
}
