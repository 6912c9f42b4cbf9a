//! What is lost with `gradient: adjoint`, which solves back along the way that it came: corners of the field, and states that the
//! field has drawn together.
//!
//! An objective -> warnings. Fields are probed at fixed points with the parameters that training begins with. Deliberately absent:
//! what holds for every gradient (`lint`).

use super::{corners, growth, lint_errors as errors};
use crate::autodiff;
use crate::diag::Diagnostic;
use crate::ir::{Deriv, NodeId, Op, Program, Solve, eval, reachable};
use crate::numeric::linalg::{Matrix, eigh};
use crate::run::init;
use crate::source::Span;

/// Components of a state beyond which its jacobian is not looked at.
const WIDEST: usize = 128;
/// How much errors may grow on the way back: with tolerances of 1e-5 nothing is left beyond it.
const MOST: f64 = 1e5;

/// All of them; `at` is the objective, `gradient` the key of `train`.
pub fn warnings(program: &Program, at: Span, gradient: Span) -> Vec<Diagnostic> {
    let dag = &program.dag;
    let roots: Vec<NodeId> = program.outputs.iter().map(|(_, n)| *n).collect();
    let seen = reachable(dag, &roots, |_| false);
    let mut out = Vec::new();
    for id in dag.ids().filter(|id| seen[id.0 as usize]) {
        let Op::Solve(solve) = dag.op(id) else { continue };
        let states: Vec<NodeId> =
            dag.ids().filter(|n| matches!(dag.op(*n), Op::State(r, _) if *r == solve.region)).collect();
        let place = dag.node(id).span.unwrap_or(at);
        if let Some((c, z)) = corners::corner_among(dag, &solve.derivs, &states) {
            out.push(errors::corner_under_adjoint(dag.node(c).span.unwrap_or(at), place, gradient, z));
        }
        let spread = states.iter().filter_map(|s| contraction(program, solve, *s)).fold(0.0, f64::max);
        if spread > MOST.ln() {
            out.push(errors::contraction(place, gradient, spread));
        }
    }
    out
}

/// The logarithm of the factor by which errors of a component can grow on the way back: the mean over points and times of the
/// fastest contraction, the least eigenvalue of the symmetric part of the jacobian with its sign turned, times the span.
fn contraction(program: &Program, solve: &Solve, state: NodeId) -> Option<f64> {
    let dag = &program.dag;
    let Op::State(_, component) = dag.op(state) else { return None };
    let deriv = *solve.derivs.get(*component as usize)?;
    let n: usize = dag.shape(state).iter().product();
    let (t0, t1) = (dag.as_constant(solve.t0)?, dag.as_constant(solve.t1)?);
    let moves = reachable(dag, &[deriv], |_| false)[state.0 as usize];
    let numbers: usize = program.params.iter().map(|p| p.shape.iter().product::<usize>()).sum();
    if !moves || n > WIDEST || numbers > growth::LARGEST_PROBED {
        return None;
    }
    let mut own = program.clone();
    let jacobian = own.dag.deriv(Deriv::Jacobian, deriv, state, vec![]);
    own.outputs = vec![("jacobian".into(), jacobian)];
    let expanded = autodiff::expand(&own).ok()?;
    let (root, dag) = (expanded.output("jacobian")?, &expanded.dag);
    let theta = init::initial::<f64>(&program.params, 0);
    let starts: Vec<usize> = program
        .params
        .iter()
        .scan(0, |next, p| Some(std::mem::replace(next, *next + p.shape.iter().product::<usize>())))
        .collect();
    let rate = |point: u32| {
        let leaf = |id: NodeId| {
            let len: usize = dag.shape(id).iter().product();
            match dag.op(id) {
                Op::State(..) | Op::Input(_) | Op::Draw(_) => {
                    Some((0..len).map(|i| (1.3 * f64::from(point) + 0.7 * i as f64 + 0.4).sin()).collect())
                }
                Op::Time(_) => Some(vec![t0 + (t1 - t0) * (f64::from(point) + 0.5) / f64::from(POINTS)]),
                Op::Param(p) => {
                    let start = *starts.get(p.0 as usize)?;
                    theta.get(start..start + len).map(<[f64]>::to_vec)
                }
                _ => None,
            }
        };
        let j = eval::evaluate::<f64>(dag, &[root], leaf).ok()?.swap_remove(0);
        let half = (0..n * n).map(|k| 0.5 * (j[k] + j[(k % n) * n + k / n])).collect();
        let eigen = eigh(&Matrix::new(n, n, half)).ok()?;
        // Back in time what grows is what shrank; a solve from a later to an earlier time turns it round.
        let (least, greatest) = (eigen.values.first()?, eigen.values.last()?);
        Some(if t1 > t0 { -least } else { *greatest })
    };
    let rates = (0..POINTS).map(rate).collect::<Option<Vec<f64>>>()?;
    Some(rates.iter().sum::<f64>() / f64::from(POINTS) * (t1 - t0).abs())
}

/// Points of state and time.
const POINTS: u32 = 8;
