//! Words, marks and comments of a text.
//!
//! Text -> tokens in order, comments in order, and the faults that can be seen in one token (a bad number, an open string, a
//! mark that the language does not have). Invariant: tokens do not overlap, and together with blanks and comments cover the
//! text. Deliberately absent: what a token means; the grammar (`grammar/flow.pest`) reads the text again after layout.

use super::ast::Comment;
use super::errors;
use crate::diag::Diagnostic;
use crate::source::{FileId, Span};
use std::collections::HashSet;

/// What a token is, as far as layout and messages need to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name or a word of the language.
    Word,
    /// A number, good or bad.
    Number,
    /// A string with its quotes.
    Text,
    /// `(`, `[`, `{`
    Open,
    /// `)`, `]`, `}`
    Close,
    /// Any other mark of the language.
    Mark,
    /// Something that the language does not have; already reported.
    Foreign,
}

/// A token: a byte range, and whether a line break or a blank stands before it.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// What it is.
    pub kind: Kind,
    /// Whether it is the first token of its line.
    pub first: bool,
    /// Whether anything at all stands between it and the token before.
    pub spaced: bool,
}

/// What was seen.
pub struct Scan {
    /// Every token.
    pub tokens: Vec<Token>,
    /// Every comment.
    pub comments: Vec<Comment>,
    /// The faults, with the byte where each stands.
    pub faults: Vec<Diagnostic>,
}

/// Words that are never names; the rule `reserved` of the grammar.
pub const RESERVED: [&str; 16] = [
    "let", "draw", "param", "minimize", "if", "then", "else", "solve", "with", "from", "and", "or", "not", "true",
    "false", "none",
];

/// Marks of two characters that belong to the language.
const PAIRS: [&str; 6] = ["=>", "==", "<=", ">=", "->", ".."];

/// Marks of other languages, longest first. None of them can be a sequence of ours in a valid text.
const FOREIGN: [&str; 23] = [
    "===", "!==", "...", "..=", "**", "!=", "<>", "&&", "||", "|>", "::", ":=", "+=", "-=", "*=", "/=", "=<", "~=",
    "++", "!", "&", "%", "?",
];

/// Scans a text. At most [`super::MAX_FAULTS`] faults are kept.
pub fn scan(file: FileId, text: &str) -> Scan {
    let mut s = Scanner {
        file,
        text,
        bytes: text.as_bytes(),
        at: 0,
        first: true,
        spaced: true,
        hash_seen: false,
        seen: HashSet::new(),
        out: Scan { tokens: Vec::new(), comments: Vec::new(), faults: Vec::new() },
    };
    while s.at < s.bytes.len() {
        s.step();
    }
    s.out
}

struct Scanner<'a> {
    file: FileId,
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    first: bool,
    spaced: bool,
    hash_seen: bool,
    /// Foreign characters that were reported.
    seen: HashSet<String>,
    out: Scan,
}

