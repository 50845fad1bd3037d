//! ONNX models, and the files beside them.

use std::borrow::Cow;
use std::fs;

use wgpu_rnn::Error;
use wgpu_rnn::io::OnnxModel;

use super::{Case, LARGE, each};

/// The sizes of the layers' matrices, each of which is a large request.
const INPUTS: usize = 64;
const UNITS: usize = 96;
const GATES: usize = 4;
/// The rows of constant states and lengths.
const ROWS: usize = 9000;

/// A field of a protobuf message that is a number.
fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

/// A field of a protobuf message that is bytes, text or a message.
fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    [&varint(field << 3 | 2)[..], &varint(value.len() as u64), value].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
    bytes
}

/// The types of tensors.
const FLOAT: u64 = 1;
const INT8: u64 = 3;
const INT32: u64 = 6;
const INT64: u64 = 7;

/// A tensor of these values in one of its fields.
fn tensor(name: &str, kind: u64, shape: &[usize], values: &[u8]) -> Vec<u8> {
    let dims: Vec<u8> = shape.iter().flat_map(|&size| number(1, size as u64)).collect();
    [&dims[..], &number(2, kind), &bytes(8, name.as_bytes()), values].concat()
}

fn raw(values: &[u8]) -> Vec<u8> {
    bytes(9, values)
}

/// Small numbers that differ.
fn floats(count: usize) -> Vec<u8> {
    (0..count).flat_map(|place| ((place % 61) as f32 / 200.0 - 0.15).to_le_bytes()).collect()
}

fn node(operator: &str, inputs: &[&str], outputs: &[&str], attributes: &[Vec<u8>]) -> Vec<u8> {
    let named = |field, names: &[&str]| -> Vec<u8> {
        names.iter().flat_map(|name| bytes(field, name.as_bytes())).collect()
    };
    let attributes: Vec<u8> = attributes.iter().flat_map(|one| bytes(5, one)).collect();
    [named(1, inputs), named(2, outputs), bytes(4, operator.as_bytes()), attributes].concat()
}

fn int_attribute(name: &str, value: u64) -> Vec<u8> {
    [bytes(1, name.as_bytes()), number(3, value), number(20, 2)].concat()
}

/// The inputs of the layer, some of which are constants that nodes compute.
const INPUT_NAMES: [&str; 7] = ["x", "w", "r", "b", "lengths", "h_0", "c_0"];

/// A model with one LSTM behind other nodes. Tensors whose names it has are given in place of the usual ones.
fn model(nodes: &[Vec<u8>], given: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let rows = GATES * UNITS;
    let usual = [("w", vec![1, rows, INPUTS]), ("r", vec![1, rows, UNITS]), ("b", vec![1, 2 * rows])];
    let computed = |name: &str| given.iter().any(|(other, _)| *other == name);
    let usual = usual.iter().filter(|(name, _)| !computed(name));
    let usual = usual.map(|(name, shape)| tensor(name, FLOAT, shape, &raw(&floats(shape.iter().product()))));
    let tensors = given.iter().map(|(_, tensor)| tensor.clone()).filter(|tensor| !tensor.is_empty());
    let known = |name: &&str| matches!(*name, "x" | "w" | "r" | "b") || computed(name);
    let inputs = INPUT_NAMES.map(|name| if known(&name) { name } else { "" });
    let hidden_size = int_attribute("hidden_size", UNITS as u64);
    let lstm = node("LSTM", &inputs, &["y", "y_h", "y_c"], &[hidden_size]);
    let mut graph: Vec<u8> = nodes.iter().chain([&lstm]).flat_map(|node| bytes(1, node)).collect();
    graph.extend(usual.chain(tensors).flat_map(|tensor| bytes(5, &tensor)));
    graph.extend(bytes(11, &bytes(1, b"x")));
    graph.extend(bytes(12, &bytes(1, b"y")));
    [bytes(7, &graph), bytes(8, &number(2, 17))].concat()
}

/// Reads the layer and all that belongs to it.
fn read(model: &OnnxModel<'_>) -> Result<(), Error> {
    let layer = model.layer(None)?;
    layer.defaults(ROWS)?;
    layer.weights().map(drop)
}

