//! The tables of the page.
//!
//! Input: arms and rows of [`super::summary`]. Output: `<table>` elements. Invariant: every mean stands with its error, every
//! floor beside its value, and bold means decided at 95 %. Deliberately absent: pictures, headings.

use super::charts::COLOURS;
use super::frame::escape;
use super::names::breakable;
use super::number;
use super::record::{Better, Cell, ClassValue, Expectation, Metric, RunRecord, SolverStatistics, Spread};
use super::summary::{Arm, Row, Statistic, difference};
use super::table::Table;

/// The coloured square and label of an arm; the label alone if there is only one.
pub(super) fn arm_label(arms: &[Arm<'_>], i: usize) -> String {
    let label = breakable(&arms[i].label);
    if arms.len() == 1 { label } else { format!("<i class=\"sw c{}\"></i>{label}", i % COLOURS) }
}

/// Metrics of a table that fill the width of the page; more begin another.
const ACROSS: usize = 5;

/// Arms down, metrics across, in as many tables as they need; with one arm the metrics go down.
pub(super) fn metrics(arms: &[Arm<'_>], rows: &[Row<'_>]) -> String {
    match arms {
        [_] => down(arms, rows),
        _ => rows.chunks(rows.len().div_ceil(rows.len().div_ceil(ACROSS)).max(1)).map(|r| across(arms, r)).collect(),
    }
}

fn down(arms: &[Arm<'_>], rows: &[Row<'_>]) -> String {
    let published = rows.iter().flat_map(|r| &r.arms).flatten().any(|s| s.published.is_some());
    let mut table = Table::new("metrics");
    table.words("metric").numbers("value").numbers("floor");
    if published {
        table.numbers("published");
    }
    table.words("estimator");
    for row in rows {
        let Some(s) = row.arms[0] else { continue };
        let dash = || "–".to_owned();
        let mut cells = vec![head(row.metric), value(&s) + &lost(&arms[0]), floor(&s).unwrap_or_else(dash)];
        cells.extend(published.then(|| said(&s).unwrap_or_else(dash)));
        cells.push(format!("<span class=\"q\">{}</span>", estimator(row.metric)));
        table.row(cells);
    }
    table.finish()
}

fn across(arms: &[Arm<'_>], rows: &[Row<'_>]) -> String {
    let mut table = Table::new("metrics");
    table.words("arm");
    for row in rows {
        let note = estimator(row.metric);
        let note = if note.is_empty() { note } else { format!("<small>{note}</small>") };
        table.marked(format!("{}{note}", head(row.metric)), &row.metric.name);
    }
    // Of several runs in one report each has metrics of its own.
    for i in (0..arms.len()).filter(|i| arms[*i].failure().is_some() || rows.iter().any(|r| r.arms[*i].is_some())) {
        let cell = |row: &Row<'_>| {
            let Some(s) = row.arms[i] else {
                return arms[i].failure().map_or_else(|| "–".to_owned(), |f| format!("<span class=\"bad\">{f}</span>"));
            };
            let v = format!("{}{}", value(&s), lost(&arms[i]));
            let v = if row.best == Some(i) { format!("<b>{v}</b>") } else { v };
            let f = floor(&s).map_or_else(String::new, |f| format!("<small>floor {f}</small>"));
            let p = said(&s).map_or_else(String::new, |p| format!("<small>published {p}</small>"));
            format!("{v}{f}{p}")
        };
        table.row(std::iter::once(arm_label(arms, i)).chain(rows.iter().map(cell)));
    }
    table.finish()
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
    format!("{}{unit}{arrow}", breakable(&metric.name))
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

/// How many seeds failed.
fn lost(arm: &Arm<'_>) -> String {
    arm.failure().map_or_else(String::new, |f| format!("<small class=\"bad\">{f}</small>"))
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
    let mut table = Table::new("metrics");
    table.words(&row.metric.name);
    for c in &first {
        table.numbers(&c.name.clone().unwrap_or_else(|| c.class.to_string()));
    }
    let mut line = |name: String, arms: &[Vec<Vec<ClassValue>>], f: &dyn Fn(&ClassValue) -> Option<f64>| {
        let of = |c: &ClassValue| {
            let all = arms.iter().flatten().flatten().filter(|o| o.class == c.class);
            mean(all.filter_map(f).collect())
        };
        table.row(std::iter::once(name).chain(first.iter().map(of)));
    };
    for (i, own) in cells.iter().enumerate().filter(|c| !c.1.is_empty()) {
        line(arm_label(arms, i), std::slice::from_ref(own), &|c| Some(c.value));
    }
    line("floor".into(), &cells, &|c| c.floor);
    Some(table.finish())
}

/// For each metric with a direction, the best mean against every other arm, paired over seeds. Empty with one arm or seed.
pub(super) fn differences(arms: &[Arm<'_>], rows: &[Row<'_>]) -> String {
    let mut table = Table::new("");
    table.words("metric").words("other − best").numbers("difference ± se").numbers("95 % interval").numbers("seeds");
    table.words("verdict");
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
            table.row([
                std::mem::take(&mut name),
                format!("{} − {}", arm_label(arms, other), arm_label(arms, top)),
                number::with_error(d.mean, d.error),
                number::interval(d.mean, d.half),
                d.seeds.to_string(),
                verdict.to_owned(),
            ]);
        }
    }
    table.finish()
}

