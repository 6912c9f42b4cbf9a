//! Speed of the tile kernels on one thread: products against the fused multiply-adds this core can do, functions and random
//! numbers by the element. `cargo bench --bench kernels [-- isa...]`.
//!
//! Each row is measured in short bursts, and all rows in turn many times over, so that a busy spell of a shared machine
//! hits all alike. Printed: the best and the median burst. The peak is measured in the same turns.

mod common;

use common::Spread;
use flowc::kernels::{Isa, LANES, Map, PANEL, ROWS, Real, Start, grad_scratch_len, packed_len, table};
use flowc::rng::{Key, Variate, fill_normal_on, fill_uniform_on};
use std::hint::black_box;
use std::time::Instant;

/// A whole tile.
const PANELS: usize = LANES / PANEL;

/// One thing to measure.
struct Row {
    name: String,
    /// What one call computes: floating-point operations, or elements.
    work: f64,
    unit: Unit,
    calls: usize,
    run: Box<dyn FnMut()>,
    /// Seconds of a call, for every burst.
    times: Vec<f64>,
}

#[derive(Clone, Copy, PartialEq)]
enum Unit {
    /// Multiply-adds count two.
    Flops,
    Elements,
}

impl Row {
    fn new(name: String, work: f64, unit: Unit, mut run: impl FnMut() + 'static) -> Row {
        // Bursts of about 50 microseconds.
        run();
        let mut calls = 1;
        loop {
            let start = Instant::now();
            (0..calls).for_each(|_| run());
            if start.elapsed().as_secs_f64() > 5e-5 {
                break;
            }
            calls *= 2;
        }
        Row { name, work, unit, calls, run: Box::new(run), times: Vec::new() }
    }

    fn burst(&mut self) {
        (self.run)();
        let start = Instant::now();
        (0..self.calls).for_each(|_| (self.run)());
        self.times.push(start.elapsed().as_secs_f64() / self.calls as f64);
    }
}

/// Scalars at a 64-byte boundary, as in a kernel's arena.
struct Buffer<T> {
    all: Vec<T>,
    skip: usize,
}

impl<T> std::ops::Deref for Buffer<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.all[self.skip..]
    }
}

impl<T> std::ops::DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.all[self.skip..]
    }
}

/// Uniforms.
fn numbers<T: Variate>(n: usize) -> Buffer<T> {
    let all = vec![T::ZERO; n.next_multiple_of(LANES) + LANES];
    let mut buffer = Buffer { skip: all.as_ptr().align_offset(64), all };
    let rows = buffer.len() / LANES;
    fill_uniform_on(Isa::detect(), &mut buffer, rows, Key::new(1, "bench"), 0, 0, 0, PANELS);
    buffer
}

/// What no product can beat.
fn peak(isa: Isa) -> Row {
    const STEPS: usize = 2000;
    let work = common::operations(isa, STEPS);
    Row::new("peak: chains in registers".into(), work, Unit::Flops, move || common::chains(isa, STEPS))
}

fn gemm<T: Real + Variate>(isa: Isa, m: usize, k: usize, blocks: usize, panels: usize) -> Row {
    let t = table::<T>(isa);
    let (x, packed) = (numbers::<T>(k * blocks * LANES), numbers::<T>(packed_len(m, k)));
    let mut y = numbers::<T>(m * blocks * LANES);
    let work = (2 * m * k * blocks * panels * PANEL) as f64;
    Row::new(format!("gemm {m}x{k}, {blocks} blocks, {panels} panels"), work, Unit::Flops, move || {
        // SAFETY: sizes as the contract says.
        unsafe {
            (t.gemm)(packed.as_ptr(), x.as_ptr(), y.as_mut_ptr(), std::ptr::null(), m, k, blocks, panels);
        }
        black_box(&mut y[0]);
    })
}

fn grad<T: Real + Variate>(isa: Isa, m: usize, k: usize, blocks: usize, panels: usize) -> Row {
    let t = table::<T>(isa);
    let (d, x) = (numbers::<T>(m * blocks * LANES), numbers::<T>(k * blocks * LANES));
    let (mut slot, mut scratch) = (numbers::<T>(m * k.next_multiple_of(16)), numbers::<T>(grad_scratch_len(k)));
    let work = (2 * m * k * blocks * panels * PANEL) as f64;
    Row::new(format!("grad {m}x{k}, {blocks} blocks, {panels} panels"), work, Unit::Flops, move || {
        // SAFETY: sizes as the contract says.
        unsafe {
            let (slot, scratch) = (slot.as_mut_ptr(), scratch.as_mut_ptr());
            (t.grad)(slot, d.as_ptr(), x.as_ptr(), m, k, blocks, panels, scratch, Start::There);
        }
        black_box(&mut slot[0]);
    })
}

fn pack<T: Real + Variate>(isa: Isa, m: usize, k: usize, transposed: bool) -> Row {
    let t = table::<T>(isa);
    let (w, mut packed) = (numbers::<T>(m * k), numbers::<T>(packed_len(m, k)));
    let (row_stride, col_stride, name) = if transposed { (1, m, "pack, transposed") } else { (k, 1, "pack") };
    Row::new(format!("{name} {m}x{k}"), (m * k) as f64, Unit::Elements, move || {
        // SAFETY: sizes as the contract says.
        unsafe { (t.pack)(w.as_ptr(), packed.as_mut_ptr(), m, k, row_stride, col_stride, k, 0, m.div_ceil(ROWS)) };
        black_box(&mut packed[0]);
    })
}

