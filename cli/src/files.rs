//! Reads input files: the extension determines the format, and names select the tensors.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use wgpu_rnn::io::Tensors;
use wgpu_rnn::{LoadOptions, Nonlinearity, Weights};

use crate::args::SourceArguments;
use crate::failure::{Failure, Result};
use crate::{keras, model};

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Npy,
    Npz,
    Safetensors,
}

impl Format {
    /// The formats for arrays.
    pub(crate) const ARRAYS: &[Format] = &[Format::Npy, Format::Npz, Format::Safetensors];
    /// The formats for weights.
    pub(crate) const WEIGHTS: &[Format] = &[Format::Safetensors, Format::Npz];

    fn extension(self) -> &'static str {
        match self {
            Format::Npy => "npy",
            Format::Npz => "npz",
            Format::Safetensors => "safetensors",
        }
    }

    /// Returns the format of a path's extension.
    pub(crate) fn of(path: &Path) -> Option<Format> {
        let extension = path.extension().and_then(OsStr::to_str)?.to_lowercase();
        Format::ARRAYS.iter().copied().find(|format| format.extension() == extension)
    }

    /// Returns the format that a file's first bytes indicate.
    fn sniff(bytes: &[u8]) -> Option<Format> {
        match bytes {
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Some(Format::Npy),
            [b'P', b'K', 3 | 5, 4 | 6, ..] => Some(Format::Npz),
            [_, _, _, _, _, _, _, _, b'{', ..] => Some(Format::Safetensors),
            _ => None,
        }
    }

    /// Returns the format if it is one of `allowed`.
    pub(crate) fn check(found: Option<Format>, path: &Path, allowed: &[Format]) -> Result<Format> {
        found.filter(|format| allowed.contains(format)).ok_or_else(|| {
            let names = allowed.iter().map(|format| format!(".{}", format.extension()));
            let names = names.collect::<Vec<_>>().join(" or ");
            let found = match path.extension() {
                Some(extension) => format!(".{}", extension.display()),
                None => "no extension".into(),
            };
            Failure::in_file(path, format_args!("expected a name that ends in {names}, found {found}"))
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
        }
        .map_err(|error| self.failure(error))
    }

    /// Reads the only tensor of the file, or if there are several the one with the given name.
    pub(crate) fn one<T>(
        &self,
        name: &str,
        read: impl Fn(&Tensors<'_>, &str) -> std::result::Result<T, wgpu_rnn::Error>,
    ) -> Result<T> {
        let tensors = self.tensors(name)?;
        let mut names = tensors.shapes().map(|(name, _)| name);
        let chosen = match (names.next(), names.next()) {
            (Some(only), None) => only,
            _ => name,
        };
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
    /// The inputs that the ONNX model computes for the layer: the flag of `run` for each, and the names of
    /// the values in the model.
    pub(crate) given: Vec<(&'static str, String)>,
}

impl SourceArguments {
    /// Reads the layer from the given file. Returns none if no file is given.
    pub(crate) fn read(&self, nonlinearity: Option<Nonlinearity>) -> Result<Option<Source>> {
        let alone = |weights| Some(Source { weights, given: Vec::new() });
        match (&self.weights, &self.model, &self.keras) {
            (Some(path), ..) => read_weights(path, self.prefix.as_deref(), nonlinearity).map(alone),
            (None, Some(path), _) => model::read(path, self.node.as_deref()).map(Some),
            (None, None, Some(path)) => keras::read(path, &self.keras_options).map(alone),
            (None, None, None) => self.check_none().map(|()| None),
        }
    }

    /// Refuses flags that apply to a file if no file is given. clap does not do so where other flags
    /// exclude the file.
    pub(crate) fn check_none(&self) -> Result<()> {
        let of_files = [("--prefix", self.prefix.is_some()), ("--node", self.node.is_some())];
        match of_files.into_iter().chain(self.keras_options.given()).find(|(_, is_given)| *is_given) {
            Some((flag, _)) => Err(Failure::new(format_args!("{flag}: expected the file it applies to"))),
            None => Ok(()),
        }
    }
}

fn read_weights(path: &Path, prefix: Option<&str>, nonlinearity: Option<Nonlinearity>) -> Result<Weights> {
    let file = File::read(path, Format::WEIGHTS)?;
    let options = LoadOptions { prefix: prefix.map(str::to_owned), nonlinearity };
    Weights::from_tensors(&file.tensors("weights")?, &options).map_err(|error| file.failure(error))
}
