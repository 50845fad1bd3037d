//! Adapters that are not there or lack something, and layers and batches that no GPU can hold.

use wgpu_rnn::wgpu::{self, DeviceType, Limits};
use wgpu_rnn::{
    AdapterChoice, Backend, Config, Gpu, Layer, LayerOptions, LimitsChoice, Weights, auto,
    inspect::{Capabilities, PlanReport},
};

use super::{Row, row};
use crate::harness;
use crate::limits::{adapter, reopened, tiny};

const BUFFERS: &str = "storage buffers per shader stage: expected at least 8, found 1";

pub fn rows() -> Vec<Row> {
    let mut rows = not_there();
    rows.extend(plans());
    rows.extend(on_a_gpu());
    rows
}

/// An adapter that is not there is told with those that are.
fn not_there() -> Vec<Row> {
    let adapters = Gpu::adapters();
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
    let with_limits = pollster::block_on(Gpu::request_with_limits(&name, &LimitsChoice::Baseline));
    vec![
        row("Gpu::new", Gpu::new(&AdapterChoice::Index(999)), text("adapter 999")),
        row("Gpu::new", Gpu::new(&name), &*of_name),
        row("Gpu::request", pollster::block_on(Gpu::request(&name)), &*of_name),
        row("Gpu::request_with_limits", with_limits, &*of_name),
    ]
}

/// What needs no GPU: a device described by its limits.
fn plans() -> Vec<Row> {
    let options = LayerOptions::default();
    let plan = |config: Config, rows, steps, options: &LayerOptions| {
        PlanReport::new(&config, rows, steps, &Capabilities::default(), options)
    };
    let gru = Config::gru(4, 4);
    let mut poor = Capabilities::default();
    poor.max_storage_buffers_per_shader_stage = 1;
    let adapter = auto::Adapter::new("poor", DeviceType::DiscreteGpu, poor);
    vec![
        row("Adapter::check", adapter.check(), BUFFERS),
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
            plan(Config::gru(4, 4096), 1, 1, &options),
            "bytes of weights of one direction of layer 0: expected at most 134217728, found 201588736",
        ),
        row(
            "PlanReport::new",
            plan(gru.num_layers(1 << 40), 1, 1, &options),
            "bytes of hidden state: expected at most 134217728, found 17592186044416",
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
    let choice = LimitsChoice::Exactly(Box::new(few.clone()));
    let (device, queue) = open(gpu, few);
    let small = reopened(gpu, tiny().or_worse_values_from(&own));
    let wide = Weights::seeded(Config::lstm(64, 64), 0).unwrap();
    vec![
        row(
            "Gpu::request_with_limits",
            pollster::block_on(Gpu::request_with_limits(&adapter(gpu), &choice)),
            BUFFERS,
        ),
        row("Gpu::from_device", Gpu::from_device(device, queue), BUFFERS),
        row(
            "Layer::new",
            Layer::new(&wide, Backend::Gpu(small.clone())),
            "bytes of weights of one direction of layer 0: expected at most 16384, found 132096",
        ),
        row(
            "Layer::new_async",
            pollster::block_on(Layer::new_async(&wide, Backend::Gpu(small))),
            "bytes of weights of one direction of layer 0: expected at most 16384, found 132096",
        ),
    ]
}

/// A device of the caller's on the same adapter.
fn open(gpu: &Gpu, required_limits: Limits) -> (wgpu::Device, wgpu::Queue) {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let adapter =
        adapters.into_iter().find(|adapter| adapter.get_info() == *gpu.info()).expect("the adapter");
    let descriptor = wgpu::DeviceDescriptor { required_limits, ..Default::default() };
    pollster::block_on(adapter.request_device(&descriptor)).expect("a device")
}
