//! Every public function that can fail, what can be done wrong with it, and the text of the error.
//!
//! A new public function that returns a `Result` turns [`public`] red until the table has a row for it:
//! `row("Type::function", outcome, "the text")` in the module that fits.

mod batch;
mod config;
#[cfg(all(feature = "safetensors", feature = "npz", feature = "pytorch", feature = "keras"))]
mod files;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(all(feature = "safetensors", feature = "npz", feature = "pytorch", feature = "keras"))]
mod keras;
#[cfg(all(
    feature = "gpu",
    feature = "safetensors",
    feature = "npz",
    feature = "pytorch",
    feature = "keras"
))]
mod public;
mod session;
mod state_dict;

use wgpu_rnn::Error;

/// One misuse.
struct Row {
    /// The function: `Type::name`, or the file that a free function stands in and its name.
    function: &'static str,
    /// What came of it; none where it takes a GPU, and the tests are told to leave that out.
    found: Option<String>,
    expected: String,
}

fn row<T>(function: &'static str, found: Result<T, Error>, expected: impl Into<String>) -> Row {
    Row { function, found: Some(outcome(found)), expected: expected.into() }
}

fn outcome<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => "no error".into(),
        Err(error) => error.to_string(),
    }
}

fn table() -> Vec<Row> {
    let mut table = batch::rows();
    table.extend(config::rows());
    #[cfg(all(feature = "safetensors", feature = "npz", feature = "pytorch", feature = "keras"))]
    table.extend(files::rows());
    #[cfg(feature = "gpu")]
    table.extend(gpu::rows());
    #[cfg(all(feature = "safetensors", feature = "npz", feature = "pytorch", feature = "keras"))]
    table.extend(keras::rows());
    table.extend(session::rows());
    table.extend(state_dict::rows());
    table
}

#[test]
fn every_misuse_has_its_message() {
    let wrong = |Row { function, found, expected }: Row| {
        let found = found.filter(|found| *found != expected)?;
        Some(format!("{function}: {found:?} instead of\n  {expected:?}"))
    };
    let failures: Vec<String> = table().into_iter().filter_map(wrong).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
