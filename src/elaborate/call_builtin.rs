//! Calls of the language's own functions.

use super::builtin::Builtin;
use super::call::Args;
use super::value::{Callee, Seq, Value};
use super::{Elaborator, Reported, Res, errors, set_errors};
use crate::ir::{DrawKind, NodeId, UnaryFn};
use crate::source::Span;
use crate::syntax::ast::Pattern;
use std::rc::Rc;

/// Most probes of an estimate: beyond it the exact trace is cheaper in all but the widest fields.
const MOST_PROBES: i64 = 256;

impl Elaborator<'_> {
    /// Calls a function of the language with evaluated arguments.
    pub(crate) fn call_builtin(&mut self, b: Builtin, args: Args) -> Res<Value> {
        if let Some(f) = b.elementwise() {
            let n = self.arity(b, &args, 1, &[])?;
            return self.elementwise(f, &n[0]);
        }
        match b {
            Builtin::Max | Builtin::Min => {
                let a = self.arity(b, &args, 2, &[])?;
                if let (Value::Int(i), Value::Int(j)) = (&a[0].0, &a[1].0) {
                    return Ok(Value::Int(if b == Builtin::Max { *i.max(j) } else { *i.min(j) }));
                }
                let (x, y) = (self.node(&a[0].0, a[0].1)?, self.node(&a[1].0, a[1].1)?);
                let (x, y) = self.fit(b.name(), args.span, (x, a[0].1), (y, a[1].1), false)?;
                let dag = &mut self.program.dag;
                let out = if b == Builtin::Max { dag.max(x, y) } else { dag.min(x, y) };
                Ok(self.constant_back(out))
            }
            Builtin::Dim => self.dim(&args),
            Builtin::Length => {
                let a = self.arity(b, &args, 1, &[])?;
                Ok(Value::Int(self.items(&a[0].0, a[0].1)?.len() as i64))
            }
            Builtin::Concat => self.concat(&args),
            Builtin::Sum | Builtin::Mean => self.sum(b, &args),
            Builtin::Dot => {
                let a = self.arity(b, &args, 2, &[])?;
                let (x, y) = (self.node(&a[0].0, a[0].1)?, self.node(&a[1].0, a[1].1)?);
                let (x, y) = self.fit("dot", args.span, (x, a[0].1), (y, a[1].1), false)?;
                Ok(Value::Node(self.dot(x, y)))
            }
            Builtin::Norm => {
                let a = self.arity(b, &args, 1, &[])?;
                let x = self.node(&a[0].0, a[0].1)?;
                Ok(Value::Node(self.norm(x)))
            }
            Builtin::Outer => {
                let a = self.arity(b, &args, 2, &[])?;
                let (x, y) = (self.vector(&a[0])?, self.vector(&a[1])?);
                Ok(Value::Node(self.program.dag.einsum(&[(x, &[0]), (y, &[1])], &[0, 1])))
            }
            Builtin::Transpose => {
                let a = self.arity(b, &args, 1, &[])?;
                let x = self.matrix(&a[0], false)?;
                Ok(Value::Node(self.program.dag.transpose(x)))
            }
            Builtin::Identity => {
                let n = self.count(b, &args)?;
                Ok(Value::Node(self.program.dag.eye(n)))
            }
            Builtin::Zeros => {
                let n = self.count(b, &args)?;
                Ok(Value::Node(self.program.dag.zeros(&[n])))
            }
            Builtin::OneHot => {
                let a = self.arity(b, &args, 2, &[])?;
                let n = self.need_int(&a[1].0, "how many classes", a[1].1)?.clamp(1, 1 << 16) as usize;
                let i = match &a[0].0 {
                    Value::Class(c) if c.count > n => {
                        return Err(self.report(set_errors::classes_differ(n, c.count, a[0].1, None)));
                    }
                    Value::Class(c) => c.node,
                    other => self.scalar(&other.clone(), a[0].1, "the class")?,
                };
                let dag = &mut self.program.dag;
                let classes: Vec<f64> = (0..n).map(|k| k as f64).collect();
                let classes = dag.tensor(&classes, vec![n]);
                let i = dag.broadcast(i, &[n]);
                Ok(Value::Node(dag.equal(i, classes)))
            }
            Builtin::Inverse | Builtin::LogDet | Builtin::Cholesky => {
                let a = self.arity(b, &args, 1, &[])?;
                let x = self.matrix(&a[0], true)?;
                Ok(Value::Node(match b {
                    Builtin::Inverse => self.inverse(x),
                    Builtin::LogDet => self.log_det(x),
                    _ => self.cholesky(x),
                }))
            }
            Builtin::Fold => {
                let a = self.arity(b, &args, 3, &[])?;
                self.lambda_takes(b, &a[2], &["state", "item"])?;
                let mut state = a[1].0.clone();
                for (_, item) in self.items(&a[0].0, a[0].1)? {
                    self.spend(args.span)?;
                    state = self.apply(&a[2].0, &[state, item], a[2].1)?;
                }
                Ok(state)
            }
            Builtin::Map => {
                let a = self.arity(b, &args, 2, &[])?;
                self.lambda_takes(b, &a[1], &["item"])?;
                if let Value::Node(n) = a[0].0
                    && !self.program.dag.shape(n).is_empty()
                    && self.program.dag.level(n) > crate::ir::Level::Const
                {
                    return self.map_rows(n, &a[1], args.span);
                }
                let mut out = Vec::new();
                for (label, item) in self.items(&a[0].0, a[0].1)? {
                    self.spend(args.span)?;
                    out.push((label, self.apply(&a[1].0, &[item], a[1].1)?));
                }
                Ok(Value::List(Rc::new(Seq { items: out, condition: None })))
            }
            Builtin::Reverse => {
                let a = self.arity(b, &args, 1, &[])?;
                let mut items = self.items(&a[0].0, a[0].1)?;
                items.reverse();
                Ok(Value::List(Rc::new(Seq { items, condition: None })))
            }
            Builtin::Linspace => {
                let a = self.arity(b, &args, 3, &[])?;
                let (lo, hi) = (self.need_number(&a[0], "the start")?, self.need_number(&a[1], "the end")?);
                let n = self.need_int(&a[2].0, "how many", a[2].1)?;
                if !(2..=100_000).contains(&n) {
                    return Err(self.report(errors::bad_count("points", n, 2, 100_000, a[2].1)));
                }
                let step = |k: i64| lo + (hi - lo) * k as f64 / (n - 1) as f64;
                Ok(Value::List(Seq::plain((0..n).map(|k| Value::Real(step(k))).collect())))
            }
            Builtin::Stop => {
                let a = self.arity(b, &args, 1, &[])?;
                let n = self.node(&a[0].0, a[0].1)?;
                Ok(Value::Node(self.program.dag.stop(n)))
            }
            // Reached only as a value given to another function: they need a name, which only a direct call has.
            Builtin::Diff
            | Builtin::Partial
            | Builtin::Grad
            | Builtin::Jacobian
            | Builtin::Div
            | Builtin::Laplacian
            | Builtin::Jvp
            | Builtin::Vjp => {
                Err(self.report(errors::bad_target(b.name(), args.span, "no name", errors::Target::Expression)))
            }
            Builtin::LogDensity => {
                let a = self.arity(b, &args, 2, &[])?;
                let condition = args.condition.clone();
                self.log_density(&a[0].0, &a[1].0, condition, args.span)
            }
            Builtin::Entropy | Builtin::Modes => {
                let a = self.arity(b, &args, 1, &[])?;
                if !matches!(a[0].0, Value::Law(_) | Value::Data(_) | Value::Dataset(_) | Value::Poison) {
                    let found = self.describe(&a[0].0);
                    return Err(self.report(errors::type_expected("a law", &found, a[0].1, None)));
                }
                self.fact(&a[0].0, b == Builtin::Modes, args.span)
            }
            Builtin::Hutchinson => self.hutchinson(&args),
            Builtin::RawUniform => self.raw(DrawKind::Uniform, b, &args),
            Builtin::RawNormal => self.raw(DrawKind::Normal, b, &args),
            Builtin::OptimalTransport | Builtin::Sinkhorn => self.transport(b, &args),
            Builtin::Dataset => self.dataset(&args),
            Builtin::Trajectories => self.trajectories(&args),
            Builtin::Segments => self.segments(&args),
            Builtin::File => self.file(&args),
            Builtin::Exact
            | Builtin::Permute
            | Builtin::Resample
            | Builtin::PerFeature
            | Builtin::Global
            | Builtin::Each
            | Builtin::ByLabel => {
                let found = format!("the word `{}`", b.name());
                Err(self.report(errors::not_a_function(&found, args.span)))
            }
            Builtin::Exp
            | Builtin::Log
            | Builtin::Sqrt
            | Builtin::Sin
            | Builtin::Cos
            | Builtin::Tanh
            | Builtin::Sigmoid
            | Builtin::Softplus
            | Builtin::Erf
            | Builtin::Abs
            | Builtin::Sign
            | Builtin::Floor => Err(Reported),
        }
    }

    /// `fold` and `map` say how many arguments they give.
    fn lambda_takes(&mut self, b: Builtin, (f, span): &(Value, Span), words: &[&str]) -> Res<()> {
        let Value::Fun(fun) = f else { return Ok(()) };
        let Callee::Lambda { params, .. } = &fun.callee else { return Ok(()) };
        let takes = match &**params {
            Pattern::Name(_) => 1,
            Pattern::Tuple { names, .. } => names.len(),
        };
        if takes == words.len() {
            return Ok(());
        }
        Err(self.report(errors::lambda_arguments(b.name(), takes, words, *span)))
    }

    /// Exactly `n` positional arguments and only the named ones in `options`.
    pub(super) fn arity(&mut self, b: Builtin, args: &Args, n: usize, options: &[&str]) -> Res<Vec<(Value, Span)>> {
        self.only_options(b, args, options)?;
        if args.positional.len() != n {
            let message = format!(
                "`{}` takes {n} argument{}, {} given",
                b.name(),
                if n == 1 { "" } else { "s" },
                args.positional.len()
            );
            return Err(self.report(errors::wrong_arguments(b.name(), message, args.span, b.signature(), None)));
        }
        Ok(args.positional.clone())
    }

    fn elementwise(&mut self, f: UnaryFn, (v, span): &(Value, Span)) -> Res<Value> {
        let n = self.node(v, *span)?;
        let out = self.program.dag.unary(f, n);
        Ok(self.constant_back(out))
    }

    /// A scalar constant node as a compile-time real, so that it can be configuration.
    fn constant_back(&self, n: NodeId) -> Value {
        match self.program.dag.as_constant(n) {
            Some(c) if self.program.dag.shape(n).is_empty() => Value::Real(c),
            _ => Value::Node(n),
        }
    }

    fn need_number(&mut self, (v, span): &(Value, Span), what: &str) -> Res<f64> {
        match self.number(v) {
            Some(x) => Ok(x),
            None => Err(self.report(errors::not_compile_time(what, *span))),
        }
    }

    fn count(&mut self, b: Builtin, args: &Args) -> Res<usize> {
        let a = self.arity(b, args, 1, &[])?;
        let n = self.need_int(&a[0].0, "how many", a[0].1)?;
        match usize::try_from(n) {
            Ok(n) if (1..=1 << 16).contains(&n) => Ok(n),
            Ok(_) | Err(_) => Err(self.report(errors::bad_count("elements", n, 1, 1 << 16, a[0].1))),
        }
    }

    fn vector(&mut self, (v, span): &(Value, Span)) -> Res<NodeId> {
        let n = self.node(v, *span)?;
        let shape = self.program.dag.shape(n).to_vec();
        if shape.len() == 1 {
            return Ok(n);
        }
        Err(self.report(errors::shape_expected(&errors::shape_name(&shape), "a vector", *span, None)))
    }

    fn matrix(&mut self, (v, span): &(Value, Span), square: bool) -> Res<NodeId> {
        let n = self.node(v, *span)?;
        let shape = self.program.dag.shape(n).to_vec();
        match shape.as_slice() {
            [a, b] if !square || (a == b && *a <= 16) => Ok(n),
            _ => {
                let expected = if square { "a square matrix of at most 16 rows" } else { "a matrix" };
                Err(self.report(errors::shape_expected(&errors::shape_name(&shape), expected, *span, None)))
            }
        }
    }

    /// Extent of a value; of a law, extent of its draws.
    fn dim(&mut self, args: &Args) -> Res<Value> {
        let a = self.arity(Builtin::Dim, args, 1, &[])?;
        let (v, span) = &a[0];
        if let Value::Data(set) = v
            && let [item] = set.items.as_slice()
        {
            return Ok(Value::Int(item.shape.first().copied().unwrap_or(1) as i64));
        }
        if matches!(v, Value::Law(_) | Value::Dataset(_)) {
            let mut sink = crate::diag::Sink::default();
            let mut inner = self.scratch(&mut sink, "dim");
            let drawn = inner.draw_from(v, *span).and_then(|drawn| inner.node(&drawn, *span));
            let first = drawn.map(|n| inner.program.dag.shape(n).first().copied().unwrap_or(1) as i64);
            self.sink.take(sink);
            return first.map(Value::Int);
        }
        match self.shape_of(v) {
            Some(s) => Ok(Value::Int(s.first().copied().unwrap_or(1) as i64)),
            None => {
                let found = self.describe(v);
                Err(self.report(errors::type_expected("a vector, matrix or law", &found, *span, None)))
            }
        }
    }

    fn concat(&mut self, args: &Args) -> Res<Value> {
        self.only_options(Builtin::Concat, args, &[])?;
        let mut parts = Vec::new();
        for (v, span) in &args.positional {
            let n = self.node(v, *span)?;
            match self.program.dag.shape(n).len() {
                0 => parts.push(self.program.dag.reshape(n, &[1])),
                1 => parts.push(n),
                _ => {
                    let found = errors::shape_name(self.program.dag.shape(n));
                    return Err(self.report(errors::shape_expected(&found, "reals and vectors to join", *span, None)));
                }
            }
        }
        if parts.is_empty() {
            let message = "`concat` of nothing".to_owned();
            return Err(self.report(errors::wrong_arguments(
                "concat",
                message,
                args.span,
                Builtin::Concat.signature(),
                None,
            )));
        }
        Ok(Value::Node(self.program.dag.concat(0, &parts)))
    }

    fn sum(&mut self, b: Builtin, args: &Args) -> Res<Value> {
        let a = self.arity(b, args, 1, &[])?;
        let (v, span) = &a[0];
        let (total, count) = match v {
            Value::List(s) if !s.items.is_empty() => {
                let mut total = self.node(&s.items[0].1, *span)?;
                for (_, item) in &s.items[1..] {
                    let n = self.node(item, *span)?;
                    let (x, y) = self.fit("+", *span, (total, *span), (n, *span), false)?;
                    total = self.program.dag.add(x, y);
                }
                (total, s.items.len())
            }
            _ => {
                let n = self.node(v, *span)?;
                let count = self.program.dag.shape(n).iter().product();
                (self.program.dag.sum_all(n), count)
            }
        };
        let out = if b == Builtin::Mean { self.program.dag.scale(1.0 / count as f64, total) } else { total };
        Ok(self.constant_back(out))
    }

    /// Sum of products of all elements.
    pub(crate) fn dot(&mut self, x: NodeId, y: NodeId) -> NodeId {
        let axes: Vec<u32> = (0..self.program.dag.shape(x).len() as u32).collect();
        self.program.dag.einsum(&[(x, &axes), (y, &axes)], &[])
    }

    /// Euclidean norm with derivative 0 at 0; its square is remembered, so that `norm(x)^2` takes no root.
    fn norm(&mut self, x: NodeId) -> NodeId {
        let square = self.dot(x, x);
        let dag = &mut self.program.dag;
        let (zero, one) = (dag.constant(0.0), dag.constant(1.0));
        let at_zero = dag.equal(square, zero);
        let safe = dag.select(at_zero, one, square);
        let root = dag.unary(UnaryFn::Sqrt, safe);
        let norm = dag.select(at_zero, zero, root);
        self.squares.insert(norm, square);
        norm
    }

    fn hutchinson(&mut self, args: &Args) -> Res<Value> {
        let a = self.arity(Builtin::Hutchinson, args, 1, &["probes"])?;
        if !matches!(a[0].0, Value::Law(_)) {
            let found = self.describe(&a[0].0);
            return Err(self.report(errors::type_expected("a law of probes, e.g. `rademacher`", &found, a[0].1, None)));
        }
        let mut probes = 1;
        if let Some(n) = args.named.first() {
            probes = self.need_int(&n.value, "how many probes", n.at)?;
            if !(1..=MOST_PROBES).contains(&probes) {
                return Err(self.report(errors::bad_count("probes", probes, 1, MOST_PROBES, n.at)));
            }
        }
        let items = vec![(Some("probe".into()), a[0].0.clone()), (Some("probes".into()), Value::Int(probes))];
        Ok(Value::Tuple(Rc::new(Seq { items, condition: None })))
    }

    fn raw(&mut self, kind: DrawKind, b: Builtin, args: &Args) -> Res<Value> {
        let shape = if args.positional.is_empty() { vec![] } else { vec![self.count(b, args)?] };
        Ok(Value::Node(self.raw_draw(kind, shape)))
    }
}
