//! `flowc emit`: every stage in print.

use super::{Format, IsaArg, SPEC, complain, print_all, read};
use crate::backend::{Precision, Unit};
use crate::codegen::Jit;
use crate::diag::Diagnostic;
use crate::ir::{Program, print};
use crate::plan::RunPlan;
use crate::solve::implicit;
use crate::{autodiff, driver, opt, stage};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

/// A stage of the compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// What was written, in canonical form.
    Ast,
    /// The experiment with every default.
    Plan,
    /// The loss as elaborated, derivatives as operators.
    Ir,
    /// The loss with derivatives expanded.
    IrGrad,
    /// The loss with its contractions in the best order.
    IrOpt,
    /// Prologue and units: the loss with its gradient.
    IrStaged,
    /// The schedule of a tile: buffers, kernels, loops.
    Schedule,
    /// Cranelift's form of the loops.
    Clif,
    /// Machine code.
    Asm,
}

/// Arguments of `flowc emit`.
#[derive(Debug, Args)]
pub struct EmitArgs {
    /// The stage
    stage: Stage,
    /// The spec, a .flow file
    spec: PathBuf,
    /// Vector instructions to compile for
    #[arg(long, value_enum, default_value_t = IsaArg::Auto)]
    isa: IsaArg,
}

/// Prints a stage; the exit code.
pub fn emit(args: &EmitArgs) -> ExitCode {
    let text = match read(&args.spec) {
        Ok(t) => t,
        Err(d) => {
            complain(&d);
            return ExitCode::from(SPEC);
        }
    };
    let file = args.spec.display().to_string();
    if args.stage == Stage::Ast {
        let mut sink = crate::diag::Sink::default();
        let mut sources = crate::source::SourceMap::default();
        let id = sources.add(file, text.as_str(), false);
        let tree = crate::syntax::parse(id, &text, &mut sink);
        let failed = sink.has_errors();
        let c = driver::Compiled { sources, diagnostics: sink.finish(), plan: None };
        print_all(&c, Format::Text);
        print!("{}", crate::syntax::print::print(&tree, Some(&text)));
        return ExitCode::from(u8::from(failed));
    }
    let c = driver::compile(&file, &text);
    print_all(&c, Format::Text);
    let Some(plan) = &c.plan else { return ExitCode::from(SPEC) };
    match stages(args, plan) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(d) => {
            complain(&d);
            ExitCode::from(super::INTERNAL)
        }
    }
}

fn stages(args: &EmitArgs, plan: &RunPlan) -> Result<String, Diagnostic> {
    if args.stage == Stage::Plan {
        return Ok(format!("{}", crate::plan::Shown(plan)));
    }
    let mut out = String::new();
    for arm in &plan.arms {
        let label = arm.labels.join(", ");
        if !label.is_empty() {
            out += &format!("// arm {label}\n");
        }
        let (what, program, solvers, default) = match (&arm.train, &arm.generate) {
            (Some(t), _) => ("loss", &t.objective, &t.solvers, &t.default_solver),
            (None, Some(g)) => ("sampler", &g.sampler.program, &g.sampler.solvers, &g.sampler.default_solver),
            (None, None) => continue,
        };
        let implicit = implicit(solvers, Some(default));
        out += &format!("// {what}\n{}", one(args, plan.precision, program, what == "loss", &implicit)?);
    }
    Ok(out)
}

fn one(
    args: &EmitArgs,
    precision: Precision,
    program: &Program,
    loss: bool,
    implicit: &dyn Fn(u32) -> bool,
) -> Result<String, Diagnostic> {
    if args.stage == Stage::Ir {
        return Ok(print::program(program));
    }
    let expanded = autodiff::expand(program)?;
    if args.stage == Stage::IrGrad {
        return Ok(print::program(&expanded));
    }
    let best = opt::optimize(&expanded);
    if args.stage == Stage::IrOpt {
        return Ok(print::program(&best));
    }
    let mut units: Vec<(String, stage::UnitSpec)> = Vec::new();
    let mut out = String::new();
    let root = best.output("loss").filter(|_| loss);
    if let Some(root) = root.filter(|&root| stage::solves(&best, root)) {
        let mut o = stage::objective(&best, root)?;
        o.add_jacobians(implicit)?;
        out += &stage::print::objective(&o);
        units.extend(o.units().map(|(name, unit)| (name, unit.clone())));
    } else if let Some(root) = root {
        let g = stage::gradient(&best, root)?;
        out += &stage::print::gradient(&g);
        units.push(("train".into(), g.unit));
    } else {
        let mut f = stage::forward(&best)?;
        f.add_jacobians(implicit)?;
        out += &stage::print::forward(&f);
        for (i, s) in f.segments.into_iter().enumerate() {
            match s {
                stage::Segment::Map { unit, .. } => units.push((format!("map{i}"), unit)),
                stage::Segment::Solve { rhs, noise, jacobian, .. } => {
                    units.push((format!("rhs{i}"), rhs));
                    units.extend(jacobian.map(|unit| (format!("jacobian{i}"), unit)));
                    units.extend(noise.map(|n| (format!("diffusion{i}"), n.unit)));
                }
            }
        }
    }
    if args.stage == Stage::IrStaged {
        return Ok(out);
    }
    let jit = Jit::new(args.isa.resolve()?);
    let mut text = String::new();
    for (name, u) in &units {
        let unit = Unit { name, dag: &u.dag, inputs: &u.inputs, theta: &u.theta, outputs: &u.outputs, sums: &u.sums };
        text += &match args.stage {
            Stage::Schedule => jit.dump_schedule(&unit, precision)?,
            Stage::Clif => jit.dump_clif(&unit, precision)?,
            Stage::Ast | Stage::Plan | Stage::Ir | Stage::IrGrad | Stage::IrOpt | Stage::IrStaged | Stage::Asm => {
                jit.dump_asm(&unit, precision)?
            }
        };
    }
    Ok(text)
}
