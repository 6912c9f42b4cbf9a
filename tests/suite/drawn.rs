//! A trained run, used: which law is meant, samples and densities in every form, classes and units that come along.

use crate::resume::{Place, SPEC, text};

#[test]
fn a_trained_run_is_sampled_and_asked_for_densities() {
    let place = Place::new(&SPEC.replace("1_500", "100"));
    let o = place.flowc(&["run", "spec.flow", "--out", "run", "--quiet"]);
    assert!(o.status.success(), "{}", text(&o));
    let o = place.flowc(&["sample", "run", "-n", "400", "-o", "x.npy", "--arm", "trig,second"]);
    assert!(o.status.success(), "{}", text(&o));
    let x: ndarray::Array2<f64> = ndarray_npy::read_npy(place.path("x.npy")).expect("samples");
    let own: ndarray::Array2<f32> = ndarray_npy::read_npy(place.path("run/samples-trig__second.npy")).expect("samples");
    assert_eq!(x, own.mapv(f64::from), "draw 0 is the run's own");
    let o = place.flowc(&["sample", "run", "-n", "400", "-o", "y.npy", "--arm", "trig,second", "--draw", "1"]);
    assert!(o.status.success(), "{}", text(&o));
    let y: ndarray::Array2<f64> = ndarray_npy::read_npy(place.path("y.npy")).expect("samples");
    assert!(y != x && y.dim() == (400, 2));
    let o = place.flowc(&["density", "run", "x.npy", "-o", "d.npy", "--arm", "trig,second"]);
    assert!(o.status.success(), "{}", text(&o));
    let d: ndarray::Array1<f64> = ndarray_npy::read_npy(place.path("d.npy")).expect("densities");
    assert!(d.len() == 400 && d.iter().all(|v| v.is_finite()));
    // Points come from any file of data, and what is wrong with it has its place.
    std::fs::write(place.path("x.csv"), "a,b\n0,0.5\n1,-0.5\n").expect("a file");
    let o = place.flowc(&["density", "run", "x.csv", "--arm", "trig,second"]);
    assert!(o.status.success() && text(&o).contains("at 2 points"), "{}", text(&o));
    std::fs::write(place.path("x.csv"), "a,b\n0,0.5\n1,\n").expect("a file");
    let o = place.flowc(&["density", "run", "x.csv"]);
    assert!(o.status.code() == Some(1) && text(&o).contains("line 3, column `b`"), "{}", text(&o));
    for n in ["0", "99999999999"] {
        let o = place.flowc(&["sample", "run", "-n", n]);
        assert!(o.status.code() == Some(1) && text(&o).contains("67108864"), "{}", text(&o));
    }
    // A checkpoint of another spec.
    let name = "run/checkpoint-trig__second.safetensors";
    std::fs::write(place.path("other.flow"), SPEC.replace("1_500", "50").replace("[32, 32]", "[16]")).expect("a spec");
    let o = place.flowc(&["run", "other.flow", "--out", "other", "--quiet"]);
    assert!(o.status.success(), "{}", text(&o));
    std::fs::copy(place.path("other/checkpoint-trig__second.safetensors"), place.path(name)).expect("a copy");
    let o = place.flowc(&["sample", "run", "--arm", "trig,second"]);
    assert!(o.status.code() == Some(2) && text(&o).contains("of another spec"), "{}", text(&o));
    let o = place.flowc(&["sample", "run", "--arm", "trigg"]);
    assert!(
        o.status.code() == Some(1) && text(&o).contains("labels are straight, trig, first, second"),
        "{}",
        text(&o)
    );
    let o = place.flowc(&["sample", "run", "--arm", "trig,straight"]);
    assert!(o.status.code() == Some(1) && text(&o).contains("`--arm trig,straight`"), "{}", text(&o));
}

