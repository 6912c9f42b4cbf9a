//! Parameters and constants in the form that tiles read.
//!
//! Built while a unit is lowered: every use of a value that does not vary with the sample asks for it plain (row-major, for
//! splats and biases) or as row panels (for products), and gets its place in the packed vector. [`Params::pack`] then
//! fills the packed vector from the flat parameter vector. Leaves are copied or packed from where they stand; anything else
//! is evaluated by the interpreter. Parts share the packed vector by ranges, so that they need not wait for each other.

use super::view::{Root, View};
use crate::backend::unit::{Leaf, count};
use crate::backend::{Scalar, SharedMut};
use crate::interp::{Array, evaluate};
use crate::ir::{Dag, NodeId};
use crate::kernels::{KernelTable, Math, ROWS, packed_len};
use std::borrow::Cow;
use std::collections::HashMap;

/// Alignment of regions in scalars: 64 bytes of f32.
const ALIGN: usize = 16;

/// Where an array comes from.
#[derive(Clone, Debug)]
enum Source {
    /// Elements of the flat vector.
    Theta(usize),
    /// A node to evaluate.
    Node(NodeId),
    /// Elements of another array, row-major.
    Gathered(View),
}

/// Elements to bring into the packed vector.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Form {
    /// Row-major.
    Plain { uniform: usize },
    /// Row panels of `W[i][kk] = array[offset + i * row_stride + kk * col_stride]`.
    Panels { uniform: usize, offset: usize, m: usize, k: usize, row_stride: usize, col_stride: usize },
}

/// The plan of a packed vector.
#[derive(Clone, Debug, Default)]
pub struct Params {
    arrays: Vec<(Source, usize)>,
    by_node: HashMap<NodeId, usize>,
    by_view: HashMap<View, usize>,
    forms: Vec<(Form, usize)>,
    known: HashMap<Form, usize>,
    /// Length of the packed vector.
    pub len: usize,
    /// What the interpreter evaluates, operands first, and on what.
    evaluated: Option<(Dag, Vec<NodeId>, Vec<Option<Leaf>>)>,
    /// Matrices of parameters and where elements of the flat vector stand, if everything else is constant.
    scatters: Option<Vec<Scatter>>,
}

/// Where a form has elements of the flat vector.
#[derive(Clone, Debug)]
struct Scatter {
    /// First place in the packed vector.
    at: usize,
    /// First element of the flat vector.
    first: usize,
    form: Lie,
}

/// How these elements lie in the packed vector.
#[derive(Clone, Debug)]
enum Lie {
    /// As they are, so many.
    Plain(usize),
    /// Row panels of a matrix whose rows (`m` of `k` elements) are runs, `pitch` apart.
    Rows { m: usize, k: usize, pitch: usize },
    /// Row panels of a matrix whose columns (`k` of `m` elements) are runs, `pitch` apart.
    Columns { m: usize, k: usize, pitch: usize },
}

impl Params {
    /// The array of a node, as a root of views.
    pub fn array(&mut self, dag: &Dag, id: NodeId, leaf: Option<Leaf>) -> usize {
        if let Some(&known) = self.by_node.get(&id) {
            return known;
        }
        let source = match leaf {
            Some(Leaf::Theta(at)) => Source::Theta(at),
            Some(Leaf::Input(_)) => unreachable!("an input varies with the sample"),
            None => Source::Node(id),
        };
        self.arrays.push((source, count(dag.shape(id))));
        self.by_node.insert(id, self.arrays.len() - 1);
        self.arrays.len() - 1
    }

    fn place(&mut self, form: Form, len: usize) -> usize {
        if let Some(&at) = self.known.get(&form) {
            return at;
        }
        let at = self.len;
        self.known.insert(form.clone(), at);
        self.forms.push((form, at));
        self.len = (at + len).next_multiple_of(ALIGN);
        at
    }

