//! Every kernel in each language that wgpu hands to drivers, and the baseline's limits held against what it says there.

use naga::back::{glsl, hlsl, msl, spv};
use naga::proc::BoundsCheckPolicies;

use super::*;

/// What a kernel takes of a device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Needs {
    pub(super) invocations: u32,
    pub(super) workgroup_bytes: u32,
    pub(super) storage_buffers: usize,
    pub(super) uniform_buffers: usize,
}

impl Needs {
    fn of(module: &Module) -> Self {
        let mut layouter = Layouter::default();
        layouter.update(module.to_ctx()).unwrap();
        let of = |space: fn(&AddressSpace) -> bool| {
            module.global_variables.iter().map(|(_, variable)| variable).filter(move |v| space(&v.space))
        };
        Needs {
            invocations: module.entry_points[0].workgroup_size.iter().product(),
            workgroup_bytes: of(|space| *space == AddressSpace::WorkGroup).map(|v| layouter[v.ty].size).sum(),
            storage_buffers: of(|space| matches!(space, AddressSpace::Storage { .. })).count(),
            uniform_buffers: of(|space| *space == AddressSpace::Uniform).count(),
        }
    }
}

fn spirv(module: &Module, info: &ModuleInfo, entry_point: &str) -> Needs {
    let options =
        spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: entry_point.to_owned() };
    let words = spv::write_vec(module, info, &spv::Options::default(), Some(&options)).unwrap();
    spirv::needs(&words)
}

fn hlsl(module: &Module, info: &ModuleInfo, entry_point: &str) -> Needs {
    let mut text = String::new();
    let of_pipeline =
        hlsl::PipelineOptions { entry_point: Some((ShaderStage::Compute, entry_point.to_owned())) };
    let options = hlsl::Options::default();
    hlsl::Writer::new(&mut text, &options, &of_pipeline).write(module, info, None).unwrap();
    let threads = between(&text, "[numthreads(", ")]").unwrap();
    Needs {
        invocations: threads.split(',').map(number).product(),
        workgroup_bytes: declared(&text, "groupshared "),
        storage_buffers: text
            .lines()
            .filter(|line| line.contains("ByteAddressBuffer ") && line.contains(" : register("))
            .count(),
        uniform_buffers: text.lines().filter(|line| line.starts_with("cbuffer ")).count(),
    }
}

fn glsl(module: &Module, info: &ModuleInfo, entry_point: &str) -> Needs {
    let mut text = String::new();
    let of_pipeline = glsl::PipelineOptions {
        shader_stage: ShaderStage::Compute,
        entry_point: entry_point.to_owned(),
        multiview: None,
    };
    let options = glsl::Options::default();
    glsl::Writer::new(&mut text, module, info, &options, &of_pipeline, BoundsCheckPolicies::default())
        .unwrap()
        .write()
        .unwrap();
    let sizes = ["x", "y", "z"].map(|side| {
        let size = text.split_once(&format!("local_size_{side} = ")).unwrap().1;
        number(&size[..size.find([',', ')']).unwrap()])
    });
    let blocks =
        |kind: &str| text.lines().filter(|line| line.starts_with("layout(") && line.contains(kind)).count();
    Needs {
        invocations: sizes.iter().product(),
        workgroup_bytes: declared(&text, "shared "),
        storage_buffers: blocks(" buffer "),
        uniform_buffers: blocks(" uniform "),
    }
}

/// MSL leaves the number of invocations to the dispatch: the module's stands for it.
fn msl(module: &Module, info: &ModuleInfo, entry_point: &str) -> Needs {
    let of_pipeline = msl::PipelineOptions {
        entry_point: Some((ShaderStage::Compute, entry_point.to_owned())),
        ..Default::default()
    };
    let options = msl::Options { lang_version: (2, 0), ..Default::default() };
    let mut writer = msl::Writer::new(String::new());
    writer.write(module, info, &options, &of_pipeline).unwrap();
    let text = writer.finish();
    let signature = between(&text, "kernel void ", "\n) {").unwrap();
    let arguments = |space: &'static str| {
        signature.lines().filter_map(move |line| line.trim_start_matches([',', ' ']).strip_prefix(space))
    };
    let bytes = |argument: &str| {
        let ty = argument.split(['&', ' ']).next().unwrap();
        // An array is a structure with one member.
        let array = between(&text, &format!("struct {ty} {{\n"), ";\n}");
        let (ty, name) = array.map_or((ty, ""), |array| array.trim().split_once(' ').unwrap());
        let alias =
            text.lines().find_map(|line| line.strip_prefix("typedef ")?.strip_suffix(&format!(" {ty};")));
        declaration(&format!("{} {name}", alias.unwrap_or(ty)))
    };
    let is_ours = |argument: &&str| !argument.contains("_buffer_sizes");
    Needs {
        invocations: Needs::of(module).invocations,
        workgroup_bytes: arguments("threadgroup ").map(bytes).sum(),
        storage_buffers: arguments("device ").count(),
        uniform_buffers: arguments("constant ").filter(is_ours).count(),
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    Some(text.split_once(before)?.1.split_once(after)?.0)
}

