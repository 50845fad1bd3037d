//! Lists what is in a file of tensors: the recurrent layers, by the flags that choose them, and the tensors.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;
use wgpu_rnn::io::Tensors;
use wgpu_rnn::{Error, LoadOptions, Weights, infer_config, recurrent_prefixes};

use crate::columns::columns;
use crate::failure::{Failure, Result, one_line};
use crate::files::File;

#[derive(Debug, Serialize)]
struct Listed {
    layers: Vec<Layer>,
    tensors: Vec<Tensor>,
}

#[derive(Debug, Serialize)]
struct Layer {
    /// The flags of `run` that choose the layer, besides the file.
    flags: String,
    layer: Option<String>,
    error: Option<String>,
}

impl Layer {
    fn new(flags: &str, found: std::result::Result<String, Error>) -> Self {
        let (layer, error) = match found {
            Ok(layer) => (Some(layer), None),
            Err(error) => (None, Some(one_line(&error.to_string()))),
        };
        Layer { flags: one_line(flags), layer, error }
    }
}

#[derive(Debug, Serialize)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
    dtype: String,
}

/// Lists the layers and the tensors of a file, as text or as JSON.
pub(crate) fn describe(path: &Path, json: bool) -> Result<String> {
    let file = File::read(path)?;
    let tensors = file.tensors("array")?;
    let listed = Listed { layers: layers(&tensors), tensors: tensors_of(&tensors) };
    if json {
        return Ok(serde_json::to_string_pretty(&listed).map_err(Failure::new)? + "\n");
    }
    Ok(text(&listed))
}

fn layers(tensors: &Tensors<'_>) -> Vec<Layer> {
    let of_pytorch = recurrent_prefixes(tensors.shapes()).into_iter().map(|prefix| {
        let options = LoadOptions { layers: vec![prefix.clone()], ..LoadOptions::default() };
        let found = infer_config(tensors.shapes(), &options);
        let flags =
            if prefix.is_empty() { "--weights".into() } else { format!("--weights, --prefix {prefix}") };
        Layer::new(&flags, found.map(|(_, config)| config.to_string()))
    });
    let names: BTreeSet<String> = tensors.keras_layers().unwrap_or_default().into_iter().collect();
    let of_keras = names.into_iter().map(|name| {
        let options = LoadOptions { layers: vec![name.clone()], ..LoadOptions::default() };
        let found = Weights::from_tensors(tensors, &options).map(|weights| weights.config().to_string());
        Layer::new(&format!("--keras, --layers {name}"), found)
    });
    of_pytorch.chain(of_keras).collect()
}

fn tensors_of(tensors: &Tensors<'_>) -> Vec<Tensor> {
    let tensor = |(name, shape): (&str, &[usize])| Tensor {
        name: one_line(name),
        shape: shape.to_vec(),
        dtype: one_line(tensors.dtype(name).unwrap_or_default()),
    };
    tensors.shapes().map(tensor).collect()
}

fn text(Listed { layers, tensors }: &Listed) -> String {
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let mut text = format!("{} recurrent layer{}\n", layers.len(), plural(layers.len()));
    if !layers.is_empty() {
        let line = |layer: &Layer| {
            [layer.flags.clone(), layer.layer.as_ref().or(layer.error.as_ref()).cloned().unwrap_or_default()]
        };
        let header = ["flags", "layer"].map(str::to_owned);
        let lines: Vec<[String; 2]> = [header].into_iter().chain(layers.iter().map(line)).collect();
        text += &format!("\n{}", columns(&lines, |_| false));
    }
    text += &format!("\n{} tensor{}\n", tensors.len(), plural(tensors.len()));
    if !tensors.is_empty() {
        let header = ["name", "shape", "type"].map(str::to_owned);
        let line =
            |tensor: &Tensor| [tensor.name.clone(), format!("{:?}", tensor.shape), tensor.dtype.clone()];
        let lines: Vec<[String; 3]> = [header].into_iter().chain(tensors.iter().map(line)).collect();
        text += &format!("\n{}", columns(&lines, |_| false));
    }
    text
}
