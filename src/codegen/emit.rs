//! Steps become Cranelift instructions.
//!
//! One function a unit, `extern "C" fn(args: *const Args, panels: u64) -> u32`. Kernels are called by symbol; loop nests are
//! functions of 512-bit vectors (`wide`) where there are any, else emitted here with 128-bit vectors, rolled over rows and
//! panels, at most one panel an iteration. Every address is a block's base plus constants plus loop counters, all within the lengths
//! that the caller asserts. Deliberately absent: optimisation by Cranelift (values are hoisted and reused here), branches on data,
//! traps.

use super::nest::Nest;
use super::place::{Placed, Space};
use super::plan::{Group, Point, Rows, Task, Value as Stored};
use crate::backend::{LANES, PANEL, Precision};
use crate::ir::UnaryFn;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::{BlockArg, Endianness, FuncRef, InstBuilder, MemFlagsData, Type, Value, types};
use cranelift_frontend::FunctionBuilder;
use std::collections::HashMap;

/// A kernel that generated code calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Callee {
    Gemm,
    Grad,
    SumLanes,
    Map(UnaryFn),
}

/// What generated code calls.
pub struct Callees {
    pub kernels: HashMap<Callee, FuncRef>,
    /// Functions of wide vectors by step.
    pub loops: HashMap<usize, FuncRef>,
}

/// What a program needs besides its steps.
pub struct Context<'a> {
    pub values: &'a [Stored],
    pub placed: &'a Placed,
    pub precision: Precision,
    /// First scalar of the kernels' own scratch.
    pub kernel_scratch: usize,
}

impl Context<'_> {
    /// Bytes of a scalar.
    pub(super) fn size(&self) -> i64 {
        match self.precision {
            Precision::F32 => 4,
            Precision::F64 => 8,
        }
    }

    /// Bytes of a row.
    pub(super) fn row(&self) -> i64 {
        LANES as i64 * self.size()
    }

    /// The nest of a group; none if nobody needs what it computes.
    pub(super) fn nest<'g>(&self, g: &'g Group) -> Option<Nest<'g>> {
        g.stores.iter().any(|s| self.values[s.value].stored).then(|| Nest::new(self, g))
    }
}

pub(super) struct Emit<'a, 'b> {
    pub(super) b: FunctionBuilder<'b>,
    pub(super) cx: &'a Context<'a>,
    callees: &'a Callees,
    pub(super) scalar: Type,
    pub(super) vector: Type,
    /// Bytes of a scalar and of a row.
    pub(super) size: i64,
    pub(super) row: i64,
    pub(super) packed: Value,
    pub(super) inputs: Value,
    pub(super) outputs: Value,
    pub(super) slot: Value,
    pub(super) scratch: Value,
    start: Value,
    pub(super) panels: Value,
    /// Bytes of the lanes to compute.
    pub(super) lanes: Value,
}

/// Vectors lie within blocks that were checked; blocks need the alignment of a scalar only.
pub(super) const VECTOR: MemFlagsData = MemFlagsData::new().with_notrap();

/// Field offsets of `Args`.
const FIELDS: [i32; 6] = [0, 8, 16, 24, 32, 56];

/// Emits the body.
pub fn emit(
    mut b: FunctionBuilder<'_>,
    cx: &Context<'_>,
    steps: &[Task],
    callees: &Callees,
    config: cranelift_codegen::isa::TargetFrontendConfig,
) {
    let entry = b.create_block();
    b.append_block_params_for_function_params(entry);
    b.switch_to_block(entry);
    let (args, panels) = (b.block_params(entry)[0], b.block_params(entry)[1]);
    let [packed, inputs, outputs, slot, scratch, start] =
        FIELDS.map(|at| b.ins().load(types::I64, MemFlagsData::trusted(), args, at));
    let (scalar, vector) = match cx.precision {
        Precision::F32 => (types::F32, types::F32X4),
        Precision::F64 => (types::F64, types::F64X2),
    };
    let (row, size) = (cx.row(), cx.size());
    let lanes = b.ins().imul_imm_s(panels, PANEL as i64 * size);
    let mut e = Emit {
        b,
        cx,
        callees,
        scalar,
        vector,
        size,
        row,
        packed,
        inputs,
        outputs,
        slot,
        scratch,
        start,
        panels,
        lanes,
    };
    for &step in &cx.placed.order {
        e.step(step, &steps[step]);
    }
    let ok = e.b.ins().iconst(types::I32, 0);
    e.b.ins().return_(&[ok]);
    e.b.seal_all_blocks();
    e.b.finalize(config);
}

