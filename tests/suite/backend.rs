//! Laws of the two back ends: equal bits on any program, true derivatives, memory given back.

use super::programs;
use flowc::autodiff::expand;
use flowc::backend::sums::{Order, PARTIALS};
use flowc::backend::unit::{Facts, count};
use flowc::backend::{Backend, Kernel, LANES, PANEL, Precision, Scalar, SharedMut, Unit};
use flowc::codegen::Jit;
use flowc::interp::Interp;
use flowc::ir::{Dag, Deriv, InputId, Level, NodeId, ParamId, Trace, UnaryFn, eval};
use flowc::kernels::{Isa, Real};
use flowc::opt::optimize;
use flowc::stage::gradient;

/// A small generator of numbers (SplitMix64).
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// Uniform in -1..1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    fn pick<A: Copy>(&mut self, from: &[A]) -> A {
        from[self.below(from.len())]
    }
}

/// A unit that owns its lists.
struct Owned {
    dag: Dag,
    inputs: Vec<NodeId>,
    theta: Vec<NodeId>,
    outputs: Vec<NodeId>,
    sums: Vec<NodeId>,
}

impl Owned {
    fn unit(&self) -> Unit<'_> {
        Unit {
            name: "test",
            dag: &self.dag,
            inputs: &self.inputs,
            theta: &self.theta,
            outputs: &self.outputs,
            sums: &self.sums,
        }
    }
}

// ---- random programs ------------------------------------------------------------------------------------------------

const EXTENTS: [usize; 6] = [1, 2, 3, 5, 9, 17];

fn shape(r: &mut Rng) -> Vec<usize> {
    let shape: Vec<usize> = (0..r.below(4)).map(|_| r.pick(&EXTENTS)).collect();
    if count(&shape) > 200 { shape[..1].to_vec() } else { shape }
}

/// An einsum over one to three nodes with random sharing of indices.
fn einsum(r: &mut Rng, d: &mut Dag, pool: &[NodeId]) -> Option<NodeId> {
    let operands: Vec<NodeId> = (0..1 + r.below(3)).map(|_| r.pick(pool)).collect();
    let mut extents: Vec<usize> = Vec::new();
    let mut axes: Vec<Vec<u32>> = Vec::new();
    for &a in &operands {
        let mut own = Vec::new();
        for &n in d.shape(a) {
            let same: Vec<usize> = (0..extents.len()).filter(|&i| extents[i] == n).collect();
            let index = if !same.is_empty() && !r.one_in(3) {
                r.pick(&same)
            } else {
                extents.push(n);
                extents.len() - 1
            };
            own.push(index as u32);
        }
        axes.push(own);
    }
    if r.one_in(5) {
        extents.push(r.pick(&EXTENTS[..4]));
    }
    let mut output: Vec<u32> = (0..extents.len() as u32).filter(|_| !r.one_in(3)).collect();
    for i in (1..output.len()).rev() {
        output.swap(i, r.below(i + 1));
    }
    output.truncate(4);
    // The extra index must be the output's.
    let used = |i: u32| output.contains(&i) || axes.iter().any(|a| a.contains(&i));
    if extents.iter().product::<usize>() > 6000 || !(0..extents.len() as u32).all(used) {
        return None;
    }
    if output.iter().map(|&i| extents[i as usize]).product::<usize>() > 400 {
        return None;
    }
    let operands: Vec<(NodeId, &[u32])> = operands.iter().zip(&axes).map(|(&a, ix)| (a, &ix[..])).collect();
    Some(d.einsum_with(&operands, &output, &|i| extents.get(i as usize).copied()))
}

/// The product of two nodes over all their axes, some of equal extent contracted: often a weight gradient.
fn outer(r: &mut Rng, d: &mut Dag, a: NodeId, b: NodeId) -> Option<NodeId> {
    let rank = d.shape(a).len() as u32;
    let ix: Vec<u32> = (0..rank).collect();
    let mut jx: Vec<u32> = (rank..rank + d.shape(b).len() as u32).collect();
    let mut shared = Vec::new();
    for (j, n) in jx.iter_mut().zip(d.shape(b)) {
        let equal = ix.iter().copied().find(|&i| d.shape(a)[i as usize] == *n && !shared.contains(&i));
        if let Some(i) = equal.filter(|_| r.one_in(2)) {
            shared.push(i);
            *j = i;
        }
    }
    let mut output: Vec<u32> = ix.iter().chain(&jx).copied().filter(|i| !shared.contains(i)).collect();
    if r.one_in(3) {
        output.reverse();
    }
    let (na, nb) = (count(d.shape(a)), count(d.shape(b)));
    (output.len() <= 4 && na * nb < 4000).then(|| d.einsum(&[(a, &ix), (b, &jx)], &output))
}

