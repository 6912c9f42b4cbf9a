//! A program cut at its solves.
//!
//! Solves run in the order of their ids; before each, and at the end, a map segment computes what is needed and not yet
//! there. A value belongs to the earliest segment that can compute it; what a later segment reads of it becomes a column.
//! Draws and inputs are read where they are needed, except inside a right-hand side: there every value of the sample is a
//! capture, and a capture is a column.

use super::split::{Split, split, strip_layout, unit, without_stops};
use super::{Diffusion, ForwardPlan, Segment, Source, Times, errors};
use crate::diag::Diagnostic;
use crate::ir::{Dag, Level, NodeId, Op, Program, RegionId, Solve, eval, reachable};
use std::collections::{BTreeSet, HashMap};

/// Cuts a program (derivatives expanded) into segments.
///
/// # Errors
/// `E0302` for a solve that depends on the state or time of another; `E9999` for sums over samples, which have no place in
/// a program evaluated sample by sample.
pub fn forward(program: &Program) -> Result<ForwardPlan, Diagnostic> {
    let roots: Vec<NodeId> = program.outputs.iter().map(|(_, id)| *id).collect();
    let (plain, roots) = without_stops(&program.dag, &roots);
    cut(&Program {
        dag: plain,
        params: program.params.clone(),
        draws: program.draws.clone(),
        inputs: program.inputs.clone(),
        outputs: program.outputs.iter().zip(roots).map(|((n, _), id)| (n.clone(), id)).collect(),
    })
}

/// As [`forward`]; what is constant to derivatives stays marked.
pub(super) fn cut(program: &Program) -> Result<ForwardPlan, Diagnostic> {
    let dag = &program.dag;
    let results: Vec<NodeId> = program.outputs.iter().map(|(_, id)| *id).collect();
    let seen = reachable(dag, &results, |_| false);
    if let Some(id) = dag.ids().find(|&id| seen[id.0 as usize] && matches!(dag.op(id), Op::SumSamples(_))) {
        return Err(errors::misplaced(dag, id, "a sum over samples in a program evaluated sample by sample"));
    }
    refuse_nested(dag, &seen)?;
    let solves: Vec<(NodeId, &Solve)> = dag
        .ids()
        .filter(|id| seen[id.0 as usize])
        .filter_map(|id| match dag.op(id) {
            Op::Solve(s) => Some((id, s.as_ref())),
            _ => None,
        })
        .collect();
    let mut cutter = Cutter::new(program, &seen, &solves, &results);

    // What each solve and the caller need.
    let mut captures: Vec<Vec<NodeId>> = Vec::new();
    for (_, s) in &solves {
        let inside = captured(dag, &right_hand_side(s));
        let at = s.at.filter(|&at| dag.level(at) > Level::Const);
        for &id in [s.t0, s.t1].iter().chain(&at).chain(&s.inits).chain(&inside) {
            cutter.need(id);
        }
        captures.push(inside);
    }
    results.iter().for_each(|&id| cutter.need(id));
    cutter.close();

    let mut plan = ForwardPlan { prologue: cutter.split.prologue.clone(), ..ForwardPlan::default() };
    for (k, outputs) in cutter.outputs.iter().enumerate() {
        let roots: Vec<NodeId> = outputs.iter().copied().collect();
        if !roots.is_empty() {
            let columns = roots.iter().map(|id| cutter.columns[id]).collect();
            plan.segments.push(Segment::Map { unit: cutter.map_unit(k, &roots), columns });
        }
        if let Some((_, s)) = solves.get(k) {
            plan.segments.push(cutter.solve(s, &captures[k], &cutter.results[k])?);
        }
    }
    plan.columns = cutter.shapes.clone();
    plan.outputs = program.outputs.iter().map(|(name, id)| (name.clone(), cutter.columns[id])).collect();
    Ok(plan)
}

/// Refuses a solve that reads another region's state or time.
fn refuse_nested(dag: &Dag, seen: &[bool]) -> Result<(), Diagnostic> {
    let mut free: Vec<BTreeSet<RegionId>> = vec![BTreeSet::new(); dag.len()];
    for id in dag.ids().filter(|id| seen[id.0 as usize]) {
        let mut own = BTreeSet::new();
        dag.op(id).for_each_operand(|a| own.extend(free[a.0 as usize].iter().copied()));
        match dag.op(id) {
            Op::State(r, _) | Op::Time(r) => {
                own.insert(*r);
            }
            Op::Solve(s) => {
                own.remove(&s.region);
                let outside = [s.t0, s.t1].iter().chain(&s.at).chain(&s.inits).any(|a| !free[a.0 as usize].is_empty());
                if outside || !own.is_empty() {
                    return Err(errors::nested(dag, id));
                }
            }
            _ => {}
        }
        free[id.0 as usize] = own;
    }
    Ok(())
}

/// What the right-hand side of a solve computes: derivatives, then diffusions.
fn right_hand_side(s: &Solve) -> Vec<NodeId> {
    s.derivs.iter().chain(s.noise.iter().flat_map(|n| &n.diffusions)).copied().collect()
}

/// The greatest Sample-level values below `derivs`, in the order of their ids. Of a repeated value, the value.
fn captured(dag: &Dag, derivs: &[NodeId]) -> Vec<NodeId> {
    let inside = reachable(dag, derivs, |id| dag.level(id) < Level::Stage);
    let mut found = BTreeSet::new();
    for id in dag.ids().filter(|id| inside[id.0 as usize] && dag.level(*id) == Level::Sample) {
        found.insert(strip_layout(dag, id));
    }
    found.into_iter().collect()
}

