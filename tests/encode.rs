//! Passes recorded into the caller's encoder, from and to the caller's buffers: the bits of `forward`.

use std::num::NonZeroU64;

use wgpu_rnn::ndarray::{Array3, concatenate, s};
use wgpu_rnn::{
    Backend, Config, Gpu, GpuBuffers, Layer, LayerOptions, Output, Strategy, Weights, ndarray::Axis, wgpu,
};

use crate::case::{self, state, with_lengths};
use crate::harness::{assert_same_bits, on_each_adapter, on_each_gpu, opened::adapter, random};
use crate::on_gpu::{Given, Held, OnGpu, encoder, submit};

/// A submission of its own.
fn run(gpu: &Gpu, layer: &Layer, batch: &OnGpu) -> Output {
    let mut encoder = encoder(gpu);
    layer.encode(&mut encoder, &batch.buffers()).unwrap();
    submit(gpu, encoder);
    batch.read(gpu)
}

fn forward(layer: &Layer, given: Given<'_>) -> Output {
    let input = with_lengths(given.x, given.lengths);
    layer.forward(input.state(state(given.h_0, given.c_0))).unwrap()
}

/// A batch with everything.
struct Batch {
    config: Config,
    x: Array3<f32>,
    lengths: Vec<usize>,
    h_0: Array3<f32>,
    c_0: Option<Array3<f32>>,
}

impl Batch {
    fn new(config: Config, n: usize, t: usize) -> Self {
        let states = config.num_layers * config.directions();
        let c_0 = random((states, n, config.hidden_size), 1.0, 3);
        Batch {
            config,
            x: random((n, t, config.input_size), 1.0, 1),
            lengths: (0..n).map(|row| (t + 3 * row) % (t + 1)).collect(),
            h_0: random((states, n, config.hidden_output_size()), 1.0, 2),
            c_0: config.cell.has_cell_state().then_some(c_0),
        }
    }

    fn all(&self) -> Given<'_> {
        Given {
            config: self.config,
            x: &self.x,
            lengths: Some(&self.lengths),
            h_0: Some(&self.h_0),
            c_0: self.c_0.as_ref(),
        }
    }

    fn input_only(&self) -> Given<'_> {
        Given { lengths: None, h_0: None, c_0: None, ..self.all() }
    }
}

#[test]
fn every_golden_case_has_the_bits_of_forward() {
    on_each_gpu(|implementation, gpu| {
        for case in case::all() {
            let layer = implementation.layer(&case.weights);
            let given = Given {
                config: *case.weights.config(),
                x: &case.input,
                lengths: case.lengths.as_deref(),
                h_0: case.h_0.as_ref(),
                c_0: case.c_0.as_ref(),
            };
            let found = run(gpu, &layer, &OnGpu::new(gpu, 256, given));
            let what = format!("{} on {}", case.name, implementation.name);
            assert_same_bits(&found, &forward(&layer, given), &what);
        }
    });
}

/// Sizes around quads, so that vectors are padded or not; stacks, whose layers end in either of the buffers.
#[test]
fn every_size_and_kind_of_layer_has_the_bits_of_forward() {
    let lstm = Config::lstm(6, 9);
    let configs = [
        Config::rnn(1, 1),
        Config::rnn_relu(4, 8),
        Config::gru(5, 70).num_layers(3),
        Config::gru(8, 7).num_layers(2).bidirectional(true),
        Config::gru(6, 7).reset_after(false).num_layers(2),
        lstm,
        lstm.num_layers(3),
        lstm.proj_size(5).num_layers(2),
        lstm.proj_size(3).num_layers(2).bidirectional(true),
    ];
    on_each_gpu(|implementation, gpu| {
        for (config, (n, t)) in configs.iter().flat_map(|config| [(config, (1, 1)), (config, (9, 6))]) {
            let batch = Batch::new(*config, n, t);
            let layer = implementation.layer(&Weights::seeded(*config, 3).unwrap());
            for (offset, given) in [(0, batch.all()), (512, batch.input_only()), (256, batch.all())] {
                let found = run(gpu, &layer, &OnGpu::new(gpu, offset, given));
                let what = format!("{config}, N={n}, T={t} on {}", implementation.name);
                assert_same_bits(&found, &forward(&layer, given), &what);
            }
        }
    });
}

#[test]
fn lengths_beyond_the_steps_are_the_steps() {
    let batch = Batch::new(Config::gru(3, 5).bidirectional(true), 4, 6);
    on_each_gpu(|implementation, gpu| {
        let layer = implementation.layer(&Weights::seeded(batch.config, 0).unwrap());
        let with = |lengths| Given { lengths: Some(lengths), ..batch.all() };
        let found = run(gpu, &layer, &OnGpu::new(gpu, 0, with(&[u32::MAX as usize, 0, 7, 2])));
        assert_same_bits(&found, &forward(&layer, with(&[6, 0, 6, 2])), &implementation.name);
    });
}

