//! From pest's pairs to the tree.
//!
//! Pairs of one item -> [`ast::Item`], with the table of precedence. Invariant: every span is exact in the original file; a
//! grouped expression `(a)` leaves no node, its span includes the parentheses. The only fault found here is a chain of
//! comparisons, because only the table sees it. Deliberately absent: comments (see `print`), and any meaning.

use std::sync::LazyLock;

use pest::iterators::{Pair, Pairs};
use pest::pratt_parser::{Assoc, Op, PrattParser};

use super::Rule;
use super::ast::*;
use super::errors;
use crate::diag::{Code, Diagnostic};
use crate::source::{FileId, Span};

/// Loosest first.
static PRECEDENCE: LazyLock<PrattParser<Rule>> = LazyLock::new(|| {
    let left = |r| Op::infix(r, Assoc::Left);
    PrattParser::new()
        .op(left(Rule::or))
        .op(left(Rule::and))
        .op(Op::prefix(Rule::not))
        .op(left(Rule::equal) | left(Rule::at_most) | left(Rule::at_least) | left(Rule::less) | left(Rule::greater))
        .op(left(Rule::range))
        .op(left(Rule::add) | left(Rule::subtract))
        .op(left(Rule::multiply) | left(Rule::divide) | left(Rule::product))
        .op(Op::prefix(Rule::negate))
        .op(Op::infix(Rule::power, Assoc::Right))
});

type P<'i> = Pair<'i, Rule>;

/// Builds trees of one file.
pub struct Builder {
    /// The file.
    pub file: FileId,
    /// Offset of the parsed slice in the file.
    pub base: u32,
    /// Chains of comparisons.
    pub faults: Vec<Diagnostic>,
}

/// The children of a pair without punctuation, taken in the order of the grammar.
struct Parts<'i>(std::iter::Peekable<std::vec::IntoIter<P<'i>>>);

impl<'i> Parts<'i> {
    fn of(pair: P<'i>) -> Self {
        let keep = |p: &P| !is_punctuation(p.as_rule());
        Parts(pair.into_inner().filter(keep).collect::<Vec<_>>().into_iter().peekable())
    }

    fn next(&mut self) -> P<'i> {
        self.0.next().expect("the grammar gives this part")
    }

    fn next_if(&mut self, rule: Rule) -> Option<P<'i>> {
        self.0.next_if(|p| p.as_rule() == rule)
    }

    fn skip(&mut self, rule: Rule) -> bool {
        self.next_if(rule).is_some()
    }

    fn rest(self) -> impl Iterator<Item = P<'i>> {
        self.0
    }
}

/// Marks and words that say nothing beyond their place. (`tilde` is kept: `param w ~ law` differs from `param w = value`.)
fn is_punctuation(r: Rule) -> bool {
    matches!(
        r,
        Rule::equals
            | Rule::fat_arrow
            | Rule::arrow
            | Rule::colon
            | Rule::comma
            | Rule::bar
            | Rule::semicolon
            | Rule::round_open
            | Rule::round_close
            | Rule::square_open
            | Rule::square_close
            | Rule::curly_open
            | Rule::curly_close
            | Rule::let_word
            | Rule::draw_word
            | Rule::param_word
            | Rule::minimize_word
            | Rule::if_word
            | Rule::then_word
            | Rule::else_word
            | Rule::solve_word
            | Rule::from_word
            | Rule::compare_word
            | Rule::in_word
            | Rule::expect_word
            | Rule::published_word
            | Rule::within_word
            | Rule::stage_word
            | Rule::tableau_word
            | Rule::use_word
            | Rule::fn_word
    )
}

impl Builder {
    /// The place of a pair. Pest takes the blanks behind the last part of a rule into it; they are left out here.
    fn span(&self, pair: &P) -> Span {
        let start = self.base + pair.as_span().start() as u32;
        Span { file: self.file, start, end: start + pair.as_str().trim_end().len() as u32 }
    }

    /// The items of a `file` or `lone_item`.
    pub fn items(&mut self, pairs: Pairs<Rule>) -> Vec<Item> {
        let root = pairs.flatten().next().expect("a parse has a root");
        root.into_inner().filter(|p| p.as_rule() == Rule::item).map(|p| self.item(p)).collect()
    }

    fn ident(&self, pair: P) -> Ident {
        Ident { name: pair.as_str().to_string(), span: self.span(&pair) }
    }