/// Another node of the same shape, or a broadcast scalar.
fn partner(r: &mut Rng, d: &mut Dag, pool: &[NodeId], a: NodeId) -> NodeId {
    let same: Vec<NodeId> = pool.iter().copied().filter(|&b| d.shape(b) == d.shape(a)).collect();
    if same.len() > 1 || !r.one_in(3) {
        return r.pick(&same);
    }
    let c = d.constant((r.unit() * 4.0).round() / 2.0);
    let shape = d.shape(a).to_vec();
    d.broadcast(c, &shape)
}

/// A product with a new parameter over some axes of a node, in random orders of axes, often with a bias.
fn layer(r: &mut Rng, d: &mut Dag, theta: &mut Vec<NodeId>, x: NodeId) -> Option<NodeId> {
    let mut axes: Vec<u32> = (0..d.shape(x).len() as u32).collect();
    let kept: Vec<u32> = axes.iter().copied().filter(|_| r.one_in(2)).collect();
    axes.retain(|a| !kept.contains(a));
    if axes.is_empty() || kept.len() > 2 {
        return None;
    }
    let extents: Vec<usize> = d.shape(x).iter().copied().chain([r.pick(&[1, 4, 8, 11, 30]), r.pick(&[1, 2])]).collect();
    let rank = d.shape(x).len() as u32;
    let rows: Vec<u32> = if r.one_in(3) { vec![rank + 1, rank] } else { vec![rank] };
    let mut weight: Vec<u32> = axes.iter().chain(&rows).copied().collect();
    if r.one_in(2) {
        weight.reverse();
    }
    let mut new = |d: &mut Dag, axes: &[u32]| {
        let shape = axes.iter().map(|&a| extents[a as usize]).collect();
        let p = d.theta(1000 + d.len() as u32, shape);
        theta.push(p);
        p
    };
    let w = new(d, &weight);
    let mut output: Vec<u32> = rows.iter().chain(&kept).copied().collect();
    if r.one_in(4) {
        output.reverse();
    }
    let product = d.einsum(&[(w, &weight), (x, &(0..rank).collect::<Vec<u32>>())], &output);
    if r.one_in(3) {
        return Some(product);
    }
    let bias = new(d, &rows);
    let bias = d.einsum_with(&[(bias, &rows)], &output, &|i| extents.get(i as usize).copied());
    Some(d.add(product, bias))
}

fn grow(r: &mut Rng, d: &mut Dag, pool: &[NodeId], theta: &mut Vec<NodeId>) -> Option<NodeId> {
    let recent = pool.len().saturating_sub(8);
    let a = if r.one_in(3) { r.pick(pool) } else { pool[recent + r.below(pool.len() - recent)] };
    let rank = d.shape(a).len();
    Some(match r.below(19) {
        0..=2 => {
            let b = partner(r, d, pool, a);
            match r.below(3) {
                0 => d.add(a, b),
                1 => d.sub(a, b),
                _ => d.mul(a, b),
            }
        }
        3 => d.scale((r.unit() * 8.0).round() / 4.0 + 0.125, a),
        4 | 5 => {
            let f = r.pick(&UnaryFn::ALL);
            d.unary(f, a)
        }
        6 => {
            let b = partner(r, d, pool, a);
            match r.below(5) {
                0 => d.max(a, b),
                1 => d.min(a, b),
                2 => d.less(a, b),
                3 => d.less_eq(a, b),
                _ => d.equal(a, b),
            }
        }
        7 => {
            let (b, c) = (partner(r, d, pool, a), partner(r, d, pool, a));
            d.select(c, a, b)
        }
        8 if rank > 0 => {
            let axis = r.below(rank);
            let start = r.below(d.shape(a)[axis]);
            let len = 1 + r.below(d.shape(a)[axis] - start);
            d.slice(a, axis, start, len)
        }
        9 if rank > 0 => {
            let axis = r.below(rank);
            let start = r.below(3);
            let len = d.shape(a)[axis] + start + r.below(3);
            d.pad(a, axis, start, len)
        }
        10 if rank > 0 => {
            let axis = r.below(rank);
            let b = partner(r, d, pool, a);
            let parts = if r.one_in(3) { vec![a, b, a] } else { vec![b, a] };
            d.concat(axis, &parts)
        }
        11 => {
            let n = count(d.shape(a));
            let shapes: Vec<Vec<usize>> =
                [vec![n], vec![1, n], vec![n, 1], vec![n / 2, 2], vec![3, n / 3], vec![2, n / 4, 2]]
                    .into_iter()
                    .filter(|s| count(s) == n)
                    .collect();
            let i = r.below(shapes.len());
            d.reshape(a, &shapes[i])
        }
        12 if r.one_in(3) => d.stop(a),
        13 if rank == 2 => d.transpose(a),
        14 | 15 => return layer(r, d, theta, a),
        _ => return einsum(r, d, pool),
    })
}

