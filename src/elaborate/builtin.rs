//! The functions that the language itself has: what cannot be written in `.flow`.

use crate::ir::UnaryFn;

macro_rules! builtins {
    ($($name:ident $word:literal $signature:literal $doc:literal;)*) => {
        /// A function of the language.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Builtin { $(#[doc = $doc] $name,)* }

        impl Builtin {
            /// The function of that name.
            pub fn by_name(name: &str) -> Option<Builtin> {
                match name { $($word => Some(Builtin::$name),)* _ => None }
            }
            /// Every name.
            pub fn names() -> impl Iterator<Item = &'static str> {
                [$($word),*].into_iter()
            }
            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(Builtin::$name => $word),* }
            }
            /// How it is called.
            pub fn signature(self) -> &'static str {
                match self { $(Builtin::$name => $signature),* }
            }
            /// What it does.
            pub fn doc(self) -> &'static str {
                match self { $(Builtin::$name => $doc),* }
            }
        }
    };
}

builtins! {
    Exp "exp" "exp(x)" "e^x, elementwise";
    Log "log" "log(x)" "natural logarithm, elementwise";
    Sqrt "sqrt" "sqrt(x)" "square root, elementwise";
    Sin "sin" "sin(x)" "sine, elementwise";
    Cos "cos" "cos(x)" "cosine, elementwise";
    Tanh "tanh" "tanh(x)" "hyperbolic tangent, elementwise";
    Sigmoid "sigmoid" "sigmoid(x)" "1 / (1 + e^-x), elementwise";
    Softplus "softplus" "softplus(x)" "log(1 + e^x), elementwise";
    Erf "erf" "erf(x)" "error function, elementwise";
    Abs "abs" "abs(x)" "absolute value, elementwise";
    Sign "sign" "sign(x)" "-1, 0 or 1, elementwise";
    Floor "floor" "floor(x)" "greatest integer not above x, elementwise";
    Max "max" "max(a, b)" "the greater, elementwise";
    Min "min" "min(a, b)" "the lesser, elementwise";
    Dim "dim" "dim(x)" "extent of a vector, rows of a matrix, 1 for a real; of a law: of its draws";
    Length "length" "length(list)" "how many items a list or range has";
    Concat "concat" "concat(a, b, ...)" "joins reals and vectors to one vector";
    Sum "sum" "sum(x)" "sum of the elements of a vector or matrix, or of the items of a list";
    Mean "mean" "mean(x)" "mean of the elements of a vector or matrix, or of the items of a list";
    Dot "dot" "dot(a, b)" "inner product";
    Norm "norm" "norm(x)" "Euclidean norm; `norm(x)^2` is `dot(x, x)`, also to derivatives";
    Outer "outer" "outer(a, b)" "outer product of two vectors";
    Transpose "transpose" "transpose(A)" "swaps the axes of a matrix";
    Identity "identity" "identity(n)" "identity matrix";
    Zeros "zeros" "zeros(n)" "vector of n zeros";
    OneHot "one_hot" "one_hot(i, n)" "vector of n zeros but for a 1 at i";
    Inverse "inverse" "inverse(A)" "inverse of a small symmetric positive definite matrix";
    LogDet "log_det" "log_det(A)" "logarithm of the determinant of a small symmetric positive definite matrix";
    Cholesky "cholesky" "cholesky(A)" "lower triangular L with L @ transpose(L) = A, A small and symmetric positive definite";
    Fold "fold" "fold(list, start, (state, item) => ...)" "applies a function to each item in turn, unrolled";
    Map "map" "map(list, item => ...)" "applies a function to each item, unrolled";
    Reverse "reverse" "reverse(list)" "the items from last to first";
    Linspace "linspace" "linspace(a, b, n)" "n equally spaced reals from a to b";
    Stop "stop" "stop(e)" "e, constant to every derivative";
    Diff "diff" "diff(e, t)" "total derivative of e with respect to a name: every let moves";
    Partial "partial" "partial(e, t)" "derivative of e as written: every other name is held";
    Grad "grad" "grad(e, x)" "gradient of a real e";
    Jacobian "jacobian" "jacobian(e, x)" "matrix of derivatives";
    Div "div" "div(e, x, exact | hutchinson(rademacher, probes: 1))" "divergence: trace of the jacobian";
    Laplacian "laplacian" "laplacian(e, x)" "divergence of the gradient of a real e";
    Jvp "jvp" "jvp(e, x, w)" "jacobian times w";
    Vjp "vjp" "vjp(e, x, w)" "transposed jacobian times w";
    LogDensity "log_density" "log_density(law, x | y)" "log-density of a law at x";
    Entropy "entropy" "entropy(law)" "entropy of a law in nats, none where it is not known";
    Modes "modes" "modes(law)" "what a law is a mixture of: a list of (weight, of), none where it is not known";
    Exact "exact" "exact" "the exact trace";
    Hutchinson "hutchinson" "hutchinson(probe law, probes: 1)" "an unbiased estimate of the trace, one probe a trajectory (Hutchinson 1990)";
    RawUniform "raw_uniform" "raw_uniform(n)" "n independent uniforms on (0, 1); without n: one";
    RawNormal "raw_normal" "raw_normal(n)" "n independent standard normals; without n: one";
    OptimalTransport "optimal_transport" "optimal_transport(a, b, batch: 256, pairs: permute | resample, condition: none)" "exact minibatch optimal transport of squared distance";
    Sinkhorn "sinkhorn" "sinkhorn(a, b, epsilon, batch: 256, pairs: permute | resample, condition: none, tolerance: 1e-6, iterations: 10_000)" "entropic minibatch optimal transport: pairs drawn from Sinkhorn's plan";
    Trajectories "trajectories" "trajectories(field, start: x0 | law, times: list, count: 1, solver: ...)" "a set of curves that a known field makes: a draw is (times, states)";
    Segments "segments" "segments(data, length: n)" "runs of n neighbouring times of trajectories, all of them: a draw is (times, states)";
    Dataset "dataset" "dataset(law, count: n)" "n draws of a law or coupling, made once; every epoch of training shuffles them";
    File "file" "file(\"x.csv\", features:, label:, standardize:, split:, seed:, header:, delimiter:)" "the rows of a csv, tsv, npy, npz, idx or parquet file";
    PerFeature "per_feature" "per_feature" "mean 0 and deviation 1 of each feature";
    Global "global" "global" "mean 0 and deviation 1 of all features together";
    Each "each" "each" "every class equally often";
    ByLabel "label" "label" "of each class by itself";
    Permute "permute" "permute" "every point of a minibatch is used once as x0";
    Resample "resample" "resample" "pairs are drawn from the plan with replacement";
}

impl Builtin {
    /// The elementwise function behind a name.
    pub fn elementwise(self) -> Option<UnaryFn> {
        match self {
            Builtin::Exp => Some(UnaryFn::Exp),
            Builtin::Log => Some(UnaryFn::Log),
            Builtin::Sqrt => Some(UnaryFn::Sqrt),
            Builtin::Sin => Some(UnaryFn::Sin),
            Builtin::Cos => Some(UnaryFn::Cos),
            Builtin::Tanh => Some(UnaryFn::Tanh),
            Builtin::Sigmoid => Some(UnaryFn::Logistic),
            Builtin::Softplus => Some(UnaryFn::Softplus),
            Builtin::Erf => Some(UnaryFn::Erf),
            Builtin::Abs => Some(UnaryFn::Abs),
            Builtin::Sign => Some(UnaryFn::Sign),
            Builtin::Floor => Some(UnaryFn::Floor),
            _ => None,
        }
    }
}
