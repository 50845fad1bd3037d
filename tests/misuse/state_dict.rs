//! State dicts that are no layer: each mistake gives its one message, which names the tensor.

use wgpu_rnn::ndarray::{ArrayD, IxDyn};
use wgpu_rnn::{Activation, Config, Error, LoadOptions, Weights, infer_config};

use super::{Row, row};

type Tensors = &'static [(&'static str, &'static [usize])];

const GRU: Tensors =
    &[("weight_ih_l0", &[6, 4]), ("weight_hh_l0", &[6, 2]), ("bias_ih_l0", &[6]), ("bias_hh_l0", &[6])];

fn load(tensors: Tensors, options: &LoadOptions) -> Result<Weights, Error> {
    let tensors = tensors.iter().map(|&(name, shape)| (name, ArrayD::zeros(shape)));
    Weights::from_state_dict(tensors, options)
}

/// The error, or what was loaded.
fn loaded(tensors: Tensors, options: &LoadOptions) -> String {
    match load(tensors, options) {
        Ok(weights) => format!("no error, but {}", weights.config()),
        Err(error) => error.to_string(),
    }
}

/// The mistakes that need no options.
const TABLE: &[(Tensors, &str)] = &[
    (&[], "no recurrent parameters; expected weight_ih_l0, weight_hh_l0 and so on, with any prefix"),
    (
        &[("head.weight", &[2, 2]), ("weight_hr", &[2, 2]), ("input", &[1, 2, 3])],
        "no recurrent parameters; expected weight_ih_l0, weight_hh_l0 and so on, with any prefix",
    ),
    (
        &[("encoder.weight_ih_l0", &[6, 4]), ("decoder.weight_ih_l0", &[6, 4])],
        "recurrent parameters with prefix \"decoder.\", \"encoder.\"; \
         expected a prefix that says which of the layers to take",
    ),
    // Missing.
    (
        &[("weight_ih_l0", &[6, 4])],
        "weight_hh_l0: missing; expected a tensor of shape [G*H, in] or [G*H, H_out]",
    ),
    (
        &[("rnn.weight_hh_l0", &[6, 2])],
        "rnn.weight_ih_l0: missing; expected a tensor of shape [G*H, in] or [G*H, H_out]",
    ),
    (
        &[("weight_ih_l0", &[6, 4]), ("weight_hh_l0", &[6, 2]), ("bias_ih_l0", &[6])],
        "bias_hh_l0: missing; expected a tensor of shape [6]",
    ),
    (
        &[("weight_ih_l0", &[6, 4]), ("weight_hh_l0", &[6, 2]), ("weight_ih_l0_reverse", &[6, 4])],
        "weight_hh_l0_reverse: missing; expected a tensor of shape [6, 2]",
    ),
    (
        &[("weight_ih_l0", &[6, 4]), ("weight_hh_l0", &[6, 2]), ("weight_ih_l1", &[6, 2])],
        "weight_hh_l1: missing; expected a tensor of shape [6, 2]",
    ),
    (
        &[("m.weight_ih_l0", &[6, 4]), ("m.weight_hh_l0", &[6, 2]), ("m.weight_hh_l2", &[6, 2])],
        "m.weight_ih_l1: missing; expected a tensor of shape [6, 2]",
    ),
    (
        &[("weight_ih_l0", &[6, 4]), ("weight_hh_l0", &[6, 2]), ("weight_ih_l1000000000000000000", &[6, 2])],
        "weight_ih_l1: missing; expected a tensor of shape [6, 2]",
    ),
    (
        &[
            ("weight_ih_l0", &[12, 4]),
            ("weight_hh_l0", &[12, 2]),
            ("weight_hr_l0", &[2, 3]),
            ("weight_ih_l1", &[12, 2]),
            ("weight_hh_l1", &[12, 2]),
        ],
        "weight_hr_l1: missing; expected a tensor of shape [2, 3]",
    ),
    // Extra.
    (
        &[("weight_ih_l0", &[6, 4]), ("weight_hh_l0", &[6, 2]), ("weight_xh_l0", &[6, 2])],
        "weight_xh_l0: unexpected parameter; expected weight_ih, weight_hh, bias_ih, bias_hh, weight_hr or weight_ch",
    ),
    (
        &[("weight_ih_l0", &[6, 4]), ("weight_hh_l0", &[6, 2]), ("weight_hr_l0", &[1, 2])],
        "proj_size argument is only supported for LSTM, not RNN or GRU; it must be 0 for GRU, found 1",
    ),
    // Misshaped.
    (
        &[("weight_ih_l0", &[6, 4]), ("weight_hh_l0", &[5, 2])],
        "weight_hh_l0: shape [5, 2]; expected H = 2 and 1 (RNN), 3 (GRU) or 4 (LSTM) times H rows, H > 0",
    ),
    (
        &[("weight_ih_l0", &[4, 4]), ("weight_hh_l0", &[4, 2])],
        "weight_hh_l0: shape [4, 2]; expected H = 2 and 1 (RNN), 3 (GRU) or 4 (LSTM) times H rows, H > 0",
    ),
    (
        &[("weight_ih_l0", &[6, 4]), ("weight_hh_l0", &[6])],
        "weight_hh_l0: shape [6]; expected two dimensions, both greater than zero",
    ),
    (
        &[("weight_ih_l0", &[6, 4]), ("weight_hh_l0", &[0, 0])],
        "weight_hh_l0: shape [0, 0]; expected two dimensions, both greater than zero",
    ),
    (
        &[("weight_ih_l0", &[6, 0]), ("weight_hh_l0", &[6, 2])],
        "weight_ih_l0: shape [6, 0]; expected two dimensions, both greater than zero",
    ),
    (
        &[("weight_ih_l0", &[1, 6, 4]), ("weight_hh_l0", &[6, 2])],
        "weight_ih_l0: shape [1, 6, 4]; expected two dimensions, both greater than zero",
    ),
    (
        &[("weight_ih_l0", &[4, 6]), ("weight_hh_l0", &[6, 2])],
        "weight_ih_l0: expected shape [6, 6], found [4, 6]",
    ),
    (
        &[
            ("weight_ih_l0", &[6, 4]),
            ("weight_hh_l0", &[6, 2]),
            ("bias_ih_l0", &[6]),
            ("bias_hh_l0", &[6, 1]),
        ],
        "bias_hh_l0: expected shape [6], found [6, 1]",
    ),
    (
        &[
            ("weight_ih_l0", &[6, 4]),
            ("weight_hh_l0", &[6, 2]),
            ("weight_ih_l1", &[6, 4]),
            ("weight_hh_l1", &[6, 2]),
        ],
        "weight_ih_l1: expected shape [6, 2], found [6, 4]",
    ),
    (
        &[
            ("weight_ih_l0", &[6, 4]),
            ("weight_hh_l0", &[6, 2]),
            ("weight_ih_l1", &[6, 2]),
            ("weight_hh_l1", &[6, 3]),
        ],
        "weight_hh_l1: expected shape [6, 2], found [6, 3]",
    ),
    (
        &[("weight_ih_l0", &[12, 4]), ("weight_hh_l0", &[12, 2]), ("weight_hr_l0", &[1, 3])],
        "weight_hh_l0: expected shape [12, 1], found [12, 2]",
    ),
    (
        &[("weight_ih_l0", &[12, 4]), ("weight_hh_l0", &[12, 3]), ("weight_hr_l0", &[3, 3])],
        "proj_size has to be smaller than hidden_size (3), found 3",
    ),
];

