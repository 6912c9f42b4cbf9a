//! Messages about calls: arguments, recursion, and who owns the parameters of a layer.

use super::s;
use crate::diag::{Code, Diagnostic, suggest};
use crate::source::Span;

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

/// `f` takes 2 arguments by position, 3 given
pub fn count_of_arguments(name: &str, takes: usize, given: usize) -> String {
    if takes == 0 {
        return format!("arguments of `{name}` have names");
    }
    format!("`{name}` takes {takes} argument{} by position, {given} given", s(takes))
}

/// `E0303`: more by position than there are.
///
/// `joined` is all that was given as one vector, where that is what was meant.
pub fn too_many(
    name: &str,
    message: String,
    span: Span,
    signature: &str,
    defined: Span,
    joined: Option<String>,
) -> Diagnostic {
    let label = if message.ends_with("have names") { "which of them is this?" } else { "one too many" };
    Diagnostic::new(Code::WrongArguments, message, span, label)
        .label(defined, format!("`{name}` is defined here"))
        .help(match joined {
            Some(joined) => format!("join them to one vector, `{joined}`: it is called as `{signature}`"),
            None => format!("it is called as `{signature}`"),
        })
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

/// `E0303`: a field whose header begins with the time.
pub fn time_declared_first(name: &str, span: Span, header: &str) -> Diagnostic {
    Diagnostic::new(
        Code::WrongArguments,
        format!("the field `{name}` declares the time before the state"),
        span,
        "the state is given here",
    )
    .help(format!("a field takes the state and then the time: `{header}`"))
}

/// `E0303`: a call of a field with the time first.
pub fn time_given_first(name: &str, span: Span, call: &str, defined: Span) -> Diagnostic {
    Diagnostic::new(
        Code::WrongArguments,
        format!("the field `{name}` is given a real as its state and a vector as its time"),
        span,
        "in this order",
    )
    .label(defined, format!("`{name}` takes the state and then the time"))
    .help(format!("write `{call}`"))
}

/// `E0303`: what is not given and has no default, with what to write for each.
pub fn missing_arguments(
    name: &str,
    missing: &[(String, String)],
    span: Span,
    signature: &str,
    formal: Span,
    cure: Option<String>,
) -> Diagnostic {
    let quoted = |pick: fn(&(String, String)) -> &String| -> Vec<String> {
        missing.iter().map(|m| format!("`{}`", pick(m))).collect()
    };
    let words = suggest::join(&quoted(|m| &m.0), "and");
    let d = Diagnostic::new(
        Code::WrongArguments,
        format!("`{name}` needs {words}"),
        span,
        format!("{words} {} not given here", if missing.len() == 1 { "is" } else { "are" }),
    )
    .label(formal, format!("`{}` has no default", missing[0].0));
    match cure {
        Some(cure) => d.help(cure),
        None => d.help(format!("add {}: it is called as `{signature}`", suggest::join(&quoted(|m| &m.1), "and"))),
    }
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
        Some(f) => d.help(format!("a `fn` is only a template; let it own its parameters: write `{f}`")),
        None => d.help("put the layer into a function that owns it, `net u(x) = ...`, and call `u` here"),
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
