//! The schedule of a unit as text, for reading and for tests of lowering.

use super::module::Program;
use super::plan::{Access, Group, Rows, Src, Task, Work};
use super::view::Root;
use crate::backend::Unit;
use std::fmt::Write;

/// A line for each step in order of execution, and the sizes.
pub fn schedule(unit: &Unit<'_>, p: &Program) -> String {
    let l = &p.facts.layout;
    let mut out = format!(
        "unit {} {:?}: in {} rows, out {} rows, packed {}, slot {}, scratch {}, {} flop a sample\n",
        unit.name, p.precision, l.input_rows, l.output_rows, l.packed_len, l.slot_len, l.scratch_len, l.flops
    );
    for &step in &p.placed.order {
        match &p.lowered.steps[step] {
            Task::Loops(g) if g.stores.is_empty() => {}
            Task::Loops(g) => group(&mut out, p, g),
            Task::Gemm { weights, bias, x, y, m, k, blocks } => {
                let bias = bias.map_or(String::new(), |b| format!(" + packed[{b}]"));
                let (y, x) = (p.place_of(*y), rows(p, *x));
                line(&mut out, format!("gemm {m}x{k}x{blocks}: {y} = packed[{weights}] {x}{bias}"));
            }
            Task::Map { f, x, y, rows: n } => {
                line(&mut out, format!("map {n}: {} = {f:?} {}", p.place_of(*y), rows(p, *x)));
            }
            Task::Grad { slot, d, x, m, k, blocks } => {
                line(&mut out, format!("grad {m}x{k}x{blocks}: slot[{slot}] += {} {}'", rows(p, *d), rows(p, *x)));
            }
            Task::SumLanes { slot, d, rows: n } => {
                line(&mut out, format!("sum {n}: slot[{slot}] += {}", rows(p, *d)));
            }
        }
    }
    out
}

fn line(out: &mut String, text: impl std::fmt::Display) {
    writeln!(out, "  {text}").expect("writing to a string");
}

fn rows(p: &Program, r: Rows) -> String {
    let base = p.place_of(r.value);
    if r.offset == 0 { base } else { format!("{base}+{}", r.offset) }
}

fn access(p: &Program, a: &Access) -> String {
    match a.root {
        Root::Value(v) => format!("{}+{}{:?}", p.place_of(v), a.offset, a.strides),
        Root::Uniform(_) => format!("packed[{}]{:?}", a.offset, a.strides),
        Root::Constant(bits) => format!("{}", f64::from_bits(bits)),
    }
}

fn group(out: &mut String, p: &Program, g: &Group) {
    line(out, format!("loops {:?}:", g.shape));
    for (i, member) in g.members.iter().enumerate() {
        let value = match member {
            Work::Point(op, sources) => {
                let sources: Vec<String> = sources
                    .iter()
                    .map(|s| match *s {
                        Src::Member(m) => format!("r{m}"),
                        Src::Access(a) => access(p, &g.accesses[a]),
                    })
                    .collect();
                format!("{op:?} {}", sources.join(" "))
            }
            Work::Contraction(c) => {
                let operands: Vec<String> =
                    c.operands.iter().map(|(a, inner)| format!("{}{inner:?}", access(p, a))).collect();
                format!("sum {:?} {}", c.extents, operands.join(" "))
            }
        };
        let stores: Vec<String> = g
            .stores
            .iter()
            .filter(|s| s.member == i && p.lowered.values[s.value].stored)
            .map(|s| format!(" -> {}+{}{:?}", p.place_of(s.value), s.offset, s.strides))
            .collect();
        line(out, format!("  r{i} = {value}{}", stores.concat()));
    }
}
