//! HDF5 as h5py writes it for Keras: groups and datasets of numbers, and attributes of text.
//!
//! It reads a file's bytes in place. What it does not know (dense groups, other filters, virtual datasets) is
//! an error. The crates without the C library were looked at: `hdf5-reader` and `hdf5-pure` copy the file,
//! try to allocate what a broken size claims (up to 7 EB for a file of 14 KB) and can take seconds for such a
//! file; `hdf5-rust` aborts.

mod chunks;
mod group;
mod header;
mod reader;

use std::collections::BTreeMap;
use std::mem;

use super::keras::layers_of_model;
use super::{Data, Entry, Tensors, format_error};
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
pub(super) use chunks::Chunks;
use header::{Layout, MODEL, Object, Texts, VERSION};
use reader::{DEFLATE, File, LONGEST};

/// The largest number of groups inside each other.
const DEEPEST: usize = 32;

impl<'a> Tensors<'a> {
    /// Reads the datasets of an HDF5 file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if the bytes are not a complete HDF5 file, or use a part of the format that h5py does
    /// not use for Keras.
    pub(super) fn hdf5(bytes: &'a [u8]) -> Result<Self, Error> {
        let (entries, texts) = read(bytes)?;
        let mut tensors = Tensors::new(bytes, entries);
        let text = |name| texts.get(name).map_or("", String::as_str);
        tensors.keras = layers_of_model(text(MODEL).as_bytes(), text(VERSION))?.0;
        Ok(tensors)
    }
}

/// Returns the datasets of a file by their paths, and the attributes of the root that are known.
pub(super) fn read(bytes: &[u8]) -> Result<(BTreeMap<String, Entry>, Texts), Error> {
    let file = File::new(bytes);
    let root = file.root()?;
    let mut walk = Walk { file, entries: BTreeMap::new(), texts: Texts::new() };
    walk.walk(root, "", 0)?;
    Ok((walk.entries, walk.texts))
}

/// The objects that were found.
struct Walk<'a> {
    file: File<'a>,
    entries: BTreeMap<String, Entry>,
    /// The attributes of the root.
    texts: Texts,
}

impl Walk<'_> {
    /// Reads an object: the datasets in a group and the groups below it, or a dataset.
    fn walk(&mut self, address: usize, path: &str, depth: usize) -> Result<(), Error> {
        if !self.file.visited.insert(address) || depth > DEEPEST || path.len() > LONGEST {
            return Ok(());
        }
        let mut object = Object::read(&mut self.file, address, depth == 0)?;
        if depth == 0 {
            self.texts = mem::take(&mut object.texts);
        }
        for (name, address) in group::links(&mut self.file, &mut object)? {
            let below = if path.is_empty() { name } else { format!("{path}/{name}") };
            self.walk(address, &below, depth + 1)?;
        }
        if let Some(entry) = self.dataset(&object, path)? {
            self.entries.insert(path.to_owned(), entry);
        }
        Ok(())
    }

    /// Returns the header of a dataset, or none for a group.
    fn dataset(&mut self, object: &Object, path: &str) -> Result<Option<Entry>, Error> {
        let (Some(shape), Some(kind), Some(layout)) = (&object.shape, &object.kind, &object.layout) else {
            return Ok(None);
        };
        let count = shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
        let size = count.and_then(|count| count.checked_mul(kind.size));
        let wrong = |found: &dyn std::fmt::Display| {
            let expected = format_args!("the values of {} of shape {shape:?}", kind.name).to_string();
            Err(format_error(path, expected, found))
        };
        let data = match (layout, size) {
            // A type that cannot be read, such as text, needs no values.
            _ if kind.element.is_none() => Data::Bytes(0..0),
            (_, Some(0)) => Data::Bytes(0..0),
            (Layout::Bytes(range), Some(size))
                if range.len() == size && range.end <= self.file.bytes.len() =>
            {
                Data::Bytes(range.clone())
            }
            (Layout::Bytes(range), _) => {
                return wrong(&format_args!("{} bytes at {}", range.len(), range.start));
            }
            (Layout::Chunked { tree, sizes }, Some(size))
                if size <= self.file.bytes.len().saturating_mul(DEFLATE) =>
            {
                let chunks = Chunks::read(&mut self.file, path, *tree, sizes, kind.size, &object.filters)?;
                Data::Chunks(Box::new(chunks))
            }
            (Layout::Chunked { .. }, _) => {
                return wrong(&format_args!("a file of {} bytes", self.file.bytes.len()));
            }
            (Layout::Other(name), _) => return wrong(name),
        };
        Ok(Some(Entry {
            shape: shape.clone(),
            dtype: kind.name.to_owned(),
            element: kind.element,
            big_endian: kind.big_endian,
            fortran: false,
            strides: None,
            data,
        }))
    }
}
