//! Operators: at compile time where both sides are known, else nodes.

use super::value::Value;
use super::{Elaborator, Reported, Res, errors};
use crate::ir::{NodeId, UnaryFn};
use crate::source::Span;
use crate::syntax::ast::BinaryOp;

/// The operator as written.
pub(crate) fn symbol(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
        BinaryOp::MatMul => "@",
        BinaryOp::Pow => "^",
        BinaryOp::Range => "..",
        BinaryOp::Eq => "==",
        BinaryOp::Lt => "<",
        BinaryOp::Le => "<=",
        BinaryOp::Gt => ">",
        BinaryOp::Ge => ">=",
        BinaryOp::And => "and",
        BinaryOp::Or => "or",
    }
}

impl Elaborator<'_> {
    /// `a op b`.
    pub(crate) fn binary(&mut self, op: BinaryOp, op_span: Span, a: (Value, Span), b: (Value, Span)) -> Res<Value> {
        if matches!(a.0, Value::Poison) || matches!(b.0, Value::Poison) {
            return Err(Reported);
        }
        if let (Some(x), Some(y)) = (known(&a.0), known(&b.0))
            && let Some(v) = compile_time(op, &a.0, &b.0, x, y)
        {
            return Ok(v);
        }
        let classes = matches!(&a.0, Value::Class(_)) || matches!(&b.0, Value::Class(_));
        let (a, b) = match op {
            BinaryOp::Eq | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge if classes => {
                let none = self.no_class(0).node;
                ((Self::class_number(a.0, none), a.1), (Self::class_number(b.0, none), b.1))
            }
            _ => (a, b),
        };
        match op {
            BinaryOp::And | BinaryOp::Or => self.logic(op, a, b),
            BinaryOp::Range => {
                let lo = self.need_int(&a.0, "the start of a range", a.1)?;
                let hi = self.need_int(&b.0, "the end of a range", b.1)?;
                Ok(Value::Range(lo, hi))
            }
            BinaryOp::Eq if matches!(a.0, Value::None) || matches!(b.0, Value::None) => {
                Ok(Value::Bool(matches!(a.0, Value::None) && matches!(b.0, Value::None)))
            }
            BinaryOp::Eq if matches!((&a.0, &b.0), (Value::Str(_), Value::Str(_))) => {
                let (Value::Str(x), Value::Str(y)) = (&a.0, &b.0) else { return Err(Reported) };
                Ok(Value::Bool(x == y))
            }
            BinaryOp::MatMul => self.matmul(op_span, a, b),
            BinaryOp::Pow => self.power(op_span, a, b),
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div => {
                let (x, y) = self.same_shape(op, op_span, a, b)?;
                let dag = &mut self.program.dag;
                Ok(Value::Node(match op {
                    BinaryOp::Add => dag.add(x, y),
                    BinaryOp::Sub => dag.sub(x, y),
                    BinaryOp::Mul => dag.mul(x, y),
                    _ => dag.div(x, y),
                }))
            }
            BinaryOp::Eq | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => {
                let (x, y) = self.same_shape(op, op_span, a, b)?;
                let dag = &mut self.program.dag;
                Ok(Value::Truth(match op {
                    BinaryOp::Lt => dag.less(x, y),
                    BinaryOp::Le => dag.less_eq(x, y),
                    BinaryOp::Gt => dag.less(y, x),
                    BinaryOp::Ge => dag.less_eq(y, x),
                    _ => dag.equal(x, y),
                }))
            }
        }
    }

    /// Both operands as nodes of one shape; a real is repeated. Multiplication and division leave a real as it is.
    pub(crate) fn same_shape(
        &mut self,
        op: BinaryOp,
        op_span: Span,
        a: (Value, Span),
        b: (Value, Span),
    ) -> Res<(NodeId, NodeId)> {
        let (x, y) = (self.node(&a.0, a.1)?, self.node(&b.0, b.1)?);
        self.fit(symbol(op), op_span, (x, a.1), (y, b.1), matches!(op, BinaryOp::Mul))
    }

    /// As [`Self::same_shape`], of nodes.
    pub(crate) fn fit(
        &mut self,
        op: &str,
        op_span: Span,
        (x, xs): (NodeId, Span),
        (y, ys): (NodeId, Span),
        keep_reals: bool,
    ) -> Res<(NodeId, NodeId)> {
        let dag = &mut self.program.dag;
        let (sx, sy) = (dag.shape(x).to_vec(), dag.shape(y).to_vec());
        if sx == sy || (keep_reals && (sx.is_empty() || sy.is_empty())) {
            Ok((x, y))
        } else if sx.is_empty() {
            Ok((dag.broadcast(x, &sy), y))
        } else if sy.is_empty() {
            Ok((x, if op == "/" { y } else { dag.broadcast(y, &sx) }))
        } else {
            Err(self.report(errors::shapes_differ(op, op_span, (&sx, xs), (&sy, ys))))
        }
    }

    fn matmul(&mut self, op_span: Span, a: (Value, Span), b: (Value, Span)) -> Res<Value> {
        let (x, y) = (self.node(&a.0, a.1)?, self.node(&b.0, b.1)?);
        let dag = &mut self.program.dag;
        let (sx, sy) = (dag.shape(x).to_vec(), dag.shape(y).to_vec());
        let fits = match (sx.as_slice(), sy.as_slice()) {
            ([_, k] | [k], [l, _] | [l]) => k == l,
            _ => false,
        };
        if !fits {
            return Err(self.report(errors::shapes_differ("@", op_span, (&sx, a.1), (&sy, b.1))));
        }
        Ok(Value::Node(dag.matmul(x, y)))
    }

    fn power(&mut self, op_span: Span, a: (Value, Span), b: (Value, Span)) -> Res<Value> {
        let x = self.node(&a.0, a.1)?;
        if let Some(n) = self.integer(&b.0)
            && n.abs() <= 64
        {
            // norm(e)^2 is dot(e, e): no root, so no 1/0 in its derivative.
            if n % 2 == 0
                && n > 0
                && let Some(&square) = self.squares.get(&x)
            {
                return Ok(Value::Node(self.program.dag.powi(square, n / 2)));
            }
            return Ok(Value::Node(self.program.dag.powi(x, n)));
        }
        let y = self.node(&b.0, b.1)?;
        if self.program.dag.as_constant(y) == Some(0.5) && self.program.dag.shape(y).is_empty() {
            return Ok(Value::Node(self.program.dag.unary(UnaryFn::Sqrt, x)));
        }
        // x^y = e^(y log x), x > 0
        let (x, y) = self.fit("^", op_span, (x, a.1), (y, b.1), false)?;
        let dag = &mut self.program.dag;
        let log = dag.unary(UnaryFn::Log, x);
        let product = dag.mul(y, log);
        Ok(Value::Node(dag.unary(UnaryFn::Exp, product)))
    }

    fn logic(&mut self, op: BinaryOp, a: (Value, Span), b: (Value, Span)) -> Res<Value> {
        let (x, y) = (self.truth(&a.0, a.1)?, self.truth(&b.0, b.1)?);
        let (x, y) = self.fit(symbol(op), a.1.to(b.1), (x, a.1), (y, b.1), false)?;
        let dag = &mut self.program.dag;
        Ok(Value::Truth(if op == BinaryOp::And { dag.mul(x, y) } else { dag.max(x, y) }))
    }

    /// A condition as a node of ones and zeros.
    pub(crate) fn truth(&mut self, v: &Value, span: Span) -> Res<NodeId> {
        match v {
            Value::Poison => Err(Reported),
            Value::Bool(b) => Ok(self.program.dag.constant(f64::from(u8::from(*b)))),
            Value::Truth(n) => Ok(*n),
            other => {
                let found = self.describe(other);
                Err(self.report(errors::type_expected("a condition", &found, span, None)))
            }
        }
    }

    /// `-a`
    pub(crate) fn negate(&mut self, v: &Value, span: Span) -> Res<Value> {
        match v {
            Value::Int(i) => Ok(Value::Int(-i)),
            Value::Real(r) => Ok(Value::Real(-r)),
            other => {
                let n = self.node(other, span)?;
                Ok(Value::Node(self.program.dag.neg(n)))
            }
        }
    }

    /// `not a`
    pub(crate) fn not(&mut self, v: &Value, span: Span) -> Res<Value> {
        if let Value::Bool(b) = v {
            return Ok(Value::Bool(!b));
        }
        let n = self.truth(v, span)?;
        let dag = &mut self.program.dag;
        let shape = dag.shape(n).to_vec();
        let one = dag.constant(1.0);
        let ones = dag.broadcast(one, &shape);
        Ok(Value::Truth(dag.sub(ones, n)))
    }
}

