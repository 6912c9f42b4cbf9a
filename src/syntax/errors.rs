//! Every message of this stage.
//!
//! Places and words of the text -> a diagnostic. Deliberately absent: the decision which message fits (`scan`, `layout`,
//! `diagnose`).

use super::layout::{MAX_CHAIN, MAX_NESTING, Tokens, closer};
use super::scan::NumberFault;
use crate::diag::{Code, Diagnostic};
use crate::source::Span;

pub fn code(text: &str) -> String {
    format!("`{}`", clip(text))
}

/// Long words are cut: a message is one line.
pub fn clip(text: &str) -> String {
    if text.chars().count() <= 32 { text.to_string() } else { text.chars().take(31).chain(['…']).collect() }
}

/// E0101, the general form.
pub fn unexpected(at: Span, expected: &str, found: &str, help: Option<String>) -> Diagnostic {
    let d = Diagnostic::new(
        Code::UnexpectedToken,
        format!("expected {expected}, found {found}"),
        at,
        format!("{expected} belongs here"),
    );
    match help {
        Some(help) => d.help(help),
        None => d,
    }
}

/// E0101 for a form that is understood but belongs elsewhere or is written differently.
pub fn misplaced(at: Span, message: String, label: String, help: String) -> Diagnostic {
    Diagnostic::new(Code::UnexpectedToken, message, at, label).help(help)
}

/// E0101: `# ...`
pub fn hash_comment(at: Span) -> Diagnostic {
    misplaced(
        at,
        "`#` does not begin a comment".into(),
        "`//` begins a comment".into(),
        "write `// ...`, and `/// ...` for documentation above a declaration".into(),
    )
}

/// E0101: `/* ... */`
pub fn block_comment(at: Span, closed: bool) -> Diagnostic {
    let d = misplaced(
        at,
        "`/*` does not begin a comment".into(),
        "a comment begins with `//`".into(),
        "begin every line of the comment with `//`".into(),
    );
    if closed { d } else { d.note("no `*/` follows, so the rest of the file was not read") }
}

/// E0101: a string without its second quote.
pub fn open_string(at: Span) -> Diagnostic {
    misplaced(
        at,
        "the string is not closed".into(),
        "no second `\"` follows on this line".into(),
        "put `\"` at the end of the string; a string stands on one line and has no escapes".into(),
    )
}

/// E0101: `'text'`
pub fn single_quotes(at: Span, inner: Option<&str>) -> Diagnostic {
    match inner {
        Some(inner) => misplaced(
            at,
            "a string stands in double quotes".into(),
            "this string stands in single quotes".into(),
            format!("write `\"{}\"`", clip(inner)),
        ),
        None => misplaced(
            at,
            "unexpected `'`".into(),
            "`'` must touch the name before it".into(),
            "a derivative in `solve` is written `x' = ..`, a string `\"..\"`".into(),
        ),
    }
}

/// E0101: a mark of another language.
pub fn foreign_mark(at: Span, mark: &str) -> Diagnostic {
    let help = match mark {
        "**" => "write `a^b` for a power",
        "===" => "write `a == b`",
        "!=" | "!==" | "<>" | "~=" => "write `not a == b`",
        "=<" => "write `a <= b`",
        "&&" => "write `a and b`",
        "||" => "write `a or b`",
        "&" => "write `a and b`",
        "!" => "write `not a`",
        "%" => "there is no remainder; integers known at compile time can be arranged with `fold` and ranges",
        "?" => "write `if c then a else b`",
        "|>" => "write the call outside in: `g(f(x))`",
        "::" => "write `.` between a record and its member, `:` between a name and its type",
        ":=" => "write `name = value`, and `let name = value` inside a block",
        "..." | "..=" => "a range is written `a..b` and leaves its end out: `0..5` is 0, 1, 2, 3, 4",
        "++" => "write `a + 1`; names are never reassigned",
        _ => "names are never reassigned: bind a new name with `let`",
    };
    misplaced(at, format!("`{mark}` is not an operator"), format!("`{mark}` has no meaning here"), help.into())
}

