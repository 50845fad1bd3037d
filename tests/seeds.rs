//! PyTorch's initialisation, bit for bit, and the results that the project began with, to the printed digit.

use approx::{assert_abs_diff_eq, assert_ulps_eq};
use wgpu_rnn::ndarray::{
    Array, Array1, Array2, Array3, ArrayD, ArrayView2, Dimension, Ix1, Ix2, array, s, stack,
};
use wgpu_rnn::{Config, Input, Output, Precision, Weights, reference, tolerance};

use crate::case;
use crate::harness::{assert_within, on_each, random, replaced};

/// Asserts that values round to those that PyTorch printed with four digits.
fn assert_four_digits<D: Dimension>(found: &Array<f32, D>, printed: &Array<f32, D>) {
    assert_eq!(found.shape(), printed.shape());
    for (found, printed) in found.iter().zip(printed) {
        assert_abs_diff_eq!(found, printed, epsilon = 0.5e-4);
    }
}

/// `[1]*5, [2]*5, [3]*5`.
fn ones_twos_threes() -> Array2<f32> {
    Array2::from_shape_fn((3, 5), |(step, _)| (step + 1) as f32)
}

#[test]
fn the_golden_parameters_are_drawn_bit_for_bit() {
    for case in case::all() {
        // The generator multiplies the parameters of these cases by 4, which is exact.
        let gain = if case.is_saturated() { 4.0 } else { 1.0 };
        let drawn = Weights::seeded(*case.weights.config(), case.seed).unwrap();
        for ((parameter, drawn), (_, given)) in drawn.parameters().zip(case.weights.parameters()) {
            assert_eq!(drawn.shape(), given.shape());
            let equal =
                drawn.iter().zip(&given).all(|(drawn, given)| (drawn * gain).to_bits() == given.to_bits());
            assert!(equal, "{}: {parameter}", case.name);
        }
        assert_eq!(drawn.parameters().count(), case.weights.parameters().count());
    }
}

#[test]
fn another_seed_gives_other_parameters() {
    let config = Config::rnn(5, 2);
    assert_ne!(Weights::seeded(config, 1).unwrap(), Weights::seeded(config, 2).unwrap());
}

#[test]
fn seed_1_gives_the_parameters_of_rnn_5_2() {
    let weights = Weights::seeded(Config::rnn(5, 2), 1).unwrap();
    let matrix = |name| weights.get(name).unwrap().into_dimensionality::<Ix2>().unwrap().to_owned();
    let vector = |name| weights.get(name).unwrap().into_dimensionality::<Ix1>().unwrap().to_owned();
    let weight_ih =
        array![[0.3643, -0.3121, -0.1371, 0.3319, -0.6657], [0.4241, -0.1455, 0.3597, 0.0983, -0.0866]];
    let weight_hh = array![[0.1961, 0.0349], [0.2583, -0.2756]];
    assert_four_digits(&matrix("weight_ih_l0"), &weight_ih);
    assert_four_digits(&matrix("weight_hh_l0"), &weight_hh);
    assert_four_digits(&vector("bias_ih_l0"), &array![-0.0516, -0.0637]);
    assert_four_digits(&vector("bias_hh_l0"), &array![0.1025, -0.0028]);
}

/// Asserts that values are those that PyTorch printed in full, to two units in the last place of an f32: PyTorch's own
/// -1.3074701 is that far from the exact value, -1.3074703.
fn assert_all_digits(found: &ArrayView2<'_, f32>, printed: &Array2<f32>) {
    assert_eq!(found.shape(), printed.shape());
    for (&found, &printed) in found.iter().zip(printed) {
        assert_ulps_eq!(found, printed, epsilon = 0.0, max_ulps = 2);
    }
}