    /// Where the array stands row-major.
    pub fn plain(&mut self, uniform: usize) -> usize {
        let len = self.arrays[uniform].1;
        self.place(Form::Plain { uniform }, len)
    }

    /// Where the elements of a view stand one after another.
    pub fn contiguous(&mut self, view: &View) -> usize {
        let (uniform, offset) = self.contiguous_array(view);
        self.plain(uniform) + offset
    }

    fn contiguous_array(&mut self, view: &View) -> (usize, usize) {
        match view.root {
            Root::Uniform(u) if view.is_contiguous() => (u, view.offset),
            Root::Uniform(_) | Root::Constant(_) => {
                if let Some(&known) = self.by_view.get(view) {
                    return (known, 0);
                }
                self.arrays.push((Source::Gathered(view.clone()), view.len()));
                self.by_view.insert(view.clone(), self.arrays.len() - 1);
                (self.arrays.len() - 1, 0)
            }
            Root::Value(_) => unreachable!("a value varies with the sample"),
        }
    }

    /// Where the row panels of a matrix stand; the first `row_axes` axes of the view are its rows.
    pub fn panels(&mut self, view: &View, row_axes: usize) -> usize {
        let (m, k) = (count(&view.shape[..row_axes]), count(&view.shape[row_axes..]));
        let affine = view.reshape(&[m, k]).filter(|_| matches!(view.root, Root::Uniform(_)));
        let form = match (affine, view.root) {
            (Some(v), Root::Uniform(uniform)) => {
                Form::Panels { uniform, offset: v.offset, m, k, row_stride: v.strides[0], col_stride: v.strides[1] }
            }
            _ => {
                let (uniform, offset) = self.contiguous_array(view);
                Form::Panels { uniform, offset, m, k, row_stride: k, col_stride: 1 }
            }
        };
        self.place(form, packed_len(m, k))
    }

    /// To be called when every use is known: keeps what `pack` has to evaluate.
    pub fn finish(&mut self, dag: &Dag, order: &[NodeId], leaf: &[Option<Leaf>]) {
        let mut needed = vec![false; dag.len()];
        for (source, _) in &self.arrays {
            if let Source::Node(id) = source {
                needed[id.0 as usize] = true;
            }
        }
        for id in order.iter().rev().filter(|id| leaf[id.0 as usize].is_none()) {
            if needed[id.0 as usize] {
                dag.op(*id).for_each_operand(|a| needed[a.0 as usize] = true);
            }
        }
        let order: Vec<NodeId> = order.iter().copied().filter(|id| needed[id.0 as usize]).collect();
        let constant = order.iter().all(|id| !matches!(leaf[id.0 as usize], Some(Leaf::Theta(_))));
        self.scatters = if constant { self.find_scatters() } else { None };
        if !order.is_empty() {
            self.evaluated = Some((dag.clone(), order, leaf.to_vec()));
        }
    }

    fn find_scatters(&self) -> Option<Vec<Scatter>> {
        let mut scatters = Vec::new();
        for &(ref form, at) in &self.forms {
            let uniform = match form {
                Form::Plain { uniform } | Form::Panels { uniform, .. } => *uniform,
            };
            let (first, len) = match &self.arrays[uniform] {
                (Source::Theta(first), len) => (*first, *len),
                (Source::Node(_), _) => continue,
                (Source::Gathered(view), _) => match view.root {
                    Root::Constant(_) => continue,
                    Root::Uniform(u) if matches!(self.arrays[u].0, Source::Node(_)) => continue,
                    Root::Uniform(_) | Root::Value(_) => return None,
                },
            };
            scatters.push(match *form {
                Form::Plain { .. } => Scatter { at, first, form: Lie::Plain(len) },
                Form::Panels { offset, m, k, row_stride, col_stride, .. } => {
                    let form = if (col_stride == 1 || k == 1) && row_stride >= k {
                        Lie::Rows { m, k, pitch: row_stride }
                    } else if (row_stride == 1 || m == 1) && col_stride >= m {
                        Lie::Columns { m, k, pitch: col_stride }
                    } else {
                        return None;
                    };
                    Scatter { at, first: first + offset, form }
                }
            });
        }
        Some(scatters)
    }

