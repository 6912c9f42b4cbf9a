//! Native code for units, by Cranelift.
//!
//! [`Unit`] -> checked facts (`backend::unit`) -> steps (`lower`, `fuse`) -> order and places (`place`) -> CLIF (`emit`, `nest`) -> machine
//! code (`module`). Products with parameters, weight gradients, transcendental functions are kernels called by symbol; all
//! else is loops in which chains of cheap operations stay in registers: of 512-bit vectors where the kernels have them
//! (`wide`, `evex`), else of Cranelift's 128-bit vectors.
//!
//! Meaning, the same bits as [`crate::interp`] on every instruction set (a NaN equals a NaN, whatever its bits):
//! * `Add`, `Sub`, `Scale` and each multiplication of a product round once; elementwise code never contracts to fma.
//! * Contractions are chains of fused multiply-adds from +0 (`src/ir/einsum.rs`).
//! * `Max(a, b)` is a if a is NaN, else a if b < a, else b; `Min` is a if a is NaN, else a if a < b, else b. So NaN of either
//!   comes through, and of two zeros the second is taken.
//! * Comparisons are false with NaN. `Select(c, a, b)` is a where c != 0; a NaN is not 0.
//! * Functions are those of `kernels::scalar`.
//! * Sums over samples: `src/backend/sums.rs`.
//! * Constants are rounded from f64 to the scalar once.
//!
//! Deliberately absent: algebra (the DAG comes optimised), loops over tiles (Rust owns them), instruction sets (kernels).

mod dump;
mod emit;
mod evex;
mod fuse;
mod lower;
mod module;
mod nest;
mod params;
mod place;
mod plan;
mod view;
mod wide;

use crate::backend::{Backend, Kernel, Precision, Scalar, Unit};
use crate::diag::{Code, Diagnostic};
use crate::kernels::{Isa, KernelTable, Real, table};
use crate::source::Span;
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use module::{Compiled, Program, Texts};
use std::collections::BTreeMap;

/// The compiler of units.
pub struct Jit {
    isa: Isa,
    verify: bool,
    target: OwnedTargetIsa,
}

impl std::fmt::Debug for Jit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jit").field("isa", &self.isa).field("verify", &self.verify).finish_non_exhaustive()
    }
}

impl Jit {
    /// A compiler whose code calls the kernels of an instruction set.
    ///
    /// # Panics
    /// If Cranelift does not know this processor's family.
    #[must_use]
    pub fn new(isa: Isa) -> Jit {
        Jit { isa, verify: false, target: target(false, false) }
    }

    /// Whether Cranelift checks the code it is given: for tests, it costs a third of the time.
    #[must_use]
    pub fn verified(self, verify: bool) -> Jit {
        Jit { verify, target: target(verify, false), ..self }
    }

    /// The instruction set of the kernels.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.isa
    }

    fn build<T: Real + Scalar>(&self, unit: &Unit<'_>, dump: bool) -> Result<(Compiled<T>, Texts), Diagnostic> {
        if !self.isa.is_available() {
            let text = format!("this processor has no {}", self.isa);
            return Err(Diagnostic::bare(Code::Internal, text));
        }
        if unit.dag.len() > LARGEST {
            return Err(too_large(unit));
        }
        let program = Program::new(unit, T::PRECISION)?;
        let table: &'static KernelTable<T> = table(self.isa);
        let quick = (unit.dag.len() > LARGE).then(|| target(self.verify, true));
        module::compile(quick.as_ref().unwrap_or(&self.target), table, program, unit.name, dump)
    }

    fn texts(&self, unit: &Unit<'_>, precision: Precision) -> Result<Texts, Diagnostic> {
        Ok(match precision {
            Precision::F32 => self.build::<f32>(unit, true)?.1,
            Precision::F64 => self.build::<f64>(unit, true)?.1,
        })
    }

    /// Steps, places and sizes of a unit, a line each.
    ///
    /// # Errors
    /// As [`Backend::compile`].
    pub fn dump_schedule(&self, unit: &Unit<'_>, precision: Precision) -> Result<String, Diagnostic> {
        Ok(dump::schedule(unit, &Program::new(unit, precision)?))
    }

    /// Cranelift's intermediate code of a unit.
    ///
    /// # Errors
    /// As [`Backend::compile`].
    pub fn dump_clif(&self, unit: &Unit<'_>, precision: Precision) -> Result<String, Diagnostic> {
        Ok(self.texts(unit, precision)?.clif)
    }

    /// The machine code of a unit, annotated.
    ///
    /// # Errors
    /// As [`Backend::compile`].
    pub fn dump_asm(&self, unit: &Unit<'_>, precision: Precision) -> Result<String, Diagnostic> {
        Ok(self.texts(unit, precision)?.asm.unwrap_or_default())
    }
}

/// Operations of a unit beyond which registers are given in one pass: the usual way takes a time that grows with their square
/// (measured: 1.4 s for 6,000).
const LARGE: usize = 4_000;
/// Operations of a unit that are compiled.
const LARGEST: usize = 100_000;

/// `E0309`: a unit that would be minutes in the making. The place is that of most of its operations.
fn too_large(unit: &Unit<'_>) -> Diagnostic {
    let mut counts: BTreeMap<Span, usize> = BTreeMap::new();
    for span in unit.dag.ids().filter_map(|id| unit.dag.node(id).span) {
        *counts.entry(span).or_default() += 1;
    }
    let message = format!("this comes to {} operations; at most {LARGEST} are compiled", unit.dag.len());
    let d = match counts.into_iter().max_by_key(|(_, n)| *n) {
        Some((span, n)) => Diagnostic::new(Code::BudgetExceeded, message, span, format!("{n} of them are made here")),
        None => Diagnostic::bare(Code::BudgetExceeded, message),
    };
    d.help("`fold`, `map` and derivatives are written out: make ranges shorter, or work on whole vectors")
}

/// Flags: no optimisation (measured: it moves loads up and spills), this processor's features, absolute calls.
fn target(verify: bool, quick: bool) -> OwnedTargetIsa {
    let mut flags = settings::builder();
    let verify = if verify { "true" } else { "false" };
    let registers = if quick { "single_pass" } else { "backtracking" };
    for (name, value) in [
        ("opt_level", "none"),
        ("is_pic", "false"),
        ("use_colocated_libcalls", "false"),
        ("enable_verifier", verify),
        ("regalloc_algorithm", registers),
    ] {
        flags.set(name, value).expect("a flag of this Cranelift");
    }
    let builder = cranelift_native::builder().expect("a processor family that Cranelift knows");
    builder.finish(settings::Flags::new(flags)).expect("flags that go together")
}

impl<T: Real + Scalar> Backend<T> for Jit {
    fn compile(&self, unit: &Unit<'_>) -> Result<Box<dyn Kernel<T>>, Diagnostic> {
        Ok(Box::new(self.build::<T>(unit, false)?.0))
    }
}
