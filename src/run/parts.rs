//! A compiled unit of a training step.
//!
//! Deliberately absent: its buffers, which belong to a section.

use super::Real;
use super::theta::ThetaMap;
use crate::backend::{Backend, Kernel, Unit};
use crate::diag::Diagnostic;
use crate::stage::UnitSpec;

/// A kernel with the map from parameters to its vector.
pub(super) struct Part<T: Real> {
    pub kernel: Box<dyn Kernel<T>>,
    pub theta_map: ThetaMap,
}

impl<T: Real> Part<T> {
    pub fn new(
        name: &str,
        spec: &UnitSpec,
        theta_map: ThetaMap,
        backend: &dyn Backend<T>,
    ) -> Result<Part<T>, Diagnostic> {
        let kernel = backend.compile(&Unit {
            name,
            dag: &spec.dag,
            inputs: &spec.inputs,
            theta: &spec.theta,
            outputs: &spec.outputs,
            sums: &spec.sums,
        })?;
        Ok(Part { kernel, theta_map })
    }
}
