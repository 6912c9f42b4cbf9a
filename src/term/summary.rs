//! The closing words of a run, at 80 columns.
//!
//! Input: a [`RunRecord`]. Output: text. Invariant: no line is wider than [`WIDTH`] unless a single word is. Deliberately
//! absent: statistics (see `report::summary`).

use super::WIDTH;
use crate::report::names;
use crate::report::notes;
use crate::report::number;
use crate::report::record::{Better, Expectation, RunRecord};
use crate::report::summary::{self as statistics, Row, Statistic};
use comfy_table::{Attribute, Cell, ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle};
use std::path::Path;

/// One rule under the header, nothing else.
const RULED: TableStyle = TableStyle::new()
    .header_lines(ContentLineStyle::none())
    .header_separator(LineStyle::none().fill('─'))
    .content_lines(ContentLineStyle::none());

/// What a run has shown: metrics with errors and floors, expectations, and where the report is.
#[must_use]
pub fn summary(record: &RunRecord, report: Option<&Path>, colours: bool) -> String {
    let mut out = headline(record);
    let arms = statistics::arms(record);
    let rows = statistics::rows(&arms);
    let table = metric_table(record, colours);
    if !table.is_empty() {
        out += &format!("\n{table}\n{}\n", wrapped(&statistics::error_note(&rows), 0));
        let origins = statistics::origins(record);
        if !origins.is_empty() {
            out += &format!("{}\n", wrapped(&format!("published: {}", origins.join("; ")), 0));
        }
        if rows.iter().any(|r| r.best.is_some()) {
            out += &format!("{}\n", wrapped("* better than every other arm at 95 %, paired over seeds", 0));
        }
    }
    for note in notes::notes(record) {
        out += &format!("\nnote   {}\n", wrapped(&note, 7));
    }
    if !record.expectations.is_empty() {
        out.push('\n');
        for e in &record.expectations {
            out += &expectation(e, colours);
        }
    }
    if let Some(path) = report {
        out += &format!("\nreport  {}\n", path.display());
    }
    if let Some(resume) = record.resume.as_ref() {
        out += &format!("resume  {resume}\n");
    }
    out
}

fn headline(record: &RunRecord) -> String {
    let arms = statistics::arms(record).len();
    let mut parts = vec![record.name.clone()];
    if arms > 1 {
        parts.push(format!("{arms} arms"));
    }
    match record.seeds.as_slice() {
        [] => {}
        [one] => parts.push(format!("seed {one}")),
        many => parts.push(format!("{} seeds", many.len())),
    }
    if let Some(steps) = statistics::steps(record) {
        parts.push(format!("{steps} steps"));
    }
    parts.push(number::duration(record.seconds));
    let mut line = parts.join(" · ");
    let failed = record.failures().next().is_some();
    if record.interrupted || failed {
        let planned = record.axes.iter().map(|a| a.labels.len()).product::<usize>() * record.seeds.len().max(1);
        let finished = record.cells.iter().filter(|c| c.finished).count();
        line += if failed { "\nfailed" } else { "\ninterrupted" };
        if planned > 1 {
            line += &format!(", {finished} of {planned} cells finished");
        }
        if let Some(cell) =
            record.cells.iter().find(|c| !c.finished && c.failed.is_none() && c.steps_done < c.steps_planned)
        {
            line += &format!(
                "{} at step {} of {}",
                if planned > 1 { ", the next" } else { "" },
                number::count(cell.steps_done),
                number::count(cell.steps_planned)
            );
        }
    }
    line += "\n";
    for (cell, f) in record.failures() {
        let name = cell.and_then(|c| record.cell_name(c)).map_or_else(String::new, |n| format!("{n}: "));
        line += &format!("  {}\n", wrapped(&format!("{name}{}", f.what), 4));
    }
    line
}

