//! The golden cases, read without the library's own reader.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use safetensors::{Dtype, SafeTensors};
use wgpu_rnn::ndarray::{Array, Array3, ArrayD, Ix3, IxDyn};
use wgpu_rnn::{Activation, Config, Input, LoadOptions, Output, Precision, State, Weights, tolerance};

/// One file of the golden set, and the tolerance of each element of its result.
pub struct Case {
    pub name: String,
    pub seed: u64,
    pub weights: Weights,
    pub input: Array3<f32>,
    pub lengths: Option<Vec<usize>>,
    pub h_0: Option<Array3<f32>>,
    pub c_0: Option<Array3<f32>>,
    /// What PyTorch computes in f32.
    pub pytorch: Output,
    /// What PyTorch computes in f64.
    pub expected: Output<Ix3, f64>,
    pub tolerance: Output<Ix3, f64>,
}

impl Case {
    pub fn input(&self) -> Input<'_> {
        with_lengths(&self.input, self.lengths.as_deref()).state(state(self.h_0.as_ref(), self.c_0.as_ref()))
    }

    pub fn is_saturated(&self) -> bool {
        self.name.ends_with("_saturated")
    }
}

pub fn with_lengths<'a>(values: &'a Array3<f32>, lengths: Option<&'a [usize]>) -> Input<'a> {
    let input = Input::new(values.view());
    match lengths {
        Some(lengths) => input.lengths(lengths),
        None => input,
    }
}

pub fn state<'a>(h_0: Option<&'a Array3<f32>>, c_0: Option<&'a Array3<f32>>) -> State<'a> {
    let mut state = State::default();
    state.h_0 = h_0.map(|h_0| h_0.view().into());
    state.c_0 = c_0.map(|c_0| c_0.view().into());
    state
}

/// Every case, by name.
pub fn all() -> &'static [Case] {
    static ALL: LazyLock<Vec<Case>> = LazyLock::new(|| files().iter().map(|path| read(path)).collect());
    &ALL
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let entries = fs::read_dir(folder).expect("tests/golden").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "safetensors")).collect();
    files.sort();
    files
}

fn read(path: &Path) -> Case {
    let bytes = fs::read(path).expect("a readable case");
    let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let (_, header) = SafeTensors::read_metadata(&bytes).expect("a header");
    let metadata = header.metadata().as_ref().expect("metadata");
    let weights = weights(&file, metadata);
    let input: Array3<f32> = floats(&file, "input").expect("input");
    let lengths = lengths(&file);
    let (h_0, c_0) = (floats(&file, "h_0"), floats(&file, "c_0"));
    let given = with_lengths(&input, lengths.as_deref()).state(state(h_0.as_ref(), c_0.as_ref()));
    let tolerance = tolerance::forward(&weights, Precision::F32, given).expect("a tolerance");
    let pytorch = Output::new(
        floats(&file, "output").expect("output"),
        floats(&file, "h_n").expect("h_n"),
        floats(&file, "c_n"),
    );
    let expected = Output::new(
        doubles(&file, "output_f64").expect("output_f64"),
        doubles(&file, "h_n_f64").expect("h_n_f64"),
        doubles(&file, "c_n_f64"),
    );
    Case {
        name: path.file_stem().expect("a name").to_string_lossy().into_owned(),
        seed: metadata["seed"].parse().expect("a seed"),
        weights,
        input,
        lengths,
        h_0,
        c_0,
        pytorch,
        expected,
        tolerance,
    }
}

fn weights(file: &SafeTensors<'_>, metadata: &HashMap<String, String>) -> Weights {
    let config = config(metadata);
    let names =
        file.names().into_iter().filter(|name| name.starts_with("weight_") || name.starts_with("bias_"));
    let tensors = names.map(|name| {
        let tensor = file.tensor(name).expect("a tensor");
        let values = values(&tensor, Dtype::F32, f32::from_le_bytes);
        (name.to_owned(), ArrayD::from_shape_vec(IxDyn(tensor.shape()), values).expect("as many values"))
    });
    let mut options = LoadOptions::default();
    if metadata["cell"] == "rnn" {
        options = LoadOptions {
            activation: Some(metadata["nonlinearity"].parse::<Activation>().expect("tanh or relu")),
            ..options
        };
    }
    let weights = Weights::from_state_dict(tensors, &options).expect("complete weights");
    assert_eq!(*weights.config(), config, "what is inferred is what the metadata say");
    weights
}

fn config(metadata: &HashMap<String, String>) -> Config {
    let number = |key: &str| metadata[key].parse::<usize>().expect("a number");
    let flag = |key: &str| metadata[key].parse::<bool>().expect("true or false");
    let new = match (&*metadata["cell"], &*metadata["nonlinearity"]) {
        ("rnn", "tanh") => Config::rnn,
        ("rnn", "relu") => Config::rnn_relu,
        ("lstm", _) => Config::lstm,
        ("gru", _) => Config::gru,
        other => panic!("{other:?}"),
    };
    new(number("input_size"), number("hidden_size"))
        .num_layers(number("num_layers"))
        .bias(flag("bias"))
        .bidirectional(flag("bidirectional"))
        .proj_size(number("proj_size"))
}

fn floats(file: &SafeTensors<'_>, name: &str) -> Option<Array3<f32>> {
    array(file, name, Dtype::F32, f32::from_le_bytes)
}

fn doubles(file: &SafeTensors<'_>, name: &str) -> Option<Array3<f64>> {
    array(file, name, Dtype::F64, f64::from_le_bytes)
}

fn lengths(file: &SafeTensors<'_>) -> Option<Vec<usize>> {
    let tensor = file.tensor("lengths").ok()?;
    let lengths = values(&tensor, Dtype::I64, i64::from_le_bytes);
    Some(lengths.into_iter().map(|length| usize::try_from(length).expect("a length")).collect())
}

fn array<A, const BYTES: usize>(
    file: &SafeTensors<'_>,
    name: &str,
    dtype: Dtype,
    from: fn([u8; BYTES]) -> A,
) -> Option<Array3<A>> {
    let tensor = file.tensor(name).ok()?;
    let shape: [usize; 3] = tensor.shape().try_into().expect("three dimensions");
    Some(Array::from_shape_vec(shape, values(&tensor, dtype, from)).expect("as many values"))
}

fn values<A, const BYTES: usize>(
    tensor: &safetensors::tensor::TensorView<'_>,
    dtype: Dtype,
    from: fn([u8; BYTES]) -> A,
) -> Vec<A> {
    assert_eq!(tensor.dtype(), dtype);
    tensor.data().as_chunks().0.iter().map(|&bytes| from(bytes)).collect()
}