fn program(seed: u64, nodes: usize) -> Owned {
    let mut r = Rng(seed);
    let r = &mut r;
    let mut d = Dag::default();
    let (mut inputs, mut theta) = (Vec::new(), Vec::new());
    let mut pool = Vec::new();
    for i in 0..1 + r.below(4) {
        let s = shape(r);
        inputs.push(d.input(InputId(i as u32), s));
    }
    for i in 0..r.below(4) {
        let s = shape(r);
        theta.push(if r.one_in(2) { d.param(ParamId(i as u32), s) } else { d.theta(i as u32, s) });
    }
    pool.extend(&inputs);
    pool.extend(&theta);
    if r.one_in(2) {
        let values: Vec<f64> = (0..6).map(|_| r.unit()).collect();
        pool.push(d.tensor(&values, vec![2, 3]));
        pool.push(d.eye(3));
    }
    for _ in 0..nodes {
        if let Some(a) = grow(r, &mut d, &pool, &mut theta)
            && count(d.shape(a)) <= 400
            && d.shape(a).len() <= 4
        {
            pool.push(a);
        }
    }
    // Some inner node becomes a leaf: whatever computes it is not looked at.
    let varying: Vec<NodeId> = pool.iter().copied().filter(|&a| d.level(a) >= Level::Sample).collect();
    if r.one_in(3) {
        let cut = r.pick(&varying);
        if !inputs.contains(&cut) {
            inputs.push(cut);
        }
    }
    let tail: Vec<NodeId> = pool.iter().rev().take(12).copied().collect();
    let outputs: Vec<NodeId> = (0..1 + r.below(4)).map(|_| r.pick(&tail)).collect();
    let mut sums = Vec::new();
    for _ in 0..r.below(5) {
        let (a, b) = (r.pick(&varying), r.pick(&varying));
        let product = match r.below(3) {
            0 => a,
            1 => einsum(r, &mut d, &[a, b]).unwrap_or(a),
            _ => outer(r, &mut d, a, b).unwrap_or(a),
        };
        let product = if r.one_in(3) {
            let more = outer(r, &mut d, a, b).filter(|&m| d.shape(m) == d.shape(product)).unwrap_or(product);
            let more = d.scale(0.5, more);
            d.add(product, more)
        } else {
            product
        };
        let product = match d.shape(product).len() {
            2 if r.one_in(3) => d.transpose(product),
            3 if r.one_in(3) => d.einsum(&[(product, &[0, 1, 2])], &[1, 2, 0]),
            _ => product,
        };
        let s = d.sum_samples(product);
        sums.push(match r.below(4) {
            0 => {
                let c = d.scale(0.75, product);
                let t = d.sum_samples(c);
                d.sub(s, t)
            }
            1 => d.scale(-1.5, s),
            _ => s,
        });
    }
    Owned { dag: d, inputs, theta, outputs, sums }
}

fn same<T: Scalar>(a: T, b: T) -> bool {
    let (x, y) = (a.to_f64(), b.to_f64());
    x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan())
}

fn packed<T: Scalar>(kernel: &dyn Kernel<T>, theta: &[T], parts: usize) -> Vec<T> {
    let mut buffer = vec![T::from_f64(f64::NAN); kernel.layout().packed_len];
    let shared = SharedMut::new(&mut buffer);
    for part in 0..parts {
        kernel.pack(theta, &shared, part, parts);
    }
    buffer
}

