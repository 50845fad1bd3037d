//! Random nodes over all attributes, against ONNX Runtime.

use std::fs;

use wgpu_rnn::io::Tensors;
use wgpu_rnn::ndarray::{Array3, Array4, Ix3, Ix4};
use wgpu_rnn::{Input, Output, Weights, reference, tolerance};

use super::folder;
use crate::case::state;
use crate::harness::{assert_within, on_each_share};

/// A model, its inputs, and what ONNX Runtime makes of them, in this library's layout.
struct Case {
    name: String,
    weights: Weights,
    x: Array3<f32>,
    lengths: Option<Vec<usize>>,
    h_0: Option<Array3<f32>>,
    c_0: Option<Array3<f32>>,
    found: Output,
}

fn load(number: usize) -> Case {
    let path = folder().join(format!("attributes/{number:02}.onnx"));
    let bytes = fs::read(path.with_extension("safetensors")).unwrap();
    let tensors = Tensors::from_safetensors(&bytes).unwrap();
    let given = |name: &str| {
        let array = tensors.dtype(name).map(|_| tensors.f32(name).unwrap());
        array.map(|array| array.into_dimensionality::<Ix3>().unwrap())
    };
    let y: Array4<f32> = tensors.f32("Y").unwrap().into_dimensionality::<Ix4>().unwrap();
    let (t, d, n, h) = y.dim();
    // [T, D, N, H] to [N, T, D*H].
    let output = y.permuted_axes([2, 0, 1, 3]).as_standard_layout().into_owned();
    let lengths = tensors.dtype("sequence_lens").map(|_| tensors.i64("sequence_lens").unwrap());
    Case {
        name: format!("attributes/{number:02}"),
        weights: Weights::from_onnx(&fs::read(&path).unwrap(), None)
            .unwrap_or_else(|error| panic!("{number}: {error}")),
        // [T, N, I] to [N, T, I].
        x: given("X").unwrap().permuted_axes([1, 0, 2]).as_standard_layout().into_owned(),
        lengths: lengths.map(|lengths| lengths.iter().map(|&length| length as usize).collect()),
        h_0: given("initial_h"),
        c_0: given("initial_c"),
        found: Output::new(
            output.into_shape_with_order((n, t, d * h)).unwrap(),
            given("Y_h").unwrap(),
            given("Y_c"),
        ),
    }
}

#[test]
fn random_nodes_compute_what_onnx_runtime_does_on_every_implementation() {
    let cases: Vec<Case> = (0..72).map(load).collect();
    let expected: Vec<_> = cases
        .iter()
        .map(|case| {
            let mut input = Input::new(case.x.view());
            if let Some(lengths) = &case.lengths {
                input = input.lengths(lengths);
            }
            let state = state(case.h_0.as_ref(), case.c_0.as_ref());
            let expected = reference::forward(&case.weights, &input, &state).unwrap();
            let allowed = tolerance::forward(&case.weights, &input, &state).unwrap();
            // ONNX Runtime's result is an f32 one as well.
            assert_within(
                &format!("{}, {}", case.name, case.weights.config()),
                &case.found,
                &expected,
                &allowed,
            );
            (input, state, expected, allowed)
        })
        .collect();
    on_each_share(|implementation, takes| {
        let all = cases.iter().zip(&expected).enumerate();
        for (_, (case, (input, state, expected, allowed))) in all.filter(|(number, _)| takes(*number)) {
            let found = implementation.layer(&case.weights).forward(input, state).unwrap();
            assert_within(&case.name, &found, expected, allowed);
        }
    });
}
