//! Layers on another device.

use wgpu_rnn::ndarray::s;
use wgpu_rnn::{
    Backend, Config, Error, Input, Layer, LayerOptions, Output, Precision, State, Strategy, Weights,
};

use crate::harness::{adapters, assert_within, bits, on_each_adapter};
use crate::work::Work;
use crate::{fresh, watched};

fn configs() -> [Config; 4] {
    let lstm = Config::lstm(4, 12);
    [Config::rnn(4, 12).num_layers(2), lstm, lstm.proj_size(5).num_layers(2), Config::gru(4, 12)]
}

/// Some steps of a batch, from a state on.
fn steps(
    layer: &Layer,
    work: &Work,
    range: std::ops::Range<usize>,
    state: &State<'_>,
) -> Result<Output, Error> {
    layer.forward(&Input::new(work.x.slice(s![.., range, ..])), state)
}

#[test]
fn a_sequence_goes_on_from_a_saved_state_on_a_fresh_device() {
    watched(|| {
        on_each_adapter(|gpu| {
            for (config, &strategy) in configs().into_iter().zip(Strategy::ALL.iter().cycle()) {
                let work = Work::new(config, 3, 10);
                let options = LayerOptions::default().strategy(strategy).keep_weights(true);
                let lost = fresh(gpu);
                let mut layer =
                    Layer::with_options(&work.weights, Backend::Gpu(lost.clone()), &options).unwrap();
                let whole = layer.forward(&work.input(), State::zero()).unwrap();
                let saved = steps(&layer, &work, 0..4, &State::zero()).unwrap();
                lost.device().destroy();
                let error = steps(&layer, &work, 4..10, &saved.state()).unwrap_err();
                assert!(matches!(error, Error::DeviceLost { .. }), "{error}");

                layer.reload(Backend::Gpu(fresh(gpu))).unwrap();
                let rest = steps(&layer, &work, 4..10, &saved.state()).unwrap();
                let expected = whole.output.slice(s![.., 4.., ..]);
                assert_eq!(rest.output, expected, "{} on {gpu}, {strategy}", work.name);
                assert_eq!((&rest.h_n, &rest.c_n), (&whole.h_n, &whole.c_n));
                assert_eq!(layer.plan(3, 6).unwrap().unwrap().strategy, strategy, "the options stay");

                // And from there to the CPU, within what rounding allows.
                layer.reload(Backend::Cpu).unwrap();
                assert!(matches!(layer.backend(), Backend::Cpu));
                let rest = steps(&layer, &work, 4..10, &saved.state()).unwrap();
                let input = Input::new(work.x.slice(s![.., 4.., ..]));
                let expected = wgpu_rnn::reference::forward(&work.weights, &input, &saved.state()).unwrap();
                let allowed = wgpu_rnn::tolerance::forward(&work.weights, &input, &saved.state()).unwrap();
                assert_within(&work.name, &rest, &expected, &allowed);
                // Kept on the way, too.
                layer.reload(Backend::Gpu(fresh(gpu))).unwrap();
                assert_eq!(bits(&layer.forward(&work.input(), State::zero()).unwrap()), bits(&whole));
            }
        });
    });
}

#[test]
fn a_reload_that_fails_leaves_the_layer_as_it_was() {
    watched(|| {
        let work = Work::small();
        let check = |backend: Backend| {
            let mut layer = work.layer(backend);
            let expected = bits(&work.run(&layer).unwrap());
            let error = layer.reload(Backend::Cpu).unwrap_err();
            assert_eq!(
                error.to_string(),
                "weights: expected them to be kept (LayerOptions::keep_weights) or given again \
                 (Layer::reload_with), found neither"
            );
            let other = Weights::seeded(Config::gru(3, 6), 0).unwrap();
            let error = layer.reload_with(&other, Backend::Cpu).unwrap_err();
            assert_eq!(error.to_string(), "weights: expected those of GRU(3, 5), found those of GRU(3, 6)");
            for gpu in adapters() {
                let lost = fresh(gpu);
                lost.device().destroy();
                let error = layer.reload_with(&work.weights, Backend::Gpu(lost)).unwrap_err();
                assert!(matches!(error, Error::DeviceLost { .. }), "{error}");
            }
            assert_eq!(bits(&work.run(&layer).unwrap()), expected, "{}", layer.backend());
        };
        check(Backend::Cpu);
        on_each_adapter(|gpu| check(Backend::Gpu(gpu.clone())));
    });
}

/// What is kept is what the layer computes with.
#[test]
fn halves_stay_halves() {
    let work = Work::small();
    let options = LayerOptions::default().precision(Precision::F16).keep_weights(true);
    let mut layer = Layer::with_options(&work.weights, Backend::Cpu, &options).unwrap();
    let expected = bits(&work.run(&layer).unwrap());
    assert_ne!(expected, bits(&work.run(&work.layer(Backend::Cpu)).unwrap()));
    layer.reload(Backend::Cpu).unwrap();
    assert_eq!(bits(&work.run(&layer).unwrap()), expected);
}

#[test]
fn clones_stay_where_they_are_and_the_reference_has_its_weights() {
    let work = Work::small();
    let mut layer = work.layer(Backend::Reference);
    let clone = layer.clone();
    layer.reload(Backend::Cpu).unwrap();
    assert_eq!([&layer, &clone].map(|layer| layer.backend().to_string()), ["cpu", "reference (f64)"]);
    let other = Weights::seeded(*layer.config(), 99).unwrap();
    let before = bits(&work.run(&layer).unwrap());
    layer.reload_with(&other, Backend::Cpu).unwrap();
    assert_ne!(bits(&work.run(&layer).unwrap()), before, "the weights are the new ones");
}
