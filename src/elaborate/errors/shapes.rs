//! Messages about shapes and indices.

use super::{because_of, s, shape_name};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;

/// `E0301`: two operands.
pub fn shapes_differ(op: &str, op_span: Span, a: (&[usize], Span), b: (&[usize], Span)) -> Diagnostic {
    let (sa, sb) = (shape_name(a.0), shape_name(b.0));
    let d = Diagnostic::new(Code::ShapeMismatch, format!("`{op}` of {sa} and {sb}"), op_span, "these two do not fit")
        .label(a.1, format!("this is {sa}"))
        .label(b.1, format!("this is {sb}"));
    match (a.0, b.0) {
        ([m], [n]) if op == "@" && m != n => d.help("two vectors of one length have a product: their `dot`"),
        ([_, k], [n] | [n, _]) if op == "@" => {
            d.help(format!("the left has {k} column{}, the right {n} row{}: they must agree", s(*k), s(*n)))
        }
        _ if op == "@" => d.help("`@` is the product of matrices and vectors; of reals it is `*`"),
        ([_], [_, _]) | ([_, _], [_]) if op == "*" => d.help("`*` is elementwise; the matrix product is `@`"),
        ([m], [n]) if m.abs_diff(*n) == 1 => d.help(format!(
            "one is longer by one element: was `t` joined to it with `concat`, or a slice forgotten, e.g. `x[0..{}]`?",
            m.min(n)
        )),
        _ => d.help("both must have one shape, or one of them must be a real"),
    }
}

/// `E0301`: a value against what its place asks.
pub fn shape_expected(found: &str, expected: &str, span: Span, because: Option<(Span, String)>) -> Diagnostic {
    let d = Diagnostic::new(
        Code::ShapeMismatch,
        format!("expected {expected}, found {found}"),
        span,
        format!("this is {found}"),
    );
    let d = because_of(d, because);
    match found {
        "real" if expected.starts_with("vec[") => d.help("`concat(e)` makes a vector of a real, `concat(a, b)` of two"),
        _ if expected.starts_with("a square matrix") && found.starts_with("vec[") => {
            d.help("a matrix is a list of rows, `[[1, 0], [0, 1]]`; of a normal law deviations alone are `std: [1, 1]`")
        }
        _ if expected == "real" && found.starts_with("vec[") => {
            d.help("take an element, e.g. `e[0]`, or make it one number, e.g. with `norm(e)` or `sum(e)`")
        }
        _ if expected.contains("for the derivative") => d.help("a derivative has the shape of its state"),
        _ if expected.contains("divergence") => d.help("a field has one component for each coordinate"),
        _ => d.help("what is written and what is asked for must agree: change one of them"),
    }
}

/// `E0301`: a vector of one number for a parameter that is declared as a real.
pub fn one_number(name: &str, span: Span, because: Option<(Span, String)>) -> Diagnostic {
    let d = Diagnostic::new(Code::ShapeMismatch, "expected real, found vec[1]", span, "this is vec[1]");
    because_of(d, because)
        .help(format!("declare `{name}: vec[1]` and write `{name}[0]` for its number, or give it an element: `e[0]`"))
}

/// `E0301`: a real is asked for.
///
/// `squared` is `e` where the value is written `e^2`.
pub fn real_expected(what: &str, found: &str, span: Span, squared: Option<&str>) -> Diagnostic {
    let d = Diagnostic::new(
        Code::ShapeMismatch,
        format!("{what} must be a real, found {found}"),
        span,
        format!("this is {found}"),
    );
    match (found, squared) {
        ("vec[1]", _) => d.help("take its element: `e[0]`"),
        (_, Some(e)) => d.help(format!("the square of a vector is a vector; its squared length is `norm({e})^2`")),
        _ => d.help("make it one number, e.g. with `norm(e)^2`, `sum(e)`, or an element `e[0]`"),
    }
}

/// `E0301`: lists of lists of lists.
pub fn nested_lists(span: Span) -> Diagnostic {
    Diagnostic::new(Code::ShapeMismatch, "a list that nests more than two deep", span, "neither a vector nor a matrix")
        .help("a list of reals is a vector, a list of equal vectors a matrix of rows; there is nothing beyond")
}

/// `E0304`
pub fn out_of_range(index: i64, extent: usize, span: Span) -> Diagnostic {
    let d = Diagnostic::new(
        Code::IndexOutOfRange,
        format!("index {index} of {extent} element{}", s(extent)),
        span,
        if index < 0 { "before the first" } else { "past the last" },
    );
    match extent {
        0 => d.help("it is empty"),
        1 => d.help("its only element is `[0]`"),
        n => d.help(format!("indices run from 0 to {}", n - 1)),
    }
}

/// `E0301`: the ends of a path.
///
/// The places are those of the path's own parameters, if the path is the user's.
pub fn path_ends(name: &str, a: (&[usize], Option<Span>), b: (&[usize], Option<Span>), span: Span) -> Diagnostic {
    let (x, y) = (shape_name(a.0), shape_name(b.0));
    let d = Diagnostic::new(
        Code::ShapeMismatch,
        format!("the ends of the path `{name}` lie in different spaces: {x} and {y}"),
        span,
        format!("from {x} to {y}"),
    );
    let d = match (a.1, b.1) {
        (Some(a), Some(b)) => d.label(a, format!("this is {x}")).label(b, format!("this is {y}")),
        _ => d,
    };
    d.help("draw both ends with one dimension, e.g. `source = normal(dim: 2)` for points of a plane")
}

/// `E0304`
pub fn bad_window(a: i64, b: i64, extent: usize, span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::IndexOutOfRange,
        format!("the slice {a}..{b} of {extent} elements"),
        span,
        if a >= b { "empty" } else { "goes outside" },
    )
    .help(format!("a slice `[a..b]` has 0 <= a < b <= {extent}; its end is excluded"))
}

/// `E0301`
pub fn field_shape(name: &str, found: &[usize], expected: &[usize], body: Span, input: Span) -> Diagnostic {
    let (f, e) = (shape_name(found), shape_name(expected));
    let d = Diagnostic::new(
        Code::ShapeMismatch,
        format!("the field `{name}` gives {f}, but its state is {e}"),
        body,
        format!("this is {f}"),
    )
    .label(input, format!("the state is {e}"));
    match (found, expected) {
        ([1], []) => d.help(
            "take its element, `mlp(...)[0]`; or let source and target draw vectors of one number, e.g. `normal(dim: 1)`",
        ),
        _ => d.help("a field is a velocity, one component for each of the state: `out: dim(x)`"),
    }
}

/// `E0301`: a list whose items are no rows of one shape.
pub fn mixed_list((a, b): (&[usize], &[usize]), span: Span, joined: Option<&str>) -> Diagnostic {
    let d = Diagnostic::new(
        Code::ShapeMismatch,
        format!("a list that mixes {} and {}", shape_name(a), shape_name(b)),
        span,
        "items of different shapes",
    );
    match joined {
        Some(call) => d.help(format!("reals and vectors are joined to one vector by `{call}`")),
        None => d.help("reals and vectors are joined to one vector by `concat(a, b)`"),
    }
}