fn is_letter(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

impl Scanner<'_> {
    fn span(&self, start: usize, end: usize) -> Span {
        Span { file: self.file, start: start as u32, end: end as u32 }
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    fn push(&mut self, kind: Kind, end: usize) {
        let (start, end) = (self.at as u32, end as u32);
        self.out.tokens.push(Token { start, end, kind, first: self.first, spaced: self.spaced });
        self.first = false;
        self.spaced = false;
        self.at = end as usize;
    }

    fn fault(&mut self, d: Diagnostic) {
        if self.out.faults.len() < super::MAX_FAULTS {
            self.out.faults.push(d);
        }
    }

    fn step(&mut self) {
        let rest = &self.bytes[self.at..];
        match rest[0] {
            b'\n' => {
                self.first = true;
                self.spaced = true;
                self.at += 1;
            }
            b' ' | b'\t' | b'\r' => {
                self.spaced = true;
                self.at += 1;
            }
            b'/' if rest.starts_with(b"//") => self.comment(),
            b'/' if rest.starts_with(b"/*") => self.block_comment(),
            b'#' => self.hash(),
            b'0'..=b'9' => self.number(),
            b'.' if self.byte(self.at + 1).is_ascii_digit() => self.point_number(),
            b'"' => self.string(),
            b'\'' => self.quote(),
            b if b.is_ascii_alphabetic() || b == b'_' => {
                let end = self.at + rest.iter().take_while(|b| is_letter(**b)).count();
                self.push(Kind::Word, end);
            }
            b'(' | b'[' | b'{' => self.push(Kind::Open, self.at + 1),
            b')' | b']' | b'}' => self.push(Kind::Close, self.at + 1),
            _ => self.mark(),
        }
    }

    fn line_end(&self, from: usize) -> usize {
        let n = self.bytes[from..].iter().take_while(|b| **b != b'\n').count();
        let end = from + n;
        if end > from && self.bytes[end - 1] == b'\r' { end - 1 } else { end }
    }

    fn comment(&mut self) {
        let end = self.line_end(self.at);
        let text = self.text[self.at..end].to_string();
        self.out.comments.push(Comment { span: self.span(self.at, end), text, own_line: self.first });
        self.spaced = true;
        self.at = end;
    }

    fn block_comment(&mut self) {
        let (end, closed) = match self.text[self.at + 2..].find("*/") {
            Some(n) => (self.at + 2 + n + 2, true),
            None => (self.bytes.len(), false),
        };
        self.fault(errors::block_comment(self.span(self.at, self.at + 2), closed));
        self.spaced = true;
        self.at = end;
    }

    fn hash(&mut self) {
        if !self.hash_seen {
            self.hash_seen = true;
            self.fault(errors::hash_comment(self.span(self.at, self.at + 1)));
        }
        self.spaced = true;
        self.at = self.line_end(self.at);
    }

    /// Bytes between the quote at the cursor and the next one on this line.
    fn quoted(&self, quote: u8) -> Option<usize> {
        let rest = &self.bytes[self.at + 1..];
        let n = rest.iter().position(|b| *b == quote || *b == b'\n')?;
        (rest[n] == quote).then_some(n)
    }

    fn string(&mut self) {
        match self.quoted(b'"') {
            Some(n) => self.push(Kind::Text, self.at + n + 2),
            None => {
                self.fault(errors::open_string(self.span(self.at, self.at + 1)));
                self.push(Kind::Foreign, self.line_end(self.at));
            }
        }
    }

    /// `'` directly after a word is a derivative mark; anywhere else it opens a string of another language.
    fn quote(&mut self) {
        if !self.spaced && self.out.tokens.last().is_some_and(|t| t.kind == Kind::Word) {
            return self.push(Kind::Mark, self.at + 1);
        }
        let inner = self.quoted(b'\'');
        let end = self.at + inner.map_or(1, |n| n + 2);
        let inner = inner.map(|n| self.text[self.at + 1..self.at + 1 + n].to_string());
        self.fault(errors::single_quotes(self.span(self.at, end), inner.as_deref()));
        self.push(Kind::Foreign, end);
    }

    /// A number with everything that is glued to it, so that `1__0` and `0x10` are one fault.
    fn number(&mut self) {
        let start = self.at;
        let mut end = start;
        let digits = |bytes: &[u8], mut end: usize| {
            while end < bytes.len() && (bytes[end].is_ascii_digit() || bytes[end] == b'_') {
                end += 1;
            }
            end
        };
        end = digits(self.bytes, end);
        if self.byte(end) == b'.' && self.byte(end + 1) != b'.' && !self.byte(end + 1).is_ascii_alphabetic() {
            end = digits(self.bytes, end + 1);
        } else if self.byte(end) == b'.' && matches!(self.byte(end + 1), b'e' | b'E' | b'f') {
            end += 1; // `1.e5`, `1.f`
        }
        if matches!(self.byte(end), b'e' | b'E') {
            let sign = usize::from(matches!(self.byte(end + 1), b'+' | b'-'));
            end = digits(self.bytes, end + 1 + sign);
        }
        while is_letter(self.byte(end)) || (self.byte(end) == b'.' && self.byte(end + 1).is_ascii_digit()) {
            end += 1;
        }
        let text = &self.text[start..end];
        if let Some(fault) = number_fault(text) {
            let d = errors::bad_number(self.span(start, end), text, fault);
            self.fault(d);
        }
        self.push(Kind::Number, end);
    }

    /// `.5`
    fn point_number(&mut self) {
        let end = self.at + 1 + self.bytes[self.at + 1..].iter().take_while(|b| is_letter(**b)).count();
        let text = &self.text[self.at..end];
        let after_value =
            !self.spaced && self.out.tokens.last().is_some_and(|t| matches!(t.kind, Kind::Word | Kind::Close));
        let fault = if after_value { NumberFault::DottedIndex } else { NumberFault::NoDigitBefore };
        let d = errors::bad_number(self.span(self.at, end), text, fault);
        self.fault(d);
        self.push(Kind::Number, end);
    }

    fn mark(&mut self) {
        let rest = &self.text[self.at..];
        // `a=-b`, `a<-b` and `...5` aside, the longest mark wins.
        if let Some(mark) = FOREIGN.iter().find(|m| rest.starts_with(**m)) {
            self.fault(errors::foreign_mark(self.span(self.at, self.at + mark.len()), mark));
            return self.push(Kind::Foreign, self.at + mark.len());
        }
        if let Some(mark) = PAIRS.iter().find(|m| rest.starts_with(**m)) {
            return self.push(Kind::Mark, self.at + mark.len());
        }
        let c = rest.chars().next().expect("the scanner stands before the end");
        if "=<>+-*/@^~|:;,.".contains(c) {
            return self.push(Kind::Mark, self.at + 1);
        }
        if c == '\u{feff}' && self.at == 0 {
            self.at += c.len_utf8();
            return;
        }
        // A run of foreign letters is one fault: `σ²`.
        let subscript = |c: char| ('₀'..='₉').contains(&c);
        let start = match self.out.tokens.last() {
            Some(t) if subscript(c) && !self.spaced && t.kind == Kind::Word => t.start as usize,
            _ => self.at,
        };
        let end = if subscript(c) {
            self.at + rest.chars().take_while(|c| subscript(*c)).map(char::len_utf8).sum::<usize>()
        } else if c.is_alphabetic() {
            let n: usize = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').map(char::len_utf8).sum();
            self.at + n
        } else {
            self.at + c.len_utf8()
        };
        // One report of a character: a reader who writes `x₁` writes it on every line.
        let what = &self.text[start..end];
        if self.seen.insert(what.to_owned()) {
            self.fault(errors::foreign_character(self.span(start, end), c, what));
        }
        self.push(Kind::Foreign, end);
    }
}

/// Why a number is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberFault {
    /// `1.`
    NoDigitAfter,
    /// `.5`
    NoDigitBefore,
    /// `x.0`
    DottedIndex,
    /// `1e`, `1e+`
    NoExponent,
    /// `1__0`, `1_`
    Underscore,
    /// `0x10`, `0b1`
    Base,
    /// `2x`, `10ms`
    Letters,
    /// `1.2.3`
    TwoPoints,
    /// `1e999`
    TooLarge,
}

