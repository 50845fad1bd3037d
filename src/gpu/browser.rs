//! The browser's version of `call_mode.rs`: how a call waits on the page's only thread, which it never
//! blocks.
//!
//! In a browser, submitting and compiling return at once. The page's event loop calls back when a buffer is
//! mapped.

use std::sync::Arc;
use std::time::Duration;

use super::Gpu;
use super::plan::CallShape;
use super::resident::Resident;
use super::submission::Submitted;
use super::workspace::Workspace;
use crate::Error;

/// What a call does while it waits.
#[derive(Clone, Copy, Debug)]
pub(super) enum CallMode {
    /// Returns to the page's event loop, which wakes the future.
    Async,
}

/// The result of submitting.
pub(super) struct Submission(Submitted);

/// A submission that may not be done yet. The caller waits for its buffers.
pub(super) struct Running;

impl Submission {
    /// Returns at once: the work is already submitted.
    pub(super) async fn submitted(self) -> Result<(Submitted, Running), Error> {
        Ok((self.0, Running))
    }
}

impl Running {
    /// Returns at once: buffers are mapped when the submission is done, and the caller waits for them next.
    /// There is no time-out.
    pub(super) async fn done(self, _gpu: &Gpu, _timeout: Duration) -> Result<(), Error> {
        Ok(())
    }
}

impl CallMode {
    /// Submits the work at once.
    pub(super) fn submit(
        self,
        _gpu: &Gpu,
        submit: impl FnOnce() -> Submitted + 'static,
    ) -> Result<Submission, Error> {
        Ok(Submission(submit()))
    }

    /// Returns an unused workspace of that shape, or makes one.
    pub(super) async fn workspace(
        self,
        resident: &Arc<Resident>,
        size: CallShape,
    ) -> Result<Arc<Workspace>, Error> {
        match resident.unused_workspace(size) {
            Some(workspace) => Ok(workspace),
            None => resident.new_workspace(size).await,
        }
    }
}
