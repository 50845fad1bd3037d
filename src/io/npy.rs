//! npy: a header, which is a Python literal, and one array.

use std::io::Read;
use std::ops::Range;

use ndarray::ArrayViewD;
use npyz::{DType, Endianness, NpyHeader, Order, TypeChar, WriterBuilder};

use super::kind::{Kind, explained};
use super::{Data, Element, Entry, Tensors, format_error};
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::array::reserved;

/// The largest accepted header in bytes. NumPy's headers take 128 bytes; NumPy rejects headers above 10000.
const LONGEST_HEADER: usize = 10_000;
/// The largest accepted nesting of brackets; the parser of Python literals takes exponential time in it. A
/// header is one dictionary, so braces within braces, which the parser tries as dictionaries and as sets,
/// are rejected.
const DEEPEST_HEADER: usize = 4;

impl<'a> Tensors<'a> {
    /// Reads the array of an npy file. The file has no name for it; `name` gives it one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if the bytes are not one complete npy file.
    pub fn from_npy(bytes: &'a [u8], name: &str) -> Result<Self, Error> {
        Tensors::npy(bytes, name).map_err(|error| explained(error, bytes, Kind::Npy))
    }

    fn npy(bytes: &'a [u8], name: &str) -> Result<Self, Error> {
        let (header, start) = read_header(bytes, name)?;
        let size = header.data_size(name)?;
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
    element_bytes: usize,
    big_endian: bool,
    fortran: bool,
}

impl Header {
    pub(super) fn entry(self, data: Data) -> Entry {
        let Header { shape, dtype, element, big_endian, fortran, .. } = self;
        Entry { shape, dtype, element, big_endian, fortran, strides: None, data }
    }

    /// Returns the number of bytes of the values, or `None` if their type cannot be read.
    pub(super) fn data_size(&self, name: &str) -> Result<Option<usize>, Error> {
        if self.element.is_none() {
            return Ok(None);
        }
        let size = byte_count(&self.shape, self.element_bytes);
        let too_large =
            || format_error(name, "a shape that can be counted", format_args!("{:?}", self.shape));
        size.ok_or_else(too_large).map(Some)
    }

    pub(super) fn wrong_size(&self, name: &str, expected: usize, found: usize) -> Error {
        let Header { shape, dtype, .. } = self;
        let expected = format_args!("{expected} bytes of values for {dtype} of shape {shape:?}");
        format_error(name, expected.to_string(), found)
    }
}

/// Returns the number of bytes of an array, or `None` if it overflows.
fn byte_count(shape: &[usize], element_bytes: usize) -> Option<usize> {
    let count = shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size))?;
    count.checked_mul(element_bytes)
}

/// Reads the header. Returns it with the position of the first value.
pub(super) fn read_header(mut reader: impl Read, name: &str) -> Result<(Header, usize), Error> {
    let broken = |found: &dyn std::fmt::Display| format_error(name, "an npy header", found);
    let mut text = vec![0; 12];
    let mut read = |into: &mut [u8]| reader.read_exact(into).map_err(|error| broken(&error));
    read(&mut text[..10])?;
    if !text.starts_with(b"\x93NUMPY") {
        return Err(broken(&"another kind of file"));
    }
    let length = Range { start: 8, end: if text[6] == 1 { 10 } else { 12 } };
    read(&mut text[10..length.end])?;
    let start = length.end;
    let length = text[length].iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
    if length > LONGEST_HEADER {
        return Err(broken(&format_args!("one of {length} bytes")));
    }
    text.resize(start + length, 0);
    read(&mut text[start..])?;
    check_literal(&text[start..]).map_err(|found| broken(&found))?;
    let header = NpyHeader::from_reader(&text[..]).map_err(|error| broken(&one_line(&error)))?;
    Ok((interpret(&header, name)?, text.len()))
}

