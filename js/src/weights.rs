//! Weights from the bytes of a file.

use std::collections::BTreeMap;

use wasm_bindgen::prelude::wasm_bindgen;
use wgpu_rnn::{Activation, Error, ErrorKind, LoadOptions};

use crate::config::Config;
use crate::failure::Failure;

/// The files beside an ONNX model, by the last part of their names.
#[wasm_bindgen]
#[derive(Debug, Default)]
pub struct DataFiles(BTreeMap<String, Vec<u8>>);

#[wasm_bindgen]
impl DataFiles {
    /// None.
    #[wasm_bindgen(constructor)]
    pub fn new() -> DataFiles {
        DataFiles::default()
    }

    /// Adds a file.
    pub fn add(&mut self, name: &str, bytes: Vec<u8>) {
        self.0.insert(file_name(name).to_owned(), bytes);
    }
}

fn file_name(location: &str) -> &str {
    location.rsplit('/').next().unwrap_or(location)
}

/// The parameters of a layer.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Weights(pub(crate) wgpu_rnn::Weights);

#[wasm_bindgen]
impl Weights {
    /// Reads a file, whose first bytes show its format. `part` is the prefix of the layer's tensors, or the name of a
    /// Keras layer or of an ONNX node, where the file has several layers.
    ///
    /// # Errors
    ///
    /// The library's.
    pub fn read(
        bytes: &[u8],
        part: Option<String>,
        nonlinearity: Option<String>,
        data: &DataFiles,
    ) -> Result<Weights, Failure> {
        let activation = nonlinearity.map(|name| activation(&name)).transpose()?;
        let options =
            LoadOptions { layers: part.into_iter().collect(), activation, ..LoadOptions::default() };
        Ok(Weights(read(bytes, &options, &data.0).map_err(|error| explained(error, bytes))?))
    }

    /// Returns what PyTorch's constructor gives after `torch.manual_seed(seed)`.
    ///
    /// # Errors
    ///
    /// The library's, for a configuration that no layer can have.
    pub fn seeded(config: &Config, seed: u32) -> Result<Weights, Failure> {
        Ok(Weights(wgpu_rnn::Weights::seeded(config.read()?, u64::from(seed))?))
    }

    /// Returns the configuration.
    pub fn config(&self) -> Config {
        Config::from(self.0.config())
    }
}

/// Parses the activation of an RNN.
fn activation(name: &str) -> Result<Activation, Error> {
    match name {
        "tanh" => Ok(Activation::Tanh),
        "relu" => Ok(Activation::Relu),
        other => {
            let text = format!("nonlinearity: expected \"tanh\" or \"relu\", found {other:?}");
            Err(Error::new(ErrorKind::Config, text))
        }
    }
}

#[cfg_attr(not(feature = "onnx"), allow(unused_variables, reason = "only ONNX has data in other files"))]
fn read(
    bytes: &[u8],
    options: &LoadOptions,
    data: &BTreeMap<String, Vec<u8>>,
) -> Result<wgpu_rnn::Weights, Error> {
    #[cfg(feature = "onnx")]
    if !data.is_empty() {
        let model = wgpu_rnn::io::OnnxModel::with_data(bytes, |location, range| {
            let missing = || std::io::Error::other(format!("no file {location:?} was given"));
            let file = data.get(file_name(location)).ok_or_else(missing)?;
            let values = file.get(range).ok_or(std::io::ErrorKind::UnexpectedEof)?;
            Ok(std::borrow::Cow::Borrowed(values))
        })?;
        return model.layer(options.layers.first().map(String::as_str))?.weights();
    }
    wgpu_rnn::Weights::from_bytes(bytes, options)
}

/// Says of a file that is not safetensors where it can be read, if this build reads nothing else.
fn explained(error: Error, bytes: &[u8]) -> Error {
    let reads_all = cfg!(all(feature = "npz", feature = "pytorch", feature = "onnx", feature = "keras"));
    let is_safetensors = bytes.get(8) == Some(&b'{');
    match reads_all || is_safetensors || error.kind() != ErrorKind::File {
        true => error,
        false => {
            let text = format!("{error}; the package's main module reads every format");
            Error::new(ErrorKind::File, text)
        }
    }
}
