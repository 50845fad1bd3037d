//! RADV on null hardware: compiles a kernel and says what became of it.

#![allow(unsafe_code, reason = "Vulkan has no other way in; this file is all of it")]

use std::collections::BTreeMap;
use std::ffi::CString;

use anyhow::{Context, Result};
use ash::{khr, vk};

use crate::spirv::Spirv;

/// What the compiler made of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figures {
    pub(crate) vgprs: u64,
    /// Spilled registers, scalar ones among them.
    pub(crate) spills: u64,
    /// Bytes.
    pub(crate) scratch: u64,
    /// Waves that a SIMD unit can hold at once.
    pub(crate) occupancy: u64,
    /// Bytes.
    pub(crate) code: u64,
    pub(crate) assembly: String,
}

/// A device that compiles, and never runs anything. It lives as long as the process.
pub(crate) struct Radv {
    pub(crate) name: String,
    device: ash::Device,
    executables: khr::pipeline_executable_properties::Device,
    /// The loader must outlive what it loaded.
    _entry: ash::Entry,
    _instance: ash::Instance,
}

impl Radv {
    /// The device of the family that the environment asks for, or none if the driver does not know it.
    pub(crate) fn new() -> Result<Option<Self>> {
        let app = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
        let info = vk::InstanceCreateInfo::default().application_info(&app);
        // SAFETY: the library is the system's Vulkan loader, and stays loaded as long as `Radv` lives.
        let entry = unsafe { ash::Entry::load() }.context("loading Vulkan's loader")?;
        // SAFETY: what `info` points to lives until after the call; so below.
        let instance = unsafe { entry.create_instance(&info, None) }.context("making a Vulkan instance")?;
        // SAFETY: the instance is alive.
        let devices = unsafe { instance.enumerate_physical_devices() }.unwrap_or_default();
        let Some(&physical) = devices.first() else { return Ok(None) };
        // SAFETY: the physical device is the instance's.
        let properties = unsafe { instance.get_physical_device_properties(physical) };
        let name =
            properties.device_name_as_c_str().context("the device's name")?.to_string_lossy().into_owned();

        let extensions = [khr::pipeline_executable_properties::NAME.as_ptr()];
        let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(0).queue_priorities(&[1.0])];
        let mut figures = vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default()
            .pipeline_executable_info(true);
        let mut memory_model = vk::PhysicalDeviceVulkan12Features::default().vulkan_memory_model(true);
        let info = vk::DeviceCreateInfo::default()
            .queue_create_infos(&queues)
            .enabled_extension_names(&extensions)
            .push_next(&mut figures)
            .push_next(&mut memory_model);
        // SAFETY: as above; RADV has a queue family 0 and this extension.
        let device = unsafe { instance.create_device(physical, &info, None) }.context("making a device")?;
        let executables = khr::pipeline_executable_properties::Device::new(&instance, &device);
        Ok(Some(Radv { name, device, executables, _entry: entry, _instance: instance }))
    }

    pub(crate) fn compile(&self, spirv: &Spirv) -> Result<Figures> {
        let slots: Vec<_> = spirv
            .bindings
            .iter()
            .map(|&(binding, uniform)| {
                vk::DescriptorSetLayoutBinding::default()
                    .binding(binding)
                    .descriptor_count(1)
                    .descriptor_type(match uniform {
                        true => vk::DescriptorType::UNIFORM_BUFFER,
                        false => vk::DescriptorType::STORAGE_BUFFER,
                    })
                    .stage_flags(vk::ShaderStageFlags::COMPUTE)
            })
            .collect();
        let set = vk::DescriptorSetLayoutCreateInfo::default().bindings(&slots);
        let code = vk::ShaderModuleCreateInfo::default().code(&spirv.words);
        let entry_point = CString::new(spirv.entry_point)?;
        let capture = vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
            | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR;
        // SAFETY: the device is alive, every pointer outlives the call that reads it, and the SPIR-V is naga's, validated.
        // The objects are destroyed when the last call that needs them has returned.
        unsafe {
            let device = &self.device;
            let set = device.create_descriptor_set_layout(&set, None).context("a descriptor set layout")?;
            let sets = [set];
            let layout = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets);
            let layout = device.create_pipeline_layout(&layout, None).context("a pipeline layout")?;
            let module = device.create_shader_module(&code, None).context("a shader module")?;
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(module)
                .name(&entry_point);
            let info = vk::ComputePipelineCreateInfo::default().flags(capture).stage(stage).layout(layout);
            let pipelines = device
                .create_compute_pipelines(vk::PipelineCache::null(), &[info], None)
                .map_err(|(_, error)| error)
                .context("a pipeline")?;
            let figures =
                pipelines.first().context("a pipeline").and_then(|pipeline| self.figures(*pipeline));
            for pipeline in pipelines {
                device.destroy_pipeline(pipeline, None);
            }
            device.destroy_shader_module(module, None);
            device.destroy_pipeline_layout(layout, None);
            device.destroy_descriptor_set_layout(set, None);
            figures
        }
    }

    fn figures(&self, pipeline: vk::Pipeline) -> Result<Figures> {
        let executable = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline).executable_index(0);
        // SAFETY: the pipeline is alive and was made to capture statistics.
        let statistics = unsafe { self.executables.get_pipeline_executable_statistics(&executable) }?;
        let mut values = BTreeMap::new();
        for statistic in &statistics {
            if statistic.format == vk::PipelineExecutableStatisticFormatKHR::UINT64 {
                // SAFETY: the format says which member of the union was written.
                values.insert(statistic.name_as_c_str()?.to_string_lossy().into_owned(), unsafe {
                    statistic.value.u64
                });
            }
        }
        let value = |name: &str| {
            values.get(name).copied().with_context(|| format!("RADV does not say '{name}', only {values:?}"))
        };
        Ok(Figures {
            vgprs: value("VGPRs")?,
            spills: value("Spilled VGPRs")? + value("Spilled SGPRs")?,
            scratch: value("Scratch size")?,
            occupancy: value("Subgroups per SIMD")?,
            code: value("Code size")?,
            assembly: self.assembly(&executable)?,
        })
    }

    fn assembly(&self, executable: &vk::PipelineExecutableInfoKHR<'_>) -> Result<String> {
        let read = self.executables.fp().get_pipeline_executable_internal_representations_khr;
        let device = self.device.handle();
        let mut count = 0;
        // SAFETY: with no array the call only counts.
        unsafe { read(device, executable, &mut count, std::ptr::null_mut()) }.result()?;
        let mut parts = vec![vk::PipelineExecutableInternalRepresentationKHR::default(); count as usize];
        // SAFETY: there are `count` elements; without buffers of their own only their sizes are written.
        unsafe { read(device, executable, &mut count, parts.as_mut_ptr()) }.result()?;
        let mut texts: Vec<Vec<u8>> = parts.iter().map(|part| vec![0; part.data_size]).collect();
        for (part, text) in parts.iter_mut().zip(&mut texts) {
            part.p_data = text.as_mut_ptr().cast();
        }
        // SAFETY: each element's buffer has the size that the element says, and outlives the call.
        unsafe { read(device, executable, &mut count, parts.as_mut_ptr()) }.result()?;
        let is_assembly = |part: &vk::PipelineExecutableInternalRepresentationKHR<'_>| {
            part.name_as_c_str().is_ok_and(|name| name.to_string_lossy().contains("ssembly"))
        };
        let named = parts.iter().position(is_assembly);
        let found = named.and_then(|at| texts.get(at)).context("RADV gives no assembly")?;
        Ok(String::from_utf8_lossy(found).into_owned())
    }
}
