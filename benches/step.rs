//! One training step's core: pack, forward and backward tiles, reduce, for an MLP 3 -> 128 -> 128 -> 128 -> 2 with SiLU and
//! squared error, in f32, on one thread and on two.
//!
//! Prints milliseconds (best and median), GFLOP/s, the share of the measured peak of fused multiply-adds, and how long the
//! unit takes to compile. `cargo bench --bench step`; `-- --emit` prints the schedule.

use flowc::backend::{Backend, Kernel, LANES, Precision, SharedMut, Unit};
use flowc::codegen::Jit;
use flowc::ir::{Init, InputDecl, InputId, ParamDecl, ParamId, Program, UnaryFn};
use flowc::kernels::{Denormals, Isa};
use flowc::opt::optimize;
use flowc::source::{FileId, Span};
use flowc::stage::{UnitSpec, gradient};
use std::sync::Barrier;
use std::time::Instant;

/// The unit of a network's squared error with its gradient, made by the compiler's own passes.
fn network(widths: &[usize]) -> UnitSpec {
    let mut p = Program::default();
    let d = &mut p.dag;
    let x = d.input(InputId(0), vec![widths[0]]);
    let y = d.input(InputId(1), vec![widths[widths.len() - 1]]);
    let mut h = x;
    for (l, w) in widths.windows(2).enumerate() {
        let mut param = |name: &str, shape: Vec<usize>| {
            let id = ParamId(p.params.len() as u32);
            let span = Span { file: FileId(0), start: 0, end: 0 };
            let init = Init::Constant(0.0);
            p.params.push(ParamDecl { name: format!("{name}{l}"), shape: shape.clone(), init, span });
            d.param(id, shape)
        };
        let (weights, bias) = (param("W", vec![w[1], w[0]]), param("b", vec![w[1]]));
        let product = d.matmul(weights, h);
        h = d.add(product, bias);
        if l + 2 < widths.len() {
            let s = d.unary(UnaryFn::Logistic, h);
            h = d.mul(h, s);
        }
    }
    let e = d.sub(h, y);
    let loss = d.matmul(e, e);
    for (name, a) in [("x", x), ("y", y)] {
        p.inputs.push(InputDecl::new(name, p.dag.shape(a).to_vec()));
    }
    p.outputs.push(("loss".into(), loss));
    let p = optimize(&p);
    gradient(&p, p.output("loss").expect("named above")).expect("a loss without a solve").unit
}

/// Numbers that begin on a cache line.
struct Aligned {
    data: Vec<f32>,
    from: usize,
    len: usize,
}

impl Aligned {
    fn new(len: usize) -> Aligned {
        let data = vec![0.0; len + 16];
        let from = data.as_ptr().align_offset(64);
        Aligned { data, from, len }
    }

    fn get(&mut self) -> &mut [f32] {
        &mut self.data[self.from..self.from + self.len]
    }

    fn read(&self) -> &[f32] {
        &self.data[self.from..self.from + self.len]
    }
}

const SLOTS: usize = 8;

struct Step<'a> {
    kernel: &'a dyn Kernel<f32>,
    theta: Vec<f32>,
    packed: Aligned,
    tiles: Vec<(Aligned, Aligned)>,
    slots: Vec<Aligned>,
    scratch: Vec<Aligned>,
    sums: Aligned,
}

