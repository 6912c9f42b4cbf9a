//! Laws of how the page and the closing words hold what is long or many.

use crate::report::{check, section};
use crate::report_numbers::two_arms;
use crate::report_records::{clouds, comparison, full};
use flowc::report::names::wrapped;
use flowc::report::record::{Density, RunRecord};
use flowc::term::{differences, summary};
use proptest::prelude::*;

proptest! {
    /// Lines are no longer than asked, and put together again they are the name.
    #[test]
    fn names_are_broken_and_not_shortened(name in "[a-z_(: ·]{0,60}", letters in 1usize..40) {
        let lines = wrapped(&name, letters);
        prop_assert!(lines.iter().all(|l| l.chars().count() <= letters), "{lines:?}");
        let bare = |s: &str| s.replace(' ', "");
        prop_assert_eq!(bare(&lines.concat()), bare(&name));
    }
}

#[test]
fn names_break_between_words_then_behind_underscores() {
    assert_eq!(wrapped("trig · independent", 16), ["trig ·", "independent"]);
    assert_eq!(wrapped("a rather_long_label", 12), ["a rather_", "long_label"]);
    assert_eq!(wrapped("aaaaaaaa", 3), ["aaa", "aaa", "aa"]);
}

/// The cells between `<td` and `</td>`.
fn cells(part: &str) -> Vec<&str> {
    part.split("<td").skip(1).map(|c| c.split("</td>").next().unwrap()).collect()
}

#[test]
fn many_metrics_are_several_tables_whose_cells_say_what_they_are() {
    let mut record = full();
    for cell in &mut record.cells {
        let first = cell.metrics[0].clone();
        cell.metrics.extend((0..6).map(|k| {
            let mut m = first.clone();
            m.name = format!("further_{k}");
            m
        }));
    }
    let text = check(&record);
    let part = section(&text, "results");
    let tables: Vec<&str> = part.split("<table").skip(1).map(|t| t.split("</table>").next().unwrap()).collect();
    assert!(tables.len() > 1);
    let columns: Vec<usize> =
        tables.iter().map(|t| t.split("</thead>").next().unwrap().matches("<th").count()).collect();
    let (least, most) = (columns.iter().min().unwrap(), columns.iter().max().unwrap());
    // The first `<th` is that of `<thead>`, the second that of arms.
    assert!(*most <= 2 + 5 && most - least <= 2, "{columns:?}");
    for k in 0..6 {
        assert_eq!(part.matches(&format!("data-h=\"further_{k}\"")).count(), record.axes[0].labels.len());
    }
    for id in ["results", "expectations", "differences", "cost"] {
        assert!(cells(section(&text, id)).iter().all(|c| c.contains("data-h=\"")), "{id}");
    }
    let css = include_str!("../../src/report/style.css");
    let print = css.split("@media print").nth(1).unwrap();
    assert!(print.contains(".scroll { overflow: visible; }"));
}

/// Where the dashed lines of strip plots begin, tenths of a pixel.
fn levels(part: &str) -> Vec<i64> {
    let of = |d: &str| {
        let d = d.split(" d=\"").nth(1)?.split('"').next()?;
        d.trim_start_matches('M').split_once(' ')?.0.parse().ok()
    };
    part.split("class=\"lv\"").skip(1).filter_map(of).collect()
}

#[test]
fn each_arm_has_the_floor_of_its_own_run() {
    let mut record = two_arms(&[1.0, 1.1], &[1.2, 1.4], Some(0.5));
    let one = check(&record);
    assert_eq!(section(&one, "results").matches("class=\"lv\"").count(), 1, "one floor is one line");
    for cell in record.cells.iter_mut().filter(|c| c.labels[0] == "b") {
        cell.metrics.iter_mut().for_each(|m| m.floor = Some(0.9));
    }
    let two = check(&record);
    let found = levels(section(&two, "results"));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0] < found[1], "{found:?}");
}

