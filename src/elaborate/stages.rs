//! Earlier stages as values: `first.v` is `v` with the parameters that the stage `first` ended with.
//!
//! A stage and a member -> a function or law whose parameters have the stage's name in front (`first.v.mlp.dense.W`) and are
//! constant to every derivative. Freezing reaches whatever the member calls: `first.v` with `v = grad(s(x, t), x)` reads the
//! `s` of that stage. Deliberately absent: the values, which the run puts in.

use super::value::{Callee, Fun, Law, Value};
use super::{Elaborator, Res, errors};
use crate::ir::{NodeId, ParamDecl};
use crate::resolve::{Def, FunDef, LawDef, Origin};
use crate::syntax::ast::Ident;
use std::rc::Rc;

impl Elaborator<'_> {
    /// `first.v`
    pub(super) fn frozen_member(&mut self, stage: &Rc<str>, name: &Ident) -> Res<Value> {
        let freeze = |d: &Rc<FunDef>| {
            Rc::new(FunDef {
                define: d.define.clone(),
                origin: d.origin,
                targets: d.targets.clone(),
                doc: d.doc.clone(),
                frozen: Some(stage.clone()),
            })
        };
        match self.module.lookup(&name.name, Origin::User) {
            Some(Def::Fun(d)) => {
                let callee = Callee::Def(freeze(d));
                Ok(Value::Fun(Rc::new(Fun { callee, given: vec![], span: name.span })))
            }
            Some(Def::Law(l)) => {
                let def = LawDef {
                    name: l.name.clone(),
                    sampler: l.sampler.as_ref().map(freeze),
                    log_density: l.log_density.as_ref().map(freeze),
                    entropy: l.entropy.as_ref().map(freeze),
                    modes: l.modes.as_ref().map(freeze),
                };
                Ok(Value::Law(Rc::new(Law { def: Rc::new(def), given: vec![], condition: None, span: name.span })))
            }
            Some(Def::Param(p)) => {
                let p = p.clone();
                let outer = self.frozen.replace(stage.clone());
                let ctx = self.top();
                let v = self.top_param(&p, &ctx);
                self.frozen = outer;
                v
            }
            Some(Def::Bind(..) | Def::Tableau(..) | Def::Axis(..) | Def::Stage(_)) | None => {
                let trained = |(n, d): (&String, &Def)| match d {
                    Def::Fun(_) | Def::Law(_) | Def::Param(_) => Some(n.clone()),
                    Def::Bind(..) | Def::Tableau(..) | Def::Axis(..) | Def::Stage(_) => None,
                };
                let known: Vec<String> = self.module.user.iter().filter_map(trained).collect();
                Err(self.report(errors::no_such_stage_member(stage, &name.name, name.span, &known)))
            }
        }
    }

    /// A parameter of the stage at hand: another one than that in training, and constant to derivatives.
    pub(super) fn param_of_stage(&mut self, mut decl: ParamDecl) -> (ParamDecl, bool) {
        match &self.frozen {
            Some(stage) => {
                decl.name = format!("{stage}.{}", decl.name);
                (decl, true)
            }
            None => (decl, false),
        }
    }

    /// Whether a parameter of this program is an earlier stage's.
    pub(super) fn is_frozen(&self, name: &str) -> bool {
        let stage = |(n, v): (&String, &Value)| {
            matches!(v, Value::Stage(_)) && name.strip_prefix(n.as_str()).is_some_and(|rest| rest.starts_with('.'))
        };
        self.arm.iter().any(stage)
    }

    /// Constant to derivatives if `frozen`.
    pub(super) fn constant_if(&mut self, node: NodeId, frozen: bool) -> NodeId {
        if frozen { self.program.dag.stop(node) } else { node }
    }
}
