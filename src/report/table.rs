//! A table that is whole at any width.
//!
//! Input: heads and cells, as HTML. Output: a `<table>`. On a narrow screen the style sheet sets each row as a list, so every cell
//! carries the words of its head. Invariant: a row has a cell for each head. Deliberately absent: what stands in it.

use super::frame::escape;
use std::fmt::Write as _;

/// A table in the making.
pub(super) struct Table {
    class: &'static str,
    heads: Vec<Head>,
    body: String,
}

struct Head {
    html: String,
    /// The same without markup, for an attribute.
    words: String,
    number: bool,
}

impl Table {
    /// An empty one; `class` may be empty.
    pub fn new(class: &'static str) -> Self {
        Table { class, heads: Vec::new(), body: String::new() }
    }

    /// A column of words.
    pub fn words(&mut self, head: &str) -> &mut Self {
        self.heads.push(Head { html: escape(head), words: escape(head), number: false });
        self
    }

    /// A column of numbers.
    pub fn numbers(&mut self, head: &str) -> &mut Self {
        self.marked(escape(head), head)
    }

    /// A column of numbers with markup in its head.
    pub fn marked(&mut self, html: String, words: &str) -> &mut Self {
        self.heads.push(Head { html, words: escape(words), number: true });
        self
    }

    /// A row; its first cell is what it is called.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut cells = cells.into_iter();
        let _ = write!(self.body, "<tr><th>{}</th>", cells.next().unwrap_or_default());
        for (head, cell) in self.heads.iter().skip(1).zip(cells) {
            let class = if head.number { " class=\"n\"" } else { "" };
            let _ = write!(self.body, "<td{class} data-h=\"{}\">{cell}</td>", head.words);
        }
        self.body += "</tr>";
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// The element; nothing without a row.
    pub fn finish(self) -> String {
        if self.is_empty() {
            return String::new();
        }
        let mut head = String::new();
        for h in &self.heads {
            let class = if h.number { " class=\"n\"" } else { "" };
            let _ = write!(head, "<th{class}>{}</th>", h.html);
        }
        let class = if self.class.is_empty() { String::new() } else { format!(" class=\"{}\"", self.class) };
        format!(
            "<div class=\"scroll\"><table{class}><thead><tr>{head}</tr></thead><tbody>{}</tbody></table></div>",
            self.body
        )
    }
}