    /// See [`crate::backend::Kernel::packs_ranges`].
    pub fn packs_ranges(&self) -> bool {
        self.scatters.is_some()
    }

    /// Brings `theta`, the elements from `first` on of the flat vector, to their places.
    pub fn pack_range<T: Scalar + Math>(
        &self,
        table: &KernelTable<T>,
        theta: &[T],
        first: usize,
        packed: &SharedMut<T>,
    ) {
        assert!(packed.len() >= self.len, "the packed vector has the length of the layout");
        for s in self.scatters.as_ref().expect("asked before") {
            // The range, counted from the first element of the array.
            let (lo, hi) = (first.saturating_sub(s.first), (first + theta.len()).saturating_sub(s.first));
            let element = |i: usize| s.first + i - first;
            match s.form {
                Lie::Plain(len) => {
                    let hi = hi.min(len);
                    if lo < hi {
                        // SAFETY: forms are disjoint in the packed vector, and ranges in the flat one.
                        let to = unsafe { packed.slice_mut(s.at + lo..s.at + hi) };
                        to.copy_from_slice(&theta[element(lo)..=element(hi - 1)]);
                    }
                }
                Lie::Rows { m, k, pitch } => {
                    let mut i = lo / pitch;
                    while i < m && i * pitch < hi {
                        let (panel, rows) = (i / ROWS, ROWS.min(m - i));
                        let panel_at = s.at + panel * ROWS * k;
                        if i % ROWS == 0 && lo <= i * pitch && (i + rows - 1) * pitch + k <= hi {
                            let from = &theta[element(i * pitch)..=element((i + rows - 1) * pitch + k - 1)];
                            // SAFETY: all of the panel's elements are in this range.
                            let to = unsafe { packed.slice_mut(panel_at..panel_at + ROWS * k) };
                            // SAFETY: `from` holds the rows, `to` one panel.
                            unsafe { (table.pack)(from.as_ptr(), to.as_mut_ptr(), rows, k, pitch, 1, k, 0, 1) };
                            i += rows;
                            continue;
                        }
                        let (from, to) = (lo.max(i * pitch), hi.min(i * pitch + k));
                        for e in from..to.max(from) {
                            let place = panel_at + (e - i * pitch) * ROWS + i % ROWS;
                            // SAFETY: the place of one element of this range.
                            unsafe { packed.slice_mut(place..place + 1)[0] = theta[element(e)] };
                        }
                        i += 1;
                    }
                }
                Lie::Columns { m, k, pitch } => {
                    // Whole columns together, what is left of the first and the last one by one.
                    let whole = lo.div_ceil(pitch)..(hi + pitch).saturating_sub(m).div_euclid(pitch).min(k);
                    let mut c = lo / pitch;
                    while c < k && c * pitch < hi {
                        if whole.contains(&c) {
                            let columns = whole.end - c;
                            let from = &theta[element(c * pitch)..=element((whole.end - 1) * pitch + m - 1)];
                            let to = packed.as_mut_ptr().wrapping_add(s.at + c * ROWS);
                            // SAFETY: `from` holds the columns; their places in every panel, and zeros below the last row,
                            // are written by this range only.
                            unsafe { (table.pack)(from.as_ptr(), to, m, columns, 1, pitch, k, 0, m.div_ceil(ROWS)) };
                            c = whole.end;
                            continue;
                        }
                        let (from, to) = (lo.max(c * pitch), hi.min(c * pitch + m));
                        for e in from..to.max(from) {
                            let i = e - c * pitch;
                            let place = s.at + i / ROWS * ROWS * k + c * ROWS + i % ROWS;
                            // SAFETY: the place of one element of this range.
                            unsafe { packed.slice_mut(place..place + 1)[0] = theta[element(e)] };
                        }
                        c += 1;
                    }
                }
            }
        }
    }

