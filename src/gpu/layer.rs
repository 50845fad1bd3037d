//! A layer whose weights are resident on the GPU.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytemuck::Zeroable;
use wgpu::{Buffer, BufferUsages};

use super::Gpu;
use super::call_mode::CallMode;
use super::encode::Encodings;
use super::kernel::{Kernel, LayerDims};
use super::log_once::LogOnce;
use super::pack;
use super::plan::{self, CallShape, Endpoints, Part, Pieces, Plan, PlanReport, Request, Strategy};
use super::transfer::{Given, Pending};
use super::tune::Tuner;
use super::workspace::{Saved, Workspace};
use crate::batch::Batch;
use crate::{Config, Error, LayerOptions, Output, Precision, Tuning, Weights};

/// The largest number of unused workspaces that a layer keeps.
const KEPT_WORKSPACES: usize = 4;

/// A layer with its weights on a GPU. [`GpuLayer::encode`] records its forward pass into the caller's own
/// submission. Clones share the weights.
///
/// [`Layer::gpu_layer`](crate::Layer::gpu_layer) returns the `GpuLayer` of a [`Layer`](crate::Layer), which
/// also runs batches from the host.
#[derive(Clone)]
pub struct GpuLayer(pub(super) Arc<Resident>);

pub(super) struct Resident {
    pub(super) gpu: Gpu,
    pub(super) config: Config,
    pub(super) options: LayerOptions,
    parts: Vec<Part>,
    /// One buffer for each part.
    pub(super) weights: Vec<Buffer>,
    /// The dimensions that do not depend on the batch, for each part.
    pub(super) dims: Vec<LayerDims>,
    unused: Mutex<Vec<Arc<Workspace>>>,
    /// The largest number of unused workspaces. Up to this many concurrent calls of known shapes allocate
    /// nothing.
    kept: usize,
    /// The states, if the layer belongs to a session.
    pub(super) saved: Option<Saved>,
    pub(super) encodings: Encodings,
    pub(super) tuner: Tuner,
    logged: LogOnce,
}

