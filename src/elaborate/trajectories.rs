//! `trajectories(field, start:, times:)` and `segments(data, length:)`: sets of curves observed at times.
//!
//! A field in closed form -> a set whose rows are the times and the states there, solved by the host once a seed; such a set -> the
//! set of all runs of neighbouring times in it. Both are laws: a draw gives `(times, states)`. Deliberately absent: the solving
//! and the cutting.

use super::builtin::Builtin;
use super::call::{Args, Named};
use super::sets::{Drawn, Item, Rows, Set};
use super::settled::is_bound;
use super::value::Value;
use super::{Elaborator, Reported, Res, errors};
use crate::ir::{RegionId, Solve, print};
use crate::resolve::Origin;
use crate::source::Span;

/// Most times of a trajectory.
const MOST_TIMES: usize = 100_000;

impl Elaborator<'_> {
    /// `trajectories(field, start: x0, times: ts, count: 1, solver: ...)`
    pub(super) fn trajectories(&mut self, args: &Args) -> Res<Value> {
        let b = Builtin::Trajectories;
        let a = self.arity(b, args, 1, &["start", "times", "count", "solver"])?;
        let (field, at) = a[0].clone();
        let (Some(start), Some(times)) = (given(args, "start"), given(args, "times")) else {
            let message = "`trajectories` needs `start` and `times`".to_owned();
            return Err(self.report(errors::wrong_arguments(b.name(), message, args.span, b.signature(), None)));
        };
        let node = self.node(&times.value, times.at)?;
        let known = self.known_vector(node).filter(|_| self.program.dag.shape(node).len() == 1);
        let Some(ts) = known.filter(|ts| (2..=MOST_TIMES).contains(&ts.len())) else {
            let found = self.describe(&times.value);
            let must = "times known at compile time, at least two, e.g. `linspace(0, 25, 1_000)`";
            return Err(self.report(errors::type_expected(must, &found, times.at, None)));
        };
        if let Some((before, after)) = super::solve::out_of_order(&ts) {
            return Err(self.report(errors::times_out_of_order(before, after, &ts, times.at)));
        }
        let drawn = matches!(start.value, Value::Law(_));
        let count = match given(args, "count") {
            None => 1,
            Some(n) => self.number_of_rows(n)?,
        };
        let solver = given(args, "solver").map(|n| (n.value.clone(), n.at));
        let start = (start.value.clone(), start.at);
        let constant = if drawn { None } else { Some(self.known_start(&start)?) };
        if is_bound(&field) || (drawn && is_bound(&start.0)) {
            return Err(self.report(errors::trained_rows(at)));
        }

        let mut inner = Elaborator::new(self.module, self.sources, self.sink, self.arm.clone(), "trajectories");
        inner.calls.clone_from(&self.calls);
        let x0 = match constant {
            Some((values, shape)) => inner.program.dag.tensor(&values, shape),
            None => {
                let v = inner.draw_from(&start.0, start.1)?;
                inner.node(&v, start.1)?
            }
        };
        let region = RegionId(inner.regions);
        inner.regions += 1;
        let shape = inner.program.dag.shape(x0).to_vec();
        let (state, time) = (inner.program.dag.state(region, 0, shape.clone()), inner.program.dag.time(region));
        let v = inner.apply(&field, &[Value::Node(state), Value::Node(time)], at)?;
        let rate = inner.node(&v, at)?;
        let found = inner.program.dag.shape(rate).to_vec();
        if found != shape {
            let (f, e) = (errors::shape_name(&found), errors::shape_name(&shape));
            let because = Some((start.1, format!("the state starts as {e}")));
            return Err(inner.report(errors::shape_expected(&f, &e, at, because)));
        }
        let dag = &mut inner.program.dag;
        let all = dag.tensor(&ts, vec![ts.len()]);
        let (t0, t1) = (dag.constant(ts[0]), dag.constant(ts[ts.len() - 1]));
        let (names, inits, derivs) = (vec!["y".to_owned()], vec![x0], vec![rate]);
        let ys =
            dag.solve(Solve { region, t0, t1, names, inits, derivs, solver: u32::MAX, at: Some(all), noise: None })[0];
        let states = dag.shape(ys).to_vec();
        inner.program.outputs = vec![("times".into(), all), ("states".into(), ys)];
        let trained = inner.program.params.iter().any(|p| !inner.is_frozen(&p.name));
        if trained || !inner.hosts.is_empty() || !inner.datasets.is_empty() {
            return Err(inner.report(errors::trained_rows(at)));
        }
        // What is learned from is solved as exactly as the precision allows.
        let solver = match solver {
            Some((v, at)) => (*inner.solver_value(&v, at)?).clone(),
            None => {
                let v = inner.global("dopri5", args.span, Origin::Std)?.ok_or(Reported)?;
                let mut solver = (*inner.solver_value(&v, args.span)?).clone();
                if let crate::solve::Steps::Adaptive(a) = &mut solver.steps {
                    (a.rtol, a.atol) = (1e-6, 1e-6);
                }
                solver
            }
        };
        let solvers = inner.solvers.iter().map(|s| (**s).clone()).collect();
        let program = inner.program;
        let key = format!("trajectories {count} {solver:?} {}", print::program(&program));
        let known = self.module.sets.borrow().get(&key);
        if let Some(set) = known {
            return Ok(Value::Data(set));
        }
        let set = Set {
            id: 0,
            name: "trajectories".into(),
            items: vec![
                Item { name: "times".into(), shape: vec![ts.len()] },
                Item { name: "states".into(), shape: states },
            ],
            classes: None,
            counts: [count, 0, 0],
            rows: Rows::Drawn(Box::new(Drawn { program, solvers, default_solver: Some(solver) })),
            span: args.span,
        };
        Ok(Value::Data(self.module.sets.borrow_mut().add(key, set)))
    }

    /// `segments(data, length: n)`
    pub(super) fn segments(&mut self, args: &Args) -> Res<Value> {
        let b = Builtin::Segments;
        let a = self.arity(b, args, 1, &["length"])?;
        let (data, at) = a[0].clone();
        let Some(length) = given(args, "length") else {
            let message = "`segments` needs `length`, the number of times of one".to_owned();
            return Err(self.report(errors::wrong_arguments(b.name(), message, args.span, b.signature(), None)));
        };
        let must = "rows over times, e.g. `trajectories(...)`";
        let Value::Data(of) = &data else {
            let found = self.describe(&data);
            return Err(self.report(errors::type_expected(must, &found, at, None)));
        };
        // The first axis of every part of a row runs over its times.
        let times = of.items.first().and_then(|i| i.shape.first()).copied().unwrap_or(0);
        let over_times = of.classes.is_none() && of.items.iter().all(|i| i.shape.first() == Some(&times));
        if !over_times || times < 2 {
            let found = format!("the rows of {}", of.name);
            return Err(self.report(errors::type_expected(must, &found, at, None)));
        }
        let n = self.need_int(&length.value, "times of a segment", length.at)?;
        let taken = match usize::try_from(n) {
            Ok(n) if (2..=times).contains(&n) => n,
            Ok(_) | Err(_) => {
                return Err(self.report(errors::bad_count("times of a segment", n, 2, times as i64, length.at)));
            }
        };
        let key = format!("segments {} {taken}", of.id);
        let known = self.module.sets.borrow().get(&key);
        if let Some(set) = known {
            return Ok(Value::Data(set));
        }
        let part = |i: &Item| Item { name: i.name.clone(), shape: [&[taken], &i.shape[1..]].concat() };
        let set = Set {
            id: 0,
            name: format!("segments of {}", of.name),
            items: of.items.iter().map(part).collect(),
            classes: None,
            counts: of.counts.map(|rows| rows * (times - taken + 1)),
            rows: Rows::Windows { of: of.clone(), times, length: taken },
            span: args.span,
        };
        Ok(Value::Data(self.module.sets.borrow_mut().add(key, set)))
    }

    /// A start that is the same for all: numbers known at compile time, with their shape.
    fn known_start(&mut self, (v, at): &(Value, Span)) -> Res<(Vec<f64>, Vec<usize>)> {
        let n = self.node(v, *at)?;
        let shape = self.program.dag.shape(n).to_vec();
        match self.known_vector(n) {
            Some(values) if shape.len() <= 1 => Ok((values, shape)),
            _ => {
                let found = self.describe(v);
                Err(self.report(errors::type_expected("a known vector, or a law", &found, *at, None)))
            }
        }
    }

    fn number_of_rows(&mut self, n: &Named) -> Res<usize> {
        let k = self.need_int(&n.value, "trajectories", n.at)?;
        match usize::try_from(k) {
            Ok(k) if (1..=1 << 20).contains(&k) => Ok(k),
            Ok(_) | Err(_) => Err(self.report(errors::bad_count("trajectories", k, 1, 1 << 20, n.at))),
        }
    }
}

fn given<'a>(args: &'a Args, name: &str) -> Option<&'a Named> {
    args.named.iter().find(|n| n.name == name)
}
