//! Minibatch couplings as a source of columns: pairs of a step depend on the step and the seed only.
//!
//! All pairs of a run form one stream: sample i of step s is pair `s * batch + i`, and draws the x0 and x1 that an independent
//! coupling would draw there. A plan couples `set` pairs of the stream in a row, so a plan larger than a step serves several
//! steps, and is computed once. Plans are made by whichever worker asks first; one that would have to wait makes the next.

use super::programs::{Compiled, Draw};
use super::sets::Store;
use crate::backend::Backend;
use crate::diag::{Code, Diagnostic, Label};
use crate::elaborate::{Entropic, HostKind, HostUse, Transport};
use crate::ir::InputId;
use crate::numeric::assignment;
use crate::numeric::sinkhorn::{SinkhornError, SinkhornSettings, sinkhorn};
use crate::rng::Stream;
use crate::run::Real;
use crate::run::data_cols::{ColumnSource, Columns};
use crate::run::pool::Pool;
use crate::source::Span;
use rand::RngExt;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Plans that are remembered: those that the workers' steps are in, and the next.
const REMEMBERED: usize = 16;

/// Pairs of one plan, row-major, in the order of the stream; labels if a side has them.
struct Pairs<T> {
    x0: Vec<T>,
    x1: Vec<T>,
    y: Vec<T>,
}

type Cell<T> = Arc<OnceLock<Result<Pairs<T>, Box<Diagnostic>>>>;

/// Plans by (batch, number), oldest first.
type Plans<T> = VecDeque<((usize, u64), Cell<T>)>;

struct Coupled<T: Real> {
    transport: Transport,
    sides: (Compiled<T>, Compiled<T>),
    inputs: (InputId, InputId),
    label: Option<InputId>,
    site: String,
    seed: u64,
    purpose: &'static str,
    span: Span,
    plans: Mutex<Plans<T>>,
}

/// The sources of all columns of an objective, if it has any. `purpose` keys its random numbers.
pub fn source<T: Real>(
    hosts: &[HostUse],
    seed: u64,
    purpose: &'static str,
    store: &Arc<Store<T>>,
    backend: &dyn Backend<T>,
) -> Result<Option<Box<dyn ColumnSource<T>>>, Diagnostic> {
    let mut sources: Vec<Box<dyn ColumnSource<T>>> = Vec::new();
    for h in hosts {
        match h.kind {
            HostKind::Transport(transport) => {
                // One thread each: workers ask for different plans at the same time.
                let alone = Pool::new(Some(1));
                let side = |p| Ok::<_, Diagnostic>(Compiled::plain(p, backend, alone)?.reading(store));
                let sides = (side(&h.programs.0)?, side(&h.programs.1)?);
                sources.push(Box::new(Coupled {
                    transport,
                    sides,
                    inputs: h.inputs,
                    label: h.label,
                    site: h.site.clone(),
                    seed,
                    purpose,
                    span: h.span,
                    plans: Mutex::default(),
                }));
            }
        }
    }
    Ok(if sources.is_empty() { None } else { Some(Box::new(sources)) })
}

impl<T: Real> ColumnSource<T> for Coupled<T> {
    fn fill(&self, step: u64, columns: &mut Columns<T>) -> Result<(), Box<Diagnostic>> {
        let (batch, set) = (columns.samples(), self.transport.batch as u64);
        let first = step * batch as u64;
        let last = first + batch as u64;
        for number in first / set..last.div_ceil(set) {
            let cell = self.plan(batch, number);
            let pairs = match cell.wait() {
                Ok(pairs) => pairs,
                Err(d) => return Err(d.clone()),
            };
            let (from, to) = (first.max(number * set), last.min((number + 1) * set));
            let (at, of) = ((from - first) as usize, (from - number * set) as usize);
            let mut copy = |input: InputId, values: &[T]| {
                let width = values.len() / set as usize;
                let n = (to - from) as usize * width;
                columns.block_mut(input)[at * width..][..n].copy_from_slice(&values[of * width..][..n]);
            };
            copy(self.inputs.0, &pairs.x0);
            copy(self.inputs.1, &pairs.x1);
            if let Some(label) = self.label {
                copy(label, &pairs.y);
            }
        }
        Ok(())
    }
}

