//! What `stage` refuses, in words.

use crate::diag::{Code, Diagnostic};
use crate::ir::{Dag, NodeId};

fn at(dag: &Dag, id: NodeId, code: Code, message: &str, label: &str) -> Diagnostic {
    match dag.node(id).span {
        Some(span) => Diagnostic::new(code, message, span, label),
        None => Diagnostic::bare(code, message),
    }
}

/// A right-hand side that solves.
pub fn nested(dag: &Dag, solve: NodeId) -> Diagnostic {
    at(
        dag,
        solve,
        Code::TypeMismatch,
        "a right-hand side may not contain a solve that depends on its own state or time",
        "this initial-value problem would be solved anew at every evaluation",
    )
    .help("make its equations part of the outer system")
}

/// A loss that is not a scalar: a fault of the compiler.
pub fn loss_shape(dag: &Dag, loss: NodeId) -> Diagnostic {
    let message = format!("a loss of shape {:?}", dag.shape(loss));
    at(dag, loss, Code::Internal, &message, "from here")
}

/// A value that staging cannot place: a fault of the compiler.
pub fn misplaced(dag: &Dag, id: NodeId, why: &str) -> Diagnostic {
    at(dag, id, Code::Internal, &format!("{why}: {id:?} {:?}", dag.op(id)), "from here")
}
