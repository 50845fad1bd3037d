//! The error that ends a command, as one line.

use std::fmt;
use std::path::Path;

/// A reason, with the file in which it was found, if any.
#[derive(Debug)]
pub(crate) struct Failure(String);

pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// The most characters of a line. Names in a file may be as long as the file.
const LONGEST: usize = 4000;

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

/// Joins the lines of a text, escapes its other control characters, and shortens it. Names of files and
/// messages of drivers may contain anything.
pub(crate) fn one_line(text: &str) -> String {
    let line = escaped(&text.lines().map(str::trim_end).collect::<Vec<_>>().join(" "));
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} … ({} more characters)", &line[..end], line[end..].chars().count()),
        None => line,
    }
}

/// Escapes control characters, which could change what a terminal shows.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character.is_control() {
            true => escaped.extend(character.escape_default()),
            false => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_short_line_without_control_characters() {
        assert_eq!(one_line("a \r\nb\x1b[2J\tc"), "a b\\u{1b}[2J\\tc");
        let long = one_line(&"é".repeat(LONGEST + 7));
        assert_eq!(long, format!("{} … (7 more characters)", "é".repeat(LONGEST)));
        assert_eq!(one_line(&"é".repeat(LONGEST)).chars().count(), LONGEST);
    }
}
