//! Memory on cache-line boundaries.
//!
//! A length -> zeros whose first element lies on a multiple of 64 bytes, as tiles want it. Deliberately absent: growth.

use std::ops::{Deref, DerefMut};

/// Bytes of the alignment.
const ALIGN: usize = 64;

/// A slice whose address is a multiple of 64 bytes.
#[derive(Debug, Default)]
pub struct Aligned<T> {
    memory: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Copy + Default> Aligned<T> {
    /// `len` zeros.
    #[must_use]
    pub fn zeros(len: usize) -> Aligned<T> {
        let spare = ALIGN / size_of::<T>();
        let memory = vec![T::default(); len + spare];
        let start = memory.as_ptr().align_offset(ALIGN).min(spare);
        Aligned { memory, start, len }
    }

    /// A copy of a slice.
    #[must_use]
    pub fn of(values: &[T]) -> Aligned<T> {
        let mut aligned = Aligned::zeros(values.len());
        aligned.copy_from_slice(values);
        aligned
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.memory[self.start..self.start + self.len]
    }
}

impl<T> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.memory[self.start..self.start + self.len]
    }
}
