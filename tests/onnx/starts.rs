//! Initial states and lengths: which are constants, and which the caller passes.

use wgpu_rnn::State;
use wgpu_rnn::io::OnnxModel;
use wgpu_rnn::ndarray::{ArrayView3, s};

use super::writer::*;

fn list(name: &str, values: &[i64]) -> Message {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    header(name, &[values.len() as i64], 7).bytes(9, bytes)
}

/// The constants of a layer: their names, and their values for a batch of three rows.
struct Constants {
    names: Vec<&'static str>,
    state: State<'static>,
    lengths: Option<Vec<usize>>,
}

/// The names that the only layer's states have, and its constants.
fn read(nodes: &[Message], tensors: &[Message]) -> (usize, Vec<String>, Constants) {
    let file = model(17, nodes, tensors);
    let model = OnnxModel::new(&file).unwrap();
    let layer = model.layer(None).unwrap();
    let given =
        layer.h_0.iter().chain(&layer.c_0).chain(&layer.lengths).map(|&name| name.to_owned()).collect();
    let (state, lengths) = layer.defaults(3).unwrap();
    (layer.config().unwrap().num_layers, given, Constants { names: layer.constants.clone(), state, lengths })
}

/// An LSTM whose initial hidden state is `h`.
fn with_state(nodes: &[Message], tensors: &[Message]) -> (Vec<String>, Constants) {
    let lstm = node("LSTM", "lstm", &["x", "W", "R", "", "", "h"], &["y"], &[]);
    let nodes: Vec<Message> = nodes.iter().cloned().chain([lstm]).collect();
    let tensors: Vec<Message> = weights(4).into_iter().chain(tensors.to_vec()).collect();
    let (_, given, defaults) = read(&nodes, &tensors);
    (given, defaults)
}

/// `h` is `state` with as many rows as some value has: its axis 1 is that size.
fn expanded(of: &str) -> Vec<Message> {
    vec![
        node("Shape", "", &[of], &["shape"], &[]),
        node("Gather", "", &["shape", "one"], &["n"], &[]),
        node("Concat", "", &["one", "n", "two"], &["wanted"], &[int("axis", 0)]),
        node("Expand", "", &["learned", "wanted"], &["h"], &[]),
    ]
}

fn constants() -> Vec<Message> {
    vec![tensor("learned", &[1, 1, 2]), list("one", &[1]), list("two", &[2])]
}

#[test]
fn a_state_that_depends_on_the_number_of_rows_alone_is_a_constant() {
    for of in ["x", "state"] {
        let (given, defaults) = with_state(&expanded(of), &constants());
        assert!(given.is_empty(), "{given:?}");
        let state = defaults.state.h_0.unwrap();
        assert_eq!(state.slice(s![0, 2, ..]).to_vec(), [1.0 / 64.0, 2.0 / 64.0]);
    }
    // A state that the exporter repeated itself, for a batch of three.
    let tensors = [constants(), vec![tensor("three", &[1, 3, 2])]].concat();
    let nodes = [&expanded("x")[..3], &[node("Expand", "", &["three", "wanted"], &["h"], &[])]].concat();
    let (given, defaults) = with_state(&nodes, &tensors);
    assert!(given.is_empty(), "{given:?}");
    assert_eq!(defaults.state.h_0.unwrap()[[0, 2, 0]], 5.0 / 64.0);
    // The shape of a row of a table, as of an embedding.
    let nodes = [vec![node("Gather", "", &["W", "x"], &["r"], &[])], expanded("r")].concat();
    assert!(with_state(&nodes, &constants()).0.is_empty());
    // The shape of a value of which nothing is known.
    let nodes = [vec![node("Relu", "", &["x"], &["r"], &[])], expanded("r")].concat();
    assert!(with_state(&nodes, &constants()).0.is_empty());
}

#[test]
fn a_state_that_depends_on_more_is_passed() {
    // The size is a factor of the values, too.
    let scaled = [
        &expanded("x")[..3],
        &[
            node("Expand", "", &["learned", "wanted"], &["e"], &[]),
            node("Cast", "", &["n"], &["f"], &[int("to", 1)]),
            node("Mul", "", &["e", "f"], &["h"], &[]),
        ],
    ]
    .concat();
    let (given, defaults) = with_state(&scaled, &constants());
    assert_eq!((given, defaults.names.len()), (vec!["h".to_owned()], 0));
    // The values themselves are computed.
    let nodes = [&expanded("x")[..3], &[node("Expand", "", &["state", "wanted"], &["h"], &[])]].concat();
    assert_eq!(with_state(&nodes, &constants()).0, ["h"]);
    // Its axes are others than a state's.
    let nodes = [&expanded("x")[..3], &[node("Tile", "", &["learned", "wanted"], &["h"], &[])]].concat();
    assert_eq!(with_state(&nodes, &constants()).0, ["h"]);
}

