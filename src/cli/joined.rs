//! Several runs as one comparison.
//!
//! Run folders -> a record whose arms are theirs. Invariant: no two runs are called alike, and a name says what tells its run from
//! the others: the spec, what `--set` and `--only` gave, and the time where those are the same. Deliberately absent: tables and pages.

use super::Fault;
use super::{runs, started};
use crate::diag::{Code, Diagnostic};
use crate::report::record::{Axis, RunRecord};
use crate::report::summary;
use std::path::PathBuf;

/// What is known of a run before it has a name beside others.
struct Known {
    path: PathBuf,
    record: RunRecord,
    told: Vec<String>,
}

/// Several runs as arms of one comparison.
///
/// # Errors
/// `E0801` for a run that is not there or not at its end, `E0610` for one named twice.
pub fn joined(words: &[PathBuf]) -> Fault<RunRecord> {
    let mut out = RunRecord::default();
    let mut places: Vec<PathBuf> = Vec::new();
    let mut all: Vec<Known> = Vec::new();
    for word in words {
        let path = started::find(Some(word))?;
        let place = path.canonicalize().unwrap_or_else(|_| path.clone());
        if places.contains(&place) {
            let message = format!("`{}` is named twice: it is {}", word.display(), path.display());
            let help = "the name of a spec means its newest run; `flowc runs list` shows the ids of all";
            return Err(Box::new(Diagnostic::bare(Code::BadValue, message).help(help)));
        }
        all.push(Known { record: runs::read(&path)?, told: started::told(&path), path });
        places.push(place);
    }
    let labels = called(&all);
    for (known, label) in all.iter_mut().zip(labels) {
        let record = &mut known.record;
        for mut cell in std::mem::take(&mut record.cells) {
            let own = std::mem::take(&mut cell.labels);
            cell.labels = vec![[vec![label.clone()], own].concat().join(", ")];
            out.cells.push(cell);
        }
        out.seeds.extend(record.seeds.iter().filter(|s| !out.seeds.contains(s)).copied().collect::<Vec<_>>());
        out.seconds += record.seconds;
        out.spec += &format!("// {label}\n{}\n", record.spec);
    }
    if let Some(first) = all.into_iter().next().map(|k| k.record) {
        (out.schema, out.flowc, out.started) = (first.schema, first.flowc, first.started);
        (out.precision, out.environment) = (first.precision, first.environment);
    }
    out.name = "comparison".into();
    out.reproduce =
        format!("flowc runs compare {}", words.iter().map(|r| r.display().to_string()).collect::<Vec<_>>().join(" "));
    let arms = summary::arms(&out).into_iter().map(|a| a.label).collect();
    out.axes = vec![Axis { name: "run".into(), labels: arms }];
    Ok(out)
}

/// What runs are called beside each other.
fn called(all: &[Known]) -> Vec<String> {
    let parts = |text: bool, time: bool| -> Vec<String> {
        let names = apart(all.iter().map(|k| vec![k.record.name.as_str()]));
        let times = apart(all.iter().map(|k| folder(k).split('-').collect()));
        let told = apart(all.iter().map(|k| k.told.iter().map(String::as_str).collect()));
        let label = |i: usize| {
            let time = if time { times[i].join("-") } else { String::new() };
            let set = told[i].join(" ");
            // A run of the spec as it stands, among others that were told something.
            let others = all.iter().zip(&told).filter(|(k, _)| k.record.name == all[i].record.name);
            let plain = set.is_empty() && others.into_iter().any(|(_, t)| !t.is_empty());
            let set = if plain && text { "as written".to_owned() } else { set };
            [names[i].join(" "), time, set].into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(" ")
        };
        (0..all.len()).map(label).collect()
    };
    let distinct = |l: &[String]| l.iter().enumerate().all(|(i, a)| !a.is_empty() && !l[..i].contains(a));
    // Settings tell runs of one spec apart; not two texts of a spec.
    let same = |a: &Known, b: &Known| a.record.name != b.record.name || a.record.spec == b.record.spec;
    let texts = all.iter().enumerate().all(|(i, a)| all[..i].iter().all(|b| same(a, b)));
    let by_name = Some(parts(true, false)).filter(|l| texts && distinct(l));
    by_name
        .or_else(|| Some(parts(false, true)).filter(|l| distinct(l)))
        .unwrap_or_else(|| all.iter().map(|k| k.path.display().to_string()).collect())
}

fn folder(k: &Known) -> &str {
    k.path.file_name().and_then(|n| n.to_str()).unwrap_or_default()
}

/// Of each list what not all lists have.
fn apart<'a>(lists: impl Iterator<Item = Vec<&'a str>>) -> Vec<Vec<&'a str>> {
    let lists: Vec<Vec<&str>> = lists.collect();
    let shared = |word: &str| lists.iter().all(|l| l.contains(&word));
    lists.iter().map(|l| l.iter().copied().filter(|w| !shared(w)).collect()).collect()
}
