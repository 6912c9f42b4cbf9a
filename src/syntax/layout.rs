//! Which line breaks end a statement, where the items of a file begin and end, and which brackets have no partner.
//!
//! Tokens -> the text that the grammar reads (same length, comments and idle line breaks blanked) and item ranges.
//! Invariants: the blanked text has the offsets of the original; items do not overlap and cover every token; no item that
//! is handed on nests deeper than [`MAX_NESTING`] or chains longer than [`MAX_CHAIN`], so that recursion over it is safe.
//! Deliberately absent: the shape of an item.

use super::errors;
use super::scan::{Kind, RESERVED, Scan, Token};
use crate::diag::Diagnostic;
use crate::source::{FileId, Span};

/// The deepest nesting of brackets, `if`, `=>` and `solve`.
pub const MAX_NESTING: usize = 64;
/// The most operators and calls in one expression, counting those around it.
pub const MAX_CHAIN: usize = 512;

/// Words that begin a declaration.
pub const DECLARATIONS: [&str; 23] = [
    "fn",
    "net",
    "field",
    "path",
    "objective",
    "sampler",
    "log_density",
    "entropy",
    "modes",
    "coupling",
    "tableau",
    "param",
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
];

/// A range of tokens that should be one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemRange {
    /// First token.
    pub start: usize,
    /// One past the last token.
    pub end: usize,
    /// Whether a fault of its brackets or depth was reported already.
    pub faulty: bool,
}

/// What layout found.
pub struct Layout {
    /// The text for the grammar.
    pub text: String,
    /// Candidates for items, in order.
    pub items: Vec<ItemRange>,
    /// Faults of brackets and depth.
    pub faults: Vec<Diagnostic>,
}

/// A view of tokens with their text.
#[derive(Clone, Copy)]
pub struct Tokens<'a> {
    /// Which file.
    pub file: FileId,
    /// The text of the file.
    pub text: &'a str,
    /// All tokens.
    pub all: &'a [Token],
}

impl<'a> Tokens<'a> {
    /// The text from a token to the end of another, or `..` if there is none or too much.
    pub fn rest(&self, from: usize, to: usize) -> &'a str {
        if from >= to || to > self.all.len() {
            return "..";
        }
        let text = &self.text[self.all[from].start as usize..self.all[to - 1].end as usize];
        if text.len() <= 40 && !text.contains('\n') { text } else { ".." }
    }

    /// The text of token `i`; empty past the end.
    #[must_use]
    pub fn word(&self, i: usize) -> &'a str {
        self.all.get(i).map_or("", |t| &self.text[t.start as usize..t.end as usize])
    }

    /// The kind of token `i`.
    #[must_use]
    pub fn kind(&self, i: usize) -> Option<Kind> {
        self.all.get(i).map(|t| t.kind)
    }

    /// Where token `i` stands; an empty span at the end of the text past the end.
    #[must_use]
    pub fn span(&self, i: usize) -> Span {
        let end = self.text.len() as u32;
        let (start, end) = self.all.get(i).map_or((end, end), |t| (t.start, t.end));
        Span { file: self.file, start, end }
    }

    /// Whether token `i` is a word that can be a name.
    #[must_use]
    pub fn is_name(&self, i: usize) -> bool {
        self.kind(i) == Some(Kind::Word) && !RESERVED.contains(&self.word(i))
    }

    /// Whether token `i` begins a line at its very start.
    fn at_margin(&self, i: usize) -> bool {
        let t = self.all[i];
        t.first && (t.start == 0 || self.text.as_bytes()[t.start as usize - 1] == b'\n')
    }

    /// Whether a declaration seems to begin at token `i`: `word name`, `train {`, `name =`.
    #[must_use]
    pub fn starts_declaration(&self, i: usize) -> bool {
        if self.kind(i) != Some(Kind::Word) {
            return false;
        }
        let next_starts_operand = matches!(self.kind(i + 1), Some(Kind::Word | Kind::Number | Kind::Open | Kind::Text));
        (DECLARATIONS.contains(&self.word(i)) || self.word(i) == "precision")
            && next_starts_operand
            && self.word(i + 1) != "("
            || self.is_name(i) && self.word(i + 1) == "="
    }

    /// Whether a line break after token `i` ends nothing, wherever it stands.
    #[must_use]
    pub fn continues(&self, i: usize) -> bool {
        match self.kind(i) {
            Some(Kind::Mark) => !matches!(self.word(i), "'" | ";"),
            Some(Kind::Word) => RESERVED.contains(&self.word(i)) && !matches!(self.word(i), "true" | "false" | "none"),
            _ => false,
        }
    }
}

