//! The device: one that this crate opens on an adapter, or the caller's own device and queue.

use std::fmt;
#[cfg(not(target_arch = "wasm32"))]
use std::sync::OnceLock;
use std::sync::{Arc, Mutex};

#[cfg(not(target_arch = "wasm32"))]
use wgpu::Backends;
use wgpu::{
    Adapter, AdapterInfo, CommandBuffer, Device, DeviceType, Features, Instance, Queue, SubmissionIndex,
};

use super::Capabilities;
use super::scopes::caused;
use crate::error::Fault;
use crate::{AdapterChoice, Error};

/// The features for timestamps, which a device requests if the adapter has them.
pub(super) const TIMESTAMP_FEATURES: Features =
    Features::TIMESTAMP_QUERY.union(Features::TIMESTAMP_QUERY_INSIDE_ENCODERS);

/// A GPU that layers run on. Clones share the device.
///
/// On wgpu's GL backend, use a device from one thread at a time, and call
/// [`Layer::forward`](crate::Layer::forward) rather than
/// [`Layer::forward_async`](crate::Layer::forward_async), which has threads of its own. On this backend,
/// wgpu 30 panics if a thread has to wait for another thread for one second on Windows, or for six seconds
/// elsewhere. This can happen while a kernel compiles.
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
    /// Whether the device flushes subnormal numbers, once that was measured.
    #[cfg(not(target_arch = "wasm32"))]
    subnormals: OnceLock<bool>,
    #[cfg(test)]
    counts: super::counts::Counts,
}

/// The threads that wait, submit and compile for async calls. In a browser, the page's event loop does
/// this.
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
    /// Opens an adapter like [`Gpu::new`], without blocking.
    ///
    /// # Errors
    ///
    /// The same as for [`Gpu::new`].
    pub async fn new_async(choice: &AdapterChoice) -> Result<Self, Error> {
        let adapters = available().await;
        let why = format!("the first of {}, best first, that is {}", adapters.len(), wanted(choice));
        Gpu::open(&choose(adapters, choice)?, &why).await
    }

    /// Opens an adapter. `why` is the reason for this adapter, for the log.
    pub(crate) async fn open(adapter: &Adapter, why: &str) -> Result<Self, Error> {
        let info = adapter.get_info();
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("wgpu-rnn"),
            required_features: (Features::SUBGROUP | TIMESTAMP_FEATURES) & adapter.features(),
            required_limits: adapter.limits(),
            ..Default::default()
        };
        let (device, queue) = adapter.request_device(&descriptor).await.map_err(|error| {
            let fault = Fault::Device { adapter: name(&info).to_owned(), found: error.to_string() };
            caused(fault, error)
        })?;
        let lost = Arc::new(Mutex::new(None));
        let (loss, adapter) = (Arc::clone(&lost), named(&info));
        device.set_device_lost_callback(move |reason, message| {
            log::warn!("{adapter}: device lost: {reason:?}: {message}");
            if let Ok(mut lost) = loss.lock() {
                *lost = Some(format!("{reason:?}: {message}"));
            }
        });
        Gpu::share(device, queue, lost, why)
    }

    /// Uses the caller's device and queue, with their limits and features. The device's callbacks remain
    /// the caller's.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Device`](crate::ErrorKind::Device) if the device cannot run the kernels.
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
            #[cfg(not(target_arch = "wasm32"))]
            subnormals: OnceLock::new(),
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

    /// Returns the adapters of this machine, hardware before software. [`AdapterChoice::Index`] is an index
    /// into this list. A browser has at most one: the adapter that it considers the fastest.
    ///
    /// Like wgpu's own list, it is async; a program that blocks can await it with
    /// [`pollster`](https://docs.rs/pollster).
    pub async fn adapters() -> Vec<AdapterInfo> {
        available().await.iter().map(Adapter::get_info).collect()
    }

    /// Returns the name, type, backend and driver of the adapter.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn info(&self) -> &AdapterInfo {
        &self.0.info
    }

    /// Returns whether the adapter is a software driver, which runs on the CPU.
    pub fn is_software(&self) -> bool {
        self.0.info.device_type == DeviceType::Cpu
    }

    /// Returns the capabilities that plans are made for.
    pub(crate) fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    /// Returns the device. The caller may also use it for other work. Its `adapter_info()` has the name, type, backend
    /// and driver of the adapter.
    pub fn device(&self) -> &Device {
        &self.0.device
    }

    /// Returns the device's queue.
    pub fn queue(&self) -> &Queue {
        &self.0.queue
    }

    /// Submits recorded work to the queue.
    pub(super) fn submit(&self, commands: CommandBuffer) -> SubmissionIndex {
        #[cfg(test)]
        self.0.counts.submission();
        self.0.queue.submit([commands])
    }

    /// Returns the counts of what was made and submitted.
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

    /// Returns what is known of the device's subnormal numbers.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn known_subnormals(&self) -> &OnceLock<bool> {
        &self.0.subnormals
    }

    /// Returns the thread that submits for async calls.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn submitter(&self) -> &super::worker::Worker {
        &self.0.threads.submitter
    }

    /// Returns the thread that makes workspaces, and compiles their kernels, for async calls.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn maker(&self) -> &super::worker::Worker {
        &self.0.threads.maker
    }

    /// Returns the same device with a piece of text replaced in every kernel.
    #[cfg(test)]
    pub(super) fn with_mutation(&self, mutation: (&'static str, &'static str)) -> Gpu {
        self.changed(|shared| shared.kernels.mutation = Some(mutation))
    }

    /// Returns the same device with changed capabilities, so that plans are made as if for another device.
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

    /// Returns why the device was lost, if it was.
    pub(super) fn lost(&self) -> Option<String> {
        self.0.lost.lock().ok()?.clone()
    }
}

