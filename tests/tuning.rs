//! `LayerOptions::measure` as its users see it.

use wgpu_rnn::{
    Backend, Config, ErrorKind, Gpu, Input, Layer, LayerOptions, Precision, Strategy, Weights, reference,
    tolerance,
};

use crate::harness::{assert_same_bits, assert_within, on_each_adapter, random};

const N: usize = 3;
const T: usize = 6;

fn cells() -> [Config; 6] {
    [
        Config::rnn(5, 20).num_layers(2),
        Config::rnn_relu(5, 9),
        Config::lstm(5, 20).num_layers(2).bidirectional(true),
        Config::lstm(5, 20).proj_size(6),
        Config::gru(5, 20).bias(false),
        Config::gru(5, 20).reset_after(false),
    ]
}

fn layer(gpu: &Gpu, weights: &Weights, strategy: Strategy, measure: bool) -> Layer {
    let options = LayerOptions { strategy, measure, ..LayerOptions::default() };
    Layer::new(weights, (Backend::Gpu(gpu.clone()), options)).unwrap()
}

#[test]
fn what_is_measured_is_within_tolerance_and_stays() {
    on_each_adapter(|gpu| {
        for config in cells() {
            let weights = Weights::seeded(config, 5).unwrap();
            let x = random((N, T, config.input_size), 1.0, 1);
            let input = Input::new(x.view()).lengths(&[T, 0, 4]);
            let measured = layer(gpu, &weights, Strategy::Auto, true);
            let by_model = gpu.plan(&config, N, T, &LayerOptions::default()).unwrap();
            assert_eq!(measured.plan(N, T).unwrap(), Some(by_model), "nothing is measured yet");

            let first = measured.forward(&input).unwrap();
            let plan = measured.plan(N, T).unwrap();
            let expected = reference::forward(&weights, &input).unwrap();
            let allowed = tolerance::forward(&weights, Precision::F32, &input).unwrap();
            assert_within(&format!("{config} on {gpu}"), &first, &expected, &allowed);
            assert_same_bits(&measured.forward(&input).unwrap(), &first, "a second call");
            let polled = pollster::block_on(measured.forward_async(&input)).unwrap();
            assert_same_bits(&polled, &first, "forward_async");
            assert_eq!(measured.plan(N, T).unwrap(), plan);
        }
    });
}

#[test]
fn a_strategy_that_is_forced_has_the_models_bits() {
    on_each_adapter(|gpu| {
        for config in cells() {
            let weights = Weights::seeded(config, 5).unwrap();
            let x = random((N, T, config.input_size), 1.0, 1);
            let input = Input::new(x.view());
            for &strategy in Strategy::ALL {
                let [by_model, measured] = [false, true].map(|measure| {
                    let layer = layer(gpu, &weights, strategy, measure);
                    let output = pollster::block_on(layer.forward_async(&input)).unwrap();
                    assert_eq!(layer.plan(N, T).unwrap().unwrap().strategy, strategy);
                    output
                });
                assert_same_bits(&measured, &by_model, &format!("{config} with {strategy} on {gpu}"));
            }
        }
    });
}

#[test]
fn a_plan_is_there_for_gpus_alone() {
    let weights = Weights::seeded(Config::gru(3, 5), 0).unwrap();
    for backend in [Backend::Reference, Backend::Cpu] {
        assert_eq!(Layer::new(&weights, backend).unwrap().plan(1, 1).unwrap(), None);
    }
    on_each_adapter(|gpu| {
        let layer = Layer::new(&weights, Backend::Gpu(gpu.clone())).unwrap();
        assert!(layer.plan(1, 0).is_err_and(|error| error.kind() == ErrorKind::Input));
        assert!(layer.plan(1, usize::MAX).is_err_and(|error| error.kind() == ErrorKind::TooLarge));
        assert_eq!(layer.plan(0, 1).unwrap().unwrap().rows, 1);
    });
}
