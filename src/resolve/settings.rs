//! Values from the command line in place of the spec's: `--set train.steps=100`, `--set seeds=0..5`, `--set width=64`.
//!
//! A tree and settings -> the tree with their values. A name means a binding, a parameter's start, or `seed`, `seeds`,
//! `precision`; `block.key` a key of a block, in every stage, which need not be there. A value is an expression of the language
//! and has a text of its own, so messages about it show it. Invariant: a setting that changes nothing is an error. Deliberately
//! absent: how settings are typed.

use super::errors;
use crate::diag::Sink;
use crate::source::{FileId, SourceMap, Span};
use crate::syntax::{self, ast};

/// `name=value`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// What is set: `steps`, `train.steps`.
    pub name: String,
    /// Its value, an expression.
    pub value: String,
}

impl Setting {
    /// Takes `name=value` apart; `None` if it is anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Setting> {
        let (name, value) = text.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        let word = |w: &str| {
            w.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && w.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let fits = name.split('.').count() <= 2 && name.split('.').all(word) && !value.is_empty();
        fits.then(|| Setting { name: name.to_owned(), value: value.to_owned() })
    }
}

/// Puts the values in.
pub fn apply(mut file: ast::File, set: &[Setting], sources: &mut SourceMap, sink: &mut Sink) -> ast::File {
    for s in set {
        // A binding parses like a setting: the text shows what was typed.
        let key = s.name.rsplit('.').next().unwrap_or(&s.name);
        let text = format!("{key} = {}", s.value);
        let id = sources.add(format!("--set {}", s.name), text.as_str(), false);
        let parsed = syntax::parse(id, &text, sink);
        let value = parsed.items.into_iter().find_map(|i| match i.kind {
            ast::ItemKind::Bind { value, .. } => Some(value),
            _ => None,
        });
        let Some(value) = value else { continue };
        let changed = match s.name.split_once('.') {
            Some((block, key)) => in_blocks(&mut file.items, block, key, &value, id),
            None => at_top(&mut file.items, &s.name, &value, id),
        };
        if !changed {
            let known = known(&file.items);
            sink.push(errors::nothing_to_set(&s.name, whole(id, key), &known));
        }
    }
    file
}

fn whole(id: FileId, name: &str) -> Span {
    Span { file: id, start: 0, end: name.len() as u32 }
}

/// Sets a key of every block of that keyword.
fn in_blocks(items: &mut [ast::Item], block: &str, key: &str, value: &ast::Expr, id: FileId) -> bool {
    let mut changed = false;
    for item in items {
        match &mut item.kind {
            ast::ItemKind::Block { keyword, entries } if keyword.name == block => {
                changed = true;
                match entries.iter_mut().find(|e| e.key.name == key) {
                    Some(e) => e.value = value.clone(),
                    None => {
                        let key = ast::Ident { name: key.to_owned(), span: whole(id, key) };
                        entries.push(ast::Entry { key, value: value.clone() });
                    }
                }
            }
            ast::ItemKind::Stage { items, .. } => changed |= in_blocks(items, block, key, value, id),
            _ => {}
        }
    }
    changed
}

/// Sets a binding, the start of a parameter, or a setting.
fn at_top(items: &mut Vec<ast::Item>, name: &str, value: &ast::Expr, id: FileId) -> bool {
    if matches!(name, "seed" | "seeds" | "precision") {
        let stem = name.trim_end_matches('s');
        items.retain(
            |i| !matches!(&i.kind, ast::ItemKind::Setting { name, .. } if name.name.trim_end_matches('s') == stem),
        );
        let ident = ast::Ident { name: name.to_owned(), span: whole(id, name) };
        let kind = ast::ItemKind::Setting { name: ident, value: value.clone() };
        items.push(ast::Item { kind, doc: String::new(), span: value.span });
        return true;
    }
    let mut changed = false;
    for item in items {
        match &mut item.kind {
            ast::ItemKind::Bind { name: n, value: v } if n.name == name => *v = value.clone(),
            ast::ItemKind::Param(p) if p.name.name == name => p.init = ast::ParamInit::Value(value.clone()),
            ast::ItemKind::Compare { name: n, list } if n.name == name => *list = value.clone(),
            _ => continue,
        }
        changed = true;
    }
    changed
}

/// What can be set.
fn known(items: &[ast::Item]) -> Vec<String> {
    let mut out: Vec<String> = ["seed", "seeds", "precision"].map(str::to_owned).into();
    for item in items {
        match &item.kind {
            ast::ItemKind::Bind { name, .. } | ast::ItemKind::Compare { name, .. } => out.push(name.name.clone()),
            ast::ItemKind::Param(p) => out.push(p.name.name.clone()),
            ast::ItemKind::Block { keyword, entries } => {
                out.extend(entries.iter().map(|e| format!("{}.{}", keyword.name, e.key.name)));
            }
            _ => {}
        }
    }
    out
}
