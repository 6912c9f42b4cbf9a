//! What `autodiff` refuses, in words.

use crate::diag::{Code, Diagnostic};
use crate::ir::{Dag, NodeId};
use crate::source::Span;

fn at(dag: &Dag, id: NodeId, code: Code, message: &str, label: &str) -> Diagnostic {
    match dag.node(id).span {
        Some(span) => Diagnostic::new(code, message, span, label),
        None => Diagnostic::bare(code, format!("{message} ({label})")),
    }
}

/// The derivative passes through the result of a solve.
pub fn through_solve(dag: &Dag, id: NodeId) -> Diagnostic {
    at(
        dag,
        id,
        Code::NotDifferentiable,
        "a derivative passes through the result of a solve",
        "this value comes from an initial-value problem",
    )
    .help("differentiate the right-hand side instead, or keep this value constant with `stop`")
}

/// The array of derivatives has more axes than values may have.
pub fn rank(dag: &Dag, id: NodeId, rank: usize) -> Diagnostic {
    at(
        dag,
        id,
        Code::NotDifferentiable,
        &format!("this derivative needs an array of {rank} axes; at most 4 are possible"),
        "differentiated here",
    )
    .help("differentiate in one direction (`jvp`, `vjp`) or take a trace")
}

/// An unexpanded derivative below another: a fault of the compiler.
pub fn unexpanded(dag: &Dag, id: NodeId) -> Diagnostic {
    at(dag, id, Code::Internal, "a derivative of a derivative that is not expanded", "reached from outside in")
}

/// Derivatives of derivatives that multiply.
pub fn too_many_nodes(span: Option<Span>, limit: usize) -> Diagnostic {
    let message = format!("derivatives of derivatives grow beyond {},000 operations", limit / 1000);
    let d = match span {
        Some(span) => Diagnostic::new(Code::BudgetExceeded, message, span, "stopped here"),
        None => Diagnostic::bare(Code::BudgetExceeded, message),
    };
    d.help("each derivative multiplies what it is taken of: nest fewer, or take them of a smaller expression")
}