impl GpuLayer {
    /// Packs the weights and uploads them. A kernel is compiled when it is first needed.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`], [`Error::OutOfMemory`], [`Error::DeviceLost`], [`Error::Gpu`];
    /// [`Error::Precision`] if a weight is stored as f16 and is too large for it.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn new(gpu: &Gpu, weights: &Weights, options: &LayerOptions) -> Result<Self, Error> {
        pollster::block_on(GpuLayer::new_async(gpu, weights, options))
    }

    /// Packs the weights and uploads them, without waiting for the device. The first poll does the packing.
    ///
    /// # Errors
    ///
    /// The same as for [`GpuLayer::new`].
    pub async fn new_async(gpu: &Gpu, weights: &Weights, options: &LayerOptions) -> Result<Self, Error> {
        let config = *weights.config();
        let precision = options.precision;
        let weights = &*precision.round(weights)?;
        let parts = plan::parts(&config, precision, gpu.capabilities())?;
        let upload = |part| upload(gpu, weights, precision, part);
        let buffers = gpu.caught(|| parts.iter().map(upload).collect::<Result<_, _>>()).await?;
        // A browser makes buffers even on a lost device.
        if let Some(found) = gpu.lost() {
            return Err(Error::DeviceLost { found });
        }
        let dims = parts.iter().map(|part| dims(&config, precision, part)).collect();
        Ok(GpuLayer(Arc::new(Resident {
            gpu: gpu.clone(),
            config,
            options: options.clone(),
            parts,
            weights: buffers,
            dims,
            unused: Mutex::default(),
            kept: KEPT_WORKSPACES,
            saved: None,
            encodings: Encodings::default(),
            tuner: Tuner::new(gpu, &config, options),
            logged: LogOnce::default(),
        })))
    }

    /// Returns the layer's configuration.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Returns the GPU that the layer runs on.
    pub fn gpu(&self) -> &Gpu {
        &self.0.gpu
    }

    /// Returns the same layer with its own workspaces and this tuner. It measures nothing.
    pub(super) fn trial(resident: &Resident, tuner: Tuner) -> Self {
        GpuLayer(Arc::new(resident.like(tuner)))
    }

    /// Returns the same layer for a session with these states. It has a fixed strategy and its own
    /// workspaces.
    pub(super) fn of_session(&self, strategy: Strategy, kept: usize, saved: Saved) -> Self {
        let own = self.0.like(Tuner::default());
        let options = LayerOptions { strategy, ..own.options.clone() };
        GpuLayer(Arc::new(Resident { options, kept, saved: Some(saved), ..own }))
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
            return Err(Error::NoSteps);
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

impl Resident {
    /// Returns a layer with the same weights and no workspaces yet. It measures nothing.
    fn like(&self, tuner: Tuner) -> Self {
        Resident {
            gpu: self.gpu.clone(),
            config: self.config,
            options: LayerOptions { tuning: Tuning::Model, ..self.options.clone() },
            parts: self.parts.clone(),
            weights: self.weights.clone(),
            dims: self.dims.clone(),
            unused: Mutex::default(),
            kept: self.kept,
            saved: self.saved.clone(),
            encodings: Encodings::default(),
            tuner,
            logged: LogOnce::default(),
        }
    }

    pub(super) fn request(&self, CallShape { rows, steps, budget, endpoints }: CallShape) -> Request<'_> {
        Request {
            config: &self.config,
            precision: self.options.precision,
            parts: &self.parts,
            rows,
            steps,
            capabilities: self.gpu.capabilities(),
            budget,
            bounds_checks: self.options.bounds_checks,
            endpoints,
        }
    }

    /// Returns the plan for a shape: the measured plan, or the cost model's if there is none. Only passes
    /// from the host and back are measured.
    pub(super) fn plan(&self, size: CallShape) -> Result<Plan, Error> {
        let request = self.request(size);
        match self.tuner.choice(CallShape { endpoints: Endpoints::Host, ..size }) {
            Some(choice) => Plan::of(&request, &choice),
            None => Plan::new(&request, self.options.strategy),
        }
    }

    pub(super) fn unused(&self) -> MutexGuard<'_, Vec<Arc<Workspace>>> {
        self.unused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn knows(&self, size: CallShape) -> bool {
        self.unused().iter().any(|workspace| workspace.plan.size() == size)
    }

    /// Takes an unused workspace of that shape.
    pub(super) fn unused_workspace(&self, size: CallShape) -> Option<Arc<Workspace>> {
        let mut unused = self.unused();
        let place = unused.iter().position(|workspace| workspace.plan.size() == size)?;
        Some(unused.remove(place))
    }

    /// Makes a workspace of that shape, and compiles the kernels that were never used before.
    pub(super) async fn new_workspace(&self, size: CallShape) -> Result<Arc<Workspace>, Error> {
        let plan = self.plan(size)?;
        let saved = self.saved.clone();
        let make = |plan| Workspace::new(&self.gpu, &self.config, &self.weights, &self.dims, plan, saved);
        self.make(plan, &[], make).await.map(Arc::new)
    }

    /// Makes the objects that a plan needs, inside error scopes. `make` compiles the plan's kernels and
    /// `more`. If it fails, the device forgets these kernels.
    pub(super) async fn make<T>(
        &self,
        plan: Plan,
        more: &[Kernel],
        make: impl FnOnce(Plan) -> Result<T, Error>,
    ) -> Result<T, Error> {
        log::log!(
            self.logged.level(plan.size()),
            "{} over N={}, T={} on {}: {plan}, {} steps at once, {} dispatches in {} submissions",
            self.config,
            plan.rows,
            plan.steps,
            self.gpu,
            plan.bytes.chunk,
            plan.dispatches.len(),
            plan.segments.len()
        );
        let planned = plan.variants.iter().map(|(_, variant)| Kernel::Planned(*variant));
        let kernels: Vec<Kernel> = planned.chain(more.iter().copied()).collect();
        let made = self.gpu.caught(|| make(plan)).await;
        if made.is_err() {
            kernels.into_iter().for_each(|kernel| self.gpu.kernels().forget(kernel));
        }
        made
    }

    fn log_pieces(&self, whole: CallShape, pieces: &Pieces) {
        let CallShape { rows, steps, budget, .. } = whole;
        let in_flight = match pieces.in_flight {
            1 => "one by one, since half of the budget holds no row",
            _ => "two at a time",
        };
        log::log!(
            self.logged.level(whole),
            "{} over N={rows}, T={steps} on {} in pieces of {} rows, {in_flight}: limits or a budget of {budget} bytes",
            self.config,
            self.gpu,
            pieces.rows
        );
    }

    /// Takes over the unused workspaces of another layer. They replace the unused workspaces of the shape
    /// `size`.
    pub(super) fn adopt(&self, other: &Resident, size: CallShape) {
        self.unused().retain(|workspace| workspace.plan.size() != size);
        let adopted: Vec<Arc<Workspace>> = other.unused().drain(..).collect();
        adopted.into_iter().for_each(|workspace| self.put_back(workspace));
    }

    /// Keeps a workspace for the next call of its shape. If there is no room, the one unused for longest is
    /// dropped.
    pub(super) fn put_back(&self, workspace: Arc<Workspace>) {
        let mut unused = self.unused();
        if unused.len() == self.kept {
            unused.remove(0);
        }
        unused.push(workspace);
    }
}

/// Packs a part of the weights and uploads it to a new buffer.
fn upload(gpu: &Gpu, weights: &Weights, precision: Precision, part: &Part) -> Result<Buffer, Error> {
    let config = weights.config();
    let all = weights.directions().iter().enumerate();
    let mut packed = Vec::new();
    for (index, direction) in all.filter(|(index, _)| part.indices.contains(index)) {
        packed.extend_from_slice(&pack::pack(config, precision, index / config.directions(), direction));
    }
    gpu.buffer_with("weights", &packed, BufferUsages::STORAGE)
}

/// Returns the dimensions of the layer for the kernels. The dimensions of the batch are zero.
fn dims(config: &Config, precision: Precision, part: &Part) -> LayerDims {
    // The sizes are below 2^32, since a matrix of these sizes fits a buffer.
    let small = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    LayerDims {
        hidden_size: small(config.hidden_size),
        hidden_output_size: small(config.hidden_output_size()),
        directions: small(config.directions()),
        layers: small(config.num_layers),
        input_quads: small(pack::input_quads(config, 0)),
        hidden_quads: small(plan::quads(config.hidden_output_size())),
        first_in_weights: small(part.indices.start),
        first_layer_weights: small(pack::elements(config, precision, 0)),
        upper_layer_weights: match config.num_layers {
            1 => 0,
            _ => small(pack::elements(config, precision, 1)),
        },
        first_reverse: u32::from(!config.is_reverse(0)),
        ..LayerDims::zeroed()
    }
}
