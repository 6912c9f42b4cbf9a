//! Laws of the pass back over a solve, on fields in plain Rust: central differences, closed forms, equal bits.

use crate::solve::config;
use crate::tableaux;
use flowc::backend::LANES;
use flowc::numeric::tableau::Tableau;
use flowc::solve::{
    Adaptive, BarMap, ChunkOut, Cotangents, Observe, Plan, Problem, Real, Rhs, Room, RowMap, SampleCount, SolverConfig,
    StepControl, Steps, Tape, Transposed, Workspace, pack, unpack,
};
use std::collections::HashMap;

pub(crate) const DIM: usize = 2;
const CAPS: usize = 1;

/// `y0' = -p y0 + c t y1`, `y1' = y0 y1 / 4 - sin(t) y1`, with a parameter p and a capture c.
pub(crate) struct Field<T> {
    p: T,
    rows: RowMap,
    bars: BarMap,
}

fn sine<T: Real>(t: T) -> (T, T) {
    let t = t.to_f64();
    (T::from_f64(t.sin()), T::from_f64(t.cos()))
}

impl<T: Real> Field<T> {
    pub fn new(p: f64) -> Self {
        let bars = BarMap { rows: 4, state: vec![Some(0), Some(1)], captures: vec![Some(2)], time: Some(3) };
        Field { p: T::from_f64(p), rows: RowMap::in_order(DIM, CAPS), bars }
    }
}

impl<T: Real> Rhs<T> for Field<T> {
    fn dim(&self) -> usize {
        DIM
    }
    fn caps(&self) -> usize {
        CAPS
    }
    fn rows(&self) -> &RowMap {
        &self.rows
    }
    fn scratch_len(&self) -> usize {
        0
    }
    fn eval(&self, inputs: &[T], slopes: &mut [T], _: &mut [T], panels: usize) -> u32 {
        let zero = T::from_f64(0.0);
        for l in 0..panels * flowc::backend::PANEL {
            let [a, b, t, c] = [0, 1, 2, 3].map(|row| inputs[row * LANES + l]);
            slopes[l] = (zero - self.p) * a + c * t * b;
            slopes[LANES + l] = a * b * T::from_f64(0.25) - sine(t).0 * b;
        }
        0
    }
    fn jacobian_scratch(&self) -> Option<usize> {
        Some(0)
    }
    fn jacobian(&self, inputs: &[T], matrix: &mut [T], _: &mut [T], panels: usize) -> u32 {
        let (zero, quarter) = (T::from_f64(0.0), T::from_f64(0.25));
        for l in 0..panels * flowc::backend::PANEL {
            let [a, b, t, c] = [0, 1, 2, 3].map(|row| inputs[row * LANES + l]);
            let entries = [zero - self.p, c * t, b * quarter, a * quarter - sine(t).0];
            entries.iter().enumerate().for_each(|(at, &x)| matrix[at * LANES + l] = x);
        }
        0
    }
}

impl<T: Real> Transposed<T> for Field<T> {
    fn record_rows(&self) -> usize {
        2 * DIM
    }
    fn bars(&self) -> &BarMap {
        &self.bars
    }
    fn slot_len(&self) -> usize {
        1
    }
    fn record(&self, inputs: &[T], record: &mut [T], scratch: &mut [T], panels: usize) -> u32 {
        record[DIM * LANES..2 * DIM * LANES].copy_from_slice(&inputs[..DIM * LANES]);
        self.eval(inputs, &mut record[..DIM * LANES], scratch, panels)
    }
    fn transpose(
        &self,
        inputs: &[T],
        record: &mut [T],
        bars: &mut [T],
        slot: &mut [T],
        _: &mut [T],
        panels: usize,
    ) -> u32 {
        let quarter = T::from_f64(0.25);
        for l in 0..panels * flowc::backend::PANEL {
            let [j, k, a, b] = [0, 1, 2, 3].map(|row| record[row * LANES + l]);
            let (t, c) = (inputs[2 * LANES + l], inputs[3 * LANES + l]);
            let (sin, cos) = sine(t);
            let zero = T::from_f64(0.0);
            bars[l] = b * quarter * k - self.p * j;
            bars[LANES + l] = c * t * j + (a * quarter - sin) * k;
            bars[2 * LANES + l] = t * b * j;
            bars[3 * LANES + l] = c * b * j - cos * b * k;
            slot[0] = slot[0] + (zero - a) * j;
        }
        0
    }
}

