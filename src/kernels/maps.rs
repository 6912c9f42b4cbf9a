//! Elementwise functions over rows of a tile: loops that the compiler turns into vector code for each instruction set.

use super::{LANES, Math, PANEL, WIDEST};

/// An elementwise function as a type, for loops generic in it.
pub(super) trait Function<T> {
    /// Whether [`Function::near`] fails for some arguments, which [`Function::is_far`] finds.
    const HAS_FAR: bool = false;
    /// Whether the code is a few instructions: the compiler would unroll its loop over two panels before it could vectorise
    /// it, so it gets one loop over a whole run.
    const IS_SHORT: bool = false;
    /// The value, in straight-line code.
    fn near(x: T) -> T;
    /// Whether x needs [`Function::far`].
    fn is_far(_x: T) -> bool {
        false
    }
    /// The value where `near` fails.
    fn far(x: T) -> T {
        Self::near(x)
    }
}

macro_rules! functions {
    ($($name:ident $method:ident $is_short:literal;)*) => {
        $(pub(super) struct $name;
        impl<T: Math> Function<T> for $name {
            const IS_SHORT: bool = $is_short;
            #[inline(always)]
            fn near(x: T) -> T {
                T::$method(x)
            }
        })*
    };
}
functions! {
    Exp exp false;
    Log log false;
    Sqrt sqrt true;
    Tanh tanh false;
    Logistic logistic false;
    Softplus softplus false;
    Erf erf false;
    Recip recip true;
    Abs abs true;
    Sign sign true;
    Floor floor true;
}

macro_rules! far_functions {
    ($($name:ident $near:ident $method:ident;)*) => {
        $(pub(super) struct $name;
        impl<T: Math> Function<T> for $name {
            const HAS_FAR: bool = true;
            #[inline(always)]
            fn near(x: T) -> T {
                T::$near(x)
            }
            #[inline(always)]
            fn is_far(x: T) -> bool {
                x.is_far()
            }
            #[inline(always)]
            fn far(x: T) -> T {
                T::$method(x)
            }
        })*
    };
}
far_functions! {
    Sin near_sin sin; Cos near_cos cos;
}

/// See [`super::Map`].
///
/// # Safety
/// As [`super::Map`].
#[inline(always)]
pub(super) unsafe fn map<T: Math, F: Function<T>>(x: *const T, y: *mut T, rows: usize, panels: usize) {
    let lanes = panels * PANEL;
    // Whole rows are one run.
    let (runs, run_len) = if lanes == LANES { (1, rows * LANES) } else { (rows, lanes) };
    let pairs = if F::IS_SHORT { 0 } else { run_len / WIDEST * WIDEST };
    for run in 0..runs {
        // SAFETY: lanes of a run, readable at x and writable at y.
        unsafe {
            let (x, y) = (x.add(run * LANES), y.add(run * LANES));
            for lane in (0..pairs).step_by(WIDEST) {
                two_panels::<T, F>([x.add(lane), x.add(lane + PANEL)], [y.add(lane), y.add(lane + PANEL)]);
            }
            if F::IS_SHORT {
                short_run::<T, F>(x, y, run_len);
            }
        }
    }
    // An odd panel goes with that of the next row; that of an odd last row by itself, twice.
    if !F::IS_SHORT && pairs < run_len {
        for row in (0..rows).step_by(2) {
            let at = [row * LANES + pairs, (row + 1).min(rows - 1) * LANES + pairs];
            // SAFETY: as above.
            unsafe { two_panels::<T, F>(at.map(|at| x.add(at)), at.map(|at| y.add(at))) };
        }
    }
}

/// Two panels at once: one alone would wait for itself. Read before written, so x may be y.
#[inline(always)]
unsafe fn two_panels<T: Math, F: Function<T>>(x: [*const T; 2], y: [*mut T; 2]) {
    let mut from = [T::ZERO; WIDEST];
    // SAFETY: a panel each, readable at x.
    unsafe {
        from[..PANEL].copy_from_slice(&x[0].cast::<[T; PANEL]>().read());
        from[PANEL..].copy_from_slice(&x[1].cast::<[T; PANEL]>().read());
    }
    let mut to = [T::ZERO; WIDEST];
    for l in 0..WIDEST {
        to[l] = F::near(from[l]);
    }
    if F::HAS_FAR {
        repair::<T, F>(&from, &mut to);
    }
    // SAFETY: a panel each, writable at y.
    unsafe {
        std::ptr::copy_nonoverlapping(to.as_ptr(), y[0], PANEL);
        std::ptr::copy_nonoverlapping(to.as_ptr().add(PANEL), y[1], PANEL);
    }
}

#[inline(always)]
unsafe fn short_run<T: Math, F: Function<T>>(x: *const T, y: *mut T, len: usize) {
    // SAFETY: `len` lanes at each; in the first case they are the same, in the second they do not overlap.
    unsafe {
        let to = std::slice::from_raw_parts_mut(y, len);
        if x == y.cast_const() {
            to.iter_mut().for_each(|y| *y = F::near(*y));
        } else {
            let from = std::slice::from_raw_parts(x, len);
            to.iter_mut().zip(from).for_each(|(y, x)| *y = F::near(*x));
        }
    }
}

/// Computes the lanes again that need the slow way: rare, so one test for all of them first.
#[inline(always)]
fn repair<T: Math, F: Function<T>>(from: &[T; WIDEST], to: &mut [T; WIDEST]) {
    let mut any = false;
    for x in from {
        any |= F::is_far(*x);
    }
    if any {
        for (x, y) in from.iter().zip(to) {
            if F::is_far(*x) {
                *y = F::far(*x);
            }
        }
    }
}
