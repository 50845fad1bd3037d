//! Which backend a forward pass should run on: the rule behind [`Backend::auto`].
//!
//! 1. Where the CPU backend is expected to take less than twice of what a GPU needs for any answer at all, it is the CPU.
//!    Adapters are not looked at then, and no driver is loaded.
//! 2. Of the hardware adapters the one that is expected to be the fastest counts. Software adapters, which run on the CPU,
//!    never do: the CPU backend is faster.
//! 3. It is the GPU if that is expected to be at least twice as fast as the CPU backend, and else the CPU. The estimates
//!    are no better than that; and the CPU compiles nothing, uploads nothing and treats NaN as PyTorch does.
//!
//! What is expected is one forward pass from the host's input to the host's output, of a layer that is called again and
//! again: opening the device, compiling kernels and uploading weights, which may take seconds, do not count.
//!
//! | expected | of | from |
//! |---|---|---|
//! | one thread of the CPU | multiply-adds, gates, rows' steps, and weights that no cache holds | measured on an AMD EPYC (Zen 3) with AVX2 |
//! | another instruction set | so many times of that | measured: SSE2 (Zen 3), WebAssembly (Node 20, Zen 3); from LLVM's models of the processors: AVX-512, NEON; assumed: scalar code |
//! | more threads | as many as there are rows and directions at most, each a little less than the one before | two measured, more assumed |
//! | the GPU's arithmetic | what the planner expects ([`PlanReport::expected_us`]): a middling GPU, and half of one unless it is a discrete GPU | estimated: **no hardware GPU was measured** |
//! | recording | the plan's dispatches | measured |
//! | a submission; bytes on their way | one; input, output and states, over PCIe or within shared memory | assumed |
//!
//! The numbers stand in `src/auto/cost.rs`, each with its source and with how to measure again. So the rule is right by a wide
//! margin, or a guess. [Choosing a backend](crate::guide::choosing_a_backend) says how to find out on the machine at
//! hand, and how to decide for oneself.
//!
//! ```
//! use wgpu_rnn::auto::{Adapter, Machine, Reason};
//! use wgpu_rnn::{Capabilities, Config, CpuInstructions, LayerOptions, wgpu::DeviceType};
//!
//! // What would be taken on a machine with four cores, AVX2 and a discrete GPU?
//! let gpu = Adapter::new("some GPU", DeviceType::DiscreteGpu, Capabilities::default());
//! let machine = Machine { adapters: vec![gpu], threads: 4, instructions: CpuInstructions::Avx2 };
//! let taken = |batch| machine.decide(&Config::lstm(512, 1024), batch, 100, &LayerOptions::default());
//! assert_eq!(taken(64).adapter, Some(0));
//! assert!(matches!(taken(64).reason, Reason::GpuFaster { .. }));
//! let small = machine.decide(&Config::gru(40, 64), 1, 10, &LayerOptions::default());
//! assert_eq!(small.adapter, None);
//! println!("the CPU, since {}", small.reason);
//! ```

mod cost;
mod reason;

use std::fmt;

use wgpu::DeviceType;

#[cfg(doc)]
use crate::PlanReport;
use crate::gpu::{self, LimitsChoice};
use crate::{Backend, Capabilities, Config, CpuInstructions, Error, Gpu, LayerOptions, cpu};
use cost::{MARGIN, SUBMISSION_US, Work};
use reason::duration;
pub use reason::{Expected, Reason};

/// What [`Backend::auto`] took, and why.
#[derive(Debug)]
#[non_exhaustive]
pub struct Choice {
    /// The CPU or a GPU that is open.
    pub backend: Backend,
    /// Why.
    pub reason: Reason,
}

/// `cpu, since …`.
impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, since {}", self.backend, self.reason)
    }
}

/// What the rule takes on a machine, and why.
#[derive(Debug)]
#[non_exhaustive]
pub struct Verdict {
    /// The place of a GPU among the machine's adapters, or none for the CPU backend.
    pub adapter: Option<usize>,
    /// Why.
    pub reason: Reason,
}

impl Verdict {
    fn cpu(reason: Reason) -> Self {
        Verdict { adapter: None, reason }
    }
}

/// What the rule knows of an adapter, which is not open.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Adapter {
    /// Name and backend, for messages.
    pub name: String,
    /// Whether it is hardware, and of what kind.
    pub device_type: DeviceType,
    /// What its device would have.
    pub capabilities: Capabilities,
}

impl Adapter {
    /// An adapter, described.
    pub fn new(name: impl Into<String>, device_type: DeviceType, capabilities: Capabilities) -> Self {
        Adapter { name: name.into(), device_type, capabilities }
    }

    fn of(adapter: &wgpu::Adapter) -> Self {
        let info = adapter.get_info();
        Adapter::new(gpu::named(&info), info.device_type, Capabilities::of_adapter(adapter))
    }

