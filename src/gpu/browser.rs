//! How a call waits in a browser, which has one thread and never blocks it: `waiting.rs` of wasm.
//!
//! Submitting and compiling return at once there, and the page's own loop calls back when a buffer is mapped.

use std::sync::Arc;
use std::time::Duration;

use super::Gpu;
use super::layer::Resident;
use super::plan::CallShape;
use super::transfer::Submitted;
use super::workspace::Workspace;
use crate::Error;

/// What a future does while it cannot go on.
#[derive(Clone, Copy, Debug)]
pub(super) enum CallMode {
    /// It returns, and is woken by the page's loop.
    Beside,
}

/// What came of submitting.
pub(super) struct Submission(Submitted);

/// A submission whose buffers are to be waited for.
pub(super) struct Running;

impl Submission {
    /// It is submitted.
    pub(super) async fn submitted(self) -> Result<(Submitted, Running), Error> {
        Ok((self.0, Running))
    }
}

impl Running {
    /// Buffers are mapped when it is done, and are waited for next. Nothing times out.
    pub(super) async fn done(self, _gpu: &Gpu, _timeout: Duration) -> Result<(), Error> {
        Ok(())
    }
}

impl CallMode {
    /// Submits.
    pub(super) fn submit(
        self,
        _gpu: &Gpu,
        submit: impl FnOnce() -> Submitted + 'static,
    ) -> Result<Submission, Error> {
        Ok(Submission(submit()))
    }

    /// Until there is a workspace of that size.
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
