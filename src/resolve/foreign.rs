//! Names that users bring from other tools, and how the same is said here.
//!
//! An unknown name -> a help line, if the name is a known habit. Deliberately absent: misspellings (`diag::suggest` finds
//! those); a name that the file or the library defines is never looked up here.

/// What to write instead.
pub(super) fn word(name: &str) -> Option<&'static str> {
    Some(match name {
        "linear" | "Linear" | "Dense" | "fc" | "affine_layer" => {
            "a layer is `dense(x, out: 64)`, a network `mlp(x, out: dim(x))`"
        }
        "cat" | "concatenate" | "hstack" | "stack" | "vstack" | "join" => "vectors are joined by `concat(a, b)`",
        "randn" | "gaussian" | "Gaussian" | "gauss" | "Normal" | "N" | "standard_normal" => {
            "the law is `normal(dim: 2)`"
        }
        "rand" | "Uniform" | "unif" => "the law is `uniform(0, 1)`",
        "two_moons" | "make_moons" | "twomoons" => "the law is `moons(noise: 0.05)`",
        "8gaussians" | "gaussians" | "eightgaussians" => "the law is `eight_gaussians(radius: 5, std: 1)`",
        "ot" | "cond_ot" | "cot" | "condot" | "linear_path" | "rectified" | "lerp" => {
            "the path of straight lines is `straight`"
        }
        "ddpm" | "vpsde" | "VP" | "cosine_path" => "paths are `straight`, `vp` and `trig`; `flowc std vp` shows one",
        "CFM" | "cfm" | "fm" | "conditional_flow_matching" => "the objective is `flow_matching(v, straight)`",
        "mle" | "nll" | "nll_loss" | "likelihood" | "log_likelihood" | "maximum_likelihood" => {
            "the objective is `max_likelihood(flow(v))`"
        }
        "mse" | "mse_loss" | "MSE" | "l2" => "a squared distance is `norm(a - b)^2`",
        "inv" | "pinv" => "it is called `inverse(A)`",
        "logdet" | "slogdet" => "it is called `log_det(A)`",
        "matmul" | "mm" | "bmm" => "the matrix product is `A @ x`",
        "pow" | "power" | "square" => "powers are written `x^2`",
        "divergence" | "trace" => "the divergence is `div(v(x, t), x)`",
        "gradient" | "autograd" | "derivative" | "D" => {
            "derivatives are `grad(e, x)`, `diff(e, t)` and `jacobian(e, x)`"
        }
        "detach" | "stop_gradient" | "stop_grad" | "no_grad" => "it is called `stop(e)`",
        "ln" => "the natural logarithm is `log`",
        "len" => "it is called `length(list)`, or `dim(x)` of a vector",
        "shape" | "size" | "ndim" => "the extent of a vector is `dim(x)`",
        "arange" | "range" => "a range is written `0..n`; its end is excluded",
        "rk45" | "RK45" | "ode45" | "dopri" | "tsit5" | "dop853" => {
            "an adaptive solver is `dopri5(rtol: 1e-5, atol: 1e-5)`"
        }
        "odeint" | "odeint_adjoint" | "solve_ivp" | "ODESolve" | "diffeqsolve" | "sdeint" | "integrate" => {
            "an equation is solved by `solve t: 0 -> 1 { x' = v(x, t) from x0 }.x`"
        }
        "rk2" | "heun2" => "methods of order 2 are `midpoint`, `heun` and `ralston`",
        "Identity" | "eye" => "it is called `identity(n)`",
        "swish" | "Swish" => "it is called `silu`",
        "Sequential" | "Module" | "ModuleList" => "a network is `mlp(x, hidden: [64, 64], out: dim(x))`",
        "maximize" | "maximise" => "write `minimize -(..)`",
        "True" => "it is written `true`",
        "False" => "it is written `false`",
        "None" | "null" | "nil" => "it is written `none`",
        "csv" | "load" | "read_csv" | "loadtxt" => "data come from a file by `file(\"points.csv\")`",
        "heun_sde" | "milstein" | "srk" => {
            "solvers for equations with noise are `euler_maruyama`, `platen` and `sriw1`"
        }
        _ => return None,
    })
}

/// What to write instead, in the value of an option of `owner`.
pub(super) fn option(owner: &str, key: &str, name: &str) -> Option<&'static str> {
    Some(match (owner, key, name) {
        (_, "pairs", "ot" | "OT" | "optimal" | "emd" | "exact" | "minibatch_ot" | "cot") => {
            "it is called `optimal_transport`: `pairs: optimal_transport(batch: 256)`"
        }
        ("train", "fresh", "yes" | "on") | ("file", "header", "yes" | "on") => "it is written `true`",
        ("train", "fresh", "no" | "off") | ("file", "header", "no" | "off") => "it is written `false`",
        ("file", "standardize", "zscore" | "z_score" | "standard" | "columns" | "column" | "features") => {
            "mean 0 and deviation 1 of each column is `standardize: per_feature`"
        }
        ("file", "standardize", "minmax" | "min_max") => {
            "there is no scale to [0, 1]: `standardize` takes `per_feature`, `global` or `none`"
        }
        (_, "by", "class" | "classes" | "labels" | "kind") => "it is written `by: label`",
        ("train", "gradient", "backpropagation" | "exact" | "bptt" | "autograd") => "it is called `backprop`",
        _ => return None,
    })
}

/// Names by which Python reaches what is in scope here.
pub(super) fn is_package(name: &str) -> bool {
    const PACKAGES: [&str; 14] = [
        "torch",
        "nn",
        "F",
        "np",
        "numpy",
        "jnp",
        "jax",
        "math",
        "tf",
        "scipy",
        "sklearn",
        "torchdiffeq",
        "torchcfm",
        "optim",
    ];
    PACKAGES.contains(&name)
}
