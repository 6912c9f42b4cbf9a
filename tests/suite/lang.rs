//! Texts of the language as programs, for tests: the function `f` of a text, its values, its draws, and whole experiments.

use flowc::backend::Backend;
use flowc::codegen::Jit;
use flowc::diag::{Diagnostic, Severity, Sink, render};
use flowc::elaborate::{Elaborator, Res, Value};
use flowc::experiment::{self, Engine, Header, Options};
use flowc::folder::{Place, RunFolder};
use flowc::ir::{NodeId, Op, Program, eval};
use flowc::kernels::Isa;
use flowc::report::record::RunRecord;
use flowc::run::Real;
use flowc::run::forward::{Forward, Outcome, Request};
use flowc::run::init::initial;
use flowc::run::pool::Pool;
use flowc::solve::{self, SolverConfig};
use flowc::source::{SourceMap, Span};
use flowc::term::Progress;
use flowc::{autodiff, driver, opt, resolve, stage, syntax};
use std::collections::HashMap;

/// What a draw is in [`Function::at`], by its number.
pub fn fixed_draw(number: usize, element: usize) -> f64 {
    0.3 + 0.17 * number as f64 - 0.11 * element as f64
}

/// Elaborates a text and hands it over; what the body returns, and every message in plain words.
pub fn elaborate<R: Send>(
    text: &str,
    body: impl FnOnce(&mut Elaborator<'_>, Span) -> R + Send,
) -> (R, Vec<Diagnostic>, SourceMap) {
    let work = || {
        let mut sources = SourceMap::default();
        let mut sink = Sink::default();
        let id = sources.add("test.flow", text, false);
        let file = syntax::parse(id, text, &mut sink);
        let module = resolve::resolve(&file, &mut sources, &mut sink);
        let mut elab = Elaborator::new(&module, &sources, &mut sink, HashMap::new(), "test");
        let out = body(&mut elab, Span { file: id, start: 0, end: 1 });
        (out, sink.finish(), sources)
    };
    std::thread::scope(|s| {
        std::thread::Builder::new().stack_size(256 << 20).spawn_scoped(s, work).unwrap().join().unwrap()
    })
}

fn errors(all: &[Diagnostic]) -> Vec<Diagnostic> {
    all.iter().filter(|d| d.code.severity() == Severity::Error).cloned().collect()
}

/// A program with its solvers.
pub struct Function {
    pub program: Program,
    pub solvers: Vec<SolverConfig>,
}

impl Function {
    /// The function `f` of a text on inputs of these shapes.
    pub fn new(text: &str, shapes: &[&[usize]]) -> Function {
        Function::build(text, |e, span| {
            let f = e.role("f", span)?;
            let inputs: Vec<Value> =
                shapes.iter().enumerate().map(|(i, s)| Value::Node(e.input(&format!("in{i}"), s.to_vec()))).collect();
            let out = e.apply(&f, &inputs, span)?;
            e.as_node(&out, span)
        })
    }

    /// The objective that the text calls `loss`.
    pub fn objective(text: &str) -> Function {
        Function::build(text, |e, span| {
            let o = e.role("loss", span)?;
            e.objective(&o, span)
        })
    }

    fn build(text: &str, body: impl FnOnce(&mut Elaborator<'_>, Span) -> Res<NodeId> + Send) -> Function {
        let (out, messages, sources) = elaborate(text, |e, span| {
            let n = body(e, span)?;
            let mut program = e.program.clone();
            program.outputs.push(("out".into(), n));
            let solvers = e.solvers.iter().map(|s| (**s).clone()).collect();
            Res::Ok(Function { program, solvers })
        });
        match out {
            Ok(f) if errors(&messages).is_empty() => f,
            _ => panic!("{text}\n{}", render::plain(&messages, &sources)),
        }
    }

    /// Names and shapes of the parameters, in order.
    pub fn params(&self) -> Vec<(String, Vec<usize>)> {
        self.program.params.iter().map(|p| (p.name.clone(), p.shape.to_vec())).collect()
    }

    /// The value for these inputs, row-major, in f64, by the plain evaluator; draws are [`fixed_draw`].
    pub fn at(&self, inputs: &[&[f64]]) -> Vec<f64> {
        let p = autodiff::expand(&self.program).expect("derivatives expand");
        let roots = [p.outputs[0].1];
        let theta: Vec<f64> = initial(&p.params, 0);
        let mut starts = vec![0];
        for d in &p.params {
            starts.push(starts[starts.len() - 1] + d.shape.iter().product::<usize>());
        }
        let leaf = |id: NodeId| match p.dag.op(id) {
            Op::Input(i) => Some(inputs[i.0 as usize].to_vec()),
            Op::Param(q) => Some(theta[starts[q.0 as usize]..starts[q.0 as usize + 1]].to_vec()),
            Op::Draw(d) => {
                let n: usize = p.draws[d.0 as usize].shape.iter().product();
                Some((0..n).map(|k| fixed_draw(d.0 as usize, k)).collect())
            }
            _ => None,
        };
        eval::evaluate::<f64>(&p.dag, &roots, leaf).expect("evaluates").remove(0)
    }

    /// Values for many samples by native code in f64, row-major `[sample][element]`.
    pub fn run(&self, samples: usize, inputs: &[Vec<f64>]) -> Vec<f64> {
        let out =
            self.outcome(samples, inputs, &Jit::new(Isa::detect()), 2).unwrap_or_else(|d| panic!("{}", d.message));
        out.outputs[0].values.clone()
    }

    /// The same with what its solves cost, by another back end, on so many threads; or the failure.
    pub fn outcome<T: Real>(
        &self,
        samples: usize,
        inputs: &[Vec<T>],
        backend: &dyn Backend<T>,
        threads: usize,
    ) -> Result<Outcome<T>, Box<Diagnostic>> {
        let p = opt::optimize(&autodiff::expand(&self.program).expect("derivatives expand"));
        let mut plan = stage::forward(&p).expect("stages");
        plan.add_jacobians(solve::implicit(&self.solvers, None)).expect("has a Jacobian");
        let f = Forward::<T>::new(&p, plan, backend, Pool::new(Some(threads))).expect("compiles");
        let columns: Vec<&[T]> = inputs.iter().map(Vec::as_slice).collect();
        let request = Request {
            theta: &initial::<T>(&p.params, 0),
            seed: 7,
            purpose: "law",
            step: 0,
            first_sample: 0,
            samples,
            inputs: &columns,
            solvers: &self.solvers,
            default_solver: None,
        };
        f.run(&request)
    }
}

/// The messages of a text that defines `f` on inputs of these shapes; it must be refused.
pub fn refused(text: &str, shapes: &[&[usize]]) -> Vec<Diagnostic> {
    let (_, messages, _) = elaborate(text, |e, span| {
        let f = e.role("f", span)?;
        let inputs: Vec<Value> = shapes.iter().map(|s| Value::Node(e.input("x", s.to_vec()))).collect();
        e.apply(&f, &inputs, span).map(|_| ())
    });
    let errors = errors(&messages);
    assert!(!errors.is_empty(), "accepted: {text}");
    errors
}

/// Errors of a whole experiment.
pub fn faults(text: &str) -> Vec<Diagnostic> {
    errors(&driver::compile("test.flow", text).diagnostics)
}

/// Runs a whole experiment on two threads of this machine's best instruction set.
pub fn experiment(text: &str) -> RunRecord {
    let compiled = driver::compile("test.flow", text);
    let Some(plan) = &compiled.plan else {
        panic!("{text}\n{}", render::plain(&compiled.diagnostics, &compiled.sources));
    };
    let base = tempfile::tempdir().expect("a folder");
    let folder = RunFolder::create(&Place::Under(base.path().into()), "test", text).expect("a run folder");
    let header = Header { name: "test".into(), file: "test.flow".into(), text: text.into(), reproduce: String::new() };
    let options = Options { engine: Engine::Jit(Isa::detect()), pool: Pool::new(Some(2)) };
    let words = |s| compiled.sources.text(s).to_owned();
    let ended = experiment::run(plan, &header, &folder, options, &mut Progress::stderr(true), &words);
    assert!(ended.failure.is_none(), "{}", ended.failure.map(|d| d.message).unwrap_or_default());
    ended.record
}

/// Arithmetic on constants may be given to a law, a path and an arm, and means its numbers; parameters may be given where a program
/// can know them, and are refused elsewhere. None of these is a panic.
#[test]
fn what_is_given_may_be_computed() {
    let law = |mean: &str| {
        let text = format!(
            "
m = [2, 4]
param mu: vec[2] = 0
source = normal(dim: 2)
target = normal(mean: {mean}, std: 0.5)
field u(x, t) = x + mu
generate {{ sampler: flow(u), solver: rk4(steps: 4), count: 100 }}
evaluate [kl, wasserstein2]
"
        );
        let c = flowc::driver::compile("t.flow", &text);
        let plan = c.plan.unwrap_or_else(|| panic!("{mean}: {:?}", c.diagnostics));
        let text = flowc::ir::print::program(plan.arms[0].target.as_ref().expect("it draws"));
        // Without the numbers of nodes.
        text.split('%').map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit())).collect::<Vec<_>>().join("%")
    };
    for (computed, numbers) in
        [("-m", "[-2, -4]"), ("m / 2 + [0, 1]", "[1, 3]"), ("sqrt(2 * m)", "[2, sqrt(8)]"), ("[m[1], m[0]]", "[4, 2]")]
    {
        assert_eq!(law(computed), law(numbers), "{computed}");
    }
    for mean in ["mu", "2 * mu", "[mu[0], 1]"] {
        assert!(law(mean).contains("mu"), "{mean}");
    }

    let pairs = |ends: &str, more: &str| {
        let text = format!(
            "
a = [1, 2]
param mu: vec[2] = 0
source = normal(dim: 2)
target = moons(noise: 0.1)
compare m in [2 * a, one: -a, a]
path bent(x0, x1, t; by: real) = (1 - t) * x0 + t * x1 + by * t * (1 - t)
field v(x, t) = mlp(concat(x, t, m), hidden: [4], out: dim(x))
train {{ objective: flow_matching(v, {ends}), batch: 64, steps: 10{more} }}
generate {{ sampler: flow(v), solver: rk4(steps: dim(normal(mean: 2 * mu))) }}
evaluate [path_energy]
"
        );
        let c = flowc::driver::compile("t.flow", &text);
        let errors = c.diagnostics.into_iter().filter(|d| d.code.severity() == flowc::diag::Severity::Error);
        errors.map(|d| d.code.number()).collect::<Vec<_>>()
    };
    assert!(pairs("straight, independent(normal(mean: 2 * mu), target)", "").is_empty());
    assert!(pairs("bent(by: mu[0])", "").is_empty());
    for (ends, more) in [
        ("straight, optimal_transport(normal(mean: 2 * mu), target, batch: 64)", ""),
        ("straight, dataset(independent(normal(mean: mu), target), count: 64)", ""),
        ("straight", ", optimizer: adam(lr: cosine(mu[0], steps: 3))"),
    ] {
        let said = pairs(ends, more);
        assert!(!said.is_empty() && said.iter().all(|c| *c != "E9999"), "{ends}{more}: {said:?}");
    }
}

