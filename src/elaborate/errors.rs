//! Every message of elaboration. Constructors take data; call sites hold no prose.

use super::hints::{self, grouped};
use crate::diag::{Code, Diagnostic, suggest};
use crate::source::Span;

/// A second place, if there is one.
fn because_of(d: Diagnostic, because: Option<(Span, String)>) -> Diagnostic {
    match because {
        Some((span, why)) => d.label(span, why),
        None => d,
    }
}

/// `real`, `vec[2]`, `mat[2, 3]`
pub fn shape_name(shape: &[usize]) -> String {
    match shape {
        [] => "real".to_owned(),
        [n] => format!("vec[{n}]"),
        [m, n] => format!("mat[{m}, {n}]"),
        more => format!("an array of shape {more:?}"),
    }
}

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
        "vec[1]" if expected == "real" => d.help("take its element: `e[0]`"),
        _ if expected == "real" && found.starts_with("vec[") => {
            d.help("take an element, e.g. `e[0]`, or make it one number, e.g. with `norm(e)` or `sum(e)`")
        }
        _ if expected.contains("for the derivative") => d.help("a derivative has the shape of its state"),
        _ if expected.contains("divergence") => d.help("a field has one component for each coordinate"),
        _ => d.help("what is written and what is asked for must agree: change one of them"),
    }
}

/// `E0301`: a real is asked for.
pub fn real_expected(what: &str, found: &str, span: Span) -> Diagnostic {
    let d = Diagnostic::new(
        Code::ShapeMismatch,
        format!("{what} must be a real, found {found}"),
        span,
        format!("this is {found}"),
    );
    match found {
        "vec[1]" => d.help("take its element: `e[0]`"),
        _ => d.help("make it one number, e.g. with `norm(e)^2`, `sum(e)`, or an element `e[0]`"),
    }
}

/// `E0301`: lists of lists of lists.
pub fn nested_lists(span: Span) -> Diagnostic {
    Diagnostic::new(Code::ShapeMismatch, "a list that nests more than two deep", span, "neither a vector nor a matrix")
        .help("a list of reals is a vector, a list of equal vectors a matrix of rows; there is nothing beyond")
}

/// `E0302`
pub fn type_expected(expected: &str, found: &str, span: Span, because: Option<(Span, String)>) -> Diagnostic {
    let d = Diagnostic::new(
        Code::TypeMismatch,
        format!("expected {expected}, found {found}"),
        span,
        format!("this is {found}"),
    );
    let d = because_of(d, because);
    match hints::of_type(expected, found) {
        Some(help) => d.help(help),
        None => d,
    }
}

/// `E0302`
pub fn not_indexable(found: &str, span: Span) -> Diagnostic {
    Diagnostic::new(Code::TypeMismatch, format!("{found} has no elements"), span, format!("this is {found}"))
        .help("`e[i]` takes an element of a vector, matrix, list or tuple; `f(x)` is a call")
}

/// `E0302`
pub fn not_a_tuple(names: usize, found: &str, span: Span, pattern: Span) -> Diagnostic {
    Diagnostic::new(
        Code::TypeMismatch,
        format!("expected a tuple of {names}, found {found}"),
        span,
        format!("this is {found}"),
    )
    .label(pattern, format!("taken apart into {names} name{}", s(names)))
    .help("give as many names as there are values; a coupling, e.g. `independent`, draws two")
}

/// `E0303`: how many, which.
pub fn wrong_arguments(name: &str, message: String, span: Span, signature: &str, defined: Option<Span>) -> Diagnostic {
    let d = Diagnostic::new(Code::WrongArguments, message, span, format!("in this call of `{name}`"));
    let d = match defined {
        Some(s) => d.label(s, "defined here"),
        None => d,
    };
    d.help(format!("it is called as `{signature}`"))
}

/// `E0303`: a name that is no parameter.
pub fn unknown_argument(name: &str, argument: &str, span: Span, known: &[&str], signature: &str) -> Diagnostic {
    let d = Diagnostic::new(
        Code::WrongArguments,
        format!("`{name}` has no parameter `{argument}`"),
        span,
        "no parameter of that name",
    );
    match suggest::nearest(argument, known.iter().copied()) {
        Some(near) => d.help(format!("did you mean `{near}`? it is called as `{signature}`")),
        None => d.help(format!("it is called as `{signature}`")),
    }
}

