//! Opens the adapters.

use std::env;

use wgpu_rnn::wgpu::{Adapter, Backends, DeviceDescriptor, Instance, InstanceDescriptor, Limits};
use wgpu_rnn::{AdapterChoice, Error, ErrorKind, Gpu, Strategy};

use super::{ADAPTER, BASELINE, ITS_LIMITS, Implementation, NO_GPU, say};

/// Each adapter, or the one that is asked for, with each choice of limits and each strategy.
pub(super) fn open_gpus() -> Result<Vec<Implementation>, String> {
    let wanted = env::var(ADAPTER).ok().filter(|wanted| !wanted.is_empty());
    let choices = match &wanted {
        Some(wanted) => vec![match wanted.parse() {
            Ok(index) => AdapterChoice::Index(index),
            Err(_) => AdapterChoice::Name(wanted.clone()),
        }],
        None => (0..pollster::block_on(Gpu::adapters()).len()).map(AdapterChoice::Index).collect(),
    };
    let mut found = Vec::new();
    for choice in &choices {
        let own = Gpu::new(choice);
        let baseline = own.as_ref().ok().map(|own| reopened(own, baseline(own)));
        for (gpu, name) in [(Some(own), ITS_LIMITS), (baseline, BASELINE)] {
            match gpu {
                None => {}
                Some(Ok(gpu)) => found.extend(with_each_strategy(&gpu, name)),
                Some(Err(error)) if error.kind() == ErrorKind::Device && wanted.is_none() => {
                    say(&format!("{choice:?} with {name} is not tested: {error}"));
                }
                Some(Err(error)) => return Err(advice(&format!("{choice:?} with {name}: {error}"))),
            }
        }
    }
    if found.is_empty() { Err(advice("no adapter that the kernels run on")) } else { Ok(found) }
}

/// The limits that every WebGPU device has, or less where the adapter has less.
fn baseline(gpu: &Gpu) -> Limits {
    Limits::default().or_worse_values_from(&gpu.device().limits())
}

/// Name, backend and driver.
pub(super) fn names(gpu: &Gpu) -> [String; 3] {
    let info = gpu.device().adapter_info();
    let driver = format!("{} {}", info.driver, info.driver_info).trim().to_owned();
    [info.name, info.backend.to_string(), driver]
}

pub(super) fn is_same(gpu: &Gpu, other: &Gpu) -> bool {
    gpu.device().adapter_info() == other.device().adapter_info()
}

/// The adapter that a device was opened on.
pub fn adapter(known: &Gpu) -> Adapter {
    let instance = Instance::new(InstanceDescriptor::new_without_display_handle_from_env());
    let adapters = pollster::block_on(instance.enumerate_adapters(Backends::all()));
    let same = |adapter: &Adapter| adapter.get_info() == known.device().adapter_info();
    adapters.into_iter().find(same).expect("the adapter is still there")
}

/// The same adapter as a device of the caller's, with these limits and no optional features.
pub fn reopened(gpu: &Gpu, required_limits: Limits) -> Result<Gpu, Error> {
    let descriptor = DeviceDescriptor { required_limits, ..Default::default() };
    let (device, queue) = pollster::block_on(adapter(gpu).request_device(&descriptor)).expect("a device");
    Gpu::from_device(device, queue)
}

fn with_each_strategy(gpu: &Gpu, limits: &'static str) -> Vec<Implementation> {
    let one = |&strategy: &Strategy| {
        let implementation = Implementation::on(gpu, limits, Some(strategy));
        say(&format!("testing {}", implementation.name));
        implementation
    };
    Strategy::ALL.iter().map(one).collect()
}

fn advice(problem: &str) -> String {
    format!(
        "the GPU tests cannot run: {problem}. Install a Vulkan driver (on Debian and Ubuntu `apt-get install \
         libvulkan1 mesa-vulkan-drivers` gives lavapipe, which needs no GPU; scripts/test does it), choose an adapter \
         with {ADAPTER}=NAME, or leave the GPU out with {NO_GPU}=1"
    )
}
