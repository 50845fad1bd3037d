//! The kernels as text, for tools that inspect them without a GPU.

use std::collections::BTreeMap;

use super::{BUDGET, CallShape, Endpoints, Plan, Request, Strategy, parts, small};
use crate::gpu::Capabilities;
use crate::gpu::kernel::{KernelSpec, WeightsIn};
use crate::{Activation, Cell, Config, Precision};

/// A kernel as the library passes it to the GPU's compiler. See [`kernels`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct KernelSource {
    /// The unique name, such as `scan LSTM projected 64x8`. The numbers are the invocations of a workgroup
    /// and the rows of each invocation.
    pub name: String,
    /// The WGSL source.
    pub source: String,
    /// The function that is compiled.
    pub entry_point: &'static str,
    /// The names and values of the overrides.
    pub overrides: Vec<(&'static str, f64)>,
    /// The number of batch rows that an invocation computes.
    pub rows: u32,
    /// The precision of the stored weights.
    pub precision: Precision,
    /// Whether the kernel multiplies matrices; the others move states between a session and its passes, or
    /// copy vectors.
    pub is_product: bool,
    /// Whether the kernel keeps the recurrent weights in workgroup memory.
    pub on_chip: bool,
    /// Whether the kernel needs subgroups. Such kernels are planned only for software drivers that have
    /// subgroups. WGSL requires `enable subgroups;` before the source; the source omits it because naga does
    /// not know it.
    pub subgroups: bool,
}

/// Returns all kernels that a plan can use on an adapter with WebGPU's default limits, each with its
/// overrides, and the kernel `copy` of [`Layer::encode`](crate::Layer::encode). If kernels differ only
/// in the size of their workgroup memory, the list has only the largest. If hardware and software drivers get
/// different texts of one name, it has that of hardware.
///
/// The library compiles the kernels itself. This function is for tools that measure or translate them:
///
/// ```
/// for kernel in wgpu_rnn::inspect::kernels() {
///     println!("{}: fn {} with {:?}", kernel.name, kernel.entry_point, kernel.overrides);
/// }
/// ```
pub fn kernels() -> Vec<KernelSource> {
    let mut largest: BTreeMap<String, KernelSpec> = BTreeMap::new();
    for spec in planned().into_iter().chain([KernelSpec::copy(false)]) {
        let kept = largest.entry(spec.name.clone()).or_insert_with(|| spec.clone());
        if rank(kept) < rank(&spec) {
            *kept = spec;
        }
    }
    largest
        .into_values()
        .map(|spec| KernelSource {
            source: spec.source(),
            entry_point: spec.entry_point,
            overrides: spec.overrides(),
            rows: spec.tiling.rows,
            precision: spec.precision,
            is_product: spec.is_product,
            on_chip: spec.tiling.weights == WeightsIn::Workgroup,
            subgroups: spec.subgroups,
            name: spec.name,
        })
        .collect()
}

/// Returns what decides between kernels of one name: the text for hardware goes before that for software drivers.
fn rank(spec: &KernelSpec) -> (bool, u64) {
    (spec.overrides().contains(&("LOADS_AHEAD", 1.0)), spec.workgroup_bytes)
}

/// Returns the kernels of plans for sizes around every threshold, on hardware and on software drivers.
pub(in crate::gpu) fn planned() -> Vec<KernelSpec> {
    let mut specs = Vec::new();
    for size in [1, 17, 65, 255, 300, 1000] {
        let cells = [Config::rnn, Config::rnn_relu, Config::lstm, Config::gru].map(|cell| cell(3, size));
        // ONNX's additions do not depend on the size, so one size is enough for them.
        let others = if size == 65 { beyond_pytorch(size) } else { Vec::new() };
        let projected = Config::lstm(3, size + 1).proj_size(size);
        let reset_before = Config::gru(3, size).reset_after(false);
        for config in cells.into_iter().chain([projected, reset_before]).chain(others) {
            for &precision in Precision::ALL {
                for (software, subgroup_size) in [(false, 0), (true, 0), (true, 8)] {
                    let default = Capabilities::default();
                    let capabilities = Capabilities { software, subgroup_size, cores: 2, ..default };
                    specs.extend(of_layer(&config, precision, &capabilities));
                }
                // Hardware whose workgroups are too small to share items and tiles has other candidates.
                let few =
                    Capabilities { max_compute_invocations_per_workgroup: 63, ..Capabilities::default() };
                specs.extend(of_layer(&config, precision, &few));
            }
        }
    }
    // The largest layers in f32 whose invocations share items.
    for config in [Config::rnn(3, 128), Config::lstm(3, 64), Config::gru(3, 64)] {
        for &precision in Precision::ALL {
            specs.extend(of_layer(&config, precision, &Capabilities::default()));
        }
    }
    specs
}

/// Returns cells that PyTorch does not have: every activation function and every other addition of ONNX's
/// operators, alone and together.
fn beyond_pytorch(size: usize) -> Vec<Config> {
    let lstm = Config::lstm(3, size);
    let cells = [Config::rnn(3, size), lstm, Config::gru(3, size), Config::lstm(3, size + 1).proj_size(size)];
    let mut configs = vec![Config { peepholes: true, ..lstm }, Config { input_forget: true, ..lstm }];
    for cell in cells {
        let is_lstm = cell.cell == Cell::Lstm;
        configs.push(Config { clip: Some(0.5), ..cell });
        for &function in Activation::ALL {
            let all = cell.activations([cell.cell.activations(), [function; 3]]);
            configs.push(Config { peepholes: is_lstm, input_forget: is_lstm, ..all });
        }
    }
    configs
}

/// Returns the kernels of a layer's plans for several numbers of rows.
fn of_layer(config: &Config, precision: Precision, capabilities: &Capabilities) -> Vec<KernelSpec> {
    // There are no kernels for a size that exceeds the limits.
    let Ok(parts) = parts(config, precision, capabilities) else { return Vec::new() };
    let parts = &parts[..];
    // `scan` puts several rows into a workgroup only if there are enough rows for all cores.
    let plans = [1, 3, 9, 30, 100, 5000].into_iter().flat_map(|rows| {
        let endpoints = Endpoints::Session { rows: small(rows) };
        let size = CallShape { rows, steps: 1, budget: BUDGET, endpoints };
        let request = Request::new(config, precision, parts, capabilities, size);
        Strategy::ALL.iter().filter_map(move |strategy| Plan::candidates(&request, *strategy).ok()).flatten()
    });
    plans.flat_map(|plan| plan.kernels).collect()
}
