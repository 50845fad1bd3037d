//! A forward pass whose parts are timed.

use std::sync::Arc;
use std::time::Duration;

use super::Instant;
use super::call_mode::CallMode;
use super::layer::GpuLayer;
use super::plan::{CallShape, Endpoints, Pieces};
use super::timestamps::{Spent, Timestamps};
use super::transfer::{self, Given, Submitted};
use super::workspace::Turn;
use crate::batch::Batch;
use crate::{Error, Output};

/// Where a forward pass on a GPU spent its time.
///
/// The parts do not overlap and add up to less than the whole call: making the output's arrays, recording, submitting and
/// what the driver does around the GPU's work are in none of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// The host writes input, lengths and initial state to where the GPU can read them (by the host's clock), and the GPU
    /// copies them to its own memory (by its clock, where [`copies_timed`](Self::copies_timed) says so).
    pub upload: Duration,
    /// The GPU computes, from the begin of each submission's compute pass to its end, by the GPU's clock.
    pub compute: Duration,
    /// The GPU copies output and final state to where the host can read them (by its clock, likewise), and the host reads
    /// them into the output's arrays (by the host's clock).
    pub readback: Duration,
    /// Whether the GPU's copies are in `upload` and `readback`. It takes wgpu's `TIMESTAMP_QUERY_INSIDE_ENCODERS`, which
    /// Apple's GPUs have not; those share the host's memory.
    pub copies_timed: bool,
}

/// Adds up the parts of a call.
struct Stopwatch {
    timestamps: Arc<Timestamps>,
    start: Instant,
    timings: Timings,
    /// Whether the GPU's clock made sense so far.
    sound: bool,
}

impl Stopwatch {
    fn start(timestamps: Timestamps) -> Self {
        let timings = Timings { copies_timed: timestamps.around_copies(), ..Timings::default() };
        let timestamps = Arc::new(timestamps);
        Stopwatch { timestamps, start: Instant::now(), timings, sound: true }
    }

    /// The host's part of the upload.
    fn upload<T>(&mut self, write: impl FnOnce() -> T) -> T {
        timed(&mut self.timings.upload, write)
    }

    /// The host's part of the readback.
    fn readback<T>(&mut self, read: impl FnOnce() -> T) -> T {
        timed(&mut self.timings.readback, read)
    }

    /// The GPU's part of a submission.
    fn submission(&mut self, spent: Option<Spent>) {
        match spent {
            Some(Spent { copies_in, compute, copies_out }) => {
                let Timings { upload, compute: computed, readback, .. } = &mut self.timings;
                for (sum, part) in [(upload, copies_in), (computed, compute), (readback, copies_out)] {
                    // A driver's clock may say anything.
                    *sum = sum.saturating_add(part);
                }
            }
            None => self.sound = false,
        }
    }

    /// None where the GPU's clock stood still, went back, or counted more than went by.
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
    /// As [`GpuLayer::run`], one submission after the other, each of them timed; none where there is nothing to time by.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn run_timed(&self, batch: &Batch<'_>) -> Result<(Output, Option<Timings>), Error> {
        pollster::block_on(self.run_timed_with(batch, CallMode::Blocking))
    }

    /// As [`GpuLayer::run_timed`], without blocking.
    pub(crate) async fn run_timed_async(
        &self,
        batch: &Batch<'_>,
    ) -> Result<(Output, Option<Timings>), Error> {
        self.run_timed_with(batch, CallMode::Async).await
    }

    async fn run_timed_with(
        &self,
        batch: &Batch<'_>,
        mode: CallMode,
    ) -> Result<(Output, Option<Timings>), Error> {
        let gpu = &self.0.gpu;
        if !gpu.has_timestamps() {
            return Ok((self.run_with(batch, mode).await?, None));
        }
        let pieces = self.pieces(batch.rows(), batch.steps(), Endpoints::Host)?;
        self.tune(batch, &pieces, mode).await?;
        let mut stopwatch = Stopwatch::start(gpu.caught(|| Ok(Timestamps::new(gpu))).await?);
        let output = self.run_pieces_timed(batch, &pieces, mode, &mut stopwatch).await?;
        Ok((output, stopwatch.stop()))
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

    /// Runs a batch that fits at once.
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
