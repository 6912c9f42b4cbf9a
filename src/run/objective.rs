//! A compiled objective that solves: its segments, their transposes, and how its solves are made.
//!
//! An [`ObjectivePlan`] and a back end -> an [`Objective`]. Deliberately absent: the running (`run::march`).

use super::Real;
use super::bench::Bench;
use super::buffer::Aligned;
use super::forward::{Forward, Packed, Role, Step};
use super::lanes::solve_rows;
use super::parts::Part;
use super::pool::Pool;
use super::solving::{Cost, Mode, Solving};
use super::step::internal;
use super::theta::ThetaMap;
use super::unit::Desk;
use crate::backend::{Backend, Kernel, LANES};
use crate::diag::Diagnostic;
use crate::ir::Program;
use crate::solve::{BarMap, Room, SampleCount, SolverConfig, Tape};
use crate::stage::{ForwardPlan, ObjectivePlan, Source, Transpose, UnitSpec};

/// A compiled objective.
pub(super) struct Objective<T: Real> {
    pub(super) forward: Forward<T>,
    pub(super) loss: usize,
    pub(super) backs: Vec<Back>,
    /// Kernels of the pass back.
    pub(super) parts: Vec<Part<T>>,
    /// One for each solve.
    pub(super) solvers: Vec<SolverConfig>,
    pub(super) mode: Mode,
}

/// The transpose of a segment.
pub(super) enum Back {
    Nothing,
    Map {
        part: usize,
        feeds: Vec<Fed>,
        results: Vec<Given>,
    },
    Solve {
        record: usize,
        back: usize,
        /// Rows of the right-hand side's input block and of the record.
        shared: Vec<(usize, usize)>,
        bars: BarMap,
        /// Whether start and end have cotangents.
        span: (bool, bool),
    },
}

/// First row, rows and origin of an input.
pub(super) type Fed = (usize, usize, BackFeed);
/// First row, rows and column of an output.
pub(super) type Given = (usize, usize, usize);

pub(super) enum BackFeed {
    /// As the feed of that number of the segment.
    Value(usize),
    Bar(usize),
}

impl<T: Real> Objective<T> {
    pub fn new(
        program: &Program,
        plan: &mut ObjectivePlan,
        solving: Solving,
        chunk: usize,
        backend: &dyn Backend<T>,
        pool: Pool,
    ) -> Result<Objective<T>, Box<Diagnostic>> {
        let forward_plan = ForwardPlan {
            prologue: plan.prologue.clone(),
            segments: std::mem::take(&mut plan.segments),
            columns: plan.columns.clone(),
            outputs: vec![("loss".to_owned(), plan.loss)],
        };
        let forward = Forward::new(program, forward_plan, backend, pool)?;
        let mut parts: Vec<Part<T>> = Vec::new();
        let mut add = |name: &str, spec: &UnitSpec| -> Result<usize, Box<Diagnostic>> {
            let map = ThetaMap::new(spec, &plan.prologue, forward.table());
            parts.push(Part::new(name, spec, map, backend)?);
            Ok(parts.len() - 1)
        };
        let mut numbers = Vec::new();
        for transpose in &plan.transposes {
            numbers.push(match transpose {
                Transpose::Nothing => (0, 0),
                Transpose::Map { unit, .. } => (add("map_back", unit)?, 0),
                Transpose::Solve(stage) => (add("rhs_record", &stage.record)?, add("rhs_back", &stage.back)?),
            });
        }
        let mut backs = Vec::new();
        for ((transpose, step), numbers) in plan.transposes.iter().zip(&forward.steps).zip(numbers) {
            backs.push(match transpose {
                Transpose::Nothing => Back::Nothing,
                Transpose::Map { unit, bars, .. } => {
                    let layout = parts[numbers.0].kernel.layout();
                    let feeds = unit.sources.iter().zip(&layout.input_row).zip(&unit.inputs);
                    let feeds = feeds
                        .map(|((source, &row), id)| {
                            let rows = unit.dag.shape(*id).iter().product();
                            let feed = match source {
                                Source::Bar(c) => BackFeed::Bar(*c),
                                _ => BackFeed::Value(step.feed(*source)?),
                            };
                            Some((row, rows, feed))
                        })
                        .collect::<Option<Vec<_>>>()
                        .ok_or_else(|| internal("the transpose of a map reads what the map does not"))?;
                    let results = layout.output_row.iter().zip(bars);
                    let results = results.map(|(&row, &c)| (row, forward.widths[c], c)).collect();
                    Back::Map { part: numbers.0, feeds, results }
                }
                Transpose::Solve(stage) => {
                    let (record, back) = numbers;
                    let (shared, bars) = solve_rows(stage, parts[back].kernel.layout(), step)
                        .ok_or_else(|| internal("the transpose of a right-hand side reads what it does not"))?;
                    Back::Solve { record, back, shared, bars, span: stage.span }
                }
            });
        }
        let solver = |step: &Step<T>| match &step.role {
            Role::Map(_) => None,
            Role::Solve { solver: u32::MAX, .. } => Some(Some(&solving.default_solver)),
            Role::Solve { solver, .. } => Some(solving.solvers.get(*solver as usize)),
        };
        let solvers = forward.steps.iter().filter_map(solver).collect::<Option<Vec<_>>>();
        let solvers = solvers.ok_or_else(|| internal("a solve names a solver out of range"))?;
        let solvers = solvers.into_iter().map(|s| SolverConfig { chunk: Some(chunk), ..s.clone() }).collect();
        Ok(Objective { loss: plan.loss, backs, parts, solvers, mode: solving.mode, forward })
    }

