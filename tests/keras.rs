//! Keras' layers: what is made of their weights, and what they compute.

use std::fs;
use std::path::{Path, PathBuf};

use wgpu_rnn::io::{Tensors, to_npz};
use wgpu_rnn::ndarray::{Array2, Array3, ArrayD, Axis, Ix2, Ix3, concatenate};
use wgpu_rnn::{Activation, Input, LoadOptions, Output, Precision, Weights, tolerance};

use crate::case;
use crate::harness::{assert_within, on_each};

/// One or more layers, and one call of them; `generate.py` says what is in a file.
struct Layers {
    name: String,
    config: String,
    weights: Weights,
    input: Array3<f32>,
    lengths: Option<Vec<usize>>,
    h_0: Option<Array3<f32>>,
    c_0: Option<Array3<f32>>,
    /// In this library's order.
    expected: Output<Ix3, f64>,
    /// What Keras gives with `return_sequences=False`.
    last: Array2<f64>,
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keras");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "safetensors")).collect();
    files.sort();
    files
}

/// What a file's metadata say of its layers.
fn options(tensors: &Tensors<'_>) -> LoadOptions {
    let told = |key: &str| tensors.metadata().get(key).map(String::as_str);
    let mut options = LoadOptions { reverse: told("go_backwards").is_some(), ..LoadOptions::default() };
    if let Some(layers) = told("layers") {
        options = LoadOptions { layers: layers.split(',').map(str::to_owned).collect(), ..options };
    }
    options.activation = told("activation").map(|name| Activation::keras(name).unwrap());
    options.recurrent_activation = told("recurrent_activation").map(|name| Activation::keras(name).unwrap());
    options.reset_after = told("reset_after").map(|value| value == "True");
    options
}

fn load(path: &Path) -> Layers {
    let bytes = fs::read(path).unwrap();
    let tensors = Tensors::from_bytes(&bytes).unwrap();
    let has = |name: &&str| tensors.dtype(name).is_some();
    let fixed = |array: ArrayD<f32>| array.into_dimensionality::<Ix3>().unwrap();
    let floats = |name: &str| Some(name).filter(has).map(|name| fixed(tensors.f32(name).unwrap()));
    let doubles = |name: &str| Some(name).filter(has).map(|name| tensors.f64(name).unwrap());
    let states = |name: &str| doubles(name).map(|array| array.into_dimensionality::<Ix3>().unwrap());
    let lengths = Some("lengths").filter(has).map(|name| tensors.i64(name).unwrap());
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let options = options(&tensors);
    let mut sequences = states("sequences").unwrap();
    if options.reverse {
        sequences.invert_axis(Axis(1));
    }
    Layers {
        config: tensors.metadata()["config"].clone(),
        weights: Weights::from_tensors(&tensors, &options).unwrap_or_else(|error| panic!("{name}: {error}")),
        name,
        input: floats("input").unwrap(),
        lengths: lengths.map(|lengths| lengths.iter().map(|&length| length as usize).collect()),
        h_0: floats("h_0"),
        c_0: floats("c_0"),
        expected: Output::new(sequences, states("h_n_f64").unwrap(), states("c_n_f64")),
        last: doubles("last").unwrap().into_dimensionality::<Ix2>().unwrap(),
    }
}

impl Layers {
    fn input(&self) -> Input<'_, Ix3> {
        let state = case::state(self.h_0.as_ref(), self.c_0.as_ref());
        case::with_lengths(&self.input, self.lengths.as_deref()).state(state)
    }
}

#[test]
fn every_layer_is_what_it_was() {
    let files = files();
    assert_eq!(files.len(), 21);
    for path in files {
        let layers = load(&path);
        assert_eq!(layers.weights.config().to_string(), layers.config, "{}", layers.name);
    }
}

#[test]
fn every_layer_computes_what_keras_does_on_every_implementation() {
    let cases: Vec<_> = files()
        .iter()
        .map(|path| {
            let layers = load(path);
            let tolerance = tolerance::forward(&layers.weights, Precision::F32, &layers.input()).unwrap();
            (layers, tolerance)
        })
        .collect();
    on_each(|implementation| {
        for (layers, tolerance) in &cases {
            let found = implementation.layer(&layers.weights).forward(&layers.input()).unwrap();
            let what = format!("{}, {}", layers.name, layers.config);
            assert_within(&what, &found, &layers.expected, tolerance);
        }
    });
}

/// `return_sequences=False` is the states of the last layer side by side.
#[test]
fn the_last_vectors_are_final_states() {
    for path in files() {
        let Layers { name, weights, expected, last, .. } = load(&path);
        let d = weights.config().directions();
        let states: Vec<_> = expected.h_n.outer_iter().collect();
        assert_eq!(concatenate(Axis(1), &states[states.len() - d..]).unwrap(), last, "{name}");
    }
}

#[cfg(feature = "npz")]
#[test]
fn npz_files_are_read_alike() {
    for path in files() {
        let bytes = fs::read(&path).unwrap();
        let tensors = Tensors::from_bytes(&bytes).unwrap();
        let is_float = |name: &&str| tensors.dtype(name) == Some("f32");
        let arrays: Vec<_> = tensors
            .shapes()
            .map(|(name, _)| name)
            .filter(is_float)
            .map(|name| (name, tensors.f32(name).unwrap()))
            .collect();
        let file = to_npz(arrays.iter().map(|(name, array)| (*name, array.view()))).unwrap();
        let again = Weights::from_tensors(&Tensors::from_bytes(&file).unwrap(), &options(&tensors)).unwrap();
        assert_eq!(again, load(&path).weights);
    }
}

#[test]
fn a_file_lists_its_layers() {
    let bytes =
        fs::read(files().iter().find(|path| path.ends_with("lstm_stacked.safetensors")).unwrap()).unwrap();
    let layers = Tensors::from_bytes(&bytes).unwrap().keras_layers().unwrap();
    assert_eq!(layers, ["other/gru_cell", "upper_0", "upper_1"]);
}
