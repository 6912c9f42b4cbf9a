//! Random numbers are functions of their key: known answers, moments, and independence of tile, panels and instruction set.

use flowc::kernels::{Isa, LANES, PANEL};
use flowc::rng::{
    Key, Stream, Variate, fill_normal, fill_normal_on, fill_uniform, fill_uniform_on, permutation, philox, shuffle,
    site,
};
use rand::{Rng, RngExt};

/// The known answers of the reference code (Random123, `kat_vectors`, philox4x32 10).
#[test]
fn philox_known_answers() {
    let ones = u32::MAX;
    let cases = [
        ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
        ([ones; 4], [ones; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
        (
            [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
            [0xa409_3822, 0x299f_31d0],
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
        ),
    ];
    for (counter, key, words) in cases {
        assert_eq!(philox::philox(counter, key), words);
    }
}

fn tile<T: Variate>(normal: bool, rows: usize, step: u64, first: u64, panels: usize) -> Vec<T> {
    let mut out = vec![T::ZERO; rows * LANES];
    let (key, at) = (Key::new(7, "test"), site("x"));
    if normal {
        fill_normal(&mut out, rows, key, at, step, first, panels);
    } else {
        fill_uniform(&mut out, rows, key, at, step, first, panels);
    }
    out
}

#[test]
fn a_sample_does_not_know_its_tile() {
    let rows = 7;
    for normal in [false, true] {
        // Sample numbers across 2^32, where the high bits of the counter change.
        for base in [0, 1000, (1 << 32) - 40] {
            let want = tile::<f32>(normal, rows, 3, base, 8);
            for shift in [1, 5, 16, 17, 63] {
                for panels in 1..=8 {
                    let got = tile::<f32>(normal, rows, 3, base + shift, panels);
                    for r in 0..rows {
                        for l in 0..LANES {
                            let at = r * LANES + l;
                            if l >= panels * PANEL {
                                assert_eq!(got[at], 0.0, "lanes beyond the panels are not written");
                            } else if l + (shift as usize) < LANES {
                                assert_eq!(got[at].to_bits(), want[at + shift as usize].to_bits());
                            }
                        }
                    }
                }
            }
            // Fewer rows are a prefix.
            assert_eq!(tile::<f32>(normal, 5, 3, base, 8), want[..5 * LANES]);
        }
    }
}

#[test]
fn every_instruction_set_draws_the_same() {
    let (key, at, rows) = (Key::new(1, "isa"), site("y"), 37);
    let draw = |isa| {
        let mut out = (vec![0_f32; rows * LANES], vec![0_f32; rows * LANES], vec![0_f64; rows * LANES]);
        fill_normal_on(isa, &mut out.0, rows, key, at, 9, 123, 8);
        fill_uniform_on(isa, &mut out.1, rows, key, at, 9, 123, 8);
        fill_normal_on(isa, &mut out.2, rows, key, at, 9, 123, 8);
        out
    };
    let want = draw(Isa::Portable);
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        assert!(draw(isa) == want, "{isa}");
    }
}

#[test]
fn both_precisions_see_the_same_draws() {
    let (a, b) = (tile::<f32>(false, 40, 0, 0, 8), tile::<f64>(false, 40, 0, 0, 8));
    assert!(a.iter().zip(&b).all(|(a, b)| f64::from(*a) == *b), "uniforms are the same real numbers");
    for step in 0..20 {
        let (a, b) = (tile::<f32>(true, 40, step, 0, 8), tile::<f64>(true, 40, step, 0, 8));
        for (a, b) in a.iter().zip(&b) {
            assert!((f64::from(*a) - b).abs() <= 5e-7 * b.abs() + 1e-12, "{a} and {b}");
        }
    }
    // Corners of the words.
    for radius in [0, 1, 2, 0xB504_F333, 0xB504_F334, u32::MAX - 1, u32::MAX, 1 << 31] {
        for angle in [0, 1, (1 << 29) - 1, 1 << 29, 1 << 30, 1 << 31, 3 << 30, u32::MAX] {
            let ((a, b), (c, d)) = (f32::normals(radius, angle), f64::normals(radius, angle));
            let size = (c * c + d * d).sqrt();
            assert!(
                (f64::from(a) - c).hypot(f64::from(b) - d) <= 4e-7 * size,
                "{radius:x} {angle:x}: {a} {b}, {c} {d}"
            );
            assert!(size > 0.0 && size < 6.77);
        }
    }
}

#[test]
fn keys_steps_sites_and_rows_differ() {
    let draw = |seed, purpose: &str, name: &str, step| {
        let mut out = vec![0_f32; 8 * LANES];
        fill_uniform(&mut out, 8, Key::new(seed, purpose), site(name), step, 0, 8);
        out
    };
    let all = [
        draw(1, "train", "z", 0),
        draw(2, "train", "z", 0),
        draw(1, "sample", "z", 0),
        draw(1, "train", "w", 0),
        draw(1, "train", "z", 1),
        draw(1, "train", "z", 1 << 32),
    ];
    for (i, a) in all.iter().enumerate() {
        for b in &all[..i] {
            // Two independent uniforms of 23 bits agree with chance 2^-23.
            assert!(a.iter().zip(b).filter(|(a, b)| a == b).count() <= 2);
        }
        let mut rows: Vec<&[f32]> = a.chunks(LANES).collect();
        rows.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
        assert!(rows.windows(2).all(|w| w[0] != w[1]));
    }
}

/// Mean of a power minus its expectation, in standard errors.
fn deviation(x: &[f64], power: i32, mean: f64, variance: f64) -> f64 {
    let n = x.len() as f64;
    (x.iter().map(|x| x.powi(power)).sum::<f64>() / n - mean) / (variance / n).sqrt()
}

#[test]
fn moments() {
    let gather = |normal| -> Vec<f64> {
        let tiles = (0..200).flat_map(|t| tile::<f32>(normal, 64, t / 100, (t % 100) * LANES as u64, 8));
        tiles.map(f64::from).collect()
    };
    let (u, z) = (gather(false), gather(true));
    // Five standard errors: a chance of 6e-7 for each, decided once and for all by the fixed seed.
    for p in 1..=4 {
        let (mean, square) = (1.0 / f64::from(p + 1), 1.0 / f64::from(2 * p + 1));
        assert!(deviation(&u, p, mean, square - mean * mean).abs() < 5.0, "uniform, power {p}");
    }
    for (p, mean, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0), (6, 15.0, 10_170.0)] {
        assert!(deviation(&z, p, mean, variance).abs() < 5.0, "normal, power {p}");
    }
    // Neighbours in row, in lane, and a normal with the square of its partner are uncorrelated.
    let n = z.len() as f64;
    let products = [
        z.iter().zip(&z[LANES..]).map(|(a, b)| a * b).sum::<f64>(),
        z.iter().zip(&z[1..]).map(|(a, b)| a * b).sum::<f64>(),
        z.iter().zip(&z[LANES..]).map(|(a, b)| (a * a - 1.0) * (b * b - 1.0)).sum::<f64>() / 2.0,
    ];
    assert!(products.iter().all(|p| p.abs() < 5.0 * n.sqrt()), "{products:?}");
    // Distribution function of the normals at some points.
    for at in [-3.0, -1.0, -0.1, 0.0, 0.5, 2.0, 3.5] {
        let p = 0.5 * libm::erfc(-at / std::f64::consts::SQRT_2);
        let share = z.iter().filter(|z| **z <= at).count() as f64 / n;
        assert!((share - p).abs() < 5.0 * (p * (1.0 - p) / n).sqrt(), "P(z <= {at}) = {share}, not {p}");
    }
    assert!(u.iter().all(|u| 0.0 < *u && *u < 1.0));
}

#[test]
fn streams_are_keyed_and_shuffles_permute() {
    let words = |seed, purpose, index| -> Vec<u32> {
        let mut s = Stream::new(seed, purpose, index);
        (0..100).map(|_| s.next_u32()).collect()
    };
    assert_eq!(words(1, "a", 0), words(1, "a", 0));
    let all = [words(1, "a", 0), words(2, "a", 0), words(1, "b", 0), words(1, "a", 1)];
    for (i, a) in all.iter().enumerate() {
        assert!(all[..i].iter().all(|b| a.iter().zip(b).filter(|(a, b)| a == b).count() <= 1));
    }
    // Bytes and long words are the same stream.
    let (mut s, w) = (Stream::new(1, "a", 0), &all[0]);
    let mut bytes = [0; 16];
    s.fill_bytes(&mut bytes);
    let want: Vec<u8> = w[..4].iter().flat_map(|w| w.to_le_bytes()).collect();
    assert_eq!(bytes[..], want);
    assert_eq!(s.next_u64(), u64::from(w[4]) | u64::from(w[5]) << 32);

    for n in [0, 1, 2, 17, 1000] {
        let p = permutation(n, 3, "rows", 5);
        let mut sorted = p.clone();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..n));
        assert_eq!(p, permutation(n, 3, "rows", 5));
    }
    assert_ne!(permutation(100, 3, "rows", 5), permutation(100, 3, "rows", 6));
    let mut items = permutation(100, 0, "start", 0);
    shuffle(&mut items, 3, "rows", 5);
    items.sort_unstable();
    assert!(items.into_iter().eq(0..100));
    // Every position is equally likely for an item: 4 places, 4000 shuffles, three standard errors of 27.4 and more.
    let mut counts = [0_i32; 4];
    for epoch in 0..4000 {
        counts[permutation(4, 9, "fair", epoch).iter().position(|i| *i == 0).expect("a permutation")] += 1;
    }
    assert!(counts.iter().all(|c| (c - 1000).abs() < 140), "{counts:?}");
    let mean = (0..1000).scan(Stream::new(5, "mean", 0), |s, _| Some(s.random::<f64>())).sum::<f64>() / 1000.0;
    assert!((mean - 0.5).abs() < 0.05);
}
