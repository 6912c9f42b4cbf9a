//! Derivatives: against differences, against each other, nested.

use crate::programs::{Data, Maker, Random, deriv, distance, random, slope};
use flowc::autodiff::expand;
use flowc::diag::Code;
use flowc::ir::{Deriv, NodeId, Op, Program, RegionId, Solve, Trace, UnaryFn, verify};

fn expanded(p: &Program) -> Program {
    verify::verify(p).expect("a valid program");
    let q = expand(p).expect("expands");
    verify::verify(&q).expect("valid after expansion");
    assert!(q.dag.ids().all(|id| !matches!(q.dag.op(id), Op::Deriv { .. } | Op::Named(..))));
    q
}

/// A dot product of two values of one shape.
fn dot(r: &mut Random, a: NodeId, b: NodeId) -> NodeId {
    let d = &mut r.m.p.dag;
    let ab = d.mul(a, b);
    d.sum_all(ab)
}

#[test]
fn jvp_is_the_slope_along_a_line() {
    for seed in 0..150 {
        let mut r = random(seed, 25, true);
        let of = r.scalar();
        let v = r.vector();
        let w = r.m.input("w", &[3]);
        let x = r.x;
        let d = &mut r.m.p.dag;
        let js = deriv(d, Deriv::Jvp(w), of, x);
        let jv = deriv(d, Deriv::Jvp(w), v, x);
        for (name, id) in [("of", of), ("v", v), ("js", js), ("jv", jv)] {
            r.m.output(name, id);
        }
        let q = expanded(&r.m.p);
        let data = Data::random(&q, 1, seed);
        let out = data.outputs(&q, 0);
        let line = slope(|s| {
            let mut moved = data.clone();
            for k in 0..3 {
                moved.inputs[0][0][k] += s * data.inputs[0][2][k];
            }
            let y = moved.outputs(&q, 0);
            [&y[0][..], &y[1]].concat()
        });
        let tangent = [&out[2][..], &out[3]].concat();
        assert!(distance(&line, &tangent) < 1e-6, "seed {seed}: {line:?} {tangent:?}");
    }
}

#[test]
fn vjp_is_the_transpose_of_jvp() {
    for seed in 0..300 {
        let mut r = random(1000 + seed, 30, false);
        let of = r.vector();
        let (v, w) = (r.m.input("v", &[3]), r.m.input("w", &[3]));
        let x = r.x;
        let jv = deriv(&mut r.m.p.dag, Deriv::Jvp(v), of, x);
        let jw = deriv(&mut r.m.p.dag, Deriv::Vjp(w), of, x);
        let (left, right) = (dot(&mut r, jv, w), dot(&mut r, v, jw));
        r.m.output("left", left);
        r.m.output("right", right);
        let q = expanded(&r.m.p);
        let out = Data::random(&q, 1, seed).outputs(&q, 0);
        assert!(distance(&out[0], &out[1]) < 1e-10, "seed {seed}: {out:?}");
    }
}

#[test]
fn traces_jacobians_and_probes_agree() {
    for seed in 0..150 {
        let mut r = random(2000 + seed, 30, false);
        let of = r.vector();
        let w = r.m.input("w", &[3]);
        let x = r.x;
        let d = &mut r.m.p.dag;
        let full = deriv(d, Deriv::Jacobian, of, x);
        let exact = deriv(d, Deriv::Divergence(Trace::Exact), of, x);
        let probe = deriv(d, Deriv::Divergence(Trace::Probe(w)), of, x);
        let trace = d.einsum(&[(full, &[0, 0])], &[]);
        let form = d.einsum(&[(w, &[0]), (full, &[0, 1]), (w, &[1])], &[]);
        // A scalar's jacobian goes backward (3 > 1); its gradient is the same.
        let s = d.slice(of, 0, 1, 1);
        let s = d.reshape(s, &[]);
        let back = deriv(d, Deriv::Jacobian, s, x);
        let grad = deriv(d, Deriv::Gradient, s, x);
        let row = d.slice(full, 0, 1, 1);
        let row = d.reshape(row, &[3]);
        for id in [exact, trace, probe, form, back, grad, row] {
            r.m.output("o", id);
        }
        let q = expanded(&r.m.p);
        let out = Data::random(&q, 1, seed).outputs(&q, 0);
        assert!(distance(&out[0], &out[1]) < 1e-11, "seed {seed}");
        assert!(distance(&out[2], &out[3]) < 1e-11, "seed {seed}");
        assert!(distance(&out[4], &out[5]) < 1e-11 && distance(&out[5], &out[6]) < 1e-11, "seed {seed}");
    }
}

