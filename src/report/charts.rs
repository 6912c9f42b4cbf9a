//! The pictures of the page.
//!
//! Input: arms of a record. Output: SVG elements, each with a sentence for its `aria-label`. Invariants: pictures of one kind
//! share their axes, so that arms can be compared by eye; every picture shows one named seed or says what its band is.
//! Deliberately absent: captions and layout (see `sections`).

use super::axis::Axis;
use super::frame::{Frame, Margins};
use super::names::wrapped;
use super::number;
use super::project::Projection;
use super::record::{FieldSlice, Points, Trajectories};
use super::summary::{Arm, Row, Statistic};

/// Colours of arms; more arms repeat them with dashes.
pub(super) const COLOURS: usize = 8;
/// Steps of the speed scale.
pub(super) const SPEEDS: usize = 7;

/// `c0 dash`: the class of an arm.
pub(super) fn colour(arm: usize) -> String {
    format!("c{}{}", arm % COLOURS, if arm >= COLOURS { " dash" } else { "" })
}

/// A small picture with few numbers.
const SMALL: Margins = Margins { left: 300, right: 40, top: 40, bottom: 200 };
pub(super) const NUMBERED: Margins = Margins { left: 360, right: 80, top: 60, bottom: 240 };

/// Training loss over steps of these of the arms, each in its colour; `None` without a finite loss. A narrow picture stands beside
/// others.
pub(super) fn loss(arms: &[Arm<'_>], these: &[usize], narrow: bool, floor: Option<f64>) -> Option<String> {
    const BUCKETS: usize = 200;
    let several = arms.len() > 1;
    let arms: Vec<&Arm<'_>> = these.iter().map(|i| &arms[*i]).collect();
    let last = arms.iter().flat_map(|a| &a.cells).filter_map(|c| c.loss.last()).map(|l| l.0).max()?;
    let curves: Vec<Vec<(f64, f64, f64, f64)>> = arms.iter().map(|a| banded(a, last, BUCKETS)).collect();
    let judged: Vec<Vec<(f64, f64)>> = arms.iter().map(|a| validated(a)).collect();
    let own = || judged.iter().flatten().map(|p| p.1);
    let values = || curves.iter().flatten().flat_map(|&(_, lo, _, hi)| [lo, hi]).chain(own()).chain(floor);
    let (lo, hi) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    if curves.iter().all(Vec::is_empty) {
        return None;
    }
    let y = Axis::logarithmic(lo, hi).padded(0.04);
    let room = if several { 1_250 } else { 250 };
    let margins = Margins { left: 480, right: room, top: 240, bottom: 380 };
    let (width, ticks) = if narrow { (520, 4) } else { (1040, 8) };
    let mut frame = Frame::new(width, 340, margins, Axis::linear(0.0, last as f64), y);
    frame.axes((ticks, 6), ("training step", if y.is_log() { "training loss (logarithmic)" } else { "training loss" }));
    if let Some(f) = floor {
        frame.level(f, &format!("floor {}", number::plain(f)));
    }
    for (i, curve) in curves.iter().enumerate() {
        let band: Vec<_> = curve.iter().map(|&(x, lo, _, hi)| (x, lo, hi)).collect();
        frame.band(&band, &format!("b {}", colour(these[i])));
    }
    for (i, curve) in curves.iter().enumerate() {
        frame.line(curve.iter().map(|&(x, _, mid, _)| (x, mid)), &format!("l {}", colour(these[i])));
        frame.line(judged[i].iter().copied(), &format!("l {} dash", colour(these[i])));
    }
    let last_values = arms.iter().zip(&curves).enumerate();
    let ends = last_values.filter_map(|(i, (a, c))| c.last().map(|p| (p.2, a.label.as_str(), colour(these[i]))));
    if several {
        frame.end_labels(&ends.collect::<Vec<_>>());
    }
    let ends: Vec<String> = arms
        .iter()
        .zip(&curves)
        .filter_map(|(a, c)| c.last().map(|p| format!("{} ends at {}", a.label, number::plain(p.2))))
        .collect();
    Some(frame.finish(&format!("Training loss over {} steps: {}.", number::count(last), ends.join(", "))))
}

/// (step, loss at draws that are not trained on), mean over the seeds.
fn validated(arm: &Arm<'_>) -> Vec<(f64, f64)> {
    let Some((first, _)) = arm.first(|c| c.validation.first()) else { return vec![] };
    let at = |step: u64| {
        let all = arm.cells.iter().filter_map(|c| c.validation.iter().find(|v| v.0 == step)).map(|v| v.1);
        let all: Vec<f64> = all.filter(|v| v.is_finite()).collect();
        (!all.is_empty()).then(|| (step as f64, all.iter().sum::<f64>() / all.len() as f64))
    };
    first.validation.iter().filter_map(|v| at(v.0)).collect()
}

/// (step, low, middle, high) per bucket of steps. With several seeds: least, mean and greatest of the seeds' bucket means;
/// with one: 10 %, mean and 90 % of the steps in the bucket.
fn banded(arm: &Arm<'_>, last: u64, buckets: usize) -> Vec<(f64, f64, f64, f64)> {
    let width = (last as f64 / buckets as f64).max(1.0);
    let mut sorted: Vec<Vec<Vec<f64>>> = vec![vec![Vec::new(); arm.cells.len()]; buckets + 1];
    for (k, cell) in arm.cells.iter().enumerate() {
        for &(step, value) in cell.loss.iter().filter(|l| l.1.is_finite()) {
            sorted[((step as f64 / width) as usize).min(buckets)][k].push(value);
        }
    }
    let average = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let mut out = Vec::new();
    for (i, bucket) in sorted.iter_mut().enumerate() {
        let means: Vec<f64> = bucket.iter().filter(|v| !v.is_empty()).map(|v| average(v)).collect();
        let x = ((i as f64 + 0.5) * width).min(last as f64);
        match means.as_slice() {
            [] => {}
            [mean] if arm.cells.len() == 1 => {
                bucket[0].sort_by(f64::total_cmp);
                out.push((x, quantile(&bucket[0], 0.1), *mean, quantile(&bucket[0], 0.9)));
            }
            many => {
                let lo = many.iter().copied().fold(f64::INFINITY, f64::min);
                let hi = many.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                out.push((x, lo, average(many), hi));
            }
        }
    }
    out
}

/// Of sorted values, the nearest rank.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * q).round() as usize]
}

