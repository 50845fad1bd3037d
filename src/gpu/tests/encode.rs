//! Tests of recording into the caller's encoder: what it makes, and that every mutation of the copy kernel
//! is noticed.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use ndarray::Array3;
use wgpu::{Buffer, BufferBinding, BufferUsages, CommandEncoder, MapMode, PollType};

use super::super::counts::Counted;
use super::super::kernel::KernelSpec;
use super::super::plan::{CallShape, Endpoints};
use super::super::{Gpu, GpuBuffers, GpuLayer, PlanReport};
use super::memory::{counters, objects, planned};
use super::{Mutation, gpu, random};
use crate::batch::Batch;
use crate::{Config, Generator, Input, LayerOptions, State, Strategy, Weights};

/// The distance between two arrays in a buffer, in bytes. It is larger than any array, and a multiple of
/// every alignment.
const APART: u64 = 1 << 16;

/// A program's buffers: one that is read and one that is written.
pub(super) struct Program {
    config: Config,
    rows: usize,
    steps: usize,
    read: Buffer,
    written: Buffer,
}

impl Program {
    pub(super) fn new(gpu: &Gpu, config: Config, rows: usize, steps: usize) -> Self {
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
        let buffer = || {
            let (label, size, mapped_at_creation) = (None, 4 * APART, false);
            gpu.device().create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation })
        };
        Program { config, rows, steps, read: buffer(), written: buffer() }
    }

    pub(super) fn buffers(&self) -> GpuBuffers<'_> {
        let buffers = GpuBuffers::new(self.rows, self.steps, at(&self.read, 0), at(&self.written, 0));
        let buffers = GpuBuffers { h_0: Some(at(&self.read, 2)), h_n: Some(at(&self.written, 2)), ..buffers };
        match self.config.cell.has_cell_state() {
            true => GpuBuffers { c_0: Some(at(&self.read, 3)), c_n: Some(at(&self.written, 3)), ..buffers },
            false => buffers,
        }
    }

    fn with_lengths(&self) -> GpuBuffers<'_> {
        GpuBuffers { lengths: Some(at(&self.read, 1)), ..self.buffers() }
    }

    fn write(&self, gpu: &Gpu, place: u64, bytes: &[u8]) {
        gpu.queue().write_buffer(&self.read, place * APART, bytes);
    }

    /// Returns the words of the result.
    fn result(&self, gpu: &Gpu) -> Vec<u32> {
        let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let (label, size, mapped_at_creation) = (None, self.written.size(), false);
        let descriptor = wgpu::BufferDescriptor { label, size, usage, mapped_at_creation };
        let download = gpu.device().create_buffer(&descriptor);
        let mut encoder = encoder(gpu);
        encoder.copy_buffer_to_buffer(&self.written, 0, &download, 0, size);
        gpu.queue().submit([encoder.finish()]);
        download.map_async(MapMode::Read, .., |result| result.unwrap());
        gpu.device().poll(PollType::wait_indefinitely()).unwrap();
        bytemuck::cast_slice(&download.get_mapped_range(..).unwrap()).to_vec()
    }
}

fn at(buffer: &Buffer, place: u64) -> BufferBinding<'_> {
    BufferBinding { buffer, offset: place * APART, size: NonZeroU64::new(APART) }
}

pub(super) fn encoder(gpu: &Gpu) -> CommandEncoder {
    gpu.device().create_command_encoder(&Default::default())
}

/// Returns configurations with padded input and with whole quads, with several layers, with both
/// directions, with a projection, and with the reset gate before the product.
fn configs() -> [Config; 5] {
    let lstm = Config::lstm(8, 12);
    [
        // The input has more words than a grid of three workgroups a side has invocations.
        Config::rnn(45, 9),
        Config::gru(6, 10).num_layers(3),
        lstm.bidirectional(true),
        lstm.proj_size(7).num_layers(2),
        Config::gru(6, 10).reset_after(false),
    ]
}

#[test]
fn buffers_are_the_plans_and_nothing_is_made_again_or_submitted() {
    let Some(gpu) = gpu() else { return };
    let (rows, steps) = (3, 7);
    for config in configs() {
        for &strategy in Strategy::ALL {
            let what = format!("{config} with {strategy}");
            let options = LayerOptions { strategy, ..LayerOptions::default() };
            let weights = Weights::seeded(config, 0).unwrap();
            let programs: Vec<Program> = (0..4).map(|_| Program::new(&gpu, config, rows, steps)).collect();
            gpu.counts().take();
            let layer = GpuLayer::new(&gpu, &weights, &options).unwrap();
            layer.encode(&mut encoder(&gpu), &programs[0].buffers()).unwrap();
            let size = CallShape { rows, steps, budget: options.budget, endpoints: Endpoints::Buffers };
            let plan = layer.0.plan(size).unwrap();
            let report = PlanReport::of(&plan, &layer.0.request(size), 1).unwrap();
            assert_eq!(report.submissions, 1);
            let mut buffers: BTreeMap<String, u64> = planned(&report);
            assert!(!buffers.contains_key("upload") && !buffers.contains_key("download"), "{what}");
            assert_eq!(buffers["output"], 16, "{what}");
            assert_eq!(buffers["input"] > 16, !config.input_size.is_multiple_of(4), "{what}");
            let made = gpu.counts().take();
            buffers.insert("copies' parameters".into(), made.buffers["copies' parameters"]);
            assert_eq!(made, Counted { buffers, ..Counted::default() }, "{what}");

            for program in &programs[1..] {
                layer.encode(&mut encoder(&gpu), &program.buffers()).unwrap();
            }
            assert_eq!(gpu.counts().take(), Counted::default(), "other buffers: {what}");
            let before = objects(&counters(&gpu));
            for program in programs.iter().chain(&programs) {
                layer.encode(&mut encoder(&gpu), &program.buffers()).unwrap();
            }
            assert_eq!(gpu.counts().take(), Counted::default(), "again: {what}");
            assert_eq!(objects(&counters(&gpu)), before, "again: {what}");
        }
    }
}

