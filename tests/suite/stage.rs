//! Staging leaves values and gradients unchanged.

use crate::programs::{Data, Maker, deriv, distance, random};
use flowc::autodiff::expand;
use flowc::diag::Code;
use flowc::ir::{
    Dag, Deriv, Level, NodeId, Op, ParamId, Program, RegionId, Solve, Trace, UnaryFn, eval, flops, node_flops, rebuild,
    verify,
};
use flowc::opt::optimize;
use flowc::stage::{ForwardPlan, GradientPlan, Prologue, Segment, Source, ThetaSource, UnitSpec, forward, gradient};

/// Values of the prologue.
fn prologue(p: &Prologue, data: &Data) -> Vec<Vec<f64>> {
    verify::verify_dag(&p.dag).expect("valid");
    p.values
        .iter()
        .map(|(source, shape)| {
            let v = match source {
                ThetaSource::Param(id) => data.params[id.0 as usize].clone(),
                ThetaSource::Computed(id) => data.eval(&p.dag, &[*id], 0).remove(0),
            };
            assert_eq!(v.len(), shape.iter().product::<usize>());
            v
        })
        .collect()
}

/// Leaves of a unit are exactly its inputs and parameters, and nothing of parameters alone is computed in it.
fn check_unit(u: &UnitSpec) {
    verify::verify_dag(&u.dag).expect("valid");
    assert_eq!((u.inputs.len(), u.theta.len()), (u.sources.len(), u.theta_values.len()));
    for id in u.dag.ids() {
        match u.dag.op(id) {
            Op::Input(_) | Op::Draw(_) | Op::State(..) | Op::Time(_) => assert!(u.inputs.contains(&id)),
            Op::Theta(_) => assert!(u.theta.contains(&id)),
            Op::SumSamples(_) => {}
            Op::Add(a, b) | Op::Sub(a, b) if u.dag.level(id) == Level::Theta => {
                let sum = |n| matches!(u.dag.op(n), Op::SumSamples(_) | Op::Add(..) | Op::Sub(..) | Op::Scale(..));
                assert!(sum(*a) && sum(*b));
            }
            Op::Scale(_, a) if u.dag.level(id) == Level::Theta => {
                assert!(matches!(u.dag.op(*a), Op::SumSamples(_) | Op::Add(..) | Op::Sub(..)));
            }
            Op::Einsum(e) if u.dag.level(id) == Level::Theta => assert!(e.operands.len() == 1 && !e.contracts()),
            op if u.dag.level(id) == Level::Theta => panic!("not in a unit: {op:?}"),
            Op::Param(_) | Op::Solve(_) | Op::Component(..) | Op::Stop(_) | Op::Named(..) => {
                panic!("not in a unit: {:?}", u.dag.op(id))
            }
            _ => {}
        }
    }
}

/// Runs a plan for one sample; a solve is one step of Euler's method.
fn run(plan: &ForwardPlan, data: &Data, sample: usize) -> Vec<Vec<f64>> {
    let theta = prologue(&plan.prologue, data);
    let mut columns: Vec<Option<Vec<f64>>> = vec![None; plan.columns.len()];
    let unit = |u: &UnitSpec, columns: &[Option<Vec<f64>>], state: &[Vec<f64>], time: f64| -> Vec<Vec<f64>> {
        check_unit(u);
        eval::evaluate(&u.dag, &u.outputs, |id| {
            if let Some(k) = u.theta.iter().position(|&t| t == id) {
                return Some(theta[u.theta_values[k]].clone());
            }
            let k = u.inputs.iter().position(|&t| t == id)?;
            Some(match u.sources[k] {
                Source::Draw(d) => data.draws[sample][d.0 as usize].clone(),
                Source::Input(i) => data.inputs[sample][i.0 as usize].clone(),
                Source::Column(c) => columns[c].clone().expect("made by an earlier segment"),
                Source::State(i) => state[i as usize].clone(),
                Source::Time => vec![time],
                Source::Bar(_) | Source::Residual(_) => unreachable!("forward units have no cotangents"),
            })
        })
        .expect("evaluates")
    };
    for segment in &plan.segments {
        match segment {
            Segment::Map { unit: u, columns: made } => {
                for (c, v) in made.iter().zip(unit(u, &columns, &[], f64::NAN)) {
                    assert!(columns[*c].replace(v).is_none(), "made once");
                }
            }
            Segment::Solve { rhs, components, span, inits, results, .. } => {
                let get = |c: usize| columns[c].clone().expect("made by an earlier segment");
                let (t0, t1) = (get(span.0)[0], get(span.1)[0]);
                let state: Vec<Vec<f64>> = inits.iter().map(|&c| get(c)).collect();
                assert_eq!(components.len(), state.len());
                let slope = unit(rhs, &columns, &state, t0);
                for ((c, x), dx) in results.iter().zip(&state).zip(slope) {
                    let y = x.iter().zip(dx).map(|(x, d)| x + (t1 - t0) * d).collect();
                    assert!(columns[*c].replace(y).is_none(), "made once");
                }
            }
        }
    }
    plan.outputs.iter().map(|(_, c)| columns[*c].clone().expect("made")).collect()
}

