//! What a cell has learned, looked at from training's side: a step of it with the trained parameters, what its solves cost and keep
//! and its gradient; and pairs of a coupling that it is judged by.
//!
//! A [`TrainPlan`] and parameters by name -> numbers of one step on the first batch, which changes nothing. It is made on one
//! thread: what a thread keeps depends on how many share a budget, and a metric may not. Deliberately absent: clocks.

use super::cell::{Named, stage_of};
use super::coupling;
use super::sets::Store;
use super::train::trainer;
use crate::backend::Backend;
use crate::diag::{Code, Diagnostic};
use crate::elaborate::HostUse;
use crate::ir::Program;
use crate::plan::{Gradient, TrainPlan, Training};
use crate::report::record::Metric;
use crate::run::Real;
use crate::run::data_cols::Columns;
use crate::run::pool::Pool;
use crate::run::solving::Cost;
use crate::solve::SolverConfig;
use std::cell::OnceCell;
use std::sync::Arc;

/// Where a cell trains, and with what.
pub struct Probe<'a, T: Real> {
    /// The training that the cell ended, if it trains.
    pub plan: Option<&'a TrainPlan>,
    /// Its seed.
    pub seed: u64,
    /// What it has learned.
    pub named: &'a Named<T>,
    /// The rows of data.
    pub store: &'a Arc<Store<T>>,
    /// Every stage of the spec.
    pub stages: &'a [String],
    /// Which of them this is.
    pub stage: usize,
    /// Compiles.
    pub backend: &'a dyn Backend<T>,
    /// The step as training makes it, once it was asked for.
    pub own: OnceCell<Step>,
}

/// What a step was.
pub struct Step {
    /// With respect to what is trained, flat.
    gradient: Vec<f64>,
    /// All solves together; bytes added up.
    forward: u64,
    backward: u64,
    bytes: u64,
}

impl<T: Real> Probe<'_, T> {
    fn plan(&self) -> Result<&TrainPlan, Diagnostic> {
        self.plan.ok_or_else(|| Diagnostic::bare(Code::Internal, "a step of a training that is not there"))
    }

    /// Samples that pairs can be made for: the rows that judge, if a side is data.
    pub fn rows(&self, hosts: &[HostUse]) -> Option<usize> {
        let sides = hosts.iter().flat_map(|h| h.programs.0.inputs.iter().chain(&h.programs.1.inputs));
        sides.filter_map(|d| d.rows.as_ref()).map(|r| self.store.count(r, "evaluate")).min()
    }

    /// The columns of a program that hosts make, for `n` samples; none without hosts.
    pub fn columns(&self, program: &Program, hosts: &[HostUse], n: usize) -> Result<Option<Columns<T>>, Diagnostic> {
        let Some(source) = coupling::source(hosts, self.seed, "evaluate", self.store, self.backend)? else {
            return Ok(None);
        };
        let mut columns = Columns::zeros(&program.inputs, n);
        source.fill(0, &mut columns).map_err(|d| *d)?;
        Ok(Some(columns))
    }

    /// Makes a step of a plan.
    fn step(&self, plan: &TrainPlan) -> Result<Step, Diagnostic> {
        let one = Pool::new(Some(1));
        let mut t = trainer(plan, self.seed, self.named, self.store, self.stages, self.stage, self.backend, one)?;
        t.run(&[0.0], &mut Vec::new()).map_err(|d| *d)?;
        let own = t.table().entries().iter().filter(|e| stage_of(&e.name, self.stages).is_none());
        let gradient = own.flat_map(|e| &t.gradient()[e.range.clone()]).map(|g| g.to_f64()).collect();
        let costs = t.costs();
        let sum = |f: &dyn Fn(&Cost) -> u64| costs.iter().map(|(_, c)| f(c)).sum();
        Ok(Step {
            gradient,
            forward: sum(&|c| c.evaluations),
            backward: sum(&|c| c.backward),
            bytes: sum(&|c| c.bytes.0),
        })
    }

    /// The step as training makes it, or with another solver.
    fn with<R>(&self, solver: Option<&SolverConfig>, of: impl Fn(&Step) -> R) -> Result<R, Diagnostic> {
        if let Some(solver) = solver {
            let plan = TrainPlan { default_solver: solver.clone(), ..self.plan()?.clone() };
            return self.step(&plan).map(|s| of(&s));
        }
        if self.own.get().is_none() {
            let _ = self.own.set(self.step(self.plan()?)?);
        }
        self.own.get().map(of).ok_or_else(|| Diagnostic::bare(Code::Internal, "a step that was made is not there"))
    }

    /// Fills in a metric.
    pub fn measure(&self, what: &Training, out: &mut Metric) -> Result<(), Diagnostic> {
        let size = self.plan()?.batch;
        let batch = size as f64;
        out.size = Some(size as u64);
        match what {
            Training::Forward(solver) => out.value = self.with(solver.as_ref(), |s| s.forward as f64)? / batch,
            Training::Backward(solver) => out.value = self.with(solver.as_ref(), |s| s.backward as f64)? / batch,
            Training::Memory(solver) => {
                out.value = self.with(solver.as_ref(), |s| s.bytes as f64)?;
                out.unit = Some("bytes".into());
            }
            Training::Gap { against, solver } => {
                let other = self.other(*against, solver.as_ref())?;
                out.value = self.with(None, |s| relative_distance(&s.gradient, &other))?;
                (out.floor, out.floor_name) = (Some(0.0), Some("exact".into()));
            }
        }
        Ok(())
    }

    /// The gradient in another mode.
    fn other(&self, gradient: Gradient, solver: Option<&SolverConfig>) -> Result<Vec<f64>, Diagnostic> {
        let plan = self.plan()?;
        let default_solver = solver.unwrap_or(&plan.default_solver).clone();
        self.step(&TrainPlan { gradient, default_solver, ..plan.clone() }).map(|s| s.gradient)
    }
}

/// |a - b| / |b|; 0 if both vanish.
fn relative_distance(a: &[f64], b: &[f64]) -> f64 {
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let gap = norm(&mut a.iter().zip(b).map(|(a, b)| a - b));
    if gap == 0.0 { 0.0 } else { gap / norm(&mut b.iter().copied()) }
}
