//! Densities of the line: what each arm has learned over the true one.
//!
//! Input: [`Density`] of cells, one row of its grid. Output: the section of them, as curves. Invariant: all curves of a page have the
//! same axes. Deliberately absent: estimates from samples (`charts::histogram`).

use super::axis::Axis;
use super::charts::{COLOURS, NUMBERED};
use super::frame::Frame;
use super::record::Density;
use super::sections::{Page, drawn, figure, grid, paragraph, section};
use super::tables;

/// (x, density) at the centres of the cells.
fn curve<'d>(d: &'d Density, log: &'d [f32]) -> impl Iterator<Item = (f64, f64)> + Clone + 'd {
    let at = |i: usize| d.x.0 + (d.x.1 - d.x.0) * (i as f64 + 0.5) / d.nx as f64;
    log.iter().enumerate().map(move |(i, l)| (at(i), f64::from(*l).exp()))
}

impl Page<'_> {
    pub(super) fn density_of_the_line(&self) -> String {
        let (arms, capped) = drawn(self);
        let found: Vec<_> = arms.iter().map(|a| a.first(|c| c.density.as_ref().filter(|d| d.ny == 1))).collect();
        let all = || found.iter().flatten().map(|(_, d)| *d);
        let tops = all().flat_map(|d| curve(d, &d.target).chain(curve(d, &d.learned))).map(|p| p.1);
        let Some(top) = tops.filter(|v| v.is_finite()).reduce(f64::max) else { return String::new() };
        let ends = all().map(|d| d.x).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or_default();
        let mut figures = Vec::new();
        for (i, (cell, d)) in found.iter().enumerate().filter_map(|(i, f)| f.map(|f| (i, f))) {
            let mut frame = Frame::new(300, 240, NUMBERED, Axis::linear(ends.0, ends.1), Axis::linear(0.0, top * 1.05));
            frame.axes((5, 4), ("", ""));
            frame.band(&curve(d, &d.target).map(|(x, p)| (x, 0.0, p)).collect::<Vec<_>>(), "b tg");
            frame.line(curve(d, &d.learned), &format!("l c{}", i % COLOURS));
            let note = if d.learned.is_empty() {
                "the sampler has no density".to_owned()
            } else {
                format!("learned · seed {}", cell.seed)
            };
            let svg = frame.finish(&format!("Density learned by {} over that of the target.", self.arms[i].label));
            figures.push(figure(&tables::arm_label(&self.arms, i), &svg, &note));
        }
        let known = if all().any(|d| !d.target.is_empty()) { " (line) over the exact one (grey area)" } else { "" };
        let reading = format!("Probability density as learned{known}, all on the same axes.{capped}");
        section("density", "Density", &(paragraph(&reading) + &grid(&figures)))
    }
}
