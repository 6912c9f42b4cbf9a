//! Laws of the canonical printer: it is idempotent, it keeps the tree, it loses no comment.

use flowc::diag::Sink;
use flowc::source::{FileId, Span};
use flowc::syntax::ast::*;
use flowc::syntax::{parse, print};
use proptest::prelude::*;

use crate::syntax::specs;

fn tree(text: &str) -> File {
    let mut sink = Sink::default();
    let file = parse(FileId(0), text, &mut sink);
    let errors: Vec<String> = sink.finish().iter().map(|d| format!("{} {:?}", d.message, d.primary)).collect();
    assert!(errors.is_empty(), "{errors:?} in\n{text}");
    file
}

/// A tree as text without its spans.
fn shape(file: &File) -> String {
    let all = format!("{:?}", file.items);
    let mut out = String::new();
    let mut rest = all.as_str();
    while let Some(at) = rest.find("Span {") {
        out.push_str(&rest[..at]);
        let end = rest[at..].find('}').expect("a span ends");
        rest = &rest[at + end + 1..];
    }
    out + rest
}

fn comments(file: &File) -> Vec<&str> {
    file.comments.iter().map(|c| c.text.trim_end()).collect()
}

fn check(name: &str, text: &str) -> String {
    let first = tree(text);
    let printed = print::print(&first, Some(text));
    let second = tree(&printed);
    assert_eq!(shape(&first), shape(&second), "{name}: the tree changed in\n{printed}");
    assert_eq!(comments(&first), comments(&second), "{name}: comments changed in\n{printed}");
    let again = print::print(&second, Some(&printed));
    assert_eq!(printed, again, "{name}: printing twice differs");
    printed
}

#[test]
fn specs_survive_printing() {
    for (name, text) in specs() {
        let printed = check(&name, &text);
        for line in printed.lines() {
            let width = line.chars().count();
            assert!(width <= print::WIDTH || line.contains("//"), "{name}: {width} columns: {line}");
        }
        if std::env::var_os("FLOWC_SHOW").is_some() {
            println!("==== {name}\n{printed}");
        }
    }
}

#[test]
fn comments_stay_wherever_they_stand() {
    let text = "// head\n\n\n/// doc\nfield v(x, // of x\n  t) = f(x, // first\n  // second\n  g(t) // third\n) // fourth\n// tail\n\
                train { // why\n  steps: 3 // few\n\n\n  // last\n}\nm = (1 + // one\n  2) * [3, // three\n 4]\n\
                o = x => { // body\n  let a = 1 // a\n\n  a // value\n  // end\n}\ns = solve t: 0 -> 1 { // eq\n  x' = x from 1 // x\n}\n\
                stage one { // s\n  // t\n  train { steps: 1 } // u\n}\nn = if a // c\n  then b // d\n  else c\n// bottom";
    check("comments", text);
}

#[test]
fn comments_survive_at_every_line_end_of_every_spec() {
    for (name, text) in specs() {
        let mut n = 0;
        let commented: String = text
            .lines()
            .map(|l| {
                n += 1;
                if l.contains("//") { format!("{l}\n") } else { format!("{l} // c{n}\n// own {n}\n") }
            })
            .collect();
        check(&name, &commented);
    }
}

#[test]
fn lines_and_groups_that_the_author_chose_are_kept() {
    let kept = "source = normal(dim: 2); target = moons(noise: 0.05)\n\nobjective o { draw x ~ source; minimize x }\n";
    assert_eq!(check("kept", kept), kept);
    assert_eq!(check("blank lines", "a = 1\n\n\n\nb = 2\n"), "a = 1\n\nb = 2\n");
    assert_eq!(check("blanks", "a   =  f( x ,y ) ;b=2"), "a = f(x, y); b = 2\n");
    assert_eq!(check("negative value", "fn f(x) {\n(-x) }"), "fn f(x) {\n  (-x)\n}\n");
    assert_eq!(check("needless", "a = ((1 + 2)) * (3)^(4)"), "a = (1 + 2) * 3^4\n");
}

// ---- generated trees ---------------------------------------------------------------------------------------------------

const NOWHERE: Span = Span { file: FileId(0), start: 0, end: 0 };

fn ident() -> impl Strategy<Value = Ident> {
    "[a-z][a-z0-9_]{0,6}"
        .prop_filter("reserved", |n| !flowc::syntax::RESERVED.contains(&n.as_str()))
        .prop_map(|name| Ident { name, span: NOWHERE })
}

fn make(kind: ExprKind) -> Expr {
    Expr { kind: Box::new(kind), span: NOWHERE }
}

fn number() -> BoxedStrategy<Expr> {
    prop_oneof![Just("0"), Just("5_000"), Just("1e-5"), Just("0.25"), Just("1e8"), Just("44")]
        .prop_map(|text| {
            let value = text.replace('_', "").parse().expect("a number");
            let is_int = !text.contains(['.', '-']);
            make(ExprKind::Number { text: text.into(), value, is_int })
        })
        .boxed()
}

