//! Nodes become steps.
//!
//! Facts -> values and steps. Data movement becomes views; products with parameters, weight gradients, transcendental
//! functions become kernel calls; every other operation becomes a member of a group. A group is a loop nest over elements
//! of one shape in which intermediate values stay in registers.

use super::fuse::store_what_is_read;
use super::params::Params;
use super::plan::{Home, Point, Rows, Task, Value};
use super::view::{Root, View};
use crate::backend::Unit;
use crate::backend::sums::{Order, Region};
use crate::backend::unit::{Facts, Leaf, count, row_major};
use crate::ir::{Dag, Einsum, NodeId, Op, UnaryFn};
use std::collections::HashMap;

/// Products with fewer multiply-adds a column are emitted as loops.
const MIN_GEMM: usize = 32;

/// The result of lowering.
pub struct Lowered {
    pub values: Vec<Value>,
    pub steps: Vec<Task>,
    pub params: Params,
}

/// How a node gets its value.
enum Kind {
    /// A view of another.
    Moves,
    /// Elementwise, or a sum of products in a loop.
    Loops,
    /// Several parts.
    Joins,
    Gemm(Gemm),
    /// A gemm with bias: the node of the product.
    Biased(NodeId),
    Map(UnaryFn),
}

/// An einsum as a product with a matrix of parameters.
struct Gemm {
    weights: usize,
    x: usize,
    rows: Vec<u8>,
    inner: Vec<u8>,
    columns: Vec<u8>,
}

pub(super) struct Lower<'a> {
    pub(super) dag: &'a Dag,
    pub(super) facts: &'a Facts,
    views: Vec<Option<View>>,
    pub(super) values: Vec<Value>,
    pub(super) steps: Vec<Task>,
    pub(super) params: Params,
    /// The value made for a node, if made already.
    made: HashMap<NodeId, usize>,
    /// Nodes that write their value into a place of another: an output row, or rows of a join.
    claimed: HashMap<NodeId, Claim>,
    /// Additions of a bias, with the product they add to.
    biased: HashMap<NodeId, NodeId>,
    /// Products that only their biased sum computes.
    absorbed: Vec<bool>,
    pub(super) groups: HashMap<Vec<usize>, Vec<usize>>,
    copies: HashMap<View, usize>,
}

#[derive(Clone, Copy)]
enum Claim {
    Output(usize),
    Join(NodeId, usize),
}

/// Lowers a unit.
pub fn lower(unit: &Unit<'_>, facts: &Facts) -> Lowered {
    let dag = unit.dag;
    let mut lower = Lower {
        dag,
        facts,
        views: vec![None; dag.len()],
        values: Vec::new(),
        steps: Vec::new(),
        params: Params::default(),
        made: HashMap::new(),
        claimed: HashMap::new(),
        biased: HashMap::new(),
        absorbed: vec![false; dag.len()],
        groups: HashMap::new(),
        copies: HashMap::new(),
    };
    lower.find_biases(unit);
    let claims_output = lower.claim_outputs(unit);
    lower.claim_joins();
    for &id in &facts.order {
        if !lower.absorbed[id.0 as usize] {
            lower.node(id);
        }
    }
    for (i, &id) in unit.outputs.iter().enumerate() {
        if !claims_output[i] {
            let view = lower.view(id).clone();
            let value = lower.new_value(view.len(), Home::Outputs(facts.layout.output_row[i]));
            lower.values[value].stored = true;
            lower.copy(&view, value, 0, row_major(&view.shape));
        }
    }
    for region in &facts.sums.regions {
        lower.region(region);
    }
    lower.params.finish(
        dag,
        &facts.order.iter().copied().filter(|&a| !facts.varies(a)).collect::<Vec<_>>(),
        &facts.leaf,
    );
    let Lower { mut values, mut steps, params, .. } = lower;
    store_what_is_read(&mut values, &mut steps);
    Lowered { values, steps, params }
}

