//! The options of a layer.

use std::time::Duration;

use crate::{CpuInstructions, Precision, Strategy};

/// The default time-out. The longest known waits, on software adapters, take minutes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

/// The default of [`LayerOptions::budget`].
pub(crate) const BUDGET: u64 = 64 << 20;

/// The options of a layer, apart from its weights and its backend. [`Layer::new`](crate::Layer::new) takes them
/// in a pair with the backend.
///
/// ```
/// use std::time::Duration;
/// use wgpu_rnn::{Backend, Config, Layer, LayerOptions, Weights};
///
/// let weights = Weights::seeded(Config::gru(40, 64), 0)?;
/// let options = LayerOptions { threads: 1, timeout: Duration::from_secs(5), ..LayerOptions::default() };
/// let layer = Layer::new(&weights, (Backend::Cpu, options))?;
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Whether the GPU backend measures the fastest strategy and tile sizes for each shape (N rows and T
    /// steps); off by default. Without measurements, a cost model predicts them, and the choice is always the
    /// same.
    ///
    /// The first call with a shape times the best plans of the cost model on the device, with that call's
    /// batch. All calls with that shape then use the fastest plan. This is the model's choice unless another
    /// plan takes at least 5 % less time.
    ///
    /// The first call takes about as long as twenty others, compiles the kernels of up to five plans and
    /// allocates their memory. This is worthwhile if few shapes occur repeatedly.
    ///
    /// The bits of the result are the same with and without measurements: only the strategies that
    /// [`Strategy::Auto`] may choose for the layer are timed, and these give the same bits.
    ///
    /// In a browser, the clock has a coarse resolution (0.1 ms in Chromium). Chance decides between plans
    /// whose times differ by less.
    pub measure: bool,
    /// The number of threads that the CPU backend may use for a call, including the calling thread. The
    /// default, 0, means the number of threads of the current rayon pool, from which the other threads come.
    /// The call does not wait for a thread that is busy, and the result does not depend on the number. In a
    /// browser it is always one.
    pub threads: usize,
    /// The CPU backend's instruction set; [`CpuInstructions::best`] if it is `None`. This is for comparisons:
    /// the widest set of the machine is the fastest. Creating a layer on the CPU fails with
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the machine lacks the set.
    pub instructions: Option<CpuInstructions>,
    /// How long the GPU backend waits for the device before the call fails with
    /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout); ten minutes by default. In a browser nothing times
    /// out.
    ///
    /// The time counts for each submission, from when the call has nothing to do except wait for it. A call in
    /// many pieces may therefore take longer in total. After a time-out the layer can be called again; the
    /// submitted work continues, and the next call waits behind it. Zero checks once.
    pub timeout: Duration,
    /// Whether the layer keeps its original weights, so that [`Layer::weights`](crate::Layer::weights)
    /// returns them for a layer on another device; false by default.
    ///
    /// The layer shares them with the [`Weights`](crate::Weights) that it is made from. They take no extra
    /// memory while those exist, and 4 bytes of host memory per parameter once those are dropped. (With
    /// [`Precision::F16`] they take that memory at once, since the kept weights are rounded.) By default a
    /// layer keeps only what its backend needs: a device is rarely lost, and a caller who has the file can
    /// read the weights again.
    pub keep_weights: bool,
    /// The file that keeps the measurements of [`LayerOptions::measure`], so that a layer need not repeat
    /// those of another layer or an earlier run; none by default. Without measurements the file is ignored. It
    /// is JSON, and any number of layers and adapters may share it.
    ///
    /// The file is read when the layer is created, and replaced by a complete new file after each
    /// measurement. A measurement applies only to the same adapter, backend and driver, version of this
    /// crate, configuration, shape, forced strategy, budget and bounds checks. A file that cannot be read,
    /// used or written is not an error: it is logged at level `warn`. A file that is not a tuning file is
    /// not overwritten.
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
            measure: false,
            threads: 0,
            instructions: None,
            timeout: PATIENCE,
            keep_weights: false,
            #[cfg(all(feature = "tuning-file", not(target_arch = "wasm32")))]
            tuning_file: None,
        }
    }
}

#[cfg(feature = "gpu")]
impl LayerOptions {
    /// Returns how many threads the CPU backend may use in a pool of `pool` threads.
    pub(crate) fn threads_of(&self, pool: usize) -> usize {
        if self.threads == 0 || cfg!(target_arch = "wasm32") { pool } else { self.threads }
    }
}