impl Emit<'_, '_> {
    pub(super) fn base(&self, space: Space) -> Value {
        match space {
            Space::Inputs => self.inputs,
            Space::Outputs => self.outputs,
            Space::Scratch => self.scratch,
        }
    }

    pub(super) fn number(&mut self, n: usize) -> Value {
        self.b.ins().iconst(types::I64, n as i64)
    }

    pub(super) fn plus(&mut self, base: Value, bytes: i64) -> Value {
        if bytes == 0 { base } else { self.b.ins().iadd_imm_s(base, bytes) }
    }

    fn rows(&mut self, r: Rows) -> Value {
        let (space, first) = self.cx.placed.at[r.value];
        let base = self.base(space);
        self.plus(base, (first + r.offset) as i64 * self.row)
    }

    fn step(&mut self, step: usize, task: &Task) {
        match task {
            Task::Loops(g) => {
                let wide = self.callees.loops.get(&step).copied();
                if let Some(nest) = self.cx.nest(g) {
                    nest.emit(self, wide);
                }
            }
            Task::Gemm { weights, bias, x, y, m, k, blocks } => {
                let w = self.plus(self.packed, *weights as i64 * self.size);
                let bias = match bias {
                    Some(at) => self.plus(self.packed, *at as i64 * self.size),
                    None => self.number(0),
                };
                let (x, y) = (self.rows(*x), self.rows(Rows { value: *y, offset: 0 }));
                let [m, k, blocks] = [*m, *k, *blocks].map(|n| self.number(n));
                self.call(Callee::Gemm, &[w, x, y, bias, m, k, blocks, self.panels]);
            }
            Task::Map { f, x, y, rows } => {
                let (x, y) = (self.rows(*x), self.rows(Rows { value: *y, offset: 0 }));
                let rows = self.number(*rows);
                self.call(Callee::Map(*f), &[x, y, rows, self.panels]);
            }
            Task::Grad { slot, d, x, m, k, blocks } => {
                let slot = self.plus(self.slot, *slot as i64 * self.size);
                let (d, x) = (self.rows(*d), self.rows(*x));
                let [m, k, blocks] = [*m, *k, *blocks].map(|n| self.number(n));
                let scratch = self.plus(self.scratch, self.cx.kernel_scratch as i64 * self.size);
                self.call(Callee::Grad, &[slot, d, x, m, k, blocks, self.panels, scratch, self.start]);
            }
            Task::SumLanes { slot, d, rows } => {
                let slot = self.plus(self.slot, *slot as i64 * self.size);
                let d = self.rows(*d);
                let (rows, one) = (self.number(*rows), self.number(1));
                self.call(Callee::SumLanes, &[slot, d, rows, one, self.panels, self.start]);
            }
        }
    }

    fn call(&mut self, callee: Callee, args: &[Value]) {
        self.b.ins().call(self.callees.kernels[&callee], args);
    }

    /// `for i in (0..end).step_by(step)` with values carried along; `end` is not 0.
    pub(super) fn count(
        &mut self,
        end: Value,
        step: i64,
        carried: &[Value],
        body: impl FnOnce(&mut Self, Value, &[Value]) -> Vec<Value>,
    ) -> Vec<Value> {
        let (head, exit) = (self.b.create_block(), self.b.create_block());
        let index = self.b.append_block_param(head, types::I64);
        let inside: Vec<Value> = carried
            .iter()
            .map(|&v| {
                let ty = self.b.func.dfg.value_type(v);
                self.b.append_block_param(head, ty)
            })
            .collect();
        let zero = self.number(0);
        let enter: Vec<BlockArg> = std::iter::once(zero).chain(carried.iter().copied()).map(BlockArg::Value).collect();
        self.b.ins().jump(head, &enter);
        self.b.switch_to_block(head);
        let results = body(self, index, &inside);
        let next = self.b.ins().iadd_imm_s(index, step);
        let more = self.b.ins().icmp(IntCC::UnsignedLessThan, next, end);
        let again: Vec<BlockArg> = std::iter::once(next).chain(results.iter().copied()).map(BlockArg::Value).collect();
        self.b.ins().brif(more, head, &again, exit, &[]);
        self.b.switch_to_block(exit);
        // The last iteration's values dominate the exit.
        results
    }

