//! The kernels without a GPU: each one is parsed, validated, specialised and translated, and held against the
//! limits of the baseline.

mod spirv;
mod translated;

use std::collections::HashSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use naga::proc::Layouter;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage, TypeInner};

use super::*;
use crate::gpu::plan::planned;

/// Every kernel that plans over sizes around every edge choose, and the one for copies.
static EVERY_KERNEL: LazyLock<Vec<KernelSpec>> = LazyLock::new(|| {
    let mut kernels: Vec<KernelSpec> = planned().into_iter().collect::<HashSet<_>>().into_iter().collect();
    kernels.sort_by_cached_key(|kernel| format!("{kernel:?}"));
    kernels.push(KernelSpec::copy(false));
    kernels
});

fn called(entry_point: &str) -> &'static KernelSpec {
    EVERY_KERNEL.iter().find(|kernel| kernel.entry_point == entry_point).unwrap()
}

fn parse(kernel: &KernelSpec) -> (Module, ModuleInfo) {
    let source = kernel.source();
    let module = naga::front::wgsl::parse_str(&source).unwrap_or_else(|error| {
        panic!("{kernel:?}: {}", error.emit_to_string(&source));
    });
    // No capability beyond the baseline's, of which unpack2x16float is one, unless the device is known to have it.
    let mut capabilities = Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    capabilities.set(Capabilities::SUBGROUP, kernel.subgroups);
    let mut validator = Validator::new(ValidationFlags::all(), capabilities);
    if kernel.subgroups {
        validator.subgroup_stages(naga::valid::ShaderStages::COMPUTE);
        validator.subgroup_operations(naga::valid::SubgroupOperationSet::all());
    }
    let info = validator.validate(&module);
    let info = info.unwrap_or_else(|error| panic!("{kernel:?}: {}", error.emit_to_string(&source)));
    (module, info)
}

/// The module with the overrides' values in place, as a driver gets it.
fn specialise(kernel: &KernelSpec) -> (Module, ModuleInfo) {
    let (module, info) = parse(kernel);
    let constants = kernel.overrides().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let entry = Some((ShaderStage::Compute, kernel.entry_point));
    let (module, info) = naga::back::pipeline_constants::process_overrides(&module, &info, entry, &constants)
        .unwrap_or_else(|error| panic!("{kernel:?}: {error}"));
    (module.into_owned(), info.into_owned())
}

#[test]
fn every_kernel_and_tiling_is_tested() {
    for entry_point in ["input_product", "step", "projection", "candidate", "scan"] {
        for rows in [1, 8] {
            for units in [16, 64] {
                let found = EVERY_KERNEL.iter().any(|kernel| {
                    let Tiling { units: own_units, rows: own_rows, .. } = kernel.tiling;
                    kernel.entry_point == entry_point && (own_units, own_rows) == (units, rows)
                });
                assert!(found, "{entry_point} with {units} invocations of {rows} rows");
            }
        }
    }
}

/// Offsets of the members of a WGSL struct.
fn members(module: &Module, name: &str) -> Vec<(String, u32)> {
    let found = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some(name));
    match &found.unwrap_or_else(|| panic!("no struct {name}")).1.inner {
        TypeInner::Struct { members, .. } => {
            members.iter().map(|member| (member.name.clone().unwrap_or_default(), member.offset)).collect()
        }
        other => panic!("{name} is {other:?}"),
    }
}

macro_rules! offsets {
    ($name:ident { $($field:ident),* $(,)? }) => {{
        // Names every field, so that one that is added must be added here.
        let $name { $($field: _),* } = $name::default();
        vec![$((stringify!($field).to_owned(), u32::try_from(std::mem::offset_of!($name, $field)).unwrap())),*]
    }};
}