/// The program with every solve replaced by one step of Euler's method: states by initial values, time by the start.
fn one_step(p: &Program) -> Program {
    let mut q = p.clone();
    loop {
        let roots: Vec<NodeId> = q.outputs.iter().map(|(_, id)| *id).collect();
        let seen = flowc::ir::reachable(&q.dag, &roots, |_| false);
        let found = q.dag.ids().filter(|id| seen[id.0 as usize]).find_map(|id| match q.dag.op(id) {
            Op::Solve(s) => Some((id, s.clone())),
            _ => None,
        });
        let Some((id, s)) = found else { return q };
        let mut dag = Dag::default();
        let plain = rebuild(&q.dag, &mut dag, &[&s.inits[..], &[s.t0, s.t1]].concat(), |_, _, _| None);
        let inside = rebuild(&q.dag, &mut dag, &s.derivs, |_, _, n| match *q.dag.op(n) {
            Op::State(r, i) if r == s.region => Some(plain[&s.inits[i as usize]]),
            Op::Time(r) if r == s.region => Some(plain[&s.t0]),
            _ => None,
        });
        let map = rebuild(&q.dag, &mut dag, &roots, |d, _, n| match *q.dag.op(n) {
            Op::Component(solve, i) if solve == id => {
                let h = d.sub(plain[&s.t1], plain[&s.t0]);
                let step = d.mul(inside[&s.derivs[i as usize]], h);
                Some(d.add(plain[&s.inits[i as usize]], step))
            }
            _ => None,
        });
        q.outputs = q.outputs.iter().map(|(n, id)| (n.clone(), map[id])).collect();
        q.dag = dag;
    }
}

#[test]
fn forward_plans_keep_values() {
    for seed in 0..120 {
        let mut r = random(5000 + seed, 30, false);
        let (s, v) = (r.scalar(), r.vector());
        let only_theta = r.m.p.dag.matmul(r.pool[3], r.pool[7]);
        let constant = r.m.p.dag.constant(0.25);
        for id in [s, v, only_theta, constant, r.x, r.pool[3], v] {
            r.m.output("o", id);
        }
        let q = optimize(&expand(&r.m.p).expect("expands"));
        let plan = forward(&q).expect("stages");
        let data = Data::random(&q, 2, seed);
        for sample in 0..2 {
            for (a, b) in run(&plan, &data, sample).iter().zip(data.outputs(&q, sample)) {
                assert!(distance(a, &b) < 1e-12, "seed {seed}");
            }
        }
    }
}