#[test]
fn a_state_goes_on_in_place_and_passes_share_a_submission() {
    let batch = Batch::new(Config::lstm(5, 6).num_layers(2), 3, 8);
    on_each_gpu(|implementation, gpu| {
        let layer = implementation.layer(&Weights::seeded(batch.config, 0).unwrap());
        let expected = forward(&layer, Given { lengths: None, ..batch.all() });
        let halves = [s![.., ..4, ..], s![.., 4.., ..]].map(|half| batch.x.slice(half).to_owned());
        let [h, c] = [Some(&batch.h_0), batch.c_0.as_ref()].map(|state| Held::of(gpu, 0, state.unwrap()));
        let parts = halves.each_ref().map(|x| OnGpu::new(gpu, 256, Given { x, ..batch.input_only() }));
        let mut encoder = encoder(gpu);
        for part in &parts {
            let [h_0, c_0, h_n, c_n] = [&h, &c, &h, &c].map(|state| Some(state.binding()));
            let buffers = GpuBuffers { h_0, c_0, h_n, c_n, ..part.buffers() };
            layer.encode(&mut encoder, &buffers).unwrap();
        }
        submit(gpu, encoder);
        let outputs = parts.each_ref().map(|part| part.output.read(gpu, [3, 4, 6]));
        let output = concatenate(Axis(1), &outputs.each_ref().map(|output| output.view())).unwrap();
        let states = [&h, &c].map(|state| state.read(gpu, [2, 3, 6]));
        let [h_n, c_n] = states;
        assert_same_bits(&Output::new(output, h_n, Some(c_n)), &expected, &implementation.name);
    });
}

/// A producer before the layer and a consumer behind it, in one submission.
#[test]
fn what_is_recorded_around_a_pass_is_in_order() {
    let batch = Batch::new(Config::gru(8, 6), 3, 8);
    on_each_gpu(|implementation, gpu| {
        let layer = implementation.layer(&Weights::seeded(batch.config, 0).unwrap());
        let made = Held::of(gpu, 256, &batch.x);
        let zeros = Array3::zeros(batch.x.dim());
        let on = OnGpu::new(gpu, 256, Given { x: &zeros, ..batch.input_only() });
        let used = Held::blank(gpu, 256, [3, 8, 6]);
        let copy = |encoder: &mut wgpu::CommandEncoder, from: &Held, to: &Held| {
            encoder.copy_buffer_to_buffer(&from.buffer, 0, &to.buffer, 0, to.buffer.size());
        };
        let mut encoder = encoder(gpu);
        copy(&mut encoder, &made, &on.input);
        layer.encode(&mut encoder, &on.buffers()).unwrap();
        copy(&mut encoder, &on.output, &used);
        submit(gpu, encoder);
        let expected = forward(&layer, batch.input_only());
        assert_eq!(used.read(gpu, [3, 8, 6]), expected.output, "{}", implementation.name);
    });
}

#[test]
fn recordings_of_one_shape_do_not_disturb_each_other() {
    let batch = Batch::new(Config::lstm(7, 10).num_layers(2), 3, 5);
    on_each_gpu(|implementation, gpu| {
        let layer = implementation.layer(&Weights::seeded(batch.config, 0).unwrap());
        let others = Batch { x: random((3, 5, 7), 1.0, 9), ..Batch::new(batch.config, 3, 5) };
        let given = [batch.all(), others.input_only(), others.all()];
        let on = given.map(|given| OnGpu::new(gpu, 0, given));
        let recorded = on.each_ref().map(|on| {
            let mut encoder = encoder(gpu);
            layer.encode(&mut encoder, &on.buffers()).unwrap();
            encoder.finish()
        });
        // Not the order that they were recorded in, and not all at once.
        let [first, second, third] = recorded;
        gpu.queue().submit([third]);
        gpu.queue().submit([first, second]);
        for (on, given) in on.iter().zip(given) {
            assert_same_bits(&on.read(gpu), &forward(&layer, given), &implementation.name);
        }
    });
}

#[test]
fn buffers_may_be_swapped_and_the_layer_dropped_before_the_submission() {
    let batch = Batch::new(Config::gru(5, 6).num_layers(2), 2, 4);
    on_each_gpu(|implementation, gpu| {
        let layer = implementation.layer(&Weights::seeded(batch.config, 0).unwrap());
        let expected = forward(&layer, batch.all());
        // More sets of buffers and more shapes than are remembered.
        let sets: Vec<OnGpu> = (0..6).map(|_| OnGpu::new(gpu, 0, batch.all())).collect();
        let shapes: Vec<Batch> = (1..7).map(|t| Batch::new(batch.config, 2, t)).collect();
        let shaped: Vec<OnGpu> = shapes.iter().map(|shape| OnGpu::new(gpu, 0, shape.all())).collect();
        let of_shapes: Vec<Output> = shapes.iter().map(|shape| forward(&layer, shape.all())).collect();
        let mut encoder = encoder(gpu);
        for on in sets.iter().chain(&shaped) {
            layer.encode(&mut encoder, &on.buffers()).unwrap();
        }
        drop(layer);
        submit(gpu, encoder);
        for on in &sets {
            assert_same_bits(&on.read(gpu), &expected, &implementation.name);
        }
        for (on, expected) in shaped.iter().zip(&of_shapes) {
            assert_same_bits(&on.read(gpu), expected, &implementation.name);
        }
    });
}