/// E0101: a character outside the language.
pub fn foreign_character(at: Span, c: char, text: &str) -> Diagnostic {
    let greek = |c: char| {
        Some(match c {
            'α' => "alpha",
            'β' => "beta",
            'γ' => "gamma",
            'δ' => "delta",
            'ε' | 'ϵ' => "epsilon",
            'η' => "eta",
            'θ' => "theta",
            'κ' => "kappa",
            'λ' => "lambda",
            'μ' | 'µ' => "mu",
            'ν' => "nu",
            'π' => "pi",
            'ρ' => "rho",
            'σ' => "sigma",
            'τ' => "tau",
            'φ' | 'ϕ' => "phi",
            'ψ' => "psi",
            'ω' => "omega",
            _ => return None,
        })
    };
    let help = match c {
        '“' | '”' | '„' | '«' | '»' => "write `\"` for the quotes".to_string(),
        '‘' | '’' => "write `\"` for quotes, `'` for a derivative".to_string(),
        '−' | '–' | '—' => "write `-`".to_string(),
        '×' | '·' | '⋅' | '∗' => "write `*`".to_string(),
        '÷' => "write `/`".to_string(),
        '≤' => "write `<=`".to_string(),
        '≥' => "write `>=`".to_string(),
        '≠' => "write `not a == b`".to_string(),
        '→' => "write `->`".to_string(),
        '⇒' => "write `=>`".to_string(),
        '∼' => "write `~`".to_string(),
        '∇' => "write `grad(e, x)`".to_string(),
        '∂' => "write `diff(e, t)` or `partial(e, t)`".to_string(),
        '²' => "write `^2`".to_string(),
        '³' => "write `^3`".to_string(),
        '√' => "write `sqrt(a)`".to_string(),
        '\\' | '`' | '$' => {
            "leave it out; a line break inside `( )`, `[ ]`, or after an operator needs no mark".to_string()
        }
        c if c.is_whitespace() || c.is_control() || ('\u{200b}'..='\u{200f}').contains(&c) || c == '\u{feff}' => {
            "replace it by an ordinary blank".to_string()
        }
        '𝒩' | '𝓝' | 'ℕ' => "the law is `normal(mean: 0, std: 1)`, of vectors `normal(dim: 2)`".to_string(),
        c => match greek(c).map(str::to_owned).or_else(|| plain_digits(text)) {
            Some(name) => format!("write `{name}`; names are ASCII letters, digits, and `_`"),
            None => {
                "names are ASCII letters, digits, and `_`; other characters may stand in comments and strings".into()
            }
        },
    };
    let shown =
        if c.is_whitespace() || c.is_control() || !c.is_alphanumeric() && c as u32 >= 0x2000 && c as u32 <= 0x200f {
            format!("the character U+{:04X}", c as u32)
        } else {
            code(text)
        };
    misplaced(
        at,
        format!("{shown} is not part of the language"),
        format!("{shown} stands outside a comment or string"),
        help,
    )
}

/// Subscripts as digits: `x₀` is written `x0`.
fn plain_digits(text: &str) -> Option<String> {
    let digit = |c: char| char::from_digit((c as u32).checked_sub('₀' as u32)?, 10);
    text.chars().map(|c| if c.is_ascii() { Some(c) } else { digit(c) }).collect()
}

/// E0102
pub fn leading_operator(at: Span, op: &str, previous: Option<Span>) -> Diagnostic {
    let first = if previous.is_some() { "a line" } else { "a statement" };
    let d = Diagnostic::new(
        Code::LeadingOperator,
        format!("{first} starts with the operator `{op}`"),
        at,
        format!("`{op}` has nothing on its left"),
    );
    let d = match previous {
        Some(p) => d.label(p, "the statement ended with this line"),
        None => d,
    };
    match (op, previous.is_some()) {
        ("-", true) => d.help("end the line above with `-`, or write `(-a)` for a value of its own"),
        ("-", false) => d.help("write `(-a)` in parentheses"),
        (".", _) => d.help("put the member on the line above: `a.b`"),
        (_, true) => d.help(format!("end the line above with `{op}`")),
        (_, false) => d.help(format!("write a value before `{op}`")),
    }
}

