//! Implicit stages: the simplified Newton iteration, for all lanes of a tile at once.
//!
//! A stage of a singly diagonally implicit method is the root k of `f(t + c h, y + h sum_(j < i) a_j k_j + h gamma k) - k`. One
//! matrix `I - h gamma J`, with the exact Jacobian at the beginning of the step, serves all stages of a step (Hairer and Wanner
//! II, IV.8, the iteration 8.13 and its stopping rule 8.10). What a lane does depends on its own numbers only: nothing is carried
//! from step to step, so a step that is made again has the same bits.

use super::batch::Plan;
use super::config::{SolverConfig, Steps};
use super::failure::SolveError;
use super::forward::status;
use super::lu::Lu;
use super::real::Real;
use super::rhs::Rhs;
use super::stages::{Evaluate, Tile};
use super::tile::{self, Lanes, Slopes, Tolerance};
use crate::backend::{LANES, PANEL};
use crate::solve::Norm;

/// Most iterations of a stage (Hairer and Wanner II, IV.8: "7 or 10"), and where it is solved to rounding, which is five times as far.
const MOST: usize = 10;
const MOST_EXACT: usize = 50;
/// The error of the iteration may be this share of the tolerance (the same place: "between 10^-1 and 10^-2").
const SHARE: f64 = 1e-2;
/// No increment is smaller than so many roundings of the state (`radau5.f`: `FNEWT` is at least `10 UROUND / RTOL`).
const ROUNDING: f64 = 10.0;
/// Increments that no longer shrink are rounding if they are this small, in units of that.
const STAGNATION: f64 = 100.0;
/// Without a tolerance stages are solved to rounding: the unit of an increment, in distances from 1 to the next number.
const EXACT: f64 = 32.0;

/// How far stages are solved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accuracy<T> {
    tolerance: Tolerance<T>,
    /// The error of the iteration that is good enough, in units of the tolerance.
    enough: f64,
    /// The size from which increments that stay are rounding.
    rounding: f64,
    /// Most iterations.
    most: usize,
}

impl<T: Real> Accuracy<T> {
    pub fn new(config: &SolverConfig) -> Self {
        let (rtol, atol, norm, most) = match &config.steps {
            Steps::Adaptive(a) => (a.rtol, a.atol, a.norm, MOST),
            Steps::Count(_) | Steps::Size(_) => (EXACT * T::EPSILON, EXACT * T::EPSILON, Norm::Rms, MOST_EXACT),
        };
        let least = ROUNDING * T::EPSILON / (rtol + atol);
        let tolerance = Tolerance { rtol: T::from_f64(rtol), atol: T::from_f64(atol), norm };
        Accuracy { tolerance, enough: least.max(SHARE), rounding: (STAGNATION * least).max(SHARE), most }
    }
}

/// Matrices and increments of a tile, and how its iterations went in a step.
#[derive(Debug)]
pub(super) struct Newton<T> {
    lu: Lu<T>,
    /// What the stage equations leave, then the increments. `[dim][LANES]`
    delta: Vec<T>,
    scratch: Vec<T>,
    /// Evaluations of the implicit stages of this step.
    pub evaluations: [u32; LANES],
    /// Whether a stage of this step did not converge.
    pub failed: [bool; LANES],
    /// `theta / (1 - theta)` of the last stage that told its rate of convergence theta.
    eta: [f64; LANES],
}

impl<T> Default for Newton<T> {
    fn default() -> Self {
        Newton {
            lu: Lu::default(),
            delta: vec![],
            scratch: vec![],
            evaluations: [0; LANES],
            failed: [false; LANES],
            eta: [1.0; LANES],
        }
    }
}

/// Factorises `I - h gamma J` with the Jacobian at `inputs`.
pub(super) fn factorise<T: Real>(
    lu: &mut Lu<T>,
    rhs: &dyn Rhs<T>,
    (inputs, scratch): (&[T], &mut Vec<T>),
    (gamma, h): (f64, &Lanes<T>),
    panels: usize,
) -> Result<(), SolveError> {
    let (dim, lanes) = (rhs.dim(), panels * PANEL);
    lu.fit(dim);
    scratch.resize(rhs.jacobian_scratch().unwrap_or(0), T::default());
    status(rhs.jacobian(inputs, &mut lu.matrix, scratch, panels))?;
    let (zero, one, gamma) = (T::default(), T::from_f64(1.0), T::from_f64(gamma));
    for (at, entry) in lu.matrix.chunks_exact_mut(LANES).enumerate() {
        let unit = if at % (dim + 1) == 0 { one } else { zero };
        for (entry, &h) in entry[..lanes].iter_mut().zip(h) {
            *entry = unit - h * gamma * *entry;
        }
    }
    lu.factorise(lanes);
    Ok(())
}

