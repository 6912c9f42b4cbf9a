//! The closed list of operations.
//!
//! Every consumer (printer, verifier, derivatives, interpreter, code generation) matches over [`Op`] without a wildcard arm.

use super::Einsum;
use crate::source::Span;

/// Extents of the axes; `[]` is a scalar.
pub type Shape = Vec<usize>;

/// Index of a node in a [`super::Dag`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

impl std::fmt::Debug for NodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "%{}", self.0)
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $($(#[$doc])* #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)] pub struct $name(pub u32);)*
    };
}
ids! {
    /// Index into [`super::Program::params`].
    ParamId;
    /// Index into [`super::Program::draws`].
    DrawId;
    /// Index into [`super::Program::inputs`].
    InputId;
    /// One `solve`; its states and its time are leaves that carry this.
    RegionId;
}

/// What a node can change with. A node's level is the greatest of its operands'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Known when the program is built.
    Const,
    /// Changes with the parameters: once a training step.
    Theta,
    /// Changes with the sample.
    Sample,
    /// Changes within a solve: once an evaluation of a right-hand side.
    Stage,
}

/// What a raw draw is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DrawKind {
    /// Uniform on the open interval (0, 1), multiples of 2^-24 (odd ones): exact in f32.
    Uniform,
    /// Standard normal.
    Normal,
}

/// Elementwise functions of one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UnaryFn {
    /// e^x
    Exp,
    /// Natural logarithm.
    Log,
    /// Square root.
    Sqrt,
    /// Sine.
    Sin,
    /// Cosine.
    Cos,
    /// Hyperbolic tangent.
    Tanh,
    /// 1 / (1 + e^-x)
    Logistic,
    /// log(1 + e^x)
    Softplus,
    /// Error function.
    Erf,
    /// 1 / x
    Recip,
    /// |x|
    Abs,
    /// -1, 0 or 1.
    Sign,
    /// Greatest integer not above x.
    Floor,
}

impl UnaryFn {
    /// Every function, for tables and tests.
    pub const ALL: [UnaryFn; 13] = [
        UnaryFn::Exp,
        UnaryFn::Log,
        UnaryFn::Sqrt,
        UnaryFn::Sin,
        UnaryFn::Cos,
        UnaryFn::Tanh,
        UnaryFn::Logistic,
        UnaryFn::Softplus,
        UnaryFn::Erf,
        UnaryFn::Recip,
        UnaryFn::Abs,
        UnaryFn::Sign,
        UnaryFn::Floor,
    ];
}

/// Which windows [`Op::Slice`] and [`Op::Pad`] touch: `start..start + len` of `axis`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Windows {
    /// The axis.
    pub axis: usize,
    /// Slice: first index taken. Pad: zeros before.
    pub start: usize,
    /// Slice: how many are taken. Pad: the extent of the result.
    pub len: usize,
}

/// How a trace is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trace {
    /// All diagonal entries.
    Exact,
    /// `w' J w` with a probe w (a node of the shape of the target, made by elaboration, one draw a trajectory), or the mean of
    /// it over several: `[target's shape, k]`.
    Probe(NodeId),
}

/// Derivative operators, present before `autodiff::expand` only. `of` may have any shape, `wrt` is a leaf or a named node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Deriv {
    /// d of / d wrt: shape `of.shape ++ wrt.shape` (jacobian; gradient when `of` is a scalar; `diff` when `wrt` is a scalar).
    Jacobian,
    /// Gradient of a scalar, by the reverse sweep: shape of `wrt`.
    Gradient,
    /// Trace of the jacobian; `of` and `wrt` have one shape; a scalar.
    Divergence(Trace),
    /// J times a tangent of `wrt`'s shape: shape of `of`.
    Jvp(NodeId),
    /// J' times a cotangent of `of`'s shape: shape of `wrt`.
    Vjp(NodeId),
}

/// An initial-value problem over a region. `derivs` are nodes of the same DAG that read the region's
/// [`Op::State`] and [`Op::Time`] leaves; whatever else they read from outside is a capture, found by staging.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Solve {
    /// Whose states.
    pub region: RegionId,
    /// Start of the span (scalar).
    pub t0: NodeId,
    /// End of the span (scalar); may be before the start.
    pub t1: NodeId,
    /// Names of the components, for dumps and messages.
    pub names: Vec<String>,
    /// Initial values.
    pub inits: Vec<NodeId>,
    /// Derivatives, shapes as `inits`. The drift of a stochastic equation.
    pub derivs: Vec<NodeId>,
    /// Which solver: an index into the plan's list; `u32::MAX` = the enclosing block's.
    pub solver: u32,
    /// Times `[n]` at which states are wanted, from `t0` (the first) to `t1` (the last), in either direction: a component is
    /// then `[n] ++ shape`, a row for each time. `None`: the states at `t1`.
    pub at: Option<NodeId>,
    /// What makes the equations stochastic.
    pub noise: Option<Noise>,
}

