//! The ONNX project's own node tests of RNN, GRU and LSTM (`node_tests.py`).

use std::fs;

use wgpu_rnn::Weights;

use super::{Node, folder};
use crate::harness::{assert_within, on_each};

fn load(name: &str) -> Node {
    let layout = i64::from(name.ends_with("_batchwise"));
    Node::load(&folder().join(format!("node_tests/{name}.safetensors")), layout)
}

/// Every test: its name, the weights of its node, and what that is given and gives.
fn all() -> Vec<(String, Weights, Node)> {
    let entries = fs::read_dir(folder().join("node_tests")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == "onnx")).collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let weights = super::weights_of(&fs::read(path).unwrap(), None)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let node = load(&name);
        (name, weights, node)
    };
    paths.iter().map(read).collect()
}

#[test]
fn the_node_tests_pass_on_every_implementation() {
    let cases = all();
    assert_eq!(cases.len(), 18);
    let expected: Vec<_> = cases.iter().map(|(name, weights, node)| node.expected(name, weights)).collect();
    on_each(|implementation| {
        for ((name, weights, node), [expected, allowed]) in cases.iter().zip(&expected) {
            let found = implementation.layer(weights).forward(&node.input()).unwrap();
            assert_within(name, &found, expected, allowed);
        }
    });
}
