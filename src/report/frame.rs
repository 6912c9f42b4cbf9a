//! One picture: two axes and what is drawn between them, as SVG.
//!
//! Input: data coordinates and class names. Output: an `<svg>` element. Coordinates are whole tenths of a pixel, written as
//! relative moves, so that two thousand points take some 16 kB; colours and widths are classes of the page's style sheet, so
//! that one picture reads in light, dark and print. Invariants: points that are not finite, or outside the frame, are never
//! drawn as if they were elsewhere. Deliberately absent: what is drawn, and any colour.
//!
//! Not built on a plotting crate: there, logarithmic axes over less than a decade (the usual training loss) have no ticks,
//! text is measured by a guess, and colours are constants that cannot follow the reader's theme.

use super::axis::Axis;
use super::names::wrapped;
use super::number;
use std::fmt::Write as _;

/// Space around the plotting area, tenths of a pixel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Margins {
    pub left: i32,
    pub right: i32,
    pub top: i32,
    pub bottom: i32,
}

/// A picture in the making.
pub(super) struct Frame {
    width: i32,
    height: i32,
    margins: Margins,
    x: Axis,
    y: Axis,
    body: String,
}

impl Frame {
    /// `width` and `height` in pixels.
    pub fn new(width: i32, height: i32, margins: Margins, x: Axis, y: Axis) -> Self {
        Frame { width: 10 * width, height: 10 * height, margins, x, y, body: String::new() }
    }

    fn left(&self) -> i32 {
        self.margins.left
    }

    fn right(&self) -> i32 {
        self.width - self.margins.right
    }

    fn bottom(&self) -> i32 {
        self.height - self.margins.bottom
    }

    /// The place of a point in tenths of a pixel; `None` if it is not finite. Far outside is brought to ten frames away, so
    /// that lines towards it keep their direction and numbers stay short.
    fn place(&self, x: f64, y: f64) -> Option<(i32, i32)> {
        let (u, v) = (self.x.at(x), self.y.at(y));
        let u = if u.is_nan() { return None } else { u.clamp(-10.0, 11.0) };
        let v = if v.is_nan() { return None } else { v.clamp(-10.0, 11.0) };
        let w = f64::from(self.right() - self.left());
        let h = f64::from(self.bottom() - self.margins.top);
        Some((self.left() + (u * w).round() as i32, self.bottom() - (v * h).round() as i32))
    }

    /// The axes: grid, ticks, numbers, and a name for each (empty: none). An aligned name for y stands above it.
    pub fn axes(&mut self, ticks: (usize, usize), names: (&str, &str)) {
        let (l, r, t, b) = (self.left(), self.right(), self.margins.top, self.bottom());
        let (grid, mut text) = self.ticks(ticks, true);
        if !names.0.is_empty() {
            let (x, y, name) = ((l + r) / 2, self.height - 20, escape(names.0));
            let _ = write!(text, "<text class=\"an\" x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{name}</text>");
        }
        if !names.1.is_empty() {
            let _ = write!(text, "<text class=\"an\" x=\"{}\" y=\"{}\">{}</text>", l - 5, t - 60, escape(names.1));
        }
        let _ = write!(
            self.body,
            "<path class=\"gr\" d=\"{}\"/><path class=\"ax\" d=\"M{l} {t}V{b}H{r}\"/>{text}",
            grid.data
        );
    }

    /// Axes with short marks outside of the frame, where a grid would cover what is inside.
    pub fn axes_outside(&mut self, ticks: (usize, usize)) {
        let (l, t, b, r) = (self.left(), self.margins.top, self.bottom(), self.right());
        let (marks, text) = self.ticks(ticks, false);
        let _ = write!(
            self.body,
            "<path class=\"ax\" d=\"M{l} {t}V{b}H{r}\"/><path class=\"ax\" d=\"{}\"/>{text}",
            marks.data
        );
    }

