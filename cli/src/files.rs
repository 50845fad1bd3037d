//! Reads input files: the library finds the format, and names select the tensors.

use std::path::{Path, PathBuf};

use wgpu_rnn::io::{MergeMode, OnnxModel, Tensors};
use wgpu_rnn::{Activation, Cell, Error, ErrorKind, LoadOptions, State, Weights, recurrent_prefixes};

use crate::args::SourceArguments;
use crate::failure::{Failure, Result};
use crate::{keras, limit, model, report};

/// The first bytes of an npy file.
const NPY: &[u8] = b"\x93NUMPY";

/// An input file in memory.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl File {
    pub(crate) fn read(path: &Path) -> Result<File> {
        let bytes = std::fs::read(path).map_err(|error| Failure::in_file(path, error))?;
        Ok(File { path: path.to_owned(), bytes })
    }

    /// Returns the tensors. The tensor of an npy file gets the given name.
    pub(crate) fn tensors(&self, name: &str) -> Result<Tensors<'_>> {
        let tensors = match self.bytes.starts_with(NPY) {
            true => Tensors::from_npy(&self.bytes, name),
            false => Tensors::from_bytes(&self.bytes),
        };
        tensors.map_err(|error| match OnnxModel::new(&self.bytes) {
            Ok(_) => self.failure("expected a file of tensors, found an ONNX model (--model takes it)"),
            Err(_) => self.failure(error),
        })
    }

    /// Reads the only tensor of the file, or if there are several the one with the given name. The output
    /// file of a `run` has the final states, which are the initial ones of the next `run`.
    pub(crate) fn one<T>(
        &self,
        name: &str,
        read: impl Fn(&Tensors<'_>, &str) -> std::result::Result<T, wgpu_rnn::Error>,
    ) -> Result<T> {
        let tensors = self.tensors(name)?;
        let mut names = tensors.shapes().map(|(name, _)| name);
        let of_output = match name {
            "h_0" => "h_n",
            "c_0" => "c_n",
            _ => name,
        };
        let chosen = match (names.next(), names.next()) {
            (Some(only), None) => only,
            _ if tensors.dtype(name).is_none() && tensors.dtype(of_output).is_some() => of_output,
            _ => name,
        };
        limit::check(&tensors, chosen).map_err(|error| self.failure(error))?;
        read(&tensors, chosen).map_err(|error| self.failure(error))
    }

    /// Makes a failure in this file.
    pub(crate) fn failure(&self, reason: impl std::fmt::Display) -> Failure {
        Failure::in_file(&self.path, reason)
    }
}

/// A layer that was read from a file.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) weights: Weights,
    /// Further layers on top of it whose directions alternate.
    pub(crate) above: Vec<Weights>,
    /// The inputs that the ONNX model computes for the layer: the flag of `run` for each, and the names of
    /// the values in the model.
    pub(crate) given: Vec<(&'static str, String)>,
    /// How the two directions of the output are merged.
    pub(crate) merge_mode: MergeMode,
    /// The initial states and lengths that are constants of the ONNX model.
    pub(crate) defaults: Defaults,
}

