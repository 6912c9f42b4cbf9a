//! Machine code in memory, and the safe door to it.
//!
//! Invariant: code is freed after the last kernel that runs it is gone, and by nobody else; no pointer to it leaves this
//! module. Every buffer is checked against the layout before generated code, which trusts its pointers, sees it.

use super::emit::{Callee, Callees, Context, emit};
use super::lower::{Lowered, lower};
use super::params::Params;
use super::place::{Placed, Space, place};
use super::plan::Task;
use super::wide;
use crate::backend::sums::Sums;
use crate::backend::unit::{Facts, broken};
use crate::backend::{Kernel, LANES, Layout, PANEL, Precision, Scalar, SharedMut, Unit};
use crate::diag::Diagnostic;
use crate::ir::UnaryFn;
use crate::kernels::{Isa, KernelTable, Real, Start, grad_scratch_len};
use cranelift_codegen::ir::{AbiParam, LibCall, Signature, UserFuncName, types};
use cranelift_codegen::isa::{CallConv, OwnedTargetIsa};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Linkage, Module, default_libcall_names};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem::ManuallyDrop;

/// What generated code is given. Residuals and cotangents are for tape and adjoint; programs of today read neither.
#[repr(C)]
struct Args<T> {
    packed: *const T,
    inputs: *const T,
    outputs: *mut T,
    slot: *mut T,
    scratch: *mut T,
    residuals: *mut T,
    cotangents: *mut T,
    /// What sums over samples start from.
    start: Start,
}

/// The generated function. Its argument's type is erased: the precision is that of the [`Compiled`] that owns it.
type Entry = unsafe extern "C" fn(*const std::ffi::c_void, u64) -> u32;

/// Owns the pages of a unit's code.
struct Code {
    module: ManuallyDrop<JITModule>,
    entry: Entry,
}

// SAFETY: after `finalize_definitions` the module is never used again but to free it, which needs `&mut` (drop); the code
// is immutable and keeps no state, so any thread may run it.
unsafe impl Sync for Code {}
// SAFETY: `JITModule` is `Send`, and `entry` points into pages that move with it.
unsafe impl Send for Code {}

impl Drop for Code {
    fn drop(&mut self) {
        // SAFETY: taken once, here. `entry` is called through `&Compiled` only, which borrows `self`, so no call is running
        // and none follows.
        unsafe { ManuallyDrop::take(&mut self.module).free_memory() }
    }
}

/// A unit ready for code generation.
pub(super) struct Program {
    pub facts: Facts,
    pub lowered: Lowered,
    pub placed: Placed,
    pub precision: Precision,
    kernel_scratch: usize,
}

impl Program {
    /// Checks, lowers, orders and places a unit.
    pub fn new(unit: &Unit<'_>, precision: Precision) -> Result<Program, Diagnostic> {
        let mut facts = Facts::new(unit)?;
        let lowered = lower(unit, &facts);
        let placed = place(&lowered);
        let kernel_scratch = placed.rows * LANES;
        let grad = lowered.steps.iter().map(|s| match s {
            Task::Grad { k, .. } => grad_scratch_len(*k),
            Task::Loops(_) | Task::Gemm { .. } | Task::Map { .. } | Task::SumLanes { .. } => 0,
        });
        facts.layout.scratch_len = kernel_scratch + grad.max().unwrap_or(0);
        facts.layout.packed_len = lowered.params.len;
        let longest = [
            facts.layout.scratch_len,
            facts.layout.packed_len,
            facts.layout.input_rows * LANES,
            facts.layout.output_rows * LANES,
        ];
        if longest.into_iter().any(|n| n > i32::MAX as usize / 16) {
            return Err(broken(unit.name, "a buffer of a tile is longer than the 2^27 scalars that offsets can say"));
        }
        Ok(Program { facts, lowered, placed, precision, kernel_scratch })
    }

    fn callees(&self) -> BTreeSet<Callee> {
        self.lowered
            .steps
            .iter()
            .filter_map(|s| match s {
                Task::Gemm { .. } => Some(Callee::Gemm),
                Task::Map { f, .. } => Some(Callee::Map(*f)),
                Task::Grad { .. } => Some(Callee::Grad),
                Task::SumLanes { .. } => Some(Callee::SumLanes),
                Task::Loops(_) => None,
            })
            .collect()
    }

