//! `expect`: a comparison of results.

use super::{Arm, Axis, MetricKind, MetricPlan, Published, Training, errors, published, published_errors};
use crate::diag::Sink;
use crate::source::Span;
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, Ident, UnaryOp};

/// What must hold at the end.
#[derive(Clone, Debug)]
pub struct Expect {
    /// As written.
    pub text: String,
    /// The comparison.
    pub condition: Expr,
    /// The tolerance.
    pub within: Option<Within>,
    /// Where.
    pub span: Span,
}

/// The tolerance of a comparison.
#[derive(Clone, Debug)]
pub enum Within {
    /// A number that is known before the run.
    Number(f64),
    /// An expression of results, as the sides are.
    Results(Expr),
}

/// Which number of a result is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `kl`: the value.
    Value,
    /// `kl.floor`: what a perfect model would show.
    Floor,
    /// `kl.error`: the standard error of the estimate.
    Error,
    /// `npe[ot].published`: what a paper says.
    Published,
}

impl Part {
    /// What is missing of a result that cannot have this part, whatever the run shows; `seeds` is their number.
    fn missing(self, m: &MetricPlan, seeds: usize) -> Option<&'static str> {
        match self {
            Part::Value | Part::Published => None,
            Part::Floor => (!floored(m)).then_some("nothing is known of what a perfect model would show"),
            // Several seeds spread; of one there is the error of the estimate.
            Part::Error if seeds > 1 => None,
            Part::Error => {
                let exact =
                    matches!(m.kind, MetricKind::Parameters | MetricKind::Evaluations | MetricKind::Training(_));
                (exact || m.by_label).then_some("with one seed it has no spread; ask for more, e.g. `seeds 0..3`")
            }
        }
    }

    fn of(member: &str) -> Option<Part> {
        match member {
            "floor" => Some(Part::Floor),
            "error" => Some(Part::Error),
            "published" => Some(Part::Published),
            _ => None,
        }
    }
}

/// Looks a result up: metric, labels of the arm, which number.
pub type Lookup<'a> = dyn Fn(&str, &[String], Part) -> Option<f64> + 'a;

/// How an expectation came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// As written.
    pub text: String,
    /// Whether it holds.
    pub holds: bool,
    /// The left side.
    pub left: f64,
    /// The right side.
    pub right: f64,
}

/// Whether a metric may have a floor.
fn floored(m: &MetricPlan) -> bool {
    match &m.kind {
        MetricKind::Samples | MetricKind::Energy(_) | MetricKind::Coverage { .. } | MetricKind::Modes(_) => true,
        MetricKind::Density { own, entropy, .. } => m.name == "kl" || own.is_some() || entropy.is_some(),
        MetricKind::Weights(_) => m.name != "log_normalizer",
        MetricKind::Mean(_) => {
            matches!(m.name, "straightness" | "inverse_error" | "solver_error" | "continuity_residual")
        }
        MetricKind::Training(what) => matches!(what, Training::Gap { .. }),
        MetricKind::Npe(_) | MetricKind::StepTime | MetricKind::Evaluations | MetricKind::Parameters => false,
    }
}

/// A result as it is named: `kl`, `kl[arm]`, `kl.floor`, `kl[arm].floor`, or `kl.floor[arm]`, which is the same.
struct Named<'e> {
    metric: &'e Expr,
    labels: &'e [Expr],
    member: Option<&'e Ident>,
}

impl<'e> Named<'e> {
    fn of(mut metric: &'e Expr) -> Self {
        let (mut labels, mut member) = (&[][..], None);
        loop {
            match &*metric.kind {
                ExprKind::Index { base, indices } if labels.is_empty() => (metric, labels) = (base, indices),
                ExprKind::Member { base, name } if member.is_none() => (metric, member) = (base, Some(name)),
                _ => return Named { metric, labels, member },
            }
        }
    }

    fn labels(&self, text: &dyn Fn(Span) -> String) -> Vec<String> {
        self.labels.iter().map(|i| text(i.span)).collect()
    }
}

