//! Futures polled by hand.

use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// Counts how often it is woken.
#[derive(Default)]
struct Alarm {
    woken: Mutex<usize>,
    rings: Condvar,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        *self.woken.lock().unwrap() += 1;
        self.rings.notify_all();
    }
}

/// A future that is polled when it asks for it, and not more often.
pub struct Polled<F> {
    future: Pin<Box<F>>,
    alarm: Arc<Alarm>,
    /// Of the alarm that were followed.
    followed: usize,
    pub polls: usize,
    /// The longest poll.
    pub longest: Duration,
}

impl<F: Future> Polled<F> {
    pub fn new(future: F) -> Self {
        let alarm = Arc::default();
        Polled { future: Box::pin(future), alarm, followed: 0, polls: 0, longest: Duration::ZERO }
    }

    /// Polls once; behind the first poll, only once the future has asked for it.
    pub fn poll(&mut self) -> Option<F::Output> {
        if self.polls > 0 {
            let woken = self.alarm.woken.lock().unwrap();
            let woken = self.alarm.rings.wait_while(woken, |woken| *woken == self.followed).unwrap();
            self.followed = *woken;
        }
        self.polls += 1;
        let waker = Waker::from(Arc::clone(&self.alarm));
        let start = Instant::now();
        let polled = self.future.as_mut().poll(&mut Context::from_waker(&waker));
        self.longest = self.longest.max(start.elapsed());
        match polled {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    /// Polls some times, and not only when the future asks for it; none of the polls gives the result.
    pub fn begin(&mut self) {
        for _ in 0..4 {
            let mut context = Context::from_waker(Waker::noop());
            assert!(self.future.as_mut().poll(&mut context).is_pending(), "the result is there already");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The result, if it is there within so many polls.
    pub fn within(&mut self, polls: usize) -> Option<F::Output> {
        (0..polls).find_map(|_| self.poll())
    }

    /// Polls until the result is there.
    pub fn finish(&mut self) -> F::Output {
        loop {
            if let Some(output) = self.poll() {
                return output;
            }
        }
    }
}
