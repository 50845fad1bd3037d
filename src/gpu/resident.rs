//! Weights that are resident on the GPU, with the plans and workspaces of their passes.

use std::sync::Arc;

use bytemuck::Zeroable;
use log::Level;
use wgpu::{Buffer, BufferUsages};

use super::Gpu;
use super::kernel::{KernelSpec, LayerDims};
use super::log_once::LogOnce;
use super::pack;
use super::plan::{self, CallShape, Endpoints, Part, Pieces, Plan, Request, small};
use super::tune::Tuner;
use super::unused::Unused;
use super::workspace::{Saved, Workspace};
use crate::array::reserved;
use crate::error::Fault;
use crate::{Config, Error, LayerOptions, Precision, Strategy, Weights};

/// The largest number of unused workspaces that a layer keeps.
const KEPT_WORKSPACES: usize = 4;

/// The resident weights of a layer.
pub(super) struct Resident {
    pub(super) gpu: Gpu,
    pub(super) config: Config,
    pub(super) options: LayerOptions,
    /// The strategies of a session's pushes, if it is one's.
    pub(super) family: Option<&'static [Strategy]>,
    parts: Vec<Part>,
    /// One buffer for each part.
    pub(super) weights: Vec<Buffer>,
    /// The dimensions that do not depend on the batch, for each part.
    pub(super) dims: Vec<LayerDims>,
    unused: Unused<Workspace>,
    /// The states, if the layer belongs to a session.
    pub(super) saved: Option<Saved>,
    pub(super) tuner: Tuner,
    logged: LogOnce,
}

impl Resident {
    /// Packs the weights and uploads them.
    pub(super) async fn new(gpu: &Gpu, weights: &Weights, options: &LayerOptions) -> Result<Self, Error> {
        let config = *weights.config();
        let precision = options.precision;
        let weights = &*precision.round(weights)?;
        let parts = plan::parts(&config, precision, gpu.capabilities())?;
        let upload = |part| upload(gpu, weights, precision, part);
        let buffers = gpu.caught(|| parts.iter().map(upload).collect::<Result<_, _>>()).await?;
        // A browser makes buffers even on a lost device.
        if let Some(found) = gpu.lost() {
            return Err(Error::from(Fault::DeviceLost { found }));
        }
        let dims = parts.iter().map(|part| dims(&config, precision, part)).collect();
        Ok(Resident {
            gpu: gpu.clone(),
            config,
            options: options.clone(),
            parts,
            weights: buffers,
            dims,
            unused: Unused::new(KEPT_WORKSPACES),
            saved: None,
            family: None,
            tuner: Tuner::new(gpu, &config, options),
            logged: LogOnce::default(),
        })
    }

    /// Returns the same weights for a session with these states, whose pushes all have strategies of one family. The layer
    /// has its own workspaces.
    pub(super) fn of_session(&self, family: Option<&'static [Strategy]>, kept: usize, saved: Saved) -> Self {
        let (unused, own) = (Unused::new(kept), self.like(Tuner::default()));
        Resident { unused, saved: Some(saved), family, ..own }
    }

    /// Returns a layer with the same weights and no workspaces yet. It measures nothing.
    pub(super) fn like(&self, tuner: Tuner) -> Self {
        Resident {
            gpu: self.gpu.clone(),
            config: self.config,
            options: LayerOptions { measure: false, ..self.options.clone() },
            parts: self.parts.clone(),
            weights: self.weights.clone(),
            dims: self.dims.clone(),
            unused: Unused::new(self.unused.most()),
            saved: self.saved.clone(),
            family: self.family,
            tuner,
            logged: LogOnce::default(),
        }
    }

    pub(super) fn request(&self, size: CallShape) -> Request<'_> {
        let LayerOptions { precision, bounds_checks, .. } = self.options;
        let capabilities = self.gpu.capabilities();
        let request = Request::new(&self.config, precision, &self.parts, capabilities, size);
        Request { bounds_checks, family: self.family, ..request }
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

