//! Threads that share the units of one direction, and tell each other its hidden state after each step.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::Error;
use crate::array::reserved;

/// Looks at another member's progress before the thread offers its core to others: some tens of microseconds, longer than
/// a step that is worth sharing.
const SPINS: usize = 4000;

/// What the members of a team have published.
///
/// State `s` is the hidden state before step `s`. A member publishes its part of state `s + 1` only after it has read
/// everyone's part of state `s`, so nobody is ever more than one state ahead, and two buffers a member are enough.
#[derive(Debug)]
pub(super) struct Team {
    members: Vec<Published>,
}

#[derive(Debug)]
struct Published {
    /// States that are out: `s` is once this is larger than `s`.
    states: AtomicUsize,
    /// The bits of the latest states, state `s` in buffer `s % 2`.
    parts: [Vec<AtomicU32>; 2],
}

impl Team {
    /// A team whose members have parts of so many elements.
    pub(super) fn new(parts: impl Iterator<Item = usize>) -> Result<Self, Error> {
        let part = |len| -> Result<Vec<AtomicU32>, Error> {
            let mut part = reserved("the hidden state that threads exchange", len)?;
            part.resize_with(len, AtomicU32::default);
            Ok(part)
        };
        let member = |len| Ok(Published { states: AtomicUsize::new(0), parts: [part(len)?, part(len)?] });
        Ok(Team { members: parts.map(member).collect::<Result<_, _>>()? })
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Elements of a member's part.
    pub(super) fn part(&self, member: usize) -> usize {
        self.members[member].parts[0].len()
    }

    /// Shows the first elements of a member's part of a state; the others are as they were two states before.
    pub(super) fn publish(&self, member: usize, state: usize, values: &[f32]) {
        let Published { states, parts } = &self.members[member];
        for (to, value) in parts[state % 2].iter().zip(values) {
            to.store(value.to_bits(), Ordering::Relaxed);
        }
        states.store(state + 1, Ordering::Release);
    }

    /// Waits for a member's part of a state.
    pub(super) fn wait(&self, member: usize, state: usize) -> &[AtomicU32] {
        let Published { states, parts } = &self.members[member];
        let mut looks = 0;
        while states.load(Ordering::Acquire) <= state {
            looks += 1;
            if looks < SPINS { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
        &parts[state % 2]
    }

    /// Nobody waits for this member any more.
    pub(super) fn leave(&self, member: usize) {
        self.members[member].states.store(usize::MAX, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(part: &[AtomicU32]) -> Vec<f32> {
        part.iter().map(|value| f32::from_bits(value.load(Ordering::Relaxed))).collect()
    }

    #[test]
    fn a_state_is_read_while_the_next_one_is_shown() {
        let team = Team::new([2, 1].into_iter()).unwrap();
        team.publish(0, 0, &[1.0, 2.0]);
        team.publish(0, 1, &[3.0]);
        assert_eq!(values(team.wait(0, 0)), [1.0, 2.0]);
        assert_eq!(values(team.wait(0, 1))[0], 3.0);
        assert_eq!([team.len(), team.part(0), team.part(1)], [2, 2, 1]);
    }

    #[test]
    fn who_waits_is_let_go() {
        let team = Team::new([1, 1].into_iter()).unwrap();
        std::thread::scope(|scope| {
            let shown = scope.spawn(|| values(team.wait(0, 0)));
            let left = scope.spawn(|| values(team.wait(1, 7)).len());
            team.publish(0, 0, &[4.0]);
            team.leave(1);
            assert_eq!((shown.join().unwrap(), left.join().unwrap()), (vec![4.0], 1));
        });
    }
}
