//! Laws of words: what a slip meant, what messages call things, pages of the library.

use flowc::cli::library::wrap;
use flowc::diag::suggest::{distance, nearest};
use flowc::experiment::History;
use proptest::prelude::*;
use std::process::Command;

#[test]
fn a_slip_is_found_and_a_stranger_is_not() {
    let words = ["field", "fn", "path", "train", "x", "y"];
    assert_eq!(nearest("feild", words), Some("field"));
    assert_eq!(nearest("Path", words), Some("path"));
    assert_eq!(nearest("trian", words), Some("train"));
    assert_eq!(nearest("banana", words), None);
    assert_eq!(nearest("z", words), None);
}

proptest! {
    #[test]
    fn distance_is_symmetric_and_zero_only_for_equal_words(a in "[a-d]{0,6}", b in "[a-d]{0,6}") {
        prop_assert_eq!(distance(&a, &b), distance(&b, &a));
        prop_assert_eq!(distance(&a, &b) == 0, a == b);
        prop_assert!(distance(&a, &b) <= a.len().max(b.len()));
        prop_assert!(distance(&a, &b) >= a.len().abs_diff(b.len()));
    }
}

/// Every rule has a name of its own kind: a new rule breaks the match in `expected`, an empty or raw name breaks this.
#[test]
fn every_rule_has_an_english_name() {
    for (rule, name) in flowc::syntax::rule_names() {
        assert!(!name.is_empty(), "{rule}");
        assert!(name == "a token" || !name.contains('_') || name.contains('`'), "{rule} is called {name}");
    }
}

#[test]
fn a_history_survives_its_text() {
    let h = History {
        loss: vec![(1, 0.1 + 0.2), (7, f64::MIN_POSITIVE / 4.0)],
        validation: vec![(5, 1e300)],
        open: (-0.3, 2),
        seconds: 1.0 / 3.0,
        timed: true,
        step_times: vec![],
    };
    assert_eq!(History::from_text(&h.to_text()), Some(h));
    assert_eq!(History::from_text("loss 1"), None);
}

/// What `flowc std` says of some words, and whether it knew them.
fn ask(words: &str) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowc"));
    let o = command.arg("std").args(words.split_whitespace()).env("NO_COLOR", "1").output().expect("flowc runs");
    (o.status.success(), String::from_utf8_lossy(&[o.stdout, o.stderr].concat()).into_owned())
}

/// Every page, and the overview, keeps to 80 columns; only numbers of a tableau may be longer than a line.
#[test]
fn pages_are_eighty_columns_wide() {
    let shelves = flowc::stdlib::docs::categories();
    let own = flowc::plan::METRICS.iter().map(|m| m.name.to_owned());
    let own = own.chain(flowc::elaborate::builtin::Builtin::names().map(str::to_owned));
    let names = shelves.into_iter().flat_map(|c| c.entries.into_iter().map(|e| e.name).chain([c.name])).chain(own);
    let mut count = 0;
    for name in names.chain([String::new()]) {
        let (known, text) = ask(&name);
        assert!(known, "{name}");
        for line in text.lines() {
            let number = line.trim().trim_matches(|c: char| "0123456789 /-,[]".contains(c)).is_empty();
            assert!(line.chars().count() <= 80 || number, "{name}: {line}");
            assert_eq!(line, line.trim_end(), "{name}");
        }
        count += 1;
    }
    assert!(count > 100, "{count}");
}

#[test]
fn words_are_found_in_names_first() {
    let first = |words: &str| ask(words).1.split_whitespace().next().map(str::to_owned);
    assert_eq!(first("spiral").as_deref(), Some("two_spirals"));
    assert_eq!(first("Kutta 3/8").as_deref(), Some("rk4_38"));
    assert!(ask("torchcfm runner").1.contains("moons_torchcfm"));
    let (known, text) = ask("moonz");
    assert!(!known && text.contains("`moons`"), "{text}");
    assert!(!ask("zzzzzzzzzz").0);
}

#[test]
fn quoted_code_stays_on_its_line() {
    let lines = wrap("aaaa aaaa aaaa `one two` bbbb", 20);
    assert_eq!(lines, ["aaaa aaaa aaaa", "`one two` bbbb"]);
}

/// A summary is a whole sentence: what it opens it closes.
#[test]
fn summaries_are_whole() {
    for entry in flowc::stdlib::docs::categories().into_iter().flat_map(|c| c.entries) {
        let s = entry.doc.summary();
        let count = |c: char| s.matches(c).count();
        assert!(!s.is_empty() && count('(') == count(')') && count('`').is_multiple_of(2), "{}: {s}", entry.name);
        assert!(!s.ends_with(" al") && !s.ends_with(" eq"), "{}: {s}", entry.name);
    }
}