/// What is solved, and how a loss weighs what comes out.
#[derive(Clone)]
pub(crate) struct Case {
    pub y0: Vec<f64>,
    pub captures: Vec<f64>,
    pub t0: Vec<f64>,
    pub t1: Vec<f64>,
    pub p: f64,
    /// Observation times as shares of the spans.
    pub shares: Vec<f64>,
    /// Number of the first sample, for its weights.
    pub first: usize,
    pub config: SolverConfig,
    /// The coupling of the reversible scheme, if it is that.
    pub coupling: Option<f64>,
    /// How many states are kept, if not all.
    pub snapshots: Option<usize>,
}

impl Case {
    pub fn new(samples: usize, config: SolverConfig) -> Case {
        let wave = |i: usize, salt: f64| ((i as f64 + 1.0) * 12.9898 + salt).sin();
        Case {
            y0: (0..samples * DIM).map(|i| wave(i, 0.3)).collect(),
            captures: (0..samples).map(|i| 1.0 + 0.5 * wave(i, 1.7)).collect(),
            t0: (0..samples).map(|i| 0.1 * wave(i, 2.9)).collect(),
            t1: (0..samples).map(|i| if i % 7 == 3 { -0.8 } else { 1.5 + wave(i, 4.1) }).collect(),
            p: 0.7,
            shares: vec![],
            first: 0,
            config: SolverConfig { chunk: Some(192), ..config },
            coupling: None,
            snapshots: None,
        }
    }

    pub fn samples(&self) -> usize {
        self.t0.len()
    }

    /// One of its samples by itself.
    pub fn alone(&self, i: usize) -> Case {
        Case {
            y0: self.y0[i * DIM..(i + 1) * DIM].to_vec(),
            captures: vec![self.captures[i]],
            t0: vec![self.t0[i]],
            t1: vec![self.t1[i]],
            first: i,
            ..self.clone()
        }
    }

    fn times(&self) -> Vec<f64> {
        let of = |i: usize| self.shares.iter().map(move |s| self.t0[i] + s * (self.t1[i] - self.t0[i]));
        (0..self.samples()).flat_map(of).collect()
    }
}

/// The weight of an element of the result in the loss.
pub(crate) fn weight(i: usize) -> f64 {
    1.0 + 0.5 * (i as f64 * 0.77).cos()
}

#[derive(Debug, PartialEq)]
pub(crate) struct Found {
    pub loss: f64,
    pub y0: Vec<f64>,
    pub captures: Vec<f64>,
    pub t0: Vec<f64>,
    pub t1: Vec<f64>,
    pub p: f64,
    pub bytes: usize,
    pub again: u64,
    /// Evaluations of the march, samples added up.
    pub forward: u64,
    /// Where undone steps arrived.
    pub undone: Vec<f64>,
}

