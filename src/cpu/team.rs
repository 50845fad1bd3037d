//! A team of threads that compute one direction together: how they divide the work and exchange the state.
//!
//! The work is a sequence of rounds, and each round has an item for each part of the units. A thread claims
//! an item before it computes it. A round begins when all items of the round before are complete. A thread
//! that is slow, late or absent therefore computes less, and the others do not wait for it.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::simd::Block;
use super::workspace::Units;
use crate::Error;
use crate::array::reserved;

/// The number of times that a thread checks the others' progress before it yields its core to other
/// programs: some tens of microseconds, longer than a round that is worth sharing.
const SPINS: usize = 4000;

#[derive(Debug)]
pub(super) struct Team {
    parts: Vec<Progress>,
    /// How many threads may enter.
    pub(super) members: usize,
    entered: AtomicUsize,
    abandoned: AtomicBool,
    /// The hidden state before steps with even and with odd numbers.
    h: [Exchange; 2],
    /// The vectors that the second product of a step multiplies.
    inner: Exchange,
}

/// The progress of one part, in a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Progress {
    /// The number of rounds that a thread has begun.
    claimed: AtomicUsize,
    /// The number of complete rounds.
    complete: AtomicUsize,
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
            parts,
            members: sizes.members.max(1),
            entered: AtomicUsize::new(0),
            abandoned: AtomicBool::new(false),
            h: [Exchange::new(sizes.rows, sizes.h)?, Exchange::new(sizes.rows, sizes.h)?],
            inner: Exchange::new(sizes.rows, sizes.inner)?,
        })
    }

    /// Adds the calling thread, and returns its number.
    pub(super) fn enter(&self) -> usize {
        self.entered.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns the parts in the order in which a member claims them: first its own share, whose data from
    /// the last round is still in its caches, then the others' parts from the last one down.
    pub(super) fn order(&self, member: usize) -> impl Iterator<Item = usize> {
        let (parts, member) = (self.parts.len(), member % self.members);
        let own = parts * member / self.members..parts * (member + 1) / self.members;
        let (before, after) = (0..own.start, own.end..parts);
        own.chain(after.rev()).chain(before.rev())
    }

    /// Waits until all rounds before `round` are complete. Returns the number of complete rounds, or
    /// `usize::MAX` if a thread has panicked.
    pub(super) fn wait(&self, round: usize) -> usize {
        let mut looks = 0;
        loop {
            let complete = self.parts.iter().map(|part| part.complete.load(Ordering::Acquire)).min();
            match complete {
                Some(complete) if complete >= round => return complete,
                _ if self.abandoned.load(Ordering::Relaxed) => return usize::MAX,
                _ => looks += 1,
            }
            if looks < SPINS { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
    }

    /// Claims an item. Returns whether the caller must compute it. All rounds before it must be complete.
    pub(super) fn claim(&self, part: usize, round: usize) -> bool {
        let claimed = &self.parts[part].claimed;
        claimed.load(Ordering::Relaxed) == round
            && claimed.compare_exchange(round, round + 1, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Marks an item as complete, and makes the values published before it visible to the others.
    pub(super) fn complete(&self, part: usize, round: usize) {
        self.parts[part].complete.store(round + 1, Ordering::Release);
    }

    /// Releases every member, because an item will not be completed.
    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
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

    fn team(parts: usize, members: usize) -> Team {
        Team::new(&TeamSizes { parts, members, rows: 2, h: 3, inner: 0 }).unwrap()
    }

    #[test]
    fn every_member_tries_every_part_and_its_own_first() {
        let order = |parts, members, member| team(parts, members).order(member).collect::<Vec<_>>();
        assert_eq!(order(5, 2, 0), [0, 1, 4, 3, 2]);
        assert_eq!(order(5, 2, 1), [2, 3, 4, 1, 0]);
        assert_eq!(order(5, 2, 2), order(5, 2, 0));
        assert_eq!(order(2, 3, 0), [1, 0]);
    }

    #[test]
    fn an_item_is_claimed_once_and_a_round_waits_for_all_of_the_last() {
        let team = team(2, 2);
        assert!(team.claim(0, 0) && team.claim(1, 0));
        assert!(!team.claim(0, 0));
        team.complete(0, 0);
        assert_eq!(team.wait(0), 0);
        team.complete(1, 0);
        // A late thread continues with the round that the others are in.
        assert_eq!(team.wait(0), 1);
        assert!(team.claim(0, 1));
        assert!(!team.claim(0, 0) && !team.claim(1, 0));
    }

    #[test]
    fn who_waits_is_let_go() {
        let team = team(1, 2);
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| team.wait(1));
            team.abandon();
            assert_eq!(waits.join().unwrap(), usize::MAX);
        });
    }

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
