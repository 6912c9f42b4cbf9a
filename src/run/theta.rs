//! Between the parameters of a run and the flat vector that a kernel reads.
//!
//! A unit's Theta leaves are parameters as they are, or results of the prologue. [`ThetaMap`] gathers them:
//! parameters, prologue's results -> the kernel's vector. [`GradientMap`] goes back: the kernel's sums, the transposed
//! prologue -> the gradient, laid out as the parameters. Both are the identity if the unit reads every parameter as it is and
//! in order. Deliberately absent: packing, threads.

use super::Real;
use super::params::ParamTable;
use crate::diag::{Code, Diagnostic};
use crate::ir::eval::evaluate;
use crate::ir::{Dag, NodeId, Op};
use crate::stage::{Prologue, ThetaSource, UnitSpec};
use std::ops::Range;

/// Results of a prologue by index of [`Prologue::values`]; empty where the value is a parameter as it is.
pub type Computed<T> = Vec<Vec<T>>;

/// Evaluates what a prologue computes.
///
/// # Errors
/// `E9999` if a result is no function of parameters.
pub fn prologue<T: Real>(prologue: &Prologue, table: &ParamTable, theta: &[T]) -> Result<Computed<T>, Box<Diagnostic>> {
    let roots: Vec<NodeId> = prologue
        .values
        .iter()
        .filter_map(|(source, _)| match source {
            ThetaSource::Param(_) => None,
            ThetaSource::Computed(node) => Some(*node),
        })
        .collect();
    if roots.is_empty() {
        return Ok(vec![Vec::new(); prologue.values.len()]);
    }
    let mut results = values(&prologue.dag, &roots, |op| param(op, table, theta))?.into_iter();
    Ok(prologue
        .values
        .iter()
        .map(|(source, _)| match source {
            ThetaSource::Param(_) => Vec::new(),
            ThetaSource::Computed(_) => results.next().unwrap_or_default(),
        })
        .collect())
}

fn values<T: Real>(
    dag: &Dag,
    roots: &[NodeId],
    leaf: impl Fn(&Op) -> Option<Vec<T>>,
) -> Result<Vec<Vec<T>>, Box<Diagnostic>> {
    evaluate(dag, roots, |id| leaf(dag.op(id))).map_err(Box::new)
}

fn param<T: Real>(op: &Op, table: &ParamTable, theta: &[T]) -> Option<Vec<T>> {
    if let Op::Param(id) = op { Some(theta[table.entry(*id).range.clone()].to_vec()) } else { None }
}

/// How a kernel's vector is made of parameters and computed values.
#[derive(Clone, Debug, PartialEq)]
pub struct ThetaMap {
    /// In order, without gaps: length, and where the elements come from.
    pieces: Vec<(usize, From)>,
    len: usize,
    identity: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum From {
    /// Parameters from this element on.
    Param(usize),
    /// The computed value of that index.
    Computed(usize),
}

impl ThetaMap {
    /// The map of a unit.
    #[must_use]
    pub fn new(unit: &UnitSpec, prologue: &Prologue, table: &ParamTable) -> ThetaMap {
        let mut map = ThetaMap { pieces: Vec::new(), len: 0, identity: true };
        for &value in &unit.theta_values {
            let (source, shape) = &prologue.values[value];
            let from = match source {
                ThetaSource::Param(id) => From::Param(table.entry(*id).range.start),
                ThetaSource::Computed(_) => From::Computed(value),
            };
            map.identity &= from == From::Param(map.len);
            let len = shape.iter().product::<usize>();
            map.pieces.push((len, from));
            map.len += len;
        }
        map.identity &= map.len == table.len();
        map
    }

    /// Length of the kernel's vector.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the kernel reads no parameter.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the kernel's vector is the parameter vector.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.identity
    }

    /// Whether any element is computed.
    #[must_use]
    pub fn needs_prologue(&self) -> bool {
        self.pieces.iter().any(|(_, from)| matches!(from, From::Computed(_)))
    }

    /// Fills `out` with the elements `range` of the kernel's vector.
    pub fn gather<T: Real>(&self, theta: &[T], computed: &Computed<T>, range: Range<usize>, out: &mut [T]) {
        let mut at = 0;
        for (len, from) in &self.pieces {
            let (start, end) = (range.start.max(at), range.end.min(at + len));
            if start < end {
                let source = match from {
                    From::Param(first) => &theta[first + start - at..first + end - at],
                    From::Computed(value) => &computed[*value][start - at..end - at],
                };
                out[start - range.start..end - range.start].copy_from_slice(source);
            }
            at += len;
        }
    }

    /// The kernel's vector.
    #[must_use]
    pub fn collect<T: Real>(&self, theta: &[T], computed: &Computed<T>) -> Vec<T> {
        let mut out = vec![T::default(); self.len];
        self.gather(theta, computed, 0..self.len, &mut out);
        out
    }
}

