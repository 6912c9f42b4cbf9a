//! From one program to the pieces that run: a prologue over the parameters, and tile units between solves.
//!
//! `Program` (derivatives expanded, optimised) -> [`ForwardPlan`], [`GradientPlan`] or, with solves, [`ObjectivePlan`]. The program is split by level before
//! it is transposed: work that depends on parameters only becomes the prologue, run once a training step, and the body is
//! differentiated with respect to the prologue's results. `solve` cuts a program into segments; values that cross a cut
//! become columns. Deliberately absent: tiles, threads, buffers.

mod errors;
mod forward;
mod gradient;
mod jacobian;
mod objective;
pub mod print;
mod residuals;
mod split;
mod sums;
mod transpose;

pub use forward::forward;
pub use gradient::gradient;
pub use objective::{objective, solves, trainable};

use crate::ir::{Dag, DrawId, InputId, NodeId, ParamId, Shape};
use std::sync::Arc;

/// What one Theta-level value read by units is.
#[derive(Clone, Debug, PartialEq)]
pub enum ThetaSource {
    /// A parameter as it is.
    Param(ParamId),
    /// A result of the prologue: a node of [`Prologue::dag`].
    Computed(NodeId),
}

/// Work that depends on parameters only. `Op::Theta(i)` in units refers to entry `i`.
#[derive(Clone, Debug, Default)]
pub struct Prologue {
    /// A DAG whose leaves are `Op::Param`.
    pub dag: Dag,
    /// The values that units read.
    pub values: Vec<(ThetaSource, Shape)>,
}

/// Where an input row block of a unit comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Raw random numbers.
    Draw(DrawId),
    /// A column block of the caller.
    Input(InputId),
    /// A column block that an earlier segment made (index into [`ForwardPlan::columns`]).
    Column(usize),
    /// The state of the solve, component by component.
    State(u32),
    /// The time of the solve.
    Time,
    /// A cotangent. In the transpose of a map: of the column of that index; in the transpose of a right-hand side: of the
    /// derivative of that component.
    Bar(usize),
    /// In the transpose of a right-hand side: a value that its record keeps.
    Residual(usize),
}

/// A unit with its bindings. `inputs`, `theta`, `outputs`, `sums` are as in [`crate::backend::Unit`].
#[derive(Clone, Debug, Default)]
pub struct UnitSpec {
    /// The operations.
    pub dag: Dag,
    /// Leaves in row order.
    pub inputs: Vec<NodeId>,
    /// Where each input comes from.
    pub sources: Vec<Source>,
    /// Theta-level leaves.
    pub theta: Vec<NodeId>,
    /// For each of `theta`, the index into [`Prologue::values`].
    pub theta_values: Vec<usize>,
    /// Results in row order.
    pub outputs: Vec<NodeId>,
    /// Sums over samples.
    pub sums: Vec<NodeId>,
}

/// A step of a forward plan.
#[derive(Clone, Debug)]
pub enum Segment {
    /// Evaluate a unit for each sample; its outputs become these columns, in order.
    Map {
        /// The unit.
        unit: UnitSpec,
        /// Index into [`ForwardPlan::columns`] for each output.
        columns: Vec<usize>,
    },
    /// Solve an initial-value problem for each sample.
    Solve {
        /// The right-hand side: outputs are the derivatives, component by component.
        rhs: UnitSpec,
        /// Component names and shapes.
        components: Vec<(String, Shape)>,
        /// Columns of start and end time (scalars).
        span: (usize, usize),
        /// Columns of the initial values.
        inits: Vec<usize>,
        /// Columns that receive the final values, or the values at the observation times.
        results: Vec<usize>,
        /// Index into the plan's solvers; `u32::MAX`: the enclosing block's.
        solver: u32,
        /// Times at which states are wanted instead of the end.
        at: Option<Times>,
        /// What makes the equations stochastic.
        noise: Option<Diffusion>,
        /// For an implicit solver: reads what `rhs` reads, gives its Jacobian in the state, `[dim][dim]`.
        jacobian: Option<UnitSpec>,
    },
}

/// The noise of a solve: a factor of `dW` for each state element.
#[derive(Clone, Debug)]
pub struct Diffusion {
    /// Reads states, time and captures; outputs are the diffusions, component by component.
    pub unit: UnitSpec,
    /// The qualified name of the noise.
    pub site: String,
}