fn reduced<T: Scalar>(kernel: &dyn Kernel<T>, slots: &[Vec<T>], parts: usize) -> Vec<T> {
    let slots: Vec<&[T]> = slots.iter().map(|s| &s[..]).collect();
    let mut buffer = vec![T::from_f64(f64::NAN); kernel.layout().sums_len];
    let n = buffer.len();
    for part in 0..parts {
        let (from, to) = (n * part / parts, n * (part + 1) / parts);
        kernel.reduce(&slots, from, &mut buffer[from..to]);
    }
    buffer
}

/// Runs a unit on both back ends and compares every bit.
fn agree<T: Scalar + Real>(owned: &Owned, jit: &Jit, r: &mut Rng, what: &str) {
    let unit = owned.unit();
    let a: Box<dyn Kernel<T>> = Interp.compile(&unit).expect("the interpreter takes it");
    let b: Box<dyn Kernel<T>> = jit.compile(&unit).unwrap_or_else(|e| panic!("{what}: {}", e.message));
    let (la, lb) = (a.layout(), b.layout());
    assert_eq!((la.slot_len, la.sums_len, la.flops), (lb.slot_len, lb.sums_len, lb.flops), "{what}");
    let special = [0.0, -0.0, f64::INFINITY, f64::NAN, 1.0, -1.0, 1e-30, 3e38];
    let number = |r: &mut Rng| T::from_f64(if r.one_in(40) { r.pick(&special) } else { r.unit() * 2.0 });
    let theta: Vec<T> = (0..la.theta_len).map(|_| number(r)).collect();
    let (pa, pb) = (packed(&*a, &theta, 1), packed(&*b, &theta, 1 + r.below(3)));
    for kernel in [&a, &b].into_iter().filter(|k| k.packs_ranges()) {
        let before: Vec<T> = (0..la.theta_len).map(|_| number(r)).collect();
        let mut buffer = packed(&**kernel, &before, 1);
        let mut cuts: Vec<usize> = (0..r.below(4)).map(|_| r.below(theta.len() + 1)).chain([0, theta.len()]).collect();
        cuts.sort_unstable();
        let shared = SharedMut::new(&mut buffer);
        for range in cuts.windows(2) {
            kernel.pack_range(&theta[range[0]..range[1]], range[0], &shared);
        }
        for (i, (x, y)) in buffer.iter().zip(packed(&**kernel, &theta, 1)).enumerate() {
            assert!(same(*x, y), "{what}: packed by ranges {cuts:?}, element {i}: {x:?} {y:?}");
        }
    }
    // A slot counts as zeros at its first tile, whatever it holds; one without a tile is zeros.
    let mut slots_a = vec![vec![T::from_f64(f64::NAN); la.slot_len]; 1 + r.below(9)];
    let mut slots_b = slots_a.clone();
    let mut begun = vec![false; slots_a.len()];
    for panels in 1..=LANES / PANEL {
        let inputs: Vec<T> = (0..la.input_rows * LANES).map(|_| number(r)).collect();
        let mut out_a = vec![T::default(); la.output_rows * LANES];
        let mut out_b = out_a.clone();
        let mut scratch = vec![T::from_f64(f64::NAN); lb.scratch_len];
        let slot = r.below(slots_a.len());
        let (sa, sb) = (&mut slots_a[slot], &mut slots_b[slot]);
        if std::mem::replace(&mut begun[slot], true) {
            assert_eq!(a.tile(&pa, &inputs, &mut out_a, sa, &mut [], panels), 0);
            assert_eq!(b.tile(&pb, &inputs, &mut out_b, sb, &mut scratch, panels), 0);
        } else {
            assert_eq!(a.first_tile(&pa, &inputs, &mut out_a, sa, &mut [], panels), 0);
            assert_eq!(b.first_tile(&pb, &inputs, &mut out_b, sb, &mut scratch, panels), 0);
        }
        for (i, (x, y)) in out_a.iter().zip(&out_b).enumerate() {
            let (row, lane) = (i / LANES, i % LANES);
            if lane < panels * PANEL {
                assert!(same(*x, *y), "{what}: panels {panels}, output row {row} lane {lane}: {x:?} {y:?}");
            } else if lane >= (panels * PANEL).next_multiple_of(flowc::kernels::WIDEST) {
                assert!(same(*y, T::default()), "{what}: lane {lane} of {panels} panels was written");
            }
        }
    }
    for slot in (0..begun.len()).filter(|s| !begun[*s]) {
        slots_a[slot].fill(T::default());
        slots_b[slot].fill(T::default());
    }
    let facts = Facts::new(&unit).expect("checked before");
    for (sa, sb) in slots_a.iter().zip(&slots_b) {
        for region in &facts.sums.regions {
            let (pitch, columns) = match &region.order {
                Order::Products(p) => (p.pitch(), p.k()),
                Order::Lanes(_) => (PARTIALS, PARTIALS),
            };
            for i in (0..region.len).filter(|i| i % pitch < columns) {
                let (x, y) = (sa[region.at + i], sb[region.at + i]);
                assert!(same(x, y), "{what}: slot of {:?} element {i}: {x:?} {y:?}", region.node);
            }
        }
    }
    let (ra, rb) = (reduced(&*a, &slots_a, 1), reduced(&*b, &slots_b, 1 + r.below(4)));
    for (i, (x, y)) in ra.iter().zip(&rb).enumerate() {
        assert!(same(*x, *y), "{what}: sum {i}: {x:?} {y:?}");
    }
}

