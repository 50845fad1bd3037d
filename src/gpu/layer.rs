//! A layer whose weights are resident on the GPU.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytemuck::Zeroable;
use wgpu::{Buffer, BufferUsages};

use super::Gpu;
use super::kernel::Shape;
use super::kernel::Variant;
use super::pack;
use super::plan::{self, Part, Pieces, Plan, Request};
use super::transfer::Pending;
use super::workspace::Workspace;
use crate::batch::Batch;
use crate::{Config, Error, LayerOptions, Output, Weights};

/// Workspaces that lie unused at most: as many calls of known shapes allocate nothing, from as many threads.
const KEPT_WORKSPACES: usize = 4;

/// A layer with its weights packed, uploaded and ready to run.
#[derive(Clone)]
pub(crate) struct GpuLayer(pub(super) Arc<Resident>);

pub(super) struct Resident {
    pub(super) gpu: Gpu,
    pub(super) config: Config,
    options: LayerOptions,
    parts: Vec<Part>,
    /// One buffer for each part.
    weights: Vec<Buffer>,
    /// For each part what does not depend on the batch.
    shapes: Vec<Shape>,
    unused: Mutex<Vec<Workspace>>,
}

impl GpuLayer {
    pub(crate) fn new(gpu: &Gpu, weights: &Weights, options: &LayerOptions) -> Result<Self, Error> {
        let config = *weights.config();
        let parts = plan::parts(&config, gpu.capabilities())?;
        let buffers =
            gpu.caught(|| parts.iter().map(|part| upload(gpu, weights, part)).collect::<Result<_, _>>())?;
        let shapes = parts.iter().map(|part| shape(&config, part)).collect();
        Ok(GpuLayer(Arc::new(Resident {
            gpu: gpu.clone(),
            config,
            options: options.clone(),
            parts,
            weights: buffers,
            shapes,
            unused: Mutex::default(),
        })))
    }

    /// Runs a batch and waits for it. Batches that do not fit the device's limits at once go in pieces of rows.
    pub(crate) fn run(&self, batch: &Batch<'_>) -> Result<Output, Error> {
        pollster::block_on(self.run_pieces(batch, async |pending: Pending| pending.wait()))
    }

    /// As [`GpuLayer::run`], without blocking.
    pub(crate) async fn run_async(&self, batch: &Batch<'_>) -> Result<Output, Error> {
        self.run_pieces(batch, Pending::result).await
    }

    /// Submits each piece before the one before is waited for, if two may be in flight.
    async fn run_pieces(
        &self,
        batch: &Batch<'_>,
        finish: impl AsyncFn(Pending) -> Result<Output, Error>,
    ) -> Result<Output, Error> {
        let Pieces { rows, in_flight, budget } = self.pieces(batch)?;
        if rows == batch.rows() {
            return finish(self.submit(batch, budget)?).await;
        }
        let mut whole = Output::zeros(&self.0.config, batch)?;
        let mut flying = VecDeque::new();
        for (first, piece) in batch.pieces(rows) {
            flying.push_back((first, self.submit(&piece, budget)?));
            if flying.len() == in_flight
                && let Some((first, pending)) = flying.pop_front()
            {
                whole.assign_rows(first, &finish(pending).await?);
            }
        }
        for (first, pending) in flying {
            whole.assign_rows(first, &finish(pending).await?);
        }
        Ok(whole)
    }

    fn pieces(&self, batch: &Batch<'_>) -> Result<Pieces, Error> {
        let (rows, budget) = (batch.rows(), self.0.options.budget);
        // A shape that was planned before fits.
        if self.0.knows(rows, batch.steps(), budget) {
            return Ok(Pieces { rows, in_flight: 1, budget });
        }
        Pieces::of(&self.0.request(rows, batch.steps(), budget), self.0.options.strategy)
    }

    /// Uploads a batch and starts its forward pass.
    fn submit(&self, batch: &Batch<'_>, budget: u64) -> Result<Pending, Error> {
        let workspace = self.0.take_workspace(batch.rows(), batch.steps(), budget)?;
        Pending::start(Arc::clone(&self.0), workspace, batch)
    }
}

impl fmt::Debug for GpuLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GpuLayer").field("config", &self.0.config).field("gpu", &self.0.gpu).finish()
    }
}

impl Resident {
    fn request(&self, rows: usize, steps: usize, budget: u64) -> Request<'_> {
        Request {
            config: &self.config,
            parts: &self.parts,
            rows,
            steps,
            capabilities: self.gpu.capabilities(),
            budget,
            bounds_checks: self.options.bounds_checks,
        }
    }

    fn unused(&self) -> MutexGuard<'_, Vec<Workspace>> {
        self.unused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn knows(&self, rows: usize, steps: usize, budget: u64) -> bool {
        self.unused().iter().any(|workspace| workspace.is_for(rows, steps, budget))
    }

    /// A workspace of that shape: one that lies unused, or a new one.
    pub(super) fn take_workspace(&self, rows: usize, steps: usize, budget: u64) -> Result<Workspace, Error> {
        let mut unused = self.unused();
        if let Some(place) = unused.iter().position(|workspace| workspace.is_for(rows, steps, budget)) {
            return Ok(unused.remove(place));
        }
        drop(unused);
        let plan = Plan::new(&self.request(rows, steps, budget), self.options.strategy)?;
        log::debug!("{} over N={rows}, T={steps} on {}: {}", self.config, self.gpu, plan.strategy);
        let variants: Vec<Variant> = plan.variants.iter().map(|(_, variant)| *variant).collect();
        let made = self.gpu.caught(|| {
            for &variant in &variants {
                self.gpu.kernels().pipeline(self.gpu.device(), variant);
            }
            Workspace::new(&self.gpu, &self.config, &self.weights, &self.shapes, plan)
        });
        if made.is_err() {
            variants.into_iter().for_each(|variant| self.gpu.kernels().forget(variant));
        }
        made
    }

    /// Keeps a workspace for the next call of its shape; the one unused for longest makes room.
    pub(super) fn put_back(&self, workspace: Workspace) {
        let mut unused = self.unused();
        if unused.len() == KEPT_WORKSPACES {
            unused.remove(0);
        }
        unused.push(workspace);
    }
}

/// The buffer of a part of the weights.
fn upload(gpu: &Gpu, weights: &Weights, part: &Part) -> Result<Buffer, Error> {
    let config = weights.config();
    let all = weights.directions().iter().enumerate();
    let packed: Vec<[f32; 4]> = all
        .filter(|(index, _)| part.indices.contains(index))
        .flat_map(|(index, direction)| pack::pack(config, index / config.directions(), direction))
        .collect();
    gpu.buffer_with("weights", bytemuck::cast_slice(&packed), BufferUsages::STORAGE)
}

/// The kernels' sizes, but for the batch's.
fn shape(config: &Config, part: &Part) -> Shape {
    // Sizes are below 2^32: a matrix of them fits a buffer.
    let small = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Shape {
        hidden_size: small(config.hidden_size),
        hidden_output_size: small(config.hidden_output_size()),
        directions: small(config.directions()),
        layers: small(config.num_layers),
        input_quads: small(pack::input_quads(config, 0)),
        hidden_quads: small(plan::quads(config.hidden_output_size())),
        first_in_weights: small(part.indices.start),
        first_layer_weights: small(pack::vec4s(config, 0)),
        upper_layer_weights: if config.num_layers > 1 { small(pack::vec4s(config, 1)) } else { 0 },
        ..Shape::zeroed()
    }
}