/// E0103
pub fn spaced_call(gap: Span, callee: &str, open: &str) -> Diagnostic {
    let close = closer(open);
    let named = callee != ")" && callee != "]";
    let help = if named {
        format!("write `{}{open}..{close}` without the blank", clip(callee))
    } else {
        format!("write `{callee}{open}..{close}` without the blank")
    };
    Diagnostic::new(
        Code::SpacedCall,
        format!("blank between {} and `{open}`", code(callee)),
        gap,
        format!("`{open}` must touch {}", code(callee)),
    )
    .help(help)
}

/// E0101: a key of a block, at the top level.
pub fn outside_block(at: Span, key: &str, block: &str, value: &str) -> Diagnostic {
    misplaced(
        at,
        format!("`{key}` stands outside `{block}`"),
        format!("a key of `{block}`"),
        format!("write it inside the block: `{block} {{ {key}: {value} }}`"),
    )
}

/// E0104
pub fn chained_comparison(first: Span, second: Span, _all: Span) -> Diagnostic {
    Diagnostic::new(Code::ChainedComparison, "comparisons cannot be chained", second, "this compares a truth value")
        .label(first, "the first comparison")
        .help("write `a < b and b < c`")
}

/// E0104, in an `expect`; `claim` is what is expected, as written, and begins at `start`.
pub fn chained_expectation(d: Diagnostic, claim: &str, start: u32) -> Diagnostic {
    let cure = d.secondary.first().zip(d.primary.as_ref()).and_then(|(first, second)| {
        let text = |from: u32, to: u32| claim.get((from - start) as usize..(to - start) as usize).map(str::trim);
        let end = start + claim.len() as u32;
        let left = text(start, second.span.start)?;
        let right = text(first.span.end, end)?;
        (left.len() + right.len() < 70).then(|| format!("`expect {left}` and `expect {right}`"))
    });
    d.help(format!("write two lines: {}", cure.as_deref().unwrap_or("`expect a < b` and `expect b < c`")))
}

/// E0105, no closing bracket at all before `until` (a declaration) or the end of the file.
pub fn unclosed(t: Tokens, open: usize, until: Option<usize>) -> Diagnostic {
    let mark = t.word(open);
    let close = closer(mark);
    let d = Diagnostic::new(
        Code::UnclosedBracket,
        format!("`{mark}` is never closed"),
        t.span(open),
        format!("this `{mark}` has no `{close}`"),
    );
    let d = match until {
        Some(i) => d.label(t.span(i), format!("a declaration begins here, so `{close}` must stand before it")),
        None => d.note(format!("the file ends before a `{close}`")),
    };
    d.help(format!("add `{close}`"))
}

/// E0105, closed by a bracket of another kind.
pub fn mismatched(t: Tokens, open: usize, close: usize) -> Diagnostic {
    let (mark, found) = (t.word(open), t.word(close));
    let wanted = closer(mark);
    Diagnostic::new(
        Code::UnclosedBracket,
        format!("`{mark}` is not closed before `{found}`"),
        t.span(open),
        format!("this `{mark}` has no `{wanted}`"),
    )
    .label(t.span(close), format!("`{found}` does not close it"))
    .help(format!("add `{wanted}` before `{found}`"))
}

/// E0101: a closing bracket without an opening one.
pub fn stray_closer(t: Tokens, close: usize) -> Diagnostic {
    let mark = t.word(close);
    misplaced(
        t.span(close),
        format!("`{mark}` closes nothing"),
        "no bracket is open here".into(),
        format!("leave `{mark}` out, or add the bracket that it closes"),
    )
}

