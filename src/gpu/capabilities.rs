//! The properties of a device that planning depends on, as plain data.

use crate::Error;
use crate::error::Fault;

/// The limits of a device, and whether it is hardware. They decide how a plan splits the work.
///
/// The default has the limits that every WebGPU device has at least, see
/// [the specification's table](https://www.w3.org/TR/webgpu/#limits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capabilities {
    /// The largest size of a buffer, in bytes.
    pub(crate) max_buffer_size: u64,
    /// The largest size of a storage binding, in bytes.
    pub(crate) max_storage_buffer_binding_size: u64,
    /// The largest number of storage buffers that one kernel can bind.
    pub(crate) max_storage_buffers_per_shader_stage: u32,
    /// The largest number of invocations in a workgroup.
    pub(crate) max_compute_invocations_per_workgroup: u32,
    /// The largest number of invocations along x in a workgroup.
    pub(crate) max_compute_workgroup_size_x: u32,
    /// The size of workgroup memory, in bytes.
    pub(crate) max_compute_workgroup_storage_size: u32,
    /// The largest number of workgroups along one dimension of a dispatch.
    pub(crate) max_compute_workgroups_per_dimension: u32,
    /// The alignment of a dynamic offset into a uniform buffer, in bytes.
    pub(crate) min_uniform_buffer_offset_alignment: u32,
    /// The alignment of the offset of a storage binding, in bytes.
    pub(crate) min_storage_buffer_offset_alignment: u32,
    /// The number of invocations in every subgroup; 0 if the device has no subgroups or their sizes differ.
    pub(crate) subgroup_size: u32,
    /// Whether the adapter is a software driver, which runs on the CPU.
    pub(crate) software: bool,
    /// Whether the adapter is a GPU with memory of its own.
    pub(crate) discrete: bool,
    /// The number of CPU cores that a software driver has. It means nothing on hardware, which does not
    /// report its cores.
    pub(crate) cores: u32,
}

impl Capabilities {
    /// Returns the capabilities of an integrated GPU with these limits and without subgroups.
    pub(super) fn of(limits: &wgpu::Limits) -> Self {
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
            discrete: false,
            cores: 1,
        }
    }

    /// Returns the capabilities of an open device.
    pub(super) fn of_device(device: &wgpu::Device) -> Self {
        Capabilities::with(&device.adapter_info(), &device.limits(), device.features())
    }

    /// Returns the capabilities of a device that is opened with all of the adapter's limits and features.
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
            discrete: info.device_type == wgpu::DeviceType::DiscreteGpu,
            cores: u32::try_from(cores).unwrap_or(1),
            ..Capabilities::of(limits)
        }
    }

    /// Returns whether kernels of several rows share their vectors through subgroups.
    ///
    /// They do on software drivers whose subgroups have LANES of `product/subgroup.wgsl` invocations. There
    /// it takes half of the time that workgroup memory takes (lavapipe, Mesa 22.3 and 25.0): a load of
    /// workgroup memory is one load for each lane, while a shuffle is one instruction. On GPUs it is the
    /// other way round.
    pub(super) fn shares_in_subgroups(&self) -> bool {
        self.software && self.subgroup_size == 8
    }

    /// Returns the largest number of invocations in a workgroup of one dimension.
    pub(super) fn invocations(&self) -> u32 {
        self.max_compute_invocations_per_workgroup.min(self.max_compute_workgroup_size_x)
    }

    /// Checks that the kernels can run. Some GL adapters have no compute shaders or too few storage
    /// buffers.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Device`](crate::ErrorKind::Device) names what the device lacks.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let needs = [
            (
                "storage buffers per shader stage",
                self.max_storage_buffers_per_shader_stage,
                super::kernel::STORAGE_BUFFERS,
            ),
            ("invocations per workgroup", self.invocations(), super::kernel::MAX_UNITS),
            (
                "bytes of workgroup memory",
                self.max_compute_workgroup_storage_size,
                super::kernel::MIN_WORKGROUP_BYTES,
            ),
        ];
        match needs.into_iter().find(|&(_, found, needed)| found < needed) {
            Some((what, found, needed)) => Err(Error::from(Fault::Unsupported {
                what,
                needed: u64::from(needed),
                found: u64::from(found),
            })),
            None => Ok(()),
        }
    }
}

impl Default for Capabilities {
    fn default() -> Self {
        Capabilities::of(&wgpu::Limits::default())
    }
}