/// The expectations with their verdicts.
pub(super) fn expectations(list: &[Expectation]) -> String {
    let mut table = Table::new("expect");
    table.words("").words("expectation").numbers("left side").numbers("right side");
    for e in list {
        let mark = match e.holds {
            Some(true) => "<span class=\"tag ok\">✓ holds</span>",
            Some(false) => "<span class=\"tag no\">✗ fails</span>",
            None => "<span class=\"tag\">? open</span>",
        };
        let side = |v: Option<f64>| v.map_or_else(|| "–".into(), number::plain);
        table.row([mark.to_owned(), format!("<code>{}</code>", escape(&e.text)), side(e.left), side(e.right)]);
    }
    table.finish()
}

/// Per arm and phase, over the seeds: evaluations, steps, and evaluations per sample. Empty if nothing was solved.
pub(super) fn solver(arms: &[Arm<'_>]) -> String {
    let every = || arms.iter().flat_map(|a| &a.cells).flat_map(|c| &c.solver);
    let (backward, kept) = (every().any(|s| s.evaluations_backward > 0), every().any(|s| s.bytes.is_some()));
    let implicit = every().any(|s| s.factorisations > 0);
    let mut table = Table::new("");
    table.words("arm").words("phase").words("solver").numbers("evaluations");
    for (shown, head) in [(backward, "backward"), (implicit, "Jacobians factorised")] {
        if shown {
            table.numbers(head);
        }
    }
    table.numbers("accepted").numbers("rejected");
    table
        .marked("steps of a sample<small>least / mean / most</small>".into(), "steps of a sample, least / mean / most");
    if kept {
        table.numbers("kept of store-all");
    }
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
            let mut cells = vec![
                if k == 0 { arm_label(arms, i) } else { String::new() },
                escape(phase),
                format!("<code>{}</code>", breakable(&all[0].solver)),
                mean(|s| s.evaluations),
            ];
            cells.extend(backward.then(|| mean(|s| s.evaluations_backward)));
            cells.extend(implicit.then(|| mean(|s| s.factorisations)));
            cells.extend([mean(|s| s.accepted), mean(|s| s.rejected), spread]);
            cells.extend(kept.then_some(bytes));
            table.row(cells);
        }
    }
    table.finish()
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
    let mut table = Table::new("");
    table.words("arm").numbers("parameters").numbers("steps").numbers("steps/s");
    for (name, _) in &times {
        table.numbers(name);
    }
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
        let parameters = number::count(mean(|c| c.parameters as f64) as u64);
        let time = |t: f64| if t > 0.0 { number::duration(t) } else { "–".into() };
        let times = times.iter().map(|(_, get)| time(mean(*get)));
        table.row([arm_label(arms, i), parameters, steps, rate].into_iter().chain(times));
    }
    format!("{}<p class=\"q\">Whole run: {}.</p>", table.finish(), number::duration(record.seconds))
}
