//! Keys that have no effect: `solver` and `gradient` where nothing is solved.
//!
//! The arms of a plan and the blocks that they were made of -> `W0605` for every entry that no arm's programs read. Deliberately
//! absent: options of an objective (`options`).

use super::blocks::Block;
use super::{Arm, GeneratePlan, TrainPlan, option_errors};
use crate::diag::Sink;
use crate::ir::{Op, Program, reachable};
use crate::resolve::free_names;
use crate::source::Span;
use crate::syntax::ast::Entry;

/// Where a key stands, and what is said if no arm reads it.
struct Key<'a> {
    entry: &'a Entry,
    /// The objective, or the sampler.
    of: Span,
    trains: bool,
    read: bool,
}

/// Warns of entries that do nothing in any arm; `blocks` are `train` and `generate` of each stage, `axes` what is compared.
pub fn check(arms: &[Arm], blocks: &[(Option<Block<'_>>, Option<Block<'_>>)], axes: &[&str], sink: &mut Sink) {
    let mut keys: Vec<Key<'_>> = Vec::new();
    for arm in arms {
        let Some((train, generate)) = blocks.get(arm.stage.unwrap_or(0)) else { continue };
        if let (Some(b), Some(t), Some(o)) = (train, &arm.train, train.and_then(|b| b.get("objective"))) {
            let solver = b.get("solver").map(|e| (e, trains_with_solver(t)));
            let gradient = b.get("gradient").map(|e| (e, solves(&t.objective, false)));
            for (entry, read) in solver.into_iter().chain(gradient) {
                note(&mut keys, Key { entry, of: o.value.span, trains: true, read });
            }
        }
        if let (Some(b), Some(g)) = (generate, &arm.generate)
            && let Some(entry) = b.get("solver")
        {
            note(&mut keys, Key { entry, of: g.span, trains: false, read: samples_with_solver(g, arm) });
        }
    }
    for k in keys.iter().filter(|k| !k.read) {
        let names = free_names(&k.entry.value);
        let axis = axes.iter().find(|a| names.contains(**a));
        sink.push(option_errors::idle_key(&k.entry.key, k.of, k.trains, axis.copied()));
    }
}

fn note<'a>(keys: &mut Vec<Key<'a>>, new: Key<'a>) {
    match keys.iter_mut().find(|k| k.entry.key.span == new.entry.key.span) {
        Some(k) => k.read |= new.read,
        None => keys.push(new),
    }
}

/// Whether outputs depend on a solve; with `open` on one that names no solver of its own.
pub(super) fn solves(program: &Program, open: bool) -> bool {
    let dag = &program.dag;
    let roots: Vec<_> = program.outputs.iter().map(|(_, n)| *n).collect();
    let seen = reachable(dag, &roots, |_| false);
    dag.ids().any(|id| seen[id.0 as usize] && matches!(dag.op(id), Op::Solve(s) if !open || s.solver == u32::MAX))
}

fn trains_with_solver(t: &TrainPlan) -> bool {
    let hosts = t.hosts.iter().flat_map(|h| [&h.programs.0, &h.programs.1]);
    hosts.chain([&t.objective]).any(|p| solves(p, true))
}

/// Metrics take over the solver of the block.
fn samples_with_solver(g: &GeneratePlan, arm: &Arm) -> bool {
    let own = arm.metrics.iter().flat_map(|m| m.programs());
    own.chain([&g.sampler.program]).any(|p| solves(p, true))
}
