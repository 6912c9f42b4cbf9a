//! Minibatch couplings as a source of columns: pairs of a step depend on the step and the seed only.

use super::programs::{Compiled, Draw};
use super::sets::Store;
use crate::backend::Backend;
use crate::diag::{Code, Diagnostic};
use crate::elaborate::{HostKind, HostUse};
use crate::ir::InputId;
use crate::numeric::assignment;
use crate::rng::Stream;
use crate::run::Real;
use crate::run::data_cols::{ColumnSource, Columns};
use crate::run::pool::Pool;
use rand::RngExt;
use std::sync::Arc;

struct OptimalTransport<T: Real> {
    sides: (Compiled<T>, Compiled<T>),
    inputs: (InputId, InputId),
    set: usize,
    resample: bool,
    seed: u64,
}

/// The sources of all columns of an objective, if it has any.
pub fn source<T: Real>(
    hosts: &[HostUse],
    seed: u64,
    store: &Arc<Store<T>>,
    backend: &dyn Backend<T>,
) -> Result<Option<Box<dyn ColumnSource<T>>>, Diagnostic> {
    let mut sources: Vec<Box<dyn ColumnSource<T>>> = Vec::new();
    for h in hosts {
        match h.kind {
            HostKind::OptimalTransport { batch, resample } => {
                // One thread each: workers ask for different steps at the same time.
                let alone = Pool::new(Some(1));
                let side = |p| Ok::<_, Diagnostic>(Compiled::plain(p, backend, alone)?.reading(store));
                let sides = (side(&h.programs.0)?, side(&h.programs.1)?);
                sources.push(Box::new(OptimalTransport { sides, inputs: h.inputs, set: batch, resample, seed }));
            }
        }
    }
    Ok(if sources.is_empty() { None } else { Some(Box::new(sources)) })
}

impl<T: Real> ColumnSource<T> for OptimalTransport<T> {
    /// Assignments of `set` points, one after another, until the batch is full; the last one may be used in part.
    fn fill(&self, step: u64, columns: &mut Columns<T>) -> Result<(), Box<Diagnostic>> {
        let samples = columns.samples();
        let rounds = samples.div_ceil(self.set);
        let draw = Draw { seed: self.seed, purpose: "train", step };
        let n = rounds * self.set;
        let side = |c: &Compiled<T>| c.run(&[], draw, n, &[]).map(|o| o.outputs[0].values.clone());
        let (x0, x1) = (side(&self.sides.0)?, side(&self.sides.1)?);
        let d = x0.len() / n;
        for round in 0..rounds {
            let at = round * self.set * d;
            let (a, b) = (&x0[at..at + self.set * d], &x1[at..at + self.set * d]);
            let cost = squared_distances(a, b, self.set, d);
            let partner = assignment::assign(&cost, self.set).map_err(|e| {
                Box::new(
                    Diagnostic::bare(Code::NonFiniteState, format!("optimal transport of step {step} failed: {e}"))
                        .help("draws of both laws must be finite; look at their definitions"),
                )
            })?;
            let mut pick = Stream::new(self.seed, "optimal transport", step * rounds as u64 + round as u64);
            for k in 0..self.set.min(samples - round * self.set) {
                let i = if self.resample { pick.random_range(0..self.set) } else { k };
                let j = partner.column_of[i];
                let row = (round * self.set + k) * d;
                columns.block_mut(self.inputs.0)[row..row + d].copy_from_slice(&a[i * d..(i + 1) * d]);
                columns.block_mut(self.inputs.1)[row..row + d].copy_from_slice(&b[j * d..(j + 1) * d]);
            }
        }
        Ok(())
    }
}

/// `cost[i * n + j] = |a_i - b_j|^2`
fn squared_distances<T: Real>(a: &[T], b: &[T], n: usize, d: usize) -> Vec<f64> {
    let mut cost = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..n {
            cost[i * n + j] = (0..d)
                .map(|k| {
                    let delta = a[i * d + k].to_f64() - b[j * d + k].to_f64();
                    delta * delta
                })
                .sum();
        }
    }
    cost
}
