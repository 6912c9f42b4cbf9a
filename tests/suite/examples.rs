//! Every documented name of the library says its shapes, its source and an example, and the examples run.
//!
//! An example that is a body, statements and a value, must hold for every sample. Any other is a part of an experiment: what
//! is missing is added (source, target, a field, train, generate), steps and samples are cut short, and it is run.

use crate::lang::{Function, elaborate};
use flowc::diag::{Severity, render};
use flowc::driver::{self, Compiled};
use flowc::elaborate::Value;
use flowc::experiment::{self, Engine, Header, Options};
use flowc::folder::{Place, RunFolder};
use flowc::kernels::Isa;
use flowc::run::pool::Pool;
use flowc::source::SourceMap;
use flowc::stdlib::docs::{self, Entry};
use flowc::stdlib::{ABOUT, FILES};
use flowc::syntax;
use flowc::syntax::ast::{File, ItemKind};
use flowc::term::Progress;

fn entries() -> Vec<(String, Entry)> {
    let all = docs::categories().into_iter();
    let all: Vec<_> = all.flat_map(|c| c.entries.into_iter().map(move |e| (c.name.clone(), e))).collect();
    assert!(all.len() > 80, "{}", all.len());
    all
}

/// The tree of a text, if it is a file of items.
fn items(text: &str) -> Option<File> {
    let mut sources = SourceMap::default();
    let mut sink = flowc::diag::Sink::default();
    let id = sources.add("example.flow", text, false);
    let file = syntax::parse(id, text, &mut sink);
    (!sink.has_errors()).then_some(file)
}

fn defines(file: &File, name: &str) -> bool {
    file.items.iter().any(|i| match &i.kind {
        ItemKind::Bind { name: n, .. } => n.name == name,
        ItemKind::Define(d) => d.name.name == name,
        _ => false,
    })
}

fn block(file: &File, word: &str, text: &str) -> bool {
    file.items.iter().any(|i| {
        matches!(i.kind, ItemKind::Block { .. }) && text[i.span.start as usize..i.span.end as usize].starts_with(word)
    })
}

/// An example as a whole experiment.
fn complete(text: &str, file: &File) -> String {
    let mut whole = String::new();
    let mut add = |missing: bool, line: &str| {
        if missing {
            whole.push_str(line);
            whole.push('\n');
        }
    };
    add(!defines(file, "source"), "source = normal(dim: 2)");
    add(!defines(file, "target"), "target = moons()");
    let stages = file.items.iter().any(|i| matches!(i.kind, ItemKind::Stage { .. }));
    let train = stages || block(file, "train", text);
    let own_sampler = block(file, "generate", text) && !text.contains("(v") && !defines(file, "v");
    add(!defines(file, "v") && !own_sampler, "field v(x, t) = mlp(concat(x, t), hidden: [8], out: dim(x))");
    add(!train && !own_sampler, "train { objective: flow_matching(v, straight), steps: 1 }");
    add(!block(file, "generate", text) && !own_sampler, "generate { sampler: flow(v), solver: heun(steps: 2) }");
    whole + text + "\n"
}

/// Runs an example as an experiment, cut short.
fn run(name: &str, text: &str) {
    let Compiled { sources, diagnostics, plan } = driver::compile(name, text);
    let faults: Vec<_> = diagnostics.into_iter().filter(|d| d.code.severity() == Severity::Error).collect();
    assert!(faults.is_empty(), "{name}\n{text}\n{}", render::plain(&faults, &sources));
    let mut plan = plan.expect("a plan");
    for arm in &mut plan.arms {
        if let Some(t) = &mut arm.train {
            (t.steps, t.batch) = (t.steps.min(2), t.batch.min(16));
        }
        if let Some(g) = &mut arm.generate {
            g.count = 32;
        }
    }
    let base = tempfile::tempdir().expect("a folder");
    let folder = RunFolder::create(&Place::Under(base.path().into()), "example", text).expect("a run folder");
    let header = Header { name: name.into(), file: "example.flow".into(), text: text.into(), reproduce: String::new() };
    let options = Options { engine: Engine::Jit(Isa::detect()), pool: Pool::new(Some(1)) };
    let words = |s| sources.text(s).to_owned();
    let ended = experiment::run(&plan, &header, &folder, options, &mut Progress::stderr(true), &words);
    assert!(ended.failure.is_none(), "{name}\n{text}\n{:?}", ended.failure.map(|d| d.message));
}

/// An example as a claim: its value, on many samples if it draws, is true.
fn claim(name: &str, text: &str) {
    let text = format!("source = normal(dim: 2)\ntarget = moons()\nfn f() {{\n{text}\n}}\n");
    let (known, _, _) = elaborate(&text, |e, span| {
        let f = e.role("f", span).ok()?;
        match e.apply(&f, &[], span) {
            Ok(Value::Bool(b)) => Some(b),
            _ => None,
        }
    });
    let holds = known.unwrap_or_else(|| {
        let f = Function::new(
            &text.replace("fn f()", "fn g()").replacen('\n', "\nfn f() = if g() then 1 else 0\n", 1),
            &[],
        );
        f.run(64, &[]).iter().all(|x| *x == 1.0)
    });
    assert!(holds, "{name}: {text}");
}

#[test]
fn every_name_says_shapes_source_and_example() {
    let mut faults = Vec::new();
    for (category, e) in entries() {
        let mut need = |fine: bool, what: &str| {
            if !fine {
                faults.push(format!("{}: {} {what}", e.file, e.name));
            }
        };
        need(!e.doc.summary().is_empty(), "has no text");
        need(!e.doc.shapes.is_empty() || category == "tableaux", "does not say its shapes");
        let known = ["math", "schedules", "laws", "metrics"].contains(&category.as_str());
        need(!e.doc.source.is_empty() || known, "does not say its source");
        need(!e.doc.example.is_empty(), "has no example");
        need(e.doc.example.contains(&e.name), "has an example without itself");
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_folder_is_described_and_every_file_is_short_and_canonical() {
    for (path, text) in FILES {
        let (folder, _) = path.split_once('/').expect("a folder");
        assert!(ABOUT.contains(&format!("\n## {folder}\n")), "{path}");
        assert!(text.lines().count() <= 120, "{path}: one concept a file, at most 120 lines");
        let file = items(text).expect("the library parses");
        assert!(syntax::print::print(&file, Some(text)) == *text, "{path}: `flowc fmt` would change it");
    }
    assert!(docs::categories().iter().all(|c| !c.entries.is_empty() && !c.about.is_empty()));
}

#[test]
fn examples_that_are_claims_hold() {
    let claims: Vec<_> = entries().into_iter().filter(|(_, e)| items(&e.doc.example).is_none()).collect();
    assert!(claims.len() > 20, "{}", claims.len());
    for (_, e) in claims {
        claim(&e.name, &e.doc.example);
    }
}

#[test]
fn examples_that_are_experiments_run() {
    let mut count = 0;
    for (_, e) in entries() {
        if let Some(file) = items(&e.doc.example) {
            run(&e.name, &complete(&e.doc.example, &file));
            count += 1;
        }
    }
    assert!(count > 40, "{count}");
}
