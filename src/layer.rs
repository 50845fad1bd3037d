//! The main entry point: a layer with one `forward` and several backends.

use std::sync::Arc;

use ndarray::{Dimension, Ix3};
#[cfg(feature = "gpu")]
use wgpu::CommandEncoder;

#[cfg(doc)]
use crate::ErrorKind;
use crate::batch::Batch;
use crate::cpu::CpuLayer;
#[cfg(feature = "gpu")]
use crate::error::Fault;
use crate::gpu::GpuLayer;
#[cfg(feature = "gpu")]
use crate::gpu::{GpuBuffers, PlanReport};
#[cfg(not(target_arch = "wasm32"))]
use crate::offload;
use crate::{Backend, Config, CpuInstructions, Error, Input, LayerOptions, Output, Weights, reference};

/// A recurrent layer that is ready to run. Its weights are packed once for its backend.
///
/// A clone shares the weights. A layer is `Send` and `Sync`: several threads may use one layer at the same time,
/// by reference or through clones.
///
/// ```
/// use wgpu_rnn::{Backend, Config, Input, Layer, Weights, ndarray::Array3};
///
/// let weights = Weights::seeded(Config::lstm(20, 64).bidirectional(true), 0)?;
/// let layer = Layer::new(&weights, Backend::Cpu)?;
/// let input = Array3::ones((8, 100, 20));
/// let result = layer.forward(&input)?;
/// assert_eq!(result.output.shape(), [8, 100, 128]);
/// // The next piece of the same sequences goes on from the final state.
/// let next = layer.forward(Input::new(&input).state(&result))?;
/// assert_eq!(next.h_n.shape(), [2, 8, 64]);
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
#[derive(Clone)]
pub struct Layer {
    config: Config,
    options: LayerOptions,
    /// The weights as the caller gave them, if the layer keeps them.
    weights: Option<Weights>,
    backend: Backend,
    implementation: Arc<Implementation>,
}

/// Shows the configuration and the backend, without the weights.
impl std::fmt::Debug for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layer")
            .field("config", &self.config)
            .field("backend", &self.backend)
            .finish_non_exhaustive()
    }
}

pub(crate) enum Implementation {
    Reference(Weights),
    Cpu(CpuLayer),
    Gpu(GpuLayer),
}

impl Layer {
    /// Like [`Layer::new`], without waiting for the device. A poll only packs the weights.
    ///
    /// # Errors
    ///
    /// The same as [`Layer::new`].
    pub async fn new_async(
        weights: &Weights,
        backend: impl Into<(Backend, LayerOptions)>,
    ) -> Result<Self, Error> {
        let (backend, options) = backend.into();
        let rounded = || options.precision.round(weights);
        let implementation = match &backend {
            Backend::Reference => Implementation::Reference(rounded()?.into_owned()),
            Backend::Cpu => Implementation::Cpu(CpuLayer::new(&*rounded()?, &options)?),
            Backend::Gpu(gpu) => Implementation::Gpu(GpuLayer::new_async(gpu, weights, &options).await?),
        };
        Ok(Layer {
            config: *weights.config(),
            weights: options.keep_weights.then(|| weights.clone()),
            options,
            backend,
            implementation: Arc::new(implementation),
        })
    }

    /// Returns the layer's configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the backend that the layer runs on.
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Returns the options of the layer.
    pub fn options(&self) -> &LayerOptions {
        &self.options
    }

    /// Returns the weights that the layer was made from, if it
    /// [keeps them](crate::LayerOptions::keep_weights). They make the same layer on another backend, such as
    /// on a fresh device after [`ErrorKind::DeviceLost`](crate::ErrorKind::DeviceLost).
    ///
    /// ```
    /// use wgpu_rnn::{Backend, Config, Error, ErrorKind, Input, Layer, LayerOptions, Weights, ndarray::Array3};
    ///
    /// /// Looks for adapters again, and opens a new device or takes the CPU.
    /// fn moved(layer: &Layer) -> Result<Layer, Error> {
    ///     let backend = Backend::auto(layer.config(), 1, 50, layer.options()).backend;
    ///     Layer::new(layer.weights().expect("kept"), (backend, layer.options().clone()))
    /// }
    ///
    /// let weights = Weights::seeded(Config::gru(8, 16), 0)?;
    /// let options = LayerOptions { keep_weights: true, ..LayerOptions::default() };
    /// let backend = Backend::auto(weights.config(), 1, 50, &options).backend;
    /// let mut layer = Layer::new(&weights, (backend, options))?;
    /// let pieces = [Array3::<f32>::ones((1, 50, 8)), Array3::zeros((1, 50, 8))];
    ///
    /// // The state after the last piece that went well.
    /// let mut last = layer.forward(&pieces[0])?;
    /// for piece in &pieces[1..] {
    ///     let input = Input::new(piece).state(&last);
    ///     let next = match layer.forward(&input) {
    ///         Err(error) if error.kind() == ErrorKind::DeviceLost => {
    ///             layer = moved(&layer)?;
    ///             layer.forward(&input)?
    ///         }
    ///         result => result?,
    ///     };
    ///     last = next;
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    pub fn weights(&self) -> Option<&Weights> {
        self.weights.as_ref()
    }

    /// Returns the instruction set of the CPU backend's loops, or `None` if the layer is on another backend.
    ///
    /// ```
    /// use wgpu_rnn::{Backend, Config, CpuInstructions, Layer, Weights};
    ///
    /// let layer = Layer::new(&Weights::seeded(Config::gru(40, 64), 0)?, Backend::Cpu)?;
    /// assert_eq!(layer.instructions(), Some(CpuInstructions::best()?));
    /// # Ok::<(), wgpu_rnn::Error>(())
    /// ```
    pub fn instructions(&self) -> Option<CpuInstructions> {
        match &*self.implementation {
            Implementation::Cpu(layer) => Some(layer.instructions),
            Implementation::Reference(_) | Implementation::Gpu(_) => None,
        }
    }

