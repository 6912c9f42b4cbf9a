//! Random programs over every differentiable operation, and their values.

use flowc::ir::{
    Dag, Deriv, DrawDecl, DrawId, DrawKind, Init, InputDecl, InputId, NodeId, Op, ParamDecl, ParamId, Program, UnaryFn,
    eval,
};
use flowc::source::{FileId, Span};

/// A small deterministic generator (splitmix64).
pub struct Rng(pub u64);

impl Rng {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }
    /// Uniform on (-1, 1).
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// Declares leaves as it makes them.
pub struct Maker {
    pub p: Program,
}

pub fn span() -> Span {
    Span { file: FileId(0), start: 0, end: 1 }
}

impl Maker {
    pub fn new() -> Self {
        Maker { p: Program::default() }
    }
    pub fn param(&mut self, name: &str, shape: &[usize]) -> NodeId {
        let id = ParamId(self.p.params.len() as u32);
        let shape = shape.to_vec();
        self.p.params.push(ParamDecl {
            name: name.into(),
            shape: shape.clone(),
            init: Init::Constant(0.0),
            span: span(),
        });
        self.p.dag.param(id, shape)
    }
    pub fn input(&mut self, name: &str, shape: &[usize]) -> NodeId {
        let id = InputId(self.p.inputs.len() as u32);
        self.p.inputs.push(InputDecl::new(name, shape.to_vec()));
        self.p.dag.input(id, shape.to_vec())
    }
    pub fn draw(&mut self, site: &str, shape: &[usize]) -> NodeId {
        let id = DrawId(self.p.draws.len() as u32);
        self.p.draws.push(DrawDecl { site: site.into(), kind: DrawKind::Normal, shape: shape.to_vec() });
        self.p.dag.draw(id, shape.to_vec())
    }
    pub fn output(&mut self, name: &str, id: NodeId) {
        self.p.outputs.push((name.into(), id));
    }
}

/// Values of parameters, inputs and draws; inputs and draws by sample.
#[derive(Clone)]
pub struct Data {
    pub params: Vec<Vec<f64>>,
    pub inputs: Vec<Vec<Vec<f64>>>,
    pub draws: Vec<Vec<Vec<f64>>>,
}

impl Data {
    pub fn random(p: &Program, batch: usize, seed: u64) -> Data {
        let mut rng = Rng(seed ^ 0xdada);
        let mut fill = |shape: &[usize]| (0..shape.iter().product()).map(|_| rng.unit()).collect::<Vec<f64>>();
        Data {
            params: p.params.iter().map(|d| fill(&d.shape)).collect(),
            inputs: (0..batch).map(|_| p.inputs.iter().map(|d| fill(&d.shape)).collect()).collect(),
            draws: (0..batch).map(|_| p.draws.iter().map(|d| fill(&d.shape)).collect()).collect(),
        }
    }
    pub fn leaf(&self, dag: &Dag, sample: usize, id: NodeId) -> Option<Vec<f64>> {
        match dag.op(id) {
            Op::Param(p) => self.params.get(p.0 as usize).cloned(),
            Op::Input(i) => self.inputs[sample].get(i.0 as usize).cloned(),
            Op::Draw(d) => self.draws[sample].get(d.0 as usize).cloned(),
            _ => None,
        }
    }
    /// Values of nodes at a sample.
    pub fn eval(&self, dag: &Dag, roots: &[NodeId], sample: usize) -> Vec<Vec<f64>> {
        eval::evaluate(dag, roots, |id| self.leaf(dag, sample, id)).expect("evaluates")
    }
    /// Values of all outputs at a sample.
    pub fn outputs(&self, p: &Program, sample: usize) -> Vec<Vec<f64>> {
        let roots: Vec<NodeId> = p.outputs.iter().map(|(_, id)| *id).collect();
        self.eval(&p.dag, &roots, sample)
    }
}

