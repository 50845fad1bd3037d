//! Layers on another device.

use wgpu_rnn::ndarray::s;
use wgpu_rnn::{
    Backend, Config, Error, ErrorKind, Input, Layer, LayerOptions, Output, Precision, State, Strategy,
};

use crate::harness::{assert_within, bits, on_each_adapter};
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
    layer.forward(Input::new(work.x.slice(s![.., range, ..])).state(state))
}

/// A layer with the weights and options of another one.
fn moved(layer: &Layer, backend: Backend) -> Result<Layer, Error> {
    Layer::new(layer.weights().expect("kept"), (backend, layer.options().clone()))
}

#[test]
fn a_sequence_goes_on_from_a_saved_state_on_a_fresh_device() {
    watched(|| {
        on_each_adapter(|gpu| {
            for (config, &strategy) in configs().into_iter().zip(Strategy::ALL.iter().cycle()) {
                let work = Work::new(config, 3, 10);
                let options = LayerOptions { strategy, keep_weights: true, ..LayerOptions::default() };
                let lost = fresh(gpu);
                let mut layer =
                    Layer::new(&work.weights, (Backend::Gpu(lost.clone()), options.clone())).unwrap();
                let whole = layer.forward(&work.x).unwrap();
                let saved = steps(&layer, &work, 0..4, &State::default()).unwrap();
                lost.device().destroy();
                let error = steps(&layer, &work, 4..10, &State::from(&saved)).unwrap_err();
                assert!(error.kind() == ErrorKind::DeviceLost, "{error}");

                layer = moved(&layer, Backend::Gpu(fresh(gpu))).unwrap();
                let rest = steps(&layer, &work, 4..10, &State::from(&saved)).unwrap();
                let expected = whole.output.slice(s![.., 4.., ..]);
                assert_eq!(rest.output, expected, "{} on {gpu}, {strategy}", work.name);
                assert_eq!((&rest.h_n, &rest.c_n), (&whole.h_n, &whole.c_n));
                assert_eq!(layer.plan(3, 6).unwrap().unwrap().strategy, strategy, "the options stay");

                // And from there to the CPU, within what rounding allows.
                layer = moved(&layer, Backend::Cpu).unwrap();
                assert!(matches!(layer.backend(), Backend::Cpu));
                let rest = steps(&layer, &work, 4..10, &State::from(&saved)).unwrap();
                let input = Input::new(work.x.slice(s![.., 4.., ..])).state(&saved);
                let expected = wgpu_rnn::reference::forward(&work.weights, &input).unwrap();
                let allowed = wgpu_rnn::tolerance::forward(&work.weights, Precision::F32, &input).unwrap();
                assert_within(&work.name, &rest, &expected, &allowed);
                // Kept on the way, too.
                layer = moved(&layer, Backend::Gpu(fresh(gpu))).unwrap();
                assert_eq!(bits(&layer.forward(&work.x).unwrap()), bits(&whole));
            }
        });
    });
}

/// What is kept is what the layer computes with.
#[test]
fn halves_stay_halves() {
    let work = Work::small();
    let options = LayerOptions { precision: Precision::F16, keep_weights: true, ..LayerOptions::default() };
    let mut layer = Layer::new(&work.weights, (Backend::Cpu, options)).unwrap();
    let expected = bits(&work.run(&layer).unwrap());
    assert_ne!(expected, bits(&work.run(&work.layer(Backend::Cpu)).unwrap()));
    layer = moved(&layer, Backend::Cpu).unwrap();
    assert_eq!(bits(&work.run(&layer).unwrap()), expected);
}

#[test]
fn weights_are_kept_on_request_only() {
    let work = Work::small();
    for backend in [Backend::Reference, Backend::Cpu] {
        assert!(work.layer(backend.clone()).weights().is_none());
        let options = LayerOptions { keep_weights: true, ..LayerOptions::default() };
        let layer = Layer::new(&work.weights, (backend, options)).unwrap();
        assert_eq!(layer.weights(), Some(&work.weights));
    }
}
