//! What stands in the input block of a tile.
//!
//! A unit's sources -> [`Feed`]s, each filling some rows of `[row][LANES]`: draws by their key, columns by transposition.
//! Invariant: what a lane holds depends on its sample, never on the tile or the batch. Lanes beyond the last sample hold
//! sound numbers (draws of samples that do not exist, copies of the last row), so no padding makes a NaN.

use super::Real;
use super::step::internal;
use crate::backend::{LANES, PANEL};
use crate::diag::Diagnostic;
use crate::ir::{DrawDecl, DrawKind, InputId, Program};
use crate::rng::{self, Key};
use crate::stage::{GradientPlan, Source};

/// Rows of an input block that are drawn.
#[derive(Clone, Copy, Debug)]
pub struct DrawFeed {
    /// First row.
    pub row: usize,
    /// How many.
    pub rows: usize,
    kind: DrawKind,
    site: u32,
}

impl DrawFeed {
    /// The rows of a draw, from `row` on.
    #[must_use]
    pub fn new(declaration: &DrawDecl, row: usize) -> DrawFeed {
        DrawFeed {
            row,
            rows: declaration.shape.iter().product(),
            kind: declaration.kind,
            site: rng::site(&declaration.site),
        }
    }

    /// Draws for the samples from `first` on.
    pub fn fill<T: Real>(&self, key: Key, step: u64, first: u64, panels: usize, block: &mut [T]) {
        let out = &mut block[self.row * LANES..(self.row + self.rows) * LANES];
        match self.kind {
            DrawKind::Uniform => rng::fill_uniform(out, self.rows, key, self.site, step, first, panels),
            DrawKind::Normal => rng::fill_normal(out, self.rows, key, self.site, step, first, panels),
        }
    }
}

/// Writes rows of samples, row-major `[sample][element]`, to the lanes of `out`, `[element][LANES]`; lanes beyond the last
/// sample repeat it, to the end of its panel.
pub fn transpose<T: Copy>(samples: &[T], width: usize, out: &mut [T]) {
    let count = samples.len() / width;
    for lane in 0..panels(count) * PANEL {
        let sample = lane.min(count - 1);
        for (element, &x) in samples[sample * width..(sample + 1) * width].iter().enumerate() {
            out[element * LANES + lane] = x;
        }
    }
}

/// Panels that hold this many lanes.
#[must_use]
pub fn panels(lanes: usize) -> usize {
    lanes.div_ceil(PANEL)
}

/// Where the rows of a gradient unit's input block come from.
pub(super) struct Feeds {
    pub draws: Vec<DrawFeed>,
    /// Input, first row, width.
    pub columns: Vec<(InputId, usize, usize)>,
    pub weight: Option<usize>,
    pub loss_row: usize,
}

impl Feeds {
    pub fn new(
        program: &Program,
        plan: &GradientPlan,
        input_row: &[usize],
        output_row: &[usize],
    ) -> Result<Feeds, Box<Diagnostic>> {
        let loss_row = *output_row.first().ok_or_else(|| internal("a gradient unit has no loss"))?;
        let mut feeds = Feeds { draws: Vec::new(), columns: Vec::new(), weight: None, loss_row };
        for (&source, &row) in plan.unit.sources.iter().zip(input_row) {
            match source {
                Source::Draw(id) => feeds.draws.push(DrawFeed::new(&program.draws[id.0 as usize], row)),
                Source::Input(id) if plan.weight == Some(id) => feeds.weight = Some(row),
                Source::Input(id) => {
                    let width = program.inputs[id.0 as usize].shape.iter().product();
                    feeds.columns.push((id, row, width));
                }
                Source::Column(_) | Source::State(_) | Source::Time | Source::Bar(_) | Source::Residual(_) => {
                    return Err(internal("a gradient unit reads what only a solve gives"));
                }
            }
        }
        Ok(feeds)
    }
}
