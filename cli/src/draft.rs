//! A file that appears under its name only when it is complete.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::failure::{Failure, Result};

/// A file to be written.
#[derive(Debug)]
pub(crate) struct Draft {
    /// The path as it was given, for messages.
    path: PathBuf,
    /// The path with links resolved, so that a link keeps pointing at its file.
    place: PathBuf,
    /// The temporary file with the contents; none for a device or a pipe, which is written directly.
    file: Option<NamedTempFile>,
}

impl Draft {
    pub(crate) fn new(path: &Path) -> Self {
        Draft { path: path.to_owned(), place: place(path), file: None }
    }

    /// Returns whether both drafts have the same file.
    pub(crate) fn is_same_file(&self, other: &Draft) -> bool {
        self.place == other.place && !self.is_special()
    }

    /// Returns whether the path exists and cannot be replaced by a file, such as `/dev/null`.
    pub(crate) fn is_special(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|found| !found.is_file() && !found.is_dir())
    }

    /// Checks that the file can be written, before the long work for its contents.
    pub(crate) fn open(&mut self) -> Result<()> {
        if self.path.is_dir() {
            return Err(self.failure("expected a file, found a directory"));
        }
        if !self.is_special() {
            self.file = Some(self.temporary()?);
        }
        Ok(())
    }

    /// Writes the contents; the file does not appear yet.
    pub(crate) fn fill(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.file {
            Some(file) => file.write_all(bytes).and_then(|()| file.flush()),
            None => fs::write(&self.path, bytes),
        }
        .map_err(|error| self.failure(error))
    }

    /// Makes the file appear; it replaces an existing one.
    pub(crate) fn persist(self) -> Result<()> {
        if let Some(file) = self.file {
            file.persist(&self.place).map_err(|error| Failure::in_file(&self.path, error.error))?;
        }
        Ok(())
    }

    pub(crate) fn failure(&self, reason: impl std::fmt::Display) -> Failure {
        Failure::in_file(&self.path, reason)
    }

    /// Creates a file in the folder of the target, with the permissions that the target has or would get.
    fn temporary(&self) -> Result<NamedTempFile> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".wgpu-rnn-");
        #[cfg(unix)]
        let permissions = {
            use std::os::unix::fs::PermissionsExt;
            fs::Permissions::from_mode(0o666)
        };
        #[cfg(unix)]
        builder.permissions(permissions);
        let failure = |error: io::Error| self.failure(reason(&error));
        let file = builder.tempfile_in(folder(&self.place)).map_err(failure)?;
        if let Ok(existing) = fs::metadata(&self.path) {
            file.as_file().set_permissions(existing.permissions()).map_err(failure)?;
        }
        Ok(file)
    }
}

/// Returns the reason without the name of the temporary file, which means nothing to the user.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" at path ").next().unwrap_or_default().to_owned()
}

/// Returns the canonical path, so that different spellings of one file are equal.
fn place(path: &Path) -> PathBuf {
    let beside = || Some(fs::canonicalize(folder(path)).ok()?.join(path.file_name()?));
    fs::canonicalize(path).ok().or_else(beside).unwrap_or_else(|| path.to_owned())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
