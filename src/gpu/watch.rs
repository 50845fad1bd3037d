//! The answer that an async call waits for: that its submission is done, or that it timed out, whichever comes first.
//!
//! `tools/interleavings` compiles this file with loom's threads and tries every order of them.

use std::time::Duration;

use super::sync::{Arc, OneshotReceiver, Weak, oneshot_channel};
use super::timer::{Answer, Timer};
use super::worker::Worker;
use crate::Error;

/// A submission that a thread waits for.
pub(super) struct Watched {
    answer: Weak<Answer>,
    result: OneshotReceiver<Result<(), Error>>,
}

impl Watched {
    /// Makes the worker's thread wait. Call this in the order of the submissions, since the thread waits for one after
    /// the other.
    pub(super) fn new(
        worker: &Worker,
        wait: impl FnOnce() -> Result<(), Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let (answer, result) = oneshot_channel();
        let answer = Arc::new(answer);
        let watched = Watched { answer: Arc::downgrade(&answer), result };
        worker.send(move || {
            let result = wait();
            // This fails if the caller no longer waits or the timer answered first.
            let _ = answer.send(result);
        })?;
        Ok(watched)
    }

    /// Returns what the answer arrives at, no later than after `timeout`. There is no answer if the thread is gone.
    pub(super) fn within(
        self,
        timer: &Timer,
        timeout: Duration,
    ) -> Result<OneshotReceiver<Result<(), Error>>, Error> {
        if self.answer.strong_count() > 0 {
            timer.end(self.answer, timeout)?;
        }
        Ok(self.result)
    }
}
