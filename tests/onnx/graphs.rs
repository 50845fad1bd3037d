//! Models whose weights, states or nodes are where exporters and optimisers put them (`graphs.py`).

use std::borrow::Cow;
use std::fs;
use std::path::PathBuf;

use wgpu_rnn::io::{OnnxModel, Tensors};
use wgpu_rnn::ndarray::{Array3, CowArray, Ix3};
use wgpu_rnn::{Input, Output, Weights, reference};

use super::{Node, folder};
use crate::harness::{assert_within, on_each};

/// A model's layer, with its constant states and lengths, and what it is given and gives.
fn load(path: &PathBuf) -> (String, Weights, Node) {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let results = fs::read(path.with_extension("safetensors")).unwrap();
    let metadata = Tensors::from_bytes(&results).unwrap().metadata().clone();
    let bytes = fs::read(path).unwrap();
    let model = OnnxModel::with_folder(&bytes, path.parent().unwrap()).unwrap();
    let layer = model
        .layer(metadata.get("node").map(|node| &**node))
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let weights = layer.weights().unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!([layer.h_0.len(), layer.c_0.len(), layer.lengths.iter().count()], [0; 3], "{name}");
    let mut node = Node::load(&path.with_extension("safetensors"), 0);
    let (state, lengths) = layer.defaults(node.x.dim().0).unwrap();
    node.initial_h = state.h_0.map(CowArray::into_owned);
    node.initial_c = state.c_0.map(CowArray::into_owned);
    node.lengths = lengths;
    let given = [node.initial_h.is_some(), node.initial_c.is_some(), node.lengths.is_some()];
    let names = ["h_0", "c_0", "lengths"].map(|name| layer.constants.contains(&name));
    assert_eq!(given, names, "{name}");
    (name, weights, node)
}

fn all() -> Vec<(String, Weights, Node)> {
    let entries = fs::read_dir(folder().join("graphs")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == "onnx")).collect();
    paths.sort();
    paths.iter().map(load).collect()
}

#[test]
fn the_graphs_compute_what_onnx_runtime_does_on_every_implementation() {
    let cases = all();
    assert_eq!(cases.len(), 23, "models in tests/onnx/graphs");
    let expected: Vec<[Output<Ix3, f64>; 2]> =
        cases.iter().map(|(name, weights, node)| node.expected(name, weights)).collect();
    on_each(|implementation| {
        for ((name, weights, node), [expected, allowed]) in cases.iter().zip(&expected) {
            let found = implementation.layer(weights).forward(&node.input()).unwrap();
            assert_within(name, &found, expected, allowed);
        }
    });
}

/// The states and lengths that the models have are the ones that were used.
#[test]
fn constant_states_and_lengths_are_defaults() {
    let with = |kind: fn(&Node) -> bool| -> Vec<String> {
        all().into_iter().filter(|(_, _, node)| kind(node)).map(|(name, ..)| name).collect()
    };
    let states = ["constant_states", "learned_state", "learned_states_where"];
    assert_eq!(with(|node| node.initial_h.is_some()), states);
    assert_eq!(
        with(|node| node.initial_c.is_some()),
        ["constant_c", "constant_states", "learned_states_where"]
    );
    assert_eq!(with(|node| node.lengths.is_some()), ["constant_lengths"]);
}

/// A state that is repeated for each row fits any batch, another one only its own.
#[test]
fn a_learned_state_fits_any_batch() {
    let bytes = |name: &str| fs::read(folder().join("graphs").join(name)).unwrap();
    let defaults =
        |bytes: &[u8], rows| OnnxModel::new(bytes).unwrap().layer(None).unwrap().defaults(rows).unwrap();
    let learned = bytes("learned_state.onnx");
    for rows in [1, 7] {
        let state = defaults(&learned, rows).0.h_0.unwrap();
        assert_eq!(state.dim(), (1, rows, 4));
        assert!(state.rows().into_iter().all(|row| row == state.rows().into_iter().next().unwrap()));
    }
    let fixed = bytes("constant_states.onnx");
    let run = |bytes: &[u8], rows| {
        let weights = OnnxModel::new(bytes).unwrap().layer(None).unwrap().weights().unwrap();
        let (state, lengths) = defaults(bytes, rows);
        let x = Array3::zeros((rows, 4, weights.config().input_size));
        let input = Input::new(&x).state(&state);
        let input = lengths.iter().fold(input, |input, lengths| input.lengths(lengths));
        reference::forward(&weights, input).map(drop)
    };
    run(&fixed, 3).unwrap();
    let text = "h_0: Expected hidden size [1, 7, 4], got [1, 3, 4]";
    assert_eq!(run(&fixed, 7).unwrap_err().to_string(), text);
    let lengths = bytes("constant_lengths.onnx");
    assert_eq!(defaults(&lengths, 3).1, Some(vec![2, 4, 1]));
    run(&lengths, 3).unwrap();
    assert!(run(&lengths, 2).unwrap_err().to_string().contains("lengths"));
}

#[test]
fn nodes_inside_others_are_named_with_their_path() {
    let names = |name: &str| -> Vec<String> {
        let bytes = fs::read(folder().join("graphs").join(name).with_extension("onnx")).unwrap();
        let model = OnnxModel::new(&bytes).unwrap();
        model.layers().unwrap().iter().map(ToString::to_string).collect()
    };
    let layer = |path: &str| format!("LSTM(3, 4): LSTM {path:?}");
    assert_eq!(names("if"), ["If_0/else_branch/layer", "If_0/then_branch/layer"].map(layer));
    assert_eq!(
        names("if_in_if"),
        ["outer/then_branch/If_1/else_branch/layer", "outer/then_branch/If_1/then_branch/layer"].map(layer)
    );
    assert_eq!(names("loop"), [layer("loop/body/layer")]);
    assert_eq!(names("functions"), [r#"GRU(3, 4, num_layers=2): GRU "two/lower/gru", "two/upper/gru""#]);
}

#[test]
fn a_callback_gives_the_same_weights_as_a_folder() {
    let folder = folder().join("graphs");
    let bytes = fs::read(folder.join("external.onnx")).unwrap();
    let data = fs::read(folder.join("external.bin")).unwrap();
    let model = OnnxModel::with_data(&bytes, |location, range| {
        assert_eq!(location, "external.bin");
        data.get(range).map(Cow::Borrowed).ok_or(std::io::ErrorKind::UnexpectedEof.into())
    });
    let of_callback = model.unwrap().layer(None).unwrap().weights().unwrap();
    let model = OnnxModel::with_folder(&bytes, &folder).unwrap();
    assert_eq!(of_callback, model.layer(None).unwrap().weights().unwrap());
    let text =
        "node \"layer\": W (\"W\"): expected its values in \"external.bin\", a file beside the model, found ";
    let alone = super::weights_of(&bytes, None).unwrap_err().to_string();
    assert_eq!(
        alone,
        format!(
            "{text}only the model's own bytes (OnnxModel::with_folder and OnnxModel::with_data read external data)"
        )
    );
    let short = OnnxModel::with_data(&bytes, |_, range| Ok(Cow::Borrowed(&data[range][..40]))).unwrap();
    let short = short.layer(None).unwrap().config().unwrap_err().to_string();
    assert_eq!(short, format!("{text}40 bytes instead of 192"));
}
