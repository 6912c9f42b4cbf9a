//! Messages as a user reads them: `tests/ui/<CODE>-<slug>/<case>.flow` against `<case>.stderr`, 80 columns, no colour.
//!
//! `FLOWC_BLESS=1` rewrites the expectations; read the difference before keeping it.

use std::path::{Path, PathBuf};

use flowc::diag::{Code, Severity, render};

use crate::check::{check_text, has_cases};

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder can be read")
        .map(|e| e.expect("its entries can be read").path())
        .collect();
    all.sort();
    all
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui")
}

#[test]
fn messages_are_as_written_down() {
    let bless = std::env::var_os("FLOWC_BLESS").is_some();
    let mut faults = Vec::new();
    for folder in sorted(&root()) {
        let name = folder.file_name().expect("a folder has a name").to_string_lossy().into_owned();
        let Some(code) = Code::ALL.iter().find(|c| format!("{}-{}", c.number(), c.slug()) == name) else {
            faults.push(format!("{name} is not named after a code"));
            continue;
        };
        if !has_cases(*code) {
            continue;
        }
        for path in sorted(&folder).iter().filter(|p| p.extension().is_some_and(|e| e == "flow")) {
            let case = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
            let text = std::fs::read_to_string(path).expect("a case can be read");
            let (found, sources) = check_text(&case, &text);
            if !found.iter().any(|d| d.code == *code) {
                let codes: Vec<&str> = found.iter().map(|d| d.code.number()).collect();
                faults.push(format!("{name}/{case} gives {codes:?}"));
            }
            let got = render::plain(&found, &sources);
            let golden = path.with_extension("stderr");
            let want = std::fs::read_to_string(&golden).unwrap_or_default();
            if bless {
                std::fs::write(&golden, got).expect("a golden can be written");
            } else if got != want {
                faults.push(format!("{name}/{case}: got\n{got}\nwanted\n{want}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What a message is held to, whatever it says: a place in the user's text, a cure, plain words, 80 columns.
#[test]
fn messages_keep_the_rules() {
    let mut faults = Vec::new();
    for folder in sorted(&root()) {
        for path in sorted(&folder).iter().filter(|p| p.extension().is_some_and(|e| e == "flow")) {
            let case = format!(
                "{}/{}",
                folder.file_name().unwrap_or_default().display(),
                path.file_name().unwrap_or_default().display()
            );
            let text = std::fs::read_to_string(path).expect("a case can be read");
            let (found, sources) = check_text("case.flow", &text);
            let mut fault = |what: String| faults.push(format!("{case}: {what}"));
            let failed = found.iter().any(|d| d.code.severity() == Severity::Error);
            if failed && found.iter().any(|d| d.code == Code::UnusedName) {
                fault("warns of an unused name beside an error".into());
            }
            for d in &found {
                match &d.primary {
                    Some(l) if sources.file(l.span.file).is_std => {
                        fault(format!("{} lies in the library", d.code.number()))
                    }
                    Some(l) if l.text.is_empty() || d.message.is_empty() => fault("an empty text".into()),
                    Some(_) => {}
                    None if text.trim().is_empty() || text.lines().all(|l| l.trim_start().starts_with("//")) => {}
                    None => fault(format!("{} has no place: {}", d.code.number(), d.message)),
                }
                if d.help.is_none() && d.code.severity() == Severity::Error && !d.code.number().starts_with("E01") {
                    fault(format!("{} has no cure: {}", d.code.number(), d.message));
                }
                let texts = d.primary.iter().chain(&d.secondary).map(|l| &l.text).chain([&d.message]).chain(&d.help);
                for t in texts {
                    let shouts = t.ends_with('.') && !t.ends_with("..")
                        || t.replace('`', " ").contains("! ")
                        || t.contains("illegal");
                    let large = t.chars().next().is_some_and(char::is_uppercase)
                        && !t.starts_with("FID")
                        && !t.starts_with("Python");
                    if shouts || large {
                        fault(format!("not in plain words: {t}"));
                    }
                }
                if d.message.chars().count() > 120 {
                    fault(format!("a long message: {}", d.message));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Mistakes that have nothing to do with each other are all told in one run.
#[test]
fn independent_mistakes_are_reported_together() {
    let text = "source = normal(dim: 2)\ntarget = moons(nois: 0.05)\nfield v(x, t) = mlp(concat(x, t), out: 3)\n\
        train { objective: flow_matching(v, straight), bach: 7, steps: 0 }\n\
        generate { sampler: flow(v), solver: rk4, count: many }\nevaluate [mmdd]\nexpect 3\n";
    let (found, _) = check_text("many.flow", text);
    let numbers: Vec<&str> = found.iter().map(|d| d.code.number()).collect();
    for n in ["E0201", "E0303", "E0602", "E0603", "E0607", "E0610"] {
        assert!(numbers.contains(&n), "{n} is missing in {numbers:?}");
    }
}