#[test]
fn rnn_5_2_gives_the_printed_outputs() {
    let weights = Weights::seeded(Config::rnn(5, 2), 1).unwrap();
    let printed = array![[-0.3519801, 0.52525216], [-0.68424344, 0.76074266], [-0.8649416, 0.90466356]];
    let input = ones_twos_threes();
    let batch = stack![wgpu_rnn::ndarray::Axis(0), input, input];
    on_each(|implementation| {
        let layer = implementation.layer(&weights);
        let unbatched = layer.forward(&Input::new(input.view())).unwrap();
        assert_all_digits(&unbatched.output.view(), &printed);
        assert_eq!(unbatched.h_n.row(0), unbatched.output.row(2));
        let batched = layer.forward(&Input::new(batch.view())).unwrap();
        for (row, output) in batched.output.outer_iter().enumerate() {
            assert_all_digits(&output, &printed);
            assert_eq!(batched.h_n.slice(s![0, row, ..]), output.row(2));
        }
    });
}

/// `W_ih x + b_ih` alone, as the difference of two ReLU layers that see nothing of their own state.
#[test]
fn the_input_product_of_rnn_5_2_is_the_printed_one() {
    let seeded = Weights::seeded(Config::rnn(5, 2), 1).unwrap();
    let product_only = |sign: f32| {
        Weights::from_fn(Config::rnn_relu(5, 2), |name, shape| {
            Ok(match name {
                "weight_ih_l0" | "bias_ih_l0" => seeded.get(name).unwrap().mapv(|value| sign * value),
                _ => ArrayD::zeros(shape),
            })
        })
        .unwrap()
    };
    let printed = array![[-0.4701929, 0.5863904], [-0.88883156, 1.2364397], [-1.3074701, 1.886489]];
    let input = ones_twos_threes();
    let input = Input::new(input.view());
    let (positive, negative) = (product_only(1.0), product_only(-1.0));
    on_each(|implementation| {
        let run = |weights| implementation.layer(weights).forward(&input).unwrap().output;
        let product = run(&positive) - run(&negative);
        assert_all_digits(&product.view(), &printed);
    });
}

#[test]
fn a_generator_goes_on_from_layer_to_layer() {
    let configs = [Config::rnn(5, 2), Config::rnn(5, 2).num_layers(2), Config::lstm(5, 2)];
    let drawn = Weights::seeded_in_turn(configs, 1).unwrap();
    assert_eq!(drawn[0], Weights::seeded(Config::rnn(5, 2), 1).unwrap());
    let lstm = &drawn[2];
    let input = ones_twos_threes();
    on_each(|implementation| {
        let layer = implementation.layer(lstm);
        let result = layer.forward(&Input::new(input.view())).unwrap();
        assert_four_digits(&result.h_n, &array![[0.0020, 0.2991]]);
        assert_four_digits(&result.c_n.unwrap(), &array![[0.1312, 1.2058]]);
    });
}

#[test]
fn rnn_4_5_gives_the_printed_outputs() {
    let weights = Weights::seeded(Config::rnn(4, 5), 0).unwrap();
    let input = Array1::from_iter((0..24u8).map(f32::from)).into_shape_with_order((2, 3, 4)).unwrap();
    let printed = array![
        [
            [-0.8913, 0.9556, 0.0240, -0.6370, -0.5639],
            [-0.9969, 0.9986, 0.2649, -0.9997, -0.5647],
            [-0.9999, 0.9999, -0.2600, -1.0000, -0.6001]
        ],
        [
            [-1.0000, 1.0000, -0.9365, -1.0000, -0.8544],
            [-1.0000, 1.0000, -0.7537, -1.0000, -0.8052],
            [-1.0000, 1.0000, -0.9257, -1.0000, -0.8684]
        ]
    ];
    let h_0 = Array3::zeros((1, 2, 5));
    on_each(|implementation| {
        let layer = implementation.layer(&weights);
        let result = layer.forward(Input::new(input.view()).state(h_0.view())).unwrap();
        assert_four_digits(&result.output, &printed);
        assert_eq!(result.h_n.slice(s![0, .., ..]), result.output.slice(s![.., 2, ..]));
    });
}

