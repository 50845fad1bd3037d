//! ONNX models of PyTorch's exporters and made by hand: what is read of them, and what it computes.

mod attributes;
mod broken;
mod errors;
mod node_tests;
mod stacks;
mod writer;

use std::fs;
use std::path::{Path, PathBuf};

use wgpu_rnn::io::Tensors;
use wgpu_rnn::ndarray::{Array3, ArrayD, Ix3};
use wgpu_rnn::{Input, Output, State, Weights, tolerance};

use crate::case;
use crate::harness::{assert_within, on_each};

/// A model, and one forward pass of its layer.
struct Model {
    name: String,
    bytes: Vec<u8>,
    config: String,
    node: Option<String>,
    input: Array3<f32>,
    lengths: Option<Vec<usize>>,
    h_0: Option<Array3<f32>>,
    c_0: Option<Array3<f32>>,
    expected: [Option<Array3<f64>>; 3],
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx")
}

fn all() -> Vec<Model> {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "onnx")).collect();
    paths.sort();
    paths.iter().map(|path| load(path)).collect()
}

fn load(path: &Path) -> Model {
    let bytes = fs::read(path.with_extension("safetensors")).unwrap();
    let tensors = Tensors::from_safetensors(&bytes).unwrap();
    let has = |name: &str| tensors.dtype(name).is_some();
    let fixed = |array: ArrayD<f32>| array.into_dimensionality::<Ix3>().unwrap();
    let floats = |name: &str| has(name).then(|| fixed(tensors.f32(name).unwrap()));
    let doubles =
        |name: &str| has(name).then(|| tensors.f64(name).unwrap().into_dimensionality::<Ix3>().unwrap());
    Model {
        name: path.file_stem().unwrap().to_string_lossy().into_owned(),
        bytes: fs::read(path).unwrap(),
        config: tensors.metadata()["config"].clone(),
        node: tensors.metadata().get("node").cloned(),
        input: floats("input").unwrap(),
        lengths: has("lengths")
            .then(|| tensors.i64("lengths").unwrap().iter().map(|&length| length as usize).collect()),
        h_0: floats("h_0"),
        c_0: floats("c_0"),
        expected: ["output_f64", "h_n_f64", "c_n_f64"].map(doubles),
    }
}

impl Model {
    fn weights(&self) -> Weights {
        Weights::from_onnx(&self.bytes, self.node.as_deref())
            .unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    fn input(&self) -> Input<'_, Ix3> {
        case::with_lengths(&self.input, self.lengths.as_deref())
    }

    fn state(&self) -> State<'_, Ix3> {
        case::state(self.h_0.as_ref(), self.c_0.as_ref())
    }

    fn expected(&self, weights: &Weights) -> Output<Ix3, f64> {
        let (_, mut expected) = case::shells(weights);
        let [output, h_n, c_n] = self.expected.clone();
        expected.output = output.unwrap();
        expected.h_n = h_n.unwrap();
        expected.c_n = c_n;
        expected
    }
}

#[test]
fn every_model_is_there() {
    assert_eq!(all().len(), 35);
}

#[test]
fn every_model_is_the_layer_that_it_was_exported_from() {
    for model in all() {
        assert_eq!(model.weights().config().to_string(), model.config, "{}", model.name);
    }
}

#[test]
fn every_model_computes_what_pytorch_does_on_every_implementation() {
    let models: Vec<_> = all()
        .into_iter()
        .map(|model| {
            let weights = model.weights();
            let tolerance = tolerance::forward(&weights, &model.input(), &model.state()).unwrap();
            let expected = model.expected(&weights);
            (model, weights, expected, tolerance)
        })
        .collect();
    on_each(|implementation| {
        for (model, weights, expected, tolerance) in &models {
            let found = implementation.layer(weights).forward(&model.input(), &model.state()).unwrap();
            assert_within(&model.name, &found, expected, tolerance);
        }
    });
}
