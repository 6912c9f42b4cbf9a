//! Contraction orders: values stay, and the costs that theory gives come out.

use crate::programs::{Data, Maker, deriv, distance, random};
use flowc::autodiff::expand;
use flowc::ir::{
    Dag, Deriv, Flops, InputId, NodeId, Op, Program, RegionId, Trace, UnaryFn, flops, print, rebuild, verify,
};
use flowc::opt::optimize;
use flowc::stage::gradient;

#[test]
fn optimising_keeps_values() {
    for seed in 0..250 {
        let mut r = random(9000 + seed, 35, false);
        let s = r.scalar();
        let v = r.vector();
        let x = r.x;
        let d = &mut r.m.p.dag;
        let grad = deriv(d, Deriv::Gradient, s, x);
        let lap = deriv(d, Deriv::Divergence(Trace::Exact), grad, x);
        let div = deriv(d, Deriv::Divergence(Trace::Exact), v, x);
        for id in [s, grad, lap, div] {
            r.m.output("o", id);
        }
        let p = expand(&r.m.p).expect("expands");
        let q = optimize(&p);
        verify::verify(&q).expect("valid after optimising");
        assert_eq!(print::program(&q), print::program(&optimize(&p)), "the same order each time");
        for id in q.dag.ids() {
            if let Op::Einsum(e) = q.dag.op(id) {
                let dense = e.operands.iter().filter(|(x, _)| !matches!(q.dag.op(*x), Op::Eye(_))).count();
                assert!(dense <= 2, "seed {seed}: {}", print::node(&q.dag, id));
            }
        }
        let data = Data::random(&q, 1, seed);
        for (a, b) in data.outputs(&p, 0).iter().zip(data.outputs(&q, 0)) {
            assert!(distance(a, &b) < 1e-12, "seed {seed}: {a:?} {b:?}");
        }
    }
}

/// `W_{L+1} s(W_L ... s(W_1 [x, t] + b_1) ...)`: a field of `d` in a region.
fn mlp(
    layers: usize,
    width: usize,
    d: usize,
    activation: impl Fn(&mut Dag, NodeId) -> NodeId,
) -> (Maker, NodeId, NodeId) {
    let mut m = Maker::new();
    let x = m.p.dag.state(RegionId(0), 0, vec![d]);
    let t = m.p.dag.time(RegionId(0));
    let t = m.p.dag.reshape(t, &[1]);
    let mut h = m.p.dag.concat(0, &[x, t]);
    for l in 0..layers {
        let k = m.p.dag.shape(h)[0];
        let (w, b) = (m.param(&format!("w{l}"), &[width, k]), m.param(&format!("b{l}"), &[width]));
        let a = m.p.dag.matmul(w, h);
        let a = m.p.dag.add(a, b);
        h = activation(&mut m.p.dag, a);
    }
    let w = m.param("out", &[d, width]);
    let v = m.p.dag.matmul(w, h);
    (m, x, v)
}

fn tanh(d: &mut Dag, a: NodeId) -> NodeId {
    d.unary(UnaryFn::Tanh, a)
}

fn silu(d: &mut Dag, a: NodeId) -> NodeId {
    let s = d.unary(UnaryFn::Logistic, a);
    d.mul(a, s)
}

/// Operations of the divergence alone: of value and divergence, less those of the value.
fn cost_of_trace(m: &Maker, v: NodeId, x: NodeId) -> (Flops, Program) {
    let mut p = m.p.clone();
    let div = deriv(&mut p.dag, Deriv::Divergence(Trace::Exact), v, x);
    p.outputs = vec![("v".into(), v), ("div".into(), div)];
    let q = optimize(&expand(&p).expect("expands"));
    verify::verify(&q).expect("valid");
    let count = |names: &[&str]| {
        let roots: Vec<NodeId> = names.iter().map(|n| q.output(n).expect("an output")).collect();
        flops(&q.dag, &roots)
    };
    let (both, value) = (count(&["v", "div"]), count(&["v"]));
    let trace = Flops {
        constant: both.constant - value.constant,
        theta: both.theta - value.theta,
        sample: both.sample - value.sample,
        stage: both.stage - value.stage,
    };
    (trace, q)
}

/// Slope of an activation: a few operations for each hidden unit, given its value.
const SLOPE: u64 = 5;

#[test]
fn a_trace_of_one_hidden_layer_is_linear_in_the_width() {
    for (width, d) in [(64, 2), (128, 7), (256, 32)] {
        for activation in [tanh as fn(&mut Dag, NodeId) -> NodeId, silu] {
            let (m, x, v) = mlp(1, width, d, activation);
            let (cost, q) = cost_of_trace(&m, v, x);
            let (width, d) = (width as u64, d as u64);
            assert!(cost.stage <= (2 + SLOPE) * width, "{cost:?}\n{}", print::program(&q));
            assert!(cost.theta <= 2 * width * d, "{cost:?}");
        }
    }
}

