//! Error against steps: metrics that differ in the number of a solver's steps alone, as curves.
//!
//! Input: the rows of a page. Output: one chart for each family, arms on the same axes. A family is what is left of a metric's name
//! without that number, `wasserstein2(solver: euler(steps: n))`; `quality_by_steps` makes one. Deliberately absent: other keys.

use super::axis::Axis;
use super::charts::{COLOURS, colour};
use super::frame::{Frame, Margins};
use super::sections::{Page, figure, grid, legend, paragraph, section};
use super::summary::Row;
use super::{number, tables};

/// Points that make a curve.
const FEWEST: usize = 3;

/// A metric's name without its number of steps, and the number.
fn family(name: &str) -> Option<(String, u64)> {
    const KEY: &str = "steps: ";
    let at = name.rfind(KEY)? + KEY.len();
    let digits = name[at..].find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(name.len() - at);
    let n = name[at..at + digits].replace('_', "").parse().ok().filter(|n| *n > 0)?;
    Some((format!("{}n{}", &name[..at], &name[at + digits..]), n))
}

/// The families of a page with the rows of each, fewest steps first.
pub(super) fn families<'p, 'a>(rows: &'p [Row<'a>]) -> Vec<(String, Vec<(u64, &'p Row<'a>)>)> {
    let mut all: Vec<(String, Vec<(u64, &Row<'_>)>)> = Vec::new();
    for row in rows {
        let Some((name, n)) = family(&row.metric.name) else { continue };
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, of)) => of.push((n, row)),
            None => all.push((name, vec![(n, row)])),
        }
    }
    all.retain(|(_, of)| of.len() >= FEWEST);
    all.iter_mut().for_each(|(_, of)| of.sort_by_key(|(n, _)| *n));
    all
}

/// The rows that are in no family.
pub(super) fn others<'a>(rows: &[Row<'a>]) -> Vec<Row<'a>> {
    let families = families(rows);
    let in_one = |r: &Row<'_>| families.iter().flat_map(|f| &f.1).any(|(_, of)| of.metric.name == r.metric.name);
    rows.iter().filter(|r| !in_one(r)).cloned().collect()
}