/// A law on the line may draw reals or vectors of one number: its density takes what it draws, and metrics say the same of both.
#[test]
fn densities_of_reals_are_those_of_vectors_of_one_number() {
    // The same draws, as they are or as the number in them.
    let spec = |ty: &str, at: &str, open: &str, close: &str, drawn: &str| {
        format!(
            "sampler base() {{\n  draw z ~ normal(dim: 1)\n  {drawn}\n}}\n\
             log_density base(x: {ty}) = -{at}^2 / 2 - log(2 * pi) / 2\nsource = base\n\
             sampler bumps() {{\n  draw u ~ uniform(0, 2)\n  draw z ~ normal(dim: 1)\n  0.3 * {drawn} + (if u < 1 then -1 else 1)\n}}\n\
             log_density bumps(x: {ty}) = log(exp(-({at} - 1)^2 / 0.18) + exp(-({at} + 1)^2 / 0.18)) - log(0.6 * sqrt(2 * pi))\n\
             target = bumps\nfield v(x: {ty}, t: real) = {open}0.5 * {at} * (1 - t) + sin({at}){close}\n\
             generate {{ sampler: flow(v), solver: rk4(steps: 10), count: 400 }}\n\
             evaluate [nll, kl, effective_sample_size(bumps), log_normalizer(bumps), calibration, wasserstein2]\n"
        )
    };
    let metrics = |text: &str| -> Vec<(String, f64)> {
        let folder = tempfile::tempdir().expect("a folder");
        let engine = flowc::experiment::Engine::Jit(flowc::kernels::Isa::detect());
        let ended = crate::experiment::run_as("spec.flow", text, &folder.path().join("run"), engine, 1);
        assert!(ended.failure.is_none(), "{:?}", ended.failure);
        ended.record.cells[0].metrics.iter().map(|m| (m.name.clone(), m.value)).collect()
    };
    let of_reals = metrics(&spec("real", "x", "", "", "z[0]"));
    let of_vectors = metrics(&spec("vec[1]", "x[0]", "[", "]", "z"));
    assert_eq!(of_reals.len(), 6);
    assert_eq!(of_reals, of_vectors);
}
