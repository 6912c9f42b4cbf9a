//! Lanes and rows of the pass back: sums of cotangents, padding, and which rows of two blocks are the same.
//!
//! Deliberately absent: kernels.

use super::Real;
use super::forward::{Role, Step};
use crate::backend::{LANES, Layout};
use crate::solve::BarMap;
use crate::stage::{Source, StageTranspose};

pub(super) fn lanes_of(samples: usize, tile: usize) -> usize {
    (samples - tile * LANES).min(LANES)
}

/// `to += from` in the first lanes of every row.
pub(super) fn add_lanes<T: Real>(to: &mut [T], from: &[T], lanes: usize) {
    for (to, from) in to.chunks_exact_mut(LANES).zip(from.chunks_exact(LANES)) {
        for (to, &from) in to[..lanes].iter_mut().zip(from) {
            *to = *to + from;
        }
    }
}

/// Copies of the last sample in the lanes behind it.
pub(super) fn pad<T: Copy>(column: &mut [T], width: usize, samples: usize) {
    let last = (samples - 1) % LANES;
    let tile = (samples - 1) / LANES;
    for row in column[tile * width * LANES..(tile + 1) * width * LANES].chunks_exact_mut(LANES) {
        let value = row[last];
        row[last + 1..].fill(value);
    }
}

/// Rows that a right-hand side's inputs and a record share, and where cotangents stand.
pub(super) fn solve_rows<T: Real>(
    stage: &StageTranspose,
    layout: &Layout,
    step: &Step<T>,
) -> Option<(Vec<(usize, usize)>, BarMap)> {
    let Role::Solve { rows, firsts, .. } = &step.role else { return None };
    // First capture of each feed.
    let mut first_capture = Vec::new();
    let mut captures = 0;
    for feed in &step.feeds {
        first_capture.push(captures);
        captures += feed.rows;
    }
    let mut shared = Vec::new();
    for (source, &row) in stage.back.sources.iter().zip(&layout.input_row) {
        match source {
            Source::Bar(_) | Source::Residual(_) => {}
            Source::Time => shared.push((rows.time?, row)),
            Source::Column(_) | Source::Draw(_) | Source::Input(_) => {
                let feed = &step.feeds[step.feed(*source)?];
                shared.extend((0..feed.rows).map(|k| (feed.row + k, row + k)));
            }
            Source::State(_) => return None,
        }
    }
    let mut bars = BarMap {
        rows: layout.output_rows,
        state: vec![None; rows.state.len()],
        captures: vec![None; captures],
        time: None,
    };
    for ((source, &row), &id) in stage.outputs.iter().zip(&layout.output_row).zip(&stage.back.outputs) {
        let size: usize = stage.back.dag.shape(id).iter().product();
        match source {
            Source::Time => bars.time = Some(row),
            Source::State(i) => {
                let first = firsts[*i as usize];
                (0..size).for_each(|k| bars.state[first + k] = Some(row + k));
            }
            Source::Column(_) | Source::Draw(_) | Source::Input(_) => {
                let first = first_capture[step.feed(*source)?];
                (0..size).for_each(|k| bars.captures[first + k] = Some(row + k));
            }
            Source::Bar(_) | Source::Residual(_) => return None,
        }
    }
    Some((shared, bars))
}
