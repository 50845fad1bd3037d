//! Running jobs in a browser, which has one thread.

use super::super::job::Job;
use crate::Error;

/// Runs one job after the other.
pub(super) fn run_jobs(jobs: &[Job<'_>], _threads: usize) -> Result<(), Error> {
    jobs.iter().try_for_each(Job::join)
}
