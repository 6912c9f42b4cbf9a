//! Which message fits where the grammar stopped.
//!
//! An item that the grammar refused, the place where it stopped and the rules it would have taken -> one diagnostic. The
//! grammar knows what is allowed; this file knows what people write instead. Invariant: always gives a message with a place
//! in the item. Deliberately absent: the wording of codes (`errors`).

use super::expected::list;
use super::layout::{DECLARATIONS, ItemRange, Tokens};
use super::scan::{Kind, RESERVED};
use super::{Failure, Rule, errors, habits, keys};
use crate::diag::{Diagnostic, suggest};
use crate::source::Span;

/// Marks and words that cannot begin a line.
const OPERATORS: [&str; 21] =
    ["+", "-", "*", "/", "@", "^", "..", "==", "<", "<=", ">", ">=", "and", "or", "=", "=>", "->", "~", "|", ".", ":"];

/// The place where the grammar stopped, seen from the tokens.
pub struct Stop<'a> {
    /// All tokens.
    pub t: Tokens<'a>,
    /// The item.
    pub range: ItemRange,
    /// The token that the grammar did not take; `range.end` if the item ended too early.
    pub at: usize,
    /// Whether a statement ended before that token, so that the fault is the end of a line.
    pub line_end: bool,
    /// What it would have taken.
    pub expected: Vec<Rule>,
}

impl<'a> Stop<'a> {
    /// The token, or nothing where a line ends.
    pub fn found(&self) -> &'a str {
        if self.line_end { "" } else { self.t.word(self.at) }
    }

    /// The token before.
    pub fn before(&self) -> &'a str {
        if self.at > self.range.start { self.t.word(self.at - 1) } else { "" }
    }

    /// Whether a rule would have been taken.
    pub fn takes(&self, rule: Rule) -> bool {
        self.expected.contains(&rule)
    }

    /// The innermost bracket that is open before the token.
    pub fn bracket(&self) -> Option<usize> {
        let mut open = Vec::new();
        for i in self.range.start..self.at {
            match self.t.kind(i) {
                Some(Kind::Open) => open.push(i),
                Some(Kind::Close) => {
                    open.pop();
                }
                _ => {}
            }
        }
        open.pop()
    }

    /// Where the message points.
    pub fn span(&self) -> Span {
        if !self.line_end && self.at < self.range.end {
            return self.t.span(self.at);
        }
        let end = self.t.span(self.at.max(1) - 1).end;
        Span { file: self.t.file, start: end, end }
    }

    /// What it would have taken, without what only the grammar thinks of: that `train` might be a name that is bound, or
    /// that a finished value might still be called.
    fn plausible(&self) -> Vec<Rule> {
        let keyword = self.at == self.range.start + 1 && DECLARATIONS.contains(&self.before());
        let open = [Rule::round_open, Rule::square_open, Rule::member];
        let after_value = self.takes(Rule::add) || self.takes(Rule::member);
        let closes = [Rule::comma, Rule::round_close, Rule::square_close, Rule::curly_close, Rule::EOI];
        let closed = closes.iter().any(|r| self.takes(*r)) || after_value;
        let keep = |r: &Rule| match r {
            Rule::equals => !keyword,
            Rule::fat_arrow | Rule::colon => !closed,
            r if open.contains(r) => !after_value,
            _ => true,
        };
        let kept: Vec<Rule> = self.expected.iter().copied().filter(keep).collect();
        if kept.is_empty() { self.expected.clone() } else { kept }
    }

    /// What was found, in words.
    fn found_name(&self) -> String {
        if self.at >= self.t.all.len() {
            return "the end of the file".to_string();
        }
        if self.line_end || self.at >= self.range.end {
            return if self.t.word(self.at) == ";" { "`;`".into() } else { "the end of the line".into() };
        }
        match self.t.kind(self.at) {
            Some(Kind::Text) => "a string".to_string(),
            _ => format!("`{}`", errors::clip(self.found())),
        }
    }
}

