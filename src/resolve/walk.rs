//! One walk over bodies: which names are read, and which a derivative operator differentiates in.

use super::errors;
use super::names::{Def, Module, Origin};
use super::places::{self, Place};
use crate::diag::{Code, Sink};
use crate::elaborate::builtin::Builtin;
use crate::source::Span;
use crate::syntax::ast::{
    Arg, Body, DefKind, Define, Expr, ExprKind, Formal, Ident, Item, ItemKind, ParamInit, Pattern, Stmt, StmtKind,
    TypeExpr,
};
use std::collections::{BTreeMap, HashSet};

/// The operators whose second argument is the name they differentiate in.
pub const DERIVATIVES: [&str; 8] = ["diff", "partial", "grad", "jacobian", "div", "laplacian", "jvp", "vjp"];

/// Names that stand second in a derivative operator anywhere in a body.
pub fn derivative_targets(body: &Body) -> HashSet<String> {
    let mut found = HashSet::new();
    each_expr_of_body(body, &mut |e| {
        if let ExprKind::Call { callee, args, .. } = &*e.kind
            && let ExprKind::Name(f) = &*callee.kind
            && DERIVATIVES.contains(&f.as_str())
            && let Some(Arg { value, .. }) = args.get(1)
            && let ExprKind::Name(n) = &*value.kind
        {
            found.insert(n.clone());
        }
    });
    found
}

/// Free names of an expression, as written.
pub fn free_names(e: &Expr) -> HashSet<String> {
    let mut names = HashSet::new();
    each_expr(e, &mut |e| {
        if let ExprKind::Name(n) = &*e.kind {
            names.insert(n.clone());
        }
    });
    names
}

fn each_expr_of_body(body: &Body, f: &mut impl FnMut(&Expr)) {
    match body {
        Body::Expr(e) => each_expr(e, f),
        Body::Block { stmts, .. } => stmts.iter().for_each(|s| match &s.kind {
            StmtKind::Let { value, .. } => each_expr(value, f),
            StmtKind::Draw { law, .. } => each_expr(law, f),
            StmtKind::Param(p) => match &p.init {
                ParamInit::Value(e) | ParamInit::Law(e) => each_expr(e, f),
            },
            StmtKind::Minimize(e) | StmtKind::Value(e) => each_expr(e, f),
        }),
    }
}

/// Calls `f` on an expression and everything in it.
pub fn each_expr(e: &Expr, f: &mut impl FnMut(&Expr)) {
    f(e);
    match &*e.kind {
        ExprKind::Number { .. } | ExprKind::Str(_) | ExprKind::Bool(_) | ExprKind::None | ExprKind::Name(_) => {}
        ExprKind::List(items) => items.iter().for_each(|a| each_expr(&a.value, f)),
        ExprKind::Tuple { items, condition } => {
            items.iter().for_each(|a| each_expr(&a.value, f));
            condition.iter().for_each(|c| each_expr(c, f));
        }
        ExprKind::Call { callee, args, condition } => {
            each_expr(callee, f);
            args.iter().for_each(|a| each_expr(&a.value, f));
            condition.iter().for_each(|c| each_expr(c, f));
        }
        ExprKind::Index { base, indices } => {
            each_expr(base, f);
            indices.iter().for_each(|i| each_expr(i, f));
        }
        ExprKind::Member { base, .. } => each_expr(base, f),
        ExprKind::Unary { arg, .. } => each_expr(arg, f),
        ExprKind::Binary { lhs, rhs, .. } => {
            each_expr(lhs, f);
            each_expr(rhs, f);
        }
        ExprKind::If { cond, then, otherwise } => {
            each_expr(cond, f);
            each_expr(then, f);
            each_expr(otherwise, f);
        }
        ExprKind::Lambda { body, .. } => each_expr_of_body(body, f),
        ExprKind::Solve(s) => {
            each_expr(&s.from, f);
            s.to.iter().for_each(|e| each_expr(e, f));
            s.solver.iter().for_each(|e| each_expr(e, f));
            for q in &s.equations {
                each_expr(&q.rhs, f);
                each_expr(&q.initial, f);
            }
        }
    }
}

/// Words that stand where a declaration has its name, in a text that did not parse: `a = ..`, `field v(..)`,
/// `class Net(..):`. Only the top level counts, for what is inside a broken item is not looked at.
pub(super) fn words_declared(text: &str) -> HashSet<String> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = HashSet::new();
    for line in text.lines() {
        for part in line.split(';') {
            let (first, rest) = part.split_at(part.find(|c| !is_letter(c)).unwrap_or(part.len()));
            let rest = rest.trim_start();
            let second = &rest[..rest.find(|c| !is_letter(c)).unwrap_or(rest.len())];
            found.extend([first, second].into_iter().filter(|w| !w.is_empty()).map(str::to_owned));
        }
    }
    found
}

