//! The error that ends a command, as one line.

use std::fmt;
use std::path::Path;

/// A reason, with the file in which it was found, if any.
#[derive(Debug)]
pub(crate) struct Failure(String);

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// Makes a failure that no file caused.
    pub(crate) fn new(reason: impl fmt::Display) -> Self {
        Failure(one_line(&reason.to_string()))
    }

    /// Makes a failure in a file.
    pub(crate) fn in_file(path: &Path, reason: impl fmt::Display) -> Self {
        Failure::new(format_args!("{}: {reason}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Joins the lines of a text: names of files and messages of drivers may contain line breaks.
pub(crate) fn one_line(text: &str) -> String {
    text.lines().map(str::trim_end).collect::<Vec<_>>().join(" ")
}