/// The noise of a solve: `dx = deriv dt + diffusion dW` in the sense of Itô, with a Brownian motion of its own for each element
/// of each component.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Noise {
    /// Diffusions, shapes as `inits`; zeros for a component without noise.
    pub diffusions: Vec<NodeId>,
    /// The qualified name of the noise; its hash keys the increments.
    pub site: String,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    /// A scalar constant, by the bits of an f64 (never -0.0: canonical 0.0).
    Const(u64),
    /// A constant tensor: row-major bits of f64.
    Tensor(std::sync::Arc<[u64]>),
    /// The identity matrix.
    Eye(usize),
    /// A trainable tensor.
    Param(ParamId),
    /// A result of the prologue, read by a tile program after staging (index into the stage's list).
    Theta(u32),
    /// A column block given from outside.
    Input(InputId),
    /// A raw random draw.
    Draw(DrawId),
    /// A state of a solve.
    State(RegionId, u32),
    /// The time of a solve.
    Time(RegionId),
    /// An opaque synonym of its operand that only derivatives see: the target of a derivative operator. Never merged,
    /// erased by `autodiff::expand`.
    Named(u32, NodeId),

    /// A sum of products over named indices: product with broadcasting, matrix product, transpose, outer product,
    /// dot, trace, diagonal, sum over axes, broadcast. The only bilinear operation.
    Einsum(Einsum),
    /// a + b, shapes equal.
    Add(NodeId, NodeId),
    /// a - b, shapes equal.
    Sub(NodeId, NodeId),
    /// c * a with c the bits of an f64; -1 is negation.
    Scale(u64, NodeId),
    /// Part of an axis.
    Slice(Windows, NodeId),
    /// Zeros around an axis: the transpose of a slice.
    Pad(Windows, NodeId),
    /// Joins along an axis.
    Concat(usize, Vec<NodeId>),
    /// Same elements, row-major, other extents.
    Reshape(Shape, NodeId),

    /// An elementwise function.
    Unary(UnaryFn, NodeId),
    /// The greater, NaN if either is.
    Max(NodeId, NodeId),
    /// The lesser, NaN if either is.
    Min(NodeId, NodeId),
    /// 1 where a < b, else 0.
    Less(NodeId, NodeId),
    /// 1 where a <= b, else 0.
    LessEq(NodeId, NodeId),
    /// 1 where a == b, else 0.
    Equal(NodeId, NodeId),
    /// a where c != 0, else b; shapes equal.
    Select(NodeId, NodeId, NodeId),
    /// The operand, constant to every derivative operator.
    Stop(NodeId),

    /// A derivative, before expansion.
    Deriv { kind: Deriv, of: NodeId, wrt: NodeId, hold: Vec<NodeId> },
    /// An initial-value problem; its value is read by [`Op::Component`].
    Solve(Box<Solve>),
    /// Value of a component of a solve: at the end, or a row for each observation time.
    Component(NodeId, u32),
    /// Sum over the samples of a batch; makes a Theta-level value of a Sample-level one.
    SumSamples(NodeId),
}

/// An operation with what is known of its value.
#[derive(Clone, Debug)]
pub struct Node {
    /// The operation.
    pub op: Op,
    /// Its shape; empty for [`Op::Solve`].
    pub shape: Shape,
    /// What it changes with.
    pub level: Level,
    /// The expression it came from, for messages.
    pub span: Option<Span>,
}

