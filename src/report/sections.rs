//! The parts of the page: a heading, a sentence on how to read it, pictures or tables.
//!
//! Input: a record with its arms. Output: HTML of one section, empty if there is nothing to show. Invariant: every picture
//! says which seed it shows, and every cap (points, arms) is stated. Deliberately absent: statistics and drawing.

use super::charts::{self, COLOURS, SPEEDS, Stage};
use super::frame::escape;
use super::names::breakable;
use super::record::{Points, RunRecord};
use super::summary::{Arm, Row, error_note, origins, steps as steps_planned};
use super::{highlight, images, notes, number, steps, stiffness, tables};
use std::collections::BTreeMap;

/// Points per picture, and in all of a page's sample pictures.
const POINTS: usize = 2_000;
const POINTS_IN_ALL: usize = 48_000;
/// Arms whose velocity and trajectories are drawn.
const ARMS_DRAWN: usize = 8;

/// Hidden unless the script runs.
const MOTION: &str = "<div class=\"motion\" hidden><button type=\"button\" aria-label=\"play\">▶</button>\
    <input type=\"range\" min=\"0\" max=\"1\" step=\"0.002\" value=\"0\" aria-label=\"time\"><output>t = 0.00</output></div>";

pub(super) struct Page<'a> {
    pub record: &'a RunRecord,
    pub arms: Vec<Arm<'a>>,
    pub rows: Vec<Row<'a>>,
}

pub(super) fn section(id: &str, title: &str, body: &str) -> String {
    if body.is_empty() {
        return String::new();
    }
    format!("<section id=\"{id}\"><h2>{title}</h2>{body}</section>")
}

pub(super) fn figure(title: &str, svg: &str, note: &str) -> String {
    let note = if note.is_empty() { String::new() } else { format!("<small>{note}</small>") };
    format!("<figure><figcaption>{title}{note}</figcaption>{svg}</figure>")
}

pub(super) fn grid(figures: &[String]) -> String {
    match figures {
        [] => String::new(),
        [one] => format!("<div class=\"grid one\">{one}</div>"),
        many => format!("<div class=\"grid\">{}</div>", many.concat()),
    }
}

pub(super) fn paragraph(text: &str) -> String {
    format!("<p class=\"q\">{text}</p>")
}

/// How the arms' colours are called; nothing for one arm.
pub(super) fn legend(page: &Page<'_>) -> String {
    let names: Vec<String> = page.arms.iter().map(|a| a.label.clone()).collect();
    if names.len() < 2 { String::new() } else { swatches(&names) }
}

/// Names with the colours of their numbers; nothing without names.
fn swatches(names: &[String]) -> String {
    let item = |(i, name): (usize, &String)| {
        let dash = if i >= COLOURS { " dash" } else { "" };
        format!("<li><i class=\"sw c{}{dash}\"></i>{}</li>", i % COLOURS, escape(name))
    };
    let items: String = names.iter().enumerate().map(item).collect();
    if items.is_empty() { items } else { format!("<ul class=\"legend\">{items}</ul>") }
}

/// The classes of samples with what they are called; empty where there are none, or more than colours.
fn classes<'p>(samples: impl Iterator<Item = &'p Points>) -> Vec<(u32, String)> {
    let mut all: BTreeMap<u32, String> = BTreeMap::new();
    for points in samples {
        for class in &points.labels {
            let name = points.classes.get(*class as usize).filter(|n| !n.bytes().all(|b| b.is_ascii_digit()));
            all.entry(*class).or_insert_with(|| name.cloned().unwrap_or_else(|| format!("class {class}")));
        }
    }
    if all.len() > COLOURS { vec![] } else { all.into_iter().collect() }
}

pub(super) fn drawn<'p, 'a>(page: &'p Page<'a>) -> (&'p [Arm<'a>], String) {
    let n = page.arms.len();
    let note = if n > ARMS_DRAWN { format!(" The first {ARMS_DRAWN} of {n} arms.") } else { String::new() };
    (&page.arms[..n.min(ARMS_DRAWN)], note)
}