/// One line per metric and arm: mean ± standard error, and the floor beside it. Empty if nothing was evaluated.
#[must_use]
pub fn metric_table(record: &RunRecord, colours: bool) -> String {
    let arms = statistics::arms(record);
    let rows = statistics::rows(&arms);
    if rows.is_empty() {
        return String::new();
    }
    let several = arms.len() > 1;
    let floors = rows.iter().flat_map(|r| &r.arms).flatten().any(|s| s.floor.is_some());
    let published = rows.iter().flat_map(|r| &r.arms).flatten().any(|s| s.published.is_some());
    let mut table = Table::new();
    table.load_style(RULED).set_width(WIDTH).set_content_arrangement(ContentArrangement::Dynamic);
    table.force_no_tty();
    if colours {
        table.enforce_styling();
    }
    let value_title = if record.seeds.len() > 1 { "mean ± se" } else { "value ± se" };
    let mut header = vec!["metric", value_title];
    header.extend(floors.then_some("floor"));
    header.extend(published.then_some("published"));
    table.set_header(header.clone());
    // Name, what it is indented by, whether it is the best, and the numbers.
    let mut lines: Vec<(String, &str, bool, Vec<String>)> = Vec::new();
    for row in &rows {
        if several {
            lines.push((metric_name(row), "", false, vec![]));
        }
        for (i, arm) in arms.iter().enumerate() {
            let best = row.best == Some(i);
            let (name, indent) = if several { (arm.label.clone(), "  ") } else { (metric_name(row), "") };
            let failed = arm.failure();
            let Some(s) = row.arms[i] else {
                lines.extend(failed.map(|failed| (name, indent, best, vec![failed])));
                continue;
            };
            let lost = failed.map_or_else(String::new, |f| format!(" ({f})"));
            let mut numbers = vec![format!("{}{}{lost}", value(&s), if best { " *" } else { "" })];
            numbers.extend(floors.then(|| floor(&s)));
            let said = || s.published.map_or_else(String::new, |(v, e)| number::with_spread(v, e));
            numbers.extend(published.then(said));
            lines.push((name, indent, best, numbers));
        }
    }
    // Names have what the numbers leave; every cell has a space on both sides.
    let widest = |k: usize| {
        let cells = lines.iter().filter_map(|l| l.3.get(k - 1)).map(String::as_str);
        cells.chain([header[k]]).map(|c| c.chars().count() + 2).max().unwrap_or(0)
    };
    let room = usize::from(WIDTH).saturating_sub((1..header.len()).map(widest).sum::<usize>() + 2);
    for (name, indent, best, numbers) in lines {
        let strong = |cell: Cell| if best { cell.add_attribute(Attribute::Bold) } else { cell };
        let name = strong(Cell::new(hanging(&name, indent, room.max(24))));
        let mut cells = numbers.into_iter().map(Cell::new);
        table.add_row([Some(name), cells.next().map(strong)].into_iter().flatten().chain(cells));
    }
    table.trim_fmt().lines().map(|l| format!("{}\n", l.trim_end())).collect()
}

/// A name in lines of a width, the later ones indented further.
fn hanging(name: &str, indent: &str, width: usize) -> String {
    const DEEPER: usize = 4;
    let first = names::wrapped(name, width.saturating_sub(indent.len()));
    if first.len() == 1 {
        return format!("{indent}{name}");
    }
    let lines = names::wrapped(name, width.saturating_sub(indent.len() + DEEPER));
    format!("{indent}{}", lines.join(&format!("\n{indent}{:DEEPER$}", "")))
}

/// `wasserstein2 ↓`, with its unit.
fn metric_name(row: &Row<'_>) -> String {
    let arrow = match row.metric.better {
        Better::Lower => " ↓",
        Better::Higher => " ↑",
        Better::None => "",
    };
    let unit = row.metric.unit.as_ref().map_or_else(String::new, |u| format!(" [{u}]"));
    format!("{}{unit}{arrow}", row.metric.name)
}

fn value(s: &Statistic) -> String {
    let lost = if s.lost > 0 { format!(" ({} of {} not finite)", s.lost, s.lost + s.seeds) } else { String::new() };
    let shown = s.error.map_or_else(|| number::plain(s.mean), |e| number::with_error(s.mean, e));
    format!("{shown}{lost}")
}

fn floor(s: &Statistic) -> String {
    match (s.floor, s.floor_sd) {
        (None, _) => String::new(),
        (Some(f), Some(sd)) if sd != 0.0 => number::with_error(f, sd),
        (Some(f), _) => number::plain(f),
    }
}

fn expectation(e: &Expectation, colours: bool) -> String {
    let (mark, paint) = match e.holds {
        Some(true) => ("holds", "32"),
        Some(false) => ("FAILS", "31"),
        None => ("open ", "33"),
    };
    let mark = if colours { format!("\x1b[{paint}m{mark}\x1b[0m") } else { mark.to_string() };
    let sides = match (e.left, e.right) {
        (Some(l), Some(r)) => {
            let (l, r) = number::apart(l, r);
            format!("left {l}, right {r}")
        }
        (Some(x), None) | (None, Some(x)) => number::plain(x),
        (None, None) => String::new(),
    };
    let indent = "       ";
    let text = wrapped(&e.text, indent.len());
    let last = text.lines().last().map_or(0, |l| l.chars().count());
    let sides = match sides.as_str() {
        "" => String::new(),
        s if last + "   ()".len() + s.chars().count() + indent.len() <= usize::from(WIDTH) => format!("   ({s})"),
        s => format!("\n{indent}({s})"),
    };
    format!("{mark}  {}{sides}\n", text.trim_start())
}

/// Breaks between words so that lines fit, later lines indented.
fn wrapped(text: &str, indent: usize) -> String {
    let width = usize::from(WIDTH) - indent;
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines.join(&format!("\n{}", " ".repeat(indent)))
}