pub(crate) fn run<T: Real>(case: &Case, budget: usize, times_wanted: bool) -> Found {
    let n = case.samples();
    let of = |v: &[f64]| v.iter().map(|&x| T::from_f64(x)).collect::<Vec<T>>();
    let rhs = Field::<T>::new(case.p);
    let (y0, captures, times) = (pack(&of(&case.y0), DIM), pack(&of(&case.captures), CAPS), case.times());
    let count = case.shares.len();
    let observe = if count == 0 { Observe::Nothing } else { Observe::PerSample { count, times: &times } };
    let problem = Problem { samples: n, y0: &y0, captures: &captures, t0: &case.t0, t1: &case.t1, observe };
    let mut plan = Plan::new(&rhs, &case.config, &problem).expect("a sound problem");
    if let Some(coupling) = case.coupling {
        plan = plan.reversible(coupling).expect("a sound coupling");
    }
    assert_eq!(plan.chunks(), 1);
    let lanes = n.next_multiple_of(LANES);
    let mut ends = vec![T::default(); lanes * DIM];
    let mut observed = vec![T::default(); lanes * DIM * count];
    let mut counts = vec![SampleCount::default(); n];
    let mut workspace = Workspace::default();
    let mut tape = case.snapshots.map_or_else(|| Tape::new(budget), Tape::of_snapshots);
    let out = ChunkOut { ends: &mut ends, observed: &mut observed, counts: &mut counts };
    plan.record(0, &mut workspace, out, &rhs, &mut tape).expect("solves");
    let (ends, observed) = (unpack(&ends, DIM, n), unpack(&observed, DIM * count, n));
    let results: Vec<f64> = ends.iter().chain(&observed).map(|x| x.to_f64()).collect();
    let loss = results.iter().enumerate().map(|(i, x)| weight(case.first * DIM + i) * x).sum();
    let bars = |from: usize, rows: usize| {
        let bars: Vec<T> = (0..n * rows).map(|i| T::from_f64(weight(case.first * DIM + from + i))).collect();
        pack(&bars, rows)
    };
    let (mut states, observed) = (bars(0, DIM), bars(n * DIM, DIM * count));
    let mut caps = vec![T::default(); lanes * CAPS];
    let wanted = if times_wanted { n } else { 0 };
    let (mut t0, mut t1, mut slot) = (vec![0.0; wanted], vec![0.0; wanted], vec![T::default()]);
    let cotangents = Cotangents {
        states: &mut states,
        observed: &observed,
        captures: &mut caps,
        t0: &mut t0,
        t1: &mut t1,
        slot: &mut slot,
    };
    let mut room = Room::default();
    let run = plan.backward(0, &rhs, &mut tape, cotangents, &mut room).expect("runs back");
    let f64s = |v: Vec<T>| v.iter().map(|x| x.to_f64()).collect::<Vec<_>>();
    Found {
        loss,
        y0: f64s(unpack(&states, DIM, n)),
        captures: f64s(unpack(&caps, CAPS, n)),
        t0,
        t1,
        p: slot[0].to_f64(),
        bytes: tape.bytes(),
        again: run.again,
        forward: counts.iter().map(|c| u64::from(c.evaluations)).sum(),
        undone: f64s(unpack(room.undone(), 2 * DIM, if case.coupling.is_some() { n } else { 0 })),
    }
}

fn loss(case: &Case) -> f64 {
    run::<f64>(case, 0, false).loss
}

/// Every kind of derivative against central differences of the whole loss.
pub(crate) fn differences(case: &Case, within: f64, times: bool) {
    let found = run::<f64>(case, 0, times);
    let h = 1e-5;
    let check = |what: String, found: f64, change: &dyn Fn(&mut Case, f64)| {
        let [mut up, mut down] = [case.clone(), case.clone()];
        change(&mut up, h);
        change(&mut down, -h);
        let expected = (loss(&up) - loss(&down)) / (2.0 * h);
        let error = (found - expected).abs() / (1.0 + expected.abs());
        assert!(error <= within, "{} {what}: {found}, by differences {expected}", case.config.method.name);
    };
    check("p".into(), found.p, &|c, h| c.p += h);
    for i in 0..case.samples() {
        for row in 0..DIM {
            let at = i * DIM + row;
            check(format!("y0[{i}][{row}]"), found.y0[at], &|c, h| c.y0[at] += h);
        }
        check(format!("c[{i}]"), found.captures[i], &|c, h| c.captures[i] += h);
        if times {
            check(format!("t0[{i}]"), found.t0[i], &|c, h| c.t0[i] += h);
            check(format!("t1[{i}]"), found.t1[i], &|c, h| c.t1[i] += h);
        }
    }
}

pub(crate) fn adaptive(tolerance: f64) -> Steps {
    Steps::Adaptive(Adaptive::new(tolerance, tolerance))
}

pub(crate) fn pairs() -> [Tableau; 5] {
    [tableaux::bosh3(), tableaux::dopri5(), tableaux::dopri5_dense(), tableaux::tsit5(), tableaux::dopri8()]
}