fn isas() -> Vec<Isa> {
    Isa::ALL.into_iter().filter(|i| i.is_available()).collect()
}

#[test]
fn generated_code_has_the_bits_of_the_interpreter() {
    let jits: Vec<Jit> = isas().into_iter().map(|i| Jit::new(i).verified(true)).collect();
    for seed in 0..600 {
        let owned = program(seed, 6 + seed as usize % 60);
        let mut r = Rng(seed ^ 0xabcd);
        let jit = &jits[seed as usize % jits.len()];
        agree::<f32>(&owned, jit, &mut r, &format!("seed {seed} f32"));
        agree::<f64>(&owned, jit, &mut r, &format!("seed {seed} f64"));
    }
}

#[test]
fn random_programs_reach_every_kind_of_step() {
    let jit = Jit::new(Isa::detect());
    let mut all = String::new();
    for seed in 0..600 {
        let owned = program(seed, 6 + seed as usize % 60);
        all += &jit.dump_schedule(&owned.unit(), Precision::F32).expect("a valid unit");
    }
    let steps =
        ["gemm", " + packed[", "grad ", "sum ", "map ", "= sum [", "loops []", "Copy", "Select", "Recip", "-> out["];
    for step in steps {
        let n = all.matches(step).count();
        assert!(n >= 20, "`{step}` {n} times");
    }
    for f in UnaryFn::ALL {
        assert!(all.contains(&format!("{f:?}")), "{f:?}");
    }
}

#[test]
fn dumps_are_the_same_every_time() {
    let jit = Jit::new(Isa::detect());
    for seed in 0..20 {
        let owned = program(seed, 40);
        let unit = owned.unit();
        for precision in [Precision::F32, Precision::F64] {
            let texts = || {
                (
                    jit.dump_schedule(&unit, precision).expect("valid"),
                    jit.dump_clif(&unit, precision).expect("valid"),
                    jit.dump_asm(&unit, precision).expect("valid"),
                )
            };
            let first = texts();
            assert!(first.1.contains("function") && first.2.contains("ret"), "{first:?}");
            assert_eq!(first, texts());
        }
    }
}

// ---- a network ------------------------------------------------------------------------------------------------------