/// Whose law it is stands on stderr in one line: of arms the first that bears the labels, of its stages the last.
#[test]
fn a_sample_says_of_which_arm_stage_and_seed_it_is() {
    let place = Place::new(&format!("seeds [3, 5]\n{}", SPEC.replace("1_500", "5")));
    let o = place.flowc(&["run", "spec.flow", "--out", "run", "--quiet"]);
    assert!(o.status.success(), "{}", text(&o));
    let first = " (the first of 2 arms: `--arm` names another)\n";
    for (more, said, own) in [
        (&[][..], format!("of arm straight, stage second, seed 3{first}"), "straight__second__seed_3"),
        (&["--arm", "first"], format!("of arm straight, stage first, seed 3{first}"), "straight__first__seed_3"),
        (&["--arm", "trig"], "of arm trig, stage second, seed 3\n".into(), "trig__second__seed_3"),
        (&["--arm", "trig,first", "--seed", "5"], "of arm trig, stage first, seed 5\n".into(), "trig__first__seed_5"),
    ] {
        let o = place.flowc(&[&["sample", "run", "-n", "400", "-o", "x.npz"], more].concat());
        assert!(o.status.success(), "{}", text(&o));
        assert_eq!(String::from_utf8_lossy(&o.stderr), said);
        let own = place.path(&format!("run/samples-{own}.npy"));
        let own: ndarray::Array2<f32> =
            ndarray_npy::read_npy(&own).unwrap_or_else(|e| panic!("{}: {e}", own.display()));
        let drawn = std::fs::File::open(place.path("x.npz")).expect("an archive");
        let drawn: ndarray::Array2<f64> =
            ndarray_npy::NpzReader::new(drawn).expect("an archive").by_name("x").expect("an array");
        assert_eq!(drawn, own.mapv(f64::from), "{said}");
        let points: String = drawn.rows().into_iter().take(3).map(|r| format!("{},{}\n", r[0], r[1])).collect();
        std::fs::write(place.path("p.csv"), points).expect("points");
        let o = place.flowc(&[&["density", "run", "p.csv"], more].concat());
        assert_eq!(String::from_utf8_lossy(&o.stderr), said, "{}", text(&o));
    }
}

