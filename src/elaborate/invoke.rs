//! Running a definition: parameters are bound and checked, the owner of trainable parameters and the site of draws move along.

use super::block::Outcome;
use super::call::Args;
use super::value::{Callee, Env, Value};
use super::{Ctx, Elaborator, Reported, Res, Scope, errors};
use crate::resolve::Def;
use crate::resolve::{FunDef, Origin};
use crate::source::Span;
use crate::syntax::ast::{self, DefKind, Formal};
use std::rc::Rc;

impl Elaborator<'_> {
    /// Runs a definition: binds parameters, checks types, keeps the owner of parameters and the site of draws.
    pub(crate) fn invoke(
        &mut self,
        d: &Rc<FunDef>,
        positional: &[(Value, Span)],
        given: &[(String, Value)],
        condition: Option<(Value, Span)>,
        span: Span,
    ) -> Res<Outcome> {
        let name = d.define.name.name.clone();
        let h = &d.define.header;
        self.enter(&name, span)?;
        let ctx = Ctx { env: Env::child(None), origin: d.origin, targets: Rc::new(d.targets.clone()) };
        let is_field = u32::from(d.define.kind == DefKind::Field);
        self.field_calls += u64::from(is_field == 1 && self.fields_within == 0);
        self.fields_within += is_field;
        let outer = d.frozen.clone().map(|stage| self.frozen.replace(stage));
        let result = self.invoke_inner(d, positional, given, condition, span, &ctx);
        if let Some(outer) = outer {
            self.frozen = outer;
        }
        self.fields_within -= is_field;
        self.calls.pop();
        let out = result?;
        if let (DefKind::Field, Outcome::Value(v)) = (d.define.kind, &out)
            && let Some(Value::Node(x)) = h.inputs.first().and_then(|f| ctx.env.get(&f.name.name))
            && let (Some(found), expected) = (self.shape_of(v), self.program.dag.shape(x).to_vec())
            && found != expected
        {
            let body = match &d.define.body {
                ast::Body::Expr(e) => e.span,
                ast::Body::Block { stmts, span } => stmts.last().map_or(*span, |s| s.span),
            };
            return Err(self.report(errors::field_shape(&name, &found, &expected, body, h.inputs[0].span)));
        }
        Ok(out)
    }

    fn invoke_inner(
        &mut self,
        d: &Rc<FunDef>,
        positional: &[(Value, Span)],
        given: &[(String, Value)],
        condition: Option<(Value, Span)>,
        span: Span,
        ctx: &Ctx,
    ) -> Res<Outcome> {
        let name = &d.define.name.name;
        let h = &d.define.header;
        if positional.len() > h.inputs.len() {
            let args = Args { positional: positional.to_vec(), named: vec![], condition: None, span };
            return Err(self.too_many(d, &args));
        }
        if d.define.kind == DefKind::Field {
            self.state_comes_first(d, positional, span)?;
        }
        // The library hands labels on to whatever takes them; a user's call says what it means.
        let by_library = self.sources.file(span.file).is_std && d.origin == Origin::User;
        if let Some((c, cspan)) = &condition
            && h.condition.is_none()
            && !matches!(c, Value::None)
            && !by_library
        {
            let s = self.signature(&d.define);
            return Err(self.report(errors::no_condition(name, *cspan, &s, d.define.name.span)));
        }
        let mut config_key = String::new();
        let mut failed = false;
        let mut missing: Vec<(&Formal, bool)> = Vec::new();
        for (i, f) in h.inputs.iter().chain(&h.config).enumerate() {
            let is_input = i < h.inputs.len();
            let named = given.iter().find(|(n, _)| *n == f.name.name).map(|(_, v)| v.clone());
            let (v, vspan) = match (positional.get(i).filter(|_| is_input), named, &f.default) {
                (Some((v, s)), _, _) => (v.clone(), *s),
                (None, Some(v), _) => (v, span),
                (None, None, Some(e)) => (self.expr(e, ctx)?, e.span),
                (None, None, None) => {
                    missing.push((f, is_input));
                    ctx.env.bind(&f.name.name, Value::Poison);
                    failed = true;
                    continue;
                }
            };
            // An absent option stays absent, whatever its type.
            let admitted = match (&v, &f.ty, d.define.kind) {
                (Value::None, Some(ty), _) if is_input && is_class(ty) => self.admit(v, f, vspan, ctx),
                (Value::None, ..) => Ok(v),
                // The state and the time of a field, the ends and the time of a path are numbers, whatever is written.
                (_, None, DefKind::Field | DefKind::Path) if is_input && self.shape_of(&v).is_none() => {
                    self.node(&v, vspan).map(Value::Node)
                }
                _ => self.admit(v, f, vspan, ctx),
            };
            let Ok(v) = admitted else {
                ctx.env.bind(&f.name.name, Value::Poison);
                failed = true;
                continue;
            };
            // Inputs are run-time values: numbers become nodes where the type says so; lists become vectors.
            let v = match (&v, is_input, d.define.kind) {
                (Value::List(_), true, DefKind::Fn | DefKind::Net | DefKind::Field | DefKind::Path)
                    if f.ty.is_none() && self.shape_of(&v).is_some() =>
                {
                    Value::Node(self.node(&v, vspan)?)
                }
                _ => v,
            };
            if !is_input {
                config_key += &format!("{}={},", f.name.name, self.key_of(&v));
            }
            self.bind(&f.name.name, v, vspan, ctx)?;
        }
        if !missing.is_empty() {
            self.missing_arguments(d, positional, &missing, span);
        }
        if failed {
            return Err(Reported);
        }
        if d.define.kind == DefKind::Path {
            self.ends_fit(d, span, ctx)?;
            self.bridge_fits(d, positional, given);
        }
        if let Some(f) = &h.condition {
            let v = self.condition_value(d.define.kind, name, f, condition, span, ctx)?;
            ctx.env.bind(&f.name.name, v);
        }
        let site = self.sites.last_mut().expect("a root site").next(name);
        self.sites.push(Scope::root(site));
        let owner = match d.define.kind {
            DefKind::Net | DefKind::Field => {
                let key = config_key.trim_end_matches(',');
                Some(if key.is_empty() { name.clone() } else { format!("{name}[{key}]") })
            }
            DefKind::Fn
            | DefKind::Path
            | DefKind::Objective
            | DefKind::Sampler
            | DefKind::LogDensity
            | DefKind::Entropy
            | DefKind::Modes
            | DefKind::Coupling => self.owners.last_mut().map(|o| o.next(name)),
        };
        let owned = owner.is_some();
        if let Some(path) = owner {
            self.owners.push(Scope::root(path));
        }
        let out = self.body(&d.define.body, ctx);
        if owned {
            self.owners.pop();
        }
        self.sites.pop();
        match (out?, &d.define.result) {
            (Outcome::Value(v), Some(ty)) => {
                let at = match &d.define.body {
                    ast::Body::Expr(e) => e.span,
                    ast::Body::Block { stmts, span } => stmts.last().map_or(*span, |s| s.span),
                };
                Ok(Outcome::Value(self.check_type(v, ty, at, &format!("{name}(...)"), ctx)?))
            }
            (other, _) => Ok(other),
        }
    }

    /// Reports a field that is declared or called with the time before the state.
    fn state_comes_first(&mut self, d: &FunDef, positional: &[(Value, Span)], span: Span) -> Res<()> {
        let ([first, second], [(a, at_a), (b, at_b)]) = (d.define.header.inputs.as_slice(), positional) else {
            return Ok(());
        };
        let is_time = |f: &Formal| matches!(f.name.name.as_str(), "t" | "time" | "tau");
        let name = &d.define.name.name;
        let by_library = self.sources.file(span.file).is_std;
        let real = |e: &Self, v: &Value| e.shape_of(v).map(|s| s.is_empty());
        let exchanged = real(self, a) == Some(true) && real(self, b) == Some(false);
        if is_time(first) && !is_time(second) && (by_library || exchanged || real(self, a) == Some(false)) {
            let header = format!("field {name}({}, {})", second.name.name, first.name.name);
            return Err(self.report(errors::time_declared_first(name, first.span, &header)));
        }
        if !exchanged || second.ty.is_some() || by_library {
            return Ok(());
        }
        let text = |s: Span| self.sources.text(s);
        let call = format!("{name}({}, {})", text(*at_b), text(*at_a));
        Err(self.report(errors::time_given_first(name, at_a.to(*at_b), &call, d.define.name.span)))
    }

    /// What a call leaves out, in one report, with what is most likely to be written.
    fn missing_arguments(&mut self, d: &FunDef, positional: &[(Value, Span)], missing: &[(&Formal, bool)], span: Span) {
        let known = |v: &Value| matches!(v, Value::Int(_) | Value::Real(_) | Value::Bool(_) | Value::Str(_));
        let signature = self.signature(&d.define);
        let name = &d.define.name.name;
        let parts: Vec<(String, String)> = missing
            .iter()
            .map(|(f, by_position)| {
                let word = f.name.name.clone();
                let write = match (by_position, self.state_around(span)) {
                    (true, _) => word.clone(),
                    (false, Some(x)) if word == "out" => format!("out: dim({x})"),
                    (false, _) => format!("{word}: ..."),
                };
                (word, write)
            })
            .collect();
        let example = self.call_with(d, missing, span);
        // `v(64)` for a field with configuration: the inputs come later, from whoever calls it.
        let configured = match (positional, d.define.header.config.first()) {
            ([(v, at)], Some(c)) if known(v) && missing.iter().all(|m| m.1) => {
                let call = format!("{name}({}: {})", c.name.name, self.sources.text(*at));
                Some(format!("inputs are given by position, configuration by name: `{call}`"))
            }
            _ => None,
        };
        self.report(errors::missing_arguments(
            name,
            &parts,
            span,
            &signature,
            missing[0].0.span,
            configured.or(example),
        ));
    }

    /// `flow_matching(v, straight)`: the call with a field of the file and a path of the library where they are missing.
    fn call_with(&self, d: &FunDef, missing: &[(&Formal, bool)], span: Span) -> Option<String> {
        let is_field = |def: &Def| matches!(def, Def::Fun(d) if d.define.kind == DefKind::Field);
        let field = || self.module.user.iter().find(|(_, def)| is_field(def)).map(|(name, _)| name.clone());
        let mut parts = Vec::new();
        for (f, _) in missing {
            let Some(ast::TypeExpr::Name { name: ty, .. }) = &f.ty else { return None };
            parts.push(match ty.name.as_str() {
                "field" => field()?,
                "path" => "straight".to_owned(),
                _ => return None,
            });
        }
        let written = self.sources.text(span);
        let call = match written.strip_suffix(')') {
            Some(given) if !given.contains(':') => format!("{given}, {})", parts.join(", ")),
            Some(_) => return None,
            None if written == d.define.name.name => format!("{written}({})", parts.join(", ")),
            None => return None,
        };
        Some(format!("write `{}`", call.replace("(, ", "("))).filter(|s| s.len() <= 70)
    }

    /// The state of the field in whose body the place is.
    fn state_around(&self, span: Span) -> Option<String> {
        let inside = |d: &FunDef| {
            let body = match &d.define.body {
                ast::Body::Expr(e) => e.span,
                ast::Body::Block { span, .. } => *span,
            };
            d.define.kind == DefKind::Field && body.file == span.file && (body.start..body.end).contains(&span.start)
        };
        self.module.user.values().find_map(|def| match def {
            Def::Fun(d) if inside(d) => Some(d.define.header.inputs.first()?.name.name.clone()),
            _ => None,
        })
    }

    /// The ends of a path lie in one space; a real may stand for a constant vector.
    fn ends_fit(&mut self, d: &FunDef, span: Span, ctx: &Ctx) -> Res<()> {
        let [a, b, ..] = d.define.header.inputs.as_slice() else { return Ok(()) };
        let shape = |f: &Formal| ctx.env.get(&f.name.name).and_then(|v| self.shape_of(&v));
        match (shape(a), shape(b)) {
            (Some(x), Some(y)) if x != y && !x.is_empty() && !y.is_empty() => {
                let own = |s: Span| (!self.sources.file(s.file).is_std).then_some(s);
                let (a, b) = ((x.as_slice(), own(a.span)), (y.as_slice(), own(b.span)));
                Err(self.report(errors::path_ends(&d.define.name.name, a, b, span)))
            }
            _ => Ok(()),
        }
    }

    /// A compile-time value as part of a parameter set's name.
    fn key_of(&self, v: &Value) -> String {
        match v {
            Value::Int(i) => i.to_string(),
            Value::Real(r) => r.to_string(),
            Value::Bool(b) => b.to_string(),
            Value::Str(s) => s.to_string(),
            Value::None => "none".into(),
            Value::List(s) | Value::Tuple(s) => {
                let parts: Vec<String> = s.items.iter().map(|(_, v)| self.key_of(v)).collect();
                format!("({})", parts.join(" "))
            }
            Value::Range(a, b) => format!("{a}..{b}"),
            Value::Fun(f) => match &f.callee {
                Callee::Def(d) => {
                    d.frozen.as_ref().map_or_else(|| f.name().to_owned(), |s| format!("{s}.{}", f.name()))
                }
                Callee::Lambda { .. } => f.name().to_owned(),
            },
            Value::Law(l) => l.def.name.clone(),
            Value::Builtin(b) => b.name().to_owned(),
            Value::Tableau(t) => t.name.clone(),
            Value::Solver(s) => s.method.name.clone(),
            Value::Stage(s) => s.to_string(),
            // Run-time configuration does not choose a parameter set.
            Value::Node(_) | Value::Truth(_) | Value::Class(_) | Value::Host(_) | Value::Dataset(_) | Value::Poison => {
                "_".into()
            }
            Value::Data(s) => s.name.clone(),
        }
    }
}

/// Whether a type is `class[k]`.
fn is_class(ty: &ast::TypeExpr) -> bool {
    matches!(ty, ast::TypeExpr::Name { name, .. } if name.name == "class")
}
