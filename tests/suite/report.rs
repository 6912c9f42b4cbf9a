//! Laws of the record, its statistics and its page.

use crate::report_numbers::two_arms;
use crate::report_records::{Random, broken, clouds, comparison, full, single};
use flowc::report::html::{PICTURES, page};
use flowc::report::number;
use flowc::report::record::{Points, RunRecord};
use flowc::report::summary::{arms, difference, rows};
use proptest::prelude::*;

#[test]
fn records_read_back_even_with_numbers_json_does_not_have() {
    let mut record = comparison();
    record.cells[0].metrics[0].value = f64::NAN;
    record.cells[0].metrics[0].floor = Some(f64::INFINITY);
    record.cells[0].loss.push((20_001, f64::NEG_INFINITY));
    record.cells[0].samples.as_mut().unwrap().data[3] = f32::NAN;
    let text = record.to_json().unwrap();
    let back = RunRecord::from_json(&text).unwrap();
    assert!(back.cells[0].metrics[0].value.is_nan());
    assert_eq!(back.cells[0].loss.last().unwrap().1, f64::NEG_INFINITY);
    assert!(back.cells[0].samples.as_ref().unwrap().data[3].is_nan());
    let (was, is) = (&record.cells[1], &back.cells[1]);
    for (a, b) in was.loss.iter().zip(&is.loss) {
        assert!(a.0 == b.0 && (a.1 - b.1).abs() <= f64::EPSILON * a.1.abs(), "{a:?} {b:?}");
    }
    assert_eq!(was.loss.len(), is.loss.len());
    assert_eq!(
        (&was.samples, &was.field, &was.trajectories),
        (&is.samples, &is.field, &is.trajectories),
        "f32 is exact"
    );
    assert_eq!((&was.solver, &was.labels, was.finished), (&is.solver, &is.labels, is.finished));
    assert_eq!(
        (&back.expectations, &back.environment, &back.axes),
        (&record.expectations, &record.environment, &record.axes)
    );
    record.schema += 1;
    assert!(RunRecord::from_json(&record.to_json().unwrap()).is_err());
}

#[test]
fn subsampling_keeps_rows_whole_and_in_order() {
    let data: Vec<f32> = (0..300).map(|v| v as f32).collect();
    for most in [1, 7, 99, 100, 1_000] {
        let p = Points::subsample(&data, 3, most);
        assert_eq!(p.len(), most.min(100));
        assert_eq!(p.total, 100);
        assert!(p.rows().all(|r| r[0] % 3.0 == 0.0 && r[1] == r[0] + 1.0 && r[2] == r[0] + 2.0));
        assert!(p.rows().map(|r| r[0]).is_sorted());
    }
    assert!(Points::subsample(&[], 3, 5).is_empty());
}

/// Every element of the page is closed, in order.
fn well_formed(html: &str) -> Result<(), String> {
    const EMPTY: [&str; 4] = ["meta", "wbr", "use", "input"];
    let (mut open, mut rest) = (Vec::new(), html);
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let end = rest.find('>').ok_or("an unclosed tag")?;
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or("");
        if tag.starts_with('!') || tag.ends_with('/') || EMPTY.contains(&name) {
            continue;
        }
        if tag.starts_with('/') {
            let expected = open.pop();
            if expected != Some(name) {
                return Err(format!("</{name}> closes {expected:?}"));
            }
        } else {
            open.push(name);
            if name == "style" || name == "script" {
                rest = &rest[rest.find(&format!("</{name}>")).ok_or("unclosed style")?..];
            }
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("left open: {open:?}")) }
}

/// All path data of a page.
fn paths(html: &str) -> impl Iterator<Item = &str> {
    html.split(" d=\"").skip(1).map(|p| p.split('"').next().unwrap_or(""))
}

pub fn check(record: &RunRecord) -> String {
    let text = page(record);
    assert_eq!(text, page(record), "equal records, equal bytes");
    well_formed(&text).unwrap();
    for outside in ["http:", "https:", "url(", "@import", "<link", " src=", "<iframe"] {
        assert!(!text.contains(outside), "the page refers to {outside}");
    }
    for d in paths(&text) {
        assert!(d.chars().all(|c| c.is_ascii_digit() || "MmlhHVz -".contains(c)), "{}", &d[..d.len().min(80)]);
    }
    let pictures = text.matches("<svg ").count() - text.matches("class=\"defs\"").count();
    assert_eq!(pictures, text.matches("role=\"img\" aria-label=\"").count(), "every picture has words");
    text
}

