//! Sums over samples: which order each is added in, where its partial sums stand in a slot, how slots become results.
//!
//! Sums are linear, and the operand of [`Op::SumSamples`] is taken apart accordingly: a scale moves outside the sum, and so
//! do additions, subtractions and permutations of axes if a product (below) is among what they add. Each remaining operand
//! has one of two orders, chosen by its form alone:
//!
//! * *Products*: the operand is an einsum of two sample-varying operands, none of which repeats an index, each output index
//!   is in exactly one of them, each operand has at least one output index, and each contracted index is in both (a weight
//!   gradient). Its partial sums are a matrix; every element is one chain of fused multiply-adds from +0, tiles ascending,
//!   within a tile contracted indices row-major, within those lanes ascending.
//! * *Lanes*: anything else. Sixteen partial sums an element: lane l of every tile adds to partial `l % 16`, lanes
//!   ascending. At the end partials add up in a tree: `p[j] += p[j + n/2]` for n = 16, 8, 4, 2.
//!
//! Slots are added first, in a tree over their numbers: 0+1, 2+3, ..., an odd last one passes on, and again. Then the tree
//! over partials, then the expression over sums (each operation rounds once), then the scale.

use super::Unit;
use super::unit::{Leaf, broken, count, row_major};
use crate::diag::Diagnostic;
use crate::ir::{Dag, Einsum, NodeId, Op};
use crate::kernels::{self, wide};
use std::ops::{Add, Mul, Range, Sub};

/// Partial sums of an element of a *Lanes* region.
pub use crate::kernels::PARTIALS;

/// Elements of an operand of an addition that are evaluated together.
const CHUNK: usize = 256;

/// Bits of the greatest number of slots.
const DEPTH: usize = 16;

/// One operand of a *Products* region: its node and the indices of its axes.
pub type Side = (NodeId, Vec<u8>);

/// A weight gradient: `slot[i][j] = fma(d[i][b][lane], x[j][b][lane], slot[i][j])`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Products {
    /// The rows' operand.
    pub d: Side,
    /// The columns' operand.
    pub x: Side,
    /// Output indices of `d`, in the output's order.
    pub rows: Vec<u8>,
    /// Output indices of `x`, in the output's order.
    pub columns: Vec<u8>,
    /// Contracted indices, in canonical order.
    pub blocks: Vec<u8>,
    /// Extent of every index.
    pub extents: Vec<usize>,
    /// How many indices are the output's.
    pub output_rank: usize,
}

impl Products {
    fn extent(&self, indices: &[u8]) -> usize {
        indices.iter().map(|&i| self.extents[i as usize]).product()
    }

    /// Rows of the slot's matrix.
    #[must_use]
    pub fn m(&self) -> usize {
        self.extent(&self.rows)
    }

    /// Columns of the slot's matrix.
    #[must_use]
    pub fn k(&self) -> usize {
        self.extent(&self.columns)
    }

    /// Terms of a lane.
    #[must_use]
    pub fn block_count(&self) -> usize {
        self.extent(&self.blocks)
    }

    /// Distance of rows in the slot: columns rounded up to 16.
    #[must_use]
    pub fn pitch(&self) -> usize {
        self.k().next_multiple_of(kernels::WIDEST)
    }

    /// For each output index its stride within the slot's matrix.
    fn output_strides(&self) -> Vec<usize> {
        let mut strides = vec![0; self.output_rank];
        for (group, unit) in [(&self.columns, 1), (&self.rows, self.pitch())] {
            let mut step = unit;
            for &i in group.iter().rev() {
                strides[i as usize] = step;
                step *= self.extents[i as usize];
            }
        }
        strides
    }
}

/// How a region adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// A chain of fused multiply-adds an element.
    Products(Products),
    /// Sixteen partials an element of this node.
    Lanes(NodeId),
}

/// The partial sums of one node.
#[derive(Clone, Debug)]
pub struct Region {
    /// The node whose samples are added.
    pub node: NodeId,
    /// How it adds.
    pub order: Order,
    /// First element in the slot, a multiple of 16.
    pub at: usize,
    /// Elements in the slot.
    pub len: usize,
}

