//! Threads that share the units of one direction, and tell each other what every one of them needs: the hidden state after
//! each step, and in between what a second product multiplies.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::Error;
use crate::array::reserved;

/// Looks at another member's progress before the thread offers its core to others: some tens of microseconds, longer than
/// a step that is worth sharing.
const SPINS: usize = 4000;

/// What the members of a team have published.
///
/// Everyone publishes the same number of messages, each member its part. A member publishes its part of message `m + 1` only
/// after it has read everyone's part of message `m`, so nobody is ever more than one message ahead, and two buffers a member
/// are enough.
#[derive(Debug)]
pub(super) struct Team {
    members: Vec<Published>,
}

#[derive(Debug)]
struct Published {
    /// Messages that are out: message `m` is once this is larger than `m`.
    messages: AtomicUsize,
    /// The bits of the latest messages, message `m` in buffer `m % 2`.
    parts: [Vec<AtomicU32>; 2],
}

impl Team {
    /// A team whose members' parts of messages with even and with odd numbers have so many elements.
    pub(super) fn new(parts: impl Iterator<Item = [usize; 2]>) -> Result<Self, Error> {
        let part = |len| -> Result<Vec<AtomicU32>, Error> {
            let mut part = reserved("the state that threads exchange", len)?;
            part.resize_with(len, AtomicU32::default);
            Ok(part)
        };
        let member = |[even, odd]: [usize; 2]| {
            Ok(Published { messages: AtomicUsize::new(0), parts: [part(even)?, part(odd)?] })
        };
        Ok(Team { members: parts.map(member).collect::<Result<_, _>>()? })
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Shows the first rows of a member's part of a message; the others are as they were two messages before.
    pub(super) fn publish<'a>(&self, member: usize, message: usize, rows: impl Iterator<Item = &'a [f32]>) {
        let Published { messages, parts } = &self.members[member];
        for (to, value) in parts[message % 2].iter().zip(rows.flatten()) {
            to.store(value.to_bits(), Ordering::Relaxed);
        }
        messages.store(message + 1, Ordering::Release);
    }

    /// Waits for a member's part of a message, and copies its first rows.
    pub(super) fn read<'a>(&self, member: usize, message: usize, rows: impl Iterator<Item = &'a mut [f32]>) {
        let Published { messages, parts } = &self.members[member];
        let mut looks = 0;
        while messages.load(Ordering::Acquire) <= message {
            looks += 1;
            if looks < SPINS { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
        let mut part = parts[message % 2].as_slice();
        for row in rows {
            let (values, rest) = part.split_at(row.len().min(part.len()));
            for (to, value) in row.iter_mut().zip(values) {
                *to = f32::from_bits(value.load(Ordering::Relaxed));
            }
            part = rest;
        }
    }

    /// Nobody waits for this member any more.
    pub(super) fn leave(&self, member: usize) {
        self.members[member].messages.store(usize::MAX, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(team: &Team, member: usize, message: usize, len: usize) -> Vec<f32> {
        let mut row = vec![0.0; len];
        team.read(member, message, [&mut row[..]].into_iter());
        row
    }

    #[test]
    fn a_message_is_read_while_the_next_one_is_shown() {
        let team = Team::new([[2, 3], [1, 1]].into_iter()).unwrap();
        team.publish(0, 0, [&[1.0][..], &[2.0]].into_iter());
        team.publish(0, 1, [&[3.0, 4.0, 5.0][..]].into_iter());
        assert_eq!(read(&team, 0, 0, 2), [1.0, 2.0]);
        assert_eq!(read(&team, 0, 1, 3), [3.0, 4.0, 5.0]);
        assert_eq!(team.len(), 2);
    }

    #[test]
    fn who_waits_is_let_go() {
        let team = Team::new([[1, 1], [1, 1]].into_iter()).unwrap();
        std::thread::scope(|scope| {
            let shown = scope.spawn(|| read(&team, 0, 0, 1));
            let left = scope.spawn(|| read(&team, 1, 7, 1));
            team.publish(0, 0, [&[4.0][..]].into_iter());
            team.leave(1);
            assert_eq!((shown.join().unwrap(), left.join().unwrap()), (vec![4.0], vec![0.0]));
        });
    }
}
