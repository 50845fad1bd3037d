//! The limit on the bytes that the values of a file may take, which a small packed file could exceed by far.

use std::sync::OnceLock;

use wgpu_rnn::io::Tensors;
use wgpu_rnn::{Error, ErrorKind, LoadOptions};

/// What `--max-bytes` states. The process has one.
static MAX_BYTES: OnceLock<u64> = OnceLock::new();

/// Sets the limit, if the arguments have one.
pub(crate) fn set(given: Option<u64>) {
    if let Some(bytes) = given {
        let _ = MAX_BYTES.set(bytes);
    }
}

/// Returns the limit.
pub(crate) fn max_bytes() -> u64 {
    MAX_BYTES.get().copied().unwrap_or(LoadOptions::default().max_bytes)
}

/// Checks that a tensor takes no more bytes as f32 than the limit allows.
pub(crate) fn check(tensors: &Tensors<'_>, name: &str) -> Result<(), Error> {
    let Some((_, shape)) = tensors.shapes().find(|(found, _)| *found == name) else { return Ok(()) };
    let needed = shape.iter().fold(size_of::<f32>() as u64, |bytes, &size| bytes.saturating_mul(size as u64));
    let limit = max_bytes();
    if needed <= limit {
        return Ok(());
    }
    let expected = format!("{name}: expected at most {limit} bytes of values, found {needed}");
    Err(Error::new(ErrorKind::TooLarge, format!("{expected} (with --max-bytes)")))
}
