//! Random nodes over all attributes, against ONNX Runtime.

use std::fs;

use wgpu_rnn::Weights;

use super::{Node, folder};
use crate::harness::{assert_within, on_each_share};

/// A node, what is in it, and what it is given and gives.
fn load(number: usize) -> (String, Weights, Node) {
    let path = folder().join(format!("attributes/{number:02}.onnx"));
    let weights = super::weights_of(&fs::read(&path).unwrap(), None)
        .unwrap_or_else(|error| panic!("{number}: {error}"));
    let node = Node::load(&path.with_extension("safetensors"), 0);
    (format!("attributes/{number:02}"), weights, node)
}

#[test]
fn random_nodes_compute_what_onnx_runtime_does_on_every_implementation() {
    let cases: Vec<_> = (0..72).map(load).collect();
    // ONNX Runtime's result is an f32 one as well.
    let expected: Vec<_> = cases.iter().map(|(name, weights, node)| node.expected(name, weights)).collect();
    on_each_share(|implementation, takes| {
        let all = cases.iter().zip(&expected).enumerate();
        let mut largest: f64 = 0.0;
        for (_, ((name, weights, node), [expected, allowed])) in all.filter(|(number, _)| takes(*number)) {
            let found = implementation.layer(weights).forward(&node.input()).unwrap();
            largest = largest.max(assert_within(name, &found, expected, allowed).absolute);
        }
        println!("{}: largest error {largest:.1e}", implementation.name);
    });
}
