//! Laws of couplings: plans and their marginals, limits, closed forms; pairs of training that depend on step and seed only.

use std::collections::BTreeMap;

use flowc::driver;
use flowc::elaborate::{Entropic, HostKind};
use flowc::experiment::{Store, pairs};
use flowc::interp::Interp;
use flowc::numeric::assignment::assign;
use flowc::numeric::sinkhorn::{SinkhornError, SinkhornPlan, SinkhornSettings, sinkhorn};
use flowc::run::data_cols::Columns;
use flowc::run::pool::Pool;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};

fn normal(n: usize, seed: u64) -> Vec<f64> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..n).map(|_| StandardNormal.sample(&mut rng)).collect()
}

/// Squared distances of points in the plane.
fn costs(a: &[f64], b: &[f64]) -> Vec<f64> {
    let square = |x: &[f64], y: &[f64]| (x[0] - y[0]).powi(2) + (x[1] - y[1]).powi(2);
    a.chunks_exact(2).flat_map(|x| b.chunks_exact(2).map(move |y| square(x, y))).collect()
}

fn solve(cost: &[f64], n: usize, epsilon: f64, tolerance: f64) -> SinkhornPlan {
    sinkhorn(cost, n, SinkhornSettings { epsilon, tolerance, iterations: 20_000 }).expect("a plan")
}

#[test]
fn plans_have_their_marginals_and_the_form_of_the_optimum() {
    for (n, scale) in [(1, 1.0), (7, 1.0), (64, 1.0), (64, 1e6), (100, 1e-6)] {
        let cost: Vec<f64> = costs(&normal(2 * n, 1), &normal(2 * n, 2)).iter().map(|c| c * scale).collect();
        for epsilon in [0.2 * scale, scale, 100.0 * scale] {
            let p = solve(&cost, n, epsilon, 1e-9);
            let rows = p.plan.chunks_exact(n).map(|r| r.iter().sum::<f64>());
            let missed: f64 = rows.map(|s| (s - 1.0 / n as f64).abs()).sum();
            assert!(missed <= 1e-12, "rows of {n} at {epsilon}: {missed:e}");
            let column = |j: usize| p.plan.iter().skip(j).step_by(n).sum::<f64>();
            let missed: f64 = (0..n).map(|j| (column(j) - 1.0 / n as f64).abs()).sum();
            assert!(missed <= 1e-9 + 1e-15 && (missed - p.residual).abs() < 1e-12, "columns of {n} at {epsilon}");
            assert!(p.plan.iter().all(|m| *m >= 0.0));
            // log p_ij = f_i + g_j - c_ij / epsilon: its mixed differences are those of the cost.
            let log = |i: usize, j: usize| p.plan[i * n + j].ln() + cost[i * n + j] / epsilon;
            for (i, j) in
                (1..n).map(|i| (i, (7 * i + 3) % n)).filter(|(i, j)| p.plan[i * n + j] > 1e-200 && p.plan[*j] > 1e-200)
            {
                let mixed = log(i, j) - log(i, 0) - log(0, j) + log(0, 0);
                assert!(mixed.abs() < 1e-7 * (1.0 + cost[i * n + j] / epsilon), "{n} {epsilon} ({i}, {j}): {mixed}");
            }
        }
    }
}

#[test]
fn small_epsilon_gives_the_assignment_and_large_epsilon_independence() {
    let n = 24;
    let cost = costs(&normal(2 * n, 3), &normal(2 * n, 4));
    let exact = assign(&cost, n).expect("an assignment");
    let least = exact.cost / n as f64;
    let mut last = f64::INFINITY;
    for epsilon in [1.0, 0.1, 0.01, 0.002] {
        let p = solve(&cost, n, epsilon, 1e-6);
        // The entropic plan costs at most epsilon log n more (its entropy is at most that much larger).
        assert!(p.cost >= least - 1e-4 && p.cost <= least + epsilon * (n as f64).ln() + 1e-4, "{epsilon}: {}", p.cost);
        assert!(p.cost < last);
        last = p.cost;
    }
    let p = solve(&cost, n, 0.002, 1e-6);
    for (i, j) in exact.column_of.iter().enumerate() {
        assert!(p.plan[i * n + j] > 0.9 / n as f64, "row {i} keeps its partner");
    }
    let p = solve(&cost, n, 1e6, 1e-9);
    assert!(p.plan.iter().all(|m| (m * (n * n) as f64 - 1.0).abs() < 1e-4));
}

