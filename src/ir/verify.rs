//! What must hold of every DAG between passes.
//!
//! A violation is a fault of the compiler (`E9999`), never of a spec. Checked: operands precede users, ranks at most 4,
//! shapes and levels follow from the operands', leaves are declared with their shapes.

use super::{Dag, Deriv, Level, NodeId, Op, Program, Trace};
use crate::diag::{Code, Diagnostic};

/// Greatest rank of a value.
pub const MAX_RANK: usize = 4;

/// Checks a program: its DAG, the declarations of its leaves, its outputs.
///
/// # Errors
/// `E9999` naming the first node that breaks an invariant.
pub fn verify(program: &Program) -> Result<(), Diagnostic> {
    verify_dag(&program.dag)?;
    for id in program.dag.ids() {
        let declared = match program.dag.op(id) {
            Op::Param(p) => program.params.get(p.0 as usize).map(|d| &d.shape),
            Op::Draw(p) => program.draws.get(p.0 as usize).map(|d| &d.shape),
            Op::Input(p) => program.inputs.get(p.0 as usize).map(|d| &d.shape),
            _ => continue,
        };
        match declared {
            None => return Err(broken(&program.dag, id, "a leaf that is not declared")),
            Some(s) if s != program.dag.shape(id) => {
                return Err(broken(&program.dag, id, &format!("declared with shape {s:?}")));
            }
            Some(_) => {}
        }
    }
    for (name, id) in &program.outputs {
        if id.0 as usize >= program.dag.len() {
            return Err(Diagnostic::bare(Code::Internal, format!("output `{name}` is {id:?}, which does not exist")));
        }
    }
    Ok(())
}

/// Checks a DAG alone.
///
/// # Errors
/// `E9999` naming the first node that breaks an invariant.
pub fn verify_dag(dag: &Dag) -> Result<(), Diagnostic> {
    dag.ids().try_for_each(|id| node(dag, id).map_err(|what| broken(dag, id, &what)))
}

fn broken(dag: &Dag, id: NodeId, what: &str) -> Diagnostic {
    let message = format!("{id:?} {:?} of shape {:?}: {what}", dag.op(id), dag.shape(id));
    match dag.node(id).span {
        Some(span) => Diagnostic::new(Code::Internal, message, span, "from here"),
        None => Diagnostic::bare(Code::Internal, message),
    }
}

