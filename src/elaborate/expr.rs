//! Expressions.

use super::builtin::Builtin;
use super::value::{Callee, Env, Fun, Law, Seq, Value};
use super::{Ctx, Elaborator, Quotient, Reported, Res, errors};
use crate::diag::Code;
use crate::resolve::{Def, Origin};
use crate::source::Span;
use crate::syntax::ast::{self, BinaryOp, Expr, ExprKind, UnaryOp};
use std::rc::Rc;

/// Numbers of one value of one sample: beyond this no machine holds a batch.
const LARGEST: u128 = 1 << 26;
/// Items of a range that are unrolled at most.
const LONGEST: i64 = 1_000_000;

impl Elaborator<'_> {
    /// Evaluates an expression.
    pub(crate) fn expr(&mut self, e: &Expr, ctx: &Ctx) -> Res<Value> {
        let v = self.expr_of_any_size(e, ctx)?;
        if matches!(v, Value::Real(r) if r.is_nan()) && ctx.origin == Origin::User && !self.zero_draws {
            return Err(self.report(errors::undefined(self.sources.text(e.span), e.span)));
        }
        if let Value::Node(n) = &v {
            let numbers: u128 = self.program.dag.shape(*n).iter().map(|d| *d as u128).product();
            if numbers > LARGEST {
                let shape = errors::shape_name(self.program.dag.shape(*n));
                return Err(self.report(errors::too_large(&shape, numbers, LARGEST, e.span)));
            }
        }
        Ok(v)
    }

    fn expr_of_any_size(&mut self, e: &Expr, ctx: &Ctx) -> Res<Value> {
        self.spend(e.span)?;
        self.program.dag.set_span(Some(e.span));
        match &*e.kind {
            ExprKind::Number { value, is_int, .. } => Ok(match *is_int && value.abs() < 9e15 {
                true => Value::Int(*value as i64),
                false => Value::Real(*value),
            }),
            ExprKind::Str(s) => Ok(Value::Str(s.as_str().into())),
            ExprKind::Bool(b) => Ok(Value::Bool(*b)),
            ExprKind::None => Ok(Value::None),
            ExprKind::Name(n) => self.name(n, e.span, ctx),
            ExprKind::List(items) => Ok(Value::List(self.seq(items, None, ctx)?)),
            ExprKind::Tuple { items, condition } => Ok(Value::Tuple(self.seq(items, condition.as_ref(), ctx)?)),
            ExprKind::Call { callee, args, condition } => self.call_expr(e, callee, args, condition.as_ref(), ctx),
            ExprKind::Index { base, indices } => self.index(base, indices, e.span, ctx),
            ExprKind::Member { base, name } => {
                let v = self.expr(base, ctx)?;
                self.member(&v, name)
            }
            ExprKind::Unary { op, arg } => {
                let v = self.expr(arg, ctx)?;
                match op {
                    UnaryOp::Neg => self.negate(&v, arg.span),
                    UnaryOp::Not => self.not(&v, arg.span),
                }
            }
            ExprKind::Binary { op, op_span, lhs, rhs } => {
                // Both sides are looked at before a fault stops us: two faults, two reports.
                let a = self.expr(lhs, ctx);
                let b = self.expr(rhs, ctx);
                self.program.dag.set_span(Some(e.span));
                let (a, b) = (a?, b?);
                if let (BinaryOp::Div, ExprKind::Name(name), Value::Int(n), Value::Int(k)) = (op, &*lhs.kind, &a, &b)
                    && n.checked_rem(*k).is_some_and(|rest| rest != 0)
                {
                    self.quotients.insert(e.span, Quotient { name: name.clone(), divisor: *k });
                }
                self.binary(*op, *op_span, (a, lhs.span), (b, rhs.span))
            }
            ExprKind::If { cond, then, otherwise } => self.if_expr(e.span, cond, then, otherwise, ctx),
            ExprKind::Lambda { params, body } => Ok(Value::Fun(Rc::new(Fun {
                callee: Callee::Lambda {
                    params: Rc::new(params.clone()),
                    body: Rc::new(body.clone()),
                    env: ctx.env.clone(),
                    origin: ctx.origin,
                },
                given: Vec::new(),
                span: e.span,
            }))),
            ExprKind::Solve(s) => self.solve_expr(s, e.span, ctx),
        }
    }

    fn seq(&mut self, items: &[ast::Arg], condition: Option<&Expr>, ctx: &Ctx) -> Res<Rc<Seq>> {
        let mut out = Vec::with_capacity(items.len());
        let mut failed = self.labels_differ(items);
        for a in items {
            match self.expr(&a.value, ctx) {
                Ok(v) => out.push((a.label.as_ref().map(|l| Rc::from(l.name.as_str())), v)),
                Err(Reported) => failed = true,
            }
        }
        let condition = match condition {
            Some(c) => Some(self.expr(c, ctx)?),
            None => None,
        };
        if failed { Err(Reported) } else { Ok(Rc::new(Seq { items: out, condition })) }
    }

    /// A name: local, of the file, of the library, of the language.
    pub(crate) fn name(&mut self, name: &str, span: Span, ctx: &Ctx) -> Res<Value> {
        if let Some(v) = ctx.env.get(name) {
            return if matches!(v, Value::Poison) { Err(Reported) } else { Ok(v) };
        }
        if let Some(v) = self.global(name, span, ctx.origin)? {
            return Ok(v);
        }
        if let Some(b) = Builtin::by_name(name) {
            return Ok(Value::Builtin(b));
        }
        if crate::resolve::ROLES.contains(&name) {
            return Err(self.missing_role(name, span));
        }
        Err(self.report(errors::missing_name(name, span)))
    }

    /// `source` or `target` is not there: said once, whatever needs it.
    pub(crate) fn missing_role(&mut self, name: &str, span: Span) -> Reported {
        // A binding of nearly that name, which nothing else can mean.
        let laws = self.module.user.keys().filter(|k| !crate::resolve::ROLES.contains(&k.as_str()));
        let near = crate::diag::suggest::nearest(name, laws.map(String::as_str));
        let near = near.and_then(|n| self.module.declared.get(n).map(|at| (n.to_owned(), *at)));
        let d = errors::missing_role(name, span, near);
        let said = |o: &crate::diag::Diagnostic| o.code == d.code && o.message == d.message;
        // Two sources and no target: the second is the target.
        let mixed = |o: &crate::diag::Diagnostic| {
            o.code == Code::DuplicateName
                && crate::resolve::ROLES.iter().any(|r| o.message.starts_with(&format!("`{r}`")))
        };
        if self.sink.items().iter().any(|o| said(o) || mixed(o)) {
            return Reported;
        }
        self.report(d)
    }

    /// The value of a top-level name, evaluated once a program.
    pub(crate) fn global(&mut self, name: &str, span: Span, origin: Origin) -> Res<Option<Value>> {
        let Some(def) = self.module.lookup(name, origin).cloned() else { return Ok(None) };
        let home = match &def {
            Def::Bind(_, o) | Def::Tableau(_, _, o) => *o,
            Def::Fun(f) => f.origin,
            Def::Law(_) | Def::Param(_) | Def::Axis(..) | Def::Stage(_) => Origin::User,
        };
        let key = (name.to_owned(), home, self.frozen.clone());
        match &def {
            Def::Fun(f) => {
                return Ok(Some(Value::Fun(Rc::new(Fun { callee: Callee::Def(f.clone()), given: vec![], span }))));
            }
            Def::Law(l) => {
                return Ok(Some(Value::Law(Rc::new(Law { def: l.clone(), given: vec![], condition: None, span }))));
            }
            Def::Axis(..) => {
                if let Some(v) = self.arm.get(name) {
                    return if matches!(v, Value::Poison) { Err(Reported) } else { Ok(Some(v.clone())) };
                }
            }
            Def::Stage(declared) => {
                return match self.arm.get(name) {
                    Some(v) => Ok(Some(v.clone())),
                    None => Err(self.report(errors::stage_not_ended(name, span, declared.span))),
                };
            }
            Def::Bind(..) if matches!(self.arm.get(name), Some(Value::Poison)) => return Err(Reported),
            Def::Bind(..) | Def::Param(_) | Def::Tableau(..) => {}
        }
        if let Some(v) = self.globals.get(&key) {
            return if matches!(v, Value::Poison) { Err(Reported) } else { Ok(Some(v.clone())) };
        }
        if self.in_progress.contains(&key) {
            let defined = self.module.declared.get(name).copied();
            return Err(self.report(errors::circular(name, span, defined)));
        }
        self.in_progress.push(key.clone());
        let top = Ctx { env: Env::child(None), origin: home, targets: Rc::default() };
        let value = match &def {
            Def::Bind(e, _) => self.expr(e, &top),
            Def::Param(p) => self.top_param(p, &top),
            Def::Tableau(n, entries, _) => self.tableau(n, entries),
            // An axis outside an arm: any item will do for checking.
            Def::Axis(_, list) => self.expr(list, &top).and_then(|v| self.first_item(&v, list.span)),
            Def::Fun(_) | Def::Law(_) | Def::Stage(_) => Err(Reported),
        };
        self.in_progress.pop();
        self.globals.insert(key, value.clone().unwrap_or(Value::Poison));
        value.map(Some)
    }

    fn first_item(&mut self, v: &Value, span: Span) -> Res<Value> {
        let items = self.items(v, span)?;
        match items.into_iter().next() {
            Some((_, v)) => Ok(v),
            None => {
                Err(self.report(errors::type_expected("a list with at least one item", "an empty list", span, None)))
            }
        }
    }

    /// The items of a list, range, tuple or vector, with their labels.
    pub(crate) fn items(&mut self, v: &Value, span: Span) -> Res<Vec<(Option<Rc<str>>, Value)>> {
        match v {
            Value::List(s) | Value::Tuple(s) => Ok(s.items.clone()),
            Value::Range(a, b) if b - a > LONGEST => Err(self.report(errors::long_range(*a, *b, LONGEST, span))),
            Value::Range(a, b) => Ok((*a..*b).map(|i| (None, Value::Int(i))).collect()),
            Value::Node(n) if !self.program.dag.shape(*n).is_empty() => {
                let rows = self.program.dag.shape(*n)[0];
                (0..rows).map(|i| Ok((None, Value::Node(self.row(*n, i))))).collect()
            }
            Value::Poison => Err(Reported),
            other => {
                let found = self.describe(other);
                Err(self.report(errors::type_expected("a list", &found, span, None)))
            }
        }
    }

    /// Row `i` of a matrix, element `i` of a vector.
    pub(super) fn row(&mut self, n: crate::ir::NodeId, i: usize) -> crate::ir::NodeId {
        let dag = &mut self.program.dag;
        let rest = dag.shape(n)[1..].to_vec();
        let part = dag.slice(n, 0, i, 1);
        dag.reshape(part, &rest)
    }

    fn position(&mut self, v: &Value, extent: usize, span: Span) -> Res<usize> {
        let i = self.need_int(v, "an index", span)?;
        match usize::try_from(i) {
            Ok(k) if k < extent => Ok(k),
            Ok(_) | Err(_) => Err(self.report(errors::out_of_range(i, extent, span))),
        }
    }

    fn index(&mut self, base: &Expr, indices: &[Expr], span: Span, ctx: &Ctx) -> Res<Value> {
        let mut v = self.expr(base, ctx)?;
        let mut at = Vec::new();
        for i in indices {
            at.push((self.expr(i, ctx)?, i.span));
        }
        for (depth, (i, ispan)) in at.iter().enumerate() {
            v = match (&v, i) {
                (Value::List(s) | Value::Tuple(s), Value::Range(a, b)) => {
                    let (lo, hi) = self.window(*a, *b, s.items.len(), *ispan)?;
                    Value::List(Rc::new(Seq { items: s.items[lo..hi].to_vec(), condition: None }))
                }
                (Value::List(s) | Value::Tuple(s), _) => {
                    let k = self.position(i, s.items.len(), *ispan)?;
                    s.items[k].1.clone()
                }
                (Value::Range(a, b), _) if !matches!(i, Value::Range(..)) => {
                    let k = self.position(i, usize::try_from(b - a).unwrap_or(0), *ispan)?;
                    Value::Int(a + k as i64)
                }
                (Value::Node(n), i) if !self.program.dag.shape(*n).is_empty() => {
                    let extent = self.program.dag.shape(*n)[0];
                    match i {
                        Value::Range(a, b) => {
                            let (lo, hi) = self.window(*a, *b, extent, *ispan)?;
                            if depth + 1 < at.len() {
                                return Err(self.report(errors::type_expected(
                                    "an index",
                                    "a range that is not last",
                                    *ispan,
                                    None,
                                )));
                            }
                            Value::Node(self.program.dag.slice(*n, 0, lo, hi - lo))
                        }
                        _ => {
                            let k = self.position(i, extent, *ispan)?;
                            Value::Node(self.row(*n, k))
                        }
                    }
                }
                (other, _) => {
                    let found = self.describe(other);
                    let at = if depth == 0 { base.span } else { span };
                    return Err(self.report(errors::not_indexable(&found, at)));
                }
            };
        }
        Ok(v)
    }

    fn window(&mut self, a: i64, b: i64, extent: usize, span: Span) -> Res<(usize, usize)> {
        match (usize::try_from(a), usize::try_from(b)) {
            (Ok(lo), Ok(hi)) if lo < hi && hi <= extent => Ok((lo, hi)),
            _ => Err(self.report(errors::bad_window(a, b, extent, span))),
        }
    }

    fn member(&mut self, v: &Value, name: &ast::Ident) -> Res<Value> {
        match v {
            Value::Tuple(s) | Value::List(s) => match s.get(&name.name) {
                Some(v) => Ok(v.clone()),
                None => {
                    let known: Vec<&str> = s.items.iter().filter_map(|(l, _)| l.as_deref()).collect();
                    let found = self.describe(v);
                    Err(self.report(errors::unknown_member(&name.name, name.span, &found, &known)))
                }
            },
            Value::Poison => Err(Reported),
            Value::Stage(s) => self.frozen_member(s, name),
            other => {
                let found = self.describe(other);
                Err(self.report(errors::unknown_member(&name.name, name.span, &found, &[])))
            }
        }
    }

    fn if_expr(&mut self, span: Span, cond: &Expr, then: &Expr, otherwise: &Expr, ctx: &Ctx) -> Res<Value> {
        let c = self.expr(cond, ctx)?;
        match c {
            Value::Bool(true) => return self.expr(then, ctx),
            Value::Bool(false) => return self.expr(otherwise, ctx),
            _ => {}
        }
        let c = self.truth(&c, cond.span)?;
        let a = self.expr(then, ctx);
        let b = self.expr(otherwise, ctx);
        let (a, b) = (a?, b?);
        if matches!((&a, &b), (Value::None, Value::None)) {
            return Ok(Value::None);
        }
        if let Some(class) = self.class_if(c, &a, &b) {
            return Ok(class);
        }
        let (x, y) = (self.node(&a, then.span)?, self.node(&b, otherwise.span)?);
        let (x, y) = self.fit("if", span, (x, then.span), (y, otherwise.span), false)?;
        let (c, x) = self.fit("if", span, (c, cond.span), (x, then.span), false)?;
        let (_, y) = self.fit("if", span, (c, cond.span), (y, otherwise.span), false)?;
        let select = self.program.dag.select(c, x, y);
        let truth = matches!((&a, &b), (Value::Truth(_) | Value::Bool(_), Value::Truth(_) | Value::Bool(_)));
        Ok(if truth { Value::Truth(select) } else { Value::Node(select) })
    }

    /// A real as a node.
    pub(crate) fn scalar(&mut self, v: &Value, span: Span, what: &str) -> Res<crate::ir::NodeId> {
        let n = self.node(v, span)?;
        let shape = self.program.dag.shape(n).to_vec();
        if shape.is_empty() {
            Ok(n)
        } else {
            let found = errors::shape_name(&shape);
            Err(self.report(errors::real_expected(what, &found, span, self.squared(span))))
        }
    }

    /// `e` where a short `e^2` is written, without its parentheses.
    fn squared(&self, span: Span) -> Option<&'_ str> {
        let base = self.sources.text(span).strip_suffix("^2")?.trim();
        let inner = base.strip_prefix('(').and_then(|b| b.strip_suffix(')'));
        let mut depth = 0_i32;
        let whole = inner.is_some_and(|b| {
            b.chars().all(|c| {
                depth += i32::from(c == '(') - i32::from(c == ')');
                depth >= 0
            })
        });
        let e = if whole { inner? } else { base };
        (e.len() <= 60 && !e.contains('\n')).then_some(e)
    }
}
