//! `solve`: initial-value problems from a time to a time, or over a vector of times.
//!
//! The tree of a `solve` -> a region of the IR ([`Solve`]) and a record of its components' values. Time and states are leaves of
//! the region; equations see them by name. Deliberately absent: how it is solved.

use super::noise::{self, Parts};
use super::value::{Env, Seq, Value};
use super::{Ctx, Elaborator, Reported, Res, errors};
use crate::ir::{Dag, NodeId, Noise, Op, RegionId, Solve, reachable};
use crate::source::Span;
use crate::syntax::ast;
use std::rc::Rc;

/// Most observation times that may depend on parameters: each is a solve with code of its own.
const MOST_MOVING_TIMES: usize = 32;

/// From when to when.
struct TimeSpan {
    t0: NodeId,
    t1: NodeId,
    at: Option<NodeId>,
}

impl Elaborator<'_> {
    pub(super) fn solve_expr(&mut self, s: &ast::Solve, span: Span, ctx: &Ctx) -> Res<Value> {
        let TimeSpan { t0, t1, at } = self.time_span(s, ctx)?;
        let mut inits = Vec::new();
        for q in &s.equations {
            let v = self.expr(&q.initial, ctx)?;
            inits.push(self.node(&v, q.initial.span)?);
        }
        let solver = match &s.solver {
            None => u32::MAX,
            Some(e) => {
                let v = self.expr(e, ctx)?;
                let solver = self.solver_value(&v, e.span)?;
                let known = self.solvers.iter().position(|o| *o == solver);
                known.unwrap_or_else(|| {
                    self.solvers.push(solver);
                    self.solvers.len() - 1
                }) as u32
            }
        };
        let region = RegionId(self.regions);
        self.regions += 1;
        let inner = Ctx { env: Env::child(Some(&ctx.env)), origin: ctx.origin, targets: ctx.targets.clone() };
        let time = self.program.dag.time(region);
        inner.env.bind(&s.time.name, Value::Node(time));
        for (i, q) in s.equations.iter().enumerate() {
            let shape = self.program.dag.shape(inits[i]).to_vec();
            let state = self.program.dag.state(region, i as u32, shape);
            inner.env.bind(&q.name.name, Value::Node(state));
        }
        let mut parts = Vec::new();
        let outside = (self.field_calls, self.field_solves.as_ref().map(Vec::len));
        let mut failed = false;
        for (i, (q, &init)) in s.equations.iter().zip(&inits).enumerate() {
            // A leaf that stands for `dW` until drift and diffusion are apart.
            let shape = self.program.dag.shape(init).to_vec();
            let noise = self.program.dag.state(region, (inits.len() + i) as u32, shape);
            inner.env.bind("dW", Value::Node(noise));
            match self.derivative(q, init, noise, &inner) {
                Ok(part) => parts.push(part),
                Err(Reported) => failed = true,
            }
        }
        if failed {
            return Err(Reported);
        }
        self.count_fields(outside, solver);
        let derivs: Vec<NodeId> = parts.iter().map(|(drift, _)| *drift).collect();
        let noise = self.noise(&parts);
        if let (Some(e), Some(given)) = (&s.solver, self.solvers.get(solver as usize)) {
            let name = given.method.name.clone();
            match (given.method.noise.is_some(), noise.is_some()) {
                (false, true) => return Err(self.report(errors::noise_needs_solver(&name, e.span, Some(span)))),
                (true, false) => return Err(self.report(errors::solver_needs_noise(&name, e.span, Some(span)))),
                (true, true) | (false, false) => {}
            }
        }
        self.program.dag.set_span(Some(span));
        let names: Vec<String> = s.equations.iter().map(|q| q.name.name.clone()).collect();
        let solve = Solve { region, t0, t1, names: names.clone(), inits, derivs, solver, at, noise };
        if let Some(count) = self.moving_times(&solve).filter(|&count| count > MOST_MOVING_TIMES) {
            return Err(self.report(errors::many_moving_times(count, MOST_MOVING_TIMES, s.from.span)));
        }
        let ends = if self.energy.is_some() { self.solve_with_energy(solve) } else { self.solve_node(solve) };
        let items = names.iter().zip(ends).map(|(n, v)| (Some(Rc::from(n.as_str())), Value::Node(v))).collect();
        Ok(Value::Tuple(Rc::new(Seq { items, condition: None })))
    }

    /// Calls of fields inside a solve are evaluations of its right-hand side.
    fn count_fields(&mut self, outside: (u64, Option<usize>), solver: u32) {
        let called = std::mem::replace(&mut self.field_calls, outside.0) > outside.0;
        match &mut self.field_solves {
            Some(solves) if Some(solves.len()) == outside.1 => solves.extend(called.then_some(solver)),
            other => *other = None,
        }
    }

    /// `a -> b`, or a vector of times: from its first to its last.
    fn time_span(&mut self, s: &ast::Solve, ctx: &Ctx) -> Res<TimeSpan> {
        let from = self.expr(&s.from, ctx)?;
        if let Some(to) = &s.to {
            let to_value = self.expr(to, ctx)?;
            let t0 = self.scalar(&from, s.from.span, "the start of a solve")?;
            let t1 = self.scalar(&to_value, to.span, "the end of a solve")?;
            return Ok(TimeSpan { t0, t1, at: None });
        }
        let at = self.node(&from, s.from.span)?;
        let shape = self.program.dag.shape(at).to_vec();
        if shape.len() != 1 {
            return Err(self.report(errors::solve_over_times(&errors::shape_name(&shape), s.from.span)));
        }
        if let Some(times) = self.known_vector(at)
            && let Some((before, after)) = out_of_order(&times)
        {
            return Err(self.report(errors::times_out_of_order(before, after, &times, s.from.span)));
        }
        let dag = &mut self.program.dag;
        let (t0, t1) = (element(dag, at, 0), element(dag, at, shape[0] - 1));
        Ok(TimeSpan { t0, t1, at: Some(at) })
    }

    /// How many times of a solve depend on parameters and are observed.
    fn moving_times(&self, s: &Solve) -> Option<usize> {
        let (dag, at) = (&self.program.dag, s.at.filter(|_| s.noise.is_none())?);
        let seen = reachable(dag, &[at], |_| false);
        let moves = dag.ids().any(|id| seen[id.0 as usize] && matches!(dag.op(id), Op::Param(_) | Op::Theta(_)));
        moves.then(|| dag.shape(at)[0])
    }

    /// A solve. Where gradients would move its observation times, it is one solve from each to the next, whose ends have exact
    /// derivatives with respect to both; a single one counts times as places inside its steps, which do not move.
    fn solve_node(&mut self, s: Solve) -> Vec<NodeId> {
        let (Some(count), Some(at)) = (self.moving_times(&s), s.at) else { return self.program.dag.solve(s) };
        let dag = &mut self.program.dag;
        let mut states = s.inits.clone();
        let mut rows: Vec<Vec<NodeId>> = states.iter().map(|&x| vec![x]).collect();
        for i in 1..count {
            let (t0, t1) = (element(dag, at, i - 1), element(dag, at, i));
            states = dag.solve(Solve { t0, t1, at: None, inits: states, ..s.clone() });
            rows.iter_mut().zip(&states).for_each(|(rows, &x)| rows.push(x));
        }
        let stack = |dag: &mut Dag, rows: &Vec<NodeId>| {
            let row = |dag: &mut Dag, &x: &NodeId| {
                let shape = [&[1], dag.shape(x)].concat();
                dag.reshape(x, &shape)
            };
            let parts: Vec<NodeId> = rows.iter().map(|x| row(dag, x)).collect();
            dag.concat(0, &parts)
        };
        rows.iter().map(|rows| stack(dag, rows)).collect()
    }

    /// The elements of a vector that is known at compile time.
    pub(super) fn known_vector(&self, n: NodeId) -> Option<Vec<f64>> {
        let dag = &self.program.dag;
        if dag.level(n) > crate::ir::Level::Const {
            return None;
        }
        crate::ir::eval::evaluate::<f64>(dag, &[n], |_| None).ok().map(|mut values| values.remove(0))
    }

    /// The noise of equations of which one has some.
    fn noise(&mut self, parts: &[Parts]) -> Option<Noise> {
        parts.iter().find_map(|(_, g)| *g)?;
        let diffusions = parts.iter().map(|&(drift, g)| {
            let dag = &mut self.program.dag;
            let shape = dag.shape(drift).to_vec();
            g.unwrap_or_else(|| dag.zeros(&shape))
        });
        let diffusions = diffusions.collect();
        Some(Noise { diffusions, site: self.sites.last_mut().expect("a root site").next("noise") })
    }

    /// Drift and diffusion of an equation, of the shape of its state.
    fn derivative(&mut self, q: &ast::Equation, init: NodeId, noise: NodeId, inner: &Ctx) -> Res<Parts> {
        let n = self.right_hand_side(q, init, inner)?;
        let split = noise::split(&mut self.program.dag, n, noise);
        split.map_err(|at| {
            let place = self.program.dag.node(at).span.filter(|s| s.file == q.rhs.span.file);
            self.report(errors::noise_not_linear(place.unwrap_or(q.rhs.span)))
        })
    }

    /// The right-hand side of an equation, of the shape of its state.
    fn right_hand_side(&mut self, q: &ast::Equation, init: NodeId, inner: &Ctx) -> Res<NodeId> {
        let v = self.expr(&q.rhs, inner)?;
        let n = self.node(&v, q.rhs.span)?;
        let (found, expected) = (self.program.dag.shape(n).to_vec(), self.program.dag.shape(init).to_vec());
        if found.is_empty() && !expected.is_empty() {
            return Ok(self.program.dag.broadcast(n, &expected));
        }
        if found != expected {
            let name = &q.name.name;
            return Err(self.report(errors::shape_expected(
                &errors::shape_name(&found),
                &format!("{} for the derivative of `{name}`", errors::shape_name(&expected)),
                q.rhs.span,
                Some((q.initial.span, format!("`{name}` starts as {}", errors::shape_name(&expected)))),
            )));
        }
        Ok(n)
    }

    /// Adds `energy' = dot(x', x') from 0` for the first component.
    fn solve_with_energy(&mut self, mut solve: Solve) -> Vec<NodeId> {
        let rate = solve.derivs[0];
        let square = self.dot(rate, rate);
        let dag = &mut self.program.dag;
        let zero = dag.constant(0.0);
        solve.derivs.push(square);
        solve.inits.push(zero);
        solve.names.push("energy".into());
        if let Some(noise) = &mut solve.noise {
            noise.diffusions.push(zero);
        }
        let mut ends = self.solve_node(solve);
        let dag = &mut self.program.dag;
        let mut energy = ends.pop().expect("the component added above");
        // Over observation times, what counts is the last.
        if let Some(&rows) = dag.shape(energy).first() {
            energy = element(dag, energy, rows - 1);
        }
        self.energy.get_or_insert_default().push(energy);
        ends
    }
}

/// An element of a vector.
fn element(dag: &mut Dag, vector: NodeId, i: usize) -> NodeId {
    let part = dag.slice(vector, 0, i, 1);
    dag.reshape(part, &[])
}

/// Two neighbours that do not go the way from the first time to the last; infinite or not a number counts.
pub(super) fn out_of_order(times: &[f64]) -> Option<(f64, f64)> {
    let forward = times.last() >= times.first();
    times
        .windows(2)
        .map(|w| (w[0], w[1]))
        .find(|&(a, b)| !(a.is_finite() && b.is_finite() && if forward { a <= b } else { a >= b }))
}
