//! The canonical form of a file, the basis of `flowc fmt`.
//!
//! A tree, and the text that it came from if there is one -> text. Two blanks of indentation, lines of at most [`WIDTH`]
//! columns where the language allows a break. The author's choices that are kept: comments, single blank lines, what stands
//! together on one line, and whether a block is on one line. Invariants: printing is idempotent, the printed text parses to
//! the same tree up to spans, and no comment is lost: comments are taken strictly in order, each at the next place where a
//! line begins or ends. Deliberately absent: alignment across lines, except of `from` in the equations of one `solve`.

mod bracket;
mod broken;
mod flat;

use super::ast::*;
use crate::source::Span;

/// The most columns of a line.
pub const WIDTH: usize = 120;

/// Prints a file in canonical form. `text` is what the file was parsed from; without it (a tree that was made, not read)
/// there are no lines to keep, and every item, statement and entry gets its own line.
#[must_use]
pub fn print(file: &File, text: Option<&str>) -> String {
    print_within(file, text, WIDTH)
}

/// Prints as [`print()`] does, in lines of at most `width` columns where the language allows a break.
#[must_use]
pub fn print_within(file: &File, text: Option<&str>, width: usize) -> String {
    let mut printer = Printer {
        width,
        out: String::new(),
        line_ends: text.map(|t| t.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i as u32).collect()),
        comments: &file.comments,
        next: 0,
    };
    printer.sequence(&file.items, |i| i.span, Place { indent: 0, close: u32::MAX, join: "; " }, Printer::item);
    let mut out = printer.out;
    if !out.is_empty() {
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out
}

/// One expression on one line, as messages quote it.
#[must_use]
pub fn expression(e: &Expr) -> String {
    flat::expr(e)
}

struct Printer<'a> {
    /// The most columns of a line.
    width: usize,
    out: String,
    /// Where the lines of the source end, if there is a source.
    line_ends: Option<Vec<u32>>,
    comments: &'a [Comment],
    /// The first comment that was not printed yet.
    next: usize,
}

/// Where a sequence of lines stands.
#[derive(Clone, Copy)]
struct Place {
    /// Blanks before each line.
    indent: usize,
    /// Byte of the source where the sequence ends.
    close: u32,
    /// What stands between two parts on one line.
    join: &'static str,
}

impl Printer<'_> {
    fn line(&self, at: u32) -> usize {
        self.line_ends.as_ref().map_or(0, |l| l.partition_point(|e| *e < at))
    }

    /// Whether two bytes stood on one line of the source.
    fn together(&self, a: u32, b: u32) -> bool {
        self.line_ends.is_some() && self.line(a) == self.line(b)
    }

    /// Whether a block may stay on one line: it was on one, or there is no source and it is short.
    fn may_be_flat(&self, span: Span, parts: usize) -> bool {
        !self.has_comment(span)
            && if self.line_ends.is_some() { self.together(span.start, span.end) } else { parts <= 1 }
    }

    /// Whether a comment that is still to be printed stands inside a span.
    fn has_comment(&self, span: Span) -> bool {
        let i = self.comments[self.next..].partition_point(|c| c.span.start < span.start);
        self.comments.get(self.next + i).is_some_and(|c| c.span.start < span.end)
    }

    fn column(&self) -> usize {
        let start = self.out.rfind('\n').map_or(0, |n| n + 1);
        self.out[start..].chars().count()
    }

    fn fits(&self, text: &str, tail: usize) -> bool {
        self.column() + text.chars().count() + tail <= self.width
    }

    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn newline(&mut self, indent: usize) {
        self.out.truncate(self.out.trim_end_matches(' ').len());
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n(' ', indent));
    }

    /// Prints the comments before a byte, each on its own line; the cursor is at a line's beginning, before and after.
    /// `last` is the source line of what was printed last; gives it anew.
    fn leading(&mut self, before: u32, indent: usize, mut last: Option<usize>) -> Option<usize> {
        while let Some(c) = self.comments.get(self.next).filter(|c| c.span.start < before) {
            let line = self.line(c.span.start);
            if last.is_some_and(|l| line > l + 1) {
                self.newline(indent);
            }
            self.push(c.text.trim_end());
            self.newline(indent);
            last = Some(line);
            self.next += 1;
        }
        last
    }

    /// Prints the comment that follows a part on its line, or that stood inside it, behind the part.
    fn trailing(&mut self, end: u32, before: u32) -> bool {
        let Some(c) = self.comments.get(self.next) else { return false };
        let follows = c.span.start < end || !c.own_line && c.span.start < before;
        if follows {
            self.push("  ");
            self.push(c.text.trim_end());
            self.next += 1;
        }
        follows
    }

    /// Parts that each end at a line break: items, statements, entries. Begins at the start of a line, ends behind the last.
    fn sequence<T>(
        &mut self,
        parts: &[T],
        span: impl Fn(&T) -> Span,
        place: Place,
        mut print: impl FnMut(&mut Self, &T, usize),
    ) {
        let Place { indent, close, join } = place;
        let mut last: Option<usize> = None;
        let mut after_comment = false;
        for (i, part) in parts.iter().enumerate() {
            let s = span(part);
            let next_start = parts.get(i + 1).map_or(close, |p| span(p).start);
            if i > 0 {
                let before = span(&parts[i - 1]).end;
                let pending = self.comments.get(self.next).is_some_and(|c| c.span.start < s.start);
                if self.together(before, s.start) && !after_comment && !pending {
                    let (kept, comments) = (self.out.len(), self.next);
                    let column = self.column();
                    self.push(join);
                    print(self, part, indent);
                    let added = &self.out[kept..];
                    if !added.contains('\n') && column + added.chars().count() <= self.width {
                        last = Some(self.line(s.end));
                        after_comment = self.trailing(s.end, next_start);
                        continue;
                    }
                    self.out.truncate(kept);
                    self.next = comments;
                }
                self.newline(indent);
            }
            last = self.leading(s.start, indent, last);
            if last.is_some_and(|l| self.line(s.start) > l + 1) {
                self.newline(indent);
            }
            print(self, part, indent);
            last = Some(self.line(s.end));
            after_comment = self.trailing(s.end, next_start);
        }
        if self.comments.get(self.next).is_some_and(|c| c.span.start < close) {
            if !parts.is_empty() {
                self.newline(indent);
            }
            self.leading(close, indent, last);
            let kept = self.out.trim_end_matches([' ', '\n']).len();
            self.out.truncate(kept);
        }
    }

    /// `{`, parts on lines of their own, `}`.
    fn braces<T>(
        &mut self,
        parts: &[T],
        span: impl Fn(&T) -> Span,
        place: Place,
        print: impl FnMut(&mut Self, &T, usize),
    ) {
        let inner = place.indent + 2;
        self.push("{");
        self.newline(inner);
        self.sequence(parts, span, Place { indent: inner, ..place }, print);
        self.newline(place.indent);
        self.push("}");
    }
}