/// How the gradient is made of a kernel's sums.
#[derive(Debug)]
pub enum GradientMap {
    /// The sums are the gradient.
    Identity,
    /// Each piece of the sums (elements of the sums, first element of the gradient) is added to zeros.
    Pieces(Vec<(Range<usize>, usize)>),
    /// The transposed prologue is evaluated: one node a parameter, leaves as [`crate::stage::GradientPlan::epilogue`].
    Epilogue {
        /// The operations.
        dag: Dag,
        /// The gradients.
        nodes: Vec<NodeId>,
        /// For each prologue value, its elements of the sums.
        cotangents: Vec<Vec<Range<usize>>>,
    },
}

impl GradientMap {
    /// The map of a plan: `cotangents` and `epilogue` as there.
    ///
    /// # Errors
    /// `E9999` if a computed value has a cotangent and there is no epilogue to send it through.
    pub fn new(
        prologue: &Prologue,
        cotangents: &[usize],
        epilogue: Option<(Dag, Vec<NodeId>)>,
        table: &ParamTable,
    ) -> Result<GradientMap, Box<Diagnostic>> {
        let mut ranges: Vec<(usize, Range<usize>)> = Vec::new();
        let mut at = 0;
        for &value in cotangents {
            let len = prologue.values[value].1.iter().product::<usize>();
            ranges.push((value, at..at + len));
            at += len;
        }
        if let Some((dag, nodes)) = epilogue {
            let mut of_value = vec![Vec::new(); prologue.values.len()];
            ranges.into_iter().for_each(|(value, range)| of_value[value].push(range));
            return Ok(GradientMap::Epilogue { dag, nodes, cotangents: of_value });
        }
        let mut pieces = Vec::new();
        for (value, range) in ranges {
            match prologue.values[value].0 {
                ThetaSource::Param(id) => pieces.push((range, table.entry(id).range.start)),
                ThetaSource::Computed(_) => {
                    let why = "a gradient plan has no epilogue for a value that it computes";
                    return Err(Box::new(Diagnostic::bare(Code::Internal, why)));
                }
            }
        }
        let identity = at == table.len() && pieces.iter().all(|(range, to)| range.start == *to);
        Ok(if identity { GradientMap::Identity } else { GradientMap::Pieces(pieces) })
    }

    /// The same map, whose sums are not taken for the gradient itself.
    #[must_use]
    pub fn in_pieces(self, parameters: usize) -> GradientMap {
        match self {
            GradientMap::Identity => GradientMap::Pieces(vec![(0..parameters, 0)]),
            other @ (GradientMap::Pieces(_) | GradientMap::Epilogue { .. }) => other,
        }
    }

    /// Fills `out` with the elements `range` of the gradient, from all of the sums; an epilogue through
    /// [`GradientMap::evaluate`] instead.
    pub fn gather<T: Real>(&self, sums: &[T], range: Range<usize>, out: &mut [T]) {
        match self {
            GradientMap::Identity => out.copy_from_slice(&sums[range]),
            GradientMap::Pieces(pieces) => {
                out.fill(T::default());
                for (from, to) in pieces {
                    let (start, end) = (range.start.max(*to), range.end.min(to + from.len()));
                    for i in start..end.max(start) {
                        out[i - range.start] = out[i - range.start] + sums[from.start + i - to];
                    }
                }
            }
            GradientMap::Epilogue { .. } => unreachable!("an epilogue is evaluated as a whole"),
        }
    }

    /// The whole gradient.
    ///
    /// # Errors
    /// `E9999` if the epilogue reads anything but parameters and cotangents.
    pub fn evaluate<T: Real>(
        &self,
        table: &ParamTable,
        theta: &[T],
        sums: &[T],
        out: &mut [T],
    ) -> Result<(), Box<Diagnostic>> {
        let GradientMap::Epilogue { dag, nodes, cotangents } = self else {
            self.gather(sums, 0..out.len(), out);
            return Ok(());
        };
        // A value without a cotangent has the cotangent zero, of the size that the DAG gives its leaf.
        let cotangent = |id: NodeId, value: u32| {
            let mut total = vec![T::default(); dag.shape(id).iter().product()];
            for range in &cotangents[value as usize] {
                total.iter_mut().zip(&sums[range.clone()]).for_each(|(t, s)| *t = *t + *s);
            }
            total
        };
        let leaf = |id: NodeId| match dag.op(id) {
            Op::Theta(value) => Some(cotangent(id, *value)),
            other => param(other, table, theta),
        };
        let gradients = evaluate(dag, nodes, leaf).map_err(Box::new)?;
        for (entry, gradient) in table.entries().iter().zip(gradients) {
            out[entry.range.clone()].copy_from_slice(&gradient);
        }
        Ok(())
    }
}