/// Two solves in a row with captures, divergence inside, a start that needs a draw; one sees the other's result.
fn solves() -> Program {
    let mut m = Maker::new();
    let (x0, c) = (m.draw("x0", &[3]), m.input("c", &[3]));
    let (w, s) = (m.param("w", &[3, 3]), m.param("s", &[]));
    let d = &mut m.p.dag;
    let (zero, one) = (d.constant(0.0), d.constant(1.0));
    let end = d.unary(UnaryFn::Softplus, s);
    let capture = d.unary(UnaryFn::Sin, c);
    let field = |d: &mut Dag, r: RegionId, extra: NodeId| {
        let (x, t) = (d.state(r, 0, vec![3]), d.time(r));
        let _l = d.state(r, 1, vec![]);
        let wx = d.matmul(w, x);
        let h = d.add(wx, extra);
        let h = d.mul(h, s);
        let th = d.unary(UnaryFn::Tanh, h);
        let tt = d.mul(th, t);
        let v = d.add(tt, extra);
        let div = deriv(d, Deriv::Divergence(Trace::Exact), v, x);
        vec![v, div]
    };
    let names = || vec!["x".to_string(), "l".to_string()];
    let derivs = field(d, RegionId(0), capture);
    let first = d.solve(Solve {
        region: RegionId(0),
        t0: one,
        t1: zero,
        names: names(),
        inits: vec![x0, zero],
        derivs,
        solver: 0,
        at: None,
        noise: None,
    });
    let between = d.unary(UnaryFn::Cos, first[0]);
    let between = d.mul(between, c);
    let derivs = field(d, RegionId(1), between);
    let start = d.sub(first[0], capture);
    let second = d.solve(Solve {
        region: RegionId(1),
        t0: one,
        t1: end,
        names: names(),
        inits: vec![start, first[1]],
        derivs,
        solver: u32::MAX,
        at: None,
        noise: None,
    });
    let sum = d.add(second[0], between);
    let late = d.add(sum, x0);
    m.output("late", late);
    m.output("l", second[1]);
    m.output("mid", first[0]);
    m.output("end", end);
    m.p
}

#[test]
fn solves_become_segments() {
    let p = solves();
    verify::verify(&p).expect("valid");
    let q = optimize(&expand(&p).expect("expands"));
    verify::verify(&q).expect("valid");
    let plan = forward(&q).expect("stages");
    assert_eq!(plan.segments.iter().filter(|s| matches!(s, Segment::Solve { .. })).count(), 2);
    let reference = one_step(&q);
    let data = Data::random(&q, 3, 9);
    for sample in 0..3 {
        for (a, b) in run(&plan, &data, sample).iter().zip(data.outputs(&reference, sample)) {
            assert!(distance(a, &b) < 1e-12);
        }
    }
    // What parameters alone decide is not evaluated with the samples: a right-hand side reads no draw and no input.
    for segment in &plan.segments {
        if let Segment::Solve { rhs, .. } = segment {
            assert!(rhs.sources.iter().all(|s| !matches!(s, Source::Draw(_) | Source::Input(_))));
        }
    }
}

#[test]
fn random_programs_with_solves_keep_values() {
    // Up to three solves; starts, spans and right-hand sides read anything made before, other solves' results too.
    let mut solves = 0;
    for seed in 0..100 {
        let mut r = random(11_000 + seed, 12, false);
        for k in 0..3u32 {
            let region = RegionId(k);
            let (init, scalar) = (r.vector(), r.scalar());
            let d = &mut r.m.p.dag;
            let (x, t) = (d.state(region, 0, vec![3]), d.time(region));
            let l = d.state(region, 1, vec![]);
            let xt = d.mul(x, t);
            let before = r.pool.len();
            r.pool.extend([x, t, l, xt, xt, t]);
            for _ in 0..8 {
                r.advance();
            }
            let dx = r.vector();
            let dl = r.scalar();
            // What is inside stays inside.
            r.pool.truncate(before);
            let d = &mut r.m.p.dag;
            let zero = d.constant(0.25 * f64::from(k));
            let ends = d.solve(Solve {
                region,
                t0: zero,
                t1: scalar,
                names: vec!["x".into(), "l".into()],
                inits: vec![init, zero],
                derivs: vec![dx, dl],
                solver: 0,
                at: None,
                noise: None,
            });
            r.pool.extend(ends);
            for _ in 0..5 {
                r.advance();
            }
        }
        let (s, v) = (r.scalar(), r.vector());
        r.m.output("s", s);
        r.m.output("v", v);
        let q = optimize(&expand(&r.m.p).expect("expands"));
        verify::verify(&q).expect("valid");
        let plan = forward(&q).expect("stages");
        solves += plan.segments.iter().filter(|s| matches!(s, Segment::Solve { .. })).count();
        let reference = one_step(&r.m.p);
        let data = Data::random(&q, 2, seed);
        for sample in 0..2 {
            for (a, b) in run(&plan, &data, sample).iter().zip(data.outputs(&reference, sample)) {
                assert!(distance(a, &b) < 1e-10, "seed {seed}");
            }
        }
    }
    assert!(solves > 100, "{solves}");
}