/// The plural's letter.
fn s(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// `f` takes 2 arguments by position, 3 given
pub fn count_of_arguments(name: &str, takes: usize, given: usize) -> String {
    if takes == 0 {
        return format!("arguments of `{name}` have names");
    }
    format!("`{name}` takes {takes} argument{} by position, {given} given", s(takes))
}

/// `E0303`: more by position than there are.
pub fn too_many(name: &str, message: String, span: Span, signature: &str, defined: Span) -> Diagnostic {
    let label = if message.ends_with("have names") { "which of them is this?" } else { "one too many" };
    Diagnostic::new(Code::WrongArguments, message, span, label)
        .label(defined, format!("`{name}` is defined here"))
        .help(format!("it is called as `{signature}`"))
}

/// `E0303`: a definition of the file that the library calls with more arguments than it has.
pub fn header_too_short(
    name: &str,
    (takes, given): (usize, usize),
    span: Span,
    call: Option<(String, Span)>,
    header: &str,
) -> Diagnostic {
    let d = Diagnostic::new(
        Code::WrongArguments,
        format!("`{name}` takes {takes} argument{}, but is called with {given}", s(takes)),
        span,
        format!("declared with {takes}"),
    );
    let d = match call {
        Some((caller, at)) => d.label(at, format!("`{caller}` calls it with {given}")),
        None => d,
    };
    d.help(format!("declare it as `{header}`"))
}

/// `E0303`: one that is not given and has no default.
pub fn missing_argument(
    name: &str,
    argument: &str,
    by_position: bool,
    span: Span,
    signature: &str,
    formal: Span,
) -> Diagnostic {
    let how = if by_position { argument.to_owned() } else { format!("{argument}: ...") };
    Diagnostic::new(
        Code::WrongArguments,
        format!("`{name}` needs `{argument}`"),
        span,
        format!("`{argument}` is not given here"),
    )
    .label(formal, format!("`{argument}` has no default"))
    .help(format!("add `{how}`: it is called as `{signature}`"))
}

/// `E0303`: a condition for what takes none.
pub fn no_condition(name: &str, span: Span, signature: &str, defined: Span) -> Diagnostic {
    Diagnostic::new(Code::WrongArguments, format!("`{name}` takes no condition"), span, "given as a condition")
        .label(defined, "declared without `| y`")
        .help(format!("it is called as `{signature}`; a condition is declared as in `field v(x, t | y)`"))
}

/// `E0303`: the same name twice.
pub fn given_twice(name: &str, span: Span, first: Span) -> Diagnostic {
    Diagnostic::new(Code::WrongArguments, format!("`{name}` is given twice"), span, "given again here")
        .label(first, "first given here")
        .help("keep one of them")
}

/// `E0303`: a lambda of `fold` or `map` with another number of names.
pub fn lambda_arguments(function: &str, takes: usize, gives: &[&str], span: Span) -> Diagnostic {
    let form = if gives.len() == 1 { gives[0].to_owned() } else { format!("({})", gives.join(", ")) };
    Diagnostic::new(
        Code::WrongArguments,
        format!("`{function}` gives its function {} argument{}", gives.len(), s(gives.len())),
        span,
        format!("this takes {takes}"),
    )
    .help(format!("write `{form} => ...`"))
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

/// `E0305`
pub fn not_compile_time(what: &str, span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::NotCompileTime,
        format!("{what} must be known before the program runs"),
        span,
        "this depends on a draw, a parameter or a state",
    )
    .help("shapes and ranges are fixed when the spec is compiled: use a number, a binding of numbers, or `dim(x)`")
}

/// `E0306`
///
/// `owner` is the function of the file that was called on the way, if one was.
pub fn misplaced_param(name: &str, span: Span, call: Option<Span>, owner: Option<&str>) -> Diagnostic {
    let d = Diagnostic::new(
        Code::MisplacedParam,
        format!("the trainable parameter `{name}` belongs to no `field` or `net`"),
        span,
        "would be made anew at every call",
    );
    let d = match call {
        Some(s) => d.label(s, "reached from here"),
        None => d,
    };
    match owner {
        Some(f) => d.help(format!(
            "a `fn` is only a template; let `{f}` own its parameters: write `field {f}(...)` or `net {f}(...)`"
        )),
        None => d.help("put the layer into a function that owns it, `net u(x) = ...`, and call `u` here"),
    }
}

/// `E0307`
pub fn not_a_function(found: &str, span: Span) -> Diagnostic {
    let d = Diagnostic::new(Code::NotAFunction, format!("{found} cannot be called"), span, "not a function");
    if found.starts_with("vec[") || found.starts_with("mat[") || found.starts_with("a list") {
        d.help("an element is taken with brackets, `x[0]`; a product is written `x * (...)`")
    } else if found.starts_with("the real") || found.starts_with("the integer") || found == "real" {
        d.help("a product is written with `*`, e.g. `2 * (t + 1)`")
    } else {
        d
    }
}

/// `E0308`: calls.
pub fn endless_calls(name: &str, again: Span, first: Span, depth: usize) -> Diagnostic {
    let what = if name.contains(' ') { name.to_owned() } else { format!("`{name}`") };
    let d = Diagnostic::new(
        Code::EndlessRecursion,
        format!("{what} calls itself without end"),
        again,
        format!("stopped at {depth} calls within calls"),
    );
    let d = if first == again { d } else { d.label(first, "first called here") };
    d.help("calls are unrolled at compile time: end the recursion with a compile-time `if`, or use `fold(0..n, start, ...)`")
}

/// `E0308`: bindings.
pub fn circular(name: &str, span: Span, defined: Option<Span>) -> Diagnostic {
    let d = Diagnostic::new(
        Code::EndlessRecursion,
        format!("the value of `{name}` needs the value of `{name}`"),
        span,
        "needed here again",
    );
    let d = match defined {
        Some(s) => d.label(s, "to know this"),
        None => d,
    };
    d.help("break the circle: give one of the bindings a value of its own")
}

/// `E0309`: nodes or expressions.
pub fn budget(span: Span, limit: u64, first: Option<Span>) -> Diagnostic {
    let d = Diagnostic::new(
        Code::BudgetExceeded,
        format!("this unrolls to more than {} operations", grouped(limit)),
        span,
        "stopped here",
    );
    let d = match first {
        Some(s) if s != span => d.label(s, "reached from here"),
        _ => d,
    };
    d.help("`fold`, `map` and calls are unrolled at compile time: make ranges shorter, or work on whole vectors")
}

/// `E0309`: a range.
pub fn long_range(a: i64, b: i64, limit: i64, span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::BudgetExceeded,
        format!("the range has {} items; at most {} are unrolled", grouped(b.saturating_sub(a)), grouped(limit)),
        span,
        "every item is unrolled at compile time",
    )
    .help("make the range shorter, or work on whole vectors")
}

