//! The page of a run.
//!
//! Input: a [`RunRecord`]. Output: one HTML document that needs nothing else: no network, no fonts, no scripts from elsewhere.
//! Order: what came out, whether it was expected, what it looks like, what it cost, how to have it again. Invariant: equal
//! records give equal bytes. Deliberately absent: writing the file.

use super::frame::escape;
use super::record::RunRecord;
use super::sections::Page;
use super::summary;

/// What `plot` may name: sections that are pictures. All are shown unless a spec chooses.
pub const PICTURES: [&str; 8] = ["images", "density", "samples", "steps", "training", "field", "trajectories", "paths"];

/// The document. Under 2 MB for any run: points per picture, arms drawn and arrows are capped, and the page says so.
#[must_use]
pub fn page(record: &RunRecord) -> String {
    let arms = summary::arms(record);
    let rows = summary::rows(&arms);
    let page = Page { record, arms, rows };
    let picture = |name: &str, drawn: String| if page.shows(name) { drawn } else { String::new() };
    let sections = [
        page.failures(),
        page.metrics(),
        page.expectations(),
        picture("images", page.images()),
        picture("density", page.density()),
        picture("samples", page.samples()),
        picture("steps", page.steps()),
        picture("training", page.training()),
        picture("field", page.field()),
        picture("trajectories", page.trajectories()),
        picture("paths", page.paths()),
        page.differences(),
        page.cost(),
        page.spec(),
        page.reproduce(),
    ];
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{} · flowc</title><style>{}</style></head>\n\
         <body><main>{}\n{}</main></body></html>\n",
        escape(&record.name),
        include_str!("style.css"),
        page.header(),
        sections.join("\n"),
    )
}