#[test]
fn nested_solves_are_refused() {
    let p = solves();
    let q = expand(&p).expect("expands");
    let l = q.output("l").expect("an output");
    assert_eq!(gradient(&q, l).expect_err("refused").code, Code::Internal, "that is what `objective` is for");

    let mut m = Maker::new();
    let x = m.input("x", &[]);
    let d = &mut m.p.dag;
    let (zero, one) = (d.constant(0.0), d.constant(1.0));
    let outer = d.state(RegionId(0), 0, vec![]);
    let inner = d.state(RegionId(1), 0, vec![]);
    let solve = |region, init, deriv| Solve {
        region,
        t0: zero,
        t1: one,
        names: vec!["x".into()],
        inits: vec![init],
        derivs: vec![deriv],
        solver: 0,
        at: None,
        noise: None,
    };
    let rhs = d.mul(inner, outer);
    let end = d.solve(solve(RegionId(1), x, rhs))[0];
    let last = d.solve(solve(RegionId(0), x, end))[0];
    m.output("o", last);
    assert!(forward(&m.p).is_err());
}

/// Loss of each sample and gradients of every parameter, as a trainer computes them.
fn train(plan: &GradientPlan, p: &Program, data: &Data, weights: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let theta = prologue(&plan.prologue, data);
    let u = &plan.unit;
    check_unit(u);
    let weight = plan.weight.expect("a weight");
    assert_eq!(*u.sources.last().expect("the weight"), Source::Input(weight));
    let leaf = |sample: usize, id: NodeId| {
        if let Some(k) = u.theta.iter().position(|&t| t == id) {
            return Some(theta[u.theta_values[k]].clone());
        }
        match u.sources[u.inputs.iter().position(|&t| t == id)?] {
            Source::Input(i) if i == weight => Some(vec![weights[sample]]),
            Source::Input(i) => Some(data.inputs[sample][i.0 as usize].clone()),
            Source::Draw(d) => Some(data.draws[sample][d.0 as usize].clone()),
            Source::Column(_) | Source::State(_) | Source::Time | Source::Bar(_) | Source::Residual(_) => None,
        }
    };
    let losses: Vec<f64> = (0..weights.len())
        .map(|s| eval::evaluate(&u.dag, &u.outputs, |id| leaf(s, id)).expect("evaluates")[0][0])
        .collect();
    let sums = eval::evaluate_batch(&u.dag, &u.sums, weights.len(), leaf).expect("evaluates");
    let bar = |value: usize| plan.cotangents.iter().position(|&c| c == value).map(|k| sums[k].clone());
    let gradients = match &plan.epilogue {
        Some((dag, nodes)) => {
            verify::verify_dag(dag).expect("valid");
            eval::evaluate(dag, nodes, |id| match dag.op(id) {
                Op::Param(p) => Some(data.params[p.0 as usize].clone()),
                Op::Theta(i) => bar(*i as usize),
                _ => None,
            })
            .expect("evaluates")
        }
        None => (0..p.params.len())
            .map(|i| {
                let value = plan.prologue.values.iter().position(|(s, _)| *s == ThetaSource::Param(ParamId(i as u32)));
                let zero = vec![0.0; p.params[i].shape.iter().product()];
                value.and_then(bar).unwrap_or(zero)
            })
            .collect(),
    };
    (losses, gradients)
}

