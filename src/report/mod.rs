//! What a run knows when it ends, and the page that shows it.
//!
//! Input: a [`record::RunRecord`], filled by the runner. Output: one self-contained `report.html` ([`html::page`]), and the
//! same statistics for the terminal ([`summary`]) and for programs ([`result`]). Invariant: the page is a function of the record alone, so it can be made
//! again at any time from `record.json`, bit for bit. Deliberately absent: any computation of a metric, any file access.

mod axis;
mod charts;
mod failures;
mod frame;
mod heat;
mod highlight;
pub mod html;
mod images;
mod line;
pub mod names;
pub mod notes;
pub mod number;
pub mod pictures;
mod png;
mod profiles;
mod project;
mod real;
pub mod record;
pub mod result;
mod sections;
mod steps;
mod stiffness;
pub mod summary;
mod table;
mod tables;
