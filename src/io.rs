//! File formats: reads and writes tensors as safetensors, npy and npz, and reads layers from the files of
//! PyTorch and Keras and from ONNX models.
//!
//! [`Tensors`] reads safetensors, npy, npz, PyTorch's and Keras' files with one function,
//! [`Tensors::from_bytes`]. It reads names and shapes first, and values on request. Its input is the bytes of the
//! whole file. Headers are checked against the bytes before they are used, so that a broken file gives an
//! [`Error`], never a panic or a large allocation. [`Weights::from_bytes`](crate::Weights::from_bytes) reads the
//! recurrent layer of such a file or of an ONNX model.
//!
//! ```
//! use wgpu_rnn::{Config, LoadOptions, Weights};
//!
//! # #[cfg(feature = "safetensors")] {
//! let weights = Weights::seeded(Config::gru(4, 8), 0)?;
//! let file = weights.to_safetensors()?;
//! assert_eq!(Weights::from_bytes(&file, &LoadOptions::default())?, weights);
//! # }
//! # Ok::<(), wgpu_rnn::Error>(())
//! ```

#[cfg(any(feature = "keras", feature = "npz", feature = "pytorch"))]
mod archive;
#[cfg(any(feature = "keras", feature = "pytorch"))]
mod bytes;
mod element;
#[cfg(feature = "keras")]
mod hdf5;
mod keras;
mod kind;
#[cfg(feature = "npz")]
mod npy;
#[cfg(feature = "npz")]
mod npz;
#[cfg(feature = "onnx")]
mod onnx;
#[cfg(feature = "pytorch")]
mod pytorch;
mod read;
#[cfg(feature = "safetensors")]
mod safetensors;
mod view;
mod weights;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;

use ndarray::{ArrayD, IxDyn, ShapeBuilder};

pub use keras::MergeMode;
#[cfg(feature = "npz")]
pub use npy::to_npy;
#[cfg(feature = "npz")]
pub use npz::to_npz;
#[cfg(feature = "onnx")]
pub use onnx::{OnnxLayer, OnnxModel};
#[cfg(feature = "safetensors")]
pub use safetensors::to_safetensors;

use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::error::Fault;
use element::Element;

/// The named tensors in the bytes of a file.
#[derive(Debug)]
pub struct Tensors<'a> {
    bytes: Cow<'a, [u8]>,
    entries: BTreeMap<String, Entry>,
    metadata: BTreeMap<String, String>,
    /// What the file states about Keras' layers.
    keras: Vec<keras::LayerSettings>,
}

/// The header of one tensor. The length of the values is already known to match the shape.
#[derive(Debug)]
struct Entry {
    shape: Vec<usize>,
    /// The name of the element type; the file's own name for a type that cannot be read.
    dtype: String,
    element: Option<Element>,
    big_endian: bool,
    /// Whether the order is Fortran's: the first index varies fastest.
    fortran: bool,
    /// The strides in elements, if the values are a part of the data that is in neither order.
    strides: Option<Vec<usize>>,
    data: Data,
}

/// The location of a tensor's values.
#[derive(Debug)]
#[cfg_attr(
    not(any(feature = "safetensors", feature = "npz", feature = "pytorch", feature = "keras")),
    allow(dead_code, reason = "no other format is one of named tensors")
)]
enum Data {
    /// A range of the file's bytes.
    Bytes(Range<usize>),
    /// A file of the archive, from this byte on.
    #[cfg(feature = "npz")]
    Member { member: Box<archive::Member>, start: usize },
    /// Pieces of the array, which may be packed.
    #[cfg(feature = "keras")]
    Chunks(Box<hdf5::Chunks>),
}

/// Converts the bytes of an element type, in big-endian order or not; `None` for a type that does not convert.
type Convert<T> = fn(Element, &[u8], bool) -> Option<Result<Vec<T>, Error>>;