impl Region {
    /// The nodes whose values it needs.
    pub fn reads(&self, mut f: impl FnMut(NodeId)) {
        match &self.order {
            Order::Products(p) => {
                f(p.d.0);
                f(p.x.0);
            }
            Order::Lanes(a) => f(*a),
        }
    }

    /// Operations a sample.
    #[must_use]
    pub fn flops(&self) -> u64 {
        match &self.order {
            Order::Products(p) => 2 * (p.m() * p.k() * p.block_count()) as u64,
            Order::Lanes(_) => (self.len / PARTIALS) as u64,
        }
    }
}

/// A sum as a result has it: where each of its elements is in the region.
#[derive(Clone, Debug)]
struct Part {
    region: usize,
    shape: Vec<usize>,
    /// Slot elements along every axis.
    strides: Vec<usize>,
}

impl Part {
    /// Merges axes along which the slot is walked in one stride.
    fn collapse(&mut self) {
        let (mut shape, mut strides): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
        for (&n, &stride) in self.shape.iter().zip(&self.strides).filter(|(n, _)| **n != 1) {
            match (shape.last_mut(), strides.last_mut()) {
                (Some(m), Some(s)) if *s == stride * n => (*m, *s) = (*m * n, stride),
                _ => {
                    shape.push(n);
                    strides.push(stride);
                }
            }
        }
        if shape.is_empty() {
            (shape, strides) = (vec![self.shape.iter().product()], vec![1]);
        }
        (self.shape, self.strides) = (shape, strides);
    }

    /// Elements (row-major) from `first` on of the sum, slots and partials added up.
    fn gather<T: Element>(&self, region: &Region, slots: &[&[T]], first: usize, out: &mut [T]) {
        // Runs along the last axis.
        let (&n, &step) = self.shape.last().zip(self.strides.last()).expect("collapsed to one axis or more");
        let mut done = 0;
        while done < out.len() {
            let j = first + done;
            let run = (n - j % n).min(out.len() - done);
            let from = region.at + offset_of(j, &self.shape, &self.strides);
            let out = &mut out[done..done + run];
            match (&region.order, step) {
                (Order::Products(_), 1) => tree(slots, from, out),
                (Order::Products(_), _) => {
                    for (t, out) in out.iter_mut().enumerate() {
                        let at = from + t * step;
                        *out = match *slots {
                            [a, b] => a[at] + b[at],
                            [a, b, c, d] => (a[at] + b[at]) + (c[at] + d[at]),
                            _ => pairs(slots.len(), |g| slots[g][at]),
                        };
                    }
                }
                (Order::Lanes(_), _) => lanes(slots, from, step, out),
            }
            done += run;
        }
    }
}

/// Offset of the `flat`-th element (row-major) under other strides.
fn offset_of(mut flat: usize, shape: &[usize], strides: &[usize]) -> usize {
    let mut offset = 0;
    for (&n, &stride) in shape.iter().zip(strides).rev() {
        offset += flat % n * stride;
        flat /= n;
    }
    offset
}

/// The sum of `count` terms in pairs: 0+1, 2+3, ..., an odd last one passes on, and again.
#[inline(always)]
fn pairs<T: Copy + Default + Add<Output = T>>(count: usize, term: impl Fn(usize) -> T) -> T {
    // Sums of whole subtrees, the greatest first: one for each bit of the number of terms so far. Slots are eight at most, and
    // a longer array would cost more than the sum.
    let mut waiting = [T::default(); DEPTH];
    let mut depth = 0;
    for g in 0..count {
        let mut sum = term(g);
        for _ in 0..g.trailing_ones() {
            depth -= 1;
            sum = waiting[depth] + sum;
        }
        waiting[depth] = sum;
        depth += 1;
    }
    waiting[..depth].iter().copied().rev().reduce(|sum, left| left + sum).unwrap_or_default()
}

