//! Adapters that are not there or lack something, and layers and batches that no GPU can hold.

use wgpu_rnn::wgpu::Limits;
use wgpu_rnn::{AdapterChoice, Backend, Config, Gpu, Layer, LayerOptions, Weights, inspect::PlanReport};

use super::{Row, row};
use crate::harness::{self, opened::reopened};
use crate::limits::tiny;

const BUFFERS: &str = "storage buffers per shader stage: expected at least 8, found 1";

pub fn rows() -> Vec<Row> {
    let mut rows = not_there();
    rows.extend(plans());
    rows.extend(on_a_gpu());
    rows
}

/// An adapter that is not there is told with those that are.
fn not_there() -> Vec<Row> {
    let adapters = pollster::block_on(Gpu::adapters());
    let named = adapters.iter().enumerate();
    let listed: Vec<String> =
        named.map(|(index, info)| format!("{index}: {} ({})", info.name, info.backend)).collect();
    let found = match listed.is_empty() {
        true => "none (is a Vulkan, Metal, DX12 or GL driver installed?)".into(),
        false => listed.join(", "),
    };
    let name = AdapterChoice::Name("no such adapter".into());
    let text = |wanted: &str| format!("no GPU adapter: expected {wanted}, found {found}");
    let of_name = text("an adapter whose name contains \"no such adapter\"");
    vec![
        row("Gpu::new", Gpu::new(&AdapterChoice::Index(999)), text("adapter 999")),
        row("Gpu::new", Gpu::new(&name), &*of_name),
        row("Gpu::new_async", pollster::block_on(Gpu::new_async(&name)), of_name),
    ]
}

/// What needs no GPU: a device described by its limits.
fn plans() -> Vec<Row> {
    let options = LayerOptions::default();
    let plan = |config: Config, rows, steps, options: &LayerOptions| {
        PlanReport::new(&config, rows, steps, &Limits::default(), options)
    };
    let gru = Config::gru(4, 4);
    let poor = Limits { max_storage_buffers_per_shader_stage: 1, ..Limits::default() };
    vec![
        row("PlanReport::new", PlanReport::new(&gru, 1, 1, &poor, &options), BUFFERS),
        row(
            "PlanReport::new",
            plan(Config::lstm(5, 2).proj_size(2), 1, 1, &options),
            "proj_size has to be smaller than hidden_size (2), found 2",
        ),
        row(
            "PlanReport::new",
            plan(gru, 1, 0, &options),
            "input: Expected sequence length to be larger than 0 in RNN, found 0",
        ),
        row(
            "PlanReport::new",
            plan(gru, 1, 1 << 40, &options),
            "steps: expected at most 4294967295, found 1099511627776",
        ),
        row(
            "PlanReport::new",
            plan(Config::lstm(4, 4096).proj_size(2048), 1, 1, &options),
            "bytes of weights of one direction of layer 0: expected at most 134217728, found 168099840",
        ),
        row(
            "PlanReport::new",
            plan(gru.num_layers(1 << 40), 1, 1, &options),
            "num_layers must be at most 65536, found 1099511627776",
        ),
    ]
}

/// Rows that take an adapter.
fn on_a_gpu() -> Vec<Row> {
    let gpus = harness::adapters();
    let mut rows = Vec::new();
    for gpu in &gpus {
        let weights = Weights::seeded(Config::gru(4, 4), 0).unwrap();
        let layer = Layer::new(&weights, Backend::Gpu((*gpu).clone())).unwrap();
        let steps = "input: Expected sequence length to be larger than 0 in RNN, found 0";
        rows.push(row("Layer::plan", layer.plan(1, 0), steps));
        rows.extend(too_little(gpu));
    }
    if gpus.is_empty() {
        let functions = ["Layer::plan", "Layer::new", "Layer::new_async", "Gpu::from_device"];
        rows.extend(functions.map(|function| Row { function, found: None, expected: String::new() }));
    }
    rows
}

/// Devices that have less than the kernels need, or than the weights do.
fn too_little(gpu: &Gpu) -> Vec<Row> {
    let own = gpu.device().limits();
    let few = Limits { max_storage_buffers_per_shader_stage: 1, ..tiny() }.or_worse_values_from(&own);
    let small = reopened(gpu, tiny().or_worse_values_from(&own)).expect("a device that is good enough");
    let wide = Weights::seeded(Config::lstm(64, 64).proj_size(32), 0).unwrap();
    vec![
        row("Gpu::from_device", reopened(gpu, few), BUFFERS),
        row(
            "Layer::new",
            Layer::new(&wide, Backend::Gpu(small.clone())),
            "bytes of weights of one direction of layer 0: expected at most 16384, found 107520",
        ),
        row(
            "Layer::new_async",
            pollster::block_on(Layer::new_async(&wide, Backend::Gpu(small))),
            "bytes of weights of one direction of layer 0: expected at most 16384, found 107520",
        ),
    ]
}
