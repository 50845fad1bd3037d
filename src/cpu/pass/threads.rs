//! The threads that tasks run on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Task, task};
use crate::Error;

/// The first error of several threads.
#[derive(Default)]
struct Failure(Mutex<Option<Error>>);

impl Failure {
    fn note(&self, result: Result<(), Error>) {
        if let Err(error) = result {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }

    fn result(self) -> Result<(), Error> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }
}

/// The calling thread runs teams, and up to `threads` in all do.
pub(super) fn run_teams(teams: Vec<Vec<Task<'_>>>, threads: usize) -> Result<(), Error> {
    let others = teams.len().min(threads).saturating_sub(1);
    let queue = Mutex::new(teams);
    let failed = Failure::default();
    let work = || {
        while let Some(team) = pop(&queue) {
            failed.note(run_team(team));
        }
    };
    rayon::in_place_scope(|scope| {
        (0..others).for_each(|_| scope.spawn(|_| work()));
        work();
    });
    failed.result()
}

/// One thread for each task, if they come; else the calling thread does what nobody has taken.
fn run_team(tasks: Vec<Task<'_>>) -> Result<(), Error> {
    if tasks.len() < 2 {
        return task::run(tasks);
    }
    let others = tasks.len() - 1;
    let patience = patience(&tasks);
    let queue = Mutex::new(tasks);
    let failed = Failure::default();
    let arrived = AtomicUsize::new(0);
    let run = |tasks| failed.note(task::run(tasks));
    rayon::in_place_scope(|scope| {
        for _ in 0..others {
            scope.spawn(|_| {
                if let Some(task) = pop(&queue) {
                    arrived.fetch_add(1, Ordering::Relaxed);
                    run(vec![task]);
                }
            });
        }
        let start = Instant::now();
        while arrived.load(Ordering::Relaxed) < others && start.elapsed() < patience {
            std::hint::spin_loop();
        }
        run(std::mem::take(&mut *queue.lock().unwrap_or_else(PoisonError::into_inner)));
    });
    failed.result()
}

fn pop<T>(queue: &Mutex<Vec<T>>) -> Option<T> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

/// How long to wait for the others: a small part of the time that they save.
fn patience(tasks: &[Task<'_>]) -> Duration {
    /// Of one thread, about, in multiply-adds a nanosecond.
    const RATE: usize = 20;
    let Some(task) = tasks.first() else { return Duration::ZERO };
    let steps: usize = task.lengths.iter().sum();
    let terms = task.weights.input.terms() + task.weights.hidden.terms();
    let nanoseconds = steps.saturating_mul(terms * task.weights.input.columns()) / RATE;
    Duration::from_nanos(nanoseconds as u64 / 8)
}
