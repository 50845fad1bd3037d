//! The atomics of the threads that share a job. `tools/interleavings` puts loom's in their place.

pub(super) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The number of times that a thread checks the others' progress before it yields its core to other
/// programs: some tens of microseconds, longer than a round that is worth sharing.
const SPINS: usize = 4000;

/// Waits for a moment, after that many looks at the others' progress.
pub(super) fn pause(looks: usize) {
    if looks < SPINS { std::hint::spin_loop() } else { std::thread::yield_now() }
}