struct Cutter<'a> {
    program: &'a Program,
    split: Split,
    /// For each node, the segment that can compute it first.
    first: Vec<usize>,
    /// Column of each node that has one.
    columns: HashMap<NodeId, usize>,
    shapes: Vec<Vec<usize>>,
    /// What each map segment gives.
    outputs: Vec<BTreeSet<NodeId>>,
    /// Columns of each solve's results.
    results: Vec<Vec<usize>>,
}

impl<'a> Cutter<'a> {
    fn new(program: &'a Program, seen: &[bool], solves: &[(NodeId, &Solve)], results: &[NodeId]) -> Self {
        let dag = &program.dag;
        let mut first = vec![0; dag.len()];
        let mut columns = HashMap::new();
        let mut shapes = Vec::new();
        let mut all: Vec<Vec<usize>> = Vec::new();
        for (_, s) in solves {
            all.push((0..s.inits.len()).map(|i| shapes.len() + i).collect());
            let rows = s.at.map_or(&[][..], |at| dag.shape(at));
            shapes.extend(s.inits.iter().map(|&x| [rows, dag.shape(x)].concat()));
        }
        let order = |id: NodeId| solves.iter().position(|(s, _)| *s == id).expect("a reachable solve");
        for id in dag.ids().filter(|id| seen[id.0 as usize]) {
            if let Op::Component(s, i) = *dag.op(id) {
                first[id.0 as usize] = order(s) + 1;
                columns.insert(id, all[order(s)][i as usize]);
            } else {
                let mut at = 0;
                dag.op(id).for_each_operand(|a| at = at.max(first[a.0 as usize]));
                first[id.0 as usize] = at;
            }
        }
        let mut roots = results.to_vec();
        for (_, s) in solves {
            roots.extend([s.t0, s.t1].iter().chain(&s.at).chain(&s.inits).copied().chain(right_hand_side(s)));
        }
        let split = split(dag, &roots);
        let outputs = vec![BTreeSet::new(); solves.len() + 1];
        Cutter { program, split, first, columns, shapes, outputs, results: all }
    }

    /// Makes a value a column, computed by the first segment that can.
    fn need(&mut self, id: NodeId) {
        if let std::collections::hash_map::Entry::Vacant(entry) = self.columns.entry(id) {
            entry.insert(self.shapes.len());
            self.shapes.push(self.program.dag.shape(id).to_vec());
            self.outputs[self.first[id.0 as usize]].insert(id);
        }
    }

    /// Whether a segment reads this value from outside rather than computing it.
    fn outside(&self, k: usize, id: NodeId) -> bool {
        let dag = &self.program.dag;
        match dag.op(id) {
            Op::Draw(_) | Op::Input(_) | Op::Component(..) => true,
            _ => dag.level(id) == Level::Sample && self.first[id.0 as usize] < k,
        }
    }

    /// Adds the columns that later segments read from earlier ones.
    fn close(&mut self) {
        let dag = &self.program.dag;
        for k in (0..self.outputs.len()).rev() {
            let roots: Vec<NodeId> = self.outputs[k].iter().copied().collect();
            let seen = reachable(dag, &roots, |id| self.outside(k, id));
            for id in dag.ids().filter(|id| seen[id.0 as usize]) {
                if self.outside(k, id) && !matches!(dag.op(id), Op::Draw(_) | Op::Input(_)) {
                    self.need(id);
                }
            }
        }
    }

    fn map_unit(&self, k: usize, roots: &[NodeId]) -> super::UnitSpec {
        let dag = &self.program.dag;
        unit(dag, &self.split, roots, self.program.inputs.len(), |id| match *dag.op(id) {
            Op::Draw(d) => Some(Source::Draw(d)),
            Op::Input(i) => Some(Source::Input(i)),
            _ => self.outside(k, id).then(|| Source::Column(self.columns[&id])),
        })
    }

    fn solve(&self, s: &Solve, captures: &[NodeId], results: &[usize]) -> Result<Segment, Diagnostic> {
        let dag = &self.program.dag;
        let at = match s.at {
            None => None,
            Some(at) if dag.level(at) == Level::Const => {
                Some(Times::Common(eval::evaluate::<f64>(dag, &[at], |_| None)?.remove(0).into()))
            }
            Some(at) => Some(Times::PerSample(self.columns[&at])),
        };
        let side = |roots: &[NodeId]| {
            unit(dag, &self.split, roots, self.program.inputs.len(), |id| match *dag.op(id) {
                Op::State(_, i) => Some(Source::State(i)),
                Op::Time(_) => Some(Source::Time),
                _ => captures.contains(&id).then(|| Source::Column(self.columns[&id])),
            })
        };
        let rhs = side(&s.derivs);
        let noise = s.noise.as_ref().map(|n| Diffusion { unit: side(&n.diffusions), site: n.site.clone() });
        Ok(Segment::Solve {
            rhs,
            components: s.names.iter().zip(&s.inits).map(|(n, &x)| (n.clone(), dag.shape(x).to_vec())).collect(),
            span: (self.columns[&s.t0], self.columns[&s.t1]),
            inits: s.inits.iter().map(|x| self.columns[x]).collect(),
            results: results.to_vec(),
            solver: s.solver,
            at,
            noise,
            jacobian: None,
        })
    }
}
