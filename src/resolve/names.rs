//! The index of top-level definitions of the user's file and of the library.

use super::errors;
use super::library::Library;
use crate::diag::Sink;
use crate::elaborate::sets::SetTable;
use crate::source::{SourceMap, Span};
use crate::syntax::ast::{self, DefKind, ItemKind};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

/// Whose scope a body is evaluated in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The user's file: sees its own names, then the library's.
    User,
    /// The library: sees its own names, and the names with a role.
    Std,
}

/// A definition with parameters: everything but laws.
#[derive(Debug)]
pub struct FunDef {
    /// As written.
    pub define: ast::Define,
    /// In whose scope its body stands.
    pub origin: Origin,
    /// Names that a derivative operator in the body differentiates in.
    pub targets: HashSet<String>,
    /// Its documentation.
    pub doc: String,
    /// The stage whose last parameters it reads, which nothing trains: `first.v`.
    pub frozen: Option<Rc<str>>,
}

/// A law: facets under one name, any may be missing.
#[derive(Debug)]
pub struct LawDef {
    /// Its name.
    pub name: String,
    /// How to draw from it.
    pub sampler: Option<Rc<FunDef>>,
    /// Its log-density.
    pub log_density: Option<Rc<FunDef>>,
    /// Its entropy, where it is known.
    pub entropy: Option<Rc<FunDef>>,
    /// What it is a mixture of.
    pub modes: Option<Rc<FunDef>>,
}

impl LawDef {
    /// Where it is defined.
    #[must_use]
    pub fn span(&self) -> Span {
        self.facets().next().expect("a law has a facet").define.name.span
    }

    /// Its facets, in the order of the struct.
    pub fn facets(&self) -> impl Iterator<Item = &Rc<FunDef>> {
        [&self.sampler, &self.log_density, &self.entropy, &self.modes].into_iter().flatten()
    }
}

/// What a top-level name means.
#[derive(Clone, Debug)]
pub enum Def {
    /// `name = value`
    Bind(Rc<ast::Expr>, Origin),
    /// `fn`, `net`, `field`, `path`, `objective`, `coupling`
    Fun(Rc<FunDef>),
    /// `sampler`, `log_density`, `entropy` and `modes`
    Law(Rc<LawDef>),
    /// `param` at top level
    Param(Rc<ast::ParamDecl>),
    /// `tableau`
    Tableau(Rc<ast::Ident>, Rc<Vec<ast::Entry>>, Origin),
    /// `compare name in list`
    Axis(Rc<ast::Ident>, Rc<ast::Expr>),
    /// `stage name { ... }`
    Stage(Rc<ast::Ident>),
}

impl Def {
    /// Where the name is defined.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Def::Bind(e, _) => e.span,
            Def::Fun(f) => f.define.name.span,
            Def::Law(l) => l.span(),
            Def::Param(p) => p.name.span,
            Def::Tableau(n, ..) | Def::Axis(n, _) | Def::Stage(n) => n.span,
        }
    }
}

/// All definitions of one experiment.
#[derive(Debug, Default)]
pub struct Module {
    /// The user's names.
    pub user: BTreeMap<String, Def>,
    /// Spans of the user's names as declared.
    pub declared: BTreeMap<String, Span>,
    /// The library's names.
    pub library: Library,
    /// Top-level names that something reads.
    pub used: HashSet<String>,
    /// The user's items in order.
    pub items: Vec<ast::Item>,
    /// The sets of samples that programs were elaborated with.
    pub sets: RefCell<SetTable>,
}

impl Module {
    /// Looks a name up in the scope of `origin`.
    #[must_use]
    pub fn lookup(&self, name: &str, origin: Origin) -> Option<&Def> {
        match origin {
            Origin::User => self.user.get(name).or_else(|| self.library.get(name)),
            Origin::Std if super::ROLES.contains(&name) => self.user.get(name),
            Origin::Std => self.library.get(name),
        }
    }
}

