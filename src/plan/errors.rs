//! Every message of the plan: blocks, keys, metrics, paths, tableaux, solvers.

use super::habits;
use super::paths::Mix;
use crate::diag::{Code, Diagnostic, short, suggest};
use crate::elaborate::shape_name;
use crate::source::Span;
use crate::syntax::ast::Ident;
use crate::syntax::keys;

pub(super) fn list(words: &[&str]) -> String {
    words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")
}

/// `E0602`
pub fn unknown_key(owner: &str, key: &Ident, known: &[&str]) -> Diagnostic {
    let shown = match owner {
        "tableau" => "a tableau".to_owned(),
        "metric" => "a metric".to_owned(),
        block => format!("`{block}`"),
    };
    let d = Diagnostic::new(Code::UnknownKey, format!("{shown} has no key `{}`", key.name), key.span, "unknown key");
    match (habits::key(owner, &key.name), suggest::nearest(&key.name, known.iter().copied())) {
        (Some(habit), _) => d.help(habit),
        (None, Some(near)) => d.help(format!("did you mean `{near}`?")),
        (None, None) => d.help(format!("its keys are {}", list(known))),
    }
}

/// `E0609`
pub fn repeated_key(key: &Ident, first: Span) -> Diagnostic {
    Diagnostic::new(Code::DuplicateBlock, format!("`{}` is given twice", key.name), key.span, "given again here")
        .label(first, "first given here")
        .help("keep one of them")
}

/// `E0609`
pub fn repeated_metric(metric: &str, span: Span, first: Span) -> Diagnostic {
    Diagnostic::new(Code::DuplicateBlock, format!("`{metric}` is evaluated twice"), span, "given again here")
        .label(first, "first given here")
        .help("keep one of them")
}

/// `E0609`
pub fn repeated_block(keyword: &Ident, first: Span) -> Diagnostic {
    Diagnostic::new(Code::DuplicateBlock, format!("two `{}` blocks", keyword.name), keyword.span, "the second block")
        .label(first, "the first block")
        .help("put all keys into one block; variants belong into `compare name in [...]`")
}

/// `E0601`
pub fn missing_key(block: &str, key: &str, example: &str, span: Span) -> Diagnostic {
    Diagnostic::new(Code::MissingBlock, format!("`{block}` needs `{key}`"), span, format!("no `{key}` in this block"))
        .help(format!("add `{example}`"))
}

/// `E0601`: metrics without samples.
pub fn no_samples(metric: Span) -> Diagnostic {
    Diagnostic::new(
        Code::MissingBlock,
        "metrics need samples, and there is no `generate` block",
        metric,
        "measures generated samples",
    )
    .help("add `generate { sampler: flow(v) }`")
}

/// `E0512`, found by expanding the divergence.
pub fn volume_kept(law: Span, asked: Option<(&str, Span)>) -> Diagnostic {
    let d = Diagnostic::new(
        Code::ZeroDivergence,
        "the divergence of this field is zero everywhere",
        law,
        "its flow keeps every volume (Liouville)",
    );
    let d = match asked {
        Some((metric, span)) => d.label(span, format!("`{metric}` asks for its log-density")),
        None => d,
    };
    d.help("such a flow moves the values of the density about and changes none of them: let components of the field depend on their own coordinate")
}

/// `E0601`; without a place if the file has no declaration at all.
pub fn empty_experiment(last: Option<Span>) -> Diagnostic {
    let d = match last {
        Some(span) => Diagnostic::new(
            Code::MissingBlock,
            "nothing to run",
            span,
            "the file ends here, without `train`, `generate` or `evaluate`",
        ),
        None => Diagnostic::bare(Code::MissingBlock, "nothing to run: the file declares nothing"),
    };
    d.help("add a block, e.g. `train { objective: flow_matching(v, straight), steps: 5_000 }`")
}

