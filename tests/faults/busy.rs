//! Work of the caller's own that keeps a shared device busy.

use std::time::{Duration, Instant};

use wgpu_rnn::Gpu;
use wgpu_rnn::wgpu::{
    self, BufferUsages, ComputePassDescriptor, ComputePipeline, ComputePipelineDescriptor, PollType,
    ShaderModuleDescriptor, ShaderSource, SubmissionIndex,
};

const KERNEL: &str = "
@group(0) @binding(0) var<storage, read_write> values: array<f32>;
@compute @workgroup_size(64)
fn busy(@builtin(global_invocation_id) id: vec3<u32>) {
    var value = values[id.x];
    for (var i = 0u; i < 20000u; i++) { value = fma(value, 0.999, 0.5); }
    values[id.x] = value;
}";

/// Keeps the device busy for about that long, from now on. What is submitted to its queue later waits.
pub fn busy(gpu: &Gpu, time: Duration) -> SubmissionIndex {
    let pipeline = gpu.device().create_compute_pipeline(&ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &gpu.device().create_shader_module(ShaderModuleDescriptor {
            label: None,
            source: ShaderSource::Wgsl(KERNEL.into()),
        }),
        entry_point: None,
        compilation_options: Default::default(),
        cache: None,
    });
    // Twice as many until they take long enough to tell; the first compiles.
    let mut times = 1;
    loop {
        let start = Instant::now();
        let index = dispatch(gpu, &pipeline, times);
        wait(gpu, index);
        let taken = start.elapsed();
        if times > 1 && taken > Duration::from_millis(40) {
            return dispatch(
                gpu,
                &pipeline,
                times * (time.as_secs_f64() / taken.as_secs_f64()).ceil() as u32,
            );
        }
        times *= 2;
    }
}

fn dispatch(gpu: &Gpu, pipeline: &ComputePipeline, times: u32) -> SubmissionIndex {
    let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 4 * 1024,
        usage: BufferUsages::STORAGE,
        mapped_at_creation: false,
    });
    let group = gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[wgpu::BindGroupEntry { binding: 0, resource: buffer.as_entire_binding() }],
    });
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
    pass.set_pipeline(pipeline);
    pass.set_bind_group(0, &group, &[]);
    (0..times).for_each(|_| pass.dispatch_workgroups(16, 1, 1));
    drop(pass);
    gpu.queue().submit([encoder.finish()])
}

/// Until the device has done that.
pub fn wait(gpu: &Gpu, index: SubmissionIndex) {
    gpu.device().poll(PollType::Wait { submission_index: Some(index), timeout: None }).unwrap();
}