    /// Returns the unused workspaces.
    #[cfg(test)]
    pub(super) fn unused(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Workspace>>> {
        self.unused.lock()
    }

    pub(super) fn knows(&self, size: CallShape) -> bool {
        self.unused.has(|workspace| workspace.plan.size() == size)
    }

    /// Takes an unused workspace of that shape.
    pub(super) fn unused_workspace(&self, size: CallShape) -> Option<Arc<Workspace>> {
        self.unused.take(|workspace| workspace.plan.size() == size)
    }

    /// Makes a workspace of that shape, and compiles the kernels that were never used before.
    pub(super) async fn new_workspace(&self, size: CallShape) -> Result<Arc<Workspace>, Error> {
        let plan = self.plan(size)?;
        let saved = self.saved.clone();
        let make = |plan, level| Workspace::new(&self.gpu, &self.weights, &self.dims, plan, saved, level);
        self.make(plan, &[], make).await.map(Arc::new)
    }

    /// Makes the objects that a plan needs, inside error scopes. `make` compiles the plan's kernels and
    /// `more`; its level is that of the shape's log. If it fails, the device forgets these kernels.
    pub(super) async fn make<T>(
        &self,
        plan: Plan,
        more: &[KernelSpec],
        make: impl FnOnce(Plan, Level) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let level = self.logged.level(plan.size());
        log::log!(
            level,
            "{}: {plan}, {} steps at once, {} dispatches in {} submissions",
            self.over(&plan),
            plan.bytes.chunk,
            plan.dispatches.len(),
            plan.segments.len()
        );
        let kernels = [&plan.kernels[..], more].concat();
        let made = self.gpu.caught(|| make(plan, level)).await;
        if made.is_err() {
            kernels.iter().for_each(|kernel| self.gpu.kernels().forget(kernel));
        }
        made
    }

    /// Returns the layer, the size of a plan and the device, for the log.
    pub(super) fn over(&self, plan: &Plan) -> String {
        format!("{} over N={}, T={} on {}", self.config, plan.rows, plan.steps, self.gpu)
    }

    pub(super) fn log_pieces(&self, whole: CallShape, pieces: &Pieces) {
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
        self.unused.clear(|workspace| workspace.plan.size() == size);
        while let Some(workspace) = other.unused.take(|_| true) {
            self.put_back(workspace);
        }
    }

    /// Keeps a workspace for the next call of its shape. If there is no room, the one unused for longest is
    /// dropped.
    pub(super) fn put_back(&self, workspace: Arc<Workspace>) {
        self.unused.put_back(workspace);
    }
}

/// Keeps a new item. If there are `most` items already, the oldest one is dropped.
pub(super) fn keep<T>(kept: &mut Vec<T>, most: usize, new: T) {
    if kept.len() == most {
        kept.remove(0);
    }
    kept.push(new);
}

/// Packs a part of the weights and uploads it to a new buffer.
fn upload(gpu: &Gpu, weights: &Weights, precision: Precision, part: &Part) -> Result<Buffer, Error> {
    let config = weights.config();
    // The plan has held the size against the limits.
    let mut packed = reserved("packed weights", usize::try_from(part.bytes).unwrap_or(usize::MAX))?;
    for (index, direction) in weights.directions().iter().enumerate() {
        if part.indices.contains(&index) {
            let layer = index / config.directions();
            pack::pack(config, precision, layer, direction, part.units.clone(), &mut packed);
        }
    }
    gpu.buffer_with("weights", &packed, BufferUsages::STORAGE)
}

/// Returns the dimensions of the layer for the kernels. The dimensions of the batch are zero.
fn dims(config: &Config, precision: Precision, part: &Part) -> LayerDims {
    // The sizes are below 2^32, since a matrix of these sizes fits a buffer. The exception is the number of elements of a
    // direction whose weights are divided, which no kernel uses: each part has one index.
    LayerDims {
        hidden_size: small(part.units.len()),
        first_unit: small(part.units.start),
        cell_size: small(config.hidden_size),
        hidden_output_size: small(config.hidden_output_size()),
        directions: small(config.directions()),
        layers: small(config.num_layers),
        input_quads: small(pack::input_quads(config, 0)),
        hidden_quads: small(pack::quads(config.hidden_output_size())),
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
