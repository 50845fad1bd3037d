//! The options of a layer.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::gpu::{BUDGET, Strategy};
use crate::{CpuInstructions, Error, Precision};

/// The default time-out. The longest known waits, on software adapters, take minutes.
const PATIENCE: Duration = Duration::from_secs(600);

/// The options of a layer, apart from its weights and its backend.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerOptions {
    /// How the GPU backend splits the work into dispatches. The other backends ignore it.
    pub strategy: Strategy,
    /// The type in which the weights are stored; f32 by default. [`Precision`] describes the costs and
    /// benefits of f16.
    pub precision: Precision,
    /// The bytes that the GPU backend may use for a call in addition to weights, input, output and state; 64
    /// MiB by default. A smaller budget means more and smaller dispatches, or a batch in pieces; two pieces
    /// at a time share the budget.
    pub budget: u64,
    /// Whether wgpu adds bounds checks to the GPU backend's kernels; off by default. The kernels do not need
    /// them.
    pub bounds_checks: bool,
    /// How the GPU backend chooses the tile sizes and, unless it is forced, the strategy; with its cost
    /// model by default.
    pub tuning: Tuning,
    /// The number of threads that the CPU backend may use for a call, including the calling thread. The
    /// default, 0, means the number of threads of the current rayon pool. The result does not depend on it.
    /// In a browser it is always one.
    pub threads: usize,
    /// The CPU backend's instruction set; [`CpuInstructions::best`] if it is `None`.
    pub instructions: Option<CpuInstructions>,
    /// How long the GPU backend waits for the device; ten minutes by default. In a browser nothing times
    /// out.
    pub timeout: Duration,
    /// Whether the layer keeps its original weights; false by default.
    pub keep_weights: bool,
    /// The file that keeps measurements for the next run; none by default.
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
    /// Sets how the GPU backend splits the work into dispatches.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Sets the type in which the weights are stored.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Sets whether wgpu adds bounds checks to the GPU backend's kernels.
    pub fn bounds_checks(mut self, bounds_checks: bool) -> Self {
        self.bounds_checks = bounds_checks;
        self
    }

    /// Sets how the GPU backend chooses the strategy and the tile sizes.
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

    /// Sets how many threads the CPU backend may use for a call. The threads other than the calling one come
    /// from rayon's pool. The call does not wait for a thread that is busy.
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

    /// Sets the CPU backend's instruction set. This is for comparisons: the widest set of the machine is the
    /// fastest. Creating a layer on the CPU fails with [`Error::Instructions`](crate::Error::Instructions)
    /// if the machine lacks the set.
    pub fn instructions(mut self, instructions: CpuInstructions) -> Self {
        self.instructions = Some(instructions);
        self
    }

    /// Sets how long the GPU backend waits for the device before the call fails with
    /// [`Error::Timeout`](crate::Error::Timeout). The time counts for each submission, from when the call
    /// has nothing to do except wait for it. A call in many pieces may therefore take longer in total. After
    /// a time-out the layer can be called again; the submitted work continues, and the next call waits
    /// behind it. Zero checks once.
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

    /// Sets whether the layer keeps its original weights, so that [`Layer::reload`](crate::Layer::reload)
    /// can move it to another device. The layer shares them with the [`Weights`](crate::Weights) that it is
    /// made from. They take no extra memory while those exist, and 4 bytes of host memory per parameter once
    /// those are dropped. (With [`Precision::F16`] they take that memory at once, since the kept weights are
    /// rounded.)
    ///
    /// By default a layer on a GPU or on the CPU keeps only what its backend needs: a device is rarely lost,
    /// and a caller who has the file can pass the weights again
    /// ([`Layer::reload_with`](crate::Layer::reload_with)).
    pub fn keep_weights(mut self, keep_weights: bool) -> Self {
        self.keep_weights = keep_weights;
        self
    }

    /// Returns how many threads the CPU backend may use in a pool of `pool` threads.
    pub(crate) fn threads_of(&self, pool: usize) -> usize {
        if self.threads == 0 || cfg!(target_arch = "wasm32") { pool } else { self.threads }
    }

    /// Sets the file that keeps the measurements of [`Tuning::Measure`], so that a layer need not repeat
    /// those of another layer or an earlier run. With [`Tuning::Model`] the file is ignored. It is JSON, and
    /// any number of layers and adapters may share it.
    ///
    /// The file is read when the layer is created, and replaced by a complete new file after each
    /// measurement. A measurement applies only to the same adapter, backend and driver, version of this
    /// crate, configuration, shape, forced strategy, budget and bounds checks. A file that cannot be read,
    /// used or written is not an error: it is logged at level `warn`. A file that is not a tuning file is
    /// not overwritten.
    #[cfg(all(feature = "tuning-file", not(target_arch = "wasm32")))]
    pub fn tuning_file(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        self.tuning_file = Some(path.into());
        self
    }

    /// Sets the bytes that the GPU backend may use for a call in addition to weights, input, output and
    /// state.
    pub fn budget(mut self, budget: u64) -> Self {
        self.budget = budget;
        self
    }
}

/// How the GPU backend chooses the strategy and the tile sizes for a shape (N rows and T steps).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tuning {
    /// A cost model predicts the fastest plan. This takes no measurements, and the choice is always the
    /// same.
    #[default]
    Model,
    /// The first call with a shape times the best plans of the cost model on the device, with that call's
    /// batch. All calls with that shape then use the fastest plan. This is the model's choice unless another
    /// plan takes at least 5 % less time.
    ///
    /// The first call takes about as long as twenty others, compiles the kernels of up to five plans and
    /// allocates their memory. This is worthwhile if few shapes occur repeatedly.
    ///
    /// The bits of the result depend on the strategy. With a fixed strategy, they are the same as with
    /// [`Tuning::Model`]. With [`Strategy::Auto`](crate::Strategy::Auto), another strategy may win in
    /// another run or for another shape. The results then differ by rounding, within
    /// [`tolerance`](mod@crate::tolerance).
    ///
    /// In a browser, the clock has a coarse resolution (0.1 ms in Chromium). Chance decides between plans
    /// whose times differ by less.
    Measure,
}

/// Writes `model` or `measure`.
impl fmt::Display for Tuning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tuning::Model => "model",
            Tuning::Measure => "measure",
        })
    }
}

impl FromStr for Tuning {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let all = [Tuning::Model, Tuning::Measure];
        all.into_iter().find(|tuning| tuning.to_string() == text).ok_or_else(|| Error::Config {
            rule: "tuning must be one of model, measure".into(),
            found: format!("'{text}'"),
        })
    }
}
