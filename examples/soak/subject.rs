//! The backend of the calls: the CPU, or a device. The program destroys the device now and then and opens another one.

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use wgpu_rnn::wgpu::{
    Adapter, Backend as Api, Backends, DeviceDescriptor, DeviceType, Instance, InstanceDescriptor,
};
use wgpu_rnn::{Backend, Gpu, Layer, Weights};

/// The layers on one device.
pub(crate) struct Generation {
    pub(crate) layers: [Layer; 2],
    gpu: Option<Gpu>,
    is_lost: AtomicBool,
}

impl Generation {
    /// Returns whether the device was destroyed, so that calls may fail.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::SeqCst)
    }
}

pub(crate) struct Subject {
    pub(crate) weights: [Weights; 2],
    adapter: Option<Adapter>,
    current: RwLock<Arc<Generation>>,
    /// wgpu's GL backend takes one thread at a time.
    turn: Option<Mutex<()>>,
    lost: AtomicUsize,
}

impl Subject {
    /// Opens the CPU (`cpu`), the best adapter (`gpu`), or the best one of an interface (`vulkan`, `gl`). Returns none
    /// if there is no such adapter.
    pub(crate) fn open(device: &str, weights: [Weights; 2]) -> Result<Option<Self>, Box<dyn Error>> {
        let adapter = match device {
            "cpu" => None,
            _ => match adapter(device) {
                Some(adapter) => Some(adapter),
                None => return Ok(None),
            },
        };
        let is_gl = adapter.as_ref().is_some_and(|adapter| adapter.get_info().backend == Api::Gl);
        let current = RwLock::new(Arc::new(generation(adapter.as_ref(), &weights)?));
        let turn = is_gl.then(|| Mutex::new(()));
        Ok(Some(Subject { weights, adapter, current, turn, lost: AtomicUsize::new(0) }))
    }

    /// Returns the layers on the device that is not lost.
    pub(crate) fn current(&self) -> Arc<Generation> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the device.
    pub(crate) fn gpu(&self) -> Option<Gpu> {
        self.current().gpu.clone()
    }

    /// Returns whether only one thread may use the device at a time.
    pub(crate) fn takes_turns(&self) -> bool {
        self.turn.is_some()
    }

    /// Waits until the thread may use the device.
    pub(crate) fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        self.turn.as_ref().map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Destroys the device in the middle of the others' calls, and opens another one.
    pub(crate) fn lose(&self) -> Result<(), wgpu_rnn::Error> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let Some(gpu) = &current.gpu else { return Ok(()) };
        current.is_lost.store(true, Ordering::SeqCst);
        gpu.device().destroy();
        self.lost.fetch_add(1, Ordering::Relaxed);
        *current = Arc::new(generation(self.adapter.as_ref(), &self.weights)?);
        Ok(())
    }

    /// Returns how many devices were lost.
    pub(crate) fn lost(&self) -> usize {
        self.lost.load(Ordering::Relaxed)
    }
}

/// Returns the first adapter, hardware before software. All adapters are of one instance: wgpu's GL backend cannot have
/// several at the same time.
fn adapter(device: &str) -> Option<Adapter> {
    let instance = Instance::new(InstanceDescriptor::new_without_display_handle_from_env());
    let backends = match device {
        "vulkan" => Backends::VULKAN,
        "gl" => Backends::GL,
        _ => Backends::all(),
    };
    let mut adapters = pollster::block_on(instance.enumerate_adapters(backends));
    adapters.sort_by_key(|adapter| {
        let info = adapter.get_info();
        (info.device_type == DeviceType::Cpu, info.backend == Api::Gl)
    });
    adapters.into_iter().next()
}

fn generation(adapter: Option<&Adapter>, weights: &[Weights; 2]) -> Result<Generation, wgpu_rnn::Error> {
    let gpu = adapter.map(device).transpose()?;
    let backend = gpu.clone().map_or(Backend::Cpu, Backend::Gpu);
    let layers = [Layer::new(&weights[0], backend.clone())?, Layer::new(&weights[1], backend)?];
    Ok(Generation { layers, gpu, is_lost: AtomicBool::new(false) })
}

fn device(adapter: &Adapter) -> Result<Gpu, wgpu_rnn::Error> {
    let descriptor = DeviceDescriptor { required_limits: adapter.limits(), ..Default::default() };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
        .map_err(|error| wgpu_rnn::Error::new(wgpu_rnn::ErrorKind::Device, error.to_string()))?;
    Gpu::from_device(device, queue)
}