/// Returns models in one file.
fn models() -> Vec<(&'static str, Vec<u8>)> {
    let rows = GATES * UNITS;
    let shape = [1, rows, INPUTS];
    let count = rows * INPUTS;
    let integers: Vec<u8> = (0..count).flat_map(|place| varint(place as u64 % 100)).collect();
    let scale = tensor("scale", FLOAT, &[], &raw(&0.01f32.to_le_bytes()));
    let quantized = |values: Vec<u8>| {
        let nodes = [node("DequantizeLinear", &["q", "scale"], &["w"], &[])];
        model(&nodes, &[("w", vec![]), ("q", tensor("q", INT8, &shape, &values)), ("scale", scale.clone())])
    };
    let unpacked: Vec<u8> =
        floats(count).chunks(4).flat_map(|value| [&[4 << 3 | 5][..], value].concat()).collect();
    // W from its transpose, through a sum, a choice, a gather, a reduction and a product.
    let [inner, one] = [[1, INPUTS, rows], [1, 1, 1]];
    let steps = [
        node("Transpose", &["t"], &["w1"], &[[bytes(1, b"perm"), ints(&[0, 2, 1])].concat()]),
        node("Add", &["w1", "one"], &["w2"], &[]),
        node("Less", &["w2", "one"], &["less"], &[]),
        node("Where", &["less", "w2", "one"], &["w3"], &[]),
        node("Gather", &["w3", "places"], &["w4"], &[int_attribute("axis", 1)]),
        node("ReduceSum", &["w4", "axes"], &["w5"], &[int_attribute("keepdims", 0)]),
        node("Reshape", &["w5", "whole"], &["w6"], &[]),
        node("MatMul", &["w6", "factor"], &["w7"], &[]),
        node("Unsqueeze", &["w7", "axes"], &["w8"], &[]),
        node("Cast", &["w8"], &["w9"], &[int_attribute("to", 11)]),
        node("Concat", &["w9", "none"], &["w"], &[int_attribute("axis", 1)]),
    ];
    let numbers = |name, values: &[u64]| {
        let values: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        tensor(name, INT64, &[values.len() / 8], &raw(&values))
    };
    let order: Vec<u64> = (0..rows as u64).rev().collect();
    let mut identity = vec![0.0f32; INPUTS * INPUTS];
    (0..INPUTS).for_each(|place| identity[place * (INPUTS + 1)] = 1.0);
    let identity: Vec<u8> = identity.iter().flat_map(|value| value.to_le_bytes()).collect();
    let folded = model(
        &steps,
        &[
            ("w", vec![]),
            ("t", tensor("t", FLOAT, &inner, &raw(&floats(count)))),
            ("one", tensor("one", FLOAT, &one, &raw(&1.0f32.to_le_bytes()))),
            ("places", numbers("places", &order)),
            ("axes", numbers("axes", &[0])),
            ("whole", numbers("whole", &[rows as u64, INPUTS as u64])),
            ("factor", tensor("factor", FLOAT, &[INPUTS, INPUTS], &raw(&identity))),
            ("none", tensor("none", 11, &[1, 0, INPUTS], &raw(&[]))),
        ],
    );
    let state = |name| tensor(name, FLOAT, &[1, ROWS, UNITS], &raw(&floats(ROWS * UNITS)));
    let lengths: Vec<u8> = (0_u32..).take(ROWS).flat_map(|row| (row % 7).to_le_bytes()).collect();
    let lengths = tensor("lengths", INT32, &[ROWS], &raw(&lengths));
    let chain: Vec<Vec<u8>> = (0..1500)
        .map(|place| {
            let [from, to] = [place, place + 1].map(|place| format!("v{place}"));
            node("Identity", &[if place == 0 { "b" } else { &from }], &[&to], &[])
        })
        .collect();
    vec![
        ("raw", model(&[], &[])),
        ("unpacked", model(&[], &[("w", tensor("w", FLOAT, &shape, &unpacked))])),
        ("integers", quantized(bytes(5, &integers))),
        ("folded", folded),
        ("states", model(&[], &[("h_0", state("h_0")), ("c_0", state("c_0")), ("lengths", lengths)])),
        ("many nodes", model(&chain, &[])),
    ]
}

fn ints(values: &[u64]) -> Vec<u8> {
    let values: Vec<u8> = values.iter().flat_map(|&value| varint(value)).collect();
    [bytes(8, &values), number(20, 7)].concat()
}

/// Returns a model whose W is in a file beside it, and that file.
fn external() -> (Vec<u8>, Vec<u8>) {
    let rows = GATES * UNITS;
    let entry = bytes(13, &[bytes(1, b"location"), bytes(2, b"w.bin")].concat());
    let w = tensor("w", FLOAT, &[1, rows, INPUTS], &[entry, number(14, 1)].concat());
    (model(&[], &[("w", w)]), floats(rows * INPUTS))
}

pub(super) fn cases() -> Vec<Case> {
    let inside = models().into_iter().map(|(name, file)| -> Case {
        (format!("onnx {name}"), Box::new(move || each(LARGE, || read(&OnnxModel::new(&file)?))))
    });
    let mut cases: Vec<Case> = inside.collect();
    cases.push(("onnx folder".into(), Box::new(folder)));
    cases.push(("onnx callback".into(), Box::new(callback)));
    cases
}

fn folder() {
    let (file, data) = external();
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("w.bin"), data).expect("a file");
    each(LARGE, || read(&OnnxModel::with_folder(&file, folder.path())?));
}

fn callback() {
    let (file, data) = external();
    each(LARGE, || read(&OnnxModel::with_data(&file, |_, range| Ok(Cow::Borrowed(&data[range])))?));
}
