//! Records like those of real runs: two moons, a kernel-density velocity field as the "trained" one, three arms, three seeds.

use flowc::report::record::{
    Axis, Better, Cell, Density, Environment, Expectation, FieldSlice, Metric, PathCoefficients, Points, RunRecord,
    SCHEMA, SolverStatistics, Spread, Timings, Trajectories,
};
use std::sync::OnceLock;

const SPEC: &str = r#"//! Three paths on two moons: which one needs fewer evaluations at the same distance?
seeds 0..3; source = normal(dim: 2); target = moons(noise: 0.05)
field v(x, t) = mlp(concat(x, t), hidden: [128, 128, 128], out: dim(x))
path mine(x0, x1, t) = (1 - t^2) * x0 + t^2 * x1      // slow start
compare p in [straight, vp, mine]
train    { objective: flow_matching(v, p), optimizer: adam(lr: 1e-3), batch: 256, steps: 20_000 }
generate { sampler: flow(v), solver: dopri5(rtol: 1e-5, atol: 1e-5), count: 10_000 }
evaluate [wasserstein2, wasserstein2(solver: euler(steps: 1)), nll, path_energy, nfe]
expect wasserstein2[straight] < 0.1
expect nfe[straight] < nfe[vp] / 4
expect path_energy[straight] < path_energy[vp]
"#;

/// A small generator of its own (Marsaglia's xorshift64*), so that the records are the same everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn normal(&mut self) -> f64 {
        let (u, v) = (self.uniform().max(1e-300), self.uniform());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    fn moon(&mut self, noise: f64) -> [f64; 2] {
        let a = std::f64::consts::PI * self.uniform();
        let [x, y] = if self.uniform() < 0.5 { [a.cos(), a.sin()] } else { [1.0 - a.cos(), 0.5 - a.sin()] };
        [x + noise * self.normal(), y + noise * self.normal()]
    }
}

/// E[x1 - x0 | x_t = x] for x0 ~ N(0, 1) and x1 a mixture of Gaussians of width `s` around `centres`.
fn velocity(centres: &[[f64; 2]], s: f64, x: [f64; 2], t: f64) -> [f64; 2] {
    let var = t * t * s * s + (1.0 - t) * (1.0 - t);
    let log = |c: &[f64; 2]| -((x[0] - t * c[0]).powi(2) + (x[1] - t * c[1]).powi(2)) / (2.0 * var);
    let top = centres.iter().map(log).fold(f64::NEG_INFINITY, f64::max);
    let (mut sum, mut v) = (0.0, [0.0; 2]);
    for c in centres {
        let w = (log(c) - top).exp();
        sum += w;
        for k in 0..2 {
            v[k] += w * (c[k] + (t * s * s - (1.0 - t)) / var * (x[k] - t * c[k]));
        }
    }
    [v[0] / sum, v[1] / sum]
}

fn flat(points: &[[f64; 2]]) -> Vec<f32> {
    points.iter().flatten().map(|&v| v as f32).collect()
}

fn metric(name: &str, value: f64, better: Better) -> Metric {
    Metric { name: name.into(), value, better, ..Metric::default() }
}

