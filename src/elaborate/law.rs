//! Laws: drawing, log-densities; solvers and tableaux as values.

use super::block::Outcome;
use super::builtin::Builtin;
use super::call::Args;
use super::value::{Callee, HostLaw, Law, Seq, Value};
use super::{Elaborator, HostUse, Reported, Res, errors, set_errors};
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
            Value::Builtin(Builtin::OptimalTransport) => {
                let args = Args { positional: vec![], named: vec![], condition: None, span };
                let host = self.call_builtin(Builtin::OptimalTransport, args)?;
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

    /// Pairs from a coupling over a set of samples: two inputs that the host fills, and the programs that it fills them from.
    fn draw_pairs(&mut self, h: &HostLaw, span: Span) -> Res<Value> {
        let p0 = self.side_program(&h.laws.0, "x0", span)?;
        let p1 = self.side_program(&h.laws.1, "x1", span)?;
        let shape = |p: &crate::ir::Program| p.dag.shape(p.outputs[0].1).to_vec();
        let (s0, s1) = (shape(&p0), shape(&p1));
        if s0 != s1 {
            let (a, b) = (errors::shape_name(&s0), errors::shape_name(&s1));
            return Err(self.report(errors::shape_expected(
                &format!("{a} paired with {b}"),
                "two laws over one space",
                h.span,
                None,
            )));
        }
        let x0 = self.input("x0", s0);
        let x1 = self.input("x1", s1);
        let n = self.program.inputs.len() as u32;
        let inputs = (crate::ir::InputId(n - 2), crate::ir::InputId(n - 1));
        self.hosts.push(HostUse { kind: h.kind.clone(), inputs, programs: (p0, p1), span });
        Ok(Value::Tuple(Seq::plain(vec![Value::Node(x0), Value::Node(x1)])))
    }

    /// A program of its own that draws once from a law, with the sites that an independent coupling has here.
    fn side_program(&mut self, law: &Value, name: &str, span: Span) -> Res<crate::ir::Program> {
        let here = self.sites.last().expect("a root site").path.clone();
        let root = format!("{here}.independent.{name}");
        let mut inner = Elaborator::new(self.module, self.sources, self.sink, self.arm.clone(), &root);
        inner.calls.clone_from(&self.calls);
        let v = inner.draw_from(law, span)?;
        let n = inner.node(&v, span)?;
        if !inner.program.params.is_empty() || !inner.hosts.is_empty() {
            return Err(inner.report(errors::trained_side(span)));
        }
        inner.program.outputs.push(("x".into(), n));
        Ok(inner.program)
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
