//! Waiting for the GPU, on the caller's thread or beside it.

use std::any::Any;
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_intrusive::channel::shared::{OneshotSender, oneshot_channel};
use wgpu::{Device, PollError, PollStatus, PollType, SubmissionIndex};

use crate::{Error, beside};

/// How long a layer waits for an answer unless told otherwise: the longest that are known, on software adapters, take
/// minutes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

/// How long wgpu waits at a time. wgpu's GL backend is locked meanwhile, and gives up after two seconds whatever it was told;
/// and beside a caller a submission may come to be waited for that is done before the one that is waited for.
const SLICE: Duration = Duration::from_millis(5);

/// Waits for submissions: on the caller's thread, or on one of its own for callers that do not block, which the first of
/// them starts.
pub(super) struct Poller {
    device: Device,
    requests: Mutex<Option<Sender<Request>>>,
}

/// A submission that is waited for beside its caller.
struct Request {
    submission: SubmissionIndex,
    patience: Patience,
    done: OneshotSender<Result<(), Error>>,
}

impl Poller {
    pub(super) fn new(device: Device) -> Self {
        Poller { device, requests: Mutex::default() }
    }

    /// Blocks until the submission is done and its buffers are mapped.
    pub(super) fn wait(&self, submission: &SubmissionIndex, timeout: Duration) -> Result<(), Error> {
        let patience = Patience::new(timeout);
        loop {
            if let Some(done) = patience.waited(&self.device, submission, SLICE) {
                return done;
            }
        }
    }

    /// The same without blocking. In a browser the page's own loop has the buffers mapped, and nothing times out.
    pub(super) async fn wait_beside(
        &self,
        submission: SubmissionIndex,
        timeout: Duration,
    ) -> Result<(), Error> {
        if cfg!(target_arch = "wasm32") {
            return Ok(());
        }
        let (done, result) = oneshot_channel();
        self.send(Request { submission, patience: Patience::new(timeout), done })?;
        let gone = || Error::DeviceLost { found: "the thread that waited for the device is gone".into() };
        beside::received(result).await.unwrap_or_else(|| Err(gone()))
    }

    /// Hands a request to the thread, which is started if there is none.
    fn send(&self, request: Request) -> Result<(), Error> {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let request = match &*requests {
            Some(sender) => match sender.send(request) {
                Ok(()) => return Ok(()),
                Err(returned) => returned.0,
            },
            None => request,
        };
        let (sender, receiver) = channel();
        let device = self.device.clone();
        std::thread::Builder::new()
            .name("wgpu-rnn poll".into())
            .spawn(move || serve(&device, &receiver))
            .map_err(|reason| Error::OutOfMemory {
                found: format!("no thread to wait for the device on: {reason}"),
            })?;
        // The receiver is alive until this sender is dropped.
        let _ = sender.send(request);
        *requests = Some(sender);
        Ok(())
    }
}

/// Waits for what is asked until the last one who may ask is gone.
fn serve(device: &Device, receiver: &Receiver<Request>) {
    let mut waiting: Vec<Request> = Vec::new();
    loop {
        if waiting.is_empty() {
            match receiver.recv() {
                Ok(request) => waiting.push(request),
                Err(_) => return,
            }
        }
        waiting.extend(receiver.try_iter());
        let soonest = waiting.iter().map(|request| request.patience.left()).min().unwrap_or_default();
        // The first is waited for, the others are looked at.
        let mut times = iter::once(soonest.min(SLICE)).chain(iter::repeat(Duration::ZERO));
        waiting.retain(|Request { submission, patience, done }| {
            let time = times.next().unwrap_or_default();
            let Some(result) = patience.waited(device, submission, time) else { return true };
            // A receiver that is gone means that nobody waits any more.
            let _ = done.send(result);
            false
        });
    }
}

/// How long is waited, and until when.
struct Patience {
    timeout: Duration,
    /// None if the clock does not go so far.
    end: Option<Instant>,
}

impl Patience {
    fn new(timeout: Duration) -> Self {
        Patience { timeout, end: Instant::now().checked_add(timeout) }
    }

    fn left(&self) -> Duration {
        self.end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()))
    }

    /// Waits for a submission no longer than `time`; none if it goes on.
    fn waited(
        &self,
        device: &Device,
        submission: &SubmissionIndex,
        time: Duration,
    ) -> Option<Result<(), Error>> {
        let wait = PollType::Wait {
            submission_index: Some(submission.clone()),
            timeout: Some(time.min(self.left())),
        };
        match poll(|| device.poll(wait)) {
            Ok(true) => Some(Ok(())),
            Ok(false) if self.left().is_zero() => Some(Err(Error::Timeout { expected: self.timeout })),
            Ok(false) => None,
            Err(lost) => Some(Err(lost)),
        }
    }
}

/// Whether what was waited for is done.
///
/// wgpu panics where the driver says, while it is waited for, that the device is lost; no lock is held then, and wgpu
/// has told the device's callback.
fn poll(wait: impl FnOnce() -> Result<PollStatus, PollError>) -> Result<bool, Error> {
    let lost = |found: &str| Err(Error::DeviceLost { found: found.trim().to_owned() });
    match catch_unwind(AssertUnwindSafe(wait)) {
        Ok(Ok(_)) => Ok(true),
        Ok(Err(PollError::Timeout)) => Ok(false),
        // The queue of a device that is lost takes no submission and says nothing of it.
        Ok(Err(PollError::WrongSubmissionIndex(..))) => lost("its queue did not take the work"),
        Err(payload) => match message(&*payload) {
            Some(message) if message.starts_with("Error in Device::poll") => lost(message),
            // A callback of the caller's on the caller's device.
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
        // As `wgpu::Device::poll` says it.
        let lost = poll(|| panic!("Error in Device::poll: {}", "  Parent device is lost\n")).unwrap_err();
        assert_eq!(lost.to_string(), "device lost: Error in Device::poll:   Parent device is lost");
    }

    #[test]
    fn a_panic_of_the_callers_goes_on() {
        let payload = panic::catch_unwind(|| poll(|| panic!("not wgpu's"))).unwrap_err();
        assert_eq!(message(&*payload), Some("not wgpu's"));
    }
}
