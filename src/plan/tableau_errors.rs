//! Every message of tableaux: E0505 to E0509.

use crate::diag::{Code, Diagnostic, short};
use crate::numeric::noise::NoiseFinding;
use crate::numeric::order::{EmbeddedFault, Finding, ImplicitFault, ShapeFault};
use crate::numeric::rational::Rational;
use crate::source::Span;

/// `E0509`
pub fn tableau_entry(span: Span, must: &str) -> Diagnostic {
    Diagnostic::new(Code::TableauShape, format!("this entry of a tableau must be {must}"), span, format!("not {must}"))
        .help("entries are written out, so that they are exact: `1/3`, `-56/15`, or a decimal with a stated `residual`")
}

/// `E0509`
pub fn tableau_missing(name: &str, key: &str, span: Span) -> Diagnostic {
    Diagnostic::new(Code::TableauShape, format!("the tableau `{name}` has no `{key}`"), span, "incomplete")
        .help("a tableau has `c`, `a`, `b`, `order`, and `b_err` if it estimates errors")
}

/// `E0505` to `E0509`
///
/// `claimed` is the order that the tableau says it has.
pub fn tableau_finding(name: &str, f: &Finding, claimed: u32, span: Span, second: Option<Span>) -> Diagnostic {
    let s = |n: usize| if n == 1 { "" } else { "s" };
    match f {
        Finding::Shape(fault) => {
            let what = match fault {
                ShapeFault::Empty => "no stages".to_owned(),
                ShapeFault::OrderOutOfRange(n) => format!("order {n}; orders 1 to 8 can be proved"),
                ShapeFault::Times { len, stages } => {
                    format!("{len} time{} `c` for {stages} weight{} `b`", s(*len), s(*stages))
                }
                ShapeFault::Rows { len, stages } => {
                    format!("{len} row{} `a` for {stages} weight{} `b`", s(*len), s(*stages))
                }
                ShapeFault::Row { row, len, .. } => {
                    format!(
                        "{len} entr{} in row {row} of `a`, which takes {row}, or {} with its diagonal",
                        if *len == 1 { "y" } else { "ies" },
                        row + 1
                    )
                }
                ShapeFault::Embedded { len, stages } => {
                    format!("{len} weight{} `b_err` for {stages} weight{} `b`", s(*len), s(*stages))
                }
                ShapeFault::Interpolant { len, stages } => {
                    format!("{len} row{} `dense` for {stages} stage{}", s(*len), s(*stages))
                }
            };
            Diagnostic::new(Code::TableauShape, format!("the tableau `{name}` has {what}"), span, "sizes do not fit")
                .help("for s stages: s times `c`, s rows `a` (row i with i entries, counted from 0; one more if its stage is implicit), s weights `b`")
        }
        Finding::Implicit { row, column, value, fault } => implicit(name, (*row, *column), value, fault, span),
        Finding::RowSum { row, c, sum, gap } => {
            let d = Diagnostic::new(
                Code::TableauRowSum,
                format!("row {row} of `a` sums to {sum}, but `c[{row}]` is {c}"),
                span,
                format!("off by {}", short(gap.abs())),
            );
            let d = match second {
                Some(s) => d.label(s, "the time of this stage"),
                None => d,
            };
            d.help("a stage stands at the time that its row adds up to: c_i is the sum of a_ij")
        }
        Finding::Order(m) => {
            let d = Diagnostic::new(
                Code::TableauOrder,
                format!("the tableau `{name}` has order {}, not {claimed}", m.reached),
                span,
                "the order that is claimed",
            );
            let d = match second {
                Some(s) => {
                    d.label(s, format!("{} fails (order {}): off by {}", m.condition, m.order, short(m.gap.abs())))
                }
                None => d,
            };
            match m.reached {
                0 => d.help("the weights `b` must add up to 1; check them"),
                n => d.help(format!("check the coefficients, or write `order: {n}`")),
            }
        }
        Finding::Embedded(e) => embedded(name, e, span),
        Finding::Interpolant(_) => Diagnostic::new(
            Code::TableauOrder,
            format!("the interpolant of the tableau `{name}` misses its order conditions"),
            span,
            "these weights",
        )
        .help("check its coefficients, or leave `dense` out: cubic Hermite is used then"),
    }
}

