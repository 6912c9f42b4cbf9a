//! Words or numbers to classes.

use super::fault::{Fault, Place};
use super::stream::Mark;
use super::table::Labels;
use std::collections::HashMap;

/// Classes of a set at most.
const CLASSES: usize = 1 << 12;
/// Different labels at which reading stops: every row has its own.
const TOO_MANY: usize = 1 << 16;
/// Integers of this size are not told from their neighbours by a real.
pub const EXACT: f64 = 9_007_199_254_740_992.0;

/// Labels as they come.
#[derive(Default)]
pub struct Classes {
    known: HashMap<String, u32>,
    /// Different labels with the place of their first row.
    names: Vec<(String, Mark)>,
    of: Vec<u32>,
}

impl Classes {
    /// Adds the label of the next row.
    ///
    /// # Errors
    /// If there are far too many different ones.
    pub fn push(&mut self, label: String, mark: Mark) -> Result<(), Fault> {
        let new = self.names.len();
        let class = match self.known.get(&label) {
            Some(k) => *k,
            None if new == TOO_MANY => return Err(Fault::Classes { count: new + 1, rows: self.of.len() + 1 }),
            None => {
                self.known.insert(label.clone(), new as u32);
                self.names.push((label, mark));
                new as u32
            }
        };
        self.of.push(class);
        Ok(())
    }

    /// Numbers from 0 on are themselves, anything else is counted in order (numbers by value, words by the alphabet).
    ///
    /// # Errors
    /// If a label is missing or no class, or each row has its own.
    pub fn finish(self, place: &dyn Fn(Mark) -> Place) -> Result<Labels, Fault> {
        let mut numeric = true;
        for (text, mark) in &self.names {
            if text.is_empty() || text.eq_ignore_ascii_case("nan") {
                return Err(Fault::NotFinite { at: place(*mark), text: text.clone() });
            }
            match text.parse::<f64>() {
                Ok(x) if x.fract() != 0.0 || x.abs() >= EXACT => {
                    return Err(Fault::Label { at: place(*mark), text: text.clone() });
                }
                Ok(_) => {}
                Err(_) => numeric = false,
            }
        }
        let value = |t: &str| t.parse::<f64>().unwrap_or(0.0);
        let mut names: Vec<String> = self.names.iter().map(|(t, _)| t.clone()).collect();
        if numeric {
            names.sort_by(|a, b| value(a).total_cmp(&value(b)));
            names.dedup_by(|a, b| value(a) == value(b));
            let greatest = names.last().map_or(0.0, |n| value(n));
            if names.first().is_some_and(|n| value(n) >= 0.0) && greatest < CLASSES as f64 {
                names = (0..=greatest as usize).map(|k| k.to_string()).collect();
            }
        } else {
            names.sort();
        }
        let class = |t: &str| match numeric {
            true => names.binary_search_by(|n| value(n).partial_cmp(&value(t)).unwrap_or(std::cmp::Ordering::Equal)),
            false => names.binary_search_by(|n| n.as_str().cmp(t)),
        };
        let of_name: Vec<u32> = self.names.iter().map(|(t, _)| class(t).unwrap_or(0) as u32).collect();
        let (count, rows) = (names.len(), self.of.len());
        // A label for every row of its own is an identity, not a class.
        if count > CLASSES || (count > 2 && 2 * count > rows.max(8)) {
            return Err(Fault::Classes { count, rows });
        }
        Ok(Labels { names, of: self.of.into_iter().map(|k| of_name[k as usize]).collect() })
    }
}
