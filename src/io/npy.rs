//! npy: a header, which is a Python literal, and one array.

mod literal;

use std::io::{self, Read, Write};
use std::ops::Range;

use ndarray::ArrayViewD;

use super::kind::{Kind, explained};
use super::{Data, Element, Entry, Tensors, format_error};
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::array::reserved;
use literal::Literal;

/// The first bytes of a file.
const MAGIC: &[u8] = b"\x93NUMPY";
/// The largest accepted header in bytes. NumPy's headers take 128 bytes; NumPy rejects headers above 10000.
const LONGEST_HEADER: usize = 10_000;
/// The values begin at a multiple of this, as NumPy writes them.
const ALIGNMENT: usize = 64;

impl<'a> Tensors<'a> {
    /// Reads the array of an npy file. The file has no name for it; `name` gives it one, also in errors.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if the bytes are not one complete npy file.
    pub fn from_npy(bytes: &'a [u8], name: &str) -> Result<Self, Error> {
        Tensors::npy(bytes, name).map_err(|error| explained(error, bytes, Kind::Npy))
    }

    pub(super) fn npy(bytes: &'a [u8], name: &str) -> Result<Self, Error> {
        let (header, start) = read_header(bytes, name)?;
        let size = header.data_size();
        let found = bytes.len() - start;
        if size.is_some_and(|size| size != found) {
            let expected = size.unwrap_or(found);
            return Err(header.wrong_size(name, expected, found));
        }
        let entry = header.entry(Data::Bytes(start..bytes.len()));
        Ok(Tensors::new(bytes, [(name.to_owned(), entry)].into()))
    }
}

/// The relevant part of an npy header.
#[derive(Debug)]
pub(super) struct Header {
    shape: Vec<usize>,
    dtype: String,
    element: Option<Element>,
    big_endian: bool,
    fortran: bool,
}

impl Header {
    pub(super) fn entry(self, data: Data) -> Entry {
        let Header { shape, dtype, element, big_endian, fortran, .. } = self;
        Entry { shape, dtype, element, big_endian, fortran, strides: None, data }
    }

    /// Returns the number of bytes of the values, or `None` if their type cannot be read.
    pub(super) fn data_size(&self) -> Option<usize> {
        self.element.map(|element| self.shape.iter().product::<usize>() * element.bytes())
    }

    pub(super) fn wrong_size(&self, name: &str, expected: usize, found: usize) -> Error {
        let Header { shape, dtype, .. } = self;
        let expected = format_args!("{expected} bytes of values for {dtype} of shape {shape:?}");
        format_error(name, expected.to_string(), found)
    }
}

/// Reads the header. Returns it with the position of the first value.
pub(super) fn read_header(mut reader: impl Read, name: &str) -> Result<(Header, usize), Error> {
    let broken = |found: &dyn std::fmt::Display| format_error(name, "an npy header", found);
    let mut text = vec![0; 12];
    let mut read = |into: &mut [u8]| reader.read_exact(into).map_err(|error| broken(&error));
    read(&mut text[..10])?;
    if !text.starts_with(MAGIC) {
        return Err(broken(&"another kind of file"));
    }
    let version = (text[6], text[7]);
    let length = match version {
        (1, 0) => 8..10,
        (2 | 3, 0) => 8..12,
        (major, minor) => return Err(broken(&format_args!("one of version {major}.{minor}"))),
    };
    read(&mut text[10..length.end])?;
    let Range { end: start, .. } = length;
    let length = text[length].iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
    if length > LONGEST_HEADER {
        return Err(broken(&format_args!("one of {length} bytes")));
    }
    text.resize(start + length, 0);
    read(&mut text[start..])?;
    let literal =
        str::from_utf8(&text[start..]).map_err(|_| "text that is not UTF-8").and_then(literal::parse);
    let header = literal.and_then(interpret).map_err(|found| broken(&found))?;
    Ok((header, text.len()))
}

