//! Jacobians of right-hand sides, for implicit solvers.
//!
//! A right-hand side -> a unit beside it that reads the same inputs and gives `df_i / dy_j` over all components of the state, one
//! matrix `[dim][dim]`. It is one jvp with an extra axis as wide as the state: exact, and as cheap as the products it shares.

use super::split::{hoist, with_inputs, without_stops};
use super::{ForwardPlan, ObjectivePlan, Prologue, Segment, Source, UnitSpec};
use crate::autodiff::jvp;
use crate::diag::Diagnostic;
use crate::ir::{Dag, NodeId, Shape, copy_down};
use crate::opt;
use std::collections::HashMap;

impl ForwardPlan {
    /// Adds the Jacobian of every solve whose solver `implicit` holds for.
    ///
    /// # Errors
    /// `E0402` for a right-hand side that has no derivative.
    pub fn add_jacobians(&mut self, implicit: impl Fn(u32) -> bool) -> Result<(), Diagnostic> {
        add(&mut self.prologue, &mut self.segments, implicit)
    }
}

impl ObjectivePlan {
    /// As [`ForwardPlan::add_jacobians`].
    ///
    /// # Errors
    /// See there.
    pub fn add_jacobians(&mut self, implicit: impl Fn(u32) -> bool) -> Result<(), Diagnostic> {
        add(&mut self.prologue, &mut self.segments, implicit)
    }
}

fn add(prologue: &mut Prologue, segments: &mut [Segment], implicit: impl Fn(u32) -> bool) -> Result<(), Diagnostic> {
    for segment in segments {
        if let Segment::Solve { rhs, components, solver, noise: None, jacobian, .. } = segment
            && implicit(*solver)
        {
            *jacobian = Some(of(prologue, rhs, components)?);
        }
    }
    Ok(())
}

fn of(prologue: &mut Prologue, rhs: &UnitSpec, components: &[(String, Shape)]) -> Result<UnitSpec, Diagnostic> {
    let sizes: Vec<usize> = components.iter().map(|(_, shape)| shape.iter().product()).collect();
    let dim: usize = sizes.iter().sum();
    let mut dag = Dag::default();
    let mut map: HashMap<NodeId, NodeId> = HashMap::new();
    copy_down(&rhs.dag, &mut dag, &[&rhs.inputs[..], &rhs.outputs].concat(), &mut map);
    let mut seeds = Vec::new();
    for (id, source) in rhs.inputs.iter().zip(&rhs.sources) {
        let Source::State(component) = *source else { continue };
        let (leaf, component) = (map[id], component as usize);
        let own = dag.shape(leaf).to_vec();
        let (size, start) = (sizes[component], sizes[..component].iter().sum());
        let unit = dag.eye(size);
        let unit = dag.reshape(unit, &[&own[..], &[size]].concat());
        seeds.push((leaf, dag.pad(unit, own.len(), start, dim)));
    }
    let slopes: Vec<NodeId> = rhs.outputs.iter().map(|id| map[id]).collect();
    let tangents = jvp(&mut dag, &slopes, &seeds, &[dim], &[])?;
    let rows: Vec<NodeId> = tangents
        .iter()
        .zip(&sizes)
        .map(|(tangent, &size)| match *tangent {
            Some(t) => dag.reshape(t, &[size, dim]),
            None => dag.zeros(&[size, dim]),
        })
        .collect();
    let matrix = dag.concat(0, &rows);
    let mut roots: Vec<NodeId> = rhs.inputs.iter().map(|id| map[id]).collect();
    roots.push(matrix);
    let (dag, roots) = without_stops(&dag, &roots);
    let (dag, roots) = opt::optimize_dag(&dag, &roots);
    let (dag, roots) = hoist(prologue, &dag, &roots);
    let (leaves, matrix) = roots.split_at(rhs.inputs.len());
    let leaves: Vec<(NodeId, Source)> = leaves.iter().copied().zip(rhs.sources.iter().copied()).collect();
    Ok(with_inputs(&dag, &leaves, matrix, &[]))
}