/// Elements `at..at + out.len()` of all slots, added up in pairs.
fn tree<T: Element>(slots: &[&[T]], at: usize, out: &mut [T]) {
    let n = out.len();
    let of = |g: usize| &slots[g][at..at + n];
    match slots.len() {
        0 => out.fill(T::default()),
        1 => out.copy_from_slice(of(0)),
        2 => add_2(out, [of(0), of(1)]),
        4 => add_4(out, [of(0), of(1), of(2), of(3)]),
        8 => add_8(out, std::array::from_fn(of)),
        _ => add_any(out, slots, at),
    }
}

wide! {
    fn add_2<T: Element>(out: &mut [T], slots: [&[T]; 2]) {
        let n = out.len();
        let [a, b] = slots.map(|s| &s[..n]);
        for i in 0..n {
            out[i] = a[i] + b[i];
        }
    }
}

wide! {
    fn add_4<T: Element>(out: &mut [T], slots: [&[T]; 4]) {
        let n = out.len();
        let [a, b, c, d] = slots.map(|s| &s[..n]);
        for i in 0..n {
            out[i] = (a[i] + b[i]) + (c[i] + d[i]);
        }
    }
}

wide! {
    fn add_8<T: Element>(out: &mut [T], slots: [&[T]; 8]) {
        let n = out.len();
        let [a, b, c, d, e, f, g, h] = slots.map(|s| &s[..n]);
        for i in 0..n {
            out[i] = ((a[i] + b[i]) + (c[i] + d[i])) + ((e[i] + f[i]) + (g[i] + h[i]));
        }
    }
}

wide! {
    fn add_any<T: Element>(out: &mut [T], slots: &[&[T]], at: usize) {
        let (whole, rest) = out.as_chunks_mut::<PARTIALS>();
        let end = at + whole.len() * PARTIALS;
        for (c, out) in whole.iter_mut().enumerate() {
            *out = pairs(slots.len(), |g| Partials::read(slots[g], at + c * PARTIALS)).0;
        }
        for (i, out) in rest.iter_mut().enumerate() {
            *out = pairs(slots.len(), |g| slots[g][end + i]);
        }
    }
}

wide! {
    /// For every element, 16 partials of each slot from `at + step * element` on: slots in pairs, then partials by halves.
    fn lanes<T: Element>(slots: &[&[T]], at: usize, step: usize, out: &mut [T]) {
        for (i, out) in out.iter_mut().enumerate() {
            let at = at + i * step;
            let mut p = match *slots {
                [a] => Partials::read(a, at),
                [a, b] => Partials::read(a, at) + Partials::read(b, at),
                [a, b, c, d] => {
                    (Partials::read(a, at) + Partials::read(b, at)) + (Partials::read(c, at) + Partials::read(d, at))
                }
                _ => pairs(slots.len(), |g| Partials::read(slots[g], at)),
            }
            .0;
            let mut n = PARTIALS;
            while n > 1 {
                n /= 2;
                for l in 0..n {
                    p[l] = p[l] + p[l + n];
                }
            }
            *out = p[0];
        }
    }
}

/// Sixteen neighbours of a slot.
#[derive(Clone, Copy)]
struct Partials<T>([T; PARTIALS]);

impl<T: Element> Partials<T> {
    #[inline(always)]
    fn read(slot: &[T], at: usize) -> Self {
        Partials(*slot[at..].first_chunk().expect("within the slot"))
    }
}

impl<T: Element> Default for Partials<T> {
    #[inline(always)]
    fn default() -> Self {
        Partials([T::default(); PARTIALS])
    }
}

impl<T: Element> Add for Partials<T> {
    type Output = Self;

    #[inline(always)]
    fn add(mut self, other: Self) -> Self {
        for l in 0..PARTIALS {
            self.0[l] = self.0[l] + other.0[l];
        }
        self
    }
}

/// What a result is made of.
#[derive(Clone, Debug)]
enum Expr {
    Part(Part),
    Constant(f64),
    Add(Box<Expr>, Box<Expr>),
    Sub(Box<Expr>, Box<Expr>),
    Scale(f64, Box<Expr>),
}

