mod threads;

use ndarray::{Array, Array3, Dimension, s};

use super::*;
use crate::tolerance::Comparison;
use crate::{ErrorKind, Input, Precision, State, reference, tolerance};

/// A batch and the parameters to run it with.
#[derive(Clone)]
struct Case {
    instructions: CpuInstructions,
    weights: Weights,
    input: Array3<f32>,
    h_0: Option<Array3<f32>>,
    c_0: Option<Array3<f32>>,
    lengths: Option<Vec<usize>>,
}

/// Values in [-1, 1) that look random: a Weyl sequence, different for each array.
fn noise<D: Dimension>(shape: impl ndarray::ShapeBuilder<Dim = D>, seed: u32) -> Array<f32, D> {
    let mut x = seed.wrapping_mul(0x9E37_79B9);
    Array::from_shape_simple_fn(shape, || {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (x >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
}

impl Case {
    /// Creates a case with non-zero states in which every row has the full length.
    fn new(config: Config, n: usize, t: usize) -> Self {
        let states = config.num_layers * config.directions();
        Case {
            instructions: CpuInstructions::best().unwrap(),
            weights: Weights::seeded(config, 7).unwrap(),
            input: noise((n, t, config.input_size), 1) * 2.0,
            h_0: Some(noise((states, n, config.hidden_output_size()), 2)),
            c_0: config.cell.has_cell_state().then(|| noise((states, n, config.hidden_size), 3)),
            lengths: None,
        }
    }

    /// Sets unsorted lengths, which include 0 and T if there are enough rows.
    fn ragged(mut self) -> Self {
        let (n, t, _) = self.input.dim();
        self.lengths = Some((0..n).map(|row| (row * 5 + t) % (t + 1)).collect());
        self
    }

    fn with<R>(&self, f: impl FnOnce(&Input<'_>) -> R) -> R {
        let mut input = Input::new(self.input.view());
        if let Some(lengths) = &self.lengths {
            input = input.lengths(lengths);
        }
        let state = State {
            h_0: self.h_0.as_ref().map(|h_0| h_0.view().into()),
            c_0: self.c_0.as_ref().map(|c_0| c_0.view().into()),
        };
        f(&input.state(state))
    }

    /// Returns the same case with every instruction set of this machine.
    fn on_all_instructions(&self) -> impl Iterator<Item = Case> {
        CpuInstructions::available().map(|instructions| Case { instructions, ..self.clone() })
    }

    fn layer(&self) -> CpuLayer {
        CpuLayer::new(
            &self.weights,
            &LayerOptions { instructions: Some(self.instructions), ..LayerOptions::default() },
        )
        .unwrap()
    }

    fn run_cut(&self, cut: Cut) -> Output {
        self.with(|input| {
            let batch = Batch::new(self.weights.config(), input).unwrap();
            self.layer().run_cut(&batch, cut).unwrap()
        })
    }

    fn run(&self) -> Output {
        self.with(|input| {
            let batch = Batch::new(self.weights.config(), input).unwrap();
            self.layer().run(&batch).unwrap()
        })
    }

    fn compare(&self, found: &Output) -> Comparison {
        self.with(|input| {
            let expected = reference::forward(&self.weights, input).unwrap();
            let tolerance = tolerance::forward(&self.weights, Precision::F32, input).unwrap();
            Comparison::new(found, &expected, &tolerance).unwrap()
        })
    }

    /// Checks the result against the tolerance with every instruction set of this machine.
    fn check(&self) {
        let (config, dim) = (self.weights.config(), self.input.dim());
        for case in self.on_all_instructions() {
            let comparison = case.compare(&case.run());
            let instructions = case.instructions;
            assert!(
                comparison.passes(),
                "{config}, N T I {dim:?}, {:?}, {instructions}: {comparison:?}",
                self.lengths
            );
        }
    }

    /// Returns a case with only row `row` of the batch.
    fn row(&self, row: usize) -> Case {
        let one = |state: &Array3<f32>| state.slice(s![.., row..row + 1, ..]).to_owned();
        Case {
            instructions: self.instructions,
            weights: self.weights.clone(),
            input: self.input.slice(s![row..row + 1, .., ..]).to_owned(),
            h_0: self.h_0.as_ref().map(one),
            c_0: self.c_0.as_ref().map(one),
            lengths: self.lengths.as_ref().map(|lengths| vec![lengths[row]]),
        }
    }
}

/// Returns every cell, and an LSTM with a projection if the hidden size allows one.
fn configs(input_size: usize, hidden_size: usize) -> Vec<Config> {
    let mut configs = vec![
        Config::rnn(input_size, hidden_size),
        Config::rnn_relu(input_size, hidden_size),
        Config::gru(input_size, hidden_size),
        Config::gru(input_size, hidden_size).reset_after(false),
        Config::lstm(input_size, hidden_size),
    ];
    if hidden_size > 1 {
        configs.push(
            Config::lstm(input_size, hidden_size).proj_size(hidden_size.div_ceil(2).min(hidden_size - 1)),
        );
    }
    configs
}

fn bits(output: &Output) -> [Vec<u32>; 3] {
    let bits = |array: &Array3<f32>| array.iter().map(|value| value.to_bits()).collect();
    [bits(&output.output), bits(&output.h_n), output.c_n.as_ref().map_or(vec![], bits)]
}

#[test]
fn sizes_around_the_edges_of_panels_and_blocks() {
    for hidden_size in [1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65] {
        for input_size in [1, 31, 32, 33] {
            for config in configs(input_size, hidden_size) {
                Case::new(config, 3, 4).check();
            }
        }
    }
}

#[test]
fn many_steps_and_long_sums() {
    for (input_size, hidden_size) in [(1, 1), (7, 9), (63, 16), (64, 17), (65, 33), (129, 5), (300, 3)] {
        for config in configs(input_size, hidden_size) {
            Case::new(config, 3, 33).ragged().check();
        }
    }
}

#[test]
fn numbers_of_rows_around_the_edges_of_tiles() {
    for n in 1..=27 {
        // These have three, nine and twelve panels: full and partial groups of panels.
        for hidden_size in [48, 33] {
            Case::new(Config::rnn(5, hidden_size), n, 2).check();
            Case::new(Config::lstm(5, hidden_size), n, 2).check();
        }
    }
}

#[test]
fn layers_directions_and_lengths_together() {
    for config in configs(5, 19) {
        for n in [1, 2, 3, 9] {
            let config = config.num_layers(3).bidirectional(true);
            Case::new(config, n, 7).check();
            Case::new(config, n, 7).ragged().check();
            Case::new(config.bias(false), n, 7).ragged().check();
        }
    }
}

#[test]
fn without_states() {
    for config in configs(5, 19) {
        let mut case = Case::new(config.num_layers(2).bidirectional(true), 3, 4);
        case.h_0 = None;
        case.check();
        case.c_0 = None;
        case.check();
    }
}

#[test]
fn a_row_of_length_zero_keeps_its_state() {
    for config in configs(5, 19) {
        let mut case = Case::new(config.num_layers(2).bidirectional(true), 3, 6);
        case.lengths = Some(vec![0, 6, 0]);
        let found = case.run();
        for row in [0, 2] {
            assert!(found.output.slice(s![row, .., ..]).iter().all(|value| value.to_bits() == 0));
            assert_eq!(found.h_n.slice(s![.., row, ..]), case.h_0.as_ref().unwrap().slice(s![.., row, ..]));
            if let (Some(c_n), Some(c_0)) = (&found.c_n, &case.c_0) {
                assert_eq!(c_n.slice(s![.., row, ..]), c_0.slice(s![.., row, ..]));
            }
        }
        case.lengths = Some(vec![0; 3]);
        assert_eq!(case.run().h_n, case.h_0.unwrap());
    }
}

#[test]
fn a_row_has_the_same_bits_in_any_batch() {
    for config in configs(70, 40) {
        let config = config.num_layers(2).bidirectional(true);
        for n in [1, 2, 3, 4, 5, 6, 8, 11, 17, 64] {
            let case = Case::new(config, n, 5).ragged();
            case.on_all_instructions().for_each(|case| same_bits_alone(&case));
        }
    }
}

fn same_bits_alone(case: &Case) {
    let (n, whole) = (case.input.dim().0, case.run());
    for row in [0, n / 2, n - 1] {
        let alone = case.row(row).run();
        let same = Output::new(
            whole.output.slice(s![row..row + 1, .., ..]).to_owned(),
            whole.h_n.slice(s![.., row..row + 1, ..]).to_owned(),
            whole.c_n.as_ref().map(|c_n| c_n.slice(s![.., row..row + 1, ..]).to_owned()),
        );
        let (config, instructions) = (case.weights.config(), case.instructions);
        assert_eq!(bits(&same), bits(&alone), "{config}: row {row} of {n}, {instructions}");
    }
}

#[test]
fn a_layer_gives_the_same_bits_again_whatever_it_ran_before() {
    for config in configs(6, 20) {
        let case = Case::new(config.bidirectional(true), 5, 9);
        let layer = case.layer();
        let run = |case: &Case| {
            case.with(|input| layer.run(&Batch::new(&config.bidirectional(true), input).unwrap()).unwrap())
        };
        let expected = bits(&run(&case));
        let mut poison = case.clone().ragged();
        poison.input.fill(f32::NAN);
        run(&poison);
        run(&case.row(2));
        assert_eq!(bits(&run(&case)), expected, "{config}");
    }
}

#[test]
fn steps_one_by_one_are_the_whole_sequence() {
    for config in configs(6, 20) {
        let case = Case::new(config.num_layers(2), 3, 5);
        let whole = case.run();
        let (mut h_0, mut c_0) = (case.h_0.clone(), case.c_0.clone());
        for step in 0..5 {
            let input = case.input.slice(s![.., step..step + 1, ..]).to_owned();
            let one = Case { input, h_0, c_0, ..case.clone() }.run();
            assert_eq!(one.output.slice(s![.., 0, ..]), whole.output.slice(s![.., step, ..]));
            (h_0, c_0) = (Some(one.h_n), one.c_n);
        }
        assert_eq!((h_0, c_0), (Some(whole.h_n), whole.c_n));
    }
}

#[test]
fn pieces_are_the_whole_sequence() {
    for config in configs(6, 20) {
        let whole = Case::new(config.num_layers(2), 3, 16);
        let expected = whole.run();
        let half = |steps: std::ops::Range<usize>, h_0, c_0| {
            let input = whole.input.slice(s![.., steps, ..]).to_owned();
            Case { input, h_0, c_0, ..whole.clone() }.run()
        };
        let first = half(0..8, whole.h_0.clone(), whole.c_0.clone());
        let second = half(8..16, Some(first.h_n), first.c_n);
        assert_eq!((second.h_n, second.c_n), (expected.h_n, expected.c_n));
    }
}

#[test]
fn strides_do_not_matter() {
    let case = Case::new(Config::lstm(5, 8), 4, 6);
    let mut reversed = Case::new(Config::lstm(5, 8), 4, 6);
    let flip = |array: &Array3<f32>| {
        let copy = array.slice(s![.., ..;-1, ..]).as_standard_layout().into_owned();
        copy.slice_move(s![.., ..;-1, ..])
    };
    reversed.input =
        flip(&case.input).permuted_axes([2, 1, 0]).as_standard_layout().into_owned().reversed_axes();
    reversed.h_0 = case.h_0.as_ref().map(flip);
    reversed.c_0 = case.c_0.as_ref().map(flip);
    assert_eq!(bits(&reversed.run()), bits(&case.run()));
}

#[test]
fn large_weights_saturate() {
    for config in configs(5, 17) {
        let mut case = Case::new(config.num_layers(2), 2, 3);
        case.input *= 1e3;
        case.check();
    }
}

/// Checks that the result and the reference have NaN in the same places.
fn same_nans(case: &Case) {
    case.on_all_instructions().for_each(|case| same_nans_on(&case));
}

fn same_nans_on(case: &Case) {
    let found = case.run();
    let expected = case.with(|input| reference::forward(&case.weights, input).unwrap());
    let nans = |array: &Array3<f64>| array.map(|value| value.is_nan());
    assert!(expected.output.iter().any(|value| value.is_nan()), "the case makes no NaN");
    assert_eq!(found.output.map(|value| value.is_nan()), nans(&expected.output), "{}", case.weights.config());
    assert_eq!(found.h_n.map(|value| value.is_nan()), nans(&expected.h_n));
    assert_eq!(found.c_n.map(|c| c.map(|value| value.is_nan())), expected.c_n.map(|c| nans(&c)));
}

#[test]
fn nan_spreads_as_in_the_reference() {
    for config in configs(5, 17) {
        let mut case = Case::new(config, 3, 6);
        case.input[[1, 2, 4]] = f32::NAN;
        same_nans(&case);
        let mut case = Case::new(config.bidirectional(true), 3, 6);
        if let Some(h_0) = &mut case.h_0 {
            h_0[[1, 2, 0]] = f32::NAN;
        }
        same_nans(&case);
    }
}

#[test]
fn infinities_saturate_as_in_the_reference() {
    for config in [Config::rnn(5, 17), Config::gru(5, 17), Config::lstm(5, 17)] {
        let mut case = Case::new(config, 3, 6);
        case.input[[1, 2, 4]] = f32::INFINITY;
        case.input[[2, 5, 0]] = f32::NEG_INFINITY;
        let expected = case.with(|input| reference::forward(&case.weights, input).unwrap());
        let found = case.run();
        for (found, expected) in found.output.iter().zip(&expected.output) {
            assert!((f64::from(*found) - expected).abs() < 1e-5, "{config}: {found}, expected {expected}");
        }
    }
}

#[test]
fn memory_that_cannot_be_had_is_an_error() {
    // Broadcast arrays have large sizes but take no memory.
    let config = Config::rnn(1, 1);
    let weights = Weights::seeded(config, 0).unwrap();
    let one = Array3::zeros((1, 1, 1));
    let huge = one.broadcast((1 << 20, 1 << 40, 1)).unwrap();
    let input = Input::new(huge);
    let batch = Batch::new(&config, &input).unwrap();
    let layer = CpuLayer::new(&weights, &LayerOptions::default()).unwrap();
    assert!(layer.run(&batch).is_err_and(|error| error.kind() == ErrorKind::OutOfMemory));
}
