//! The shaders' tanh, sigmoid and ReLU over all of f32, on each adapter, against f64.
//!
//! The bounds are in u = 2⁻²⁴ relative to the result. tanh: the polynomial and the last operations round a few times, and
//! `exp` (3 + 2|x| ULP, <https://www.w3.org/TR/WGSL/#floating-point-accuracy>) and division (2.5 ULP) count at most
//! 0.45-fold where they are used. sigmoid: `exp`'s error counts 1/(1 + exp x)-fold, division's and the sum's once. Devices
//! may flush what is below 2⁻¹²⁶ to zero.

use wgpu_rnn::Gpu;
use wgpu_rnn::wgpu::{self, BufferUsages, util::DeviceExt};

use crate::harness::on_each_device;

const UNIT: f64 = 1.0 / (1u32 << 24) as f64;
const WORKGROUP: usize = 64;

const KERNEL: &str = concat!(
    include_str!("../shaders/activation.wgsl"),
    "
    @group(0) @binding(0) var<storage, read> arguments: array<f32>;
    @group(0) @binding(1) var<storage, read_write> results: array<vec4<f32>>;
    @compute @workgroup_size(64)
    fn activate(@builtin(global_invocation_id) id: vec3<u32>) {
        let x = arguments[id.x];
        results[id.x] = vec4<f32>(act_tanh(x), act_sigmoid(x), act_relu(x), 0.0);
    }
    "
);

/// Finite floats of both signs, evenly over the bit patterns, with every exponent and the edges of the formulas.
fn arguments() -> Vec<f32> {
    let mut arguments: Vec<f32> =
        (0..=u32::MAX).step_by(2039).map(f32::from_bits).filter(|x| x.is_finite()).collect();
    for edge in
        [0.0f32, 0.625, 9.010913, 9.02, 10.0, 17.0, 87.0, 88.8, 103.0, 104.0, f32::MIN_POSITIVE, f32::MAX]
    {
        for near in [edge.next_down(), edge, edge.next_up()] {
            arguments.extend([near, -near]);
        }
    }
    arguments.retain(|x| x.is_finite());
    arguments.resize(arguments.len().next_multiple_of(WORKGROUP), 1.0);
    arguments
}

/// What the adapter makes of each argument: tanh, sigmoid, ReLU.
fn activate(gpu: &Gpu, arguments: &[f32]) -> Vec<[f32; 4]> {
    let (device, queue) = (gpu.device(), gpu.queue());
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: None,
        source: wgpu::ShaderSource::Wgsl(KERNEL.into()),
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: None,
        compilation_options: Default::default(),
        cache: None,
    });
    let bytes: Vec<u8> = arguments.iter().flat_map(|x| x.to_ne_bytes()).collect();
    let from = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
        label: None,
        contents: &bytes,
        usage: BufferUsages::STORAGE,
    });
    let buffer = |usage| {
        let size = 4 * bytes.len() as u64;
        device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
    };
    let results = buffer(BufferUsages::STORAGE | BufferUsages::COPY_SRC);
    let download = buffer(BufferUsages::COPY_DST | BufferUsages::MAP_READ);
    let entries = [(0, &from), (1, &results)]
        .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() });
    let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &entries,
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    let mut pass = encoder.begin_compute_pass(&Default::default());
    pass.set_pipeline(&pipeline);
    pass.set_bind_group(0, &group, &[]);
    pass.dispatch_workgroups((arguments.len() / WORKGROUP) as u32, 1, 1);
    drop(pass);
    encoder.copy_buffer_to_buffer(&results, 0, &download, 0, None);
    queue.submit([encoder.finish()]);
    download.map_async(wgpu::MapMode::Read, .., |result| result.expect("the results are mapped"));
    device.poll(wgpu::PollType::wait_indefinitely()).expect("the device answers");
    let view = download.get_mapped_range(..).expect("the results are mapped");
    let floats: Vec<f32> = view
        .chunks_exact(4)
        .map(|bytes| f32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        .collect();
    floats.chunks_exact(4).map(|four| [four[0], four[1], four[2], four[3]]).collect()
}

/// The largest error as a multiple of `bound(x)` times u times the result, and the argument where it is.
fn worst(
    pairs: impl Iterator<Item = (f32, f32)>,
    exact: fn(f64) -> f64,
    bound: fn(f64) -> f64,
) -> (f64, f32) {
    let ratio = |(x, found): (f32, f32)| {
        let expected = exact(f64::from(x));
        let allowed = bound(f64::from(x)) * UNIT * expected.abs() + f64::from(f32::MIN_POSITIVE);
        let ratio = (f64::from(found) - expected).abs() / allowed;
        (if ratio.is_nan() { f64::INFINITY } else { ratio }, x)
    };
    pairs.map(ratio).fold((0.0, 0.0), |worst, next| if next.0 > worst.0 { next } else { worst })
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Of tanh: 6u, three ULP.
fn tanh_bound(_: f64) -> f64 {
    6.0
}

/// Of the sigmoid: the share of `exp` in the result times its error, and 8u for the rest.
fn sigmoid_bound(x: f64) -> f64 {
    8.0 + 2.0 * (3.0 + 2.0 * x.abs()) * (1.0 - sigmoid(x))
}

#[test]
fn activations_are_accurate_everywhere() {
    let arguments = arguments();
    assert!(arguments.len() > 2_000_000);
    on_each_device(|implementation, gpu| {
        let results = activate(gpu, &arguments);
        let column =
            |column: usize| arguments.iter().copied().zip(results.iter().map(move |all| all[column]));
        let (tanh, at) = worst(column(0), f64::tanh, tanh_bound);
        println!("{}: tanh uses {tanh:.3} of its bound at {at:e}", implementation.name);
        assert!(tanh <= 1.0, "{}: tanh({at:e}) is {tanh} times its bound away", implementation.name);
        let (ratio, at) = worst(column(1), sigmoid, sigmoid_bound);
        println!("{}: sigmoid uses {ratio:.3} of its bound at {at:e}", implementation.name);
        assert!(ratio <= 1.0, "{}: sigmoid({at:e}) is {ratio} times its bound away", implementation.name);
        let (relu, at) = worst(column(2), |x| x.max(0.0), |_| 0.0);
        assert!(relu <= 1.0, "{}: relu({at:e})", implementation.name);
        let saturated = column(0).filter(|(x, _)| x.abs() >= 9.02).all(|(x, found)| found == x.signum());
        assert!(saturated, "{}: tanh saturates at 1", implementation.name);
    });
}

#[test]
fn a_worse_formula_would_be_noticed() {
    let naive = |x: f32| (x, 1.0 - 2.0 / ((2.0 * x).exp() + 1.0));
    assert!(worst([naive(1e-3)].into_iter(), f64::tanh, tanh_bound).0 > 1.0);
    assert!(worst([(100.0, f32::NAN)].into_iter(), f64::tanh, tanh_bound).0 > 1.0);
    assert!(worst([(0.5, 0.622_460)].into_iter(), sigmoid, sigmoid_bound).0 > 1.0);
}
