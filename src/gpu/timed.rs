//! Times the parts of a forward pass.

use std::sync::Arc;
use std::time::Duration;

use super::Instant;
use super::call_mode::CallMode;
use super::layer::GpuLayer;
use super::plan::{CallShape, Endpoints, Pieces};
use super::submission::Submitted;
use super::timestamps::{Spent, Timestamps};
use super::transfer::{self, Given};
use super::workspace::Turn;
use crate::batch::Batch;
use crate::{Error, Output, Timings};

/// Adds up the parts of a call.
struct Stopwatch {
    timestamps: Arc<Timestamps>,
    start: Instant,
    timings: Timings,
    /// Whether the GPU's clock has been plausible so far.
    sound: bool,
}

impl Stopwatch {
    fn start(timestamps: Timestamps) -> Self {
        let timings = Timings { copies_timed: timestamps.around_copies(), ..Timings::default() };
        let timestamps = Arc::new(timestamps);
        Stopwatch { timestamps, start: Instant::now(), timings, sound: true }
    }

    /// Runs the host's part of the upload and adds its time.
    fn upload<T>(&mut self, write: impl FnOnce() -> T) -> T {
        timed(&mut self.timings.upload, write)
    }

    /// Runs the host's part of the readback and adds its time.
    fn readback<T>(&mut self, read: impl FnOnce() -> T) -> T {
        timed(&mut self.timings.readback, read)
    }

    /// Adds the GPU's times of a submission.
    fn submission(&mut self, spent: Option<Spent>) {
        match spent {
            Some(Spent { copies_in, compute, copies_out }) => {
                let Timings { upload, compute: computed, readback, .. } = &mut self.timings;
                for (sum, part) in [(upload, copies_in), (computed, compute), (readback, copies_out)] {
                    // The sum saturates because a driver's clock may return anything.
                    *sum = sum.saturating_add(part);
                }
            }
            None => self.sound = false,
        }
    }

    /// Returns the timings; `None` if the GPU's clock stood still, went back, or counted more time than has
    /// passed.
    fn stop(self) -> Option<Timings> {
        let Timings { upload, compute, readback, .. } = self.timings;
        let sum = upload.saturating_add(compute).saturating_add(readback);
        (self.sound && sum <= self.start.elapsed()).then_some(self.timings)
    }
}

fn timed<T>(sum: &mut Duration, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = run();
    *sum = sum.saturating_add(start.elapsed());
    result
}

impl GpuLayer {
    /// Runs a batch like [`GpuLayer::run`], but one submission after the other, and times each of them.
    /// The output has no timings if the device has no timestamps or the GPU's clock was not plausible.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn run_timed(&self, batch: &Batch<'_>) -> Result<Output, Error> {
        pollster::block_on(self.run_timed_with(batch, CallMode::Blocking))
    }

    /// Runs and times a batch like [`GpuLayer::run_timed`], without blocking.
    pub(crate) async fn run_timed_async(&self, batch: &Batch<'_>) -> Result<Output, Error> {
        self.run_timed_with(batch, CallMode::Async).await
    }

    async fn run_timed_with(&self, batch: &Batch<'_>, mode: CallMode) -> Result<Output, Error> {
        let gpu = &self.0.gpu;
        if !gpu.has_timestamps() {
            return self.run_with(batch, mode).await;
        }
        let pieces = self.pieces(batch.rows(), batch.steps(), Endpoints::Host)?;
        self.tune(batch, &pieces, mode).await?;
        let mut stopwatch = Stopwatch::start(gpu.caught(|| Ok(Timestamps::new(gpu))).await?);
        let mut output = self.run_pieces_timed(batch, &pieces, mode, &mut stopwatch).await?;
        output.timings = stopwatch.stop();
        Ok(output)
    }

    async fn run_pieces_timed(
        &self,
        batch: &Batch<'_>,
        &Pieces { rows, budget, .. }: &Pieces,
        mode: CallMode,
        stopwatch: &mut Stopwatch,
    ) -> Result<Output, Error> {
        if rows == batch.rows() {
            return self.run_whole_timed(batch, budget, mode, stopwatch).await;
        }
        let mut whole = Output::zeros(&self.0.config, batch)?;
        for (first, piece) in batch.pieces(rows) {
            let output = self.run_whole_timed(&piece, budget, mode, stopwatch).await?;
            stopwatch.readback(|| whole.assign_rows(first, &output));
        }
        Ok(whole)
    }

    /// Runs and times a batch that fits in one piece.
    async fn run_whole_timed(
        &self,
        batch: &Batch<'_>,
        budget: u64,
        mode: CallMode,
        stopwatch: &mut Stopwatch,
    ) -> Result<Output, Error> {
        let resident = &self.0;
        let gpu = &resident.gpu;
        let size = CallShape { rows: batch.rows(), steps: batch.steps(), budget, endpoints: Endpoints::Host };
        let workspace = mode.workspace(resident, size).await?;
        let mut output = Output::zeros(&resident.config, batch)?;
        for place in 0..workspace.plan.segments.len() {
            let give = || transfer::give(resident, &workspace, place, Given::all(batch));
            gpu.caught(|| stopwatch.upload(give)).await?;
            let (shared, buffers) = (Arc::clone(resident), Arc::clone(&workspace));
            let timestamps = Arc::clone(&stopwatch.timestamps);
            let submit =
                move || transfer::submit(&shared, &buffers, place, Turn::default(), Some(&timestamps));
            let (submitted, running) = mode.submit(gpu, submit)?.submitted().await?;
            let Submitted { upload, download, marks, caught, .. } = submitted;
            caught.await?;
            running.done(gpu, resident.options.timeout).await?;
            for mapped in [marks, upload, download].into_iter().flatten() {
                transfer::is_mapped(resident, mapped).await?;
            }
            stopwatch.submission(stopwatch.timestamps.read(gpu).await?);
            stopwatch.readback(|| transfer::take(resident, &workspace, place, &mut output)).await?;
        }
        resident.put_back(workspace);
        Ok(output)
    }
}