#[test]
fn the_last_output_is_the_last_layers_final_state() {
    for layers in [1, 2] {
        let weights = Weights::seeded(Config::rnn(5, 6).num_layers(layers), 3).unwrap();
        let input = random((4, 7, 5), 1.0, 3);
        on_each(|implementation| {
            let result = implementation.layer(&weights).forward(&Input::new(input.view())).unwrap();
            assert_eq!(result.h_n.shape(), [layers, 4, 6]);
            assert_eq!(result.output.slice(s![.., -1, ..]), result.h_n.slice(s![-1, .., ..]));
        });
    }
}

#[test]
fn the_halves_of_a_bidirectional_output_end_at_their_own_ends() {
    let weights = Weights::seeded(Config::lstm(20, 64).bidirectional(true), 0).unwrap();
    let input = random((128, 100, 20), 1.0, 0);
    // The definition takes minutes for a batch of this size; that is what the other implementations are for.
    let rows = |reference: bool| if reference { 2 } else { 128 };
    on_each(|implementation| {
        let n = rows(implementation.is_reference());
        let input = Input::new(input.slice(s![..n, .., ..]));
        let Output { output, h_n, c_n, .. } = implementation.layer(&weights).forward(&input).unwrap();
        assert_eq!(output.shape(), [n, 100, 128]);
        assert_eq!((h_n.shape(), c_n.unwrap().shape()), (&[2, n, 64][..], &[2, n, 64][..]));
        assert_eq!(output.slice(s![.., -1, ..64]), h_n.slice(s![0, .., ..]));
        assert_eq!(output.slice(s![.., 0, 64..]), h_n.slice(s![1, .., ..]));
        assert_ne!(output.slice(s![.., -1, 64..]), h_n.slice(s![1, .., ..]));
    });
}

/// `W_ih·x + W_hh·h + b` as one writes it with NumPy, in f64.
fn plain_loop(
    input: &Array2<f64>,
    weight_ih: &Array2<f64>,
    weight_hh: &Array2<f64>,
    bias: &Array1<f64>,
) -> Array2<f64> {
    let mut h = Array1::zeros(bias.len());
    let mut output = Array2::zeros((input.nrows(), bias.len()));
    for (x, mut y) in input.outer_iter().zip(output.outer_iter_mut()) {
        h = (weight_ih.dot(&x) + weight_hh.dot(&h) + bias).mapv(f64::tanh);
        y.assign(&h);
    }
    output
}

#[test]
fn the_recurrence_is_that_of_a_plain_loop() {
    let input = random((10, 5), 1.0, 5);
    let no_bias = ArrayD::zeros(vec![8]);
    for bias in [random(8, 1.0, 6).into_dyn(), no_bias.clone()] {
        let drawn = Weights::seeded(Config::rnn(5, 8), 4).unwrap();
        let weights = replaced(&drawn, |name, values| match name {
            "bias_ih_l0" => bias.clone(),
            "bias_hh_l0" => no_bias.clone(),
            _ => values,
        });
        let of = |name| weights.get(name).unwrap().mapv(f64::from);
        let matrix = |name| of(name).into_dimensionality::<Ix2>().unwrap();
        let bias = of("bias_ih_l0").into_dimensionality().unwrap();
        let (weight_ih, weight_hh) = (matrix("weight_ih_l0"), matrix("weight_hh_l0"));
        let looped = plain_loop(&input.mapv(f64::from), &weight_ih, &weight_hh, &bias);
        let given = Input::new(input.view());
        let tolerance = tolerance::forward(&weights, Precision::F32, &given).unwrap();
        let mut expected = reference::forward(&weights, &given).unwrap();
        expected.h_n.row_mut(0).assign(&looped.row(9));
        expected.output = looped;
        on_each(|implementation| {
            let found = implementation.layer(&weights).forward(&given).unwrap();
            assert_within("the plain loop", &found, &expected, &tolerance);
        });
    }
}
