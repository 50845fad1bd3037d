//! Nodes inside graphs and functions, and nodes of other domains.

use wgpu_rnn::io::OnnxModel;

use super::errors::outcome;
use super::writer::*;

/// A graph inside a node, with these nodes and the output `y`.
fn body(name: &str, nodes: &[Message]) -> Message {
    let graph = nodes.iter().fold(Message::default(), |graph, node| graph.bytes(1, node));
    let graph = graph.bytes(12, Message::default().bytes(1, "y"));
    Message::default().bytes(1, name).bytes(6, graph).int(20, 5)
}

/// A FunctionProto of the domain `local`.
fn function(name: &str, inputs: &[&str], outputs: &[&str], nodes: &[Message]) -> Message {
    let function = Message::default().bytes(1, name).bytes(10, "local");
    let function = inputs.iter().fold(function, |function, input| function.bytes(4, input));
    let function = outputs.iter().fold(function, |function, output| function.bytes(5, output));
    let function = nodes.iter().fold(function, |function, node| function.bytes(7, node));
    function.bytes(9, Message::default().bytes(1, "").int(2, 17))
}

fn call(name: &str, label: &str, inputs: &[&str], outputs: &[&str]) -> Message {
    node(name, label, inputs, outputs, &[]).bytes(7, "local")
}

fn with_functions(nodes: &[Message], tensors: &[Message], functions: &[Message]) -> Vec<u8> {
    let file = Message(model(17, nodes, tensors));
    functions.iter().fold(file, |file, function| file.bytes(25, function)).0
}

fn layers(file: &[u8]) -> Vec<String> {
    let model = OnnxModel::new(file).unwrap();
    model.layers().unwrap().iter().map(ToString::to_string).collect()
}

fn lstm(label: &str, x: &str, y: &str) -> Message {
    node("LSTM", label, &[x, "W", "R"], &[y], &[])
}

fn square() -> Vec<Message> {
    vec![
        tensor("W", &[1, 8, 2]),
        tensor("R", &[1, 8, 2]),
        header("one", &[1], 7).bytes(9, 1i64.to_le_bytes()),
    ]
}

fn squeeze(from: &str, to: &str) -> Message {
    node("Squeeze", "", &[from, "one"], &[to], &[])
}

#[test]
fn a_node_is_chosen_by_its_path_its_name_or_its_output() {
    let branch = |label: &str| body(label, &[lstm("twin", "x", "y")]);
    let file = model(
        17,
        &[node("If", "if", &["state"], &["y"], &[branch("then_branch"), branch("else_branch")])],
        &square(),
    );
    let found = "LSTM \"if/then_branch/twin\"; LSTM \"if/else_branch/twin\"";
    assert_eq!(outcome(&file, Some("if/else_branch/twin")), "no error, but LSTM(2, 2, bias=False)");
    for name in ["twin", "y"] {
        let text = format!("onnx: expected one recurrent node {name:?}, found {found}");
        assert_eq!(outcome(&file, Some(name)), text);
    }
    let text = format!("onnx: expected the name of a node, since there are several layers, found {found}");
    assert_eq!(outcome(&file, None), text);
    let file = model(17, &[node("If", "", &["state"], &["y"], &[branch("then_branch")])], &square());
    assert_eq!(layers(&file), ["LSTM(2, 2, bias=False): LSTM \"y/then_branch/twin\""]);
    for name in [None, Some("twin"), Some("y/then_branch/twin")] {
        assert_eq!(outcome(&file, name), "no error, but LSTM(2, 2, bias=False)");
    }
}

