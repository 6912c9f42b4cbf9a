//! Stochastic equations in the sense of Itô: stochastic Runge-Kutta steps of fixed number or size, tile by tile.
//!
//! Drift, diffusion, a [`NoiseMethod`](crate::numeric::noise::NoiseMethod) and normals ([`Noise`]) -> states at the end or at
//! observation times. A tile goes through all of its steps at once. Steps end at observation times: the time between two is
//! divided into equal steps that are no longer than those of the whole span. Bits of a sample depend on its number and its own
//! times, on nothing else. Run backward in time, the noise is that of a Brownian motion along the way. Deliberately absent:
//! error control, gradients, where normals come from.

use super::batch::Problem;
use super::config::{ConfigError, SolverConfig, Steps};
use super::failure::{Cause, LaneFailure, SolveError};
use super::forward::status;
use super::real::Real;
use super::rhs::Rhs;
use super::statistics::SampleCount;
use super::tile::{self, Lanes};
use crate::backend::{LANES, PANEL};
use crate::numeric::noise::NoiseMethod;
use std::ops::Range;

/// Standard normals: element `row` of step `step` of a sample, always the same.
pub trait Noise<T> {
    /// Fills the first `panels` panels of `out`, `[rows][LANES]`, for the samples from `first` of the batch on.
    fn fill(&self, step: u64, first: usize, panels: usize, rows: usize, out: &mut [T]);
}

/// A stochastic initial-value problem for each sample: states, times and the drift's captures are the problem's.
pub struct Stochastic<'a, T: Real> {
    /// The derivative.
    pub drift: &'a dyn Rhs<T>,
    /// What stands before `dW`, a factor for each state element.
    pub diffusion: &'a dyn Rhs<T>,
    /// Per-sample constants of the diffusion, `[tile][caps][LANES]`.
    pub captures: &'a [T],
    /// The normals.
    pub noise: &'a dyn Noise<T>,
    /// Method and steps.
    pub config: &'a SolverConfig,
    /// The rest.
    pub problem: &'a Problem<'a, T>,
}

/// Results, over all tiles.
#[derive(Debug)]
pub struct StochasticOut<'a, T> {
    /// `[tile][dim][LANES]`
    pub ends: &'a mut [T],
    /// `[tile][count * dim][LANES]`
    pub observed: &'a mut [T],
    /// One for each sample.
    pub counts: &'a mut [SampleCount],
}

/// Where a lane is: on its way to its `next` stop, `done` of `of` equal steps behind `from`.
#[derive(Clone, Copy, Default)]
struct Lane {
    from: f64,
    to: f64,
    /// Stops passed: observation times, or the end.
    next: usize,
    done: u32,
    of: u32,
    longest: f64,
    steps: u32,
    finished: bool,
}

impl Lane {
    fn time(&self) -> f64 {
        self.from + f64::from(self.done) * self.step()
    }

    fn step(&self) -> f64 {
        if self.finished { 0.0 } else { (self.to - self.from) / f64::from(self.of) }
    }

    /// Sets out for a stop.
    fn head_for(&mut self, to: f64) {
        (self.from, self.to, self.done) = (self.to, to, 0);
        // A stretch that is a whole number of steps up to rounding takes that number.
        let steps = ((self.to - self.from).abs() / self.longest - 1e-9).ceil();
        self.of = if steps > 1.0 { steps as u32 } else { 1 };
    }
}

struct Buffers<T> {
    y: Vec<T>,
    y_new: Vec<T>,
    /// Drifts and diffusions of the stages, `[stage][dim][LANES]`.
    f: Vec<T>,
    g: Vec<T>,
    drift_in: Vec<T>,
    diffusion_in: Vec<T>,
    scratch: Vec<T>,
    normals: Vec<T>,
}

