//! A group becomes a loop nest.
//!
//! Axes that every operand walks in one stride are merged, addresses are shared by operands that move alike, constants and
//! splats are made outside the loops in which they do not change.

use super::emit::{Context, Emit, VECTOR};
use super::place::Space;
use super::plan::{Access, Contraction, Group, Src, Work};
use super::view::Root;
use crate::backend::PANEL;
use cranelift_codegen::ir::{FuncRef, InstBuilder, Value};
use std::collections::HashMap;

/// The most members of a group for which an iteration of the innermost loop has so many vectors, if a panel has.
const UNROLL: [(usize, i64); 2] = [(14, 4), (28, 2)];
/// Contractions of at most this many terms are unrolled.
const UNROLLED_TERMS: usize = 4;

/// Pointers that move alike: a base and strides in bytes.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Class {
    space: Space,
    pub strides: Vec<i64>,
}

/// An operand in memory: its class and its distance from it in bytes.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub class: usize,
    pub at: i64,
}

/// How an access is read.
#[derive(Clone, Copy)]
pub(super) enum Read {
    Memory(Place),
    /// A parameter: address class and distance in the packed vector.
    Splat(Place),
    Constant(u64),
}

/// A contraction with its strides in bytes.
struct Sum {
    extents: Vec<usize>,
    operands: Vec<(Read, Vec<i64>)>,
}

/// A group with collapsed axes and addresses.
pub(super) struct Nest<'g> {
    pub group: &'g Group,
    pub extents: Vec<usize>,
    /// Moving pointers to values, then those to parameters by their strides.
    pub classes: Vec<Class>,
    pub packed: Vec<Vec<i64>>,
    pub reads: Vec<Read>,
    sums: Vec<Option<Sum>>,
    pub stores: Vec<(usize, Place)>,
}

impl<'g> Nest<'g> {
    pub(super) fn new(cx: &Context<'_>, g: &'g Group) -> Self {
        let kept: Vec<_> = g.stores.iter().filter(|s| cx.values[s.value].stored).collect();
        let (row, size) = (cx.row(), cx.size());
        let sums: Vec<(&Contraction, usize)> = g
            .members
            .iter()
            .enumerate()
            .filter_map(|(i, m)| match m {
                Work::Contraction(c) => Some((c, i)),
                Work::Point(..) => None,
            })
            .collect();
        // Merge neighbouring axes that every operand walks in one stride.
        let all: Vec<&[usize]> = g
            .accesses
            .iter()
            .chain(sums.iter().flat_map(|(c, _)| c.operands.iter().map(|(a, _)| a)))
            .map(|a| &a.strides[..])
            .chain(kept.iter().map(|s| &s.strides[..]))
            .collect();
        let (extents, strides) = collapse(&g.shape, &all);
        let mut strides = strides.into_iter();
        let mut nest = Nest {
            group: g,
            extents,
            classes: Vec::new(),
            packed: Vec::new(),
            reads: Vec::new(),
            sums: g.members.iter().map(|_| None).collect(),
            stores: Vec::new(),
        };
        for access in &g.accesses {
            let read = nest.read(cx, access, strides.next().expect("one for each operand"));
            nest.reads.push(read);
        }
        for (c, member) in sums {
            let inner: Vec<&[usize]> = c.operands.iter().map(|(_, s)| &s[..]).collect();
            let (extents, inner) = collapse(&c.extents, &inner);
            let operands = c
                .operands
                .iter()
                .zip(inner)
                .map(|((access, _), inner)| {
                    let read = nest.read(cx, access, strides.next().expect("one for each operand"));
                    let unit = if matches!(access.root, Root::Value(_)) { row } else { size };
                    (read, inner.iter().map(|&s| s as i64 * unit).collect())
                })
                .collect();
            nest.sums[member] = Some(Sum { extents, operands });
        }
        for s in kept {
            let (space, first) = cx.placed.at[s.value];
            let strides = strides.next().expect("one for each store");
            let place = nest.place(space, strides, row, (first + s.offset) as i64 * row);
            nest.stores.push((s.member, place));
        }
        nest
    }

    /// How many pointers a function of the last axis takes.
    pub fn pointers(&self) -> usize {
        self.classes.len() + self.packed.len()
    }

    fn place(&mut self, space: Space, strides: Vec<usize>, unit: i64, at: i64) -> Place {
        let class = Class { space, strides: strides.iter().map(|&s| s as i64 * unit).collect() };
        let class = match self.classes.iter().position(|c| *c == class) {
            Some(known) => known,
            None => {
                self.classes.push(class);
                self.classes.len() - 1
            }
        };
        Place { class, at }
    }