fn cell(arm: usize, label: &str, seed: u64) -> Cell {
    let mut r = Random::new(17 + seed);
    let width = [0.07, 0.1, 0.16][arm];
    let centres: Vec<[f64; 2]> = (0..70).map(|_| r.moon(0.0)).collect();
    let target: Vec<[f64; 2]> = (0..2_500).map(|_| r.moon(0.05)).collect();
    let steps = 40;
    let mut ways: Vec<Vec<[f64; 2]>> = (0..2_500).map(|_| vec![[r.normal(), r.normal()]]).collect();
    for k in 0..steps {
        let t = k as f64 / steps as f64;
        for way in &mut ways {
            let x = way[way.len() - 1];
            let v = velocity(&centres, width, x, t);
            way.push([x[0] + v[0] / steps as f64, x[1] + v[1] / steps as f64]);
        }
    }
    let ends: Vec<[f64; 2]> = ways.iter().map(|w| w[steps]).collect();
    let kept = ways.iter().take(64).flat_map(|w| w.iter().step_by(2));
    let trajectories = Trajectories {
        dim: 2,
        times: (0..=20).map(|k| f64::from(k) / 20.0).collect(),
        data: kept.flatten().map(|&v| v as f32).collect(),
    };
    let n = 21;
    let place = |i: usize| -2.4 + 5.2 * i as f64 / (n - 1) as f64;
    let slice = |t: f64| FieldSlice {
        t,
        x: (-2.4, 2.8),
        y: (-2.4, 2.8),
        nx: n,
        ny: n,
        v: (0..n * n)
            .flat_map(|i| velocity(&centres, width, [place(i % n), place(i / n)], t.min(0.97)))
            .map(|v| v as f32)
            .collect(),
    };
    let level = [1.62, 1.85, 1.95][arm];
    let loss = (0..=1_000u64).map(|k| {
        let decay = 1.4 * (-(k as f64) / 60.0).exp() + 0.5 * (-(k as f64) / 400.0).exp();
        (k * 20, level * (1.0 + decay) * (1.0 + 0.06 * r.normal()) + 0.01 * seed as f64)
    });
    let loss = loss.collect();
    let wobble = 0.004 * r.normal() + 0.002 * Random::new(100 * arm as u64 + seed).normal();
    let nfe = [44.0, 62.0, 83.0][arm];
    let metrics = vec![
        Metric {
            standard_error: Some(0.003),
            floor: Some(0.085 + 0.001 * seed as f64),
            floor_sd: Some(0.006),
            floor_name: Some("two sets of true samples".into()),
            size: Some(10_000),
            ..metric("wasserstein2", [0.092, 0.096, 0.131][arm] + wobble, Better::Lower)
        },
        Metric {
            size: Some(10_000),
            ..metric("wasserstein2(solver: euler(steps: 1))", [1.81, 1.9, 2.2][arm] + 3.0 * wobble, Better::Lower)
        },
        Metric {
            standard_error: Some(0.004),
            floor: Some(0.3541),
            floor_sd: Some(0.0),
            floor_name: Some("entropy of the target".into()),
            size: Some(10_000),
            unit: Some("nats".into()),
            ..metric("nll", [0.412, 0.43, 0.51][arm] + wobble, Better::Lower)
        },
        metric("path_energy", [2.55, 3.9, 3.1][arm] + 4.0 * wobble, Better::Lower),
        metric("nfe", nfe + (seed % 2) as f64 * 0.3, Better::Lower),
    ];
    let generated = SolverStatistics {
        phase: "generate".into(),
        solver: "dopri5(rtol: 1e-5, atol: 1e-5)".into(),
        evaluations: (nfe * 10_000.0) as u64,
        evaluations_backward: 0,
        accepted: (nfe * 1_600.0) as u64,
        rejected: (nfe * 55.0) as u64,
        per_sample: Some(Spread { min: nfe - 18.0, mean: nfe, max: nfe + 48.0 }),
        bytes: None,
        factorisations: 0,
        stiff: None,
    };
    let t: Vec<f64> = (0..=20).map(|k| f64::from(k) / 20.0).collect();
    let path = match arm {
        0 => {
            PathCoefficients { a: t.iter().map(|t| 1.0 - t).collect(), b: t.clone(), t, ..PathCoefficients::default() }
        }
        1 => PathCoefficients {
            a: t.iter().map(|t| (1.0 - t * t).max(0.0).sqrt()).collect(),
            b: t.clone(),
            t,
            ..PathCoefficients::default()
        },
        _ => PathCoefficients {
            a: t.iter().map(|t| 1.0 - t * t).collect(),
            b: t.iter().map(|t| t * t).collect(),
            t,
            ..PathCoefficients::default()
        },
    };
    Cell {
        objective: "flow_matching".into(),
        labels: vec![label.into()],
        seed,
        finished: true,
        failed: None,
        steps_done: 20_000,
        steps_planned: 20_000,
        loss,
        validation: vec![],
        loss_floor: None,
        metrics,
        parameters: 33_922,
        step_times: vec![2e-3],
        timings: Timings { compile: 0.21, train: 38.4 + arm as f64, generate: 1.92, evaluate: 6.1 },
        solver: vec![generated],
        samples: Some(Points { total: 10_000, ..Points::subsample(&flat(&ends), 2, 2_000) }),
        target: Some(Points { total: 10_000, ..Points::subsample(&flat(&target), 2, 2_000) }),
        images: None,
        density: None,
        field: [0.0, 0.25, 0.5, 0.75, 1.0].into_iter().map(slice).collect(),
        field_class: None,
        trajectories: Some(trajectories),
        path: Some(path),
    }
}

/// Three arms, three seeds.
pub fn comparison() -> RunRecord {
    static ONCE: OnceLock<RunRecord> = OnceLock::new();
    ONCE.get_or_init(make_comparison).clone()
}

fn make_comparison() -> RunRecord {
    let labels = ["straight", "vp", "mine"];
    let cells = labels.iter().enumerate().flat_map(|(i, l)| (0..3).map(move |s| cell(i, l, s))).collect();
    RunRecord {
        schema: SCHEMA,
        name: "three-paths".into(),
        spec_file: "specs/three-paths.flow".into(),
        spec: SPEC.into(),
        flowc: "0.1.0".into(),
        id: "20260131-120000-1a2b3c4d".into(),
        started: "2026-01-31T12:00:00Z".into(),
        precision: "f32".into(),
        seeds: vec![0, 1, 2],
        axes: vec![Axis { name: "p".into(), labels: labels.map(String::from).to_vec() }],
        cells,
        pictures: None,
        expectations: vec![
            Expectation {
                text: "wasserstein2[straight] < 0.1".into(),
                holds: Some(true),
                left: Some(0.0931),
                right: Some(0.1),
            },
            Expectation {
                text: "nfe[straight] < nfe[vp] / 4".into(),
                holds: Some(false),
                left: Some(44.1),
                right: Some(15.53),
            },
            Expectation {
                text: "path_energy[straight] < path_energy[vp]".into(),
                holds: Some(true),
                left: Some(2.551),
                right: Some(3.902),
            },
        ],
        environment: Environment {
            cpu: "Example CPU @ 2.50GHz".into(),
            isa: "avx512".into(),
            threads: 2,
            os: "linux x86_64".into(),
        },
        reproduce: "flowc run specs/three-paths.flow".into(),
        resume: None,
        interrupted: false,
        failed: None,
        seconds: 432.0,
    }
}

