//! The device: an adapter asked for, or the caller's own device and queue.

use std::fmt;
use std::sync::{Arc, Mutex};

#[cfg(not(target_arch = "wasm32"))]
use wgpu::Backends;
use wgpu::{
    Adapter, AdapterInfo, CommandBuffer, Device, DeviceType, Features, Instance, Limits, Queue,
    SubmissionIndex,
};

use super::{Capabilities, timestamps};
use crate::Error;

/// Which adapter to take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdapterChoice {
    /// The best GPU, never a software adapter.
    Hardware,
    /// The best there is: a GPU, or else a software adapter, which runs on the CPU and is slow.
    #[default]
    Best,
    /// The adapter at that place in [`Gpu::adapters`].
    Index(usize),
    /// The first adapter in [`Gpu::adapters`] whose name contains this text, whatever the case.
    Name(String),
}

/// The limits and features to open the device with.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum LimitsChoice {
    /// All that the adapter has, and subgroups and timestamps if it has them.
    #[default]
    Adapter,
    /// What every WebGPU device has, and nothing more.
    Baseline,
    /// These; the device cannot be opened if the adapter has less.
    Exactly(Box<Limits>),
}

/// A GPU that layers run on. Clones share the device.
///
/// On wgpu's GL backend use a device from one thread at a time, and [`Layer::forward`](crate::Layer::forward) rather than
/// [`Layer::forward_async`](crate::Layer::forward_async), which has threads of its own: wgpu 30 panics where a thread has to
/// wait for a second (on Windows; else for six) for another one, as it may while a kernel compiles.
///
/// ```no_run
/// use wgpu_rnn::{AdapterChoice, Gpu};
///
/// let gpu = Gpu::new(&AdapterChoice::Best)?;
/// println!("{gpu}");
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
#[derive(Clone)]
pub struct Gpu(Arc<Shared>);

struct Shared {
    device: Device,
    queue: Queue,
    info: AdapterInfo,
    capabilities: Capabilities,
    lost: Arc<Mutex<Option<String>>>,
    pub(super) kernels: super::kernel::Kernels,
    #[cfg(not(target_arch = "wasm32"))]
    threads: Threads,
    #[cfg(test)]
    counts: super::counts::Counts,
}

/// What waits, submits and compiles for callers that do not block. In a browser the page's loop does.
#[cfg(not(target_arch = "wasm32"))]
struct Threads {
    poller: super::poll::Poller,
    submitter: super::worker::Worker,
    maker: super::worker::Worker,
}

#[cfg(not(target_arch = "wasm32"))]
impl Threads {
    fn new(device: &Device) -> Self {
        Threads {
            poller: super::poll::Poller::new(device.clone()),
            submitter: super::worker::Worker::new("wgpu-rnn submit"),
            maker: super::worker::Worker::new("wgpu-rnn compile"),
        }
    }
}

