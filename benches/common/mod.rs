//! What every benchmark needs: bursts summed up, and the most that the machine can do in the same minutes.

// No benchmark uses all of it.
#![allow(dead_code)]

use flowc::kernels::Isa;
use flowc::run::pool::{Pool, Worker};
use std::hint::black_box;
use std::time::Instant;

/// Least, median and greatest of some bursts.
#[derive(Clone, Copy)]
pub struct Spread {
    pub least: f64,
    pub median: f64,
    pub most: f64,
}

impl Spread {
    pub fn of(values: &[f64]) -> Spread {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        Spread { least: sorted[0], median: sorted[sorted.len() / 2], most: sorted[sorted.len() - 1] }
    }
}

/// Seconds of a call.
pub fn seconds<R>(f: impl FnOnce() -> R) -> f64 {
    let start = Instant::now();
    black_box(f());
    start.elapsed().as_secs_f64()
}

/// Chains at once: eight fill the pipes.
const CHAINS: usize = 12;

macro_rules! fma_chains {
    ($steps:ident, $splat:ident, $fma:ident) => {{
        let (a, b) = ($splat(black_box(0.999)), $splat(black_box(0.001)));
        let mut acc = [$splat(1.0); CHAINS];
        for _ in 0..$steps {
            for x in &mut acc {
                *x = $fma(*x, a, b);
            }
        }
        black_box(acc);
    }};
}
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_set1_ps, _mm512_fmadd_ps, _mm512_set1_ps};

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn wide(steps: usize) {
    fma_chains!(steps, _mm512_set1_ps, _mm512_fmadd_ps);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn middle(steps: usize) {
    fma_chains!(steps, _mm256_set1_ps, _mm256_fmadd_ps);
}

fn narrow(steps: usize) {
    let (one, fma) = (|x: f32| x, |x: f32, a: f32, b: f32| x.mul_add(a, b));
    fma_chains!(steps, one, fma);
}

/// Lanes of f32 in the widest registers.
fn lanes(isa: Isa) -> usize {
    match isa {
        Isa::Portable => 1,
        Isa::Avx2 => 8,
        Isa::Avx512 => 16,
    }
}

/// `steps` times twelve multiply-adds of f32 in independent chains of registers: what no product can beat.
pub fn chains(isa: Isa, steps: usize) {
    assert!(isa.is_available(), "this processor has no {isa}");
    match isa {
        Isa::Portable => narrow(steps),
        // SAFETY: the instruction set is available.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { middle(steps) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { wide(steps) },
        #[cfg(not(target_arch = "x86_64"))]
        Isa::Avx2 | Isa::Avx512 => unreachable!("not available"),
    }
}

/// Operations of [`chains`]; a multiply-add counts two.
pub fn operations(isa: Isa, steps: usize) -> f64 {
    (2 * steps * CHAINS * lanes(isa)) as f64
}

/// Operations a second of [`chains`] on that many threads at once.
pub fn peak(threads: usize, isa: Isa) -> f64 {
    const STEPS: usize = 200_000;
    let pass = |_: &Worker<'_>| {
        chains(isa, STEPS);
        Ok(())
    };
    let elapsed = seconds(|| Pool::new(Some(threads)).run(threads, pass).expect("nothing that fails"));
    operations(isa, STEPS) * threads as f64 / elapsed
}