#[test]
fn gradients_of_equal_steps_are_central_differences() {
    let fixed = [tableaux::euler(), tableaux::midpoint(), tableaux::rk4(), tableaux::rk4_38()];
    for tableau in fixed.into_iter().chain(pairs()) {
        differences(&Case::new(5, config(&tableau, Steps::Count(4))), 1e-8, true);
    }
    differences(&Case::new(3, config(&tableaux::rk4(), Steps::Size(0.3))), 1e-8, false);
}

fn implicit() -> [Tableau; 3] {
    [tableaux::kvaerno3(), tableaux::kvaerno5(), tableaux::crouzeix3()]
}

/// Implicit stages, by the implicit function theorem: end states, observations, moving times.
#[test]
fn gradients_of_implicit_steps_are_central_differences() {
    for tableau in implicit() {
        differences(&Case::new(5, config(&tableau, Steps::Count(4))), 1e-8, true);
        let case = Case::new(3, config(&tableau, Steps::Count(4)));
        differences(&Case { shares: vec![0.0, 0.21, 0.22, 0.5, 0.77, 1.0], ..case }, 1e-8, false);
    }
    for (tableau, tolerance) in [(tableaux::kvaerno3(), 1e-9), (tableaux::kvaerno5(), 1e-11)] {
        differences(&Case::new(4, config(&tableau, adaptive(tolerance))), 3e-6, true);
    }
}

#[test]
fn gradients_of_adaptive_steps_are_central_differences_of_an_exact_solution() {
    for tableau in pairs() {
        let tolerance = if tableau.name == "bosh3" { 1e-9 } else { 1e-11 };
        differences(&Case::new(4, config(&tableau, adaptive(tolerance))), 3e-6, true);
    }
}

#[test]
fn observations_pull_on_the_steps_that_they_lie_in() {
    let shares = vec![0.0, 0.21, 0.22, 0.5, 0.77, 1.0];
    for tableau in [tableaux::rk4(), tableaux::bosh3(), tableaux::dopri5(), tableaux::dopri5_dense()] {
        let case = Case { shares: shares.clone(), ..Case::new(3, config(&tableau, Steps::Count(4))) };
        // Times that move with the spans keep their places inside equal steps.
        differences(&case, 1e-8, true);
    }
    for tableau in [tableaux::dopri5(), tableaux::dopri5_dense(), tableaux::dopri8()] {
        let case = Case { shares: shares.clone(), ..Case::new(3, config(&tableau, adaptive(1e-11))) };
        differences(&case, 3e-6, false);
    }
}

/// What stages left behind may be kept, or computed again: no bit changes.
#[test]
fn what_the_tape_keeps_changes_no_bit() {
    fn law<T: Real>(steps: &Steps, tableau: &Tableau, shares: &[f64]) {
        let case = Case { shares: shares.to_vec(), ..Case::new(150, config(tableau, steps.clone())) };
        let again = run::<T>(&case, 0, true);
        let kept = run::<T>(&case, usize::MAX / 2, true);
        let some = run::<T>(&case, (kept.bytes - again.bytes) / 2, true);
        assert!(again.bytes < some.bytes && some.bytes < kept.bytes, "{} {} {}", again.bytes, some.bytes, kept.bytes);
        assert!(again.again > some.again && some.again > kept.again);
        for other in [kept, some] {
            let other = Found { bytes: again.bytes, again: again.again, ..other };
            assert_eq!(again, other);
        }
    }
    for shares in [&[][..], &[0.3, 0.9]] {
        law::<f64>(&adaptive(1e-6), &tableaux::dopri5(), shares);
        law::<f32>(&adaptive(1e-4), &tableaux::bosh3(), shares);
        law::<f64>(&Steps::Count(5), &tableaux::rk4(), shares);
    }
}

/// The fewest sweeps that must be made again to reverse `sweeps` with so many snapshots: by trying every place of the second.
fn fewest(sweeps: usize, snapshots: usize, known: &mut HashMap<(usize, usize), usize>) -> usize {
    if sweeps < 2 {
        return 0;
    }
    if snapshots == 1 {
        return sweeps * (sweeps - 1) / 2;
    }
    if let Some(&known) = known.get(&(sweeps, snapshots)) {
        return known;
    }
    let places = 1..sweeps;
    let cost = |place: usize, known: &mut _| {
        place + fewest(sweeps - place, snapshots - 1, known) + fewest(place, snapshots, known)
    };
    let least = places.map(|place| cost(place, known)).min().expect("a place");
    known.insert((sweeps, snapshots), least);
    least
}