fn pattern() -> impl Strategy<Value = Pattern> {
    prop_oneof![
        ident().prop_map(Pattern::Name),
        (prop::collection::vec(ident(), 0..4), prop::option::of(ident()))
            .prop_filter("one name is no tuple", |(n, c)| n.len() != 1 || c.is_some())
            .prop_map(|(names, condition)| Pattern::Tuple { names, condition, span: NOWHERE }),
    ]
}

fn args(e: impl Strategy<Value = Expr> + Clone) -> impl Strategy<Value = Vec<Arg>> {
    prop::collection::vec((prop::option::of(ident()), e).prop_map(|(label, value)| Arg { label, value }), 0..4)
}

fn type_expr(e: impl Strategy<Value = Expr> + Clone + 'static) -> impl Strategy<Value = TypeExpr> {
    let named = (ident().prop_filter("a function type begins so", |i| i.name != "fn"), prop::collection::vec(e, 0..3));
    let named = named.prop_map(|(name, dims)| TypeExpr::Name { name, dims, span: NOWHERE });
    named.prop_recursive(2, 6, 3, |inner| {
        (prop::collection::vec(inner.clone(), 0..3), prop::option::of(inner.clone()), inner).prop_map(
            |(inputs, condition, result)| TypeExpr::Fn {
                inputs,
                condition: condition.map(Box::new),
                result: Box::new(result),
                span: NOWHERE,
            },
        )
    })
}

fn statements(e: impl Strategy<Value = Expr> + Clone + 'static) -> impl Strategy<Value = Vec<Stmt>> {
    let ty = type_expr(number());
    let one = prop_oneof![
        (pattern(), e.clone()).prop_map(|(pattern, value)| StmtKind::Let { pattern, value }),
        (pattern(), prop::option::of(ty), e.clone()).prop_map(|(pattern, ty, law)| StmtKind::Draw { pattern, ty, law }),
        param(e.clone()).prop_map(StmtKind::Param),
        e.clone().prop_map(StmtKind::Minimize),
        e.prop_map(StmtKind::Value),
    ];
    prop::collection::vec(one.prop_map(|kind| Stmt { kind, span: NOWHERE }), 0..4)
}

fn param(e: impl Strategy<Value = Expr> + Clone + 'static) -> impl Strategy<Value = ParamDecl> {
    (ident(), type_expr(number()), e, any::<bool>()).prop_map(|(name, ty, e, law)| {
        let init = if law { ParamInit::Law(e) } else { ParamInit::Value(e) };
        ParamDecl { name, ty, init }
    })
}

fn binary_op() -> impl Strategy<Value = BinaryOp> {
    use BinaryOp::*;
    prop::sample::select(vec![Add, Sub, Mul, Div, MatMul, Pow, Range, Eq, Lt, Le, Gt, Ge, And, Or])
}

fn expr() -> BoxedStrategy<Expr> {
    let leaf = prop_oneof![
        number(),
        "[^\"\n\r]{0,8}".prop_map(|s| make(ExprKind::Str(s))),
        any::<bool>().prop_map(|b| make(ExprKind::Bool(b))),
        Just(make(ExprKind::None)),
        ident().prop_map(|i| make(ExprKind::Name(i.name))),
    ];
    leaf.prop_recursive(5, 40, 4, |e| {
        let block = statements(e.clone()).prop_map(|stmts| Body::Block { stmts, span: NOWHERE });
        let equation = (ident(), e.clone(), e.clone()).prop_map(|(name, rhs, initial)| Equation {
            name,
            rhs,
            initial,
            span: NOWHERE,
        });
        prop_oneof![
            args(e.clone()).prop_map(|a| make(ExprKind::List(a))),
            (args(e.clone()), prop::option::of(e.clone()))
                .prop_filter("a group is no tuple", |(a, c)| {
                    !a.is_empty() && (a.len() > 1 || a[0].label.is_some() || c.is_some())
                })
                .prop_map(|(items, condition)| make(ExprKind::Tuple { items, condition })),
            (e.clone(), args(e.clone()), prop::option::of(e.clone()))
                .prop_map(|(callee, args, condition)| make(ExprKind::Call { callee, args, condition })),
            (e.clone(), prop::collection::vec(e.clone(), 1..3))
                .prop_map(|(base, indices)| make(ExprKind::Index { base, indices })),
            (e.clone(), ident()).prop_map(|(base, name)| make(ExprKind::Member { base, name })),
            (e.clone(), any::<bool>()).prop_map(|(arg, not)| {
                make(ExprKind::Unary { op: if not { UnaryOp::Not } else { UnaryOp::Neg }, arg })
            }),
            (binary_op(), e.clone(), e.clone()).prop_map(|(op, lhs, rhs)| make(ExprKind::Binary {
                op,
                op_span: NOWHERE,
                lhs,
                rhs
            })),
            (e.clone(), e.clone(), e.clone()).prop_map(|(cond, then, otherwise)| make(ExprKind::If {
                cond,
                then,
                otherwise
            })),
            (pattern(), prop_oneof![e.clone().prop_map(Body::Expr), block])
                .prop_map(|(params, body)| make(ExprKind::Lambda { params, body })),
            (
                ident(),
                e.clone(),
                prop::option::of(e.clone()),
                prop::option::of(e),
                prop::collection::vec(equation, 1..3)
            )
                .prop_map(|(time, from, to, solver, equations)| {
                    make(ExprKind::Solve(Solve { time, from, to, solver, equations }))
                }),
        ]
    })
    .boxed()
}

