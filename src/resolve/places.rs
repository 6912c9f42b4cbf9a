//! Where a bare word stands: what an option takes, the name of a file, behind a package's name.
//!
//! An argument, an entry or a binding -> its [`Place`], which says what an unknown name there was meant to be. Deliberately
//! absent: the words themselves (`syntax::keys`), prose.

use super::names::{Def, Module, Origin};
use crate::syntax::ast::{Arg, BinaryOp, Expr, ExprKind, Ident, TypeExpr};

/// The place of a word, if more is known of it than that a value stands there.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    /// The value of an option of what is called, or of a block.
    Option { owner: String, key: String },
    /// A column of `file`, given by this option.
    Column(String),
    /// The first argument of `file`, as written.
    Path(String),
    /// Before a point and this member.
    Package(String),
    /// The value of a binding that is called like a setting or a list.
    Bound(String),
}

/// Words that begin a line of their own, without `=`.
const LINES: [&str; 5] = ["seed", "seeds", "precision", "evaluate", "plot"];

/// Whether a binding of this name is probably meant to be a setting or a list.
pub(super) fn is_line(name: &str) -> bool {
    LINES.contains(&name)
}

/// The place of an argument of a call.
pub(super) fn of_argument(module: &Module, callee: &Expr, index: usize, arg: &Arg) -> Option<Place> {
    let ExprKind::Name(called) = &*callee.kind else { return None };
    let def = module.lookup(called, Origin::User);
    let file = called == "file" && def.is_none();
    let key = match (&arg.label, def) {
        (None, _) if file => return (index == 0).then(|| Place::Path(path(&arg.value))),
        (Some(l), _) if file && matches!(l.name.as_str(), "label" | "features") => {
            return Some(Place::Column(l.name.clone()));
        }
        (Some(l), _) => l.name.clone(),
        (None, Some(Def::Fun(f))) => {
            let h = &f.define.header;
            let formal = h.inputs.iter().chain(&h.config).nth(index)?;
            match &formal.ty {
                Some(TypeExpr::Name { name, .. }) if name.name == "path" => "path".to_owned(),
                Some(_) | None => formal.name.name.clone(),
            }
        }
        (None, _) => return None,
    };
    let owner = if matches!(def, Some(Def::Tableau(..))) { "solver" } else { called };
    Some(Place::Option { owner: owner.to_owned(), key })
}

/// What a path without quotes is read as, back as it was written; empty for anything else.
fn path(e: &Expr) -> String {
    match &*e.kind {
        ExprKind::Name(n) => n.clone(),
        ExprKind::Member { base, name } => format!("{}.{}", path(base), name.name),
        ExprKind::Binary { op: BinaryOp::Div, lhs, rhs, .. } => format!("{}/{}", path(lhs), path(rhs)),
        ExprKind::Binary { op: BinaryOp::Sub, lhs, rhs, .. } => format!("{}-{}", path(lhs), path(rhs)),
        ExprKind::Number { text, .. } => text.clone(),
        _ => String::new(),
    }
}

/// The place of an entry of a block.
pub(super) fn of_entry(block: &str, key: &Ident) -> Place {
    Place::Option { owner: block.to_owned(), key: key.name.clone() }
}

/// A short value as written, `..` for anything longer.
pub(super) fn shown(e: &Expr) -> String {
    match &*e.kind {
        ExprKind::Number { text, .. } => text.clone(),
        ExprKind::Name(n) => n.clone(),
        ExprKind::Binary { op: BinaryOp::Range, lhs, rhs, .. } => {
            format!("{}..{}", shown(lhs), shown(rhs))
        }
        _ => "..".to_owned(),
    }
}