/// The message for an item that the grammar refused. `laid` is the text that the grammar read.
pub fn diagnose(t: Tokens, laid: &str, range: ItemRange, failure: &Failure) -> Diagnostic {
    let mut at = t.all.partition_point(|x| x.end <= failure.at).clamp(range.start, range.end);
    let gap_ends = |at: usize| {
        let from = failure.at as usize;
        at < t.all.len() && from < t.all[at].start as usize && laid[from..t.all[at].start as usize].contains('\n')
    };
    // A word that was read as a name but is glued to what follows belongs to the token before.
    if at > range.start && t.all[at - 1].end > failure.at {
        at -= 1;
    }
    let stop = Stop { t, range, at, line_end: at >= range.end || gap_ends(at), expected: failure.expected.clone() };
    first_word(&stop)
        .or_else(|| operator_first(&stop))
        .or_else(|| spaced(&stop))
        .or_else(|| reserved(&stop))
        .or_else(|| habits::special(&stop))
        .unwrap_or_else(|| {
            let hint = habits::hint(&stop);
            let expected = match &hint {
                Some(habits::Hint { expected: Some(one), .. }) => (*one).to_string(),
                _ => list(&stop.plausible()),
            };
            errors::unexpected(stop.span(), &expected, &stop.found_name(), hint.map(|h| h.help))
        })
}

/// The keyword that a misspelt one probably is.
pub fn keyword_meant(word: &str) -> Option<&'static str> {
    suggest::nearest(word, DECLARATIONS.iter().copied().chain(["precision"]))
}

/// E0107, or E0101 where an item does not begin like a declaration.
fn first_word(s: &Stop) -> Option<Diagnostic> {
    let (t, i) = (s.t, s.range.start);
    let (word, next) = (t.word(i), t.word(i + 1));
    let span = t.span(i);
    if t.kind(i) != Some(Kind::Word) {
        if OPERATORS.contains(&word) {
            return Some(errors::leading_operator(span, word, None));
        }
        return Some(errors::unexpected(span, "a declaration", &s.found_name_of(i), habits::no_declaration(s)));
    }
    if DECLARATIONS.contains(&word) || word == "precision" || t.is_name(i) && next == "=" {
        return None;
    }
    if RESERVED.contains(&word) {
        if next == "=" {
            return Some(errors::reserved_word(span, word, "the name of a binding"));
        }
        if word == "and" || word == "or" {
            return Some(errors::leading_operator(span, word, (i > 0).then(|| t.span(i - 1))));
        }
        return Some(habits::statement_at_top(s));
    }
    if let Some(d) = habits::not_a_keyword(s) {
        return Some(d);
    }
    if next == ":"
        && t.is_name(i)
        && let Some(block) = keys::block_of(word)
    {
        return Some(errors::outside_block(span, word, block, t.rest(i + 2, s.range.end)));
    }
    if next == ":" && t.is_name(i) {
        return Some(errors::unexpected(t.span(i + 1), "`=`", "`:`", habits::no_declaration(s)));
    }
    let looks_like_keyword = i + 1 < s.range.end
        && (t.kind(i + 1) == Some(Kind::Word) || t.all[i + 1].spaced && matches!(next, "{" | "[") || next == "{");
    let near = keyword_meant(word);
    match near {
        Some(near) if i + 1 < s.range.end && next != ":" && next != "." => {
            Some(errors::unknown_keyword(span, word, format!("did you mean `{near}`?")))
        }
        _ if looks_like_keyword => {
            let all: Vec<String> = DECLARATIONS.iter().chain(&["precision"]).map(|k| format!("`{k}`")).collect();
            let help = format!("a declaration begins with {}, or is a binding `name = value`", all.join(", "));
            Some(errors::unknown_keyword(span, word, help))
        }
        _ => Some(errors::unexpected(span, "a declaration", &s.found_name_of(i), habits::no_declaration(s))),
    }
}