/// `E0309`: a value.
pub fn too_large(shape: &str, numbers: u128, limit: u128, span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::BudgetExceeded,
        format!("{shape} holds {} numbers; at most {} are possible", grouped(numbers), grouped(limit)),
        span,
        "this large",
    )
    .help("values are those of one sample: the batch is never part of a shape")
}

/// `E0205`
pub fn unknown_member(member: &str, span: Span, found: &str, known: &[&str]) -> Diagnostic {
    let d = Diagnostic::new(Code::UnknownMember, format!("{found} has no member `{member}`"), span, "not a member");
    match suggest::nearest(member, known.iter().copied()) {
        Some(near) => d.help(format!("did you mean `{near}`?")),
        None if member == "weight" => {
            d.help("an item of a mixture is a record, e.g. `(weight: 1, of: normal(dim: 2))`")
        }
        None if found.starts_with("vec[") => d.help("elements of a vector are taken by index, e.g. `x[0]`"),
        None if known.is_empty() => d.help("only records have members, e.g. `(width: 32, depth: 2)` or a `solve`"),
        None => {
            let names: Vec<String> = known.iter().map(|k| format!("`{k}`")).collect();
            d.help(format!("it has {}", suggest::join(&names, "and")))
        }
    }
}

/// `E0401`
pub fn independent(operator: &str, target: &str, span: Span, of: Span) -> Diagnostic {
    Diagnostic::new(
        Code::IndependentTarget,
        format!("`{operator}` with respect to `{target}`, on which the expression does not depend"),
        span,
        "the derivative would be zero",
    )
    .label(of, format!("does not depend on `{target}`"))
    .help("differentiate with respect to a name that the expression uses; behind `stop` everything is constant")
}

