//! The split between parameter-only work and the rest, and the making of units.
//!
//! The frontier: greatest Theta-level nodes that anything above Theta reads, or that are results themselves. Repetitions and
//! permutations at the frontier stay in the unit (an einsum reads its operands in any order of axes), so that nothing is
//! hoisted as a mere copy; everything else at Theta level becomes a prologue value.

use super::{Prologue, Source, ThetaSource, UnitSpec};
use crate::ir::{Dag, InputId, Level, NodeId, Op, copy_down, prune, reachable, rebuild};
use std::collections::{BTreeSet, HashMap};

/// A prologue with the node of the program that each value is.
pub struct Split {
    pub prologue: Prologue,
    values: Vec<NodeId>,
}

/// The operand of a repetition or permutation, however deep; the node itself if it is none.
pub fn strip_layout(dag: &Dag, mut id: NodeId) -> NodeId {
    while let Op::Einsum(e) = dag.op(id) {
        if e.operands.len() != 1 || e.contracts() {
            break;
        }
        id = e.operands[0].0;
    }
    id
}

/// The greatest Theta-level nodes that `roots` and what is above Theta read. Parameters as they are come first, then what is
/// computed, each in the order of ids.
fn frontier(dag: &Dag, roots: &[NodeId]) -> Vec<NodeId> {
    let seen = reachable(dag, roots, |_| false);
    let mut found: BTreeSet<(bool, NodeId)> = BTreeSet::new();
    let mut meet = |id: NodeId| {
        let id = strip_layout(dag, id);
        if dag.level(id) == Level::Theta {
            found.insert((!matches!(dag.op(id), Op::Param(_)), id));
        }
    };
    for &r in roots {
        meet(r);
    }
    for id in dag.ids().filter(|id| seen[id.0 as usize] && dag.level(*id) > Level::Theta) {
        dag.op(id).for_each_operand(&mut meet);
    }
    found.into_iter().map(|(_, id)| id).collect()
}

/// Builds the prologue of what `roots` (results, right-hand sides, initial values) need.
pub fn split(dag: &Dag, roots: &[NodeId]) -> Split {
    let values = frontier(dag, roots);
    let mut prologue = Prologue::default();
    let mut map = HashMap::new();
    let computed: Vec<NodeId> = values.iter().copied().filter(|&id| !matches!(dag.op(id), Op::Param(_))).collect();
    copy_down(dag, &mut prologue.dag, &computed, &mut map);
    for &id in &values {
        let source = match dag.op(id) {
            Op::Param(p) => ThetaSource::Param(*p),
            _ => ThetaSource::Computed(map[&id]),
        };
        prologue.values.push((source, dag.shape(id).to_vec()));
    }
    Split { prologue, values }
}

impl Split {
    /// A leaf for every prologue value, in a DAG that is being made.
    pub fn leaves(&self, from: &Dag, into: &mut Dag) -> HashMap<NodeId, NodeId> {
        self.values.iter().enumerate().map(|(i, &id)| (id, into.theta(i as u32, from.shape(id).to_vec()))).collect()
    }
}

/// Moves what a later pass made of parameters alone from a unit into the prologue. Returns the unit without it.
pub fn hoist(prologue: &mut Prologue, from: &Dag, roots: &[NodeId]) -> (Dag, Vec<NodeId>) {
    let found = frontier(from, roots);
    let mut map: HashMap<NodeId, NodeId> = HashMap::new();
    for id in from.ids() {
        if let Op::Theta(i) = *from.op(id) {
            let (source, shape) = prologue.values[i as usize].clone();
            let value = match source {
                ThetaSource::Param(p) => prologue.dag.param(p, shape),
                ThetaSource::Computed(value) => value,
            };
            map.insert(id, value);
        }
    }
    copy_down(from, &mut prologue.dag, &found, &mut map);
    let mut into = Dag::default();
    let mut cuts: HashMap<NodeId, NodeId> = HashMap::new();
    for id in found {
        let shape = from.shape(id).to_vec();
        let source = match *prologue.dag.op(map[&id]) {
            Op::Param(p) => ThetaSource::Param(p),
            _ => ThetaSource::Computed(map[&id]),
        };
        let known = prologue.values.iter().position(|(s, _)| *s == source);
        let index = known.unwrap_or_else(|| {
            prologue.values.push((source, shape.clone()));
            prologue.values.len() - 1
        });
        cuts.insert(id, into.theta(index as u32, shape));
    }
    copy_down(from, &mut into, roots, &mut cuts);
    (into, roots.iter().map(|r| cuts[r]).collect())
}

