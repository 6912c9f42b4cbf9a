//! Where long names break.
//!
//! Input: a name of an arm or a metric. Output: lines of a width, or HTML that may break. Invariant: no letter is lost but spaces at
//! the ends of lines. Deliberately absent: prose (`term`), shortening.

use super::frame::escape;

/// Where a word may break: after these.
const JOINTS: [char; 3] = ['_', '(', '/'];

fn long(text: &str) -> usize {
    text.chars().count()
}

/// Lines of at most so many letters: broken between words, inside of one too long for a line after an underscore or bracket, else
/// anywhere.
#[must_use]
pub fn wrapped(name: &str, letters: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in name.split(' ') {
        let pieces: Vec<&str> = if long(word) > letters { word.split_inclusive(JOINTS).collect() } else { vec![word] };
        for (k, piece) in pieces.into_iter().enumerate() {
            let space = k == 0 && lines.last().is_some_and(|l| !l.is_empty());
            if lines.last().is_some_and(|l| !l.is_empty() && long(l) + usize::from(space) + long(piece) > letters) {
                lines.push(String::new());
            } else if space {
                lines.last_mut().into_iter().for_each(|l| l.push(' '));
            }
            for c in piece.chars() {
                if lines.last().is_some_and(|l| long(l) >= letters.max(1)) {
                    lines.push(String::new());
                }
                lines.last_mut().into_iter().for_each(|l| l.push(c));
            }
        }
    }
    lines
}

/// HTML of a name that may break after a bracket, a comma or an underscore.
pub(super) fn breakable(name: &str) -> String {
    escape(name).replace('(', "(<wbr>").replace(", ", ", <wbr>").replace('_', "_<wbr>")
}