    fn read(&mut self, cx: &Context<'_>, access: &Access, strides: Vec<usize>) -> Read {
        match access.root {
            Root::Constant(bits) => Read::Constant(bits),
            Root::Value(v) => {
                let (space, first) = cx.placed.at[v];
                Read::Memory(self.place(space, strides, cx.row(), (first + access.offset) as i64 * cx.row()))
            }
            Root::Uniform(_) => {
                let strides: Vec<i64> = strides.iter().map(|&s| s as i64 * cx.size()).collect();
                let class = match self.packed.iter().position(|p| *p == strides) {
                    Some(known) => known,
                    None => {
                        self.packed.push(strides);
                        self.packed.len() - 1
                    }
                };
                Read::Splat(Place { class, at: access.offset as i64 * cx.size() })
            }
        }
    }

    /// `wide`: the function of the last axis, if there is one.
    pub(super) fn emit(&self, e: &mut Emit<'_, '_>, wide: Option<FuncRef>) {
        let memory: Vec<Value> = self.classes.iter().map(|c| e.base(c.space)).collect();
        let packed = vec![e.packed; self.packed.len()];
        if let Some(function) = wide {
            return self.outer(e, 0, &memory, &packed, function);
        }
        // Constants stay in registers across the nest.
        let mut fixed: Vec<Option<Value>> = vec![None; self.reads.len()];
        for (i, read) in self.reads.iter().enumerate() {
            match read {
                Read::Constant(bits) => fixed[i] = Some(e.constant(*bits)),
                Read::Splat(p) if self.packed[p.class].iter().all(|&s| s == 0) => {
                    fixed[i] = Some(e.splat(e.packed, p.at))
                }
                Read::Splat(_) | Read::Memory(_) => {}
            }
        }
        self.axis(e, 0, &memory, &packed, &fixed);
    }

    /// All axes but the last, around calls of its function.
    fn outer(&self, e: &mut Emit<'_, '_>, axis: usize, memory: &[Value], packed: &[Value], function: FuncRef) {
        if axis + 1 >= self.extents.len() {
            let arguments: Vec<Value> = std::iter::once(e.lanes).chain(memory.iter().chain(packed).copied()).collect();
            e.b.ins().call(function, &arguments);
            return;
        }
        self.each(e, axis, memory, packed, |e, memory, packed| self.outer(e, axis + 1, memory, packed, function));
    }

    fn axis(&self, e: &mut Emit<'_, '_>, axis: usize, memory: &[Value], packed: &[Value], fixed: &[Option<Value>]) {
        if axis == self.extents.len() {
            return self.body(e, memory, packed, fixed);
        }
        self.each(e, axis, memory, packed, |e, memory, packed| self.axis(e, axis + 1, memory, packed, fixed));
    }

    /// A loop over an axis, with the pointers of each index.
    fn each<'a, 'b>(
        &self,
        e: &mut Emit<'a, 'b>,
        axis: usize,
        memory: &[Value],
        packed: &[Value],
        body: impl FnOnce(&mut Emit<'a, 'b>, &[Value], &[Value]),
    ) {
        let end = e.number(self.extents[axis]);
        e.count(end, 1, &[], |e, index, _| {
            let mut scaled: HashMap<i64, Value> = HashMap::new();
            let mut moved = |e: &mut Emit<'_, '_>, pointer: Value, stride: i64| {
                if stride == 0 {
                    return pointer;
                }
                let by = *scaled.entry(stride).or_insert_with(|| e.b.ins().imul_imm_s(index, stride));
                e.b.ins().iadd(pointer, by)
            };
            let memory: Vec<Value> =
                memory.iter().zip(&self.classes).map(|(&p, c)| moved(e, p, c.strides[axis])).collect();
            let packed: Vec<Value> = packed.iter().zip(&self.packed).map(|(&p, s)| moved(e, p, s[axis])).collect();
            body(e, &memory, &packed);
            Vec::new()
        });
    }

    /// All lanes of one row.
    fn body(&self, e: &mut Emit<'_, '_>, memory: &[Value], packed: &[Value], fixed: &[Option<Value>]) {
        let mut fixed = fixed.to_vec();
        for (value, read) in fixed.iter_mut().zip(&self.reads) {
            if let (None, Read::Splat(p)) = (&value, read) {
                *value = Some(e.splat(packed[p.class], p.at));
            }
        }
        let members = self.group.members.len();
        // At most a panel: lanes beyond the last one are not computed.
        let panel = PANEL as i64 * e.size / 16;
        let unroll = UNROLL.iter().find(|(most, _)| members <= *most).map_or(1, |(_, u)| panel.min(*u));
        let lanes = e.lanes;
        e.count(lanes, 16 * unroll, &[], |e, at, _| {
            let pointers: Vec<Value> = memory.iter().map(|&p| e.b.ins().iadd(p, at)).collect();
            let sums: Vec<Option<Vec<Value>>> =
                self.sums.iter().map(|s| s.as_ref().map(|s| s.emit(e, unroll, &pointers, packed))).collect();
            for v in 0..unroll {
                let mut loaded = fixed.clone();
                let mut done: Vec<Value> = Vec::with_capacity(members);
                for (i, member) in self.group.members.iter().enumerate() {
                    let value = match member {
                        Work::Contraction(_) => sums[i].as_ref().expect("emitted above")[v as usize],
                        Work::Point(op, sources) => {
                            let x: Vec<Value> = sources
                                .iter()
                                .map(|s| match *s {
                                    Src::Member(m) => done[m],
                                    Src::Access(a) => *loaded[a].get_or_insert_with(|| match self.reads[a] {
                                        Read::Memory(p) => e.load(pointers[p.class], p.at + 16 * v),
                                        Read::Splat(_) | Read::Constant(_) => unreachable!("splat above"),
                                    }),
                                })
                                .collect();
                            e.point(*op, &x)
                        }
                    };
                    done.push(value);
                    for (_, p) in self.stores.iter().filter(|(m, _)| *m == i) {
                        e.b.ins().store(VECTOR, value, pointers[p.class], (p.at + 16 * v) as i32);
                    }
                }
            }
            Vec::new()
        });
    }
}

