//! How a call waits for what takes long: blocking its thread, or giving it back.

use std::sync::Arc;
use std::time::Duration;

use futures_intrusive::channel::shared::OneshotReceiver;
use wgpu::SubmissionIndex;

use super::Gpu;
use super::layer::Resident;
use super::plan::Size;
use super::transfer::Submitted;
use super::workspace::Workspace;
use crate::{Error, beside};

/// What a future does while it cannot go on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Waiting {
    /// It blocks the thread that polls it, and is ready at the first poll.
    Blocking,
    /// It returns, and is woken by another thread.
    Beside,
}

/// What came or will come of submitting.
pub(super) enum Submission {
    Here(Submitted),
    Beside(OneshotReceiver<Submitted>),
}

impl Submission {
    pub(super) async fn submitted(self) -> Result<Submitted, Error> {
        let gone = || Error::DeviceLost { found: "the thread that submitted is gone".into() };
        match self {
            Submission::Here(submitted) => Ok(submitted),
            Submission::Beside(receiver) => beside::received(receiver).await.ok_or_else(gone),
        }
    }
}

impl Waiting {
    /// Submits, in the order of the calls.
    pub(super) fn submit(
        self,
        gpu: &Gpu,
        submit: impl FnOnce() -> Submitted + Send + 'static,
    ) -> Result<Submission, Error> {
        match self {
            Waiting::Beside if !cfg!(target_arch = "wasm32") => {
                gpu.submitter().run(submit).map(Submission::Beside)
            }
            _ => Ok(Submission::Here(submit())),
        }
    }

    /// Until a submission is done and its buffers are mapped.
    pub(super) async fn done(
        self,
        gpu: &Gpu,
        submission: SubmissionIndex,
        timeout: Duration,
    ) -> Result<(), Error> {
        let waited = match self {
            Waiting::Blocking => gpu.poller().wait(&submission, timeout),
            Waiting::Beside => gpu.poller().wait_beside(submission, timeout).await,
        };
        waited.map_err(|error| gpu.explained(error))
    }

    /// Until there is a workspace of that size: for a new one, drivers may take a second to compile a kernel.
    pub(super) async fn workspace(
        self,
        resident: &Arc<Resident>,
        size: Size,
    ) -> Result<Arc<Workspace>, Error> {
        match (self, resident.unused_workspace(size)) {
            (_, Some(workspace)) => Ok(workspace),
            (Waiting::Blocking, None) => resident.new_workspace(size),
            (Waiting::Beside, None) => {
                let resident = Arc::clone(resident);
                beside::run("wgpu-rnn compile", move || resident.new_workspace(size)).await
            }
        }
    }
}
