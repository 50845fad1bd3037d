//! Buffers that cannot serve, and devices that cannot: each its one message, and nothing recorded.

use wgpu_rnn::ndarray::Array3;
use wgpu_rnn::wgpu::{BufferBinding, BufferDescriptor, BufferUsages};
use wgpu_rnn::{
    AdapterChoice, Backend, Config, Error, ErrorKind, Gpu, GpuBuffers, Layer, LayerOptions, Weights,
};

use crate::harness::{on_each_adapter, opened::adapter};
use crate::on_gpu::{Given, OnGpu, buffer, encoder, submit};

fn layer(gpu: &Gpu, config: Config) -> Result<Layer, Error> {
    Layer::new(&Weights::seeded(config, 0).unwrap(), Backend::Gpu(gpu.clone()))
}

fn refused(layer: &Layer, buffers: &GpuBuffers<'_>) -> String {
    let Backend::Gpu(gpu) = layer.backend() else { panic!("{layer:?} is not on a GPU") };
    let mut encoder = encoder(gpu);
    let error = layer.encode(&mut encoder, buffers).unwrap_err();
    // Nothing was recorded that the encoder would fail for.
    submit(gpu, encoder);
    error.to_string()
}

fn part(buffer: &wgpu_rnn::wgpu::Buffer, offset: u64, size: u64) -> BufferBinding<'_> {
    BufferBinding { buffer, offset, size: std::num::NonZeroU64::new(size) }
}

/// N = 2, T = 3, I = 5, H = 4: 120 bytes of input, 96 of output, 32 of state, 8 of lengths.
#[test]
fn every_misuse_has_its_message() {
    on_each_adapter(|gpu| {
        let gru = layer(gpu, Config::gru(5, 4)).unwrap();
        let large = buffer(gpu, 4096);
        let [input, output] = [buffer(gpu, 120), buffer(gpu, 96)];
        let good = GpuBuffers::new(2, 3, input.as_entire_buffer_binding(), output.as_entire_buffer_binding());
        let descriptor =
            |usage| BufferDescriptor { label: None, size: 4096, usage, mapped_at_creation: false };
        let unusable =
            gpu.device().create_buffer(&descriptor(BufferUsages::COPY_DST | BufferUsages::UNIFORM));
        let alignment = gpu.device().limits().min_storage_buffer_offset_alignment;
        let expect = |buffers: GpuBuffers<'_>, message: &str| assert_eq!(refused(&gru, &buffers), message);

        let mut changed = good.clone();
        changed.output = unusable.as_entire_buffer_binding();
        expect(
            changed,
            "output: expected a buffer with the usage STORAGE, found BufferUsages(COPY_DST | UNIFORM)",
        );
        expect(
            GpuBuffers { h_0: Some(part(&large, 4, 32)), ..good.clone() },
            &format!("h_0: expected an offset that is a multiple of {alignment}, found 4"),
        );
        expect(
            GpuBuffers { h_n: Some(part(&large, 4096, 32)), ..good.clone() },
            "h_n: expected bytes of a buffer that has 4096, found 32 from 4096 on",
        );
        expect(
            GpuBuffers { h_n: Some(part(&large, 8192, 32)), ..good.clone() },
            "h_n: expected bytes of a buffer that has 4096, found 32 from 8192 on",
        );
        expect(
            GpuBuffers { lengths: Some(part(&large, 0, 4)), ..good.clone() },
            "lengths: expected at least 8 bytes for [2], found 4",
        );
        expect(
            GpuBuffers { h_0: Some(part(&large, 256, 28)), ..good.clone() },
            "h_0: expected at least 32 bytes for [1, 2, 4], found 28",
        );
        let mut changed = good.clone();
        changed.batch = 3;
        expect(changed, "input: expected at least 180 bytes for [3, 3, 5], found 120");
        let mut changed = good.clone();
        changed.input = output.as_entire_buffer_binding();
        changed.output = part(&output, 0, 96);
        changed.steps = 1;
        expect(changed, "output: expected another buffer than input's, found the same");
        let mut changed = GpuBuffers { h_n: Some(part(&large, 256, 32)), ..good.clone() };
        changed.output = part(&large, 256, 96);
        expect(changed, "h_n: expected bytes apart from output's 256..352, found 256..288");
        expect(
            GpuBuffers { c_0: Some(large.as_entire_buffer_binding()), ..good.clone() },
            "c_0: expected none, since GRU has no cell state, found a buffer of 4096 bytes",
        );
        expect(
            GpuBuffers { c_n: Some(large.as_entire_buffer_binding()), ..good.clone() },
            "c_n: expected none, since GRU has no cell state, found a buffer of 4096 bytes",
        );
        let mut changed = good.clone();
        changed.steps = 0;
        expect(changed, "input: Expected sequence length to be larger than 0 in RNN, found 0");
        let mut changed = good.clone();
        (changed.batch, changed.steps) = (usize::MAX, 2);
        let limit = gpu.device().limits().max_buffer_size;
        expect(
            changed,
            &format!(
                "bytes of input of shape [{}, 2, 5]: expected at most {limit}, found {}",
                usize::MAX,
                u64::MAX
            ),
        );

        // What may overlap, and a batch without rows.
        let mut encoder = encoder(gpu);
        let mut shared =
            GpuBuffers { h_0: Some(part(&large, 0, 32)), h_n: Some(part(&large, 0, 32)), ..good.clone() };
        shared.lengths = Some(part(&large, 0, 8));
        shared.output = part(&large, 512, 96);
        gru.encode(&mut encoder, &shared).unwrap();
        let mut none = good.clone();
        none.batch = 0;
        gru.encode(&mut encoder, &none).unwrap();
        submit(gpu, encoder);
    });
}

