//! What is probed before a run: velocities that outgrow the state, functions with corners. The warning comes where the
//! mathematics says so, whether the form of a function tells or its values far out.

use crate::check::check_text;
use flowc::diag::Code;

fn warns(text: &str, code: Code) -> bool {
    let (messages, _) = check_text("spec.flow", text);
    assert!(messages.iter().all(|d| !d.code.number().starts_with('E')), "{text}\n{messages:?}");
    messages.iter().any(|d| d.code == code)
}

fn grows(velocity: &str) -> bool {
    let spec = format!(
        "source = normal(dim: 2)\nfield v(x, t) {{\n  param w: real = 1\n  {velocity}\n}}\n\
         generate {{ sampler: flow(v), solver: euler(steps: 4) }}\nevaluate [nfe]\n"
    );
    warns(&spec, Code::SuperlinearGrowth)
}

#[test]
fn velocities_that_outgrow_the_state_are_told_and_no_others() {
    for bounded in [
        "w * x",
        "w * tanh(x) * x",
        "silu(w * x)",
        "gelu(x) + softplus(x) - elu(w * x)",
        "x * exp(-norm(x)^2)",
        "w * x * norm(x)^2 / (1 + norm(x)^2)",
        "sqrt(w^2 + x[0]^2) * [1, 0]",
        "softsign(x) * x + sin(x) * norm(x)",
        "exp(min(x, 0)) * x + x / (1 + exp(w + t))",
        "[max(x[0], w * x[1]), norm(x) * (if x[0] > 0 then 1 else 2)]",
    ] {
        assert!(!grows(bounded), "{bounded}");
    }
    for fast in [
        "w * norm(x) * x",
        "x * x",
        "x * softplus(w * x)",
        "exp(w * x)",
        "x / exp(-x)",
        "x * x[0]^2 / (1 + x[1]^2)^0.5",
    ] {
        assert!(grows(fast), "{fast}");
    }
}

/// Every draw counts for itself: noise does not hide in a difference, and what vanishes at both ends is no noise there.
#[test]
fn noise_at_the_ends_of_a_path_is_told() {
    let code = |noise: &str| {
        let text = format!(
            "source = normal(dim: 2)\ntarget = moons\nfield v(x, t) = mlp(concat(x, t), hidden: [8], out: dim(x))\n\
             path p(x0, x1, t) {{\n  draw a ~ normal(dim: dim(x0))\n  draw b ~ normal(dim: dim(x0))\n  \
             (1 - t) * x0 + t * x1 + {noise}\n}}\n\
             train {{ objective: flow_matching(v, p), steps: 10 }}\n"
        );
        let (messages, _) = check_text("spec.flow", &text);
        let of_ends = |c: &Code| matches!(c, Code::PathMissesStart | Code::PathMissesEnd | Code::PathNearMiss);
        messages.iter().map(|d| d.code).find(of_ends)
    };
    assert_eq!(code("2 * (a - b)"), Some(Code::PathMissesStart));
    assert_eq!(code("t * a + 0 * b"), Some(Code::PathMissesEnd));
    assert_eq!(code("0.05 * (a - b)"), Some(Code::PathNearMiss));
    assert_eq!(code("t * (1 - t) * (a + 3 * b)"), None);
}

fn cornered(function: &str) -> bool {
    let spec = format!(
        "source = normal(dim: 2)\ntarget = moons\nfn bent(z) = {function}\n\
         field v(x, t) = mlp(concat(x, t), hidden: [8], out: dim(x), activation: bent)\n\
         train {{ objective: max_likelihood(flow(v)), steps: 10, solver: rk4(steps: 4) }}\n"
    );
    warns(&spec, Code::CornerUnderDivergence)
}

#[test]
fn corners_are_found_wherever_they_lie_and_smooth_functions_have_none() {
    for smooth in [
        "tanh(z)",
        "if z > 0 then z^2 else 0 - z^2",
        "max(z, 0)^2",
        "if z > 0 then z else exp(min(z, 0)) - 1",
        "max(tanh(z), tanh(z))",
        "abs(z)^3",
    ] {
        assert!(!cornered(smooth), "{smooth}");
    }
    for bent in
        ["max(z, 0)", "abs(z - 2.5)", "min(tanh(z), 0.3)", "if z < 1 then z else 2 * z - 1", "abs(sin(z) - 0.5)"]
    {
        assert!(cornered(bent), "{bent}");
    }
}
