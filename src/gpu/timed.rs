//! Times the parts of a forward pass.

use std::sync::Arc;
use std::time::Duration;

use super::Gpu;
use super::Instant;
use super::timestamps::{Spent, Timestamps};
use crate::{Error, Timings};

/// Adds up the parts of a call.
pub(super) struct Stopwatch {
    pub(super) timestamps: Arc<Timestamps>,
    start: Instant,
    timings: Timings,
    /// Whether the GPU's clock has been plausible so far.
    sound: bool,
}

impl Stopwatch {
    pub(super) fn start(timestamps: Timestamps) -> Self {
        let timings = Timings { copies_timed: timestamps.around_copies(), ..Timings::default() };
        let timestamps = Arc::new(timestamps);
        Stopwatch { timestamps, start: Instant::now(), timings, sound: true }
    }

    /// Returns the sum to which the host's part of the upload is added.
    pub(super) fn upload(&mut self) -> &mut Duration {
        &mut self.timings.upload
    }

    /// Returns the sum to which the host's part of the readback is added.
    pub(super) fn readback(&mut self) -> &mut Duration {
        &mut self.timings.readback
    }

    /// Adds the GPU's times of a submission that is done.
    pub(super) async fn read(&mut self, gpu: &Gpu) -> Result<(), Error> {
        match self.timestamps.read(gpu).await? {
            Some(Spent { copies_in, compute, copies_out }) => {
                let Timings { upload, compute: computed, readback, .. } = &mut self.timings;
                for (sum, part) in [(upload, copies_in), (computed, compute), (readback, copies_out)] {
                    // The sum saturates because a driver's clock may return anything.
                    *sum = sum.saturating_add(part);
                }
            }
            None => self.sound = false,
        }
        Ok(())
    }

    /// Returns the timings; `None` if the GPU's clock stood still, went back, or counted more time than has
    /// passed.
    pub(super) fn stop(self) -> Option<Timings> {
        let Timings { upload, compute, readback, .. } = self.timings;
        let sum = upload.saturating_add(compute).saturating_add(readback);
        (self.sound && sum <= self.start.elapsed()).then_some(self.timings)
    }
}

/// Runs a function, and adds its time to a sum if there is one.
pub(super) fn timed<T>(sum: Option<&mut Duration>, run: impl FnOnce() -> T) -> T {
    let Some(sum) = sum else { return run() };
    let start = Instant::now();
    let result = run();
    *sum = sum.saturating_add(start.elapsed());
    result
}
