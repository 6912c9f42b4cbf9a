//! The shape of the source tree: layers, headers, sizes, unsafe code, and what must not be in a tracked file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Lines of the longest file. What is above [`LONG`] is listed with a reason.
const LONGEST: usize = 800;
const LONG: usize = 500;

/// Files longer than [`LONG`] lines: one idea that would not be clearer in two places.
const LONG_FILES: &[(&str, &str)] = &[
    ("src/backend/sums.rs", "the meaning of sums over samples, for both back ends"),
    ("src/codegen/lower.rs", "every operation to a step: one match without a wildcard"),
    ("src/elaborate/errors.rs", "all of the stage's prose stands in one file"),
    ("src/run/step.rs", "every phase of a step with the barrier that makes its shared memory sound"),
    ("src/run/train.rs", "what a trainer owns, lends to steps, and saves"),
    ("tests/suite/backend.rs", "laws of both back ends on generated programs"),
    ("tests/suite/kernels.rs", "laws of every kernel against plain loops"),
    ("tests/suite/run/training.rs", "laws of training on shared programs"),
    ("tests/suite/solve.rs", "laws of the solver on shared problems"),
    ("tests/suite/stage.rs", "laws of staging on shared programs"),
];

/// Where `unsafe` may stand, and what for.
const UNSAFE: &[(&str, &str)] = &[
    ("src/kernels/", "vector intrinsics, and code compiled for an instruction set that was detected"),
    ("src/codegen/", "machine code is called and freed"),
    ("src/backend/mod.rs", "`SharedMut`: one buffer, disjoint parts, several threads"),
    ("src/interp/mod.rs", "a part of a `SharedMut`"),
    ("src/run/step.rs", "parts of `SharedMut`s between barriers"),
    ("src/rng/fill.rs", "loops compiled for an instruction set that was detected"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files below a folder with one of these endings, as paths from the root with `/`, in order.
fn files(folder: &str, endings: &[&str]) -> Vec<(String, String)> {
    let mut todo = vec![root().join(folder)];
    let mut found: Vec<PathBuf> = Vec::new();
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(&dir).expect("a folder of the repository") {
            let path = entry.expect("its entries can be read").path();
            let name = path.file_name().expect("an entry has a name").to_string_lossy().into_owned();
            if path.is_dir() {
                todo.push(path);
            } else if endings.iter().any(|e| name.ends_with(e)) {
                found.push(path);
            }
        }
    }
    found.sort();
    let text = |p: &Path| std::fs::read_to_string(p).unwrap_or_else(|e| panic!("{} is text: {e}", p.display()));
    let name = |p: &Path| {
        let parts = p.strip_prefix(root()).expect("below the root").components();
        parts.map(|c| c.as_os_str().to_string_lossy().into_owned()).collect::<Vec<_>>().join("/")
    };
    found.iter().map(|p| (name(p), text(p))).collect()
}

fn sources() -> Vec<(String, String)> {
    files("src", &[".rs"])
}

fn rust() -> Vec<(String, String)> {
    [files("src", &[".rs"]), files("tests", &[".rs"]), files("benches", &[".rs"])].concat()
}

fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// The code of a line: what stands before a comment. Strings that hold `//` lose their tails, which no test here needs.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or("")
}

/// The module that a source file belongs to: `ir` for `src/ir/op.rs` and `src/ir.rs`.
fn module(path: &str) -> &str {
    let inside = path.strip_prefix("src/").unwrap_or(path);
    inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs")
}

/// Paths that start with `crate::`, as they stand in code, without comments: `crate::ir::Dag` gives `ir::Dag`. A group
/// right behind `crate::` is taken apart.
fn crate_paths(text: &str) -> BTreeSet<String> {
    let code: String = text.lines().map(|l| format!("{}\n", code(l))).collect();
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let path = |s: &str| -> String {
            s.chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':').collect::<String>()
        };
        match rest.strip_prefix('{') {
            Some(group) => {
                let group = group.split("};").next().unwrap_or("");
                let mut depth = 0;
                let items = group.split(|c: char| {
                    depth += i32::from(c == '{') - i32::from(c == '}');
                    c == ',' && depth == 0
                });
                found.extend(items.map(|i| path(i.trim())).filter(|p| !p.is_empty()));
            }
            None => {
                found.insert(path(rest));
            }
        }
    }
    found
}

