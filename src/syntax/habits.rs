//! What people write who come from Python, PyTorch, Julia, or Stan, and what to write instead.
//!
//! The place where the grammar stopped -> a better message or a line of help. Deliberately absent: marks that the language
//! does not have at all (`scan` reports those).

use super::Rule;
use super::diagnose::Stop;
use super::errors;
use super::layout::DECLARATIONS;
use super::scan::Kind;
use crate::diag::Diagnostic;

/// Words of other languages that begin a declaration there, with what this language says.
const ALIASES: [(&[&str], &str); 14] = [
    (&["def", "function", "func", "fun", "macro", "lambda"], "write `fn f(x) = ..`"),
    (
        &["import", "include", "require", "using", "open"],
        "leave the line out: the whole library is in scope (`flowc std`); another spec is read by `use \"file.flow\"`",
    ),
    (
        &["class", "struct", "type", "module", "model", "network", "nn"],
        "write `net f(x) = ..` for a function with parameters of its own",
    ),
    (&["let", "var", "const", "val", "auto"], "write `name = value`"),
    (&["return"], "leave `return` out: the last line of a block is its value"),
    (&["vector_field", "velocity", "drift", "ode"], "write `field v(x, t) = ..`"),
    (&["loss", "criterion"], "write `objective name(..) { .. minimize e }`"),
    (&["density", "logprob", "log_prob", "logpdf"], "write `log_density name(x) = ..`"),
    (&["for", "while", "loop"], "there are no loops: write `fold`, `map`, or `compare name in [..]`"),
    (&["assert", "check", "require_that", "test"], "write `expect condition`"),
    (&["print", "show", "eval", "metrics", "report"], "write `evaluate [..]` for what is measured"),
    (&["fit", "optimize", "optimise", "learn"], "write `train { objective: .., steps: .. }`"),
    (&["sample", "sampling", "generation", "inference"], "write `generate { sampler: flow(v), count: 10_000 }`"),
    (&["sweep", "grid", "vary"], "write `compare name in [..]`"),
];

/// Words of other languages in front of an expression or statement.
fn foreign_word(word: &str) -> Option<&'static str> {
    Some(match word {
        "return" | "yield" => "leave the word out: the last line of a block is its value",
        "lambda" => "a function without a name is written `x => ..` or `(a, b) => ..`",
        "var" | "const" | "val" | "auto" => "write `let name = value`",
        "def" | "function" => "write `name => ..` for a function inside a block, `fn name(..) = ..` at the top level",
        "for" | "while" => "there are no loops: write `fold` or `map`",
        "new" => "leave the word out",
        "is" => "write `a == b`",
        "sample" => "write `draw x ~ law`",
        "maximize" | "maximise" => "write `minimize -(..)`",
        "minimise" => "it is spelled `minimize`",
        "elif" => "write `else if`",
        "raise" | "throw" | "assert" => "write `expect condition` at the top level",
        _ => return None,
    })
}

/// E0107 for a word that begins a declaration in another language.
pub fn not_a_keyword(s: &Stop) -> Option<Diagnostic> {
    let i = s.range.start;
    let next = s.t.word(i + 1);
    if i + 1 >= s.range.end && s.t.word(i) != "return" || matches!(next, ":" | "." | ",") {
        return None;
    }
    let called = next == "(" && !s.t.all[i + 1].spaced;
    let (_, help) = ALIASES.iter().find(|(words, _)| words.contains(&s.t.word(i)))?;
    if called && !matches!(s.t.word(i), "print" | "assert" | "fit" | "check" | "show") {
        return None;
    }
    let help = match header(s) {
        Some(header) if help.contains("f(x) = ..") => help.replace("f(x)", header),
        _ => (*help).to_string(),
    };
    Some(errors::unknown_keyword(s.t.span(i), s.t.word(i), help))
}

/// The name and the parameters behind the first word, as written, if nothing in them is foreign: `v(x, t)`.
fn header<'a>(s: &Stop<'a>) -> Option<&'a str> {
    let (t, i) = (s.t, s.range.start);
    if !t.is_name(i + 1) || t.word(i + 2) != "(" {
        return None;
    }
    let close = (i + 3..s.range.end).find(|k| matches!(t.kind(*k), Some(Kind::Open | Kind::Close)))?;
    let text = &t.text[t.span(i + 1).start as usize..t.span(close).end as usize];
    (t.word(close) == ")" && text.len() <= 60 && !text.contains([':', '=', '\n', '*', '.'])).then_some(text)
}

