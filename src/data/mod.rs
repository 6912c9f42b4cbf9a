//! Tables of numbers from files: reading, labels, splits, standardisation.
//!
//! A path and [`Options`] -> a [`Table`]: columns of f64, class labels, the rows of each split, and the affine map that
//! standardisation applied. Formats: csv and tsv, npy, npz, idx, each also under gzip. Invariants: every value is finite; splits
//! are disjoint; what standardises is computed on the rows that train alone. A file is read whole. Deliberately absent: the
//! language, draws, batches, parquet, sets that are larger than memory.

mod arrays;
mod fault;
mod grid;
mod load;
mod select;
mod table;

pub use fault::{Fault, Place};
pub use load::{Options, Standardize, load};
pub use select::Pick;
pub use table::{Column, Labels, Scale, Split, Table};
