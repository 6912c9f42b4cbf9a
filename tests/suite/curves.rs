//! Laws of sets of trajectories and of their segments, and a field that is learned from them.

use crate::lang::{experiment, faults};
use flowc::diag::Code;

const SPIRAL: &str = "
    source = normal(dim: 2)
    field truth(y: vec[2], t: real) = [-0.1 * y[0] - 2 * y[1], 2 * y[0] - 0.1 * y[1]]
    data = trajectories(truth, start: [2, 0], times: linspace(0, 5, 101))";

/// The number that `body` says of draws (its root mean square): the distance of points (c, 0) from the origin's neighbourhood.
fn drawn(set: &str, body: &str) -> f64 {
    let text = format!(
        "{SPIRAL}
        target = normal(dim: 2, std: 1e-4)
        sampler seen {{ draw (ts, ys) ~ {set}; [{body}, 0] }}
        generate {{ sampler: seen, count: 200 }}
        evaluate [wasserstein2]"
    );
    experiment(&text).cells[0].metrics[0].value
}

#[test]
fn a_draw_is_the_times_and_the_states_there() {
    let law =
        "map(0..10, i => norm(ys[10 * i] - 2 * exp(-0.1 * ts[10 * i]) * [cos(2 * ts[10 * i]), sin(2 * ts[10 * i])]))";
    assert!((drawn("data", &format!("5 + 1e3 * sum({law})")) - 5.0).abs() < 0.5, "states are those of the closed form");
}

#[test]
fn segments_are_neighbours_and_all_of_them_occur() {
    // Neighbouring times are 0.05 apart, and the states solve the equation from the segment's own first.
    let step = "5 + 1e2 * (abs(ts[1] - ts[0] - 0.05) + abs(ts[3] - ts[0] - 0.15)) + 1e2 * norm(ys[3] - exp(-0.015) * [
        cos(0.3) * ys[0][0] - sin(0.3) * ys[0][1], sin(0.3) * ys[0][0] + cos(0.3) * ys[0][1]])";
    assert!((drawn("segments(data, length: 4)", step) - 5.0).abs() < 0.5);
    // First times are uniform on 0 to 4.85: mean square 4.85^2 / 3.
    let spread = drawn("segments(data, length: 4)", "5 + ts[0]");
    assert!((spread * spread - (25.0 + 10.0 * 2.425 + 4.85 * 4.85 / 3.0)).abs() < 8.0, "{spread}");
}

#[test]
fn what_is_no_set_of_curves_is_refused() {
    for (line, code) in [
        ("x = trajectories(truth, start: [2, 0])", Code::WrongArguments),
        ("x = trajectories(truth, start: [2, 0, 1], times: [0, 1])", Code::ShapeMismatch),
        ("x = trajectories(truth, start: [2, 0], times: [0, 2, 1])", Code::TimesOutOfOrder),
        ("x = trajectories(truth, start: [2, 0], times: [0])", Code::TypeMismatch),
        ("x = trajectories(truth, start: [2, 0], times: [0, 1], count: 0)", Code::BadValue),
        ("x = segments(data)", Code::WrongArguments),
        ("x = segments(data, length: 102)", Code::BadValue),
        ("x = segments(target, length: 3)", Code::TypeMismatch),
        ("field w(y, t) = dense(y, out: 2)\nx = trajectories(w, start: [2, 0], times: [0, 1])", Code::TypeMismatch),
    ] {
        let text = format!(
            "{SPIRAL}\ntarget = normal(dim: 2)\n{line}\nsampler seen {{ draw (ts, ys) ~ x; ys[0] }}\ngenerate {{ sampler: seen }}\nevaluate [wasserstein2]"
        );
        let found = faults(&text);
        assert!(found.iter().any(|d| d.code == code), "{line}: {found:?}");
    }
}
