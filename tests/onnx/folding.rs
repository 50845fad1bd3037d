//! Weights that the graph computes: what is not computed, and what it may cost. `graphs.rs` has the values.

use std::time::Instant;

use super::errors::outcome;
use super::writer::*;

/// An LSTM whose W is `V`, the output of the last of these nodes.
fn computed(nodes: &[Message], tensors: &[Message]) -> Vec<u8> {
    let lstm = node("LSTM", "lstm", &["x", "V", "R"], &["y"], &[]);
    let nodes: Vec<Message> = nodes.iter().cloned().chain([lstm]).collect();
    let tensors: Vec<Message> = tensors.iter().cloned().chain(weights(4)).collect();
    model(17, &nodes, &tensors)
}

#[track_caller]
fn refused(nodes: &[Message], tensors: &[Message], text: &str) {
    assert_eq!(outcome(&computed(nodes, tensors), None), format!("node \"lstm\": W (\"V\"): {text}"));
}

fn list(name: &str, values: &[i64]) -> Message {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    header(name, &[values.len() as i64], 7).bytes(9, bytes)
}

/// A node that has the output `V`.
fn v(op_type: &str, inputs: &[&str], attributes: &[Message]) -> Message {
    node(op_type, "", inputs, &["V"], attributes)
}

#[test]
fn operators_that_are_not_computed_are_named() {
    let expected = "expected constants, or values that standard operators move, convert or add up (fold them when the \
                    model is exported), found";
    refused(&[v("Softmax", &["W"], &[])], &[], &format!("{expected} Softmax \"V\""));
    refused(&[v("RandomNormal", &[], &[])], &[], &format!("{expected} RandomNormal \"V\""));
    let foreign = v("Scale", &["W"], &[]).bytes(7, "my.domain");
    refused(&[foreign], &[], &format!("{expected} my.domain.Scale \"V\""));
    let mask = node("Dropout", "drop", &["W"], &["a", "V"], &[]);
    refused(&[mask], &[], "expected a constant, found a value that depends on the model's inputs");
    let deep = [node("Softmax", "soft", &["W"], &["a"], &[]), v("Neg", &["a"], &[])];
    refused(&deep, &[], &format!("{expected} Softmax \"soft\""));
}

#[test]
fn wrong_inputs_are_named() {
    let fits = "expected inputs and attributes that fit each other, found shapes";
    let two = list("two", &[2]);
    for (node, text) in [
        (v("Transpose", &["W"], &[ints("perm", &[0, 1])]), format!("Transpose \"V\": {fits} [1, 8, 3]")),
        (v("Reshape", &["W", "two"], &[]), format!("Reshape \"V\": {fits} [1, 8, 3], [1]")),
        (v("Add", &["W", "R"], &[]), format!("Add \"V\": {fits} [1, 8, 3], [1, 8, 2]")),
        (v("Concat", &["W", "R"], &[int("axis", 1)]), format!("Concat \"V\": {fits} [1, 8, 3], [1, 8, 2]")),
        (v("Concat", &["W"], &[int("axis", 3)]), "Concat \"V\": expected an axis below 3, found 3".into()),
        (v("Gather", &["W", "two"], &[]), "Gather \"V\": expected an axis below 1, found 2".into()),
        (v("Add", &["W", "two"], &[]), "Add \"V\": expected inputs of one type, found f32 and i64".into()),
        (v("Add", &["W"], &[]), "no error".into()),
        (v("Sub", &["W"], &[]), "Sub \"V\": expected an input 1, found none".into()),
        (v("Cast", &["W"], &[int("to", 8)]), "Cast \"V\": expected a type of numbers, found type 8".into()),
        (
            v("DequantizeLinear", &["W", "W"], &[]),
            "DequantizeLinear \"V\": expected one scale, or one for each index of axis 1, found shape [1, 8, 3]".into(),
        ),
        (
            v("Squeeze", &["W", "two"], &[ints("axes", &[0, -3])]),
            "Squeeze \"V\": expected distinct axes, found [0, -3]".into(),
        ),
    ] {
        let found = outcome(&computed(&[node], std::slice::from_ref(&two)), None);
        match &*text {
            "no error" => assert_eq!(found, "no error, but LSTM(3, 2, bias=False)"),
            text => assert_eq!(found, format!("node \"lstm\": W (\"V\"): {text}")),
        }
    }
}