    /// Names of blocks in dumps.
    pub fn place_of(&self, value: usize) -> String {
        let (space, row) = self.placed.at[value];
        let name = match space {
            Space::Inputs => "in",
            Space::Outputs => "out",
            Space::Scratch => "scratch",
        };
        format!("{name}[{row}]")
    }
}

/// The symbol of a kernel.
fn symbol(callee: Callee) -> String {
    match callee {
        Callee::Gemm => "flow_rt_gemm".into(),
        Callee::Grad => "flow_rt_grad".into(),
        Callee::SumLanes => "flow_rt_sum_lanes".into(),
        Callee::Map(f) => format!("flow_rt_map_{}", format!("{f:?}").to_lowercase()),
    }
}

/// Pointers (as integers) and counts a kernel takes; none returns anything.
fn arity(callee: Callee) -> usize {
    match callee {
        Callee::Gemm => 8,
        Callee::Grad => 9,
        Callee::SumLanes => 6,
        Callee::Map(_) => 4,
    }
}

/// Every kernel's address under its symbol.
fn addresses<T: Real>(table: &KernelTable<T>) -> BTreeMap<String, *const u8> {
    let mut all = BTreeMap::new();
    let mut add = |callee, address| all.insert(symbol(callee), address);
    add(Callee::Gemm, table.gemm as *const u8);
    add(Callee::Grad, table.grad as *const u8);
    add(Callee::SumLanes, table.sum_lanes as *const u8);
    for f in UnaryFn::ALL {
        let map = match f {
            UnaryFn::Exp => table.map_exp,
            UnaryFn::Log => table.map_log,
            UnaryFn::Sqrt => table.map_sqrt,
            UnaryFn::Sin => table.map_sin,
            UnaryFn::Cos => table.map_cos,
            UnaryFn::Tanh => table.map_tanh,
            UnaryFn::Logistic => table.map_logistic,
            UnaryFn::Softplus => table.map_softplus,
            UnaryFn::Erf => table.map_erf,
            UnaryFn::Recip => table.map_recip,
            UnaryFn::Abs => table.map_abs,
            UnaryFn::Sign => table.map_sign,
            UnaryFn::Floor => table.map_floor,
        };
        add(Callee::Map(f), map as *const u8);
    }
    // For processors without a fused multiply-add: slow, the same bits.
    all.insert(FMA_F32.into(), fma_f32 as *const u8);
    all.insert(FMA_F64.into(), fma_f64 as *const u8);
    all
}

const FMA_F32: &str = "flow_rt_fma_f32";
const FMA_F64: &str = "flow_rt_fma_f64";

extern "C" fn fma_f32(a: f32, b: f32, c: f32) -> f32 {
    a.mul_add(b, c)
}

extern "C" fn fma_f64(a: f64, b: f64, c: f64) -> f64 {
    a.mul_add(b, c)
}

/// Alignment of functions of wide vectors: a line of the cache.
const CODE_ALIGN: u64 = 64;

/// Texts of a compilation, for dumps.
pub(super) struct Texts {
    pub clif: String,
    pub asm: Option<String>,
}

/// A module under construction: freed with its pages unless it is taken out.
struct Building(Option<JITModule>);

impl Drop for Building {
    fn drop(&mut self) {
        if let Some(module) = self.0.take() {
            // SAFETY: no pointer to its functions was handed out.
            unsafe { module.free_memory() }
        }
    }
}

