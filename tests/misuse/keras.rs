//! Keras' weights that are no layer, and options that a layer cannot have.

use wgpu_rnn::io::{MergeMode, Tensors, to_safetensors};
use wgpu_rnn::ndarray::ArrayD;
use wgpu_rnn::{Activation, Error, LoadOptions, Weights};

use super::{Row, row};

type Shapes = &'static [(&'static str, &'static [usize])];

const LSTM: Shapes = &[("a/kernel", &[3, 8]), ("a/recurrent_kernel", &[2, 8]), ("a/bias", &[8])];
const GRU: Shapes = &[("kernel", &[3, 6]), ("recurrent_kernel", &[2, 6]), ("bias", &[2, 6])];
const RNN: Shapes = &[("kernel", &[3, 2]), ("recurrent_kernel", &[2, 2]), ("bias", &[2])];
const TWO: Shapes = &[
    ("a/kernel:0", &[3, 8]),
    ("a/recurrent_kernel:0", &[2, 8]),
    ("b/cell/kernel", &[2, 8]),
    ("b/cell/recurrent_kernel", &[2, 8]),
];
const BIDIRECTIONAL: Shapes = &[
    ("a/forward_x/kernel", &[3, 8]),
    ("a/forward_x/recurrent_kernel", &[2, 8]),
    ("a/backward_x/kernel", &[3, 8]),
    ("a/backward_x/recurrent_kernel", &[2, 8]),
    ("b/forward/kernel", &[2, 8]),
    ("b/forward/recurrent_kernel", &[2, 8]),
    ("b/backward/kernel", &[2, 8]),
    ("b/backward/recurrent_kernel", &[2, 8]),
    ("c/kernel", &[4, 8]),
    ("c/recurrent_kernel", &[2, 8]),
];

fn load(shapes: &[(&str, &[usize])], options: &LoadOptions) -> Result<Weights, Error> {
    let tensors: Vec<_> = shapes.iter().map(|(name, shape)| (*name, ArrayD::zeros(*shape))).collect();
    let file = to_safetensors(tensors.iter().map(|(name, values)| (*name, values.view()))).unwrap();
    Weights::from_tensors(&Tensors::from_bytes(&file).unwrap(), options)
}

pub fn rows() -> Vec<Row> {
    let mut rows = names();
    rows.extend(shapes());
    rows.extend(options());
    rows.extend(values());
    rows.extend(merging());
    rows
}

/// The directions of a Bidirectional, merged.
fn merging() -> Vec<Row> {
    let odd = ArrayD::zeros(&[2, 3][..]);
    let file = to_safetensors([("x", odd.view())]).unwrap();
    let tensors = Tensors::from_bytes(&file).unwrap();
    vec![
        row(
            "MergeMode::merge",
            MergeMode::Sum.merge(odd.view()),
            "the last axis of an output to merge by sum must have two halves, found shape [2, 3]",
        ),
        row(
            "MergeMode::from_str",
            "avg".parse::<MergeMode>(),
            "merge_mode must be one of concat, sum, mul, ave, none, found 'avg'",
        ),
        row(
            "Tensors::keras_merge_mode",
            tensors.keras_merge_mode(&LoadOptions::default()),
            "no recurrent layers of Keras; expected tensors kernel, recurrent_kernel and so on, behind any names",
        ),
    ]
}