impl Gpu {
    /// Opens an adapter with all its limits.
    ///
    /// # Errors
    ///
    /// [`Error::NoAdapter`] lists what is there; [`Error::Device`] if the driver refuses;
    /// [`Error::Unsupported`] if the adapter cannot run the kernels.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn new(choice: &AdapterChoice) -> Result<Self, Error> {
        pollster::block_on(Gpu::request(choice))
    }

    /// As [`Gpu::new`], without blocking.
    ///
    /// # Errors
    ///
    /// As [`Gpu::new`].
    pub async fn request(choice: &AdapterChoice) -> Result<Self, Error> {
        Gpu::request_with_limits(choice, &LimitsChoice::Adapter).await
    }

    /// As [`Gpu::request`], with a choice of limits.
    ///
    /// # Errors
    ///
    /// As [`Gpu::new`].
    pub async fn request_with_limits(choice: &AdapterChoice, limits: &LimitsChoice) -> Result<Self, Error> {
        let adapters = available().await;
        let why = format!("the first of {}, best first, that is {}", adapters.len(), wanted(choice));
        Gpu::open(&choose(adapters, choice)?, limits, &why).await
    }

    /// Opens an adapter; `why` it was taken is for the log.
    pub(crate) async fn open(adapter: &Adapter, limits: &LimitsChoice, why: &str) -> Result<Self, Error> {
        let info = adapter.get_info();
        let required_limits = match limits {
            LimitsChoice::Adapter => adapter.limits(),
            LimitsChoice::Baseline => Limits::default().or_worse_values_from(&adapter.limits()),
            LimitsChoice::Exactly(limits) => (**limits).clone(),
        };
        let optional = match limits {
            LimitsChoice::Adapter => Features::SUBGROUP | timestamps::FEATURES,
            LimitsChoice::Baseline | LimitsChoice::Exactly(_) => Features::empty(),
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("wgpu-rnn"),
            required_features: optional & adapter.features(),
            required_limits,
            ..Default::default()
        };
        let (device, queue) = adapter
            .request_device(&descriptor)
            .await
            .map_err(|error| Error::Device { adapter: name(&info).to_owned(), found: error.to_string() })?;
        let lost = Arc::new(Mutex::new(None));
        let (told, adapter) = (Arc::clone(&lost), named(&info));
        device.set_device_lost_callback(move |reason, message| {
            log::warn!("{adapter}: device lost: {reason:?}: {message}");
            if let Ok(mut lost) = told.lock() {
                *lost = Some(format!("{reason:?}: {message}"));
            }
        });
        Gpu::share(device, queue, lost, why)
    }

    /// Takes the caller's device and queue, with the limits and features that they have. The device's callbacks stay the
    /// caller's.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] if the device cannot run the kernels.
    pub fn from_device(device: Device, queue: Queue) -> Result<Self, Error> {
        Gpu::share(device, queue, Arc::default(), "the caller's device")
    }

    fn share(
        device: Device,
        queue: Queue,
        lost: Arc<Mutex<Option<String>>>,
        why: &str,
    ) -> Result<Self, Error> {
        let info = device.adapter_info();
        let capabilities = Capabilities::of_device(&device);
        capabilities.check()?;
        let kind = info.device_type;
        log::info!("adapter: {}, {kind:?}, {} {}: {why}", named(&info), info.driver, info.driver_info);
        log::debug!("{}: {capabilities:?}, features {:?}", named(&info), device.features());
        Ok(Gpu(Arc::new(Shared {
            #[cfg(not(target_arch = "wasm32"))]
            threads: Threads::new(&device),
            device,
            queue,
            info,
            capabilities,
            lost,
            kernels: Default::default(),
            #[cfg(test)]
            counts: Default::default(),
        })))
    }

    /// The adapters of this machine, hardware before software, in the order that [`AdapterChoice::Index`] counts.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn adapters() -> Vec<AdapterInfo> {
        pollster::block_on(Gpu::adapters_async())
    }

    /// As [`Gpu::adapters`], without blocking. A browser has one at most: the one that it takes for the
    /// fastest.
    pub async fn adapters_async() -> Vec<AdapterInfo> {
        available().await.iter().map(Adapter::get_info).collect()
    }

    /// Name, type, backend and driver of the adapter.
    pub fn info(&self) -> &AdapterInfo {
        &self.0.info
    }

    /// Whether the adapter is a driver on the CPU.
    pub fn is_software(&self) -> bool {
        self.0.info.device_type == DeviceType::Cpu
    }

    /// The limits that work is cut by.
    pub fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    /// The device, to be shared with the caller's own work.
    pub fn device(&self) -> &Device {
        &self.0.device
    }

    /// The device's queue.
    pub fn queue(&self) -> &Queue {
        &self.0.queue
    }

    /// Hands recorded work to the queue.
    pub(super) fn submit(&self, commands: CommandBuffer) -> SubmissionIndex {
        #[cfg(test)]
        self.0.counts.submission();
        self.0.queue.submit([commands])
    }

    /// What was made and submitted.
    #[cfg(test)]
    pub(super) fn counts(&self) -> &super::counts::Counts {
        &self.0.counts
    }

    pub(super) fn kernels(&self) -> &super::kernel::Kernels {
        &self.0.kernels
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn poller(&self) -> &super::poll::Poller {
        &self.0.threads.poller
    }

    /// Submits for callers that do not block.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn submitter(&self) -> &super::worker::Worker {
        &self.0.threads.submitter
    }

    /// Makes workspaces, and compiles their kernels, for callers that do not block.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn maker(&self) -> &super::worker::Worker {
        &self.0.threads.maker
    }

    /// The same device with a piece of every kernel's text replaced.
    #[cfg(test)]
    pub(super) fn with_mutation(&self, mutation: (&'static str, &'static str)) -> Gpu {
        self.changed(|shared| shared.kernels.mutation = Some(mutation))
    }

    /// The same device, planned for as if it were another.
    #[cfg(test)]
    pub(super) fn with_capabilities(&self, change: impl FnOnce(&mut Capabilities)) -> Gpu {
        self.changed(|shared| change(&mut shared.capabilities))
    }

    #[cfg(test)]
    fn changed(&self, change: impl FnOnce(&mut Shared)) -> Gpu {
        let (device, queue) = (self.0.device.clone(), self.0.queue.clone());
        let mut gpu = Gpu::share(device, queue, Arc::default(), "a test's").unwrap_or_else(|_| self.clone());
        if let Some(shared) = Arc::get_mut(&mut gpu.0) {
            shared.capabilities = self.0.capabilities;
            change(shared);
        }
        gpu
    }

    /// Why the device was lost, if it was.
    pub(super) fn lost(&self) -> Option<String> {
        self.0.lost.lock().ok()?.clone()
    }
}

