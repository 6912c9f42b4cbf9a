//! Laws of implicit tableaux, and of what follows from coefficients about stability.

use crate::tableaux;
use flowc::numeric::order::{Finding, ImplicitFault};
use flowc::numeric::rational::{integer, to_f64};
use flowc::numeric::stability::real_boundary;
use flowc::numeric::tableau::Tableau;

#[test]
fn implicit_tableaux_pass_with_their_order() {
    for t in [tableaux::kvaerno3(), tableaux::kvaerno5(), tableaux::crouzeix3()] {
        assert_eq!(t.check(), [], "{}", t.name);
        assert_eq!(t.reached_order(), Some(t.order), "{}", t.name);
        assert_eq!(t.is_fsal(), t.name.starts_with("kvaerno"), "{}", t.name);
        let method = t.method();
        let implicit = method.implicit.as_ref().expect("is implicit");
        assert!(!implicit.stages[0] && implicit.stages[1..].iter().all(|&i| i), "{}", t.name);
        assert_eq!((implicit.gamma, &method.stiffness), (to_f64(&t.gamma().expect("a diagonal")), &None));
    }
    let predict = tableaux::kvaerno5().method().implicit.expect("is implicit").predict;
    // The predictors of diffrax and OrdinaryDiffEq.jl for these stages.
    for (stage, want) in [
        (2, &[(0, -1.366025403784441), (1, 2.3660254037844357)][..]),
        (3, &[(0, -0.19650552613122207), (1, 0.8113579546496623), (2, 0.38514757148155954)]),
        (6, &[(5, 1.0)]),
    ] {
        assert_eq!(predict[stage].len(), want.len(), "{:?}", predict[stage]);
        for ((i, found), (j, want)) in predict[stage].iter().zip(want) {
            assert!(i == j && (found - want).abs() < 1e-6, "stage {stage}: {:?}", predict[stage]);
        }
    }
    let faults = |change: &dyn Fn(&mut Tableau)| {
        let mut t = tableaux::kvaerno3();
        change(&mut t);
        let fault = |f: Finding| match f {
            Finding::Implicit { row, column, fault, .. } => Some((row, column, fault)),
            _ => None,
        };
        t.check().into_iter().filter_map(fault).collect::<Vec<_>>()
    };
    let half = || integer(1) / integer(2);
    assert_eq!(faults(&|t| t.a[0] = vec![half()])[0], (0, 0, ImplicitFault::First));
    let above = vec![half(), half(), half(), half()];
    assert!(faults(&|t| t.a[1].clone_from(&above)).contains(&(1, 2, ImplicitFault::Above)));
    assert!(matches!(faults(&|t| t.a[2][2] = half())[..], [(2, 2, ImplicitFault::NotConstant(_))]));
}

/// `dopri5.f` has 3.25 and its stages 6 and 7, `dop853.f` 6.1 of its own 8th-order pair.
#[test]
fn boundaries_of_stability_are_the_published_ones() {
    let test = tableaux::dopri5().method().stiffness.expect("two stages at the end");
    assert_eq!(test.stages, (5, 6));
    assert!((test.bound - 3.25).abs() < 1e-3, "{}", test.bound);
    assert!(tableaux::bosh3().method().stiffness.is_none() && tableaux::tsit5().method().stiffness.is_some());
    // Hairer and Wanner II, IV.2: 2 for Euler and order 2, 2.51 and 2.79 for orders 3 and 4 with as many stages.
    for (t, length) in [(tableaux::euler(), 2.0), (tableaux::heun(), 2.0), (tableaux::rk4(), 2.785)] {
        let a: Vec<Vec<f64>> =
            (0..t.stages()).map(|i| (0..t.stages()).map(|j| to_f64(&t.stage_weight(i, j))).collect()).collect();
        let b: Vec<f64> = t.b.iter().map(to_f64).collect();
        let found = real_boundary(&a, &b).expect("stable somewhere");
        assert!((found - length).abs() < 1e-3, "{}: {found}", t.name);
    }
}
