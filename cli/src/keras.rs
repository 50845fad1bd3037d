//! Reads and lists the layers in files of Keras' weights.

use std::path::Path;

use clap::Args;
use serde::Serialize;
use wgpu_rnn::io::MergeMode;
use wgpu_rnn::{Activation, Error, ErrorKind, LoadOptions, Weights, infer_config};

use crate::columns::columns;
use crate::failure::{Failure, Result, one_line};
use crate::files::{Defaults, File, Source};
use crate::limit;

/// The options that the weights do not contain, with Keras' names and defaults.
#[derive(Debug, Args)]
pub(crate) struct KerasArguments {
    /// Keras' name of the activation: linear, relu, tanh, sigmoid, hard_sigmoid (of Keras 3),
    /// hard_sigmoid_v2 (of Keras 2, 0.2 x + 0.5), elu, leaky_relu, softsign or softplus; tanh by default.
    #[arg(long, value_name = "NAME", value_parser = activation, requires = "keras", conflicts_with_all = OTHERS)]
    activation: Option<Activation>,
    /// Keras' name of the activation of the gates of an LSTM or GRU; sigmoid by default.
    #[arg(long, value_name = "NAME", value_parser = activation, requires = "keras", conflicts_with_all = OTHERS)]
    recurrent_activation: Option<Activation>,
    /// Keras' reset_after of a GRU without bias; true by default. With a bias, the bias determines it.
    #[arg(long, value_name = "true|false", requires = "keras", conflicts_with_all = OTHERS)]
    reset_after: Option<bool>,
    /// The layer, or the lowest layer of a stack, was made with go_backwards. The output stays in the
    /// input's order.
    #[arg(long, requires = "keras", conflicts_with_all = OTHERS)]
    go_backwards: bool,
    /// Keras' merge_mode of a Bidirectional: concat, sum, mul, ave or none (which is concat here: the two
    /// halves). By default the one that a .keras or .h5 file states, or else concat.
    #[arg(long, value_name = "MODE", requires = "keras", conflicts_with_all = OTHERS)]
    merge_mode: Option<MergeMode>,
}

/// The flags of the other files with a layer.
const OTHERS: [&str; 2] = ["weights", "model"];

impl KerasArguments {
    /// Returns each flag, and whether it is given.
    pub(crate) fn given(&self) -> [(&'static str, bool); 5] {
        [
            ("--merge-mode", self.merge_mode.is_some()),
            ("--activation", self.activation.is_some()),
            ("--recurrent-activation", self.recurrent_activation.is_some()),
            ("--reset-after", self.reset_after.is_some()),
            ("--go-backwards", self.go_backwards),
        ]
    }

    fn options(&self, layers: &[String]) -> LoadOptions {
        LoadOptions {
            layers: layers.to_vec(),
            activation: self.activation,
            recurrent_activation: self.recurrent_activation,
            reset_after: self.reset_after,
            reverse: self.go_backwards,
            max_bytes: limit::max_bytes(),
        }
    }
}

fn activation(name: &str) -> std::result::Result<Activation, String> {
    Activation::keras(name).ok_or_else(|| "expected one of the names in --help".to_owned())
}

/// Reads the layer with the given names, or the file's only layer.
pub(crate) fn read(path: &Path, layers: &[String], arguments: &KerasArguments) -> Result<Source> {
    let file = File::read(path)?;
    let tensors = file.tensors("weights")?;
    let mut options = arguments.options(layers);
    let mut read = || -> std::result::Result<Source, Error> {
        let stated = tensors.keras_merge_mode(&options)?;
        if layers.is_empty() {
            // A file may have modules of PyTorch, too.
            options.layers = tensors.keras_layers()?;
        }
        let weights = Weights::from_tensors(&tensors, &options)?;
        let merge_mode = arguments.merge_mode.unwrap_or(stated);
        let (above, given, defaults) = (Vec::new(), Vec::new(), Defaults::default());
        Ok(Source { weights, above, given, merge_mode, defaults })
    };
    read().map_err(|error| {
        let found = tensors.keras_layers().map_or(0, |layers| layers.len());
        let is_of_pytorch = || infer_config(tensors.shapes(), &LoadOptions::default()).is_ok();
        match (error, found) {
            (_, 0) if is_of_pytorch() => file.failure(
                "expected Keras' names (kernel), found PyTorch's (use --weights in place of --keras)",
            ),
            (error, _) if error.kind() == ErrorKind::TooLarge => {
                file.failure(format_args!("{error} (with --max-bytes)"))
            }
            (error, 2..) if layers.is_empty() => file.failure(format_args!("{error} (with --layers)")),
            (error, _) => file.failure(error),
        }
    })
}

#[derive(Debug, Serialize)]
struct Listed {
    layers: Vec<Layer>,
}

#[derive(Debug, Serialize)]
struct Layer {
    name: String,
    layer: Option<String>,
    error: Option<String>,
}

/// Lists the layers of a file, as text or as JSON.
pub(crate) fn describe(path: &Path, json: bool) -> Result<String> {
    let file = File::read(path)?;
    let tensors = file.tensors("weights")?;
    let names = tensors.keras_layers().map_err(|error| file.failure(error))?;
    if let (true, Err(error)) = (names.is_empty(), tensors.keras_merge_mode(&LoadOptions::default())) {
        return Err(file.failure(error));
    }
    let layer = |name: String| {
        let options = LoadOptions { layers: vec![name.clone()], ..LoadOptions::default() };
        let found = Weights::from_tensors(&tensors, &options);
        Layer {
            layer: found.as_ref().ok().map(|weights| weights.config().to_string()),
            error: found.err().map(|error| one_line(&error.to_string())),
            name: one_line(&name),
        }
    };
    let layers: Vec<Layer> = names.into_iter().map(layer).collect();
    if json {
        return Ok(serde_json::to_string_pretty(&Listed { layers }).map_err(Failure::new)? + "\n");
    }
    let header = ["name", "layer"].map(str::to_owned);
    let line = |Layer { name, layer, error }: &Layer| {
        let layer = layer.as_ref().or(error.as_ref()).cloned().unwrap_or_default();
        [if name.is_empty() { "(none)".into() } else { name.clone() }, layer]
    };
    let lines: Vec<[String; 2]> = [header].into_iter().chain(layers.iter().map(line)).collect();
    Ok(columns(&lines, |_| false))
}
