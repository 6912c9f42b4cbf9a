//! The parser on texts that nobody meant: no panic, no hang, every place inside the text.

use std::time::{Duration, Instant};

use flowc::diag::{Sink, render};
use flowc::source::SourceMap;
use flowc::syntax::{self, print};
use proptest::prelude::*;

use crate::syntax::specs;

/// Parses and renders; gives the number of diagnostics. Large texts are given this long on a slow, busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn survive(text: &str) -> usize {
    let start = Instant::now();
    let mut sources = SourceMap::default();
    let id = sources.add("t.flow", text, false);
    let mut sink = Sink::default();
    let file = syntax::parse(id, text, &mut sink);
    let all = sink.finish();
    for d in &all {
        let at = d.primary.as_ref().expect("a syntax error has a place").span;
        assert!(at.start <= at.end && at.end as usize <= text.len(), "{d:?}");
        assert!(text.is_char_boundary(at.start as usize) && text.is_char_boundary(at.end as usize), "{d:?}");
        assert!(d.help.as_ref().is_none_or(|h| !h.contains("{ }{")), "{d:?}");
    }
    assert!(!render::plain(&all[..all.len().min(3)], &sources).contains("Failed to read"), "{all:?}");
    assert!(serde_json::from_str::<serde_json::Value>(&render::json(&all, &sources)).is_ok());
    if text.len() < 100_000 {
        let _ = print::print(&file, Some(text));
    }
    assert!(start.elapsed() < PATIENCE, "{} bytes took {:?}", text.len(), start.elapsed());
    all.len()
}

#[test]
fn deep_nesting_ends_in_a_diagnostic() {
    for n in [64, 65, 100, 100_000] {
        for (open, close) in [("(", ")"), ("[", "]"), ("f(", ")"), ("[a: ", "]"), ("x[", "]")] {
            let inner = if open == "[a: " { "1" } else { "y" };
            let text = format!("a = {}{inner}{}\nb = 1\n", open.repeat(n), close.repeat(n));
            let faults = survive(&text);
            assert_eq!(faults > 0, n > syntax::MAX_NESTING, "{open} {n}: {faults}");
        }
    }
    for unit in [
        "if a then b else ",
        "x => ",
        "if ",
        "solve t: ",
        "not ",
        "- ",
        "a ^ ",
        "a + ",
        "(x => {",
        "{",
        "f(g, [",
        "x'(",
    ] {
        assert!(survive(&format!("a = {}", unit.repeat(20_000))) > 0, "{unit}");
    }
}

#[test]
fn large_texts_take_linear_time() {
    let mega = 1 << 20;
    for unit in [
        "(", "[", "{", ")", "a", "a ", "1", "1 ", "\"", "'", "#", "\n", ";", "a\n", "=", "a=1\n", "a = (\n", "σ",
        "f(x) = ", "//\n", ",",
    ] {
        survive(&unit.repeat(10 * mega / unit.len() / if unit.len() == 1 { 1 } else { 4 }));
    }
    let list = format!("a = [{}1]\n", "1, ".repeat(200_000));
    assert_eq!(survive(&list), 0);
    let lines: String = (0..50_000).map(|i| format!("a{i} = f(x, [1, 2], y: {i})\n")).collect();
    assert_eq!(survive(&lines), 0);
}

#[test]
fn ten_megabytes_of_brackets_end_quickly() {
    let start = Instant::now();
    assert_eq!(survive(&"(".repeat(10 << 20)), 1);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

/// Every product of a chain may take the one before it apart, in two places: twelve operands each, and forty of them. The
/// optimiser has a bound on what it looks at, so this ends.
#[test]
fn chains_of_products_end() {
    let text = "
source = normal(dim: 8)
target = normal(dim: 8)
param a: vec[8] = 0.1
field v(x, t) = fold(0..40, x, (h, k) => h * dot(a, h))
train { objective: flow_matching(v, straight), steps: 10 }
generate { sampler: flow(v), solver: rk4(steps: 4) }
";
    let compiled = flowc::driver::compile("t.flow", text);
    let plan = compiled.plan.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics));
    let loss = &plan.arms[0].train.as_ref().expect("it trains").objective;
    let best = flowc::opt::optimize(&flowc::autodiff::expand(loss).expect("nothing to expand"));
    assert!(best.dag.len() < 6 * loss.dag.len(), "{} of {}", best.dag.len(), loss.dag.len());
}

/// Ten megabytes with a fault in every line: what is said is bounded, and says how much is left out.
#[test]
fn messages_are_bounded() {
    let text: String = (0..200_000).map(|i| format!("a{i} = b{i}\n")).collect();
    let c = flowc::driver::compile("t.flow", &text);
    assert!(c.diagnostics.len() < 500, "{}", c.diagnostics.len());
    // The names, and that there is nothing to do.
    assert!(c.diagnostics.iter().any(|d| d.notes.iter().any(|n| n == "199801 more errors are not shown")));
    let last = c.diagnostics.iter().rfind(|d| !d.notes.is_empty()).expect("one says what is left out");
    let shown = render::plain(std::slice::from_ref(last), &c.sources);
    let line = last.primary.as_ref().map(|l| text[..l.span.start as usize].matches('\n').count() + 1);
    assert!(shown.contains(&format!("t.flow:{}:", line.expect("a place"))), "{shown}");
}

/// Pieces of specs and other languages, put together at random.
fn soup() -> impl Strategy<Value = String> {
    let words = vec![
        "field",
        "fn",
        "v",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "x",
        ",",
        "t",
        "|",
        ";",
        "=",
        ":",
        "->",
        "=>",
        "~",
        "1",
        "0.5",
        "1e",
        "..",
        "\n",
        "\n",
        " ",
        " ",
        "let",
        "draw",
        "from",
        "solve",
        "if",
        "then",
        "else",
        "x'",
        "'",
        "\"s\"",
        "\"",
        "//c\n",
        "train",
        "compare",
        "in",
        "evaluate",
        "expect",
        "published",
        "within",
        "stage",
        "use",
        "tableau",
        "param",
        "minimize",
        "+",
        "-",
        "^",
        "==",
        "<",
        "not",
        "and",
        "**",
        "#",
        "def",
        "return",
        "π",
        "\t",
        "\r\n",
        "objective",
        "none",
        ".",
        "@",
        "with",
    ];
    prop::collection::vec(prop::sample::select(words), 0..60).prop_map(|w| w.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        survive(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn random_characters(text in "\\PC{0,100}") {
        survive(&text);
    }

    #[test]
    fn random_words(text in soup()) {
        survive(&text);
    }

    #[test]
    fn mutated_specs(which in any::<prop::sample::Index>(), edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..4, soup()), 1..4)) {
        let all = specs();
        let mut text: Vec<char> = which.get(&all).1.chars().collect();
        for (place, remove, insert) in edits {
            let at = place.index(text.len());
            let end = (at + remove * 7).min(text.len());
            let few: Vec<char> = insert.chars().take(5).collect();
            text.splice(at..end, few);
        }
        survive(&text.into_iter().collect::<String>());
    }
}