impl<T: Real> Coupled<T> {
    /// The plan of a number: computed here, or by another worker at this moment, or known.
    fn plan(&self, batch: usize, number: u64) -> Cell<T> {
        let (cell, new) = self.cell(batch, number);
        if new {
            self.compute(&cell, batch, number);
        } else if cell.get().is_none() {
            let (next, new) = self.cell(batch, number + 1);
            if new {
                self.compute(&next, batch, number + 1);
            }
        }
        cell
    }

    /// The place of a plan, and whether the caller is the one to fill it.
    fn cell(&self, batch: usize, number: u64) -> (Cell<T>, bool) {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, cell)) = plans.iter().find(|(key, _)| *key == (batch, number)) {
            return (cell.clone(), false);
        }
        if plans.len() == REMEMBERED {
            plans.pop_front();
        }
        let cell = Cell::default();
        plans.push_back(((batch, number), cell.clone()));
        (cell, true)
    }

    fn compute(&self, cell: &Cell<T>, batch: usize, number: u64) {
        // Nobody else fills it: the place was made for the caller.
        let _ = cell.set(self.pairs(batch, number));
    }

    /// Points `number * set ..` of a side's stream: `x`, and `y` if it has labels.
    fn points(&self, side: &Compiled<T>, batch: usize, number: u64) -> Result<(Vec<T>, Option<Vec<T>>), Diagnostic> {
        let set = self.transport.batch as u64;
        let (mut at, end) = (number * set, (number + 1) * set);
        let (mut x, mut y) = (Vec::new(), None);
        while at < end {
            let (step, sample) = (at / batch as u64, at % batch as u64);
            let n = (end - at).min(batch as u64 - sample);
            let draw = Draw { seed: self.seed, purpose: self.purpose, step };
            let outcome = side.run_from(&[], draw, sample, at, n as usize, &[])?;
            for output in outcome.outputs {
                if output.name == "y" {
                    y.get_or_insert_with(Vec::new).extend(output.values);
                } else {
                    x.extend(output.values);
                }
            }
            at += n;
        }
        Ok((x, y))
    }

    fn pairs(&self, batch: usize, number: u64) -> Result<Pairs<T>, Box<Diagnostic>> {
        let n = self.transport.batch;
        let (x0, y0) = self.points(&self.sides.0, batch, number)?;
        let (x1, y1) = self.points(&self.sides.1, batch, number)?;
        let mut cost = squared_distances(&x0, &x1, n);
        // A side without labels takes those of its partners in the order drawn (Cheng and Schwing 2025, section 3.2).
        let labels = y0.as_ref().or(y1.as_ref());
        if let (Some(from), Some(to), Some(weight)) = (labels, y1.as_ref().or(labels), self.transport.condition) {
            cost.iter_mut().zip(label_distances(from, to, n)).for_each(|(c, d)| *c += weight * d);
        }
        let mut pick = Stream::new(self.seed, &format!("{} {}", self.purpose, self.site), number);
        let partners = match self.transport.entropic {
            None => {
                let partner = assignment::assign(&cost, n).map_err(|e| self.fault(number, &e.to_string()))?.column_of;
                let row =
                    |k: usize, pick: &mut Stream| if self.transport.resample { pick.random_range(0..n) } else { k };
                (0..n).map(|k| row(k, &mut pick)).map(|i| (i, partner[i])).collect()
            }
            Some(entropic) => self.entropic_partners(&cost, entropic, number, &mut pick)?,
        };
        let take = |values: &[T], rows: &dyn Fn(&(usize, usize)) -> usize| -> Vec<T> {
            let width = values.len() / n;
            partners.iter().flat_map(|p| values[rows(p) * width..][..width].iter().copied()).collect()
        };
        // The label of a pair is that of its end at the data, where labels come from.
        let y = match (&y0, &y1) {
            (_, Some(y)) => take(y, &|p| p.1),
            (Some(y), None) => take(y, &|p| p.0),
            (None, None) => Vec::new(),
        };
        Ok(Pairs { x0: take(&x0, &|p| p.0), x1: take(&x1, &|p| p.1), y })
    }

    /// Draws from Sinkhorn's plan: rows in turn or with replacement, and a column of each by its masses.
    fn entropic_partners(
        &self,
        cost: &[f64],
        entropic: Entropic,
        number: u64,
        pick: &mut Stream,
    ) -> Result<Vec<(usize, usize)>, Box<Diagnostic>> {
        let n = self.transport.batch;
        let Entropic { epsilon, tolerance, iterations } = entropic;
        let solved = sinkhorn(cost, n, SinkhornSettings { epsilon, tolerance, iterations });
        let plan = solved.map_err(|e| match e {
            SinkhornError::NotConverged { .. } => self.not_converged(entropic, number, &e.to_string()),
            SinkhornError::NotSquare { .. } | SinkhornError::NotFinite { .. } | SinkhornError::BadSettings => {
                self.fault(number, &e.to_string())
            }
        })?;
        let draw = |k: usize| {
            let i = if self.transport.resample { pick.random_range(0..n) } else { k };
            let row = &plan.plan[i * n..(i + 1) * n];
            let mut left = pick.random::<f64>() * row.iter().sum::<f64>();
            let column = row.iter().position(|p| {
                left -= p;
                left < 0.0
            });
            // Rounding may leave nothing: the last column with mass is meant.
            let last = || row.iter().rposition(|p| *p > 0.0).unwrap_or(n - 1);
            (i, column.unwrap_or_else(last))
        };
        Ok((0..n).map(draw).collect())
    }

    fn fault(&self, number: u64, why: &str) -> Box<Diagnostic> {
        let message = format!("the coupling of minibatch {} failed: {why}", number + 1);
        let mut d = Diagnostic::bare(Code::NonFiniteState, message)
            .help("draws of both laws must be finite; look at their definitions");
        d.primary = Some(Label { span: self.span, text: "this coupling".to_owned() });
        Box::new(d)
    }

    fn not_converged(&self, e: Entropic, number: u64, why: &str) -> Box<Diagnostic> {
        let message = format!("Sinkhorn's plan of minibatch {} did not converge: {why}", number + 1);
        let mut d = Diagnostic::bare(Code::SinkhornNotConverged, message).help(format!(
            "raise `epsilon` (now {}) or `iterations` (now {}), loosen `tolerance` (now {:e}); for plans without \
             entropy write `optimal_transport`",
            e.epsilon, e.iterations, e.tolerance
        ));
        d.primary = Some(Label { span: self.span, text: "this coupling".to_owned() });
        Box::new(d)
    }
}

/// `cost[i * n + j] = |a_i - b_j|^2`
fn squared_distances<T: Real>(a: &[T], b: &[T], n: usize) -> Vec<f64> {
    let d = a.len() / n;
    let wide = |x: &[T]| x.iter().map(|v| v.to_f64()).collect::<Vec<f64>>();
    let (a, b) = (wide(a), wide(b));
    let mut cost = vec![0.0; n * n];
    for (row, x) in cost.chunks_exact_mut(n).zip(a.chunks_exact(d)) {
        for (c, y) in row.iter_mut().zip(b.chunks_exact(d)) {
            *c = x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum();
        }
    }
    cost
}

/// Squared distances of labels; of whole numbers, which are classes, 1 where they differ.
fn label_distances<T: Real>(a: &[T], b: &[T], n: usize) -> Vec<f64> {
    let whole = |y: &[T]| y.len() == n && y.iter().all(|v| v.to_f64().fract() == 0.0);
    if !(whole(a) && whole(b)) {
        return squared_distances(a, b, n);
    }
    a.iter().flat_map(|x| b.iter().map(move |y| if x == y { 0.0 } else { 1.0 })).collect()
}