/// Between N(0, s^2) and N(m, s^2) on a line the entropic plan is normal; its covariance c solves s^4 = c^2 + epsilon c / 2
/// (the plan's precision has off-diagonal -2 / epsilon): Janati et al. 2020, theorem 1, with epsilon = 2 sigma^2.
#[test]
fn the_plan_between_normal_laws_is_the_closed_form() {
    let n = 400;
    // Quantiles instead of draws: no sampling error.
    let quantile = |k: usize| flowc::numeric::special::normal_quantile((k as f64 + 0.5) / n as f64);
    let (s, m) = (1.5, 2.0);
    let x: Vec<f64> = (0..n).map(|k| s * quantile(k)).collect();
    let y: Vec<f64> = x.iter().map(|v| v + m).collect();
    let cost: Vec<f64> = x.iter().flat_map(|a| y.iter().map(move |b| (a - b) * (a - b))).collect();
    for epsilon in [0.5, 2.0, 8.0] {
        let p = solve(&cost, n, epsilon, 1e-10);
        let covariance: f64 = (0..n * n).map(|k| p.plan[k] * x[k / n] * (y[k % n] - m)).sum();
        let want = (s.powi(4) + epsilon * epsilon / 16.0).sqrt() - epsilon / 4.0;
        assert!((covariance / want - 1.0).abs() < 0.01, "{epsilon}: {covariance} for {want}");
    }
}

#[test]
fn what_cannot_be_coupled_is_said() {
    let settings = SinkhornSettings { epsilon: 1.0, tolerance: 1e-6, iterations: 100 };
    assert!(matches!(sinkhorn(&[1.0; 3], 2, settings), Err(SinkhornError::NotSquare { len: 3, n: 2 })));
    let hole = [0.0, 1.0, f64::NAN, 0.0];
    assert!(matches!(sinkhorn(&hole, 2, settings), Err(SinkhornError::NotFinite { row: 1, column: 0 })));
    assert_eq!(sinkhorn(&[1.0], 1, SinkhornSettings { epsilon: 0.0, ..settings }), Err(SinkhornError::BadSettings));
    let cost = costs(&normal(40, 5), &normal(40, 6));
    let hurried = SinkhornSettings { epsilon: 0.05, tolerance: 1e-9, iterations: 2 };
    match sinkhorn(&cost, 20, hurried) {
        Err(SinkhornError::NotConverged { residual, iterations: 2 }) => assert!(residual > 1e-9),
        other => panic!("{other:?}"),
    }
}

// Pairs of training

/// The columns of some steps of an objective: for each step, the blocks of all inputs.
fn columns(text: &str, steps: &[u64], threads: usize) -> Vec<Vec<Vec<f64>>> {
    let compiled = driver::compile("test.flow", text);
    let plan = compiled.plan.unwrap_or_else(|| panic!("refused: {:?}", compiled.diagnostics));
    let train = plan.arms[0].train.as_ref().expect("a train block");
    let pool = Pool::new(Some(threads));
    let store = Store::new(&plan.sets, &Interp, pool).expect("compiles");
    let source = pairs::<f64>(&train.hosts, 0, "train", &store, &Interp).expect("compiles").expect("has couplings");
    let inputs = &train.objective.inputs;
    let mut out = vec![vec![]; steps.len()];
    for (block, done) in steps.chunks(threads).zip(out.chunks_mut(threads)) {
        let made = pool
            .run(block.len(), |w| {
                let mut c = Columns::zeros(inputs, train.batch);
                source.fill(block[w.index()], &mut c)?;
                Ok((0..inputs.len()).map(|k| c.block(flowc::ir::InputId(k as u32)).to_vec()).collect::<Vec<_>>())
            })
            .expect("columns");
        done.iter_mut().zip(made).for_each(|(d, m)| *d = m);
    }
    out
}

fn spec(pairs: &str, batch: usize) -> String {
    format!(
        "source = normal(dim: 2)\ntarget = eight_gaussians(radius: 5, std: 1)\n\
         field v(x, t) = mlp(concat(x, t), hidden: [8], out: dim(x))\n\
         train {{ objective: flow_matching(v, straight, {pairs}), batch: {batch}, steps: 10 }}"
    )
}

fn points(block: &[f64]) -> Vec<[u64; 2]> {
    let mut all: Vec<[u64; 2]> = block.chunks_exact(2).map(|p| [p[0].to_bits(), p[1].to_bits()]).collect();
    all.sort_unstable();
    all
}

