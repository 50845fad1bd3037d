//! Reads input files: the extension determines the format, and names select the tensors.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use wgpu_rnn::io::{MergeMode, OnnxDefaults, Tensors};
use wgpu_rnn::{Cell, Error, ErrorKind, LoadOptions, Nonlinearity, Weights, recurrent_prefixes};

use crate::args::SourceArguments;
use crate::failure::{Failure, Result};
use crate::{keras, limit, model, report};

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Npy,
    Npz,
    Safetensors,
    /// What `torch.save` and `torch.jit.save` write.
    Pytorch,
    /// The archive that Keras 3 saves a model in.
    Keras,
    Hdf5,
}

impl Format {
    /// The formats for arrays.
    pub(crate) const ARRAYS: &[Format] = &[Format::Npy, Format::Npz, Format::Safetensors];
    /// The formats for weights.
    pub(crate) const WEIGHTS: &[Format] =
        &[Format::Safetensors, Format::Npz, Format::Pytorch, Format::Keras, Format::Hdf5];
    pub(crate) const ANY: &[Format] =
        &[Format::Npy, Format::Npz, Format::Safetensors, Format::Pytorch, Format::Keras, Format::Hdf5];

    fn extensions(self) -> &'static [&'static str] {
        match self {
            Format::Npy => &["npy"],
            Format::Npz => &["npz"],
            Format::Safetensors => &["safetensors"],
            Format::Pytorch => &["pt", "pth", "bin", "ckpt", "jit"],
            Format::Keras => &["keras"],
            Format::Hdf5 => &["h5", "hdf5"],
        }
    }

    /// Returns the format of a path's extension.
    pub(crate) fn of(path: &Path) -> Option<Format> {
        let extension = path.extension().and_then(OsStr::to_str)?.to_lowercase();
        Format::ANY.iter().copied().find(|format| format.extensions().contains(&&*extension))
    }

    /// Returns the format that a file's first bytes indicate.
    fn sniff(bytes: &[u8]) -> Option<Format> {
        match bytes {
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Some(Format::Npy),
            [0x80, 2, 0x8A, 10, ..] => Some(Format::Pytorch),
            [0x89, b'H', b'D', b'F', ..] => Some(Format::Hdf5),
            [b'P', b'K', 3 | 5, 4 | 6, ..] => Some(Format::Npz),
            [_, _, _, _, _, _, _, _, b'{', ..] => Some(Format::Safetensors),
            _ => None,
        }
    }

    /// Returns the format if it is one of `allowed`.
    pub(crate) fn check(found: Option<Format>, path: &Path, allowed: &[Format]) -> Result<Format> {
        found.filter(|format| allowed.contains(format)).ok_or_else(|| {
            let names = allowed.iter().flat_map(|format| format.extensions());
            let names = names.map(|extension| format!(".{extension}"));
            let names = names.collect::<Vec<_>>().join(" or ");
            let found = match path.extension() {
                Some(extension) => format!(".{}", extension.display()),
                None => "no extension".into(),
            };
            let flag = if found == ".onnx" { " (--model takes an ONNX model)" } else { "" };
            Failure::in_file(path, format_args!("expected a name that ends in {names}, found {found}{flag}"))
        })
    }
}

/// An input file in memory.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    format: Format,
    bytes: Vec<u8>,
}

impl File {
    /// Reads a file of one of the allowed formats. Without an extension, as for a pipe, the contents
    /// determine the format.
    pub(crate) fn read(path: &Path, allowed: &[Format]) -> Result<File> {
        let format = Format::of(path);
        if path.extension().is_some() {
            Format::check(format, path, allowed)?;
        }
        let bytes = std::fs::read(path).map_err(|error| Failure::in_file(path, error))?;
        let format = Format::check(format.or_else(|| Format::sniff(&bytes)), path, allowed)?;
        Ok(File { path: path.to_owned(), format, bytes })
    }

    /// Returns the tensors. The tensor of an npy file gets the given name.
    pub(crate) fn tensors(&self, name: &str) -> Result<Tensors<'_>> {
        match self.format {
            Format::Npy => Tensors::from_npy(&self.bytes, name),
            Format::Npz => Tensors::from_npz(&self.bytes),
            Format::Safetensors => Tensors::from_safetensors(&self.bytes),
            Format::Pytorch => Tensors::from_pytorch(&self.bytes),
            Format::Keras => Tensors::from_keras(&self.bytes),
            Format::Hdf5 => Tensors::from_hdf5(&self.bytes),
        }
        .map_err(|error| self.failure(error))
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
    pub(crate) defaults: OnnxDefaults,
}

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
    /// Reads the layer from the given file. Returns none if no file is given.
    pub(crate) fn read(&self, nonlinearity: Option<Nonlinearity>) -> Result<Option<Source>> {
        match (&self.weights, &self.model, &self.keras) {
            (Some(path), ..) => {
                read_weights(path, self.prefix.as_deref(), &self.layers, nonlinearity).map(Some)
            }
            (None, Some(path), _) => model::read(path, self.node.as_deref()).map(Some),
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

fn read_weights(
    path: &Path,
    prefix: Option<&str>,
    layers: &[String],
    nonlinearity: Option<Nonlinearity>,
) -> Result<Source> {
    let file = File::read(path, Format::WEIGHTS)?;
    let tensors = file.tensors("weights")?;
    let read = |layers: &[&str], reverse| {
        let options = LoadOptions {
            prefix: prefix.map(str::to_owned),
            layers: layers.iter().map(|&name| name.to_owned()).collect(),
            nonlinearity,
            reverse,
            max_bytes: limit::max_bytes(),
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
    if let (Cell::Rnn(assumed), false) = (weights.config().cell, is_known) {
        let note = "the file does not say which activation the RNN has; assumed";
        report::note(&format!("{note} {assumed} (--nonlinearity overrules it)"));
    }
    let (given, merge_mode, defaults) = (Vec::new(), MergeMode::Concat, OnnxDefaults::default());
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
    let is_chosen = options.prefix.is_some() || !options.layers.is_empty();
    let is_of_keras = tensors.keras_layers().is_ok_and(|layers| !layers.is_empty());
    let is_choice = recurrent_prefixes(tensors.shapes()).len() > 1;
    // An error about no tensor in particular is about the choice of a layer.
    match error.kind() == ErrorKind::Tensor && error.subject().is_none() && !is_chosen {
        true if is_of_keras && !is_choice => file.failure(
            "expected PyTorch's names (weight_ih_l0), found Keras' (use --keras in place of --weights)",
        ),
        true if is_choice => file.failure(format_args!("{error} (with --prefix or --layers)")),
        _ if error.kind() == ErrorKind::TooLarge => file.failure(format_args!("{error} (with --max-bytes)")),
        _ => file.failure(error),
    }
}
