//! Files of PyTorch and Keras, as `tests/files/generate.py` of the library makes them.

use std::fs;
use std::path::{Path, PathBuf};

use wgpu_rnn::io::{Tensors, to_npy, to_npz, to_safetensors};
use wgpu_rnn::ndarray::ArrayD;
use wgpu_rnn::{Config, Weights};

use super::run::read_npy;
use super::{npy, refuse, succeed, values};

fn files() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/files")
}

/// A folder with one of the files and its input.
fn folder(file: &str) -> (tempfile::TempDir, ArrayD<f32>) {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(files().join(file), folder.path().join(file)).unwrap();
    let stem = file.split_once('.').unwrap().0;
    let case = fs::read(files().join(format!("{stem}.expected.safetensors"))).unwrap();
    let case = Tensors::from_bytes(&case).unwrap();
    fs::write(folder.path().join("x.npy"), to_npy(case.f32("input").unwrap().view()).unwrap()).unwrap();
    (folder, case.f32("output").unwrap())
}

#[test]
fn files_of_pytorch_and_keras_run() {
    for (file, flags) in [
        ("checkpoint.ckpt", "--prefix state_dict --weights"),
        ("views.bin", "--weights"),
        ("torchscript.pt", "--prefix lstm --weights"),
        ("separate_layers.safetensors", "--layers rnns.0,rnns.1 --weights"),
        ("merge_sum_keras.keras", "--keras"),
        ("stack_keras.keras", "--layers lower,upper --keras"),
        ("lstm_weights_h5.weights.h5", "--keras"),
        ("get_weights.npz", "--keras"),
    ] {
        let (folder, expected) = folder(file);
        succeed(folder.path(), &format!("run --device cpu --input x.npy --output y.npy {flags} {file}"));
        let found = read_npy(&folder.path().join("y.npy"));
        assert_eq!(found.shape(), expected.shape(), "{file}");
        let difference = found.iter().zip(&expected).map(|(found, expected)| (found - expected).abs());
        assert!(difference.fold(0.0, f32::max) < 3e-6, "{file}");
    }
}

#[test]
fn a_merge_mode_on_the_command_line_wins() {
    let (folder, sum) = folder("merge_sum_keras.keras");
    let run = "run --device cpu --input x.npy --output y.npy --keras merge_sum_keras.keras";
    succeed(folder.path(), &format!("{run} --merge-mode ave"));
    let difference = read_npy(&folder.path().join("y.npy")) * 2.0 - &sum;
    assert!(difference.iter().all(|difference| difference.abs() < 6e-6));
    succeed(folder.path(), &format!("{run} --merge-mode none"));
    assert_eq!(read_npy(&folder.path().join("y.npy")).shape(), [2, 4, 8]);
    let line = "layout: expected pytorch with merge_mode sum, found an ONNX layout";
    refuse(folder.path(), &format!("{run} --layout onnx"), line);
}

#[test]
fn layers_of_alternating_directions_run_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let lower = Weights::seeded(Config::lstm(3, 4), 1).unwrap();
    let upper = Weights::seeded(Config::lstm(4, 4), 2).unwrap();
    let named: Vec<_> = [("a.", &lower), ("b.", &upper)]
        .into_iter()
        .flat_map(|(prefix, weights)| weights.parameters().map(move |(p, v)| (format!("{prefix}{p}"), v)))
        .collect();
    let file = to_safetensors(named.iter().map(|(name, values)| (name.as_str(), values.view()))).unwrap();
    fs::write(at("w.safetensors"), file).unwrap();
    fs::write(at("x.npy"), to_npy(values(&[2, 5, 3]).view()).unwrap()).unwrap();
    let run = "run --device cpu --weights w.safetensors --input";
    succeed(folder.path(), &format!("{run} x.npy --layers a --output low.npy --h-n h.npy"));
    succeed(
        folder.path(),
        &format!("{run} x.npy --layers a,b:reverse --output y.npz --h-n y.npz --c-n y.npz"),
    );
    let (low, whole) = (read_npy(&at("low.npy")), fs::read(at("y.npz")).unwrap());
    let whole = Tensors::from_bytes(&whole).unwrap();
    assert_eq!(whole.f32("h_n").unwrap().shape(), [2, 2, 4]);
    // The upper layer over the steps from the end.
    let mut flipped = low;
    flipped.invert_axis(wgpu_rnn::ndarray::Axis(1));
    fs::write(at("low.npy"), to_npy(flipped.view()).unwrap()).unwrap();
    succeed(folder.path(), &format!("{run} low.npy --layers b --output y.npy"));
    let mut expected = read_npy(&at("y.npy"));
    expected.invert_axis(wgpu_rnn::ndarray::Axis(1));
    assert_eq!(whole.f32("output").unwrap(), expected);
    // Its own output file is the state of the next run.
    succeed(folder.path(), &format!("{run} x.npy --layers a,b:reverse --h0 y.npz --c0 y.npz --output z.npy"));
    assert_ne!(read_npy(&at("z.npy")), expected);
    let line = "layers: expected layers of one direction, found several directions";
    refuse(folder.path(), "plan --device baseline --weights w.safetensors --layers a,b:reverse", line);
}