/// Loss `weight * |f(x) - y|^2` of an MLP with SiLU layers, and the gradient of its sum, written out by hand.
fn mlp(widths: &[usize]) -> Owned {
    let mut d = Dag::default();
    let (first, last) = (widths[0], widths[widths.len() - 1]);
    let x = d.input(InputId(0), vec![first]);
    let y = d.input(InputId(1), vec![last]);
    let weight = d.input(InputId(2), vec![]);
    let mut theta = Vec::new();
    let (mut h, mut layers) = (x, Vec::new());
    for (l, w) in widths.windows(2).enumerate() {
        let weights = d.theta(2 * l as u32, vec![w[1], w[0]]);
        let bias = d.theta(2 * l as u32 + 1, vec![w[1]]);
        theta.extend([weights, bias]);
        let z = d.matmul(weights, h);
        let z = d.add(z, bias);
        let s = d.unary(UnaryFn::Logistic, z);
        layers.push((weights, h, z, s));
        h = if l + 2 == widths.len() { z } else { d.mul(z, s) };
    }
    let e = d.sub(h, y);
    let square = d.matmul(e, e);
    let loss = d.mul(weight, square);
    let we = d.mul(weight, e);
    let mut dz = d.scale(2.0, we);
    let mut sums = Vec::new();
    for (l, &(weights, h, _, _)) in layers.iter().enumerate().rev() {
        let outer = d.einsum(&[(dz, &[0]), (h, &[1])], &[0, 1]);
        let (dw, db) = (d.sum_samples(outer), d.sum_samples(dz));
        sums.extend([db, dw]);
        if l > 0 {
            let (_, _, z, s) = layers[l - 1];
            let dh = d.matmul(dz, weights);
            // silu' = s (1 + z (1 - s))
            let zs = d.mul(z, s);
            let rest = d.sub(z, zs);
            let product = d.mul(s, rest);
            let slope = d.add(s, product);
            dz = d.mul(dh, slope);
        }
    }
    sums.reverse();
    Owned { dag: d, inputs: vec![x, y, weight], theta, outputs: vec![loss], sums }
}

#[test]
fn gradient_of_a_network_is_its_derivative() {
    let owned = mlp(&[3, 128, 128, 128, 2]);
    let unit = owned.unit();
    for isa in isas() {
        let kernel: Box<dyn Kernel<f64>> = Jit::new(isa).verified(true).compile(&unit).expect("valid");
        let layout = kernel.layout().clone();
        let mut r = Rng(7);
        let mut theta: Vec<f64> = (0..layout.theta_len).map(|_| r.unit() * 0.2).collect();
        let inputs: Vec<f64> = (0..layout.input_rows * LANES).map(|_| r.unit()).collect();
        let mut scratch = vec![0.0; layout.scratch_len];
        let mut run = |theta: &[f64]| {
            let (mut out, mut slot) = (vec![0.0; LANES], vec![0.0; layout.slot_len]);
            kernel.tile(&packed(&*kernel, theta, 2), &inputs, &mut out, &mut slot, &mut scratch, LANES / PANEL);
            (out.iter().sum::<f64>(), slot)
        };
        let (_, slot) = run(&theta);
        let gradient = reduced(&*kernel, &[slot], 2);
        assert_eq!(gradient.len(), theta.len());
        for _ in 0..60 {
            let i = r.below(theta.len());
            let (at, h) = (theta[i], 1e-5);
            theta[i] = at + h;
            let up = run(&theta).0;
            theta[i] = at - h;
            let down = run(&theta).0;
            theta[i] = at;
            let (slope, scale) = ((up - down) / (2.0 * h), 1e-7 * (1.0 + gradient[i].abs()));
            assert!((slope - gradient[i]).abs() < scale, "{isa} parameter {i}: {slope} {}", gradient[i]);
        }
    }
}

#[test]
fn networks_have_the_bits_of_the_interpreter() {
    let jit = Jit::new(Isa::detect()).verified(true);
    for widths in [&[3, 128, 128, 128, 2][..], &[2, 50, 2], &[1, 7, 33, 4]] {
        let owned = mlp(widths);
        agree::<f32>(&owned, &jit, &mut Rng(3), "f32");
        agree::<f64>(&owned, &jit, &mut Rng(4), "f64");
    }
}

#[test]
fn panels_and_lane_positions_do_not_change_bits() {
    let owned = mlp(&[3, 40, 24, 2]);
    let kernel: Box<dyn Kernel<f32>> = Jit::new(Isa::detect()).compile(&owned.unit()).expect("valid");
    let layout = kernel.layout().clone();
    let mut r = Rng(1);
    let theta: Vec<f32> = (0..layout.theta_len).map(|_| r.unit() as f32).collect();
    let packed = packed(&*kernel, &theta, 1);
    let sample: Vec<f32> = (0..layout.input_rows).map(|_| r.unit() as f32).collect();
    let (mut scratch, mut slot) = (vec![0.0; layout.scratch_len], vec![0.0; layout.slot_len]);
    let mut results = Vec::new();
    for lane in [0, 1, 15, 16, 37, 63] {
        for panels in lane / PANEL + 1..=LANES / PANEL {
            let mut inputs: Vec<f32> = (0..layout.input_rows * LANES).map(|_| r.unit() as f32).collect();
            sample.iter().enumerate().for_each(|(row, &x)| inputs[row * LANES + lane] = x);
            let mut out = vec![0.0; layout.output_rows * LANES];
            kernel.tile(&packed, &inputs, &mut out, &mut slot, &mut scratch, panels);
            results.push(out[lane].to_bits());
        }
    }
    assert!(results.iter().all(|&b| b == results[0]), "{results:?}");
}

