//! Tiles of draws: `[rows][64]`, one sample a lane, compiled for each instruction set.

use super::philox::philox;
use super::{Key, Variate};
use crate::kernels::{Isa, LANES, PANEL, WIDEST};

/// Most rows of a draw.
pub const MAX_ROWS: usize = 4 << 16;
/// Samples are below it.
pub const MAX_SAMPLES: u64 = 1 << 40;
/// Steps are below it.
pub const MAX_STEPS: u64 = 1 << 40;

/// Uniforms on (0, 1), see [`Variate::uniform`]: `out[r * 64 + l]` is element r of the draw at `site` for sample
/// `first_sample + l`, for r < rows and l < 8 * panels. Other lanes are not written.
///
/// # Panics
/// If `out` is shorter than `64 * rows`, `panels` is not 1 to 8, or a size reaches [`MAX_ROWS`], [`MAX_SAMPLES`] or
/// [`MAX_STEPS`].
pub fn fill_uniform<T: Variate>(
    out: &mut [T],
    rows: usize,
    key: Key,
    site: u32,
    step: u64,
    first_sample: u64,
    panels: usize,
) {
    fill_uniform_on(Isa::detect(), out, rows, key, site, step, first_sample, panels);
}

/// Standard normals, see [`Variate::normals`]; otherwise as [`fill_uniform`].
///
/// # Panics
/// As [`fill_uniform`].
pub fn fill_normal<T: Variate>(
    out: &mut [T],
    rows: usize,
    key: Key,
    site: u32,
    step: u64,
    first_sample: u64,
    panels: usize,
) {
    fill_normal_on(Isa::detect(), out, rows, key, site, step, first_sample, panels);
}

/// [`fill_uniform`] with the code for one instruction set; the bits are the same.
///
/// # Panics
/// As [`fill_uniform`], and if the processor lacks it.
#[allow(clippy::too_many_arguments)]
pub fn fill_uniform_on<T: Variate>(
    isa: Isa,
    out: &mut [T],
    rows: usize,
    key: Key,
    site: u32,
    step: u64,
    first_sample: u64,
    panels: usize,
) {
    fill_on::<T, Uniform>(isa, out, &Draws { rows, key, site, step, first_sample, panels });
}

/// [`fill_normal`] with the code for one instruction set; the bits are the same.
///
/// # Panics
/// As [`fill_uniform`], and if the processor lacks it.
#[allow(clippy::too_many_arguments)]
pub fn fill_normal_on<T: Variate>(
    isa: Isa,
    out: &mut [T],
    rows: usize,
    key: Key,
    site: u32,
    step: u64,
    first_sample: u64,
    panels: usize,
) {
    fill_on::<T, Normal>(isa, out, &Draws { rows, key, site, step, first_sample, panels });
}

/// What is drawn.
struct Draws {
    rows: usize,
    key: Key,
    site: u32,
    step: u64,
    first_sample: u64,
    panels: usize,
}

/// Makes four elements of four words.
trait Distribution {
    fn of<T: Variate>(words: [u32; 4]) -> [T; 4];
}

struct Uniform;
impl Distribution for Uniform {
    #[inline(always)]
    fn of<T: Variate>(words: [u32; 4]) -> [T; 4] {
        [T::uniform(words[0]), T::uniform(words[1]), T::uniform(words[2]), T::uniform(words[3])]
    }
}

struct Normal;
impl Distribution for Normal {
    #[inline(always)]
    fn of<T: Variate>(words: [u32; 4]) -> [T; 4] {
        let (a, b) = T::normals(words[0], words[1]);
        let (c, d) = T::normals(words[2], words[3]);
        [a, b, c, d]
    }
}

fn fill_on<T: Variate, D: Distribution>(isa: Isa, out: &mut [T], draws: &Draws) {
    assert!(isa.is_available(), "this processor has no {isa}");
    assert!(out.len() >= draws.rows * LANES && (1..=LANES / PANEL).contains(&draws.panels), "a tile of these rows");
    assert!(
        draws.rows <= MAX_ROWS && draws.step < MAX_STEPS && draws.first_sample < MAX_SAMPLES - LANES as u64,
        "within the counter"
    );
    match isa {
        Isa::Portable => fill::<T, D>(out, draws),
        // SAFETY: the processor has the instruction set.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { fill_avx2::<T, D>(out, draws) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { fill_avx512::<T, D>(out, draws) },
        #[cfg(not(target_arch = "x86_64"))]
        Isa::Avx2 | Isa::Avx512 => unreachable!("not available"),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn fill_avx2<T: Variate, D: Distribution>(out: &mut [T], draws: &Draws) {
    fill::<T, D>(out, draws);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
fn fill_avx512<T: Variate, D: Distribution>(out: &mut [T], draws: &Draws) {
    fill::<T, D>(out, draws);
}

/// Two panels at a time, and an odd one.
#[inline(always)]
fn fill<T: Variate, D: Distribution>(out: &mut [T], draws: &Draws) {
    let lanes = draws.panels * PANEL;
    let pairs = lanes / WIDEST * WIDEST;
    for lane in (0..pairs).step_by(WIDEST) {
        fill_lanes::<T, D, WIDEST>(out, draws, lane);
    }
    if pairs < lanes {
        fill_lanes::<T, D, PANEL>(out, draws, pairs);
    }
}

/// N lanes of all rows, a block of four rows at a time: words, then elements, then the rows.
#[inline(always)]
fn fill_lanes<T: Variate, D: Distribution, const N: usize>(out: &mut [T], draws: &Draws, lane: usize) {
    let key = draws.key.words();
    let step_high = ((draws.step >> 32) as u32) << 16;
    let sample = |l: usize| draws.first_sample + (lane + l) as u64;
    let low: [u32; N] = std::array::from_fn(|l| sample(l) as u32);
    let high: [u32; N] = std::array::from_fn(|l| ((sample(l) >> 32) as u32) << 24 | step_high);
    for first_row in (0..draws.rows).step_by(4) {
        let block = (first_row / 4) as u32;
        let mut words = [[0_u32; N]; 4];
        for l in 0..N {
            let four = philox([low[l], draws.step as u32, high[l] | block, draws.site], key);
            for i in 0..4 {
                words[i][l] = four[i];
            }
        }
        let mut elements = [[T::ZERO; N]; 4];
        for l in 0..N {
            let four = D::of([words[0][l], words[1][l], words[2][l], words[3][l]]);
            for i in 0..4 {
                elements[i][l] = four[i];
            }
        }
        let rows = out[first_row * LANES..draws.rows * LANES].chunks_exact_mut(LANES);
        for (row, values) in rows.zip(&elements) {
            row[lane..][..N].copy_from_slice(values);
        }
    }
}