/// A random program: input `x` of 3, further leaves, and a pool of values that mostly depend on `x`.
pub struct Random {
    pub m: Maker,
    pub x: NodeId,
    pub pool: Vec<NodeId>,
    pub rng: Rng,
}

/// `smooth`: only operations whose second and third derivatives exist everywhere.
pub fn random(seed: u64, steps: usize, smooth: bool) -> Random {
    let mut m = Maker::new();
    let x = m.input("x", &[3]);
    let t = m.input("t", &[]);
    let z = m.draw("z", &[4]);
    let w = m.param("W", &[4, 3]);
    let a = m.param("A", &[3, 4]);
    let b = m.param("b", &[4]);
    let s = m.param("s", &[]);
    let square = m.param("S", &[3, 3]);
    let mut r = Random { m, x, pool: vec![x, t, z, w, a, b, s, square], rng: Rng(seed) };
    let h = r.m.p.dag.matmul(w, x);
    r.pool.push(h);
    for _ in 0..steps {
        r.step(smooth);
    }
    r
}

impl Random {
    /// A recent value, or any.
    pub fn pick(&mut self) -> NodeId {
        let n = self.pool.len();
        if self.rng.below(2) == 0 { self.pool[n - 1 - self.rng.below(n.min(4))] } else { self.pool[self.rng.below(n)] }
    }
    fn pick_of(&mut self, shape: &[usize]) -> Option<NodeId> {
        let fits: Vec<NodeId> = self.pool.iter().copied().filter(|&id| self.m.p.dag.shape(id) == shape).collect();
        if fits.is_empty() { None } else { Some(fits[self.rng.below(fits.len())]) }
    }
    /// One more value, of any operation.
    pub fn advance(&mut self) {
        self.step(false);
    }
    fn step(&mut self, smooth: bool) {
        let a = self.pick();
        let shape = self.m.p.dag.shape(a).to_vec();
        let b = self.pick_of(&shape).expect("at least itself");
        let c = self.pick_of(&shape).expect("at least itself");
        let scalar = self.pick_of(&[]).expect("t");
        let kind = self.rng.below(if smooth { 15 } else { 22 });
        let number = self.rng.unit();
        let choose = self.rng.below(8);
        let (v3, v4) = (self.pick_of(&[3]).expect("x"), self.pick_of(&[4]).expect("b"));
        let (m43, m34, m33) = (self.pick_of(&[4, 3]), self.pick_of(&[3, 4]), self.pick_of(&[3, 3]));
        let d = &mut self.m.p.dag;
        let one = d.filled(1.0, a);
        let new = match kind {
            0 => d.add(a, b),
            1 => d.sub(a, b),
            2 => d.mul(a, b),
            3 => d.mul(a, scalar),
            4 => d.scale(number, a),
            5 => d.unary([UnaryFn::Tanh, UnaryFn::Sin, UnaryFn::Cos, UnaryFn::Logistic][choose % 4], a),
            6 => {
                let small = d.unary(UnaryFn::Tanh, a);
                d.unary([UnaryFn::Exp, UnaryFn::Softplus, UnaryFn::Erf, UnaryFn::Sin][choose % 4], small)
            }
            7 => {
                // log, sqrt, recip of something above 1/2.
                let q = d.unary(UnaryFn::Softplus, a);
                let half = d.scale(0.5, one);
                let q = d.add(q, half);
                let y = d.unary([UnaryFn::Log, UnaryFn::Sqrt, UnaryFn::Recip][choose % 3], q);
                d.unary(UnaryFn::Tanh, y)
            }
            8 => d.matmul(m43.expect("W"), v3),
            9 => d.matmul(m34.expect("A"), v4),
            10 => match choose {
                0 | 1 => d.matmul(v3, v3),
                2 | 3 => d.matmul(v4, v4),
                4 => d.einsum(&[(m33.expect("S"), &[0, 0])], &[]),
                5 => d.sum_all(a),
                6 => d.einsum(&[(m33.expect("S"), &[0, 0])], &[0]),
                _ => d.einsum(&[(v3, &[0]), (m33.expect("S"), &[0, 1]), (v3, &[1])], &[]),
            },
            11 => {
                let wide = d.einsum(&[(v4, &[0]), (v3, &[1])], &[0, 1]);
                let flat = d.unary(UnaryFn::Tanh, wide);
                match choose % 3 {
                    0 => flat,
                    1 => d.reshape(flat, &[3, 4]),
                    _ => d.transpose(flat),
                }
            }
            12 => {
                let p = d.slice(v3, 0, choose % 2, 2);
                let q = d.slice(v4, 0, choose % 3, 2);
                d.concat(0, &[q, p])
            }
            13 => match choose % 4 {
                0 => {
                    let p = d.slice(v4, 0, 1, 2);
                    d.pad(p, 0, choose % 2, 3)
                }
                1 => {
                    let wide = d.pad(v3, 0, 1, 4);
                    d.add(wide, v4)
                }
                2 => {
                    let e = d.eye(3);
                    let diag = d.einsum(&[(v3, &[0]), (e, &[0, 1])], &[0, 1]);
                    d.matmul(diag, m33.expect("S"))
                }
                _ => {
                    let t = d.reshape(scalar, &[1]);
                    d.concat(0, &[v3, t])
                }
            },
            14 => {
                let k = d.powi(a, 2 + (choose % 2) as i64);
                d.unary(UnaryFn::Tanh, k)
            }
            15 => d.max(a, b),
            16 => d.min(a, b),
            17 => d.unary(UnaryFn::Abs, a),
            18 => {
                let cond = d.less(a, b);
                d.select(cond, c, a)
            }
            19 => {
                let cond = d.less_eq(b, a);
                let zero = d.scale(0.0, a);
                d.select(cond, c, zero)
            }
            20 => d.stop(a),
            _ => d.unary([UnaryFn::Sign, UnaryFn::Floor][choose % 2], a),
        };
        self.pool.push(new);
    }
    /// A scalar that depends on the last few values.
    pub fn scalar(&mut self) -> NodeId {
        let last: Vec<NodeId> = self.pool[self.pool.len() - 5..].to_vec();
        let d = &mut self.m.p.dag;
        let mut sum = d.constant(0.0);
        for id in last {
            let y = d.unary(UnaryFn::Sin, id);
            let s = d.sum_all(y);
            sum = d.add(sum, s);
        }
        sum
    }
    /// A vector of 3 that depends on the last values and on x.
    pub fn vector(&mut self) -> NodeId {
        let s = self.scalar();
        let (x, m) = (self.x, self.pick_of(&[3, 3]).expect("S"));
        let v3 = self.pick_of(&[3]).expect("x");
        let d = &mut self.m.p.dag;
        let mx = d.matmul(m, v3);
        let y = d.add(mx, x);
        let y = d.unary(UnaryFn::Tanh, y);
        d.mul(y, s)
    }
}

/// A derivative node.
pub fn deriv(d: &mut Dag, kind: Deriv, of: NodeId, wrt: NodeId) -> NodeId {
    d.deriv(kind, of, wrt, vec![])
}

/// Largest difference relative to the size of both (at least 1).
pub fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len(), "equal sizes");
    let size = a.iter().chain(b).fold(1.0f64, |m, v| m.max(v.abs()));
    a.iter().zip(b).fold(0.0f64, |m, (x, y)| if (x - y).is_nan() { f64::INFINITY } else { m.max((x - y).abs()) }) / size
}

/// Central difference of order 4 along a line.
pub fn slope(f: impl Fn(f64) -> Vec<f64>) -> Vec<f64> {
    let h = 1e-3;
    let at = |s: f64| f(s * h);
    let (p1, m1, p2, m2) = (at(1.0), at(-1.0), at(2.0), at(-2.0));
    (0..p1.len()).map(|k| (8.0 * (p1[k] - m1[k]) - (p2[k] - m2[k])) / (12.0 * h)).collect()
}