/// A scalar that adds up.
pub trait Element: super::Scalar + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> {}
impl<T: super::Scalar + Add<Output = T> + Sub<Output = T> + Mul<Output = T>> Element for T {}

impl Expr {
    /// The same sums with their axes in another order: axis i of a part is axis `axes[i]` of the result.
    fn permute(&mut self, axes: &[u8]) {
        match self {
            Expr::Part(p) => {
                let moved = |old: &[usize]| {
                    let mut new = old.to_vec();
                    axes.iter().zip(old).for_each(|(&to, &x)| new[to as usize] = x);
                    new
                };
                (p.shape, p.strides) = (moved(&p.shape), moved(&p.strides));
            }
            Expr::Constant(_) => {}
            Expr::Add(a, b) | Expr::Sub(a, b) => {
                a.permute(axes);
                b.permute(axes);
            }
            Expr::Scale(_, a) => a.permute(axes),
        }
    }

    /// To be called when no permutation follows.
    fn collapse(&mut self) {
        match self {
            Expr::Part(p) => p.collapse(),
            Expr::Constant(_) => {}
            Expr::Add(a, b) | Expr::Sub(a, b) => {
                a.collapse();
                b.collapse();
            }
            Expr::Scale(_, a) => a.collapse(),
        }
    }
}

/// What is known of nodes.
struct Look<'a> {
    dag: &'a Dag,
    varies: &'a [bool],
    leaf: &'a [Option<Leaf>],
}

impl<'a> Look<'a> {
    /// The node as a product in the sense of the module.
    fn product(&self, a: NodeId) -> Option<&'a Einsum> {
        match self.dag.op(a) {
            Op::Einsum(e) if self.leaf[a.0 as usize].is_none() => {
                (e.operands.iter().all(|(a, _)| self.varies[a.0 as usize]) && is_weight_gradient(e)).then_some(e)
            }
            _ => None,
        }
    }

    /// The operand and its axes' places, if the node only permutes axes.
    fn permutation(&self, a: NodeId) -> Option<(NodeId, &'a [u8])> {
        let Op::Einsum(e) = self.dag.op(a) else { return None };
        let ([(inner, axes)], false) = (&e.operands[..], e.contracts()) else { return None };
        let permutes = axes.len() == e.extents.len() && (0..axes.len() as u8).all(|i| axes.contains(&i));
        permutes.then_some((*inner, axes))
    }

    /// Whether a product is among what the node adds up. Below a permutation no reshape may stand.
    fn has_product(&self, a: NodeId, permuted: bool) -> bool {
        if self.leaf[a.0 as usize].is_some() {
            return false;
        }
        match self.dag.op(a) {
            Op::Add(x, y) | Op::Sub(x, y) => self.has_product(*x, permuted) || self.has_product(*y, permuted),
            Op::Scale(_, x) | Op::Stop(x) => self.has_product(*x, permuted),
            Op::Reshape(_, x) => !permuted && self.has_product(*x, false),
            _ => match self.permutation(a) {
                Some((inner, _)) => self.has_product(inner, true),
                None => self.product(a).is_some(),
            },
        }
    }
}

/// Every sum of a unit.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    /// One for each distinct node that is summed.
    pub regions: Vec<Region>,
    /// Length of a slot.
    pub slot_len: usize,
    /// For each entry of [`Unit::sums`]: its elements in the flat sum vector, and its value.
    entries: Vec<(Range<usize>, Expr)>,
}

impl Sums {
    pub(super) fn new(unit: &Unit<'_>, varies: &[bool], leaf: &[Option<Leaf>]) -> Result<Sums, Diagnostic> {
        let mut sums = Sums::default();
        let look = Look { dag: unit.dag, varies, leaf };
        let mut at = 0;
        for &id in unit.sums {
            let len = count(unit.dag.shape(id));
            let mut expr = sums.expr(unit, &look, id)?;
            expr.collapse();
            sums.entries.push((at..at + len, expr));
            at += len;
        }
        Ok(sums)
    }