/// What a metric is called where its number of steps does not matter: that of its family, if it is in one.
pub(super) fn shared_name(rows: &[Row<'_>], name: &str) -> String {
    let found = families(rows).into_iter().find(|(_, of)| of.iter().any(|(_, r)| r.metric.name == name));
    found.map_or_else(|| name.to_owned(), |(family, _)| family)
}

/// The floor of an arm with its standard deviation, mean over the numbers of steps.
fn floor(arm: usize, of: &[(u64, &Row<'_>)]) -> Option<(f64, f64)> {
    let all: Vec<(f64, f64)> = of
        .iter()
        .filter_map(|(_, r)| r.arms[arm])
        .filter_map(|s| Some((s.floor?, s.floor_sd.unwrap_or(0.0))))
        .collect();
    let n = all.len() as f64;
    (n > 0.0).then(|| (all.iter().map(|f| f.0).sum::<f64>() / n, all.iter().map(|f| f.1).sum::<f64>() / n))
}

impl Page<'_> {
    /// One curve an arm.
    fn curve(&self, name: &str, of: &[(u64, &Row<'_>)]) -> Option<String> {
        let points = |i: usize| {
            let at = move |(n, row): &(u64, &Row<'_>)| {
                let s = row.arms[i].filter(|s| s.mean.is_finite())?;
                Some((*n as f64, s.mean, s.error.unwrap_or(0.0)))
            };
            of.iter().filter_map(at).collect::<Vec<_>>()
        };
        let curves: Vec<_> = (0..self.arms.len()).map(points).collect();
        let floors: Vec<Option<(f64, f64)>> = (0..self.arms.len()).map(|i| floor(i, of)).collect();
        let known: Vec<(f64, f64)> = floors.iter().flatten().copied().collect();
        // Arms of one run have one floor, estimated anew; those of several may have their own.
        let (low, high) = known.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), f| (a.min(f.0), b.max(f.0)));
        let average = |get: fn(&(f64, f64)) -> f64| known.iter().map(get).sum::<f64>() / known.len() as f64;
        let (middle, spread) = (average(|f| f.0), average(|f| f.1));
        let shared = high - low <= spread + 1e-9 * high.abs();
        let values = || curves.iter().flatten().map(|p| p.1).chain(known.iter().map(|f| f.0));
        let (lo, hi) = (values().reduce(f64::min)?, values().reduce(f64::max)?);
        let (x, y) = (
            Axis::logarithmic(of.first()?.0 as f64, of.last()?.0 as f64).padded(0.03),
            Axis::logarithmic(lo, hi).padded(0.08),
        );
        let room = if self.arms.len() > 1 { 1_150 } else { 200 };
        let margins = Margins { left: 480, right: room, top: 240, bottom: 380 };
        let mut frame = Frame::new(520, 300, margins, x, y);
        let scale = if y.is_log() { " (logarithmic)" } else { "" };
        frame.axes((6, 5), ("steps", &format!("{}{scale}", tables::plain_head(of[0].1.metric))));
        if shared {
            let band = |x: f64| (x, (middle - spread).max(y.lo), (middle + spread).min(y.hi));
            frame.band(&[band(x.lo), band(x.hi)], "b fl");
            frame.level(middle, &format!("floor {}", number::plain(middle)));
        }
        for (i, (f, _)) in floors.iter().enumerate().filter_map(|(i, f)| f.filter(|_| !shared).map(|f| (i, f))) {
            frame.line([(x.lo, f), (x.hi, f)], &format!("l thin dash c{}", i % COLOURS));
        }
        let mut ends = Vec::new();
        for (i, curve) in curves.iter().enumerate() {
            frame.line(curve.iter().map(|p| (p.0, p.1)), &format!("l {}", colour(i)));
            for &(x, m, e) in curve.iter().filter(|p| p.2 > 0.0) {
                frame.line([(x, (m - e).max(y.lo)), (x, (m + e).min(y.hi))], &format!("l thin c{}", i % COLOURS));
            }
            frame.dots(curve.iter().map(|p| (p.0, p.1)), &format!("mn c{}", i % COLOURS));
            ends.extend(curve.last().map(|p| (p.1, self.arms[i].label.as_str(), colour(i))));
        }
        if self.arms.len() > 1 {
            frame.end_labels(&ends);
        }
        let told: Vec<String> = curves
            .iter()
            .enumerate()
            .filter_map(|(i, c)| {
                let (first, last) = (c.first()?, c.last()?);
                let of = |p: &(f64, f64, f64)| format!("{} at {}", number::plain(p.1), number::plain(p.0));
                Some(format!("{} from {} to {}", self.arms[i].label, of(first), of(last)))
            })
            .collect();
        Some(frame.finish(&format!("{name} against the number of steps: {}.", told.join(", "))))
    }

    /// The section of all families.
    pub fn steps(&self) -> String {
        let families = families(&self.rows);
        let figures: Vec<String> = families
            .iter()
            .filter_map(|(name, of)| {
                let svg = self.curve(name, of)?;
                Some(figure(&super::frame::escape(name), &svg, ""))
            })
            .collect();
        if figures.is_empty() {
            return String::new();
        }
        let several = if self.arms.len() > 1 { legend(self) } else { String::new() };
        let reading = "Dots: means with one standard error; dashed: the floor with its standard deviation, or that of each arm. Where the curve meets the floor, more steps buy nothing.";
        let figures = grid(&figures).replace("class=\"grid", "class=\"pairs grid");
        let table = |(_, of): &(String, Vec<(u64, &Row<'_>)>)| {
            tables::metrics(&self.arms, &of.iter().map(|(_, r)| (*r).clone()).collect::<Vec<_>>())
        };
        let numbers: String = families.iter().map(table).collect();
        section("steps", "Error against steps", &(several + &paragraph(reading) + &figures + &numbers))
    }
}
