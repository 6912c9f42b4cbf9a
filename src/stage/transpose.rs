//! Transposes of units: what a segment makes, backward.
//!
//! A unit of a forward plan, and which of its inputs and outputs are active -> units that give cotangents. Values and
//! cotangents are optimised as one DAG, then taken apart: a stage of a solve is recorded by one unit and transposed by
//! another, and the right-hand side itself is the recorder without what it keeps. So all three share bits node by node
//! (McCallum and Foster 2024 need that too: their backward pass runs the forward one again).

use super::residuals::{Cut, cut};
use super::split::{finish, hoist, with_inputs, without_stops};
use super::{Prologue, Source, StageTranspose, Transpose, UnitSpec, sums};
use crate::autodiff::vjp;
use crate::diag::Diagnostic;
use crate::ir::{Dag, InputId, Level, NodeId, Op, RegionId, copy_down, reachable};
use crate::opt;
use std::collections::HashMap;

/// Values and cotangents of a unit in one DAG.
struct Joint {
    dag: Dag,
    values: Vec<NodeId>,
    /// Cotangents of inputs, by their place among the unit's inputs.
    inputs: Vec<(usize, NodeId)>,
    /// Cotangents of prologue values.
    theta: Vec<(usize, NodeId)>,
}

/// `leaf` makes the leaf of an input, `bar` the cotangent of an output, if it has one; `wrt` says which inputs are wanted.
fn joint(
    prologue: &mut Prologue,
    unit: &UnitSpec,
    mut leaf: impl FnMut(&mut Dag, usize) -> NodeId,
    mut bar: impl FnMut(&mut Dag, usize) -> Option<NodeId>,
    wrt: impl Fn(usize) -> bool,
) -> Result<Joint, Diagnostic> {
    let mut dag = Dag::default();
    let mut map: HashMap<NodeId, NodeId> = HashMap::new();
    let mut targets: Vec<NodeId> = Vec::new();
    for (&id, &value) in unit.theta.iter().zip(&unit.theta_values) {
        let copy = dag.theta(value as u32, unit.dag.shape(id).to_vec());
        map.insert(id, copy);
        targets.push(copy);
    }
    let wanted: Vec<usize> = (0..unit.inputs.len()).filter(|&k| wrt(k)).collect();
    for (k, &id) in unit.inputs.iter().enumerate() {
        let copy = leaf(&mut dag, k);
        map.insert(id, copy);
    }
    targets.extend(wanted.iter().map(|&k| map[&unit.inputs[k]]));
    copy_down(&unit.dag, &mut dag, &unit.outputs, &mut map);
    let values: Vec<NodeId> = unit.outputs.iter().map(|id| map[id]).collect();
    let seeds: Vec<(NodeId, NodeId)> =
        values.iter().enumerate().filter_map(|(j, &value)| Some((value, bar(&mut dag, j)?))).collect();
    let bars = vjp(&mut dag, &seeds, &targets, &[], &[])?;
    let found: Vec<(usize, NodeId)> = bars.iter().enumerate().filter_map(|(i, bar)| Some((i, (*bar)?))).collect();
    let mut roots = values;
    let count = roots.len();
    roots.extend(found.iter().map(|(_, bar)| *bar));
    let (dag, roots) = without_stops(&dag, &roots);
    let (dag, roots) = opt::optimize_dag(&dag, &roots);
    let (dag, mut roots) = hoist(prologue, &dag, &roots);
    let (mut inputs, mut theta) = (Vec::new(), Vec::new());
    for ((i, _), bar) in found.into_iter().zip(roots.split_off(count)) {
        match i.checked_sub(unit.theta.len()) {
            Some(k) => inputs.push((wanted[k], bar)),
            None => theta.push((unit.theta_values[i], bar)),
        }
    }
    Ok(Joint { dag, values: roots, inputs, theta })
}

/// The transpose of a map segment. `columns` counts inputs and columns of the plan: cotangents are numbered behind them.
pub fn map(
    prologue: &mut Prologue,
    unit: &UnitSpec,
    outputs: &[usize],
    (inputs, columns): (usize, usize),
    active: &dyn Fn(usize) -> bool,
    reached: &dyn Fn(usize) -> bool,
) -> Result<Transpose, Diagnostic> {
    let leaf = |dag: &mut Dag, k: usize| {
        let id = unit.inputs[k];
        dag.intern(unit.dag.op(id).clone(), unit.dag.shape(id).to_vec(), unit.dag.level(id))
    };
    let bar = |dag: &mut Dag, j: usize| {
        let id = InputId((inputs + columns + outputs[j]) as u32);
        let shape = unit.dag.shape(unit.outputs[j]).to_vec();
        (active(outputs[j]) && reached(outputs[j])).then(|| dag.input(id, shape))
    };
    let column = |k: usize| match unit.sources[k] {
        Source::Column(c) => Some(c),
        _ => None,
    };
    let Joint { mut dag, inputs: found, theta, .. } =
        joint(prologue, unit, leaf, bar, |k| column(k).is_some_and(active))?;
    if found.is_empty() && theta.is_empty() {
        return Ok(Transpose::Nothing);
    }
    let totals: Vec<NodeId> = theta.iter().map(|&(_, bar)| sums::over_samples(&mut dag, bar)).collect();
    let mut unit = finish(&dag, found.iter().map(|(_, bar)| *bar).collect(), totals, inputs);
    for source in &mut unit.sources {
        if let Source::Column(c) = *source
            && c >= columns
        {
            *source = Source::Bar(c - columns);
        }
    }
    let bars = found.iter().filter_map(|(k, _)| column(*k)).collect();
    Ok(Transpose::Map { unit, bars, cotangents: theta.iter().map(|(value, _)| *value).collect() })
}

