//! The innermost loops of a nest as functions of 512-bit vectors.
//!
//! A nest -> the bytes of `fn(lanes, pointers...)`: all rows of its last axis, all lanes of each, rounded up to whole vectors. The
//! operations are those that `emit` makes of 128-bit vectors, each rounding once, so the bits are the same. [`None`], and loops of
//! 128-bit vectors instead, if there is a contraction, more pointers than argument registers, or more values at once than vector
//! registers.

use super::emit::Context;
use super::evex::{ARGUMENTS, Binary, Code, Gpr, Predicate, Zmm};
use super::nest::{Nest, Place, Read};
use super::plan::{Point, Src, Work};
use crate::backend::Precision;

/// Where a member or an access is needed last, and where it is now.
#[derive(Clone, Copy, Default)]
struct Live {
    last: Option<usize>,
    register: Option<Zmm>,
}

struct Registers {
    free: Vec<Zmm>,
}

impl Registers {
    fn take(&mut self) -> Option<Zmm> {
        self.free.pop()
    }
}

/// Constants that operations need besides their operands.
fn helpers(op: Point) -> &'static [f64] {
    match op {
        Point::Less | Point::LessEq | Point::Equal | Point::Recip => &[1.0],
        Point::Select => &[0.0],
        Point::Sign => &[0.0, 1.0, -1.0],
        Point::Copy
        | Point::Add
        | Point::Sub
        | Point::Mul
        | Point::Max
        | Point::Min
        | Point::Abs
        | Point::Floor
        | Point::Sqrt => &[],
    }
}

/// The function of a nest.
pub fn function(cx: &Context<'_>, nest: &Nest<'_>) -> Option<Vec<u8>> {
    let double = matches!(cx.precision, Precision::F64);
    let members = &nest.group.members;
    let points: Vec<(Point, &[Src])> = members
        .iter()
        .map(|m| match m {
            Work::Point(op, sources) => Some((*op, &sources[..])),
            Work::Contraction(_) => None,
        })
        .collect::<Option<_>>()?;
    let (&lanes, pointers) = ARGUMENTS.split_first().expect("six");
    if nest.classes.len() + nest.packed.len() > pointers.len() {
        return None;
    }
    let (memory, packed) = pointers.split_at(nest.classes.len());
    let at = |p: &Place| i32::try_from(p.at).ok();

    // What is computed, and where each value is needed last.
    let mut values = vec![Live::default(); members.len()];
    let mut loads = vec![Live::default(); nest.reads.len()];
    for (member, _) in &nest.stores {
        values[*member].last = Some(*member);
    }
    for (i, (_, sources)) in points.iter().enumerate().rev() {
        if values[i].last.is_some() {
            for s in *sources {
                let of = match *s {
                    Src::Member(m) => &mut values[m],
                    Src::Access(a) => &mut loads[a],
                };
                of.last = of.last.max(Some(i));
            }
        }
    }

    let mut registers = Registers { free: (0..32).rev().collect() };
    let mut code = Code::new(double);
    let bits = |x: f64| if double { x.to_bits() } else { u64::from((x as f32).to_bits()) };
    // What stays in a register: constants (by their bits), parameters that do not move, the sign's mask.
    let mut constants: Vec<(u64, Zmm)> = Vec::new();
    let mut constant = |registers: &mut Registers, code: &mut Code, bits: u64| {
        if let Some((_, known)) = constants.iter().find(|(b, _)| *b == bits) {
            return Some(*known);
        }
        let register = registers.take()?;
        code.constant(register, bits);
        constants.push((bits, register));
        Some(register)
    };
    let magnitude = if double { i64::MAX as u64 } else { u64::from(i32::MAX as u32) };
    let mut aids: Vec<Vec<Zmm>> = Vec::new();
    for (i, (op, _)) in points.iter().enumerate() {
        let mut aid = Vec::new();
        if values[i].last.is_some() {
            for &x in helpers(*op) {
                aid.push(constant(&mut registers, &mut code, bits(x))?);
            }
            if *op == Point::Abs {
                aid.push(constant(&mut registers, &mut code, magnitude)?);
            }
        }
        aids.push(aid);
    }
    let last_axis = nest.extents.len().checked_sub(1);
    let stride = |strides: &[i64]| last_axis.map_or(Some(0), |axis| i32::try_from(strides[axis]).ok());
    let mut moving: Vec<(Zmm, Gpr, i32)> = Vec::new();
    for (read, load) in nest.reads.iter().zip(&mut loads).filter(|(_, l)| l.last.is_some()) {
        match read {
            Read::Constant(b) => load.register = Some(constant(&mut registers, &mut code, bits(f64::from_bits(*b)))?),
            Read::Splat(p) => {
                let register = registers.take()?;
                load.register = Some(register);
                if stride(&nest.packed[p.class])? == 0 {
                    code.splat(register, packed[p.class], at(p)?);
                } else {
                    moving.push((register, packed[p.class], at(p)?));
                }
            }
            Read::Memory(_) => {}
        }
    }
    let strides = nest.classes.iter().map(|c| &c.strides).chain(&nest.packed);
    let steps = pointers.iter().zip(strides).map(|(&p, s)| Some((p, stride(s)?))).collect::<Option<Vec<_>>>()?;
    let rows = u32::try_from(last_axis.map_or(1, |axis| nest.extents[axis])).ok()?;
    if rows == 0 {
        return None;
    }

    let mut fits = true;
    code.rows(rows, &steps, |code| {
        for &(register, pointer, at) in &moving {
            code.splat(register, pointer, at);
        }
        code.lanes(lanes, |code| {
            let mut body = || -> Option<()> {
                for (i, &(op, sources)) in points.iter().enumerate() {
                    let Some(last) = values[i].last else { continue };
                    let mut x = Vec::new();
                    for s in sources {
                        x.push(match *s {
                            Src::Member(m) => values[m].register?,
                            Src::Access(a) => match (loads[a].register, &nest.reads[a]) {
                                (Some(there), _) => there,
                                (None, Read::Memory(p)) => {
                                    let register = registers.take()?;
                                    code.load(register, memory[p.class], at(p)?);
                                    loads[a].register = Some(register);
                                    register
                                }
                                (None, Read::Splat(_) | Read::Constant(_)) => return None,
                            },
                        });
                    }
                    // A value of its own even for a copy, and after its operands: registers are freed once.
                    let to = registers.take()?;
                    point(code, op, to, &x, &aids[i]);
                    values[i].register = Some(to);
                    for (_, p) in nest.stores.iter().filter(|(m, _)| *m == i) {
                        code.store(to, memory[p.class], at(p)?);
                    }
                    let mut freed = Vec::new();
                    for s in sources {
                        let (of, in_memory) = match *s {
                            Src::Member(m) => (&mut values[m], true),
                            Src::Access(a) => (&mut loads[a], matches!(nest.reads[a], Read::Memory(_))),
                        };
                        if of.last == Some(i) && in_memory {
                            freed.extend(of.register.take());
                        }
                    }
                    if last == i {
                        freed.extend(values[i].register.take());
                    }
                    registers.free.extend(freed);
                }
                Some(())
            };
            fits = body().is_some();
        });
    });
    fits.then(|| code.finish())
}