/// `E0610`
pub fn bad_value(key: &str, found: &str, must: &str, span: Span) -> Diagnostic {
    let d = Diagnostic::new(
        Code::BadValue,
        format!("`{key}` must be {must}, found {found}"),
        span,
        format!("this is {found}"),
    );
    match key {
        "steps" => d.help("e.g. `steps: 5_000`"),
        "batch" => d.help("samples of one training step, e.g. `batch: 256`"),
        "count" => d.help("how many samples are made, e.g. `count: 10_000`"),
        "ema" => d.help("the decay of a moving average of the parameters, e.g. `ema: 0.999`, or `none`"),
        "clip" => d.help("the largest norm of a gradient, e.g. `clip: 1`, or `none`"),
        "lr" => d.help("a learning rate is e.g. `lr: 1e-3`, or a schedule such as `lr: cosine(1e-3, steps: 5_000)`"),
        "rtol" | "atol" => d.help("a tolerance is e.g. `1e-5`"),
        "seed" => d.help("e.g. `seed 0`; several are written `seeds 0..3`"),
        "seeds" => d.help("e.g. `seeds 0..3` or `seeds [1, 2, 3]`; a single one is written `seed 0`"),
        "precision" => d.help("write `precision f32` (the default) or `precision f64`"),
        "points" => d.help("how many samples are compared at once, e.g. `npe(count: 20_000, points: 2_000)`"),
        "published" => d.help("a paper's number, e.g. `published npe[ot] = 0.018 within 0.002`"),
        "within" => d.help("e.g. `expect kl == 0 within 1e-3`"),
        _ => d,
    }
}

/// `E0610`: an option of `owner` that takes words; what is found, and as it is written.
pub fn bad_word(owner: &str, key: &str, (found, written): (&str, &str), span: Span) -> Diagnostic {
    match keys::words_of(owner, key) {
        Some(words) => bad_value(key, found, &words.list(), span).help(words.cure(written)),
        None => bad_value(key, found, "another value", span),
    }
}

/// `E0610`
pub fn not_an_optimizer(found: &str, span: Span) -> Diagnostic {
    let d = Diagnostic::new(
        Code::BadValue,
        format!("`optimizer` must be an optimizer, found {found}"),
        span,
        format!("this is {found}"),
    );
    match found.trim_matches('"') {
        word @ ("adam" | "adamw" | "rmsprop" | "sgd") => d.help(format!("write it without quotes: `{word}(lr: 1e-3)`")),
        _ => d.help("optimizers are `adam`, `adamw`, `rmsprop` and `sgd`, e.g. `adam(lr: 1e-3)`"),
    }
}

/// `E0610`
pub fn too_many_arms(count: usize, most: usize, span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::BadValue,
        format!("this comparison has {count} arms; at most {most} are possible"),
        span,
        "every item is trained and evaluated by itself",
    )
    .help("compare fewer items; with several axes the arms are all their combinations")
}

/// `E0610`
pub fn empty_axis(name: &str, span: Span) -> Diagnostic {
    Diagnostic::new(Code::BadValue, format!("the comparison `{name}` has no items"), span, "an empty list")
        .help(format!("e.g. `compare {name} in [1, 2]`"))
}

/// `E0202`
pub fn repeated_arm(label: &str, span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::DuplicateName,
        format!("two items of this comparison are called `{label}`"),
        span,
        "in this list",
    )
    .help("their results could not be told apart: label them, e.g. `[a: 1e-3, b: 1e-4]`")
}

