//! Every message of name resolution.

use super::places::{self, Place};
use crate::diag::{Code, Diagnostic, suggest};
use crate::source::Span;
use crate::syntax::ast::Ident;
use crate::syntax::keys;

/// `E0201`
///
/// `inside` is the definition in whose body the name stands, `place` where it stands alone.
pub fn unknown_name(name: &str, span: Span, known: &[&str], inside: Option<&str>, place: Option<&Place>) -> Diagnostic {
    let d = Diagnostic::new(
        Code::UnknownName,
        format!("nothing is called `{name}`"),
        span,
        "not defined here or in the library",
    );
    let words = match place {
        Some(Place::Option { owner, key }) => keys::words_of(owner, key),
        _ => None,
    };
    let habit = place.and_then(|p| meant_at(p, name, known));
    let quoted = || words.and_then(|w| w.quoted_wrongly(name));
    let word = || super::foreign::word(name).map(str::to_owned);
    let near = || words.and_then(|w| w.near(name));
    if let Some(cure) = habit.or_else(quoted).or_else(word).or_else(near) {
        return d.help(cure);
    }
    match (suggest::nearest(name, known.iter().copied()), words) {
        (Some(near), _) => d.help(format!("did you mean `{near}`?")),
        (None, Some(words)) => d.help(words.takes()),
        (None, None) if inside.is_some() => {
            let owner = inside.unwrap_or_default();
            d.help(format!(
                "give `{owner}` a parameter of this name, or define it: `{name} = ...`, `fn {name}(...) = ...`"
            ))
        }
        (None, None) => d.help(format!(
            "define it (`{name} = ...` or `fn {name}(...) = ...`); `flowc std` lists what the library has"
        )),
    }
}

/// What a name that stands there was meant to be.
fn meant_at(place: &Place, name: &str, known: &[&str]) -> Option<String> {
    Some(match place {
        Place::Option { owner, key } => super::foreign::option(owner, key, name)?.to_owned(),
        Place::Column(key) if key == "label" => format!("a column is named in quotes: `label: \"{name}\"`"),
        Place::Column(_) => format!("a column is named in quotes: `\"{name}\"`"),
        Place::Path(written) if written.split(['/', '.']).any(str::is_empty) => {
            "a file is named in quotes: `file(\"points.csv\")`".to_owned()
        }
        Place::Path(written) => format!("a file is named in quotes: `file(\"{written}\")`"),
        Place::Package(_) if !super::foreign::is_package(name) => return None,
        Place::Package(member) => {
            let near = || suggest::nearest(member, known.iter().copied());
            match known.iter().find(|k| *k == member).copied().or_else(near) {
                _ if super::foreign::word(member).is_some() => super::foreign::word(member)?.to_owned(),
                Some(k) => format!("there are no packages: leave `{name}.` out and write `{k}`"),
                None => format!(
                    "there are no packages: `flowc std {member}` searches the library, all of which is in scope"
                ),
            }
        }
        Place::Bound(line) if matches!(line.as_str(), "evaluate" | "plot") => {
            format!("`{line}` takes a list, without `=`: write `{line} [..]`")
        }
        Place::Bound(line) => format!("a setting has no `=`: write `{line} {name}`"),
    })
}

/// `E0202`
pub fn duplicate_name(name: &Ident, first: Span) -> Diagnostic {
    let d = Diagnostic::new(
        Code::DuplicateName,
        format!("`{}` is defined twice", name.name),
        name.span,
        "defined again here",
    )
    .label(first, "first defined here");
    match name.name.as_str() {
        "source" => d.help("an experiment has one source; did you mean `target` here?"),
        "target" => d.help("an experiment has one target; did you mean `source` here?"),
        _ => d.help("give one of them another name"),
    }
}

/// `E0202`, within a body.
pub fn shadowed_name(name: &Ident, first: Span) -> Diagnostic {
    Diagnostic::new(
        Code::DuplicateName,
        format!("`{}` already has a meaning here", name.name),
        name.span,
        "would hide the other one",
    )
    .label(first, "the other meaning")
    .help(format!("give this one another name, e.g. `{}1`: within a file a name means one thing", name.name))
}

/// `W0201`
pub fn unused_name(name: &str, span: Span, what: &str) -> Diagnostic {
    Diagnostic::new(Code::UnusedName, format!("{what} `{name}` is never used"), span, "nothing reads it")
        .help("use it, or take it out")
}

