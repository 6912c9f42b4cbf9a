//! `--only`: some arms of a comparison.
//!
//! A plan and labels -> the plan with the arms that bear them, stages that lead there included. Deliberately absent: new arms.

use super::RunPlan;
use crate::diag::{Code, Diagnostic, suggest};

impl RunPlan {
    /// The arms that have all labels of one of these lists (`straight,ot`); all arms if there is no list.
    ///
    /// # Errors
    /// `E0201` for a label that no arm has, or labels that no arm has together.
    pub fn only(mut self, lists: &[String]) -> Result<RunPlan, Box<Diagnostic>> {
        if lists.is_empty() {
            return Ok(self);
        }
        let known: Vec<&str> = self.axes.iter().flat_map(|a| a.labels.iter().map(String::as_str)).collect();
        let wanted: Vec<Vec<&str>> = lists.iter().map(|l| l.split(',').map(str::trim).collect()).collect();
        if let Some(label) = wanted.iter().flatten().find(|l| !known.contains(l)) {
            let d = Diagnostic::bare(Code::UnknownName, format!("no arm of the comparison is called `{label}`"));
            return Err(Box::new(match suggest::nearest(label, known.iter().copied()) {
                Some(near) => d.help(format!("did you mean `{near}`?")),
                None if known.is_empty() => d.help("this spec compares nothing: name no arm"),
                None => d.help(format!("labels are {}", known.join(", "))),
            }));
        }
        let fits = |labels: &[String]| wanted.iter().any(|w| w.iter().all(|l| labels.iter().any(|own| own == l)));
        let mut keep: Vec<bool> = self.arms.iter().map(|a| fits(&a.labels)).collect();
        // A stage needs those before it.
        for i in (1..keep.len()).rev() {
            if keep[i] && self.arms[i].stage.is_some_and(|s| s > 0) {
                keep[i - 1] = true;
            }
        }
        if !keep.contains(&true) {
            let d =
                Diagnostic::bare(Code::UnknownName, format!("no arm has all labels of `--only {}`", lists.join(" ")));
            return Err(Box::new(
                d.help("labels with a comma between them belong to one arm; repeat `--only` for several"),
            ));
        }
        let mut kept = keep.into_iter();
        self.arms.retain(|_| kept.next().unwrap_or(true));
        for (i, axis) in self.axes.iter_mut().enumerate() {
            axis.labels.retain(|l| self.arms.iter().any(|a| a.labels.get(i) == Some(l)));
        }
        Ok(self)
    }
}