/// Tensors that are missing, too many, or of several layers.
fn names() -> Vec<Row> {
    let named = |name: &str| LoadOptions { layers: vec![name.into()], ..LoadOptions::default() };
    let of = |shapes, options: &LoadOptions, expected: &str| {
        row("Weights::from_tensors", load(shapes, options), expected)
    };
    let any = LoadOptions::default();
    let none = "no recurrent parameters; expected weight_ih_l0, weight_hh_l0 and so on, with any prefix, or Keras' \
                kernel, recurrent_kernel and so on";
    let two = r#"recurrent layers "a", "b/cell"; expected "#;
    let three = r#"recurrent layers "a", "b", "c"; expected "#;
    vec![
        of(&[], &any, none),
        of(&[("dense/kernel", &[2, 2]), ("dense/bias", &[2])], &any, none),
        of(TWO, &any, &format!("{two}the names of those to take")),
        of(TWO, &named("c"), &format!(r#"{two}one named "c""#)),
        of(TWO, &named("b/cel"), &format!(r#"{two}one named "b/cel""#)),
        of(TWO, &named(""), &format!(r#"{two}one below """#)),
        of(BIDIRECTIONAL, &named("a/"), "no error"),
        of(BIDIRECTIONAL, &named("a/forward_x"), "no error"),
        of(BIDIRECTIONAL, &named("d"), &format!(r#"{three}one named "d""#)),
        of(&BIDIRECTIONAL[..2], &any, "no error"),
        of(
            &[&BIDIRECTIONAL[..4], &[("a/forward_y/recurrent_kernel", &[2, 8])]].concat(),
            &any,
            r#"several; expected one forward cell of layer "a""#,
        ),
        of(&LSTM[1..], &any, "a/kernel: missing; expected a tensor of shape [I, G*H]"),
        of(&RNN[1..], &any, "kernel: missing; expected a tensor of shape [I, G*H]"),
        of(
            &[LSTM, &[("a/norm/gamma", &[8])]].concat(),
            &any,
            "a/norm/gamma: unexpected parameter; expected kernel, recurrent_kernel and bias",
        ),
        of(&[LSTM, &[("a/seed_generator/state", &[2])]].concat(), &any, "no error"),
        of(&[RNN, &[("input", &[8])]].concat(), &any, "no error"),
        of(
            &[LSTM, &[("a/kernel:0", &[3, 8])]].concat(),
            &any,
            "a/kernel:0: expected one tensor of that name, found two",
        ),
        row("Tensors::keras_layers", twice(), "a/kernel:0: expected one tensor of that name, found two"),
    ]
}

fn twice() -> Result<Vec<String>, Error> {
    let values = ArrayD::zeros(vec![2, 2]);
    let file = to_safetensors([("a/kernel", values.view()), ("a/kernel:0", values.view())]).unwrap();
    Tensors::from_bytes(&file).unwrap().keras_layers()
}

/// Shapes that fit no layer, or not each other.
fn shapes() -> Vec<Row> {
    let of = |shapes: &[(&str, &[usize])], expected: &str| {
        row("Weights::from_tensors", load(shapes, &LoadOptions::default()), expected)
    };
    let cells = "[H, G*H] with G = 1 (SimpleRNN), 3 (GRU) or 4 (LSTM), H > 0";
    let unknown = |shape: &str| format!("recurrent_kernel: shape {shape}; expected {cells}");
    let stacked = |layers: [&str; 2], shapes, expected: &str| {
        row(
            "Weights::from_tensors",
            load(
                shapes,
                &LoadOptions {
                    layers: layers.iter().map(|&layer| layer.into()).collect(),
                    ..LoadOptions::default()
                },
            ),
            expected,
        )
    };
    let biased = &[TWO, &[("b/cell/bias", &[8])]].concat()[..];
    vec![
        of(&[("kernel", &[3, 4]), ("recurrent_kernel", &[2, 4])], &unknown("[2, 4]")),
        of(&[("kernel", &[3, 4]), ("recurrent_kernel", &[2, 7])], &unknown("[2, 7]")),
        of(&[("kernel", &[3, 4]), ("recurrent_kernel", &[0, 4])], &unknown("[0, 4]")),
        of(&[("kernel", &[3, 4]), ("recurrent_kernel", &[3, 3, 2, 8])], &unknown("[3, 3, 2, 8]")),
        of(&[GRU[1], ("kernel", &[3, 8])], "kernel: expected shape [3, 6], found [3, 8]"),
        of(&[GRU[1], ("kernel", &[])], "input_size must be greater than zero, found 0"),
        of(&[GRU[0], GRU[1], ("bias", &[3, 6])], "bias: expected shape [2, 6], found [3, 6]"),
        of(&[GRU[0], GRU[1], ("bias", &[11])], "bias: expected shape [6], found [11]"),
        of(&[LSTM[0], LSTM[1], ("a/bias", &[2, 8])], "a/bias: expected shape [8], found [2, 8]"),
        stacked(["a", "b"], TWO, "no error"),
        stacked(
            ["b", "a"],
            TWO,
            "a/kernel:0: shape [3, 8]; expected [2, 8], since the layer below gives vectors of 2",
        ),
        stacked(
            ["a", "b"],
            BIDIRECTIONAL,
            "b/forward/kernel: shape [2, 8]; expected [4, 8], since the layer below gives vectors of 4 (its merge_mode \
             must be \"concat\")",
        ),
        stacked(
            ["a", "c"],
            BIDIRECTIONAL,
            "stacked layers must all be Bidirectional, or none, found [2, 1] directions",
        ),
        stacked(["a", "b"], biased, "b/cell/bias: unexpected parameter; the layer's first cell has no bias"),
        stacked(["b", "b"], &[TWO[2], TWO[3], ("b/cell/bias", &[8])], "no error"),
        of(
            &[&BIDIRECTIONAL[..4], &[("a/forward_x/bias", &[8])]].concat(),
            "a/backward_x/bias: missing; expected a tensor of shape [8]",
        ),
    ]
}

fn options() -> Vec<Row> {
    let options = LoadOptions::default;
    let relu = Activation::Relu;
    let of = |shapes, options: &LoadOptions, expected: &str| {
        row("Weights::from_tensors", load(shapes, options), expected)
    };
    vec![
        of(
            RNN,
            &LoadOptions { recurrent_activation: Some(relu), ..options() },
            "recurrent_activation is for LSTM and GRU only, found SimpleRNN",
        ),
        of(
            RNN,
            &LoadOptions { reset_after: Some(true), ..options() },
            "reset_after is for GRU only, found RNN",
        ),
        of(
            LSTM,
            &LoadOptions { reset_after: Some(false), ..options() },
            "reset_after is for GRU only, found LSTM",
        ),
        of(
            GRU,
            &LoadOptions { reset_after: Some(false), ..options() },
            "bias: expected shape [6], found [2, 6]",
        ),
        of(
            &BIDIRECTIONAL[..4],
            &LoadOptions { reverse: true, ..options() },
            "reverse is for a layer of one direction, found a bidirectional one",
        ),
        of(
            LSTM,
            &LoadOptions { activation: Some(Activation::Elu { alpha: f32::NAN }), ..options() },
            "alpha and beta must be finite, found Elu(NaN)",
        ),
    ]
}

fn values() -> Vec<Row> {
    let [kernel, recurrent] = [[3, 2], [2, 2]].map(|shape| ArrayD::from_elem(&shape[..], 1.0f32));
    let mut broken = recurrent.clone();
    broken[[1, 0]] = f32::INFINITY;
    let named = [("kernel", kernel.view()), ("recurrent_kernel", broken.view())];
    let not_finite = to_safetensors(named).unwrap();
    let mut integers =
        to_safetensors([("kernel", kernel.view()), ("recurrent_kernel", recurrent.view())]).unwrap();
    let place = integers.windows(5).position(|bytes| bytes == b"\"F32\"").unwrap();
    integers[place + 1] = b'I';
    let load =
        |file: &[u8]| Weights::from_tensors(&Tensors::from_bytes(file).unwrap(), &LoadOptions::default());
    vec![
        row(
            "Weights::from_tensors",
            load(&not_finite),
            "recurrent_kernel[1, 0]: expected a finite value, found inf",
        ),
        row(
            "Weights::from_tensors",
            load(&integers),
            "kernel: expected dtype f16, bf16, f32 or f64, found i32",
        ),
    ]
}