/// Lays a scanned text out.
#[must_use]
pub fn layout(file: FileId, text: &str, scan: &Scan) -> Layout {
    let tokens = Tokens { file, text, all: &scan.tokens };
    let mut splitter = Splitter { tokens, items: Vec::new(), faults: Vec::new(), breaks: Vec::new(), cut: false };
    splitter.run();
    let mut bytes = text.as_bytes().to_vec();
    for c in &scan.comments {
        bytes[c.span.start as usize..c.span.end as usize].fill(b' ');
    }
    if text.starts_with('\u{feff}') {
        bytes[..3].fill(b' ');
    }
    let mut end = 0;
    for (i, t) in scan.tokens.iter().enumerate() {
        if t.first && !splitter.breaks.get(i).copied().unwrap_or(true) {
            for b in &mut bytes[end..t.start as usize] {
                if *b == b'\n' {
                    *b = b' ';
                }
            }
        }
        end = t.end as usize;
    }
    let text = String::from_utf8(bytes).expect("whole characters are blanked");
    Layout { text, items: splitter.items, faults: splitter.faults }
}

struct Splitter<'a> {
    tokens: Tokens<'a>,
    items: Vec<ItemRange>,
    faults: Vec<Diagnostic>,
    /// For each token, whether a statement ends before it.
    breaks: Vec<bool>,
    /// Set once a bracket without partner was met: from then on a declaration at the margin ends any item.
    cut: bool,
}

/// One open bracket with what was counted since its last comma or statement end.
#[derive(Clone, Copy)]
struct Level {
    open: usize,
    chain: u32,
    nest: u32,
}

/// The brackets that are open, with running totals.
struct Depth {
    levels: Vec<Level>,
    chain: u32,
    nest: u32,
}

impl Depth {
    fn new() -> Depth {
        Depth { levels: vec![Level { open: usize::MAX, chain: 0, nest: 0 }], chain: 0, nest: 0 }
    }

    fn is_flat(&self) -> bool {
        self.levels.len() == 1
    }

    fn top(&mut self) -> &mut Level {
        self.levels.last_mut().expect("the outermost level stays")
    }

    fn open(&mut self, i: usize) {
        self.count(1, 0);
        self.levels.push(Level { open: i, chain: 0, nest: 0 });
    }

    fn close(&mut self) {
        self.reset();
        self.levels.pop();
    }

    fn count(&mut self, chain: u32, nest: u32) {
        let top = self.top();
        top.chain += chain;
        top.nest += nest;
        self.chain += chain;
        self.nest += nest;
    }

    fn reset(&mut self) {
        let top = self.top();
        let (chain, nest) = (top.chain, top.nest);
        top.chain = 0;
        top.nest = 0;
        self.chain -= chain;
        self.nest -= nest;
    }

    fn too_deep(&self) -> bool {
        self.levels.len() - 1 + self.nest as usize > MAX_NESTING || self.chain as usize > MAX_CHAIN
    }
}

/// How the walk over one item ended.
enum Walk {
    /// At this token, in order.
    Done(usize),
    /// At this token, with a fault reported.
    Faulty(usize),
    /// Brackets do not match, and the walk did not look for a place to cut yet.
    Again,
}

