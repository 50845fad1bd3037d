//! What ONNX's operators can be and PyTorch's modules cannot: every function, clip, coupled gates, peepholes, and a single
//! reverse direction, on every implementation against the definition.

use wgpu_rnn::ndarray::s;
use wgpu_rnn::{Activation, Cell, Config, Input, Precision, Weights, reference, tolerance};

use crate::case::state;
use crate::harness::{assert_same_bits, assert_within, on_each, on_each_share, random};

const FUNCTIONS: [Activation; 11] = [
    Activation::Relu,
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Affine { alpha: 0.7, beta: -0.1 },
    Activation::LeakyRelu { alpha: 0.2 },
    Activation::ThresholdedRelu { alpha: 0.15 },
    Activation::ScaledTanh { alpha: 1.3, beta: 0.6 },
    Activation::HardSigmoid { alpha: 0.3, beta: 0.4 },
    Activation::Elu { alpha: 0.8 },
    Activation::Softsign,
    Activation::Softplus,
];

/// Each function in each of its places, forward and reverse with different ones.
fn with_functions(cell: fn(usize, usize) -> Config) -> Vec<Config> {
    let one = |index: usize| {
        let at = |offset: usize| FUNCTIONS[(index + offset) % FUNCTIONS.len()];
        let [forward, reverse] = [0, 5].map(|offset| [at(offset), at(offset + 1), at(offset + 2)]);
        cell(5, 9).bidirectional(true).num_layers(1 + index % 2).activations([forward, reverse])
    };
    (0..FUNCTIONS.len()).map(one).collect()
}

fn configs() -> Vec<Config> {
    let functions = [Config::rnn, Config::lstm, Config::gru].into_iter().flat_map(with_functions);
    let lstm = Config::lstm(6, 21);
    let hard = Activation::HardSigmoid { alpha: 0.2, beta: 0.5 };
    let reset_before = Config::gru(6, 17).reset_after(false);
    let [_, g, h] = Cell::Lstm.activations();
    let others = [
        Config { peepholes: true, num_layers: 2, ..lstm },
        Config { peepholes: true, ..lstm.bidirectional(true).proj_size(5) },
        Config { input_forget: true, ..lstm },
        Config { input_forget: true, peepholes: true, clip: Some(0.6), ..lstm.bias(false) },
        Config { clip: Some(0.3), ..lstm.activations([[hard, g, h]; 2]) },
        Config { clip: Some(0.25), ..Config::gru(6, 17).num_layers(2) },
        Config { clip: Some(0.5), ..Config::rnn(6, 70).bidirectional(true) },
        reset_before,
        reset_before.bidirectional(true).num_layers(2),
        Config::gru(6, 70).reset_after(false).num_layers(3),
        Config { clip: Some(0.4), ..Config::gru(6, 3).reset_after(false).bias(false).reverse(true) },
        reset_before.activations([[hard, g, h]; 2]),
        lstm.reverse(true).num_layers(3),
        Config::gru(6, 17).reverse(true),
        Config::rnn_relu(6, 17).reverse(true).num_layers(2),
        Config { peepholes: true, ..lstm.reverse(true).proj_size(4) },
    ];
    functions.chain(others).collect()
}

#[test]
fn every_variant_is_what_the_definition_says() {
    on_each_share(|implementation, takes| {
        for (index, config) in configs().into_iter().enumerate().filter(|(index, _)| takes(*index)) {
            let (rows, steps) = ([1, 4, 9][index % 3], 6);
            let weights = Weights::seeded(config, 5).unwrap();
            let states = config.num_layers * config.directions();
            let x = random((rows, steps, config.input_size), 2.0, 1);
            let h_0 = random((states, rows, config.hidden_output_size()), 1.0, 2);
            let c_0 =
                config.cell.has_cell_state().then(|| random((states, rows, config.hidden_size), 1.0, 3));
            let lengths: Vec<usize> = (0..rows).map(|row| (steps + 4 * row) % (steps + 1)).collect();
            let input = Input::new(&x).lengths(&lengths).state(state(Some(&h_0), c_0.as_ref()));
            let expected = reference::forward(&weights, &input).unwrap();
            let allowed = tolerance::forward(&weights, Precision::F32, &input).unwrap();
            let found = implementation.layer(&weights).forward(&input).unwrap();
            assert_within(&config.to_string(), &found, &expected, &allowed);
        }
    });
}