fn point(code: &mut Code, op: Point, to: Zmm, x: &[Zmm], aid: &[Zmm]) {
    let nan = |code: &mut Code| {
        code.compare(Predicate::Unordered, 1, x[0], x[0]);
        code.blend(to, 1, x[0], to);
    };
    match op {
        Point::Copy => code.copy(to, x[0]),
        Point::Add => code.binary(Binary::Add, to, x[0], x[1]),
        Point::Sub => code.binary(Binary::Sub, to, x[0], x[1]),
        Point::Mul => code.binary(Binary::Mul, to, x[0], x[1]),
        Point::Max => {
            code.compare(Predicate::Less, 1, x[1], x[0]);
            code.blend(to, 1, x[0], x[1]);
            nan(code);
        }
        Point::Min => {
            code.compare(Predicate::Less, 1, x[0], x[1]);
            code.blend(to, 1, x[0], x[1]);
            nan(code);
        }
        Point::Less => {
            code.compare(Predicate::Less, 1, x[0], x[1]);
            code.keep(to, 1, aid[0]);
        }
        Point::LessEq => {
            code.compare(Predicate::LessEq, 1, x[0], x[1]);
            code.keep(to, 1, aid[0]);
        }
        Point::Equal => {
            code.compare(Predicate::Equal, 1, x[0], x[1]);
            code.keep(to, 1, aid[0]);
        }
        Point::Select => {
            code.compare(Predicate::NotEqual, 1, x[0], aid[0]);
            code.blend(to, 1, x[1], x[2]);
        }
        Point::Abs => code.binary(Binary::And, to, x[0], aid[0]),
        Point::Sign => {
            let &[zero, one, minus] = aid else { unreachable!("see `helpers`") };
            code.compare(Predicate::Less, 1, zero, x[0]);
            code.keep(to, 1, one);
            code.compare(Predicate::Less, 1, x[0], zero);
            code.blend(to, 1, minus, to);
            nan(code);
        }
        Point::Floor => code.floor(to, x[0]),
        Point::Sqrt => code.binary(Binary::Sqrt, to, x[0], x[0]),
        Point::Recip => code.binary(Binary::Div, to, aid[0], x[0]),
    }
}
