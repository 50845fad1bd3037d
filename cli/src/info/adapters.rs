//! The adapters of the machine.

use wgpu_rnn::wgpu::{self, AdapterInfo, Backends, DeviceType, Features, Instance, Limits};
use wgpu_rnn::{AdapterChoice, Config, Gpu, LayerOptions, inspect::PlanReport};

use super::{Abilities, Adapter};

/// Describes every adapter, in the order of their indices.
pub(super) fn all() -> Vec<Adapter> {
    let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    let available = pollster::block_on(Instance::new(descriptor).enumerate_adapters(Backends::all()));
    let adapters = pollster::block_on(Gpu::adapters()).into_iter().enumerate().map(|(index, info)| {
        let found = available.iter().find(|adapter| adapter.get_info() == info);
        adapter(index, info, found)
    });
    adapters.collect()
}

fn adapter(index: usize, info: AdapterInfo, found: Option<&wgpu::Adapter>) -> Adapter {
    let software = info.device_type == DeviceType::Cpu;
    let refusal = match found {
        Some(_) if software => Some("a software adapter".to_owned()),
        Some(adapter) => lack(&adapter.limits()),
        None => Some("it is no longer available".to_owned()),
    };
    Adapter {
        auto: refusal.is_none(),
        auto_reason: refusal,
        index,
        backend: info.backend.to_string(),
        device_type: device_type(&info).to_owned(),
        software,
        driver: driver(&info),
        name: info.name,
        abilities: found.map(|adapter| abilities(index, adapter)),
    }
}

/// Returns what a device with these limits lacks for the smallest layer.
fn lack(limits: &Limits) -> Option<String> {
    let plan = PlanReport::new(&Config::rnn(1, 1), 1, 1, limits, &LayerOptions::default());
    plan.err().map(|error| error.to_string())
}

/// Returns the kind of an adapter's device, in words.
pub(crate) fn device_type(info: &AdapterInfo) -> &'static str {
    match info.device_type {
        DeviceType::DiscreteGpu => "discrete GPU",
        DeviceType::IntegratedGpu => "integrated GPU",
        DeviceType::VirtualGpu => "virtual GPU",
        DeviceType::Cpu => "CPU",
        DeviceType::Other => "other",
    }
}

/// Returns the driver's name and version.
pub(crate) fn driver(info: &AdapterInfo) -> String {
    format!("{} {}", info.driver, info.driver_info).trim().to_owned()
}

fn abilities(index: usize, adapter: &wgpu::Adapter) -> Abilities {
    let features = adapter.features();
    let limits = adapter.limits();
    Abilities {
        f16: features.contains(Features::SHADER_F16),
        subgroups: features.contains(Features::SUBGROUP),
        max_buffer_size: limits.max_buffer_size,
        max_storage_buffer_binding_size: limits.max_storage_buffer_binding_size,
        max_storage_buffers_per_shader_stage: limits.max_storage_buffers_per_shader_stage,
        max_compute_invocations_per_workgroup: limits.max_compute_invocations_per_workgroup,
        max_compute_workgroup_storage_size: limits.max_compute_workgroup_storage_size,
        max_compute_workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
        subnormals: subnormals(index),
    }
}

/// Opens the adapter and asks it.
fn subnormals(index: usize) -> Option<&'static str> {
    let gpu = Gpu::new(&AdapterChoice::Index(index)).ok()?;
    Some(if gpu.flushes_subnormals().ok()? { "flushed to zero" } else { "kept" })
}