    fn item(&mut self, pair: P) -> Item {
        let span = self.span(&pair);
        let inner = pair.into_inner().next().expect("an item has a form");
        let rule = inner.as_rule();
        let mut p = Parts::of(inner);
        let kind = match rule {
            Rule::bind => ItemKind::Bind { name: self.ident(p.next()), value: self.expr(p.next()) },
            Rule::setting => ItemKind::Setting { name: self.ident(p.next()), value: self.expr(p.next()) },
            Rule::define => ItemKind::Define(self.define(p)),
            Rule::parameter => ItemKind::Param(self.parameter(p)),
            Rule::block => ItemKind::Block { keyword: self.ident(p.next()), entries: self.entries(p.next()) },
            Rule::listing => {
                let keyword = self.ident(p.next());
                let items = Parts::of(p.next()).next_if(Rule::arguments).map_or(Vec::new(), |a| self.arguments(a));
                ItemKind::List { keyword, items }
            }
            Rule::compare => ItemKind::Compare { name: self.ident(p.next()), list: self.expr(p.next()) },
            Rule::expect => {
                let claim = p.next();
                let (start, text, known) = (self.span(&claim).start, claim.as_str().to_owned(), self.faults.len());
                let condition = self.expr(claim);
                let chained = self.faults.split_off(known).into_iter();
                self.faults.extend(chained.map(|d| match d.code {
                    Code::ChainedComparison => errors::chained_expectation(d, text.trim_end(), start),
                    _ => d,
                }));
                ItemKind::Expect { condition, within: p.next_if(Rule::expr).map(|e| self.expr(e)) }
            }
            Rule::published => ItemKind::Published {
                result: self.expr(p.next()),
                value: self.expr(p.next()),
                within: p.next_if(Rule::expr).map(|e| self.expr(e)),
                origin: p.next_if(Rule::string).map(|s| unquote(s.as_str())),
            },
            Rule::stage => {
                let name = self.ident(p.next());
                ItemKind::Stage { name, items: p.rest().map(|i| self.item(i)).collect() }
            }
            Rule::tableau => ItemKind::Tableau { name: self.ident(p.next()), entries: self.entries(p.next()) },
            _ => self.import(p),
        };
        Item { kind, doc: String::new(), span }
    }

    fn import(&mut self, mut p: Parts) -> ItemKind {
        let target = p.next();
        let span = self.span(&target);
        let target = if target.as_rule() == Rule::string {
            UseTarget::File { path: unquote(target.as_str()), span }
        } else {
            UseTarget::Module { parts: target.into_inner().map(|n| self.ident(n)).collect(), span }
        };
        let names = p.next_if(Rule::import_names).map(|n| Parts::of(n).rest().map(|n| self.ident(n)).collect());
        ItemKind::Use { target, names: names.unwrap_or_default() }
    }

    fn define(&mut self, mut p: Parts) -> Define {
        let word = p.next();
        let kind = match word.as_str() {
            "fn" => DefKind::Fn,
            "net" => DefKind::Net,
            "field" => DefKind::Field,
            "path" => DefKind::Path,
            "objective" => DefKind::Objective,
            "sampler" => DefKind::Sampler,
            "log_density" => DefKind::LogDensity,
            "entropy" => DefKind::Entropy,
            "modes" => DefKind::Modes,
            _ => DefKind::Coupling,
        };
        let mut signature = Parts::of(p.next());
        let name = self.ident(signature.next());
        let header = signature.next_if(Rule::header).map(|h| self.header(h)).unwrap_or_default();
        let result = p.next_if(Rule::result).map(|r| self.type_expr(Parts::of(r).next()));
        let body = p.next();
        Define { kind, name, header, result, body: self.body(body) }
    }

    fn header(&mut self, pair: P) -> Header {
        let mut header = Header::default();
        for part in Parts::of(pair).rest() {
            match part.as_rule() {
                Rule::formals => header.inputs = Parts::of(part).rest().map(|f| self.formal(f)).collect(),
                Rule::config => header.config = Parts::of(part).rest().map(|f| self.formal(f)).collect(),
                _ => header.condition = Some(self.formal(part)),
            }
        }
        header
    }

    fn formal(&mut self, pair: P) -> Formal {
        let span = self.span(&pair);
        let mut p = Parts::of(pair);
        let name = self.ident(p.next());
        let ty = p.next_if(Rule::type_expr).map(|t| self.type_expr(t));
        let default = p.next_if(Rule::expr).map(|e| self.expr(e));
        Formal { name, ty, default, span }
    }

    fn parameter(&mut self, mut p: Parts) -> ParamDecl {
        let name = self.ident(p.next());
        let ty = self.type_expr(p.next());
        let random = p.skip(Rule::tilde);
        let value = self.expr(p.next());
        ParamDecl { name, ty, init: if random { ParamInit::Law(value) } else { ParamInit::Value(value) } }
    }

