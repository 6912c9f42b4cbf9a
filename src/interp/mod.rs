//! The meaning of a unit, in plain Rust.
//!
//! [`Unit`] -> [`Kernel`] that evaluates nodes one after another, each as a whole array, generic in the scalar. Every
//! operation is done in the order stated in `src/ir/einsum.rs`, `src/backend/sums.rs` and `src/codegen/mod.rs`, so its bits
//! are those of generated code. Deliberately absent: speed.

mod eval;

pub use eval::{Array, evaluate};

use crate::backend::sums::{Order, PARTIALS, Products, Sums};
use crate::backend::unit::{Facts, Leaf, count, row_major};
use crate::backend::{Backend, Kernel, LANES, Layout, PANEL, Scalar, SharedMut, Unit};
use crate::diag::Diagnostic;
use crate::ir::{Dag, NodeId};
use crate::kernels::Math;

/// The interpreter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Interp;

/// A checked unit with its own copy of the DAG.
struct Interpreted {
    dag: Dag,
    facts: Facts,
    outputs: Vec<NodeId>,
}

impl<T: Scalar + Math> Backend<T> for Interp {
    fn compile(&self, unit: &Unit<'_>) -> Result<Box<dyn Kernel<T>>, Diagnostic> {
        let mut facts = Facts::new(unit)?;
        facts.layout.packed_len = facts.layout.theta_len;
        Ok(Box::new(Interpreted { dag: unit.dag.clone(), facts, outputs: unit.outputs.to_vec() }))
    }
}

impl<T: Scalar + Math> Kernel<T> for Interpreted {
    fn layout(&self) -> &Layout {
        &self.facts.layout
    }

    fn pack(&self, theta: &[T], packed: &SharedMut<T>, part: usize, parts: usize) {
        let n = self.facts.layout.theta_len;
        assert_eq!(theta.len(), n, "the flat parameter vector");
        let mine = n * part / parts..n * (part + 1) / parts;
        // SAFETY: parts are disjoint ranges.
        unsafe { packed.slice_mut(mine.clone()) }.copy_from_slice(&theta[mine]);
    }

    fn tile(&self, packed: &[T], inputs: &[T], outputs: &mut [T], slot: &mut [T], _: &mut [T], panels: usize) -> u32 {
        let layout = &self.facts.layout;
        assert!((1..=LANES / PANEL).contains(&panels), "1 to 8 panels");
        assert!(packed.len() >= layout.packed_len && inputs.len() >= layout.input_rows * LANES, "inputs as laid out");
        assert!(outputs.len() >= layout.output_rows * LANES && slot.len() >= layout.slot_len, "outputs as laid out");
        let lanes = panels * PANEL;
        let values = evaluate(&self.dag, &self.facts.order, |id| {
            let shape = self.dag.shape(id);
            match self.facts.leaf(id)? {
                Leaf::Theta(at) => Some(Array { lanes: 1, data: packed[at..at + count(shape)].to_vec() }),
                Leaf::Input(row) => {
                    let rows = inputs[row * LANES..].chunks(LANES).take(count(shape));
                    Some(Array { lanes, data: rows.flat_map(|r| &r[..lanes]).copied().collect() })
                }
            }
        });
        let value = |id: NodeId| values[id.0 as usize].as_ref().expect("evaluated: it is needed");
        for (&id, &row) in self.outputs.iter().zip(&layout.output_row) {
            for (i, out) in outputs[row * LANES..].chunks_mut(LANES).take(count(self.dag.shape(id))).enumerate() {
                out[..lanes].iter_mut().enumerate().for_each(|(l, o)| *o = value(id).at(i, l));
            }
        }
        add_sums(&self.facts.sums, slot, lanes, value);
        0
    }

    fn packs_ranges(&self) -> bool {
        true
    }

    fn pack_range(&self, theta: &[T], first: usize, packed: &SharedMut<T>) {
        // SAFETY: ranges are disjoint.
        unsafe { packed.slice_mut(first..first + theta.len()) }.copy_from_slice(theta);
    }

    fn reduce(&self, slots: &[&[T]], first: usize, out: &mut [T]) {
        self.facts.sums.reduce(slots, first, out);
    }
}

/// Adds the lanes of a tile to a slot.
fn add_sums<'a, T: Scalar + Math>(sums: &Sums, slot: &mut [T], lanes: usize, value: impl Fn(NodeId) -> &'a Array<T>) {
    for region in &sums.regions {
        let slot = &mut slot[region.at..region.at + region.len];
        match &region.order {
            Order::Products(p) => add_products(p, slot, lanes, value(p.d.0), value(p.x.0)),
            Order::Lanes(a) => {
                for (i, partials) in slot.chunks_mut(PARTIALS).enumerate() {
                    for l in 0..lanes {
                        partials[l % PARTIALS] = partials[l % PARTIALS] + value(*a).at(i, l);
                    }
                }
            }
        }
    }
}

fn add_products<T: Scalar + Math>(p: &Products, slot: &mut [T], lanes: usize, d: &Array<T>, x: &Array<T>) {
    // Row-major offset of an operand's element: its own group of indices outside, the contracted ones inside.
    let offsets = |axes: &[u8], own: &[u8]| -> Vec<usize> {
        let shape: Vec<usize> = axes.iter().map(|&i| p.extents[i as usize]).collect();
        let strides = row_major(&shape);
        let order: Vec<u8> = own.iter().chain(&p.blocks).copied().collect();
        let extents: Vec<usize> = order.iter().map(|&i| p.extents[i as usize]).collect();
        (0..count(&extents))
            .map(|mut flat| {
                let mut offset = 0;
                for (&i, &n) in order.iter().zip(&extents).rev() {
                    offset += flat % n * strides[axes.iter().position(|&a| a == i).expect("an axis of it")];
                    flat /= n;
                }
                offset
            })
            .collect()
    };
    let (d_at, x_at) = (offsets(&p.d.1, &p.rows), offsets(&p.x.1, &p.columns));
    let blocks = p.block_count();
    for i in 0..p.m() {
        for j in 0..p.k() {
            let acc = &mut slot[i * p.pitch() + j];
            for b in 0..blocks {
                for l in 0..lanes {
                    *acc = d.at(d_at[i * blocks + b], l).fma(x.at(x_at[j * blocks + b], l), *acc);
                }
            }
        }
    }
}