fn formal() -> impl Strategy<Value = Formal> {
    (ident(), prop::option::of(type_expr(number())), prop::option::of(expr())).prop_map(|(name, ty, default)| Formal {
        name,
        ty,
        default,
        span: NOWHERE,
    })
}

fn define() -> impl Strategy<Value = ItemKind> {
    let kinds = vec![
        DefKind::Fn,
        DefKind::Net,
        DefKind::Field,
        DefKind::Path,
        DefKind::Objective,
        DefKind::Sampler,
        DefKind::LogDensity,
        DefKind::Coupling,
    ];
    let formals = || prop::collection::vec(formal(), 0..3);
    let body = prop_oneof![
        expr().prop_map(Body::Expr),
        statements(expr()).prop_map(|stmts| Body::Block { stmts, span: NOWHERE })
    ];
    let header = (formals(), prop::option::of(formal()), formals()).prop_map(|(inputs, condition, config)| Header {
        inputs,
        condition,
        config,
    });
    (prop::sample::select(kinds), ident(), header, prop::option::of(type_expr(number())), body)
        .prop_map(|(kind, name, header, result, body)| ItemKind::Define(Define { kind, name, header, result, body }))
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    prop::collection::vec((ident(), expr()).prop_map(|(key, value)| Entry { key, value }), 0..4)
}

fn word(words: &'static [&'static str]) -> impl Strategy<Value = Ident> {
    prop::sample::select(words.to_vec()).prop_map(|w| Ident { name: w.into(), span: NOWHERE })
}

fn item() -> BoxedStrategy<Item> {
    let target = prop_oneof![
        "[a-z/.]{1,8}".prop_map(|path| UseTarget::File { path, span: NOWHERE }),
        prop::collection::vec(ident(), 1..3).prop_map(|parts| UseTarget::Module { parts, span: NOWHERE }),
    ];
    let kind = prop_oneof![
        (ident(), expr()).prop_map(|(name, value)| ItemKind::Bind { name, value }),
        (word(&["seed", "seeds", "precision"]), expr()).prop_map(|(name, value)| ItemKind::Setting { name, value }),
        define(),
        param(expr()).prop_map(ItemKind::Param),
        (word(&["train", "generate"]), entries()).prop_map(|(keyword, entries)| ItemKind::Block { keyword, entries }),
        (word(&["evaluate", "plot"]), args(expr())).prop_map(|(keyword, items)| ItemKind::List { keyword, items }),
        (ident(), expr()).prop_map(|(name, list)| ItemKind::Compare { name, list }),
        (expr(), prop::option::of(expr())).prop_map(|(condition, within)| ItemKind::Expect { condition, within }),
        (expr(), expr(), prop::option::of(expr()), prop::option::of("[a-z ,.]{0,9}"))
            .prop_map(|(result, value, within, origin)| ItemKind::Published { result, value, within, origin }),
        (ident(), entries()).prop_map(|(name, entries)| ItemKind::Tableau { name, entries }),
        (target, prop::collection::vec(ident(), 0..3)).prop_map(|(target, names)| ItemKind::Use { target, names }),
    ];
    let item = kind.prop_map(|kind| Item { kind, doc: String::new(), span: NOWHERE });
    item.prop_recursive(1, 4, 3, |inner| {
        (ident(), prop::collection::vec(inner, 0..3)).prop_map(|(name, items)| Item {
            kind: ItemKind::Stage { name, items },
            doc: String::new(),
            span: NOWHERE,
        })
    })
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn a_generated_tree_survives_printing(items in prop::collection::vec(item(), 0..4)) {
        let file = File { id: FileId(0), items, comments: Vec::new() };
        let printed = print::print(&file, None);
        let back = tree(&printed);
        prop_assert_eq!(shape(&file), shape(&back), "in\n{}", printed);
        let again = print::print(&back, Some(&printed));
        prop_assert_eq!(&again, &print::print(&tree(&again), Some(&again)), "of\n{}", printed);
    }
}