/// E0101 for a word that begins a statement of a block, at the top level.
pub fn statement_at_top(s: &Stop) -> Diagnostic {
    let i = s.range.start;
    let word = s.t.word(i);
    let (message, help) = match word {
        "let" => ("`let` stands outside a block", "write `name = value` at the top level".to_string()),
        "draw" => (
            "`draw` stands outside a block",
            "draws belong in an `objective`, `sampler`, or other definition".to_string(),
        ),
        "minimize" => {
            ("`minimize` stands outside an objective", "write `objective name(..) { .. minimize e }`".to_string())
        }
        "from" => (
            "no declaration begins with `from`",
            "leave the line out: the whole library is in scope, `flowc std` lists it".to_string(),
        ),
        _ => return errors::unexpected(s.t.span(i), "a declaration", &format!("`{word}`"), no_declaration(s)),
    };
    errors::misplaced(s.t.span(i), message.into(), format!("`{word}` does not begin a declaration"), help)
}

/// Help where an item begins with something that is no declaration.
pub fn no_declaration(s: &Stop) -> Option<String> {
    let (t, i) = (s.t, s.range.start);
    let word = t.word(i);
    let has = |mark: &str| (i..s.range.end).any(|k| t.word(k) == mark);
    Some(match t.word(i + 1) {
        _ if i + 1 >= s.range.end && t.kind(i) == Some(Kind::Word) => format!("write `{word} = ..` for a binding"),
        ":" => format!("a binding is written with `=`: `{word} = ..`"),
        "==" => format!("`==` compares; a binding is written `{word} = ..`"),
        "~" => "a draw is written `draw x ~ law`, inside a definition".to_string(),
        "," if has("=") => "bind one name at a time: `a = ..`".to_string(),
        "(" if has("=") && !is_definition(s) => {
            "nothing is assigned to after it is made; bind a new name: `name = ..`".to_string()
        }
        "[" | "." if has("=") => "nothing is assigned to after it is made; bind a new name: `name = ..`".to_string(),
        "(" if has("=") => {
            format!("a definition begins with its keyword: `fn {word}(..) = ..` or `field {word}(..) = ..`")
        }
        "(" => format!("an expression is given a name at the top level: `name = {word}(..)`"),
        "'" => "an equation stands inside `solve t: a -> b { .. }`".to_string(),
        "then" | "else" => "`if` is an expression: `name = if c then a else b`".to_string(),
        _ => "the top level holds declarations and bindings `name = value`".to_string(),
    })
}

/// Whether the item is `f(..) = ..`.
fn is_definition(s: &Stop) -> bool {
    let mut depth = 0;
    for i in s.range.start + 1..s.range.end {
        match s.t.kind(i) {
            Some(Kind::Open) if depth == 0 && i > s.range.start + 1 => return false,
            Some(Kind::Open) => depth += 1,
            Some(Kind::Close) => depth -= 1,
            _ if depth == 0 => return s.t.word(i) == "=",
            _ => {}
        }
    }
    false
}