/// Where the number of steps is known, the fewest are made again, and no bit changes.
#[test]
fn snapshots_of_equal_steps_stand_where_the_fewest_steps_are_made_again() {
    let mut known = HashMap::new();
    for (steps, snapshots) in [(1, 1), (2, 1), (2, 5), (9, 1), (10, 3), (13, 4), (35, 3), (50, 2), (50, 5), (100, 10)] {
        let all = Case::new(3, config(&tableaux::bosh3(), Steps::Count(steps)));
        let few = Case { snapshots: Some(snapshots), ..all.clone() };
        let (all, few) = (run::<f64>(&all, 0, true), run::<f64>(&few, 0, true));
        // Three stages of each step of three samples; the first state is kept besides, and the march passes all steps once.
        let (again, steps) = ((few.again - all.again) as usize, steps as usize);
        let fewest = fewest(steps, snapshots + 1, &mut known) - (steps - 1);
        assert_eq!(again, 9 * fewest, "{steps} steps, {snapshots} snapshots");
        let other = Found { bytes: all.bytes, again: all.again, ..few };
        assert_eq!(all, other, "{steps} steps, {snapshots} snapshots");
    }
    // Griewank and Walther: three rounds are enough for 364 steps; beta(12, 2) are spared.
    assert_eq!(fewest(100, 11, &mut known), 3 * 100 - 91);
    // Samples that end at different sweeps.
    for shares in [&[][..], &[0.3, 0.9]] {
        let config = config(&tableaux::rk4(), Steps::Size(0.07));
        let all = Case { shares: shares.to_vec(), ..Case::new(150, config) };
        let few = Case { snapshots: Some(3), ..all.clone() };
        let (all, few) = (run::<f64>(&all, usize::MAX / 2, true), run::<f64>(&few, 0, true));
        assert!(few.bytes < all.bytes / 5, "{} {}", few.bytes, all.bytes);
        let other = Found { bytes: all.bytes, again: all.again, ..few };
        assert_eq!(all, other);
    }
}

pub(crate) fn samples_are_alone(case: &Case) {
    let all = run::<f64>(case, 0, true);
    for i in [0, 3, 17, 64, 149] {
        let found = run::<f64>(&case.alone(i), 0, true);
        assert_eq!(found.y0, all.y0[i * DIM..(i + 1) * DIM]);
        assert_eq!((found.captures[0], found.t0[0], found.t1[0]), (all.captures[i], all.t0[i], all.t1[i]));
    }
}

/// A sample's cotangents do not depend on its batch, nor on where it stands in it.
#[test]
fn a_sample_has_the_same_gradient_alone() {
    let case = Case::new(150, config(&tableaux::dopri5(), adaptive(1e-7)));
    samples_are_alone(&case);
}

#[test]
fn a_chunk_that_steps_jointly_has_a_gradient() {
    let joint = Adaptive { step_control: StepControl::Joint, ..Adaptive::new(1e-11, 1e-11) };
    differences(&Case::new(3, config(&tableaux::dopri5(), Steps::Adaptive(joint))), 3e-6, true);
}

/// A span without length is no step, and its end is its start; its times have the cotangents of the shortest spans.
#[test]
fn a_sample_that_goes_nowhere_passes_its_cotangent_on() {
    let mut case = Case::new(40, config(&tableaux::dopri5(), adaptive(1e-7)));
    case.t1[5] = case.t0[5];
    let found = run::<f64>(&case, 0, true);
    assert_eq!(found.y0[10..12], [weight(10), weight(11)]);
    assert_eq!(found.captures[5], 0.0);
    case.t1[5] = case.t0[5] + 1e-7;
    let near = run::<f64>(&case, 0, true);
    assert!(
        near.t1[5].abs() > 0.1 && (found.t1[5] - near.t1[5]).abs() < 1e-5 && (found.t0[5] - near.t0[5]).abs() < 1e-5
    );
}
