//! Tables of numbers from files: reading, labels, splits, standardisation.
//!
//! A path and [`Options`] -> a [`Table`]: columns of f64, class labels, the rows of each split, and the affine map that
//! standardisation applied. Invariants: every value is finite; splits are disjoint; what standardises is computed on the rows
//! that train alone. Deliberately absent: the language, draws, batches, sets that are larger than memory.

mod table;

pub use table::{Column, Labels, Scale, Split, Table};
