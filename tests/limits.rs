//! Devices with very little, and devices of the caller's.

use wgpu_rnn::ndarray::{Array3, s};
use wgpu_rnn::wgpu::Limits;
use wgpu_rnn::{
    Backend, Config, ErrorKind, Gpu, Input, Layer, LayerOptions, Precision, Strategy, Weights, reference,
    tolerance,
};

use crate::case::state;
use crate::harness::{assert_within, bits, on_each_adapter, on_each_device, opened::reopened, random};

/// The same adapter with so little that batches and weights are cut.
pub fn with_tiny_limits(gpu: &Gpu) -> Gpu {
    reopened(gpu, tiny().or_worse_values_from(&gpu.device().limits())).expect("a device that is good enough")
}

pub fn tiny() -> Limits {
    Limits {
        max_storage_buffer_binding_size: 16 << 10,
        max_buffer_size: 48 << 10,
        max_compute_workgroups_per_dimension: 3,
        max_compute_workgroup_storage_size: 16 << 10,
        max_compute_invocations_per_workgroup: 64,
        max_compute_workgroup_size_x: 64,
        ..Limits::default()
    }
}

/// What "baseline limits" means in the harness: WebGPU's defaults, or less where the adapter has less, and no feature.
#[test]
fn the_baseline_is_webgpus_defaults_and_nothing_more() {
    on_each_device(|implementation, gpu| {
        let (limits, features) = (gpu.device().limits(), gpu.device().features());
        if implementation.is_baseline() {
            let defaults = Limits::default();
            assert!(features.is_empty(), "{features:?}");
            assert_eq!(limits, limits.clone().or_worse_values_from(&defaults));
        }
    });
}

#[test]
fn tiny_limits_cut_the_batch_and_the_weights() {
    on_each_adapter(|gpu| {
        let small = with_tiny_limits(gpu);
        for config in [
            Config::lstm(6, 20).num_layers(3),
            Config::gru(6, 20).num_layers(2).bidirectional(true),
            Config::lstm(6, 20).proj_size(7).num_layers(2).bidirectional(true),
            Config::gru(6, 21).reset_after(false).num_layers(2),
        ] {
            let weights = Weights::seeded(config, 5).unwrap();
            // The weights alone take more than one binding.
            let floats: usize = weights.parameters().map(|(_, values)| values.len()).sum();
            assert!(4 * floats > 16 << 10, "{config}");
            let (n, t) = (70, 11);
            let states = config.num_layers * config.directions();
            let x = random((n, t, config.input_size), 1.0, 1);
            let h_0 = random((states, n, config.hidden_output_size()), 1.0, 2);
            let c_0 = random((states, n, config.hidden_size), 1.0, 3);
            let lengths: Vec<usize> = (0..n).map(|row| (row * 5) % (t + 1)).collect();
            let state = state(Some(&h_0), config.cell.has_cell_state().then_some(&c_0));
            let input = Input::new(&x).lengths(&lengths).state(state);

            let expected = reference::forward(&weights, &input).unwrap();
            let allowed = tolerance::forward(&weights, Precision::F32, &input).unwrap();
            for &strategy in Strategy::ALL {
                let options = LayerOptions { strategy, ..LayerOptions::default() };
                let layer =
                    |gpu: &Gpu| Layer::new(&weights, (Backend::Gpu(gpu.clone()), options.clone())).unwrap();
                let on_small = layer(&small);
                let found = on_small.forward(&input).unwrap();
                let what = format!("{config} on {small} with tiny limits, {strategy}");
                assert_within(&what, &found, &expected, &allowed);
                let waited = pollster::block_on(on_small.forward_async(&input)).unwrap();
                assert_eq!(bits(&waited), bits(&found), "{what}");
                // The pieces give the bits that the whole gives.
                assert_eq!(bits(&layer(gpu).forward(&input).unwrap()), bits(&found), "{what}");
            }
        }
    });
}

/// The weights of one direction are divided among buffers, and give the bits of the undivided ones.
#[test]
fn a_direction_may_take_several_bindings() {
    on_each_adapter(|gpu| {
        let small = with_tiny_limits(gpu);
        for config in [
            Config::rnn(6, 150),
            Config::lstm(6, 90).num_layers(2),
            Config::gru(6, 75).bidirectional(true),
            Config::gru(6, 75).reset_after(false),
            Config { peepholes: true, ..Config::lstm(6, 45) }.reverse(true),
        ] {
            let weights = Weights::seeded(config, 5).unwrap();
            let x = random((9, 4, 6), 1.0, 1);
            let input = Input::new(&x).lengths(&[4, 3, 2, 1, 0, 1, 2, 3, 4]);
            for (precision, strategy) in [
                (Precision::F32, Strategy::Auto),
                (Precision::F32, Strategy::Step),
                (Precision::F16, Strategy::Step),
            ] {
                let layer = |gpu: &Gpu, strategy| {
                    let options = LayerOptions { strategy, precision, ..LayerOptions::default() };
                    Layer::new(&weights, (Backend::Gpu(gpu.clone()), options)).unwrap()
                };
                let divided = layer(&small, strategy);
                let found = divided.forward(&input).unwrap();
                let whole = layer(gpu, Strategy::Step);
                assert_eq!(
                    bits(&found),
                    bits(&whole.forward(&input).unwrap()),
                    "{config} in {precision} on {small}"
                );
                // A session has no reverse direction.
                if !config.bidirectional && !config.reverse {
                    let pushed = divided.session(9).unwrap().push(Input::new(&x)).unwrap();
                    let all = whole.forward(&x).unwrap().output;
                    assert!(pushed.iter().zip(&all).all(|(a, b)| a.to_bits() == b.to_bits()), "{config}");
                }
            }
            let scan = LayerOptions { strategy: Strategy::Scan, ..LayerOptions::default() };
            let scan = Layer::new(&weights, (Backend::Gpu(small.clone()), scan)).unwrap();
            let error = scan.forward(&input).unwrap_err();
            assert!(error.kind() == ErrorKind::TooLarge, "{error}");
            assert!(error.to_string().starts_with("bytes of weights of one direction"), "{error}");
        }
    });
}

#[test]
fn what_does_not_fit_at_all_is_an_error() {
    on_each_adapter(|gpu| {
        let small = with_tiny_limits(gpu);
        let weights = Weights::seeded(Config::rnn(2, 4), 0).unwrap();
        let layer = Layer::new(&weights, Backend::Gpu(small)).unwrap();
        let long = Array3::ones((1, 5000, 2));
        let error = layer.forward(&Input::new(long.view())).unwrap_err();
        assert!(error.kind() == ErrorKind::TooLarge, "{error}");
        let short = layer.forward(&Input::new(long.slice(s![.., ..3, ..])));
        assert!(short.is_ok(), "the layer still works");
    });
}

#[test]
fn the_callers_own_device_serves() {
    on_each_adapter(|gpu| {
        let own = Gpu::from_device(gpu.device().clone(), gpu.queue().clone()).unwrap();
        let weights = Weights::seeded(Config::gru(3, 5), 0).unwrap();
        let x = random((2, 4, 3), 1.0, 0);
        let input = Input::new(x.view());
        let run =
            |gpu: &Gpu| Layer::new(&weights, Backend::Gpu(gpu.clone())).unwrap().forward(&input).unwrap();
        assert_eq!(bits(&run(&own)), bits(&run(gpu)));
    });
}
