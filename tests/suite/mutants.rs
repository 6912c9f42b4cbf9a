//! Shipped specs with tokens deleted, doubled, exchanged or replaced, through the whole front end: no panic, no hang, and a
//! plan exactly if there is no error.

use std::path::Path;
use std::time::{Duration, Instant};

use flowc::diag::{Severity, render};
use flowc::driver;

use crate::programs::Rng;

/// Mutants of each spec, if `FLOWC_MUTANTS` does not ask for more.
const MUTANTS: usize = 700;
/// One compilation, on a slow and busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Words, numbers, strings, line breaks and single signs, with the blanks between them.
fn tokens(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let class = |c: char| match c {
        c if c.is_alphanumeric() || c == '_' || c == '.' => 0,
        ' ' | '\t' => 1,
        _ => 2,
    };
    for line in text.lines().filter(|l| !l.trim_start().starts_with("//")) {
        let mut last = 2;
        for c in line.chars() {
            let now = class(c);
            match out.last_mut() {
                Some(t) if now == last && now != 2 => t.push(c),
                _ => out.push(c.to_string()),
            }
            last = now;
        }
        out.push("\n".into());
    }
    out
}

fn mutate(all: &[String], rng: &mut Rng) -> String {
    const STRANGERS: [&str; 22] = [
        "0",
        "-1",
        "1e9",
        "1e-30",
        "x",
        "t",
        "v",
        "source",
        "target",
        "flow(v)",
        "none",
        "[]",
        "\"s\"",
        "x0",
        "dim",
        "solve",
        "grad(x, x)",
        "normal",
        "straight",
        "mlp",
        "0..3",
        "true",
    ];
    let mut out = all.to_vec();
    for _ in 0..=rng.below(3) {
        let i = rng.below(out.len());
        let j = rng.below(out.len());
        match rng.below(4) {
            0 => drop(out.remove(i)),
            1 => out.insert(i, out[j].clone()),
            2 => out.swap(i, j),
            _ => out[i] = STRANGERS[rng.below(STRANGERS.len())].to_owned(),
        }
    }
    out.concat()
}

/// Compiles mutants of a spec; how many were refused, and how many have a plan.
fn look(path: &Path, seed: u64, mutants: usize) -> (usize, usize) {
    let mut rng = Rng(seed);
    let (mut refused, mut planned) = (0, 0);
    let all = tokens(&std::fs::read_to_string(path).expect("a spec can be read"));
    for _ in 0..mutants {
        let text = mutate(&all, &mut rng);
        let start = Instant::now();
        let c = std::panic::catch_unwind(|| driver::compile("mutant.flow", &text));
        let c = c.unwrap_or_else(|_| panic!("a panic of\n{text}"));
        assert!(start.elapsed() < PATIENCE, "{:?}\n{text}", start.elapsed());
        let errors: Vec<_> = c.diagnostics.iter().filter(|d| d.code.severity() == Severity::Error).collect();
        assert_eq!(errors.is_empty(), c.plan.is_some(), "{errors:?}\n{text}");
        for d in &errors {
            assert_ne!(d.code, flowc::diag::Code::Internal, "{d:?}\n{text}");
            if let Some(l) = &d.primary {
                assert!(!c.sources.file(l.span.file).is_std, "{d:?}\n{text}");
            }
        }
        assert!(!render::plain(&c.diagnostics, &c.sources).contains("Failed to read"), "{text}");
        if errors.is_empty() { planned += 1 } else { refused += 1 }
    }
    (refused, planned)
}

#[test]
fn mutants_of_shipped_specs_end_in_a_plan_or_in_errors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("specs");
    let mut specs: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder of specs is there")
        .map(|e| e.expect("its entries can be read").path())
        .filter(|p| p.extension().is_some_and(|e| e == "flow"))
        .collect();
    specs.sort();
    assert!(!specs.is_empty());
    let mutants = std::env::var("FLOWC_MUTANTS").map_or(MUTANTS, |n| n.parse().expect("a number"));
    // Specs are dealt to the cores; the mutants of a spec depend on its place in the folder alone.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let specs: Vec<_> = specs.into_iter().enumerate().collect();
    let counts: Vec<(usize, usize)> = std::thread::scope(|scope| {
        let deal = |core: usize| {
            let own = specs.iter().skip(core).step_by(cores);
            scope.spawn(move || own.map(|(i, p)| look(p, 2026 + *i as u64, mutants)).collect::<Vec<_>>())
        };
        let all: Vec<_> = (0..cores).map(deal).collect();
        all.into_iter().flat_map(|t| t.join().expect("no mutant is at fault")).collect()
    });
    let (refused, planned) = counts.iter().fold((0, 0), |(r, p), (a, b)| (r + a, p + b));
    assert!(refused > mutants / 2 && planned > 0, "{refused} refused, {planned} planned");
}
