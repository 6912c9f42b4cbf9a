//! A spec with its words told apart, as HTML.
//!
//! Input: the text of a spec, right or wrong. Output: the same text, escaped, in `<span>`s; a scanner of its own, because a
//! page must show what the parser refused too. Invariant: with the tags removed and entities decoded it is the input.

use super::frame::escape;

/// Words that open a declaration or a block, where they stand first in a statement, and reserved words anywhere.
const OPENING: &[&str] = &[
    "fn",
    "net",
    "field",
    "path",
    "sampler",
    "log_density",
    "objective",
    "coupling",
    "tableau",
    "train",
    "generate",
    "evaluate",
    "expect",
    "published",
    "compare",
    "stage",
    "plot",
    "use",
    "seed",
    "seeds",
    "precision",
    "source",
    "target",
];
const RESERVED: &[&str] = &[
    "let", "draw", "param", "minimize", "if", "then", "else", "solve", "with", "from", "and", "or", "not", "true",
    "false", "none",
];
const TYPES: &[&str] = &["real", "int", "bool", "vec", "mat", "class"];

/// The spec as the inside of a `<pre>`, one `<span class="ln">` per line.
pub(super) fn spec(text: &str) -> String {
    text.lines().map(|l| format!("<span class=\"ln\">{}</span>\n", line(l))).collect()
}

fn line(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    let mut fresh = true;
    while let Some(c) = rest.chars().next() {
        let (length, class) = if rest.starts_with("//") {
            (rest.len(), "cm")
        } else if c == '"' {
            (rest[1..].find('"').map_or(rest.len(), |i| i + 2), "st")
        } else if c.is_ascii_digit() {
            (number(rest), "nu")
        } else if c.is_alphabetic() || c == '_' {
            let n = run(rest, |c| c.is_alphanumeric() || c == '_');
            (n, word(&rest[..n], &rest[n..], fresh))
        } else if c.is_whitespace() {
            (run(rest, char::is_whitespace), "")
        } else {
            (c.len_utf8(), if "()[]{},;".contains(c) { "" } else { "op" })
        };
        let (token, tail) = rest.split_at(length);
        match class {
            "" => out += &escape(token),
            class => out += &format!("<span class=\"{class}\">{}</span>", escape(token)),
        }
        if !token.trim().is_empty() {
            fresh = matches!(c, ';' | '{' | '}');
        }
        rest = tail;
    }
    out
}

fn run(text: &str, accept: impl Fn(char) -> bool) -> usize {
    text.find(|c| !accept(c)).unwrap_or(text.len())
}

/// `5_000`, `1e-3`, `0.5`; not the range `0..5`.
fn number(text: &str) -> usize {
    let b = text.as_bytes();
    let digits = |from: usize| from + b[from..].iter().take_while(|c| c.is_ascii_digit() || **c == b'_').count();
    let mut end = digits(0);
    if b.get(end) == Some(&b'.') && b.get(end + 1).is_some_and(u8::is_ascii_digit) {
        end = digits(end + 1);
    }
    if matches!(b.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(b.get(end + 1), Some(b'+' | b'-')));
        if b.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
            end = digits(end + 1 + sign);
        }
    }
    end
}

fn word(word: &str, after: &str, fresh: bool) -> &'static str {
    if (fresh && OPENING.contains(&word)) || RESERVED.contains(&word) {
        "kw"
    } else if TYPES.contains(&word) {
        "ty"
    } else if after.starts_with('(') {
        "fu"
    } else if after.starts_with(':') {
        "ke"
    } else {
        ""
    }
}