// ---- staged programs ------------------------------------------------------------------------------------------------

/// The unit of a loss with a divergence inside, its gradient by the compiler's own passes.
fn staged(seed: u64) -> Owned {
    let mut r = programs::random(seed, 25, false);
    let (phi, x, v) = (r.scalar(), r.x, r.vector());
    let d = &mut r.m.p.dag;
    let div = programs::deriv(d, Deriv::Divergence(Trace::Exact), v, x);
    let loss = d.add(phi, div);
    r.m.output("loss", loss);
    let program = optimize(&expand(&r.m.p).expect("expands"));
    let unit = gradient(&program, program.output("loss").expect("named above")).expect("stages").unit;
    Owned { dag: unit.dag, inputs: unit.inputs, theta: unit.theta, outputs: unit.outputs, sums: unit.sums }
}

#[test]
fn staged_gradients_have_the_bits_of_the_interpreter() {
    let jit = Jit::new(Isa::detect()).verified(true);
    for seed in 0..150 {
        let owned = staged(seed);
        agree::<f32>(&owned, &jit, &mut Rng(seed), &format!("staged {seed} f32"));
        agree::<f64>(&owned, &jit, &mut Rng(seed), &format!("staged {seed} f64"));
    }
}

/// The evaluator of the IR knows neither tiles nor orders of operations; it agrees up to rounding.
#[test]
fn tiles_mean_what_the_ir_means() {
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * (1.0 + a.abs().max(b.abs())) || (a.is_nan() && b.is_nan());
    let jit = Jit::new(Isa::detect());
    for seed in 0..100 {
        for owned in [staged(seed), mlp(&[2, 9, 5, 3])] {
            let unit = owned.unit();
            let kernel: Box<dyn Kernel<f64>> = jit.compile(&unit).expect("valid");
            let layout = kernel.layout().clone();
            let mut r = Rng(seed);
            let theta: Vec<f64> = (0..layout.theta_len).map(|_| r.unit()).collect();
            let inputs: Vec<f64> = (0..layout.input_rows * LANES).map(|_| r.unit()).collect();
            let (mut out, mut slot) = (vec![0.0; layout.output_rows * LANES], vec![0.0; layout.slot_len]);
            let mut scratch = vec![0.0; layout.scratch_len];
            kernel.tile(&packed(&*kernel, &theta, 1), &inputs, &mut out, &mut slot, &mut scratch, LANES / PANEL);
            let sums = reduced(&*kernel, &[slot], 1);
            let leaf = |lane: usize, id: NodeId| {
                let size = |a: &NodeId| count(owned.dag.shape(*a));
                if let Some(k) = owned.theta.iter().position(|&a| a == id) {
                    let at: usize = owned.theta[..k].iter().map(size).sum();
                    return Some(theta[at..at + size(&id)].to_vec());
                }
                let k = owned.inputs.iter().position(|&a| a == id)?;
                Some((0..size(&id)).map(|i| inputs[(layout.input_row[k] + i) * LANES + lane]).collect())
            };
            for lane in [0, 17, 63] {
                let wanted =
                    eval::evaluate(&owned.dag, &owned.outputs, |id| leaf(lane, id)).expect("evaluates").concat();
                for (row, w) in wanted.iter().enumerate() {
                    assert!(close(out[row * LANES + lane], *w), "{seed}: {} {w}", out[row * LANES + lane]);
                }
            }
            let wanted = eval::evaluate_batch(&owned.dag, &owned.sums, LANES, leaf).expect("evaluates").concat();
            for (s, w) in sums.iter().zip(&wanted) {
                assert!(close(*s, *w), "{seed}: {s} {w}");
            }
        }
    }
}

// ---- refusals and memory --------------------------------------------------------------------------------------------