/// Writes the adapter's name and backend, and whether it is software: `llvmpipe (LLVM 15.0.6, 256 bits)
/// (vulkan, software)`.
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

/// Returns the adapter that the browser considers the fastest, if it has WebGPU.
#[cfg(target_arch = "wasm32")]
pub(crate) async fn available() -> Vec<Adapter> {
    if Instance::enabled_backend_features().is_empty() {
        return Vec::new();
    }
    let instance = Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let options = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        ..Default::default()
    };
    instance.request_adapter(&options).await.into_iter().collect()
}

/// Returns all adapters, best first.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) async fn available() -> Vec<Adapter> {
    // wgpu panics if it was built without any backend for the platform.
    if Instance::enabled_backend_features().is_empty() {
        return Vec::new();
    }
    let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    let mut adapters = Instance::new(descriptor).enumerate_adapters(Backends::all()).await;
    adapters.sort_by_key(|adapter| preference(&adapter.get_info()));
    adapters
}

/// Ranks an adapter; smaller is better. GL is the last backend, since its drivers translate once more.
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

/// Describes the choice.
fn wanted(choice: &AdapterChoice) -> String {
    match choice {
        AdapterChoice::Hardware => "a hardware adapter".into(),
        AdapterChoice::Best => "any adapter".into(),
        AdapterChoice::Index(index) => format!("adapter {index}"),
        AdapterChoice::Name(name) => format!("an adapter whose name contains {name:?}"),
    }
}

/// Returns the adapter's name and backend: `llvmpipe (LLVM 15.0.6, 256 bits) (vulkan)`.
pub(crate) fn named(info: &AdapterInfo) -> String {
    format!("{} ({})", name(info), info.backend)
}

/// Returns the adapter's name. Browsers may not report one.
fn name(info: &AdapterInfo) -> &str {
    if info.name.is_empty() { "unnamed adapter" } else { &info.name }
}

/// Returns the error for a choice that no adapter fits. `names` has all adapters in the order of their
/// indices.
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
    Error::from(Fault::NoAdapter { wanted, found })
}