#[test]
fn a_batch_that_does_not_fit_at_once_is_too_large() {
    on_each_adapter(|gpu| {
        let config = Config::rnn(4, 4);
        let weights = Weights::seeded(config, 0).unwrap();
        let options = LayerOptions { budget: 10, ..LayerOptions::default() };
        let layer = Layer::new(&weights, (Backend::Gpu(gpu.clone()), options)).unwrap();
        let x = Array3::zeros((1, 2, 4));
        let on = OnGpu::new(gpu, 0, Given { config, x: &x, lengths: None, h_0: None, c_0: None });
        let error = refused(&layer, &on.buffers());
        assert!(error.starts_with("bytes of workspace: expected at most 10, found "), "{error}");

        let small = crate::limits::with_tiny_limits(gpu);
        let layer = self::layer(&small, config).unwrap();
        let (input, output) = (buffer(&small, 32 << 10), buffer(&small, 32 << 10));
        let [input, output] = [&input, &output].map(|buffer| buffer.as_entire_buffer_binding());
        let error = refused(&layer, &GpuBuffers::new(1, 2048, input, output));
        assert_eq!(error, "bytes of input: expected at most 16384, found 32768");
    });
}

#[test]
fn another_devices_buffer_is_the_callers_mistake() {
    on_each_adapter(|gpu| {
        let adapter = adapter(gpu);
        let open = || {
            let (device, queue) = pollster::block_on(adapter.request_device(&Default::default())).unwrap();
            Gpu::from_device(device, queue).unwrap()
        };
        let [own, other] = [open(), open()];
        let gru = layer(&own, Config::gru(5, 4)).unwrap();
        let (input, output) = (buffer(&own, 120), buffer(&other, 96));
        let [input, output] = [&input, &output].map(|buffer| buffer.as_entire_buffer_binding());
        let error = refused(&gru, &GpuBuffers::new(2, 3, input.clone(), output));
        let expected = "output: expected a buffer of the layer's device that is not destroyed, found ";
        assert!(error.starts_with(expected), "{error}");

        let output = buffer(&own, 96);
        output.destroy();
        let error = refused(&gru, &GpuBuffers::new(2, 3, input, output.as_entire_buffer_binding()));
        assert!(error.starts_with(expected), "{error}");
    });
}

#[test]
fn a_lost_device_is_an_error_and_not_a_panic() {
    on_each_adapter(|gpu| {
        let adapter = gpu.device().adapter_info();
        let place = pollster::block_on(Gpu::adapters()).iter().position(|info| *info == adapter).unwrap();
        let gpu = Gpu::new(&AdapterChoice::Index(place)).unwrap();
        let config = Config::gru(5, 4);
        let [used, fresh] = [0, 1].map(|_| layer(&gpu, config).unwrap());
        let x = Array3::zeros((2, 3, 5));
        let on = OnGpu::new(&gpu, 0, Given { config, x: &x, lengths: None, h_0: None, c_0: None });
        used.encode(&mut encoder(&gpu), &on.buffers()).unwrap();
        gpu.device().destroy();
        for layer in [used, fresh] {
            // A layer that has all that it needs may not have heard of it yet.
            if let Err(error) = layer.encode(&mut encoder(&gpu), &on.buffers()) {
                assert!(error.kind() == ErrorKind::DeviceLost, "{error}");
            }
        }
        let error = layer(&gpu, config).unwrap_err();
        assert!(error.kind() == ErrorKind::DeviceLost, "{error}");
    });
}
