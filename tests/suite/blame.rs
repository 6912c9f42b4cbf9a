//! Every name of the library, called wrongly in every place where a value may stand: each fault is told at a place in the
//! user's file, and nothing breaks.

use flowc::diag::{Code, Severity, Sink};
use flowc::source::SourceMap;
use flowc::syntax::ast::{Item, ItemKind};

use crate::check::check_text;

/// The library's definitions: name, and how many inputs and settings it declares.
fn library() -> Vec<(String, usize, Vec<String>)> {
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let files = flowc::stdlib::parse_all(&mut sources, &mut sink);
    assert!(!sink.has_errors());
    let one = |item: &Item| match &item.kind {
        ItemKind::Define(d) => {
            let config = d.header.config.iter().map(|c| c.name.name.clone()).collect();
            Some((d.name.name.clone(), d.header.inputs.len(), config))
        }
        ItemKind::Tableau { name, .. } => Some((name.name.clone(), 0, vec!["steps".into(), "rtol".into()])),
        ItemKind::Bind { name, .. } => Some((name.name.clone(), 0, vec![])),
        _ => None,
    };
    let mut all: Vec<_> = files.iter().flat_map(|f| f.items.iter().filter_map(one)).collect();
    all.sort();
    all.dedup();
    all
}

/// Wrong things to give to something.
const STRANGERS: [&str; 12] = [
    "0",
    "-1",
    "\"word\"",
    "none",
    "[1, 2, 3]",
    "(a: 1)",
    "[[1, 2], [3]]",
    "v",
    "straight",
    "normal(dim: 3)",
    "x => x",
    "true",
];

/// Calls of one name: without arguments, with too many, and with two strangers, other ones for each name, in each place.
fn calls(k: usize, name: &str, inputs: usize, config: &[String]) -> Vec<String> {
    let mut all = match k % 2 {
        0 => vec![name.to_owned(), format!("{name}(1, 2, 3, 4, 5, 6, 7, 8, 9)")],
        _ => vec![format!("{name}()"), format!("{name}(nosuch: 1)")],
    };
    for n in 0..2 {
        let s = STRANGERS[(k + 5 * n) % STRANGERS.len()];
        all.push(format!("{name}({})", vec![s; inputs.max(1)].join(", ")));
        all.extend(config.iter().skip(n).step_by(2).map(|c| format!("{name}({c}: {s})")));
        if inputs > 0 && n == 0 {
            let rest = config.iter().map(|c| format!(", {c}: {s}")).collect::<String>();
            all.push(format!("{name}({}{rest})", vec!["x"; inputs].join(", ")));
        }
    }
    all
}

#[test]
fn faults_in_the_library_are_told_at_the_call() {
    let head = "source = normal(dim: 2)\ntarget = moons(noise: 0.05)\n\
        field v(x, t) = dense(concat(x, t), out: dim(x))\n";
    let (mut faults, mut told, mut texts) = (Vec::new(), 0, 0);
    for (k, (name, inputs, config)) in library().into_iter().enumerate() {
        for (i, call) in calls(k, &name, inputs, &config).into_iter().enumerate() {
            // Each call in one of the places, by turns: the whole product is no wiser.
            let text = match (i + k) % 5 {
                0 => format!("{head}train {{ objective: {call}, steps: 10 }}\n"),
                1 => format!("{head}generate {{ sampler: {call}, solver: euler(steps: 2) }}\nevaluate [nll]\n"),
                2 => format!("{head}generate {{ sampler: flow(v), solver: {call} }}\nevaluate [nll]\n"),
                3 => format!(
                    "{head}field u(x, t) = {call}\ntrain {{ objective: flow_matching(u, straight), steps: 10 }}\n"
                ),
                _ => format!("{head}train {{ objective: flow_matching(v, {call}), steps: 10 }}\n"),
            };
            texts += 1;
            let (found, sources) = check_text("call.flow", &text);
            for d in found.iter().filter(|d| d.code.severity() == Severity::Error) {
                told += 1;
                let own = d.primary.iter().any(|l| !sources.file(l.span.file).is_std);
                if !own || d.code == Code::Internal {
                    faults.push(format!("{} {} in\n{text}", d.code.number(), d.message));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults[..faults.len().min(20)].join("\n"));
    assert!(texts > 400 && told > texts / 2, "{told} faults in {texts} texts");
}

/// Small steps and times are shown, not rounded to zero.
#[test]
fn numbers_in_messages_keep_four_digits() {
    for (x, shown) in [
        (0.0, "0"),
        (0.25, "0.25"),
        (-0.04539, "-0.04539"),
        (1e-4, "0.0001"),
        (4.0612e-5, "4.061e-5"),
        (-1e-18, "-1e-18"),
        (1234.5678, "1235"),
        (f64::INFINITY, "inf"),
    ] {
        assert_eq!(flowc::diag::short(x), shown);
    }
}
