//! Speed of a flow-matching training step: `cargo bench --bench fm [-- FILTER...] [--rounds N] [--isa NAME]`.
//!
//! The step: a normal source, two moons with noise as the target (drawn in the program), a straight path, a perceptron with
//! SiLU on (x, t), mean square error, Adam; f32. Rows are measured in turn, many rounds over, so that a busy spell of a shared
//! machine hits all alike. Printed: milliseconds a step (least, median, greatest of the rounds), the rate of the matrix
//! products alone by the count that the peers use (forward, weight gradients, input gradients of all layers but the first),
//! its share of the most that as many threads reach with multiply-adds in registers in the same rounds, and the loss at the end,
//! against a run that computes less.

mod common;
// The tests build more programs than this one.
#[allow(dead_code)]
#[path = "../tests/suite/run/programs.rs"]
mod programs;

use common::{Spread, peak};
use flowc::codegen::Jit;
use flowc::kernels::Isa;
use flowc::run::optim::Optimizer;
use flowc::run::pool::Pool;
use flowc::run::train::{StepReport, TrainConfig, Trainer};
use flowc::stage;
use std::time::Instant;

/// Steps of a section, as many as the peers run between two looks from outside.
const SECTION: usize = 100;
/// Seconds of a measurement.
const BURST: f64 = 0.1;

struct Row {
    name: String,
    threads: usize,
    /// Multiply-adds count two.
    flops: f64,
    trainer: Trainer<f32>,
    reports: Vec<StepReport>,
    ms: Vec<f64>,
}

impl Row {
    fn new(label: &str, width: usize, batch: usize, threads: usize, isa: Isa) -> Row {
        let (program, loss) = programs::moons_matching(&[width; 3]);
        let plan = stage::gradient(&program, loss).expect("a program that can be trained");
        let config = TrainConfig { seed: 0, batch, optimizer: Optimizer::adam(), ema: None, clip: None };
        let pool = Pool::new(Some(threads));
        let trainer = Trainer::new(&program, plan, &Jit::new(isa), pool, config, None).expect("a plan that compiles");
        let first = 3 * width;
        let products = first + 2 * width * width + 2 * width;
        Row {
            name: format!("{label} 3x{width} batch {batch} threads {threads}"),
            threads,
            flops: batch as f64 * (6 * products - 2 * first) as f64,
            trainer,
            reports: Vec::new(),
            ms: Vec::new(),
        }
    }

    fn burst(&mut self) {
        let start = Instant::now();
        let mut steps = 0;
        while start.elapsed().as_secs_f64() < BURST {
            self.trainer.run(&[1e-3; SECTION], &mut self.reports).expect("a loss that stays finite");
            steps += SECTION;
        }
        self.ms.push(start.elapsed().as_secs_f64() * 1e3 / steps as f64);
    }
}

fn main() {
    let mut filters = Vec::new();
    let (mut rounds, mut isa) = (9_usize, Isa::detect());
    let mut args = std::env::args().skip(1).filter(|a| a != "--bench");
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--rounds" => rounds = args.next().and_then(|n| n.parse().ok()).expect("--rounds takes a number"),
            "--isa" => isa = args.next().expect("--isa takes a name").parse().expect("an instruction set"),
            _ => filters.push(arg),
        }
    }
    let cases = [("P1", 64, 256), ("P2", 128, 256), ("P3", 128, 1024), ("P3", 128, 4096)];
    let mut rows: Vec<Row> = cases
        .iter()
        .flat_map(|&(label, width, batch)| [1, 2].map(|threads| (label, width, batch, threads)))
        .filter(|(label, width, batch, threads)| {
            let name = format!("{label} 3x{width} batch {batch} threads {threads}");
            filters.is_empty() || filters.iter().any(|f| name.contains(f.as_str()))
        })
        .map(|(label, width, batch, threads)| Row::new(label, width, batch, threads, isa))
        .collect();
    let mut peaks = [Vec::new(), Vec::new()];
    rows.iter_mut().for_each(|row| row.trainer.run(&[1e-3; SECTION], &mut row.reports).expect("a finite loss"));
    for _ in 0..rounds {
        rows.iter_mut().for_each(Row::burst);
        (0..2).for_each(|i| peaks[i].push(peak(i + 1, isa)));
    }
    let peaks = peaks.map(|p| Spread::of(&p).most);
    println!("{isa}; peak {:.0} GFLOP/s on 1 thread, {:.0} on 2", peaks[0] / 1e9, peaks[1] / 1e9);
    println!("{:<34} {:>8} {:>8} {:>8} ms {:>8} {:>6} {:>9}", "", "min", "median", "max", "GFLOP/s", "share", "loss");
    for row in &rows {
        let ms = Spread::of(&row.ms);
        let rate = row.flops / ms.median * 1e3;
        let share = rate / peaks[row.threads - 1];
        let last = &row.reports[row.reports.len() - SECTION..];
        let loss = last.iter().map(|r| r.loss).sum::<f64>() / last.len() as f64;
        println!(
            "{:<34} {:>8.4} {:>8.4} {:>8.4}    {:>8.1} {:>5.0}% {loss:>9.4}",
            row.name,
            ms.least,
            ms.median,
            ms.most,
            rate / 1e9,
            share * 100.0
        );
    }
}