/// Forms for which a message of their own is better than "expected, found".
pub fn special(s: &Stop) -> Option<Diagnostic> {
    let (t, found, before) = (s.t, s.found(), s.before());
    // `return x`, `lambda x: ..`: the word was read as a name.
    if t.is_name(s.at.max(1) - 1)
        && s.at > s.range.start + 1
        && let Some(help) = foreign_word(before)
        && !s.line_end
        && s.at < s.range.end
        && matches!(t.kind(s.at), Some(Kind::Word | Kind::Number | Kind::Open | Kind::Text))
    {
        let d = errors::misplaced(
            t.span(s.at - 1),
            format!("`{before}` is not a word of the language"),
            format!("`{before}` is read as a name here"),
            help.to_string(),
        );
        return Some(d);
    }
    // `fn h(y) = y` inside a block.
    if DEFINITIONS.contains(&before) && s.takes(Rule::curly_close) && t.is_name(s.at) && !s.line_end {
        let help = "a definition stands at the top level of the file; inside a block write `let h = y => ..`";
        return Some(errors::misplaced(
            t.span(s.at - 1),
            format!("`{before}` stands inside a block"),
            "a definition begins here".into(),
            help.into(),
        ));
    }
    // `a = [1, 2; 3, 4]`, `f(x; width: 3)`
    if found == ";"
        && let Some(open) = s.bracket()
        && matches!(t.word(open), "(" | "[")
        && !is_header(s)
    {
        let call = t.word(open) == "(";
        let (message, help) = if call {
            ("`;` inside a call", "in a call a comma stands before configuration: `f(x | y, width: 64)`")
        } else {
            ("`;` inside a list", "rows of a matrix are lists: `[[1, 2], [3, 4]]`")
        };
        let label = "`;` separates statements, and parameters in a header";
        return Some(errors::misplaced(t.span(s.at), message.into(), label.into(), help.into()));
    }
    // `rate = 1`, `t ~ law` inside a block.
    let (lead, word, form) = match found {
        "=" => (is_statement_start(s), "let", "a binding in a block begins with `let`"),
        "~" => (is_statement_start(s), "draw", "a draw begins with `draw`"),
        _ => (false, "", ""),
    };
    if lead && s.takes(Rule::curly_close) {
        let name = t.span(s.at - 1);
        let d = errors::misplaced(
            name,
            format!("`{word}` is missing before `{before} {found} ..`"),
            format!("`{word}` belongs before this name"),
            format!("{form}: `{word} {before} {found} ..`"),
        );
        return Some(d);
    }
    // `()`
    if s.at >= s.range.start + 2
        && t.word(s.at - 2) == "("
        && before == ")"
        && s.takes(Rule::fat_arrow)
        && s.expected.len() == 1
    {
        let place = t.span(s.at - 2).to(t.span(s.at - 1));
        let help = "write a value between the parentheses; a missing condition is `none`";
        return Some(errors::misplaced(
            place,
            "`()` holds no value".into(),
            "a value belongs here".into(),
            help.into(),
        ));
    }
    // `a = 1 +` with a declaration on the next line, which was read as the right operand.
    if s.at >= s.range.start + 2 && t.all[s.at - 1].first && t.starts_declaration(s.at - 1) && t.continues(s.at - 2) {
        let mark = t.word(s.at - 2);
        let d = errors::misplaced(
            t.span(s.at - 2),
            format!("`{mark}` has nothing on its right"),
            "the line goes on after this, but a declaration follows".into(),
            format!("write a value after `{mark}`"),
        );
        return Some(d);
    }
    // `solve(v, x0, 0, 1)`
    if before == "solve" && found == "(" {
        return Some(errors::misplaced(
            t.span(s.at - 1),
            "`solve` is no function".into(),
            "a time and its span belong behind it".into(),
            "write the equation: `solve t: 0 -> 1 { x' = v(x, t) from x0 }.x`".into(),
        ));
    }
    // `dx = v(x, t)`, `x = v(x, t)`
    if s.takes(Rule::derivative) && t.is_name(s.at) && t.word(s.at + 1) == "=" {
        let x = found.strip_prefix('d').filter(|x| !x.is_empty()).unwrap_or(found);
        return Some(errors::misplaced(
            t.span(s.at),
            format!("an equation of `solve` begins with `{x}'`"),
            "a derivative is written with a prime".into(),
            format!("write `{x}' = .. from {x}0`"),
        ));
    }
    // `dx/dt = v(x, t)`
    if found.len() >= 2
        && found.starts_with('d')
        && t.is_name(s.at)
        && t.word(s.at + 1) == "/"
        && t.word(s.at + 2).starts_with('d')
        && t.word(s.at + 3) == "="
    {
        let (x, place) = (&found[1..], t.span(s.at).to(t.span(s.at + 2)));
        return Some(errors::misplaced(
            place,
            format!("an equation of `solve` begins with `{x}'`"),
            "a derivative is written with a prime".into(),
            format!("write `{x}' = .. from {x}0`"),
        ));
    }
    // An equation without its initial value.
    if s.takes(Rule::from_word) {
        let end = s.line_end || matches!(found, "}" | ";" | ",");
        if end {
            let help = "every equation names its initial value: `x' = v(x, t) from x0`".to_string();
            return Some(errors::unexpected(s.span(), "`from`", &found_end(s), Some(help)));
        }
    }
    None
}