/// `plot` chooses among the pictures; tables and text stay.
#[test]
fn a_page_shows_the_pictures_that_were_chosen() {
    let mut record = comparison();
    let section = |text: &str, name: &str| text.contains(&format!("<section id=\"{name}\""));
    let all = check(&record);
    let drawn: Vec<&str> = PICTURES.into_iter().filter(|p| section(&all, p)).collect();
    assert!(drawn.len() >= 4, "{drawn:?}");
    for chosen in [vec![], vec!["samples"], vec!["paths", "training"]] {
        record.pictures = Some(chosen.iter().map(|p| (*p).to_owned()).collect());
        let text = check(&record);
        assert!(PICTURES.iter().all(|p| section(&text, p) == (chosen.contains(p) && drawn.contains(p))), "{chosen:?}");
        assert!(section(&text, "results") && section(&text, "cost") && section(&text, "reproduce"));
        assert_eq!(RunRecord::from_json(&record.to_json().unwrap()).unwrap().pictures, record.pictures);
    }
}

#[test]
fn pages_are_whole_alone_and_described() {
    for record in [comparison(), full(), single(), RunRecord::default()] {
        check(&record);
    }
}

#[test]
fn a_run_that_broke_still_has_a_page() {
    let text = check(&broken());
    assert!(text.contains("interrupted") && text.contains("not finite") && text.contains("flowc resume runs/x"));
}

#[test]
fn text_of_the_user_stays_text() {
    let hostile = "</style><script>alert(1)</script>\"'&lt;";
    let mut record = single();
    record.name = hostile.into();
    record.spec = hostile.into();
    record.spec_file = hostile.into();
    record.expectations[0].text = hostile.into();
    record.cells[0].metrics[0].name = hostile.into();
    record.cells[0].metrics[0].unit = Some(hostile.into());
    record.environment.cpu = hostile.into();
    assert!(!check(&record).contains("<script>alert"));
    let mut record = comparison();
    record.cells.iter_mut().for_each(|c| c.labels[0] += hostile);
    assert!(!check(&record).contains("<script>alert"));
}

#[test]
fn large_comparisons_stay_below_two_megabytes() {
    let small = comparison();
    let mut record = small.clone();
    record.cells.clear();
    for arm in 0..24 {
        for seed in 0..5 {
            let mut cell = small.cells[(3 * arm + seed) % 9].clone();
            cell.labels = vec![format!("arm {arm}")];
            cell.seed = seed as u64;
            record.cells.push(cell);
        }
    }
    let text = check(&record);
    assert!(text.len() < 2_000_000, "{} bytes", text.len());
    assert!(text.contains("The first 8 of 24 arms"));
}

#[test]
fn dimensions_other_than_two_are_drawn_and_said() {
    for dim in [1, 3, 20] {
        let text = check(&clouds(dim));
        assert!(text.contains("id=\"samples\"") && text.contains("id=\"trajectories\""));
        assert_eq!(text.contains("principal coordinates"), dim > 2);
        if dim == 3 {
            // 25 of 25 + 1 + 1, and one more of the others: 96.3 % in expectation.
            let share = text.split("of its variance").next().unwrap().rsplit(' ').nth(2).unwrap();
            assert!((93.0..99.0).contains(&share.parse::<f64>().unwrap()), "{share}");
        }
    }
}

/// Absolute places of the dots of a path.
fn dots(d: &str) -> Vec<(i64, i64)> {
    let (mut at, mut out) = ((0, 0), Vec::new());
    for part in d.split("h0").filter(|p| !p.is_empty()) {
        let numbers = part[1..].replace('-', " -");
        let v: Vec<i64> = numbers.split_whitespace().map(|n| n.parse().unwrap()).collect();
        at = if part.starts_with('M') { (v[0], v[1]) } else { (at.0 + v[0], at.1 + v[1]) };
        out.push(at);
    }
    out
}

#[test]
fn dots_lie_where_the_data_say() {
    let mut r = Random::new(9);
    let data: Vec<f32> = (0..200).map(|_| r.normal() as f32).collect();
    let mut record = single();
    record.cells[0].target = Some(Points { dim: 2, total: 100, data: data.clone(), ..Points::default() });
    record.cells[0].samples = None;
    let text = check(&record);
    let group = text.split("<g id=\"target\"").nth(1).unwrap().split("</g>").next().unwrap();
    let drawn: Vec<(i64, i64)> = paths(group).flat_map(dots).collect();
    assert_eq!(drawn.len(), 100);
    // One scale for both axes, y upwards: found from two points, it must place all others, to a tenth of a pixel.
    let (a, b) = (0, (1..100).max_by_key(|&k| (drawn[k].0 - drawn[0].0).abs()).unwrap());
    let scale = (drawn[b].0 - drawn[a].0) as f64 / f64::from(data[2 * b] - data[2 * a]);
    for (k, &(x, y)) in drawn.iter().enumerate() {
        let dx = scale * f64::from(data[2 * k] - data[0]);
        let dy = scale * f64::from(data[2 * k + 1] - data[1]);
        assert!((x as f64 - drawn[0].0 as f64 - dx).abs() < 4.0, "x of {k}");
        assert!((y as f64 - drawn[0].1 as f64 + dy).abs() < 4.0, "y of {k}");
    }
}