#[test]
fn a_trace_of_two_hidden_layers_is_a_bilinear_form() {
    for (width, d) in [(64, 2), (128, 7), (256, 32)] {
        for activation in [tanh as fn(&mut Dag, NodeId) -> NodeId, silu] {
            let (m, x, v) = mlp(2, width, d, activation);
            let (cost, q) = cost_of_trace(&m, v, x);
            let (width, d) = (width as u64, d as u64);
            let bound = 2 * width * width + 2 * width + 2 * SLOPE * width;
            assert!(cost.stage <= bound, "{cost:?} above {bound}\n{}", print::program(&q));
            assert!(cost.theta <= 2 * width * width * d + width * width, "{cost:?}");
        }
    }
}

#[test]
fn a_trace_of_deep_networks_propagates_the_input_directions() {
    for layers in [3, 4, 5, 7] {
        for (width, d) in [(64, 2), (128, 7)] {
            let (m, x, v) = mlp(layers, width, d, silu);
            let (cost, q) = cost_of_trace(&m, v, x);
            let (width, d, layers) = (width as u64, d as u64, layers as u64);
            let lower = layers * (width * d + SLOPE * width) + 2 * width * d;
            let bound = (layers - 1) * 2 * width * width * d + lower;
            assert!(cost.stage <= bound, "{cost:?} above {bound}\n{}", print::program(&q));
        }
    }
}

/// OT-Flow's potential (Onken et al. 2021, eq. 10 to 12): `w' N(s) + 1/2 s' A' A s + b' s`, s = (x, t), N a residual network of
/// two layers, `u0 = a(K0 s + b0)`, `u1 = u0 + h a(K1 u0 + b1)`, with a = log cosh written as the paper has it.
fn ot_flow(width: usize, d: usize) -> (Maker, NodeId, NodeId) {
    let mut m = Maker::new();
    let x = m.p.dag.state(RegionId(0), 0, vec![d]);
    let t = m.p.dag.time(RegionId(0));
    let t = m.p.dag.reshape(t, &[1]);
    let s = m.p.dag.concat(0, &[x, t]);
    let (k0, b0) = (m.param("k0", &[width, d + 1]), m.param("b0", &[width]));
    let (k1, b1) = (m.param("k1", &[width, width]), m.param("b1", &[width]));
    let (w, a, c) = (m.param("w", &[width]), m.param("a", &[10, d + 1]), m.param("c", &[d + 1]));
    let g = &mut m.p.dag;
    let antiderivative = |g: &mut Dag, x: NodeId| {
        let size = g.unary(UnaryFn::Abs, x);
        let twice = g.scale(-2.0, size);
        let e = g.unary(UnaryFn::Exp, twice);
        let one = g.filled(1.0, e);
        let sum = g.add(one, e);
        let log = g.unary(UnaryFn::Log, sum);
        g.add(size, log)
    };
    let a0 = g.matmul(k0, s);
    let a0 = g.add(a0, b0);
    let u0 = antiderivative(g, a0);
    let a1 = g.matmul(k1, u0);
    let a1 = g.add(a1, b1);
    let step = antiderivative(g, a1);
    let step = g.scale(0.5, step);
    let u1 = g.add(u0, step);
    let (n, q) = (g.matmul(w, u1), g.matmul(a, s));
    let (qq, cs) = (g.matmul(q, q), g.matmul(c, s));
    let half = g.scale(0.5, qq);
    let phi = g.add(n, half);
    let phi = g.add(phi, cs);
    let grad = deriv(g, Deriv::Gradient, phi, x);
    (m, x, grad)
}

#[test]
fn the_laplacian_of_an_ot_flow_potential_shares_its_halves() {
    for (width, d) in [(64, 2), (128, 6), (256, 43)] {
        let (m, x, grad) = ot_flow(width, d);
        let (cost, q) = cost_of_trace(&m, grad, x);
        let (width, d) = (width as u64, d as u64);
        // Second derivatives of the activation take a few more operations for each unit.
        let bound = 2 * width * width * d + 6 * width * d + 60 * width;
        assert!(cost.stage <= bound, "{cost:?} above {bound}\n{}", print::program(&q));
        assert!(cost.stage >= 2 * width * width * d, "no form is cheaper: something is missing");
    }
}

#[test]
fn chains_multiply_in_the_cheap_order() {
    // (a b) c x with a, b, c parameters of awkward sizes, against the textbook order.
    let mut m = Maker::new();
    let (a, b, c) = (m.input("a", &[30, 2]), m.input("b", &[2, 40]), m.input("c", &[40, 5]));
    let d = &mut m.p.dag;
    let ab = d.matmul(a, b);
    let abc = d.matmul(ab, c);
    m.output("o", abc);
    let q = optimize(&m.p);
    let cost = flops(&q.dag, &[q.outputs[0].1]);
    assert_eq!(cost.sample, 2 * (2 * 40 * 5 + 30 * 2 * 5));
}