fn squares(step: &[Vec<f64>]) -> f64 {
    let pairs = step[0].chunks_exact(2).zip(step[1].chunks_exact(2));
    pairs.map(|(a, b)| (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)).sum::<f64>() / (step[0].len() / 2) as f64
}

/// Every way to couple sees the points of the same steps: `permute` uses each once, at the least cost.
#[test]
fn couplings_keep_the_points_of_their_laws() {
    for set in [32, 64, 192] {
        // 192 points of a plan serve three steps of 64; 32 make two plans of a step.
        let permuted = columns(&spec(&format!("optimal_transport(batch: {set}, pairs: permute)"), 64), &[0, 1, 2], 1);
        let join = |of: &[Vec<Vec<f64>>], k: usize| points(&of.iter().flat_map(|s| s[k].clone()).collect::<Vec<_>>());
        let entropic = columns(&spec(&format!("sinkhorn(epsilon: 0.5, batch: {set})"), 64), &[0, 1, 2], 1);
        let drawn = columns(&spec(&format!("optimal_transport(batch: {set}, pairs: resample)"), 64), &[0, 1, 2], 1);
        let plain = columns(&spec("optimal_transport(batch: 64)", 64), &[0, 1, 2], 1);
        for k in 0..2 {
            assert_eq!(join(&permuted, k), join(&plain, k), "{set}: the same points, each once");
        }
        assert_eq!(join(&entropic, 0), join(&plain, 0), "rows of the plan in turn");
        let known: std::collections::BTreeSet<[u64; 2]> = join(&plain, 1).into_iter().collect();
        assert!(join(&drawn, 1).iter().chain(&join(&entropic, 1)).all(|p| known.contains(p)), "{set}");
        let distinct: std::collections::BTreeSet<[u64; 2]> = join(&drawn, 0).into_iter().collect();
        // With replacement 1 - 1/e of the points are expected.
        assert!((0.5..0.75).contains(&(distinct.len() as f64 / 192.0)), "{set}: {}", distinct.len());
    }
    let mean = |pairs: &str| {
        let steps = columns(&spec(pairs, 64), &[0, 1, 2, 3], 1);
        steps.iter().map(|s| squares(s)).sum::<f64>() / 4.0
    };
    let (exact, entropic) = (mean("optimal_transport(batch: 64)"), mean("sinkhorn(epsilon: 2, batch: 64)"));
    let larger = mean("optimal_transport(batch: 256)");
    assert!(larger < exact && exact < entropic && entropic < exact + 2.0 * 64_f64.ln(), "{larger} {exact} {entropic}");
}

/// Pairs are drawn from the plan: over many draws their frequencies are its masses.
#[test]
fn draws_follow_the_plan() {
    let text = "sampler one(far: real = 0) {\n  draw u ~ uniform(0, 1)\n  [if u < 0.5 then 0 else 1, far]\n}\n\
        source = one(far: 0)\ntarget = one(far: 1)\n\
        field v(x, t) = mlp(concat(x, t), hidden: [8], out: dim(x))\n\
        train { objective: flow_matching(v, straight, sinkhorn(epsilon: 1, batch: 500, pairs: MODE)), batch: 500, steps: 10 }";
    for mode in ["permute", "resample"] {
        let steps = columns(&text.replace("MODE", mode), &[0, 1, 2, 3], 1);
        let mut counts: BTreeMap<(u8, u8), f64> = BTreeMap::new();
        for s in &steps {
            for (a, b) in s[0].chunks_exact(2).zip(s[1].chunks_exact(2)) {
                *counts.entry((a[0] as u8, b[0] as u8)).or_default() += 1.0 / 2000.0;
            }
        }
        // Two points of mass 1/2 at distance 0 and 1: p(equal) : p(other) = 1 : exp(-1 / epsilon), up to sampled masses.
        let equal = counts[&(0, 0)] + counts[&(1, 1)];
        let want = 1.0 / (1.0 + (-1.0_f64).exp());
        assert!(
            (equal - want).abs() < 4.0 * (want * (1.0 - want) / 2000.0).sqrt() + 0.005,
            "{mode}: {equal} for {want}"
        );
    }
}