fn known(v: &Value) -> Option<f64> {
    match v {
        Value::Int(i) => Some(*i as f64),
        Value::Real(r) => Some(*r),
        Value::Bool(b) => Some(f64::from(u8::from(*b))),
        _ => None,
    }
}

/// Arithmetic on what is known; integers stay integers except under `/`.
fn compile_time(op: BinaryOp, a: &Value, b: &Value, x: f64, y: f64) -> Option<Value> {
    let ints = match (a, b) {
        (Value::Int(i), Value::Int(j)) => Some((*i, *j)),
        _ => None,
    };
    let bools = match (a, b) {
        (Value::Bool(i), Value::Bool(j)) => Some((*i, *j)),
        _ => None,
    };
    if matches!(a, Value::Bool(_)) != matches!(b, Value::Bool(_)) {
        return None;
    }
    match op {
        BinaryOp::And => bools.map(|(i, j)| Value::Bool(i && j)),
        BinaryOp::Or => bools.map(|(i, j)| Value::Bool(i || j)),
        BinaryOp::Eq => Some(Value::Bool(x == y)),
        _ if bools.is_some() => None,
        BinaryOp::Add => Some(ints.and_then(|(i, j)| i.checked_add(j)).map_or(Value::Real(x + y), Value::Int)),
        BinaryOp::Sub => Some(ints.and_then(|(i, j)| i.checked_sub(j)).map_or(Value::Real(x - y), Value::Int)),
        BinaryOp::Mul => Some(ints.and_then(|(i, j)| i.checked_mul(j)).map_or(Value::Real(x * y), Value::Int)),
        BinaryOp::Div => Some(Value::Real(x / y)),
        BinaryOp::Pow => {
            let whole = ints.and_then(|(i, j)| u32::try_from(j).ok().and_then(|j| i.checked_pow(j)));
            Some(whole.map_or_else(|| Value::Real(libm::pow(x, y)), Value::Int))
        }
        BinaryOp::Lt => Some(Value::Bool(x < y)),
        BinaryOp::Le => Some(Value::Bool(x <= y)),
        BinaryOp::Gt => Some(Value::Bool(x > y)),
        BinaryOp::Ge => Some(Value::Bool(x >= y)),
        BinaryOp::MatMul | BinaryOp::Range => None,
    }
}