/// Calls that differ in an offset alone: two rows of eight each.
#[test]
fn places_in_one_buffer_are_told_apart() {
    let config = Config::gru(16, 16);
    let all = Batch::new(config, 8, 4);
    on_each_gpu(|implementation, gpu| {
        let layer = implementation.layer(&Weights::seeded(config, 0).unwrap());
        let on = OnGpu::new(gpu, 0, all.input_only());
        let mut encoder = encoder(gpu);
        for offset in [0, 512, 1024, 1536] {
            let [input, output] = [&on.input, &on.output].map(|held| wgpu::BufferBinding {
                offset,
                size: NonZeroU64::new(512),
                ..held.binding()
            });
            layer.encode(&mut encoder, &GpuBuffers::new(2, 4, input, output)).unwrap();
        }
        submit(gpu, encoder);
        let expected = forward(&layer, all.input_only()).output;
        assert_eq!(on.output.read(gpu, [8, 4, 16]), expected, "{}", implementation.name);
    });
}

#[test]
fn an_encoder_that_is_dropped_is_forgotten() {
    let batch = Batch::new(Config::rnn(5, 6), 2, 4);
    on_each_gpu(|implementation, gpu| {
        let layer = implementation.layer(&Weights::seeded(batch.config, 0).unwrap());
        let on = OnGpu::new(gpu, 0, batch.all());
        let mut dropped = encoder(gpu);
        layer.encode(&mut dropped, &on.buffers()).unwrap();
        drop(dropped);
        assert_same_bits(&run(gpu, &layer, &on), &forward(&layer, batch.all()), &implementation.name);
    });
}

/// Bindings of 16 KiB and grids of three workgroups a side: copies take turns, and weights come in parts.
#[test]
fn tiny_limits_give_the_bits_of_forward() {
    let batch = Batch::new(Config::lstm(6, 20).num_layers(3), 12, 11);
    on_each_adapter(|gpu| {
        let small = crate::limits::with_tiny_limits(gpu);
        for &strategy in Strategy::ALL {
            let weights = Weights::seeded(batch.config, 5).unwrap();
            let options = LayerOptions { strategy, ..LayerOptions::default() };
            let layer = Layer::new(&weights, (Backend::Gpu(small.clone()), options.clone())).unwrap();
            let found = run(&small, &layer, &OnGpu::new(&small, 0, batch.all()));
            assert_same_bits(&found, &forward(&layer, batch.all()), &format!("{strategy} on {small}"));
        }
    });
}

/// A device that the caller opened with limits and features of its own.
#[test]
fn the_callers_device_is_taken_as_it_is() {
    on_each_adapter(|known| {
        let adapter = adapter(known);
        for required_features in [wgpu::Features::empty(), wgpu::Features::SUBGROUP & adapter.features()] {
            let required_limits = wgpu::Limits {
                max_storage_buffer_binding_size: 1 << 20,
                max_buffer_size: 2 << 20,
                max_compute_workgroups_per_dimension: 1000,
                min_storage_buffer_offset_alignment: 256,
                min_uniform_buffer_offset_alignment: 256,
                ..wgpu::Limits::default().or_worse_values_from(&adapter.limits())
            };
            let descriptor =
                wgpu::DeviceDescriptor { required_features, required_limits, ..Default::default() };
            let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).unwrap();
            let limits = device.limits();
            let gpu = Gpu::from_device(device, queue).unwrap();
            let own = gpu.device().limits();
            assert_eq!(
                (
                    own.max_storage_buffer_binding_size,
                    own.max_buffer_size,
                    own.max_compute_workgroups_per_dimension,
                    own.min_storage_buffer_offset_alignment,
                ),
                (1 << 20, 2 << 20, 1000, 256)
            );
            assert_eq!(limits, own, "the device is the caller's");
            assert!(!gpu.device().features().contains(wgpu::Features::TIMESTAMP_QUERY));
            let batch = Batch::new(Config::gru(5, 20), 9, 5);
            let weights = Weights::seeded(batch.config, 0).unwrap();
            let layer = Layer::new(&weights, (Backend::Gpu(gpu.clone()), LayerOptions::default())).unwrap();
            let found = run(&gpu, &layer, &OnGpu::new(&gpu, 0, batch.all()));
            let expected = forward(&Layer::new(&weights, Backend::Gpu(gpu.clone())).unwrap(), batch.all());
            assert_same_bits(&found, &expected, &gpu.to_string());
        }
    });
}