/// E0106
pub fn reserved_word(at: Span, word: &str, what: &str) -> Diagnostic {
    Diagnostic::new(
        Code::ReservedWord,
        format!("`{word}` is a reserved word and cannot be {what}"),
        at,
        format!("`{word}` is not a name"),
    )
    .help(format!("use another name, such as `{word}_`"))
    .note(format!("reserved words: {}", super::RESERVED.join(", ")))
}

/// E0107
pub fn unknown_keyword(at: Span, word: &str, help: String) -> Diagnostic {
    Diagnostic::new(Code::UnknownKeyword, format!("no declaration begins with {}", code(word)), at, "unknown keyword")
        .help(help)
}

/// E0108
pub fn bad_number(at: Span, text: &str, fault: NumberFault) -> Diagnostic {
    let (label, help) = match fault {
        NumberFault::NoDigitAfter => (
            "a digit must follow the point",
            format!("write `{0}0`, or `{1}` for an integer", clip(text), clip(text.trim_end_matches('.'))),
        ),
        NumberFault::NoDigitBefore => ("a digit must stand before the point", format!("write `0{}`", clip(text))),
        NumberFault::DottedIndex => {
            ("a member is a name, not a number", format!("write `[{}]` for an element", clip(&text[1..])))
        }
        NumberFault::NoExponent => ("the exponent has no digits", "write digits after `e`: `1e-3`".to_string()),
        NumberFault::Underscore => {
            ("`_` must stand between two digits", format!("write `{}`", clip(&tidy_underscores(text))))
        }
        NumberFault::Base => ("numbers are decimal", "write the number in base ten".to_string()),
        NumberFault::Letters => ("a number and a name run together", letters_help(text)),
        NumberFault::TwoPoints => ("the number has two points or a fractional exponent", two_points_help(text)),
        NumberFault::TooLarge => ("the largest number is about 1.798e308", "write a smaller number".to_string()),
    };
    let what = if fault == NumberFault::DottedIndex { "a member" } else { "a number" };
    Diagnostic::new(Code::BadNumber, format!("{} is not {what}", code(text)), at, label).help(help)
}

fn tidy_underscores(text: &str) -> String {
    let mut out = String::new();
    for (i, c) in text.char_indices() {
        let before = out.chars().last().is_some_and(|c| c.is_ascii_digit());
        let after = text[i + 1..].trim_start_matches('_').starts_with(|c: char| c.is_ascii_digit());
        if c != '_' || before && after {
            out.push(c);
        }
    }
    out
}

fn letters_help(text: &str) -> String {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '_').len();
    let (number, rest) = text.split_at(digits);
    match rest {
        "f" | "f32" | "f64" | "F" | "L" | "l" => {
            format!("write `{}`; `precision f64` chooses the precision of the file", clip(number))
        }
        "j" | "i" => "there are no complex numbers; write the real and the imaginary part as two numbers".to_string(),
        _ => format!("write `{} * {}` for a product; a name begins with a letter", clip(number), clip(rest)),
    }
}

fn two_points_help(text: &str) -> String {
    let parts: Vec<&str> = text.split('.').collect();
    match parts[..] {
        [a, "", b] => format!("write `{a}..{b}` for a range"),
        _ => "write one point, and a whole number after `e`".to_string(),
    }
}

/// E0109
pub fn too_deep(at: Span, chain: bool) -> Diagnostic {
    let (message, help) = if chain {
        (
            format!("the expression holds more than {MAX_CHAIN} operators and calls"),
            "bind parts of it with `let`, or write `sum([..])`",
        )
    } else {
        (
            format!("brackets, `if`, and functions nest deeper than {MAX_NESTING}"),
            "bind inner parts to names with `let` or `fn`",
        )
    };
    Diagnostic::new(Code::TooDeep, message, at, "the limit is passed here")
        .help(help)
        .note("the file was not read further")
}