/// Operations between results.
fn arithmetic(op: BinaryOp) -> bool {
    matches!(op, BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Pow)
}

/// The results in an expression, each as a whole; what is no number, sum or product of results goes to `wrong`.
fn results<'e>(e: &'e Expr, out: &mut Vec<&'e Expr>, wrong: &mut Vec<Span>) {
    match &*e.kind {
        ExprKind::Number { .. } => {}
        ExprKind::Unary { op: UnaryOp::Neg, arg } => results(arg, out, wrong),
        ExprKind::Binary { op, lhs, rhs, .. } if arithmetic(*op) => {
            results(lhs, out, wrong);
            results(rhs, out, wrong);
        }
        ExprKind::Unary { .. } | ExprKind::Binary { .. } => wrong.push(e.span),
        _ => out.push(e),
    }
}

/// Whether an expression speaks of results: a part or an arm of one, or one that is measured.
pub fn of_results(e: &Expr, arms: &[Arm], text: &dyn Fn(Span) -> String) -> bool {
    let mut named = vec![];
    results(e, &mut named, &mut vec![]);
    named.into_iter().map(Named::of).any(|n| {
        let measured = |name: &str| arms.iter().flat_map(|a| &a.metrics).any(|m| m.label == name);
        n.member.is_some() || !n.labels.is_empty() || measured(&text(n.metric.span))
    })
}

/// Checks the form and the names of an expectation: what passes has a value once its arms have run. `arms` may be incomplete
/// where some were refused.
pub fn check(e: &Expect, arms: &[Arm], axes: &[Axis], seeds: usize, sink: &mut Sink, text: &dyn Fn(Span) -> String) {
    let (mut named, mut wrong) = (vec![], vec![]);
    match &*e.condition.kind {
        ExprKind::Binary {
            op: BinaryOp::Eq | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge,
            lhs,
            rhs,
            ..
        } => {
            results(lhs, &mut named, &mut wrong);
            results(rhs, &mut named, &mut wrong);
        }
        _ => wrong.push(e.condition.span),
    }
    if named.is_empty() && wrong.is_empty() {
        wrong.push(e.condition.span);
    }
    if let Some(Within::Results(w)) = &e.within {
        results(w, &mut named, &mut wrong);
    }
    let both = match &*e.condition.kind {
        ExprKind::Binary { op: BinaryOp::And, lhs, rhs, .. } => Some((text(lhs.span), text(rhs.span))),
        _ => None,
    };
    let both = both.as_ref().map(|(a, b)| (a.as_str(), b.as_str()));
    wrong.iter().for_each(|s| sink.push(errors::expect_form(*s, both)));
    let complete = arms.len() == axes.iter().map(|a| a.labels.len()).product::<usize>();
    for x in named {
        let Named { metric, labels, member } = Named::of(x);
        if let Some(m) = member.filter(|m| Part::of(&m.name).is_none()) {
            sink.push(errors::expect_part(&m.name, m.span, &["floor", "error", "published"]));
        }
        let strange = labels.iter().filter(|i| !axes.iter().any(|a| a.labels.contains(&text(i.span))));
        let strange: Vec<&Expr> = strange.collect();
        for i in &strange {
            let all: Vec<String> = axes.iter().flat_map(|a| a.labels.clone()).collect();
            sink.push(errors::expect_arm(&text(i.span), i.span, &all));
        }
        let chosen = Named { metric, labels, member }.labels(text);
        let meant: Vec<&Arm> = arms.iter().filter(|a| chosen.iter().all(|l| a.labels.contains(l))).collect();
        if complete && strange.is_empty() && meant.is_empty() {
            sink.push(published_errors::no_arm(&chosen.join(", "), x.span));
            continue;
        }
        let mut known: Vec<String> = vec![];
        let measured = |a: &Arm, name: &str| a.metrics.iter().any(|m| m.label == name);
        // Where the arm is unknown, a name that some arm has is not at fault.
        let meant = if meant.is_empty() { arms.iter().collect() } else { meant };
        for m in meant.iter().flat_map(|a| &a.metrics) {
            if !known.contains(&m.label) && meant.iter().all(|a| measured(a, &m.label)) {
                known.push(m.label.clone());
            }
        }
        let name = text(metric.span);
        if !known.contains(&name) {
            sink.push(errors::expect_unknown(&name, metric.span, &known));
            continue;
        }
        let Some((m, part)) = member.and_then(|m| Some((m, Part::of(&m.name)?))) else { continue };
        let of_it = meant.iter().flat_map(|a| &a.metrics).filter(|m| m.label == name);
        if let Some(why) = of_it.filter_map(|plan| part.missing(plan, seeds)).next() {
            sink.push(errors::expect_no_part(&name, &m.name, why, m.span));
        }
    }
}