fn number(text: &str) -> u32 {
    text.trim().parse().unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// Bytes of the variables whose declarations begin like that.
fn declared(text: &str, keyword: &str) -> u32 {
    text.lines()
        .filter_map(|line| line.strip_prefix(keyword))
        .map(|line| declaration(line.trim_end_matches(';')))
        .sum()
}

/// Bytes of `vec4 name[3][4]`.
fn declaration(text: &str) -> u32 {
    let (ty, name) = text.split_once(' ').unwrap();
    let sides = name.split('[').skip(1).map(|side| number(side.trim_end_matches(']')));
    size_of_type(ty) * sides.product::<u32>()
}

fn size_of_type(ty: &str) -> u32 {
    match ty.trim_start_matches("metal::") {
        "float" | "uint" | "int" => 4,
        "float2" | "vec2" | "uint2" | "uvec2" => 8,
        "float4" | "vec4" | "uint4" | "uvec4" => 16,
        other => panic!("how large is {other}?"),
    }
}

type Language = (&'static str, fn(&Module, &ModuleInfo, &str) -> Needs);

const LANGUAGES: [Language; 4] = [("SPIR-V", spirv), ("MSL", msl), ("HLSL", hlsl), ("GLSL", glsl)];

#[test]
fn every_kernel_translates_and_fits_the_baseline_in_every_language() {
    let baseline = wgpu::Limits::default();
    for kernel in EVERY_KERNEL.iter() {
        let (module, info) = specialise(kernel);
        let own = Needs::of(&module);
        for (language, translate) in LANGUAGES {
            let needs = translate(&module, &info, kernel.entry_point);
            assert_eq!(needs, own, "{kernel:?} in {language}");
        }
        let Needs { invocations, workgroup_bytes, storage_buffers, uniform_buffers } = own;
        let [x, y, z] = module.entry_points[0].workgroup_size;
        assert!(x <= baseline.max_compute_workgroup_size_x && (y, z) == (1, 1), "{kernel:?}: {x} {y} {z}");
        // Kernels with weights in registers are for software drivers, which say what they have. The others keep to less.
        let (most, most_bytes) = match kernel.tiling.weights {
            WeightsIn::Registers => {
                (baseline.max_compute_invocations_per_workgroup, baseline.max_compute_workgroup_storage_size)
            }
            WeightsIn::Parts | WeightsIn::Tiles | WeightsIn::Blocks => (TILED_UNITS, WORKGROUP_BYTES),
            WeightsIn::Buffer | WeightsIn::Workgroup => (MAX_UNITS, WORKGROUP_BYTES),
        };
        assert!((MAX_ROWS..=most).contains(&invocations), "{kernel:?}: {invocations} invocations");
        assert!(invocations <= baseline.max_compute_invocations_per_workgroup);
        assert!(
            (workgroup_bytes > 0 || kernel.subgroups || !kernel.is_product) && workgroup_bytes <= most_bytes,
            "{kernel:?}: {workgroup_bytes} bytes of workgroup memory"
        );
        assert!(u64::from(workgroup_bytes) <= kernel.workgroup_bytes, "{kernel:?}: {workgroup_bytes} bytes");
        assert!(WORKGROUP_BYTES <= baseline.max_compute_workgroup_storage_size);
        assert!(storage_buffers <= STORAGE_BUFFERS as usize, "{kernel:?}: {storage_buffers} storage buffers");
        assert!(STORAGE_BUFFERS <= baseline.max_storage_buffers_per_shader_stage);
        assert!(uniform_buffers <= baseline.max_uniform_buffers_per_shader_stage as usize, "{kernel:?}");
    }
    // Past the runner's capture: a run that passes says how many there were.
    let languages = LANGUAGES.map(|(language, _)| language).join(", ");
    let _ = writeln!(
        std::io::stderr(),
        "wgpu-rnn tests: {} kernels translated to {languages}",
        EVERY_KERNEL.len()
    );
}
