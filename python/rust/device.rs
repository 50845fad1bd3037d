//! Devices: the adapters of this machine, and the device that a layer is asked to use.

use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::prelude::*;
use wgpu_rnn::wgpu::DeviceType;
use wgpu_rnn::{AdapterChoice, Backend, Config, Error, Gpu, LayerOptions};

use crate::errors::raise;

/// An adapter of this machine.
#[pyclass(frozen, get_all, module = "wgpu_rnn")]
pub(crate) struct Device {
    /// The index for `device="gpu:INDEX"`.
    index: usize,
    /// The adapter's name.
    name: String,
    /// The API: `vulkan`, `metal` or `dx12`.
    backend: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    kind: &'static str,
    /// The driver's name and version.
    driver: String,
    /// The PCI bus id, such as `0000:65:00.0`, or an empty string if the driver does not report it.
    pci_bus_id: String,
}

#[pymethods]
impl Device {
    fn __repr__(&self) -> String {
        let Device { index, name, backend, kind, pci_bus_id, .. } = self;
        format!(
            "Device(index={index}, name={name:?}, backend={backend:?}, kind={kind:?}, pci_bus_id={pci_bus_id:?})"
        )
    }
}

/// Returns the adapters of this machine, hardware before software.
#[pyfunction]
pub(crate) fn devices(py: Python<'_>) -> PyResult<Vec<Device>> {
    check_fork()?;
    let adapters = py.detach(|| pollster::block_on(Gpu::adapters()));
    let device = |(index, info): (usize, wgpu_rnn::wgpu::AdapterInfo)| Device {
        index,
        name: info.name,
        backend: info.backend.to_string(),
        kind: kind(info.device_type),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        pci_bus_id: info.device_pci_bus_id,
    };
    Ok(adapters.into_iter().enumerate().map(device).collect())
}

fn kind(device_type: DeviceType) -> &'static str {
    match device_type {
        DeviceType::DiscreteGpu => "discrete",
        DeviceType::IntegratedGpu => "integrated",
        DeviceType::VirtualGpu => "virtual",
        DeviceType::Cpu => "software",
        DeviceType::Other => "other",
    }
}

/// The device that a layer is asked to use. It is opened in the process that computes.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    Auto,
    Cpu,
    Reference,
    Adapter(AdapterChoice),
    Pci(String),
}

impl Wish {
    /// Reads `auto`, `cpu`, `reference`, `gpu`, `gpu:INDEX`, `name:TEXT` or `pci:BUS_ID`.
    pub(crate) fn parse(text: &str) -> PyResult<Self> {
        let wrong = || {
            let expected = "'auto', 'cpu', 'reference', 'gpu', 'gpu:INDEX', 'name:TEXT' or 'pci:BUS_ID'";
            raise("ConfigError", format!("device: expected {expected}, found '{text}'"))
        };
        match text.split_once(':') {
            None if text == "auto" => Ok(Wish::Auto),
            None if text == "cpu" => Ok(Wish::Cpu),
            None if text == "reference" => Ok(Wish::Reference),
            None if text == "gpu" => Ok(Wish::Adapter(AdapterChoice::Best)),
            Some(("gpu", index)) => {
                Ok(Wish::Adapter(AdapterChoice::Index(index.parse().map_err(|_| wrong())?)))
            }
            Some(("name", name)) if !name.is_empty() => Ok(Wish::Adapter(AdapterChoice::Name(name.into()))),
            Some(("pci", bus)) if !bus.is_empty() => Ok(Wish::Pci(bus.to_ascii_lowercase())),
            _ => Err(wrong()),
        }
    }

    /// Opens the device. `auto` chooses for batches of `batch` rows and `steps` steps.
    pub(crate) fn open(
        &self,
        config: &Config,
        batch: usize,
        steps: usize,
        options: &LayerOptions,
    ) -> Result<Backend, Error> {
        match self {
            Wish::Auto => Ok(Backend::auto(config, batch, steps, options).backend),
            Wish::Cpu => Ok(Backend::Cpu),
            Wish::Reference => Ok(Backend::Reference),
            Wish::Adapter(choice) => Ok(Backend::Gpu(Gpu::new(choice)?)),
            Wish::Pci(bus) => Ok(Backend::Gpu(Gpu::new(&adapter_at(bus))?)),
        }
    }
}

/// Finds the adapter with a PCI bus id. CUDA and Vulkan may write the domain with eight or four digits, or not at
/// all.
fn adapter_at(bus: &str) -> AdapterChoice {
    let place = |id: &str| id.to_ascii_lowercase().trim_start_matches(['0', ':']).to_owned();
    let index = pollster::block_on(Gpu::adapters())
        .iter()
        .position(|info| !info.device_pci_bus_id.is_empty() && place(&info.device_pci_bus_id) == place(bus));
    match index {
        Some(index) => AdapterChoice::Index(index),
        // No adapter has this name, so the error lists the adapters that exist.
        None => AdapterChoice::Name(format!("pci:{bus}")),
    }
}

/// The process that opened the first device, or 0. Threads and drivers do not survive a fork.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// Fails in a process that was forked after the first call. Without this check the call would wait for threads
/// that the process does not have.
pub(crate) fn check_fork() -> PyResult<()> {
    let this = std::process::id();
    match OWNER.compare_exchange(0, this, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => Ok(()),
        Err(owner) if owner == this => Ok(()),
        Err(owner) => Err(raise(
            "ForkError",
            format!(
                "process: expected the process that made the first call ({owner}) or a new one, found a fork of it \
                 ({this}); start workers with the method 'spawn' or 'forkserver', or fork before the first call"
            ),
        )),
    }
}

/// Returns the number of threads for the CPU backend: the least of the machine's cores, the quota of the cgroup and
/// `OMP_NUM_THREADS`.
pub(crate) fn default_threads() -> usize {
    let available = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let wanted = std::env::var("OMP_NUM_THREADS").ok().and_then(|text| text.trim().parse().ok());
    wanted.filter(|&wanted: &usize| wanted > 0).map_or(available, |wanted| wanted.min(available))
}