    fn expr(&mut self, unit: &Unit<'_>, look: &Look<'_>, id: NodeId) -> Result<Expr, Diagnostic> {
        let dag = unit.dag;
        if let Some(c) = dag.as_constant(id) {
            return Ok(Expr::Constant(c));
        }
        Ok(match dag.op(id) {
            Op::SumSamples(a) => {
                let last = dag.shape(*a).len().checked_sub(1);
                self.sum(look, *a, last.map(|l| l as u8), false)
            }
            Op::Add(a, b) => Expr::Add(Box::new(self.expr(unit, look, *a)?), Box::new(self.expr(unit, look, *b)?)),
            Op::Sub(a, b) => Expr::Sub(Box::new(self.expr(unit, look, *a)?), Box::new(self.expr(unit, look, *b)?)),
            Op::Scale(c, a) => Expr::Scale(f64::from_bits(*c), Box::new(self.expr(unit, look, *a)?)),
            // Row-major elements stay where they are.
            Op::Reshape(_, a) | Op::Stop(a) => self.expr(unit, look, *a)?,
            op @ (Op::Const(_)
            | Op::Tensor(_)
            | Op::Eye(_)
            | Op::Param(_)
            | Op::Theta(_)
            | Op::Input(_)
            | Op::Draw(_)
            | Op::State(..)
            | Op::Time(_)
            | Op::Named(..)
            | Op::Einsum(_)
            | Op::Slice(..)
            | Op::Pad(..)
            | Op::Concat(..)
            | Op::Unary(..)
            | Op::Max(..)
            | Op::Min(..)
            | Op::Less(..)
            | Op::LessEq(..)
            | Op::Equal(..)
            | Op::Select(..)
            | Op::Deriv { .. }
            | Op::Solve(_)
            | Op::Component(..)) => {
                return Err(broken(unit.name, format!("{id:?} = {op:?} is no sum over samples")));
            }
        })
    }

    /// The sum of a node over the samples. `fast` is the axis along which neighbours of the result stand; `permuted`: the
    /// result has another order of axes.
    fn sum(&mut self, look: &Look<'_>, a: NodeId, fast: Option<u8>, permuted: bool) -> Expr {
        if look.leaf[a.0 as usize].is_none() {
            let product = look.has_product(a, permuted);
            match look.dag.op(a) {
                Op::Scale(c, a) => {
                    return Expr::Scale(f64::from_bits(*c), Box::new(self.sum(look, *a, fast, permuted)));
                }
                op @ (Op::Add(x, y) | Op::Sub(x, y)) if product => {
                    let x = Box::new(self.sum(look, *x, fast, permuted));
                    let y = Box::new(self.sum(look, *y, fast, permuted));
                    return if matches!(op, Op::Add(..)) { Expr::Add(x, y) } else { Expr::Sub(x, y) };
                }
                Op::Stop(x) if product => return self.sum(look, *x, fast, permuted),
                Op::Reshape(_, x) if product && !permuted => {
                    let last = look.dag.shape(*x).len().checked_sub(1);
                    return self.sum(look, *x, last.map(|l| l as u8), false);
                }
                _ if product => {
                    if let Some((inner, axes)) = look.permutation(a) {
                        let fast = fast.and_then(|f| axes.iter().position(|&x| x == f)).map(|f| f as u8);
                        let mut expr = self.sum(look, inner, fast, true);
                        expr.permute(axes);
                        return expr;
                    }
                }
                _ => {}
            }
        }
        let shape = look.dag.shape(a).to_vec();
        let region = self.regions.iter().position(|r| r.node == a).unwrap_or_else(|| {
            let order = look.product(a).map_or(Order::Lanes(a), |e| Order::Products(products(e, fast)));
            let len = match &order {
                Order::Products(p) => p.m() * p.pitch(),
                Order::Lanes(_) => count(&shape) * PARTIALS,
            };
            self.regions.push(Region { node: a, order, at: self.slot_len, len });
            self.slot_len += len;
            self.regions.len() - 1
        });
        let strides = match &self.regions[region].order {
            Order::Products(p) => p.output_strides(),
            Order::Lanes(_) => row_major(&shape).iter().map(|s| s * PARTIALS).collect(),
        };
        Expr::Part(Part { region, shape, strides })
    }

