//! The hash-consing, canonicalising builder.
//!
//! Every pass builds through these methods, so constants fold, identities apply and equal sub-expressions merge everywhere.

use super::{Deriv, DrawId, InputId, Level, Node, NodeId, Op, ParamId, RegionId, Shape, Solve, UnaryFn};
use crate::source::Span;
use rustc_hash::FxHashMap;

/// Nodes in an order in which operands come first.
#[derive(Clone, Debug, Default)]
pub struct Dag {
    nodes: Vec<Node>,
    known: FxHashMap<Op, NodeId>,
    names: u32,
    span: Option<Span>,
}

impl Dag {
    /// The node of that id.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// Its operation.
    #[must_use]
    pub fn op(&self, id: NodeId) -> &Op {
        &self.node(id).op
    }

    /// Its shape.
    #[must_use]
    pub fn shape(&self, id: NodeId) -> &[usize] {
        &self.node(id).shape
    }

    /// Its level.
    #[must_use]
    pub fn level(&self, id: NodeId) -> Level {
        self.node(id).level
    }

    /// How many nodes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether both hold the same operations in the same order. Where they were written does not count.
    #[must_use]
    pub fn same(&self, other: &Dag) -> bool {
        let equal = |(a, b): (&Node, &Node)| a.op == b.op && a.shape == b.shape;
        self.len() == other.len() && self.nodes.iter().zip(&other.nodes).all(equal)
    }

