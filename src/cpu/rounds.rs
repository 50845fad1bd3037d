//! How threads divide work among them that comes in rounds.
//!
//! Each round has an item for each part. A thread claims an item before it computes it. A round begins when all
//! items of the round before are complete. A thread that is slow, late or absent therefore computes less, and the
//! others do not wait for it.
//!
//! `tools/interleavings` compiles this file with loom's atomics and tries every order of the threads.

use super::atomic::{AtomicBool, AtomicUsize, Ordering, pause};

#[derive(Debug)]
pub(super) struct Rounds {
    parts: Vec<Progress>,
    /// How many threads may share the work.
    members: usize,
    entered: AtomicUsize,
    abandoned: AtomicBool,
}

/// The progress of one part, in a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Progress {
    /// The number of rounds that a thread has begun.
    claimed: AtomicUsize,
    /// The number of complete rounds.
    complete: AtomicUsize,
}

impl Rounds {
    /// Creates the rounds of as many parts as there are elements.
    pub(super) fn new(parts: Vec<Progress>, members: usize) -> Self {
        let (entered, abandoned) = (AtomicUsize::new(0), AtomicBool::new(false));
        Rounds { parts, members: members.max(1), entered, abandoned }
    }

    /// Returns how many threads may share the work.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn members(&self) -> usize {
        self.members
    }

    /// Computes the items of all rounds that no other thread has claimed, with `compute(part, round)`. What an
    /// item of a round has written is visible to the items of the next round.
    pub(super) fn share(&self, rounds: usize, mut compute: impl FnMut(usize, usize)) {
        let member = self.entered.fetch_add(1, Ordering::Relaxed);
        let mut guard = Guard { rounds: self, finished: false };
        let mut round = self.wait(0);
        while round < rounds {
            for part in self.order(member) {
                if self.claim(part, round) {
                    compute(part, round);
                    self.complete(part, round);
                }
            }
            round = self.wait(round + 1);
        }
        guard.finished = true;
    }

    /// Returns the parts in the order in which a member claims them: first its own share, whose data from
    /// the last round is still in its caches, then the others' parts from the last one down.
    fn order(&self, member: usize) -> impl Iterator<Item = usize> {
        let (parts, member) = (self.parts.len(), member % self.members);
        let own = parts * member / self.members..parts * (member + 1) / self.members;
        let (before, after) = (0..own.start, own.end..parts);
        own.chain(after.rev()).chain(before.rev())
    }

    /// Waits until all rounds before `round` are complete. Returns the number of complete rounds, or
    /// `usize::MAX` if a thread has panicked.
    fn wait(&self, round: usize) -> usize {
        let mut looks = 0;
        loop {
            let complete = self.parts.iter().map(|part| part.complete.load(Ordering::Acquire)).min();
            match complete {
                Some(complete) if complete >= round => return complete,
                _ if self.abandoned.load(Ordering::Relaxed) => return usize::MAX,
                _ => looks += 1,
            }
            pause(looks);
        }
    }

    /// Claims an item. Returns whether the caller must compute it. All rounds before it must be complete.
    fn claim(&self, part: usize, round: usize) -> bool {
        let claimed = &self.parts[part].claimed;
        claimed.load(Ordering::Relaxed) == round
            && claimed.compare_exchange(round, round + 1, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Marks an item as complete, and makes the values published before it visible to the others.
    fn complete(&self, part: usize, round: usize) {
        self.parts[part].complete.store(round + 1, Ordering::Release);
    }

    /// Releases every member, because an item will not be completed.
    fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }
}

/// Releases the other threads if this one panics while it computes an item.
struct Guard<'a> {
    rounds: &'a Rounds,
    finished: bool,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.rounds.abandon();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(parts: usize, members: usize) -> Rounds {
        Rounds::new((0..parts).map(|_| Progress::default()).collect(), members)
    }

    #[test]
    fn every_member_tries_every_part_and_its_own_first() {
        let order = |parts, members, member| rounds(parts, members).order(member).collect::<Vec<_>>();
        assert_eq!(order(5, 2, 0), [0, 1, 4, 3, 2]);
        assert_eq!(order(5, 2, 1), [2, 3, 4, 1, 0]);
        assert_eq!(order(5, 2, 2), order(5, 2, 0));
        assert_eq!(order(2, 3, 0), [1, 0]);
    }

    #[test]
    fn an_item_is_claimed_once_and_a_round_waits_for_all_of_the_last() {
        let rounds = rounds(2, 2);
        assert!(rounds.claim(0, 0) && rounds.claim(1, 0));
        assert!(!rounds.claim(0, 0));
        rounds.complete(0, 0);
        assert_eq!(rounds.wait(0), 0);
        rounds.complete(1, 0);
        // A late thread continues with the round that the others are in.
        assert_eq!(rounds.wait(0), 1);
        assert!(rounds.claim(0, 1));
        assert!(!rounds.claim(0, 0) && !rounds.claim(1, 0));
    }

    #[test]
    fn who_waits_is_let_go() {
        let rounds = rounds(1, 2);
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| rounds.wait(1));
            rounds.abandon();
            assert_eq!(waits.join().unwrap(), usize::MAX);
        });
    }
}
