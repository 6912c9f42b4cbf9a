//! Trees of einsums become one einsum.
//!
//! An operand is taken in if nobody else uses it, or if it is a product without contraction (cheap to repeat, and the order
//! pass makes it once where that is best). Sums are not distributed over.

use super::pruned;
use super::uses;
use crate::ir::{Dag, Einsum, Level, NodeId, Op, rebuild};

/// Most operands of a flattened einsum: the order pass looks at every pair of disjoint subsets, 3^12 = 531,441 of them.
pub const MAX_OPERANDS: usize = 12;

/// Pairs of subsets that one pass over a program looks at: as many as sixteen products of [`MAX_OPERANDS`] have. A program
/// with more gets smaller trees, hence perhaps a dearer order, and never minutes of compilation.
pub const WORK: u64 = 16 * 531_441;

/// Pairs of disjoint subsets of so many operands.
pub fn pairs(operands: usize) -> u64 {
    3u64.saturating_pow(operands as u32)
}

/// The most operands of a tree at which the order pass has no more than [`WORK`] to do; two are always a product.
fn most(dag: &Dag, roots: &[NodeId], uses: &[u32]) -> usize {
    let seen = crate::ir::reachable(dag, roots, |_| false);
    let work = |most: usize| {
        dag.ids()
            .filter(|id| seen[id.0 as usize])
            .filter_map(|id| match dag.op(id) {
                Op::Einsum(e) => Some(e),
                _ => None,
            })
            .map(|e| {
                let mut tree = Tree::new(e);
                tree.grown(dag, uses, most);
                if tree.operands.len() > 2 { pairs(tree.operands.len()) } else { 0 }
            })
            .fold(0, u64::saturating_add)
    };
    (3..=MAX_OPERANDS).rev().find(|&most| work(most) <= WORK).unwrap_or(2)
}

/// Flattens every maximal tree.
pub fn flatten(from: &Dag, roots: &[NodeId]) -> (Dag, Vec<NodeId>) {
    let uses = uses(from, roots);
    let most = most(from, roots, &uses);
    let mut into = Dag::default();
    let map = rebuild(from, &mut into, roots, |dag, map, id| {
        let Op::Einsum(e) = from.op(id) else { return None };
        let tree = Tree::grow(from, e, &uses, most)?;
        let operands: Vec<(NodeId, &[u32])> = tree.operands.iter().map(|o| (map[&o.id], o.axes.as_slice())).collect();
        let output: Vec<u32> = (0..u32::from(e.output_rank)).collect();
        let flat = dag.einsum_with(&operands, &output, &|i| tree.extents.get(i as usize).copied());
        Some(dag.scale(tree.scale, flat))
    });
    pruned(&into, roots.iter().map(|r| map[r]).collect())
}

/// A factor of a flattened product.
#[derive(Clone)]
pub struct Operand {
    pub id: NodeId,
    pub axes: Vec<u32>,
    /// Below a product that others use too: a contraction here would be done twice.
    pub shared: bool,
}

/// A flattened product.
#[derive(Clone)]
pub struct Tree {
    pub operands: Vec<Operand>,
    pub extents: Vec<usize>,
    pub scale: f64,
}

impl Tree {
    /// The tree below an einsum; `None` if there is nothing to take in.
    fn grow(dag: &Dag, root: &Einsum, uses: &[u32], most: usize) -> Option<Tree> {
        let mut tree = Tree::new(root);
        tree.grown(dag, uses, most).then_some(tree)
    }

    /// An einsum as it is.
    pub fn new(root: &Einsum) -> Tree {
        let name = |axes: &[u8]| axes.iter().map(|&i| u32::from(i)).collect();
        Tree {
            operands: root
                .operands
                .iter()
                .map(|(id, axes)| Operand { id: *id, axes: name(axes), shared: false })
                .collect(),
            extents: root.extents.clone(),
            scale: 1.0,
        }
    }

    /// Takes in what may be taken in, up to `most` operands; whether there was anything.
    pub fn grown(&mut self, dag: &Dag, uses: &[u32], most: usize) -> bool {
        let mut grown = false;
        let mut k = 0;
        while k < self.operands.len() {
            if self.absorb(dag, k, uses, most) {
                grown = true;
            } else {
                k += 1;
            }
        }
        grown
    }

    /// Takes operand `k` apart if that is allowed.
    fn absorb(&mut self, dag: &Dag, k: usize, uses: &[u32], most: usize) -> bool {
        let mut id = self.operands[k].id;
        let mut alone = uses[id.0 as usize] == 1 && !self.operands[k].shared;
        let mut scale = 1.0;
        while let Op::Scale(c, a) = *dag.op(id) {
            scale *= f64::from_bits(c);
            id = a;
            alone &= uses[id.0 as usize] == 1;
        }
        let Op::Einsum(e) = dag.op(id) else { return false };
        // A repetition: its index would be lost.
        if (0..e.output_rank).any(|i| e.operands.iter().all(|(_, axes)| !axes.contains(&i))) {
            return false;
        }
        let product = !e.contracts() && e.operands.len() > 1;
        let cheap = product || dag.level(id) <= Level::Theta;
        if !(alone || cheap) || self.operands.len() + e.operands.len() - 1 > most {
            return false;
        }
        // Indices: the inner output takes the names of the axes, the summed ones get new names.
        let outer = self.operands.remove(k);
        let rank = usize::from(e.output_rank);
        let first = self.extents.len();
        self.extents.extend(&e.extents[rank..]);
        if self.extents.len() > 64 {
            self.extents.truncate(first);
            self.operands.insert(k, outer);
            return false;
        }
        let name = |i: u8| {
            let i = usize::from(i);
            if i < rank { outer.axes[i] } else { (first + i - rank) as u32 }
        };
        let inner = e.operands.iter().map(|(id, axes)| Operand {
            id: *id,
            axes: axes.iter().map(|&i| name(i)).collect(),
            shared: !alone,
        });
        self.operands.splice(k..k, inner);
        self.scale *= scale;
        true
    }
}
