//! The tables of the page.
//!
//! Input: arms and rows of [`super::summary`]. Output: `<table>` elements. Invariant: every mean stands with its error, every
//! floor beside its value, and bold means decided at 95 %. Deliberately absent: pictures, headings.

use super::charts::COLOURS;
use super::frame::escape;
use super::number;
use super::record::{Better, Cell, ClassValue, Expectation, Metric, RunRecord, SolverStatistics, Spread};
use super::summary::{Arm, Row, Statistic, difference};
use std::fmt::Write as _;

/// The coloured square and label of an arm; the label alone if there is only one.
pub(super) fn arm_label(arms: &[Arm<'_>], i: usize) -> String {
    let label = escape(&arms[i].label);
    if arms.len() == 1 { label } else { format!("<i class=\"sw c{}\"></i>{label}", i % COLOURS) }
}

fn scrolling(table: &str) -> String {
    format!("<div class=\"scroll\">{table}</div>")
}

/// Arms down, metrics across; with one arm the metrics go down.
pub(super) fn metrics(arms: &[Arm<'_>], rows: &[Row<'_>]) -> String {
    let mut out = String::from("<table class=\"metrics\">");
    let published = rows.iter().flat_map(|r| &r.arms).flatten().any(|s| s.published.is_some());
    if arms.len() == 1 {
        let column = if published { "<th class=\"n\">published</th>" } else { "" };
        out += &format!(
            "<thead><tr><th>metric</th><th class=\"n\">value</th><th class=\"n\">floor</th>{column}<th>estimator</th></tr></thead><tbody>"
        );
        for row in rows {
            let Some(s) = row.arms[0] else { continue };
            let _ = write!(
                out,
                "<tr><th>{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td>{}<td class=\"q\">{}</td></tr>",
                head(row.metric),
                value(&s),
                floor(&s).unwrap_or_else(|| "–".into()),
                if published {
                    format!("<td class=\"n\">{}</td>", said(&s).unwrap_or_else(|| "–".into()))
                } else {
                    String::new()
                },
                estimator(row.metric)
            );
        }
    } else {
        out += "<thead><tr><th>arm</th>";
        for row in rows {
            let note = estimator(row.metric);
            let note = if note.is_empty() { note } else { format!("<small>{note}</small>") };
            let _ = write!(out, "<th class=\"n\">{}{note}</th>", head(row.metric));
        }
        out += "</tr></thead><tbody>";
        for i in 0..arms.len() {
            let _ = write!(out, "<tr><th>{}</th>", arm_label(arms, i));
            for row in rows {
                out += &row.arms[i].map_or_else(
                    || "<td class=\"n\">–</td>".into(),
                    |s| {
                        let v = value(&s);
                        let v = if row.best == Some(i) { format!("<b>{v}</b>") } else { v };
                        let f = floor(&s).map_or_else(String::new, |f| format!("<small>floor {f}</small>"));
                        let p = said(&s).map_or_else(String::new, |p| format!("<small>published {p}</small>"));
                        format!("<td class=\"n\">{v}{f}{p}</td>")
                    },
                );
            }
            out += "</tr>";
        }
    }
    scrolling(&(out + "</tbody></table>"))
}

/// Name, unit and direction of a metric.
pub(super) fn head(metric: &Metric) -> String {
    let arrow = match metric.better {
        Better::Lower => "&nbsp;<span class=\"dir\" title=\"lower is better\" aria-label=\"lower is better\">↓</span>",
        Better::Higher => {
            "&nbsp;<span class=\"dir\" title=\"higher is better\" aria-label=\"higher is better\">↑</span>"
        }
        Better::None => "",
    };
    let unit = metric.unit.as_ref().map_or_else(String::new, |u| format!(" <span class=\"q\">{}</span>", escape(u)));
    // Long names may break after a bracket or comma.
    let name = escape(&metric.name).replace('(', "(<wbr>").replace(", ", ", <wbr>");
    format!("{name}{unit}{arrow}")
}

/// Name and unit without markup.
pub(super) fn plain_head(metric: &Metric) -> String {
    let unit = metric.unit.as_ref().map_or_else(String::new, |u| format!(" [{u}]"));
    format!("{}{unit}", metric.name.split('(').next().unwrap_or(&metric.name))
}

fn estimator(metric: &Metric) -> String {
    let mut parts = Vec::new();
    parts.extend(metric.size.map(|n| format!("n = {}", number::count(n))));
    parts.extend(metric.floor_name.as_ref().map(|f| format!("floor: {}", escape(f))));
    parts.join(", ")
}

fn value(s: &Statistic) -> String {
    let shown = s.error.map_or_else(|| number::plain(s.mean), |e| number::with_error(s.mean, e));
    let lost = if s.lost > 0 {
        format!("<small class=\"bad\">{} of {} not finite</small>", s.lost, s.lost + s.seeds)
    } else {
        String::new()
    };
    format!("{shown}{lost}")
}

fn floor(s: &Statistic) -> Option<String> {
    let shown = match s.floor_sd {
        Some(sd) if sd != 0.0 => number::with_error(s.floor?, sd),
        _ => number::plain(s.floor?),
    };
    Some(if s.at_floor { format!("{shown} <span class=\"at\">reached</span>") } else { shown })
}

/// What a paper says of it.
fn said(s: &Statistic) -> Option<String> {
    s.published.map(|(x, spread)| number::with_spread(x, spread))
}

/// A metric that was computed by label: arms down, classes across, means over seeds; the floor last.
pub(super) fn by_class(arms: &[Arm<'_>], row: &Row<'_>) -> Option<String> {
    let of = |c: &Cell| c.metrics.iter().find(|m| m.name == row.metric.name).map(|m| m.classes.clone());
    let cells: Vec<Vec<Vec<ClassValue>>> =
        arms.iter().map(|a| a.cells.iter().filter_map(|c| of(c)).filter(|c| !c.is_empty()).collect()).collect();
    let first = cells.iter().flatten().next()?.clone();
    let mean = |values: Vec<f64>| match values.len() {
        0 => "–".to_owned(),
        n => number::plain(values.iter().sum::<f64>() / n as f64),
    };
    let mut out = format!("<table class=\"metrics\"><thead><tr><th>{}</th>", head(row.metric));
    for c in &first {
        let name = c.name.clone().unwrap_or_else(|| c.class.to_string());
        let _ = write!(out, "<th class=\"n\">{}</th>", escape(&name));
    }
    out += "</tr></thead><tbody>";
    let mut line = |name: &str, arms: &[Vec<Vec<ClassValue>>], f: &dyn Fn(&ClassValue) -> Option<f64>| {
        let _ = write!(out, "<tr><th>{name}</th>");
        for c in &first {
            let all = arms.iter().flatten().flatten().filter(|o| o.class == c.class);
            let _ = write!(out, "<td class=\"n\">{}</td>", mean(all.filter_map(f).collect()));
        }
        out += "</tr>";
    };
    for (i, own) in cells.iter().enumerate() {
        line(&arm_label(arms, i), std::slice::from_ref(own), &|c| Some(c.value));
    }
    line("floor", &cells, &|c| c.floor);
    Some(scrolling(&(out + "</tbody></table>")))
}

/// For each metric with a direction, the best mean against every other arm, paired over seeds. Empty with one arm or seed.
pub(super) fn differences(arms: &[Arm<'_>], rows: &[Row<'_>]) -> String {
    let mut body = String::new();
    for row in rows {
        let sign = match row.metric.better {
            Better::Lower => 1.0,
            Better::Higher => -1.0,
            Better::None => continue,
        };
        let means = row.arms.iter().enumerate().filter_map(|(i, s)| s.map(|s| (i, sign * s.mean)));
        let Some((top, _)) = means.filter(|m| m.1.is_finite()).min_by(|a, b| a.1.total_cmp(&b.1)) else { continue };
        let mut name = head(row.metric);
        for other in (0..arms.len()).filter(|&o| o != top) {
            let Some(d) = difference(&arms[other], &arms[top], &row.metric.name) else { continue };
            let both_at_floor = [top, other].iter().all(|&i| row.arms[i].is_some_and(|s| s.at_floor));
            let verdict = match (d.decided(), both_at_floor) {
                (true, false) => "<b>decided</b>",
                (true, true) => "both at the floor",
                (false, _) => "open",
            };
            let _ = write!(
                body,
                "<tr><th>{}</th><td>{} − {}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{verdict}</td></tr>",
                std::mem::take(&mut name),
                arm_label(arms, other),
                arm_label(arms, top),
                number::with_error(d.mean, d.error),
                number::interval(d.mean, d.half),
                d.seeds,
            );
        }
    }
    if body.is_empty() {
        return body;
    }
    scrolling(&format!(
        "<table><thead><tr><th>metric</th><th>other − best</th><th class=\"n\">difference ± se</th><th class=\"n\">95 % interval</th><th class=\"n\">seeds</th><th></th></tr></thead><tbody>{body}</tbody></table>"
    ))
}

/// The expectations with their verdicts.
pub(super) fn expectations(list: &[Expectation]) -> String {
    let mut out = String::from(
        "<table class=\"expect\"><thead><tr><th></th><th>expectation</th><th class=\"n\">left side</th><th class=\"n\">right side</th></tr></thead><tbody>",
    );
    for e in list {
        let mark = match e.holds {
            Some(true) => "<span class=\"tag ok\">✓ holds</span>",
            Some(false) => "<span class=\"tag no\">✗ fails</span>",
            None => "<span class=\"tag\">? open</span>",
        };
        let side = |v: Option<f64>| v.map_or_else(|| "–".into(), number::plain);
        let _ = write!(
            out,
            "<tr><td>{mark}</td><td><code>{}</code></td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escape(&e.text),
            side(e.left),
            side(e.right)
        );
    }
    scrolling(&(out + "</tbody></table>"))
}

/// Per arm and phase, over the seeds: evaluations, steps, and evaluations per sample. Empty if nothing was solved.
pub(super) fn solver(arms: &[Arm<'_>]) -> String {
    let every = || arms.iter().flat_map(|a| &a.cells).flat_map(|c| &c.solver);
    let (backward, kept) = (every().any(|s| s.evaluations_backward > 0), every().any(|s| s.bytes.is_some()));
    let implicit = every().any(|s| s.factorisations > 0);
    let column = |shown: bool, text: String| if shown { format!("<td class=\"n\">{text}</td>") } else { String::new() };
    let mut body = String::new();
    for (i, arm) in arms.iter().enumerate() {
        let mut phases: Vec<&str> = Vec::new();
        for s in arm.cells.iter().flat_map(|c| &c.solver) {
            if !phases.contains(&s.phase.as_str()) {
                phases.push(&s.phase);
            }
        }
        for (k, phase) in phases.into_iter().enumerate() {
            let all: Vec<&SolverStatistics> =
                arm.cells.iter().flat_map(|c| &c.solver).filter(|s| s.phase == phase).collect();
            let mean = |get: fn(&SolverStatistics) -> u64| {
                number::count((all.iter().map(|s| get(s) as f64).sum::<f64>() / all.len() as f64).round() as u64)
            };
            let spread = spread(&all).map_or_else(
                || "–".into(),
                |s| format!("{} / {} / {}", number::plain(s.min), number::plain(s.mean), number::plain(s.max)),
            );
            let bytes = all.iter().find_map(|s| s.bytes);
            let bytes = bytes.map_or_else(
                || "–".into(),
                // Without a record of the steps nobody knows what keeping all would have taken.
                |(kept, full)| match full {
                    0 => number::bytes(kept),
                    _ => format!("{} of {}", number::bytes(kept), number::bytes(full)),
                },
            );
            let _ = write!(
                body,
                "<tr><th>{}</th><td>{}</td><td><code>{}</code></td><td class=\"n\">{}</td>{}{}<td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{spread}</td>{}</tr>",
                if k == 0 { arm_label(arms, i) } else { String::new() },
                escape(phase),
                escape(&all[0].solver),
                mean(|s| s.evaluations),
                column(backward, mean(|s| s.evaluations_backward)),
                column(implicit, mean(|s| s.factorisations)),
                mean(|s| s.accepted),
                mean(|s| s.rejected),
                column(kept, bytes),
            );
        }
    }
    if body.is_empty() {
        return body;
    }
    let backward = if backward { "<th class=\"n\">backward</th>" } else { "" };
    let implicit = if implicit { "<th class=\"n\">Jacobians factorised</th>" } else { "" };
    let kept = if kept { "<th class=\"n\">kept of store-all</th>" } else { "" };
    scrolling(&format!(
        "<table><thead><tr><th>arm</th><th>phase</th><th>solver</th><th class=\"n\">evaluations</th>{backward}{implicit}<th class=\"n\">accepted</th><th class=\"n\">rejected</th><th class=\"n\">steps of a sample<small>least / mean / most</small></th>{kept}</tr></thead><tbody>{body}</tbody></table>"
    ))
}

fn spread(all: &[&SolverStatistics]) -> Option<Spread> {
    let spreads: Vec<Spread> = all.iter().filter_map(|s| s.per_sample).collect();
    if spreads.is_empty() {
        return None;
    }
    Some(Spread {
        min: spreads.iter().map(|s| s.min).fold(f64::INFINITY, f64::min),
        mean: spreads.iter().map(|s| s.mean).sum::<f64>() / spreads.len() as f64,
        max: spreads.iter().map(|s| s.max).fold(f64::NEG_INFINITY, f64::max),
    })
}

/// Steps, parameters and seconds per arm (means over seeds).
pub(super) fn costs(record: &RunRecord, arms: &[Arm<'_>]) -> String {
    type Get = fn(&Cell) -> f64;
    let times: [(&str, Get); 4] = [
        ("compile", |c| c.timings.compile),
        ("train", |c| c.timings.train),
        ("generate", |c| c.timings.generate),
        ("evaluate", |c| c.timings.evaluate),
    ];
    // A phase that no arm has had is no column.
    let had = |get: Get| arms.iter().flat_map(|a| &a.cells).any(|c| get(c) > 0.0);
    let times: Vec<(&str, Get)> = times.into_iter().filter(|(_, get)| had(*get)).collect();
    let mut out = String::from("<table><thead><tr><th>arm</th>");
    for name in ["parameters", "steps", "steps/s"].into_iter().chain(times.iter().map(|t| t.0)) {
        let _ = write!(out, "<th class=\"n\">{name}</th>");
    }
    out += "</tr></thead><tbody>";
    for (i, arm) in arms.iter().enumerate() {
        let mean = |get: fn(&Cell) -> f64| arm.cells.iter().map(|c| get(c)).sum::<f64>() / arm.cells.len() as f64;
        let (steps, train) = (mean(|c| c.steps_done as f64), mean(|c| c.timings.train));
        let rate = if train > 0.0 { number::plain(steps / train) } else { "–".into() };
        let planned = mean(|c| c.steps_planned as f64);
        let steps = if steps < planned {
            format!("{} of {}", number::count(steps as u64), number::count(planned as u64))
        } else {
            number::count(steps as u64)
        };
        let _ = write!(
            out,
            "<tr><th>{}</th><td class=\"n\">{}</td><td class=\"n\">{steps}</td><td class=\"n\">{rate}</td>",
            arm_label(arms, i),
            number::count(mean(|c| c.parameters as f64) as u64),
        );
        for (_, get) in &times {
            let time = Some(mean(*get)).filter(|t| *t > 0.0).map_or_else(|| "–".into(), number::duration);
            let _ = write!(out, "<td class=\"n\">{time}</td>");
        }
        out += "</tr>";
    }
    let _ = write!(out, "</tbody></table><p class=\"q\">Whole run: {}.</p>", number::duration(record.seconds));
    scrolling(&out)
}