/// `E0554`
pub fn noise_finding(name: &str, f: &NoiseFinding, span: Span) -> Diagnostic {
    let (message, label) = match f {
        NoiseFinding::Shape { key, len, stages } => (
            format!("the noise of the tableau `{name}` has {len} of `{key}` for {stages} stages"),
            "sizes do not fit".to_owned(),
        ),
        NoiseFinding::Implicit { key, row } => (
            format!("the noise of the tableau `{name}` is implicit in row {row} of `{key}`"),
            "on or right of the diagonal".to_owned(),
        ),
        NoiseFinding::OrderUnknown(order) => (
            format!("strong order {order} of the tableau `{name}` cannot be proved"),
            "orders 1/2, 1 and 3/2 can".to_owned(),
        ),
        NoiseFinding::RowSum { row, c, sum } => (
            format!("row {row} of `drift` sums to {sum}, but `c[{row}]` is {c}"),
            "the times of the diffusion's stages".to_owned(),
        ),
        NoiseFinding::Order { condition, got, .. } => (
            format!("the tableau `{name}` misses a condition of its strong order: {condition}, found {got}"),
            "the order that is claimed".to_owned(),
        ),
    };
    Diagnostic::new(Code::TableauNoise, message, span, label)
        .help("for s stages: s rows `a`, `drift`, `diffusion`, s times `c`, and four rows `b` of s weights, as in `flowc std sriw1`; conditions are those of Rößler (2010), theorem 5.1")
}

fn implicit(
    name: &str,
    (row, column): (usize, usize),
    value: &Rational,
    fault: &ImplicitFault,
    span: Span,
) -> Diagnostic {
    let (message, label, cure) = match fault {
        ImplicitFault::Above => (
            format!("the tableau `{name}` is fully implicit: a[{row}][{column}] is {value}"),
            "right of the diagonal",
            "a stage may use the stages before it and itself: entries right of the diagonal must be 0",
        ),
        ImplicitFault::First => (
            format!("the first stage of the tableau `{name}` is implicit: a[0][0] is {value}"),
            "this must be 0",
            "the first stage is the slope at the start of a step; put one before yours, with weight 0: backward Euler is `c: [0, 1], a: [[], [0, 1]], b: [0, 1]`",
        ),
        ImplicitFault::NotConstant(_) => (
            format!("the diagonal of the tableau `{name}` is not constant: a[{row}][{column}] is {value}"),
            "another number than the one above",
            "implicit stages of a step share one matrix, so they have one number on the diagonal; `flowc std kvaerno5` shows one",
        ),
        ImplicitFault::Noise => (
            format!("the tableau `{name}` has `noise` and is implicit: a[{row}][{column}] is {value}"),
            "on the diagonal",
            "methods for equations with noise are explicit here: this entry must be 0",
        ),
    };
    Diagnostic::new(Code::TableauImplicit, message, span, label).help(cure)
}

fn embedded(name: &str, e: &EmbeddedFault, span: Span) -> Diagnostic {
    let message = match e {
        EmbeddedFault::SameWeights => {
            format!("both solutions of the tableau `{name}` are the same: their difference estimates no error")
        }
        EmbeddedFault::SameOrder(order) => {
            format!("both solutions of the tableau `{name}` have order {order}: their difference estimates no error")
        }
        EmbeddedFault::Order(m) => format!(
            "the embedded solution of the tableau `{name}` misses {} (order {}) by {}",
            m.condition,
            m.order,
            short(m.gap.abs())
        ),
    };
    Diagnostic::new(Code::TableauEmbedded, message, span, "the embedded weights")
        .help("an embedded solution has another order than `b`, usually one less")
}