fn generate<T: Real>(
    isa: &OwnedTargetIsa,
    table: &KernelTable<T>,
    program: &Program,
    name: &str,
    disassemble: bool,
) -> Result<(Code, Texts), Diagnostic> {
    let failed = |e: &dyn std::fmt::Display| broken(name, e);
    let mut builder = JITBuilder::with_isa(
        isa.clone(),
        Box::new(|call| match call {
            LibCall::FmaF32 => FMA_F32.into(),
            LibCall::FmaF64 => FMA_F64.into(),
            other => default_libcall_names()(other),
        }),
    );
    let known = addresses(table);
    builder.symbols(known.iter().map(|(n, a)| (n.clone(), *a)));
    let mut building = Building(Some(JITModule::new(builder)));
    let module = building.0.as_mut().expect("just made");
    let convention = isa.default_call_conv();

    let mut imports: HashMap<Callee, FuncId> = HashMap::new();
    for callee in program.callees() {
        let name = symbol(callee);
        // An unknown name would be looked up among the symbols of the process.
        if !known.contains_key(&name) {
            return Err(failed(&format!("there is no kernel `{name}`")));
        }
        let mut signature = Signature::new(convention);
        signature.params = vec![AbiParam::new(types::I64); arity(callee)];
        let id = module.declare_function(&name, Linkage::Import, &signature).map_err(|e| failed(&e))?;
        imports.insert(callee, id);
    }
    let mut context = module.make_context();
    context.func.signature = Signature::new(convention);
    context.func.signature.params = vec![AbiParam::new(types::I64); 2];
    context.func.signature.returns = vec![AbiParam::new(types::I32)];
    let entry =
        module.declare_function("flow_unit", Linkage::Export, &context.func.signature).map_err(|e| failed(&e))?;
    context.func.name = UserFuncName::user(0, entry.as_u32());
    let cx = Context {
        values: &program.lowered.values,
        placed: &program.placed,
        precision: program.precision,
        kernel_scratch: program.kernel_scratch,
    };
    let mut callees = Callees { kernels: HashMap::new(), loops: HashMap::new() };
    if table.isa == Isa::Avx512 && convention == CallConv::SystemV {
        for (step, task) in program.lowered.steps.iter().enumerate() {
            let Task::Loops(group) = task else { continue };
            let Some(nest) = cx.nest(group) else { continue };
            let Some(bytes) = wide::function(&cx, &nest) else { continue };
            let mut signature = Signature::new(convention);
            signature.params = vec![AbiParam::new(types::I64); 1 + nest.pointers()];
            let name = format!("flow_loops_{step}");
            let id = module.declare_function(&name, Linkage::Local, &signature).map_err(|e| failed(&e))?;
            module.define_function_bytes(id, CODE_ALIGN, &bytes, &[]).map_err(|e| failed(&e))?;
            callees.loops.insert(step, module.declare_func_in_func(id, &mut context.func));
        }
    }
    let mut ids: Vec<_> = imports.into_iter().collect();
    ids.sort_unstable();
    for (callee, id) in ids {
        callees.kernels.insert(callee, module.declare_func_in_func(id, &mut context.func));
    }
    let mut frontend = FunctionBuilderContext::new();
    let function = FunctionBuilder::new(&mut context.func, &mut frontend);
    emit(function, &cx, &program.lowered.steps, &callees, isa.frontend_config());

    let clif = if disassemble { context.func.display().to_string() } else { String::new() };
    context.set_disasm(disassemble);
    module.define_function(entry, &mut context).map_err(|e| failed(&format!("{e:?}")))?;
    let asm = context.compiled_code().and_then(|c| c.vcode.clone());
    module.finalize_definitions().map_err(|e| failed(&e))?;
    let address = module.get_finalized_function(entry);
    // SAFETY: the function was declared with this signature and the platform's C convention.
    let entry = unsafe { std::mem::transmute::<*const u8, Entry>(address) };
    let module = building.0.take().expect("still there");
    Ok((Code { module: ManuallyDrop::new(module), entry }, Texts { clif, asm }))
}

/// As `generate`; a panic inside Cranelift (it has some for what it does not support) becomes an error, so that a unit that
/// cannot be compiled never ends the process.
pub(super) fn compile<T: Real + Scalar>(
    isa: &OwnedTargetIsa,
    table: &'static KernelTable<T>,
    program: Program,
    name: &str,
    disassemble: bool,
) -> Result<(Compiled<T>, Texts), Diagnostic> {
    let run = std::panic::AssertUnwindSafe(|| generate(isa, table, &program, name, disassemble));
    let (code, texts) = std::panic::catch_unwind(run)
        .unwrap_or_else(|_| Err(broken(name, "the code generator does not support an operation of it")))?;
    let Program { facts, lowered, .. } = program;
    Ok((Compiled { code, table, layout: facts.layout, params: lowered.params, sums: facts.sums }, texts))
}

