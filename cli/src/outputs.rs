//! Output files, which appear when all of them are complete.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::failure::{Failure, Result};
use crate::files::Format;

/// The files that a command writes.
#[derive(Debug, Default)]
pub(crate) struct Outputs(Vec<Target>);

#[derive(Debug)]
struct Target {
    /// The path as it was given, for messages.
    path: PathBuf,
    /// The same behind links, so that a link keeps pointing at its file.
    place: PathBuf,
    format: Format,
    /// The arrays that go there.
    names: Vec<&'static str>,
    /// Where the file is put together; none for a device or a pipe, which is written to directly.
    draft: Option<NamedTempFile>,
}

impl Outputs {
    /// Adds an array to the file at `path`.
    pub(crate) fn add(&mut self, name: &'static str, path: &Path, allowed: &[Format]) -> Result<()> {
        let (path, place) = (path.to_owned(), place(path));
        let special = is_special(&path);
        let format = Format::of(&path).or(if special { allowed.first().copied() } else { None });
        let format = Format::check(format, &path, allowed)?;
        match self.0.iter_mut().find(|target| target.place == place && !special) {
            Some(target) if format == Format::Npy => {
                let names = format!("{} and {name}", target.names.join(", "));
                Err(Failure::in_file(
                    &path,
                    format_args!("expected one array in an .npy file, found {names}"),
                ))
            }
            Some(target) => {
                target.names.push(name);
                Ok(())
            }
            None => {
                self.0.push(Target { path, place, format, names: vec![name], draft: None });
                Ok(())
            }
        }
    }

    /// Makes sure that the files can be written, before long work is done for them.
    pub(crate) fn open(&mut self) -> Result<()> {
        for target in &mut self.0 {
            if target.path.is_dir() {
                return Err(Failure::in_file(&target.path, "expected a file, found a directory"));
            }
            if !is_special(&target.path) {
                target.draft = Some(target.draft()?);
            }
        }
        Ok(())
    }

    /// Writes what `encode` makes of each file's arrays; no file appears or changes unless all could be written.
    pub(crate) fn commit(
        self,
        encode: impl Fn(Format, &[&'static str]) -> std::result::Result<Vec<u8>, wgpu_rnn::Error>,
    ) -> Result<()> {
        let mut complete = Vec::new();
        for mut target in self.0 {
            let failure = |error: &dyn std::fmt::Display| Failure::in_file(&target.path, error);
            let bytes = encode(target.format, &target.names).map_err(|error| failure(&error))?;
            match &mut target.draft {
                Some(draft) => draft.write_all(&bytes).and_then(|()| draft.flush()),
                None => fs::write(&target.path, &bytes),
            }
            .map_err(|error| failure(&error))?;
            complete.push(target);
        }
        for target in complete {
            if let Some(draft) = target.draft {
                draft.persist(&target.place).map_err(|error| Failure::in_file(&target.path, error.error))?;
            }
        }
        Ok(())
    }
}

impl Target {
    /// A new file beside the target, with the permissions that the target has or would get.
    fn draft(&self) -> Result<NamedTempFile> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".wgpu-rnn-");
        #[cfg(unix)]
        let permissions = {
            use std::os::unix::fs::PermissionsExt;
            fs::Permissions::from_mode(0o666)
        };
        #[cfg(unix)]
        builder.permissions(permissions);
        let failure = |error: io::Error| Failure::in_file(&self.path, reason(&error));
        let draft = builder.tempfile_in(folder(&self.place)).map_err(failure)?;
        if let Ok(existing) = fs::metadata(&self.path) {
            let file = draft.as_file();
            file.set_permissions(existing.permissions()).map_err(failure)?;
        }
        Ok(draft)
    }
}

/// The reason without the name of the temporary file, which tells the user nothing.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" at path ").next().unwrap_or_default().to_owned()
}

/// One path for each file, however it was written.
fn place(path: &Path) -> PathBuf {
    let beside = || Some(fs::canonicalize(folder(path)).ok()?.join(path.file_name()?));
    fs::canonicalize(path).ok().or_else(beside).unwrap_or_else(|| path.to_owned())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether something is there that cannot be replaced by a file, such as `/dev/null`.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}
