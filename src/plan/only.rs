//! Arms of a comparison by their labels.
//!
//! A plan and labels -> the arms that bear them; for `--only` the plan with these alone, stages that lead there included.
//! Deliberately absent: new arms.

use super::RunPlan;
use crate::diag::{Code, Diagnostic, suggest};

impl RunPlan {
    /// Which arms have all labels of one of these lists (`straight,ot`), given by this flag; all arms if there is no list.
    ///
    /// # Errors
    /// `E0201` for a label that no arm has, or labels that no arm has together.
    pub fn bearing(&self, lists: &[String], flag: &str) -> Result<Vec<bool>, Box<Diagnostic>> {
        if lists.is_empty() {
            return Ok(vec![true; self.arms.len()]);
        }
        let known: Vec<&str> = self.axes.iter().flat_map(|a| a.labels.iter().map(String::as_str)).collect();
        let wanted: Vec<Vec<&str>> = lists.iter().map(|l| l.split(',').map(str::trim).collect()).collect();
        if let Some(label) = wanted.iter().flatten().find(|l| !known.contains(l)) {
            let d = Diagnostic::bare(Code::UnknownName, format!("no arm of the comparison is called `{label}`"));
            let all = || format!("labels are {}", known.join(", "));
            return Err(Box::new(match suggest::nearest(label, known.iter().copied()) {
                Some(near) => d.help(format!("did you mean `{near}`? {}", all())),
                None if known.is_empty() => d.help("this spec compares nothing: name no arm"),
                None => d.help(all()),
            }));
        }
        let fits = |labels: &[String]| wanted.iter().any(|w| w.iter().all(|l| labels.iter().any(|own| own == l)));
        let bearing: Vec<bool> = self.arms.iter().map(|a| fits(&a.labels)).collect();
        if !bearing.contains(&true) {
            let message = format!("no arm has all labels of `{flag} {}`", lists.join(" "));
            let axis = |a: &super::Axis| format!("{}: {}", a.name, a.labels.join(", "));
            let all: Vec<String> = self.axes.iter().map(axis).collect();
            let d = Diagnostic::bare(Code::UnknownName, message);
            return Err(Box::new(d.help(format!(
                "labels with a comma between them belong to one arm; an arm has one of each: {}",
                all.join("; ")
            ))));
        }
        Ok(bearing)
    }

    /// The plan with the arms of [`RunPlan::bearing`] alone.
    ///
    /// # Errors
    /// As there.
    pub fn only(mut self, lists: &[String]) -> Result<RunPlan, Box<Diagnostic>> {
        if lists.is_empty() {
            return Ok(self);
        }
        let mut keep = self.bearing(lists, "--only")?;
        // A stage needs those before it.
        for i in (1..keep.len()).rev() {
            if keep[i] && self.arms[i].stage.is_some_and(|s| s > 0) {
                keep[i - 1] = true;
            }
        }
        let mut kept = keep.into_iter();
        self.arms.retain(|_| kept.next().unwrap_or(true));
        for (i, axis) in self.axes.iter_mut().enumerate() {
            axis.labels.retain(|l| self.arms.iter().any(|a| a.labels.get(i) == Some(l)));
        }
        Ok(self)
    }
}