/// Leaves of a stage are told apart by the index of their `State`: components, cotangents, residuals, captures.
const BARS: u32 = 1 << 20;
const RESIDUALS: u32 = 2 << 20;
const CAPTURES: u32 = 3 << 20;
/// The region of a unit's own leaves.
const HERE: RegionId = RegionId(0);

/// The transpose of a right-hand side: its recorder, its transpose, and the right-hand side itself with their bits.
pub fn stage(
    prologue: &mut Prologue,
    rhs: &UnitSpec,
    span: (bool, bool),
    active: &dyn Fn(usize) -> bool,
) -> Result<(UnitSpec, StageTranspose), Diagnostic> {
    let shape = |id: NodeId| rhs.dag.shape(id).to_vec();
    // Every leaf is a stage's: nothing that is formed here is formed once a sample.
    let leaf = |dag: &mut Dag, k: usize| match rhs.sources[k] {
        Source::State(i) => dag.intern(Op::State(HERE, i), shape(rhs.inputs[k]), Level::Stage),
        Source::Time => dag.intern(Op::Time(HERE), vec![], Level::Stage),
        _ => dag.intern(Op::State(HERE, CAPTURES + k as u32), shape(rhs.inputs[k]), Level::Stage),
    };
    let components: Vec<Vec<usize>> = rhs.outputs.iter().map(|&id| shape(id)).collect();
    let bar = |dag: &mut Dag, j: usize| {
        Some(dag.intern(Op::State(HERE, BARS + j as u32), components[j].clone(), Level::Stage))
    };
    let wrt = |k: usize| match rhs.sources[k] {
        Source::State(_) => true,
        Source::Time => span.0 || span.1,
        Source::Column(c) => active(c),
        Source::Draw(_) | Source::Input(_) | Source::Bar(_) | Source::Residual(_) => false,
    };
    let Joint { dag, values, inputs: found, theta } = joint(prologue, rhs, leaf, bar, wrt)?;

    let kind = |id: NodeId| match *dag.op(id) {
        Op::State(_, i) if i < BARS => Cut::Keep,
        Op::State(_, i) if i < RESIDUALS => Cut::Bar,
        Op::State(..) | Op::Time(_) => Cut::Free,
        _ => Cut::Inner,
    };
    let roots: Vec<NodeId> = found.iter().chain(&theta).map(|(_, bar)| *bar).collect();
    let kept = cut(&dag, &roots, kind);

    // The recorder, and the right-hand side.
    let outputs = [values.as_slice(), &kept].concat();
    let seen = reachable(&dag, &outputs, |_| false);
    let mut leaves: Vec<(u32, NodeId, Source)> = Vec::new();
    for id in dag.ids().filter(|id| seen[id.0 as usize]) {
        match *dag.op(id) {
            Op::State(_, i) if i < BARS => leaves.push((i, id, Source::State(i))),
            Op::State(_, i) if i >= CAPTURES => leaves.push((i, id, rhs.sources[(i - CAPTURES) as usize])),
            Op::Time(_) => leaves.push((u32::MAX, id, Source::Time)),
            _ => {}
        }
    }
    leaves.sort_by_key(|(order, ..)| *order);
    let leaves: Vec<(NodeId, Source)> = leaves.into_iter().map(|(_, id, source)| (id, source)).collect();
    let record = with_inputs(&dag, &leaves, &outputs, &[]);
    let value = with_inputs(&dag, &leaves, &values, &[]);

    // The transpose.
    let mut back = Dag::default();
    let mut map: HashMap<NodeId, NodeId> = HashMap::new();
    let mut inputs: Vec<(NodeId, Source)> = Vec::new();
    for (j, s) in components.iter().enumerate() {
        let bar = back.intern(Op::State(HERE, BARS + j as u32), s.clone(), Level::Stage);
        inputs.push((bar, Source::Bar(j)));
    }
    for (r, &id) in kept.iter().enumerate() {
        let leaf = back.intern(Op::State(HERE, RESIDUALS + r as u32), dag.shape(id).to_vec(), Level::Stage);
        map.insert(id, leaf);
        inputs.push((leaf, Source::Residual(r)));
    }
    copy_down(&dag, &mut back, &roots, &mut map);
    let totals: Vec<NodeId> = theta.iter().map(|(_, bar)| sums::over_samples(&mut back, map[bar])).collect();
    let results: Vec<NodeId> = found.iter().map(|(_, bar)| map[bar]).collect();
    let seen = reachable(&back, &[results.as_slice(), &totals].concat(), |_| false);
    for id in back.ids().filter(|id| seen[id.0 as usize]) {
        match *back.op(id) {
            Op::State(_, i) if i >= CAPTURES => inputs.push((id, rhs.sources[(i - CAPTURES) as usize])),
            Op::Time(_) => inputs.push((id, Source::Time)),
            _ => {}
        }
    }
    let back = with_inputs(&back, &inputs, &results, &totals);
    let outputs = found.iter().map(|(k, _)| rhs.sources[*k]).collect();
    let cotangents = theta.iter().map(|(value, _)| *value).collect();
    Ok((value, StageTranspose { record, back, outputs, cotangents, span }))
}