/// `E0301`: laws of different spaces. `of_data` says that the target is a file.
pub fn roles_differ(source: (&[usize], Span), target: (&[usize], Span), objective: Span, of_data: bool) -> Diagnostic {
    let (a, b) = (shape_name(source.0), shape_name(target.0));
    let d = Diagnostic::new(
        Code::ShapeMismatch,
        format!("the source draws {a}, the target {b}"),
        source.1,
        format!("a draw of it is {a}"),
    )
    .label(target.1, format!("a draw of it is {b}"))
    .label(objective, "joins them by a path");
    let columns = "name the columns of the file that are features, e.g. `features: [1, 2]` where column 0 is an index";
    match (target.0, of_data) {
        ([n], true) => d.help(format!("write `source = normal(dim: {n})`; or {columns}")),
        (_, true) => d.help(format!("both must lie in one space: {columns}")),
        // Networks give vectors: a field of a real needs the one element of one.
        ([], false) if source.0 == [1] => d.help(
            "both must lie in one space: let the target draw a vector of one number, `[x]` where its value is `x`; or write `source = normal()`, and `mlp(...)[0]` as the field of a real",
        ),
        ([], false) => d.help("both must lie in one space: write `source = normal()`"),
        ([n], false) => d.help(format!("both must lie in one space: write `source = normal(dim: {n})`")),
        (_, false) => d.help("both must lie in one space"),
    }
}

/// `W0602`
pub fn untrained(parameter: &str, sampler: Span, train: Option<Span>) -> Diagnostic {
    let owner = parameter.split(['.', '[']).next().unwrap_or(parameter);
    let d = Diagnostic::new(
        Code::Untrained,
        format!("the parameters of `{owner}` are sampled as they begin: nothing trains them"),
        sampler,
        format!("reads `{owner}`"),
    );
    match train {
        Some(s) => d
            .label(s, format!("does not reach `{owner}`"))
            .help(format!("train what is sampled: let the objective use `{owner}`, or sample what it uses")),
        None => d.help(format!("add `train {{ objective: flow_matching({owner}, straight), steps: 5_000 }}`")),
    }
}

/// `W0501`
pub fn time_ignored(field: &str, defined: Span, objective: Span) -> Diagnostic {
    Diagnostic::new(
        Code::TimeIgnored,
        format!("the field `{field}` does not depend on time"),
        defined,
        "one velocity for all times",
    )
    .label(objective, "trained along a path, whose velocity changes with time")
    .help("join the time to the state, e.g. `mlp(concat(x, t), out: dim(x))`")
}

/// `E0555`
pub fn noise_in_training(span: Span, solve: Option<Span>) -> Diagnostic {
    let d = Diagnostic::new(
        Code::NoGradientThroughNoise,
        "this objective needs gradients through an equation with noise",
        span,
        "its loss contains such a solve",
    );
    let d = match solve {
        Some(s) if s != span => d.label(s, "this equation has `dW`"),
        _ => d,
    };
    d.help("train the fields of the equation without solving it (flow, score or bridge matching), or take the noise out; `stop(...)` makes the solve a constant")
}

/// `E0606`
pub fn no_parameter(span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::NoParameterReached,
        "there is nothing to train",
        span,
        "this objective depends on no trainable parameter",
    )
    .help("let it use a `field` or `net` with layers, e.g. `field v(x, t) = mlp(concat(x, t), out: dim(x))`")
}

/// `E0603`
pub fn unknown_metric(name: &str, span: Span, known: &[&str], own: bool) -> Diagnostic {
    let d = Diagnostic::new(Code::UnknownMetric, format!("no metric is called `{name}`"), span, "unknown metric");
    if own {
        return d
            .help(format!("for a value of your own: `objective size {{ minimize {name} }}`, then `evaluate [size]`"));
    }
    match (habits::metric(name), suggest::nearest(name, known.iter().copied())) {
        (Some(habit), _) => d.help(habit),
        (None, Some(near)) => d.help(format!("did you mean `{near}`?")),
        (None, None) => d.help(format!("metrics are {}", list(known))),
    }
}

/// `E0604`
pub fn meaningless_metric(name: &str, why: &str, cure: &str, span: Span) -> Diagnostic {
    Diagnostic::new(Code::MeaninglessMetric, format!("`{name}` has no meaning here: {why}"), span, "this metric")
        .help(cure)
}