/// Checks every name of the user's file, and what is never read. Names in `lost` are not reported as unknown.
pub(super) fn check_names(
    file: &crate::syntax::ast::File,
    module: &mut Module,
    lost: HashSet<String>,
    sink: &mut Sink,
) {
    let broken = sink.has_errors();
    let mut walker = Walker {
        module,
        sink,
        scopes: Vec::new(),
        used: HashSet::new(),
        lost,
        inside: None,
        idle: Vec::new(),
        handed_on: HashSet::new(),
        place: None,
        told: false,
    };
    walker.items(&file.items);
    let (idle, handed_on, mut used) = (walker.idle, walker.handed_on, walker.used);
    used.extend(super::ROLES.map(String::from));
    // A name that is nowhere defined may be the axis that now seems unused.
    if broken || sink.items().iter().any(|d| d.code == Code::UnknownName) {
        module.used = used;
        return;
    }
    for (owner, name, is_input) in idle {
        if name.span.file == file.id && used.contains(&owner) && !(is_input && handed_on.contains(&owner)) {
            sink.push(errors::unused_parameter(&owner, &name));
        }
    }
    // A file that is used may hold more than is needed here.
    for item in file.items.iter().filter(|i| i.span.file == file.id) {
        match &item.kind {
            ItemKind::Compare { name, .. } if !used.contains(&name.name) => sink.push(errors::unused_axis(name)),
            ItemKind::Bind { name, value } if !used.contains(&name.name) => {
                sink.push(errors::unused_binding(&name.name, name.span, &places::shown(value)));
            }
            ItemKind::Define(Define { name, kind, .. }) if !used.contains(&name.name) => {
                sink.push(errors::unused_name(&name.name, name.span, &format!("the {}", kind.keyword())));
            }
            ItemKind::Param(p) if !used.contains(&p.name.name) => {
                sink.push(errors::unused_name(&p.name.name, p.name.span, "the parameter"));
            }
            ItemKind::Tableau { name, .. } if !used.contains(&name.name) => {
                sink.push(errors::unused_name(&name.name, name.span, "the tableau"));
            }
            ItemKind::Compare { .. }
            | ItemKind::Bind { .. }
            | ItemKind::Define(_)
            | ItemKind::Param(_)
            | ItemKind::Tableau { .. }
            | ItemKind::Setting { .. }
            | ItemKind::Block { .. }
            | ItemKind::List { .. }
            | ItemKind::Expect { .. }
            | ItemKind::Published { .. }
            | ItemKind::Stage { .. }
            | ItemKind::Use { .. } => {}
        }
    }
    module.used = used;
}

struct Local {
    span: Span,
    used: bool,
    what: &'static str,
}

struct Walker<'a> {
    module: &'a Module,
    sink: &'a mut Sink,
    scopes: Vec<BTreeMap<String, Local>>,
    used: HashSet<String>,
    lost: HashSet<String>,
    /// The definition whose body is walked.
    inside: Option<String>,
    /// Parameters that their body does not read: definition, parameter, whether it is an input.
    idle: Vec<(String, Ident, bool)>,
    /// Names that are handed on as values, so that their header is given by whoever calls them.
    handed_on: HashSet<String>,
    /// Where the expression that is walked next stands.
    place: Option<Place>,
    /// Whether a path or a list that is none was told for this item.
    told: bool,
}

