//! `gradient: auto`, `backprop`: how training takes gradients through `solve`.
//!
//! A record of the library (`stdlib/gradients/`) -> a [`Gradient`].

use super::errors;
use crate::elaborate::value::Value;
use crate::elaborate::{Elaborator, Res};
use crate::syntax::ast::Entry;

/// How gradients pass through solves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gradient {
    /// Exact; keeps what fits a budget and computes the rest again.
    Auto,
    /// Exact; keeps everything.
    Backprop,
}

/// The key `gradient` of `train`.
pub fn read(elab: &mut Elaborator<'_>, e: Option<&Entry>) -> Res<Gradient> {
    let Some(e) = e else { return Ok(Gradient::Auto) };
    let (value, span) = (elab.top_expr(&e.value)?, e.value.span);
    let value = match &value {
        Value::Fun(_) => elab.call_with_defaults(&value, span)?,
        _ => value,
    };
    let mode = match &value {
        Value::Tuple(s) => s.get("gradient").cloned(),
        _ => None,
    };
    match mode {
        Some(Value::Str(mode)) if &*mode == "auto" => Ok(Gradient::Auto),
        Some(Value::Str(mode)) if &*mode == "backprop" => Ok(Gradient::Backprop),
        _ => {
            let found = elab.describe(&value);
            Err(elab.report(errors::bad_value("gradient", &found, "a gradient mode: `auto` or `backprop`", span)))
        }
    }
}
