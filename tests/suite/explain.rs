//! The pages of `flowc explain` say what is so, and every code is whole: in the table, with a page, with cases, raised.

use std::path::{Path, PathBuf};

use flowc::diag::{Code, Severity, explain};

use crate::check::{check_text, has_cases, is_checked};

/// The blocks of a language in a Markdown text.
pub fn blocks_of(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).map(|b| b.split("```").next().unwrap_or_default().to_string()).collect()
}

/// The `flow` blocks of a Markdown text.
pub fn blocks(page: &str) -> Vec<String> {
    blocks_of(page, "flow")
}

#[test]
fn pages_have_their_parts() {
    for (code, page) in explain::pages() {
        assert!(page.starts_with(&format!("# {} {}\n", code.number(), code.slug())), "{}", code.number());
        let found: Vec<&str> = page.lines().filter_map(|l| l.strip_prefix("## ")).collect();
        let expected = explain::HEADINGS.map(|h| match (h.starts_with("Why"), code.severity()) {
            (true, Severity::Warning | Severity::Note) => "Why flowc warns",
            _ => h,
        });
        assert!(found == expected, "{}: {found:?}", code.number());
        // What only a run can show is printed, not executed.
        let (flow, text) = (blocks(page).len(), blocks_of(page, "text").len());
        assert_eq!((flow, text), if is_checked(code) { (2, 0) } else { (0, 2) }, "{}", code.number());
        let long = page.lines().find(|l| l.contains(' ') && !l.contains("((") && l.chars().count() > 130);
        assert!(long.is_none(), "{}: {long:?}", code.number());
    }
}

#[test]
fn pages_are_found_by_code_and_slug() {
    for (code, page) in explain::pages() {
        assert_eq!(explain::page(code.number()), Some(page));
        assert_eq!(explain::page(&code.number().to_lowercase()), Some(page));
        assert_eq!(explain::page(code.slug()), Some(page));
    }
    assert_eq!(explain::page("E0000"), None);
    assert_eq!(explain::nearest("shape-mismach"), Some(Code::ShapeMismatch));
}

#[test]
fn examples_raise_their_code_and_fixes_pass() {
    let mut faults = Vec::new();
    for (code, page) in explain::pages().filter(|(c, _)| is_checked(*c)) {
        let blocks = blocks(page);
        let (example, _) = check_text("example.flow", &blocks[0]);
        let (fixed, _) = check_text("fixed.flow", &blocks[1]);
        // A block may be a part of a spec: what is not there is no fault of it.
        let counts = |c: Code| c.severity() == Severity::Error && c != Code::MissingBlock;
        let others = example.iter().any(|d| d.code != code && counts(d.code));
        if others || !example.iter().any(|d| d.code == code) {
            let found: Vec<&str> = example.iter().map(|d| d.code.number()).collect();
            faults.push(format!("{}: the example gives {found:?}", code.number()));
        }
        if let Some(d) = fixed.iter().find(|d| counts(d.code) || d.code == code) {
            faults.push(format!("{}: the fixed version gives {} {}", code.number(), d.code.number(), d.message));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("its entries can be read").path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// Code in the table <=> page <=> two cases (run-time codes apart) <=> named where `src` makes diagnostics.
#[test]
fn every_code_is_whole() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    rust_files(&root.join("src"), &mut files);
    let source: String = files
        .iter()
        .filter(|p| !p.ends_with("diag/code.rs") && !p.ends_with("diag/explain.rs"))
        .map(|p| std::fs::read_to_string(p).expect("a source file can be read"))
        .collect();
    let mut faults = Vec::new();
    for code in Code::ALL {
        let number = code.number();
        if explain::page(number).is_none() {
            faults.push(format!("{number} has no page"));
        }
        let name = format!("Code::{code:?}");
        let raised = source.split(&name).skip(1).any(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()));
        if !raised {
            faults.push(format!("{number}: no `{name}` in src"));
        }
        let folder = root.join(format!("tests/ui/{number}-{}", code.slug()));
        let cases = std::fs::read_dir(folder).map_or(0, |all| {
            all.filter(|e| e.as_ref().is_ok_and(|e| e.path().extension().is_some_and(|x| x == "flow"))).count()
        });
        if has_cases(*code) && cases < 2 {
            faults.push(format!("{number} has {cases} cases in tests/ui"));
        }
    }
    let pages = std::fs::read_dir(root.join("src/diag/explain")).expect("the folder of pages can be read");
    for page in pages {
        let name = page.expect("its entries can be read").file_name().to_string_lossy().into_owned();
        if !Code::ALL.iter().any(|c| format!("{}.md", c.number()) == name) {
            faults.push(format!("{name} explains no code of the table"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
