//! The rule itself.

use super::cost::{self, MARGIN, SUBMISSION_US, Work};
use super::reason::{Expected, Reason, duration};
use crate::gpu::{self, Capabilities};
use crate::{Backend, Config, CpuInstructions, Gpu, LayerOptions, cpu};

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
    /// The capabilities that its device would have.
    capabilities: Capabilities,
}

impl Adapter {
    fn new(name: impl Into<String>, capabilities: Capabilities) -> Self {
        Adapter { name: name.into(), capabilities }
    }

    fn of(adapter: &wgpu::Adapter) -> Self {
        let info = adapter.get_info();
        Adapter::new(gpu::named(&info), Capabilities::of_adapter(adapter))
    }

    /// Returns whether it is a driver that runs on the CPU. The rule never chooses one.
    fn is_software(&self) -> bool {
        self.capabilities.software
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
            match adapter.capabilities.check().and_then(|()| cost::gpu_us(work, &adapter.capabilities)) {
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
pub(super) async fn choose(
    config: &Config,
    batch: usize,
    steps: usize,
    options: &LayerOptions,
) -> (Backend, Reason) {
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