/// Observation times, from the start of a span to its end.
#[derive(Clone, Debug, PartialEq)]
pub enum Times {
    /// The same for all samples.
    Common(Arc<[f64]>),
    /// A column.
    PerSample(usize),
}

/// A program to evaluate, sample by sample.
#[derive(Clone, Debug, Default)]
pub struct ForwardPlan {
    /// Parameter-only work.
    pub prologue: Prologue,
    /// In order.
    pub segments: Vec<Segment>,
    /// Shape of every column block.
    pub columns: Vec<Shape>,
    /// For each named output of the program, its column.
    pub outputs: Vec<(String, usize)>,
}

/// A loss whose program solves, with its gradient: a forward pass over the segments, then a pass back over their
/// transposes.
///
/// A column is *active* if the loss can change with the parameters through it; only active columns have cotangents.
#[derive(Clone, Debug, Default)]
pub struct ObjectivePlan {
    /// Parameter-only work of all units.
    pub prologue: Prologue,
    /// In order. Right-hand sides are those of the transposes: they give the bits that [`StageTranspose::record`] gives.
    pub segments: Vec<Segment>,
    /// Shape of every column block.
    pub columns: Vec<Shape>,
    /// The column of the loss.
    pub loss: usize,
    /// For each segment.
    pub transposes: Vec<Transpose>,
    /// Gradients of parameters from the sums of all transposes, as [`GradientPlan::epilogue`].
    pub epilogue: Option<(Dag, Vec<NodeId>)>,
}

/// A segment, backward.
#[derive(Clone, Debug)]
pub enum Transpose {
    /// Nothing that the segment makes is active and reached by the loss.
    Nothing,
    /// Of a map: its sources and [`Source::Bar`]s of its columns -> cotangents.
    Map {
        /// The unit; its sums are cotangents of prologue values.
        unit: UnitSpec,
        /// For each output, the column to whose cotangent it is added.
        bars: Vec<usize>,
        /// For each sum, the prologue value whose cotangent it is.
        cotangents: Vec<usize>,
    },
    /// Of a solve.
    Solve(Box<StageTranspose>),
}

/// The transpose of a right-hand side at one stage, in two units: values with what must be kept of them, and cotangents.
///
/// `record` and the right-hand side are one DAG, so their slopes have equal bits; so a stage may be recorded in the forward
/// pass or recomputed in the backward pass without a change of bits.
#[derive(Clone, Debug)]
pub struct StageTranspose {
    /// Inputs as the right-hand side. Outputs: derivatives, component by component, then residuals.
    pub record: UnitSpec,
    /// Inputs: [`Source::Bar`] of every component and [`Source::Residual`]s, in order, so that its input block begins like
    /// the output block of `record`; then captures and time. Sums are cotangents of prologue values.
    pub back: UnitSpec,
    /// What each output of `back` is the cotangent of: [`Source::State`], [`Source::Column`] or [`Source::Time`].
    pub outputs: Vec<Source>,
    /// For each sum of `back`, the prologue value whose cotangent it is.
    pub cotangents: Vec<usize>,
    /// Whether start and end of the span are active; then time has a cotangent if the right-hand side reads it.
    pub span: (bool, bool),
}

/// A loss without a solve inside, with its gradient.
#[derive(Clone, Debug, Default)]
pub struct GradientPlan {
    /// Parameter-only work.
    pub prologue: Prologue,
    /// One unit: loss and cotangents. Output 0 is the loss of the sample; its last input is the scalar `weight` of the
    /// sample (1/batch, or 0 for padding), bound to `Source::Input(weight)`.
    pub unit: UnitSpec,
    /// The input that carries the sample's weight.
    pub weight: Option<InputId>,
    /// For each sum of the unit, the prologue value whose cotangent it is.
    pub cotangents: Vec<usize>,
    /// The transposed prologue: leaves are `Op::Param` and `Op::Theta(i)` = the reduced cotangent of prologue value `i`;
    /// one node for each parameter, its gradient. `None`: a parameter's gradient is its cotangent, or zero if it has none.
    pub epilogue: Option<(Dag, Vec<NodeId>)>,
}