/// `W0201`, of a binding; `value` is what it is bound to.
pub fn unused_binding(name: &str, span: Span, value: &str) -> Diagnostic {
    let d = unused_name(name, span, "the binding");
    match keys::block_of(name) {
        _ if matches!(name, "evaluate" | "plot") => d.help(format!("the list has no `=`: `{name} [..]`")),
        _ if places::is_line(name) => d.help(format!("the setting has no `=`: `{name} {value}`")),
        Some(block) => {
            d.help(format!("use it, or take it out; the key stands inside the block: `{block} {{ {name}: {value} }}`"))
        }
        None => d,
    }
}

/// `W0201`, within a body.
pub fn unused_local(name: &str, span: Span, what: &str) -> Diagnostic {
    Diagnostic::new(Code::UnusedName, format!("{what} `{name}` is never used"), span, "nothing reads it")
        .help(format!("use it, take it out, or call it `_{name}` to say that this is meant"))
}

/// `E0611`
pub fn unused_axis(name: &Ident) -> Diagnostic {
    Diagnostic::new(
        Code::UnusedAxis,
        format!("the comparison axis `{}` is never used", name.name),
        name.span,
        "every arm of this comparison would be the same experiment",
    )
    .help(format!("use `{}` where the arms should differ, e.g. in `train` or `generate`", name.name))
}

/// `E0203`
pub fn import_missing(path: &str, error: &std::io::Error, span: Span) -> Diagnostic {
    let why = error.to_string();
    let why = why.split(" (os error").next().unwrap_or(&why).to_lowercase();
    Diagnostic::new(
        Code::ImportNotFound,
        format!("`{path}` cannot be read: {why}"),
        span,
        "a file to take definitions from",
    )
    .help("the path counts from the folder of the file that uses it")
}

/// `E0203`
pub fn import_unknown(name: &str, from: &str, span: Span, known: &[&str]) -> Diagnostic {
    let d = Diagnostic::new(Code::ImportNotFound, format!("`{from}` defines no `{name}`"), span, "not defined there");
    match suggest::nearest(name, known.iter().copied()) {
        Some(near) => d.help(format!("did you mean `{near}`?")),
        None => {
            let names: Vec<String> = known.iter().take(8).map(|k| format!("`{k}`")).collect();
            let more = if known.len() > 8 { ", ..." } else { "" };
            d.help(format!("it defines {}{more}", names.join(", ")))
        }
    }
}

/// `E0203`
pub fn no_such_module(module: &str, span: Span, known: &[String]) -> Diagnostic {
    let d =
        Diagnostic::new(Code::ImportNotFound, format!("the library has no module `{module}`"), span, "no such module");
    let longer = known.iter().map(String::as_str).find(|k| k.starts_with(module));
    match longer.or_else(|| suggest::nearest(module, known.iter().map(String::as_str))) {
        Some(near) => d.help(format!("did you mean `{near}`?")),
        None => d.help(format!("modules are {}; a file is named in quotes: `use \"toy.flow\"`", known.join(", "))),
    }
}

/// `E0204`
pub fn import_clash(name: &str, own: Span, other: Span) -> Diagnostic {
    Diagnostic::new(
        Code::ImportConflict,
        format!("`{name}` is defined here and in a file that is used"),
        own,
        "one definition",
    )
    .label(other, "the other one")
    .help(format!("rename one of them, or name what you need: `use \"file.flow\" (...)` without `{name}`"))
}

/// `E0204`
pub fn import_cycle(path: &str, way: &[String], span: Span) -> Diagnostic {
    let all: Vec<String> = way.iter().map(|w| format!("`{w}`")).collect();
    Diagnostic::new(
        Code::ImportConflict,
        format!("`{path}` uses itself"),
        span,
        "leads back to a file that is being read",
    )
    .note(format!("on the way: {}", all.join(", then ")))
    .help("move what both need into a third file, and use that in both")
}

/// `E0201`, of `--set`.
pub fn nothing_to_set(name: &str, span: Span, known: &[String]) -> Diagnostic {
    let d = Diagnostic::new(
        Code::UnknownName,
        format!("there is nothing called `{name}` to set"),
        span,
        "not a binding, comparison or parameter of this file",
    );
    match suggest::nearest(name, known.iter().map(String::as_str)) {
        Some(near) => d.help(format!("did you mean `{near}`?")),
        None => {
            d.help("set a name of the file (`width=64`), `seed`, `seeds`, `precision`, or a key: `train.steps=100`")
        }
    }
}

/// `W0202`
pub fn unused_parameter(owner: &str, name: &Ident) -> Diagnostic {
    Diagnostic::new(
        Code::UnusedParameter,
        format!("`{owner}` does not use its parameter `{}`", name.name),
        name.span,
        "nothing reads it",
    )
    .help(format!("use it, take it out, or call it `_{}` to say that this is meant", name.name))
}
