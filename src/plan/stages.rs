//! `stage name { train { ... } }`: an experiment whose parts train one after the other.
//!
//! The file's stages and its top-level blocks -> [`Merged`] blocks, one set a stage. A key that a stage gives stands for that
//! stage, a key at top level for every stage that does not give it; `evaluate` in a stage replaces the one at top level. Each
//! stage begins with the parameters that the one before it was evaluated with, and is sampled and measured itself, so stages
//! are the last axis of the comparison. Deliberately absent: what a stage computes.

use super::blocks::Block;
use super::{budget_errors, errors};
use crate::diag::Sink;
use crate::elaborate::Value;
use crate::resolve::Module;
use crate::source::SourceMap;
use crate::syntax::ast::{Arg, Entry, Ident, Item, ItemKind};
use std::collections::HashMap;

/// The blocks of one stage: keywords with all keys that hold.
#[derive(Clone, Debug)]
pub(super) struct Merged {
    /// What the stage is called.
    pub name: Ident,
    /// `train`.
    pub train: Option<(Ident, Vec<Entry>)>,
    /// `generate`.
    pub generate: Option<(Ident, Vec<Entry>)>,
    /// Metrics of this stage alone; empty if those at top level hold.
    pub evaluate: Vec<Arg>,
}

/// One stage among all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stage<'m> {
    /// Every stage of the file.
    pub all: &'m [Merged],
    /// Which is meant.
    pub index: usize,
}

impl Stage<'_> {
    /// What the stage is called.
    pub fn name(&self) -> &str {
        &self.all[self.index].name.name
    }

    /// Makes names of stages values: those before this one, and this one if `itself`.
    pub fn know(&self, values: &mut HashMap<String, Value>, itself: bool) {
        for m in &self.all[..self.index + usize::from(itself)] {
            values.insert(m.name.name.clone(), Value::Stage(m.name.name.as_str().into()));
        }
    }
}

/// The stages in the order of the file, each with the keys that hold for it.
pub(super) fn merged(
    module: &Module,
    train: Option<Block<'_>>,
    generate: Option<Block<'_>>,
    sink: &mut Sink,
) -> Vec<Merged> {
    let mut out = Vec::new();
    for item in &module.items {
        let ItemKind::Stage { name, items } = &item.kind else { continue };
        let mut own = Merged { name: name.clone(), train: None, generate: None, evaluate: vec![] };
        for i in items {
            take(i, &mut own, sink);
        }
        join(&mut own.train, train);
        join(&mut own.generate, generate);
        if own.train.is_none() {
            sink.push(errors::missing_key("stage", "train", "train { objective: ..., steps: 5_000 }", name.span));
        }
        out.push(own);
    }
    out
}

fn take(item: &Item, own: &mut Merged, sink: &mut Sink) {
    match &item.kind {
        ItemKind::Block { keyword, entries } => {
            let slot = if keyword.name == "train" { &mut own.train } else { &mut own.generate };
            match slot {
                Some((first, _)) => sink.push(errors::repeated_block(keyword, first.span)),
                None => *slot = Some((keyword.clone(), entries.clone())),
            }
        }
        ItemKind::List { keyword, items } if keyword.name == "evaluate" => own.evaluate.extend(items.iter().cloned()),
        other => sink.push(budget_errors::misplaced_in_stage(word(other), &own.name, item.span)),
    }
}

/// Adds the keys of the top-level block that the stage does not give.
fn join(own: &mut Option<(Ident, Vec<Entry>)>, top: Option<Block<'_>>) {
    let Some(top) = top else { return };
    let (_, entries) = own.get_or_insert_with(|| (top.keyword.clone(), vec![]));
    let missing = |e: &&Entry| entries.iter().all(|o| o.key.name != e.key.name);
    let more: Vec<Entry> = top.entries.iter().filter(missing).cloned().collect();
    entries.extend(more);
}

/// What a declaration is called in a message.
fn word(kind: &ItemKind) -> &str {
    match kind {
        ItemKind::Bind { .. } => "a binding",
        ItemKind::Setting { name, .. } => &name.name,
        ItemKind::Define(d) => d.kind.keyword(),
        ItemKind::Param(_) => "param",
        ItemKind::Block { keyword, .. } | ItemKind::List { keyword, .. } => &keyword.name,
        ItemKind::Compare { .. } => "compare",
        ItemKind::Expect { .. } => "expect",
        ItemKind::Published { .. } => "published",
        ItemKind::Stage { .. } => "stage",
        ItemKind::Tableau { .. } => "tableau",
        ItemKind::Use { .. } => "use",
    }
}

/// Collects metrics; one that stands there already is reported.
pub(super) fn metrics<'m>(into: &mut Vec<&'m Arg>, items: &'m [Arg], sources: &SourceMap, sink: &mut Sink) {
    for m in items {
        let text = |a: &Arg| super::metrics::called(a, &|s| super::arms::squeeze(sources.text(s)));
        match into.iter().find(|o| text(o) == text(m)) {
            Some(first) => sink.push(errors::repeated_metric(&text(m), m.value.span, first.value.span)),
            None => into.push(m),
        }
    }
}
