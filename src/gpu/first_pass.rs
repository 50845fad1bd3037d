//! Where the time of a shape's first pass goes, for the log.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use log::Level;

/// The times of making a workspace, until its first pass is logged.
#[derive(Debug)]
pub(super) struct FirstPass(Mutex<Option<Making>>);

/// The times of making a workspace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Making {
    /// The level at which the first pass is logged.
    pub(super) level: Level,
    /// The number of kernels that were new on the device.
    pub(super) new_kernels: usize,
    pub(super) compiling: Duration,
    /// The time of buffers, bind groups and everything else.
    pub(super) others: Duration,
}

impl FirstPass {
    pub(super) fn after(making: Making) -> Self {
        FirstPass(Mutex::new(Some(making)))
    }

    /// Logs the first pass of a workspace; later ones are not logged. `submitting` is the time until the input was
    /// written and handed over to be submitted, and `waiting` the time from then to the result.
    pub(super) fn log(&self, what: impl FnOnce() -> String, submitting: Duration, waiting: Duration) {
        let Some(making) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let Making { level, new_kernels, compiling, others } = making;
        let whole = compiling + others + submitting + waiting;
        log::log!(
            level,
            "{}: the first pass took {whole:.1?}: {compiling:.1?} to compile {new_kernels} new kernels, {others:.1?} \
             to make buffers, {submitting:.1?} to write the input and hand it over, {waiting:.1?} until the result",
            what()
        );
    }
}
