//! A team of threads that compute one direction together, and how they exchange the state.

use std::ops::Range;

use super::atomic::{AtomicUsize, Ordering};
use super::rounds::{Progress, Rounds};
use super::simd::Block;
use super::workspace::Units;
use crate::Error;
use crate::array::reserved;

#[derive(Debug)]
pub(super) struct Team {
    /// How the threads divide the work.
    pub(super) rounds: Rounds,
    /// The hidden state before steps with even and with odd numbers.
    h: [Exchange; 2],
    /// The vectors that the second product of a step multiplies.
    inner: Exchange,
}

/// The sizes of a [`Team`]'s arrays.
pub(super) struct TeamSizes {
    pub(super) parts: usize,
    pub(super) members: usize,
    pub(super) rows: usize,
    /// The number of blocks of the hidden state.
    pub(super) h: usize,
    /// The number of blocks of the vectors that a second product multiplies, if there is one.
    pub(super) inner: usize,
}

impl Team {
    pub(super) fn new(sizes: &TeamSizes) -> Result<Self, Error> {
        let mut parts = reserved("the progress of threads", sizes.parts)?;
        parts.resize_with(sizes.parts, Progress::default);
        Ok(Team {
            rounds: Rounds::new(parts, sizes.members),
            h: [Exchange::new(sizes.rows, sizes.h)?, Exchange::new(sizes.rows, sizes.h)?],
            inner: Exchange::new(sizes.rows, sizes.inner)?,
        })
    }

    /// Returns the hidden state before a step. Two steps need two arrays: while some parts of a step are
    /// computed from one array, other parts are already published in the other.
    pub(super) fn h(&self, step: usize) -> &Exchange {
        &self.h[step % 2]
    }

    /// Returns the vectors that the second product of a step multiplies. One array is enough: it is written
    /// in one round and read in the next.
    pub(super) fn inner(&self) -> &Exchange {
        &self.inner
    }
}

/// A vector of units for each row. Each thread writes a part of it, and every thread reads all of it.
#[derive(Debug)]
pub(super) struct Exchange {
    /// The bits, in the largest words that are atomic on every platform.
    values: Vec<AtomicUsize>,
    /// The number of words of a row.
    width: usize,
}

/// The number of words of a block.
const WORDS: usize = size_of::<Block>() / size_of::<usize>();

impl Exchange {
    fn new(rows: usize, blocks: usize) -> Result<Self, Error> {
        let width = blocks * WORDS;
        let mut values = reserved("the state that threads exchange", rows.saturating_mul(width))?;
        values.resize_with(rows * width, AtomicUsize::default);
        Ok(Exchange { values, width })
    }

    /// Publishes some blocks of the first rows.
    pub(super) fn publish(&self, from: &Units, blocks: &Range<usize>, rows: usize) {
        let columns = blocks.start * WORDS..blocks.end * WORDS;
        let to = self.values.chunks_exact(self.width.max(1)).take(rows);
        for (to, from) in to.zip(from.columns(blocks, rows)) {
            let from: &[usize] = bytemuck::cast_slice(from);
            for (to, &from) in to[columns.clone()].iter().zip(from) {
                to.store(from, Ordering::Relaxed);
            }
        }
    }

    /// Copies all blocks of the first rows.
    pub(super) fn read(&self, to: &mut Units, rows: usize) {
        let to: &mut [usize] = bytemuck::cast_slice_mut(to.first(rows));
        for (to, from) in to.iter_mut().zip(&self.values) {
            *to = from.load(Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_are_published_are_read_as_a_whole() {
        let exchange = Exchange::new(2, 3).unwrap();
        let mut from = Units { values: vec![Block::default(); 6], width: 3 };
        let value = |index: usize| Block([index as f32 + 1.0; 16]);
        from.values.iter_mut().enumerate().for_each(|(index, block)| *block = value(index));
        exchange.publish(&from, &(0..1), 2);
        exchange.publish(&from, &(1..3), 1);
        let mut to = Units { values: vec![Block::default(); 6], width: 3 };
        exchange.read(&mut to, 2);
        assert_eq!(to.values[..4], [0, 1, 2, 3].map(value));
        assert_eq!(to.values[4..], [Block::default(); 2]);
    }
}
