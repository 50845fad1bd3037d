//! A file that appears under its name only when it is complete.

mod temporary;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};
use temporary::Temporary;

/// A file to be written.
#[derive(Debug)]
pub(crate) struct Draft {
    /// The path as it was given, for messages.
    path: PathBuf,
    /// The path with links resolved, so that a link keeps pointing at its file.
    place: PathBuf,
    /// The temporary file with the contents; none for a device or a pipe, which is written directly.
    file: Option<Temporary>,
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
        is_open_file(&self.path)
            || fs::metadata(&self.path).is_ok_and(|found| !found.is_file() && !found.is_dir())
    }

    /// Checks that the file is none of the inputs, which it would replace.
    pub(crate) fn check_is_not(&self, inputs: &[&Path]) -> Result<()> {
        match inputs.iter().any(|input| place(input) == self.place) && !self.is_special() {
            true => Err(self.failure("expected an output that is none of the inputs, found an input")),
            false => Ok(()),
        }
    }

    /// Checks that the file can be written, before the long work for its contents.
    pub(crate) fn open(&mut self) -> Result<()> {
        if self.path.is_dir() {
            return Err(self.failure("expected a file, found a directory"));
        }
        if self.place.is_symlink() {
            return Err(self.failure("expected a file, found links that form a circle"));
        }
        if !self.is_special() {
            let temporary = Temporary::new(folder(&self.place), &self.path);
            self.file = Some(temporary.map_err(|error| self.failure(temporary::reason(&error)))?);
        }
        Ok(())
    }

    /// Writes the contents; the file does not appear yet.
    pub(crate) fn fill(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.file {
            Some(file) => file.write_all(bytes),
            // Not truncated: the shell may have opened it to append.
            None => {
                OpenOptions::new().append(true).open(&self.path).and_then(|mut file| file.write_all(bytes))
            }
        }
        .map_err(|error| self.failure(temporary::reason(&error)))
    }

    /// Makes the file appear; it replaces an existing one.
    pub(crate) fn persist(self) -> Result<()> {
        if let Some(file) = self.file {
            file.persist(&self.place)
                .map_err(|error| Failure::in_file(&self.path, temporary::reason(&error)))?;
        }
        Ok(())
    }

    pub(crate) fn failure(&self, reason: impl std::fmt::Display) -> Failure {
        Failure::in_file(&self.path, reason)
    }
}

/// The most links that are followed, as on Linux.
const LINKS: usize = 40;

/// Returns the canonical path, so that different spellings of one file are equal. The target of a link need
/// not exist.
fn place(path: &Path) -> PathBuf {
    let mut end = path.to_owned();
    for _ in 0..LINKS {
        let Ok(target) = fs::read_link(&end) else { break };
        end = folder(&end).join(target);
    }
    let beside = || Some(fs::canonicalize(folder(&end)).ok()?.join(end.file_name()?));
    fs::canonicalize(&end).ok().or_else(beside).unwrap_or(end)
}

/// Returns whether the path stands for a file that this process has open, such as `/dev/stdout`. The file
/// may be a regular one, but whoever opened it expects the bytes in it.
fn is_open_file(path: &Path) -> bool {
    let names = ["/dev/stdin", "/dev/stdout", "/dev/stderr"].map(Path::new);
    names.contains(&path) || ["/dev/fd", "/proc/self/fd"].iter().any(|folder| path.starts_with(folder))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