#[test]
fn gradient_plans_agree_with_the_operator() {
    for seed in 0..150 {
        let mut r = random(7000 + seed, 25, false);
        let phi = r.scalar();
        let x = r.x;
        let v = r.vector();
        let d = &mut r.m.p.dag;
        // A loss with a divergence inside and a regulariser of parameters alone.
        let div = deriv(d, Deriv::Divergence(Trace::Exact), v, x);
        let wa = d.matmul(r.pool[3], r.pool[7]);
        let wa = d.unary(UnaryFn::Tanh, wa);
        let ridge = d.sum_all(wa);
        let loss = d.add(phi, div);
        let loss = d.add(loss, ridge);
        let loss = d.scale(0.5, loss);
        r.m.output("loss", loss);
        for k in [3, 4, 5, 6, 7] {
            let g = deriv(&mut r.m.p.dag, Deriv::Gradient, loss, r.pool[k]);
            r.m.output("g", g);
        }
        let full = expand(&r.m.p).expect("expands");
        r.m.p.outputs.truncate(1);
        let q = optimize(&expand(&r.m.p).expect("expands"));
        let plan = gradient(&q, q.output("loss").expect("loss")).expect("stages");
        let data = Data::random(&q, 4, seed);
        let weights = [0.5, 0.25, 0.0, 1.5];
        let (losses, gradients) = train(&plan, &q, &data, &weights);
        let mut wanted: Vec<Vec<f64>> = q.params.iter().map(|d| vec![0.0; d.shape.iter().product()]).collect();
        for s in 0..4 {
            let out = data.outputs(&full, s);
            assert!(distance(&[losses[s]], &out[0]) < 1e-12, "seed {seed}");
            for (w, g) in wanted.iter_mut().zip(&out[1..]) {
                w.iter_mut().zip(g).for_each(|(w, g)| *w += weights[s] * g);
            }
        }
        for (a, b) in gradients.iter().zip(&wanted) {
            assert!(distance(a, b) < 1e-11, "seed {seed}: {a:?} {b:?}");
        }
    }
}

#[test]
fn a_loss_without_parameters_has_no_cotangents() {
    let mut m = Maker::new();
    let x = m.input("x", &[2]);
    let _unused = m.param("w", &[3]);
    let loss = m.p.dag.matmul(x, x);
    m.output("loss", loss);
    let plan = gradient(&m.p, loss).expect("stages");
    assert!(plan.cotangents.is_empty() && plan.epilogue.is_none());
    let data = Data::random(&m.p, 2, 1);
    let (losses, gradients) = train(&plan, &m.p, &data, &[1.0, 1.0]);
    assert_eq!(gradients, vec![vec![0.0; 3]]);
    let want: f64 = data.inputs[1][0].iter().map(|v| v * v).sum();
    assert!((losses[1] - want).abs() < 1e-15);
}

/// Flow matching with a network of `layers` hidden layers: |v(x_t, t) - (x1 - x0)|^2 / d.
fn flow_matching(layers: usize, width: usize, d: usize) -> Program {
    let mut m = Maker::new();
    let (x0, x1, t) = (m.draw("x0", &[d]), m.input("x1", &[d]), m.draw("t", &[]));
    let g = &mut m.p.dag;
    let one = g.constant(1.0);
    let rest = g.sub(one, t);
    let (a, b) = (g.mul(rest, x0), g.mul(t, x1));
    let xt = g.add(a, b);
    let t1 = g.reshape(t, &[1]);
    let mut h = g.concat(0, &[xt, t1]);
    for l in 0..layers {
        let k = m.p.dag.shape(h)[0];
        let (w, b) = (m.param(&format!("w{l}"), &[width, k]), m.param(&format!("b{l}"), &[width]));
        let g = &mut m.p.dag;
        let a = g.matmul(w, h);
        let a = g.add(a, b);
        let s = g.unary(UnaryFn::Logistic, a);
        h = g.mul(a, s);
    }
    let w = m.param("out", &[d, width]);
    let g = &mut m.p.dag;
    let v = g.matmul(w, h);
    let u = g.sub(x1, x0);
    let r = g.sub(v, u);
    let s = g.matmul(r, r);
    let loss = g.scale(1.0 / d as f64, s);
    m.output("loss", loss);
    m.p
}