/// The reverse direction of a bidirectional layer, alone.
#[test]
fn a_single_reverse_direction_is_the_second_of_two() {
    on_each(|implementation| {
        for config in [Config::lstm(5, 6), Config::gru(5, 6), Config::rnn(5, 6)] {
            let both = Weights::seeded(config.bidirectional(true), 2).unwrap();
            let alone = Weights::from_fn(config.reverse(true), |name, _| {
                Ok(both.get(&format!("{name}_reverse")).unwrap().to_owned())
            });
            let x = random((3, 7, 5), 1.0, 1);
            let lengths = [4, 0, 7];
            let input = Input::new(x.view()).lengths(&lengths);
            let mut expected = implementation.layer(&both).forward(&input).unwrap();
            expected.output = expected.output.slice(s![.., .., 6..]).to_owned();
            expected.h_n = expected.h_n.slice(s![1.., .., ..]).to_owned();
            expected.c_n = expected.c_n.map(|c_n| c_n.slice(s![1.., .., ..]).to_owned());
            let found = implementation.layer(&alone.unwrap()).forward(&input).unwrap();
            assert_same_bits(&found, &expected, &config.to_string());
        }
    });
}

/// PyTorch's functions, named one by one, are PyTorch's layer.
#[test]
fn functions_that_are_the_cells_own_change_nothing() {
    for config in [Config::lstm(3, 4), Config::gru(3, 4), Config::rnn(3, 4), Config::rnn_relu(3, 4)] {
        assert_eq!(config.activations([config.cell.activations(); 2]), config);
    }
}

#[test]
fn variants_that_cannot_be_are_refused() {
    let nan = Activation::LeakyRelu { alpha: f32::NAN };
    let functions = [nan, Activation::Tanh, Activation::Tanh];
    let told = [
        Config { peepholes: true, ..Config::gru(3, 4) },
        Config { input_forget: true, ..Config::rnn(3, 4) },
        Config::lstm(3, 4).reset_after(false),
        Config { clip: Some(0.0), ..Config::lstm(3, 4) },
        Config { clip: Some(f32::NAN), ..Config::lstm(3, 4) },
        Config::lstm(3, 4).reverse(true).bidirectional(true),
        Config::gru(3, 4).activations([functions; 2]),
    ]
    .map(|config| config.validate().unwrap_err().to_string());
    assert_eq!(
        told,
        [
            "peepholes is for LSTM only, found GRU",
            "input_forget is for LSTM only, found RNN",
            "reset_after = false is for GRU only, found LSTM",
            "clip must be positive and finite, found 0",
            "clip must be positive and finite, found NaN",
            "reverse is for a layer of one direction, found a bidirectional one",
            "alpha and beta must be finite, found LeakyRelu(NaN)",
        ]
    );
}

/// Peepholes are parameters, which a state dict has.
#[test]
#[cfg(feature = "safetensors")]
fn peepholes_go_through_a_state_dict() {
    let weights =
        Weights::seeded(Config { peepholes: true, ..Config::lstm(3, 4).bidirectional(true) }, 0).unwrap();
    let file = weights.to_safetensors().unwrap();
    let again = Weights::from_bytes(&file, &wgpu_rnn::LoadOptions::default()).unwrap();
    assert_eq!(again, weights);
    assert_eq!(again.get("weight_ch_l0_reverse").unwrap().len(), 12);
}
