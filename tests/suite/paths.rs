//! Laws of the library's paths: their ends, their slopes, and both in single precision up to the ends.

use crate::lang::{Function, fixed_draw};
use crate::library::{central, close};
use flowc::codegen::Jit;
use flowc::kernels::Isa;

#[test]
fn paths_begin_and_end_where_they_say() {
    let (x0, x1) = ([0.7, -1.3], [2.1, 0.4]);
    for (path, start, end) in [
        ("straight", [1.0, 0.0], [0.0, 1.0]),
        ("straight(sigma: 0.1)", [1.0, 0.0], [0.1, 1.0]),
        ("trig", [1.0, 0.0], [0.0, 1.0]),
        ("linear_vp", [1.0, 0.0], [0.0, 1.0]),
        ("ve", [1e2 / 10001f64.sqrt(), 1.0 / 10001f64.sqrt()], [1e-2 / 1.0001f64.sqrt(), 1.0 / 1.0001f64.sqrt()]),
        ("polynomial", [1.0, 0.0], [0.0, 1.0]),
        ("polynomial(n: 3)", [1.0, 0.0], [0.0, 1.0]),
        ("bridge(sigma: 0.5)", [1.0, 0.0], [0.0, 1.0]),
        // beta integrates to 10.05: exp(-5.025) of the data is left at t = 0.
        ("vp", [(1.0 - (-10.05f64).exp()).sqrt(), (-5.025f64).exp()], [0.0, 1.0]),
    ] {
        let f = Function::new(
            &format!("p = {path}\nfn f(x0: vec[2], x1: vec[2], t: real) = p(x0, x1, t)"),
            &[&[2], &[2], &[]],
        );
        for (t, [a, b]) in [(0.0, start), (1.0, end)] {
            let x = f.at(&[&x0, &x1, &[t]]);
            for k in 0..2 {
                assert!((x[k] - a * x0[k] - b * x1[k]).abs() < 2e-15, "{path} at {t}: {x:?}");
            }
        }
    }
}

#[test]
fn the_derivative_of_every_path_is_its_slope() {
    let (x0, x1) = ([0.7, -1.3], [2.1, 0.4]);
    for path in
        ["straight", "straight(sigma: 0.1)", "trig", "polynomial(n: 3)", "bridge(sigma: 0.5)", "vp", "ve", "linear_vp"]
    {
        let text =
            |out: &str| format!("p = {path}\nfn f(x0: vec[2], x1: vec[2], t: real) {{ let x = p(x0, x1, t)\n {out} }}");
        let shapes: [&[usize]; 3] = [&[2], &[2], &[]];
        let (value, rate) = (Function::new(&text("x"), &shapes), Function::new(&text("diff(x, t)"), &shapes));
        for k in 1..10 {
            let t = 0.1 * f64::from(k);
            let slope = central(|t| value.at(&[&x0, &x1, &[t]]), t);
            let found = rate.at(&[&x0, &x1, &[t]]);
            for (a, b) in slope.iter().zip(&found) {
                assert!(close(*a, *b, 1e-8), "{path} at {t}: {slope:?} {found:?}");
            }
        }
    }
    assert!(fixed_draw(0, 0) != 0.0, "the bridge's noise must not hide");
}

/// A uniform time is an odd multiple of 2^-24: in millions of draws it comes as near to the ends as that.
#[test]
fn paths_and_their_velocities_are_right_in_single_precision_up_to_the_ends() {
    let times: Vec<f32> = [1.0, 3.0, 101.0, 65537.0]
        .into_iter()
        .flat_map(|k: f32| [k * 2f32.powi(-24), 1.0 - k * 2f32.powi(-24)])
        .collect();
    for path in ["straight", "trig", "polynomial(n: 3)", "bridge", "vp", "vp_cosine", "ve", "linear_vp"] {
        for (x0, x1) in [(1, 0), (0, 1)] {
            let text = format!("p = {path}\nfn f(t: real) {{ let x = p([{x0}], [{x1}], t)\n concat(x, diff(x, t)) }}");
            let f = Function::new(&text, &[&[]]);
            let jit = Jit::new(Isa::detect());
            let found = f.outcome::<f32>(times.len(), std::slice::from_ref(&times), &jit, 1).expect("runs");
            // The draws of a bridge: the same native code in f64.
            let wide: Vec<f64> = times.iter().map(|t| f64::from(*t)).collect();
            let exact = f.run(times.len(), &[wide]);
            for (k, (a, b)) in found.outputs[0].values.iter().zip(&exact).enumerate() {
                let t = times[k / 2];
                assert!(close(f64::from(*a), *b, 1e-5), "{path} from {x0} to {x1}, at {t}: {a}, not {b}");
            }
        }
    }
}