/// One metric: a dot with a bar of one standard error per arm, its seeds as small dots, and its floor.
pub(super) fn bars(row: &Row<'_>, arms: &[Arm<'_>]) -> Option<String> {
    let there: Vec<(usize, Statistic)> =
        row.arms.iter().enumerate().filter_map(|(i, s)| s.filter(|s| s.mean.is_finite()).map(|s| (i, s))).collect();
    let seeds = |i: usize| {
        let metrics = arms[i].cells.iter().filter_map(|c| c.metrics.iter().find(|m| m.name == row.metric.name));
        metrics.map(|m| m.value).filter(|v| v.is_finite())
    };
    let floor = |s: &Statistic| s.floor.map(|f| (f, s.floor_sd.unwrap_or(0.0)));
    let reach = there.iter().flat_map(|(i, s)| {
        let e = s.error.unwrap_or(0.0);
        [s.mean - e, s.mean + e].into_iter().chain(seeds(*i))
    });
    let floors = there.iter().filter_map(|(_, s)| floor(s));
    let values: Vec<f64> = reach.chain(floors.flat_map(|(f, sd)| [f - sd, f + sd])).collect();
    let lo = values.iter().copied().reduce(f64::min)?;
    let hi = values.iter().copied().reduce(f64::max)?;
    // Counts that are equal by design are no picture.
    if lo == hi && there.len() > 1 {
        return None;
    }
    // Letters that the width holds. A lane is 30 pixels high and 13 more for every further line of its name.
    const LETTERS: usize = 46;
    let names: Vec<Vec<String>> = there.iter().map(|(i, _)| wrapped(&arms[*i].label, LETTERS)).collect();
    let lane = |k: usize| f64::from(17 + 13 * names[k].len() as i32);
    let height: f64 = (0..there.len()).map(lane).sum();
    let margins = Margins { left: 60, right: 130, top: 20, bottom: 220 };
    let x = Axis::linear(lo, hi).padded(0.06);
    let mut frame = Frame::new(340, 24 + height as i32, margins, x, Axis::linear(0.0, height));
    frame.axes((5, 0), ("", ""));
    // Each arm has the floor of its own run; where lanes share one it is one line.
    let mut top = height;
    let mut floors: Vec<((f64, f64), f64, f64)> = Vec::new();
    for (k, (_, s)) in there.iter().enumerate() {
        let bottom = top - lane(k);
        match (floor(s), floors.last_mut()) {
            (Some(f), Some((last, _, low))) if *last == f && *low == top => *low = bottom,
            (Some(f), _) => floors.push((f, top, bottom)),
            (None, _) => {}
        }
        top = bottom;
    }
    for ((f, sd), high, low) in floors {
        frame.band(&[(f - sd, low, high), (f + sd, low, high)], "b fl");
        frame.line([(f, low), (f, high)], "lv");
    }
    let mut bottom = height;
    for (k, (i, s)) in there.iter().enumerate() {
        bottom -= lane(k);
        let y = bottom + 10.0;
        let class = format!("c{}", i % COLOURS);
        frame.text_at(y + 9.0, &names[k], row.best == Some(*i));
        if let Some(e) = s.error {
            frame.line([(s.mean - e, y), (s.mean + e, y)], &format!("eb {class}"));
        }
        frame.dots(seeds(*i).map(|v| (v, y)), &format!("sd {class}"));
        frame.dots([(s.mean, y)], &format!("mn {class}"));
    }
    let told: Vec<String> = there
        .iter()
        .map(|(i, s)| format!("{} {}", arms[*i].label, number::with_error(s.mean, s.error.unwrap_or(0.0))))
        .collect();
    Some(frame.finish(&format!("{}: {}.", row.metric.name, told.join(", "))))
}