/// `E0403`
pub fn bad_target(operator: &str, span: Span, found: &str, what: Target) -> Diagnostic {
    let d = Diagnostic::new(
        Code::BadDerivativeTarget,
        format!("`{operator}` needs the name of a run-time value, found {found}"),
        span,
        "not a name",
    );
    match what {
        Target::Number => d.help(format!("`{operator}` is a function of a name; substitute the number afterwards")),
        Target::Element(x) => d.help(format!("take the whole gradient, `grad(e, {x})`, and then its element")),
        Target::Expression => d.help(format!("name it first: `let s = ...`, use `s` in e, then `{operator}(e, s)`")),
    }
}

/// What stood in the place of a name.
pub enum Target {
    /// A literal.
    Number,
    /// An element of this vector.
    Element(String),
    /// Anything else.
    Expression,
}

/// `E0403`: a name, but of a constant.
pub fn constant_target(operator: &str, name: &str, span: Span, found: &str) -> Diagnostic {
    Diagnostic::new(
        Code::BadDerivativeTarget,
        format!("`{operator}` needs the name of a run-time value, found {found}"),
        span,
        format!("`{name}` is {found}"),
    )
    .help("differentiate with respect to a draw, a parameter of the function, a state, or a `let` of these")
}

/// `E0510`
pub fn no_density(law: &str, span: Span, defined: Option<Span>) -> Diagnostic {
    let d =
        Diagnostic::new(Code::NoDensity, format!("`{law}` has no log-density"), span, "a log-density is asked here");
    let d = match defined {
        Some(s) => d.label(s, "only its sampler is defined"),
        None => d,
    };
    d.help(format!("define one, `log_density {law}(x) = ...`, or use what reads samples alone, e.g. `wasserstein2`"))
}

/// `E0511`
pub fn no_sampler(law: &str, span: Span, defined: Option<Span>) -> Diagnostic {
    let d = Diagnostic::new(Code::NoSampler, format!("`{law}` cannot be drawn from"), span, "a draw is asked here");
    let d = match defined {
        Some(s) => d.label(s, "only its log-density is defined"),
        None => d,
    };
    d.help(format!("define how: `sampler {law} {{ draw z ~ normal(dim: 2); ... }}`"))
}

/// `E0605`
pub fn nothing_to_minimize(name: &str, span: Span, last: Option<Span>) -> Diagnostic {
    let message = format!("the objective `{name}` minimizes nothing");
    match last {
        Some(at) => Diagnostic::new(Code::NothingToMinimize, message, at, "only a value")
            .label(span, "an objective ends in `minimize`")
            .help("write `minimize` before it"),
        None => Diagnostic::new(Code::NothingToMinimize, message, span, "its body has no `minimize`")
            .help("end it with `minimize e`, where e is a real"),
    }
}

/// `E0302`: a word that is no type.
pub fn unknown_type(name: &str, span: Span, known: &[&str]) -> Diagnostic {
    let d = Diagnostic::new(Code::TypeMismatch, format!("`{name}` is not a type"), span, "not a type");
    match (hints::type_word(name), suggest::nearest(name, known.iter().copied())) {
        (Some(word), _) => d.help(format!("here it is called `{word}`")),
        (None, Some(near)) => d.help(format!("did you mean `{near}`?")),
        (None, None) => d.help(format!("types are {}", known.join(", "))),
    }
}

/// `E0302`: a known type with another number of dimensions.
pub fn type_dimensions(written: &str, span: Span) -> Diagnostic {
    Diagnostic::new(Code::TypeMismatch, format!("`{written}` is not a type"), span, "not these dimensions")
        .help("types of numbers are `real`, `int`, `vec[n]` and `mat[m, n]`")
}

/// `E0610`
pub fn bad_dimension(n: i64, span: Span) -> Diagnostic {
    Diagnostic::new(Code::BadValue, format!("a dimension of {}", grouped(n)), span, "not a dimension")
        .help("a dimension is at least 1 and at most 16,777,216")
}