/// An exporter takes the hidden size from the shape of a state that has as many rows as the input.
#[test]
fn weights_that_only_seem_to_depend_on_the_shape_are_constants() {
    let nodes = |axis: &str| {
        [
            &expanded("x")[..3],
            &[
                node("ConstantOfShape", "", &["wanted"], &["h"], &[]),
                node("Shape", "", &["h"], &["all"], &[]),
                node("Gather", "", &["all", axis], &["size"], &[]),
                node("Mul", "", &["size", "four"], &["rows"], &[]),
                node("Slice", "", &["taller", "zero", "rows", "one"], &["V"], &[]),
                node("LSTM", "lstm", &["x", "V", "R", "", "", "h"], &["y"], &[]),
            ],
        ]
        .concat()
    };
    let further = vec![tensor("taller", &[1, 9, 3]), list("four", &[4]), list("zero", &[0])];
    let tensors = [constants(), weights(4), further].concat();
    let (_, given, _) = read(&nodes("two"), &tensors);
    assert!(given.is_empty(), "{given:?}");
    let text = "node \"lstm\": W (\"V\"): expected a constant, found a value that depends on the shapes of the model's inputs";
    assert_eq!(super::errors::outcome(&model(17, &nodes("one"), &tensors), None), text);
}

#[test]
fn zeros_of_any_shape_are_no_constant() {
    let nodes = [&expanded("x")[..3], &[node("ConstantOfShape", "", &["wanted"], &["h"], &[])]].concat();
    let (given, defaults) = with_state(&nodes, &constants());
    assert!(given.is_empty() && defaults.names.is_empty());
    // Not even the shape needs to be known.
    let unknown =
        [node("NonZero", "", &["x"], &["any"], &[]), node("ConstantOfShape", "", &["any"], &["h"], &[])];
    let (given, defaults) = with_state(&unknown, &[]);
    assert!(given.is_empty() && defaults.names.is_empty());
}

fn square() -> Vec<Message> {
    vec![
        tensor("W", &[1, 8, 2]),
        tensor("R", &[1, 8, 2]),
        list("one", &[1]),
        tensor("h", &[1, 3, 2]),
        tensor("single", &[1, 1, 2]),
        header("zeros", &[1, 3, 2], FLOAT).bytes(9, [0; 24]),
        header("lengths", &[3], 6).bytes(9, [2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]),
    ]
}

/// Two nodes on each other, with these lengths and states.
fn stack(inputs: [[&str; 3]; 2]) -> Vec<Message> {
    let lstm = |name, x, [lengths, h, c]: [&str; 3], y| {
        node("LSTM", name, &[x, "W", "R", "", lengths, h, c], &[y], &[])
    };
    let squeeze = node("Squeeze", "", &["a", "one"], &["b"], &[]);
    vec![lstm("lower", "x", inputs[0], "a"), squeeze, lstm("upper", "b", inputs[1], "y")]
}

#[test]
fn constants_of_a_stack_are_put_together() {
    let rows = |state: ArrayView3<'_, f32>| [0, 1].map(|layer| state.slice(s![layer, .., 0]).to_vec());
    let (layers, given, defaults) =
        read(&stack([["lengths", "h", "zeros"], ["lengths", "single", ""]]), &square());
    assert_eq!((layers, given.len()), (2, 0));
    let state = defaults.state.h_0.unwrap();
    assert_eq!(rows(state.view()), [vec![1.0 / 64.0, 3.0 / 64.0, 5.0 / 64.0], vec![1.0 / 64.0; 3]]);
    assert_eq!((defaults.state.c_0, defaults.lengths), (None, Some(vec![2, 1, 2])));
    // Where one layer has none, its state is zero.
    let (layers, _, defaults) = read(&stack([["", "", "single"], ["", "", ""]]), &square());
    assert_eq!(layers, 2);
    assert_eq!(rows(defaults.state.c_0.unwrap().view()), [vec![1.0 / 64.0; 3], vec![0.0; 3]]);
    // A state that the caller passes goes with no constant, and other lengths are another layer.
    for states in [[["", "h", ""], ["", "state", ""]], [["lengths", "", ""], ["", "", ""]]] {
        let file = model(17, &stack(states), &square());
        assert_eq!(OnnxModel::new(&file).unwrap().layers().unwrap().len(), 2, "{states:?}");
    }
}

/// An encoder's states go to the decoder's layers one by one, whatever the order of the nodes.
#[test]
fn a_decoder_behind_an_encoder_is_a_stack_of_its_own() {
    let squeeze = |from: &str, to: &str| node("Squeeze", "", &[from, "one"], &[to], &[]);
    let lstm = |name: &str, x: &str, h: &str, y: &str| {
        node("LSTM", name, &[x, "W", "R", "", "", h], &[y, &format!("{y}_h")], &[])
    };
    let e0 = lstm("e0", "x", "", "a");
    let e1 = lstm("e1", "a_", "", "b");
    let d0 = lstm("d0", "x", "a_h", "c");
    let d1 = lstm("d1", "c_", "b_h", "y");
    let (a, c) = (squeeze("a", "a_"), squeeze("c", "c_"));
    for nodes in [[&e0, &a, &e1, &d0, &c, &d1], [&e0, &d0, &c, &a, &e1, &d1], [&e0, &a, &d0, &e1, &c, &d1]] {
        let file = model(17, &nodes.map(Message::clone), &square());
        let model = OnnxModel::new(&file).unwrap();
        let mut names: Vec<String> = model.layers().unwrap().iter().map(ToString::to_string).collect();
        names.sort();
        let stack = |nodes: &str| format!("LSTM(2, 2, num_layers=2, bias=False): LSTM {nodes}");
        assert_eq!(names, [stack(r#""d0", "d1""#), stack(r#""e0", "e1""#)]);
    }
    // A state of the stack itself ends it.
    let own = lstm("d1", "c_", "c_h", "y");
    let file = model(17, &[e0, a, e1, d0, c, own], &square());
    assert_eq!(OnnxModel::new(&file).unwrap().layers().unwrap().len(), 3);
}
