//! Programs built by hand, for tests and benchmarks.

use flowc::ir::{
    Dag, DrawDecl, DrawId, DrawKind, Init, InputDecl, InputId, NodeId, ParamDecl, ParamId, Program, RegionId, Solve,
    UnaryFn,
};
use flowc::source::{FileId, Span};

/// A place that is nowhere.
pub const NOWHERE: Span = Span { file: FileId(0), start: 0, end: 0 };

/// A program under construction.
#[derive(Default)]
pub struct Builder {
    /// So far.
    pub program: Program,
}

impl Builder {
    /// The operations.
    pub fn dag(&mut self) -> &mut Dag {
        &mut self.program.dag
    }

    /// A new parameter.
    pub fn param(&mut self, name: &str, shape: &[usize], init: Init) -> NodeId {
        let id = ParamId(self.program.params.len() as u32);
        self.program.params.push(ParamDecl { name: name.to_owned(), shape: shape.to_vec(), init, span: NOWHERE });
        self.program.dag.param(id, shape.to_vec())
    }

    /// A new draw.
    pub fn draw(&mut self, site: &str, kind: DrawKind, shape: &[usize]) -> NodeId {
        let id = DrawId(self.program.draws.len() as u32);
        self.program.draws.push(DrawDecl { site: site.to_owned(), kind, shape: shape.to_vec() });
        self.program.dag.draw(id, shape.to_vec())
    }

    /// A new input.
    pub fn input(&mut self, name: &str, shape: &[usize]) -> NodeId {
        let id = InputId(self.program.inputs.len() as u32);
        self.program.inputs.push(InputDecl::new(name, shape.to_vec()));
        self.program.dag.input(id, shape.to_vec())
    }

    /// `silu(W x + b)` repeated over `hidden`, then a linear layer: a multilayer perceptron with weights uniform within
    /// `1 / sqrt(inputs)`.
    pub fn mlp(&mut self, name: &str, x: NodeId, hidden: &[usize], outputs: usize) -> NodeId {
        let mut x = x;
        for (layer, &m) in hidden.iter().chain([&outputs]).enumerate() {
            let n = self.dag().shape(x)[0];
            let bound = 1.0 / (n as f64).sqrt();
            let w = self.param(&format!("{name}.{layer}.W"), &[m, n], Init::Uniform(-bound, bound));
            let b = self.param(&format!("{name}.{layer}.b"), &[m], Init::Uniform(-bound, bound));
            let dag = self.dag();
            let z = dag.matmul(w, x);
            x = dag.add(z, b);
            if layer < hidden.len() {
                let s = dag.unary(UnaryFn::Logistic, x);
                x = dag.mul(x, s);
            }
        }
        x
    }

    /// Two interleaved half circles with noise of deviation 0.05, shifted and scaled to about unit variance.
    pub fn moons(&mut self) -> NodeId {
        let turn = self.draw("target.turn", DrawKind::Uniform, &[]);
        let arm = self.draw("target.arm", DrawKind::Uniform, &[]);
        let noise = self.draw("target.noise", DrawKind::Normal, &[2]);
        let dag = self.dag();
        let angle = dag.scale(std::f64::consts::PI, turn);
        let (c, s) = (dag.unary(UnaryFn::Cos, angle), dag.unary(UnaryFn::Sin, angle));
        let (one, half) = (dag.constant(1.0), dag.constant(0.5));
        let (c2, s2) = (dag.sub(one, c), dag.sub(half, s));
        let upper = dag.less(arm, half);
        let (x, y) = (dag.select(upper, c, c2), dag.select(upper, s, s2));
        let (x, y) = (dag.reshape(x, &[1]), dag.reshape(y, &[1]));
        let point = dag.concat(0, &[x, y]);
        let noise = dag.scale(0.05, noise);
        let point = dag.add(point, noise);
        let centre = dag.tensor(&[0.5, 0.25], vec![2]);
        let scale = dag.tensor(&[1.0 / 0.87, 1.0 / 0.5], vec![2]);
        let point = dag.sub(point, centre);
        dag.mul(point, scale)
    }

    /// `(1 - t) x0 + t x1` and the mean square of `field(x_t, t) - (x1 - x0)`.
    pub fn flow_matching(&mut self, x1: NodeId, hidden: &[usize]) -> NodeId {
        let d = self.dag().shape(x1)[0];
        let x0 = self.draw("source", DrawKind::Normal, &[d]);
        let t = self.draw("time", DrawKind::Uniform, &[]);
        let dag = self.dag();
        let one = dag.constant(1.0);
        let rest = dag.sub(one, t);
        let (a, b) = (dag.mul(x0, rest), dag.mul(x1, t));
        let xt = dag.add(a, b);
        let t1 = dag.reshape(t, &[1]);
        let point = dag.concat(0, &[xt, t1]);
        let v = self.mlp("v", point, hidden, d);
        let dag = self.dag();
        let u = dag.sub(x1, x0);
        let e = dag.sub(v, u);
        let square = dag.einsum(&[(e, &[0]), (e, &[0])], &[]);
        dag.scale(1.0 / d as f64, square)
    }

    /// Names a result and gives the program.
    pub fn finish(mut self, outputs: &[(&str, NodeId)]) -> Program {
        self.program.outputs = outputs.iter().map(|(name, id)| ((*name).to_owned(), *id)).collect();
        self.program
    }
}

/// Flow matching from a normal to two moons.
pub fn moons_matching(hidden: &[usize]) -> (Program, NodeId) {
    let mut b = Builder::default();
    let x1 = b.moons();
    let loss = b.flow_matching(x1, hidden);
    (b.finish(&[("loss", loss)]), loss)
}

/// `x' = (t + 1) A x` with a rotation-and-shrinking A as a parameter, from a normal draw, time 0 to 1, with the draw and the
/// end as outputs, and a column `shift` added at the end.
pub fn linear_field(a: [f64; 4]) -> Program {
    let mut b = Builder::default();
    let rows: Vec<NodeId> =
        a.iter().enumerate().map(|(i, &x)| b.param(&format!("a{i}"), &[1], Init::Constant(x))).collect();
    let shift = b.input("shift", &[2]);
    let x0 = b.draw("x0", DrawKind::Normal, &[2]);
    let region = RegionId(0);
    let dag = b.dag();
    let flat = dag.concat(0, &rows);
    let matrix = dag.reshape(flat, &[2, 2]);
    let (t0, t1) = (dag.constant(0.0), dag.constant(1.0));
    let (x, t) = (dag.state(region, 0, vec![2]), dag.time(region));
    let speed = dag.add(t, t1);
    let ax = dag.matmul(matrix, x);
    let slope = dag.mul(ax, speed);
    let ends = dag.solve(Solve {
        region,
        t0,
        t1,
        names: vec!["x".to_owned()],
        inits: vec![x0],
        derivs: vec![slope],
        solver: u32::MAX,
        at: None,
        noise: None,
    });
    let shifted = dag.add(ends[0], shift);
    b.finish(&[("start", x0), ("end", shifted)])
}
