//! Noise and solvers: which solver a block's equations get, and where noise may not stand.
//!
//! Deliberately absent: solvers that a `solve` names itself (`elaborate` looks at those).

use super::{blocks, errors};
use crate::elaborate::{Elaborator, Res, deterministic_metric, noise_needs_solver, solver_needs_noise};
use crate::ir::{NodeId, Op, reachable};
use crate::solve::SolverConfig;
use crate::source::Span;
use crate::syntax::ast::Entry;

/// The solver for what a program leaves open: a metric whose sampler has no noise does not take over that of `generate`.
///
/// `given`: where the solver is written; `inherited`: whether it was written for another sampler.
pub fn fit_solver(
    elab: &mut Elaborator<'_>,
    config: SolverConfig,
    given: Option<&Entry>,
    inherited: bool,
    span: Span,
) -> Res<SolverConfig> {
    let dag = &elab.program.dag;
    let roots: Vec<NodeId> = elab.program.outputs.iter().map(|(_, id)| *id).collect();
    let seen = reachable(dag, &roots, |_| false);
    let (mut noisy, mut plain) = (false, false);
    for id in dag.ids().filter(|id| seen[id.0 as usize]) {
        if let Op::Solve(s) = dag.op(id)
            && s.solver == u32::MAX
        {
            noisy |= s.noise.is_some();
            plain |= s.noise.is_none();
        }
    }
    let at = given.map_or(span, |e| e.value.span);
    let name = config.method.name.clone();
    match (config.method.noise.is_some(), noisy, plain) {
        (false, true, _) => Err(elab.report(noise_needs_solver(&name, at, None))),
        (true, false, true) if inherited => {
            let d = deterministic_metric(&name, span);
            if !elab.sink.items().iter().any(|o| o.code == d.code && o.primary == d.primary) {
                elab.report(d);
            }
            blocks::solver(elab, None, span)
        }
        (true, _, true) => Err(elab.report(solver_needs_noise(&name, at, None))),
        (true, _, false) | (false, false, _) => Ok(config),
    }
}

/// Refuses a loss that depends on an equation with noise: its gradient is not the one of its drift.
pub fn refuse_in_loss(elab: &mut Elaborator<'_>, loss: NodeId, span: Span) -> Res<()> {
    let dag = &elab.program.dag;
    let seen = reachable(dag, &[loss], |id| matches!(dag.op(id), Op::Stop(_)));
    let noisy = |id: &NodeId| seen[id.0 as usize] && matches!(dag.op(*id), Op::Solve(s) if s.noise.is_some());
    match dag.ids().find(noisy).map(|id| dag.node(id).span) {
        None => Ok(()),
        Some(place) => {
            let place = place.filter(|s| !elab.sources.file(s.file).is_std);
            Err(elab.report(errors::noise_in_training(span, place)))
        }
    }
}
