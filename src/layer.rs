//! The front door: one layer, one `forward`, several backends.

mod reload;

use std::sync::Arc;

use ndarray::{Dimension, Ix3};

use crate::auto::{self, Choice};
use crate::batch::Batch;
use crate::cpu::CpuLayer;
use crate::gpu::{Gpu, GpuLayer, PlanReport, Timings};
#[cfg(not(target_arch = "wasm32"))]
use crate::offload;
use crate::{Config, Error, Input, LayerOptions, Output, State, Weights, reference};

/// What a layer runs on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Backend {
    /// Plain f64 loops, rounded to f32: the definition. Slow.
    Reference,
    /// f32 on the CPU's cores.
    Cpu,
    /// A GPU.
    Gpu(Gpu),
}

impl Backend {
    /// The GPU where it is expected to be at least twice as fast as the CPU for a layer and batches of `batch` rows (N) and
    /// `steps` steps (T), and else the CPU; never a software adapter. [`auto`](crate::auto) has the rule, what it
    /// is made from and how far it can be trusted.
    ///
    /// What was taken and why is in the answer, and is logged at level `info`.
    ///
    /// ```
    /// use wgpu_rnn::{Backend, Config, Layer, Weights};
    ///
    /// let weights = Weights::seeded(Config::lstm(80, 256), 0)?;
    /// let choice = Backend::auto(weights.config(), 8, 200);
    /// println!("{choice}"); // cpu, since there are only software adapters, which …
    /// let layer = Layer::new(&weights, choice.backend)?;
    /// # Ok::<(), wgpu_rnn::Error>(())
    /// ```
    #[cfg(not(target_arch = "wasm32"))]
    pub fn auto(config: &Config, batch: usize, steps: usize) -> Choice {
        Backend::auto_with_options(config, batch, steps, &LayerOptions::default())
    }

    /// As [`Backend::auto`], for a layer with those options: a GPU is expected to run with their strategy, precision and
    /// budget.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn auto_with_options(config: &Config, batch: usize, steps: usize, options: &LayerOptions) -> Choice {
        pollster::block_on(Backend::auto_async(config, batch, steps, options))
    }

    /// As [`Backend::auto_with_options`], without blocking. In a page without WebGPU it is the CPU.
    pub async fn auto_async(config: &Config, batch: usize, steps: usize, options: &LayerOptions) -> Choice {
        let choice = auto::choose(config, batch, steps, options).await;
        log::info!("backend: {choice}");
        choice
    }
}

/// `reference (f64)`, `cpu`, or `gpu: ` and the adapter's name and backend.
impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Backend::Reference => f.write_str("reference (f64)"),
            Backend::Cpu => f.write_str("cpu"),
            Backend::Gpu(gpu) => write!(f, "gpu: {gpu}"),
        }
    }
}

/// A recurrent layer, ready to run: weights packed for its backend once.
///
/// ```
/// use wgpu_rnn::{Backend, Config, Input, Layer, State, Weights, ndarray::Array3};
///
/// let weights = Weights::seeded(Config::lstm(20, 64).bidirectional(true), 0)?;
/// let layer = Layer::new(&weights, Backend::Cpu)?;
/// let input = Array3::ones((8, 100, 20));
/// let result = layer.forward(&Input::new(input.view()), &State::zero())?;
/// assert_eq!(result.output.shape(), [8, 100, 128]);
/// // The next piece of the same sequences goes on from the final state.
/// let next = layer.forward(&Input::new(input.view()), &result.state())?;
/// assert_eq!(next.h_n.shape(), [2, 8, 64]);
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
#[derive(Clone)]
pub struct Layer {
    config: Config,
    options: LayerOptions,
    /// As they were given, if they are kept.
    weights: Option<Weights>,
    backend: Backend,
    implementation: Arc<Implementation>,
}