#[test]
fn jacobians_of_matrices_have_four_axes() {
    let mut m = Maker::new();
    let x = m.input("x", &[2, 3]);
    let a = m.param("a", &[4, 2]);
    let d = &mut m.p.dag;
    let y = d.matmul(a, x);
    let y = d.unary(UnaryFn::Sin, y);
    let j = deriv(d, Deriv::Jacobian, y, x);
    let s = d.sum_all(y);
    let g = deriv(d, Deriv::Gradient, s, x);
    let sum = d.einsum(&[(j, &[0, 1, 2, 3])], &[2, 3]);
    m.output("g", g);
    m.output("sum", sum);
    m.output("j", j);
    let q = expanded(&m.p);
    let out = Data::random(&q, 1, 5).outputs(&q, 0);
    assert_eq!(q.dag.shape(q.output("j").unwrap()), [4, 3, 2, 3]);
    assert!(distance(&out[0], &out[1]) < 1e-13);
}

#[test]
fn third_derivatives_of_nested_operators() {
    for seed in 0..40 {
        let mut r = random(3000 + seed, 14, true);
        let phi = r.scalar();
        let x = r.x;
        let w = r.pool[3];
        let d = &mut r.m.p.dag;
        let grad = deriv(d, Deriv::Gradient, phi, x);
        let lap = deriv(d, Deriv::Divergence(Trace::Exact), grad, x);
        let g = deriv(d, Deriv::Gradient, lap, w);
        let along = deriv(d, Deriv::Jvp(x), lap, x);
        r.m.output("lap", lap);
        r.m.output("g", g);
        r.m.output("along", along);
        let q = expanded(&r.m.p);
        let data = Data::random(&q, 1, seed);
        let out = data.outputs(&q, 0);
        let by_param: Vec<f64> = (0..12)
            .flat_map(|k| {
                slope(|s| {
                    let mut moved = data.clone();
                    moved.params[0][k] += s;
                    moved.outputs(&q, 0)[0].clone()
                })
            })
            .collect();
        assert!(distance(&by_param, &out[1]) < 1e-6, "seed {seed}: {by_param:?} {:?}", out[1]);
        let line = slope(|s| {
            let mut moved = data.clone();
            for k in 0..3 {
                moved.inputs[0][0][k] += s * data.inputs[0][0][k];
            }
            moved.outputs(&q, 0)[0].clone()
        });
        assert!(distance(&line, &out[2]) < 1e-6, "seed {seed}");
    }
}

#[test]
fn a_named_target_cuts_the_graph() {
    // let y = x; f(x, y) = sin(x) y^2: d/dy = 2 y sin(x), and not the derivative along both.
    let mut m = Maker::new();
    let x = m.input("x", &[]);
    let d = &mut m.p.dag;
    let y = d.named(x);
    let (s, y2) = (d.unary(UnaryFn::Sin, x), d.mul(y, y));
    let f = d.mul(s, y2);
    let g = deriv(d, Deriv::Gradient, f, y);
    let both = deriv(d, Deriv::Gradient, f, x);
    // Nested: d/dx of the inner gradient moves through y, because y is x.
    let outer = deriv(d, Deriv::Gradient, g, x);
    let held = d.deriv(Deriv::Gradient, f, x, vec![y]);
    for id in [g, both, outer, held] {
        m.output("o", id);
    }
    let q = expanded(&m.p);
    let mut data = Data::random(&q, 1, 1);
    let v = 0.7f64;
    data.inputs[0][0] = vec![v];
    let out: Vec<f64> = data.outputs(&q, 0).into_iter().flatten().collect();
    let wanted =
        [2.0 * v * v.sin(), 2.0 * v * v.sin() + v * v * v.cos(), 2.0 * v.sin() + 2.0 * v * v.cos(), v * v * v.cos()];
    assert!(distance(&out, &wanted) < 1e-14, "{out:?} {wanted:?}");
}