impl Splitter<'_> {
    fn run(&mut self) {
        let n = self.tokens.all.len();
        self.breaks = vec![false; n];
        let mut i = 0;
        while i < n {
            if self.tokens.word(i) == ";" {
                i += 1;
                continue;
            }
            let walk = match self.walk(i) {
                Walk::Again => {
                    self.cut = true;
                    self.walk(i)
                }
                other => other,
            };
            let (end, faulty) = match walk {
                Walk::Done(end) => (end, false),
                Walk::Faulty(end) => (end, true),
                Walk::Again => unreachable!("a walk that cuts always ends"),
            };
            self.items.push(ItemRange { start: i, end, faulty });
            i = end;
        }
    }

    /// Whether a line break before token `i` ends a statement, given the innermost open bracket.
    fn ends_before(&self, i: usize, depth: &Depth) -> bool {
        let t = self.tokens;
        if !t.all[i].first || i == 0 {
            return false;
        }
        let inner = depth.levels.last().map_or("", |l| t.word(l.open));
        if matches!(inner, "(" | "[") || t.continues(i - 1) {
            return false;
        }
        match t.word(i) {
            "then" | "else" | "with" => false,
            "from" => depth.is_flat(),
            _ => true,
        }
    }

    fn walk(&mut self, start: usize) -> Walk {
        let t = self.tokens;
        let mut depth = Depth::new();
        let mut fault = None;
        for i in start..t.all.len() {
            let ends = self.ends_before(i, &depth);
            self.breaks[i] = ends;
            if ends {
                depth.reset();
            }
            if i > start {
                if depth.is_flat() && (t.word(i) == ";" || ends && t.kind(i) == Some(Kind::Word)) {
                    return self.done(i, fault);
                }
                if self.cut && !depth.is_flat() && t.at_margin(i) && t.starts_declaration(i) {
                    let open = depth.levels[depth.levels.len() - 1].open;
                    fault.get_or_insert_with(|| errors::unclosed(t, open, Some(i)));
                    return self.done(i, fault);
                }
            }
            match t.kind(i) {
                Some(Kind::Open) => depth.open(i),
                Some(Kind::Close) if depth.is_flat() => {
                    fault.get_or_insert_with(|| errors::stray_closer(t, i));
                }
                Some(Kind::Close) => {
                    let open = depth.top().open;
                    if closer(t.word(open)) != t.word(i) {
                        if !self.cut {
                            return Walk::Again;
                        }
                        fault.get_or_insert_with(|| errors::mismatched(t, open, i));
                        // Close down to the bracket that does fit, if there is one.
                        while depth.levels.len() > 2 && closer(t.word(depth.top().open)) != t.word(i) {
                            depth.close();
                        }
                    }
                    depth.close();
                }
                Some(Kind::Mark) => match t.word(i) {
                    "," | ";" => depth.reset(),
                    "=>" => depth.count(1, 1),
                    _ => depth.count(1, 0),
                },
                Some(Kind::Word) => match t.word(i) {
                    "if" | "solve" => depth.count(1, 1),
                    "and" | "or" | "not" => depth.count(1, 0),
                    _ => {}
                },
                _ => {}
            }
            if depth.too_deep() {
                if !self.cut {
                    // Perhaps it only looks deep, because a bracket far above was never closed.
                    return Walk::Again;
                }
                // Nothing after such a place is worth reading: the rest of the file is dropped.
                self.faults.push(errors::too_deep(t.span(i), depth.chain as usize > MAX_CHAIN));
                return Walk::Faulty(t.all.len());
            }
        }
        if !depth.is_flat() {
            if !self.cut {
                return Walk::Again;
            }
            let open = depth.top().open;
            fault.get_or_insert_with(|| errors::unclosed(t, open, None));
        }
        self.done(t.all.len(), fault)
    }

    fn done(&mut self, end: usize, fault: Option<Diagnostic>) -> Walk {
        match fault {
            None => Walk::Done(end),
            Some(d) => {
                if self.faults.len() < super::MAX_FAULTS {
                    self.faults.push(d);
                }
                Walk::Faulty(end)
            }
        }
    }
}

/// The bracket that closes `open`.
#[must_use]
pub fn closer(open: &str) -> &'static str {
    match open {
        "(" => ")",
        "[" => "]",
        _ => "}",
    }
}
