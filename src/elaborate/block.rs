//! Statements: `let`, `draw`, `param`, `minimize`.

use super::value::Value;
use super::{Ctx, Elaborator, Reported, Res, errors, set_errors};
use crate::ir::{Init, NodeId, Op, ParamDecl};
use crate::source::Span;
use crate::syntax::ast::{self, Body, ParamInit, Pattern, Stmt, StmtKind};

/// What a body came to.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// Its value.
    Value(Value),
    /// What it minimizes, a real.
    Minimize(NodeId),
    /// A block without a value.
    Nothing,
}

impl Elaborator<'_> {
    /// Runs a body.
    pub(crate) fn body(&mut self, body: &Body, ctx: &Ctx) -> Res<Outcome> {
        match body {
            Body::Expr(e) => Ok(Outcome::Value(self.expr(e, ctx)?)),
            Body::Block { stmts, .. } => {
                let mut outcome = Outcome::Nothing;
                let mut failed = self.ends_in_minimize(stmts);
                for s in stmts {
                    match self.stmt(s, ctx) {
                        Ok(Outcome::Nothing) => {}
                        Ok(done) => outcome = done,
                        Err(Reported) => {
                            failed = true;
                            self.poison(s, ctx);
                        }
                    }
                }
                if failed { Err(Reported) } else { Ok(outcome) }
            }
        }
    }

    /// Reports a second `minimize`, or a value behind it; whether there is one.
    fn ends_in_minimize(&mut self, stmts: &[Stmt]) -> bool {
        let target = |s: &Stmt| match &s.kind {
            StmtKind::Minimize(e) => Some(e.span),
            StmtKind::Let { .. } | StmtKind::Draw { .. } | StmtKind::Param(_) | StmtKind::Value(_) => None,
        };
        let Some((i, first)) = stmts.iter().enumerate().find_map(|(i, s)| Some((i, target(s)?))) else { return false };
        let rest = &stmts[i + 1..];
        if let Some(second) = rest.iter().find_map(target) {
            let text = |s: Span| self.sources.text(s);
            let d = errors::minimized_twice((second, text(second)), (first, text(first)));
            self.report(d);
            return true;
        }
        let value = rest.iter().find(|s| matches!(s.kind, StmtKind::Value(_)));
        if let Some(v) = value {
            self.report(errors::value_after_minimize(v.span, first));
        }
        value.is_some()
    }

    /// The names of a faulty statement are silent from here on.
    fn poison(&mut self, s: &Stmt, ctx: &Ctx) {
        match &s.kind {
            StmtKind::Let { pattern, .. } | StmtKind::Draw { pattern, .. } => match pattern {
                Pattern::Name(n) => ctx.env.bind(&n.name, Value::Poison),
                Pattern::Tuple { names, condition, .. } => {
                    names.iter().chain(condition).for_each(|n| ctx.env.bind(&n.name, Value::Poison));
                }
            },
            StmtKind::Param(p) => ctx.env.bind(&p.name.name, Value::Poison),
            StmtKind::Minimize(_) | StmtKind::Value(_) => {}
        }
    }

    fn stmt(&mut self, s: &Stmt, ctx: &Ctx) -> Res<Outcome> {
        match &s.kind {
            StmtKind::Let { pattern, value } => {
                let v = self.expr(value, ctx)?;
                self.bind_pattern(pattern, v, value.span, ctx)?;
                Ok(Outcome::Nothing)
            }
            StmtKind::Draw { pattern, ty, law } => {
                let l = self.expr(law, ctx)?;
                let name = match pattern {
                    Pattern::Name(n) => n.name.clone(),
                    Pattern::Tuple { names, .. } => names.first().map_or_else(String::new, |n| n.name.clone()),
                };
                let path = self.sites.last_mut().expect("a root site").next(&name);
                self.sites.push(super::Scope::root(path));
                let drawn = self.draw_from(&l, law.span);
                self.sites.pop();
                let mut v = drawn?;
                self.label_given(pattern, &v, &l, law.span)?;
                if let Some(ty) = ty {
                    v = self.check_type(v, ty, law.span, &name, ctx)?;
                }
                self.bind_pattern(pattern, v, law.span, ctx)?;
                Ok(Outcome::Nothing)
            }
            StmtKind::Param(p) => {
                let v = self.local_param(p, ctx)?;
                ctx.env.bind(&p.name.name, v);
                Ok(Outcome::Nothing)
            }
            StmtKind::Minimize(e) => {
                let v = self.expr(e, ctx)?;
                Ok(Outcome::Minimize(self.scalar(&v, e.span, "what is minimized")?))
            }
            StmtKind::Value(e) => Ok(Outcome::Value(self.expr(e, ctx)?)),
        }
    }

    /// Binds a name; a name that some derivative operator of the body differentiates in becomes a node of its own.
    pub(crate) fn bind(&mut self, name: &str, v: Value, span: Span, ctx: &Ctx) -> Res<()> {
        let v = if ctx.targets.contains(name) { self.as_target(v, span)? } else { v };
        ctx.env.bind(name, v);
        Ok(())
    }

    fn as_target(&mut self, v: Value, span: Span) -> Res<Value> {
        match &v {
            Value::Int(_) | Value::Real(_) | Value::List(_) | Value::Node(_) => {
                let n = self.node(&v, span)?;
                Ok(Value::Node(match self.program.dag.op(n) {
                    Op::Named(..) => n,
                    _ => self.program.dag.named(n),
                }))
            }
            _ => Ok(v),
        }
    }

    /// A pattern of the user's file that asks for a label gets one; the library hands on what there is.
    fn label_given(&mut self, p: &Pattern, v: &Value, law: &Value, span: Span) -> Res<()> {
        let Pattern::Tuple { condition: Some(c), .. } = p else { return Ok(()) };
        let has = matches!(v, Value::Tuple(s) if !matches!(s.condition, None | Some(Value::None)));
        if has || self.sources.file(c.span.file).is_std {
            return Ok(());
        }
        let found = self.describe(law);
        Err(self.report(set_errors::no_label(&found, span, c.span)))
    }

    pub(crate) fn bind_pattern(&mut self, p: &Pattern, v: Value, span: Span, ctx: &Ctx) -> Res<()> {
        match p {
            Pattern::Name(n) => {
                // A value with a condition, bound to one name, is the value.
                let v = match &v {
                    Value::Tuple(s) if s.condition.is_some() && s.items.len() == 1 => s.items[0].1.clone(),
                    _ => v,
                };
                self.bind(&n.name, v, span, ctx)
            }
            Pattern::Tuple { names, condition, span: pspan } => {
                let (items, given) = match &v {
                    Value::Poison => return Err(Reported),
                    // One name for a list, e.g. a point `[cos(a), sin(a)]`, is a name for the whole.
                    Value::List(_) if names.len() == 1 => (vec![v.clone()], None),
                    Value::Tuple(s) | Value::List(s) => {
                        (s.items.iter().map(|(_, v)| v.clone()).collect(), s.condition.clone())
                    }
                    other if names.len() == 1 => (vec![other.clone()], None),
                    other => {
                        let found = self.describe(other);
                        return Err(self.report(errors::not_a_tuple(names.len(), &found, span, *pspan)));
                    }
                };
                if items.len() != names.len() {
                    let found = format!("a tuple of {}", items.len());
                    return Err(self.report(errors::not_a_tuple(names.len(), &found, span, *pspan)));
                }
                for (n, v) in names.iter().zip(items) {
                    self.bind(&n.name, v, span, ctx)?;
                }
                if let Some(c) = condition {
                    ctx.env.bind(&c.name, given.unwrap_or(Value::None));
                }
                Ok(())
            }
        }
    }

    /// `param` inside a net or a function that a net calls.
    fn local_param(&mut self, p: &ast::ParamDecl, ctx: &Ctx) -> Res<Value> {
        let shape = self.declared_shape(&p.ty, ctx)?;
        let init = self.init(&p.init, ctx)?;
        let Some(owner) = self.owners.last_mut() else {
            // Where the fault shows within the library, `report` names the call by itself.
            let here = !self.sources.file(p.name.span.file).is_std;
            let user = |f: &super::Frame| !self.sources.file(f.span.file).is_std;
            let call = self.calls.iter().rev().find(|f| here && user(f)).map(|f| f.span);
            let owner = self.calls.iter().find_map(|f| match self.module.user.get(&f.name) {
                Some(crate::resolve::Def::Fun(d)) if d.define.kind == ast::DefKind::Fn => Some(self.owning_header(d)),
                _ => None,
            });
            let d = errors::misplaced_param(&p.name.name, p.name.span, call, owner.as_deref());
            return Err(self.report(d));
        };
        let name = owner.next(&p.name.name);
        self.asked.push(name.clone());
        Ok(Value::Node(self.param(ParamDecl { name, shape, init, span: p.name.span })))
    }

    /// The header of a `fn` with the keyword that would let it own parameters: `field v(x, t)`, `net f(x)`.
    fn owning_header(&self, d: &crate::resolve::FunDef) -> String {
        let name = &d.define.name;
        let end = match (&d.define.result, &d.define.body) {
            (Some(_), _) => None,
            (None, Body::Expr(e)) => Some(e.span.start),
            (None, Body::Block { span, .. }) => Some(span.start),
        };
        let header =
            end.map(|end| self.sources.text(Span { end, ..name.span }).trim_end_matches(['=', ' ', '{', '\n']));
        let header = match header {
            Some(h) if h.len() <= 60 => h.to_owned(),
            Some(_) | None => format!("{}(...)", name.name),
        };
        let keyword = match d.define.header.inputs.as_slice() {
            [_, t] if t.name.name == "t" => "field",
            _ => "net",
        };
        format!("{keyword} {header}")
    }

    /// `param` at top level.
    pub(crate) fn top_param(&mut self, p: &ast::ParamDecl, ctx: &Ctx) -> Res<Value> {
        let shape = self.declared_shape(&p.ty, ctx)?;
        let init = self.init(&p.init, ctx)?;
        Ok(Value::Node(self.param(ParamDecl { name: p.name.name.clone(), shape, init, span: p.name.span })))
    }

    fn init(&mut self, init: &ParamInit, ctx: &Ctx) -> Res<Init> {
        match init {
            ParamInit::Value(e) => {
                let v = self.expr(e, ctx)?;
                match self.number(&v) {
                    Some(c) => Ok(Init::Constant(c)),
                    None => Err(self.report(errors::not_compile_time("the start value of a parameter", e.span))),
                }
            }
            ParamInit::Law(e) => {
                let v = self.expr(e, ctx)?;
                self.init_law(&v, e.span)
            }
        }
    }

    /// `uniform(a, b)` and `normal(mean, std)` with compile-time numbers.
    fn init_law(&mut self, v: &Value, span: Span) -> Res<Init> {
        if let Value::Law(l) = v {
            let get = |e: &Self, name: &str, default: f64| match l.given.iter().find(|(n, _)| n == name) {
                Some((_, v)) => e.number(v),
                None => Some(default),
            };
            let init = match l.def.name.as_str() {
                "uniform" => get(self, "low", 0.0).zip(get(self, "high", 1.0)).map(|(a, b)| Init::Uniform(a, b)),
                "normal" => get(self, "mean", 0.0).zip(get(self, "std", 1.0)).map(|(m, s)| Init::Normal(m, s)),
                _ => None,
            };
            if let Some(init) = init {
                return Ok(init);
            }
        }
        let found = self.describe(v);
        Err(self.report(errors::type_expected(
            "`normal(mean, std)` or `uniform(low, high)` with known numbers",
            &found,
            span,
            None,
        )))
    }
}
