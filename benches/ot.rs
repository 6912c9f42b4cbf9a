//! Speed of exact minibatch couplings: `cargo bench --bench ot [-- SIZES...] [--rounds N] [--costs FILE]`.
//!
//! Normal points against two moons with noise, squared distances in the plane. Printed for each size: milliseconds of one
//! assignment on one thread (least, median, greatest of the rounds, eight problems a round), assignments a second on each number
//! of threads, the mean cost a point, and the greatest violation of the duals that prove it. `--costs FILE` solves the
//! matrices of a file instead (f64, little-endian, row-major, of the first size), so that another solver can be given the
//! same ones.

mod common;

use common::{Spread, seconds};
use flowc::numeric::assignment::assign;
use flowc::rng::Stream;
use flowc::run::pool::Pool;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

/// Problems of a round.
const PROBLEMS: usize = 8;

fn problem(n: usize, number: u64) -> Vec<f64> {
    let mut r = Stream::new(0, "bench ot", number);
    let normal = |r: &mut Stream| -> f64 { StandardNormal.sample(r) };
    let x0: Vec<[f64; 2]> = (0..n).map(|_| [normal(&mut r), normal(&mut r)]).collect();
    let x1: Vec<[f64; 2]> = (0..n)
        .map(|i| {
            let (sin, cos) = (std::f64::consts::PI * r.random::<f64>()).sin_cos();
            let [x, y] = if i % 2 == 0 { [cos, sin] } else { [1.0 - cos, 0.5 - sin] };
            [x + 0.05 * normal(&mut r), y + 0.05 * normal(&mut r)]
        })
        .collect();
    x0.iter().flat_map(|a| x1.iter().map(|b| (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2))).collect()
}

/// Cost a point, and by how much the duals fail.
fn quality(cost: &[f64], n: usize) -> (f64, f64) {
    let a = assign(cost, n).expect("finite costs");
    let slack = |i: usize, j: usize| cost[i * n + j] - a.rows[i] - a.columns[j];
    let feasible = (0..n * n).map(|k| -slack(k / n, k % n)).fold(0.0, f64::max);
    let tight = (0..n).map(|i| slack(i, a.column_of[i]).abs()).fold(0.0, f64::max);
    (a.cost / n as f64, feasible.max(tight))
}

fn main() {
    let (mut sizes, mut rounds, mut file) = (Vec::new(), 15_usize, None);
    let mut args = std::env::args().skip(1).filter(|a| a != "--bench");
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--rounds" => rounds = args.next().and_then(|n| n.parse().ok()).expect("--rounds takes a number"),
            "--costs" => file = Some(args.next().expect("--costs takes a file")),
            size => sizes.push(size.parse().expect("a size is a number")),
        }
    }
    if sizes.is_empty() {
        sizes = vec![256, 512, 1024];
    }
    println!(
        "{:>6} {:>8} {:>8} {:>8} ms {:>12} {:>12} {:>12} {:>9}",
        "points", "min", "median", "max", "1 thread /s", "2 threads /s", "cost a point", "duals"
    );
    for n in sizes {
        let problems: Vec<Vec<f64>> = match &file {
            None => (0..PROBLEMS as u64).map(|k| problem(n, k)).collect(),
            Some(path) => {
                let bytes = std::fs::read(path).expect("the file of --costs");
                let numbers: Vec<f64> = bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect();
                numbers.chunks_exact(n * n).map(<[f64]>::to_vec).collect()
            }
        };
        let solve = |_: &flowc::run::pool::Worker<'_>| {
            problems.iter().for_each(|p| drop(assign(p, n)));
            Ok(())
        };
        let mut ms = Vec::new();
        let mut rates = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            for (threads, rates) in (1..).zip(&mut rates) {
                let elapsed = seconds(|| Pool::new(Some(threads)).run(threads, solve).expect("nothing that fails"));
                if threads == 1 {
                    ms.push(elapsed / problems.len() as f64 * 1e3);
                }
                rates.push((threads * problems.len()) as f64 / elapsed);
            }
        }
        let found: Vec<(f64, f64)> = problems.iter().map(|p| quality(p, n)).collect();
        let mean = found.iter().map(|q| q.0).sum::<f64>() / found.len() as f64;
        let duals = found.iter().map(|q| q.1).fold(0.0, f64::max);
        let ms = Spread::of(&ms);
        println!(
            "{n:>6} {:>8.4} {:>8.4} {:>8.4}    {:>12.0} {:>12.0} {mean:>12.9} {duals:>9.1e}",
            ms.least,
            ms.median,
            ms.most,
            Spread::of(&rates[0]).median,
            Spread::of(&rates[1]).median,
        );
    }
}