    /// Whether every tile adds to every element of a slot.
    pub(crate) fn cover(&self) -> bool {
        self.regions.iter().all(|r| match &r.order {
            Order::Products(p) => r.len == 0 || p.block_count() > 0,
            Order::Lanes(_) => true,
        })
    }

    /// Whether a tile adds to every element of a slot by one run of lanes.
    pub(crate) fn one_block(&self) -> bool {
        self.regions.iter().all(|r| match &r.order {
            Order::Products(p) => r.len == 0 || p.block_count() == 1,
            Order::Lanes(_) => true,
        })
    }

    /// [`super::Kernel::reduce`], the same for every back end.
    pub fn reduce<T: Element>(&self, slots: &[&[T]], first: usize, out: &mut [T]) {
        let last = first + out.len();
        for (range, expr) in &self.entries {
            let (from, to) = (range.start.max(first), range.end.min(last));
            if from < to {
                self.eval(expr, slots, from - range.start, &mut out[from - first..to - first]);
            }
        }
    }

    fn eval<T: Element>(&self, expr: &Expr, slots: &[&[T]], first: usize, out: &mut [T]) {
        let mut both = |a: &Expr, b: &Expr, f: fn(T, T) -> T| {
            let mut right = [T::default(); CHUNK];
            for (c, out) in out.chunks_mut(CHUNK).enumerate() {
                let (first, right) = (first + c * CHUNK, &mut right[..out.len()]);
                self.eval(a, slots, first, out);
                self.eval(b, slots, first, right);
                out.iter_mut().zip(right).for_each(|(a, b)| *a = f(*a, *b));
            }
        };
        match expr {
            Expr::Part(p) => p.gather(&self.regions[p.region], slots, first, out),
            Expr::Constant(c) => out.fill(T::from_f64(*c)),
            Expr::Add(a, b) => both(a, b, |x, y| x + y),
            Expr::Sub(a, b) => both(a, b, |x, y| x - y),
            Expr::Scale(c, a) => {
                self.eval(a, slots, first, out);
                scale(out, T::from_f64(*c));
            }
        }
    }
}

wide! {
    fn scale<T: Element>(values: &mut [T], by: T) {
        for x in values {
            *x = *x * by;
        }
    }
}

/// Whether the indices of an einsum of two operands are those of a weight gradient (see the module).
fn is_weight_gradient(e: &Einsum) -> bool {
    let [(_, a), (_, b)] = &e.operands[..] else { return false };
    let repeats = |axes: &[u8]| axes.iter().enumerate().any(|(i, x)| axes[..i].contains(x));
    if repeats(a) || repeats(b) {
        return false;
    }
    let rank = e.output_rank;
    let split = (0..rank).all(|i| a.contains(&i) != b.contains(&i));
    let shared = (rank..e.extents.len() as u8).all(|i| a.contains(&i) && b.contains(&i));
    split && shared && a.iter().any(|&i| i < rank) && b.iter().any(|&i| i < rank)
}

/// Which operand gives the rows: the choice that makes the slot smaller; of equal ones, that in which neighbours of the
/// result are neighbours in the slot.
fn products(e: &Einsum, fast: Option<u8>) -> Products {
    let make = |d: usize, x: usize| {
        let own = |side: usize| -> Vec<u8> { (0..e.output_rank).filter(|i| e.operands[side].1.contains(i)).collect() };
        Products {
            d: e.operands[d].clone(),
            x: e.operands[x].clone(),
            rows: own(d),
            columns: own(x),
            blocks: (e.output_rank..e.extents.len() as u8).collect(),
            extents: e.extents.clone(),
            output_rank: e.output_rank as usize,
        }
    };
    let (first, second) = (make(0, 1), make(1, 0));
    let cost = |p: &Products| (p.m() * p.pitch(), fast.is_some_and(|f| p.rows.contains(&f)));
    if cost(&second) < cost(&first) { second } else { first }
}
