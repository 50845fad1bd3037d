//! Batches that do not fit: each gives its one message, on every implementation, and the layer works on.

use wgpu_rnn::ndarray::{Array, Array3, ArrayD, Dimension, IxDyn, array, s};
use wgpu_rnn::{Backend, Config, Input, Layer, Output, Precision, State, Weights, reference, tolerance};

use super::{Row, outcome, row};
use crate::harness::{bits, on_each, random};

/// A forward pass over arrays of these shapes.
#[derive(Clone, Copy)]
struct Call {
    input: &'static [usize],
    h_0: Option<&'static [usize]>,
    c_0: Option<&'static [usize]>,
    lengths: Option<&'static [usize]>,
}

/// A call without state and lengths.
const fn call(input: &'static [usize]) -> Call {
    Call { input, h_0: None, c_0: None, lengths: None }
}

impl Call {
    const fn h_0(mut self, shape: &'static [usize]) -> Self {
        self.h_0 = Some(shape);
        self
    }

    const fn c_0(mut self, shape: &'static [usize]) -> Self {
        self.c_0 = Some(shape);
        self
    }

    const fn lengths(mut self, lengths: &'static [usize]) -> Self {
        self.lengths = Some(lengths);
        self
    }

    /// What `run` makes of the call's arrays.
    fn with<T>(&self, run: impl FnOnce(&Input<'_, IxDyn>) -> T) -> T {
        let zeros = |shape: &[usize]| ArrayD::<f32>::zeros(shape);
        let (values, h_0, c_0) = (zeros(self.input), self.h_0.map(zeros), self.c_0.map(zeros));
        let mut input = Input::new(values.view());
        if let Some(lengths) = self.lengths {
            input = input.lengths(lengths);
        }
        let mut state = State::default();
        state.h_0 = h_0.as_ref().map(|values| values.view().into());
        state.c_0 = c_0.as_ref().map(|values| values.view().into());
        run(&input.state(state))
    }

    fn rows_of_layer(&self, layer: &Layer, message: &str) -> Vec<Row> {
        self.with(|input| {
            let polled = pollster::block_on(layer.forward_async(input));
            vec![
                row("Layer::forward", layer.forward(input), message),
                row("Layer::forward", layer.forward(input.clone().timed()), message),
                row("Layer::forward_async", polled, message),
            ]
        })
    }

    /// The same mistake, made without a layer.
    fn rows(&self, weights: &Weights, message: &str) -> Vec<Row> {
        self.with(|input| {
            let allowed = |precision| tolerance::forward(weights, precision, input);
            vec![
                row("Input::check_fits", input.check_fits(weights.config()), message),
                row("reference::forward", reference::forward(weights, input), message),
                row("tolerance::forward", allowed(Precision::F32), message),
                row("tolerance::forward", allowed(Precision::F16), message),
            ]
        })
    }
}

/// What any cell refuses, in the order of the checks.
const ANY: &[(Call, &str)] = &[
    (call(&[]), "Expected input to be 2D or 3D, got 0D instead"),
    (call(&[5]), "Expected input to be 2D or 3D, got 1D instead"),
    (call(&[1, 2, 3, 5]), "Expected input to be 2D or 3D, got 4D instead"),
];

const RNN: &[(Call, &str)] = &[
    (call(&[2, 3, 4]), "input.size(-1) must be equal to input_size. Expected 5, got 4"),
    (call(&[3, 6]), "input.size(-1) must be equal to input_size. Expected 5, got 6"),
    (call(&[2, 3, 0]), "input.size(-1) must be equal to input_size. Expected 5, got 0"),
    (call(&[2, 0, 5]), "input: Expected sequence length to be larger than 0 in RNN, found 0"),
    (call(&[0, 5]), "input: Expected sequence length to be larger than 0 in RNN, found 0"),
    (call(&[0, 0, 5]), "input: Expected sequence length to be larger than 0 in RNN, found 0"),
    (call(&[2, 3, 5]).h_0(&[1, 3, 2]), "h_0: Expected hidden size [1, 2, 2], got [1, 3, 2]"),
    (call(&[2, 3, 5]).h_0(&[2, 2, 2]), "h_0: Expected hidden size [1, 2, 2], got [2, 2, 2]"),
    (call(&[2, 3, 5]).h_0(&[1, 2, 5]), "h_0: Expected hidden size [1, 2, 2], got [1, 2, 5]"),
    (call(&[2, 3, 5]).h_0(&[2, 1, 2]), "h_0: Expected hidden size [1, 2, 2], got [2, 1, 2]"),
    (call(&[0, 3, 5]).h_0(&[1, 1, 2]), "h_0: Expected hidden size [1, 0, 2], got [1, 1, 2]"),
    (call(&[3, 5]).h_0(&[2, 2]), "h_0: Expected hidden size [1, 2], got [2, 2]"),
    (call(&[3, 5]).h_0(&[1, 1, 2]), "h_0: For 2-D input, h_0 should also be 2-D but got 3-D tensor"),
    (call(&[2, 3, 5]).h_0(&[1, 2]), "h_0: For 3-D input, h_0 should also be 3-D but got 2-D tensor"),
    (call(&[2, 3, 5]).h_0(&[]), "h_0: For 3-D input, h_0 should also be 3-D but got 0-D tensor"),
    (
        call(&[2, 3, 5]).lengths(&[3]),
        "lengths: Expected `len(lengths)` to be equal to batch_size 2, but got 1",
    ),
    (
        call(&[2, 3, 5]).lengths(&[1, 2, 3]),
        "lengths: Expected `len(lengths)` to be equal to batch_size 2, but got 3",
    ),
    (
        call(&[2, 3, 5]).lengths(&[]),
        "lengths: Expected `len(lengths)` to be equal to batch_size 2, but got 0",
    ),
    (call(&[2, 3, 5]).lengths(&[1, 4]), "lengths[1]: expected 0 to 3 (the input's steps), found 4"),
    (
        call(&[2, 3, 5]).lengths(&[usize::MAX, 1]),
        "lengths[0]: expected 0 to 3 (the input's steps), found 9223372036854775807",
    ),
    (
        call(&[3, 5]).lengths(&[1, 1]),
        "lengths: Expected `len(lengths)` to be equal to batch_size 1, but got 2",
    ),
];

const NO_CELL_STATE: &[(Call, &str)] = &[
    (
        call(&[2, 3, 5]).c_0(&[1, 2, 2]),
        "c_0: expected none, since GRU has no cell state, found shape [1, 2, 2]",
    ),
    (
        call(&[3, 5]).h_0(&[1, 2]).c_0(&[1, 2]),
        "c_0: expected none, since GRU has no cell state, found shape [1, 2]",
    ),
];

/// An LSTM with 3 units that are projected to 2.
const PROJECTED: &[(Call, &str)] = &[
    (call(&[2, 3, 5]).h_0(&[1, 2, 3]).c_0(&[1, 2, 3]), "h_0: Expected hidden size [1, 2, 2], got [1, 2, 3]"),
    (call(&[2, 3, 5]).h_0(&[1, 2, 2]).c_0(&[1, 2, 2]), "c_0: Expected hidden size [1, 2, 3], got [1, 2, 2]"),
    (call(&[2, 3, 5]).c_0(&[1, 1, 3]), "c_0: Expected hidden size [1, 2, 3], got [1, 1, 3]"),
    (
        call(&[3, 5]).h_0(&[1, 2]).c_0(&[1, 1, 3]),
        "c_0: For 2-D input, c_0 should also be 2-D but got 3-D tensor",
    ),
];

const DEEP_BIDIRECTIONAL: &[(Call, &str)] = &[
    (call(&[2, 3, 5]).h_0(&[1, 2, 2]), "h_0: Expected hidden size [4, 2, 2], got [1, 2, 2]"),
    (call(&[2, 3, 5]).h_0(&[2, 2, 2]), "h_0: Expected hidden size [4, 2, 2], got [2, 2, 2]"),
    (call(&[3, 5]).h_0(&[1, 2]), "h_0: Expected hidden size [4, 2], got [1, 2]"),
    // PyTorch's h_n is never batch-first.
    (call(&[2, 3, 5]).h_0(&[2, 4, 2]), "h_0: Expected hidden size [4, 2, 2], got [2, 4, 2]"),
];

fn table() -> Vec<(Config, Call, String)> {
    let deep = |config: Config| config.num_layers(2).bidirectional(true);
    let (rnn, lstm, gru) = (Config::rnn(5, 2), Config::lstm(5, 2), Config::gru(5, 2));
    let mut table = Vec::new();
    let mut add = |config, rows: &[(Call, &str)]| {
        table.extend(rows.iter().map(|&(call, message)| (config, call, message.to_owned())));
    };
    [rnn, Config::rnn_relu(5, 2), lstm, gru].into_iter().for_each(|config| add(config, RNN));
    add(gru, NO_CELL_STATE);
    add(Config::lstm(5, 3).proj_size(2), PROJECTED);
    [deep(rnn), deep(lstm), deep(gru)].into_iter().for_each(|config| add(config, DEEP_BIDIRECTIONAL));
    for config in [rnn, lstm, gru] {
        let named = |(call, message): &(Call, &str)| (config, *call, format!("{}: {message}", config.cell));
        table.extend(ANY.iter().map(named));
    }
    table
}

/// Arrays that were put together by hand.
fn of_no_result() -> Vec<Row> {
    let zeros = |shape: &[usize]| ArrayD::<f32>::zeros(shape);
    let laid_out = |output: &[usize], h_n: &[usize], c_n: Option<&[usize]>| {
        Output::new(zeros(output), zeros(h_n), c_n.map(zeros)).to_onnx(0)
    };
    let of = |name: &str, found: &str| {
        format!("{name}: shape {found}; expected [L*D, N, size] for an output of shape [2, 3, 8]")
    };
    let right = Output::new(zeros(&[2, 3, 4]), zeros(&[1, 2, 4]), None);
    let rank = "h_n: shape [4]; expected three dimensions, or two without a batch";
    vec![
        row("Output::to_onnx", right.to_onnx(2), "layout must be 0 or 1, found 2"),
        row("Output::to_onnx", laid_out(&[2, 3, 8], &[4], None), rank),
        row("Output::to_onnx", laid_out(&[2, 3, 8], &[1, 2, 0], None), of("h_n", "[1, 2, 0]")),
        row("Output::to_onnx", laid_out(&[2, 3, 8], &[1, 2, 3], None), of("h_n", "[1, 2, 3]")),
        row("Output::to_onnx", laid_out(&[2, 3, 8], &[3, 2, 4], None), of("h_n", "[3, 2, 4]")),
        row("Output::to_onnx", laid_out(&[2, 3, 8], &[1, 3, 8], None), of("h_n", "[1, 3, 8]")),
        row("Output::to_onnx", laid_out(&[2, 3, 8], &[2, 2, 4], Some(&[2, 1, 4])), of("c_n", "[2, 1, 4]")),
    ]
}

pub fn rows() -> Vec<Row> {
    let mut rows = not_finite();
    rows.extend(of_no_result());
    rows.extend(rows_of_a_session());
    for (config, call, message) in table() {
        let weights = Weights::seeded(config, 1).unwrap();
        rows.extend(call.rows(&weights, &message));
        rows.extend(call.rows_of_layer(&Layer::new(&weights, Backend::Cpu).unwrap(), &message));
    }
    rows
}

/// A forward pass has no rows to choose from.
fn rows_of_a_session() -> Vec<Row> {
    let weights = Weights::seeded(Config::gru(3, 4), 0).unwrap();
    let layer = Layer::new(&weights, Backend::Cpu).unwrap();
    let x = Array3::zeros((1, 2, 3));
    let input = Input::new(&x).rows(&[0]);
    let text = "rows: expected none, since only a session has rows to choose from, found some";
    vec![
        row("Layer::forward", layer.forward(&input), text),
        row("Layer::forward_async", pollster::block_on(layer.forward_async(&input)), text),
        row("Input::check_fits", input.check_fits(weights.config()), text),
        row("reference::forward", reference::forward(&weights, &input), text),
        row("tolerance::forward", tolerance::forward(&weights, Precision::F32, &input), text),
    ]
}

#[test]
fn every_misuse_of_forward_has_its_message_and_leaves_the_layer_working() {
    let table = table();
    on_each(|implementation| {
        let mut failures = Vec::new();
        for (config, call, message) in &table {
            let layer = implementation.layer(&Weights::seeded(*config, 1).unwrap());
            let before = good(&layer);
            for Row { function, found, .. } in call.rows_of_layer(&layer, message) {
                if found.as_ref() != Some(message) {
                    failures
                        .push(format!("{config} {:?}, {function}: {found:?}, not {message:?}", call.input));
                }
            }
            assert_eq!(good(&layer), before, "{config} after {message:?}");
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    });
}

/// The bits of a forward pass that is as it should be.
fn good(layer: &Layer) -> Vec<u32> {
    let input = random((2, 3, layer.config().input_size), 1.0, 1);
    let result = layer.forward(&Input::new(input.view())).unwrap();
    assert!(result.output.iter().any(|&value| value != 0.0));
    bits(&result)
}

/// The finite checks name the first bad element.
fn not_finite() -> Vec<Row> {
    let spoil = |index: [usize; 3], value| {
        let mut values = Array3::<f32>::ones((2, 3, 4));
        values[index] = value;
        values
    };
    let (nan, infinite) = (spoil([1, 2, 3], f32::NAN), spoil([0, 2, 1], f32::NEG_INFINITY));
    let fine = spoil([0, 0, 0], 2.0);
    // The largest finite values do not add up to a false alarm.
    let largest = Array3::from_elem((2, 3, 4), f32::MAX);
    let input = |values: &Array3<f32>| Input::new(values.view()).check_finite();
    let state = |h_0: &Array3<f32>, c_0: &Array3<f32>| {
        Input::new(&fine).state((h_0.view(), c_0.view())).check_finite()
    };
    vec![
        row("Input::check_finite", input(&nan), "input[1, 2, 3]: expected a finite value, found NaN"),
        row("Input::check_finite", input(&infinite), "input[0, 2, 1]: expected a finite value, found -inf"),
        row("Input::check_finite", input(&largest), "no error"),
        // Past the rows' lengths anything is allowed.
        row("Input::check_finite", Input::new(nan.view()).lengths(&[3, 2]).check_finite(), "no error"),
        row(
            "Input::check_finite",
            Input::new(nan.view()).lengths(&[2, 3]).check_finite(),
            "input[1, 2, 3]: expected a finite value, found NaN",
        ),
        row(
            "Input::check_finite",
            Input::new(nan.slice(s![1, .., ..])).lengths(&[2]).check_finite(),
            "no error",
        ),
        row(
            "Input::check_finite",
            Input::new(nan.slice(s![1, .., ..])).lengths(&[3]).check_finite(),
            "input[2, 3]: expected a finite value, found NaN",
        ),
        row(
            "Input::check_finite",
            state(&nan, &infinite),
            "h_0[1, 2, 3]: expected a finite value, found NaN",
        ),
        row(
            "Input::check_finite",
            state(&fine, &infinite),
            "c_0[0, 2, 1]: expected a finite value, found -inf",
        ),
    ]
}

/// The rank may be part of the type; one that cannot be an input is refused all the same.
#[test]
fn a_rank_in_the_type_is_checked_too() {
    fn message<D: Dimension>(layer: &Layer, values: &Array<f32, D>) -> String {
        outcome(layer.forward(Input::new(values.view())))
    }
    on_each(|implementation| {
        let layer = implementation.layer(&Weights::seeded(Config::lstm(1, 1), 0).unwrap());
        let line = array![1.0f32];
        assert_eq!(message(&layer, &line), "LSTM: Expected input to be 2D or 3D, got 1D instead");
        assert_eq!(
            message(&layer, &array![[[[1.0f32]]]]),
            "LSTM: Expected input to be 2D or 3D, got 4D instead"
        );
        assert_eq!(message(&layer, &array![[1.0f32]]), "no error");
    });
}