/// The initial state and the lengths that a model has itself.
pub(crate) type Defaults = (State<'static>, Option<Vec<usize>>);

impl Source {
    /// Returns the weights, or an error if a stack has several directions, which only `run` can compute.
    pub(crate) fn alone(self) -> Result<Weights> {
        match self.above.is_empty() {
            true => Ok(self.weights),
            false => Err(Failure::new("layers: expected layers of one direction, found several directions")),
        }
    }
}

impl SourceArguments {
    /// Reads the layer from the given file, with the model's constants for a batch of that many rows. Returns
    /// none if no file is given.
    pub(crate) fn read(
        &self,
        nonlinearity: Option<Activation>,
        rows: Option<usize>,
    ) -> Result<Option<Source>> {
        match (&self.weights, &self.model, &self.keras) {
            (Some(path), ..) => {
                let names: Vec<String> = self.prefix.iter().chain(&self.layers).cloned().collect();
                read_weights(path, &names, nonlinearity).map(Some)
            }
            (None, Some(path), _) => model::read(path, self.node.as_deref(), rows).map(Some),
            (None, None, Some(path)) => keras::read(path, &self.layers, &self.keras_options).map(Some),
            (None, None, None) => self.check_none().map(|()| None),
        }
    }

    /// Refuses flags that apply to a file if no file is given. clap does not do so where other flags
    /// exclude the file.
    pub(crate) fn check_none(&self) -> Result<()> {
        let of_files = [
            ("--prefix", self.prefix.is_some()),
            ("--layers", !self.layers.is_empty()),
            ("--node", self.node.is_some()),
        ];
        match of_files.into_iter().chain(self.keras_options.given()).find(|(_, is_given)| *is_given) {
            Some((flag, _)) => Err(Failure::new(format_args!("{flag}: expected the file it applies to"))),
            None => Ok(()),
        }
    }
}

fn read_weights(path: &Path, layers: &[String], nonlinearity: Option<Activation>) -> Result<Source> {
    let file = File::read(path)?;
    let tensors = file.tensors("weights")?;
    let has_keras = || tensors.keras_layers().is_ok_and(|layers| !layers.is_empty());
    if recurrent_prefixes(tensors.shapes()).is_empty() && has_keras() {
        let found = "found Keras' (use --keras in place of --weights)";
        return Err(file.failure(format_args!("expected PyTorch's names (weight_ih_l0), {found}")));
    }
    let read = |layers: &[&str], reverse| {
        let options = LoadOptions {
            layers: layers.iter().map(|&name| name.to_owned()).collect(),
            activation: nonlinearity,
            reverse,
            max_bytes: limit::max_bytes(),
            ..LoadOptions::default()
        };
        Weights::from_tensors(&tensors, &options).map_err(|error| explained(&file, &tensors, &options, error))
    };
    let mut stack = match layers.is_empty() {
        true => vec![read(&[], false)?],
        false => {
            runs(layers).into_iter().map(|(names, reverse)| read(&names, reverse)).collect::<Result<_>>()?
        }
    };
    check_stack(&stack).map_err(|error| file.failure(error))?;
    let weights = stack.remove(0);
    let is_known = nonlinearity.is_some() || tensors.metadata().contains_key("nonlinearity");
    if let (Cell::RnnTanh, false) = (weights.config().cell, is_known) {
        let note = "the file does not say which activation the RNN has; assumed tanh";
        report::note(&format!("{note} (--nonlinearity overrules it)"));
    }
    let (given, merge_mode, defaults) = (Vec::new(), MergeMode::Concat, Defaults::default());
    Ok(Source { weights, above: stack, given, merge_mode, defaults })
}

/// The ending of a layer's name in `--layers` that says that the layer runs backwards.
const REVERSE: &str = ":reverse";

/// Splits the names of layers into runs of the same direction, which are one layer each.
fn runs(layers: &[String]) -> Vec<(Vec<&str>, bool)> {
    let mut runs: Vec<(Vec<&str>, bool)> = Vec::new();
    for layer in layers {
        let (name, reverse) =
            layer.strip_suffix(REVERSE).map_or((layer.as_str(), false), |name| (name, true));
        match runs.last_mut().filter(|(_, direction)| *direction == reverse) {
            Some((names, _)) => names.push(name),
            None => runs.push((vec![name], reverse)),
        }
    }
    runs
}

/// Checks that each layer of the stack can read the output of the one below.
fn check_stack(stack: &[Weights]) -> std::result::Result<(), Error> {
    for (below, above) in stack.iter().zip(stack.iter().skip(1)) {
        let below = below.config();
        let mut expected = below.num_layers(above.config().num_layers).reverse(above.config().reverse);
        expected.input_size = below.directions() * below.hidden_output_size();
        if *above.config() != expected {
            let rule = format!("a layer above {below} must be {expected}");
            return Err(Error::new(ErrorKind::Config, format!("{rule}, found {}", above.config())));
        }
    }
    Ok(())
}

/// Adds which flags would help to the error of a file of weights.
fn explained(file: &File, tensors: &Tensors<'_>, options: &LoadOptions, error: Error) -> Failure {
    let is_chosen = !options.layers.is_empty();
    let is_choice = recurrent_prefixes(tensors.shapes()).len() > 1;
    // An error about no tensor in particular is about the choice of a layer.
    match error.kind() == ErrorKind::Tensor && error.subject().is_none() && !is_chosen {
        true if is_choice => file.failure(format_args!("{error} (with --prefix or --layers)")),
        _ if error.kind() == ErrorKind::TooLarge => file.failure(format_args!("{error} (with --max-bytes)")),
        _ => file.failure(error),
    }
}
