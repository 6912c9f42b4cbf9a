//! Abstract evaluation: a typed tree becomes IR.
//!
//! `resolve::Module` + the arm of a comparison -> `ir::Program`. Specs are closed programs, so every call is elaborated anew
//! with concrete integers: shapes, `fold`, functions as arguments, caller blame and the paths of parameters are one
//! mechanism. Whatever is known at compile time is computed here; the rest becomes nodes. Invariant: an `Err` means that
//! a diagnostic was reported; a poisoned name is silent afterwards. Deliberately absent: derivatives (nodes until
//! `autodiff::expand`), batches, threads.

mod access;
mod arith;
mod block;
pub mod builtin;
mod call;
mod call_builtin;
mod class;
mod coupling;
mod coupling_errors;
mod dataset;
mod derivative;
mod errors;
mod expr;
mod file;
mod hints;
mod invoke;
mod law;
mod linalg;
mod noise;
mod rows;
pub mod set_errors;
pub mod sets;
mod settled;
mod shape;
mod solve;
mod stages;
mod trajectories;
pub mod value;

pub use call::{Args, Named};
pub use dataset::DatasetUse;
pub use derivative::is_step;
pub use errors::shape_name;
pub(crate) use errors::{deterministic_metric, noise_needs_solver, solver_needs_noise};
pub use sets::{Set, SetTable};
pub(crate) use settled::is_bound;
pub use value::{Class, Entropic, Env, Fun, HostKind, HostLaw, Law, Seq, Transport, Value};

use crate::diag::{Code, Diagnostic, Label, Sink};
use crate::ir::{
    DrawDecl, DrawId, DrawKind, InputDecl, InputId, NodeId, ParamDecl, ParamId, Program, RowsInput, Shape,
};
use crate::resolve::{Module, Origin};
use crate::solve::SolverConfig;
use crate::source::{SourceMap, Span};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// A diagnostic has been reported; nothing more is to be said.
#[derive(Clone, Copy, Debug)]
pub struct Reported;

/// The result of elaborating something.
pub type Res<T> = Result<T, Reported>;

/// Nodes of one program beyond which unrolling is refused.
const NODE_BUDGET: u64 = 400_000;
/// Expressions evaluated in one program beyond which unrolling is refused.
const EVAL_BUDGET: u64 = 5_000_000;
/// Calls within calls beyond which a recursion is taken for endless.
const CALL_DEPTH: usize = 120;

/// A name space of parameters or draws: a path, and how often each callee occurred in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    path: String,
    counts: HashMap<String, usize>,
}

impl Scope {
    fn root(path: impl Into<String>) -> Scope {
        Scope { path: path.into(), counts: HashMap::new() }
    }

    /// The path of the next thing of that name inside.
    fn next(&mut self, name: &str) -> String {
        let n = self.counts.entry(name.to_owned()).or_default();
        let ordinal = *n;
        *n += 1;
        let dot = if self.path.is_empty() { "" } else { "." };
        if ordinal == 0 { format!("{}{dot}{name}", self.path) } else { format!("{}{dot}{name}{ordinal}", self.path) }
    }
}

/// Columns that the host makes for a program.
#[derive(Clone, Debug)]
pub struct HostUse {
    /// What makes them.
    pub kind: HostKind,
    /// The inputs of the program that receive x0 and x1.
    pub inputs: (InputId, InputId),
    /// The input that receives the label of the pair, if a law has labels.
    pub label: Option<InputId>,
    /// Programs that draw x0 and x1, output `x`; a law with labels also has an output `y`.
    pub programs: (Program, Program),
    /// The name of the draw that asks, which keys what is drawn from plans.
    pub site: String,
    /// Where it was written.
    pub span: Span,
}

/// Where an expression is evaluated.
#[derive(Clone, Debug)]
pub(crate) struct Ctx {
    env: Rc<Env>,
    origin: Origin,
    /// Names that derivative operators of this body differentiate in.
    targets: Rc<HashSet<String>>,
}

#[derive(Clone, Debug)]
struct Frame {
    name: String,
    span: Span,
}

/// A division `name / divisor` of integers that is not whole.
struct Quotient {
    name: String,
    divisor: i64,
}

/// A top-level name, where it is defined, and the stage whose parameters it reads.
type GlobalKey = (String, Origin, Option<Rc<str>>);

/// Builds one program.
pub struct Elaborator<'a> {
    /// The definitions.
    pub module: &'a Module,
    /// The texts.
    pub sources: &'a SourceMap,
    /// Where messages go.
    pub sink: &'a mut Sink,
    /// What has been built.
    pub program: Program,
    /// Solvers named by `with`.
    pub solvers: Vec<Rc<SolverConfig>>,
    /// What the host must provide.
    pub hosts: Vec<HostUse>,
    /// Rows that the host must make.
    pub datasets: Vec<DatasetUse>,
    /// Value of every axis in this arm.
    pub arm: HashMap<String, Value>,
    globals: HashMap<GlobalKey, Value>,
    in_progress: Vec<GlobalKey>,
    /// The earlier stage whose parameters are read.
    frozen: Option<Rc<str>>,
    calls: Vec<Frame>,
    owners: Vec<Scope>,
    sites: Vec<Scope>,
    params: HashMap<String, ParamId>,
    draws: HashMap<String, DrawId>,
    squares: HashMap<NodeId, NodeId>,
    /// Divisions of integers that left a rest: what to say where a whole number is asked for.
    quotients: HashMap<Span, Quotient>,
    zero_draws: bool,
    /// Whether a draw from a dataset is one of its rows.
    rows: bool,
    regions: u32,
    /// Calls of fields that stand in no other field and in no solve.
    field_calls: u64,
    /// The solver of each solve whose right-hand side calls a field; `None` if one stands inside another.
    field_solves: Option<Vec<u32>>,
    fields_within: u32,
    /// How many draws were asked for so far, and which parameters of bodies.
    drawn: u64,
    asked: Vec<String>,
    evals: u64,
    /// Nets with classes, and whether they were given one.
    conditioned: Vec<class::Conditioned>,
    condition_taken: bool,
    /// The kinetic energy of each solve, if asked for.
    energy: Option<Vec<NodeId>>,
}