    /// The share of `part` of `parts` in filling the packed vector: the elements of its range, whole row panels if they
    /// begin in it.
    pub fn pack<T: Scalar + Math>(
        &self,
        table: &KernelTable<T>,
        theta: &[T],
        packed: &SharedMut<T>,
        part: usize,
        parts: usize,
    ) {
        assert!(packed.len() >= self.len, "the packed vector has the length of the layout");
        let (lo, hi) = (self.len * part / parts, self.len * (part + 1) / parts);
        let mut evaluated: Option<Vec<Option<Array<T>>>> = None;
        for (form, at) in &self.forms {
            match form {
                Form::Plain { uniform } => {
                    let len = self.arrays[*uniform].1;
                    let (from, to) = (lo.max(*at), hi.min(at + len));
                    if from < to {
                        let array = self.value(*uniform, theta, &mut evaluated);
                        // SAFETY: ranges of parts are disjoint, and so are those of forms.
                        unsafe { packed.slice_mut(from..to) }.copy_from_slice(&array[from - at..to - at]);
                    }
                }
                Form::Panels { uniform, offset, m, k, row_stride, col_stride } => {
                    let (panel, panels) = (ROWS * k, m.div_ceil(ROWS));
                    let first = lo.saturating_sub(*at).div_ceil(panel);
                    let last = panels.min(hi.saturating_sub(*at).div_ceil(panel));
                    if first < last {
                        let array = self.value(*uniform, theta, &mut evaluated);
                        let greatest = offset + (m - 1) * row_stride + (k - 1) * col_stride;
                        assert!(greatest < array.len(), "the matrix lies within its array");
                        // SAFETY: a panel belongs to the part in whose range it begins.
                        let mine = unsafe { packed.slice_mut(at + first * panel..at + last * panel) };
                        let base = mine.as_mut_ptr().wrapping_sub(first * panel);
                        // SAFETY: the kernel reads the elements checked above and writes panels first..last, which lie
                        // in `mine`; `base` is where panel 0 stands.
                        unsafe {
                            (table.pack)(
                                array.as_ptr().add(*offset),
                                base,
                                *m,
                                *k,
                                *row_stride,
                                *col_stride,
                                *k,
                                first,
                                last - first,
                            );
                        }
                    }
                }
            }
        }
    }

    fn value<'a, T: Scalar + Math>(
        &self,
        uniform: usize,
        theta: &'a [T],
        evaluated: &mut Option<Vec<Option<Array<T>>>>,
    ) -> Cow<'a, [T]> {
        let (source, len) = &self.arrays[uniform];
        match source {
            Source::Theta(at) => Cow::Borrowed(&theta[*at..at + len]),
            Source::Node(id) => {
                let all = evaluated.get_or_insert_with(|| self.evaluate(theta));
                Cow::Owned(all[id.0 as usize].as_ref().expect("collected by finish").data.clone())
            }
            Source::Gathered(view) => Cow::Owned(match view.root {
                Root::Constant(bits) => vec![T::from_f64(f64::from_bits(bits)); *len],
                Root::Uniform(u) => {
                    let array = self.value(u, theta, evaluated);
                    view.offsets().map(|o| array[o]).collect()
                }
                Root::Value(_) => unreachable!("a value varies with the sample"),
            }),
        }
    }

    fn evaluate<T: Scalar + Math>(&self, theta: &[T]) -> Vec<Option<Array<T>>> {
        let Some((dag, order, leaf)) = &self.evaluated else { return Vec::new() };
        evaluate(dag, order, |id| match leaf[id.0 as usize]? {
            Leaf::Theta(at) => Some(Array { lanes: 1, data: theta[at..at + count(dag.shape(id))].to_vec() }),
            Leaf::Input(_) => unreachable!("an input varies with the sample"),
        })
    }
}
