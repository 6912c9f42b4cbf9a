//! Datasets as a source of columns: rows that are made once, in an order of their own every epoch.
//!
//! A [`DatasetUse`] and the parameters of earlier stages -> a [`ColumnSource`]. Rows and orders are keyed by the seed and the
//! name of the draw, so a resumed run makes the same again, and two datasets are shuffled apart. Deliberately absent: files.

use super::programs::{Compiled, Draw};
use crate::backend::Backend;
use crate::diag::{Code, Diagnostic};
use crate::elaborate::DatasetUse;
use crate::plan::Forward;
use crate::run::Real;
use crate::run::data_cols::{ColumnSource, DataRows};
use crate::run::pool::Pool;

/// Makes the rows of every dataset; `theta_of` gives a program's parameters.
pub fn sources<T: Real>(
    datasets: &[DatasetUse],
    seed: u64,
    backend: &dyn Backend<T>,
    pool: Pool,
    theta_of: &dyn Fn(&Compiled<T>) -> Vec<T>,
) -> Result<Vec<Box<dyn ColumnSource<T>>>, Diagnostic> {
    let mut out: Vec<Box<dyn ColumnSource<T>>> = Vec::new();
    for d in datasets {
        let forward = Forward {
            program: d.program.clone(),
            solvers: d.solvers.clone(),
            default_solver: d.default_solver.clone(),
        };
        let program = Compiled::solving(&forward, backend, pool)?;
        let draw = Draw { seed, purpose: "dataset", step: 0 };
        let made = program.run(&theta_of(&program), draw, d.count, &[])?;
        let order = super::mixed(seed, &d.site);
        for (input, rows) in d.inputs.iter().zip(made.outputs) {
            let width = rows.values.len() / d.count;
            let source = DataRows::new(*input, rows.values.into(), width, order);
            let source = source.ok_or_else(|| Diagnostic::bare(Code::Internal, "a dataset has no whole rows"))?;
            out.push(Box::new(source));
        }
    }
    Ok(out)
}
