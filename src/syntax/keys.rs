//! Words of a spec that are no names of the language: keys of blocks, and what options take.
//!
//! A block or a call and its key -> the words that may stand there, each as it is written. One table: who reads an option says
//! what it must be with these words, and an unknown name that stands there is told them. Deliberately absent: what the words
//! mean, numbers, and keys that take any value.

use crate::diag::suggest;

/// Keys of `train`.
pub const TRAIN: [&str; 14] = [
    "objective",
    "optimizer",
    "schedule",
    "batch",
    "steps",
    "epochs",
    "seconds",
    "field_evaluations",
    "ema",
    "clip",
    "validate",
    "fresh",
    "solver",
    "gradient",
];
/// Keys of `generate`.
pub const GENERATE: [&str; 4] = ["sampler", "solver", "count", "labels"];

/// The block that a key belongs to, if it is a key; what both blocks have belongs to the one that samples.
#[must_use]
pub fn block_of(key: &str) -> Option<&'static str> {
    match (TRAIN.contains(&key), GENERATE.contains(&key)) {
        (_, true) => Some("generate"),
        (true, false) => Some("train"),
        (false, false) => None,
    }
}

/// What an option takes.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// Its key.
    key: &'static str,
    /// As they are written, quotes and settings included.
    words: &'static [&'static str],
    /// What else it takes, or where to read on; empty if that is all.
    more: &'static str,
}

const fn words(key: &'static str, words: &'static [&'static str]) -> Option<Words> {
    Some(Words { key, words, more: "" })
}

const fn among(key: &'static str, words: &'static [&'static str], more: &'static str) -> Option<Words> {
    Some(Words { key, words, more })
}

/// The words of an option of `owner`: a block's keyword, the name of what is called, or `solver` for any method.
#[must_use]
pub fn words_of(owner: &str, key: &str) -> Option<Words> {
    match (owner, key) {
        ("file", "standardize") => words("standardize", &["per_feature", "global", "none"]),
        ("file", "header") => words("header", &["true", "false"]),
        ("train", "fresh") => words("fresh", &["true", "false"]),
        ("train", "optimizer") => {
            words("optimizer", &["adam(lr: 1e-3)", "adamw(lr: 1e-3)", "rmsprop(lr: 1e-3)", "sgd(lr: 1e-2)"])
        }
        ("train", "gradient") => words("gradient", &["auto", "backprop", "checkpoint(10)", "adjoint", "reversible"]),
        ("gradient_gap", "against") => {
            words("against", &["auto", "backprop", "checkpoint(10)", "adjoint", "reversible"])
        }
        ("train", "objective") => among(
            "objective",
            &["flow_matching(v, straight)", "max_likelihood(flow(v))"],
            "an `objective` of the file, or what `flowc std objectives` lists",
        ),
        ("generate", "labels") => among("labels", &["each"], "a class, or a list of classes"),
        ("solver", "controller") => words("controller", &["\"pi\"", "\"i\"", "\"pid\""]),
        ("solver", "norm") => words("norm", &["\"rms\"", "\"max\""]),
        ("solver", "step_control") => words("step_control", &["\"per_sample\"", "\"joint\""]),
        ("optimal_transport" | "sinkhorn", "pairs") => words("pairs", &["permute", "resample"]),
        (_, "pairs") => among(
            "pairs",
            &["independent", "optimal_transport(batch: 256)", "sinkhorn(epsilon: 1)"],
            "a `coupling` of the file",
        ),
        (_, "solver") => among(
            "solver",
            &["dopri5(rtol: 1e-5, atol: 1e-5)", "rk4(steps: 100)", "euler(steps: 100)"],
            "another method of `flowc std tableaux`",
        ),
        (_, "activation") => {
            among("activation", &["tanh", "relu", "silu", "gelu", "softplus"], "any function of a number")
        }
        (_, "trace") => words("trace", &["exact", "hutchinson(rademacher)"]),
        (_, "by") => words("by", &["label"]),
        _ => None,
    }
}

impl Words {
    /// `` `permute` or `resample` ``
    #[must_use]
    pub fn list(&self) -> String {
        let mut all: Vec<String> = self.words.iter().map(|w| format!("`{w}`")).collect();
        all.extend((!self.more.is_empty()).then(|| self.more.to_owned()));
        match all.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => all.concat(),
        }
    }

    /// The word that only its quotes tell from what is written.
    #[must_use]
    pub fn quoted_wrongly(&self, written: &str) -> Option<String> {
        let bare = |w: &str| w.trim_matches('"').to_owned();
        let meant = self.words.iter().find(|w| bare(w) == bare(written) && **w != written)?;
        let how = if meant.starts_with('"') { "in" } else { "without" };
        Some(format!("write it {how} quotes: `{}: {meant}`", self.key))
    }

    /// A word that is misspelt.
    #[must_use]
    pub fn near(&self, written: &str) -> Option<String> {
        let bare = |w: &&'static str| w.split('(').next().unwrap_or(w).trim_matches('"');
        let near = suggest::nearest(written.trim_matches('"'), self.words.iter().map(bare))?;
        let quotes = self.words.iter().any(|w| w.starts_with('"'));
        Some(if quotes { format!("did you mean `\"{near}\"`?") } else { format!("did you mean `{near}`?") })
    }

    /// All of them, in a line of help.
    #[must_use]
    pub fn takes(&self) -> String {
        format!("`{}` takes {}", self.key, self.list())
    }

    /// What to write in place of `written`.
    #[must_use]
    pub fn cure(&self, written: &str) -> String {
        self.quoted_wrongly(written).or_else(|| self.near(written)).unwrap_or_else(|| self.takes())
    }
}
