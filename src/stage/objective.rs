//! A loss whose program solves, with its gradient.
//!
//! The program is cut into segments as a forward plan is; then the segments are transposed from the last to the first, each
//! with respect to the columns that parameters reach. What is constant to derivatives stays marked until then.

use super::split::{finish, without_stops};
use super::{ObjectivePlan, Segment, Source, Transpose, UnitSpec, errors, forward, gradient, transpose};
use crate::diag::Diagnostic;
use crate::ir::{NodeId, Op, Program, reachable};
use std::collections::{BTreeSet, HashMap};

/// Whether a loss reads the result of a solve: then it is an [`objective`], else [`super::gradient`] is enough.
#[must_use]
pub fn solves(program: &Program, loss: NodeId) -> bool {
    let dag = &program.dag;
    let seen = reachable(dag, &[loss], |_| false);
    dag.ids().any(|id| seen[id.0 as usize] && matches!(dag.op(id), Op::Solve(_)))
}

/// Whether a loss (derivatives expanded) has a gradient, short of making it.
///
/// # Errors
/// Solves that cannot be cut.
pub fn trainable(program: &Program, loss: NodeId) -> Result<(), Diagnostic> {
    if !solves(program, loss) {
        return Ok(());
    }
    let program = Program { outputs: vec![("loss".to_owned(), loss)], ..program.clone() };
    forward::cut(&program).map(|_| ())
}

/// Cuts and transposes a scalar loss of a program (derivatives expanded). The loss is per sample: the cotangent of its
/// column is the weight of the sample.
///
/// # Errors
/// As [`super::forward`]; `E9999` if the loss is not a scalar, or is differentiated through an equation with noise.
pub fn objective(program: &Program, loss: NodeId) -> Result<ObjectivePlan, Diagnostic> {
    if !program.dag.shape(loss).is_empty() {
        return Err(errors::loss_shape(&program.dag, loss));
    }
    let program = Program { outputs: vec![("loss".to_owned(), loss)], ..program.clone() };
    let cut = forward::cut(&program)?;
    let mut plan = ObjectivePlan {
        prologue: cut.prologue,
        segments: cut.segments,
        columns: cut.columns,
        loss: cut.outputs[0].1,
        ..ObjectivePlan::default()
    };
    let active = activity(&plan);
    let counts = (program.inputs.len(), plan.columns.len());
    let mut reached = vec![false; plan.columns.len()];
    reached[plan.loss] = true;
    for segment in plan.segments.iter_mut().rev() {
        let made = match segment {
            Segment::Map { unit, columns } => {
                let made = transpose::map(&mut plan.prologue, unit, columns, counts, &|c| active[c], &|c| reached[c])?;
                *unit = stripped(unit, counts.0);
                if let Transpose::Map { bars, .. } = &made {
                    bars.iter().for_each(|&c| reached[c] = true);
                }
                made
            }
            Segment::Solve { rhs, span, inits, results, noise, .. } => {
                if results.iter().any(|&c| active[c] && reached[c]) {
                    if noise.is_some() {
                        return Err(errors::misplaced(&program.dag, loss, "a gradient through noise"));
                    }
                    let moving = (active[span.0], active[span.1]);
                    let (value, made) = transpose::stage(&mut plan.prologue, rhs, moving, &|c| active[c])?;
                    *rhs = value;
                    let captures = made.outputs.iter().filter_map(|source| match source {
                        Source::Column(c) => Some(*c),
                        _ => None,
                    });
                    for c in captures.chain(inits.iter().copied()).chain([span.0, span.1]) {
                        reached[c] |= active[c];
                    }
                    Transpose::Solve(Box::new(made))
                } else {
                    *rhs = stripped(rhs, counts.0);
                    if let Some(noise) = noise {
                        noise.unit = stripped(&noise.unit, counts.0);
                    }
                    Transpose::Nothing
                }
            }
        };
        plan.transposes.push(made);
    }
    plan.transposes.reverse();
    let cotangents: BTreeSet<usize> = plan.transposes.iter().flat_map(Transpose::cotangents).copied().collect();
    let cotangents: Vec<usize> = cotangents.into_iter().collect();
    plan.epilogue = gradient::epilogue(&program, &plan.prologue, &cotangents)?;
    Ok(plan)
}

impl ObjectivePlan {
    /// Every unit with a name: segments as `map0`, `rhs1`, `diffusion1`, `jacobian1`, their transposes as `map0_back`, `rhs1_record`, `rhs1_back`.
    pub fn units(&self) -> impl Iterator<Item = (String, &UnitSpec)> {
        let segments = self.segments.iter().enumerate().flat_map(|(i, s)| match s {
            Segment::Map { unit, .. } => vec![(format!("map{i}"), unit)],
            Segment::Solve { rhs, noise, jacobian, .. } => {
                let diffusion = noise.as_ref().map(|n| (format!("diffusion{i}"), &n.unit));
                let jacobian = jacobian.as_ref().map(|unit| (format!("jacobian{i}"), unit));
                [(format!("rhs{i}"), rhs)].into_iter().chain(diffusion).chain(jacobian).collect()
            }
        });
        let transposes = self.transposes.iter().enumerate().rev().flat_map(|(i, t)| match t {
            Transpose::Nothing => vec![],
            Transpose::Map { unit, .. } => vec![(format!("map{i}_back"), unit)],
            Transpose::Solve(stage) => {
                vec![(format!("rhs{i}_record"), &stage.record), (format!("rhs{i}_back"), &stage.back)]
            }
        });
        segments.chain(transposes)
    }
}

impl Transpose {
    /// For each sum of its unit, the prologue value whose cotangent it is.
    #[must_use]
    pub fn cotangents(&self) -> &[usize] {
        match self {
            Transpose::Nothing => &[],
            Transpose::Map { cotangents, .. } => cotangents,
            Transpose::Solve(stage) => &stage.cotangents,
        }
    }
}

/// Which columns change with the parameters.
fn activity(plan: &ObjectivePlan) -> Vec<bool> {
    let mut active = vec![false; plan.columns.len()];
    for segment in &plan.segments {
        match segment {
            Segment::Map { unit, columns } => {
                let moving = movement(unit, &active);
                for (&id, &c) in unit.outputs.iter().zip(columns) {
                    active[c] = moving[&id];
                }
            }
            Segment::Solve { rhs, span, inits, results, .. } => {
                let moving = movement(rhs, &active);
                let any =
                    [span.0, span.1].iter().chain(inits).any(|&c| active[c]) || rhs.outputs.iter().any(|id| moving[id]);
                results.iter().for_each(|&c| active[c] = any);
            }
        }
    }
    active
}

/// Which values of a unit change with parameters or active columns.
fn movement(unit: &UnitSpec, active: &[bool]) -> HashMap<NodeId, bool> {
    let mut moving: HashMap<NodeId, bool> = HashMap::new();
    for (&id, &source) in unit.inputs.iter().zip(&unit.sources) {
        moving.insert(id, matches!(source, Source::Column(c) if active[c]));
    }
    for id in unit.dag.ids() {
        if moving.contains_key(&id) {
            continue;
        }
        let any = match unit.dag.op(id) {
            Op::Theta(_) => true,
            Op::Stop(_) => false,
            op => {
                let mut any = false;
                op.for_each_operand(|a| any |= moving[&a]);
                any
            }
        };
        moving.insert(id, any);
    }
    moving
}

/// A unit that is only evaluated.
fn stripped(unit: &UnitSpec, inputs: usize) -> UnitSpec {
    let (dag, outputs) = without_stops(&unit.dag, &unit.outputs);
    finish(&dag, outputs, vec![], inputs)
}
