//! What a run knows when it ends, and the page that shows it.
//!
//! Input: a [`record::RunRecord`], filled by the runner. Output: one self-contained `report.html` ([`html::page`]), and the
//! same statistics for the terminal ([`summary`]). Invariant: the page is a function of the record alone, so it can be made
//! again at any time from `record.json`, bit for bit. Deliberately absent: any computation of a metric, any file access.

mod axis;
mod charts;
mod frame;
mod highlight;
pub mod html;
mod images;
pub mod number;
mod project;
mod real;
pub mod record;
mod sections;
pub mod stiffness;
pub mod summary;
mod tables;
