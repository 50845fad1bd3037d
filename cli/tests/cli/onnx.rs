//! Layers of ONNX models.

use std::fs;
use std::path::{Path, PathBuf};

use wgpu_rnn::io::{Tensors, to_npy};
use wgpu_rnn::ndarray::{Array2, Array3, Ix3};
use wgpu_rnn::{Backend, Input, Layer, LoadOptions, Weights};

use super::run::read_npy;
use super::{refuse, succeed, wgpu_rnn};

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/onnx")
}

/// A folder with some models, and the input of `gru_torchscript_states` with its initial state.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let models = models();
    for name in ["gru_torchscript_states", "between"] {
        fs::copy(models.join(name).with_extension("onnx"), folder.path().join(name).with_extension("onnx"))
            .unwrap();
    }
    let case = fs::read(models.join("gru_torchscript_states.safetensors")).unwrap();
    let case = Tensors::from_bytes(&case).unwrap();
    for (name, file) in [("input", "x.npy"), ("h_0", "h.npy")] {
        fs::write(folder.path().join(file), to_npy(case.f32(name).unwrap().view()).unwrap()).unwrap();
    }
    folder
}

#[test]
fn a_model_runs_as_the_library_runs_it() {
    let folder = folder();
    let run = "run --device cpu --model gru_torchscript_states.onnx --input x.npy --output y.npy";
    let ran = succeed(folder.path(), &format!("{run} --h0 h.npy"));
    assert_eq!(ran.stderr, "wgpu-rnn: ran GRU(3, 4, num_layers=2, bidirectional=True) on cpu\n");
    let model = fs::read(folder.path().join("gru_torchscript_states.onnx")).unwrap();
    let layer =
        Layer::new(&Weights::from_bytes(&model, &LoadOptions::default()).unwrap(), Backend::Cpu).unwrap();
    let [input, h_0] = ["x.npy", "h.npy"]
        .map(|name| read_npy(&folder.path().join(name)).into_dimensionality::<Ix3>().unwrap());
    let expected = layer.forward(Input::from(&input).state(h_0.view())).unwrap();
    assert_eq!(read_npy(&folder.path().join("y.npy")), expected.output.into_dyn());
}

#[test]
fn results_are_laid_out_as_they_are_asked_for() {
    let folder = folder();
    let run =
        "run --device cpu --model gru_torchscript_states.onnx --input x.npy --output y.npy --h-n h_n.npy";
    let result = |layout: &str| {
        succeed(folder.path(), &format!("{run}{layout}"));
        ["y.npy", "h_n.npy"].map(|name| read_npy(&folder.path().join(name)))
    };
    let [output, h_n] = result("");
    assert_eq!([output, h_n.clone()], result(" --layout pytorch"));
    let [n, t] = [h_n.shape()[1], result("")[0].shape()[1]];
    let [y, y_h] = result(" --layout onnx");
    assert_eq!((y.shape(), &y_h), (&[t, 2, n, 4][..], &h_n));
    let [batch_first, of_rows] = result(" --layout onnx-batch-first");
    assert_eq!(batch_first, y.permuted_axes(vec![2, 0, 1, 3]));
    assert_eq!(of_rows, h_n.permuted_axes(vec![1, 0, 2]));
}

#[test]
fn what_the_model_gives_the_layer_is_told_where_it_is_left_out() {
    let folder = folder();
    let run = "run --device cpu --model gru_torchscript_states.onnx --input x.npy --output y.npy";
    let told = "wgpu-rnn: --h0 is not given; the model takes it from /Slice_output_0, /Slice_1_output_0\n";
    let ran = "wgpu-rnn: ran GRU(3, 4, num_layers=2, bidirectional=True) on cpu\n";
    assert_eq!(succeed(folder.path(), run).stderr, format!("{told}{ran}"));
}

#[test]
fn a_node_chooses_among_several_layers() {
    let folder = folder();
    let plan = "plan --device baseline --model between.onnx";
    for (node, layer) in [("/encoder/LSTM", "LSTM(3, 4)"), ("/decoder/GRU_1", "GRU(4, 4, num_layers=2)")] {
        let planned = succeed(folder.path(), &format!("{plan} --node {node}"));
        let line = format!("wgpu-rnn: planned {layer}, batch 1, steps 100, for WebGPU's baseline limits\n");
        assert_eq!(planned.stderr, line);
    }
    let layers = r#"LSTM "/encoder/LSTM"; GRU "/decoder/GRU", "/decoder/GRU_1""#;
    let line = format!(
        "between.onnx: onnx: expected the name of a node, since there are several layers, found {layers} \
         (choose one with --node)"
    );
    refuse(folder.path(), plan, &line);
    let line = format!("between.onnx: onnx: expected a recurrent node \"lstm\", found {layers}");
    refuse(folder.path(), &format!("{plan} --node lstm"), &line);
}

