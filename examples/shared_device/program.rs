//! A program with a device of its own: a pass that makes features, a recurrent layer, a pass that takes the mean of its
//! output, in one submission.

use std::error::Error;

use wgpu_rnn::ndarray::{Array2, Array3, Axis};
use wgpu_rnn::wgpu::{
    self, Buffer, BufferUsages, CommandEncoder, ComputePipeline, Device, MapMode, PollType, Queue,
};
use wgpu_rnn::{Backend, Config, Gpu, GpuBuffers, Input, Layer, Precision, Weights, tolerance};

/// N and T.
pub(crate) const BATCH: usize = 4;
pub(crate) const STEPS: usize = 50;
const INPUT_SIZE: usize = 40;

/// A layer; its weights would come from a file.
pub(crate) fn weights() -> Result<Weights, wgpu_rnn::Error> {
    Weights::seeded(Config::gru(INPUT_SIZE, 32).bidirectional(true), 0)
}

/// Runs everything on the GPU and reads back the means `[N, D*H_out]`, and nothing else.
pub(crate) fn run(device: &Device, queue: &Queue, weights: &Weights) -> Result<Array2<f32>, Box<dyn Error>> {
    // The layer is given the program's device; it takes no other.
    let gpu = Gpu::from_device(device.clone(), queue.clone())?;
    let layer = Layer::new(weights, Backend::Gpu(gpu))?;
    let size = weights.config().output_size();
    let buffer = |floats: usize, usage| {
        let (label, size, mapped_at_creation) = (None, 4 * floats as u64, false);
        device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation })
    };
    let features = buffer(BATCH * STEPS * INPUT_SIZE, BufferUsages::STORAGE);
    let output = buffer(BATCH * STEPS * size, BufferUsages::STORAGE);
    let means = buffer(BATCH * size, BufferUsages::STORAGE | BufferUsages::COPY_SRC);
    let download = buffer(BATCH * size, BufferUsages::COPY_DST | BufferUsages::MAP_READ);

    let sizes = [("BATCH", BATCH as f64), ("STEPS", STEPS as f64)];
    let make_features = pipeline(
        device,
        include_str!("features.wgsl"),
        &[sizes[0], sizes[1], ("INPUT_SIZE", INPUT_SIZE as f64)],
    );
    let mean =
        pipeline(device, include_str!("mean.wgsl"), &[sizes[0], sizes[1], ("OUTPUT_SIZE", size as f64)]);

    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    pass(device, &mut encoder, &make_features, &[&features], BATCH * STEPS * INPUT_SIZE);
    let (input, result) = (features.as_entire_buffer_binding(), output.as_entire_buffer_binding());
    layer.encode(&mut encoder, &GpuBuffers::new(BATCH, STEPS, input, result))?;
    pass(device, &mut encoder, &mean, &[&output, &means], BATCH * size);
    encoder.copy_buffer_to_buffer(&means, 0, &download, 0, download.size());
    queue.submit([encoder.finish()]);

    read(device, &download, size)
}

fn pipeline(device: &Device, source: &str, constants: &[(&str, f64)]) -> ComputePipeline {
    let source = wgpu::ShaderSource::Wgsl(source.into());
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
    device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: None,
        compilation_options: wgpu::PipelineCompilationOptions { constants, ..Default::default() },
        cache: None,
    })
}

/// Records a dispatch of so many invocations.
fn pass(
    device: &Device,
    encoder: &mut CommandEncoder,
    pipeline: &ComputePipeline,
    buffers: &[&Buffer],
    invocations: usize,
) {
    let entries: Vec<_> = (0..)
        .zip(buffers)
        .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
        .collect();
    let (label, layout) = (None, &pipeline.get_bind_group_layout(0));
    let group = device.create_bind_group(&wgpu::BindGroupDescriptor { label, layout, entries: &entries });
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    pass.set_pipeline(pipeline);
    pass.set_bind_group(0, &group, &[]);
    pass.dispatch_workgroups(invocations.div_ceil(64) as u32, 1, 1);
}

fn read(device: &Device, download: &Buffer, size: usize) -> Result<Array2<f32>, Box<dyn Error>> {
    let (sender, receiver) = std::sync::mpsc::channel();
    download.map_async(MapMode::Read, .., move |result| {
        // The receiver waits below.
        let _ = sender.send(result);
    });
    device.poll(PollType::wait_indefinitely())?;
    receiver.recv()??;
    let bytes = download.get_mapped_range(..)?;
    let floats =
        bytes.chunks_exact(4).map(|float| f32::from_ne_bytes([float[0], float[1], float[2], float[3]]));
    Ok(Array2::from_shape_vec((BATCH, size), floats.collect())?)
}

/// The same on the CPU, and how far each mean may be from it: what the layer's results may be apart, and a rounding for each
/// addition.
pub(crate) fn on_cpu(weights: &Weights) -> Result<(Array2<f32>, Array2<f64>), Box<dyn Error>> {
    let x = Array3::from_shape_fn((BATCH, STEPS, INPUT_SIZE), feature);
    let input = Input::new(x.view());
    let layer = Layer::new(weights, Backend::Cpu)?;
    let output = layer.forward(&input)?.output;
    let of_an_element = tolerance::forward(weights, Precision::F32, &input)?.output;
    let sum = output.sum_axis(Axis(1)) / STEPS as f32;
    let of_a_mean = 2.0 * of_an_element.sum_axis(Axis(1)) / STEPS as f64;
    Ok((sum, of_a_mean + STEPS as f64 * f64::from(f32::EPSILON)))
}

/// As `features.wgsl` has it.
fn feature((row, step, feature): (usize, usize, usize)) -> f32 {
    let first = step * INPUT_SIZE * 2 + feature * 4;
    let sample = |time: usize| ((time * (row + 1) % 32) as i32 - 16).abs() - 8;
    (first..first + 4).map(sample).sum::<i32>() as f32 / 32.0
}

/// The largest difference of two results, and the largest part of what it may be.
pub(crate) fn difference(
    found: &Array2<f32>,
    (expected, allowed): &(Array2<f32>, Array2<f64>),
) -> (f64, f64) {
    let differences = found.iter().zip(expected).map(|(a, b)| f64::from((a - b).abs()));
    let parts = differences.clone().zip(allowed).map(|(difference, allowed)| difference / allowed);
    // A NaN is no difference that may be.
    let largest = |values: &mut dyn Iterator<Item = f64>| {
        values
            .fold(0.0, |largest: f64, value| if value.is_nan() { f64::INFINITY } else { largest.max(value) })
    };
    (largest(&mut { differences }), largest(&mut { parts }))
}