    fn type_expr(&mut self, pair: P) -> TypeExpr {
        let span = self.span(&pair);
        let inner = pair.into_inner().next().expect("a type has a form");
        let rule = inner.as_rule();
        let mut p = Parts::of(inner);
        if rule == Rule::named_type {
            let name = self.ident(p.next());
            let dims = p.next_if(Rule::dims).map(|d| Parts::of(d).rest().map(|e| self.expr(e)).collect());
            return TypeExpr::Name { name, dims: dims.unwrap_or_default(), span };
        }
        let (mut inputs, mut condition) = (Vec::new(), None);
        for part in p.rest() {
            if part.as_rule() == Rule::condition_type {
                condition = Some(Box::new(self.type_expr(Parts::of(part).next())));
            } else {
                inputs.push(self.type_expr(part));
            }
        }
        let result = Box::new(inputs.pop().expect("a function type has a result"));
        TypeExpr::Fn { inputs, condition, result, span }
    }

    fn body(&mut self, pair: P) -> Body {
        if pair.as_rule() != Rule::body {
            return Body::Expr(self.expr(pair));
        }
        let span = self.span(&pair);
        Body::Block { stmts: Parts::of(pair).rest().map(|s| self.statement(s)).collect(), span }
    }

    fn statement(&mut self, pair: P) -> Stmt {
        let span = self.span(&pair);
        let inner = pair.into_inner().next().expect("a statement has a form");
        let rule = inner.as_rule();
        let mut p = Parts::of(inner);
        let kind = match rule {
            Rule::binding => StmtKind::Let { pattern: self.pattern(p.next()), value: self.expr(p.next()) },
            Rule::draw => {
                let pattern = self.pattern(p.next());
                let ty = p.next_if(Rule::type_expr).map(|t| self.type_expr(t));
                p.skip(Rule::tilde);
                StmtKind::Draw { pattern, ty, law: self.expr(p.next()) }
            }
            Rule::parameter => StmtKind::Param(self.parameter(p)),
            Rule::minimize => StmtKind::Minimize(self.expr(p.next())),
            _ => StmtKind::Value(self.expr(p.next())),
        };
        Stmt { kind, span }
    }

    fn pattern(&mut self, pair: P) -> Pattern {
        let span = self.span(&pair);
        let (mut names, mut condition) = (Vec::new(), None);
        for part in Parts::of(pair).rest() {
            if part.as_rule() == Rule::condition_name {
                condition = Some(self.ident(Parts::of(part).next()));
            } else {
                names.push(self.ident(part));
            }
        }
        match (names.len(), &condition) {
            (1, None) => Pattern::Name(names.remove(0)),
            _ => Pattern::Tuple { names, condition, span },
        }
    }

    fn entries(&mut self, pair: P) -> Vec<Entry> {
        let entry = |e| {
            let mut p = Parts::of(e);
            Entry { key: self.ident(p.next()), value: self.expr(p.next()) }
        };
        Parts::of(pair).rest().map(entry).collect()
    }

    fn expr(&mut self, pair: P) -> Expr {
        let span = self.span(&pair);
        let inner = pair.into_inner().next().expect("an expression has a form");
        let kind = match inner.as_rule() {
            Rule::operation => return self.operation(inner),
            Rule::conditional => {
                let mut p = Parts::of(inner);
                ExprKind::If { cond: self.expr(p.next()), then: self.expr(p.next()), otherwise: self.expr(p.next()) }
            }
            _ => {
                let mut p = Parts::of(inner);
                ExprKind::Lambda { params: self.pattern(p.next()), body: self.body(p.next()) }
            }
        };
        Expr { kind: Box::new(kind), span }
    }

    fn operation(&mut self, pair: P) -> Expr {
        let (file, base) = (self.file, self.base);
        let place = |p: &P| {
            let s = p.as_span();
            Span { file, start: base + s.start() as u32, end: base + s.end() as u32 }
        };
        let mut chains = Vec::new();
        // Beside each expression: the place of its comparison, if it is one that stands without parentheses.
        let (expr, _) = PRECEDENCE
            .map_primary(|p| (self.operand(p), None))
            .map_prefix(|op, (arg, _): (Expr, Option<Span>)| {
                let span = place(&op).to(arg.span);
                let op = if op.as_rule() == Rule::not { UnaryOp::Not } else { UnaryOp::Neg };
                (Expr { kind: Box::new(ExprKind::Unary { op, arg }), span }, None)
            })
            .map_infix(|(lhs, before), op, (rhs, _)| {
                let (op_span, op) = (place(&op), binary_op(op.as_rule()));
                let compares = matches!(op, BinaryOp::Eq | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge);
                if let (true, Some(before)) = (compares, before) {
                    chains.push((before, op_span, lhs.span.to(rhs.span)));
                }
                let span = lhs.span.to(rhs.span);
                (Expr { kind: Box::new(ExprKind::Binary { op, op_span, lhs, rhs }), span }, compares.then_some(op_span))
            })
            .parse(pair.into_inner());
        self.faults
            .extend(chains.into_iter().map(|(first, second, all)| errors::chained_comparison(first, second, all)));
        expr
    }