/// The adapter's name and backend, and whether it is software: `llvmpipe (LLVM 15.0.6, 256 bits) (vulkan, software)`.
impl fmt::Display for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let software = if self.is_software() { ", software" } else { "" };
        write!(f, "{} ({}{software})", name(&self.0.info), self.0.info.backend)
    }
}

impl fmt::Debug for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gpu").field(&self.0.info).finish()
    }
}

/// The adapter that the browser takes for the fastest, if it has WebGPU.
#[cfg(target_arch = "wasm32")]
pub(crate) async fn available() -> Vec<Adapter> {
    let instance = Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let options = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        ..Default::default()
    };
    instance.request_adapter(&options).await.into_iter().collect()
}

/// All adapters, best first.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) async fn available() -> Vec<Adapter> {
    let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    let mut adapters = Instance::new(descriptor).enumerate_adapters(Backends::all()).await;
    adapters.sort_by_key(|adapter| preference(&adapter.get_info()));
    adapters
}

/// Smaller is better. Among backends GL is last: its drivers translate once more.
#[cfg(not(target_arch = "wasm32"))]
fn preference(info: &AdapterInfo) -> (u8, bool) {
    let device_type = match info.device_type {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
    };
    (device_type, info.backend == wgpu::Backend::Gl)
}

fn choose(adapters: Vec<Adapter>, choice: &AdapterChoice) -> Result<Adapter, Error> {
    let infos: Vec<AdapterInfo> = adapters.iter().map(Adapter::get_info).collect();
    let fits = |(index, info): (usize, &AdapterInfo)| match choice {
        AdapterChoice::Hardware => info.device_type != DeviceType::Cpu,
        AdapterChoice::Best => true,
        AdapterChoice::Index(wanted) => index == *wanted,
        AdapterChoice::Name(name) => info.name.to_lowercase().contains(&name.to_lowercase()),
    };
    let place = infos.iter().enumerate().position(fits);
    place.and_then(|place| adapters.into_iter().nth(place)).ok_or_else(|| {
        let names: Vec<String> = infos.iter().map(named).collect();
        no_adapter(wanted(choice), &names)
    })
}

/// What is asked for.
fn wanted(choice: &AdapterChoice) -> String {
    match choice {
        AdapterChoice::Hardware => "a hardware adapter".into(),
        AdapterChoice::Best => "any adapter".into(),
        AdapterChoice::Index(index) => format!("adapter {index}"),
        AdapterChoice::Name(name) => format!("an adapter whose name contains {name:?}"),
    }
}

/// The adapter's name and backend: `llvmpipe (LLVM 15.0.6, 256 bits) (vulkan)`.
pub(crate) fn named(info: &AdapterInfo) -> String {
    format!("{} ({})", name(info), info.backend)
}

/// Browsers may not tell.
fn name(info: &AdapterInfo) -> &str {
    if info.name.is_empty() { "unnamed adapter" } else { &info.name }
}

/// None of the adapters that are there, in the order of their indices, is what was wanted.
pub(crate) fn no_adapter(wanted: String, names: &[String]) -> Error {
    let found = match names {
        [] if cfg!(target_arch = "wasm32") => {
            "none (has this browser WebGPU, for this page? It has to come by https or from localhost)".into()
        }
        [] => "none (is a Vulkan, Metal, DX12 or GL driver installed?)".into(),
        names => {
            let all = names.iter().enumerate().map(|(index, name)| format!("{index}: {name}"));
            all.collect::<Vec<_>>().join(", ")
        }
    };
    Error::NoAdapter { wanted, found }
}