#[test]
fn a_gradient_of_flow_matching_costs_three_forward_passes() {
    let (layers, width, d) = (3, 64, 2);
    let p = flow_matching(layers, width, d);
    let q = optimize(&expand(&p).expect("expands"));
    let plan = gradient(&q, q.output("loss").expect("loss")).expect("stages");
    // Nothing to hoist: parameters as they are, one sum for each, each an outer product or a vector, nothing scaled outside.
    assert!(plan.epilogue.is_none() && plan.prologue.values.iter().all(|(s, _)| matches!(s, ThetaSource::Param(_))));
    assert_eq!(plan.cotangents.len(), p.params.len());
    for &s in &plan.unit.sums {
        let Op::SumSamples(a) = *plan.unit.dag.op(s) else { panic!("one sum") };
        match (plan.unit.dag.shape(a).len(), plan.unit.dag.op(a)) {
            (2, Op::Einsum(e)) => assert!(e.operands.len() == 2 && !e.contracts()),
            (1, op) => assert!(!matches!(op, Op::SumSamples(_))),
            (_, op) => panic!("{op:?}"),
        }
    }
    // Contractions: forward, cotangents of inputs of all layers but the first, and outer products (two operations for each
    // element, as they are accumulated).
    let dag = &plan.unit.dag;
    let contractions: u64 = dag
        .ids()
        .filter(|&id| matches!(dag.op(id), Op::Einsum(e) if e.contracts()))
        .map(|id| node_flops(dag, id))
        .sum();
    let (w, d) = (width as u64, d as u64);
    let weights = w * (d + 1) + 2 * w * w + d * w;
    assert!(contractions <= 2 * weights + 2 * (weights - w * (d + 1)) + 4 * d, "{contractions}");
    // Elementwise work: a few operations for each hidden unit.
    let outer: u64 = plan.unit.sums.iter().map(|&s| node_flops(dag, s)).sum();
    let all = flops(dag, &[&plan.unit.outputs[..], &plan.unit.sums].concat());
    assert!(all.sample - contractions - weights <= 12 * layers as u64 * w + 20 * d, "{all:?} {contractions} {outer}");
}

#[test]
fn what_is_hoisted_is_transposed_once_a_step() {
    // The divergence of a field of two hidden layers: W2 o (W1 W3)' is made once, and so is its cotangent's way back.
    let (width, d) = (32, 3);
    let mut m = Maker::new();
    let x = m.input("x", &[d]);
    let (w1, w2, w3) = (m.param("w1", &[width, d]), m.param("w2", &[width, width]), m.param("w3", &[d, width]));
    let g = &mut m.p.dag;
    let mut h = x;
    for w in [w1, w2] {
        let a = g.matmul(w, h);
        h = g.unary(UnaryFn::Tanh, a);
    }
    let v = g.matmul(w3, h);
    let div = deriv(g, Deriv::Divergence(Trace::Exact), v, x);
    let loss = g.mul(div, div);
    m.output("loss", loss);
    let q = optimize(&expand(&m.p).expect("expands"));
    let plan = gradient(&q, q.output("loss").expect("loss")).expect("stages");
    let (dag, gradients) = plan.epilogue.as_ref().expect("something is computed");
    let (w, d) = (width as u64, d as u64);
    let step = flops(dag, gradients).theta;
    assert!(step <= 6 * w * w * d + 6 * w * w, "{step}");
    let unit = flops(&plan.unit.dag, &[&plan.unit.outputs[..], &plan.unit.sums].concat());
    // Of order m^2, not m^2 d: two products with C each way, the layer's own, and their outer products.
    assert!(unit.sample <= 16 * w * w + 200 * w, "{unit:?}");
}