impl<T: Real> Plan<'_, T> {
    /// Begins a step of a tile: the matrix of all its stages. Time stands in `inputs`.
    pub(super) fn begin_implicit(&self, tile: &mut Tile<'_, T>, h: &Lanes<T>, panels: usize) -> Result<(), SolveError> {
        let Some(implicit) = &self.config.method.implicit else { return Ok(()) };
        let newton = &mut *tile.newton;
        newton.delta.resize(self.sizes.dim * LANES, T::default());
        (newton.evaluations, newton.failed, newton.eta) = ([0; LANES], [false; LANES], [1.0; LANES]);
        tile::place_state(tile.inputs, self.rhs.rows(), tile.y, panels);
        factorise(&mut newton.lu, self.rhs, (tile.inputs, &mut newton.scratch), (implicit.gamma, h), panels)
    }

    /// Solves an implicit stage of a tile. Its time stands in the inputs.
    pub(super) fn implicit_stage(
        &self,
        tile: &mut Tile<'_, T>,
        stage: usize,
        h: &Lanes<T>,
        panels: usize,
        evaluate: Evaluate<'_, T>,
    ) -> Result<(), SolveError> {
        let Some(implicit) = &self.config.method.implicit else { return Ok(()) };
        let (dim, block, lanes) = (self.sizes.dim, self.sizes.dim * LANES, panels * PANEL);
        let Tile { y, k, inputs, newton, .. } = tile;
        let (earlier, here) = k.split_at_mut(stage * block);
        tile::combine(&mut here[..block], Slopes { k: earlier, dim }, &self.weights.predict[stage], panels);
        let gamma = T::from_f64(implicit.gamma);
        let mut before = [0.0; LANES];
        let mut open = [false; LANES];
        open[..lanes].fill(true);
        for iteration in 0..self.accuracy.most {
            let map = self.rhs.rows();
            tile::advance(inputs, |row| map.state[row], y, Slopes { k, dim }, &self.weights.a[stage], h, panels);
            evaluate(stage, inputs, &mut newton.delta)?;
            let here = &mut k[stage * block..(stage + 1) * block];
            for (d, k) in newton.delta.chunks_exact_mut(LANES).zip(here.chunks_exact(LANES)) {
                d[..lanes].iter_mut().zip(k).for_each(|(d, &k)| *d = *d - k);
            }
            newton.lu.solve(&mut newton.delta, lanes);
            let sizes = tile::scaled_size(&newton.delta, h, gamma, y, dim, self.accuracy.tolerance, panels);
            for (k, d) in here.chunks_exact_mut(LANES).zip(newton.delta.chunks_exact(LANES)) {
                for lane in 0..lanes {
                    k[lane] = if open[lane] { k[lane] + d[lane] } else { k[lane] };
                }
            }
            for lane in 0..lanes {
                if !open[lane] {
                    continue;
                }
                newton.evaluations[lane] += 1;
                let size = self.accuracy.tolerance.finish(sizes[lane].to_f64(), dim, 1);
                match self.judge_iteration(iteration, size, before[lane], &mut newton.eta[lane]) {
                    Some(converged) => {
                        newton.failed[lane] |= !converged;
                        open[lane] = false;
                    }
                    None => before[lane] = size,
                }
            }
            if !open.contains(&true) {
                break;
            }
        }
        (0..lanes).filter(|&l| open[l]).for_each(|l| newton.failed[l] = true);
        Ok(())
    }

    /// Whether an iteration has converged, or will not; `None`: it goes on.
    fn judge_iteration(&self, iteration: usize, size: f64, before: f64, eta: &mut f64) -> Option<bool> {
        let Accuracy { enough, rounding, most, .. } = self.accuracy;
        if !size.is_finite() {
            return Some(false);
        }
        if iteration == 0 {
            // The rate of the stage before, a little worse (Hairer and Wanner II, IV.8).
            let eta = libm::pow(eta.max(T::EPSILON), 0.8);
            return (eta * size <= enough).then_some(true);
        }
        let theta = size / before;
        if theta >= 1.0 {
            return Some(size <= rounding);
        }
        *eta = theta / (1.0 - theta);
        if *eta * size <= enough {
            return Some(true);
        }
        // What will be left after all iterations.
        let left = libm::pow(theta, (most - 1 - iteration) as f64) * *eta * size;
        (left > enough).then_some(false)
    }
}