impl<'a> Elaborator<'a> {
    /// An empty program in one arm of the comparison.
    pub fn new(
        module: &'a Module,
        sources: &'a SourceMap,
        sink: &'a mut Sink,
        arm: HashMap<String, Value>,
        root: &str,
    ) -> Self {
        Elaborator {
            module,
            sources,
            sink,
            program: Program::default(),
            solvers: Vec::new(),
            hosts: Vec::new(),
            datasets: Vec::new(),
            rows: false,
            arm,
            globals: HashMap::new(),
            in_progress: Vec::new(),
            frozen: None,
            calls: Vec::new(),
            owners: Vec::new(),
            sites: vec![Scope::root(root)],
            params: HashMap::new(),
            draws: HashMap::new(),
            squares: HashMap::new(),
            quotients: HashMap::new(),
            zero_draws: false,
            regions: 0,
            field_calls: 0,
            field_solves: Some(vec![]),
            fields_within: 0,
            drawn: 0,
            asked: Vec::new(),
            evals: 0,
            conditioned: Vec::new(),
            condition_taken: false,
            energy: None,
        }
    }

    /// Raw draws are their mean from here on: for looking at coefficients.
    pub fn zero_draws(&mut self) {
        self.zero_draws = true;
    }

    pub(crate) fn top(&self) -> Ctx {
        Ctx { env: Env::child(None), origin: Origin::User, targets: Rc::default() }
    }

    /// Evaluates an expression of the user's file at top level.
    pub fn top_expr(&mut self, e: &crate::syntax::ast::Expr) -> Res<Value> {
        let ctx = self.top();
        self.expr(e, &ctx)
    }

    /// Reports, blaming the user's call where the fault shows inside the library.
    pub fn report(&mut self, mut d: Diagnostic) -> Reported {
        let in_std = |s: Span| self.sources.file(s.file).is_std;
        if let Some(primary) = &d.primary
            && in_std(primary.span)
            && let Some(frame) = self.calls.iter().rev().find(|f| !in_std(f.span))
        {
            let text = if frame.name.contains(' ') {
                format!("in this use of {}", frame.name)
            } else {
                format!("in this use of `{}`", frame.name)
            };
            let there = std::mem::replace(d.primary.as_mut().expect("just seen"), Label { span: frame.span, text });
            // One place in the library is enough for a reader who did not write it.
            d.secondary.retain(|l| !in_std(l.span));
            d.secondary.push(there);
        }
        self.sink.push(d);
        Reported
    }

    /// A run-time input of the program.
    pub fn input(&mut self, name: &str, shape: Shape) -> NodeId {
        let id = InputId(self.program.inputs.len() as u32);
        self.program.inputs.push(InputDecl::new(name, shape.clone()));
        self.program.dag.input(id, shape)
    }

    /// An input that rows of a set fill.
    fn rows_input(&mut self, name: &str, shape: Shape, rows: RowsInput) -> NodeId {
        let node = self.input(name, shape);
        self.program.inputs.last_mut().expect("the input just made").rows = Some(rows);
        node
    }

    /// A raw draw of the program at the current site.
    fn raw_draw(&mut self, kind: DrawKind, shape: Shape) -> NodeId {
        if self.zero_draws {
            let mean = match kind {
                DrawKind::Uniform => 0.5,
                DrawKind::Normal => 0.0,
            };
            let c = self.program.dag.constant(mean);
            return self.program.dag.broadcast(c, &shape);
        }
        let word = match kind {
            DrawKind::Uniform => "uniform",
            DrawKind::Normal => "normal",
        };
        self.drawn += 1;
        let site = self.sites.last_mut().expect("a root site").next(word);
        let program = &mut self.program;
        let id = *self.draws.entry(site.clone()).or_insert_with(|| {
            program.draws.push(DrawDecl { site, kind, shape: shape.clone() });
            DrawId(program.draws.len() as u32 - 1)
        });
        self.program.dag.draw(id, shape)
    }

    /// A trainable parameter of a qualified name: the same one at every mention.
    fn param(&mut self, decl: ParamDecl) -> NodeId {
        let (decl, frozen) = self.param_of_stage(decl);
        let program = &mut self.program;
        let shape = decl.shape.clone();
        let id = *self.params.entry(decl.name.clone()).or_insert_with(|| {
            program.params.push(decl);
            ParamId(program.params.len() as u32 - 1)
        });
        let node = self.program.dag.param(id, shape);
        self.constant_if(node, frozen)
    }

    /// Counts work; refuses to unroll without end.
    fn spend(&mut self, span: Span) -> Res<()> {
        self.evals += 1;
        let limit = if self.program.dag.len() as u64 > NODE_BUDGET {
            NODE_BUDGET
        } else if self.evals > EVAL_BUDGET {
            EVAL_BUDGET
        } else {
            return Ok(());
        };
        // Every program that reaches the place runs into it: said once.
        if self.sink.items().iter().any(|d| d.code == Code::BudgetExceeded) {
            return Err(Reported);
        }
        let first = self.calls.iter().map(|f| f.span).find(|s| !self.sources.file(s.file).is_std);
        Err(self.report(errors::budget(span, limit, first)))
    }
}
