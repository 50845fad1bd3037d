//! The thread pool that the CPU backend's other threads come from: rayon's.

use std::error::Error;
use std::sync::LazyLock;

/// Returns whether there is a pool. Where no thread can be started, rayon panics at its first use, so each use
/// asks first.
pub(crate) fn exists() -> bool {
    static STARTED: LazyLock<bool> = LazyLock::new(start);
    rayon::current_thread_index().is_some() || *STARTED
}

/// Starts the global pool as rayon would at its first use, unless it is there.
fn start() -> bool {
    let Err(error) = rayon::ThreadPoolBuilder::new().build_global() else { return true };
    // Without a source, the error is that the pool was started before.
    let Some(reason) = error.source() else { return true };
    log::warn!("no thread can be started ({reason}): the calling thread computes alone");
    false
}