/// What the sample pictures of a page have in common.
pub(super) struct Stage {
    pub projection: Projection,
    x: Axis,
    y: Axis,
}

impl Stage {
    /// The plane of the target with room for all of it and for the middle 99 % of each arm's samples.
    pub fn new(target: &Points, samples: &[&Points]) -> Option<Self> {
        let projection = Projection::fit(target)?;
        let spread = |points: &Points, cut: f64| -> Option<[(f64, f64); 2]> {
            let places: Vec<(f64, f64)> = points
                .rows()
                .filter_map(|r| projection.place(r))
                .filter(|p| p.0.is_finite() && p.1.is_finite())
                .collect();
            let range = |get: fn(&(f64, f64)) -> f64| {
                let mut v: Vec<f64> = places.iter().map(get).collect();
                v.sort_by(f64::total_cmp);
                (!v.is_empty()).then(|| (quantile(&v, cut), quantile(&v, 1.0 - cut)))
            };
            Some([range(|p| p.0)?, range(|p| p.1)?])
        };
        let mut all: Vec<[(f64, f64); 2]> = spread(target, 0.0).into_iter().collect();
        all.extend(samples.iter().filter_map(|s| spread(s, 0.005)));
        let axis = |k: usize| {
            let lo = all.iter().map(|a| a[k].0).fold(f64::INFINITY, f64::min);
            let hi = all.iter().map(|a| a[k].1).fold(f64::NEG_INFINITY, f64::max);
            Axis::linear(lo, hi).padded(0.05)
        };
        let (x, y) = Axis::squared(axis(0), axis(1));
        Some(Stage { projection, x, y })
    }

    fn scatter_frame(&self) -> Frame {
        Frame::new(300, 286, NUMBERED, self.x, self.y)
    }

    fn places<'a>(&'a self, points: &'a Points, most: usize) -> impl Iterator<Item = (f64, f64)> + 'a {
        self.places_of(points, most, None)
    }

