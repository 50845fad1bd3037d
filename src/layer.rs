//! The main entry point: a layer with one `forward` and several backends.

mod reload;

use std::sync::Arc;

use ndarray::{Dimension, Ix3};

use crate::batch::Batch;
use crate::cpu::CpuLayer;
use crate::gpu::{GpuLayer, PlanReport, Timings};
#[cfg(not(target_arch = "wasm32"))]
use crate::offload;
use crate::{
    Backend, Config, CpuInstructions, Error, Input, LayerOptions, Output, State, Weights, reference,
};

/// A recurrent layer that is ready to run. Its weights are packed once for its backend.
///
/// A clone shares the weights. A layer is `Send` and `Sync`: several threads may use one layer at the same time,
/// by reference or through clones.
///
/// ```
/// use wgpu_rnn::{Backend, Config, Layer, State, Weights, ndarray::Array3};
///
/// let weights = Weights::seeded(Config::lstm(20, 64).bidirectional(true), 0)?;
/// let layer = Layer::new(&weights, Backend::Cpu)?;
/// let input = Array3::ones((8, 100, 20));
/// let result = layer.forward(&input, State::zero())?;
/// assert_eq!(result.output.shape(), [8, 100, 128]);
/// // The next piece of the same sequences goes on from the final state.
/// let next = layer.forward(&input, result.state())?;
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
    /// Prepares a layer on a backend: packs the weights, uploads them, compiles the kernels.
    ///
    /// # Errors
    ///
    /// On a GPU: [`Error::TooLarge`], [`Error::OutOfMemory`], [`Error::DeviceLost`], [`Error::Gpu`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn new(weights: &Weights, backend: Backend) -> Result<Self, Error> {
        Layer::with_options(weights, backend, &LayerOptions::default())
    }

    /// Like [`Layer::new`], without waiting for the device. A poll only packs the weights.
    ///
    /// # Errors
    ///
    /// The same as [`Layer::new`].
    pub async fn new_async(weights: &Weights, backend: Backend) -> Result<Self, Error> {
        Layer::with_options_async(weights, backend, &LayerOptions::default()).await
    }

    /// Like [`Layer::new`], with options.
    ///
    /// # Errors
    ///
    /// The same as [`Layer::new`]; [`Error::Precision`] if a weight is too large for f16 and the options
    /// store it as f16.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn with_options(weights: &Weights, backend: Backend, options: &LayerOptions) -> Result<Self, Error> {
        pollster::block_on(Layer::with_options_async(weights, backend, options))
    }

    /// Like [`Layer::with_options`], without waiting for the device, as in [`Layer::new_async`].
    ///
    /// # Errors
    ///
    /// The same as [`Layer::with_options`].
    pub async fn with_options_async(
        weights: &Weights,
        backend: Backend,
        options: &LayerOptions,
    ) -> Result<Self, Error> {
        let rounded = || options.precision.round(weights);
        let implementation = match &backend {
            Backend::Reference => Implementation::Reference(rounded()?.into_owned()),
            Backend::Cpu => Implementation::Cpu(CpuLayer::new(&*rounded()?, options)?),
            Backend::Gpu(gpu) => Implementation::Gpu(GpuLayer::new_async(gpu, weights, options).await?),
        };
        let keeps = options.keep_weights || matches!(backend, Backend::Reference);
        Ok(Layer {
            config: *weights.config(),
            options: options.clone(),
            weights: keeps.then(|| weights.clone()),
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

    /// Returns the layer on the GPU, which the caller can encode into its own submission, or `None` if the
    /// layer is not on a GPU.
    pub fn gpu_layer(&self) -> Option<&GpuLayer> {
        match &*self.implementation {
            Implementation::Gpu(layer) => Some(layer),
            Implementation::Reference(_) | Implementation::Cpu(_) => None,
        }
    }

    /// Returns the plan for a batch of N rows and T steps, or `None` if the layer is not on a GPU. The plan
    /// is the measured one for that shape if there is one, and otherwise the cost model's choice.
    ///
    /// # Errors
    ///
    /// [`Error::NoSteps`]; [`Error::TooLarge`] if not even one row fits the limits.
    pub fn plan(&self, batch: usize, steps: usize) -> Result<Option<PlanReport>, Error> {
        match &*self.implementation {
            Implementation::Gpu(layer) => layer.plan_report(batch, steps).map(Some),
            Implementation::Reference(_) | Implementation::Cpu(_) => Ok(None),
        }
    }

    /// Runs the layer over a batch and waits for the result.
    ///
    /// Shapes: the input is `[N, T, I]` or `[T, I]`; [`State`] and [`Output`] list the shapes of the state
    /// and the output. N may be 0; T must be at least 1.
    ///
    /// # Errors
    ///
    /// For a wrong shape, where PyTorch raises an error too: [`Error::InputRank`], [`Error::InputSize`],
    /// [`Error::NoSteps`], [`Error::StateRank`], [`Error::StateShape`], [`Error::UnexpectedCellState`],
    /// [`Error::LengthsCount`], [`Error::Length`]. From the machine: [`Error::OutOfMemory`], and on a GPU
    /// [`Error::TooLarge`], [`Error::DeviceLost`], [`Error::Timeout`], [`Error::Gpu`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn forward<'i, 's, D: Dimension>(
        &self,
        input: impl Into<Input<'i, D>>,
        state: impl Into<State<'s, D>>,
    ) -> Result<Output<D>, Error> {
        let (input, state) = (input.into(), state.into());
        let batch = self.checked(&input, &state)?;
        let output = match &*self.implementation {
            Implementation::Gpu(layer) if batch.rows() > 0 => layer.run(&batch)?,
            other => other.run(&self.config, &batch)?,
        };
        batch.restore(output)
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
    pub async fn forward_async<'i, 's, D: Dimension>(
        &self,
        input: impl Into<Input<'i, D>>,
        state: impl Into<State<'s, D>>,
    ) -> Result<Output<D>, Error> {
        let (input, state) = (input.into(), state.into());
        let batch = self.checked(&input, &state)?;
        let output = match &*self.implementation {
            Implementation::Gpu(layer) if batch.rows() > 0 => layer.run_async(&batch).await?,
            _ => self.run_elsewhere(&batch).await?,
        };
        batch.restore(output)
    }

    /// Like [`Layer::forward`], and also returns where the time went. The timings are `None` for N = 0 and
    /// unless the layer is on a GPU that [has timestamps](crate::Gpu::has_timestamps) and whose clock ran.
    ///
    /// The parts that `forward` overlaps run one after the other here, so that each can be timed. A batch in
    /// pieces or a pass in several submissions therefore takes longer. The result has the same bits.
    ///
    /// # Errors
    ///
    /// The same as [`Layer::forward`].
    ///
    /// ```no_run
    /// # use wgpu_rnn::{AdapterChoice, Backend, Config, Gpu, Input, Layer, State, Weights, ndarray::Array3};
    /// let gpu = Gpu::new(&AdapterChoice::Best)?;
    /// let layer = Layer::new(&Weights::seeded(Config::gru(80, 128), 0)?, Backend::Gpu(gpu))?;
    /// let (output, timings) = layer.forward_timed(&Input::new(Array3::zeros((4, 50, 80)).view()), State::zero())?;
    /// if let Some(timings) = timings {
    ///     println!("{:?} + {:?} + {:?}", timings.upload, timings.compute, timings.readback);
    /// }
    /// # Ok::<(), wgpu_rnn::Error>(())
    /// ```
    #[cfg(not(target_arch = "wasm32"))]
    pub fn forward_timed<'i, 's, D: Dimension>(
        &self,
        input: impl Into<Input<'i, D>>,
        state: impl Into<State<'s, D>>,
    ) -> Result<(Output<D>, Option<Timings>), Error> {
        let (input, state) = (input.into(), state.into());
        let batch = self.checked(&input, &state)?;
        let (output, timings) = match &*self.implementation {
            Implementation::Gpu(layer) if batch.rows() > 0 => layer.run_timed(&batch)?,
            other => (other.run(&self.config, &batch)?, None),
        };
        Ok((batch.restore(output)?, timings))
    }

    /// Like [`Layer::forward_timed`], without blocking, as in [`Layer::forward_async`].
    ///
    /// # Errors
    ///
    /// The same as [`Layer::forward`].
    pub async fn forward_timed_async<'i, 's, D: Dimension>(
        &self,
        input: impl Into<Input<'i, D>>,
        state: impl Into<State<'s, D>>,
    ) -> Result<(Output<D>, Option<Timings>), Error> {
        let (input, state) = (input.into(), state.into());
        let batch = self.checked(&input, &state)?;
        let (output, timings) = match &*self.implementation {
            Implementation::Gpu(layer) if batch.rows() > 0 => layer.run_timed_async(&batch).await?,
            _ => (self.run_elsewhere(&batch).await?, None),
        };
        Ok((batch.restore(output)?, timings))
    }

    /// Checks the arguments of a call.
    fn checked<'a, D: Dimension>(
        &self,
        input: &'a Input<'_, D>,
        state: &'a State<'_, D>,
    ) -> Result<Batch<'a>, Error> {
        let batch = Batch::new(&self.config, input, state)?;
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
    Ok(output.map(|&value| value as f32))
}
