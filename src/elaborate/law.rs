//! Laws: drawing, log-densities; solvers and tableaux as values.

use super::block::Outcome;
use super::builtin::Builtin;
use super::call::Args;
use super::value::{Callee, Law, Value};
use super::{Elaborator, Reported, Res, errors, set_errors};
use crate::numeric::tableau::Method;
use crate::resolve::FunDef;
use crate::solve::SolverConfig;
use crate::source::Span;
use crate::syntax::ast::{self, DefKind};
use std::rc::Rc;
use std::sync::Arc;

impl Elaborator<'_> {
    /// One draw from a law or coupling.
    pub fn draw_from(&mut self, law: &Value, span: Span) -> Res<Value> {
        self.draw_given(law, None, span)
    }

    /// One draw from a law, given a condition; a law that was configured with one has that.
    pub fn draw_given(&mut self, law: &Value, condition: Option<(Value, Span)>, span: Span) -> Res<Value> {
        match law {
            Value::Poison => Err(Reported),
            Value::Law(l) => match &l.def.sampler {
                Some(s) => {
                    let s = s.clone();
                    let given = facet_given(&s, l);
                    let condition = condition.or_else(|| l.condition.clone());
                    if let (Some((_, at)), None) = (&condition, &s.define.header.condition) {
                        let defined = (!self.sources.file(s.define.name.span.file).is_std).then(|| l.def.span());
                        let at = *at;
                        return Err(self.report(set_errors::law_takes_no_condition(&l.def.name, at, defined)));
                    }
                    let out = self.invoke(&s, &[], &given, condition, span)?;
                    self.drawn(out, &s)
                }
                None => {
                    let d = errors::no_sampler(&l.def.name, span, Some(l.def.span()));
                    Err(self.report(d))
                }
            },
            Value::Fun(f) => match &f.callee {
                Callee::Def(d) if d.define.kind == DefKind::Coupling => {
                    let d = d.clone();
                    let out = self.invoke(&d, &[], &f.given.clone(), None, span)?;
                    self.drawn(out, &d)
                }
                Callee::Def(_) | Callee::Lambda { .. } => {
                    let found = self.describe(law);
                    Err(self.report(errors::type_expected("a law", &found, span, None)))
                }
            },
            Value::Builtin(b @ (Builtin::OptimalTransport | Builtin::Sinkhorn)) => {
                let args = Args { positional: vec![], named: vec![], condition: None, span };
                let host = self.call_builtin(*b, args)?;
                self.draw_from(&host, span)
            }
            Value::Host(h) => self.draw_pairs(&h.clone(), span),
            Value::Dataset(d) => self.draw_kept(&d.clone(), span),
            Value::Data(set) => self.draw_row(&set.clone()),
            other => {
                let found = self.describe(other);
                Err(self.report(errors::type_expected("a law", &found, span, None)))
            }
        }
    }

    fn drawn(&mut self, out: Outcome, d: &FunDef) -> Res<Value> {
        match out {
            Outcome::Value(v) => Ok(v),
            Outcome::Minimize(_) | Outcome::Nothing => {
                let name = d.define.name.clone();
                Err(self.report(errors::no_value(&name.name, name.span)))
            }
        }
    }

    /// `log_density(law, x | y)`.
    pub fn log_density(&mut self, law: &Value, x: &Value, condition: Option<(Value, Span)>, span: Span) -> Res<Value> {
        match law {
            Value::Poison => Err(Reported),
            Value::Law(l) => match &l.def.log_density {
                Some(d) => {
                    let d = d.clone();
                    let given = facet_given(&d, l);
                    let condition = condition.or_else(|| l.condition.clone());
                    let out = self.invoke(&d, &[(x.clone(), span)], &given, condition, span)?;
                    let v = self.drawn(out, &d)?;
                    Ok(Value::Node(self.scalar(&v, d.define.name.span, "a log-density")?))
                }
                None => {
                    let d = errors::no_density(&l.def.name, span, Some(l.def.span()));
                    Err(self.report(d))
                }
            },
            Value::Dataset(d) => self.log_density(&d.law.clone(), x, condition, span),
            Value::Data(set) => {
                let d = set_errors::data_density(&set.name, span, set.span);
                Err(self.report(d))
            }
            other => {
                let found = self.describe(other);
                Err(self.report(errors::type_expected("a law", &found, span, None)))
            }
        }
    }

    /// The entropy of a law, or what it is a mixture of; `none` where that is not declared.
    pub fn fact(&mut self, law: &Value, modes: bool, span: Span) -> Res<Value> {
        let Value::Law(l) = law else { return Ok(Value::None) };
        let facet = if modes { &l.def.modes } else { &l.def.entropy };
        let Some(d) = facet.clone() else { return Ok(Value::None) };
        let given = facet_given(&d, l);
        let out = self.invoke(&d, &[], &given, None, span)?;
        self.drawn(out, &d)
    }

    /// A tableau declaration as a value; its mathematics is proved when it is the user's.
    pub(crate) fn tableau(&mut self, name: &ast::Ident, entries: &[ast::Entry]) -> Res<Value> {
        let t = crate::plan::tableaux::from_entries(self, name, entries)?;
        Ok(Value::Tableau(Arc::new(t.method())))
    }

    /// `dopri5(rtol: 1e-5)`, `rk4(steps: 8)`.
    pub(crate) fn configure_solver(
        &mut self,
        method: &Arc<Method>,
        old: Option<&SolverConfig>,
        args: &Args,
    ) -> Res<Rc<SolverConfig>> {
        crate::plan::solver::configure(self, method, old, args).map(Rc::new)
    }

    /// A value where a solver is asked: a method with settings, or an adaptive method without.
    pub(crate) fn solver_value(&mut self, v: &Value, span: Span) -> Res<Rc<SolverConfig>> {
        match v {
            Value::Solver(s) => Ok(s.clone()),
            Value::Tableau(t) => {
                let args = Args { positional: vec![], named: vec![], condition: None, span };
                self.configure_solver(&t.clone(), None, &args)
            }
            Value::Poison => Err(Reported),
            other => {
                let found = self.describe(other);
                Err(self.report(errors::type_expected("a solver", &found, span, None)))
            }
        }
    }
}

/// What of a law's configuration a facet takes: its other names belong to the other facet.
fn facet_given(d: &FunDef, l: &Law) -> Vec<(String, Value)> {
    let h = &d.define.header;
    let takes = |n: &str| h.inputs.iter().chain(&h.config).any(|f| f.name.name == n);
    l.given.iter().filter(|(n, _)| takes(n)).cloned().collect()
}
