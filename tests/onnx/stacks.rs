//! Which nodes are one layer, which are several, and how one of those is chosen.

use wgpu_rnn::io::OnnxModel;

use super::errors::outcome;
use super::writer::*;

/// Two LSTMs of I = H = 2 with nodes between them, Y of the first being `a` and X of the second `b`.
fn two(between: &[Message]) -> Vec<u8> {
    let attributes = [int("hidden_size", 2)];
    let mut nodes = vec![node("LSTM", "lower", &["x", "W", "R"], &["a"], &attributes)];
    nodes.extend_from_slice(between);
    nodes.push(node("LSTM", "", &["b", "W", "R"], &["y"], &attributes));
    let shape = header("shape", &[3], 7).bytes(9, [0i64, 0, -1].map(i64::to_le_bytes).concat());
    let swap = header("swap", &[3], 7).bytes(9, [2i64, 5, 2].map(i64::to_le_bytes).concat());
    let one = header("one", &[1], 7).bytes(9, 1i64.to_le_bytes());
    model(17, &nodes, &[tensor("W", &[1, 8, 2]), tensor("R", &[1, 8, 2]), shape, swap, one])
}

#[test]
fn what_a_stacked_layer_has_between_its_nodes_makes_one_layer() {
    let identity = |from: &str, to: &str| node("Identity", "", &[from], &[to], &[]);
    let squeeze = node("Squeeze", "", &["a", "one"], &["c"], &[]);
    let transpose = node("Transpose", "", &["a"], &["c"], &[ints("perm", &[0, 2, 1, 3])]);
    let reshape = node("Reshape", "", &["c", "shape"], &["b"], &[]);
    let dropout = node("Dropout", "", &["c"], &["b"], &[]);
    for between in [&[squeeze.clone(), dropout][..], &[transpose, reshape], &[squeeze, identity("c", "b")]] {
        assert_eq!(outcome(&two(between), None), "no error, but LSTM(2, 2, num_layers=2, bias=False)");
    }
}

#[test]
fn anything_else_between_makes_two() {
    let squeeze = |to: &str| node("Squeeze", "", &["a", "one"], &[to], &[]);
    let op = |op_type: &str| node(op_type, "", &["c"], &["b"], &[]);
    let text =
        "onnx: expected the name of a node, since there are several layers, found LSTM \"lower\"; LSTM \"y\"";
    for between in [
        // Another function, N and T changed over, and sequences that something else reads, too.
        &[squeeze("c"), op("Relu")][..],
        &[squeeze("c"), op("Cast")],
        &[squeeze("c"), node("Transpose", "", &["c"], &["b"], &[ints("perm", &[1, 0, 2])])],
        &[squeeze("c"), node("Reshape", "", &["c", "swap"], &["b"], &[])],
        &[squeeze("b"), node("ReduceMax", "", &["a"], &["z"], &[])],
        &[squeeze("b"), node("Relu", "", &["b"], &["z"], &[])],
        &[squeeze("c"), node("Dropout", "", &["c", "", "state"], &["b"], &[])],
    ] {
        let model = two(between);
        assert_eq!(outcome(&model, None), text);
        // A node that has no name is called by its output.
        for name in ["lower", "a", "y"] {
            assert_eq!(outcome(&model, Some(name)), "no error, but LSTM(2, 2, bias=False)", "{name}");
        }
        let text = "onnx: expected a recurrent node \"b\", found LSTM \"lower\"; LSTM \"y\"";
        assert_eq!(outcome(&model, Some("b")), text);
    }
}

#[test]
fn layers_that_differ_are_two() {
    let text = "onnx: expected the name of a node, since there are several layers, found LSTM \"lower\"; LSTM \"upper\"";
    let squeeze = node("Squeeze", "", &["a", "one"], &["b"], &[]);
    let one = header("one", &[1], 7).bytes(9, 1i64.to_le_bytes());
    let tensors = [tensor("W", &[1, 8, 2]), tensor("R", &[1, 8, 2]), one];
    let lower = node("LSTM", "lower", &["x", "W", "R"], &["a", "h"], &[]);
    for (inputs, attribute) in [
        (vec!["b", "W", "R"], float("clip", 1.0)),
        (vec!["b", "W", "R", "", "state"], int("hidden_size", 2)),
        (vec!["b", "W", "R", "", "", "state"], int("hidden_size", 2)),
    ] {
        let upper = node("LSTM", "upper", &inputs, &["y"], &[attribute]);
        assert_eq!(outcome(&model(17, &[lower.clone(), squeeze.clone(), upper], &tensors), None), text);
    }
}

#[test]
fn a_decoder_that_begins_with_the_encoders_final_state_is_a_layer_of_its_own() {
    let squeeze = node("Squeeze", "", &["a", "one"], &["b"], &[]);
    let one = header("one", &[1], 7).bytes(9, 1i64.to_le_bytes());
    let tensors = [tensor("W", &[1, 8, 2]), tensor("R", &[1, 8, 2]), one];
    let layers = |state| {
        let lower = node("LSTM", "lower", &["x", "W", "R", "", "", "state"], &["a", "h"], &[]);
        let upper = node("LSTM", "upper", &["b", "W", "R", "", "", state], &["y"], &[]);
        outcome(&model(17, &[lower, squeeze.clone(), upper], &tensors), None)
    };
    assert_eq!(layers("state"), "no error, but LSTM(2, 2, num_layers=2, bias=False)");
    let text = "onnx: expected the name of a node, since there are several layers, found LSTM \"lower\"; LSTM \"upper\"";
    assert_eq!(layers("h"), text);
}

#[test]
fn two_nodes_of_one_name_are_refused() {
    let relu = node("Relu", "", &["a"], &["b"], &[]);
    let nodes =
        ["a", "y"].map(|y| node("LSTM", "twin", &[if y == "a" { "x" } else { "b" }, "W", "R"], &[y], &[]));
    let [lower, upper] = nodes;
    let model = model(17, &[lower, relu, upper], &[tensor("W", &[1, 8, 2]), tensor("R", &[1, 8, 2])]);
    let text = "onnx: expected one recurrent node \"twin\", found LSTM \"twin\"; LSTM \"twin\"";
    assert_eq!(outcome(&model, Some("twin")), text);
    assert_eq!(outcome(&model, Some("y")), "no error, but LSTM(2, 2, bias=False)");
}

#[test]
fn a_line_lists_a_dozen_layers() {
    let lstm = |place: usize| node("LSTM", "", &["x", "W", "R"], &[&format!("y{place}")], &[]);
    let nodes: Vec<Message> = (0..14).map(lstm).collect();
    let text = outcome(&model(17, &nodes, &weights(4)), None);
    assert!(text.ends_with("; LSTM \"y10\"; LSTM \"y11\"; 2 more"), "{text}");
}

#[test]
fn two_layers_over_one_are_three() {
    let squeeze = node("Squeeze", "", &["a", "one"], &["b"], &[]);
    let one = header("one", &[1], 7).bytes(9, 1i64.to_le_bytes());
    let lstm = |x: &str, y: &str| node("LSTM", "", &[x, "W", "R"], &[y], &[]);
    let nodes = [lstm("x", "a"), squeeze, lstm("b", "y"), lstm("b", "z")];
    let model = model(17, &nodes, &[tensor("W", &[1, 8, 2]), tensor("R", &[1, 8, 2]), one]);
    let layers = OnnxModel::new(&model).unwrap();
    let names: Vec<String> = layers.layers().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["a", "y", "z"].map(|name| format!("LSTM(2, 2, bias=False): LSTM {name:?}")));
}