/// The fault of a number as written, if it has one.
fn number_fault(text: &str) -> Option<NumberFault> {
    let lower = text.to_ascii_lowercase();
    if lower.len() > 1 && ["0x", "0b", "0o"].iter().any(|p| lower.starts_with(p)) {
        return Some(NumberFault::Base);
    }
    let split = lower.find('e').unwrap_or(lower.len());
    let (mantissa, exponent) = lower.split_at(split);
    if mantissa.matches('.').count() > 1 || exponent.contains('.') {
        return Some(NumberFault::TwoPoints);
    }
    if !mantissa.bytes().all(|b| b.is_ascii_digit() || b == b'_' || b == b'.') {
        return Some(NumberFault::Letters);
    }
    if mantissa.ends_with('.') {
        return Some(NumberFault::NoDigitAfter);
    }
    if let Some(digits) = exponent.strip_prefix('e') {
        let digits = digits.strip_prefix(['+', '-']).unwrap_or(digits);
        if digits.is_empty() {
            return Some(NumberFault::NoExponent);
        }
        if !digits.bytes().all(|b| b.is_ascii_digit() || b == b'_') {
            return Some(NumberFault::Letters);
        }
    }
    let groups = lower.split(['.', 'e', '+', '-']).filter(|g| !g.is_empty());
    if groups.into_iter().any(|g| g.split('_').any(str::is_empty)) {
        return Some(NumberFault::Underscore);
    }
    let value: f64 = lower.replace('_', "").parse().ok()?;
    (!value.is_finite()).then_some(NumberFault::TooLarge)
}
