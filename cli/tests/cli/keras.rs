//! Weights of Keras' layers.

use std::fs;
use std::path::{Path, PathBuf};

use wgpu_rnn::io::{Tensors, to_npy, to_npz};
use wgpu_rnn::{Activation, Backend, Layer, LoadOptions, Weights, ndarray::Ix3};

use super::run::read_npy;
use super::{refuse, succeed, wgpu_rnn};

fn files() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/keras")
}

/// A folder with a stack among other layers, as both kinds of file, a layer with other activations, and an input.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["lstm_stacked", "lstm_activations", "gru_no_bias_reset_before"] {
        let file = format!("{name}.safetensors");
        fs::copy(files().join(&file), folder.path().join(file)).unwrap();
    }
    let case = fs::read(folder.path().join("lstm_stacked.safetensors")).unwrap();
    let case = Tensors::from_bytes(&case).unwrap();
    let arrays: Vec<_> = case.shapes().filter_map(|(name, _)| Some((name, case.f32(name).ok()?))).collect();
    let npz = to_npz(arrays.iter().map(|(name, values)| (*name, values.view()))).unwrap();
    fs::write(folder.path().join("stack.npz"), npz).unwrap();
    fs::write(folder.path().join("x.npy"), to_npy(case.f32("input").unwrap().view()).unwrap()).unwrap();
    folder
}

#[test]
fn layers_run_as_the_library_runs_them() {
    let folder = folder();
    let options = LoadOptions::default();
    let cells = LoadOptions {
        activation: Some(Activation::Softsign),
        recurrent_activation: Some(Activation::keras("hard_sigmoid").unwrap()),
        reverse: true,
        ..options.clone()
    };
    for (file, flags, options) in [
        (
            "stack.npz",
            "--layers upper_1,upper_0",
            LoadOptions { layers: vec!["upper_1".into(), "upper_0".into()], ..options.clone() },
        ),
        (
            "lstm_activations.safetensors",
            "--activation softsign --recurrent-activation hard_sigmoid --go-backwards",
            cells,
        ),
        (
            "gru_no_bias_reset_before.safetensors",
            "--reset-after false",
            LoadOptions { reset_after: Some(false), ..options },
        ),
    ] {
        let run = format!("run --device cpu --keras {file} {flags} --input x.npy --output y.npy");
        let ran = succeed(folder.path(), &run);
        let bytes = fs::read(folder.path().join(file)).unwrap();
        let weights = Weights::from_bytes(&bytes, &options).unwrap();
        assert_eq!(ran.stderr, format!("wgpu-rnn: ran {} on cpu\n", weights.config()));
        let input = read_npy(&folder.path().join("x.npy")).into_dimensionality::<Ix3>().unwrap();
        let layer = Layer::new(&weights, Backend::Cpu).unwrap();
        let expected = layer.forward(&input).unwrap();
        assert_eq!(read_npy(&folder.path().join("y.npy")), expected.output.into_dyn());
    }
}

#[test]
fn one_of_several_layers_is_to_be_named() {
    let folder = folder();
    let plan = "plan --device baseline --keras lstm_stacked.safetensors";
    let found =
        r#"lstm_stacked.safetensors: recurrent layers "other/gru_cell", "upper_0", "upper_1"; expected "#;
    refuse(folder.path(), plan, &format!("{found}the names of those to take (with --layers)"));
    refuse(folder.path(), &format!("{plan} --layers lstm"), &format!("{found}one named \"lstm\""));
    let planned = succeed(folder.path(), &format!("{plan} --layers other"));
    let line = "wgpu-rnn: planned GRU(10, 2), batch 1, steps 100, for WebGPU's baseline limits\n";
    assert_eq!(planned.stderr, line);
    let bench = "bench --device cpu --seconds 0.01 --steps 3 --keras stack.npz --layers upper_1";
    let table = succeed(folder.path(), bench).stdout;
    assert!(table.contains("LSTM(4, 5, bidirectional=True) N 1 T 3  cpu"), "{table}");
}

#[test]
fn info_lists_the_layers() {
    let folder = folder();
    let text = succeed(folder.path(), "info --keras stack.npz").stdout;
    let expected = "\
name            layer
other/gru_cell  GRU(10, 2)
upper_0         LSTM(10, 5, bidirectional=True)
upper_1         LSTM(4, 5, bidirectional=True)
";
    assert_eq!(text, expected);
    let json = succeed(folder.path(), "info --json --keras lstm_stacked.safetensors").stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["layers"][1]["name"], &json["layers"][1]["error"]), (&"upper_0".into(), &().into()));
    fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/rnn_relu.safetensors"),
        folder.path().join("w.safetensors"),
    )
    .unwrap();
    let line = "w.safetensors: no recurrent layers of Keras; expected tensors kernel, recurrent_kernel and so on, behind any \
                names";
    refuse(folder.path(), "info --keras w.safetensors", line);
}

#[test]
fn flags_of_keras_are_for_its_files() {
    let folder = folder();
    for arguments in [
        "run --keras stack.npz --weights w.npz --input x.npy --output y.npy",
        "run --keras stack.npz --model m.onnx --input x.npy --output y.npy",
        "run --keras stack.npz --prefix a --input x.npy --output y.npy",
        "run --keras stack.npz --nonlinearity relu --input x.npy --output y.npy",
        "run --keras stack.npz --activation swish --input x.npy --output y.npy",
        "run --weights w.npz --activation tanh --input x.npy --output y.npy",
        "plan --model m.onnx --go-backwards",
        "bench --keras stack.npz --grid",
        "info --keras stack.npz --model m.onnx",
    ] {
        let ran = wgpu_rnn(folder.path(), &arguments.split(' ').collect::<Vec<_>>());
        assert_eq!((ran.status, &*ran.stdout), (2, ""), "{arguments}");
        assert!(ran.stderr.starts_with("error: "), "{arguments}: {}", ran.stderr);
    }
    for (flag, value) in [("--layers", " a"), ("--go-backwards", ""), ("--prefix", " a"), ("--node", " a")] {
        let line = format!("{flag}: expected the file it applies to");
        let plan = "plan --cell gru --input-size 3 --hidden-size 4";
        refuse(folder.path(), &format!("{plan} {flag}{value}"), &line);
        refuse(folder.path(), &format!("bench --grid {flag}{value}"), &line);
    }
}
