//! Mistakes that people make on the shipped specs: each is told with its code, on its line, most with the text to write.

use std::path::Path;

use flowc::diag::Severity;

use crate::check::check_text;

const MOONS: &str = "moons_fm";
const KL: &str = "moons_kl";
const PATHS: &str = "paths";
const GAUSS: &str = "gaussians";
const MIXTURE: &str = "mixture";

/// Spec, what is replaced (its first occurrence), by what, the code, a text on the line to be told (none: that of the edit),
/// and what the help says to write.
#[rustfmt::skip]
const MISTAKES: &[(&str, &str, &str, &str, &str, &str)] = &[
    (MOONS, "normal(dim: 2)", "normal(dims: 2)", "E0303", "", "dim"),
    (MOONS, "normal(dim: 2)", "normal(2)", "E0301", "", "normal(dim: 2)"),
    (MOONS, "normal(dim: 2)", "randn(2)", "E0201", "", "normal(dim: 2)"),
    (MOONS, "target = ", "targt = ", "E0601", "", "did you mean `target`"),
    (MOONS, "moons(noise: 0.05)", "moon(noise: 0.05)", "E0201", "", "moons"),
    (MOONS, "noise: 0.05", "noise = 0.05", "E0101", "", "noise: "),
    (MOONS, "noise: 0.05", "nois: 0.05", "E0303", "", "noise"),
    (MOONS, "noise: 0.05", "noise: \"0.05\"", "E0302", "", "without quotes"),
    (MOONS, "field v(x, t)", "feild v(x, t)", "E0107", "", "field"),
    (MOONS, "field v(x, t)", "fn v(x, t)", "E0306", "", "field v(x, t)"),
    (MOONS, "field v(x, t)", "def v(x, t)", "E0107", "", "fn v(x, t) ="),
    (MOONS, "field v(x, t)", "field v(x)", "E0201", "", ""),
    (MOONS, "concat(x, t)", "x, t", "E0303", "", "concat(x, t)"),
    (MOONS, "concat(x, t)", "[x, t]", "E0301", "", "concat(x, t)"),
    (MOONS, "concat(x, t)", "cat(x, t)", "E0201", "", "concat(a, b)"),
    (MOONS, "concat(x, t)", "x", "W0501", "", "concat(x, t)"),
    (MOONS, ", out: dim(x)", "", "E0303", "", "out: dim(x)"),
    (MOONS, "out: dim(x)", "out: 3", "E0301", "", "dim(x)"),
    (MOONS, "dim(x)", "len(x)", "E0201", "", "dim(x)"),
    (MOONS, "hidden: [128, 128, 128]", "hidden: 128", "E0302", "", "[64, 64]"),
    (MOONS, "hidden: [128, 128, 128]", "hidden: [128, 128, 0]", "E0610", "", "at least 1"),
    (MOONS, "mlp(", "mpl(", "E0201", "", "mlp"),
    (MOONS, "mlp(", "mlp (", "E0103", "", "without the blank"),
    (MOONS, "hidden: [128, 128, 128], ", "activation: \"relu\", ", "E0302", "", "`relu`"),
    (MOONS, "hidden: [128, 128, 128], ", "activation: ReLU, ", "E0201", "", "relu"),
    (MOONS, "objective: ", "loss: ", "E0602", "", "objective"),
    (MOONS, "flow_matching(v, straight)", "flow_matching(v)", "E0303", "", "flow_matching(v, straight)"),
    (MOONS, "flow_matching(v, straight)", "flow_matching(straight, v)", "E0302", "", "field v(x, t)"),
    (MOONS, "flow_matching(v, straight)", "max_likelihood(v)", "E0302", "", "flow(v)"),
    (MOONS, "straight", "linear", "E0302", "", "`straight`"),
    (MOONS, "straight", "straight, ot", "E0201", "", "optimal_transport(batch: 256)"),
    (MOONS, "straight", "straight, time: uniform(0, 1_000)", "E0610", "", "uniform(0, 1)"),
    (MOONS, "straight", "straight, drop: 1.5", "E0610", "", "drop: 0.1"),
    (MOONS, "straight", "straight, drop: 0.1", "W0605", "", "| y"),
    (MOONS, "(v, straight)", "(v, straight) + 0.1 * max_likelihood(flow(v))", "E0302", "", "minimize a + 0.1 * b"),
    (MOONS, "flow_matching(v, straight)", "nll", "E0201", "", "max_likelihood(flow(v))"),
    (MOONS, "concat(x, t)", "concat(x, fourier(t, 3))", "E0302", "", "even"),
    (MOONS, "hidden: [128, 128, 128], ", "activation: torch.tanh, ", "E0201", "", "write `tanh`"),
    (MOONS, "hidden: [128, 128, 128], ", "activation: swish, ", "E0201", "", "`silu`"),
    (MOONS, "mlp(concat(x, t), hidden: [128, 128, 128], out: dim(x))", "nn.Sequential(x)", "E0201", "", "mlp("),
    (MOONS, "field v(x, t)", "field v(t, x)", "E0303", "", "field v(x, t)"),
    (MOONS, "field v(x, t)", "param W: mat[2, 2]\nfield v(x, t)", "E0101", "", "= 0`"),
    (MOONS, "batch: 256", "gradient: backpropagation", "E0201", "", "`backprop`"),
    (MOONS, "batch: 256", "gradient: adjoint", "W0605", "", "leave it out"),
    (MOONS, "batch: 256", "solver: rk4(steps: 8)", "W0605", "", "leave it out"),
    (MOONS, "batch: 256", "fresh: yes", "E0201", "", "`true`"),
    (MOONS, "batch: 256", "schedule: cosine(1e-3, steps: 5_000)", "W0604", "", "cosine(1,"),
    (MOONS, "generate {", "sample {", "E0107", "", "generate {"),
    (MOONS, "atol: 1e-5)", "atol: 1e-5, norm: rms)", "E0201", "", "norm: \"rms\""),
    (MOONS, "atol: 1e-5)", "atol: 1e-5, step_control: joint)", "E0201", "", "step_control: \"joint\""),
    (MOONS, "atol: 1e-5)", "atol: 1e-5, controller: pi)", "E0610", "", "controller: \"pi\""),
    (MOONS, "dopri5(rtol: 1e-5, atol: 1e-5)", "heun(steps: -10)", "E0610", "", "heun(steps: 100)"),
    (MOONS, "flow(v)", "flow(v, until: 2)", "W0606", "", "until"),
    (MOONS, "evaluate [", "evaluate: [", "E0101", "", "evaluate ["),
    (MOONS, "evaluate [", "evaluate = [", "E0201", "", "evaluate [..]"),
    (MOONS, "train {", "batch: 20\ntrain {", "E0101", "", "train { batch: 20 }"),
    (MOONS, "train {", "batch = 20\ntrain {", "W0201", "", "train { batch: 20 }"),
    (MOONS, "train {", "seed = 3\ntrain {", "W0201", "", "`seed 3`"),
    (MOONS, "train {", "seeds = 0..3\ntrain {", "W0201", "", "`seeds 0..3`"),
    (MOONS, "train {", "precision = f64\ntrain {", "E0201", "", "`precision f64`"),
    (MOONS, "expect wasserstein2 <", "expect 0.1 < wasserstein2 <", "E0104", "", "and `expect wasserstein2 <"),
    (MOONS, "adam(lr: 1e-3)", "Adam(lr: 1e-3)", "E0201", "", "adam"),
    (MOONS, "adam(lr: 1e-3)", "adam(1e-3)", "E0303", "", "adam(lr:"),
    (MOONS, "adam(lr: 1e-3)", "1e-3", "E0610", "", "adam(lr: 1e-3)"),
    (MOONS, "lr: 1e-3", "learning_rate: 1e-3", "E0303", "", "lr"),
    (MOONS, "lr: 1e-3", "lr: -1e-3", "E0610", "", "lr: 1e-3"),
    (MOONS, "batch: 256", "batch_size: 256", "E0602", "", "batch"),
    (MOONS, "batch: 256", "batch: 0", "E0610", "", "batch: 256"),
    (MOONS, "steps: 5_000", "epochs: 10", "E0617", "", ""),
    (MOONS, "steps: 5_000", "iterations: 5_000", "E0602", "", "steps"),
    (MOONS, "steps: 5_000", "steps: 5e3 * 0.3333", "E0610", "", "steps: 5_000"),
    (MOONS, "sampler: flow(v)", "sampler: v", "E0302", "", "flow(v)"),
    (MOONS, "sampler: flow(v)", "sampler: flow", "E0303", "", "flow(v)"),
    (MOONS, "dopri5(rtol: 1e-5, atol: 1e-5)", "euler", "E0607", "", "euler(steps: 100)"),
    (MOONS, "dopri5(rtol: 1e-5, atol: 1e-5)", "\"dopri5\"", "E0302", "", "dopri5(rtol: 1e-5, atol: 1e-5)"),
    (MOONS, "dopri5(rtol: 1e-5, atol: 1e-5)", "dopri5(tol: 1e-5)", "E0602", "", "rtol"),
    (MOONS, "dopri5(rtol: 1e-5, atol: 1e-5)", "dopri5(rtol: 1e-9, atol: 1e-9)", "W0601", "", "precision f64"),
    (MOONS, "dopri5(rtol: 1e-5, atol: 1e-5)", "rk45(rtol: 1e-5)", "E0201", "", "dopri5(rtol: 1e-5"),
    (MOONS, "count: 10_000", "n_samples: 10_000", "E0602", "", "count"),
    (MOONS, "evaluate [wasserstein2,", "evaluate [w2,", "E0603", "", "wasserstein2"),
    (MOONS, "evaluate [wasserstein2,", "evaluate [fid,", "E0603", "", "frechet"),
    (MOONS, "evaluate [", "evalute [", "E0107", "", "evaluate"),
    (MOONS, "nfe]", "nfe", "E0105", "", "add `]`"),
    (MOONS, "1.5 * wasserstein2.floor", "1.5 * wasserstein.floor", "E0603", "", "wasserstein2"),
    (MOONS, "expect wasserstein2 <", "expect wasserstein1 <", "E0603", "", "wasserstein2"),
    (MOONS, "moons(noise: 0.05)", "moons(noise: sqrt(-0.05))", "E0310", "", "not negative"),
    (KL, "cosine(2e-3, steps: 10_000)", "cosine(2e-3)", "E0303", "", "steps: ..."),
    (KL, "cosine(2e-3, steps: 10_000)", "cosine(2e-3, steps: 2_000)", "W0604", "", "steps: 10_000"),
    (KL, "ema: 0.999", "ema: 1.5", "E0610", "", "0.999"),
    (KL, "ema: 0.999", "emma: 0.999", "E0602", "", "ema"),
    (PATHS, "(1 - t^2) * x0 + t^2 * x1", "t^2 * x0 + (1 - t^2) * x1", "E0503", "", "exchange"),
    (PATHS, "(1 - t^2) * x0 + t^2 * x1", "(1 - t^2) * x0 + t * x1 / 2", "E0502", "", ""),
    (PATHS, "(1 - t^2) * x0 + t^2 * x1", "(1 - t**2) * x0 + t^2 * x1", "E0101", "", "a^b"),
    (PATHS, "path mine(x0, x1, t)", "path mine(x, t)", "E0201", "", ""),
    (PATHS, "flow_matching(v, p)", "flow_matching(v, straight)", "E0611", "compare p", "`p`"),
    (PATHS, "compare p in [straight, vp, trig, mine]", "compare p in [straight, vp, trig, mine", "E0105", "", "add `]`"),
    (PATHS, "seeds 0..3", "seeds: 0..3", "E0101", "", "seeds"),
    (PATHS, "euler(steps: 100)", "euler(n: 100)", "E0602", "", "steps"),
    (PATHS, "euler(steps: 2)", "euler(steps: 2, rtol: 1e-3)", "E0608", "", ""),
    (PATHS, "npe, nfe]", "npe, nfe, nll(x)]", "E0604", "", ""),
    (GAUSS, "let w = t^2 * s^2 + (1 - t)^2", "w = t^2 * s^2 + (1 - t)^2", "E0101", "", "let w = "),
    (GAUSS, "/ w * (x - t * m)", "/ w (x - t * m)", "E0103", "", ""),
    (GAUSS, "/ w * (x - t * m)", "/ w * (x - t @ m)", "E0301", "", "`*`"),
    (GAUSS, "/ w * (x - t * m)", "/ w * (x - t * M)", "E0201", "", "m"),
    (GAUSS, "precision f64", "precision float64", "E0610", "", "f64"),
    (GAUSS, "precision f64", "precision: f64", "E0101", "", "precision"),
    (GAUSS, "m = [2, 0]", "m = [2, 0, 0]", "E0301", "m + (t", ""),
    (GAUSS, "evaluate [kl,", "evaluate [kld,", "E0603", "", "kl"),
    (GAUSS, "within 1e-6", "within -1", "E0610", "", ""),
    (MIXTURE, "(w: 0.5, m: [2, 0], C:", "(w: 0.5, mean: [2, 0], C:", "E0205", "let r = ", ""),
    (MIXTURE, "inverse(S[i]) @", "inv(S[i]) @", "E0201", "", "inverse(A)"),
    (MIXTURE, "map(0..3, i => r[i] * inverse", "map(0..3, lambda i: r[i] * inverse", "E0101", "", "x => "),
    (MIXTURE, "map(0..3, i => r[i] * inverse", "map(0..4, i => r[i] * inverse", "E0304", "", "0 to 2"),
    (MIXTURE, "identity(2)", "eye(2)", "E0201", "", "identity(n)"),
    (MIXTURE, "identity(2)", "identity(3)", "E0301", "", ""),
];