    /// Those of one class.
    fn places_of<'a>(
        &'a self,
        points: &'a Points,
        most: usize,
        class: Option<u32>,
    ) -> impl Iterator<Item = (f64, f64)> + 'a {
        let n = points.len();
        let kept = n.min(most);
        let rows = (0..kept).map(move |i| i * n / kept);
        rows.filter(move |row| class.is_none_or(|c| points.labels.get(*row) == Some(&c))).map(move |row| {
            let place = self.projection.place(&points.data[row * points.dim..(row + 1) * points.dim]);
            place.unwrap_or((f64::NAN, f64::NAN))
        })
    }

    /// The target's dots, to be drawn in every picture by reference to `#target`.
    pub fn target(&self, target: &Points, most: usize) -> String {
        let (paths, _) = self.scatter_frame().dot_paths(self.places(target, most));
        let paths: String = paths.iter().map(|d| format!("<path d=\"{d}\"/>")).collect();
        format!(
            "<svg width=\"0\" height=\"0\" class=\"defs\" aria-hidden=\"true\"><defs><g id=\"target\" class=\"p tg\">{paths}</g></defs></svg>"
        )
    }

    /// Samples of one arm over the target, in the colours of these classes if there are some; and how many lie outside the picture.
    pub fn scatter(
        &self,
        samples: Option<&Points>,
        arm: usize,
        classes: &[u32],
        most: usize,
        words: &str,
    ) -> (String, usize) {
        let mut frame = self.scatter_frame();
        frame.axes((5, 5), ("", ""));
        frame.raw("<use href=\"#target\"/>");
        let outside = match samples {
            None => 0,
            Some(s) if classes.is_empty() => frame.dots(self.places(s, most), &format!("p c{}", arm % COLOURS)),
            Some(s) => {
                let of = |(k, c): (usize, &u32)| frame.dots(self.places_of(s, most, Some(*c)), &format!("p c{k}"));
                classes.iter().enumerate().map(of).sum()
            }
        };
        (frame.finish(words), outside)
    }

    /// Particles on their way; a grey dot where each starts, a coloured one where it ends.
    pub fn trajectories(&self, t: &Trajectories, target: Option<&Points>, arm: usize, words: &str) -> String {
        let ways: Vec<Vec<(f64, f64)>> = t
            .particles()
            .map(|p| p.chunks_exact(t.dim).filter_map(|row| self.projection.place(row)).collect())
            .collect();
        let all = || ways.iter().flatten().filter(|p| p.0.is_finite() && p.1.is_finite());
        let range = |get: fn(&(f64, f64)) -> f64| {
            let lo = all().map(get).fold(f64::INFINITY, f64::min);
            Axis::linear(lo, all().map(get).fold(f64::NEG_INFINITY, f64::max)).padded(0.03)
        };
        let (x, y) = Axis::squared(range(|p| p.0), range(|p| p.1));
        let mut frame = Frame::new(300, 286, NUMBERED, x, y);
        frame.axes((5, 5), ("", ""));
        let class = format!("c{}", arm % COLOURS);
        const GHOSTS: usize = 600;
        if let Some(target) = target {
            frame.dots(self.places(target, GHOSTS), "p tg");
        }
        frame.timed_lines(ways.iter().map(|w| w.iter().copied()), &t.times, &format!("l thin {class}"));
        frame.dots(ways.iter().filter_map(|w| w.first().copied()), "p big tg");
        frame.dots(ways.iter().filter_map(|w| w.last().copied()), &format!("p big {class}"));
        frame.finish(words)
    }
}

/// Densities on the line: the target as an area, samples as a line.
pub(super) fn histogram(target: &Points, samples: &Points, arm: usize, words: &str) -> Option<String> {
    const BINS: usize = 60;
    let finite = |p: &Points| -> Vec<f64> { p.data.iter().map(|&v| f64::from(v)).filter(|v| v.is_finite()).collect() };
    let (t, s) = (finite(target), finite(samples));
    let mut both: Vec<f64> = t.iter().chain(&s).copied().collect();
    both.sort_by(f64::total_cmp);
    if t.is_empty() || s.is_empty() {
        return None;
    }
    let (lo, hi) = (quantile(&both, 0.002), quantile(&both, 0.998));
    let width = ((hi - lo) / BINS as f64).max(f64::MIN_POSITIVE);
    let density = |v: &[f64]| -> Vec<f64> {
        let mut bins = vec![0.0; BINS];
        for x in v.iter().filter(|x| **x >= lo && **x <= hi) {
            bins[(((x - lo) / width) as usize).min(BINS - 1)] += 1.0 / (v.len() as f64 * width);
        }
        bins
    };
    let (dt, ds) = (density(&t), density(&s));
    let top = dt.iter().chain(&ds).copied().fold(0.0, f64::max);
    let mut frame = Frame::new(300, 240, NUMBERED, Axis::linear(lo, hi), Axis::linear(0.0, top * 1.05));
    frame.axes((5, 4), ("", ""));
    let edge = |i: usize| lo + i as f64 * width;
    let area: Vec<_> = dt.iter().enumerate().flat_map(|(i, &d)| [(edge(i), 0.0, d), (edge(i + 1), 0.0, d)]).collect();
    frame.band(&area, "b tg");
    frame.line(
        ds.iter().enumerate().flat_map(|(i, &d)| [(edge(i), d), (edge(i + 1), d)]),
        &format!("l c{}", arm % COLOURS),
    );
    Some(frame.finish(words))
}