impl Op {
    /// Calls `f` on every operand, in order. For a solve: t0, t1, times, inits, derivs, diffusions.
    pub fn for_each_operand(&self, mut f: impl FnMut(NodeId)) {
        match self {
            Op::Const(_)
            | Op::Tensor(_)
            | Op::Eye(_)
            | Op::Param(_)
            | Op::Theta(_)
            | Op::Input(_)
            | Op::Draw(_)
            | Op::State(..)
            | Op::Time(_) => {}
            Op::Named(_, a)
            | Op::Scale(_, a)
            | Op::Slice(_, a)
            | Op::Pad(_, a)
            | Op::Reshape(_, a)
            | Op::Unary(_, a)
            | Op::Stop(a)
            | Op::Component(a, _)
            | Op::SumSamples(a) => f(*a),
            Op::Einsum(e) => e.operands.iter().for_each(|(a, _)| f(*a)),
            Op::Add(a, b)
            | Op::Sub(a, b)
            | Op::Max(a, b)
            | Op::Min(a, b)
            | Op::Less(a, b)
            | Op::LessEq(a, b)
            | Op::Equal(a, b) => {
                f(*a);
                f(*b);
            }
            Op::Concat(_, parts) => parts.iter().for_each(|a| f(*a)),
            Op::Select(c, a, b) => {
                f(*c);
                f(*a);
                f(*b);
            }
            Op::Deriv { kind, of, wrt, hold } => {
                f(*of);
                f(*wrt);
                match kind {
                    Deriv::Jvp(w) | Deriv::Vjp(w) | Deriv::Divergence(Trace::Probe(w)) => f(*w),
                    Deriv::Jacobian | Deriv::Gradient | Deriv::Divergence(Trace::Exact) => {}
                }
                hold.iter().for_each(|a| f(*a));
            }
            Op::Solve(s) => {
                f(s.t0);
                f(s.t1);
                s.at.iter().for_each(|a| f(*a));
                s.inits.iter().for_each(|a| f(*a));
                s.derivs.iter().for_each(|a| f(*a));
                s.noise.iter().flat_map(|n| &n.diffusions).for_each(|a| f(*a));
            }
        }
    }

    /// The same operation on other operands.
    #[must_use]
    pub fn map_operands(&self, mut f: impl FnMut(NodeId) -> NodeId) -> Op {
        match self {
            Op::Const(_)
            | Op::Tensor(_)
            | Op::Eye(_)
            | Op::Param(_)
            | Op::Theta(_)
            | Op::Input(_)
            | Op::Draw(_)
            | Op::State(..)
            | Op::Time(_) => self.clone(),
            Op::Named(n, a) => Op::Named(*n, f(*a)),
            Op::Einsum(e) => Op::Einsum(Einsum {
                operands: e.operands.iter().map(|(a, axes)| (f(*a), axes.clone())).collect(),
                output_rank: e.output_rank,
                extents: e.extents.clone(),
            }),
            Op::Add(a, b) => Op::Add(f(*a), f(*b)),
            Op::Sub(a, b) => Op::Sub(f(*a), f(*b)),
            Op::Scale(c, a) => Op::Scale(*c, f(*a)),
            Op::Slice(w, a) => Op::Slice(*w, f(*a)),
            Op::Pad(w, a) => Op::Pad(*w, f(*a)),
            Op::Concat(axis, parts) => Op::Concat(*axis, parts.iter().map(|&a| f(a)).collect()),
            Op::Reshape(shape, a) => Op::Reshape(shape.clone(), f(*a)),
            Op::Unary(function, a) => Op::Unary(*function, f(*a)),
            Op::Max(a, b) => Op::Max(f(*a), f(*b)),
            Op::Min(a, b) => Op::Min(f(*a), f(*b)),
            Op::Less(a, b) => Op::Less(f(*a), f(*b)),
            Op::LessEq(a, b) => Op::LessEq(f(*a), f(*b)),
            Op::Equal(a, b) => Op::Equal(f(*a), f(*b)),
            Op::Select(c, a, b) => Op::Select(f(*c), f(*a), f(*b)),
            Op::Stop(a) => Op::Stop(f(*a)),
            Op::Deriv { kind, of, wrt, hold } => {
                let (of, wrt) = (f(*of), f(*wrt));
                let kind = match kind {
                    Deriv::Jacobian => Deriv::Jacobian,
                    Deriv::Gradient => Deriv::Gradient,
                    Deriv::Divergence(Trace::Exact) => Deriv::Divergence(Trace::Exact),
                    Deriv::Divergence(Trace::Probe(w)) => Deriv::Divergence(Trace::Probe(f(*w))),
                    Deriv::Jvp(w) => Deriv::Jvp(f(*w)),
                    Deriv::Vjp(w) => Deriv::Vjp(f(*w)),
                };
                Op::Deriv { kind, of, wrt, hold: hold.iter().map(|&a| f(a)).collect() }
            }
            Op::Solve(s) => Op::Solve(Box::new(Solve {
                region: s.region,
                t0: f(s.t0),
                t1: f(s.t1),
                at: s.at.map(&mut f),
                names: s.names.clone(),
                inits: s.inits.iter().map(|&a| f(a)).collect(),
                derivs: s.derivs.iter().map(|&a| f(a)).collect(),
                solver: s.solver,
                noise: s
                    .noise
                    .as_ref()
                    .map(|n| Noise { diffusions: n.diffusions.iter().map(|&a| f(a)).collect(), site: n.site.clone() }),
            })),
            Op::Component(s, i) => Op::Component(f(*s), *i),
            Op::SumSamples(a) => Op::SumSamples(f(*a)),
        }
    }
}
