//! Every mistake in a model gives its one message, which names the node and what is wrong with it.

use wgpu_rnn::io::OnnxModel;

use super::{weights_of, writer::*};

pub(super) fn outcome(model: &[u8], node: Option<&str>) -> String {
    match weights_of(model, node) {
        Ok(weights) => format!("no error, but {}", weights.config()),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn refused(model: &[u8], text: &str) {
    assert_eq!(outcome(model, None), text);
}

#[test]
fn the_models_that_are_broken_below_are_whole() {
    refused(&lstm(&[]), "no error, but LSTM(3, 2)");
    refused(&lstm_of(&["x", "W", "R"], &[], &weights(4)), "no error, but LSTM(3, 2, bias=False)");
}

/// A caller can see what a rejected layer would read.
#[test]
fn a_rejected_layer_names_its_states() {
    let inputs = ["x", "W", "R", "", "", "h", "c"];
    let model = lstm_of(&inputs, &[int("layout", 7)], &weights(4));
    let model = OnnxModel::new(&model).unwrap();
    let layers = model.layers().unwrap();
    assert!(layers[0].config().is_err());
    assert_eq!((&layers[0].h_0, &layers[0].c_0), (&vec!["h"], &vec!["c"]));
}

#[test]
fn attributes() {
    for (attribute, text) in [
        (
            int("foo", 1),
            "attribute: expected one of LSTM's attributes (activation_alpha, activation_beta, activations, clip, \
             direction, hidden_size, layout, input_forget), found \"foo\"",
        ),
        (int("hidden_size", 2), "hidden_size: expected one attribute of that name, found two"),
        (float("clip", 0.0), "clip: expected a positive number, found 0"),
        (int("clip", 3), "clip: expected a float, found an attribute of type 2"),
        (
            string("direction", "Forward"),
            "direction: expected forward, reverse or bidirectional, found \"Forward\"",
        ),
        (int("input_forget", 2), "input_forget: expected 0 or 1, found 2"),
        (int("layout", 7), "layout: expected 0 or 1, found 7"),
        (
            strings("activations", &["Sigmoid", "Tanh", "Softmax"]),
            "activations: expected ONNX's activation functions, found Softmax",
        ),
        (strings("activations", &["Sigmoid"]), "activations: expected 3 for each of 1 directions, found 1"),
        (
            floats("activation_alpha", &[0.5]),
            "activation_alpha: expected one for each function that takes one, found also 0.5",
        ),
        (
            floats("activation_beta", &[0.25]),
            "activation_beta: expected one for each function that takes one, found also 0.25",
        ),
    ] {
        refused(&lstm(&[attribute]), &format!("node \"lstm\": {text}"));
    }
}

#[test]
fn attributes_that_say_the_default_are_taken() {
    let attributes = [
        string("direction", "forward"),
        strings("activations", &["sigmoid", "TANH", "Tanh"]),
        int("layout", 0),
        int("input_forget", 0),
        floats("activation_alpha", &[]),
    ];
    refused(&lstm(&attributes), "no error, but LSTM(3, 2)");
}

/// What PyTorch's modules cannot be.
#[test]
fn attributes_beyond_pytorch_are_taken() {
    let attributes = [
        string("direction", "reverse"),
        strings("activations", &["HardSigmoid", "leakyrelu", "Tanh"]),
        floats("activation_alpha", &[0.25]),
        floats("activation_beta", &[0.5]),
        float("clip", 3.0),
        int("input_forget", 1),
    ];
    let text = "no error, but LSTM(3, 2, reverse=True, activations=[HardSigmoid(0.25, 0.5), LeakyRelu(0.01), Tanh], \
                clip=3, input_forget=True)";
    refused(&lstm(&attributes), text);
}

#[test]
fn a_constant_state_has_the_shape_of_the_layout() {
    let state = header("S", &[4, 1, 2], FLOAT).bytes(9, [0; 32]);
    let tensors: Vec<Message> = weights(4).into_iter().chain([state]).collect();
    let model = |layout| lstm_of(&["x", "W", "R", "B", "", "S"], &[int("layout", layout)], &tensors);
    refused(&model(1), "no error, but LSTM(3, 2)");
    let text = "node \"lstm\": initial_h (\"S\"): shape [4, 1, 2]; expected [1, N, 2]";
    refused(&model(0), text);
}

#[test]
fn a_gru_resets_before_the_product_unless_it_says_otherwise() {
    let gru = |attributes: &[Message]| {
        let attributes = [&[int("hidden_size", 2)], attributes].concat();
        model(17, &[node("GRU", "g", &["x", "W", "R", "B"], &["y"], &attributes)], &weights(3))
    };
    refused(&gru(&[int("linear_before_reset", 1)]), "no error, but GRU(3, 2)");
    refused(&gru(&[]), "no error, but GRU(3, 2, reset_after=False)");
    refused(&gru(&[int("linear_before_reset", 0)]), "no error, but GRU(3, 2, reset_after=False)");
}

#[test]
fn inputs() {
    let with = |inputs: &[&str], extra: Message| {
        lstm_of(inputs, &[], &weights(4).into_iter().chain([extra]).collect::<Vec<_>>())
    };
    let zeros = |name, shape: &[i64], count: usize| header(name, shape, FLOAT).bytes(9, vec![0; 4 * count]);
    let all = |place: usize, name| {
        let mut inputs = vec!["x", "W", "R", "B", "", "", "", ""];
        inputs[place] = name;
        inputs
    };
    let missing = "expected a constant, found";
    for (model, text) in [
        (lstm_of(&["x", "", "R"], &[], &weights(4)), format!("W: {missing} none")),
        (lstm_of(&["x", "W"], &[], &weights(4)), format!("R: {missing} none")),
        (lstm_of(&["x", "V", "R"], &[], &weights(4)), format!("W (\"V\"): {missing} nothing of that name")),
        (
            lstm_of(&["x", "x", "R"], &[], &weights(4)),
            format!("W (\"x\"): {missing} a value that depends on the model's inputs"),
        ),
        (
            lstm_of(&[&["x", "W", "R"][..], &["a"; 6]].concat(), &[], &weights(4)),
            "inputs: expected at most 8, found also \"a\"".into(),
        ),
        (
            with(&all(4, "L"), header("L", &[1, 1], 6).int(5, 4)),
            "sequence_lens (\"L\"): expected integers of shape [N], found i32 of shape [1, 1]".into(),
        ),
        (
            with(&all(4, "L"), header("L", &[1], 6).int(5, -1)),
            "sequence_lens (\"L\"): expected lengths of at least 0, found -1".into(),
        ),
        (
            with(&all(5, "S"), header("S", &[1, 1, 2], 7).bytes(9, [1; 16])),
            "initial_h (\"S\"): expected dtype f16, bf16, f32 or f64, found i64".into(),
        ),
        (
            with(&all(6, "S"), header("S", &[1, 1, 2], FLOAT).bytes(9, [0xff; 8])),
            "initial_c (\"S\")[0, 0, 0]: expected a finite value, found NaN".into(),
        ),
        (with(&all(7, "P"), tensor("P", &[1, 4])), "P: expected shape [1, 6], found [1, 4]".into()),
    ] {
        refused(&model, &format!("node \"lstm\": {text}"));
    }
    refused(&with(&all(5, "S"), zeros("S", &[1, 1, 2], 2)), "no error, but LSTM(3, 2)");
    let text = "node \"lstm\": initial_h (\"S\"): shape [1, 1, 3]; expected [1, N, 2]";
    refused(&with(&all(5, "S"), zeros("S", &[1, 1, 3], 3)), text);
    refused(&with(&all(7, "P"), zeros("P", &[1, 6], 6)), "no error, but LSTM(3, 2)");
    refused(&with(&all(7, "P"), tensor("P", &[1, 6])), "no error, but LSTM(3, 2, peepholes=True)");
    refused(&with(&all(5, "state"), zeros("S", &[1], 1)), "no error, but LSTM(3, 2)");
}

/// One of the LSTM's tensors replaced.
fn replaced(place: usize, tensor: Message) -> Vec<u8> {
    let mut tensors = weights(4);
    tensors[place] = tensor;
    lstm_of(&["x", "W", "R", "B"], &[], &tensors)
}

#[test]
fn shapes() {
    for (model, text) in [
        (replaced(0, tensor("W", &[8, 3])), "W: expected shape [1, 8, 0], found [8, 3]"),
        (replaced(0, tensor("W", &[1, 6, 3])), "W: expected shape [1, 8, 3], found [1, 6, 3]"),
        (replaced(1, tensor("R", &[1, 8, 3])), "R: expected shape [1, 8, 2], found [1, 8, 3]"),
        (replaced(2, tensor("B", &[1, 8])), "B: expected shape [1, 16], found [1, 8]"),
        (lstm(&[string("direction", "bidirectional")]), "W: expected shape [2, 8, 3], found [1, 8, 3]"),
        (
            replaced(0, header("W", &[1, -8, 3], FLOAT)),
            "W (\"W\"): expected sizes of at least 0, found shape [1, -8, 3]",
        ),
    ] {
        refused(&model, &format!("node \"lstm\": {text}"));
    }
    let sized = |size| {
        let attributes = [int("hidden_size", size)];
        model(17, &[node("LSTM", "lstm", &["x", "W", "R"], &["y"], &attributes)], &weights(4))
    };
    refused(&sized(0), "node \"lstm\": hidden_size: expected at least 1, found 0");
    refused(
        &sized(i64::MAX),
        "node \"lstm\": W: expected shape [1, 18446744073709551615, 3], found [1, 8, 3]",
    );
}

#[test]
fn values() {
    let external = || {
        let entry = Message::default().bytes(1, "location").bytes(2, "w.bin");
        header("W", &[1, 8, 3], FLOAT).bytes(13, entry).int(14, 1)
    };
    let nan = || header("W", &[1, 8, 3], FLOAT).bytes(9, [0xff; 96]);
    for (tensor, text) in [
        (
            external(),
            "W (\"W\"): expected its values in \"w.bin\", a file beside the model, found only the model's own bytes \
             (OnnxModel::with_folder and OnnxModel::with_data read external data)",
        ),
        (
            header("W", &[1, 8, 3], FLOAT).bytes(9, [0; 95]),
            "W (\"W\"): expected the values of shape [1, 8, 3], 4 bytes each, found 95 bytes",
        ),
        (
            header("W", &[1, 8, 3], FLOAT),
            "W (\"W\"): expected the values of shape [1, 8, 3], 4 bytes each, found 0 bytes",
        ),
        (
            header("W", &[i64::MAX, i64::MAX, 3], FLOAT).bytes(9, [0; 8]),
            "W (\"W\"): expected the values of shape [9223372036854775807, 9223372036854775807, 3], 4 bytes each, \
             found 8 bytes",
        ),
        (tensor("W", &[1, 8, 3]).bytes(4, [0; 4]), "W (\"W\"): expected raw or typed values, found both"),
        (
            header("W", &[1, 8, 3], FLOAT).int(5, 1),
            "W (\"W\"): expected values of dtype f32, found those of another type",
        ),
        (header("W", &[1, 8, 3], 10).int(5, 65536), "W (\"W\"): expected values of 2 bytes, found 65536"),
        (tensor("W", &[1, 8, 3]).bytes(3, []), "W (\"W\"): expected a whole tensor, found a segment of one"),
        (
            header("W", &[1, 8, 3], 17).bytes(9, [0; 24]),
            "W (\"W\"): expected dtype a floating-point type, an integer type or bool, found float8e4m3fn",
        ),
        (
            header("W", &[1, 8, 3], 7).bytes(9, [0; 192]),
            "W (\"W\"): expected dtype f16, bf16, f32 or f64, found i64",
        ),
    ] {
        refused(&replaced(0, tensor), &format!("node \"lstm\": {text}"));
    }
    let text = "LSTM \"lstm\": weight_ih_l0[0, 0]: expected a finite value, found NaN";
    refused(&replaced(0, nan()), text);
}

/// Protobuf lets a file hold numbers one by one or packed, and readers must take either.
#[test]
fn packed_numbers_are_the_same_as_single_ones() {
    let whole = weights_of(&lstm(&[]), None).unwrap();
    let values: Vec<f32> = (1..=24).map(|value| value as f32 / 64.0).collect();
    let named = |dims: Message| dims.int(2, FLOAT).bytes(8, "W");
    let packed: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let packed_dims = Message::default().bytes(1, [1, 8, 3]);
    let single_values =
        |tensor, values: &[f32]| values.iter().fold(tensor, |tensor: Message, &v| tensor.float(4, v));
    for tensor in [
        named(packed_dims.clone()).bytes(9, &packed),
        named(packed_dims.clone()).bytes(4, &packed),
        single_values(named(packed_dims.clone()), &values),
        single_values(named(packed_dims), &values[..7]).bytes(4, &packed[28..]),
    ] {
        assert_eq!(weights_of(&replaced(0, tensor), None).unwrap(), whole);
    }
}

/// As an exporter leaves them that folds no constants: taken apart, put together and given axes of size 1.
#[test]
fn constants_may_be_put_together_in_the_graph() {
    let whole = weights_of(&lstm_of(&["x", "W", "R"], &[], &weights(4)), None).unwrap();
    let list = |name: &str, values: &[i64]| {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        header(name, &[values.len() as i64], 7).bytes(9, bytes)
    };
    let constants = [list("zero", &[0]), list("one", &[1]), list("five", &[5]), list("end", &[i64::MAX])];
    let tensors: Vec<Message> = weights(4).into_iter().chain(constants).collect();
    let slice = |from: &str, to: &str, name: &str| node("Slice", "", &["w", from, to, "zero"], &[name], &[]);
    let lstm = node("LSTM", "lstm", &["x", "V", "R"], &["y"], &[]);
    let concat = |parts: &[&str]| node("Concat", "", parts, &["v"], &[int("axis", 0)]);
    let with = |concat: Message| {
        let nodes = [
            node("Squeeze", "", &["W", "zero"], &["w"], &[]),
            slice("zero", "five", "a"),
            slice("five", "end", "b"),
            concat,
            node("Unsqueeze", "", &["v", "zero"], &["V"], &[]),
            lstm.clone(),
        ];
        model(17, &nodes, &tensors)
    };
    assert_eq!(weights_of(&with(concat(&["a", "b"])), None).unwrap(), whole);
    let other_order = weights_of(&with(concat(&["b", "a"])), None).unwrap();
    assert_ne!(other_order, whole);
    refused(&with(concat(&["a", "b", "b"])), "node \"lstm\": W: expected shape [1, 8, 3], found [1, 11, 3]");
}

#[test]
fn files() {
    let whole = lstm(&[]);
    refused(&[], "onnx: expected a complete ONNX model, found an empty file");
    refused(
        &whole[..whole.len() - 1],
        "onnx: expected a complete ONNX model, found unexpected end of buffer",
    );
    refused(
        &[0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        "onnx: expected a complete ONNX model, found unexpected end of buffer",
    );
    refused(b"\x0b", "onnx: expected a complete ONNX model, found unexpected end of buffer");
    refused(b"PK\x03\x04", "onnx: expected a complete ONNX model, found a zip archive (unpack it)");
    refused(
        b"\0\0\0\0ORTM",
        "onnx: expected a complete ONNX model, found a model in ONNX Runtime's own format (the ONNX model from \
         which it was made is needed)",
    );
    refused(
        b"version https://git-lfs.github.com/spec/v1\n",
        "onnx: expected a complete ONNX model, found a Git LFS pointer in place of the file (`git lfs pull` \
         fetches the file)",
    );
    refused(&model(6, &[], &[]), "onnx: expected opset 7 or newer, found opset 6");
    let graph = Message::default().bytes(7, []);
    refused(&graph.0, "onnx: expected the opset of the domain ai.onnx, found none");
    refused(&model(17, &[], &[]), "onnx: expected an RNN, GRU or LSTM node, found 0 other nodes");
    let inner = Message::default().bytes(1, "body").bytes(6, []).int(20, 5);
    let nodes = [node("Relu", "", &["x"], &["y"], &[]), node("Loop", "", &[], &["z"], &[inner])];
    refused(&model(17, &nodes, &[]), "onnx: expected an RNN, GRU or LSTM node, found 2 other nodes");
    let early =
        model(13, &[node("LSTM", "lstm", &["x", "W", "R"], &["y"], &[int("layout", 1)])], &weights(4));
    refused(&early, "node \"lstm\": layout: expected none before opset 14, found one in opset 13");
    let twice =
        model(17, &[node("Relu", "", &["x"], &["y"], &[]), node("Tanh", "", &["x"], &["y"], &[])], &[]);
    refused(&twice, "value \"y\": expected one node or initializer that gives it, found several");
}