/// `E0201`, found while a program is built; the walk over names has seen everything else.
pub fn missing_name(name: &str, span: Span) -> Diagnostic {
    Diagnostic::new(Code::UnknownName, format!("nothing is called `{name}`"), span, "not defined")
}

/// `E0613`
pub fn stochastic(span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::NotAvailable,
        "this version does not run stochastic equations, `dW`",
        span,
        "not available yet",
    )
    .help("leave the noise out: the flow of a field is the deterministic equation `x' = v(x, t)`")
}

/// `E0601`: the experiment has no source, or no target.
pub fn missing_role(name: &str, span: Span) -> Diagnostic {
    let (example, what) = match name {
        "source" => ("source = normal(dim: 2)", "the law at t = 0, to be carried to the target"),
        _ => ("target = moons(noise: 0.05)", "the law at t = 1, to be learned"),
    };
    Diagnostic::new(Code::MissingBlock, format!("the experiment has no `{name}`"), span, format!("reads the `{name}`"))
        .help(format!("add a line such as `{example}`: {what}"))
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

/// `E0302`
pub fn solve_over_times(found: &str, span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::TypeMismatch,
        "`solve` runs from a time to a time, or over a vector of times",
        span,
        format!("this is {found}"),
    )
    .help("write `solve t: 0 -> 1 { ... }`, or `solve t: linspace(0, 1, 11) { ... }` for a row at each of 11 times")
}

/// `E0550`
pub fn times_out_of_order(before: f64, after: f64, times: &[f64], span: Span) -> Diagnostic {
    let (first, last) = (times.first().copied().unwrap_or(before), times.last().copied().unwrap_or(after));
    let (before, after) = (crate::diag::short(before), crate::diag::short(after));
    let (first, last) = (crate::diag::short(first), crate::diag::short(last));
    Diagnostic::new(
        Code::TimesOutOfOrder,
        format!("observation times go from {first} to {last}, but {after} follows {before}"),
        span,
        "these times",
    )
    .help("list the times in the order in which they are reached; the initial values hold at the first of them")
}

/// `E0303`
pub fn argument_count(name: &str, takes: usize, given: usize, span: Span, defined: Span) -> Diagnostic {
    let d = Diagnostic::new(
        Code::WrongArguments,
        format!("{name} takes {takes} argument{}, {given} given", s(takes)),
        span,
        format!("{given} argument{} here", s(given)),
    );
    if span == defined { d } else { d.label(defined, format!("takes {takes}")) }
}

/// `E0302`
pub fn no_value(name: &str, span: Span) -> Diagnostic {
    Diagnostic::new(Code::TypeMismatch, format!("`{name}` has no value"), span, "its last statement is not a value")
        .help("end the block with an expression on a line of its own")
}

/// `E0301`
pub fn field_shape(name: &str, found: &[usize], expected: &[usize], body: Span, input: Span) -> Diagnostic {
    let (f, e) = (shape_name(found), shape_name(expected));
    Diagnostic::new(
        Code::ShapeMismatch,
        format!("the field `{name}` gives {f}, but its state is {e}"),
        body,
        format!("this is {f}"),
    )
    .label(input, format!("the state is {e}"))
    .help("a field is a velocity, one component for each of the state: `out: dim(x)`")
}

/// `E0302`
pub fn trained_side(span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::TypeMismatch,
        "a minibatch coupling of a law that is being trained",
        span,
        "its laws must not depend on trainable parameters",
    )
    .help("couple laws without parameters, e.g. the source and the target")
}

/// `E0512`
pub fn zero_divergence(span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::ZeroDivergence,
        "the divergence of this field is zero everywhere",
        span,
        "asks for the log-density of its flow",
    )
    .help("a flow without divergence keeps volume (Liouville): it cannot turn the source into another density; let every component of the field depend on its own coordinate")
}

/// `E0610`
pub fn bad_count(what: &str, n: i64, min: i64, max: i64, span: Span) -> Diagnostic {
    let most = grouped(max);
    let must = if min == max { format!("only {min} is possible") } else { format!("{min} to {most} are possible") };
    Diagnostic::new(Code::BadValue, format!("{} {what}: {must}", grouped(n)), span, "out of range")
        .help("choose a number in this range")
}