    pub(super) fn constant(&mut self, bits: u64) -> Value {
        let x = f64::from_bits(bits);
        let s = match self.cx.precision {
            Precision::F32 => self.b.ins().f32const(Ieee32::with_bits((x as f32).to_bits())),
            Precision::F64 => self.b.ins().f64const(Ieee64::with_bits(bits)),
        };
        self.b.ins().splat(self.vector, s)
    }

    pub(super) fn splat(&mut self, pointer: Value, at: i64) -> Value {
        let s = self.b.ins().load(self.scalar, MemFlagsData::trusted(), pointer, at as i32);
        self.b.ins().splat(self.vector, s)
    }

    pub(super) fn load(&mut self, pointer: Value, at: i64) -> Value {
        self.b.ins().load(self.vector, VECTOR, pointer, at as i32)
    }

    fn compare(&mut self, cc: FloatCC, a: Value, b: Value) -> Value {
        let mask = self.b.ins().fcmp(cc, a, b);
        self.b.ins().bitcast(self.vector, MemFlagsData::new().with_endianness(Endianness::Little), mask)
    }

    pub(super) fn point(&mut self, op: Point, x: &[Value]) -> Value {
        let one = 1.0_f64.to_bits();
        match op {
            Point::Copy => x[0],
            Point::Add => self.b.ins().fadd(x[0], x[1]),
            Point::Sub => self.b.ins().fsub(x[0], x[1]),
            Point::Mul => self.b.ins().fmul(x[0], x[1]),
            Point::Max => {
                let less = self.compare(FloatCC::LessThan, x[1], x[0]);
                let m = self.b.ins().bitselect(less, x[0], x[1]);
                self.keep_nan(x[0], m)
            }
            Point::Min => {
                let less = self.compare(FloatCC::LessThan, x[0], x[1]);
                let m = self.b.ins().bitselect(less, x[0], x[1]);
                self.keep_nan(x[0], m)
            }
            Point::Less | Point::LessEq | Point::Equal => {
                let cc = match op {
                    Point::Less => FloatCC::LessThan,
                    Point::LessEq => FloatCC::LessThanOrEqual,
                    _ => FloatCC::Equal,
                };
                let mask = self.compare(cc, x[0], x[1]);
                let one = self.constant(one);
                self.b.ins().band(mask, one)
            }
            Point::Select => {
                let zero = self.constant(0);
                let mask = self.compare(FloatCC::NotEqual, x[0], zero);
                self.b.ins().bitselect(mask, x[1], x[2])
            }
            Point::Abs => self.b.ins().fabs(x[0]),
            Point::Sign => {
                let (zero, one, minus) = (self.constant(0), self.constant(one), self.constant((-1.0_f64).to_bits()));
                let (above, below) =
                    (self.compare(FloatCC::LessThan, zero, x[0]), self.compare(FloatCC::LessThan, x[0], zero));
                let (above, below) = (self.b.ins().band(above, one), self.b.ins().band(below, minus));
                let sign = self.b.ins().bor(above, below);
                self.keep_nan(x[0], sign)
            }
            Point::Floor => self.b.ins().floor(x[0]),
            Point::Sqrt => self.b.ins().sqrt(x[0]),
            Point::Recip => {
                let one = self.constant(one);
                self.b.ins().fdiv(one, x[0])
            }
        }
    }

    /// x where it is NaN, else y.
    fn keep_nan(&mut self, x: Value, y: Value) -> Value {
        let nan = self.compare(FloatCC::Unordered, x, x);
        self.b.ins().bitselect(nan, x, y)
    }
}
