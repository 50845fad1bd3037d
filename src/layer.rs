//! The front door: one layer, one `forward`, several backends.

use std::sync::Arc;

use futures_intrusive::channel::shared::oneshot_channel;
use ndarray::{Dimension, Ix3};

use crate::auto::{self, Choice};
use crate::batch::Batch;
use crate::cpu::CpuLayer;
use crate::gpu::{BUDGET, Gpu, GpuLayer, PlanReport, Strategy, Timings, Tuning};
use crate::{Config, Error, Input, Output, Precision, State, Weights, reference};

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
    pub fn auto(config: &Config, batch: usize, steps: usize) -> Choice {
        Backend::auto_with_options(config, batch, steps, &LayerOptions::default())
    }

    /// As [`Backend::auto`], for a layer with those options: a GPU is expected to run with their strategy, precision and
    /// budget.
    pub fn auto_with_options(config: &Config, batch: usize, steps: usize, options: &LayerOptions) -> Choice {
        pollster::block_on(Backend::auto_async(config, batch, steps, options))
    }

    /// As [`Backend::auto_with_options`], without blocking.
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

/// What may be chosen about a layer beside its weights and its backend.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerOptions {
    /// How the GPU backend cuts the work into dispatches; the other backends do not look at it.
    pub strategy: Strategy,
    /// How the weights are stored: as they are unless set. See [`Precision`] for what halves cost and gain.
    pub precision: Precision,
    /// Bytes that the GPU backend may take for a call beyond weights, input, output and state: 64 MiB unless set. Less
    /// means more and smaller dispatches, or pieces of the batch, of which two at a time share the budget.
    pub budget: u64,
    /// Whether wgpu puts bounds checks into the GPU backend's kernels. They do not need them: off unless set.
    pub bounds_checks: bool,
    /// How the GPU backend comes to the strategy, unless that is forced, and to the tile sizes: by its cost model unless set.
    pub tuning: Tuning,
    /// Threads that the CPU backend may use for a call, the calling one among them: 0, unless set, for as many as the
    /// rayon pool that it is called in has. The result does not depend on it.
    pub threads: usize,
    /// Where measurements are kept for the next run; nowhere unless set.
    #[cfg(feature = "tuning-file")]
    pub tuning_file: Option<std::path::PathBuf>,
}

impl Default for LayerOptions {
    fn default() -> Self {
        LayerOptions {
            strategy: Strategy::Auto,
            precision: Precision::F32,
            budget: BUDGET,
            bounds_checks: false,
            tuning: Tuning::Model,
            threads: 0,
            #[cfg(feature = "tuning-file")]
            tuning_file: None,
        }
    }
}

impl LayerOptions {
    /// Sets how the GPU backend cuts the work into dispatches.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Sets how the weights are stored.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Sets whether wgpu puts bounds checks into the GPU backend's kernels.
    pub fn bounds_checks(mut self, bounds_checks: bool) -> Self {
        self.bounds_checks = bounds_checks;
        self
    }