fn node(dag: &Dag, id: NodeId) -> Result<(), String> {
    let shape = dag.shape(id);
    let mut level = Level::Const;
    let mut early = true;
    let mut reads_solve = false;
    dag.op(id).for_each_operand(|a| {
        early &= a < id;
        if a < id {
            level = level.max(dag.level(a));
            reads_solve |= matches!(dag.op(a), Op::Solve(_));
        }
    });
    if !early {
        return Err("an operand comes after its user".into());
    }
    if shape.len() > MAX_RANK {
        return Err(format!("rank {} is above {MAX_RANK}", shape.len()));
    }
    if reads_solve && !matches!(dag.op(id), Op::Component(..)) {
        return Err("a solve is read by its components only".into());
    }
    let expect = |wanted: &[usize]| {
        if shape == wanted { Ok(()) } else { Err(format!("its operands say shape {wanted:?}")) }
    };
    let same = |ids: &[NodeId]| ids.iter().try_for_each(|&a| expect(dag.shape(a)));
    let axis = |axis: usize, of: NodeId| {
        if axis < dag.shape(of).len() { Ok(()) } else { Err(format!("axis {axis} of {:?}", dag.shape(of))) }
    };
    let wanted_level = match dag.op(id) {
        Op::Const(_) | Op::Tensor(_) | Op::Eye(_) => Level::Const,
        Op::Param(_) | Op::Theta(_) | Op::SumSamples(_) => Level::Theta,
        Op::Input(_) | Op::Draw(_) | Op::Solve(_) | Op::Component(..) => Level::Sample,
        Op::State(..) | Op::Time(_) => Level::Stage,
        Op::Named(..)
        | Op::Einsum(_)
        | Op::Add(..)
        | Op::Sub(..)
        | Op::Scale(..)
        | Op::Slice(..)
        | Op::Pad(..)
        | Op::Concat(..)
        | Op::Reshape(..)
        | Op::Unary(..)
        | Op::Max(..)
        | Op::Min(..)
        | Op::Less(..)
        | Op::LessEq(..)
        | Op::Equal(..)
        | Op::Select(..)
        | Op::Stop(_)
        | Op::Deriv { .. } => level,
    };
    if dag.level(id) != wanted_level {
        return Err(format!("level {:?}, its operands say {wanted_level:?}", dag.level(id)));
    }
    match dag.op(id) {
        Op::Const(bits) => {
            expect(&[])?;
            if *bits == (-0.0f64).to_bits() {
                return Err("minus zero is not canonical".into());
            }
        }
        Op::Time(_) | Op::Solve(_) => expect(&[])?,
        Op::Tensor(bits) => expect(&[bits.len()])?,
        Op::Eye(n) => expect(&[*n, *n])?,
        Op::Param(_) | Op::Theta(_) | Op::Input(_) | Op::Draw(_) | Op::State(..) => {}
        Op::Named(_, a) | Op::Scale(_, a) | Op::Stop(a) | Op::SumSamples(a) => same(&[*a])?,
        Op::Unary(_, a) => same(&[*a])?,
        Op::Einsum(e) => {
            einsum(dag, e)?;
            expect(&e.shape())?;
        }
        Op::Add(a, b)
        | Op::Sub(a, b)
        | Op::Max(a, b)
        | Op::Min(a, b)
        | Op::Less(a, b)
        | Op::LessEq(a, b)
        | Op::Equal(a, b) => same(&[*a, *b])?,
        Op::Select(c, a, b) => same(&[*c, *a, *b])?,
        Op::Slice(w, a) => {
            axis(w.axis, *a)?;
            let mut s = dag.shape(*a).to_vec();
            if w.start + w.len > s[w.axis] {
                return Err(format!("a window that ends after {}", s[w.axis]));
            }
            s[w.axis] = w.len;
            expect(&s)?;
        }
        Op::Pad(w, a) => {
            axis(w.axis, *a)?;
            let mut s = dag.shape(*a).to_vec();
            if w.start + s[w.axis] > w.len {
                return Err(format!("{} elements do not fit", s[w.axis]));
            }
            s[w.axis] = w.len;
            expect(&s)?;
        }
        Op::Concat(along, parts) => {
            let first = *parts.first().ok_or("a join of nothing")?;
            axis(*along, first)?;
            let mut s = dag.shape(first).to_vec();
            s[*along] = 0;
            for &p in parts {
                let mut own = dag.shape(p).to_vec();
                axis(*along, p)?;
                s[*along] += std::mem::take(&mut own[*along]);
                let mut other = s.clone();
                other[*along] = 0;
                if own != other {
                    return Err(format!("part {p:?} has shape {:?}", dag.shape(p)));
                }
            }
            expect(&s)?;
        }
        Op::Reshape(s, a) => {
            expect(s)?;
            if s.iter().product::<usize>() != dag.shape(*a).iter().product::<usize>() {
                return Err(format!("its operand has shape {:?}", dag.shape(*a)));
            }
        }
        Op::Deriv { kind, of, wrt, .. } => {
            let (of, wrt) = (dag.shape(*of).to_vec(), dag.shape(*wrt).to_vec());
            let (wanted, vector) = match kind {
                Deriv::Jacobian => ([of, wrt].concat(), None),
                Deriv::Gradient if of.is_empty() => (wrt, None),
                Deriv::Gradient => return Err("the gradient of what is not a scalar".into()),
                Deriv::Divergence(_) if of != wrt => return Err("the trace of a jacobian that is not square".into()),
                Deriv::Divergence(Trace::Exact) => (vec![], None),
                Deriv::Divergence(Trace::Probe(w)) => {
                    // One probe, or several in a row.
                    let several = dag.shape(*w).len() == wrt.len() + 1;
                    let probes = several.then(|| dag.shape(*w).last().copied()).flatten();
                    (vec![], Some((*w, wrt.into_iter().chain(probes).collect())))
                }
                Deriv::Jvp(w) => (of, Some((*w, wrt))),
                Deriv::Vjp(w) => (wrt, Some((*w, of))),
            };
            expect(&wanted)?;
            if let Some((w, s)) = vector
                && dag.shape(w) != s
            {
                return Err(format!("a vector of shape {:?} for {s:?}", dag.shape(w)));
            }
        }
        Op::Component(s, i) => match dag.op(*s) {
            Op::Solve(s) if (*i as usize) < s.inits.len() => {
                let rows = s.at.map_or(&[][..], |at| dag.shape(at));
                expect(&[rows, dag.shape(s.inits[*i as usize])].concat())?;
            }
            _ => return Err("a component of what is not a solve, or of too few".into()),
        },
    }
    if let Op::Solve(s) = dag.op(id) {
        if s.inits.len() != s.derivs.len() || s.inits.len() != s.names.len() {
            return Err("as many names and derivatives as initial values".into());
        }
        if let Some(n) = &s.noise {
            let fits = n.diffusions.len() == s.inits.len()
                && s.inits.iter().zip(&n.diffusions).all(|(&x, &g)| dag.shape(x) == dag.shape(g));
            if !fits {
                return Err("a diffusion of the shape of every initial value".into());
            }
        }
        if s.at.is_some_and(|at| dag.shape(at).len() != 1 || dag.shape(at)[0] == 0 || dag.level(at) > Level::Sample) {
            return Err("observation times are a vector, known before the solve".into());
        }
        for (&x, &dx) in s.inits.iter().zip(&s.derivs) {
            if dag.shape(x) != dag.shape(dx) {
                return Err(format!("{dx:?} is not of the shape of {x:?}"));
            }
        }
        if !dag.shape(s.t0).is_empty() || !dag.shape(s.t1).is_empty() {
            return Err("times are scalars".into());
        }
    }
    Ok(())
}

/// Canonical numbering, extents as the operands say, every index on an operand or an output.
fn einsum(dag: &Dag, e: &super::Einsum) -> Result<(), String> {
    let rank = usize::from(e.output_rank);
    if e.operands.is_empty() || rank > e.extents.len() {
        return Err("no operands, or an output rank above the number of indices".into());
    }
    let mut next = rank;
    for (a, axes) in &e.operands {
        let s = dag.shape(*a);
        if s.len() != axes.len() {
            return Err(format!("{a:?} has rank {}, {} indices", s.len(), axes.len()));
        }
        for (&i, &n) in axes.iter().zip(s) {
            let i = usize::from(i);
            if i > next || i >= e.extents.len() {
                return Err(format!("index {i} is not numbered by first occurrence"));
            }
            next = next.max(i + 1);
            if e.extents[i] != n {
                return Err(format!("index {i} has extent {}, {a:?} has {n}", e.extents[i]));
            }
        }
    }
    if next != e.extents.len() {
        return Err("a summed index that no operand has".into());
    }
    Ok(())
}