pub fn rows() -> Vec<Row> {
    let mut rows = not_finite();
    rows.extend(from_a_function());
    for &(tensors, message) in TABLE {
        let options = LoadOptions::default();
        rows.push(row("Weights::from_state_dict", load(tensors, &options), message));
        rows.push(row("infer::infer_config", infer_config(tensors.iter().copied(), &options), message));
    }
    rows
}

#[test]
fn a_prefix_is_taken_with_and_without_its_dot_or_refused() {
    let two: Tensors = &[
        ("encoder.weight_ih_l0", &[6, 4]),
        ("encoder.weight_hh_l0", &[6, 2]),
        ("decoder.weight_ih_l0", &[12, 4]),
        ("decoder.weight_hh_l0", &[12, 3]),
    ];
    let with =
        |prefix: &str| loaded(two, &LoadOptions { layers: vec![prefix.into()], ..LoadOptions::default() });
    assert_eq!(with("encoder."), "no error, but GRU(4, 2, bias=False)");
    assert_eq!(with("decoder"), "no error, but LSTM(4, 3, bias=False)");
    let there = "recurrent parameters with prefix \"decoder.\", \"encoder.\"";
    assert_eq!(with("rnn."), format!("{there}; expected prefix \"rnn.\""));
    assert_eq!(with(""), format!("{there}; expected prefix \"\""));
    let none = loaded(&[], &LoadOptions { layers: vec!["rnn".into()], ..LoadOptions::default() });
    assert_eq!(none, "no recurrent parameters; expected prefix \"rnn\"");
}

