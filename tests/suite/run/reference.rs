//! A back end made of the plain evaluator: slow, general, without any order of operations of its own.

use flowc::backend::{Backend, Kernel, LANES, Layout, PANEL, SharedMut, Unit};
use flowc::diag::Diagnostic;
use flowc::ir::eval::evaluate_batch;
use flowc::ir::{Dag, NodeId};
use flowc::run::Real;

/// Evaluates units lane by lane.
pub struct Reference;

struct Evaluated {
    dag: Dag,
    inputs: Vec<NodeId>,
    theta: Vec<NodeId>,
    outputs: Vec<NodeId>,
    sums: Vec<NodeId>,
    layout: Layout,
}

impl<T: Real> Backend<T> for Reference {
    fn compile(&self, unit: &Unit<'_>) -> Result<Box<dyn Kernel<T>>, Diagnostic> {
        let size = |id: &NodeId| unit.dag.shape(*id).iter().product::<usize>();
        let firsts = |ids: &[NodeId]| {
            let mut at = 0;
            let mut firsts = Vec::new();
            for id in ids {
                firsts.push(at);
                at += size(id);
            }
            (firsts, at)
        };
        let ((input_row, input_rows), (output_row, output_rows)) = (firsts(unit.inputs), firsts(unit.outputs));
        let (theta_len, sums_len) = (firsts(unit.theta).1, firsts(unit.sums).1);
        let layout = Layout {
            input_rows,
            output_rows,
            input_row,
            output_row,
            theta_len,
            packed_len: theta_len,
            slot_len: sums_len,
            sums_len,
            scratch_len: 0,
            flops: 1 << 20,
        };
        Ok(Box::new(Evaluated {
            dag: unit.dag.clone(),
            inputs: unit.inputs.to_vec(),
            theta: unit.theta.to_vec(),
            outputs: unit.outputs.to_vec(),
            sums: unit.sums.to_vec(),
            layout,
        }))
    }
}

impl Evaluated {
    fn leaf<T: Real>(&self, packed: &[T], inputs: &[T], lane: usize, id: NodeId) -> Option<Vec<T>> {
        let size = |id: NodeId| self.dag.shape(id).iter().product::<usize>();
        if let Some(k) = self.inputs.iter().position(|&i| i == id) {
            let row = self.layout.input_row[k];
            return Some((row..row + size(id)).map(|r| inputs[r * LANES + lane]).collect());
        }
        let k = self.theta.iter().position(|&i| i == id)?;
        let first: usize = self.theta[..k].iter().map(|&i| size(i)).sum();
        Some(packed[first..first + size(id)].to_vec())
    }
}

impl<T: Real> Kernel<T> for Evaluated {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn pack(&self, theta: &[T], packed: &SharedMut<T>, part: usize, parts: usize) {
        let n = theta.len();
        let range = n * part / parts..n * (part + 1) / parts;
        // SAFETY: parts are disjoint.
        unsafe { packed.slice_mut(range.clone()) }.copy_from_slice(&theta[range]);
    }

    fn tile(
        &self,
        packed: &[T],
        inputs: &[T],
        outputs: &mut [T],
        slot: &mut [T],
        _scratch: &mut [T],
        panels: usize,
    ) -> u32 {
        let lanes = panels * PANEL;
        for lane in 0..lanes {
            let values =
                evaluate_batch(&self.dag, &self.outputs, 1, |_, id| self.leaf(packed, inputs, lane, id)).unwrap();
            for (&row, value) in self.layout.output_row.iter().zip(values) {
                value.iter().enumerate().for_each(|(r, &x)| outputs[(row + r) * LANES + lane] = x);
            }
        }
        let sums =
            evaluate_batch(&self.dag, &self.sums, lanes, |lane, id| self.leaf(packed, inputs, lane, id)).unwrap();
        for (total, x) in slot.iter_mut().zip(sums.into_iter().flatten()) {
            *total = *total + x;
        }
        0
    }

    fn reduce(&self, slots: &[&[T]], first: usize, out: &mut [T]) {
        for (i, out) in out.iter_mut().enumerate() {
            *out = slots.iter().fold(T::default(), |sum, slot| sum + slot[first + i]);
        }
    }
}
