//! A forward pass whose parts are timed.

use std::time::{Duration, Instant};

use super::layer::{GpuLayer, Resident};
use super::plan::{Ends, Pieces, Size};
use super::timestamps::{Spent, Timestamps};
use super::transfer::{self, Given, Mapped, Submitted};
use super::waiting::{Running, Waiting};
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
pub(super) struct Stopwatch {
    pub(super) timestamps: Timestamps,
    start: Instant,
    timings: Timings,
    /// Whether the GPU's clock made sense so far.
    sound: bool,
}

impl Stopwatch {
    fn start(timestamps: Timestamps) -> Self {
        let timings = Timings { copies_timed: timestamps.around_copies(), ..Timings::default() };
        Stopwatch { timestamps, start: Instant::now(), timings, sound: true }
    }

    /// The host's part of the upload.
    pub(super) fn upload<T>(&mut self, write: impl FnOnce() -> T) -> T {
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
    pub(crate) fn run_timed(&self, batch: &Batch<'_>) -> Result<(Output, Option<Timings>), Error> {
        let gpu = &self.0.gpu;
        // There is no clock in a browser.
        if !gpu.has_timestamps() || cfg!(target_arch = "wasm32") {
            return Ok((self.run(batch)?, None));
        }
        let pieces = self.pieces(batch.rows(), batch.steps(), Ends::Host)?;
        pollster::block_on(self.tune(batch, &pieces, Waiting::Blocking))?;
        let mut stopwatch = Stopwatch::start(gpu.caught(|| Ok(Timestamps::new(gpu)))?);
        let output = self.run_pieces_timed(batch, &pieces, &mut stopwatch)?;
        Ok((output, stopwatch.stop()))
    }

    fn run_pieces_timed(
        &self,
        batch: &Batch<'_>,
        &Pieces { rows, budget, .. }: &Pieces,
        stopwatch: &mut Stopwatch,
    ) -> Result<Output, Error> {
        if rows == batch.rows() {
            return self.0.run_timed(batch, budget, stopwatch);
        }
        let mut whole = Output::zeros(&self.0.config, batch)?;
        for (first, piece) in batch.pieces(rows) {
            let output = self.0.run_timed(&piece, budget, stopwatch)?;
            stopwatch.readback(|| whole.assign_rows(first, &output));
        }
        Ok(whole)
    }
}

impl Resident {
    fn run_timed(&self, batch: &Batch<'_>, budget: u64, stopwatch: &mut Stopwatch) -> Result<Output, Error> {
        let size = Size { rows: batch.rows(), steps: batch.steps(), budget, ends: Ends::Host };
        let workspace = self.take_workspace(size)?;
        let mut output = Output::zeros(&self.config, batch)?;
        for place in 0..workspace.plan.segments.len() {
            self.gpu
                .caught(|| stopwatch.upload(|| transfer::give(self, &workspace, place, Given::all(batch))))?;
            let Submitted { index, upload, download, caught } =
                transfer::submit(self, &workspace, place, Turn::default(), Some(&stopwatch.timestamps));
            pollster::block_on(caught)?;
            let marks = stopwatch.timestamps.map();
            pollster::block_on(Running::Here(index).done(&self.gpu, self.options.timeout))?;
            self.mapped([Some(marks), upload, download].into_iter().flatten())?;
            stopwatch.submission(stopwatch.timestamps.read(&self.gpu)?);
            let taken = transfer::take(self, &workspace, place, &mut output);
            stopwatch.readback(|| pollster::block_on(taken))?;
        }
        self.put_back(workspace);
        Ok(output)
    }

    fn mapped(&self, mut buffers: impl Iterator<Item = Mapped>) -> Result<(), Error> {
        buffers.try_for_each(|buffer| pollster::block_on(transfer::is_mapped(self, buffer)))
    }
}