#[test]
fn a_branch_not_taken_gives_exactly_nothing() {
    // select(x > 0, sqrt(x), 0) at 0, where the derivative of sqrt is infinite; forward and backward, and the norm's square.
    let mut m = Maker::new();
    let x = m.input("x", &[2]);
    let d = &mut m.p.dag;
    let zero = d.zeros(&[2]);
    let (positive, root) = (d.less(zero, x), d.unary(UnaryFn::Sqrt, x));
    let y = d.select(positive, root, zero);
    let ones = d.filled(1.0, x);
    let jv = deriv(d, Deriv::Jvp(ones), y, x);
    let vj = deriv(d, Deriv::Vjp(ones), y, x);
    let u = d.matmul(x, x);
    let norm = d.unary(UnaryFn::Sqrt, u);
    let square = d.mul(norm, norm);
    let g = deriv(d, Deriv::Gradient, square, x);
    // The direction of x, 0 at 0: behind the reciprocal of a norm.
    let positive = d.less(zero, x);
    let r = d.unary(UnaryFn::Recip, norm);
    let direction = d.mul(x, r);
    let direction = d.select(positive, direction, zero);
    let jd = deriv(d, Deriv::Jvp(ones), direction, x);
    for id in [jv, vj, g, jd] {
        m.output("o", id);
    }
    let q = expanded(&m.p);
    let mut data = Data::random(&q, 1, 1);
    data.inputs[0][0] = vec![0.0, 0.0];
    let out = data.outputs(&q, 0);
    assert_eq!(out, vec![vec![0.0; 2]; 4]);
}

#[test]
fn what_does_not_move_has_zero_derivative() {
    let mut m = Maker::new();
    let (x, t) = (m.input("x", &[3]), m.input("t", &[]));
    let d = &mut m.p.dag;
    let y = d.unary(UnaryFn::Sin, x);
    let steps = d.unary(UnaryFn::Floor, x);
    let stopped = d.stop(y);
    let made: Vec<NodeId> = vec![
        deriv(d, Deriv::Jacobian, y, t),
        deriv(d, Deriv::Jacobian, steps, x),
        deriv(d, Deriv::Jacobian, stopped, x),
        d.deriv(Deriv::Jacobian, y, x, vec![y]),
    ];
    for id in made {
        m.output("o", id);
    }
    let q = expanded(&m.p);
    assert!(q.outputs.iter().all(|(_, id)| q.dag.is_zero(*id)));
}

#[test]
fn solves_and_five_axes_are_refused() {
    let mut m = Maker::new();
    let x = m.input("x", &[2]);
    let d = &mut m.p.dag;
    let r = RegionId(0);
    let state = d.state(r, 0, vec![2]);
    let dx = d.unary(UnaryFn::Tanh, state);
    let inner = deriv(d, Deriv::Divergence(Trace::Exact), dx, state);
    let dx = d.mul(dx, inner);
    let (t0, t1) = (d.constant(0.0), d.constant(1.0));
    let solve = Solve {
        region: r,
        t0,
        t1,
        names: vec!["x".into()],
        inits: vec![x],
        derivs: vec![dx],
        solver: u32::MAX,
        at: None,
        noise: None,
    };
    let end = d.solve(solve)[0];
    let s = d.sum_all(end);
    let mut fine = m.p.clone();
    fine.outputs.push(("s".into(), s));
    expanded(&fine);
    let g = deriv(&mut m.p.dag, Deriv::Gradient, s, x);
    m.output("g", g);
    assert_eq!(expand(&m.p).expect_err("refused").code, Code::NotDifferentiable);

    let mut m = Maker::new();
    let w = m.param("w", &[2, 3]);
    let d = &mut m.p.dag;
    let y = d.unary(UnaryFn::Sin, w);
    let wide = d.einsum(&[(y, &[0, 1]), (y, &[2, 1])], &[0, 1, 2]);
    let j = d.deriv(Deriv::Jacobian, wide, w, vec![]);
    m.output("j", j);
    assert_eq!(expand(&m.p).expect_err("refused").code, Code::NotDifferentiable);
}
