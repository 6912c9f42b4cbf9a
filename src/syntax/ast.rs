//! The tree that the parser builds: what was written, with exact spans and every comment.
//!
//! Invariant: `print(parse(text))` parses to the same tree, and no comment is lost.

use crate::source::{FileId, Span};

/// A whole file.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// Which file.
    pub id: FileId,
    /// The items in order.
    pub items: Vec<Item>,
    /// Every comment in order of position.
    pub comments: Vec<Comment>,
}

/// A comment, from its slashes to the end of the line (line end excluded).
#[derive(Clone, Debug, PartialEq)]
pub struct Comment {
    /// Where.
    pub span: Span,
    /// The text with its slashes: `// ...`, `/// ...` or `//! ...`.
    pub text: String,
    /// Whether nothing but blanks stands before it on its line.
    pub own_line: bool,
}

/// A name with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Ident {
    /// The name.
    pub name: String,
    /// Where.
    pub span: Span,
}

/// One top-level declaration, with the documentation comment (`///` lines) above it.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What it declares.
    pub kind: ItemKind,
    /// The `///` lines directly above, without slashes, joined by line ends; empty if none.
    pub doc: String,
    /// The whole item.
    pub span: Span,
}

/// The forms of a top-level declaration.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemKind {
    /// `name = value`
    Bind { name: Ident, value: Expr },
    /// `seed 3`, `seeds 0..5`, `precision f64`
    Setting { name: Ident, value: Expr },
    /// `fn`, `net`, `field`, `path`, `sampler`, `log_density`, `entropy`, `modes`, `objective`, `coupling`
    Define(Define),
    /// `param T: real = 0.5`
    Param(ParamDecl),
    /// `train { ... }`, `generate { ... }`
    Block { keyword: Ident, entries: Vec<Entry> },
    /// `evaluate [ ... ]`, `plot [ ... ]`
    List { keyword: Ident, items: Vec<Arg> },
    /// `compare name in list`
    Compare { name: Ident, list: Expr },
    /// `expect condition within tolerance`
    Expect { condition: Expr, within: Option<Expr> },
    /// `published result = value within spread from "origin"`
    Published { result: Expr, value: Expr, within: Option<Expr>, origin: Option<String> },
    /// `stage name { items }`
    Stage { name: Ident, items: Vec<Item> },
    /// `tableau name { c: ..., a: ..., b: ..., b_err: ..., order: ... }`
    Tableau { name: Ident, entries: Vec<Entry> },
    /// `use "file.flow"`, `use std.paths (vp, straight)`
    Use { target: UseTarget, names: Vec<Ident> },
}

/// What `use` names.
#[derive(Clone, Debug, PartialEq)]
pub enum UseTarget {
    /// A file beside the user's, in quotes.
    File { path: String, span: Span },
    /// A library module, dotted.
    Module { parts: Vec<Ident>, span: Span },
}

/// The keyword of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DefKind {
    /// A template: elaborated anew at every call.
    Fn,
    /// A function with parameters of its own, one set for each configuration.
    Net,
    /// A `net` of type `(x, t | y) -> x`.
    Field,
    /// A probability path.
    Path,
    /// Ends in `minimize e`.
    Objective,
    /// The sampling facet of a law.
    Sampler,
    /// The log-density facet of a law.
    LogDensity,
    /// The entropy facet of a law, nats.
    Entropy,
    /// The facet of a law that takes it apart: a list of (weight, of).
    Modes,
    /// Draws pairs from two laws.
    Coupling,
}

impl DefKind {
    /// The word of the language.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        match self {
            DefKind::Fn => "fn",
            DefKind::Net => "net",
            DefKind::Field => "field",
            DefKind::Path => "path",
            DefKind::Objective => "objective",
            DefKind::Sampler => "sampler",
            DefKind::LogDensity => "log_density",
            DefKind::Entropy => "entropy",
            DefKind::Modes => "modes",
            DefKind::Coupling => "coupling",
        }
    }
}

/// A definition `kind name(inputs | condition; configuration) -> type = body`.
#[derive(Clone, Debug, PartialEq)]
pub struct Define {
    /// Its keyword.
    pub kind: DefKind,
    /// Its name.
    pub name: Ident,
    /// Its parameters.
    pub header: Header,
    /// The declared result type.
    pub result: Option<TypeExpr>,
    /// What it computes.
    pub body: Body,
}

/// `(inputs | condition; configuration)`; all empty if there are no parentheses.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Header {
    /// By position.
    pub inputs: Vec<Formal>,
    /// After the bar.
    pub condition: Option<Formal>,
    /// After the semicolon, by name. (A `sampler`, `objective` or `coupling` may also give its configuration as inputs:
    /// they are called with names only.)
    pub config: Vec<Formal>,
}

/// `name: type = default`
#[derive(Clone, Debug, PartialEq)]
pub struct Formal {
    /// The name.
    pub name: Ident,
    /// The written type.
    pub ty: Option<TypeExpr>,
    /// The default.
    pub default: Option<Expr>,
    /// All of it.
    pub span: Span,
}