proptest! {
    #[test]
    fn what_arms_share_under_a_seed_cancels(shared in prop::collection::vec(-100.0..100.0f64, 5),
                                            own in prop::collection::vec(-1.0..1.0f64, 5)) {
        let plain = two_arms(&[0.0; 5], &own, None);
        let a: Vec<f64> = shared.clone();
        let b: Vec<f64> = shared.iter().zip(&own).map(|(s, o)| s + o).collect();
        let noisy = two_arms(&a, &b, None);
        let d = |r: &RunRecord| { let arms = arms(r); difference(&arms[0], &arms[1], "m").unwrap() };
        prop_assert!((d(&plain).mean - d(&noisy).mean).abs() < 1e-9);
        prop_assert!((d(&plain).error - d(&noisy).error).abs() < 1e-9);
    }

    #[test]
    fn short_numbers_read_back(mantissa in -9.9999..9.9999f64, power in -30..30i32) {
        let x = mantissa * 10f64.powi(power);
        let text = number::plain(x);
        let back: f64 = text.parse().unwrap();
        prop_assert!((back - x).abs() <= 5.01e-4 * x.abs().max(f64::MIN_POSITIVE), "{x} -> {text}");
        let digits = text.split('e').next().unwrap().trim_start_matches(['-', '0', '.']).chars().filter(char::is_ascii_digit).count();
        prop_assert!(digits <= 4, "{x} -> {text}");
    }

    #[test]
    fn errors_read_back(x in -1e6..1e6f64, power in -7..5i32, m in 1.0..9.99f64) {
        let error = m * 10f64.powi(power);
        let text = number::with_error(x, error);
        let (value, shown) = text.split_once(" ± ").unwrap();
        let (value, shown, unit) = match value.strip_prefix('(') {
            None => (value, shown, 1.0),
            Some(v) => { let (s, e) = shown.split_once(")e").unwrap(); (v, s, 10f64.powi(e.parse().unwrap())) }
        };
        let decimals = value.split_once('.').map_or(0, |v| v.1.len());
        let half = 0.500_001 * 10f64.powi(-(decimals as i32)) * unit;
        let (v, s) = (value.parse::<f64>().unwrap() * unit, shown.parse::<f64>().unwrap() * unit);
        prop_assert!((v - x).abs() <= half, "{x} ± {error} -> {text}");
        prop_assert!((s - error).abs() <= half.max(0.5 * error), "{x} ± {error} -> {text}");
        prop_assert!(s > 0.0);
    }

    #[test]
    fn highlighting_changes_no_letter(spec in "(([a-z_]{1,8}|[0-9_.e+-]{1,6}|\"|//|[ (){}<>&;:=^é'\\[\\]]|\\n)){0,60}") {
        let record = RunRecord { spec: spec.clone(), ..RunRecord::default() };
        let text = page(&record);
        let shown = text.split("<pre class=\"spec\">").nth(1).unwrap().split("</pre>").next().unwrap();
        let mut plain = String::new();
        for part in shown.split('<') {
            plain.push_str(part.split_once('>').map_or(part, |p| p.1));
        }
        let plain = plain.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&");
        let expected: String = spec.lines().map(|l| format!("{l}\n")).collect();
        prop_assert_eq!(plain, expected);
    }
}

/// What stands between the tags of a section.
pub fn section<'t>(text: &'t str, id: &str) -> &'t str {
    text.split(&format!("<section id=\"{id}\">"))
        .nth(1)
        .unwrap_or_else(|| panic!("{id}"))
        .split("</section>")
        .next()
        .unwrap()
}