    /// The lines of ticks, across the frame or short and outside of it, and their numbers.
    fn ticks(&self, ticks: (usize, usize), across: bool) -> (Path, String) {
        const SHORT: i32 = 35;
        let (l, r, t, b) = (self.left(), self.right(), self.margins.top, self.bottom());
        let mut lines = Path::default();
        let mut text = String::new();
        for v in self.x.ticks(ticks.0) {
            if let Some((x, _)) = self.place(v, self.y.lo) {
                lines.to(x, if across { t } else { b + SHORT });
                lines.line(x, b);
                let _ = write!(text, "<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{}</text>", b + 150, label(v));
            }
        }
        for v in self.y.ticks(ticks.1) {
            if let Some((_, y)) = self.place(self.x.lo, v) {
                lines.to(if across { r } else { l - SHORT }, y);
                lines.line(l, y);
                let _ = write!(text, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", l - 60, y + 38, label(v));
            }
        }
        (lines, text)
    }

    /// A PNG, as text, from edge to edge of these ranges; nothing where they are not finite.
    pub fn image(&mut self, png: &str, x: (f64, f64), y: (f64, f64)) {
        let (Some((l, b)), Some((r, t))) = (self.place(x.0, y.0), self.place(x.1, y.1)) else { return };
        let (w, h) = (r - l, b - t);
        let _ = write!(
            self.body,
            "<image x=\"{l}\" y=\"{t}\" width=\"{w}\" height=\"{h}\" preserveAspectRatio=\"none\" href=\"data:image/png;base64,{png}\"/>"
        );
    }

    /// Names of curves at the right of the frame, each as near to the curve's end (`y`) as the others allow. More than fit are left
    /// to the legend.
    pub fn end_labels(&mut self, ends: &[(f64, &str, String)]) {
        /// Between names, and between the lines of one.
        const APART: i32 = 140;
        const LINE: i32 = 120;
        const LETTERS: usize = 16;
        let names: Vec<Vec<String>> = ends.iter().map(|e| wrapped(e.1, LETTERS)).collect();
        let height = |k: usize| APART + LINE * (names[k].len() as i32 - 1);
        let mut at: Vec<(i32, usize)> =
            ends.iter().enumerate().filter_map(|(k, e)| Some((self.place(self.x.hi, e.0)?.1, k))).collect();
        let (top, bottom) = (self.margins.top + 40, self.bottom());
        if at.iter().map(|a| height(a.1)).sum::<i32>() > bottom - top + APART {
            return;
        }
        at.sort_unstable();
        // Downwards, then what was pushed out at the bottom upwards again.
        let mut free = top;
        for (y, k) in &mut at {
            *y = (*y).max(free);
            free = *y + height(*k);
        }
        let mut free = bottom + APART;
        for (y, k) in at.iter_mut().rev() {
            *y = (*y).min(free - height(*k));
            free = *y;
        }
        let x = self.right() + 60;
        for (y, k) in at {
            let _ = write!(self.body, "<path class=\"l {}\" d=\"M{x} {y}h130\"/>", ends[k].2);
            for (line, words) in names[k].iter().enumerate() {
                let (x, y) = (x + 180, y + 38 + LINE * line as i32);
                let _ = write!(self.body, "<text class=\"an\" x=\"{x}\" y=\"{y}\">{}</text>", escape(words));
            }
        }
    }

    /// Dots. They come in groups, so that where many lie over each other it is darker. Returns how many finite ones lay
    /// outside.
    pub fn dots(&mut self, points: impl IntoIterator<Item = (f64, f64)>, class: &str) -> usize {
        let (paths, outside) = self.dot_paths(points);
        for d in paths {
            let _ = write!(self.body, "<path class=\"{class}\" d=\"{d}\"/>");
        }
        outside
    }

    /// The path data of dots, a group per string.
    pub fn dot_paths(&self, points: impl IntoIterator<Item = (f64, f64)>) -> (Vec<String>, usize) {
        const GROUP: usize = 150;
        let mut paths = vec![Path::default()];
        let (mut outside, mut inside) = (0, 0);
        for (x, y) in points {
            let Some((px, py)) = self.place(x, y).filter(|_| self.x.holds(x) && self.y.holds(y)) else {
                outside += usize::from(x.is_finite() && y.is_finite());
                continue;
            };
            if inside > 0 && inside % GROUP == 0 {
                paths.push(Path::default());
            }
            inside += 1;
            if let Some(path) = paths.last_mut() {
                path.to(px, py);
                path.data.push_str("h0");
            }
        }
        (paths.into_iter().map(|p| p.data).filter(|d| !d.is_empty()).collect(), outside)
    }

    /// A line through the points, broken where one is not finite.
    pub fn line(&mut self, points: impl IntoIterator<Item = (f64, f64)>, class: &str) {
        self.lines([points], class);
    }

    /// Several lines of one class.
    pub fn lines<P: IntoIterator<Item = (f64, f64)>>(&mut self, lines: impl IntoIterator<Item = P>, class: &str) {
        let path = self.line_path(lines);
        self.path(&path, class);
    }

    /// Several lines of one class whose vertices belong to these times; `animate.js` reads both.
    pub fn timed_lines<P: IntoIterator<Item = (f64, f64)>>(
        &mut self,
        lines: impl IntoIterator<Item = P>,
        times: &[f64],
        class: &str,
    ) {
        let path = self.line_path(lines);
        let times: Vec<String> = times.iter().map(|t| number::plain(*t)).collect();
        self.path(&path, &format!("{class}\" data-t=\"{}", times.join(" ")));
    }

    fn line_path<P: IntoIterator<Item = (f64, f64)>>(&self, lines: impl IntoIterator<Item = P>) -> Path {
        let mut path = Path::default();
        for points in lines {
            let mut down = false;
            for (x, y) in points {
                match self.place(x, y) {
                    None => down = false,
                    Some((px, py)) if down => path.line(px, py),
                    Some((px, py)) => {
                        path.to(px, py);
                        down = true;
                    }
                }
            }
        }
        path
    }

    /// The area between two curves over the same x.
    pub fn band(&mut self, points: &[(f64, f64, f64)], class: &str) {
        let there = points.iter().map(|&(x, lo, _)| (x, lo));
        let back = points.iter().rev().map(|&(x, _, hi)| (x, hi));
        let mut path = Path::default();
        for (x, y) in there.chain(back) {
            let Some((px, py)) = self.place(x, y) else { continue };
            if path.data.is_empty() { path.to(px, py) } else { path.line(px, py) }
        }
        path.data.push('z');
        self.path(&path, class);
    }

    /// Arrows of one class: tail, and displacement in tenths of a pixel (up is positive).
    pub fn arrows(&mut self, arrows: impl IntoIterator<Item = ((f64, f64), (f64, f64))>, class: &str) {
        let mut path = Path::default();
        for ((x, y), (dx, dy)) in arrows {
            let Some((px, py)) = self.place(x, y).filter(|_| dx.is_finite() && dy.is_finite()) else { continue };
            let (tx, ty) = (f64::from(px) + dx, f64::from(py) - dy);
            path.to(px, py);
            path.line(tx.round() as i32, ty.round() as i32);
            let size = dx.hypot(dy);
            if size > 15.0 {
                // Head: two strokes back from the tip, 0.45 rad off the shaft.
                let head = (0.38 * size).min(45.0);
                let angle = dy.atan2(dx);
                let wing = |turn: f64| {
                    let a = angle + turn;
                    ((tx - head * a.cos()).round() as i32, (ty + head * a.sin()).round() as i32)
                };
                let ((ax, ay), (bx, by)) = (wing(0.45), wing(-0.45));
                path.to(ax, ay);
                path.line(tx.round() as i32, ty.round() as i32);
                path.line(bx, by);
            }
        }
        self.path(&path, class);
    }

    fn path(&mut self, path: &Path, class: &str) {
        if !path.data.is_empty() {
            let _ = write!(self.body, "<path class=\"{class}\" d=\"{}\"/>", path.data);
        }
    }

    /// A horizontal line across the frame with words at its right end, above it.
    pub fn level(&mut self, y: f64, words: &str) {
        if let Some((_, py)) = self.place(self.x.lo, y).filter(|_| self.y.holds(y)) {
            let (l, r, w) = (self.left(), self.right(), escape(words));
            let _ = write!(
                self.body,
                "<path class=\"lv\" d=\"M{l} {py}H{r}\"/><text x=\"{r}\" y=\"{}\" text-anchor=\"end\">{w}</text>",
                py - 40
            );
        }
    }

    /// Lines of words that begin at the left edge, the last at the height `y`.
    pub fn text_at(&mut self, y: f64, lines: &[String], strong: bool) {
        let Some((_, bottom)) = self.place(self.x.lo, y) else { return };
        let class = if strong { " class=\"bo\"" } else { "" };
        for (k, words) in lines.iter().rev().enumerate() {
            let (x, y) = (self.left() + 40, bottom - 125 * k as i32);
            let _ = write!(self.body, "<text{class} x=\"{x}\" y=\"{y}\">{}</text>", escape(words));
        }
    }

    /// Adds ready-made SVG.
    pub fn raw(&mut self, svg: &str) {
        self.body.push_str(svg);
    }

    /// The element; `words` says in a sentence what there is to see, for those who do not see it.
    pub fn finish(self, words: &str) -> String {
        let (w, h) = (self.width, self.height);
        format!(
            "<svg viewBox=\"0 0 {w} {h}\" style=\"max-width:{}px\" role=\"img\" aria-label=\"{}\">{}</svg>",
            w / 10,
            escape(words),
            self.body
        )
    }
}

/// Path data with relative moves.
#[derive(Default)]
struct Path {
    data: String,
    last: (i32, i32),
    /// Whether an omitted letter means a relative line here: after `m` and `l`, not after the first, absolute `M`.
    lining: bool,
}

impl Path {
    fn to(&mut self, x: i32, y: i32) {
        self.lining = !self.data.is_empty();
        if self.lining {
            let _ = write!(self.data, "m{}", pair(x - self.last.0, y - self.last.1));
        } else {
            let _ = write!(self.data, "M{x} {y}");
        }
        self.last = (x, y);
    }

    fn line(&mut self, x: i32, y: i32) {
        let (dx, dy) = (x - self.last.0, y - self.last.1);
        let letter = match (self.lining, dx < 0) {
            (false, _) => "l",
            (true, true) => "",
            (true, false) => " ",
        };
        let _ = write!(self.data, "{letter}{}", pair(dx, dy));
        self.lining = true;
        self.last = (x, y);
    }
}

fn pair(dx: i32, dy: i32) -> String {
    if dy < 0 { format!("{dx}{dy}") } else { format!("{dx} {dy}") }
}

/// A tick's number, with a true minus sign.
fn label(v: f64) -> String {
    let v = if v.abs() < 1e-12 { 0.0 } else { v };
    let text = if v.abs() >= 1e3 && v.abs() < 1e7 && v.fract() == 0.0 {
        number::count(v.abs() as u64)
    } else {
        number::plain(v.abs())
    };
    if v < 0.0 { format!("−{text}") } else { text }
}

/// Text for HTML, in content and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