#[test]
fn info_lists_the_layers_of_a_model() {
    let folder = folder();
    let text = succeed(folder.path(), "info --model between.onnx").stdout;
    assert_eq!(
        text,
        "\
opset 17, 2 recurrent layers

layer                    input                        h_0  c_0  lengths  nodes
LSTM(3, 4)               /encoder/Transpose_output_0  -    -    -        /encoder/LSTM
GRU(4, 4, num_layers=2)  /decoder/Transpose_output_0  -    -    -        /decoder/GRU, /decoder/GRU_1
"
    );
    let json = succeed(folder.path(), "info --model gru_torchscript_states.onnx --json").stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["opset"], 17);
    assert_eq!(json["layers"][0]["layer"], "GRU(3, 4, num_layers=2, bidirectional=True)");
    assert_eq!(json["layers"][0]["h_0"][1], "/Slice_1_output_0");
}

#[test]
fn info_says_why_a_layer_cannot_be_run_and_that_there_is_none() {
    let folder = folder();
    let model = fs::read(models().join("gru_f32_typed.onnx")).unwrap();
    let replaced = |from: &str, to: &str| {
        let place = model.windows(from.len()).position(|bytes| bytes == from.as_bytes()).unwrap();
        let mut model = model.clone();
        model[place..place + to.len()].copy_from_slice(to.as_bytes());
        fs::write(folder.path().join("m.onnx"), model).unwrap();
    };
    replaced("linear_before_reset", "linear_after_resets");
    let text = succeed(folder.path(), "info --model m.onnx").stdout;
    let expected = "\
opset 7, 1 recurrent layer

layer          input  h_0  c_0  lengths  nodes
cannot be run  x      -    -    -        y

node \"y\": attribute: expected one of GRU's attributes (activation_alpha, activation_beta, activations, clip, direction, \
                    hidden_size, layout, linear_before_reset), found \"linear_after_resets\"
";
    assert_eq!(text, expected);
    replaced("GRU", "URG");
    let line = "m.onnx: onnx: expected an RNN, GRU or LSTM node, found 1 other node";
    refuse(folder.path(), "info --model m.onnx", line);
}

#[test]
fn bench_times_the_layer_of_a_model() {
    let folder = folder();
    let bench = "bench --device cpu --seconds 0.01 --steps 3 --model between.onnx --node /encoder/LSTM";
    let table = succeed(folder.path(), bench).stdout;
    assert!(table.contains("LSTM(3, 4) N 1 T 3  cpu"), "{table}");
}

#[test]
fn files_that_are_no_models_are_refused_by_name() {
    let folder = folder();
    fs::write(folder.path().join("empty.onnx"), []).unwrap();
    let line = "onnx: expected a complete ONNX model, found an empty file";
    for file in ["empty.onnx", "x.npy"] {
        let ran = wgpu_rnn(folder.path(), &["info", "--model", file]);
        assert_eq!((ran.status, &*ran.stdout), (2, ""));
        assert!(
            ran.stderr.starts_with(&format!("wgpu-rnn: {file}: onnx: expected a complete ONNX model")),
            "{}",
            ran.stderr
        );
    }
    refuse(
        folder.path(),
        "run --model empty.onnx --input x.npy --output y.npy",
        &format!("empty.onnx: {line}"),
    );
    let line = "none.onnx: No such file or directory (os error 2)";
    refuse(folder.path(), "run --model none.onnx --input x.npy --output y.npy", line);
}

#[test]
fn one_source_of_the_layer_is_wanted() {
    let folder = folder();
    for arguments in [
        "run --input x.npy --output y.npy",
        "run --model between.onnx --weights w.npz --input x.npy --output y.npy",
        "run --model between.onnx --prefix a --input x.npy --output y.npy",
        "run --model between.onnx --nonlinearity relu --input x.npy --output y.npy",
        "run --weights w.npz --node a --input x.npy --output y.npy",
        "plan --model between.onnx --cell gru --input-size 3 --hidden-size 4",
        "bench --model between.onnx --grid",
    ] {
        let ran = wgpu_rnn(folder.path(), &arguments.split(' ').collect::<Vec<_>>());
        assert_eq!((ran.status, &*ran.stdout), (2, ""), "{arguments}");
        assert!(ran.stderr.starts_with("error: "), "{arguments}: {}", ran.stderr);
    }
}

/// A folder with some models of `tests/onnx/graphs`, and an input of three rows.
fn graphs(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        fs::copy(models().join("graphs").join(name), folder.path().join(name)).unwrap();
    }
    let input =
        Array3::from_shape_fn((3, 5, 3), |(row, step, column)| (row + 2 * step + column) as f32 / 9.0);
    fs::write(folder.path().join("x.npy"), to_npy(input.into_dyn().view()).unwrap()).unwrap();
    folder
}