impl Walker<'_> {
    fn items(&mut self, items: &[Item]) {
        for item in items {
            self.told = false;
            match &item.kind {
                ItemKind::Bind { name, value } => {
                    let line = places::is_line(&name.name).then(|| Place::Bound(name.name.clone()));
                    self.expr_at(value, line);
                }
                // `f32` and `f64` are words of this setting, not names.
                ItemKind::Setting { name, .. } if name.name == "precision" => {}
                ItemKind::Setting { value, .. } => self.expr(value),
                ItemKind::Define(d) => self.define(d),
                ItemKind::Param(p) => {
                    self.ty(&p.ty);
                    match &p.init {
                        ParamInit::Value(e) | ParamInit::Law(e) => self.expr(e),
                    }
                }
                ItemKind::Block { keyword, entries } => {
                    for e in entries {
                        self.expr_at(&e.value, Some(places::of_entry(&keyword.name, &e.key)));
                    }
                }
                // Metric names are not names of the language; their arguments are.
                ItemKind::List { items, .. } => items.iter().for_each(|a| self.metric(&a.value)),
                ItemKind::Compare { list, .. } => self.expr(list),
                // Checked by the plan, which knows metrics and arms.
                ItemKind::Expect { .. } | ItemKind::Use { .. } => {}
                ItemKind::Published { value, within, .. } => {
                    self.expr(value);
                    within.iter().for_each(|e| self.expr(e));
                }
                ItemKind::Stage { items, .. } => self.items(items),
                ItemKind::Tableau { entries, .. } => entries.iter().for_each(|e| self.expr(&e.value)),
            }
        }
    }

    fn metric(&mut self, e: &Expr) {
        let name = match &*e.kind {
            ExprKind::Call { callee, .. } => &*callee.kind,
            other => other,
        };
        // An objective may be measured.
        if let ExprKind::Name(n) = name
            && let Some(Def::Fun(d)) = self.module.user.get(n)
            && d.define.kind == DefKind::Objective
        {
            self.used.insert(n.clone());
        }
        if let ExprKind::Call { callee, args, .. } = &*e.kind {
            for (i, a) in args.iter().enumerate() {
                self.expr_at(&a.value, places::of_argument(self.module, callee, i, a));
            }
        }
    }

    fn define(&mut self, d: &Define) {
        self.scopes.push(BTreeMap::new());
        for f in d.header.inputs.iter().chain(&d.header.condition).chain(&d.header.config) {
            self.formal(f);
        }
        if let Some(t) = &d.result {
            self.ty(t);
        }
        self.inside = Some(d.name.name.clone());
        self.body(&d.body);
        self.inside = None;
        // Configuration of a `net` or `field` chooses its parameters, that of a law may be for its other facet.
        let own = matches!(d.kind, DefKind::Fn | DefKind::Path | DefKind::Objective | DefKind::Coupling);
        let inputs = if d.kind == DefKind::Fn { d.header.inputs.as_slice() } else { &[] };
        let config = if own { d.header.config.as_slice() } else { &[] };
        for f in inputs.iter().chain(config) {
            let unused = self.find(&f.name.name).is_some_and(|l| !l.used);
            if unused && !f.name.name.starts_with('_') {
                let is_input = !config.iter().any(|c| c.name.name == f.name.name);
                self.idle.push((d.name.name.clone(), f.name.clone(), is_input));
            }
        }
        self.leave(true);
    }

    fn formal(&mut self, f: &Formal) {
        if let Some(t) = &f.ty {
            self.ty(t);
        }
        if let Some(e) = &f.default {
            self.expr(e);
        }
        self.bind(&f.name, "the parameter");
    }

    /// A type's dimensions bind names that are new: `vec[n]`.
    fn ty(&mut self, t: &TypeExpr) {
        match t {
            TypeExpr::Name { dims, .. } => {
                for d in dims {
                    match &*d.kind {
                        ExprKind::Name(n)
                            if self.find(n).is_none() && self.module.lookup(n, Origin::User).is_none() =>
                        {
                            if let Some(scope) = self.scopes.last_mut() {
                                scope.insert(n.clone(), Local { span: d.span, used: true, what: "the dimension" });
                            }
                        }
                        _ => self.expr(d),
                    }
                }
            }
            TypeExpr::Fn { .. } => {}
        }
    }

    fn bind(&mut self, name: &Ident, what: &'static str) {
        if name.name == "_" {
            return;
        }
        let local = self.scopes.iter().rev().find_map(|s| s.get(&name.name)).map(|l| l.span);
        // A parameter may be called like something of the file: `objective fm(v: field)` beside `field v`.
        let outer = local.or_else(|| self.module.declared.get(&name.name).copied().filter(|_| what != "the parameter"));
        if let Some(first) = outer {
            self.sink.push(errors::shadowed_name(name, first));
        }
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.name.clone(), Local { span: name.span, used: false, what });
        }
    }

    fn pattern(&mut self, p: &Pattern, what: &'static str) {
        match p {
            Pattern::Name(n) => self.bind(n, what),
            Pattern::Tuple { names, condition, .. } => {
                names.iter().for_each(|n| self.bind(n, what));
                condition.iter().for_each(|n| self.bind(n, what));
            }
        }
    }

    fn leave(&mut self, report: bool) {
        for (name, local) in self.scopes.pop().unwrap_or_default() {
            // A parameter may stand unused: signatures are given by their use (`field v(x, t)`).
            if report && !local.used && local.what != "the parameter" && !name.starts_with('_') {
                self.sink.push(errors::unused_local(&name, local.span, local.what));
            }
        }
    }

    fn body(&mut self, b: &Body) {
        match b {
            Body::Expr(e) => self.expr(e),
            Body::Block { stmts, .. } => stmts.iter().for_each(|s| self.stmt(s)),
        }
    }

    fn stmt(&mut self, s: &Stmt) {
        match &s.kind {
            StmtKind::Let { pattern, value } => {
                self.expr(value);
                self.pattern(pattern, "the name");
            }
            StmtKind::Draw { pattern, ty, law } => {
                self.expr(law);
                ty.iter().for_each(|t| self.ty(t));
                self.pattern(pattern, "the draw");
            }
            StmtKind::Param(p) => {
                self.ty(&p.ty);
                match &p.init {
                    ParamInit::Value(e) | ParamInit::Law(e) => self.expr(e),
                }
                self.bind(&p.name, "the trainable parameter");
            }
            StmtKind::Minimize(e) | StmtKind::Value(e) => self.expr(e),
        }
    }

    fn find(&mut self, name: &str) -> Option<&mut Local> {
        self.scopes.iter_mut().rev().find_map(|s| s.get_mut(name))
    }

    fn name(&mut self, name: &str, span: Span, called: bool, place: Option<&Place>) {
        if let Some(local) = self.find(name) {
            local.used = true;
            return;
        }
        if self.module.lookup(name, Origin::User).is_some() {
            self.used.insert(name.to_owned());
            if !called {
                self.handed_on.insert(name.to_owned());
            }
            return;
        }
        // A missing role is told by the program that needs it.
        let role = super::ROLES.contains(&name);
        if Builtin::by_name(name).is_some() || role || self.lost.contains(name) {
            return;
        }
        // One mistake, however many names it is made of.
        let once = matches!(place, Some(Place::Bound(_) | Place::Path(_)));
        if once && std::mem::replace(&mut self.told, true) {
            return;
        }
        let mut known: Vec<&str> = vec![];
        if self.sink.shows_errors() {
            let locals = self.scopes.iter().rev().flat_map(|s| s.keys());
            known.extend(locals.chain(self.module.user.keys()).map(String::as_str));
            known.extend(self.module.library.names().map(|n| -> &str { n }));
            known.extend(Builtin::names().map(|n| -> &str { n }));
        }
        let inside = self.inside.as_deref().filter(|_| !called);
        self.sink.push(errors::unknown_name(name, span, &known, inside, place));
    }

    fn expr_at(&mut self, e: &Expr, place: Option<Place>) {
        self.place = place;
        self.expr(e);
        self.place = None;
    }

    fn expr(&mut self, e: &Expr) {
        let place = self.place.take();
        match &*e.kind {
            ExprKind::Number { .. } | ExprKind::Str(_) | ExprKind::Bool(_) | ExprKind::None => {}
            ExprKind::Name(n) => self.name(n, e.span, false, place.as_ref()),
            ExprKind::List(items) => items.iter().for_each(|a| self.expr_at(&a.value, place.clone())),
            ExprKind::Tuple { items, condition } => {
                items.iter().for_each(|a| self.expr(&a.value));
                condition.iter().for_each(|c| self.expr(c));
            }
            ExprKind::Call { callee, args, condition } => {
                match &*callee.kind {
                    ExprKind::Name(n) => self.name(n, callee.span, true, place.as_ref()),
                    _ => self.expr(callee),
                }
                for (i, a) in args.iter().enumerate() {
                    self.expr_at(&a.value, places::of_argument(self.module, callee, i, a));
                }
                condition.iter().for_each(|c| self.expr(c));
            }
            ExprKind::Index { base, indices } => {
                self.expr(base);
                indices.iter().for_each(|i| self.expr(i));
            }
            ExprKind::Member { base, name } => {
                let path = place.filter(|p| matches!(p, Place::Path(_)));
                self.expr_at(base, path.or_else(|| Some(Place::Package(name.name.clone()))));
            }
            ExprKind::Unary { arg, .. } => self.expr(arg),
            ExprKind::Binary { lhs, rhs, .. } => {
                let path = place.filter(|p| matches!(p, Place::Path(_)));
                self.expr_at(lhs, path.clone());
                self.expr_at(rhs, path);
            }
            ExprKind::If { cond, then, otherwise } => {
                self.expr(cond);
                self.expr(then);
                self.expr(otherwise);
            }
            ExprKind::Lambda { params, body } => {
                self.scopes.push(BTreeMap::new());
                self.pattern(params, "the parameter");
                self.body(body);
                self.leave(false);
            }
            ExprKind::Solve(s) => {
                self.expr(&s.from);
                s.to.iter().for_each(|e| self.expr(e));
                s.solver.iter().for_each(|e| self.expr(e));
                s.equations.iter().for_each(|q| self.expr(&q.initial));
                // Time and components are new names of the equations alone; they may reuse outer names (`x' = ... from x`).
                let mut scope = BTreeMap::new();
                for name in std::iter::once(&s.time).chain(s.equations.iter().map(|q| &q.name)) {
                    scope.insert(name.name.clone(), Local { span: name.span, used: true, what: "the state" });
                }
                scope.insert("dW".to_owned(), Local { span: s.time.span, used: true, what: "the noise" });
                self.scopes.push(scope);
                s.equations.iter().for_each(|q| self.expr(&q.rhs));
                self.leave(false);
            }
        }
    }
}