#[test]
fn constants_fold() {
    let mut m = Maker::new();
    let x = m.input("x", &[3]);
    let d = &mut m.p.dag;
    let t = d.tensor(&[1.0, 2.0, 3.0], vec![3]);
    let e = d.unary(UnaryFn::Exp, t);
    let e2 = d.add(e, t);
    let y = d.mul(e2, x);
    m.output("o", y);
    let q = optimize(&m.p);
    assert_eq!(flops(&q.dag, &[q.outputs[0].1]).constant, 0);
    let data = Data::random(&m.p, 1, 2);
    assert!(distance(&data.outputs(&m.p, 0)[0], &data.outputs(&q, 0)[0]) < 1e-15);
}

#[test]
fn a_field_written_by_components_has_no_matrix_in_its_trace() {
    // v = (x0 x1 t, sin x1 - x2, x2^3): the trace is x1 t + cos x1 + 3 x2^2.
    let mut m = Maker::new();
    let (x, t) = (m.input("x", &[3]), m.input("t", &[]));
    let g = &mut m.p.dag;
    let part = |g: &mut Dag, k: usize| {
        let s = g.slice(x, 0, k, 1);
        g.reshape(s, &[])
    };
    let (x0, x1, x2) = (part(g, 0), part(g, 1), part(g, 2));
    let v0 = g.mul(x0, x1);
    let v0 = g.mul(v0, t);
    let s = g.unary(UnaryFn::Sin, x1);
    let (v1, v2) = (g.sub(s, x2), g.powi(x2, 3));
    let parts: Vec<NodeId> = [v0, v1, v2].into_iter().map(|v| g.reshape(v, &[1])).collect();
    let v = g.concat(0, &parts);
    let div = deriv(g, Deriv::Divergence(Trace::Exact), v, x);
    m.output("div", div);
    let q = optimize(&expand(&m.p).expect("expands"));
    let data = Data::random(&q, 1, 4);
    let (x, t) = (&data.inputs[0][0], data.inputs[0][1][0]);
    let want = x[1] * t + x[1].cos() + 3.0 * x[2] * x[2];
    assert!((data.outputs(&q, 0)[0][0] - want).abs() < 1e-14);
    let cost = flops(&q.dag, &[q.outputs[0].1]);
    assert!(cost.sample <= 10, "{cost:?}\n{}", print::program(&q));
}

#[test]
fn what_a_solve_only_reads_is_not_computed_inside() {
    // A probe through the first layer: W1 w once a trajectory, not once an evaluation.
    let (width, d) = (64, 8);
    let (mut m, x, v) = mlp(1, width, d, tanh);
    let w = m.draw("w", &[d]);
    let div = deriv(&mut m.p.dag, Deriv::Divergence(Trace::Probe(w)), v, x);
    m.output("v", v);
    m.output("div", div);
    let q = optimize(&expand(&m.p).expect("expands"));
    let (width, d) = (width as u64, d as u64);
    let cost = flops(&q.dag, &[q.output("div").expect("an output")]);
    assert!(
        cost.sample >= 2 * width * d && cost.stage <= 2 * width * (d + 1) + 10 * width,
        "{cost:?}\n{}",
        print::program(&q)
    );
}

#[test]
fn a_gradient_costs_a_few_times_its_loss() {
    // Griewank and Walther (2008), section 3.4: a gradient costs at most a small multiple (4 to 5) of the function. The
    // function here is a squared Laplacian of a potential, itself a trace of second derivatives.
    for (width, d) in [(64, 2), (128, 6)] {
        let (mut m, x, grad) = ot_flow(width, d);
        let lap = deriv(&mut m.p.dag, Deriv::Divergence(Trace::Exact), grad, x);
        let square = m.p.dag.mul(lap, lap);
        // Outside a region: state and time are inputs.
        let mut p = Program { params: m.p.params.clone(), ..Program::default() };
        for (name, shape) in [("x", vec![d]), ("t", vec![])] {
            p.inputs.push(flowc::ir::InputDecl::new(name, shape));
        }
        let map = rebuild(&m.p.dag, &mut p.dag, &[square], |g, _, id| match m.p.dag.op(id) {
            Op::State(..) => Some(g.input(InputId(0), vec![d])),
            Op::Time(_) => Some(g.input(InputId(1), vec![])),
            _ => None,
        });
        p.outputs.push(("loss".into(), map[&square]));
        let q = optimize(&expand(&p).expect("expands"));
        let plan = gradient(&q, q.outputs[0].1).expect("stages");
        let u = &plan.unit;
        let (loss, both) =
            (flops(&q.dag, &[q.outputs[0].1]).sample, flops(&u.dag, &[&u.outputs[..], &u.sums].concat()).sample);
        assert!(both <= 5 * loss, "{both} against {loss}");
        println!(
            "{both} {loss} {:?}\n{}",
            plan.prologue.values,
            print::dag(&u.dag, &[&u.outputs[..], &u.sums].concat())
        );
    }
}
