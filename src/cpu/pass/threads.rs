//! The threads that jobs run on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::super::job::Job;
use crate::{Error, pool};

/// Keeps the first error of several threads.
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

/// Runs jobs on the calling thread and on others of rayon's pool, at most `threads` in total. If the others
/// are busy, the calling thread does their work.
pub(super) fn run_jobs(jobs: &[Job<'_>], threads: usize) -> Result<(), Error> {
    // Each job appears once for each of its members: first all jobs for their first member, and so on.
    let most = jobs.iter().map(Job::members).max().unwrap_or(0);
    let member = |member| jobs.iter().filter(move |job| job.members() > member);
    let places: Vec<_> = (0..most).flat_map(member).collect();
    let others = places.len().min(threads).saturating_sub(1);
    let next = AtomicUsize::new(0);
    let failed = Failure::default();
    let work = || {
        while let Some(job) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
            failed.note(job.join());
        }
    };
    if others == 0 || !pool::exists() {
        work();
        return failed.result();
    }
    rayon::in_place_scope(|scope| {
        (0..others).for_each(|_| scope.spawn(|_| work()));
        work();
    });
    failed.result()
}
