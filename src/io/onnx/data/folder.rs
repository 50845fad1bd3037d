//! External data in the folder of a model.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::{Component, Path, PathBuf};

use super::{Files, Place};

/// The folder of a model.
#[derive(Debug)]
pub(in crate::io::onnx) struct Folder(pub(in crate::io::onnx) PathBuf);

impl Files for Folder {
    fn read(&self, place: &Place<'_>) -> io::Result<Cow<'_, [u8]>> {
        let folder = if self.0.as_os_str().is_empty() { Path::new(".") } else { &self.0 };
        let folder = folder.canonicalize()?;
        // Part by part, since a canonical path on Windows takes no other separators.
        let parts = Path::new(place.location).components();
        let parts = parts.filter(|part| matches!(part, Component::Normal(_)));
        let path: PathBuf = folder.components().chain(parts).collect();
        let path = path.canonicalize()?;
        if !path.starts_with(&folder) {
            return Err(io::Error::other("a link out of the model's folder"));
        }
        // Opening a pipe would wait for another program.
        let metadata = path.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("no regular file"));
        }
        let mut file = File::open(path)?;
        // The file's own size bounds the memory that is taken.
        let end = place.offset.checked_add(place.length as u64);
        if end.is_none_or(|end| end > metadata.len()) {
            return Err(short(place, metadata.len()));
        }
        file.seek(io::SeekFrom::Start(place.offset))?;
        let mut values = Vec::new();
        values.try_reserve_exact(place.length).map_err(|_| io::ErrorKind::OutOfMemory)?;
        file.take(place.length as u64).read_to_end(&mut values)?;
        match values.len() == place.length {
            true => Ok(Cow::Owned(values)),
            false => Err(short(place, place.offset + values.len() as u64)),
        }
    }
}

/// Returns the error for a file that ends too early.
fn short(place: &Place<'_>, found: u64) -> io::Error {
    let Place { offset, length, .. } = place;
    let text = format!("{found} bytes instead of {length} bytes from byte {offset} on");
    io::Error::new(io::ErrorKind::UnexpectedEof, text)
}
