//! A batch and its result in buffers on the GPU, as a program that calls `Layer::encode` has them.

use wgpu_rnn::ndarray::Array3;
use wgpu_rnn::wgpu::{
    Buffer, BufferBinding, BufferDescriptor, BufferUsages, CommandEncoder, MapMode, PollType,
};
use wgpu_rnn::{Config, Gpu, GpuBuffers, Output};

/// What is around every array, and in those that are still to be written.
const UNTOUCHED: u32 = 0x7FC0_1234;

/// An array in a buffer, behind some bytes and before others that nobody may touch.
pub struct Held {
    pub buffer: Buffer,
    offset: u64,
    words: usize,
}

impl Held {
    /// A buffer for an array `offset` bytes from its start.
    pub fn new(gpu: &Gpu, offset: u64, words: &[u32]) -> Self {
        let bytes = 4 * words.len() as u64;
        let held = Held { buffer: buffer(gpu, offset + bytes + 64), offset, words: words.len() };
        let mut all = vec![UNTOUCHED; held.buffer.size() as usize / 4];
        all[offset as usize / 4..][..words.len()].copy_from_slice(words);
        gpu.queue().write_buffer(&held.buffer, 0, bytemuck::cast_slice(&all));
        held
    }

    pub fn of(gpu: &Gpu, offset: u64, values: &Array3<f32>) -> Self {
        Held::new(gpu, offset, &values.iter().map(|value| value.to_bits()).collect::<Vec<_>>())
    }

    /// Still to be written.
    pub fn blank(gpu: &Gpu, offset: u64, shape: [usize; 3]) -> Self {
        Held::new(gpu, offset, &vec![UNTOUCHED; shape.iter().product()])
    }

    pub fn binding(&self) -> BufferBinding<'_> {
        BufferBinding { buffer: &self.buffer, offset: self.offset, size: None }
    }

    /// The array, once the work that was submitted before is done; nothing around it was touched.
    pub fn read(&self, gpu: &Gpu, shape: [usize; 3]) -> Array3<f32> {
        let all = words(gpu, &self.buffer);
        let first = self.offset as usize / 4;
        let (before, rest) = all.split_at(first);
        let (array, behind) = rest.split_at(self.words);
        assert!(before.iter().chain(behind).all(|&word| word == UNTOUCHED), "words around the array");
        let values = array.iter().map(|&word| f32::from_bits(word)).collect();
        Array3::from_shape_vec(shape, values).expect("as many words")
    }
}

/// A storage buffer that can be copied.
pub fn buffer(gpu: &Gpu, size: u64) -> Buffer {
    let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
    let descriptor = BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
    gpu.device().create_buffer(&descriptor)
}

pub fn encoder(gpu: &Gpu) -> CommandEncoder {
    gpu.device().create_command_encoder(&Default::default())
}

pub fn submit(gpu: &Gpu, encoder: CommandEncoder) {
    gpu.queue().submit([encoder.finish()]);
}

fn words(gpu: &Gpu, buffer: &Buffer) -> Vec<u32> {
    let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
    let descriptor = BufferDescriptor { label: None, size: buffer.size(), usage, mapped_at_creation: false };
    let download = gpu.device().create_buffer(&descriptor);
    let mut encoder = encoder(gpu);
    encoder.copy_buffer_to_buffer(buffer, 0, &download, 0, buffer.size());
    submit(gpu, encoder);
    download.map_async(MapMode::Read, .., |result| result.expect("a mapped buffer"));
    gpu.device().poll(PollType::wait_indefinitely()).expect("work that ends");
    let view = download.get_mapped_range(..).expect("a mapped buffer");
    bytemuck::cast_slice(&view).to_vec()
}

/// What a batch consists of on the host.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    pub config: Config,
    pub x: &'a Array3<f32>,
    pub lengths: Option<&'a [usize]>,
    pub h_0: Option<&'a Array3<f32>>,
    pub c_0: Option<&'a Array3<f32>>,
}

/// The same on the GPU, and where the result goes.
pub struct OnGpu {
    config: Config,
    batch: usize,
    steps: usize,
    pub input: Held,
    lengths: Option<Held>,
    pub h_0: Option<Held>,
    c_0: Option<Held>,
    pub output: Held,
    h_n: Held,
    c_n: Option<Held>,
}

impl OnGpu {
    /// Every array so many bytes from the start of its buffer.
    pub fn new(gpu: &Gpu, offset: u64, given: Given<'_>) -> Self {
        let Given { config, x, lengths, h_0, c_0 } = given;
        let (batch, steps, _) = x.dim();
        let states = config.num_layers * config.directions();
        let of = |values: &Array3<f32>| Held::of(gpu, offset, values);
        let lengths = lengths.map(|lengths| lengths.iter().map(|&length| length as u32).collect::<Vec<_>>());
        let cells = config.cell.has_cell_state();
        OnGpu {
            config,
            batch,
            steps,
            input: of(x),
            lengths: lengths.map(|lengths| Held::new(gpu, offset, &lengths)),
            h_0: h_0.map(of),
            c_0: c_0.map(of),
            output: Held::blank(gpu, offset, [batch, steps, config.output_size()]),
            h_n: Held::blank(gpu, offset, [states, batch, config.hidden_output_size()]),
            c_n: cells.then(|| Held::blank(gpu, offset, [states, batch, config.hidden_size])),
        }
    }

    pub fn buffers(&self) -> GpuBuffers<'_> {
        let mut buffers =
            GpuBuffers::new(self.batch, self.steps, self.input.binding(), self.output.binding());
        buffers.lengths = self.lengths.as_ref().map(Held::binding);
        buffers.h_0 = self.h_0.as_ref().map(Held::binding);
        buffers.c_0 = self.c_0.as_ref().map(Held::binding);
        buffers.c_n = self.c_n.as_ref().map(Held::binding);
        GpuBuffers { h_n: Some(self.h_n.binding()), ..buffers }
    }

    /// The result, once the work that was submitted before is done.
    pub fn read(&self, gpu: &Gpu) -> Output {
        let Config { hidden_size, .. } = self.config;
        let (n, states) = (self.batch, self.config.num_layers * self.config.directions());
        Output::new(
            self.output.read(gpu, [n, self.steps, self.config.output_size()]),
            self.h_n.read(gpu, [states, n, self.config.hidden_output_size()]),
            self.c_n.as_ref().map(|c_n| c_n.read(gpu, [states, n, hidden_size])),
        )
    }
}