/// Rejects text on which the parser of Python literals or the product of a shape would fail.
fn check_literal(text: &[u8]) -> Result<(), &'static str> {
    let (mut depth, mut number, mut product) = (0usize, None, 1u64);
    for &byte in text {
        match (byte, number) {
            (b'{', _) if depth > 0 => return Err("one nested too deeply"),
            (b'(' | b'[' | b'{', _) => depth += 1,
            (b')' | b']' | b'}', _) => depth = depth.saturating_sub(1),
            // These allow numbers in other notations than decimal digits, and text that differs from its
            // appearance.
            (b'+' | b'-' | b'\\', _) | (b'_' | b'a'..=b'z' | b'A'..=b'Z', Some(_)) => {
                return Err("one with more than plain names and numbers");
            }
            _ => {}
        }
        if depth > DEEPEST_HEADER {
            return Err("one nested too deeply");
        }
        number = match (byte, number) {
            (b'0'..=b'9', number) => {
                let digits = number.unwrap_or(0u64).checked_mul(10);
                let value = digits.and_then(|value| value.checked_add(u64::from(byte - b'0')));
                Some(value.ok_or("one with a number too large")?)
            }
            (_, Some(value)) => {
                product = product.checked_mul(value.max(1)).ok_or("one with a shape too large")?;
                None
            }
            (_, None) => None,
        };
    }
    Ok(())
}

fn interpret(header: &NpyHeader, name: &str) -> Result<Header, Error> {
    let shape: Result<Vec<usize>, _> = header.shape().iter().map(|&size| usize::try_from(size)).collect();
    let shape = shape.map_err(|error| format_error(name, "a shape that can be counted", error))?;
    let dtype = header.dtype();
    let (element, big_endian) = match &dtype {
        DType::Plain(plain) => {
            (element(plain.type_char(), plain.size_field()), plain.endianness() == Endianness::Big)
        }
        _ => (None, false),
    };
    Ok(Header {
        shape,
        element,
        element_bytes: dtype.num_bytes().unwrap_or(0),
        dtype: element.map_or_else(|| dtype.descr(), |element| element.name().to_owned()),
        big_endian,
        fortran: header.order() == Order::Fortran,
    })
}

fn element(kind: TypeChar, bytes: u64) -> Option<Element> {
    match (kind, bytes) {
        (TypeChar::Float, 2) => Some(Element::F16),
        (TypeChar::Float, 4) => Some(Element::F32),
        (TypeChar::Float, 8) => Some(Element::F64),
        (TypeChar::Int, 1) => Some(Element::I8),
        (TypeChar::Int, 2) => Some(Element::I16),
        (TypeChar::Int, 4) => Some(Element::I32),
        (TypeChar::Int, 8) => Some(Element::I64),
        (TypeChar::Bool, 1) => Some(Element::Bool),
        (TypeChar::Uint, 1) => Some(Element::U8),
        (TypeChar::Uint, 2) => Some(Element::U16),
        (TypeChar::Uint, 4) => Some(Element::U32),
        (TypeChar::Uint, 8) => Some(Element::U64),
        _ => None,
    }
}

/// Returns the first line of a parser's error, which states the position. The other lines show the text.
fn one_line(error: &std::io::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().trim_end().to_owned()
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
    let size = values.len().saturating_mul(size_of::<f32>()).saturating_add(LONGEST_HEADER);
    let mut file = reserved("npy", size)?;
    write(&mut file, &values)
        .map_err(|error| format_error("npy", "an array that the format can hold", error))?;
    Ok(file)
}

pub(super) fn write(to: impl std::io::Write, values: &ArrayViewD<'_, f32>) -> std::io::Result<()> {
    let shape: Vec<u64> = values.shape().iter().map(|&size| size as u64).collect();
    let options = npyz::WriteOptions::new().dtype(DType::Plain(f32_type()?)).shape(&shape).writer(to);
    let mut writer = options.begin_nd()?;
    writer.extend(values.iter().copied())?;
    writer.finish()
}

/// Returns the type of f32 values, little-endian on every machine, so that the same values give the same
/// file.
fn f32_type() -> std::io::Result<npyz::TypeStr> {
    "<f4".parse().map_err(std::io::Error::other)
}