#[test]
fn broken_units_are_refused_not_compiled() {
    let mut d = Dag::default();
    let (x, loose) = (d.input(InputId(0), vec![2]), d.input(InputId(1), vec![2]));
    let (sum, named) = (d.add(x, loose), d.named(x));
    let total = d.sum_samples(x);
    let cases: [(Vec<NodeId>, Vec<NodeId>); 4] =
        [(vec![sum], vec![]), (vec![named], vec![]), (vec![total], vec![]), (vec![], vec![sum])];
    for (outputs, sums) in cases {
        let owned = Owned { dag: d.clone(), inputs: vec![x], theta: vec![], outputs, sums };
        let jit = Jit::new(Isa::detect());
        assert!(Backend::<f32>::compile(&jit, &owned.unit()).is_err());
        assert!(Backend::<f32>::compile(&Interp, &owned.unit()).is_err());
    }
}

/// Blocks of a tile need the alignment of a scalar, no more.
/// A unit that is so large that registers are given in one pass has the same bits.
#[test]
fn large_units_have_the_bits_of_the_interpreter() {
    let mut r = Rng(77);
    let owned = (0..).map(|k| program(k, 9_000)).find(|o| o.dag.len() > 4_500).expect("one of them is large");
    agree::<f32>(&owned, &Jit::new(Isa::detect()), &mut r, "large");
}

/// What would be minutes in the making is refused, where most of it was written.
#[test]
fn a_unit_beyond_the_budget_is_refused_where_it_comes_from() {
    let mut dag = Dag::default();
    dag.set_span(Some(programs::span()));
    let x = dag.input(InputId(0), vec![]);
    let mut y = x;
    for _ in 0..100_000 {
        y = dag.unary(UnaryFn::Tanh, y);
    }
    let owned = Owned { dag, inputs: vec![x], theta: vec![], outputs: vec![y], sums: vec![] };
    let refused = Backend::<f32>::compile(&Jit::new(Isa::detect()), &owned.unit()).err().expect("it is too large");
    assert_eq!(refused.code, flowc::diag::Code::BudgetExceeded);
    assert_eq!(refused.primary.expect("a place").span, programs::span());
}

#[test]
fn any_alignment_will_do() {
    let owned = mlp(&[3, 20, 2]);
    let kernel: Box<dyn Kernel<f32>> = Jit::new(Isa::detect()).compile(&owned.unit()).expect("valid");
    let l = kernel.layout().clone();
    let run = |shift: usize| {
        let theta: Vec<f32> = (0..l.theta_len).map(|i| (i % 7) as f32 * 0.1 - 0.3).collect();
        let mut at = [l.packed_len, l.input_rows * LANES, l.output_rows * LANES, l.slot_len, l.scratch_len]
            .map(|n| vec![0.0_f32; n + shift]);
        let [p, i, o, s, c] = at.each_mut().map(|b| &mut b[shift..]);
        kernel.pack(&theta, &SharedMut::new(p), 0, 1);
        i.iter_mut().enumerate().for_each(|(k, x)| *x = (k % 11) as f32 * 0.1);
        kernel.tile(p, i, o, s, c, 3);
        (o.to_vec(), reduced(&*kernel, &[s.to_vec()], 1))
    };
    assert_eq!(run(0), run(1));
    assert_eq!(run(0), run(3));
}

/// Pages of this process in memory, in KiB.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).expect("a line of it");
    line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}

#[cfg(target_os = "linux")]
#[test]
fn dropped_kernels_give_their_memory_back() {
    let mut d = Dag::default();
    let x = d.input(InputId(0), vec![2]);
    let y = d.mul(x, x);
    let owned = Owned { dag: d, inputs: vec![x], theta: vec![], outputs: vec![y], sums: vec![] };
    let jit = Jit::new(Isa::detect());
    let run = |n: usize| {
        for i in 0..n {
            let kernel: Box<dyn Kernel<f32>> = jit.compile(&owned.unit()).expect("valid");
            let (inputs, mut out) = (vec![i as f32; 2 * LANES], vec![0.0; 2 * LANES]);
            kernel.tile(&[], &inputs, &mut out, &mut [], &mut vec![0.0; kernel.layout().scratch_len], 1);
            assert_eq!(out[0], (i * i) as f32);
        }
    };
    run(100);
    let before = resident();
    run(2000);
    let grown = resident().saturating_sub(before);
    // Other tests run in this process too; leaked pages alone would be 10 MiB and more.
    assert!(grown < 6000, "{grown} KiB");
}
