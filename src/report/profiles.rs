//! What happens between source and target: the coefficients of the path, and how fast things move.
//!
//! Input: the arms of a page. Output: the section of paths. Speeds of the flow come from its recorded particles, those of the path
//! from pairs of independent ends. Deliberately absent: velocities in space (`charts::field`).

use super::axis::Axis;
use super::charts::{NUMBERED, colour};
use super::frame::{Frame, Margins};
use super::record::{PathCoefficients, Trajectories};
use super::sections::{Page, figure, grid, legend, paragraph, section};
use super::tables;

/// a(t), b(t), and the noise where there is any.
fn coefficients(p: &PathCoefficients, words: &str) -> Option<String> {
    let curves = [(&p.a, "a", "l c0"), (&p.b, "b", "l c1 dash"), (&p.noise, "noise", "l c2 dot")];
    let values = || curves.iter().flat_map(|c| c.0).copied().filter(|v| v.is_finite());
    let (lo, hi) = (values().reduce(f64::min)?, values().reduce(f64::max)?);
    let margins = Margins { right: 620, ..NUMBERED };
    let mut frame = Frame::new(300, 220, margins, Axis::linear(0.0, 1.0), Axis::linear(lo, hi).padded(0.04));
    frame.axes((5, 5), ("", ""));
    let mut ends = Vec::new();
    for (values, name, class) in curves {
        frame.line(p.t.iter().copied().zip(values.iter().copied()), class);
        ends.extend(values.last().map(|v| (*v, name, class.trim_start_matches("l ").to_owned())));
    }
    frame.end_labels(&ends);
    Some(frame.finish(words))
}

/// Root mean square over particles of the speed between recorded times: (time, speed).
fn speed(t: &Trajectories) -> Vec<(f64, f64)> {
    let n = t.particles().count();
    let between = |k: usize| {
        let dt = t.times[k + 1] - t.times[k];
        let moved = t.particles().map(|p| {
            let (a, b) = (&p[k * t.dim..(k + 1) * t.dim], &p[(k + 1) * t.dim..(k + 2) * t.dim]);
            a.iter().zip(b).map(|(a, b)| f64::from(b - a).powi(2)).sum::<f64>()
        });
        ((t.times[k] + t.times[k + 1]) / 2.0, (moved.sum::<f64>() / n as f64).sqrt() / dt)
    };
    (0..t.times.len().saturating_sub(1)).map(between).filter(|p| n > 0 && p.1.is_finite()).collect()
}

impl Page<'_> {
    /// Speeds of all arms on the same axes.
    fn speeds(&self) -> Option<String> {
        let flow: Vec<Vec<(f64, f64)>> = self
            .arms
            .iter()
            .map(|a| a.first(|c| c.trajectories.as_ref()).map_or_else(Vec::new, |t| speed(t.1)))
            .collect();
        let pairs: Vec<Vec<(f64, f64)>> = self
            .arms
            .iter()
            .map(|a| {
                let p = a.first(|c| c.path.as_ref()).map(|p| p.1);
                let both = |p: &PathCoefficients| p.t.iter().copied().zip(p.speed.iter().copied()).collect();
                p.map_or_else(Vec::new, both)
            })
            .collect();
        if flow.iter().all(Vec::is_empty) {
            return None;
        }
        let finite = |curves: &[Vec<(f64, f64)>]| -> Vec<f64> {
            let mut v: Vec<f64> = curves.iter().flatten().map(|p| p.1).filter(|v| v.is_finite()).collect();
            v.sort_by(f64::total_cmp);
            v
        };
        // A path may end with an unbounded velocity: the axis follows all but its last twentieth.
        let (of_flow, of_pairs) = (finite(&flow), finite(&pairs));
        let most = of_pairs.get(of_pairs.len() * 19 / 20).or(of_pairs.last());
        let top = of_flow.last().copied().into_iter().chain(most.copied()).reduce(f64::max)?;
        let room = if self.arms.len() > 1 { 1_150 } else { 200 };
        let margins = Margins { left: 420, right: room, top: 120, bottom: 380 };
        let ends = self.arms.iter().filter_map(|a| a.first(|c| c.trajectories.as_ref())?.1.times.last().copied());
        let ends = ends.chain(pairs.iter().filter_map(|p| p.last().map(|p| p.0)));
        let time = Axis::linear(0.0, ends.reduce(f64::max)?);
        let mut frame = Frame::new(520, 260, margins, time, Axis::linear(0.0, top).padded(0.0));
        frame.axes((5, 5), ("t", ""));
        let mut ends = Vec::new();
        for i in 0..self.arms.len() {
            frame.line(pairs[i].iter().copied().filter(|p| p.1 <= top * 1.02), &format!("l thin {} dash", colour(i)));
            frame.line(flow[i].iter().copied(), &format!("l {}", colour(i)));
            ends.extend(flow[i].last().map(|p| (p.1, self.arms[i].label.as_str(), colour(i))));
        }
        if self.arms.len() > 1 {
            frame.end_labels(&ends);
        }
        Some(frame.finish("Speed over time: of the flow's particles, and of pairs along the path."))
    }

    /// The section of paths and speeds.
    pub fn paths(&self) -> String {
        let mut seen = Vec::new();
        let mut figures = Vec::new();
        for (i, arm) in self.arms.iter().enumerate() {
            let Some((_, p)) = arm.first(|c| c.path.as_ref()) else { continue };
            if seen.contains(&(&p.a, &p.b, &p.noise)) {
                continue;
            }
            seen.push((&p.a, &p.b, &p.noise));
            let words = format!("Coefficients of the path of {}.", arm.label);
            figures.extend(coefficients(p, &words).map(|svg| figure(&tables::arm_label(&self.arms, i), &svg, "")));
        }
        let mut body = String::new();
        if !figures.is_empty() {
            let reading = "x<sub>t</sub> = a(t) x<sub>0</sub> + b(t) x<sub>1</sub>, with noise where the path adds some; one picture per distinct path.";
            body += &(paragraph(reading) + &grid(&figures));
        }
        if let Some(svg) = self.speeds() {
            let pairs =
                self.arms.iter().any(|a| a.first(|c| c.path.as_ref().filter(|p| !p.speed.is_empty())).is_some());
            let dashed =
                if pairs { " Dashed: pairs of independent ends along the path, which the flow averages." } else { "" };
            let reading = format!("Root mean square speed over time. Line: particles of the flow.{dashed}");
            let svg = format!("<div class=\"pairs grid\"><figure class=\"scroll\">{svg}</figure></div>");
            body += &format!("<h3>Speed</h3>{}{}{svg}", legend(self), paragraph(&reading));
        }
        section("paths", "Path and speed", &body)
    }
}