/// A failure while another shape is made must not appear while this one is recorded, since nothing catches
/// errors there.
#[test]
fn a_recording_compiles_nothing() {
    let Some(gpu) = gpu() else { return };
    let config = Config::gru(5, 9);
    let options = LayerOptions::default();
    let layer = GpuLayer::new(&gpu, &Weights::seeded(config, 0).unwrap(), &options).unwrap();
    let program = Program::new(&gpu, config, 2, 3);
    layer.encode(&mut encoder(&gpu), &program.buffers()).unwrap();
    let plan = layer
        .0
        .plan(CallShape { rows: 2, steps: 3, budget: options.budget, endpoints: Endpoints::Buffers })
        .unwrap();
    for kernel in plan.kernels.iter().chain([&KernelSpec::copy(false)]) {
        gpu.kernels().forget(kernel);
    }
    let before = objects(&counters(&gpu));
    layer.encode(&mut encoder(&gpu), &program.buffers()).unwrap();
    assert_eq!(objects(&counters(&gpu)), before);
}

const MUTATIONS: &[Mutation] = &[
    ("var value = vectors.padding;", "var value = 0u;"),
    (
        "min(original[vector * vectors.from_size + place], vectors.most)",
        "original[vector * vectors.from_size + place]",
    ),
    ("original[vector * vectors.from_size", "original[vector * vectors.to_size"),
    ("copied[vector * vectors.to_size", "copied[vector * vectors.from_size"),
    ("vectors.first + word", "word"),
    ("tile += groups.x * groups.y", "tile += tiles"),
    ("group.x + group.y * groups.x", "group.x"),
    ("select(0u, 1u, words % UNITS > 0u)", "0u"),
];

/// Returns two pairs of a result and the result of `forward`: first with lengths, one of them above T, then
/// without lengths.
fn results(gpu: &Gpu, config: Config, strategy: Strategy) -> [(Vec<u32>, Vec<u32>); 2] {
    let (rows, steps) = (9, 6);
    let mut generator = Generator::seeded(5);
    let weights = Weights::draw(config, &mut generator).unwrap();
    let states = config.num_layers * config.directions();
    let x = random(&mut generator, [rows, steps, config.input_size]);
    let h_0 = random(&mut generator, [states, rows, config.hidden_output_size()]);
    let c_0 = random(&mut generator, [states, rows, config.hidden_size]);
    let program = Program::new(gpu, config, rows, steps);
    let floats = |values: &Array3<f32>| bytemuck::cast_slice(values.as_slice().unwrap()).to_vec();
    let lengths: Vec<u32> = vec![9, 0, 6, 3, 1, 2, 6, 5, 4];
    let written = [floats(&x), bytemuck::cast_slice(&lengths).to_vec(), floats(&h_0), floats(&c_0)];
    for (place, bytes) in (0..).zip(&written) {
        program.write(gpu, place, bytes);
    }
    // Bounds are checked because mutated lengths lead beyond the sequences.
    let options = LayerOptions { strategy, bounds_checks: true, ..LayerOptions::default() };
    let layer = GpuLayer::new(gpu, &weights, &options).unwrap();
    let held: Vec<usize> = lengths.iter().map(|&length| steps.min(length as usize)).collect();
    let mut state = State::from(h_0.view());
    state.c_0 = config.cell.has_cell_state().then(|| c_0.view().into());
    [true, false].map(|with_lengths| {
        let buffers = if with_lengths { program.with_lengths() } else { program.buffers() };
        let mut encoder = encoder(gpu);
        layer.encode(&mut encoder, &buffers).unwrap();
        gpu.queue().submit([encoder.finish()]);
        let found = program.result(gpu);
        let input = Input::new(&x).state(&state);
        let input = if with_lengths { input.lengths(&held) } else { input };
        let output = layer.run(&Batch::new(&config, &input).unwrap()).unwrap();
        let arrays = [Some(&output.output), None, Some(&output.h_n), output.c_n.as_ref()];
        // The buffer has four arrays.
        let words_apart = found.len() / 4;
        let mut expected = vec![0; found.len()];
        for (array, place) in arrays.into_iter().zip(expected.chunks_mut(words_apart)) {
            for (value, word) in array.into_iter().flatten().zip(place) {
                *word = value.to_bits();
            }
        }
        (found, expected)
    })
}

/// Returns whether the results of every strategy equal those of `forward`.
fn are_right(gpu: &Gpu) -> bool {
    let all = configs().into_iter().flat_map(|config| Strategy::ALL.iter().map(move |&s| (config, s)));
    all.flat_map(|(config, strategy)| results(gpu, config, strategy))
        .all(|(found, expected)| found == expected)
}

#[test]
fn a_changed_line_of_the_copy_is_noticed() {
    let Some(gpu) = gpu() else { return };
    // Grids have three workgroups a side: they are folded, and each workgroup may take several tiles.
    let small = gpu.with_capabilities(|capabilities| capabilities.max_compute_workgroups_per_dimension = 3);
    assert!(are_right(&gpu) && are_right(&small), "without a mutation");
    let source = KernelSpec::copy(false).source();
    for mutation in MUTATIONS {
        assert!(source.contains(mutation.0), "{mutation:?} is in the shader");
        let noticed = [&gpu, &small].iter().any(|gpu| !are_right(&gpu.with_mutation(*mutation)));
        assert!(noticed, "{mutation:?}");
    }
}
