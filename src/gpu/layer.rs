//! Forward passes of a layer whose weights are resident on the GPU.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use super::Gpu;
use super::call_mode::CallMode;
use super::encode::Encodings;
use super::plan::{CallShape, Endpoints, Pieces, PlanReport};
use super::resident::Resident;
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

    pub(super) async fn run_with(&self, batch: &Batch<'_>, mode: CallMode) -> Result<Output, Error> {
        let pieces = self.pieces(batch.rows(), batch.steps(), Endpoints::Host)?;
        self.tune(batch, &pieces, mode).await?;
        self.run_pieces(batch, &pieces, mode).await
    }

    /// Runs a batch that fits in one piece.
    pub(super) async fn run_whole(
        &self,
        batch: &Batch<'_>,
        budget: u64,
        mode: CallMode,
    ) -> Result<Output, Error> {
        self.submit(batch, budget, mode).await?.result().await
    }

    /// Runs a batch in pieces. If two may be in flight, each piece is submitted before the previous one is
    /// waited for.
    async fn run_pieces(
        &self,
        batch: &Batch<'_>,
        &Pieces { rows, in_flight, budget }: &Pieces,
        mode: CallMode,
    ) -> Result<Output, Error> {
        if rows == batch.rows() {
            return self.run_whole(batch, budget, mode).await;
        }
        let mut whole = Output::zeros(&self.0.config, batch)?;
        let mut flying = VecDeque::new();
        for (first, piece) in batch.pieces(rows) {
            flying.push_back((first, self.submit(&piece, budget, mode).await?));
            if flying.len() == in_flight
                && let Some((first, pending)) = flying.pop_front()
            {
                whole.assign_rows(first, &pending.result().await?);
            }
        }
        for (first, pending) in flying {
            whole.assign_rows(first, &pending.result().await?);
        }
        Ok(whole)
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
        Ok(PlanReport::of(&self.0.plan(size)?, &self.0.request(size), in_flight))
    }

    /// Uploads a batch and starts its forward pass, with at most `budget` bytes of workspace.
    async fn submit(&self, batch: &Batch<'_>, budget: u64, mode: CallMode) -> Result<Pending, Error> {
        let size = CallShape { rows: batch.rows(), steps: batch.steps(), budget, endpoints: Endpoints::Host };
        self.submit_given(size, Given::all(batch), mode).await
    }

    /// Uploads the given data and starts a pass of that shape.
    pub(super) async fn submit_given(
        &self,
        size: CallShape,
        given: Given<'_, '_>,
        mode: CallMode,
    ) -> Result<Pending, Error> {
        Pending::start(Arc::clone(&self.0), mode.workspace(&self.0, size).await?, given, mode)
    }
}

impl fmt::Debug for GpuLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GpuLayer").field("config", &self.0.config).field("gpu", &self.0.gpu).finish()
    }
}
