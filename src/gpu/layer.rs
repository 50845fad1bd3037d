//! A layer whose weights are resident on the GPU.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytemuck::Zeroable;
use wgpu::{Buffer, BufferUsages};

use super::Gpu;
use super::kernel::Shape;
use super::kernel::Variant;
use super::pack;
use super::plan::{self, Bytes, Part, Plan, Strategy};
use super::transfer::Pending;
use super::workspace::Workspace;
use crate::batch::Batch;
use crate::{Config, Error, Output, Weights};

/// Workspaces that lie unused at most: as many calls of known shapes allocate nothing, from as many threads.
const KEPT_WORKSPACES: usize = 4;

/// A layer with its weights packed, uploaded and ready to run.
#[derive(Clone)]
pub(crate) struct GpuLayer(Arc<Resident>);

pub(super) struct Resident {
    pub(super) gpu: Gpu,
    pub(super) config: Config,
    parts: Vec<Part>,
    /// One buffer for each part.
    weights: Vec<Buffer>,
    /// For each part what does not depend on the batch.
    shapes: Vec<Shape>,
    unused: Mutex<Vec<Workspace>>,
}

impl GpuLayer {
    pub(crate) fn new(gpu: &Gpu, weights: &Weights, strategy: Strategy) -> Result<Self, Error> {
        let config = *weights.config();
        let parts = plan::parts(&config, gpu.capabilities())?;
        log::debug!("{config} on {gpu}: strategy {}, weights in {} buffers", strategy.resolve(), parts.len());
        let buffers =
            gpu.caught(|| parts.iter().map(|part| upload(gpu, weights, part)).collect::<Result<_, _>>())?;
        let shapes = parts.iter().map(|part| shape(&config, part)).collect();
        let unused = Mutex::default();
        Ok(GpuLayer(Arc::new(Resident { gpu: gpu.clone(), config, parts, weights: buffers, shapes, unused })))
    }

    /// Runs a batch and waits for it. Batches that do not fit the device's limits at once go in pieces of rows.
    pub(crate) fn run(&self, batch: &Batch<'_>) -> Result<Output, Error> {
        let rows = self.rows_at_once(batch)?;
        if rows == batch.rows() {
            return self.submit(batch)?.wait();
        }
        let mut whole = Output::zeros(&self.0.config, batch)?;
        for (first, piece) in batch.pieces(rows) {
            whole.assign_rows(first, &self.submit(&piece)?.wait()?);
        }
        Ok(whole)
    }

    /// As [`GpuLayer::run`], without blocking.
    pub(crate) async fn run_async(&self, batch: &Batch<'_>) -> Result<Output, Error> {
        let rows = self.rows_at_once(batch)?;
        if rows == batch.rows() {
            return self.submit(batch)?.result().await;
        }
        let mut whole = Output::zeros(&self.0.config, batch)?;
        for (first, piece) in batch.pieces(rows) {
            whole.assign_rows(first, &self.submit(&piece)?.result().await?);
        }
        Ok(whole)
    }

    /// The most rows, up to the batch's, that the device's limits allow in one go.
    fn rows_at_once(&self, batch: &Batch<'_>) -> Result<usize, Error> {
        let Resident { gpu, config, parts, .. } = &*self.0;
        let fits = |rows| Bytes::fitting(config, parts, rows, batch.steps(), gpu.capabilities());
        let (mut most, mut too_many) = (batch.rows(), batch.rows() + 1);
        if fits(most).is_ok() {
            return Ok(most);
        }
        fits(1)?;
        most = 1;
        while too_many - most > 1 {
            let middle = most + (too_many - most) / 2;
            if fits(middle).is_ok() { most = middle } else { too_many = middle }
        }
        Ok(most)
    }

    /// Uploads a batch and starts its forward pass.
    fn submit(&self, batch: &Batch<'_>) -> Result<Pending, Error> {
        let workspace = self.0.take_workspace(batch.rows(), batch.steps())?;
        Pending::start(Arc::clone(&self.0), workspace, batch)
    }
}

impl fmt::Debug for GpuLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GpuLayer").field("config", &self.0.config).field("gpu", &self.0.gpu).finish()
    }
}

impl Resident {
    /// A workspace of that shape: one that lies unused, or a new one.
    fn take_workspace(&self, rows: usize, steps: usize) -> Result<Workspace, Error> {
        let fits = |workspace: &Workspace| {
            workspace.plan.rows as usize == rows && workspace.plan.steps as usize == steps
        };
        let mut unused = self.unused.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = unused.iter().position(fits) {
            return Ok(unused.remove(place));
        }
        drop(unused);
        let plan = Plan::new(&self.config, &self.parts, rows, steps, self.gpu.capabilities())?;
        let variants: Vec<Variant> = [plan.step].into_iter().chain(plan.projection).collect();
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
        let mut unused = self.unused.lock().unwrap_or_else(PoisonError::into_inner);
        if unused.len() == KEPT_WORKSPACES {
            unused.remove(0);
        }
        unused.push(workspace);
    }
}

/// The buffer of a part of the weights.
fn upload(gpu: &Gpu, weights: &Weights, part: &Part) -> Result<Buffer, Error> {
    let directions = &weights.directions()[part.indices.clone()];
    let packed: Vec<[f32; 4]> =
        directions.iter().flat_map(|direction| pack::pack(weights.config(), direction)).collect();
    gpu.buffer_with("weights", bytemuck::cast_slice(&packed), BufferUsages::STORAGE)
}

/// The kernels' sizes, but for the batch's.
fn shape(config: &Config, part: &Part) -> Shape {
    // Sizes are below 2^32: a matrix of them fits a buffer.
    let small = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Shape {
        input_size: small(config.input_size),
        hidden_size: small(config.hidden_size),
        hidden_output_size: small(config.hidden_output_size()),
        directions: small(config.directions()),
        layers: small(config.num_layers),
        first_in_weights: small(part.indices.start),
        first_layer_weights: small(pack::vec4s(config, 0)),
        upper_layer_weights: if config.num_layers > 1 { small(pack::vec4s(config, 1)) } else { 0 },
        ..Shape::zeroed()
    }
}
