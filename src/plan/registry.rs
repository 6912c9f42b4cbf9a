//! The registry of metrics: names and what they are. Deliberately absent: what each needs ([`super::metrics`]).

/// A metric of the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricInfo {
    /// Its name.
    pub name: &'static str,
    /// Whether small is good.
    pub lower_is_better: Option<bool>,
    /// What it is, with its source.
    pub doc: &'static str,
}

const fn metric(name: &'static str, lower_is_better: Option<bool>, doc: &'static str) -> MetricInfo {
    MetricInfo { name, lower_is_better, doc }
}

/// Every metric, in the order of `flowc std metrics`.
pub const METRICS: &[MetricInfo] = &[
    metric(
        "wasserstein2",
        Some(true),
        "2-Wasserstein distance of 1,000 samples, exact assignment, with the root (Villani 2009, def. 6.1)",
    ),
    metric("wasserstein1", Some(true), "1-Wasserstein distance of 1,000 samples, exact assignment"),
    metric("sliced_wasserstein2", Some(true), "2-Wasserstein distance of 128 random projections (Bonneel et al. 2015)"),
    metric("energy_distance", Some(true), "energy distance (Szekely and Rizzo 2013, eq. 1.2), with the root"),
    metric(
        "mmd",
        Some(true),
        "squared maximum mean discrepancy of 1,000 samples (Gretton et al. 2012, eq. 3): the sum of the kernels \
         exp(-|x - y|^2 / (2 s^2)) with s = 0.01, 0.1, 1, 10, 100 (`mix_rbf_mmd2` of torchcfm), in the units of the data",
    ),
    metric("frechet", Some(true), "Frechet distance of Gaussians fitted in raw coordinates; not FID"),
    metric(
        "mode_weights",
        Some(true),
        "total variation distance between the weights of the target's modes and their shares of 10,000 samples, by the \
         modes' probabilities at each",
    ),
    metric("nll", Some(true), "mean of minus the log-density at 10,000 fresh points of the target, nats"),
    metric(
        "bits_per_dim",
        Some(true),
        "nll in bits, over the number of components (Papamakarios et al. 2017, app. E.2)",
    ),
    metric(
        "kl",
        Some(true),
        "KL divergence from the target to the flow at 10,000 fresh points, nats: nll minus the target's own",
    ),
    metric(
        "calibration",
        Some(true),
        "largest gap between the mass that the law states for its regions of highest density and the share of the target \
         in them, 5,000 points (Hermans et al. 2022, def. 2.1)",
    ),
    metric(
        "effective_sample_size",
        Some(false),
        "(sum w)^2 / (n sum w^2) of importance weights w from 10,000 samples to an energy (Kong 1992); takes the energy",
    ),
    metric(
        "log_normalizer",
        None,
        "log of the mean importance weight to an energy, nats: a lower bound of log Z on average (Burda et al. 2016, eq. 8)",
    ),
    metric("path_energy", Some(true), "mean of the integral of the squared velocity along sampled trajectories"),
    metric("npe", Some(true), "|path energy - W2^2| / W2^2 of source and target (Tong et al. 2024, §5.1)"),
    metric(
        "straightness",
        Some(true),
        "mean of the integral of |v|^2 minus |x1 - x0|^2 along trajectories (Liu et al. 2023, eq. 3); `flowc std straightness`",
    ),
    metric("inverse_error", Some(true), "mean distance of a point of the target from itself, solved back and forth"),
    metric("log_volume", None, "mean of log |det dx1/dx0| along trajectories, nats"),
    metric("solver_error", Some(true), "mean distance of a trajectory's end from that solved at a tolerance of 1e-6"),
    metric(
        "continuity_residual",
        Some(true),
        "mean of |d/dt log p + div v + v . grad log p| over times and points of a path (`path: straight`) between mixtures \
         of normal laws; `flowc std continuity_residual`",
    ),
    metric("quality_by_steps", Some(true), "wasserstein2 with 1, 2, 5, 10, 20 and 100 steps of Euler: one line each"),
    metric(
        "nfe",
        Some(true),
        "evaluations of the field for one sample, mean: by the sampler of `generate`; without samples by the solves of the \
         training objective, on the first batch with the trained parameters",
    ),
    metric(
        "nfe_backward",
        Some(true),
        "evaluations of the field and of its transpose for the gradient of one sample of the training objective, mean, on \
         the first batch with the trained parameters (NFE-B)",
    ),
    metric(
        "peak_memory",
        Some(true),
        "bytes that one thread keeps of the solves of a training step for their gradient, at most; counted, so the same \
         everywhere",
    ),
    metric(
        "gradient_gap",
        Some(true),
        "|g - h| / |h|: g the gradient of the training objective as training takes it, h that of another mode \
         (`against: backprop`), perhaps with another solver (`solver: ...`); first batch, trained parameters",
    ),
    metric("step_time", Some(true), "seconds of a training step, median over sections of training"),
    metric("parameters", None, "trainable numbers"),
    metric(
        "accuracy",
        Some(false),
        "share of the rows that judge whose label has a net's greatest logit: `accuracy(logits)`",
    ),
];

pub(super) fn info(name: &str) -> Option<&'static MetricInfo> {
    METRICS.iter().find(|m| m.name == name)
}