impl Sum {
    /// `unroll` vectors of the sum, from pointers at the current row and lanes.
    fn emit(&self, e: &mut Emit<'_, '_>, unroll: i64, memory: &[Value], packed: &[Value]) -> Vec<Value> {
        let zero = e.constant(0);
        let start = vec![zero; unroll as usize];
        if self.extents.contains(&0) {
            return start;
        }
        let pointers: Vec<Option<Value>> = self
            .operands
            .iter()
            .map(|(read, _)| match read {
                Read::Memory(p) => Some(e.plus(memory[p.class], p.at)),
                Read::Splat(p) => Some(e.plus(packed[p.class], p.at)),
                Read::Constant(_) => None,
            })
            .collect();
        self.axis(e, 0, &pointers, start)
    }

    fn axis(&self, e: &mut Emit<'_, '_>, axis: usize, pointers: &[Option<Value>], acc: Vec<Value>) -> Vec<Value> {
        let Some(&extent) = self.extents.get(axis) else {
            return self.term(e, pointers, &acc);
        };
        if self.extents[axis..].iter().product::<usize>() <= UNROLLED_TERMS {
            let mut acc = acc;
            for i in 0..extent as i64 {
                let moved: Vec<Option<Value>> =
                    pointers.iter().zip(&self.operands).map(|(p, (_, s))| p.map(|p| e.plus(p, s[axis] * i))).collect();
                acc = self.axis(e, axis + 1, &moved, acc);
            }
            return acc;
        }
        let end = e.number(extent);
        e.count(end, 1, &acc, |e, index, acc| {
            let moved: Vec<Option<Value>> = pointers
                .iter()
                .zip(&self.operands)
                .map(|(p, (_, s))| {
                    p.map(|p| {
                        if s[axis] == 0 {
                            return p;
                        }
                        let by = e.b.ins().imul_imm_s(index, s[axis]);
                        e.b.ins().iadd(p, by)
                    })
                })
                .collect();
            self.axis(e, axis + 1, &moved, acc.to_vec())
        })
    }

    fn term(&self, e: &mut Emit<'_, '_>, pointers: &[Option<Value>], acc: &[Value]) -> Vec<Value> {
        // Parameters and constants are the same in every vector.
        let splats: Vec<Option<Value>> = self
            .operands
            .iter()
            .zip(pointers)
            .map(|((read, _), pointer)| match (read, pointer) {
                (Read::Constant(bits), _) => Some(e.constant(*bits)),
                (Read::Splat(_), Some(p)) => Some(e.splat(*p, 0)),
                (Read::Splat(_) | Read::Memory(_), _) => None,
            })
            .collect();
        acc.iter()
            .enumerate()
            .map(|(v, &acc)| {
                let mut factors: Vec<Value> = splats
                    .iter()
                    .zip(pointers)
                    .map(|(splat, pointer)| match splat {
                        Some(s) => *s,
                        None => e.load(pointer.expect("an operand in memory"), 16 * v as i64),
                    })
                    .collect();
                let last = factors.pop().expect("an einsum has operands");
                match factors.split_first() {
                    None => e.b.ins().fadd(acc, last),
                    Some((&first, rest)) => {
                        let p = rest.iter().fold(first, |p, &q| e.b.ins().fmul(p, q));
                        e.b.ins().fma(p, last, acc)
                    }
                }
            })
            .collect()
    }
}

/// Merges neighbouring axes that every operand walks in one stride.
fn collapse(shape: &[usize], strides: &[&[usize]]) -> (Vec<usize>, Vec<Vec<usize>>) {
    let mut extents: Vec<usize> = Vec::new();
    let mut merged: Vec<Vec<usize>> = vec![Vec::new(); strides.len()];
    for (axis, &n) in shape.iter().enumerate() {
        let joins = !extents.is_empty()
            && merged.iter().zip(strides).all(|(m, s)| *m.last().expect("an axis is there") == s[axis] * n);
        if joins {
            *extents.last_mut().expect("an axis is there") *= n;
            merged.iter_mut().zip(strides).for_each(|(m, s)| *m.last_mut().expect("an axis is there") = s[axis]);
        } else {
            extents.push(n);
            merged.iter_mut().zip(strides).for_each(|(m, s)| m.push(s[axis]));
        }
    }
    (extents, merged)
}
