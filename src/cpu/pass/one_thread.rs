//! Where there is one thread alone, in a browser.

use super::{Task, task};
use crate::Error;

/// Team after team, each of them in step.
pub(super) fn run_teams(teams: Vec<Vec<Task<'_>>>, _threads: usize) -> Result<(), Error> {
    teams.into_iter().try_for_each(task::run)
}
