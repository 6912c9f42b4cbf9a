//! Where snapshots of a march stand if its number of sweeps is known: the fewest sweeps are made again.
//!
//! `c` snapshots, the first at the beginning, let at most `beta(c, r) = (c + r)! / (c! r!)` sweeps be reversed if none is made more
//! than r times in vain (Griewank and Walther, Algorithm 799: Revolve, 2000, section 2; Evaluating Derivatives, 2008, proposition
//! 12.3). Reversing l sweeps then makes `r l - beta(c + 1, r - 1)` again, r the least with `beta(c, r) >= l`.

/// `(c + r)! / (c! r!)`, or the greatest number.
fn beta(c: u64, r: u64) -> u64 {
    // Each factor leaves a binomial coefficient, so divisions are exact.
    let next = |product: u128, i: u64| (product.saturating_mul(u128::from(c.max(r) + i))) / u128::from(i);
    let all = (1..=c.min(r)).try_fold(1_u128, |product, i| {
        let product = next(product, i);
        (product < u128::from(u64::MAX)).then_some(product)
    });
    all.and_then(|all| u64::try_from(all).ok()).unwrap_or(u64::MAX)
}

/// How far behind the first of `snapshots` snapshots the second stands, if the first is at the beginning of `sweeps` sweeps;
/// `None` if there is no second, or no use for it.
pub(super) fn place(sweeps: usize, snapshots: usize) -> Option<usize> {
    let (l, c) = (sweeps as u64, snapshots as u64);
    if c < 2 || l < 2 {
        return None;
    }
    let r = (1..).find(|&r| beta(c, r) >= l)?;
    // Both parts must be reversible without one more round: `beta(c, r - 1)` sweeps before, `beta(c - 1, r)` behind; either
    // bound may be met, and the nearest place leaves no sweep over that a later one could not take.
    let least = l.saturating_sub(beta(c - 1, r)).max(if r >= 2 { beta(c, r - 2) } else { 1 });
    Some(least.clamp(1, l - 1) as usize)
}