/// A stack inside a graph is one layer; a sequence from around the graph is not followed into it.
#[test]
fn stacks_are_within_one_graph() {
    let stack = [lstm("a", "x", "p"), squeeze("p", "q"), lstm("b", "q", "y")];
    let one = model(17, &[node("If", "if", &["state"], &["y"], &[body("then_branch", &stack)])], &square());
    assert_eq!(
        layers(&one),
        [r#"LSTM(2, 2, num_layers=2, bias=False): LSTM "if/then_branch/a", "if/then_branch/b""#]
    );
    let inner = node("If", "if", &["state"], &["y"], &[body("then_branch", &stack[2..])]);
    let two = model(17, &[stack[0].clone(), stack[1].clone(), inner], &square());
    assert_eq!(
        layers(&two),
        ["a", "if/then_branch/b"].map(|name| format!("LSTM(2, 2, bias=False): LSTM {name:?}"))
    );
}

/// The branch that a constant condition takes gives the node's outputs.
#[test]
fn a_constant_condition_chooses_a_branch() {
    let constant = |name: &str, value: i64| {
        let branch = node("Mul", "", &["W", "factor"], &["y"], &[]);
        let factor = node("Constant", "", &[], &["factor"], &[float("value_float", value as f32)]);
        body(name, &[factor, branch])
    };
    let with = |condition: i64| {
        let branches = [constant("then_branch", 1), constant("else_branch", 2)];
        let nodes = [
            node("If", "", &["condition"], &["V"], &branches),
            node("LSTM", "lstm", &["x", "V", "R"], &["z"], &[]),
        ];
        let tensors = [square(), vec![header("condition", &[], 9).int(5, condition)]].concat();
        let file = model(17, &nodes, &tensors);
        let weights = super::weights_of(&file, None).unwrap();
        weights.get("weight_ih_l0").unwrap()[[0, 0]]
    };
    assert_eq!([with(1), with(0)], [1.0 / 64.0, 2.0 / 64.0]);
}

#[test]
fn functions_are_followed_and_may_not_go_on_forever() {
    let one = function("One", &["a", "W", "R", "one"], &["c"], &[lstm("lstm", "a", "b"), squeeze("b", "c")]);
    let inputs = |x| [x, "W", "R", "one"];
    let calls = [call("One", "lower", &inputs("x"), &["p"]), call("One", "upper", &inputs("p"), &["q"])];
    let file = with_functions(&calls, &square(), std::slice::from_ref(&one));
    assert_eq!(layers(&file), [r#"LSTM(2, 2, num_layers=2, bias=False): LSTM "lower/lstm", "upper/lstm""#]);
    // Its own value is used outside of the stack, in the function itself.
    let shared = function(
        "One",
        &["a", "W", "R", "one"],
        &["c"],
        &[lstm("lstm", "a", "b"), squeeze("b", "c"), node("Relu", "", &["c"], &["d"], &[])],
    );
    assert_eq!(layers(&with_functions(&calls, &square(), &[shared])).len(), 2);
    // A function that calls itself, twice at each depth.
    let endless = function(
        "One",
        &["a", "W", "R", "one"],
        &["c"],
        &[
            lstm("lstm", "a", "b"),
            call("One", "again", &inputs("a"), &["c"]),
            call("One", "", &inputs("a"), &["e"]),
        ],
    );
    let count = layers(&with_functions(&calls, &square(), &[endless])).len();
    assert!((10..200).contains(&count), "{count}");
}

/// A graph is read to a depth of twelve.
#[test]
fn deep_graphs_are_skipped() {
    let nested = |depth: usize| {
        let inner = (0..depth).fold(lstm("lstm", "x", "y"), |inner, level| {
            node("If", &format!("{level}"), &["state"], &["y"], &[body("b", &[inner])])
        });
        layers(&model(17, &[inner], &square()))
    };
    assert_eq!(nested(12).len(), 1);
    assert_eq!(nested(13), Vec::<String>::new());
}

#[test]
fn recurrent_nodes_of_other_domains_are_named() {
    let other = |op_type, domain: &str| node(op_type, "n", &["x", "W", "R"], &["y"], &[]).bytes(7, domain);
    let text = "node \"n\": operator: expected RNN, GRU or LSTM of ONNX, or com.microsoft.DynamicQuantizeLSTM, found ";
    for (op_type, domain) in [("AttnLSTM", "com.microsoft"), ("lstm", "aten"), ("QGRU", "my.domain")] {
        let file = model(17, &[other(op_type, domain)], &square());
        assert_eq!(outcome(&file, None), format!("{text}{domain}.{op_type}"));
        assert_eq!(layers(&file), [format!("{domain}.{op_type} \"n\"")]);
    }
    // Beside a layer that can be read, they need not be named.
    let file = model(17, &[other("AttnLSTM", "com.microsoft"), lstm("lstm", "x", "z")], &square());
    assert_eq!(outcome(&file, None), "no error, but LSTM(2, 2, bias=False)");
}

/// If no layer can be read, the reason is the first one's, not that there are several.
#[test]
fn the_first_cause_is_told() {
    let nodes = [
        node("LSTM", "a", &["x", "state", "R"], &["p"], &[]),
        node("LSTM", "b", &["x", "W", "R"], &["q"], &[int("layout", 7)]),
    ];
    let text =
        "node \"a\": W (\"state\"): expected a constant, found a value that depends on the model's inputs";
    assert_eq!(outcome(&model(17, &nodes, &square()), None), text);
}

/// An attribute of a node may be that of the call, or else the function's default.
#[test]
fn attributes_of_a_function_are_followed() {
    let reference = |name: &str, of: &str| Message::default().bytes(1, name).bytes(21, of).int(20, 3);
    let attributes = [reference("direction", "way"), reference("activations", "none")];
    let inner = node("LSTM", "lstm", &["a", "W", "R"], &["b"], &attributes);
    let one = function("One", &["a", "W", "R"], &["b"], &[inner]);
    let call =
        |attributes: &[Message]| node("One", "f", &["a", "W", "R"], &["b"], attributes).bytes(7, "local");
    let two = |inner| function("Two", &["a", "W", "R"], &["b"], &[inner]).bytes(11, string("way", "reverse"));
    let of = |one: &Message, inner| {
        let nodes = [node("Two", "g", &["x", "W", "R"], &["y"], &[]).bytes(7, "local")];
        outcome(&with_functions(&nodes, &square(), &[one.clone(), two(inner)]), None)
    };
    assert_eq!(of(&one, call(&[])), "no error, but LSTM(2, 2, bias=False)");
    let reverse = "no error, but LSTM(2, 2, bias=False, reverse=True)";
    assert_eq!(of(&one, call(&[string("way", "reverse")])), reverse);
    assert_eq!(of(&one, call(&[reference("way", "way")])), reverse);
    assert_eq!(of(&one.clone().bytes(11, string("way", "reverse")), call(&[])), reverse);
    assert_eq!(
        of(&one.bytes(11, string("way", "reverse")), call(&[string("way", "forward")])),
        "no error, but LSTM(2, 2, bias=False)"
    );
}
