//! The choice of a backend for a forward pass: the rule behind [`Backend::auto`].
//!
//! 1. If the CPU backend is expected to take less than twice the time of one submission to a GPU and its
//!    answer, the rule chooses the CPU. It then does not look for adapters and loads no driver.
//! 2. Otherwise the candidate is the hardware adapter that is expected to be the fastest. Software adapters,
//!    which run on the CPU, are never candidates: the CPU backend is faster.
//! 3. The rule chooses this GPU if it is expected to be at least twice as fast as the CPU backend, and
//!    otherwise the CPU. The factor 2 has two reasons: the estimates are no more accurate than that, and the
//!    CPU compiles nothing, uploads nothing and treats NaN as PyTorch does.
//!
//! The estimates are for one forward pass from the host's input to the host's output, of a layer that is
//! called many times. They exclude opening the device, compiling kernels and uploading weights, which may
//! take seconds.
//!
//! | estimate | depends on | source |
//! |---|---|---|
//! | one thread of the CPU | multiply-adds, gates, steps of rows, and weights that exceed the caches | measured on an AMD EPYC (Zen 3) with AVX2 |
//! | another instruction set | a factor on that time | measured: SSE2 (Zen 3), WebAssembly (Node 20, Zen 3); from LLVM's models of the processors: AVX-512, NEON; assumed: scalar code |
//! | more threads | the number of threads, up to the number of tasks (in each direction the rows or, if there are more, the shares of the units); each adds a little less than the one before | measured for two threads, assumed for more |
//! | the GPU's arithmetic | the planner's estimate ([`PlanReport::expected_us`]), which is for a mid-range GPU; twice that unless it is a discrete GPU | estimated: **no hardware GPU was measured** |
//! | recording | the number of dispatches of the plan | measured |
//! | a submission; transfers | one submission; the bytes of input, output and states, over PCIe or within shared memory | assumed |
//!
//! The numbers are in `src/auto/cost.rs`, each with its source and with the way to measure it again. The
//! rule is therefore reliable only where one backend wins by a wide margin; elsewhere it is a guess.
//! [Choosing a backend](crate::guide::choosing_a_backend) describes how to measure on your machine and how
//! to choose a backend yourself.

#[cfg(feature = "gpu")]
mod cost;
#[cfg(feature = "gpu")]
mod reason;
#[cfg(feature = "gpu")]
mod rule;

use std::fmt;
use std::time::Duration;

#[cfg(all(doc, feature = "gpu"))]
use crate::inspect::PlanReport;
use crate::{Backend, Config, LayerOptions};

/// The backend that [`Backend::auto`] chose, and the reason. Its `Display` is one line with both.
#[derive(Debug)]
#[non_exhaustive]
pub struct Choice {
    /// The CPU, or a GPU that is open.
    pub backend: Backend,
    /// The reason for the choice, as a clause that follows "since".
    pub reason: String,
    /// The expected time of one forward pass on the CPU backend; `None` if no GPU was considered.
    pub cpu_time: Option<Duration>,
    /// The expected time of one forward pass on the GPU that was considered, including the transfers to it
    /// and back; `None` if there was none.
    pub gpu_time: Option<Duration>,
}

impl Choice {
    #[cfg(feature = "gpu")]
    async fn of(config: &Config, batch: usize, steps: usize, options: &LayerOptions) -> Self {
        let (backend, reason) = rule::choose(config, batch, steps, options).await;
        let expected = reason.expected();
        Choice {
            backend,
            reason: reason.to_string(),
            cpu_time: expected.map(|expected| expected.cpu),
            gpu_time: expected.map(|expected| expected.gpu),
        }
    }

    #[cfg(not(feature = "gpu"))]
    async fn of(_: &Config, _: usize, _: usize, _: &LayerOptions) -> Self {
        let reason = "wgpu-rnn was built without its feature `gpu`".into();
        Choice { backend: Backend::Cpu, reason, cpu_time: None, gpu_time: None }
    }
}

impl Backend {
    /// Like [`Backend::auto`], without blocking. In a page without WebGPU, and in a build without the feature
    /// `gpu`, it chooses the CPU.
    pub async fn auto_async(config: &Config, batch: usize, steps: usize, options: &LayerOptions) -> Choice {
        let choice = Choice::of(config, batch, steps, options).await;
        log::info!("backend: {choice}");
        choice
    }
}

/// `cpu, since …`.
impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, since {}", self.backend, self.reason)
    }
}
