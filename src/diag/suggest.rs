//! The nearest name.
//!
//! A word and candidates -> the candidate that was probably meant. Distance: Damerau-Levenshtein in its restricted form
//! (insertions, deletions, substitutions, and swaps of neighbours; Damerau, Commun. ACM 7(3), 1964). Deliberately absent:
//! which names are in scope.

/// How many candidates are looked at: a file that names more was not typed.
const MOST: usize = 10_000;

/// The nearest of the first ten thousand candidates, if it is near enough: at most one slip in three letters, and never more
/// than three. Ties go to the first candidate; a difference in case alone always counts as near.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let length = lower.chars().count();
    let allowed = (length / 3).clamp(1, 3);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates.into_iter().take(MOST) {
        let other = candidate.to_lowercase();
        if other.chars().count().abs_diff(length) > allowed {
            continue;
        }
        let d = distance(&lower, &other);
        // A one-letter word is near to every other one-letter word: that says nothing.
        if d <= allowed && (d < length.max(2) - usize::from(length <= 2)) && best.is_none_or(|(b, _)| d < b) {
            best = Some((d, candidate));
        }
    }
    best.map(|(_, c)| c)
}

/// `did you mean` with the nearest name, or the whole set if it is small, or nothing.
#[must_use]
pub fn did_you_mean(word: &str, candidates: &[&str]) -> Option<String> {
    if let Some(near) = nearest(word, candidates.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    (!candidates.is_empty() && candidates.len() <= 8).then(|| {
        let names: Vec<String> = candidates.iter().map(|c| format!("`{c}`")).collect();
        format!("there is {}", join(&names, "and"))
    })
}

/// `a`, `a or b`, `a, b, or c`
#[must_use]
pub fn join(words: &[String], last: &str) -> String {
    match words {
        [] => String::new(),
        [a] => a.clone(),
        [a, b] => format!("{a} {last} {b}"),
        [rest @ .., z] => format!("{}, {last} {z}", rest.join(", ")),
    }
}

/// Restricted Damerau-Levenshtein distance in characters.
#[must_use]
pub fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut two_above = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let substitute = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = substitute.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(two_above[j - 2] + 1);
            }
        }
        two_above = above;
        above = row;
    }
    above[b.len()]
}