/// What it is and what it runs on, without its weights.
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

    /// As [`Layer::new`], without waiting for the device. What a poll does itself is packing the weights.
    ///
    /// # Errors
    ///
    /// As [`Layer::new`].
    pub async fn new_async(weights: &Weights, backend: Backend) -> Result<Self, Error> {
        Layer::with_options_async(weights, backend, &LayerOptions::default()).await
    }

    /// As [`Layer::new`], with options.
    ///
    /// # Errors
    ///
    /// As [`Layer::new`]; [`Error::Precision`] if a weight is too large for a half that is to hold it.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn with_options(weights: &Weights, backend: Backend, options: &LayerOptions) -> Result<Self, Error> {
        pollster::block_on(Layer::with_options_async(weights, backend, options))
    }

    /// As [`Layer::with_options`], without waiting, as [`Layer::new_async`].
    ///
    /// # Errors
    ///
    /// As [`Layer::with_options`].
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

    /// What the layer is.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What the layer runs on.
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    pub(crate) fn implementation(&self) -> &Implementation {
        &self.implementation
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn shared_implementation(&self) -> &Arc<Implementation> {
        &self.implementation
    }

    /// The layer on the GPU, to go into a submission of the caller's; none if the layer is not on one.
    pub fn gpu_layer(&self) -> Option<&GpuLayer> {
        match &*self.implementation {
            Implementation::Gpu(layer) => Some(layer),
            Implementation::Reference(_) | Implementation::Cpu(_) => None,
        }
    }

    /// How a GPU runs a batch of N rows and T steps, if the layer is on one: what was measured for that shape, or else the
    /// cost model's choice.
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
    /// Shapes: input `[N, T, I]` or `[T, I]`; the state and the output as [`State`] and [`Output`] say. N may be 0, T
    /// may not.
    ///
    /// # Errors
    ///
    /// Those of PyTorch for a wrong shape: [`Error::InputRank`], [`Error::InputSize`], [`Error::NoSteps`],
    /// [`Error::StateRank`], [`Error::StateShape`], [`Error::UnexpectedCellState`], [`Error::LengthsCount`],
    /// [`Error::Length`]. From the machine: [`Error::OutOfMemory`], and on a GPU [`Error::TooLarge`],
    /// [`Error::DeviceLost`], [`Error::Timeout`], [`Error::Gpu`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn forward<D: Dimension>(
        &self,
        input: &Input<'_, D>,
        state: &State<'_, D>,
    ) -> Result<Output<D>, Error> {
        let batch = self.checked(input, state)?;
        let output = match &*self.implementation {
            Implementation::Gpu(layer) if batch.rows() > 0 => layer.run(&batch)?,
            other => other.run(&self.config, &batch)?,
        };
        batch.restore(output)
    }

    /// As [`Layer::forward`], without blocking the thread that polls: kernels are compiled, the GPU is waited for, or the
    /// CPU computes, on threads of their own. What a poll does itself is planning and copying the batch and the result. No
    /// runtime is needed. The future may be dropped at any time: what it has begun ends by itself, and the layer can be
    /// used as before. A browser has no threads for us: there the CPU computes in the poll.
    ///
    /// # Errors
    ///
    /// As [`Layer::forward`].
    pub async fn forward_async<D: Dimension>(
        &self,
        input: &Input<'_, D>,
        state: &State<'_, D>,
    ) -> Result<Output<D>, Error> {
        let batch = self.checked(input, state)?;
        let output = match &*self.implementation {
            Implementation::Gpu(layer) if batch.rows() > 0 => layer.run_async(&batch).await?,
            _ => self.run_elsewhere(&batch).await?,
        };
        batch.restore(output)
    }

    /// As [`Layer::forward`], and says where the time went, if that can be told: on a GPU that
    /// [has timestamps](Gpu::has_timestamps) whose clock ran, and not for N = 0.
    ///
    /// What `forward` overlaps goes one after the other here, so that the parts can be told apart: a batch in pieces or a
    /// pass in several submissions takes longer. The result has the same bits.
    ///
    /// # Errors
    ///
    /// As [`Layer::forward`].
    ///
    /// ```no_run
    /// # use wgpu_rnn::{AdapterChoice, Backend, Config, Gpu, Input, Layer, State, Weights, ndarray::Array3};
    /// let gpu = Gpu::new(&AdapterChoice::Best)?;
    /// let layer = Layer::new(&Weights::seeded(Config::gru(80, 128), 0)?, Backend::Gpu(gpu))?;
    /// let (output, timings) = layer.forward_timed(&Input::new(Array3::zeros((4, 50, 80)).view()), &State::zero())?;
    /// if let Some(timings) = timings {
    ///     println!("{:?} + {:?} + {:?}", timings.upload, timings.compute, timings.readback);
    /// }
    /// # Ok::<(), wgpu_rnn::Error>(())
    /// ```
    #[cfg(not(target_arch = "wasm32"))]
    pub fn forward_timed<D: Dimension>(
        &self,
        input: &Input<'_, D>,
        state: &State<'_, D>,
    ) -> Result<(Output<D>, Option<Timings>), Error> {
        let batch = self.checked(input, state)?;
        let (output, timings) = match &*self.implementation {
            Implementation::Gpu(layer) if batch.rows() > 0 => layer.run_timed(&batch)?,
            other => (other.run(&self.config, &batch)?, None),
        };
        Ok((batch.restore(output)?, timings))
    }

    /// As [`Layer::forward_timed`], without blocking, as [`Layer::forward_async`].
    ///
    /// # Errors
    ///
    /// As [`Layer::forward`].
    pub async fn forward_timed_async<D: Dimension>(
        &self,
        input: &Input<'_, D>,
        state: &State<'_, D>,
    ) -> Result<(Output<D>, Option<Timings>), Error> {
        let batch = self.checked(input, state)?;
        let (output, timings) = match &*self.implementation {
            Implementation::Gpu(layer) if batch.rows() > 0 => layer.run_timed_async(&batch).await?,
            _ => (self.run_elsewhere(&batch).await?, None),
        };
        Ok((batch.restore(output)?, timings))
    }

    /// What a call is given, checked.
    fn checked<'a, D: Dimension>(
        &self,
        input: &'a Input<'_, D>,
        state: &'a State<'_, D>,
    ) -> Result<Batch<'a>, Error> {
        let batch = Batch::new(&self.config, input, state)?;
        log::trace!("{} over N={}, T={} on {}", self.config, batch.rows(), batch.steps(), self.backend);
        Ok(batch)
    }

    /// Runs a copy of the batch on the thread pool, not on a GPU.
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

    /// Runs the batch, not on a GPU: here, since there is no other thread.
    #[cfg(target_arch = "wasm32")]
    async fn run_elsewhere(&self, batch: &Batch<'_>) -> Result<Output, Error> {
        self.implementation.run(&self.config, batch)
    }
}

impl Implementation {
    /// Runs a batch on the CPU; on a GPU only one of no rows, which is empty.
    pub(crate) fn run(&self, config: &Config, batch: &Batch<'_>) -> Result<Output, Error> {
        match self {
            Implementation::Reference(weights) if batch.rows() > 0 => round(&reference::run(weights, batch)?),
            Implementation::Cpu(layer) if batch.rows() > 0 => layer.run(batch),
            _ => Output::zeros(config, batch),
        }
    }

    /// As [`Implementation::run`], without the help of the thread pool.
    #[cfg(not(target_arch = "wasm32"))]
    fn run_alone(&self, config: &Config, batch: &Batch<'_>) -> Result<Output, Error> {
        match self {
            Implementation::Cpu(layer) if batch.rows() > 0 => layer.run_alone(batch),
            other => other.run(config, batch),
        }
    }
}

/// The reference's result in the type of the other backends.
fn round(output: &Output<Ix3, f64>) -> Result<Output, Error> {
    #[allow(clippy::cast_possible_truncation, reason = "rounding to f32 is the point")]
    Ok(output.map(|&value| value as f32))
}