impl Lower<'_> {
    // ---- what kind of node ------------------------------------------------------------------------------------------

    fn kind(&self, id: NodeId) -> Kind {
        if let Some(&product) = self.biased.get(&id) {
            return Kind::Biased(product);
        }
        match self.dag.op(id) {
            Op::Einsum(e) => {
                if e.operands.len() == 1 && !e.contracts() {
                    return Kind::Moves;
                }
                match self.gemm(e) {
                    Some(g) => Kind::Gemm(g),
                    None => Kind::Loops,
                }
            }
            Op::Slice(..) | Op::Reshape(..) | Op::Stop(_) => Kind::Moves,
            Op::Pad(..) | Op::Concat(..) => Kind::Joins,
            Op::Unary(f, _) => match point_of(*f) {
                Some(_) => Kind::Loops,
                None => Kind::Map(*f),
            },
            Op::Add(..)
            | Op::Sub(..)
            | Op::Scale(..)
            | Op::Max(..)
            | Op::Min(..)
            | Op::Less(..)
            | Op::LessEq(..)
            | Op::Equal(..)
            | Op::Select(..) => Kind::Loops,
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
            | Op::Deriv { .. }
            | Op::Solve(_)
            | Op::Component(..)
            | Op::SumSamples(_)) => unreachable!("a leaf, a constant, or refused when the unit was checked: {op:?}"),
        }
    }

    fn gemm(&self, e: &Einsum) -> Option<Gemm> {
        if e.operands.len() != 2 || !e.contracts() {
            return None;
        }
        let weights = e.operands.iter().position(|(a, _)| !self.facts.varies(*a))?;
        let x = 1 - weights;
        if !self.facts.varies(e.operands[x].0) {
            return None;
        }
        let (w, v) = (&e.operands[weights].1, &e.operands[x].1);
        let repeats = |axes: &[u8]| axes.iter().enumerate().any(|(i, a)| axes[..i].contains(a));
        let (outer, all) = (e.output_rank, e.extents.len() as u8);
        let split = (0..outer).all(|i| w.contains(&i) != v.contains(&i));
        let shared = (outer..all).all(|i| w.contains(&i) && v.contains(&i));
        if repeats(w) || repeats(v) || !split || !shared {
            return None;
        }
        let g = Gemm {
            weights,
            x,
            rows: (0..outer).filter(|i| w.contains(i)).collect(),
            inner: (outer..all).collect(),
            columns: (0..outer).filter(|i| v.contains(i)).collect(),
        };
        let extent = |ix: &[u8]| ix.iter().map(|&i| e.extents[i as usize]).product::<usize>();
        let work = extent(&g.rows) * extent(&g.inner);
        (work >= MIN_GEMM && extent(&g.columns) > 0).then_some(g)
    }

    /// Whether the kernel's `[rows][columns]` is the row-major order of the result.
    fn in_order(g: &Gemm) -> bool {
        g.rows.iter().chain(&g.columns).enumerate().all(|(at, &i)| at == i as usize)
    }

    /// Whether a node makes a value of its own, row-major, that may stand anywhere.
    fn makes_value(&self, id: NodeId) -> bool {
        self.facts.varies(id)
            && self.facts.leaf(id).is_none()
            && match self.kind(id) {
                Kind::Moves => false,
                Kind::Gemm(g) => Self::in_order(&g),
                Kind::Loops | Kind::Joins | Kind::Biased(_) | Kind::Map(_) => true,
            }
    }

    // ---- before the walk --------------------------------------------------------------------------------------------

    /// A product that is read once, by an addition of parameters that repeat over its columns, adds them as its bias: the
    /// same two roundings.
    fn find_biases(&mut self, unit: &Unit<'_>) {
        let mut uses = vec![0_u32; self.dag.len()];
        for &id in self.facts.order.iter().filter(|&&id| self.facts.leaf(id).is_none()) {
            self.dag.op(id).for_each_operand(|a| uses[a.0 as usize] += 1);
        }
        unit.outputs.iter().for_each(|a| uses[a.0 as usize] += 1);
        self.facts.sums.regions.iter().for_each(|r| r.reads(|a| uses[a.0 as usize] += 1));
        for &id in &self.facts.order {
            let Op::Add(a, b) = *self.dag.op(id) else { continue };
            if self.facts.leaf(id).is_some() || !self.facts.varies(id) {
                continue;
            }
            for (product, bias) in [(a, b), (b, a)] {
                if self.facts.varies(bias) || self.facts.leaf(product).is_some() || uses[product.0 as usize] != 1 {
                    continue;
                }
                let Op::Einsum(e) = self.dag.op(product) else { continue };
                let Some(g) = self.gemm(e) else { continue };
                let view = self.view(bias);
                if Self::in_order(&g) && view.strides[g.rows.len()..].iter().all(|&s| s == 0) {
                    self.biased.insert(id, product);
                    self.absorbed[product.0 as usize] = true;
                    break;
                }
            }
        }
    }

    fn claim_outputs(&mut self, unit: &Unit<'_>) -> Vec<bool> {
        let mut claims = vec![false; unit.outputs.len()];
        for (i, &id) in unit.outputs.iter().enumerate() {
            if !self.claimed.contains_key(&id) && self.makes_value(id) {
                self.claimed.insert(id, Claim::Output(self.facts.layout.output_row[i]));
                claims[i] = true;
            }
        }
        claims
    }

    /// Parts of a join along its outermost axis (of extent above 1) are computed in place.
    fn claim_joins(&mut self) {
        for &id in self.facts.order.iter().rev() {
            if !self.facts.varies(id) || self.facts.leaf(id).is_some() {
                continue;
            }
            let shape = self.dag.shape(id);
            let mut parts = Vec::new();
            match self.dag.op(id) {
                Op::Concat(axis, operands) if count(&shape[..*axis]) == 1 => {
                    let mut row = 0;
                    for &p in operands {
                        parts.push((p, row));
                        row += count(self.dag.shape(p));
                    }
                }
                Op::Pad(w, a) if count(&shape[..w.axis]) == 1 => {
                    parts.push((*a, w.start * count(&shape[w.axis + 1..])));
                }
                _ => {}
            }
            for (p, row) in parts {
                if !self.claimed.contains_key(&p) && !self.absorbed[p.0 as usize] && self.makes_value(p) {
                    self.claimed.insert(p, Claim::Join(id, row));
                }
            }
        }
    }

    // ---- values -----------------------------------------------------------------------------------------------------

    fn new_value(&mut self, rows: usize, home: Home) -> usize {
        self.values.push(Value { rows, home, producers: Vec::new(), depth: 0, stored: false, member: None });
        self.values.len() - 1
    }

    /// The value of a node, in the place that was claimed for it.
    pub(super) fn value(&mut self, id: NodeId) -> usize {
        if let Some(&v) = self.made.get(&id) {
            return v;
        }
        let home = match self.claimed.get(&id).copied() {
            None => Home::Own,
            Some(Claim::Output(row)) => Home::Outputs(row),
            Some(Claim::Join(join, row)) => Home::Within(self.value(join), row),
        };
        let v = self.new_value(count(self.dag.shape(id)), home);
        self.values[v].stored = home != Home::Own;
        self.made.insert(id, v);
        v
    }

    /// The view of a node whose operands are done; views of parameters are made when first asked for.
    pub(super) fn view(&mut self, id: NodeId) -> &View {
        if self.views[id.0 as usize].is_none() {
            let view = self.make_view(id);
            self.views[id.0 as usize] = Some(view);
        }
        self.views[id.0 as usize].as_ref().expect("made above")
    }

    fn make_view(&mut self, id: NodeId) -> View {
        let dag = self.dag;
        let shape = dag.shape(id);
        if let Some(Leaf::Input(row)) = self.facts.leaf(id) {
            let v = self.new_value(count(shape), Home::Inputs(row));
            self.values[v].stored = true;
            return View::whole(Root::Value(v), shape);
        }
        if self.facts.leaf(id).is_none() {
            match dag.op(id) {
                Op::Const(bits) => return View::whole(Root::Constant(*bits), shape),
                Op::Stop(a) => return self.view(*a).clone(),
                Op::Slice(w, a) => return self.view(*a).slice(w.axis, w.start, w.len),
                Op::Reshape(to, a) => {
                    if let Some(v) = self.view(*a).reshape(to) {
                        return v;
                    }
                    if self.facts.varies(id) {
                        // No stride says it: one copy in the old shape, seen in the new one.
                        let old = self.view(*a).clone();
                        let rows = self.contiguous(&old);
                        let whole = View { offset: rows.offset, ..View::whole(Root::Value(rows.value), to) };
                        return whole;
                    }
                }
                Op::Einsum(e) if e.operands.len() == 1 && !e.contracts() => {
                    let (a, axes) = &e.operands[0];
                    let indices: Vec<u8> = (0..e.output_rank).collect();
                    return self.view(*a).over(axes, &indices, &e.extents);
                }
                _ => {}
            }
        }
        if self.facts.varies(id) {
            return View::whole(Root::Value(self.value(id)), shape);
        }
        View::whole(Root::Uniform(self.params.array(dag, id, self.facts.leaf(id))), shape)
    }

    /// A view's elements one after another: where they stand, or a copy.
    fn contiguous(&mut self, view: &View) -> Rows {
        if let (Root::Value(value), true) = (view.root, view.is_contiguous()) {
            return Rows { value, offset: view.offset };
        }
        if let Some(&value) = self.copies.get(view) {
            return Rows { value, offset: 0 };
        }
        let value = self.new_value(view.len(), Home::Own);
        self.copy(view, value, 0, row_major(&view.shape));
        self.copies.insert(view.clone(), value);
        Rows { value, offset: 0 }
    }

    pub(super) fn depth_of(&self, root: Root) -> u32 {
        match root {
            Root::Value(v) => self.values[v].depth,
            Root::Uniform(_) | Root::Constant(_) => 0,
        }
    }

    // ---- steps ------------------------------------------------------------------------------------------------------

    pub(super) fn step(&mut self, task: Task, depth: u32) -> usize {
        let step = self.steps.len();
        task.writes(|v| self.produced(v, step, depth));
        self.steps.push(task);
        step
    }

    pub(super) fn produced(&mut self, value: usize, step: usize, depth: u32) {
        let mut at = value;
        loop {
            let v = &mut self.values[at];
            if !v.producers.contains(&step) {
                v.producers.push(step);
            }
            v.depth = v.depth.max(depth);
            match v.home {
                Home::Within(parent, _) => at = parent,
                Home::Own | Home::Inputs(_) | Home::Outputs(_) => break,
            }
        }
    }

    fn node(&mut self, id: NodeId) {
        let dag = self.dag;
        if !self.facts.varies(id) || self.facts.leaf(id).is_some() {
            return;
        }
        match self.kind(id) {
            Kind::Moves => {
                self.view(id);
            }
            Kind::Loops => self.loops(id),
            Kind::Joins => self.join(id),
            Kind::Gemm(g) => self.product(id, id, &g, None),
            Kind::Biased(product) => {
                let Op::Einsum(e) = dag.op(product) else { unreachable!("found as an einsum") };
                let g = self.gemm(e).expect("found as a product");
                let (Op::Add(a, b), rows) = (dag.op(id), g.rows.len()) else { unreachable!("found as an addition") };
                let mut bias = self.view(if *a == product { *b } else { *a }).clone();
                bias.shape.truncate(rows);
                bias.strides.truncate(rows);
                let bias = self.params.contiguous(&bias);
                self.product(id, product, &g, Some(bias));
            }
            Kind::Map(f) => {
                let Op::Unary(_, a) = dag.op(id) else { unreachable!("maps are unary") };
                let x = self.view(*a).clone();
                let rows = x.len();
                let x = self.contiguous(&x);
                let y = self.value(id);
                self.view(id);
                if rows > 0 {
                    let depth = self.values[x.value].depth + 1;
                    self.step(Task::Map { f, x, y, rows }, depth);
                }
            }
        }
    }

    fn product(&mut self, id: NodeId, product: NodeId, g: &Gemm, bias: Option<usize>) {
        let Op::Einsum(e) = self.dag.op(product) else { unreachable!("found as an einsum") };
        let over = |view: &View, operand: usize, outer: &[u8], inner: &[u8]| {
            let indices: Vec<u8> = outer.iter().chain(inner).copied().collect();
            view.over(&e.operands[operand].1, &indices, &e.extents)
        };
        let x = over(&self.view(e.operands[g.x].0).clone(), g.x, &g.inner, &g.columns);
        let w = over(&self.view(e.operands[g.weights].0).clone(), g.weights, &g.rows, &g.inner);
        let extent = |ix: &[u8]| ix.iter().map(|&i| e.extents[i as usize]).product::<usize>();
        let (m, k, blocks) = (extent(&g.rows), extent(&g.inner), extent(&g.columns));
        let x = self.contiguous(&x);
        let weights = self.params.panels(&w, g.rows.len());
        let y = if Self::in_order(g) {
            let y = self.value(id);
            self.view(id);
            y
        } else {
            // The kernel's order is another: the node is a view of its result.
            let y = self.new_value(m * blocks, Home::Own);
            let made: Vec<u8> = g.rows.iter().chain(&g.columns).copied().collect();
            let shape: Vec<usize> = made.iter().map(|&i| e.extents[i as usize]).collect();
            let wanted: Vec<u8> = (0..e.output_rank).collect();
            self.views[id.0 as usize] = Some(View::whole(Root::Value(y), &shape).over(&made, &wanted, &e.extents));
            y
        };
        let depth = self.values[x.value].depth + 1;
        self.step(Task::Gemm { weights, bias, x, y, m, k, blocks }, depth);
    }

    fn join(&mut self, id: NodeId) {
        let dag = self.dag;
        let shape = dag.shape(id).to_vec();
        let strides = row_major(&shape);
        let value = self.value(id);
        self.view(id);
        let put = |lower: &mut Self, part: Option<NodeId>, view: View, axis: usize, start: usize| {
            if view.len() == 0 {
                return;
            }
            if let Some(Claim::Join(join, _)) = part.and_then(|p| lower.claimed.get(&p))
                && *join == id
            {
                // Computed in place; another use of the same part in this join is a copy.
                let v = lower.made[&part.expect("claimed")];
                if lower.values[v].home == Home::Within(value, start * strides[axis]) {
                    return;
                }
            }
            lower.copy(&view, value, start * strides[axis], strides.clone());
        };
        match dag.op(id) {
            Op::Concat(axis, parts) => {
                let mut start = 0;
                for &p in parts {
                    let view = self.view(p).clone();
                    put(self, Some(p), view, *axis, start);
                    start += dag.shape(p)[*axis];
                }
            }
            Op::Pad(w, a) => {
                let view = self.view(*a).clone();
                let zeros = |len: usize| {
                    let mut shape = shape.clone();
                    shape[w.axis] = len;
                    View::whole(Root::Constant(0), &shape)
                };
                let after = w.start + view.shape[w.axis];
                put(self, None, zeros(w.start), w.axis, 0);
                put(self, Some(*a), view, w.axis, w.start);
                put(self, None, zeros(w.len - after), w.axis, after);
            }
            _ => unreachable!("joins are concatenations and paddings"),
        }
    }

    fn region(&mut self, region: &Region) {
        match &region.order {
            Order::Products(p) => {
                let mut side = |(id, axes): &(NodeId, Vec<u8>), own: &[u8]| {
                    let indices: Vec<u8> = own.iter().chain(&p.blocks).copied().collect();
                    let view = self.view(*id).over(axes, &indices, &p.extents);
                    self.contiguous(&view)
                };
                let (d, x) = (side(&p.d, &p.rows), side(&p.x, &p.columns));
                let (m, k, blocks) = (p.m(), p.k(), p.block_count());
                if m * k * blocks > 0 {
                    self.step(Task::Grad { slot: region.at, d, x, m, k, blocks }, 0);
                }
            }
            Order::Lanes(a) => {
                let view = self.view(*a).clone();
                let rows = view.len();
                let d = self.contiguous(&view);
                if rows > 0 {
                    self.step(Task::SumLanes { slot: region.at, d, rows }, 0);
                }
            }
        }
    }
}

/// The functions that are one or a few instructions; the others are kernels.
pub(super) fn point_of(f: UnaryFn) -> Option<Point> {
    match f {
        UnaryFn::Abs => Some(Point::Abs),
        UnaryFn::Sign => Some(Point::Sign),
        UnaryFn::Floor => Some(Point::Floor),
        UnaryFn::Sqrt => Some(Point::Sqrt),
        UnaryFn::Recip => Some(Point::Recip),
        UnaryFn::Exp
        | UnaryFn::Log
        | UnaryFn::Sin
        | UnaryFn::Cos
        | UnaryFn::Tanh
        | UnaryFn::Logistic
        | UnaryFn::Softplus
        | UnaryFn::Erf => None,
    }
}