/// Rows of the Markdown tables of `src/ARCHITECTURE.md`, cell by cell.
fn rows() -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(root().join("src/ARCHITECTURE.md")).expect("the description of the compiler");
    text.lines()
        .filter_map(|l| l.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|l| l.split(" | ").map(|c| c.trim().to_owned()).collect())
        .collect()
}

/// The words in backquotes of a cell.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The layer of every module, as the description says.
fn layers() -> BTreeMap<String, usize> {
    let mut layers = BTreeMap::new();
    for row in rows() {
        if let (Ok(layer), [_, modules, ..]) = (row[0].parse::<usize>(), &row[..]) {
            for m in quoted(modules) {
                assert!(layers.insert(m.to_owned(), layer).is_none(), "`{m}` has two layers");
            }
        }
    }
    layers
}

/// Allowed against the layers, with a reason: a file and what it may import.
fn exceptions() -> Vec<(String, String)> {
    rows()
        .iter()
        .filter(|r| r.len() == 3 && r[0].starts_with("`src/") && r[1].starts_with('`') && !r[2].is_empty())
        .map(|r| (quoted(&r[0])[0].to_owned(), quoted(&r[1])[0].to_owned()))
        .collect()
}

#[test]
fn modules_import_from_lower_layers_only() {
    let layers = layers();
    let exceptions = exceptions();
    let mut used = vec![false; exceptions.len()];
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let own = module(&path);
        if own == "lib" || own == "main" {
            continue;
        }
        let Some(layer) = layers.get(own) else {
            faults.push(format!("`{own}` has no layer in src/ARCHITECTURE.md"));
            continue;
        };
        for import in crate_paths(&text) {
            let target = import.split("::").next().unwrap_or("");
            if target == own {
                continue;
            }
            let Some(below) = layers.get(target) else {
                faults.push(format!("{path} imports `crate::{import}`, which has no layer in src/ARCHITECTURE.md"));
                continue;
            };
            if below < layer {
                continue;
            }
            match exceptions.iter().position(|(from, to)| *from == path && import.starts_with(to.as_str())) {
                Some(i) => used[i] = true,
                None => faults.push(format!("{path} (layer {layer}) imports `crate::{import}` (layer {below})")),
            }
        }
    }
    for ((from, to), used) in exceptions.iter().zip(used) {
        if !used {
            faults.push(format!("the exception {from} -> {to} in src/ARCHITECTURE.md is not needed"));
        }
    }
    none(&faults);
}

#[test]
fn the_description_names_every_module_and_no_other() {
    let lib = std::fs::read_to_string(root().join("src/lib.rs")).expect("the library");
    let declared: BTreeSet<String> =
        lib.lines().filter_map(|l| Some(l.strip_prefix("pub mod ")?.strip_suffix(';')?.to_owned())).collect();
    assert!(declared.len() > 10, "modules are found");
    assert_eq!(declared, layers().into_keys().collect());
}

#[test]
fn imports_are_found_in_every_form() {
    let text = "use crate::{autodiff, ir::{Dag, Op}, opt};\nlet x = crate::rng::site(\"a\"); // crate::cli\n/// [`crate::run`]\n";
    let found: Vec<String> = crate_paths(text).into_iter().collect();
    assert_eq!(found, ["autodiff", "ir::", "opt", "rng::site"]);
}

#[test]
fn files_are_short_enough() {
    let mut faults = Vec::new();
    for (path, text) in rust() {
        let lines = text.lines().count();
        let listed = LONG_FILES.iter().any(|(p, _)| *p == path);
        if lines > LONGEST {
            faults.push(format!("{path} has {lines} lines, {LONGEST} is the most"));
        } else if lines > LONG && !listed {
            faults.push(format!("{path} has {lines} lines: take it apart, or list it with a reason"));
        }
    }
    for (path, _) in LONG_FILES {
        if !root().join(path).is_file() {
            faults.push(format!("{path} is listed as long and does not exist"));
        }
    }
    none(&faults);
}

