//! Densities of the plane as heat maps: the true one, and beside it what each arm has learned.
//!
//! Input: [`Density`] of cells. Output: SVGs that hold a small PNG each, and the section around them. Invariant: all maps of a page
//! have one scale, from zero to the greatest true density (without one: the greatest learned), and the same axes, whatever part of
//! the plane each was computed on. Deliberately absent: contours.

use super::axis::Axis;
use super::charts::NUMBERED;
use super::frame::Frame;
use super::png;
use super::record::{Cell, Density};
use super::sections::{Page, drawn, figure, grid, paragraph, section};
use super::{number, tables};

/// Nine of viridis' colours, from zero to the greatest density: perceptually even, and even without colour vision (Smith and van
/// der Walt, "A better default colormap for Matplotlib", 2015).
const VIRIDIS: [[u8; 3]; 9] = [
    [0x44, 0x01, 0x54],
    [0x47, 0x2d, 0x7b],
    [0x3b, 0x52, 0x8b],
    [0x2c, 0x72, 0x8e],
    [0x21, 0x90, 0x8c],
    [0x27, 0xad, 0x81],
    [0x5d, 0xc8, 0x63],
    [0xaa, 0xdc, 0x32],
    [0xfd, 0xe7, 0x25],
];

/// The colours between them, linearly.
fn palette() -> [[u8; 3]; 256] {
    std::array::from_fn(|i| {
        let at = i as f64 / 255.0 * (VIRIDIS.len() - 1) as f64;
        let k = (at as usize).min(VIRIDIS.len() - 2);
        let mix = |c: usize| {
            let (a, b) = (f64::from(VIRIDIS[k][c]), f64::from(VIRIDIS[k + 1][c]));
            (a + (b - a) * (at - k as f64)).round() as u8
        };
        [mix(0), mix(1), mix(2)]
    })
}

/// The greatest density of a grid of log-densities.
fn greatest(log: &[f32]) -> Option<f64> {
    log.iter().map(|l| f64::from(*l)).filter(|l| l.is_finite()).reduce(f64::max).map(f64::exp)
}

/// The plane that all maps lie in.
fn plane<'a>(maps: impl Iterator<Item = &'a Density> + Clone) -> (Axis, Axis) {
    let axis = |get: fn(&Density) -> (f64, f64)| {
        let ends = maps.clone().map(get);
        let (lo, hi) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), e| (lo.min(e.0), hi.max(e.1)));
        Axis::linear(lo, hi)
    };
    Axis::squared(axis(|d| d.x), axis(|d| d.y))
}

/// One map in its place of the plane; bright where `log` reaches the log of `top`.
fn map(d: &Density, log: &[f32], top: f64, (x, y): (Axis, Axis), words: &str) -> Option<String> {
    if log.is_empty() || log.len() != d.nx * d.ny {
        return None;
    }
    let shade = |l: &f32| {
        let share = f64::from(*l).exp() / top;
        if share.is_finite() { (share.clamp(0.0, 1.0) * 255.0).round() as u8 } else { 0 }
    };
    // The picture begins at the top, where y is greatest.
    let pixels: Vec<u8> = log.chunks_exact(d.nx).rev().flatten().map(shade).collect();
    let mut frame = Frame::new(300, 286, NUMBERED, x, y);
    frame.image(&png::indexed(&pixels, d.nx, d.ny, &palette()), d.x, d.y);
    frame.axes_outside((5, 5));
    Some(frame.finish(words))
}

impl Page<'_> {
    /// The density section.
    pub fn density(&self) -> String {
        if self.arms.iter().any(|a| a.first(|c| c.density.as_ref().filter(|d| d.ny == 1)).is_some()) {
            return self.density_of_the_line();
        }
        let (arms, capped) = drawn(self);
        let found: Vec<_> = arms.iter().map(|a| a.first(|c| c.density.as_ref().filter(|d| d.ny > 1))).collect();
        let all = || found.iter().flatten().map(|(_, d)| *d);
        let most = |get: fn(&Density) -> &[f32]| all().filter_map(|d| greatest(get(d))).reduce(f64::max);
        let Some(top) = most(|d| &d.target).or_else(|| most(|d| &d.learned)) else { return String::new() };
        // Arms that share their target share its points, even if their maps show other parts of the plane.
        let mut targets: Vec<(&Cell, &Density)> = Vec::new();
        for &(cell, d) in found.iter().flatten().filter(|(_, d)| !d.target.is_empty()) {
            if !targets.iter().any(|(c, t)| c.target == cell.target && (c.target.is_some() || *t == d)) {
                targets.push((cell, d));
            }
        }
        let axes = plane(all());
        let mut figures: Vec<String> = Vec::new();
        for (_, d) in &targets {
            figures.extend(
                map(d, &d.target, top, axes, "Density of the target.").map(|svg| figure("target", &svg, "exact")),
            );
        }
        for (i, (cell, d)) in found.iter().enumerate().filter_map(|(i, f)| f.map(|f| (i, f))) {
            let words = format!("Density learned by {}, on the scale of the target's.", self.arms[i].label);
            let over = greatest(&d.learned).filter(|g| *g > top * 1.005);
            let over = over.map_or_else(String::new, |g| format!(" · up to {}", number::plain(g)));
            let note = format!("learned · seed {}{over}", cell.seed);
            figures.extend(
                map(d, &d.learned, top, axes, &words).map(|s| figure(&tables::arm_label(&self.arms, i), &s, &note)),
            );
        }
        // Of rounding no edge is seen.
        let short = |a: Axis, (lo, hi): (f64, f64)| (lo - a.lo).max(a.hi - hi) > 1e-6 * a.length();
        let parts = all().any(|d| short(axes.0, d.x) || short(axes.1, d.y));
        let blank = if parts { " Blank: where a map was not computed." } else { "" };
        let reading = format!(
            "Probability density, all on the same axes and one scale of colour.{blank}{capped}<span class=\"ramp\">0 <i class=\"heat\"></i> {}</span>",
            number::plain(top)
        );
        section(
            "density",
            "Density",
            &(paragraph(&reading) + &grid(&figures).replace("class=\"grid", "class=\"maps grid")),
        )
    }
}