impl Page<'_> {
    /// Whether a picture is among those that the spec chose.
    pub fn shows(&self, picture: &str) -> bool {
        self.record.pictures.as_ref().is_none_or(|p| p.iter().any(|n| n == picture))
    }

    fn target(&self) -> Option<&Points> {
        self.record.cells.iter().find_map(|c| c.target.as_ref()).filter(|t| !t.is_empty())
    }

    pub fn header(&self) -> String {
        let r = self.record;
        let mut facts = Vec::new();
        if self.arms.len() > 1 {
            let axes: Vec<String> = r.axes.iter().map(|a| escape(&a.name)).collect();
            facts.push(format!("{} arms ({})", self.arms.len(), axes.join(" × ")));
        }
        facts.push(match r.seeds.as_slice() {
            [one] => format!("seed {one}"),
            many => format!("{} seeds", many.len()),
        });
        if let Some(steps) = steps_planned(r) {
            facts.push(format!("{steps} training steps"));
        }
        facts.push(number::duration(r.seconds));
        facts.push(format!("<time>{}</time>", escape(&r.started)));
        let mut tags = String::new();
        let count = |verdict: Option<bool>| r.expectations.iter().filter(|e| e.holds == verdict).count();
        let (held, failed, open) = (count(Some(true)), count(Some(false)), count(None));
        if held + failed + open > 0 {
            let (class, sign) = match (failed, open) {
                (0, 0) => ("ok", "✓"),
                (0, _) => ("", "?"),
                _ => ("no", "✗"),
            };
            let open = if open > 0 { format!(", {open} open") } else { String::new() };
            let all = r.expectations.len();
            tags += &format!(
                "<a class=\"tag {class}\" href=\"#expectations\">{sign} {held} of {all} expectations hold{open}</a>"
            );
        }
        if r.failures().next().is_some() {
            tags += "<span class=\"tag no\">failed</span>";
        }
        if r.interrupted {
            tags += "<span class=\"tag no\">interrupted</span>";
        }
        let verdicts: Vec<String> = (0..self.arms.len())
            .filter_map(|i| {
                let mut won: Vec<String> = Vec::new();
                for row in self.rows.iter().filter(|row| row.best == Some(i)) {
                    // One name for all numbers of steps only if it holds for all of them.
                    let shared = steps::shared_name(&self.rows, &row.metric.name);
                    let alike = |o: &&Row<'_>| steps::shared_name(&self.rows, &o.metric.name) == shared;
                    let always = self.rows.iter().filter(alike).all(|o| o.best == Some(i));
                    let name = escape(if always { &shared } else { &row.metric.name });
                    if !won.contains(&name) {
                        won.push(name);
                    }
                }
                let names = won.join("</span>, <span class=\"nb\">");
                let label = tables::arm_label(&self.arms, i);
                (!won.is_empty())
                    .then(|| format!("<p class=\"won\">{label} is best in <span class=\"nb\">{names}</span></p>"))
            })
            .collect();
        let lost = self.rows.iter().flat_map(|row| &row.arms).flatten().any(|s| s.lost > 0);
        if lost {
            tags += "<span class=\"tag no\">some values are not finite</span>";
        }
        format!(
            "<header><h1>{}</h1><p class=\"facts\">{}</p>{}<p class=\"tags\">{tags}</p></header>",
            escape(&r.name),
            facts.join(" · "),
            verdicts.concat()
        )
    }

    pub fn metrics(&self) -> String {
        if self.rows.is_empty() {
            return section("results", "Results", &paragraph("Nothing was evaluated."));
        }
        let several = self.arms.len() > 1;
        // What differs in steps alone has a section of its own.
        let rows = if self.shows("steps") { steps::others(&self.rows) } else { self.rows.clone() };
        let mut note = error_note(&self.rows);
        if note.starts_with('m') {
            note = note.replacen('m', "M", 1);
        }
        if self.rows.iter().any(|r| r.best.is_some()) {
            note += "; bold: better than every other arm at 95 % (paired over seeds, Student’s t)";
        } else if several {
            note += "; no arm is bold: none is better than every other at 95 %";
        }
        if self.rows.iter().flat_map(|r| &r.arms).flatten().any(|s| s.floor.is_some()) {
            note += ". The floor is what a perfect model would show with the same estimator";
        }
        for said in notes::of_metrics(self.record) {
            note += &format!(". {}{}", said[..1].to_uppercase(), escape(&said[1..]));
        }
        let origins: Vec<String> = origins(self.record).into_iter().map(escape).collect();
        if !origins.is_empty() {
            note += &format!(". Published: {}", origins.join("; "));
        }
        let bars: Vec<String> = if several {
            let bar = |r: &Row<'_>| charts::bars(r, &self.arms).map(|svg| figure(&tables::head(r.metric), &svg, ""));
            rows.iter().filter_map(bar).collect()
        } else {
            Vec::new()
        };
        let reading = if bars.is_empty() {
            String::new()
        } else {
            paragraph(
                "Large dot: mean; bar: one standard error; small dots: seeds; grey: floor ± its standard deviation.",
            )
        };
        let classes: Vec<String> = self.rows.iter().filter_map(|r| tables::by_class(&self.arms, r)).collect();
        let classes = if classes.is_empty() { String::new() } else { format!("<h3>By class</h3>{}", classes.concat()) };
        let numbers = tables::metrics(&self.arms, &rows) + &paragraph(&(note + ".")) + &classes;
        section("results", "Results", &(numbers + &grid(&bars) + &reading))
    }

    pub fn expectations(&self) -> String {
        let list = &self.record.expectations;
        if list.is_empty() {
            String::new()
        } else {
            section("expectations", "Expectations", &tables::expectations(list))
        }
    }

    pub fn images(&self) -> String {
        let (arms, capped) = drawn(self);
        let mut figures = Vec::new();
        let shown: Vec<_> = arms.iter().map(|a| a.first(|c| c.images.as_ref())).collect();
        let Some((_, first)) = shown.iter().flatten().next() else { return String::new() };
        let Some(range) = images::range(&first.target) else { return String::new() };
        let target = images::mosaic(first, &first.target, range, "Pictures of the target.");
        figures.extend(target.map(|svg| figure("target", &svg, "")));
        for (i, s) in shown.iter().enumerate() {
            let Some((cell, s)) = s else { continue };
            let words = format!("Generated pictures of {}.", self.arms[i].label);
            let svg = images::mosaic(s, &s.samples, range, &words);
            let note = format!("seed {}", cell.seed);
            figures.extend(svg.map(|svg| figure(&tables::arm_label(&self.arms, i), &svg, &note)));
        }
        let rows = if first.classes.iter().any(|c| !c.is_empty()) { ", one row a class" } else { "" };
        let reading = format!("The first samples as pictures of {0} × {0}{rows}, not chosen.{capped}", first.side);
        section("images", "Pictures", &(paragraph(&reading) + &grid(&figures)))
    }

    pub fn samples(&self) -> String {
        let Some(target) = self.target() else { return String::new() };
        let shown: Vec<Option<(u64, &Points)>> = self
            .arms
            .iter()
            .map(|a| {
                a.first(|c| c.samples.as_ref().filter(|s| s.dim == target.dim && !s.is_empty()))
                    .map(|(c, s)| (c.seed, s))
            })
            .collect();
        let most = POINTS.min(POINTS_IN_ALL / self.arms.len().max(1));
        let classes = classes(shown.iter().flatten().map(|s| s.1).filter(|_| target.dim > 1));
        let title = |i: usize| match classes.as_slice() {
            [] => tables::arm_label(&self.arms, i),
            _ => breakable(&self.arms[i].label),
        };
        let words = |i: usize| format!("Samples of {} over samples of the target.", self.arms[i].label);
        let mut figures = Vec::new();
        let reading;
        let mut defs = String::new();
        if target.dim == 1 {
            reading = "Density of the samples (line) over that of the target (grey area).".to_string();
            for (i, s) in shown.iter().enumerate() {
                let Some((seed, s)) = s else { continue };
                let note = format!("seed {seed} · {} samples", number::count(s.total));
                figures.extend(charts::histogram(target, s, i, &words(i)).map(|svg| figure(&title(i), &svg, &note)));
            }
        } else {
            let all: Vec<&Points> = shown.iter().flatten().map(|s| s.1).collect();
            let Some(stage) = Stage::new(target, &all) else { return String::new() };
            defs = stage.target(target, most);
            let numbers: Vec<u32> = classes.iter().map(|c| c.0).collect();
            let plane = if target.dim == 2 {
                String::new()
            } else {
                format!(
                    " The first two principal coordinates of the target, {} % of its variance in {} dimensions.",
                    number::plain((1000.0 * stage.projection.share).round() / 10.0),
                    target.dim
                )
            };
            let coloured = if classes.is_empty() { "colour" } else { "a colour for each class" };
            reading = format!("Generated samples ({coloured}) over the target (grey), all on the same axes.{plane}");
            for (i, s) in shown.iter().enumerate() {
                let (svg, outside) = stage.scatter(s.map(|s| s.1), i, &numbers, most, &words(i));
                let note = s.map_or_else(
                    || "no samples".into(),
                    |(seed, s)| {
                        let lost = s.rows().filter(|r| r.iter().any(|v| !v.is_finite())).count();
                        let lost = if lost > 0 {
                            format!(" · {} not finite", number::count(lost as u64))
                        } else {
                            String::new()
                        };
                        let outside = if outside > 0 {
                            format!(" · {} outside", number::count(outside as u64))
                        } else {
                            String::new()
                        };
                        let kept = number::count(s.len().min(most) as u64);
                        format!("seed {seed} · {kept} of {} samples{outside}{lost}", number::count(s.total))
                    },
                );
                figures.push(figure(&title(i), &svg, &note));
            }
        }
        let key: Vec<String> = classes.into_iter().map(|c| c.1).collect();
        let body = defs + &paragraph(&reading) + &swatches(&key) + &grid(&figures);
        section("samples", "Samples against the target", &body)
    }

    pub fn training(&self) -> String {
        // Losses of different objectives have no scale in common: a picture for each.
        let mut by_objective: Vec<(&str, Vec<usize>)> = Vec::new();
        for (i, arm) in self.arms.iter().enumerate() {
            let Some((cell, _)) = arm.first(|c| c.loss.last()) else { continue };
            match by_objective.iter_mut().find(|(name, _)| *name == cell.objective) {
                Some((_, arms)) => arms.push(i),
                None => by_objective.push((&cell.objective, vec![i])),
            }
        }
        let narrow = by_objective.len() > 1;
        let mut figures = Vec::new();
        for (name, arms) in &by_objective {
            let cells = arms.iter().flat_map(|i| &self.arms[*i].cells);
            let floors: Vec<f64> = cells.filter_map(|c| c.loss_floor).collect();
            // Where arms have different floors there is no line.
            let floor = floors.first().copied().filter(|f| floors.iter().all(|g| (g - f).abs() <= 1e-6 * f.abs()));
            let draw = |narrow| charts::loss(&self.arms, arms, narrow, floor);
            let Some(svg) = draw(true) else { continue };
            figures.push(match draw(false).filter(|_| !narrow) {
                None => figure(&escape(name), &svg, ""),
                // A narrow screen has the narrow one.
                Some(wide) => {
                    format!("<figure class=\"wide\">{wide}</figure><figure class=\"small\">{svg}</figure>")
                }
            });
        }
        let pictures = match figures.as_slice() {
            [] => return String::new(),
            [one] => one.clone(),
            many => format!("<div class=\"pairs grid\">{}</div>", many.concat()),
        };
        let several = self.arms.iter().any(|a| a.cells.len() > 1);
        let reading = if several {
            "Line: mean over seeds; band: from the least to the greatest seed."
        } else {
            "Line: mean of neighbouring steps; band: their 10 % to 90 %."
        };
        let judged = self.record.cells.iter().any(|c| !c.validation.is_empty());
        let dashed = if judged { " Dashed: loss at draws that are not trained on." } else { "" };
        let apart =
            if narrow { " Losses of different objectives have no common scale: a picture for each." } else { "" };
        let reading = paragraph(&format!("{reading}{dashed}{apart}"));
        section("training", "Training", &format!("{}{pictures}{reading}", legend(self)))
    }

    pub fn field(&self) -> String {
        let (arms, capped) = drawn(self);
        let mut body = String::new();
        for (i, arm) in arms.iter().enumerate() {
            let Some((cell, slices)) = arm.first(|c| (!c.field.is_empty()).then_some(&c.field)) else { continue };
            let top = charts::top_speed(slices);
            let particles = cell.trajectories.as_ref().map(|t| (t, i));
            let panel = |s| {
                charts::field(s, top, particles).map(|svg| figure(&format!("t = {}", number::plain(s.t)), &svg, ""))
            };
            let panels: Vec<String> = slices.iter().filter_map(panel).collect();
            if panels.is_empty() {
                continue;
            }
            let bins: String = (0..SPEEDS).map(|k| format!("<i class=\"v{k}\"></i>")).collect();
            let name = if self.arms.len() > 1 { tables::arm_label(&self.arms, i) + " · " } else { String::new() };
            let class = cell.field_class.as_ref();
            let class = class.map_or_else(String::new, |c| format!(" · arrows of class {}, dots of all", escape(c)));
            body += &format!(
                "<h3>{name}seed {}{class}<span class=\"ramp\">speed 0 <span>{bins}</span> {}</span></h3><div class=\"five\">{}</div>",
                cell.seed,
                number::plain(top),
                panels.concat()
            );
        }
        if body.is_empty() {
            return body;
        }
        let reading = format!(
            "Colour: speed, scaled per arm; arrows grow with its square root. Dots: particles on their way.{capped}"
        );
        section("field", "Velocity field", &(paragraph(&reading) + &body))
    }

    pub fn trajectories(&self) -> String {
        let (arms, capped) = drawn(self);
        let target = self.target();
        let samples: Vec<&Points> = Vec::new();
        let stage = target.and_then(|t| Stage::new(t, &samples));
        let mut figures = Vec::new();
        let mut dim = 2;
        for (i, arm) in arms.iter().enumerate() {
            let Some((cell, t)) = arm.first(|c| c.trajectories.as_ref().filter(|t| t.dim > 0 && !t.data.is_empty()))
            else {
                continue;
            };
            dim = t.dim;
            let words = format!("Trajectories of {} particles of {}.", t.particles().count(), arm.label);
            let svg = if t.dim == 1 {
                charts::trajectories_over_time(t, i, &words)
            } else {
                stage.as_ref().map(|s| s.trajectories(t, target, i, &words))
            };
            let note = format!("seed {} · {} particles", cell.seed, t.particles().count());
            figures.extend(svg.map(|svg| figure(&tables::arm_label(&self.arms, i), &svg, &note)));
        }
        if figures.is_empty() {
            return String::new();
        }
        let reading = match dim {
            1 => "Position over time.".to_string(),
            2 => "From the source (grey) to where they arrive (colour), over the target (faint).".to_string(),
            d => format!(
                "From the source (grey) to where they arrive (colour), in the first two principal coordinates of the target in {d} dimensions."
            ),
        };
        // The script looks for what stands before it.
        let script = format!("<script>{}</script>", include_str!("animate.js"));
        section("trajectories", "Trajectories", &(paragraph(&(reading + &capped)) + MOTION + &grid(&figures) + &script))
    }

    pub fn differences(&self) -> String {
        let table = tables::differences(&self.arms, &self.rows);
        if table.is_empty() {
            return table;
        }
        let reading = "Differences are paired: arms share data, noise and initial weights under one seed, so most of the spread over seeds cancels. Decided: the 95 % interval (Student’s t) excludes zero.";
        section("differences", "Differences between arms", &(paragraph(reading) + &table))
    }

    pub fn cost(&self) -> String {
        let solver = tables::solver(&self.arms);
        let head = if solver.is_empty() { "" } else { "<h3>Solver</h3>" };
        let notes: String = stiffness::notes(self.record)
            .iter()
            .map(|note| format!("<p class=\"q\">{}{}.</p>", note[..1].to_uppercase(), escape(&note[1..])))
            .collect();
        section("cost", "Cost", &format!("{}{head}{solver}{notes}", tables::costs(self.record, &self.arms)))
    }

    pub fn spec(&self) -> String {
        let name = escape(&self.record.spec_file);
        section(
            "spec",
            &format!("Spec <code>{name}</code>"),
            &format!("<pre class=\"spec\">{}</pre>", highlight::spec(&self.record.spec)),
        )
    }

    pub fn reproduce(&self) -> String {
        let r = self.record;
        let e = &r.environment;
        let mut rows = vec![("run", r.id.clone()), ("flowc", r.flowc.clone()), ("precision", r.precision.clone())];
        rows.push(("seeds", r.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")));
        rows.push(("processor", format!("{}, {} kernels, {} threads", e.cpu, e.isa, e.threads)));
        rows.push(("system", e.os.clone()));
        let list: String = rows
            .iter()
            .filter(|(_, v)| !v.is_empty())
            .map(|(k, v)| format!("<dt>{k}</dt><dd>{}</dd>", escape(v)))
            .collect();
        let resume = match &r.resume {
            Some(command) => {
                format!("<p>Go on where it stopped:</p><pre>{}</pre>", escape(command))
            }
            None => String::new(),
        };
        let body = format!("<pre>{}</pre>{resume}<dl>{list}</dl>", escape(&r.reproduce));
        section("reproduce", "Run it again", &body)
    }
}
