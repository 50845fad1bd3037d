//! Loom's atomics, locks and threads, under the names that the library's files import.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::LockResult;
pub(crate) use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

pub(crate) use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
pub(crate) use loom::thread::Builder;

use crate::NEVER;

/// Lets another thread run, which a thread that waits needs.
pub(crate) fn pause(_looks: usize) {
    loom::thread::yield_now();
}

#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

pub(crate) struct MutexGuard<'m, T> {
    mutex: &'m Mutex<T>,
    /// None only while the guard is taken apart.
    guard: Option<loom::sync::MutexGuard<'m, T>>,
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Mutex(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        // A thread that panics ends its model.
        Ok(MutexGuard { mutex: self, guard: Some(self.0.lock().unwrap()) })
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.guard.as_ref().unwrap()
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.guard.as_mut().unwrap()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Condvar(loom::sync::Condvar);

impl Condvar {
    pub(crate) fn wait<'m, T>(&self, mut guard: MutexGuard<'m, T>) -> LockResult<MutexGuard<'m, T>> {
        guard.guard = Some(self.0.wait(guard.guard.take().unwrap()).unwrap());
        Ok(guard)
    }

    /// Waits like the standard library. The time passes while other threads run, as far as they do, unless it never
    /// comes.
    pub(crate) fn wait_timeout<'m, T>(
        &self,
        mut guard: MutexGuard<'m, T>,
        timeout: Duration,
    ) -> LockResult<(MutexGuard<'m, T>, bool)> {
        if timeout >= NEVER / 2 {
            return Ok((self.wait(guard).unwrap(), false));
        }
        let end = CLOCK.get() + timeout;
        drop(guard.guard.take());
        loom::thread::yield_now();
        CLOCK.set(CLOCK.get().max(end));
        Ok((guard.mutex.lock().unwrap(), true))
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }
}

thread_local! {
    /// The time of a model. All of a model's threads run on the same thread of the system.
    static CLOCK: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Sets the clock to its start.
pub(crate) fn reset_clock() {
    CLOCK.set(Duration::ZERO);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(Duration);

impl Instant {
    pub(crate) fn now() -> Self {
        Instant(CLOCK.get())
    }

    pub(crate) fn checked_add(self, duration: Duration) -> Option<Self> {
        self.0.checked_add(duration).map(Instant)
    }

    pub(crate) fn saturating_duration_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// A value that arrives at most once.
struct Slot<T> {
    value: Option<T>,
    /// Whether a value was sent, or the sender is gone.
    closed: bool,
}

pub(crate) struct OneshotSender<T>(Arc<(Mutex<Slot<T>>, Condvar)>);
pub(crate) struct OneshotReceiver<T>(Arc<(Mutex<Slot<T>>, Condvar)>);

pub(crate) fn oneshot_channel<T>() -> (OneshotSender<T>, OneshotReceiver<T>) {
    let slot = Arc::new((Mutex::new(Slot { value: None, closed: false }), Condvar::default()));
    (OneshotSender(Arc::clone(&slot)), OneshotReceiver(slot))
}

impl<T> OneshotSender<T> {
    /// Sends a value, unless there was one.
    pub(crate) fn send(&self, value: T) -> Result<(), T> {
        let mut slot = self.0.0.lock().unwrap();
        if slot.closed {
            return Err(value);
        }
        *slot = Slot { value: Some(value), closed: true };
        self.0.1.notify_one();
        Ok(())
    }
}

impl<T> Drop for OneshotSender<T> {
    fn drop(&mut self) {
        // The first panic says what is wrong; another one would end the process.
        if std::thread::panicking() {
            return;
        }
        self.0.0.lock().unwrap().closed = true;
        self.0.1.notify_one();
    }
}

impl<T> OneshotReceiver<T> {
    /// Blocks until there is a value, or none will come.
    pub(crate) fn receive(&self) -> Option<T> {
        let mut slot = self.0.0.lock().unwrap();
        while slot.value.is_none() && !slot.closed {
            slot = self.0.1.wait(slot).unwrap();
        }
        slot.value.take()
    }
}

/// Values in the order in which they were sent.
struct Queue<T> {
    values: VecDeque<T>,
    sender_is_gone: bool,
    receiver_is_gone: bool,
}

pub(crate) struct Sender<T>(Arc<(Mutex<Queue<T>>, Condvar)>);
pub(crate) struct Receiver<T>(Arc<(Mutex<Queue<T>>, Condvar)>);
#[derive(Debug)]
pub(crate) struct SendError<T>(pub(crate) T);

pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let queue = Queue { values: VecDeque::new(), sender_is_gone: false, receiver_is_gone: false };
    let shared = Arc::new((Mutex::new(queue), Condvar::default()));
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

impl<T> Sender<T> {
    pub(crate) fn send(&self, value: T) -> Result<(), SendError<T>> {
        let mut queue = self.0.0.lock().unwrap();
        if queue.receiver_is_gone {
            return Err(SendError(value));
        }
        queue.values.push_back(value);
        self.0.1.notify_one();
        Ok(())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.0.0.lock().unwrap().sender_is_gone = true;
        self.0.1.notify_one();
    }
}

impl<T> Iterator for Receiver<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let mut queue = self.0.0.lock().unwrap();
        while queue.values.is_empty() && !queue.sender_is_gone {
            queue = self.0.1.wait(queue).unwrap();
        }
        queue.values.pop_front()
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.0.0.lock().unwrap().receiver_is_gone = true;
    }
}
