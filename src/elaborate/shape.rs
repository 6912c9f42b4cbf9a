//! Values as numbers and nodes; written types against values.

use super::value::{Callee, Seq, Value};
use super::{Ctx, Elaborator, Res, errors};
use crate::ir::NodeId;
use crate::resolve::Def;
use crate::source::Span;
use crate::syntax::ast::{DefKind, Expr, ExprKind, Formal, TypeExpr};
use std::rc::Rc;

/// Numbers of one parameter: beyond this its moments alone fill the memory of a machine.
const MOST: u128 = 1 << 28;

/// `a tuple of 2`, `a record of `x` and `l``
fn describe_tuple(s: &Seq) -> String {
    let labels: Vec<&str> = s.items.iter().filter_map(|(l, _)| l.as_deref()).collect();
    match labels.as_slice() {
        [] => format!("a tuple of {}", s.items.len()),
        [a] => format!("a record of `{a}`"),
        [a, b] => format!("a record of `{a}` and `{b}`"),
        [a, b, ..] => format!("a record of `{a}`, `{b}`, and {} more", s.items.len() - 2),
    }
}

impl Elaborator<'_> {
    /// A value in the user's words.
    pub fn describe(&self, v: &Value) -> String {
        match v {
            Value::Poison => "a faulty value".into(),
            Value::Int(i) => format!("the integer {i}"),
            Value::Real(r) => format!("the real {r}"),
            Value::Bool(b) => format!("`{b}`"),
            Value::Str(s) => format!("\"{s}\""),
            Value::None => "`none`".into(),
            Value::Node(n) => errors::shape_name(self.program.dag.shape(*n)),
            Value::Truth(_) => "a condition".into(),
            Value::List(s) => format!("a list of {} item{}", s.items.len(), if s.items.len() == 1 { "" } else { "s" }),
            Value::Tuple(s) => describe_tuple(s),
            Value::Range(a, b) => format!("the range {a}..{b}"),
            Value::Fun(f) => match &f.callee {
                Callee::Def(d) if d.define.kind == DefKind::Fn => format!("the function `{}`", d.define.name.name),
                Callee::Def(d) => format!("the {} `{}`", d.define.kind.keyword(), d.define.name.name),
                Callee::Lambda { .. } => "a lambda".into(),
            },
            Value::Law(l) => format!("the law `{}`", l.def.name),
            Value::Builtin(b) => format!("the function `{}`", b.name()),
            Value::Tableau(t) => format!("the solver `{}`", t.name),
            Value::Solver(s) => format!("the solver `{}`", s.method.name),
            Value::Host(_) => "a coupling".into(),
            Value::Dataset(_) => "a dataset".into(),
            Value::Stage(s) => format!("the stage `{s}`"),
            Value::Class(c) if c.count == 0 => "a class or none".into(),
            Value::Class(c) => format!("one of {} classes", c.count),
            Value::Data(s) => format!("the data {}", s.name),
        }
    }

    /// A compile-time number.
    pub fn number(&self, v: &Value) -> Option<f64> {
        match v {
            Value::Int(i) => Some(*i as f64),
            Value::Real(r) => Some(*r),
            Value::Node(n) if self.program.dag.shape(*n).is_empty() => self.program.dag.as_constant(*n),
            _ => None,
        }
    }

    /// A compile-time integer.
    pub fn integer(&self, v: &Value) -> Option<i64> {
        match v {
            Value::Int(i) => Some(*i),
            Value::Real(r) if r.fract() == 0.0 && r.abs() < 9e15 => Some(*r as i64),
            _ => None,
        }
    }

    /// A compile-time integer, or a report.
    pub(crate) fn need_int(&mut self, v: &Value, what: &str, span: Span) -> Res<i64> {
        match (self.integer(v), v) {
            (Some(i), _) => Ok(i),
            (None, Value::Poison) => Err(super::Reported),
            (None, Value::Node(_)) => Err(self.report(errors::not_compile_time(what, span))),
            (None, other) => {
                let found = self.describe(other);
                let broken = self.quotients.iter().filter(|(at, _)| span.contains(**at)).min_by_key(|(at, _)| at.start);
                let d = errors::type_expected(&format!("an integer ({what})"), &found, span, None);
                Err(self.report(match broken {
                    Some((_, q)) => errors::not_whole(d, &q.name, q.divisor),
                    None => d,
                }))
            }
        }
    }

    /// Any number, vector or matrix as a node.
    pub(crate) fn node(&mut self, v: &Value, span: Span) -> Res<NodeId> {
        match v {
            Value::Poison => Err(super::Reported),
            Value::Int(i) => Ok(self.program.dag.constant(*i as f64)),
            Value::Real(r) => Ok(self.program.dag.constant(*r)),
            Value::Bool(b) => Ok(self.program.dag.constant(f64::from(u8::from(*b)))),
            Value::Node(n) | Value::Truth(n) => Ok(*n),
            Value::List(items) => self.list_node(items, span),
            Value::Range(..) => {
                let items = self.items(v, span)?.into_iter().map(|(_, v)| v).collect();
                self.list_node(&Seq::plain(items), span)
            }
            // A drawn value with a condition stands for its first item.
            Value::Tuple(s) if s.items.len() == 1 && s.items[0].0.is_none() => self.node(&s.items[0].1.clone(), span),
            Value::Law(l) => Err(self.law_as_number(l, span)),
            Value::Str(_)
            | Value::None
            | Value::Tuple(_)
            | Value::Fun(_)
            | Value::Builtin(_)
            | Value::Tableau(_)
            | Value::Solver(_)
            | Value::Class(_)
            | Value::Data(_)
            | Value::Host(_)
            | Value::Dataset(_)
            | Value::Stage(_) => {
                let found = self.describe(v);
                Err(self.report(errors::type_expected("a number, vector or matrix", &found, span, None)))
            }
        }
    }

    /// A law where a draw of it is meant; said once of a name that was bound to it.
    fn law_as_number(&mut self, law: &super::Law, span: Span) -> super::Reported {
        let written = self.sources.text(span);
        let before = &self.sources.file(span.file).text[..span.start as usize];
        // The law as the `let` of this name has it, else as it was configured.
        let bound =
            before.rsplit_once(&format!("let {written} = ")).and_then(|(_, rest)| rest.split(['\n', ';']).next());
        let own = self.sources.text(law.span);
        let is_short = |of: &&str| of.len() <= 40 && !of.contains('\n');
        let configured = Some(own).filter(|of| is_short(of) && !self.sources.file(law.span.file).is_std);
        let of = bound.map(str::trim).filter(is_short).or(configured).unwrap_or(&law.def.name);
        let bound = bound.is_some();
        let d = errors::law_as_number(&law.def.name, span, bound.then_some(written), of);
        let sources = self.sources;
        let same = |o: &crate::diag::Diagnostic| {
            o.message == d.message && o.primary.as_ref().is_some_and(|l| sources.text(l.span) == written)
        };
        if bound && self.sink.items().iter().any(same) {
            return super::Reported;
        }
        self.report(d)
    }

    fn mixed_list(&mut self, shapes: (&[usize], &[usize]), span: Span) -> super::Reported {
        let text = self.sources.text(span);
        let joined = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).filter(|t| t.len() <= 40);
        let joined = joined.map(|t| format!("concat({})", t.trim()));
        self.report(errors::mixed_list(shapes, span, joined.as_deref()))
    }

    /// The shapes of two items of a list that do not fit into one vector or matrix.
    fn mixed(&self, v: &Value) -> Option<(Vec<usize>, Vec<usize>)> {
        let Value::List(s) = v else { return None };
        let shapes: Vec<Vec<usize>> = s.items.iter().filter_map(|(_, v)| self.shape_of(v)).collect();
        let other = shapes.iter().find(|o| **o != shapes[0])?;
        Some((shapes[0].clone(), other.clone()))
    }

    /// A list of reals is a vector, a list of equal vectors a matrix of rows.
    fn list_node(&mut self, items: &Rc<Seq>, span: Span) -> Res<NodeId> {
        // A list of lists of lists may share its parts, so it can be far larger than what built it.
        self.spend(span)?;
        let mut nodes = Vec::with_capacity(items.items.len());
        for (_, v) in &items.items {
            nodes.push(self.node(v, span)?);
        }
        let dag = &mut self.program.dag;
        let Some(&first) = nodes.first() else {
            return Err(self.report(errors::type_expected("a number, vector or matrix", "an empty list", span, None)));
        };
        let shape = dag.shape(first).to_vec();
        if shape.len() > 1 {
            return Err(self.report(errors::nested_lists(span)));
        }
        if nodes.iter().any(|n| dag.shape(*n) != shape) {
            let other = nodes.iter().find(|n| dag.shape(**n) != shape).copied().unwrap_or(first);
            let other = dag.shape(other).to_vec();
            return Err(self.mixed_list((&shape, &other), span));
        }
        if shape.is_empty()
            && let Some(values) = nodes.iter().map(|n| dag.as_constant(*n)).collect::<Option<Vec<f64>>>()
        {
            return Ok(dag.tensor(&values, vec![values.len()]));
        }
        let row = [vec![1], shape].concat();
        let rows: Vec<NodeId> = nodes.iter().map(|n| dag.reshape(*n, &row)).collect();
        Ok(dag.concat(0, &rows))
    }

    /// Shape of a value that is a number, vector or matrix.
    pub(crate) fn shape_of(&self, v: &Value) -> Option<Vec<usize>> {
        match v {
            Value::Int(_) | Value::Real(_) | Value::Bool(_) => Some(vec![]),
            Value::Node(n) | Value::Truth(n) => Some(self.program.dag.shape(*n).to_vec()),
            Value::Range(a, b) => Some(vec![usize::try_from(b - a).unwrap_or(0)]),
            Value::List(s) => {
                let first = self.shape_of(&s.items.first()?.1)?;
                Some([vec![s.items.len()], first].concat())
            }
            Value::Tuple(s) if s.items.len() == 1 => self.shape_of(&s.items[0].1),
            _ => None,
        }
    }

    /// A value that enters a parameter: its written type is checked, dimensions without a value get one.
    pub(crate) fn admit(&mut self, v: Value, formal: &Formal, span: Span, ctx: &Ctx) -> Res<Value> {
        match &formal.ty {
            Some(ty) => self.check_type(v, ty, span, formal.name.name.as_str(), ctx),
            None => Ok(v),
        }
    }

    /// A value against a written type.
    pub(crate) fn check_type(&mut self, v: Value, ty: &TypeExpr, span: Span, what: &str, ctx: &Ctx) -> Res<Value> {
        if matches!(v, Value::Poison) {
            return Err(super::Reported);
        }
        let TypeExpr::Name { name, dims, span: ty_span } = ty else {
            return match v {
                Value::Fun(_) | Value::Builtin(_) => Ok(v),
                other => {
                    let found = self.describe(&other);
                    Err(self.report(errors::type_expected(
                        "a function",
                        &found,
                        span,
                        Some((self.type_span(ty), format!("`{what}` is declared here"))),
                    )))
                }
            };
        };
        let because = Some((*ty_span, format!("`{what}` is declared here")));
        let wrong = |e: &mut Self, expected: &str, v: &Value| {
            let found = e.describe(v);
            Err(e.report(errors::type_expected(expected, &found, span, because.clone())))
        };
        let kind = |v: &Value| match v {
            Value::Fun(f) => match &f.callee {
                Callee::Def(d) => Some(d.define.kind),
                Callee::Lambda { .. } => Some(DefKind::Fn),
            },
            Value::Builtin(_) => Some(DefKind::Fn),
            _ => None,
        };
        match (name.name.as_str(), dims.as_slice()) {
            ("real", []) => match self.shape_of(&v) {
                Some(s) if s.is_empty() => Ok(v),
                Some(s) if s == [1] => Err(self.report(errors::one_number(what, span, because))),
                Some(s) => {
                    let found = errors::shape_name(&s);
                    Err(self.report(errors::shape_expected(&found, "real", span, because)))
                }
                None => wrong(self, "a real", &v),
            },
            ("int", []) => match self.integer(&v) {
                Some(i) => Ok(Value::Int(i)),
                None if matches!(v, Value::None) => Ok(v),
                None => self.need_int(&v, &format!("`{what}`"), span).map(Value::Int),
            },
            ("bool", []) => match v {
                Value::Bool(_) | Value::Truth(_) => Ok(v),
                other => wrong(self, "a condition", &other),
            },
            ("vec" | "mat", dims) => {
                if let Some((a, b)) = self.mixed(&v) {
                    return Err(self.mixed_list((&a, &b), span));
                }
                let Some(shape) = self.shape_of(&v) else { return wrong(self, &format!("a {}", name.name), &v) };
                let expected = self.dims_text(name.name.as_str(), dims, ctx);
                if shape.len() != dims.len() {
                    let found = errors::shape_name(&shape);
                    return Err(self.report(errors::shape_expected(&found, &expected, span, because)));
                }
                for (dim, &n) in dims.iter().zip(&shape) {
                    self.check_dim(dim, n, (&shape, &expected), span, because.clone(), ctx)?;
                }
                Ok(Value::Node(self.node(&v, span)?))
            }
            ("field", []) if matches!(kind(&v), Some(DefKind::Field | DefKind::Net | DefKind::Fn)) => Ok(v),
            ("path", []) if matches!(kind(&v), Some(DefKind::Path | DefKind::Fn)) && takes_three(&v) => Ok(v),
            ("fn", []) if kind(&v).is_some() => Ok(v),
            ("coupling", [])
                if matches!(kind(&v), Some(DefKind::Coupling)) || matches!(v, Value::Host(_) | Value::Dataset(_)) =>
            {
                Ok(v)
            }
            ("sampler" | "law" | "log_density", []) if matches!(v, Value::Law(_)) => Ok(v),
            ("sampler" | "law", []) if matches!(v, Value::Dataset(_)) => Ok(v),
            ("sampler" | "law", []) if matches!(v, Value::Data(_)) => Ok(v),
            ("list", []) if matches!(v, Value::List(_) | Value::Range(..)) => Ok(v),
            ("class", [dim]) => self.as_class(v, dim, span, because, ctx),
            ("sampler" | "log_density", []) => wrong(self, "a law", &v),
            ("fn", []) => wrong(self, "a function", &v),
            ("field" | "path" | "coupling" | "law" | "list", []) => wrong(self, &format!("a {}", name.name), &v),
            (
                "real" | "int" | "bool" | "field" | "path" | "fn" | "coupling" | "sampler" | "law" | "log_density"
                | "list" | "class",
                _,
            ) => {
                let text = self.sources.text(*ty_span).to_owned();
                Err(self.report(errors::type_dimensions(&text, *ty_span)))
            }
            (other, _) => {
                let known = [
                    "real", "int", "bool", "vec", "mat", "class", "field", "path", "coupling", "sampler", "law",
                    "list", "fn",
                ];
                Err(self.report(errors::unknown_type(other, name.span, &known)))
            }
        }
    }

    fn type_span(&self, ty: &TypeExpr) -> Span {
        match ty {
            TypeExpr::Name { span, .. } | TypeExpr::Fn { span, .. } => *span,
        }
    }

    /// A written dimension whose value is known, else `None`.
    pub(super) fn known_dim(&mut self, dim: &Expr, ctx: &Ctx) -> Option<Res<i64>> {
        if let ExprKind::Name(n) = &*dim.kind
            && ctx.env.get(n).is_none()
            && !matches!(self.module.lookup(n, ctx.origin), Some(Def::Bind(..) | Def::Axis(..)))
        {
            return None;
        }
        Some(self.expr(dim, ctx).and_then(|v| self.need_int(&v, "a dimension", dim.span)))
    }

    fn dims_text(&mut self, word: &str, dims: &[Expr], ctx: &Ctx) -> String {
        let texts: Vec<String> = dims
            .iter()
            .map(|d| match self.known_dim(d, ctx) {
                Some(Ok(n)) => n.to_string(),
                Some(Err(_)) | None => self.sources.text(d.span).to_owned(),
            })
            .collect();
        format!("{word}[{}]", texts.join(", "))
    }

    fn check_dim(
        &mut self,
        dim: &Expr,
        n: usize,
        (shape, expected): (&[usize], &str),
        span: Span,
        because: Option<(Span, String)>,
        ctx: &Ctx,
    ) -> Res<()> {
        match self.known_dim(dim, ctx) {
            None => {
                if let ExprKind::Name(name) = &*dim.kind {
                    ctx.env.bind(name, Value::Int(n as i64));
                }
                Ok(())
            }
            Some(value) => {
                if value? != n as i64 {
                    let found = errors::shape_name(shape);
                    return Err(self.report(errors::shape_expected(&found, expected, span, because)));
                }
                Ok(())
            }
        }
    }

    /// The shape that a parameter's type says.
    pub(crate) fn declared_shape(&mut self, ty: &TypeExpr, ctx: &Ctx) -> Res<Vec<usize>> {
        let span = self.type_span(ty);
        if let TypeExpr::Name { name, dims, .. } = ty {
            let rank = match name.name.as_str() {
                "real" => Some(0),
                "vec" => Some(1),
                "mat" => Some(2),
                _ => None,
            };
            if rank == Some(dims.len()) {
                let mut shape = Vec::new();
                for d in dims {
                    let v = self.expr(d, ctx)?;
                    let n = self.need_int(&v, "a dimension", d.span)?;
                    match usize::try_from(n) {
                        Ok(n) if (1..=1 << 24).contains(&n) => shape.push(n),
                        Ok(_) | Err(_) => {
                            return Err(self.report(errors::bad_dimension(n, self.sources.text(d.span), d.span)));
                        }
                    }
                }
                let numbers: u128 = shape.iter().map(|d| *d as u128).product();
                if numbers > MOST {
                    return Err(self.report(errors::too_large(&errors::shape_name(&shape), numbers, MOST, span)));
                }
                return Ok(shape);
            }
        }
        let text = self.sources.text(span).to_owned();
        match ty {
            TypeExpr::Name { name, .. } if !["real", "vec", "mat"].contains(&name.name.as_str()) => {
                Err(self.report(errors::unknown_type(&name.name, name.span, &["real", "vec", "mat"])))
            }
            TypeExpr::Name { .. } | TypeExpr::Fn { .. } => Err(self.report(errors::type_dimensions(&text, span))),
        }
    }
}

/// Whether a function can be a path, which takes both ends and the time; what is not declared is not known.
fn takes_three(v: &Value) -> bool {
    match v {
        Value::Fun(f) => match &f.callee {
            Callee::Def(d) => d.define.kind == DefKind::Path || d.define.header.inputs.len() == 3,
            Callee::Lambda { .. } => true,
        },
        _ => true,
    }
}