fn found_end(s: &Stop) -> String {
    if s.line_end || s.at >= s.range.end { "the end of the line".into() } else { format!("`{}`", s.found()) }
}

/// What is most likely meant: what should stand there instead of all that the grammar would take, and a line of help.
pub struct Hint {
    /// The one thing that belongs there, if it is clear.
    pub expected: Option<&'static str>,
    /// The help.
    pub help: String,
}

fn just(help: impl Into<String>) -> Option<Hint> {
    Some(Hint { expected: None, help: help.into() })
}

fn put(expected: &'static str, help: impl Into<String>) -> Option<Hint> {
    Some(Hint { expected: Some(expected), help: help.into() })
}

/// A hint for "expected, found".
pub fn hint(s: &Stop) -> Option<Hint> {
    let (t, found, before) = (s.t, s.found(), s.before());
    let first = t.word(s.range.start);
    if first == "published" && s.takes(Rule::equals) {
        return put("`=`", "a paper's number is given by `=`: `published npe[ot] = 0.018`");
    }
    if found.is_empty() || s.at >= s.range.end {
        return end_hint(s);
    }
    let inside = s.bracket().map_or("", |i| t.word(i));
    let two_before = if s.at >= s.range.start + 2 { t.word(s.at - 2) } else { "" };
    let names_before = t.is_name(s.at.max(1) - 1);
    let after_value = s.takes(Rule::add) || s.takes(Rule::member);
    match found {
        "=" | "~" if two_before == "param" => {
            put("`:`", format!("a parameter has a type: `param {before}: real {found} ..`"))
        }
        "=" if s.takes(Rule::tilde) => put("`~`", format!("a draw is written with `~`: `draw {before} ~ law`")),
        "=" if first == "compare" && s.takes(Rule::in_word) => put("`in`", format!("write `compare {before} in [..]`")),
        "=" if first == "expect" || s.takes(Rule::then_word) => put("`==`", "`=` binds; values are compared with `==`"),
        "=" if s.takes(Rule::colon) && inside == "{" => {
            put("`:`", format!("in a block an entry is written with `:`: `{before}: ..`"))
        }
        "=" if inside == "(" && names_before => put("`:`", format!("an argument is named with `:`: `{before}: ..`")),
        "=" if inside == "[" && names_before => put("`:`", format!("an element is labelled with `:`: `{before}: ..`")),
        "=" if after_value => just("a binding is `name = value`; values are compared with `==`"),
        "==" if s.takes(Rule::equals) => put("`=`", "`==` compares; a binding is written with `=`"),
        "~" if s.takes(Rule::equals) && is_let(s) => {
            put("`=`", "a binding is `let x = value`, a draw is `draw x ~ law`")
        }
        ":" if s.at == s.range.start + 1 && matches!(first, "seed" | "seeds" | "precision") => {
            put("a value", format!("a setting has no colon: `{first} {}`", t.rest(s.at + 1, s.range.end)))
        }
        ":" if s.at == s.range.start + 1 && matches!(first, "evaluate" | "plot") => {
            put("`[`", format!("the list has no colon: `{first} [..]`"))
        }
        ":" if s.at == s.range.start + 1 && matches!(first, "train" | "generate") => {
            put("`{`", format!("the block has no colon: `{first} {{ .. }}`"))
        }
        ":" if two_before == "let" => put("`=`", format!("a `let` takes its type from its value: `let {before} = ..`")),
        ":" if inside == "[" && s.takes(Rule::square_close) => just("a slice is written `x[a..b]`"),
        ":" if s.takes(Rule::then_word) => put("`then`", "write `if c then a else b`"),
        ":" if s.takes(Rule::equals) => just("the body of a definition follows `=`, or stands in `{ }`"),
        ":" => just("a label is one name: `name: value`"),
        "=>" if s.takes(Rule::equals) => just("the body of a definition follows `=`, or stands in `{ }`"),
        "->" if names_before && after_value => put("`=>`", format!("a function is written `{before} => ..`")),
        "->" => just("`->` stands before a result type and in `solve t: a -> b`; a function is `x => ..`"),
        "{" if before == "=" => just("leave `=` out before `{`, or leave the braces out"),
        "{" if s.takes(Rule::square_open) && matches!(first, "evaluate" | "plot") => {
            put("`[`", format!("write a list: `{first} [..]`"))
        }
        "{" if takes_value(s) => just("a record is written with parentheses: `(a: 1, b: 2)`"),
        "{" if s.takes(Rule::then_word) => put("`then`", "write `if c then a else b`"),
        "{" if s.takes(Rule::else_word) => put("`else`", "write `if c then a else b`"),
        "[" | "(" if s.takes(Rule::curly_open) && matches!(first, "stage" | "tableau") => {
            put("`{`", format!("write `{first} {before} {{ .. }}`"))
        }
        "[" | "(" if s.takes(Rule::entries) || s.takes(Rule::curly_open) => {
            put("`{`", format!("write `{before} {{ .. }}`"))
        }
        "*" if before == "," || before == "(" => just("arguments are written one by one; there is no `*args`"),
        "+" if takes_value(s) => just("a number has no sign `+`"),
        ")" | "]" | "}" if takes_value(s) && before == "," => just("leave the last comma out"),
        ")" | "]" | "}" if takes_value(s) => just(format!("write a value after `{before}`")),
        "," if takes_value(s) => put("an expression", "write a value before the comma, or leave the comma out"),
        "," if s.takes(Rule::equals) || is_let(s) => just("several names are bound in parentheses: `let (a, b) = ..`"),
        ";" if s.takes(Rule::round_close) => just("`;` separates statements"),
        "'" => just("a derivative is written `x' = .. from ..` inside `solve`"),
        "|" => just("a condition stands once, behind the inputs: `v(x, t | y)`"),
        "." => just("a member touches its record: `end.x`"),
        "in" => just("`in` stands in `compare name in [..]`"),
        "is" => just("write `a == b`"),
        "for" => just("there are no comprehensions: write `map(list, x => ..)`"),
        "if" => just("write `if c then a else b`, with the condition first"),
        "with" => just("`with SOLVER` stands before the braces of `solve`"),
        "else" if before == ";" => just("`if` is one expression: `if c then a else b`"),
        "else" | "then" => just("write `if c then a else b`"),
        "let" | "draw" | "minimize" | "param" if takes_value(s) => {
            just("a statement stands on a line of its own in a block `{ }`")
        }
        word if DEFINITIONS.contains(&word) && inside == "{" => just("definitions stand at the top level of the file"),
        _ if s.takes(Rule::colon) && two_before == "solve" => {
            put("`:`", format!("write `solve {before}: a -> b {{ x' = .. from x0 }}`"))
        }
        "from" => just("`from` stands in an equation of `solve`"),
        "to" | "until" if after_value => just("the span of time is written `solve t: a -> b`"),
        _ if t.kind(s.at) == Some(Kind::Text) && names_before && !t.all[s.at].spaced => {
            just("a string has no prefix such as `f\"..\"`")
        }
        _ if s.takes(Rule::in_word) => put("`in`", format!("write `compare {before} in [..]`")),
        _ if s.takes(Rule::then_word) && is_value(s) => put("`then`", "write `if c then a else b`"),
        _ if is_header(s) && (s.takes(Rule::comma) || s.takes(Rule::round_close)) => just(
            "a header is `(inputs | condition; configuration)`, its parts names with types: `(x, t: real | y; k: int)`",
        ),
        _ if s.at == s.range.start + 1 && DECLARATIONS.contains(&first) && s.takes(Rule::curly_open) => {
            put("`{`", format!("write `{first} {{ key: value }}`"))
        }
        _ if s.at == s.range.start + 1 && DECLARATIONS.contains(&first) && s.takes(Rule::square_open) => {
            put("`[`", format!("write `{first} [..]`"))
        }
        _ if s.at == s.range.start + 1 && DEFINITIONS.contains(&first) => {
            put("a name", format!("write `{first} name(..) = ..`"))
        }
        _ if s.takes(Rule::curly_open) && matches!(first, "stage" | "tableau") => {
            put("`{`", format!("write `{first} {before} {{ .. }}`"))
        }
        _ if first == "use" => just("an import is written `use std.paths (vp, straight)` or `use \"file.flow\"`"),
        _ if s.takes(Rule::colon) && inside == "{" && names_before && is_value(s) => {
            put("`:`", format!("an entry is written `{before}: value`"))
        }
        _ if s.takes(Rule::comma) && inside == "{" && is_value(s) => {
            put("`,`", "entries are separated by commas or line breaks")
        }
        _ if s.takes(Rule::comma) && matches!(inside, "(" | "[") && is_value(s) => {
            just("separate the values with `,`, or put an operator between them")
        }
        _ if inside == "{" && s.takes(Rule::curly_close) && (is_value(s) || found == "let") => {
            put("the end of the line", "one statement stands on a line; separate two with `;`")
        }
        _ if s.takes(Rule::EOI) && is_value(s) && after_value => {
            put("the end of the line", "one declaration stands on a line; separate two with `;`")
        }
        _ if s.takes(Rule::equals) && is_value(s) && DECLARATIONS.contains(&first) => {
            just("the body of a definition follows `=`, or stands in `{ }`")
        }
        _ => None,
    }
}

