//! Update rules against scalar transcriptions of their papers, and their indifference to splitting.

use flowc::run::optim::{Ema, Optimizer, Rule, clip_scale, square_sum, tree_sum};

/// Values that look random, in [-1, 1).
fn noise(n: usize, salt: u64) -> Vec<f64> {
    (0..n as u64)
        .map(|i| {
            let x = (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(salt).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            ((x >> 11) as f64) / ((1_u64 << 52) as f64) - 1.0
        })
        .collect()
}

fn every_rule() -> Vec<Optimizer> {
    let (beta1, beta2, eps) = (0.9, 0.99, 1e-8);
    [
        Rule::Adam { beta1, beta2, eps },
        Rule::AdamW { beta1, beta2, eps },
        Rule::RmsProp { alpha: 0.95, eps, momentum: 0.0 },
        Rule::RmsProp { alpha: 0.95, eps, momentum: 0.8 },
        Rule::Sgd { momentum: 0.0, nesterov: false },
        Rule::Sgd { momentum: 0.9, nesterov: false },
        Rule::Sgd { momentum: 0.9, nesterov: true },
    ]
    .into_iter()
    .flat_map(|rule| [0.0, 0.01].map(|weight_decay| Optimizer { rule, weight_decay }))
    .collect()
}

/// One parameter after one step, from the history of its gradients, as the papers have it.
fn reference(o: &Optimizer, start: f64, gradients: &[f64], rate: f64) -> f64 {
    let (mut x, mut m, mut v, mut b) = (start, 0.0, 0.0, 0.0);
    let wd = o.weight_decay;
    for (i, &g) in gradients.iter().enumerate() {
        let t = i as f64 + 1.0;
        match o.rule {
            Rule::Adam { beta1, beta2, eps } => {
                let g = g + wd * x;
                m = beta1 * m + (1.0 - beta1) * g;
                v = beta2 * v + (1.0 - beta2) * g * g;
                let (mean, square) = (m / (1.0 - beta1.powf(t)), v / (1.0 - beta2.powf(t)));
                x -= rate * mean / (square.sqrt() + eps);
            }
            Rule::AdamW { beta1, beta2, eps } => {
                m = beta1 * m + (1.0 - beta1) * g;
                v = beta2 * v + (1.0 - beta2) * g * g;
                let (mean, square) = (m / (1.0 - beta1.powf(t)), v / (1.0 - beta2.powf(t)));
                x -= rate * wd * x;
                x -= rate * mean / (square.sqrt() + eps);
            }
            Rule::RmsProp { alpha, eps, momentum } => {
                let g = g + wd * x;
                v = alpha * v + (1.0 - alpha) * g * g;
                b = momentum * b + g / (v.sqrt() + eps);
                x -= rate * b;
            }
            Rule::Sgd { momentum, nesterov } => {
                let g = g + wd * x;
                b = momentum * b + g;
                x -= rate * if nesterov { g + momentum * b } else { b };
            }
        }
    }
    x
}

#[test]
fn rules_agree_with_their_definitions() {
    let (n, steps, rate) = (37, 50, 0.02);
    let start = noise(n, 7);
    let gradients: Vec<Vec<f64>> = (0..steps).map(|s| noise(n, 100 + s)).collect();
    for o in every_rule() {
        let mut theta = start.clone();
        let mut memory = vec![vec![0.0; n]; o.memory().len()];
        for (s, g) in gradients.iter().enumerate() {
            let mut views: Vec<&mut [f64]> = memory.iter_mut().map(Vec::as_mut_slice).collect();
            o.at(s as u64 + 1, rate, 1.0).apply(&mut theta, g, &mut views);
        }
        for i in 0..n {
            let history: Vec<f64> = gradients.iter().map(|g| g[i]).collect();
            let want = reference(&o, start[i], &history, rate);
            assert!((theta[i] - want).abs() <= 1e-12, "{o:?}: {} against {want}", theta[i]);
        }
    }
}

#[test]
fn a_split_into_ranges_changes_no_bit() {
    let n = 1001;
    let g: Vec<f32> = noise(n, 3).iter().map(|&x| x as f32).collect();
    for o in every_rule() {
        let run = |cuts: &[usize]| {
            let mut theta: Vec<f32> = noise(n, 9).iter().map(|&x| x as f32).collect();
            let mut average = theta.clone();
            let mut memory = vec![vec![0.0_f32; n]; o.memory().len()];
            for step in 1..=5 {
                for w in cuts.windows(2) {
                    let range = w[0]..w[1];
                    let mut views: Vec<&mut [f32]> = memory.iter_mut().map(|m| &mut m[range.clone()]).collect();
                    o.at(step, 1e-2, 0.5).apply(&mut theta[range.clone()], &g[range.clone()], &mut views);
                    Ema { decay: 0.9 }.update(step, &mut average[range.clone()], &theta[range]);
                }
            }
            let bits = |v: Vec<f32>| v.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            (bits(theta), bits(average), memory.into_iter().map(bits).collect::<Vec<_>>())
        };
        let whole = run(&[0, n]);
        assert_eq!(whole, run(&[0, 1, 17, 500, 501, n]), "{o:?}");
        assert_eq!(whole, run(&[0, 333, 667, n]), "{o:?}");
    }
}

#[test]
fn a_clipped_gradient_has_the_bound_as_its_norm() {
    let g = noise(5000, 1);
    let squares: Vec<f64> = g.chunks(1024).map(square_sum).collect();
    let norm = tree_sum(&squares).sqrt();
    let plain = g.iter().map(|x| x * x).sum::<f64>().sqrt();
    assert!((norm - plain).abs() <= 1e-12 * plain);
    let scale = clip_scale(norm, Some(0.5));
    let clipped = g.iter().map(|x| (x * scale).powi(2)).sum::<f64>().sqrt();
    assert!((clipped - 0.5).abs() <= 1e-12);
    assert!(
        clip_scale(0.4, Some(0.5)).to_bits() == 1.0_f64.to_bits()
            && clip_scale(1e9, None).to_bits() == 1.0_f64.to_bits()
    );
}

#[test]
fn the_norm_sees_every_element_that_is_not_finite() {
    for n in [1, 7, 8, 100, 1024] {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in 0..n {
                let mut g = vec![1.0_f32; n];
                assert!(square_sum(&g).is_finite());
                g[at] = bad;
                assert!(!square_sum(&g).is_finite());
            }
        }
    }
}

#[test]
fn an_average_of_a_constant_is_the_constant_and_forgets_its_start() {
    let ema = Ema { decay: 0.999 };
    let mut average = [0.0_f64];
    for step in 1..=200 {
        ema.update(step, &mut average, &[1.0]);
    }
    // A decay of 0.999 from the first step on would leave 0.999^200 = 0.82 of the start.
    assert!((average[0] - 1.0).abs() < 1e-9, "{}", average[0]);
    assert!(ema.decay_at(1_000_000).to_bits() == 0.999_f64.to_bits());
}