/// A type as written: `real`, `vec[2*n]`, `class[10]`, `path`, `fn(vec[n], real) -> real`.
#[derive(Clone, Debug, PartialEq)]
pub enum TypeExpr {
    /// A word with dimensions.
    Name { name: Ident, dims: Vec<Expr>, span: Span },
    /// A function type.
    Fn { inputs: Vec<TypeExpr>, condition: Option<Box<TypeExpr>>, result: Box<TypeExpr>, span: Span },
}

/// The body of a definition or lambda.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// `= expr`
    Expr(Expr),
    /// `{ statements }`
    Block { stmts: Vec<Stmt>, span: Span },
}

/// A statement of a block.
#[derive(Clone, Debug, PartialEq)]
pub struct Stmt {
    /// What it does.
    pub kind: StmtKind,
    /// All of it.
    pub span: Span,
}

/// The forms of a statement.
#[derive(Clone, Debug, PartialEq)]
pub enum StmtKind {
    /// `let pattern = value`
    Let { pattern: Pattern, value: Expr },
    /// `draw pattern: type ~ law`
    Draw { pattern: Pattern, ty: Option<TypeExpr>, law: Expr },
    /// `param W: mat[m, n] ~ normal(0, 0.1)`
    Param(ParamDecl),
    /// `minimize e`
    Minimize(Expr),
    /// The block's value, its last statement.
    Value(Expr),
}

/// A trainable parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamDecl {
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub ty: TypeExpr,
    /// `= value` (constant) or `~ law` (random).
    pub init: ParamInit,
}

/// How a parameter begins.
#[derive(Clone, Debug, PartialEq)]
pub enum ParamInit {
    /// Every element has this value.
    Value(Expr),
    /// Elements are independent draws of this law.
    Law(Expr),
}

/// What a `let`, `draw` or lambda binds.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    /// One name.
    Name(Ident),
    /// `(a, b | c)`
    Tuple { names: Vec<Ident>, condition: Option<Ident>, span: Span },
}

/// `key: value` in a block.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Ident,
    /// The value.
    pub value: Expr,
}

/// An argument or element, labelled or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    /// `label:` before the value.
    pub label: Option<Ident>,
    /// The value.
    pub value: Expr,
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: Box<ExprKind>,
    /// Where.
    pub span: Span,
}

/// The forms of an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `3`, `1e-5`, `5_000`: the text as written; an integer has neither point nor exponent with a fraction (`1e8` is one).
    Number { text: String, value: f64, is_int: bool },
    /// `"digits.npz"` without the quotes.
    Str(String),
    /// `true`, `false`
    Bool(bool),
    /// `none`
    None,
    /// A name.
    Name(String),
    /// `[a, b]`, `[label: a, b]`
    List(Vec<Arg>),
    /// `(a, b)`, `(x: a, y: b)`. `(a)` is grouping and leaves no node. `(a, b | c)` has a condition.
    Tuple { items: Vec<Arg>, condition: Option<Expr> },
    /// `f(a, b | c, name: d)`
    Call { callee: Expr, args: Vec<Arg>, condition: Option<Expr> },
    /// `x[i]`, `x[i, j]`, `x[a..b]`
    Index { base: Expr, indices: Vec<Expr> },
    /// `r.name`
    Member { base: Expr, name: Ident },
    /// `-a`, `not a`
    Unary { op: UnaryOp, arg: Expr },
    /// `a + b`; `op_span` is the operator's place.
    Binary { op: BinaryOp, op_span: Span, lhs: Expr, rhs: Expr },
    /// `if c then a else b`
    If { cond: Expr, then: Expr, otherwise: Expr },
    /// `(h, w) => body`
    Lambda { params: Pattern, body: Body },
    /// `solve t: a -> b with s { x' = f from x0 }`
    Solve(Solve),
}

/// An initial-value problem.
#[derive(Clone, Debug, PartialEq)]
pub struct Solve {
    /// The name of time.
    pub time: Ident,
    /// The start, or the vector of times if `to` is absent.
    pub from: Expr,
    /// The end.
    pub to: Option<Expr>,
    /// `with solver`
    pub solver: Option<Expr>,
    /// The equations.
    pub equations: Vec<Equation>,
}

/// `x' = rhs from initial`
#[derive(Clone, Debug, PartialEq)]
pub struct Equation {
    /// The component's name.
    pub name: Ident,
    /// Its derivative.
    pub rhs: Expr,
    /// Its initial value.
    pub initial: Expr,
    /// All of it.
    pub span: Span,
}

/// Prefix operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// `-`
    Neg,
    /// `not`
    Not,
}

/// Infix operators, loosest last in the language's table: `^` (right), prefix `-`, `* / @`, `+ -`, `..`, comparisons, `not`, `and`, `or`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `@`
    MatMul,
    /// `^`
    Pow,
    /// `..`
    Range,
    /// `==`
    Eq,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `and`
    And,
    /// `or`
    Or,
}