    /// Whether it is a driver on the CPU, which is never taken.
    pub fn is_software(&self) -> bool {
        self.device_type == DeviceType::Cpu
    }

    /// Whether the kernels can run on it.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] names what it lacks.
    pub fn check(&self) -> Result<(), Error> {
        self.capabilities.check()
    }
}

/// A device that is open, such as one that the program has anyway.
impl From<&Gpu> for Adapter {
    fn from(gpu: &Gpu) -> Self {
        Adapter::new(gpu::named(gpu.info()), gpu.info().device_type, *gpu.capabilities())
    }
}

/// What the rule knows of a machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// In the order of [`Gpu::adapters`].
    pub adapters: Vec<Adapter>,
    /// Threads of the CPU backend.
    pub threads: usize,
    /// Instruction set of the CPU backend.
    pub instructions: CpuInstructions,
}

impl Machine {
    /// This machine. Loads the drivers of its adapters and opens none.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn this() -> Self {
        pollster::block_on(Machine::this_async())
    }

    /// As [`Machine::this`], without blocking.
    pub async fn this_async() -> Self {
        Machine::with(&gpu::available().await)
    }

    fn with(adapters: &[wgpu::Adapter]) -> Self {
        Machine {
            adapters: adapters.iter().map(Adapter::of).collect(),
            threads: cpu::threads(),
            instructions: instructions(),
        }
    }

    /// What the rule takes for `batch` rows (N) of `steps` steps (T). Nothing is opened.
    pub fn decide(&self, config: &Config, batch: usize, steps: usize, options: &LayerOptions) -> Verdict {
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

    /// The hardware adapter that is expected to be the fastest, and what it is expected to take; or why none can do it.
    fn fastest(&self, work: &Work<'_>) -> Result<(usize, f64), Reason> {
        let mut best: Option<(usize, f64)> = None;
        let mut refusals = Vec::new();
        for (place, adapter) in self.adapters.iter().enumerate().filter(|(_, adapter)| !adapter.is_software())
        {
            match adapter.check().and_then(|()| cost::gpu_us(work, adapter)) {
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
            false => Reason::SoftwareOnly { adapters: names },
        }
    }

    fn compare(&self, place: usize, cpu_us: f64, gpu_us: f64) -> Verdict {
        let (adapter, expected) = (self.adapters[place].name.clone(), Expected::new(cpu_us, gpu_us));
        if cpu_us >= MARGIN * gpu_us {
            return Verdict { adapter: Some(place), reason: Reason::GpuFaster { adapter, expected } };
        }
        Verdict::cpu(match cpu_us > gpu_us {
            true => Reason::TooClose { adapter, expected },
            false => Reason::CpuFaster { adapter, expected },
        })
    }
}

/// What a layer on the CPU takes. Where it would be refused the estimate does not matter.
fn instructions() -> CpuInstructions {
    CpuInstructions::best().unwrap_or_else(|_| CpuInstructions::widest())
}

/// Whether no GPU can pay, whichever there are.
fn too_small(cpu_us: f64) -> Option<Reason> {
    let (cpu, submission) = (duration(cpu_us), duration(SUBMISSION_US));
    (cpu_us < MARGIN * SUBMISSION_US).then_some(Reason::TooSmall { cpu, submission })
}

/// The rule's choice on this machine, opened. Drivers are not even loaded where no GPU can pay.
pub(crate) async fn choose(config: &Config, batch: usize, steps: usize, options: &LayerOptions) -> Choice {
    let work = Work { config, batch, steps, options };
    if let Some(reason) = too_small(cost::cpu_us(&work, cpu::threads(), instructions())) {
        return Choice { backend: Backend::Cpu, reason };
    }
    let adapters = gpu::available().await;
    open(&adapters, Machine::with(&adapters).decide(config, batch, steps, options)).await
}

/// Opens what was taken of those adapters; the CPU backend, if that fails.
async fn open(adapters: &[wgpu::Adapter], verdict: Verdict) -> Choice {
    let Some(adapter) = verdict.adapter.and_then(|place| adapters.get(place)) else {
        return Choice { backend: Backend::Cpu, reason: verdict.reason };
    };
    match Gpu::open(adapter, &LimitsChoice::Adapter, "taken by Backend::auto").await {
        Ok(gpu) => Choice { backend: Backend::Gpu(gpu), reason: verdict.reason },
        Err(error) => {
            let adapter = gpu::named(&adapter.get_info());
            log::warn!("{adapter} cannot be opened: {error}; the CPU takes its place");
            Choice { backend: Backend::Cpu, reason: Reason::Unusable { adapter, error } }
        }
    }
}

#[cfg(test)]
mod tests;
