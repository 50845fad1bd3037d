//! The values of a tensor in a file, or beside it.

use std::borrow::Cow;

use super::array::{Array, Bytes, MOST_AXES};
use super::budget::Budget;
use super::data::Files;
use super::proto::Tensor;
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::array::reserved;
use crate::error::Fault;
use crate::io::element::Element;
use crate::io::format_error;

/// `TensorProto.DataType` of the types that have two values in a byte.
const UINT4: i64 = 21;
const INT4: i64 = 22;

impl Tensor<'_> {
    /// Returns whether every value is known to be zero. The values are examined only once, however many
    /// nodes request it.
    pub(super) fn is_zero(&self, files: &dyn Files, budget: &Budget) -> bool {
        *self.zero.get_or_init(|| self.array("value", files, budget).is_ok_and(|values| values.is_zero()))
    }

    /// Returns the tensor's values; `what` names it in errors.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Tensor`] for a type that cannot be read; [`ErrorKind::File`] if the values cannot be read
    /// from another file, or their number does not match the shape; [`ErrorKind::TooLarge`] if the budget has no room
    /// for another file's; [`ErrorKind::OutOfMemory`].
    pub(super) fn array<'t>(
        &'t self,
        what: &str,
        files: &'t dyn Files,
        budget: &Budget,
    ) -> Result<Array<'t>, Error> {
        if self.segment {
            return Err(format_error(what, "a whole tensor", "a segment of one"));
        }
        let shape = self.shape(what)?;
        let packed = matches!(self.data_type, UINT4 | INT4);
        let element = match self.data_type {
            UINT4 => Element::U8,
            INT4 => Element::I8,
            other => Element::of_onnx(other).ok_or_else(|| {
                Error::from(Fault::Dtype {
                    name: what.to_owned(),
                    expected: "a floating-point type, an integer type or bool",
                    found: type_name(other),
                })
            })?,
        };
        let size = shape.iter().try_fold(element.bytes(), |size, &dim| size.checked_mul(dim));
        let size = if packed { size.map(|size| size.div_ceil(2)) } else { size };
        let mismatch = |found: usize| {
            let expected = format!("the values of shape {shape:?}, {} bytes each", element.bytes());
            format_error(what, expected, format_args!("{found} bytes"))
        };
        let bytes = match &self.external {
            Some(external) => external.read(size, what, files, budget)?,
            None => self.inside(element, what)?,
        };
        if size != Some(bytes.len()) {
            return Err(mismatch(bytes.len()));
        }
        let bytes = match bytes {
            bytes if packed => unpacked(&bytes, shape.iter().product(), element, what)?.into(),
            Cow::Borrowed(bytes) => Bytes::File(bytes),
            Cow::Owned(bytes) => bytes.into(),
        };
        let found = bytes.len();
        Array::new(shape.clone(), element, bytes).ok_or_else(|| mismatch(found))
    }

    fn shape(&self, what: &str) -> Result<Vec<usize>, Error> {
        let size = |&dim: &i64| {
            usize::try_from(dim)
                .map_err(|_| format_error(what, "sizes of at least 0", format_args!("shape {:?}", self.dims)))
        };
        if self.dims.len() > MOST_AXES {
            let expected = format_args!("at most {MOST_AXES} sizes").to_string();
            return Err(format_error(what, expected, self.dims.len()));
        }
        self.dims.iter().map(size).collect()
    }

    /// Returns the values in the file itself.
    fn inside(&self, element: Element, what: &str) -> Result<Cow<'_, [u8]>, Error> {
        let typed = self.typed(element, what)?;
        match self.raw {
            Some(raw) if typed.is_empty() => Ok(Cow::Borrowed(raw)),
            Some(_) => Err(format_error(what, "raw or typed values", "both")),
            None => Ok(typed),
        }
    }

    /// Returns the values in the field of their type.
    fn typed(&self, element: Element, what: &str) -> Result<Cow<'_, [u8]>, Error> {
        let values = match element {
            Element::F32 => Cow::Borrowed(&self.floats[..]),
            Element::F64 => Cow::Borrowed(&self.doubles[..]),
            Element::I64 | Element::U32 | Element::U64 => integers(&self.int64s, element, what)?,
            _ => integers(&self.int32s, element, what)?,
        };
        let fields = [self.floats.len(), self.doubles.len(), self.int32s.len(), self.int64s.len()];
        if values.is_empty() && fields.iter().any(|&values| values > 0) {
            let expected = format!("values of dtype {}", element.name());
            return Err(format_error(what, expected, "those of another type"));
        }
        Ok(values)
    }
}

/// Converts the integers of a repeated field to the bytes of the type that they represent. Those of f16 and
/// bf16 are bits.
fn integers(values: &[i64], element: Element, what: &str) -> Result<Cow<'static, [u8]>, Error> {
    let size = element.bytes();
    let bits = 8 * u32::try_from(size).unwrap_or(8);
    let mut bytes = reserved(what, values.len().saturating_mul(size))?;
    for &value in values {
        // Whether what the type cannot hold is only copies of its sign.
        let fits = bits == 64 || value >> bits == 0 || value >> (bits - 1) == -1;
        if !fits {
            return Err(format_error(what, format_args!("values of {size} bytes"), value));
        }
        bytes.extend(value.to_le_bytes().iter().take(size));
    }
    Ok(Cow::Owned(bytes))
}

/// Returns values of four bits as bytes. The first of two is in the lower bits.
fn unpacked(bytes: &[u8], count: usize, element: Element, what: &str) -> Result<Vec<u8>, Error> {
    let value = |bits: u8| if element == Element::I8 && bits >= 8 { bits | 0xF0 } else { bits };
    let mut values = reserved(what, count)?;
    values.extend(bytes.iter().flat_map(|byte| [value(byte & 0xF), value(byte >> 4)]).take(count));
    Ok(values)
}

/// Returns ONNX's name of a type that cannot be read.
fn type_name(data_type: i64) -> String {
    let name = match data_type {
        0 => "no type",
        8 => "string",
        14 => "complex64",
        15 => "complex128",
        17 => "float8e4m3fn",
        18 => "float8e4m3fnuz",
        19 => "float8e5m2",
        20 => "float8e5m2fnuz",
        23 => "float4e2m1",
        _ => return format!("ONNX's type {data_type}"),
    };
    name.to_owned()
}
