//! Calls: arguments to parameters, configured functions, owners of parameters.

use super::block::Outcome;
use super::builtin::Builtin;
use super::value::{Callee, Env, Fun, Law, Value};
use super::{CALL_DEPTH, Ctx, Elaborator, Frame, Reported, Res, errors, set_errors};
use crate::diag::Code;
use crate::resolve::{FunDef, Origin};
use crate::source::Span;
use crate::syntax::ast::{self, DefKind, Expr, ExprKind, Formal, Pattern};
use std::rc::Rc;

/// An argument given by name.
#[derive(Clone, Debug)]
pub struct Named {
    /// The parameter.
    pub name: String,
    /// What it is given.
    pub value: Value,
    /// Where the name stands.
    pub label: Span,
    /// Where the value stands.
    pub at: Span,
}

/// Evaluated arguments of a call.
#[derive(Clone, Debug)]
pub struct Args {
    /// By position.
    pub positional: Vec<(Value, Span)>,
    /// By name.
    pub named: Vec<Named>,
    /// After the bar.
    pub condition: Option<(Value, Span)>,
    /// The whole call.
    pub span: Span,
}

impl Elaborator<'_> {
    /// How a definition is called: `f(a, b, c: 1 | y)`, with the defaults as written and `...` where there is none.
    pub(crate) fn signature(&self, d: &ast::Define) -> String {
        let default = |f: &Formal| match &f.default {
            Some(e) if self.sources.text(e.span).len() <= 20 => self.sources.text(e.span),
            Some(_) | None => "...",
        };
        let input = |f: &Formal| match &f.default {
            Some(_) => format!("{}: {}", f.name.name, default(f)),
            None => f.name.name.clone(),
        };
        let config = |f: &Formal| format!("{}: {}", f.name.name, default(f));
        let h = &d.header;
        let mut parts: Vec<String> = h.inputs.iter().map(input).collect();
        parts.extend(h.config.iter().map(config));
        let condition = h.condition.as_ref().map_or_else(String::new, |c| format!(" | {}", c.name.name));
        format!("{}({}{condition})", d.name.name, parts.join(", "))
    }

    pub(crate) fn call_expr(
        &mut self,
        e: &Expr,
        callee: &Expr,
        args: &[ast::Arg],
        condition: Option<&Expr>,
        ctx: &Ctx,
    ) -> Res<Value> {
        let f = self.expr(callee, ctx)?;
        if let Value::Builtin(b) = &f
            && let Some(v) = self.derivative_call(*b, e.span, args, ctx)?
        {
            return Ok(v);
        }
        let mut given = Args { positional: vec![], named: vec![], condition: None, span: e.span };
        let mut failed = self.labels_differ(args);
        for a in args {
            match (self.expr(&a.value, ctx), &a.label) {
                (Err(Reported), _) => failed = true,
                (Ok(v), Some(l)) => {
                    given.named.push(Named { name: l.name.clone(), value: v, label: l.span, at: a.value.span });
                }
                (Ok(v), None) => given.positional.push((v, a.value.span)),
            }
        }
        if let Some(c) = condition {
            match self.expr(c, ctx) {
                Ok(v) => given.condition = Some((v, c.span)),
                Err(Reported) => failed = true,
            }
        }
        if failed {
            return Err(Reported);
        }
        self.program.dag.set_span(Some(e.span));
        let callee_is_name = matches!(&*callee.kind, ExprKind::Name(_));
        self.call(f, given, if callee_is_name { callee.span } else { e.span })
    }

    /// Reports labels that occur twice; whether there are any.
    pub(crate) fn labels_differ(&mut self, items: &[ast::Arg]) -> bool {
        let labels: Vec<&ast::Ident> = items.iter().filter_map(|a| a.label.as_ref()).collect();
        let mut twice = false;
        for (i, l) in labels.iter().enumerate() {
            if let Some(first) = labels[..i].iter().find(|o| o.name == l.name) {
                self.report(errors::given_twice(&l.name, l.span, first.span));
                twice = true;
            }
        }
        twice
    }

    /// Calls a value.
    pub(crate) fn call(&mut self, f: Value, args: Args, span: Span) -> Res<Value> {
        match f {
            Value::Poison => Err(Reported),
            Value::Builtin(b) => self.call_builtin(b, args),
            Value::Fun(fun) => match &fun.callee {
                Callee::Lambda { .. } => self.call_lambda(&fun, args),
                Callee::Def(d) => self.call_def(&fun, &d.clone(), args),
            },
            Value::Law(law) => self.configure_law(&law, args),
            Value::Tableau(t) => self.configure_solver(&t, None, &args).map(Value::Solver),
            Value::Solver(s) => self.configure_solver(&s.method, Some(&s), &args).map(Value::Solver),
            other @ (Value::Int(_)
            | Value::Real(_)
            | Value::Bool(_)
            | Value::Str(_)
            | Value::None
            | Value::Node(_)
            | Value::Truth(_)
            | Value::List(_)
            | Value::Tuple(_)
            | Value::Range(..)
            | Value::Class(_)
            | Value::Data(_)
            | Value::Host(_)
            | Value::Dataset(_)
            | Value::Stage(_)) => {
                let found = self.describe(&other);
                Err(self.report(errors::not_a_function(&found, span)))
            }
        }
    }

    fn call_lambda(&mut self, fun: &Fun, args: Args) -> Res<Value> {
        let Callee::Lambda { params, body, env, origin } = &fun.callee else { return Err(Reported) };
        if let Some(n) = args.named.first() {
            return Err(self.report(errors::unknown_argument("a lambda", &n.name, n.label, &[], "f(a, b)")));
        }
        let ctx = Ctx {
            env: Env::child(Some(env)),
            origin: *origin,
            targets: Rc::new(crate::resolve::derivative_targets(body)),
        };
        let (names, condition): (Vec<&ast::Ident>, Option<&ast::Ident>) = match &**params {
            Pattern::Name(n) => (vec![n], None),
            Pattern::Tuple { names, condition, .. } => (names.iter().collect(), condition.as_ref()),
        };
        if names.len() != args.positional.len() {
            let d = errors::argument_count("the function", names.len(), args.positional.len(), args.span, fun.span);
            return Err(self.report(d));
        }
        for (n, (v, s)) in names.iter().zip(&args.positional) {
            self.bind(&n.name, v.clone(), *s, &ctx)?;
        }
        if let Some(c) = condition {
            ctx.env.bind(&c.name, args.condition.map_or(Value::None, |(v, _)| v));
        }
        self.enter("the function", args.span)?;
        let out = self.body(body, &ctx);
        self.calls.pop();
        self.need_value(out?, "the function", fun.span)
    }

    fn need_value(&mut self, out: Outcome, name: &str, span: Span) -> Res<Value> {
        match out {
            Outcome::Value(v) => Ok(v),
            Outcome::Minimize(_) | Outcome::Nothing => Err(self.report(errors::no_value(name, span))),
        }
    }

    pub(crate) fn enter(&mut self, name: &str, span: Span) -> Res<()> {
        if self.calls.len() >= CALL_DEPTH {
            // Blame the outermost repetition.
            let mut all = self.calls.iter().filter(|f| f.name == name).map(|f| f.span);
            let first = all.next().unwrap_or(span);
            let again = all.next().unwrap_or(span);
            return Err(self.report(errors::endless_calls(name, again, first, CALL_DEPTH)));
        }
        self.calls.push(Frame { name: name.to_owned(), span });
        Ok(())
    }

    fn call_def(&mut self, fun: &Fun, d: &Rc<FunDef>, args: Args) -> Res<Value> {
        let header = &d.define.header;
        match d.define.kind {
            DefKind::Fn | DefKind::Net | DefKind::Field | DefKind::Path => {
                let configuring = args.positional.is_empty() && args.condition.is_none() && !header.inputs.is_empty();
                let mut given = fun.given.clone();
                self.named_given(d, &args, configuring || header.inputs.is_empty(), &mut given)?;
                if configuring {
                    return Ok(Value::Fun(Rc::new(Fun { callee: fun.callee.clone(), given, span: args.span })));
                }
                let out = self.invoke(d, &args.positional, &given, args.condition, args.span)?;
                self.need_value(out, &d.define.name.name, d.define.name.span)
            }
            DefKind::Objective
            | DefKind::Coupling
            | DefKind::Sampler
            | DefKind::LogDensity
            | DefKind::Entropy
            | DefKind::Modes => {
                let mut given = fun.given.clone();
                let formals: Vec<&Formal> = header.inputs.iter().chain(&header.config).collect();
                if args.positional.len() > formals.len() {
                    return Err(self.too_many(d, &args));
                }
                // The first that does not fit: the rest may only have moved.
                for (f, (v, at)) in formals.iter().zip(&args.positional) {
                    let v = self.admit_early(d, &f.name.name, v.clone(), *at)?;
                    given.push((f.name.name.clone(), v));
                }
                self.named_given(d, &args, true, &mut given)?;
                Ok(Value::Fun(Rc::new(Fun { callee: fun.callee.clone(), given, span: args.span })))
            }
        }
    }

    /// Adds the named arguments of a call to what was given before; all faults are reported.
    fn named_given(&mut self, d: &FunDef, args: &Args, inputs_too: bool, given: &mut Vec<(String, Value)>) -> Res<()> {
        let mut failed = false;
        for n in &args.named {
            let checked = self
                .known_argument(d, &n.name, n.label, inputs_too)
                .and_then(|()| self.admit_early(d, &n.name, n.value.clone(), n.at));
            match checked {
                Ok(v) => {
                    given.retain(|(o, _)| *o != n.name);
                    given.push((n.name.clone(), v));
                }
                Err(Reported) => failed = true,
            }
        }
        if failed { Err(Reported) } else { Ok(()) }
    }

    /// Checks an argument where it is written, if its type needs no dimension; the others are checked where the body runs. What
    /// is given may be used in other programs, so it is settled.
    fn admit_early(&mut self, d: &FunDef, name: &str, v: Value, at: Span) -> Res<Value> {
        let h = &d.define.header;
        let formal = h.inputs.iter().chain(&h.config).find(|f| f.name.name == name);
        match formal.and_then(|f| f.ty.as_ref()) {
            Some(ty @ ast::TypeExpr::Name { dims, .. }) if dims.is_empty() && !matches!(v, Value::None) => {
                let ctx = self.top();
                self.check_type(v, ty, at, name, &ctx).map(|v| self.settled(&v))
            }
            Some(_) | None => Ok(self.settled(&v)),
        }
    }

    pub(super) fn too_many(&mut self, d: &FunDef, args: &Args) -> Reported {
        let is_std = |s: Span| self.sources.file(s.file).is_std;
        // Called by the library, declared by the user: the header is what does not fit.
        if is_std(args.span) && !is_std(d.define.name.span) {
            let body = match &d.define.body {
                ast::Body::Expr(e) => e.span,
                ast::Body::Block { span, .. } => *span,
            };
            let inside = |s: Span| s.file == body.file && s.start >= body.start && s.end <= body.end;
            // A name that the body reads and the header forgot was reported there.
            let forgot = self
                .sink
                .items()
                .iter()
                .any(|o| o.code == Code::UnknownName && o.primary.as_ref().is_some_and(|l| inside(l.span)));
            if forgot {
                return Reported;
            }
            let call = self.calls.iter().rev().find(|f| !is_std(f.span)).map(|f| (f.name.clone(), f.span));
            let takes = d.define.header.inputs.len();
            let header = match d.define.kind {
                DefKind::Path => "(x0, x1, t)",
                DefKind::Fn
                | DefKind::Net
                | DefKind::Field
                | DefKind::Objective
                | DefKind::Coupling
                | DefKind::Sampler
                | DefKind::LogDensity
                | DefKind::Entropy
                | DefKind::Modes => "(x, t)",
            };
            let word = if d.define.kind == DefKind::Path { "path" } else { "field" };
            return self.report(errors::header_too_short(
                &d.define.name.name,
                (takes, args.positional.len()),
                d.define.name.span,
                call,
                &format!("{word} {}{header}", d.define.name.name),
            ));
        }
        let takes = d.define.header.inputs.len();
        let name = &d.define.name.name;
        let message = errors::count_of_arguments(name, takes, args.positional.len());
        let (at, signature) = (args.positional.get(takes).map_or(args.span, |(_, s)| *s), self.signature(&d.define));
        let joined = self.joined(takes, args);
        self.report(errors::too_many(name, message, at, &signature, d.define.name.span, joined))
    }

    /// `concat(x, t)`, if one vector is taken and numbers and vectors of the file are given.
    fn joined(&self, takes: usize, args: &Args) -> Option<String> {
        let plain = |(v, at): &(Value, Span)| {
            matches!(v, Value::Node(n) if self.program.dag.shape(*n).len() <= 1)
                && !self.sources.file(at.file).is_std
                && self.sources.text(*at).len() <= 30
        };
        let texts = || args.positional.iter().map(|(_, at)| self.sources.text(*at)).collect::<Vec<_>>();
        (takes == 1 && args.positional.iter().all(plain)).then(|| format!("concat({})", texts().join(", ")))
    }

    fn known_argument(&mut self, d: &FunDef, name: &str, span: Span, inputs_too: bool) -> Res<()> {
        let h = &d.define.header;
        let known: Vec<&str> =
            h.config.iter().chain(h.inputs.iter().filter(|_| inputs_too)).map(|f| f.name.name.as_str()).collect();
        if known.contains(&name) {
            return Ok(());
        }
        let signature = self.signature(&d.define);
        let d = errors::unknown_argument(&d.define.name.name, name, span, &known, &signature);
        Err(self.report(d))
    }

    /// A law with more of its configuration.
    fn configure_law(&mut self, law: &Law, args: Args) -> Res<Value> {
        let facets = || law.def.facets();
        let ordered: Vec<String> = match (&law.def.sampler, &law.def.log_density) {
            (Some(s), _) => {
                s.define.header.inputs.iter().chain(&s.define.header.config).map(|f| f.name.name.clone()).collect()
            }
            (None, Some(l)) => l.define.header.config.iter().map(|f| f.name.name.clone()).collect(),
            (None, None) => facets()
                .next()
                .map(|f| {
                    f.define.header.inputs.iter().chain(&f.define.header.config).map(|f| f.name.name.clone()).collect()
                })
                .unwrap_or_default(),
        };
        let mut given = law.given.clone();
        if args.positional.len() > ordered.len() {
            let first = facets().next().expect("a law has a facet").clone();
            let at = args.positional[ordered.len()].1;
            let signature = self.signature(&first.define);
            let (name, takes, given) = (&law.def.name, ordered.len(), args.positional.len());
            let message = errors::count_of_arguments(name, takes, given);
            return Err(self.report(errors::too_many(name, message, at, &signature, first.define.name.span, None)));
        }
        let first = facets().next().expect("a law has a facet").clone();
        let mut failed = false;
        for (name, (v, at)) in ordered.iter().zip(&args.positional) {
            given.retain(|(n, _)| n != name);
            match self.admit_early(&first, name, v.clone(), *at) {
                Ok(v) => given.push((name.clone(), v)),
                Err(Reported) => failed = true,
            }
        }
        for n in &args.named {
            let mut known = ordered.clone();
            for f in facets() {
                known.extend(f.define.header.config.iter().map(|f| f.name.name.clone()));
            }
            if !known.contains(&n.name) {
                let words: Vec<&str> = known.iter().map(String::as_str).collect();
                let signature = self.signature(&first.define);
                self.report(errors::unknown_argument(&law.def.name, &n.name, n.label, &words, &signature));
                failed = true;
                continue;
            }
            given.retain(|(o, _)| *o != n.name);
            match self.admit_early(&first, &n.name, n.value.clone(), n.at) {
                Ok(v) => given.push((n.name.clone(), v)),
                Err(Reported) => failed = true,
            }
        }
        if failed {
            return Err(Reported);
        }
        let takes = facets().any(|f| f.define.header.condition.is_some());
        let condition = match args.condition {
            Some((v, at)) if !takes && !matches!(v, Value::None) => {
                let defined = (!self.sources.file(first.define.name.span.file).is_std).then(|| law.def.span());
                return Err(self.report(set_errors::law_takes_no_condition(&law.def.name, at, defined)));
            }
            Some(given) => Some(given),
            None => law.condition.clone(),
        };
        Ok(Value::Law(Rc::new(Law { def: law.def.clone(), given, condition, span: args.span })))
    }

    /// Calls a value with positional nodes only: for couplings of passes such as checks and metrics.
    pub fn apply(&mut self, f: &Value, inputs: &[Value], span: Span) -> Res<Value> {
        self.apply_given(f, inputs, None, span)
    }

    /// The same under a condition.
    pub fn apply_given(
        &mut self,
        f: &Value,
        inputs: &[Value],
        condition: Option<(Value, Span)>,
        span: Span,
    ) -> Res<Value> {
        let positional = inputs.iter().map(|v| (v.clone(), span)).collect();
        self.call(f.clone(), Args { positional, named: vec![], condition, span }, span)
    }

    /// Whether a value is something of that kind of definition.
    pub fn is_kind(v: &Value, kind: DefKind) -> bool {
        matches!(v, Value::Fun(f) if matches!(&f.callee, Callee::Def(d) if d.define.kind == kind))
    }

    /// Runs an objective; its loss.
    pub fn objective(&mut self, v: &Value, span: Span) -> Res<crate::ir::NodeId> {
        if let Value::Fun(f) = v
            && let Callee::Def(d) = &f.callee
            && d.define.kind == DefKind::Objective
        {
            return match self.invoke(&d.clone(), &[], &f.given, None, span)? {
                Outcome::Minimize(n) => Ok(n),
                Outcome::Value(_) | Outcome::Nothing => {
                    let name = d.define.name.clone();
                    let last = match &d.define.body {
                        ast::Body::Expr(e) => Some(e.span),
                        ast::Body::Block { stmts, .. } => {
                            stmts.last().and_then(|s| matches!(s.kind, ast::StmtKind::Value(_)).then_some(s.span))
                        }
                    };
                    Err(self.report(errors::nothing_to_minimize(&name.name, name.span, last)))
                }
            };
        }
        if matches!(v, Value::Poison) {
            return Err(Reported);
        }
        let found = self.describe(v);
        Err(self.report(errors::type_expected("an objective", &found, span, None)))
    }

    /// A named option of a builtin call, or nothing; unknown ones are reported by [`Self::only_options`].
    pub(crate) fn only_options(&mut self, b: Builtin, args: &Args, known: &[&str]) -> Res<()> {
        for n in &args.named {
            if !known.contains(&n.name.as_str()) {
                return Err(self.report(errors::unknown_argument(b.name(), &n.name, n.label, known, b.signature())));
            }
        }
        Ok(())
    }

    pub(crate) fn origin_of(&self, span: Span) -> Origin {
        if self.sources.file(span.file).is_std { Origin::Std } else { Origin::User }
    }
}
