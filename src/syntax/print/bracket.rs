//! Brackets that do not fit on one line: one element a line, many short ones a line, or a block that hangs from the call's line.

use super::{Printer, flat};
use crate::source::Span;
use crate::syntax::ast::*;

/// An element of a bracket that is printed one element a line.
pub(super) enum Element<'a> {
    Arg(&'a Arg),
    Expr(&'a Expr),
    Formal(&'a Formal),
}

impl Element<'_> {
    fn span(&self) -> Span {
        match self {
            Element::Arg(a) => a.label.as_ref().map_or(a.value.span, |l| l.span.to(a.value.span)),
            Element::Expr(e) => e.span,
            Element::Formal(f) => f.span,
        }
    }
}
impl Printer<'_> {
    pub(super) fn arguments(
        &mut self,
        args: &[Arg],
        condition: Option<&Expr>,
        after: &[Arg],
        close: u32,
        indent: usize,
    ) {
        if condition.is_none() && self.hugging(args, indent) {
            return;
        }
        let elements: Vec<Element> = args
            .iter()
            .map(Element::Arg)
            .chain(condition.map(Element::Expr))
            .chain(after.iter().map(Element::Arg))
            .collect();
        let marks: &[(usize, &str)] = if condition.is_some() { &[(args.len(), " |")] } else { &[] };
        self.bracket("(", &elements, marks, close, indent);
    }

    /// `fold(list, start, (c, k) => {`: a block at the end of a call hangs from the call's line.
    fn hugging(&mut self, args: &[Arg], indent: usize) -> bool {
        let Some((last, before)) = args.split_last() else { return false };
        let ExprKind::Lambda { params, body: body @ Body::Block { span, .. } } = &*last.value.kind else {
            return false;
        };
        let label = last.label.as_ref().map_or(String::new(), |l| format!("{}: ", l.name));
        let mut head = String::from("(");
        for arg in before {
            head += &format!("{}, ", flat::arg(arg));
        }
        head += &format!("{label}{} => ", flat::pattern(params));
        let first = args[0].label.as_ref().map_or(args[0].value.span, |l| l.span);
        let commented = self.has_comment(Span { start: first.start, end: span.start, ..first });
        if commented || !self.fits(&head, 1) || before.iter().any(|a| self.must_break(&a.value)) {
            return false;
        }
        self.push(&head);
        self.body(body, indent, 1);
        self.push(")");
        true
    }

    /// A bracket with one element a line. `marks` holds what separates element `i` from the one before, where that is not a
    /// comma; with marks there is no comma behind the last element. `close` is a byte at or behind the last element.
    pub(super) fn bracket(
        &mut self,
        open: &str,
        elements: &[Element],
        marks: &[(usize, &str)],
        close: u32,
        indent: usize,
    ) {
        let inner = indent + 2;
        self.push(open);
        for (i, element) in elements.iter().enumerate() {
            let span = element.span();
            let mark = marks.iter().find(|(at, _)| *at == i).map(|(_, m)| *m);
            if i == 0
                && let Some(mark) = mark
            {
                self.push(mark.trim_start());
            }
            self.newline(inner);
            self.leading(span.start, inner, None);
            match element {
                Element::Arg(a) => {
                    if let Some(label) = &a.label {
                        self.push(&format!("{}: ", label.name));
                    }
                    self.expr(&a.value, inner, 1);
                }
                Element::Expr(e) => self.expr(e, inner, 1),
                Element::Formal(f) => self.push(&flat::formal(f)),
            }
            let next = marks.iter().find(|(at, _)| *at == i + 1).map(|(_, m)| *m);
            let last = i + 1 == elements.len();
            self.push(match next {
                Some(mark) => mark,
                None if last && !marks.is_empty() => "",
                None => ",",
            });
            let before = elements.get(i + 1).map_or(close, |e| e.span().start);
            self.trailing(span.end, before);
        }
        if self.comments.get(self.next).is_some_and(|c| c.span.start < close) {
            self.newline(inner);
            self.leading(close, inner, None);
            self.out.truncate(self.out.trim_end_matches([' ', '\n']).len());
        }
        self.newline(indent);
        self.push(if open == "(" { ")" } else { "]" });
    }

    /// A list of short values, as many on a line as fit.
    pub(super) fn fill(&mut self, items: &[Arg], indent: usize) {
        self.push("[");
        self.newline(indent + 2);
        for (i, item) in items.iter().enumerate() {
            let text = flat::arg(item);
            if i > 0 {
                self.push(",");
                if self.fits(&text, 2) {
                    self.push(" ");
                } else {
                    self.newline(indent + 2);
                }
            }
            self.push(&text);
        }
        self.push(",");
        self.newline(indent);
        self.push("]");
    }
}

/// Whether a value is short and simple: a number, a name, a fraction, or one of these with a sign.
pub(super) fn is_atom(e: &Expr) -> bool {
    match &*e.kind {
        ExprKind::Number { .. } | ExprKind::Name(_) | ExprKind::Bool(_) | ExprKind::None => true,
        ExprKind::Unary { op: UnaryOp::Neg, arg } => is_atom(arg),
        ExprKind::Binary { op: BinaryOp::Div, lhs, rhs, .. } => is_atom(lhs) && is_atom(rhs),
        _ => false,
    }
}