/// The comparison with all that a page can show: densities, a metric by steps, looks at other draws, speeds of paths.
pub fn full() -> RunRecord {
    let mut record = comparison();
    for (k, cell) in record.cells.iter_mut().enumerate() {
        let (arm, first) = (k / 3, cell.seed == 0);
        for (i, steps) in [1, 2, 5, 10, 20, 100].into_iter().enumerate() {
            let name = format!("mmd(solver: euler(steps: {steps}))");
            let value = (0.2 + 0.03 * arm as f64) / f64::from(steps) + 0.004 + 0.0002 * (cell.seed as f64 + i as f64);
            let floor = (Some(0.004), Some(0.0004));
            cell.metrics.push(Metric { floor: floor.0, floor_sd: floor.1, ..metric(&name, value, Better::Lower) });
        }
        cell.validation = (1..=20).map(|j| (j * 1_000, 1.7 + 0.4 / j as f64)).collect();
        cell.density = first.then(|| density(0.3 + 0.1 * arm as f64));
        if let Some(p) = &mut cell.path {
            p.speed = p.t.iter().map(|t| if *t == 1.0 { f64::INFINITY } else { 1.0 + t * arm as f64 }).collect();
            p.noise = if arm == 2 { p.t.iter().map(|t| (t * (1.0 - t)).sqrt()).collect() } else { vec![] };
        }
        let kept = SolverStatistics { phase: "train".into(), evaluations_backward: 900, ..cell.solver[0].clone() };
        cell.solver.insert(0, SolverStatistics { bytes: Some((2_000_000, 31_000_000)), ..kept });
    }
    record
}

/// A normal density of width 0.3 beside one that is `learned` wide.
fn density(learned: f64) -> Density {
    let (n, edge) = (32, 2.0);
    let at = |i: usize| -edge + 2.0 * edge * (i as f64 + 0.5) / n as f64;
    let log = |width: f64| -> Vec<f32> {
        let of = |i: usize| {
            let r2 = at(i % n).powi(2) + (at(i / n) - 1.0).powi(2);
            (-r2 / (2.0 * width * width) - (std::f64::consts::TAU * width * width).ln()) as f32
        };
        (0..n * n).map(of).collect()
    };
    let range = (-edge, edge);
    Density { x: range, y: range, nx: n, ny: n, learned: log(learned), target: log(0.3) }
}

/// One arm, one seed.
pub fn single() -> RunRecord {
    let mut record = comparison();
    record.name = "moons".into();
    record.seeds = vec![0];
    record.axes.clear();
    record.cells.truncate(1);
    record.cells[0].labels.clear();
    record.expectations.truncate(1);
    record
}

/// One arm in `dim` dimensions: normal clouds, the first coordinate five times as wide.
pub fn clouds(dim: usize) -> RunRecord {
    let mut r = Random::new(5);
    let mut cloud = |n: usize| -> Vec<f32> {
        (0..n * dim).map(|i| (r.normal() * if i % dim == 0 { 5.0 } else { 1.0 }) as f32).collect()
    };
    let mut record = single();
    let cell = &mut record.cells[0];
    cell.target = Some(Points::subsample(&cloud(2_000), dim, 1_500));
    cell.samples = Some(Points::subsample(&cloud(2_000), dim, 1_500));
    cell.trajectories = Some(Trajectories { dim, times: vec![0.0, 0.5, 1.0], data: cloud(3 * 8) });
    cell.field.clear();
    record
}

/// A comparison that was stopped, with cells that diverged, never began, or have one metric only.
pub fn broken() -> RunRecord {
    let mut record = comparison();
    record.interrupted = true;
    record.resume = Some("flowc resume runs/x".into());
    record.expectations[1].holds = None;
    record.cells.truncate(7);
    for (k, cell) in record.cells.iter_mut().enumerate() {
        match k % 4 {
            0 => {
                cell.loss.iter_mut().for_each(|l| l.1 = f64::NAN);
                cell.metrics.iter_mut().for_each(|m| m.value = f64::INFINITY);
                cell.samples.as_mut().unwrap().data.fill(f32::NAN);
                cell.field.iter_mut().for_each(|f| f.v.fill(f32::INFINITY));
                cell.trajectories.as_mut().unwrap().data.fill(f32::NAN);
            }
            1 => *cell = Cell { labels: cell.labels.clone(), seed: cell.seed, ..Cell::default() },
            2 => cell.loss = vec![(0, -3.0), (10, -3.0)],
            _ => cell.metrics.truncate(1),
        }
    }
    record
}
