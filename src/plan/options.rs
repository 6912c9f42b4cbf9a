//! Options of the library's objectives that are out of range or have no effect, and flows that are followed beyond the times
//! that were trained.
//!
//! An objective as a value -> `E0610`, `W0605`; blocks -> `W0606`. Deliberately absent: paths (`paths`), objectives of the file,
//! whose options mean what they say.

use super::blocks::{self, Block};
use super::{errors, option_errors, paths};
use crate::diag::{Sink, short};
use crate::elaborate::value::{Callee, Fun, Law};
use crate::elaborate::{Elaborator, Reported, Res, Value};
use crate::resolve::Origin;
use crate::syntax::ast::{DefKind, Entry};

/// Reports options of an objective of the library.
pub fn check(elab: &mut Elaborator<'_>, objective: &Value, entry: &Entry) -> Res<()> {
    let Some(f) = of_library(objective) else { return Ok(()) };
    let given = |name: &str| f.given.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let along_path = f.given.iter().any(|(_, v)| Elaborator::is_kind(v, DefKind::Path));
    if let (true, Some(Value::Law(l))) = (along_path, given("time")) {
        times(elab, &l)?;
    }
    let Some(drop) = given("drop").and_then(|v| elab.number(&v)) else { return Ok(()) };
    let span = blocks::argument(Some(entry), "drop").unwrap_or(entry.value.span);
    if !(0.0..1.0).contains(&drop) {
        let d = errors::bad_value("drop", &short(drop), "a share from 0 to below 1", span);
        return Err(elab.report(d.help("the share of labels that are left out, e.g. `drop: 0.1`")));
    }
    let field = f.given.iter().find_map(|(_, v)| match v {
        Value::Fun(v) => match &v.callee {
            Callee::Def(d) if d.define.kind == DefKind::Field => Some(d.clone()),
            Callee::Def(_) | Callee::Lambda { .. } => None,
        },
        _ => None,
    });
    if let Some(d) = field.filter(|d| drop > 0.0 && d.define.header.condition.is_none()) {
        elab.report(option_errors::idle_drop(&d.define.name, span));
    }
    Ok(())
}

/// A function of the library.
fn of_library(v: &Value) -> Option<&Fun> {
    let Value::Fun(f) = v else { return None };
    matches!(&f.callee, Callee::Def(d) if d.origin == Origin::Std).then_some(&**f)
}

/// Refuses a law of times that leaves [0, 1], as far as its support is known.
fn times(elab: &mut Elaborator<'_>, law: &Law) -> Res<()> {
    if elab.sources.file(law.def.span().file).is_std {
        let (low, high) = match law.def.name.as_str() {
            "uniform" => paths::ends(elab, law),
            "normal" | "laplace" => (f64::NEG_INFINITY, f64::INFINITY),
            _ => (0.0, 1.0),
        };
        if low < 0.0 || high > 1.0 {
            elab.report(option_errors::times_outside(&law.def.name, (low, high), law.span));
            return Err(Reported);
        }
    }
    Ok(())
}

/// Warns of a sampler that follows a field to a time beyond those that its path has; `elab` is fresh.
pub fn times_reach(elab: Elaborator<'_>, train: Block<'_>, generate: Block<'_>) {
    let (Some(o), Some(s)) = (train.get("objective"), generate.get("sampler")) else { return };
    let mut quiet = Sink::default();
    let mut inner = Elaborator::new(elab.module, elab.sources, &mut quiet, elab.arm.clone(), "");
    let (Ok(objective), Ok(Value::Law(law))) = (inner.top_expr(&o.value), inner.top_expr(&s.value)) else { return };
    let Some(f) = of_library(&objective) else { return };
    let named = |v: &Value| match v {
        Value::Fun(f) => Some(f.name().to_owned()),
        _ => None,
    };
    let along_path = f.given.iter().any(|(_, v)| Elaborator::is_kind(v, DefKind::Path));
    let is_flow = law.def.name == "flow" && elab.sources.file(law.def.span().file).is_std;
    let given = |name: &str| law.given.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let followed = given("v").and_then(|v| named(&v));
    let trained = f.given.iter().any(|(_, v)| followed.is_some() && named(v) == followed);
    let until = given("until").and_then(|v| inner.number(&v));
    if let (true, true, true, Some(t)) = (along_path, is_flow, trained, until)
        && t > 1.0
    {
        elab.sink.push(option_errors::untrained_times(t, law.span, o.value.span));
    }
}