    /// Sets how the GPU backend comes to the strategy and the tile sizes.
    ///
    /// ```
    /// use wgpu_rnn::{LayerOptions, Strategy, Tuning};
    ///
    /// // The tile sizes are measured; the bits are those of `scan`, whichever win.
    /// let options = LayerOptions::default().strategy(Strategy::Scan).tuning(Tuning::Measure);
    /// # assert_eq!(options.tuning, Tuning::Measure);
    /// ```
    pub fn tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = tuning;
        self
    }

    /// Sets how many threads the CPU backend may use for a call. What goes beyond the calling one comes from rayon's
    /// pool: a thread that is not free in time is done without.
    ///
    /// ```
    /// use wgpu_rnn::{Backend, Config, Layer, LayerOptions, Weights};
    ///
    /// let weights = Weights::seeded(Config::gru(40, 64), 0)?;
    /// let layer = Layer::with_options(&weights, Backend::Cpu, &LayerOptions::default().threads(1))?;
    /// # Ok::<(), wgpu_rnn::Error>(())
    /// ```
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// How many the CPU backend may use in a pool of so many.
    pub(crate) fn threads_of(&self, pool: usize) -> usize {
        if self.threads == 0 { pool } else { self.threads }
    }

    /// Sets the file that keeps what [`Tuning::Measure`] finds out, so that a layer need not measure what another one or
    /// an earlier run did; with [`Tuning::Model`] it is not looked at. It is JSON, and any number of layers and adapters
    /// may share it.
    ///
    /// It is read when the layer is made, and replaced by a complete new one after each measurement. A measurement counts
    /// for the same adapter, backend and driver, version of this crate, configuration, shape, forced strategy, budget and
    /// bounds checks. That the file cannot be read, used or written is no error: it is logged at level `warn`. A file
    /// that is no tuning file is not overwritten.
    #[cfg(feature = "tuning-file")]
    pub fn tuning_file(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        self.tuning_file = Some(path.into());
        self
    }

    /// Sets the bytes that the GPU backend may take for a call beyond weights, input, output and state.
    pub fn budget(mut self, budget: u64) -> Self {
        self.budget = budget;
        self
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
#[derive(Clone, Debug)]
pub struct Layer {
    config: Config,
    backend: Backend,
    implementation: Arc<Implementation>,
}

#[derive(Debug)]
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
    pub fn new(weights: &Weights, backend: Backend) -> Result<Self, Error> {
        Layer::with_options(weights, backend, &LayerOptions::default())
    }

    /// As [`Layer::new`], with options.
    ///
    /// # Errors
    ///
    /// As [`Layer::new`]; [`Error::Precision`] if a weight is too large for a half that is to hold it.
    pub fn with_options(weights: &Weights, backend: Backend, options: &LayerOptions) -> Result<Self, Error> {
        let rounded = || options.precision.round(weights);
        let implementation = match &backend {
            Backend::Reference => Implementation::Reference(rounded()?.into_owned()),
            Backend::Cpu => Implementation::Cpu(CpuLayer::new(&*rounded()?, options.threads)),
            Backend::Gpu(gpu) => Implementation::Gpu(GpuLayer::new(gpu, weights, options)?),
        };
        Ok(Layer { config: *weights.config(), backend, implementation: Arc::new(implementation) })
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
    pub fn forward<D: Dimension>(
        &self,
        input: &Input<'_, D>,
        state: &State<'_, D>,
    ) -> Result<Output<D>, Error> {
        let batch = Batch::new(&self.config, input, state)?;
        batch.restore(self.implementation.run(&self.config, &batch)?)
    }

    /// As [`Layer::forward`], without blocking the thread that polls: the GPU is waited for, or the CPU computes, on
    /// threads of their own. No runtime is needed. Dropping the future leaves the layer usable.
    ///
    /// # Errors
    ///
    /// As [`Layer::forward`].
    pub async fn forward_async<D: Dimension>(
        &self,
        input: &Input<'_, D>,
        state: &State<'_, D>,
    ) -> Result<Output<D>, Error> {
        let batch = Batch::new(&self.config, input, state)?;
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
    pub fn forward_timed<D: Dimension>(
        &self,
        input: &Input<'_, D>,
        state: &State<'_, D>,
    ) -> Result<(Output<D>, Option<Timings>), Error> {
        let batch = Batch::new(&self.config, input, state)?;
        let (output, timings) = match &*self.implementation {
            Implementation::Gpu(layer) if batch.rows() > 0 => layer.run_timed(&batch)?,
            other => (other.run(&self.config, &batch)?, None),
        };
        Ok((batch.restore(output)?, timings))
    }

    /// Runs a copy of the batch on the thread pool.
    async fn run_elsewhere(&self, batch: &Batch<'_>) -> Result<Output, Error> {
        let (config, implementation) = (self.config, Arc::clone(&self.implementation));
        let owned = batch.to_owned();
        let (sender, receiver) = oneshot_channel();
        rayon::spawn(move || {
            // A receiver that is gone means that nobody wants the result any more.
            let _ = sender.send(implementation.run(&config, &owned.batch()));
        });
        receiver.receive().await.unwrap_or_else(|| {
            Err(Error::OutOfMemory { found: "the thread that computed the layer is gone".into() })
        })
    }
}

impl Implementation {
    pub(crate) fn run(&self, config: &Config, batch: &Batch<'_>) -> Result<Output, Error> {
        if batch.rows() == 0 {
            return Output::zeros(config, batch);
        }
        match self {
            Implementation::Reference(weights) => round(&reference::run(weights, batch)?),
            Implementation::Cpu(layer) => layer.run(batch),
            Implementation::Gpu(layer) => layer.run(batch),
        }
    }
}

/// The reference's result in the type of the other backends.
fn round(output: &Output<Ix3, f64>) -> Result<Output, Error> {
    #[allow(clippy::cast_possible_truncation, reason = "rounding to f32 is the point")]
    Ok(output.map(|&value| value as f32))
}
