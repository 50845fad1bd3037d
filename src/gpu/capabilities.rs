//! What planning depends on, as plain data.

use crate::Error;

/// What decides how work is cut: a device's limits, and whether it is hardware.
///
/// The default is what every WebGPU device has at least
/// ([the specification's table](https://www.w3.org/TR/webgpu/#limits)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Bytes of the largest buffer.
    pub max_buffer_size: u64,
    /// Bytes of the largest part of a buffer that a kernel can see.
    pub max_storage_buffer_binding_size: u64,
    /// Storage buffers that one kernel can see.
    pub max_storage_buffers_per_shader_stage: u32,
    /// Invocations in a workgroup.
    pub max_compute_invocations_per_workgroup: u32,
    /// Invocations along x in a workgroup.
    pub max_compute_workgroup_size_x: u32,
    /// Bytes of workgroup memory.
    pub max_compute_workgroup_storage_size: u32,
    /// Workgroups along one side of a dispatch.
    pub max_compute_workgroups_per_dimension: u32,
    /// Bytes that a dynamic offset into a uniform buffer is a multiple of.
    pub min_uniform_buffer_offset_alignment: u32,
    /// Bytes that the offset of a part of a buffer that a kernel can see is a multiple of.
    pub min_storage_buffer_offset_alignment: u32,
    /// Invocations of every subgroup; 0 if the device has no subgroups or they differ.
    pub subgroup_size: u32,
    /// Whether the adapter is a driver on the CPU.
    pub software: bool,
    /// Cores that such a driver has; of no meaning on hardware, which does not tell.
    pub cores: u32,
}

impl Capabilities {
    /// The part of a device's limits that matters here, of an adapter taken to be hardware.
    pub fn of(limits: &wgpu::Limits) -> Self {
        Capabilities {
            max_buffer_size: limits.max_buffer_size,
            max_storage_buffer_binding_size: limits.max_storage_buffer_binding_size,
            max_storage_buffers_per_shader_stage: limits.max_storage_buffers_per_shader_stage,
            max_compute_invocations_per_workgroup: limits.max_compute_invocations_per_workgroup,
            max_compute_workgroup_size_x: limits.max_compute_workgroup_size_x,
            max_compute_workgroup_storage_size: limits.max_compute_workgroup_storage_size,
            max_compute_workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
            min_uniform_buffer_offset_alignment: limits.min_uniform_buffer_offset_alignment,
            min_storage_buffer_offset_alignment: limits.min_storage_buffer_offset_alignment,
            subgroup_size: 0,
            software: false,
            cores: 1,
        }
    }

    /// What a device of that adapter has.
    pub(super) fn of_device(device: &wgpu::Device) -> Self {
        Capabilities::with(&device.adapter_info(), &device.limits(), device.features())
    }

    /// What a device would have that is opened with all that the adapter has.
    pub(crate) fn of_adapter(adapter: &wgpu::Adapter) -> Self {
        Capabilities::with(&adapter.get_info(), &adapter.limits(), adapter.features())
    }

    fn with(info: &wgpu::AdapterInfo, limits: &wgpu::Limits, features: wgpu::Features) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let of_one_size = info.subgroup_min_size == info.subgroup_max_size;
        let subgroups = features.contains(wgpu::Features::SUBGROUP) && of_one_size;
        Capabilities {
            subgroup_size: if subgroups { info.subgroup_max_size } else { 0 },
            software: info.device_type == wgpu::DeviceType::Cpu,
            cores: u32::try_from(cores).unwrap_or(1),
            ..Capabilities::of(limits)
        }
    }

    /// Whether kernels of several rows share their vectors through subgroups: on drivers on the CPU with LANES of
    /// `product/subgroup.wgsl`, where it takes half of the time that workgroup memory takes (lavapipe, Mesa 22.3 and 25.0).
    /// There a load of workgroup memory is a load for each lane, while a shuffle is one instruction; GPUs have that the
    /// other way round.
    pub(super) fn shares_in_subgroups(&self) -> bool {
        self.software && self.subgroup_size == 8
    }

    /// Whether the kernels can run at all; some GL adapters have no compute shaders or too few storage buffers.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let needs = [
            (
                "storage buffers per shader stage",
                self.max_storage_buffers_per_shader_stage,
                super::kernel::STORAGE_BUFFERS,
            ),
            (
                "invocations per workgroup",
                self.max_compute_invocations_per_workgroup.min(self.max_compute_workgroup_size_x),
                super::plan::MAX_UNITS,
            ),
            (
                "bytes of workgroup memory",
                self.max_compute_workgroup_storage_size,
                super::plan::MIN_WORKGROUP_BYTES,
            ),
        ];
        match needs.into_iter().find(|&(_, found, needed)| found < needed) {
            Some((what, found, needed)) => {
                Err(Error::Unsupported { what, needed: u64::from(needed), found: u64::from(found) })
            }
            None => Ok(()),
        }
    }
}

impl Default for Capabilities {
    fn default() -> Self {
        Capabilities::of(&wgpu::Limits::default())
    }
}