/// A hint where a line or the file ended too early.
fn end_hint(s: &Stop) -> Option<Hint> {
    let first = s.t.word(s.range.start);
    let before = s.before();
    match () {
        () if s.t.word(s.at) == "{" => just("put `{` on the line above"),
        () if s.takes(Rule::else_word) => put("`else`", "`if` always has both branches: `if c then a else b`"),
        () if s.takes(Rule::then_word) => put("`then`", "write `if c then a else b`"),
        () if s.takes(Rule::in_word) => put("`in`", format!("write `compare {before} in [..]`")),
        () if s.takes(Rule::tilde) && s.takes(Rule::colon) => put("`~`", format!("write `draw {before} ~ law`")),
        () if s.takes(Rule::colon) && first != "param" => put("`:`", format!("an entry has a value: `{before}: ..`")),
        () if s.takes(Rule::colon) => put("`:`", format!("write `param {before}: type = value`")),
        () if s.takes(Rule::equals) && first == "param" => {
            let declared = s.t.rest(s.range.start, s.at);
            just(format!("a parameter has a start: `{declared} = 0`, or `~ normal(0, 0.1)` in place of `= 0`"))
        }
        () if s.takes(Rule::equals) && DECLARATIONS.contains(&first) && s.at > s.range.start + 1 => {
            just(format!("give `{}` a body: `= value`, or statements in `{{ }}`", s.t.word(s.range.start + 1)))
        }
        () if s.takes(Rule::entries) || s.takes(Rule::curly_open) => just(format!("write `{before} {{ .. }}`")),
        () if takes_value(s) => just(format!("write a value after `{before}`")),
        () => None,
    }
}