/// A compiled unit.
pub(super) struct Compiled<T: 'static> {
    code: Code,
    table: &'static KernelTable<T>,
    layout: Layout,
    params: Params,
    sums: Sums,
}

impl<T: Real + Scalar> Kernel<T> for Compiled<T> {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn pack(&self, theta: &[T], packed: &SharedMut<T>, part: usize, parts: usize) {
        assert_eq!(theta.len(), self.layout.theta_len, "the flat parameter vector");
        assert!(part < parts, "a part of the parts");
        self.params.pack(self.table, theta, packed, part, parts);
    }

    fn packs_ranges(&self) -> bool {
        self.params.packs_ranges()
    }

    fn pack_range(&self, theta: &[T], first: usize, packed: &SharedMut<T>) {
        assert!(first + theta.len() <= self.layout.theta_len, "a range of the parameters");
        self.params.pack_range(self.table, theta, first, packed);
    }

    fn tile(
        &self,
        packed: &[T],
        inputs: &[T],
        outputs: &mut [T],
        slot: &mut [T],
        scratch: &mut [T],
        panels: usize,
    ) -> u32 {
        self.enter(packed, inputs, outputs, slot, scratch, panels, Start::There)
    }

    fn first_tile(
        &self,
        packed: &[T],
        inputs: &[T],
        outputs: &mut [T],
        slot: &mut [T],
        scratch: &mut [T],
        panels: usize,
    ) -> u32 {
        if self.sums.cover() {
            return self.enter(packed, inputs, outputs, slot, scratch, panels, Start::Zero);
        }
        slot.fill(T::default());
        self.enter(packed, inputs, outputs, slot, scratch, panels, Start::There)
    }

    fn joins_slots(&self) -> bool {
        self.sums.one_block()
    }

    fn joining_tile(
        &self,
        packed: &[T],
        inputs: &[T],
        outputs: &mut [T],
        slot: &mut [T],
        scratch: &mut [T],
        panels: usize,
    ) -> u32 {
        assert!(self.sums.one_block(), "asked before");
        self.enter(packed, inputs, outputs, slot, scratch, panels, Start::Beside)
    }

    fn reduce(&self, slots: &[&[T]], first: usize, out: &mut [T]) {
        self.sums.reduce(slots, first, out);
    }
}

impl<T: Real + Scalar> Compiled<T> {
    #[allow(clippy::too_many_arguments)]
    fn enter(
        &self,
        packed: &[T],
        inputs: &[T],
        outputs: &mut [T],
        slot: &mut [T],
        scratch: &mut [T],
        panels: usize,
        start: Start,
    ) -> u32 {
        let l = &self.layout;
        assert!((1..=LANES / PANEL).contains(&panels), "1 to 8 panels");
        assert!(packed.len() >= l.packed_len, "packed parameters as laid out");
        assert!(inputs.len() >= l.input_rows * LANES, "inputs as laid out");
        assert!(outputs.len() >= l.output_rows * LANES, "outputs as laid out");
        assert!(slot.len() >= l.slot_len, "a slot as laid out");
        assert!(scratch.len() >= l.scratch_len, "scratch as laid out");
        let args = Args {
            packed: packed.as_ptr(),
            inputs: inputs.as_ptr(),
            outputs: outputs.as_mut_ptr(),
            slot: slot.as_mut_ptr(),
            scratch: scratch.as_mut_ptr(),
            residuals: std::ptr::null_mut(),
            cotangents: std::ptr::null_mut(),
            start,
        };
        // SAFETY: the code was generated for this scalar and this layout. It reads and writes these blocks within the
        // lengths asserted above; the borrows keep the blocks alive and apart.
        unsafe { (self.code.entry)((&raw const args).cast(), panels as u64) }
    }
}
