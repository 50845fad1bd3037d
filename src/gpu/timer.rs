//! Tells who waits that it took too long.
//!
//! wgpu is not asked to give up waiting for this: where it does so while other threads use the device it may panic
//! (`poll.rs`).

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::poll::Answer;
use crate::Error;

/// Answers that were given are forgotten when there are twice as many entries as there were waiting, and at least these.
const ENTRIES: usize = 64;

/// One thread for each device, started by the first who waits.
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
    /// How many entries there may be before those are looked for that are over.
    room: usize,
    /// When the thread will look next, if it runs; none while it waits for an entry.
    next: Option<Instant>,
    runs: bool,
    /// Whether the device's last user is gone.
    ended: bool,
}

struct Entry {
    end: Instant,
    timeout: Duration,
    /// Gone once the answer was given.
    answer: Weak<Answer>,
}

impl Timer {
    /// Answers with [`Error::Timeout`] unless something else does in time.
    pub(super) fn end(&self, answer: Weak<Answer>, timeout: Duration) -> Result<(), Error> {
        // Beyond what the clock can say is never.
        let Some(end) = Instant::now().checked_add(timeout) else { return Ok(()) };
        let mut state = self.state.lock();
        if !state.runs {
            let shared = Arc::clone(&self.state);
            std::thread::Builder::new()
                .name("wgpu-rnn timer".into())
                .spawn(move || shared.run())
                .map_err(|reason| Error::OutOfMemory { found: format!("no thread for a timer: {reason}") })?;
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
    /// What is kept is valid at any time.
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
                    // The answer itself may have come just now.
                    let _ = answer.send(Err(Error::Timeout { expected: entry.timeout }));
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
    use futures_intrusive::channel::shared::oneshot_channel;

    use super::*;

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
        assert!(matches!((soon.1)(), Some(Err(Error::Timeout { expected })) if expected == short));
        for (answer, result) in [never, late] {
            answer.send(Ok(())).unwrap();
            assert!(matches!(result(), Some(Ok(()))));
        }
        // Once more, now that the thread waits for long.
        assert!(matches!((ask(&timer, short).1)(), Some(Err(Error::Timeout { .. })) | None));
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