#[test]
fn a_density_is_bright_where_it_is_high_and_stands_beside_the_true_one() {
    use std::io::Read as _;
    let text = check(&full());
    let part = section(&text, "density");
    let maps: Vec<&str> = part.split("base64,").skip(1).map(|p| p.split('"').next().unwrap()).collect();
    assert_eq!(maps.len(), 4, "the target once, and three arms");
    let shades = |map: &str| -> Vec<u8> {
        let bytes = decode(map);
        assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
        let at = bytes.windows(4).position(|w| w == b"IDAT").unwrap();
        let long = u32::from_be_bytes(bytes[at - 4..at].try_into().unwrap()) as usize;
        let mut lines = Vec::new();
        flate2::read::ZlibDecoder::new(&bytes[at + 4..at + 4 + long]).read_to_end(&mut lines).unwrap();
        lines.chunks_exact(33).flat_map(|l| l[1..].to_vec()).collect()
    };
    let (target, wide) = (shades(maps[0]), shades(maps[3]));
    // The mode is at (0, 1) of a square of side 4: a quarter below the top.
    let brightest = (0..target.len()).max_by_key(|&i| target[i]).unwrap();
    assert!((brightest / 32).abs_diff(7) <= 1 && (brightest % 32).abs_diff(15) <= 1, "{brightest}");
    assert_eq!(target[brightest], 255);
    // Three fifths of the width is 0.36 of the height, on the same scale.
    let most = f64::from(*wide.iter().max().unwrap());
    assert!((most / 255.0 - 0.36).abs() < 0.02, "{most}");
    let mut record = full();
    // One target, although every arm maps its own part of the plane: on axes that all maps share.
    for (i, d) in record.cells.iter_mut().filter_map(|c| c.density.as_mut()).enumerate() {
        d.x.1 += i as f64;
    }
    let text = check(&record);
    let part = section(&text, "density");
    assert_eq!(part.matches("base64,").count(), 4);
    assert!(part.contains("all on the same axes") && part.contains("Blank: where"), "{part}");
    let panels: Vec<&str> = part.split("<svg").skip(1).collect();
    let ticks =
        |p: &str| p.split("<text").skip(1).map(|t| t.split("</text>").next().unwrap().to_owned()).collect::<Vec<_>>();
    assert!(panels.windows(2).all(|p| ticks(p[0]) == ticks(p[1])), "{part}");
    let width = |p: &str| {
        p.split("<image").nth(1).unwrap().split("width=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    let widths: Vec<f64> = panels.iter().map(|p| width(p).parse().unwrap()).collect();
    // Sides of 4, 5 and 6 on one axis; the target is that of the first.
    for (k, side) in [4.0, 4.0, 5.0, 6.0].into_iter().enumerate() {
        assert!((widths[k] / widths[3] - side / 6.0).abs() < 0.01, "{widths:?}");
    }
    let text = page(&full());
    assert!(!section(&text, "density").contains("Blank: where"));
    // Without a true density the scale is that of the learned ones.
    record.cells.iter_mut().filter_map(|c| c.density.as_mut()).for_each(|d| d.target.clear());
    assert_eq!(section(&check(&record), "density").matches("base64,").count(), 3);
}

/// Losses are compared where they are losses of one objective; arms keep their colours.
#[test]
fn each_objective_has_its_own_picture_of_losses() {
    let text = check(&full());
    assert_eq!(section(&text, "training").matches("<svg").count(), 2, "one wide, one for narrow screens");
    let mut record = full();
    let last = record.axes[0].labels.last().cloned().unwrap();
    for cell in &mut record.cells {
        cell.objective = if cell.labels[0] == last { "max_likelihood" } else { "flow_matching" }.to_owned();
    }
    let text = check(&record);
    let part = section(&text, "training");
    assert!(part.contains("no common scale"), "{part}");
    let panels: Vec<&str> = part.split("<figure>").skip(1).collect();
    assert_eq!(panels.len(), 2);
    assert!(panels[0].contains(">flow_matching<") && panels[1].contains(">max_likelihood<"), "{part}");
    let drawn = |p: &str, arm: usize| p.contains(&format!("class=\"l c{arm}\""));
    assert!(drawn(panels[0], 0) && drawn(panels[0], 1) && !drawn(panels[0], 2));
    assert!(!drawn(panels[1], 0) && !drawn(panels[1], 1) && drawn(panels[1], 2));
}

/// A phase that no arm has had is no column.
#[test]
fn time_is_told_of_phases_that_were() {
    let text = check(&full());
    assert!(section(&text, "cost").contains(">generate<"));
    let mut record = full();
    record.cells.iter_mut().for_each(|c| c.timings.generate = 0.0);
    let text = check(&record);
    let cost = section(&text, "cost");
    let head = cost.split("</thead>").next().unwrap();
    assert!(!head.contains(">generate<") && head.contains(">train<"), "{head}");
}

/// RFC 4648, section 4.
fn decode(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let letters: Vec<u8> = text.bytes().filter(|c| *c != b'=').collect();
    let four = |c: &[u8]| {
        let word = c.iter().enumerate().fold(0_u32, |w, (k, v)| w | u32::from(value(*v)) << (18 - 6 * k));
        word.to_be_bytes()[1..c.len()].to_vec()
    };
    letters.chunks(4).flat_map(four).collect()
}

#[test]
fn metrics_that_differ_in_steps_alone_are_a_curve_each_arm() {
    let text = check(&full());
    let part = section(&text, "steps");
    assert_eq!(part.matches("<svg ").count(), 1);
    assert!(part.contains("mmd(solver: euler(steps: n))"), "{part}");
    assert!(
        !section(&text, "results").contains("aria-label=\"mmd(solver: euler(steps: 1))"),
        "no bars beside the curve"
    );
    // Two are no curve.
    let mut record = full();
    record.cells.iter_mut().for_each(|c| c.metrics.retain(|m| !m.name.contains("steps: 5") && !m.name.contains("0))")));
    let text = check(&record);
    assert!(
        !text.contains("id=\"steps\"")
            && section(&text, "results").contains("aria-label=\"mmd(solver: euler(steps: 1))")
    );
}

#[test]
fn paths_and_speeds_are_drawn_where_they_are_finite() {
    let text = check(&full());
    let part = section(&text, "paths");
    assert_eq!(part.matches("<svg ").count(), 4, "three paths, one picture of speeds");
    assert!(part.contains(">noise</text>") && part.matches(">a</text>").count() == 3);
    assert!(!section(&check(&clouds(3)), "paths").contains("NaN"));
}

/// The contrast of two colours (WCAG 2.2, "relative luminance" and "contrast ratio").
fn contrast(a: &str, b: &str) -> f64 {
    let luminance = |c: &str| {
        let c = c.trim_start_matches('#');
        let wide: String = if c.len() == 3 { c.chars().flat_map(|c| [c, c]).collect() } else { c.to_owned() };
        let linear = |k: usize| {
            let v = f64::from(u8::from_str_radix(&wide[2 * k..2 * k + 2], 16).unwrap()) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(0) + 0.7152 * linear(1) + 0.0722 * linear(2)
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn colours_can_be_read_in_light_dark_and_print() {
    let css = include_str!("../../src/report/style.css");
    let schemes: Vec<&str> = css.split(":root {").skip(1).map(|s| s.split('}').next().unwrap()).collect();
    assert_eq!(schemes.len(), 3);
    for scheme in schemes {
        let all: std::collections::HashMap<&str, &str> = scheme
            .split(';')
            .filter_map(|v| v.trim().strip_prefix("--")?.split_once(':'))
            .map(|(k, v)| (k, v.trim()))
            .collect();
        let at_least = |of: &str, on: &str, ratio: f64| {
            let found = contrast(all[of], all[on]);
            assert!(found >= ratio, "--{of} on --{on}: {found:.2}, must be {ratio}");
        };
        for text in ["fg", "quiet", "ok", "no", "kw", "st", "nu", "fu"] {
            at_least(text, "bg", 4.5);
        }
        for text in ["fg", "quiet", "kw", "st", "nu", "fu"] {
            at_least(text, "soft", 4.5);
        }
        at_least("ok", "okbg", 4.5);
        at_least("no", "nobg", 4.5);
        for k in 0..8 {
            at_least(&format!("a{k}"), "bg", 3.0);
        }
    }
}

#[test]
fn a_result_for_programs_says_what_the_summary_says() {
    use flowc::report::result::object;
    for mut record in [full(), single(), broken()] {
        record.cells[0].metrics[0].standard_error = Some(f64::INFINITY);
        let value = object(&record, "runs/x", None);
        let text = serde_json::to_string(&value).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        let all = arms(&record);
        for (i, (arm, shown)) in all.iter().zip(value["arms"].as_array().unwrap()).enumerate() {
            assert_eq!(shown["label"], arm.label.as_str());
            for row in rows(&all) {
                let metrics = shown["metrics"].as_array().unwrap();
                let found = metrics.iter().find(|m| m["name"] == row.metric.name.as_str());
                assert_eq!(found.is_some(), row.arms[i].is_some());
                let (Some(found), Some(s)) = (found, row.arms[i]) else { continue };
                assert_eq!(found["mean"].as_f64(), s.mean.is_finite().then_some(s.mean));
                assert_eq!(found["best"], row.best == Some(i));
            }
        }
    }
    assert_eq!(object(&broken(), "runs/x", None)["state"], "interrupted");
}
