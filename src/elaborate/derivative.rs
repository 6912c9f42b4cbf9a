//! Derivative operators: an expression and a name it depends on.

use super::builtin::Builtin;
use super::value::{Env, Value};
use super::{Ctx, Elaborator, Res, errors};
use crate::ir::{Deriv, Level, NodeId, Op, Trace, UnaryFn};
use crate::source::Span;
use crate::syntax::ast::{Arg, Expr, ExprKind};

impl Elaborator<'_> {
    /// A call of a derivative operator; `None` if the function is another one.
    pub(crate) fn derivative_call(&mut self, b: Builtin, span: Span, args: &[Arg], ctx: &Ctx) -> Res<Option<Value>> {
        let takes = match b {
            Builtin::Diff | Builtin::Partial | Builtin::Grad | Builtin::Jacobian | Builtin::Laplacian => 2..=2,
            Builtin::Div => 2..=3,
            Builtin::Jvp | Builtin::Vjp => 3..=3,
            _ => return Ok(None),
        };
        if !takes.contains(&args.len()) || args.iter().any(|a| a.label.is_some()) {
            let message = format!("`{}` takes an expression and a name", b.name());
            return Err(self.report(errors::wrong_arguments(b.name(), message, span, b.signature(), None)));
        }
        let (of, wrt) = (&args[0].value, &args[1].value);
        let ExprKind::Name(target) = &*wrt.kind else {
            return Err(self.report(errors::bad_target(b.name(), wrt.span, target_found(wrt), target_help(wrt))));
        };
        let at = self.expr(wrt, ctx)?;
        let Value::Node(wrt_node) = at else {
            let found = self.describe(&at);
            return Err(self.report(errors::constant_target(b.name(), target, wrt.span, &found)));
        };
        if !is_target(self.program.dag.op(wrt_node)) {
            let found = "a name that stands for something else";
            return Err(self.report(errors::bad_target(b.name(), wrt.span, found, errors::Target::Expression)));
        }
        if matches!(b, Builtin::Diff | Builtin::Partial) && !self.program.dag.shape(wrt_node).is_empty() {
            let shape = errors::shape_name(self.program.dag.shape(wrt_node));
            let e = self.sources.text(of.span);
            return Err(self.report(errors::diff_of_vector(b.name(), (target, &shape), wrt.span, e)));
        }
        let (value, hold) = match b {
            Builtin::Partial => self.held(of, target, ctx)?,
            _ => (self.expr(of, ctx)?, vec![]),
        };
        let node = self.node(&value, of.span)?;
        self.program.dag.set_span(Some(span));
        if !self.depends(node, wrt_node) {
            return if self.origin_of(span) == crate::resolve::Origin::Std {
                self.zero_derivative(b, node, wrt_node, span).map(Some)
            } else {
                Err(self.report(errors::independent(b.name(), target, wrt.span, of.span)))
            };
        }
        if self.origin_of(span) == crate::resolve::Origin::User && !self.depends_smoothly(node, wrt_node) {
            return Err(self.report(errors::through_steps(b.name(), target, wrt.span, of.span)));
        }
        let kind = match b {
            Builtin::Grad | Builtin::Laplacian => {
                self.scalar(&value, of.span, &format!("what `{}` differentiates", b.name()))?;
                Deriv::Gradient
            }
            Builtin::Div => {
                self.square(node, wrt_node, of.span, wrt.span)?;
                Deriv::Divergence(self.trace(args.get(2).map(|a| &a.value), wrt_node, ctx)?)
            }
            Builtin::Jvp | Builtin::Vjp => {
                let w = self.expr(&args[2].value, ctx)?;
                let w = self.node(&w, args[2].value.span)?;
                let like = if b == Builtin::Jvp { wrt_node } else { node };
                let (found, expected) = (self.program.dag.shape(w).to_vec(), self.program.dag.shape(like).to_vec());
                // One number is a direction of one number, as probes of a trace are: a law cannot tell a real from its vector.
                let one = |shape: &[usize]| shape.iter().product::<usize>() == 1;
                let w = if one(&found) && one(&expected) { self.program.dag.reshape(w, &expected) } else { w };
                if found != expected && !(one(&found) && one(&expected)) {
                    return Err(self.report(errors::shape_expected(
                        &errors::shape_name(&found),
                        &errors::shape_name(&expected),
                        args[2].value.span,
                        Some((if b == Builtin::Jvp { wrt.span } else { of.span }, "the shape of this".into())),
                    )));
                }
                if b == Builtin::Jvp { Deriv::Jvp(w) } else { Deriv::Vjp(w) }
            }
            _ => Deriv::Jacobian,
        };
        let d = self.program.dag.deriv(kind, node, wrt_node, hold);
        Ok(Some(Value::Node(match b {
            Builtin::Laplacian => self.program.dag.deriv(Deriv::Divergence(Trace::Exact), d, wrt_node, vec![]),
            _ => d,
        })))
    }

    /// `partial(e, t)`: e with every other run-time name made opaque, and those names.
    fn held(&mut self, of: &Expr, target: &str, ctx: &Ctx) -> Res<(Value, Vec<NodeId>)> {
        let inner = Ctx { env: Env::child(Some(&ctx.env)), origin: ctx.origin, targets: ctx.targets.clone() };
        let mut hold = Vec::new();
        let mut names: Vec<String> = crate::resolve::free_names(of).into_iter().collect();
        names.sort();
        for name in names {
            if name == target {
                continue;
            }
            if let Some(Value::Node(n)) = ctx.env.get(&name)
                && self.program.dag.level(n) > Level::Const
            {
                let fresh = self.program.dag.named(n);
                hold.push(fresh);
                inner.env.bind(&name, Value::Node(fresh));
            }
        }
        Ok((self.expr(of, &inner)?, hold))
    }

    fn square(&mut self, of: NodeId, wrt: NodeId, of_span: Span, wrt_span: Span) -> Res<()> {
        let (a, b) = (self.program.dag.shape(of).to_vec(), self.program.dag.shape(wrt).to_vec());
        if a == b {
            return Ok(());
        }
        Err(self.report(errors::shape_expected(
            &errors::shape_name(&a),
            &format!("{} to take a divergence of", errors::shape_name(&b)),
            of_span,
            Some((wrt_span, format!("this is {}", errors::shape_name(&b)))),
        )))
    }

    /// `exact`, or `hutchinson(law, probes: k)`: draws of the law, made once a trajectory.
    fn trace(&mut self, how: Option<&Expr>, wrt: NodeId, ctx: &Ctx) -> Res<Trace> {
        let Some(e) = how else { return Ok(Trace::Exact) };
        let v = self.expr(e, ctx)?;
        match &v {
            Value::Builtin(Builtin::Exact) => Ok(Trace::Exact),
            Value::Tuple(s) if s.get("probe").is_some() => {
                let law = s.get("probe").cloned().unwrap_or(Value::Poison);
                let probes = s.get("probes").and_then(|k| self.integer(k)).unwrap_or(1);
                let shape = self.program.dag.shape(wrt).to_vec();
                let n: usize = shape.iter().product();
                let args = super::call::Args {
                    positional: vec![],
                    named: vec![super::call::Named {
                        name: "dim".into(),
                        value: Value::Int(n as i64),
                        label: e.span,
                        at: e.span,
                    }],
                    condition: None,
                    span: e.span,
                };
                let law = self.call(law, args, e.span)?;
                let column = if probes == 1 { shape.clone() } else { [&shape[..], &[1]].concat() };
                let mut all = Vec::new();
                for _ in 0..probes {
                    let w = self.draw_from(&law, e.span)?;
                    let w = self.node(&w, e.span)?;
                    let found = self.program.dag.shape(w).to_vec();
                    if found.iter().product::<usize>() != n {
                        return Err(self.report(errors::shape_expected(
                            &errors::shape_name(&found),
                            &errors::shape_name(&shape),
                            e.span,
                            None,
                        )));
                    }
                    all.push(self.program.dag.reshape(w, &column));
                }
                Ok(Trace::Probe(match all.as_slice() {
                    [one] => *one,
                    several => self.program.dag.concat(shape.len(), several),
                }))
            }
            Value::Poison => Err(super::Reported),
            other => {
                let found = self.describe(other);
                Err(self.report(errors::type_expected("`exact` or `hutchinson(rademacher)`", &found, e.span, None)))
            }
        }
    }

    fn zero_derivative(&mut self, b: Builtin, of: NodeId, wrt: NodeId, span: Span) -> Res<Value> {
        let dag = &mut self.program.dag;
        let (so, sw) = (dag.shape(of).to_vec(), dag.shape(wrt).to_vec());
        let shape = match b {
            Builtin::Grad | Builtin::Vjp => sw,
            // A metric may find that no volume changes, and a flow that is written down may keep it on purpose; a likelihood of such
            // a flow with parameters is a mistake.
            Builtin::Div | Builtin::Laplacian
                if self.program.params.is_empty() || self.sources.file(span.file).name.starts_with("<std/metrics/") =>
            {
                vec![]
            }
            Builtin::Div | Builtin::Laplacian => {
                return Err(self.report(errors::zero_divergence(span)));
            }
            Builtin::Jvp => so,
            _ => [so, sw].concat(),
        };
        Ok(Value::Node(dag.zeros(&shape)))
    }

    /// Whether a node is reachable from another, by operands that derivatives pass.
    pub(crate) fn depends(&self, of: NodeId, on: NodeId) -> bool {
        self.reaches(of, on, |op| matches!(op, Op::Stop(_)))
    }

    /// Whether it depends on it otherwise than through comparisons, `floor` and `sign`, whose slope is zero.
    fn depends_smoothly(&self, of: NodeId, on: NodeId) -> bool {
        self.reaches(of, on, |op| matches!(op, Op::Stop(_)) || is_step(op))
    }

    /// Whether a node is reached from another; operations that are `closed` are not entered.
    fn reaches(&self, of: NodeId, on: NodeId, closed: impl Fn(&Op) -> bool) -> bool {
        let mut seen = vec![false; of.0 as usize + 1];
        let mut todo = vec![of];
        while let Some(n) = todo.pop() {
            if n == on {
                return true;
            }
            if n < on || std::mem::replace(&mut seen[n.0 as usize], true) {
                continue;
            }
            // Behind `stop` everything is constant.
            if !closed(self.program.dag.op(n)) {
                self.program.dag.op(n).for_each_operand(|a| todo.push(a));
            }
        }
        false
    }
}

