//! Reads and lists the layers of ONNX models.

use std::path::Path;

use serde::Serialize;
use wgpu_rnn::io::{MergeMode, OnnxLayer, OnnxModel};
use wgpu_rnn::{Error, ErrorKind};

use crate::columns::columns;
use crate::failure::{Failure, Result, one_line};
use crate::files::{Defaults, Source};
use crate::limit;

/// Reads the layer to which the node belongs, or the model's only layer, with the constants for `rows` rows.
pub(crate) fn read(path: &Path, node: Option<&str>, rows: Option<usize>) -> Result<Source> {
    let bytes = std::fs::read(path).map_err(|error| Failure::in_file(path, error))?;
    let failure = |error| failure(path, &error);
    let model = open(path, &bytes)?;
    let layer = match model.layer(node) {
        Err(error) if node.is_none() && is_choice(&model) => {
            return Err(Failure::in_file(path, format_args!("{error} (choose one with --node)")));
        }
        layer => layer.map_err(failure)?,
    };
    let Layer { h_0, c_0, lengths, .. } = Layer::new(&layer);
    let given = [("--h0", h_0), ("--c0", c_0), ("--lengths", lengths)];
    let given = given.into_iter().filter(|(_, names)| !names.is_empty());
    let given = given.map(|(flag, names)| (flag, one_line(&names.join(", ")))).collect();
    let defaults = rows.map_or_else(|| Ok(Defaults::default()), |rows| layer.defaults(rows));
    let defaults = defaults.map_err(failure)?;
    let weights = layer.weights().map_err(failure)?;
    Ok(Source { weights, above: Vec::new(), given, merge_mode: MergeMode::Concat, defaults })
}

/// Parses a model whose further files are in its folder.
fn open<'a>(path: &Path, bytes: &'a [u8]) -> Result<OnnxModel<'a>> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut model = OnnxModel::with_folder(bytes, folder).map_err(|error| failure(path, &error))?;
    model.max_bytes = limit::max_bytes();
    Ok(model)
}

/// Makes a failure in the model, with the flag that would help.
fn failure(path: &Path, error: &Error) -> Failure {
    match error.kind() {
        ErrorKind::TooLarge => Failure::in_file(path, format_args!("{error} (with --max-bytes)")),
        _ => Failure::in_file(path, error),
    }
}

/// Returns whether a model has several layers, and one of them can be read.
fn is_choice(model: &OnnxModel<'_>) -> bool {
    let layers = model.layers().unwrap_or_default();
    layers.len() > 1 && layers.iter().any(|layer| layer.config().is_ok())
}

#[derive(Debug, Serialize)]
struct Model {
    opset: i64,
    layers: Vec<Layer>,
}

#[derive(Debug, Serialize)]
struct Layer {
    layer: Option<String>,
    error: Option<String>,
    nodes: Vec<String>,
    input: Option<String>,
    h_0: Vec<String>,
    c_0: Vec<String>,
    lengths: Vec<String>,
    /// The initial states and lengths that the model holds as constants.
    constants: Vec<&'static str>,
}

impl Layer {
    fn new(layer: &OnnxLayer<'_>) -> Self {
        let config = layer.config();
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Layer {
            layer: config.as_ref().ok().map(ToString::to_string),
            error: config.err().map(|error| one_line(&error.to_string())),
            nodes: layer.nodes.clone(),
            input: layer.input.map(str::to_owned),
            h_0: owned(&layer.h_0),
            c_0: owned(&layer.c_0),
            lengths: owned(layer.lengths.as_slice()),
            constants: layer.constants.clone(),
        }
    }

    fn line(&self) -> [String; 6] {
        let list = |names: &[String]| if names.is_empty() { "-".into() } else { one_line(&names.join(", ")) };
        let state = |name, names: &[String]| match self.constants.contains(&name) {
            true => "(constant)".to_owned(),
            false => list(names),
        };
        let layer = self.layer.clone().unwrap_or_else(|| "cannot be run".into());
        let input = self.input.as_slice();
        let [h_0, c_0, lengths] = [("h_0", &self.h_0), ("c_0", &self.c_0), ("lengths", &self.lengths)]
            .map(|(name, names)| state(name, names));
        [layer, list(input), h_0, c_0, lengths, list(&self.nodes)]
    }
}

/// Lists the layers of a model, as text or as JSON.
pub(crate) fn describe(path: &Path, json: bool) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|error| Failure::in_file(path, error))?;
    let failure = |error| failure(path, &error);
    let model = open(path, &bytes)?;
    let layers: Vec<Layer> = model.layers().map_err(failure)?.iter().map(Layer::new).collect();
    if let (true, Err(error)) = (layers.is_empty(), model.layer(None)) {
        return Err(failure(error));
    }
    let model = Model { opset: model.opset, layers };
    if json {
        return Ok(serde_json::to_string_pretty(&model).map_err(Failure::new)? + "\n");
    }
    let header = ["layer", "input", "h_0", "c_0", "lengths", "nodes"].map(str::to_owned);
    let lines: Vec<[String; 6]> = [header].into_iter().chain(model.layers.iter().map(Layer::line)).collect();
    let reasons = model.layers.iter().filter_map(|layer| layer.error.as_deref());
    let reasons: String = reasons.map(|reason| format!("\n{reason}\n")).collect();
    let count = model.layers.len();
    let plural = if count == 1 { "" } else { "s" };
    let table = columns(&lines, |_| false);
    Ok(format!("opset {}, {count} recurrent layer{plural}\n\n{table}{reasons}", model.opset))
}