/// Checks that what `.published` asks for was given.
pub fn check_published(e: &Expect, all: &[Published], arms: &[Arm], sink: &mut Sink, text: &dyn Fn(Span) -> String) {
    let ExprKind::Binary { lhs, rhs, .. } = &*e.condition.kind else { return };
    let mut named = vec![];
    results(lhs, &mut named, &mut vec![]);
    results(rhs, &mut named, &mut vec![]);
    if let Some(Within::Results(w)) = &e.within {
        results(w, &mut named, &mut vec![]);
    }
    for x in named {
        let result = Named::of(x);
        let asked = result.member.is_some_and(|m| Part::of(&m.name) == Some(Part::Published));
        let (metric, labels) = (text(result.metric.span), result.labels(text));
        if asked && !published::exists(all, &metric, &labels, arms) {
            let whole = if labels.is_empty() { metric } else { format!("{metric}[{}]", labels.join(", ")) };
            sink.push(published_errors::none(&whole, x.span));
        }
    }
}

impl Expect {
    /// Evaluates it: `value` gives the mean over seeds of a result in the arms that have all of these labels.
    #[must_use]
    pub fn evaluate(&self, value: &Lookup<'_>, text: &dyn Fn(Span) -> String) -> Option<Outcome> {
        let ExprKind::Binary { op, lhs, rhs, .. } = &*self.condition.kind else { return None };
        let (left, right) = (number(lhs, value, text)?, number(rhs, value, text)?);
        let within = match &self.within {
            None => 0.0,
            Some(Within::Number(x)) => *x,
            Some(Within::Results(w)) => number(w, value, text)?,
        };
        let holds = match op {
            BinaryOp::Eq => (left - right).abs() <= within,
            BinaryOp::Lt => left < right + within,
            BinaryOp::Le => left <= right + within,
            BinaryOp::Gt => left > right - within,
            BinaryOp::Ge => left >= right - within,
            _ => return None,
        };
        Some(Outcome { text: self.text.clone(), holds, left, right })
    }
}

fn number(e: &Expr, value: &Lookup<'_>, text: &dyn Fn(Span) -> String) -> Option<f64> {
    match &*e.kind {
        ExprKind::Number { value, .. } => Some(*value),
        ExprKind::Unary { op: UnaryOp::Neg, arg } => Some(-number(arg, value, text)?),
        ExprKind::Binary { op, lhs, rhs, .. } => {
            let (a, b) = (number(lhs, value, text)?, number(rhs, value, text)?);
            match op {
                BinaryOp::Add => Some(a + b),
                BinaryOp::Sub => Some(a - b),
                BinaryOp::Mul => Some(a * b),
                BinaryOp::Div => Some(a / b),
                BinaryOp::Pow => Some(libm::pow(a, b)),
                _ => None,
            }
        }
        _ => {
            let result = Named::of(e);
            let part = result.member.map_or(Some(Part::Value), |m| Part::of(&m.name))?;
            value(&text(result.metric.span), &result.labels(text), part)
        }
    }
}
