//! What an expression is worth while a program is built: known at compile time, or a node of the IR.

use super::builtin::Builtin;
use super::sets::Set;
use crate::ir::NodeId;
use crate::numeric::tableau::Method;
use crate::resolve::{FunDef, LawDef, Origin};
use crate::solve::SolverConfig;
use crate::source::Span;
use crate::syntax::ast;
use crate::syntax::ast::Body;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// A value of the language.
#[derive(Clone, Debug)]
pub enum Value {
    /// The result of a reported error: silent from here on.
    Poison,
    /// A compile-time integer.
    Int(i64),
    /// A compile-time real.
    Real(f64),
    /// A compile-time truth.
    Bool(bool),
    /// A word.
    Str(Rc<str>),
    /// No value: an absent condition or option.
    None,
    /// A run-time real, vector or matrix.
    Node(NodeId),
    /// A run-time truth: 1 or 0, elementwise.
    Truth(NodeId),
    /// `[a, b]`
    List(Rc<Seq>),
    /// `(a, b | c)`, `(x: a, y: b)`
    Tuple(Rc<Seq>),
    /// `a..b`, end excluded.
    Range(i64, i64),
    /// A function with some of its arguments given.
    Fun(Rc<Fun>),
    /// A law with its configuration given.
    Law(Rc<Law>),
    /// A function of the language itself, with some of its arguments given.
    Builtin(Builtin),
    /// A Runge-Kutta method.
    Tableau(Arc<Method>),
    /// A method with its settings.
    Solver(Rc<SolverConfig>),
    /// A class or none, known to be one of so many.
    Class(Class),
    /// A finite set of samples.
    Data(Arc<Set>),
    /// A law over sets of samples, run by the host.
    Host(Rc<HostLaw>),
    /// Draws that are made once.
    Dataset(Rc<Dataset>),
    /// An earlier stage: its members are fields and nets with the parameters that it ended with.
    Stage(Rc<str>),
}

/// One of `count` classes at run time: its number, or -1 for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    /// A real.
    pub node: NodeId,
    /// How many classes there are.
    pub count: usize,
}

/// Items with labels, and a condition.
#[derive(Clone, Debug, Default)]
pub struct Seq {
    /// In order.
    pub items: Vec<(Option<Rc<str>>, Value)>,
    /// What stands after the bar.
    pub condition: Option<Value>,
}

impl Seq {
    /// Items without labels.
    pub fn plain(items: Vec<Value>) -> Rc<Seq> {
        Rc::new(Seq { items: items.into_iter().map(|v| (None, v)).collect(), condition: None })
    }

    /// The item of that label.
    pub fn get(&self, label: &str) -> Option<&Value> {
        self.items.iter().find(|(l, _)| l.as_deref() == Some(label)).map(|(_, v)| v)
    }
}

/// What a function's body is.
#[derive(Clone, Debug)]
pub enum Callee {
    /// A definition.
    Def(Rc<FunDef>),
    /// `(a, b) => body` with the names around it.
    Lambda { params: Rc<ast::Pattern>, body: Rc<Body>, env: Rc<Env>, origin: Origin },
}

/// A function value: what it is and the arguments it already has.
#[derive(Clone, Debug)]
pub struct Fun {
    /// Its body.
    pub callee: Callee,
    /// Configuration given so far.
    pub given: Vec<(String, Value)>,
    /// Where it was configured or written.
    pub span: Span,
}

impl Fun {
    /// What to call it in messages.
    pub fn name(&self) -> &str {
        match &self.callee {
            Callee::Def(d) => &d.define.name.name,
            Callee::Lambda { .. } => "the lambda",
        }
    }
}

/// A law value.
#[derive(Clone, Debug)]
pub struct Law {
    /// Its facets.
    pub def: Rc<LawDef>,
    /// Configuration given so far.
    pub given: Vec<(String, Value)>,
    /// What it is conditioned on, if that was given.
    pub condition: Option<(Value, Span)>,
    /// Where it was configured.
    pub span: Span,
}

/// A coupling that sees a set of samples: run by the host, ahead of the program.
#[derive(Clone, Debug)]
pub struct HostLaw {
    /// Which.
    pub kind: HostKind,
    /// The law at t = 0 and the law at t = 1.
    pub laws: (Value, Value),
    /// Where it was written.
    pub span: Span,
}

/// `count` draws of a law or coupling, made once.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// What they are drawn from.
    pub law: Value,
    /// How many.
    pub count: usize,
    /// Where the law was written.
    pub span: Span,
}

/// The couplings of the host.
#[derive(Clone, Debug, PartialEq)]
pub enum HostKind {
    /// Pairs from the transport plan of two sets of points.
    Transport(Transport),
}

/// A coupling by optimal transport between minibatches (Fatras et al. 2020; Tong et al. 2024, section 3.2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transport {
    /// Points of one plan.
    pub batch: usize,
    /// Pairs are drawn from the plan with replacement; else every x0 is used once.
    pub resample: bool,
    /// `Some`: the plan is Sinkhorn's, else the exact assignment.
    pub entropic: Option<Entropic>,
    /// What the cost adds where labels differ.
    pub condition: Option<f64>,
}

/// How an entropic plan is computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entropic {
    /// Weight of the entropy, in units of the squared distance.
    pub epsilon: f64,
    /// Most mass that the columns of a plan may miss.
    pub tolerance: f64,
    /// Most iterations.
    pub iterations: usize,
}

/// Local names, innermost first.
#[derive(Debug, Default)]
pub struct Env {
    vars: RefCell<Vec<(String, Value)>>,
    parent: Option<Rc<Env>>,
}

impl Env {
    /// A scope inside another.
    pub fn child(parent: Option<&Rc<Env>>) -> Rc<Env> {
        Rc::new(Env { vars: RefCell::default(), parent: parent.cloned() })
    }

    /// Gives a name its value.
    pub fn bind(&self, name: &str, value: Value) {
        self.vars.borrow_mut().push((name.to_owned(), value));
    }

    /// Whether a value in reach fits.
    pub fn any(&self, fits: &dyn Fn(&Value) -> bool) -> bool {
        self.vars.borrow().iter().any(|(_, v)| fits(v)) || self.parent.as_ref().is_some_and(|p| p.any(fits))
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<Value> {
        let here = self.vars.borrow().iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        here.or_else(|| self.parent.as_ref().and_then(|p| p.get(name)))
    }
}