#[test]
fn a_nonlinearity_is_for_the_rnn_only() {
    let relu = LoadOptions { activation: Some(Activation::Relu), ..LoadOptions::default() };
    assert_eq!(loaded(GRU, &relu), "nonlinearity is only supported for RNN, not GRU, found relu");
    let rnn: Tensors = &[("weight_ih_l0", &[2, 4]), ("weight_hh_l0", &[2, 2])];
    assert_eq!(loaded(rnn, &relu), "no error, but RNN(4, 2, nonlinearity='relu', bias=False)");
    let elu = LoadOptions { activation: Some(Activation::Elu { alpha: 1.0 }), ..LoadOptions::default() };
    let text = "nonlinearity must be tanh or relu in a state dict, found Elu(1)";
    assert_eq!(loaded(rnn, &elu), text);
}

#[test]
fn options_of_keras_are_for_its_layers() {
    let sigmoid = LoadOptions { recurrent_activation: Some(Activation::Sigmoid), ..LoadOptions::default() };
    let text = "recurrent_activation is for Keras' layers only, found a state dict";
    assert_eq!(loaded(GRU, &sigmoid), text);
    let before = LoadOptions { reset_after: Some(false), ..LoadOptions::default() };
    assert_eq!(loaded(GRU, &before), "reset_after is for Keras' layers only, found a state dict");
}

fn not_finite() -> Vec<Row> {
    let mut rows = Vec::new();
    for (value, text) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        for (spoiled, index) in [("rnn.weight_hh_l0", &[4, 1][..]), ("rnn.bias_ih_l0", &[5])] {
            let tensors = GRU.iter().map(|&(name, shape)| {
                let name = format!("rnn.{name}");
                let mut values = ArrayD::zeros(shape);
                if name == spoiled {
                    values[IxDyn(index)] = value;
                }
                (name, values)
            });
            let found = Weights::from_state_dict(tensors, &LoadOptions::default());
            let message = format!("{spoiled}{index:?}: expected a finite value, found {text}");
            rows.push(row("Weights::from_state_dict", found, message));
        }
    }
    rows
}

/// Parameters from a function are checked like those of a state dict.
fn from_a_function() -> Vec<Row> {
    let config = Config::lstm(3, 4).num_layers(2).bidirectional(true);
    let wrong = |name: &str, values: ArrayD<f32>, message: &str| {
        let weights = Weights::from_fn(config, |parameter, shape| {
            Ok(if parameter == name { values.clone() } else { ArrayD::zeros(shape) })
        });
        row("Weights::from_fn", weights, message)
    };
    vec![
        wrong(
            "weight_hh_l1_reverse",
            ArrayD::zeros(vec![16, 2]),
            "weight_hh_l1_reverse: expected shape [16, 4], found [16, 2]",
        ),
        wrong(
            "weight_ih_l1",
            ArrayD::zeros(vec![8, 16]),
            "weight_ih_l1: expected shape [16, 8], found [8, 16]",
        ),
        wrong(
            "bias_hh_l0",
            ArrayD::from_elem(vec![16], f32::NAN),
            "bias_hh_l0[0]: expected a finite value, found NaN",
        ),
    ]
}