fn map<T: Real + Variate>(name: &str, f: Map<T>) -> Row {
    let rows = 128;
    let x = numbers::<T>(rows * LANES);
    let mut y = numbers::<T>(rows * LANES);
    Row::new(name.into(), (rows * LANES) as f64, Unit::Elements, move || {
        // SAFETY: sizes as the contract says.
        unsafe { f(x.as_ptr(), y.as_mut_ptr(), rows, PANELS) };
        black_box(&mut y[0]);
    })
}

fn maps<T: Real + Variate>(isa: Isa) -> Vec<Row> {
    let t = table::<T>(isa);
    let named = [
        ("exp", t.map_exp),
        ("log", t.map_log),
        ("sqrt", t.map_sqrt),
        ("sin", t.map_sin),
        ("cos", t.map_cos),
        ("tanh", t.map_tanh),
        ("logistic", t.map_logistic),
        ("softplus", t.map_softplus),
        ("erf", t.map_erf),
        ("recip", t.map_recip),
        ("abs", t.map_abs),
        ("sign", t.map_sign),
        ("floor", t.map_floor),
    ];
    let mut rows: Vec<Row> = named.into_iter().map(|(name, f)| map(name, f)).collect();
    let d = numbers::<T>(128 * LANES);
    let mut slot = numbers::<T>(128 * 16);
    rows.push(Row::new("sum_lanes".into(), (128 * LANES) as f64, Unit::Elements, move || {
        // SAFETY: sizes as the contract says.
        unsafe { (t.sum_lanes)(slot.as_mut_ptr(), d.as_ptr(), 128, 1, PANELS, Start::There) };
        black_box(&mut slot[0]);
    }));
    for normal in [false, true] {
        let mut out = numbers::<T>(64 * LANES);
        let name = if normal { "fill_normal" } else { "fill_uniform" };
        let fill = if normal { fill_normal_on::<T> } else { fill_uniform_on::<T> };
        let key = Key::new(1, "bench");
        rows.push(Row::new(name.into(), (64 * LANES) as f64, Unit::Elements, move || {
            fill(isa, &mut out, 64, key, 1, 2, 3, PANELS);
            black_box(&mut out[0]);
        }));
    }
    rows
}

fn report(title: &str, mut rows: Vec<Row>) {
    for _ in 0..300 {
        rows.iter_mut().for_each(Row::burst);
    }
    let mut peak = None;
    println!("\n{title:44} {:>10} {:>10}   {:>6}", "best", "median", "% peak");
    for row in &rows {
        let Spread { least: best, median, .. } = Spread::of(&row.times);
        match row.unit {
            Unit::Flops => {
                let (fast, usual) = (row.work / best * 1e-9, row.work / median * 1e-9);
                // The first row is the peak.
                let peak = *peak.get_or_insert(fast);
                println!("  {:42} {fast:8.1}   {usual:8.1}   {:6.1}   GFLOP/s", row.name, 100.0 * fast / peak);
            }
            Unit::Elements => {
                let (fast, usual) = (best / row.work * 1e9, median / row.work * 1e9);
                println!("  {:42} {fast:8.3}   {usual:8.3}            ns each", row.name);
            }
        }
    }
}

fn products<T: Real + Variate>(isa: Isa) -> Vec<Row> {
    let mut rows = Vec::new();
    for (m, k) in [(128, 128), (128, 3), (2, 128), (512, 512), (64, 64)] {
        rows.push(gemm::<T>(isa, m, k, 1, PANELS));
        rows.push(grad::<T>(isa, m, k, 1, PANELS));
    }
    for (blocks, panels) in [(2, PANELS), (3, PANELS), (1, 1), (1, 2), (1, 4), (1, 6), (2, 1)] {
        rows.push(gemm::<T>(isa, 128, 128, blocks, panels));
        rows.push(grad::<T>(isa, 128, 128, blocks, panels));
    }
    rows
}

fn main() {
    // Cargo passes `--bench`; whatever else there is names an instruction set.
    let named = std::env::args().skip(1).filter(|a| a != "--bench");
    let wanted: Vec<Isa> = named.map(|a| a.parse().unwrap_or_else(|message| panic!("{message}"))).collect();
    let wanted = if wanted.is_empty() { vec![Isa::detect()] } else { wanted };
    for isa in wanted {
        assert!(isa.is_available(), "this processor has no {isa}");
        let mut rows = vec![peak(isa)];
        rows.extend(products::<f32>(isa));
        report(&format!("{isa}, f32"), rows);
        let mut rows = maps::<f32>(isa);
        for transposed in [false, true] {
            rows.push(pack::<f32>(isa, 128, 128, transposed));
        }
        report(&format!("{isa}, f32"), rows);
        let mut rows = vec![peak(isa)];
        rows.extend(products::<f64>(isa).into_iter().take(8));
        report(&format!("{isa}, f64 (peak of f32)"), rows);
        report(&format!("{isa}, f64"), maps::<f64>(isa));
    }
}
