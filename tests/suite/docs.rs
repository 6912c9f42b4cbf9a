//! What the documents say is true: their specs are accepted, their tables are complete.

use crate::lang::elaborate;
use flowc::diag::{Code, Severity, Sink, render};
use flowc::driver::{self, Compiled};
use flowc::elaborate::Value;
use flowc::elaborate::builtin::Builtin;
use flowc::plan::METRICS;
use flowc::source::SourceMap;
use flowc::syntax::ast::ItemKind;
use std::path::Path;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a document of the repository")
}

/// A fenced block: the words after the fence, the line it begins at, its text.
struct Block {
    info: String,
    line: usize,
    text: String,
}

fn blocks(document: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (i, line) in document.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => {
                open = Some(Block { info: info.trim().to_owned(), line: i + 1, text: String::new() });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(b), None) => b.text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    found
}

fn flow(document: &str, info: &str) -> Vec<Block> {
    blocks(document).into_iter().filter(|b| b.info == info).collect()
}

/// Errors and warnings of a text, as a user reads them.
fn complaints(name: &str, text: &str) -> Vec<String> {
    let Compiled { sources, diagnostics, .. } = driver::compile(name, text);
    let bad = diagnostics.into_iter().filter(|d| d.code.severity() != Severity::Note);
    bad.map(|d| render::plain(&[d], &sources)).collect()
}

#[test]
fn complete_specs_of_the_documents_are_accepted_without_a_warning() {
    for (path, least) in [("grammar/README.md", 6), ("grammar/TUTORIAL.md", 2), ("README.md", 1)] {
        let found = flow(&read(path), "flow");
        assert!(found.len() >= least, "{path} shows specs");
        for b in found {
            let faults = complaints(&format!("{path}:{}", b.line), &b.text);
            assert!(faults.is_empty(), "{}", faults.join("\n"));
        }
    }
}

/// What a fragment may lean on, where it does not define it.
const FRAME: [(&str, &str); 3] = [
    ("source", "source = normal(dim: 2)"),
    ("target", "target = moons()"),
    ("v", "field v(x, t | y: class[10]) = mlp(concat(x, t, embed(y, 4)), hidden: [8], out: dim(x))"),
];

/// A fragment is part of a spec: its names resolve, its bindings have values, and those that are claims hold.
#[test]
fn fragments_of_the_documents_hold_within_a_frame() {
    let mut count = 0;
    for path in ["grammar/README.md", "grammar/TUTORIAL.md", "README.md"] {
        for b in flow(&read(path), "flow fragment") {
            let mut sources = SourceMap::default();
            let mut sink = Sink::default();
            let id = sources.add("fragment.flow", b.text.as_str(), false);
            let file = flowc::syntax::parse(id, &b.text, &mut sink);
            assert!(!sink.has_errors(), "{path}:{}: {}", b.line, render::plain(&sink.finish(), &sources));
            let mut bound = Vec::new();
            let mut names = Vec::new();
            for i in &file.items {
                match &i.kind {
                    ItemKind::Bind { name, .. } => bound.push(name.name.clone()),
                    ItemKind::Define(d) => names.push(d.name.name.clone()),
                    _ => {}
                }
            }
            let given = |n: &str| bound.iter().chain(&names).any(|m| m == n);
            let frame: String = FRAME.iter().filter(|(n, _)| !given(n)).map(|(_, l)| format!("{l}\n")).collect();
            let (values, faults, sources) = elaborate(&format!("{frame}{}", b.text), |e, span| {
                let value = |n: &String| (n.clone(), e.role(n, span).is_ok_and(|v| !matches!(v, Value::Bool(false))));
                bound.iter().map(value).collect::<Vec<_>>()
            });
            let faults: Vec<_> = faults.into_iter().filter(|d| d.code.severity() == Severity::Error).collect();
            assert!(faults.is_empty(), "{path}:{}: {}", b.line, render::plain(&faults, &sources));
            let wrong: Vec<_> = values.iter().filter(|(_, fine)| !fine).collect();
            assert!(wrong.is_empty(), "{path}:{}: {wrong:?}", b.line);
            count += 1;
        }
    }
    assert!(count > 3);
}

/// What the tutorial shows as wrong is refused with the code that it prints, and what `flowc new` writes is what it explains.
#[test]
fn the_tutorial_shows_what_happens() {
    let tutorial = read("grammar/TUTORIAL.md");
    let all = blocks(&tutorial);
    let wrong: Vec<usize> = (0..all.len()).filter(|i| all[*i].info == "flow wrong").collect();
    assert!(!wrong.is_empty());
    for i in wrong {
        let shown = all[i + 1..].iter().find(|b| b.info == "text").expect("what flowc says");
        let found = driver::check_text("mine.flow", &all[i].text);
        assert!(found.iter().any(|d| shown.text.starts_with(d.code.number())), "{}", shown.text);
    }
    let template = read("src/cli/templates/moons.flow");
    let bare: String =
        template.lines().filter(|l| !l.starts_with("//") && !l.is_empty()).map(|l| format!("{l}\n")).collect();
    assert_eq!(all.iter().find(|b| b.info == "flow").expect("a spec").text, bare);
}

