//! Configurations that no layer can have, names that are none, and weights that do not fit.

use wgpu_rnn::ndarray::{Array3, ArrayD};
use wgpu_rnn::tolerance::Comparison;
use wgpu_rnn::{
    Activation, Backend, Config, CpuInstructions, Input, Layer, LayerOptions, Output, Precision, Strategy,
    Weights,
};

use super::{Row, outcome, row};

pub fn rows() -> Vec<Row> {
    let mut rows = configurations();
    rows.extend(names());
    rows.extend(precisions());
    rows.extend(comparisons());
    rows
}

/// The rules of PyTorch's constructors.
fn rules() -> Vec<(Config, String)> {
    let half = usize::MAX / 2;
    let countable = "the parameters must be countable in memory, found";
    vec![
        (Config::rnn(0, 5), "input_size must be greater than zero, found 0".into()),
        (Config::gru(5, 0), "hidden_size must be greater than zero, found 0".into()),
        (Config::lstm(5, 2).num_layers(0), "num_layers must be greater than zero, found 0".into()),
        (
            Config::rnn(5, 2).proj_size(1),
            "proj_size argument is only supported for LSTM, not RNN or GRU; it must be 0 for RNN, found 1"
                .into(),
        ),
        (
            Config::gru(5, 2).proj_size(3),
            "proj_size argument is only supported for LSTM, not RNN or GRU; it must be 0 for GRU, found 3"
                .into(),
        ),
        (Config::lstm(5, 2).proj_size(2), "proj_size has to be smaller than hidden_size (2), found 2".into()),
        (Config::lstm(5, 2).proj_size(9), "proj_size has to be smaller than hidden_size (2), found 9".into()),
        (
            Config::lstm(half, half),
            format!("{countable} input_size {half}, hidden_size {half}, num_layers 1"),
        ),
        (
            Config::rnn(1, 1).num_layers(usize::MAX).bidirectional(true),
            format!("num_layers must be at most 65536, found {}", usize::MAX),
        ),
    ]
}

/// Everything that takes a configuration refuses it in the same words.
fn configurations() -> Vec<Row> {
    let mut rows = vec![row("Config::validate", Config::lstm(5, 2).proj_size(1).validate(), "no error")];
    let values = ArrayD::zeros(vec![1, 1]);
    for (config, text) in rules() {
        let never = |_: &str, _: &[usize]| unreachable!("nothing is loaded");
        let fits = Input::new(values.view()).check_fits(&config);
        rows.extend([
            row("Config::validate", config.validate(), &*text),
            row("Weights::seeded", Weights::seeded(config, 0), &*text),
            row("Weights::seeded_in_turn", Weights::seeded_in_turn([config], 0), &*text),
            row("Weights::from_fn", Weights::from_fn(config, never), &*text),
            row("Input::check_fits", fits, &*text),
        ]);
    }
    rows
}

fn names() -> Vec<Row> {
    let strategies: Vec<String> = Strategy::ALL.iter().map(Strategy::to_string).collect();
    let strategy = format!("strategy must be one of auto, {}, found 'fast'", strategies.join(", "));
    let available: Vec<String> = CpuInstructions::available().map(|one| one.to_string()).collect();
    let instructions = format!("CPU instructions: expected one of {}, found avx9", available.join(", "));
    vec![
        row(
            "Activation::from_str",
            "Tanh(1)".parse::<Activation>(),
            "an activation must be a name of ONNX's, with its alpha and beta if it has them: Tanh or \
             HardSigmoid(0.2, 0.5), found 'Tanh(1)'",
        ),
        row("CpuInstructions::from_str", "avx9".parse::<CpuInstructions>(), instructions),
        row("Strategy::from_str", "fast".parse::<Strategy>(), strategy),
        row(
            "Precision::from_str",
            "f8".parse::<Precision>(),
            "precision must be one of f32, f16, found 'f8'",
        ),
    ]
}

/// A weight that no half can hold; a bias stays f32.
fn precisions() -> Vec<Row> {
    let config = Config::gru(2, 3);
    let with = |name: &str| {
        let weights = Weights::from_fn(config, |parameter, shape| {
            let mut values = ArrayD::zeros(shape);
            if parameter == name {
                *values.last_mut().unwrap() = -65520.0;
            }
            Ok(values)
        });
        weights.unwrap()
    };
    let (weight, bias) = (with("weight_hh_l0"), with("bias_hh_l0"));
    let options = LayerOptions { precision: Precision::F16, ..LayerOptions::default() };
    let layer = |weights: &Weights| Layer::new(weights, (Backend::Cpu, options.clone()));
    let text = "weight_hh_l0[8, 2]: expected a weight that f16 can hold (at most 65504), found -65520";
    vec![
        row("Precision::round", Precision::F16.round(&weight), text),
        row("Precision::round", Precision::F32.round(&weight), "no error"),
        row("Layer::new", layer(&weight), text),
        row("Layer::new", layer(&bias), "no error"),
        row(
            "Layer::new_async",
            pollster::block_on(Layer::new_async(&weight, (Backend::Cpu, options.clone()))),
            text,
        ),
    ]
}

fn comparisons() -> Vec<Row> {
    let zeros = |size| Array3::<f64>::zeros((1, 2, size));
    let right = Output::new(zeros(3), zeros(3), Some(zeros(3)));
    let compare = |found: Output, tolerance: &Output<_, f64>| Comparison::new(&found, &right, tolerance);
    let found = |output, h_n, c_n: Option<usize>| {
        let zeros = |size| Array3::<f32>::zeros((1, 2, size));
        Output::new(zeros(output), zeros(h_n), c_n.map(zeros))
    };
    let one = "Comparison::new";
    vec![
        row(one, compare(found(4, 3, Some(3)), &right), "output: expected shape [1, 2, 3], found [1, 2, 4]"),
        row(one, compare(found(3, 4, Some(3)), &right), "h_n: expected shape [1, 2, 3], found [1, 2, 4]"),
        row(one, compare(found(3, 3, Some(4)), &right), "c_n: expected shape [1, 2, 3], found [1, 2, 4]"),
        row(one, compare(found(3, 3, None), &right), "c_n: expected shape [1, 2, 3], found [0]"),
        row(
            one,
            compare(found(3, 3, Some(3)), &Output::new(zeros(2), zeros(3), Some(zeros(3)))),
            "output: expected shape [1, 2, 3], found [1, 2, 2]",
        ),
    ]
}

/// What is not refused is not harmed: sizes that cannot be counted have sizes all the same.
#[test]
fn sizes_that_cannot_be_counted_do_not_overflow() {
    let config = Config::lstm(1, usize::MAX).bidirectional(true);
    assert_eq!(config.output_size(), usize::MAX);
    let (name, shape) = config.parameters().next().unwrap();
    assert_eq!((&*name, &shape[..]), ("weight_ih_l0", &[usize::MAX, 1][..]));
    assert_ne!(outcome(config.validate()), "no error");
}
