//! WGSL to SPIR-V, as wgpu does it for a trusted module.

use anyhow::{Result, anyhow};
use naga::back::{pipeline_constants, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, ShaderStage};
use wgpu_rnn::inspect::KernelSource;

/// A kernel that a Vulkan driver can compile.
pub(crate) struct Spirv {
    pub(crate) words: Vec<u32>,
    pub(crate) entry_point: &'static str,
    /// Binding numbers of group 0, and whether each is a uniform buffer.
    pub(crate) bindings: Vec<(u32, bool)>,
}

pub(crate) fn compile(kernel: &KernelSource) -> Result<Spirv> {
    let module = naga::front::wgsl::parse_str(&kernel.source)
        .map_err(|error| anyhow!(error.emit_to_string(&kernel.source)))?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::SHADER_FLOAT16_IN_FLOAT32)
        .validate(&module)
        .map_err(|error| anyhow!(error.emit_to_string(&kernel.source)))?;
    let constants = kernel.overrides.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    let entry = Some((ShaderStage::Compute, kernel.entry_point));
    let (module, info) = pipeline_constants::process_overrides(&module, &info, entry, &constants)?;
    let unchecked = BoundsCheckPolicy::Unchecked;
    let options = spv::Options {
        lang_version: (1, 3),
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        bounds_check_policies: BoundsCheckPolicies {
            index: unchecked,
            buffer: unchecked,
            image_load: unchecked,
            binding_array: unchecked,
        },
        force_loop_bounding: false,
        ..spv::Options::default()
    };
    let entry_point = kernel.entry_point.to_owned();
    let pipeline = spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point };
    let bindings = module.global_variables.iter().filter_map(|(_, variable)| {
        let binding = variable.binding.as_ref()?;
        Some((binding.binding, variable.space == AddressSpace::Uniform))
    });
    Ok(Spirv {
        words: spv::write_vec(&module, &info, &options, Some(&pipeline))?,
        entry_point: kernel.entry_point,
        bindings: bindings.collect(),
    })
}
