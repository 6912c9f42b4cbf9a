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
        "mle" | "nll_loss" | "likelihood" | "maximum_likelihood" => "the objective is `max_likelihood(flow(v))`",
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
        "rk45" | "RK45" | "ode45" | "dopri" | "tsit5" | "odeint" | "dop853" => {
            "an adaptive solver is `dopri5(rtol: 1e-5, atol: 1e-5)`"
        }
        "rk2" | "heun2" => "methods of order 2 are `midpoint`, `heun` and `ralston`",
        "Identity" | "eye" => "it is called `identity(n)`",
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
