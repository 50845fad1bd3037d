//! What may be chosen about a layer.

use std::time::Duration;

use crate::gpu::{BUDGET, Strategy, Tuning};
use crate::{CpuInstructions, Precision};

/// How long a layer waits for an answer unless told otherwise: the longest that are known, on software adapters, take
/// minutes.
const PATIENCE: Duration = Duration::from_secs(600);

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
    /// rayon pool that it is called in has. The result does not depend on it. A browser has one, whatever is set.
    pub threads: usize,
    /// The CPU backend's instruction set: unless set, [`CpuInstructions::best`].
    pub instructions: Option<CpuInstructions>,
    /// How long the GPU backend waits for the device: ten minutes unless set. In a browser nothing times out.
    pub timeout: Duration,
    /// Whether the layer keeps its weights as they were given: not unless set.
    pub keep_weights: bool,
    /// Where measurements are kept for the next run; nowhere unless set.
    #[cfg(all(feature = "tuning-file", not(target_arch = "wasm32")))]
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
            instructions: None,
            timeout: PATIENCE,
            keep_weights: false,
            #[cfg(all(feature = "tuning-file", not(target_arch = "wasm32")))]
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

    /// Sets the CPU backend's instruction set, for comparisons: the widest that the machine has is the fastest. A layer on the
    /// CPU cannot be made where the machine does not have it ([`Error::Instructions`](crate::Error::Instructions)).
    pub fn instructions(mut self, instructions: CpuInstructions) -> Self {
        self.instructions = Some(instructions);
        self
    }

    /// Sets how long the GPU backend waits for the device before the call fails with
    /// [`Error::Timeout`](crate::Error::Timeout): for each of its submissions, from when there is nothing left to do but to
    /// wait for it, so that a call in many pieces may take longer in all. The layer can be called again; what was submitted
    /// goes on, and the next call waits behind it. Zero looks once.
    ///
    /// ```
    /// use std::time::Duration;
    /// use wgpu_rnn::LayerOptions;
    ///
    /// let options = LayerOptions::default().timeout(Duration::from_secs(5));
    /// # assert_eq!(options.timeout.as_secs(), 5);
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets whether the layer keeps its weights as they were given, so that [`Layer::reload`](crate::Layer::reload) can
    /// put it on another device. It shares them with the [`Weights`](crate::Weights) that it is made of: they take no
    /// more memory as long as those are there, and 4 bytes a parameter of the host's memory once those are dropped (with
    /// [`Precision::F16`] at once, since what is kept is rounded).
    ///
    /// Unless set, a layer on a GPU or on the CPU keeps what its backend needs and nothing else: a device is lost seldom,
    /// and who has the file can give the weights again ([`Layer::reload_with`](crate::Layer::reload_with)).
    pub fn keep_weights(mut self, keep_weights: bool) -> Self {
        self.keep_weights = keep_weights;
        self
    }

    /// How many the CPU backend may use in a pool of so many.
    pub(crate) fn threads_of(&self, pool: usize) -> usize {
        if self.threads == 0 || cfg!(target_arch = "wasm32") { pool } else { self.threads }
    }

    /// Sets the file that keeps what [`Tuning::Measure`] finds out, so that a layer need not measure what another one or
    /// an earlier run did; with [`Tuning::Model`] it is not looked at. It is JSON, and any number of layers and adapters
    /// may share it.
    ///
    /// It is read when the layer is made, and replaced by a complete new one after each measurement. A measurement counts
    /// for the same adapter, backend and driver, version of this crate, configuration, shape, forced strategy, budget and
    /// bounds checks. That the file cannot be read, used or written is no error: it is logged at level `warn`. A file
    /// that is no tuning file is not overwritten.
    #[cfg(all(feature = "tuning-file", not(target_arch = "wasm32")))]
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