impl Stop<'_> {
    fn found_name_of(&self, i: usize) -> String {
        match self.t.kind(i) {
            Some(Kind::Text) => "a string".to_string(),
            _ if i + 1 < self.range.end && self.t.kind(i) == Some(Kind::Word) && self.t.word(i + 1) == "(" => {
                format!("the expression `{}(..)`", errors::clip(self.t.word(i)))
            }
            _ => format!("`{}`", errors::clip(self.t.word(i))),
        }
    }
}

/// E0102
fn operator_first(s: &Stop) -> Option<Diagnostic> {
    if s.line_end || s.at >= s.range.end || s.at == s.range.start {
        return None;
    }
    let (op, before) = (s.t.word(s.at), s.before());
    let starts_line = s.t.all[s.at].first && !s.t.continues(s.at - 1);
    let starts_statement = s.takes(Rule::statement) && matches!(before, "{" | ";") && op == "-";
    let opening = matches!(before, "(" | "[" | "{" | ";");
    if OPERATORS.contains(&op) && starts_line && !opening {
        return Some(errors::leading_operator(s.t.span(s.at), op, Some(s.t.span(s.at - 1))));
    }
    starts_statement.then(|| errors::leading_operator(s.t.span(s.at), op, None))
}

/// E0103
fn spaced(s: &Stop) -> Option<Diagnostic> {
    if s.line_end || s.at >= s.range.end || s.at == s.range.start {
        return None;
    }
    let (t, open) = (s.t, s.found());
    let callee = t.is_name(s.at - 1) || matches!(s.before(), ")" | "]");
    let token = t.all[s.at];
    // `train [`, `use x (`: the word before is a keyword, not something to call.
    let keyword = s.at - 1 == s.range.start && DECLARATIONS.contains(&s.before())
        || s.at - 1 == s.range.start + 1 && matches!(t.word(s.range.start), "tableau" | "stage" | "compare" | "param");
    if !callee || keyword || token.first || !token.spaced || !matches!(open, "(" | "[") {
        return None;
    }
    let name = s.before();
    let gap = Span { file: t.file, start: t.span(s.at - 1).end, end: token.end };
    Some(errors::spaced_call(gap, name, open))
}

/// E0106
fn reserved(s: &Stop) -> Option<Diagnostic> {
    if s.line_end || s.at >= s.range.end || !RESERVED.contains(&s.found()) {
        return None;
    }
    let (word, span) = (s.found(), s.t.span(s.at));
    let name_rules = [
        Rule::name,
        Rule::pattern,
        Rule::formal,
        Rule::formals,
        Rule::config,
        Rule::signature,
        Rule::entry,
        Rule::module,
        Rule::member,
    ];
    let only_name = name_rules.iter().any(|r| s.takes(*r)) && !s.takes(Rule::expr);
    let next = s.t.word(s.at + 1);
    if only_name {
        let what = match s.before() {
            "let" | "draw" => "bound",
            "." => "a member",
            "param" => "the name of a parameter",
            before if DECLARATIONS.contains(&before) => "the name of a declaration",
            _ if next == ":" && s.bracket().is_some_and(|b| s.t.word(b) == "{") => "a key",
            _ if next == ":" => "a label",
            _ => "a name",
        };
        return Some(errors::reserved_word(span, word, what));
    }
    let takes_value =
        s.takes(Rule::expr) || s.takes(Rule::primary) || s.takes(Rule::operand) || s.takes(Rule::argument);
    if takes_value && next == ":" && !matches!(word, "solve" | "if") {
        return Some(errors::reserved_word(span, word, "a label"));
    }
    // `let`, `draw`, `from` and so on where a value should stand: `f(draw, 1)`, `a + from`.
    let next_ends = s.at + 1 >= s.range.end
        || s.t.all[s.at + 1].first
        || matches!(next, ")" | "]" | "}" | "," | "+" | "*" | "/" | "^" | "@" | "." | "|");
    let value_word = matches!(word, "let" | "draw" | "param" | "minimize" | "with" | "from" | "solve");
    (takes_value && next_ends && value_word).then(|| errors::reserved_word(span, word, "a value"))
}