impl<T: Real> Stochastic<'_, T> {
    /// Solves every sample.
    ///
    /// # Errors
    /// A method without noise, error control, lengths or times that do not fit, a status of a right-hand side, or the sample
    /// that failed worst.
    pub fn run(&self, out: &mut StochasticOut<'_, T>) -> Result<(), SolveError> {
        let Some(method) = &self.config.method.noise else {
            return Err(ConfigError::NotStochastic { method: self.config.method.name.clone() }.into());
        };
        if matches!(self.config.steps, Steps::Adaptive(_)) {
            return Err(ConfigError::NoErrorEstimate { method: self.config.method.name.clone() }.into());
        }
        self.config.validate()?;
        self.problem.validate(self.drift.dim(), self.drift.caps())?;
        let tiles = self.problem.samples.div_ceil(LANES);
        let dim = self.drift.dim();
        if self.captures.len() != tiles * self.diffusion.caps() * LANES || self.diffusion.dim() != dim {
            return Err(ConfigError::BadRows.into());
        }
        let stages = method.c.len();
        let block = dim * LANES;
        let mut b = Buffers {
            y: vec![T::default(); block],
            y_new: vec![T::default(); block],
            f: vec![T::default(); stages * block],
            g: vec![T::default(); stages * block],
            drift_in: vec![T::default(); self.drift.rows().rows * LANES],
            diffusion_in: vec![T::default(); self.diffusion.rows().rows * LANES],
            scratch: vec![T::default(); self.drift.scratch_len().max(self.diffusion.scratch_len())],
            normals: vec![T::default(); 2 * block],
        };
        out.counts.fill(SampleCount::default());
        let mut worst: Option<LaneFailure> = None;
        let mut failed = 0;
        for tile in 0..tiles {
            let samples = tile * LANES..((tile + 1) * LANES).min(self.problem.samples);
            if let Some((failure, count)) = self.tile(tile, samples, method, &mut b, out)? {
                failed += count;
                if worst.as_ref().is_none_or(|w| failure.comes_before(w)) {
                    worst = Some(failure);
                }
            }
        }
        match worst {
            Some(worst) => Err(SolveError::Failed { worst, count: failed }),
            None => Ok(()),
        }
    }

    /// Brings the samples of a tile to their ends; the worst of those that fail, and how many.
    fn tile(
        &self,
        tile: usize,
        samples: Range<usize>,
        method: &NoiseMethod,
        b: &mut Buffers<T>,
        out: &mut StochasticOut<'_, T>,
    ) -> Result<Option<(LaneFailure, usize)>, SolveError> {
        let dim = self.drift.dim();
        let block = dim * LANES;
        let panels = samples.len().div_ceil(PANEL);
        b.y.copy_from_slice(&self.problem.y0[tile * block..(tile + 1) * block]);
        place_captures(&mut b.drift_in, self.drift, self.problem.captures, tile);
        place_captures(&mut b.diffusion_in, self.diffusion, self.captures, tile);
        let mut lanes = [Lane { finished: true, ..Lane::default() }; LANES];
        for (lane, sample) in lanes.iter_mut().zip(samples.clone()) {
            *lane = self.begin(sample);
        }
        for (l, lane) in lanes.iter_mut().enumerate().take(samples.len()) {
            self.arrive(tile, l, samples.start + l, lane, &b.y, out);
        }
        let mut failures: Vec<LaneFailure> = Vec::new();
        let mut sweep = 0;
        while lanes.iter().any(|l| !l.finished) {
            self.noise.fill(sweep, samples.start, panels, 2 * dim, &mut b.normals);
            let evaluations = self.step(method, &lanes, panels, b)?;
            let defect = tile::defect(&b.y_new, dim, panels);
            let mut mask = [false; LANES];
            for (l, lane) in lanes.iter_mut().enumerate().filter(|(_, lane)| !lane.finished) {
                let sample = samples.start + l;
                if defect[l].to_f64() != 0.0 {
                    let (t0, t1) = self.problem.span(sample);
                    let (t, h) = (lane.time(), lane.step());
                    let progress = ((t - t0) / (t1 - t0)).clamp(0.0, 1.0);
                    let (span, cause) = ((t0, t1), Cause::NonFinite);
                    failures.push(LaneFailure { sample, t, h, span, progress, cause, stiff: None });
                    lane.finished = true;
                    continue;
                }
                mask[l] = true;
                lane.done += 1;
                lane.steps += 1;
                let count = &mut out.counts[sample];
                count.accepted = lane.steps;
                count.evaluations += evaluations;
            }
            tile::commit(&mut b.y, &b.y_new, &mask, dim, panels);
            for (l, lane) in lanes.iter_mut().enumerate().filter(|(l, lane)| mask[*l] && lane.done == lane.of) {
                self.arrive(tile, l, samples.start + l, lane, &b.y, out);
            }
            sweep += 1;
        }
        let count = failures.len();
        Ok(failures.into_iter().reduce(|a, b| if b.comes_before(&a) { b } else { a }).map(|worst| (worst, count)))
    }

    /// A lane at the start of its span.
    fn begin(&self, sample: usize) -> Lane {
        let (t0, t1) = self.problem.span(sample);
        let longest = match self.config.steps {
            Steps::Count(n) => (t1 - t0).abs() / f64::from(n),
            Steps::Size(size) => size,
            Steps::Adaptive(_) => unreachable!("refused before"),
        };
        Lane { from: t0, to: t0, longest, ..Lane::default() }
    }

    /// A lane stands at its stop: writes what is observed there, and heads for the next one.
    fn arrive(&self, tile: usize, l: usize, sample: usize, lane: &mut Lane, y: &[T], out: &mut StochasticOut<'_, T>) {
        let dim = self.drift.dim();
        let (_, t1) = self.problem.span(sample);
        let times = self.problem.observe.times(sample);
        while times.get(lane.next) == Some(&lane.to) {
            for row in 0..dim {
                out.observed[(tile * times.len() * dim + lane.next * dim + row) * LANES + l] = y[row * LANES + l];
            }
            lane.next += 1;
        }
        if lane.to == t1 {
            for row in 0..dim {
                out.ends[(tile * dim + row) * LANES + l] = y[row * LANES + l];
            }
            lane.finished = true;
        } else {
            lane.head_for(times.get(lane.next).copied().unwrap_or(t1));
        }
    }

    /// One step of a tile from `y` to `y_new`; how often the drift was evaluated.
    fn step(
        &self,
        method: &NoiseMethod,
        lanes: &[Lane; LANES],
        panels: usize,
        b: &mut Buffers<T>,
    ) -> Result<u32, SolveError> {
        let (ode, dim) = (&self.config.method, self.drift.dim());
        let (block, stages) = (dim * LANES, method.c.len());
        let each = |f: &dyn Fn(&Lane) -> f64| -> Lanes<T> { std::array::from_fn(|l| T::from_f64(f(&lanes[l]))) };
        let h = each(&|lane| lane.step());
        let integrals = Integrals { root: each(&|lane| libm::sqrt(lane.step().abs())) };
        let uses = |rows: &[Vec<(usize, f64)>], j: usize| rows.iter().flatten().any(|&(k, _)| k == j);
        let mut evaluations = 0;
        for i in 0..stages {
            let used = ode.b.iter().any(|&(k, _)| k == i) || uses(&ode.a, i) || uses(&method.drift, i);
            if used {
                for row in 0..dim {
                    let Some(to) = self.drift.rows().state[row] else { continue };
                    for (l, &h) in h[..panels * PANEL].iter().enumerate() {
                        let at = row * LANES + l;
                        let mut x = b.y[at];
                        for &(j, w) in &ode.a[i] {
                            x = x + h * (T::from_f64(w) * b.f[j * block + at]);
                        }
                        if !method.a[i].is_empty() {
                            let i10 = integrals.i10(l, b.normals[at], b.normals[block + at]);
                            for &(j, w) in &method.a[i] {
                                x = x + i10 * (T::from_f64(w) * b.g[j * block + at]);
                            }
                        }
                        b.drift_in[to * LANES + l] = x;
                    }
                }
                let c = ode.c[i];
                tile::place_time(&mut b.drift_in, self.drift.rows(), panels, |l| lanes[l].time() + c * lanes[l].step());
                let slopes = &mut b.f[i * block..(i + 1) * block];
                status(self.drift.eval(&b.drift_in, slopes, &mut b.scratch, panels))?;
                evaluations += 1;
            }
            let used = method.b.iter().any(|w| w[i] != 0.0) || uses(&method.a, i) || uses(&method.diffusion, i);
            if used {
                for row in 0..dim {
                    let Some(to) = self.diffusion.rows().state[row] else { continue };
                    for (l, &h) in h[..panels * PANEL].iter().enumerate() {
                        let at = row * LANES + l;
                        let mut x = b.y[at];
                        for &(j, w) in &method.drift[i] {
                            x = x + h * (T::from_f64(w) * b.f[j * block + at]);
                        }
                        for &(j, w) in &method.diffusion[i] {
                            x = x + integrals.root[l] * (T::from_f64(w) * b.g[j * block + at]);
                        }
                        b.diffusion_in[to * LANES + l] = x;
                    }
                }
                let c = method.c[i];
                tile::place_time(&mut b.diffusion_in, self.diffusion.rows(), panels, |l| {
                    lanes[l].time() + c * lanes[l].step()
                });
                let slopes = &mut b.g[i * block..(i + 1) * block];
                status(self.diffusion.eval(&b.diffusion_in, slopes, &mut b.scratch, panels))?;
            }
        }
        for at in (0..dim).flat_map(|row| row * LANES..row * LANES + panels * PANEL) {
            let l = at % LANES;
            let mut x = b.y[at];
            for &(i, w) in &ode.b {
                x = x + h[l] * (T::from_f64(w) * b.f[i * block + at]);
            }
            let weights = integrals.weights(l, b.normals[at], b.normals[block + at]);
            for i in 0..stages {
                let parts = method.b.iter().zip(&weights).filter(|(w, _)| w[i] != 0.0);
                if let Some(weight) = parts.map(|(w, &x)| T::from_f64(w[i]) * x).reduce(|a, b| a + b) {
                    x = x + weight * b.g[i * block + at];
                }
            }
            b.y_new[at] = x;
        }
        Ok(evaluations)
    }
}

