//! A plan in print: every default of every arm.

use super::words::{
    counted, coupling, generation, gradient, joined, length, none_or, numbers, optimizer, solver, solves, title,
};
use super::{Arm, RunPlan, TrainPlan};
use crate::backend::Precision;
use crate::diag::short;
use crate::elaborate::sets::Rows;
use crate::ir::{DrawKind, Init};
use std::fmt::{Display, Formatter, Result};

/// A plan to be printed whole.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a RunPlan);

fn training(f: &mut Formatter<'_>, t: &TrainPlan) -> Result {
    let trained: usize = t.objective.params.iter().map(|p| p.shape.iter().product::<usize>()).sum();
    writeln!(f, "  train {} of {}", length(t), counted(t.batch as u64, "sample", "samples"))?;
    writeln!(f, "    optimizer {}", optimizer(&t.optimizer, &t.rate, true))?;
    writeln!(f, "    ema {}, clip {}", none_or(t.ema), none_or(t.clip))?;
    if solves(t) {
        writeln!(f, "    solver {}, gradient {}", solver(&t.default_solver, true), gradient(&t.gradient))?;
    }
    writeln!(f, "    {}", counted(trained as u64, "trained number", "trained numbers"))?;
    for p in &t.objective.params {
        let init = match p.init {
            Init::Constant(x) => short(x),
            Init::Uniform(a, b) => format!("uniform({}, {})", short(a), short(b)),
            Init::Normal(mean, std) => format!("normal({}, {})", short(mean), short(std)),
        };
        writeln!(f, "      {} {:?} = {init}", p.name, p.shape)?;
    }
    for d in &t.objective.draws {
        let kind = match d.kind {
            DrawKind::Uniform => "uniform",
            DrawKind::Normal => "normal",
        };
        writeln!(f, "    draw {} {:?} ~ {kind}", d.site, d.shape)?;
    }
    for h in &t.hosts {
        writeln!(f, "    coupling {}", coupling(&h.kind))?;
    }
    Ok(())
}

fn arm(f: &mut Formatter<'_>, a: &Arm) -> Result {
    if let Some(t) = &a.train {
        training(f, t)?;
    }
    if let Some(g) = &a.generate {
        writeln!(f, "  generate {}", generation(g, true))?;
    }
    for m in &a.metrics {
        writeln!(f, "  evaluate {}", m.label)?;
    }
    Ok(())
}

/// What stands before the arms.
pub(super) fn head(f: &mut Formatter<'_>, plan: &RunPlan) -> Result {
    let precision = match plan.precision {
        Precision::F32 => "f32",
        Precision::F64 => "f64",
    };
    let word = if plan.seeds.len() == 1 { "seed" } else { "seeds" };
    writeln!(f, "{word} {}, precision {precision}", joined(&plan.seeds))?;
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
    Ok(())
}

/// What stands behind the arms.
pub(super) fn foot(f: &mut Formatter<'_>, plan: &RunPlan) -> Result {
    for p in &plan.published {
        let arm = if p.labels.is_empty() { String::new() } else { format!("[{}]", p.labels.join(", ")) };
        let spread = p.spread.map_or_else(String::new, |s| format!(" within {}", short(s)));
        let origin = p.origin.as_ref().map_or_else(String::new, |o| format!(" from \"{o}\""));
        writeln!(f, "published {}{arm} = {}{spread}{origin}", p.metric, short(p.value))?;
    }
    for e in &plan.expects {
        writeln!(f, "{}", e.text)?;
    }
    Ok(())
}

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        head(f, self.0)?;
        for a in &self.0.arms {
            writeln!(f, "arm {}", title(a))?;
            arm(f, a)?;
        }
        foot(f, self.0)
    }
}
