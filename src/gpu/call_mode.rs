//! How a call waits for slow work: it blocks its thread, or it returns and is woken later.

use std::sync::Arc;
use std::time::Duration;

use futures_intrusive::channel::shared::OneshotReceiver;
use wgpu::SubmissionIndex;

use super::Gpu;
use super::plan::CallShape;
use super::resident::Resident;
use super::submission::Submitted;
use super::watch::Watched;
use super::workspace::Workspace;
use crate::error::Fault;
use crate::{Error, offload};

/// What a call does while it waits.
#[derive(Clone, Copy, Debug)]
pub(super) enum CallMode {
    /// Blocks the thread that polls the future, which is ready at the first poll.
    Blocking,
    /// Returns from the poll. Another thread wakes the future.
    Async,
}

/// The result of submitting, which may still be pending.
pub(super) enum Submission {
    Blocking(Submitted),
    Async(OneshotReceiver<(Submitted, Result<Watched, Error>)>),
}

/// A submission that may not be done yet.
pub(super) enum Running {
    Blocking(SubmissionIndex),
    Async(Watched),
}

impl Submission {
    /// Waits until the work is submitted.
    pub(super) async fn submitted(self) -> Result<(Submitted, Running), Error> {
        let gone = || Error::from(Fault::DeviceLost { found: "the thread that submitted is gone".into() });
        match self {
            Submission::Blocking(submitted) => {
                let running = Running::Blocking(submitted.index.clone());
                Ok((submitted, running))
            }
            Submission::Async(receiver) => {
                let (submitted, watched) = offload::received(receiver).await.ok_or_else(gone)?;
                Ok((submitted, Running::Async(watched?)))
            }
        }
    }
}

impl Running {
    /// Waits until the submission is done and its buffers are mapped.
    pub(super) async fn done(self, gpu: &Gpu, timeout: Duration) -> Result<(), Error> {
        let waited = match self {
            Running::Blocking(submission) => gpu.poller().wait(&submission, timeout),
            Running::Async(watched) => gpu.poller().watched(watched, timeout).await,
        };
        waited.map_err(|error| gpu.explained(error))
    }
}

impl CallMode {
    /// Submits the work, in the order of the calls.
    pub(super) fn submit(
        self,
        gpu: &Gpu,
        submit: impl FnOnce() -> Submitted + Send + 'static,
    ) -> Result<Submission, Error> {
        match self {
            CallMode::Blocking => Ok(Submission::Blocking(submit())),
            CallMode::Async => {
                let shared = gpu.clone();
                let submit = move || {
                    let submitted = submit();
                    let watched = shared.poller().watch(submitted.index.clone());
                    (submitted, watched)
                };
                gpu.submitter().run(submit).map(Submission::Async)
            }
        }
    }

    /// Returns an unused workspace of that shape, or makes one. For a new one, drivers may take a second to
    /// compile a kernel.
    pub(super) async fn workspace(
        self,
        resident: &Arc<Resident>,
        size: CallShape,
    ) -> Result<Arc<Workspace>, Error> {
        match (self, resident.unused_workspace(size)) {
            (_, Some(workspace)) => Ok(workspace),
            (CallMode::Blocking, None) => resident.new_workspace(size).await,
            (CallMode::Async, None) => {
                let shared = Arc::clone(resident);
                let made =
                    resident.gpu.maker().run(move || pollster::block_on(shared.new_workspace(size)))?;
                let gone =
                    || Error::from(Fault::DeviceLost { found: "the thread that compiles is gone".into() });
                offload::received(made).await.unwrap_or_else(|| Err(gone()))
            }
        }
    }
}