/// Keywords of definitions.
const DEFINITIONS: [&str; 10] =
    ["fn", "net", "field", "path", "objective", "sampler", "log_density", "entropy", "modes", "coupling"];

/// Whether the place is inside the header of a definition.
fn is_header(s: &Stop) -> bool {
    DEFINITIONS.contains(&s.t.word(s.range.start)) && s.bracket() == Some(s.range.start + 2)
}

fn takes_value(s: &Stop) -> bool {
    [Rule::expr, Rule::operand, Rule::primary, Rule::operation, Rule::argument, Rule::arguments]
        .iter()
        .any(|r| s.takes(*r))
}

fn is_value(s: &Stop) -> bool {
    matches!(s.t.kind(s.at), Some(Kind::Word | Kind::Number | Kind::Text | Kind::Open))
}

/// Whether the statement around the place begins with `let`.
fn is_let(s: &Stop) -> bool {
    let mut i = s.at;
    while i > s.range.start {
        i -= 1;
        match s.t.word(i) {
            "let" => return true,
            "{" | "}" | ";" => return false,
            _ => {}
        }
    }
    false
}

/// Whether the token before the place is the first word of a statement in a block.
fn is_statement_start(s: &Stop) -> bool {
    let i = s.at.max(1) - 1;
    let inside = s.bracket().is_some_and(|b| s.t.word(b) == "{");
    inside && s.t.is_name(i) && (s.t.all[i].first || i > 0 && matches!(s.t.word(i - 1), "{" | ";"))
}
