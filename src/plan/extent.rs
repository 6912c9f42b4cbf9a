//! How much a metric looks at: `count` and `points` of its own.

use super::{Extent, blocks, errors};
use crate::elaborate::{Elaborator, Res};
use crate::source::Span;
use crate::syntax::ast::Entry;

/// Metrics that compare two sets of samples.
pub const DISTANCES: [&str; 6] =
    ["wasserstein2", "wasserstein1", "sliced_wasserstein2", "energy_distance", "mmd", "frechet"];

/// `count` and `points` of a metric.
pub fn of(elab: &mut Elaborator<'_>, name: &str, over: &[Entry], span: Span) -> Res<Extent> {
    let given = |key: &str| over.iter().find(|o| o.key.name == key);
    let count = given("count").map(|o| blocks::whole(elab, Some(o), 0, 1, 1 << 26)).transpose()?;
    let exact = matches!(name, "wasserstein2" | "wasserstein1" | "path_energy" | "npe");
    let limit = if exact { crate::metrics::EXACT_LIMIT as u64 } else { 1 << 26 };
    let points = given("points").map(|o| blocks::whole(elab, Some(o), 0, 2, limit)).transpose()?;
    if points.is_some() && !DISTANCES.contains(&name) && !matches!(name, "path_energy" | "npe") {
        let d = errors::meaningless_metric(
            name,
            "it compares no subsets, so it takes no `points`",
            "`count` says how many samples it is computed from",
            span,
        );
        return Err(elab.report(d));
    }
    if let (Some(c), Some(p), Some(o)) = (count, points, given("points"))
        && p > c
    {
        let must = format!("at most `count`, {}", crate::report::number::count(c));
        return Err(elab.report(errors::bad_value("points", &crate::report::number::count(p), &must, o.value.span)));
    }
    Ok(Extent { count: count.map(|c| c as usize), points: points.map(|p| p as usize) })
}
