//! Trees that do not fit on one line, or that hold comments.
//!
//! Each function prints its part at the cursor: on one line if it fits and holds no comment, else over several lines, of
//! which all but the first are indented by `indent` or more. `tail` columns are kept free behind the part.

use super::bracket::{Element, is_atom};
use super::{Place, Printer, flat};
use crate::source::Span;
use crate::syntax::ast::*;

impl Printer<'_> {
    pub(super) fn item(&mut self, item: &Item, indent: usize) {
        match &item.kind {
            ItemKind::Bind { name, value } => {
                self.push(&format!("{} = ", name.name));
                self.expr(value, indent, 0);
            }
            ItemKind::Setting { name, value } => {
                self.push(&format!("{} ", name.name));
                self.expr(value, indent, 0);
            }
            ItemKind::Define(d) => self.define(d, item.span, indent),
            ItemKind::Param(p) => {
                self.push(&flat::param_head(p));
                self.expr(flat::param_value(p), indent, 0);
            }
            ItemKind::Block { keyword, entries } => {
                self.push(&format!("{} ", keyword.name));
                self.entries(entries, keyword.span.to(item.span), indent);
            }
            ItemKind::List { keyword, items } => {
                self.push(&format!("{} ", keyword.name));
                let inside = Span { start: keyword.span.end, ..item.span };
                let flat = format!("[{}]", items.iter().map(flat::arg).collect::<Vec<_>>().join(", "));
                if !self.has_comment(inside) && self.fits(&flat, 0) {
                    self.push(&flat);
                } else {
                    self.bracket("[", &items.iter().map(Element::Arg).collect::<Vec<_>>(), &[], inside.end, indent);
                }
            }
            ItemKind::Compare { name, list } => {
                self.push(&format!("compare {} in ", name.name));
                self.expr(list, indent, 0);
            }
            ItemKind::Expect { condition, within } => {
                self.push("expect ");
                self.expr(condition, indent, 0);
                if let Some(within) = within {
                    self.push(" within ");
                    self.expr(within, indent, 0);
                }
            }
            ItemKind::Published { result, value, within, origin } => {
                self.push("published ");
                self.expr(result, indent, 0);
                self.push(" = ");
                self.expr(value, indent, 0);
                if let Some(within) = within {
                    self.push(" within ");
                    self.expr(within, indent, 0);
                }
                if let Some(origin) = origin {
                    self.push(&format!(" from \"{origin}\""));
                }
            }
            ItemKind::Stage { name, items } => self.stage(name, items, item.span, indent),
            ItemKind::Tableau { name, entries } => {
                self.push(&format!("tableau {} ", name.name));
                self.entries(entries, item.span, indent);
            }
            ItemKind::Use { target, names } => {
                let target = match target {
                    UseTarget::File { path, .. } => format!("\"{path}\""),
                    UseTarget::Module { parts, .. } => {
                        parts.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(".")
                    }
                };
                self.push(&format!("use {target}"));
                if !names.is_empty() {
                    let names = names.iter().map(|n| n.name.as_str()).collect::<Vec<_>>().join(", ");
                    self.push(&format!(" ({names})"));
                }
            }
        }
    }

    fn stage(&mut self, name: &Ident, items: &[Item], span: Span, indent: usize) {
        self.push(&format!("stage {} ", name.name));
        if items.is_empty() && !self.has_comment(span) {
            return self.push("{ }");
        }
        if self.may_be_flat(span, items.len()) {
            let (kept, next) = (self.out.len(), self.next);
            let column = self.column();
            self.push("{ ");
            for (i, item) in items.iter().enumerate() {
                self.push(if i > 0 { "; " } else { "" });
                self.item(item, indent);
            }
            self.push(" }");
            let added = &self.out[kept..];
            if !added.contains('\n') && column + added.chars().count() <= self.width {
                return;
            }
            self.out.truncate(kept);
            self.next = next;
        }
        self.braces(items, |i| i.span, Place { indent, close: span.end, join: "; " }, Printer::item);
    }

    fn entries(&mut self, entries: &[Entry], span: Span, indent: usize) {
        if entries.is_empty() && !self.has_comment(span) {
            return self.push("{ }");
        }
        let flat = format!("{{ {} }}", entries.iter().map(flat::entry).collect::<Vec<_>>().join(", "));
        if self.may_be_flat(span, entries.len()) && self.fits(&flat, 0) {
            return self.push(&flat);
        }
        let place = Place { indent, close: span.end, join: ", " };
        self.braces(
            entries,
            |e| e.key.span.to(e.value.span),
            place,
            |p, e, indent| {
                p.push(&format!("{}: ", e.key.name));
                p.expr(&e.value, indent, 0);
            },
        );
    }

    fn define(&mut self, d: &Define, span: Span, indent: usize) {
        self.push(&format!("{} {}", d.kind.keyword(), d.name.name));
        let header = flat::header(&d.header);
        let result = d.result.as_ref().map_or(String::new(), |t| format!(" -> {}", flat::type_expr(t)));
        let formals: Vec<&Formal> = d.header.inputs.iter().chain(&d.header.condition).chain(&d.header.config).collect();
        let commented = match (formals.first(), formals.last()) {
            (Some(a), Some(b)) => self.has_comment(a.span.to(b.span)),
            _ => false,
        };
        if !commented && self.fits(&header, result.chars().count() + 2) {
            self.push(&header);
        } else {
            let elements: Vec<Element> = formals.iter().map(|f| Element::Formal(f)).collect();
            // What stands behind a formal that is the last of its group.
            let inputs = d.header.inputs.len();
            let mut marks = Vec::new();
            if d.header.condition.is_some() {
                marks.push((inputs, " |"));
            }
            if !d.header.config.is_empty() {
                marks.push((inputs + usize::from(d.header.condition.is_some()), ";"));
            }
            let close = formals.last().map_or(span.start, |f| f.span.end);
            self.bracket("(", &elements, &marks, close, indent);
        }
        self.push(&result);
        match &d.body {
            Body::Expr(e) => {
                self.push(" = ");
                self.expr(e, indent, 0);
            }
            body @ Body::Block { .. } => {
                self.push(" ");
                self.body(body, indent, 0);
            }
        }
    }

    pub(super) fn body(&mut self, body: &Body, indent: usize, tail: usize) {
        match body {
            Body::Expr(e) => self.expr(e, indent, tail),
            Body::Block { stmts, span } => {
                if stmts.is_empty() && !self.has_comment(*span) {
                    return self.push("{ }");
                }
                let flat = flat::body(body);
                if self.may_be_flat(*span, stmts.len()) && self.fits(&flat, tail) {
                    return self.push(&flat);
                }
                self.braces(stmts, |s| s.span, Place { indent, close: span.end, join: "; " }, Printer::statement);
            }
        }
    }

    fn statement(&mut self, s: &Stmt, indent: usize) {
        self.push(&flat::statement_head(s));
        let (value, grouped) = flat::statement_value(s);
        self.grouped(value, grouped, indent, 0);
    }

    fn grouped(&mut self, e: &Expr, group: bool, indent: usize, tail: usize) {
        if group {
            self.push("(");
            self.expr(e, indent, tail + 1);
            self.push(")");
        } else {
            self.expr(e, indent, tail);
        }
    }

    pub(super) fn expr(&mut self, e: &Expr, indent: usize, tail: usize) {
        let flat = flat::expr(e);
        if self.fits(&flat, tail) && !self.must_break(e) {
            return self.push(&flat);
        }
        match &*e.kind {
            ExprKind::Number { .. } | ExprKind::Str(_) | ExprKind::Bool(_) | ExprKind::None | ExprKind::Name(_) => {
                self.push(&flat)
            }
            ExprKind::List(items) => {
                if items.is_empty() && !self.has_comment(e.span) {
                    self.push("[]");
                } else if items.iter().all(|a| a.label.is_none() && is_atom(&a.value)) && !self.has_comment(e.span) {
                    self.fill(items, indent);
                } else {
                    self.bracket("[", &items.iter().map(Element::Arg).collect::<Vec<_>>(), &[], e.span.end, indent);
                }
            }
            ExprKind::Tuple { items, condition } => self.arguments(items, condition.as_ref(), &[], e.span.end, indent),
            ExprKind::Call { callee, args, condition } => {
                self.grouped(callee, flat::base_needs_group(callee), indent, 1);
                if args.is_empty() && condition.is_none() {
                    self.push("()");
                } else {
                    let (before, after) = flat::split_arguments(args, condition.is_some());
                    self.arguments(before, condition.as_ref(), after, e.span.end, indent);
                }
            }
            ExprKind::Index { base, indices } => {
                let last = format!("[{}]", indices.iter().map(flat::expr).collect::<Vec<_>>().join(", "));
                self.grouped(base, flat::base_needs_group(base), indent, last.chars().count() + tail);
                let inside = Span { start: base.span.end, ..e.span };
                if !self.has_comment(inside) && self.fits(&last, tail) {
                    self.push(&last);
                } else {
                    let elements: Vec<Element> = indices.iter().map(Element::Expr).collect();
                    self.bracket("[", &elements, &[], e.span.end, indent);
                }
            }
            ExprKind::Member { base, name } => {
                let last = format!(".{}", name.name);
                self.grouped(base, flat::base_needs_group(base), indent, last.chars().count() + tail);
                self.push(&last);
            }
            ExprKind::Unary { op, arg } => {
                let (mark, group) = match op {
                    UnaryOp::Neg => ("-", flat::binding(arg) <= 8),
                    UnaryOp::Not => ("not ", flat::binding(arg) < 3),
                };
                self.push(mark);
                self.grouped(arg, group, indent, tail);
            }
            ExprKind::Binary { .. } => self.binary(e, indent, tail),
            ExprKind::If { cond, then, otherwise } => {
                self.push("if ");
                self.expr(cond, indent, 5);
                self.push(" then");
                self.newline(indent + 2);
                self.expr(then, indent + 2, 0);
                self.newline(indent);
                self.push("else ");
                self.expr(otherwise, indent, tail);
            }
            ExprKind::Lambda { params, body } => {
                self.push(&format!("{} => ", flat::pattern(params)));
                self.body(body, indent, tail);
            }
            ExprKind::Solve(s) => self.solve(s, e.span, indent, tail),
        }
    }

    /// Whether the expression may not be put on one line: a block in it stood on several, or a bracket in it holds a
    /// comment. (A comment elsewhere in it goes behind what it stands in.)
    pub(super) fn must_break(&self, e: &Expr) -> bool {
        let all = |args: &[Arg]| args.iter().any(|a| self.must_break(&a.value));
        match &*e.kind {
            ExprKind::Number { .. } | ExprKind::Str(_) | ExprKind::Bool(_) | ExprKind::None | ExprKind::Name(_) => {
                false
            }
            ExprKind::List(items) => self.has_comment(e.span) || all(items),
            ExprKind::Tuple { items, condition } => {
                self.has_comment(e.span) || all(items) || condition.as_ref().is_some_and(|c| self.must_break(c))
            }
            ExprKind::Call { callee, args, condition } => {
                self.has_comment(Span { start: callee.span.end, ..e.span })
                    || self.must_break(callee)
                    || all(args)
                    || condition.as_ref().is_some_and(|c| self.must_break(c))
            }
            ExprKind::Index { base, indices } => {
                self.has_comment(Span { start: base.span.end, ..e.span })
                    || self.must_break(base)
                    || indices.iter().any(|i| self.must_break(i))
            }
            ExprKind::Member { base, .. } => self.must_break(base),
            ExprKind::Unary { arg, .. } => self.must_break(arg),
            ExprKind::Binary { lhs, rhs, .. } => self.must_break(lhs) || self.must_break(rhs),
            ExprKind::If { cond, then, otherwise } => [cond, then, otherwise].into_iter().any(|e| self.must_break(e)),
            ExprKind::Lambda { body: Body::Expr(e), .. } => self.must_break(e),
            ExprKind::Lambda { body: Body::Block { stmts, span }, .. } => {
                !stmts.is_empty()
                    && (!self.may_be_flat(*span, stmts.len())
                        || stmts.iter().any(|s| self.must_break(flat::statement_value(s).0)))
            }
            ExprKind::Solve(s) => {
                !self.solve_may_be_flat(s, e.span)
                    || s.equations.iter().any(|q| self.must_break(&q.rhs) || self.must_break(&q.initial))
            }
        }
    }

    fn solve_may_be_flat(&self, s: &Solve, span: Span) -> bool {
        let last = s.solver.as_ref().or(s.to.as_ref()).unwrap_or(&s.from);
        self.may_be_flat(Span { start: last.span.end, ..span }, s.equations.len())
    }

    fn solve(&mut self, s: &Solve, span: Span, indent: usize, tail: usize) {
        self.push(&format!("{} ", flat::solve_head(s)));
        let flat = format!("{{ {} }}", s.equations.iter().map(flat::equation).collect::<Vec<_>>().join("; "));
        if self.solve_may_be_flat(s, span) && self.fits(&flat, tail) {
            return self.push(&flat);
        }
        // `from` is aligned where every equation has a line of its own and fits on it.
        let left = |q: &Equation| format!("{}' = {}", q.name.name, flat::expr(&q.rhs));
        let widest = s.equations.iter().map(|q| left(q).chars().count()).max().unwrap_or(0);
        let fits = |q: &Equation| {
            indent + 2 + widest + 6 + flat::expr(&q.initial).chars().count() <= self.width
                && !self.must_break(&q.rhs)
                && !self.must_break(&q.initial)
        };
        let own_lines = s.equations.windows(2).all(|w| !self.together(w[0].span.end, w[1].span.start));
        let aligned = own_lines && s.equations.iter().all(fits);
        let place = Place { indent, close: span.end, join: "; " };
        self.braces(
            &s.equations,
            |q| q.span,
            place,
            |p, q, indent| {
                if aligned {
                    p.push(&format!("{:<widest$} from {}", left(q), flat::expr(&q.initial)));
                } else {
                    p.push(&format!("{}' = ", q.name.name));
                    p.expr(&q.rhs, indent, 0);
                    p.push(" from ");
                    p.expr(&q.initial, indent, 0);
                }
            },
        );
    }

    /// Operands of one level, broken behind operators where the line is full.
    fn binary(&mut self, e: &Expr, indent: usize, tail: usize) {
        let ExprKind::Binary { op, lhs, rhs, .. } = &*e.kind else { return };
        let (group_l, group_r) = flat::needs_group(*op, lhs, rhs);
        let same_level =
            matches!(&*lhs.kind, ExprKind::Binary { op: inner, .. } if flat::level(*inner) == flat::level(*op));
        let mark = flat::operator(*op);
        if same_level && !group_l {
            self.binary(lhs, indent, mark.len());
        } else {
            self.grouped(lhs, group_l, indent, mark.len());
        }
        self.push(mark);
        let right = if group_r { format!("({})", flat::expr(rhs)) } else { flat::expr(rhs) };
        let width = right.chars().count();
        let spaced = mark.ends_with(' ');
        if spaced && !self.fits(&right, tail) && indent + 2 + width + tail <= self.width && !self.must_break(rhs) {
            self.newline(indent + 2);
            return self.push(&right);
        }
        self.grouped(rhs, group_r, indent, tail);
    }
}
