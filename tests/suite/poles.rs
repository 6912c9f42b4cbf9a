//! A field that divides by a function of time which is zero at an end of its span: a solve that fails just there says so, whatever
//! the field was written as, and what it says to write works; one that fails for another reason does not.

use std::process::{Command, Output};

fn run(spec: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("spec.flow"), spec).expect("a spec");
    let o: Output = Command::new(env!("CARGO_BIN_EXE_flowc"))
        .args(["run", "spec.flow", "--quiet", "--threads", "1"])
        .current_dir(folder.path())
        .env("COLUMNS", "80")
        .env("NO_COLOR", "1")
        .output()
        .expect("flowc can be started");
    let said = String::from_utf8_lossy(&o.stderr).lines().map(str::trim).collect::<Vec<_>>().join(" ");
    (o.status.code(), said)
}

const SOLVERS: [&str; 4] =
    ["dopri5(rtol: 1e-5, atol: 1e-5)", "rk4(steps: 20)", "kvaerno5(rtol: 1e-5, atol: 1e-5)", "heun(steps: 5)"];

fn sampled(field: &str, sampler: &str, solver: &str) -> (Option<i32>, String) {
    run(&format!(
        "source = normal(dim: 2)\ntarget = moons\n{field}\n\
         generate {{ sampler: {sampler}, solver: {solver}, count: 40 }}\nevaluate [nfe]\n"
    ))
}

#[test]
fn a_zero_coefficient_at_the_end_is_named_and_until_is_the_cure() {
    for field in [
        "field v(x, t) = ([1, 0] - x) / (1 - t)",
        "field v(x, t) = x / (3 * (1 - t^2))",
        "field v(x, t) = -x / tanh(3 * (1 - t))",
        "field v(x, t) = velocity_of_score(x, t, score: (z, s) => -z, p: vp)",
    ] {
        for solver in SOLVERS {
            let (code, said) = sampled(field, "flow(v)", solver);
            if code == Some(0) && !solver.contains("steps") {
                // Steps by a tolerance may come to an end that the path has zeros at.
                continue;
            }
            assert_eq!(code, Some(2), "{field}, {solver}: {said}");
            assert!(said.contains("zero at t = 1") && said.contains("`until: 0.999`"), "{field}, {solver}: {said}");
            assert!(!said.contains("train longer"), "{field}, {solver}: {said}");
        }
        let (code, said) = sampled(field, "flow(v, until: 0.999)", SOLVERS[1]);
        assert_eq!(code, Some(0), "{field}: {said}");
    }
}

#[test]
fn a_zero_coefficient_at_the_start_is_begun_behind() {
    let (code, said) = sampled("field v(x, t) = x / t", "flow(v)", SOLVERS[1]);
    assert!(code == Some(2) && said.contains("`solve t: 0.001 -> 1`"), "{said}");
    // A likelihood goes the other way: its start is the sampler's end.
    let (code, said) = run(&format!(
        "source = normal(dim: 2)\ntarget = moons\nfield v(x, t) = x / (1 - t)\n\
         generate {{ sampler: flow(v, until: 0.9), solver: {0}, count: 40 }}\n\
         objective back(law: law) {{\n  draw x1 ~ law\n\
         minimize norm((solve t: 1 -> 0 with {0} {{ x' = v(x, t) from x1 }}).x)\n}}\nevaluate [back(target)]\n",
        SOLVERS[1]
    ));
    assert!(code == Some(2) && said.contains("`until: 0.999`"), "{said}");
}

#[test]
fn training_says_it_too() {
    let (code, said) = run(&format!(
        "source = normal(dim: 2)\ntarget = moons\nfield v(x, t) {{\n  param w: real = 1\n  w * x / (1 - t)\n}}\n\
         train {{ objective: max_likelihood(flow(v)), steps: 3, batch: 16, solver: {} }}\n",
        SOLVERS[1]
    ));
    assert!(code == Some(2) && said.contains("`until: 0.999`") && said.contains("in step 1"), "{said}");
}

#[test]
fn other_failures_are_not_blamed_on_time() {
    for field in [
        // A state that runs to infinity of its own: in the middle, and near the end.
        "field v(x, t) = 200 * x * norm(x)^2 / (1 - t)",
        "field v(x, t) = 60 * x * norm(x)^2 / (2 - t)",
    ] {
        let (code, said) = sampled(field, "flow(v)", "euler(steps: 20)");
        assert_eq!(code, Some(2), "{said}");
        assert!(!said.contains("zero at t"), "{field}: {said}");
    }
}