    pub(crate) fn implementation(&self) -> &Implementation {
        &self.implementation
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn shared_implementation(&self) -> &Arc<Implementation> {
        &self.implementation
    }

    #[cfg(feature = "gpu")]
    pub(crate) fn gpu_layer(&self) -> Result<&GpuLayer, Error> {
        match &*self.implementation {
            Implementation::Gpu(layer) => Ok(layer),
            Implementation::Reference(_) | Implementation::Cpu(_) => {
                Err(Error::from(Fault::NotOnGpu { found: self.backend.to_string() }))
            }
        }
    }

    /// Returns the plan for a batch of N rows and T steps, or `None` if the layer is not on a GPU. The plan
    /// is the measured one for that shape if there is one, and otherwise the cost model's choice.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`]; [`ErrorKind::TooLarge`] if not even one row fits the limits.
    #[cfg(feature = "gpu")]
    pub fn plan(&self, batch: usize, steps: usize) -> Result<Option<PlanReport>, Error> {
        match &*self.implementation {
            Implementation::Gpu(layer) => layer.plan_report(batch, steps).map(Some),
            Implementation::Reference(_) | Implementation::Cpu(_) => Ok(None),
        }
    }

    /// Like [`Layer::forward`], without blocking the thread that polls. Other threads compile kernels, wait
    /// for the GPU or compute on the CPU. A poll only plans, and copies the batch and the result. No runtime
    /// is needed. The future may be dropped at any time: work that it has started completes by itself, and
    /// the layer can be used as before. In a browser the crate has no threads, so the CPU backend computes
    /// in the poll.
    ///
    /// # Errors
    ///
    /// The same as [`Layer::forward`].
    pub async fn forward_async<'i, D: Dimension>(
        &self,
        input: impl Into<Input<'i, D>>,
    ) -> Result<Output<D>, Error> {
        let input = input.into();
        let batch = self.checked(&input)?;
        let output = match &*self.implementation {
            Implementation::Gpu(layer) if batch.rows() > 0 => match input.is_timed() {
                true => layer.run_timed_async(&batch).await?,
                false => layer.run_async(&batch).await?,
            },
            _ => self.run_elsewhere(&batch).await?,
        };
        batch.restore(output)
    }

    /// Records a forward pass like [`Layer::encode`], and also works in a browser. A browser reports later
    /// whether it could make the objects of the first call with a shape or with a set of buffers. Elsewhere,
    /// the future is ready at the first poll. If the future is dropped before it is ready, nothing was
    /// recorded.
    ///
    /// # Errors
    ///
    /// The same as [`Layer::encode`].
    #[cfg(feature = "gpu")]
    pub async fn encode_async(
        &self,
        encoder: &mut CommandEncoder,
        buffers: &GpuBuffers<'_>,
    ) -> Result<(), Error> {
        self.gpu_layer()?.encode_async(encoder, buffers).await
    }

    /// Checks the arguments of a call.
    pub(crate) fn checked<'a, D: Dimension>(&self, input: &'a Input<'_, D>) -> Result<Batch<'a>, Error> {
        input.check_for_forward()?;
        let batch = Batch::new(&self.config, input)?;
        log::trace!("{} over N={}, T={} on {}", self.config, batch.rows(), batch.steps(), self.backend);
        Ok(batch)
    }

    /// Runs a copy of the batch on the thread pool. The layer is not on a GPU.
    #[cfg(not(target_arch = "wasm32"))]
    async fn run_elsewhere(&self, batch: &Batch<'_>) -> Result<Output, Error> {
        let (config, implementation) = (self.config, Arc::clone(&self.implementation));
        let owned = batch.to_owned()?;
        offload::on_pool(move |alone| match alone {
            true => implementation.run_alone(&config, &owned.batch()),
            false => implementation.run(&config, &owned.batch()),
        })
        .await
    }

    /// Runs the batch on this thread, since there is no other one. The layer is not on a GPU.
    #[cfg(target_arch = "wasm32")]
    async fn run_elsewhere(&self, batch: &Batch<'_>) -> Result<Output, Error> {
        self.implementation.run(&self.config, batch)
    }
}

impl Implementation {
    /// Runs a batch on the CPU. For a layer on a GPU the batch must have no rows; the result is empty.
    pub(crate) fn run(&self, config: &Config, batch: &Batch<'_>) -> Result<Output, Error> {
        match self {
            Implementation::Reference(weights) if batch.rows() > 0 => round(&reference::run(weights, batch)?),
            Implementation::Cpu(layer) if batch.rows() > 0 => layer.run(batch),
            _ => Output::zeros(config, batch),
        }
    }

    /// Like [`Implementation::run`], without the help of the thread pool.
    #[cfg(not(target_arch = "wasm32"))]
    fn run_alone(&self, config: &Config, batch: &Batch<'_>) -> Result<Output, Error> {
        match self {
            Implementation::Cpu(layer) if batch.rows() > 0 => layer.run_alone(batch),
            other => other.run(config, batch),
        }
    }
}

/// Rounds the reference's result to f32, the type of the other backends.
fn round(output: &Output<Ix3, f64>) -> Result<Output, Error> {
    #[allow(clippy::cast_possible_truncation, reason = "rounding to f32 is the point")]
    output.map(|&value| value as f32)
}