#[test]
fn pairs_depend_on_step_and_seed_only() {
    for pairs in [
        "optimal_transport(batch: 100, pairs: resample)",
        "optimal_transport(batch: 24)",
        "sinkhorn(epsilon: 1, batch: 100)",
    ] {
        let text = spec(pairs, 40);
        let all: Vec<u64> = (0..12).collect();
        let once = columns(&text, &all, 1);
        for threads in [2, 3] {
            assert_eq!(columns(&text, &all, threads), once, "{pairs} on {threads}");
        }
        // From the middle, and in another order.
        let some = [11, 3, 7, 4];
        let again = columns(&text, &some, 2);
        for (k, step) in some.iter().enumerate() {
            assert_eq!(again[k], once[*step as usize], "{pairs}: step {step}");
        }
        assert_ne!(once[0], once[1]);
    }
}

/// Two sites of one objective, each with its own laws and its own plan.
#[test]
fn two_draws_of_couplings_are_two_couplings() {
    let text = "source = normal(dim: 2)\ntarget = normal(mean: [9, 0], dim: 2)\nmiddle = normal(mean: [4, 0], dim: 2)\n\
        field v(x, t) = mlp(concat(x, t), hidden: [8], out: dim(x))\n\
        laws = [source, middle, target]\n\
        fn leg(a: sampler, b: sampler) {\n  draw (x0, x1) ~ optimal_transport(a, b, batch: 50, pairs: resample)\n\
        \x20 draw u ~ uniform(0, 1)\n  norm(v((1 - u) * x0 + u * x1, u) - (x1 - x0))^2\n}\n\
        objective legs { minimize mean(map(0..2, k => leg(laws[k], laws[k + 1]))) }\n\
        train { objective: legs, batch: 50, steps: 10 }";
    let step = &columns(text, &[2], 1)[0];
    assert_eq!(step.len(), 4);
    let mean = |k: usize| step[k].iter().step_by(2).sum::<f64>() / 50.0;
    for (k, want) in [0.0, 4.0, 4.0, 9.0].into_iter().enumerate() {
        assert!((mean(k) - want).abs() < 1.0, "input {k}: {}", mean(k));
    }
    // Different draws of the same law, and different rows drawn of the two plans.
    assert_ne!(step[1], step[2]);
}

const LABELS: &str = "source = normal(dim: 2)
sampler sides {
  draw right ~ bernoulli(0.5)
  draw z ~ normal(dim: 2)
  let side = if right then 1 else 0
  ([8 * side - 4, 0] + 0.1 * z | side)
}
target = sides
field v(x, t) = mlp(concat(x, t), hidden: [8], out: dim(x))
objective paired(pairs: coupling) {
  draw t ~ uniform(0, 1)
  draw (x0, x1 | y) ~ pairs
  minimize norm(v((1 - t) * x0 + t * x1, t) - (x1 - x0))^2 * (1 + y)
}
train { objective: paired(optimal_transport(batch: 400, condition: WEIGHT)), batch: 400, steps: 10 }
";

/// Labels come with their points; and where they count in the cost, each label starts from all of the source.
#[test]
fn labels_come_along_and_count() {
    let mean_start = |weight: &str| {
        let step = columns(&LABELS.replace("WEIGHT", weight), &[0], 1).remove(0);
        let mut of = [(0.0, 0.0); 2];
        for ((x0, x1), y) in step[0].chunks_exact(2).zip(step[1].chunks_exact(2)).zip(&step[2]) {
            assert_eq!(*y, if x1[0] > 0.0 { 1.0 } else { 0.0 }, "the label of its point");
            let side = &mut of[*y as usize];
            *side = (side.0 + x0[0], side.1 + 1.0);
        }
        of.map(|(sum, n)| sum / n)
    };
    let [left, right] = mean_start("0");
    assert!(left < -0.6 && right > 0.6, "plain transport splits the source: {left} {right}");
    let [left, right] = mean_start("1e4");
    assert!(left.abs() < 0.25 && right.abs() < 0.25, "{left} {right}");
}

#[test]
fn settings_reach_the_plan() {
    let text = spec("sinkhorn(epsilon: 2 * 0.5^2, batch: 64, pairs: resample, tolerance: 1e-8, iterations: 500)", 64);
    let plan = driver::compile("test.flow", &text).plan.expect("a plan");
    let HostKind::Transport(t) = plan.arms[0].train.as_ref().expect("a train block").hosts[0].kind.clone();
    assert_eq!((t.batch, t.resample, t.condition), (64, true, None));
    assert_eq!(t.entropic, Some(Entropic { epsilon: 0.5, tolerance: 1e-8, iterations: 500 }));
}
