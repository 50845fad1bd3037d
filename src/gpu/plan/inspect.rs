//! The kernels as text, for tools that inspect them without a GPU.

use std::collections::HashMap;

use super::{BUDGET, Endpoints, Plan, Request, Strategy, parts};
use crate::gpu::Capabilities;
use crate::gpu::kernel::{COPY_UNITS, Kernel, KernelSpec, Kind};
use crate::{Activation, Activations, Cell, Config, Nonlinearity, Precision};

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
/// in the size of their workgroup memory, the list has only the largest.
///
/// The library compiles the kernels itself. This function is for tools that measure or translate them:
///
/// ```
/// for kernel in wgpu_rnn::inspect::kernels() {
///     println!("{}: fn {} with {:?}", kernel.name, kernel.entry_point, kernel.overrides);
/// }
/// ```
pub fn kernels() -> Vec<KernelSource> {
    let mut largest: HashMap<String, KernelSpec> = HashMap::new();
    for spec in planned() {
        let kept = largest.entry(name(&spec)).or_insert(spec);
        if (kept.memory.state, kept.memory.wide_state) < (spec.memory.state, spec.memory.wide_state) {
            *kept = spec;
        }
    }
    let mut kernels: Vec<KernelSource> = largest
        .into_iter()
        .map(|(name, spec)| KernelSource {
            name,
            source: Kernel::Planned(spec).source(),
            entry_point: spec.entry_point(),
            overrides: spec.overrides(),
            rows: spec.tiling.rows,
            precision: spec.precision,
            is_product: spec.kind.is_product(),
            on_chip: spec.tiling.on_chip,
            subgroups: spec.subgroups,
        })
        .chain([copy()])
        .collect();
    kernels.sort_by(|a, b| a.name.cmp(&b.name));
    kernels
}

fn copy() -> KernelSource {
    let kernel = Kernel::Copy { checked: false };
    KernelSource {
        name: format!("{} {COPY_UNITS}x1", kernel.entry_point()),
        source: kernel.source(),
        entry_point: kernel.entry_point(),
        overrides: kernel.overrides(),
        rows: 1,
        precision: Precision::F32,
        is_product: false,
        on_chip: false,
        subgroups: false,
    }
}

const EVERY_FUNCTION: [Activation; 11] = [
    Activation::Relu,
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Affine { alpha: 0.5, beta: 0.1 },
    Activation::LeakyRelu { alpha: 0.1 },
    Activation::ThresholdedRelu { alpha: 0.3 },
    Activation::ScaledTanh { alpha: 1.7, beta: 0.6 },
    Activation::HardSigmoid { alpha: 0.2, beta: 0.5 },
    Activation::Elu { alpha: 1.1 },
    Activation::Softsign,
    Activation::Softplus,
];

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
            }
        }
    }
    specs
}

/// Returns cells that PyTorch does not have: every activation function and every other addition of ONNX's
/// operators, alone and together.
fn beyond_pytorch(size: usize) -> Vec<Config> {
    let lstm = Config::lstm(3, size);
    let cells = [Config::rnn(3, size), lstm, Config::gru(3, size), Config::lstm(3, size + 1).proj_size(size)];
    let mut configs = vec![lstm.peepholes(true), lstm.input_forget(true)];
    for cell in cells {
        let is_lstm = cell.cell == Cell::Lstm;
        let own = Activations::of(cell.cell);
        configs.push(cell.clip(Some(0.5)));
        for function in EVERY_FUNCTION {
            let all = cell.activations([own, Activations { f: function, g: function, h: function }]);
            configs.push(all.peepholes(is_lstm).input_forget(is_lstm));
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
        let (steps, budget, bounds_checks) = (1, BUDGET, false);
        let endpoints = Endpoints::Session { rows: u32::try_from(rows).unwrap_or(u32::MAX) };
        let request =
            Request { config, precision, parts, rows, steps, capabilities, budget, bounds_checks, endpoints };
        Strategy::ALL.iter().filter_map(move |strategy| Plan::candidates(&request, *strategy).ok()).flatten()
    });
    plans.flat_map(|plan| plan.kernels).collect()
}

fn name(spec: &KernelSpec) -> String {
    let mut words = vec![spec.entry_point().to_owned()];
    match (spec.kind, spec.cell) {
        (Kind::Projection | Kind::Candidate | Kind::Gather | Kind::Scatter, _) => {}
        (Kind::Step | Kind::Scan, Cell::Rnn(Nonlinearity::Relu)) => words.push("RNN relu".into()),
        (_, cell) => words.push(cell.to_string()),
    }
    // `scan` is always hoisted.
    if spec.hoisted && spec.kind != Kind::Scan {
        words.push("hoisted".into());
    }
    let resets_before = spec.resets_before();
    if resets_before && spec.kind != Kind::Candidate {
        words.push("reset before".into());
    } else if spec.variant.is_some() {
        words.push("any".into());
    }
    if spec.two_products && !resets_before {
        words.push("projected".into());
    }
    if spec.precision == Precision::F16 {
        words.push("f16".into());
    }
    if spec.subgroups {
        words.push("subgroups".into());
    }
    if spec.kind.is_product() {
        words.push(spec.tiling.to_string());
    }
    words.join(" ")
}
