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

mod cost;
mod reason;

use std::fmt;
use std::time::Duration;

use wgpu::DeviceType;

use crate::gpu;
#[cfg(doc)]
use crate::inspect::PlanReport;
use crate::{Backend, Config, CpuInstructions, Gpu, LayerOptions, cpu, inspect::Capabilities};
use cost::{MARGIN, SUBMISSION_US, Work};
use reason::duration;
use reason::{Expected, Reason};

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
    fn new(backend: Backend, reason: &Reason) -> Self {
        let expected = reason.expected();
        Choice {
            backend,
            reason: reason.to_string(),
            cpu_time: expected.map(|expected| expected.cpu),
            gpu_time: expected.map(|expected| expected.gpu),
        }
    }
}

impl Backend {
    /// Like [`Backend::auto`], without blocking. In a page without WebGPU it chooses the CPU.
    pub async fn auto_async(config: &Config, batch: usize, steps: usize, options: &LayerOptions) -> Choice {
        let (backend, reason) = choose(config, batch, steps, options).await;
        let choice = Choice::new(backend, &reason);
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

/// The rule's choice on a machine, and the reason.
#[derive(Debug)]
struct Verdict {
    /// The index of the GPU among the machine's adapters, or `None` for the CPU backend.
    adapter: Option<usize>,
    /// The reason for the choice.
    reason: Reason,
}

impl Verdict {
    fn cpu(reason: Reason) -> Self {
        Verdict { adapter: None, reason }
    }
}

/// The rule's description of an adapter. The adapter need not be open.
#[derive(Clone, Debug, PartialEq)]
struct Adapter {
    /// Name and backend, for messages.
    name: String,
    /// The kind of device, which also says whether it is hardware.
    device_type: DeviceType,
    /// The capabilities that its device would have.
    capabilities: Capabilities,
}

impl Adapter {
    fn new(name: impl Into<String>, device_type: DeviceType, capabilities: Capabilities) -> Self {
        Adapter { name: name.into(), device_type, capabilities }
    }

    fn of(adapter: &wgpu::Adapter) -> Self {
        let info = adapter.get_info();
        Adapter::new(gpu::named(&info), info.device_type, Capabilities::of_adapter(adapter))
    }

    /// Returns whether it is a driver that runs on the CPU. The rule never chooses one.
    fn is_software(&self) -> bool {
        self.device_type == DeviceType::Cpu
    }
}

/// The rule's description of a machine.
#[derive(Clone, Debug, PartialEq)]
struct Machine {
    /// The adapters, in the order of [`Gpu::adapters`].
    adapters: Vec<Adapter>,
    /// The number of threads of the CPU backend.
    threads: usize,
    /// The instruction set of the CPU backend.
    instructions: CpuInstructions,
}

impl Machine {
    fn with(adapters: &[wgpu::Adapter]) -> Self {
        Machine {
            adapters: adapters.iter().map(Adapter::of).collect(),
            threads: cpu::threads(),
            instructions: instructions(),
        }
    }

    /// Returns the rule's choice for `batch` rows (N) and `steps` steps (T). It opens no device.
    fn decide(&self, config: &Config, batch: usize, steps: usize, options: &LayerOptions) -> Verdict {
        let work = Work { config, batch, steps, options };
        let cpu_us = cost::cpu_us(&work, self.threads, self.instructions);
        if let Some(reason) = too_small(cpu_us) {
            return Verdict::cpu(reason);
        }
        match self.fastest(&work) {
            Ok((place, gpu_us)) => self.compare(place, cpu_us, gpu_us),
            Err(reason) => Verdict::cpu(reason),
        }
    }

    /// Returns the hardware adapter that is expected to be the fastest and its expected time, or the reason
    /// why no adapter can run the layer.
    fn fastest(&self, work: &Work<'_>) -> Result<(usize, f64), Reason> {
        let mut best: Option<(usize, f64)> = None;
        let mut refusals = Vec::new();
        for (place, adapter) in self.adapters.iter().enumerate().filter(|(_, adapter)| !adapter.is_software())
        {
            match adapter
                .capabilities
                .check()
                .and_then(|()| cost::gpu_us(work, adapter.device_type, &adapter.capabilities))
            {
                Ok(us) if best.is_none_or(|(_, least)| us < least) => best = Some((place, us)),
                Ok(_) => {}
                Err(error) => refusals.push(Reason::Unusable { adapter: adapter.name.clone(), error }),
            }
        }
        best.ok_or_else(|| refusals.into_iter().next().unwrap_or_else(|| self.without_hardware()))
    }

    fn without_hardware(&self) -> Reason {
        let names: Vec<String> = self.adapters.iter().map(|adapter| adapter.name.clone()).collect();
        match names.is_empty() {
            true => Reason::NoAdapter { error: gpu::no_adapter("a hardware adapter".into(), &names) },
            false => Reason::SoftwareOnly,
        }
    }

    fn compare(&self, place: usize, cpu_us: f64, gpu_us: f64) -> Verdict {
        let (adapter, expected) = (self.adapters[place].name.clone(), Expected::new(cpu_us, gpu_us));
        if cpu_us >= MARGIN * gpu_us {
            return Verdict { adapter: Some(place), reason: Reason::GpuFaster { expected } };
        }
        Verdict::cpu(match cpu_us > gpu_us {
            true => Reason::TooClose { adapter, expected },
            false => Reason::CpuFaster { adapter, expected },
        })
    }
}

/// Returns the instruction set of a layer on the CPU. If the environment names an unusable set, creating the
/// layer fails and the estimate does not matter.
fn instructions() -> CpuInstructions {
    CpuInstructions::best().unwrap_or_else(|_| CpuInstructions::widest())
}

/// Returns a reason if the work is so small that no GPU can pay.
fn too_small(cpu_us: f64) -> Option<Reason> {
    let (cpu, submission) = (duration(cpu_us), duration(SUBMISSION_US));
    (cpu_us < MARGIN * SUBMISSION_US).then_some(Reason::TooSmall { cpu, submission })
}

/// Returns the rule's choice on this machine, with its GPU open. If no GPU can pay, it does not load any
/// driver.
async fn choose(config: &Config, batch: usize, steps: usize, options: &LayerOptions) -> (Backend, Reason) {
    let work = Work { config, batch, steps, options };
    if let Some(reason) = too_small(cost::cpu_us(&work, cpu::threads(), instructions())) {
        return (Backend::Cpu, reason);
    }
    let adapters = gpu::available().await;
    open(&adapters, Machine::with(&adapters).decide(config, batch, steps, options)).await
}

/// Opens the chosen adapter; returns the CPU backend if that fails.
async fn open(adapters: &[wgpu::Adapter], verdict: Verdict) -> (Backend, Reason) {
    let Some(adapter) = verdict.adapter.and_then(|place| adapters.get(place)) else {
        return (Backend::Cpu, verdict.reason);
    };
    match Gpu::open(adapter, "taken by Backend::auto").await {
        Ok(gpu) => (Backend::Gpu(gpu), verdict.reason),
        Err(error) => {
            let adapter = gpu::named(&adapter.get_info());
            log::warn!("{adapter} cannot be opened: {error}; the CPU takes its place");
            (Backend::Cpu, Reason::Unusable { adapter, error })
        }
    }
}

#[cfg(test)]
mod tests;