#[test]
fn the_readme_shows_the_spec_that_it_runs() {
    let spec = read("specs/moons_fm.flow");
    assert!(flow(&read("README.md"), "flow").iter().any(|b| b.text == spec), "specs/moons_fm.flow as it stands");
}

/// Whether a document has this name in backquotes, alone or as the head of a call.
fn mentions(document: &str, name: &str) -> bool {
    [format!("`{name}`"), format!("`{name}(")].iter().any(|s| document.contains(s))
}

#[test]
fn the_reference_lists_every_builtin_and_every_metric() {
    let reference = read("grammar/README.md");
    let names = Builtin::names().chain(METRICS.iter().map(|m| m.name));
    let missing: Vec<&str> = names.filter(|n| !mentions(&reference, n)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The names that the compiler lists in the help of an unknown one.
fn listed(text: &str) -> Vec<String> {
    let found = driver::check_text("keys.flow", text);
    let help = found.iter().find(|d| d.code == Code::UnknownKey).and_then(|d| d.help.clone());
    let names: Vec<String> = help.unwrap_or_default().split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(names.len() > 2, "the help lists the names: {found:?}");
    names
}

#[test]
fn the_reference_lists_every_key_and_setting() {
    let reference = read("grammar/README.md");
    let start = "source = normal(dim: 2)\ntarget = moons()\nfield v(x, t) = mlp(concat(x, t), out: dim(x))\n";
    let train = "train { objective: flow_matching(v, straight), steps: 1, qqqqqqqqqq: 1 }\n";
    let generate = "generate { sampler: flow(v), qqqqqqqqqq: 1 }\n";
    let solver = "generate { sampler: flow(v), solver: dopri5(qqqqqqqqqq: 1) }\n";
    let tableau = "tableau k { c: [0], a: [[]], b: [1], order: 1, qqqqqqqqqq: 1 }\n\
                   generate { sampler: flow(v), solver: k(steps: 1) }\n";
    for block in [train, generate, solver, tableau] {
        for name in listed(&format!("{start}{block}")) {
            // The entries of a tableau stand in one pair of backquotes.
            let inside = reference.lines().any(|l| l.starts_with("| `tableau k") && l.contains(name.as_str()));
            assert!(mentions(&reference, &name) || (block == tableau && inside), "`{name}` of {block}");
        }
    }
}

#[test]
fn keywords_of_declarations_are_in_the_reference() {
    let reference = read("grammar/README.md");
    for word in flowc::syntax::DECLARATIONS {
        let shown = reference.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == word);
        assert!(shown, "`{word}`");
    }
    for word in flowc::syntax::RESERVED {
        assert!(reference.contains(word), "`{word}`");
    }
}

/// Precedence as the reference states it, by what the words of its table do.
#[test]
fn precedence_is_as_the_reference_says() {
    let start = "source = normal(dim: 2)\ntarget = moons()\nfield v(x, t) = mlp(concat(x, t), out: dim(x))\n";
    let wrong = "short";
    // Each holds at compile time, so only the taken branch is looked at; the other indexes past the end of a list.
    for law in [
        "-2^2 == -4",
        "2^3^2 == 512",
        "1 / 2 == 0.5",
        "6 / 3 * 2 == 4",
        "7 - 2 - 1 == 4",
        "length(0..2 + 3) == 5",
        "not 1 == 2",
        "true or true and false",
        "not false and true",
        "1e8 == 100_000_000",
    ] {
        let text = |cond: &str| {
            format!(
                "{start}{wrong} = [1]\ntrain {{ objective: flow_matching(v, straight), steps: if {cond} then 1 else {wrong}[1] }}\n"
            )
        };
        let faults = complaints("precedence.flow", &text(law));
        assert!(faults.is_empty(), "{law}: {}", faults.join("\n"));
        let negated = complaints("precedence.flow", &text(&format!("not ({law})")));
        assert!(!negated.is_empty(), "{law} negated");
    }
}

/// The words that a command's help lists under a heading.
fn offered(args: &[&str], heading: &str) -> Vec<String> {
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_flowc")).args(args).output().expect("flowc starts");
    let help = String::from_utf8(out.stdout).expect("help is text");
    let list = help.lines().skip_while(|l| !l.contains(heading)).skip(1).take_while(|l| !l.trim().is_empty());
    let words = list.filter_map(|l| l.split_whitespace().find(|w| *w != "-"));
    let words: Vec<String> = words.map(|w| w.trim_end_matches(':').to_owned()).filter(|w| w != "help").collect();
    assert!(words.len() > 3, "{help}");
    words
}

#[test]
fn the_readme_lists_every_command_and_every_stage() {
    let readme = read("README.md");
    for command in offered(&["--help"], "Commands:") {
        assert!(readme.contains(&format!("| `flowc {command}")), "`flowc {command}`");
    }
    let row = readme.lines().find(|l| l.starts_with("| `flowc emit")).expect("its row");
    for stage in offered(&["emit", "--help"], "Possible values:") {
        assert!(row.split([' ', '`']).any(|w| w == stage), "`flowc emit {stage}`");
    }
}
