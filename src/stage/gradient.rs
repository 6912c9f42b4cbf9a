//! A loss with its gradient: one unit, a prologue, and the prologue transposed.
//!
//! The body is differentiated with respect to the prologue's results, not the parameters: what was hoisted stays hoisted in
//! the backward pass, and its own derivative is taken once a step, on sums over the batch.

use super::split::{finish, hoist, split, without_stops};
use super::{GradientPlan, Prologue, ThetaSource, errors, sums};
use crate::autodiff::vjp;
use crate::diag::Diagnostic;
use crate::ir::{Dag, InputId, NodeId, Op, ParamId, Program, copy_down, reachable};
use crate::opt;
use std::collections::HashMap;

/// Splits and transposes a scalar loss of a program (derivatives expanded). The loss is per sample; each sample counts with
/// its input `weight`, whose id is the first after the program's inputs.
///
/// # Errors
/// `E9999` if it is not a scalar, or reads states or the result of a solve (see [`super::objective`]).
pub fn gradient(program: &Program, loss: NodeId) -> Result<GradientPlan, Diagnostic> {
    let from = &program.dag;
    if !from.shape(loss).is_empty() {
        return Err(errors::loss_shape(from, loss));
    }
    let seen = reachable(from, &[loss], |_| false);
    let inside = || from.ids().filter(|id| seen[id.0 as usize]);
    for id in inside() {
        match from.op(id) {
            Op::State(..) | Op::Time(_) | Op::SumSamples(_) | Op::Solve(_) => {
                return Err(errors::misplaced(from, id, "a loss of one sample cannot read this"));
            }
            _ => {}
        }
    }
    let mut split = split(from, &[loss]);
    let mut dag = Dag::default();
    let mut map = split.leaves(from, &mut dag);
    let leaves: Vec<NodeId> =
        split.prologue.values.iter().enumerate().map(|(i, (_, s))| dag.theta(i as u32, s.clone())).collect();
    copy_down(from, &mut dag, &[loss], &mut map);
    let value = map[&loss];
    let weight_id = InputId(program.inputs.len() as u32);
    let weight = dag.input(weight_id, vec![]);
    let bars = vjp(&mut dag, &[(value, weight)], &leaves, &[], &[])?;
    let cotangents: Vec<usize> = (0..bars.len()).filter(|&i| bars[i].is_some()).collect();

    // Forward and backward together: contraction orders again, then the sums over samples on top.
    let mut roots = vec![value];
    roots.extend(bars.iter().flatten());
    let (dag, roots) = without_stops(&dag, &roots);
    let (dag, roots) = opt::optimize_dag(&dag, &roots);
    let (mut dag, roots) = hoist(&mut split.prologue, &dag, &roots);
    let totals: Vec<NodeId> = roots[1..].iter().map(|&bar| sums::over_samples(&mut dag, bar)).collect();
    let mut unit = finish(&dag, vec![roots[0]], totals, program.inputs.len() + 1);
    // The weight is the last input, also where no parameter is reached.
    let weight = unit.dag.input(weight_id, vec![]);
    if let Some(at) = unit.inputs.iter().position(|&id| id == weight) {
        unit.inputs.remove(at);
        unit.sources.remove(at);
    }
    unit.inputs.push(weight);
    unit.sources.push(super::Source::Input(weight_id));

    let epilogue = epilogue(program, &split.prologue, &cotangents)?;
    Ok(GradientPlan { prologue: split.prologue, unit, weight: Some(weight_id), cotangents, epilogue })
}

/// Gradients of the parameters from the cotangents of the prologue's values, each listed once. `None` if no computed value
/// has one.
pub(super) fn epilogue(
    program: &Program,
    prologue: &Prologue,
    cotangents: &[usize],
) -> Result<Option<(Dag, Vec<NodeId>)>, Diagnostic> {
    let mut roots: Vec<(NodeId, NodeId)> = Vec::new();
    let mut direct: HashMap<ParamId, NodeId> = HashMap::new();
    let mut dag = Dag::default();
    for &i in cotangents {
        let (source, shape) = &prologue.values[i];
        let bar = dag.theta(i as u32, shape.clone());
        match source {
            ThetaSource::Param(p) => {
                direct.insert(*p, bar);
            }
            ThetaSource::Computed(id) => roots.push((*id, bar)),
        }
    }
    if roots.is_empty() {
        return Ok(None);
    }
    let mut map = HashMap::new();
    let computed: Vec<NodeId> = roots.iter().map(|(id, _)| *id).collect();
    copy_down(&prologue.dag, &mut dag, &computed, &mut map);
    let params: Vec<NodeId> =
        program.params.iter().enumerate().map(|(i, d)| dag.param(ParamId(i as u32), d.shape.clone())).collect();
    let seeds: Vec<(NodeId, NodeId)> = roots.iter().map(|(id, bar)| (map[id], *bar)).collect();
    let bars = vjp(&mut dag, &seeds, &params, &[], &[])?;
    let mut gradients = Vec::new();
    for (i, bar) in bars.into_iter().enumerate() {
        let shape = &program.params[i].shape;
        let own = direct.get(&ParamId(i as u32)).copied();
        gradients.push(match (own, bar) {
            (Some(a), Some(b)) => dag.add(a, b),
            (Some(a), None) | (None, Some(a)) => a,
            (None, None) => dag.zeros(shape),
        });
    }
    let (dag, gradients) = opt::optimize_dag(&dag, &gradients);
    Ok(Some((dag, gradients)))
}
