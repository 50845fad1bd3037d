//! NaN and infinity go where they go in PyTorch.

use wgpu_rnn::ndarray::{Array3, Axis, s};
use wgpu_rnn::{Config, Input, Weights};

use crate::harness;

/// One element of row 0, step 1 is not finite, all others are 1; after seed 7.
struct Spoiled {
    config: Config,
    value: f32,
    /// What `torch.nn` gives: `output` and `h_n`, row by row, each in row-major order (`h_n` for one row).
    /// `n` is NaN, `+` and `-` are infinities, `.` is finite.
    output: &'static str,
    h_n: &'static str,
}

fn table() -> Vec<Spoiled> {
    let (rnn, relu, lstm, gru) =
        (Config::rnn(3, 2), Config::rnn_relu(3, 2), Config::lstm(3, 2), Config::gru(3, 2));
    let projected = Config::lstm(3, 3).proj_size(2);
    let deep = Config::gru(3, 2).num_layers(2).bidirectional(true);
    let (nan_output, nan_h_n, finite, finite_h_n) =
        ("..nnnnnn|........", "nn|..", "........|........", "..|..");
    let (all_output, all_h_n) = ("nnnnnnnnnnnnnnnn|................", "nnnnnnnn|........");
    let one = |config, value, output, h_n| Spoiled { config, value, output, h_n };
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    vec![
        one(rnn, nan, nan_output, nan_h_n),
        one(rnn, inf, finite, finite_h_n),
        one(rnn, -inf, finite, finite_h_n),
        one(relu, nan, nan_output, nan_h_n),
        one(relu, inf, "..+.....|........", "..|.."),
        one(relu, -inf, "...+++nn|........", "nn|.."),
        one(lstm, nan, nan_output, nan_h_n),
        one(lstm, inf, finite, finite_h_n),
        one(lstm, -inf, finite, finite_h_n),
        one(gru, nan, nan_output, nan_h_n),
        one(gru, inf, finite, finite_h_n),
        one(gru, -inf, finite, finite_h_n),
        one(projected, nan, nan_output, nan_h_n),
        one(projected, inf, finite, finite_h_n),
        one(deep, nan, all_output, all_h_n),
        one(deep, inf, "................|................", "........|........"),
    ]
}

/// Past a row's length anything may stand, on every implementation.
#[test]
fn padding_past_the_lengths_has_no_effect() {
    let configs = [
        Config::lstm(3, 5).num_layers(2).bidirectional(true),
        Config::gru(3, 4).reverse(true),
        Config::rnn_relu(3, 4),
        Config::lstm(3, 6).proj_size(2),
    ];
    let lengths = [4, 0, 7, 1, 2];
    let clean = harness::random((5, 7, 3), 1.0, 3);
    let padded = |value: f32| {
        let mut input = clean.clone();
        for (mut row, &length) in input.outer_iter_mut().zip(&lengths) {
            row.slice_mut(s![length.., ..]).fill(value);
        }
        input
    };
    harness::on_each(|implementation| {
        for config in configs {
            let weights = Weights::seeded(config, 3).unwrap();
            let layer = implementation.layer(&weights);
            let result = |value| {
                let input = padded(value);
                layer.forward(Input::new(input.view()).lengths(&lengths)).unwrap()
            };
            let expected = result(0.0);
            for value in [f32::NAN, f32::INFINITY] {
                assert_eq!(result(value), expected, "{}: {config} with {value}", implementation.name);
            }
        }
    });
}

#[test]
fn values_that_are_not_finite_spread_as_in_pytorch() {
    harness::on_each(|implementation| {
        let mut failures = Vec::new();
        for Spoiled { config, value, output, h_n } in table() {
            let weights = Weights::seeded(config, 7).unwrap();
            let mut input = Array3::ones((2, 4, 3));
            input[[0, 1, 2]] = value;
            let result = implementation.layer(&weights).forward(&input).unwrap();
            let found = (kinds(&result.output, Axis(0)), kinds(&result.h_n, Axis(1)));
            if found != (output.to_owned(), h_n.to_owned()) {
                let name = &implementation.name;
                failures.push(format!("{config}, {value}, {name}: {found:?} instead of {:?}", (output, h_n)));
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    });
}

fn kinds(values: &Array3<f32>, rows: Axis) -> String {
    let kind = |value: &f32| match value {
        value if value.is_nan() => 'n',
        value if value.is_finite() => '.',
        value if *value > 0.0 => '+',
        _ => '-',
    };
    let rows: Vec<String> = values.axis_iter(rows).map(|row| row.iter().map(kind).collect()).collect();
    rows.join("|")
}

#[test]
fn a_nan_state_spoils_its_row_only() {
    harness::on_each(|implementation| {
        for config in [Config::rnn(3, 4), Config::rnn_relu(3, 4), Config::lstm(3, 4), Config::gru(3, 4)] {
            let weights = Weights::seeded(config, 0).unwrap();
            let mut h_0 = Array3::zeros((1, 3, 4));
            h_0[[0, 1, 2]] = f32::NAN;
            let input = Array3::ones((3, 2, 3));
            let layer = implementation.layer(&weights);
            let result = layer.forward(Input::new(input.view()).state(h_0.view())).unwrap();
            for (row, values) in result.output.outer_iter().enumerate() {
                let spoiled = values.iter().all(|value| value.is_nan());
                assert_eq!((row, spoiled), (row, row == 1), "{config} on {}", implementation.name);
                assert!(spoiled || values.iter().all(|value| value.is_finite()));
            }
        }
    });
}