fn interpret(literal: Literal<'_>) -> Result<Header, &'static str> {
    let Literal { descr, descr_text, fortran_order: fortran, shape } = literal;
    let (element, big_endian) = descr.map_or(Ok((None, false)), element)?;
    let bytes = element.map_or(1, Element::bytes);
    // Other sizes count even if one is zero, so that no product of them overflows.
    let size = shape.iter().try_fold(bytes, |product, &size| product.checked_mul(size.max(1)));
    size.ok_or("one with a shape too large")?;
    let dtype = element.map_or(descr_text, |element| element.name()).to_owned();
    Ok(Header { shape, dtype, element, big_endian, fortran })
}

/// Returns the type that a name such as `<f4` means, if it can be read, and whether it is big-endian.
fn element(descr: &str) -> Result<(Option<Element>, bool), &'static str> {
    let mut characters = descr.chars();
    let (order, kind, size) = (characters.next(), characters.next(), characters.as_str());
    let is_name =
        matches!(order, Some('<' | '>' | '|')) && kind.is_some_and(|kind| kind.is_ascii_alphabetic());
    // Behind the size there may be a unit, as in `<M8[ns]`.
    let unit = size.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_unit = unit.is_empty() || (unit.starts_with('[') && unit.ends_with(']'));
    if !is_name || !is_unit {
        return Err("one with an invalid type string");
    }
    let element = match (kind, size) {
        (Some('f'), "2") => Element::F16,
        (Some('f'), "4") => Element::F32,
        (Some('f'), "8") => Element::F64,
        (Some('i'), "1") => Element::I8,
        (Some('i'), "2") => Element::I16,
        (Some('i'), "4") => Element::I32,
        (Some('i'), "8") => Element::I64,
        (Some('b'), "1") => Element::Bool,
        (Some('u'), "1") => Element::U8,
        (Some('u'), "2") => Element::U16,
        (Some('u'), "4") => Element::U32,
        (Some('u'), "8") => Element::U64,
        _ => return Ok((None, false)),
    };
    // Only single bytes have no order.
    if order == Some('|') && element.bytes() > 1 {
        return Err("one with an invalid type string");
    }
    Ok((Some(element), order == Some('>')))
}

/// Returns an npy file of f32, in row-major order.
///
/// ```
/// use wgpu_rnn::{io, ndarray::array};
///
/// let values = array![[1.0f32, 2.0], [3.0, 4.0]].into_dyn();
/// let file = io::to_npy(values.view())?;
/// assert_eq!(io::Tensors::from_npy(&file, "values")?.f32("values")?, values);
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
///
/// # Errors
///
/// [`ErrorKind::File`] if the array cannot be written; [`ErrorKind::OutOfMemory`].
#[allow(clippy::needless_pass_by_value, reason = "a view is a reference, passed as ndarray does")]
pub fn to_npy(values: ArrayViewD<'_, f32>) -> Result<Vec<u8>, Error> {
    let header = header(values.shape());
    let size = values.len().saturating_mul(size_of::<f32>()).saturating_add(header.len());
    let mut file = reserved("npy", size)?;
    write(&mut file, &values)
        .map_err(|error| format_error("npy", "an array that the format can hold", error))?;
    Ok(file)
}

/// Writes a file of f32 values, little-endian on every machine, so that the same values give the same file.
pub(super) fn write(mut to: impl Write, values: &ArrayViewD<'_, f32>) -> io::Result<()> {
    to.write_all(&header(values.shape()))?;
    if let (Some(values), true) = (values.as_slice(), cfg!(target_endian = "little")) {
        return to.write_all(bytemuck::cast_slice(values));
    }
    values.iter().try_for_each(|value| to.write_all(&value.to_le_bytes()))
}

/// Returns what a file of f32 values has before them.
fn header(shape: &[usize]) -> Vec<u8> {
    let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    let shape = format!("({}{comma})", sizes.join(", "));
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}").into_bytes();
    // The version, the length and the newline at the end. Version 2 has a longer length.
    let padded = |before: usize| (before + text.len() + 1).next_multiple_of(ALIGNMENT) - before;
    let (version, length) = match u16::try_from(padded(10)) {
        Ok(length) => (1, length.to_le_bytes().to_vec()),
        Err(_) => (2, u32::try_from(padded(12)).unwrap_or(u32::MAX).to_le_bytes().to_vec()),
    };
    let end = padded(8 + length.len()) - 1;
    text.resize(end, b' ');
    [MAGIC, &[version, 0], &length, &text, b"\n"].concat()
}