    /// Kernels and their maps: those of the segments, of their companions, then those of the pass back.
    pub fn parts(&self) -> impl Iterator<Item = (&dyn Kernel<T>, &ThetaMap)> {
        let steps = &self.forward.steps;
        let segments = steps.iter().chain(steps.iter().filter_map(Step::companion));
        let segments = segments.map(|s| (&*s.kernel, &s.theta_map));
        segments.chain(self.parts.iter().map(|p| (&*p.kernel, &p.theta_map)))
    }

    /// The parameters of the segments among those of all parts.
    pub(super) fn packed<'a>(&self, all: &[&'a [T]]) -> Vec<Packed<'a, T>> {
        let steps = &self.forward.steps;
        let mut next = steps.len();
        let mut of = |(i, step): (usize, &Step<T>)| {
            let companion = step.companion().map(|_| {
                next += 1;
                all[next - 1]
            });
            Packed { unit: all[i], companion }
        };
        steps.iter().enumerate().map(&mut of).collect()
    }

    /// The method of each solve.
    pub fn methods(&self) -> impl Iterator<Item = &str> {
        self.solvers.iter().map(|s| s.method.name.as_str())
    }

    /// The number of the part of a transpose among all parts.
    pub(super) fn number(&self, part: usize) -> usize {
        let steps = &self.forward.steps;
        steps.len() + steps.iter().filter(|s| s.companion().is_some()).count() + part
    }

    pub fn bench(&self, chunk: usize, workers: usize) -> Bench<T> {
        let most = |f: &dyn Fn(&Part<T>) -> usize| self.parts.iter().map(f).max().unwrap_or(0);
        let solves = self.solvers.len();
        let tape = || match self.mode {
            Mode::Exact { budget } => Tape::new(budget / workers.max(1) / solves.max(1)),
            Mode::Snapshots(n) => Tape::of_snapshots(n),
            Mode::Reversible { .. } | Mode::Adjoint { .. } => Tape::default(),
        };
        let mut desk = Desk::new(&self.forward, chunk);
        let scratch = most(&|p| p.kernel.layout().scratch_len).max(desk.scratch.len());
        desk.scratch = Aligned::zeros(scratch);
        Bench {
            bars: self.forward.widths.iter().map(|width| Aligned::zeros(width * chunk)).collect(),
            inputs: Aligned::zeros(most(&|p| p.kernel.layout().input_rows) * LANES),
            outputs: Aligned::zeros(most(&|p| p.kernel.layout().output_rows) * LANES),
            states: vec![T::default(); desk.given.states.len()],
            observed: vec![T::default(); desk.observed.len()],
            captures: vec![T::default(); desk.given.captures.len()],
            times: (vec![0.0; chunk], vec![0.0; chunk]),
            tapes: (0..solves).map(|_| tape()).collect(),
            results: (0..solves).map(|_| (Vec::new(), Vec::new())).collect(),
            room: Room::default(),
            counts: vec![SampleCount::default(); chunk],
            costs: vec![Cost::default(); solves],
            desk,
        }
    }

    /// Operations of a sample. Spans count as of length 1, and what error control takes is a guess
    /// ([`SolverConfig::expected_evaluations`]).
    pub fn flops(&self) -> u64 {
        let mut solvers = self.solvers.iter().map(SolverConfig::expected_evaluations);
        let times: Vec<u64> = self
            .forward
            .steps
            .iter()
            .map(|s| match &s.role {
                Role::Map(_) => 1,
                Role::Solve { .. } => solvers.next().unwrap_or(1),
            })
            .collect();
        // States between snapshots are marched again; the reversible scheme makes two steps for one, both ways.
        let (ahead, behind) = match self.mode {
            Mode::Exact { .. } | Mode::Adjoint { .. } => (1, 1),
            Mode::Snapshots(_) => (2, 1),
            Mode::Reversible { .. } => (2, 2),
        };
        let flops = |part: usize| self.parts[part].kernel.layout().flops;
        let forward = self.forward.steps.iter().zip(&times).map(|(s, n)| {
            let solved = matches!(s.role, Role::Solve { .. });
            s.layout.flops * n * if solved { ahead } else { 1 }
        });
        let backs = self.backs.iter().zip(&times).map(|(back, n)| match back {
            Back::Nothing => 0,
            Back::Map { part, .. } => flops(*part),
            Back::Solve { record, back, .. } => (flops(*record) + flops(*back)) * n * behind,
        });
        forward.sum::<u64>() + backs.sum::<u64>()
    }
}
