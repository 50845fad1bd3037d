//! Weights from the bytes of a file.

use std::collections::BTreeMap;

use wasm_bindgen::prelude::wasm_bindgen;
use wgpu_rnn::io::Tensors;
use wgpu_rnn::{Error, LoadOptions};

use crate::config::Config;
use crate::failure::Failure;
use crate::format::Format;

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
    /// Reads a file. Without a format, its first bytes decide. `part` is the prefix of the layer's tensors, or the name
    /// of an ONNX node, where the file has several layers.
    ///
    /// # Errors
    ///
    /// The library's.
    pub fn read(
        bytes: &[u8],
        format: Option<String>,
        part: Option<String>,
        nonlinearity: Option<String>,
        data: &DataFiles,
    ) -> Result<Weights, Failure> {
        let format = format.map_or_else(|| Ok(Format::of(bytes)), |name| name.parse())?;
        Ok(Weights(read(bytes, format, part, nonlinearity, &data.0)?))
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

#[cfg_attr(not(feature = "onnx"), allow(unused_variables, reason = "only ONNX has data in other files"))]
fn read(
    bytes: &[u8],
    format: Format,
    part: Option<String>,
    nonlinearity: Option<String>,
    data: &BTreeMap<String, Vec<u8>>,
) -> Result<wgpu_rnn::Weights, Error> {
    let tensors = match format {
        Format::Safetensors => Tensors::from_safetensors(bytes)?,
        #[cfg(feature = "npz")]
        Format::Npz => Tensors::from_npz(bytes)?,
        #[cfg(feature = "pytorch")]
        Format::Pytorch => Tensors::from_pytorch(bytes)?,
        #[cfg(feature = "onnx")]
        Format::Onnx => return from_onnx(bytes, part.as_deref(), data),
        #[cfg(feature = "keras")]
        Format::Keras => return from_keras(bytes, part),
        #[cfg(not(all(feature = "npz", feature = "pytorch", feature = "onnx", feature = "keras")))]
        other => return Err(other.left_out()),
    };
    let nonlinearity = nonlinearity.map(|name| name.parse()).transpose()?;
    let options = LoadOptions { prefix: part, nonlinearity, ..LoadOptions::default() };
    wgpu_rnn::Weights::from_tensors(&tensors, &options)
}

#[cfg(feature = "onnx")]
fn from_onnx(
    bytes: &[u8],
    node: Option<&str>,
    data: &BTreeMap<String, Vec<u8>>,
) -> Result<wgpu_rnn::Weights, Error> {
    let model = wgpu_rnn::io::OnnxModel::with_data(bytes, |place| {
        let missing = || std::io::Error::other(format!("no file {:?} was given", place.location));
        let file = data.get(file_name(place.location)).ok_or_else(missing)?;
        Ok(std::borrow::Cow::Borrowed(place.of(file)?))
    })?;
    model.layer(node)?.weights()
}

#[cfg(feature = "keras")]
fn from_keras(bytes: &[u8], layer: Option<String>) -> Result<wgpu_rnn::Weights, Error> {
    let is_archive = bytes.starts_with(b"PK");
    let tensors = if is_archive { Tensors::from_keras(bytes)? } else { Tensors::from_hdf5(bytes)? };
    let options = wgpu_rnn::io::KerasOptions { layers: layer.into_iter().collect(), ..Default::default() };
    wgpu_rnn::Weights::from_keras(&tensors, &options)
}
