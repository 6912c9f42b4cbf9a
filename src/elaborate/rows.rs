//! `map` over the rows of a matrix or the elements of a vector, without a copy of the function for each.
//!
//! The function is evaluated once, on a row of its own; where nothing in it is new for each row (draws, parameters, solves) the
//! result is lifted to all rows. Otherwise the rows are taken one by one, as a list's items are.

use super::value::{Seq, Value};
use super::{Elaborator, Res};
use crate::ir::{Level, NodeId, over_rows};
use crate::source::Span;

impl Elaborator<'_> {
    /// `map(rows, f)` of a node that is not known at compile time.
    pub(super) fn map_rows(&mut self, rows: NodeId, f: &(Value, Span), span: Span) -> Res<Value> {
        let n = self.program.dag.shape(rows)[0];
        let before = self.made();
        let first = self.row(rows, 0);
        let row = self.program.dag.named(first);
        self.spend(span)?;
        let value = self.apply(&f.0, &[Value::Node(row)], f.1)?;
        if let Value::Node(of) | Value::Truth(of) = value
            && self.made() == before
            && self.program.dag.level(of) > Level::Const
            && let Some((all, map)) = over_rows(&mut self.program.dag, of, row, rows)
        {
            let squares: Vec<_> = self.squares.iter().filter_map(|(a, b)| map.get(a).zip(map.get(b))).collect();
            let squares: Vec<(NodeId, NodeId)> = squares.into_iter().map(|(&a, &b)| (a, b)).collect();
            self.squares.extend(squares);
            let wrap = |n| if matches!(value, Value::Truth(_)) { Value::Truth(n) } else { Value::Node(n) };
            // A vector of reals does all that a list of reals does; other items are rows of what was lifted.
            return Ok(match self.program.dag.shape(of).is_empty() {
                true => wrap(all),
                false => Value::List(Seq::plain((0..n).map(|i| wrap(self.row(all, i))).collect())),
            });
        }
        let mut out = vec![value];
        for i in 1..n {
            self.spend(span)?;
            let row = self.row(rows, i);
            out.push(self.apply(&f.0, &[Value::Node(row)], f.1)?);
        }
        Ok(Value::List(Seq::plain(out)))
    }

    /// How much was asked for of which each row has its own: parameters of the net that we are in, draws, columns, solves.
    fn made(&self) -> (usize, u64, usize, u32) {
        // Parameters of other nets are shared by all rows.
        let own = self.owners.last().map_or(0, |owner| {
            let inside = |n: &&String| n.strip_prefix(&owner.path).is_some_and(|rest| rest.starts_with('.'));
            self.asked.iter().filter(inside).count()
        });
        (own, self.drawn, self.program.inputs.len(), self.regions)
    }
}
