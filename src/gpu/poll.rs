//! Waits for the GPU, on the caller's thread or on another one.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};
use wgpu::{Device, PollError, PollStatus, PollType, SubmissionIndex};

use super::timer::{Answer, Timer};
use super::worker::Worker;
use crate::{Error, offload};

/// Waits for submissions. A blocking call waits on its own thread. For async calls, a thread of the poller
/// waits; the first async call starts it.
pub(super) struct Poller {
    device: Device,
    worker: Worker,
    timer: Timer,
}

/// A submission that the poller's thread waits for.
pub(super) struct Watched {
    answer: std::sync::Weak<Answer>,
    result: OneshotReceiver<Result<(), Error>>,
}

impl Poller {
    pub(super) fn new(device: Device) -> Self {
        Poller { device, worker: Worker::new("wgpu-rnn poll"), timer: Timer::default() }
    }

    /// Blocks until the submission is done and its buffers are mapped.
    pub(super) fn wait(&self, submission: &SubmissionIndex, timeout: Duration) -> Result<(), Error> {
        let end = Instant::now().checked_add(timeout);
        loop {
            let left = end.map_or(timeout, |end| end.saturating_duration_since(Instant::now()));
            if is_done(&self.device, submission, Some(left))? {
                return Ok(());
            }
            // wgpu's GL backend stops waiting after two seconds, whatever the time-out.
            if end.is_some_and(|end| end <= Instant::now()) {
                return Err(Error::Timeout { expected: timeout });
            }
        }
    }

    /// Makes the poller's thread wait for a submission. Call this in the order of the submissions, since
    /// the thread waits for one after the other.
    pub(super) fn watch(&self, submission: SubmissionIndex) -> Result<Watched, Error> {
        let (answer, result) = oneshot_channel();
        let answer = Arc::new(answer);
        let watched = Watched { answer: Arc::downgrade(&answer), result };
        let device = self.device.clone();
        self.worker.send(move || serve(&device, &submission, &answer))?;
        Ok(watched)
    }

    /// Waits until a watched submission is done and its buffers are mapped.
    pub(super) async fn watched(&self, watched: Watched, timeout: Duration) -> Result<(), Error> {
        let Watched { answer, result } = watched;
        if answer.strong_count() > 0 {
            self.timer.end(answer, timeout)?;
        }
        let gone = || Error::DeviceLost { found: "the thread that waited for the device is gone".into() };
        offload::received(result).await.unwrap_or_else(|| Err(gone()))
    }
}

/// Waits for a submission without a time-out. The timer reports a time-out to the caller that waits.
fn serve(device: &Device, submission: &SubmissionIndex, answer: &Answer) {
    let result = loop {
        match is_done(device, submission, None) {
            Ok(false) => {}
            Ok(true) => break Ok(()),
            Err(lost) => break Err(lost),
        }
    };
    // This fails if the caller no longer waits or the timer answered first.
    let _ = answer.send(result);
}

/// Waits for a submission, for ever or up to a time-out. Returns whether it is done.
fn is_done(device: &Device, submission: &SubmissionIndex, timeout: Option<Duration>) -> Result<bool, Error> {
    let wait = PollType::Wait { submission_index: Some(submission.clone()), timeout };
    poll(|| device.poll(wait))
}

/// Runs a wait. Returns whether the work is done.
///
/// wgpu panics if the driver reports during the wait that the device is lost. It holds no lock then, and
/// has called the device-lost callback. wgpu also panics, by an assertion, if it stops waiting at the
/// moment when another thread finds all work done. In that case the work is done.
fn poll(wait: impl FnOnce() -> Result<PollStatus, PollError>) -> Result<bool, Error> {
    let lost = |found: &str| Err(Error::DeviceLost { found: found.trim().to_owned() });
    match catch_unwind(AssertUnwindSafe(wait)) {
        Ok(Ok(_)) => Ok(true),
        Ok(Err(PollError::Timeout)) => Ok(false),
        // The queue of a lost device accepts no submission and reports no error.
        Ok(Err(PollError::WrongSubmissionIndex(..))) => lost("its queue did not take the work"),
        Err(payload) => match message(&*payload) {
            Some(message) if message.starts_with("Error in Device::poll") => lost(message),
            Some(message) if message.starts_with("If the queue is empty, the current submission") => Ok(true),
            // The panic is from one of the caller's callbacks on the caller's device.
            _ => resume_unwind(payload),
        },
    }
}

fn message(payload: &(dyn Any + Send)) -> Option<&str> {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied())
}

#[cfg(test)]
mod tests {
    use std::panic;

    use super::*;

    #[test]
    fn what_wgpu_says_while_waiting_is_an_error() {
        assert!(poll(|| Ok(PollStatus::QueueEmpty)).unwrap());
        assert!(poll(|| Ok(PollStatus::WaitSucceeded)).unwrap());
        assert!(!poll(|| Err(PollError::Timeout)).unwrap());
        let refused = poll(|| Err(PollError::WrongSubmissionIndex(2, 1))).unwrap_err();
        assert_eq!(refused.to_string(), "device lost: its queue did not take the work");
        // The messages of `wgpu::Device::poll` and of `wgpu_core`'s `Device::maintain`.
        assert!(
            poll(|| panic!("If the queue is empty, the current submission index ({}) should be", 0)).unwrap()
        );
        let lost = poll(|| panic!("Error in Device::poll: {}", "  Parent device is lost\n")).unwrap_err();
        assert_eq!(lost.to_string(), "device lost: Error in Device::poll:   Parent device is lost");
    }

    #[test]
    fn a_panic_of_the_callers_goes_on() {
        let payload = panic::catch_unwind(|| poll(|| panic!("not wgpu's"))).unwrap_err();
        assert_eq!(message(&*payload), Some("not wgpu's"));
    }
}
