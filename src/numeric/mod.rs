//! Numbers and small numerics that know nothing of the language.
//!
//! Exact rationals, Runge-Kutta tableaux and their proof, exact and entropic assignment, constant linear algebra, the normal law, and
//! the statistics that reports print. Plain values in, plain values or a typed error out; nothing here panics on a user's
//! data. Deliberately absent: the constants of any method (they stand in the standard library), instruction sets, threads.

pub mod assignment;
pub mod linalg;
pub mod noise;
pub mod order;
pub mod rational;
pub mod scalar;
pub mod sinkhorn;
pub mod special;
pub mod stability;
pub mod stats;
pub mod tableau;
pub mod trees;