fn place_captures<T: Real>(inputs: &mut [T], rhs: &dyn Rhs<T>, captures: &[T], tile: usize) {
    let caps = rhs.caps();
    for (&row, values) in rhs.rows().captures.iter().zip(captures[tile * caps * LANES..].chunks_exact(LANES)) {
        inputs[row * LANES..(row + 1) * LANES].copy_from_slice(values);
    }
}

/// Iterated Itô integrals of a step from two standard normals (Rößler 2010, section 6.1; Kloeden and Platen, Numerical solution
/// of stochastic differential equations, 1992, 10.4.3).
struct Integrals<T> {
    /// Square roots of the lengths of the steps.
    root: Lanes<T>,
}

impl<T: Real> Integrals<T> {
    /// `I10 / h`
    fn i10(&self, l: usize, z: T, second: T) -> T {
        let (half, part) = (T::from_f64(0.5), T::from_f64(1.0 / libm::sqrt(3.0)));
        half * (self.root[l] * (z + part * second))
    }

    /// `I1`, `I11 / √h`, `I10 / h`, `I111 / h`
    fn weights(&self, l: usize, z: T, second: T) -> [T; 4] {
        let (one, three) = (T::from_f64(1.0), T::from_f64(3.0));
        let (half, sixth) = (T::from_f64(0.5), T::from_f64(1.0 / 6.0));
        let root = self.root[l];
        [root * z, half * (root * (z * z - one)), self.i10(l, z, second), sixth * (root * (z * (z * z - three)))]
    }
}
