//! What the plan asks of a program under construction.

use super::settled::is_bound;
use super::value::{Callee, Env, Fun, Value};
use super::{Args, Ctx, Elaborator, Reported, Res, errors};
use crate::ir::{NodeId, Program, RegionId, Solve};
use crate::resolve::Origin;
use crate::solve::{SolverConfig, Steps};
use crate::source::Span;
use std::rc::Rc;

impl Elaborator<'_> {
    /// Any number, vector or matrix as a node.
    pub fn as_node(&mut self, v: &Value, span: Span) -> Res<NodeId> {
        self.node(v, span)
    }

    /// A real as a node.
    pub fn as_scalar(&mut self, v: &Value, span: Span) -> Res<NodeId> {
        self.scalar(v, span, "this")
    }

    /// A real or vector as a vector.
    pub fn as_vector(&mut self, v: &Value, span: Span) -> Res<NodeId> {
        let n = self.node(v, span)?;
        match self.program.dag.shape(n).len() {
            0 => Ok(self.program.dag.reshape(n, &[1])),
            1 => Ok(n),
            _ => {
                let found = errors::shape_name(self.program.dag.shape(n));
                Err(self.report(errors::shape_expected(&found, "a vector of each sample", span, None)))
            }
        }
    }

    /// The items of a list with their labels.
    pub fn items_of(&mut self, v: &Value, span: Span) -> Res<Vec<(Option<Rc<str>>, Value)>> {
        let items = self.items(v, span)?;
        Ok(items.into_iter().map(|(label, v)| (label, self.settled(&v))).collect())
    }

    /// A solver, or a method that is one by its defaults.
    pub fn as_solver(&mut self, v: &Value, span: Span) -> Res<Rc<SolverConfig>> {
        self.solver_value(v, span)
    }

    /// `source` or `target`.
    pub fn role(&mut self, name: &str, span: Span) -> Res<Value> {
        match self.global(name, span, Origin::User)? {
            Some(v) => Ok(v),
            None => Err(self.missing_role(name, span)),
        }
    }

    /// Whether a value is a law with a sampler.
    pub fn can_draw(&self, v: &Value) -> bool {
        match v {
            Value::Law(l) => l.def.sampler.is_some(),
            Value::Dataset(d) => self.can_draw(&d.law),
            Value::Data(_) => true,
            _ => false,
        }
    }

    /// Whether a value is a law with a log-density; an affine law or a mixture has one if its parts do.
    pub fn has_density(&self, v: &Value) -> bool {
        if let Value::Dataset(d) = v {
            return self.has_density(&d.law);
        }
        let Value::Law(l) = v else { return false };
        let parts_have = l.given.iter().all(|(_, v)| match v {
            Value::Law(_) => self.has_density(v),
            Value::Data(_) => false,
            Value::List(items) => items.items.iter().all(|(_, v)| match v {
                Value::Tuple(t) => t.get("of").is_none_or(|of| self.has_density(of)),
                _ => true,
            }),
            _ => true,
        });
        l.def.log_density.is_some() && parts_have
    }

    /// Shape of one draw from `source` or `target`: none for a real, whose density takes a real.
    pub fn shape_of_draws(&mut self, role: &str, span: Span) -> Res<Vec<usize>> {
        let mut inner = Elaborator::new(self.module, self.sources, self.sink, self.arm.clone(), role);
        let law = inner.role(role, span)?;
        let v = inner.draw_from(&law, span)?;
        let n = inner.node(&v, span)?;
        let shape = inner.program.dag.shape(n).to_vec();
        // What is no vector either is refused.
        inner.as_vector(&v, span)?;
        Ok(shape)
    }

    /// Parameters that are made from here on belong to `name`.
    pub fn own_parameters(&mut self, name: &str) {
        self.owners.push(super::Scope::root(name));
    }

    /// A function of the library called with all its defaults.
    pub fn call_with_defaults(&mut self, f: &Value, span: Span) -> Res<Value> {
        let args = Args { positional: vec![], named: vec![], condition: None, span };
        self.call(f.clone(), args, span)
    }

    /// What an option of a function stands at: as given, or by its default.
    pub fn configured(&mut self, f: &Fun, name: &str) -> Option<Value> {
        if let Some((_, v)) = f.given.iter().find(|(n, _)| n == name) {
            return Some(v.clone());
        }
        let Callee::Def(d) = &f.callee else { return None };
        let header = &d.define.header;
        let formal = header.inputs.iter().chain(&header.config).find(|f| f.name.name == name)?;
        let home = Ctx { env: Env::child(None), origin: d.origin, targets: Rc::default() };
        self.expr(formal.default.as_ref()?, &home).ok()
    }

    /// How often a field is evaluated for one sample, in a solve once a stage; `None` where the error decides the steps.
    pub fn field_calls(&self, default_solver: &SolverConfig) -> Option<u64> {
        let stages = |index: &u32| {
            let solver = self.solvers.get(*index as usize).map_or(default_solver, |s| &**s);
            let (own, method) = (solver.method.stages as u64, &solver.method);
            match &solver.steps {
                Steps::Count(n) if method.fsal => Some((own - 1) * u64::from(*n) + 1),
                Steps::Count(n) => Some(own * u64::from(*n)),
                Steps::Size(_) | Steps::Adaptive(_) => None,
            }
        };
        let solves: Option<u64> = self.field_solves.as_ref()?.iter().map(stages).sum();
        Some(self.field_calls + solves?)
    }

    /// A function of the training step as a program: input `step`, output `rate`.
    pub fn schedule(&mut self, f: &Value, span: Span) -> Res<Program> {
        if is_bound(f) {
            let found = "one that depends on parameters";
            return Err(self.report(errors::type_expected("a function of the step alone", found, span, None)));
        }
        let mut inner = Elaborator::new(self.module, self.sources, self.sink, self.arm.clone(), "schedule");
        let step = inner.input("step", vec![]);
        let v = inner.apply(f, &[Value::Node(step)], span)?;
        let n = inner.scalar(&v, span, "a learning rate")?;
        inner.program.outputs.push(("rate".into(), n));
        Ok(inner.program)
    }

    /// `solve t: ta -> tb { x' = field(x, t) from x }.x`
    pub fn advance(
        &mut self,
        field: &Value,
        x: NodeId,
        [ta, tb]: [NodeId; 2],
        condition: Option<(Value, Span)>,
        span: Span,
    ) -> Res<NodeId> {
        let region = RegionId(self.regions);
        self.regions += 1;
        let shape = self.program.dag.shape(x).to_vec();
        let state = self.program.dag.state(region, 0, shape);
        let time = self.program.dag.time(region);
        let v = self.apply_given(field, &[Value::Node(state), Value::Node(time)], condition, span)?;
        let rate = self.node(&v, span)?;
        if self.program.dag.shape(rate) != self.program.dag.shape(x) {
            return Err(Reported);
        }
        let ends = self.program.dag.solve(Solve {
            region,
            t0: ta,
            t1: tb,
            names: vec!["x".into()],
            inits: vec![x],
            derivs: vec![rate],
            solver: u32::MAX,
            at: None,
            noise: None,
        });
        Ok(ends[0])
    }

    /// From here on, every solve also integrates the squared norm of its first component's derivative.
    pub fn with_energy(&mut self) {
        self.energy = Some(vec![]);
    }

    /// The kinetic energies of the solves so far, added up.
    pub fn energy(&mut self) -> Option<NodeId> {
        let parts = self.energy.clone()?;
        let (&first, rest) = parts.split_first()?;
        Some(rest.iter().fold(first, |sum, e| self.program.dag.add(sum, *e)))
    }
}