#[test]
fn samples_of_classes_have_their_colours_and_a_legend() {
    let plain = check(&clouds(2));
    assert!(!section(&plain, "samples").contains("class=\"legend\""));
    let mut record = clouds(2);
    for points in record.cells.iter_mut().filter_map(|c| c.samples.as_mut()) {
        let (total, n) = (points.total, points.len());
        points.total = n as u64;
        let labels: Vec<u32> = (0..n as u32).map(|k| k % 3).collect();
        *points = points.clone().labelled(&labels, |c| ["round", "square", "2"][c as usize].to_owned());
        points.total = total;
    }
    let text = check(&record);
    let part = section(&text, "samples");
    assert!(part.contains("a colour for each class"), "{part}");
    for (k, name) in ["round", "square", "class 2"].iter().enumerate() {
        assert!(part.contains(&format!("<i class=\"sw c{k}\"></i>{name}</li>")), "{name}");
        assert!(part.contains(&format!("class=\"p c{k}\"")), "{name}");
    }
    assert!(!part.contains("class=\"p c3\""));
    assert_eq!(RunRecord::from_json(&record.to_json().unwrap()).unwrap().cells, record.cells);
}

#[test]
fn labels_stay_with_their_points() {
    let data: Vec<f32> = (0..100).map(|v| v as f32).collect();
    let points = flowc::report::record::Points::subsample(&data, 1, 7);
    let points = points.labelled(&(0..100).collect::<Vec<u32>>(), |c| c.to_string());
    assert!(points.labels.iter().zip(points.rows()).all(|(l, r)| *l as f32 == r[0]), "{points:?}");
    assert!(points.labels.len() == 7 && points.classes.len() == 100);
}

#[test]
fn a_density_of_the_line_is_a_curve_over_the_exact_one() {
    let mut record = clouds(1);
    let n = 50;
    let at = |k: usize| -5.0 + 10.0 * (k as f32 + 0.5) / n as f32;
    let gauss = |s: f32| (0..n).map(|k| -0.5 * (at(k) / s).powi(2) - s.ln() - 0.919).collect::<Vec<f32>>();
    record.cells[0].density =
        Some(Density { x: (-5.0, 5.0), y: (0.0, 0.0), nx: n, ny: 1, learned: gauss(2.0), target: gauss(1.0) });
    let text = check(&record);
    let part = section(&text, "density");
    assert!(part.contains("over the exact one") && !part.contains("base64,"), "{part}");
    assert!(part.contains("class=\"b tg\"") && part.contains("class=\"l c0\""), "{part}");
}

fn long(mut record: RunRecord) -> RunRecord {
    let longer = |l: &mut String| *l += "_with_quite_a_long_label · that says what differs in this arm";
    record.cells.iter_mut().for_each(|c| longer(&mut c.labels[0]));
    record.axes[0].labels.iter_mut().for_each(longer);
    record
}

#[test]
fn closing_words_hold_long_names_in_80_columns_and_keep_their_indentation() {
    let record = long(comparison());
    let paired = differences(&record);
    assert!(paired.lines().all(|l| l.chars().count() <= 80), "{paired}");
    assert_eq!(
        paired.matches("decided").count() + paired.matches("open").count(),
        differences(&comparison()).lines().filter(|l| l.starts_with("   ")).count()
    );
    let text = summary(&record, None, false);
    assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
    // What a name goes on with stands deeper than names of metrics and of arms.
    let table: Vec<&str> =
        text.lines().skip_while(|l| !l.contains('─')).skip(1).take_while(|l| !l.is_empty()).collect();
    let starts = |l: &str| record.axes[0].labels.iter().any(|a| l.trim_start().starts_with(&a[..a.find('_').unwrap()]));
    let deep = |l: &str| l.chars().take_while(|c| *c == ' ').count();
    let arm = table.iter().find(|l| starts(l)).map(|l| deep(l)).expect("an arm");
    let goes_on =
        table.iter().filter(|l| l.trim_start().starts_with("that says") || l.trim_start().starts_with("differs"));
    assert!(goes_on.clone().count() > 0 && goes_on.clone().all(|l| deep(l) > arm), "{text}");
}

#[test]
fn a_run_says_all_its_numbers_of_steps() {
    let mut record = comparison();
    record.cells.iter_mut().for_each(|c| c.steps_planned = 625);
    assert!(summary(&record, None, false).contains(" · 625 steps · "));
    record.cells[0].steps_planned = 40;
    assert!(summary(&record, None, false).contains(" · 40 to 625 steps · "));
    assert!(check(&record).contains("40 to 625 training steps"));
}
