//! How the solves of training are made, and what they cost.
//!
//! Deliberately absent: the making (`run::objective`).

use crate::solve::{SolverConfig, Steps};

/// How solves are made in training.
#[derive(Clone, Debug, PartialEq)]
pub struct Solving {
    /// What `Solve::solver` indexes.
    pub solvers: Vec<SolverConfig>,
    /// For solves without a solver of their own.
    pub default_solver: SolverConfig,
    /// How gradients pass through them.
    pub mode: Mode,
}

/// How gradients pass through solves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// The transpose of the steps that were taken; states are kept, and while they fit into this many bytes, over all threads,
    /// slopes and what stages left behind. The rest is computed again.
    Exact {
        /// Bytes.
        budget: usize,
    },
    /// The same bits; besides the first, this many states of a chunk's march are kept, and the steps between are made again.
    Snapshots(usize),
    /// Solves are made by a scheme of two states whose steps can be undone: their ends are kept.
    Reversible {
        /// The coupling of the two, in (0, 1].
        coupling: f64,
    },
    /// The continuous adjoint, with tolerances of its own where they are given.
    Adjoint {
        /// Relative.
        rtol: Option<f64>,
        /// Absolute.
        atol: Option<f64>,
    },
}

impl Mode {
    /// How the adjoint of a solve is solved.
    pub(super) fn backward(self, solver: &SolverConfig) -> SolverConfig {
        let mut solver = solver.clone();
        if let (Mode::Adjoint { rtol, atol }, Steps::Adaptive(a)) = (self, &mut solver.steps) {
            a.rtol = rtol.unwrap_or(a.rtol);
            a.atol = atol.unwrap_or(a.atol);
        }
        solver
    }
}

/// What the solves of training cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Samples.
    pub samples: u64,
    /// Evaluations of the right-hand side, samples added up.
    pub evaluations: u64,
    /// Transposed evaluations, and evaluations made again for them.
    pub backward: u64,
    /// Steps taken.
    pub accepted: u64,
    /// Steps tried in vain.
    pub rejected: u64,
    /// Jacobians, forward and back, each factorised once.
    pub factorisations: u64,
    /// Samples, over all steps of training, that an explicit method found to be stiff.
    pub stiff: u64,
    /// Fewest and most attempted steps of a sample.
    pub steps_range: (u32, u32),
    /// Most bytes that one chunk kept, and that it would have kept with records of all stages.
    pub bytes: (u64, u64),
}

impl Cost {
    /// Both together.
    #[must_use]
    pub fn with(self, other: Cost) -> Cost {
        if self.samples == 0 || other.samples == 0 {
            return if self.samples == 0 { other } else { self };
        }
        let (a, b) = (self.steps_range, other.steps_range);
        Cost {
            samples: self.samples + other.samples,
            evaluations: self.evaluations + other.evaluations,
            backward: self.backward + other.backward,
            accepted: self.accepted + other.accepted,
            rejected: self.rejected + other.rejected,
            factorisations: self.factorisations + other.factorisations,
            stiff: self.stiff + other.stiff,
            steps_range: (a.0.min(b.0), a.1.max(b.1)),
            bytes: (self.bytes.0.max(other.bytes.0), self.bytes.1.max(other.bytes.1)),
        }
    }
}