fn target_found(e: &Expr) -> &'static str {
    match &*e.kind {
        ExprKind::Number { .. } => "a number",
        ExprKind::Index { .. } => "an element",
        _ => "an expression",
    }
}

fn target_help(e: &Expr) -> errors::Target {
    match &*e.kind {
        ExprKind::Number { .. } => errors::Target::Number,
        ExprKind::Index { base, .. } => match &*base.kind {
            ExprKind::Name(n) => errors::Target::Element(n.clone()),
            _ => errors::Target::Expression,
        },
        _ => errors::Target::Expression,
    }
}

/// What a derivative may be taken with respect to.
fn is_target(op: &Op) -> bool {
    match op {
        Op::Param(_) | Op::Theta(_) | Op::Input(_) | Op::Draw(_) | Op::State(..) | Op::Time(_) | Op::Named(..) => true,
        Op::Const(_)
        | Op::Tensor(_)
        | Op::Eye(_)
        | Op::Einsum(_)
        | Op::Add(..)
        | Op::Sub(..)
        | Op::Scale(..)
        | Op::Slice(..)
        | Op::Pad(..)
        | Op::Concat(..)
        | Op::Reshape(..)
        | Op::Unary(..)
        | Op::Max(..)
        | Op::Min(..)
        | Op::Less(..)
        | Op::LessEq(..)
        | Op::Equal(..)
        | Op::Select(..)
        | Op::Stop(_)
        | Op::Deriv { .. }
        | Op::Solve(_)
        | Op::Component(..)
        | Op::SumSamples(_) => false,
    }
}

/// Operations that are constant between jumps.
pub fn is_step(op: &Op) -> bool {
    matches!(op, Op::Less(..) | Op::LessEq(..) | Op::Equal(..) | Op::Unary(UnaryFn::Floor | UnaryFn::Sign, _))
}