impl<'a> Tensors<'a> {
    #[cfg_attr(
        not(any(feature = "safetensors", feature = "npz", feature = "pytorch", feature = "keras")),
        allow(dead_code, reason = "no other format is one of named tensors")
    )]
    fn new(bytes: &'a [u8], entries: BTreeMap<String, Entry>) -> Self {
        Tensors { bytes: Cow::Borrowed(bytes), entries, metadata: BTreeMap::new(), keras: Vec::new() }
    }

    /// Returns the names and shapes of the tensors, sorted by name.
    pub fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), &entry.shape[..]))
    }

    /// Returns the element type of a tensor: `f16`, `bf16`, `f32`, `f64`, `i8` to `i64`, `u8` to `u64`, `bool`, or
    /// the file's own name for a type that cannot be read.
    pub fn dtype(&self, name: &str) -> Option<&str> {
        Some(&self.entries.get(name)?.dtype)
    }

    /// Returns the metadata strings of a safetensors file; other files have none.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Returns a tensor of f16, bf16, f32 or f64 as f32. Values of f64 beyond f32's range become infinite.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Tensor`] for another element type, [`ErrorKind::File`] if there is no tensor of that name
    /// or an archive cannot be unpacked, [`ErrorKind::OutOfMemory`] if there is not enough memory for the values.
    pub fn f32(&self, name: &str) -> Result<ArrayD<f32>, Error> {
        self.array(name, "f16, bf16, f32 or f64", Element::to_f32)
    }

    /// Returns a tensor of f16, bf16, f32 or f64 as f64.
    ///
    /// # Errors
    ///
    /// The same as [`Tensors::f32`].
    pub fn f64(&self, name: &str) -> Result<ArrayD<f64>, Error> {
        self.array(name, "f16, bf16, f32 or f64", Element::to_f64)
    }

    /// Returns a tensor of integers or of bool (as 0 and 1) as i64. Values of u64 beyond i64's range become `i64::MAX`.
    ///
    /// # Errors
    ///
    /// The same as [`Tensors::f32`].
    pub fn i64(&self, name: &str) -> Result<ArrayD<i64>, Error> {
        self.array(name, "an integer type", Element::to_i64)
    }

    fn array<T>(&self, name: &str, expected: &'static str, convert: Convert<T>) -> Result<ArrayD<T>, Error> {
        let entry = self.entries.get(name).ok_or_else(|| self.missing(name))?;
        let wrong_type =
            || Error::from(Fault::Dtype { name: name.to_owned(), expected, found: entry.dtype.clone() });
        // Converting an empty slice checks the type before the archive is unpacked.
        let element = entry.element.filter(|&e| convert(e, &[], false).is_some()).ok_or_else(wrong_type)?;
        let bytes = self.values(name, entry)?;
        let bytes = match &entry.strides {
            Some(strides) => Cow::Owned(view::gathered(&bytes, &entry.shape, strides, element.bytes())?),
            None => bytes,
        };
        let values = convert(element, &bytes, entry.big_endian).ok_or_else(wrong_type)??;
        let shape = IxDyn(&entry.shape).set_f(entry.fortran);
        ArrayD::from_shape_vec(shape, values)
            .map_err(|error| format_error(name, format_args!("shape {:?}", entry.shape), error))
    }

    fn values(&self, name: &str, entry: &Entry) -> Result<Cow<'_, [u8]>, Error> {
        let truncated = || format_error(name, "its values", "nothing");
        match &entry.data {
            Data::Bytes(range) => Ok(Cow::Borrowed(self.bytes.get(range.clone()).ok_or_else(truncated)?)),
            #[cfg(feature = "npz")]
            Data::Member { member, start } => Ok(match member.contents(&self.bytes, name)? {
                Cow::Borrowed(contents) => Cow::Borrowed(contents.get(*start..).unwrap_or_default()),
                Cow::Owned(mut contents) => {
                    contents.drain(..(*start).min(contents.len()));
                    Cow::Owned(contents)
                }
            }),
            #[cfg(feature = "keras")]
            Data::Chunks(chunks) => Ok(Cow::Owned(chunks.values(&self.bytes, name, &entry.shape)?)),
        }
    }

    fn missing(&self, name: &str) -> Error {
        const LISTED: usize = 12;
        let mut found: Vec<String> =
            self.entries.keys().take(LISTED).map(|name| format!("{name:?}")).collect();
        match self.entries.len() {
            0 => found.push("no tensors".into()),
            count if count > LISTED => found.push(format!("{} more", count - LISTED)),
            _ => {}
        }
        format_error(name, "a tensor of that name", found.join(", "))
    }
}

fn format_error(what: &str, expected: impl Display, found: impl Display) -> Error {
    Error::from(Fault::Format {
        what: what.to_owned(),
        expected: expected.to_string(),
        found: found.to_string(),
    })
}

/// Returns the error for two tensors of the same name in one file.
fn twice(name: &str) -> Error {
    format_error(name, "one tensor of that name", "two")
}

#[cfg(test)]
#[cfg(all(feature = "safetensors", feature = "npz"))]
mod tests;