#[test]
fn an_activation_that_the_file_does_not_state_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let weights = Weights::seeded(Config::rnn(3, 4), 0).unwrap();
    fs::write(folder.path().join("w.npz"), weights.to_npz().unwrap()).unwrap();
    fs::write(folder.path().join("x.npy"), to_npy(values(&[2, 5, 3]).view()).unwrap()).unwrap();
    let run = "run --device cpu --weights w.npz --input x.npy --output y.npy";
    let said = succeed(folder.path(), run).stderr;
    let line = "wgpu-rnn: the file does not say which activation the RNN has; assumed tanh (--nonlinearity overrules it)\n";
    assert!(said.starts_with(line), "{said}");
    assert!(!succeed(folder.path(), &format!("{run} --nonlinearity relu")).stderr.contains("assumed"));
}

#[test]
fn a_mask_is_lengths() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let weights = Weights::seeded(Config::gru(3, 4), 0).unwrap();
    fs::write(at("w.safetensors"), weights.to_safetensors().unwrap()).unwrap();
    fs::write(at("x.npy"), to_npy(values(&[2, 3, 3]).view()).unwrap()).unwrap();
    fs::write(at("mask.npy"), npy("|b1", "(2, 3)", &[1, 1, 0, 1, 0, 0])).unwrap();
    fs::write(at("lengths.npy"), npy("|u1", "(2,)", &[2, 1])).unwrap();
    fs::write(at("gap.npy"), npy("|b1", "(2, 3)", &[1, 0, 1, 1, 0, 0])).unwrap();
    let run = "run --device cpu --weights w.safetensors --input x.npy";
    succeed(folder.path(), &format!("{run} --lengths mask.npy --output a.npy"));
    succeed(folder.path(), &format!("{run} --lengths lengths.npy --output b.npy"));
    assert_eq!(read_npy(&at("a.npy")), read_npy(&at("b.npy")));
    let line = "gap.npy: mask[0]: expected ones and then zeros, found another order";
    refuse(folder.path(), &format!("{run} --lengths gap.npy --output c.npy"), line);
}

#[test]
fn info_lists_any_file() {
    let (folder, _) = folder("views.bin");
    let text = succeed(folder.path(), "info --weights views.bin").stdout;
    let expected = "\
1 recurrent layer

flags      layer
--weights  LSTM(3, 4)

4 tensors

name          shape    type
bias_hh_l0    [16]     f32
bias_ih_l0    [16]     f32
weight_hh_l0  [16, 4]  f32
weight_ih_l0  [16, 3]  f32
";
    assert_eq!(text, expected);
    fs::write(folder.path().join("x.npz"), to_npz([("a", values(&[2]).view())]).unwrap()).unwrap();
    let json = succeed(folder.path(), "info --json --weights x.npz").stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((json["layers"].as_array().unwrap().len(), &json["tensors"][0]["name"]), (0, &"a".into()));
}

/// What a wrong file is, and which flag takes it.
#[test]
fn a_wrong_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("lfs.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
    write("page.npz", b"<!DOCTYPE html>\n<html></html>\n");
    let copy = |from: &str, to: &str| fs::copy(files().join(from), folder.path().join(to)).unwrap();
    copy("lstm_keras.keras", "w.pt");
    copy("lstm_h5.h5", "k.h5");
    copy("state_dict.pth", "p.pth");
    for (flags, line) in [
        (
            "--weights lfs.safetensors",
            "lfs.safetensors: file: expected safetensors, npy, npz, a file of torch.save, or Keras' .keras or .h5 by \
             its first bytes, found a Git LFS pointer in place of the file (`git lfs pull` fetches the file)",
        ),
        (
            "--weights page.npz",
            "page.npz: file: expected safetensors, npy, npz, a file of torch.save, or Keras' .keras or .h5 by its \
             first bytes, found a web page (HTML) in place of the file (download the file itself)",
        ),
        (
            "--weights w.pt",
            "w.pt: expected PyTorch's names (weight_ih_l0), found Keras' (use --keras in place of --weights)",
        ),
        (
            "--weights k.h5",
            "k.h5: expected PyTorch's names (weight_ih_l0), found Keras' (use --keras in place of --weights)",
        ),
        (
            "--keras p.pth",
            "p.pth: expected Keras' names (kernel), found PyTorch's (use --weights in place of --keras)",
        ),
    ] {
        refuse(folder.path(), &format!("run {flags} --input x.npy --output y.npy"), line);
    }
}
