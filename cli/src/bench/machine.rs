//! The machine on which the figures were measured.

use std::num::NonZeroUsize;

use serde::Serialize;
use sysinfo::{CpuRefreshKind, RefreshKind, System};
use wgpu_rnn::CpuInstructions;

use crate::device;
use crate::failure::{Failure, Result};

/// The machine and the program.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    /// The CPU's name; empty if the system does not report it.
    pub(super) cpu: String,
    /// The number of threads of the CPU backend.
    pub(super) cpu_threads: usize,
    pub(super) cpu_instructions: String,
    architecture: String,
    pub(super) os: String,
    /// The version of wgpu-rnn.
    version: &'static str,
    wgpu: &'static str,
    /// Whether the program was built with optimisation.
    optimised: bool,
}

impl Machine {
    /// Describes this machine. `threads` is the limit of the CPU backend's threads; by default it is
    /// rayon's number.
    pub(super) fn this(threads: Option<NonZeroUsize>) -> Result<Self> {
        let refresh = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
        let system = System::new_with_specifics(refresh);
        let cpu = system.cpus().first().map(|cpu| cpu.brand().trim().to_owned());
        Ok(Machine {
            cpu: cpu.unwrap_or_default(),
            cpu_threads: threads.map_or_else(device::cpu_threads, NonZeroUsize::get),
            cpu_instructions: CpuInstructions::best().map_err(Failure::new)?.to_string(),
            architecture: System::cpu_arch(),
            os: System::long_os_version().unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION"),
            wgpu: env!("WGPU_VERSION"),
            optimised: !cfg!(debug_assertions),
        })
    }
}