#[test]
fn weights_beside_the_model_are_read_from_its_folder() {
    let folder = graphs(&["external.onnx", "external.bin"]);
    succeed(folder.path(), "run --device cpu --model external.onnx --input x.npy --output y.npy");
    let parent = folder.path().parent().unwrap();
    let name = folder.path().file_name().unwrap().to_str().unwrap();
    succeed(parent, &format!("info --model {name}/external.onnx"));
    fs::remove_file(folder.path().join("external.bin")).unwrap();
    let line = "external.onnx: node \"layer\": W (\"W\"): expected its values in \"external.bin\", a file beside the model, found No \
                such file or directory (os error 2)";
    refuse(folder.path(), "run --model external.onnx --input x.npy --output y.npy", line);
}

#[test]
fn a_node_inside_others_is_chosen_by_its_path() {
    let folder = graphs(&["if.onnx"]);
    let text = succeed(folder.path(), "info --model if.onnx").stdout;
    let expected = "\
opset 14, 2 recurrent layers

layer       input  h_0  c_0  lengths  nodes
LSTM(3, 4)  X      -    -    -        If_0/else_branch/layer
LSTM(3, 4)  X      -    -    -        If_0/then_branch/layer
";
    assert_eq!(text, expected);
    let run = "run --device cpu --model if.onnx --input x.npy --output y.npy";
    succeed(folder.path(), &format!("{run} --node If_0/then_branch/layer"));
    let layers = r#"LSTM "If_0/else_branch/layer"; LSTM "If_0/then_branch/layer""#;
    let line = format!("if.onnx: onnx: expected one recurrent node \"layer\", found {layers}");
    refuse(folder.path(), &format!("{run} --node layer"), &line);
}

#[test]
fn constant_states_and_lengths_are_used_unless_others_are_given() {
    let folder = graphs(&["constant_states.onnx", "constant_lengths.onnx", "learned_state.onnx"]);
    let result = |arguments: &str| {
        let ran =
            succeed(folder.path(), &format!("run --device cpu {arguments} --input x.npy --output y.npy"));
        (read_npy(&folder.path().join("y.npy")), ran.stderr)
    };
    let note = |flag: &str| format!("wgpu-rnn: {flag} is not given; the model has a constant for it\n");
    let (of_model, text) = result("--model constant_states.onnx");
    assert!(text.starts_with(&(note("--h0") + &note("--c0"))), "{text}");
    let zeros = Array3::<f32>::zeros((1, 3, 4)).into_dyn();
    fs::write(folder.path().join("zeros.npy"), to_npy(zeros.view()).unwrap()).unwrap();
    let (of_zeros, text) = result("--model constant_states.onnx --h0 zeros.npy --c0 zeros.npy");
    assert!(!text.contains("constant"), "{text}");
    assert_ne!(of_model, of_zeros);
    assert!(result("--model constant_lengths.onnx").1.starts_with(&note("--lengths")));
    assert!(result("--model learned_state.onnx").1.starts_with(&note("--h0")));
    let text = succeed(folder.path(), "info --model constant_states.onnx").stdout;
    assert!(text.ends_with("LSTM(3, 4)  X      (constant)  (constant)  -        layer\n"), "{text}");
    let json = succeed(folder.path(), "info --model constant_lengths.onnx --json").stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["layers"][0]["constants"], serde_json::json!(["lengths"]));

    // Four rows have no constant state, and one row without a batch has the learned one.
    let four = Array3::<f32>::zeros((4, 5, 3)).into_dyn();
    fs::write(folder.path().join("x.npy"), to_npy(four.view()).unwrap()).unwrap();
    let line =
        "h_0: Expected hidden size [1, 4, 4], got [1, 3, 4] (a constant of the model; --h0 replaces it)";
    refuse(folder.path(), "run --device cpu --model constant_states.onnx --input x.npy --output y.npy", line);
    let one = Array2::<f32>::zeros((5, 3)).into_dyn();
    fs::write(folder.path().join("x.npy"), to_npy(one.view()).unwrap()).unwrap();
    assert_eq!(result("--model learned_state.onnx").0.shape(), [5, 4]);
}

#[test]
fn the_first_cause_is_told_if_no_layer_can_be_read() {
    let folder = graphs(&["functions.onnx", "external.onnx"]);
    let mut model = fs::read(folder.path().join("functions.onnx")).unwrap();
    let place = model.windows(13).position(|bytes| bytes == b"linear_before").unwrap();
    model[place] = b'L';
    fs::write(folder.path().join("functions.onnx"), model).unwrap();
    let ran = wgpu_rnn(
        folder.path(),
        &["run", "--model", "functions.onnx", "--input", "x.npy", "--output", "y.npy"],
    );
    assert!(
        ran.stderr.starts_with("wgpu-rnn: functions.onnx: node \"two/lower/gru\": attribute: "),
        "{}",
        ran.stderr
    );
}