#[test]
fn mistakes_are_told_on_their_line_with_their_cure() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("specs");
    let (mut faults, mut cured) = (Vec::new(), 0);
    for (spec, from, to, code, line, cure) in MISTAKES {
        let text = std::fs::read_to_string(folder.join(format!("{spec}.flow"))).expect("a shipped spec");
        assert!(text.contains(from), "{spec} has no `{from}`");
        let edited = text.replacen(from, to, 1);
        let at = if line.is_empty() { text.find(from) } else { edited.find(line) };
        let line = edited[..at.expect("the line is there")].matches('\n').count();
        let (found, sources) = check_text("edited.flow", &edited);
        let right = found.iter().filter(|d| d.code.number() == *code).find(|d| {
            d.primary.iter().chain(&d.secondary).any(|l| {
                let file = sources.file(l.span.file);
                !file.is_std && file.text[..l.span.start as usize].matches('\n').count() == line
            })
        });
        let told: Vec<String> = found.iter().map(|d| format!("{} {}", d.code.number(), d.message)).collect();
        match right {
            None => faults.push(format!("{spec}, `{to}` for `{from}`: no {code} on line {}, but {told:?}", line + 1)),
            Some(d) if !d.help.as_ref().is_some_and(|h| h.contains(cure)) => {
                faults.push(format!("{spec}, `{to}` for `{from}`: no `{cure}` in {:?}", d.help));
            }
            Some(_) => cured += usize::from(!cure.is_empty()),
        }
        // One mistake is one report, or few: what follows from it is silent.
        let errors = found.iter().filter(|d| d.code.severity() == Severity::Error).count();
        if errors > 4 {
            faults.push(format!("{spec}, `{to}` for `{from}`: {errors} errors, {told:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(MISTAKES.len() >= 60 && cured >= 45, "{} mistakes, {cured} with the cure", MISTAKES.len());
}