    fn operand(&mut self, pair: P) -> Expr {
        let mut parts = pair.into_inner();
        let mut e = self.primary(parts.next().expect("an operand has a primary"));
        for part in parts {
            let span = e.span.to(self.span(&part));
            let kind = match part.as_rule() {
                Rule::call => {
                    let (args, condition) = self.arguments_and_condition(part);
                    ExprKind::Call { callee: e, args, condition }
                }
                Rule::index => {
                    ExprKind::Index { base: e, indices: Parts::of(part).rest().map(|i| self.expr(i)).collect() }
                }
                _ => ExprKind::Member { base: e, name: self.ident(Parts::of(part).next()) },
            };
            e = Expr { kind: Box::new(kind), span };
        }
        e
    }

    fn primary(&mut self, pair: P) -> Expr {
        let span = self.span(&pair);
        let inner = pair.into_inner().next().expect("a primary has a form");
        let text = inner.as_str();
        let kind = match inner.as_rule() {
            Rule::solve => ExprKind::Solve(self.solve(inner)),
            Rule::list => {
                let items = Parts::of(inner).next_if(Rule::arguments).map_or(Vec::new(), |a| self.arguments(a));
                ExprKind::List(items)
            }
            Rule::tuple => {
                let (mut items, condition) = self.arguments_and_condition(inner);
                if items.len() == 1 && items[0].label.is_none() && condition.is_none() {
                    let grouped = items.remove(0).value;
                    return Expr { span, ..grouped };
                }
                ExprKind::Tuple { items, condition }
            }
            Rule::number => number(text),
            Rule::string => ExprKind::Str(unquote(text)),
            Rule::truth => ExprKind::Bool(text == "true"),
            Rule::nothing => ExprKind::None,
            _ => ExprKind::Name(text.to_string()),
        };
        Expr { kind: Box::new(kind), span }
    }

    fn arguments_and_condition(&mut self, pair: P) -> (Vec<Arg>, Option<Expr>) {
        let mut p = Parts::of(pair);
        let mut args = p.next_if(Rule::arguments).map_or(Vec::new(), |a| self.arguments(a));
        let condition = p.next_if(Rule::condition).map(|c| self.expr(Parts::of(c).next()));
        args.extend(p.rest().map(|a| self.argument(a)));
        (args, condition)
    }

    fn arguments(&mut self, pair: P) -> Vec<Arg> {
        Parts::of(pair).rest().map(|a| self.argument(a)).collect()
    }

    fn argument(&mut self, pair: P) -> Arg {
        let mut p = Parts::of(pair);
        let label = p.next_if(Rule::label).map(|l| self.ident(Parts::of(l).next()));
        Arg { label, value: self.expr(p.next()) }
    }

    fn solve(&mut self, pair: P) -> Solve {
        let mut p = Parts::of(pair);
        let time = self.ident(p.next());
        let from = self.expr(p.next());
        let to = p.next_if(Rule::expr).map(|e| self.expr(e));
        let solver = p.skip(Rule::with_word).then(|| self.expr(p.next()));
        let equation = |e: P| {
            let span = self.span(&e);
            let mut p = Parts::of(e);
            let name = self.ident(Parts::of(p.next()).next());
            Equation { name, rhs: self.expr(p.next()), initial: self.expr(p.next()), span }
        };
        let equations = Parts::of(p.next()).rest().map(equation).collect();
        Solve { time, from, to, solver, equations }
    }
}

fn binary_op(rule: Rule) -> BinaryOp {
    match rule {
        Rule::or => BinaryOp::Or,
        Rule::and => BinaryOp::And,
        Rule::equal => BinaryOp::Eq,
        Rule::at_most => BinaryOp::Le,
        Rule::at_least => BinaryOp::Ge,
        Rule::less => BinaryOp::Lt,
        Rule::greater => BinaryOp::Gt,
        Rule::range => BinaryOp::Range,
        Rule::add => BinaryOp::Add,
        Rule::subtract => BinaryOp::Sub,
        Rule::multiply => BinaryOp::Mul,
        Rule::divide => BinaryOp::Div,
        Rule::product => BinaryOp::MatMul,
        Rule::power => BinaryOp::Pow,
        other => unreachable!("the table of precedence holds no {other:?}"),
    }
}

fn number(text: &str) -> ExprKind {
    let value = text.replace('_', "").parse().expect("the scanner refused other numbers");
    let is_int = !text.contains('.') && !text.to_ascii_lowercase().contains("e-");
    ExprKind::Number { text: text.to_string(), value, is_int }
}

fn unquote(text: &str) -> String {
    text[1..text.len() - 1].to_string()
}
