//! The ONNX project's own node tests of RNN, GRU and LSTM (`node_tests.py`).

use std::fs;

use wgpu_rnn::{OnnxLayout, Weights};

use super::{Node, folder};
use crate::harness::{assert_within, on_each};

fn load(name: &str) -> Node {
    let layout = if name.ends_with("_batchwise") { OnnxLayout::BatchFirst } else { OnnxLayout::StepsFirst };
    Node::load(&folder().join(format!("node_tests/{name}.safetensors")), layout)
}

/// Every test, and why its node is refused if it is.
fn all() -> Vec<(String, Result<Weights, String>)> {
    let entries = fs::read_dir(folder().join("node_tests")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == "onnx")).collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let weights = Weights::from_onnx(&fs::read(path).unwrap(), None).map_err(|error| error.to_string());
        (path.file_stem().unwrap().to_string_lossy().into_owned(), weights)
    };
    paths.iter().map(read).collect()
}

/// The GRUs have the reset gate before the product.
#[test]
fn the_gated_units_of_the_node_tests_are_refused_by_name() {
    let refused: Vec<_> =
        all().into_iter().filter_map(|(name, weights)| Some((name, weights.err()?))).collect();
    assert_eq!(refused.len(), 6);
    for (name, error) in refused {
        assert!(name.starts_with("test_gru_"), "{name}");
        assert!(error.contains("linear_before_reset: expected 1, as PyTorch exports, found 0"), "{error}");
    }
}

#[test]
fn the_other_node_tests_pass_on_every_implementation() {
    let read = all().into_iter().filter_map(|(name, weights)| Some((load(&name), name, weights.ok()?)));
    let cases: Vec<_> = read.collect();
    assert_eq!(cases.len(), 12);
    let expected: Vec<_> = cases.iter().map(|(node, name, weights)| node.expected(name, weights)).collect();
    on_each(|implementation| {
        for ((node, name, weights), [expected, allowed]) in cases.iter().zip(&expected) {
            let found = implementation.layer(weights).forward(&node.input(), &node.state()).unwrap();
            assert_within(name, &found, expected, allowed);
        }
    });
}
