//! Elementwise nodes and small contractions become members of groups.
//!
//! A node joins the group that has most of its operands in registers, then most of its loads; or begins a group. Fusion
//! never makes a cycle: a group has a depth greater than that of every value it reads from memory, and a node joins a group
//! only if each operand is a member at the same index or is less deep than the group.

use super::lower::{Lower, point_of};
use super::plan::{Access, Contraction, Group, Point, Src, Store, Task, Value, Work};
use super::view::{Root, View};
use crate::backend::unit::{count, row_major};
use crate::ir::{Einsum, NodeId, Op};

/// A loop nest grows no longer than this: compile time, and the reach of out-of-order execution.
const MAX_MEMBERS: usize = 40;
/// Operations that are made again in another group rather than stored and loaded, such as the 1 - y^2 of a tanh.
const AGAIN: usize = 2;
/// Groups of one shape among which a node looks for a place.
const CANDIDATES: usize = 32;

impl Lower<'_> {
    pub(super) fn loops(&mut self, id: NodeId) {
        let dag = self.dag;
        let shape = dag.shape(id);
        let value = self.value(id);
        self.view(id);
        if count(shape) == 0 {
            return;
        }
        let mut operands: Vec<View> = Vec::new();
        let point = match dag.op(id) {
            Op::Einsum(e) if e.contracts() => return self.contraction(e, shape, value),
            Op::Einsum(e) => {
                let indices: Vec<u8> = (0..e.output_rank).collect();
                for (a, axes) in &e.operands {
                    let view = self.view(*a).over(axes, &indices, &e.extents);
                    operands.push(view);
                }
                Point::Mul
            }
            Op::Scale(c, a) => {
                operands.push(self.view(*a).clone());
                operands.push(View {
                    shape: shape.to_vec(),
                    strides: vec![0; shape.len()],
                    ..View::whole(Root::Constant(*c), &[])
                });
                Point::Mul
            }
            op => {
                op.for_each_operand(|a| operands.push(self.view(a).clone()));
                elementwise(op)
            }
        };
        let shape = squeezed(shape);
        let accesses: Vec<Access> = operands.iter().map(|v| self.access(v)).collect();
        let group = self.choose(&shape, &accesses);
        let mut sources: Vec<Src> = accesses.into_iter().map(|a| self.source(group, a)).collect();
        // A product of more than two multiplies left to right.
        while point == Point::Mul && sources.len() > 2 {
            let rest = sources.split_off(2);
            let product = self.member(group, Work::Point(Point::Mul, sources));
            sources = std::iter::once(Src::Member(product)).chain(rest).collect();
        }
        let member = self.member(group, Work::Point(point, sources));
        self.store(group, member, value, 0, row_major(&shape));
        self.values[value].member = Some((group, member));
    }

    fn contraction(&mut self, e: &Einsum, shape: &[usize], value: usize) {
        let outer: Vec<u8> = (0..e.output_rank).filter(|&i| e.extents[i as usize] != 1).collect();
        let inner: Vec<u8> = (e.output_rank..e.extents.len() as u8).filter(|&i| e.extents[i as usize] != 1).collect();
        let mut operands = Vec::new();
        let mut depth = 0;
        for (a, axes) in &e.operands {
            let view = self.view(*a).clone();
            depth = depth.max(self.depth_of(view.root));
            let inside = view.over(axes, &inner, &e.extents).strides;
            let outside = view.over(axes, &outer, &e.extents);
            operands.push((self.access(&outside), inside));
        }
        let extents = inner.iter().map(|&i| e.extents[i as usize]).collect();
        let shape = squeezed(shape);
        let group = self.new_group(&shape, depth + 1);
        let member = self.member(group, Work::Contraction(Contraction { extents, operands }));
        self.store(group, member, value, 0, row_major(&shape));
        self.values[value].member = Some((group, member));
    }

    /// Copies a view to rows of a value.
    pub(super) fn copy(&mut self, view: &View, value: usize, offset: usize, strides: Vec<usize>) {
        if view.len() == 0 {
            return;
        }
        let strides = View { root: Root::Value(value), offset, shape: view.shape.clone(), strides }.squeeze().strides;
        let shape = squeezed(&view.shape);
        if let Some((point, accesses)) = self.replayed(view) {
            let group = self.choose(&shape, &accesses);
            let sources = accesses.into_iter().map(|a| self.source(group, a)).collect();
            let member = self.member(group, Work::Point(point, sources));
            return self.store(group, member, value, offset, strides);
        }
        let access = self.access(view);
        let group = self.choose(&shape, std::slice::from_ref(&access));
        let source = self.source(group, access);
        let member = match source {
            Src::Member(m) => m,
            Src::Access(_) => self.member(group, Work::Point(Point::Copy, vec![source])),
        };
        self.store(group, member, value, offset, strides);
    }

    /// A value in another order of axes whose member reads memory only is computed again in that order rather than stored
    /// and copied: its operation with its operands.
    fn replayed(&self, view: &View) -> Option<(Point, Vec<Access>)> {
        let Root::Value(v) = view.root else { return None };
        let (group, member) = self.values[v].member?;
        let group = self.group(group);
        let Work::Point(point, sources) = &group.members[member] else { return None };
        let view = view.squeeze();
        let old = row_major(&group.shape);
        if view.offset != 0 || view.strides == old || view.strides.len() != old.len() {
            return None;
        }
        // Row-major strides of extents above 1 differ, so each names its axis.
        let axes: Option<Vec<usize>> = view.strides.iter().map(|s| old.iter().position(|o| o == s)).collect();
        let axes = axes.filter(|axes| {
            (0..old.len()).all(|a| axes.contains(&a))
                && axes.iter().zip(&view.shape).all(|(&a, n)| group.shape[a] == *n)
        })?;
        let moved = |s: &Src| match *s {
            Src::Member(_) => None,
            Src::Access(a) => {
                let Access { root, offset, strides } = &group.accesses[a];
                Some(Access { root: *root, offset: *offset, strides: axes.iter().map(|&a| strides[a]).collect() })
            }
        };
        Some((*point, sources.iter().map(moved).collect::<Option<Vec<_>>>()?))
    }

    /// A view as an operand of a group of its shape; parameters get their place in the packed vector.
    fn access(&mut self, view: &View) -> Access {
        let View { root, offset, strides, .. } = view.squeeze();
        let base = match root {
            Root::Uniform(u) => self.params.plain(u),
            Root::Value(_) | Root::Constant(_) => 0,
        };
        Access { root, offset: base + offset, strides }
    }

    /// The member of a group that an access names, if it does.
    fn member_of(&self, group: usize, access: &Access) -> Option<usize> {
        let Root::Value(v) = access.root else { return None };
        let (g, member) = self.values[v].member?;
        let same = access.offset == 0 && access.strides == row_major(&self.group(group).shape);
        (g == group && same).then_some(member)
    }

    fn group(&self, step: usize) -> &Group {
        match &self.steps[step] {
            Task::Loops(g) => g,
            Task::Gemm { .. } | Task::Map { .. } | Task::Grad { .. } | Task::SumLanes { .. } => {
                unreachable!("groups are loops")
            }
        }
    }

    fn group_mut(&mut self, step: usize) -> &mut Group {
        match &mut self.steps[step] {
            Task::Loops(g) => g,
            Task::Gemm { .. } | Task::Map { .. } | Task::Grad { .. } | Task::SumLanes { .. } => {
                unreachable!("groups are loops")
            }
        }
    }

    /// A group that may compute with these operands: the one that has most of them in registers, then most of the loads;
    /// a new one if none shares anything.
    fn choose(&mut self, shape: &[usize], accesses: &[Access]) -> usize {
        let mut best: Option<((usize, usize), usize)> = None;
        let known = self.groups.get(shape).map_or(&[][..], |g| &g[g.len().saturating_sub(CANDIDATES)..]);
        for &g in known {
            let group = self.group(g);
            let inside = accesses.iter().filter(|a| self.member_of(g, a).is_some()).count();
            let allowed =
                accesses.iter().all(|a| self.depth_of(a.root) < group.depth || self.member_of(g, a).is_some());
            let shared =
                accesses.iter().filter(|a| matches!(a.root, Root::Value(_)) && group.accesses.contains(a)).count();
            let score = (inside, shared);
            if allowed && group.members.len() < MAX_MEMBERS && score > (0, 0) && best.is_none_or(|(b, _)| score >= b) {
                best = Some((score, g));
            }
        }
        match best {
            Some((_, g)) => g,
            None => {
                let depth = accesses.iter().map(|a| self.depth_of(a.root)).max().unwrap_or(0) + 1;
                self.new_group(shape, depth)
            }
        }
    }

    fn new_group(&mut self, shape: &[usize], depth: u32) -> usize {
        let step = self.step(Task::Loops(Group { shape: shape.to_vec(), depth, ..Group::default() }), depth);
        self.groups.entry(shape.to_vec()).or_default().push(step);
        step
    }

    fn source(&mut self, group: usize, access: Access) -> Src {
        if let Some(member) = self.member_of(group, &access) {
            return Src::Member(member);
        }
        if let Some(member) = self.made_again(group, &access) {
            return Src::Member(member);
        }
        self.load(group, access)
    }

    fn load(&mut self, group: usize, access: Access) -> Src {
        let g = self.group_mut(group);
        match g.accesses.iter().position(|a| *a == access) {
            Some(known) => Src::Access(known),
            None => {
                g.accesses.push(access);
                Src::Access(g.accesses.len() - 1)
            }
        }
    }

    /// A value of another group of the same shape, computed again in this one, if that takes few operations on what is in memory
    /// anyway. Unless somebody else reads it, nobody stores it then.
    fn made_again(&mut self, group: usize, access: &Access) -> Option<usize> {
        let Root::Value(value) = access.root else { return None };
        let (from, last) = self.values[value].member.filter(|_| !self.values[value].stored)?;
        let (here, there) = (self.group(group), self.group(from));
        let same = here.shape == there.shape && access.offset == 0 && access.strides == row_major(&here.shape);
        if !same || here.members.len() + AGAIN >= MAX_MEMBERS {
            return None;
        }
        // What reads before what it reads.
        let mut chain = vec![last];
        let mut next = 0;
        while let Some(&member) = chain.get(next) {
            let Work::Point(point, sources) = &there.members[member] else { return None };
            if matches!(point, Point::Sqrt | Point::Recip) {
                return None;
            }
            chain.extend(sources.iter().filter_map(|s| match *s {
                Src::Member(m) => Some(m),
                Src::Access(_) => None,
            }));
            if chain.len() > AGAIN {
                return None;
            }
            next += 1;
        }
        let mut made: Vec<(usize, usize)> = Vec::new();
        for &member in chain.iter().rev() {
            let Work::Point(point, sources) = self.group(from).members[member].clone() else { return None };
            let sources = sources
                .into_iter()
                .map(|s| match s {
                    Src::Access(a) => {
                        let access = self.group(from).accesses[a].clone();
                        self.load(group, access)
                    }
                    Src::Member(m) => Src::Member(made.iter().find(|(old, _)| *old == m).expect("made before").1),
                })
                .collect();
            made.push((member, self.member(group, Work::Point(point, sources))));
        }
        made.last().map(|(_, new)| *new)
    }

    fn member(&mut self, group: usize, work: Work) -> usize {
        let g = self.group_mut(group);
        g.members.push(work);
        g.members.len() - 1
    }

    fn store(&mut self, group: usize, member: usize, value: usize, offset: usize, strides: Vec<usize>) {
        let g = self.group_mut(group);
        g.stores.push(Store { member, value, offset, strides });
        let depth = g.depth;
        self.produced(value, group, depth);
    }
}

