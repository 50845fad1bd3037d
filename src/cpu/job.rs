//! A task that several threads may compute together.

use std::sync::{Mutex, PoisonError};

use super::task::{Part, Task};
use super::team::{Team, TeamSizes};
use super::worker::Worker;
use crate::Error;

pub(super) struct Job<'a> {
    task: Task<'a>,
    /// Only the thread that has claimed a part locks it, so that no thread waits for a lock.
    parts: Vec<Mutex<Part<'a>>>,
    team: Team,
}

impl<'a> Job<'a> {
    /// Creates a job that at most `members` threads will join.
    pub(super) fn new(task: Task<'a>, parts: Vec<Part<'a>>, members: usize) -> Result<Self, Error> {
        let (weights, members) = (task.weights, members.min(parts.len()));
        let team = Team::new(&TeamSizes {
            parts: parts.len(),
            members,
            rows: if parts.len() > 1 { task.lengths.len() } else { 0 },
            h: weights.output_blocks(),
            inner: if weights.products() == 2 { weights.blocks() } else { 0 },
        })?;
        Ok(Job { task, parts: parts.into_iter().map(Mutex::new).collect(), team })
    }

    /// Returns the number of threads that may join.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn members(&self) -> usize {
        self.team.rounds.members()
    }

    /// Computes the items that no other thread has claimed, until none is left.
    pub(super) fn join(&self) -> Result<(), Error> {
        let mut worker = Worker::new(&self.task, (self.parts.len() > 1).then_some(&self.team))?;
        self.team.rounds.share(self.task.rounds(), |part, round| {
            let mut claimed = self.parts[part].lock().unwrap_or_else(PoisonError::into_inner);
            worker.run(&mut claimed, round);
        });
        worker.finish();
        Ok(())
    }

    /// Computes the job as [`Job::join`] by several threads would, with the parts assigned to workers in
    /// turn. The assignment is the same in every run.
    #[cfg(test)]
    pub(super) fn take_turns(&self, threads: usize) -> Result<(), Error> {
        let worker = |_| Worker::new(&self.task, (self.parts.len() > 1).then_some(&self.team));
        let mut workers = (0..threads).map(worker).collect::<Result<Vec<_>, _>>()?;
        for round in 0..self.task.rounds() {
            for (index, part) in self.parts.iter().enumerate() {
                let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
                workers[(round + index) % threads].run(&mut part, round);
            }
        }
        Ok(())
    }

    /// Keeps the parts' arrays for the next task.
    pub(super) fn finish(self) {
        for part in self.parts {
            let part = part.into_inner().unwrap_or_else(PoisonError::into_inner);
            self.task.workspaces.parts.give_back(part.space);
        }
    }
}