/// `E0604`, of a key that metrics know and this one has no use for.
pub fn idle_argument(metric: &str, key: &Ident, why: &str, cure: &str) -> Diagnostic {
    let message = format!("`{metric}` takes no `{}`: {why}", key.name);
    Diagnostic::new(Code::MeaninglessMetric, message, key.span, "nothing would read this").help(cure)
}

/// `E0603`, in an `expect`.
pub fn expect_unknown(what: &str, span: Span, known: &[String]) -> Diagnostic {
    result_unknown(what, span, known, "an expectation compares results with numbers")
}

/// `E0603`, where a result is named.
pub fn result_unknown(what: &str, span: Span, known: &[String], rule: &str) -> Diagnostic {
    let words: Vec<&str> = known.iter().map(String::as_str).collect();
    let d = Diagnostic::new(
        Code::UnknownMetric,
        format!("`{what}` is not among the results"),
        span,
        "nothing of that name is evaluated",
    );
    match suggest::nearest(what, words.iter().copied()) {
        Some(near) => d.help(format!("did you mean `{near}`?")),
        None if words.is_empty() => d.help(format!("add `evaluate [{what}]`")),
        None => d.help(format!("{rule}; results are {}", list(&words))),
    }
}

/// `E0603`, in an `expect`: a part of a result.
pub fn expect_part(what: &str, span: Span, known: &[&str]) -> Diagnostic {
    Diagnostic::new(Code::UnknownMetric, format!("a result has no `{what}`"), span, "no part of a result")
        .help(format!("its parts are {}", list(known)))
}

/// `E0603`, in an `expect`: a part that this result does not have.
pub fn expect_no_part(metric: &str, part: &str, why: &str, span: Span) -> Diagnostic {
    let words = if part == "error" { "standard error" } else { part };
    Diagnostic::new(Code::UnknownMetric, format!("`{metric}` has no {words}"), span, "not a part of this result")
        .help(why.to_owned())
}

/// `E0603`, in an `expect`: an arm.
pub fn expect_arm(what: &str, span: Span, known: &[String]) -> Diagnostic {
    let words: Vec<&str> = known.iter().map(String::as_str).collect();
    let d = Diagnostic::new(
        Code::UnknownMetric,
        format!("no arm of a comparison is called `{what}`"),
        span,
        "an item of a `compare` list belongs here",
    );
    match suggest::nearest(what, words.iter().copied()) {
        Some(near) => d.help(format!("did you mean `{near}`?")),
        None if words.is_empty() => d.help("there is no `compare` in this file: leave out the brackets"),
        None => d.help(format!("arms are {}", list(&words))),
    }
}

/// `E0610`, in an `expect`.
pub fn expect_form(span: Span, both: Option<(&str, &str)>) -> Diagnostic {
    let d = Diagnostic::new(
        Code::BadValue,
        "an expectation compares a result with a number",
        span,
        "no comparison of a result",
    );
    match both {
        Some((a, b)) if a.len() + b.len() < 70 => d.help(format!("write two lines: `expect {a}` and `expect {b}`")),
        Some(_) => d.help("write two lines, an `expect` for each side of `and`"),
        None => d.help("write e.g. `expect wasserstein2 < 0.1` or `expect kl == 0 within 1e-6`"),
    }
}

/// `E0302`
pub fn host_in_sampler(span: Span) -> Diagnostic {
    Diagnostic::new(Code::TypeMismatch, "a sampler cannot draw from a minibatch coupling", span, "uses pairs of a set")
        .help("draw from a law, e.g. `draw x0 ~ source`")
}

/// How a path's noise keeps off its ends.
const NOISY: &str = "noise must vanish at both ends, as in `sigma * sqrt(t * (1 - t)) * z`";

