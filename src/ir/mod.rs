//! The typed IR: one hash-consed DAG of per-sample tensor operations.
//!
//! Every node has a static shape of rank at most 4 and a [`Level`]; the batch is not in it. New axes (tangents, observation
//! times) go last. Invariants: operands precede their users; equal operations are one node (except [`Op::Named`]);
//! `verify` accepts every DAG that the builder makes. Deliberately absent: instruction sets, tiles, the language.

mod build;
mod canon;
mod copy;
mod cost;
mod einsum;
pub mod eval;
mod linear;
mod op;
pub mod print;
mod rows;
pub mod verify;
mod windows;

pub use build::Dag;
pub use canon::fold_unary;
pub use copy::{copy_down, prune, reachable, rebuild};
pub use cost::{Flops, flops, node_flops};
pub use einsum::Einsum;
pub use op::{
    Deriv, DrawId, DrawKind, InputId, Level, Node, NodeId, Noise, Op, ParamId, RegionId, Shape, Solve, Trace, UnaryFn,
    Windows,
};
pub use rows::over_rows;

use crate::source::Span;

/// A trainable tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamDecl {
    /// Its qualified name, e.g. `v.mlp.dense.0.W`: the key of the checkpoint.
    pub name: String,
    /// Its shape.
    pub shape: Shape,
    /// How it begins.
    pub init: Init,
    /// Where it is declared.
    pub span: Span,
}

/// How a parameter begins.
#[derive(Clone, Debug, PartialEq)]
pub enum Init {
    /// Every element has this value.
    Constant(f64),
    /// Uniform between the bounds.
    Uniform(f64, f64),
    /// Normal with mean and standard deviation.
    Normal(f64, f64),
}

/// A raw random number source, one draw per sample per step. Everything else is arithmetic on these.
#[derive(Clone, Debug, PartialEq)]
pub struct DrawDecl {
    /// The qualified name of the draw; its hash keys the stream, so arms of a comparison share it.
    pub site: String,
    /// What is drawn.
    pub kind: DrawKind,
    /// Its shape (rank 0 or 1).
    pub shape: Shape,
}

/// Columns given from outside, one value per sample.
#[derive(Clone, Debug, PartialEq)]
pub struct InputDecl {
    /// A name for dumps.
    pub name: String,
    /// Its shape.
    pub shape: Shape,
    /// The rows of a set that fill it; otherwise whoever runs the program does.
    pub rows: Option<RowsInput>,
}

impl InputDecl {
    /// An input that whoever runs the program fills.
    #[must_use]
    pub fn new(name: impl Into<String>, shape: Shape) -> InputDecl {
        InputDecl { name: name.into(), shape, rows: None }
    }
}

/// What a set gives to an input.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RowsInput {
    /// Index of the set among those of the plan.
    pub set: u32,
    /// Which value of a row: an item, or behind the items the label.
    pub part: u32,
    /// The qualified name of the draw: keys the order of rows, which all parts of a draw share.
    pub site: String,
}

/// A DAG with the declarations of its leaves and its named results.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The operations.
    pub dag: Dag,
    /// What [`Op::Param`] refers to.
    pub params: Vec<ParamDecl>,
    /// What [`Op::Draw`] refers to.
    pub draws: Vec<DrawDecl>,
    /// What [`Op::Input`] refers to.
    pub inputs: Vec<InputDecl>,
    /// The results.
    pub outputs: Vec<(String, NodeId)>,
}

impl Program {
    /// The output of that name.
    #[must_use]
    pub fn output(&self, name: &str) -> Option<NodeId> {
        self.outputs.iter().find(|(n, _)| n == name).map(|(_, id)| *id)
    }

    /// Whether both say the same: equal operations, declarations and results.
    #[must_use]
    pub fn same(&self, other: &Program) -> bool {
        self.outputs == other.outputs
            && self.params == other.params
            && self.draws == other.draws
            && self.inputs == other.inputs
            && self.dag.same(&other.dag)
    }
}
