//! Output files of arrays. They appear when all of them are complete.

use std::ffi::OsStr;
use std::path::Path;

use crate::draft::Draft;
use crate::failure::{Failure, Result};

/// The format of a file that is written.
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

    /// Returns the format of a path's extension, which must be one of `allowed`. A special file without an
    /// extension, such as a pipe, gets the first one.
    fn of(path: &Path, is_special: bool, allowed: &[Format]) -> Result<Format> {
        let extension = path.extension().and_then(OsStr::to_str).map(str::to_lowercase);
        let is_it = |format: &Format| Some(format.extension()) == extension.as_deref();
        let found = Format::ARRAYS.iter().copied().find(is_it);
        let found = found.or(if is_special { allowed.first().copied() } else { None });
        found.filter(|format| allowed.contains(format)).ok_or_else(|| {
            let names: Vec<String> =
                allowed.iter().map(|format| format!(".{}", format.extension())).collect();
            let found = match path.extension() {
                Some(extension) => format!(".{}", extension.display()),
                None => "no extension".into(),
            };
            let expected = format!("expected a name that ends in {}", names.join(" or "));
            Failure::in_file(path, format_args!("{expected}, found {found}"))
        })
    }
}

/// The files that a command writes.
#[derive(Debug, Default)]
pub(crate) struct Outputs(Vec<Target>);

#[derive(Debug)]
struct Target {
    draft: Draft,
    format: Format,
    /// The names of the arrays in the file.
    names: Vec<&'static str>,
}

impl Outputs {
    /// Adds an array to the file at `path`.
    pub(crate) fn add(&mut self, name: &'static str, path: &Path, allowed: &[Format]) -> Result<()> {
        let draft = Draft::new(path);
        let format = Format::of(path, draft.is_special(), allowed)?;
        match self.0.iter_mut().find(|target| target.draft.is_same_file(&draft)) {
            Some(target) if format == Format::Npy => {
                let names = format!("{} and {name}", target.names.join(", "));
                Err(draft.failure(format_args!("expected one array in an .npy file, found {names}")))
            }
            Some(target) => {
                target.names.push(name);
                Ok(())
            }
            None => {
                self.0.push(Target { draft, format, names: vec![name] });
                Ok(())
            }
        }
    }

    /// Checks that the files can be written, before the long work for their contents.
    pub(crate) fn open(&mut self) -> Result<()> {
        self.0.iter_mut().try_for_each(|target| target.draft.open())
    }

    /// Checks that no file is one of the inputs, which it would replace.
    pub(crate) fn check_none_is(&self, inputs: &[&Path]) -> Result<()> {
        self.0.iter().try_for_each(|target| target.draft.check_is_not(inputs))
    }

    /// Encodes and writes the arrays of each file. No file appears or changes unless all could be written.
    pub(crate) fn commit(
        mut self,
        encode: impl Fn(Format, &[&'static str]) -> std::result::Result<Vec<u8>, wgpu_rnn::Error>,
    ) -> Result<()> {
        for Target { draft, format, names } in &mut self.0 {
            let bytes = encode(*format, names).map_err(|error| draft.failure(error))?;
            draft.fill(&bytes)?;
        }
        self.0.into_iter().try_for_each(|target| target.draft.persist())
    }
}
