//! What did not come to its end, and what to do about it.
//!
//! Input: a record. Output: HTML of one section, empty if nothing failed. Deliberately absent: why things fail (their messages say it).

use super::frame::escape;
use super::number;
use super::record::{Cell, Failure};
use super::sections::{Page, paragraph, section};

impl Page<'_> {
    /// What ended the run or some of its cells, and what to do about it, said once where it follows itself.
    pub fn failures(&self) -> String {
        let all: Vec<(Option<&Cell>, &Failure)> = self.record.failures().collect();
        let one = |(i, (cell, f)): (usize, &(Option<&Cell>, &Failure))| {
            let name = cell.and_then(|c| self.record.cell_name(c));
            let name = name.map_or_else(String::new, |n| format!("<b>{}</b>: ", escape(&n)));
            let done = cell.filter(|c| c.steps_done > 0).map(|c| {
                let (done, of) = (number::count(c.steps_done), number::count(c.steps_planned));
                format!("{done} of {of} training steps were done")
            });
            let more = f.notes.iter().chain(&done).map(|n| format!("<li>{}</li>", code(n))).collect::<String>();
            let more = if more.is_empty() { more } else { format!("<ul>{more}</ul>") };
            let last = all.get(i + 1).is_none_or(|(_, next)| next.help != f.help);
            let help = f
                .help
                .as_ref()
                .filter(|_| last)
                .map_or_else(String::new, |h| paragraph(&format!("What to do: {}.", code(h))));
            format!("<p>{name}{}</p>{more}{help}", code(&f.what))
        };
        let body: String = all.iter().enumerate().map(one).collect();
        if body.is_empty() { body } else { section("failures", "What failed", &body) }
    }
}

/// Text in which what stands between backticks is code.
fn code(text: &str) -> String {
    let part = |(i, t): (usize, &str)| if i % 2 == 1 { format!("<code>{}</code>", escape(t)) } else { escape(t) };
    text.split('`').enumerate().map(part).collect()
}