impl<'a> Step<'a> {
    fn new(kernel: &'a dyn Kernel<f32>, batch: usize, threads: usize) -> Step<'a> {
        let l = kernel.layout();
        let number = |i: usize| ((i * 2_654_435_761) % 1000) as f32 / 1000.0 - 0.5;
        let tiles: Vec<(Aligned, Aligned)> = (0..batch / LANES)
            .map(|t| {
                let mut inputs = Aligned::new(l.input_rows * LANES);
                inputs.get().iter_mut().enumerate().for_each(|(i, x)| *x = number(i + t * 7919));
                (inputs, Aligned::new(l.output_rows * LANES))
            })
            .collect();
        Step {
            kernel,
            theta: (0..l.theta_len).map(|i| number(i) * 0.2).collect(),
            packed: Aligned::new(l.packed_len),
            slots: (0..SLOTS.min(tiles.len())).map(|_| Aligned::new(l.slot_len)).collect(),
            tiles,
            scratch: (0..threads).map(|_| Aligned::new(l.scratch_len)).collect(),
            sums: Aligned::new(l.sums_len),
        }
    }

    /// `rounds` steps; seconds of each.
    fn run(&mut self, rounds: usize) -> Vec<f64> {
        let threads = self.scratch.len();
        let barrier = Barrier::new(threads);
        let kernel = self.kernel;
        let theta = &self.theta;
        let packed = SharedMut::new(self.packed.get());
        let sums = SharedMut::new(self.sums.get());
        let count = self.slots.len();
        let each = self.tiles.len().div_ceil(count);
        let slots: Vec<SharedMut<f32>> = self.slots.iter_mut().map(|s| SharedMut::new(s.get())).collect();
        let tiles: Vec<(&[f32], SharedMut<f32>)> =
            self.tiles.iter_mut().map(|(i, o)| (i.read(), SharedMut::new(o.get()))).collect();
        let work = |thread: usize, scratch: &mut [f32]| {
            let _mode = Denormals::flush();
            let wait = || {
                if threads > 1 {
                    barrier.wait();
                }
            };
            let mut times = Vec::new();
            for _ in 0..rounds {
                wait();
                let start = Instant::now();
                kernel.pack(theta, &packed, thread, threads);
                wait();
                // SAFETY: packing is done; until the next round nobody writes.
                let parameters: &[f32] = unsafe { packed.slice_mut(0..packed.len()) };
                for s in (thread..count).step_by(threads) {
                    // SAFETY: a slot and its tiles belong to one thread.
                    let slot = unsafe { slots[s].slice_mut(0..slots[s].len()) };
                    for (i, (inputs, outputs)) in tiles.iter().skip(s * each).take(each).enumerate() {
                        // SAFETY: as above.
                        let outputs = unsafe { outputs.slice_mut(0..outputs.len()) };
                        if i == 0 {
                            kernel.first_tile(parameters, inputs, outputs, slot, scratch, 4);
                        } else {
                            kernel.tile(parameters, inputs, outputs, slot, scratch, 4);
                        }
                    }
                }
                wait();
                // SAFETY: slots are only read until the next round.
                let all: Vec<&[f32]> = slots.iter().map(|s| unsafe { &*s.slice_mut(0..s.len()) }).collect();
                let range = sums.len() * thread / threads..sums.len() * (thread + 1) / threads;
                // SAFETY: each thread has its own range.
                kernel.reduce(&all, range.start, unsafe { sums.slice_mut(range) });
                wait();
                times.push(start.elapsed().as_secs_f64());
            }
            times
        };
        std::thread::scope(|scope| {
            let mut scratch = self.scratch.iter_mut();
            let own = scratch.next().expect("a thread");
            let others: Vec<_> = scratch
                .enumerate()
                .map(|(i, s)| {
                    let work = &work;
                    scope.spawn(move || work(i + 1, s.get()))
                })
                .collect();
            let times = work(0, own.get());
            others.into_iter().for_each(|t| drop(t.join()));
            times
        })
    }
}

/// Fused multiply-adds on registers, 12 chains (8 fill the pipes): GFLOP/s.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn chains_512(n: usize) -> f32 {
    use std::arch::x86_64::{_mm512_fmadd_ps, _mm512_reduce_add_ps, _mm512_set1_ps};
    let (a, b) = (_mm512_set1_ps(std::hint::black_box(0.999)), _mm512_set1_ps(0.001));
    let mut acc = [_mm512_set1_ps(1.0); 12];
    for _ in 0..n {
        acc.iter_mut().for_each(|x| *x = _mm512_fmadd_ps(*x, a, b));
    }
    acc.iter().map(|&x| _mm512_reduce_add_ps(x)).sum()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn chains_256(n: usize) -> f32 {
    use std::arch::x86_64::{_mm256_cvtss_f32, _mm256_fmadd_ps, _mm256_set1_ps};
    let (a, b) = (_mm256_set1_ps(std::hint::black_box(0.999)), _mm256_set1_ps(0.001));
    let mut acc = [_mm256_set1_ps(1.0); 12];
    for _ in 0..n {
        acc.iter_mut().for_each(|x| *x = _mm256_fmadd_ps(*x, a, b));
    }
    acc.iter().map(|&x| _mm256_cvtss_f32(x)).sum()
}

/// Peak of one thread in GFLOP/s, the best of many short bursts; none for portable code.
fn peak(isa: Isa) -> Option<f64> {
    let n = 10_000;
    let mut best = f64::INFINITY;
    for _ in 0..1000 {
        let start = Instant::now();
        match isa {
            // SAFETY: the processor has the instruction set: it was detected.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => std::hint::black_box(unsafe { chains_512(n) }),
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => std::hint::black_box(unsafe { chains_256(n) }),
            _ => return None,
        };
        best = best.min(start.elapsed().as_secs_f64());
    }
    let each = if isa == Isa::Avx512 { 12 * 16 * 2 } else { 12 * 8 * 2 };
    Some((n * each) as f64 / best / 1e9)
}

fn main() {
    let net = network(&[3, 128, 128, 128, 2]);
    let unit = Unit {
        name: "mlp",
        dag: &net.dag,
        inputs: &net.inputs,
        theta: &net.theta,
        outputs: &net.outputs,
        sums: &net.sums,
    };
    let isa = Isa::detect();
    let jit = Jit::new(isa);
    if std::env::args().any(|a| a == "--emit") {
        println!("{}", jit.dump_schedule(&unit, Precision::F32).expect("a valid unit"));
        return;
    }
    let mut compile: Vec<f64> = (0..20)
        .map(|_| {
            let start = Instant::now();
            let kernel: Box<dyn Kernel<f32>> = jit.compile(&unit).expect("a valid unit");
            drop(kernel);
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    let first = compile[0];
    compile.sort_by(f64::total_cmp);
    println!("{isa}: compile {first:.2} ms the first time, then best {:.2}, median {:.2}", compile[0], compile[10]);
    let kernel: Box<dyn Kernel<f32>> = jit.compile(&unit).expect("a valid unit");
    let flops = kernel.layout().flops as f64;
    println!("{flops:.0} flop a sample, scratch {} KiB", kernel.layout().scratch_len * 4 / 1024);
    println!("| batch | threads | best ms | median ms | GFLOP/s best | GFLOP/s median | share of one thread's peak |");
    for batch in [256, 1024, 4096] {
        for threads in [1, 2] {
            // The clock moves: the peak is measured beside each row.
            let before = peak(isa);
            let mut step = Step::new(&*kernel, batch, threads);
            step.run(5);
            let mut times = step.run(40_960 / batch * 2);
            let peak = before.zip(peak(isa)).map(|(a, b)| a.max(b));
            times.sort_by(f64::total_cmp);
            let (best, median) = (times[0], times[times.len() / 2]);
            let rate = |s: f64| flops * batch as f64 / s / 1e9;
            let share = peak.map_or("-".into(), |p| format!("{:.0} % of {p:.0}", 100.0 * rate(best) / p));
            println!(
                "| {batch} | {threads} | {:.3} | {:.3} | {:.1} | {:.1} | {share} |",
                best * 1e3,
                median * 1e3,
                rate(best),
                rate(median)
            );
        }
    }
}