/// Marks what a step that is needed reads. Groups are emptied whose values nobody reads: they were made again elsewhere.
pub(super) fn store_what_is_read(values: &mut [Value], steps: &mut [Task]) {
    let needed = |values: &[Value], task: &Task| match task {
        Task::Loops(g) => g.stores.iter().any(|s| values[s.value].stored),
        Task::Gemm { .. } | Task::Map { .. } | Task::Grad { .. } | Task::SumLanes { .. } => true,
    };
    // Steps stand in the order in which they were begun; a group may read what a later one stores.
    let mut changed = true;
    while changed {
        changed = false;
        for task in steps.iter() {
            if needed(values, task) {
                task.reads(|v| changed |= !std::mem::replace(&mut values[v].stored, true));
            }
        }
    }
    for task in steps {
        if !needed(values, task) {
            *task = Task::Loops(Group::default());
        }
    }
}

fn squeezed(shape: &[usize]) -> Vec<usize> {
    shape.iter().copied().filter(|&n| n != 1).collect()
}

fn elementwise(op: &Op) -> Point {
    match op {
        Op::Add(..) => Point::Add,
        Op::Sub(..) => Point::Sub,
        Op::Max(..) => Point::Max,
        Op::Min(..) => Point::Min,
        Op::Less(..) => Point::Less,
        Op::LessEq(..) => Point::LessEq,
        Op::Equal(..) => Point::Equal,
        Op::Select(..) => Point::Select,
        Op::Unary(f, _) => point_of(*f).expect("the others are kernels"),
        Op::Einsum(_) | Op::Scale(..) => Point::Mul,
        Op::Const(_)
        | Op::Tensor(_)
        | Op::Eye(_)
        | Op::Param(_)
        | Op::Theta(_)
        | Op::Input(_)
        | Op::Draw(_)
        | Op::State(..)
        | Op::Time(_)
        | Op::Named(..)
        | Op::Slice(..)
        | Op::Pad(..)
        | Op::Concat(..)
        | Op::Reshape(..)
        | Op::Stop(_)
        | Op::Deriv { .. }
        | Op::Solve(_)
        | Op::Component(..)
        | Op::SumSamples(_) => unreachable!("not elementwise: {op:?}"),
    }
}