#[test]
fn every_file_says_what_it_is() {
    let headless = |(path, text): (String, String)| (!text.starts_with("//! ")).then_some(path);
    none(&rust().into_iter().filter_map(headless).collect::<Vec<_>>());
}

#[test]
fn unsafe_code_is_where_it_may_be_and_says_why_it_is_sound() {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, text) in sources() {
        let lines: Vec<&str> = text.lines().collect();
        for (i, line) in lines.iter().enumerate() {
            let word = |w: &&str| w.trim_matches(|c: char| !c.is_alphanumeric() && c != '_') == "unsafe";
            if !code(line).split_whitespace().any(|w| word(&w)) {
                continue;
            }
            match UNSAFE.iter().find(|(p, _)| path.starts_with(p)) {
                Some((p, _)) => _ = seen.insert(*p),
                None => faults.push(format!("{path}:{}: unsafe code has no place here", i + 1)),
            }
            // A block or an impl says why it is sound, a public function what it asks; inside a private unsafe function every
            // block answers for itself (`unsafe_op_in_unsafe_fn` is on in this edition).
            let block = code(line).contains("unsafe {") || code(line).trim_start().starts_with("unsafe impl");
            let public = code(line).contains("pub unsafe fn");
            let near = &lines[i.saturating_sub(12)..=i];
            if block && !near.iter().any(|l| l.contains("SAFETY"))
                || public && !near.iter().any(|l| l.contains("# Safety"))
            {
                faults.push(format!("{path}:{}: no SAFETY near", i + 1));
            }
        }
    }
    faults.extend(UNSAFE.iter().filter(|(p, _)| !seen.contains(p)).map(|(p, _)| format!("{p} holds no unsafe code")));
    none(&faults);
}

#[test]
fn nothing_unfinished_is_left() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        for (i, line) in text.lines().enumerate() {
            for word in ["todo!(", "unimplemented!(", "dbg!("] {
                if code(line).contains(word) {
                    faults.push(format!("{path}:{}: {word}", i + 1));
                }
            }
        }
    }
    for (path, text) in rust() {
        for (i, line) in text.lines().enumerate() {
            let bare = concat!("#[", "ignore]");
            if line.trim() == bare {
                faults.push(format!("{path}:{}: a test is left out without a reason", i + 1));
            }
        }
    }
    none(&faults);
}

/// Files that go to others must not know where they were made.
#[test]
fn no_file_names_a_place_on_a_machine() {
    let mut all = Vec::new();
    for folder in ["src", "tests", "benches", "grammar", "specs", "stdlib", ".ci"] {
        all.extend(files(folder, &[".rs", ".md", ".flow", ".pest", ".stderr", ".txt", ".css", ".js", "run"]));
    }
    for name in ["README.md", "Cargo.toml"] {
        all.push((name.to_owned(), std::fs::read_to_string(root().join(name)).expect("a file of the repository")));
    }
    let places = ["home", "root", "Users", "work", "mnt"].map(|p| format!("/{p}/"));
    let here = root().to_string_lossy().into_owned();
    let mut faults = Vec::new();
    for (path, text) in all {
        for (i, line) in text.lines().enumerate() {
            let starts = |p: &String| {
                line.match_indices(p.as_str()).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '.' | '_' | '-' | '>' | '}'))
                })
            };
            if line.contains(&here) || places.iter().any(starts) {
                faults.push(format!("{path}:{}: {line}", i + 1));
            }
        }
    }
    none(&faults);
}

#[test]
fn the_library_is_the_folder() {
    let embedded: BTreeSet<String> = flowc::stdlib::FILES.iter().map(|(p, _)| (*p).to_owned()).collect();
    let there: BTreeSet<String> = files("stdlib", &[".flow"])
        .into_iter()
        .map(|(p, _)| p.strip_prefix("stdlib/").expect("below stdlib").to_owned())
        .collect();
    assert!(!there.is_empty());
    assert_eq!(embedded, there);
}

#[test]
fn the_readme_and_the_checks_name_one_test_command() {
    let command = "cargo test --release";
    let read = |p: &str| std::fs::read_to_string(root().join(p)).expect("a file of the repository");
    for path in ["README.md", ".ci/run"] {
        assert!(read(path).lines().any(|l| l.trim().trim_start_matches("step ") == command), "{path}: `{command}`");
    }
}
