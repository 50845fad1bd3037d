//! Reports time-outs to the async calls that wait.
//!
//! wgpu's own time-out is not used for this: wgpu may panic if it stops waiting while other threads use the
//! device (`poll.rs`).
//!
//! `tools/interleavings` compiles this file with loom's threads and tries every order of them.

use std::time::Duration;

use super::sync::{Arc, Builder, Condvar, Instant, Mutex, MutexGuard, OneshotSender, PoisonError, Weak};
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::error::Fault;

/// Sends the result of a submission to the caller that waits: that it is done, or that it timed out,
/// whichever comes first.
pub(super) type Answer = OneshotSender<Result<(), Error>>;

/// The smallest number of entries at which the timer removes those whose answer was given. After a removal,
/// the next one comes when the number of entries has doubled.
const ENTRIES: usize = 64;

/// The timer of a device. It has one thread, which the first call that waits starts.
#[derive(Default)]
pub(super) struct Timer {
    state: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    /// The number of entries at which those whose answer was given are removed next.
    room: usize,
    /// The time of the thread's next check, if it runs; `None` while it waits for an entry.
    next: Option<Instant>,
    runs: bool,
    /// Whether the last user of the device is gone.
    ended: bool,
}

struct Entry {
    end: Instant,
    timeout: Duration,
    /// Dangling once the answer was given.
    answer: Weak<Answer>,
}

impl Timer {
    /// Sends [`ErrorKind::Timeout`] to `answer` after `timeout`, unless another answer comes first.
    pub(super) fn end(&self, answer: Weak<Answer>, timeout: Duration) -> Result<(), Error> {
        // A time beyond the range of the clock never comes.
        let Some(end) = Instant::now().checked_add(timeout) else { return Ok(()) };
        let mut state = self.state.lock();
        if !state.runs {
            let shared = Arc::clone(&self.state);
            Builder::new().name("wgpu-rnn timer".into()).spawn(move || shared.run()).map_err(|reason| {
                Error::from(Fault::OutOfMemory { found: format!("no thread for a timer: {reason}") })
            })?;
            state.runs = true;
        }
        if state.entries.len() >= state.room.max(ENTRIES) {
            state.entries.retain(|entry| entry.answer.strong_count() > 0);
            state.room = 2 * state.entries.len();
        }
        state.entries.push(Entry { end, timeout, answer });
        if state.next.is_none_or(|next| end < next) {
            self.state.changed.notify_one();
        }
        Ok(())
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.state.lock().ended = true;
        self.state.changed.notify_one();
    }
}

impl Shared {
    /// Locks the state. The state is always valid, even after a panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.lock();
        while !state.ended {
            let now = Instant::now();
            state.entries.retain(|entry| {
                let waits = entry.answer.strong_count() > 0;
                if waits
                    && entry.end <= now
                    && let Some(answer) = entry.answer.upgrade()
                {
                    // This fails if the real answer has arrived in the meantime.
                    let _ = answer.send(Err(Error::from(Fault::Timeout { expected: entry.timeout })));
                }
                waits && entry.end > now
            });
            state.next = state.entries.iter().map(|entry| entry.end).min();
            state = match state.next {
                Some(next) => {
                    let waited = self.changed.wait_timeout(state, next.saturating_duration_since(now));
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sync::oneshot_channel;
    use super::*;
    use crate::ErrorKind;

    fn ask(timer: &Timer, timeout: Duration) -> (Arc<Answer>, impl FnOnce() -> Option<Result<(), Error>>) {
        let (answer, result) = oneshot_channel();
        let answer = Arc::new(answer);
        timer.end(Arc::downgrade(&answer), timeout).unwrap();
        (answer, move || pollster::block_on(result.receive()))
    }

    #[test]
    fn who_waits_too_long_is_told_whoever_asked_first() {
        let timer = Timer::default();
        let never = ask(&timer, Duration::MAX);
        let late = ask(&timer, Duration::from_secs(600));
        let short = Duration::from_millis(20);
        let soon = ask(&timer, short);
        assert!(matches!((soon.1)(), Some(Err(error)) if error.to_string().ends_with("within 20ms")));
        for (answer, result) in [never, late] {
            answer.send(Ok(())).unwrap();
            assert!(matches!(result(), Some(Ok(()))));
        }
        // Again, now that the thread waits for a distant time-out.
        assert!(
            (ask(&timer, short).1)()
                .is_none_or(|result| result.is_err_and(|error| error.kind() == ErrorKind::Timeout))
        );
    }

    #[test]
    fn answers_that_were_given_are_forgotten() {
        let timer = Timer::default();
        let waits = ask(&timer, Duration::from_secs(600));
        for _ in 0..10_000 {
            drop(ask(&timer, Duration::from_secs(600)));
        }
        assert!(timer.state.lock().entries.len() <= ENTRIES);
        waits.0.send(Ok(())).unwrap();
        assert!((waits.1)().is_some());
    }
}