/// A run whose samples are asked for by class; and the newest run, which needs no name.
#[test]
fn samples_and_densities_follow_their_classes() {
    let spec = "
data = file(\"x.csv\", label: \"kind\", split: [0.8, 0, 0.2])
source = normal(dim: 2)
target = data
field v(x, t | y: class[3]) = mlp(concat(x, t, embed(y, 4)), hidden: [16], out: dim(x))
train { objective: flow_matching(v, straight), batch: 64, steps: 3_000 }
generate { sampler: flow(v), solver: euler(steps: 8), labels: [\"a\", \"c\"], count: 60 }
evaluate [wasserstein2, wasserstein2(labels: \"c\"), nll]
";
    let place = Place::new(spec);
    let kind = |k: usize| ["a", "b", "c"][k % 3];
    let row = |k: usize| {
        let noise = ((k * 7919) % 100) as f64 / 100.0;
        format!("{},{},{}\n", 5.0 * (k % 3) as f64 + noise, noise * noise, kind(k))
    };
    let table: String = (0..600).map(row).collect();
    std::fs::write(place.path("x.csv"), format!("u,v,kind\n{table}")).expect("data");
    let o = place.flowc(&["run", "spec.flow", "--quiet"]);
    assert!(o.status.success(), "{}", text(&o));
    let o = place.flowc(&["sample", "spec", "-n", "40", "-o", "x.csv2.csv"]);
    let read = "file(\"x.csv2.csv\", label: \"label\")";
    assert!(o.status.success() && text(&o).contains(read), "{}", text(&o));
    let drawn = std::fs::read_to_string(place.path("x.csv2.csv")).expect("samples");
    let firsts: Vec<f64> = drawn.lines().skip(1).map(|l| l.split(',').next().unwrap().parse().unwrap()).collect();
    assert!(drawn.starts_with("x0,x1,label\n") && firsts.len() == 40);
    assert!(drawn.lines().skip(1).zip(["a", "c"].iter().cycle()).all(|(l, k)| l.ends_with(k)), "{drawn}");
    read_back(&place);
    // Class a lies at 0 to 1, class c at 10 to 11.
    let of = |r: usize| firsts.iter().skip(r).step_by(2).sum::<f64>() / 20.0;
    assert!(of(0) < 4.0 && of(1) > 7.0, "{drawn}");
    // Targets of the classes that were drawn: without class b no distance is near its 5.
    let record = std::fs::read_to_string(place.path("runs/spec/latest")).expect("the newest");
    let json = std::fs::read_to_string(place.path(&format!("runs/spec/{}/record.json", record.trim()))).expect("it");
    let json: serde_json::Value = serde_json::from_str(&json).expect("a record");
    for m in json["cells"][0]["metrics"].as_array().expect("metrics").iter().take(2) {
        assert!(m["value"].as_f64().expect("a number") < 2.0, "{m}");
    }
    std::fs::write(place.path("p.csv"), "u,v,k\n0.5,0.2,0\n10.5,0.2,0\n").expect("points");
    let o = place.flowc(&["density", "spec", "p.csv", "-o", "d.tsv"]);
    assert!(o.status.success(), "{}", text(&o));
    let d = std::fs::read_to_string(place.path("d.tsv")).expect("densities");
    let d: Vec<f64> = d.lines().skip(1).map(|l| l.parse().unwrap()).collect();
    assert!(d[0] > d[1] + 3.0, "the class decides: {d:?}");
    for (points, said) in [("u,v\n0.5,0.2\n", "behind the coordinates"), ("u,v,k\n0,0,1\n", "does not generate")] {
        std::fs::write(place.path("p.csv"), points).expect("points");
        let o = place.flowc(&["density", "spec", "p.csv"]);
        assert!(o.status.code() == Some(2) && text(&o).replace("\n        ", " ").contains(said), "{}", text(&o));
    }
    let o = place.flowc(&["sample", "spec", "-o", "x.txt"]);
    assert!(o.status.code() == Some(1) && text(&o).contains(".csv"), "{}", text(&o));
    let o = place.flowc(&["run", "--resume"]);
    assert!(o.status.success() && text(&o).contains("spec · seed 0"), "{}", text(&o));
}

/// What `flowc sample` wrote in each form is data with labels: the form that it prints reads samples and classes back.
fn read_back(place: &Place) {
    let mut densities: Option<ndarray::Array1<f64>> = None;
    for name in ["s.csv", "s.tsv", "s.npy", "s.npz"] {
        let o = place.flowc(&["sample", "spec", "-n", "200", "-o", name]);
        assert!(o.status.success(), "{}", text(&o));
        // Its densities are those given the classes, whatever the form.
        let d = place.flowc(&["density", "spec", name, "-o", "d.npy"]);
        assert!(d.status.success(), "{name}: {}", text(&d));
        let d: ndarray::Array1<f64> = ndarray_npy::read_npy(place.path("d.npy")).expect("densities");
        assert!(d.len() == 200 && d.iter().all(|v| v.is_finite()));
        assert!(densities.replace(d.clone()).is_none_or(|before| before == d), "{name}");
        let said = text(&o);
        let read = said.lines().find_map(|l| Some(&l[l.find("file(")?..])).unwrap_or_else(|| panic!("{said}"));
        // Words are read as classes of their own; numbers stay what they are.
        let (classes, at) = if name.ends_with("sv") { (2, "\"c\"") } else { (3, "2") };
        let spec = format!(
            "data = {read}\nsource = normal(dim: 2)\ntarget = data\n\
             field v(x, t | y: class[{classes}]) = mlp(concat(x, t, embed(y, 4)), hidden: [8], out: dim(x))\n\
             objective right {{\n  draw (x | y) ~ data\n  let far = if x[0] > 5 then 1 else 0\n\
             let last = if y == {} then 1 else 0\n  minimize (far - last)^2\n}}\n\
             train {{ objective: flow_matching(v, straight), batch: 64, steps: 5 }}\n\
             generate {{ sampler: flow(v), solver: euler(steps: 2), labels: {at}, count: 50 }}\n\
             evaluate [right]\nexpect right < 0.1\n",
            classes - 1,
        );
        std::fs::write(place.path("back.flow"), spec).expect("a spec");
        let o = place.flowc(&["run", "back.flow", "--out", &format!("back-{name}"), "--quiet"]);
        assert!(o.status.success(), "{name}: {}", text(&o));
    }
}

/// What trained on standardised data is sampled, and asked for densities, in the units of the file.
#[test]
fn samples_and_densities_are_in_the_units_of_the_file() {
    let spec = "
data = file(\"x.csv\", standardize: per_feature, split: [0.5, 0, 0.5])
source = normal(dim: 2)
target = data
field v(x, t) = mlp(concat(x, t), hidden: [16], out: dim(x))
train { objective: flow_matching(v, straight), batch: 64, steps: 500 }
generate { sampler: flow(v), solver: rk4(steps: 8), count: 100 }
evaluate [nll, quality_by_steps(count: 80), wasserstein2(count: 90)]
";
    let place = Place::new(spec);
    let row = |k: usize| {
        let (a, b) = (((k * 7919) % 100) as f64 / 50.0 - 1.0, ((k * 104_729) % 100) as f64 / 50.0 - 1.0);
        format!("{},{}\n", 100.0 + 10.0 * a, -5.0 + 0.1 * b)
    };
    let table: String = (0..200).map(row).collect();
    std::fs::write(place.path("x.csv"), format!("a,b\n{table}")).expect("data");
    let o = place.flowc(&["run", "spec.flow", "--quiet", "--out", "run"]);
    assert!(o.status.success(), "{}", text(&o));
    let json = std::fs::read_to_string(place.path("run/record.json")).expect("a record");
    let json: serde_json::Value = serde_json::from_str(&json).expect("a record");
    let metrics = json["cells"][0]["metrics"].as_array().expect("metrics").clone();
    let by_steps = metrics.iter().filter(|m| m["name"].as_str().is_some_and(|n| n.ends_with("), count: 80)")));
    assert_eq!(by_steps.count(), 6, "one line for each number of steps");
    let o = place.flowc(&["sample", "run", "-n", "400", "-o", "s.npy"]);
    assert!(o.status.success() && text(&o).contains("units of the data file"), "{}", text(&o));
    let s: ndarray::Array2<f64> = ndarray_npy::read_npy(place.path("s.npy")).expect("samples");
    let mean = s.mean_axis(ndarray::Axis(0)).expect("rows");
    assert!((mean[0] - 100.0).abs() < 3.0 && (mean[1] + 5.0).abs() < 0.03, "{mean}");
    // A density in the units of the file integrates to one there.
    let grid = (0..61 * 61).map(|k| [40.0 + 2.0 * f64::from(k % 61), -5.6 + 0.02 * f64::from(k / 61)]);
    let points: String = grid.map(|[a, b]| format!("{a},{b}\n")).collect();
    std::fs::write(place.path("p.csv"), format!("a,b\n{points}")).expect("points");
    let o = place.flowc(&["density", "run", "p.csv", "-o", "d.npy"]);
    assert!(o.status.success() && text(&o).contains("units of the data file"), "{}", text(&o));
    let d: ndarray::Array1<f64> = ndarray_npy::read_npy(place.path("d.npy")).expect("densities");
    let whole = d.mapv(f64::exp).sum() * 2.0 * 0.02;
    assert!((whole - 1.0).abs() < 0.03, "{whole}");
}
