//! Words that users bring from other tools, and what they are called here.
//!
//! A key or metric that flowc does not have -> a help line, if the word is a known habit. Deliberately absent: misspellings
//! (`diag::suggest` finds those).

/// A key of a block or a setting of a solver.
pub(super) fn key(owner: &str, word: &str) -> Option<&'static str> {
    Some(match (owner, word) {
        ("train", "lr" | "learning_rate" | "rate" | "weight_decay" | "momentum" | "beta1" | "beta2") => {
            "it belongs to the optimizer: `optimizer: adam(lr: 1e-3)`"
        }
        ("train", "scheduler" | "lr_schedule" | "warmup") => {
            "the learning rate takes it: `optimizer: adam(lr: cosine(1e-3, steps: 5_000))`"
        }
        ("train", "batch_size" | "batchsize" | "bs") => "it is called `batch`",
        ("train", "iterations" | "iters" | "n_steps" | "num_steps" | "max_steps" | "iter") => "it is called `steps`",
        ("train", "epoch") => "it is called `epochs`; a law is drawn from without end: give `steps`",
        ("train", "time" | "minutes" | "hours" | "max_time") => "it is called `seconds`",
        ("train", "val" | "validation" | "eval_every" | "val_every") => "it is called `validate`: `validate: 500`",
        ("train", "loss" | "criterion" | "objectives") => "it is called `objective`",
        ("train", "optim" | "opt") => "it is called `optimizer`",
        ("train", "model" | "net" | "network" | "field") => {
            "the objective names what is trained: `objective: flow_matching(v, straight)`"
        }
        ("train", "path") => "the objective takes it: `objective: flow_matching(v, straight)`",
        ("train", "grad_clip" | "gradient_clip" | "clip_norm" | "max_norm" | "clip_grad_norm") => "it is called `clip`",
        ("train" | "generate", "seed" | "seeds") => "it stands at top level, without a colon: `seed 0`",
        ("train" | "generate", "precision" | "dtype") => "it stands at top level, without a colon: `precision f64`",
        ("train", "data" | "dataset" | "target") => "the data are a law at top level: `target = moons(noise: 0.05)`",
        ("generate", "samples" | "n_samples" | "num_samples" | "n" | "number" | "size" | "batch") => {
            "it is called `count`"
        }
        ("generate", "method" | "integrator" | "ode_solver") => "it is called `solver`",
        ("generate", "steps" | "n_steps" | "num_steps" | "nfe") => "the solver takes it: `solver: euler(steps: 100)`",
        ("generate", "rtol" | "atol" | "tol") => "the solver takes it: `solver: dopri5(rtol: 1e-5, atol: 1e-5)`",
        ("generate", "law" | "flow" | "model" | "from" | "field") => "it is called `sampler`: `sampler: flow(v)`",
        ("metric", "steps" | "n_steps" | "nfe") => "the solver takes it: `solver: euler(steps: 5)`",
        ("metric", "n" | "samples" | "n_samples") => "it is called `count`",
        ("solver", "tol" | "tolerance") => "there are two: `rtol`, relative to the state, and `atol`, absolute",
        ("solver", "dt" | "h" | "step_size" | "stepsize") => "it is called `step`; or give a number of `steps`",
        ("solver", "n" | "n_steps" | "num_steps" | "N") => "it is called `steps`",
        ("tableau", "b_hat" | "bhat" | "b_star" | "b2" | "embedded" | "e" | "error") => "it is called `b_err`",
        ("tableau", "A") => "it is called `a`",
        _ => return None,
    })
}

/// A metric.
pub(super) fn metric(word: &str) -> Option<&'static str> {
    Some(match word.to_lowercase().as_str() {
        "w2" | "wasserstein" | "ot" | "emd" | "earth_mover" => {
            "it is called `wasserstein2`, or `wasserstein1` without squares"
        }
        "w1" => "it is called `wasserstein1`",
        "swd" | "sw2" | "sliced" | "sliced_wasserstein" => "it is called `sliced_wasserstein2`",
        "fid" => "FID needs features of a trained network; `frechet` compares Gaussians in raw coordinates",
        "log_likelihood" | "likelihood" | "loglik" | "ll" | "logp" | "log_prob" | "bpd" | "bits_per_dim" | "loss" => {
            "`nll` is minus the mean log-density, in nats"
        }
        "kl_divergence" | "kld" => "it is called `kl`",
        "energy" | "kinetic_energy" | "transport_cost" => {
            "`path_energy` is the kinetic energy along trajectories, `energy_distance` compares samples"
        }
        "evaluations" | "steps" | "num_evals" => "it is called `nfe`",
        _ => return None,
    })
}
