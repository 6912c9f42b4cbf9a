//! What a run has shown, for programs: the object that `flowc run --format json` prints.
//!
//! Input: a [`RunRecord`]. Output: JSON with the means, errors, floors and verdicts of the summary, and the numbers of every cell.
//! Invariant: no key is left out; what is unknown is `null`, and a number that is not finite is `"nan"`, `"inf"` or `"-inf"`.
//! Deliberately absent: curves and samples (`record.json`).

use super::real::value as number;
use super::record::{Better, Cell, RunRecord};
use super::summary::{self, Arm, Row};
use serde_json::{Value, json};

/// The object; `folder` and `report` are paths as they are shown to people.
#[must_use]
pub fn object(record: &RunRecord, folder: &str, report: Option<&str>) -> Value {
    let arms = summary::arms(record);
    let rows = summary::rows(&arms);
    let first = record.failures().next().map(|(_, f)| &f.what);
    let state = match (first, record.interrupted) {
        (Some(_), _) => "failed",
        (None, true) => "interrupted",
        (None, false) => "done",
    };
    json!({
        "schema": record.schema,
        "name": record.name,
        "id": record.id,
        "flowc": record.flowc,
        "state": state,
        "failed": first,
        "folder": folder,
        "report": report,
        "reproduce": record.reproduce,
        "resume": record.resume,
        "seconds": number(record.seconds),
        "seeds": record.seeds,
        "axes": record.axes,
        "arms": arms.iter().enumerate().map(|(i, a)| arm(i, a, &rows)).collect::<Vec<_>>(),
        "expectations": record.expectations,
    })
}

fn arm(index: usize, arm: &Arm<'_>, rows: &[Row<'_>]) -> Value {
    let optional = |x: Option<f64>| x.map_or(Value::Null, number);
    let metric = |row: &Row<'_>| {
        let s = row.arms[index]?;
        let better = match row.metric.better {
            Better::Lower => json!("lower"),
            Better::Higher => json!("higher"),
            Better::None => Value::Null,
        };
        Some(json!({
            "name": row.metric.name,
            "unit": row.metric.unit,
            "better": better,
            "mean": number(s.mean),
            "standard_error": optional(s.error),
            "seeds": s.seeds,
            "not_finite": s.lost,
            "floor": optional(s.floor),
            "floor_sd": optional(s.floor_sd),
            "at_floor": s.at_floor,
            "best": row.best == Some(index),
        }))
    };
    json!({
        "label": arm.label,
        "labels": arm.cells.first().map(|c| &c.labels),
        "metrics": rows.iter().filter_map(metric).collect::<Vec<_>>(),
        "cells": arm.cells.iter().map(|c| cell(c)).collect::<Vec<_>>(),
    })
}

fn cell(cell: &Cell) -> Value {
    let last = cell.loss.last().map_or(Value::Null, |l| number(l.1));
    json!({
        "seed": cell.seed,
        "finished": cell.finished,
        "failed": cell.failed,
        "steps": cell.steps_done,
        "steps_planned": cell.steps_planned,
        "loss": last,
        "parameters": cell.parameters,
        "timings": cell.timings,
        "metrics": cell.metrics,
        "solver": cell.solver,
    })
}