/// A file of a few hundred bytes cannot ask for more than its share.
#[test]
fn the_work_is_bounded() {
    let start = Instant::now();
    let text = "expected constants of at most 256 bytes of work for each byte of the file, found more";
    let doubled = |op_type: &str, attributes: &[Message]| {
        let name = |place: usize| if place == 0 { "W".to_owned() } else { format!("w{place}") };
        let one = |place: usize| {
            let (from, to) = (name(place), name(place + 1));
            node(op_type, "", &[&from, &from], &[&to], attributes)
        };
        let nodes: Vec<Message> = (0..60).map(one).chain([v("Identity", &["w60"], &[])]).collect();
        outcome(&computed(&nodes, &[]), None)
    };
    assert_eq!(doubled("Concat", &[int("axis", 1)]), format!("node \"lstm\": W (\"V\"): {text}"));
    // Each value is computed once.
    assert_eq!(doubled("Add", &[]), "no error, but LSTM(3, 2, bias=False)");
    for shape in [[1 << 40, 8, 3], [i64::MAX, i64::MAX, i64::MAX]] {
        refused(&[v("ConstantOfShape", &["s"], &[])], &[list("s", &shape)], text);
        refused(&[v("Expand", &["R", "s"], &[])], &[list("s", &[1 << 40, 8, 2])], text);
    }
    refused(
        &[v("Range", &["a", "b", "c"], &[])],
        &[list("a", &[0]), list("b", &[i64::MAX]), list("c", &[1])],
        text,
    );
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

/// A chain of nodes is as long as it likes: nothing recurses.
#[test]
fn long_chains_are_followed() {
    let count = 30_000;
    let name = |place: usize| if place == 0 { "W".to_owned() } else { format!("w{place}") };
    let mut nodes: Vec<Message> =
        (0..count).map(|place| node("Neg", "", &[&name(place)], &[&name(place + 1)], &[])).collect();
    nodes.push(v("Neg", &[&name(count)], &[]));
    nodes.push(node("Neg", "", &["V"], &["U"], &[]));
    let lstm = node("LSTM", "lstm", &["x", "U", "R"], &["y"], &[]);
    nodes.push(lstm);
    let file = model(17, &nodes, &weights(4));
    let whole = super::weights_of(&lstm_of(&["x", "W", "R"], &[], &weights(4)), None).unwrap();
    assert_eq!(super::weights_of(&file, None).unwrap(), whole);
}

/// What no recurrent node reads is not computed.
#[test]
fn other_constants_cost_nothing() {
    let nodes = [
        node("Expand", "", &["R", "s"], &["large"], &[]),
        node("Softmax", "", &["large"], &["other"], &[]),
        v("Identity", &["W"], &[]),
    ];
    let file = computed(&nodes, &[list("s", &[1 << 40, 8, 2])]);
    assert_eq!(outcome(&file, None), "no error, but LSTM(3, 2, bias=False)");
}

/// Integers of four bits, two in a byte: -8 to 7, and 0 to 15.
#[test]
fn integers_of_four_bits_are_read() {
    for (data_type, expected) in [(22, [1.0, -1.0, 7.0, -8.0]), (21, [1.0, 15.0, 7.0, 8.0])] {
        let packed: Vec<u8> = [0xF1, 0x87].into_iter().cycle().take(12).collect();
        let q = header("q", &[1, 8, 3], data_type).bytes(9, packed);
        let scale = header("s", &[], FLOAT).float(4, 0.5);
        let file = computed(&[v("DequantizeLinear", &["q", "s"], &[])], &[q, scale]);
        let weights = super::weights_of(&file, None).unwrap();
        let found: Vec<f32> =
            weights.get("weight_ih_l0").unwrap().iter().take(4).map(|value| value * 2.0).collect();
        assert_eq!(found, expected);
    }
}

/// A scale for each block of an axis, the last of which may be cut off.
#[test]
fn scales_of_blocks_are_spread() {
    let q = header("q", &[1, 8, 3], 3).bytes(9, [1; 24]);
    let scales: Vec<u8> = (0..16).flat_map(|place| (place as f32).to_le_bytes()).collect();
    let scale = header("s", &[1, 8, 2], FLOAT).bytes(9, scales);
    let attributes = [int("axis", 2), int("block_size", 2)];
    let file = computed(&[v("DequantizeLinear", &["q", "s"], &attributes)], &[q, scale]);
    let weights = super::weights_of(&file, None).unwrap();
    let first: Vec<f32> = weights.get("weight_ih_l0").unwrap().iter().take(3).copied().collect();
    assert_eq!(first, [0.0, 0.0, 1.0]);
}
