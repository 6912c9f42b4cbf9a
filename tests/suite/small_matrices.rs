//! Small matrices of the language: inverse, determinant, Cholesky factor, and their derivatives.

use crate::lang::{Function, refused};
use flowc::diag::Code;
use nalgebra::DMatrix;

type Matrix = DMatrix<f64>;

fn close(a: f64, b: f64, tol: f64) -> bool {
    (a - b).abs() <= tol * (1.0 + a.abs().max(b.abs()))
}

/// The slope of a function by central differences of order 4.
fn central(f: impl Fn(f64) -> Vec<f64>, x: f64) -> Vec<f64> {
    let h = 1e-3;
    let (a, b, c, d) = (f(x - 2.0 * h), f(x - h), f(x + h), f(x + 2.0 * h));
    (0..a.len()).map(|k| (a[k] - 8.0 * b[k] + 8.0 * c[k] - d[k]) / (12.0 * h)).collect()
}

/// A symmetric positive definite matrix.
fn positive(n: usize, seed: usize) -> Matrix {
    let b = Matrix::from_fn(n, n, |i, j| (((seed * 31 + i * 7 + j * 13) % 17) as f64 - 8.0) / 8.0);
    &b * b.transpose() + Matrix::identity(n, n) * 0.5
}

fn rows(m: &Matrix) -> Vec<f64> {
    m.transpose().as_slice().to_vec()
}

#[test]
fn linear_algebra_of_moving_matrices_has_its_derivatives() {
    for n in 1..=5 {
        for seed in 0..4 {
            let (a, d) = (positive(n, seed), positive(n, seed + 11) * 0.3);
            let square: &[usize] = &[n, n];
            let shapes = [square, square, &[]];
            let f = |out: &str| {
                Function::new(
                    &format!("fn f(A: mat[n, n], D: mat[n, n], t: real) {{ let M = A + t^2 * D\n {out} }}"),
                    &shapes,
                )
            };
            let t = 0.8;
            let m = &a + &d * (t * t);
            let call = |f: &Function, t: f64| f.at(&[&rows(&a), &rows(&d), &[t]]);
            let inverse = Matrix::from_row_slice(n, n, &call(&f("inverse(M)"), t));
            let gap = (&inverse * &m - Matrix::identity(n, n)).amax();
            assert!(gap < 1e-12, "inverse of {n}: {gap:e}");
            let l = Matrix::from_row_slice(n, n, &call(&f("cholesky(M)"), t));
            assert!((&l * l.transpose() - &m).amax() < 1e-13, "factor of {n}");
            assert!((0..n).all(|i| l[(i, i)] > 0.0 && (i + 1..n).all(|j| l[(i, j)] == 0.0)), "lower triangle of {n}");
            let log_det = call(&f("log_det(M)"), t)[0];
            assert!(close(log_det, m.determinant().ln(), 1e-12), "log det of {n}");

            let rate = &d * (2.0 * t);
            let closed = rows(&(-(&inverse * &rate * &inverse)));
            let found = call(&f("diff(inverse(M), t)"), t);
            assert!(
                found.iter().zip(&closed).all(|(a, b)| close(*a, *b, 1e-10)),
                "inverse' of {n}: {found:?} {closed:?}"
            );
            let found = call(&f("diff(log_det(M), t)"), t)[0];
            assert!(close(found, (&inverse * &rate).trace(), 1e-11), "log det' of {n}: {found}");
            let factor = f("cholesky(M)");
            let (slope, found) = (central(|t| call(&factor, t), t), call(&f("diff(cholesky(M), t)"), t));
            assert!(found.iter().zip(&slope).all(|(a, b)| close(*a, *b, 1e-8)), "factor' of {n}: {found:?} {slope:?}");
        }
    }
}

#[test]
fn matrices_that_are_not_square_are_refused() {
    let messages = refused("fn f(A: mat[2, 3]) = inverse(A)", &[&[2, 3]]);
    assert_eq!(messages[0].code, Code::ShapeMismatch);
}
