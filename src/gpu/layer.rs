//! Forward passes of a layer whose weights are resident on the GPU.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use super::Gpu;
use super::call_mode::CallMode;
use super::encode::Encodings;
use super::plan::{CallShape, Endpoints, Pieces, PlanReport};
use super::resident::Resident;
use super::timed::{Stopwatch, timed};
use super::timestamps::Timestamps;
use super::transfer::{Given, Pending};
use crate::batch::Batch;
use crate::error::Fault;
use crate::{Error, LayerOptions, Output, Weights};

/// A layer with its weights on a GPU. Clones share the weights.
#[derive(Clone)]
pub(crate) struct GpuLayer(pub(super) Arc<Resident>, pub(super) Arc<Encodings>);

impl GpuLayer {
    /// Packs the weights and uploads them, without waiting for the device. The first poll does the packing. A
    /// kernel is compiled when it is first needed.
    pub(crate) async fn new_async(
        gpu: &Gpu,
        weights: &Weights,
        options: &LayerOptions,
    ) -> Result<Self, Error> {
        Ok(GpuLayer::of(Resident::new(gpu, weights, options).await?))
    }

    /// Like [`GpuLayer::new_async`], but blocks.
    #[cfg(test)]
    pub(crate) fn new(gpu: &Gpu, weights: &Weights, options: &LayerOptions) -> Result<Self, Error> {
        pollster::block_on(GpuLayer::new_async(gpu, weights, options))
    }

    pub(super) fn of(resident: Resident) -> Self {
        GpuLayer(Arc::new(resident), Arc::default())
    }

    /// Runs a batch and waits for its result. A batch that does not fit the device's limits at once runs in
    /// pieces of rows.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn run(&self, batch: &Batch<'_>) -> Result<Output, Error> {
        pollster::block_on(self.run_with(batch, CallMode::Blocking))
    }

    /// Runs a batch like [`GpuLayer::run`], without blocking.
    pub(crate) async fn run_async(&self, batch: &Batch<'_>) -> Result<Output, Error> {
        self.run_with(batch, CallMode::Async).await
    }

    async fn run_with(&self, batch: &Batch<'_>, mode: CallMode) -> Result<Output, Error> {
        let pieces = self.pieces(batch.rows(), batch.steps(), Endpoints::Host)?;
        self.tune(batch, &pieces, mode).await?;
        self.run_pieces(Given::all(batch), &pieces, Endpoints::Host, mode, None).await
    }

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
        let pieces = Pieces { in_flight: 1, ..pieces };
        let mut watch = Stopwatch::start(gpu.caught(|| Ok(Timestamps::new(gpu))).await?);
        let given = Given::all(batch);
        let mut output = self.run_pieces(given, &pieces, Endpoints::Host, mode, Some(&mut watch)).await?;
        output.timings = watch.stop();
        Ok(output)
    }

    /// Runs a batch in pieces. If two may be in flight, each piece is submitted before the previous one is
    /// waited for.
    pub(super) async fn run_pieces(
        &self,
        given: Given<'_, '_>,
        pieces: &Pieces,
        endpoints: Endpoints,
        mode: CallMode,
        mut watch: Option<&mut Stopwatch>,
    ) -> Result<Output, Error> {
        if pieces.rows >= given.batch.rows() {
            return self.submit(given, pieces, endpoints, mode, watch).await?.result().await;
        }
        let mut whole = given.zeros(&self.0.config, endpoints)?;
        let mut rest = given.batch.pieces(pieces.rows);
        let mut flying = VecDeque::new();
        loop {
            if flying.len() < pieces.in_flight
                && let Some((first, piece)) = rest.next()
            {
                let given = given.piece(first, &piece);
                let submitted = self.submit(given, pieces, endpoints, mode, watch.as_deref_mut()).await?;
                flying.push_back((first, submitted));
            } else if let Some((first, pending)) = flying.pop_front() {
                let output = pending.result().await?;
                let readback = watch.as_deref_mut().map(Stopwatch::readback);
                timed(readback, || whole.assign_rows(first, &output));
            } else {
                return Ok(whole);
            }
        }
    }

    /// Uploads a piece of a batch and starts its forward pass.
    async fn submit(
        &self,
        given: Given<'_, '_>,
        &Pieces { rows, budget, .. }: &Pieces,
        endpoints: Endpoints,
        mode: CallMode,
        watch: Option<&mut Stopwatch>,
    ) -> Result<Pending, Error> {
        // A session's passes have slots without a row. The last piece of a batch may be smaller.
        let rows = if endpoints == Endpoints::Host { given.batch.rows() } else { rows };
        let size = CallShape { rows, steps: given.batch.steps(), budget, endpoints };
        let workspace = mode.workspace(&self.0, size).await?;
        Pending::start(&self.0, workspace, given, mode, watch).await
    }

    pub(super) fn pieces(&self, rows: usize, steps: usize, endpoints: Endpoints) -> Result<Pieces, Error> {
        let whole = CallShape { rows, steps, budget: self.0.options.budget, endpoints };
        // A shape that was planned before fits in one piece.
        if self.0.knows(whole) {
            return Ok(Pieces { rows, in_flight: 1, budget: whole.budget });
        }
        let pieces = Pieces::of(&self.0.request(whole), self.0.options.strategy)?;
        if pieces.rows < rows {
            self.0.log_pieces(whole, &pieces);
        }
        Ok(pieces)
    }

    /// Returns the plan for a batch with that number of rows and steps.
    pub(crate) fn plan_report(&self, rows: usize, steps: usize) -> Result<PlanReport, Error> {
        if steps == 0 {
            return Err(Error::from(Fault::NoSteps));
        }
        let Pieces { rows, in_flight, budget } = self.pieces(rows.max(1), steps, Endpoints::Host)?;
        let size = CallShape { rows, steps, budget, endpoints: Endpoints::Host };
        PlanReport::of(&self.0.plan(size)?, &self.0.request(size), in_flight)
    }
}

impl fmt::Debug for GpuLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GpuLayer").field("config", &self.0.config).field("gpu", &self.0.gpu).finish()
    }
}