/// Adds one definition; the facets of a law meet here.
fn add(
    into: &mut BTreeMap<String, Def>,
    declared: &mut BTreeMap<String, Span>,
    name: &ast::Ident,
    def: Def,
    sink: &mut Sink,
) {
    if let (Some(Def::Law(old)), Def::Law(new)) = (into.get(&name.name), &def) {
        let free = |a: &Option<_>, b: &Option<_>| a.is_none() || b.is_none();
        let together = free(&old.sampler, &new.sampler)
            && free(&old.log_density, &new.log_density)
            && free(&old.entropy, &new.entropy)
            && free(&old.modes, &new.modes);
        if together {
            let merged = LawDef {
                name: name.name.clone(),
                sampler: old.sampler.clone().or_else(|| new.sampler.clone()),
                log_density: old.log_density.clone().or_else(|| new.log_density.clone()),
                entropy: old.entropy.clone().or_else(|| new.entropy.clone()),
                modes: old.modes.clone().or_else(|| new.modes.clone()),
            };
            into.insert(name.name.clone(), Def::Law(Rc::new(merged)));
            return;
        }
    }
    if let Some(first) = declared.get(&name.name) {
        sink.push(errors::duplicate_name(name, *first));
        return;
    }
    declared.insert(name.name.clone(), name.span);
    into.insert(name.name.clone(), def);
}

fn define(item: &ast::Item, d: &ast::Define, origin: Origin) -> Def {
    let def = Rc::new(FunDef {
        define: d.clone(),
        origin,
        targets: super::walk::derivative_targets(&d.body),
        doc: item.doc.clone(),
        frozen: None,
    });
    let bare = LawDef { name: d.name.name.clone(), sampler: None, log_density: None, entropy: None, modes: None };
    match d.kind {
        DefKind::Sampler => Def::Law(Rc::new(LawDef { sampler: Some(def), ..bare })),
        DefKind::LogDensity => Def::Law(Rc::new(LawDef { log_density: Some(def), ..bare })),
        DefKind::Entropy => Def::Law(Rc::new(LawDef { entropy: Some(def), ..bare })),
        DefKind::Modes => Def::Law(Rc::new(LawDef { modes: Some(def), ..bare })),
        DefKind::Fn | DefKind::Net | DefKind::Field | DefKind::Path | DefKind::Objective | DefKind::Coupling => {
            Def::Fun(def)
        }
    }
}

/// Adds the definitions among these items.
pub(super) fn add_items(
    items: &[ast::Item],
    origin: Origin,
    into: &mut BTreeMap<String, Def>,
    declared: &mut BTreeMap<String, Span>,
    sink: &mut Sink,
) {
    for item in items {
        let (name, def) = match &item.kind {
            ItemKind::Bind { name, value } => (name, Def::Bind(Rc::new(value.clone()), origin)),
            ItemKind::Define(d) => (&d.name, define(item, d, origin)),
            ItemKind::Param(p) => (&p.name, Def::Param(Rc::new(p.clone()))),
            ItemKind::Tableau { name, entries } => {
                (name, Def::Tableau(Rc::new(name.clone()), Rc::new(entries.clone()), origin))
            }
            ItemKind::Compare { name, list } => (name, Def::Axis(Rc::new(name.clone()), Rc::new(list.clone()))),
            ItemKind::Stage { name, .. } => (name, Def::Stage(Rc::new(name.clone()))),
            ItemKind::Setting { .. }
            | ItemKind::Block { .. }
            | ItemKind::List { .. }
            | ItemKind::Expect { .. }
            | ItemKind::Published { .. }
            | ItemKind::Use { .. } => continue,
        };
        add(into, declared, name, def, sink);
    }
}

/// Indexes the names of the library and the definitions of the user's file.
pub(super) fn index(file: &ast::File, sources: &mut SourceMap, sink: &mut Sink) -> Module {
    let mut module = Module { items: file.items.clone(), library: Library::new(sources), ..Module::default() };
    add_items(&file.items, Origin::User, &mut module.user, &mut module.declared, sink);
    module
}