/// `E0501`, `E0502`, `E0503`: the coefficients (of x0, of x1) at t = 0 and t = 1.
pub fn path_end(name: &str, span: Span, defined: Option<Span>, at0: Mix, at1: Mix) -> Diagnostic {
    let near = |x: f64, y: f64| (x - y).abs() < 0.05;
    let reversed = near(at0.x0, 0.0) && near(at0.x1, 1.0) && near(at1.x0, 1.0) && near(at1.x1, 0.0);
    let misses_start = !(near(at0.x0, 1.0) && near(at0.x1, 0.0) && near(at0.noise, 0.0));
    let noisy = if misses_start { at0.noise } else { at1.noise } > 0.05;
    let (code, message, cure) = if reversed {
        (
            Code::PathReversed,
            format!("the path `{name}` runs from the target to the source"),
            "time runs from the source (t = 0) to the target (t = 1): exchange `x0` and `x1`",
        )
    } else if misses_start {
        (
            Code::PathMissesStart,
            format!("the path `{name}` does not start at the source"),
            if noisy { NOISY } else { "at t = 0 it must be `x0` alone, as in `(1 - t) * x0 + t * x1`" },
        )
    } else {
        (
            Code::PathMissesEnd,
            format!("the path `{name}` does not end at the target"),
            if noisy { NOISY } else { "at t = 1 it must be `x1` alone, as in `(1 - t) * x0 + t * x1`" },
        )
    };
    let label = if reversed {
        format!("at t = 0 it is {}, at t = 1 {}", combination(at0), combination(at1))
    } else if misses_start {
        format!("at t = 0 it is {}", combination(at0))
    } else {
        format!("at t = 1 it is {}", combination(at1))
    };
    let d = Diagnostic::new(code, message, defined.unwrap_or(span), label);
    let d = if defined.is_some_and(|s| s != span) { d.label(span, "used here") } else { d };
    d.help(cure)
}

/// `0.5 x0 + x1 + 0.1 noise`
fn combination(mix: Mix) -> String {
    let mut text = String::new();
    for (x, name) in [(mix.x0, "x0"), (mix.x1, "x1"), (mix.noise, "noise")] {
        let sign = match (text.is_empty(), x < 0.0) {
            (true, false) => "",
            (true, true) => "-",
            (false, false) => " + ",
            (false, true) => " - ",
        };
        match short(x.abs()).as_str() {
            _ if x.abs() < 1e-12 => {}
            "1" => text += &format!("{sign}{name}"),
            number => text += &format!("{sign}{number} {name}"),
        }
    }
    if text.is_empty() { "0".to_owned() } else { text }
}

/// `W0502`
pub fn path_near_miss(name: &str, span: Span, miss: f64, at0: Mix, at1: Mix) -> Diagnostic {
    Diagnostic::new(
        Code::PathNearMiss,
        format!("the path `{name}` misses its ends by {}", short(miss)),
        span,
        format!("at t = 0 it is {}, at t = 1 {}", combination(at0), combination(at1)),
    )
    .help("the flow starts and ends a little off; `straight` and `trig` are exact")
}

/// `E0504`, `W0503`
pub fn unbounded(name: &str, span: Span, defined: Option<Span>, t: f64, power: f64) -> Diagnostic {
    let severe = power > 0.6;
    let (end, distance, away) =
        if t < 0.5 { ("t = 0", "t", "uniform(0.001, 1)") } else { ("t = 1", "(1 - t)", "uniform(0, 0.999)") };
    let code = if severe { Code::UnboundedVelocity } else { Code::WeaklyUnboundedVelocity };
    let d = Diagnostic::new(
        code,
        format!("the velocity of the path `{name}` has no bound at {end}"),
        defined.unwrap_or(span),
        format!("grows as {distance}^-{} towards {end}", short((power * 100.0).round() / 100.0)),
    );
    let d = if defined.is_some_and(|s| s != span) { d.label(span, "used here") } else { d };
    if severe {
        d.help(format!(
            "no field can match it: its mean square is infinite; give {distance} powers of at least 1, e.g. `(1 - t) * x0 + t * x1`"
        ))
    } else {
        d.help(format!("a few samples with times close to {end} dominate the loss; `time: {away}` keeps them out"))
    }
}