    /// All ids, operands before users.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.nodes.len() as u32).map(NodeId)
    }

    /// Nodes made from here on come from this expression.
    pub fn set_span(&mut self, span: Option<Span>) {
        self.span = span;
    }

    /// Adds an operation of known shape and level as it is, or finds the equal one.
    pub fn intern(&mut self, op: Op, shape: Shape, level: Level) -> NodeId {
        if let Some(&id) = self.known.get(&op) {
            // Leaves of equal op and different shape cannot occur: a leaf's shape is its declaration's.
            return id;
        }
        let id = NodeId(u32::try_from(self.nodes.len()).expect("fewer than 2^32 nodes"));
        self.known.insert(op.clone(), id);
        self.nodes.push(Node { op, shape, level, span: self.span });
        id
    }

    fn max_level(&self, op: &Op) -> Level {
        let mut level = Level::Const;
        op.for_each_operand(|a| level = level.max(self.level(a)));
        level
    }

    pub(super) fn push(&mut self, op: Op, shape: Shape) -> NodeId {
        let level = self.max_level(&op);
        self.intern(op, shape, level)
    }

    // ---- leaves -----------------------------------------------------------------------------------------------------

    /// A scalar constant.
    pub fn constant(&mut self, value: f64) -> NodeId {
        let value = if value == 0.0 { 0.0 } else { value };
        self.intern(Op::Const(value.to_bits()), vec![], Level::Const)
    }

    /// A constant tensor, row-major.
    pub fn tensor(&mut self, values: &[f64], shape: Shape) -> NodeId {
        assert_eq!(values.len(), shape.iter().product::<usize>(), "as many values as the shape says");
        if let Some(first) = values.first()
            && values.iter().all(|v| v.to_bits() == first.to_bits())
        {
            let c = self.constant(*first);
            return self.broadcast(c, &shape);
        }
        let bits: Vec<u64> = values.iter().map(|v| v.to_bits()).collect();
        // The flat tensor is interned; its shape is given by a reshape so that equal bits of two shapes stay apart.
        let flat = self.intern(Op::Tensor(bits.into()), vec![values.len()], Level::Const);
        self.reshape(flat, &shape)
    }

    /// Zeros of a shape.
    pub fn zeros(&mut self, shape: &[usize]) -> NodeId {
        let z = self.constant(0.0);
        self.broadcast(z, shape)
    }

    /// The identity matrix.
    pub fn eye(&mut self, n: usize) -> NodeId {
        if n == 1 {
            let one = self.constant(1.0);
            return self.broadcast(one, &[1, 1]);
        }
        self.intern(Op::Eye(n), vec![n, n], Level::Const)
    }

    /// A trainable tensor.
    pub fn param(&mut self, id: ParamId, shape: Shape) -> NodeId {
        self.intern(Op::Param(id), shape, Level::Theta)
    }

    /// A prologue's result.
    pub fn theta(&mut self, index: u32, shape: Shape) -> NodeId {
        self.intern(Op::Theta(index), shape, Level::Theta)
    }

    /// A column block.
    pub fn input(&mut self, id: InputId, shape: Shape) -> NodeId {
        self.intern(Op::Input(id), shape, Level::Sample)
    }

    /// A raw draw.
    pub fn draw(&mut self, id: DrawId, shape: Shape) -> NodeId {
        self.intern(Op::Draw(id), shape, Level::Sample)
    }

    /// A state of a region.
    pub fn state(&mut self, region: RegionId, index: u32, shape: Shape) -> NodeId {
        self.intern(Op::State(region, index), shape, Level::Stage)
    }

    /// The time of a region.
    pub fn time(&mut self, region: RegionId) -> NodeId {
        self.intern(Op::Time(region), vec![], Level::Stage)
    }

    /// A fresh opaque synonym, the target of a derivative operator.
    pub fn named(&mut self, of: NodeId) -> NodeId {
        self.names += 1;
        let (shape, level) = (self.shape(of).to_vec(), self.level(of));
        self.intern(Op::Named(self.names, of), shape, level)
    }

    /// A synonym with its number, when a DAG is copied.
    pub(super) fn named_as(&mut self, number: u32, of: NodeId) -> NodeId {
        self.names = self.names.max(number);
        let (shape, level) = (self.shape(of).to_vec(), self.level(of));
        self.intern(Op::Named(number, of), shape, level)
    }

    // ---- structure --------------------------------------------------------------------------------------------------

    /// The scalar value of a constant, seen through broadcasts of one.
    #[must_use]
    pub fn as_constant(&self, id: NodeId) -> Option<f64> {
        match self.op(id) {
            Op::Const(bits) => Some(f64::from_bits(*bits)),
            Op::Einsum(e) if e.operands.len() == 1 && !e.contracts() => self.as_constant(e.operands[0].0),
            Op::Einsum(_)
            | Op::Tensor(_)
            | Op::Eye(_)
            | Op::Param(_)
            | Op::Theta(_)
            | Op::Input(_)
            | Op::Draw(_)
            | Op::State(..)
            | Op::Time(_)
            | Op::Named(..)
            | Op::Add(..)
            | Op::Sub(..)
            | Op::Scale(..)
            | Op::Slice(..)
            | Op::Pad(..)
            | Op::Concat(..)
            | Op::Reshape(..)
            | Op::Unary(..)
            | Op::Max(..)
            | Op::Min(..)
            | Op::Less(..)
            | Op::LessEq(..)
            | Op::Equal(..)
            | Op::Select(..)
            | Op::Stop(_)
            | Op::Deriv { .. }
            | Op::Solve(_)
            | Op::Component(..)
            | Op::SumSamples(_) => None,
        }
    }

    /// Whether every element is zero by construction.
    #[must_use]
    pub fn is_zero(&self, id: NodeId) -> bool {
        self.as_constant(id) == Some(0.0)
    }

    // ---- elementwise ------------------------------------------------------------------------------------------------

    /// An elementwise function.
    pub fn unary(&mut self, f: UnaryFn, a: NodeId) -> NodeId {
        if let Some(x) = self.as_constant(a) {
            return self.filled(super::canon::fold_unary(f, x), a);
        }
        if let (UnaryFn::Exp, Op::Unary(UnaryFn::Log, x))
        | (UnaryFn::Log, Op::Unary(UnaryFn::Exp, x))
        | (UnaryFn::Recip, Op::Unary(UnaryFn::Recip, x)) = (f, self.op(a))
        {
            return *x;
        }
        if let Some(y) = self.through_layout(a, |d, x| d.unary(f, x)) {
            return y;
        }
        let shape = self.shape(a).to_vec();
        self.push(Op::Unary(f, a), shape)
    }

    /// a / b, shapes equal or b a scalar.
    pub fn div(&mut self, a: NodeId, b: NodeId) -> NodeId {
        if let Some(c) = self.as_constant(b)
            && self.shape(b).is_empty()
        {
            if let Some(x) = self.as_constant(a) {
                return self.filled(x / c, a);
            }
            return self.scale(1.0 / c, a);
        }
        let r = self.unary(UnaryFn::Recip, b);
        self.mul(a, r)
    }

    /// a to an integer power, by repeated squaring; `sqrt(u)^2` is u.
    pub fn powi(&mut self, a: NodeId, n: i64) -> NodeId {
        if n < 0 {
            let p = self.powi(a, -n);
            return self.unary(UnaryFn::Recip, p);
        }
        if n == 0 {
            return self.filled(1.0, a);
        }
        if let Op::Unary(UnaryFn::Sqrt, u) = *self.op(a)
            && n % 2 == 0
        {
            return self.powi(u, n / 2);
        }
        let half = if n == 1 { return a } else { self.powi(a, n / 2) };
        let square = self.mul(half, half);
        if n % 2 == 1 { self.mul(square, a) } else { square }
    }

    fn binary(&mut self, op: Op, a: NodeId, b: NodeId, fold: impl Fn(f64, f64) -> f64) -> NodeId {
        assert_eq!(self.shape(a), self.shape(b), "elementwise operands");
        if let (Some(x), Some(y)) = (self.as_constant(a), self.as_constant(b)) {
            return self.filled(fold(x, y), a);
        }
        let shape = self.shape(a).to_vec();
        self.push(op, shape)
    }

    /// The greater.
    pub fn max(&mut self, a: NodeId, b: NodeId) -> NodeId {
        if a == b {
            return a;
        }
        self.binary(Op::Max(a, b), a, b, super::canon::max)
    }

    /// The lesser.
    pub fn min(&mut self, a: NodeId, b: NodeId) -> NodeId {
        if a == b {
            return a;
        }
        self.binary(Op::Min(a, b), a, b, super::canon::min)
    }

    /// 1 where a < b.
    pub fn less(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Op::Less(a, b), a, b, |x, y| f64::from(u8::from(x < y)))
    }

    /// 1 where a <= b.
    pub fn less_eq(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Op::LessEq(a, b), a, b, |x, y| f64::from(u8::from(x <= y)))
    }

    /// 1 where a == b.
    pub fn equal(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Op::Equal(a, b), a, b, |x, y| f64::from(u8::from(x == y)))
    }

    /// a where c is not 0, else b; shapes equal.
    pub fn select(&mut self, c: NodeId, a: NodeId, b: NodeId) -> NodeId {
        assert!(self.shape(c) == self.shape(a) && self.shape(a) == self.shape(b), "select");
        if let Some(x) = self.as_constant(c) {
            return if x == 0.0 { b } else { a };
        }
        if a == b {
            return a;
        }
        let shape = self.shape(a).to_vec();
        self.push(Op::Select(c, a, b), shape)
    }

    /// Constant to every derivative.
    pub fn stop(&mut self, a: NodeId) -> NodeId {
        if self.level(a) == Level::Const {
            return a;
        }
        let shape = self.shape(a).to_vec();
        self.push(Op::Stop(a), shape)
    }

    // ---- derivatives, solves, reductions ----------------------------------------------------------------------------

    /// A derivative operator, to be expanded later.
    pub fn deriv(&mut self, kind: Deriv, of: NodeId, wrt: NodeId, hold: Vec<NodeId>) -> NodeId {
        let (of_shape, wrt_shape) = (self.shape(of).to_vec(), self.shape(wrt).to_vec());
        let shape = match kind {
            Deriv::Jacobian => [of_shape, wrt_shape].concat(),
            Deriv::Gradient | Deriv::Vjp(_) => wrt_shape,
            Deriv::Divergence(_) => vec![],
            Deriv::Jvp(_) => of_shape,
        };
        self.push(Op::Deriv { kind, of, wrt, hold }, shape)
    }

    /// An initial-value problem; one id per component: its final value, or its values at the observation times.
    pub fn solve(&mut self, solve: Solve) -> Vec<NodeId> {
        // States and time of the region itself do not raise the level: outside, a solve changes with the sample.
        let rows = solve.at.map_or(vec![], |at| self.shape(at).to_vec());
        let shapes: Vec<Shape> = solve.inits.iter().map(|&a| [&rows[..], self.shape(a)].concat()).collect();
        let id = self.intern(Op::Solve(Box::new(solve)), vec![], Level::Sample);
        shapes
            .into_iter()
            .enumerate()
            .map(|(i, shape)| self.intern(Op::Component(id, i as u32), shape, Level::Sample))
            .collect()
    }

    /// Sum over the batch.
    pub fn sum_samples(&mut self, a: NodeId) -> NodeId {
        let shape = self.shape(a).to_vec();
        self.intern(Op::SumSamples(a), shape, Level::Theta)
    }
}