/// Particles on the line over time.
pub(super) fn trajectories_over_time(t: &Trajectories, arm: usize, words: &str) -> Option<String> {
    let finite = || t.data.iter().map(|&v| f64::from(v)).filter(|v| v.is_finite());
    let (lo, hi) = (finite().reduce(f64::min)?, finite().reduce(f64::max)?);
    let time = Axis::linear(0.0, t.times.last().copied()?);
    let mut frame = Frame::new(300, 240, NUMBERED, time, Axis::linear(lo, hi).padded(0.03));
    frame.axes((5, 5), ("", ""));
    let ways = t.particles().map(|p| t.times.iter().copied().zip(p.iter().map(|&v| f64::from(v))));
    frame.timed_lines(ways, &t.times, &format!("l thin c{}", arm % COLOURS));
    Some(frame.finish(words))
}

/// The speed that 95 % of the grid points of all slices stay below: far from the data a field has spikes.
pub(super) fn top_speed(slices: &[FieldSlice]) -> f64 {
    let mut speeds: Vec<f64> =
        slices.iter().flat_map(|s| s.v.chunks_exact(2)).map(speed).filter(|v| v.is_finite()).collect();
    speeds.sort_by(f64::total_cmp);
    if speeds.is_empty() { 0.0 } else { quantile(&speeds, 0.95) }
}

fn speed(v: &[f32]) -> f64 {
    f64::from(v[0]).hypot(f64::from(v[1]))
}

/// The velocity at one time: arrows on at most 21 by 21 grid points. Their length grows with the square root of the speed, so
/// that slow places still show a direction; `top` is as long as a grid step. `particles`, with the number of their arm, are
/// drawn where they are at the recorded time nearest to the slice's.
pub(super) fn field(slice: &FieldSlice, top: f64, particles: Option<(&Trajectories, usize)>) -> Option<String> {
    const MOST: usize = 21;
    if slice.nx < 2 || slice.ny < 2 || slice.v.len() != 2 * slice.nx * slice.ny || top <= 0.0 {
        return None;
    }
    // Side of the plotting area, tenths of a pixel.
    const SIDE: i32 = 230;
    const PLOT: f64 = (10 * SIDE - SMALL.left - SMALL.right) as f64;
    let picks = |n: usize| -> Vec<usize> { (0..n).step_by(n.div_ceil(MOST)).collect() };
    let (xs, ys) = (picks(slice.nx), picks(slice.ny));
    let (x, y) =
        Axis::squared(Axis::linear(slice.x.0, slice.x.1).padded(0.05), Axis::linear(slice.y.0, slice.y.1).padded(0.05));
    // As much room below as beside: the plane is square.
    let height = SIDE + (SMALL.top + SMALL.bottom - SMALL.left - SMALL.right) / 10;
    let mut frame = Frame::new(SIDE, height, SMALL, x, y);
    frame.axes_outside((4, 4));
    let cell = PLOT * (slice.x.1 - slice.x.0) / x.length() / (xs.len() - 1).max(1) as f64;
    let mut bins = [const { Vec::new() }; SPEEDS];
    for &iy in &ys {
        for &ix in &xs {
            let at = 2 * (iy * slice.nx + ix);
            let v = [f64::from(slice.v[at]), f64::from(slice.v[at + 1])];
            let relative = v[0].hypot(v[1]) / top;
            if !relative.is_finite() {
                continue;
            }
            let long = relative.sqrt().min(1.2) * 0.95 * cell;
            let unit = (relative * top).max(f64::MIN_POSITIVE);
            let d = (v[0] / unit * long, v[1] / unit * long);
            let along = |i: usize, n: usize, r: (f64, f64)| r.0 + (r.1 - r.0) * i as f64 / (n - 1) as f64;
            let centre = (along(ix, slice.nx, slice.x), along(iy, slice.ny, slice.y));
            let tail = (centre.0 - d.0 / 2.0 * x.length() / PLOT, centre.1 - d.1 / 2.0 * y.length() / PLOT);
            bins[((relative * SPEEDS as f64) as usize).min(SPEEDS - 1)].push((tail, d));
        }
    }
    for (k, arrows) in bins.into_iter().enumerate() {
        frame.arrows(arrows, &format!("w v{k}"));
    }
    if let Some((t, arm)) = particles.filter(|p| p.0.dim == 2) {
        let nearest = (0..t.times.len()).min_by(|&a, &b| {
            let off = |k: usize| (t.times[k] - slice.t).abs();
            off(a).total_cmp(&off(b))
        })?;
        let at = |p: &[f32]| (f64::from(p[2 * nearest]), f64::from(p[2 * nearest + 1]));
        frame.dots(t.particles().map(at), &format!("p mid c{}", arm % COLOURS));
    }
    Some(frame.finish(&format!("Velocity field at t = {}, arrows coloured by speed.", number::plain(slice.t))))
}