/// A unit that computes `roots` of `from`. `cut` says which nodes come from outside, and where from; `columns` is the first
/// input id that no declared input has (columns are inputs to a unit).
pub fn unit(
    from: &Dag,
    split: &Split,
    roots: &[NodeId],
    columns: usize,
    cut: impl Fn(NodeId) -> Option<Source>,
) -> UnitSpec {
    let mut dag = Dag::default();
    let mut map = split.leaves(from, &mut dag);
    let seen = reachable(from, roots, |id| map.contains_key(&id) || cut(id).is_some());
    for id in from.ids().filter(|id| seen[id.0 as usize]) {
        let Some(source) = cut(id) else { continue };
        let shape = from.shape(id).to_vec();
        let leaf = match source {
            Source::Column(c) => dag.input(InputId((columns + c) as u32), shape),
            Source::Draw(_)
            | Source::Input(_)
            | Source::State(_)
            | Source::Time
            | Source::Bar(_)
            | Source::Residual(_) => dag.intern(from.op(id).clone(), shape, from.level(id)),
        };
        map.entry(id).or_insert(leaf);
    }
    copy_down(from, &mut dag, roots, &mut map);
    let outputs: Vec<NodeId> = roots.iter().map(|r| map[r]).collect();
    finish(&dag, outputs, vec![], columns)
}

/// Derivatives are taken: what is constant to them is its operand.
pub fn without_stops(from: &Dag, roots: &[NodeId]) -> (Dag, Vec<NodeId>) {
    let mut dag = Dag::default();
    let map = rebuild(from, &mut dag, roots, |_, map, id| match from.op(id) {
        Op::Stop(a) => Some(map[a]),
        _ => None,
    });
    (dag, roots.iter().map(|r| map[r]).collect())
}

/// A unit with these inputs, whether they are read or not.
pub fn with_inputs(dag: &Dag, inputs: &[(NodeId, Source)], outputs: &[NodeId], sums: &[NodeId]) -> UnitSpec {
    let ids: Vec<NodeId> = inputs.iter().map(|(id, _)| *id).collect();
    let (dag, map) = prune(dag, &[&ids, outputs, sums].concat());
    let of = |ids: &[NodeId]| ids.iter().map(|id| map[id]).collect();
    let mut theta: Vec<(usize, NodeId)> = dag
        .ids()
        .filter_map(|id| match *dag.op(id) {
            Op::Theta(i) => Some((i as usize, id)),
            _ => None,
        })
        .collect();
    theta.sort_unstable();
    UnitSpec {
        inputs: of(&ids),
        sources: inputs.iter().map(|(_, source)| *source).collect(),
        theta: theta.iter().map(|(_, id)| *id).collect(),
        theta_values: theta.iter().map(|(value, _)| *value).collect(),
        outputs: of(outputs),
        sums: of(sums),
        dag,
    }
}

/// Drops what is unused and lists the leaves that are left, in a fixed order.
pub fn finish(dag: &Dag, outputs: Vec<NodeId>, sums: Vec<NodeId>, columns: usize) -> UnitSpec {
    let (dag, map) = prune(dag, &[&outputs[..], &sums].concat());
    let mut unit = UnitSpec {
        outputs: outputs.iter().map(|o| map[o]).collect(),
        sums: sums.iter().map(|s| map[s]).collect(),
        ..UnitSpec::default()
    };
    let mut inputs: Vec<((u8, u32), NodeId, Source)> = Vec::new();
    let mut theta: Vec<(usize, NodeId)> = Vec::new();
    for id in dag.ids() {
        match *dag.op(id) {
            Op::State(_, i) => inputs.push(((0, i), id, Source::State(i))),
            Op::Time(_) => inputs.push(((1, 0), id, Source::Time)),
            Op::Draw(d) => inputs.push(((2, d.0), id, Source::Draw(d))),
            Op::Input(i) if (i.0 as usize) < columns => inputs.push(((3, i.0), id, Source::Input(i))),
            Op::Input(i) => inputs.push(((4, i.0), id, Source::Column(i.0 as usize - columns))),
            Op::Theta(i) => theta.push((i as usize, id)),
            _ => {}
        }
    }
    inputs.sort_by_key(|(order, _, _)| *order);
    theta.sort_unstable();
    unit.dag = dag;
    for (_, id, source) in inputs {
        unit.inputs.push(id);
        unit.sources.push(source);
    }
    for (value, id) in theta {
        unit.theta.push(id);
        unit.theta_values.push(value);
    }
    unit
}
