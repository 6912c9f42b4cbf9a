//! Tables of numbers from files: reading, labels, splits, standardisation.
//!
//! A path and [`Options`] -> a [`Table`]: columns of f64, class labels, the rows of each split, and the affine map that
//! standardises. Formats: csv and tsv, npy, idx, each also under gzip; npz; parquet, in a build with that feature. A file is
//! read once from its start, and every number of it is looked at; of a large one rows are read again where they are needed.
//! Invariants: every value is finite; splits are disjoint; what standardises is computed on the rows that train alone; a table
//! is the same in memory and on the disk. Deliberately absent: the language, draws, batches.

mod archive;
mod arrays;
mod cells;
mod fault;
mod grid;
mod kind;
mod labels;
mod load;
#[cfg(feature = "parquet")]
mod parquet;
mod scale;
mod select;
mod source;
mod stream;
mod table;

pub use cells::Cells;
pub use fault::{Fault, Place};
pub use load::{MEMORY, Options, load, load_within};
pub use scale::Standardize;
pub use select::Pick;
pub use table::{Column, Labels, Scale, Split, Table};
