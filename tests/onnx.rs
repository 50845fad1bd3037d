//! ONNX models of PyTorch's exporters and made by hand: what is read of them, and what it computes.

mod attributes;
#[cfg(feature = "npz")]
mod broken;
mod errors;
mod external;
mod folding;
mod graphs;
mod inside;
mod node_tests;
mod stacks;
mod starts;
mod writer;

use std::fs;
use std::path::{Path, PathBuf};

use wgpu_rnn::io::{OnnxModel, Tensors};
use wgpu_rnn::ndarray::{Array3, ArrayD, Ix3, IxDyn};
use wgpu_rnn::{Error, Input, Output, Precision, Weights, reference, tolerance};

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

/// A result as a node gives it, under the names that results have here.
fn of_node<A: Clone>(result: &Output<Ix3, A>, layout: i64) -> Output<IxDyn, A> {
    let (y, y_h, y_c) = result.to_onnx(layout).unwrap();
    Output::new(y.into_dyn(), y_h.into_dyn(), y_c.map(|y_c| y_c.into_dyn()))
}

/// What a node is given and gives, in its own layout.
struct Node {
    layout: i64,
    x: Array3<f32>,
    lengths: Option<Vec<usize>>,
    initial_h: Option<Array3<f32>>,
    initial_c: Option<Array3<f32>>,
    y: Option<ArrayD<f32>>,
    y_h: ArrayD<f32>,
    y_c: Option<ArrayD<f32>>,
}

impl Node {
    /// The inputs and outputs in a file under the names that ONNX's operators give them.
    fn load(path: &Path, layout: i64) -> Self {
        let bytes = fs::read(path).unwrap();
        let tensors = Tensors::from_bytes(&bytes).unwrap();
        let given = |name: &str| tensors.dtype(name).map(|_| tensors.f32(name).unwrap());
        let fixed = |array: ArrayD<f32>| array.into_dimensionality::<Ix3>().unwrap();
        let swapped = |array: ArrayD<f32>| array.permuted_axes(IxDyn(&[1, 0, 2]));
        let batch_first = layout == 1;
        let x = |array| fixed(if batch_first { array } else { swapped(array) });
        let state = |array| fixed(if batch_first { swapped(array) } else { array });
        let lengths = tensors.dtype("sequence_lens").map(|_| tensors.i64("sequence_lens").unwrap());
        Node {
            layout,
            x: x(given("X").unwrap()),
            lengths: lengths.map(|lengths| lengths.iter().map(|&length| length as usize).collect()),
            initial_h: given("initial_h").map(state),
            initial_c: given("initial_c").map(state),
            y: given("Y"),
            y_h: given("Y_h").unwrap(),
            y_c: given("Y_c"),
        }
    }

    fn input(&self) -> Input<'_, Ix3> {
        let state = case::state(self.initial_h.as_ref(), self.initial_c.as_ref());
        case::with_lengths(&self.x, self.lengths.as_deref()).state(state)
    }

    /// What the layer should give and how far it may be off, after what the node gives was held against it. What the file
    /// leaves out is taken from the definition.
    fn expected(&self, what: &str, weights: &Weights) -> [Output<Ix3, f64>; 2] {
        let input = self.input();
        let expected = reference::forward(weights, &input).unwrap();
        let tolerance = tolerance::forward(weights, Precision::F32, &input).unwrap();
        let of_layer = of_node(&expected, self.layout);
        let f32s = |array: &ArrayD<f64>| array.mapv(|value| value as f32);
        let of_file = Output::new(
            self.y.clone().unwrap_or_else(|| f32s(&of_layer.output)),
            self.y_h.clone(),
            of_layer.c_n.as_ref().map(|c_n| self.y_c.clone().unwrap_or_else(|| f32s(c_n))),
        );
        let what = format!("{what}, {}", weights.config());
        assert_within(&what, &of_file, &of_layer, &of_node(&tolerance, self.layout));
        [expected, tolerance]
    }
}

/// The weights of the layer that a node belongs to, or of the only layer.
fn weights_of(model: &[u8], node: Option<&str>) -> Result<Weights, Error> {
    OnnxModel::new(model)?.layer(node)?.weights()
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
    let tensors = Tensors::from_bytes(&bytes).unwrap();
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
        weights_of(&self.bytes, self.node.as_deref()).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    fn input(&self) -> Input<'_, Ix3> {
        let state = case::state(self.h_0.as_ref(), self.c_0.as_ref());
        case::with_lengths(&self.input, self.lengths.as_deref()).state(state)
    }

    fn expected(&self) -> Output<Ix3, f64> {
        let [output, h_n, c_n] = self.expected.clone();
        Output::new(output.unwrap(), h_n.unwrap(), c_n)
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
            let tolerance = tolerance::forward(&weights, Precision::F32, &model.input()).unwrap();
            let expected = model.expected();
            (model, weights, expected, tolerance)
        })
        .collect();
    on_each(|implementation| {
        for (model, weights, expected, tolerance) in &models {
            let found = implementation.layer(weights).forward(&model.input()).unwrap();
            assert_within(&model.name, &found, expected, tolerance);
        }
    });
}
