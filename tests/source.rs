//! The library's source files, for tests that read them.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns each file of `src` without its unit tests: its path below `src`, and its text.
pub fn files() -> Vec<(PathBuf, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a source file");
        // Unit tests stand last.
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
        (path.strip_prefix(&source).expect("a path in src").to_owned(), text)
    };
    paths(&source).into_iter().map(read).collect()
}

fn paths(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let others = entries.filter(|path| path.file_stem().is_some_and(|stem| stem != "tests"));
    others.flat_map(|path| if path.is_dir() { paths(&path) } else { vec![path] }).collect()
}
