//! The ONNX project's own node tests of RNN, GRU and LSTM (`node_tests.py`).

use std::fs;

use wgpu_rnn::io::Tensors;
use wgpu_rnn::ndarray::{Array3, ArrayD, Ix3, IxDyn};
use wgpu_rnn::{Config, Input, Output, Weights, reference, tolerance};

use super::folder;
use crate::case::state;
use crate::harness::{assert_within, on_each};

/// A test's inputs and outputs in this library's layout; what the test does not have is not there.
struct Case {
    name: String,
    weights: Weights,
    x: Array3<f32>,
    lengths: Option<Vec<usize>>,
    h_0: Option<Array3<f32>>,
    c_0: Option<Array3<f32>>,
    output: Option<Array3<f32>>,
    h_n: Array3<f32>,
    c_n: Option<Array3<f32>>,
}

/// Puts axes in another order.
fn permuted(array: ArrayD<f32>, axes: &[usize]) -> ArrayD<f32> {
    array.permuted_axes(IxDyn(axes)).as_standard_layout().into_owned()
}

fn load(name: &str, weights: Weights) -> Case {
    let path = folder().join(format!("node_tests/{name}.safetensors"));
    let bytes = fs::read(path).unwrap();
    let tensors = Tensors::from_safetensors(&bytes).unwrap();
    let given = |name: &str| tensors.dtype(name).map(|_| tensors.f32(name).unwrap());
    let fixed = |array: ArrayD<f32>| array.into_dimensionality::<Ix3>().unwrap();
    // `layout` 1.
    let batch_first = name.ends_with("_batchwise");
    let state_of = |array: ArrayD<f32>| fixed(if batch_first { permuted(array, &[1, 0, 2]) } else { array });
    let x = given("X").unwrap();
    let output = given("Y").map(|y| {
        let y = if batch_first { permuted(y, &[0, 1, 2, 3]) } else { permuted(y, &[2, 0, 1, 3]) };
        let [n, t, d, h] = *y.shape() else { panic!("{name}: Y of shape {:?}", y.shape()) };
        y.into_shape_with_order((n, t, d * h)).unwrap()
    });
    let lengths = tensors.dtype("sequence_lens").map(|_| tensors.i64("sequence_lens").unwrap());
    Case {
        name: name.to_owned(),
        weights,
        x: fixed(if batch_first { x } else { permuted(x, &[1, 0, 2]) }),
        lengths: lengths.map(|lengths| lengths.iter().map(|&length| length as usize).collect()),
        h_0: given("initial_h").map(state_of),
        c_0: given("initial_c").map(state_of),
        output,
        h_n: state_of(given("Y_h").unwrap()),
        c_n: given("Y_c").map(state_of),
    }
}

fn all() -> Vec<Case> {
    let entries = fs::read_dir(folder().join("node_tests")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == "onnx")).collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy();
        let weights = Weights::from_onnx(&fs::read(path).unwrap(), None);
        load(&name, weights.unwrap_or_else(|error| panic!("{name}: {error}")))
    };
    paths.iter().map(read).collect()
}

#[test]
fn the_node_tests_pass_on_every_implementation() {
    let cases = all();
    assert_eq!(cases.len(), 18);
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
            let config: &Config = case.weights.config();
            // The test's own numbers, and the definition's where it has none.
            let f32s = |array: &Array3<f64>| array.mapv(|value| value as f32);
            let told = Output::new(
                case.output.clone().unwrap_or_else(|| f32s(&expected.output)),
                case.h_n.clone(),
                expected.c_n.as_ref().map(|c_n| case.c_n.clone().unwrap_or_else(|| f32s(c_n))),
            );
            assert_within(&format!("{}, {config}", case.name), &told, &expected, &allowed);
            (input, state, expected, allowed)
        })
        .collect();
    on_each(|implementation| {
        for (case, (input, state, expected, allowed)) in cases.iter().zip(&expected) {
            let found = implementation.layer(&case.weights).forward(input, state).unwrap();
            assert_within(&case.name, &found, expected, allowed);
        }
    });
}
