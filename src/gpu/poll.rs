//! Waiting for the GPU, on the caller's thread or beside it.

use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use wgpu::{Device, PollError, PollType, SubmissionIndex};

use crate::Error;

/// How long a submission may take. The longest that are known, on software adapters, take minutes.
const PATIENCE: Duration = Duration::from_secs(600);

/// Lets submissions finish for callers that do not block: one thread for each device, started by the first of them.
pub(super) struct Poller {
    device: Device,
    submissions: OnceLock<Option<Sender<SubmissionIndex>>>,
}

impl Poller {
    pub(super) fn new(device: Device) -> Self {
        Poller { device, submissions: OnceLock::new() }
    }

    /// Blocks until the submission is done and its buffers are mapped.
    pub(super) fn wait(&self, submission: SubmissionIndex) -> Result<(), Error> {
        wait(&self.device, submission)
    }

    /// Has the submission's buffers mapped without blocking. In a browser the page's own loop does that.
    pub(super) fn finish_beside(&self, submission: SubmissionIndex) -> Result<(), Error> {
        if cfg!(target_arch = "wasm32") {
            return Ok(());
        }
        let failed = || Error::OutOfMemory { found: "no thread to wait for the device on".into() };
        let sender = self.submissions.get_or_init(|| start(self.device.clone()));
        sender.as_ref().ok_or_else(failed)?.send(submission).map_err(|_| failed())
    }
}

fn wait(device: &Device, submission: SubmissionIndex) -> Result<(), Error> {
    match device.poll(PollType::Wait { submission_index: Some(submission), timeout: Some(PATIENCE) }) {
        Ok(_) => Ok(()),
        Err(PollError::Timeout) => Err(Error::Timeout { expected: PATIENCE }),
        // The queue of a device that is lost takes no submission and says nothing of it.
        Err(PollError::WrongSubmissionIndex(..)) => {
            Err(Error::DeviceLost { found: "its queue did not take the work".into() })
        }
    }
}

/// A thread that ends when the sender is dropped, with the device's last user.
fn start(device: Device) -> Option<Sender<SubmissionIndex>> {
    let (sender, receiver) = channel();
    let run = move || {
        for submission in receiver {
            // Who waits for the buffers is told by their callbacks, also of a failure.
            if let Err(error) = wait(&device, submission) {
                log::warn!("waiting for the device: {error}");
            }
        }
    };
    std::thread::Builder::new().name("wgpu-rnn poll".into()).spawn(run).ok().map(|_| sender)
}