#[test]
fn parameters_have_the_shaders_offsets() {
    let (module, _) = parse(called("step"));
    let dims = offsets!(LayerDims {
        rows,
        steps,
        hidden_size,
        hidden_output_size,
        directions,
        layers,
        input_quads,
        hidden_quads,
        first_in_weights,
        first_layer_weights,
        upper_layer_weights,
        first_reverse,
        first_unit,
        cell_size,
    });
    assert_eq!(members(&module, "LayerDims"), dims);
    assert_eq!(
        members(&module, "DispatchParams"),
        offsets!(DispatchParams { first, step, count, chunk, output_stride, diagonal })
    );
    let (module, _) = parse(called("gather"));
    assert_eq!(
        members(&module, "Exchange"),
        offsets!(Exchange { slots, capacity, layers, hidden_quads, cell_size, parity })
    );
    let (module, _) = parse(called("copy"));
    assert_eq!(
        members(&module, "Vectors"),
        offsets!(Vectors { first, count, from_size, to_size, most, padding })
    );
}

#[test]
fn the_shaders_constants_are_the_planners() {
    let text = called("step").source();
    assert!(text.contains(&format!("const MAX_ROWS = {MAX_ROWS}u;")));
    for entry_point in ["input_product", "step"] {
        let is_tiled = |kernel: &&KernelSpec| {
            kernel.entry_point == entry_point && kernel.tiling.weights == WeightsIn::Tiles
        };
        let tiled = EVERY_KERNEL.iter().find(is_tiled).unwrap();
        let (text, Tiling { units, rows, .. }, across) =
            (tiled.source(), tiled.tiling, tiled.tiling.across());
        assert!(text.contains(&format!("const TALL = {}u;", tiled.tiling.rows_of_workgroup())));
        // An invocation loads one quad of the vectors of a block, and two of the weights.
        assert_eq!((units, across), (8 * across, 4 * rows));
        if entry_point == "input_product" {
            assert!(text.contains(&format!("const WIDE = {}u;", 4 * across)));
        }
    }
    assert!(EVERY_KERNEL.iter().any(|kernel| kernel.tiling.weights == WeightsIn::Parts));
    let in_blocks = EVERY_KERNEL.iter().find(|kernel| kernel.tiling.weights == WeightsIn::Blocks).unwrap();
    assert!(in_blocks.source().contains(&format!("const AT_ONCE = {BLOCKS_AT_ONCE}u;")));
    assert!(in_blocks.source().contains(&format!("const HALF = {BLOCKS_UNITS}u;")));
    let text = called("gather").source();
    assert!(text.contains(&format!("const FRESH = {FRESH:#x}u;")));
    assert!(text.contains(&format!("const NOBODY = {NOBODY:#x}u;")));
}

/// A variable that is declared in a loop is to be zero each time round, but compilers forget it unless the zero is written:
/// naga did (<https://github.com/gfx-rs/wgpu/issues/9489>), and Chromium's WebGPU on SwiftShader does.
#[test]
fn variables_are_initialised_in_so_many_words() {
    let bare = |line: &&str| line.trim_start().starts_with("var ") && !line.contains('=');
    for kernel in EVERY_KERNEL.iter() {
        let source = kernel.source();
        let found: Vec<&str> = source.lines().filter(bare).collect();
        assert!(found.is_empty(), "{kernel:?}: {found:?}");
    }
}

/// Chrome's compiler checks more than naga does, uniformity of barriers among it. It is not installed everywhere.
#[test]
fn tint_accepts_every_source() {
    if Command::new("tint").arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        println!("tint is not installed: nothing checked");
        return;
    }
    let dir = std::env::temp_dir().join(format!("wgpu-rnn-tint-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    // The values of the constants are checked when the kernels are translated.
    let mut seen = HashSet::new();
    for kernel in EVERY_KERNEL.iter().filter(|kernel| seen.insert(kernel.source())) {
        let path = dir.join("kernel.wgsl");
        let mut file = std::fs::File::create(&path).unwrap();
        if kernel.subgroups {
            writeln!(file, "enable subgroups;").unwrap();
        }
        file.write_all(kernel.source().as_bytes()).unwrap();
        let overrides: Vec<String> =
            kernel.overrides().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut tint = Command::new("tint");
        tint.args(["--format", "wgsl"]).arg(&path);
        if !overrides.is_empty() {
            tint.args(["--overrides", &overrides.join(",")]);
        }
        let output = tint.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !errors.contains("error:"), "{kernel:?}: {errors}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
}
